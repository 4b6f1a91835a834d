//! Audits, as auditors and those who answer them type them.

use crate::support::{Ran, World, have_ssh_keygen};

fn code(ran: &Ran, code: &str) {
    assert!(ran.err.starts_with(&format!("error[{code}]")), "{}", ran.err);
}

/// The firm in 2030, and Ida, who audits it.
pub(crate) fn audited() -> World {
    let mut w = World::new();
    w.now = Some("2030-01-05T00:00:00Z".into());
    w.firm();
    w.key("ida");
    let public = w.public("ida");
    w.by("ada", &["person", "add", "ida", "--ssh-key", public.to_str().unwrap()]).expect(0);
    w.by("ada", &["role", "grant", "ida", "auditor", "--reason", "external audit"]).expect(0);
    w.now = Some("2030-04-01T00:00:00Z".into());
    w
}

fn id(ran: &Ran, what: &str) -> String {
    ran.json()[what].as_str().unwrap().to_owned()
}

#[test]
fn what_is_asked_is_answered_by_somebody_else_in_time() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = audited();
    let open = ["audit", "open", "--name", "SOX 2030", "--from", "2030-01-01", "--to", "2030-04-01"];
    let opens = |w: &World, by: &str, more: &[&str]| w.by(by, &[&open[..], more].concat());
    code(&opens(&w, "ida", &[]).expect(4), "CS-ACCESS-011");
    code(&opens(&w, "ruth", &["--framework", "sux"]).expect(2), "CS-ASSESS-001");
    code(&opens(&w, "ruth", &["--application", "none"]).expect(2), "CS-AUDIT-034");
    let period =
        |w: &World, from: &str, to: &str| w.by("ruth", &["audit", "open", "--name", "x", "--from", from, "--to", to]);
    code(&period(&w, "2030-04-01", "2030-01-01").expect(2), "CS-AUDIT-066");
    code(&period(&w, "2031-01-01", "2031-04-01").expect(2), "CS-AUDIT-066");
    code(&period(&w, "2029-01-01", "2029-04-01").expect(3), "CS-AUDIT-033");
    let audit = id(&opens(&w, "ruth", &["--framework", "sox", "--format", "json"]).expect(0), "audit");

    let question = "Who approved release 7?\nPlease show the ticket.";
    let ask = ["audit", "request", &audit, "--control", "dual-approval", "--text", question, "--due", "2030-04-03"];
    let asks = |w: &World, by: &str| w.by(by, &[&ask[..], &["--format", "json"]].concat());
    code(&asks(&w, "dan").expect(4), "CS-ACCESS-011");
    code(&w.by("ida", &["audit", "request", &audit, "--control", "none", "--text", "x"]).expect(2), "CS-ASSESS-002");
    code(&w.by("ida", &["audit", "request", &audit, "--text", " "]).expect(2), "CS-AUDIT-068");
    code(&w.by("ida", &["audit", "request", &audit, "--text", "x", "--due", "2030-01-01"]).expect(2), "CS-AUDIT-069");
    code(&w.by("ida", &["audit", "request", "aud-none", "--text", "x"]).expect(2), "CS-AUDIT-060");
    let request = id(&asks(&w, "ida").expect(0), "request");
    // What people write is nowhere in the clear.
    assert!(!w.ledger_text().contains("Who approved") && !w.ledger_text().contains("the ticket"));

    let answer = |w: &World, by: &str, more: &[&str]| {
        w.by(by, &[&["audit", "answer", &request, "--text", "Ruth and Dan did."], more].concat())
    };
    code(&answer(&w, "ida", &[]).expect(4), "CS-AUDIT-064");
    code(&answer(&w, "dan", &["--evidence", "100000"]).expect(2), "CS-AUDIT-070");
    let none = countersign_model::Digest::of(b"none").to_string();
    code(&answer(&w, "dan", &["--pack", &none]).expect(2), "CS-AUDIT-071");
    w.by("ada", &["role", "grant", "omar", "auditor", "--reason", "internal audit"]).expect(0);
    code(&answer(&w, "omar", &[]).expect(4), "CS-AUDIT-065");
    code(&w.by("ruth", &["audit", "close", &audit]).expect(10), "CS-AUDIT-073");
    code(&w.by("ida", &["audit", "follow-up", &request, "--text", "x"]).expect(2), "CS-AUDIT-063");
    w.cs(["audit", "pack", "--from", "2030-01-01", "--to", "2030-04-01", "--out", w.path("q.zip").to_str().unwrap()])
        .expect(0);
    let packed = w.cs(["audit", "list", "--format", "json"]).expect(0).json()["packs"][0]["sha256"].clone();

    // It is late a moment after it was due.
    w.now = Some("2030-04-03T00:00:00Z".into());
    let listed = |w: &World| w.cs(["audit", "requests", "--format", "json"]).expect(0).json();
    assert_eq!(listed(&w)["audits"][0]["requests"][0]["late"], false);
    w.now = Some("2030-04-03T00:00:01Z".into());
    assert_eq!(listed(&w)["audits"][0]["requests"][0]["late"], true);
    assert!(w.cs(["audit", "requests"]).expect(0).out.contains("overdue since 2030-04-03"));
    answer(&w, "dan", &["--evidence", "3", "--evidence", "0", "--pack", packed.as_str().unwrap()]).expect(0);
    code(&answer(&w, "mia", &[]).expect(2), "CS-AUDIT-063");
    w.by("ida", &["audit", "follow-up", &request, "--text", "And the ticket?"]).expect(0);
    answer(&w, "mia", &[]).expect(0);
    let thread = w.cs(["audit", "thread", &request]).expect(0).out;
    for text in ["asked by ida", "Who approved release 7?", "Please show", "answered by dan", "And the ticket?"] {
        assert!(thread.contains(text), "{text}: {thread}");
    }
    let one = w.cs(["audit", "thread", &request, "--format", "json"]).expect(0).json();
    assert_eq!(one["messages"][0]["text"], question);
    assert_eq!(
        (&one["messages"][1]["evidence"], &one["messages"][1]["packs"][0]),
        (&serde_json::json!([0, 3]), &packed)
    );
    assert_eq!((&one["state"], &one["late"]), (&"answered".into(), &false.into()));
    assert!(w.cs(["audit", "requests", "--open"]).expect(0).out.lines().all(|l| !l.contains(&request)));

    w.by("ida", &["audit", "close", &request]).expect(0);
    code(&answer(&w, "dan", &[]).expect(2), "CS-AUDIT-063");
    w.by("ida", &["audit", "close", &audit]).expect(0);
    code(&w.by("ida", &["audit", "request", &audit, "--text", "x"]).expect(2), "CS-AUDIT-062");
    code(&answer(&w, "dan", &[]).expect(2), "CS-AUDIT-062");
    assert_eq!(listed(&w)["audits"][0]["requests"][0]["state"], "closed");
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
    // Four were refused for who they are: that is on record.
    let entries = w.cs(["ledger", "entries", "--format", "json"]).expect(0).out;
    assert_eq!(entries.matches("\"ActRefused\"").count(), 4);

    // Whoever's data is erased said something, and nobody reads it any more.
    w.by("ada", &["person", "leave", "dan", "--reason", "left"]).expect(0);
    std::fs::remove_file(key_of(&w, "dan")).unwrap();
    let one = w.cs(["audit", "thread", &request, "--format", "json"]).expect(0).json();
    assert_eq!(
        (&one["messages"][0]["text"], &one["messages"][1]["text"]),
        (&question.into(), &serde_json::Value::Null)
    );
}

/// Where the key that seals a person's data lies.
fn key_of(w: &World, name: &str) -> std::path::PathBuf {
    let people = w.cs(["person", "list", "--format", "json"]).expect(0).json();
    let all = people["people"].as_array().or_else(|| people.as_array()).unwrap().clone();
    let one = all.iter().find(|p| p["name"] == name).unwrap();
    let id = one["id"].as_str().or_else(|| one["person"].as_str()).unwrap();
    w.repo().join(".countersign/subjects").join(format!("{id}.key"))
}

/// A control that came after the period is not asked about as if it had been there.
#[test]
fn a_control_that_was_not_there_then_is_said_to_be_none() {
    if !have_ssh_keygen() {
        return;
    }
    let w = audited();
    w.cs(["assess", "--record"]);
    let own = w.repo().join("compliance/controls");
    std::fs::create_dir_all(&own).unwrap();
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../controls/dual-approval.yaml")).unwrap();
    std::fs::write(own.join("four-eyes.yaml"), text.replace("id: dual-approval", "id: four-eyes")).unwrap();
    let open = ["audit", "open", "--name", "2030", "--from", "2030-01-01", "--to", "2030-05-01", "--format", "json"];
    let audit = id(&w.by("ruth", &open).expect(0), "audit");
    w.by("ida", &["audit", "request", &audit, "--control", "dual-approval", "--text", "x"]).expect(0);
    code(
        &w.by("ida", &["audit", "request", &audit, "--control", "four-eyes", "--text", "x"]).expect(2),
        "CS-AUDIT-067",
    );
}
