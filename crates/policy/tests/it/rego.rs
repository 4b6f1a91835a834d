//! Every Rego file has tests beside it (`x.rego`, `x_test.rego`), and all of them hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use countersign_policy::{Bundle, RegorusEngine, decide};
use serde_json::{Value, json};

use crate::facts::{TIME, good};

const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies");

/// All `.rego` files, tests too, by path.
fn files(dir: &Path, prefix: &str, out: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), &format!("{path}/"), out);
        } else if path.ends_with(".rego") {
            out.insert(path, fs::read_to_string(entry.path()).unwrap());
        }
    }
}

fn all() -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    files(Path::new(POLICIES), "", &mut out);
    out
}

fn package(text: &str) -> &str {
    text.lines().find_map(|l| l.strip_prefix("package ")).expect("a package line").trim()
}

#[test]
fn every_test_rule_holds() {
    let files = all();
    // A bundle takes no tests, so they go in under another name.
    let renamed = files.iter().map(|(p, t)| (p.replace("_test.rego", "_tests.rego"), t.clone())).collect();
    let bundle = Bundle::new(renamed).unwrap();
    let (mut ran, mut wrong) = (0, Vec::new());
    for (path, text) in files.iter().filter(|(p, _)| p.ends_with("_test.rego")) {
        let query = format!("data.{}", package(text));
        let values = match RegorusEngine.value(&bundle, &query, &json!({}), TIME) {
            Ok(values) => values,
            Err(e) => {
                wrong.push(format!("{path}: {e} {:?}", countersign_model::Diagnostic::place(&e)));
                continue;
            }
        };
        let name = |line: &str| -> Option<String> {
            let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
            line.starts_with("test_").then(|| line[..end].to_owned())
        };
        let rules: Vec<String> = text.lines().filter_map(name).collect();
        let distinct: BTreeSet<&String> = rules.iter().collect();
        if distinct.len() != rules.len() {
            wrong.push(format!("{path}: two tests of one name would be one test"));
        }
        for rule in &distinct {
            ran += 1;
            match values.get(rule) {
                Some(Value::Bool(true)) => {}
                other => wrong.push(format!("{path}: {rule} is {other:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(ran >= 60, "only {ran} tests were found");
}

#[test]
fn every_file_has_tests_that_pass_and_that_fail_it() {
    let files = all();
    for path in files.keys().filter(|p| !p.ends_with("_test.rego")) {
        let test = path.replace(".rego", "_test.rego");
        let text = files.get(&test).unwrap_or_else(|| panic!("{path} has no {test}"));
        assert!(text.lines().filter(|l| l.starts_with("test_")).count() >= 2, "{test} has fewer than two tests");
    }
}

/// The ids in `controls: [a, b]` or in the list below `controls:` of a METADATA block.
fn annotated(block: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut lines = block.lines().map(|l| l.trim_start_matches('#').trim()).peekable();
    while let Some(line) = lines.next() {
        let Some(rest) = line.strip_prefix("controls:") else { continue };
        ids.extend(
            rest.trim_matches([' ', '[', ']']).split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned),
        );
        while let Some(id) = lines.next_if(|l| l.starts_with("- ")) {
            ids.insert(id.trim_start_matches("- ").to_owned());
        }
    }
    ids
}

#[test]
fn annotations_name_known_controls_and_gates_answer_with_them() {
    let known = countersign_policy::Catalogue::shipped().unwrap();
    let engine = RegorusEngine;
    for (path, text) in all().iter().filter(|(p, _)| !p.ends_with("_test.rego")) {
        let head = text.split("\npackage ").next().unwrap();
        for key in ["# METADATA", "# title:", "# description:"] {
            assert!(head.contains(key), "{path} has no `{key}` above its package");
        }
        for id in annotated(text) {
            assert!(known.get(&id).is_some(), "{path}: there is no control `{id}` in controls/");
        }
        if path.starts_with("gates/") {
            let rule = format!("data.{}.controls", package(text));
            let answered = engine.value(&Bundle::shipped(), &rule, &json!({}), TIME).unwrap();
            let answered: BTreeSet<String> = serde_json::from_value(answered).unwrap();
            assert_eq!(answered, annotated(head), "{path}: `controls` and the annotation differ");
        }
    }
}

#[test]
fn the_example_of_the_readme_works() {
    let readme = fs::read_to_string(Path::new(POLICIES).join("README.md")).unwrap();
    let block = readme.split("```rego\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let rules: String = block.lines().map(|line| format!("{}\n", line.strip_prefix("   ").unwrap_or(line))).collect();
    let head = "package countersign.gates.release\n\nimport data.countersign.lib.facts\nimport data.countersign.lib.reasons\n\n";
    let mut files = Bundle::shipped().files().clone();
    files.insert("gates/fees.rego".to_owned(), format!("{head}{rules}"));
    let mut facts = good();
    facts["change"]["files"] = json!([{"path": "fees/eu.csv", "status": "M"}]);
    let release = |facts: &Value| {
        let bundle = Bundle::new(files.clone()).unwrap();
        decide(&RegorusEngine, &bundle, facts, TIME).unwrap().gate("release").unwrap().clone()
    };
    assert!(release(&facts).outcome.opens());
    assert!(release(&facts).checks.contains(&"fees".to_owned()));
    facts["change"]["ticket"] = Value::Null;
    assert_eq!(release(&facts).reasons[0].code, "fees-without-ticket");
    assert!(!release(&facts).outcome.opens());
}
