//! Gates with owners: who answers for a gate, how soon, to whom it goes next, and what people do when it cannot be asked.
//!
//! Control objective: a gate that is shut is somebody's to open or to leave shut, within a time, and that is known before it is
//! needed. Regulatory mapping: PCI DSS v4.0.1 x.1.2 (roles and responsibilities); 17 CFR 242.1002; Regulation (EU) 2022/2554
//! Art. 17; PCAOB AS 2201 (control owners).
//!
//! An officer puts the owners in effect; an owner takes a gate on by signature; owner, deputy or an officer review it.

mod parse;

pub use parse::{parse, parse_as_named};

use countersign_evidence::{act, canonical};
use countersign_model::event::{GateAcknowledged, GateOwnersAssigned, GateReviewed};
use countersign_model::governance::{FailureMode, GateOwners, GateOwnership, Level};
use countersign_model::{Action, Digest, EventKind, PersonId, StreamId};
use countersign_policy::{Assignment, GateVerdict, PolicyEngine, decide};
use countersign_store::Session;
use countersign_store::handed::Written;
use countersign_store::projection::{AssignedOwners, GateMark, read_gate_owners};
use serde_json::json;

use crate::access::{Pen, Saying, admitted, line, needs, put_in_effect, say_by};
use crate::{Error, enforcement};

const ACTIVATE: &str = "gate activate";

/// The stream of what is said of gates.
#[must_use]
pub fn stream() -> StreamId {
    StreamId::from_text("gates")
}

/// The owners in effect, and how they were put in effect.
///
/// # Errors
/// When they cannot be read back, or are not those that were put in effect.
pub fn in_effect(session: &Session) -> Result<Option<(AssignedOwners, GateOwners)>, Error> {
    let Some(active) = session.state().gate_owners()? else { return Ok(None) };
    let bytes = session.ledger().payload(&active.blob)?;
    if Digest::of(&bytes) != active.digest {
        return Err(Error::GateOwnersChanged { index: active.index });
    }
    let owners = read_gate_owners(&bytes)?;
    Ok(Some((active, owners)))
}

/// What each gate serves and asks for, as the bundle in effect says it without any facts.
///
/// # Errors
/// When the bundle cannot be read or evaluated.
pub fn served(session: &Session, engine: &dyn PolicyEngine) -> Result<Vec<GateVerdict>, Error> {
    let bundle = crate::access::policy::in_effect(session)?;
    Ok(decide(engine, &bundle, &json!({"version": 1}), session.now())?.gates)
}

/// Controls of a gate that are not at the level audit everywhere: it may not be open when it cannot be asked.
#[must_use]
pub fn not_audited<'g>(assignment: &Assignment, gate: &'g GateVerdict) -> Vec<&'g str> {
    let audited = |control: &str| assignment.levels(control).values().all(|level| *level == Level::Audit);
    gate.controls.iter().map(String::as_str).filter(|c| !audited(c)).collect()
}

/// Refuses owners that say of a gate that it is open when it cannot be asked, although something it serves blocks somewhere.
///
/// # Errors
/// [`Error::GateFile`]; and when bundle or assignment cannot be read.
pub fn check_open(session: &Session, engine: &dyn PolicyEngine, file: &str, owners: &GateOwners) -> Result<(), Error> {
    if owners.gates.iter().all(|g| g.failure == FailureMode::Closed) {
        return Ok(());
    }
    let assignment = enforcement::in_effect(session)?.map_or_else(Assignment::none, |(_, a)| a);
    for gate in served(session, engine)? {
        let open = owners.of(&gate.name).is_some_and(|g| g.failure == FailureMode::Open);
        if let (true, Some(control)) = (open, not_audited(&assignment, &gate).first()) {
            let message = format!(
                "the gate `{}` is open when it cannot be asked, and its control `{control}` is not at the level audit \
                 everywhere",
                gate.name
            );
            return Err(Error::GateFile { place: countersign_model::Place::file(file), message });
        }
    }
    Ok(())
}

/// Whoever is about to say who owns gates may: who may not is told that before anything is read of theirs, and it is recorded.
///
/// # Errors
/// When trust is not rooted, or the signer is neither security nor compliance officer.
pub fn may_activate(session: &mut Session, pen: Pen<'_>) -> Result<(), Error> {
    admitted(session, ACTIVATE, pen, |s, by| needs(s, by, Action::AssignGateOwners))?;
    Ok(())
}

/// Puts owners in effect; [`Written::Already`] when they are.
///
/// # Errors
/// When trust is not rooted, or the signer is neither security nor compliance officer.
pub fn activate(
    session: &mut Session,
    owners: &GateOwners,
    reason: Option<&str>,
    pen: Pen<'_>,
) -> Result<Written<u64>, Error> {
    let reason = reason.map(|r| line("the reason", r)).transpose()?;
    let saying =
        Saying { act: ACTIVATE, kind: EventKind::GateOwnersAssigned, namespace: act::GATE_OWNERS, stream: stream() };
    let is_so = |s: &Session, digest: &Digest| Ok(s.state().gate_owners()?.is_some_and(|o| o.digest == *digest));
    let document = canonical::to_vec(owners)?;
    put_in_effect(session, pen, &saying, Action::AssignGateOwners, document, is_so, |owners, origin, by, time| {
        GateOwnersAssigned { origin, owners, by, reason, time }
    })
}

/// The ownership of a gate in effect, and the digest of the document it stands in.
fn owned(session: &Session, gate: &str) -> Result<(Digest, GateOwnership), Error> {
    let (active, owners) = in_effect(session)?.ok_or(Error::NoGateOwners)?;
    let ownership = owners.of(gate).cloned().ok_or_else(|| Error::NoSuchGate { gate: gate.to_owned() })?;
    Ok((active.digest, ownership))
}

/// Whether somebody is owner or deputy.
fn is_party(ownership: &GateOwnership, person: &PersonId) -> bool {
    ownership.owner == *person || ownership.deputy.as_ref() == Some(person)
}

/// Takes a gate on, as its owner or deputy. Returns the log index.
///
/// # Errors
/// When the signer is neither, or the owners changed meanwhile.
pub fn acknowledge(session: &mut Session, gate: &str, pen: Pen<'_>) -> Result<Written<u64>, Error> {
    let (digest, _) = owned(session, gate)?;
    let saying = Saying {
        act: "gate acknowledge",
        kind: EventKind::GateAcknowledged,
        namespace: act::GATE_ACKNOWLEDGEMENT,
        stream: stream(),
    };
    say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            let (now, ownership) = owned(s, gate)?;
            if !is_party(&ownership, by) {
                return Err(Error::NotGateParty { person: s.state().label(by)?, gate: gate.to_owned(), or: "" });
            }
            unchanged(digest, now)
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(GateAcknowledged { origin, gate: gate.to_owned(), owners: digest, by, time })
        },
    )
}

/// Says what came of looking at how a gate is set up. Returns the log index.
///
/// # Errors
/// When the signer is neither owner, deputy nor officer, or the owners changed meanwhile.
pub fn review(session: &mut Session, gate: &str, finding: &str, pen: Pen<'_>) -> Result<Written<u64>, Error> {
    let finding = line("what came of the review", finding)?;
    let (digest, _) = owned(session, gate)?;
    let saying =
        Saying { act: "gate review", kind: EventKind::GateReviewed, namespace: act::GATE_REVIEW, stream: stream() };
    say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            let (now, ownership) = owned(s, gate)?;
            if !may_review(s, &ownership, by)? {
                let or = ", nor a security or compliance officer";
                return Err(Error::NotGateParty { person: s.state().label(by)?, gate: gate.to_owned(), or });
            }
            unchanged(digest, now)
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(GateReviewed { origin, gate: gate.to_owned(), owners: digest, finding, by, time })
        },
    )
}

fn may_review(session: &Session, ownership: &GateOwnership, person: &PersonId) -> Result<bool, Error> {
    if is_party(ownership, person) {
        return Ok(true);
    }
    Ok(session.state().may(person, Action::ReviewGate)?)
}

fn unchanged(then: Digest, now: Digest) -> Result<(), Error> {
    if then == now { Ok(()) } else { Err(Error::MovedOn { what: "who owns the gates".to_owned() }) }
}

/// A gate as it is owned.
#[derive(Debug, Clone)]
pub struct Owned {
    /// Who answers for it, and how.
    pub ownership: GateOwnership,
    /// When the owner took it on, as the document in effect has it.
    pub acknowledged: Option<GateMark>,
    /// The newest review by somebody who may.
    pub review: Option<GateMark>,
    /// When it was last looked at: by that review, or when the first document in effect was signed.
    pub reviewed: countersign_model::Timestamp,
}

/// Every gate that is owned, in the order in which a change meets them.
///
/// # Errors
/// When the owners cannot be read back.
pub fn list(session: &Session) -> Result<Vec<Owned>, Error> {
    let Some((active, owners)) = in_effect(session)? else { return Ok(Vec::new()) };
    let mut all = Vec::with_capacity(owners.gates.len());
    for ownership in owners.gates {
        let marks = session.state().gate_marks(&ownership.gate)?;
        let mut review = None;
        for mark in marks.iter().filter(|m| m.finding.is_some()) {
            if may_review(session, &ownership, &mark.by)? {
                review = Some(mark.clone());
            }
        }
        let acknowledged = marks
            .into_iter()
            .rev()
            .find(|m| m.finding.is_none() && m.owners == active.digest && m.by == ownership.owner);
        let reviewed = review.as_ref().map_or(active.time, |r| r.time.max(active.time));
        all.push(Owned { ownership, acknowledged, review, reviewed });
    }
    Ok(all)
}
