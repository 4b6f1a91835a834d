//! The log's and the recorder's key in a real token (SoftHSM): ledgers are made, appended to and verified with it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::support::{Ran, World, have_ssh_keygen};

pub(crate) const PIN: &str = "4711-pin";

/// A world with a token.
pub(crate) struct Hsm {
    pub(crate) w: World,
}

/// Whether SoftHSM and OpenSC are there. Absent, a test is skipped aloud; under `CI=true` it fails.
pub(crate) fn have_softhsm(w: &World) -> bool {
    #[expect(clippy::disallowed_methods, reason = "a test may ask whether it runs in continuous integration")]
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let missing: Vec<_> = ["softhsm2-util", "pkcs11-tool"]
        .into_iter()
        .filter(|tool| {
            let mut tool = w.command(tool, &w.path("home"));
            tool.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
        })
        .collect();
    assert!(missing.is_empty() || !ci, "not installed: {missing:?}");
    if !missing.is_empty() {
        eprintln!("skipped: not installed: {missing:?}");
    }
    missing.is_empty()
}

impl Hsm {
    /// A world with one commit and a token `bank` that holds the keys `log`, `next` and `recorder`; `None` where no
    /// SoftHSM is installed.
    pub(crate) fn new() -> Option<Self> {
        let w = World::with_commit();
        if !have_softhsm(&w) || !have_ssh_keygen() {
            return None;
        }
        let tokens = w.path("tokens");
        std::fs::create_dir(&tokens).unwrap();
        let conf = format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
        std::fs::write(w.path("softhsm2.conf"), conf).unwrap();
        let hsm = Self { w };
        hsm.pin(PIN);
        hsm.tool("softhsm2-util", &["--init-token", "--free", "--label", "bank", "--pin", PIN, "--so-pin", "90210-so"]);
        for (id, label) in [("01", "log"), ("02", "next"), ("03", "recorder")] {
            let generate = ["--keypairgen", "--key-type", "EC:edwards25519", "--label", label, "--id", id];
            let module = module().display().to_string();
            let login = ["--module", &module, "--token-label", "bank", "--login", "--pin", PIN];
            hsm.tool("pkcs11-tool", &[&login[..], &generate[..]].concat());
        }
        Some(hsm)
    }

    fn tool(&self, program: &str, args: &[&str]) {
        let mut tool = self.w.command(program, &self.w.path("home"));
        let done = tool.env("SOFTHSM2_CONF", self.w.path("softhsm2.conf")).args(args).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    pub(crate) fn pin(&self, pin: &str) {
        let path = self.w.path("pin");
        std::fs::write(&path, format!("{pin}\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The address of a key, with the file of its PIN.
    pub(crate) fn uri(&self, object: &str) -> String {
        format!("{}&pin-source=file:{}", Self::bare(object), self.w.path("pin").display())
    }

    /// The address of a key, without a PIN.
    pub(crate) fn bare(object: &str) -> String {
        format!("pkcs11:token=bank;object={object}?module-path={}", module().display())
    }

    /// The binary, with these variables set beside the token's configuration.
    pub(crate) fn cs_with(&self, variables: &[(&str, &str)], args: &[&str]) -> Ran {
        let mut command = self.w.command(env!("CARGO_BIN_EXE_countersign"), &self.w.repo());
        command.env("SOFTHSM2_CONF", self.w.path("softhsm2.conf")).envs(variables.iter().copied()).args(args);
        let done = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { code: done.status.code().unwrap_or(-1), out: text(&done.stdout), err: text(&done.stderr) }
    }

    pub(crate) fn cs(&self, args: &[&str]) -> Ran {
        self.cs_with(&[], args)
    }
}

fn module() -> PathBuf {
    let known = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"];
    known.iter().map(PathBuf::from).find(|p| p.exists()).unwrap()
}

/// Every file below a directory, as one text.
fn all_text(dir: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&all_text(&path));
        } else {
            text.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
        }
    }
    text
}

#[test]
fn a_ledger_is_made_and_kept_with_keys_that_never_leave_their_token() {
    let Some(hsm) = Hsm::new() else { return };
    hsm.cs(&["key", "use", "--log", &hsm.uri("log"), "--recorder", &hsm.uri("recorder")]).expect(0);
    hsm.cs(&["run"]).expect(11);
    hsm.cs(&["run"]).expect(11);
    hsm.cs(&["verify"]).expect(0);
    let shown = hsm.cs(&["key", "show", "--format", "json"]).expect(0).json();
    let vkey = hsm.cs(&["ledger", "info", "--format", "json"]).expect(0).json()["vkey"].clone();
    assert_eq!(shown["keys"][1]["public"], vkey);
    assert_eq!(shown["keys"][0]["device"], hsm.uri("recorder").as_str());
    let kept = all_text(&hsm.w.path("data"));
    assert!(!kept.contains("PRIVATE") && !kept.contains(PIN), "a secret is in the data directory");

    // Another machine verifies what the token signed, without the token.
    hsm.w.cs(["verify"]).expect(0);
    // And cannot sign for it.
    let refused = hsm.w.cs(["run"]);
    assert_eq!(refused.code, 5, "{}", refused.err);
    assert!(refused.err.contains("CS-KEY-02"), "{}", refused.err);
}

#[test]
fn a_wrong_pin_or_a_removed_token_appends_nothing() {
    let Some(hsm) = Hsm::new() else { return };
    hsm.cs(&["key", "use", "--log", &hsm.uri("log")]).expect(0);
    hsm.cs(&["run"]).expect(11);
    let size = || hsm.cs(&["ledger", "info", "--format", "json"]).expect(0).json()["size"].clone();
    let before = size();
    hsm.pin("wrong-pin");
    let refused = hsm.cs(&["run"]).expect(4);
    assert!(refused.err.contains("CS-KEY-029") && !refused.err.contains("wrong-pin"), "{}", refused.err);
    hsm.pin(PIN);
    let away = hsm.w.path("tokens-away");
    std::fs::rename(hsm.w.path("tokens"), &away).unwrap();
    std::fs::create_dir(hsm.w.path("tokens")).unwrap();
    let refused = hsm.cs(&["run"]).expect(5);
    assert!(refused.err.contains("CS-KEY-022"), "{}", refused.err);
    assert_eq!(size(), before, "nothing was appended");
    hsm.cs(&["verify"]).expect(0);
    std::fs::remove_dir(hsm.w.path("tokens")).unwrap();
    std::fs::rename(&away, hsm.w.path("tokens")).unwrap();
    hsm.cs(&["run"]).expect(11);
    hsm.cs(&["verify"]).expect(0);
}

#[test]
fn the_pin_may_come_from_the_environment_and_goes_to_no_other_program() {
    let Some(hsm) = Hsm::new() else { return };
    let uri = Hsm::bare("log");
    let refused = hsm.cs_with(&[("COUNTERSIGN_LOG_KEY", &uri)], &["run"]).expect(4);
    assert!(refused.err.contains("CS-KEY-026"), "{}", refused.err);
    let with_pin = [("COUNTERSIGN_LOG_KEY", uri.as_str()), ("COUNTERSIGN_PIN", PIN)];
    hsm.cs_with(&with_pin, &["run"]).expect(11);
    // The ledger remembers its key's address; only the PIN is needed from here on.
    hsm.cs_with(&with_pin[1..], &["run"]).expect(11);
    hsm.cs(&["run"]).expect(4);

    // git is started by every run: a stand-in for it on the search path writes down what it was given.
    let bin = hsm.w.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let real = hsm.w.command("sh", &bin).args(["-c", "command -v git"]).output().unwrap().stdout;
    let real = String::from_utf8(real).unwrap();
    let seen = hsm.w.path("seen");
    let script = format!("#!/bin/sh\nenv >>{}\nexec {} \"$@\"\n", seen.display(), real.trim());
    std::fs::write(bin.join("git"), script).unwrap();
    std::fs::set_permissions(bin.join("git"), std::fs::Permissions::from_mode(0o755)).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the search path is made longer, not replaced")]
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    hsm.cs_with(&[("COUNTERSIGN_PIN", PIN), ("PATH", &path)], &["run"]).expect(11);
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(seen.contains("COUNTERSIGN_DATA_DIR=") && !seen.contains(PIN), "git was given the PIN");
}

#[test]
fn a_recorder_is_not_exchanged_under_its_ledgers() {
    let Some(hsm) = Hsm::new() else { return };
    hsm.cs(&["run"]).expect(11);
    let refused = hsm.cs(&["key", "use", "--recorder", &hsm.uri("recorder")]).expect(2);
    assert!(refused.err.contains("CS-KEY-011"), "{}", refused.err);
    hsm.cs(&["run"]).expect(11);
    let refused = hsm.cs(&["key", "use", "--log", "pkcs11:token=bank;object=log?module-path=/m&pin-value=1"]).expect(2);
    assert!(refused.err.contains("CS-KEY-020"), "{}", refused.err);
    hsm.cs(&["key", "use"]).expect(2);
    let page = hsm.cs(&["key", "show"]).expect(0).out;
    assert!(page.contains("recorder.key") && page.contains("log.key"), "{page}");
}
