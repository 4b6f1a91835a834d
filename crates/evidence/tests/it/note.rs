//! Signed notes and checkpoints, against vectors of the specification and of Go's note package.

use countersign_evidence::Error;
use countersign_evidence::checkpoint::{self, Checkpoint};
use countersign_evidence::note::{self, Note, SignerKey, VerifierKey};
use proptest::prelude::*;

const SKEY: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const LINE: &str =
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn key(name: &str, seed: u8) -> SignerKey {
    SignerKey::from_seed(name, &[seed; 32]).unwrap()
}

fn vkey(key: &SignerKey) -> VerifierKey {
    key.verifier().clone()
}

#[test]
fn notes_are_those_of_go() {
    let signer = SignerKey::parse(SKEY).unwrap();
    assert_eq!(signer.verifier().to_string(), VKEY);
    assert_eq!(*signer.to_text().unwrap(), SKEY);
    let signed = note::sign(TEXT, &signer).unwrap();
    assert_eq!(signed, format!("{TEXT}\n{LINE}"));
    let opened = note::open(signed.as_bytes(), &[VKEY.parse().unwrap()]).unwrap();
    assert_eq!((opened.text.as_str(), opened.signatures.len(), opened.unknown.len()), (TEXT, 1, 0));
}

#[test]
fn the_key_id_of_the_specification() {
    let text = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    let key = VerifierKey::parse(text).unwrap();
    assert_eq!((key.name(), key.id(), key.to_string().as_str()), ("example.com/foo", [0x53, 0x0d, 0x90, 0x3a], text));
    assert_eq!(serde_json::from_value::<VerifierKey>(serde_json::to_value(&key).unwrap()).unwrap(), key);
}

#[test]
fn other_verifier_keys_are_refused() {
    for bad in [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+BBpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n",
        "weak+00000000+AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ] {
        assert!(matches!(VerifierKey::parse(bad), Err(Error::VerifierKey(_))), "{bad}");
    }
}

#[test]
fn other_signer_keys_are_refused_without_showing_them() {
    for bad in [
        "",
        SKEY.trim_start_matches("PRIVATE+"),
        &SKEY.replace("c74f", "c74e"),
        &SKEY.replace("AYEK", "AoEK"),
        &SKEY[..70],
    ] {
        let error = SignerKey::parse(bad).unwrap_err();
        assert!(matches!(error, Error::SignerKey(_)));
        assert!(!format!("{error:?}").contains("EKFALVFG"));
    }
    for name in ["", "a b", "a+b", "a\u{a0}b", "a\nb", "\u{0}"] {
        assert!(SignerKey::generate(name).is_err(), "{name:?}");
    }
    let shown = format!("{:?}", SignerKey::parse(SKEY).unwrap());
    assert_eq!(shown, format!("SignerKey({VKEY})"));
}

#[test]
fn new_keys_differ_and_read_back() {
    let (a, b) = (SignerKey::generate("log").unwrap(), SignerKey::generate("log").unwrap());
    assert_ne!(a.verifier(), b.verifier());
    assert_eq!(SignerKey::parse(&a.to_text().unwrap()).unwrap().verifier(), a.verifier());
}

#[test]
fn unknown_signatures_are_ignored_and_bad_ones_reject() {
    let (log, witness, stranger) = (key("log", 1), key("witness", 2), key("stranger", 3));
    let mut note = Note::parse(note::sign("text\n", &log).unwrap().as_bytes()).unwrap();
    for other in [&witness, &stranger] {
        note.signatures.extend(Note::parse(note::sign("text\n", other).unwrap().as_bytes()).unwrap().signatures);
    }
    let bytes = note.to_string().into_bytes();
    let opened = note::open(&bytes, &[vkey(&log), vkey(&witness)]).unwrap();
    assert_eq!((opened.signatures.len(), opened.unknown.len()), (2, 1));
    assert!(matches!(note::open(&bytes, &[vkey(&key("log", 9))]), Err(Error::NoKnownSigner)));
    assert!(matches!(note::open(&bytes, &[]), Err(Error::NoKnownSigner)));
    // The same seed under another name is another key.
    assert!(matches!(note::open(&bytes, &[vkey(&key("other", 1))]), Err(Error::NoKnownSigner)));

    note.signatures[1].bytes[5] ^= 1;
    let altered = note.to_string().into_bytes();
    assert!(note::open(&altered, &[vkey(&log)]).is_ok(), "an unknown signature says nothing, good or bad");
    let both = note::open(&altered, &[vkey(&log), vkey(&witness)]);
    assert!(matches!(both, Err(Error::NoteSignature { name }) if name == "witness"));
}

#[test]
fn a_second_bad_signature_of_a_known_key_rejects() {
    let log = key("log", 1);
    let mut note = Note::parse(note::sign("text\n", &log).unwrap().as_bytes()).unwrap();
    let mut again = note.signatures[0].clone();
    again.bytes[0] ^= 1;
    note.signatures.push(again);
    assert!(matches!(note::open(note.to_string().as_bytes(), &[vkey(&log)]), Err(Error::NoteSignature { .. })));
}

#[test]
fn at_least_sixteen_signatures_are_read_and_too_many_are_not() {
    let log = key("log", 1);
    let mut note = Note::parse(note::sign("text\n", &log).unwrap().as_bytes()).unwrap();
    for n in 1..note::MAX_SIGNATURES {
        let more = key(&format!("w{n}"), u8::try_from(n).unwrap());
        note.signatures
            .push(Note::parse(note::sign("text\n", &more).unwrap().as_bytes()).unwrap().signatures.remove(0));
    }
    note.signatures.rotate_left(1);
    assert_eq!(note::open(note.to_string().as_bytes(), &[vkey(&log)]).unwrap().unknown.len(), 99);
    note.signatures.push(note.signatures[0].clone());
    assert!(matches!(note::open(note.to_string().as_bytes(), &[vkey(&log)]), Err(Error::Note(_))));
}

#[test]
fn malformed_notes_are_refused() {
    let good = format!("{TEXT}\n{LINE}");
    let keys = [VKEY.parse::<VerifierKey>().unwrap()];
    assert!(note::open(good.as_bytes(), &keys).is_ok());
    for bad in [
        String::new(),
        TEXT.to_owned(),
        format!("{TEXT}{LINE}"),
        format!("{TEXT}\n"),
        good.trim_end().to_owned(),
        good.replace('\n', "\r\n"),
        format!("{good}\n"),
        format!("{good}x\n"),
        good.replace("— ", "- "),
        good.replace("— ", "—  "),
        good.replace("PeterNeumann x08", "Peter Neumann x08"),
        good.replace("nAM=", "nAM"),
        good.replace("nAM=", "nAN="),
        good.replace("answer", "ans\twer"),
    ] {
        assert!(matches!(note::open(bad.as_bytes(), &keys), Err(Error::Note(_))), "{bad:?}");
    }
    assert!(matches!(note::open(b"\xff\n\n", &keys), Err(Error::Note(_))));
    assert!(matches!(note::open(&vec![b'a'; note::MAX_BYTES + 1], &keys), Err(Error::Note(_))));
    assert!(matches!(note::sign("no newline", &key("log", 1)), Err(Error::Note(_))));
    assert!(matches!(note::sign("tab\t\n", &key("log", 1)), Err(Error::Note(_))));
}

#[test]
fn a_text_with_blank_lines_and_signature_lines_in_it_keeps_them() {
    let log = key("log", 1);
    for text in ["\n", "\n\n", "a\n\nb\n", "a\n\n\n", &format!("a\n\n{LINE}")] {
        let signed = note::sign(text, &log).unwrap();
        assert_eq!(note::open(signed.as_bytes(), &[vkey(&log)]).unwrap().text, *text);
    }
}

fn example() -> Checkpoint {
    Checkpoint { origin: "example.com/log".into(), size: 20_852_163, root: [7; 32] }
}

#[test]
fn checkpoints_have_three_lines() {
    let checkpoint = example();
    let text = checkpoint.to_text();
    assert_eq!(text, "example.com/log\n20852163\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n");
    assert_eq!(Checkpoint::parse(&text).unwrap(), checkpoint);
    for bad in [
        String::new(),
        "a\n1\n".into(),
        text.trim_end().to_owned(),
        format!("{text}extension\n"),
        format!("{text}\n"),
        format!("\n{text}"),
        text.replace("208", "0208"),
        text.replace("208", "+208"),
        text.replace("20852163", "18446744073709551616"),
        text.replace("BwcH", "Bwc"),
        text.replace("Bwc=", "Bwd="),
    ] {
        assert!(matches!(Checkpoint::parse(&bad), Err(Error::Checkpoint(_))), "{bad:?}");
    }
}

#[test]
fn a_checkpoint_is_signed_by_the_key_of_its_log() {
    let (log, other) = (key("example.com/log", 1), key("example.com/other", 2));
    let keys = [vkey(&log), vkey(&other)];
    let signed = example().sign(&log).unwrap();
    assert_eq!(checkpoint::open(signed.as_bytes(), "example.com/log", &keys).unwrap(), example());
    assert_eq!(checkpoint::open_any(signed.as_bytes(), &keys).unwrap(), example());
    assert!(matches!(checkpoint::open(signed.as_bytes(), "example.com/other", &keys), Err(Error::Origin { .. })));
    assert!(matches!(example().sign(&other), Err(Error::Origin { .. })));
    // A cosigner's word about somebody else's log is not that log's.
    let borrowed = note::sign(&example().to_text(), &other).unwrap();
    assert!(matches!(checkpoint::open_any(borrowed.as_bytes(), &keys), Err(Error::Origin { .. })));
    let no_checkpoint = note::sign("hello\n", &log).unwrap();
    assert!(matches!(checkpoint::open_any(no_checkpoint.as_bytes(), &keys), Err(Error::Checkpoint(_))));
}

#[test]
fn every_altered_byte_of_a_checkpoint_rejects_it() {
    let log = key("example.com/log", 1);
    let signed = example().sign(&log).unwrap().into_bytes();
    for at in 0..signed.len() {
        for bit in 0..8 {
            let mut altered = signed.clone();
            altered[at] ^= 1 << bit;
            assert!(checkpoint::open(&altered, "example.com/log", &[vkey(&log)]).is_err(), "byte {at}, bit {bit}");
        }
    }
}

proptest! {
    #[test]
    fn signed_texts_open(lines in prop::collection::vec("[^\\x00-\\x1f]{0,40}", 0..6), seed: [u8; 32]) {
        let text = format!("{}\n", lines.join("\n"));
        let key = SignerKey::from_seed("k", &seed).unwrap();
        let signed = note::sign(&text, &key).unwrap();
        prop_assert_eq!(note::open(signed.as_bytes(), &[vkey(&key)]).unwrap().text, text);
        prop_assert_eq!(Note::parse(signed.as_bytes()).unwrap().to_string(), signed);
    }

    #[test]
    fn checkpoints_read_back(size: u64, root: [u8; 32]) {
        let checkpoint = Checkpoint { origin: "o".into(), size, root };
        prop_assert_eq!(Checkpoint::parse(&checkpoint.to_text()).unwrap(), checkpoint);
    }
}
