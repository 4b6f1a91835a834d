//! A backup: the files of a ledger as of one checkpoint, a list of them, and a manifest that the recorder signed.
//!
//! ```text
//! manifest.json   DSSE envelope: checkpoint, counts, and the digest of `files`
//! files           one line a file, as `sha256sum` writes them
//! copy/           the ledger's files, under the same names
//! ```
//!
//! Content never changes under its name, so a backup into an earlier one copies only what is new. Private keys of the log
//! and the recorder are not in it. The keys that seal people's data are, as they are in the ledger's directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_evidence::dsse::{self, Envelope};
use countersign_evidence::machine::{MachineKey, MachinePublicKey};
use countersign_evidence::tile::{self, TileId, WIDTH};
use countersign_evidence::{canonical, note};
use countersign_model::event::LedgerCreated;
use countersign_model::{Digest, Hasher, Timestamp, digest};
use serde::{Deserialize, Serialize};

use crate::head::read_or_full;
use crate::layout::{
    self, CHECKPOINT, GITIGNORE, GITIGNORE_CONTENT, Item, LOCK, ORIGIN, Paths, SALT, SUBJECTS, TMP, VKEY,
};
use crate::lock::Lock;
use crate::source::Source;
use crate::{DEFAULT_LOCK_WAIT, Error, Ledger, rotations};

const MANIFEST: &str = "manifest.json";
const FILES: &str = "files";
const COPY: &str = "copy";
/// The type of the manifest, signed together with it.
const PAYLOAD_TYPE: &str = "application/vnd.countersign.backup.v1+json";
/// Bytes of the largest manifest and of the largest list that are read: some ten million files.
const MAX_MANIFEST: u64 = 1 << 20;
const MAX_LIST: u64 = 2 << 30;
/// Bytes of the largest file of a ledger: a blob.
const MAX_FILE: u64 = crate::MAX_BLOB_BYTES;

/// What the recorder vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format version, 1.
    pub version: u32,
    /// The log's origin.
    pub origin: String,
    /// The signed checkpoint, word for word.
    pub checkpoint: String,
    /// Its size: how many entries there are.
    pub size: u64,
    /// Its root.
    pub root: Digest,
    /// How many blobs.
    pub blobs: u64,
    /// How many files, all kinds together.
    pub files: u64,
    /// Digest of the list of files.
    pub list: Digest,
    /// When.
    pub time: Timestamp,
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// What it holds.
    pub manifest: Manifest,
    /// Files that were copied now; the others were there.
    pub copied: u64,
    /// Entries that are acknowledged and not in the checkpoint yet, so not in the backup.
    pub waiting: u64,
}

/// Copies the ledger in `dir` to `target`: a new directory, or an earlier backup of the same ledger. Writers of a moment wait;
/// beside an engine that keeps the ledger open it copies what is published: that changes no more, and neither the key is
/// exchanged nor are payloads disposed of while an engine runs. `disposed` are the entries whose payloads are disposed of, each
/// with the certificate that says so: these may be gone.
///
/// # Errors
/// [`Error::NotABackup`] when something else is at `target`, or a backup of another ledger; what reading and writing say.
pub fn backup(
    dir: &Path,
    target: &Path,
    recorder: &MachineKey,
    now: Timestamp,
    disposed: &BTreeMap<u64, u64>,
) -> Result<BackedUp, Error> {
    let paths = Arc::new(Paths::new(dir));
    let acknowledged = Ledger::open(dir)?.size();
    let is_kept_open = has_engine(&paths)?;
    let wait = if is_kept_open { Duration::ZERO } else { DEFAULT_LOCK_WAIT };
    let lock = match Lock::shared(&paths, wait) {
        Err(Error::Busy { .. }) if is_kept_open => None,
        lock => Some(lock?),
    };
    let done = copy(Arc::clone(&paths) as _, acknowledged, target, recorder, now, disposed);
    match (done, lock) {
        // The engine ended meanwhile, and who came after it may have changed anything.
        (Err(_), None) if !has_engine(&paths)? => {
            let _lock = Lock::shared(&paths, DEFAULT_LOCK_WAIT)?;
            copy(paths, acknowledged, target, recorder, now, disposed)
        }
        (done, _) => done,
    }
}

/// Whether an engine has the ledger open and lets others work through it.
fn has_engine(paths: &Paths) -> Result<bool, Error> {
    #[cfg(unix)]
    return Ok(crate::engine::embedded::socket::Client::connect(paths)?.is_some());
    #[cfg(not(unix))]
    Ok(false)
}

/// As [`backup`], of a ledger that is kept elsewhere, as it is at this moment. `of` is its [`Source::snapshot`]; nobody waits.
/// `acknowledged` is how many entries the ledger has; the snapshot may be behind.
///
/// # Errors
/// As [`backup`].
pub fn backup_snapshot(
    of: Arc<dyn Source>,
    acknowledged: u64,
    target: &Path,
    recorder: &MachineKey,
    now: Timestamp,
    disposed: &BTreeMap<u64, u64>,
) -> Result<BackedUp, Error> {
    copy(of, acknowledged, target, recorder, now, disposed)
}

fn copy(
    source: Arc<dyn Source>,
    acknowledged: u64,
    target: &Path,
    recorder: &MachineKey,
    now: Timestamp,
    disposed: &BTreeMap<u64, u64>,
) -> Result<BackedUp, Error> {
    let ledger = Ledger::over(Arc::clone(&source))?;
    let source = source.as_ref();
    let before = earlier(target, ledger.origin())?;
    let (names, blobs) = names_of(&ledger, source, disposed)?;
    let copy = Paths::new(target.join(COPY));
    let (mut list, mut copied) = (BTreeMap::new(), 0);
    // What may change comes last, the checkpoint at the very end: so a backup that breaks off is seen to have.
    let (last, first): (Vec<&String>, Vec<&String>) = names.iter().partition(|name| is_mutable(name));
    for name in first.into_iter().chain(last.into_iter().rev()) {
        let kept = before.get(name).filter(|_| !is_mutable(name) && copy.at(name).is_file());
        let digest = match kept {
            Some(digest) => Some(*digest),
            // The one that is signed for, whatever stands there by now.
            None if name == CHECKPOINT => Some(keep(&copy.at(name), ledger.checkpoint_text().as_bytes())?),
            None => copy_object(source, &copy.at(name), name, ledger.size())?,
        };
        copied += u64::from(kept.is_none() && digest.is_some());
        let Some(digest) = digest else { continue };
        if let Item::Blob(expected) = Item::of(name)
            && expected != digest
        {
            return Err(Error::corrupt(name, None, "its content does not hash to its name"));
        }
        list.insert(name.clone(), digest);
    }
    let text = list_text(&list);
    replace(&target.join(FILES), text.as_bytes())?;
    let manifest = Manifest {
        version: 1,
        origin: ledger.origin().to_owned(),
        checkpoint: ledger.checkpoint_text().to_owned(),
        size: ledger.size(),
        root: Digest::from_bytes(ledger.root()),
        blobs,
        files: list.len() as u64,
        list: Digest::of(text.as_bytes()),
        time: now,
    };
    let envelope = dsse::sign(PAYLOAD_TYPE, &canonical::to_vec(&manifest)?, recorder)?;
    replace(&target.join(MANIFEST), &envelope.to_json()?)?;
    // What the ledger does not have any more (a partial tile, the destroyed key of a person) goes here too.
    for name in before.keys().filter(|name| !list.contains_key(*name)) {
        match fs::remove_file(copy.at(name)) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(Error::writing("remove", name, e)),
            _ => {}
        }
    }
    Ok(BackedUp { waiting: acknowledged.saturating_sub(manifest.size), manifest, copied })
}

/// The fixed files but those that never change.
fn is_mutable(name: &str) -> bool {
    matches!(name, CHECKPOINT | VKEY)
}

/// The files of an earlier backup at the target; none when nothing is there.
fn earlier(target: &Path, origin: &str) -> Result<BTreeMap<String, Digest>, Error> {
    let not = |what: &'static str| Error::NotABackup { path: target.display().to_string(), what };
    if fs::read_dir(target).map_or(true, |mut entries| entries.next().is_none()) {
        return Ok(BTreeMap::new());
    }
    let there = Paths::new(target);
    let copy = Paths::new(target.join(COPY));
    let theirs = copy.read(ORIGIN, 1024)?;
    if theirs.is_some_and(|theirs| theirs != format!("{origin}\n").into_bytes()) {
        return Err(not("it is of another ledger"));
    }
    match there.read(FILES, MAX_LIST)? {
        Some(list) => parse_list(&list).ok_or_else(|| not("its list of files is damaged")),
        // One that broke off before its list was written.
        None if copy.root().is_dir() => Ok(BTreeMap::new()),
        None => Err(not("something else is there")),
    }
}

/// Every file that the checkpoint covers, and how many of them are blobs.
fn names_of(
    ledger: &Ledger,
    source: &dyn Source,
    disposed: &BTreeMap<u64, u64>,
) -> Result<(BTreeSet<String>, u64), Error> {
    let mut names: BTreeSet<String> = [GITIGNORE, SALT, ORIGIN, VKEY, CHECKPOINT].map(str::to_owned).into();
    let rotations = rotations::read_all(source, ledger.origin())?.len() as u64;
    names.extend((1..=rotations).map(layout::rotation_name));
    let size = ledger.size();
    let mut dirs = vec!["ledger/tile".to_owned(), SUBJECTS.to_owned()];
    while let Some(dir) = dirs.pop() {
        for listed in source.list(&dir)?.unwrap_or_default() {
            let id = match Item::of(&listed.name) {
                _ if listed.is_dir => {
                    dirs.push(listed.name);
                    continue;
                }
                Item::Subject => None,
                Item::Tile(id) => Some(id),
                Item::Bundle(index, width) => Some(TileId { level: 0, index, width }),
                _ => continue,
            };
            let is_part = id.is_none_or(|id| {
                let now = tile::width_at(id.level, id.index, size);
                id.width <= now && (now < WIDTH || id.width == WIDTH)
            });
            if is_part {
                names.insert(listed.name);
            }
        }
    }
    // A writer may have moved on while this was listed: the checkpoint says what the right edge is.
    for id in tile::partial_tiles(size) {
        names.insert(layout::tile_name(&id));
        if id.level == 0 {
            names.insert(layout::bundle_name(id.index, id.width));
        }
    }
    let (mut blobs, mut free) = (BTreeSet::new(), BTreeSet::new());
    let mut from = 0;
    while from < size {
        for (index, entry) in ledger.entries(from..from.saturating_add(1024))? {
            // What explains that a blob is gone must be in the backup itself.
            let may_be_gone = disposed.get(&index).is_some_and(|certificate| *certificate < size);
            let names = entry.attachments.iter().chain([&entry.payload]).map(|b| layout::blob_name(&b.sha256));
            if may_be_gone { &mut free } else { &mut blobs }.extend(names);
        }
        from = from.saturating_add(1024);
    }
    for name in free {
        if !blobs.contains(&name) && source.stat(&name, MAX_FILE)?.is_some() {
            blobs.insert(name);
        }
    }
    let count = blobs.len() as u64;
    names.extend(blobs);
    Ok((names, count))
}

/// Copies an object of a ledger of `size` entries. `None` for what a writer may take away meanwhile: the key of a person whose
/// data is erased, and partial tiles that the checkpoint does not need.
fn copy_object(source: &dyn Source, to: &Path, name: &str, size: u64) -> Result<Option<Digest>, Error> {
    let id = match Item::of(name) {
        Item::Tile(id) => Some(id),
        Item::Bundle(index, width) => Some(TileId { level: 0, index, width }),
        _ => None,
    };
    if let Some(id) = id.filter(|id| id.width < WIDTH) {
        let full = || match Item::of(name) {
            Item::Bundle(index, _) => layout::bundle_name(index, WIDTH),
            _ => layout::tile_name(&id.full()),
        };
        if id.width < tile::width_at(id.level, id.index, size) {
            return source.read(name, MAX_FILE)?.map(|bytes| keep(to, &bytes)).transpose();
        }
        let (found, bytes, whole) = read_or_full(source, name.to_owned(), id.width, full)?;
        let bytes = match Item::of(name) {
            _ if !whole => bytes,
            Item::Bundle(..) => {
                let entries = tile::decode_bundle(&bytes).map_err(|e| Error::corrupt(&found, None, e.to_string()))?;
                tile::encode_bundle(entries.get(..usize::from(id.width)).unwrap_or(&entries))?
            }
            _ => bytes.get(..id.byte_len()).unwrap_or(&bytes).to_vec(),
        };
        return keep(to, &bytes).map(Some);
    }
    if let Some(dir) = source.directory() {
        let from = Paths::new(dir);
        let is_gone = || Ok::<_, Error>(from.stat(name, MAX_FILE)?.is_none());
        return match copy_file(&from, to, name) {
            Err(_) if matches!(Item::of(name), Item::Subject) && is_gone()? => Ok(None),
            copied => copied.map(Some),
        };
    }
    match source.read(name, MAX_FILE)? {
        Some(bytes) => keep(to, &bytes).map(Some),
        // A database has none; a directory is to have one.
        None if name == GITIGNORE => keep(to, GITIGNORE_CONTENT).map(Some),
        None if matches!(Item::of(name), Item::Subject) => Ok(None),
        None => Err(Error::corrupt(name, None, "it is missing")),
    }
}

/// Writes a file so that it is whole or not there, and returns its digest.
fn keep(to: &Path, bytes: &[u8]) -> Result<Digest, Error> {
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir).map_err(|e| Error::writing("make", dir.display().to_string(), e))?;
    }
    replace(to, bytes)?;
    Ok(Digest::of(bytes))
}

/// Copies a file so that it is whole or not there, and returns its digest.
fn copy_file(from: &Paths, to: &Path, name: &str) -> Result<Digest, Error> {
    if from.stat(name, MAX_FILE)?.is_none() {
        return Err(Error::corrupt(name, None, "it is missing"));
    }
    let reading = |e| Error::reading(name, e);
    let writing = |e| Error::writing("write", to.display().to_string(), e);
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir).map_err(writing)?;
    }
    let temporary = with_suffix(to, ".new");
    let mut source = File::open(from.at(name)).map_err(reading)?.take(MAX_FILE + 1);
    let mut target = private_file(&temporary).map_err(writing)?;
    let (mut hasher, mut buffer) = (Hasher::new(), vec![0; 64 << 10]);
    loop {
        let n = source.read(&mut buffer).map_err(reading)?;
        let Some(part) = buffer.get(..n).filter(|part| !part.is_empty()) else { break };
        hasher.update(part);
        target.write_all(part).map_err(writing)?;
    }
    target.sync_all().and_then(|()| fs::rename(&temporary, to)).map_err(writing)?;
    Ok(hasher.finish())
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = with_suffix(path, ".new");
    let written = private_file(&temporary).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    let placed = written.and_then(|()| fs::rename(&temporary, path));
    placed.map_err(|e| Error::writing("write", path.display().to_string(), e))
}

/// A file for its owner alone: a copy holds what the ledger keeps confidential.
fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn list_text(list: &BTreeMap<String, Digest>) -> String {
    list.iter().map(|(name, digest)| format!("{}  {COPY}/{name}\n", digest.hex())).collect()
}

/// Only names that the layout knows: none of them leaves the directory.
fn parse_list(bytes: &[u8]) -> Option<BTreeMap<String, Digest>> {
    let mut list = BTreeMap::new();
    for line in std::str::from_utf8(bytes).ok()?.lines() {
        let (hex, name) = line.split_once("  ")?;
        let name = name.strip_prefix("copy/")?;
        let known = matches!(
            Item::of(name),
            Item::Fixed | Item::Tile(_) | Item::Bundle(..) | Item::Rotation(_) | Item::Blob(_) | Item::Subject
        );
        let digest = Digest::from_hex(hex).ok().filter(|_| known)?;
        if list.insert(name.to_owned(), digest).is_some() {
            return None;
        }
    }
    Some(list).filter(|list| list_text(list).as_bytes() == bytes)
}

/// A ledger that was copied out of a backup and is not in its place yet. Dropped, it is removed again.
#[derive(Debug)]
pub struct Staged {
    dir: PathBuf,
    place: PathBuf,
    manifest: Manifest,
    is_placed: bool,
}

impl Staged {
    /// Where it lies: beside its place.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the recorder vouched for.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Puts it in its place.
    ///
    /// # Errors
    /// What the operating system says; a place that was taken meanwhile is not overwritten.
    pub fn place(mut self) -> Result<Manifest, Error> {
        must_be_free(&self.place)?;
        let placed = fs::rename(&self.dir, &self.place);
        placed.map_err(|e| Error::writing("make", self.place.display().to_string(), e))?;
        self.is_placed = true;
        Ok(self.manifest.clone())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.is_placed {
            // What stays behind has another name than the place; it is in nobody's way.
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn must_be_free(place: &Path) -> Result<(), Error> {
    match fs::read_dir(place).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        _ => Err(Error::Occupied { dir: place.display().to_string() }),
    }
}

/// Copies a ledger out of a backup, to lie beside `place`. The manifest must be signed by the recorder that entry 0 names,
/// and every file must be the one on its list. Whether the ledger is to be believed is for an examination to say.
///
/// # Errors
/// [`Error::NotABackup`] when it is none, broke off, or is altered; [`Error::Occupied`] when something is at `place`.
pub fn stage(backup: &Path, place: &Path) -> Result<Staged, Error> {
    must_be_free(place)?;
    let not = |what: &'static str| Error::NotABackup { path: backup.display().to_string(), what };
    let (there, copy) = (Paths::new(backup), Paths::new(backup.join(COPY)));
    let envelope =
        there.read(MANIFEST, MAX_MANIFEST)?.ok_or_else(|| not("it has no manifest; perhaps it broke off"))?;
    let ledger = Ledger::over(Arc::new(copy.clone()))?;
    let (_, genesis) = ledger.entries(0..1)?.pop().ok_or_else(|| not("its log is empty"))?;
    let created: LedgerCreated = canonical::from_slice(&ledger.payload(&genesis.payload)?)?;
    let recorder: MachinePublicKey = created.recorder.parse()?;
    let manifest = Envelope::from_json(&envelope)?.verify_type(PAYLOAD_TYPE, &[recorder])?;
    let manifest: Manifest = canonical::from_slice(&manifest)?;
    let list = there.read(FILES, MAX_LIST)?.ok_or_else(|| not("it has no list of files"))?;
    if manifest.version != 1 || Digest::of(&list) != manifest.list {
        return Err(not("its list of files is not the one that the manifest names; perhaps it broke off"));
    }
    let list = parse_list(&list).ok_or_else(|| not("its list of files is damaged"))?;
    let checkpoint = copy.read(CHECKPOINT, note::MAX_BYTES as u64)?;
    if checkpoint.as_deref() != Some(manifest.checkpoint.as_bytes()) || manifest.files != list.len() as u64 {
        return Err(not("it does not hold what its manifest says; perhaps it broke off"));
    }
    let suffix = digest::to_hex(&countersign_evidence::random::<8>()?);
    let place = std::path::absolute(place).map_err(|e| Error::reading(place.display().to_string(), e))?;
    let staged =
        Staged { dir: with_suffix(&place, &format!(".restoring-{suffix}")), place, manifest, is_placed: false };
    let target = Paths::new(&staged.dir);
    // The checkpoint comes last: until then nobody takes it for a ledger.
    for (name, digest) in list.iter().filter(|(n, _)| *n != CHECKPOINT).chain(list.get_key_value(CHECKPOINT)) {
        if copy_file(&copy, &target.at(name), name)? != *digest {
            return Err(Error::corrupt(name, None, "it is not the file that the backup's list names"));
        }
    }
    for dir in [SUBJECTS, layout::CACHE, TMP] {
        fs::create_dir_all(target.at(dir)).map_err(|e| Error::writing("make", dir, e))?;
    }
    fs::write(target.at(LOCK), b"").map_err(|e| Error::writing("write", LOCK, e))?;
    Ok(staged)
}
