//! What a person says by signature, from the question whether they may to the entry.

use countersign_connect::SshSigner;
use countersign_evidence::act::SignedAct;
use countersign_model::event::Predicate;
use countersign_model::{Action, ActorId, EventKind, PersonId, StreamId};
use countersign_store::session::SessionError;
use countersign_store::{NewBlob, Plan, Session};

use super::{allowed, rooted, sign, signer_of};
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
    saying: &Saying<'_>,
    may: impl Fn(&Session, &PersonId) -> Result<(), Error>,
    predicate: impl FnOnce(&Session, PersonId) -> Result<P, Error>,
) -> Result<u64, Error> {
    say_with(session, signer, saying, Vec::new(), may, predicate)
}

/// As [`say`], with attachments.
pub(crate) fn say_with<P: Predicate>(
    session: &mut Session,
    signer: &SshSigner,
    saying: &Saying<'_>,
    attachments: Vec<NewBlob>,
    may: impl Fn(&Session, &PersonId) -> Result<(), Error>,
    predicate: impl FnOnce(&Session, PersonId) -> Result<P, Error>,
) -> Result<u64, Error> {
    session.require_pin()?;
    rooted(session.state())?;
    let by = allowed(session, saying.act, None, |s| signer_of(s, signer))?;
    allowed(session, saying.act, Some(&by), |s| may(s, &by))?;
    let predicate = predicate(session, by.clone())?;
    let signed = sign(signer, saying.namespace, session.subject(), predicate)?;
    append(session, saying, &by, &signed, &attachments, &may)
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
