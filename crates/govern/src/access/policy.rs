//! `policy activate`: a security or compliance officer puts a bundle in effect.

use countersign_evidence::act;
use countersign_evidence::statement::Subject;
use countersign_model::event::PolicyActivated;
use countersign_model::{Action, Digest, EventKind, PersonId, StreamId};
use countersign_policy::Bundle;
use countersign_store::handed::{ToSign, Written};
use countersign_store::session::{JSON, act_statement};
use countersign_store::{NewBlob, Session};

use super::draft::signed;
use super::saying::append;
use super::{Pen, Saying, admitted, line, time};
use crate::Error;

const ACTIVATE: &str = "policy activate";

/// The bundle in effect: the activated one; before any was activated, the one shipped with this binary.
///
/// # Errors
/// When the activated bundle cannot be read back, or is not the one that was activated.
pub fn in_effect(session: &Session) -> Result<Bundle, Error> {
    let Some(active) = session.state().bundle() else { return Ok(Bundle::shipped()) };
    let bundle = Bundle::from_bytes(&session.ledger().payload(&active.blob)?)?;
    if bundle.digest() == active.digest { Ok(bundle) } else { Err(Error::BundleChanged { index: active.index }) }
}

/// The stream that activations stand in.
#[must_use]
pub fn stream() -> StreamId {
    StreamId::from_text("access")
}

/// What an activation is about, and nothing else.
#[must_use]
pub fn subject(bundle: &Digest) -> Subject {
    Subject::sha256("policy-bundle", bundle)
}

/// Whoever is about to activate a bundle may: who may not is told that before anything is read of theirs, and it is recorded.
///
/// # Errors
/// When trust is not rooted, or the signer is neither security nor compliance officer.
pub fn may_activate(session: &mut Session, pen: Pen<'_>) -> Result<PersonId, Error> {
    admitted(session, ACTIVATE, pen, officer)
}

fn officer(session: &Session, by: &PersonId) -> Result<(), Error> {
    if session.state().may(by, Action::ActivatePolicy)? {
        return Ok(());
    }
    Err(Error::NotOfficer { person: session.state().label(by)? })
}

/// Activates a bundle; [`Written::Already`] when it is in effect.
///
/// # Errors
/// When trust is not rooted, or the signer is neither security nor compliance officer.
pub fn activate(
    session: &mut Session,
    bundle: &Bundle,
    reason: Option<&str>,
    pen: Pen<'_>,
) -> Result<Written<u64>, Error> {
    let reason = reason.map(|r| line("the reason", r)).transpose()?;
    let by = may_activate(session, pen)?;
    let digest = bundle.digest();
    if session.state().bundle().is_some_and(|b| b.digest == digest) {
        return Ok(Written::Already);
    }
    let (origin, time) = (session.state().origin().to_owned(), time(session, ACTIVATE, pen)?);
    let predicate = PolicyActivated { origin, bundle: digest, by: by.clone(), reason, time };
    let statement = act_statement(vec![subject(&digest)], predicate)?;
    let Some(signed) = signed(session, pen, ACTIVATE, &by, act::POLICY, &statement)? else {
        return Ok(Written::ToSign { by, acts: vec![ToSign { namespace: act::POLICY, statement, sealed: None }] });
    };
    let saying = Saying { act: ACTIVATE, kind: EventKind::PolicyActivated, namespace: act::POLICY, stream: stream() };
    let blob = NewBlob { bytes: bundle.to_bytes(), media: JSON.into() };
    Ok(Written::Done(append(session, &saying, &by, &signed, &[blob], &officer)?))
}
