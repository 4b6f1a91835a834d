//! A refusal is evidence too: it is recorded before the command fails.

use countersign_connect::SshSigner;
use countersign_model::{Diagnostic, Exit, PersonId, RunId};
use countersign_store::Session;
use countersign_store::projection::{KeyTrouble, State};

use crate::Error;

/// What was tried.
pub(crate) struct Attempt {
    /// The act.
    pub(crate) act: &'static str,
    /// The run.
    pub(crate) run: Option<RunId>,
    /// The ledger is only read (the signature goes into a file): nothing can be recorded here.
    pub(crate) carry: bool,
}

/// Does `check`; a refusal (not a failure of the machine) is appended before it is returned.
pub(crate) fn unless<T>(
    session: &mut Session,
    attempt: &Attempt,
    person: Option<&PersonId>,
    check: impl FnOnce(&Session) -> Result<T, Error>,
) -> Result<T, Error> {
    let refusal = match check(session) {
        Ok(value) => return Ok(value),
        Err(refusal) => refusal,
    };
    let refused = matches!(refusal.exit(), Exit::Forbidden | Exit::Denied | Exit::Waiting | Exit::Unverified);
    if refused && !attempt.carry {
        session.record_refusal(attempt.act, attempt.run.as_ref(), person, refusal.code())?;
    }
    Err(refusal)
}

/// Whoever left signs nothing.
pub(crate) fn here(state: &State, person: &PersonId) -> Result<(), Error> {
    if state.has_left(person)? { Err(Error::HasLeft { person: state.label(person)? }) } else { Ok(()) }
}

/// Somebody whose key counts.
pub(crate) fn usable(asked: Result<PersonId, KeyTrouble>) -> Result<PersonId, Error> {
    asked.map_err(|trouble| match trouble {
        KeyTrouble::Unknown { fingerprint } => Error::UnknownKey { fingerprint },
        other => Error::Session(other.into()),
    })
}

/// The enrolled person whose key is about to sign; a key that belongs to nobody or does not count is refused and
/// recorded.
pub(crate) fn signer(session: &mut Session, attempt: &Attempt, signer: &SshSigner) -> Result<PersonId, Error> {
    unless(session, attempt, None, |s| {
        let person = usable(s.signer(&signer.public_key())?)?;
        here(s.state(), &person)?;
        Ok(person)
    })
}
