//! A grant is redeemed once, its command runs, and how that ended is recorded; where the ledger is, or over the network.
//!
//! Over the network nothing is believed but what the machine that deploys alone can know: the digest of its command, of the files that it
//! is about to deploy, and how the command ended.

use std::ffi::OsString;
use std::path::Path;

use countersign_connect::process::{Secret, hand_out};
use countersign_connect::{ExitOutcome, host_name, run as run_command};
use countersign_evidence::grant_token;
use countersign_evidence::statement::Subject;
use countersign_model::access::GrantClaims;
use countersign_model::event::{DeploymentRecorded, DeploymentStarted, GrantIssued};
use countersign_model::submission::SentBy;
use countersign_model::{Digest, EventKind, GrantId, RunId, StreamId, Timestamp};
use countersign_policy::PolicyEngine;
use countersign_store::projection::{GrantRow, GrantState};
use countersign_store::session::SessionError;
use countersign_store::{Plan, Session};
use serde_json::json;

use super::deploy::may_deploy;
use super::error::ReleaseError;
use super::freeze;
use super::grant::{self, Wanted};
use super::refuse::{self, Attempt};
use crate::Error;
use crate::build::decide;
use crate::build::rules::authors;
use crate::build::submission::SubmissionError;

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
    /// Digest of the command that it is redeemed for ([`command`]): the deployment, or the hook that hands out a credential.
    pub command: Digest,
    /// Who asks for it over the network, with a key; `None`: it is asked for where the ledger is.
    pub sent: Option<&'a SentBy>,
}

/// What is recorded of a command line, which may hold what must not be.
#[must_use]
pub fn command(words: &[OsString]) -> Digest {
    let mut digest = countersign_model::digest::Hasher::new();
    for word in words {
        digest.update(word.as_encoded_bytes());
        digest.update(b"\0");
    }
    digest.finish()
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

/// What came of the same request before: whoever lost the answer asks again, until it is said how the deployment ended.
fn before(session: &Session, redemption: &Redemption<'_>) -> Result<Option<Redeemed>, Error> {
    let Some(SentBy { key: Some(key), request, .. }) = redemption.sent else { return Ok(None) };
    let Some(row) = session.state().grant_redeemed_under(key)? else { return Ok(None) };
    if row.sent.as_ref().is_none_or(|sent| sent.request != *request) {
        return Err(SubmissionError::KeyReused { index: row.started }.into());
    }
    match (row.state, row.started) {
        (GrantState::Started, Some(started)) => Ok(Some(Redeemed { index: row.index, started, grant: row.grant })),
        _ => Err(Error::GrantUsed { grant: row.grant.grant }),
    }
}

/// Redeems a grant: records that its one use begins. Of two who try at the same moment one is refused, for the second one is
/// asked again on a log that holds the first.
///
/// # Errors
/// When the grant is unknown, altered, used, revoked, expired, for something else, or no longer what was decided. What is
/// refused is recorded first. The same over the network, under the same key, is answered as before.
pub fn begin(session: &mut Session, engine: &dyn PolicyEngine, redemption: &Redemption<'_>) -> Result<Redeemed, Error> {
    session.require_pin()?;
    let attempt = Attempt { act: redemption.act, run: None, carry: false };
    let who = redemption.sent.and_then(|sent| sent.person.as_ref());
    if let Some(done) = refuse::unless(session, &attempt, who, |s| before(s, redemption))? {
        return Ok(done);
    }
    let row = refuse::unless(session, &attempt, who, |s| identify(s, redemption.presented))?;
    let (grant, run) = (row.grant.grant.clone(), row.grant.run.clone());
    let attempt = Attempt { act: redemption.act, run: Some(run.clone()), carry: false };
    refuse::unless(session, &attempt, who, |s| {
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
    // Meanwhile the same request may have come again, to this server or to another one.
    let meanwhile = refuse::unless(session, &attempt, who, |s| match before(s, redemption)? {
        Some(done) => Ok(Some(done)),
        None => check(s, s.now()).map(|_| None),
    })?;
    if let Some(done) = meanwhile {
        return Ok(done);
    }
    let begun = session.transact(|s| {
        let time = s.now();
        let row = check(s, time)?;
        let predicate = DeploymentStarted {
            grant: grant.clone(),
            run: run.clone(),
            command: redemption.command,
            break_glass: row.break_glass.clone(),
            host: row.break_glass.is_some().then(host_name),
            sent: redemption.sent.cloned(),
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
            if let Some(done) = before(session, redemption)? {
                return Ok(done);
            }
            return refuse::unless(session, &attempt, who, |_| Err(lost));
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

/// How a deployment ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// Whether it succeeded.
    pub success: bool,
    /// How its command ended, as far as that is known.
    pub outcome: ExitOutcome,
    /// Who says so over the network.
    pub sent: Option<&'a SentBy>,
}

/// Records how a deployment ended. Returns the log index. Over the network whoever redeemed the grant says so, and the same again is the
/// record that is there.
///
/// # Errors
/// When no outcome is awaited for the grant, somebody else redeemed it, or the ledger cannot be written.
pub fn end(session: &mut Session, grant: &GrantId, ended: &Ended<'_>) -> Result<u64, Error> {
    session.require_pin()?;
    let (success, outcome) = (ended.success, ended.outcome);
    let run = session.state().grant(grant)?.map(|row| row.grant.run);
    let attempt = Attempt { act: "grant complete", run, carry: false };
    let who = ended.sent.and_then(|sent| sent.person.as_ref());
    let check = |s: &Session| -> Result<GrantRow, Error> {
        let row = s.state().grant(grant)?.ok_or_else(|| Error::NoSuchGrant { grant: grant.to_string() })?;
        if let Some(sent) = ended.sent
            && row.started.is_some()
            && row.sent.as_ref().is_none_or(|began| !began.is_same_sender(sent))
        {
            return Err(ReleaseError::OthersRedemption { grant: grant.clone() }.into());
        }
        match row.state {
            GrantState::Started => Ok(row),
            _ => {
                let state = grant::standing(s, &row)?;
                Err(ReleaseError::NoOutcomeAwaited { grant: grant.clone(), state }.into())
            }
        }
    };
    // Whether the same was recorded before, for somebody who lost the answer.
    let known = |s: &Session| -> Result<Option<u64>, Error> {
        let (Some(sent), Some(row)) = (ended.sent, s.state().grant(grant)?) else { return Ok(None) };
        let began = row.sent.as_ref().is_some_and(|began| began.is_same_sender(sent));
        let same = began && row.state == GrantState::Ended { success };
        let recorded = s.state().deployment_end(grant)?;
        let recorded = recorded.filter(|end| (end.exit_code, end.signal) == (outcome.code, outcome.signal));
        Ok(recorded.filter(|_| same).map(|end| end.index))
    };
    if let Some(index) = refuse::unless(session, &attempt, who, |s| match known(s)? {
        Some(index) => Ok(Some(index)),
        None => check(s).map(|_| None),
    })? {
        return Ok(index);
    }
    let (recorded, before) = session.transact(|s| {
        if let Some(index) = known(s)? {
            return Ok((Plan::default(), Some(index)));
        }
        let row = check(s)?;
        let predicate = DeploymentRecorded {
            grant: grant.clone(),
            run: row.grant.run.clone(),
            commit: row.grant.commit.clone(),
            environment: row.grant.environment.clone(),
            success,
            exit_code: outcome.code,
            signal: outcome.signal,
            sent: ended.sent.cloned(),
            time: s.now(),
        };
        let subject = vec![Subject::new(row.grant.repository.clone(), "gitCommit", row.grant.commit.clone())];
        let refs = row.started.into_iter().collect();
        let stream = StreamId::from(grant);
        let entry = s.machine_entry(EventKind::DeploymentRecorded, stream, subject, predicate, refs, Vec::new())?;
        Ok::<_, Error>((Plan { entries: vec![entry] }, None))
    })?;
    Ok(before.or(recorded.map(|r| r.first_index)).ok_or(SessionError::Contended)?)
}

/// Nothing of a command's end is known.
pub const NO_OUTCOME: ExitOutcome = ExitOutcome { code: None, signal: None };

/// Redeems a grant, runs the command `words` with what the broker hands out, and records the outcome.
///
/// # Errors
/// As [`begin`]; when the broker or the command cannot be started or the broker fails (that is recorded as a failed
/// deployment), or the outcome cannot be recorded.
pub fn redeem(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    redemption: &Redemption<'_>,
    words: &[OsString],
    broker: Option<&OsString>,
    dir: &Path,
) -> Result<Deployed, Error> {
    let redeemed = begin(session, engine, redemption)?;
    let ended = handed(session, &redeemed).and_then(|handed| handed.deploy(words, broker, dir));
    let outcome = *ended.as_ref().unwrap_or(&NO_OUTCOME);
    let how = Ended { success: ended.is_ok() && outcome.success(), outcome, sent: None };
    let index = end(session, &redeemed.grant.grant, &how)?;
    ended?;
    let GrantIssued { grant, run, environment, .. } = redeemed.grant;
    Ok(Deployed { grant, run, environment, outcome, index })
}

/// A redeemed grant as whoever hands out credentials is shown it.
pub struct Handed {
    /// What it says.
    pub claims: GrantClaims,
    /// Log index of its redemption.
    pub redeemed: u64,
    /// Its token, where that can be made.
    pub token: Option<String>,
}

/// A grant that was redeemed here, as it is shown.
///
/// # Errors
/// When the token cannot be signed.
pub fn handed(session: &Session, redeemed: &Redeemed) -> Result<Handed, Error> {
    let row = session.state().grant(&redeemed.grant.grant)?;
    let token = row.filter(|_| session.must_record().is_ok()).map(|row| grant::token(session, &row)).transpose()?;
    let claims = GrantClaims::of(&redeemed.grant, redeemed.index);
    Ok(Handed { claims, redeemed: redeemed.started, token })
}

impl Handed {
    /// Runs the command of a deployment with what the broker hands out.
    ///
    /// # Errors
    /// When the broker or the command cannot be started, or the broker fails.
    pub fn deploy(&self, words: &[OsString], broker: Option<&OsString>, dir: &Path) -> Result<ExitOutcome, Error> {
        let mut env = self.environment();
        env.extend(self.credentials(broker, dir)?);
        Ok(run_command(words, &env, dir)?)
    }

    /// What the broker hands out: the environment of the deployment's command. None of it is kept, shown or recorded.
    fn credentials(&self, broker: Option<&OsString>, dir: &Path) -> Result<Vec<(String, String)>, Error> {
        let Some(broker) = broker else { return Ok(Vec::new()) };
        let said = self.ask_broker(std::slice::from_ref(broker), dir)?;
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
    pub fn ask_broker(&self, hook: &[OsString], dir: &Path) -> Result<Secret, Error> {
        let shown = json!({"version": 1, "grant": self.claims, "redeemed": self.redeemed, "token": self.token});
        let (outcome, said) = hand_out(hook, shown.to_string().as_bytes(), &self.environment(), dir)?;
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
    fn environment(&self) -> Vec<(String, String)> {
        let c = &self.claims;
        vec![
            ("COUNTERSIGN_GRANT".into(), c.jti.to_string()),
            ("COUNTERSIGN_RUN".into(), c.run.to_string()),
            ("COUNTERSIGN_COMMIT".into(), c.commit.clone()),
            ("COUNTERSIGN_ENVIRONMENT".into(), c.environment.clone()),
        ]
    }
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
