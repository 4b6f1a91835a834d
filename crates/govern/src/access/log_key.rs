//! `ledger rotate-key`: an administrator exchanges the log's key; the old and the new one sign that they agree.

use countersign_connect::SshSigner;
use countersign_evidence::act;
use countersign_evidence::statement::Subject;
use countersign_model::event::LogKeyRotated;
use countersign_model::{Action, Digest};
use countersign_store::Session;

use super::{administrator, allowed, sign, signer_of};
use crate::Error;

/// A rotation that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The verifier key until then.
    pub old: String,
    /// The verifier key from then on.
    pub new: String,
    /// Log index of the entry that says so.
    pub index: u64,
}

/// Exchanges the log's key: for the one in a device at `uri`, or for a new one in a file.
///
/// # Errors
/// When trust is not rooted, this machine does not hold the present key, the signer is no administrator, or the new key was
/// the log's before.
pub fn rotate(
    session: &mut Session,
    uri: Option<&str>,
    reason: Option<&str>,
    signer: &SshSigner,
) -> Result<Rotated, Error> {
    session.require_pin()?;
    if session.state().trust().is_none() {
        return Err(Error::NotRooted);
    }
    let by = allowed(session, "rotate the log's key", None, |s| signer_of(s, signer))?;
    allowed(session, "rotate the log's key", Some(&by), |s| administrator(s.state(), &by, Action::RotateLogKey))?;
    let old = session.state().vkey().to_owned();
    let appended = session.rotate_log_key(uri, &by, |s, note| {
        administrator(s.state(), &by, Action::RotateLogKey)?;
        let origin = s.state().origin().to_owned();
        let subject = vec![Subject::sha256(origin.clone(), &Digest::of(note.as_bytes()))];
        let (by, reason, time) = (by.clone(), reason.map(str::to_owned), s.now());
        sign(signer, act::LOG_KEY, subject, LogKeyRotated { origin, note, by, reason, time })
    })?;
    Ok(Rotated { old, new: session.state().vkey().to_owned(), index: appended.first_index })
}
