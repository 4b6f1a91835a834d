//! How long it takes to verify an approval: stored bytes read, form checked, signature verified, statement read.
//! `cargo bench -p countersign-evidence --bench approval`
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot begin has nothing to say")]

use countersign_evidence::act::{APPROVAL, SignedAct};
use countersign_evidence::canonical;
use countersign_evidence::sshsig::{self, PublicKey};
use countersign_evidence::statement::{Statement, Subject};
use countersign_model::event::{ApprovalSigned, Predicate as _};
use ssh_key::private::{EcdsaKeypair, Ed25519Keypair, KeypairData};
use ssh_key::{EcdsaCurve, LineEnding, PrivateKey};

fn main() {
    divan::main();
}

/// Of the size of a real one.
fn statement() -> Vec<u8> {
    let digest = format!("sha256:{}", "a".repeat(64));
    let fingerprint = format!("SHA256:{}", "f".repeat(43));
    let approval = serde_json::json!({
        "origin": "countersign.local/00000000000000000000", "repository": "https://git.example/shop", "run": "run-00000000000000000000",
        "commit": "a".repeat(40), "tree": "b".repeat(40),
        "artifacts": [{"name": "app.tar", "digest": digest}, {"name": "app.sbom.json", "digest": digest}],
        "environment": "production", "bundle": digest, "decision": digest, "gate": "release", "slot": "technical",
        "person": "per-00000000000000000000", "device": {"key": fingerprint, "host": "0000000000000000"}, "strength": "ssh-key",
        "time": "2026-11-26T12:00:00.000Z",
    });
    let approval: ApprovalSigned = serde_json::from_value(approval).unwrap();
    let subject = vec![Subject::new("https://git.example/shop", "gitCommit", "a".repeat(40))];
    Statement::new(subject, ApprovalSigned::TYPE, approval).to_vec().unwrap()
}

fn verify(bencher: divan::Bencher<'_, '_>, key: KeypairData) {
    let private = PrivateKey::new(key, "").unwrap();
    let public = PublicKey::parse(&private.public_key().to_openssh().unwrap()).unwrap();
    let file = private.to_openssh(LineEnding::LF).unwrap();
    let armored = sshsig::sign_with_key_file(&file, APPROVAL, &statement()).unwrap();
    let stored = SignedAct::new(APPROVAL, &statement(), &armored, &public).unwrap().to_vec().unwrap();
    bencher.bench(|| {
        let act = SignedAct::from_slice(divan::black_box(&stored)).unwrap();
        let opened: Statement<ApprovalSigned> = canonical::from_slice(&act.open(APPROVAL, &public).unwrap()).unwrap();
        opened
    });
}

#[divan::bench]
fn ed25519(bencher: divan::Bencher<'_, '_>) {
    verify(bencher, Ed25519Keypair::from_seed(&[1; 32]).into());
}

#[divan::bench]
fn ecdsa_p256(bencher: divan::Bencher<'_, '_>) {
    let pair = EcdsaKeypair::random(&mut ssh_key::rand_core::OsRng, EcdsaCurve::NistP256).unwrap();
    verify(bencher, pair.into());
}
