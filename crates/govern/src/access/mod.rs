//! Who is who: the root of trust, enrolment and roles. Every change is an act that somebody signs.
//!
//! Control objective: access leads back to a named person who was entitled to grant it.
//! Regulatory mapping: PCI DSS v4.0.1 7.2.3, 8.2.1; NIST 800-53r5 AC-2, AC-5.

pub mod accounts;
pub mod certificates;
mod draft;
mod error;
pub mod keys;
pub mod log_key;
mod newcomers;
pub mod passkeys;
pub mod people;
pub mod policy;
pub mod review;
pub mod revocation_lists;
pub mod roles;
pub mod root;
mod saying;
pub mod second_key;
pub mod tokens;

pub use draft::{Draft, Pen};
pub(crate) use draft::{admitted, id, time};
pub use error::IdentityError;
pub use newcomers::Newcomers;
pub(crate) use people::rooted;
pub(crate) use saying::{Saying, line, needs, put_in_effect, say, say_by};

use countersign_connect::SshSigner;
use countersign_evidence::act::SignedAct;
use countersign_evidence::statement::Subject;
use countersign_model::event::Predicate;
use countersign_model::{Action, Diagnostic, Exit, PersonId};
use countersign_store::Session;
use countersign_store::projection::{KeyTrouble, State};
use countersign_store::session::act_statement;

use crate::Error;

/// Does `check`; who is forbidden something finds it recorded.
pub(crate) fn allowed<T>(
    session: &mut Session,
    act: &str,
    person: Option<&PersonId>,
    check: impl FnOnce(&Session) -> Result<T, Error>,
) -> Result<T, Error> {
    let refusal = match check(session) {
        Ok(value) => return Ok(value),
        Err(refusal) => refusal,
    };
    // Before trust is rooted nobody is refused anything: there is nobody yet.
    if refusal.exit() == Exit::Forbidden && session.state().trust().is_some() {
        session.record_refusal(act, None, person, refusal.code())?;
    }
    Err(refusal)
}

/// The enrolled person whose key is about to sign, if it counts.
pub(crate) fn signer_of(session: &Session, signer: &SshSigner) -> Result<PersonId, Error> {
    holder(session, session.signer(&signer.public_key())?)
}

/// The person whose key counts, if they are here.
fn holder(session: &Session, asked: Result<PersonId, KeyTrouble>) -> Result<PersonId, Error> {
    let person = asked.map_err(|trouble| match trouble {
        KeyTrouble::Unknown { fingerprint } => Error::UnknownKey { fingerprint },
        other => Error::Session(other.into()),
    })?;
    let state = session.state();
    if state.has_left(&person)? { Err(Error::HasLeft { person: state.label(&person)? }) } else { Ok(person) }
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

/// Whether somebody may do what takes an administrator.
fn administrator(state: &State, person: &PersonId, action: Action) -> Result<(), Error> {
    if state.may(person, action)? {
        return Ok(());
    }
    Err(Error::NotAdministrator { person: state.label(person)?, act: action.does() })
}

/// A new opaque id.
pub(crate) fn random_id() -> Result<[u8; 10], Error> {
    Ok(countersign_evidence::random::<10>()?)
}
