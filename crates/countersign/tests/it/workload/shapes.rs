//! Tokens of each issuer's documented shape, signed by keys made now that are pinned in the file of issuers; and attacks on them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::{Value, json};

use super::{Signer, entries, firm_at, have, head, now, refused, run_with, with_input};
use crate::api::token;
use crate::server::serve;
use crate::support::{World, have_ssh_keygen};

/// What ships, filled in, with these keys pinned for every issuer.
pub(super) fn pinned(w: &World, signers: &[&Signer]) -> String {
    let shipped = w.cs(["issuer", "show", "--shipped"]).expect(0).out;
    let keys: Vec<Value> = signers.iter().map(|s| s.jwk(w)).collect();
    let keys = json!({"keys": keys}).to_string();
    shipped
        .replace("<organization>", "acme")
        .replace("<organization id>", "0e1c3a60-1111-2222-3333-444455556666")
        .replace("<jenkins>", "jenkins.bank.example")
        .replace("    audiences: [countersign]\n", &format!("    audiences: [countersign]\n    keys: {keys}\n"))
}

pub(super) fn activate(w: &World, text: &str) {
    let file = w.path("issuers.yaml");
    std::fs::write(&file, text).unwrap();
    w.by("ruth", &["issuer", "activate", file.to_str().unwrap()]).expect(0);
}

/// The protocol's own claims, and what an issuer's documentation lists besides.
fn with_times(jti: Option<&str>, mut claims: Value) -> Value {
    claims["aud"] = "countersign".into();
    claims["iat"] = now().into();
    claims["nbf"] = (now() - 5).into();
    claims["exp"] = (now() + 300).into();
    if let Some(jti) = jti {
        claims["jti"] = jti.into();
    }
    claims
}

pub(super) fn github(commit: &str, jti: &str) -> Value {
    with_times(
        Some(jti),
        json!({
            "iss": "https://token.actions.githubusercontent.com", "sub": "repo:acme/app:ref:refs/heads/main",
            "ref": "refs/heads/main", "sha": commit, "repository": "acme/app", "repository_owner": "acme",
            "repository_owner_id": "7", "run_id": format!("1{jti}"), "run_number": "10", "run_attempt": "2",
            "repository_visibility": "private", "repository_id": "74", "actor_id": "12987654", "actor": "octo-mia",
            "workflow": "release", "head_ref": "", "base_ref": "", "event_name": "push", "ref_protected": "true",
            "ref_type": "branch", "workflow_ref": "acme/app/.github/workflows/release.yml@refs/heads/main",
            "workflow_sha": commit, "job_workflow_ref": "acme/workflows/.github/workflows/deploy.yml@refs/heads/main",
            "job_workflow_sha": "f00dfeedf00dfeedf00dfeedf00dfeedf00dfeed", "runner_environment": "github-hosted",
        }),
    )
}

pub(super) fn gitlab(commit: &str, jti: &str) -> Value {
    with_times(
        Some(jti),
        json!({
            "iss": "https://gitlab.com", "sub": "project_path:bank/trading/app:ref_type:branch:ref:main",
            "namespace_id": "1", "namespace_path": "bank/trading", "project_id": "28", "project_path": "bank/trading/app",
            "user_id": "815", "user_login": "mia.muster", "user_email": "mia@bank.example",
            "user_identities": [{"provider": "saml", "extern_uid": "mia-uid"}], "pipeline_id": "455",
            "pipeline_source": "push", "job_id": "1123", "ref": "main", "ref_type": "branch", "ref_protected": "true",
            "ref_path": "refs/heads/main", "groups_direct": ["bank/desk-of-mia"], "environment": "production",
            "runner_id": 1, "runner_environment": "self-hosted", "sha": commit,
            "ci_config_ref_uri": "gitlab.com/bank/trading/app//.gitlab-ci.yml@refs/heads/main", "ci_config_sha": commit,
        }),
    )
}

fn fields(ran: &Value) -> &Value {
    &ran["workload"]["fields"]
}

#[test]
fn tokens_of_every_documented_shape_are_understood() {
    if !have_ssh_keygen() || !have("openssl", &["version"]) {
        return;
    }
    let w = firm_at("https://github.com/Acme/app");
    let (signer, rotated) = (Signer::new(&w, "one"), Signer::new(&w, "two"));
    activate(&w, &pinned(&w, &[&signer, &rotated]));
    let commit = head(&w);

    let ran = run_with(&w, &signer.token(&w, &github(&commit, "a"))).expect(11).json();
    let said = fields(&ran);
    assert_eq!(said["repository"], "git:github.com/acme/app", "the forge does not tell case apart");
    assert_eq!((&said["protected"], &said["runner"]), (&json!("true"), &json!("github-hosted")));
    assert_eq!(said["pipeline"], "acme/workflows/.github/workflows/deploy.yml@refs/heads/main");
    assert_eq!(said["pipeline-digest"], "f00dfeedf00dfeedf00dfeedf00dfeedf00dfeed");
    assert!(said["actor"].as_str().unwrap().starts_with("pseudonym-"));
    assert!(said.get("environment").is_none(), "a job without one has none");
    // Purity: another run, attempt and token of the CI system change no fact.
    let again = run_with(&w, &rotated.token(&w, &github(&commit, "b"))).expect(11).json();
    assert_eq!(
        (&again["decision"]["digest"], &again["decision"]["reused"]),
        (&ran["decision"]["digest"], &json!(true))
    );
    // Somebody else who starts it does.
    let mut other = github(&commit, "c");
    other["actor_id"] = "1".into();
    let other = run_with(&w, &signer.token(&w, &other)).expect(11).json();
    assert_ne!(other["decision"]["digest"], ran["decision"]["digest"]);

    let jenkins = with_times(
        None,
        json!({
            "iss": "https://jenkins.bank.example/oidc", "sub": "https://jenkins.bank.example/job/app/", "build_number": 17,
            "git_url": "git@github.com:acme/app.git", "git_commit": commit, "branch": "main",
            "build_url": "https://jenkins.bank.example/job/app/17/", "started_by": "mia.muster",
        }),
    );
    let ran = run_with(&w, &signer.token(&w, &jenkins)).expect(11).json();
    assert_eq!(fields(&ran)["repository"], "git:github.com/acme/app", "an address becomes an identity");

    let circleci = with_times(
        None,
        json!({
            "iss": "https://oidc.circleci.com/org/0e1c3a60-1111-2222-3333-444455556666",
            "sub": "org/0e1c3a60/project/5/user/7f", "oidc.circleci.com/project-id": "5",
            "oidc.circleci.com/context-ids": ["a"], "oidc.circleci.com/vcs-origin": "github.com/acme/app",
            "oidc.circleci.com/vcs-ref": "refs/heads/main", "oidc.circleci.com/ssh-rerun": false,
        }),
    );
    let ran = run_with(&w, &signer.token(&w, &circleci)).expect(11).json();
    assert!(fields(&ran).get("commit").is_none(), "no claim names it");
    let mut shell = circleci.clone();
    shell["oidc.circleci.com/ssh-rerun"] = true.into();
    refused(&w, "a job with somebody's shell in it", &signer.token(&w, &shell), "CS-WORKLOAD-004");
    let mut other = circleci;
    other["iss"] = "https://oidc.circleci.com/org/another".into();
    refused(&w, "another organisation", &signer.token(&w, &other), "CS-TOKEN-008");

    let buildkite = with_times(
        None,
        json!({
            "iss": "https://agent.buildkite.com", "sub": "organization:acme:pipeline:app:ref:refs/heads/main:commit:x:step:",
            "organization_slug": "acme", "pipeline_slug": "app", "build_number": 9, "build_branch": "main",
            "build_commit": commit, "step_key": null, "job_id": "j", "agent_id": "a", "runner_environment": "self-hosted",
        }),
    );
    let ran = run_with(&w, &signer.token(&w, &buildkite)).expect(11).json();
    assert_eq!((&fields(&ran)["repository-id"], &fields(&ran)["run"]), (&json!("acme/app"), &json!("9")));
    let mut other = buildkite;
    other["organization_slug"] = "mallory".into();
    refused(&w, "another tenant of the issuer", &signer.token(&w, &other), "CS-WORKLOAD-004");

    let listed = w.cs(["issuer", "workloads", "--format", "json"]).expect(0).json();
    assert_eq!(listed["workloads"].as_array().unwrap().len(), 6);
    w.cs(["issuer", "workloads"]).expect(0);
    let all = w.ledger_text();
    for personal in ["octo-mia", "12987654", "mia.muster", "project/5/user"] {
        assert!(!all.contains(personal), "{personal} stands in the ledger");
    }
    w.cs(["verify"]).expect(0);
}

#[test]
fn gitlab_says_who_and_nobody_reads_a_name() {
    if !have_ssh_keygen() || !have("openssl", &["version"]) {
        return;
    }
    let w = firm_at("git@gitlab.com:bank/trading/app.git");
    let signer = Signer::new(&w, "one");
    activate(&w, &pinned(&w, &[&signer]));
    let token = gitlab(&head(&w), "63ab75f4");
    let token = signer.token(&w, &token);
    // A job has one token for all its steps: `run`, `gate check` and `record` may show it for the same attempt.
    run_with(&w, &token).expect(11);
    with_input(&w, &["gate", "check", "--identity-token", "-"], &token).expect(11);
    w.write("notes.txt", "tested");
    with_input(&w, &["record", "notes.txt", "--identity-token", "-"], &token).expect(0);
    assert_eq!(entries(&w, "WorkloadVerified"), 1);
    refused(&w, "for another attempt", &token, "CS-WORKLOAD-006");
    let all = w.ledger_text();
    for personal in ["mia.muster", "mia@bank", "mia-uid", "desk-of-mia", "\"815\""] {
        assert!(!all.contains(personal), "{personal} stands in the ledger");
    }
}

#[test]
fn a_workload_that_nobody_kept_in_a_review_shows_no_token_until_it_is_let_in_again() {
    if !have_ssh_keygen() || !have("openssl", &["version"]) {
        return;
    }
    let w = firm_at("https://github.com/acme/app.git");
    let signer = Signer::new(&w, "one");
    activate(&w, &pinned(&w, &[&signer]));
    let commit = head(&w);
    run_with(&w, &signer.token(&w, &github(&commit, "before"))).expect(11);
    let opened = ["access", "review", "open", "--from", "2020-01-01", "--due", "2999-01-01", "--reason", "yearly"];
    w.by("ruth", &opened).expect(0);
    let is_workload = |l: &Value| l["access"]["kind"] == "workload";
    let mut workload = String::new();
    for who in ["ada", "dan", "ruth"] {
        let mine = w.by(who, &["access", "review", "show", "--mine", "--format", "json"]).expect(0).json();
        for l in mine["lines"].as_array().unwrap() {
            let (line, verdict) = (l["line"].to_string(), if is_workload(l) { "revoke" } else { "keep" });
            let decided = ["access", "review", "decide", "latest", verdict, "--line", &line, "--reason", "retired"];
            w.by(who, &decided).expect(0);
            if is_workload(l) {
                assert_eq!(workload, "", "one pipeline of one repository");
                l["access"]["what"].as_str().unwrap().clone_into(&mut workload);
            }
        }
    }
    let named = "pipeline=acme/workflows/.github/workflows/deploy.yml";
    assert!(workload.contains(" repository=git:github.com/acme/app ") && workload.ends_with(named), "{workload}");
    w.by("ruth", &["access", "review", "close", "latest"]).expect(0);
    refused(&w, "of a workload that is ended", &signer.token(&w, &github(&commit, "after")), "CS-WORKLOAD-007");
    let mut branch = github(&commit, "branch");
    branch["job_workflow_ref"] = "acme/workflows/.github/workflows/deploy.yml@refs/heads/a@b".into();
    refused(&w, "from another branch", &signer.token(&w, &branch), "CS-WORKLOAD-007");
    assert!(w.cs(["access", "workloads"]).expect(0).out.contains(&workload));
    let back = ["access", "readmit", &workload, "--reason", "still in use"];
    assert!(w.by("dan", &back).expect(4).err.contains("CS-ACCESS-011"));
    // Let in again from a machine without the ledger.
    let server = serve(&w);
    let token = token(&w, "ruth", "read,approve");
    std::fs::write(w.path("token"), token["text"].as_str().unwrap()).unwrap();
    let (file, key) = (w.path("token"), w.path("ruth"));
    let there = ["--server", &server.url, "--token-file", file.to_str().unwrap(), "--key", key.to_str().unwrap()];
    let ran = w.cs_in(&w.path(""), [&back[..], &there].concat()).expect(0);
    assert!(ran.out.starts_with(&format!("✓ {workload} may show tokens again (entry ")), "{}", ran.all());
    drop(server);
    assert!(w.by("ruth", &back).expect(2).err.contains("CS-REVIEW-013"));
    run_with(&w, &signer.token(&w, &github(&commit, "again"))).expect(11);
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
}

/// Everything that could be tried with a token in a pipeline, each refused and recorded, and no run in the ledger.
#[test]
fn every_attack_is_refused_and_recorded() {
    if !have_ssh_keygen() || !have("openssl", &["version"]) {
        return;
    }
    let w = firm_at("https://github.com/acme/app.git");
    let (signer, mallory) = (Signer::new(&w, "one"), Signer::new(&w, "one"));
    let stranger = Signer::new(&w, "stranger");
    activate(&w, &pinned(&w, &[&signer, &Signer::new(&w, "two")]));
    let commit = head(&w);
    let good = github(&commit, "good");
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let head_of = |header: Value| signer.sign(&w, &header, &good.to_string());
    let genuine = signer.token(&w, &github(&commit, "segments"));
    let parts: Vec<&str> = genuine.split('.').collect();
    let unsigned = |header: Value| format!("{}.{}.", B64.encode(header.to_string()), B64.encode(good.to_string()));
    // The public key as the secret of an HMAC: whoever reads the set can make this.
    let hmac = {
        let signed = unsigned(json!({"alg": "HS256", "kid": "one", "typ": "JWT"}));
        let signed = signed.trim_end_matches('.');
        let file = w.path("signed");
        std::fs::write(&file, signed).unwrap();
        let public = String::from_utf8(super::openssl(&w, &["rsa", "-in", &signer.key(), "-pubout"])).unwrap();
        let secret = format!("hexkey:{}", public.bytes().map(|b| format!("{b:02x}")).collect::<String>());
        let mac = ["dgst", "-sha256", "-mac", "HMAC", "-macopt", &secret, "-binary", file.to_str().unwrap()];
        format!("{signed}.{}", B64.encode(super::openssl(&w, &mac)))
    };
    let json_form = json!({"payload": parts[1], "protected": parts[0], "signature": parts[2]}).to_string();
    let twice = good.to_string().replacen('{', "{\"sha\":\"0123456789abcdef0123456789abcdef01234567\",", 1);
    let attacks: Vec<(&str, String, &str)> = vec![
        ("alg none", unsigned(json!({"alg": "none"})), "CS-TOKEN-002"),
        ("HS256 with the public key as secret", hmac, "CS-TOKEN-002"),
        ("for another audience", signer.token(&w, &with("aud", json!("sts.example"))), "CS-TOKEN-009"),
        (
            "of an issuer that nobody trusts",
            signer.token(&w, &with("iss", json!("https://evil.example"))),
            "CS-TOKEN-008",
        ),
        ("another key under the issuer's name for its own", mallory.token(&w, &good), "CS-TOKEN-007"),
        ("the name of another issuer's key", stranger.token(&w, &good), "CS-TOKEN-004"),
        ("expired", signer.token(&w, &with("exp", json!(now() - 100))), "CS-TOKEN-010"),
        ("not yet valid", signer.token(&w, &with("nbf", json!(now() + 600))), "CS-TOKEN-011"),
        ("lives too long", signer.token(&w, &with("exp", json!(now() + 86_000))), "CS-TOKEN-012"),
        ("no end", signer.token(&w, &with("exp", Value::Null)), "CS-TOKEN-012"),
        (
            "for another commit",
            signer.token(&w, &github("0123456789abcdef0123456789abcdef01234567", "x")),
            "CS-WORKLOAD-005",
        ),
        ("for another repository", signer.token(&w, &with("repository", json!("mallory/app"))), "CS-WORKLOAD-005"),
        (
            "a repository that only begins like ours",
            signer.token(&w, &with("repository", json!("acme/app-fork"))),
            "CS-WORKLOAD-005",
        ),
        ("for no repository", signer.token(&w, &with("repository", json!(""))), "CS-WORKLOAD-004"),
        ("a list of commits", signer.token(&w, &with("sha", json!([commit]))), "CS-WORKLOAD-004"),
        (
            "a key brought along",
            mallory.sign(&w, &json!({"alg": "RS256", "kid": "one", "jwk": mallory.jwk(&w)}), &good.to_string()),
            "CS-TOKEN-001",
        ),
        ("no name of a key", head_of(json!({"alg": "RS256"})), "CS-TOKEN-005"),
        ("an extension", head_of(json!({"alg": "RS256", "kid": "one", "crit": ["exp"]})), "CS-TOKEN-001"),
        ("an algorithm that the issuer does not use", head_of(json!({"alg": "PS256", "kid": "one"})), "CS-TOKEN-002"),
        ("a claim twice", signer.sign(&w, &json!({"alg": "RS256", "kid": "one"}), &twice), "CS-TOKEN-001"),
        ("the JSON form", json_form, "CS-TOKEN-001"),
        ("encrypted", format!("{genuine}.AA.AA"), "CS-TOKEN-001"),
        ("not base64url", genuine.replacen('.', "=.", 1), "CS-TOKEN-001"),
        (
            "claims of another token",
            format!("{}.{}.{}", parts[0], B64.encode(good.to_string()), parts[2]),
            "CS-TOKEN-007",
        ),
        ("too large", signer.token(&w, &with("x", json!("y".repeat(20_000)))), "CS-TOKEN-001"),
        ("nothing", String::new(), "CS-TOKEN-001"),
    ];
    for (what, token, code) in &attacks {
        refused(&w, what, token, code);
    }
    // A file in the judged commit proposes nothing here: Mallory's keys are not trusted because they are committed.
    let theirs = pinned(&w, &[&mallory]);
    w.commit_signed("mia", "issuers.yaml", &theirs);
    refused(&w, "issuers in the commit", &mallory.token(&w, &github(&head(&w), "y")), "CS-TOKEN-007");
    assert_eq!((entries(&w, "RunStarted"), entries(&w, "WorkloadVerified")), (0, 0));
    run_with(&w, &signer.token(&w, &github(&head(&w), "z"))).expect(11);
    let other = signer.token(&w, &github(&head(&w), "z"));
    refused(&w, "replayed", &other, "CS-WORKLOAD-006");
    w.cs(["verify"]).expect(0);
}
