//! Making a ledger: built beside its place, then renamed into it. It is there whole, or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_evidence::checkpoint::Checkpoint;
use countersign_evidence::merkle;
use countersign_evidence::note::SignerKey;
use countersign_model::digest::to_hex;

use crate::Error;
use crate::layout::{
    CACHE, CHECKPOINT, GITIGNORE, GITIGNORE_CONTENT, LEDGER, LOCK, ORIGIN, Paths, SALT, SUBJECTS, TMP, VKEY,
};
use crate::ledger::{Ledger, salt_text};
use crate::storage::{Access, Disk, Storage};

/// What a new ledger is made from.
#[derive(Debug)]
pub struct NewLedger<'a> {
    /// The log's key. Its name becomes the log's origin.
    pub signer: &'a SignerKey,
    /// Keys the fingerprints of findings, so that every clone of a repository gives the same; random without one.
    pub salt: Option<[u8; 32]>,
}

impl Ledger {
    /// Makes an empty ledger with a new salt in `dir`. Directories above it are made where they are missing.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] when there is one, made just now by somebody else included;
    /// [`Error::Occupied`] when something else stands there; what the operating system says.
    pub fn create(dir: &Path, new: &NewLedger<'_>) -> Result<Self, Error> {
        Self::create_with(dir, new, Arc::new(Disk))
    }

    /// As [`Ledger::create`], writing through `storage`.
    ///
    /// # Errors
    /// As [`Ledger::create`].
    pub fn create_with(dir: &Path, new: &NewLedger<'_>, storage: Arc<dyn Storage>) -> Result<Self, Error> {
        check_free(dir)?;
        let place = place_of(dir)?;
        let name = place.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let above = place.parent().map(Path::to_path_buf).unwrap_or_default();
        make_dirs(storage.as_ref(), &above)?;
        let temporary = above.join(format!("{name}.new-{}", to_hex(&countersign_evidence::random::<8>()?)));

        let built = build(storage.as_ref(), &Paths::new(&temporary), new);
        let placed = built.and_then(|()| {
            storage.rename(&temporary, &place).map_err(|e| Error::writing("make", dir.display().to_string(), e))
        });
        if let Err(error) = placed {
            remove_tree(storage.as_ref(), &temporary);
            // Somebody else may have been first: then that is what there is to say.
            check_free(dir)?;
            return Err(error);
        }
        storage.sync_dir(&above).map_err(|e| Error::writing("sync", above.display().to_string(), e))?;
        Self::open_with(dir, storage)
    }
}

/// Nothing, or an empty directory, may stand where a ledger is to be made.
fn check_free(dir: &Path) -> Result<(), Error> {
    let shown = || dir.display().to_string();
    let is_there = || Paths::new(dir).tiles_dir().exists();
    if is_there() {
        return Err(Error::AlreadyExists { dir: shown() });
    }
    match fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            // It may have been put there between the two looks.
            Some(_) if is_there() => Err(Error::AlreadyExists { dir: shown() }),
            Some(_) => Err(Error::Occupied { dir: shown() }),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => Err(Error::Occupied { dir: shown() }),
        Err(e) => Err(Error::reading(shown(), e)),
    }
}

/// The absolute path, links resolved: a rename would replace a link, not what it points at.
fn place_of(dir: &Path) -> Result<PathBuf, Error> {
    let place = if dir.exists() { dir.canonicalize() } else { std::path::absolute(dir) };
    place.map_err(|e| Error::reading(dir.display().to_string(), e))
}

fn make_dirs(storage: &dyn Storage, dir: &Path) -> Result<(), Error> {
    if dir.as_os_str().is_empty() || dir.is_dir() {
        return Ok(());
    }
    if let Some(above) = dir.parent() {
        make_dirs(storage, above)?;
    }
    let writing = |e| Error::writing("make", dir.display().to_string(), e);
    storage.create_dir(dir).map_err(writing)?;
    dir.parent().map_or(Ok(()), |above| storage.sync_dir(above)).map_err(writing)
}

fn build(storage: &dyn Storage, paths: &Paths, new: &NewLedger<'_>) -> Result<(), Error> {
    let salt: [u8; 32] = match new.salt {
        Some(salt) => salt,
        None => countersign_evidence::random()?,
    };
    let origin = new.signer.name();
    let checkpoint = Checkpoint { origin: origin.to_owned(), size: 0, root: merkle::empty_root() };
    let checkpoint = checkpoint.sign(new.signer)?;

    let dirs = ["", LEDGER, "blobs", "blobs/sha256", SUBJECTS, CACHE, TMP];
    for name in dirs {
        storage.create_dir(&paths.at(name)).map_err(|e| Error::writing("make", name, e))?;
    }
    let (salt, origin, vkey) = (salt_text(&salt), format!("{origin}\n"), format!("{}\n", new.signer.verifier()));
    let files: [(&str, &[u8], Access); 6] = [
        // First, so that what a crash leaves beside a repository's files is never committed to it.
        (GITIGNORE, GITIGNORE_CONTENT, Access::Open),
        (SALT, salt.as_bytes(), Access::Confidential),
        (LOCK, b"", Access::Open),
        (ORIGIN, origin.as_bytes(), Access::Open),
        (VKEY, vkey.as_bytes(), Access::Open),
        (CHECKPOINT, checkpoint.as_bytes(), Access::Open),
    ];
    for (name, bytes, access) in files {
        storage.write_new(&paths.at(name), bytes, access).map_err(|e| Error::writing("write", name, e))?;
    }
    for name in ["", "blobs", LEDGER] {
        storage.sync_dir(&paths.at(name)).map_err(|e| Error::writing("sync", name, e))?;
    }
    Ok(())
}

/// Removes what was built, as far as that goes: an error on the way out would hide the first one.
fn remove_tree(storage: &dyn Storage, dir: &Path) {
    let paths = Paths::new(dir);
    for name in ["", LEDGER] {
        for file in crate::writer::list(&paths, name).unwrap_or_default() {
            let _ = storage.remove(&paths.at(&file));
        }
    }
    for name in [LEDGER, "blobs/sha256", "blobs", SUBJECTS, CACHE, TMP, ""] {
        let _ = storage.remove_dir(&paths.at(name));
    }
}
