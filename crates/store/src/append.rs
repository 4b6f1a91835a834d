//! What is appended, and what the answer says.

use countersign_evidence::merkle::Hash;
use countersign_model::{ActorId, EventKind, Retention, StreamId, Timestamp};

/// Bytes for the blob store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBlob {
    /// The bytes as they are stored: sealed, where they are sealed.
    pub bytes: Vec<u8>,
    /// Their media type.
    pub media: String,
}

/// An entry to append. Version, time and digests are filled in by the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// What happened.
    pub kind: EventKind,
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Who caused it.
    pub actor: ActorId,
    /// How long it is kept.
    pub retention: Retention,
    /// Indices of earlier entries that it answers to.
    pub refs: Vec<u64>,
    /// Its payload.
    pub payload: NewBlob,
    /// Further blobs.
    pub attachments: Vec<NewBlob>,
}

/// Entries that are appended together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The entries, in order; at least one.
    pub entries: Vec<NewEntry>,
    /// Streams, and the version that each must have before this batch.
    pub expect: Vec<(StreamId, u64)>,
    /// The size that the whole log must have before this batch.
    pub expect_size: Option<u64>,
    /// The caller's idempotency key, at most [`Batch::MAX_KEY_BYTES`] bytes: a batch that is sent again with the same
    /// key is not appended again, the answer is that of the first time.
    pub key: Option<String>,
    /// The id of the payload key that the blobs are sealed with, but for those that stay open: see [`crate::payload_key`].
    pub sealed_with: Option<String>,
}

impl Batch {
    /// The longest idempotency key, in bytes.
    pub const MAX_KEY_BYTES: usize = 256;
}

/// What an append did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The index of the batch's first entry; the others follow.
    pub first_index: u64,
    /// The log's size now.
    pub size: u64,
    /// The log's root now.
    pub root: Hash,
    /// The time in every entry of the batch.
    pub time: Timestamp,
    /// The signed checkpoint of exactly that size and root.
    pub checkpoint: String,
    /// Whether a batch with the same idempotency key had been appended before: then this is the answer to that one.
    pub repeated: bool,
    /// What was set right on the way.
    pub notices: Vec<Notice>,
}

/// Something that was set right, and that people may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// A stable code; it has an explanation like that of an error.
    pub code: &'static str,
    /// What was found and what was done, a lower-case fragment.
    pub what: String,
}
