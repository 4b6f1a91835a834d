//! `ledger sign-also`: every checkpoint carries the log's ML-DSA-44 signature too, and a reader that looks misses none.

use std::fs;
use std::path::PathBuf;

use countersign_evidence::checkpoint::{self, Extensions};
use countersign_evidence::note::{Note, VerifierKey};
use countersign_evidence::receipt::Receipt;

use crate::support::{World, have_ssh_keygen};

fn firm() -> Option<World> {
    let w = World::with_commit();
    if !have_ssh_keygen() {
        return None;
    }
    w.firm();
    Some(w)
}

fn file(w: &World) -> PathBuf {
    let ledgers = fs::read_dir(w.path("data").join("ledgers")).unwrap().next().unwrap().unwrap().path();
    ledgers.join("log.key.ml-dsa-44")
}

fn checkpoint_file(w: &World) -> PathBuf {
    w.repo().join(".countersign/ledger/checkpoint")
}

fn checkpoint_of(w: &World) -> String {
    fs::read_to_string(checkpoint_file(w)).unwrap()
}

fn vkey(w: &World) -> VerifierKey {
    let text = fs::read_to_string(w.repo().join(".countersign/ledger/vkey")).unwrap();
    VerifierKey::parse(text.trim_end()).unwrap()
}

/// The bytes after the id, of every signature line.
fn lengths(w: &World) -> Vec<usize> {
    let note = Note::parse(checkpoint_of(w).as_bytes()).unwrap();
    note.signatures.iter().map(|s| s.bytes.len()).collect()
}

fn sign_also(w: &World, what: &str) -> serde_json::Value {
    w.by("ada", &["ledger", "sign-also", what, "--format", "json"]).expect(0).json()
}

const ED25519: usize = 64;
const ML_DSA: usize = 8 + 2420;

#[test]
fn every_checkpoint_carries_both_until_the_key_is_retired() {
    let Some(w) = firm() else { return };
    // Nothing to retire, and nobody but an administrator may.
    assert!(w.by("ada", &["ledger", "sign-also", "none"]).expect(2).err.contains("CS-KEY-053"));
    w.by("mia", &["ledger", "sign-also", "ml-dsa-44"]).expect(4);
    assert!(!file(&w).exists());

    let made = sign_also(&w, "ml-dsa-44");
    let second = VerifierKey::parse(made["vkey"].as_str().unwrap()).unwrap();
    assert_eq!(lengths(&w), [ED25519, ML_DSA], "the checkpoint that covers the entry");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(file(&w)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(w.by("ada", &["ledger", "sign-also", "ml-dsa-44"]).expect(2).err.contains("CS-KEY-052"));
    w.cs(["run"]).expect(11);
    assert_eq!(lengths(&w), [ED25519, ML_DSA]);
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);

    // Each of the two holds by itself, and both are in a receipt.
    let text = checkpoint_of(&w);
    let keys = [vkey(&w), second.clone()];
    let (_, verified) = checkpoint::open_verified(text.as_bytes(), &keys, Extensions::Refused).unwrap();
    assert_eq!((verified.by, verified.unknown.len()), (vec![0, 1], 0));
    let receipt = Receipt::parse(&w.cs(["ledger", "receipt", "1"]).expect(0).out).unwrap();
    assert_eq!(receipt.checkpoint, text);

    // The Ed25519 key is exchanged: the second one stays, and three sign in between.
    w.by("ada", &["ledger", "rotate-key"]).expect(0);
    assert_eq!(lengths(&w), [ED25519, ED25519, ML_DSA]);
    w.cs(["verify"]).expect(0);
    w.cs(["run"]).expect(11);
    assert_eq!(lengths(&w), [ED25519, ML_DSA]);
    w.cs(["verify"]).expect(0);
    go_accepts(&w);

    let retired = sign_also(&w, "none");
    assert!(retired["vkey"].is_null() && !file(&w).exists());
    assert_eq!(lengths(&w), [ED25519]);
    w.cs(["verify"]).expect(0);
    w.cs(["run"]).expect(11);
    // Another one may follow; it is not the same.
    let again = sign_also(&w, "ml-dsa-44");
    assert_ne!(again["vkey"], made["vkey"]);
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
}

#[test]
fn a_line_that_is_altered_or_gone_is_found() {
    let Some(w) = firm() else { return };
    sign_also(&w, "ml-dsa-44");
    let good = checkpoint_of(&w);
    let note = Note::parse(good.as_bytes()).unwrap();
    let found = |bad: Note, what: &str| {
        fs::write(checkpoint_file(&w), bad.to_string()).unwrap();
        let report = w.cs(["verify", "--format", "json"]).expect(13).json();
        let problems = report["problems"].as_array().unwrap();
        assert!(problems.iter().any(|p| p.to_string().contains(what)), "{report}");
    };
    for at in [0, 8, 9, 1000, 2427] {
        let mut bad = note.clone();
        bad.signatures[1].bytes[at] ^= 1;
        found(bad, "the signature of the log's ML-DSA-44 key does not verify");
    }
    let mut bad = note.clone();
    bad.signatures.truncate(1);
    found(bad, "the log's ML-DSA-44 key did not sign it");
    fs::write(checkpoint_file(&w), &good).unwrap();
    w.cs(["verify"]).expect(0);
}

#[test]
fn without_the_file_nothing_is_signed_and_the_key_can_be_retired() {
    let Some(w) = firm() else { return };
    sign_also(&w, "ml-dsa-44");
    let (kept, before) = (fs::read(file(&w)).unwrap(), checkpoint_of(&w));
    fs::remove_file(file(&w)).unwrap();
    let refused = w.cs(["run"]).expect(4);
    assert!(refused.err.contains("CS-KEY-050") && refused.err.contains("log.key.ml-dsa-44"), "{}", refused.err);
    assert!(w.by("ada", &["ledger", "rotate-key"]).expect(4).err.contains("CS-KEY-050"));
    fs::write(file(&w), "PRIVATE+KEY+x").unwrap();
    assert!(w.cs(["run"]).expect(13).err.contains("CS-KEY-004"));
    assert_eq!(checkpoint_of(&w), before);
    w.cs(["verify"]).expect(0);
    // It comes back, and all goes on.
    fs::write(file(&w), &kept).unwrap();
    w.cs(["run"]).expect(11);
    fs::remove_file(file(&w)).unwrap();
    sign_also(&w, "none");
    assert_eq!(lengths(&w), [ED25519]);
    w.cs(["run"]).expect(11);
    w.cs(["verify"]).expect(0);
    // The retired key's file is found again: it is not taken.
    fs::write(file(&w), &kept).unwrap();
    sign_also(&w, "ml-dsa-44");
    assert_ne!(fs::read(file(&w)).unwrap(), kept);
    w.cs(["verify"]).expect(0);
}

/// Go's sumdb packages know Ed25519 alone. Absent, this is skipped aloud; under `CI=true` it fails.
fn go_accepts(w: &World) {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/go-verifier");
    let binary = w.path("go-verifier");
    let mut go = w.command("go", &source);
    go.envs([("GO111MODULE", "off"), ("GOPATH", "/usr/share/gocode"), ("GOFLAGS", "")]);
    go.env("GOCACHE", w.path("go-cache")).args(["build", "-o"]).arg(&binary).arg("main.go");
    let Ok(built) = go.output() else {
        #[expect(clippy::disallowed_methods, reason = "a test may ask whether it runs in continuous integration")]
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!ci, "go is not installed");
        eprintln!("skipped: go is not installed");
        return;
    };
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let log = w.repo().join(".countersign/ledger");
    let done = w.command(&binary, &log).arg(&log).arg(vkey(w).to_string()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
