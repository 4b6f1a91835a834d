//! The trust policy of a ledger (C2SP tlog-policy), kept in this machine's data directory beside the pin: which witnesses
//! count, and how many are enough. Like the pin it is never taken from the ledger, for a forger would bring their own.

use std::path::PathBuf;

use countersign_evidence::trust_policy::{self, TrustPolicy};

use crate::installation::{Installation, KeyError};
use crate::storage;

impl Installation {
    fn trust_policy_path(&self, origin: &str) -> PathBuf {
        self.ledger_dir(origin).join("trust-policy")
    }

    /// The trust policy for a ledger; `None` when none was set.
    ///
    /// # Errors
    /// When it cannot be read or is damaged: "no policy" would ask for less than was set.
    pub fn trust_policy(&self, origin: &str) -> Result<Option<TrustPolicy>, KeyError> {
        match self.trust_policy_text(origin)? {
            None => Ok(None),
            Some(bytes) => TrustPolicy::parse(&bytes)
                .map(Some)
                .map_err(|_| KeyError::Damaged { path: self.trust_policy_path(origin), what: "the trust policy" }),
        }
    }

    /// The trust policy as it was given, comments included.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn trust_policy_text(&self, origin: &str) -> Result<Option<Vec<u8>>, KeyError> {
        let path = self.trust_policy_path(origin);
        match std::fs::metadata(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Ok(found) if found.len() > trust_policy::MAX_BYTES as u64 => {
                return Err(KeyError::Damaged { path, what: "the trust policy" });
            }
            _ => {}
        }
        std::fs::read(&path).map(Some).map_err(|source| KeyError::Read { path, source })
    }

    /// Sets the trust policy for a ledger. The text has been parsed before, so that mistakes are told with their line.
    ///
    /// # Errors
    /// When it cannot be written; the old one stays then.
    pub fn set_trust_policy(&self, origin: &str, text: &[u8]) -> Result<(), KeyError> {
        let path = self.trust_policy_path(origin);
        storage::replace_private(&path, text).map_err(|source| KeyError::Write { path, source })
    }
}
