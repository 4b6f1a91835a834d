//! `grant issue` with a key that signs on another machine: first the exact statement is given out, then it comes back signed. Nothing
//! in it is believed: it has to be what would be issued here at that moment.

use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::canonical;
use countersign_evidence::statement::Statement;
use countersign_model::event::{Device, GrantIssued};
use countersign_model::{PersonId, RunId};
use countersign_policy::PolicyEngine;
use countersign_store::Session;
use countersign_store::projection::{LONGEST_GRANT, is_ahead};
use countersign_store::session::act_statement;

use super::approve::rooted;
use super::deploy::{self, Asked, Issued};
use super::error::ReleaseError;
use super::prepared::of_key;
use super::refuse::{self, Attempt};
use crate::Error;
use crate::build::decide;

/// Seconds within which a grant that was signed elsewhere is handed in.
pub const FRESH: i64 = 10 * 60;

/// What somebody has to sign to issue a grant.
pub struct ToSign {
    /// Who.
    pub person: PersonId,
    /// What the statement says.
    pub said: GrantIssued,
    /// The canonical statement: exactly what is signed.
    pub statement: Vec<u8>,
}

/// What the key of this fingerprint, or the start of it, has to sign on the machine `host` to issue a grant, if its person may do that
/// now. It is of the recorded decision, and nothing is appended.
///
/// # Errors
/// As [`deploy::issue`]; [`Error::ChangedMeanwhile`] when the recorded decision is not of what is so now.
pub fn statement(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    run: &RunId,
    environment: &str,
    ttl_seconds: i64,
    key: &str,
    host: &str,
) -> Result<ToSign, Error> {
    let attempt = Attempt { act: "deploy", run: Some(run.clone()), carry: true };
    rooted(session, attempt.act)?;
    let row = refuse::unless(session, &attempt, None, |s| of_key(s, key))?;
    let (decided, change) = decide::recorded(session, engine, run)?;
    let device = Device { key: row.fingerprint.clone(), host: host.to_owned() };
    let asked = Asked { run, environment, ttl_seconds, person: &row.person, device };
    let said = deploy::propose(session, &attempt, &decided, &change, asked)?;
    let statement = act_statement(deploy::subject(&said), said.clone())?;
    Ok(ToSign { person: row.person, said, statement })
}

/// What an act says, where it is a grant. Nothing is believed of it here.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<(SignedAct, GrantIssued)> {
    let signed = SignedAct::from_slice(bytes).ok().filter(|signed| signed.namespace() == act::GRANT)?;
    let statement: Statement<GrantIssued> = canonical::from_slice(&signed.statement().ok()?).ok()?;
    Some((signed, statement.predicate))
}

/// Adds a grant that was signed elsewhere. The same again is the one that is there.
///
/// # Errors
/// When it is none, is not what would be issued now, was not signed just now, or the person may not. What is refused is recorded first.
pub fn take(session: &mut Session, engine: &dyn PolicyEngine, bytes: &[u8]) -> Result<Issued, Error> {
    rooted(session, "deploy")?;
    let unknown = Attempt { act: "deploy", run: None, carry: false };
    let (signed, p) = refuse::unless(session, &unknown, None, |s| {
        let read = read(bytes).ok_or(ReleaseError::NoGrant)?;
        if read.1.origin != s.state().origin() {
            return Err(Error::OtherLedger { origin: read.1.origin });
        }
        Ok(read)
    })?;
    let run = session.state().run(&p.run)?.map(|row| row.id);
    let attempt = Attempt { act: "deploy", run, carry: false };
    refuse::unless(session, &attempt, None, |s| vouched(s, &signed, &p))?;
    // Whoever lost the answer sends it once more.
    if let Some(row) = session.state().grant(&p.grant)?.filter(|row| row.grant == p) {
        return Ok(Issued { grant: row.grant, act: signed, index: row.index, gates: Vec::new() });
    }
    let (decided, change) = decide::settle(session, engine, &p.run)?;
    let asked = || Asked {
        run: &p.run,
        environment: &p.environment,
        ttl_seconds: p.expires.millis().saturating_sub(p.time.millis()).div_euclid(1000),
        person: &p.by,
        device: p.device.clone(),
    };
    refuse::unless(session, &attempt, Some(&p.by), |s| {
        let now = s.now().max(s.state().newest_time()?);
        if is_ahead(p.time, now) || now > p.time.plus_seconds(FRESH) {
            return Err(ReleaseError::NotFresh { time: p.time }.into());
        }
        if p.expires <= p.time || p.expires > p.time.plus_seconds(LONGEST_GRANT) {
            return Err(ReleaseError::GrantDiffers.into());
        }
        Ok(())
    })?;
    deploy::propose(session, &attempt, &decided, &change, asked())?;
    refuse::unless(session, &attempt, Some(&p.by), |s| {
        let now = deploy::said(s, &decided, &change, asked(), p.grant.clone(), p.time)?;
        if now == p { Ok(()) } else { Err(ReleaseError::GrantDiffers.into()) }
    })?;
    deploy::append(session, &decided, &change, p, signed)
}

/// Whether the person whom a grant names signed it, with the key that it names.
fn vouched(s: &Session, signed: &SignedAct, p: &GrantIssued) -> Result<(), Error> {
    let unknown = || Error::UnknownKey { fingerprint: p.device.key.clone() };
    let row = s.state().key(&p.device.key)?.filter(|row| row.person == p.by).ok_or_else(unknown)?;
    let key = row.public.ok_or_else(unknown)?;
    refuse::here(s.state(), &p.by)?;
    if signed.claimed_key()?.fingerprint() != p.device.key {
        return Err(unknown());
    }
    signed.open(act::GRANT, &key)?;
    // Its key was not revoked, and counts both by its time and by its place.
    s.counts(signed)?;
    Ok(())
}
