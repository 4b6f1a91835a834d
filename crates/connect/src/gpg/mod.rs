//! OpenPGP signatures of commits, verified by `gpg` in a home of its own.
//!
//! The home is a temporary folder. It holds the certificates that administrators enrolled and nothing else: no key, trust or setting
//! of the user's has a say, no agent is started, and nothing is asked of any network. The clock is stopped at the moment that is asked
//! about, so the same question has the same answer later.
//!
//! | a signature | counts |
//! |---|---|
//! | by an enrolled key, or by a subkey that it vouches for | as by the primary key |
//! | by a key or subkey that has expired or that its owner revoked, by now; one that says itself that it is over | not |
//! | with SHA-1 or an older hash; by DSA, or RSA of fewer than 2048 bits | not |
//! | that is more than one, of another version than 4, or over no document | not |
//!
//! Many signatures are verified by one process ([`Keyring::verify`]).

mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use countersign_evidence::openpgp::{self, Unreadable};
use countersign_model::Timestamp;
use countersign_model::change::OpenPgp;

use crate::Error;
use crate::folder::Folder;
use crate::process;

/// Bytes of answer that are read at most.
const LARGEST_ANSWER: u64 = 64 << 20;
/// Signatures that one process is asked about at most: their names are its arguments.
const MOST: usize = 1024;
/// Fewer are not worth another process.
const FEW: usize = 64;
/// The fewest bits of an RSA key.
const RSA_BITS: u32 = 2048;

/// Somebody's public OpenPGP key, as it is enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Fingerprint of the primary key, upper-case hex.
    pub fingerprint: String,
    /// When the primary key expires by itself.
    pub expires: Option<Timestamp>,
    /// The packets, without signatures of others and without pictures.
    pub bytes: Vec<u8>,
}

/// A signature and what it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The armoured signature.
    pub armored: String,
    /// What it is over.
    pub payload: Vec<u8>,
}

/// What a signature turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// In one word.
    pub verdict: OpenPgp,
    /// Fingerprint of the primary key, where the signature verifies under an enrolled one.
    pub fingerprint: Option<String>,
}

/// Whether `gpg` can be started.
///
/// # Errors
/// [`Error::GpgMissing`].
pub fn present() -> Result<(), Error> {
    let mut command = process::prepare(OsStr::new("gpg"));
    match process::capture(command.arg("--version"), LARGEST_ANSWER) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => Err(Error::GpgMissing { source }),
        _ => Ok(()),
    }
}

/// Reads an exported public key, armoured or not, as it stands at a moment.
///
/// # Errors
/// [`Error::NotACertificate`] for anything but one public key that signs now and is strong enough; [`Error::GpgMissing`],
/// [`Error::GpgFailed`].
pub fn inspect(given: &[u8], at: Timestamp) -> Result<Certificate, Error> {
    let not = |why: &str| Error::NotACertificate { why: why.to_owned() };
    let bytes = openpgp::certificate(given).map_err(|e| match e {
        Unreadable::SecretKey => Error::SecretKey,
        other => Error::NotACertificate { why: other.to_string() },
    })?;
    let home = Home::with(&bytes, at)?;
    let keys = home.keys()?;
    let [key] = keys.as_slice() else { return Err(not("gpg finds no key in it")) };
    if key.revoked {
        return Err(not("the key is revoked"));
    }
    if key.expires.is_some_and(|end| end <= at) {
        return Err(not("the key has expired"));
    }
    if let Some(weak) = key.weak.first() {
        return Err(not(&format!("it signs with a key that is too weak ({weak})")));
    }
    if key.signing.is_empty() {
        return Err(not("no key in it can sign now"));
    }
    let mut export = home.command();
    export.args(["--batch", "--export-options", "export-minimal,no-export-attributes", "--export"]);
    let said = capture(export.arg(&key.fingerprint), "export a key")?;
    let bytes = openpgp::certificate(&said).map_err(|e| not(&e.to_string()))?;
    Ok(Certificate { fingerprint: key.fingerprint.clone(), expires: key.expires, bytes })
}

/// Enrolled certificates, ready to verify with.
#[derive(Debug)]
pub struct Keyring {
    home: Home,
    /// The keys that may have signed, to the primary key of each.
    signing: BTreeMap<String, String>,
    /// The primary keys that are enrolled.
    enrolled: BTreeSet<String>,
}

impl Keyring {
    /// Takes in the certificates of the primary keys with these fingerprints, as they stand at a moment. One that is of another key,
    /// or that is damaged, is left out, and nothing that it signed counts.
    ///
    /// # Errors
    /// [`Error::GpgMissing`], [`Error::GpgFailed`].
    pub fn new(certificates: &[(String, Vec<u8>)], at: Timestamp) -> Result<Self, Error> {
        let sound: Vec<Vec<u8>> =
            certificates.iter().filter_map(|(_, bytes)| openpgp::certificate(bytes).ok()).collect();
        let home = Home::with(&sound.concat(), at)?;
        let said: BTreeSet<&String> = certificates.iter().map(|(fingerprint, _)| fingerprint).collect();
        let (mut signing, mut enrolled) = (BTreeMap::new(), BTreeSet::new());
        for key in home.keys()?.into_iter().filter(|key| said.contains(&key.fingerprint)) {
            signing.extend(key.signing.into_iter().map(|one| (one, key.fingerprint.clone())));
            enrolled.insert(key.fingerprint);
        }
        Ok(Self { home, signing, enrolled })
    }

    /// Verifies signatures; the answers are in the same order.
    ///
    /// # Errors
    /// [`Error::GpgFailed`] when `gpg` did not answer for each.
    pub fn verify(&self, signed: &[Signed]) -> Result<Vec<Checked>, Error> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let size = signed.len().div_ceil(cores).clamp(FEW, MOST);
        let mut checked = Vec::with_capacity(signed.len());
        for batches in signed.chunks(size.saturating_mul(cores)) {
            let answers: Vec<Result<Vec<Checked>, Error>> = std::thread::scope(|scope| {
                let running: Vec<_> =
                    batches.chunks(size).map(|batch| scope.spawn(move || self.verify_batch(batch))).collect();
                let broken = || Err(Error::GpgFailed { what: "verify signatures" });
                running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| broken())).collect()
            });
            for answer in answers {
                checked.extend(answer?);
            }
        }
        Ok(checked)
    }

    fn verify_batch(&self, batch: &[Signed]) -> Result<Vec<Checked>, Error> {
        let folder = Folder::new().map_err(|source| Error::Handover { source })?;
        let mut checked = Vec::with_capacity(batch.len());
        // Which of the answers stand for files, in their order.
        let mut asked = Vec::new();
        for one in batch {
            let message = openpgp::message(&one.armored, &one.payload);
            checked.push(Checked { verdict: unread(message.as_ref().err()), fingerprint: None });
            if let Ok(message) = message {
                let name = asked.len().to_string();
                folder.write(&name, &message).map_err(|source| Error::Handover { source })?;
                asked.push(checked.len().saturating_sub(1));
            }
        }
        if asked.is_empty() {
            return Ok(checked);
        }
        let mut command = self.home.command();
        // Not `--batch`: with it the first signature that does not verify ends the process.
        command.args(["--status-file", "said", "--verify-files"]);
        command.args((0..asked.len()).map(|n| n.to_string())).current_dir(folder.path());
        // Its exit code says whether all are good, which is no question here.
        run(&mut command, "verify signatures")?;
        let failed = || Error::GpgFailed { what: "verify signatures" };
        let text = std::fs::read(folder.path().join("said")).map_err(|_| failed())?;
        let said = status::parse(&text, asked.len()).ok_or_else(failed)?;
        for (place, said) in asked.into_iter().zip(said) {
            if let Some(answer) = checked.get_mut(place) {
                *answer = self.judge(said.verdict, said.keys);
            }
        }
        Ok(checked)
    }

    fn judge(&self, verdict: OpenPgp, keys: Option<(String, String)>) -> Checked {
        let Some((key, primary)) = keys else { return Checked { verdict, fingerprint: None } };
        if !self.enrolled.contains(&primary) {
            return Checked { verdict: OpenPgp::NoKey, fingerprint: None };
        }
        // Of an ended or revoked key it does not matter any more how strong it was.
        if verdict == OpenPgp::Good && self.signing.get(&key) != Some(&primary) {
            return Checked { verdict: OpenPgp::WeakKey, fingerprint: None };
        }
        Checked { verdict, fingerprint: Some(primary) }
    }
}

/// What a signature is that `gpg` is not shown.
const fn unread(why: Option<&Unreadable>) -> OpenPgp {
    match why {
        None | Some(Unreadable::Kind) => OpenPgp::NotVerifiable,
        Some(_) => OpenPgp::Bad,
    }
}

/// A home of `gpg` with certificates in it.
#[derive(Debug)]
struct Home {
    folder: Folder,
    at: Timestamp,
}

/// A primary key in it.
#[derive(Debug, Default)]
struct Key {
    fingerprint: String,
    expires: Option<Timestamp>,
    revoked: bool,
    /// Fingerprints of the strong keys that sign: its own, and those of subkeys.
    signing: Vec<String>,
    /// The algorithms of weak ones.
    weak: Vec<String>,
}

impl Home {
    fn with(certificates: &[u8], at: Timestamp) -> Result<Self, Error> {
        let handover = |source| Error::Handover { source };
        let home = Self { folder: Folder::new().map_err(handover)?, at };
        if !certificates.is_empty() {
            let file = home.folder.write("certificates", certificates).map_err(handover)?;
            let mut import = home.command();
            import.args(["--batch", "--import-options", "import-minimal", "--import"]).arg(file);
            // What came of it is asked next.
            run(&mut import, "take in keys")?;
        }
        Ok(home)
    }

    fn command(&self) -> Command {
        let mut command = process::prepare(OsStr::new("gpg"));
        let home: &Path = self.folder.path();
        command.args(["--no-options", "--no-tty", "--quiet", "--homedir"]).arg(home);
        command.args(["--no-auto-key-retrieve", "--no-auto-key-locate", "--disable-dirmngr", "--no-autostart"]);
        command.args(["--trust-model", "always", "--lock-never", "--no-random-seed-file", "--no-permission-warning"]);
        command.args(["--weak-digest", "SHA1", "--weak-digest", "RIPEMD160", "--faked-system-time"]);
        command.arg(format!("{}!", self.at.millis().div_euclid(1000)));
        command.env("LC_ALL", "C").env("HOME", home).env_remove("GNUPGHOME").env_remove("GPG_AGENT_INFO");
        command.stdin(Stdio::null());
        command
    }

    /// What is in it (`--with-colons`, doc/DETAILS).
    fn keys(&self) -> Result<Vec<Key>, Error> {
        let what = "list keys";
        let mut list = self.command();
        list.args(["--batch", "--with-colons", "--fixed-list-mode", "--list-keys"]);
        let said = capture(&mut list, what)?;
        let failed = || Error::GpgFailed { what };
        let mut keys: Vec<Key> = Vec::new();
        // The line that a fingerprint follows, as far as that key signs.
        let mut signs: Option<Option<String>> = None;
        for line in said.split(|b| *b == b'\n') {
            let fields: Vec<&[u8]> = line.split(|b| *b == b':').collect();
            let field = |n: usize| std::str::from_utf8(fields.get(n).copied().unwrap_or_default()).unwrap_or_default();
            match field(0) {
                kind @ ("pub" | "sub") => {
                    let validity = field(1);
                    if kind == "pub" {
                        let expires =
                            field(6).parse().ok().map(|s: i64| Timestamp::from_millis(s.saturating_mul(1000)));
                        keys.push(Key { expires, revoked: validity == "r", ..Key::default() });
                    }
                    let usable = field(11).contains('s') && !matches!(validity, "r" | "e" | "i" | "d" | "n");
                    signs = Some(usable.then(|| weakness(field(3), field(2)).unwrap_or_default()));
                }
                "fpr" => {
                    let fingerprint =
                        status::fingerprint(fields.get(9).copied().unwrap_or_default()).ok_or_else(failed)?;
                    let (Some(key), Some(signs)) = (keys.last_mut(), signs.take()) else { continue };
                    match signs {
                        Some(weak) if weak.is_empty() => key.signing.push(fingerprint.clone()),
                        Some(weak) => key.weak.push(weak),
                        None => {}
                    }
                    if key.fingerprint.is_empty() {
                        key.fingerprint = fingerprint;
                    }
                }
                _ => {}
            }
        }
        Ok(keys)
    }
}

/// What is weak about a key of this algorithm (RFC 9580 §9.1) and size, if anything.
fn weakness(algorithm: &str, bits: &str) -> Option<String> {
    let bits: u32 = bits.parse().unwrap_or(0);
    match algorithm {
        // RSA; ECDSA, EdDSA, Ed25519, Ed448.
        "1" | "3" if bits >= RSA_BITS => None,
        "19" | "22" | "27" | "28" => None,
        "1" | "3" => Some(format!("RSA with {bits} bits")),
        "17" => Some("DSA".to_owned()),
        other => Some(format!("algorithm {other}")),
    }
}

/// Runs a command for its effect.
fn run(command: &mut Command, what: &'static str) -> Result<(), Error> {
    process::capture(command, LARGEST_ANSWER).map(|_| ()).map_err(|e| failed(e, what))
}

/// Runs a command for what it says.
fn capture(command: &mut Command, what: &'static str) -> Result<Vec<u8>, Error> {
    process::capture(command, LARGEST_ANSWER).map(|said| said.stdout).map_err(|e| failed(e, what))
}

fn failed(source: io::Error, what: &'static str) -> Error {
    match source.kind() {
        io::ErrorKind::NotFound => Error::GpgMissing { source },
        _ => Error::GpgFailed { what },
    }
}
