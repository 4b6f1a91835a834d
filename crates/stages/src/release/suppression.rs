//! `suppression grant`: what the judged tree asks not to count, somebody else grants, for a time and with a reason.

use std::collections::BTreeSet;

use countersign_evidence::act;
use countersign_evidence::statement::Subject;
use countersign_model::change::ScanFinding;
use countersign_model::event::SuppressionGranted;
use countersign_model::{Action, ActorId, Digest, EventKind, FindingState, PersonId, Role, RunId, StreamId};
use countersign_store::handed::Written;
use countersign_store::session::act_statement;
use countersign_store::{Plan, Session};
use serde_json::{Value, json};

use super::approve::run_row;
use super::pen::{Pen, to_sign};
use super::refuse::{self, Attempt};
use super::saying::line;
use crate::Error;
use crate::build::decide;
use crate::build::rules::{authors, effective_state};

/// How long a grant holds unless `--days` says otherwise.
pub const DEFAULT_DAYS: u16 = 90;
/// The longest a grant may hold.
pub const LONGEST_DAYS: u16 = 365;

/// Seconds.
const DAY: i64 = 24 * 60 * 60;

/// What was granted.
pub struct Granted {
    /// Who.
    pub person: PersonId,
    /// The findings.
    pub findings: Vec<ScanFinding>,
    /// Until when.
    pub expires: countersign_model::Timestamp,
    /// Log index.
    pub index: u64,
}

/// The suppressions that a run's tree asks for, with their present state.
///
/// # Errors
/// When the run is unknown or its blobs cannot be read.
pub fn requested(session: &Session, run: &RunId) -> Result<Vec<(ScanFinding, FindingState)>, Error> {
    let row = run_row(session.state(), run)?;
    let change = decide::read_change(session.ledger(), &row.change)?;
    let authors = authors(&change, session.state())?;
    let now = session.now();
    let joined = decide::read_joined(session, &row)?;
    joined
        .findings
        .into_iter()
        .map(|seen| seen.finding)
        .filter(|f| f.state == FindingState::SuppressionRequested)
        .map(|f| {
            let state = effective_state(&f, change.identity.as_deref(), &authors, session.state(), now)?;
            Ok((f, state))
        })
        .collect()
}

/// One that is asked for, as programs are told it.
#[must_use]
pub fn to_json(finding: &ScanFinding, state: FindingState) -> Value {
    json!({
        "fingerprint": finding.fingerprint, "rule": finding.rule, "path": finding.path, "line": finding.line, "state": state,
        "requested_by": finding.requested_by, "reason": finding.reason,
    })
}

/// Grants requested suppressions: those whose fingerprint starts with one of `which`, or all where it is empty.
///
/// # Errors
/// When nothing that is asked for matches, or the person may not. What is refused is recorded first.
pub fn grant(
    session: &mut Session,
    run: &RunId,
    which: &[String],
    reason: &str,
    days: u16,
    pen: Pen<'_>,
) -> Result<Written<Granted>, Error> {
    let reason = line("the reason", reason)?;
    session.require_pin()?;
    if session.state().trust().is_none() {
        return Err(Error::NoTrustRoot { act: "suppression grant" });
    }
    let attempt = Attempt { act: "suppression grant", run: Some(run.clone()), carry: false };
    let person = pen.author(session, &attempt)?;
    refuse::unless(session, &attempt, Some(&person), |s| may(s, &person))?;
    let row = run_row(session.state(), run)?;
    let identity = row.identity.clone().ok_or(Error::Unidentified)?;
    let change = decide::read_change(session.ledger(), &row.change)?;
    let is_no_author = |s: &Session| {
        if authors(&change, s.state())?.contains(&person) {
            return Err(Error::DutyConflict { person: s.state().label(&person)?, duty: "author" });
        }
        Ok(())
    };
    refuse::unless(session, &attempt, Some(&person), is_no_author)?;
    let findings: Vec<ScanFinding> = requested(session, run)?
        .into_iter()
        .filter(|(f, state)| *state == FindingState::SuppressionRequested && wanted(f, which))
        .map(|(f, _)| f)
        .collect();
    if findings.is_empty() {
        return Err(Error::NothingToGrant { run: run.clone() });
    }
    let time = pen.time(session, &attempt, &person)?;
    let expires = time.plus_seconds(i64::from(days) * DAY);
    let predicate = SuppressionGranted {
        origin: session.state().origin().to_owned(),
        repository: identity.clone(),
        fingerprints: fingerprints(&findings),
        by: person.clone(),
        reason,
        expires,
        time,
    };
    let subject = vec![Subject::new(identity, "gitCommit", change.commit.clone())];
    let statement = act_statement(subject, predicate)?;
    let Some(signed) = pen.sign(session, &attempt, &person, act::SUPPRESSION, &statement)? else {
        return Ok(to_sign(person, act::SUPPRESSION, statement));
    };
    let (appended, ()) = session.transact(|s| {
        may(s, &person)?;
        is_no_author(s)?;
        let refs = run_row(s.state(), run)?.scan.iter().map(|(index, _)| *index).collect();
        let entry = s.act_entry(
            EventKind::SuppressionGranted,
            StreamId::from(run),
            ActorId::from(&person),
            &signed,
            refs,
            Vec::new(),
        )?;
        Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
    })?;
    let index = appended.map(|a| a.first_index).ok_or_else(|| Error::ChangedMeanwhile { run: run.clone() })?;
    Ok(Written::Done(Granted { person, findings, expires, index }))
}

fn may(session: &Session, person: &PersonId) -> Result<(), Error> {
    if session.state().may(person, Action::GrantSuppression)? {
        return Ok(());
    }
    let (person, role) = (session.state().label(person)?, Role::SecurityOfficer);
    Err(Error::NoRole { person, role, act: "grant a suppression" })
}

/// What findings are known by, sorted, each once.
fn fingerprints(findings: &[ScanFinding]) -> Vec<Digest> {
    let all: BTreeSet<Digest> = findings.iter().map(|f| f.fingerprint).collect();
    all.into_iter().collect()
}

fn wanted(finding: &ScanFinding, which: &[String]) -> bool {
    let hex = finding.fingerprint.hex();
    which.is_empty() || which.iter().any(|w| hex.starts_with(w.strip_prefix("sha256:").unwrap_or(w)))
}
