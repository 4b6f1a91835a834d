//! Freezes, windows and break-glass: what holds everybody up, what goes past it, and what that owes.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Ran, World, have_ssh_keygen, planted_secret};

fn refusals(w: &World) -> usize {
    entries(w, "ActRefused")
}

fn entries(w: &World, kind: &str) -> usize {
    let j = w.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
    j["entries"].as_array().unwrap().iter().filter(|e| e["entry"]["kind"] == kind).count()
}

/// Refused with this code and recorded, once.
#[track_caller]
fn refused(w: &World, person: &str, args: &[&str], code: &str) {
    let before = refusals(w);
    let ran = w.by(person, args);
    assert!(ran.err.starts_with(&format!("error[{code}]")), "{person} {args:?}: {}{}", ran.out, ran.err);
    assert_eq!(refusals(w), before + 1, "{person} {args:?}: a refusal is recorded, once");
}

/// Said to be wrong, and nothing recorded: nobody was refused anything.
#[track_caller]
fn wrong(w: &World, person: &str, args: &[&str], code: &str) {
    let before = refusals(w);
    let ran = w.by(person, args).expect(2);
    assert!(ran.err.starts_with(&format!("error[{code}]")), "{person} {args:?}: {}", ran.err);
    assert_eq!(refusals(w), before);
}

fn at(w: &mut World, time: &str) {
    w.now = Some(time.to_owned());
}

/// The firm in 2030, `production` registered, Sol a second security officer who has no part in anything.
fn firm() -> World {
    let mut w = World::new();
    at(&mut w, "2030-01-01T00:00:00Z");
    w.firm();
    w.key("sol");
    let public = w.public("sol");
    w.by("ada", &["person", "add", "sol", "--ssh-key", public.to_str().unwrap()]).expect(0);
    w.by("ada", &["role", "grant", "sol", "security-officer", "--reason", "x"]).expect(0);
    w.by("ada", &["environment", "register", "production", "--tier", "production"]).expect(0);
    w
}

fn token(ran: &Ran) -> String {
    ran.json()["grant"]["token"].as_str().unwrap().to_owned()
}

const DEPLOY: [&str; 2] = ["--", "true"];

fn redeem(grant: &str) -> Vec<&str> {
    [&["deploy", "--grant", grant], &DEPLOY[..]].concat()
}

/// Redeeming is by whoever holds the grant: no key is asked for.
#[track_caller]
fn not_redeemed(w: &World, grant: &str, code: &str) {
    let before = refusals(w);
    let ran = w.cs(redeem(grant));
    assert!(ran.err.starts_with(&format!("error[{code}]")), "{}{}", ran.out, ran.err);
    assert_eq!(refusals(w), before + 1);
}

#[test]
fn a_freeze_refuses_grants_and_their_redemption_and_so_does_every_hour_outside_the_windows() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = firm();
    w.approve();
    let issue = ["grant", "issue", "latest", "--env", "production", "--ttl", "120", "--format", "json"];
    let before = token(&w.by("omar", &issue).expect(0));
    let freeze = ["environment", "freeze", "add", "production", "--reason", "year end", "--format", "json"];
    refused(&w, "mia", &freeze, "CS-GRANT-018");
    wrong(&w, "omar", &["environment", "freeze", "add", "produktion", "--reason", "x"], "CS-FREEZE-003");
    wrong(&w, "omar", &[&freeze[..], &["--until", "2029-12-31"]].concat(), "CS-FREEZE-004");
    let frozen = w.by("ruth", &[&freeze[..], &["--until", "2030-01-01T01:00:00Z"]].concat()).expect(0).json();
    let id = frozen["freeze"].as_str().unwrap().to_owned();
    refused(&w, "omar", &issue, "CS-FREEZE-001");
    not_redeemed(&w, &before, "CS-FREEZE-001");
    let online = ["grant", "verify", &before, "--environment", "production", "--online"];
    let asked = w.cs(online);
    assert!(asked.err.starts_with("error[CS-FREEZE-001]"), "{}", asked.err);
    let j = w.cs(["environment", "show", "production", "--format", "json"]).expect(0).json();
    assert_eq!((&j["open"], &j["freezes"][0]["freeze"]), (&false.into(), &id.clone().into()));
    let lift = ["environment", "freeze", "lift", id.as_str(), "--reason", "cancelled"];
    refused(&w, "omar", &lift, "CS-GRANT-018");
    refused(&w, "ruth", &lift, "CS-FREEZE-006");
    w.by("sol", &lift).expect(0);
    wrong(&w, "sol", &lift, "CS-FREEZE-007");
    wrong(&w, "sol", &["environment", "freeze", "lift", "frz-none", "--reason", "x"], "CS-FREEZE-005");
    w.cs(online).expect(0);

    // One that ends by itself, and one that is still ahead.
    w.by("omar", &[&freeze[..], &["--until", "2030-01-01T00:30:00Z"]].concat()).expect(0);
    w.by("omar", &[&freeze[..], &["--from", "2030-01-02", "--until", "2030-01-03"]].concat()).expect(0);
    not_redeemed(&w, &before, "CS-FREEZE-001");
    at(&mut w, "2030-01-01T00:29:59Z");
    not_redeemed(&w, &before, "CS-FREEZE-001");
    at(&mut w, "2030-01-01T00:30:00Z");
    w.cs(["grant", "verify", &before, "--environment", "production", "--online"]).expect(0);

    // 2030-01-01 is a Tuesday; half past midnight in Greenwich is half past one in Zurich.
    let windows = |w: &World, all: &[&str]| {
        let mut args = vec!["environment", "windows", "production", "--reason", "operations"];
        for window in all {
            args.extend(["--window", window]);
        }
        w.by("ruth", &args)
    };
    refused(&w, "omar", &["environment", "windows", "production", "--reason", "now"], "CS-GRANT-018");
    assert_eq!(windows(&w, &["tuesday 20:00-21:00 +01:00"]).code, 2);
    windows(&w, &["tue 20:00-23:00 +01:00", "sat-sun 06:00-24:00 +01:00"]).expect(0);
    not_redeemed(&w, &before, "CS-FREEZE-002");
    refused(&w, "omar", &issue, "CS-FREEZE-002");
    assert!(w.cs(["environment", "show", "production"]).expect(0).out.contains("window      tue 20:00-23:00 +01:00"));
    windows(&w, &["tue 01:00-02:00 +01:00"]).expect(0);
    w.cs(redeem(&before)).expect(0);
    windows(&w, &[]).expect(0);
    w.cs(["verify"]).expect(0);
    assert_eq!(w.cs(["ledger", "rebuild", "--check", "--format", "json"]).expect(0).json()["differences"], json!([]));
}

/// A commit with a secret in it, which the gates deny.
fn denied() -> World {
    let w = firm();
    w.commit_signed("mia", "app.sh", &format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret()));
    w.cs(["run"]).expect(10);
    w
}

const OPEN: [&str; 12] = [
    "break-glass",
    "open",
    "latest",
    "--environment",
    "production",
    "--reason",
    "orders are not routed",
    "--ticket",
    "INC-7",
    "--minutes",
    "60",
    "--format=json",
];

fn open(w: &World, more: &[&str]) -> Value {
    w.by("ruth", &[&OPEN[..], more].concat()).expect(0).json()
}

#[test]
fn an_emergency_goes_past_the_gates_and_leaves_more_behind_than_the_ordinary_way() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = denied();
    refused(&w, "omar", &["grant", "issue", "latest", "--env", "production"], "CS-RELEASE-007");
    w.by("sol", &["environment", "freeze", "add", "production", "--reason", "year end"]).expect(0);
    for nobody in ["mia", "omar", "dan", "ada"] {
        refused(&w, nobody, &OPEN, "CS-GRANT-018");
    }
    wrong(&w, "ruth", &[&OPEN[..7], &["--ticket", "urgent"]].concat(), "CS-GLASS-001");
    wrong(&w, "ruth", &[&OPEN[..9], &["--minutes", "1440", "--ratify-hours", "24"]].concat(), "CS-GLASS-002");
    wrong(&w, "ruth", &[&OPEN[..9], &["--application", "shop"]].concat(), "CS-GLASS-003");
    refused(
        &w,
        "ruth",
        &["break-glass", "open", "--environment", "qa", "--reason", "x", "--ticket", "I1"],
        "CS-RELEASE-013",
    );
    let j = open(&w, &[]);
    let (id, grant) = (j["break_glass"].as_str().unwrap(), j["grant"]["token"].as_str().unwrap());
    // Never weaker: what denies is said, with everything that an ordinary grant would have needed.
    let s = &j["standing"];
    assert_eq!(s["outcome"], "fail", "{s}");
    let build = s["gates"].as_array().unwrap().iter().find(|g| g["outcome"] == "fail").unwrap();
    assert!(!build["reasons"].as_array().unwrap().is_empty(), "{build}");
    assert_eq!(s["findings"].as_array().unwrap().len(), 1);
    let release = s["gates"].as_array().unwrap().iter().find(|g| g["gate"] == "release").unwrap();
    assert_eq!(release["slots"].as_array().unwrap().len(), 2);
    assert!(release["slots"].to_string().contains("\"could\":[\"per-"), "who could have approved: {release}");
    assert!(s["authors"].as_array().unwrap().len() == 1 && s["closed"]["frozen"].is_string(), "{s}");
    assert!(!s.to_string().contains("ruth") && !s.to_string().contains("mia"), "people are ids: {s}");
    // Offline it is a grant like any other, and says what it is.
    let v = w
        .cs(["grant", "verify", grant, "--environment", "production", "--online", "--format", "json"])
        .expect(0)
        .json();
    assert_eq!(v["grant"]["break_glass"], id);
    assert_eq!(w.cs(["run", "--format", "json"]).expect(10).json()["decision"]["outcome"], "fail", "it stays denied");
    let said = w.cs(["grant", "verify", grant, "--environment", "production", "--online"]).expect(0).out;
    assert!(said.contains("PAST THE GATES"), "{said}");
    w.cs(redeem(grant)).expect(0);
    not_redeemed(&w, grant, "CS-RELEASE-016");
    let shown = w.cs(["break-glass", "show", id, "--format", "json"]).expect(0).json();
    let g = &shown["grants"][0];
    assert_eq!((&g["state"], &g["standing"]), (&"succeeded".into(), s));
    assert!(
        g["device"]["key"].as_str().unwrap().starts_with("SHA256:") && shown["device"]["key"] == g["device"]["key"]
    );
    let text = w.cs(["break-glass", "show", id]).expect(0).out;
    assert!(
        text.contains("fail") && text.contains("open findings 1") && text.contains("could have given it"),
        "{text}"
    );
    // What runs there is known, and it is known how it came there.
    let j = w.cs(["environment", "show", "production", "--format", "json"]).expect(0).json();
    assert_eq!((&j["deployed"][0]["break_glass"], &j["compliant"]), (&id.into(), &true.into()));

    // The next ordinary release covers it again, and its author approves neither.
    let first = w.git(["rev-parse", "HEAD"]).trim().to_owned();
    w.commit_signed("mia", "app.sh", "echo fixed\n");
    let j = w.cs(["run", "--format", "json"]).expect(11).json();
    assert_eq!((&j["run"]["base"], &j["change"]["commits"]), (&Value::Null, &2.into()), "{first} is covered again");
    refused(&w, "mia", &["approve", "latest", "--as", "technical"], "CS-RELEASE-004");
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    refused(&w, "omar", &["grant", "issue", "latest", "--env", "production"], "CS-FREEZE-001");
    w.cs(["verify"]).expect(0);

    at(&mut w, "2030-01-01T01:00:00Z");
    w.by("dan", &["break-glass", "ratify", id, "--statement", "seen"]).expect(0);
    w.by("omar", &["break-glass", "review", id, "--findings", "a", "--root-cause", "b", "--corrective-action", "c"])
        .expect(0);
    let j = w.cs(["break-glass", "show", id, "--format", "json"]).expect(0).json();
    assert_eq!((&j["ratification"], &j["review"], &j["was_compliant"]), (&"done".into(), &"done".into(), &true.into()));
    assert_eq!(j["reviewed"]["said"]["root_cause"], "b");
    w.cs(["break-glass", "list", "--due"]).expect(0);
    let page = w.cs(["runbook"]).expect(0).out;
    assert!(page.contains(id), "the runbook lists it");
    let j = w.cs(["assess", "--from", "2029-12-31", "--to", "2030-01-02", "--framework", "sox", "--format", "json"]);
    assert!(j.out.contains("emergency-closed"), "{}{}", j.out, j.err);
    w.cs(["verify"]).expect(0);
}

#[test]
fn every_attack_on_an_emergency_is_refused_and_recorded() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = denied();
    let j = open(&w, &[]);
    let (id, grant) = (j["break_glass"].as_str().unwrap().to_owned(), j["grant"]["token"].as_str().unwrap().to_owned());
    let id = id.as_str();
    let ratify = ["break-glass", "ratify", id, "--statement", "seen"];
    let review = ["break-glass", "review", id, "--findings", "a", "--root-cause", "b", "--corrective-action", "c"];
    // While it is open nobody closes its books.
    refused(&w, "dan", &ratify, "CS-GLASS-007");
    refused(&w, "dan", &review, "CS-GLASS-007");
    // Another commit is another scope; a further grant takes a role.
    w.commit_signed("mia", "other.sh", "echo other\n");
    w.cs(["run"]).expect(10);
    refused(&w, "ruth", &["break-glass", "grant", id, "latest"], "CS-GLASS-004");
    let first = w.cs(["grant", "list", "--format", "json"]).expect(0).json()["grants"][0]["claims"]["run"].clone();
    let first = first.as_str().unwrap();
    refused(&w, "dan", &["break-glass", "grant", id, first], "CS-GRANT-018");
    refused(&w, "mia", &["break-glass", "close", id, "--reason", "x"], "CS-GRANT-018");
    // Omar deploys once more: from then on he has a part in it.
    let again = w.by("omar", &["break-glass", "grant", id, first, "--format", "json"]).expect(0).json();
    let again = again["grant"]["token"].as_str().unwrap().to_owned();
    w.cs(redeem(&again)).expect(0);
    // The environment moved on: what was issued before is for something else now.
    not_redeemed(&w, &grant, "CS-RELEASE-018");
    w.by("sol", &["break-glass", "close", id, "--reason", "it is over"]).expect(0);
    refused(&w, "sol", &["break-glass", "close", id, "--reason", "again"], "CS-GLASS-005");
    not_redeemed(&w, &grant, "CS-GLASS-005");
    refused(&w, "ruth", &["break-glass", "grant", id, first], "CS-GLASS-005");
    // Nobody signs for what they did themselves.
    refused(&w, "ruth", &ratify, "CS-GLASS-008");
    refused(&w, "omar", &ratify, "CS-GRANT-018");
    refused(&w, "ruth", &review, "CS-GLASS-008");
    refused(&w, "omar", &review, "CS-GLASS-008");
    refused(&w, "mia", &review, "CS-GLASS-008");
    refused(&w, "ada", &review, "CS-GRANT-018");
    // An author with the right role, and one whom only a claim makes one.
    w.by("ada", &["role", "grant", "mia", "compliance-officer", "--reason", "x"]).expect(0);
    refused(&w, "mia", &ratify, "CS-GLASS-008");
    w.key("tom");
    let public = w.public("tom");
    w.by("ada", &["person", "add", "tom", "--ssh-key", public.to_str().unwrap()]).expect(0);
    w.by("ada", &["role", "grant", "tom", "compliance-officer", "--reason", "x"]).expect(0);
    w.by("tom", &["claim", "HEAD~1"]).expect(0);
    refused(&w, "tom", &ratify, "CS-GLASS-008");
    wrong(&w, "dan", &[&ratify[..], &["--late"]].concat(), "CS-GLASS-011");
    wrong(&w, "dan", &["break-glass", "ratify", id, "--statement", " "], "CS-GRANT-019");
    wrong(&w, "dan", &["break-glass", "ratify", "brk-00", "--statement", "x"], "CS-GLASS-006");
    w.by("dan", &ratify).expect(0);
    refused(&w, "dan", &ratify, "CS-GLASS-008");
    refused(&w, "sol", &ratify, "CS-GLASS-009");
    refused(&w, "dan", &review, "CS-GLASS-008");
    // Too late, and late by name.
    at(&mut w, "2030-01-04T00:00:00.001Z");
    refused(&w, "sol", &review, "CS-GLASS-010");
    w.by("sol", &[&review[..], &["--late"]].concat()).expect(0);
    let j = w.cs(["break-glass", "show", id, "--format", "json"]).expect(0).json();
    assert_eq!((&j["review"], &j["compliant"], &j["was_compliant"]), (&"late".into(), &true.into(), &false.into()));
    assert!(w.cs(["break-glass", "show", id]).expect(0).out.contains("production was non-compliant"));
    // Once more, and its time runs out.
    let second = open(&w, &["--any-commit"]);
    let (id, grant) = (second["break_glass"].as_str().unwrap(), second["grant"]["token"].as_str().unwrap());
    at(&mut w, "2030-01-04T01:00:00.001Z");
    not_redeemed(&w, grant, "CS-RELEASE-017");
    refused(&w, "ruth", &["break-glass", "grant", id, "latest"], "CS-GLASS-005");
    w.cs(["verify"]).expect(0);
    assert_eq!(w.cs(["ledger", "rebuild", "--check", "--format", "json"]).expect(0).json()["differences"], json!([]));
}

#[test]
fn what_is_overdue_is_seen_everywhere_and_the_owners_are_told_step_by_step() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = denied();
    let owners = "version: 1\ngates:\n  - gate: release\n    owner: ruth\n    deputy: dan\n    respond_within: 1h\n    escalation:\n      \
                  - after: 2h\n        role: administrator\n    failure: closed\n    fallback: two officers decide on paper\n";
    std::fs::write(w.path("owners.yaml"), owners).unwrap();
    w.by("ruth", &["gate", "activate", w.path("owners.yaml").to_str().unwrap()]).expect(0);
    let j = open(&w, &[]);
    let id = j["break_glass"].as_str().unwrap();
    w.cs(["break-glass", "list", "--due"]).expect(0);
    let told = |w: &World, command: &str| w.cs(["break-glass", "notify", "--command", command, "--format", "json"]);
    assert_eq!(told(&w, "true").expect(0).json()["told"], json!([]));

    at(&mut w, "2030-01-02T00:00:00.001Z");
    let due = w.cs(["break-glass", "list", "--due", "--format", "json"]).expect(11).json();
    assert_eq!(due["emergencies"][0]["ratification"], "overdue");
    let env = w.cs(["environment", "show", "production"]).expect(0).out;
    assert!(env.contains("NON-COMPLIANT"), "{env}");
    let check = w.cs(["gate", "check", "--format", "json"]).expect(10).json();
    assert_eq!(check["non_compliant"], json!(["production"]));
    assert!(w.cs(["gate", "check"]).expect(10).out.contains("production is non-compliant: the ratification of"));
    let doctor = w.cs(["doctor"]);
    assert!(doctor.code == 1 && doctor.out.contains("production is non-compliant"), "{}", doctor.out);

    // One that fails is tried again, and is on record once; the next that takes it is on record, too.
    let failed = told(&w, "false").expect(5).json();
    assert_eq!((&failed["told"][0]["delivered"], &failed["told"][0]["attempts"]), (&false.into(), &3.into()));
    assert!(told(&w, "false").expect(5).json()["told"][0]["index"].is_null());
    assert_eq!(entries(&w, "BreakGlassPaged"), 1);
    let out = w.path("message");
    let program = w.path("pager");
    std::fs::write(&program, format!("#!/bin/sh\ncat > {}\n", out.display())).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let first = told(&w, program.to_str().unwrap()).expect(0).json();
    assert_eq!((&first["told"][0]["rung"], &first["told"].as_array().unwrap().len()), (&0.into(), &1));
    let envelope: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    let said: Value = serde_json::from_slice(&STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!((&said["predicate"]["break_glass"], &said["predicate"]["owed"]), (&id.into(), &"ratification".into()));
    assert_eq!(said["predicate"]["people"].as_array().unwrap().len(), 2, "owner and deputy");
    assert!(envelope["signatures"][0]["sig"].is_string(), "the recorder signs it");
    assert_eq!(told(&w, "true").expect(0).json()["told"], json!([]), "a step is told once");
    assert_eq!(entries(&w, "BreakGlassPaged"), 2);

    // The next step, to an address.
    at(&mut w, "2030-01-02T02:00:00.001Z");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/page", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut got = Vec::new();
        for status in ["503 Busy", "200 OK"] {
            let (mut stream, _) = listener.accept().unwrap();
            got.clear();
            let mut buffer = [0; 8192];
            while !got.ends_with(b"}") {
                let n = stream.read(&mut buffer).unwrap();
                assert!(n > 0);
                got.extend_from_slice(&buffer[..n]);
            }
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        }
        String::from_utf8(got).unwrap()
    });
    let second = w.cs(["break-glass", "notify", "--webhook", &url, "--format", "json"]).expect(0).json();
    let request = server.join().unwrap();
    assert!(request.starts_with("POST /page HTTP/1.1\r\n") && request.contains("\"payload\""), "{request}");
    assert_eq!((&second["told"][0]["rung"], &second["told"][0]["attempts"]), (&1.into(), &2.into()));
    assert_eq!(second["told"][0]["asked"], json!(["administrator"]));
    assert_ne!(w.cs(["break-glass", "notify", "--webhook", "http://example.org/x"]).code, 1);

    at(&mut w, "2030-01-05T00:00:00Z");
    let assessed = w.cs(["assess", "--from", "2029-12-31", "--framework", "sox", "--format", "json"]);
    assert!(assessed.out.contains("nobody else approved it afterwards"), "{}{}", assessed.out, assessed.err);

    // Late, by name; it is clear from then on, and stays on record.
    w.by("dan", &["break-glass", "ratify", id, "--statement", "seen", "--late"]).expect(0);
    w.cs(["break-glass", "list", "--due"]).expect(11);
    let review =
        ["break-glass", "review", id, "--findings", "a", "--root-cause", "b", "--corrective-action", "c", "--late"];
    w.by("omar", &review).expect(0);
    w.cs(["break-glass", "list", "--due"]).expect(0);
    assert!(w.cs(["environment", "show", "production"]).expect(0).out.contains("  compliant\n"));
    let j = w.cs(["break-glass", "show", id, "--format", "json"]).expect(0).json();
    assert_eq!(
        (&j["ratification"], &j["was_compliant"], &j["pages"].as_array().unwrap().len()),
        (&"late".into(), &false.into(), &3)
    );
    w.cs(["verify"]).expect(0);
}
