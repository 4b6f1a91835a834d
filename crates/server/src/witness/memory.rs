//! What a witness remembers, in its directory.

use std::fs;
use std::path::{Path, PathBuf};

use countersign_evidence::checkpoint::{Checkpoint, Extensions};
use countersign_evidence::cosignature::time_of;
use countersign_evidence::note::{self, VerifierKey};
use countersign_model::Digest;

use crate::Error;
use crate::durable::{self, Access};

/// Files that are kept of one log: each pair of checkpoints that proves two histories is one, each that did not fit another.
const MAX_KEPT: usize = 128;
/// Bytes of a log's key file.
const MAX_KEYS: u64 = 64 << 10;

#[derive(Debug)]
pub(super) struct Memory {
    dir: PathBuf,
}

/// What is remembered of one log.
pub(super) struct Log {
    dir: PathBuf,
    origin: String,
}

/// The newest checkpoint that was cosigned.
pub(super) struct Latest {
    pub(super) checkpoint: Checkpoint,
    /// When, by the newest of the witness's own signatures.
    pub(super) time: u64,
    note: Vec<u8>,
}

impl Memory {
    pub(super) fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    pub(super) fn log(&self, origin: &str) -> Log {
        Log { dir: self.dir.join("logs").join(Digest::of(origin.as_bytes()).hex()), origin: origin.to_owned() }
    }

    pub(super) fn add_key(&self, key: &VerifierKey) -> Result<bool, Error> {
        if !key.algorithm().is_for_logs() {
            return Err(Error::NotALog { name: key.name().to_owned() });
        }
        let log = self.log(key.name());
        let mut keys = log.keys()?;
        if keys.contains(key) {
            return Ok(false);
        }
        keys.push(key.clone());
        durable::directory(&log.dir).map_err(Error::file("create", &log.dir))?;
        let text: String = keys.iter().map(|key| format!("{key}\n")).collect();
        let path = log.dir.join("keys");
        durable::replace(&path, text.as_bytes(), Access::Others).map_err(Error::file("write", &path))?;
        Ok(true)
    }

    /// The checkpoint file of the log with this hash, as it is.
    pub(super) fn checkpoint(&self, hex: &str) -> Result<Option<Vec<u8>>, Error> {
        let is_hash = hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !is_hash {
            return Ok(None);
        }
        let path = self.dir.join("logs").join(hex).join("checkpoint");
        durable::read(&path, note::MAX_BYTES as u64).map_err(Error::file("read", path))
    }
}

impl Log {
    /// The log's keys; none when it is not known.
    pub(super) fn keys(&self) -> Result<Vec<VerifierKey>, Error> {
        let path = self.dir.join("keys");
        let Some(bytes) = durable::read(&path, MAX_KEYS).map_err(Error::file("read", &path))? else {
            return Ok(Vec::new());
        };
        let damaged = |what: &str| Error::Memory { path: path.clone(), what: what.to_owned() };
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is not UTF-8"))?;
        let text = text.strip_suffix('\n').ok_or_else(|| damaged("its last line is cut short"))?;
        text.split('\n').map(|line| VerifierKey::parse(line).map_err(|e| damaged(&e.to_string()))).collect()
    }

    /// What was cosigned last, verified by the witness's own signature.
    pub(super) fn latest(&self, own: &[VerifierKey]) -> Result<Option<Latest>, Error> {
        let path = self.dir.join("checkpoint");
        let Some(note) = durable::read(&path, note::MAX_BYTES as u64).map_err(Error::file("read", &path))? else {
            return Ok(None);
        };
        let damaged = |e: countersign_evidence::Error| Error::Memory { path: path.clone(), what: e.to_string() };
        let verified = note::open(&note, own).map_err(damaged)?;
        let checkpoint = Checkpoint::parse_with(&verified.text, Extensions::Ignored).map_err(damaged)?;
        if checkpoint.origin != self.origin {
            return Err(Error::Memory { path, what: format!("it is of log `{}`", checkpoint.origin) });
        }
        let time = verified.signatures.iter().filter_map(time_of).max().unwrap_or(0);
        Ok(Some(Latest { checkpoint, time, note }))
    }

    /// Puts a cosigned checkpoint in the place of the one before; durable when this returns.
    pub(super) fn remember(&self, note: &str) -> Result<(), Error> {
        let path = self.dir.join("checkpoint");
        durable::replace(&path, note.as_bytes(), Access::Others).map_err(Error::file("write", path))
    }

    /// Keeps a checkpoint that did not fit, and the one that it did not fit to. The same one is kept once.
    pub(super) fn keep(&self, signed: &str, latest: Option<&Latest>, fork: bool) -> Result<Option<PathBuf>, Error> {
        let dir = self.dir.join("refused");
        durable::directory(&dir).map_err(Error::file("create", &dir))?;
        let kind = if fork { "fork" } else { "unproven" };
        let path = dir.join(format!("{kind}-{}", Digest::of(signed.as_bytes()).hex()));
        if path.exists() {
            return Ok(Some(path));
        }
        // Anybody can send a log's newest checkpoint with a proof that is wrong. That must not use up the room for proofs of two
        // histories, so each kind has its own.
        let entries = fs::read_dir(&dir).map_err(Error::file("read", &dir))?;
        let same = entries.filter_map(Result::ok).filter(|e| e.file_name().to_string_lossy().starts_with(kind));
        if same.count() >= MAX_KEPT {
            return Ok(None);
        }
        // Two notes one after the other: what was refused, then what was known.
        let mut bytes = signed.as_bytes().to_vec();
        if let Some(latest) = latest {
            bytes.push(b'\n');
            bytes.extend_from_slice(&latest.note);
        }
        durable::replace(&path, &bytes, Access::Others).map_err(Error::file("write", &path))?;
        Ok(Some(path))
    }
}
