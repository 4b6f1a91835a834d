//! Levels of enforcement, owners of gates and issuers of identity tokens, put in effect with `--server`, by the real binary on both ends.

use std::path::PathBuf;

use countersign_evidence::{act, canonical, to_base64};
use serde_json::{Value, json};

use super::api::{Program, body, code, token};
use super::remote_acts::{but, by, code_of, fingerprint, prepare, refused, shows, signed, statements, text};
use super::remote_lists::people;
use super::server::{Answer, firm, serve};
use super::submit::{Pipeline, entries};
use super::support::World;

const SCOPES: &str = "read,approve";
const KINDS: [&str; 4] = ["EnforcementActivated", "GateOwnersAssigned", "IssuersActivated", "ActRefused"];
const LEVELS: &str = "\
version: 1
rules:
  - controls: [secrets-out-of-source]
    tiers: [test]
    level: advisory
    why: a test environment holds nothing
";
const OWNERS: &str = "\
version: 1
gates:
  - gate: build
    owner: Mia
    deputy: DAN
    respond_within: 4h
    fallback: two officers decide on paper
  - gate: release
    owner: ruth
    respond_within: 1d
    escalation: [{after: 2d, person: ada}, {after: 3d, role: security-officer}]
    fallback: two officers decide on paper
";
const ISSUERS: &str = "\
version: 1
issuers:
  - id: forge
    system: gitlab-ci
    issuer: https://gitlab.example
    audiences: [countersign.bank.example]
    algorithms: [RS256, ES256]
    lifetime: 1h
    claims:
      repository: 'git:gitlab.example/{project_path}'
      commit: '{sha}'
";

/// Hands in an act with a document beside it.
pub(crate) fn hand_in(program: &Program<'_>, once: &str, condition: &str, act: &[u8], document: &Value) -> Answer {
    let condition = format!("\"{condition}\"");
    let headers = [
        ("authorization", program.1.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", once),
        ("if-match", &condition),
    ];
    let mut sent = json!({"acts": [to_base64(act)]});
    if !document.is_null() {
        sent["document"] = document.clone();
    }
    program.0.send("POST", "/api/v1/acts", &headers, &sent.to_string())
}

fn file(world: &World, name: &str, text: &str) -> PathBuf {
    let path = world.path(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Puts a file in effect over the network, the same once more, another one here, and compares what is printed.
fn put(world: &World, pipeline: &Pipeline<'_>, person: &str, (noun, name): (&str, &str), (text, other): (&str, &str)) {
    let path = file(world, name, text);
    let args = [noun, "activate", path.to_str().unwrap(), "--reason", " the year ends "];
    let in_json = [&args[..], &["--format", "json"]].concat();
    let ran = by(pipeline, person, &args).expect(0);
    assert!(ran.err.contains("reason \"the year ends\"") && ran.out.starts_with('✓'), "{}", ran.all());
    for args in [&args[..], &in_json] {
        let (there, here) = (by(pipeline, person, args).expect(0), world.by(person, args).expect(0));
        assert_eq!(there.out, here.out, "it is so already");
        assert!(!there.err.contains("signing"), "{}", there.err);
    }
    // The same words from either place.
    file(world, name, other);
    let there = by(pipeline, person, &in_json).expect(0).json();
    let line = by(pipeline, person, &args).expect(0).out;
    file(world, name, text);
    let here = world.by(person, &in_json).expect(0).json();
    assert!(there["index"].is_number() && here["index"].is_number(), "{there} {here}");
    file(world, name, other);
    assert_eq!(
        world.by(person, &in_json).expect(0).json().as_object().unwrap().len(),
        there.as_object().unwrap().len()
    );
    assert_eq!(world.by(person, &args).expect(0).out, line);
    let again = world.by(person, &in_json).expect(0).json();
    assert_eq!(but(again, &["index"]), but(there, &["index"]));
}

#[test]
fn levels_owners_and_issuers_are_put_in_effect_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "mia", SCOPES));
    let all =
        [("enforcement", "levels.yaml", LEVELS), ("gate", "owners.yaml", OWNERS), ("issuer", "issuers.yaml", ISSUERS)];
    for (n, (noun, name, text)) in all.into_iter().enumerate() {
        let path = file(&world, name, text);
        refused(&world, &pipeline, "mia", &[noun, "activate", path.to_str().unwrap()]);
        assert_eq!(entries(&world, &KINDS), [0, 0, 0, 2 * n + 2], "{noun}: it is recorded");
    }
    // Whoever may not does not learn who is enrolled either.
    let path = file(&world, "owners.yaml", &OWNERS.replace("Mia", "nobody"));
    let args = ["gate", "activate", path.to_str().unwrap()];
    assert_eq!(code_of(&by(&pipeline, "mia", &args).expect(4)), "CS-ACCESS-011");

    let officer = |noun: &str| if noun == "issuer" { "sam" } else { "ruth" };
    let sam = world.key("sam").with_extension("pub");
    world.by("ada", &["person", "add", "sam", "--ssh-key", sam.to_str().unwrap()]).expect(0);
    world.by("ada", &["role", "grant", "sam", "security-officer", "--reason", "x"]).expect(0);
    // What is wrong is named with file and line, wherever it is found.
    for (noun, name, text, from, to, line) in [
        ("enforcement", "levels.yaml", LEVELS, "secrets-out-of-source", "no-such-control", ":3"),
        ("enforcement", "levels.yaml", LEVELS, "level: advisory", "level: mild", ":5"),
        ("gate", "owners.yaml", OWNERS, "owner: ruth", "owner: nobody", ":9"),
        ("gate", "owners.yaml", OWNERS, "DAN", "mia", ":3"),
        ("gate", "owners.yaml", OWNERS, "4h", "4w", ":6"),
        ("issuer", "issuers.yaml", ISSUERS, "https", "http", ":5"),
    ] {
        let path = file(&world, name, &text.replace(from, to));
        shows(&pipeline, officer(noun));
        let said = refused(&world, &pipeline, officer(noun), &[noun, "activate", path.to_str().unwrap()]);
        assert!(said.contains(&format!("{name}{line}")), "{to}: {said}");
    }
    assert_eq!(entries(&world, &KINDS)[..3], [0, 0, 0]);

    shows(&pipeline, "ruth");
    put(&world, &pipeline, "ruth", ("enforcement", "levels.yaml"), (LEVELS, &LEVELS.replace("advisory", "soft")));
    let path = file(&world, "owners.yaml", OWNERS);
    let dry = pipeline.cs(&["gate", "activate", path.to_str().unwrap(), "--dry-run"]);
    assert!(dry.code == 2 && dry.err.contains("--dry-run"), "{}", dry.err);
    let ids = people(&world);
    put(&world, &pipeline, "ruth", ("gate", "owners.yaml"), (OWNERS, &OWNERS.replace("4h", "5h")));
    let listed = world.cs(["gate", "list", "--format", "json"]).expect(0).json();
    let ownership = &listed["gates"][0]["ownership"];
    assert_eq!((&ownership["owner"], &ownership["deputy"]), (&json!(ids["mia"]), &json!(ids["dan"])), "{listed}");
    shows(&pipeline, "sam");
    put(&world, &pipeline, "sam", ("issuer", "issuers.yaml"), (ISSUERS, &ISSUERS.replace("1h", "2h")));
    // A part of what ships.
    let only = ["issuer", "activate", "--only", "github"];
    by(&pipeline, "sam", &only).expect(0);
    let shown = world.cs(["issuer", "show", "--format", "json"]).expect(0).json();
    assert_eq!(shown["issuers"]["issuers"][0]["id"], "github", "{shown}");
    refused(&world, &pipeline, "sam", &["issuer", "activate", "--only", "gitea"]);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn what_is_signed_is_the_document_of_the_file_that_is_handed_in() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let ruth = Program::new(&server, &token(&world, "ruth", SCOPES));
    let mia = Program::new(&server, &token(&world, "mia", SCOPES));
    let key = fingerprint(&world, "ruth");
    let asked = |kind: &str, text: &str| json!({"kind": kind, "document": {"file": "a.yaml", "text": text}});
    for (n, kind, namespace, good, other) in [
        (0, "enforcement-activate", act::ENFORCEMENT, LEVELS, LEVELS.replace("advisory", "audit")),
        (1, "gate-activate", act::GATE_OWNERS, OWNERS, OWNERS.replace("4h", "5h")),
    ] {
        let given = body(&prepare(&ruth, &key, &asked(kind, good)).expect(200));
        let (statement, condition) = (statements(&given).pop().unwrap(), text(&given["condition"]));
        let act = signed(&world, "ruth", namespace, &statement);
        // Whoever may not learns nothing of the file by signing what was given out to somebody else, neither.
        let by_mia = signed(&world, "mia", namespace, &statement);
        for text in [good, "version: 3\n", "version: 1\ngates: [{gate: build, owner: nobody}]\n"] {
            let document = json!({"file": "a.yaml", "text": text});
            let answer = hand_in(&mia, &format!("of-mia-{kind}-{}", text.len()), &condition, &by_mia, &document);
            assert_eq!(code(&answer.expect(403)), "CS-ACCESS-011", "{text}");
        }
        let mut once = 0;
        let mut send = |document: Value| {
            once += 1;
            hand_in(&ruth, &format!("a-document-of-{kind}-{once}"), &condition, &act, &document)
        };
        let refusals = entries(&world, &KINDS)[3];
        assert_eq!(code(&send(Value::Null).expect(403)), "CS-HANDED-001", "nothing says what is put in effect");
        assert_eq!(code(&send(json!({"file": "a.yaml", "text": other})).expect(409)), "CS-HANDED-002");
        assert_eq!(entries(&world, &KINDS)[3], refusals + 2);
        let broken = send(json!({"file": "a.yaml", "text": "version: 3\n"}));
        assert!(broken.status == 400 && broken.body.contains("a.yaml:1"), "{}", broken.body);
        assert_eq!(send(json!({"file": "a.yaml", "text": good, "only": ["x"]})).status, 400);
        assert_eq!(send(json!({"file": "a.yaml"})).status, 400);
        assert_eq!(entries(&world, &KINDS)[n], 0);
        // Another text of the same document is the same document.
        let done = body(&send(json!({"file": "b.yaml", "text": format!("# a word\n{good}")})).expect(200));
        assert_eq!(body(&send(json!({"file": "a.yaml", "text": good})).expect(200)), done);
        // It is in the log: what stands beside it this time changes nothing.
        assert_eq!(body(&send(json!({"file": "a.yaml", "text": other})).expect(200)), done);
        assert_eq!(body(&send(json!({"file": "a.yaml", "text": "version: 3\n"})).expect(200)), done);
        assert_eq!(entries(&world, &KINDS)[n], 1);
    }
    // A document beside an act that puts none in effect is not passed over.
    let given = body(
        &prepare(&ruth, &key, &json!({"kind": "approvals-activate", "rules": {"version": 1, "rules": []}})).expect(200),
    );
    let act = signed(&world, "ruth", act::APPROVAL_RULES, &statements(&given)[0]);
    let levels = json!({"file": "a.yaml", "text": LEVELS});
    let answer = hand_in(&ruth, "rules-with-a-document", &text(&given["condition"]), &act, &levels);
    assert_eq!(code(&answer.expect(403)), "CS-HANDED-001");
    // Where it was changed on the way what was signed is not over it.
    let given =
        body(&prepare(&ruth, &key, &asked("enforcement-activate", &LEVELS.replace("test", "development"))).expect(200));
    let mut changed: Value = serde_json::from_slice(&statements(&given)[0]).unwrap();
    changed["predicate"]["assignment"] = json!(format!("sha256:{}", "0".repeat(64)));
    let act = signed(&world, "ruth", act::ENFORCEMENT, &canonical::to_vec(&changed).unwrap());
    let document = json!({"file": "a.yaml", "text": LEVELS.replace("test", "development")});
    let answer = hand_in(&ruth, "levels-of-another-digest", &text(&given["condition"]), &act, &document);
    assert_eq!(code(&answer.expect(409)), "CS-HANDED-002");
    assert_eq!(entries(&world, &KINDS)[..2], [1, 1]);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
}
