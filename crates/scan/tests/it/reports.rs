//! Every form of a report, from one scan that has something of everything.

use std::io;

use countersign_model::{FindingState, Gap, GapKind, TreePath};
use countersign_scan::report::{self, github, gitlab, json, junit, sarif, text};
use countersign_scan::{Baseline, Declaration, Options, Report, RuleSet};
use serde_json::Value;

use crate::tree::Memory;
use crate::{rule, rules, token_rule};

fn set() -> RuleSet {
    rules(&[
        token_rule().replace("severity: high", "severity: critical"),
        rule("secrets/weak", "  keywords: [weak]\n  regex: 'weak=(\\w+)'")
            .replace("severity: high", "severity: medium"),
    ])
}

fn sample(set: &RuleSet) -> Report {
    let known = Memory::of([("x", "weak=inbaseline"), ("gone", "weak=gone")]).scan(set, &Options::default());
    let declarations = [
        Declaration { path: "tests/**".into(), rule: "*".into(), reason: "fixtures, 100% made up".into() },
        Declaration { path: "never/**".into(), rule: "secrets/*".into(), reason: "nothing".into() },
    ];
    let tree = Memory {
        gaps: vec![Gap { path: TreePath::from_bytes("lib/sub"), kind: GapKind::Submodule, detail: "not here".into() }],
        ..Memory::of([
            ("src/a:b, c%.rs", "let key = \"tok_abcd1234\"; // <&> ::error::x\n"),
            ("src/mark.rs", "x // countersign:allow secrets/token\n"),
            ("src/ü.rs", "weak=umlaut ü\nü weak=tail\nweak=inbaseline\n"),
            ("tests/key.txt", "tok_aaaa0000\n"),
            ("tests/other.txt", "tok_bbbb0000 # countersign:allow secrets/token reason: sample <of> the handbook\n"),
            ("z.bin", "\0"),
        ])
    };
    let baseline = Baseline::of(&known.findings);
    let mut report =
        tree.scan(set, &Options { declarations: &declarations, baseline: Some(&baseline), ..Options::default() });
    // What a signed grant makes of a request.
    let granted = report.findings.iter_mut().find(|f| f.path.to_string() == "tests/key.txt").unwrap();
    assert_eq!(granted.state, FindingState::SuppressionRequested);
    granted.state = FindingState::SuppressionGranted;
    report
}

type Writer = fn(&Report, &RuleSet, &mut dyn io::Write) -> io::Result<()>;

const WRITERS: [(&str, Writer); 6] = [
    ("text", text::write),
    ("json", json::write),
    ("sarif", sarif::write),
    ("junit", junit::write),
    ("github", github::write),
    ("gitlab", gitlab::write),
];

fn written(writer: Writer, report: &Report, set: &RuleSet) -> String {
    let mut out = Vec::new();
    writer(report, set, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Digests depend on the salt and say nothing to a reader.
fn readable(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain(std::iter::once(' ')) {
        if c.is_ascii_hexdigit() {
            word.push(c);
        } else {
            out.push_str(if word.len() >= 12 && word.chars().any(|c| c.is_ascii_digit()) { "DIGEST" } else { &word });
            word.clear();
            out.push(c);
        }
    }
    out.pop();
    out
}

#[test]
fn text_is_for_people() {
    let set = set();
    insta::assert_snapshot!("text", readable(&written(text::write, &sample(&set), &set)));
    assert_eq!(written(text::write, &Report::empty(&set), &set), "no findings · 0 files, 0 B · 2 rules\n");
}

#[test]
fn colour_only_adds_escape_sequences() {
    let set = set();
    let report = sample(&set);
    let mut out = Vec::new();
    text::write_styled(&report, &set, &text::Style::ANSI, &mut out).unwrap();
    let mut coloured = String::from_utf8(out).unwrap();
    let style = text::Style::ANSI;
    for code in [style.alarm, style.warn, style.calm, style.path, style.dim, style.reset] {
        assert!(coloured.contains(code));
        coloured = coloured.replace(code, "");
    }
    assert_eq!(coloured, written(text::write, &report, &set));
}

#[test]
fn json_is_for_programs() {
    let set = set();
    let text = written(json::write, &sample(&set), &set);
    insta::assert_snapshot!("json", readable(&text));
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["version"], 1);
}

#[test]
fn sarif_fits_the_standards_schema() {
    let mut schema: Value = serde_json::from_str(include_str!("schema/sarif-2.1.0.json")).unwrap();
    // The pattern of `language` has a stray `]`, which only lenient readers take; no report of ours has a language.
    for owner in ["run", "toolComponent"] {
        schema["definitions"][owner]["properties"]["language"].as_object_mut().unwrap().remove("pattern");
    }
    let validator = jsonschema::options().with_draft(jsonschema::Draft::Draft7).build(&schema).unwrap();
    let check = |text: &str| {
        let value: Value = serde_json::from_str(text).unwrap();
        let errors: Vec<_> = validator.iter_errors(&value).map(|e| format!("{} {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        value
    };
    let set = set();
    let report = sample(&set);
    let value = check(&written(sarif::write, &report, &set));
    insta::assert_snapshot!("sarif", readable(&written(sarif::write, &report, &set)));
    let run = &value["runs"][0];
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
    }

    let clean = check(&written(sarif::write, &Report::empty(&set), &set));
    assert_eq!(clean["runs"][0]["invocations"][0]["executionSuccessful"], true);
    assert_eq!(clean["runs"][0]["results"], serde_json::json!([]));

    // Every shipped rule's own texts, with a finding each.
    let shipped = RuleSet::shipped().unwrap();
    let mut tree = Memory::default();
    for rule in shipped.rules() {
        tree.files.insert(rule.id.clone(), rule.examples.fail[0].clone().into_bytes());
    }
    check(&written(sarif::write, &tree.scan(&shipped, &Options::default()), &shipped));
}

#[test]
fn junit_is_for_test_reports() {
    let set = set();
    insta::assert_snapshot!("junit", readable(&written(junit::write, &sample(&set), &set)));
    insta::assert_snapshot!("junit-clean", written(junit::write, &Report::empty(&set), &set));
}

#[test]
fn github_annotations_are_one_line_each() {
    let set = set();
    let out = written(github::write, &sample(&set), &set);
    assert!(out.lines().all(|l| l.starts_with("::")));
    insta::assert_snapshot!("github", out);
    assert_eq!(written(github::write, &Report::empty(&set), &set), "");
}

#[test]
fn gitlab_reads_code_quality() {
    let set = set();
    insta::assert_snapshot!("gitlab", readable(&written(gitlab::write, &sample(&set), &set)));
    assert_eq!(written(gitlab::write, &Report::empty(&set), &set), "[]\n");
}

#[test]
fn no_form_shows_a_value_or_hides_a_gap() {
    let set = set();
    let report = sample(&set);
    for (name, writer) in WRITERS {
        let out = written(writer, &report, &set);
        for value in ["tok_abcd1234", "tok_aaaa0000", "tok_bbbb0000", "umlaut ", "inbaseline"] {
            assert!(!out.contains(value), "{name} shows {value}");
        }
        assert!(out.contains("lib/sub") && out.contains("submodule"), "{name}");
        assert!(out.chars().all(|c| c == '\n' || !c.is_control()), "{name}");
        assert_eq!(out, written(writer, &report, &set), "{name} is the same every time");
    }
}

#[test]
fn a_report_survives_being_stored() {
    let set = set();
    let report = sample(&set);
    let stored = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<report::Report>(&stored).unwrap(), report);
}
