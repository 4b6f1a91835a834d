//! Which files a change touches.

use countersign_model::TreePath;

use super::repository::Repository;
use super::tree::{TreeEntry, records};
use crate::Error;

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeStatus {
    /// It was not there before. A rename is a deletion and an addition.
    Added,
    /// Its content or its executable bit changed.
    Modified,
    /// It is gone.
    Deleted,
    /// A file became a link or a submodule, or the other way round.
    TypeChanged,
}

/// A file that differs between two commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedFile {
    /// Where.
    pub path: TreePath,
    /// How.
    pub status: ChangeStatus,
}

const WHAT: &str = "compare two trees";

impl Repository {
    /// The files that differ between the trees of `base` and `head`, links and submodules included; without a base
    /// everything in `head`, as added.
    ///
    /// # Errors
    /// [`Error::UnknownRevision`], and those of [`Repository::tree`].
    pub fn changed_files(&self, base: Option<&str>, head: &str) -> Result<Vec<ChangedFile>, Error> {
        let mut changed = Vec::new();
        let Some(base) = base else {
            self.each_entry(head, |entry| {
                let path = match entry {
                    TreeEntry::File(file) | TreeEntry::Link(file) => file.path,
                    TreeEntry::Submodule(module) => module.path,
                };
                changed.push(ChangedFile { path, status: ChangeStatus::Added });
            })?;
            return Ok(changed);
        };
        let (base, head) = (self.resolve(base)?, self.resolve(head)?);
        let mut command = self.command();
        command.args(["diff-tree", "-z", "-r", "--name-status", "--no-renames", "--no-ext-diff", "--no-textconv"]);
        // `.gitmodules` of the judged commit may ask to leave a submodule out.
        command.args(["--ignore-submodules=none", "--no-relative", &base, &head]);
        let mut status = None;
        records(&mut command, WHAT, |record, _| {
            match status.take() {
                None => status = Some(parse(record).ok_or(Error::GitAnswer { what: WHAT })?),
                Some(status) => changed.push(ChangedFile { path: TreePath::from_bytes(record), status }),
            }
            Ok(())
        })?;
        match status {
            None => Ok(changed),
            Some(_) => Err(Error::GitAnswer { what: WHAT }),
        }
    }
}

fn parse(letter: &[u8]) -> Option<ChangeStatus> {
    match letter {
        b"A" => Some(ChangeStatus::Added),
        b"M" => Some(ChangeStatus::Modified),
        b"D" => Some(ChangeStatus::Deleted),
        b"T" => Some(ChangeStatus::TypeChanged),
        _ => None,
    }
}
