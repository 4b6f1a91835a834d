//! The log's second key, ML-DSA-44, which signs every checkpoint beside the Ed25519 key from the entry on that says so.
//!
//! Which key that is stands in the log, in an act of an administrator. The checkpoint that covers the entry is the first
//! one that carries both lines: it proves that who named the key also held it.

use countersign_evidence::act::SignedAct;
use countersign_evidence::note::SignerKey;
use countersign_model::{EventKind, PersonId};

use super::{Session, SessionError};
use crate::engine::KeyChange;
use crate::{Appended, Error};

/// What becomes of the second key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondKey {
    /// A new one is made, and signs from here on.
    Made,
    /// The one that is there signs no longer.
    Retired,
}

impl Session {
    /// Takes or retires a second key. `sign` gets the verifier key, none when it is retired, and gives the act of an
    /// administrator that says so; it is asked again when others append meanwhile.
    ///
    /// A key that is retired need not be there any more. Where it is, its file is removed.
    ///
    /// # Errors
    /// When this machine does not hold the log's key, there is a second key already or none to retire, or nothing can be
    /// appended; and what `sign` says.
    pub fn choose_second_key<E: From<SessionError>>(
        &mut self,
        wanted: SecondKey,
        by: &PersonId,
        mut sign: impl FnMut(&Self, Option<String>) -> Result<SignedAct, E>,
    ) -> Result<Appended, E> {
        let prepare = |session: &Self| {
            let (signer, vkey) = session.signer_with(wanted)?;
            Ok((signer, KeyChange::Second(vkey.clone()), vkey))
        };
        let appended = self.act_on_keys(EventKind::SecondLogKeyChosen, by, prepare, &mut sign)?;
        if wanted == SecondKey::Retired {
            self.installation.drop_second_log_key(self.ledger.origin()).map_err(SessionError::from)?;
        }
        Ok(appended)
    }

    /// What signs once it is done, and the verifier key of the second key.
    fn signer_with(&self, wanted: SecondKey) -> Result<(SignerKey, Option<String>), SessionError> {
        let origin = self.ledger.origin();
        let first = self.first_key()?;
        match (wanted, self.state.second_key()) {
            (SecondKey::Made, Some(_)) => Err(SessionError::HasSecondKey { origin: origin.to_owned() }),
            (SecondKey::Retired, None) => Err(SessionError::HasNoSecondKey { origin: origin.to_owned() }),
            (SecondKey::Retired, Some(_)) => Ok((first, None)),
            (SecondKey::Made, None) => {
                let second = self.installation.make_second_log_key(origin, |vkey| self.state.had_second_key(vkey))?;
                let vkey = second.verifier().to_string();
                Ok((first.and_also(second).map_err(Error::from)?, Some(vkey)))
            }
        }
    }

    /// All that signs the log now, as the log itself says. Where a key of them is missing nothing is signed.
    pub(super) fn log_key(&self) -> Result<SignerKey, SessionError> {
        let first = self.first_key()?;
        let Some(vkey) = self.state.second_key() else { return Ok(first) };
        let second = self.installation.second_log_key(self.ledger.origin(), vkey)?;
        Ok(first.and_also(second).map_err(Error::from)?)
    }

    /// Whether this machine holds every key that signs the log now.
    ///
    /// # Errors
    /// The first one that it does not hold, by its file.
    pub fn require_log_keys(&self) -> Result<(), SessionError> {
        if self.state.size() == 0 {
            self.installation.log_key(self.ledger.origin())?;
        } else {
            self.log_key()?;
        }
        Ok(())
    }
}
