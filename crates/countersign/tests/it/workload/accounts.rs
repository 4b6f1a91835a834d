//! The actor of a CI job is a person where an administrator said whose the account is.

use serde_json::{Value, json};

use super::shapes::{activate, github, gitlab, pinned};
use super::{Signer, entries, firm_at, have, head, run_with};
use crate::support::{Ran, World, have_ssh_keygen};

#[track_caller]
fn code(ran: &Ran, code: &str) {
    assert!(ran.err.starts_with(&format!("error[{code}]")), "{}", ran.err);
}

const DAN_AT_GITHUB: [&str; 4] = ["--forge", "github", "--id", "12987654"];

fn account(w: &World, verb: &str, person: &str, account: &[&str], more: &[&str]) -> Ran {
    w.by("ada", &[&["person", "account", verb, person], account, more].concat())
}

/// A firm whose rules keep pushers from the technical slot.
fn firm(origin: &str) -> World {
    let w = firm_at(origin);
    let rules = "version: 1\nrules:\n  - why: whoever pushed does not approve\n    slots:\n      - slot: technical\n        \
                 roles: [engineer]\n        excludes: [pusher]\n";
    std::fs::write(w.path("approvals.yaml"), rules).unwrap();
    let file = w.path("approvals.yaml");
    w.by("ruth", &["approvals", "activate", file.to_str().unwrap(), "--reason", "x"]).expect(0);
    w
}

#[test]
fn whoever_had_it_run_at_github_cannot_approve_where_the_rules_say_so() {
    if !have_ssh_keygen() || !have("openssl", &["version"]) {
        return;
    }
    let w = firm("https://github.com/acme/app");
    let signer = Signer::new(&w, "one");
    activate(&w, &pinned(&w, &[&signer]));
    // Somebody else is an engineer, so that the slot can be filled.
    let public = w.key("eve").with_extension("pub");
    w.by("ada", &["person", "add", "eve", "--ssh-key", public.to_str().unwrap()]).expect(0);
    w.by("ada", &["role", "grant", "eve", "engineer", "--reason", "x"]).expect(0);

    // A name is nobody's account; who may not, and whose it is already.
    for wrong in [["--forge", "github", "--id", "Mallory[bot]"], ["--forge", "GitHub", "--id", "1"]] {
        account(&w, "add", "dan", &wrong, &[]).expect(2);
    }
    let by_dan = [&["person", "account", "add", "dan"], DAN_AT_GITHUB.as_slice()].concat();
    code(&w.by("dan", &by_dan).expect(4), "CS-ACCESS-004");
    account(&w, "add", "dan", &DAN_AT_GITHUB, &["--login", "octo-dan"]).expect(0);
    code(&account(&w, "add", "mia", &DAN_AT_GITHUB, &[]).expect(2), "CS-ACCOUNT-002");
    let same = ["--issuer", "https://token.actions.githubusercontent.com", "--subject", "12987654"];
    code(&account(&w, "add", "mia", &same, &[]).expect(2), "CS-ACCOUNT-002");
    // The same number elsewhere is another account.
    account(&w, "add", "mia", &["--forge", "gitlab.com", "--id", "12987654"], &[]).expect(0);

    // The account was renamed since: its number counts.
    let ran = run_with(&w, &signer.token(&w, &github(&head(&w), "a"))).expect(11).json();
    let dan = ran["workload"]["person"].as_str().unwrap().to_owned();
    let listed = w.cs(["person", "account", "list", "dan", "--format", "json"]).expect(0).json();
    let row = &listed["accounts"][0];
    assert_eq!((row["person"].as_str(), row["login"].as_str()), (Some(dan.as_str()), Some("octo-dan")));
    assert_eq!(row["account"], ran["workload"]["fields"]["actor"], "one pseudonym, wherever it stands");
    code(&w.by("dan", &["approve", "latest", "--as", "technical"]).expect(4), "CS-APPROVAL-012");
    w.by("eve", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("dan", &["approve", "latest", "--as", "regulatory"]).expect(0);
    let all = w.ledger_text();
    for personal in ["octo-dan", "12987654"] {
        assert!(!all.contains(personal), "{personal} stands in the ledger");
    }
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);

    // Taken away, the account is nobody's; who it was before stays.
    code(&account(&w, "remove", "mia", &DAN_AT_GITHUB, &["--reason", "x"]).expect(2), "CS-ACCOUNT-003");
    account(&w, "remove", "dan", &DAN_AT_GITHUB, &["--reason", "left the team"]).expect(0);
    w.commit_signed("mia", "more.sh", "echo more\n");
    let ran = run_with(&w, &signer.token(&w, &github(&head(&w), "b"))).expect(11).json();
    assert_eq!(ran["workload"]["person"], Value::Null);
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    assert_eq!((entries(&w, "AccountLinked"), entries(&w, "AccountUnlinked")), (2, 1));
}

#[test]
fn at_gitlab_too_and_of_another_issuer_it_is_nobody() {
    if !have_ssh_keygen() || !have("openssl", &["version"]) {
        return;
    }
    let w = firm("git@gitlab.com:bank/trading/app.git");
    let signer = Signer::new(&w, "one");
    activate(&w, &pinned(&w, &[&signer]));
    account(&w, "add", "dan", &["--forge", "github", "--id", "815"], &[]).expect(0);
    let ran = run_with(&w, &signer.token(&w, &gitlab(&head(&w), "one"))).expect(11).json();
    assert_eq!(ran["workload"]["person"], json!(null), "the same number at another issuer");
    account(&w, "add", "dan", &["--forge", "gitlab.com", "--id", "815"], &[]).expect(0);
    let ran = run_with(&w, &signer.token(&w, &gitlab(&head(&w), "two"))).expect(11).json();
    assert!(ran["workload"]["person"].as_str().unwrap().starts_with("per-"));
    code(&w.by("dan", &["approve", "latest", "--as", "technical"]).expect(4), "CS-APPROVAL-012");
    w.cs(["verify"]).expect(0);
}
