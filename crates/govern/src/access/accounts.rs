//! `person account add`, `person account remove`: which accounts elsewhere are a person's, signed by an administrator.
//!
//! Control objective: what somebody does elsewhere under an account counts as theirs here, and as nobody else's.
//! Regulatory mapping: PCI DSS v4.0.1 8.2.1; NIST 800-53r5 IA-2, IA-4, AC-2, AC-5.

use countersign_connect::SshSigner;
use countersign_evidence::act;
use countersign_model::access::account::Account;
use countersign_model::event::{AccountLinked, AccountUnlinked};
use countersign_model::{Action, Digest, EventKind, PersonId, StreamId};
use countersign_store::projection::issuer_pseudonym;
use countersign_store::{NewBlob, Session, subjects};

use super::error::IdentityError;
use super::people::find;
use super::{Saying, administrator, line, say, say_with};
use crate::Error;

/// Links an account to somebody enrolled. Returns who that is, and the log index.
///
/// # Errors
/// When the signer is no administrator, or is the person while another administrator could sign; when the account is somebody's
/// already, the person left, or their data is erased.
pub fn link(session: &mut Session, who: &str, account: &Account, signer: &SshSigner) -> Result<(PersonId, u64), Error> {
    let person = find(session.state(), who)?.id;
    let pseudonym = pseudonym(session, account)?;
    if session.state().is_erased(&person)? {
        return Err(IdentityError::Erased { person }.into());
    }
    let bytes = subjects::seal_account(session.ledger().subject_keys(), &person, &pseudonym, account)?;
    let sealed = Digest::of(&bytes);
    let saying = Saying {
        act: "person account add",
        kind: EventKind::AccountLinked,
        namespace: act::ACCOUNT,
        stream: StreamId::from(&person),
    };
    let index = say_with(
        session,
        signer,
        &saying,
        vec![NewBlob { bytes, media: subjects::SEALED_ACCOUNT.into() }],
        |s, by| may_link(s, by, &person, &pseudonym),
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), s.now());
            let (person, account) = (person.clone(), pseudonym.clone());
            Ok(AccountLinked { origin, person, account, sealed, by, time })
        },
    )?;
    Ok((person, index))
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

/// Says that an account is a person's no longer. Returns who that is, and the log index.
///
/// # Errors
/// When the signer is no administrator, or is the person while another administrator could sign; when the account is not the person's.
pub fn unlink(
    session: &mut Session,
    who: &str,
    account: &Account,
    reason: &str,
    signer: &SshSigner,
) -> Result<(PersonId, u64), Error> {
    let reason = line("the reason", reason)?;
    let person = find(session.state(), who)?.id;
    let pseudonym = pseudonym(session, account)?;
    let saying = Saying {
        act: "person account remove",
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
    let index = say(session, signer, &saying, may, |s, by| {
        let (origin, time) = (s.state().origin().to_owned(), s.now());
        Ok(AccountUnlinked { origin, person: person.clone(), account: pseudonym.clone(), by, reason, time })
    })?;
    Ok((person, index))
}

fn pseudonym(session: &Session, account: &Account) -> Result<String, Error> {
    let salt = session.ledger().salt().map_err(countersign_store::session::SessionError::from)?;
    Ok(issuer_pseudonym(&salt, &account.issuer, &account.subject))
}
