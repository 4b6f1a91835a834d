//! Cosignatures, byte for byte after C2SP tlog-cosignature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_evidence::Error;
use countersign_evidence::checkpoint::{self, Checkpoint, Extensions};
use countersign_evidence::cosignature::{self, CosignerKey};
use countersign_evidence::note::{self, Algorithm, Note, SignerKey, VerifierKey};
use ed25519_dalek::Verifier as _;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

const TEXT: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
const TIME: u64 = 1_679_315_147;
const KINDS: [Algorithm; 2] = [Algorithm::Ed25519Cosignature, Algorithm::MlDsa44];

fn witness(algorithm: Algorithm, seed: u8) -> CosignerKey {
    CosignerKey::from_seed("witness.example.com/w1", algorithm, &[seed; 32]).unwrap()
}

fn log() -> SignerKey {
    SignerKey::from_seed("example.com/behind-the-sofa", &[1; 32]).unwrap()
}

/// The parts of a verifier key's text: name, id, algorithm byte and raw key.
fn parts(key: &VerifierKey) -> (String, String, u8, Vec<u8>) {
    let text = key.to_string();
    let mut parts = text.splitn(3, '+');
    let (name, id) = (parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned());
    let bytes = STANDARD.decode(parts.next().unwrap()).unwrap();
    (name, id, bytes[0], bytes[1..].to_vec())
}

#[test]
fn keys_are_written_as_the_specification_says() {
    for (kind, byte, len) in [(KINDS[0], 0x04, 32), (KINDS[1], 0x06, 1312)] {
        let key = witness(kind, 7);
        let (name, id, tag, raw) = parts(key.verifier());
        assert_eq!((name.as_str(), tag, raw.len()), ("witness.example.com/w1", byte, len));
        let hash = Sha256::new().chain_update(&name).chain_update([b'\n', byte]).chain_update(&raw).finalize();
        assert_eq!(id, countersign_model::digest::to_hex(&hash[..4]));
        assert_eq!(VerifierKey::parse(&key.verifier().to_string()).unwrap(), *key.verifier());
        assert_eq!(CosignerKey::parse(&key.to_text()).unwrap().verifier(), key.verifier());
        assert!(!format!("{key:?}").contains(&key.to_text()[30..]));
    }
}

#[test]
fn an_ed25519_cosignature_is_over_the_bytes_of_the_specification() {
    let key = witness(Algorithm::Ed25519Cosignature, 7);
    let signature = key.cosign(TEXT, TIME).unwrap();
    assert_eq!(signature.bytes.len(), 8 + 64);
    assert_eq!(signature.bytes[..8], TIME.to_be_bytes());
    let message = "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n\
                   CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let raw = parts(key.verifier()).3;
    let public = ed25519_dalek::VerifyingKey::from_bytes(&raw.try_into().unwrap()).unwrap();
    let proper = ed25519_dalek::Signature::from_slice(&signature.bytes[8..]).unwrap();
    public.verify(message.as_bytes(), &proper).unwrap();
}

#[test]
fn an_mldsa_cosignature_is_over_the_bytes_of_the_specification() {
    let key = witness(Algorithm::MlDsa44, 7);
    let signature = key.cosign(TEXT, TIME).unwrap();
    assert_eq!(signature.bytes.len(), 8 + 2420);
    let mut message = b"subtree/v1\n\0".to_vec();
    message.push(22);
    message.extend_from_slice(b"witness.example.com/w1");
    message.extend_from_slice(&[0, 0, 0, 0, 0x64, 0x18, 0x50, 0xcb]);
    message.push(27);
    message.extend_from_slice(b"example.com/behind-the-sofa");
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&[0, 0, 0, 0, 0x01, 0x3e, 0x2d, 0xc3]);
    message.extend_from_slice(&STANDARD.decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=").unwrap());
    let raw = parts(key.verifier()).3;
    let public = ml_dsa::VerifyingKey::<ml_dsa::MlDsa44>::decode(&raw.as_slice().try_into().unwrap());
    let proper = ml_dsa::Signature::decode(&signature.bytes[8..].try_into().unwrap()).unwrap();
    assert!(public.verify_with_context(&message, &[], &proper));
    // The same statement has one signature.
    assert_eq!(key.cosign(TEXT, TIME).unwrap(), signature);
    assert_ne!(key.cosign(TEXT, TIME + 1).unwrap(), signature);
}

#[test]
fn a_log_signs_twice_and_a_witness_cosigns_twice() {
    let second = CosignerKey::from_seed(log().name(), Algorithm::MlDsa44, &[1; 32]).unwrap();
    let signed = note::sign(TEXT, &log()).unwrap();
    let witnesses = KINDS.map(|kind| witness(kind, 7));
    let lines = [second.cosign(TEXT, TIME).unwrap(), witnesses[0].cosign(TEXT, TIME).unwrap()];
    let signed = cosignature::merge(signed.as_bytes(), &lines).unwrap();
    let signed = cosignature::merge(signed.as_bytes(), &[witnesses[1].cosign(TEXT, TIME).unwrap()]).unwrap();
    let all = [log().verifier(), second.verifier(), witnesses[0].verifier(), witnesses[1].verifier()].map(Clone::clone);
    let (checkpoint, verified) = checkpoint::open_verified(signed.as_bytes(), &all, Extensions::Refused).unwrap();
    assert_eq!((checkpoint.size, verified.by, verified.unknown.len()), (20_852_163, vec![0, 1, 2, 3], 0));
    // Either of the log's keys is enough; a witness's word alone is not the log's.
    for (keys, good) in [(&all[..1], true), (&all[1..2], true), (&all[2..], false)] {
        assert_eq!(checkpoint::open_any(signed.as_bytes(), keys).is_ok(), good);
        assert_eq!(checkpoint::open(signed.as_bytes(), "example.com/behind-the-sofa", keys).is_ok(), good);
    }
    // Cosigners that bear the log's name do not become it: 0x04 never signs for a log.
    let namesake = CosignerKey::from_seed(log().name(), Algorithm::Ed25519Cosignature, &[9; 32]).unwrap();
    let borrowed = cosignature::merge(signed.as_bytes(), &[namesake.cosign(TEXT, TIME).unwrap()]).unwrap();
    assert!(checkpoint::open_any(borrowed.as_bytes(), &[namesake.verifier().clone()]).is_err());
}

#[test]
fn a_signer_carries_the_logs_second_key_along() {
    let second = || CosignerKey::from_seed(log().name(), Algorithm::MlDsa44, &[1; 32]).unwrap();
    let plain = Checkpoint::parse(TEXT).unwrap().sign(&log()).unwrap();
    let both = log().and_also(second()).unwrap();
    let signed = Checkpoint::parse(TEXT).unwrap().sign(&both).unwrap();
    // The Ed25519 line is what it was, and stands first; the other one says nothing of when.
    assert!(signed.starts_with(&plain) && signed != plain);
    let keys = [log().verifier().clone(), second().verifier().clone()];
    let verified = note::open(signed.as_bytes(), &keys).unwrap();
    assert_eq!((verified.by, cosignature::time_of(&verified.signatures[1])), (vec![0, 1], Some(0)));
    // The same bytes again, and other notes are signed with the one key only.
    assert_eq!(Checkpoint::parse(TEXT).unwrap().sign(&both).unwrap(), signed);
    assert_eq!(note::sign("hello\n", &both).unwrap(), note::sign("hello\n", &log()).unwrap());
    // While the first key is exchanged, three sign, the second key last.
    let next = note::SignerKey::from_seed(log().name(), &[77; 32]).unwrap();
    let three = Checkpoint::parse(TEXT).unwrap().sign(&both.together_with(next).unwrap()).unwrap();
    let signatures = note::Note::parse(three.as_bytes()).unwrap().signatures;
    assert_eq!(signatures.iter().map(|s| s.bytes.len()).collect::<Vec<_>>(), [64, 64, 2428]);
    // A key of another name or kind is none.
    for other in [witness(Algorithm::MlDsa44, 7), witness(Algorithm::Ed25519Cosignature, 7)] {
        assert!(matches!(log().and_also(other), Err(Error::SignerKey(_))));
    }
    let namesake = CosignerKey::from_seed(log().name(), Algorithm::Ed25519Cosignature, &[1; 32]).unwrap();
    assert!(matches!(log().and_also(namesake), Err(Error::SignerKey(_))));
}

#[test]
fn unknown_cosignatures_are_ignored_and_bad_ones_reject() {
    let signed = note::sign(TEXT, &log()).unwrap();
    for kind in KINDS {
        let key = witness(kind, 7);
        let keys = [log().verifier().clone(), key.verifier().clone()];
        let good = key.cosign(TEXT, TIME).unwrap();
        let length = good.bytes.len();
        // One bit in the time, at the start and at the end of the signature; and other lengths.
        for at in [0, 7, 8, 40, length - 1] {
            let mut bad = good.clone();
            bad.bytes[at] ^= 1;
            let bad = cosignature::merge(signed.as_bytes(), &[bad]).unwrap();
            assert!(matches!(note::open(bad.as_bytes(), &keys), Err(Error::NoteSignature { .. })), "{kind:?} {at}");
            assert!(note::open(bad.as_bytes(), &keys[..1]).is_ok());
        }
        for length in [1, 7, 8, 9, length - 1, length + 1] {
            let mut bad = good.clone();
            bad.bytes.resize(length, 0);
            let bad = cosignature::merge(signed.as_bytes(), &[bad]).unwrap();
            assert!(matches!(note::open(bad.as_bytes(), &keys), Err(Error::NoteSignature { .. })), "{kind:?} {length}");
        }
        // Made for another checkpoint.
        let other = key.cosign(&TEXT.replace("20852163", "20852164"), TIME).unwrap();
        let bad = cosignature::merge(signed.as_bytes(), &[other]).unwrap();
        assert!(matches!(note::open(bad.as_bytes(), &keys), Err(Error::NoteSignature { .. })));
    }
}

#[test]
fn only_checkpoints_are_cosigned_and_names_and_times_must_fit() {
    for kind in KINDS {
        let key = witness(kind, 7);
        assert!(matches!(key.cosign("hello\n", TIME), Err(Error::Checkpoint(_))));
        assert!(matches!(key.cosign(TEXT, 1 << 63), Err(Error::Cosign(_))));
        assert!(key.cosign(TEXT, (1 << 63) - 1).is_ok());
        assert!(key.cosign(&format!("{TEXT}extension\n"), TIME).is_ok());
    }
    let long = Checkpoint { origin: "o".repeat(256), size: 1, root: [0; 32] }.to_text();
    assert!(matches!(witness(Algorithm::MlDsa44, 7).cosign(&long, TIME), Err(Error::Cosign(_))));
    assert!(witness(Algorithm::Ed25519Cosignature, 7).cosign(&long, TIME).is_ok());
    assert!(CosignerKey::from_seed("w", Algorithm::Ed25519, &[1; 32]).is_err());
    for bad in ["", "a b", "a+b"] {
        assert!(CosignerKey::generate(bad, Algorithm::MlDsa44).is_err());
    }
}

#[test]
fn what_a_witness_returns_is_checked() {
    let signed = note::sign(TEXT, &log()).unwrap();
    let keys = KINDS.map(|kind| witness(kind, 7));
    let known = [keys[0].verifier().clone()];
    let lines: String = keys.iter().map(|k| k.cosign(TEXT, TIME).unwrap().to_line()).collect();
    let found = cosignature::verify_lines(signed.as_bytes(), &lines, &known).unwrap();
    assert_eq!(found, [keys[0].cosign(TEXT, TIME).unwrap()]);
    assert_eq!(cosignature::time_of(&found[0]), Some(TIME));
    let later = keys[0].cosign(&TEXT.replace("208", "209"), TIME).unwrap().to_line();
    for (bad, signature) in
        [("", false), ("x\n", false), (lines.trim_end(), false), (&format!("{lines}\n"), false), (&later, true)]
    {
        let error = cosignature::verify_lines(signed.as_bytes(), bad, &known).unwrap_err();
        assert_eq!(matches!(error, Error::NoteSignature { .. }), signature, "{bad:?} {error}");
    }
    let stranger = keys[1].cosign(TEXT, TIME).unwrap().to_line();
    let nobody = cosignature::verify_lines(signed.as_bytes(), &stranger, &known);
    assert!(matches!(nobody, Err(Error::NoKnownSigner)));
    let many = stranger.repeat(note::MAX_SIGNATURES + 1);
    assert!(matches!(cosignature::verify_lines(signed.as_bytes(), &many, &known), Err(Error::Note(_))));
}

#[test]
fn the_newest_cosignature_of_a_key_is_kept() {
    let key = witness(Algorithm::Ed25519Cosignature, 7);
    let mut signed = note::sign(TEXT, &log()).unwrap();
    for time in [TIME, TIME + 5] {
        signed = cosignature::merge(signed.as_bytes(), &[key.cosign(TEXT, time).unwrap()]).unwrap();
    }
    let note = Note::parse(signed.as_bytes()).unwrap();
    assert_eq!(note.signatures.len(), 2);
    assert_eq!(cosignature::time_of(&note.signatures[1]), Some(TIME + 5));
    let crowd: Vec<_> = (0..note::MAX_SIGNATURES)
        .map(|n| note::Signature { name: format!("w{n}"), ..note.signatures[1].clone() })
        .collect();
    assert!(matches!(cosignature::merge(signed.as_bytes(), &crowd), Err(Error::Note(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn cosigned_checkpoints_open(seed: [u8; 32], size: u64, root: [u8; 32], time in 0_u64..1 << 63) {
        let log = log();
        let checkpoint = Checkpoint { origin: log.name().to_owned(), size, root };
        for kind in KINDS {
            let key = CosignerKey::from_seed("w", kind, &seed).unwrap();
            let signed = checkpoint.sign(&log).unwrap();
            let line = key.cosign(&checkpoint.to_text(), time).unwrap();
            let signed = cosignature::merge(signed.as_bytes(), &[line]).unwrap();
            let keys = [log.verifier().clone(), key.verifier().clone()];
            let (opened, verified) = checkpoint::open_verified(signed.as_bytes(), &keys, Extensions::Refused).unwrap();
            prop_assert_eq!(&opened, &checkpoint);
            prop_assert_eq!(verified.signatures.len(), 2);
        }
    }
}
