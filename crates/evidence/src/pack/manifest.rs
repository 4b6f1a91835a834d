//! The two members that speak of the others.

use countersign_model::Digest;

use super::PackError;

/// The signed manifest, the last member: a DSSE envelope around an in-toto statement.
pub const MANIFEST: &str = "manifest.dsse.json";
/// Bytes of the largest manifest that is read.
pub const MAX_MANIFEST: u64 = 64 << 20;

/// A line of `SHA256SUMS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum<'a> {
    /// The member.
    pub name: &'a str,
    /// Its digest.
    pub digest: Digest,
}

/// Reads `SHA256SUMS`: `hex`, two spaces, name.
///
/// # Errors
/// [`PackError::Sums`] with the line.
pub fn sums(text: &str) -> Result<Vec<Sum<'_>>, PackError> {
    text.split_inclusive('\n')
        .enumerate()
        .map(|(n, line)| {
            let parts = line.strip_suffix('\n').and_then(|line| line.split_once("  "));
            let read = |(hex, name)| Some(Sum { name, digest: format!("sha256:{hex}").parse().ok()? });
            parts.and_then(read).ok_or(PackError::Sums { line: n + 1 })
        })
        .collect()
}
