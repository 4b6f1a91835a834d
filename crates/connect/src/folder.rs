//! A temporary folder that nobody else may enter; it goes when it is dropped.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use countersign_model::digest::to_hex;

#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A new one, 0700.
    pub(crate) fn new() -> io::Result<Self> {
        let random = countersign_evidence::random::<16>().map_err(io::Error::other)?;
        let path = std::env::temp_dir().join(format!("countersign-{}", to_hex(&random)));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        // Fails when the folder is there already: nobody can have put anything into ours.
        builder.create(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a new file, 0600.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&path)?.write_all(content)?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and what is in it is no secret.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_enter_and_nothing_stays_behind() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new().unwrap();
        let file = folder.write("statement", b"text").unwrap();
        let path = folder.path().to_owned();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&file), 0o600);
        assert_eq!(fs::read(file).unwrap(), b"text");
        assert!(folder.write("statement", b"again").is_err(), "it is there");
        drop(folder);
        assert!(!path.exists());
    }
}
