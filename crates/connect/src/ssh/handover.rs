//! The text to sign on its way to `ssh-keygen`.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::folder::Folder;

/// A temporary folder with the text; it goes when this is dropped.
pub(super) struct Handover {
    folder: Folder,
    message: PathBuf,
}

impl Handover {
    /// Writes `message` to a file of its own.
    pub(super) fn new(message: &[u8]) -> io::Result<Self> {
        let folder = Folder::new()?;
        let message = folder.write("statement", message)?;
        Ok(Self { folder, message })
    }

    /// Where the text is.
    pub(super) fn message(&self) -> &Path {
        &self.message
    }

    /// What `ssh-keygen` wrote beside it, up to `limit` bytes.
    pub(super) fn signature(&self, limit: u64) -> io::Result<String> {
        let mut text = String::new();
        fs::File::open(self.folder.path().join("statement.sig"))?.take(limit).read_to_string(&mut text)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_signature_before_one_was_made() {
        assert!(Handover::new(b"text").unwrap().signature(100).is_err());
    }
}
