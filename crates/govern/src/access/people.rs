//! `person add`: signed by an administrator, here or on another machine.
//!
//! The name is sealed with a key of the person's own, whose destruction is the erasure. It is kept with the ledger just before the entry is
//! appended, and taken away again where that fails: nobody who was never enrolled leaves one behind.

use std::time::Instant;

use countersign_connect::SshSigner;
use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::seal::{self, SubjectKey};
use countersign_evidence::sshsig::PublicKey;
use countersign_evidence::statement::Subject;
use countersign_model::event::{PersonEnrolled, Profile};
use countersign_model::{Action, ActorId, Digest, EventKind, PersonId, StreamId, Timestamp};
use countersign_store::handed::{Away, HandedError, HandedIn, Sealed, ToSign, Written};
use countersign_store::projection::{Person, State};
use countersign_store::session::{SessionError, act_statement};
use countersign_store::{NewBlob, Plan, Session, subjects};

use super::draft::{self, allowed_or_unproved};
use super::newcomers::Newcomers;
use super::roles::admitted;
use super::{Pen, administrator, random_id};
use crate::Error;

/// Longest name of a person, in bytes.
const LONGEST_NAME: usize = 200;
const ACT: &str = "person add";

/// Somebody who is enrolled, if it comes to that.
struct Newcomer {
    person: PersonId,
    name: String,
    /// It seals the name.
    sealing: SubjectKey,
    /// The name, sealed.
    profile: Vec<u8>,
}

/// Enrols a person with their SSH public key.
///
/// # Errors
/// When trust is not rooted, the signer is no administrator, or the name or key is taken.
pub fn add(session: &mut Session, name: &str, key: &PublicKey, signer: &SshSigner) -> Result<(PersonId, u64), Error> {
    session.require_pin()?;
    let new = Newcomer::named(name)?;
    let pen = Pen::Key(signer);
    let by = admitted(session, ACT, pen, Action::EnrolPerson)?;
    free(session, &by, &new.name, key)?;
    let statement = statement(session, &by, &new, key, session.now())?;
    let signed = draft::signed(session, pen, ACT, &by, act::ENROLMENT, &statement)?;
    let signed = signed.ok_or_else(|| SessionError::from(HandedError::Unsigned))?;
    let index = append(session, &by, &new, key, &signed)?;
    Ok((new.person, index))
}

/// As [`add`], by a key on another machine: what is to be signed, or the log index of what was. The name is in what was sealed, once it is
/// signed. The key that seals it waits among the newcomers in between: whoever gave out what is signed takes it.
///
/// # Errors
/// As [`add`]; when what was signed was not given out here a short while ago, to its signer. What is refused is recorded first.
pub fn add_away(
    session: &mut Session,
    name: &str,
    key: &PublicKey,
    newcomers: &Newcomers,
    away: Away<'_>,
) -> Result<Written<u64>, Error> {
    session.require_pin()?;
    match away {
        Away::Asked { .. } => give_out(session, name, key, newcomers, away),
        Away::Signed(handed) => take(session, key, newcomers, handed).map(Written::Done),
    }
}

fn give_out(
    session: &mut Session,
    name: &str,
    key: &PublicKey,
    newcomers: &Newcomers,
    away: Away<'_>,
) -> Result<Written<u64>, Error> {
    let new = Newcomer::named(name)?;
    let by = admitted(session, ACT, Pen::Away(away), Action::EnrolPerson)?;
    free(session, &by, &new.name, key)?;
    let statement = statement(session, &by, &new, key, Pen::Away(away).time(session)?)?;
    let opener = seal::opener(&new.sealing, &new.profile)?;
    let sealed = Some(Sealed { bytes: new.profile, opener });
    newcomers.keep(new.person, new.sealing, &by, Instant::now());
    Ok(Written::ToSign { by, acts: vec![ToSign { namespace: act::ENROLMENT, statement, sealed }] })
}

fn take(session: &mut Session, key: &PublicKey, newcomers: &Newcomers, handed: &HandedIn) -> Result<u64, Error> {
    let pen = Pen::Away(Away::Signed(handed));
    let by = admitted(session, ACT, pen, Action::EnrolPerson)?;
    let id = draft::id(session, ACT, pen, (act::ENROLMENT, "/person"), PersonId::PREFIX)?;
    let person = PersonId::from_random(id);
    let waiting = newcomers.take(&person, &by, Instant::now());
    let waiting = allowed_or_unproved(session, ACT, Some(&by), |_| {
        let why =
            "is not waited for: it was given out more than ten minutes ago, to somebody else, or by another server";
        waiting.ok_or_else(|| SessionError::from(HandedError::Sealed { why }).into())
    })?;
    let done = enrol(session, &by, (person.clone(), &waiting.key), key, handed);
    if done.is_err() {
        newcomers.give_back(person, waiting);
    }
    done
}

fn enrol(
    session: &mut Session,
    by: &PersonId,
    (person, sealing): (PersonId, &SubjectKey),
    key: &PublicKey,
    handed: &HandedIn,
) -> Result<u64, Error> {
    let pen = Pen::Away(Away::Signed(handed));
    let new = allowed_or_unproved(session, ACT, Some(by), |_| {
        let sealed = handed.sealed(act::ENROLMENT).map_err(SessionError::from)?;
        Newcomer::sealed(person, sealing, sealed)
    })?;
    free(session, by, &new.name, key)?;
    let time = draft::time(session, ACT, pen)?;
    let statement = statement(session, by, &new, key, time)?;
    let signed = draft::signed(session, pen, ACT, by, act::ENROLMENT, &statement)?;
    let signed = signed.ok_or_else(|| SessionError::from(HandedError::Unsigned))?;
    append(session, by, &new, key, &signed)
}

impl Newcomer {
    /// Somebody of this name, with an id and a key of their own.
    fn named(name: &str) -> Result<Self, Error> {
        let name = name.trim();
        if !is_name(name) {
            return Err(Error::BadName { name: name.to_owned() });
        }
        let (person, name, sealing) = (PersonId::from_random(random_id()?), name.to_owned(), SubjectKey::generate()?);
        let profile = subjects::seal_profile(&sealing, &person, &Profile { name: name.clone() })?;
        Ok(Self { person, name, sealing, profile })
    }

    /// Somebody whose name was sealed before.
    fn sealed(person: PersonId, sealing: &SubjectKey, profile: &[u8]) -> Result<Self, Error> {
        let why = "does not open with the key that was made for the person, to a name";
        let read = subjects::unseal_profile(sealing, &person, profile).filter(|read| is_name(&read.name));
        let name = read.ok_or_else(|| SessionError::from(HandedError::Sealed { why }))?.name;
        Ok(Self { person, name, sealing: sealing.clone(), profile: profile.to_vec() })
    }
}

/// Whether a text, without anything around it, may be somebody's name.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.trim() == name && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control)
}

/// Whether nobody has the name or the key.
fn free(session: &Session, by: &PersonId, name: &str, key: &PublicKey) -> Result<(), Error> {
    let state = session.state();
    administrator(state, by, Action::EnrolPerson)?;
    if let [taken, ..] = state.people_named(name)?.as_slice() {
        return Err(Error::NameTaken { name: name.to_owned(), person: taken.id.clone() });
    }
    if let Some(holder) = state.person_by_key(key)? {
        return Err(Error::KeyTaken { fingerprint: key.fingerprint(), holder: holder.label().to_owned() });
    }
    super::keys::unlisted(session, Some(key))
}

fn statement(
    session: &Session,
    by: &PersonId,
    new: &Newcomer,
    key: &PublicKey,
    time: Timestamp,
) -> Result<Vec<u8>, Error> {
    let predicate = PersonEnrolled {
        origin: session.state().origin().to_owned(),
        person: new.person.clone(),
        key: key.to_openssh(),
        profile: Digest::of(&new.profile),
        by: by.clone(),
        time,
    };
    let subject = vec![Subject::sha256(new.person.to_string(), &Digest::of(key.to_openssh().as_bytes()))];
    Ok(act_statement(subject, predicate)?)
}

fn append(
    session: &mut Session,
    by: &PersonId,
    new: &Newcomer,
    key: &PublicKey,
    signed: &SignedAct,
) -> Result<u64, Error> {
    // It is durable before the entry that needs it.
    session.ledger().subject_keys().put(&new.person, &new.sealing)?;
    let result = session.transact(|s| {
        free(s, by, &new.name, key)?;
        let profile = NewBlob { bytes: new.profile.clone(), media: subjects::SEALED_PROFILE.into() };
        let (stream, actor) = (StreamId::from(&new.person), ActorId::from(by));
        let entry = s.act_entry(EventKind::PersonEnrolled, stream, actor, signed, Vec::new(), vec![profile])?;
        Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
    });
    match result {
        Ok((Some(appended), ())) => Ok(appended.first_index),
        Ok((None, ())) => Err(SessionError::Contended.into()),
        Err(e) => {
            // The key of somebody who was never enrolled opens nothing; it must not stay behind. Where they are in the log after all, or
            // that cannot be asked, it must: without it nobody reads the name again.
            if session.refresh().is_ok() && session.state().person(&new.person)?.is_none() {
                session.ledger().subject_keys().destroy(&new.person)?;
            }
            Err(e)
        }
    }
}

/// The one person whom a name or id means.
///
/// # Errors
/// When it is nobody, or more than one.
pub fn find(state: &State, text: &str) -> Result<Person, Error> {
    let mut named = state.people_named(text)?;
    match (named.pop(), named.pop()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Error::NoSuchPerson {
            text: text.to_owned(),
            known: state.people()?.iter().map(|p| p.label().to_owned()).collect(),
        }),
        _ => Err(Error::AmbiguousPerson { text: text.to_owned() }),
    }
}

pub(crate) fn rooted(state: &State) -> Result<(), Error> {
    if state.trust().is_some() { Ok(()) } else { Err(Error::NotRooted) }
}
