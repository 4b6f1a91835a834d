//! `ledger erase-subject`: a person's data goes where no retention and no hold forbids it, and is noted down where one does.
//!
//! What is destroyed is the key; the sealed bytes stay, and with them every digest, proof and signature. The entry that
//! says so is appended first: a process that dies in between leaves a key that no reader uses, and the next `--due`
//! takes it away.

use countersign_connect::SshSigner;
use countersign_evidence::act;
use countersign_model::event::{ErasureRequested, SubjectErased};
use countersign_model::retention::trusted::Attested;
use countersign_model::retention::{Day, KeptUntil};
use countersign_model::{Action, EventKind, PersonId, Timestamp};
use countersign_store::Session;
use countersign_store::projection::Forbids;

use super::{Saying, needs, said, say, stream};
use crate::Error;
use crate::access::people;

/// What became of the data of one person.
pub struct Erasure {
    /// Whose.
    pub person: PersonId,
    /// Their name, where it was still there.
    pub name: Option<String>,
    /// Log index of the request.
    pub request: u64,
    /// Log index of the erasure; `None` while something forbids it.
    pub erased: Option<u64>,
    /// What forbids it.
    pub forbids: Vec<Forbids>,
    /// Until when it waits, where that is known; `None` where something has no date yet.
    pub until: Option<Timestamp>,
    /// What stays provable: entries the person caused or stands in.
    pub entries: usize,
    /// Fingerprints of their keys.
    pub keys: Vec<String>,
}

/// Takes a request, and destroys the key at once where nothing forbids it. `today` is the day as the person who signs
/// wrote it down; without one nothing is destroyed.
///
/// # Errors
/// When the signer is neither compliance officer nor administrator, nobody is meant, or clock and person disagree.
pub fn erase(
    session: &mut Session,
    person: &str,
    reason: &str,
    today: Option<Day>,
    signer: &SshSigner,
) -> Result<Erasure, Error> {
    let reason = said("the reason", reason)?;
    let who = people::find(session.state(), person)?.id;
    if let Some(index) = session.state().erased_at(&who)? {
        session.forget_subject(&who)?;
        return Err(Error::ErasedAlready { person: who, index });
    }
    let request = match open_request(session, &who)? {
        Some(request) => request,
        None => ask(session, &who, &reason, today, signer)?,
    };
    complete(session, &who, request, today, signer)
}

/// Completes every request that nothing forbids any more, and removes keys that an interrupted erasure left.
///
/// # Errors
/// As [`erase`].
pub fn erase_due(session: &mut Session, today: Day, signer: &SshSigner) -> Result<Vec<Erasure>, Error> {
    for person in session.state().erased()? {
        session.forget_subject(&person)?;
    }
    let mut done = Vec::new();
    for request in session.state().erasure_requests()? {
        done.push(complete(session, &request.person, request.index, Some(today), signer)?);
    }
    Ok(done)
}

fn open_request(session: &Session, person: &PersonId) -> Result<Option<u64>, Error> {
    Ok(session.state().erasure_requests()?.into_iter().find(|r| r.person == *person).map(|r| r.index))
}

pub(super) fn may(session: &Session, by: &PersonId) -> Result<(), Error> {
    needs(session, by, Action::EraseData)
}

/// The moment that counts: the clock where it is only looked at, the earlier of clock and person where a key goes.
fn moment(session: &Session, today: Option<Day>) -> Result<Timestamp, Error> {
    let clock = session.now();
    match today {
        Some(today) => {
            Attested { clock, today }.moment().map_err(|doubt| Error::TimeInDoubt { doubt: doubt.to_string() })
        }
        None => Ok(clock),
    }
}

fn ask(
    session: &mut Session,
    who: &PersonId,
    reason: &str,
    today: Option<Day>,
    signer: &SshSigner,
) -> Result<u64, Error> {
    let now = moment(session, today)?;
    let forbids = session.state().forbids_erasure(who, now)?;
    let mut holds: Vec<String> = forbids.iter().flat_map(|f| f.kept.holds.iter().cloned()).collect();
    holds.sort_unstable();
    holds.dedup();
    let until = date(&forbids);
    let saying = Saying {
        act: "ledger erase-subject",
        kind: EventKind::ErasureRequested,
        namespace: act::ERASURE_REQUEST,
        stream: stream(),
    };
    say(session, signer, &saying, may, |s, by| {
        let (origin, time) = (s.state().origin().to_owned(), s.now());
        let (person, reason) = (who.clone(), reason.to_owned());
        Ok(ErasureRequested { origin, person, by, reason, until, holds, time })
    })
}

fn complete(
    session: &mut Session,
    who: &PersonId,
    request: u64,
    today: Option<Day>,
    signer: &SshSigner,
) -> Result<Erasure, Error> {
    let now = moment(session, today)?;
    let name = session.state().person(who)?.and_then(|p| p.name);
    let keys = session.state().keys_of(who)?.into_iter().map(|key| key.fingerprint).collect();
    let forbids = session.state().forbids_erasure(who, now)?;
    let entries = session.state().entries_about(who)?.len();
    let until = date(&forbids);
    let mut erasure = Erasure { person: who.clone(), name, request, erased: None, forbids, until, entries, keys };
    let (Some(today), true) = (today, erasure.forbids.is_empty()) else { return Ok(erasure) };
    let saying = Saying {
        act: "ledger erase-subject",
        kind: EventKind::SubjectErased,
        namespace: act::ERASURE,
        stream: stream(),
    };
    let index = say(
        session,
        signer,
        &saying,
        |s, by| {
            may(s, by)?;
            match s.state().forbids_erasure(who, now)?.first() {
                Some(f) => Err(Error::NotFree { why: format!("entry {} is kept {}", f.entry.index, f.kept.until) }),
                None => Ok(()),
            }
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), s.now());
            Ok(SubjectErased { origin, person: who.clone(), request, by, today, time })
        },
    )?;
    if session.state().erased_at(who)? != Some(index) {
        return Err(Error::NotFree { why: "no reader believes the erasure".into() });
    }
    session.forget_subject(who)?;
    erasure.erased = Some(index);
    Ok(erasure)
}

/// The date of the last of them, where each has one and none is held.
fn date(forbids: &[Forbids]) -> Option<Timestamp> {
    if forbids.iter().any(|f| !f.kept.holds.is_empty()) {
        return None;
    }
    forbids.iter().map(|f| &f.kept.until).max().and_then(KeptUntil::date)
}
