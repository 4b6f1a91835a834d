//! Where git looks for hooks, and the setting that says so.

use std::path::{Path, PathBuf};

use super::command::{Git, failed};
use super::repository::{Repository, native};
use crate::Error;

const WHAT: &str = "read where hooks are";

/// Who said where hooks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HooksScope {
    /// Nobody: they are in the repository's own `hooks`.
    Default,
    /// The repository's configuration.
    Repository,
    /// The user's or the system's configuration, for every repository.
    Machine,
}

/// Where git looks for a repository's hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HooksPath {
    /// The directory; it need not exist.
    pub dir: PathBuf,
    /// Who said so.
    pub scope: HooksScope,
}

impl Repository {
    /// Where git looks for hooks.
    ///
    /// # Errors
    /// What git says.
    pub fn hooks_path(&self) -> Result<HooksPath, Error> {
        let mut command = self.command();
        command.args(["config", "-z", "--show-scope", "--type=path", "--get-all", "core.hooksPath"]);
        let said = Git::capture(&mut command, WHAT)?;
        if !matches!(said.status.code(), Some(0 | 1)) {
            return Err(failed(WHAT, &said.stderr));
        }
        let mut fields = said.stdout.split(|b| *b == 0);
        let mut path = HooksPath { dir: self.common_dir().join("hooks"), scope: HooksScope::Default };
        while let (Some(scope), Some(value)) = (fields.next(), fields.next()) {
            let scope = match scope {
                // Our own, which keeps hooks from running while we read.
                b"command" => continue,
                b"local" | b"worktree" => HooksScope::Repository,
                _ => HooksScope::Machine,
            };
            let dir = native(value).ok_or(Error::GitAnswer { what: WHAT })?;
            // A relative path is relative to where hooks run: the top of the work tree.
            path = HooksPath { dir: self.root().join(dir), scope };
        }
        Ok(path)
    }
}

/// Where the user's configuration says that every repository's hooks are.
///
/// # Errors
/// What git says.
pub fn global_hooks_path() -> Result<Option<PathBuf>, Error> {
    let mut command = Git::default().command(Path::new("/"));
    command.args(["config", "--global", "-z", "--type=path", "--get", "core.hooksPath"]);
    let said = Git::capture(&mut command, WHAT)?;
    match said.status.code() {
        Some(0) => Ok(native(said.stdout.strip_suffix(&[0]).unwrap_or(&said.stdout))),
        Some(1) => Ok(None),
        _ => Err(failed(WHAT, &said.stderr)),
    }
}

/// Writes `core.hooksPath` into the user's configuration, or takes it out.
///
/// # Errors
/// [`Error::GitFailed`] when the configuration cannot be written.
pub fn set_global_hooks_path(dir: Option<&Path>) -> Result<(), Error> {
    const WHAT: &str = "write core.hooksPath into the user's configuration";
    let mut command = Git::default().command(Path::new("/"));
    command.args(["config", "--global"]);
    match dir {
        Some(dir) => command.arg("core.hooksPath").arg(dir),
        None => command.args(["--unset", "core.hooksPath"]),
    };
    let said = Git::capture(&mut command, WHAT)?;
    match said.status.success() {
        true => Ok(()),
        false => Err(failed(WHAT, &said.stderr)),
    }
}
