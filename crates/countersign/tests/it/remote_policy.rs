//! Policy bundles, put in effect with `--server`, by the real binary on both ends.

use std::fs;
use std::path::Path;

use countersign_evidence::{act, canonical};
use countersign_policy::Bundle;
use serde_json::{Value, json};

use super::api::{Program, body, code, token};
use super::remote_acts::{by, fingerprint, prepare, refused, shows, signed, statements, text};
use super::remote_documents::hand_in;
use super::server::{firm, said, serve};
use super::submit::{Pipeline, entries};
use super::support::World;

const SCOPES: &str = "read,approve";
const KINDS: [&str; 2] = ["PolicyActivated", "ActRefused"];
const FEES: &str = "\
package countersign.gates.release

import data.countersign.lib.reasons

deny contains reasons.reason(\"fees\", \"nobody said what it costs\", [\"change-is-documented\"])
";

/// The shipped policies and a file of the firm's own.
fn policies(world: &World, own: &str) -> String {
    let dir = world.path("policies");
    if !Path::new(&dir).exists() {
        world.cs(["policy", "new", dir.to_str().unwrap()]).expect(0);
    }
    fs::write(dir.join("gates/fees.rego"), own).unwrap();
    dir.to_str().unwrap().to_owned()
}

fn digest_of(dir: &str) -> String {
    Bundle::load(Path::new(dir)).unwrap().digest().to_string()
}

#[test]
fn a_bundle_is_put_in_effect_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "mia", SCOPES));
    let dir = policies(&world, FEES);
    let activate = ["policy", "activate", &dir, "--reason", " fees need a ticket "];
    let shipped = ["policy", "activate"];

    // An engineer may not, and that is recorded.
    refused(&world, &pipeline, "mia", &activate);
    assert_eq!(entries(&world, &KINDS), [1, 2], "the first one is of `init`");

    // What does not compile, is none, or is too long a reason is refused in the same words.
    shows(&pipeline, "ruth");
    for (own, place) in
        [("package countersign.gates.release\n\ndeny contains {\n", "gates/fees.rego:"), ("x", "gates/fees.rego:1")]
    {
        policies(&world, own);
        assert!(refused(&world, &pipeline, "ruth", &activate).contains(place));
    }
    policies(&world, FEES);
    refused(&world, &pipeline, "ruth", &["policy", "activate", &dir, "--reason", "a\nb"]);
    refused(&world, &pipeline, "ruth", &["policy", "activate", &dir, "--reason", " "]);
    // Whether it is signed by whom it has to be is looked at here.
    let (archive, key) = (world.path("fees.tar.gz"), world.path("release.pub.pem"));
    let (archive, key) = (archive.to_str().unwrap(), key.to_str().unwrap());
    world.cs(["policy", "build", &dir, "--out", archive]).expect(0);
    fs::write(key, "none\n").unwrap();
    refused(&world, &pipeline, "ruth", &["policy", "activate", archive, "--verification-key", key]);
    assert_eq!(entries(&world, &KINDS)[0], 1);

    let ran = by(&pipeline, "ruth", &activate).expect(0);
    let entry = said(&world, "PolicyActivated").pop().unwrap();
    let line = format!(
        "✓ {} is in effect from here on (entry {}); decisions made before it no longer count\n",
        digest_of(&dir),
        entry["index"]
    );
    assert_eq!(ran.out, line);
    assert!(ran.err.contains("reason \"fees need a ticket\""), "it is shown before it is signed: {}", ran.err);
    assert_eq!(
        text(&world.cs(["policy", "show", "--format", "json"]).expect(0).json()["active"]["bundle"]),
        digest_of(&dir)
    );
    // It decides.
    world.commit("app.sh", "echo app\n");
    let decided = world.cs(["run"]);
    assert!(decided.out.contains("nobody said what it costs"), "{}", decided.all());
    // Once more, and as an archive, it is the same.
    for bundle in [dir.as_str(), archive] {
        let again = ["policy", "activate", bundle];
        let (there, here) = (by(&pipeline, "ruth", &again).expect(0), world.by("ruth", &again).expect(0));
        assert_eq!(there.out, here.out);
        assert!(there.out.contains("in effect already") && !there.err.contains("signing"), "{}", there.all());
    }
    assert_eq!(entries(&world, &KINDS)[0], 2);
    // The shipped one is this binary's.
    let back = by(&pipeline, "ruth", &shipped).expect(0).out;
    assert!(back.contains(&Bundle::shipped().digest().to_string()), "{back}");
    let there = by(&pipeline, "ruth", &activate).expect(0).out;
    by(&pipeline, "ruth", &shipped).expect(0);
    let here = world.by("ruth", &activate).expect(0).out;
    let words = |line: &str| line.split("(entry ").next().unwrap().to_owned();
    assert_eq!((words(&there), there.len()), (words(&here), here.len()));

    // What is too large is not sent.
    for n in 0..3 {
        let more = format!("package countersign.more{n}\n\n# {}\n", "x".repeat(900_000));
        fs::write(Path::new(&dir).join(format!("gates/more{n}.rego")), more).unwrap();
    }
    let large = by(&pipeline, "ruth", &activate);
    assert!(
        large.code == 2 && large.err.contains("2097152 at most") && large.err.contains("--server"),
        "{}",
        large.err
    );
    assert_eq!(entries(&world, &KINDS)[0], 6);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn what_is_signed_is_the_bundle_that_is_handed_in_and_it_compiles() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let ruth = Program::new(&server, &token(&world, "ruth", SCOPES));
    let mia = Program::new(&server, &token(&world, "mia", SCOPES));
    let (key, of_mia) = (fingerprint(&world, "ruth"), fingerprint(&world, "mia"));
    let bundle = |own: &str| Bundle::load(Path::new(&policies(&world, own))).unwrap().to_text();
    let (good, other) = (bundle(FEES), bundle(&FEES.replace("fees", "costs")));
    let broken = bundle("package countersign.gates.release\n\ndeny contains {\n");
    let document = |text: &str| json!({"file": "policies", "text": text});
    let asked = |text: &str| json!({"kind": "policy-activate", "document": document(text), "reason": null});

    // Nobody else learns whether it compiles; nor does whoever may get a statement over what does not.
    for text in [&good, &broken] {
        assert_eq!(code(&prepare(&mia, &of_mia, &asked(text)).expect(403)), "CS-ACCESS-005");
    }
    let refusals = entries(&world, &KINDS)[1];
    prepare(&mia, &key, &asked(&good)).expect(403);
    assert_eq!(entries(&world, &KINDS), [1, refusals + 1], "a key of somebody else");
    let wrong = [
        (broken.clone(), "CS-POLICY-003", "gates/fees.rego:"),
        (good.replace("\"version\":1", "\"version\":2"), "CS-POLICY-001", "version 2"),
        (format!(" {good}"), "CS-POLICY-016", ""),
        ("{\"files\":{},\"version\":1}".to_owned(), "CS-POLICY-001", ".rego"),
        ("{\"files\":{\"../a.rego\":\"package a\\n\"},\"version\":1}".to_owned(), "CS-POLICY-001", "../a.rego"),
    ];
    for (text, expected, place) in &wrong {
        let answer = prepare(&ruth, &key, &asked(text)).expect(400);
        assert!(code(&answer) == *expected && answer.body.contains(place), "{}", answer.body);
    }
    let mut only = asked(&good);
    only["document"]["only"] = json!(["gates/fees.rego"]);
    assert_eq!(prepare(&ruth, &key, &only).status, 400, "a bundle is put in effect whole");
    let large = "x".repeat((2 << 20) + 1);
    assert_eq!(code(&prepare(&ruth, &key, &asked(&large)).expect(413)), "CS-SERVER-081");

    // As large as it may be, and every byte of it written as two where it is sent.
    let quotes = format!("package a\n# {}\n", "\"".repeat(1_048_530));
    let largest = Bundle::new([("a.rego".to_owned(), quotes)].into()).unwrap().to_text();
    let sent = json!({"key": key, "host": "laptop", "act": asked(&largest)}).to_string().len();
    assert!(largest.len() <= 2 << 20 && sent > 4 << 20, "{} {sent}", largest.len());
    prepare(&ruth, &key, &asked(&largest)).expect(200);

    let given = body(&prepare(&ruth, &key, &asked(&good)).expect(200));
    let (statement, condition) = (statements(&given).pop().unwrap(), text(&given["condition"]));
    let good_act = signed(&world, "ruth", act::POLICY, &statement);
    let mut once = 0;
    let mut send = |act: &[u8], document: Value| {
        once += 1;
        hand_in(&ruth, &format!("once-of-this-bundle-{once}"), &condition, act, &document)
    };
    let refusals = entries(&world, &KINDS)[1];
    assert_eq!(code(&send(&good_act, Value::Null).expect(403)), "CS-HANDED-001");
    assert_eq!(code(&send(&good_act, document(&other)).expect(409)), "CS-HANDED-002");
    assert_eq!(entries(&world, &KINDS), [1, refusals + 2]);
    for (text, expected, _) in &wrong {
        assert_eq!(code(&send(&good_act, document(text)).expect(400)), *expected);
    }
    // Another digest, where it stands or in the subject, is another statement.
    for path in ["/predicate/bundle", "/subject/0/digest/sha256", "/subject/0/name"] {
        let mut changed: Value = serde_json::from_slice(&statement).unwrap();
        let zeros = "0".repeat(64);
        *changed.pointer_mut(path).unwrap() =
            json!(if path.ends_with("bundle") { format!("sha256:{zeros}") } else { zeros });
        let act = signed(&world, "ruth", act::POLICY, &canonical::to_vec(&changed).unwrap());
        assert_eq!(code(&send(&act, document(&good)).expect(409)), "CS-HANDED-002", "{path}");
    }
    // By somebody who may not, or by hers with another's token.
    let by_mia = signed(&world, "mia", act::POLICY, &statement);
    let answer = hand_in(&mia, "the-bundle-by-mia", &condition, &by_mia, &document(&good));
    assert_eq!(code(&answer.expect(403)), "CS-ACCESS-005");
    hand_in(&mia, "the-bundle-of-ruth", &condition, &good_act, &document(&good)).expect(403);
    assert_eq!(entries(&world, &KINDS)[0], 1);

    let done = body(&send(&good_act, document(&good)).expect(200));
    assert_eq!(done["result"]["bundle"], json!(Bundle::from_bytes(good.as_bytes()).unwrap().digest()));
    for text in [&good, &other, &broken] {
        assert_eq!(body(&send(&good_act, document(text)).expect(200)), done, "it is in the log");
    }
    // Whoever looked at the one before is told.
    let given = body(&prepare(&ruth, &key, &asked(&other)).expect(200));
    let act = signed(&world, "ruth", act::POLICY, &statements(&given)[0]);
    assert_eq!(code(&send(&act, document(&other)).expect(412)), "CS-SERVER-113");
    assert_eq!(entries(&world, &KINDS)[0], 2);

    // It is the firm's: a token of one repository's does not open it.
    let issue = ["token", "issue", "--scope", SCOPES, "--repository", "git:git.example/acme/pay", "--format", "json"];
    let limited = Program::new(&server, &world.by("ruth", &issue).expect(0).json());
    let refusals = entries(&world, &KINDS)[1];
    assert_eq!(code(&prepare(&limited, &key, &asked(&other)).expect(404)), "CS-SERVER-022");
    assert_eq!(entries(&world, &KINDS), [2, refusals + 1]);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}
