//! The examination of a ledger: every byte of every file that belongs to it is accounted for.
//!
//! | file | is held against |
//! |---|---|
//! | `checkpoint` | the trusted verifier keys, and the root recomputed from the entries |
//! | `origin`, `vkey`, `salt` | the checkpoint and the payload of entry 0 |
//! | `rotations/…` | each other, the trusted keys, and the entries that tell of them |
//! | bundles, tiles | each other, and the root; partial ones must be prefixes of what is there now |
//! | earlier checkpoints | their signatures, and the root of the log at their size |
//! | blobs | their names, and the entries that speak of them |
//! | entries | canonical form, versions without gaps, times that never go back, references to earlier entries |
//! | any other file | is a problem, unless an interrupted append left it, which is a notice |
//!
//! Memory is bounded by one bundle, one tile a level, the versions of the streams, and the digests of the blobs.

mod inventory;
mod keys;
mod log;
mod published;
mod roots;
mod second_key;
mod witnesses;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use countersign_evidence::merkle::Hash;
use countersign_evidence::note::{self, VerifierKey};
use countersign_evidence::trust_policy::{Cosignature, TrustPolicy};
use countersign_model::{Diagnostic as _, Digest, Entry};

use crate::engine::embedded::{Overlay, wal};
use crate::error::code;
use crate::layout::{self, CHECKPOINT, ORIGIN, Paths};
use crate::ledger::DEFAULT_LOCK_WAIT;
use crate::lock::Lock;
use crate::rotations::Step;
use crate::source::Source;
use crate::tree::Edge;
use crate::{Error, Notice};

/// How many problems are listed. A ledger of rubbish would have millions.
pub const MAX_PROBLEMS: usize = 1000;

/// What the examiner believes before looking.
#[derive(Debug, Clone, Default)]
pub struct LogTrust {
    /// Keys one of which must have signed the checkpoint. They come from outside the ledger. Without any, no
    /// checkpoint is trusted.
    pub vkeys: Vec<VerifierKey>,
    /// Size and root of a checkpoint seen before.
    pub remembered: Option<(u64, Hash)>,
    /// Which witnesses count and how many are enough, where that is asked.
    pub policy: Option<TrustPolicy>,
}

/// Something that is wrong with a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A stable code; it has an explanation like that of an error.
    pub code: &'static str,
    /// The file, relative to the ledger's directory.
    pub file: String,
    /// The entry, where one is concerned.
    pub entry: Option<u64>,
    /// What is wrong, a lower-case fragment.
    pub what: String,
}

impl Problem {
    /// A problem with a file.
    #[must_use]
    pub fn new(code: &'static str, file: impl Into<String>, entry: Option<u64>, what: impl Into<String>) -> Self {
        Self { code, file: file.into(), entry, what: what.into() }
    }

    /// An error met on the way, as a problem: what could not be looked at is never clean.
    fn of(error: &Error, file: &str, entry: Option<u64>) -> Self {
        let what = match error {
            Error::Corrupt { what, .. } => what.clone(),
            Error::Io { source, .. } => format!("it cannot be read: {source}"),
            Error::MissingBlob { .. } => "it is missing".to_owned(),
            other => other.to_string(),
        };
        let entry = match error {
            Error::Corrupt { entry: Some(entry), .. } => Some(*entry),
            _ => entry,
        };
        Self { code: error.code(), file: file.to_owned(), entry, what }
    }
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Entries.
    pub entries: u64,
    /// Bundles of entries, partial ones included.
    pub bundles: u64,
    /// Hash tiles, partial ones included.
    pub tiles: u64,
    /// Different blobs.
    pub blobs: u64,
    /// Blobs that are gone by a certificate of disposal, once for every entry that speaks of them.
    pub disposed: u64,
    /// Keys of people. Whether they open what they should is for the caller to say.
    pub keys: u64,
    /// Files of the ledger, all kinds together.
    pub files: u64,
}

/// What an examination found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// The log's name, as the checkpoint says; empty when that could not be read.
    pub origin: String,
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// What is wrong; the ledger is sound when this is empty. At most [`MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// Problems that are not listed.
    pub more_problems: u64,
    /// What is worth knowing and is not wrong: an append that was interrupted.
    pub notices: Vec<Notice>,
    /// How much was looked at.
    pub checked: Checked,
    /// Cosignatures of the trust policy's witnesses on the checkpoint, each verified.
    pub cosignatures: Vec<Cosignature>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// Adds a problem; beyond [`MAX_PROBLEMS`] it is only counted.
    pub fn add(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.more_problems = self.more_problems.saturating_add(1);
        }
    }
}

/// The caller's own examination of an entry and its payload: envelopes, acts, seals.
pub type Extra<'a> = dyn FnMut(u64, &Entry, &[u8]) -> Vec<Problem> + 'a;

/// A caller's own examination, and what only the caller can know: whether a payload may be gone.
pub trait Examiner {
    /// Examines an entry and its payload; `None` for a payload that is gone and may perhaps be. What is found is added to
    /// the report.
    fn entry(&mut self, index: u64, entry: &Entry, payload: Option<&[u8]>) -> Vec<Problem>;

    /// Whether the blobs of this entry may be gone. Asked when every entry has been examined.
    fn may_be_gone(&mut self, index: u64) -> bool;
}

/// Where nothing may be gone.
struct Strict<'a, 'b>(&'a mut Extra<'b>);

impl Examiner for Strict<'_, '_> {
    fn entry(&mut self, index: u64, entry: &Entry, payload: Option<&[u8]>) -> Vec<Problem> {
        payload.map_or_else(Vec::new, |payload| (self.0)(index, entry, payload))
    }

    fn may_be_gone(&mut self, _: u64) -> bool {
        false
    }
}

/// Examines the ledger in `dir`, of which every blob must be there. Nothing is written. Writers wait while this runs.
///
/// `extra` is called with index, entry and payload of every entry that is sound so far; what it finds is added.
///
/// # Errors
/// [`Error::NoLedger`] when there is nothing to examine; [`Error::Busy`] when a writer does not come to an end. All
/// else is a problem in the report.
pub fn verify(dir: &Path, trust: &LogTrust, extra: &mut Extra<'_>) -> Result<VerifyReport, Error> {
    examine(dir, trust, &mut Strict(extra))
}

/// Examines the ledger in `dir` as [`verify`] does. Blobs may be gone where the examiner says so at the end.
///
/// # Errors
/// As [`verify`].
pub fn examine(dir: &Path, trust: &LogTrust, examiner: &mut dyn Examiner) -> Result<VerifyReport, Error> {
    let paths = Paths::new(dir);
    if !paths.tiles_dir().is_dir() {
        return Err(Error::NoLedger { dir: dir.display().to_string() });
    }
    let _lock = Lock::shared(&paths, DEFAULT_LOCK_WAIT)?;
    Ok(verify_directory(&paths, trust, examiner))
}

/// Examines a ledger wherever it is kept. Nothing is written, and nobody waits.
///
/// A published ledger is a copy for others: it has neither salt nor people's keys, objects may stand in it ahead of the
/// checkpoint that will name them, and partial tiles that cannot be removed stay beside the full ones. What is there is
/// examined like the original.
///
/// # Errors
/// [`Error::NoLedger`] when there is nothing to examine; whatever the place says when it cannot be reached at all. All
/// else is a problem in the report.
pub fn verify_source(source: &dyn Source, trust: &LogTrust, extra: &mut Extra<'_>) -> Result<VerifyReport, Error> {
    examine_source(source, trust, &mut Strict(extra))
}

/// Examines a published ledger as [`verify_source`] does. Blobs may be gone where the examiner says so at the end.
///
/// # Errors
/// As [`verify_source`].
pub fn examine_source(
    source: &dyn Source,
    trust: &LogTrust,
    examiner: &mut dyn Examiner,
) -> Result<VerifyReport, Error> {
    if let Some(dir) = source.directory() {
        return examine(dir, trust, examiner);
    }
    let snapshot = source.snapshot()?;
    let source = snapshot.as_deref().unwrap_or(source);
    // Where even the log's name is missing no ledger was ever published; with it, everything else is missed by name.
    if source.stat(CHECKPOINT, note::MAX_BYTES as u64)?.is_none() && source.stat(ORIGIN, 1024)?.is_none() {
        return Err(Error::NoLedger { dir: source.place() });
    }
    let place = Place { source, files: source, in_files: None, has_log: false };
    let mut report = pass(&place, trust, examiner, VerifyReport::default());
    match source.examine() {
        Ok(problems) => problems.into_iter().for_each(|problem| report.add(problem)),
        Err(e) => report.add(Problem::of(&e, &source.place(), None)),
    }
    Ok(report)
}

/// What is examined.
struct Place<'a> {
    /// The ledger as it was acknowledged.
    source: &'a dyn Source,
    /// What is in its place: the same, but for what an interrupted writer left to publish.
    files: &'a dyn Source,
    /// The size that is published in files, where it is less than what was acknowledged.
    in_files: Option<u64>,
    /// Whether a write-ahead log is there: then files it explains may be left over.
    has_log: bool,
}

/// What an interrupted writer acknowledged and did not publish belongs to the ledger: it is examined with the rest.
fn verify_directory(paths: &Paths, trust: &LogTrust, examiner: &mut dyn Examiner) -> VerifyReport {
    let mut report = VerifyReport::default();
    let names = crate::ledger::names(paths);
    match names.and_then(|(origin, key)| Overlay::read(paths, &origin, std::slice::from_ref(&key))) {
        Ok((overlay, found)) => {
            if found.entries > 0 {
                let what = format!(
                    "{} acknowledged entries wait in the write-ahead log; the next append publishes them",
                    found.entries
                );
                report.notices.push(Notice { code: code::UNPUBLISHED, what });
            }
            let in_files = Some(overlay.published());
            pass(&Place { source: &overlay, files: paths, in_files, has_log: found.any }, trust, examiner, report)
        }
        Err(e) => {
            // The files themselves are examined below; what waits beside them is looked at here only.
            if let Some(place) = e.place().filter(|place| wal::segment_first(&place.file).is_some()) {
                report.add(Problem::of(&e, &place.file, None));
            }
            pass(&Place { source: paths, files: paths, in_files: None, has_log: false }, trust, examiner, report)
        }
    }
}

fn pass(place: &Place<'_>, trust: &LogTrust, examiner: &mut dyn Examiner, report: VerifyReport) -> VerifyReport {
    let mut examination = Examination {
        source: place.source,
        files: place.files,
        in_files: place.in_files,
        has_log: place.has_log,
        is_copy: !place.source.is_original(),
        trust,
        report,
        edge: Some(Edge::default()),
        own_vkey: None,
        published: BTreeMap::new(),
        digests: HashSet::new(),
        gone: Vec::new(),
        unread: false,
        keys: Vec::new(),
        steps: Vec::new(),
        rotated: Vec::new(),
        taking_over: None,
        second: None,
        to_be_exact: None,
    };
    let checkpoint = roots::examine(&mut examination);
    if let Some(checkpoint) = &checkpoint {
        published::examine(&mut examination, checkpoint);
        log::examine(&mut examination, checkpoint, examiner);
        keys::finish(&mut examination);
        gone(&mut examination, examiner);
    }
    inventory::examine(&mut examination, checkpoint.as_ref());
    examination.report
}

/// What is gone and may not be is missing.
fn gone(x: &mut Examination<'_>, examiner: &mut dyn Examiner) {
    let mut missing = HashSet::new();
    for (index, digest) in std::mem::take(&mut x.gone) {
        if examiner.may_be_gone(index) {
            x.report.checked.disposed += 1;
        } else if missing.insert(digest) {
            let file = layout::blob_name(&digest);
            x.error(&Error::MissingBlob { file: file.clone() }, &file, Some(index));
        }
    }
}

/// An examination under way.
struct Examination<'a> {
    /// The ledger as it was acknowledged.
    source: &'a dyn Source,
    /// What is in its place: the same, but for what an interrupted writer left to publish.
    files: &'a dyn Source,
    /// Whether this is a published copy rather than the ledger's own directory.
    is_copy: bool,
    trust: &'a LogTrust,
    /// The size that is published in files, where it is less than what was acknowledged.
    in_files: Option<u64>,
    /// Whether a write-ahead log is there: then files it explains may be left over.
    has_log: bool,
    report: VerifyReport,
    /// The right edge recomputed from the entries; `None` when some of them could not be read at all.
    edge: Option<Edge>,
    /// The log's key, as the ledger itself names it.
    own_vkey: Option<VerifierKey>,
    /// Roots of earlier checkpoints that are kept, by size, until the pass over the log comes by.
    published: BTreeMap<u64, (String, Hash)>,
    /// Every blob that an entry speaks of. 32 bytes each is what this costs.
    digests: HashSet<Digest>,
    /// Entries that speak of a blob which is not there, and the blob.
    gone: Vec<(u64, Digest)>,
    /// Whether an entry could not be read, so that what it speaks of is not known.
    unread: bool,
    /// The keys that may have signed the checkpoint: the trusted ones, and those that rotations lead to from there.
    keys: Vec<VerifierKey>,
    /// The notes of the log's rotations.
    steps: Vec<Step>,
    /// The entries that tell of rotations.
    rotated: Vec<u64>,
    /// The key that takes over in a rotation which was interrupted.
    taking_over: Option<VerifierKey>,
    /// The ML-DSA-44 key that signs as well, as the entries so far say.
    second: Option<VerifierKey>,
    /// A trusted checkpoint, whose every signature is to be known in the end.
    to_be_exact: Option<Vec<u8>>,
}

fn fork_of_root(size: u64) -> String {
    format!("the first {size} entries are not those that it speaks of")
}

/// The file that an error blames.
fn file_of(error: &Error) -> Option<String> {
    match error {
        Error::Corrupt { file, .. } => Some(file.clone()),
        _ => None,
    }
}

impl Examination<'_> {
    fn problem(&mut self, code: &'static str, file: &str, entry: Option<u64>, what: impl Into<String>) {
        self.report.add(Problem::new(code, file, entry, what));
    }

    fn error(&mut self, error: &Error, file: &str, entry: Option<u64>) {
        self.report.add(Problem::of(error, file, entry));
    }
}
