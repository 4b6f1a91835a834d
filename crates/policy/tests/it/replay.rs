//! A decision can be computed again and comes out the same, or says why not.

use countersign_model::{Diagnostic, Exit, Outcome, Timestamp};
use countersign_policy::{Bundle, Decision, Error, PolicyEngine, RegorusEngine, Replay, replay};
use serde_json::{Value, json};

use crate::facts::{TIME, finding, good};

/// The same interpreter under another version's name.
struct Later;

impl PolicyEngine for Later {
    fn name_and_version(&self) -> String {
        "regorus/9.0.0".to_owned()
    }
    fn evaluate(&self, bundle: &Bundle, facts: &Value, time: Timestamp) -> Result<Value, Error> {
        RegorusEngine.evaluate(bundle, facts, time)
    }
}

fn denied() -> (Value, Decision) {
    let mut facts = good();
    facts["scan"]["findings"] = json!([finding("critical", "high")]);
    let decision = Decision::make(&RegorusEngine, &Bundle::shipped(), &facts, TIME).unwrap();
    (facts, decision)
}

#[test]
fn the_same_facts_give_the_same_bytes() {
    let (facts, decision) = denied();
    let reordered: Value = serde_json::from_str(&facts.to_string()).unwrap();
    let again = Decision::make(&RegorusEngine, &Bundle::shipped(), &reordered, TIME).unwrap();
    assert_eq!(decision.to_bytes().unwrap(), again.to_bytes().unwrap());
    assert_eq!(decision.digest().unwrap(), again.digest().unwrap());
    assert_eq!(Decision::from_bytes(&decision.to_bytes().unwrap()).unwrap(), decision);
    assert_eq!(replay(&RegorusEngine, &decision, &facts, &Bundle::shipped()).unwrap(), Replay::Identical);
}

#[test]
fn every_part_of_a_decision_is_in_its_digest() {
    let (_, decision) = denied();
    let digest = decision.digest().unwrap();
    let changes: [fn(&mut Decision); 6] = [
        |d| d.version = 2,
        |d| d.facts = d.bundle,
        |d| d.bundle = d.facts,
        |d| d.engine.push('x'),
        |d| d.time = d.time.plus_seconds(1),
        |d| d.verdict.gates[0].outcome = Outcome::Pass,
    ];
    for change in changes {
        let mut changed = decision.clone();
        change(&mut changed);
        assert_ne!(changed.digest().unwrap(), digest);
    }
}

#[test]
fn another_engine_is_told_apart_from_a_difference() {
    let (facts, mut decision) = denied();
    let other = |same_result| Replay::OtherEngine {
        recorded: "regorus/0.11.0+1".to_owned(),
        present: "regorus/9.0.0".to_owned(),
        same_result,
    };
    assert_eq!(replay(&Later, &decision, &facts, &Bundle::shipped()).unwrap(), other(true));
    decision.verdict.gates[1].outcome = Outcome::Pass;
    assert_eq!(replay(&Later, &decision, &facts, &Bundle::shipped()).unwrap(), other(false));
}

#[test]
fn a_changed_record_is_shown_with_its_differences() {
    let (facts, mut decision) = denied();
    decision.verdict.gates[1].outcome = Outcome::Pass;
    let Replay::Different { differences } = replay(&RegorusEngine, &decision, &facts, &Bundle::shipped()).unwrap()
    else {
        panic!("it is different");
    };
    assert_eq!(differences, ["/gates/1/outcome: \"pass\" → \"fail\""]);
}

#[test]
fn other_facts_bundles_and_versions_are_refused() {
    let (facts, decision) = denied();
    let mut more = Bundle::shipped().files().clone();
    more.insert("more.rego".to_owned(), "package more\n".to_owned());
    let other_bundle = Bundle::new(more).unwrap();
    let version = Decision { version: 2, ..decision.clone() };
    for (error, code) in [
        (replay(&RegorusEngine, &decision, &good(), &Bundle::shipped()).unwrap_err(), "CS-POLICY-012"),
        (replay(&RegorusEngine, &decision, &facts, &other_bundle).unwrap_err(), "CS-POLICY-013"),
        (replay(&RegorusEngine, &version, &facts, &Bundle::shipped()).unwrap_err(), "CS-POLICY-014"),
        (Decision::from_bytes(&version.to_bytes().unwrap()).unwrap_err(), "CS-POLICY-014"),
        (Decision::from_bytes(b"{}").unwrap_err(), "CS-POLICY-016"),
    ] {
        assert_eq!((error.code(), error.exit()), (code, Exit::Unverified));
    }
}
