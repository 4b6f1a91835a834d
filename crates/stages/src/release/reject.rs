//! `reject`: a signed no.

use countersign_connect::host_name;
use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::statement::Subject;
use countersign_model::access::{Duty, SlotName};
use countersign_model::change::Change;
use countersign_model::event::{ApprovalRejected, Device};
use countersign_model::{ActorId, Digest, EventKind, PersonId, RunId, StreamId, Timestamp};
use countersign_policy::PolicyEngine;
use countersign_store::handed::Written;
use countersign_store::projection::{MAX_TEXT, RunRow, State};
use countersign_store::session::act_statement;
use countersign_store::{Plan, Session, passkey};
use serde_json::Value;

use super::approval_error::ApprovalError;
use super::approve::{GATE, gates_of, rooted, run_row};
use super::pen::{Pen, to_sign};
use super::prepared::named;
use super::refuse::{self, Attempt};
use super::rules::{GateStatus, SlotStatus};
use crate::Error;
use crate::build::decide::{self, Decided};
use crate::build::rules::authors;

/// What was said.
pub struct Spoken {
    /// The run.
    pub run: RunId,
    /// Who.
    pub person: PersonId,
    /// Log index.
    pub index: u64,
    /// What it ended: log indices of the person's own approvals and rejections.
    pub ended: Vec<u64>,
    /// The gates as they stand now.
    pub gates: Vec<GateStatus>,
}

/// Says no to the decision as it stands. Whoever could have approved may; their own approvals of it are over then.
///
/// # Errors
/// When trust is not rooted, the key belongs to nobody, the person has no say, or said no before. What is refused is recorded first.
pub fn reject(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    run: &RunId,
    reason: &str,
    pen: Pen<'_>,
) -> Result<Written<Spoken>, Error> {
    let (person, reason) = speaker(session, REJECT, run, reason, pen)?;
    let time = pen.time(session, &rejecting(run), &person)?;
    let asked = Asked { reason, person, device: pen.device(act::REJECTION), time };
    let (said, decided) = propose(session, engine, run, asked)?;
    let statement = act_statement(subject(&said), said.clone())?;
    match pen.sign(session, &rejecting(run), &said.person, act::REJECTION, &statement)? {
        Some(signed) => append(session, &said, &signed, &decided).map(Written::Done),
        None => Ok(to_sign(said.person, act::REJECTION, statement)),
    }
}

/// A rejection that a passkey has to sign: in a browser, and later.
#[derive(Debug, Clone)]
pub struct ToReject {
    /// What its statement says.
    pub said: ApprovalRejected,
    /// The canonical statement: exactly what is signed.
    pub statement: Vec<u8>,
    /// What `navigator.credentials.get` is called with.
    pub options: Value,
}

/// What a passkey, named by its fingerprint or the start of it, has to sign to say no, if its person may now.
///
/// # Errors
/// As [`reject`]; when the key is no passkey. What is refused is recorded first.
pub fn prepare(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    run: &RunId,
    reason: &str,
    key: &str,
) -> Result<ToReject, Error> {
    rooted(session, REJECT)?;
    let reason = because(reason)?;
    let row = refuse::unless(session, &rejecting(run), None, |s| named(s, key))?;
    let device = Device { key: row.fingerprint.clone(), host: host_name() };
    let asked = Asked { reason, person: row.person.clone(), device, time: session.now() };
    let (said, _) = propose(session, engine, run, asked)?;
    let statement = act_statement(subject(&said), said.clone())?;
    let options = passkey::request(&row, act::REJECTION, &statement)?;
    Ok(ToReject { said, statement, options })
}

/// Takes what the browser answered, and appends the rejection if it still is of the decision as it stands, by somebody who may.
///
/// # Errors
/// When the answer is not that of its passkey, and as [`reject`]. What is refused is recorded first.
pub fn complete(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    asked: &ToReject,
    answer: &[u8],
) -> Result<Spoken, Error> {
    rooted(session, REJECT)?;
    let said = &asked.said;
    let (attempt, by) = (rejecting(&said.run), said.person.clone());
    let signed = refuse::unless(session, &attempt, Some(&by), |s| {
        let row = named(s, &said.device.key)?;
        Ok(passkey::signed(&row, act::REJECTION, &asked.statement, answer)?)
    })?;
    let (decided, change) = decide::settle(session, engine, &said.run)?;
    refuse::unless(session, &attempt, Some(&by), |s| {
        s.counts(&signed)?;
        let now = decided.decision.digest()?;
        if now != said.decision {
            let (run, what) = (said.run.clone(), "what it was decided on".to_owned());
            return Err(Error::StaleApproval { run, then: said.decision, now, what });
        }
        may(s, &decided, &change, &said.run, &by, Some(&said.slot)).map(|_| ())
    })?;
    append(session, said, &signed, &decided)
}

/// Whether somebody could say no to a run's recorded decision now. Nothing is appended.
///
/// # Errors
/// When they could not, and why; when the record cannot be read.
pub fn could(session: &Session, engine: &dyn PolicyEngine, run: &RunId, person: &PersonId) -> Result<(), Error> {
    let (decided, change) = decide::recorded(session, engine, run)?;
    may(session, &decided, &change, run, person, None).map(|_| ())
}

const REJECT: &str = "reject";

fn rejecting(run: &RunId) -> Attempt {
    Attempt { act: REJECT, run: Some(run.clone()), carry: false }
}

/// The slot that somebody who may say no could have filled: this one, where it was said already.
fn may(
    s: &Session,
    decided: &Decided,
    change: &Change,
    run: &RunId,
    person: &PersonId,
    slot: Option<&SlotName>,
) -> Result<SlotName, Error> {
    let gates = gates_of(s.state(), run, decided, &authors(change, s.state())?)?;
    if let Some(no) = gates.iter().flat_map(|g| &g.rejected).find(|r| r.person == *person) {
        let person = s.state().label(person)?;
        return Err(ApprovalError::Rejected { person, run: run.clone(), index: no.index }.into());
    }
    slot_of(s.state(), &gates, person, slot)?.ok_or_else(|| {
        let label = s.state().label(person).unwrap_or_else(|_| person.to_string());
        ApprovalError::NoSay { person: label, run: run.clone() }.into()
    })
}

/// Who says no, why, with what and when.
struct Asked {
    reason: String,
    person: PersonId,
    device: Device,
    time: Timestamp,
}

/// What somebody signs to say no, if they may; a refusal is recorded.
fn propose(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    run: &RunId,
    asked: Asked,
) -> Result<(ApprovalRejected, Decided), Error> {
    let Asked { reason, person, device, time } = asked;
    let (decided, change) = decide::settle(session, engine, run)?;
    let slot =
        refuse::unless(session, &rejecting(run), Some(&person), |s| may(s, &decided, &change, run, &person, None))?;
    let row = run_row(session.state(), run)?;
    let said = ApprovalRejected {
        origin: session.state().origin().to_owned(),
        repository: row.identity.clone().ok_or(Error::Unidentified)?,
        run: run.clone(),
        commit: row.commit.clone(),
        decision: decided.decision.digest()?,
        gate: GATE.into(),
        slot,
        person,
        device,
        reason,
        time,
    };
    Ok((said, decided))
}

fn subject(said: &ApprovalRejected) -> Vec<Subject> {
    vec![Subject::new(said.repository.clone(), "gitCommit", said.commit.clone())]
}

fn append(
    session: &mut Session,
    said: &ApprovalRejected,
    signed: &SignedAct,
    decided: &Decided,
) -> Result<Spoken, Error> {
    let (run, person) = (&said.run, &said.person);
    let mut ended = Vec::new();
    let (appended, ()) = session.transact(|s| {
        let row = run_row(s.state(), run)?;
        if row.decisions.last().map(|d| d.digest) != Some(said.decision) {
            return Err(Error::ChangedMeanwhile { run: run.clone() });
        }
        let change = decide::read_change(s.ledger(), &row.change)?;
        may(s, decided, &change, run, person, Some(&said.slot))?;
        ended = standing(s.state(), &row, person, said.decision)?;
        entry_of(s, EventKind::ApprovalRejected, run, person, signed, &ended)
    })?;
    let index = appended.map(|a| a.first_index).ok_or_else(|| Error::ChangedMeanwhile { run: run.clone() })?;
    spoken(session, run, person.clone(), index, ended, decided)
}

/// A rejection or a withdrawal that is in the log at an index, with the gates as they stand now.
///
/// # Errors
/// When there is none, or the record cannot be read.
pub fn said_at(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    run: &RunId,
    person: &PersonId,
    index: u64,
) -> Result<Spoken, Error> {
    let (decided, _) = decide::settle(session, engine, run)?;
    let end = index.saturating_add(1);
    let entry = session.ledger().entries(index..end)?.pop().map(|(_, entry)| entry);
    let ended = entry.map(|entry| entry.refs).unwrap_or_default();
    spoken(session, run, person.clone(), index, ended, &decided)
}

/// Who speaks, and a reason that can be recorded.
pub(super) fn speaker(
    session: &mut Session,
    act: &'static str,
    run: &RunId,
    reason: &str,
    pen: Pen<'_>,
) -> Result<(PersonId, String), Error> {
    rooted(session, act)?;
    let reason = because(reason)?;
    let attempt = Attempt { act, run: Some(run.clone()), carry: false };
    Ok((pen.author(session, &attempt)?, reason))
}

/// A reason that can be recorded.
pub(super) fn because(reason: &str) -> Result<String, Error> {
    let reason = reason.trim();
    if reason.is_empty() || reason.len() > MAX_TEXT || reason.chars().any(char::is_control) {
        return Err(ApprovalError::NoReason.into());
    }
    Ok(reason.to_owned())
}

/// A slot that the person could fill as far as role and duties go.
fn slot_of(
    state: &State,
    gates: &[GateStatus],
    person: &PersonId,
    said: Option<&SlotName>,
) -> Result<Option<SlotName>, Error> {
    let named = |slot: &&SlotStatus| said.is_none_or(|said| *said == slot.rule.slot);
    for slot in gates.iter().flat_map(|g| &g.slots).filter(named) {
        let barred = slot.excluded.iter().any(|(p, held)| p == person && slot.rule.is_barred_by(held.duty));
        if !barred && state.holds_one(person, &slot.rule.roles)? {
            return Ok(Some(slot.rule.slot.clone()));
        }
    }
    Ok(None)
}

/// Log indices of the person's acts about a decision that were not taken back.
pub(super) fn standing(state: &State, row: &RunRow, person: &PersonId, decision: Digest) -> Result<Vec<u64>, Error> {
    let approvals = row.approvals.iter().filter(|a| a.decision == decision && a.person == *person);
    let approved = approvals.filter(|a| a.withdrawn.is_none()).map(|a| a.index);
    let rejections = state.rejections_of(&row.id)?.into_iter();
    let own = rejections.filter(|r| r.said.decision == decision && r.said.person == *person && r.withdrawn.is_none());
    let mut acts: Vec<u64> = approved.chain(own.map(|r| r.index)).collect();
    acts.sort_unstable();
    Ok(acts)
}

pub(super) fn entry_of(
    s: &Session,
    kind: EventKind,
    run: &RunId,
    person: &PersonId,
    signed: &SignedAct,
    refs: &[u64],
) -> Result<(Plan, ()), Error> {
    let entry = s.act_entry(kind, StreamId::from(run), ActorId::from(person), signed, refs.to_vec(), Vec::new())?;
    Ok((Plan { entries: vec![entry] }, ()))
}

pub(super) fn spoken(
    session: &Session,
    run: &RunId,
    person: PersonId,
    index: u64,
    ended: Vec<u64>,
    decided: &Decided,
) -> Result<Spoken, Error> {
    let change = decide::read_change(session.ledger(), &run_row(session.state(), run)?.change)?;
    let gates = gates_of(session.state(), run, decided, &authors(&change, session.state())?)?;
    Ok(Spoken { run: run.clone(), person, index, ended, gates })
}

/// The duties that keep whoever deploys apart from a run, in words for an error.
pub(crate) const fn duty_text(duty: Duty) -> &'static str {
    match duty {
        Duty::Author | Duty::CoAuthor => "author",
        other => other.as_str(),
    }
}
