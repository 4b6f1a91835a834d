//! `person krl import`: what a revocation list of OpenSSH names counts no more.
//!
//! Control objective: what the firm's SSH infrastructure revokes opens nothing here either.
//! Regulatory mapping: PCI DSS v4.0.1 8.2.5, 8.3.1; NIST 800-53r5 IA-5(2), SC-17.

use countersign_evidence::act;
use countersign_evidence::sshsig::{PublicKey, RevocationList};
use countersign_model::access::ListedCertificates;
use countersign_model::event::RevocationListImported;
use countersign_model::{Action, Digest, EventKind, PersonId, StreamId, Timestamp};
use countersign_store::Session;
use countersign_store::handed::Written;
use countersign_store::projection::{is_opaque, key_id_pseudonym};
use serde_json::{Value, json};

use super::error::IdentityError;
use super::people::rooted;
use super::roles::admitted;
use super::{Pen, Saying, administrator, line, say_by};
use crate::Error;

const ACT: &str = "person krl import";

/// What a list that was imported ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Fingerprints of the keys that count no more.
    pub keys: Vec<String>,
    /// And of the certificate authorities.
    pub authorities: Vec<String>,
}

impl Ended {
    /// As it is told of a list, by its number and the log index of its entry.
    #[must_use]
    pub fn document(&self, number: &str, index: u64) -> Value {
        json!({
            "version": 1, "number": number, "keys": self.keys, "authorities": self.authorities, "index": index,
        })
    }
}

/// Imports a list: the file as it is. Answers with its number, and the log index or what is to be signed; [`ended`] says what that means.
///
/// # Errors
/// When it is none, its number is not higher than that of the last one, the signer is no administrator, or no administrator would be left
/// with a key.
pub fn import(session: &mut Session, file: &[u8], reason: &str, pen: Pen<'_>) -> Result<(u64, Written<u64>), Error> {
    rooted(session.state())?;
    let reason = line("the reason", reason)?;
    admitted(session, ACT, pen, Action::RevokeKey)?;
    let list = RevocationList::parse(file)?;
    let said = predicate(session, &list, file, reason)?;
    let saying =
        Saying { act: ACT, kind: EventKind::RevocationListImported, namespace: act::REVOCATION_LIST, stream: stream() };
    let written = say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| may_import(s, by, &said),
        |s, by| Ok(RevocationListImported { by, time: pen.time(s)?, ..said.clone() }),
    )?;
    Ok((list.number, written))
}

/// The stream that lists stand in.
#[must_use]
pub fn stream() -> StreamId {
    StreamId::from_text("access")
}

/// What the list in an entry ended: what it names that was revoked before ended then.
///
/// # Errors
/// When the projection cannot be read.
pub fn ended(session: &Session, index: u64) -> Result<Ended, Error> {
    let (mut keys, mut authorities) = (session.state().all_keys()?, session.state().authorities()?);
    keys.retain(|key| key.revoked.as_ref().is_some_and(|r| r.index == index));
    authorities.retain(|row| row.revoked.as_ref().is_some_and(|r| r.index == index));
    Ok(Ended {
        keys: keys.into_iter().map(|key| key.fingerprint).collect(),
        authorities: authorities.into_iter().map(|row| row.fingerprint).collect(),
    })
}

/// What is said of the certificates in a list; key ids are given their pseudonyms, which the ledger alone can make.
#[must_use]
pub fn listed(list: &RevocationList, pseudonym: impl Fn(&str) -> String) -> Vec<ListedCertificates> {
    let certificates = list.certificates.iter().map(|c| ListedCertificates {
        authority: c.authority.as_ref().map(PublicKey::fingerprint),
        serials: c.serials.iter().map(|(first, last)| (first.to_string(), last.to_string())).collect(),
        key_ids: c.key_ids.iter().filter(|id| is_opaque(id)).cloned().collect(),
        pseudonyms: c.key_ids.iter().map(|id| pseudonym(id)).collect(),
    });
    certificates.collect()
}

/// What is said of a list, but for who says it and when.
fn predicate(
    session: &Session,
    list: &RevocationList,
    file: &[u8],
    reason: String,
) -> Result<RevocationListImported, Error> {
    let salt = session.ledger().salt()?;
    Ok(RevocationListImported {
        origin: session.state().origin().to_owned(),
        number: list.number.to_string(),
        digest: Digest::of(file),
        keys: list.keys.iter().cloned().collect(),
        sha1: list.sha1.iter().cloned().collect(),
        certificates: listed(list, |id| key_id_pseudonym(&salt, id)),
        by: PersonId::from_text(""),
        reason,
        time: Timestamp::from_millis(0),
    })
}

fn may_import(session: &Session, by: &PersonId, said: &RevocationListImported) -> Result<(), Error> {
    let state = session.state();
    administrator(state, by, Action::RevokeKey)?;
    let number = said.number.parse().unwrap_or(0);
    if let Some(before) = state.revocation_lists()?.into_iter().map(|row| row.number).max().filter(|b| number <= *b) {
        return Err(IdentityError::OldList { number, before }.into());
    }
    let (keys, _) = state.named_by(said)?;
    if !state.administrator_without_keys(&keys, session.place()?)? {
        return Err(IdentityError::LastKey { fingerprint: keys.join(", ") }.into());
    }
    Ok(())
}
