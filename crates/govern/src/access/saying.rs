//! What a person says by signature, from the question whether they may to the entry.

use countersign_connect::SshSigner;
use countersign_evidence::act::SignedAct;
use countersign_model::event::Predicate;
use countersign_model::{Action, ActorId, Digest, EventKind, PersonId, StreamId, Timestamp};
use countersign_store::handed::{ToSign, Written};
use countersign_store::session::{JSON, SessionError, act_statement};
use countersign_store::{NewBlob, Plan, Session};

use super::allowed;
use super::draft::{Pen, admitted, allowed_or_unproved, author, signed};
use crate::Error;
use crate::error::LONGEST_LINE;

/// Something a person says.
pub(crate) struct Saying<'a> {
    /// The command, for the record of a refusal.
    pub(crate) act: &'static str,
    /// The event.
    pub(crate) kind: EventKind,
    /// The namespace it is signed for.
    pub(crate) namespace: &'a str,
    /// The stream it stands in.
    pub(crate) stream: StreamId,
}

/// Signs and appends an act. `may` is asked before anybody signs, and again on the state that it is appended to.
pub(crate) fn say<P: Predicate>(
    session: &mut Session,
    signer: &SshSigner,
    saying: &Saying<'static>,
    may: impl Fn(&Session, &PersonId) -> Result<(), Error>,
    predicate: impl FnOnce(&Session, PersonId) -> Result<P, Error>,
) -> Result<u64, Error> {
    Ok(say_by(session, Pen::Key(signer), saying, Vec::new(), may, predicate)?.done()?)
}

/// As [`say`], with attachments and a key that is here or elsewhere: what is to be signed, or the log index of what was. The predicate takes its
/// time and the ids that it makes up from the pen, so that what was signed elsewhere can be made once more.
pub(crate) fn say_by<P: Predicate>(
    session: &mut Session,
    pen: Pen<'_>,
    saying: &Saying<'static>,
    attachments: Vec<NewBlob>,
    may: impl Fn(&Session, &PersonId) -> Result<(), Error>,
    predicate: impl FnOnce(&Session, PersonId) -> Result<P, Error>,
) -> Result<Written<u64>, Error> {
    let (act, namespace) = (saying.act, saying.namespace);
    let (by, _) = author(session, act, pen)?;
    allowed(session, act, Some(&by), |s| may(s, &by))?;
    let predicate = allowed_or_unproved(session, act, Some(&by), |s| predicate(s, by.clone()))?;
    let statement = act_statement(session.subject(), predicate)?;
    match signed(session, pen, act, &by, namespace, &statement)? {
        Some(signed) => Ok(Written::Done(append(session, saying, &by, &signed, &attachments, &may)?)),
        None => Ok(Written::ToSign { by, acts: vec![ToSign { namespace, statement, sealed: None }] }),
    }
}

/// Appends what was signed, if it may still be said.
pub(super) fn append(
    session: &mut Session,
    saying: &Saying<'_>,
    by: &PersonId,
    signed: &SignedAct,
    attachments: &[NewBlob],
    may: &dyn Fn(&Session, &PersonId) -> Result<(), Error>,
) -> Result<u64, Error> {
    let (appended, ()) = session.transact(|s| {
        may(s, by)?;
        let (stream, actor) = (saying.stream.clone(), ActorId::from(by));
        let entry = s.act_entry(saying.kind, stream, actor, signed, Vec::new(), attachments.to_vec())?;
        Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
    })?;
    Ok(appended.map(|a| a.first_index).ok_or(SessionError::Contended)?)
}

/// The person must hold one of the roles that the act takes.
pub(crate) fn needs(session: &Session, person: &PersonId, action: Action) -> Result<(), Error> {
    let state = session.state();
    if state.may(person, action)? {
        return Ok(());
    }
    Err(Error::NotRole { person: state.label(person)?, roles: action.any_of(), act: action.does() })
}

/// What is said must fit one line of a report.
pub(crate) fn line(what: &'static str, text: &str) -> Result<String, Error> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST_LINE || text.chars().any(char::is_control) {
        return Err(Error::BadLine { what, text: text.chars().take(80).collect() });
    }
    Ok(text.to_owned())
}

/// Puts a document in effect that the statement names by its digest and the entry has attached; [`Written::Already`] where it `is_so`.
/// Whoever may not is told that first, also where it is.
pub(crate) fn put_in_effect<P: Predicate>(
    session: &mut Session,
    pen: Pen<'_>,
    saying: &Saying<'static>,
    action: Action,
    document: Vec<u8>,
    is_so: impl FnOnce(&Session, &Digest) -> Result<bool, Error>,
    predicate: impl FnOnce(Digest, String, PersonId, Timestamp) -> P,
) -> Result<Written<u64>, Error> {
    admitted(session, saying.act, pen, |s, by| needs(s, by, action))?;
    let digest = Digest::of(&document);
    if is_so(session, &digest)? {
        return Ok(Written::Already);
    }
    let attached = vec![NewBlob { bytes: document, media: JSON.into() }];
    let may = |s: &Session, by: &PersonId| needs(s, by, action);
    say_by(session, pen, saying, attached, may, |s, by| {
        Ok(predicate(digest, s.state().origin().to_owned(), by, pen.time(s)?))
    })
}
