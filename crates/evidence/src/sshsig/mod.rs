//! SSH keys and signatures of people (OpenSSH PROTOCOL.sshsig), git commit signatures included (namespace `git`).
//!
//! Accepted are Ed25519, ECDSA over P-256 and P-384, and the FIDO2 forms `sk-ssh-ed25519@openssh.com` and
//! `sk-ecdsa-sha2-nistp256@openssh.com`. RSA and DSA are refused. What a certificate says is in [`Certificate`]; a signature
//! with one in it is a signature of the certified key, and is stored with that alone. A hardware token's signature
//! counts only when the token reports that somebody touched it. Signatures of passkeys are in [`crate::webauthn`].

mod certificate;
mod ecdsa;
mod key;
mod krl;
pub(crate) mod wire;

use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, Signature, SshSig};

use crate::{Error, webauthn};
pub use certificate::Certificate;
pub use key::PublicKey;
pub use krl::{LARGEST_LIST, RevocationList, RevokedCertificates};
use wire::{Blob, MAX_TEXT, armor, dearmor};

/// Bytes after a hardware token's signature: flags and a counter.
const SK_TRAILER: usize = 5;
/// The flag of a hardware token: somebody touched it (FIDO2 authenticator data, UP).
const USER_PRESENT: u8 = 0x01;

/// The same signature in the one form that is stored: OpenSSH's 70 columns, `\n` line ends, the bare key where a certificate stands
/// (no signature is over that place, PROTOCOL.sshsig; and a certificate says more than belongs in a log).
///
/// # Errors
/// [`Error::SshSignature`] when it is none.
pub fn normalise(armored: &str) -> Result<String, Error> {
    let bytes = dearmor(armored)?;
    let key = Blob::parse(&bytes)?.key;
    if !certificate::is_certificate(key) {
        return Ok(armor(&bytes));
    }
    // Mark and version; the key; all the rest as it is.
    let head = bytes.get(..10).unwrap_or_default();
    let rest = bytes.get(14_usize.saturating_add(key.len())..).unwrap_or_default();
    let bare = certificate::certified_key(key)?.blob()?;
    Ok(armor(&[head, &certificate::string(&bare), rest].concat()))
}

/// The public key inside a signature: who claims to have made it. Verify before believing it.
///
/// # Errors
/// [`Error::SshSignature`], [`Error::SshKey`], [`Error::WeakAlgorithm`], [`Error::UnsupportedAlgorithm`].
pub fn embedded_key(armored: &str) -> Result<PublicKey, Error> {
    made_by(Blob::parse(&dearmor(armored)?)?.key)
}

/// The key in a signature, out of its certificate if it has one.
fn made_by(blob: &[u8]) -> Result<PublicKey, Error> {
    if certificate::is_certificate(blob) { certificate::certified_key(blob) } else { PublicKey::from_blob(blob) }
}

/// The namespace inside a signature: what it claims to have been made for.
///
/// # Errors
/// [`Error::SshSignature`] when it is none.
pub fn namespace(armored: &str) -> Result<String, Error> {
    Ok(Blob::parse(&dearmor(armored)?)?.namespace.to_owned())
}

/// Checks that `armored` is the signature of `key` over `message`, made for `namespace`.
///
/// # Errors
/// [`Error::SshSignature`] when it is none; [`Error::Namespace`], [`Error::OtherKey`], [`Error::UserPresence`],
/// [`Error::SshVerify`] or [`Error::Passkey`] when it is another one; [`Error::SshKey`], [`Error::WeakAlgorithm`] or
/// [`Error::UnsupportedAlgorithm`] when it was made with a key that nobody can have enrolled.
pub fn verify(key: &PublicKey, namespace: &str, message: &[u8], armored: &str) -> Result<(), Error> {
    let bytes = dearmor(armored)?;
    let blob = Blob::parse(&bytes)?;
    if blob.namespace != namespace {
        return Err(Error::Namespace { expected: namespace.to_owned(), found: blob.namespace.to_owned() });
    }
    let made_by = made_by(blob.key)?;
    if made_by != *key {
        return Err(Error::OtherKey { expected: key.fingerprint(), found: made_by.fingerprint() });
    }
    if blob.algorithm == webauthn::ALGORITHM {
        return webauthn::verify(key, &blob, message);
    }
    let wrong = || Error::SshVerify { fingerprint: key.fingerprint() };
    let trailer = if key.is_hardware() { SK_TRAILER } else { 0 };
    if blob.algorithm != key.algorithm() || blob.trailer.len() != trailer {
        return Err(wrong());
    }
    let damaged = |e| Error::SshSignature { what: "its structure is damaged", source: Some(e) };
    let hash = if blob.hash == "sha256" { HashAlg::Sha256 } else { HashAlg::Sha512 };
    let signature = Signature::new(key.key.algorithm(), [blob.raw, blob.trailer].concat()).map_err(damaged)?;
    let signed = SshSig::signed_data(namespace, hash, message).map_err(damaged)?;
    let holds = match ecdsa::verify(key.key.key_data(), &signed, blob.raw, blob.trailer) {
        Some(holds) => holds,
        None => {
            let signature = SshSig::new(key.key.key_data().clone(), namespace, hash, signature).map_err(damaged)?;
            key.key.verify(namespace, message, &signature).is_ok()
        }
    };
    if !holds {
        return Err(wrong());
    }
    match blob.trailer.first() {
        Some(flags) if flags & USER_PRESENT == 0 => Err(Error::UserPresence { fingerprint: key.fingerprint() }),
        _ => Ok(()),
    }
}

/// The public half of a private key file; it stands there in the clear, even when the private half is encrypted.
///
/// # Errors
/// [`Error::SshKey`], [`Error::WeakAlgorithm`], [`Error::UnsupportedAlgorithm`].
pub fn public_of_key_file(private_openssh: &str) -> Result<PublicKey, Error> {
    if private_openssh.len() > MAX_TEXT {
        return Err(Error::SshKey { what: "private key", source: None });
    }
    // Keys in the older PEM forms name their algorithm in the first line.
    for (name, algorithm) in [("RSA", Algorithm::Rsa { hash: None }), ("DSA", Algorithm::Dsa)] {
        if private_openssh.trim_start().starts_with(&format!("-----BEGIN {name} PRIVATE KEY-----")) {
            return Err(Error::WeakAlgorithm(algorithm.as_str().to_owned()));
        }
    }
    let blob = wire::public_of_private(private_openssh).ok_or(Error::SshKey { what: "private key", source: None })?;
    PublicKey::from_blob(&blob)
}

/// Signs `message` for `namespace` with an unencrypted private key file, hash SHA-512 as `ssh-keygen` does it.
///
/// # Errors
/// [`Error::SshKey`] when the file is malformed; [`Error::WeakAlgorithm`] and [`Error::UnsupportedAlgorithm`];
/// [`Error::EncryptedKey`] when it has a passphrase; [`Error::HardwareKey`] when it is only the handle of a token.
pub fn sign_with_key_file(private_openssh: &str, namespace: &str, message: &[u8]) -> Result<String, Error> {
    let public = public_of_key_file(private_openssh)?;
    if public.is_hardware() {
        return Err(Error::HardwareKey);
    }
    let private = PrivateKey::from_openssh(private_openssh.trim_start())
        .map_err(|e| Error::SshKey { what: "private key", source: Some(e) })?;
    if private.is_encrypted() {
        return Err(Error::EncryptedKey);
    }
    let failed = |e| Error::SshSignature { what: "it could not be made", source: Some(e) };
    let pem = private.sign(namespace, HashAlg::Sha512, message).and_then(|s| s.to_pem(LineEnding::LF));
    let armored = normalise(&pem.map_err(failed)?)?;
    // A damaged key file can hold halves that do not match; such a signature would verify nowhere.
    verify(&public, namespace, message, &armored)?;
    Ok(armored)
}
