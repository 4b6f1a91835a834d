//! Evidence packs: a zip in one canonical form, so that every byte of it is accounted for.
//!
//! ```text
//! member 0 … n-1      whatever is handed over
//! SHA256SUMS          their digests, as `sha256sum --check` reads them
//! manifest.dsse.json  who made the pack of what: signed, and with it the digest of every byte before it
//! directory           follows from the members, byte for byte
//! ```
//!
//! A zip (PKWARE APPNOTE 6.3.10) has room for bytes that no reader looks at: between members, in comments and extra fields,
//! in a directory that differs from the members, in the last bits of a compressed stream. Here there is none: the manifest
//! signs the digest of all bytes before itself, and what comes after is written in one way only ([`Archive::open`]
//! writes it anew and compares). `unzip` reads it like any other.

mod error;
mod explain;
mod lanes;
mod manifest;
mod read;
mod record;
mod write;

pub use error::PackError;
pub use explain::EXPLANATIONS;
pub use manifest::{MANIFEST, MAX_MANIFEST, Sum, sums};
pub use read::{Archive, ReadAt};
pub use record::{MAX_MEMBER, MAX_NAME};
pub use write::{Before, Packer, Written};

/// The list of digests.
pub const SUMS: &str = "SHA256SUMS";
