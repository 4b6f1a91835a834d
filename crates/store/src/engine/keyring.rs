//! The keys that sign a log: who holds them, and what entries say of their exchange.

use std::fmt;

use countersign_evidence::act::SignedAct;
use countersign_evidence::canonical;
use countersign_evidence::cosignature::CosignerKey;
use countersign_evidence::note::SignerKey;
use countersign_evidence::statement::Statement;
use countersign_model::EventKind;
use countersign_model::event::{LogKeyRotated, SecondLogKeyChosen};
use serde::{Deserialize, Serialize};

use crate::Error;

/// Which keys sign the log from an entry on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyChange {
    /// The one that takes over in this note ([`countersign_evidence::rotation`]), which the old and the new one signed.
    Rotated(String),
    /// The one with this verifier key signs checkpoints as well; none: no other does.
    Second(Option<String>),
}

impl KeyChange {
    /// What an act about the log's keys says; `None` when it is none. Who signed it is for others to check.
    pub(crate) fn said(kind: EventKind, payload: &[u8]) -> Option<Self> {
        let statement = SignedAct::from_slice(payload).and_then(|act| act.statement()).ok()?;
        match kind {
            EventKind::LogKeyRotated => {
                let said: Statement<LogKeyRotated> = canonical::from_slice(&statement).ok()?;
                Some(Self::Rotated(said.predicate.note))
            }
            EventKind::SecondLogKeyChosen => {
                let said: Statement<SecondLogKeyChosen> = canonical::from_slice(&statement).ok()?;
                Some(Self::Second(said.predicate.vkey))
            }
            _ => None,
        }
    }
}

/// Which keys somebody is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The log's name.
    pub origin: String,
    /// The verifier key that signs now.
    pub vkey: String,
    /// The one that signed until the last exchange, where there was one.
    pub before: Option<String>,
    /// The verifier key that signs checkpoints as well.
    pub second: Option<String>,
}

/// The keys that somebody holds.
#[derive(Debug)]
pub struct Held {
    /// The private half of [`Asked::vkey`].
    pub key: SignerKey,
    /// That of [`Asked::before`], where it is still there: the checkpoint between the two carries both signatures.
    pub before: Option<SignerKey>,
    /// That of [`Asked::second`]. Where one is asked for and not there, nothing is signed.
    pub second: Option<CosignerKey>,
}

impl From<SignerKey> for Held {
    fn from(key: SignerKey) -> Self {
        Self { key, before: None, second: None }
    }
}

/// Who holds the keys of logs. It is asked again whenever the log says that others sign from here on.
pub trait Keyring: Send + Sync {
    /// The keys that are asked for; `None` where the first of them is not held here.
    ///
    /// # Errors
    /// When one is there and cannot be read or opened.
    fn held(&self, asked: &Asked) -> Result<Option<Held>, Error>;

    /// Whether an act orders an exchange of keys that readers of the log will believe. Asked by a process that exchanges keys
    /// for others; who exchanges them with keys of its own judges by itself.
    ///
    /// # Errors
    /// [`Error::BadBatch`] with why they will not; when that cannot be found out.
    fn is_ordered(&self, kind: EventKind, act: &[u8]) -> Result<(), Error> {
        let _ = (kind, act);
        Ok(())
    }
}

impl<F: Fn(&Asked) -> Result<Option<Held>, Error> + Send + Sync> Keyring for F {
    fn held(&self, asked: &Asked) -> Result<Option<Held>, Error> {
        self(asked)
    }
}

impl fmt::Debug for dyn Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring")
    }
}
