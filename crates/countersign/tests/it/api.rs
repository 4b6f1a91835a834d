//! The API, by the real binary over HTTP: who gets in with which token, what the document says, and that the answers are as it says.

use std::path::Path;

use countersign_model::Role;
use serde_json::{Value, json};

use super::server::{Answer, Browser, firm, said, serve};
use super::support::{World, planted_secret};
use super::witness::Server;

/// A token of a person.
pub(crate) fn token(world: &World, person: &str, scope: &str) -> Value {
    world.by(person, &["token", "issue", "--scope", scope, "--days", "1", "--format", "json"]).expect(0).json()
}

/// A program that shows a token.
pub(crate) struct Program<'a>(pub(crate) Browser<'a>, pub(crate) String);

impl<'a> Program<'a> {
    pub(crate) fn new(server: &'a Server, token: &Value) -> Self {
        Self(Browser::new(server), format!("Bearer {}", token["text"].as_str().unwrap()))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.0.send("GET", path, &[("authorization", &self.1)], "")
    }

    /// Waits for what is computed beside the requests.
    pub(crate) fn settled(&self, path: &str) -> Answer {
        for _ in 0..100 {
            let answer = self.get(path);
            if answer.status != 503 {
                return answer;
            }
            assert_eq!(code(&answer), "CS-SERVER-053");
            assert_eq!(answer.header("retry-after"), Some("2"));
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("{path} is never there");
    }
}

pub(crate) fn body(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {}", answer.body))
}

pub(crate) fn code(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.head);
    body(answer)["code"].as_str().unwrap().to_owned()
}

/// Whether an answer is as the document says.
fn documented(document: &Value, path: &str, answer: &Answer) {
    let mut response = document["paths"][path]["get"]["responses"][answer.status.to_string()].clone();
    if let Some(name) = response["$ref"].as_str() {
        response = document.pointer(name.trim_start_matches('#')).unwrap().clone();
    }
    let media = answer.header("content-type").unwrap();
    let schema = &response["content"][media]["schema"];
    assert!(schema.is_object(), "{path}: {} {media} is not in the document", answer.status);
    let whole = json!({"allOf": [schema], "components": document["components"]});
    let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&whole).unwrap();
    let found = body(answer);
    let errors: Vec<String> = validator.iter_errors(&found).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{path}: {errors:#?}\n{found:#}");
}

/// A firm with something of every noun, and what stands in the places of paths.
fn full() -> Option<(World, Vec<(&'static str, String)>)> {
    let world = firm()?;
    world.by("ada", &["environment", "register", "production", "--tier", "production"]).expect(0);
    let register = ["application", "register", "pay", "--owner", "mia", "--criticality", "low", "--data", "public"];
    world.by("ada", &register).expect(0);
    world.commit_signed("mia", "leak.sh", &format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret()));
    world.cs(["run", "--ticket", "CHG-0"]).expect(10);
    world.commit_signed("mia", "leak.sh", "echo\n");
    world.commit_signed("mia", "app.sh", "echo app\n");
    world.cs(["run", "--ticket", "CHG-1"]).expect(11);
    world.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    world.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    let issue = ["grant", "issue", "latest", "--env", "production", "--format", "json"];
    let grant = world.by("omar", &issue).expect(0).json()["grant"]["id"].as_str().unwrap().to_owned();
    let run = world.cs(["gate", "check", "--format", "json"]).json()["run"]["id"].as_str().unwrap().to_owned();
    let opened =
        ["audit", "open", "--name", "SOX 2026", "--from", "2026-01-01", "--to", "2027-01-01", "--format", "json"];
    let audit = world.by("ruth", &opened).expect(0).json()["audit"].as_str().unwrap().to_owned();
    world.by("olga", &["audit", "request", &audit, "--text", "Show me."]).expect(0);
    let review = ["access", "review", "open", "--from", "2026-01-01", "--due", "2099-01-01", "--reason", "yearly"];
    let review = world.by("ruth", &[&review[..], &["--format", "json"]].concat()).expect(0).json();
    let open = ["break-glass", "open", "latest", "--environment", "production", "--reason", "x", "--ticket", "INC-1"];
    let emergency = world.by("ruth", &[&open[..], &["--format", "json"]].concat()).expect(0).json();
    let request = ["waive", "request", "--control", "secrets-out-of-source", "--path", "a", "--accept", "x"];
    let waiver = world.by("mia", &[&request[..], &["--format", "json"]].concat()).expect(0).json();
    let found = world.cs(["findings", "--state", "all", "--format", "json"]).expect(0).json();
    let fingerprint = found["findings"][0]["fingerprint"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
    let places = vec![
        ("{fingerprint}", fingerprint),
        ("{run}", run),
        ("{index}", "0".to_owned()),
        ("{framework}", "sox".to_owned()),
        ("{control}", "hooks-not-bypassed".to_owned()),
        ("{environment}", "production".to_owned()),
        ("{audit}", audit),
        ("{slot}", "technical".to_owned()),
        ("{grant}", grant),
        ("{review}", review["review"].as_str().unwrap().to_owned()),
        ("{application}", "pay".to_owned()),
        ("{waiver}", waiver["waiver"].as_str().unwrap().to_owned()),
        ("{emergency}", emergency["break_glass"].as_str().unwrap().to_owned()),
        ("{submission}", "0".repeat(64)),
    ];
    Some((world, places))
}

fn filled(path: &str, places: &[(&str, String)]) -> String {
    places.iter().fold(path.to_owned(), |path, (place, value)| path.replace(place, value))
}

#[test]
fn each_role_gets_the_resources_that_are_its_own_as_the_document_says_and_an_auditors_looks_are_recorded() {
    let Some((world, places)) = full() else { return };
    let server = serve(&world);
    let document = body(&Browser::new(&server).get("/api/v1/openapi.json").expect(200));
    assert_eq!(document, countersign_server::openapi());
    let roles: [(&str, &[Role]); 5] = [
        ("ada", &[Role::Administrator]),
        ("mia", &[Role::Developer, Role::Engineer]),
        ("ruth", &[Role::ComplianceOfficer, Role::SecurityOfficer]),
        ("omar", &[Role::ReleaseManager]),
        ("olga", &[Role::Auditor]),
    ];
    let mut looks = 0;
    for (person, roles) in roles {
        for scopes in ["read", "read,audit"] {
            let program = Program::new(&server, &token(&world, person, scopes));
            for resource in countersign_server::resources() {
                let opens = scopes.split(',').any(|scope| scope == resource.scope.as_str());
                let may = resource.roles.iter().any(|role| roles.contains(role));
                let path = filled(resource.path, &places);
                let answer = program.settled(&path).expect(if opens && may { 200 } else { 403 });
                documented(&document, resource.path, &answer);
                let kept = if opens && may { "private, no-cache" } else { "no-store" };
                assert_eq!(answer.header("cache-control"), Some(kept));
                if !opens {
                    assert_eq!(code(&answer), "CS-SERVER-052");
                } else if may {
                    let etag = answer.header("etag").unwrap();
                    assert!(etag.len() == 34, "{etag}");
                    looks += usize::from(person == "olga");
                }
            }
        }
    }
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths.len(), countersign_server::resources().count() + countersign_server::writes().count());
    // Where the assessment was waited for, it was looked at more than once.
    let seen = said(&world, "EvidenceViewed").len();
    assert!(seen >= looks && looks > 20, "{seen} of {looks}");
    let signed = said(&world, "SignedIn");
    assert_eq!(signed.len(), 10, "one for each token, however many requests");
}

#[test]
fn a_token_that_counts_no_more_is_refused_and_that_is_recorded() {
    let Some(world) = firm() else { return };
    let made = token(&world, "mia", "read");
    let text = made["text"].as_str().unwrap();
    assert!(!world.ledger_text().contains(&text[4..40]), "the secret is nowhere");
    let server = serve(&world);
    let nobody = Browser::new(&server);
    let answer = nobody.get("/api/v1/runs").expect(401);
    assert_eq!(code(&answer), "CS-SERVER-050");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"countersign\""));
    assert_eq!(said(&world, "SignInRefused").len(), 0, "nothing was shown");
    let dan = Browser::of(&server, &world, "dan");
    dan.get("/runs").expect(200);
    dan.get("/api/v1/runs").expect(401);

    let program = Program::new(&server, &made);
    let me = body(&program.get("/api/v1/me").expect(200));
    assert_eq!((&me["name"], &me["token"]), (&json!("mia"), &made["token"]));
    for shown in ["Bearer cst_0", "Bearer", "Basic bWlhOm1pYQ==", &format!("Bearer {}", &text[..75])] {
        nobody.send("GET", "/api/v1/me", &[("authorization", shown)], "").expect(401);
    }
    assert_eq!(said(&world, "SignInRefused").len(), 1, "those alike in a minute are one, and then the rest");

    let name: String = made["token"].as_str().unwrap().chars().skip(7).take(16).collect();
    world.by("omar", &["token", "revoke", &name, "--reason", "not mine"]).expect(4);
    world.by("ruth", &["token", "revoke", &name, "--reason", "found in a chat"]).expect(0);
    let answer = program.get("/api/v1/me").expect(401);
    assert_eq!(code(&answer), "CS-SERVER-051");
    assert_eq!(said(&world, "SignInRefused").len(), 2, "now it is known whose it was");
    // Whoever goes on showing it does not keep its person out.
    for _ in 0..12 {
        program.get("/api/v1/me").expect(401);
    }
    Browser::of(&server, &world, "mia").get("/").expect(200);
    let again = world.by("mia", &["token", "revoke", &name, "--reason", "again"]);
    assert!(again.all().contains("CS-BEARER-004"), "{}", again.all());
    world.by("mia", &["token", "issue", "--days", "91"]).expect(2);

    let other = Program::new(&server, &token(&world, "omar", "read"));
    other.get("/api/v1/runs").expect(200);
    world.by("ada", &["role", "revoke", "omar", "release-manager", "--reason", "moved"]).expect(0);
    other.get("/api/v1/runs").expect(403);
    world.by("omar", &["token", "issue"]).expect(4);
    let list = world.cs(["token", "list", "--format", "json"]).expect(0).json();
    let states: Vec<&str> = list["tokens"].as_array().unwrap().iter().map(|t| t["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["revoked", "its person has no role"]);

    let third = Program::new(&server, &token(&world, "dan", "read"));
    third.get("/api/v1/runs").expect(200);
    let keys = world.cs(["person", "key", "list", "dan", "--format", "json"]).expect(0).json();
    let key = keys["keys"][0]["fingerprint"].as_str().unwrap();
    world.by("ada", &["person", "key", "revoke", "dan", key, "--reason", "lost"]).expect(0);
    assert_eq!(code(&third.get("/api/v1/runs").expect(401)), "CS-SERVER-051");
}

#[test]
fn findings_are_listed_by_parts_and_a_runs_are_its_own() {
    let Some(world) = firm() else { return };
    for n in 0..5_u8 {
        let value = format!("AKIA{}{}", "Z7Q4M2X5K3J6W2V", char::from(b'A' + n));
        world.commit_signed("mia", &format!("leak{n}.sh"), &format!("export AWS_ACCESS_KEY_ID={value}\n"));
    }
    world.cs(["run"]).expect(10);
    world.commit_signed("mia", "leak0.sh", "echo\n");
    world.cs(["run"]).expect(10);
    let server = serve(&world);
    let program = Program::new(&server, &token(&world, "mia", "read"));
    let (mut after, mut seen) = (String::new(), Vec::new());
    loop {
        let part = body(&program.get(&format!("/api/v1/findings?limit=2{after}")).expect(200));
        assert_eq!(
            (&part["count"], &part["states"]["open"], &part["states"]["fixed"]),
            (&json!(5), &json!(4), &json!(1))
        );
        assert_eq!((&part["behind"], &part["unread"]), (&json!(0), &json!([])));
        seen.extend(part["items"].as_array().unwrap().iter().map(|f| f["fingerprint"].as_str().unwrap().to_owned()));
        match part["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let mut once = seen.clone();
    once.sort();
    once.dedup();
    assert_eq!((seen.len(), once.len()), (5, 5));
    for (filter, n) in [
        ("state=open", 4),
        ("state=fixed", 1),
        ("state=waived", 0),
        ("severity=critical", 5),
        ("severity=low", 0),
        ("rule=secrets/aws-access-key-id&state=open", 4),
        ("control=secrets-out-of-source", 5),
        ("control=nothing", 0),
        ("repository=nothing", 0),
        ("late=true", 0),
    ] {
        let list = body(&program.get(&format!("/api/v1/findings?{filter}")).expect(200));
        assert_eq!(
            (list["count"].as_u64(), list["items"].as_array().unwrap().len()),
            (Some(n), n as usize),
            "{filter}"
        );
    }
    for bad in ["after=x", "state=none", "severity=x", "late=false"] {
        assert_eq!(code(&program.get(&format!("/api/v1/findings?{bad}")).expect(400)), "CS-SERVER-055", "{bad}");
    }
    // The command with the server says what it says where the ledger is.
    let cookie = world.path("token");
    std::fs::write(&cookie, program.1.trim_start_matches("Bearer ")).unwrap();
    let elsewhere = ["--server", &server.url, "--token-file", cookie.to_str().unwrap()];
    for asked in
        [&["--state", "all"][..], &["--limit", "3"], &["--state", "fixed", "--severity", "critical"], &["--late"]]
    {
        for format in ["text", "json"] {
            let args = [&["findings", "--format", format], asked].concat();
            let (here, there) = (world.cs(&args), world.cs_in(&world.path(""), [&args[..], &elsewhere].concat()));
            assert_eq!((there.code, &there.out), (here.code, &here.out), "{asked:?}");
        }
    }
    // Those of one risk are in the order of their fingerprints, which are another ones each time: one that both runs saw is chosen.
    let open = body(&program.get("/api/v1/findings?state=open").expect(200));
    let open = open["items"][0]["fingerprint"].as_str().unwrap();
    let one = body(&program.get(&format!("/api/v1/findings/{open}")).expect(200));
    assert_eq!((&one["items"][0]["seen"], &one["items"][0]["looks"].as_array().unwrap().len()), (&json!(2), &2));
    program.get("/api/v1/findings/x").expect(404);
    let runs = body(&program.get("/api/v1/runs").expect(200));
    let of = |n: usize| runs["items"][n]["run"].as_str().unwrap().to_owned();
    for (n, findings) in [(0, 4), (1, 5)] {
        let list = body(&program.get(&format!("/api/v1/runs/{}/findings?limit=3", of(n))).expect(200));
        assert_eq!((&list["count"], &list["next"]), (&json!(findings), &json!(3)));
        let rest = body(&program.get(&format!("/api/v1/runs/{}/findings?after=3", of(n))).expect(200));
        assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (findings - 3, &Value::Null));
        assert_eq!(list["items"][0]["tools"], json!(["countersign"]));
    }
    program.get("/api/v1/runs/none/findings").expect(404);
}

#[test]
fn it_only_reads_knows_its_parameters_and_answers_again_only_what_changed() {
    let Some((world, _)) = full() else { return };
    let server = serve(&world);
    let program = Program::new(&server, &token(&world, "mia", "read"));
    let token = ("authorization", program.1.as_str());
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
        let answer = program.0.send(method, "/api/v1/runs", &[token], "").expect(405);
        assert_eq!((code(&answer).as_str(), answer.header("allow")), ("CS-SERVER-054", Some("GET, HEAD")), "{method}");
    }
    let head = program.0.send("HEAD", "/api/v1/runs", &[token], "").expect(200);
    assert!(head.body.is_empty() && head.header("etag").is_some());
    for path in [
        "/api",
        "/api/",
        "/api/v1",
        "/api/v1/",
        "/api/v1/runs/",
        "/api/v2/runs",
        "/api/v1/entries/x",
        "/api/v1/entries/99999",
    ] {
        assert_eq!(code(&program.get(path).expect(404)), "CS-SERVER-022", "{path}");
    }
    for query in [
        "limit=0",
        "limit=201",
        "limit=",
        "limit=1&limit=1",
        "outcomes=fail",
        "outcome=Fail",
        "before=-1",
        "commit=XYZ",
        "repository=%ff",
        "undecided=false",
        "repository=a%00b",
    ] {
        assert_eq!(code(&program.get(&format!("/api/v1/runs?{query}")).expect(400)), "CS-SERVER-055", "{query}");
    }
    let wrong = program.0.send("GET", "/api/v1/runs", &[token, ("host", "evil.example")], "").expect(421);
    assert_eq!(code(&wrong), "CS-SERVER-028");

    // Every entry once, newest first, by parts.
    let (mut before, mut seen) = (String::new(), Vec::new());
    loop {
        let part = body(&program.get(&format!("/api/v1/entries?limit=7{before}")).expect(200));
        let items = part["items"].as_array().unwrap().clone();
        seen.extend(items.iter().map(|e| e["index"].as_u64().unwrap()));
        assert_eq!(part["count"], said_in_all(&world));
        match part["next"].as_u64() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    let size = said_in_all(&world);
    assert_eq!(seen, (0..size).rev().collect::<Vec<_>>());

    let path = "/api/v1/runs?limit=1&outcome=pass";
    let first = program.get(path).expect(200);
    let etag = first.header("etag").unwrap().to_owned();
    let same = program.0.send("GET", path, &[token, ("if-none-match", &etag)], "").expect(304);
    assert!(same.body.is_empty() && same.header("etag") == Some(&etag));
    program.0.send("GET", path, &[("if-none-match", &etag)], "").expect(401);
    world.cs(["run", "--ticket", "CHG-2"]);
    program.0.send("GET", path, &[token, ("if-none-match", &etag)], "").expect(200);
    let other = program.get("/api/v1/runs?outcome=error").expect(200);
    assert_eq!(body(&other)["count"], 0);

    // The receipt proves the entry to somebody who has the log's key alone.
    let entry = body(&program.get("/api/v1/entries/3").expect(200));
    let ledger = body(&program.get("/api/v1/ledger").expect(200));
    let receipt = countersign_evidence::receipt::Receipt::parse(entry["receipt"].as_str().unwrap()).unwrap();
    let key = ledger["log_key"].as_str().unwrap().parse().unwrap();
    receipt.verify(entry["bytes"].as_str().unwrap().as_bytes(), &[key]).unwrap();
}

fn said_in_all(world: &World) -> u64 {
    let all = world.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
    all["entries"].as_array().unwrap().len() as u64
}

/// Where `schemathesis` is. Absent, a test is skipped aloud; under `CI=true` it fails.
fn schemathesis() -> Option<std::path::PathBuf> {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("schemathesis-venv");
    let program = venv.join("bin/schemathesis");
    #[expect(clippy::disallowed_methods, reason = "a test may ask whether it runs in continuous integration")]
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let how =
        "python3 -m venv target/schemathesis-venv && target/schemathesis-venv/bin/pip install schemathesis==4.32.5";
    assert!(program.exists() || !ci, "schemathesis is not installed: {how}");
    if !program.exists() {
        eprintln!("skipped: schemathesis is not installed: {how}");
    }
    program.exists().then_some(program)
}

#[test]
fn what_a_stranger_makes_up_is_answered_as_the_document_says() {
    let (Some(program), Some((world, _))) = (schemathesis(), full()) else { return };
    let server = serve(&world);
    let token = token(&world, "ruth", "read,audit,submit,approve,deploy,observe");
    Program::new(&server, &token).settled("/api/v1/frameworks").expect(200);
    let dir = world.path("fuzz");
    std::fs::create_dir(&dir).unwrap();
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                  response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance,ignored_auth";
    let header = format!("Authorization: Bearer {}", token["text"].as_str().unwrap());
    // What it makes up for bodies of our types goes out as it is.
    let hooks = "import schemathesis\n\n@schemathesis.serializer('application/x-git-packed-objects', 'application/octet-stream', MEDIA)\n\
                 def raw(ctx, value):\n    return value if isinstance(value, bytes) else str(value).encode('utf-8', 'replace')\n";
    let hooks = hooks.replace("MEDIA", &format!("'{}'", countersign_evidence::act::MEDIA_TYPE));
    std::fs::write(dir.join("hooks.py"), hooks).unwrap();
    let out = world
        .command(program.to_str().unwrap(), &dir)
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", &dir)
        .args(["run", &format!("{}/api/v1/openapi.json", server.url), "--header", &header])
        .args(["--checks", checks, "--phases", "coverage,fuzzing", "--max-time", "60", "--max-examples", "25"])
        .args(["--seed", "20260101", "--generation-deterministic", "--workers", "1", "--warnings", "off", "--no-color"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{text}");
    let all = countersign_server::resources().count() + countersign_server::writes().count();
    assert!(text.contains(&format!("Tested: {all}")), "it did something: {text}");
}
