//! The exchange of the log's key, and what completes one that was interrupted.
//!
//! It happens at one moment, like every append: when the checkpoint that covers the rotation's entry is in place. Before
//! it, nothing but `log.key.next` in the data directory tells of it. After it, what is left to do follows from the log
//! alone, in this order: the note, `ledger/vkey`, the key file, the pin. Whoever opens the ledger next on the machine
//! that holds the key does what is missing. See design 006.

use std::sync::Arc;

use countersign_evidence::act::SignedAct;
use countersign_evidence::note::{SignerKey, VerifierKey};
use countersign_evidence::rotation::Rotation;
use countersign_model::{ActorId, EventKind, PersonId, StreamId};

use super::{ATTEMPTS, Plan, Session, SessionError};
use crate::engine::embedded::{Embedded, Options};
use crate::engine::{Engine as _, KeyChange};
use crate::installation::Pin;
use crate::lock::Lock;
use crate::projection::State;
use crate::{Appended, DEFAULT_LOCK_WAIT, Error, Ledger, rotations};

impl Session {
    /// Exchanges the log's key: for the one at `uri`, or for a new one in a file. `sign` gets the note that both keys
    /// signed, and gives the act of an administrator that holds it; it is asked again when others append meanwhile.
    ///
    /// # Errors
    /// When this machine does not hold the present key, the new one was the log's before, or nothing can be appended;
    /// and what `sign` says.
    pub fn rotate_log_key<E: From<SessionError>>(
        &mut self,
        uri: Option<&str>,
        by: &PersonId,
        mut sign: impl FnMut(&Self, String) -> Result<SignedAct, E>,
    ) -> Result<Appended, E> {
        let prepare =
            |session: &Self| session.rotation(uri).map(|(note, both)| (both, KeyChange::Rotated(note.clone()), note));
        let appended = self.act_on_keys(EventKind::LogKeyRotated, by, prepare, &mut sign)?;
        self.settle_rotation()?;
        Ok(appended)
    }

    /// Appends an act about the log's keys, signed by what `prepare` gives, which is made anew whenever somebody else was
    /// faster.
    pub(super) fn act_on_keys<T, E: From<SessionError>>(
        &mut self,
        kind: EventKind,
        by: &PersonId,
        prepare: impl Fn(&Self) -> Result<(SignerKey, KeyChange, T), SessionError>,
        mut sign: impl FnMut(&Self, T) -> Result<SignedAct, E>,
    ) -> Result<Appended, E> {
        for _ in 0..ATTEMPTS {
            let (signer, change, shown) = prepare(self)?;
            let act = sign(self, shown)?;
            let stream = StreamId::from_text("ledger");
            let entry = self.act_entry(kind, stream, ActorId::from(by), &act, Vec::new(), Vec::new())?;
            let batch = self.batch(Plan { entries: vec![entry] }).map_err(SessionError::from)?;
            let done = self.ledger.append_exchanging(batch, &change, &signer, self.clock.as_ref());
            match done.map_err(SessionError::from).and_then(|appended| self.appended(appended)) {
                Ok(appended) => return Ok(appended),
                Err(SessionError::Store(e)) if e.is_conflict() => self.catch_up().map_err(SessionError::from)?,
                Err(e) => return Err(e.into()),
            }
        }
        Err(SessionError::Contended.into())
    }

    /// The note for the present state of the log, and the two keys as one signer.
    fn rotation(&self, uri: Option<&str>) -> Result<(String, SignerKey), SessionError> {
        let origin = self.ledger.origin();
        let old = self.log_key()?;
        let new = self.installation.next_log_key(origin, uri)?;
        let vkey = new.verifier().to_string();
        if vkey == self.state.vkey() || self.state.rotations().iter().any(|r| r.old == vkey) {
            self.installation.drop_next_log_key(origin)?;
            return Err(SessionError::KeyUsedBefore { origin: origin.to_owned() });
        }
        let rotation = Rotation {
            origin: origin.to_owned(),
            old: old.verifier().clone(),
            new: new.verifier().clone(),
            size: self.ledger.size(),
            root: self.ledger.root(),
        };
        let note = rotation.sign(&old, &new).map_err(Error::from)?;
        Ok((note, old.together_with(new).map_err(Error::from)?))
    }

    /// The Ed25519 key that signs the log now, as the log itself says. A file may still hold one that was exchanged.
    pub(super) fn first_key(&self) -> Result<SignerKey, SessionError> {
        Ok(self.installation.log_key_of(self.ledger.origin(), self.state.vkey())?)
    }

    /// Does what is left to do after a rotation. Where nothing is, nothing is written.
    pub(super) fn settle_rotation(&mut self) -> Result<(), SessionError> {
        if self.state.rotations().is_empty() {
            return Ok(());
        }
        let origin = self.ledger.origin().to_owned();
        let is_behind = self.ledger.vkey().to_string() != self.state.vkey();
        let is_left = is_behind || self.installation.has_next_log_key(&origin);
        // Only who signs for the log completes it; for others it is to be read as it is.
        if is_left && self.first_key().is_ok() {
            if is_behind {
                // A database names the key in the transaction that appends the entry.
                if self.ledger.writable().is_some() {
                    self.publish()?;
                    write_names(&self.ledger, &self.state)?;
                }
                self.ledger.follow_key()?;
            }
            self.installation.take_next_log_key(&origin, self.state.vkey())?;
        }
        if self.is_own_pin && self.pin.as_ref().is_some_and(|pin| pin.vkey != self.state.vkey()) {
            // The old key vouches for the new one, and the log for both: see `check_keys`.
            let pin = self.installation.update_pin(&origin, |pin| {
                let pin = pin.ok_or_else(|| SessionError::Unpinned { origin: origin.clone() })?;
                Ok::<_, SessionError>(Pin { vkey: self.state.vkey().to_owned(), ..pin })
            })?;
            self.pin = Some(pin);
        }
        Ok(())
    }
}

impl Session {
    /// Puts into tiles what is acknowledged only: records of the write-ahead log that the old key alone signed do not open
    /// with the new one.
    fn publish(&mut self) -> Result<(), SessionError> {
        let Some((paths, _)) = self.ledger.writable().filter(|_| self.ledger.is_ahead()) else { return Ok(()) };
        // It signs nothing: nothing is appended.
        let old = self.installation.log_key(self.ledger.origin())?;
        Embedded::open(paths.root(), Options::new(Arc::new(old)))?.publish()?;
        self.ledger.refresh()?;
        Ok(())
    }
}

/// Writes the notes that the log tells of and the directory does not have, and then the key that is in force.
fn write_names(ledger: &Ledger, state: &State) -> Result<(), Error> {
    let no_writer = || Error::NoWriter { place: ledger.source().place() };
    let (paths, storage) = ledger.writable().ok_or_else(no_writer)?;
    let _lock = Lock::exclusive(paths, DEFAULT_LOCK_WAIT)?;
    let notes = (1_u64..).zip(state.rotations()).map(|(n, r)| (n, r.note.as_str()));
    rotations::write_names(paths, storage, notes, state.vkey())
}

/// Whether the log's own keys are those that the pin leads to: the pinned one, or one that rotations in the log put in its
/// place, each signed by the key before it and by an administrator.
pub(super) fn check_keys(ledger: &Ledger, state: &State, pin: Option<&Pin>) -> Result<(), SessionError> {
    let forged = || SessionError::Forged { origin: ledger.origin().to_owned() };
    let named = ledger.vkey().to_string();
    // Before entry 0 there is only the key that the directory names.
    let current = if state.vkey().is_empty() { &named } else { state.vkey() };
    let under_way = state.rotations().last().is_some_and(|r| r.index + 1 == state.size() && r.old == named);
    if named != *current && !under_way {
        return Err(forged());
    }
    if pin.is_some_and(|pin| pin.vkey != *current && state.rotations().iter().all(|r| r.old != pin.vkey)) {
        return Err(forged());
    }
    for row in state.rotations() {
        let note =
            VerifierKey::parse(&row.old).and_then(|old| Rotation::open(row.note.as_bytes(), state.origin(), &old));
        let note = note.map_err(Error::from)?;
        if ledger.root_at(note.size)? != note.root {
            return Err(SessionError::Forked { size: note.size });
        }
    }
    Ok(())
}
