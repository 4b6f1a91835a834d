//! `issuer activate`: a security officer says whose identity tokens are believed.
//!
//! Control objective: what a pipeline says of itself counts only when somebody vouches for it who was trusted by signature, outside
//! of the judged repository.
//! Regulatory mapping: PCI DSS v4.0.1 8.6.1 (accounts of systems); NIST 800-53r5 IA-9; NIST 800-218 PO.5.1.

mod parse;

use countersign_evidence::{act, canonical};
use countersign_model::access::{Action, Issuers};
use countersign_model::event::IssuersActivated;
use countersign_model::{Digest, EventKind, StreamId};
use countersign_store::Session;
use countersign_store::handed::Written;
use countersign_store::projection::ActivatedIssuers;

pub use parse::parse;

use crate::Error;
use crate::access::{Pen, Saying, admitted, line, needs, put_in_effect};

const ACTIVATE: &str = "issuer activate";

/// The issuers that this program knows, as a file.
pub const SHIPPED: &str = include_str!("../../../../issuers/issuers.yaml");

/// The issuers in effect, and their activation.
///
/// # Errors
/// When they cannot be read back, or are not those that were activated.
pub fn in_effect(session: &Session) -> Result<Option<(ActivatedIssuers, Issuers)>, Error> {
    let Some(active) = session.state().issuers()? else { return Ok(None) };
    let bytes = session.ledger().payload(&active.blob)?;
    if Digest::of(&bytes) != active.digest {
        return Err(Error::IssuersChanged { index: active.index });
    }
    Ok(Some((active, canonical::from_slice(&bytes)?)))
}

/// The stream that activations stand in.
#[must_use]
pub fn stream() -> StreamId {
    StreamId::from_text("issuers")
}

/// Whoever is about to put issuers in effect may: who may not is told that before anything is read of theirs, and it is recorded.
///
/// # Errors
/// When trust is not rooted, or the signer is no security officer.
pub fn may_activate(session: &mut Session, pen: Pen<'_>) -> Result<(), Error> {
    admitted(session, ACTIVATE, pen, |s, by| needs(s, by, Action::ActivateIssuers))?;
    Ok(())
}

/// Puts issuers in effect; [`Written::Already`] when they are.
///
/// # Errors
/// When trust is not rooted, or the signer is no security officer.
pub fn activate(
    session: &mut Session,
    issuers: &Issuers,
    reason: Option<&str>,
    pen: Pen<'_>,
) -> Result<Written<u64>, Error> {
    let reason = reason.map(|r| line("the reason", r)).transpose()?;
    let saying = Saying { act: ACTIVATE, kind: EventKind::IssuersActivated, namespace: act::ISSUERS, stream: stream() };
    let is_so = |s: &Session, digest: &Digest| Ok(s.state().issuers()?.is_some_and(|a| a.digest == *digest));
    let document = canonical::to_vec(issuers)?;
    put_in_effect(session, pen, &saying, Action::ActivateIssuers, document, is_so, |issuers, origin, by, time| {
        IssuersActivated { origin, issuers, by, reason, time }
    })
}
