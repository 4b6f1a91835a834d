//! Signed acts.

use std::collections::BTreeSet;

use countersign_evidence::act::{APPROVAL, GRANT, NAMESPACES, ROLE, SignedAct};
use countersign_evidence::sshsig::{self, PublicKey};
use countersign_evidence::statement::{Statement, Subject};
use countersign_evidence::{Error, canonical};
use serde_json::{Value, json};

/// Keys of nobody, made for these tests.
fn key(seed: u8) -> (PublicKey, String) {
    let pair = ssh_key::private::Ed25519Keypair::from_seed(&[seed; 32]);
    let private = ssh_key::PrivateKey::from(pair);
    let file = private.to_openssh(ssh_key::LineEnding::LF).unwrap().to_string();
    (PublicKey::parse(&private.public_key().to_openssh().unwrap()).unwrap(), file)
}

fn statement() -> Vec<u8> {
    let subject = vec![Subject::new("commit", "gitCommit", "00")];
    Statement::new(subject, "https://example.com/approval/v1", json!({"role": "technical"})).to_vec().unwrap()
}

fn signed() -> SignedAct {
    let (public, private) = key(1);
    let armored = sshsig::sign_with_key_file(&private, APPROVAL, &statement()).unwrap();
    SignedAct::new(APPROVAL, &statement(), &armored, &public).unwrap()
}

#[test]
fn acts_open_and_read_back() {
    let (public, _) = key(1);
    let act = signed();
    assert_eq!(act.open(APPROVAL, &public).unwrap(), statement());
    assert_eq!((act.namespace(), act.claimed_key().unwrap()), (APPROVAL, public));
    let bytes = act.to_vec().unwrap();
    assert_eq!(SignedAct::from_slice(&bytes).unwrap(), act);
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    let fields: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["namespace", "payload", "payloadType", "signature"]);
    assert!(value["signature"].as_str().unwrap().starts_with("-----BEGIN SSH SIGNATURE-----\n"));
}

#[test]
fn an_act_counts_for_one_kind_one_person_and_one_statement() {
    let ((ada, ada_key), (bob, _)) = (key(1), key(2));
    let act = signed();
    assert!(matches!(act.open(GRANT, &ada), Err(Error::Namespace { .. })));
    assert!(matches!(act.open(APPROVAL, &bob), Err(Error::OtherKey { .. })));
    let armored = sshsig::sign_with_key_file(&ada_key, APPROVAL, &statement()).unwrap();
    let refuse = |namespace, statement: &[u8], key| SignedAct::new(namespace, statement, &armored, key).unwrap_err();
    assert!(matches!(refuse(GRANT, &statement(), &ada), Error::Namespace { .. }));
    assert!(matches!(refuse("git", &statement(), &ada), Error::Act(_)));
    assert!(matches!(refuse(APPROVAL, &statement(), &bob), Error::OtherKey { .. }));
    let other = String::from_utf8(statement()).unwrap().replace("technical", "regulatory");
    assert!(matches!(refuse(APPROVAL, other.as_bytes(), &ada), Error::SshVerify { .. }));
    let spaced = String::from_utf8(statement()).unwrap().replace(':', ": ");
    assert!(matches!(refuse(APPROVAL, spaced.as_bytes(), &ada), Error::NotCanonical));
    assert!(matches!(refuse(APPROVAL, b"{}", &ada), Error::Json(_)));
}

#[test]
fn a_signature_for_git_is_no_act() {
    let (public, private) = key(1);
    let armored = sshsig::sign_with_key_file(&private, "git", &statement()).unwrap();
    assert!(matches!(SignedAct::new(APPROVAL, &statement(), &armored, &public), Err(Error::Namespace { .. })));
}

#[test]
fn stored_acts_have_one_form() {
    let value: Value = serde_json::from_slice(&signed().to_vec().unwrap()).unwrap();
    let altered = |change: &dyn Fn(&mut Value)| {
        let mut value = value.clone();
        change(&mut value);
        SignedAct::from_slice(&canonical::to_vec(&value).unwrap()).unwrap_err()
    };
    assert!(matches!(altered(&|v| v["more"] = json!(1)), Error::Json(_)));
    assert!(matches!(altered(&|v| v["payloadType"] = json!("text/plain")), Error::Act(_)));
    assert!(matches!(altered(&|v| v["namespace"] = json!("git")), Error::Act(_)));
    assert!(matches!(altered(&|v| v["namespace"] = json!(GRANT)), Error::Namespace { .. }));
    assert!(matches!(altered(&|v| v["payload"] = json!("!")), Error::Act(_)));
    let reflowed = |v: &mut Value| v["signature"] = json!(v["signature"].as_str().unwrap().trim_end());
    assert!(matches!(altered(&reflowed), Error::Act(_)));
    assert!(matches!(SignedAct::from_slice(&serde_json::to_vec_pretty(&value).unwrap()), Err(Error::NotCanonical)));
}

#[test]
fn every_altered_bit_of_an_act_rejects_it() {
    let (public, _) = key(1);
    let bytes = signed().to_vec().unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << bit;
            let accepted = SignedAct::from_slice(&altered).is_ok_and(|act| act.open(APPROVAL, &public).is_ok());
            assert!(!accepted, "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn every_kind_of_act_has_a_namespace_of_its_own() {
    assert_eq!(NAMESPACES.iter().collect::<BTreeSet<_>>().len(), NAMESPACES.len());
    for namespace in NAMESPACES {
        assert!(namespace.starts_with("countersign-"), "{namespace}");
        // Grants of roles are said anew: nobody grants to themselves any more.
        let version = if *namespace == ROLE { "@v2" } else { "@v1" };
        assert!(namespace.ends_with(version), "{namespace}");
    }
}
