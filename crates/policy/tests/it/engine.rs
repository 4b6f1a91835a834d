//! What the engine promises: a frozen clock, nothing random, exact places, and no panic that gets out.

use std::collections::BTreeMap;

use countersign_model::{Diagnostic, Exit, Timestamp};
use countersign_policy::{Bundle, Error, PolicyEngine, RegorusEngine, decide};
use serde_json::{Value, json};

use crate::facts::{TIME, good};

fn bundle(text: &str) -> Bundle {
    Bundle::new(BTreeMap::from([("a/test.rego".to_owned(), text.to_owned())])).unwrap()
}

fn value(rule: &str, time: Timestamp) -> Result<Value, Error> {
    RegorusEngine.value(&bundle(&format!("package t\n\n{rule}\n")), "data.t.x", &json!({}), time)
}

#[test]
fn the_clock_stands_still_at_the_time_of_the_decision() {
    assert_eq!(value("x := time.now_ns()", TIME).unwrap(), json!(1_795_456_080_000_000_000_i64));
    assert_eq!(value("x := time.format(time.now_ns())", TIME).unwrap(), json!("2026-11-23T17:48:00Z"));
    let zoned = value("x := time.clock([time.now_ns(), \"America/New_York\"])", TIME).unwrap();
    assert_eq!(zoned, json!([12, 48, 0]));
    assert!(matches!(value("x := 1", Timestamp::from_millis(i64::MAX)), Err(Error::Time(_))));
}

#[test]
fn what_varies_from_machine_to_machine_is_refused() {
    for call in [
        "time.clock([0, \"Local\"])",
        "time.date([0, \"Local\"])",
        "time.format([0, \"Local\", \"RFC3339\"])",
        "time.diff(0, [0, \"Local\"])",
        "http.send({\"method\": \"get\", \"url\": \"http://localhost\"})",
        "net.lookup_ip_addr(\"localhost\")",
        "numbers.range(0, 100000000)",
    ] {
        let error = value(&format!("x := {call}"), TIME).unwrap_err();
        assert!(matches!(error, Error::Evaluation { .. } | Error::Rego { .. }), "{call}: {error:?}");
        assert_eq!(error.place().unwrap().to_string().split(':').take(2).collect::<Vec<_>>(), ["a/test.rego", "3"]);
    }
    assert_eq!(value("x := numbers.range(1, 3)", TIME).unwrap(), json!([1, 2, 3]));
    assert_eq!(value("x := opa.runtime()", TIME).unwrap(), json!({}));
}

#[test]
fn a_faulty_file_is_named_with_line_and_column() {
    for text in ["package t\n\ndeny {\n  1\n}", "package t\n\nx := \"open", "package t\n\nx := (", "no package"] {
        let bundle = bundle(text);
        for error in
            [RegorusEngine.check(&bundle).unwrap_err(), decide(&RegorusEngine, &bundle, &good(), TIME).unwrap_err()]
        {
            assert_eq!(error.code(), "CS-POLICY-003");
            assert_eq!(error.exit(), Exit::Usage);
            let place = error.place().unwrap();
            assert_eq!(place.file, "a/test.rego");
            assert!(place.line.is_some(), "{text:?}: {error}");
        }
    }
    RegorusEngine.check(&Bundle::shipped()).unwrap();
}

#[test]
fn a_builtin_that_fails_is_an_error_and_not_undefined() {
    let error = value("x if not to_number(\"many\") == 1", TIME).unwrap_err();
    assert_eq!(error.code(), "CS-POLICY-004");
    assert_eq!(error.exit(), Exit::Incomplete);
    assert!(matches!(value("x := 1 if false", TIME), Err(Error::Undefined(_))));
}

#[test]
fn recursion_and_conflict_are_errors() {
    for text in [
        "x if not y\n\ny if not x",
        "f(n) := f(n + 1)\n\nx := f(0)",
        "f(n) := data.t.g(n)\n\ng(n) := data[\"t\"].f(n)\n\nx := f(0)",
        "f(n) := [y | y := g(n)]\n\ng(n) := {k: 1 | some k in f(n)}\n\nx := f(0)",
        "f(n) := 1 if every y in [n] { f(y) }\n\nx := f(0)",
        "f(n) := 1 if count([n]) == 1 with count as g\n\ng(n) := f(n)\n\nx := f(0)",
        "x := data.t",
        "x := y if some y in data",
        "default f(_) := 0\n\nf(n) := 1 if n > 0 else := f(n)\n\nx := f(0)",
    ] {
        let error = value(text, TIME).unwrap_err();
        assert!(error.to_string().contains("builds on itself"), "{text}: {error}");
        assert_eq!(error.code(), "CS-POLICY-003");
    }
    let chain: String = (0..100).map(|i| format!("x{i} := x{}\n\n", i + 1)).collect();
    let error = value(&format!("{chain}x100 := 1\n\nx := x0"), TIME).unwrap_err();
    assert!(error.to_string().contains("chain of more than 64"), "{error}");
    assert!(value("x := 1\n\nx := 2", TIME).is_err());
}

fn many(files: &[&str], query: &str) -> Result<Value, Error> {
    let files = files.iter().enumerate().map(|(i, text)| (format!("f{i}.rego"), (*text).to_owned())).collect();
    RegorusEngine.value(&Bundle::new(files).unwrap(), query, &json!({"base": null, "all": [1]}), TIME)
}

#[test]
fn functions_and_values_are_known_by_the_name_of_an_import() {
    // The interpreter by itself evaluates `lib` as a whole for `lib.open`; from then on, `facts` is undefined in `lib`,
    // and the answer is the empty set.
    let lib = "package p.lib\n\nimport data.p.facts\n\nopen contains x if some x in facts.sound.all\n\n\
               counts(_) if facts.sound.base == null\n";
    let facts = "package p.facts\n\nsound := input\n";
    let user = "package q\n\nimport data.p.lib\n\nx := {o | some o in lib.open; lib.counts(o)}\n";
    assert_eq!(many(&[lib, facts, user], "data.q.x").unwrap(), json!([1]));
    let clash = "package q\n\nimport data.p.lib\n\nx if some lib in input.all\n";
    let error = many(&[lib, facts, clash], "data.q.x").unwrap_err();
    assert_eq!(error.place().unwrap().to_string(), "f2.rego:5:11");
}

#[test]
fn a_rule_inside_with_and_outside_is_refused() {
    // The interpreter by itself would say: undefined.
    let text = "package p\n\ng := {\"a\": 1}\n\nx := y if y := g with input as g\n";
    assert_eq!(many(&[text], "data.p.x").unwrap_err().place().unwrap().to_string(), "f0.rego:5:11");
    let deeper = "package p\n\ng := 1\n\nh := g\n\nf(n) := n + g\n\nx := y if y := [i | i := h] with input as f(1)\n";
    assert!(many(&[deeper], "data.p.x").unwrap_err().to_string().contains("`data.p.g`"));
    let named = "package p\n\ng := {\"a\": 1}\n\nh := input.a\n\nx := y if { d := g; y := h + g.a with input as d }\n";
    assert_eq!(many(&[named], "data.p.x").unwrap(), json!(2));
}

#[test]
fn functions_that_do_not_exist_are_found_before_they_are_called() {
    let error = RegorusEngine.check(&bundle("package t\n\nx if { false; nothing.like_it(1) }\n")).unwrap_err();
    assert_eq!(error.place().unwrap().to_string(), "a/test.rego:3:15");
    assert!(error.to_string().contains("`nothing.like_it`"));
}

#[test]
fn the_deepest_policy_that_is_let_through_has_stack_enough() {
    // Sixty-four functions, each calling the next from the bottom of a chain of additions inside brackets.
    let sum = " + 0".repeat(60);
    let mut text: String =
        (0..63).map(|i| format!("f{i}(n) := {}f{}(n){sum}{}\n\n", "(".repeat(24), i + 1, ")".repeat(24))).collect();
    text.push_str("f63(n) := n\n\nx := f0(7)");
    assert_eq!(value(&text, TIME).unwrap(), json!(7));
}

#[test]
fn print_says_nothing_and_breaks_nothing() {
    assert_eq!(value("x := 1 if print(\"to nobody\")", TIME).unwrap(), json!(1));
}

#[test]
fn the_name_is_that_of_the_locked_version() {
    let lock = include_str!("../../../../Cargo.lock");
    let version = lock.split("name = \"regorus\"\nversion = \"").nth(1).and_then(|rest| rest.split('"').next());
    let name = RegorusEngine.name_and_version();
    let (engine, ours) = name.split_once('+').unwrap();
    assert_eq!(engine, format!("regorus/{}", version.unwrap()));
    assert!(ours.parse::<u32>().is_ok());
}
