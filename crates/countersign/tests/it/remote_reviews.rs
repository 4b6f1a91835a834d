//! Reviews of access with `--server`, by the real binary on both ends.

use countersign_evidence::{act, canonical};
use serde_json::{Value, json};

use super::api::{Program, body, code, token};
use super::remote_acts::{but, by, code_of, fingerprint, hand_in, prepare, signed, statements, text};
use super::remote_people::{alike, last, shows};
use super::reviews::{line, reviewer};
use super::server::{Answer, firm, said, serve};
use super::submit::{Pipeline, entries};
use super::support::World;

const SCOPES: &str = "read,approve,audit";
const KINDS: [&str; 6] = [
    "AccessReviewOpened",
    "AccessReviewShown",
    "AccessReviewDecided",
    "AccessReviewEnforced",
    "AccessReviewClosed",
    "ActRefused",
];
const OPEN: [&str; 9] =
    ["access", "review", "open", "--from", "2026-01-01", "--due", "2099-01-01", "--reason", "this year"];

/// The same looked at there and where the ledger is.
fn at(pipeline: &Pipeline<'_>, args: &[&str]) {
    let (there, here) = (pipeline.cs(args), pipeline.world.cs(args));
    assert_eq!((there.code, &there.out), (here.code, &here.out), "{args:?}: {}", there.all());
}

fn decide<'a>(verdict: &'a str, lines: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["access", "review", "decide", "latest", verdict, "--line", lines][..], more].concat()
}

#[test]
fn access_is_reviewed_and_what_is_to_go_ends_from_machines_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "ada", SCOPES));
    alike(&pipeline, "ada", &OPEN);
    shows(&pipeline, "ruth");
    for more in
        [&["--reviewer", "omar"][..], &["--reviewer", "ruth"], &["--reviewer", "nobody"], &["--to", "2025-01-01"]]
    {
        let ran = alike(&pipeline, "ruth", &[&OPEN[..], more].concat());
        assert_ne!(ran.code, 0, "{more:?}");
    }
    let (there, here) = (pipeline.cs(&["access", "review", "show"]), world.cs(["access", "review", "show"]));
    assert_eq!((there.code, code_of(&there)), (here.code, code_of(&here)), "{}", there.all());
    assert_eq!(entries(&world, &KINDS), [0, 0, 0, 0, 0, 2]);

    let out = by(&pipeline, "ruth", &OPEN).expect(0).out;
    let entry = last(&world, "AccessReviewOpened");
    assert!(out.contains(&format!(" is open {entry}: 15 lines, due 2099")) && out.contains(" for ruth\n"), "{out}");
    for args in [&["access", "review", "show"][..], &["access", "review", "list"]] {
        at(&pipeline, args);
        at(&pipeline, &[args, &["--format", "json"]].concat());
    }
    let all = world.cs(["access", "review", "show", "--format", "json"]).expect(0).json();
    assert_eq!(all["population"], all["recomputed"]);

    // What waits for whoever asks is shown, and that is recorded; it is the token's person, whatever key is named.
    let role = line(&world, "omar", "release-manager");
    let theirs = reviewer(&world, role);
    let other = if theirs == "ruth" { "dan" } else { "ruth" };
    let mine = ["access", "review", "show", "--mine"];
    shows(&pipeline, "omar");
    assert_eq!(pipeline.cs(&mine).expect(0).out, "nothing waits for you\n");
    assert_eq!(entries(&world, &KINDS)[1], 0);
    shows(&pipeline, theirs);
    let out = pipeline.cs(&mine).expect(0).out;
    assert!(out.contains("release-manager") && out.contains("omar") && out.contains("Next: countersign"), "{out}");
    assert_eq!(out, world.by(theirs, &mine).expect(0).out);
    let there = pipeline.cs(&[&mine[..], &["--format", "json"]].concat()).expect(0).json();
    let here = world.by(theirs, &[&mine[..], &["--format", "json"]].concat()).expect(0).json();
    let bare = |said: Value| {
        let lines = said["lines"].as_array().unwrap().iter().map(|l| but(l.clone(), &["shown"])).collect::<Vec<_>>();
        (said["review"].clone(), said["version"].clone(), lines)
    };
    assert_eq!(bare(there), bare(here));
    assert_eq!(entries(&world, &KINDS)[1], 4);

    // Lines are decided by whom they wait for.
    let n = role.to_string();
    shows(&pipeline, other);
    alike(&pipeline, other, &decide("keep", &n, &[]));
    shows(&pipeline, theirs);
    for args in [decide("revoke", &n, &[]), decide("keep", "99", &[])] {
        assert_ne!(alike(&pipeline, theirs, &args).code, 0);
    }
    let args = decide("revoke", &n, &["--reason", "moved to another team", "--format", "json"]);
    let there = by(&pipeline, theirs, &args).expect(0).json();
    let id = text(&all["review"]);
    assert_eq!(but(there, &["index"]), json!({"version": 1, "review": id, "lines": [role], "decision": "revoke"}));
    alike(&pipeline, theirs, &decide("keep", &n, &[]));
    shows(&pipeline, "ruth");
    let close = ["access", "review", "close", "latest"];
    // Lines wait; and where they are hers, nobody else decided anything yet.
    assert_eq!(alike(&pipeline, "ruth", &close).code, if theirs == "ruth" { 4 } else { 11 });
    for who in ["ada", "dan", "ruth"] {
        shows(&pipeline, who);
        let people = ["Ada", "mia", "dan", "ruth", "omar", "olga"];
        for person in people {
            let ran = by(&pipeline, who, &["access", "review", "decide", &id[..8], "keep", "--all-of", person]);
            assert!(ran.code == 0 || code_of(&ran) == "CS-REVIEW-004", "{}", ran.all());
        }
    }
    let all = world.cs(["access", "review", "show", "--format", "json"]).expect(0).json();
    assert_eq!((&all["waiting"], &all["figures"]["kept"]), (&json!(0), &json!(14)));
    let before = entries(&world, &KINDS);
    shows(&pipeline, "ada");
    alike(&pipeline, "ada", &close);

    // Two acts: what is to go ends, and it is certified by reading the log again.
    shows(&pipeline, "ruth");
    let out = by(&pipeline, "ruth", &close).expect(0).out;
    let (ended, closed) = (last(&world, "AccessReviewEnforced"), last(&world, "AccessReviewClosed"));
    assert!(
        out.starts_with(&format!("✓ {id} is closed and certified {closed}\n  1 line ended by it {ended}\n")),
        "{out}"
    );
    assert!(out.contains(&format!("    line {role}: review {ended}\n15 lines: 14 kept, ")), "{out}");
    assert_eq!(entries(&world, &KINDS), [before[0], before[1], before[2], 1, 1, before[5] + 2]);
    assert!(!world.cs(["role", "list"]).expect(0).out.contains("release-manager"));
    alike(&pipeline, "ruth", &close);
    for args in [
        &["access", "review", "show"][..],
        &["access", "review", "show", "--format", "json"],
        &["access", "review", "list"],
    ] {
        at(&pipeline, args);
    }
    alike(&pipeline, "ruth", &["access", "readmit", "none", "--reason", "in use"]);

    // Where nothing is to go, one signature is enough, and the fields are those that are printed where the ledger is.
    let close = [&close[..], &["--format", "json"]].concat();
    let mut printed = Vec::new();
    for is_there in [true, false] {
        by(&pipeline, "ruth", &[&OPEN[..], &["--reviewer", "dan", "--reviewer", "ruth"]].concat()).expect(0);
        for (who, all) in
            [("dan", ["Ada", "mia", "ruth", "omar", "olga"]), ("ruth", ["Ada", "mia", "dan", "omar", "olga"])]
        {
            for person in all {
                world.by(who, &["access", "review", "decide", "latest", "keep", "--all-of", person]);
            }
        }
        let said = if is_there { by(&pipeline, "ruth", &close) } else { world.by("ruth", &close) };
        let said = said.expect(0).json();
        assert_eq!((&said["enforced"], &said["ended"], &said["gone"]), (&Value::Null, &json!([]), &json!([])));
        printed.push(said.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
    }
    assert_eq!(printed[0], printed[1]);
    assert_eq!(entries(&world, &KINDS)[3..5], [1, 3]);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

/// A statement with something else in one place, signed.
fn changed(world: &World, namespace: &str, statement: &[u8], field: &str, value: Value) -> Vec<u8> {
    let mut said: Value = serde_json::from_slice(statement).unwrap();
    *said.pointer_mut(field).unwrap() = value;
    signed(world, "ruth", namespace, &canonical::to_vec(&said).unwrap())
}

#[test]
fn a_review_is_opened_over_the_log_as_it_was_read_and_certified_by_whoever_read_it() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let ruth = Program::new(&server, &token(&world, "ruth", SCOPES));
    let dan = Program::new(&server, &token(&world, "dan", SCOPES));
    let key = fingerprint(&world, "ruth");
    let mut n = 0_u32;
    let mut send = |program: &Program<'_>, act: &[u8]| -> Answer {
        n += 1;
        hand_in(program, Some(&format!("key-{n:016}")), None, &[act.to_vec()])
    };
    let open = json!({
        "kind": "access-review-open", "from": "2026-01-01T00:00:00Z", "due": "2099-01-01T00:00:00Z", "reason": "this year",
        "reviewers": ["dan", "ruth"],
    });
    assert_eq!(code(&prepare(&dan, &key, &open).expect(403)), "CS-SERVER-024");
    let given = body(&prepare(&ruth, &key, &open).expect(200));
    let statement = statements(&given).remove(0);
    let size = serde_json::from_slice::<Value>(&statement).unwrap()["predicate"]["size"].as_u64().unwrap();
    let good = signed(&world, "ruth", act::ACCESS_REVIEW, &statement);
    assert_eq!(code(&send(&dan, &good).expect(403)), "CS-SERVER-024");
    for (field, value) in [
        ("/predicate/size", json!(size + 1000)),
        ("/predicate/size", json!(0)),
        ("/predicate/lines/0/reviewer", json!("per-00000000000000000000")),
        ("/predicate/lines/0/access/idle", json!(true)),
        ("/predicate/idle_days", json!(1)),
        ("/predicate/population", json!(format!("sha256:{}", "0".repeat(64)))),
        ("/predicate/review", json!("rev-1")),
    ] {
        let act = changed(&world, act::ACCESS_REVIEW, &statement, field, value.clone());
        let answer = send(&ruth, &act);
        assert_eq!((answer.status, code(&answer).as_str()), (409, "CS-HANDED-002"), "{field} {value}: {}", answer.body);
    }
    assert_eq!(entries(&world, &KINDS), [0, 0, 0, 0, 0, 9]);
    // Of another place of the log, other access is to be signed.
    let act = changed(&world, act::ACCESS_REVIEW, &statement, "/predicate/size", json!(1));
    assert_eq!(code(&send(&ruth, &act).expect(409)), "CS-ACCESS-013");
    // What is appended meanwhile does not matter, unless access came or went.
    world.by("dan", &["role", "grant", "mia", "auditor", "--reason", "x"]).expect(4);
    let first = body(&send(&ruth, &good).expect(200));
    assert_eq!(body(&send(&ruth, &good).expect(200)), first, "the same again is the entry that is there");
    assert_eq!((&first["result"]["size"], entries(&world, &KINDS)[0]), (&json!(size), 1));
    let given = body(&prepare(&ruth, &key, &open).expect(200));
    let late = signed(&world, "ruth", act::ACCESS_REVIEW, &statements(&given)[0]);
    world.by("ada", &["role", "grant", "olga", "developer", "--reason", "more"]).expect(0);
    let answer = send(&ruth, &late);
    assert_eq!((code(&answer.expect(409)).as_str(), entries(&world, &KINDS)[0]), ("CS-ACCESS-013", 1));
    world.by("ada", &["role", "revoke", "olga", "developer", "--reason", "less"]).expect(0);

    // The certification is of a log that was read to the end of what it speaks of.
    let id = text(&first["result"]["review"]);
    let other = line(&world, "omar", "release-manager").to_string();
    let by = reviewer(&world, line(&world, "omar", "release-manager"));
    world.by(by, &["access", "review", "decide", &id, "revoke", "--line", &other, "--reason", "x"]).expect(0);
    for who in ["dan", "ruth"] {
        for person in ["Ada", "mia", "dan", "ruth", "omar", "olga"] {
            world.by(who, &["access", "review", "decide", &id, "keep", "--all-of", person]);
        }
    }
    let close = json!({"kind": "access-review-close", "review": id});
    // Nothing is certified while something that is to go is there.
    assert_eq!(prepare(&ruth, &key, &close).status, 409);
    let enforce = json!({"kind": "access-review-enforce", "review": id});
    let given = body(&prepare(&ruth, &key, &enforce).expect(200));
    let act =
        changed(&world, act::ACCESS_REVIEW_ENFORCEMENT, &statements(&given)[0], "/predicate/lines", json!([1, 2]));
    assert_eq!(code(&send(&ruth, &act).expect(409)), "CS-HANDED-002");
    let act = signed(&world, "ruth", act::ACCESS_REVIEW_ENFORCEMENT, &statements(&given)[0]);
    let ended = body(&send(&ruth, &act).expect(200));
    assert_eq!(ended["result"]["spared"], json!([]));
    let again = body(&prepare(&ruth, &key, &enforce).expect(200));
    assert_eq!((&again["acts"], &again["already"]["ended"]), (&json!([]), &json!([])));
    let given = body(&prepare(&ruth, &key, &close).expect(200));
    let statement = statements(&given).remove(0);
    for (field, value) in [
        ("/predicate/size", ended["index"].clone()),
        ("/predicate/size", json!(1_000_000)),
        ("/predicate/figures/kept", json!(1)),
        ("/predicate/gone", json!([])),
    ] {
        let act = changed(&world, act::ACCESS_REVIEW_CERTIFICATION, &statement, field, value.clone());
        assert_eq!(code(&send(&ruth, &act).expect(409)), "CS-HANDED-002", "{field} {value}");
    }
    let act = signed(&world, "ruth", act::ACCESS_REVIEW_CERTIFICATION, &statement);
    let closed = body(&send(&ruth, &act).expect(200));
    assert_eq!(body(&send(&ruth, &act).expect(200)), closed);
    assert_eq!(entries(&world, &KINDS)[3..5], [1, 1]);

    // They are of the whole firm: no token that is limited opens them.
    let issue = ["token", "issue", "--scope", SCOPES, "--repository", "git:git.example/acme/pay", "--format", "json"];
    let limited = Program::new(&server, &world.by("ruth", &issue).expect(0).json());
    let before = said(&world, "ActRefused").len();
    for asked in [
        open,
        enforce,
        close,
        json!({"kind": "access-review-decide", "review": id, "decision": "keep", "lines": [1]}),
        json!({"kind": "access-readmit", "workload": "x", "reason": "x"}),
    ] {
        assert_eq!(code(&prepare(&limited, &key, &asked).expect(404)), "CS-SERVER-022", "{asked}");
    }
    let path = "/api/v1/access-reviews/latest/shown";
    let answer = limited.0.send("POST", path, &[("authorization", &limited.1)], "");
    assert_eq!(code(&answer.expect(404)), "CS-SERVER-022");
    assert_eq!(said(&world, "ActRefused").len(), before + 6);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[cfg(debug_assertions)]
#[test]
fn silence_ends_and_the_last_administrator_is_spared_from_a_machine_without_the_ledger() {
    if !super::support::have_ssh_keygen() {
        return;
    }
    let mut world = World::new();
    world.now = Some("2029-09-01T00:00:00Z".into());
    world.firm();
    world.now = Some("2030-01-01T00:00:00Z".into());
    let open = ["access", "review", "open", "--from", "2029-10-01", "--due", "2030-01-15", "--reason", "x"];
    world.by("ruth", &open).expect(0);
    for what in ["security-officer", "compliance-officer", "key"] {
        let n = line(&world, "ruth", what);
        let by = reviewer(&world, n);
        world.by(by, &["access", "review", "decide", "latest", "keep", "--line", &n.to_string()]).expect(0);
    }
    world.now = Some("2030-01-15T00:00:00Z".into());
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "ruth", SCOPES));
    assert!(pipeline.cs(&["access", "review", "list"]).expect(11).out.contains("overdue"));
    let close = ["access", "review", "close", "latest"];
    let ran = by(&pipeline, "ruth", &close).expect(4);
    assert_eq!(code_of(&ran), "CS-REVIEW-012", "{}", ran.all());
    assert_eq!(entries(&world, &KINDS)[3..], [1, 0, 1]);
    world.by("ada", &["role", "grant", "ruth", "administrator", "--reason", "hands over"]).expect(0);
    let out = by(&pipeline, "ruth", &close).expect(0).out;
    assert!(out.contains(&format!("ended by it {}\n", last(&world, "AccessReviewEnforced"))), "{out}");
    assert_eq!(entries(&world, &KINDS)[3..], [2, 1, 1]);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}
