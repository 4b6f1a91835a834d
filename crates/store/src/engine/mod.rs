//! What appends. An engine assigns indices, makes a batch durable, and answers with a checkpoint that covers it; what
//! it acknowledged is in the log, whatever happens to the process.
//!
//! An engine is a [`Source`] as well: what it has acknowledged can be read from it at once, published or not.

pub mod embedded;
pub mod prepare;

use countersign_evidence::note::Signature;
use countersign_model::Timestamp;

use crate::append::{Appended, Batch};
use crate::subjects::SubjectKeys;
use crate::{Error, Notice, Source};

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
