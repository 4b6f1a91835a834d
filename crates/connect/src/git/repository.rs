//! A repository: where it is, what its head is, and what a revision means.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign_model::TreePath;

use super::command::{Git, failed, is_object_id};
use crate::Error;
use crate::process::{self, Captured};

/// A git repository that is only ever read.
#[derive(Debug, Clone)]
pub struct Repository {
    git: Git,
    /// Where per-worktree things are (`.git`, or `.git/worktrees/NAME`).
    git_dir: PathBuf,
    /// Where everything shared is; the same as `git_dir` outside linked worktrees.
    common_dir: PathBuf,
    root: PathBuf,
    bare: bool,
    shallow: bool,
    format: ObjectFormat,
    /// Identity and commit, of what was sent to be judged: there it is not asked of configuration and `HEAD`.
    submitted: Option<(String, String)>,
}

/// How a repository names its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectFormat {
    /// 40 hex digits.
    Sha1,
    /// 64 hex digits.
    Sha256,
}

impl ObjectFormat {
    /// The number of hex digits in an object's name.
    #[must_use]
    pub const fn hex_len(self) -> usize {
        match self {
            Self::Sha1 => 40,
            Self::Sha256 => 64,
        }
    }

    /// Git's name for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }
}

/// What `HEAD` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// A branch without a commit: a repository just made.
    Unborn {
        /// The branch, without `refs/heads/`.
        branch: String,
    },
    /// A commit.
    Commit {
        /// Its full id.
        id: String,
        /// The branch, without `refs/heads/`; `None` when detached.
        branch: Option<String>,
    },
}

impl Repository {
    /// Finds the repository that `dir` is in: a work tree, a linked worktree, a bare repository, or inside `.git`.
    ///
    /// # Errors
    /// [`Error::NotARepository`], [`Error::Directory`], [`Error::DubiousOwnership`], [`Error::GitMissing`],
    /// [`Error::GitTooOld`].
    pub fn discover(dir: &Path) -> Result<Self, Error> {
        Self::discover_with(Git::default(), dir)
    }

    pub(crate) fn discover_with(git: Git, dir: &Path) -> Result<Self, Error> {
        const WHAT: &str = "find the repository";
        process::enter(dir)?;
        git.check_version(dir)?;
        let said = Git::capture(
            git.command(dir).args([
                "rev-parse",
                "--is-bare-repository",
                "--is-inside-work-tree",
                "--is-shallow-repository",
                "--show-object-format",
                "--absolute-git-dir",
            ]),
            WHAT,
        )?;
        if !said.status.success() {
            return Err(not_found(&said, dir));
        }
        // A path may hold a line break; so it comes last.
        let mut lines = said.stdout.splitn(5, |b| *b == b'\n');
        let mut flag = || match lines.next() {
            Some(b"true") => Ok(true),
            Some(b"false") => Ok(false),
            _ => Err(Error::GitAnswer { what: WHAT }),
        };
        let (bare, inside, shallow) = (flag()?, flag()?, flag()?);
        let format = match lines.next() {
            Some(b"sha1") => ObjectFormat::Sha1,
            Some(b"sha256") => ObjectFormat::Sha256,
            _ => return Err(Error::GitAnswer { what: WHAT }),
        };
        let git_dir = path_of(lines.next()).ok_or(Error::GitAnswer { what: WHAT })?;
        let root = if bare {
            git_dir.clone()
        } else if inside {
            let top = Git::capture(git.command(dir).args(["rev-parse", "--show-toplevel"]), WHAT)?;
            if !top.status.success() {
                return Err(not_found(&top, dir));
            }
            path_of(Some(&top.stdout)).ok_or(Error::GitAnswer { what: WHAT })?
        } else {
            // Inside `.git` of a work tree: the work tree is around it.
            return match git_dir.parent() {
                Some(around) if git_dir.file_name() == Some(OsStr::new(".git")) && around != dir => {
                    Self::discover_with(git, around)
                }
                _ => Err(Error::NotARepository { dir: dir.to_owned() }),
            };
        };
        let common_dir = common_dir(&git_dir);
        Ok(Self { git, git_dir, common_dir, root, bare, shallow, format, submitted: None })
    }

    /// The top of the work tree; the git directory when there is none.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where git keeps what all worktrees share (`gitrepository-layout`): objects, refs, configuration.
    #[must_use]
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// Whether older history is cut off.
    #[must_use]
    pub fn is_shallow(&self) -> bool {
        self.shallow
    }

    /// Whether there is no work tree.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.bare
    }

    /// How objects are named.
    #[must_use]
    pub fn object_format(&self) -> ObjectFormat {
        self.format
    }

    /// This repository as that of `identity`, with `commit` at its head.
    pub(crate) fn submitted(mut self, identity: String, commit: String) -> Self {
        self.submitted = Some((identity, commit));
        self
    }

    /// The identity that it was sent under.
    pub(crate) fn submitted_as(&self) -> Option<&str> {
        self.submitted.as_ref().map(|(identity, _)| identity.as_str())
    }

    /// A git command on this very repository, wherever it is started and whatever lies around it.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.git.command(&self.root);
        let mut git_dir = std::ffi::OsString::from("--git-dir=");
        git_dir.push(&self.git_dir);
        command.arg(git_dir);
        command
    }

    /// What `HEAD` says.
    ///
    /// # Errors
    /// When git fails, or `HEAD` names a commit that is not here.
    pub fn head(&self) -> Result<Head, Error> {
        const WHAT: &str = "read HEAD";
        if let Some((_, commit)) = &self.submitted {
            return Ok(Head::Commit { id: commit.clone(), branch: None });
        }
        let said = Git::capture(self.command().args(["symbolic-ref", "-q", "HEAD"]), WHAT)?;
        let branch = match said.status.code() {
            Some(0) => {
                let name = String::from_utf8_lossy(said.stdout.trim_ascii_end()).into_owned();
                Some(name.strip_prefix("refs/heads/").map_or(name.clone(), str::to_owned))
            }
            Some(1) => None,
            _ => return Err(failed(WHAT, &said.stderr)),
        };
        match (self.verify_revision("HEAD^{commit}")?, branch) {
            (Some(id), branch) => Ok(Head::Commit { id, branch }),
            (None, Some(branch)) => {
                // A ref that is there and leads nowhere is damage, not a beginning.
                match self.verify_revision("HEAD")? {
                    Some(id) => Err(Error::MissingObject { id }),
                    None => Ok(Head::Unborn { branch }),
                }
            }
            (None, None) => match self.verify_revision("HEAD")? {
                Some(id) => Err(Error::MissingObject { id }),
                None => Err(Error::UnknownRevision { revision: "HEAD".to_owned() }),
            },
        }
    }

    /// The full id of the commit that `revision` names: an id, a branch, a tag, `HEAD~3`.
    ///
    /// # Errors
    /// [`Error::UnknownRevision`], for what is no single commit or begins with `-` too; [`Error::NoCommits`] when
    /// `HEAD` is asked for and there is none.
    pub fn resolve(&self, revision: &str) -> Result<String, Error> {
        let unknown = || Error::UnknownRevision {
            revision: revision.chars().map(process::printable).take(200).collect::<String>(),
        };
        if revision.is_empty() || revision.starts_with('-') || revision.contains(['\0', '\n']) {
            return Err(unknown());
        }
        // In two steps: a search such as `:/text` would take the `^{commit}` for part of the text.
        let id = if self.is_id(revision) { Some(revision.to_owned()) } else { self.verify_revision(revision)? };
        let commit = match id {
            Some(id) => self.verify_revision(&format!("{id}^{{commit}}"))?,
            None => None,
        };
        match commit {
            Some(commit) => Ok(commit),
            None if revision == "HEAD" && matches!(self.head(), Ok(Head::Unborn { .. })) => Err(Error::NoCommits),
            None => Err(unknown()),
        }
    }

    /// The id of the tree of `commit`.
    ///
    /// # Errors
    /// [`Error::UnknownRevision`] when there is no such commit.
    pub fn tree_of(&self, commit: &str) -> Result<String, Error> {
        let commit = self.resolve(commit)?;
        self.verify_revision(&format!("{commit}^{{tree}}"))?.ok_or(Error::MissingObject { id: commit })
    }

    /// The checkout of the submodule at `path`, if it is here and holds `commit`.
    #[must_use]
    pub fn submodule(&self, path: &TreePath, commit: &str) -> Option<Self> {
        if self.bare || !is_object_id(commit) {
            return None;
        }
        let inside = plain_path(path)?;
        let dir = self.root.join(inside);
        // Without a `.git` of its own the search would climb up to this repository.
        std::fs::symlink_metadata(dir.join(".git")).ok()?;
        let module = Self::discover_with(self.git.clone(), &dir).ok()?;
        let own = std::fs::canonicalize(&dir).ok()? == std::fs::canonicalize(&module.root).ok()?;
        let holds = own && module.is_id(commit) && module.resolve(commit).is_ok_and(|id| id == commit);
        holds.then_some(module)
    }

    /// Whether the text is a full object id of this repository's format.
    pub(crate) fn is_id(&self, text: &str) -> bool {
        is_object_id(text) && text.len() == self.format.hex_len()
    }

    /// The id that `rev-parse --verify` gives, `None` when it gives none.
    fn verify_revision(&self, revision: &str) -> Result<Option<String>, Error> {
        let said = Git::capture(self.command().args(["rev-parse", "--verify", "-q", revision]), "read a revision")?;
        if !said.status.success() {
            return Ok(None);
        }
        let id = String::from_utf8_lossy(said.stdout.trim_ascii_end()).into_owned();
        Ok(self.is_id(&id).then_some(id))
    }
}

/// A tree path as a path of the file system, unless it would lead elsewhere.
fn plain_path(path: &TreePath) -> Option<PathBuf> {
    let plain = native(path.as_bytes())?;
    plain.components().all(|c| matches!(c, std::path::Component::Normal(_))).then_some(plain)
}

/// A path as git prints it, less the line break at its end.
fn path_of(bytes: Option<&[u8]>) -> Option<PathBuf> {
    native(bytes?.strip_suffix(b"\n")?).filter(|path| path.is_absolute())
}

/// Bytes as a path of this system.
pub(super) fn native(bytes: &[u8]) -> Option<PathBuf> {
    #[cfg(unix)]
    return Some(PathBuf::from(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes)));
    #[cfg(not(unix))]
    return std::str::from_utf8(bytes).ok().map(PathBuf::from);
}

/// Where the shared part of a linked worktree is: the file `commondir` says so (gitrepository-layout).
fn common_dir(git_dir: &Path) -> PathBuf {
    let named = std::fs::read(git_dir.join("commondir")).ok();
    let Some(path) = named.and_then(|bytes| native(bytes.trim_ascii_end())) else { return git_dir.to_owned() };
    // It says `../..`; what stands there has a name, and callers go by it.
    let joined = git_dir.join(path);
    std::fs::canonicalize(&joined).unwrap_or(joined)
}

/// Why no repository was found.
fn not_found(said: &Captured, dir: &Path) -> Error {
    const WHAT: &str = "find the repository";
    if said.stderr.contains("dubious ownership") || said.stderr.contains("unsafe repository") {
        let quoted = said.stderr.split('\'').nth(1);
        return Error::DubiousOwnership { dir: quoted.map_or_else(|| dir.to_owned(), PathBuf::from) };
    }
    if said.stderr.contains("not a git repository") || said.stderr.contains("must be run in a work tree") {
        return Error::NotARepository { dir: dir.to_owned() };
    }
    failed(WHAT, &said.stderr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_git_is_told_apart_from_a_missing_directory() {
        let missing = Repository::discover_with(Git::named("/nonexistent/git"), Path::new("/"));
        assert!(matches!(missing, Err(Error::GitMissing { .. })));
        let nowhere = Repository::discover(Path::new("/nonexistent/dir"));
        assert!(matches!(nowhere, Err(Error::Directory { .. })));
    }

    #[test]
    fn submodule_paths_never_lead_out() {
        assert!(plain_path(&TreePath::from_text("a/b")).is_some());
        assert!(plain_path(&TreePath::from_text("../b")).is_none());
        assert!(plain_path(&TreePath::from_text("/etc")).is_none());
    }
}
