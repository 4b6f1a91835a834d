//! What people say with `--server`, by the real binary on both ends: the server gives out a statement, the client signs exactly that, and
//! nothing else is taken.

use base64::Engine as _;
use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::canonical;
use serde_json::{Value, json};

use super::api::{Program, body, code, token};
use super::server::{Answer, firm, said, serve};
use super::submit::{Pipeline, entries};
use super::support::{Ran, World};

const SCOPES: &str = "read,approve";

/// Signs a statement with somebody's key, as the client does.
pub(crate) fn signed(world: &World, who: &str, namespace: &str, statement: &[u8]) -> Vec<u8> {
    let file = world.path("statement");
    std::fs::write(&file, statement).unwrap();
    let _ = std::fs::remove_file(world.path("statement.sig"));
    let mut command = world.command("ssh-keygen", &world.path(""));
    command.args(["-Y", "sign", "-q", "-n", namespace, "-f"]).arg(world.path(who)).arg(&file);
    assert!(command.status().unwrap().success());
    let armored = std::fs::read_to_string(world.path("statement.sig")).unwrap();
    let public = std::fs::read_to_string(world.public(who)).unwrap().trim().parse().unwrap();
    SignedAct::new(namespace, statement, &armored, &public).unwrap().to_vec().unwrap()
}

/// Asks what is to be signed to say something.
pub(crate) fn prepare(program: &Program<'_>, key: &str, act: &Value) -> Answer {
    let sent = json!({"key": key, "host": "laptop", "act": act}).to_string();
    let headers = [("authorization", program.1.as_str()), ("content-type", "application/json")];
    program.0.send("POST", "/api/v1/acts/prepare", &headers, &sent)
}

/// Hands acts in.
pub(crate) fn hand_in(program: &Program<'_>, key: Option<&str>, condition: Option<&str>, acts: &[Vec<u8>]) -> Answer {
    let encode = |act: &Vec<u8>| base64::engine::general_purpose::STANDARD.encode(act);
    let sent = json!({"acts": acts.iter().map(encode).collect::<Vec<_>>()}).to_string();
    let mut headers = vec![("authorization", program.1.as_str()), ("content-type", "application/json")];
    let condition = condition.map(|condition| format!("\"{condition}\""));
    headers.extend(key.map(|key| ("idempotency-key", key)));
    headers.extend(condition.as_deref().map(|condition| ("if-match", condition)));
    program.0.send("POST", "/api/v1/acts", &headers, &sent)
}

/// The statements that were given out.
pub(crate) fn statements(given: &Value) -> Vec<Vec<u8>> {
    let all = given["acts"].as_array().unwrap().iter();
    all.map(|one| base64::engine::general_purpose::STANDARD.decode(one["statement"].as_str().unwrap()).unwrap())
        .collect()
}

pub(crate) fn fingerprint(world: &World, person: &str) -> String {
    let keys = world.cs(["person", "key", "list", person, "--format", "json"]).expect(0).json();
    keys["keys"][0]["fingerprint"].as_str().unwrap().to_owned()
}

/// A command of somebody's, on a machine without the ledger.
pub(crate) fn by(pipeline: &Pipeline<'_>, person: &str, args: &[&str]) -> Ran {
    let key = pipeline.world.path(person);
    pipeline.cs(&[args, &["--key", key.to_str().unwrap()]].concat())
}

pub(crate) fn shows(pipeline: &Pipeline<'_>, person: &str) {
    pipeline.shows(&token(pipeline.world, person, SCOPES));
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Without what differs from one entry to the next.
pub(crate) fn but(mut value: Value, fields: &[&str]) -> Value {
    for field in fields {
        value.as_object_mut().unwrap().remove(*field).unwrap_or_else(|| panic!("no {field}"));
    }
    value
}

/// A command is refused over the network as where the ledger is; what it says.
#[track_caller]
pub(crate) fn refused(world: &World, pipeline: &Pipeline<'_>, person: &str, args: &[&str]) -> String {
    let (there, here) = (by(pipeline, person, args), world.by(person, args));
    assert_eq!((there.code, code_of(&there)), (here.code, code_of(&here)), "{args:?}: {}", there.all());
    assert!(there.code != 0, "{args:?}");
    there.err
}

#[test]
fn a_run_is_rejected_and_the_rejection_taken_back_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "mia", "read,submit"));
    let ran = pipeline.cs(&["run", "--ticket", "CHG-1", "--reason", "why", "--format", "json"]).expect(11).json();
    let run = text(&ran["run"]);
    const KINDS: [&str; 3] = ["ApprovalRejected", "ApprovalWithdrawn", "ActRefused"];

    shows(&pipeline, "dan");
    let ran = by(&pipeline, "dan", &["reject", "latest", "--reason", "no test plan"]).expect(0);
    let index = said(&world, "ApprovalRejected")[0]["index"].as_u64().unwrap();
    assert!(ran.out.starts_with(&format!("✓ {run} rejected by dan (entry {index})\n")), "{}", ran.out);
    assert!(ran.err.contains("reason \"no test plan\""), "it was shown before it was signed: {}", ran.err);
    let again = by(&pipeline, "dan", &["reject", "latest", "--reason", "no test plan"]).expect(4);
    assert!(again.err.contains("CS-APPROVAL-0"), "{}", again.err);
    let there =
        by(&pipeline, "dan", &["withdraw", &run, "--reason", "it was sent", "--format", "json"]).expect(0).json();
    assert_eq!(there["ended"], json!([index]));
    assert_eq!(entries(&world, &KINDS), [1, 1, 1]);
    // Where the ledger is, the same is printed.
    let here = world.by("dan", &["reject", &run, "--reason", "no test plan", "--format", "json"]).expect(0).json();
    world.by("dan", &["withdraw", &run, "--reason", "no"]).expect(0);
    let there =
        by(&pipeline, "dan", &["reject", &run, "--reason", "no test plan", "--format", "json"]).expect(0).json();
    let entry = |value: &Value| format!("(entry {})", value["index"]);
    let (from, to) = (entry(&there), entry(&here));
    let there: Value = serde_json::from_str(&there.to_string().replace(&from, &to)).unwrap();
    assert_eq!(but(there, &["index"]), but(here, &["index"]));
    let text = by(&pipeline, "dan", &["withdraw", &run, "--reason", "no"]).expect(0).out;
    assert!(text.contains("taken back by dan (entry ") && text.contains("counts no more"), "{text}");
    // Nothing of hers stands, and an author has no say.
    let ran = by(&pipeline, "dan", &["withdraw", &run, "--reason", "no"]);
    let here = world.by("dan", &["withdraw", &run, "--reason", "no"]);
    assert_eq!((ran.code, code_of(&ran)), (here.code, code_of(&here)), "{}", ran.all());
    shows(&pipeline, "mia");
    let ran = by(&pipeline, "mia", &["reject", &run, "--reason", "no"]);
    let here = world.by("mia", &["reject", &run, "--reason", "no"]);
    assert_eq!((ran.code, code_of(&ran)), (here.code, code_of(&here)), "{}", ran.all());
    for (run, reason) in [("latest", " "), ("run-00000000000000000000", "no")] {
        let ran = by(&pipeline, "mia", &["reject", run, "--reason", reason]);
        let here = world.by("mia", &["reject", run, "--reason", reason]);
        assert_eq!((ran.code, code_of(&ran)), (here.code, code_of(&here)), "{}", ran.all());
    }
    // Whoever shows one's token and signs with another's key says nothing.
    let before = entries(&world, &KINDS);
    let ran = by(&pipeline, "dan", &["reject", &run, "--reason", "no"]).expect(4);
    assert!(ran.err.contains("CS-SERVER-024"), "{}", ran.err);
    assert_eq!(entries(&world, &KINDS), [before[0], before[1], before[2] + 1]);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

pub(crate) fn code_of(ran: &Ran) -> String {
    let code = ran.err.split("error[").nth(1).and_then(|rest| rest.split(']').next()).unwrap_or("none").to_owned();
    // What a server says stands behind its sentence.
    if code == "CS-REMOTE-003" {
        return ran.err.split(" [CS-").nth(1).and_then(|r| r.split(']').next()).map(|c| format!("CS-{c}")).unwrap();
    }
    code
}

#[test]
fn waivers_are_asked_for_and_decided_from_machines_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "mia", "read,submit"));
    pipeline.cs(&["run", "--ticket", "CHG-1", "--reason", "why"]).expect(11);
    const KINDS: [&str; 5] = ["WaiverRequested", "WaiverGranted", "WaiverRejected", "WaiverRevoked", "ActRefused"];
    let request =
        ["waive", "request", "--control", "secrets-out-of-source", "--path", "old/**", "--accept", "It is old."];

    shows(&pipeline, "mia");
    let ran = by(&pipeline, "mia", &[&request[..], &["--days", "30"]].concat()).expect(0);
    let listed = |n: usize| world.cs(["waive", "list", "--format", "json"]).expect(0).json()["waivers"][n].clone();
    let id = text(&listed(0)["waiver"]);
    assert!(ran.out.starts_with(&format!("✓ {id} is asked for (entry ")), "{}", ran.out);
    assert!(ran.out.contains("a compliance-officer who did not ask"), "{}", ran.out);
    assert!(ran.err.contains("acceptance \"It is old.\""), "{}", ran.err);
    // What she may not, she may not from here either, and that is recorded.
    for (args, code) in [
        (vec!["waive", "grant", &id, "--reason", "mine"], "CS-WAIVER-"),
        (vec!["waive", "grant", "wai-none", "--reason", "mine"], "CS-WAIVER-"),
    ] {
        let ran = by(&pipeline, "mia", &args);
        let here = world.by("mia", &args);
        assert_eq!((ran.code, code_of(&ran)), (here.code, code_of(&here)), "{}", ran.all());
        assert!(ran.err.contains(code), "{}", ran.err);
    }
    assert_eq!(entries(&world, &KINDS), [1, 0, 0, 0, 2]);

    shows(&pipeline, "ruth");
    let there = by(&pipeline, "ruth", &["waive", "grant", &id[..8], "--reason", "for a month"]).expect(0).out;
    let until = text(&listed(0)["expires"]);
    assert!(there.contains(&format!("✓ {id} is granted until {until} (entry ")), "{there}");
    assert!(there.ends_with("What it covers stays visible.\n"), "{there}");
    assert_eq!(listed(0)["state"], "active");
    let ran = by(&pipeline, "ruth", &["waive", "grant", &id, "--reason", "again"]);
    let here = world.by("ruth", &["waive", "grant", &id, "--reason", "again"]);
    assert_eq!((ran.code, code_of(&ran)), (here.code, code_of(&here)), "{}", ran.all());

    shows(&pipeline, "mia");
    let renew = ["waive", "renew", &id, "--accept", "Still old.", "--days", "10"];
    let ran = by(&pipeline, "mia", &renew).expect(0).out;
    assert!(ran.contains("It is renewal 1. Next:"), "{ran}");
    let second = text(&listed(1)["waiver"]);
    shows(&pipeline, "ruth");
    let there = by(&pipeline, "ruth", &["waive", "reject", &second, "--reason", "fix it", "--format", "json"]);
    let there = there.expect(0).json();
    assert_eq!(but(there, &["index"]), json!({"version": 1, "waiver": second}));
    let ran = by(&pipeline, "ruth", &["waive", "revoke", &id, "--reason", "it is used again"]).expect(0).out;
    assert!(ran.contains(&format!("{id} is revoked (entry ")), "{ran}");
    assert_eq!((&listed(0)["state"], &listed(1)["state"]), (&json!("revoked"), &json!("rejected")));

    // From a day on, with another control that does the work, and about one finding by the start of its fingerprint.
    shows(&pipeline, "mia");
    let from = ["--from", "2099-01-01", "--category", "mitigated", "--compensating", "dual-approval"];
    by(&pipeline, "mia", &[&request[..], &from].concat()).expect(0);
    assert_eq!(
        (&listed(2)["not_before"], &listed(2)["category"]),
        (&json!("2099-01-01T00:00:00.000Z"), &json!("mitigated"))
    );
    let ran = by(&pipeline, "mia", &[&request[..], &["--finding", "abcdef"]].concat()).expect(2);
    assert!(ran.err.contains("means 0 findings"), "{}", ran.err);
    let ran = by(&pipeline, "mia", &[&request[..2], &["--control", "none", "--path", "a", "--accept", "x"]].concat());
    let here = world.by("mia", &[&request[..2], &["--control", "none", "--path", "a", "--accept", "x"]].concat());
    assert_eq!((ran.code, code_of(&ran)), (here.code, code_of(&here)), "{}", ran.all());
    assert_eq!(entries(&world, &KINDS)[..4], [3, 1, 1, 1]);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn a_grant_is_taken_back_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    world.approve();
    let server = serve(&world);
    let issue = ["grant", "issue", "latest", "--env", "production", "--format", "json"];
    let id = text(&world.by("omar", &issue).expect(0).json()["grant"]["id"]);
    let pipeline = Pipeline::new(&world, &server, token(&world, "mia", SCOPES));
    let ran = by(&pipeline, "mia", &["grant", "revoke", &id, "--reason", "no"]);
    let here = world.by("mia", &["grant", "revoke", &id, "--reason", "no"]);
    assert_eq!((ran.code, code_of(&ran)), (here.code, code_of(&here)), "{}", ran.all());
    shows(&pipeline, "omar");
    let there = by(&pipeline, "omar", &["grant", "revoke", &id[..8], "--reason", "not today", "--format", "json"]);
    let there = there.expect(0).json();
    assert_eq!(but(there, &["index"]), json!({"version": 1, "grant": id, "revoked": true}));
    let ran = by(&pipeline, "omar", &["grant", "revoke", &id, "--reason", "not today"]);
    let here = world.by("omar", &["grant", "revoke", &id, "--reason", "not today"]);
    assert_eq!((ran.code, code_of(&ran)), (here.code, code_of(&here)), "{}", ran.all());
    assert_eq!(entries(&world, &["GrantRevoked"]), [1]);
    let second = text(&world.by("omar", &issue).expect(0).json()["grant"]["id"]);
    let ran = by(&pipeline, "omar", &["grant", "revoke", &second, "--reason", "not today"]).expect(0).out;
    assert!(ran.starts_with(&format!("✓ {second} is revoked (entry ")), "{ran}");
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn only_exactly_what_was_given_out_is_taken_and_once() {
    let Some(world) = firm() else { return };
    world.approve();
    let request = ["waive", "request", "--control", "secrets-out-of-source", "--path", "a", "--accept", "x"];
    let asked = world.by("mia", &[&request[..], &["--format", "json"]].concat()).expect(0).json();
    let waiver = text(&asked["waiver"]);
    let server = serve(&world);
    let ruth = Program::new(&server, &token(&world, "ruth", SCOPES));
    let dan = Program::new(&server, &token(&world, "dan", SCOPES));
    let (of_ruth, of_dan) = (fingerprint(&world, "ruth"), fingerprint(&world, "dan"));
    const KINDS: [&str; 2] = ["WaiverGranted", "ActRefused"];
    let grant = json!({"kind": "waive-grant", "waiver": waiver, "reason": "for now"});

    // Nothing is given out for a key of somebody else, and nothing that its person may not say.
    assert_eq!(code(&prepare(&dan, &of_ruth, &grant).expect(403)), "CS-SERVER-024");
    let mia = Program::new(&server, &token(&world, "mia", SCOPES));
    assert_eq!(prepare(&mia, &fingerprint(&world, "mia"), &grant).status, 403);
    for bad in [
        json!({"kind": "waive-grant", "waiver": waiver}),
        json!({"kind": "waive-grant", "waiver": waiver, "reason": "x", "more": 1}),
        json!({"kind": "role-grant", "person": "mia"}),
        json!({}),
    ] {
        assert_eq!(code(&prepare(&ruth, &of_ruth, &bad).expect(400)), "CS-SERVER-110", "{bad}");
    }
    assert_eq!(entries(&world, &KINDS), [0, 2]);

    let given = body(&prepare(&ruth, &of_ruth, &grant).expect(200));
    assert_eq!(entries(&world, &KINDS), [0, 2], "looking appends nothing");
    assert_eq!((&given["name"], &given["about"]["waiver"]), (&json!("ruth"), &json!(waiver)));
    let (statement, namespace) = (statements(&given).remove(0), act::WAIVER);
    assert_eq!(given["acts"][0]["namespace"], namespace);
    assert_eq!(given["acts"][0]["digest"], countersign_model::Digest::of(&statement).to_string());
    let condition = text(&given["condition"]);
    let good = signed(&world, "ruth", namespace, &statement);
    let mut key = 0_u32;
    let mut once = || {
        key += 1;
        format!("key-{key:016}")
    };
    let mut refused = 2;
    let try_it = |program: &Program<'_>, condition: Option<&str>, acts: &[Vec<u8>], key: &str| {
        hand_in(program, Some(key), condition, acts)
    };

    // What is missing, and what changed in between.
    assert_eq!(code(&hand_in(&ruth, None, Some(&condition), std::slice::from_ref(&good)).expect(400)), "CS-SERVER-083");
    let answer = try_it(&ruth, None, std::slice::from_ref(&good), &once());
    assert_eq!(code(&answer.expect(428)), "CS-SERVER-086");
    let old = format!("sha256:{}", "0".repeat(64));
    let answer = try_it(&ruth, Some(&old), std::slice::from_ref(&good), &once());
    assert_eq!(code(&answer.expect(412)), "CS-SERVER-113");

    // What somebody else's token shows, what another key signed, what is signed for something else, and what says something else.
    let answer = try_it(&dan, Some(&condition), std::slice::from_ref(&good), &once());
    assert_eq!(code(&answer.expect(403)), "CS-SERVER-024");
    let by_dan = signed(&world, "dan", namespace, &statement);
    assert_eq!(
        code(&try_it(&ruth, Some(&condition), std::slice::from_ref(&by_dan), &once()).expect(403)),
        "CS-SERVER-024"
    );
    let answer = try_it(&dan, Some(&condition), std::slice::from_ref(&by_dan), &once());
    assert_eq!(code(&answer.expect(409)), "CS-HANDED-002", "it says that ruth grants");
    for other in [act::WAIVER_REJECTION, act::ROLE] {
        let act = signed(&world, "ruth", other, &statement);
        assert_eq!(code(&try_it(&ruth, Some(&condition), &[act], &once()).expect(403)), "CS-HANDED-001", "{other}");
    }
    refused += 5;
    let changed = |path: &str, value: Value| {
        let mut said: Value = serde_json::from_slice(&statement).unwrap();
        *said.pointer_mut(path).unwrap() = value;
        canonical::to_vec(&said).unwrap()
    };
    let mut all = vec![
        ("/predicate/reason", json!("for now "), 409, "CS-HANDED-002"),
        ("/predicate/request", json!(format!("sha256:{}", "0".repeat(64))), 409, "CS-HANDED-002"),
        ("/predicate/by", json!("per-00000000000000000000"), 409, "CS-HANDED-002"),
        ("/predicate/origin", json!("example.org/other"), 409, "CS-HANDED-002"),
        ("/predicate/waiver", json!(&waiver[..10]), 409, "CS-HANDED-002"),
        ("/predicate/time", json!("2026-01-01T00:00:00.000Z"), 409, "CS-HANDED-003"),
        ("/predicate/time", json!("2099-01-01T00:00:00.000Z"), 409, "CS-HANDED-003"),
        ("/predicate/time", json!("soon"), 403, "CS-HANDED-001"),
        ("/subject/0/name", json!("example.org/other"), 409, "CS-HANDED-002"),
    ];
    refused += all.len();
    for (path, value, status, expected) in all.drain(..) {
        let act = signed(&world, "ruth", namespace, &changed(path, value.clone()));
        let answer = try_it(&ruth, Some(&condition), &[act], &once());
        assert_eq!((answer.status, code(&answer).as_str()), (status, expected), "{path} {value}: {}", answer.body);
    }
    // A signature over another statement does not verify over this one.
    let foreign = signed(&world, "ruth", namespace, &changed("/predicate/reason", json!("other")));
    let mut mixed: Value = serde_json::from_slice(&good).unwrap();
    mixed["signature"] = serde_json::from_slice::<Value>(&foreign).unwrap()["signature"].clone();
    let mixed = canonical::to_vec(&mixed).unwrap();
    let answer = try_it(&ruth, Some(&condition), &[mixed], &once());
    assert_eq!(answer.status, 403, "{}", answer.body);
    refused += 1;
    for bad in [&[][..], &[b"{}".to_vec(), b"{}".to_vec(), b"{}".to_vec()]] {
        assert_eq!(code(&try_it(&ruth, Some(&condition), bad, &once()).expect(400)), "CS-SERVER-110");
    }
    assert_eq!(code(&try_it(&ruth, Some(&condition), &[b"{}".to_vec()], &once()).expect(403)), "CS-HANDED-001");
    refused += 1;
    assert_eq!(entries(&world, &KINDS), [0, refused]);

    // It is taken, by whoever sends it at the same time: one entry, one answer.
    let sure = "0123456789abcdef";
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let one = || hand_in(&ruth, Some(sure), Some(&condition), std::slice::from_ref(&good));
        let all: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let taken: Vec<Value> = answers.into_iter().map(|answer| body(&answer.expect(200))).collect();
    assert!(taken.iter().all(|one| *one == taken[0]), "{taken:?}");
    assert_eq!(entries(&world, &KINDS)[0], 1);
    // Whoever lost the answer sends it again, under the same key or another; something else under the key is refused.
    for (key, condition) in [(sure.to_owned(), Some(condition.as_str())), (once(), Some(old.as_str())), (once(), None)]
    {
        let again = hand_in(&ruth, Some(&key), condition, std::slice::from_ref(&good)).expect(200);
        assert_eq!(body(&again), taken[0]);
    }
    let answer = try_it(&ruth, Some(&condition), std::slice::from_ref(&foreign), sure);
    assert_eq!(code(&answer.expect(422)), "CS-SUBMIT-002");
    // The key is its sender's.
    let of_dans =
        body(&prepare(&dan, &of_dan, &json!({"kind": "waive-revoke", "waiver": waiver, "reason": "no"})).expect(200));
    let act = signed(&world, "dan", act::WAIVER_REVOCATION, &statements(&of_dans)[0]);
    try_it(&dan, of_dans["condition"].as_str(), &[act], sure).expect(200);
    assert_eq!(entries(&world, &["WaiverGranted", "WaiverRevoked"]), [1, 1]);

    // What is in the ledger is what ssh-keygen verifies, and what everybody believes who reads it anew.
    let entry = &said(&world, "WaiverGranted")[0];
    assert_eq!(entry["index"], taken[0]["index"]);
    let signers = world.path("signers");
    let public = std::fs::read_to_string(world.public("ruth")).unwrap();
    std::fs::write(&signers, format!("ruth {public}")).unwrap();
    let armored: Value = serde_json::from_slice(&good).unwrap();
    std::fs::write(world.path("act.sig"), armored["signature"].as_str().unwrap()).unwrap();
    std::fs::write(world.path("act"), &statement).unwrap();
    let mut verify = world.command("ssh-keygen", &world.path(""));
    verify.args(["-Y", "verify", "-q", "-I", "ruth", "-n", namespace, "-f"]).arg(&signers);
    verify.arg("-s").arg(world.path("act.sig")).stdin(std::fs::File::open(world.path("act")).unwrap());
    assert!(verify.status().unwrap().success());
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
    assert_eq!(body(&ruth.get("/api/v1/ledger").expect(200))["disbelieved"], json!([]));
}

#[test]
fn the_glass_is_broken_and_what_that_owes_is_done_from_machines_without_the_ledger() {
    let Some(world) = firm() else { return };
    world.by("ada", &["environment", "register", "production", "--tier", "production"]).expect(0);
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "mia", "read,submit"));
    pipeline.cs(&["run", "--ticket", "CHG-1", "--reason", "why"]).expect(11);
    const KINDS: [&str; 6] = [
        "BreakGlassOpened",
        "GrantIssued",
        "BreakGlassClosed",
        "BreakGlassRatified",
        "BreakGlassReviewed",
        "ActRefused",
    ];
    let bare = ["break-glass", "open", "latest", "--environment", "production", "--reason", "clients cannot pay"];
    let open = [&bare[..], &["--ticket", "INC-1"]].concat();
    // Who is no security officer breaks no glass from here either.
    shows(&pipeline, "omar");
    let ran = by(&pipeline, "omar", &open);
    let here = world.by("omar", &open);
    assert_eq!((ran.code, code_of(&ran)), (here.code, code_of(&here)), "{}", ran.all());
    assert_eq!(entries(&world, &KINDS), [0, 0, 0, 0, 0, 2]);

    shows(&pipeline, "ruth");
    for args in [[&bare[..], &["--ticket", "none"]].concat(), [&open[..], &["--application", "none"]].concat()] {
        let (ran, here) = (by(&pipeline, "ruth", &args), world.by("ruth", &args));
        assert_eq!((ran.code, code_of(&ran)), (here.code, code_of(&here)), "{}", ran.all());
    }
    let file = world.path("emergency.json");
    let out = ["--minutes", "30", "--out", file.to_str().unwrap(), "--format", "json"];
    let opened = by(&pipeline, "ruth", &[&open[..], &out].concat()).expect(0).json();
    assert_eq!(entries(&world, &KINDS)[..2], [1, 1]);
    let id = text(&opened["break_glass"]);
    assert_eq!(opened["grant"]["file"], file.to_str().unwrap());
    let row = world.cs(["break-glass", "show", &id, "--format", "json"]).expect(0).json();
    assert_eq!((&row["index"], &row["ratify_by"]), (&opened["opened"], &opened["ratify_by"]));
    assert_eq!(row["grants"][0]["standing"], opened["standing"]);
    assert_eq!((&row["reason"], &row["ticket"]), (&json!("clients cannot pay"), &json!("INC-1")));
    // What a command prints where the ledger is has the same fields.
    let here = world.by("ruth", &[&open[..], &["--format", "json"]].concat()).expect(0).json();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((names(&opened), names(&opened["grant"])), (names(&here), names(&here["grant"])));
    world.by("ruth", &["break-glass", "close", &text(&here["break_glass"]), "--reason", "once more"]).expect(0);

    // The grant goes past the gates once, from another machine; a further one needs another grant.
    pipeline.shows(&token(&world, "mia", "read,deploy"));
    pipeline.cs(&["deploy", "--grant", file.to_str().unwrap(), "--", "true"]).expect(0);
    pipeline.cs(&["deploy", "--grant", &text(&opened["grant"]["token"]), "--", "true"]).expect(4);
    shows(&pipeline, "omar");
    let further = by(&pipeline, "omar", &["break-glass", "grant", &id, "latest"]).expect(0).out;
    assert!(further.contains("goes past the gates of production") && further.contains(" --server "), "{further}");

    // What it owes: it is over, then others say that it was one, and look at it.
    shows(&pipeline, "dan");
    let ratify = ["break-glass", "ratify", &id, "--statement", "I looked at what was let past."];
    let (ran, here) = (by(&pipeline, "dan", &ratify), world.by("dan", &ratify));
    assert_eq!((ran.code, code_of(&ran)), (here.code, code_of(&here)), "{}", ran.all());
    shows(&pipeline, "ruth");
    let ran = by(&pipeline, "ruth", &["break-glass", "close", &id[..8], "--reason", "they can pay"]).expect(0).out;
    assert!(ran.starts_with(&format!("✓ {id} is closed (entry ")), "{ran}");
    let (ran, here) = (by(&pipeline, "ruth", &ratify), world.by("ruth", &ratify));
    assert_eq!((ran.code, code_of(&ran)), (here.code, code_of(&here)), "{}", ran.all());
    shows(&pipeline, "dan");
    let there = by(&pipeline, "dan", &[&ratify[..], &["--format", "json"]].concat()).expect(0).json();
    assert_eq!(but(there, &["index"]), json!({"version": 1, "break_glass": id, "ratified": true, "late": false}));
    let late = [&ratify[..], &["--late"]].concat();
    let (ran, here) = (by(&pipeline, "dan", &late), world.by("dan", &late));
    assert_eq!((ran.code, code_of(&ran)), (here.code, code_of(&here)), "{}", ran.all());
    world.key("sol");
    let public = world.public("sol");
    world.by("ada", &["person", "add", "sol", "--ssh-key", public.to_str().unwrap()]).expect(0);
    world.by("ada", &["role", "grant", "sol", "compliance-officer", "--reason", "x"]).expect(0);
    shows(&pipeline, "sol");
    let review = ["break-glass", "review", &id, "--findings", "a full disk", "--root-cause", "no alarm"];
    let review = [&review[..], &["--corrective-action", "an alarm"]].concat();
    let ran = by(&pipeline, "sol", &review).expect(0).out;
    assert!(ran.starts_with(&format!("✓ {id} is reviewed (entry ")), "{ran}");
    let row = world.cs(["break-glass", "show", &id, "--format", "json"]).expect(0).json();
    assert_eq!((&row["ratification"], &row["review"]), (&json!("done"), &json!("done")));
    assert_eq!(entries(&world, &KINDS)[..5], [2, 3, 2, 1, 1]);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}
