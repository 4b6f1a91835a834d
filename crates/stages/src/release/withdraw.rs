//! `withdraw`: taking back what one said about a decision.

use countersign_connect::host_name;
use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::statement::Subject;
use countersign_model::event::{ApprovalWithdrawn, Device};
use countersign_model::{Digest, EventKind, PersonId, RunId};
use countersign_policy::PolicyEngine;
use countersign_store::handed::Written;
use countersign_store::session::act_statement;
use countersign_store::{Session, passkey};
use serde_json::Value;

use super::approval_error::ApprovalError;
use super::approve::{rooted, run_row};
use super::pen::{Pen, to_sign};
use super::prepared::named;
use super::refuse::{self, Attempt};
use super::reject::{Spoken, because, entry_of, speaker, spoken, standing};
use crate::Error;
use crate::build::decide;

const WITHDRAW: &str = "withdraw";

fn withdrawing(run: &RunId) -> Attempt {
    Attempt { act: WITHDRAW, run: Some(run.clone()), carry: false }
}

/// Takes back everything that the person said about the newest decision that they said anything about.
///
/// # Errors
/// When trust is not rooted, the key belongs to nobody, or nothing of theirs stands. What is refused is recorded first.
pub fn withdraw(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    run: &RunId,
    reason: &str,
    pen: Pen<'_>,
) -> Result<Written<Spoken>, Error> {
    let (person, reason) = speaker(session, WITHDRAW, run, reason, pen)?;
    let mut said = propose(session, run, reason, person, pen.device(act::WITHDRAWAL))?;
    said.time = pen.time(session, &withdrawing(run), &said.person)?;
    let statement = act_statement(subject(session, &said)?, said.clone())?;
    match pen.sign(session, &withdrawing(run), &said.person, act::WITHDRAWAL, &statement)? {
        Some(signed) => append(session, engine, &said, &signed).map(Written::Done),
        None => Ok(to_sign(said.person, act::WITHDRAWAL, statement)),
    }
}

/// A withdrawal that a passkey has to sign: in a browser, and later.
#[derive(Debug, Clone)]
pub struct ToWithdraw {
    /// What its statement says.
    pub said: ApprovalWithdrawn,
    /// The canonical statement: exactly what is signed.
    pub statement: Vec<u8>,
    /// What `navigator.credentials.get` is called with.
    pub options: Value,
}

/// What a passkey, named by its fingerprint or the start of it, has to sign to take back what its person said.
///
/// # Errors
/// As [`withdraw`]; when the key is no passkey. What is refused is recorded first.
pub fn prepare(session: &mut Session, run: &RunId, reason: &str, key: &str) -> Result<ToWithdraw, Error> {
    rooted(session, WITHDRAW)?;
    let reason = because(reason)?;
    let row = refuse::unless(session, &withdrawing(run), None, |s| named(s, key))?;
    let device = Device { key: row.fingerprint.clone(), host: host_name() };
    let said = propose(session, run, reason, row.person.clone(), device)?;
    let statement = act_statement(subject(session, &said)?, said.clone())?;
    let options = passkey::request(&row, act::WITHDRAWAL, &statement)?;
    Ok(ToWithdraw { said, statement, options })
}

/// Takes what the browser answered, and appends the withdrawal if what it takes back still stands.
///
/// # Errors
/// When the answer is not that of its passkey, and as [`withdraw`]. What is refused is recorded first.
pub fn complete(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    asked: &ToWithdraw,
    answer: &[u8],
) -> Result<Spoken, Error> {
    rooted(session, WITHDRAW)?;
    let said = &asked.said;
    let signed = refuse::unless(session, &withdrawing(&said.run), Some(&said.person), |s| {
        let row = named(s, &said.device.key)?;
        let signed = passkey::signed(&row, act::WITHDRAWAL, &asked.statement, answer)?;
        s.counts(&signed)?;
        own(s, &said.run, &said.person)?;
        Ok(signed)
    })?;
    append(session, engine, said, &signed)
}

/// What somebody said about the newest decision of a run that they said anything about, and may take back: that decision, and the log
/// indices of their approvals and rejections. None: nothing of theirs stands.
///
/// # Errors
/// When the record cannot be read.
pub fn standing_of(session: &Session, run: &RunId, person: &PersonId) -> Result<Option<(Digest, Vec<u64>)>, Error> {
    let row = run_row(session.state(), run)?;
    for decision in row.decisions.iter().rev() {
        let acts = standing(session.state(), &row, person, decision.digest)?;
        if !acts.is_empty() {
            return Ok(Some((decision.digest, acts)));
        }
    }
    Ok(None)
}

/// As [`standing_of`].
///
/// # Errors
/// As [`standing_of`]; when nothing of theirs stands.
pub fn own(session: &Session, run: &RunId, person: &PersonId) -> Result<(Digest, Vec<u64>), Error> {
    if let Some(said) = standing_of(session, run, person)? {
        return Ok(said);
    }
    Err(ApprovalError::NothingSaid { person: session.state().label(person)?, run: run.clone() }.into())
}

/// What somebody signs to take back what they said; where nothing stands that is recorded.
fn propose(
    session: &mut Session,
    run: &RunId,
    reason: String,
    person: PersonId,
    device: Device,
) -> Result<ApprovalWithdrawn, Error> {
    let (decision, acts) = refuse::unless(session, &withdrawing(run), Some(&person), |s| own(s, run, &person))?;
    Ok(ApprovalWithdrawn {
        origin: session.state().origin().to_owned(),
        repository: run_row(session.state(), run)?.identity.ok_or(Error::Unidentified)?,
        run: run.clone(),
        decision,
        acts,
        person,
        device,
        reason,
        time: session.now(),
    })
}

fn subject(session: &Session, said: &ApprovalWithdrawn) -> Result<Vec<Subject>, Error> {
    let commit = run_row(session.state(), &said.run)?.commit;
    Ok(vec![Subject::new(said.repository.clone(), "gitCommit", commit)])
}

fn append(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    said: &ApprovalWithdrawn,
    signed: &SignedAct,
) -> Result<Spoken, Error> {
    let (run, person) = (&said.run, &said.person);
    let changed = || Error::ChangedMeanwhile { run: run.clone() };
    let (appended, ()) = session.transact(|s| {
        if own(s, run, person)? != (said.decision, said.acts.clone()) {
            return Err(changed());
        }
        entry_of(s, EventKind::ApprovalWithdrawn, run, person, signed, &said.acts)
    })?;
    let index = appended.map(|a| a.first_index).ok_or_else(changed)?;
    let (decided, _) = decide::settle(session, engine, run)?;
    spoken(session, run, person.clone(), index, said.acts.clone(), &decided)
}
