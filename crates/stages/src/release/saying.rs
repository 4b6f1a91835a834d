//! What a person says by signature in this stage, from the question whether they may to the entry.

use countersign_evidence::act::SignedAct;
use countersign_model::event::Predicate;
use countersign_model::{Action, ActorId, EventKind, PersonId, RunId, StreamId, Timestamp};
use countersign_store::handed::Written;
use countersign_store::session::{SessionError, act_statement};
use countersign_store::{NewBlob, NewEntry, Plan, Session};

use super::error::ReleaseError;
use super::pen::{Pen, to_sign};
use super::refuse::{self, Attempt};
use crate::Error;

/// Something a person says.
pub(crate) struct Saying<'a> {
    /// The command, for the record of a refusal.
    pub(crate) act: &'static str,
    /// The run that it is about, where it is about one.
    pub(crate) run: Option<&'a RunId>,
    /// The event.
    pub(crate) kind: EventKind,
    /// The namespace it is signed for.
    pub(crate) namespace: &'static str,
    /// The stream it stands in.
    pub(crate) stream: StreamId,
}

impl Saying<'_> {
    pub(crate) fn attempt(&self) -> Attempt {
        Attempt { act: self.act, run: self.run.cloned(), carry: false }
    }
}

/// Signs and appends an act, with a key that is here or on another machine. `may` is asked before anybody signs, and again on the state that it
/// is appended to. The time is when it is said.
pub(crate) fn write<P: Predicate>(
    session: &mut Session,
    pen: Pen<'_>,
    saying: &Saying<'_>,
    may: impl Fn(&Session, &PersonId) -> Result<(), Error>,
    predicate: impl FnOnce(&Session, PersonId, Timestamp) -> Result<P, Error>,
) -> Result<Written<u64>, Error> {
    session.require_pin()?;
    if session.state().trust().is_none() {
        return Err(Error::NoTrustRoot { act: saying.act });
    }
    let attempt = saying.attempt();
    let by = pen.author(session, &attempt)?;
    refuse::unless(session, &attempt, Some(&by), |s| may(s, &by))?;
    let time = pen.time(session, &attempt, &by)?;
    let statement = act_statement(session.subject(), predicate(session, by.clone(), time)?)?;
    let Some(signed) = pen.sign(session, &attempt, &by, saying.namespace, &statement)? else {
        return Ok(to_sign(by, saying.namespace, statement));
    };
    let (appended, ()) = session.transact(|s| {
        may(s, &by)?;
        let entry = act_of(s, saying, &by, &signed, Vec::new(), Vec::new())?;
        Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
    })?;
    Ok(Written::Done(appended.map(|a| a.first_index).ok_or(SessionError::Contended)?))
}

/// The entry of an act.
pub(crate) fn act_of(
    session: &Session,
    saying: &Saying<'_>,
    by: &PersonId,
    signed: &SignedAct,
    refs: Vec<u64>,
    attachments: Vec<NewBlob>,
) -> Result<NewEntry, Error> {
    Ok(session.act_entry(saying.kind, saying.stream.clone(), ActorId::from(by), signed, refs, attachments)?)
}

/// The person must hold one of the roles that the act takes.
pub(crate) fn needs(session: &Session, person: &PersonId, action: Action) -> Result<(), Error> {
    if session.state().may(person, action)? {
        return Ok(());
    }
    let (person, roles) = (session.state().label(person)?, action.any_of());
    Err(ReleaseError::NotRole { person, roles, act: action.does() }.into())
}

/// What is said must fit one line of a report, at most 1000 bytes.
pub(crate) fn line(what: &'static str, text: &str) -> Result<String, Error> {
    let text = text.trim();
    if text.is_empty() || text.len() > 1000 || text.chars().any(char::is_control) {
        return Err(ReleaseError::NotALine { what }.into());
    }
    Ok(text.to_owned())
}
