//! What the shipped bundle says about representative changes, as people read it.

use countersign_policy::{Bundle, Decision, RegorusEngine, Verdict, decide};
use serde_json::{Value, json};

use crate::facts::{TIME, commit, finding, good};

fn verdict(facts: &Value) -> Verdict {
    decide(&RegorusEngine, &Bundle::shipped(), facts, TIME).unwrap()
}

/// A gate a paragraph, a reason a line.
fn read(facts: &Value) -> String {
    let mut out = String::new();
    for gate in verdict(facts).gates {
        out += &format!("{}: {}\n", gate.name, gate.outcome);
        for reason in gate.reasons {
            out += &format!("  {} {}: {} [{}]\n", reason.effect, reason.code, reason.text, reason.controls.join(" "));
        }
    }
    out
}

#[test]
fn a_change_in_perfect_order() {
    let facts = good();
    insta::assert_snapshot!(read(&facts), @r#"
    pre-commit: pass
    build: pass
    release: pass
    "#);
}

#[test]
fn before_anybody_is_to_be_trusted() {
    let mut facts = good();
    facts["repository"]["identity"] = Value::Null;
    facts["change"]["base"] = Value::Null;
    facts["change"]["ticket"] = Value::Null;
    facts["change"]["reason"] = Value::Null;
    facts["change"]["commits"][0]["signature"] = json!("none");
    facts["change"]["commits"][0]["person"] = Value::Null;
    facts["trust"] = json!({"established": false, "recorder_enrolled": false, "bundle_activated": false});
    insta::assert_snapshot!(read(&facts), @r#"
    pre-commit: pass
    build: pass
    release: pending
      wait no-trust-root: there is no signed root that people and keys lead back to: an administrator runs `countersign init` [trust-is-rooted]
      wait policy-not-activated: this policy bundle is not in effect: `countersign init` activates the shipped one, any other a security or compliance officer who did not write it [policy-in-effect]
      wait recorder-not-enrolled: the installation that collected these facts is not enrolled: an administrator enrols it with `countersign init` [trust-is-rooted]
      wait unidentified-repository: the repository has no identity that an approval could name: give it a remote, then run `countersign run` again [change-is-attributed]
      wait unverified-author: 1 commit with an author or co-author whom nobody vouches for: cccccccccccc. Each of them claims their own with `countersign claim` [change-is-attributed segregation-of-duties]
      note no-reason: no reason is given for this change [change-is-documented]
      note no-ticket: no ticket is named for this change [change-is-documented]
    "#);
}

#[test]
fn a_secret_in_the_change() {
    let mut facts = good();
    let mut noise = finding("low", "certain");
    noise["line"] = json!(9);
    facts["scan"]["findings"] = json!([finding("critical", "high"), noise]);
    insta::assert_snapshot!(read(&facts), @r#"
    pre-commit: fail
      deny finding: secrets/example at app/main.py:3 (severity critical, confidence high): correct it, or ask for a suppression and say why [secrets-out-of-source]
      note finding: secrets/example at app/main.py:9 (severity low, confidence certain): does not block here [secrets-out-of-source]
    build: fail
      deny finding: secrets/example at app/main.py:3 (severity critical, confidence high): correct it, or ask for a suppression and say why [secrets-out-of-source]
      note finding: secrets/example at app/main.py:9 (severity low, confidence certain): does not block here [secrets-out-of-source]
    release: fail
      deny earlier-gate: the gate `build` did not pass: see its reasons first [secrets-out-of-source]
      deny earlier-gate: the gate `pre-commit` did not pass: see its reasons first [secrets-out-of-source]
    "#);
}

#[test]
fn a_secret_left_of_the_change() {
    let mut facts = good();
    let mut elsewhere = finding("high", "medium");
    elsewhere["path"] = json!("lib/old.py");
    facts["scan"]["findings"] = json!([elsewhere]);
    insta::assert_snapshot!(read(&facts), @r#"
    pre-commit: pass
    build: fail
      deny finding: secrets/example at lib/old.py:3 (severity high, confidence medium): correct it, or ask for a suppression and say why [secrets-out-of-source]
    release: fail
      deny earlier-gate: the gate `build` did not pass: see its reasons first [secrets-out-of-source]
    "#);
}

#[test]
fn a_scan_that_could_not_look() {
    let mut facts = good();
    facts["scan"]["rules"] = json!(0);
    facts["scan"]["files"] = json!(0);
    facts["scan"]["gaps"] = json!([{"path": "vendor/lib", "kind": "submodule", "detail": "its commit is not here"}]);
    insta::assert_snapshot!(read(&facts), @r#"
    pre-commit: error
      error no-rules: the scan had no rules, so it found nothing and says nothing: run `countersign scan` with the shipped rules [scan-is-complete]
    build: error
      error no-rules: the scan had no rules, so it found nothing and says nothing: run `countersign scan` with the shipped rules [scan-is-complete]
      error scan-incomplete: vendor/lib could not be looked at (submodule): its commit is not here [scan-is-complete]
      note nothing-scanned: the tree holds no file that could be scanned [scan-is-complete]
    release: error
      error earlier-gate: the gate `build` could not be decided: see its reasons first [scan-is-complete]
      error earlier-gate: the gate `pre-commit` could not be decided: see its reasons first [scan-is-complete]
    "#);
}

#[test]
fn suppressions_asked_for_and_granted() {
    let mut facts = good();
    let (mut asked, mut granted) = (finding("high", "high"), finding("high", "high"));
    asked["state"] = json!("suppression-requested");
    granted["state"] = json!("suppression-granted");
    granted["line"] = json!(8);
    facts["scan"]["findings"] = json!([asked, granted]);
    facts["scan"]["stale"]["baseline"] = json!(1);
    insta::assert_snapshot!(read(&facts), @r#"
    pre-commit: pass
    build: pass
      note stale-suppression: 1 declared suppression or baseline entry matches no finding any more: take them out [suppressions-granted]
      note suppression-granted: secrets/example at app/main.py:8 (severity high, confidence high): suppressed, as granted [suppressions-granted]
      note suppression-requested: secrets/example at app/main.py:3 (severity high, confidence high): a suppression is asked for, and `release` waits until it is granted [suppressions-granted]
    release: pending
      wait suppression-requested: 1 finding is asked to be suppressed: 555555555555 (secrets/example at app/main.py:3). Somebody who did not write the change decides with `countersign suppression grant` [suppressions-granted]
    "#);
}

#[test]
fn commits_of_a_stranger_in_a_shallow_clone() {
    let mut facts = good();
    let (mut forged, mut shared) = (commit("a"), commit("e"));
    forged["signature"] = json!("invalid");
    shared["co_authors"] = json!(1);
    facts["change"]["commits"] = json!([forged, shared, commit("c")]);
    facts["change"]["shallow"] = json!(true);
    facts["change"]["complete"] = json!(false);
    facts["change"]["pipeline"]["changed"] = json!(true);
    insta::assert_snapshot!(read(&facts), @r#"
    pre-commit: pass
    build: pass
    release: fail
      deny invalid-signature: 1 commit with a signature that does not verify: aaaaaaaaaaaa. Sign again with an enrolled key; a claim does not help here [change-is-attributed]
      error history-incomplete: the commits of this change are not all here: the clone is shallow; fetch the rest with `git fetch --unshallow` [change-is-attributed]
      wait unverified-author: 2 commits with an author or co-author whom nobody vouches for: aaaaaaaaaaaa, eeeeeeeeeeee. Each of them claims their own with `countersign claim` [change-is-attributed segregation-of-duties]
      note pipeline-changed: the change alters the definition of its own pipeline: look at those files first [segregation-of-duties]
    "#);
}

#[test]
fn facts_with_a_hole() {
    let mut facts = good();
    facts["scan"]["findings"] = json!([finding("hihg", "high")]);
    facts["change"]["commits"][0].as_object_mut().unwrap().remove("person");
    insta::assert_snapshot!(read(&facts), @r#"
    pre-commit: error
      error facts-incomplete: the fact `change/commits/*/person` is missing or is not of the kind text or null: collect the facts again with `countersign run` [scan-is-complete]
      error facts-incomplete: the fact `scan/findings/*/severity` is missing or is not of the kind severity: collect the facts again with `countersign run` [scan-is-complete]
      error nothing-checked: no check ran, so nothing speaks for a pass: see the errors of this gate []
    build: error
      error facts-incomplete: the fact `change/commits/*/person` is missing or is not of the kind text or null: collect the facts again with `countersign run` [scan-is-complete]
      error facts-incomplete: the fact `scan/findings/*/severity` is missing or is not of the kind severity: collect the facts again with `countersign run` [scan-is-complete]
      error nothing-checked: no check ran, so nothing speaks for a pass: see the errors of this gate []
    release: error
      error earlier-gate: the gate `build` could not be decided: see its reasons first [scan-is-complete]
      error earlier-gate: the gate `pre-commit` could not be decided: see its reasons first [scan-is-complete]
      error facts-incomplete: the fact `change/commits/*/person` is missing or is not of the kind text or null: collect the facts again with `countersign run` [scan-is-complete]
      error facts-incomplete: the fact `scan/findings/*/severity` is missing or is not of the kind severity: collect the facts again with `countersign run` [scan-is-complete]
      error nothing-checked: no check ran, so nothing speaks for a pass: see the errors of this gate []
    "#);
}

#[test]
fn a_decision_in_canonical_json() {
    let mut facts = good();
    facts["change"]["ticket"] = Value::Null;
    facts["scan"]["findings"] = json!([finding("high", "high")]);
    let decision = Decision::make(&RegorusEngine, &Bundle::shipped(), &facts, TIME).unwrap();
    let text = String::from_utf8(decision.to_bytes().unwrap()).unwrap();
    // The bundle's digest changes with every word of a policy; this snapshot is about the shape.
    let text = text.replace(&decision.bundle.to_string(), "sha256:bundle").replace(",\"", ",\n\"");
    insta::assert_snapshot!(text, @r#"
    {"bundle":"sha256:bundle",
    "engine":"regorus/0.11.0+1",
    "facts":"sha256:91cfb33f6758f4b9fc371c0b82a5d619bf0fe2bdb6cbb8223c2d69fb0d51b173",
    "time":"2026-11-23T17:48:00.000Z",
    "verdict":{"expires":null,
    "gates":[{"checks":["coverage",
    "facts",
    "findings"],
    "controls":["scan-is-complete",
    "secrets-out-of-source"],
    "name":"pre-commit",
    "outcome":"fail",
    "reasons":[{"code":"finding",
    "controls":["secrets-out-of-source"],
    "effect":"deny",
    "text":"secrets/example at app/main.py:3 (severity high, confidence high): correct it, or ask for a suppression and say why"}],
    "requires":[]},{"checks":["coverage",
    "facts",
    "findings",
    "reports"],
    "controls":["reports-delivered",
    "scan-is-complete",
    "secrets-out-of-source",
    "suppressions-granted",
    "weaknesses-corrected"],
    "name":"build",
    "outcome":"fail",
    "reasons":[{"code":"finding",
    "controls":["secrets-out-of-source"],
    "effect":"deny",
    "text":"secrets/example at app/main.py:3 (severity high, confidence high): correct it, or ask for a suppression and say why"}],
    "requires":[]},{"checks":["authors",
    "facts",
    "suppressions",
    "trust"],
    "controls":["change-is-attributed",
    "change-is-documented",
    "dual-approval",
    "policy-in-effect",
    "scan-is-complete",
    "segregation-of-duties",
    "suppressions-granted",
    "trust-is-rooted"],
    "name":"release",
    "outcome":"fail",
    "reasons":[{"code":"earlier-gate",
    "controls":["secrets-out-of-source"],
    "effect":"deny",
    "text":"the gate `build` did not pass: see its reasons first"},{"code":"earlier-gate",
    "controls":["secrets-out-of-source"],
    "effect":"deny",
    "text":"the gate `pre-commit` did not pass: see its reasons first"},{"code":"no-ticket",
    "controls":["change-is-documented"],
    "effect":"note",
    "text":"no ticket is named for this change"}],
    "requires":["technical",
    "regulatory"]}]},
    "version":1}
    "#);
}

#[test]
fn both_approvals_are_always_required() {
    for facts in [good(), json!({"version": 1})] {
        let requires: Vec<&str> = verdict(&facts).gates[2].requires.iter().map(|slot| slot.as_str()).collect();
        assert_eq!(requires, ["technical", "regulatory"]);
    }
}
