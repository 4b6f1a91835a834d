//! The file of the log's second key: `log.key.ml-dsa-44`, beside `log.key`. It holds the key's text.

use std::io::ErrorKind;
use std::path::PathBuf;

use countersign_evidence::cosignature::CosignerKey;
use countersign_evidence::note::Algorithm;
use zeroize::Zeroizing;

use crate::installation::{Installation, KeyError};
use crate::keys::read;
use crate::storage;

/// What the file holds, for messages.
const WHAT: &str = "the log's ML-DSA-44 key";

impl Installation {
    /// Where the second key of a log is kept.
    #[must_use]
    pub fn second_log_file(&self, origin: &str) -> PathBuf {
        self.ledger_dir(origin).join("log.key.ml-dsa-44")
    }

    /// The second key of a log, which must be the one of the verifier key `vkey`.
    ///
    /// # Errors
    /// [`KeyError::NoSecondKey`] when there is none here; [`KeyError::OtherSecondKey`] when it is another one;
    /// [`KeyError::Damaged`]; [`KeyError::Read`].
    pub fn second_log_key(&self, origin: &str, vkey: &str) -> Result<CosignerKey, KeyError> {
        let path = self.second_log_file(origin);
        let Some(key) = self.kept(origin)? else { return Err(KeyError::NoSecondKey { origin: origin.into(), path }) };
        if key.verifier().to_string() == vkey {
            Ok(key)
        } else {
            Err(KeyError::OtherSecondKey { origin: origin.into(), path })
        }
    }

    /// Makes and keeps a second key. One that was kept and never used is taken again; one of which `was_used` knows is
    /// replaced.
    ///
    /// # Errors
    /// When it cannot be made or written; [`KeyError::Damaged`] when a file is there that cannot be read.
    pub fn make_second_log_key(&self, origin: &str, was_used: impl Fn(&str) -> bool) -> Result<CosignerKey, KeyError> {
        if let Some(key) = self.kept(origin)?
            && !was_used(&key.verifier().to_string())
        {
            return Ok(key);
        }
        let key = CosignerKey::generate(origin, Algorithm::MlDsa44).map_err(|_| KeyError::Random)?;
        let text = Zeroizing::new(format!("{}\n", key.to_text().as_str()));
        let path = self.second_log_file(origin);
        storage::replace_private(&path, text.as_bytes()).map_err(|source| KeyError::Write { path, source })?;
        Ok(key)
    }

    /// Removes the second key, which signs no longer.
    ///
    /// # Errors
    /// When its file cannot be removed.
    pub fn drop_second_log_key(&self, origin: &str) -> Result<(), KeyError> {
        let path = self.second_log_file(origin);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(KeyError::Write { path, source }),
            _ => Ok(()),
        }
    }

    fn kept(&self, origin: &str) -> Result<Option<CosignerKey>, KeyError> {
        let path = self.second_log_file(origin);
        let Some(text) = read(&path)? else { return Ok(None) };
        match CosignerKey::parse(text.trim_end()) {
            Ok(key) if key.verifier().name() == origin && key.verifier().algorithm() == Algorithm::MlDsa44 => {
                Ok(Some(key))
            }
            _ => Err(KeyError::Damaged { path, what: WHAT }),
        }
    }
}
