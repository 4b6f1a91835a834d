//! `person add`: signed by an administrator.

use countersign_connect::SshSigner;
use countersign_evidence::act;
use countersign_evidence::sshsig::PublicKey;
use countersign_evidence::statement::Subject;
use countersign_model::event::{PersonEnrolled, Profile};
use countersign_model::{Action, ActorId, Digest, EventKind, PersonId, StreamId};
use countersign_store::projection::{Person, State};
use countersign_store::session::SessionError;
use countersign_store::{NewBlob, Plan, Session, subjects};

use super::{administrator, allowed, random_id, sign, signer_of};
use crate::Error;

/// Longest name of a person, in bytes.
const LONGEST_NAME: usize = 200;

/// Enrols a person with their SSH public key.
///
/// # Errors
/// When trust is not rooted, the signer is no administrator, or the name or key is taken.
pub fn add(session: &mut Session, name: &str, key: &PublicKey, signer: &SshSigner) -> Result<(PersonId, u64), Error> {
    session.require_pin()?;
    let name = name.trim();
    if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(Error::BadName { name: name.to_owned() });
    }
    rooted(session.state())?;
    let by = allowed(session, "person add", None, |s| signer_of(s, signer))?;
    allowed(session, "person add", Some(&by), |s| administrator(s.state(), &by, Action::EnrolPerson))?;
    let free = |state: &State| -> Result<(), Error> {
        administrator(state, &by, Action::EnrolPerson)?;
        if let [taken, ..] = state.people_named(name)?.as_slice() {
            return Err(Error::NameTaken { name: name.to_owned(), person: taken.id.clone() });
        }
        if let Some(holder) = state.person_by_key(key)? {
            return Err(Error::KeyTaken { fingerprint: key.fingerprint(), holder: holder.label().to_owned() });
        }
        Ok(())
    };
    free(session.state())?;
    super::keys::unlisted(session, Some(key))?;
    let person = PersonId::from_random(random_id()?);
    let profile = subjects::seal_profile(session.ledger().subject_keys(), &person, &Profile { name: name.to_owned() })?;
    let predicate = PersonEnrolled {
        origin: session.state().origin().to_owned(),
        person: person.clone(),
        key: key.to_openssh(),
        profile: Digest::of(&profile),
        by: by.clone(),
        time: session.now(),
    };
    let subject = vec![Subject::sha256(person.to_string(), &Digest::of(key.to_openssh().as_bytes()))];
    let result = sign(signer, act::ENROLMENT, subject, predicate).and_then(|signed| {
        session.transact(|s| {
            free(s.state())?;
            super::keys::unlisted(s, Some(key))?;
            let profile = NewBlob { bytes: profile.clone(), media: subjects::SEALED_PROFILE.into() };
            let stream = StreamId::from(&person);
            let kind = EventKind::PersonEnrolled;
            let entry = s.act_entry(kind, stream, ActorId::from(&by), &signed, Vec::new(), vec![profile])?;
            Ok((Plan { entries: vec![entry] }, ()))
        })
    });
    match result {
        Ok((Some(appended), ())) => Ok((person, appended.first_index)),
        Ok((None, ())) => Err(SessionError::Contended.into()),
        Err(e) => {
            // The key of somebody who was never enrolled opens nothing; it must not stay behind.
            session.ledger().subject_keys().destroy(&person)?;
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
