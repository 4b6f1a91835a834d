//! Break-glass: a security officer lets a change past the gates, for a while and on the record, and what that owes.
//!
//! Control objective: in an emergency the firm can act at once, and nothing of it is lost: it leaves more behind than the
//! ordinary way, a second officer signs for it, and somebody who had no part in it says why it came to that.
//! Regulatory mapping: RTS (EU) 2024/1774 Art. 17(1)(f), (g); SOX ITGC (emergency changes); NIST 800-53r5 CM-3(g), AC-6(9);
//! FFIEC DA&M (emergency changes).

use std::collections::BTreeSet;

use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::canonical;
use countersign_evidence::statement::Subject;
use countersign_model::access::emergencies::{
    DEFAULT_MINUTES, DEFAULT_RATIFY_HOURS, DEFAULT_REVIEW_DAYS, MOST_MINUTES, MOST_RATIFY_HOURS, MOST_REVIEW_DAYS, Owed,
};
use countersign_model::event::{
    BreakGlassClosed, BreakGlassOpened, BreakGlassRatified, BreakGlassReviewed, Device, GrantIssued,
};
use countersign_model::{Action, BreakGlassId, Digest, EventKind, GrantId, PersonId, RunId, StreamId, Timestamp};
use countersign_policy::PolicyEngine;
use countersign_store::handed::{HandedError, ToSign, Written};
use countersign_store::projection::{Closed, EmergencyRow, Standing};
use countersign_store::session::{JSON, SessionError, act_statement};
use countersign_store::{NewBlob, Plan, Session};
use serde_json::{Value, json};

use super::approve::{gates_of, run_row};
use super::error::ReleaseError;
use super::pen::Pen;
use super::refuse::{self, Attempt};
use super::rules::overall;
use super::saying::{Saying, act_of, line, needs, write};
use crate::Error;
use crate::build::decide::{self, Decided};
use crate::build::rules::{artifacts, authors};

/// How many open findings are named one by one; all of them are in the facts of the decision that is named.
const MOST_FINDINGS: usize = 1000;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The environment.
    pub environment: String,
    /// For all repositories of this application; else for the run's repository.
    pub application: Option<String>,
    /// For any commit; else for the run's.
    pub any_commit: bool,
    /// Why.
    pub reason: String,
    /// The ticket.
    pub ticket: String,
    /// For how many minutes.
    pub minutes: u16,
    /// Within how many hours it is ratified.
    pub ratify_hours: u16,
    /// Within how many days it is reviewed.
    pub review_days: u16,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            environment: String::new(),
            application: None,
            any_commit: false,
            reason: String::new(),
            ticket: String::new(),
            minutes: DEFAULT_MINUTES,
            ratify_hours: DEFAULT_RATIFY_HOURS,
            review_days: DEFAULT_REVIEW_DAYS,
        }
    }
}

/// A grant that goes past the gates.
pub struct Broken {
    /// The emergency.
    pub id: BreakGlassId,
    /// What was opened, by its log index; `None` where it was open already.
    pub opened: Option<u64>,
    /// The grant.
    pub grant: GrantIssued,
    /// The signed act of the grant.
    pub act: SignedAct,
    /// Its log index.
    pub index: u64,
    /// How it stood: what the act names by its digest.
    pub standing: Value,
}

/// A ticket is one word with a digit, as change systems give numbers: it is searched for later.
fn ticket(text: &str) -> Result<String, Error> {
    let text = text.trim();
    let fine = text.len() <= 64
        && text.bytes().any(|b| b.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./#:".contains(&b));
    if fine { Ok(text.to_owned()) } else { Err(ReleaseError::NoTicket.into()) }
}

/// Opens the glass for a run, and issues the first grant under it, in one append.
///
/// # Errors
/// When the signer is no security officer, something about it cannot be, or the run is of another environment. What is refused is
/// recorded first.
pub fn open(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    run: &RunId,
    asked: &Asked,
    pen: Pen<'_>,
) -> Result<Written<Broken>, Error> {
    let (reason, ticket) = (line("the reason", &asked.reason)?, ticket(&asked.ticket)?);
    let within = (1..=MOST_MINUTES).contains(&asked.minutes)
        && (1..=MOST_RATIFY_HOURS).contains(&asked.ratify_hours)
        && (1..=MOST_REVIEW_DAYS).contains(&asked.review_days);
    if !within {
        return Err(ReleaseError::BadPeriod.into());
    }
    if u32::from(asked.ratify_hours) * 60 <= u32::from(asked.minutes)
        || u32::from(asked.review_days) * 1440 <= u32::from(asked.minutes)
    {
        return Err(ReleaseError::DueTooEarly.into());
    }
    let repository = run_row(session.state(), run)?.identity.ok_or(Error::Unidentified)?;
    if let Some(application) = &asked.application
        && session.state().application_of(&repository)?.is_none_or(|a| a.what.id != *application)
    {
        return Err(ReleaseError::OtherApplication { application: application.clone() }.into());
    }
    let row = run_row(session.state(), run)?;
    let fresh = Fresh { asked, reason, ticket, repository, commit: row.commit };
    issue(session, engine, run, "break-glass open", Glass::Fresh(&fresh), pen)
}

/// An emergency that is going to be opened.
struct Fresh<'a> {
    asked: &'a Asked,
    reason: String,
    ticket: String,
    repository: String,
    commit: String,
}

impl Fresh<'_> {
    fn opened(
        &self,
        origin: String,
        id: BreakGlassId,
        by: PersonId,
        device: Device,
        now: Timestamp,
    ) -> BreakGlassOpened {
        let asked = self.asked;
        BreakGlassOpened {
            origin,
            id,
            environment: asked.environment.clone(),
            application: asked.application.clone(),
            repository: asked.application.is_none().then(|| self.repository.clone()),
            commit: (!asked.any_commit).then(|| self.commit.clone()),
            reason: self.reason.clone(),
            ticket: self.ticket.clone(),
            ratify_by: now.plus_seconds(i64::from(asked.ratify_hours) * 3600),
            review_by: now.plus_seconds(i64::from(asked.review_days) * 86_400),
            by,
            device,
            time: now,
            expires: now.plus_seconds(i64::from(asked.minutes) * 60),
        }
    }
}

/// Under which emergency a grant is issued.
enum Glass<'a> {
    /// One that is opened with it.
    Fresh(&'a Fresh<'a>),
    /// One that is open.
    Open(&'a BreakGlassId),
}

fn session_origin(session: &Session) -> String {
    session.state().origin().to_owned()
}

/// Issues a further grant under an emergency that is open.
///
/// # Errors
/// As [`open`]; when it is over or about something else.
pub fn grant(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    id: &BreakGlassId,
    run: &RunId,
    pen: Pen<'_>,
) -> Result<Written<Broken>, Error> {
    issue(session, engine, run, "break-glass grant", Glass::Open(id), pen)
}

fn issue(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    run: &RunId,
    act: &'static str,
    glass: Glass<'_>,
    pen: Pen<'_>,
) -> Result<Written<Broken>, Error> {
    session.require_pin()?;
    if session.state().trust().is_none() {
        return Err(Error::NoTrustRoot { act });
    }
    let attempt = Attempt { act, run: Some(run.clone()), carry: false };
    let by = pen.author(session, &attempt)?;
    let now = pen.time(session, &attempt, &by)?;
    let (id, fresh) = match glass {
        Glass::Open(id) => (id.clone(), None),
        Glass::Fresh(fresh) => {
            let id = BreakGlassId::from_random(pen.id(act::BREAK_GLASS, "/id", BreakGlassId::PREFIX)?);
            let device = pen.device(act::BREAK_GLASS);
            let opened = fresh.opened(session_origin(session), id.clone(), by.clone(), device, now);
            (id, Some(opened))
        }
    };
    let id = &id;
    let check = |s: &Session| -> Result<BreakGlassOpened, Error> {
        let at = s.now().max(s.state().newest_time()?);
        let opened = match &fresh {
            Some(fresh) => {
                needs(s, &by, Action::BreakGlass)?;
                if s.state().emergency(id)?.is_some() {
                    return Err(SessionError::from(HandedError::Differs).into());
                }
                fresh.clone()
            }
            None => {
                needs(s, &by, Action::DeployInEmergency)?;
                let row = find(s, id.as_str())?;
                if !row.is_open(at) {
                    return Err(ReleaseError::GlassClosed { id: id.clone() }.into());
                }
                row.opened
            }
        };
        let row = run_row(s.state(), run)?;
        let repository = row.identity.clone().ok_or(Error::Unidentified)?;
        let is_ours = match &opened.application {
            Some(application) => s.state().application_of(&repository)?.is_some_and(|a| a.what.id == *application),
            None => opened.repository.as_deref() == Some(repository.as_str()),
        };
        if !is_ours || opened.commit.as_ref().is_some_and(|c| *c != row.commit) {
            return Err(ReleaseError::OtherScope { id: id.clone() }.into());
        }
        Ok(opened)
    };
    let opened = refuse::unless(session, &attempt, Some(&by), |s| check(s))?;
    let (decided, change) = decide::settle(session, engine, run)?;
    if change.environment != opened.environment {
        let (decided, asked) = (change.environment, opened.environment);
        let refusal = Error::OtherEnvironment { run: run.clone(), decided, asked };
        return refuse::unless(session, &attempt, Some(&by), |_| Err(refusal));
    }
    let authors = authors(&change, session.state())?;
    let standing = standing(session, run, &opened, &decided, &authors, change.commits.len())?;
    let bytes = canonical::to_vec(&standing)?;
    let decision = decided.decision.digest()?;
    let row = run_row(session.state(), run)?;
    let repository = row.identity.clone().ok_or(Error::Unidentified)?;
    let artifacts = artifacts(&row);
    let mut subject = vec![Subject::new(repository.clone(), "gitCommit", row.commit.clone())];
    subject.extend(artifacts.iter().map(|a| Subject::sha256(a.name.clone(), &a.digest)));
    let grant = GrantIssued {
        origin: session_origin(session),
        grant: GrantId::from_random(pen.id(act::GRANT, "/grant", GrantId::PREFIX)?),
        run: run.clone(),
        commit: row.commit.clone(),
        tree: row.tree.clone(),
        artifacts,
        environment: opened.environment.clone(),
        replaces: session.state().last_deployed(&repository, &opened.environment)?,
        repository,
        decision,
        approvals: row.approvals.iter().filter(|a| a.decision == decision).map(|a| a.index).collect(),
        by: by.clone(),
        device: pen.device(act::GRANT),
        self_judged: true,
        time: now,
        expires: opened.expires,
        break_glass: Some(id.clone()),
        standing: Some(Digest::of(&bytes)),
        excluded: authors.into_iter().collect(),
    };
    // The emergency first: it is what the command is about.
    let mut unsigned = Vec::new();
    let mut signed = |session: &mut Session, namespace: &'static str, statement: Vec<u8>| {
        let signed = pen.sign(session, &attempt, &by, namespace, &statement)?;
        if signed.is_none() {
            unsigned.push(ToSign { namespace, statement, sealed: None });
        }
        Ok::<_, Error>(signed)
    };
    let first = match &fresh {
        Some(opened) => {
            let statement = act_statement(session.subject(), opened.clone())?;
            signed(session, act::BREAK_GLASS, statement)?
        }
        None => None,
    };
    let Some(signed) = signed(session, act::GRANT, act_statement(subject, grant.clone())?)? else {
        return Ok(Written::ToSign { by, acts: unsigned });
    };
    let (appended, ()) = session.transact(|s| {
        check(s)?;
        if s.state().grant(&grant.grant)?.is_some() {
            return Err(SessionError::from(HandedError::Differs).into());
        }
        let row = run_row(s.state(), run)?;
        if row.decisions.last().map(|d| d.digest) != Some(decision)
            || s.state().last_deployed(&grant.repository, &grant.environment)? != grant.replaces
        {
            return Err(Error::ChangedMeanwhile { run: run.clone() });
        }
        let mut entries = Vec::new();
        if let Some(first) = &first {
            let (kind, namespace) = (EventKind::BreakGlassOpened, act::BREAK_GLASS);
            let saying = Saying { act, run: Some(run), kind, namespace, stream: StreamId::from(id) };
            entries.push(act_of(s, &saying, &by, first, Vec::new(), Vec::new())?);
        }
        let (kind, namespace) = (EventKind::GrantIssued, act::GRANT);
        let saying = Saying { act, run: Some(run), kind, namespace, stream: StreamId::from(&grant.grant) };
        // The decision first, as with every grant: it says whose grant this is.
        let refs = row.decisions.last().map(|d| d.index).into_iter().chain(grant.approvals.iter().copied()).collect();
        let blob = NewBlob { bytes: bytes.clone(), media: JSON.into() };
        entries.push(act_of(s, &saying, &by, &signed, refs, vec![blob])?);
        Ok::<_, Error>((Plan { entries }, ()))
    })?;
    let begun = appended.map(|a| a.first_index).ok_or_else(|| Error::ChangedMeanwhile { run: run.clone() })?;
    let opened = first.is_some().then_some(begun);
    let index = begun.saturating_add(u64::from(opened.is_some()));
    Ok(Written::Done(Broken { id: id.clone(), opened, grant, act: signed, index, standing }))
}

/// How it stood when the glass was broken: what an ordinary grant does not have to say, because there it was fine. People are ids.
fn standing(
    session: &Session,
    run: &RunId,
    opened: &BreakGlassOpened,
    decided: &Decided,
    authors: &BTreeSet<PersonId>,
    commits: usize,
) -> Result<Value, Error> {
    let state = session.state();
    let gates = gates_of(state, run, decided, authors)?;
    let mut shown = Vec::new();
    for gate in &gates {
        let verdict = decided.decision.verdict.gates.iter().find(|g| g.name == gate.name);
        // The decision's own reasons: those of a missing approval have names in their text.
        let reasons: Vec<Value> = verdict
            .map(|g| g.reasons.iter().map(|r| json!({"code": r.code, "effect": r.effect, "text": r.text})).collect())
            .unwrap_or_default();
        let slots: Vec<Value> = gate
            .slots
            .iter()
            .map(|slot| {
                let filled = slot.filled.iter().map(|f| json!({"person": f.person, "index": f.index}));
                let excluded = slot.excluded.iter().map(|(p, held)| json!({"person": p, "why": held.duty}));
                json!({
                    "slot": slot.rule.slot, "needed": slot.rule.count, "filled": filled.collect::<Vec<_>>(),
                    "could": slot.eligible, "excluded": excluded.collect::<Vec<_>>(),
                })
            })
            .collect();
        shown.push(json!({
            "gate": gate.name, "outcome": gate.outcome, "controls": gate.controls, "reasons": reasons, "slots": slots,
        }));
    }
    let all = decided.facts.pointer("/scan/findings").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let is_open = |f: &&Value| f.get("state").and_then(Value::as_str) != Some("suppression-granted");
    let open: Vec<Value> = all
        .iter()
        .filter(is_open)
        .take(MOST_FINDINGS)
        .map(|f| json!({"rule": f.get("rule"), "severity": f.get("severity"), "fingerprint": f.get("fingerprint")}))
        .collect();
    let count = all.iter().filter(is_open).count();
    let at = session.now().max(state.newest_time()?);
    let closed = match state.closed(&opened.environment, at)? {
        None => Value::Null,
        Some(Closed::Frozen(freeze)) => json!({"frozen": freeze.freeze}),
        Some(Closed::OutsideWindows(_)) => json!("outside-windows"),
    };
    let mut ratifiers = Vec::new();
    for (person, _) in state.members()? {
        if person != opened.by && !authors.contains(&person) && state.may(&person, Action::RatifyBreakGlass)? {
            ratifiers.push(person);
        }
    }
    Ok(json!({
        "version": 1, "break_glass": opened.id, "run": run, "decision": decided.decision.digest()?,
        "outcome": overall(&gates), "gates": shown, "open_findings": count, "findings": open, "authors": authors, "commits": commits,
        "closed": closed, "ratifiers": ratifiers,
    }))
}

/// The one emergency that an id, or the start of one, means.
///
/// # Errors
/// When it is none, or more than one.
pub fn find(session: &Session, text: &str) -> Result<EmergencyRow, Error> {
    let mut rows = session.state().emergencies()?;
    rows.retain(|row| row.opened.id.as_str().starts_with(text));
    match (rows.pop(), rows.is_empty()) {
        (Some(row), true) => Ok(row),
        _ => Err(ReleaseError::NoSuchEmergency { id: text.to_owned() }.into()),
    }
}

/// The moment that deadlines are held against: one that passed does not come back because a clock was set back.
///
/// # Errors
/// When the projection cannot be read.
pub fn moment(session: &Session) -> Result<Timestamp, Error> {
    Ok(session.now().max(session.state().newest_time()?))
}

/// Closes the glass before its time. Returns the log index.
///
/// # Errors
/// When it is over, or the signer is no security officer.
pub fn close(session: &mut Session, id: &BreakGlassId, reason: &str, pen: Pen<'_>) -> Result<Written<u64>, Error> {
    let reason = line("the reason", reason)?;
    let (kind, namespace) = (EventKind::BreakGlassClosed, act::BREAK_GLASS_CLOSE);
    let saying = Saying { act: "break-glass close", run: None, kind, namespace, stream: StreamId::from(id) };
    write(
        session,
        pen,
        &saying,
        |s, by| {
            needs(s, by, Action::CloseBreakGlass)?;
            if find(s, id.as_str())?.is_open(moment(s)?) {
                return Ok(());
            }
            Err(ReleaseError::GlassClosed { id: id.clone() }.into())
        },
        |s, by, time| {
            let origin = session_origin(s);
            Ok(BreakGlassClosed { origin, id: id.clone(), by, reason, time })
        },
    )
}

/// Whether somebody may do what an emergency owes.
fn may_close(s: &Session, id: &BreakGlassId, owed: Owed, by: &PersonId, late: bool) -> Result<(), Error> {
    needs(s, by, if owed == Owed::Ratification { Action::RatifyBreakGlass } else { Action::ReviewBreakGlass })?;
    let row = find(s, id.as_str())?;
    let at = moment(s)?;
    if row.is_open(at) {
        return Err(ReleaseError::StillOpen { id: id.clone(), until: row.opened.expires }.into());
    }
    let mut part = s.state().took_part(&row)?;
    // A claim since then makes an author of somebody whom nobody knew as one.
    for grant in s.state().emergency_grants(id)? {
        if let Some(grant) = s.state().grant(&grant)? {
            let change = decide::read_change(s.ledger(), &run_row(s.state(), &grant.grant.run)?.change)?;
            part.extend(authors(&change, s.state())?);
        }
    }
    if part.contains(by) {
        return Err(ReleaseError::TookPart { person: s.state().label(by)?, owed: owed.as_str() }.into());
    }
    match row.standing(owed, at) {
        Standing::Done | Standing::DoneLate => {
            Err(ReleaseError::DoneBefore { id: id.clone(), owed: owed.as_str() }.into())
        }
        Standing::Overdue if !late => {
            Err(ReleaseError::Late { id: id.clone(), owed: owed.as_str(), due: row.due(owed) }.into())
        }
        Standing::Owed if late => Err(ReleaseError::NotLate { id: id.clone(), owed: owed.as_str() }.into()),
        Standing::Overdue | Standing::Owed => Ok(()),
    }
}

/// Ratifies an emergency, as an officer who took no part. Returns the log index.
///
/// # Errors
/// When the signer took part or holds no role that may, it is still open, was ratified, or `late` is not as it is.
pub fn ratify(
    session: &mut Session,
    id: &BreakGlassId,
    statement: &str,
    late: bool,
    pen: Pen<'_>,
) -> Result<Written<u64>, Error> {
    let statement = line("the statement", statement)?;
    let (kind, namespace) = (EventKind::BreakGlassRatified, act::RATIFICATION);
    let saying = Saying { act: "break-glass ratify", run: None, kind, namespace, stream: StreamId::from(id) };
    write(
        session,
        pen,
        &saying,
        |s, by| may_close(s, id, Owed::Ratification, by, late),
        |s, by, time| {
            let origin = session_origin(s);
            Ok(BreakGlassRatified { origin, id: id.clone(), late, statement, by, time })
        },
    )
}

/// What came of a review: three texts of one line each.
#[derive(Debug, Clone)]
pub struct Review {
    /// What was found.
    pub findings: String,
    /// Why it came to that.
    pub root_cause: String,
    /// What is done about it.
    pub corrective_action: String,
}

/// Reviews an emergency, as somebody who took no part. Returns the log index.
///
/// # Errors
/// As [`ratify`].
pub fn review(
    session: &mut Session,
    id: &BreakGlassId,
    review: &Review,
    late: bool,
    pen: Pen<'_>,
) -> Result<Written<u64>, Error> {
    let findings = line("what was found", &review.findings)?;
    let root_cause = line("the root cause", &review.root_cause)?;
    let corrective_action = line("the corrective action", &review.corrective_action)?;
    let (kind, namespace) = (EventKind::BreakGlassReviewed, act::POST_REVIEW);
    let saying = Saying { act: "break-glass review", run: None, kind, namespace, stream: StreamId::from(id) };
    write(
        session,
        pen,
        &saying,
        |s, by| may_close(s, id, Owed::Review, by, late),
        |s, by, time| {
            let (origin, id) = (session_origin(s), id.clone());
            Ok(BreakGlassReviewed { origin, id, late, findings, root_cause, corrective_action, by, time })
        },
    )
}
