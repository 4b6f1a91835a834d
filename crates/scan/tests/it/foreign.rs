//! Rules and marks of other tools. The files are written for these tests.

use std::fs;
use std::path::Path;

use countersign_model::{Diagnostic, FindingState, TreePath};
use countersign_scan::{Error, FileResult, Options, RuleSet, Scanner, Walk, scan_source};

use crate::{SALT, rules, token_rule};

fn load(dir: &Path, name: &str, text: &str) -> Result<RuleSet, Error> {
    let file = dir.join(name);
    fs::write(&file, text).unwrap();
    RuleSet::load(&[file])
}

/// The ids of other tools' rules that match, in the order of the text.
fn found(rules: &RuleSet, path: &str, text: &str) -> Vec<String> {
    match Scanner::new(rules, SALT).scan_bytes(&TreePath::from_bytes(path), text.as_bytes()) {
        FileResult::Text { matches, missed: None, .. } => {
            let ids = matches.iter().map(|m| rules.rule(m.rule).id.clone());
            ids.filter_map(|id| id.strip_prefix("secrets/").filter(|i| i.contains('/')).map(str::to_owned)).collect()
        }
        other => panic!("{other:?}"),
    }
}

const GITLEAKS: &str = r#"
title = "ours"

[[rules]]
id = "acme-key"
description = "Acme key"
regex = '(?i)acme_([a-z0-9]{10})(?:[^a-z0-9]|$)'
keywords = ["acme_"]
entropy = 2.0
[[rules.allowlists]]
regexes = ['^allowed']
stopwords = ["stopword"]
[[rules.allowlists]]
condition = "AND"
regexTarget = "line"
regexes = ['# sample']
stopwords = ["zz"]

[[rules]]
id = "second group"
regex = 'pair-(\w+)-(\w+)'
secretGroup = 2

[[rules]]
id = "only in config"
regex = 'conf=\w+'
path = '\.conf$'

[[rules]]
id = "a path alone"
path = '(^|/)id_acme$'

[[rules]]
id = "needs another"
regex = 'acct:(\d{6})'
[[rules.required]]
id = "helper"
withinLines = 2

[[rules]]
id = "helper"
regex = 'bank:(\w+)'
skipReport = true

[allowlist]
paths = ['vendor/']
"#;

#[test]
fn gitleaks_rules_match_as_they_do_there() {
    let dir = tempfile::tempdir().unwrap();
    let rules = load(dir.path(), "gitleaks.toml", GITLEAKS).unwrap();
    assert_eq!(rules.notes(), &[] as &[String]);
    for (path, text, expected) in [
        ("a.txt", "k = ACME_ab12cd34ef", &["gitleaks/acme-key"][..]),
        ("a.txt", "k = acme_aaaaaaaaaa", &[]),
        ("a.txt", "k = acme_allowed123", &[]),
        ("a.txt", "k = acme_stopwordxy", &[]),
        ("a.txt", "k = acme_zz12cd34ef # sample", &[]),
        ("a.txt", "k = acme_zz12cd34ef", &["gitleaks/acme-key"]),
        ("vendor/a.txt", "k = acme_ab12cd34ef", &[]),
        ("a.txt", "pair-one-two", &["gitleaks/second-group"]),
        ("a.txt", "conf=x1", &[]),
        ("etc/a.conf", "conf=x1", &["gitleaks/only-in-config"]),
        ("home/id_acme", "anything", &["gitleaks/a-path-alone"]),
        ("a.txt", "acct:123456\n\nbank:north", &["gitleaks/needs-another"]),
        ("a.txt", "acct:123456\n\n\nbank:north", &[]),
        ("a.txt", "bank:north", &[]),
    ] {
        assert_eq!(found(&rules, path, text), expected, "{path}: {text}");
    }
}

#[test]
fn what_is_extended_comes_along_and_can_be_taken_out() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("base.toml"), GITLEAKS).unwrap();
    let text = "[extend]\npath = 'base.toml'\nuseDefault = true\ndisabledRules = ['second group']\n\
                [[rules]]\nid = 'acme-key'\nregex = 'emca_\\w{4}'\nfilter = 'true'\n[[rules.allowlists]]\ncommits = ['abc']\n";
    let rules = load(dir.path(), "top.toml", text).unwrap();
    assert_eq!(found(&rules, "a", "acme_ab12cd34ef pair-one-two emca_12ab"), ["gitleaks/acme-key"]);
    assert_eq!(found(&rules, "b.conf", "conf=x1"), ["gitleaks/only-in-config"]);
    let notes = rules.notes().join("\n");
    for part in ["`useDefault`", "`filter`", "allowed commits"] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
}

const KINGFISHER: &str = r"
rules:
  - name: Acme token
    id: kingfisher.acme.1
    pattern: |
      (?x)
      \b acme(?# the maker ) [-_] token [=:\s]+
      ( [a-z0-9]{8} ) \b
    min_entropy: 2.5
    confidence: high
    pattern_requirements:
      min_digits: 2
    examples: ['acme_token=ab12cd34']
  - name: No word
    id: kingfisher.acme.2
    pattern: '\b([0-9]{3}z[0-9]{3})\b'
";

#[test]
fn kingfisher_rules_match_as_they_do_there() {
    let dir = tempfile::tempdir().unwrap();
    let rules = load(dir.path(), "acme.yml", KINGFISHER).unwrap();
    assert_eq!(
        found(&rules, "a", "acme_token=ab12cd34\nacme_token=abcdefgh\n123z456"),
        ["kingfisher/acme-1", "kingfisher/acme-2"]
    );
    let rules = load(dir.path(), "nosey.yml", &KINGFISHER.replace("kingfisher.", "np.")).unwrap();
    assert_eq!(found(&rules, "a", "acme_token=ab12cd34"), ["noseyparker/np-acme-1"]);
}

#[test]
fn a_broken_file_is_told_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text, code, line) in [
        ("a.toml", "title = 'x'\n[[rules]\n", "CS-SCAN-030", Some(2)),
        ("a.toml", "[[rules]]\nid = 'x'\nregex = 5\n", "CS-SCAN-030", Some(3)),
        ("a.toml", "\n[[rules]]\nid = 'x'\n", "CS-SCAN-004", Some(2)),
        ("a.toml", "[[rules]]\nid = 'x'\nregex = 'a('\n", "CS-SCAN-004", Some(2)),
        ("a.toml", "[[rules]]\nid = 'x'\nregex = 'a'\nsecretGroup = 1\n", "CS-SCAN-004", Some(2)),
        ("a.toml", "[[rules]]\nid = 'x'\nregex = 'a'\n[[rules.required]]\nid = 'y'\n", "CS-SCAN-004", None),
        ("a.toml", "[extend]\npath = 'none.toml'\n", "CS-SCAN-006", None),
        ("a.yml", "rules:\n  - name: x\n", "CS-SCAN-030", Some(2)),
        ("a.yml", "rules:\n  - name: x\n    id: np.x\n    pattern: 'a('\n", "CS-SCAN-004", Some(3)),
    ] {
        let error = load(dir.path(), name, text).unwrap_err();
        assert_eq!((error.code(), error.place().and_then(|p| p.line)), (code, line), "{text}: {error}");
    }
}

#[test]
fn marks_of_other_tools_are_requests() {
    let dir = tempfile::tempdir().unwrap();
    let text =
        "a = tok_abcd1234 # gitleaks:allow\n// secretlint-disable-next-line\nb = tok_abcd1234\nc = tok_abcd1234\n";
    fs::write(dir.path().join("a"), text).unwrap();
    let report = scan_source(&Walk::new(dir.path()), &rules(&[token_rule()]), SALT, &Options::default()).unwrap();
    let states: Vec<_> = report.findings.iter().map(|f| (f.line, f.state)).collect();
    assert_eq!(
        states,
        [(1, FindingState::SuppressionRequested), (3, FindingState::SuppressionRequested), (4, FindingState::Open)]
    );
    assert_eq!(report.findings[0].reason.as_deref(), Some("`gitleaks:allow`, a mark of gitleaks that gives no reason"));
}

proptest::proptest! {
    #[test]
    fn any_file_is_read_or_refused(text in "(\\[\\[rules\\]\\]\n|id = 'x'\n|regex = '.{0,8}'\n|path = '.{0,4}'\n|.{0,12}\n){0,8}") {
        let dir = tempfile::tempdir().unwrap();
        let _ = load(dir.path(), "a.toml", &text);
        let _ = load(dir.path(), "a.yml", &format!("rules:\n{text}"));
    }
}
