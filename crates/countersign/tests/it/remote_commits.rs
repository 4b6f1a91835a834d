//! `claim`, `suppression` and `enforcement override` with `--server`, by the real binary on both ends.

use countersign_evidence::{act, canonical};
use serde_json::{Value, json};

use super::api::{Program, body, code, token};
use super::remote_acts::{but, by, fingerprint, hand_in, prepare, refused, shows, signed, statements, text};
use super::server::{firm, said, serve};
use super::submit::{Pipeline, entries};
use super::support::planted_secret;

const SCOPES: &str = "read,approve";
const KINDS: [&str; 4] = ["CommitsClaimed", "SuppressionGranted", "EnforcementOverridden", "ActRefused"];
const LEVELS: &str = "\
version: 1
rules:
  - controls: [secrets-out-of-source]
    level: soft
    override: release-manager
    why: a revoked key may stand for a night
";

fn run(pipeline: &Pipeline<'_>, exit: i32) -> String {
    pipeline.shows(&token(pipeline.world, "mia", "read,submit"));
    text(&pipeline.cs(&["run", "--format", "json"]).expect(exit).json()["run"])
}

#[test]
fn commits_are_claimed_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "dan", SCOPES));
    let dir = world.path("work");
    let head = world.git_in(&dir, ["rev-parse", "HEAD"]).trim().to_owned();
    pipeline.commit("b.py", "print(2)\n");
    pipeline.commit("c.py", "print(3)\n");
    assert!(by(&pipeline, "dan", &["claim", "none"]).code != 0);

    let ran = by(&pipeline, "dan", &["claim", &head]).expect(0);
    let entry = said(&world, "CommitsClaimed").pop().unwrap();
    let actor = text(&entry["entry"]["actor"]);
    let line = format!("✓ 1 commit claimed by {actor} (entry {}); they exclude", entry["index"]);
    assert!(ran.out.starts_with(&line), "{} for {line}", ran.out);
    // A range is every commit in it, and what was claimed before is not claimed again.
    let range = format!("{head}..HEAD");
    let args = ["claim", "HEAD", &range, &head, "--format", "json"];
    let done = by(&pipeline, "dan", &args).expect(0).json();
    assert_eq!(done["commits"].as_array().unwrap().len(), 2, "{done}");
    let again = by(&pipeline, "dan", &args).expect(0);
    assert!(!again.err.contains("signing"), "{}", again.err);
    assert_eq!(again.json(), json!({"version": 1, "person": done["person"], "commits": [], "index": null}));
    assert_eq!(by(&pipeline, "dan", &args[..4]).expect(0).out, "✓ all of them were claimed by this person before\n");
    assert_eq!(entries(&world, &KINDS), [2, 0, 0, 0]);

    // What is no commit is none, whoever sends it; and nobody claims in somebody else's name.
    let dan = Program::new(&server, &token(&world, "dan", SCOPES));
    let asked = |commit: &str| json!({"kind": "claim", "repository": "git:h/other", "commits": [commit]});
    for bad in ["HEAD", "abc", &head[..39], &head.to_uppercase()] {
        assert_eq!(prepare(&dan, &fingerprint(&world, "dan"), &asked(bad)).expect(400).status, 400);
    }
    assert_eq!(code(&prepare(&dan, &fingerprint(&world, "mia"), &asked(&head)).expect(403)), "CS-SERVER-024");
    let given = body(&prepare(&dan, &fingerprint(&world, "dan"), &asked(&head)).expect(200));
    let statement = statements(&given).pop().unwrap();
    let by_mia = signed(&world, "mia", act::CLAIM, &statement);
    let mia = Program::new(&server, &token(&world, "mia", SCOPES));
    assert_eq!(code(&hand_in(&mia, Some("a-claim-of-dans-by-mia"), None, &[by_mia]).expect(409)), "CS-HANDED-002");
    let mut other: Value = serde_json::from_slice(&statement).unwrap();
    other["predicate"]["commits"] = json!(["0".repeat(40)]);
    let act = signed(&world, "dan", act::CLAIM, &canonical::to_vec(&other).unwrap());
    let answer = hand_in(&dan, Some("a-claim-of-another-commit"), None, &[act]);
    assert_eq!(code(&answer.expect(409)), "CS-HANDED-002", "its subject is another commit");
    // As many as one act may name: it is larger than what else is sent.
    let many: Vec<String> = (0..10_000).map(|n| format!("{n:040x}")).collect();
    let ask = |commits: &[String]| json!({"kind": "claim", "repository": "git:h/large", "commits": commits});
    let given = body(&prepare(&dan, &fingerprint(&world, "dan"), &ask(&many)).expect(200));
    let act = signed(&world, "dan", act::CLAIM, &statements(&given)[0]);
    assert!(act.len() > 1 << 20, "{}", act.len());
    let done = body(&hand_in(&dan, Some("a-claim-of-ten-thousand"), None, &[act]).expect(200));
    assert_eq!(done["result"]["commits"].as_array().unwrap().len(), 10_000);
    let more = [&many[..], &["f".repeat(40)]].concat();
    assert_eq!(prepare(&dan, &fingerprint(&world, "dan"), &ask(&more)).status, 400);
    // A token that is limited to an application claims nothing elsewhere.
    let application = ["application", "register", "pay", "--owner", "mia", "--criticality", "low", "--data", "public"];
    world.by("ada", &[&application[..], &["--repository", "git:git.example/acme/pay"]].concat()).expect(0);
    let limited = world.by("dan", &["token", "issue", "--scope", SCOPES, "--application", "pay", "--format", "json"]);
    let limited = Program::new(&server, &limited.expect(0).json());
    let answer = prepare(&limited, &fingerprint(&world, "dan"), &asked(&head));
    assert_eq!(answer.status, 404, "{}", answer.body);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn suppressions_are_listed_and_granted_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "mia", "read,submit"));
    let secret = planted_secret();
    let marked = |text: &str| format!("key={text} # countersign:allow * reason: a made-up value\n");
    pipeline.commit("fixture.sh", &marked(&secret));
    pipeline.commit("other.sh", &marked(&secret.replace("Z7Q4", "Q4Z7")));
    let id = run(&pipeline, 11);
    let (there, here) = (
        pipeline.cs(&["suppression", "list", "--format", "json"]).expect(0).json(),
        world.cs(["suppression", "list", "--format", "json"]).expect(0).json(),
    );
    assert_eq!(there, here);
    let asked = there["suppressions"].as_array().unwrap();
    assert_eq!(asked.len(), 2, "{there}");
    let (there, here) =
        (pipeline.cs(&["suppression", "list", &id]).expect(0).out, world.cs(["suppression", "list"]).expect(0).out);
    assert_eq!(there, here);

    let all = ["suppression", "grant", "latest", "--all", "--reason", "test data"];
    for person in ["omar", "mia"] {
        shows(&pipeline, person);
        refused(&world, &pipeline, person, &all);
    }
    assert_eq!(entries(&world, &KINDS), [0, 0, 0, 4]);
    shows(&pipeline, "ruth");
    refused(&world, &pipeline, "ruth", &["suppression", "grant", &id, "ffffffffff", "--reason", "test data"]);
    // One by the start of its fingerprint, the other as the rest.
    let first = text(&asked[0]["fingerprint"]);
    let one = ["suppression", "grant", &id, &first[7..19], "--reason", " test data ", "--days", "3"];
    let ran = by(&pipeline, "ruth", &one).expect(0);
    let entry = said(&world, "SuppressionGranted").pop().unwrap();
    assert!(ran.err.contains(&format!("fingerprints [\"{first}\"]")), "{}", ran.err);
    assert!(ran.err.contains("reason \"test data\""), "{}", ran.err);
    let line = format!("✓ 1 suppression granted by {} until ", text(&entry["entry"]["actor"]));
    let end = format!(" (entry {}); they stay visible\n", entry["index"]);
    assert!(ran.out.starts_with(&line) && ran.out.ends_with(&end), "{} for {line}", ran.out);
    assert!(ran.err.contains("fixture.sh:1") != ran.err.contains("other.sh:1"), "{}", ran.err);
    refused(&world, &pipeline, "ruth", &one);
    by(&pipeline, "ruth", &all).expect(0);
    refused(&world, &pipeline, "ruth", &all);
    assert_eq!(entries(&world, &KINDS)[1], 2);
    let state = |n: usize| {
        let listed = world.cs(["suppression", "list", "--format", "json"]).expect(0).json();
        text(&listed["suppressions"][n]["state"])
    };
    assert_eq!((state(0).as_str(), state(1).as_str()), ("suppression-granted", "suppression-granted"));

    // What was signed is taken as it was given out, while it is what is asked for.
    pipeline.commit("third.sh", &marked(&secret.replace("Z7Q4", "Z9Q9")));
    let id = run(&pipeline, 11);
    let ruth = Program::new(&server, &token(&world, "ruth", SCOPES));
    let key = fingerprint(&world, "ruth");
    let ask =
        |days: u16| json!({"kind": "suppression-grant", "run": id, "fingerprints": [], "reason": "r", "days": days});
    for days in [0, 366] {
        assert_eq!(prepare(&ruth, &key, &ask(days)).status, 400);
    }
    let given = body(&prepare(&ruth, &key, &ask(30)).expect(200));
    let (statement, condition) = (statements(&given).pop().unwrap(), text(&given["condition"]));
    let mut longer: Value = serde_json::from_slice(&statement).unwrap();
    longer["predicate"]["expires"] = json!("2099-01-01T00:00:00.000Z");
    let act = signed(&world, "ruth", act::SUPPRESSION, &canonical::to_vec(&longer).unwrap());
    let answer = hand_in(&ruth, Some("a-grant-of-many-years"), Some(&condition), &[act]);
    assert_eq!(answer.status, 400, "{}", answer.body);
    let good = signed(&world, "ruth", act::SUPPRESSION, &statement);
    let send = |once: &str| hand_in(&ruth, Some(once), Some(&condition), std::slice::from_ref(&good));
    let done = body(&send("the-first-time-of-these").expect(200));
    assert_eq!(body(&send("the-second-time-of-these").expect(200)), done);
    assert_eq!(entries(&world, &KINDS)[1], 3);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn what_is_soft_is_let_pass_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "mia", "read,submit"));
    pipeline.commit("app.py", &format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret()));
    let id = run(&pipeline, 10);
    let over = ["enforcement", "override", &id, "--reason", " the key is revoked already "];
    shows(&pipeline, "omar");
    refused(&world, &pipeline, "omar", &over);
    std::fs::write(world.path("levels.yaml"), LEVELS).unwrap();
    world.by("ruth", &["enforcement", "activate", world.path("levels.yaml").to_str().unwrap()]).expect(0);
    run(&pipeline, 10);
    for person in ["ruth", "mia"] {
        shows(&pipeline, person);
        refused(&world, &pipeline, person, &over);
    }
    shows(&pipeline, "omar");
    refused(&world, &pipeline, "omar", &[&over[..], &["--control", "no-such-control"]].concat());
    assert_eq!(entries(&world, &KINDS)[2], 0);
    let before = entries(&world, &KINDS)[3];

    // What was given out is taken for these reasons, of the decision that was looked at, and for no other.
    let omar = Program::new(&server, &token(&world, "omar", SCOPES));
    let asked = json!({"kind": "enforcement-override", "run": id, "controls": [], "reason": "it is revoked"});
    let given = body(&prepare(&omar, &fingerprint(&world, "omar"), &asked).expect(200));
    let (statement, condition) = (statements(&given).pop().unwrap(), text(&given["condition"]));
    for (field, value) in [
        ("reasons", json!([format!("sha256:{}", "0".repeat(64))])),
        ("decision", json!(format!("sha256:{}", "0".repeat(64)))),
        ("id", json!("ovr-1")),
        ("reason", json!("another ")),
    ] {
        let mut changed: Value = serde_json::from_slice(&statement).unwrap();
        assert!(changed["predicate"][field] != Value::Null, "{changed}");
        changed["predicate"][field] = value;
        let act = signed(&world, "omar", act::OVERRIDE, &canonical::to_vec(&changed).unwrap());
        let answer = hand_in(&omar, Some(&format!("an-override-other-{field}")), Some(&condition), &[act]);
        assert!((400..500).contains(&answer.status), "{field}: {}", answer.body);
    }
    assert_eq!(entries(&world, &KINDS)[2], 0);
    assert!(entries(&world, &KINDS)[3] > before, "it is recorded");

    let ran = by(&pipeline, "omar", &over).expect(0);
    let entry = said(&world, "EnforcementOverridden").pop().unwrap();
    assert!(ran.err.contains("reason \"the key is revoked already\""), "{}", ran.err);
    let end = format!(" overrides (entry {}):\n", entry["index"]);
    assert!(
        ran.out.starts_with("✓ ovr-")
            && ran.out.contains(&format!("{end}  pre-commit  finding"))
            && ran.out.contains("\n  build  finding"),
        "{}",
        ran.out
    );
    assert!(
        ran.err.contains("build  finding") && ran.err.contains("countersign-enforcement-override@v1"),
        "{}",
        ran.err
    );
    refused(&world, &pipeline, "omar", &over);
    run(&pipeline, 11);

    // It prints what is printed where the ledger is.
    shows(&pipeline, "omar");
    let mut printed = Vec::new();
    for (n, here) in [(1, false), (2, true)] {
        let secret = planted_secret().replace("Z7Q4", &format!("Q{n}Z7"));
        pipeline.commit("more.py", &format!("export AWS_ACCESS_KEY_ID={secret}\n"));
        let id = run(&pipeline, 10);
        shows(&pipeline, "omar");
        let args = ["enforcement", "override", &id, "--reason", "it is revoked", "--format", "json"];
        let ran = if here { world.by("omar", &args) } else { by(&pipeline, "omar", &args) };
        printed.push(but(ran.expect(0).json(), &["override", "run", "index", "reasons"]));
    }
    assert_eq!(printed[0], printed[1]);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}
