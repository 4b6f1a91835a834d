//! What people ask and answer in an audit with `--server`, by the real binary on both ends: a text is sealed where the ledger is, looked at
//! where it was written, and taken back as it was given out or not at all.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_evidence::openpgp::LARGEST_CERTIFICATE;
use countersign_evidence::seal::{self, Opener, SubjectKey};
use countersign_evidence::{act, canonical};
use countersign_model::Digest;
use serde_json::{Value, json};

use super::api::{Program, body, code, token};
use super::remote_acts::{by, code_of, fingerprint, prepare, signed, statements};
use super::server::{Answer, firm, said, serve};
use super::submit::{Pipeline, entries};
use super::support::World;

const KINDS: [&str; 7] = [
    "AuditOpened",
    "AuditRequested",
    "AuditAnswered",
    "AuditFollowedUp",
    "AuditRequestClosed",
    "AuditClosed",
    "ActRefused",
];
const OPEN: [&str; 8] = ["audit", "open", "--name", "SOX 2026", "--from", "2026-01-01", "--to", "2031-01-01"];

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn shows(pipeline: &Pipeline<'_>, person: &str, scopes: &str) {
    pipeline.shows(&token(pipeline.world, person, scopes));
}

/// A person's id.
fn person(world: &World, name: &str) -> String {
    let people = world.cs(["person", "list", "--format", "json"]).expect(0).json();
    let all = people["people"].as_array().or_else(|| people.as_array()).unwrap().clone();
    let one = all.iter().find(|p| p["name"] == name).unwrap();
    text(if one["id"].is_string() { &one["id"] } else { &one["person"] })
}

/// What is refused from a machine without the ledger is refused as where it is, and is recorded the same number of times.
fn refused_alike(pipeline: &Pipeline<'_>, who: &str, args: &[&str], expected: &str) {
    let world = pipeline.world;
    let before = entries(world, &["ActRefused"])[0];
    let there = by(pipeline, who, args);
    let between = entries(world, &["ActRefused"])[0];
    let here = world.by(who, args);
    let after = entries(world, &["ActRefused"])[0];
    assert_eq!((there.code, code_of(&there)), (here.code, code_of(&here)), "{args:?}: {}", there.all());
    assert_eq!(code_of(&there), expected, "{}", there.all());
    assert_eq!(between - before, after - between, "{args:?}");
}

#[test]
fn an_audit_is_held_from_machines_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "ruth", "read,approve"));
    let olga = person(&world, "olga");

    // Who opens it, and for whom: names are looked up, which takes a scope; an id needs none.
    let for_olga = [&OPEN[..], &["--auditor", "olga"]].concat();
    assert_eq!(code_of(&by(&pipeline, "ruth", &for_olga).expect(4)), "CS-SERVER-052");
    let by_id = [&OPEN[..], &["--auditor", &olga, "--framework", "sox", "--format", "json"]].concat();
    let there = by(&pipeline, "ruth", &by_id).expect(0).json();
    let here = world.by("ruth", &by_id).expect(0).json();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((names(&there), &there["version"]), (names(&here), &here["version"]));
    shows(&pipeline, "ruth", "read,audit,approve");
    let ran = by(&pipeline, "ruth", &[&for_olga[..], &["--mask", "names", "--mask", "hosts"]].concat()).expect(0);
    let opened = said(&world, "AuditOpened");
    let (index, audit) = (&opened[2]["index"], text(&opened[2]["entry"]["stream"]));
    let next = format!("next: an auditor asks: countersign audit request {audit} --control ID --text TEXT\n");
    assert_eq!(ran.out, format!("audit {audit} is open (entry {index})\n{next}"));
    assert!(ran.err.contains("masked [\"names\",\"hosts\"]"), "it was shown before it was signed: {}", ran.err);
    let none = [&OPEN[..], &["--auditor", "nobody"]].concat();
    assert_eq!(code_of(&by(&pipeline, "ruth", &none)), code_of(&world.by("ruth", &none)));
    refused_alike(&pipeline, "ruth", &[&OPEN[..], &["--auditor", "dan"]].concat(), "CS-AUDIT-076");
    refused_alike(&pipeline, "ruth", &[&OPEN[..], &["--framework", "sux"]].concat(), "CS-ASSESS-001");
    refused_alike(&pipeline, "ruth", &["audit", "request", "aud-none", "--text", "x"], "CS-AUDIT-060");
    shows(&pipeline, "olga", "read,audit,approve");
    refused_alike(&pipeline, "olga", &OPEN, "CS-ACCESS-011");

    // She asks.
    let question = "Who approved release 7?\nPlease show the ticket.";
    let ask = ["audit", "request", &audit[..10], "--control", "dual-approval", "--text", question];
    let looks = entries(&world, &["EvidenceViewed"])[0];
    let ran = by(&pipeline, "olga", &ask).expect(0);
    assert!(entries(&world, &["EvidenceViewed"])[0] > looks, "what an auditor is shown is recorded");
    let asked = &said(&world, "AuditRequested")[0];
    let request = text(&asked["entry"]["stream"]);
    let thread = |format: &str| world.cs(["audit", "thread", &request, "--format", format]).expect(0);
    let due = text(&thread("json").json()["due"]);
    let next = format!("next: somebody who answers for it: countersign audit answer {request} --text TEXT\n");
    let line = format!("request {request} waits for an answer until {due} (entry {})\n", asked["index"]);
    assert_eq!(ran.out, line + &next);
    assert_eq!(thread("json").json()["messages"][0]["text"], question, "it is read where the ledger is");
    assert!(!world.ledger_text().contains("Who approved") && !world.ledger_text().contains("the ticket"));
    let bare = ["audit", "request", &audit];
    refused_alike(&pipeline, "olga", &[&bare[..], &["--text", " "]].concat(), "CS-AUDIT-068");
    refused_alike(&pipeline, "olga", &[&bare[..], &["--text", "x", "--control", "none"]].concat(), "CS-ASSESS-002");
    refused_alike(&pipeline, "olga", &[&bare[..], &["--text", "x", "--due", "2026-01-01"]].concat(), "CS-AUDIT-069");
    refused_alike(&pipeline, "olga", &["audit", "answer", &request, "--text", "x"], "CS-AUDIT-064");
    refused_alike(&pipeline, "olga", &["audit", "follow-up", &request, "--text", "x"], "CS-AUDIT-063");
    refused_alike(&pipeline, "olga", &["audit", "close", &audit], "CS-AUDIT-073");
    // Of an audit that is none of hers she is told nothing, not even that it is there.
    let before = entries(&world, &["ActRefused"])[0];
    let other = text(
        &world.by("ruth", &[&OPEN[..], &["--auditor", "olga", "--format", "json"]].concat()).expect(0).json()["audit"],
    );
    world.by("ruth", &["audit", "close", &other]).expect(0);
    assert_eq!(code_of(&by(&pipeline, "olga", &["audit", "request", &other, "--text", "x"]).expect(2)), "CS-AUDIT-062");
    assert_eq!(
        code_of(&by(&pipeline, "olga", &["audit", "request", "aud-none", "--text", "x"]).expect(3)),
        "CS-SERVER-022"
    );
    assert_eq!(entries(&world, &["ActRefused"])[0], before + 1);

    // Somebody answers, she asks on, it is answered and closed.
    shows(&pipeline, "dan", "read,approve");
    refused_alike(&pipeline, "dan", &ask, "CS-ACCESS-011");
    let answer = ["audit", "answer", &request, "--text", "Ruth and Dan did."];
    refused_alike(&pipeline, "dan", &[&answer[..], &["--evidence", "100000"]].concat(), "CS-AUDIT-070");
    refused_alike(&pipeline, "dan", &[&answer[..], &["--pack", &"1".repeat(64)]].concat(), "CS-AUDIT-071");
    let ran = by(&pipeline, "dan", &[&answer[..], &["--evidence", "3", "--evidence", "0"]].concat()).expect(0);
    let index = &said(&world, "AuditAnswered")[0]["index"];
    assert!(
        ran.out.starts_with(&format!("request {request} is answered (entry {index})\nnext: an auditor asks on (")),
        "{}",
        ran.out
    );
    refused_alike(&pipeline, "dan", &answer, "CS-AUDIT-063");
    shows(&pipeline, "olga", "read,audit,approve");
    by(&pipeline, "olga", &["audit", "follow-up", &request, "--text", "And the ticket?", "--due", "2099-01-01"])
        .expect(0);
    assert_eq!(thread("json").json()["due"], "2099-01-01T00:00:00.000Z");
    shows(&pipeline, "mia", "read,approve");
    let there =
        by(&pipeline, "mia", &["audit", "answer", &request, "--text", "CHG-7", "--format", "json"]).expect(0).json();
    assert_eq!((&there["request"], &there["version"]), (&json!(request), &json!(1)));
    let said_there = thread("text").out;
    for text in
        ["asked by olga", "Who approved release 7?", "answered by dan", "entries 0, 3", "And the ticket?", "CHG-7"]
    {
        assert!(said_there.contains(text), "{text}: {said_there}");
    }
    shows(&pipeline, "olga", "read,audit,approve");
    let ran = by(&pipeline, "olga", &["audit", "close", &request]).expect(0);
    assert!(ran.out.starts_with(&format!("request {request} is closed (entry ")), "{}", ran.out);
    refused_alike(&pipeline, "olga", &["audit", "close", &request], "CS-AUDIT-063");

    // What was said is read from there as from here, and names that are kept from an auditor stay so.
    shows(&pipeline, "ruth", "read,audit,approve");
    for args in [
        vec!["audit", "requests"],
        vec!["audit", "requests", "--open"],
        vec!["audit", "requests", &audit],
        vec!["audit", "thread", &request[..12]],
    ] {
        for format in ["text", "json"] {
            let args = [&args[..], &["--format", format]].concat();
            assert_eq!(pipeline.cs(&args).expect(0).out, world.cs(&args).expect(0).out, "{args:?}");
        }
    }
    for args in [["audit", "requests", "aud-none"], ["audit", "thread", "arq-none"]] {
        let (there, here) = (pipeline.cs(&args), world.cs(args));
        assert_eq!((there.code, code_of(&there)), (here.code, code_of(&here)), "{}", there.all());
    }
    shows(&pipeline, "olga", "read,audit,approve");
    let looks = entries(&world, &["EvidenceViewed"])[0];
    let masked = pipeline.cs(&["audit", "thread", &request]).expect(0).out;
    assert!(masked.contains("asked by olga") && masked.contains("Ruth and Dan did."), "{masked}");
    assert!(!masked.contains("by dan") && masked.contains(&person(&world, "dan")), "{masked}");
    assert!(entries(&world, &["EvidenceViewed"])[0] > looks);

    shows(&pipeline, "ruth", "read,audit,approve");
    let ran = by(&pipeline, "ruth", &["audit", "close", &audit]).expect(0).out;
    let index = &said(&world, "AuditClosed")[1]["index"];
    assert_eq!(ran, format!("audit {audit} is closed (entry {index})\nWhat was said in it stays readable.\n"));
    assert_eq!(entries(&world, &KINDS)[..6], [4, 1, 2, 1, 1, 2]);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

/// A request that was given out, signed and ready to be handed in.
struct Given {
    statement: Vec<u8>,
    sealed: Vec<u8>,
    opener: Vec<u8>,
    condition: String,
}

fn given(program: &Program<'_>, key: &str, asked: &Value) -> Given {
    let given = body(&prepare(program, key, asked).expect(200));
    let part = |name: &str| STANDARD.decode(given["acts"][0]["sealed"][name].as_str().unwrap()).unwrap();
    Given {
        statement: statements(&given).remove(0),
        sealed: part("bytes"),
        opener: part("opener"),
        condition: text(&given["condition"]),
    }
}

fn hand_in(program: &Program<'_>, key: &str, condition: &str, acts: &[Vec<u8>], sealed: &[Vec<u8>]) -> Answer {
    let all = |all: &[Vec<u8>]| all.iter().map(|one| STANDARD.encode(one)).collect::<Vec<_>>();
    let sent = json!({"acts": all(acts), "sealed": all(sealed)}).to_string();
    let condition = format!("\"{condition}\"");
    let headers = [
        ("authorization", program.1.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", key),
        ("if-match", &condition),
    ];
    program.0.send("POST", "/api/v1/acts", &headers, &sent)
}

fn changed(statement: &[u8], path: &str, value: Value) -> Vec<u8> {
    let mut said: Value = serde_json::from_slice(statement).unwrap();
    *said.pointer_mut(path).unwrap() = value;
    canonical::to_vec(&said).unwrap()
}

#[test]
fn a_sealed_text_is_taken_as_it_was_given_out_or_not_at_all() {
    let Some(world) = firm() else { return };
    let audit = text(&world.by("ruth", &[&OPEN[..], &["--format", "json"]].concat()).expect(0).json()["audit"]);
    let server = serve(&world);
    let olga = Program::new(&server, &token(&world, "olga", "approve"));
    let dan = Program::new(&server, &token(&world, "dan", "approve"));
    let (of_olga, of_dan) = (fingerprint(&world, "olga"), fingerprint(&world, "dan"));
    let asks = |text: &str| json!({"kind": "audit-request", "audit": audit, "text": text});
    let mut key = 0_u32;
    let mut once = || {
        key += 1;
        format!("key-{key:016}")
    };

    // What is given out opens to what was written, for its writer and about this request, and nothing is appended but the look.
    let one = given(&olga, &of_olga, &asks(" Show me.\n"));
    let said_one: Value = serde_json::from_slice(&one.statement).unwrap();
    let request = text(&said_one["predicate"]["request"]);
    let writer = person(&world, "olga");
    let context = format!("{writer} text {request}");
    let opener = Opener::from_bytes(one.opener.clone().try_into().unwrap());
    assert_eq!(seal::open_with(&opener, &one.sealed, context.as_bytes()).unwrap().as_slice(), b"Show me.");
    assert_eq!(said_one["predicate"]["text"], Digest::of(&one.sealed).to_string());
    let two = given(&olga, &of_olga, &asks("Show me."));
    assert_ne!((&one.sealed, &one.opener), (&two.sealed, &two.opener), "each is sealed anew");
    assert!(seal::open_with(&opener, &two.sealed, context.as_bytes()).is_err());
    assert_eq!(entries(&world, &KINDS), [1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(entries(&world, &["EvidenceViewed"]), [2]);

    // The text that is missing, of another digest, twice, and of no act.
    let good = signed(&world, "olga", act::AUDIT_REQUEST, &one.statement);
    let acts = std::slice::from_ref(&good);
    let longer = [&one.sealed[..], b"x"].concat();
    let refused =
        |answer: &Answer| assert_eq!((answer.status, code(answer).as_str()), (409, "CS-HANDED-006"), "{}", answer.body);
    for sealed in [vec![], vec![two.sealed.clone()], vec![longer], vec![b"x".to_vec()]] {
        refused(&hand_in(&olga, &once(), &one.condition, acts, &sealed));
    }
    let many = vec![one.sealed.clone(), one.sealed.clone()];
    assert_eq!(code(&hand_in(&olga, &once(), &one.condition, acts, &many).expect(400)), "CS-SERVER-110");
    let large = vec![vec![0; LARGEST_CERTIFICATE + seal::OVERHEAD + 1]];
    assert_eq!(code(&hand_in(&olga, &once(), &one.condition, acts, &large).expect(400)), "CS-SERVER-110");
    assert_eq!(entries(&world, &KINDS), [1, 0, 0, 0, 0, 0, 4]);

    // She signs over other bytes: of another request, of somebody else, of her own making, and over what may not be said.
    let key_of = |id: &str| {
        let path = world.repo().join(format!(".countersign/subjects/{id}.key"));
        SubjectKey::parse_hex(std::fs::read_to_string(path).unwrap().trim()).unwrap()
    };
    let by_key = |key: &SubjectKey, text: &str| seal::seal(key, text.as_bytes(), context.as_bytes()).unwrap();
    let own = key_of(&writer);
    for sealed in [
        two.sealed.clone(),
        by_key(&key_of(&person(&world, "dan")), "Show me."),
        b"Show me.".to_vec(),
        by_key(&own, " Show me."),
        by_key(&own, ""),
        by_key(&own, "\u{7}"),
        seal::seal(&own, b"\xff", context.as_bytes()).unwrap(),
    ] {
        let statement = changed(&one.statement, "/predicate/text", json!(Digest::of(&sealed)));
        let act = signed(&world, "olga", act::AUDIT_REQUEST, &statement);
        refused(&hand_in(&olga, &once(), &one.condition, &[act], &[sealed]));
    }
    // Of the rest nothing is believed either.
    for (path, value, expected) in [
        ("/predicate/due", json!("2026-01-01T00:00:00.000Z"), "CS-AUDIT-069"),
        ("/predicate/time", json!("2026-01-01T00:00:00.000Z"), "CS-HANDED-003"),
        ("/predicate/request", json!("arq-1"), "CS-HANDED-002"),
        ("/predicate/request", json!("arq-00000000000000000000"), "CS-HANDED-006"),
        ("/predicate/by", json!(person(&world, "dan")), "CS-HANDED-002"),
    ] {
        let act = signed(&world, "olga", act::AUDIT_REQUEST, &changed(&one.statement, path, value));
        let answer = hand_in(&olga, &once(), &one.condition, &[act], std::slice::from_ref(&one.sealed));
        assert_eq!(code(&answer), expected, "{path}: {}", answer.body);
    }
    assert_eq!(entries(&world, &KINDS)[..6], [1, 0, 0, 0, 0, 0]);
    assert_eq!(entries(&world, &KINDS)[6], 4 + 7 + 4, "a time that cannot be is recorded nowhere");

    // It is taken once, and whoever lost the answer sends it again, with the text or without it.
    let sealed = std::slice::from_ref(&one.sealed);
    let taken = body(&hand_in(&olga, &once(), &one.condition, acts, sealed).expect(200));
    assert_eq!(taken["result"]["request"], request);
    for sealed in [sealed, &[]] {
        assert_eq!(body(&hand_in(&olga, &once(), &one.condition, acts, sealed).expect(200)), taken);
    }
    let thread = || world.cs(["audit", "thread", &request, "--format", "json"]).expect(0).json();
    assert_eq!(thread()["messages"][0]["text"], "Show me.");
    // An id that is there is not made up again.
    let again =
        json!({"kind": "audit-open", "name": "x", "from": "2026-01-01T00:00:00Z", "to": "2031-01-01T00:00:00Z"});
    let ruth = Program::new(&server, &token(&world, "ruth", "approve"));
    let open = body(&prepare(&ruth, &fingerprint(&world, "ruth"), &again).expect(200));
    assert_eq!((&open["condition"], &open["acts"][0]["sealed"]), (&Value::Null, &Value::Null));
    let statement = changed(&statements(&open)[0], "/predicate/audit", json!(audit));
    let act = signed(&world, "ruth", act::AUDIT, &statement);
    assert_eq!(code(&hand_in(&ruth, &once(), &one.condition, &[act], &[]).expect(409)), "CS-HANDED-002");

    // An answer that was given out, and meanwhile another was said.
    let answers = json!({"kind": "audit-answer", "request": request, "text": "Here."});
    let mine = given(&dan, &of_dan, &answers);
    let act = vec![signed(&world, "dan", act::AUDIT_ANSWER, &mine.statement)];
    world.by("ruth", &["audit", "answer", &request, "--text", "There."]).expect(0);
    let sealed = vec![mine.sealed.clone()];
    let answer = hand_in(&dan, &once(), &mine.condition, &act, &sealed);
    assert_eq!(code(&answer.expect(412)), "CS-SERVER-113");
    let on = given(&olga, &of_olga, &json!({"kind": "audit-follow-up", "request": request, "text": "Where?"}));
    assert_eq!(code(&hand_in(&dan, &once(), &on.condition, &act, &sealed)), "CS-AUDIT-063");
    let follow = signed(&world, "olga", act::AUDIT_FOLLOW_UP, &on.statement);
    hand_in(&olga, &once(), &on.condition, &[follow], &[on.sealed]).expect(200);
    // It waits again, and what was signed answers another entry.
    let now = given(&dan, &of_dan, &answers);
    assert_eq!(code(&hand_in(&dan, &once(), &now.condition, &act, &sealed).expect(409)), "CS-HANDED-002");
    let act = signed(&world, "dan", act::AUDIT_ANSWER, &now.statement);
    hand_in(&dan, &once(), &now.condition, &[act], &[now.sealed]).expect(200);
    let said: Vec<Value> = thread()["messages"].as_array().unwrap().iter().map(|m| m["text"].clone()).collect();
    assert_eq!(said, ["Show me.", "There.", "Where?", "Here."]);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

/// An auditor's program has the acts of an audit, and no other: not even what may be said is told.
#[test]
fn an_auditors_program_says_nothing_but_what_is_of_an_audit() {
    let Some(world) = firm() else { return };
    world.commit_signed("mia", "app.sh", "echo app\n");
    world.cs(["run"]).expect(11);
    let request = ["waive", "request", "--control", "secrets-out-of-source", "--path", "a", "--accept", "x"];
    let waiver = text(&world.by("mia", &[&request[..], &["--format", "json"]].concat()).expect(0).json()["waiver"]);
    let run = text(
        &world.cs(["ledger", "entries", "--format", "json"]).expect(0).json()["entries"]
            .as_array()
            .unwrap()
            .iter()
            .find(|e| e["entry"]["kind"] == "RunStarted")
            .unwrap()["entry"]["stream"],
    );
    let server = serve(&world);
    let dan = Program::new(&server, &token(&world, "dan", "approve"));
    let ruth = Program::new(&server, &token(&world, "ruth", "approve"));
    let (of_dan, of_ruth) = (fingerprint(&world, "dan"), fingerprint(&world, "ruth"));
    let rejects = json!({"kind": "reject", "run": run, "reason": "no"});
    let given = body(&prepare(&dan, &of_dan, &rejects).expect(200));
    let ready = signed(&world, "dan", act::REJECTION, &statements(&given)[0]);
    // From now on he audits as well.
    world.by("ada", &["role", "grant", "dan", "auditor", "--reason", "internal audit"]).expect(0);
    let olga = Program::new(&server, &token(&world, "olga", "approve"));
    let of_olga = fingerprint(&world, "olga");
    let before = entries(&world, &["ActRefused"])[0];
    let mut sent = 0;
    let document = countersign_server::openapi();
    let kinds = document["paths"]["/api/v1/acts/prepare"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        ["properties"]["act"]["oneOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|schema| text(&schema["properties"]["kind"]["const"]));
    let kinds: Vec<String> = kinds.collect();
    assert!(kinds.iter().filter(|kind| kind.starts_with("audit-")).count() == 6 && kinds.len() >= 19, "{kinds:?}");
    let others = [
        rejects.clone(),
        json!({"kind": "withdraw", "run": run, "reason": "no"}),
        json!({"kind": "waive-grant", "waiver": waiver, "reason": "no"}),
        json!({"kind": "waive-reject", "waiver": waiver, "reason": "no"}),
        json!({"kind": "waive-revoke", "waiver": waiver, "reason": "no"}),
        json!({"kind": "waive-renew", "waiver": waiver, "acceptance": "no", "days": 1}),
        json!({"kind": "grant-revoke", "grant": "gra-", "reason": "no"}),
        json!({"kind": "break-glass-close", "emergency": "brk-", "reason": "no"}),
    ];
    for asked in &others {
        for (program, key) in [(&olga, &of_olga), (&dan, &of_dan)] {
            assert_eq!(code(&prepare(program, key, asked).expect(403)), "CS-SERVER-024", "{asked}");
            sent += 1;
        }
    }
    // What was signed before counts no more.
    let condition = text(&given["condition"]);
    assert_eq!(code(&hand_in(&dan, "0123456789abcdef", &condition, &[ready], &[]).expect(403)), "CS-SERVER-024");
    assert_eq!(entries(&world, &["ActRefused", "ApprovalRejected"]), [before + sent + 1, 0]);
    // Whoever is no auditor is refused for something else, if at all.
    for asked in &others {
        assert!(!prepare(&ruth, &of_ruth, asked).body.contains("CS-SERVER-024"), "{asked}");
    }
    assert_eq!(
        code(&prepare(&olga, &of_dan, &json!({"kind": "audit-close", "audit": "aud-"})).expect(404)),
        "CS-SERVER-022"
    );
}
