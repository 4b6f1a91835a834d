//! A small world for the real binary: a home, a data directory, a repository, people with SSH keys. Nothing of the
//! machine's own configuration is read.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What histories of the store's tests need, under the name that they know it by.
#[cfg(all(unix, debug_assertions))]
pub(crate) use crate::pages::odd::ledgers::{ORIGIN, Unsynced, clock, signer};

/// What a command did.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Insists on the exit code; shows what was said when it is another.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\nstdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// The output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}:\n{}\n{}", self.out, self.err))
    }

    /// Exit code and both streams, for a snapshot.
    pub(crate) fn all(&self) -> String {
        format!("exit {}\n--- stdout\n{}--- stderr\n{}", self.code, self.out, self.err)
    }
}

/// The world of one test.
pub(crate) struct World {
    dir: tempfile::TempDir,
    /// The clock of the binary, where a test sets one.
    pub(crate) now: Option<String>,
    /// The ledger's address, where it is in a database.
    pub(crate) ledger: Option<String>,
    /// Whether a ledger that is made is encrypted.
    pub(crate) encrypts: bool,
}

impl World {
    /// A world with an empty repository.
    pub(crate) fn new() -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap(), now: None, ledger: None, encrypts: false };
        for sub in ["home", "repo"] {
            std::fs::create_dir(world.path(sub)).unwrap();
        }
        world.git(["init", "-q", "-b", "main"]);
        world
    }

    /// A world with one unsigned commit.
    pub(crate) fn with_commit() -> Self {
        let world = Self::new();
        world.commit("README", "hello\n");
        world
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.path("repo")
    }

    #[expect(clippy::disallowed_methods, reason = "tests start the binary, git and ssh-keygen")]
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(dir)
            .stdin(Stdio::null())
            .env_remove("COUNTERSIGN_KEY")
            .env_remove("COUNTERSIGN_LOG_KEY")
            .env_remove("COUNTERSIGN_PIN")
            .env_remove("COUNTERSIGN_ENCRYPT_PAYLOADS")
            .env_remove("SOFTHSM2_CONF")
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("XDG_DATA_HOME")
            .env_remove("CLICOLOR_FORCE")
            .env("HOME", self.path("home"))
            .env("COUNTERSIGN_DATA_DIR", self.path("data"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z")
            .env("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z");
        // Where the tests run in a CI system, that is none of the binary's business.
        for name in
            ["GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "TF_BUILD", "BUILDKITE", "CIRCLECI", "COUNTERSIGN_ID_TOKEN"]
        {
            command.env_remove(name);
        }
        if let Some(now) = &self.now {
            command.env("COUNTERSIGN_NOW", now);
        }
        if self.encrypts {
            command.env("COUNTERSIGN_ENCRYPT_PAYLOADS", "true");
        }
        command
    }

    pub(crate) fn finish(mut command: Command) -> Ran {
        let Output { status, stdout, stderr } = command.output().unwrap();
        Ran {
            code: status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&stdout).into_owned(),
            err: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    /// The binary, in a directory.
    pub(crate) fn cs_in<I: AsRef<OsStr>>(&self, dir: &Path, args: impl IntoIterator<Item = I>) -> Ran {
        let mut command = self.command(env!("CARGO_BIN_EXE_countersign"), dir);
        command.args(args);
        if let Some(ledger) = &self.ledger {
            command.args(["--ledger", ledger]);
        }
        Self::finish(command)
    }

    /// The binary, in the repository.
    pub(crate) fn cs<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Ran {
        self.cs_in(&self.repo(), args)
    }

    /// git in a directory; it must succeed.
    #[track_caller]
    pub(crate) fn git_in<I: AsRef<OsStr>>(&self, dir: &Path, args: impl IntoIterator<Item = I>) -> String {
        let mut command = self.command("git", dir);
        command.args(["-c", "user.name=Mia", "-c", "user.email=mia@example.com", "-c", "protocol.file.allow=always"]);
        command.args(["-c", "gpg.format=ssh"]).args(args);
        Self::finish(command).expect(0).out
    }

    /// git in the repository; it must succeed.
    #[track_caller]
    pub(crate) fn git<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> String {
        self.git_in(&self.repo(), args)
    }

    /// Writes a file and commits everything, unsigned.
    pub(crate) fn commit(&self, name: &str, content: &str) {
        self.write(name, content);
        self.git(["add", "-A"]);
        self.git(["commit", "-q", "-m", name]);
    }

    /// Writes a file and commits everything, signed with this person's key.
    pub(crate) fn commit_signed(&self, by: &str, name: &str, content: &str) {
        self.write(name, content);
        self.git(["add", "-A"]);
        let key = format!("user.signingkey={}", self.path(by).display());
        self.git(["-c", &key, "commit", "-q", "-S", "-m", name]);
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.repo().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// A new SSH key for a person, in `NAME` and `NAME.pub`.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        let mut command = self.command("ssh-keygen", self.dir.path());
        command.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&path);
        Self::finish(command).expect(0);
        path
    }

    pub(crate) fn public(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.pub"))
    }

    /// Ada, the first administrator, and everybody a release needs; Mia writes and signs the commits.
    pub(crate) fn firm(&self) {
        for name in ["ada", "mia", "dan", "ruth", "omar"] {
            self.key(name);
        }
        let ada = self.path("ada");
        let ada = ada.as_os_str();
        let public = self.public("ada");
        let args = [OsStr::new("init"), OsStr::new("--yes"), OsStr::new("--name"), OsStr::new("Ada")];
        let args = args.into_iter().chain([OsStr::new("--ssh-key"), public.as_os_str(), OsStr::new("--key"), ada]);
        self.cs(args).expect(0);
        for (person, roles) in [
            ("mia", &["developer", "engineer"][..]),
            ("dan", &["engineer", "compliance-officer"][..]),
            ("ruth", &["compliance-officer", "security-officer"][..]),
            ("omar", &["release-manager"][..]),
        ] {
            let public = self.public(person);
            let add = [OsStr::new("person"), OsStr::new("add"), OsStr::new(person), OsStr::new("--ssh-key")];
            self.cs(add.into_iter().chain([public.as_os_str(), OsStr::new("--key"), ada])).expect(0);
            for role in roles {
                let grant = [OsStr::new("role"), OsStr::new("grant"), OsStr::new(person), OsStr::new(role)];
                let why = [OsStr::new("--reason"), OsStr::new("their work")];
                self.cs(grant.into_iter().chain(why).chain([OsStr::new("--key"), ada])).expect(0);
            }
        }
    }

    /// The firm with one signed commit that two people approved.
    pub(crate) fn approved() -> Self {
        let w = Self::new();
        w.firm();
        w.approve();
        w
    }

    /// One signed commit, judged and approved by two people.
    pub(crate) fn approve(&self) {
        self.commit_signed("mia", "app.sh", "echo app\n");
        self.cs(["run"]).expect(11);
        self.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
        self.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    }

    /// The binary with `--key` of a person.
    pub(crate) fn by(&self, person: &str, args: &[&str]) -> Ran {
        let key = self.path(person);
        let args = args.iter().map(|a| OsStr::new(*a)).chain([OsStr::new("--key"), key.as_os_str()]);
        self.cs(args)
    }

    /// Everything in the ledger's directory, as one text that can be searched.
    pub(crate) fn ledger_text(&self) -> String {
        let mut all = String::new();
        let mut dirs = vec![self.repo().join(".countersign")];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    dirs.push(path);
                } else if path.is_file() {
                    // A server that runs has a socket there.
                    all.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
                }
            }
        }
        all
    }
}

/// Whether `ssh-keygen` is there. Absent, a test is skipped aloud; under `CI=true` it fails.
pub(crate) fn have_ssh_keygen() -> bool {
    #[expect(clippy::disallowed_methods, reason = "a test may ask whether it runs in continuous integration")]
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    #[expect(clippy::disallowed_methods, reason = "asks whether the tool is there")]
    let there = Command::new("ssh-keygen").arg("-?").stderr(Stdio::null()).stdin(Stdio::null()).status().is_ok();
    assert!(there || !ci, "ssh-keygen is not installed");
    if !there {
        eprintln!("skipped: ssh-keygen is not installed");
    }
    there
}

/// Takes out of a snapshot what differs from run to run.
pub(crate) fn stable(text: &str, world: &World) -> String {
    let mut text = text.replace(&world.dir.path().display().to_string(), "[dir]");
    for (prefix, digits) in [("run-", 20), ("per-", 20), ("gra-", 20), ("dec-", 20), ("countersign.local/", 20)] {
        text = mask(&text, prefix, digits);
    }
    text = mask(&text, "sha256:", 64);
    // How many rules there are changes with every rule.
    let count = countersign_scan::RuleSet::shipped().unwrap().rules().len();
    text.replace(&format!(" · {count} rules"), " · [all] rules")
}

fn mask(text: &str, prefix: &str, digits: usize) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(prefix) {
        let after = &rest[at + prefix.len()..];
        let hex = after.bytes().take_while(u8::is_ascii_hexdigit).count();
        out.push_str(&rest[..at + prefix.len()]);
        if hex == digits {
            out.push_str("[hex]");
            rest = &after[digits..];
        } else {
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// A value that looks like a cloud key and is none: built here, so that no file of ours holds one.
pub(crate) fn planted_secret() -> String {
    format!("{}{}", "AKIA", "Z7Q4M2X5K3J6W2VT")
}
