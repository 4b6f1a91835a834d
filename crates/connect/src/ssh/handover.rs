//! The text to sign on its way to `ssh-keygen`, in a folder that nobody else may enter.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use countersign_model::digest::to_hex;

/// A temporary folder with the text; it goes when this is dropped.
pub(super) struct Handover {
    folder: PathBuf,
    message: PathBuf,
}

impl Handover {
    /// Writes `message` to a file of its own (0600, in a folder 0700).
    pub(super) fn new(message: &[u8]) -> io::Result<Self> {
        let random = countersign_evidence::random::<16>().map_err(io::Error::other)?;
        let folder = std::env::temp_dir().join(format!("countersign-{}", to_hex(&random)));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        // Fails when the folder is there already: nobody can have put anything into ours.
        builder.create(&folder)?;
        let handover = Self { message: folder.join("statement"), folder };
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&handover.message)?.write_all(message)?;
        Ok(handover)
    }

    /// Where the text is.
    pub(super) fn message(&self) -> &Path {
        &self.message
    }

    /// What `ssh-keygen` wrote beside it, up to `limit` bytes.
    pub(super) fn signature(&self, limit: u64) -> io::Result<String> {
        let mut text = String::new();
        fs::File::open(self.folder.join("statement.sig"))?.take(limit).read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and the text is no secret.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_enter_and_nothing_stays_behind() {
        use std::os::unix::fs::PermissionsExt;
        let handover = Handover::new(b"text").unwrap();
        let folder = handover.folder.clone();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(handover.message()), 0o600);
        assert_eq!(fs::read(handover.message()).unwrap(), b"text");
        assert!(handover.signature(100).is_err(), "there is none yet");
        drop(handover);
        assert!(!folder.exists());
    }
}
