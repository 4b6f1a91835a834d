//! OpenSSH certificates (PROTOCOL.certkeys): a key, and what an authority says of it.

use ring::digest::{SHA256, digest};
use ssh_key::public::KeyData;

use super::key::PublicKey;
use super::wire::{Blob, MAX_TEXT, Reader, dearmor};
use super::{SK_TRAILER, USER_PRESENT, ecdsa};
use crate::Error;
use crate::encoding::{from_base64, to_base64};

/// How the name of a certificate's kind ends, after that of the key's without a domain.
const SUFFIX: &str = "-cert-v01@openssh.com";
/// The most principals and options that are read.
const MOST: usize = 256;

/// A certificate whose authority signed it; whether that authority is anybody, and whether it counts now, is decided elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The certified key.
    pub key: PublicKey,
    /// The key that signed it.
    pub authority: PublicKey,
    /// The authority's number for it; 0 where it numbers none.
    pub serial: u64,
    /// The authority's text for its logs.
    pub key_id: String,
    /// Whom it is for.
    pub principals: Vec<String>,
    /// Whether it is a user's, and not a host's.
    pub user: bool,
    /// It counts from this second of Unix time on.
    pub valid_after: u64,
    /// It counts before this second; `u64::MAX` means for ever.
    pub valid_before: u64,
    /// The names of its critical options.
    pub critical: Vec<String>,
    line: String,
}

impl Certificate {
    /// Reads a line of OpenSSH form, `ssh-ed25519-cert-v01@openssh.com AAAA… comment`, and verifies the authority's signature.
    ///
    /// # Errors
    /// [`Error::SshCertificate`]; those of [`PublicKey::parse`] for a certified key or an authority of a kind that is not accepted:
    /// RSA with any hash is not.
    pub fn parse(line: &str) -> Result<Self, Error> {
        let line = line.trim();
        if line.len() > MAX_TEXT || line.contains(['\n', '\r', '\0']) {
            return Err(bad("it is no single line"));
        }
        let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        let (name, base64) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let blob = from_base64(base64).ok_or(bad("it is not base64"))?;
        let certificate = Self::from_blob(&blob)?;
        if Reader::new(&blob).text() == Some(name) { Ok(certificate) } else { Err(bad("its kind is another one")) }
    }

    /// The certificate inside a signature, if there is one in it.
    ///
    /// # Errors
    /// As [`Certificate::parse`]; [`Error::SshSignature`].
    pub fn of_signature(armored: &str) -> Result<Option<Self>, Error> {
        let bytes = dearmor(armored)?;
        let key = Blob::parse(&bytes)?.key;
        if is_certificate(key) { Self::from_blob(key).map(Some) } else { Ok(None) }
    }

    fn from_blob(blob: &[u8]) -> Result<Self, Error> {
        let damaged = || bad("its structure is damaged");
        let mut reader = Reader::new(blob);
        let key = certified(&mut reader)?;
        let serial = reader.u64().ok_or_else(damaged)?;
        let kind = reader.u32().ok_or_else(damaged)?;
        let key_id = reader.text().ok_or_else(damaged)?.to_owned();
        let principals = texts(reader.string().ok_or_else(damaged)?).ok_or_else(damaged)?;
        let valid_after = reader.u64().ok_or_else(damaged)?;
        let valid_before = reader.u64().ok_or_else(damaged)?;
        let critical = options(reader.string().ok_or_else(damaged)?).ok_or_else(damaged)?;
        options(reader.string().ok_or_else(damaged)?).ok_or_else(damaged)?;
        let reserved = reader.string().ok_or_else(damaged)?;
        // Of a kind that is not accepted: a certificate is no authority, and RSA is not one.
        let authority = PublicKey::from_blob(reader.string().ok_or_else(damaged)?)?;
        let signed = blob.get(..blob.len().saturating_sub(reader.len())).ok_or_else(damaged)?;
        let signature = reader.string().ok_or_else(damaged)?;
        reader.end().ok_or_else(damaged)?;
        if !reserved.is_empty() || !matches!(kind, 1 | 2) {
            return Err(damaged());
        }
        if valid_after >= valid_before {
            return Err(bad("it counts at no time"));
        }
        let mut reader = Reader::new(signature);
        let algorithm = reader.text().ok_or_else(damaged)?;
        let raw = reader.string().ok_or_else(damaged)?;
        if !holds(&authority, signed, algorithm, raw, reader.rest()) {
            return Err(bad("its authority did not sign it"));
        }
        let name = Reader::new(blob).text().ok_or_else(damaged)?;
        let line = format!("{name} {}", to_base64(blob));
        Ok(Self {
            key,
            authority,
            serial,
            key_id,
            principals,
            user: kind == 1,
            valid_after,
            valid_before,
            critical,
            line,
        })
    }

    /// The OpenSSH line without a comment: one certificate, one line.
    #[must_use]
    pub fn to_openssh(&self) -> &str {
        &self.line
    }
}

const fn bad(what: &'static str) -> Error {
    Error::SshCertificate(what)
}

/// Whether an encoded key is a certificate.
pub(super) fn is_certificate(blob: &[u8]) -> bool {
    Reader::new(blob).text().is_some_and(|name| name.ends_with(SUFFIX))
}

/// The certified key of an encoded certificate.
pub(super) fn certified_key(blob: &[u8]) -> Result<PublicKey, Error> {
    certified(&mut Reader::new(blob))
}

/// Reads the kind, the nonce and the key; the rest of the certificate follows.
fn certified(reader: &mut Reader<'_>) -> Result<PublicKey, Error> {
    let damaged = || bad("its structure is damaged");
    let name = reader.text().ok_or_else(damaged)?;
    let bare = name.strip_suffix(SUFFIX).ok_or(bad("it is of no kind of certificate"))?;
    let (fields, name) = match bare {
        "ssh-ed25519" => (1, bare.to_owned()),
        "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" => (2, bare.to_owned()),
        "sk-ssh-ed25519" => (2, format!("{bare}@openssh.com")),
        "sk-ecdsa-sha2-nistp256" => (3, format!("{bare}@openssh.com")),
        "ssh-rsa" | "ssh-dss" => return Err(Error::WeakAlgorithm(bare.to_owned())),
        _ => return Err(bad("it is of a kind that is not accepted")),
    };
    reader.string().ok_or_else(damaged)?;
    let mut blob = string(name.as_bytes());
    for _ in 0..fields {
        blob.extend(string(reader.string().ok_or_else(damaged)?));
    }
    PublicKey::from_blob(&blob)
}

/// A length and that many bytes.
pub(super) fn string(bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&len.to_be_bytes(), bytes].concat()
}

fn texts(bytes: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader::new(bytes);
    let mut texts = Vec::new();
    while !reader.is_empty() && texts.len() < MOST {
        texts.push(reader.text()?.to_owned());
    }
    reader.end()?;
    Some(texts)
}

/// The names of options, which stand in order and once each.
fn options(bytes: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader::new(bytes);
    let mut names: Vec<String> = Vec::new();
    while !reader.is_empty() && names.len() < MOST {
        let name = reader.text()?.to_owned();
        reader.string()?;
        if names.last().is_some_and(|last| *last >= name) {
            return None;
        }
        names.push(name);
    }
    reader.end()?;
    Some(names)
}

/// Whether a key made a signature over these bytes as they are, and, if it is a token's, somebody touched it.
fn holds(key: &PublicKey, signed: &[u8], algorithm: &str, raw: &[u8], trailer: &[u8]) -> bool {
    let expected = if key.is_hardware() { SK_TRAILER } else { 0 };
    if algorithm != key.algorithm() || trailer.len() != expected {
        return false;
    }
    if trailer.first().is_some_and(|flags| flags & USER_PRESENT == 0) {
        return false;
    }
    let data = key.key.key_data();
    if let Some(holds) = ecdsa::verify(data, signed, raw, trailer) {
        return holds;
    }
    let (point, message) = match data {
        KeyData::Ed25519(key) => (key.0, signed.to_vec()),
        KeyData::SkEd25519(key) => {
            let (application, message) = (digest(&SHA256, key.application().as_bytes()), digest(&SHA256, signed));
            (key.public_key().0, [application.as_ref(), trailer, message.as_ref()].concat())
        }
        _ => return false,
    };
    let (Ok(key), Ok(signature)) =
        (ed25519_dalek::VerifyingKey::from_bytes(&point), ed25519_dalek::Signature::from_slice(raw))
    else {
        return false;
    };
    key.verify_strict(&message, &signature).is_ok()
}
