//! Signing with real keys, a real agent, and commits that the real git signed.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use countersign_connect::{Error, RawSignature, SignatureStatus, SshSigner, verify_commit};
use countersign_evidence::sshsig;
use countersign_model::Diagnostic;

use crate::support::{Folder, command, installed};

const NAMESPACE: &str = "countersign-approval@v1";
const MESSAGE: &[u8] = b"{\"a\":1}";

/// A new key pair, `name` and `name.pub`.
fn key(folder: &Folder, name: &str, kind: &[&str], passphrase: &str) -> PathBuf {
    let path = folder.join(name);
    let out = command("ssh-keygen")
        .args(["-q", "-C", "someone@example.com", "-N", passphrase, "-f"])
        .arg(&path)
        .arg("-t")
        .args(kind)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    path
}

fn public(path: &std::path::Path) -> PathBuf {
    PathBuf::from(format!("{}.pub", path.display()))
}

/// An agent of the test's own, ended with it.
struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(folder: &Folder) -> Self {
        let socket = folder.join("agent");
        // In the foreground it says where it listens once it does.
        let mut child = command("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        assert!(line.contains("SSH_AUTH_SOCK"), "{line}");
        Self { child, socket }
    }

    /// Adds an unencrypted key.
    fn add(&self, key: &std::path::Path) {
        let out = command("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// `ssh-keygen` agrees that the signature is good.
fn stock_verifies(folder: &Folder, signer: &SshSigner, armored: &str) -> bool {
    fs::write(folder.join("allowed"), format!("person {}\n", signer.public_key().to_openssh())).unwrap();
    fs::write(folder.join("sig"), armored).unwrap();
    fs::write(folder.join("message"), MESSAGE).unwrap();
    command("ssh-keygen")
        .args(["-Y", "verify", "-I", "person", "-n", NAMESPACE, "-f"])
        .arg(folder.join("allowed"))
        .arg("-s")
        .arg(folder.join("sig"))
        .stdin(fs::File::open(folder.join("message")).unwrap())
        .output()
        .unwrap()
        .status
        .success()
}

#[test]
fn an_unencrypted_key_signs_in_process() {
    if !installed("ssh-keygen") {
        return;
    }
    let folder = Folder::new();
    for (name, kind) in [("ed", &["ed25519"][..]), ("p256", &["ecdsa", "-b", "256"]), ("p384", &["ecdsa", "-b", "384"])]
    {
        let path = key(&folder, name, kind, "");
        // The private file is enough.
        fs::remove_file(public(&path)).unwrap();
        let signer = SshSigner::from_key_file(&path).unwrap();
        let armored = signer.sign(NAMESPACE, MESSAGE).unwrap();
        assert!(stock_verifies(&folder, &signer, &armored), "{name}");
        sshsig::verify(&signer.public_key(), NAMESPACE, MESSAGE, &armored).unwrap();
    }
}

#[test]
fn an_encrypted_key_signs_through_the_agent_by_either_file() {
    if !installed("ssh-agent") || !installed("ssh-keygen") {
        return;
    }
    let folder = Folder::new();
    let path = key(&folder, "id", &["ed25519"], "");
    let agent = Agent::start(&folder);
    agent.add(&path);
    // From now on the private file asks for a passphrase; only the agent can sign without one.
    let out =
        command("ssh-keygen").args(["-q", "-p", "-P", "", "-N", "a passphrase", "-f"]).arg(&path).output().unwrap();
    assert!(out.status.success());
    for file in [path.clone(), public(&path)] {
        let signer = SshSigner::from_key_file(&file).unwrap().with_agent(&agent.socket).without_prompts();
        let armored = signer.sign(NAMESPACE, MESSAGE).unwrap();
        assert!(stock_verifies(&folder, &signer, &armored), "{}", file.display());
    }
    fs::remove_file(&path).unwrap();
    let signer = SshSigner::from_key_file(public(&path)).unwrap().with_agent(&agent.socket).without_prompts();
    assert!(stock_verifies(&folder, &signer, &signer.sign(NAMESPACE, MESSAGE).unwrap()));
}

#[cfg(unix)]
#[test]
fn an_encrypted_key_signs_with_its_passphrase() {
    use std::os::unix::fs::PermissionsExt;
    if !installed("ssh-keygen") {
        return;
    }
    // The person at the terminal is played by the program that OpenSSH asks when there is none; it is named in the
    // environment, so this test runs the signer's own command line by hand.
    let folder = Folder::new();
    let path = key(&folder, "id", &["ed25519"], "right");
    let askpass = folder.join("askpass");
    fs::write(&askpass, "#!/bin/sh\necho right\n").unwrap();
    fs::set_permissions(&askpass, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.join("text"), MESSAGE).unwrap();
    let out = command("ssh-keygen")
        .args(["-Y", "sign", "-q", "-n", NAMESPACE, "-f"])
        .arg(&path)
        .arg(folder.join("text"))
        .env("SSH_ASKPASS", &askpass)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env_remove("SSH_AUTH_SOCK")
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let signer = SshSigner::from_key_file(&path).unwrap();
    assert!(stock_verifies(&folder, &signer, &fs::read_to_string(folder.join("text.sig")).unwrap()));
}

#[test]
fn nobody_to_ask_for_the_passphrase_is_an_error() {
    if !installed("ssh-keygen") {
        return;
    }
    let folder = Folder::new();
    let path = key(&folder, "id", &["ed25519"], "a passphrase");
    let nowhere = folder.join("no-agent");
    for file in [path.clone(), public(&path)] {
        let signer = SshSigner::from_key_file(&file).unwrap().with_agent(&nowhere).without_prompts();
        let error = signer.sign(NAMESPACE, MESSAGE).unwrap_err();
        assert_eq!(error.code(), "CS-SSH-007", "{error}");
        assert!(!error.help().is_empty());
    }
}

#[test]
fn a_public_key_needs_its_private_half_somewhere() {
    if !installed("ssh-agent") || !installed("ssh-keygen") {
        return;
    }
    let folder = Folder::new();
    let path = key(&folder, "id", &["ed25519"], "");
    let other = key(&folder, "other", &["ed25519"], "");
    let agent = Agent::start(&folder);
    let signer = SshSigner::from_key_file(public(&path)).unwrap().with_agent(&agent.socket).without_prompts();
    // The agent does not hold it, the private file beside it does the work.
    assert!(stock_verifies(&folder, &signer, &signer.sign(NAMESPACE, MESSAGE).unwrap()));
    // Another key's file in its place, and another key in the agent, do not.
    fs::copy(&other, &path).unwrap();
    agent.add(&other);
    let error = signer.sign(NAMESPACE, MESSAGE).unwrap_err();
    assert!(matches!(error, Error::KeyNotAtHand { .. }), "{error}");
    fs::remove_file(&path).unwrap();
    let error = signer.sign(NAMESPACE, MESSAGE).unwrap_err();
    assert_eq!(error.code(), "CS-SSH-006");
    assert!(error.help().contains(&format!("ssh-add {}", path.display())), "{}", error.help());
}

#[test]
fn weak_and_foreign_keys_are_refused_before_anything_is_signed() {
    if !installed("ssh-keygen") {
        return;
    }
    let folder = Folder::new();
    let rsa = key(&folder, "rsa", &["rsa", "-b", "2048"], "");
    let old = key(&folder, "old", &["rsa", "-b", "2048", "-m", "PEM"], "");
    let p521 = key(&folder, "p521", &["ecdsa", "-b", "521"], "");
    for path in [&rsa, &public(&rsa), &old, &public(&old)] {
        let error = SshSigner::from_key_file(path).unwrap_err();
        assert_eq!(error.code(), "CS-SSH-003", "{}: {error}", path.display());
        assert!(error.help().contains("ssh-keygen -t ed25519"));
    }
    assert_eq!(SshSigner::from_key_file(public(&p521)).unwrap_err().code(), "CS-SSH-004");
    fs::write(folder.join("text"), "hello").unwrap();
    assert_eq!(SshSigner::from_key_file(folder.join("text")).unwrap_err().code(), "CS-SSH-002");
    fs::write(folder.join("bytes"), [0xff, 0xfe]).unwrap();
    assert_eq!(SshSigner::from_key_file(folder.join("bytes")).unwrap_err().code(), "CS-SSH-002");
    assert_eq!(SshSigner::from_key_file(folder.join("absent")).unwrap_err().code(), "CS-SSH-001");
}

#[test]
fn an_older_private_file_signs_with_its_public_half_beside_it() {
    if !installed("ssh-keygen") {
        return;
    }
    let folder = Folder::new();
    let path = key(&folder, "old", &["ecdsa", "-b", "256", "-m", "PEM"], "");
    let signer = SshSigner::from_key_file(&path).unwrap().with_agent(folder.join("none")).without_prompts();
    assert!(stock_verifies(&folder, &signer, &signer.sign(NAMESPACE, MESSAGE).unwrap()));
    fs::remove_file(public(&path)).unwrap();
    assert_eq!(SshSigner::from_key_file(&path).unwrap_err().code(), "CS-SSH-002");
}

#[test]
fn commits_signed_by_git_verify_and_altered_ones_do_not() {
    if !installed("git") || !installed("ssh-keygen") {
        return;
    }
    for format in ["sha1", "sha256"] {
        let folder = Folder::new();
        let path = key(&folder, "id", &["ed25519"], "");
        let signer = SshSigner::from_key_file(&path).unwrap();
        let work = crate::support::Work(folder.join("r"));
        fs::create_dir(&work.0).unwrap();
        work.git(&["init", "-q", "-b", "main", &format!("--object-format={format}")]);
        work.write("a", "a");
        work.git(&["add", "-A"]);
        let key_setting = format!("user.signingKey={}", path.display());
        work.git(&["-c", "gpg.format=ssh", "-c", &key_setting, "commit", "-q", "-S", "-m", "Signed"]);
        work.git(&["commit", "-q", "--allow-empty", "-m", "Unsigned"]);
        let commits = work.open().commits(None, "HEAD").unwrap();
        assert!(matches!(verify_commit(&commits[0].signature), SignatureStatus::None));
        match verify_commit(&commits[1].signature) {
            SignatureStatus::Valid { fingerprint, key, .. } => {
                assert_eq!(key, signer.public_key());
                assert_eq!(fingerprint, signer.public_key().fingerprint());
            }
            other => panic!("{format}: {other:?}"),
        }
        // The same signature on another message.
        let raw = work.command().args(["cat-file", "commit", &commits[1].id]).output().unwrap().stdout;
        let altered = String::from_utf8(raw).unwrap().replace("Signed", "Altered");
        let id = work.object("commit", altered.as_bytes());
        let commits = work.open().commits(None, &id).unwrap();
        assert!(matches!(commits[0].signature, RawSignature::Ssh { .. }));
        assert!(matches!(verify_commit(&commits[0].signature), SignatureStatus::Invalid { .. }));
    }
}

#[test]
fn a_signature_made_for_something_else_is_no_commit_signature() {
    if !installed("ssh-keygen") {
        return;
    }
    let folder = Folder::new();
    let signer = SshSigner::from_key_file(key(&folder, "id", &["ed25519"], "")).unwrap();
    let payload = b"tree x\n".to_vec();
    let raw = |namespace: &str| {
        let armored = signer.sign(namespace, &payload).unwrap();
        verify_commit(&RawSignature::Ssh { armored, payload: payload.clone() })
    };
    assert!(matches!(raw("git"), SignatureStatus::Valid { .. }));
    assert!(matches!(raw(NAMESPACE), SignatureStatus::Invalid { .. }));
    assert!(matches!(verify_commit(&RawSignature::Malformed), SignatureStatus::Invalid { .. }));
    assert!(matches!(verify_commit(&RawSignature::X509), SignatureStatus::Unsupported { format: "X.509" }));
}
