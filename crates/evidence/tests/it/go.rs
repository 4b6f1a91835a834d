//! Our logs, checked by a program that shares no code with us: Go's sumdb packages (`tests/go-verifier`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use countersign_evidence::cosignature::CosignerKey;
use countersign_evidence::merkle::inclusion_proof;
use countersign_evidence::note::{self, Algorithm, SignerKey};
use countersign_evidence::receipt::Receipt;

use crate::support::{both, command, have, must, tree, write, write_log};

const SIZES: [u64; 9] = [1, 5, 255, 256, 257, 300, 1000, 65_536, 70_000];

fn build(dir: &Path) -> PathBuf {
    let binary = dir.join("verifier");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/go-verifier");
    let mut go = command("go");
    go.current_dir(source).env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").env("GOFLAGS", "");
    must(go.env("GOCACHE", dir.join("cache")).args(["build", "-o"]).arg(&binary).arg("main.go"));
    binary
}

fn run(verifier: &Path, log: &Path, key: &SignerKey, receipt: Option<&Path>) -> Output {
    command(&verifier.to_string_lossy()).arg(log).arg(key.verifier().to_string()).args(receipt).output().unwrap()
}

#[test]
fn go_verifies_our_logs() {
    if !have("go", &["version"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let verifier = build(dir.path());
    let key = SignerKey::from_seed("countersign.example/log", &[1; 32]).unwrap();
    for size in SIZES {
        let log = dir.path().join(size.to_string());
        let checkpoint = write_log(&log, &[size / 2, size], &key);
        let tree = tree(size);
        for index in [0, size / 2, size - 1] {
            let proof = inclusion_proof(index, size, &tree).unwrap();
            let file = dir.path().join("receipt.tlog-proof");
            write(&file, Receipt::new(index, proof, checkpoint.clone()).to_text().as_bytes());
            let output = run(&verifier, &log, &key, Some(&file));
            let root = checkpoint.lines().nth(2).unwrap();
            assert_eq!(both(&output), format!("ok size={size} root={root}\n"));
            assert!(output.status.success());
        }
    }
    go_refuses_what_was_altered(dir.path(), &verifier, &key);
    // A log that signs with ML-DSA-44 as well: a client that knows Ed25519 alone skips the line.
    let second = CosignerKey::from_seed(key.name(), Algorithm::MlDsa44, &[2; 32]).unwrap();
    let both_keys = key.and_also(second).unwrap();
    let log = dir.path().join("signed-twice");
    let checkpoint = write_log(&log, &[300], &both_keys);
    assert_eq!(note::Note::parse(checkpoint.as_bytes()).unwrap().signatures.len(), 2);
    let output = run(&verifier, &log, &both_keys, None);
    assert!(output.status.success(), "{}", both(&output));
}

/// The other side of the same coin: the verifier is not one that says yes to everything.
fn go_refuses_what_was_altered(dir: &Path, verifier: &Path, key: &SignerKey) {
    let log = dir.join("300");
    let refused = |log: &Path, key: &SignerKey, receipt: Option<&Path>| {
        let output = run(verifier, log, key, receipt);
        assert_eq!(output.status.code(), Some(1), "{}", both(&output));
        assert!(!output.stderr.is_empty());
    };
    refused(&log, &SignerKey::from_seed("countersign.example/log", &[2; 32]).unwrap(), None);
    for file in
        ["checkpoint", "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44"]
    {
        let path = log.join(file);
        let good = fs::read(&path).unwrap();
        let mut altered = good.clone();
        altered[good.len() / 2] ^= 1;
        fs::write(&path, altered).unwrap();
        refused(&log, key, None);
        fs::write(&path, good).unwrap();
    }
    assert!(run(verifier, &log, key, None).status.success());
    // A receipt for one entry is none for another.
    let checkpoint = fs::read_to_string(log.join("checkpoint")).unwrap();
    let proof = inclusion_proof(7, 300, &tree(300)).unwrap();
    let receipt = dir.join("wrong.tlog-proof");
    write(&receipt, Receipt::new(8, proof, checkpoint).to_text().as_bytes());
    refused(&log, key, Some(&receipt));
    // Signed by the right key, but not a checkpoint.
    fs::write(log.join("checkpoint"), note::sign("hello\n", key).unwrap()).unwrap();
    refused(&log, key, None);
}
