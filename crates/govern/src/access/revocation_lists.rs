//! `person krl import`: what a revocation list of OpenSSH names counts no more.
//!
//! Control objective: what the firm's SSH infrastructure revokes opens nothing here either.
//! Regulatory mapping: PCI DSS v4.0.1 8.2.5, 8.3.1; NIST 800-53r5 IA-5(2), SC-17.

use countersign_connect::SshSigner;
use countersign_evidence::act;
use countersign_evidence::sshsig::RevocationList;
use countersign_model::access::ListedCertificates;
use countersign_model::event::RevocationListImported;
use countersign_model::{Action, Digest, EventKind, PersonId, StreamId, Timestamp};
use countersign_store::Session;
use countersign_store::projection::{is_opaque, key_id_pseudonym};

use super::error::IdentityError;
use super::{Saying, administrator, line, say};
use crate::Error;

/// A list that was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Its number.
    pub number: u64,
    /// Fingerprints of the keys that count no more.
    pub keys: Vec<String>,
    /// And of the certificate authorities.
    pub authorities: Vec<String>,
    /// Log index.
    pub index: u64,
}

/// Imports a list: the file as it is.
///
/// # Errors
/// When it is none, its number is not higher than that of the last one, the signer is no administrator, or no administrator would be left
/// with a key.
pub fn import(session: &mut Session, file: &[u8], reason: &str, signer: &SshSigner) -> Result<Imported, Error> {
    let reason = line("the reason", reason)?;
    let list = RevocationList::parse(file)?;
    let said = predicate(session, &list, file, reason)?;
    let (keys, authorities) = session.state().named_by(&said)?;
    let saying = Saying {
        act: "person krl import",
        kind: EventKind::RevocationListImported,
        namespace: act::REVOCATION_LIST,
        stream: StreamId::from_text("access"),
    };
    let index = say(
        session,
        signer,
        &saying,
        |s, by| may_import(s, by, &said),
        |s, by| Ok(RevocationListImported { by, time: s.now(), ..said.clone() }),
    )?;
    Ok(Imported { number: list.number, keys, authorities, index })
}

/// What is said of a list, but for who says it and when.
fn predicate(
    session: &Session,
    list: &RevocationList,
    file: &[u8],
    reason: String,
) -> Result<RevocationListImported, Error> {
    let salt = session.ledger().salt()?;
    let certificates = list.certificates.iter().map(|c| ListedCertificates {
        authority: c.authority.as_ref().map(countersign_evidence::sshsig::PublicKey::fingerprint),
        serials: c.serials.iter().map(|(first, last)| (first.to_string(), last.to_string())).collect(),
        key_ids: c.key_ids.iter().filter(|id| is_opaque(id)).cloned().collect(),
        pseudonyms: c.key_ids.iter().map(|id| key_id_pseudonym(&salt, id)).collect(),
    });
    Ok(RevocationListImported {
        origin: session.state().origin().to_owned(),
        number: list.number.to_string(),
        digest: Digest::of(file),
        keys: list.keys.iter().cloned().collect(),
        sha1: list.sha1.iter().cloned().collect(),
        certificates: certificates.collect(),
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
