//! Keys in devices: what comes back from one is verified before it is used.

use std::sync::Arc;

use countersign_evidence::machine::MachineKey;
use countersign_evidence::note::{self, SignerKey};
use countersign_evidence::signer::{RawSigner, RemoteError};
use countersign_evidence::{Error, dsse};
use countersign_model::Diagnostic as _;

/// A device that holds `key` and answers as `answer` says.
#[derive(Debug)]
struct Device {
    key: MachineKey,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Right,
    OtherBytes,
    Zeros,
    Refuse,
}

impl RawSigner for Device {
    fn public(&self) -> [u8; 32] {
        *self.key.public().as_bytes()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], Error> {
        match self.answer {
            Answer::Right => self.key.sign(message),
            Answer::OtherBytes => self.key.sign(&[message, b"!"].concat()),
            Answer::Zeros => Ok([0; 64]),
            Answer::Refuse => Err(Error::Remote(RemoteError::new(Error::HardwareKey))),
        }
    }
}

fn device(answer: Answer) -> Arc<dyn RawSigner> {
    Arc::new(Device { key: MachineKey::from_seed(&[7; 32]), answer })
}

#[test]
fn a_key_in_a_device_signs_as_one_in_memory_does() {
    let local = SignerKey::from_seed("log", &[7; 32]).unwrap();
    let remote = SignerKey::remote("log", device(Answer::Right)).unwrap();
    assert_eq!(remote.verifier(), local.verifier());
    assert_eq!(note::sign("text\n", &remote).unwrap(), note::sign("text\n", &local).unwrap());
    assert!(remote.to_text().is_none(), "there is no secret to write down");

    let local = MachineKey::from_seed(&[7; 32]);
    let remote = MachineKey::remote(device(Answer::Right)).unwrap();
    assert_eq!(remote.public(), local.public());
    assert_eq!(dsse::sign("t", b"x", &remote).unwrap(), dsse::sign("t", b"x", &local).unwrap());
    assert!(remote.to_pem().is_none());
}

#[test]
fn a_signature_that_does_not_verify_is_never_used() {
    for answer in [Answer::OtherBytes, Answer::Zeros] {
        let key = device(answer);
        let note = note::sign("text\n", &SignerKey::remote("log", Arc::clone(&key)).unwrap());
        assert!(matches!(note, Err(Error::RemoteSignature)), "{note:?}");
        let envelope = dsse::sign("t", b"x", &MachineKey::remote(key).unwrap());
        assert!(matches!(envelope, Err(Error::RemoteSignature)), "{envelope:?}");
    }
}

#[test]
fn what_a_device_says_keeps_its_code_and_help() {
    let key = SignerKey::remote("log", device(Answer::Refuse)).unwrap();
    let error = note::sign("text\n", &key).unwrap_err();
    assert_eq!(error.code(), Error::HardwareKey.code());
    assert_eq!(error.exit(), Error::HardwareKey.exit());
    assert_eq!((error.to_string(), error.help()), (Error::HardwareKey.to_string(), Error::HardwareKey.help()));
}

/// A device whose public key is the neutral element, under which anybody can sign anything.
#[derive(Debug)]
struct Weak;

impl RawSigner for Weak {
    fn public(&self) -> [u8; 32] {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        neutral
    }

    fn sign(&self, _: &[u8]) -> Result<[u8; 64], Error> {
        Ok([0; 64])
    }
}

#[test]
fn a_device_with_a_weak_key_is_refused() {
    assert!(matches!(SignerKey::remote("log", Arc::new(Weak)), Err(Error::SignerKey(_))));
    assert!(matches!(MachineKey::remote(Arc::new(Weak)), Err(Error::MachineKey(_))));
    assert!(matches!(SignerKey::remote("a name", device(Answer::Right)), Err(Error::SignerKey(_))));
}
