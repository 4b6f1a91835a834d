//! What a person says by signature in this stage, from the question whether they may to the entry.

use countersign_connect::SshSigner;
use countersign_evidence::act::SignedAct;
use countersign_evidence::statement::Subject;
use countersign_model::event::Predicate;
use countersign_model::{Action, ActorId, Digest, EventKind, PersonId, RunId, StreamId};
use countersign_store::session::act_statement;
use countersign_store::{NewBlob, NewEntry, Session};

use super::error::ReleaseError;
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

/// Signs and appends an act. `may` is asked before anybody signs, and again on the state that it is appended to.
pub(crate) fn say<P: Predicate>(
    session: &mut Session,
    signer: &SshSigner,
    saying: &Saying<'_>,
    may: impl Fn(&Session, &PersonId) -> Result<(), Error>,
    predicate: impl FnOnce(&Session, PersonId) -> Result<P, Error>,
) -> Result<u64, Error> {
    session.require_pin()?;
    if session.state().trust().is_none() {
        return Err(Error::NoTrustRoot { act: saying.act });
    }
    let attempt = saying.attempt();
    let by = refuse::signer(session, &attempt, signer)?;
    refuse::unless(session, &attempt, Some(&by), |s| may(s, &by))?;
    let predicate = predicate(session, by.clone())?;
    let signed = sign(signer, saying.namespace, ledger_subject(session), predicate)?;
    let (appended, ()) = session.transact(|s| {
        may(s, &by)?;
        let entry = act_of(s, saying, &by, &signed, Vec::new(), Vec::new())?;
        Ok::<_, Error>((countersign_store::Plan { entries: vec![entry] }, ()))
    })?;
    Ok(appended.map(|a| a.first_index).ok_or(countersign_store::session::SessionError::Contended)?)
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

/// Signs a predicate and checks the signature before it is used.
pub(crate) fn sign<P: Predicate>(
    signer: &SshSigner,
    namespace: &str,
    subject: Vec<Subject>,
    predicate: P,
) -> Result<SignedAct, Error> {
    let statement = act_statement(subject, predicate)?;
    let armored = signer.sign(namespace, &statement)?;
    Ok(SignedAct::new(namespace, &statement, &armored, &signer.public_key())?)
}

/// The ledger as the subject of a statement.
pub(crate) fn ledger_subject(session: &Session) -> Vec<Subject> {
    let state = session.state();
    vec![Subject::sha256(state.origin().to_owned(), &Digest::of(state.vkey().as_bytes()))]
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
