//! With what somebody signs in this stage: a key that is here, or one on another machine, which is asked first and then comes with
//! what it signed.

use countersign_connect::{SshSigner, host_name};
use countersign_evidence::act::SignedAct;
use countersign_model::event::Device;
use countersign_model::{PersonId, Timestamp};
use countersign_store::Session;
use countersign_store::handed::{Away, ToSign, Written};

use super::refuse::{self, Attempt};
use crate::Error;

/// With what somebody signs.
#[derive(Clone, Copy)]
pub enum Pen<'a> {
    /// A key that is here.
    Key(&'a SshSigner),
    /// A key on another machine.
    Away(Away<'a>),
}

impl Pen<'_> {
    /// The enrolled person whose key it is; one that belongs to nobody or does not count is refused, and recorded.
    pub(crate) fn author(&self, session: &mut Session, attempt: &Attempt) -> Result<PersonId, Error> {
        match self {
            Self::Key(key) => refuse::signer(session, attempt, key),
            Self::Away(away) => refuse::unless(session, attempt, None, |s| {
                let person = refuse::usable(away.holder(s)?)?;
                refuse::here(s.state(), &person)?;
                Ok(person)
            }),
        }
    }

    /// With what, and where, an act of this namespace is signed.
    pub(crate) fn device(&self, namespace: &str) -> Device {
        match self {
            Self::Key(key) => Device { key: key.public_key().fingerprint(), host: host_name() },
            Self::Away(away) => away.device(namespace),
        }
    }

    /// When it is said. What was signed elsewhere, and not just now, is refused, and recorded.
    pub(crate) fn time(&self, session: &mut Session, attempt: &Attempt, by: &PersonId) -> Result<Timestamp, Error> {
        match self {
            Self::Key(_) => Ok(session.now()),
            Self::Away(away) => refuse::unless(session, attempt, Some(by), |s| Ok(away.time(s)?)),
        }
    }

    /// The random part of an id that an act of this namespace makes up: what was signed, or a new one.
    pub(crate) fn id(&self, namespace: &str, field: &str, prefix: &str) -> Result<[u8; 10], Error> {
        let signed = match self {
            Self::Key(_) => None,
            Self::Away(away) => away.id(namespace, field, prefix)?,
        };
        signed.map_or_else(crate::build::observe::random_id, Ok)
    }

    /// The signed act over exactly this statement; none, where it is to be signed elsewhere. What does not verify, or says something
    /// else, is refused, and recorded.
    pub(crate) fn sign(
        &self,
        session: &mut Session,
        attempt: &Attempt,
        by: &PersonId,
        namespace: &'static str,
        statement: &[u8],
    ) -> Result<Option<SignedAct>, Error> {
        match self {
            Self::Key(key) => {
                let armored = key.sign(namespace, statement)?;
                Ok(Some(SignedAct::new(namespace, statement, &armored, &key.public_key())?))
            }
            Self::Away(away) => refuse::unless(session, attempt, Some(by), |s| Ok(away.sign(s, namespace, statement)?)),
        }
    }
}

/// One statement that is to be signed elsewhere.
pub(crate) fn to_sign<T>(by: PersonId, namespace: &'static str, statement: Vec<u8>) -> Written<T> {
    Written::ToSign { by, acts: vec![ToSign { namespace, statement, sealed: None }] }
}
