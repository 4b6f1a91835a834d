//! How git is called: which environment it sees, and which of its configuration it may not believe.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::Command;

use crate::Error;
use crate::process::{self, Captured};

/// Answers of a line or two.
const SHORT: u64 = 1024 * 1024;

/// The oldest git whose options we use (`rev-parse --show-object-format`, `--end-of-options`).
const OLDEST: (u32, u32) = (2, 30);

/// Variables that belong to the user and not to a surrounding git process: where their configuration is.
const KEPT: [&str; 4] =
    ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_DISCOVERY_ACROSS_FILESYSTEM"];

/// Variables by which git tells its hooks which repository and which index it is working on. `git commit -a` and
/// `git commit FILE` build the commit from an index of their own, and only these say where it is.
const OF_HOOKS: [&str; 6] = [
    "GIT_DIR",
    "GIT_COMMON_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
];

/// Configuration that overrules the repository's own.
const OVERRULED: [&str; 7] = [
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "protocol.allow=never",
    // A cache that says what the parents of a commit are; we read the commits themselves.
    "core.commitGraph=false",
    "core.useReplaceRefs=false",
    "core.quotePath=false",
    // About the file of grafts that is named to it so that it reads none.
    "advice.graftFileDeprecated=false",
];

/// The git binary.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    program: OsString,
}

impl Default for Git {
    fn default() -> Self {
        Self { program: "git".into() }
    }
}

impl Git {
    /// A git of another name, to see what happens when it is not there.
    #[cfg(test)]
    pub(crate) fn named(program: impl Into<OsString>) -> Self {
        Self { program: program.into() }
    }

    /// A git command in `dir`, with nothing of a surrounding git process left in its environment.
    pub(crate) fn command(&self, dir: &Path) -> Command {
        self.prepare(dir, &[])
    }

    /// A git command in `dir` that works on the repository and the index of the git process around it, if there is one.
    pub(crate) fn command_in_hook(&self, dir: &Path) -> Command {
        self.prepare(dir, &OF_HOOKS)
    }

    fn prepare(&self, dir: &Path, also_kept: &[&str]) -> Command {
        let mut command = process::prepare(&self.program);
        command.current_dir(dir);
        for (key, _) in std::env::vars_os() {
            let is_git = key.as_encoded_bytes().starts_with(b"GIT_");
            if is_git && !KEPT.iter().chain(also_kept).any(|kept| key == OsStr::new(kept)) {
                command.env_remove(&key);
            }
        }
        command
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_GRAFT_FILE", "/dev/null")
            // A list that allows one transport which does not exist. Unlike `protocol.allow`, which
            // `protocol.<name>.allow` of the repository would overrule, nothing overrules this.
            .env("GIT_ALLOW_PROTOCOL", "none");
        command.arg("--no-pager");
        for setting in OVERRULED {
            command.args(["-c", setting]);
        }
        command
    }

    /// Runs a command with a short answer.
    pub(crate) fn capture(command: &mut Command, what: &'static str) -> Result<Captured, Error> {
        process::capture(command, SHORT).map_err(|source| start_error(source, what))
    }

    /// Fails when git is absent or older than [`OLDEST`].
    pub(crate) fn check_version(&self, dir: &Path) -> Result<(), Error> {
        let said = Self::capture(self.command(dir).arg("version"), "name its version")?;
        let text = String::from_utf8_lossy(&said.stdout);
        let found = text.trim().strip_prefix("git version ").unwrap_or_default();
        match version(found) {
            Some(v) if v >= OLDEST => Ok(()),
            Some(_) => Err(Error::GitTooOld { found: found.chars().map(process::printable).take(40).collect() }),
            None => Err(Error::GitAnswer { what: "name its version" }),
        }
    }
}

/// The error of a git that could not be started or talked to.
pub(crate) fn start_error(source: io::Error, what: &'static str) -> Error {
    match source.kind() {
        io::ErrorKind::NotFound => Error::GitMissing { source },
        io::ErrorKind::FileTooLarge => Error::TooLarge { what: "an answer of git", limit: "1 MiB" },
        _ => Error::GitPipe { what, source },
    }
}

/// Major and minor of `2.47.3`, `2.39.5 (Apple Git-154)`, `2.45.1.windows.1`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(['.', ' ', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The error behind what git complained about, as far as its words are known.
pub(crate) fn failed(what: &'static str, stderr: &str) -> Error {
    if let Some(id) = missing_object(stderr) {
        return Error::MissingObject { id };
    }
    if let Some(id) = damaged_object(stderr) {
        return Error::CorruptObject { id, detail: stderr.to_owned() };
    }
    let detail = if stderr.is_empty() { "it did not say why".to_owned() } else { stderr.to_owned() };
    Error::GitFailed { what, detail }
}

/// The object that a partial clone was promised and does not hold, or that is simply not there.
fn missing_object(stderr: &str) -> Option<String> {
    const SIGNS: [&str; 6] = [
        "lazy fetching disabled",
        "from promisor remote",
        "bad object",
        "unable to read tree",
        "missing object",
        "Could not read ",
    ];
    SIGNS.iter().any(|sign| stderr.contains(sign)).then(|| object_id_in(stderr)).flatten()
}

/// The object whose bytes are broken.
fn damaged_object(stderr: &str) -> Option<String> {
    const SIGNS: [&str; 6] = ["corrupt", "inflate", "unable to unpack", "hash mismatch", "is empty", "garbage at end"];
    SIGNS.iter().any(|sign| stderr.contains(sign)).then(|| object_id_in(stderr)).flatten()
}

/// The first word that is a full object id.
fn object_id_in(text: &str) -> Option<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| is_object_id(word)).map(str::to_owned)
}

/// Whether the text is a full object id: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
pub(crate) fn is_object_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_all_distributions_are_understood() {
        assert_eq!(version("2.47.3"), Some((2, 47)));
        assert_eq!(version("2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert_eq!(version("2.45.1.windows.1"), Some((2, 45)));
        assert_eq!(version("2.50-rc1"), Some((2, 50)));
        assert_eq!(version("nonsense"), None);
        assert!(version("2.29.2").unwrap() < OLDEST);
    }

    #[test]
    fn a_missing_git_has_its_own_error() {
        let git = Git::named("/nonexistent/git");
        assert!(matches!(git.check_version(Path::new("/")), Err(Error::GitMissing { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn an_old_git_and_a_chatty_wrapper_are_told_apart() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let says = |name: &str, text: &str| {
            let script = folder.path().join(name);
            std::fs::write(&script, format!("#!/bin/sh\necho '{text}'\n")).unwrap();
            std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
            Git::named(script).check_version(folder.path())
        };
        assert!(matches!(says("old", "git version 2.29.2"), Err(Error::GitTooOld { found }) if found == "2.29.2"));
        assert!(matches!(says("chatty", "welcome"), Err(Error::GitAnswer { .. })));
        assert!(says("new", "git version 3.0.0").is_ok());
    }

    #[test]
    fn known_complaints_become_known_errors() {
        let id = "a".repeat(40);
        assert!(matches!(failed("x", &format!("fatal: bad object {id}")), Error::MissingObject { id: i } if i == id));
        assert!(matches!(
            failed("x", &format!("fatal: loose object {id} (stored in .git/objects) is corrupt")),
            Error::CorruptObject { .. }
        ));
        assert!(matches!(failed("x", "fatal: no"), Error::GitFailed { .. }));
    }
}
