//! A bare repository that holds what was sent to be judged: the commits themselves, so that whoever judges believes nobody's word about
//! them. And the other end: what of a repository has to be sent.
//!
//! | what somebody could send | what comes of it |
//! |---|---|
//! | objects that are not what they are called | git names an object by its content; a pack is indexed by that alone |
//! | malformed objects, paths that lead out, names that imitate `.git` | `index-pack --strict` refuses the pack |
//! | a commit without all that it needs | refused, and the pack is thrown away |
//! | more than may be | the reader stops at the limit |
//! | a configuration, hooks, references | a pack holds objects and nothing else |

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::command::{Git, failed, is_object_id, start_error};
use super::identity::identity_of_url;
use super::repository::{ObjectFormat, Repository};
use crate::Error;
use crate::process::{Running, capture};

/// Where the commits that were judged are kept from being thrown away.
const KEPT: &str = "refs/submitted/";
/// Newest commits that the other end is told of: it sends what is not among their ancestors.
const TOLD: &str = "200";
/// Bytes of an answer of git: names of new objects that are missing.
const ANSWER: u64 = 16 << 20;

/// Repositories of one identity that were sent here.
#[derive(Debug, Clone)]
pub struct Mirror {
    git: Git,
    dir: PathBuf,
    format: ObjectFormat,
}

impl Mirror {
    /// Opens the mirror in `dir`, or makes it.
    ///
    /// # Errors
    /// [`Error::Directory`]; [`Error::OtherFormat`] when it holds objects of another format; those of git.
    pub fn open_or_create(dir: &Path, format: ObjectFormat) -> Result<Self, Error> {
        const WHAT: &str = "make a repository for what is sent";
        let git = Git::default();
        if !dir.join("objects").is_dir() {
            let fail = |source| Error::Directory { dir: dir.to_owned(), source };
            std::fs::create_dir_all(dir).map_err(fail)?;
            let object_format = format!("--object-format={}", format.as_str());
            // Without a template: it would bring hooks and descriptions that nobody reads.
            let said = Git::capture(
                git.command(dir).args(["init", "-q", "--bare", "--template=", &object_format, "."]),
                WHAT,
            )?;
            if !said.status.success() {
                return Err(failed(WHAT, &said.stderr));
            }
        }
        let found = Repository::discover_with(git.clone(), dir)?;
        if found.object_format() != format {
            return Err(Error::OtherFormat { here: found.object_format().as_str(), sent: format.as_str() });
        }
        // Git is started in it, and is told of directories in it.
        let dir = std::fs::canonicalize(dir).map_err(|source| Error::Directory { dir: dir.to_owned(), source })?;
        Ok(Self { git, dir, format })
    }

    fn command(&self) -> Command {
        let mut command = self.git.command(&self.dir);
        command.arg("--git-dir=.");
        command
    }

    /// The newest commits that are here whole, with everything before them.
    ///
    /// # Errors
    /// Those of git.
    pub fn tips(&self) -> Result<Vec<String>, Error> {
        const WHAT: &str = "list what was sent";
        let said = Git::capture(
            self.command().args([
                "for-each-ref",
                "--sort=-creatordate",
                "--count",
                TOLD,
                "--format=%(objectname)",
                KEPT,
            ]),
            WHAT,
        )?;
        if !said.status.success() {
            return Err(failed(WHAT, &said.stderr));
        }
        let text = String::from_utf8_lossy(&said.stdout);
        Ok(text.lines().filter(|id| is_object_id(id)).map(str::to_owned).collect())
    }

    /// Whether a commit was sent, and everything before it.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn holds(&self, commit: &str) -> Result<bool, Error> {
        if !is_object_id(commit) {
            return Ok(false);
        }
        let kept = format!("{KEPT}{commit}");
        let said = Git::capture(self.command().args(["rev-parse", "--verify", "-q", &kept]), "look for a commit")?;
        Ok(said.status.success())
    }

    /// Takes a pack of at most `limit` bytes that makes `commit` whole. An empty one is none: then everything must be here.
    ///
    /// # Errors
    /// [`Error::Pack`] when it is no pack, holds what git refuses, or leaves something of the commit missing; those of git.
    pub fn receive(&self, pack: File, limit: u64, commit: &str) -> Result<(), Error> {
        let refuse = |detail: &str| Error::Pack { detail: detail.to_owned() };
        if !is_object_id(commit) || commit.len() != self.format.hex_len() {
            return Err(refuse("what is to be judged is named by no commit id of this repository's format"));
        }
        let size = pack.metadata().map_err(|e| start_error(e, "read what was sent"))?.len();
        if size > limit {
            return Err(Error::TooLarge { what: "what was sent", limit: "the largest that is taken" });
        }
        // Apart from what is here, until it is whole: what is refused leaves nothing.
        let apart = if size == 0 { None } else { Some(Apart::new(&self.dir)?) };
        if let Some(apart) = &apart {
            self.index(apart, pack, limit)?;
        }
        self.is_whole(apart.as_ref(), commit)?;
        if let Some(apart) = apart {
            apart.settle()?;
        }
        let kept = format!("{KEPT}{commit}");
        let said = Git::capture(self.command().args(["update-ref", &kept, commit]), "keep a commit")?;
        if !said.status.success() {
            return Err(failed("keep a commit", &said.stderr));
        }
        // Packs become many; git knows itself when it is time.
        let tidied = Git::capture(
            self.command().args(["-c", "gc.autoDetach=false", "gc", "--auto", "--quiet"]),
            "tidy what was sent",
        )?;
        if tidied.status.success() { Ok(()) } else { Err(failed("tidy what was sent", &tidied.stderr)) }
    }

    /// Checks and indexes a pack.
    fn index(&self, apart: &Apart, pack: File, limit: u64) -> Result<(), Error> {
        const WHAT: &str = "read a pack";
        let mut command = self.command();
        let largest = format!("--max-input-size={limit}");
        command.args(["index-pack", "--stdin", "--strict", "--fix-thin", &largest]).stdin(Stdio::from(pack));
        apart.reach(&mut command);
        let fail = |source: io::Error| start_error(source, WHAT);
        let (running, mut output) = Running::start(&mut command).map_err(fail)?;
        io::copy(&mut output, &mut io::sink()).map_err(fail)?;
        drop(output);
        let (status, stderr) = running.finish().map_err(fail)?;
        if status.success() { Ok(()) } else { Err(Error::Pack { detail: stderr }) }
    }

    /// Whether a commit with its trees and everything before it is here.
    fn is_whole(&self, apart: Option<&Apart>, commit: &str) -> Result<(), Error> {
        const WHAT: &str = "see whether all of a commit is here";
        let mut command = self.command();
        let kept = format!("--glob={KEPT}*");
        command.args(["rev-list", "--objects", "--quiet", commit, "--not", &kept]);
        if let Some(apart) = apart {
            apart.reach(&mut command);
        }
        let said = capture(&mut command, ANSWER).map_err(|source| start_error(source, WHAT))?;
        if said.status.success() { Ok(()) } else { Err(Error::Pack { detail: said.stderr }) }
    }

    /// The repository of `identity` with `commit` at its head, to be read as any other.
    ///
    /// # Errors
    /// [`Error::NotThatRepository`] when the text is no identity, or one by a first commit that this history does not have;
    /// [`Error::UnknownRevision`] when the commit is not here.
    pub fn at(&self, identity: &str, commit: &str) -> Result<Repository, Error> {
        let repository = Repository::discover_with(self.git.clone(), &self.dir)?;
        let id = repository.resolve(commit)?;
        let is_it = match (identity.strip_prefix("git:"), identity.strip_prefix("git-root:")) {
            (Some(place), _) => identity_of_url(&format!("https://{place}")).as_deref() == Some(identity),
            (None, Some(root)) => repository.oldest_root(&id)? == root,
            (None, None) => false,
        };
        if !is_it || id != commit {
            return Err(Error::NotThatRepository { identity: identity.chars().take(200).collect() });
        }
        Ok(repository.submitted(identity.to_owned(), id))
    }
}

/// Objects that were sent and are not believed yet, as `git receive-pack` keeps them. They go when this is dropped; what a process that
/// was killed left is called as git itself calls such directories, so its collection of garbage finds it.
struct Apart {
    objects: PathBuf,
    dir: PathBuf,
}

impl Apart {
    fn new(mirror: &Path) -> Result<Self, Error> {
        let word = countersign_model::digest::to_hex(
            &countersign_evidence::random::<16>()
                .map_err(|e| start_error(io::Error::other(e.to_string()), "name a directory"))?,
        );
        let objects = mirror.join("objects");
        let dir = objects.join(format!("tmp_objdir-incoming-{word}"));
        std::fs::create_dir(&dir).map_err(|source| Error::Directory { dir: dir.clone(), source })?;
        Ok(Self { objects, dir })
    }

    /// A command that writes here, and reads what is in the mirror as well.
    fn reach(&self, command: &mut Command) {
        command.env("GIT_OBJECT_DIRECTORY", &self.dir).env("GIT_ALTERNATE_OBJECT_DIRECTORIES", &self.objects);
    }

    /// Moves them to the others: a pack is seen by its index, which comes last.
    fn settle(self) -> Result<(), Error> {
        let (from, to) = (self.dir.join("pack"), self.objects.join("pack"));
        let fail = |source| Error::Directory { dir: to.clone(), source };
        std::fs::create_dir_all(&to).map_err(fail)?;
        let listed = std::fs::read_dir(&from).map_err(fail)?;
        let mut files: Vec<PathBuf> = listed.map(|e| Ok(e?.path())).collect::<io::Result<_>>().map_err(fail)?;
        files.sort_by_key(|path| path.extension().is_some_and(|end| end == "idx"));
        for file in files {
            let name = file.file_name().unwrap_or_default();
            std::fs::rename(&file, to.join(name)).map_err(fail)?;
        }
        Ok(())
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Repository {
    /// Writes a pack with everything that whoever holds `without` lacks of `commit`. Of these, those that are not here are passed over.
    ///
    /// # Errors
    /// [`Error::Shallow`] where older history is cut off; those of git.
    pub fn pack(&self, commit: &str, without: &[String], to: &File) -> Result<(), Error> {
        const WHAT: &str = "pack what is to be sent";
        if self.is_shallow() {
            return Err(Error::Shallow);
        }
        let commit = self.resolve(commit)?;
        let mut input = format!("{commit}\n--not\n");
        for id in without.iter().filter(|id| self.is_id(id)) {
            if self.resolve(id).is_ok() {
                input.push_str(id);
                input.push('\n');
            }
        }
        let fail = |source: io::Error| start_error(source, WHAT);
        let mut command = self.command();
        command.args(["pack-objects", "--revs", "--thin", "--stdout", "--delta-base-offset", "-q"]);
        command.stdin(Stdio::piped());
        let (mut running, mut output) = Running::start(&mut command).map_err(fail)?;
        let mut stdin = running.take_input().map_err(fail)?;
        // Short enough for the pipe: at most some two hundred names.
        io::Write::write_all(&mut stdin, input.as_bytes()).map_err(fail)?;
        drop(stdin);
        io::copy(&mut output, &mut &*to).map_err(fail)?;
        drop(output);
        let (status, stderr) = running.finish().map_err(fail)?;
        if status.success() { Ok(()) } else { Err(failed(WHAT, &stderr)) }
    }
}
