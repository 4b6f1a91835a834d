use countersign_model::{Diagnostic as _, Outcome};
use serde_json::json;

use super::{Catalogue, Class, Ready, facts, judge};

const CONTROL: &str = r#"id: a
title: A
objective: >
  To have an a.
owner: head-of-a
deputy: deputy-of-a
requirements: ["f:1(a)"]
evidence: [DecisionMade]
needs: [ledger]
frequency: each-change
sla: 24h
decides:
  over: deployments
  rule: |
    fail contains {"subject": d.id, "text": "it did not succeed"} if {
      some d in input.deployments
      not d.success
    }
examples:
  pass:
    - deployments: [{success: true}]
  fail:
    - deployments: [{success: false}]
"#;

const FRAMEWORK: &str = r#"id: f
title: F
publisher: P
source: https://example.test/f
checked_on: 2026-11-23
requirements:
  - id: "1(a)"
    duty: Have an a
    class: automatic
    verified: true
    checked_in: text
  - id: "2"
    duty: Have a b
    class: manual
    verified: false
    reason: nobody could see it
"#;

fn parse(control: &str, framework: &str) -> Result<Catalogue, crate::Error> {
    Catalogue::parse([("a.yaml", control.as_bytes())], [("f.yaml", framework.as_bytes())])
}

/// Place and message of the error.
fn refused(control: &str, framework: &str) -> String {
    let e = parse(control, framework).unwrap_err();
    format!("{}: {e}", e.place().unwrap())
}

#[test]
fn a_control_and_a_framework_are_read() {
    let catalogue = parse(CONTROL, FRAMEWORK).unwrap();
    let control = catalogue.get("a").unwrap();
    assert_eq!((control.sla_hours, control.requirements[0].1), (24, 7));
    let framework = &catalogue.frameworks["f"];
    let [first, second] = framework.requirements.as_slice() else { panic!("{framework:?}") };
    assert_eq!((first.class, first.verified, second.verified), (Class::Automatic, true, false));
    assert_eq!(catalogue.meeting("f", first).len(), 1);
    assert!(catalogue.meeting("f", second).is_empty());
}

#[test]
fn what_is_wrong_in_a_control_is_named_with_file_and_line() {
    let wrong = |from: &str, to: &str| {
        assert!(CONTROL.contains(from), "{from}");
        refused(&CONTROL.replace(from, to), FRAMEWORK)
    };
    for (from, to, place, says) in [
        ("title: A", "title: A\nwoner: me", "a.yaml:3:", "woner"),
        ("DecisionMade", "DecisionLost", "a.yaml:8:", "DecisionLost"),
        ("id: a", "id: b", "a.yaml:1:", "`b`"),
        ("f:1(a)", "f", "a.yaml:7:", "framework:clause"),
        ("f:1(a)", "g:1(a)", "a.yaml:7:", "no framework `g`"),
        ("f:1(a)", "f:1(b)", "a.yaml:7:", "did you mean `1(a)`"),
        ("[DecisionMade]", "[]", "a.yaml:8:", "no kind of event"),
        ("title: A", "title: ' '", "a.yaml:2:", "empty"),
        ("head-of-a", "Ada Lovelace", "a.yaml:5:", "role"),
        ("deputy-of-a", "head-of-a", "a.yaml:6:", "somebody else"),
        ("[ledger]", "[leger]", "a.yaml:9:", "did you mean `ledger`"),
        ("[ledger]", "[]", "a.yaml:9:", "needs no source"),
        ("24h", "soon", "a.yaml:11:", "hours or days"),
        ("over: deployments", "over: deployment", "a.yaml:13:", "did you mean `deployments`"),
        ("fail contains", "deny contains", "a.yaml:14:", "never says"),
        ("not d.success", "not d.sucess", "a.yaml:14:", "line 17: no fact has a field `sucess`"),
        ("{success: true}", "{succes: true}", "a.yaml:20:", "deployments/succes"),
        ("{success: true}", "{success: 1}", "a.yaml:20:", "no boolean"),
        ("  fail:\n    - deployments: [{success: false}]\n", "", "a.yaml:19:", "no example under `fail`"),
    ] {
        let text = wrong(from, to);
        assert!(text.starts_with(place) && text.contains(says), "{from} → {to}: {text}");
    }
    assert!(refused("title: A\n", FRAMEWORK).starts_with("a.yaml"));
    assert!(refused("", FRAMEWORK).starts_with("a.yaml"));
}

#[test]
fn what_is_wrong_in_a_framework_is_named_with_file_and_line() {
    for (from, to, place, says) in [
        ("title: F", "titel: F", "f.yaml:2:", "titel"),
        ("id: f", "id: g", "f.yaml:1:", "`g`"),
        ("\"2\"", "\"1(a)\"", "f.yaml:12:", "line 7 already"),
        ("duty: Have a b", "duty: ''", "f.yaml:12:", "no duty"),
        ("manual", "by-hand", "f.yaml:14:", "by-hand"),
        ("    checked_in: text\n", "", "f.yaml:7:", "checked_in"),
        ("verified: false", "verified: false\n    controls: [b]", "f.yaml:12:", "no control `b`"),
        ("2026-11-23", "23.11.2026", "f.yaml:5:", "not a day"),
        ("\"2\"", "\"2 a\"", "f.yaml:12:", "no id of a clause"),
    ] {
        assert!(FRAMEWORK.contains(from), "{from}");
        let text = refused(CONTROL, &FRAMEWORK.replace(from, to));
        assert!(text.starts_with(place) && text.contains(says), "{from} → {to}: {text}");
    }
}

#[test]
fn nobody_puts_a_weaker_control_in_a_shipped_ones_place() {
    let control = CONTROL.replace("id: a", "id: dual-approval").replace("f:1(a)", "sox:CM-4");
    let e = Catalogue::with([("dual-approval.yaml", control.as_bytes())], []).unwrap_err();
    assert!(e.to_string().contains("already"), "{e}");
    let added = Catalogue::with([("a.yaml", CONTROL.as_bytes())], [("f.yaml", FRAMEWORK.as_bytes())]).unwrap();
    assert_eq!(added.added.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "f"]);
}

#[test]
fn a_rule_cannot_talk_itself_into_a_pass() {
    let over = |rule: &str, facts: serde_json::Value| {
        let at = CONTROL.find("    fail contains").unwrap();
        let end = CONTROL.find("examples:").unwrap();
        let text = format!("{}{rule}\n{}", &CONTROL[..at], &CONTROL[end..]);
        let catalogue = parse(&text, FRAMEWORK).unwrap_or_else(|e| panic!("{e}\n{text}"));
        judge(catalogue.get("a").unwrap(), &Ready::new(&facts::complete(&facts).unwrap()))
    };
    let fails = "    fail contains {\"subject\": d.id, \"text\": \"no\"} if {\n      some d in input.deployments\n      not d.success\n    }";
    let two = json!({"deployments": [{"id": "x", "success": true, "entries": [7]}, {"id": "y", "entries": [9]}]});
    let judged = over(fails, two.clone());
    assert_eq!((judged.outcome, judged.population, judged.failing.len()), (Outcome::Fail, 2, 1));
    assert_eq!(judged.entries, [9, 7], "what breaks it comes first");

    // Nothing there, or nothing that it applies to.
    assert_eq!(over(fails, json!({})).outcome, Outcome::NotEvaluated);
    let none = format!("{fails}\n    applies contains \"z\" if false");
    assert_eq!(over(&none, json!({"deployments": [{"success": true}]})).outcome, Outcome::NotEvaluated);
    // It speaks of what is not there, or of what it says it does not apply to.
    assert_eq!(over("    fail contains {\"subject\": \"z\", \"text\": \"no\"}", two.clone()).outcome, Outcome::Error);
    assert_eq!(over(&format!("{fails}\n    applies contains \"x\""), two.clone()).outcome, Outcome::Error);
    // Malformed, failing, or no Rego at all.
    assert_eq!(over("    fail contains \"no\"", two.clone()).outcome, Outcome::Error);
    assert_eq!(
        over("    fail contains {\"subject\": \"x\", \"text\": to_number(\"x\")}", two.clone()).outcome,
        Outcome::Error
    );
    let broken = over("    fail contains {\"subject\": ,", two);
    assert_eq!(broken.outcome, Outcome::Error);
    assert!(broken.why.starts_with("a.yaml:15:"), "{}", broken.why);
}

#[test]
fn a_rule_sees_what_it_names_and_all_where_it_names_nothing() {
    let over = |condition: &str| {
        let text = CONTROL.replace("      not d.success\n", &format!("      {condition}\n"));
        let catalogue = parse(&text, FRAMEWORK).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let facts = json!({"deployments": [{}], "people": [{"id": "per-a", "keys": 2}]});
        judge(catalogue.get("a").unwrap(), &Ready::new(&facts::complete(&facts).unwrap())).outcome
    };
    assert_eq!(over("some p in input.people; p.keys == 2; d.id"), Outcome::Fail);
    assert_eq!(over("input[\"people\"][0].keys == 2; d.id"), Outcome::Fail);
    assert_eq!(over("all := input; count(all[\"people\"]) == 1; d.id"), Outcome::Fail);
    assert_eq!(over("count(input.people) == 9; d.id"), Outcome::Pass);
}

#[test]
fn a_missing_source_is_named() {
    let needs = |need: &str| {
        let catalogue = parse(&CONTROL.replace("[ledger]", &format!("[ledger, {need}]")), FRAMEWORK).unwrap();
        let facts = facts::complete(&json!({"deployments": [{"success": true}]})).unwrap();
        judge(catalogue.get("a").unwrap(), &Ready::new(&facts))
    };
    let later = needs("hr-feed");
    assert_eq!((later.outcome, later.missing.as_slice()), (Outcome::NotEvaluated, &["hr-feed"][..]));
    assert!(later.why.contains("not recorded by this version"), "{}", later.why);
    let absent = needs("sast-report");
    assert_eq!(absent.outcome, Outcome::NotEvaluated);
    assert!(absent.why.contains("countersign record"), "{}", absent.why);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
        proptest::prop_assert!(Catalogue::parse([("a.yaml", bytes.as_slice())], []).is_err());
        proptest::prop_assert!(Catalogue::parse([], [("f.yaml", bytes.as_slice())]).is_err());
    }
}
