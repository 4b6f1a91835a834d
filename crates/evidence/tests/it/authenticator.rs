//! An authenticator and a browser in software, made for tests: they answer as WebAuthn says, or a little differently.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Flags: present and verified.
pub(crate) const UP_UV: u8 = 0x05;
/// A credential follows.
pub(crate) const AT: u8 = 0x40;

/// An authenticator with one credential, and the browser before it.
#[derive(Clone)]
pub(crate) struct Authenticator {
    pub(crate) key: SigningKey,
    pub(crate) rp_id: String,
    pub(crate) origin: String,
    pub(crate) credential: Vec<u8>,
    pub(crate) flags: u8,
    pub(crate) counter: u32,
}

impl Authenticator {
    pub(crate) fn new(seed: u8, origin: &str, rp_id: &str) -> Self {
        Self {
            key: SigningKey::from_slice(&[seed; 32]).unwrap(),
            rp_id: rp_id.to_owned(),
            origin: origin.to_owned(),
            credential: vec![seed; 20],
            flags: UP_UV,
            counter: 0,
        }
    }

    pub(crate) fn id(&self) -> String {
        base64url(&self.credential)
    }

    /// What a browser says of a ceremony, as WebAuthn §5.8.1.1 writes it.
    pub(crate) fn client_data(&self, kind: &str, challenge: &str) -> String {
        let origin = &self.origin;
        format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}","crossOrigin":false}}"#)
    }

    /// Authenticator data, with what follows the counter.
    pub(crate) fn data(&self, flags: u8, tail: &[u8]) -> Vec<u8> {
        [&Sha256::digest(&self.rp_id)[..], &[flags], &self.counter.to_be_bytes(), tail].concat()
    }

    /// The new credential: kind of authenticator, id and COSE key.
    pub(crate) fn attested(&self) -> Vec<u8> {
        self.attested_with(&self.cose())
    }

    pub(crate) fn attested_with(&self, cose: &[u8]) -> Vec<u8> {
        let len = u16::try_from(self.credential.len()).unwrap().to_be_bytes();
        [&[0xaa; 16][..], &len, &self.credential, cose].concat()
    }

    /// The key in COSE: {1: 2, 3: -7, -1: 1, -2: x, -3: y}.
    pub(crate) fn cose(&self) -> Vec<u8> {
        let (x, y) = self.point();
        [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32][..], &x, &[0x22, 0x58, 32], &y].concat()
    }

    pub(crate) fn point(&self) -> (Vec<u8>, Vec<u8>) {
        let point = self.key.verifying_key().to_encoded_point(false);
        (point.x().unwrap().to_vec(), point.y().unwrap().to_vec())
    }

    /// Signs authenticator data and the digest of client data: DER.
    pub(crate) fn sign(&self, data: &[u8], client_data: &str) -> Vec<u8> {
        let signature: Signature = self.key.sign(&[data, &Sha256::digest(client_data)[..]].concat());
        der(&signature)
    }

    /// The browser's answer to `navigator.credentials.create`, attestation `none`.
    pub(crate) fn create(&self, challenge: &str) -> Value {
        let data = self.data(self.flags | AT, &self.attested());
        self.created(&self.client_data("webauthn.create", challenge), &attestation(&data))
    }

    pub(crate) fn created(&self, client_data: &str, attestation: &[u8]) -> Value {
        json!({
            "id": self.id(), "rawId": self.id(), "type": "public-key", "authenticatorAttachment": "cross-platform",
            "clientExtensionResults": {"credProps": {"rk": true}},
            "response": {
                "clientDataJSON": base64url(client_data.as_bytes()), "attestationObject": base64url(attestation),
                "transports": ["usb"],
            },
        })
    }

    /// The browser's answer to `navigator.credentials.get`. The counter goes on.
    pub(crate) fn get(&mut self, challenge: &str) -> Value {
        self.counter += 1;
        let client_data = self.client_data("webauthn.get", challenge);
        self.got(&self.data(self.flags, &[]), &client_data)
    }

    pub(crate) fn got(&self, data: &[u8], client_data: &str) -> Value {
        self.answered(data, client_data, &self.sign(data, client_data))
    }

    pub(crate) fn answered(&self, data: &[u8], client_data: &str, signature: &[u8]) -> Value {
        json!({
            "id": self.id(), "rawId": self.id(), "type": "public-key", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": base64url(client_data.as_bytes()), "authenticatorData": base64url(data),
                "signature": base64url(signature), "userHandle": null,
            },
        })
    }
}

/// An attestation object of format `none`, in CTAP2's canonical form.
pub(crate) fn attestation(data: &[u8]) -> Vec<u8> {
    attestation_with("none", &[0xa0], data)
}

pub(crate) fn attestation_with(format: &str, statement: &[u8], data: &[u8]) -> Vec<u8> {
    [&[0xa3][..], &text("fmt"), &text(format), &text("attStmt"), statement, &text("authData"), &bytes(data)].concat()
}

/// A short text in CBOR.
pub(crate) fn text(text: &str) -> Vec<u8> {
    [&[0x60 + u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

/// Bytes in CBOR.
pub(crate) fn bytes(bytes: &[u8]) -> Vec<u8> {
    let head = match u16::try_from(bytes.len()).unwrap() {
        n @ ..24 => vec![0x40 + n.to_be_bytes()[1]],
        n @ 24..256 => vec![0x58, n.to_be_bytes()[1]],
        n => [&[0x59][..], &n.to_be_bytes()].concat(),
    };
    [head, bytes.to_vec()].concat()
}

/// A signature as authenticators write it (RFC 3279 §2.2.3).
pub(crate) fn der(signature: &Signature) -> Vec<u8> {
    let number = |half: &[u8]| {
        let start = half.iter().position(|b| *b != 0).unwrap();
        let sign: &[u8] = if half[start] >= 0x80 { &[0] } else { &[] };
        let number = [sign, &half[start..]].concat();
        [vec![2, u8::try_from(number.len()).unwrap()], number].concat()
    };
    let (r, s) = signature.split_bytes();
    let body = [number(&r), number(&s)].concat();
    [vec![0x30, u8::try_from(body.len()).unwrap()], body].concat()
}

pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
