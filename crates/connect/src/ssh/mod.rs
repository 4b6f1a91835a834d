//! Signing with a person's key.
//!
//! | the key | who signs |
//! |---|---|
//! | an unencrypted Ed25519 or ECDSA private key file | this process |
//! | a private key file with a passphrase | the agent if it holds the key, else `ssh-keygen`, which asks for the passphrase |
//! | a hardware key (`sk-…`) | the token, through `ssh-keygen`, which asks for a touch |
//! | a `.pub` file | the agent; if it does not hold the key, the private file beside it as above |
//!
//! Whoever signed, the signature is verified against the public key and the namespace before it is given out. No
//! passphrase passes through this process.

mod handover;

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign_evidence::sshsig::{self, PublicKey};
use zeroize::Zeroizing;

use crate::Error;
use crate::process;
use handover::Handover;

/// The largest key file and signature that are read, in bytes.
const LARGEST: u64 = 64 * 1024;

/// Signs with one key.
#[derive(Debug, Clone)]
pub struct SshSigner {
    path: PathBuf,
    public: PublicKey,
    /// Whether `path` is the private half.
    private: bool,
    agent: Option<PathBuf>,
    prompts: bool,
}

/// Whether `ssh-keygen` can be started: it signs for encrypted keys, for agents and for hardware keys.
///
/// # Errors
/// [`Error::SshKeygenMissing`].
pub fn keygen_present() -> Result<(), Error> {
    let mut command = process::prepare(OsStr::new("ssh-keygen"));
    // Without a file it lists nothing and ends at once; that it started is what counts.
    command.args(["-l", "-f", "/dev/null"]).stdin(std::process::Stdio::null());
    match process::capture(&mut command, 64 * 1024) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => Err(Error::SshKeygenMissing { source }),
        _ => Ok(()),
    }
}

impl SshSigner {
    /// A signer with the key at `path`: a private key file, encrypted or not, or a `.pub` file. Nothing is asked of
    /// anybody yet.
    ///
    /// # Errors
    /// [`Error::KeyUnreadable`], [`Error::NotAKey`]; [`Error::WeakKey`] for RSA and DSA, [`Error::UnsupportedKey`] for
    /// other kinds and for certificates.
    pub fn from_key_file(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let text = read_text(&path)?;
        if text.trim_start().starts_with("-----BEGIN PGP ") {
            return Err(Error::OpenPgpSigner { path });
        }
        let private = text.contains("PRIVATE KEY-----");
        let public = if private { public_half(&path, &text) } else { public_line(&path, &text) }?;
        Ok(Self { path, public, private, agent: None, prompts: true })
    }

    /// Asks the agent at this socket instead of the one that `SSH_AUTH_SOCK` names.
    #[must_use]
    pub fn with_agent(mut self, socket: impl Into<PathBuf>) -> Self {
        self.agent = Some(socket.into());
        self
    }

    /// Never asks for a passphrase: for scripts and machines, where nobody could answer. (OpenSSH 8.4 or later.)
    #[must_use]
    pub fn without_prompts(mut self) -> Self {
        self.prompts = false;
        self
    }

    /// The key that signs.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.public.clone()
    }

    /// Signs `message` for `namespace` and returns the armoured SSHSIG, in the one form that is stored.
    ///
    /// # Errors
    /// [`Error::KeyNotAtHand`] for a `.pub` file whose private half is nowhere; [`Error::SigningFailed`] when
    /// `ssh-keygen` says no (wrong passphrase, no touch); [`Error::SignatureMismatch`] when what came back is not by
    /// this key; [`Error::SshKeygenMissing`].
    pub fn sign(&self, namespace: &str, message: &[u8]) -> Result<String, Error> {
        let armored = if self.private {
            self.sign_with_private(&self.path, namespace, message)?
        } else if self.agent_holds_it()? {
            self.sign_with_keygen(&self.path, namespace, message)?
        } else {
            let beside = self.private_beside().ok_or_else(|| Error::KeyNotAtHand { path: self.path.clone() })?;
            self.sign_with_private(&beside, namespace, message)?
        };
        sshsig::verify(&self.public, namespace, message, &armored)
            .and_then(|()| sshsig::normalise(&armored))
            .map_err(|e| Error::SignatureMismatch { path: self.path.clone(), source: Box::new(e) })
    }

    fn sign_with_private(&self, path: &Path, namespace: &str, message: &[u8]) -> Result<String, Error> {
        use countersign_evidence::Error as Evidence;
        let text = read_text(path)?;
        match sshsig::sign_with_key_file(&text, namespace, message) {
            Ok(armored) => Ok(armored),
            // A passphrase, a token, or a file of the older PEM forms: ssh-keygen reads them all.
            Err(Evidence::EncryptedKey | Evidence::HardwareKey | Evidence::SshKey { .. }) => {
                self.sign_with_keygen(path, namespace, message)
            }
            Err(e) => Err(Error::Signing { path: path.to_owned(), source: Box::new(e) }),
        }
    }

    /// `ssh-keygen -Y sign`. The message goes by file, so that standard input stays the terminal: with a pipe there
    /// OpenSSH would not ask for a passphrase on it.
    fn sign_with_keygen(&self, path: &Path, namespace: &str, message: &[u8]) -> Result<String, Error> {
        let handover = Handover::new(message).map_err(|source| Error::Handover { source })?;
        let mut command = self.command("ssh-keygen");
        command.args(["-Y", "sign"]);
        // The request for a touch is among what `-q` keeps quiet.
        let shown = self.public.is_hardware() && self.prompts && io::stderr().is_terminal();
        if !self.public.is_hardware() {
            command.arg("-q");
        }
        command.arg("-f").arg(path).arg("-n").arg(namespace).arg(handover.message());
        let (status, said) = process::converse(&mut command, shown).map_err(|e| self.not_started(e))?;
        if !status.success() {
            let detail = if said.is_empty() { "it did not say why".to_owned() } else { said };
            return Err(Error::SigningFailed { path: path.to_owned(), detail });
        }
        handover
            .signature(LARGEST)
            .map_err(|e| Error::SigningFailed { path: path.to_owned(), detail: format!("it wrote no signature ({e})") })
    }

    /// Whether an agent is there and holds the key.
    fn agent_holds_it(&self) -> Result<bool, Error> {
        let said = process::capture(self.command("ssh-add").arg("-L"), LARGEST.saturating_mul(16))
            .map_err(|e| self.not_started(e))?;
        // 1: the agent holds no key at all; 2: there is no agent.
        let held = said.status.success()
            && String::from_utf8_lossy(&said.stdout)
                .lines()
                .any(|line| PublicKey::parse(line).is_ok_and(|key| key == self.public));
        Ok(held)
    }

    /// The private file beside a `.pub`, if it is there and belongs to it.
    fn private_beside(&self) -> Option<PathBuf> {
        let beside = self.path.extension().filter(|e| *e == OsStr::new("pub")).map(|_| self.path.with_extension(""))?;
        let text = read_text(&beside).ok()?;
        match sshsig::public_of_key_file(&text) {
            Ok(public) => (public == self.public).then_some(beside),
            // The older PEM forms hide the public half; the signature will tell.
            Err(_) => text.contains("PRIVATE KEY-----").then_some(beside),
        }
    }

    fn not_started(&self, source: io::Error) -> Error {
        match source.kind() {
            io::ErrorKind::NotFound => Error::SshKeygenMissing { source },
            _ => Error::SigningFailed { path: self.path.clone(), detail: source.to_string() },
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = process::prepare(OsStr::new(program));
        command.env("LC_ALL", "C");
        if let Some(socket) = &self.agent {
            command.env("SSH_AUTH_SOCK", socket);
        }
        if !self.prompts {
            // A program that never answers stands in for the person.
            command.env("SSH_ASKPASS_REQUIRE", "force").env("SSH_ASKPASS", "/bin/false");
        }
        command
    }
}

/// The public key in a line of a `.pub` file.
fn public_line(path: &Path, text: &str) -> Result<PublicKey, Error> {
    let line = text.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with('#')).unwrap_or_default();
    PublicKey::parse(line).map_err(|e| refused(path, e))
}

/// The public key of a private key file; of the older PEM forms, which hide it, from the `.pub` beside it.
fn public_half(path: &Path, text: &str) -> Result<PublicKey, Error> {
    match sshsig::public_of_key_file(text) {
        Ok(key) => Ok(key),
        Err(countersign_evidence::Error::SshKey { .. }) => {
            let mut beside = OsString::from(path);
            beside.push(".pub");
            let beside = PathBuf::from(beside);
            let text = read_text(&beside).map_err(|_| Error::NotAKey { path: path.to_owned() })?;
            public_line(&beside, &text)
        }
        Err(e) => Err(refused(path, e)),
    }
}

fn refused(path: &Path, error: countersign_evidence::Error) -> Error {
    use countersign_evidence::Error as Evidence;
    let path = path.to_owned();
    match error {
        Evidence::WeakAlgorithm(algorithm) => Error::WeakKey { path, algorithm },
        Evidence::UnsupportedAlgorithm(algorithm) => Error::UnsupportedKey { path, algorithm },
        _ => Error::NotAKey { path },
    }
}

/// A key file's text, wiped from memory when it is dropped.
fn read_text(path: &Path) -> Result<Zeroizing<String>, Error> {
    let unreadable = |source| Error::KeyUnreadable { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    // Room for the whole from the start: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(LARGEST).unwrap_or(0)));
    file.take(LARGEST).read_to_end(&mut bytes).map_err(unreadable)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(Error::NotAKey { path: path.to_owned() }),
    }
}
