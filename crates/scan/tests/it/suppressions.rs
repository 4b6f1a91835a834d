//! Declarations and baselines: requests, and what becomes of those that ask for nothing.

use std::fs;

use countersign_model::{Diagnostic, FindingState};
use countersign_scan::{Baseline, Declaration, Error, Options, Report, scan_source};

use crate::tree::Memory;
use crate::{SALT, rules, token_rule};

fn tree() -> Memory {
    Memory::of([
        ("src/a", "tok_aaaa1234 # countersign:allow * reason: inline reason"),
        ("tests/deep/b", "tok_bbbb1234"),
        ("tests/c", "tok_cccc1234"),
    ])
}

fn declare(path: &str, rule: &str) -> Declaration {
    Declaration { path: path.into(), rule: rule.into(), reason: format!("because of {path}") }
}

fn requests(report: &Report) -> Vec<(String, &str, &str)> {
    report
        .findings
        .iter()
        .map(|f| {
            let by = f.requested_by.as_deref().unwrap_or("-");
            (f.path.to_string(), by, f.reason.as_deref().unwrap_or("-"))
        })
        .collect()
}

#[test]
fn declarations_ask_by_path_and_rule() {
    let set = rules(&[token_rule()]);
    let declarations =
        [declare("tests/*", "secrets/*"), declare("src/**", "secrets/token"), declare("tests/**", "pii/*")];
    let report = tree().scan(&set, &Options { declarations: &declarations, ..Options::default() });
    assert_eq!(
        requests(&report),
        [
            ("src/a".into(), "inline", "inline reason"),
            ("tests/c".into(), "declaration", "because of tests/*"),
            ("tests/deep/b".into(), "-", "-"),
        ]
    );
    assert!(report.findings.iter().take(2).all(|f| f.state == FindingState::SuppressionRequested));
    // The second speaks for a finding that is already asked for: it is used.
    assert_eq!(report.unused_declarations, declarations[2..]);
    assert_eq!(report.open().count(), 1);
}

#[test]
fn a_malformed_glob_is_an_error_that_names_it() {
    let set = rules(&[token_rule()]);
    for (declaration, what) in [(declare("[", "*"), "path"), (declare("*", "{a"), "rule")] {
        let options = Options { declarations: std::slice::from_ref(&declaration), ..Options::default() };
        let error = scan_source(&tree(), &set, SALT, &options).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert_eq!(error.code(), "CS-SCAN-008");
    }
}

#[test]
fn a_baseline_knows_what_was_there() {
    let set = rules(&[token_rule()]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("baseline.json");
    let before = tree().scan(&set, &Options::default());
    Baseline::of(&before.findings).write(&file).unwrap();
    let baseline = Baseline::load(&file).unwrap();
    assert_eq!(baseline.entries().len(), 3);
    assert_eq!(baseline, Baseline::of(&before.findings));

    // One is gone, one moved, one is new.
    let now = Memory::of([("renamed", "\n\ntok_bbbb1234 tok_new01234"), ("tests/c", "tok_cccc1234")]);
    let report = now.scan(&set, &Options { baseline: Some(&baseline), ..Options::default() });
    assert_eq!(
        requests(&report),
        [
            ("renamed".into(), "baseline", "in the baseline"),
            ("renamed".into(), "-", "-"),
            ("tests/c".into(), "baseline", "in the baseline"),
        ]
    );
    let stale: Vec<_> = report.stale_baseline.iter().map(|e| e.path.to_string()).collect();
    assert_eq!(stale, ["src/a"]);
}

#[test]
fn equal_baselines_are_equal_bytes_in_any_order() {
    let set = rules(&[token_rule()]);
    let dir = tempfile::tempdir().unwrap();
    let mut findings = tree().scan(&set, &Options::default()).findings;
    let write = |name: &str, findings: &[_]| {
        let file = dir.path().join(name);
        Baseline::of(findings).write(&file).unwrap();
        fs::read_to_string(file).unwrap()
    };
    let one = write("one", &findings);
    findings.reverse();
    findings.extend_from_slice(&findings.clone());
    assert_eq!(one, write("two", &findings));
    assert!(!one.contains("tok_"), "{one}");
    assert!(one.starts_with("{\n  \"version\": 1,\n") && one.ends_with("}\n"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no file beside is left");
}

#[test]
fn a_broken_baseline_names_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("b.json");
    let load = |text: &str| {
        fs::write(&file, text).unwrap();
        Baseline::load(&file).unwrap_err()
    };
    let error = load("{\"version\": 1,\n\"findings\": [x]}");
    assert_eq!((error.code(), error.place().unwrap().line), ("CS-SCAN-010", Some(2)));
    assert!(matches!(load("{\"version\": 2, \"other\": 1}"), Error::BaselineVersion { version: 2, .. }));
    assert!(matches!(load("{\"version\": 1, \"findings\": [], \"other\": 1}"), Error::BaselineSyntax { .. }));
    assert!(matches!(load(""), Error::BaselineSyntax { .. }));
    assert_eq!(Baseline::load(&dir.path().join("none")).unwrap_err().code(), "CS-SCAN-009");
    let nowhere = Baseline::default().write(&dir.path().join("none/b.json")).unwrap_err();
    assert_eq!(nowhere.code(), "CS-SCAN-011");
}
