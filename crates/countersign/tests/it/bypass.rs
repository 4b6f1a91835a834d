//! Commits that a hook would have stopped are recorded by `run` where hooks are required.

use crate::support::{World, have_ssh_keygen, planted_secret};

const REQUIRED: &str = "[hooks]\nrequired = true\n";

fn key_line() -> String {
    format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret())
}

fn head(w: &World) -> String {
    w.git(["rev-parse", "HEAD"]).trim().to_owned()
}

#[test]
fn a_bypassed_hook_is_recorded_with_the_commit_and_whoever_made_it() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    let committed = std::fs::read_to_string(w.repo().join("countersign.toml")).unwrap_or_default();
    w.commit_signed("mia", "countersign.toml", &format!("{committed}{REQUIRED}"));
    w.cs(["hook", "install"]).expect(0);
    w.write("a.sh", &key_line());
    w.git(["add", "-A"]);
    w.git(["commit", "-q", "--no-verify", "-m", "bypassed"]);
    let bypassed = head(&w);
    w.git(["rm", "-q", "a.sh"]);
    w.git(["commit", "-q", "-m", "gone"]);
    let key = w.path("mia").display().to_string();
    w.write("b.sh", &key_line().replace("AKIA", "ASIA"));
    w.git(["add", "-A"]);
    w.git(["-c", &format!("user.signingkey={key}"), "commit", "-q", "-S", "--no-verify", "-m", "signed"]);
    let signed = head(&w);
    w.git(["rm", "-q", "b.sh"]);
    w.git(["commit", "-q", "-m", "gone"]);

    let ran = w.cs(["run", "--format", "json"]);
    let list = ran.json()["bypasses"].as_array().unwrap().clone();
    let commits: Vec<&str> = list.iter().map(|b| b["commit"].as_str().unwrap()).collect();
    assert_eq!(commits, [bypassed.as_str(), signed.as_str()], "{}", ran.out);
    assert_eq!(list[0]["findings"][0]["path"], "a.sh");
    assert_eq!((&list[0]["signature"], &list[0]["person"]), (&"none".into(), &serde_json::Value::Null));
    assert_eq!(list[1]["signature"], "valid");
    assert!(list[1]["person"].as_str().unwrap().starts_with("per-"));
    // Nothing is in the tree any more; the ledger knows all the same, without names and values.
    assert_eq!(ran.json()["findings"].as_array().unwrap().len(), 0);
    let entries = w.cs(["ledger", "entries"]).expect(0).out;
    assert_eq!(entries.matches("EvidenceAttached").count(), 1, "{entries}");
    let ledger = w.ledger_text();
    assert!(ledger.contains("hook-bypass") && ledger.contains(&bypassed));
    assert!(!ledger.contains(&planted_secret()) && !ledger.contains("mia@example.com"));
    w.cs(["verify"]).expect(0);

    // The same again is the same: one record, one decision, and it is computed again to the same.
    let again = w.cs(["run", "--format", "json"]).json();
    assert_eq!(again["decision"]["digest"], ran.json()["decision"]["digest"]);
    assert_eq!(again["decision"]["reused"], true);
    assert_eq!(w.cs(["ledger", "entries"]).expect(0).out.matches("EvidenceAttached").count(), 1);
    w.cs(["replay", "latest"]).expect(0);
    let text = w.cs(["run"]).out;
    assert!(text.contains("Hooks that were bypassed, or not there"), "{text}");
    assert!(
        text.contains(&format!("{} brought 1 finding that the hook stops, signed by mia", &signed[..12])),
        "{text}"
    );
}

#[test]
fn what_the_hook_would_have_let_through_is_no_bypass() {
    let w = World::with_commit();
    // Before hooks were required, nobody had to have them.
    w.commit("old.sh", &key_line());
    w.commit("countersign.toml", REQUIRED);
    w.commit("new.sh", "clean\n");
    // It is there, in another place.
    w.git(["mv", "old.sh", "moved.sh"]);
    w.git(["commit", "-q", "-m", "moved"]);
    let none = |w: &World| assert_eq!(w.cs(["run", "--format", "json"]).json()["bypasses"], serde_json::json!([]));
    none(&w);
    // Suppressed with a reason.
    let marked = key_line().replace("AKIA", "ASIA").replace('\n', "  # countersign:allow * reason: made up\n");
    w.commit("marked.sh", &marked);
    none(&w);
    // And one that it would not have.
    w.commit("bad.sh", &key_line().replace("AKIA", "ASIA").replace("Z7Q4", "Z7Q5"));
    assert_eq!(w.cs(["run", "--format", "json"]).json()["bypasses"].as_array().unwrap().len(), 1);
    // Where they are not required, nothing is said.
    w.commit("countersign.toml", "version = 1\n");
    none(&w);
}

#[test]
fn a_range_brings_only_what_was_not_there_before() {
    let w = World::with_commit();
    w.commit("a.sh", &format!("one\n{}", key_line()));
    w.commit("a.sh", &format!("two\n{}", key_line()));
    w.git(["mv", "a.sh", "b.sh"]);
    w.commit("b.sh", &format!("three\n{}", key_line()));
    w.cs(["scan", "--history", "HEAD~1..HEAD"]).expect(0);
    w.cs(["scan", "--history", "HEAD~2..HEAD"]).expect(0);
    w.cs(["scan", "--history", "HEAD~3..HEAD"]).expect(10);
    w.commit("b.sh", &format!("{}{}", key_line(), key_line().replace("AKIA", "ASIA")));
    let new = w.cs(["scan", "--history", "HEAD~1..HEAD", "--format", "json"]).expect(10).json();
    assert_eq!(new["findings"].as_array().unwrap().len(), 1, "{new}");
    assert_eq!(new["findings"][0]["line"], 2);
}
