//! What can go wrong with a ledger and this machine's belief in it, with stable codes.

use countersign_model::{Diagnostic, Exit, Explanation, Place};

use super::ATTEMPTS;
use crate::Error;
use crate::handed::HandedError;
use crate::installation::KeyError;
use crate::projection::KeyTrouble;

/// What can be wrong with a ledger and this machine's belief in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The ledger itself.
    #[error(transparent)]
    Store(#[from] Error),
    /// A key or pin.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A person's key does not count.
    #[error(transparent)]
    Identity(#[from] KeyTrouble),
    /// An act that was signed elsewhere is not taken.
    #[error(transparent)]
    Handed(#[from] HandedError),
    /// This machine does not know the ledger.
    #[error("this machine has not pinned the ledger `{origin}`")]
    Unpinned {
        /// The ledger.
        origin: String,
    },
    /// The ledger is signed by another key than the pinned one.
    #[error("the ledger `{origin}` is signed by another key than the one this machine has pinned")]
    Forged {
        /// The ledger.
        origin: String,
    },
    /// The ledger is shorter than it was.
    #[error("the ledger has {size} entries, and this machine has seen {seen}")]
    RolledBack {
        /// Now.
        size: u64,
        /// Then.
        seen: u64,
    },
    /// The ledger's history is another one.
    #[error("the first {size} entries of the ledger are not those this machine has seen")]
    Forked {
        /// Up to here it differs.
        size: u64,
    },
    /// The recorder of this installation is not the ledger's.
    #[error("this installation's recorder `{recorder}` is not the one this ledger was made with")]
    OtherRecorder {
        /// The recorder of this installation.
        recorder: String,
    },
    /// A key that was given up is not taken again.
    #[error("the new key of the ledger `{origin}` was its key before")]
    KeyUsedBefore {
        /// The ledger.
        origin: String,
    },
    /// There is a second key already.
    #[error("the ledger `{origin}` is signed with a second key already")]
    HasSecondKey {
        /// The ledger.
        origin: String,
    },
    /// There is no second key to retire.
    #[error("the ledger `{origin}` is not signed with a second key")]
    HasNoSecondKey {
        /// The ledger.
        origin: String,
    },
    /// Others append faster than this use case can plan.
    #[error("others kept appending to the ledger while this was tried {ATTEMPTS} times")]
    Contended,
}

impl Diagnostic for SessionError {
    fn code(&self) -> &'static str {
        match self {
            Self::Store(e) => e.code(),
            Self::Key(e) => e.code(),
            Self::Identity(e) => e.code(),
            Self::Handed(e) => e.code(),
            Self::Unpinned { .. } => "CS-TRUST-001",
            Self::Forged { .. } => "CS-TRUST-002",
            Self::RolledBack { .. } => "CS-TRUST-003",
            Self::Forked { .. } => "CS-TRUST-004",
            Self::OtherRecorder { .. } => "CS-TRUST-005",
            Self::Contended => "CS-TRUST-006",
            Self::KeyUsedBefore { .. } => "CS-KEY-014",
            Self::HasSecondKey { .. } => "CS-KEY-052",
            Self::HasNoSecondKey { .. } => "CS-KEY-053",
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Store(e) => e.exit(),
            Self::Key(e) => e.exit(),
            Self::Identity(e) => e.exit(),
            Self::Handed(e) => e.exit(),
            Self::Unpinned { .. } | Self::Forged { .. } | Self::RolledBack { .. } | Self::Forked { .. } => {
                Exit::Unverified
            }
            Self::OtherRecorder { .. } => Exit::Forbidden,
            Self::KeyUsedBefore { .. } | Self::HasSecondKey { .. } | Self::HasNoSecondKey { .. } => Exit::Usage,
            Self::Contended => Exit::Backend,
        }
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Store(e) => e.place(),
            Self::Key(e) => e.place(),
            _ => None,
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Store(e) => e.help(),
            Self::Key(e) => e.help(),
            Self::Identity(e) => e.help(),
            Self::Handed(e) => e.help(),
            Self::Unpinned { .. } => {
                "bring a trust file from a machine that trusts it (countersign trust export), then: countersign trust \
                 import FILE"
                    .into()
            }
            Self::Forged { .. } | Self::RolledBack { .. } | Self::Forked { .. } => {
                "keep this copy as evidence, restore the ledger from your backup, and run: countersign verify".into()
            }
            Self::OtherRecorder { .. } => {
                "record on the machine that made the ledger, or bring its data directory (COUNTERSIGN_DATA_DIR)".into()
            }
            Self::Contended => "run the same command again".into(),
            Self::KeyUsedBefore { .. } => "name another one: countersign ledger rotate-key --to pkcs11:…".into(),
            Self::HasSecondKey { .. } => "to take a new one, retire it first: countersign ledger sign-also none".into(),
            Self::HasNoSecondKey { .. } => "make one: countersign ledger sign-also ml-dsa-44".into(),
        }
    }
}

/// The long texts behind [`SessionError`]'s own codes.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        code: "CS-TRUST-001",
        title: "the ledger is not pinned on this machine",
        text: "A ledger that is consistent in itself proves nothing: whoever forged it could have signed it anew. What \
               makes it trustworthy is a pin kept outside of it: its verifier key and the entry that roots its trust. \
               This machine has none for this ledger.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-TRUST-002",
        title: "the ledger is signed by another key",
        text: "The checkpoint is signed by a key other than the pinned one. Either the directory was replaced by \
               another ledger of the same name, or somebody forged it.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-TRUST-003",
        title: "the ledger was rolled back",
        text: "A log only grows. This one has fewer entries than this machine has seen before: an older copy was put \
               in its place, or its end was cut off.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-TRUST-004",
        title: "the ledger's history was changed",
        text: "The entries up to a size that this machine has seen before have another Merkle root now: history was \
               rewritten and signed anew with the log key.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-TRUST-005",
        title: "another recorder",
        text: "Machine statements count when the recorder named in entry 0 signed them, which the first administrator \
               vouched for. This installation has another recorder key, so what it recorded would not be believed.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-TRUST-007",
        title: "a ledger that was here is gone",
        text: "A new ledger was made in a directory where this machine knew another one. If you moved or removed that one \
               yourself, nothing is wrong. If not, somebody took evidence away: restore it from your backup. Entry 0 of \
               the new ledger names the old one, its size and its root.",
        exit: Exit::Pass,
    },
    Explanation {
        code: "CS-KEY-014",
        title: "a log key is not taken twice",
        text: "A key that was exchanged may be in other hands by now; that is why keys are exchanged. The log never goes \
               back to it, and not to the key that it has already.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-KEY-052",
        title: "the log has a second key already",
        text: "A log has at most one ML-DSA-44 key beside its Ed25519 key. To exchange it, retire it (`ledger sign-also \
               none`) and make another (`ledger sign-also ml-dsa-44`). The checkpoints between the two carry the Ed25519 \
               signature alone, and the log says so.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-KEY-053",
        title: "the log has no second key",
        text: "Only a second key that signs can be retired. This log's checkpoints carry the Ed25519 signature alone.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-TRUST-006",
        title: "the ledger is contended",
        text: "A use case folds the log, decides, and appends only if nobody appended in between; else it does all of \
               it again. Others were faster every time. Nothing was lost; try again.",
        exit: Exit::Backend,
    },
];
