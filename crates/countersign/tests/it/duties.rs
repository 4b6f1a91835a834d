//! Which signatures a release needs, who may give them, and what is said when one does not count: through the real binary.

use serde_json::Value;

use crate::support::{Ran, World, have_ssh_keygen};

/// A third signature for what much depends on, in order, and approvals that expire.
const RULES: &str = "\
version: 1
rules:
  - tiers: [production]
    criticality: [critical]
    why: PCI DSS 6.2.3.1, a reviewer who is not the author and approval by management
    slots:
      - slot: technical
        roles: [engineer]
        valid_hours: 8
      - slot: regulatory
        roles: [compliance-officer]
        after: [technical]
      - slot: management
        roles: [release-manager]
        after: [technical]
    deployer:
      excludes: [policy-editor]
";

#[track_caller]
fn code(ran: &Ran, code: &str) {
    assert!(ran.err.starts_with(&format!("error[{code}]")), "{}", ran.err);
}

fn refusals(w: &World) -> usize {
    let j = w.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
    j["entries"].as_array().unwrap().iter().filter(|e| e["entry"]["kind"] == "ActRefused").count()
}

/// Refused with this code, and recorded.
#[track_caller]
fn refused(w: &World, person: &str, args: &[&str], exit: i32, expected: &str) {
    let before = refusals(w);
    code(&w.by(person, args).expect(exit), expected);
    assert_eq!(refusals(w), before + 1, "a refusal is recorded");
}

/// A person with roles.
fn enrol(w: &World, name: &str, roles: &[&str]) {
    let public = w.key(name).with_extension("pub");
    w.by("ada", &["person", "add", name, "--ssh-key", public.to_str().unwrap()]).expect(0);
    for role in roles {
        w.by("ada", &["role", "grant", name, role, "--reason", "x"]).expect(0);
    }
}

fn rules(w: &World, text: &str) -> String {
    let file = w.path("approvals.yaml");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// A firm whose application is critical, with a signed commit that waits.
fn critical() -> World {
    let w = World::new();
    w.firm();
    w.commit_signed("mia", "app.sh", "echo app\n");
    let shop = ["application", "register", "shop", "--owner", "mia", "--criticality", "critical", "--data", "personal"];
    w.by("ada", &[shop.as_slice(), &["--this-repository"]].concat()).expect(0);
    w.by("ada", &["environment", "register", "production", "--tier", "production"]).expect(0);
    w
}

fn slot<'j>(explained: &'j Value, name: &str) -> &'j Value {
    let gates = explained["gates"].as_array().unwrap();
    let release = gates.iter().find(|g| g["name"] == "release").unwrap();
    release["slots"].as_array().unwrap().iter().find(|s| s["slot"] == name).unwrap()
}

fn explained(w: &World, exit: i32) -> Value {
    w.cs(["gate", "explain", "--format", "json"]).expect(exit).json()
}

#[test]
fn three_people_sign_in_order_and_a_fourth_deploys() {
    if !have_ssh_keygen() {
        return;
    }
    let w = critical();
    let file = rules(&w, RULES);
    let check = w.cs(["approvals", "check", &file]).expect(10);
    assert!(check.out.contains("deployer"), "the one release manager cannot approve and deploy: {}", check.out);
    refused(&w, "ruth", &["approvals", "activate", &file], 4, "CS-APPROVAL-002");
    enrol(&w, "rolf", &["release-manager"]);
    w.cs(["approvals", "check", &file]).expect(0);
    refused(&w, "omar", &["approvals", "activate", &file], 4, "CS-ACCESS-011");
    w.by("ruth", &["approvals", "activate", &file, "--reason", "PCI"]).expect(0);
    assert!(w.by("ruth", &["approvals", "activate", &file]).expect(0).out.contains("already"));

    w.cs(["run"]).expect(11);
    refused(&w, "ruth", &["approve", "latest", "--as", "regulatory"], 11, "CS-APPROVAL-014");
    refused(&w, "dan", &["approve", "latest", "--as", "security"], 4, "CS-APPROVAL-010");
    refused(&w, "mia", &["approve", "latest", "--as", "technical"], 4, "CS-RELEASE-004");
    let waiting = explained(&w, 11);
    assert_eq!(slot(&waiting, "regulatory")["waits_for"][0], "technical");
    let mia = &slot(&waiting, "technical")["excluded"][0];
    assert_eq!(mia["duty"], "author");
    assert!(mia["by"].as_str().unwrap().starts_with("commit "), "{mia}");
    assert_eq!(waiting["gates"][2]["missing"], "Missing: 1 management, 1 regulatory, 1 technical.");

    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("omar", &["approve", "latest", "--as", "management"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    let met = explained(&w, 0);
    assert!(slot(&met, "technical")["filled"][0]["until"].is_string());
    let text = w.cs(["gate", "explain", "HEAD"]).expect(0).out;
    assert!(text.contains("Every slot is filled by another person."), "{text}");
    refused(&w, "omar", &["deploy", "latest", "--env", "production"], 4, "CS-RELEASE-012");
    w.by("rolf", &["deploy", "latest", "--env", "production"]).expect(0);
    w.cs(["verify"]).expect(0);
}

#[test]
fn what_is_dearer_than_a_file_is_asked_for_and_what_expired_stays_so() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = critical();
    enrol(&w, "rolf", &["release-manager"]);
    let hardware = RULES.replace("        valid_hours: 8\n", "        strength: hardware\n");
    let file = rules(&w, &hardware);
    let no = w.by("ruth", &["approvals", "activate", &file]).expect(4);
    assert!(no.err.contains("hardware key"), "nobody has one: {}", no.err);
    let file = rules(&w, RULES);
    w.by("ruth", &["approvals", "activate", &file]).expect(0);
    w.now = Some("2026-12-01T08:00:00Z".to_owned());
    w.cs(["run"]).expect(11);
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("omar", &["approve", "latest", "--as", "management", "--hours", "2"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    w.cs(["gate", "check"]).expect(0);
    w.now = Some("2026-12-01T10:00:00Z".to_owned());
    let j = explained(&w, 11);
    assert_eq!(slot(&j, "management")["not_counted"][0]["code"], "expired");
    refused(&w, "rolf", &["deploy", "latest", "--env", "production"], 11, "CS-RELEASE-008");
    // Whose approval expired may give it again; a clock that is set back does not revive the one that did.
    w.now = Some("2026-12-01T09:00:00Z".to_owned());
    w.cs(["gate", "explain"]).expect(11);
    w.now = Some("2026-12-01T10:00:00Z".to_owned());
    w.by("omar", &["approve", "latest", "--as", "management"]).expect(0);
    w.cs(["gate", "check"]).expect(0);
    w.now = Some("2026-12-01T16:00:00Z".to_owned());
    let j = explained(&w, 11);
    assert_eq!(slot(&j, "technical")["not_counted"][0]["code"], "expired");
    assert_eq!(slot(&j, "regulatory")["not_counted"][0]["code"], "early", "what it rested on is gone");
    // Whoever is needed again signs again, in order; those whose approvals came too early as well.
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    w.by("omar", &["approve", "latest", "--as", "management"]).expect(0);
    w.cs(["gate", "check"]).expect(0);
    // Other rules: the decision is the same, and everybody has to look again.
    let file = rules(&w, &RULES.replace("valid_hours: 8", "valid_hours: 9"));
    w.by("ruth", &["approvals", "activate", &file]).expect(0);
    let said = w.cs(["gate", "check"]).expect(11).out;
    assert!(said.contains("approval rules ") && said.contains(" are now "), "{said}");
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    refused(&w, "dan", &["approve", "latest", "--as", "technical"], 4, "CS-RELEASE-006");
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    w.by("omar", &["approve", "latest", "--as", "management"]).expect(0);
    w.cs(["gate", "check"]).expect(0);
    w.cs(["verify"]).expect(0);
}

#[test]
fn what_changed_is_said_in_words() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::approved();
    w.cs(["gate", "check"]).expect(0);
    std::fs::write(w.path("app.tar"), b"one").unwrap();
    w.cs(["record", "--artifact", w.path("app.tar").to_str().unwrap()]).expect(0);
    let said = w.cs(["gate", "check"]).expect(11).out;
    assert!(said.contains("artifact app.tar (") && said.contains(") was added"), "{said}");
    for (who, slot) in [("dan", "technical"), ("ruth", "regulatory")] {
        w.by(who, &["approve", "latest", "--as", slot]).expect(0);
    }
    std::fs::write(w.path("app.tar"), b"two").unwrap();
    w.cs(["record", "--artifact", w.path("app.tar").to_str().unwrap()]).expect(0);
    let said = w.cs(["run"]).expect(11).out;
    assert!(said.contains("artifact app.tar: ") && said.contains(" is now "), "{said}");
    // Somebody says who wrote a commit: the facts differ, and the claimant cannot have approved.
    w.by("dan", &["claim", "HEAD"]).expect(0);
    let said = w.cs(["gate", "explain"]).expect(11).out;
    assert!(said.contains("who wrote commit") && said.contains("co-author"), "{said}");
    // A ticket.
    let said = w.cs(["run", "--ticket", "CHG-7"]).expect(11).out;
    assert!(said.contains("ticket none is now CHG-7"), "{said}");
    let list = w.cs(["approvals", "list", "--format", "json"]).expect(0).json();
    let all = list["said"].as_array().unwrap();
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|a| a["counts"] == false && a["why"].is_string()), "{list}");
    let statement = &all[0]["statement"];
    for bound in ["evidence", "findings", "device", "tree", "decision", "bundle"] {
        assert!(!statement[bound].is_null(), "{bound}: {statement}");
    }
    assert!(w.cs(["approvals", "list"]).expect(0).out.contains("does not count"));
}

#[test]
fn a_no_stands_until_it_is_taken_back_or_something_new_is_decided() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::approved();
    refused(&w, "mia", &["reject", "latest", "--reason", "I was wrong"], 4, "CS-APPROVAL-020");
    refused(&w, "omar", &["reject", "latest", "--reason", "not today"], 4, "CS-APPROVAL-020");
    code(&w.by("ruth", &["reject", "latest", "--reason", " "]).expect(2), "CS-APPROVAL-026");
    refused(&w, "omar", &["withdraw", "latest", "--reason", "x"], 4, "CS-APPROVAL-019");
    let no = w.by("ruth", &["reject", "latest", "--reason", "the risk is not described"]).expect(0);
    assert!(no.out.contains("counts no more"), "{}", no.out);
    let said = w.cs(["gate", "check"]).expect(10).out;
    assert!(said.contains("rejected by ruth") && said.contains("the risk is not described"), "{said}");
    refused(&w, "omar", &["deploy", "latest", "--env", "production"], 10, "CS-RELEASE-007");
    refused(&w, "ruth", &["approve", "latest", "--as", "regulatory"], 4, "CS-APPROVAL-018");
    refused(&w, "ruth", &["reject", "latest", "--reason", "again"], 4, "CS-APPROVAL-018");
    let j = explained(&w, 10);
    assert_eq!(slot(&j, "regulatory")["not_counted"][0]["code"], "withdrawn");
    w.by("ruth", &["withdraw", "latest", "--reason", "it is now"]).expect(0);
    w.cs(["gate", "check"]).expect(11);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    w.cs(["gate", "check"]).expect(0);
    // A new decision is not what was rejected.
    w.by("dan", &["reject", "latest", "--reason", "no"]).expect(0);
    w.cs(["gate", "check"]).expect(10);
    w.cs(["run", "--ticket", "CHG-1"]).expect(11);
    let list = w.cs(["approvals", "list"]).expect(0).out;
    assert!(list.contains("rejected by dan") && list.contains("taken back by ruth"), "{list}");
    w.cs(["verify"]).expect(0);
}

#[test]
fn two_people_with_both_roles_are_not_stuck() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    w.by("ada", &["role", "grant", "ruth", "engineer", "--reason", "x"]).expect(0);
    w.commit_signed("mia", "app.sh", "echo app\n");
    w.cs(["run"]).expect(11);
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    refused(&w, "dan", &["approve", "latest", "--as", "regulatory"], 4, "CS-RELEASE-005");
    // Both signed the same slot. Either of them can still give the other one: nobody has to start again.
    w.by("ruth", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("dan", &["approve", "latest", "--as", "regulatory"]).expect(0);
    w.cs(["gate", "check"]).expect(0);
    w.cs(["verify"]).expect(0);
}

#[test]
fn a_repository_asks_for_more_and_never_for_less() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    enrol(&w, "kim", &["engineer"]);
    let config = std::fs::read_to_string(w.repo().join("countersign.toml")).unwrap();
    w.write("countersign.toml", &format!("{config}\n[[release.approvals]]\nslot = \"technical\"\ncount = 2\n"));
    w.commit_signed("mia", "app.sh", "echo app\n");
    w.cs(["run"]).expect(11);
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    let said = w.cs(["gate", "check"]).expect(11).out;
    assert!(said.contains("needs 1 more of 2 technical approvals"), "{said}");
    w.by("kim", &["approve", "latest", "--as", "technical"]).expect(0);
    w.cs(["gate", "check"]).expect(0);
    w.cs(["verify"]).expect(0);
}

#[test]
fn a_slot_that_the_firm_has_nowhere_is_not_passed_over() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    let config = std::fs::read_to_string(w.repo().join("countersign.toml")).unwrap();
    w.write("countersign.toml", &format!("{config}\n[[release.approvals]]\nslot = \"tecnical\"\ncount = 2\n"));
    w.commit_signed("mia", "app.sh", "echo app\n");
    w.cs(["run"]).expect(11);
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    let said = w.cs(["gate", "check"]).expect(11).out;
    assert!(said.contains("approval-slot-unknown: `release.approvals`") && said.contains("tecnical"), "{said}");
    w.by("omar", &["deploy", "latest", "--env", "production"]).expect(11);
    // Another place of the firm has it: then it is none of this one.
    let file = rules(
        &w,
        "version: 1\nrules:\n  - why: x\n    tiers: [test]\n    slots: [{slot: tecnical, roles: [engineer]}]\n",
    );
    w.by("ruth", &["approvals", "activate", &file]).expect(0);
    let said = w.cs(["gate", "check"]).out;
    assert!(!said.contains("approval-slot-unknown"), "{said}");
}

#[test]
fn who_edits_what_judges_is_named() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    w.commit_signed("mia", "app.sh", "echo app\n");
    w.commit_signed("dan", ".github/workflows/ci.yml", "on: push\n");
    w.cs(["run"]).expect(11);
    let j = explained(&w, 11);
    let excluded = slot(&j, "technical")["excluded"].as_array().unwrap().clone();
    assert_eq!(excluded.len(), 2, "{excluded:?}");
    // The rules exclude whoever put the policy in effect: the first administrator did, who holds no role of a slot otherwise.
    w.by("ada", &["role", "grant", "ruth", "administrator", "--reason", "x"]).expect(0);
    w.by("ruth", &["role", "grant", "Ada", "engineer", "--reason", "x"]).expect(0);
    let file = rules(
        &w,
        "version: 1\nrules:\n  - why: x\n    slots: [{slot: technical, roles: [engineer], excludes: [policy-editor]}]\n",
    );
    enrol(&w, "kim", &["engineer"]);
    w.by("ruth", &["approvals", "activate", &file]).expect(0);
    w.cs(["run"]).expect(11);
    refused(&w, "ada", &["approve", "latest", "--as", "technical"], 4, "CS-APPROVAL-012");
    let text = w.cs(["gate", "explain"]).expect(11).out;
    assert!(text.contains("policy-editor (entry "), "{text}");
}
