//! What everything else is held against: the checkpoint, and the few files that name the log.

use countersign_evidence::checkpoint::{self, Checkpoint};
use countersign_evidence::note::VerifierKey;
use countersign_model::digest;

use super::{Examination, keys, seals};
use crate::error::code;
use crate::head::read_checkpoint;
use crate::layout::{self, CHECKPOINT, GITIGNORE, GITIGNORE_CONTENT, ORIGIN, SALT, VKEY};
use crate::{Error, files};

/// Examines the fixed files. The checkpoint comes back when its signature holds, by whatever key.
pub(super) fn examine(x: &mut Examination<'_>) -> Option<Checkpoint> {
    if x.is_log_only {
        keys::read(x, None);
        let checkpoint = signed_checkpoint(x, None)?;
        x.begin(&checkpoint);
        return Some(checkpoint);
    }
    match x.source.read(GITIGNORE, 1024) {
        Ok(Some(bytes)) if bytes == GITIGNORE_CONTENT => {}
        Ok(Some(_)) => x.problem(code::CORRUPT, GITIGNORE, None, "it does not keep the ledger out of the repository"),
        // Only a directory can be in a repository.
        Ok(None) if x.source.directory().is_none() => {}
        Ok(None) => x.problem(code::MISSING_FILE, GITIGNORE, None, "it is missing"),
        Err(e) => x.error(&e, GITIGNORE, None),
    }
    let origin = line(x, ORIGIN);
    let vkey = line(x, VKEY).and_then(|text| match VerifierKey::parse(&text) {
        Ok(key) if key.to_string() == text => Some(key),
        Ok(_) => {
            x.problem(code::CORRUPT, VKEY, None, "the key is not spelled as it was written");
            None
        }
        Err(e) => {
            x.problem(code::CORRUPT, VKEY, None, e.to_string());
            None
        }
    });
    x.own_vkey.clone_from(&vkey);
    // The salt keys pseudonyms: it is confidential, and not published. Where it is, it must be the right one.
    let has_salt = !x.is_copy || !matches!(x.source.stat(SALT, 1024), Ok(None));
    if let Some(salt) = has_salt.then(|| line(x, SALT)).flatten()
        && digest::from_hex(&salt).is_none_or(|b| b.len() != 32 || digest::to_hex(&b) != salt)
    {
        x.problem(code::CORRUPT, SALT, None, "it is not 64 lower-case hex digits");
    }

    keys::read(x, origin.as_deref());
    let checkpoint = signed_checkpoint(x, vkey.as_ref())?;
    if let Some(origin) = origin
        && origin != checkpoint.origin
    {
        let what = format!("it says `{origin}`, the checkpoint `{}`", checkpoint.origin);
        x.problem(code::CORRUPT, ORIGIN, None, what);
    }
    if let Some(vkey) = vkey
        && !x.trust.vkeys.is_empty()
        && !x.keys.contains(&vkey)
    {
        x.problem(code::UNTRUSTED, VKEY, None, "it is not a key that is trusted");
    }
    x.begin(&checkpoint);
    Some(checkpoint)
}

impl Examination<'_> {
    /// This is the log that is examined.
    fn begin(&mut self, checkpoint: &Checkpoint) {
        self.report.origin.clone_from(&checkpoint.origin);
        self.report.size = checkpoint.size;
        self.report.root = checkpoint.root;
    }
}

fn signed_checkpoint(x: &mut Examination<'_>, vkey: Option<&VerifierKey>) -> Option<Checkpoint> {
    let bytes = match read_checkpoint(x.source) {
        Ok(bytes) => bytes,
        Err(e) => {
            x.error(&e, CHECKPOINT, None);
            return None;
        }
    };
    let untrusted = match checkpoint::open_any(&bytes, &x.keys) {
        Ok(checkpoint) => {
            keys::examine_checkpoint(x, &bytes);
            x.to_be_exact = Some(bytes);
            return Some(checkpoint);
        }
        Err(e) => e,
    };
    // Signed by the key that the ledger names itself: sound perhaps, but anybody could have made it.
    let own = vkey.map(std::slice::from_ref).unwrap_or_default();
    match checkpoint::open_any(&bytes, own) {
        Ok(checkpoint) => {
            let what = format!("it is signed by {}, and nobody vouches for that key", vkey_text(vkey));
            x.problem(code::UNTRUSTED, CHECKPOINT, None, what);
            Some(checkpoint)
        }
        Err(_) => {
            let code = if x.is_log_only { code::UNTRUSTED } else { code::CORRUPT };
            x.problem(code, CHECKPOINT, None, untrusted.to_string());
            None
        }
    }
}

fn vkey_text(vkey: Option<&VerifierKey>) -> String {
    vkey.map_or_else(String::new, |k| format!("`{k}`"))
}

fn line(x: &mut Examination<'_>, name: &str) -> Option<String> {
    match x.source.read(name, 1024) {
        Ok(None) => {
            x.problem(code::MISSING_FILE, name, None, "it is missing");
            None
        }
        Err(e) => {
            x.error(&e, name, None);
            None
        }
        Ok(Some(_)) => match files::line(x.source, name) {
            Ok(line) => Some(line),
            Err(e) => {
                x.error(&e, name, None);
                None
            }
        },
    }
}

/// The payload of entry 0 must speak of this ledger, and the files must say what it says.
pub(super) fn examine_genesis(x: &mut Examination<'_>, checkpoint: &Checkpoint, payload: &[u8], file: &str) {
    let created = countersign_evidence::canonical::from_slice::<countersign_model::event::LedgerCreated>(payload);
    let created = match created {
        Ok(created) => created,
        Err(e) => {
            return x.problem(code::GENESIS, file, Some(0), format!("its payload does not describe a ledger: {e}"));
        }
    };
    if created.version != 1 {
        let error = Error::Newer { file: file.into(), index: 0, what: format!("ledger version {}", created.version) };
        x.error(&error, file, Some(0));
    }
    seals::examine_genesis(x, &created, file);
    if created.origin != checkpoint.origin {
        let what = format!("it is about the ledger `{}`, this is `{}`", created.origin, checkpoint.origin);
        x.problem(code::GENESIS, file, Some(0), what);
    }
    let first = match x.steps.first() {
        Some(step) => (layout::rotation_name(1), Ok(step.rotation.old.to_string())),
        None => (VKEY.to_owned(), files::line(x.source, VKEY)),
    };
    if first.1.is_ok_and(|vkey| vkey != created.vkey) {
        x.problem(code::GENESIS, &first.0, Some(0), "it is not the key that entry 0 names");
    }
    if let Ok(Some(salt)) = x.source.read(SALT, 1024)
        && countersign_model::Digest::of(&salt) != created.salt_sha256
    {
        x.problem(code::GENESIS, SALT, Some(0), "it is not the salt that entry 0 names");
    }
}
