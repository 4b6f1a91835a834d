//! Grants as tokens: checked without the ledger and by other people's libraries, redeemed once, and everything that is not
//! one refused and recorded.

use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_evidence::canonical;
use countersign_evidence::grant_token::{TYP, thumbprint};
use countersign_evidence::machine::MachineKey;
use serde_json::{Value, json};

use crate::support::{Ran, World, have_ssh_keygen};

/// The firm, one approved run with an artifact, and the clock at 2030.
struct Released {
    w: World,
    artifact: String,
}

impl Released {
    fn new() -> Self {
        let mut w = World::new();
        w.now = Some("2030-01-01T00:00:00Z".into());
        w.firm();
        w.commit_signed("mia", "app.sh", "echo app\n");
        w.cs(["run"]).expect(11);
        std::fs::write(w.path("app.tar"), b"artifact").unwrap();
        std::fs::write(w.path("other.tar"), b"another artifact").unwrap();
        let artifact = w.path("app.tar").to_str().unwrap().to_owned();
        w.cs(["record", "--artifact", &artifact]).expect(0);
        w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
        w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
        Self { w, artifact }
    }

    fn issue(&self) -> Value {
        let args = ["grant", "issue", "latest", "--env", "production", "--format", "json"];
        self.w.by("omar", &args).expect(0).json()["grant"].clone()
    }

    fn token(&self) -> String {
        self.issue()["token"].as_str().unwrap().to_owned()
    }

    fn refusals(&self) -> usize {
        let j = self.w.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
        j["entries"].as_array().unwrap().iter().filter(|e| e["entry"]["kind"] == "ActRefused").count()
    }

    fn recorder(&self) -> MachineKey {
        MachineKey::from_pem(&std::fs::read_to_string(self.w.path("data/recorder.key")).unwrap()).unwrap()
    }

    /// Refused with this code, recorded once, and nothing was run.
    #[track_caller]
    fn refused(&self, what: &str, args: &[&str], code: &str) {
        let before = self.refusals();
        let marker = self.w.path("deployed");
        let ran = self.w.cs(args);
        assert!(ran.err.starts_with(&format!("error[{code}]")), "{what}: {}{}", ran.out, ran.err);
        assert!(ran.code >= 2, "{what}");
        assert_eq!(self.refusals(), before + 1, "{what}: a refusal is recorded, once");
        assert!(!marker.exists(), "{what}: nothing is started");
    }

    /// Redeeming this is refused.
    #[track_caller]
    fn no_deploy(&self, what: &str, grant: &str, code: &str) {
        let touch = format!("touch {}", self.w.path("deployed").display());
        self.refused(what, &["deploy", "--grant", grant, "--", "sh", "-c", &touch], code);
    }
}

fn parts(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|p| URL_SAFE_NO_PAD.decode(p).unwrap());
    let mut next = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
    (next(), next())
}

/// A token of these parts, with `sign` over its first two.
fn made(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |v: &Value| URL_SAFE_NO_PAD.encode(canonical::to_vec(v).unwrap());
    let text = format!("{}.{}", part(header), part(claims));
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(sign(text.as_bytes())))
}

fn verify(w: &World, token: &str, more: &[&str]) -> Ran {
    let args = [&["grant", "verify", token, "--environment", "production", "--format", "json"], more].concat();
    w.cs_in(&w.path("elsewhere"), args)
}

#[test]
fn a_token_is_checked_with_nothing_but_a_trust_file_and_by_other_peoples_libraries() {
    if !have_ssh_keygen() {
        return;
    }
    let mut r = Released::new();
    let issued = r.issue();
    let (token, id) = (issued["token"].as_str().unwrap(), issued["id"].as_str().unwrap());
    let (trust, keys) = (r.w.path("trust.json"), r.w.path("keys.json"));
    r.w.cs(["trust", "export", "--out", trust.to_str().unwrap()]).expect(0);
    r.w.cs(["grant", "keys", "--out", keys.to_str().unwrap()]).expect(0);
    // A machine that has none of it: no ledger, no repository, no data directory of ours.
    std::fs::create_dir(r.w.path("elsewhere")).unwrap();
    let data = r.w.path("data");
    std::fs::rename(&data, r.w.path("data.away")).unwrap();
    let (trust, keys) = (trust.to_str().unwrap(), keys.to_str().unwrap());
    let by_trust = ["--trust", trust, "--artifact", &r.artifact];
    let j = verify(&r.w, token, &by_trust).expect(0).json();
    let schema = include_str!("../../../../schemas/grant-verify.v1.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    assert!(schema.is_valid(&j), "{j}");
    assert_eq!((&j["valid"], &j["grant"]["jti"], &j["trusted_by"]), (&true.into(), &id.into(), &"trust-file".into()));
    assert_eq!(j["not_checked"], json!(["single-use", "revocation", "freeze"]));
    assert!(j["checked"].to_string().contains("artifact") && j["checked"].to_string().contains("issuer"));
    verify(&r.w, token, &["--key", keys]).expect(0);
    let key = serde_json::from_str::<Value>(&std::fs::read_to_string(trust).unwrap()).unwrap()["recorder"].clone();
    let j = verify(&r.w, token, &["--key", key.as_str().unwrap()]).expect(0).json();
    assert!(!j["checked"].to_string().contains("issuer"), "a key alone says nothing of the ledger: {j}");
    // A file, and standard input.
    std::fs::write(r.w.path("token"), format!("{token}\n")).unwrap();
    verify(&r.w, r.w.path("token").to_str().unwrap(), &by_trust).expect(0);

    let no = |what: &str, token: &str, more: &[&str], code: &str| {
        let ran = verify(&r.w, token, more).expect(13);
        assert!(ran.err.starts_with(&format!("error[{code}]")), "{what}: {}", ran.err);
        assert!(schema.is_valid(&ran.json()), "{}", ran.out);
        assert_eq!((&ran.json()["valid"], &ran.json()["code"]), (&false.into(), &code.into()), "{what}");
    };
    let other = r.w.path("other.tar");
    no("another file", token, &["--trust", trust, "--artifact", other.to_str().unwrap()], "CS-GRANT-008");
    let digest = format!("sha256:{}", "0".repeat(64));
    no("another digest", token, &["--trust", trust, "--artifact", &digest], "CS-GRANT-008");
    no("another commit", token, &["--trust", trust, "--commit", &"0".repeat(40)], "CS-GRANT-009");
    let stranger = MachineKey::generate().unwrap().public().to_string();
    no("another key", token, &["--key", &stranger], "CS-GRANT-004");
    let elsewhere =
        r.w.cs_in(&r.w.path("elsewhere"), ["grant", "verify", token, "--environment", "staging", "--trust", trust]);
    assert!(elsewhere.expect(13).err.starts_with("error[CS-GRANT-007]"));
    assert_eq!(r.w.cs_in(&r.w.path("elsewhere"), ["grant", "verify", token, "--environment", "production"]).code, 2);

    stock(&r, token, keys);

    r.w.now = Some("2030-01-01T00:14:59Z".into());
    verify(&r.w, token, &["--trust", trust]).expect(0);
    r.w.now = Some("2030-01-01T00:15:00Z".into());
    assert!(verify(&r.w, token, &["--trust", trust]).expect(13).err.starts_with("error[CS-GRANT-011]"));
    r.w.now = Some("2029-12-31T23:59:30Z".into());
    verify(&r.w, token, &["--trust", trust]).expect(0);
    r.w.now = Some("2029-12-31T23:59:29Z".into());
    assert!(verify(&r.w, token, &["--trust", trust]).expect(13).err.starts_with("error[CS-GRANT-010]"));
}

/// The same token by programs that are not ours: OpenSSL, and PyJWT where its virtual environment is there.
fn stock(r: &Released, token: &str, keys: &str) {
    let set: Value = serde_json::from_str(&std::fs::read_to_string(keys).unwrap()).unwrap();
    let x = URL_SAFE_NO_PAD.decode(set["keys"][0]["x"].as_str().unwrap()).unwrap();
    let der = [hex("302a300506032b6570032100"), x].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
    let (text, signature) = token.rsplit_once('.').unwrap();
    for (name, bytes) in
        [("pub.pem", pem.into_bytes()), ("text", text.into()), ("sig", URL_SAFE_NO_PAD.decode(signature).unwrap())]
    {
        std::fs::write(r.w.path(name), bytes).unwrap();
    }
    let mut openssl = r.w.command("openssl", &r.w.path("."));
    openssl.args("pkeyutl -verify -pubin -inkey pub.pem -rawin -in text -sigfile sig".split(' '));
    match openssl.output() {
        Ok(said) => assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr)),
        Err(e) => skip("openssl", &e.to_string()),
    }
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("s3-venv/bin/python");
    let script = "import jwt, json, sys\n\
        token, keys, aud = sys.argv[1:]\n\
        header = jwt.get_unverified_header(token)\n\
        key = {k.key_id: k.key for k in jwt.PyJWKSet.from_json(open(keys).read()).keys}[header['kid']]\n\
        assert header['typ'] == 'countersign-grant+jwt'\n\
        issuer = json.load(open(keys))['issuer']\n\
        options = {'verify_exp': False, 'verify_nbf': False, 'verify_iat': False, 'require': ['exp', 'nbf', 'jti', 'aud']}\n\
        said = jwt.decode(token, key, algorithms=['EdDSA'], audience=aud, issuer=issuer, options=options)\n\
        print(said['jti'])\n";
    let run = |aud: &str| {
        let mut command = r.w.command(&python, &r.w.path("."));
        command.args(["-c", script, token, keys, aud]).output()
    };
    match run("production") {
        Ok(said) if !String::from_utf8_lossy(&said.stderr).contains("No module named") => {
            assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
            assert!(String::from_utf8_lossy(&said.stdout).starts_with("gra-"));
            let wrong = run("staging").unwrap();
            assert!(String::from_utf8_lossy(&wrong.stderr).contains("InvalidAudience"), "it checks the audience");
        }
        said => skip("PyJWT", &format!("{said:?}")),
    }
}

fn skip(what: &str, why: &str) {
    #[expect(clippy::disallowed_methods, reason = "a test may ask whether it runs in continuous integration")]
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!ci, "{what} is not installed: {why}");
    eprintln!("skipped: {what} is not installed");
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn every_attack_on_a_grant_is_refused_and_recorded() {
    if !have_ssh_keygen() {
        return;
    }
    let mut r = Released::new();
    let first = r.issue();
    let (token, id) = (first["token"].as_str().unwrap().to_owned(), first["id"].as_str().unwrap().to_owned());
    let (header, claims) = parts(&token);
    let recorder = r.recorder();
    let kid = thumbprint(&recorder.public());
    assert_eq!(header, json!({"alg": "EdDSA", "kid": kid, "typ": TYP}));
    let by = |key: &MachineKey, bytes: &[u8]| key.sign(bytes).unwrap().to_vec();
    let insider = |header: &Value, claims: &Value| made(header, claims, |b| by(&recorder, b));
    let with = |v: &Value, name: &str, to: Value| {
        let mut v = v.clone();
        v[name] = to;
        v
    };
    let raw_x = recorder.public().as_bytes().to_vec();

    // Confusion about the algorithm, the type and the key.
    let hs = |bytes: &[u8]| hmac(&raw_x, bytes);
    let mut attacks: Vec<(&str, String, &str)> = vec![
        ("alg none, no signature", made(&json!({"alg": "none", "typ": TYP}), &claims, |_| Vec::new()), "CS-GRANT-002"),
        ("alg None", insider(&with(&header, "alg", "None".into()), &claims), "CS-GRANT-002"),
        ("HS256 with the public key", made(&with(&header, "alg", "HS256".into()), &claims, hs), "CS-GRANT-002"),
        ("HS256 as a plain JWT", made(&json!({"alg": "HS256", "typ": "JWT"}), &claims, hs), "CS-GRANT-002"),
        ("HS512", made(&with(&header, "alg", "HS512".into()), &claims, hs), "CS-GRANT-002"),
        ("RS256", insider(&with(&header, "alg", "RS256".into()), &claims), "CS-GRANT-002"),
        ("ES256", insider(&with(&header, "alg", "ES256".into()), &claims), "CS-GRANT-002"),
        ("Ed448", insider(&with(&header, "alg", "Ed448".into()), &claims), "CS-GRANT-002"),
        ("type JWT", insider(&with(&header, "typ", "JWT".into()), &claims), "CS-GRANT-003"),
        ("type of an access token", insider(&with(&header, "typ", "at+jwt".into()), &claims), "CS-GRANT-003"),
        ("no type", insider(&json!({"alg": "EdDSA", "kid": kid}), &claims), "CS-GRANT-003"),
        ("no key id", insider(&json!({"alg": "EdDSA", "typ": TYP}), &claims), "CS-GRANT-001"),
        ("another key id", insider(&with(&header, "kid", "x".into()), &claims), "CS-GRANT-004"),
        ("a key brought along", insider(&with(&header, "jwk", json!({"kty": "OKP"})), &claims), "CS-GRANT-001"),
        (
            "a place to fetch keys",
            insider(&with(&header, "jku", "https://evil.example".into()), &claims),
            "CS-GRANT-001",
        ),
        ("a certificate brought along", insider(&with(&header, "x5c", json!(["AA"])), &claims), "CS-GRANT-001"),
        ("a critical extension", insider(&with(&header, "crit", json!(["b64"])), &claims), "CS-GRANT-001"),
        ("unencoded payload", insider(&with(&header, "b64", false.into()), &claims), "CS-GRANT-001"),
        ("compressed", insider(&with(&header, "zip", "DEF".into()), &claims), "CS-GRANT-001"),
    ];
    // A stranger's key, under its own name and under ours.
    let stranger = MachineKey::generate().unwrap();
    let theirs = with(&header, "kid", thumbprint(&stranger.public()).into());
    attacks.push(("another ledger's recorder", made(&theirs, &claims, |b| by(&stranger, b)), "CS-GRANT-004"));
    attacks.push(("their key under our name", made(&header, &claims, |b| by(&stranger, b)), "CS-GRANT-005"));
    attacks.push(("no signature", made(&header, &claims, |_| Vec::new()), "CS-GRANT-005"));
    attacks.push(("zeros for a signature", made(&header, &claims, |_| vec![0; 64]), "CS-GRANT-005"));
    let cut = made(&header, &claims, |b| by(&recorder, b)[..63].to_vec());
    attacks.push(("a signature cut short", cut, "CS-GRANT-005"));
    // The signature of one token on the claims of another.
    let second = r.token();
    let [head, _, _] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let [_, body, _] = second.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let mark = token.rsplit_once('.').unwrap().1;
    attacks.push(("the signature of another token", format!("{head}.{body}.{mark}"), "CS-GRANT-005"));
    // Claims changed after signing, and claims that somebody with the recorder's key made up.
    for (what, name, value) in [
        ("another environment", "environment", json!("staging")),
        ("another audience", "aud", json!("staging")),
        ("a later end", "exp", json!(claims["exp"].as_i64().unwrap() + 3600)),
        ("an earlier begin", "nbf", json!(0)),
        ("another commit", "commit", json!("0".repeat(40))),
        ("another tree", "tree", json!("0".repeat(40))),
        ("no artifacts", "artifacts", json!([])),
        ("another decision", "decision", json!(format!("sha256:{}", "0".repeat(64)))),
        ("another run", "run", json!("run-00000000000000000000")),
        ("another place in the log", "index", json!(1)),
        ("judged by a server", "self_judged", json!(false)),
        ("another repository", "sub", json!("git:elsewhere/app")),
        ("a grant that was never issued", "jti", json!("gra-00000000000000000000")),
    ] {
        let changed = with(&claims, name, value);
        attacks.push((what, made(&header, &changed, |_| URL_SAFE_NO_PAD.decode(mark).unwrap()), "CS-GRANT-005"));
        attacks.push((what, insider(&header, &changed), "CS-GRANT-012"));
    }
    let foreign = with(&claims, "iss", "countersign.local/00000000000000000000".into());
    attacks.push(("another ledger's name", insider(&header, &foreign), "CS-GRANT-006"));
    attacks.push(("a claim more", insider(&header, &with(&claims, "admin", true.into())), "CS-GRANT-001"));
    let mut fewer = claims.clone();
    fewer.as_object_mut().unwrap().remove("exp");
    attacks.push(("no end", insider(&header, &fewer), "CS-GRANT-001"));
    attacks.push(("an end that is text", insider(&header, &with(&claims, "exp", "9999999999".into())), "CS-GRANT-001"));
    // Forms.
    attacks.push(("padding", format!("{token}="), "CS-GRANT-001"));
    attacks.push(("two parts", token.rsplit_once('.').unwrap().0.to_owned(), "CS-GRANT-001"));
    attacks.push(("four parts", format!("{token}.AA"), "CS-GRANT-001"));
    attacks.push(("a second signature", format!("{token}{mark}"), "CS-GRANT-005"));
    attacks.push(("too large", format!("eyJ{}", "A".repeat(70_000)), "CS-GRANT-001"));
    assert!(attacks.len() >= 45, "{}", attacks.len());
    for (what, token, code) in &attacks {
        r.no_deploy(what, token, code);
    }

    // What is wanted is something else than what is permitted.
    let other = r.w.path("other.tar");
    let deploy = |more: &[&str]| [&["deploy", "--grant", &token], more, &["--", "true"]].concat().join("\n");
    for (what, more, code) in [
        ("another environment", vec!["--env", "staging"], "CS-GRANT-007"),
        ("another file", vec!["--artifact", other.to_str().unwrap()], "CS-GRANT-008"),
        ("one file of two", vec!["--artifact", &r.artifact, "--artifact", other.to_str().unwrap()], "CS-GRANT-008"),
    ] {
        r.refused(what, &deploy(&more).split('\n').collect::<Vec<_>>(), code);
    }
    let elsewhere = ["grant", "redeem", &token, "--environment", "staging", "--", "true"];
    r.refused("a credential of another environment", &elsewhere, "CS-GRANT-007");
    let online = ["grant", "verify", &attacks[0].1, "--environment", "production", "--online"];
    r.refused("asked of the ledger", &online, "CS-GRANT-002");

    // Files.
    let file = first["file"].as_str().unwrap().to_owned();
    let altered = r.w.path("altered.json");
    let swap = |from: &str, to: &str| {
        std::fs::write(&altered, std::fs::read_to_string(&file).unwrap().replace(from, to)).unwrap();
        altered.to_str().unwrap().to_owned()
    };
    r.no_deploy("another act in the file", &swap("BEGIN SSH", "BEGIN SSh"), "CS-CLI-020");
    r.no_deploy("another token in the file", &swap(&token, &second), "CS-CLI-020");
    r.no_deploy("a token cut short in the file", &swap(mark, "AA"), "CS-GRANT-005");
    std::fs::write(&altered, "{}").unwrap();
    r.no_deploy("a file without a grant", altered.to_str().unwrap(), "CS-CLI-013");
    r.no_deploy("an id that was never issued", "gra-00000000000000000000", "CS-RELEASE-015");

    // Revoked.
    let revoke = ["grant", "revoke", id.as_str(), "--reason", "the window was missed", "--key"];
    let key = |name: &str| r.w.path(name).to_str().unwrap().to_owned();
    r.refused("revoked by an engineer", &[&revoke[..], &[&key("mia")]].concat()[..], "CS-GRANT-018");
    r.w.by("ruth", &revoke[..5]).expect(0);
    r.no_deploy("revoked", &token, "CS-GRANT-013");
    r.no_deploy("revoked, by its id", &id, "CS-GRANT-013");
    r.refused("revoked twice", &[&revoke[..], &[&key("ruth")]].concat()[..], "CS-GRANT-014");
    let online = ["grant", "verify", &token, "--environment", "production", "--online"];
    r.refused("revoked, asked of the ledger", &online, "CS-GRANT-013");

    // Replayed.
    r.w.cs(["deploy", "--grant", &second, "--artifact", &r.artifact, "--env", "production", "--", "true"]).expect(0);
    r.no_deploy("replayed", &second, "CS-RELEASE-016");
    let again = ["grant", "redeem", &second, "--environment", "production", "--", "true"];
    r.refused("replayed at the broker", &again, "CS-RELEASE-016");
    let (_, used) = parts(&second);
    let complete = ["grant", "complete", used["jti"].as_str().unwrap(), "--succeeded"];
    r.refused("an outcome twice", &complete, "CS-GRANT-017");

    // Expired, by this clock and by the newest entry of the log when the clock is set back; and from the future.
    let third = r.token();
    r.w.now = Some("2030-01-01T00:15:00Z".into());
    r.no_deploy("expired", &third, "CS-RELEASE-017");
    r.w.now = Some("2030-01-01T00:00:00Z".into());
    let back = r.w.cs(["deploy", "--grant", &third, "--", "touch", r.w.path("deployed").to_str().unwrap()]);
    assert!(
        back.err.starts_with("error[CS-LEDGER-005]"),
        "nothing is appended by a clock that was set back: {}",
        back.err
    );
    assert!(!r.w.path("deployed").exists());
    r.w.now = Some("2030-01-01T00:16:00Z".into());
    r.w.cs(["verify"]).expect(0);
    let clean = r.w.cs(["ledger", "rebuild", "--check", "--format", "json"]).expect(0).json();
    assert_eq!(clean["differences"], json!([]), "{clean}");
}

/// HMAC with SHA-256, as a library would make it that takes the public key for a shared secret.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let pad = |byte: u8| -> Vec<u8> { (0..64).map(|i| key.get(i).copied().unwrap_or(0) ^ byte).collect() };
    let hash = |parts: &[&[u8]]| countersign_model::Digest::of(&parts.concat()).as_bytes().to_vec();
    hash(&[&pad(0x5c), &hash(&[&pad(0x36), message])])
}

#[test]
fn of_two_machines_that_redeem_at_once_one_wins() {
    if !have_ssh_keygen() {
        return;
    }
    let r = Released::new();
    let token = r.token();
    let log = r.w.path("deployed.log");
    let script = format!("echo once >> {}", log.display());
    let start = || {
        let mut command = r.w.command(env!("CARGO_BIN_EXE_countersign"), &r.w.repo());
        command.args(["deploy", "--grant", &token, "--", "sh", "-c", &script]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let before = r.refusals();
    let children: Vec<_> = (0..4).map(|_| start()).collect();
    let mut won = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            won += 1;
        } else {
            assert!(err.starts_with("error[CS-RELEASE-016]"), "{err}");
        }
    }
    assert_eq!(won, 1);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "once\n", "it was deployed once");
    assert_eq!(r.refusals(), before + 3, "those who lost are recorded");
    r.w.cs(["verify"]).expect(0);
}

#[cfg(unix)]
#[test]
fn a_broker_hands_out_the_credential_for_a_redeemed_grant_and_nothing_of_it_is_kept() {
    use std::os::unix::fs::PermissionsExt as _;
    if !have_ssh_keygen() {
        return;
    }
    let r = Released::new();
    let program = |name: &str, text: &str| {
        let path = r.w.path(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (asked, got) = (r.w.path("asked.json"), r.w.path("got"));
    let secret = "xk-broker-handed-out-9f2c";
    let broker = program("broker", &format!("cat > {}\necho DEPLOY_TOKEN={secret}", asked.display()));
    let script = format!("printf %s \"$DEPLOY_TOKEN\" > {}", got.display());
    let token = r.token();
    r.w.cs(["deploy", "--grant", &token, "--broker", &broker, "--", "sh", "-c", &script]).expect(0);
    assert_eq!(std::fs::read_to_string(&got).unwrap(), secret);
    let told: Value = serde_json::from_slice(&std::fs::read(&asked).unwrap()).unwrap();
    assert_eq!(told["token"], token.as_str());
    assert_eq!(told["grant"], parts(&token).1);
    assert!(
        told["redeemed"].as_u64().unwrap() > told["grant"]["index"].as_u64().unwrap(),
        "redeemed before it is asked"
    );
    assert!(!r.w.ledger_text().contains(secret), "the credential is nowhere in the ledger");
    let digest = countersign_model::Digest::of(secret.as_bytes()).hex();
    assert!(!r.w.ledger_text().contains(&digest), "and neither is its digest");
    std::fs::remove_file(&asked).unwrap();
    r.no_deploy("replayed", &token, "CS-RELEASE-016");
    assert!(!asked.exists(), "a used grant asks no broker");

    // The next commit: a broker that fails, one that says nothing, one that says something else.
    r.w.commit_signed("mia", "next.sh", "echo next\n");
    r.w.cs(["run"]).expect(11);
    r.w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    r.w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    for (name, text, code) in [
        ("fails", "echo A=1; exit 3", "CS-GRANT-015"),
        ("silent", "true", "CS-GRANT-015"),
        ("chatty", "echo 'the password is hunter2'", "CS-GRANT-016"),
        ("digits", "echo 1A=b", "CS-GRANT-016"),
        ("ours", "echo COUNTERSIGN_COMMIT=x", "CS-GRANT-016"),
        ("endless", "yes A=1", "CS-CONNECT"),
    ] {
        let ran =
            r.w.cs(["deploy", "--grant", &r.token(), "--broker", &program(name, text), "--", "sh", "-c", "exit 0"]);
        assert!(ran.code != 0 && (ran.err.contains(code) || name == "endless"), "{name}: {}", ran.err);
        assert!(!ran.err.contains("hunter2") && !ran.out.contains("hunter2"), "{name}");
    }
    let j = r.w.cs(["grant", "list", "--format", "json"]).expect(0).json();
    let states: Vec<&str> = j["grants"].as_array().unwrap().iter().map(|g| g["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["succeeded", "failed", "failed", "failed", "failed", "failed", "failed"]);

    // A broker that stands by itself: the credential goes through, the outcome is said later.
    let hook = program("hook", &format!("cat > /dev/null; printf %s {secret}"));
    let token = r.token();
    let ran = r.w.cs(["grant", "redeem", &token, "--environment", "production", "--", &hook]).expect(0);
    assert_eq!(ran.out, secret);
    let id = parts(&token).1["jti"].as_str().unwrap().to_owned();
    assert!(r.w.cs(["grant", "show", &id]).expect(0).out.contains("  started\n"));
    r.w.cs(["grant", "complete", &id, "--succeeded"]).expect(0);
    assert!(r.w.cs(["grant", "show", &id]).expect(0).out.contains("  succeeded\n"));
    let failing = r.token();
    let no = r.w.cs(["grant", "redeem", &failing, "--environment", "production", "--", "false"]);
    assert!(no.out.is_empty() && no.err.starts_with("error[CS-GRANT-015]"), "{}{}", no.out, no.err);
    assert!(!r.w.ledger_text().contains(secret));
    r.w.cs(["verify"]).expect(0);
}
