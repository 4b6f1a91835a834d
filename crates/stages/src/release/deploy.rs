//! `deploy`: a release manager issues a short-lived grant when every gate is satisfied; redeeming it runs the
//! command once and records how it ended.

use std::ffi::OsString;
use std::path::Path;

use countersign_connect::process::hand_out;
use countersign_connect::{ExitOutcome, SshSigner, host_name, run as run_command};
use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::grant_token;
use countersign_evidence::statement::Subject;
use countersign_model::access::GrantClaims;
use countersign_model::event::{DeploymentRecorded, DeploymentStarted, Device, GrantIssued};
use countersign_model::{
    Action, ActorId, Digest, EventKind, GrantId, Outcome, PersonId, Role, RunId, StreamId, Timestamp,
};
use countersign_policy::PolicyEngine;
use countersign_store::projection::{GrantRow, GrantState, State};
use countersign_store::session::{SessionError, act_statement};
use countersign_store::{Plan, Session};
use serde_json::json;

use super::approve::{gates_of, run_row};
use super::error::ReleaseError;
use super::freeze;
use super::grant::{self, Wanted};
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
        )?;
        freeze::open(s, environment, s.now())
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
            approvals: gates.iter().flat_map(|g| &g.slots).flat_map(|s| s.filled.iter().map(|f| f.index)).collect(),
            by: person.clone(),
            device: Device { key: signer.public_key().fingerprint(), host: host_name() },
            self_judged: true,
            time: now,
            expires: now.plus_seconds(ttl_seconds),
            break_glass: None,
            standing: None,
            excluded: Vec::new(),
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
        freeze::open(s, environment, s.now())?;
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
    match rules::bars_deployer(state, &row, &gates, person)? {
        Some(duty) => Err(Error::DutyConflict { person: state.label(person)?, duty: duty_text(duty) }),
        None => Ok(()),
    }
}

/// A grant as somebody shows it.
#[derive(Debug, Clone)]
pub enum Presented {
    /// By its id: the ledger is what counts.
    Id(GrantId),
    /// As a token, which must say what the ledger says.
    Token(String),
}

/// What a grant is redeemed for.
#[derive(Debug)]
pub struct Redemption<'a> {
    /// The command that is recorded for a refusal: `redeem` or `grant redeem`.
    pub act: &'static str,
    /// The grant.
    pub presented: &'a Presented,
    /// What it has to be for.
    pub wanted: &'a Wanted,
    /// The command that it is redeemed for: the deployment, or the hook that hands out a credential.
    pub command: &'a [OsString],
}

/// A grant that is used up from here on.
#[derive(Debug, Clone)]
pub struct Redeemed {
    /// What it says.
    pub grant: GrantIssued,
    /// Log index of the grant.
    pub index: u64,
    /// Log index of its redemption.
    pub started: u64,
}

/// Redeems a grant: records that its one use begins. Of two who try at the same moment one is refused, for the second one is
/// asked again on a log that holds the first.
///
/// # Errors
/// When the grant is unknown, altered, used, revoked, expired, for something else, or no longer what was decided. What is
/// refused is recorded first.
pub fn begin(session: &mut Session, engine: &dyn PolicyEngine, redemption: &Redemption<'_>) -> Result<Redeemed, Error> {
    session.require_pin()?;
    let attempt = Attempt { act: redemption.act, run: None, carry: false };
    let row = refuse::unless(session, &attempt, None, |s| identify(s, redemption.presented))?;
    let (grant, run) = (row.grant.grant.clone(), row.grant.run.clone());
    let attempt = Attempt { act: redemption.act, run: Some(run.clone()), carry: false };
    refuse::unless(session, &attempt, None, |s| {
        grant::fits(&GrantClaims::of(&row.grant, row.index), redemption.wanted)?;
        redeemable(s, &grant, s.now())
    })?;
    // In an emergency the gates are not asked: how they stood is in the grant.
    let settled = match &row.grant.break_glass {
        Some(_) => None,
        None => {
            let (decided, change) = decide::settle(session, engine, &run)?;
            let decision = decided.decision.digest()?;
            Some((decided, change, decision))
        }
    };
    let mut digest = countersign_model::digest::Hasher::new();
    for word in redemption.command {
        digest.update(word.as_encoded_bytes());
        digest.update(b"\0");
    }
    let command: Digest = digest.finish();
    // The moment that is asked about is the one that is recorded: nobody who reads the log sees another.
    let check = |s: &Session, now: Timestamp| -> Result<GrantIssued, Error> {
        let row = redeemable(s, &grant, now)?;
        let Some((decided, change, decision)) = &settled else { return Ok(row) };
        if row.decision != *decision {
            return Err(Error::GrantOutdated { grant: grant.clone() });
        }
        // All that the grant was issued on is asked again: gates, duties, environment and base.
        let authors = authors(change, s.state())?;
        let base = change.base.as_deref();
        may_deploy(s.state(), &run, decided, &authors, &row.by, &row.environment, &change.environment, base)?;
        Ok(row)
    };
    refuse::unless(session, &attempt, None, |s| check(s, s.now()))?;
    let begun = session.transact(|s| {
        let time = s.now();
        let row = check(s, time)?;
        let predicate = DeploymentStarted {
            grant: grant.clone(),
            run: run.clone(),
            command,
            break_glass: row.break_glass.clone(),
            host: row.break_glass.is_some().then(host_name),
            time,
        };
        let subject = vec![Subject::new(row.repository.clone(), "gitCommit", row.commit.clone())];
        let refs = s.state().grant(&grant)?.map(|g| g.index).into_iter().collect();
        let stream = StreamId::from(&grant);
        let entry = s.machine_entry(EventKind::DeploymentStarted, stream, subject, predicate, refs, Vec::new())?;
        Ok::<_, Error>((Plan { entries: vec![entry] }, row))
    });
    // Whoever lost the race is refused like anybody who comes later.
    let (started, issued) = match begun {
        Err(lost @ (Error::GrantUsed { .. } | Error::Release(ReleaseError::Revoked { .. }))) => {
            return refuse::unless(session, &attempt, None, |_| Err(lost));
        }
        begun => begun?,
    };
    let started = started.map(|s| s.first_index).ok_or_else(|| Error::NoSuchGrant { grant: grant.to_string() })?;
    Ok(Redeemed { grant: issued, index: row.index, started })
}

/// Whether the ledger bears a token out: the act is in it, and its one use could begin now. A refusal is recorded.
///
/// # Errors
/// Why it could not.
pub fn stands(session: &mut Session, claims: &GrantClaims) -> Result<(), Error> {
    let row = session.state().grant(&claims.jti)?.filter(|row| GrantClaims::of(&row.grant, row.index) == *claims);
    let run = row.as_ref().map(|row| row.grant.run.clone());
    refuse::unless(session, &Attempt { act: "grant verify", run, carry: false }, None, |s| {
        let row = row.ok_or(ReleaseError::NotInLedger)?;
        redeemable(s, &row.grant.grant, s.now()).map(drop)
    })
}

/// The grant in the ledger that is shown.
fn identify(session: &Session, presented: &Presented) -> Result<GrantRow, Error> {
    match presented {
        Presented::Id(id) => session.state().grant(id)?.ok_or_else(|| Error::NoSuchGrant { grant: id.to_string() }),
        Presented::Token(token) => {
            let trusted = grant::own(session)?;
            let (claims, _) = grant_token::open(token.trim(), &trusted.keys).map_err(ReleaseError::from)?;
            if claims.iss != session.state().origin() {
                let expected = session.state().origin().to_owned();
                return Err(ReleaseError::OtherIssuer { issuer: claims.iss, expected }.into());
            }
            let row =
                session.state().grant(&claims.jti)?.filter(|row| GrantClaims::of(&row.grant, row.index) == claims);
            row.ok_or_else(|| ReleaseError::NotInLedger.into())
        }
    }
}

/// Records how a deployment ended. Returns the log index.
///
/// # Errors
/// When no outcome is awaited for the grant, or the ledger cannot be written.
pub fn end(session: &mut Session, grant: &GrantId, success: bool, outcome: ExitOutcome) -> Result<u64, Error> {
    session.require_pin()?;
    let run = session.state().grant(grant)?.map(|row| row.grant.run);
    let attempt = Attempt { act: "grant complete", run, carry: false };
    let check = |s: &Session| -> Result<GrantRow, Error> {
        let row = s.state().grant(grant)?.ok_or_else(|| Error::NoSuchGrant { grant: grant.to_string() })?;
        match row.state {
            GrantState::Started => Ok(row),
            _ => {
                let state = grant::standing(s, &row)?;
                Err(ReleaseError::NoOutcomeAwaited { grant: grant.clone(), state }.into())
            }
        }
    };
    refuse::unless(session, &attempt, None, |s| check(s))?;
    let (recorded, ()) = session.transact(|s| {
        let row = check(s)?;
        let predicate = DeploymentRecorded {
            grant: grant.clone(),
            run: row.grant.run.clone(),
            commit: row.grant.commit.clone(),
            environment: row.grant.environment.clone(),
            success,
            exit_code: outcome.code,
            signal: outcome.signal,
            time: s.now(),
        };
        let subject = vec![Subject::new(row.grant.repository.clone(), "gitCommit", row.grant.commit.clone())];
        let refs = row.started.into_iter().collect();
        let stream = StreamId::from(grant);
        let entry = s.machine_entry(EventKind::DeploymentRecorded, stream, subject, predicate, refs, Vec::new())?;
        Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
    })?;
    Ok(recorded.map(|r| r.first_index).ok_or(countersign_store::session::SessionError::Contended)?)
}

/// Nothing of a command's end is known.
pub const NO_OUTCOME: ExitOutcome = ExitOutcome { code: None, signal: None };

/// Redeems a grant, runs the command with what the broker hands out, and records the outcome.
///
/// # Errors
/// As [`begin`]; when the broker or the command cannot be started or the broker fails (that is recorded as a failed
/// deployment), or the outcome cannot be recorded.
pub fn redeem(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    redemption: &Redemption<'_>,
    broker: Option<&OsString>,
    dir: &Path,
) -> Result<Deployed, Error> {
    let redeemed = begin(session, engine, redemption)?;
    let ended = credentials(session, &redeemed, broker, dir).and_then(|handed| {
        let mut env = environment_of(&redeemed.grant);
        env.extend(handed);
        Ok(run_command(redemption.command, &env, dir)?)
    });
    let outcome = *ended.as_ref().unwrap_or(&NO_OUTCOME);
    let index = end(session, &redeemed.grant.grant, ended.is_ok() && outcome.success(), outcome)?;
    ended?;
    let GrantIssued { grant, run, environment, .. } = redeemed.grant;
    Ok(Deployed { grant, run, environment, outcome, index })
}

/// What the broker hands out for a grant that was just redeemed: the environment of the deployment's command. None of it is
/// kept, shown or recorded.
fn credentials(
    session: &Session,
    redeemed: &Redeemed,
    broker: Option<&OsString>,
    dir: &Path,
) -> Result<Vec<(String, String)>, Error> {
    let Some(broker) = broker else { return Ok(Vec::new()) };
    let said = ask_broker(session, redeemed, std::slice::from_ref(broker), dir)?;
    let text = std::str::from_utf8(&said).map_err(|_| ReleaseError::BrokerOutput { line: 1 })?;
    let mut env = Vec::new();
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let bad = || ReleaseError::BrokerOutput { line: n.saturating_add(1) };
        let (name, value) = line.split_once('=').ok_or_else(bad)?;
        let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
            && !name.starts_with("COUNTERSIGN_");
        if !is_name || value.contains('\0') {
            return Err(bad().into());
        }
        env.push((name.to_owned(), value.to_owned()));
    }
    if env.is_empty() { Err(ReleaseError::Broker { how: "nothing on its output".into() }.into()) } else { Ok(env) }
}

/// Runs the program that hands out a credential: it reads the redeemed grant, and what it writes is returned.
///
/// # Errors
/// When it cannot be started, or ends without success.
pub fn ask_broker(
    session: &Session,
    redeemed: &Redeemed,
    hook: &[OsString],
    dir: &Path,
) -> Result<countersign_connect::process::Secret, Error> {
    let row = session.state().grant(&redeemed.grant.grant)?;
    let token = row.filter(|_| session.must_record().is_ok()).map(|row| grant::token(session, &row)).transpose()?;
    let shown = json!({
        "version": 1, "grant": GrantClaims::of(&redeemed.grant, redeemed.index), "redeemed": redeemed.started, "token": token,
    });
    let (outcome, said) = hand_out(hook, shown.to_string().as_bytes(), &environment_of(&redeemed.grant), dir)?;
    if outcome.success() {
        return Ok(said);
    }
    let how = match (outcome.code, outcome.signal) {
        (Some(code), _) => format!("code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no code".into(),
    };
    Err(ReleaseError::Broker { how }.into())
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

/// Whether a grant's one use may begin at `now`.
///
/// # Errors
/// Why it may not.
pub fn redeemable(session: &Session, grant: &GrantId, now: Timestamp) -> Result<GrantIssued, Error> {
    let row = session.state().grant(grant)?.ok_or_else(|| Error::NoSuchGrant { grant: grant.to_string() })?;
    match (&row.state, row.revoked) {
        (GrantState::Issued, _) => {}
        (GrantState::Revoked, Some(said)) => {
            return Err(ReleaseError::Revoked { grant: grant.clone(), reason: said.reason }.into());
        }
        _ => return Err(Error::GrantUsed { grant: grant.clone() }),
    }
    // What was over once does not come back because a clock was set back.
    let now = now.max(session.state().newest_time()?);
    if now >= row.grant.expires {
        return Err(Error::GrantExpired { grant: grant.clone(), expired: row.grant.expires });
    }
    let from = row.grant.time;
    if now < from {
        return Err(ReleaseError::NotYet { from }.into());
    }
    match &row.grant.break_glass {
        None => freeze::open(session, &row.grant.environment, now)?,
        Some(id) => {
            let open = session.state().emergency(id)?.is_some_and(|e| e.is_open(now));
            if !open {
                return Err(ReleaseError::GlassClosed { id: id.clone() }.into());
            }
        }
    }
    // Whoever had the release manager's key by then may have issued it.
    if let Some(key) = session.state().compromised_signer(row.index)?
        && let Some(trouble) = key.trouble(now)
    {
        return Err(SessionError::from(trouble).into());
    }
    let replaced = session.state().last_deployed(&row.grant.repository, &row.grant.environment)?;
    if replaced != row.grant.replaces {
        return Err(Error::GrantOutdated { grant: grant.clone() });
    }
    Ok(row.grant)
}
