//! `person key add`, `person key revoke`: which keys count for a person, signed by an administrator.
//!
//! Control objective: every signature leads to one person through a key that was theirs alone at that time.
//! Regulatory mapping: PCI DSS v4.0.1 8.2.1, 8.2.2, 8.3.1; NIST 800-53r5 IA-5, AC-2.

use countersign_connect::gpg::{self, Certificate};
use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::canonical;
use countersign_evidence::sshsig::PublicKey;
use countersign_evidence::statement::Statement;
use countersign_evidence::webauthn::Registration;
use countersign_model::access::KeyKind;
use countersign_model::event::{PersonKeyAdded, PersonKeyRevoked};
use countersign_model::{Action, Digest, EventKind, PersonId, StreamId, Timestamp};
use countersign_store::handed::{Away, HandedError, Written};
use countersign_store::projection::{ActRow, EntriesAsked, KeyRow, kind_of};
use countersign_store::session::SessionError;
use countersign_store::{NewBlob, Session, subjects};
use serde_json::{Value, json};

use super::draft::allowed_or_unproved;
use super::error::IdentityError;
use super::people::find;
use super::roles::admitted;
use super::{Draft, Pen, Saying, administrator, line, rooted, say_by};
use crate::Error;

const ACT: &str = "person key add";

/// From when to when a key counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// From this moment on.
    pub after: Option<Timestamp>,
    /// Before this moment.
    pub before: Option<Timestamp>,
}

/// A key to add.
#[derive(Debug, Clone, Copy)]
pub enum NewKey<'a> {
    /// An SSH key.
    Ssh(&'a PublicKey),
    /// An OpenPGP key: it verifies commits and signs no acts. One that the person has already is renewed.
    OpenPgp(&'a Certificate),
    /// A passkey.
    Passkey(&'a Registration),
}

impl NewKey<'_> {
    /// The key that signs acts, if it does.
    const fn public(&self) -> Option<&PublicKey> {
        match self {
            Self::Ssh(key) => Some(key),
            Self::OpenPgp(_) => None,
            Self::Passkey(new) => Some(&new.key),
        }
    }

    fn fingerprint(&self) -> String {
        match self {
            Self::Ssh(key) => key.fingerprint(),
            Self::OpenPgp(certificate) => certificate.fingerprint.clone(),
            Self::Passkey(new) => new.key.fingerprint(),
        }
    }

    fn kind(&self) -> KeyKind {
        match self {
            Self::Ssh(key) => kind_of(key),
            Self::OpenPgp(_) => KeyKind::Openpgp,
            Self::Passkey(_) => KeyKind::Passkey,
        }
    }
}

/// A key that is added.
#[derive(Debug)]
pub struct Added {
    /// Whose it is.
    pub person: PersonId,
    /// Its fingerprint.
    pub fingerprint: String,
    /// From when to when it counts.
    pub window: Window,
    /// Whether the person had it already.
    pub renewed: bool,
    /// Log index, or what is to be signed.
    pub written: Written<u64>,
    /// Whether somebody gave it to themselves, for there is no other administrator.
    pub alone: bool,
}

impl Added {
    /// As it is told, once it is in the log.
    #[must_use]
    pub fn document(&self, index: u64) -> Value {
        json!({
            "version": 1, "person": self.person, "key": self.fingerprint, "valid_after": self.window.after,
            "valid_before": self.window.before, "renewed": self.renewed, "alone": self.alone, "index": index,
        })
    }
}

/// A key that was revoked.
#[derive(Debug, Clone)]
pub struct Revoked {
    /// The key, with what is said against it.
    pub key: KeyRow,
    /// Log index.
    pub index: u64,
    /// What was signed with it since it was in other hands: somebody has to look at each of these.
    pub suspect: Vec<ActRow>,
}

impl Revoked {
    /// As it is told.
    #[must_use]
    pub fn document(&self) -> Value {
        let act = |act: &ActRow| json!({"index": act.index, "kind": act.kind, "person": act.person, "time": act.time, "appended": act.placed});
        json!({
            "version": 1, "person": self.key.person, "key": self.key.fingerprint, "index": self.index,
            "compromised_since": self.key.revoked.as_ref().and_then(|r| r.since),
            "suspect": self.suspect.iter().map(act).collect::<Vec<_>>(),
        })
    }
}

/// A key that may be added, and is not yet.
pub struct Proposed {
    /// Whose it would be.
    pub person: PersonId,
    /// Its fingerprint.
    pub fingerprint: String,
    /// From when to when it would count.
    pub window: Window,
    /// Whether the person has it already.
    pub renewed: bool,
    /// Whether somebody gives it to themselves, for there is no other administrator.
    pub alone: bool,
    /// What is signed.
    pub draft: Draft,
}

/// Adds a key to somebody enrolled. An OpenPGP key counts no longer than it says itself.
///
/// # Errors
/// When the signer is no administrator, is the person while another administrator could sign, the key was somebody's, or the window
/// is none.
pub fn add(
    session: &mut Session,
    who: &str,
    key: NewKey<'_>,
    window: Window,
    reason: Option<&str>,
    pen: Pen<'_>,
) -> Result<Added, Error> {
    let Proposed { person, fingerprint, window, renewed, alone, draft } =
        propose(session, who, key, window, reason, pen)?;
    Ok(Added { person, fingerprint, window, renewed, alone, written: draft.write(session, pen)? })
}

/// As [`add`], up to the signature.
///
/// # Errors
/// As [`add`].
pub fn propose(
    session: &mut Session,
    who: &str,
    key: NewKey<'_>,
    mut window: Window,
    reason: Option<&str>,
    pen: Pen<'_>,
) -> Result<Proposed, Error> {
    rooted(session.state())?;
    let reason = reason.map(|text| line("the reason", text)).transpose()?;
    let by = admitted(session, ACT, pen, Action::AddKey)?;
    let person = find(session.state(), who)?.id;
    let fingerprint = key.fingerprint();
    let now = session.now();
    if let NewKey::OpenPgp(certificate) = key {
        window.before = [window.before, certificate.expires].into_iter().flatten().min();
    }
    let renewed = session.state().holder(&fingerprint)?.is_some();
    if window.before.is_some_and(|until| until <= now || window.after.is_some_and(|from| from >= until)) {
        return Err(IdentityError::BadWindow.into());
    }
    let alone = by == person && !session.state().has_other_administrator(&person, session.place()?)?;
    let saying = saying(EventKind::PersonKeyAdded, act::PERSON_KEY, &person);
    let may = {
        let (person, fingerprint, kind, public) =
            (person.clone(), fingerprint.clone(), key.kind(), key.public().cloned());
        move |s: &Session, by: &PersonId| {
            may_add(s, by, &person, &fingerprint, kind)?;
            unlisted(s, public.as_ref())
        }
    };
    let seal = |s: &Session, _: &PersonId| match key {
        NewKey::OpenPgp(certificate) => Ok(vec![sealed(s, pen, &person, certificate)?]),
        NewKey::Ssh(_) | NewKey::Passkey(_) => Ok(Vec::new()),
    };
    let draft = Draft::new(session, pen, saying, seal, may, |s, by, sealed| {
        Ok(PersonKeyAdded {
            origin: s.state().origin().to_owned(),
            person: person.clone(),
            kind: key.kind(),
            key: match key {
                NewKey::Ssh(key) => key.to_openssh(),
                NewKey::OpenPgp(certificate) => certificate.fingerprint.clone(),
                NewKey::Passkey(new) => new.key.to_openssh(),
            },
            valid_after: window.after,
            valid_before: window.before,
            passkey: match key {
                NewKey::Passkey(new) => Some(new.passkey.clone()),
                NewKey::Ssh(_) | NewKey::OpenPgp(_) => None,
            },
            certificate: sealed.first().map(|blob| Digest::of(&blob.bytes)),
            by,
            reason,
            time: pen.time(s)?,
        })
    })?;
    let draft = draft.sealed_for(person.clone());
    Ok(Proposed { person, fingerprint, window, renewed, alone, draft })
}

/// The certificate, sealed with the key of whom it belongs to; what was sealed before is taken as it came back with what was signed.
fn sealed(session: &Session, pen: Pen<'_>, person: &PersonId, certificate: &Certificate) -> Result<NewBlob, Error> {
    let keys = session.ledger().subject_keys();
    let bytes = match pen {
        Pen::Away(Away::Signed(handed)) => {
            let bytes = handed.sealed(act::PERSON_KEY).map_err(SessionError::from)?;
            let holds = subjects::unseal_certificate(keys, person, &certificate.fingerprint, bytes)?;
            if holds.as_ref() != Some(&certificate.bytes) {
                return Err(another_key());
            }
            bytes.to_vec()
        }
        Pen::Away(Away::Asked { .. }) | Pen::Key(_) | Pen::Passkey(_) => {
            subjects::seal_certificate(keys, person, &certificate.fingerprint, &certificate.bytes)?
        }
    };
    Ok(NewBlob { bytes, media: subjects::SEALED_CERTIFICATE.into() })
}

fn another_key() -> Error {
    let why = "does not open with the person's key, to the OpenPGP key that is named";
    SessionError::from(HandedError::Sealed { why }).into()
}

/// The OpenPGP key that somebody on another machine adds: what they sent, or what was sealed of it and came back with what they signed.
/// Whoever adds none learns that before anything is looked at.
///
/// # Errors
/// When the signer is no administrator, or it is no such key; what came back as something else is recorded.
pub fn certificate_away(session: &mut Session, who: &str, sent: &[u8], away: Away<'_>) -> Result<Certificate, Error> {
    let by = admitted(session, ACT, Pen::Away(away), Action::AddKey)?;
    let person = find(session.state(), who)?.id;
    let Away::Signed(handed) = away else { return Ok(gpg::inspect(sent, session.now())?) };
    allowed_or_unproved(session, ACT, Some(&by), |s| {
        let said: PersonKeyAdded = handed.said(act::PERSON_KEY).map_err(SessionError::from)?;
        let bytes = handed.sealed(act::PERSON_KEY).map_err(SessionError::from)?;
        let plain = subjects::unseal_certificate(s.ledger().subject_keys(), &person, &said.key, bytes)?;
        let certificate = gpg::inspect(&plain.ok_or_else(another_key)?, s.now())?;
        if certificate.fingerprint == said.key { Ok(certificate) } else { Err(another_key()) }
    })
}

/// Whether an OpenPGP key was a person's before an entry that adds it: then that renews it.
///
/// # Errors
/// When the log cannot be read.
pub fn was_there(session: &Session, person: &PersonId, fingerprint: &str, index: u64) -> Result<bool, Error> {
    const PAGE: u32 = 200;
    let mut page = EntriesAsked {
        kind: Some(EventKind::PersonKeyAdded),
        stream: Some(StreamId::from(person)),
        before: Some(index),
    };
    loop {
        let lines = session.state().entries_page(&page, PAGE).map_err(SessionError::from)?;
        for line in &lines {
            let entry = session.ledger().entries(line.index..line.index.saturating_add(1))?.pop();
            let Some((_, entry)) = entry else { continue };
            let signed = SignedAct::from_slice(&session.ledger().payload(&entry.payload)?)?;
            let said: Statement<Value> = canonical::from_slice(&signed.statement()?)?;
            if said.predicate.get("key").and_then(Value::as_str) == Some(fingerprint) {
                return Ok(true);
            }
        }
        match lines.last() {
            Some(last) if lines.len() == PAGE as usize => page.before = Some(last.index),
            _ => return Ok(false),
        }
    }
}

/// No revocation list may name a key that is added.
pub(crate) fn unlisted(session: &Session, key: Option<&PublicKey>) -> Result<(), Error> {
    let Some(key) = key else { return Ok(()) };
    match session.state().listed_key(key)? {
        Some(index) => Err(IdentityError::Listed { fingerprint: key.fingerprint(), index }.into()),
        None => Ok(()),
    }
}

fn may_add(session: &Session, by: &PersonId, person: &PersonId, fingerprint: &str, kind: KeyKind) -> Result<(), Error> {
    let state = session.state();
    administrator(state, by, Action::AddKey)?;
    if by == person && state.has_other_administrator(person, session.place()?)? {
        return Err(IdentityError::OwnKey.into());
    }
    if state.is_erased(person)? {
        return Err(IdentityError::Erased { person: person.clone() }.into());
    }
    let Some(held) = state.key(fingerprint)? else { return Ok(()) };
    if kind != KeyKind::Openpgp || held.person != *person {
        return Err(Error::KeyTaken { fingerprint: fingerprint.to_owned(), holder: state.label(&held.person)? });
    }
    match held.revoked {
        Some(r) => Err(IdentityError::RevokedAlready { fingerprint: fingerprint.to_owned(), index: r.index }.into()),
        None => Ok(()),
    }
}

/// Revokes a key: its fingerprint, or the start of one. `compromised_since` says since when somebody else may have had it. Returns which it
/// is, and the log index or what is to be signed; [`revoked`] says what that means.
///
/// # Errors
/// When the signer is no administrator, there is no such key, it was revoked (and this makes it no stricter), or no administrator
/// would be left with a key.
pub fn revoke(
    session: &mut Session,
    who: &str,
    key: &str,
    compromised_since: Option<Timestamp>,
    reason: &str,
    pen: Pen<'_>,
) -> Result<(String, Written<u64>), Error> {
    rooted(session.state())?;
    let reason = line("the reason", reason)?;
    admitted(session, "person key revoke", pen, Action::RevokeKey)?;
    let person = find(session.state(), who)?.id;
    let fingerprint = named(session, &person, key)?.fingerprint;
    let now = session.place()?;
    if compromised_since.is_some_and(|since| since > now) {
        return Err(IdentityError::LaterCompromise.into());
    }
    let saying = saying(EventKind::PersonKeyRevoked, act::PERSON_KEY_REVOCATION, &person);
    let written = say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| may_revoke(s, by, &fingerprint, compromised_since),
        |s, by| {
            Ok(PersonKeyRevoked {
                origin: s.state().origin().to_owned(),
                person: person.clone(),
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

/// A key that was revoked at a log index, and what was signed with it since somebody else may have had it.
///
/// # Errors
/// When there is no such key.
pub fn revoked(
    session: &Session,
    fingerprint: &str,
    compromised_since: Option<Timestamp>,
    index: u64,
) -> Result<Revoked, Error> {
    let unknown = || IdentityError::NoSuchKey { key: fingerprint.to_owned() };
    let key = session.state().key(fingerprint)?.ok_or_else(unknown)?;
    let suspect = match compromised_since {
        // The revocation itself may be signed with the key.
        Some(since) => {
            let mut acts = session.state().acts_since(fingerprint, since)?;
            acts.retain(|act| act.index != index);
            acts
        }
        None => Vec::new(),
    };
    Ok(Revoked { key, index, suspect })
}

fn may_revoke(session: &Session, by: &PersonId, fingerprint: &str, since: Option<Timestamp>) -> Result<(), Error> {
    let state = session.state();
    administrator(state, by, Action::RevokeKey)?;
    let key = state.key(fingerprint)?.ok_or_else(|| IdentityError::NoSuchKey { key: fingerprint.to_owned() })?;
    if let Some(before) = &key.revoked
        && since.is_none_or(|new| before.since.is_some_and(|old| new >= old))
    {
        return Err(IdentityError::RevokedAlready { fingerprint: fingerprint.to_owned(), index: before.index }.into());
    }
    if !state.administrator_without(fingerprint, session.place()?)? {
        return Err(IdentityError::LastKey { fingerprint: fingerprint.to_owned() }.into());
    }
    Ok(())
}

/// The one key of a person that a fingerprint, or the start of one, means.
///
/// # Errors
/// When it is none, or more than one.
pub fn named(session: &Session, person: &PersonId, text: &str) -> Result<KeyRow, Error> {
    let mut keys = session.state().keys_of(person)?;
    keys.retain(|key| {
        let bare = key.fingerprint.strip_prefix("SHA256:").unwrap_or(&key.fingerprint);
        !text.is_empty() && (key.fingerprint.starts_with(text) || bare.starts_with(text))
    });
    match (keys.pop(), keys.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err(IdentityError::NoSuchKey { key: text.to_owned() }.into()),
    }
}

fn saying(kind: EventKind, namespace: &'static str, person: &PersonId) -> Saying<'static> {
    let act = if kind == EventKind::PersonKeyAdded { ACT } else { "person key revoke" };
    Saying { act, kind, namespace, stream: StreamId::from(person) }
}
