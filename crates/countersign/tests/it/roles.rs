//! Roles from their grant to their end, and people who leave, as an administrator types it.

use crate::support::{Ran, World, have_ssh_keygen};

fn code(ran: &Ran, code: &str) {
    assert!(ran.err.starts_with(&format!("error[{code}]")), "{}", ran.err);
}

fn refusals(w: &World) -> usize {
    let entries = w.cs(["ledger", "entries", "--format", "json"]).expect(0).out;
    entries.matches("\"ActRefused\"").count()
}

#[cfg(debug_assertions)]
#[test]
fn a_role_is_given_by_somebody_else_for_a_reason_and_ends() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::new();
    w.now = Some("2030-01-01T00:00:00Z".into());
    w.firm();
    let grant = |w: &World, by: &str, to: &str, role: &str| w.by(by, &["role", "grant", to, role, "--reason", "x"]);
    let before = refusals(&w);
    code(&grant(&w, "ada", "ada", "engineer").expect(4), "CS-ROLE-001");
    code(&grant(&w, "dan", "mia", "auditor").expect(4), "CS-ACCESS-004");
    let last = ["role", "revoke", "Ada", "administrator", "--reason", "x"];
    code(&w.by("ada", &last).expect(4), "CS-ROLE-002");
    code(&w.by("ada", &["person", "leave", "Ada", "--reason", "x"]).expect(4), "CS-ROLE-002");
    assert_eq!(refusals(&w), before + 4);
    w.by("ada", &["role", "grant", "omar", "auditor"]).expect(2);
    code(&w.by("ada", &["role", "revoke", "omar", "auditor", "--reason", "x"]).expect(2), "CS-ROLE-003");
    let past = ["role", "grant", "omar", "auditor", "--reason", "x", "--expires", "2029-01-01"];
    code(&w.by("ada", &past).expect(2), "CS-ROLE-008");

    // Two administrators: each gives to the other. What should not meet is said.
    let both = grant(&w, "ada", "ruth", "administrator").expect(0);
    assert!(both.err.contains("administers-and-acts"), "{}", both.err);
    grant(&w, "ruth", "ada", "auditor").expect(0);

    // An approval counts while the role is held, and not past its end.
    let until = ["role", "grant", "omar", "engineer", "--reason", "cover", "--expires", "2030-01-03"];
    w.by("ada", &until).expect(0);
    code(&grant(&w, "ada", "omar", "engineer").expect(2), "CS-ROLE-004");
    w.commit_signed("mia", "app.sh", "echo app\n");
    w.cs(["run"]).expect(11);
    w.by("omar", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    w.cs(["gate", "check", "latest"]).expect(0);
    w.now = Some("2030-01-03T00:00:00Z".into());
    w.cs(["gate", "check", "latest"]).expect(11);
    code(&w.by("omar", &["approve", "latest", "--as", "technical"]).expect(4), "CS-RELEASE-003");
    let shown = w.cs(["role", "show", "omar", "--format", "json"]).expect(0).json();
    let states: Vec<&str> = shown["roles"].as_array().unwrap().iter().map(|r| r["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["held", "expired"]);
    assert!(shown["may"].as_array().unwrap().contains(&"grant-issue".into()));
    assert!(!shown["may"].as_array().unwrap().contains(&"approve-technical".into()));

    // Officers have a combination refused; nobody else chooses, and the grant is refused from then on.
    let rules = ["role", "rules", "--refuse", "approves-both-ways", "--reason", "four eyes"];
    code(&w.by("mia", &rules).expect(4), "CS-ACCESS-011");
    w.by("ruth", &rules).expect(0);
    code(&grant(&w, "ada", "mia", "compliance-officer").expect(4), "CS-ROLE-007");

    w.by("ruth", &["role", "revoke", "Ada", "administrator", "--reason", "handed over"]).expect(0);
    code(&grant(&w, "ada", "mia", "auditor").expect(4), "CS-ACCESS-004");
    let all = w.cs(["role", "list", "--all"]).expect(0).out;
    assert!(all.contains("revoked") && all.contains("expired") && all.contains("cover"), "{all}");
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
}

#[test]
fn who_leaves_signs_nothing_and_their_open_approvals_do_not_count() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::approved();
    w.cs(["gate", "check", "latest"]).expect(0);
    let left = w.by("ada", &["person", "leave", "dan", "--reason", "left the firm", "--format", "json"]).expect(0);
    assert_eq!(left.json()["ended"].as_array().unwrap().len(), 2);
    w.cs(["gate", "check", "latest"]).expect(11);
    code(&w.by("dan", &["approve", "latest", "--as", "technical"]).expect(4), "CS-RELEASE-030");
    code(&w.by("dan", &["waive", "reject", "wai-x", "--reason", "x"]).expect(2), "CS-WAIVER-004");
    let public = w.public("dan");
    let add = ["person", "add", "Eve", "--ssh-key", public.to_str().unwrap()];
    code(&w.by("dan", &add).expect(4), "CS-ROLE-005");
    code(&w.by("ada", &["role", "grant", "dan", "engineer", "--reason", "x"]).expect(4), "CS-ROLE-005");
    w.by("ada", &["person", "return", "dan", "--reason", "is back"]).expect(0);
    code(&w.by("ada", &["person", "return", "dan", "--reason", "is back"]).expect(2), "CS-ROLE-006");
    code(&w.by("dan", &["approve", "latest", "--as", "technical"]).expect(4), "CS-RELEASE-003");
    w.by("ada", &["role", "grant", "dan", "engineer", "--reason", "as before"]).expect(0);
    // What was approved before is what it was, and counts again with the role.
    w.cs(["gate", "check", "latest"]).expect(0);
    w.cs(["verify"]).expect(0);
}
