//! The documents say what the binary does. Pages that list something are written by these tests, and commands in the
//! guides are run as they stand.
//!
//! `UPDATE_DOCS=1 cargo test -p countersign docs` writes the generated pages anew.

mod catalogue;
mod generated;
mod pages;
mod schemas;
mod tour;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The top of the project.
fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A page of the project.
fn page(name: &str) -> String {
    let path = project().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[expect(clippy::disallowed_methods, reason = "what is tested is a program, and so are the tools it is checked with")]
fn command(program: &str) -> Command {
    Command::new(program)
}

#[expect(clippy::disallowed_methods, reason = "tests are steered by the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether the tools are there. Absent, the test is skipped aloud; under `CI=true` it fails.
fn have(tools: &[&str]) -> bool {
    let missing: Vec<&str> = tools
        .iter()
        .filter(|tool| {
            // `version` and `-?` are no options of some of them; that they start is all that is asked.
            let arg = if **tool == "go" { "version" } else { "--version" };
            command(tool).arg(arg).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
        })
        .copied()
        .collect();
    if missing.is_empty() {
        return true;
    }
    assert_ne!(variable("CI").as_deref(), Some("true"), "not installed: {missing:?}");
    eprintln!("skipped: not installed: {missing:?}");
    false
}

/// A machine of nobody's: a home, a data directory, no configuration of git but what a repository holds.
struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["home", "tmp"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A program that sees this machine only.
    fn command(&self, program: &str) -> Command {
        let mut command = command(program);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if ["GIT_", "COUNTERSIGN_", "SSH_", "XDG_"].iter().any(|p| name.starts_with(p)) || name == "COLUMNS" {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.dir.path())
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env("COUNTERSIGN_DATA_DIR", self.path("data"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs the binary and gives back its exit code, output and complaints.
    fn countersign(&self, args: &[&str]) -> (i32, String, String) {
        let output = self.command(env!("CARGO_BIN_EXE_countersign")).args(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    /// Runs the binary, which must succeed.
    fn said(&self, args: &[&str]) -> String {
        let (code, out, err) = self.countersign(args);
        assert_eq!(code, 0, "countersign {args:?}: {err}");
        out
    }

    /// Runs a tool, which must succeed.
    fn run(&self, program: &str, args: &[&str]) {
        let output = self.command(program).args(args).output().unwrap();
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
