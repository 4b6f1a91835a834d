//! Deployments from machines that have no ledger, by the real binary on both ends: the server judges, and the job says what it alone knows.

use serde_json::{Value, json};

use super::api::{Program, body, code, token};
use super::server::{Answer, firm, said, serve};
use super::submit::{Pipeline, entries};
use super::support::World;
use super::witness::Server;

const DEPLOYED: [&str; 4] = ["GrantIssued", "DeploymentStarted", "DeploymentRecorded", "ActRefused"];

/// A run that was sent, with an artifact, and approved.
fn approved(pipeline: &Pipeline<'_>) -> String {
    let world = pipeline.world;
    let ran = pipeline.cs(&["run", "--ticket", "CHG-1", "--reason", "needed", "--format", "json"]).expect(11).json();
    let run = ran["run"].as_str().unwrap().to_owned();
    std::fs::write(world.path("work/app.bin"), "app").unwrap();
    std::fs::write(world.path("work/other.bin"), "other").unwrap();
    pipeline.cs(&["record", "--artifact", "app.bin", "--run", &run]).expect(0);
    world.by("dan", &["approve", &run, "--as", "technical"]).expect(0);
    world.by("ruth", &["approve", &run, "--as", "regulatory"]).expect(0);
    run
}

/// A grant that a release manager issued from their own machine.
fn issue(pipeline: &Pipeline<'_>, run: &str) -> Value {
    let world = pipeline.world;
    pipeline.shows(&token(world, "omar", "read,submit,approve"));
    let key = world.path("omar");
    let args = ["grant", "issue", run, "--env", "production", "--key", key.to_str().unwrap(), "--format", "json"];
    let issued = pipeline.cs(&args).expect(0).json()["grant"].clone();
    pipeline.shows(&pipeline.token);
    issued
}

fn job<'a>(world: &'a World, server: &'a Server) -> Pipeline<'a> {
    Pipeline::new(world, server, token(world, "mia", "read,submit,deploy"))
}

#[test]
fn a_job_without_a_ledger_deploys_with_a_grant_and_says_how_it_ended() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = job(&world, &server);
    let run = approved(&pipeline);
    let issued = issue(&pipeline, &run);
    let (id, jwt) = (issued["id"].as_str().unwrap(), issued["token"].as_str().unwrap());
    assert_eq!(issued["self_judged"], false, "the server judged what it was sent");

    // What a person or job reads of it is what they would read where the ledger is.
    let here = world.cs(["grant", "list", "--format", "json"]).expect(0).json();
    let mut there = pipeline.cs(&["grant", "list", "--format", "json"]).expect(0).json();
    there["grants"][0].as_object_mut().unwrap().remove("redeemed_by");
    assert_eq!(there, here);
    assert_eq!(pipeline.cs(&["grant", "list"]).expect(0).out, world.cs(["grant", "list"]).expect(0).out);
    assert_eq!(pipeline.cs(&["grant", "show", &id[..9], "--token"]).expect(0).out.trim(), jwt);
    let text = pipeline.cs(&["grant", "show", id]).expect(0).out;
    assert!(text.contains("issued") && text.contains("app.bin"), "{text}");

    let verify = ["grant", "verify", jwt, "--environment", "production", "--artifact", "app.bin", "--format", "json"];
    let valid = pipeline.cs(&verify).expect(0).json();
    assert_eq!((&valid["valid"], &valid["not_checked"]), (&json!(true), &json!([])));
    let refused = pipeline.cs(&["grant", "verify", jwt, "--environment", "test", "--format", "json"]).expect(13);
    assert_eq!(refused.json()["code"], "CS-GRANT-007");
    assert_eq!(entries(&world, &DEPLOYED), [1, 0, 0, 1]);

    // What is refused is refused before anything is started, and recorded.
    let touch = ["--", "touch", "deployed"];
    for (args, code, exit) in [
        (vec!["--grant", jwt, "--env", "test"], "CS-GRANT-007", 13),
        (vec!["--grant", jwt, "--artifact", "other.bin"], "CS-GRANT-008", 13),
        (vec!["--grant", &jwt[..jwt.len() - 4]], "CS-GRANT-0", 13),
        (vec!["--grant", "gra-00000000000000000000"], "CS-RELEASE-015", 4),
    ] {
        let ran = pipeline.cs(&[&["deploy"], &args[..], &touch].concat()).expect(exit);
        assert!(ran.err.contains(code), "{}", ran.err);
    }
    assert!(!world.path("work/deployed").exists());
    assert_eq!(entries(&world, &DEPLOYED), [1, 0, 0, 5]);
    assert!(said(&world, "ActRefused").iter().all(|e| e["entry"]["actor"].is_string()));

    // The broker and the command run here; what they say is sent nowhere.
    let broker = world.path("broker.sh");
    std::fs::write(&broker, "#!/bin/sh\ncat > asked.json\necho TARGET_PASSWORD=verysecretword\n").unwrap();
    std::fs::set_permissions(&broker, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let script = "echo \"$COUNTERSIGN_GRANT $COUNTERSIGN_ENVIRONMENT $TARGET_PASSWORD\" > deployed";
    let args = ["deploy", "--grant", jwt, "--env", "production", "--artifact", "app.bin", "--format", "json"];
    let broker = ["--broker", broker.to_str().unwrap(), "--", "sh", "-c", script];
    let done = pipeline.cs(&[&args[..], &broker].concat()).expect(0).json();
    assert_eq!((&done["grant"], &done["success"], &done["exit_code"]), (&json!(id), &json!(true), &json!(0)));
    let told = std::fs::read_to_string(world.path("work/deployed")).unwrap();
    assert_eq!(told.trim(), format!("{id} production verysecretword"));
    let asked: Value = serde_json::from_str(&std::fs::read_to_string(world.path("work/asked.json")).unwrap()).unwrap();
    assert_eq!((&asked["grant"]["jti"], &asked["token"]), (&json!(id), &json!(jwt)));
    assert!(!world.ledger_text().contains("verysecretword"));
    assert_eq!(entries(&world, &DEPLOYED), [1, 1, 1, 5]);

    // It is used: by token and by id, here and where the ledger is.
    for grant in [jwt, id] {
        let ran = pipeline.cs(&[&["deploy", "--grant", grant][..], &touch].concat()).expect(4);
        assert!(ran.err.contains("CS-RELEASE-016"), "{}", ran.err);
    }
    world.cs(["deploy", "--grant", jwt, "--", "true"]).expect(4);
    let ran = pipeline.cs(&["grant", "verify", jwt, "--environment", "production"]).expect(4);
    assert!(ran.err.contains("CS-RELEASE-016"), "{}", ran.err);
    pipeline.cs(&["grant", "complete", id, "--failed"]).expect(4);
    let grant = body(&pipeline_program(&pipeline).get(&format!("/api/v1/grants/{id}")).expect(200));
    let me = body(&pipeline_program(&pipeline).get("/api/v1/me").expect(200))["person"].clone();
    assert_eq!((&grant["state"], &grant["redeemed_by"]), (&json!("succeeded"), &me));

    // All of it is believed by whoever reads the log anew, and proved.
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
    assert_eq!(body(&pipeline_program(&pipeline).get("/api/v1/ledger").expect(200))["disbelieved"], json!([]));
}

fn pipeline_program<'a>(pipeline: &Pipeline<'a>) -> Program<'a> {
    Program::new(pipeline.server, &pipeline.token)
}

fn send(program: &Program<'_>, path: &str, key: Option<&str>, body: &Value) -> Answer {
    let mut headers = vec![("authorization", program.1.as_str()), ("content-type", "application/json")];
    headers.extend(key.map(|key| ("idempotency-key", key)));
    program.0.send("POST", path, &headers, &body.to_string())
}

#[test]
fn a_redemption_whose_answer_was_lost_is_not_done_twice_and_its_end_is_its_senders() {
    let Some(world) = firm() else { return };
    world.by("ada", &["environment", "register", "production", "--tier", "production"]).expect(0);
    let server = serve(&world);
    let pipeline = job(&world, &server);
    let run = approved(&pipeline);
    let issued = issue(&pipeline, &run);
    let id = issued["id"].as_str().unwrap();
    let asked = |environment: &str| {
        let command = format!("sha256:{}", "1".repeat(64));
        json!({"grant": id, "environment": environment, "artifacts": [], "command": command})
    };
    let (redeem, key) = ("/api/v1/redemptions", "0123456789abcdef");
    let mia = pipeline_program(&pipeline);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let one = || send(&mia, redeem, Some(key), &asked("production"));
        let all: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let redeemed: Vec<Value> = answers.into_iter().map(|a| body(&a.expect(200))["redeemed"].clone()).collect();
    assert!(redeemed.iter().all(|one| *one == redeemed[0]) && redeemed[0].is_u64(), "{redeemed:?}");
    assert_eq!(entries(&world, &DEPLOYED), [1, 1, 0, 0]);
    assert_eq!(code(&send(&mia, redeem, Some(key), &asked("test")).expect(422)), "CS-SUBMIT-002");
    assert_eq!(code(&send(&mia, redeem, Some("fedcba9876543210"), &asked("production")).expect(409)), "CS-RELEASE-016");
    assert_eq!(code(&send(&mia, redeem, None, &asked("production")).expect(400)), "CS-SERVER-083");
    // The key is its sender's: the same words of somebody else are another request.
    let dan = Program::new(&server, &token(&world, "dan", "deploy"));
    assert_eq!(code(&send(&dan, redeem, Some(key), &asked("production")).expect(409)), "CS-RELEASE-016");
    assert_eq!(entries(&world, &DEPLOYED), [1, 1, 0, 2]);

    let end = format!("/api/v1/grants/{id}/end");
    let ended = |success: bool, code: Value| json!({"success": success, "exit_code": code, "signal": null});
    assert_eq!(code(&send(&dan, &end, None, &ended(true, json!(0))).expect(403)), "CS-GRANT-020");
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    for bad in [
        ended(true, json!(1)),
        ended(false, json!(0)),
        json!({"success": true, "exit_code": 0, "signal": 9}),
        json!({}),
    ] {
        assert_eq!(code(&send(&mia, &end, None, &bad).expect(400)), "CS-SERVER-110", "{bad}");
    }
    let first = body(&send(&mia, &end, None, &ended(false, json!(3))).expect(200));
    let again = body(&send(&mia, &end, None, &ended(false, json!(3))).expect(200));
    assert_eq!(first, again);
    assert_eq!(code(&send(&mia, &end, None, &ended(true, json!(0))).expect(403)), "CS-GRANT-017");
    // A redemption is answered until its end is recorded, and then it is used.
    assert_eq!(code(&send(&mia, redeem, Some(key), &asked("production")).expect(409)), "CS-RELEASE-016");
    assert_eq!(entries(&world, &DEPLOYED), [1, 1, 1, 5]);
    let recorded = &said(&world, "DeploymentRecorded")[0];
    assert_eq!(recorded["index"], first["index"]);
    world.cs(["verify"]).expect(0);

    // Under a freeze nothing is redeemed over the network either, and what was taken back is over.
    let second = issue(&pipeline, &run);
    let freeze = ["environment", "freeze", "add", "production", "--until", "2099-01-01", "--reason", "year end"];
    world.by("omar", &freeze).expect(0);
    let ran = pipeline.cs(&["deploy", "--grant", second["token"].as_str().unwrap(), "--", "true"]);
    assert!(ran.code == 10 || ran.code == 4, "{}", ran.all());
    assert!(ran.err.contains("CS-FREEZE-001"), "{}", ran.err);
    let omar = world.path("omar");
    pipeline.shows(&token(&world, "omar", "read,submit,approve"));
    let ran = pipeline.cs(&["grant", "issue", &run, "--env", "production", "--key", omar.to_str().unwrap()]);
    assert!(ran.err.contains("CS-FREEZE-001"), "{}", ran.err);
    assert_eq!(entries(&world, &DEPLOYED)[..3], [2, 1, 1]);
}

#[test]
fn a_grant_that_is_handed_in_says_exactly_what_is_so_now() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = job(&world, &server);
    let run = approved(&pipeline);
    let omar = Program::new(&server, &token(&world, "omar", "read,submit,approve"));
    let bearer = ("authorization", omar.1.as_str());
    let decision = body(&omar.get(&format!("/api/v1/runs/{run}")).expect(200))["decision"]["digest"].clone();
    let now = format!("\"{}\"", decision.as_str().unwrap());
    let keys = world.cs(["person", "key", "list", "omar", "--format", "json"]).expect(0).json();
    let key = keys["keys"][0]["fingerprint"].as_str().unwrap().to_owned();
    let encoded = key.replace('+', "%2B").replace('/', "%2F");
    let path = format!("/api/v1/runs/{run}/grant-statement?environment=production&key={encoded}&host=laptop");
    let given = body(&omar.get(&path).expect(200));
    assert_eq!(entries(&world, &DEPLOYED), [0, 0, 0, 0], "looking appends nothing");
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD;
    let statement = base64.decode(given["statement"].as_str().unwrap()).unwrap();
    let sign = |statement: &[u8], who: &str, namespace: &str| {
        let file = world.path("statement");
        std::fs::write(&file, statement).unwrap();
        let _ = std::fs::remove_file(world.path("statement.sig"));
        let mut command = world.command("ssh-keygen", &world.path(""));
        command.args(["-Y", "sign", "-q", "-n", namespace, "-f"]).arg(world.path(who)).arg(&file);
        assert!(command.status().unwrap().success());
        let armored = std::fs::read_to_string(world.path("statement.sig")).unwrap();
        let public: countersign_evidence::sshsig::PublicKey =
            std::fs::read_to_string(world.public(who)).unwrap().trim().parse().unwrap();
        countersign_evidence::act::SignedAct::new(namespace, statement, &armored, &public).unwrap().to_vec().unwrap()
    };
    let hand_in = |act: &[u8], condition: Option<&str>| {
        let mut headers = vec![bearer, ("content-type", countersign_evidence::act::MEDIA_TYPE)];
        headers.extend(condition.map(|c| ("if-match", c)));
        omar.0.send_bytes("POST", &format!("/api/v1/runs/{run}/grants"), &headers, act)
    };
    let namespace = countersign_evidence::act::GRANT;
    let good = sign(&statement, "omar", namespace);
    assert_eq!(code(&hand_in(&good, None).expect(428)), "CS-SERVER-086");
    let old = format!("\"sha256:{}\"", "0".repeat(64));
    assert_eq!(code(&hand_in(&good, Some(&old)).expect(412)), "CS-SERVER-087");
    assert_eq!(code(&hand_in(b"{}", Some(&now)).expect(403)), "CS-GRANT-021");
    let other = sign(&statement, "omar", countersign_evidence::act::APPROVAL);
    assert_eq!(code(&hand_in(&other, Some(&now)).expect(403)), "CS-GRANT-021");
    assert_eq!(hand_in(&sign(&statement, "mia", namespace), Some(&now)).status, 403);
    let changed = |path: &str, value: Value| {
        let mut said: Value = serde_json::from_slice(&statement).unwrap();
        *said.pointer_mut(path).unwrap() = value;
        countersign_evidence::canonical::to_vec(&said).unwrap()
    };
    for (path, value, expected) in [
        ("/predicate/self_judged", json!(true), "CS-GRANT-022"),
        ("/predicate/approvals", json!([]), "CS-GRANT-022"),
        ("/predicate/artifacts", json!([]), "CS-GRANT-022"),
        ("/predicate/commit", json!("0".repeat(40)), "CS-GRANT-022"),
        ("/predicate/expires", json!("2099-01-01T00:00:00.000Z"), "CS-GRANT-022"),
        ("/predicate/time", json!("2026-01-01T00:00:00.000Z"), "CS-GRANT-023"),
        ("/predicate/environment", json!("test"), "CS-RELEASE-013"),
        ("/predicate/origin", json!("example.org/other"), "CS-RELEASE-010"),
    ] {
        let answer = hand_in(&sign(&changed(path, value), "omar", namespace), Some(&now));
        assert!(matches!(answer.status, 403 | 409 | 400), "{path}: {}", answer.body);
        assert_eq!(code(&answer), expected, "{path}");
    }
    assert_eq!(entries(&world, &DEPLOYED)[..1], [0]);
    let done = body(&hand_in(&good, Some(&now)).expect(200));
    // Whoever lost the answer sends it again.
    assert_eq!(body(&hand_in(&good, Some(&now)).expect(200)), done);
    assert_eq!(entries(&world, &DEPLOYED)[..1], [1]);
    // With somebody else's key the token of omar is shown nothing to sign, and who is no release manager signs none.
    let mia = Program::new(&server, &token(&world, "mia", "approve"));
    assert_eq!(code(&mia.get(&path).expect(403)), "CS-SERVER-024");
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}
