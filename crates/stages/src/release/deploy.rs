//! `grant issue`: a release manager issues a short-lived grant when every gate is satisfied.

use countersign_connect::{SshSigner, host_name};
use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::statement::Subject;
use countersign_model::change::Change;
use countersign_model::event::{Device, GrantIssued};
use countersign_model::{Action, ActorId, EventKind, GrantId, Outcome, PersonId, Role, RunId, StreamId, Timestamp};
use countersign_policy::PolicyEngine;
use countersign_store::projection::State;
use countersign_store::session::act_statement;
use countersign_store::{Plan, Session};

use super::approve::{gates_of, run_row};
use super::freeze;
use super::refuse::{self, Attempt};
use super::reject::duty_text;
use super::rules::{self, GateStatus};
use crate::Error;
use crate::build::decide::{self, Decided};
use crate::build::observe::random_id;
use crate::build::rules::{artifacts, authors};

/// How long a grant lives unless `--ttl` says otherwise, in seconds.
pub const DEFAULT_TTL: i64 = 15 * 60;

/// A grant that was issued.
pub struct Issued {
    /// What it says.
    pub grant: GrantIssued,
    /// The signed act: the grant file.
    pub act: SignedAct,
    /// Log index.
    pub index: u64,
    /// The gates it rests on.
    pub gates: Vec<GateStatus>,
}

/// Issues a grant.
///
/// # Errors
/// When a gate is not satisfied, the person is no release manager, or another duty of theirs forbids it. What is
/// refused is recorded first.
pub fn issue(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    run: &RunId,
    environment: &str,
    ttl_seconds: i64,
    signer: &SshSigner,
) -> Result<Issued, Error> {
    session.require_pin()?;
    if session.state().trust().is_none() {
        return Err(Error::NoTrustRoot { act: "deploy" });
    }
    let attempt = Attempt { act: "deploy", run: Some(run.clone()), carry: false };
    let person = refuse::signer(session, &attempt, signer)?;
    let (decided, change) = decide::settle(session, engine, run)?;
    let device = Device { key: signer.public_key().fingerprint(), host: host_name() };
    let asked = Asked { run, environment, ttl_seconds, person: &person, device };
    let grant = propose(session, &attempt, &decided, &change, asked)?;
    let statement = act_statement(subject(&grant), grant.clone())?;
    let armored = signer.sign(act::GRANT, &statement)?;
    let signed = SignedAct::new(act::GRANT, &statement, &armored, &signer.public_key())?;
    append(session, &decided, &change, grant, signed)
}

/// A grant that somebody asks for.
pub(super) struct Asked<'a> {
    pub(super) run: &'a RunId,
    pub(super) environment: &'a str,
    pub(super) ttl_seconds: i64,
    pub(super) person: &'a PersonId,
    pub(super) device: Device,
}

/// The grant that somebody may sign now, if they may; a refusal is recorded.
pub(super) fn propose(
    session: &mut Session,
    attempt: &Attempt,
    decided: &Decided,
    change: &Change,
    asked: Asked<'_>,
) -> Result<GrantIssued, Error> {
    refuse::unless(session, attempt, Some(asked.person), |s| {
        let authors = authors(change, s.state())?;
        let (environment, base) = (change.environment.as_str(), change.base.as_deref());
        may_deploy(s.state(), asked.run, decided, &authors, asked.person, asked.environment, environment, base)?;
        freeze::open(s, asked.environment, s.now())
    })?;
    let now = session.now();
    let id = GrantId::from_random(random_id()?);
    said(session, decided, change, asked, id, now)
}

/// What a grant says of what is so now.
pub(super) fn said(
    session: &Session,
    decided: &Decided,
    change: &Change,
    asked: Asked<'_>,
    grant: GrantId,
    now: Timestamp,
) -> Result<GrantIssued, Error> {
    let state = session.state();
    let gates = gates_of(state, asked.run, decided, &authors(change, state)?)?;
    let row = run_row(state, asked.run)?;
    let repository = row.identity.clone().ok_or(Error::Unidentified)?;
    Ok(GrantIssued {
        origin: state.origin().to_owned(),
        grant,
        run: asked.run.clone(),
        artifacts: artifacts(&row),
        environment: asked.environment.into(),
        replaces: state.last_deployed(&repository, asked.environment)?,
        repository,
        decision: decided.decision.digest()?,
        approvals: gates.iter().flat_map(|g| &g.slots).flat_map(|s| s.filled.iter().map(|f| f.index)).collect(),
        by: asked.person.clone(),
        device: asked.device,
        self_judged: !state.is_judged_by_server(asked.run)?,
        time: now,
        expires: now.plus_seconds(asked.ttl_seconds),
        break_glass: None,
        standing: None,
        excluded: Vec::new(),
        commit: row.commit,
        tree: row.tree,
    })
}

/// What a grant is about.
pub(super) fn subject(grant: &GrantIssued) -> Vec<Subject> {
    let mut subject = vec![Subject::new(grant.repository.clone(), "gitCommit", grant.commit.clone())];
    subject.extend(grant.artifacts.iter().map(|a| Subject::sha256(a.name.clone(), &a.digest)));
    subject
}

/// Appends a signed grant, if all is still as it says.
pub(super) fn append(
    session: &mut Session,
    decided: &Decided,
    change: &Change,
    grant: GrantIssued,
    signed: SignedAct,
) -> Result<Issued, Error> {
    let (run, environment) = (&grant.run, grant.environment.as_str());
    let gates = gates_of(session.state(), run, decided, &authors(change, session.state())?)?;
    let (appended, ()) = session.transact(|s| {
        let row = run_row(s.state(), run)?;
        if row.decisions.last().map(|d| d.digest) != Some(grant.decision)
            || s.state().last_deployed(&grant.repository, environment)? != grant.replaces
        {
            return Err(Error::ChangedMeanwhile { run: run.clone() });
        }
        let authors = authors(change, s.state())?;
        let (decided_for, base) = (change.environment.as_str(), change.base.as_deref());
        may_deploy(s.state(), run, decided, &authors, &grant.by, environment, decided_for, base)?;
        freeze::open(s, environment, s.now())?;
        let stream = StreamId::from(&grant.grant);
        // The decision first: it stands in the run's own stream, which says to everybody whose grant this is.
        let refs = row.decisions.last().map(|d| d.index).into_iter().chain(grant.approvals.iter().copied()).collect();
        let entry = s.act_entry(EventKind::GrantIssued, stream, ActorId::from(&grant.by), &signed, refs, Vec::new())?;
        Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
    })?;
    let index = appended.map(|a| a.first_index).ok_or_else(|| Error::ChangedMeanwhile { run: run.clone() })?;
    Ok(Issued { grant, act: signed, index, gates })
}

#[expect(
    clippy::too_many_arguments,
    reason = "each is one duty or binding that is checked; a struct would name them twice"
)]
pub(super) fn may_deploy(
    state: &State,
    run: &RunId,
    decided: &Decided,
    authors: &std::collections::BTreeSet<PersonId>,
    person: &PersonId,
    environment: &str,
    decided_environment: &str,
    base: Option<&str>,
) -> Result<(), Error> {
    let row = run_row(state, run)?;
    if !state.may(person, Action::IssueGrant)? {
        return Err(Error::NoRole { person: state.label(person)?, role: Role::ReleaseManager, act: "deploy" });
    }
    if environment != decided_environment {
        return Err(Error::OtherEnvironment {
            run: run.clone(),
            decided: decided_environment.into(),
            asked: environment.into(),
        });
    }
    // A run that covers everything from the first commit on covers whatever was deployed since.
    if let (Some(identity), Some(base)) = (&row.identity, base)
        && state.release_base(identity, environment, &row.commit)?.as_deref() != Some(base)
    {
        return Err(Error::OtherBase { run: run.clone(), environment: environment.into() });
    }
    let gates = gates_of(state, run, decided, authors)?;
    if let Some(gate) = gates.iter().find(|g| !g.outcome.opens()) {
        return Err(match rules::overall(&gates) {
            Outcome::Pending => Error::Waiting { gate: gate.name.clone(), run: run.clone() },
            _ => Error::Denied { gate: gate.name.clone(), run: run.clone() },
        });
    }
    // Two duties in one person break the segregation that the approvals were for.
    if authors.contains(person) {
        return Err(Error::DutyConflict { person: state.label(person)?, duty: "author" });
    }
    match rules::bars_deployer(state, &row, &gates, person)? {
        Some(duty) => Err(Error::DutyConflict { person: state.label(person)?, duty: duty_text(duty) }),
        None => Ok(()),
    }
}
