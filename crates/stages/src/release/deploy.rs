//! `deploy`: a release manager issues a short-lived grant when every gate is satisfied; redeeming it runs the
//! command once and records how it ended.

use std::ffi::OsString;
use std::path::Path;

use countersign_connect::{ExitOutcome, SshSigner, host_name, run as run_command};
use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::statement::Subject;
use countersign_model::event::{DeploymentRecorded, DeploymentStarted, Device, GrantIssued};
use countersign_model::{Action, ActorId, Digest, EventKind, GrantId, Outcome, PersonId, Role, RunId, StreamId};
use countersign_policy::PolicyEngine;
use countersign_store::projection::{GrantState, State};
use countersign_store::session::act_statement;
use countersign_store::{Plan, Session};

use super::approve::{gates_of, run_row};
use super::refuse::{self, Attempt};
use super::rules::{self, GateStatus};
use crate::Error;
use crate::build::decide::{self, Decided};
use crate::build::observe::random_id;
use crate::build::rules::{artifacts, authors};

/// How long a grant lives unless `--ttl` says otherwise, in seconds.
pub const DEFAULT_TTL: i64 = 15 * 60;
/// The longest a grant may live, in seconds.
pub const LONGEST_TTL: i64 = 24 * 60 * 60;

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

/// A deployment that ended.
pub struct Deployed {
    /// The grant.
    pub grant: GrantId,
    /// The run.
    pub run: RunId,
    /// Where.
    pub environment: String,
    /// How the command ended.
    pub outcome: ExitOutcome,
    /// Log index of the record.
    pub index: u64,
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
    refuse::unless(session, &attempt, Some(&person), |s| {
        let authors = authors(&change, s.state())?;
        may_deploy(
            s.state(),
            run,
            &decided,
            &authors,
            &person,
            environment,
            &change.environment,
            change.base.as_deref(),
        )
    })?;
    let decision = decided.decision.digest()?;
    let gates = gates_of(session.state(), run, &decided, &authors(&change, session.state())?)?;
    let (subject, grant) = {
        let row = run_row(session.state(), run)?;
        let repository = row.identity.clone().ok_or(Error::Unidentified)?;
        let artifacts = artifacts(&row);
        let mut subject = vec![Subject::new(repository.clone(), "gitCommit", row.commit.clone())];
        subject.extend(artifacts.iter().map(|a| Subject::sha256(a.name.clone(), &a.digest)));
        let now = session.now();
        let grant = GrantIssued {
            origin: session.state().origin().to_owned(),
            grant: GrantId::from_random(random_id()?),
            run: run.clone(),
            commit: row.commit.clone(),
            tree: row.tree.clone(),
            artifacts,
            environment: environment.into(),
            replaces: session.state().last_deployed(&repository, environment)?,
            repository,
            decision,
            approvals: gates.iter().flat_map(|g| &g.slots).filter_map(|s| s.filled.as_ref().map(|f| f.index)).collect(),
            by: person.clone(),
            device: Device { key: signer.public_key().fingerprint(), host: host_name() },
            self_judged: true,
            time: now,
            expires: now.plus_seconds(ttl_seconds),
        };
        (subject, grant)
    };
    let statement = act_statement(subject, grant.clone())?;
    let armored = signer.sign(act::GRANT, &statement)?;
    let signed = SignedAct::new(act::GRANT, &statement, &armored, &signer.public_key())?;
    let (appended, ()) = session.transact(|s| {
        let row = run_row(s.state(), run)?;
        if row.decisions.last().map(|d| d.digest) != Some(decision)
            || s.state().last_deployed(&grant.repository, environment)? != grant.replaces
        {
            return Err(Error::ChangedMeanwhile { run: run.clone() });
        }
        let authors = authors(&change, s.state())?;
        may_deploy(
            s.state(),
            run,
            &decided,
            &authors,
            &person,
            environment,
            &change.environment,
            change.base.as_deref(),
        )?;
        let stream = StreamId::from(&grant.grant);
        // The decision first: it stands in the run's own stream, which says to everybody whose grant this is.
        let refs = row.decisions.last().map(|d| d.index).into_iter().chain(grant.approvals.iter().copied()).collect();
        let entry = s.act_entry(EventKind::GrantIssued, stream, ActorId::from(&person), &signed, refs, Vec::new())?;
        Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
    })?;
    let index = appended.map(|a| a.first_index).ok_or_else(|| Error::ChangedMeanwhile { run: run.clone() })?;
    Ok(Issued { grant, act: signed, index, gates })
}

#[expect(
    clippy::too_many_arguments,
    reason = "each is one duty or binding that is checked; a struct would name them twice"
)]
fn may_deploy(
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
    let approved = gates.iter().flat_map(|g| &g.slots).any(|s| s.filled.as_ref().is_some_and(|f| f.person == *person));
    if approved {
        return Err(Error::DutyConflict { person: state.label(person)?, duty: "approver" });
    }
    Ok(())
}

/// Redeems a grant: records the intent, runs the command, records the outcome.
///
/// # Errors
/// When the grant is unknown, used, expired or no longer what was decided; when the command cannot be started (that
/// is recorded as a failed deployment) or its outcome cannot be recorded.
pub fn redeem(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    grant: &GrantId,
    command: &[OsString],
    dir: &Path,
) -> Result<Deployed, Error> {
    session.require_pin()?;
    let run = session
        .state()
        .grant(grant)?
        .map(|g| g.grant.run)
        .ok_or_else(|| Error::NoSuchGrant { grant: grant.to_string() })?;
    let attempt = Attempt { act: "redeem", run: Some(run.clone()), carry: false };
    refuse::unless(session, &attempt, None, |s| redeemable(s, grant))?;
    let (decided, change) = decide::settle(session, engine, &run)?;
    let decision = decided.decision.digest()?;
    let mut digest = countersign_model::digest::Hasher::new();
    for word in command {
        digest.update(word.as_encoded_bytes());
        digest.update(b"\0");
    }
    let command_digest: Digest = digest.finish();
    let mut issued = None;
    let check = |s: &Session| -> Result<GrantIssued, Error> {
        let row = redeemable(s, grant)?;
        if row.decision != decision {
            return Err(Error::GrantOutdated { grant: grant.clone() });
        }
        // All that the grant was issued on is asked again: gates, duties, environment and base.
        let authors = authors(&change, s.state())?;
        let base = change.base.as_deref();
        may_deploy(s.state(), &run, &decided, &authors, &row.by, &row.environment, &change.environment, base)?;
        Ok(row)
    };
    refuse::unless(session, &attempt, None, |s| check(s))?;
    let (started, ()) = session.transact(|s| {
        let row = check(s)?;
        let predicate =
            DeploymentStarted { grant: grant.clone(), run: run.clone(), command: command_digest, time: s.now() };
        let subject = vec![Subject::new(row.repository.clone(), "gitCommit", row.commit.clone())];
        let refs = s.state().grant(grant)?.map(|g| g.index).into_iter().collect();
        issued = Some(row);
        let entry =
            s.machine_entry(EventKind::DeploymentStarted, StreamId::from(grant), subject, predicate, refs, Vec::new())?;
        Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
    })?;
    let (Some(issued), Some(started)) = (issued, started) else {
        return Err(Error::NoSuchGrant { grant: grant.to_string() });
    };
    let env = environment_of(&issued);
    let ended = run_command(command, &env, dir);
    let outcome = match &ended {
        Ok(outcome) => *outcome,
        Err(_) => ExitOutcome { code: None, signal: None },
    };
    let (recorded, ()) = session.transact(|s| {
        let predicate = DeploymentRecorded {
            grant: grant.clone(),
            run: run.clone(),
            commit: issued.commit.clone(),
            environment: issued.environment.clone(),
            success: ended.is_ok() && outcome.success(),
            exit_code: outcome.code,
            signal: outcome.signal,
            time: s.now(),
        };
        let subject = vec![Subject::new(issued.repository.clone(), "gitCommit", issued.commit.clone())];
        let refs = vec![started.first_index];
        let entry = s.machine_entry(
            EventKind::DeploymentRecorded,
            StreamId::from(grant),
            subject,
            predicate,
            refs,
            Vec::new(),
        )?;
        Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
    })?;
    ended?;
    let index = recorded.map_or(started.first_index, |r| r.first_index);
    Ok(Deployed { grant: grant.clone(), run, environment: issued.environment, outcome, index })
}

/// What the command is told through its environment.
fn environment_of(grant: &GrantIssued) -> Vec<(String, String)> {
    vec![
        ("COUNTERSIGN_GRANT".into(), grant.grant.to_string()),
        ("COUNTERSIGN_RUN".into(), grant.run.to_string()),
        ("COUNTERSIGN_COMMIT".into(), grant.commit.clone()),
        ("COUNTERSIGN_ENVIRONMENT".into(), grant.environment.clone()),
    ]
}

fn redeemable(session: &Session, grant: &GrantId) -> Result<GrantIssued, Error> {
    let row = session.state().grant(grant)?.ok_or_else(|| Error::NoSuchGrant { grant: grant.to_string() })?;
    if row.state != GrantState::Issued {
        return Err(Error::GrantUsed { grant: grant.clone() });
    }
    let now = session.now();
    if now >= row.grant.expires {
        return Err(Error::GrantExpired { grant: grant.clone(), expired: row.grant.expires });
    }
    let replaced = session.state().last_deployed(&row.grant.repository, &row.grant.environment)?;
    if replaced != row.grant.replaces {
        return Err(Error::GrantOutdated { grant: grant.clone() });
    }
    Ok(row.grant)
}
