//! Workloads prove who they are: tokens of a real OpenID provider, tokens of each issuer's documented shape, and what somebody
//! could try.

mod accounts;
mod act;
mod ci;
mod door;
mod provider;
mod shapes;

pub(crate) use provider::installed as provider_installed;

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::{Value, json};

use crate::support::{Ran, World};

/// The firm with a signed commit, in a clone of a repository at a forge.
fn firm_at(origin: &str) -> World {
    let w = World::new();
    w.firm();
    w.git(["remote", "add", "origin", origin]);
    w.commit_signed("mia", "app.sh", "echo app\n");
    w
}

fn head(w: &World) -> String {
    w.git(["rev-parse", "HEAD"]).trim().to_owned()
}

/// How many entries of a kind there are.
fn entries(w: &World, kind: &str) -> usize {
    let all = w.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
    all["entries"].as_array().unwrap().iter().filter(|e| e["entry"]["kind"] == kind).count()
}

/// `run` with this token on its standard input.
fn run_with(w: &World, token: &str) -> Ran {
    with_input(w, &["run", "--format", "json", "--identity-token", "-"], token)
}

fn with_input(w: &World, args: &[&str], input: &str) -> Ran {
    let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    Ran {
        code: done.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&done.stdout).into_owned(),
        err: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

/// A refusal: its code, and one more of them in the ledger, and no run or workload.
#[track_caller]
fn refused(w: &World, what: &str, token: &str, code: &str) {
    let before = (entries(w, "ActRefused"), entries(w, "WorkloadVerified"), entries(w, "RunStarted"));
    let ran = run_with(w, token);
    assert!(ran.err.contains(&format!("error[{code}]")), "{what}: {}\n{}", ran.code, ran.err);
    assert!(ran.code == 13 || ran.code == 4, "{what}: {}", ran.code);
    let after = (entries(w, "ActRefused"), entries(w, "WorkloadVerified"), entries(w, "RunStarted"));
    assert_eq!(after, (before.0 + 1, before.1, before.2), "{what}");
}

/// An issuer's key, made now: RS256, as all of them sign.
struct Signer {
    dir: tempfile::TempDir,
    kid: &'static str,
}

impl Signer {
    fn new(w: &World, kid: &'static str) -> Self {
        let signer = Self { dir: tempfile::tempdir().unwrap(), kid };
        let key = signer.dir.path().join("key.pem");
        let key = key.to_str().unwrap();
        openssl(w, &["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key]);
        signer
    }

    fn key(&self) -> String {
        self.dir.path().join("key.pem").to_str().unwrap().to_owned()
    }

    /// The public key as a JWK.
    fn jwk(&self, w: &World) -> Value {
        let said = openssl(w, &["rsa", "-in", &self.key(), "-noout", "-modulus"]);
        let text = String::from_utf8(said).unwrap();
        let hex = text.trim().strip_prefix("Modulus=").unwrap();
        let modulus: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        json!({"kty": "RSA", "kid": self.kid, "use": "sig", "alg": "RS256", "n": B64.encode(modulus), "e": "AQAB"})
    }

    fn sign(&self, w: &World, header: &Value, claims: &str) -> String {
        let signed = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims));
        let file = self.dir.path().join("signed");
        std::fs::write(&file, &signed).unwrap();
        let signature = openssl(w, &["dgst", "-sha256", "-sign", &self.key(), file.to_str().unwrap()]);
        format!("{signed}.{}", B64.encode(signature))
    }

    fn token(&self, w: &World, claims: &Value) -> String {
        self.sign(w, &json!({"alg": "RS256", "kid": self.kid, "typ": "JWT"}), &claims.to_string())
    }
}

fn openssl(w: &World, args: &[&str]) -> Vec<u8> {
    let done = w.command("openssl", Path::new(".")).args(args).output().unwrap();
    assert!(done.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

/// Whether a program is there. Absent, a test is skipped aloud; under `CI=true` it fails.
pub(crate) fn have(program: &str, args: &[&str]) -> bool {
    #[expect(clippy::disallowed_methods, reason = "asks whether the tool is there")]
    let there = std::process::Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    there.is_ok_and(|status| status.success()) || missing(program)
}

#[track_caller]
pub(crate) fn missing(what: &str) -> bool {
    #[expect(clippy::disallowed_methods, reason = "a test may ask whether it runs in continuous integration")]
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!ci, "{what} is not installed");
    eprintln!("skipped: {what} is not installed");
    false
}

/// Seconds since 1970, give or take.
#[expect(clippy::disallowed_methods, reason = "a token is of now")]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}
