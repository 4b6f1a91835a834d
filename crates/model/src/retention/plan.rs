//! What a disposal is going to remove: the document that two people sign.

use serde::{Deserialize, Serialize};

use super::Retention;
use crate::{Digest, EventKind, RunId, Timestamp};

/// How many entries one plan may name. What is free beyond that goes into the next.
pub const MAX_ENTRIES: usize = 50_000;
/// The largest plan that is read, in bytes.
pub const MAX_BYTES: u64 = 32 << 20;

/// An entry whose payload and attachments are to go. The entry itself stays for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// Its log index.
    pub index: u64,
    /// What happened.
    pub kind: EventKind,
    /// Its class.
    pub class: Retention,
    /// The date up to which it had to be kept, as computed from its class and every extension.
    pub kept_until: Timestamp,
}

/// A disposal plan. Its digest is what two people sign; it becomes the certificate's first attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisposalPlan {
    /// Format version, 1.
    pub version: u32,
    /// The ledger.
    pub origin: String,
    /// Size of the log when the plan was made.
    pub size: u64,
    /// Root of the log at that size.
    pub root: Digest,
    /// Time of the newest entry then: what the signers can hold the clock against.
    pub newest: Timestamp,
    /// What the clock said then.
    pub time: Timestamp,
    /// Where "now" comes from: `two-people`, or `two-people-and-witness`.
    pub time_source: String,
    /// The moment a witness vouches for, where there are witnesses.
    pub witnessed: Option<Timestamp>,
    /// Runs that go as a whole.
    pub runs: Vec<RunId>,
    /// Every entry whose payload goes, by index.
    pub entries: Vec<Planned>,
    /// Blobs to be removed.
    pub blobs: Vec<Digest>,
    /// Blobs that these entries speak of and that stay, because an entry that is kept speaks of them too.
    pub shared: Vec<Digest>,
    /// Matters with open holds. None of them concerns any of these entries.
    pub holds: Vec<String>,
}

impl DisposalPlan {
    /// The format version written today.
    pub const VERSION: u32 = 1;
}
