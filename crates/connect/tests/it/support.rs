//! Repositories and keys made by the real programs, out of reach of the user's own configuration.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use countersign_connect::Repository;

/// Whether a program is installed. Without it a test is skipped on a developer's machine and fails under `CI=true`.
pub(crate) fn installed(program: &str) -> bool {
    let found = command(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    #[expect(clippy::disallowed_methods, reason = "a test may ask whether it runs in CI")]
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(found || !ci, "{program} is not installed");
    if !found {
        println!("skipped: {program} is not installed");
    }
    found
}

#[expect(clippy::disallowed_methods, reason = "tests start the real programs")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// A folder of a test, gone at its end.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// A new repository in this folder.
    pub(crate) fn repository(&self, name: &str) -> Work {
        let work = Work(self.join(name));
        fs::create_dir(&work.0).unwrap();
        work.git(&["init", "-q", "-b", "main"]);
        work
    }
}

/// A work tree (or bare repository) that a test writes to.
pub(crate) struct Work(pub(crate) PathBuf);

impl Work {
    /// Git as `Alice`, at a fixed time.
    pub(crate) fn command(&self) -> Command {
        let mut git = command("git");
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("GIT_")) {
            git.env_remove(key);
        }
        git.current_dir(&self.0)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_AUTHOR_DATE", "1700000000 +0000")
            .env("GIT_COMMITTER_DATE", "1700000000 +0000")
            .args(["-c", "user.name=Alice", "-c", "user.email=alice@example.com"])
            .args(["-c", "protocol.file.allow=always", "-c", "gc.auto=0"]);
        git
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let out = self.command().args(arguments).output().unwrap();
        assert!(out.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).trim_end().to_owned()
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Commits everything and returns the commit's id.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Writes an object of any content, sound or not.
    pub(crate) fn object(&self, kind: &str, content: &[u8]) -> String {
        let mut child = self
            .command()
            .args(["hash-object", "-t", kind, "-w", "--literally", "--stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(content).unwrap();
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success());
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    /// Where a loose object lies.
    pub(crate) fn loose(&self, id: &str) -> PathBuf {
        self.0.join(".git/objects").join(&id[..2]).join(&id[2..])
    }

    pub(crate) fn open(&self) -> Repository {
        Repository::discover(&self.0).unwrap()
    }
}
