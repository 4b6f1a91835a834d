//! What commands list and show with `--server`, by the real binary on both ends: the same as where the ledger is, but for names of people.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::api::{Program, body, token};
use super::remote_acts::{code_of, text};
use super::server::{firm, serve};
use super::submit::Pipeline;
use super::support::World;

/// People of the ledger: the id of each name.
pub(crate) fn people(world: &World) -> BTreeMap<String, String> {
    let all = world.cs(["person", "list", "--format", "json"]).expect(0).json();
    let all = all["people"].as_array().unwrap();
    all.iter().map(|p| (text(&p["name"]), text(&p["person"]))).collect()
}

/// A command prints over the network what it prints where the ledger is; people are named by id.
pub(crate) fn same(world: &World, pipeline: &Pipeline<'_>, args: &[&str]) -> Value {
    let (here, there) = (world.cs(args), pipeline.cs(args));
    assert_eq!((there.code, code_of(&there)), (here.code, code_of(&here)), "{args:?}: {}", there.all());
    let named = people(world).iter().fold(here.out, |text, (name, id)| {
        text.replace(&format!("by {name},"), &format!("by {id},"))
            .replace(&format!("owner             {name}\n"), &format!("owner             {id}\n"))
            .replace(&format!("deputy            {name}\n"), &format!("deputy            {id}\n"))
    });
    assert_eq!(there.out, named, "{args:?}");
    let args = [args, &["--format", "json"]].concat();
    let (here, there) = (world.cs(&args), pipeline.cs(&args));
    assert_eq!(there.code, here.code);
    if here.out.is_empty() {
        assert_eq!(there.out, "");
        return Value::Null;
    }
    let (here, there) = (here.json(), there.json());
    assert_eq!(there, here, "{args:?}");
    there
}

#[test]
fn waivers_are_listed_and_shown_on_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    world.approve();
    let register = ["application", "register", "pay", "--owner", "mia", "--criticality", "low", "--data", "public"];
    world.by("ada", &[&register[..], &["--this-repository"]].concat()).expect(0);
    let request =
        ["waive", "request", "--control", "secrets-out-of-source", "--accept", "It is old.", "--format", "json"];
    let asked = |more: &[&str]| text(&world.by("mia", &[&request[..], more].concat()).expect(0).json()["waiver"]);
    let first = asked(&["--path", "old/**", "--rule", "secrets/*"]);
    let second = asked(&["--application", "pay", "--tier", "production", "--environment", "production"]);
    let third = asked(&["--path", "b", "--category", "mitigated", "--compensating", "dual-approval"]);
    world.by("ruth", &["waive", "grant", &first, "--reason", "for now"]).expect(0);
    world.by("ruth", &["waive", "grant", &second, "--reason", "for now"]).expect(0);
    world.by("dan", &["waive", "revoke", &second, "--reason", "no more"]).expect(0);
    world.by("ruth", &["waive", "reject", &third, "--reason", "never"]).expect(0);
    world.by("mia", &["waive", "renew", &first, "--accept", "Still old."]).expect(0);
    // The first is in a decision, in which it covers nothing.
    world.commit_signed("mia", "b.sh", "echo b\n");
    world.cs(["run"]).expect(11);
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "dan", "read"));

    let all = same(&world, &pipeline, &["waive", "list"]);
    assert_eq!(all["waivers"].as_array().unwrap().len(), 4);
    assert_eq!(all["waivers"][0]["unmatched"], true, "{all}");
    for one in all["waivers"].as_array().unwrap() {
        let id = text(&one["waiver"]);
        let shown = same(&world, &pipeline, &["waive", "show", &id]);
        assert_eq!(shown["scope"], one["scope"]);
        same(&world, &pipeline, &["waive", "show", &id[..12]]);
    }
    for none in ["wai-none", "wai-", &format!("wai-{}", "0".repeat(20))] {
        same(&world, &pipeline, &["waive", "show", none]);
    }
    // One of them, for programs.
    let program = Program::new(&server, &token(&world, "dan", "read"));
    let one = body(&program.get(&format!("/api/v1/waivers/{second}")).expect(200));
    assert_eq!((&one["state"], &one["revoked"]["reason"]), (&json!("revoked"), &json!("no more")));
    assert_eq!((&one["scope"]["tier"], &one["scope"]["path"]), (&json!("production"), &Value::Null));
    program.get("/api/v1/waivers/wai-none").expect(404);
    program.get(&format!("/api/v1/waivers/{}", &second[..12])).expect(404);
    // Whoever holds no token is told nothing.
    std::fs::write(world.path("token"), "cst_none").unwrap();
    assert!(pipeline.cs(&["waive", "list"]).expect(4).out.is_empty());
}

#[test]
fn emergencies_are_listed_and_shown_on_a_machine_without_the_ledger() {
    let Some(mut world) = firm() else { return };
    world.by("ada", &["environment", "register", "production", "--tier", "production"]).expect(0);
    world.approve();
    let open = ["break-glass", "open", "latest", "--environment", "production", "--reason", "clients cannot pay"];
    let opened = |ticket: &str| {
        let args = [&open[..], &["--ticket", ticket, "--format", "json"]].concat();
        text(&world.by("ruth", &args).expect(0).json()["break_glass"])
    };
    let (first, second) = (opened("INC-1"), opened("INC-2"));
    world.by("ruth", &["break-glass", "grant", &first, "latest"]).expect(0);
    world.by("ruth", &["break-glass", "close", &first, "--reason", "they can pay"]).expect(0);
    // What they say may look like a document and is none.
    world.by("dan", &["break-glass", "ratify", &first, "--statement", "{\"a\": 1}"]).expect(0);
    let review = ["--findings", "a full disk", "--root-cause", "no alarm", "--corrective-action", "an alarm"];
    world.by("omar", &[&["break-glass", "review", &first], &review[..]].concat()).expect(0);
    {
        let server = serve(&world);
        let pipeline = Pipeline::new(&world, &server, token(&world, "dan", "read"));
        let all = same(&world, &pipeline, &["break-glass", "list"]);
        assert_eq!(all["emergencies"].as_array().unwrap().len(), 2);
        assert_eq!(all["emergencies"][0]["ratified"]["said"], "{\"a\": 1}");
        let none = same(&world, &pipeline, &["break-glass", "list", "--due"]);
        assert_eq!(none["emergencies"], json!([]));
        for id in [&first, &second] {
            let shown = same(&world, &pipeline, &["break-glass", "show", id]);
            assert_eq!(shown["grants"].as_array().unwrap().len(), if *id == first { 2 } else { 1 });
            assert!(shown["grants"][0]["standing"]["gates"].is_array(), "{shown}");
            same(&world, &pipeline, &["break-glass", "show", &id[..12]]);
        }
        for none in ["brk-none", "brk-"] {
            same(&world, &pipeline, &["break-glass", "show", none]);
        }
        let program = Program::new(&server, &token(&world, "dan", "read"));
        let part = body(&program.get("/api/v1/emergencies?limit=1").expect(200));
        assert_eq!((&part["count"], &part["items"][0]["break_glass"]), (&json!(2), &json!(second)));
        let rest = body(&program.get(&format!("/api/v1/emergencies?before={}", part["next"])).expect(200));
        assert_eq!((&rest["items"][0]["break_glass"], &rest["next"]), (&json!(first), &Value::Null));
        for (state, one) in [("open", &second), ("over", &first)] {
            let only = body(&program.get(&format!("/api/v1/emergencies?state={state}")).expect(200));
            assert_eq!((&only["count"], &only["items"][0]["break_glass"]), (&json!(1), &json!(one)));
        }
        program.get("/api/v1/emergencies?state=closed").expect(400);
        program.get("/api/v1/emergencies/brk-none").expect(404);
        // The recorder signs who was told, and it is where the ledger is.
        let ran = pipeline.cs(&["break-glass", "notify", "--command", "true"]).expect(2);
        assert!(ran.err.contains("the recorder's key") && ran.err.contains("CS-CLI-"), "{}", ran.err);
    }
    // Later the second is overdue, and over.
    world.now = Some("2030-01-01T00:00:00Z".to_owned());
    let server = serve(&world);
    std::fs::remove_dir_all(world.path("work")).unwrap();
    let pipeline = Pipeline::new(&world, &server, token(&world, "dan", "read"));
    let due = same(&world, &pipeline, &["break-glass", "list", "--due"]);
    assert_eq!(due["emergencies"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&due["emergencies"][0]["break_glass"], &due["emergencies"][0]["open"]),
        (&json!(second), &json!(false))
    );
    world.cs(["break-glass", "notify", "--command", "true"]).expect(0);
    let shown = same(&world, &pipeline, &["break-glass", "show", &second]);
    assert!(!shown["pages"].as_array().unwrap().is_empty() && shown["compliant"] == false, "{shown}");
}
