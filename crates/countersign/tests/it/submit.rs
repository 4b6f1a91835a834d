//! Commits that pipelines send to a server, by the real binary on both ends: the server judges what it was sent and believes nothing else.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use super::api::{Program, body, code, token};
use super::server::{Answer, Browser, firm, said, serve};
use super::support::{Ran, World, planted_secret};
use super::witness::Server;

const OBJECTS: &str = "application/x-git-packed-objects";
const IDENTITY: &str = "git:git.example/acme/pay";

/// A working copy of a repository that the server never saw, on another machine than the ledger's.
pub(crate) struct Pipeline<'a> {
    pub(crate) world: &'a World,
    pub(crate) server: &'a Server,
    pub(crate) token: Value,
}

impl<'a> Pipeline<'a> {
    pub(crate) fn new(world: &'a World, server: &'a Server, token: Value) -> Self {
        let dir = world.path("work");
        std::fs::create_dir(&dir).unwrap();
        world.git_in(&dir, ["init", "-q", "-b", "main"]);
        world.git_in(&dir, ["remote", "add", "origin", "https://git.example/acme/pay.git"]);
        std::fs::write(world.path("token"), token["text"].as_str().unwrap()).unwrap();
        let this = Self { world, server, token };
        this.commit("a.py", "print(1)\n");
        this
    }

    pub(crate) fn commit(&self, name: &str, content: &str) -> String {
        let dir = self.world.path("work");
        std::fs::write(dir.join(name), content).unwrap();
        self.world.git_in(&dir, ["add", "-A"]);
        let key = format!("user.signingkey={}", self.world.path("mia").display());
        self.world.git_in(&dir, ["-c", &key, "commit", "-q", "-S", "-m", name]);
        self.world.git_in(&dir, ["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// A command with the server; what it would know of a ledger here is taken away.
    pub(crate) fn cs(&self, args: &[&str]) -> Ran {
        let token = self.world.path("token");
        let server = ["--server", &self.server.url, "--token-file", token.to_str().unwrap()];
        // What comes after `--` is another command's.
        let end = args.iter().position(|arg| *arg == "--").unwrap_or(args.len());
        let args = args[..end].iter().copied().chain(server).chain(args[end..].iter().copied());
        self.world.cs_in(&self.world.path("work"), args)
    }

    /// From now on another token is shown.
    pub(crate) fn shows(&self, token: &Value) {
        std::fs::write(self.world.path("token"), token["text"].as_str().unwrap()).unwrap();
    }

    pub(crate) fn program(&self) -> Program<'a> {
        Program::new(self.server, &self.token)
    }

    /// The pack that makes a commit whole.
    fn pack(&self, commit: &str) -> Vec<u8> {
        let mut command = self.world.command("git", &self.world.path("work"));
        command.args(["pack-objects", "--revs", "--stdout", "-q"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{commit}\n").as_bytes()).unwrap();
        child.wait_with_output().unwrap().stdout
    }

    fn send(&self, key: &str, query: &str, pack: &[u8]) -> Answer {
        let program = self.program();
        let headers = [("authorization", program.1.as_str()), ("idempotency-key", key), ("content-type", OBJECTS)];
        program.0.send_bytes("POST", &format!("/api/v1/submissions?{query}"), &headers, pack)
    }

    /// Waits until it is judged.
    fn settled(&self, answer: Answer) -> Value {
        let mut now = body(&answer);
        for _ in 0..300 {
            if now["state"] != "working" {
                return now;
            }
            std::thread::sleep(Duration::from_millis(100));
            let path = format!("/api/v1/submissions/{}", now["submission"].as_str().unwrap());
            now = body(&self.program().get(&path).expect(200));
        }
        panic!("it is never judged: {now}");
    }
}

pub(crate) fn entries(world: &World, kinds: &[&str]) -> Vec<usize> {
    kinds.iter().map(|kind| said(world, kind).len()).collect()
}

fn query(commit: &str) -> String {
    format!("repository={IDENTITY}&commit={commit}&environment=production")
}

#[test]
fn a_server_judges_what_it_is_sent_and_a_pipelines_word_is_advice() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "mia", "read,submit"));
    let ran = pipeline.cs(&["run", "--ticket", "CHG-1", "--claim", "build=pass", "--format", "json"]).expect(11).json();
    assert_eq!((&ran["repository"], &ran["ticket"]), (&json!(IDENTITY), &json!("CHG-1")));
    assert_eq!(ran["differences"], json!([]));
    let run = ran["run"].as_str().unwrap();
    assert_eq!(entries(&world, &["RunStarted", "RunSubmitted", "DecisionMade", "VerdictDiffered"]), [1, 1, 1, 0]);

    // A second attempt of the same commit sends no objects: the server has them.
    let held = format!("/api/v1/repositories?repository={IDENTITY}&commit={}", ran["commit"].as_str().unwrap());
    assert_eq!(body(&pipeline.program().get(&held).expect(200))["holds"], true);
    pipeline.cs(&["run", "--claim", "build=fail"]).expect(11);
    assert_eq!(entries(&world, &["RunStarted", "RunSubmitted", "DecisionMade", "VerdictDiffered"]), [2, 2, 1, 1]);
    let page = Browser::of(&server, &world, "omar").get(&format!("/runs/{run}")).expect(200).body;
    assert!(page.contains("the pipeline said <strong>fail</strong>") && page.contains("sent by mia"), "{page}");

    let wanted = world.cs(["notify", "--dry-run", "--format", "json"]).expect(0).json();
    let told = |n: &&Value| n["notice"]["key"].as_str().unwrap().starts_with("verdict-differed/");
    let told: Vec<&Value> = wanted["wanted"].as_array().unwrap().iter().filter(told).collect();
    assert_eq!(told.len(), 1, "the gate's owner is told: {wanted:#}");

    // A secret denies, whatever the pipeline says.
    pipeline.commit("conf.ini", &format!("token = {}\n", planted_secret()));
    let ran = pipeline.cs(&["run", "--claim", "build=pass", "--format", "json"]).expect(10).json();
    let d = &ran["differences"][0];
    assert_eq!((&d["gate"], &d["claimed"], &d["decided"]), (&json!("build"), &json!("pass"), &json!("fail")));
    let text = pipeline.cs(&["run", "--claim", "build=pass"]).expect(10).out;
    assert!(text.contains("! this pipeline said build=pass, and it is fail: recorded"), "{text}");

    // Files, artifacts, and what is decided then.
    std::fs::write(world.path("work/app.bin"), "app").unwrap();
    std::fs::write(world.path("work/my report.sarif"), r#"{"version":"2.1.0","runs":[]}"#).unwrap();
    let named = pipeline.cs(&["record", "--artifact", "app.bin", "--run", run, "--format", "json"]).expect(0).json();
    let again = pipeline.cs(&["record", "--artifact", "app.bin", "--run", run, "--format", "json"]).expect(0).json();
    assert_eq!((&named["files"][0]["known"], &again["files"][0]["known"]), (&json!(false), &json!(true)));
    assert_eq!(named["files"][0]["index"], again["files"][0]["index"]);
    let text = pipeline.cs(&["record", "my report.sarif", "--run", run]).expect(0).out;
    assert!(text.contains("sarif") && text.contains(run), "{text}");
    let decisions = entries(&world, &["DecisionMade"]);
    pipeline.cs(&["gate", "check", run]).expect(11);
    pipeline.cs(&["gate", "check", run]).expect(11);
    assert_eq!(entries(&world, &["DecisionMade"]), [decisions[0] + 1], "the artifact is new, and decided on once");

    // All of it is believed by whoever reads the log anew, and proved.
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
    let ledger = body(&pipeline.program().get("/api/v1/ledger").expect(200));
    assert_eq!(ledger["disbelieved"], json!([]));
}

#[test]
fn the_same_request_is_done_once_whenever_and_however_often_it_comes() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "mia", "read,submit"));
    let commit = world.git_in(&world.path("work"), ["rev-parse", "HEAD"]).trim().to_owned();
    let (pack, key) = (pipeline.pack(&commit), "0123456789abcdef-1");
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let send = || pipeline.send(key, &query(&commit), &pack);
        let all: Vec<_> = (0..4).map(|_| scope.spawn(send)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let mut runs: Vec<Value> = answers
        .into_iter()
        .map(|answer| {
            assert!(matches!(answer.status, 200 | 202), "{}", answer.body);
            pipeline.settled(answer)["run"].clone()
        })
        .collect();
    runs.dedup();
    assert_eq!(runs.len(), 1);
    assert!(runs[0].is_string());
    assert_eq!(entries(&world, &["RunStarted", "RunSubmitted"]), [1, 1]);
    let reused = pipeline.send(key, &format!("{}&ticket=CHG-9", query(&commit)), &pack).expect(422);
    assert_eq!(code(&reused), "CS-SUBMIT-002");
    assert_eq!(server.terminate(), Some(0));

    // A server that never heard of it reads the ledger.
    let server = serve(&world);
    let pipeline = Pipeline { world: &world, server: &server, token: token(&world, "mia", "read,submit") };
    let answer = pipeline.send(key, &query(&commit), &pack).expect(200);
    assert_eq!(body(&answer)["run"], runs[0]);
    let path = answer.header("location").unwrap().to_owned();
    assert_eq!(body(&pipeline.program().get(&path).expect(200))["state"], "done");
    let other = Program::new(&server, &token(&world, "dan", "read,submit"));
    assert_eq!(code(&other.get(&path).expect(404)), "CS-SERVER-022", "it is its sender's alone");
    // The key is its sender's as well: the same words of somebody else are another request.
    let dans = Pipeline { world: &world, server: &server, token: token(&world, "dan", "read,submit") };
    let answer = dans.send(key, &query(&commit), b"").expect(202);
    assert_eq!(dans.settled(answer)["run"], runs[0]);
    assert_eq!(entries(&world, &["RunStarted", "RunSubmitted"]), [2, 2]);
}

#[test]
fn what_is_no_commit_of_that_repository_comes_to_nothing_and_nothing_of_it_stays() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "mia", "read,submit"));
    let dir = world.path("work");
    let first = world.git_in(&dir, ["rev-parse", "HEAD"]).trim().to_owned();
    let second = pipeline.commit("b.py", "print(2)\n");
    let whole = pipeline.pack(&second);
    let mut broken = whole.clone();
    let middle = broken.len() / 2;
    broken[middle] ^= 1;
    // A tree with a path that leads into the repository's own directory, as no honest git makes one.
    let blob = world.git_in(&dir, ["rev-parse", "HEAD:a.py"]).trim().to_owned();
    let raw: Vec<u8> = (0..20).map(|i| u8::from_str_radix(&blob[2 * i..2 * i + 2], 16).unwrap()).collect();
    let tree = made(&world, "tree", &[b"100644 .git\0".as_slice(), &raw].concat());
    let who = "A <a@example.org> 1767225600 +0000";
    let text = format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nevil\n");
    let evil = made(&world, "commit", text.as_bytes());
    let blob_only = pipeline.pack(&format!("{second}:a.py"));
    let other_root = IDENTITY.replace("git:git.example/acme/pay", &format!("git-root:{second}"));
    let cases: [(&str, String, Vec<u8>, &str); 8] = [
        ("garbage", query(&second), b"not a pack".to_vec(), "CS-GIT-016"),
        ("cut", query(&second), whole[..whole.len() - 30].to_vec(), "CS-GIT-016"),
        ("a bit", query(&second), broken, "CS-GIT-016"),
        ("nothing", query(&second), Vec::new(), "CS-GIT-016"),
        ("another commit", query(&"0".repeat(40)), whole.clone(), "CS-GIT-016"),
        ("without its tree", query(&second), blob_only, "CS-GIT-016"),
        ("a path into .git", query(&evil), pipeline.pack(&evil), "CS-GIT-016"),
        ("another root", query(&second).replace(IDENTITY, &other_root), whole.clone(), "CS-GIT-019"),
    ];
    for (n, (what, query, pack, expected)) in cases.iter().enumerate() {
        let answer = pipeline.send(&format!("0123456789abcdef-{n}"), query, pack).expect(202);
        let ended = pipeline.settled(answer);
        assert_eq!(
            (&ended["state"], &ended["problem"]["code"]),
            (&json!("failed"), &json!(expected)),
            "{what}: {ended}"
        );
    }
    assert_eq!(entries(&world, &["RunStarted", "RunSubmitted"]), [0, 0]);
    let held = body(
        &pipeline.program().get(&format!("/api/v1/repositories?repository={IDENTITY}&commit={first}")).expect(200),
    );
    assert_eq!((&held["holds"], &held["commits"]), (&json!(false), &json!([])));

    // What failed may be sent again, rightly, under its key.
    let answer = pipeline.send("0123456789abcdef-0", &query(&second), &whole).expect(202);
    assert_eq!(pipeline.settled(answer)["state"], "done");

    // What the request itself lacks is said before anything is read.
    let program = pipeline.program();
    let bearer = ("authorization", program.1.as_str());
    let key = ("idempotency-key", "0123456789abcdef");
    let media = ("content-type", OBJECTS);
    let path = |query: &str| format!("/api/v1/submissions?{query}");
    let good = query(&second);
    type Headers<'a> = Vec<(&'a str, &'a str)>;
    let refusals: [(&str, Headers<'_>, u16, &str); 9] = [
        (&good, vec![bearer, media], 400, "CS-SERVER-083"),
        (&good, vec![bearer, media, ("idempotency-key", "short")], 400, "CS-SERVER-083"),
        (&good, vec![bearer, key], 415, "CS-SERVER-088"),
        (&good, vec![key, media], 401, "CS-SERVER-050"),
        ("repository=git:a/b", vec![bearer, key, media], 400, "CS-SERVER-055"),
        (&format!("{good}&claims=build=good"), vec![bearer, key, media], 400, "CS-SERVER-055"),
        (&format!("{good}&claims=build=pass,build=fail"), vec![bearer, key, media], 202, "CS-SUBMIT-005"),
        (&format!("{good}&force=true"), vec![bearer, key, media], 400, "CS-SERVER-055"),
        (&good.replace(IDENTITY, "/etc/passwd"), vec![bearer, key, media], 400, "CS-SERVER-055"),
    ];
    for (query, headers, status, expected) in refusals {
        let answer = program.0.send("POST", &path(query), &headers, "").expect(status);
        if status == 202 {
            assert_eq!(pipeline.settled(answer)["problem"]["code"], expected);
        } else {
            assert_eq!(code(&answer), expected, "{query}");
        }
    }
    assert_eq!(code(&program.0.send("GET", &path(&good), &[bearer], "").expect(405)), "CS-SERVER-089");
    let shallow = world.path("shallow");
    world.git(["clone", "-q", "--depth", "1", &format!("file://{}", dir.display()), shallow.to_str().unwrap()]);
    world.git_in(&shallow, ["remote", "set-url", "origin", "https://git.example/acme/other.git"]);
    let token = world.path("token");
    let args = ["run", "--server", &server.url, "--token-file", token.to_str().unwrap()];
    let refused = world.cs_in(&shallow, args).expect(2);
    assert!(refused.err.contains("CS-GIT-017") && refused.err.contains("--unshallow"), "{}", refused.err);
    assert_eq!(std::fs::read_dir(incoming(&world)).unwrap().count(), 0, "nothing that was sent is left lying");
}

/// Where a server keeps what is being sent.
fn incoming(world: &World) -> std::path::PathBuf {
    fn find(dir: &std::path::Path) -> Option<std::path::PathBuf> {
        let all: Vec<_> =
            std::fs::read_dir(dir).ok()?.filter_map(|e| Some(e.ok()?.path())).filter(|p| p.is_dir()).collect();
        all.iter().find(|p| p.ends_with("submitted/incoming")).cloned().or_else(|| all.iter().find_map(|p| find(p)))
    }
    find(&world.path("")).expect("a server that took something")
}

/// An object as it is written, whatever git thinks of it.
fn made(world: &World, kind: &str, content: &[u8]) -> String {
    let file = world.path("object");
    std::fs::write(&file, content).unwrap();
    let args = ["hash-object", "-w", "--literally", "-t", kind, file.to_str().unwrap()];
    world.git_in(&world.path("work"), args).trim().to_owned()
}

#[test]
fn an_approval_is_signed_at_home_and_handed_in_for_the_decision_that_was_looked_at() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "mia", "read,submit"));
    let ran = pipeline.cs(&["run", "--ticket", "CHG-1", "--reason", "needed", "--format", "json"]).expect(11).json();
    let run = ran["run"].as_str().unwrap().to_owned();
    let approver = token(&world, "dan", "read,submit,approve");
    std::fs::write(world.path("token"), approver["text"].as_str().unwrap()).unwrap();
    let approve = |who: &str| {
        let key = world.path(who);
        pipeline.cs(&["approve", &run, "--as", "technical", "--key", key.to_str().unwrap()])
    };
    let text = approve("dan").expect(0).out;
    assert!(text.contains("technical approval") && text.contains(IDENTITY), "{text}");
    assert_eq!(entries(&world, &["ApprovalSigned"]), [1]);
    // With somebody else's key the token of dan opens nothing, and nobody approves twice.
    let refused = approve("ruth").expect(4);
    assert!(refused.err.contains("CS-SERVER-024"), "{}", refused.err);
    let twice = approve("dan");
    assert!(twice.code != 0 && twice.err.contains("CS-RELEASE-006"), "{}", twice.err);

    // By hand: the regulatory one, with a condition.
    let program = Program::new(&server, &token(&world, "ruth", "read,approve"));
    let bearer = ("authorization", program.1.as_str());
    let path = format!("/api/v1/runs/{run}/approvals");
    let file = world.path("signed.json");
    world.by("ruth", &["approve", &run, "--as", "regulatory", "--out", file.to_str().unwrap()]).expect(0);
    let act = std::fs::read_to_string(&file).unwrap();
    let send = |headers: &[(&str, &str)], body: &str| program.0.send("POST", &path, headers, body);
    let wrong = send(&[bearer], &act).expect(415);
    let wanted = body(&wrong)["title"].as_str().unwrap().split('`').nth(1).unwrap().to_owned();
    let media = ("content-type", wanted.as_str());
    assert_eq!(code(&send(&[bearer, media], &act).expect(428)), "CS-SERVER-086");
    let old = format!("\"sha256:{}\"", "0".repeat(64));
    assert_eq!(code(&send(&[bearer, media, ("if-match", &old)], &act).expect(412)), "CS-SERVER-087");
    assert_eq!(entries(&world, &["ApprovalSigned"]), [1]);
    let decision = body(&program.get(&format!("/api/v1/runs/{run}")).expect(200))["decision"]["digest"].clone();
    let now = format!("\"{}\"", decision.as_str().unwrap());
    assert_eq!(send(&[bearer, media, ("if-match", &now)], "{}").status / 100, 4);
    let done = body(&send(&[bearer, media, ("if-match", &now)], &act).expect(200));
    assert_eq!((&done["outcome"], done["approvals"].as_array().unwrap().len()), (&json!("pass"), 2));
    // Whoever lost the answer sends it again.
    let again = body(&send(&[bearer, media, ("if-match", &now)], &act).expect(200));
    assert_eq!(again["approvals"], done["approvals"]);
    assert_eq!(entries(&world, &["ApprovalSigned"]), [2]);
    pipeline.cs(&["gate", "check", &run]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn nobody_sends_what_their_token_or_their_roles_do_not_open() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let people = [("mia", true), ("dan", true), ("ruth", true), ("omar", true), ("ada", true), ("olga", false)];
    for (person, works) in people {
        for scopes in ["read", "read,audit", "submit", "approve", "deploy"] {
            let program = Program::new(&server, &token(&world, person, scopes));
            for write in countersign_server::writes() {
                let path = write.path.replace("{run}", "run-00000000000000000000").replace("{grant}", "gra-none");
                let mut headers = vec![("authorization", program.1.as_str())];
                headers.extend(write.media.map(|media| ("content-type", media)));
                let answer = program.0.send("POST", &path, &headers, "");
                let opens = scopes.split(',').any(|scope| scope == write.scope.as_str());
                let said = code(&answer);
                match (opens, works) {
                    (false, _) => assert_eq!((answer.status, said.as_str()), (403, "CS-SERVER-052"), "{person} {path}"),
                    // What an auditor signs is of an audit; which act it is stands in the body.
                    (true, false) if write.is_of_auditors => {
                        assert!(matches!(answer.status, 400 | 428), "{person} {path}: {said}");
                    }
                    (true, false) => {
                        assert_eq!((answer.status, said.as_str()), (403, "CS-SERVER-024"), "{person} {path}")
                    }
                    (true, true) => assert!(matches!(answer.status, 400 | 404 | 428), "{person} {path}: {said}"),
                }
            }
        }
    }
    assert_eq!(entries(&world, &["RunStarted", "EvidenceAttached", "DecisionMade", "ApprovalSigned"]), [0, 0, 0, 0]);
    assert_eq!(entries(&world, &["GrantIssued", "DeploymentStarted", "DeploymentRecorded"]), [0, 0, 0]);
}
