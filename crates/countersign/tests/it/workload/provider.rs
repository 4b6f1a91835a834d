//! Against npm `oidc-provider`, started here: discovery, keys, algorithms, the way in which GitHub Actions hands out tokens, and an
//! exchange of keys.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::{Value, json};

use super::{Signer, entries, firm_at, have, head, missing, now, refused, run_with};
use crate::support::{World, have_ssh_keygen};

struct Provider {
    child: Child,
    port: u16,
    /// Kept open, so that what the provider says has somewhere to go.
    _out: BufReader<ChildStdout>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where `npm install --prefix DIR oidc-provider` put it.
pub(crate) fn installed() -> Option<PathBuf> {
    if !have("node", &["--version"]) || !have("openssl", &["version"]) || !have_ssh_keygen() {
        return None;
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("oidc-provider");
    let there = dir.join("node_modules/oidc-provider/lib/index.js").exists();
    (there || missing("oidc-provider (npm install --prefix target/oidc-provider oidc-provider)")).then_some(dir)
}

impl Provider {
    fn start(w: &World, modules: &Path, port: u16) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oidc/provider.mjs");
        let mut command = w.command("node", Path::new("/"));
        command.arg(script).arg(modules).arg(port.to_string()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ready ") {
            line.clear();
            assert!(out.read_line(&mut line).unwrap() > 0, "the provider ended: {:?}", child.wait());
        }
        let port = line["ready ".len()..].trim().parse().unwrap();
        Self { child, port, _out: out }
    }

    fn server(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn issuer(&self) -> String {
        format!("{}/_services/token", self.server())
    }

    /// The address at which a job asks for a token with these claims.
    fn request(&self, claims: &Value) -> String {
        let mut escaped = String::new();
        for byte in claims.to_string().bytes() {
            escaped.push_str(&format!("%{byte:02X}"));
        }
        format!("{}/token-of-job?claims={escaped}", self.server())
    }

    fn token(&self, client: &str, claims: &Value, more: &str) -> String {
        let url = format!("{}&audience={client}{more}", self.request(claims));
        let answer = ureq::get(&url).header("authorization", "Bearer job").call().unwrap();
        let answer: Value = serde_json::from_str(&answer.into_body().read_to_string().unwrap()).unwrap();
        answer["value"].as_str().unwrap().to_owned()
    }

    fn fetched(&self) -> u32 {
        let said = ureq::get(format!("{}/fetched", self.server())).call().unwrap();
        said.into_body().read_to_string().unwrap().parse().unwrap()
    }

    fn file(&self) -> String {
        format!(
            "version: 1\nissuers:\n  - id: enterprise\n    system: github-actions\n    issuer: {}\n    \
             audiences: [countersign, countersign-ps, countersign-es, countersign-ed]\n    \
             algorithms: [RS256, PS256, ES256, EdDSA]\n    lifetime: 1h\n    claims:\n      \
             repository: 'git:github.com/{{repository}}'\n      commit: '{{sha}}'\n      run: '{{run_id}}'\n      \
             attempt: '{{run_attempt}}'\n      actor: '{{actor_id}}'\n",
            self.issuer()
        )
    }
}

fn claims(w: &World, jti: &str) -> Value {
    json!({
        "sha": head(w), "repository": "acme/app", "run_id": format!("run of {jti}"), "run_attempt": "1", "jti": jti,
        "actor_id": "id-of-mia-4711", "actor": "mia-the-dev",
    })
}

#[test]
fn a_real_provider_is_believed_once_an_officer_says_so() {
    let Some(modules) = installed() else { return };
    let w = firm_at("https://github.com/acme/app.git");
    let provider = Provider::start(&w, &modules, 0);
    std::fs::write(w.path("issuers.yaml"), provider.file()).unwrap();
    let file = w.path("issuers.yaml");
    let file = file.to_str().unwrap();

    // Nobody said whose tokens are believed; who may not say so cannot.
    refused(&w, "before issuers", &provider.token("countersign", &claims(&w, "early"), ""), "CS-WORKLOAD-001");
    let refusal = w.by("mia", &["issuer", "activate", file]).expect(4);
    assert!(refusal.err.contains("security-officer"), "{}", refusal.err);
    assert_eq!(provider.fetched(), 0, "keys of somebody who is not trusted are not asked for");
    w.by("ruth", &["issuer", "activate", file, "--reason", "our server"]).expect(0);
    w.by("ruth", &["issuer", "activate", file]).expect(0);
    assert_eq!(entries(&w, "IssuersActivated"), 1);

    // Every algorithm that it has; the keys are fetched once for all of them.
    for (n, client) in ["countersign", "countersign-ps", "countersign-es", "countersign-ed"].into_iter().enumerate() {
        let ran = run_with(&w, &provider.token(client, &claims(&w, client), "")).expect(11).json();
        assert_eq!(ran["workload"]["fields"]["commit"], head(&w), "{client}");
        assert_eq!(ran["workload"]["system"], "github-actions");
        assert_eq!(ran["run"]["attempt"], n + 1);
        // Another run and token at the CI system, and the same facts: the decision stands.
        assert_eq!(ran["decision"]["reused"], n > 0, "{client}");
    }
    assert_eq!(provider.fetched(), 1);
    assert_eq!(entries(&w, "WorkloadVerified"), 4);

    // Without `jti` its bytes tell a token apart.
    let mut plain = claims(&w, "x");
    plain.as_object_mut().unwrap().remove("jti");
    let token = provider.token("countersign", &plain, "");
    run_with(&w, &token).expect(11);
    refused(&w, "replayed without jti", &token, "CS-WORKLOAD-006");
    let token = provider.token("countersign", &claims(&w, "twice"), "");
    run_with(&w, &token).expect(11);
    refused(&w, "replayed", &token, "CS-WORKLOAD-006");
    let again = provider.token("countersign-es", &claims(&w, "twice"), "");
    refused(&w, "the same jti in another token", &again, "CS-WORKLOAD-006");

    refused(&w, "for another client", &provider.token("other", &claims(&w, "aud"), ""), "CS-TOKEN-009");
    refused(&w, "a logout token", &provider.token("countersign", &claims(&w, "out"), "&use=logout"), "CS-TOKEN-001");
    let mut other = claims(&w, "commit");
    other["sha"] = "0123456789abcdef0123456789abcdef01234567".into();
    refused(&w, "for another commit", &provider.token("countersign", &other, ""), "CS-WORKLOAD-005");
    let mut other = claims(&w, "fork");
    other["repository"] = "mallory/app".into();
    refused(&w, "for a fork", &provider.token("countersign", &other, ""), "CS-WORKLOAD-005");
    let mut less = claims(&w, "less");
    less.as_object_mut().unwrap().remove("sha");
    refused(&w, "for no commit", &provider.token("countersign", &less, ""), "CS-WORKLOAD-004");

    // A key that the provider does not have: its keys are fetched once more, and not again and again.
    let before = provider.fetched();
    let mallory = Signer::new(&w, "mallory");
    let mut forged = claims(&w, "forged");
    for (name, value) in [
        ("iss", json!(provider.issuer())),
        ("aud", json!("countersign")),
        ("iat", json!(now())),
        ("exp", json!(now() + 60)),
    ] {
        forged[name] = value;
    }
    refused(&w, "a key of somebody else", &mallory.token(&w, &forged), "CS-TOKEN-004");
    assert_eq!(provider.fetched(), before + 1);

    // The provider exchanges its keys: what was kept is old, and the new ones are found.
    let port = provider.port;
    drop(provider);
    let provider = Provider::start(&w, &modules, port);
    run_with(&w, &provider.token("countersign", &claims(&w, "new key"), "")).expect(11);
    assert_eq!(provider.fetched(), 1);

    // Nobody is named in what was recorded.
    let all = w.ledger_text();
    assert!(!all.contains("mia-the-dev") && !all.contains("id-of-mia"), "personal data stands in the ledger");
    w.cs(["verify"]).expect(0);
}

#[test]
fn a_job_of_github_actions_asks_for_its_token_by_itself() {
    let Some(modules) = installed() else { return };
    let w = firm_at("git@github.com:acme/app.git");
    let provider = Provider::start(&w, &modules, 0);
    std::fs::write(w.path("issuers.yaml"), provider.file()).unwrap();
    let job = |args: &[&str], jti: &str| {
        let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
        command
            .args(args)
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_SHA", head(&w))
            .env("GITHUB_SERVER_URL", provider.server())
            .env("GITHUB_STEP_SUMMARY", w.path("summary.md"))
            .env("ACTIONS_ID_TOKEN_REQUEST_URL", provider.request(&claims(&w, jti)))
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "job");
        World::finish(command)
    };
    let early = job(&["run"], "early").expect(11);
    assert!(early.err.contains("no issuers are in effect"), "{}", early.err);
    let file = w.path("issuers.yaml");
    w.by("ruth", &["issuer", "activate", file.to_str().unwrap()]).expect(0);

    let ran = job(&["run"], "first").expect(11);
    assert!(ran.out.contains("What the job proved of itself"), "{}", ran.out);
    job(&["gate", "check"], "second").expect(11);
    std::fs::write(w.path("report.txt"), "tested").unwrap();
    job(&["record", w.path("report.txt").to_str().unwrap()], "third").expect(0);
    assert_eq!(entries(&w, "WorkloadVerified"), 3);
    let summary = std::fs::read_to_string(w.path("summary.md")).unwrap();
    assert_eq!(summary.matches("### ").count(), 3, "run twice, gate check once: {summary}");
    assert!(summary.contains("job proved by github-actions"), "{summary}");

    // A server that does not give one ends it: what was asked for is not left out in silence.
    let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
    command
        .arg("run")
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_SERVER_URL", provider.server())
        .env("ACTIONS_ID_TOKEN_REQUEST_URL", provider.request(&claims(&w, "fourth")))
        .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of another job");
    let denied = World::finish(command).expect(5);
    assert!(denied.err.contains("CS-OIDC-003") && !denied.err.contains("of another job"), "{}", denied.err);
}
