//! Access reviews from their opening to the certificate, as officers and reviewers type it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::server::{Browser, firm, serve};
use crate::support::{Ran, World, have_ssh_keygen};

fn code(ran: &Ran, code: &str) {
    assert!(ran.err.starts_with(&format!("error[{code}]")), "{}", ran.err);
}

fn entries(w: &World, kind: &str) -> usize {
    let entries = w.cs(["ledger", "entries", "--format", "json"]).expect(0).out;
    entries.matches(&format!("\"{kind}\"")).count()
}

fn at(w: &mut World, time: &str) {
    w.now = Some(time.into());
}

fn review(w: &World) -> Value {
    w.cs(["access", "review", "show", "--format", "json"]).expect(0).json()
}

/// The number of a line: of a person's, of this kind or role.
pub(crate) fn line(w: &World, person: &str, what: &str) -> u64 {
    let people = w.cs(["person", "list", "--format", "json"]).expect(0).json();
    let people = people["people"].as_array().unwrap();
    let id = people.iter().find(|p| p["name"] == person).unwrap_or_else(|| panic!("{people:?}"))["person"].clone();
    let all = review(w);
    let lines = all["lines"].as_array().unwrap();
    let is = |l: &&Value| l["access"]["person"] == id && (l["access"]["kind"] == what || l["access"]["what"] == what);
    lines.iter().find(is).unwrap_or_else(|| panic!("{person} {what}"))["line"].as_u64().unwrap()
}

/// The key of whoever is to look at a line.
pub(crate) fn reviewer(w: &World, n: u64) -> &'static str {
    let all = review(w);
    let id = all["lines"].as_array().unwrap().iter().find(|l| l["line"] == n).unwrap()["reviewer"].clone();
    let people = w.cs(["person", "list", "--format", "json"]).expect(0).json();
    let name = people["people"].as_array().unwrap().iter().find(|p| p["person"] == id).unwrap()["name"].clone();
    ["ada", "dan", "ruth"].into_iter().find(|k| name.as_str().unwrap().eq_ignore_ascii_case(k)).unwrap()
}

fn decide(w: &World, by: &str, verdict: &str, lines: &[u64], reason: &str) -> Ran {
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    let lines = lines.join(",");
    w.by(by, &["access", "review", "decide", "latest", verdict, "--line", &lines, "--reason", reason])
}

const OPEN: [&str; 9] =
    ["access", "review", "open", "--from", "2029-10-01", "--due", "2030-01-15", "--reason", "fourth quarter"];

#[cfg(debug_assertions)]
#[test]
fn what_a_review_takes_away_is_gone_and_the_certificate_says_where() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::new();
    at(&mut w, "2029-12-01T00:00:00Z");
    w.firm();
    at(&mut w, "2030-01-01T00:00:00Z");
    let refused = entries(&w, "ActRefused");
    code(&w.by("ada", &OPEN).expect(4), "CS-ACCESS-011");
    let alone: Vec<&str> = OPEN.into_iter().chain(["--reviewer", "ruth"]).collect();
    code(&w.by("ruth", &alone).expect(2), "CS-REVIEW-002");
    let outsider: Vec<&str> = OPEN.into_iter().chain(["--reviewer", "omar"]).collect();
    code(&w.by("ruth", &outsider).expect(2), "CS-REVIEW-014");
    let late = ["access", "review", "open", "--from", "2029-10-01", "--due", "2029-12-31", "--reason", "x"];
    code(&w.by("ruth", &late).expect(2), "CS-REVIEW-001");
    w.cs(["access", "review", "list"]).expect(0);
    code(&w.cs(["access", "review", "show"]).expect(2), "CS-REVIEW-003");

    let opened = w.by("ruth", &OPEN).expect(0).out;
    assert!(opened.contains("13 lines") && opened.contains("population sha256:"), "{opened}");
    let all = review(&w);
    assert_eq!((&all["lines"].as_array().unwrap().len(), &all["waiting"]), (&13, &json!(13)));
    assert_eq!(all["recomputed"], all["population"]);
    let kinds = |kind: &str| all["lines"].as_array().unwrap().iter().filter(|l| l["access"]["kind"] == kind).count();
    assert_eq!((kinds("role"), kinds("key"), kinds("workload")), (8, 5, 0));
    assert!(all["lines"].as_array().unwrap().iter().all(|l| l["access"]["person"] != l["reviewer"]));
    assert!(w.cs(["access", "review", "list"]).expect(11).out.contains("13 of 13 wait"));

    // What waits is shown and recorded; the line of another reviewer is refused, and that is recorded too.
    let (role, key) = (line(&w, "omar", "release-manager"), line(&w, "omar", "key"));
    let change = line(&w, "mia", "developer");
    let by = reviewer(&w, role);
    let other = if by == "ruth" { "dan" } else { "ruth" };
    assert!(w.by("omar", &["access", "review", "show", "--mine"]).expect(0).out.contains("nothing waits"));
    let mine = w.by(by, &["access", "review", "show", "--mine"]).expect(0).out;
    assert!(mine.contains("release-manager") && mine.contains("Next: countersign access review decide"), "{mine}");
    assert_eq!(entries(&w, "AccessReviewShown"), 1);
    code(&decide(&w, other, "keep", &[role], "").expect(4), "CS-REVIEW-006");
    code(&decide(&w, "omar", "keep", &[role], "").expect(4), "CS-ACCESS-011");
    code(&decide(&w, by, "revoke", &[role], "").expect(2), "CS-ACCESS-012");
    code(&decide(&w, by, "revoke", &[99], "x").expect(2), "CS-REVIEW-005");
    at(&mut w, "2030-01-01T00:00:30Z");
    decide(&w, by, "revoke", &[role], "moved to another team").expect(0);
    code(&decide(&w, by, "keep", &[role], "").expect(2), "CS-REVIEW-007");
    decide(&w, reviewer(&w, key), "revoke", &[key], "lost").expect(0);
    decide(&w, reviewer(&w, change), "change", &[change], "is an engineer").expect(0);
    code(&w.by("ruth", &["access", "review", "close", "latest"]).expect(11), "CS-REVIEW-010");

    // Reminders go the way that pages go.
    let told = w.cs(["access", "review", "remind", "--command", "false", "--format", "json"]).expect(5).json();
    assert_eq!((&told["told"][0]["delivered"], &told["told"][0]["attempts"]), (&json!(false), &json!(3)));
    let (out, program) = (w.path("message"), w.path("teller"));
    std::fs::write(&program, format!("#!/bin/sh\ncat > {}\n", out.display())).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let remind = ["access", "review", "remind", "--command", program.to_str().unwrap(), "--format", "json"];
    let told = w.cs(remind).expect(0).json();
    assert_eq!((&told["told"][0]["delivered"], &told["told"][0]["waiting"]), (&json!(true), &json!(10)));
    let envelope: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    let said: Value = serde_json::from_slice(&STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!((&said["predicate"]["waiting"], &said["predicate"]["overdue"]), (&json!(10), &json!(false)));
    assert_eq!(said["predicate"]["people"], told["told"][0]["people"]);
    assert!(envelope["signatures"][0]["sig"].is_string(), "the recorder signs it");
    assert_eq!(entries(&w, "AccessReviewReminded"), 2);

    // The rest is kept, by each reviewer at once.
    for who in ["ada", "dan", "ruth"] {
        let mine = w.by(who, &["access", "review", "show", "--mine", "--format", "json"]).expect(0).json();
        let lines: Vec<u64> = mine["lines"].as_array().unwrap().iter().map(|l| l["line"].as_u64().unwrap()).collect();
        if !lines.is_empty() {
            at(&mut w, "2030-01-01T00:00:31Z");
            decide(&w, who, "keep", &lines, "").expect(0);
        }
    }
    w.by("ada", &["role", "revoke", "mia", "developer", "--reason", "review"]).expect(0);
    code(&w.by("ada", &["access", "review", "close", "latest"]).expect(4), "CS-ACCESS-011");
    let closed = w.by("ruth", &["access", "review", "close", "latest", "--format", "json"]).expect(0).json();
    let gone: Vec<(u64, &str)> = closed["gone"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| (g["line"].as_u64().unwrap(), g["how"].as_str().unwrap()))
        .collect();
    let mut expected = vec![(role, "review"), (key, "review"), (change, "revoked")];
    expected.sort_unstable();
    assert_eq!(gone, expected);
    let of = |n: u64| closed["gone"].as_array().unwrap().iter().find(|g| g["line"] == n).unwrap()["index"].clone();
    assert_eq!((of(role), of(key)), (closed["enforced"].clone(), closed["enforced"].clone()));
    assert_eq!(closed["held"].as_array().unwrap().len(), 10);
    let hasty = closed["figures"]["reviewers"].as_array().unwrap();
    assert!(hasty.iter().any(|r| r["hasty"] == true), "{hasty:?}");
    code(&w.by("ruth", &["access", "review", "close", "latest"]).expect(2), "CS-REVIEW-008");
    assert!(w.cs(["access", "review", "list"]).expect(0).out.contains("closed"));
    let page = w.cs(["access", "review", "show"]).expect(0).out;
    assert!(page.contains("computed anew: the same"), "{page}");
    assert!(page.contains("! hasty") && page.contains("certified"), "{page}");

    // It is gone: the key signs nothing, the role is not held.
    code(&w.by("omar", &OPEN).expect(4), "CS-IDENTITY-002");
    assert!(!w.cs(["role", "list"]).expect(0).out.contains("release-manager"));
    assert_eq!(entries(&w, "ActRefused"), refused + 5);
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
    let anomalies = w.cs(["verify", "--format", "json"]).expect(0).json();
    assert_eq!(anomalies["problems"], json!([]), "{anomalies}");

    // Both controls are decided by it.
    at(&mut w, "2030-01-16T00:00:00Z");
    let assessed = w.cs(["assess", "--from", "2030-01-01", "--to", "2030-01-16", "--format", "json"]).json();
    for control in ["access-reviewed", "revocations-proved"] {
        let found = assessed["controls"].as_array().unwrap().iter().find(|c| c["id"] == control).unwrap();
        assert_eq!(found["outcome"], "pass", "{found}");
    }
}

#[cfg(debug_assertions)]
#[test]
fn silence_takes_away_and_spares_the_last_administrator() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::new();
    at(&mut w, "2029-09-01T00:00:00Z");
    w.firm();
    at(&mut w, "2030-01-01T00:00:00Z");
    w.by("ada", &["person", "leave", "mia", "--reason", "left the firm"]).expect(0);
    w.by("ruth", &OPEN).expect(0);
    let all = review(&w);
    let lines = all["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 11, "a leaver has no roles, and a key");
    assert_eq!(lines.iter().filter(|l| l["access"]["left"] == true).count(), 1);
    // Nobody but the administrator, who said that somebody left, and the officer who opened it did anything for 90 days.
    let busy = lines.iter().filter(|l| l["access"]["idle"] == false).count();
    assert_eq!((busy, lines.iter().filter(|l| l["access"]["idle"] == true).count()), (2, 9));
    let keep: Vec<u64> = ["security-officer", "compliance-officer", "key"].map(|what| line(&w, "ruth", what)).into();
    for n in keep {
        decide(&w, reviewer(&w, n), "keep", &[n], "").expect(0);
    }
    at(&mut w, "2030-01-15T00:00:00Z");
    let silent = line(&w, "omar", "key");
    code(&decide(&w, reviewer(&w, silent), "keep", &[silent], "").expect(4), "CS-REVIEW-011");
    assert!(w.cs(["access", "review", "list"]).expect(11).out.contains("overdue"));
    // What can end has ended; the review stays open, and says what to do.
    let refused = w.by("ruth", &["access", "review", "close", "latest"]).expect(4);
    code(&refused, "CS-REVIEW-012");
    assert!(refused.err.contains("countersign role grant PERSON administrator"), "{}", refused.err);
    assert_eq!(entries(&w, "AccessReviewEnforced"), 1);
    let held = w.cs(["role", "list", "--format", "json"]).expect(0).json();
    let held: Vec<&str> = held["roles"].as_array().unwrap().iter().map(|r| r["role"].as_str().unwrap()).collect();
    assert_eq!(held, ["administrator", "compliance-officer", "security-officer"]);
    w.by("ada", &["role", "grant", "ruth", "administrator", "--reason", "hands over"]).expect(0);
    w.by("ruth", &["access", "review", "close", "latest"]).expect(0);
    code(&w.by("ada", &["role", "grant", "omar", "auditor", "--reason", "x"]), "CS-IDENTITY-002");
    let all = review(&w);
    assert_eq!(all["closed"]["gone"].as_array().unwrap().len(), 8);
    assert_eq!(all["figures"]["silent"], 8);
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
    // What nobody decided in time fails the one control, and what is gone passes the other.
    at(&mut w, "2030-01-16T00:00:00Z");
    let assessed = w.cs(["assess", "--from", "2030-01-01", "--to", "2030-01-16", "--format", "json"]).json();
    let outcome = |control: &str| {
        let found = assessed["controls"].as_array().unwrap().iter().find(|c| c["id"] == control).unwrap();
        found["outcome"].clone()
    };
    assert_eq!((outcome("access-reviewed"), outcome("revocations-proved")), (json!("fail"), json!("pass")));
}

#[cfg(debug_assertions)]
#[test]
fn whoever_decided_all_of_it_alone_certifies_nothing() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::new();
    at(&mut w, "2030-01-01T00:00:00Z");
    w.firm();
    let both: Vec<&str> = OPEN.into_iter().chain(["--reviewer", "ruth", "--reviewer", "dan"]).collect();
    w.by("ruth", &both).expect(0);
    w.by("ruth", &["access", "review", "decide", "latest", "keep", "--all-of", "omar"]).expect(0);
    at(&mut w, "2030-01-15T00:00:00Z");
    code(&w.by("ruth", &["access", "review", "close", "latest"]).expect(4), "CS-REVIEW-009");
    assert_eq!(entries(&w, "AccessReviewEnforced"), 0);
    // It is seen that ruth kept all of what she decided, at once and without having been shown it.
    let all = review(&w);
    let figures = all["figures"]["reviewers"].as_array().unwrap();
    let ruth = figures.iter().find(|r| r["decided"] != 0).unwrap();
    assert_eq!((&ruth["kept_all"], &ruth["hasty"], &ruth["unseen"]), (&json!(true), &json!(true), &ruth["decided"]));
    assert!(ruth["median_ms"].is_null());
    assert!(w.cs(["access", "review", "show"]).expect(0).out.contains("! kept everything"));
}

#[test]
fn the_page_of_access_says_how_far_a_review_is_and_whom_it_waits_for() {
    let Some(w) = firm() else { return };
    let server = serve(&w);
    let look = || {
        let page = Browser::of(&server, &w, "ada").get("/access").expect(200).body;
        let after = page.split("Access reviews</h2>").nth(1).unwrap();
        after.split("</section>").next().unwrap().to_owned()
    };
    assert!(look().contains("No access was reviewed yet"), "{}", look());
    w.by(
        "ruth",
        &["access", "review", "open", "--from", "2026-01-01", "--due", "2100-01-15", "--reason", "once a year"],
    )
    .expect(0);
    let all = review(&w)["lines"].as_array().unwrap().len();
    let open = look();
    assert!(open.contains(&format!("0 of {all} lines decided")) && open.contains("2100-01-15"), "{open}");
    let waits = |page: &str, name: &str| {
        page.split("<td>").any(|cell| cell.split(", ").any(|n| n.trim_end_matches("</td>") == name))
    };
    let first = reviewer(&w, line(&w, "omar", "release-manager"));
    assert!(waits(&open, first), "{first}: {open}");
    let mine = |l: &&Value| reviewer(&w, l["line"].as_u64().unwrap()) == first;
    let lines: Vec<u64> =
        review(&w)["lines"].as_array().unwrap().iter().filter(mine).map(|l| l["line"].as_u64().unwrap()).collect();
    w.by(first, &["access", "review", "show", "--mine"]).expect(0);
    decide(&w, first, "keep", &lines, "").expect(0);
    let later = look();
    assert!(later.contains(&format!("{} of {all} lines decided", lines.len())) && !waits(&later, first), "{later}");
}
