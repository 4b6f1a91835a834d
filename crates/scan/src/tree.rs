//! Scans everything a source has, on all cores, and turns matches into findings.

use std::borrow::{Borrow, Cow};
use std::collections::HashMap;
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_model::{Digest, Finding, FindingState, Gap, GapKind, Hasher, TreePath};

use crate::Error;
use crate::cache::{Cache, Key};
use crate::engine::{FileResult, Match, Scanner, Values};
use crate::known::{KnownValue, known};
use crate::recur::{self, Looked};
use crate::report::Report;
use crate::rules::{RuleIndex, RuleSet};
use crate::suppress::{Again, Baseline, Declaration, Suppressions};

/// How many items a worker takes at a time: enough to keep a pipelined reader busy, few enough to share the work.
const BATCH: usize = 32;

/// More matches than this are no list that anybody reads, and would fill the memory.
const TOTAL_LIMIT: usize = 200_000;

/// Where files come from: a directory, or a commit's tree read through `git`.
pub trait Source: Sync {
    /// Everything there is to look at.
    ///
    /// # Errors
    /// When nothing can be listed at all. What cannot be looked at alone is a [`Gap`] of the listing.
    fn items(&self) -> Result<Listing, Error>;

    /// A reader for one worker thread. It is asked for only when something has to be read, so that a scan whose
    /// answers all come from the cache starts no process.
    ///
    /// # Errors
    /// When nothing can be read at all.
    fn reader(&self) -> Result<Box<dyn ItemReader + '_>, Error>;
}

/// Reads items, one after the other.
pub trait ItemReader {
    /// These items will be read next, in this order. A reader that talks to a process asks for them all at once;
    /// others need do nothing. At most 32.
    fn announce(&mut self, _items: &[&Item]) {}

    /// The contents of `item`. A stream may be dropped before its end.
    ///
    /// # Errors
    /// The gap that this leaves.
    fn read(&mut self, item: &Item) -> Result<Content<'_>, Gap>;
}

/// What a source lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The files, in the order of their paths.
    pub items: Vec<Item>,
    /// What cannot be looked at.
    pub gaps: Vec<Gap>,
    /// Symbolic links, which are not followed.
    pub links: u64,
}

/// A file to look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    /// Its path inside the tree.
    pub path: TreePath,
    /// The id of its contents in `git`, in hex, where it is known; what is cached is cached under it.
    pub blob: Option<String>,
    /// Its size in bytes, where it is known.
    pub size: Option<u64>,
}

/// The contents of an item.
pub enum Content<'a> {
    /// All of them. Right for files up to 2 MiB.
    Bytes(Cow<'a, [u8]>),
    /// A stream; it is read in bounded memory.
    Stream {
        /// The contents from their beginning.
        reader: Box<dyn Read + 'a>,
        /// Their size in bytes, where it is known; without it even binary contents are read to their end.
        size: Option<u64>,
    },
}

impl std::fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Contents may hold secrets; they do not belong in anybody's log.
        f.write_str(match self {
            Self::Bytes(_) => "Content::Bytes(..)",
            Self::Stream { .. } => "Content::Stream(..)",
        })
    }
}

/// Told how far a scan is. Called from many threads.
pub trait Progress: Sync {
    /// This many files are to be looked at.
    fn total(&self, files: u64);
    /// One file of this size is done.
    fn done(&self, bytes: u64);
}

/// Nobody wants to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn total(&self, _files: u64) {}
    fn done(&self, _bytes: u64) {}
}

/// How a tree is scanned.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Answers of earlier scans.
    pub cache: Option<&'a Cache>,
    /// Told how far it is.
    pub progress: &'a dyn Progress,
    /// Known findings for which suppression is requested.
    pub baseline: Option<&'a Baseline>,
    /// Suppressions the repository's configuration asks for.
    pub declarations: &'a [Declaration],
    /// Findings of an earlier record, by which values are recognised.
    pub recorded: &'a [KnownValue],
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { cache: None, progress: &NoProgress, baseline: None, declarations: &[], recorded: &[] }
    }
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("cache", &self.cache.is_some())
            .field("baseline", &self.baseline)
            .field("declarations", &self.declarations)
            .finish_non_exhaustive()
    }
}

/// The outcome of one item.
pub(crate) struct Outcome {
    pub(crate) result: Result<FileResult, Gap>,
    pub(crate) cached: bool,
}

impl Outcome {
    fn matches(&self) -> usize {
        match &self.result {
            Ok(FileResult::Text { matches, .. }) => matches.len(),
            _ => 0,
        }
    }
}

/// Looks at everything `source` has.
///
/// The report is the same whatever the number of cores, the order of reading and the state of the cache.
///
/// # Errors
/// When the source fails as a whole, a declaration is malformed, or there are more than 200,000 matches. What fails for one file is a gap of the report.
pub fn scan_source(
    source: &dyn Source,
    rules: &RuleSet,
    salt: &[u8; 32],
    options: &Options<'_>,
) -> Result<Report, Error> {
    let suppressions = Suppressions::new(options.declarations, options.baseline)?;
    let Listing { mut items, mut gaps, links } = source.items()?;
    items.sort();
    options.progress.total(items.len() as u64);
    let values = Values::default();
    let scanner = Scanner::new(rules, salt).keeping(&values);
    let outcomes = look(source, &scanner, &items, options, TOTAL_LIMIT)?;
    let looked =
        Looked { source, scanner: &scanner, values: &values, items: &items, outcomes: &outcomes, limit: TOTAL_LIMIT };
    let further = recur::recurrences(&looked, options, &mut gaps)?;

    let mut report = Report::empty(rules);
    report.links = links;
    let mut found: Vec<Placed<'_>> = Vec::new();
    for (n, (item, outcome)) in items.iter().zip(outcomes).enumerate() {
        let mut matches = tally(&mut report, &mut gaps, &item.path, outcome);
        let from = further.partition_point(|(m, _)| *m < n);
        let here: Vec<&Match> = further[from..].iter().take_while(|(m, _)| *m == n).map(|(_, m)| m).collect();
        recur::redact(&mut matches, &here);
        let placed = |again| move |found| Placed { path: &item.path, again, found };
        found.extend(matches.into_iter().map(placed(false)));
        found.extend(here.into_iter().cloned().map(placed(true)));
    }
    gaps.sort();
    gaps.dedup();
    report.gaps = gaps;
    report.findings = findings(found, rules);
    (report.unused_declarations, report.stale_baseline) =
        suppressions.apply(&mut report.findings, Some(&Again { source, items: &items, scanner: &scanner }));
    report.findings.sort_by(|a, b| {
        (&a.path, a.line, &a.rule, a.column, a.fingerprint).cmp(&(&b.path, b.line, &b.rule, b.column, b.fingerprint))
    });
    report.known = known(&report.findings, options.baseline, options.recorded);
    Ok(report)
}

/// Counts what an item came to. What it matched is returned.
pub(crate) fn tally(report: &mut Report, gaps: &mut Vec<Gap>, path: &TreePath, outcome: Outcome) -> Vec<Match> {
    let matches = match outcome.result {
        Err(gap) => {
            gaps.push(gap);
            return Vec::new();
        }
        Ok(FileResult::Binary { bytes }) => {
            report.binary += 1;
            report.bytes += bytes;
            Vec::new()
        }
        Ok(FileResult::Text { matches, bytes, missed }) => {
            report.bytes += bytes;
            if let Some(detail) = missed {
                gaps.push(Gap { path: path.clone(), kind: GapKind::Unreadable, detail });
            }
            matches
        }
    };
    report.files += 1;
    report.cached += u64::from(outcome.cached);
    matches
}

/// Looks at every item, one worker a core, each with a reader of its own. Outcomes come in the order of `items`.
pub(crate) fn look<S: Source + ?Sized, I: Borrow<Item> + Sync>(
    source: &S,
    scanner: &Scanner<'_>,
    items: &[I],
    options: &Options<'_>,
    limit: usize,
) -> Result<Vec<Outcome>, Error> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Vec<Outcome>)>> = Mutex::new(Vec::new());
    let failed: Mutex<Option<Error>> = Mutex::new(None);
    let total = AtomicUsize::new(0);
    let work = || {
        let mut reader = None;
        loop {
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            let Some(batch) = items.get(first..items.len().min(first.saturating_add(BATCH))) else { return };
            if batch.is_empty() {
                return;
            }
            let looked = look_at(source, &mut reader, scanner, batch, options).and_then(|outcomes| {
                let found = outcomes.iter().map(Outcome::matches).sum();
                // Whoever is first to see too many: that there are too many does not depend on it.
                if total.fetch_add(found, Ordering::Relaxed).saturating_add(found) > limit {
                    return Err(Error::TooMany { limit });
                }
                Ok(outcomes)
            });
            match looked {
                Ok(outcomes) => lock(&done).push((first, outcomes)),
                Err(error) => {
                    // The others have nothing left to do: the scan fails as a whole.
                    next.store(items.len(), Ordering::Relaxed);
                    lock(&failed).get_or_insert(error);
                    return;
                }
            }
        }
    };
    if items.len() <= BATCH {
        // For a commit's few files, other threads would take longer to start than to look.
        work();
    } else {
        let workers = rayon::current_num_threads().min(items.len().div_ceil(BATCH));
        rayon::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|_| work());
            }
        });
    }
    if let Some(error) = lock(&failed).take() {
        return Err(error);
    }
    let mut parts = std::mem::take(&mut *lock(&done));
    parts.sort_by_key(|(first, _)| *first);
    Ok(parts.into_iter().flat_map(|(_, outcomes)| outcomes).collect())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A poisoned lock means that another worker panicked, and that panic is passed on when the scope ends.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn look_at<'s, S: Source + ?Sized, I: Borrow<Item>>(
    source: &'s S,
    reader: &mut Option<Box<dyn ItemReader + 's>>,
    scanner: &Scanner<'_>,
    batch: &[I],
    options: &Options<'_>,
) -> Result<Vec<Outcome>, Error> {
    let rules = scanner.rules();
    let keys: Vec<(Vec<u32>, Option<Key>)> = batch
        .iter()
        .map(|item| {
            let item = item.borrow();
            let excluded = rules.excluded(&item.path);
            let key = options.cache.and(item.blob.as_deref()).and_then(|blob| Key::new(blob, &excluded));
            (excluded, key)
        })
        .collect();
    let mut outcomes: Vec<Option<Outcome>> = keys
        .iter()
        .map(|(_, key)| {
            let result = options.cache?.get(key.as_ref()?)?;
            Some(Outcome { result: Ok(result), cached: true })
        })
        .collect();

    let open: Vec<&Item> = batch.iter().zip(&outcomes).filter(|(_, o)| o.is_none()).map(|(i, _)| i.borrow()).collect();
    if !open.is_empty() {
        if reader.is_none() {
            *reader = Some(source.reader()?);
        }
        if let Some(reader) = reader {
            reader.announce(&open);
            for ((item, (excluded, key)), slot) in batch.iter().zip(&keys).zip(&mut outcomes) {
                if slot.is_some() {
                    continue;
                }
                let result = read(reader.as_mut(), item.borrow(), scanner, excluded);
                if let (Some(cache), Some(key), Ok(result)) = (options.cache, key, &result) {
                    cache.put(key, result);
                }
                *slot = Some(Outcome { result, cached: false });
            }
        }
    }
    let outcomes: Vec<Outcome> = outcomes.into_iter().flatten().collect();
    for outcome in &outcomes {
        options.progress.done(match &outcome.result {
            Ok(FileResult::Text { bytes, .. } | FileResult::Binary { bytes }) => *bytes,
            Err(_) => 0,
        });
    }
    Ok(outcomes)
}

fn read(reader: &mut dyn ItemReader, item: &Item, scanner: &Scanner<'_>, excluded: &[u32]) -> Result<FileResult, Gap> {
    match reader.read(item)? {
        Content::Bytes(bytes) => Ok(scanner.bytes(excluded, &bytes)),
        Content::Stream { mut reader, size } => scanner
            .reader(excluded, &mut *reader, size.or(item.size))
            .map_err(|e| Gap { path: item.path.clone(), kind: GapKind::Unreadable, detail: e.kind().to_string() }),
    }
}

/// A match and where it is.
struct Placed<'a> {
    path: &'a TreePath,
    /// Whether a rule found it only because the value was known from elsewhere.
    again: bool,
    found: Match,
}

/// Gives every match its fingerprint. Equal values under one rule are told apart by their order, first by path and then
/// by place, so a moved line or a renamed file changes none of them. Places that are known by their value alone come
/// last, so that they change none of the others.
fn findings(mut found: Vec<Placed<'_>>, rules: &RuleSet) -> Vec<Finding> {
    found.sort_by(|a, b| {
        let key = |p: &Placed<'_>| (p.found.line, p.found.column, p.found.rule);
        (a.again, a.path, &a.found.inside, key(a)).cmp(&(b.again, b.path, &b.found.inside, key(b)))
    });
    let mut seen: HashMap<(RuleIndex, Digest), u64> = HashMap::new();
    found
        .into_iter()
        .map(|Placed { path, found, .. }| {
            let ordinal = seen.entry((found.rule, found.identity)).or_default();
            let finding = finding(path, found, rules, *ordinal);
            *ordinal += 1;
            finding
        })
        .collect()
}

/// The finding that a match is, the `ordinal`th of its value.
pub(crate) fn finding(path: &TreePath, m: Match, rules: &RuleSet, ordinal: u64) -> Finding {
    let rule = rules.rule(m.rule);
    let requested = m.suppression.is_some();
    Finding {
        rule: rule.id.clone(),
        title: rule.title.clone(),
        severity: rule.severity,
        confidence: m.confidence,
        path: match &m.inside {
            Some(inside) => TreePath::from_bytes([path.as_bytes(), b"!/", inside.as_bytes()].concat()),
            None => path.clone(),
        },
        line: m.line,
        column: m.column,
        end_line: m.end_line,
        end_column: m.end_column,
        fingerprint: fingerprint(&rule.id, &m.identity, ordinal),
        controls: rule.controls.clone(),
        cwe: rule.cwe.clone(),
        excerpt: m.excerpt,
        value: Some(m.identity),
        state: if requested { FindingState::SuppressionRequested } else { FindingState::Open },
        reason: m.suppression.map(|mark| mark.reason),
        requested_by: requested.then(|| "inline".to_owned()),
    }
}

/// SHA-256 over the domain, the rule's id, the value's identity and the ordinal among equals, each with its length
/// before it, so that no two different inputs are the same bytes.
pub(crate) fn fingerprint(rule: &str, identity: &Digest, ordinal: u64) -> Digest {
    let mut hasher = Hasher::new();
    for part in [&b"countersign/finding/v1"[..], rule.as_bytes(), identity.as_bytes(), &ordinal.to_be_bytes()] {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finish()
}
