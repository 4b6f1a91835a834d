//! Four eyes by machine: who may not do what, and what closes a gate again.

use crate::support::{World, have_ssh_keygen, planted_secret};

/// A firm, and a run of one signed commit that waits for approval.
fn waiting() -> World {
    let w = World::new();
    w.firm();
    w.commit_signed("mia", "app.sh", "echo app\n");
    w.cs(["run"]).expect(11);
    w
}

#[track_caller]
fn refused(w: &World, person: &str, args: &[&str], exit: i32, code: &str) {
    let before = entries(w, "ActRefused");
    let ran = w.by(person, args).expect(exit);
    assert!(ran.err.starts_with(&format!("error[{code}]")), "{}", ran.err);
    assert_eq!(entries(w, "ActRefused"), before + 1, "a refusal is recorded");
}

fn entries(w: &World, kind: &str) -> usize {
    let j = w.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
    j["entries"].as_array().unwrap().iter().filter(|e| e["entry"]["kind"] == kind).count()
}

#[test]
fn the_whole_way() {
    if !have_ssh_keygen() {
        return;
    }
    let w = waiting();
    refused(&w, "mia", &["approve", "latest", "--as", "technical"], 4, "CS-RELEASE-004");
    refused(&w, "omar", &["approve", "latest", "--as", "technical"], 4, "CS-RELEASE-003");
    refused(&w, "omar", &["deploy", "latest", "--env", "production"], 11, "CS-RELEASE-008");
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    refused(&w, "dan", &["approve", "latest", "--as", "regulatory"], 4, "CS-RELEASE-005");
    refused(&w, "dan", &["approve", "latest", "--as", "technical"], 4, "CS-RELEASE-006");
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    let j = w.cs(["run", "--format", "json"]).expect(0).json();
    assert_eq!(j["decision"]["outcome"], "pass");
    assert_eq!(j["decision"]["reused"], true);
    refused(&w, "omar", &["deploy", "latest", "--env", "staging"], 10, "CS-RELEASE-013");
    refused(&w, "dan", &["deploy", "latest", "--env", "production"], 4, "CS-RELEASE-003");
    let grant = w.by("omar", &["deploy", "latest", "--env", "production", "--format", "json"]).expect(0).json();
    let file = grant["grant"]["file"].as_str().unwrap().to_owned();
    assert_eq!(grant["grant"]["self_judged"], true);
    let altered = w.path("altered.json");
    std::fs::write(&altered, std::fs::read_to_string(&file).unwrap().replace("BEGIN SSH", "BEGIN SSh")).unwrap();
    let no = w.cs(["deploy", "--grant", altered.to_str().unwrap(), "--", "true"]).expect(13);
    assert!(no.err.starts_with("error[CS-CLI-020]"), "{}", no.err);
    let marker = w.path("deployed");
    let script = format!("echo \"$COUNTERSIGN_COMMIT\" > {}", marker.display());
    w.cs(["deploy", "--grant", &file, "--", "sh", "-c", &script]).expect(0);
    assert_eq!(std::fs::read_to_string(&marker).unwrap().trim(), j["run"]["commit"].as_str().unwrap());
    std::fs::remove_file(&marker).unwrap();
    let again = w.cs(["deploy", "--grant", &file, "--", "sh", "-c", &script]).expect(4);
    assert!(again.err.starts_with("error[CS-RELEASE-016]"), "{}", again.err);
    assert!(!marker.exists(), "a used grant starts nothing");
    // Looking at what runs changes nothing about it.
    let j = w.cs(["run", "--format", "json"]).expect(0).json();
    assert_eq!(j["decision"]["reused"], true);
    let replay = w.cs(["replay", "latest", "--format", "json"]).expect(0).json();
    assert_eq!(replay["result"], "identical");
    w.cs(["verify"]).expect(0);

    // The next release covers what came after.
    w.commit_signed("mia", "next.sh", "echo next\n");
    let next = w.cs(["run", "--format", "json"]).expect(11).json();
    assert_eq!(next["run"]["base"], j["run"]["commit"]);
    assert_eq!(next["change"]["commits"], 1);
}

#[test]
fn new_evidence_closes_the_gate_again() {
    if !have_ssh_keygen() {
        return;
    }
    let w = waiting();
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    w.cs(["gate", "check"]).expect(0);
    std::fs::write(w.path("app.tar"), b"artifact").unwrap();
    let artifact = w.path("app.tar");
    let recorded = w.cs(["record", "--artifact", artifact.to_str().unwrap(), "--format", "json"]).expect(0).json();
    assert_eq!(recorded["files"][0]["known"], false);
    w.cs(["gate", "check"]).expect(11);
    refused(&w, "omar", &["deploy", "latest", "--env", "production"], 11, "CS-RELEASE-008");
    // The same file again is the same entry, and decides nothing anew.
    let again = w.cs(["record", "--artifact", artifact.to_str().unwrap(), "--format", "json"]).expect(0).json();
    assert_eq!(again["files"][0]["known"], true);
    assert_eq!(again["files"][0]["index"], recorded["files"][0]["index"]);
}

#[test]
fn a_signature_is_carried_between_machines() {
    if !have_ssh_keygen() {
        return;
    }
    let w = waiting();
    let out = w.path("approval.json");
    let before = w.cs(["ledger", "info", "--format", "json"]).expect(0).json()["size"].clone();
    w.by("ruth", &["approve", "latest", "--as", "regulatory", "--out", out.to_str().unwrap()]).expect(0);
    assert_eq!(w.cs(["ledger", "info", "--format", "json"]).expect(0).json()["size"], before, "nothing is appended");
    w.cs(["import", out.to_str().unwrap()]).expect(0);
    let twice = w.cs(["import", out.to_str().unwrap()]).expect(4);
    assert!(twice.err.contains("CS-RELEASE-006"), "{}", twice.err);

    // Changed by one byte it is nobody's signature.
    let mut bytes = std::fs::read(&out).unwrap();
    let at = bytes.iter().position(|b| *b == b'A').unwrap();
    bytes[at] = b'B';
    std::fs::write(&out, bytes).unwrap();
    assert_ne!(w.cs(["import", out.to_str().unwrap()]).code, 0);
    w.cs(["verify"]).expect(0);

    // An approval of what was decided before is an approval of something else.
    w.by("dan", &["approve", "latest", "--as", "technical", "--out", out.to_str().unwrap()]).expect(0);
    std::fs::write(w.path("report.xml"), "<testsuite/>").unwrap();
    let report = w.path("report.xml");
    let recorded = w.cs(["record", report.to_str().unwrap(), "--format", "json"]).expect(0).json();
    assert_eq!(recorded["files"][0]["kind"], "junit");
    let stale = w.cs(["import", out.to_str().unwrap()]).expect(11);
    assert!(stale.err.contains("CS-RELEASE-011"), "{}", stale.err);
}

#[test]
fn unsigned_commits_wait_for_a_claim_and_a_claim_only_adds_a_conflict() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    w.commit("app.sh", "echo app\n");
    let j = w.cs(["run", "--format", "json"]).expect(11).json();
    assert!(j["gates"][2]["reasons"].to_string().contains("unverified-author"), "{j}");
    w.by("dan", &["claim", "HEAD"]).expect(0);
    let j = w.cs(["run", "--format", "json"]).expect(11).json();
    assert!(!j["gates"][2]["reasons"].to_string().contains("unverified-author"), "{j}");
    refused(&w, "dan", &["approve", "latest", "--as", "technical"], 4, "CS-RELEASE-004");
    let again = w.by("dan", &["claim", "HEAD", "--format", "json"]).expect(0).json();
    assert_eq!(again["index"], serde_json::Value::Null, "claimed once");
}

#[test]
fn a_suppression_is_a_request_until_somebody_else_grants_it() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    let marked = format!("key={} # countersign:allow * reason: a made-up value\n", planted_secret());
    w.commit_signed("mia", "fixture.sh", &marked);
    let j = w.cs(["run", "--format", "json"]).expect(11).json();
    assert_eq!(j["findings"][0]["state"], "suppression-requested", "{j}");
    assert!(j["gates"][2]["reasons"].to_string().contains("suppression-requested"), "{j}");
    let all = ["suppression", "grant", "latest", "--all", "--reason", "test data"];
    refused(&w, "omar", &all, 4, "CS-RELEASE-003");
    w.by("ruth", &all).expect(0);
    let j = w.cs(["run", "--format", "json"]).expect(11).json();
    assert_eq!(j["findings"][0]["state"], "suppression-granted", "it stays visible");
    assert!(!j["gates"][2]["reasons"].to_string().contains("suppression-requested"), "{j}");
}

#[test]
fn a_denied_run_cannot_be_approved() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    w.commit_signed("mia", "deploy.sh", &format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret()));
    w.cs(["run"]).expect(10);
    refused(&w, "dan", &["approve", "latest", "--as", "technical"], 10, "CS-RELEASE-007");
}

#[test]
fn init_twice_changes_nothing_and_others_cannot_take_over() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::with_commit();
    for name in ["ada", "eve"] {
        w.key(name);
    }
    let init = |name: &str| {
        let public = w.public(name);
        w.cs(["init", "--yes", "--ssh-key", public.to_str().unwrap(), "--format", "json"])
    };
    let first = init("ada").expect(0).json();
    assert_eq!(first["established"], true);
    let config = std::fs::read_to_string(w.repo().join("countersign.toml")).unwrap();
    let second = init("ada").expect(0).json();
    assert_eq!((&second["established"], &second["index"]), (&false.into(), &first["index"]));
    assert_eq!(std::fs::read_to_string(w.repo().join("countersign.toml")).unwrap(), config);
    // The administrator's later acts find the key that signed the first one.
    w.key("bob");
    let bob = w.public("bob");
    w.cs(["person", "add", "Bob", "--ssh-key", bob.to_str().unwrap()]).expect(0);
    w.cs(["role", "grant", "Bob", "engineer", "--reason", "x"]).expect(0);
    let eve = init("eve").expect(2);
    assert!(eve.err.starts_with("error[CS-ACCESS-002]"), "{}", eve.err);
    let public = w.public("eve");
    let add = ["person", "add", "Eve", "--ssh-key", public.to_str().unwrap()];
    let ran = w.by("eve", &add).expect(4);
    assert!(ran.err.starts_with("error[CS-ACCESS-003]"), "{}", ran.err);
    w.cs(["verify"]).expect(0);
}

#[cfg(debug_assertions)]
#[test]
fn a_grant_expires() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::new();
    w.now = Some("2030-01-01T00:00:00Z".into());
    w.firm();
    w.approve();
    let grant = w.by("omar", &["deploy", "latest", "--env", "production", "--format", "json"]).expect(0).json();
    let id = grant["grant"]["id"].as_str().unwrap().to_owned();
    w.now = Some("2030-01-01T00:15:00Z".into());
    let ran = w.cs(["deploy", "--grant", &id, "--", "true"]).expect(4);
    assert!(ran.err.starts_with("error[CS-RELEASE-017]"), "{}", ran.err);
}
