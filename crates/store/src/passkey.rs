//! A passkey signs in a browser, and later: what the browser is asked for an act, and what its answer is worth.

use countersign_evidence::act::SignedAct;
use countersign_evidence::sshsig::PublicKey;
use countersign_evidence::webauthn::{self, Assertion};
use countersign_model::access::Passkey;
use serde_json::Value;

use crate::Error;
use crate::projection::{KeyRow, KeyTrouble};
use crate::session::SessionError;

/// What `navigator.credentials.get` is called with, so that this passkey signs a statement for a namespace.
///
/// # Errors
/// [`KeyTrouble::OtherUse`] when the key is no passkey.
pub fn request(row: &KeyRow, namespace: &str, statement: &[u8]) -> Result<Value, SessionError> {
    let (key, made) = parts(row)?;
    let challenge = webauthn::challenge(namespace, statement).map_err(Error::from)?;
    Ok(webauthn::request(&key.application().unwrap_or_default(), &made.credential, &challenge))
}

/// The act that the browser's answer makes of the statement that this passkey was asked to sign.
///
/// # Errors
/// When the key is no passkey, or the answer is not its own to exactly this.
pub fn signed(row: &KeyRow, namespace: &str, statement: &[u8], answer: &[u8]) -> Result<SignedAct, SessionError> {
    let (key, made) = parts(row)?;
    let act = Assertion::from_json(answer)
        .map_err(countersign_evidence::Error::from)
        .and_then(|answer| answer.into_sshsig(key, &made.credential, &made.origin, namespace, statement))
        .and_then(|armored| SignedAct::new(namespace, statement, &armored, key));
    Ok(act.map_err(Error::from)?)
}

fn parts(row: &KeyRow) -> Result<(&PublicKey, &Passkey), SessionError> {
    match (&row.public, &row.passkey) {
        (Some(key), Some(made)) => Ok((key, made)),
        _ => Err(no_passkey(row).into()),
    }
}

/// What is said of a key that is no passkey where one is asked for.
#[must_use]
pub fn no_passkey(row: &KeyRow) -> KeyTrouble {
    KeyTrouble::OtherUse { fingerprint: row.fingerprint.clone(), what: "it was enrolled as no passkey" }
}
