//! Approval rules with `--server`, by the real binary on both ends.

use countersign_evidence::{act, canonical};
use serde_json::{Value, json};

use super::api::{Program, body, code, token};
use super::remote_acts::{but, by, code_of, fingerprint, hand_in, prepare, shows, signed, statements, text};
use super::server::{firm, said, serve};
use super::submit::{Pipeline, entries};

const SCOPES: &str = "read,approve";
const KINDS: [&str; 2] = ["ApprovalRulesActivated", "ActRefused"];
const RULES: &str = "\
version: 1
rules:
  - tiers: [production]
    why: PCI DSS 6.2.3.1
    slots:
      - slot: technical
        roles: [engineer]
        excludes: [pipeline-editor]
        valid_hours: 72
      - slot: management
        roles: [release-manager, compliance-officer]
        after: [technical]
    deployer: {differs: true, excludes: [pipeline-editor]}
";

#[test]
fn approval_rules_are_put_in_effect_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "ada", SCOPES));
    let file = world.path("approvals.yaml");
    std::fs::write(&file, RULES).unwrap();
    let activate = ["approvals", "activate", file.to_str().unwrap(), "--reason", " PCI DSS "];
    let in_json = [&activate[..], &["--format", "json"]].concat();

    // What is wrong with a file is said here, with its line.
    std::fs::write(&file, RULES.replace("roles: [engineer]", "roles: [auditor]")).unwrap();
    let (there, here) = (by(&pipeline, "ruth", &activate), world.by("ruth", &activate));
    assert_eq!((there.code, &there.err), (here.code, &here.err));
    assert!(there.err.contains("approvals.yaml:7") && there.code == 2, "{}", there.err);
    std::fs::write(&file, RULES).unwrap();

    // An engineer may not, and that is recorded.
    shows(&pipeline, "mia");
    let (there, here) = (by(&pipeline, "mia", &activate), world.by("mia", &activate));
    assert_eq!((there.code, code_of(&there)), (here.code, code_of(&here)), "{}", there.all());
    assert_eq!(entries(&world, &KINDS), [0, 2]);

    // What nobody could fill is put in effect nowhere.
    std::fs::write(&file, RULES.replace("roles: [engineer]", "roles: [engineer]\n        count: 9")).unwrap();
    shows(&pipeline, "ruth");
    let (there, here) = (by(&pipeline, "ruth", &activate), world.by("ruth", &activate));
    assert_eq!((there.code, code_of(&there)), (here.code, code_of(&here)), "{}", there.all());
    assert!(there.code != 0 && there.err.contains("technical"), "{}", there.err);
    assert_eq!(entries(&world, &KINDS)[0], 0);
    std::fs::write(&file, RULES).unwrap();

    let ran = by(&pipeline, "ruth", &activate).expect(0);
    let entry = said(&world, "ApprovalRulesActivated").pop().unwrap();
    let digest = text(&world.cs(["approvals", "show", "--format", "json"]).expect(0).json()["digest"]);
    let line = format!("✓ the approval rules {digest} are in effect from here on (entry {}); ", entry["index"]);
    assert!(ran.out.starts_with(&line), "{}", ran.out);
    assert!(ran.err.contains("countersign-approval-rules@v1"), "{}", ran.err);

    // Nothing new is not signed, and what is printed is what is printed where the ledger is.
    for args in [&activate[..], &in_json] {
        let (there, here) = (by(&pipeline, "ruth", args).expect(0), world.by("ruth", args).expect(0));
        assert_eq!(there.out, here.out);
        assert!(!there.err.contains("signing"), "{}", there.err);
    }
    assert_eq!(entries(&world, &KINDS)[0], 1);
    std::fs::write(&file, RULES.replace("72", "48")).unwrap();
    let there = by(&pipeline, "ruth", &in_json).expect(0).json();
    std::fs::write(&file, RULES.replace("72", "24")).unwrap();
    let here = world.by("ruth", &in_json).expect(0).json();
    assert_eq!(but(there, &["index", "rules"]), but(here, &["index", "rules"]));
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn rules_that_no_file_could_hold_are_not_taken_whoever_signed_them() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let ruth = Program::new(&server, &token(&world, "ruth", SCOPES));
    let file = world.path("approvals.yaml");
    std::fs::write(&file, RULES).unwrap();
    let shown = world.cs(["approvals", "check", file.to_str().unwrap(), "--format", "json"]).expect(0).json();
    let rules = &shown["rules"];
    let asked = |rules: &Value| json!({"kind": "approvals-activate", "rules": rules, "reason": "PCI DSS"});
    let key = fingerprint(&world, "ruth");

    let bad = |path: &str, value: Value| {
        let mut rules = rules.clone();
        *rules.pointer_mut(path).unwrap() = value;
        rules
    };
    let all = [
        bad("/version", json!(2)),
        bad("/rules/0/slots/0/count", json!(0)),
        bad("/rules/0/slots/0/roles", json!([])),
        bad("/rules/0/slots/0/roles", json!(["auditor"])),
        bad("/rules/0/slots/0/slot", json!("technical")),
        bad("/rules/0/slots/1/excludes", json!(["approver"])),
        bad("/rules/0/deployer_excludes", json!(["deployer"])),
        bad("/rules/0/why", json!(" ")),
    ];
    for rules in &all {
        let answer = prepare(&ruth, &key, &asked(rules));
        assert_eq!((answer.status, code(&answer).as_str()), (400, "CS-APPROVAL-001"), "{rules}: {}", answer.body);
    }
    // Nor is what was signed without asking; a signature over other rules than those that were looked at is one over these.
    let given = body(&prepare(&ruth, &key, &asked(rules)).expect(200));
    let (statement, condition) = (statements(&given).pop().unwrap(), text(&given["condition"]));
    let mut once = 0;
    let mut send = |act: Vec<u8>| {
        once += 1;
        hand_in(&ruth, Some(&format!("once-of-these-acts-{once}")), Some(&condition), &[act])
    };
    for rules in all {
        let mut statement: Value = serde_json::from_slice(&statement).unwrap();
        statement["predicate"]["rules"] = rules.clone();
        let act = signed(&world, "ruth", act::APPROVAL_RULES, &canonical::to_vec(&statement).unwrap());
        let answer = send(act);
        assert_eq!((answer.status, code(&answer).as_str()), (400, "CS-APPROVAL-001"), "{rules}: {}", answer.body);
    }
    assert_eq!(entries(&world, &KINDS), [0, 0]);
    let good = signed(&world, "ruth", act::APPROVAL_RULES, &statement);
    let done = body(&send(good.clone()).expect(200));
    assert_eq!(body(&send(good).expect(200)), done, "the same once more is the same entry");
    // They are in effect since; whoever looked at what was before is told.
    let late = bad("/rules/0/slots/1/valid_hours", json!(24));
    let mut statement: Value = serde_json::from_slice(&statement).unwrap();
    statement["predicate"]["rules"] = late;
    let act = signed(&world, "ruth", act::APPROVAL_RULES, &canonical::to_vec(&statement).unwrap());
    assert_eq!(code(&send(act).expect(412)), "CS-SERVER-113");
    assert_eq!(entries(&world, &KINDS), [1, 0]);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
}
