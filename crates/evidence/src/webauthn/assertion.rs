//! A passkey's signature: from the browser's answer to an SSHSIG, and how that is verified (WebAuthn §7.2).

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use ssh_key::{HashAlg, SshSig};

use super::{
    BACKED_UP, BACKUP_ELIGIBLE, HAS_CREDENTIAL, HAS_EXTENSIONS, LARGEST, PasskeyError, bytes_of, check_flags,
    check_origin, client_data, ecdsa,
};
use crate::Error;
use crate::sshsig::{self, PublicKey, wire};

/// The name of the signature's format (OpenSSH PROTOCOL.u2f).
pub(crate) const ALGORITHM: &str = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com";
/// Bytes of authenticator data without a credential and extensions: hash of the relying party's id, flags, counter.
const AUTHENTICATOR_DATA: usize = 37;

/// What the browser answered to a request for a signature: the JSON of `PublicKeyCredential.toJSON()` (WebAuthn Level 3 §5.1).
#[derive(Debug, Clone)]
pub struct Assertion {
    credential: String,
    client_data: Vec<u8>,
    authenticator_data: Vec<u8>,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    id: String,
    raw_id: String,
    #[serde(rename = "type")]
    kind: String,
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    #[serde(rename = "authenticatorData")]
    authenticator_data: String,
    signature: String,
}

/// What a passkey is asked to sign for an act: all that an SSH signature is over, the digest (SHA-512) of the statement among it.
///
/// # Errors
/// [`Error::SshSignature`] when the namespace is none.
pub fn challenge(namespace: &str, statement: &[u8]) -> Result<Vec<u8>, Error> {
    SshSig::signed_data(namespace, HashAlg::Sha512, statement)
        .map_err(|e| Error::SshSignature { what: "its namespace is none", source: Some(e) })
}

/// Whether a signature counter (WebAuthn §6.1.1) went on. Of an authenticator that keeps none it is always 0; one that goes back
/// or stands still says that there are two of it.
#[must_use]
pub const fn advances(before: u32, now: u32) -> bool {
    now > before || (now == 0 && before == 0)
}

impl Assertion {
    /// Reads the browser's answer. What is in it is not believed yet.
    ///
    /// # Errors
    /// [`PasskeyError::Form`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, PasskeyError> {
        if bytes.len() > LARGEST {
            return Err(PasskeyError::Form("it is larger than 64 KiB"));
        }
        let answer: Answer =
            serde_json::from_slice(bytes).map_err(|_| PasskeyError::Form("it is no JSON of a signature"))?;
        if answer.kind != "public-key" || answer.id != answer.raw_id {
            return Err(PasskeyError::Form("it is of no public-key credential"));
        }
        Ok(Self {
            client_data: bytes_of(&answer.response.client_data)?,
            authenticator_data: bytes_of(&answer.response.authenticator_data)?,
            signature: bytes_of(&answer.response.signature)?,
            credential: answer.id,
        })
    }

    /// The id of the credential that answered: to look a key up by, never to verify with.
    #[must_use]
    pub fn credential(&self) -> &str {
        &self.credential
    }

    /// The answer as an armoured SSHSIG of the passkey `key` over `message` for `namespace`, verified. `credential` and `origin` are
    /// those that it was enrolled with.
    ///
    /// # Errors
    /// [`Error::Passkey`]: it is not that.
    pub fn into_sshsig(
        self,
        key: &PublicKey,
        credential: &str,
        origin: &str,
        namespace: &str,
        message: &[u8],
    ) -> Result<String, Error> {
        if self.credential != credential {
            return Err(PasskeyError::OtherCredential.into());
        }
        let application = key.application().ok_or(PasskeyError::Algorithm("it is no passkey's"))?;
        let data: &[u8; AUTHENTICATOR_DATA] = self.authenticator_data.as_slice().try_into().map_err(|_| {
            PasskeyError::Form("the authenticator data is not of 37 bytes: it is cut off, or something follows")
        })?;
        let (rp_id_hash, state) = data.split_at(32);
        if rp_id_hash != &Sha256::digest(&application)[..] {
            return Err(PasskeyError::RelyingParty { expected: application }.into());
        }
        let raw = ecdsa::from_der(&self.signature).ok_or(PasskeyError::Form("the signature is not strict DER"))?;
        let mut signature = Vec::new();
        wire::put(&mut signature, ALGORITHM.as_bytes());
        wire::put(&mut signature, &ecdsa::to_ssh(&raw));
        signature.extend(state);
        wire::put(&mut signature, origin.as_bytes());
        wire::put(&mut signature, &self.client_data);
        wire::put(&mut signature, b"");
        let mut blob = b"SSHSIG\x00\x00\x00\x01".to_vec();
        wire::put(&mut blob, &key.blob()?);
        wire::put(&mut blob, namespace.as_bytes());
        wire::put(&mut blob, b"");
        wire::put(&mut blob, b"sha512");
        wire::put(&mut blob, &signature);
        let armored = wire::armor(&blob);
        sshsig::verify(key, namespace, message, &armored)?;
        Ok(armored)
    }
}

/// What an authenticator said when it signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The origin in which it signed.
    pub origin: String,
    /// Its signature counter; 0 where it keeps none.
    pub counter: u32,
    /// Whether the key may be backed up (flag BE).
    pub backup_eligible: bool,
    /// Whether it is (flag BS).
    pub backed_up: bool,
}

/// What OpenSSH stores behind the signature: flags, counter, origin, client data, extensions.
struct Trailer<'a> {
    /// Flags and counter, as they were signed.
    state: &'a [u8],
    flags: u8,
    counter: u32,
    origin: &'a str,
    client_data: &'a [u8],
}

impl<'a> Trailer<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, PasskeyError> {
        let damaged = || PasskeyError::Form("the SSH signature's structure is damaged");
        let mut reader = wire::Reader::new(bytes);
        let state = reader.take(5).ok_or_else(damaged)?;
        let (flags, counter) = state.split_first().ok_or_else(damaged)?;
        let counter = u32::from_be_bytes(*counter.first_chunk().ok_or_else(damaged)?);
        let origin = reader.text().ok_or_else(damaged)?;
        let (client_data, extensions) = (reader.string().ok_or_else(damaged)?, reader.string().ok_or_else(damaged)?);
        reader.end().ok_or_else(damaged)?;
        if flags & HAS_CREDENTIAL != 0 {
            return Err(PasskeyError::Form("it is the answer to an enrolment"));
        }
        if flags & HAS_EXTENSIONS != 0 || !extensions.is_empty() {
            return Err(PasskeyError::Form("it has extensions, which nobody asked for"));
        }
        Ok(Self { state, flags: *flags, counter, origin, client_data })
    }
}

/// What the authenticator said, where a signature is a passkey's. Verify before believing it.
///
/// # Errors
/// [`Error::SshSignature`] when it is no signature; [`Error::Passkey`].
pub fn proof(armored: &str) -> Result<Option<Proof>, Error> {
    let bytes = wire::dearmor(armored)?;
    let blob = wire::Blob::parse(&bytes)?;
    if blob.algorithm != ALGORITHM {
        return Ok(None);
    }
    let trailer = Trailer::parse(blob.trailer)?;
    Ok(Some(Proof {
        origin: trailer.origin.to_owned(),
        counter: trailer.counter,
        backup_eligible: trailer.flags & BACKUP_ELIGIBLE != 0,
        backed_up: trailer.flags & BACKED_UP != 0,
    }))
}

/// Verifies a signature of this format by `key`; namespace and key were compared before.
pub(crate) fn verify(key: &PublicKey, blob: &wire::Blob<'_>, message: &[u8]) -> Result<(), Error> {
    let (Some(application), Some(point)) = (key.application(), key.p256_point()) else {
        return Err(PasskeyError::Algorithm("it is no passkey's").into());
    };
    let trailer = Trailer::parse(blob.trailer)?;
    // A key of OpenSSH's own (`ssh:…`) is no relying party, so that a page cannot pass for one.
    check_origin(trailer.origin, &application)?;
    check_flags(trailer.flags)?;
    if blob.hash != "sha512" {
        return Err(PasskeyError::Ceremony("its challenge is not over SHA-512").into());
    }
    client_data::check(trailer.client_data, "webauthn.get", &challenge(blob.namespace, message)?, trailer.origin)?;
    let signed = [&Sha256::digest(application)[..], trailer.state, &Sha256::digest(trailer.client_data)[..]].concat();
    let signature = ecdsa::from_ssh(blob.raw).ok_or(PasskeyError::Form("the signature is not in its one form"))?;
    if ecdsa::verifies(point, &signed, &signature) { Ok(()) } else { Err(PasskeyError::Signature.into()) }
}
