//! The cache: faster, never different, never trusted when it is not intact.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use countersign_model::{Diagnostic, Digest};
use countersign_scan::{Cache, Options, Report, RuleSet};

use crate::tree::Memory;
use crate::{SALT, rules, token_rule};

fn open(dir: &Path, set: &RuleSet) -> Cache {
    let (cache, warning) = Cache::open(dir, &set.digest(), SALT);
    assert!(warning.is_none(), "{warning:?}");
    cache
}

fn scan(tree: &Memory, set: &RuleSet, cache: &Cache) -> Report {
    tree.scan(set, &Options { cache: Some(cache), ..Options::default() })
}

fn only_file(dir: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

fn tree() -> Memory {
    Memory::of([
        ("a.cfg", "key = tok_abcd1234 # countersign:allow * reason: sample\n"),
        ("b.txt", "nothing here"),
        ("c.bin", "\0binary"),
        ("d/a.txt", "key = tok_abcd1234 # countersign:allow * reason: sample\n"),
        ("e", "tok_zzzz1234\ntok_yyyy1234"),
    ])
}

#[test]
fn a_second_scan_reads_nothing_and_says_the_same() {
    let set = rules(&[token_rule()]);
    let dir = tempfile::tempdir().unwrap();
    let dir = &dir.path().join("made/when/needed");
    let first = open(dir, &set);
    let before = scan(&tree(), &set, &first);
    first.save().unwrap();

    let second = open(dir, &set);
    let again = tree();
    let after = scan(&again, &set, &second);
    assert_eq!((again.reads.load(Ordering::Relaxed), again.readers.load(Ordering::Relaxed)), (0, 0));
    assert_eq!((before.cached, after.cached), (0, 5));
    assert_eq!(Report { cached: 0, ..after }, before);
    assert_eq!(before, tree().scan(&set, &Options::default()));
}

#[test]
fn it_is_written_only_when_something_changed_and_forgets_what_is_gone() {
    let set = rules(&[token_rule()]);
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), &set);
    scan(&tree(), &set, &cache);
    cache.save().unwrap();
    let file = only_file(dir.path());
    let size = fs::metadata(&file).unwrap().len();

    // Unchanged: a file that may not be replaced is no error, for nothing is written.
    let cache = open(dir.path(), &set);
    scan(&tree(), &set, &cache);
    fs::remove_file(&file).unwrap();
    cache.save().unwrap();
    assert!(!file.exists());

    let cache = open(dir.path(), &set);
    scan(&tree(), &set, &cache);
    cache.save().unwrap();
    let cache = open(dir.path(), &set);
    let fewer = Memory::of([("b.txt", "nothing here"), ("new", "tok_abcd1234")]);
    assert_eq!(scan(&fewer, &set, &cache).cached, 1);
    cache.save().unwrap();
    assert!(fs::metadata(&file).unwrap().len() < size);
    let report = scan(&fewer, &set, &open(dir.path(), &set));
    assert_eq!((report.cached, report.findings.len()), (2, 1));
}

#[test]
fn answers_are_for_their_rules_and_their_salt() {
    let set = rules(&[token_rule()]);
    let other = rules(&[token_rule().replace("{8}", "{7,8}")]);
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), &set);
    scan(&tree(), &set, &cache);
    cache.save().unwrap();
    assert_eq!(scan(&tree(), &other, &open(dir.path(), &other)).cached, 0);
    let (salted, warning) = Cache::open(dir.path(), &set.digest(), &[9; 32]);
    assert!(warning.is_none());
    assert_eq!(scan(&tree(), &set, &salted).cached, 0);
}

#[test]
fn rules_with_kinds_make_answers_depend_on_the_path() {
    // Of low confidence, so that the value is not looked for where the rule does not look.
    let rule = token_rule().replace("cwe:", "kinds: ['*.cfg']\ncwe:").replace("confidence: high", "confidence: low");
    let set = rules(&[rule]);
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), &set);
    // The same contents at two paths, of which the rule looks at one.
    let tree = || Memory::of([("a.cfg", "tok_abcd1234"), ("a.txt", "tok_abcd1234"), ("b.txt", "tok_abcd1234")]);
    assert_eq!(scan(&tree(), &set, &cache).findings.len(), 1);
    cache.save().unwrap();
    let report = scan(&tree(), &set, &open(dir.path(), &set));
    assert_eq!((report.cached, report.findings.len()), (3, 1));
    assert_eq!(report.findings[0].path.to_string(), "a.cfg");
}

#[test]
fn what_could_not_be_looked_at_is_not_remembered() {
    let set = rules(&[token_rule()]);
    let dir = tempfile::tempdir().unwrap();
    let full = "tok_abcd1234\n".repeat(10_001);
    let tree = || Memory::of([("a", "missing"), ("b", "broken"), ("c", full.as_str())]);
    let cache = open(dir.path(), &set);
    let before = scan(&tree(), &set, &cache);
    assert_eq!(before.gaps.len(), 3);
    cache.save().unwrap();
    assert_eq!(scan(&tree(), &set, &open(dir.path(), &set)), before);
}

#[test]
fn a_damaged_file_is_ignored_told_and_rebuilt() {
    let set = rules(&[token_rule()]);
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), &set);
    let before = scan(&tree(), &set, &cache);
    cache.save().unwrap();
    let file = only_file(dir.path());
    let intact = fs::read(&file).unwrap();

    let mut damaged: Vec<Vec<u8>> = vec![Vec::new(), b"garbage".to_vec(), vec![0; 1_000]];
    damaged.extend((0..intact.len()).step_by(7).map(|n| {
        let mut bytes = intact.clone();
        bytes[n] ^= 1;
        bytes
    }));
    damaged.extend((0..intact.len()).step_by(13).map(|n| intact[..n].to_vec()));
    for bytes in damaged {
        fs::write(&file, &bytes).unwrap();
        let (cache, warning) = Cache::open(dir.path(), &set.digest(), SALT);
        let warning = warning.expect("a damaged file is told");
        assert_eq!((warning.code(), &warning.file), ("CS-SCAN-013", &file));
        assert_eq!(scan(&tree(), &set, &cache), before);
    }
    let (cache, _) = Cache::open(dir.path(), &set.digest(), SALT);
    scan(&tree(), &set, &cache);
    cache.save().unwrap();
    assert_eq!(fs::read(&file).unwrap(), intact, "equal answers are equal bytes");
}

#[test]
fn it_holds_no_values_and_no_salt() {
    let set = rules(&[token_rule()]);
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), &set);
    scan(&tree(), &set, &cache);
    cache.save().unwrap();
    let bytes = fs::read(only_file(dir.path())).unwrap();
    for secret in [&b"tok_abcd1234"[..], b"tok_zzzz1234", SALT, Digest::of(SALT).as_bytes()] {
        assert!(!bytes.windows(secret.len()).any(|w| w == secret));
    }
    assert!(!format!("{cache:?}").contains("salt"));
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error_of_its_own() {
    let set = rules(&[token_rule()]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let (cache, _) = Cache::open(&file, &set.digest(), SALT);
    let report = scan(&tree(), &set, &cache);
    assert_eq!(report.files, 5);
    assert_eq!(cache.save().unwrap_err().code(), "CS-SCAN-012");
}
