//! `enforcement activate`: a security or compliance officer puts levels in effect.
//!
//! Control objective: how strongly a control holds a change up is decided by somebody who answers for it, outside of the
//! policy and of the judged repository, and can be shown for every decision.
//! Regulatory mapping: PCAOB AS 2201 .B28 (changes of the control itself); PCI DSS v4.0.1 12.1.3; NIST 800-53r5 CM-3.

use countersign_evidence::act;
use countersign_model::event::EnforcementActivated;
use countersign_model::{Action, Digest, EventKind, StreamId};
use countersign_policy::{Assignment, Catalogue};
use countersign_store::Session;
use countersign_store::handed::Written;
use countersign_store::projection::ActivatedAssignment;

use crate::Error;
use crate::access::{Pen, Saying, admitted, line, needs, put_in_effect};

const ACTIVATE: &str = "enforcement activate";

/// Reads an enforcement file against the controls there are.
///
/// # Errors
/// With file and line: a key, a word or a control that does not exist.
pub fn parse(file: &str, text: &str, catalogue: &Catalogue) -> Result<Assignment, Error> {
    Ok(Assignment::parse(file, text, |control| catalogue.get(control).is_some())?)
}

/// The assignment in effect, and its activation.
///
/// # Errors
/// When it cannot be read back, or is not the one that was activated.
pub fn in_effect(session: &Session) -> Result<Option<(ActivatedAssignment, Assignment)>, Error> {
    let Some(active) = session.state().assignment()? else { return Ok(None) };
    let assignment = Assignment::from_bytes(&session.ledger().payload(&active.blob)?)?;
    if assignment.digest()? == active.digest {
        Ok(Some((active, assignment)))
    } else {
        Err(Error::AssignmentChanged { index: active.index })
    }
}

/// The stream that activations stand in.
#[must_use]
pub fn stream() -> StreamId {
    StreamId::from_text("enforcement")
}

/// Whoever is about to put levels in effect may: who may not is told that before anything is read of theirs, and it is recorded.
///
/// # Errors
/// When trust is not rooted, or the signer is neither security nor compliance officer.
pub fn may_activate(session: &mut Session, pen: Pen<'_>) -> Result<(), Error> {
    admitted(session, ACTIVATE, pen, |s, by| needs(s, by, Action::ActivateLevels))?;
    Ok(())
}

/// Puts an assignment in effect; [`Written::Already`] when it is.
///
/// # Errors
/// When trust is not rooted, or the signer is neither security nor compliance officer.
pub fn activate(
    session: &mut Session,
    assignment: &Assignment,
    reason: Option<&str>,
    pen: Pen<'_>,
) -> Result<Written<u64>, Error> {
    let reason = reason.map(|r| line("the reason", r)).transpose()?;
    let saying =
        Saying { act: ACTIVATE, kind: EventKind::EnforcementActivated, namespace: act::ENFORCEMENT, stream: stream() };
    let is_so = |s: &Session, digest: &Digest| Ok(s.state().assignment()?.is_some_and(|a| a.digest == *digest));
    let document = assignment.to_bytes()?;
    put_in_effect(session, pen, &saying, Action::ActivateLevels, document, is_so, |assignment, origin, by, time| {
        EnforcementActivated { origin, assignment, by, reason, time }
    })
}
