//! The shipped catalogue: every file of it, and what holds for all of them.

use std::collections::BTreeSet;

use countersign_model::{Outcome, Severity};
use countersign_policy::catalogue::{Class, Control, Ready, facts, judge, source};
use countersign_policy::{Bundle, Catalogue, RegorusEngine};
use serde_json::{Value, json};

fn shipped() -> Catalogue {
    Catalogue::shipped().unwrap_or_else(|e| {
        use countersign_model::Diagnostic as _;
        panic!("{}: {e}", e.place().map(|p| p.to_string()).unwrap_or_default())
    })
}

#[test]
fn shipped_controls_are_read_and_complete() {
    let catalogue = shipped();
    let wanted = [
        "change-is-attributed",
        "change-is-documented",
        "deployment-is-authorised",
        "dual-approval",
        "evidence-is-immutable",
        "policy-in-effect",
        "reports-delivered",
        "scan-is-complete",
        "secrets-out-of-source",
        "segregation-of-duties",
        "suppressions-granted",
        "trust-is-rooted",
        "weaknesses-corrected",
    ];
    for id in wanted {
        assert!(catalogue.get(id).is_some(), "controls/{id}.yaml is missing");
    }
    assert!(catalogue.controls.len() >= 60, "{} controls", catalogue.controls.len());
    for control in catalogue.controls.values() {
        assert!(!control.requirements.is_empty(), "{} meets no requirement", control.id);
        assert!(countersign_policy::catalogue::is_shipped(&control.id), "{}", control.id);
    }
    assert!(!countersign_policy::catalogue::is_shipped("no-such-control"));
    for framework in [
        "pci-dss-4.0.1",
        "sox",
        "sec-17a-4",
        "reg-sci",
        "finra",
        "gdpr",
        "dora",
        "dora-rts-2024-1774",
        "nydfs-500",
        "nist-ssdf-1.1",
        "nist-800-53r5",
    ] {
        assert!(catalogue.frameworks.contains_key(framework), "frameworks/{framework}.yaml is missing");
    }
}

#[test]
fn every_requirement_has_a_control_or_a_reason_and_never_both() {
    let catalogue = shipped();
    let mut wrong = Vec::new();
    for framework in catalogue.frameworks.values() {
        for requirement in &framework.requirements {
            let met = !catalogue.meeting(&framework.id, requirement).is_empty();
            if met == requirement.reason.is_some() {
                wrong
                    .push(format!("{}:{}: met: {met}, reason: {:?}", framework.id, requirement.id, requirement.reason));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_called_automatic_is_decided_by_a_rule() {
    let catalogue = shipped();
    let mut undecided = Vec::new();
    let mut automatic = 0;
    for framework in catalogue.frameworks.values() {
        for requirement in framework.requirements.iter().filter(|r| r.class == Class::Automatic) {
            automatic += 1;
            if !catalogue.meeting(&framework.id, requirement).iter().any(|c| c.decides.is_some()) {
                undecided.push(format!("{}:{}", framework.id, requirement.id));
            }
        }
    }
    assert!(undecided.is_empty(), "{undecided:?}");
    assert!(automatic > 100, "{automatic}");
}

/// What is wrong with the examples of a control.
fn walk(control: &Control) -> Vec<String> {
    let mut wrong = Vec::new();
    for (wanted, examples) in [(Outcome::Pass, &control.examples.pass), (Outcome::Fail, &control.examples.fail)] {
        for (n, example) in examples.iter().enumerate() {
            let facts = facts::complete(example).unwrap();
            assert_eq!(facts::fault(&facts), None);
            let judged = judge(control, &Ready::new(&facts));
            if judged.outcome != wanted {
                wrong.push(format!(
                    "{}: {wanted} {}: {} ({}) {:?}",
                    control.id,
                    n + 1,
                    judged.outcome,
                    judged.why,
                    judged.failing
                ));
            }
        }
    }
    wrong
}

#[test]
fn every_control_passes_and_fails_over_its_examples() {
    let wrong: Vec<String> = shipped().controls.values().flat_map(walk).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The same examples, with the sources that this version does not record left out as they are in a real ledger: none of these
/// controls may say anything then.
#[test]
fn what_needs_a_source_of_a_later_part_is_never_judged_without_it() {
    let mut later = 0;
    for control in shipped().controls.values() {
        let Some(need) = control.needs.iter().find(|n| source::find(n).is_some_and(|s| s.is_later())) else { continue };
        later += 1;
        for example in control.examples.pass.iter().chain(&control.examples.fail) {
            let mut facts = facts::complete(example).unwrap();
            let sources = facts["sources"].as_array_mut().unwrap();
            sources.retain(|s| s.as_str().and_then(source::find).is_some_and(|s| !s.is_later()));
            let judged = judge(control, &Ready::new(&facts));
            assert_eq!(judged.outcome, Outcome::NotEvaluated, "{}", control.id);
            assert!(judged.why.contains(&format!("`{need}`")), "{}: {}", control.id, judged.why);
        }
    }
    assert!(later > 20, "{later}");
}

/// A rule that passes over an element of which everything is empty, zero and false has no condition that could ever be broken
/// by what is missing. Those that pass are named here, and each has a reason.
#[test]
fn over_an_element_of_which_nothing_is_known_most_controls_fail() {
    let mut passing = BTreeSet::new();
    for control in shipped().controls.values() {
        let Some(decides) = &control.decides else { continue };
        let mut facts = json!({ decides.over.clone(): [{}] });
        facts["sources"] = control.needs.iter().map(|n| Value::from(n.as_str())).collect();
        let judged = judge(control, &Ready::new(&facts::complete(&facts).unwrap()));
        assert_ne!(judged.outcome, Outcome::Error, "{}: {}", control.id, judged.why);
        if judged.outcome == Outcome::Pass {
            passing.insert(control.id.clone());
        }
    }
    let passing: Vec<&str> = passing.iter().map(String::as_str).collect();
    insta::assert_snapshot!(passing.join("\n"));
}

#[test]
fn every_rule_compiles_at_its_place_in_the_file() {
    for control in shipped().controls.values() {
        let Some((name, text)) = control.module() else { continue };
        let bundle = Bundle::new([(name, text.clone())].into()).unwrap();
        RegorusEngine.check(&bundle).unwrap_or_else(|e| panic!("{}: {e}", control.id));
        // Line and column are those of the file.
        let path = format!("{}/../../controls/{}.yaml", env!("CARGO_MANIFEST_DIR"), control.id);
        let file = std::fs::read_to_string(path).unwrap();
        for (n, (module, file)) in text.lines().zip(file.lines()).enumerate().skip(1) {
            assert!(module.is_empty() || module == file, "{}:{}: {module:?} {file:?}", control.id, n + 1);
        }
    }
}

#[test]
fn severities_in_rules_are_severities() {
    for control in shipped().controls.values() {
        let Some(decides) = &control.decides else { continue };
        for line in decides.rule.lines().filter(|l| l.contains("severity")) {
            for word in line.split('"').skip(1).step_by(2).filter(|w| w.chars().all(|c| c.is_ascii_lowercase())) {
                if ["subject", "text"].contains(&word) {
                    continue;
                }
                let known = serde_json::from_value::<Severity>(Value::from(word));
                assert!(known.is_ok(), "{}: {word}", control.id);
            }
        }
    }
}
