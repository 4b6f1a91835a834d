//! A job's identity token as the key to a server, and nothing else: what it opens, what it does not, and what is recorded.

use std::process::Stdio;

use serde_json::{Value, json};

use super::shapes::{activate, github, gitlab, pinned};
use super::{Signer, have, now};
use crate::api::{Program, body, code, token};
use crate::server::{Browser, firm, said, serve};
use crate::submit::{Pipeline, entries};
use crate::support::{Ran, World};
use crate::witness::Server;

const OWN: &str = "git:github.com/acme/app";

/// A job that shows this token to a server.
fn job<'a>(server: &'a Server, jwt: &str) -> Program<'a> {
    Program::new(server, &json!({"text": jwt}))
}

/// A command in a job that has this identity token and no other.
fn cs(world: &World, server: &Server, jwt: &str, args: &[&str]) -> Ran {
    let end = args.iter().position(|arg| *arg == "--").unwrap_or(args.len());
    let mut command = world.command(env!("CARGO_BIN_EXE_countersign"), &world.path("work"));
    command.args(&args[..end]).args(["--server", &server.url]).args(&args[end..]);
    World::finish(command_with(command, jwt))
}

fn command_with(mut command: std::process::Command, jwt: &str) -> std::process::Command {
    command.env("COUNTERSIGN_ID_TOKEN", jwt).stdin(Stdio::null());
    command
}

#[test]
fn a_job_without_any_token_of_ours_submits_records_and_deploys_in_its_own_repository_and_nowhere_else() {
    let (Some(world), true) = (firm(), have("openssl", &["version"])) else { return };
    let signer = Signer::new(&world, "one");
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "mia", "read,submit,deploy"));
    world.git_in(&world.path("work"), ["remote", "set-url", "origin", "https://github.com/acme/app.git"]);
    let commit = world.git_in(&world.path("work"), ["rev-parse", "HEAD"]).trim().to_owned();
    let mint = |jti: &str| signer.token(&world, &github(&commit, jti));

    // Before anybody trusts an issuer, and before the repository is anybody's, it opens nothing.
    assert_eq!(code(&job(&server, &mint("a")).get("/api/v1/runs").expect(401)), "CS-WORKLOAD-001");
    activate(&world, &pinned(&world, &[&signer]));
    assert_eq!(code(&job(&server, &mint("a")).get("/api/v1/runs").expect(401)), "CS-WORKLOAD-008");
    let register = ["application", "register", "app", "--owner", "mia", "--criticality", "low", "--data", "public"];
    world.by("ada", &[&register[..], &["--repository", OWN]].concat()).expect(0);
    // Those alike in a minute are one entry, and then the rest, as of tokens.
    assert_eq!(entries(&world, &["WorkloadAdmitted", "SignInRefused"]), [0, 1]);

    // One token, one attempt: the same again is a replay, and another of the job is not.
    let (first, second) = (mint("b"), mint("c"));
    let ran = cs(&world, &server, &first, &["run", "--ticket", "CHG-1", "--reason", "needed", "--format", "json"]);
    let ran = ran.expect(11).json();
    let run = ran["run"].as_str().unwrap().to_owned();
    assert_eq!(entries(&world, &["WorkloadAdmitted", "RunSubmitted", "WorkloadVerified"]), [1, 1, 1]);
    let replayed = cs(&world, &server, &first, &["run"]);
    assert!(replayed.code != 0 && replayed.err.contains("CS-WORKLOAD-006"), "{}", replayed.err);
    cs(&world, &server, &second, &["run"]).expect(11);
    assert_eq!(entries(&world, &["WorkloadAdmitted", "RunSubmitted", "WorkloadVerified"]), [2, 2, 2]);
    std::fs::write(world.path("work/app.bin"), "app").unwrap();
    cs(&world, &server, &second, &["record", "--artifact", "app.bin", "--run", &run]).expect(0);
    cs(&world, &server, &second, &["gate", "check", &run]).expect(11);
    assert_eq!(entries(&world, &["WorkloadAdmitted"]), [2], "however often it asks");
    let access = Browser::of(&server, &world, "ada").get("/access").expect(200).body;
    let came = access.split("Jobs that came with their identity token").nth(1).unwrap();
    let came = came.split("</table>").next().unwrap();
    assert_eq!(came.matches(">github.com/acme/app<").count(), 2, "{came}");

    // It is nobody: what people read, sign and administer is not open to it.
    let door = job(&server, &second);
    for resource in countersign_server::resources() {
        let path = resource.path.replace("{run}", &run).replace("{slot}", "technical").replace("{grant}", "gra-none");
        let opens = [
            "/api/v1/runs",
            "/api/v1/runs/{run}",
            "/api/v1/runs/{run}/findings",
            "/api/v1/repositories",
            "/api/v1/submissions/{submission}",
            "/api/v1/grants",
            "/api/v1/grants/{grant}",
        ];
        let answer = door.get(&path);
        if opens.contains(&resource.path) {
            assert!(matches!(answer.status, 200 | 400 | 404), "{path}: {}", answer.body);
        } else {
            assert_eq!(code(&answer.expect(403)), "CS-SERVER-111", "{path}");
        }
    }
    let media = countersign_evidence::act::MEDIA_TYPE;
    for path in [format!("/api/v1/runs/{run}/approvals"), format!("/api/v1/runs/{run}/grants")] {
        let headers = [("authorization", door.1.as_str()), ("content-type", media)];
        assert_eq!(code(&door.0.send("POST", &path, &headers, "{}").expect(403)), "CS-SERVER-111");
    }

    // A run of another repository is not there for it.
    world.git_in(&world.path("work"), ["remote", "set-url", "origin", "https://github.com/acme/other.git"]);
    let other = pipeline.cs(&["run", "--format", "json"]).expect(11).json()["run"].as_str().unwrap().to_owned();
    world.git_in(&world.path("work"), ["remote", "set-url", "origin", "https://github.com/acme/app.git"]);
    assert_eq!(code(&door.get(&format!("/api/v1/runs/{other}")).expect(404)), "CS-SERVER-022");
    let listed = body(&door.get("/api/v1/runs").expect(200));
    assert_eq!((&listed["count"], &listed["items"][0]["run"]), (&json!(1), &json!(run)));
    let refused = cs(&world, &server, &second, &["gate", "check", &other]);
    assert!(refused.code != 0 && refused.err.contains("CS-SERVER-022"), "{}", refused.err);
    let path = format!("/api/v1/submissions?repository=git:github.com/acme/other&commit={commit}");
    let objects = ("content-type", "application/x-git-packed-objects");
    let headers = [("authorization", door.1.as_str()), ("idempotency-key", "0123456789abcdef"), objects];
    assert_eq!(code(&door.0.send("POST", &path, &headers, "").expect(404)), "CS-SERVER-022");

    // It deploys with a grant that it was handed, and not with one whose id it saw.
    world.by("dan", &["approve", &run, "--as", "technical"]).expect(0);
    world.by("ruth", &["approve", &run, "--as", "regulatory"]).expect(0);
    let issue = ["grant", "issue", &run, "--env", "production", "--format", "json"];
    let grant = world.by("omar", &issue).expect(0).json()["grant"].clone();
    let (id, jwt) = (grant["id"].as_str().unwrap(), grant["token"].as_str().unwrap());
    assert_eq!(grant["self_judged"], false);
    let by_id = cs(&world, &server, &second, &["deploy", "--grant", id, "--", "true"]);
    assert!(by_id.code != 0 && by_id.err.contains("CS-SERVER-112"), "{}", by_id.err);
    assert_eq!(code(&door.get(&format!("/api/v1/grants/{id}/token")).expect(403)), "CS-SERVER-111");
    let third = mint("d");
    cs(&world, &server, &third, &["deploy", "--grant", jwt, "--artifact", "app.bin", "--", "true"]).expect(0);
    let grant = body(&job(&server, &second).get(&format!("/api/v1/grants/{id}")).expect(200));
    assert_eq!(grant["state"], "succeeded");
    assert!(grant["redeemed_by"].as_str().unwrap().starts_with("https://token.actions.githubusercontent.com "));
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
    assert_eq!(body(&pipeline.program().get("/api/v1/ledger").expect(200))["disbelieved"], json!([]));

    // A registration that ends, ends that there and then.
    world.by("ada", &["application", "retire", "app", "--reason", "sold"]).expect(0);
    assert_eq!(code(&job(&server, &second).get("/api/v1/runs").expect(401)), "CS-WORKLOAD-008");
}

#[test]
fn a_token_that_does_not_hold_opens_nothing_and_that_is_recorded() {
    let (Some(world), true) = (firm(), have("openssl", &["version"])) else { return };
    let (signer, stranger) = (Signer::new(&world, "one"), Signer::new(&world, "one"));
    activate(&world, &pinned(&world, &[&signer]));
    let register = ["application", "register", "app", "--owner", "mia", "--criticality", "low", "--data", "public"];
    world.by("ada", &[&register[..], &["--repository", OWN]].concat()).expect(0);
    let server = serve(&world);
    let commit = "1".repeat(40);
    let with = |name: &str, value: Value| {
        let mut claims = github(&commit, "a");
        claims[name] = value;
        claims
    };
    let mut over = github(&commit, "b");
    for (name, ago) in [("iat", 1000), ("nbf", 1000), ("exp", 500)] {
        over[name] = (now() - ago).into();
    }
    let none = {
        use base64::Engine as _;
        let b64 = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.", b64(r#"{"alg":"none"}"#), b64(&github(&commit, "c").to_string()))
    };
    let cases = [
        ("over", signer.token(&world, &over)),
        ("another audience", signer.token(&world, &with("aud", json!("sigstore")))),
        ("another issuer", signer.token(&world, &with("iss", json!("https://evil.example")))),
        ("another repository", signer.token(&world, &with("repository", json!("mallory/app")))),
        ("a fork under another owner", signer.token(&world, &gitlab(&commit, "d"))),
        ("somebody else's key", stranger.token(&world, &github(&commit, "e"))),
        ("no signature", none),
    ];
    let mut codes = std::collections::BTreeSet::new();
    for (what, jwt) in &cases {
        let answer = job(&server, jwt).get("/api/v1/runs").expect(401);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"countersign\""), "{what}");
        codes.insert(code(&answer));
        let headers = [("authorization", format!("Bearer {jwt}"))];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let program = job(&server, jwt);
        program.0.send("POST", "/api/v1/redemptions", &headers, "{}").expect(401);
    }
    assert!(codes.len() >= 5 && codes.contains("CS-WORKLOAD-008"), "{codes:?}");
    assert_eq!(entries(&world, &["WorkloadAdmitted", "SignInRefused"]), [0, 1]);
    assert!(said(&world, "SignInRefused").iter().all(|e| e["entry"]["stream"] == "visits"));

    // An account that a good one names is nobody's key to anything of a person's.
    let good = job(&server, &signer.token(&world, &github(&commit, "f")));
    assert_eq!(body(&good.get("/api/v1/runs").expect(200))["count"], 0);
    assert_eq!(code(&good.get("/api/v1/me").expect(403)), "CS-SERVER-111");
    good.0.get("/runs").expect(303);

    // A review of access lists what came, so that whoever reviews may end it.
    let review = ["access", "review", "open", "--from", "2020-01-01", "--due", "2999-01-01", "--reason", "a quarter"];
    world.by("ruth", &review).expect(0);
    let shown = world.cs(["access", "review", "show", "--format", "json"]).expect(0).out;
    assert!(
        shown.contains("https://token.actions.githubusercontent.com repository=git:github.com/acme/app"),
        "{shown}"
    );
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
}
