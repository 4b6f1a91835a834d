//! `suppression grant`: what the judged tree asks not to count, somebody else grants, for a time and with a reason.

use countersign_connect::SshSigner;
use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::statement::Subject;
use countersign_model::change::ScanFinding;
use countersign_model::event::SuppressionGranted;
use countersign_model::{Action, ActorId, Digest, EventKind, FindingState, PersonId, Role, RunId, StreamId};
use countersign_store::session::act_statement;
use countersign_store::{Plan, Session};

use super::approve::run_row;
use super::refuse::{self, Attempt};
use crate::Error;
use crate::build::decide;
use crate::build::rules::{authors, effective_state};

/// How long a grant holds unless `--days` says otherwise.
pub const DEFAULT_DAYS: u16 = 90;
/// The longest a grant may hold.
pub const LONGEST_DAYS: u16 = 365;

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
    signer: &SshSigner,
) -> Result<Granted, Error> {
    session.require_pin()?;
    if session.state().trust().is_none() {
        return Err(Error::NoTrustRoot { act: "suppression grant" });
    }
    let attempt = Attempt { act: "suppression grant", run: Some(run.clone()), carry: false };
    let person = refuse::unless(session, &attempt, None, |s| {
        let fingerprint = signer.public_key().fingerprint();
        let id = refuse::usable(s.signer(&signer.public_key())?)?;
        let person = s.state().person(&id)?.ok_or(Error::UnknownKey { fingerprint })?;
        refuse::here(s.state(), &person.id)?;
        if !s.state().may(&person.id, Action::GrantSuppression)? {
            let (person, role) = (person.label().to_owned(), Role::SecurityOfficer);
            return Err(Error::NoRole { person, role, act: "grant a suppression" });
        }
        Ok(person.id.clone())
    })?;
    let row = run_row(session.state(), run)?;
    let identity = row.identity.clone().ok_or(Error::Unidentified)?;
    let change = decide::read_change(session.ledger(), &row.change)?;
    refuse::unless(session, &attempt, Some(&person), |s| {
        if authors(&change, s.state())?.contains(&person) {
            return Err(Error::DutyConflict { person: s.state().label(&person)?, duty: "author" });
        }
        Ok(())
    })?;
    let findings: Vec<ScanFinding> = requested(session, run)?
        .into_iter()
        .filter(|(f, state)| *state == FindingState::SuppressionRequested && wanted(f, which))
        .map(|(f, _)| f)
        .collect();
    if findings.is_empty() {
        return Err(Error::NothingToGrant { run: run.clone() });
    }
    let now = session.now();
    let expires = now.plus_seconds(i64::from(days) * 24 * 60 * 60);
    let mut fingerprints: Vec<Digest> = findings.iter().map(|f| f.fingerprint).collect();
    fingerprints.sort();
    fingerprints.dedup();
    let predicate = SuppressionGranted {
        origin: session.state().origin().to_owned(),
        repository: identity.clone(),
        fingerprints,
        by: person.clone(),
        reason: reason.into(),
        expires,
        time: now,
    };
    let subject = vec![Subject::new(identity, "gitCommit", change.commit.clone())];
    let statement = act_statement(subject, predicate)?;
    let armored = signer.sign(act::SUPPRESSION, &statement)?;
    let signed = SignedAct::new(act::SUPPRESSION, &statement, &armored, &signer.public_key())?;
    let (appended, ()) = session.transact(|s| {
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
    Ok(Granted { person, findings, expires, index })
}

fn wanted(finding: &ScanFinding, which: &[String]) -> bool {
    let hex = finding.fingerprint.hex();
    which.is_empty() || which.iter().any(|w| hex.starts_with(w.strip_prefix("sha256:").unwrap_or(w)))
}
