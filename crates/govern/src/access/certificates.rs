//! `person ca add`, `person ca revoke`, `person key certify`: authorities whose certificates say whose keys are.
//!
//! Control objective: every signature leads to one person through a key that an authority certified for them while it was entitled to.
//! Regulatory mapping: PCI DSS v4.0.1 8.2.1, 8.3.1; NIST 800-53r5 IA-5(2), SC-17.

use std::collections::BTreeSet;

use countersign_evidence::act;
use countersign_evidence::sshsig::{Certificate, PublicKey};
use countersign_model::access::CertificateUse;
use countersign_model::event::{CertificateAuthorityAdded, CertificateAuthorityRevoked, KeyCertified};
use countersign_model::{Action, ActorId, EventKind, PersonId, StreamId, Timestamp};
use countersign_store::handed::{ToSign, Written};
use countersign_store::projection::{AuthorityRow, KeyRow};
use countersign_store::session::{SessionError, act_statement};
use countersign_store::{NewBlob, NewEntry, Plan, Session};

use super::draft::{allowed_or_unproved, signed};
use super::error::IdentityError;
use super::keys::Window;
use super::people::{find, rooted};
use super::roles::admitted;
use super::{Pen, Saying, administrator, allowed, line, say_by, time};
use crate::Error;

const ADD: &str = "person ca add";
const REVOKE: &str = "person ca revoke";
const CERTIFY: &str = "person key certify";

/// What is said of an authority.
#[derive(Debug, Clone)]
pub struct NewAuthority<'a> {
    /// Its key.
    pub key: &'a PublicKey,
    /// Names or ids of the people whom its certificates may name.
    pub people: &'a [String],
    /// What they are good for, everything where nothing is named; of one that is known already, what it was before.
    pub uses: &'a [CertificateUse],
    /// From when to when what it certifies counts.
    pub window: Window,
    /// Why.
    pub reason: &'a str,
}

/// Enrols a certificate authority, or lets one that is enrolled speak for more people. Answers with the log index, or what is to be signed.
///
/// # Errors
/// When the signer is no administrator, or is among the people while another administrator could sign; when it was revoked, its key is a
/// person's, somebody's data is erased for whom it would speak, or the window is none.
pub fn add_authority(session: &mut Session, new: &NewAuthority<'_>, pen: Pen<'_>) -> Result<Written<u64>, Error> {
    rooted(session.state())?;
    let reason = line("the reason", new.reason)?;
    admitted(session, ADD, pen, Action::AddKey)?;
    let fingerprint = new.key.fingerprint();
    let mut people: BTreeSet<PersonId> = BTreeSet::new();
    for who in new.people {
        people.insert(find(session.state(), who)?.id);
    }
    let known = session.state().authority(&fingerprint)?;
    let uses = if new.uses.is_empty() { &CertificateUse::ALL[..] } else { new.uses };
    let mut uses: BTreeSet<CertificateUse> = uses.iter().copied().collect();
    if let Some(known) = &known {
        people.extend(known.people.iter().cloned());
        uses = known.uses.iter().copied().collect();
    }
    // Nobody believes an authority that speaks for somebody whose data is erased.
    for person in &people {
        if session.state().is_erased(person)? {
            return Err(IdentityError::Erased { person: person.clone() }.into());
        }
    }
    let now = session.now();
    let window = new.window;
    if window.before.is_some_and(|until| until <= now || window.after.is_some_and(|from| from >= until)) {
        return Err(IdentityError::BadWindow.into());
    }
    let saying = saying(ADD, EventKind::CertificateAuthorityAdded, act::CERTIFICATE_AUTHORITY);
    say_by(
        session,
        pen,
        &saying,
        Vec::new(),
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
                time: pen.time(s)?,
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

/// Revokes an authority, and every key that it certified. Answers with which it is, and the log index or what is to be signed.
///
/// # Errors
/// When the signer is no administrator, there is no such authority, it was revoked (and this makes it no stricter), or no administrator
/// would be left with a key.
pub fn revoke_authority(
    session: &mut Session,
    text: &str,
    compromised_since: Option<Timestamp>,
    reason: &str,
    pen: Pen<'_>,
) -> Result<(String, Written<u64>), Error> {
    rooted(session.state())?;
    let reason = line("the reason", reason)?;
    admitted(session, REVOKE, pen, Action::RevokeKey)?;
    let fingerprint = authority(session, text)?.fingerprint;
    if compromised_since.is_some_and(|since| session.place().is_ok_and(|now| since > now)) {
        return Err(IdentityError::LaterCompromise.into());
    }
    let namespace = act::CERTIFICATE_AUTHORITY_REVOCATION;
    let saying = saying(REVOKE, EventKind::CertificateAuthorityRevoked, namespace);
    let written = say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| may_revoke(s, by, &fingerprint, compromised_since),
        |s, by| {
            Ok(CertificateAuthorityRevoked {
                origin: s.state().origin().to_owned(),
                fingerprint: fingerprint.clone(),
                compromised_since,
                by,
                reason,
                time: pen.time(s)?,
            })
        },
    )?;
    Ok((fingerprint, written))
}

fn may_revoke(session: &Session, by: &PersonId, fingerprint: &str, since: Option<Timestamp>) -> Result<(), Error> {
    let state = session.state();
    administrator(state, by, Action::RevokeKey)?;
    let row = authority(session, fingerprint)?;
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
///
/// # Errors
/// When it is none, or more than one.
pub fn authority(session: &Session, text: &str) -> Result<AuthorityRow, Error> {
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

/// The stream that what is said of authorities stands in.
#[must_use]
pub fn stream() -> StreamId {
    StreamId::from_text("access")
}

fn saying(act: &'static str, kind: EventKind, namespace: &'static str) -> Saying<'static> {
    Saying { act, kind, namespace, stream: stream() }
}

/// Shows a certificate: from here on the certified key, which signs this, is the person's while the certificate lasts. Answers with the log
/// index, or what is to be signed; [`certified`] says what that means.
///
/// # Errors
/// When the certificate does not count, which is recorded, or the key is another one.
pub fn certify(session: &mut Session, certificate: &Certificate, pen: Pen<'_>) -> Result<Written<u64>, Error> {
    session.require_pin()?;
    rooted(session.state())?;
    let (expected, found) = (certificate.key.fingerprint(), fingerprint_of(pen));
    if expected != found {
        return Err(IdentityError::OtherKey { expected, found }.into());
    }
    let time = time(session, CERTIFY, pen)?;
    let person = allowed(session, CERTIFY, None, |s| may_certify(s, certificate, time))?;
    let predicate = KeyCertified {
        origin: session.state().origin().to_owned(),
        person: person.clone(),
        certificate: certificate.to_openssh().to_owned(),
        time,
    };
    let statement = act_statement(session.subject(), predicate)?;
    let namespace = act::CERTIFIED_KEY;
    let signed = match pen {
        Pen::Away(away) => allowed_or_unproved(session, CERTIFY, None, |_| {
            Ok(away.sign_by(&certificate.key, namespace, &statement)?)
        })?,
        Pen::Key(_) | Pen::Passkey(_) => signed(session, pen, CERTIFY, &person, namespace, &statement)?,
    };
    let Some(signed) = signed else {
        return Ok(Written::ToSign { by: person, acts: vec![ToSign { namespace, statement, sealed: None }] });
    };
    let bytes = signed.to_vec()?;
    let (appended, ()) = session.transact(|s| {
        may_certify(s, certificate, time)?;
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
    Ok(Written::Done(appended.map(|a| a.first_index).ok_or(SessionError::Contended)?))
}

/// The key that signs, by its fingerprint.
fn fingerprint_of(pen: Pen<'_>) -> String {
    match pen {
        Pen::Key(signer) => signer.public_key().fingerprint(),
        Pen::Passkey(fingerprint) => fingerprint.to_owned(),
        Pen::Away(away) => away.fingerprint().to_owned(),
    }
}

/// The key of a certificate that was shown.
///
/// # Errors
/// When it was not.
pub fn certified(session: &Session, certificate: &Certificate) -> Result<KeyRow, Error> {
    let fingerprint = certificate.key.fingerprint();
    session.state().key(&fingerprint)?.ok_or_else(|| IdentityError::NoSuchKey { key: fingerprint }.into())
}

fn may_certify(session: &Session, certificate: &Certificate, time: Timestamp) -> Result<PersonId, Error> {
    let state = session.state();
    let authority = state.authority(&certificate.authority.fingerprint())?;
    let moments = [time, session.place()?];
    match state.presented(certificate, authority.as_ref(), &moments)? {
        Ok(person) => Ok(person),
        Err(trouble) => Err(Error::Certificate(trouble)),
    }
}
