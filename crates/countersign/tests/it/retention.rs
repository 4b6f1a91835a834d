//! Retention with the real binary: nothing goes before its time, under a hold, or by one person; what goes leaves every
//! proof where it was. The clock is turned, which only a debug build allows.
#![cfg(debug_assertions)]

use crate::support::{Ran, World, have_ssh_keygen};

/// A firm in 2027 with a run that two people approved, whose audit is concluded.
fn audited() -> World {
    let mut w = World::new();
    w.now = Some("2027-01-10T12:00:00Z".into());
    w.firm();
    w.approve();
    let start = ["retention", "start", "audit-concluded", "--select", "all", "--on", "2027-01-05", "--reason", "AR-7"];
    w.by("ruth", &start).expect(0);
    w
}

fn at(w: &mut World, now: &str) {
    w.now = Some(format!("{now}T12:00:00Z"));
}

#[track_caller]
fn fails(ran: Ran, exit: i32, code: &str) {
    let ran = ran.expect(exit);
    assert!(ran.err.starts_with(&format!("error[{code}]")), "{}", ran.err);
}

fn blobs(w: &World) -> usize {
    let mut n = 0;
    let mut dirs = vec![w.repo().join(".countersign/blobs")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { n += 1 }
        }
    }
    n
}

fn size(w: &World) -> u64 {
    w.cs(["ledger", "info", "--format", "json"]).expect(0).json()["size"].as_u64().unwrap()
}

fn run_id(w: &World) -> String {
    let runs = w.cs(["ledger", "runs", "--format", "json"]).expect(0).json();
    runs["runs"][0]["run"].as_str().unwrap().to_owned()
}

/// Everything that proves something: sound structure, the same tables from a second fold, a receipt of every entry.
#[track_caller]
fn sound(w: &World) {
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
    for index in 0..size(w) {
        w.cs(["ledger", "receipt", &index.to_string()]).expect(0);
    }
}

#[test]
fn two_people_dispose_of_what_nothing_keeps() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = audited();
    let order = w.path("order.json");
    let order = order.to_str().unwrap();
    let run = run_id(&w);
    at(&mut w, "2033-12-01");
    w.cs(["ledger", "dispose", "--plan"]).expect(3);
    fails(w.by("dan", &["ledger", "dispose", "--out", order, "--today", "2033-12-01"]), 3, "CS-RETENTION-013");
    at(&mut w, "2034-06-01");
    let due = w.cs(["retention", "show", "--due", "--format", "json"]).expect(0).json();
    assert_eq!(due["free"][0]["run"], run.as_str());
    // A hold keeps it, and nobody gets around that.
    w.by("ruth", &["hold", "place", "26-cv-1", "--select", "run:latest", "--reason", "subpoena"]).expect(0);
    let held = w.by("dan", &["ledger", "dispose", "--out", order, "--today", "2034-06-01"]);
    fails(held, 3, "CS-RETENTION-013");
    fails(w.by("ada", &["hold", "release", "26-cv-1", "--reason", "settled"]), 4, "CS-RETENTION-001");
    w.by("ruth", &["hold", "release", "26-cv-1", "--reason", "settled"]).expect(0);
    let holds = w.cs(["hold", "list", "--format", "json"]).expect(0).json();
    assert_eq!(
        (&holds["holds"][0]["matter"], &holds["holds"][0]["released"]["reason"]),
        (&"26-cv-1".into(), &"settled".into())
    );
    // The clock says 2034; a person who does not agree signs nothing.
    let wrong = w.by("dan", &["ledger", "dispose", "--out", order, "--today", "2027-06-01"]);
    fails(wrong, 4, "CS-RETENTION-014");
    w.cs(["ledger", "dispose", "--out", order]).expect(2);
    fails(w.by("omar", &["ledger", "dispose", "--out", order, "--today", "2034-06-01"]), 4, "CS-RETENTION-015");
    w.by("dan", &["ledger", "dispose", "--out", order, "--today", "2034-06-01"]).expect(11);
    let before = (size(&w), blobs(&w));
    fails(w.by("dan", &["ledger", "dispose", order, "--today", "2034-06-01"]), 4, "CS-RETENTION-015");
    fails(w.by("omar", &["ledger", "dispose", order, "--today", "2034-06-01"]), 4, "CS-RETENTION-015");
    // A hold between the two signatures counts.
    w.by("ruth", &["hold", "place", "26-cv-2", "--select", "all", "--reason", "inquiry"]).expect(0);
    fails(w.by("ada", &["ledger", "dispose", order, "--today", "2034-06-01"]), 10, "CS-RETENTION-016");
    w.by("ruth", &["hold", "release", "26-cv-2", "--reason", "closed"]).expect(0);
    // And the second signature comes in time.
    at(&mut w, "2034-06-10");
    fails(w.by("ada", &["ledger", "dispose", order, "--today", "2034-06-10"]), 4, "CS-RETENTION-014");
    at(&mut w, "2034-06-11");
    w.by("dan", &["ledger", "dispose", "--out", order, "--today", "2034-06-11"]).expect(11);
    let altered = std::fs::read_to_string(order).unwrap().replacen("\"index\":", "\"index\":1", 1);
    let other = w.path("altered.json");
    std::fs::write(&other, altered).unwrap();
    let altered = w.by("ada", &["ledger", "dispose", other.to_str().unwrap(), "--today", "2034-06-11"]);
    fails(altered, 13, "CS-RETENTION-017");
    assert!(before.1 <= blobs(&w), "nothing was removed");
    let blobs_before = blobs(&w);
    let done = w.by("ada", &["ledger", "dispose", order, "--today", "2034-06-11", "--format", "json"]).expect(0).json();
    assert!(done["finished"]["removed"].as_u64().unwrap() > 3, "{done}");
    let certificate = done["certificate"].as_u64().unwrap();
    assert!(blobs(&w) < blobs_before);
    // The bundle that decided is the one in effect: it stays.
    assert!(done["finished"]["remaining"].as_array().unwrap().iter().all(|r| r["why"] == "shared"), "{done}");
    sound(&w);
    let runs = w.cs(["ledger", "runs", "--format", "json"]).expect(0).json();
    assert_eq!(runs["runs"], serde_json::json!([]));
    let gone = done_index(&w, "RunStarted");
    let shown = w.cs(["retention", "show", &gone.to_string(), "--format", "json"]).expect(0).json();
    assert_eq!(shown["disposed"], certificate);
    fails(w.cs(["ledger", "show", &gone.to_string(), "--payload"]), 3, "CS-RETENTION-021");
    let again = w.by("dan", &["ledger", "dispose", "--out", order, "--today", "2034-06-11"]);
    fails(again, 3, "CS-RETENTION-013");
    // The tables from nothing are the tables that were kept.
    w.cs(["ledger", "rebuild"]).expect(0);
    sound(&w);
    // Life goes on, also for the same commit.
    w.cs(["run"]).expect(11);
    assert_ne!(run_id(&w), run);
    sound(&w);
}

#[cfg(unix)]
#[test]
fn beside_a_server_that_has_the_ledger_open_payloads_are_removed_through_it() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = audited();
    at(&mut w, "2034-06-01");
    let at_dir = w.repo().join(".countersign").display().to_string();
    let server = crate::witness::Server::start(&w, &["--ledger", &at_dir, "serve", "--listen", "127.0.0.1:0"]);
    let order = w.path("order.json");
    let order = order.to_str().unwrap();
    // What is still in the write-ahead log must not come back from there.
    w.commit_signed("mia", "more.sh", "echo more\n");
    w.cs(["run"]).expect(11);
    w.by("dan", &["ledger", "dispose", "--out", order, "--today", "2034-06-01"]).expect(11);
    let before = blobs(&w);
    let done = w.by("ada", &["ledger", "dispose", order, "--today", "2034-06-01", "--format", "json"]).expect(0).json();
    let removed = usize::try_from(done["finished"]["removed"].as_u64().unwrap()).unwrap();
    assert!(removed > 3, "{done}");
    w.cs(["verify"]).expect(0);
    server.kill();
    // Whoever opens it next publishes what was left, and nothing that went.
    w.cs(["run"]).expect(11);
    assert!(blobs(&w) < before + removed, "{} {before} {removed}", blobs(&w));
    let gone = done_index(&w, "FindingsRecorded");
    fails(w.cs(["ledger", "show", &gone.to_string(), "--payload"]), 3, "CS-RETENTION-021");
    assert!(!payload_file(&w, gone).exists());
    sound(&w);
    w.cs(["ledger", "rebuild"]).expect(0);
    sound(&w);
}

fn done_index(w: &World, kind: &str) -> u64 {
    let all = w.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
    let entries = all["entries"].as_array().unwrap();
    entries.iter().find(|e| e["entry"]["kind"] == kind).unwrap()["index"].as_u64().unwrap()
}

#[test]
fn a_removal_that_was_interrupted_is_completed() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = audited();
    let order = w.path("order.json");
    let order = order.to_str().unwrap();
    at(&mut w, "2034-06-01");
    w.by("dan", &["ledger", "dispose", "--out", order, "--today", "2034-06-01"]).expect(11);
    let blobs_dir = w.repo().join(".countersign/blobs");
    let copy = w.path("copy");
    copy_dir(&blobs_dir, &copy);
    // Where a directory stands in a blob's place nothing can be unlinked: so a storage behaves that lets nothing go.
    let stuck = payload_file(&w, done_index(&w, "FindingsRecorded"));
    std::fs::remove_file(&stuck).unwrap();
    std::fs::create_dir(&stuck).unwrap();
    let done =
        w.by("ada", &["ledger", "dispose", order, "--today", "2034-06-01", "--format", "json"]).expect(14).json();
    let refused = done["finished"]["remaining"].as_array().unwrap().iter().filter(|r| r["why"] != "shared").count();
    assert_eq!(refused, 1, "{done}");
    std::fs::remove_dir(&stuck).unwrap();
    // As if the process had died between the certificate and the removal: every blob is there.
    copy_dir(&copy, &blobs_dir);
    sound(&w);
    w.cs(["ledger", "rebuild"]).expect(0);
    sound(&w);
    let n = blobs(&w);
    let finished = w.cs(["ledger", "dispose", "--finish", "--format", "json"]).expect(0).json();
    assert_eq!(finished["finished"][0]["certificate"], done["certificate"]);
    assert!(finished["finished"][0]["remaining"].as_array().unwrap().iter().all(|r| r["why"] == "shared"));
    assert!(blobs(&w) < n);
    sound(&w);
    let again = w.cs(["ledger", "dispose", "--finish", "--format", "json"]).expect(0).json();
    assert_eq!(again["finished"], serde_json::json!([]));
}

/// The file that holds an entry's payload.
fn payload_file(w: &World, index: u64) -> std::path::PathBuf {
    let all = w.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
    let entry = all["entries"].as_array().unwrap().iter().find(|e| e["index"] == index).unwrap();
    let digest = entry["entry"]["payload"]["sha256"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
    let (shard, rest) = digest.split_at(2);
    w.repo().join(format!(".countersign/blobs/sha256/{shard}/{rest}"))
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_dir(&path, &target);
        } else if !target.exists() {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn a_blob_that_is_gone_without_a_certificate_is_missing() {
    if !have_ssh_keygen() {
        return;
    }
    let w = audited();
    let index = done_index(&w, "DecisionMade");
    std::fs::remove_file(payload_file(&w, index)).unwrap();
    let found = w.cs(["verify", "--format", "json"]).expect(13).json();
    assert!(
        found["problems"].as_array().unwrap().iter().any(|p| p["entry"] == index && p["code"] == "CS-LEDGER-013"),
        "{found}"
    );
    w.cs(["ledger", "rebuild"]).expect(13);
}

#[test]
fn a_persons_data_goes_when_nothing_forbids_it() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = audited();
    let person = |w: &World, name: &str| {
        let people = w.cs(["person", "list", "--format", "json"]).expect(0).json();
        let people = people["people"].as_array().unwrap().clone();
        people.into_iter().find(|p| p["name"] == name).map(|p| p["person"].as_str().unwrap().to_owned())
    };
    let mia = person(&w, "mia").unwrap();
    let key = w.repo().join(format!(".countersign/subjects/{mia}.key"));
    let erase = ["ledger", "erase-subject", "mia", "--reason", "DSR-4", "--today", "2027-01-10", "--format", "json"];
    fails(w.by("omar", &erase), 4, "CS-RETENTION-001");
    let waits = w.by("ruth", &erase).expect(11).json();
    assert!(waits["erasures"][0]["erased"].is_null() && waits["erasures"][0]["until"].is_string(), "{waits}");
    assert!(key.exists());
    at(&mut w, "2034-06-01");
    w.by("ruth", &["hold", "place", "26-cv-1", "--select", "person:mia", "--reason", "subpoena"]).expect(0);
    let due = ["ledger", "erase-subject", "--due", "--today", "2034-06-01", "--format", "json"];
    let held = w.by("ada", &due).expect(11).json();
    assert_eq!(held["erasures"][0]["forbids"][0]["holds"][0], "26-cv-1");
    assert!(key.exists());
    w.by("ruth", &["hold", "release", "26-cv-1", "--reason", "settled"]).expect(0);
    let wrong = ["ledger", "erase-subject", "--due", "--today", "2027-06-01"];
    fails(w.by("ada", &wrong), 4, "CS-RETENTION-014");
    let done = w.by("ada", &due).expect(0).json();
    assert!(done["erasures"][0]["erased"].is_u64(), "{done}");
    assert!(!key.exists());
    assert_eq!(person(&w, "mia"), None, "the name is gone");
    sound(&w);
    w.cs(["ledger", "rebuild"]).expect(0);
    sound(&w);
    // A key that comes back from a copy opens nothing any more.
    std::fs::write(&key, format!("{}\n", "ab".repeat(32))).unwrap();
    assert_eq!(person(&w, "mia"), None);
    let again = ["ledger", "erase-subject", mia.as_str(), "--reason", "DSR-4", "--today", "2034-06-01"];
    fails(w.by("ruth", &again), 2, "CS-RETENTION-019");
    assert!(!key.exists(), "and goes at the next occasion");
}

#[test]
fn offices_have_limits_and_a_letter() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    let give = |by: &str, who: &str, office: &str| w.by(by, &["records-officer", "designate", who, office]);
    let letter = w.path("letter.md");
    let letter = letter.to_str().unwrap();
    fails(w.cs(["retention", "undertaking", "--out", letter]), 2, "CS-RETENTION-012");
    fails(give("omar", "omar", "designated-executive-officer"), 4, "CS-RETENTION-001");
    give("ruth", "ada", "designated-executive-officer").expect(0);
    fails(give("ruth", "dan", "designated-executive-officer"), 10, "CS-RETENTION-009");
    fails(give("ruth", "dan", "officer"), 4, "CS-RETENTION-008");
    for who in ["dan", "mia"] {
        give("ada", who, "officer").expect(0);
    }
    fails(give("ada", "omar", "officer"), 10, "CS-RETENTION-009");
    for who in ["dan", "mia", "omar"] {
        give("ada", who, "specialist").expect(0);
    }
    fails(give("ada", "ruth", "specialist"), 10, "CS-RETENTION-009");
    w.by("ada", &["records-officer", "revoke", "omar", "specialist", "--reason", "left"]).expect(0);
    give("ada", "ruth", "specialist").expect(0);
    let list = w.cs(["records-officer", "list", "--format", "json"]).expect(0).json();
    assert_eq!(list["offices"].as_array().unwrap().len(), 6);
    w.cs(["retention", "undertaking", "--out", letter, "--firm", "Example & Co"]).expect(0);
    let text = std::fs::read_to_string(letter).unwrap();
    for part in [
        "Ada",
        "17 CFR 240.17a-4",
        "counsel must review",
        "Example & Co",
        "specialist",
        "[name of the examining authority]",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    sound(&w);
}

#[test]
fn classes_only_grow() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    let define = |by: &str, class: &str, period: &str| {
        w.by(by, &["retention", "define", class, "--period", period, "--source", "policy 4", "--reason", "board"])
    };
    fails(define("ada", "firm-10y", "10y"), 4, "CS-RETENTION-001");
    define("ruth", "firm-10y", "10y").expect(0);
    define("ruth", "firm-10y", "12y").expect(0);
    fails(define("ruth", "firm-10y", "11y"), 10, "CS-RETENTION-003");
    fails(define("ruth", "sox-7y", "8y"), 10, "CS-RETENTION-003");
    let extend = |class: &str| {
        w.by("ruth", &["retention", "extend", "--select", "kind:ActRefused", "--class", class, "--reason", "board"])
    };
    fails(extend("firm-20y"), 2, "CS-RETENTION-004");
    extend("firm-10y").expect(0);
    let start = ["retention", "start", "moon-landed", "--select", "all", "--on", "2026-01-01", "--reason", "x"];
    fails(w.by("ruth", &start), 2, "CS-RETENTION-005");
    let shown = w.cs(["retention", "show", "--format", "json"]).expect(0).json();
    let own = shown["classes"].as_array().unwrap().iter().find(|c| c["class"] == "firm-10y").unwrap().clone();
    assert_eq!(own["rule"]["period"], "P12Y");
    let index = done_index(&w, "ActRefused").to_string();
    let kept = w.cs(["retention", "show", &index, "--format", "json"]).expect(0).json();
    assert_eq!(kept["kept"]["awaits"], "audit-concluded");
    assert_eq!(kept["grounds"].as_array().unwrap().len(), 2);
    sound(&w);
}

#[test]
fn what_is_recorded_gets_the_class_that_was_chosen() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::new();
    w.now = Some("2027-01-10T12:00:00Z".into());
    w.firm();
    let choose = |w: &World, class: &str| w.by("ruth", &["retention", "default", class, "--reason", "policy 4"]);
    fails(choose(&w, "nobody-knows"), 2, "CS-RETENTION-004");
    choose(&w, "pci-12m").expect(0);
    w.approve();
    let longer = w.path("report.txt");
    std::fs::write(&longer, "kept\n").unwrap();
    fails(w.cs(["record", "--retention", "nobody-knows", longer.to_str().unwrap()]), 2, "CS-RETENTION-004");
    let order = w.path("order.json");
    let order = order.to_str().unwrap();
    at(&mut w, "2028-01-10");
    w.now = Some("2028-01-10T11:59:59Z".into());
    w.cs(["ledger", "dispose", "--plan"]).expect(3);
    w.now = Some("2028-01-10T12:00:10Z".into());
    w.cs(["ledger", "dispose", "--plan"]).expect(0);
    // What is attached to a run keeps the whole run.
    w.cs(["record", "--retention", "sec-17a-4-3y", longer.to_str().unwrap()]).expect(0);
    w.cs(["ledger", "dispose", "--plan"]).expect(3);
    at(&mut w, "2031-01-12");
    w.by("dan", &["ledger", "dispose", "--out", order, "--today", "2031-01-12"]).expect(11);
    w.by("ada", &["ledger", "dispose", order, "--today", "2031-01-12"]).expect(0);
    sound(&w);
}

#[test]
fn where_there_are_witnesses_a_clock_that_runs_ahead_frees_nothing() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = audited();
    let witness = crate::witness::init(&w, "w1", "witness.example/w1");
    let vkey = w.cs(["ledger", "info", "--format", "json"]).expect(0).json()["vkey"].as_str().unwrap().to_owned();
    w.cs_in(&w.path("home"), ["witness", "add-log", "w1", &vkey]).expect(0);
    let order = w.path("order.json").display().to_string();
    at(&mut w, "2034-06-01");
    let due = w.cs(["ledger", "dispose", "--plan", "--format", "json"]).expect(0).json();
    assert_eq!(due["plan"]["witnessed"], serde_json::Value::Null);

    let listen = ["witness", "serve", "w1", "--listen", "127.0.0.1:0"];
    // The witness looks at its own clock.
    let now = w.now.take();
    let server = crate::witness::Server::start(&w, &listen);
    w.now = now;
    let policy = format!("log {vkey}\nwitness one {} {}\nquorum one\n", witness[0], server.url);
    std::fs::write(w.path("policy"), policy).unwrap();
    w.cs(["trust", "policy", "set", &w.path("policy").display().to_string()]).expect(0);
    // Nobody has cosigned yet: the time is in doubt.
    fails(w.by("dan", &["ledger", "dispose", "--out", &order, "--today", "2034-06-01"]), 4, "CS-RETENTION-014");
    w.cs(["ledger", "witness"]).expect(0);
    // Both people would sign, and the witness has not seen that year.
    fails(w.by("dan", &["ledger", "dispose", "--out", &order, "--today", "2034-06-01"]), 3, "CS-RETENTION-013");
    w.cs(["ledger", "dispose", "--plan"]).expect(3);
}
