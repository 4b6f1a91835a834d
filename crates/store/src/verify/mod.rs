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
//! Bundles are read, hashed and parsed on all cores, with the blobs that their entries speak of; what was seen is put in
//! order by one thread. Memory is bounded: by a few parts of a bundle a core, one tile a level, and records of 32 bytes
//! for streams and blobs, which go to a temporary file when there are many of them.
//!
//! A ledger that a running engine writes is examined as of one moment: what was acknowledged then. See [`mod@live`].

mod history;
mod inventory;
mod keys;
mod live;
mod log;
mod recent;
mod roots;
mod seals;
mod second_key;
mod spill;
mod streams;
mod witnesses;
mod work;

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use countersign_evidence::merkle::Hash;
use countersign_evidence::note::{self, VerifierKey};
use countersign_evidence::payload_key::PayloadKey;
use countersign_evidence::trust_policy::{Cosignature, TrustPolicy};
use countersign_model::{Diagnostic as _, Digest, Entry, EventKind};

pub use self::history::Known;
use crate::blob::OpenedView;
use crate::engine::embedded::{Overlay, wal};
use crate::error::code;
use crate::layout::{self, CHECKPOINT, ORIGIN, Paths, WAL};
use crate::leaf::EntryView;
use crate::lock::Lock;
use crate::rotations::Step;
use crate::source::Source;
use crate::tree::Edge;
use crate::{Error, Notice};

/// How long to wait for an append to end, before the ledger is examined as of one moment instead.
const LOCK_WAIT: Duration = Duration::from_millis(500);

/// How many problems are listed. A ledger of rubbish would have millions.
pub const MAX_PROBLEMS: usize = 1000;

/// What the examiner believes before looking.
#[derive(Debug, Clone, Default)]
pub struct LogTrust {
    /// Keys one of which must have signed the checkpoint. They come from outside the ledger. Without any, no
    /// checkpoint is trusted.
    pub vkeys: Vec<VerifierKey>,
    /// Size and root of the newest checkpoint that this machine has seen. A copy may be behind it.
    pub remembered: Option<(u64, Hash)>,
    /// Checkpoints that were seen elsewhere, or long ago. Whatever is examined must reach all of them.
    pub since: Vec<Known>,
    /// Which witnesses count and how many are enough, where that is asked.
    pub policy: Option<TrustPolicy>,
    /// What opens payloads that are sealed at rest, where it is held.
    pub payload_key: Option<PayloadKey>,
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
    /// Keys of people. Whether they open what they should is for the caller to say.
    pub keys: u64,
    /// Blobs that are gone by a certificate of disposal, once for every entry that speaks of them.
    pub disposed: u64,
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
    /// Payloads and attachments that are sealed with a key that is not held: their stored bytes were hashed, what they say
    /// was not looked at, nor what entries after the first of them say.
    pub unopened: u64,
}

impl VerifyReport {
    /// Whether nothing is wrong, and nothing was left unlooked at for want of a key.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.problems.is_empty() && self.unopened == 0
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

/// Reads an entry: it gets index, entry, leaf hash and what the entry's blobs say, on any thread and in any order. Those of
/// an entry that cannot be opened it does not get. Entry and payload are lent.
pub type Reader<'a, R> = dyn Fn(u64, &EntryView<'_>, &Hash, OpenedView<'_>) -> R + Sync + 'a;

/// A caller's own examination, and what only the caller can know: whether a payload may be gone.
pub trait Examiner<R> {
    /// Judges what the reader made of an entry and its payload. Called in the order of the log. What is found is added to
    /// the report.
    fn entry(&mut self, index: u64, read: R) -> Vec<Problem>;

    /// Whether the blobs of this entry may be gone. Asked when every entry has been examined.
    fn may_be_gone(&mut self, index: u64) -> bool;
}

/// Where nothing may be gone.
struct Strict<'a, 'b>(&'a mut Extra<'b>);

impl Examiner<(Entry, Option<Vec<u8>>)> for Strict<'_, '_> {
    fn entry(&mut self, index: u64, (entry, payload): (Entry, Option<Vec<u8>>)) -> Vec<Problem> {
        payload.map_or_else(Vec::new, |payload| (self.0)(index, &entry, &payload))
    }

    fn may_be_gone(&mut self, _: u64) -> bool {
        false
    }
}

/// Examines the ledger in `dir`, of which every blob must be there. Nothing is written. Writers that open the ledger for one append wait while this runs; one
/// that holds it open goes on, and the ledger is examined as of one moment.
///
/// `extra` is called with index, entry and payload of every entry that is sound so far; what it finds is added.
///
/// # Errors
/// [`Error::NoLedger`] when there is nothing to examine; [`Error::Aside`] when there is no room for a temporary file. All
/// else is a problem in the report.
pub fn verify(dir: &Path, trust: &LogTrust, extra: &mut Extra<'_>) -> Result<VerifyReport, Error> {
    verify_source(&Paths::new(dir), trust, extra)
}

/// Examines a ledger wherever it is kept. Nothing is written, and nobody waits.
///
/// A published ledger is a copy for others: it has neither salt nor people's keys, objects may stand in it ahead of the
/// checkpoint that will name them, and partial tiles that cannot be removed stay beside the full ones. What is there is
/// examined like the original.
///
/// A place that publishes the log alone ([`Source::is_log_only`]) has no payloads: `extra` is not called, and a notice says
/// what was not looked at.
///
/// # Errors
/// [`Error::NoLedger`] when there is nothing to examine; whatever the place says when it cannot be reached at all;
/// [`Error::Aside`]. All else is a problem in the report.
pub fn verify_source(source: &dyn Source, trust: &LogTrust, extra: &mut Extra<'_>) -> Result<VerifyReport, Error> {
    examine_source(source, trust, &log::as_it_is, &mut Strict(extra))
}

/// As [`verify_source`], for examinations whose cost is worth all cores, and where blobs may be gone if the examiner says so.
/// The examiner gets what `read` made of the entries, in the order of the log.
///
/// # Errors
/// As [`verify_source`].
pub fn examine_source<R: Send>(
    source: &dyn Source,
    trust: &LogTrust,
    read: &Reader<'_, R>,
    examiner: &mut dyn Examiner<R>,
) -> Result<VerifyReport, Error> {
    if let Some(dir) = source.directory() {
        let paths = Paths::new(dir);
        if !paths.tiles_dir().is_dir() {
            return Err(Error::NoLedger { dir: dir.display().to_string() });
        }
        return match Lock::shared(&paths, LOCK_WAIT) {
            Ok(_lock) => verify_directory(&paths, false, trust, read, examiner),
            Err(Error::Busy { .. }) => verify_directory(&paths, true, trust, read, examiner),
            Err(e) => Err(e),
        };
    }
    let snapshot = source.snapshot()?;
    let source = snapshot.as_deref().unwrap_or(source);
    // Where even the log's name is missing no ledger was ever published; with it, everything else is missed by name.
    if source.stat(CHECKPOINT, note::MAX_BYTES as u64)?.is_none()
        && (source.is_log_only() || source.stat(ORIGIN, 1024)?.is_none())
    {
        return Err(Error::NoLedger { dir: source.place() });
    }
    let place = Place { source, files: source, in_files: None, has_log: false, live: None };
    let mut report = examine(&place, trust, read, examiner, VerifyReport::default())?;
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
    /// The directory, where somebody writes to it meanwhile.
    live: Option<&'a Paths>,
}

/// What an interrupted writer acknowledged and did not publish belongs to the ledger: it is examined with the rest.
fn verify_directory<R: Send>(
    paths: &Paths,
    is_live: bool,
    trust: &LogTrust,
    read: &Reader<'_, R>,
    examiner: &mut dyn Examiner<R>,
) -> Result<VerifyReport, Error> {
    let mut report = VerifyReport::default();
    let live = is_live.then_some(paths);
    let names = crate::ledger::names(paths);
    match names.and_then(|(origin, key)| Overlay::read(paths, &origin, std::slice::from_ref(&key))) {
        Ok((overlay, found)) => {
            if found.entries > 0 && !is_live {
                let what = format!(
                    "{} acknowledged entries wait in the write-ahead log; the next append publishes them",
                    found.entries
                );
                report.notices.push(Notice { code: code::UNPUBLISHED, what });
            }
            if found.torn > 0 && !is_live {
                let what = format!(
                    "the write-ahead log ends in {} bytes that are no whole record: an append that was cut short before \
                     anybody was told of it, or a record that was damaged; a checkpoint that is remembered tells which",
                    found.torn
                );
                report.notices.push(Notice { code: code::TORN, what });
            }
            let in_files = Some(overlay.published());
            let place = Place { source: &overlay, files: paths, in_files, has_log: found.any || is_live, live };
            examine(&place, trust, read, examiner, report)
        }
        Err(e) => {
            // The files themselves are examined below; what waits beside them is looked at here only.
            if let Some(place) = e.place().filter(|p| p.file == WAL || wal::segment_first(&p.file).is_some()) {
                report.add(Problem::of(&e, &place.file, None));
            }
            let place = Place { source: paths, files: paths, in_files: None, has_log: is_live, live };
            examine(&place, trust, read, examiner, report)
        }
    }
}

fn examine<R: Send>(
    place: &Place<'_>,
    trust: &LogTrust,
    read: &Reader<'_, R>,
    examiner: &mut dyn Examiner<R>,
    report: VerifyReport,
) -> Result<VerifyReport, Error> {
    let mut examination = Examination {
        source: place.source,
        files: place.files,
        in_files: place.in_files,
        has_log: place.has_log,
        live: place.live,
        is_copy: !place.source.is_original(),
        is_log_only: place.source.is_log_only(),
        trust,
        report,
        edge: Some(Edge::default()),
        own_vkey: None,
        history: history::History::default(),
        streams: streams::Streams::default(),
        referenced: spill::Spill::default(),
        heap: None,
        unread: None,
        doubts: Vec::new(),
        gone: Vec::new(),
        sealed_with: None,
        keys: Vec::new(),
        steps: Vec::new(),
        rotated: Vec::new(),
        taking_over: None,
        second: None,
        to_be_exact: None,
    };
    let checkpoint = roots::examine(&mut examination);
    if let Some(checkpoint) = &checkpoint {
        history::examine(&mut examination, checkpoint);
        log::examine(&mut examination, checkpoint, read, examiner)?;
        keys::finish(&mut examination);
        gone(&mut examination, examiner);
    }
    if !examination.is_log_only {
        inventory::examine(&mut examination, checkpoint.as_ref())?;
    }
    if let Some(checkpoint) = &checkpoint {
        live::settle(&mut examination, checkpoint);
        live::grown(&mut examination, checkpoint);
    }
    Ok(examination.report)
}

/// What is gone and may not be is missing.
fn gone<R>(x: &mut Examination<'_>, examiner: &mut dyn Examiner<R>) {
    let (mut missing, mut unexplained) = (HashSet::new(), 0_u64);
    for (index, digest, kind) in std::mem::take(&mut x.gone) {
        if x.report.unopened > 0 && kind.is_disposable() {
            unexplained += 1;
        } else if examiner.may_be_gone(index) {
            x.report.checked.disposed += 1;
        } else if missing.insert(digest) {
            let file = layout::blob_name(&digest);
            x.error(&Error::MissingBlob { file: file.clone() }, &file, Some(index));
        }
    }
    if unexplained > 0 {
        let what = format!(
            "{unexplained} payloads and attachments are gone; whether they were disposed of stands in payloads that are \
             sealed"
        );
        x.report.notices.push(Notice { code: code::SEALED, what });
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
    /// Whether the place has checkpoint, tiles and entries alone.
    is_log_only: bool,
    trust: &'a LogTrust,
    /// The size that is published in files, where it is less than what was acknowledged.
    in_files: Option<u64>,
    /// Whether a write-ahead log is there: then files it explains may be left over.
    has_log: bool,
    /// The directory, where somebody writes to it meanwhile.
    live: Option<&'a Paths>,
    report: VerifyReport,
    /// The right edge recomputed from the entries; `None` when some of them could not be read at all.
    edge: Option<Edge>,
    /// The log's key, as the ledger itself names it.
    own_vkey: Option<VerifierKey>,
    /// Checkpoints that were seen, until the pass over the log comes by.
    history: history::History,
    /// Versions of streams.
    streams: streams::Streams,
    /// Every blob that an entry speaks of.
    referenced: spill::Spill,
    /// The heap of them that is looked at.
    heap: Option<(u8, Vec<[u8; spill::RECORD]>)>,
    /// The first entry that could not be read, so that what it speaks of is not known.
    unread: Option<u64>,
    /// What a running writer may explain.
    doubts: Vec<live::Doubt>,
    /// Entries that speak of a blob which is not there, the blob, and the entry's kind.
    gone: Vec<(u64, Digest, EventKind)>,
    /// The id of the key that payloads are sealed with, if they are, once entry 0 has said so.
    sealed_with: Option<Option<String>>,
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

impl Examination<'_> {
    fn problem(&mut self, code: &'static str, file: &str, entry: Option<u64>, what: impl Into<String>) {
        self.report.add(Problem::new(code, file, entry, what));
    }

    fn error(&mut self, error: &Error, file: &str, entry: Option<u64>) {
        self.report.add(Problem::of(error, file, entry));
    }

    /// Entry `index` could not be read.
    fn unread(&mut self, index: u64) {
        self.unread = Some(self.unread.map_or(index, |first| first.min(index)));
    }
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
