//! One test walks every rule file in `rules/` and tells everything that is wrong with any of them at once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use countersign_model::{Confidence, Diagnostic, TreePath};
use countersign_scan::{Error, FileResult, Matching, RuleSet, Scanner};
use serde::Deserialize;

use crate::{SALT, rule};

fn top(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

fn yaml_below(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml_below(&path, out);
        } else if path.extension().is_some_and(|e| e == "yaml") {
            out.push(path);
        }
    }
}

#[derive(Deserialize)]
struct ControlId {
    id: String,
}

fn controls() -> BTreeSet<String> {
    let mut files = Vec::new();
    yaml_below(&top("controls"), &mut files);
    files
        .iter()
        .map(|f| {
            let control: ControlId = serde_saphyr::from_str(&fs::read_to_string(f).unwrap()).unwrap();
            control.id
        })
        .collect()
}

/// How sure each finding of `id` in `text` is. Rules with `kinds` are tried at a path that each kind allows.
fn found(scanner: &Scanner<'_>, id: &str, path: &TreePath, text: &str) -> Vec<Confidence> {
    match scanner.scan_bytes(path, text.as_bytes()) {
        FileResult::Text { matches, missed: None, .. } => {
            matches.iter().filter(|m| scanner.rules().rule(m.rule).id == id).map(|m| m.confidence).collect()
        }
        // Not a text, and no rule had anything to say of it.
        FileResult::Binary { .. } => Vec::new(),
        other => panic!("{id}: {other:?}"),
    }
}

/// A path that a rule's first kind matches: its wildcards replaced by plain names.
fn path_for(kinds: &[String]) -> TreePath {
    let Some(kind) = kinds.iter().find(|k| !k.starts_with('!')) else { return TreePath::from_bytes("example.txt") };
    let mut path = kind.replace("**/", "").replace("**", "a").replace('*', "a");
    while let (Some(open), Some(close)) = (path.find('{'), path.find('}')) {
        let first = path[open + 1..close].split(',').next().unwrap().to_owned();
        path.replace_range(open..=close, &first);
    }
    TreePath::from_bytes(path)
}

#[test]
fn every_rule_holds_what_it_promises() {
    let shipped = RuleSet::shipped().unwrap();
    let controls = controls();
    let mut files = Vec::new();
    yaml_below(&top("rules"), &mut files);
    files.sort();
    let mut wrong: Vec<String> = Vec::new();
    let scanner = Scanner::new(&shipped, SALT);

    for file in &files {
        let name = file.strip_prefix(top("rules")).unwrap().with_extension("");
        let name = name.to_str().unwrap().replace('\\', "/");
        let mut say = |what: String| wrong.push(format!("rules/{name}.yaml: {what}"));
        // Read from the disk and compiled with its expressions, apart from what is built into the program.
        let text = fs::read_to_string(file).unwrap();
        let alone = match RuleSet::from_files([(name.as_str(), text.as_str())]) {
            Ok(set) => set,
            Err(error) => {
                let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                say(format!("{error} {} {why} ({})", error.place().unwrap(), error.help()));
                continue;
            }
        };
        let rule = &alone.rules()[0];
        if rule.id != name {
            say(format!("its id is `{}`", rule.id));
        }
        if shipped.get(&rule.id) != Some(rule) {
            say("the program was built with another version of it; build again".into());
            continue;
        }
        for control in &rule.controls {
            if !controls.contains(control) {
                say(format!("there is no control `{control}`"));
            }
        }
        if rule.controls.is_empty() {
            say("it serves no control".into());
        }
        if rule.references.is_empty() {
            say("it has no reference".into());
        }
        if rule.examples.fail.is_empty() || rule.examples.pass.is_empty() {
            say("it needs a failing and a passing example".into());
        }
        let path = path_for(&rule.kinds);
        // Rules of the family `pii` are come upon by what a value is made of, not by words alone.
        let keywords: &[String] = match &rule.matching {
            Some(Matching::Secret(m)) if m.names.is_empty() => &m.keywords,
            Some(Matching::Secret(m)) => &m.names,
            Some(Matching::Pii(_)) => &[],
            Some(Matching::Foreign(_)) | None => panic!("{name}"),
        };
        let mut proven = false;
        for (n, example) in rule.examples.fail.iter().enumerate() {
            let lower = example.to_ascii_lowercase();
            if !keywords.is_empty() && !keywords.iter().any(|k| lower.contains(&k.to_ascii_lowercase())) {
                say(format!("no keyword is in failing example {}", n + 1));
            }
            // Among all rules: another one that always wins would make this one useless.
            let sure = found(&scanner, &rule.id, &path, example);
            if sure.is_empty() {
                say(format!("failing example {} gives no finding of it: {example}", n + 1));
            }
            proven |= sure.contains(&Confidence::Certain);
        }
        let proof = matches!(&rule.matching, Some(Matching::Secret(m)) if m.proof.is_some());
        if proof && !proven {
            say("no failing example holds the proof it names".into());
        }
        let alone = Scanner::new(&alone, SALT);
        for (n, example) in rule.examples.pass.iter().enumerate() {
            if !found(&alone, &rule.id, &path, example).is_empty() {
                say(format!("passing example {} gives a finding: {example}", n + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} rule files:\n{}", wrong.len(), files.len(), wrong.join("\n"));
    assert_eq!(files.len(), shipped.rules().len(), "a rule file was added or removed; build again");
    assert!(files.len() >= 40, "only {} rules", files.len());
}

#[test]
fn the_built_in_rules_are_there_and_do_not_count() {
    let shipped = RuleSet::shipped().unwrap();
    assert!(shipped.get(countersign_scan::MISSING_REASON).is_some());
    assert!(shipped.rules().iter().all(|r| r.family != "scan"));
    let none = RuleSet::from_files([]).unwrap();
    assert_eq!((none.rules().len(), none.built_in().len()), (0, 1));
    assert!(controls().contains(&none.built_in()[0].controls[0]));
}

#[test]
fn the_digest_stands_for_what_can_change_findings() {
    let one = rule("secrets/a", "  keywords: [aa]\n  regex: 'aa'");
    let two = rule("secrets/b", "  keywords: [bb]\n  regex: 'bb'");
    let digest = |files: &[&str]| RuleSet::from_files(files.iter().map(|f| ("f", *f))).unwrap().digest();
    let base = digest(&[&one, &two]);
    assert_eq!(base, digest(&[&two, &one]), "the order of files does not matter");
    assert_eq!(base, digest(&[&format!("# a comment\n{one}"), &two]), "comments do not matter");
    assert_eq!(base, digest(&[&one.replace("fail: []", "fail: [aa]"), &two]), "examples do not matter");
    let changed = [
        one.replace("regex: 'aa'", "regex: 'aa+'"),
        one.replace("severity: high", "severity: low"),
        one.replace("  keywords:", "  window: 7\n  keywords:"),
        one.replace("title: Test", "title: Other"),
        one.replace("cwe:", "kinds: ['*.x']\ncwe:"),
    ];
    let mut all: BTreeSet<_> = changed.iter().map(|c| digest(&[c, &two])).collect();
    all.insert(base);
    all.insert(digest(&[&one]));
    assert_eq!(all.len(), changed.len() + 2);
}

#[test]
fn rules_of_ones_own_are_loaded_from_files_and_directories() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("deep")).unwrap();
    let deep = dir.path().join("deep/own.yaml");
    fs::write(&deep, rule("secrets/own-thing", "  keywords: [own_]\n  regex: 'own_[a-z]{4}'")).unwrap();
    fs::write(dir.path().join("notes.txt"), "not a rule").unwrap();
    let shipped = RuleSet::shipped().unwrap();
    for path in [dir.path().to_path_buf(), deep.clone()] {
        let set = RuleSet::load(&[path]).unwrap();
        assert_eq!(set.rules().len(), shipped.rules().len() + 1);
        assert!(set.get("secrets/own-thing").is_some());
        assert_ne!(set.digest(), shipped.digest());
    }

    let twice = RuleSet::load(&[dir.path().to_path_buf(), deep.clone()]).unwrap_err();
    assert!(matches!(&twice, Error::RuleTwice { first, second, .. } if first == second));
    let id = shipped.rules().iter().find(|r| r.family == "secrets").unwrap().id.clone();
    fs::write(&deep, rule(&id, "  keywords: [own_]\n  regex: 'own_'")).unwrap();
    match RuleSet::load(std::slice::from_ref(&deep)).unwrap_err() {
        Error::RuleTwice { first, second, .. } => {
            assert_eq!(first, format!("rules/{id}.yaml"));
            assert_eq!(second, deep.display().to_string());
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(RuleSet::load(&[dir.path().join("none")]), Err(Error::RulePath { .. })));
}

#[test]
fn a_rule_from_outside_is_compiled_before_it_is_used() {
    for (matching, line) in [
        ("  keywords: [aa]\n  regex: '(aa'", 15),
        ("  keywords: [aa]\n  regex: '(?=a)'", 15),
        ("  keywords: [aa]\n  regex: 'aa'\n  group: 1", 16),
        ("  keywords: [aa]\n  regex: 'aa'\n  allow: ['[']", 16),
        ("  keywords: [aa]\n  regex: '(((a{100}){100}){100}){100}'", 15),
    ] {
        let text = rule("secrets/a", matching);
        let error = RuleSet::from_files([("f.yaml", text.as_str())]).unwrap_err();
        assert_eq!(error.place().unwrap().line, Some(line), "{matching}: {error}");
        assert_eq!(error.code(), "CS-SCAN-004");
    }
}
