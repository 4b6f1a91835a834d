//! How strongly what the shipped policies say holds a change up: levels, waivers, overrides, and their replay.

use countersign_model::governance::{Criticality, Level, Tier, WaiverCategory};
use countersign_model::{Digest, Outcome, OverrideId, Role, Timestamp, WaiverId};
use countersign_policy::enforcement::{
    ApplicationFact, EnvironmentFact, OverrideFact, Rule, Standing, WaiverFact, reason_digest,
};
use countersign_policy::{
    Assignment, Bundle, Decision, Error, GateVerdict, PolicyEngine, RegorusEngine, Replay, replay, replay_under,
};
use serde_json::{Value, json};

use crate::facts::{TIME, finding, good};

fn rule(control: &str, level: Level) -> Rule {
    let controls = vec![control.to_owned()];
    Rule { controls, tiers: vec![], criticality: vec![], level, overrider: None, why: "tested".to_owned() }
}

fn under(rules: Vec<Rule>) -> Assignment {
    Assignment { rules, ..Assignment::none() }
}

fn decide(assignment: Option<&Assignment>, facts: &Value) -> Decision {
    let decision = Decision::make_under(&RegorusEngine, &Bundle::shipped(), assignment, facts, TIME).unwrap();
    // Whatever is decided comes out again.
    let again = replay_under(&RegorusEngine, &decision, facts, &Bundle::shipped(), assignment).unwrap();
    assert_eq!(again, Replay::Identical);
    assert_eq!(Decision::from_bytes(&decision.to_bytes().unwrap()).unwrap(), decision);
    decision
}

fn gate<'d>(decision: &'d Decision, name: &str) -> &'d GateVerdict {
    decision.verdict.gate(name).unwrap()
}

fn outcomes(decision: &Decision) -> Vec<Outcome> {
    decision.verdict.gates.iter().map(|g| g.outcome).collect()
}

/// Facts with a secret in them, which `pre-commit` and `build` deny.
fn with_secret() -> Value {
    let mut facts = good();
    facts["scan"]["findings"] = json!([finding("critical", "high")]);
    facts
}

fn waiver(id: &str, category: WaiverCategory, findings: Option<Vec<Digest>>) -> WaiverFact {
    WaiverFact {
        id: WaiverId::from_text(id),
        category,
        controls: vec!["secrets-out-of-source".to_owned()],
        compensating: (category == WaiverCategory::Mitigated).then(|| "dual-approval".to_owned()),
        findings,
        not_before: TIME.plus_seconds(-60),
        expires: TIME.plus_seconds(3_600),
    }
}

fn print(digit: &str) -> Digest {
    format!("sha256:{}", digit.repeat(64)).parse().unwrap()
}

#[test]
fn without_an_assignment_nothing_is_different_and_the_version_says_so() {
    for facts in [good(), with_secret()] {
        let plain = Decision::make(&RegorusEngine, &Bundle::shipped(), &facts, TIME).unwrap();
        assert_eq!(plain.version, 1);
        assert!(!String::from_utf8(plain.to_bytes().unwrap()).unwrap().contains("enforce"));
        // An assignment in which all is hard decides the same, and says that it was there.
        let hard = decide(Some(&Assignment::none()), &facts);
        assert_eq!((hard.version, outcomes(&hard)), (2, outcomes(&plain)));
        // Registered facts alone change no version and no outcome.
        let mut registered = facts.clone();
        registered["environment"] = json!(EnvironmentFact { id: "production".to_owned(), tier: Tier::Production });
        let registered = decide(None, &registered);
        assert_eq!((registered.version, outcomes(&registered)), (1, outcomes(&plain)));
    }
}

#[test]
fn the_level_decides_whether_a_denial_blocks() {
    let expected = [
        (Level::Audit, Outcome::Pass, Standing::Audited),
        (Level::Advisory, Outcome::Pass, Standing::Advised),
        (Level::Soft, Outcome::Fail, Standing::Blocks),
        (Level::Hard, Outcome::Fail, Standing::Blocks),
    ];
    for (level, outcome, standing) in expected {
        let decision = decide(Some(&under(vec![rule("secrets-out-of-source", level)])), &with_secret());
        let build = gate(&decision, "build");
        let denial = build.reasons.iter().find(|r| r.code == "finding").unwrap();
        assert_eq!((build.outcome, denial.enforced.as_ref().unwrap().standing), (outcome, standing), "{level}");
        assert_eq!(denial.effect.as_str(), "deny", "what the policy said stays visible");
        assert_eq!(gate(&decision, "release").outcome, outcome, "release follows");
    }
}

#[test]
fn an_error_blocks_where_it_is_soft_or_hard_and_warns_where_it_is_advisory() {
    let mut facts = good();
    facts["scan"]["gaps"] = json!([{"path": "x", "kind": "unreadable", "detail": "no"}]);
    for (level, outcome) in
        [(Level::Soft, Outcome::Error), (Level::Hard, Outcome::Error), (Level::Advisory, Outcome::Pass)]
    {
        let decision = decide(Some(&under(vec![rule("scan-is-complete", level)])), &facts);
        assert_eq!(gate(&decision, "build").outcome, outcome, "{level}");
    }
    // No level makes a gate pass that checked nothing.
    let broken = json!({"version": 1});
    let decision = decide(Some(&under(vec![rule("*", Level::Audit)])), &broken);
    assert_eq!(outcomes(&decision), [Outcome::Error; 3]);
    // And a waiver never lifts an error.
    facts["waivers"] = json!([WaiverFact {
        controls: vec!["scan-is-complete".to_owned()],
        ..waiver("wai-1", WaiverCategory::Waived, None)
    }]);
    assert_eq!(gate(&decide(None, &facts), "build").outcome, Outcome::Error);
}

#[test]
fn tier_and_criticality_choose_the_level_and_what_is_unknown_is_the_strictest() {
    let assignment = under(vec![Rule {
        tiers: vec![Tier::Test],
        criticality: vec![Criticality::Low],
        ..rule("secrets-out-of-source", Level::Advisory)
    }]);
    let outcome = |tier: Option<Tier>, criticality: Option<Criticality>| {
        let mut facts = with_secret();
        if let Some(tier) = tier {
            facts["environment"] = json!(EnvironmentFact { id: "e".to_owned(), tier });
        }
        if let Some(criticality) = criticality {
            facts["application"] = json!(ApplicationFact {
                id: "a".to_owned(),
                criticality,
                data: vec![],
                cardholder_scope: countersign_model::governance::CardholderScope::Out,
                sox_key_system: false,
            });
        }
        gate(&decide(Some(&assignment), &facts), "build").outcome
    };
    assert_eq!(outcome(Some(Tier::Test), Some(Criticality::Low)), Outcome::Pass);
    assert_eq!(outcome(Some(Tier::Production), Some(Criticality::Low)), Outcome::Fail);
    assert_eq!(outcome(Some(Tier::Test), Some(Criticality::High)), Outcome::Fail);
    assert_eq!(outcome(None, Some(Criticality::Low)), Outcome::Fail);
    assert_eq!(outcome(Some(Tier::Test), None), Outcome::Fail);
    assert_eq!(outcome(None, None), Outcome::Fail);
}

#[test]
fn several_controls_have_the_strictest_level_and_none_is_hard() {
    let mut facts = good();
    facts["change"]["commits"][0]["signature"] = json!("none");
    facts["change"]["commits"][0]["person"] = Value::Null;
    // `unverified-author` concerns two controls.
    let one = under(vec![rule("change-is-attributed", Level::Audit)]);
    assert_eq!(gate(&decide(Some(&one), &facts), "release").outcome, Outcome::Pending);
    let both = under(vec![rule("change-is-attributed", Level::Audit), rule("segregation-of-duties", Level::Audit)]);
    let decision = decide(Some(&both), &facts);
    assert_eq!(gate(&decision, "release").outcome, Outcome::Pass);
    assert_eq!(gate(&decision, "release").requires.len(), 2, "an assignment takes no signature away");
}

#[test]
fn a_repository_tightens_and_never_loosens() {
    let assignment = under(vec![rule("secrets-out-of-source", Level::Advisory)]);
    let outcome = |tightened: Value| {
        let mut facts = with_secret();
        facts["tightened"] = tightened;
        gate(&decide(Some(&assignment), &facts), "build").outcome
    };
    assert_eq!(outcome(json!([{"control": "secrets-out-of-source", "level": "hard"}])), Outcome::Fail);
    assert_eq!(outcome(json!([{"control": "secrets-out-of-source", "level": "audit"}])), Outcome::Pass);
    assert_eq!(outcome(json!([{"control": "dual-approval", "level": "hard"}])), Outcome::Pass);
    // The tier is not known, so it may be the one that is meant.
    assert_eq!(
        outcome(json!([{"control": "secrets-out-of-source", "level": "hard", "tiers": ["test"]}])),
        Outcome::Fail
    );
}

#[test]
fn a_waiver_of_a_finding_lifts_what_goes_away_with_it_and_nothing_else() {
    let mut facts = with_secret();
    let mut other = finding("critical", "high");
    other["fingerprint"] = json!(print("6").to_string());
    other["path"] = json!("app/other.py");
    for (category, outcome) in
        [(WaiverCategory::Waived, Outcome::Waived), (WaiverCategory::Mitigated, Outcome::Mitigated)]
    {
        facts["waivers"] = json!([waiver("wai-1", category, Some(vec![print("5")]))]);
        let decision = decide(None, &facts);
        assert_eq!(outcomes(&decision), [outcome, outcome, Outcome::Pass]);
        let denial = gate(&decision, "build").reasons.iter().find(|r| r.code == "finding").unwrap();
        assert_eq!(denial.enforced.as_ref().unwrap().by.as_deref(), Some("wai-1"));
        assert_eq!(decision.verdict.expires, Some(TIME.plus_seconds(3_600)), "no later than the waiver");
        assert_eq!(decision.verdict.enforcement.as_ref().unwrap().waivers[0].findings, 1);
    }
    facts["scan"]["findings"].as_array_mut().unwrap().push(other);
    let decision = decide(None, &facts);
    assert_eq!(gate(&decision, "build").outcome, Outcome::Fail);
    let blocking: Vec<&str> =
        gate(&decision, "build").reasons.iter().filter(|r| r.blocks()).map(|r| r.text.as_str()).collect();
    assert!(matches!(blocking.as_slice(), [one] if one.contains("app/other.py")), "{blocking:?}");
}

#[test]
fn a_finding_that_concerns_another_control_too_is_not_covered() {
    let mut facts = with_secret();
    facts["scan"]["findings"][0]["controls"] = json!(["personal-data-out-of-source", "secrets-out-of-source"]);
    facts["waivers"] = json!([waiver("wai-1", WaiverCategory::Waived, Some(vec![print("5")]))]);
    let decision = decide(None, &facts);
    assert_eq!(gate(&decision, "build").outcome, Outcome::Fail);
    let note = gate(&decision, "release").reasons.iter().find(|r| r.code == "waiver-unmatched").unwrap();
    assert!(note.text.contains("wai-1"));
    assert_eq!(decision.verdict.expires, None, "it rests on nothing that ends");
}

#[test]
fn a_waiver_of_a_whole_control_lifts_all_it_says_while_it_is_in_force() {
    let mut facts = with_secret();
    facts["waivers"] = json!([waiver("wai-1", WaiverCategory::Waived, None)]);
    assert_eq!(outcomes(&decide(None, &facts)), [Outcome::Waived, Outcome::Waived, Outcome::Pass]);
    for (from, until) in [(-60, 0), (1, 60)] {
        facts["waivers"] = json!([WaiverFact {
            not_before: TIME.plus_seconds(from),
            expires: TIME.plus_seconds(until),
            ..waiver("wai-1", WaiverCategory::Waived, None)
        }]);
        let e = Decision::make(&RegorusEngine, &Bundle::shipped(), &facts, TIME).unwrap_err();
        assert!(matches!(e, Error::Facts(_)), "{e}");
    }
    for wrong in [json!("x"), json!([{}]), json!([1])] {
        facts["waivers"] = wrong;
        assert!(Decision::make(&RegorusEngine, &Bundle::shipped(), &facts, TIME).is_err());
    }
}

#[test]
fn two_waivers_lift_what_each_covers_and_the_first_to_end_counts() {
    let mut facts = with_secret();
    let mut other = finding("critical", "high");
    other["fingerprint"] = json!(print("6").to_string());
    other["path"] = json!("app/other.py");
    facts["scan"]["findings"].as_array_mut().unwrap().push(other);
    let second = WaiverFact {
        expires: TIME.plus_seconds(60),
        ..waiver("wai-2", WaiverCategory::Mitigated, Some(vec![print("6")]))
    };
    facts["waivers"] = json!([waiver("wai-1", WaiverCategory::Waived, Some(vec![print("5")])), second]);
    let decision = decide(None, &facts);
    assert_eq!(gate(&decision, "build").outcome, Outcome::Waived);
    let by: Vec<_> = gate(&decision, "build").reasons.iter().filter_map(|r| r.enforced.clone()?.by).collect();
    assert_eq!(by, ["wai-1", "wai-2"]);
    assert_eq!(decision.verdict.expires, Some(TIME.plus_seconds(60)));
}

/// A policy that is content only while somebody has found something: what a waiver takes away makes it deny.
struct Perverse;

impl PolicyEngine for Perverse {
    fn name_and_version(&self) -> String {
        "perverse/1".to_owned()
    }
    fn evaluate(&self, _: &Bundle, facts: &Value, _: Timestamp) -> Result<Value, Error> {
        let none = facts["scan"]["findings"].as_array().is_some_and(Vec::is_empty);
        let said = json!([{"code": "nothing-found", "text": "nothing was found", "controls": ["x"]}]);
        let deny = if none { said } else { json!([]) };
        let quiet = json!({"checks": ["x"], "deny": [], "error": []});
        Ok(json!({"pre-commit": quiet, "build": {"checks": ["x"], "deny": deny, "error": []}, "release": quiet}))
    }
}

#[test]
fn what_comes_up_only_without_the_waived_finding_blocks() {
    let mut facts = with_secret();
    facts["waivers"] = json!([waiver("wai-1", WaiverCategory::Waived, Some(vec![print("5")]))]);
    let decision = Decision::make(&Perverse, &Bundle::shipped(), &facts, TIME).unwrap();
    assert_eq!(gate(&decision, "build").outcome, Outcome::Fail);
}

#[test]
fn an_override_lifts_exactly_the_soft_reasons_that_it_names() {
    let soft =
        under(vec![Rule { overrider: Some(Role::ReleaseManager), ..rule("secrets-out-of-source", Level::Soft) }]);
    let mut facts = with_secret();
    let blocked = decide(Some(&soft), &facts);
    let mut reasons = Vec::new();
    for g in &blocked.verdict.gates {
        reasons.extend(g.reasons.iter().filter(|r| r.code == "finding").map(|r| reason_digest(&g.name, r).unwrap()));
    }
    reasons.sort();
    let id = OverrideId::from_text("ovr-1");
    let by = |role: Role| json!([OverrideFact { id: id.clone(), reasons: reasons.clone(), roles: vec![role] }]);
    facts["overrides"] = by(Role::SecurityOfficer);
    assert_eq!(gate(&decide(Some(&soft), &facts), "build").outcome, Outcome::Fail, "the role that is named, no other");
    facts["overrides"] = by(Role::ReleaseManager);
    let decision = decide(Some(&soft), &facts);
    assert_eq!(outcomes(&decision), [Outcome::Waived, Outcome::Waived, Outcome::Pass]);
    assert_eq!(decision.verdict.enforcement.as_ref().unwrap().overrides, [id.to_string()]);
    // What is hard by now is not overridden, and neither is another finding.
    assert_eq!(gate(&decide(None, &facts), "build").outcome, Outcome::Fail);
    facts["scan"]["findings"][0]["path"] = json!("elsewhere.py");
    facts["change"]["files"] = json!([{"path": "elsewhere.py", "status": "M"}]);
    assert_eq!(gate(&decide(Some(&soft), &facts), "build").outcome, Outcome::Fail);
}

#[test]
fn a_replay_needs_the_assignment_that_was_in_effect() {
    let facts = with_secret();
    let audit = under(vec![rule("secrets-out-of-source", Level::Audit)]);
    let decision = decide(Some(&audit), &facts);
    let e = replay(&RegorusEngine, &decision, &facts, &Bundle::shipped()).unwrap_err();
    assert!(matches!(e, Error::OtherAssignment { recorded: Some(_), present: None }), "{e}");
    let other = under(vec![rule("secrets-out-of-source", Level::Advisory)]);
    let e = replay_under(&RegorusEngine, &decision, &facts, &Bundle::shipped(), Some(&other)).unwrap_err();
    assert!(matches!(e, Error::OtherAssignment { .. }), "{e}");
    // A record that was made to say less than it did is seen.
    let mut forged = decision.clone();
    forged.verdict.enforcement = None;
    assert!(replay_under(&RegorusEngine, &forged, &facts, &Bundle::shipped(), Some(&audit)).is_err());
    let mut forged = decision;
    forged.verdict.gates[1].reasons.clear();
    let said = replay_under(&RegorusEngine, &forged, &facts, &Bundle::shipped(), Some(&audit)).unwrap();
    assert!(matches!(said, Replay::Different { .. }));
}
