//! Roles and people with `--server`, by the real binary on both ends.

use countersign_evidence::{act, canonical};
use serde_json::{Value, json};

use super::api::{Program, body, code, token};
use super::remote_acts::{but, by, code_of, fingerprint, hand_in, prepare, signed, statements, text};
use super::server::{Answer, firm, said, serve};
use super::submit::{Pipeline, entries};
use super::support::{Ran, World};

const SCOPES: &str = "read,approve,audit";

/// The same said there and where the ledger is: the same code and exit.
pub(crate) fn alike(pipeline: &Pipeline<'_>, person: &str, args: &[&str]) -> Ran {
    let (there, here) = (by(pipeline, person, args), pipeline.world.by(person, args));
    assert_eq!((there.code, code_of(&there)), (here.code, code_of(&here)), "{}", there.all());
    there
}

/// The same looked at there and where the ledger is.
pub(crate) fn looks_alike(pipeline: &Pipeline<'_>, args: &[&str]) -> String {
    let (there, here) = (pipeline.cs(args).expect(0), pipeline.world.cs(args).expect(0));
    assert_eq!(there.out, here.out, "{args:?}");
    there.out
}

pub(crate) fn shows(pipeline: &Pipeline<'_>, person: &str) {
    pipeline.shows(&token(pipeline.world, person, SCOPES));
}

pub(crate) fn id_of(world: &World, name: &str) -> String {
    let people = world.cs(["person", "list", "--format", "json"]).expect(0).json();
    let found = people["people"].as_array().unwrap().iter().find(|p| p["name"] == name).cloned();
    text(&found.unwrap_or_else(|| panic!("{people}"))["person"])
}

pub(crate) fn last(world: &World, kind: &str) -> String {
    let all = said(world, kind);
    format!("(entry {})", all.last().unwrap_or_else(|| panic!("no {kind}"))["index"])
}

#[test]
fn roles_are_given_and_ended_and_people_leave_and_return_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "mia", "read,submit"));
    const KINDS: [&str; 6] =
        ["RoleGranted", "RoleRevoked", "PersonLeft", "PersonReturned", "RoleRulesChosen", "ActRefused"];
    let before = entries(&world, &KINDS);
    let grant = |to, role| vec!["role", "grant", to, role, "--reason", "holiday cover"];

    // Whoever is no administrator grants nothing from here either, and hears of nobody by asking.
    shows(&pipeline, "dan");
    alike(&pipeline, "dan", &grant("mia", "auditor"));
    let ran = alike(&pipeline, "dan", &grant("nobody", "auditor"));
    assert_eq!(code_of(&ran), "CS-ACCESS-004");
    assert_eq!(entries(&world, &KINDS)[5], before[5] + 4);

    shows(&pipeline, "ada");
    let ran = by(&pipeline, "ada", &grant("omar", "engineer")).expect(0);
    let entry = last(&world, "RoleGranted");
    assert_eq!(ran.out, format!("✓ omar is engineer from here on {entry}\n"));
    assert!(ran.err.contains("releases-and-approves") && ran.err.contains("role \"engineer\""), "{}", ran.err);
    // What is so already is not signed, and says the same there and here.
    for more in [&[][..], &["--format", "json"]] {
        let args = [&grant("omar", "engineer")[..], more].concat();
        let (there, here) = (by(&pipeline, "ada", &args).expect(0), world.by("ada", &args).expect(0));
        assert_eq!((&there.out, there.err.contains("signing")), (&here.out, false));
    }
    assert_eq!(entries(&world, &KINDS)[0], before[0] + 1);
    let until = [&grant("mia", "release-manager")[..], &["--expires", "2099-01-01", "--format", "json"]].concat();
    let there = by(&pipeline, "ada", &until).expect(0).json();
    world.by("ada", &["role", "revoke", "mia", "release-manager", "--reason", "x"]).expect(0);
    let here = world.by("ada", &until).expect(0).json();
    assert_eq!(but(there.clone(), &["index"]), but(here, &["index"]));
    assert_eq!(there["combinations"], json!(["releases-and-approves"]));
    for args in [
        grant("mia", "release-manager"),
        grant("ada", "engineer"),
        grant("nobody", "engineer"),
        vec!["role", "grant", "mia", "auditor", "--reason", " "],
        vec!["role", "grant", "mia", "auditor", "--reason", "x", "--expires", "2020-01-01"],
        vec!["role", "revoke", "Ada", "administrator", "--reason", "x"],
        vec!["role", "revoke", "mia", "auditor", "--reason", "x"],
        vec!["person", "leave", "Ada", "--reason", "x"],
        vec!["person", "return", "mia", "--reason", "x"],
        vec!["role", "rules", "--idle-days", "30", "--reason", "x"],
    ] {
        let ran = alike(&pipeline, "ada", &args);
        assert_ne!(ran.code, 0, "{args:?}");
        assert!(!ran.err.contains("ruth"), "it names nobody: {}", ran.err);
    }
    let ran = by(&pipeline, "ada", &["role", "revoke", "OMAR", "engineer", "--reason", "is back"]).expect(0);
    assert_eq!(ran.out, format!("✓ omar is no engineer any more {}\n", last(&world, "RoleRevoked")));
    let id = id_of(&world, "mia");
    let revoke = ["role", "revoke", &id, "release-manager", "--reason", "is back", "--format", "json"];
    let there = by(&pipeline, "ada", &revoke).expect(0).json();
    assert_eq!(but(there, &["index"]), json!({"version": 1, "person": id, "role": "release-manager"}));

    // Officers choose the rules; what they do not name stays.
    shows(&pipeline, "ruth");
    let rules = ["role", "rules", "--refuse", "releases-and-approves", "--reason", "four eyes"];
    let chosen = by(&pipeline, "ruth", &rules).expect(0).out;
    assert_eq!(chosen, world.cs(["role", "rules"]).expect(0).out);
    let chosen = by(&pipeline, "ruth", &["role", "rules", "--idle-days", "30", "--reason", "x", "--format", "json"]);
    let here = world.cs(["role", "rules", "--format", "json"]).expect(0).json();
    assert_eq!((chosen.expect(0).json(), &here["refused"]), (here.clone(), &json!(["releases-and-approves"])));
    shows(&pipeline, "ada");
    let ran = alike(&pipeline, "ada", &grant("omar", "engineer"));
    assert_eq!((ran.code, code_of(&ran)), (4, "CS-ROLE-007".to_owned()));

    let ran = by(&pipeline, "ada", &["person", "leave", "dan", "--reason", "left the firm"]).expect(0);
    let ended = "engineer, compliance-officer; no key of theirs signs any more";
    assert_eq!(ran.out, format!("✓ dan has left {}; ended: {ended}\n", last(&world, "PersonLeft")));
    alike(&pipeline, "ada", &["person", "leave", "dan", "--reason", "left the firm"]);
    alike(&pipeline, "ada", &grant("dan", "auditor"));
    let back = ["person", "return", "dan", "--reason", "is back", "--format", "json"];
    let there = by(&pipeline, "ada", &back).expect(0).json();
    world.by("ada", &["person", "leave", "dan", "--reason", "again"]).expect(0);
    assert_eq!(but(there, &["index"]), but(world.by("ada", &back).expect(0).json(), &["index"]));

    // What is looked at is the same; names are for whoever may see them.
    for args in [
        &["role", "list"][..],
        &["role", "list", "--all"],
        &["role", "list", "--all", "--format", "json"],
        &["role", "show", "dan"],
        &["role", "show", "mia", "--format", "json"],
        &["role", "rules"],
        &["role", "rules", "--format", "json"],
        &["person", "list"],
        &["person", "list", "--format", "json"],
    ] {
        looks_alike(&pipeline, args);
    }
    assert!(looks_alike(&pipeline, &["role", "show", "omar"]).contains("may: "), "it says what he may");
    let (there, here) = (pipeline.cs(&["role", "show", "nobody"]), world.cs(["role", "show", "nobody"]));
    assert_eq!((there.code, &there.err), (here.code, &here.err));
    pipeline.cs(&["person", "list", "--format", "allowed-signers"]).expect(2);
    shows(&pipeline, "mia");
    pipeline.cs(&["role", "list"]).expect(4);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn only_the_very_role_that_was_given_out_is_granted_and_once() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let ada = Program::new(&server, &token(&world, "ada", SCOPES));
    let ruth = Program::new(&server, &token(&world, "ruth", SCOPES));
    let of_ada = fingerprint(&world, "Ada");
    const KINDS: [&str; 2] = ["RoleGranted", "ActRefused"];
    let [granted, mut refused] = entries(&world, &KINDS)[..] else { panic!() };
    let asked = json!({"kind": "role-grant", "person": "mia", "role": "auditor", "reason": "looks"});

    // Nothing is given out for somebody else's key, or to whoever may not.
    assert_eq!(code(&prepare(&ruth, &of_ada, &asked).expect(403)), "CS-SERVER-024");
    assert_eq!(code(&prepare(&ruth, &fingerprint(&world, "ruth"), &asked).expect(403)), "CS-ACCESS-004");
    refused += 2;
    for bad in [
        json!({"kind": "role-grant", "person": "mia", "role": "king", "reason": "x"}),
        json!({"kind": "role-grant", "person": "mia", "role": "auditor"}),
        json!({"kind": "role-rules", "idle_days": 0, "reason": "x"}),
        json!({"kind": "person-leave", "person": "mia", "reason": "x", "role": "auditor"}),
    ] {
        assert_eq!(code(&prepare(&ada, &of_ada, &bad).expect(400)), "CS-SERVER-110", "{bad}");
    }
    let nobody = prepare(&ada, &of_ada, &json!({"kind": "person-leave", "person": "none", "reason": "x"})).expect(400);
    assert_eq!((code(&nobody).as_str(), nobody.body.contains("ruth")), ("CS-ACCESS-009", false));

    let given = body(&prepare(&ada, &of_ada, &asked).expect(200));
    assert_eq!((&given["already"], &given["about"]["name"]), (&Value::Null, &json!("mia")));
    let (statement, condition) = (statements(&given).remove(0), text(&given["condition"]));
    let good = signed(&world, "ada", act::ROLE, &statement);
    let mut key = 0_u32;
    let mut send = |program: &Program<'_>, acts: &[Vec<u8>]| -> Answer {
        key += 1;
        hand_in(program, Some(&format!("key-{key:016}")), Some(&condition), acts)
    };
    assert_eq!(code(&send(&ruth, std::slice::from_ref(&good)).expect(403)), "CS-SERVER-024");
    let by_ruth = signed(&world, "ruth", act::ROLE, &statement);
    assert_eq!(code(&send(&ada, std::slice::from_ref(&by_ruth)).expect(403)), "CS-SERVER-024");
    let other = signed(&world, "ada", act::ROLE_REVOCATION, &statement);
    assert_eq!(code(&send(&ada, &[other]).expect(403)), "CS-HANDED-001");
    refused += 3;
    for (path, value, status, expected) in [
        ("/predicate/reason", json!("other "), 409, "CS-HANDED-002"),
        ("/predicate/by", json!(id_of(&world, "ruth")), 409, "CS-HANDED-002"),
        ("/predicate/origin", json!("example.org/other"), 409, "CS-HANDED-002"),
        ("/predicate/time", json!("2026-01-01T00:00:00.000Z"), 409, "CS-HANDED-003"),
        ("/predicate/more", json!("2099-01-01T00:00:00.000Z"), 403, "CS-HANDED-001"),
    ] {
        let mut said: Value = serde_json::from_slice(&statement).unwrap();
        let (parent, field) = path.rsplit_once('/').unwrap();
        said.pointer_mut(parent).unwrap()[field] = value;
        let act = signed(&world, "ada", act::ROLE, &canonical::to_vec(&said).unwrap());
        let answer = send(&ada, &[act]);
        assert_eq!((answer.status, code(&answer).as_str()), (status, expected), "{path}: {}", answer.body);
        refused += 1;
    }
    // Another person is looked at otherwise than what was looked at.
    let mut said: Value = serde_json::from_slice(&statement).unwrap();
    said["predicate"]["person"] = json!(id_of(&world, "omar"));
    let act = signed(&world, "ada", act::ROLE, &canonical::to_vec(&said).unwrap());
    assert_eq!(code(&send(&ada, &[act]).expect(412)), "CS-SERVER-113");
    assert_eq!(entries(&world, &KINDS), [granted, refused]);

    let first = body(&send(&ada, std::slice::from_ref(&good)).expect(200));
    let again = body(&send(&ada, std::slice::from_ref(&good)).expect(200));
    assert_eq!((entries(&world, &KINDS), &first), (vec![granted + 1, refused], &again));
    // What somebody else said meanwhile is not said twice.
    let asked = json!({"kind": "role-grant", "person": "mia", "role": "security-officer", "reason": "looks"});
    let given = body(&prepare(&ada, &of_ada, &asked).expect(200));
    let late = signed(&world, "ada", act::ROLE, &statements(&given)[0]);
    world.by("ada", &["role", "grant", "mia", "security-officer", "--reason", "first"]).expect(0);
    let now = body(&prepare(&ada, &of_ada, &asked).expect(200));
    assert_eq!((&now["acts"], &now["already"]["index"]), (&json!([]), &Value::Null));
    let answer = hand_in(&ada, Some("0123456789abcdef"), now["condition"].as_str(), &[late]).expect(409);
    assert_eq!(code(&answer), "CS-HANDED-002");
    assert_eq!(entries(&world, &KINDS), [granted + 2, refused + 1]);

    // They are of the whole firm: no token that is limited opens them.
    let issue = ["token", "issue", "--scope", SCOPES, "--repository", "git:git.example/acme/pay", "--format", "json"];
    let limited = Program::new(&server, &world.by("ada", &issue).expect(0).json());
    for asked in [
        json!({"kind": "role-grant", "person": "mia", "role": "developer", "reason": "x"}),
        json!({"kind": "role-revoke", "person": "mia", "role": "developer", "reason": "x"}),
        json!({"kind": "role-rules", "reason": "x"}),
        json!({"kind": "person-leave", "person": "mia", "reason": "x"}),
        json!({"kind": "person-return", "person": "mia", "reason": "x"}),
    ] {
        assert_eq!(code(&prepare(&limited, &of_ada, &asked).expect(404)), "CS-SERVER-022", "{asked}");
    }
    assert_eq!(entries(&world, &KINDS), [granted + 2, refused + 6]);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn keys_are_added_and_revoked_and_tokens_ended_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "ada", SCOPES));
    const KINDS: [&str; 4] = ["PersonKeyAdded", "PersonKeyRevoked", "TokenRevoked", "ActRefused"];
    let before = entries(&world, &KINDS);
    let public = |name: &str| {
        world.key(name);
        world.public(name).to_str().unwrap().to_owned()
    };
    let (second, third) = (public("mia-2"), public("mia-3"));
    let add = |key, more: &[&'static str]| -> Vec<&str> {
        [&["person", "key", "add", "mia", "--ssh-key", key][..], more].concat()
    };
    shows(&pipeline, "dan");
    alike(&pipeline, "dan", &add(&second, &[]));
    assert_eq!(entries(&world, &KINDS)[3], before[3] + 2);

    shows(&pipeline, "ada");
    let window = ["--valid-before", "2099-01-01", "--reason", "a laptop", "--format", "json"];
    let there = by(&pipeline, "ada", &add(&second, &window)).expect(0).json();
    let here = world.by("ada", &add(&third, &window)).expect(0).json();
    assert_eq!(but(there.clone(), &["index", "key"]), but(here, &["index", "key"]));
    let listed = world.cs(["person", "key", "list", "mia", "--format", "json"]).expect(0).json();
    assert_eq!(listed["keys"][1]["fingerprint"], there["key"]);
    for args in [
        add(&second, &[]),
        add(&public("mia-4"), &["--valid-before", "2020-01-01"]),
        vec!["person", "key", "revoke", "mia", "none", "--reason", "x"],
        vec!["person", "key", "revoke", "Ada", "SHA256:", "--reason", "x"],
        vec!["person", "key", "revoke", "nobody", "SHA256:", "--reason", "x"],
    ] {
        assert_ne!(alike(&pipeline, "ada", &args).code, 0, "{args:?}");
    }
    // Her own she is given by another administrator, where there is one.
    let own = public("ada-2");
    let own = ["person", "key", "add", "Ada", "--ssh-key", &own];
    let ran = by(&pipeline, "ada", &own).expect(0).out;
    let entry = last(&world, "PersonKeyAdded");
    assert!(ran.starts_with("✓ Ada has one more key, SHA256:") && ran.contains(&entry), "{ran}");
    assert!(ran.contains("There is no other administrator"), "{ran}");
    // What is no OpenPGP key is none before anything is sent.
    let no_key = ["person", "key", "add", "mia", "--openpgp", &second];
    assert_eq!(code_of(&alike(&pipeline, "ada", &no_key).expect(2)), "CS-GPG-003");

    // Who revokes a key hears what was signed with it since somebody else had it.
    world
        .by("mia-2", &["waive", "request", "--control", "secrets-out-of-source", "--path", "a", "--accept", "x"])
        .expect(0);
    let print = text(&there["key"]);
    let bare = &print["SHA256:".len()..][..12];
    let revoke = ["person", "key", "revoke", "mia", bare, "--reason", "lost", "--compromised-since", "2020-01-01"];
    let out = by(&pipeline, "ada", &revoke).expect(0).out;
    let entry = last(&world, "PersonKeyRevoked");
    assert!(
        out.starts_with(&format!("✓ the key {print} of mia does not count any more {entry}\nIt signed 1 entry since ")),
        "{out}"
    );
    assert!(out.contains("WaiverRequested\n"), "{out}");
    alike(&pipeline, "ada", &revoke);
    let third = fingerprint_of(&world, "mia", 2);
    let revoke = ["person", "key", "revoke", "mia", &third, "--reason", "lost", "--format", "json"];
    let there = by(&pipeline, "ada", &revoke).expect(0).json();
    let id = id_of(&world, "mia");
    assert_eq!(
        but(there, &["index"]),
        json!({"version": 1, "person": id, "key": third, "compromised_since": null, "suspect": []})
    );

    // Tokens are ended by whose they are, and by an administrator or security officer.
    let (one, two) = (token(&world, "mia", "read"), token(&world, "mia", "read"));
    let name = |token: &Value| text(&token["token"])["sha256:".len()..][..16].to_owned();
    let (one, two) = (name(&one), name(&two));
    let end = |token| vec!["token", "revoke", token, "--reason", "the job is gone"];
    shows(&pipeline, "dan");
    alike(&pipeline, "dan", &end(&one));
    alike(&pipeline, "dan", &end("00000000"));
    shows(&pipeline, "mia");
    let out = by(&pipeline, "mia", &end(&one)).expect(0).out;
    assert_eq!(out, format!("✓ the token {one} opens nothing any more {}\n", last(&world, "TokenRevoked")));
    shows(&pipeline, "ada");
    let there = by(&pipeline, "ada", &[&end(&two)[..], &["--format", "json"]].concat()).expect(0).json();
    assert!(text(&there["token"]).contains(&two) && there["index"].is_u64(), "{there}");
    alike(&pipeline, "ada", &end(&two));

    // What is signed is one entry, however often it is sent, and another key than the one that was asked for is not added.
    let ada = Program::new(&server, &token(&world, "ada", SCOPES));
    let of_ada = fingerprint(&world, "Ada");
    let line = std::fs::read_to_string(public("mia-5")).unwrap();
    let asked = json!({"kind": "person-key-add", "person": "mia", "key": line.trim()});
    let given = body(&prepare(&ada, &of_ada, &asked).expect(200));
    let statement = statements(&given).remove(0);
    let mut other: Value = serde_json::from_slice(&statement).unwrap();
    other["predicate"]["reason"] = json!("x ");
    let other = signed(&world, "ada", act::PERSON_KEY, &canonical::to_vec(&other).unwrap());
    let send =
        |key: &str, act: &Vec<u8>| hand_in(&ada, Some(key), given["condition"].as_str(), std::slice::from_ref(act));
    assert_eq!(code(&send("0123456789abcdef", &other).expect(409)), "CS-HANDED-002");
    let good = signed(&world, "ada", act::PERSON_KEY, &statement);
    let first = body(&send("0123456789abcdeg", &good).expect(200));
    assert_eq!(body(&send("0123456789abcdeh", &good).expect(200)), first);
    let asked = json!({"kind": "token-revoke", "token": name(&token(&world, "ada", "read")), "reason": "x"});
    let given = body(&prepare(&ada, &of_ada, &asked).expect(200));
    let act = signed(&world, "ada", act::TOKEN_REVOCATION, &statements(&given)[0]);
    let first = body(&hand_in(&ada, Some("0123456789abcdei"), None, std::slice::from_ref(&act)).expect(200));
    assert_eq!(body(&hand_in(&ada, Some("0123456789abcdej"), None, &[act]).expect(200)), first);
    let issue = ["token", "issue", "--scope", SCOPES, "--repository", "git:git.example/acme/pay", "--format", "json"];
    let limited = Program::new(&server, &world.by("ada", &issue).expect(0).json());
    for asked in [
        json!({"kind": "person-key-add", "person": "mia", "key": line.trim()}),
        json!({"kind": "person-key-revoke", "person": "mia", "fingerprint": print, "reason": "x"}),
        asked,
    ] {
        assert_eq!(code(&prepare(&limited, &of_ada, &asked).expect(404)), "CS-SERVER-022", "{asked}");
    }
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

fn fingerprint_of(world: &World, person: &str, n: usize) -> String {
    let keys = world.cs(["person", "key", "list", person, "--format", "json"]).expect(0).json();
    text(&keys["keys"][n]["fingerprint"])
}
