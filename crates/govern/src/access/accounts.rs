//! `person account add`, `person account remove`: which accounts elsewhere are a person's, signed by an administrator.
//!
//! Control objective: what somebody does elsewhere under an account counts as theirs here, and as nobody else's.
//! Regulatory mapping: PCI DSS v4.0.1 8.2.1; NIST 800-53r5 IA-2, IA-4, AC-2, AC-5.

use countersign_evidence::act;
use countersign_model::access::account::Account;
use countersign_model::event::{AccountLinked, AccountUnlinked};
use countersign_model::{Action, Digest, EventKind, PersonId, StreamId};
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use countersign_store::projection::issuer_pseudonym;
use countersign_store::session::SessionError;
use countersign_store::{NewBlob, Session, subjects};

use super::draft::allowed_or_unproved;
use super::error::IdentityError;
use super::people::find;
use super::roles::admitted;
use super::{Draft, Pen, Saying, administrator, line, rooted, say_by};
use crate::Error;

const ADD: &str = "person account add";
const REMOVE: &str = "person account remove";

/// Links an account to somebody enrolled. Returns who that is, and the log index or what is to be signed.
///
/// # Errors
/// When the signer is no administrator, or is the person while another administrator could sign; when the account is somebody's
/// already, the person left, or their data is erased.
pub fn link(
    session: &mut Session,
    who: &str,
    account: &Account,
    pen: Pen<'_>,
) -> Result<(PersonId, Written<u64>), Error> {
    rooted(session.state())?;
    admitted(session, ADD, pen, Action::LinkAccount)?;
    let person = find(session.state(), who)?.id;
    let pseudonym = pseudonym(session, account)?;
    let saying =
        Saying { act: ADD, kind: EventKind::AccountLinked, namespace: act::ACCOUNT, stream: StreamId::from(&person) };
    let may = {
        let (person, pseudonym) = (person.clone(), pseudonym.clone());
        move |s: &Session, by: &PersonId| may_link(s, by, &person, &pseudonym)
    };
    let seal = |s: &Session, _: &PersonId| Ok(vec![sealed(s, pen, &person, &pseudonym, account)?]);
    let draft = Draft::new(session, pen, saying, seal, may, |s, by, sealed| {
        let sealed = sealed.first().map(|blob| Digest::of(&blob.bytes)).ok_or_else(another_account)?;
        let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
        Ok(AccountLinked { origin, person: person.clone(), account: pseudonym.clone(), sealed, by, time })
    })?;
    let written = draft.sealed_for(person.clone()).write(session, pen)?;
    Ok((person, written))
}

/// Which account it is, sealed with the key of whom it belongs to; what was sealed before is taken as it came back with what was signed.
fn sealed(
    session: &Session,
    pen: Pen<'_>,
    person: &PersonId,
    pseudonym: &str,
    account: &Account,
) -> Result<NewBlob, Error> {
    let keys = session.ledger().subject_keys();
    let bytes = match pen {
        Pen::Away(Away::Signed(handed)) => {
            let bytes = handed.sealed(act::ACCOUNT).map_err(SessionError::from)?;
            if subjects::unseal_account(keys, person, pseudonym, bytes)?.as_ref() != Some(account) {
                return Err(another_account());
            }
            bytes.to_vec()
        }
        Pen::Away(Away::Asked { .. }) | Pen::Key(_) | Pen::Passkey(_) => {
            subjects::seal_account(keys, person, pseudonym, account)?
        }
    };
    Ok(NewBlob { bytes, media: subjects::SEALED_ACCOUNT.into() })
}

fn another_account() -> Error {
    let why = "does not open with the person's key, to the account that is named";
    SessionError::from(HandedError::Sealed { why }).into()
}

/// The account that came back, sealed, with what was signed on another machine.
///
/// # Errors
/// When the signer is no administrator; when it is none that could be somebody's, which is recorded.
pub fn handed_in(session: &mut Session, who: &str, handed: &HandedIn) -> Result<Account, Error> {
    let by = admitted(session, ADD, Pen::Away(Away::Signed(handed)), Action::LinkAccount)?;
    let person = find(session.state(), who)?.id;
    allowed_or_unproved(session, ADD, Some(&by), |s| {
        let said: AccountLinked = handed.said(act::ACCOUNT).map_err(SessionError::from)?;
        let bytes = handed.sealed(act::ACCOUNT).map_err(SessionError::from)?;
        let account = subjects::unseal_account(s.ledger().subject_keys(), &person, &said.account, bytes)?;
        let account = account.ok_or_else(another_account)?;
        match Account::new(&account.issuer, &account.subject, account.login.as_deref()) {
            Ok(sound) => Ok(sound),
            Err(_) => Err(another_account()),
        }
    })
}

fn may_link(session: &Session, by: &PersonId, person: &PersonId, pseudonym: &str) -> Result<(), Error> {
    let state = session.state();
    administrator(state, by, Action::LinkAccount)?;
    own(session, by, person)?;
    if state.is_erased(person)? {
        return Err(IdentityError::Erased { person: person.clone() }.into());
    }
    if state.has_left(person)? {
        return Err(Error::HasLeft { person: state.label(person)? });
    }
    match state.account_holder(pseudonym)? {
        Some(holder) => Err(IdentityError::AccountTaken { holder: state.label(&holder)? }.into()),
        None => Ok(()),
    }
}

/// Who could give or take accounts of their own would choose what counts as theirs.
fn own(session: &Session, by: &PersonId, person: &PersonId) -> Result<(), Error> {
    if by == person && session.state().has_other_administrator(person, session.place()?)? {
        return Err(IdentityError::OwnAccount.into());
    }
    Ok(())
}

/// An account that is linked.
#[derive(Debug, Clone, Copy)]
pub enum Linked<'a> {
    /// By what it is.
    Account(&'a Account),
    /// By its pseudonym, as what was signed elsewhere names it.
    Pseudonym(&'a str),
}

/// Says that an account is a person's no longer. Returns who that is, and the log index or what is to be signed.
///
/// # Errors
/// When the signer is no administrator, or is the person while another administrator could sign; when the account is not the person's.
pub fn unlink(
    session: &mut Session,
    who: &str,
    account: Linked<'_>,
    reason: &str,
    pen: Pen<'_>,
) -> Result<(PersonId, Written<u64>), Error> {
    rooted(session.state())?;
    let reason = line("the reason", reason)?;
    admitted(session, REMOVE, pen, Action::UnlinkAccount)?;
    let person = find(session.state(), who)?.id;
    let pseudonym = match account {
        Linked::Account(account) => pseudonym(session, account)?,
        Linked::Pseudonym(text) => text.to_owned(),
    };
    let saying = Saying {
        act: REMOVE,
        kind: EventKind::AccountUnlinked,
        namespace: act::ACCOUNT_REMOVAL,
        stream: StreamId::from(&person),
    };
    let may = |s: &Session, by: &PersonId| {
        administrator(s.state(), by, Action::UnlinkAccount)?;
        own(s, by, &person)?;
        if s.state().account_holder(&pseudonym)?.as_ref() == Some(&person) {
            return Ok(());
        }
        Err(IdentityError::NotLinked { person: s.state().label(&person)? }.into())
    };
    let written = say_by(session, pen, &saying, Vec::new(), may, |s, by| {
        let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
        Ok(AccountUnlinked { origin, person: person.clone(), account: pseudonym.clone(), by, reason, time })
    })?;
    Ok((person, written))
}

fn pseudonym(session: &Session, account: &Account) -> Result<String, Error> {
    let salt = session.ledger().salt().map_err(countersign_store::session::SessionError::from)?;
    Ok(issuer_pseudonym(&salt, &account.issuer, &account.subject))
}
