//! `person ca add`, `person ca revoke`, `person key certify`: authorities whose certificates say whose keys are.
//!
//! Control objective: every signature leads to one person through a key that an authority certified for them while it was entitled to.
//! Regulatory mapping: PCI DSS v4.0.1 8.2.1, 8.3.1; NIST 800-53r5 IA-5(2), SC-17.

use std::collections::BTreeSet;

use countersign_connect::SshSigner;
use countersign_evidence::act;
use countersign_evidence::sshsig::{Certificate, PublicKey};
use countersign_model::access::CertificateUse;
use countersign_model::event::{CertificateAuthorityAdded, CertificateAuthorityRevoked, KeyCertified};
use countersign_model::{Action, ActorId, EventKind, PersonId, StreamId, Timestamp};
use countersign_store::projection::{AuthorityRow, KeyRow};
use countersign_store::session::SessionError;
use countersign_store::{NewBlob, NewEntry, Plan, Session};

use super::error::IdentityError;
use super::keys::Window;
use super::people::{find, rooted};
use super::{Saying, administrator, allowed, line, say, sign};
use crate::Error;

/// What is said of an authority.
#[derive(Debug, Clone)]
pub struct NewAuthority<'a> {
    /// Its key.
    pub key: &'a PublicKey,
    /// Names or ids of the people whom its certificates may name.
    pub people: &'a [String],
    /// What they are good for; of one that is known already, what it was before.
    pub uses: &'a [CertificateUse],
    /// From when to when what it certifies counts.
    pub window: Window,
    /// Why.
    pub reason: &'a str,
}

/// Enrols a certificate authority, or lets one that is enrolled speak for more people. Answers with the log index.
///
/// # Errors
/// When the signer is no administrator, or is among the people while another administrator could sign; when it was revoked, its key is a
/// person's, or the window is none.
pub fn add_authority(session: &mut Session, new: &NewAuthority<'_>, signer: &SshSigner) -> Result<u64, Error> {
    let reason = line("the reason", new.reason)?;
    let fingerprint = new.key.fingerprint();
    let mut people: BTreeSet<PersonId> = BTreeSet::new();
    for who in new.people {
        let person = find(session.state(), who)?.id;
        if session.state().is_erased(&person)? {
            return Err(IdentityError::Erased { person }.into());
        }
        people.insert(person);
    }
    let known = session.state().authority(&fingerprint)?;
    let mut uses: BTreeSet<CertificateUse> = new.uses.iter().copied().collect();
    if let Some(known) = &known {
        people.extend(known.people.iter().cloned());
        uses = known.uses.iter().copied().collect();
    }
    let now = session.now();
    let window = new.window;
    if window.before.is_some_and(|until| until <= now || window.after.is_some_and(|from| from >= until)) {
        return Err(IdentityError::BadWindow.into());
    }
    let saying = saying("person ca add", EventKind::CertificateAuthorityAdded, act::CERTIFICATE_AUTHORITY);
    say(
        session,
        signer,
        &saying,
        |s, by| may_add(s, by, new.key, &people),
        |s, by| {
            Ok(CertificateAuthorityAdded {
                origin: s.state().origin().to_owned(),
                key: new.key.to_openssh(),
                people: people.iter().cloned().collect(),
                uses: uses.iter().copied().collect(),
                valid_after: window.after,
                valid_before: window.before,
                by,
                reason,
                time: s.now(),
            })
        },
    )
}

fn may_add(session: &Session, by: &PersonId, key: &PublicKey, people: &BTreeSet<PersonId>) -> Result<(), Error> {
    let fingerprint = &key.fingerprint();
    let state = session.state();
    administrator(state, by, Action::AddKey)?;
    let known = state.authority(fingerprint)?;
    if let Some(r) = known.as_ref().and_then(|k| k.revoked.as_ref()) {
        return Err(IdentityError::RevokedAlready { fingerprint: fingerprint.to_owned(), index: r.index }.into());
    }
    let new = people.contains(by) && known.is_none_or(|k| !k.people.contains(by));
    if new && state.has_other_administrator(by, session.place()?)? {
        return Err(IdentityError::OwnKey.into());
    }
    super::keys::unlisted(session, Some(key))?;
    match state.holder(fingerprint)? {
        Some(holder) => Err(Error::KeyTaken { fingerprint: fingerprint.to_owned(), holder: state.label(&holder)? }),
        None => Ok(()),
    }
}

/// Revokes an authority, and every key that it certified. Answers with what the log says of it then.
///
/// # Errors
/// When the signer is no administrator, there is no such authority, it was revoked (and this makes it no stricter), or no administrator
/// would be left with a key.
pub fn revoke_authority(
    session: &mut Session,
    text: &str,
    compromised_since: Option<Timestamp>,
    reason: &str,
    signer: &SshSigner,
) -> Result<(AuthorityRow, u64), Error> {
    let reason = line("the reason", reason)?;
    let fingerprint = named(session, text)?.fingerprint;
    if compromised_since.is_some_and(|since| session.place().is_ok_and(|now| since > now)) {
        return Err(IdentityError::LaterCompromise.into());
    }
    let namespace = act::CERTIFICATE_AUTHORITY_REVOCATION;
    let saying = saying("person ca revoke", EventKind::CertificateAuthorityRevoked, namespace);
    let index = say(
        session,
        signer,
        &saying,
        |s, by| may_revoke(s, by, &fingerprint, compromised_since),
        |s, by| {
            Ok(CertificateAuthorityRevoked {
                origin: s.state().origin().to_owned(),
                fingerprint: fingerprint.clone(),
                compromised_since,
                by,
                reason,
                time: s.now(),
            })
        },
    )?;
    Ok((named(session, &fingerprint)?, index))
}

fn may_revoke(session: &Session, by: &PersonId, fingerprint: &str, since: Option<Timestamp>) -> Result<(), Error> {
    let state = session.state();
    administrator(state, by, Action::RevokeKey)?;
    let row = named(session, fingerprint)?;
    if let Some(before) = &row.revoked
        && since.is_none_or(|new| before.since.is_some_and(|old| new >= old))
    {
        return Err(IdentityError::RevokedAlready { fingerprint: fingerprint.to_owned(), index: before.index }.into());
    }
    if !state.administrator_without_authority(fingerprint, session.place()?)? {
        return Err(IdentityError::LastKey { fingerprint: fingerprint.to_owned() }.into());
    }
    Ok(())
}

/// The one authority that a fingerprint, or the start of one, means.
fn named(session: &Session, text: &str) -> Result<AuthorityRow, Error> {
    let mut rows = session.state().authorities()?;
    rows.retain(|row| {
        let bare = row.fingerprint.strip_prefix("SHA256:").unwrap_or(&row.fingerprint);
        !text.is_empty() && (row.fingerprint.starts_with(text) || bare.starts_with(text))
    });
    match (rows.pop(), rows.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err(IdentityError::NoSuchAuthority { key: text.to_owned() }.into()),
    }
}

fn saying(act: &'static str, kind: EventKind, namespace: &'static str) -> Saying<'static> {
    Saying { act, kind, namespace, stream: StreamId::from_text("access") }
}

/// Shows a certificate: from here on the certified key, which signs this, is the person's while the certificate lasts. Answers with the key.
///
/// # Errors
/// When the certificate does not count, which is recorded, or the key is another one.
pub fn certify(session: &mut Session, certificate: &Certificate, signer: &SshSigner) -> Result<(KeyRow, u64), Error> {
    session.require_pin()?;
    rooted(session.state())?;
    let key = signer.public_key();
    if key != certificate.key {
        let (expected, found) = (certificate.key.fingerprint(), key.fingerprint());
        return Err(IdentityError::OtherKey { expected, found }.into());
    }
    let person = allowed(session, "person key certify", None, |s| may_certify(s, certificate))?;
    let predicate = KeyCertified {
        origin: session.state().origin().to_owned(),
        person: person.clone(),
        certificate: certificate.to_openssh().to_owned(),
        time: session.now(),
    };
    let signed = sign(signer, act::CERTIFIED_KEY, session.subject(), predicate)?;
    let bytes = signed.to_vec()?;
    let (appended, ()) = session.transact(|s| {
        may_certify(s, certificate)?;
        let (retention, _) = s.state().default_class()?;
        let entry = NewEntry {
            kind: EventKind::KeyCertified,
            stream: StreamId::from(&person),
            actor: ActorId::from(&person),
            retention,
            refs: Vec::new(),
            payload: NewBlob { bytes: bytes.clone(), media: act::MEDIA_TYPE.into() },
            attachments: Vec::new(),
        };
        Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
    })?;
    let index = appended.map(|a| a.first_index).ok_or(SessionError::Contended)?;
    let fingerprint = key.fingerprint();
    let row = session.state().key(&fingerprint)?.ok_or(IdentityError::NoSuchKey { key: fingerprint })?;
    Ok((row, index))
}

fn may_certify(session: &Session, certificate: &Certificate) -> Result<PersonId, Error> {
    let state = session.state();
    let authority = state.authority(&certificate.authority.fingerprint())?;
    let moments = [session.now(), session.place()?];
    match state.presented(certificate, authority.as_ref(), &moments)? {
        Ok(person) => Ok(person),
        Err(trouble) => Err(Error::Certificate(trouble)),
    }
}
