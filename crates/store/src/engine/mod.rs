//! What appends. An engine assigns indices, makes a batch durable, and answers with a checkpoint that covers it; what
//! it acknowledged is in the log, whatever happens to the process.
//!
//! An engine is a [`Source`] as well: what it has acknowledged can be read from it at once, published or not.

pub mod embedded;
pub mod keyring;
pub mod prepare;

use std::collections::BTreeSet;

use countersign_evidence::note::Signature;
use countersign_model::Timestamp;

pub use self::keyring::{Asked, Held, KeyChange, Keyring};
use crate::append::{Appended, Batch};
use crate::subjects::SubjectKeys;
use crate::{Blobs, Error, Notice, Removal, Source};

/// Appends to one ledger. Calls may come from many threads at once; those that wait together are made durable together.
pub trait Engine: Source {
    /// Appends all of a batch, or nothing of it. When this returns, the batch is durable at its indices, and the answer's
    /// checkpoint covers it.
    ///
    /// `now` is the caller's clock; the entries get this time, or that of the entry before where it is later.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::SizeConflict`], [`Error::ClockBehind`], [`Error::EntryTooLarge`],
    /// [`Error::BlobTooLarge`], [`Error::BadBatch`], [`Error::Busy`]: nothing was written. [`Error::DiskFull`],
    /// [`Error::ReadOnly`], [`Error::Io`]: nothing was appended. [`Error::Unsettled`]: whether it was appended will be
    /// seen when the ledger is read again; the same batch with the same key may be sent again.
    fn append(&self, batch: Batch, now: Timestamp) -> Result<Appended, Error>;

    /// Appends a batch whose last entry says that other keys sign the log from there on. The checkpoint that covers it is
    /// signed by them, and by the one that is given up; whoever knows the former keys alone appends no more.
    ///
    /// # Errors
    /// As [`Engine::append`]; [`Error::NoWriter`] where keys are not exchanged through an engine; what whoever holds the keys
    /// says.
    fn exchange(&self, _batch: Batch, _now: Timestamp, _change: &KeyChange) -> Result<Appended, Error> {
        Err(Error::NoWriter { place: self.place() })
    }

    /// Removes the blobs that are needed by nobody: `blobs` says what the entries before `seen` come to, and those after it
    /// are looked at, but for `spared`, while nobody appends.
    ///
    /// # Errors
    /// When the log cannot be read; [`Error::NoWriter`] where blobs are not removed through an engine. A blob that cannot be
    /// removed is in the answer.
    fn remove_blobs(&self, _blobs: Blobs, _seen: u64, _spared: &BTreeSet<u64>) -> Result<Removal, Error> {
        Err(Error::NoWriter { place: self.place() })
    }

    /// Writes everything acknowledged so far into tiles and bundles and publishes the checkpoint that covers it, so that
    /// any tlog client finds it.
    ///
    /// # Errors
    /// What the place says. Nothing acknowledged is lost by that.
    fn publish(&self) -> Result<Vec<Notice>, Error>;

    /// Adds cosignatures to the published checkpoint, when its text is this one; returns whether it is. They have been
    /// verified by who asked for them; the log's own signature stays what it is.
    ///
    /// # Errors
    /// As [`Engine::publish`]; [`Error::Corrupt`] when what would come of it is no checkpoint of this log.
    fn add_cosignatures(&self, text: &str, added: &[Signature]) -> Result<bool, Error>;

    /// The keys that seal people's data.
    fn subject_keys(&self) -> &dyn SubjectKeys;
}
