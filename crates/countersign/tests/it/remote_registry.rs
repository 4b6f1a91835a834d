//! Applications, environments, freezes and windows with `--server`, by the real binary on both ends.

use countersign_evidence::{act, canonical};
use serde_json::{Value, json};

use super::api::{Program, body, code, token};
use super::remote_acts::{but, by, code_of, fingerprint, hand_in, prepare, refused, shows, signed, statements, text};
use super::remote_lists::{people, same};
use super::server::{firm, said, serve};
use super::submit::{Pipeline, entries};

const SCOPES: &str = "read,approve";

#[test]
fn applications_are_registered_changed_and_retired_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "ada", SCOPES));
    const KINDS: [&str; 3] = ["ApplicationRegistered", "ApplicationRetired", "ActRefused"];
    let ids = people(&world);
    let bare = ["application", "register", "pay", "--owner", "mia", "--criticality", "low", "--data", "public"];
    let register = [&bare[..], &["--deputy", &ids["dan"], "--this-repository", "--reason", "it is ours"]].concat();

    // Who may not, may not from here either, and that is recorded.
    shows(&pipeline, "omar");
    refused(&world, &pipeline, "omar", &bare);
    shows(&pipeline, "mia");
    refused(&world, &pipeline, "mia", &bare);
    // Nor do they learn who is enrolled.
    let stranger = ["application", "register", "pay", "--owner", "nobody", "--criticality", "low", "--data", "public"];
    assert_eq!(code_of(&by(&pipeline, "mia", &stranger).expect(4)), "CS-ACCESS-011");
    assert_eq!(entries(&world, &KINDS), [0, 0, 5]);
    shows(&pipeline, "ada");
    for more in [&["--owner", "nobody"][..], &["--data", "cardholder"]] {
        let args = ["application", "register", "x", "--criticality", "low"];
        let rest = if more[0] == "--owner" { ["--data", "public"] } else { ["--owner", "mia"] };
        refused(&world, &pipeline, "ada", &[&args[..], more, &rest].concat());
    }
    refused(&world, &pipeline, "ada", &["application", "change", "pay", "--criticality", "high"]);
    refused(&world, &pipeline, "ada", &["application", "retire", "pay", "--reason", "sold"]);
    same(&world, &pipeline, &["application", "show", "pay"]);

    // It is signed here, and nobody is signed but whom the server says that they are.
    let ran = by(&pipeline, "ada", &register).expect(0);
    let index = said(&world, "ApplicationRegistered")[0]["index"].as_u64().unwrap();
    assert_eq!(ran.out, format!("✓ pay is registered as low (entry {index})\n"));
    assert!(ran.err.contains(&format!("the owner mia is {}, as the server says", ids["mia"])), "{}", ran.err);
    assert!(!ran.err.contains("the deputy") && ran.err.contains("countersign-application@v1"), "{}", ran.err);
    let known = same(&world, &pipeline, &["application", "show", "pay"]);
    assert_eq!((&known["what"]["owner"], &known["what"]["deputy"]), (&json!(ids["mia"]), &json!(ids["dan"])));
    assert_eq!(known["what"]["repositories"], json!(["git:git.example/acme/pay"]));
    refused(&world, &pipeline, "ada", &bare);

    // Nothing new is not signed.
    let before = entries(&world, &KINDS);
    let change = ["application", "change", "pay", "--criticality"];
    let ran = by(&pipeline, "ada", &[&change[..], &["low"]].concat()).expect(0);
    assert_eq!(ran.out, "✓ nothing about it is new\n");
    assert!(!ran.err.contains("signing"), "{}", ran.err);
    let there = by(&pipeline, "ada", &[&change[..], &["low", "--format", "json"]].concat()).expect(0).json();
    let here = world.by("ada", &[&change[..], &["low", "--format", "json"]].concat()).expect(0).json();
    assert_eq!((&there, &there["index"]), (&here, &Value::Null));
    assert_eq!(entries(&world, &KINDS), before);

    // What is named changes, and the rest stays.
    let more = ["high", "--owner", "RUTH", "--deputy", "none", "--repository", "git:git.example/acme/other"];
    let done = by(&pipeline, "ada", &[&change[..], &more, &["--format", "json"]].concat()).expect(0).json();
    let expected = json!({
        "id": "pay", "name": "pay", "owner": ids["ruth"], "deputy": null, "criticality": "high", "data": ["public"],
        "cardholder_scope": "out", "sox_key_system": false,
        "repositories": ["git:git.example/acme/other", "git:git.example/acme/pay"],
    });
    assert_eq!(but(done, &["index"]), json!({"version": 1, "registered": expected}));
    let ran = by(&pipeline, "ada", &["application", "change", "pay", "--name", "Payments"]).expect(0).out;
    assert!(ran.starts_with("✓ pay is changed (entry "), "{ran}");
    same(&world, &pipeline, &["application", "show", "pay"]);
    let ran = by(&pipeline, "ada", &["application", "retire", "pay", "--reason", "sold"]).expect(0).out;
    assert!(ran.starts_with("✓ pay is retired (entry "), "{ran}");
    let all = same(&world, &pipeline, &["application", "list"]);
    assert!(all["applications"][0]["retired"].is_number(), "{all}");
    refused(&world, &pipeline, "ada", &["application", "change", "pay", "--criticality", "low"]);
    by(&pipeline, "ada", &register).expect(0);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn environments_are_registered_frozen_and_retired_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "ada", SCOPES));
    const KINDS: [&str; 5] =
        ["EnvironmentRegistered", "EnvironmentRetired", "EnvironmentFrozen", "FreezeLifted", "WindowsSet"];
    let environment = |verb: &'static str, more: &[&'static str]| [&["environment", verb, "production"], more].concat();
    shows(&pipeline, "omar");
    refused(&world, &pipeline, "omar", &["environment", "register", "qa", "--tier", "test"]);
    let ran = by(&pipeline, "omar", &environment("register", &["--tier", "production"])).expect(0).out;
    assert!(ran.starts_with("✓ production is of the tier production (entry "), "{ran}");
    let again = environment("change", &["--tier", "production"]);
    assert_eq!(by(&pipeline, "omar", &again).expect(0).out, "✓ nothing about it is new\n");
    refused(&world, &pipeline, "omar", &environment("change", &["--tier", "test"]));
    refused(&world, &pipeline, "omar", &environment("register", &["--tier", "production"]));
    same(&world, &pipeline, &environment("show", &[]));

    // Frozen from now on, and once more from a day on.
    let freeze = ["environment", "freeze", "add", "production", "--reason", "end of year"];
    let ran = by(&pipeline, "omar", &freeze).expect(0).out;
    let listed = same(&world, &pipeline, &["environment", "freeze", "list"]);
    let id = text(&listed["freezes"][0]["freeze"]);
    assert!(ran.starts_with(&format!("✓ production is frozen: {id} (entry ")), "{ran}");
    let ahead = [&freeze[..], &["--from", "2099-01-01", "--until", "2099-02-01", "--format", "json"]].concat();
    let second = text(&by(&pipeline, "omar", &ahead).expect(0).json()["freeze"]);
    let shown = same(&world, &pipeline, &environment("show", &[]));
    assert_eq!((&shown["open"], &shown["freezes"][1]["freeze"]), (&json!(false), &json!(second)));
    refused(&world, &pipeline, "omar", &[&freeze[..], &["--until", "2020-01-01"]].concat());
    refused(&world, &pipeline, "omar", &["environment", "freeze", "add", "none", "--reason", "x"]);
    refused(&world, &pipeline, "omar", &["environment", "freeze", "lift", &id, "--reason", "mine"]);
    shows(&pipeline, "ruth");
    refused(&world, &pipeline, "ruth", &["environment", "freeze", "lift", "frz-none", "--reason", "x"]);
    let lift = ["environment", "freeze", "lift", &id[..12], "--reason", "it is over"];
    let ran = by(&pipeline, "ruth", &lift).expect(0).out;
    assert!(ran.starts_with(&format!("✓ {id} is lifted (entry ")), "{ran}");
    refused(&world, &pipeline, "ruth", &lift);
    same(&world, &pipeline, &["environment", "freeze", "list"]);

    // Windows.
    let windows = environment("windows", &["--reason", "at night", "--window", "mon-thu 20:00-23:30 +01:00"]);
    let there = by(&pipeline, "ruth", &[&windows[..], &["--format", "json"]].concat()).expect(0).json();
    let here = world.by("ruth", &[&windows[..], &["--format", "json"]].concat()).expect(0).json();
    assert_eq!(but(there, &["index"]), but(here, &["index"]));
    same(&world, &pipeline, &environment("show", &[]));
    let ran = by(&pipeline, "ruth", &environment("windows", &["--reason", "always"])).expect(0).out;
    assert!(ran.starts_with("✓ production is open at any time (entry "), "{ran}");
    shows(&pipeline, "mia");
    refused(&world, &pipeline, "mia", &windows);

    shows(&pipeline, "ada");
    let ran = by(&pipeline, "ada", &environment("change", &["--tier", "test", "--reason", "it was never"]));
    assert!(ran.expect(0).out.starts_with("✓ production is of the tier test (entry "));
    by(&pipeline, "ada", &environment("retire", &["--reason", "gone"])).expect(0);
    refused(&world, &pipeline, "ada", &environment("retire", &["--reason", "gone"]));
    same(&world, &pipeline, &["environment", "list"]);
    for id in ["production", "none", "../me", "a b"] {
        same(&world, &pipeline, &["environment", "show", id]);
    }
    assert_eq!(entries(&world, &KINDS), [2, 1, 2, 1, 3]);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn of_the_registry_too_only_what_was_given_out_is_taken_and_a_limited_token_acts_on_its_own() {
    let Some(world) = firm() else { return };
    let register = ["--owner", "mia", "--criticality", "low", "--data", "public"];
    for id in ["pay", "shop"] {
        world.by("ada", &[&["application", "register", id], &register[..]].concat()).expect(0);
    }
    world.by("ada", &["environment", "register", "production", "--tier", "production"]).expect(0);
    let freeze = ["environment", "freeze", "add", "production", "--reason", "x", "--format", "json"];
    let freeze = text(&world.by("omar", &freeze).expect(0).json()["freeze"]);
    let server = serve(&world);
    let ada = Program::new(&server, &token(&world, "ada", SCOPES));
    let key = fingerprint(&world, "ada");
    const KINDS: [&str; 2] = ["ApplicationRegistered", "ActRefused"];
    let application = |id: &str, criticality: &str| {
        json!({
            "id": id, "name": id, "owner": "mia", "deputy": null, "criticality": criticality, "data": ["public"],
            "cardholder_scope": "out", "sox_key_system": false, "repositories": [],
        })
    };
    let change = json!({"kind": "application-change", "application": application("pay", "high"), "reason": "it grew"});
    let given = body(&prepare(&ada, &key, &change).expect(200));
    assert_eq!((&given["about"]["owner"]["name"], &given["already"]), (&json!("mia"), &Value::Null));
    let (statement, condition) = (statements(&given).remove(0), text(&given["condition"]));
    let same = json!({"kind": "application-change", "application": application("pay", "low")});
    let nothing = body(&prepare(&ada, &key, &same).expect(200));
    assert_eq!((&nothing["acts"], &nothing["already"]["index"]), (&json!([]), &Value::Null));
    assert_eq!(nothing["already"]["registered"]["id"], "pay");
    assert_eq!(entries(&world, &KINDS), [2, 0]);

    // A changed statement is refused, and so is what rests on something that is so no more.
    let changed = |path: &str, value: Value| {
        let mut said: Value = serde_json::from_slice(&statement).unwrap();
        *said.pointer_mut(path).unwrap() = value;
        signed(&world, "ada", act::APPLICATION, &canonical::to_vec(&said).unwrap())
    };
    let mut n = 0_u32;
    let mut once = || {
        n += 1;
        format!("key-{n:016}")
    };
    let dan = people(&world)["dan"].clone();
    for (path, value) in [
        ("/predicate/replaces", json!(0)),
        ("/predicate/replaces", Value::Null),
        ("/predicate/by", json!(dan)),
        ("/predicate/origin", json!("example.org/other")),
        ("/predicate/application/id", json!("shop")),
    ] {
        let answer = hand_in(&ada, Some(&once()), Some(&condition), &[changed(path, value.clone())]);
        assert!((400..500).contains(&answer.status), "{path} {value}: {}", answer.body);
    }
    let good = signed(&world, "ada", act::APPLICATION, &statement);
    assert_eq!(code(&hand_in(&ada, Some(&once()), None, std::slice::from_ref(&good)).expect(428)), "CS-SERVER-086");
    let omar = Program::new(&server, &token(&world, "omar", SCOPES));
    let answer = hand_in(&omar, Some(&once()), Some(&condition), std::slice::from_ref(&good));
    assert_eq!(code(&answer.expect(403)), "CS-SERVER-024");
    assert_eq!(entries(&world, &KINDS)[0], 2);
    let done = body(&hand_in(&ada, Some(&once()), Some(&condition), std::slice::from_ref(&good)).expect(200));
    let again = body(&hand_in(&ada, Some(&once()), None, std::slice::from_ref(&good)).expect(200));
    assert_eq!(done, again);
    assert_eq!(entries(&world, &KINDS)[0], 3);
    let other = body(&prepare(&ada, &key, &same).expect(200));
    world.by("ada", &["application", "change", "pay", "--criticality", "critical"]).expect(0);
    let late = signed(&world, "ada", act::APPLICATION, &statements(&other).remove(0));
    let answer = hand_in(&ada, Some(&once()), other["condition"].as_str(), &[late]);
    assert_eq!(code(&answer.expect(412)), "CS-SERVER-113");

    // Who acts for one application acts for no other, and for nothing of the firm's.
    let issue = ["token", "issue", "--scope", SCOPES, "--application", "pay", "--format", "json"];
    let limited = Program::new(&server, &world.by("ada", &issue).expect(0).json());
    let before = entries(&world, &["ActRefused"])[0];
    let outside = [
        json!({"kind": "application-register", "application": application("new", "low")}),
        json!({"kind": "application-change", "application": application("shop", "high")}),
        json!({"kind": "application-retire", "application": "shop", "reason": "x"}),
        json!({"kind": "environment-register", "environment": {"id": "qa", "tier": "test"}}),
        json!({"kind": "environment-change", "environment": {"id": "production", "tier": "test"}}),
        json!({"kind": "environment-retire", "environment": "production", "reason": "x"}),
        json!({"kind": "freeze-add", "environment": "production", "reason": "x"}),
        json!({"kind": "freeze-lift", "freeze": freeze, "reason": "x"}),
        json!({"kind": "environment-windows", "environment": "production", "windows": [], "reason": "x"}),
    ];
    for asked in &outside {
        assert_eq!(code(&prepare(&limited, &key, asked).expect(404)), "CS-SERVER-022", "{asked}");
    }
    assert_eq!(entries(&world, &["ActRefused"])[0], before + outside.len());
    let own = json!({"kind": "application-change", "application": application("pay", "high")});
    prepare(&limited, &key, &own).expect(200);
    let listed = body(&limited.get("/api/v1/applications").expect(200));
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    limited.get("/api/v1/applications/shop").expect(404);
    for bad in [
        json!({"kind": "application-change", "application": {"id": "pay"}}),
        json!({"kind": "environment-register", "environment": {"id": "qa", "tier": "other"}}),
        json!({"kind": "environment-windows", "environment": "production", "windows": ["never"], "reason": "x"}),
    ] {
        assert_eq!(code(&prepare(&ada, &key, &bad).expect(400)), "CS-SERVER-110", "{bad}");
    }
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
    assert_eq!(body(&ada.get("/api/v1/ledger").expect(200))["disbelieved"], json!([]));
}

#[test]
fn a_gate_is_taken_on_and_reviewed_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "ruth", SCOPES));
    const KINDS: [&str; 3] = ["GateAcknowledged", "GateReviewed", "ActRefused"];
    let (acknowledge, review) =
        (["gate", "acknowledge", "release"], ["gate", "review", "release", "--finding", "the ladder was tried"]);
    shows(&pipeline, "ruth");
    refused(&world, &pipeline, "ruth", &acknowledge);
    let owned = |by: &str| {
        format!(
            "version: 1\ngates:\n  - gate: release\n    owner: {by}\n    respond_within: 4h\n    fallback: nobody releases\n"
        )
    };
    let activate = |text: &str| {
        std::fs::write(world.path("gates.yaml"), text).unwrap();
        world.by("ruth", &["gate", "activate", world.path("gates.yaml").to_str().unwrap()]).expect(0);
    };
    activate(&owned("ruth"));
    let ran = by(&pipeline, "ruth", &acknowledge).expect(0).out;
    assert!(ran.starts_with("✓ the gate release is taken on (entry "), "{ran}");
    refused(&world, &pipeline, "ruth", &["gate", "acknowledge", "build"]);
    refused(&world, &pipeline, "ruth", &["gate", "acknowledge", "other"]);
    shows(&pipeline, "omar");
    refused(&world, &pipeline, "omar", &acknowledge);
    refused(&world, &pipeline, "omar", &review);
    assert_eq!(entries(&world, &KINDS), [1, 0, 4]);
    shows(&pipeline, "dan");
    let there = by(&pipeline, "dan", &[&review[..], &["--format", "json"]].concat()).expect(0).json();
    let here = world.by("dan", &[&review[..], &["--format", "json"]].concat()).expect(0).json();
    assert_eq!(but(there, &["index"]), but(here, &["index"]));
    let shown = world.cs(["gate", "show", "release", "--format", "json"]).expect(0).json();
    assert!(shown["acknowledged"].is_object() && shown["review"]["finding"] == "the ladder was tried", "{shown}");

    // Whose gates they are is in what is signed: under other owners it says nothing.
    let (ruth, key) = (Program::new(&server, &token(&world, "ruth", SCOPES)), fingerprint(&world, "ruth"));
    let asked = json!({"kind": "gate-acknowledge", "gate": "release"});
    let given = body(&prepare(&ruth, &key, &asked).expect(200));
    let act = signed(&world, "ruth", act::GATE_ACKNOWLEDGEMENT, &statements(&given).remove(0));
    activate(&owned("dan"));
    let answer = hand_in(&ruth, Some("0123456789abcdef"), given["condition"].as_str(), std::slice::from_ref(&act));
    assert_eq!(code(&answer.expect(412)), "CS-SERVER-113");
    activate(&owned("ruth"));
    let answer = hand_in(&ruth, Some("0123456789abcdef"), given["condition"].as_str(), std::slice::from_ref(&act));
    let done = body(&answer.expect(200));
    assert_eq!(done["result"]["said"], json!({"gate": "release"}));
    let issue = ["token", "issue", "--scope", SCOPES, "--repository", "git:git.example/acme/pay", "--format", "json"];
    let limited = Program::new(&server, &world.by("ruth", &issue).expect(0).json());
    assert_eq!(code(&prepare(&limited, &key, &asked).expect(404)), "CS-SERVER-022");
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}
