//! Retention, legal holds and records officers with `--server`, by the real binary on both ends.

use countersign_evidence::{act, canonical};
use serde_json::{Value, json};

use super::api::{Program, body, code, token};
use super::remote_acts::{but, by, fingerprint, hand_in, prepare, refused, shows, signed, statements, text};
use super::remote_lists::people;
use super::server::{firm, serve};
use super::submit::{Pipeline, entries};
use super::support::World;

const SCOPES: &str = "read,approve";

/// A command says the same over the network as where the ledger is.
fn said(world: &World, pipeline: &Pipeline<'_>, person: &str, args: &[&str]) -> Value {
    let there = by(pipeline, person, args).expect(0);
    let here = world.by(person, args).expect(0);
    let bare = |out: &str| out.split(" (entry ").next().unwrap().to_owned();
    assert_eq!(bare(&there.out), bare(&here.out), "{args:?}");
    assert!(there.out.contains(" (entry ") && there.err.contains("signing with"), "{}", there.all());
    let args = [args, &["--format", "json"]].concat();
    let (there, here) = (by(pipeline, person, &args).expect(0).json(), world.by(person, &args).expect(0).json());
    assert_eq!(but(there.clone(), &["index"]), but(here, &["index"]), "{args:?}");
    there
}

#[test]
fn how_long_records_are_kept_is_said_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "mia", "read,submit"));
    let run = text(&pipeline.cs(&["run", "--format", "json"]).expect(11).json()["run"]);
    const KINDS: [&str; 5] =
        ["RetentionClassDefined", "RetentionDefaultChosen", "RetentionStarted", "RetentionExtended", "ActRefused"];
    let define = [
        "retention",
        "define",
        "house",
        "--period",
        "10y",
        "--start",
        "deal-closed",
        "--source",
        "policy 7",
        "--reason",
    ];
    let define = [&define[..], &["as resolved"]].concat();
    let default = ["retention", "default", "sec-17a-4-6y", "--reason", "a broker"];
    let start =
        ["retention", "start", "deal-closed", "--select", "all", "--on", "2026-01-31", "--reason", "it is done"];
    let extend = ["retention", "extend", "--class", "house", "--reason", "a request", "--select"];
    let by_run = [&extend[..], &["run:latest", "--until", "2040-12-31"]].concat();
    let by_name = [&extend[..], &["person:DAN"]].concat();
    shows(&pipeline, "mia");
    for args in [&define[..], &default, &start, &by_run, &by_name] {
        refused(&world, &pipeline, "mia", args);
    }
    assert_eq!(entries(&world, &KINDS), [0, 0, 0, 0, 10]);
    // Whoever may not does not learn who is enrolled.
    let nobody = [&extend[..], &["person:nobody"]].concat();
    let ran = by(&pipeline, "mia", &nobody);
    assert!(ran.code == 4 && !ran.err.contains("nobody"), "{}", ran.err);

    shows(&pipeline, "ruth");
    refused(&world, &pipeline, "ruth", &start);
    refused(&world, &pipeline, "ruth", &nobody);
    refused(&world, &pipeline, "ruth", &[&extend[..], &["run:run-none"]].concat());
    refused(&world, &pipeline, "ruth", &[&extend[..], &["something"]].concat());
    refused(&world, &pipeline, "ruth", &["retention", "default", "no-such-class", "--reason", "x"]);
    said(&world, &pipeline, "ruth", &define);
    let shorter: Vec<&str> = define.iter().map(|arg| if *arg == "10y" { "9y" } else { *arg }).collect();
    refused(&world, &pipeline, "ruth", &shorter);
    said(&world, &pipeline, "ruth", &default);
    said(&world, &pipeline, "ruth", &start);
    let ahead: Vec<&str> = start.iter().map(|arg| if *arg == "2026-01-31" { "2099-01-31" } else { *arg }).collect();
    refused(&world, &pipeline, "ruth", &ahead);
    let kept = said(&world, &pipeline, "ruth", &by_run);
    assert_eq!(kept["selector"], json!({"run": run}), "{kept}");
    let kept = said(&world, &pipeline, "ruth", &by_name);
    assert_eq!(kept["selector"], json!({"person": people(&world)["dan"]}), "{kept}");
    let named = by(&pipeline, "ruth", &by_name).expect(0).err;
    assert!(named.contains(&format!("DAN is {}, as the server says", people(&world)["dan"])), "{named}");
    for here in [&["retention", "show"][..], &["hold", "list"], &["records-officer", "list"]] {
        let ran = pipeline.cs(here);
        assert!(ran.code == 2 && ran.err.contains("unexpected argument '--server'"), "{}", ran.err);
    }
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn holds_are_placed_and_released_and_offices_given_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "mia", SCOPES));
    const KINDS: [&str; 5] =
        ["HoldPlaced", "HoldReleased", "RecordsOfficerDesignated", "RecordsOfficerRevoked", "ActRefused"];
    let place = ["hold", "place", " M-2026-7 ", "--select", "person:mia", "--reason", "an enquiry"];
    let release = ["hold", "release", "M-2026-7", "--reason", "it is over"];
    let office = |verb: &'static str, person: &'static str, office: &'static str| {
        ["records-officer", verb, person, office, "--reason", "the board resolved"]
    };
    let give = office("designate", "dan", "designated-executive-officer");
    for args in [&place[..], &release, &give, &office("revoke", "dan", "officer")] {
        refused(&world, &pipeline, "mia", args);
    }
    assert_eq!(entries(&world, &KINDS), [0, 0, 0, 0, 8]);
    let ran = by(&pipeline, "mia", &office("designate", "nobody", "officer"));
    assert!(ran.code == 4 && !ran.err.contains("nobody"), "{}", ran.err);

    shows(&pipeline, "ruth");
    refused(&world, &pipeline, "ruth", &release);
    let held = said(&world, &pipeline, "ruth", &place);
    assert_eq!((&held["matter"], &held["selector"]), (&json!("M-2026-7"), &json!({"person": people(&world)["mia"]})));

    // A hold that somebody places meanwhile is not released by whoever did not see it.
    let ruth = Program::new(&server, &token(&world, "ruth", SCOPES));
    let asked = json!({"kind": "hold-release", "matter": "M-2026-7", "reason": "it is over"});
    let given = body(&prepare(&ruth, &fingerprint(&world, "ruth"), &asked).expect(200));
    assert_eq!(given["about"]["holds"].as_array().unwrap().len(), 4, "{given}");
    let (statement, condition) = (statements(&given).pop().unwrap(), text(&given["condition"]));
    world.by("ruth", &place).expect(0);
    let act = signed(&world, "ruth", act::HOLD_RELEASE, &statement);
    let answer = hand_in(&ruth, Some("a-release-of-four-holds"), Some(&condition), &[act]);
    assert_eq!(code(&answer.expect(412)), "CS-SERVER-113");
    assert_eq!(entries(&world, &KINDS)[1], 0);
    let ran = by(&pipeline, "ruth", &release).expect(0);
    assert!(ran.out.starts_with("✓ the holds of M-2026-7 are released (entry "), "{}", ran.out);
    refused(&world, &pipeline, "ruth", &release);

    // What was signed is taken as it was given out.
    let asked = json!({"kind": "hold-place", "matter": "M-8", "select": "person:dan", "reason": "an enquiry"});
    let given = body(&prepare(&ruth, &fingerprint(&world, "ruth"), &asked).expect(200));
    let statement = statements(&given).pop().unwrap();
    let mut other: Value = serde_json::from_slice(&statement).unwrap();
    other["predicate"]["selector"] = json!({"run": "run-1"});
    let act = signed(&world, "ruth", act::HOLD, &canonical::to_vec(&other).unwrap());
    let answer = hand_in(&ruth, Some("a-hold-of-no-run-at-all"), None, &[act]);
    assert_eq!(code(&answer.expect(400)), "CS-BUILD-002", "there is no such run");
    other["predicate"]["selector"] = json!({"person": "dan"});
    let act = signed(&world, "ruth", act::HOLD, &canonical::to_vec(&other).unwrap());
    let answer = hand_in(&ruth, Some("a-hold-of-somebody-named"), None, &[act]);
    assert_eq!(code(&answer.expect(409)), "CS-HANDED-002", "what is signed names an id");
    // Somebody else's key, somebody else's hand, and a token that is for something else.
    assert_eq!(code(&prepare(&ruth, &fingerprint(&world, "mia"), &asked).expect(403)), "CS-SERVER-024");
    let mia = Program::new(&server, &token(&world, "mia", SCOPES));
    let by_mia = signed(&world, "mia", act::HOLD, &statement);
    let before = entries(&world, &KINDS)[4];
    hand_in(&mia, Some("a-hold-by-an-engineer"), None, &[by_mia]).expect(403);
    let issue = ["token", "issue", "--scope", SCOPES, "--repository", "git:git.example/acme/pay", "--format", "json"];
    let limited = Program::new(&server, &world.by("ruth", &issue).expect(0).json());
    assert_eq!(code(&prepare(&limited, &fingerprint(&world, "ruth"), &asked).expect(404)), "CS-SERVER-022");
    assert_eq!(entries(&world, &KINDS)[4], before + 2);
    let act = signed(&world, "ruth", act::HOLD, &statement);
    let send = |once: &str| body(&hand_in(&ruth, Some(once), None, std::slice::from_ref(&act)).expect(200));
    assert_eq!(send("a-hold-the-first-time"), send("a-hold-the-second-time"));
    assert_eq!(entries(&world, &KINDS)[..2], [6, 1]);

    // Offices.
    let ran = by(&pipeline, "ruth", &give).expect(0);
    assert!(ran.out.starts_with("✓ dan is designated-executive-officer from here on (entry "), "{}", ran.out);
    assert!(ran.err.contains(&format!("dan is {}, as the server says", people(&world)["dan"])), "{}", ran.err);
    refused(&world, &pipeline, "ruth", &give);
    refused(&world, &pipeline, "ruth", &office("designate", "mia", "officer"));
    shows(&pipeline, "dan");
    let there = by(&pipeline, "dan", &[&office("designate", "mia", "officer")[..], &["--format", "json"]].concat());
    assert_eq!(there.expect(0).json()["person"], json!(people(&world)["mia"]));
    let back = by(&pipeline, "dan", &office("revoke", "mia", "officer")).expect(0).out;
    assert!(back.starts_with("✓ mia is officer no longer (entry "), "{back}");
    refused(&world, &pipeline, "dan", &office("revoke", "mia", "officer"));
    assert_eq!(entries(&world, &KINDS)[2..4], [2, 1]);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}
