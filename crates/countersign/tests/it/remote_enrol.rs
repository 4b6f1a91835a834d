//! Enrolling people with `--server`, by the real binary on both ends: a key of their own seals the name before anything is signed, is kept
//! with the ledger once they are enrolled, and nowhere if they are not.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_evidence::seal::{self, Opener, SubjectKey};
use countersign_evidence::{act, canonical};
use countersign_model::Digest;
use serde_json::{Value, json};

use super::api::{Program, body, code, token};
use super::remote_acts::{but, by, code_of, fingerprint, prepare, signed, statements, text};
use super::remote_people::{alike, id_of, last, looks_alike, shows};
use super::server::{Answer, firm, serve};
use super::submit::{Pipeline, entries};
use super::support::World;

const SCOPES: &str = "read,approve,audit";
const KINDS: [&str; 2] = ["PersonEnrolled", "ActRefused"];

/// A new key, by its public half's path.
fn public(world: &World, name: &str) -> String {
    world.key(name);
    world.public(name).to_str().unwrap().to_owned()
}

/// The keys that seal people's data, as the ledger keeps them.
fn sealing_keys(world: &World) -> BTreeMap<String, String> {
    let all = std::fs::read_dir(world.repo().join(".countersign/subjects")).unwrap();
    all.map(|file| {
        let path = file.unwrap().path();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap())
    })
    .collect()
}

#[test]
fn people_are_enrolled_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "dan", SCOPES));
    let (kim, lee, zoe) = (public(&world, "kim"), public(&world, "lee"), public(&world, "zoe"));
    let before = (entries(&world, &KINDS), sealing_keys(&world).len());

    // Whoever is no administrator enrols nobody from here either.
    let ran = alike(&pipeline, "dan", &["person", "add", "Kim Novak", "--ssh-key", &kim]);
    assert_eq!((ran.code, code_of(&ran).as_str()), (4, "CS-ACCESS-004"));
    assert_eq!(entries(&world, &KINDS), [before.0[0], before.0[1] + 2]);

    shows(&pipeline, "ada");
    let ran = by(&pipeline, "ada", &["person", "add", " Kim Novak ", "--ssh-key", &kim]).expect(0);
    let (id, print) = (id_of(&world, "Kim Novak"), fingerprint(&world, "Kim Novak"));
    let entry = last(&world, "PersonEnrolled");
    assert_eq!(
        ran.out,
        format!(
            "✓ Kim Novak is enrolled as {id} with the key {print} {entry}\nNext: countersign role grant \"Kim Novak\" ROLE --reason TEXT\n"
        )
    );
    assert!(ran.err.contains(&format!("person \"{id}\"")) && !ran.err.contains("Kim"), "{}", ran.err);
    let json = |name, key| ["person", "add", name, "--ssh-key", key, "--format", "json"];
    let there = by(&pipeline, "ada", &json("Lee", &lee)).expect(0).json();
    let here = world.by("ada", &json("Zoe", &zoe)).expect(0).json();
    assert_eq!((&there["name"], text(&there["person"])), (&json!("Lee"), id_of(&world, "Lee")));
    let other = &["index", "person", "name", "key"];
    assert_eq!(but(there, other), but(here, other));
    assert_eq!((entries(&world, &KINDS)[0], sealing_keys(&world).len()), (before.0[0] + 3, before.1 + 3));

    // What is no name, or is somebody's.
    let max = public(&world, "max");
    let long = "x".repeat(201);
    for (name, key) in
        [("kim novak", &max), ("Max", &kim), ("", &max), (" ", &max), ("a\u{7}b", &max), (long.as_str(), &max)]
    {
        let ran = alike(&pipeline, "ada", &["person", "add", name, "--ssh-key", key]);
        assert_ne!(ran.code, 0, "{name}");
    }
    assert_eq!((entries(&world, &KINDS)[0], sealing_keys(&world).len()), (before.0[0] + 3, before.1 + 3));

    // They sign, hold roles, and are read like everybody else; their key is known here too, and is no administrator's.
    by(&pipeline, "ada", &["role", "grant", "Kim Novak", "engineer", "--reason", "joins"]).expect(0);
    shows(&pipeline, "kim");
    let ran = alike(&pipeline, "kim", &["person", "add", "Max", "--ssh-key", &max]);
    assert_eq!(code_of(&ran), "CS-ACCESS-004");
    shows(&pipeline, "ada");
    assert!(looks_alike(&pipeline, &["person", "list"]).contains("Kim Novak  engineer"));
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

/// What was given out, to be signed and handed in.
struct Given {
    statement: Vec<u8>,
    sealed: Vec<u8>,
    opener: Opener,
    person: String,
}

impl Given {
    fn of(program: &Program<'_>, key: &str, asked: &Value) -> Self {
        let given = body(&prepare(program, key, asked).expect(200));
        assert_eq!((&given["condition"], &given["already"]), (&Value::Null, &Value::Null));
        let part = |name: &str| STANDARD.decode(given["acts"][0]["sealed"][name].as_str().unwrap()).unwrap();
        let statement = statements(&given).remove(0);
        let said: Value = serde_json::from_slice(&statement).unwrap();
        let opener = Opener::from_bytes(part("opener").try_into().unwrap());
        Self { person: text(&said["predicate"]["person"]), statement, sealed: part("bytes"), opener }
    }

    fn changed(&self, fields: &[(&str, Value)]) -> Vec<u8> {
        let mut said: Value = serde_json::from_slice(&self.statement).unwrap();
        for (field, value) in fields {
            said["predicate"][*field] = value.clone();
        }
        canonical::to_vec(&said).unwrap()
    }
}

fn hand_in(program: &Program<'_>, key: &str, act: &[u8], sealed: &[&[u8]]) -> Answer {
    let sealed: Vec<String> = sealed.iter().map(|one| STANDARD.encode(one)).collect();
    let sent = json!({"acts": [STANDARD.encode(act)], "sealed": sealed}).to_string();
    let headers =
        [("authorization", program.1.as_str()), ("content-type", "application/json"), ("idempotency-key", key)];
    program.0.send("POST", "/api/v1/acts", &headers, &sent)
}

#[test]
fn only_whom_it_was_given_out_for_is_enrolled_and_once_and_no_key_is_left_behind_or_lost() {
    let Some(world) = firm() else { return };
    public(&world, "kim");
    public(&world, "lee");
    let line = |name: &str| std::fs::read_to_string(world.public(name)).unwrap().trim().to_owned();
    let server = serve(&world);
    let bearer = token(&world, "ada", SCOPES);
    let ada = Program::new(&server, &bearer);
    let ruth = Program::new(&server, &token(&world, "ruth", SCOPES));
    let of_ada = fingerprint(&world, "Ada");
    let asked = json!({"kind": "person-add", "name": "Kim Novak", "key": line("kim")});
    let (kept, before) = (sealing_keys(&world), entries(&world, &KINDS));
    let [enrolled, mut refused] = before[..] else { panic!() };

    // Nothing is given out for somebody else's key, or to whoever may not.
    assert_eq!(code(&prepare(&ruth, &of_ada, &asked).expect(403)), "CS-SERVER-024");
    assert_eq!(code(&prepare(&ruth, &fingerprint(&world, "ruth"), &asked).expect(403)), "CS-ACCESS-004");
    refused += 2;
    for bad in [
        json!({"kind": "person-add", "name": "Kim Novak"}),
        json!({"kind": "person-add", "name": "Kim Novak", "key": line("kim"), "person": "per-1"}),
    ] {
        assert_eq!(code(&prepare(&ada, &of_ada, &bad).expect(400)), "CS-SERVER-110", "{bad}");
    }

    // Each is somebody else, sealed with a key of their own, which is nowhere yet; the name is in what is sealed alone.
    let [one, two] = [(), ()].map(|()| Given::of(&ada, &of_ada, &asked));
    assert!(one.person != two.person && one.sealed != two.sealed);
    let opens = |given: &Given, sealed: &[u8]| seal::open_with(&given.opener, sealed, given.person.as_bytes()).ok();
    assert_eq!(opens(&one, &one.sealed).unwrap().as_slice(), br#"{"name":"Kim Novak"}"#);
    assert!(opens(&one, &two.sealed).is_none());
    assert!(!String::from_utf8_lossy(&one.statement).contains("Novak"));
    assert_eq!(sealing_keys(&world), kept);

    let mut key = 0_u32;
    let mut send = |program: &Program<'_>, act: &[u8], sealed: &[&[u8]]| -> Answer {
        key += 1;
        hand_in(program, &format!("key-{key:016}"), act, sealed)
    };
    let good = signed(&world, "ada", act::ENROLMENT, &one.statement);
    let by_ruth = signed(&world, "ruth", act::ENROLMENT, &one.statement);
    for (program, act) in [(&ruth, &good), (&ada, &by_ruth)] {
        assert_eq!(code(&send(program, act, &[&one.sealed]).expect(403)), "CS-SERVER-024");
    }
    for sealed in [&[][..], &[two.sealed.as_slice()], &[b"x"]] {
        assert_eq!(code(&send(&ada, &good, sealed).expect(409)), "CS-HANDED-006");
    }
    refused += 5;
    // Somebody who is there, who was made up elsewhere, or whom another key seals: none has a key that waits, or it opens nothing.
    let other = SubjectKey::generate().unwrap();
    let sealed = |name: &str, key: &SubjectKey| {
        seal::seal(key, json!({"name": name}).to_string().as_bytes(), one.person.as_bytes()).unwrap()
    };
    let own = sealed("Kim Novak", &other);
    for (fields, sealed) in [
        (vec![("person", json!(id_of(&world, "ruth")))], &one.sealed),
        (vec![("person", json!("per-00112233445566778899"))], &one.sealed),
        (vec![("person", json!(two.person))], &one.sealed),
        (vec![("profile", json!(Digest::of(&own)))], &own),
        (vec![("profile", json!(Digest::of(&two.sealed)))], &two.sealed),
    ] {
        let act = signed(&world, "ada", act::ENROLMENT, &one.changed(&fields));
        assert_eq!(code(&send(&ada, &act, &[sealed]).expect(409)), "CS-HANDED-006", "{fields:?}");
        refused += 1;
    }
    for (field, value, expected) in [
        ("key", json!(line("lee")), "CS-HANDED-002"),
        ("by", json!(id_of(&world, "ruth")), "CS-HANDED-002"),
        ("origin", json!("example.org/other"), "CS-HANDED-002"),
        ("person", json!("ruth"), "CS-HANDED-002"),
        ("time", json!("2026-01-01T00:00:00.000Z"), "CS-HANDED-003"),
    ] {
        let act = signed(&world, "ada", act::ENROLMENT, &one.changed(&[(field, value)]));
        let answer = send(&ada, &act, &[&one.sealed]).expect(409);
        assert_eq!(code(&answer), expected, "{field}: {}", answer.body);
        refused += 1;
    }
    assert_eq!((entries(&world, &KINDS), sealing_keys(&world)), (vec![enrolled, refused], kept.clone()));

    // What was given out is still taken after all that, and once: whoever lost the answer sends it once more.
    let first = body(&send(&ada, &good, &[&one.sealed]).expect(200));
    assert_eq!(
        but(first["result"].clone(), &["index"]),
        json!({
            "version": 1, "person": one.person, "name": "Kim Novak", "key": fingerprint(&world, "Kim Novak"),
        })
    );
    assert_eq!(body(&send(&ada, &good, &[&one.sealed]).expect(200)), first);
    assert_eq!(entries(&world, &KINDS), [enrolled + 1, refused]);
    let now = sealing_keys(&world);
    assert_eq!(now.len(), kept.len() + 1);
    assert!(kept.iter().all(|(name, key)| now.get(name) == Some(key)), "nobody's key became another");
    assert!(now.contains_key(&format!("{}.key", one.person)));
    // The other one comes too late: the name is somebody's now, and no key is left behind.
    let late = signed(&world, "ada", act::ENROLMENT, &two.statement);
    let answer = send(&ada, &late, &[&two.sealed]);
    assert_eq!(code(&answer), code(&prepare(&ada, &of_ada, &asked)), "{}", answer.body);
    assert_eq!((entries(&world, &KINDS), sealing_keys(&world)), (vec![enrolled + 1, refused], now.clone()));

    // They are of the whole firm: no token that is limited opens it.
    let issue = ["token", "issue", "--scope", SCOPES, "--repository", "git:git.example/acme/pay", "--format", "json"];
    let limited = Program::new(&server, &world.by("ada", &issue).expect(0).json());
    let asked = json!({"kind": "person-add", "name": "Lee", "key": line("lee")});
    assert_eq!(code(&prepare(&limited, &of_ada, &asked).expect(404)), "CS-SERVER-022");

    // A server that starts anew has no key that waits: nobody is enrolled whose name nothing would open.
    let lost = Given::of(&ada, &of_ada, &asked);
    let act = signed(&world, "ada", act::ENROLMENT, &lost.statement);
    drop(server);
    let server = serve(&world);
    let ada = Program::new(&server, &bearer);
    let answer = hand_in(&ada, "key-after-the-start", &act, &[&lost.sealed]).expect(409);
    assert_eq!(
        (code(&answer).as_str(), answer.body.contains("ten minutes")),
        ("CS-HANDED-006", true),
        "{}",
        answer.body
    );
    assert_eq!((entries(&world, &KINDS), sealing_keys(&world)), (vec![enrolled + 1, refused + 2], now));
    let anew = Given::of(&ada, &of_ada, &asked);
    let act = signed(&world, "ada", act::ENROLMENT, &anew.statement);
    hand_in(&ada, "key-said-once-more", &act, &[&anew.sealed]).expect(200);
    assert_eq!(id_of(&world, "Lee"), anew.person);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}
