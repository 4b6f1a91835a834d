//! `ledger sign-also`: an administrator has the log sign its checkpoints with an ML-DSA-44 key as well, or no longer.

use countersign_connect::SshSigner;
use countersign_evidence::act;
use countersign_evidence::statement::Subject;
use countersign_model::event::SecondLogKeyChosen;
use countersign_model::{Action, Digest};
use countersign_store::Session;
use countersign_store::session::SecondKey;

use super::{administrator, allowed, sign, signer_of};
use crate::Error;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The verifier key of the second key; none: it was retired.
    pub vkey: Option<String>,
    /// Log index of the entry that says so.
    pub index: u64,
}

/// Makes a second key for the log, or retires the one that it has.
///
/// # Errors
/// When trust is not rooted, this machine does not hold the log's key, the signer is no administrator, or there is a second
/// key already, or none to retire.
pub fn choose(
    session: &mut Session,
    wanted: SecondKey,
    reason: Option<&str>,
    signer: &SshSigner,
) -> Result<Chosen, Error> {
    session.require_pin()?;
    if session.state().trust().is_none() {
        return Err(Error::NotRooted);
    }
    let what = Action::ChooseSecondKey.does();
    let by = allowed(session, what, None, |s| signer_of(s, signer))?;
    allowed(session, what, Some(&by), |s| administrator(s.state(), &by, Action::ChooseSecondKey))?;
    let appended = session.choose_second_key(wanted, &by, |s, vkey| {
        administrator(s.state(), &by, Action::ChooseSecondKey)?;
        let origin = s.state().origin().to_owned();
        // What is retired is named as well.
        let about = vkey.as_deref().or_else(|| s.state().second_key()).unwrap_or_default();
        let subject = vec![Subject::sha256(origin.clone(), &Digest::of(about.as_bytes()))];
        let (by, reason, time) = (by.clone(), reason.map(str::to_owned), s.now());
        sign(signer, act::SECOND_LOG_KEY, subject, SecondLogKeyChosen { origin, vkey, by, reason, time })
    })?;
    Ok(Chosen { vkey: session.state().second_key().map(str::to_owned), index: appended.first_index })
}
