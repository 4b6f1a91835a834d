//! Envelopes, machine keys and statements; `openssl` is the other party.

use countersign_evidence::dsse::{self, Envelope, EnvelopeSignature};
use countersign_evidence::machine::{MachineKey, MachinePublicKey};
use countersign_evidence::statement::{PAYLOAD_TYPE, STATEMENT_TYPE, Statement, Subject};
use countersign_evidence::{Error, canonical};
use countersign_model::Digest;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{both, command, have, must};

fn key() -> MachineKey {
    MachineKey::from_seed(&[1; 32])
}

#[test]
fn the_signed_bytes_are_those_of_the_specification() {
    // DSSE protocol, "PAE", with the specification's own example.
    let pae = dsse::pae("http://example.com/HelloWorld", b"hello world");
    assert_eq!(pae, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    // Lengths are in bytes, not in characters.
    assert_eq!(dsse::pae("é", b""), "DSSEv1 2 é 0 ".as_bytes());
}

#[test]
fn envelopes_verify_and_read_back() {
    let envelope = dsse::sign("text/plain", b"hello", &key()).unwrap();
    let json = envelope.to_json().unwrap();
    assert!(canonical::is_canonical(&json));
    assert_eq!(Envelope::from_json(&json).unwrap(), envelope);
    assert_eq!(envelope.verify(&[key().public()]).unwrap(), b"hello");
    assert_eq!(envelope.verify_type("text/plain", &[key().public()]).unwrap(), b"hello");
    assert!(matches!(envelope.verify_type("text/html", &[key().public()]), Err(Error::Envelope(_))));
    assert!(matches!(envelope.verify(&[]), Err(Error::NoKnownMachine)));
    assert!(matches!(envelope.verify(&[MachineKey::from_seed(&[2; 32]).public()]), Err(Error::NoKnownMachine)));
}

#[test]
fn known_keys_must_verify_and_unknown_ones_are_ignored() {
    let other = MachineKey::from_seed(&[2; 32]);
    let mut envelope = dsse::sign("t", b"hello", &key()).unwrap();
    envelope.signatures.extend(dsse::sign("t", b"hello", &other).unwrap().signatures);
    assert!(envelope.verify(&[key().public()]).is_ok());
    // A signature that names a known key, and is another's.
    envelope.signatures[1].sig = dsse::sign("t", b"other", &other).unwrap().signatures[0].sig.clone();
    assert!(envelope.verify(&[key().public()]).is_ok());
    let both = envelope.verify(&[key().public(), other.public()]);
    assert!(matches!(both, Err(Error::EnvelopeSignature { keyid }) if keyid == other.public().id()));
    // Without a key id any known key will do.
    let anonymous = |sig: &str| Envelope {
        signatures: vec![EnvelopeSignature { keyid: String::new(), sig: sig.to_owned() }],
        ..envelope.clone()
    };
    assert!(anonymous(&envelope.signatures[0].sig).verify(&[other.public(), key().public()]).is_ok());
    assert!(matches!(anonymous(&envelope.signatures[1].sig).verify(&[key().public()]), Err(Error::NoKnownMachine)));
    envelope.signatures = vec![envelope.signatures[0].clone(); dsse::MAX_SIGNATURES + 1];
    assert!(matches!(envelope.verify(&[key().public()]), Err(Error::Envelope(_))));
}

#[test]
fn url_safe_base64_of_other_tools_is_read() {
    let mut envelope = dsse::sign("t", &[0xfb, 0xff, 0xfe], &key()).unwrap();
    assert_eq!(envelope.payload, "+//+");
    envelope.payload = "-__-".into();
    envelope.signatures[0].sig = envelope.signatures[0].sig.replace('+', "-").replace('/', "_");
    assert_eq!(envelope.verify(&[key().public()]).unwrap(), [0xfb, 0xff, 0xfe]);
}

#[test]
fn every_altered_bit_of_an_envelope_rejects_it() {
    let bytes = dsse::sign(PAYLOAD_TYPE, br#"{"a":1}"#, &key()).unwrap().to_json().unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << bit;
            let accepted = Envelope::from_json(&altered).is_ok_and(|e| e.verify(&[key().public()]).is_ok());
            assert!(!accepted, "byte {at}, bit {bit}: {}", String::from_utf8_lossy(&altered));
        }
    }
}

#[test]
fn machine_keys_read_back() {
    let key = MachineKey::generate().unwrap();
    assert_eq!(MachineKey::from_pem(&key.to_pem().unwrap()).unwrap().public(), key.public());
    let text = key.public().to_string();
    assert!(text.starts_with("ed25519:"));
    assert_eq!(text.parse::<MachinePublicKey>().unwrap(), key.public());
    let json = serde_json::to_string(&key.public()).unwrap();
    assert_eq!(serde_json::from_str::<MachinePublicKey>(&json).unwrap(), key.public());
    assert_eq!(key.public().id(), Digest::of(key.public().as_bytes()).hex());
    assert!(!format!("{key:?}").contains(key.to_pem().unwrap().lines().nth(1).unwrap()));
    assert_ne!(MachineKey::generate().unwrap().public(), key.public());
}

#[test]
fn other_machine_keys_are_refused() {
    let pem = key().to_pem().unwrap();
    for bad in [
        String::new(),
        pem.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
        pem.replace("MC4C", "MC8C"),
        pem.replace("AQEB\n", "\n"),
        format!("{}{}", *pem, *pem),
        pem.lines().take(2).collect::<Vec<_>>().join("\n"),
        key().public().to_pem(),
    ] {
        assert!(matches!(MachineKey::from_pem(&bad), Err(Error::MachineKey(_))), "{bad}");
    }
    let identity = format!("ed25519:{}", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    for bad in ["", "ed25519:", "ed25519:AA==", "rsa:AA==", &identity] {
        assert!(matches!(bad.parse::<MachinePublicKey>(), Err(Error::MachineKey(_))), "{bad}");
    }
}

#[test]
fn openssl_reads_our_keys_and_verifies_our_envelopes() {
    if !have("openssl", &["version"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("key.pem"), key().to_pem().unwrap().as_bytes()).unwrap();
    let public = must(command("openssl").args(["pkey", "-pubout", "-in"]).arg(path("key.pem")));
    assert_eq!(public, key().public().to_pem());

    let envelope = dsse::sign(PAYLOAD_TYPE, b"{}", &key()).unwrap();
    std::fs::write(path("pub.pem"), public).unwrap();
    std::fs::write(path("signed"), dsse::pae(PAYLOAD_TYPE, b"{}")).unwrap();
    std::fs::write(path("sig"), key().sign(&dsse::pae(PAYLOAD_TYPE, b"{}")).unwrap()).unwrap();
    assert!(envelope.verify(&[key().public()]).is_ok());
    let mut verify = command("openssl");
    verify.args(["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey"]).arg(path("pub.pem"));
    verify.arg("-in").arg(path("signed")).arg("-sigfile").arg(path("sig"));
    must(&mut verify);
    std::fs::write(path("signed"), "altered").unwrap();
    let output = verify.output().unwrap();
    assert!(!output.status.success(), "{}", both(&output));

    must(command("openssl").args(["genpkey", "-algorithm", "ed25519", "-out"]).arg(path("theirs.pem")));
    let theirs = std::fs::read_to_string(path("theirs.pem")).unwrap();
    let public = must(command("openssl").args(["pkey", "-pubout", "-in"]).arg(path("theirs.pem")));
    assert_eq!(MachineKey::from_pem(&theirs).unwrap().public().to_pem(), public);
}

#[test]
fn statements_are_those_of_in_toto() {
    let subject = vec![Subject::sha256("app.tar", &Digest::of(b"app")), Subject::new("commit", "gitCommit", "ab")];
    let statement = Statement::new(subject, "https://example.com/p/v1", json!({"x": 1}));
    let bytes = statement.to_vec().unwrap();
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        value,
        json!({
            "_type": STATEMENT_TYPE, "predicateType": "https://example.com/p/v1", "predicate": {"x": 1},
            "subject": [
                {"name": "app.tar", "digest": {"sha256": Digest::of(b"app").hex()}},
                {"name": "commit", "digest": {"gitCommit": "ab"}},
            ],
        })
    );
    assert_eq!(Statement::<Value>::from_slice(&bytes, "https://example.com/p/v1").unwrap(), statement);
    assert!(matches!(Statement::<Value>::from_slice(&bytes, "other"), Err(Error::Statement(_))));

    let altered = |change: &dyn Fn(&mut Value)| {
        let mut value = value.clone();
        change(&mut value);
        Statement::<Value>::from_slice(&canonical::to_vec(&value).unwrap(), "https://example.com/p/v1")
    };
    assert!(matches!(altered(&|v| v["_type"] = json!("https://in-toto.io/Statement/v0.1")), Err(Error::Statement(_))));
    assert!(matches!(altered(&|v| v["subject"] = json!([])), Err(Error::Statement(_))));
    assert!(matches!(altered(&|v| v["subject"][0]["digest"] = json!({})), Err(Error::Statement(_))));
    assert!(matches!(altered(&|v| v["more"] = json!(1)), Err(Error::Json(_))));
    assert!(matches!(altered(&|v| v["subject"][0]["uri"] = json!("x")), Err(Error::Json(_))));
    let spaced = serde_json::to_vec_pretty(&value).unwrap();
    assert!(matches!(Statement::<Value>::from_slice(&spaced, "https://example.com/p/v1"), Err(Error::NotCanonical)));
    assert!(matches!(Statement::new(vec![], "p", json!({})).to_vec(), Err(Error::Statement(_))));
}

proptest! {
    #[test]
    fn whatever_is_signed_verifies(payload: Vec<u8>, payload_type: String, seed: [u8; 32]) {
        let key = MachineKey::from_seed(&seed);
        let envelope = Envelope::from_json(&dsse::sign(&payload_type, &payload, &key).unwrap().to_json().unwrap()).unwrap();
        prop_assert_eq!(envelope.verify_type(&payload_type, &[key.public()]).unwrap(), payload);
    }

    #[test]
    fn two_payloads_never_share_their_signed_bytes(a: (String, Vec<u8>), b: (String, Vec<u8>)) {
        prop_assert_eq!(a == b, dsse::pae(&a.0, &a.1) == dsse::pae(&b.0, &b.1));
    }
}
