//! Who signs, and whether their key counts now.

use countersign_evidence::act::SignedAct;
use countersign_evidence::sshsig::PublicKey;
use countersign_evidence::statement::Statement;
use countersign_evidence::{canonical, webauthn};
use countersign_model::{PersonId, Timestamp};
use serde::Deserialize;

use super::{Session, SessionError};
use crate::Error;
use crate::projection::{KeyTrouble, is_ahead};

#[derive(Deserialize)]
struct Dated {
    time: Timestamp,
}

impl Session {
    /// When an entry that is appended now will be said to have been appended, at the earliest: time never goes back in a log.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn place(&self) -> Result<Timestamp, Error> {
        Ok(self.clock.now().max(self.state.newest_time()?))
    }

    /// Whose key this is, if what it signs now, on this machine, counts; the inner error says why not. A passkey signs in a browser.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn signer(&self, key: &PublicKey) -> Result<Result<PersonId, KeyTrouble>, Error> {
        let fingerprint = key.fingerprint();
        if let Some(row) = self.state.key(&fingerprint)?
            && let Some(trouble) = self.state.misuse(&row, None)?
        {
            return Ok(Err(trouble));
        }
        self.state.usable(&fingerprint, self.place()?)
    }

    /// An act that is appended now must count: its key was not revoked, both its time and its place are in the key's window, and
    /// its time is not ahead of its place. Every reader asks the same.
    ///
    /// # Errors
    /// [`SessionError::Identity`]; when the act or the projection cannot be read.
    pub fn counts(&self, signed: &SignedAct) -> Result<(), SessionError> {
        let statement = signed.statement().map_err(Error::from)?;
        let said: Statement<serde_json::Value> = canonical::from_slice(&statement).map_err(Error::from)?;
        let dated: Dated = serde_json::from_value(said.predicate)
            .map_err(|_| Error::from(countersign_evidence::Error::Act("it does not say when it was signed")))?;
        let fingerprint = signed.claimed_key().map_err(Error::from)?.fingerprint();
        let place = self.place()?;
        if is_ahead(dated.time, place) {
            return Err(KeyTrouble::Ahead { signed: dated.time, place }.into());
        }
        for at in [place, dated.time] {
            self.state.usable(&fingerprint, at)??;
        }
        let proof = webauthn::proof(signed.signature()).map_err(Error::from)?;
        match self.state.key(&fingerprint)?.map(|key| self.state.misuse(&key, proof.as_ref())).transpose()?.flatten() {
            Some(trouble) => Err(trouble.into()),
            None => Ok(()),
        }
    }
}
