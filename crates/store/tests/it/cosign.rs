//! Cosignatures under the published checkpoint, and what the examiner makes of them.

use std::fs;
use std::sync::Arc;

use countersign_evidence::cosignature::CosignerKey;
use countersign_evidence::note::{Algorithm, Note, Signature};
use countersign_evidence::trust_policy::TrustPolicy;
use countersign_model::{Clock as _, Diagnostic as _};
use countersign_store::engine::embedded::{Embedded, Options};
use countersign_store::verify::LogTrust;
use countersign_store::{Engine as _, Ledger, code};

use crate::support::{assert_sound, batch, clock, examine, new_ledger, signer, trust};

fn witness(seed: u8) -> CosignerKey {
    CosignerKey::from_seed(&format!("w{seed}.example"), Algorithm::Ed25519Cosignature, &[seed; 32]).unwrap()
}

fn cosign(ledger: &Ledger, key: &CosignerKey, time: u64) -> Signature {
    let text = Note::parse(ledger.checkpoint_text().as_bytes()).unwrap().text;
    key.cosign(&text, time).unwrap()
}

fn policy(quorum: &str) -> LogTrust {
    let text = format!(
        "witness a {}\nwitness b {}\ngroup all all a b\ngroup any any all\nquorum {quorum}\n",
        witness(1).verifier(),
        witness(2).verifier()
    );
    LogTrust { policy: Some(TrustPolicy::parse(text.as_bytes()).unwrap()), ..trust() }
}

#[test]
fn cosignatures_stand_under_the_checkpoint_until_the_log_grows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let mut ledger = new_ledger(&path);
    ledger.append(batch("a", 4), &signer(), &clock(1)).unwrap();
    let mut ledger = Ledger::open(&path).unwrap();
    let before = ledger.checkpoint_text().to_owned();
    let (one, two) = (cosign(&ledger, &witness(1), 100), cosign(&ledger, &witness(2), 200));
    assert!(ledger.add_cosignatures(std::slice::from_ref(&one)).unwrap());
    assert!(ledger.add_cosignatures(std::slice::from_ref(&two)).unwrap());
    let published = fs::read_to_string(path.join("ledger/checkpoint")).unwrap();
    assert_eq!(published, format!("{before}{}{}", one.to_line(), two.to_line()));
    assert_eq!(ledger.checkpoint_text(), published);
    // Again, and newer: one line a key.
    let newer = cosign(&ledger, &witness(1), 300);
    assert!(ledger.add_cosignatures(&[newer.clone(), two.clone()]).unwrap());
    let reader = Ledger::open(&path).unwrap();
    assert_eq!(reader.checkpoint_text(), format!("{before}{}{}", newer.to_line(), two.to_line()));
    assert_eq!(reader.receipt(2).unwrap().checkpoint, reader.checkpoint_text());
    assert!(!path.join("tmp/checkpoint").exists());
    // Another process appends: what was collected is for an older checkpoint, and is not added to the newer one.
    Ledger::open(&path).unwrap().append(batch("b", 1), &signer(), &clock(2)).unwrap();
    let grown = fs::read(path.join("ledger/checkpoint")).unwrap();
    assert!(!ledger.add_cosignatures(&[newer]).unwrap());
    assert_eq!(fs::read(path.join("ledger/checkpoint")).unwrap(), grown);
    assert_sound(&path);
}

#[test]
fn consistency_proofs_are_those_of_the_tree() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let mut ledger = new_ledger(&path);
    ledger.append(batch("a", 299), &signer(), &clock(1)).unwrap();
    for old in [0, 1, 2, 255, 256, 257, 299, 300] {
        let proof = ledger.consistency_proof(old).unwrap();
        let root = ledger.root_at(old).unwrap();
        countersign_evidence::merkle::verify_consistency(old, 300, &proof, &root, &ledger.root()).unwrap();
    }
    assert!(ledger.consistency_proof(301).is_err());
}

#[test]
fn the_examiner_asks_for_the_quorum_and_for_every_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let mut ledger = new_ledger(&path);
    let codes = |trust: &LogTrust| examine(&path, trust).problems.iter().map(|p| p.code).collect::<Vec<_>>();
    assert_eq!(codes(&policy("none")), [""; 0]);
    assert_eq!(codes(&policy("any")), ["CS-EVIDENCE-047"]);
    let one = cosign(&ledger, &witness(1), 100);
    ledger.add_cosignatures(std::slice::from_ref(&one)).unwrap();
    assert_eq!(codes(&policy("a")), [""; 0]);
    assert_eq!(codes(&policy("all")), ["CS-EVIDENCE-047"]);
    let report = examine(&path, &policy("a"));
    assert_eq!(report.cosignatures.iter().map(|c| (c.witness.as_str(), c.time)).collect::<Vec<_>>(), [("a", 100)]);
    // Without the policy it is a stranger's word, which changes nothing.
    let report = examine(&path, &trust());
    assert!(report.problems.is_empty() && report.notices.iter().any(|n| n.what.contains("1 cosignature(s)")));

    let file = path.join("ledger/checkpoint");
    let good = fs::read_to_string(&file).unwrap();
    let stranger = cosign(&ledger, &witness(3), 100);
    let with = |signature: &Signature| fs::write(&file, format!("{good}{}", signature.to_line())).unwrap();
    with(&stranger);
    assert_eq!(codes(&policy("a")), [""; 0]);
    // What is no cosignature, or bears the log's name, is a place to hide something.
    for hidden in [
        Signature { bytes: vec![0; 71], ..stranger.clone() },
        Signature { bytes: vec![0xff; 72], ..stranger.clone() },
        Signature { name: signer().name().to_owned(), ..stranger.clone() },
    ] {
        with(&hidden);
        assert_eq!(codes(&policy("a")), [code::CORRUPT]);
        assert_eq!(codes(&trust()), [code::CORRUPT]);
    }
    // A known witness's line that does not verify rejects the checkpoint where the witness is known.
    let mut bad = cosign(&ledger, &witness(2), 100);
    bad.bytes[20] ^= 1;
    with(&bad);
    assert!(codes(&policy("a")).contains(&code::CORRUPT));
}

#[test]
#[cfg(unix)]
fn cosignatures_are_added_through_the_process_that_holds_the_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    drop(new_ledger(&path));
    let options = Options { socket: true, ..Options::new(Arc::new(signer())) };
    let engine = Embedded::open(&path, options).unwrap();
    engine.append(batch("a", 4), clock(1).now()).unwrap();
    // Another process: it sees what is acknowledged, published or not.
    let mut other = Ledger::open(&path).unwrap();
    other.set_lock_wait(std::time::Duration::ZERO);
    assert_eq!(other.size(), 5);
    let (one, two) = (cosign(&other, &witness(1), 100), cosign(&other, &witness(2), 200));
    let before = other.checkpoint_text().to_owned();
    assert!(other.add_cosignatures(std::slice::from_ref(&one)).unwrap());
    let mut here = Ledger::with_engine(Arc::clone(&engine) as _).unwrap();
    assert!(here.add_cosignatures(std::slice::from_ref(&two)).unwrap());
    let published = fs::read_to_string(path.join("ledger/checkpoint")).unwrap();
    assert_eq!(published, format!("{before}{}{}", one.to_line(), two.to_line()));
    // What is read through the engine is what is published; publishing again changes nothing.
    engine.publish().unwrap();
    assert_eq!(Ledger::with_engine(Arc::clone(&engine) as _).unwrap().checkpoint_text(), published);
    assert_eq!(fs::read_to_string(path.join("ledger/checkpoint")).unwrap(), published);
    // The log's own signature is not to be replaced.
    let mut forged = cosign(&other, &witness(1), 1);
    let ours = Note::parse(before.as_bytes()).unwrap().signatures.remove(0);
    (forged.name, forged.id) = (ours.name, ours.id);
    assert_eq!(other.add_cosignatures(&[forged]).unwrap_err().code(), code::CORRUPT);
    assert_eq!(fs::read_to_string(path.join("ledger/checkpoint")).unwrap(), published);
    // The log goes on: what was collected is for an older checkpoint.
    engine.append(batch("b", 1), clock(2).now()).unwrap();
    assert!(!other.add_cosignatures(&[one]).unwrap());
    drop((other, here, engine));
    assert_sound(&path);
}
