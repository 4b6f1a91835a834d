//! What a person is about to say by signature, between the question whether they may and the entry: signed at once by a key that is
//! here, or later by a passkey in a browser. The statement, and what is sealed for it, stay the same in between; whether it may be said
//! is asked again on the state that it is appended to.

use countersign_connect::SshSigner;
use countersign_evidence::act::SignedAct;
use countersign_evidence::canonical;
use countersign_evidence::statement::Statement;
use countersign_model::event::Predicate;
use countersign_model::{Diagnostic as _, Exit, PersonId, Timestamp};
use countersign_store::handed::{Away, Sealed, ToSign, Written};
use countersign_store::projection::KeyRow;
use countersign_store::session::{SessionError, act_statement};
use countersign_store::{NewBlob, Session, passkey, subjects};
use serde_json::Value;

use super::saying::{Saying, append};
use super::{allowed, holder, rooted, signer_of};
use crate::Error;

/// With what somebody signs.
#[derive(Clone, Copy)]
pub enum Pen<'a> {
    /// A key that is here.
    Key(&'a SshSigner),
    /// The passkey of this fingerprint, or of the only one that begins so: in a browser, and later.
    Passkey(&'a str),
    /// A key on another machine.
    Away(Away<'a>),
}

impl Pen<'_> {
    /// When it is said.
    pub(crate) fn time(&self, session: &Session) -> Result<Timestamp, Error> {
        match self {
            Self::Key(_) | Self::Passkey(_) => Ok(session.now()),
            Self::Away(away) => Ok(away.time(session)?),
        }
    }

    /// The random part of an id that an act of this namespace makes up: what was signed, or a new one.
    pub(crate) fn id(&self, namespace: &str, field: &str, prefix: &str) -> Result<[u8; 10], Error> {
        let signed = match self {
            Self::Key(_) | Self::Passkey(_) => None,
            Self::Away(away) => away.id(namespace, field, prefix)?,
        };
        signed.map_or_else(super::random_id, Ok)
    }

    /// The place of the log that what an act of this namespace says was read at, where that was signed; none: it is the log as it is.
    pub(crate) fn size(&self, session: &Session, namespace: &str, field: &str) -> Result<Option<u64>, Error> {
        match self {
            Self::Key(_) | Self::Passkey(_) => Ok(None),
            Self::Away(away) => Ok(away.size(session, namespace, field)?),
        }
    }
}

type May = Box<dyn Fn(&Session, &PersonId) -> Result<(), Error> + Send>;

/// Something that a person may say and did not sign yet.
pub struct Draft {
    saying: Saying<'static>,
    by: PersonId,
    /// The passkey that is to sign it, by its fingerprint.
    passkey: Option<String>,
    statement: Vec<u8>,
    attachments: Vec<NewBlob>,
    /// Whose key seals what is attached.
    owner: PersonId,
    may: May,
}

/// Who is about to say something.
pub(crate) fn author(session: &mut Session, act: &str, pen: Pen<'_>) -> Result<(PersonId, Option<String>), Error> {
    session.require_pin()?;
    rooted(session.state())?;
    allowed(session, act, None, |s| match pen {
        Pen::Key(signer) => Ok((signer_of(s, signer)?, None)),
        Pen::Passkey(text) => {
            let row = passkey_named(s, text)?;
            Ok((row.person, Some(row.fingerprint)))
        }
        Pen::Away(away) => Ok((holder(s, away.holder(s)?)?, None)),
    })
}

/// Who is about to say something that `may` lets them say. Whoever may not learns that before anything is looked up for them, and it is
/// recorded.
pub(crate) fn admitted(
    session: &mut Session,
    act: &str,
    pen: Pen<'_>,
    may: impl FnOnce(&Session, &PersonId) -> Result<(), Error>,
) -> Result<PersonId, Error> {
    let (by, _) = author(session, act, pen)?;
    allowed(session, act, Some(&by), |s| may(s, &by))?;
    Ok(by)
}

/// The one passkey that counts now and whose fingerprint begins so, of somebody who is here.
fn passkey_named(session: &Session, text: &str) -> Result<KeyRow, Error> {
    let mut found = session.state().keys_named(text)?;
    let (Some(row), true) = (found.pop(), found.is_empty()) else {
        return Err(Error::UnknownKey { fingerprint: text.to_owned() });
    };
    holder(session, session.state().usable(&row.fingerprint, session.place()?)?)?;
    if row.passkey.is_some() { Ok(row) } else { Err(Error::Session(passkey::no_passkey(&row).into())) }
}

impl Draft {
    /// What somebody says, if they may say it; who may not finds it recorded.
    pub(crate) fn new<P: Predicate>(
        session: &mut Session,
        pen: Pen<'_>,
        saying: Saying<'static>,
        attachments: impl FnOnce(&Session, &PersonId) -> Result<Vec<NewBlob>, Error>,
        may: impl Fn(&Session, &PersonId) -> Result<(), Error> + Send + 'static,
        predicate: impl FnOnce(&Session, PersonId, &[NewBlob]) -> Result<P, Error>,
    ) -> Result<Self, Error> {
        let (by, passkey) = author(session, saying.act, pen)?;
        allowed(session, saying.act, Some(&by), |s| may(s, &by))?;
        let attachments = allowed_or_unproved(session, saying.act, Some(&by), |s| attachments(s, &by))?;
        let predicate =
            allowed_or_unproved(session, saying.act, Some(&by), |s| predicate(s, by.clone(), &attachments))?;
        let statement = act_statement(session.subject(), predicate)?;
        let owner = by.clone();
        Ok(Self { saying, by, passkey, statement, attachments, owner, may: Box::new(may) })
    }

    /// The same where what is attached is sealed with the key of somebody else than whoever signs: of whom it belongs to.
    pub(crate) fn sealed_for(self, owner: PersonId) -> Self {
        Self { owner, ..self }
    }

    /// The canonical statement: exactly what is signed.
    #[must_use]
    pub fn statement(&self) -> &[u8] {
        &self.statement
    }

    /// Who is to sign.
    #[must_use]
    pub const fn by(&self) -> &PersonId {
        &self.by
    }

    /// The passkey that is to sign, by its fingerprint.
    #[must_use]
    pub fn passkey(&self) -> Option<&str> {
        self.passkey.as_deref()
    }

    /// What the statement says in a field that is a text.
    #[must_use]
    pub fn says(&self, field: &str) -> Option<String> {
        let read: Statement<Value> = canonical::from_slice(&self.statement).ok()?;
        Some(read.predicate.get(field)?.as_str()?.to_owned())
    }

    /// What `navigator.credentials.get` is called with.
    ///
    /// # Errors
    /// When it is not a passkey that is to sign, or that counts no longer.
    pub fn options(&self, session: &Session) -> Result<Value, Error> {
        let row = passkey_named(session, self.passkey.as_deref().unwrap_or_default())?;
        Ok(passkey::request(&row, self.saying.namespace, &self.statement)?)
    }

    /// Signs it with this pen, and appends it where that is signed; the log index.
    ///
    /// # Errors
    /// When what was signed elsewhere is not exactly this, and as the use case that made the draft. What is refused is recorded first.
    pub(crate) fn write(self, session: &mut Session, pen: Pen<'_>) -> Result<Written<u64>, Error> {
        let (act, by, namespace) = (self.saying.act, self.by.clone(), self.saying.namespace);
        match signed(session, pen, act, &by, namespace, &self.statement)? {
            Some(signed) => Ok(Written::Done(self.append(session, &signed)?)),
            None => {
                let sealed = self.sealed(session)?;
                Ok(Written::ToSign { by, acts: vec![ToSign { namespace, statement: self.statement, sealed }] })
            }
        }
    }

    /// What was sealed for it, with what opens that alone.
    fn sealed(&self, session: &Session) -> Result<Option<Sealed>, Error> {
        const SEALED: [&str; 3] = [subjects::SEALED_TEXT, subjects::SEALED_ACCOUNT, subjects::SEALED_CERTIFICATE];
        let Some(blob) = self.attachments.iter().find(|blob| SEALED.contains(&blob.media.as_str())) else {
            return Ok(None);
        };
        let opener = subjects::opener(session.ledger().subject_keys(), &self.owner, &blob.bytes)?;
        Ok(Some(Sealed { bytes: blob.bytes.clone(), opener }))
    }

    /// Takes what the browser answered, and appends the act if it may still be said. Returns the log index.
    ///
    /// # Errors
    /// When the answer is not that of the passkey to exactly this statement, the passkey counts no longer, and as the use case that
    /// made the draft. What is refused is recorded first.
    pub fn complete(self, session: &mut Session, answer: &[u8]) -> Result<u64, Error> {
        session.require_pin()?;
        let (act, by) = (self.saying.act, self.by.clone());
        let signed = allowed_or_unproved(session, act, Some(&by), |s| {
            let row = passkey_named(s, self.passkey.as_deref().unwrap_or_default())?;
            let signed = passkey::signed(&row, self.saying.namespace, &self.statement, answer)?;
            s.counts(&signed)?;
            (self.may)(s, &by)?;
            Ok(signed)
        })?;
        self.append(session, &signed)
    }

    fn append(self, session: &mut Session, signed: &SignedAct) -> Result<u64, Error> {
        append(session, &self.saying, &self.by, signed, &self.attachments, &self.may)
    }
}

/// The signed act over exactly this statement; none, where it is to be signed elsewhere. What does not verify, or says something else, is
/// recorded.
pub(crate) fn signed(
    session: &mut Session,
    pen: Pen<'_>,
    act: &'static str,
    by: &PersonId,
    namespace: &'static str,
    statement: &[u8],
) -> Result<Option<SignedAct>, Error> {
    match pen {
        Pen::Key(key) => {
            let armored = key.sign(namespace, statement)?;
            Ok(Some(SignedAct::new(namespace, statement, &armored, &key.public_key())?))
        }
        Pen::Passkey(_) => Ok(None),
        Pen::Away(away) => allowed_or_unproved(session, act, Some(by), |s| Ok(away.sign(s, namespace, statement)?)),
    }
}

/// When something is said; what was signed elsewhere, and not just now, is recorded.
pub(crate) fn time(session: &mut Session, act: &str, pen: Pen<'_>) -> Result<Timestamp, Error> {
    allowed_or_unproved(session, act, None, |s| pen.time(s))
}

/// The random part of an id that an act makes up; what was signed elsewhere, and is no such id, is recorded.
pub(crate) fn id(
    session: &mut Session,
    act: &str,
    pen: Pen<'_>,
    (namespace, field): (&str, &str),
    prefix: &str,
) -> Result<[u8; 10], Error> {
    allowed_or_unproved(session, act, None, |_| pen.id(namespace, field, prefix))
}

/// As [`allowed`]; an answer that proves nothing, or something else than was asked, is recorded too.
pub(crate) fn allowed_or_unproved<T>(
    session: &mut Session,
    act: &str,
    person: Option<&PersonId>,
    check: impl FnOnce(&Session) -> Result<T, Error>,
) -> Result<T, Error> {
    let checked = allowed(session, act, person, check);
    if let Err(refusal) = &checked
        && (refusal.exit() == Exit::Unverified || is_handed(refusal))
    {
        session.record_refusal(act, None, person, refusal.code())?;
    }
    checked
}

/// Whether an act that was signed elsewhere is not taken as it is. Who may not say it at all is recorded by [`allowed`].
fn is_handed(error: &Error) -> bool {
    matches!(error, Error::Session(SessionError::Handed(_))) && error.exit() != Exit::Forbidden
}
