//! Gates with owners, and the runbook that is written from what is configured.

use crate::support::{Ran, World, have_ssh_keygen};

const OWNERS: &str = "\
version: 1
gates:
  - gate: release
    owner: ruth
    deputy: dan
    respond_within: 4h
    escalation:
      - after: 8h
        role: administrator
      - after: 12h
        role: release-manager
    fallback: two officers decide on paper, and record it within a day
  - gate: build
    owner: ruth
    deputy: dan
    respond_within: 30m
    escalation:
      - after: 2h
        person: ada
    failure: closed
    fallback: nobody releases until it answers
    clocks: [gdpr-33]
  - gate: pre-commit
    owner: mia
    respond_within: 1d
    fallback: commit without it; the gate build looks again
";

fn firm() -> World {
    let w = World::with_commit();
    w.firm();
    w
}

fn activate(w: &World, text: &str, more: &[&str]) -> Ran {
    let file = w.path("gates.yaml");
    std::fs::write(&file, text).unwrap();
    w.by("ruth", &[&["gate", "activate", file.to_str().unwrap()], more].concat())
}

fn codes(w: &World, exit: i32) -> Vec<String> {
    let j = w.cs(["runbook", "lint", "--format", "json"]).expect(exit).json();
    j["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn code(ran: &Ran, code: &str) {
    assert!(ran.err.starts_with(&format!("error[{code}]")), "{}", ran.err);
}

#[test]
fn gates_get_owners_who_take_them_on_and_the_lint_says_what_is_wrong() {
    if !have_ssh_keygen() {
        return;
    }
    let w = firm();
    assert_eq!(codes(&w, 10), ["no-owner"; 3]);
    assert!(w.cs(["gate", "list"]).expect(0).out.contains("nobody owns a gate"));
    code(&w.by("ruth", &["gate", "acknowledge", "build"]).expect(2), "CS-GATE-002");
    assert!(activate(&w, OWNERS, &["--dry-run"]).expect(0).out.contains("nothing was changed"));
    assert_eq!(codes(&w, 10), ["no-owner"; 3]);
    let file = w.path("gates.yaml");
    code(&w.by("omar", &["gate", "activate", file.to_str().unwrap()]).expect(4), "CS-ACCESS-011");
    activate(&w, OWNERS, &[]).expect(0);
    assert!(activate(&w, OWNERS, &[]).expect(0).out.contains("already"));
    assert_eq!(codes(&w, 10), ["unacknowledged"], "ruth owns two and took none on");
    code(&w.by("omar", &["gate", "acknowledge", "build"]).expect(4), "CS-GATE-004");
    code(&w.by("mia", &["gate", "review", "build", "--finding", "fine"]).expect(4), "CS-GATE-004");
    code(&w.by("ruth", &["gate", "acknowledge", "deploy"]).expect(2), "CS-GATE-003");
    w.by("ruth", &["gate", "acknowledge", "build"]).expect(0);
    assert!(codes(&w, 0).is_empty(), "one may wait");
    w.by("dan", &["gate", "review", "build", "--finding", "the ladder was tried"]).expect(0);
    let shown = w.cs(["gate", "show", "build"]).expect(0).out;
    assert!(shown.contains("ruth") && shown.contains("30m") && shown.contains("the ladder was tried"), "{shown}");
    // Another document is taken on anew.
    activate(&w, &OWNERS.replace("30m", "45m"), &[]).expect(0);
    assert_eq!(codes(&w, 10), ["unacknowledged"]);
    w.cs(["verify"]).expect(0);
}

#[test]
fn a_wrong_file_of_owners_is_named_with_its_line() {
    if !have_ssh_keygen() {
        return;
    }
    let w = firm();
    for (from, to, line) in [
        ("owner: mia", "owner: nobody", 24),
        ("- gate: build", "- gate: deploy", 13),
        ("respond_within: 4h", "respond_within: soon", 6),
        ("role: administrator", "role: boss", 9),
        ("deputy: dan\n    respond_within: 4h", "deputy: ruth\n    respond_within: 4h", 3),
        ("clocks: [gdpr-33]", "clocks: [gdpr-99]", 22),
        ("failure: closed", "failure: open", 0),
        ("        person: ada\n", "", 18),
    ] {
        assert!(OWNERS.contains(from), "{from}");
        let ran = activate(&w, &OWNERS.replace(from, to), &[]).expect(2);
        code(&ran, "CS-GATE-001");
        let place = if line == 0 { "gates.yaml".to_owned() } else { format!("gates.yaml:{line}") };
        assert!(ran.err.contains(&place), "{from}: {}", ran.err);
    }
    assert_eq!(codes(&w, 10), ["no-owner"; 3], "nothing was put in effect");
}

#[test]
fn ladders_slas_and_failure_modes_are_looked_at() {
    if !have_ssh_keygen() {
        return;
    }
    let w = firm();
    w.by("ruth", &["gate", "activate", "none.yaml"]).expect(2);
    let after = |from: &str, to: &str| {
        activate(&w, &OWNERS.replace(from, to), &[]).expect(0);
        w.by("ruth", &["gate", "acknowledge", "build"]).expect(0);
        codes(&w, 10)
    };
    assert_eq!(after("person: ada", "person: dan"), ["ladder-loop"]);
    assert_eq!(after("role: administrator", "role: auditor"), ["ladder-empty"]);
    assert_eq!(after("after: 12h", "after: 8h"), ["ladder-order"]);
    assert_eq!(after("after: 12h", "after: 25h"), ["sla-too-long"]);
    assert_eq!(after("after: 2h", "after: 4d"), ["sla-too-long"], "longer than the clock that it names");
    // A gate may be open only where all that it serves is audited, and not a day longer.
    let levels = w.path("enforcement.yaml");
    let audit = "version: 1\nrules:\n  - controls: [\"*\"]\n    level: audit\n    why: being brought in\n";
    for (text, open) in [(audit, true), ("version: 1\n", false)] {
        std::fs::write(&levels, text).unwrap();
        w.by("ruth", &["enforcement", "activate", levels.to_str().unwrap()]).expect(0);
        if open {
            activate(&w, &OWNERS.replace("failure: closed", "failure: open"), &[]).expect(0);
            w.by("ruth", &["gate", "acknowledge", "build"]).expect(0);
            assert!(codes(&w, 0).is_empty());
        }
    }
    assert_eq!(codes(&w, 10), ["open-but-not-audit"]);
}

#[cfg(debug_assertions)]
#[test]
fn a_review_grows_old_and_an_owner_may_leave() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::with_commit();
    w.now = Some("2030-01-01T00:00:00Z".into());
    w.firm();
    activate(&w, OWNERS, &[]).expect(0);
    w.by("ruth", &["gate", "acknowledge", "build"]).expect(0);
    w.now = Some("2031-01-01T00:00:00Z".into());
    assert!(codes(&w, 0).is_empty());
    w.now = Some("2031-01-01T00:00:01Z".into());
    assert_eq!(codes(&w, 10), ["review-old"; 3]);
    w.by("mia", &["gate", "review", "pre-commit", "--finding", "as it was"]).expect(0);
    assert_eq!(codes(&w, 10), ["review-old"; 2]);
    for gate in ["build", "release"] {
        w.by("ruth", &["gate", "review", gate, "--finding", "as it was"]).expect(0);
    }
    assert!(codes(&w, 0).is_empty());
    // Mia leaves, and years later nothing forbids that her data goes. What she owned is nobody's.
    let start = ["retention", "start", "audit-concluded", "--select", "all", "--on", "2031-01-01", "--reason", "AR-7"];
    w.by("ruth", &start).expect(0);
    w.now = Some("2040-01-01T12:00:00Z".into());
    let mia = w.cs(["gate", "show", "pre-commit", "--format", "json"]).expect(0).json();
    let mia = mia["ownership"]["owner"].as_str().unwrap().to_owned();
    w.by("ruth", &["ledger", "erase-subject", "mia", "--reason", "DSR-4", "--today", "2040-01-01"]).expect(0);
    assert!(codes(&w, 10).contains(&"owner-left".to_owned()));
    let ran = activate(&w, &OWNERS.replace("owner: mia", &format!("owner: {mia}")), &[]).expect(2);
    code(&ran, "CS-GATE-001");
    assert!(ran.err.contains("gates.yaml:24") && ran.err.contains("has left"), "{}", ran.err);
    let shop = ["application", "register", "shop", "--owner", &mia, "--criticality", "critical", "--data", "public"];
    code(&w.by("ada", &shop).expect(2), "CS-REGISTRY-001");
    w.cs(["verify"]).expect(0);
}

#[test]
fn the_runbook_says_what_is_configured_and_nothing_in_it_is_mark_up_of_others() {
    if !have_ssh_keygen() {
        return;
    }
    let w = firm();
    let evil = "two officers decide <script>alert(1)</script> | on *paper*";
    activate(&w, &OWNERS.replace("two officers decide on paper, and record it within a day", evil), &[]).expect(0);
    let shop = ["application", "register", "shop", "--owner", "mia", "--criticality", "high", "--data", "personal"];
    w.by("ada", &[shop.as_slice(), &["--this-repository"]].concat()).expect(0);
    let levels = w.path("enforcement.yaml");
    let text = "version: 1\nrules:\n  - controls: [secrets-out-of-source]\n    tiers: [test]\n    level: advisory\n    why: x\n";
    std::fs::write(&levels, text).unwrap();
    w.by("ruth", &["enforcement", "activate", levels.to_str().unwrap()]).expect(0);
    let request =
        ["waive", "request", "--control", "secrets-out-of-source", "--path", "old/**", "--accept", "a sample"];
    let id = w.by("mia", &[request.as_slice(), &["--format", "json"]].concat()).expect(0).json();
    let id = id["waiver"].as_str().unwrap();
    w.by("dan", &["waive", "grant", id, "--reason", "seen"]).expect(0);

    let page = w.cs(["runbook"]).expect(0).out;
    for said in [
        "# Pipeline Governance Runbook",
        "| owner | ruth |",
        "after 8h: an administrator; after 12h: a release-manager",
        "technical by an engineer",
        "| hard | hard | advisory | hard |",
        "| shop | mia |",
        id,
        "The glass was never broken.",
        "sox-7y",
        "Regulation (EU) 2016/679 Art. 33(1)",
        "unacknowledged",
    ] {
        assert!(page.contains(said), "{said}\n{page}");
    }
    assert!(!page.contains("<script"), "{page}");
    let out = w.path("runbook.html");
    w.cs(["runbook", "--format", "html", "--out", out.to_str().unwrap()]).expect(0);
    let page = std::fs::read_to_string(&out).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script") && !page.contains("http://"), "{page}");
    assert!(!page.contains("https://") && !page.contains("src=") && !page.contains("href="), "it needs nothing else");
    for tag in ["table", "thead", "tbody", "h2", "h3", "p", "tr", "td"] {
        let (opened, closed) = (page.matches(&format!("<{tag}>")).count(), page.matches(&format!("</{tag}>")).count());
        assert_eq!(opened, closed, "{tag}");
    }
    code(&w.cs(["runbook", "--out", "/nowhere/at/all.md"]).expect(5), "CS-CLI-003");
}
