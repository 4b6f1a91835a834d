//! One file of a commit, and git's own version.

use super::command::{Git, failed};
use super::repository::Repository;
use super::tree::{TreeEntry, parse, records};
use crate::Error;
use crate::process::Captured;

const WHAT: &str = "find a file";

impl Repository {
    /// The content of the regular file at `path` in `commit`; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::UnknownRevision`], [`Error::MissingObject`], [`Error::CorruptObject`]; [`Error::TooLarge`] when it
    /// has more than `limit` bytes.
    pub fn file_at(&self, commit: &str, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let commit = self.resolve(commit)?;
        let mut command = self.command();
        // A path is a path here: no wildcards, whatever it looks like.
        command.env("GIT_LITERAL_PATHSPECS", "1").args(["ls-tree", "-z", "--full-tree", &commit, "--"]);
        command.arg(path);
        let mut found = None;
        records(&mut command, WHAT, |record, _| {
            if let TreeEntry::File(file) = parse(record).ok_or(Error::GitAnswer { what: WHAT })?
                && file.path.as_bytes() == path.as_bytes()
            {
                found = Some(file.blob);
            }
            Ok(())
        })?;
        match found {
            Some(blob) => Ok(Some(self.reader()?.read(&blob)?.bytes(limit)?)),
            None => Ok(None),
        }
    }
}

/// The version of the git that is used, as it names itself.
///
/// # Errors
/// [`Error::GitMissing`], [`Error::GitTooOld`].
pub fn version() -> Result<String, Error> {
    let (git, here) = (Git::default(), std::path::Path::new("."));
    git.check_version(here)?;
    let Captured { status, stdout, stderr } = Git::capture(git.command(here).arg("version"), "name its version")?;
    if !status.success() {
        return Err(failed("name its version", &stderr));
    }
    let text = String::from_utf8_lossy(&stdout);
    Ok(text.trim().trim_start_matches("git version ").chars().map(crate::process::printable).take(40).collect())
}
