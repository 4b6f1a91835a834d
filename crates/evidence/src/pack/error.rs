//! What can be wrong with a pack, each with a stable code.

use countersign_model::{Diagnostic, Exit};

/// Why a file is no pack, or cannot become one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// No zip at all.
    #[error("it is no zip file")]
    NoZip,
    /// It ends too early.
    #[error("it is cut short: the directory at its end is missing")]
    Truncated,
    /// A name that leads elsewhere.
    #[error("a member is named `{name}`, which is no plain relative path")]
    Name {
        /// The name, escaped.
        name: String,
    },
    /// Two members of one name.
    #[error("`{name}` stands in it twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// More than may be.
    #[error("`{name}` has {size} bytes, more than may be read")]
    TooLarge {
        /// The name.
        name: String,
        /// Its size in bytes.
        size: u64,
    },
    /// Another form than the one that a pack has.
    #[error("{}{what}", name.as_ref().map(|n| format!("`{n}`: ")).unwrap_or_default())]
    Form {
        /// The member.
        name: Option<String>,
        /// What is wrong.
        what: &'static str,
    },
    /// A member that is not whole.
    #[error("`{name}`: {what}")]
    Damaged {
        /// The member.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
    /// No signed manifest.
    #[error("it does not end in SHA256SUMS and a signed manifest: it is no evidence pack")]
    NoManifest,
    /// The list of digests.
    #[error("SHA256SUMS:{line}: it is no digest, two spaces and a name")]
    Sums {
        /// The line, from 1.
        line: usize,
    },
    /// The disk.
    #[error("it cannot be read or written")]
    Io(#[from] std::io::Error),
}

impl Diagnostic for PackError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoZip => "CS-PACK-001",
            Self::Truncated => "CS-PACK-002",
            Self::Name { .. } => "CS-PACK-003",
            Self::Twice { .. } => "CS-PACK-004",
            Self::TooLarge { .. } => "CS-PACK-005",
            Self::Form { .. } => "CS-PACK-006",
            Self::Damaged { .. } => "CS-PACK-007",
            Self::NoManifest => "CS-PACK-008",
            Self::Sums { .. } => "CS-PACK-009",
            Self::Io(_) => "CS-PACK-010",
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Io(_) => Exit::Internal,
            _ => Exit::Unverified,
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Io(_) => "look whether the place is there, has room, and may be read and written".into(),
            _ => "get the pack again from whoever made it with `countersign audit pack`".into(),
        }
    }
}
