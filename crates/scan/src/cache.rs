//! Answers of earlier scans, by contents.
//!
//! One file for one set of rules and one salt. Most of it is a table of fixed-size records, sorted, which is read and
//! searched as it lies; loading ten thousand of them is one read and one HMAC. The HMAC is keyed with the salt: whoever
//! cannot compute identities cannot plant a "clean" either. It holds excerpts and identities, never values.
//!
//! ```text
//! magic  8 | HMAC-SHA256 of all that follows  32 | number of records, u64 BE  8
//! record: blob id, zero-padded  32 | length of the id  1 | excluded rules  8 | kind  1 | bytes, u64 BE  8
//! tail:   JSON: the matches of the records of kind 2 in their order; the values that contents were searched for because they
//!         were found elsewhere, and what the records that were searched for all of them (kind + 128) hold of them
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign_model::{Confidence, Digest, digest};
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::engine::{FileResult, InlineMark, Match};
use crate::error::CacheWarning;
use crate::recur::SoughtSet;
use crate::rules::RuleIndex;
use crate::{Error, files};

const DOMAIN: &[u8] = b"countersign/scan-cache/v2\0";
const MAGIC: &[u8; 8] = b"CSSCAN03";
const HEAD: usize = 8 + 32 + 8;
const RECORD: usize = 32 + 1 + 8 + 1 + 8;
const KEY: usize = 41;

const BINARY: u8 = 0;
const CLEAN: u8 = 1;
const MATCHES: u8 = 2;
/// Added to the kind of contents that were searched for every value of the cache's set.
const SEARCHED: u8 = 128;

/// No cache is larger; one that is would take longer to read than it saves.
const MAX_FILE: u64 = 512 * 1024 * 1024;

/// A cache on disk and what this scan adds to it.
pub struct Cache {
    file: PathBuf,
    salt: [u8; 32],
    /// The table as it was read.
    records: Vec<u8>,
    /// The matches of the table's records, by their place in the table.
    matches: BTreeMap<usize, Vec<Match>>,
    /// Which records were asked for.
    used: Vec<AtomicBool>,
    added: Mutex<BTreeMap<Key, FileResult>>,
    /// The values, each with its rule, that the records marked [`SEARCHED`] were searched for.
    sought: BTreeSet<Pair>,
    /// What those hold of them, by their place in the table; none where nothing is said.
    recurred: BTreeMap<usize, Vec<Match>>,
    /// What this scan looks for, once that is known, and what it found of it.
    seeking: Mutex<Option<SoughtSet>>,
    recurred_now: Mutex<BTreeMap<Key, Vec<Match>>>,
}

/// A value by its identity, and the rule it counts for.
type Pair = (Digest, u32);

/// What stands behind the table.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tail {
    matches: Vec<Vec<WireMatch>>,
    sought: BTreeSet<Pair>,
    recurred: BTreeMap<u64, Vec<WireMatch>>,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("file", &self.file).field("entries", &self.used.len()).finish_non_exhaustive()
    }
}

/// What contents are known by: their id in `git`, and which rules do not look at them because of their path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key([u8; KEY]);

impl Key {
    /// `None` when `blob` is no id.
    pub(crate) fn new(blob: &str, excluded: &[u32]) -> Option<Self> {
        let id = digest::from_hex(blob).filter(|id| (20..=32).contains(&id.len()))?;
        let mut key = [0; KEY];
        key[..id.len()].copy_from_slice(&id);
        key[32] = u8::try_from(id.len()).ok()?;
        if !excluded.is_empty() {
            let list: Vec<u8> = excluded.iter().flat_map(|r| r.to_be_bytes()).collect();
            key[33..].copy_from_slice(Digest::of(&list).as_bytes().get(..8)?);
        }
        Some(Self(key))
    }
}

impl Cache {
    /// Opens the cache in `dir` for these rules and this salt. A file that is not there is an empty cache; one that is
    /// broken is too, and the warning says so.
    #[must_use]
    pub fn open(dir: &Path, rules: &Digest, salt: &[u8; 32]) -> (Self, Option<CacheWarning>) {
        // Not the salt and not its digest alone, which would let somebody test a guess on another machine's cache.
        let mut named = DOMAIN.to_vec();
        named.extend_from_slice(rules.as_bytes());
        named.extend_from_slice(salt);
        let file = dir.join(format!("scan-{}.bin", Digest::of(&named).hex().get(..32).unwrap_or_default()));
        let mut cache = Self {
            file,
            salt: *salt,
            records: Vec::new(),
            matches: BTreeMap::new(),
            used: Vec::new(),
            added: Mutex::default(),
            sought: BTreeSet::new(),
            recurred: BTreeMap::new(),
            seeking: Mutex::default(),
            recurred_now: Mutex::default(),
        };
        let warning = match read(&cache.file) {
            Ok(bytes) => cache.load(bytes).err().map(str::to_owned),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => Some(e.kind().to_string()),
        };
        let warning = warning.map(|why| CacheWarning { file: cache.file.clone(), why });
        (cache, warning)
    }

    fn load(&mut self, mut bytes: Vec<u8>) -> Result<(), &'static str> {
        const SHORT: &str = "it is too short";
        let head = bytes.get(..HEAD).ok_or(SHORT)?;
        if !head.starts_with(MAGIC) {
            return Err("it is of another version, or no cache");
        }
        let mac = mac(&self.salt, DOMAIN, &bytes[40..]);
        if mac.clone().verify_slice(&head[8..40]).is_err() {
            return Err("its checksum does not fit");
        }
        let count = head[40..48].try_into().map(u64::from_be_bytes).ok().and_then(|n| usize::try_from(n).ok());
        let count = count.ok_or(SHORT)?;
        let table = count.checked_mul(RECORD).and_then(|n| n.checked_add(HEAD)).ok_or(SHORT)?;
        let tail = bytes.get(table..).ok_or(SHORT)?;
        let Tail { matches, sought, recurred } =
            serde_json::from_slice(tail).map_err(|_| "its matches cannot be read")?;
        self.sought = sought;
        for (place, found) in recurred {
            let place = usize::try_from(place).map_err(|_| SHORT)?;
            self.recurred.insert(place, found.into_iter().map(Match::from).collect());
        }
        let places = (0..count).filter(|n| bytes[HEAD + n * RECORD + KEY] & !SEARCHED == MATCHES);
        let mut list = matches.into_iter();
        for place in places {
            let found = list.next().ok_or("matches are missing")?;
            self.matches.insert(place, found.into_iter().map(Match::from).collect());
        }
        bytes.truncate(table);
        bytes.drain(..HEAD);
        self.records = bytes;
        self.used.resize_with(count, AtomicBool::default);
        Ok(())
    }

    /// The answer for `key`, if it is known.
    pub(crate) fn get(&self, key: &Key) -> Option<FileResult> {
        let place = self.find(key)?;
        let record = self.record(place)?;
        let bytes = record[KEY + 1..].try_into().map(u64::from_be_bytes).ok()?;
        let result = match record[KEY] & !SEARCHED {
            BINARY => FileResult::Binary { bytes },
            CLEAN => FileResult::Text { matches: Vec::new(), bytes, missed: None },
            MATCHES => FileResult::Text { matches: self.matches.get(&place)?.clone(), bytes, missed: None },
            _ => return None,
        };
        self.used.get(place)?.store(true, Ordering::Relaxed);
        Some(result)
    }

    /// Remembers an answer. One that is incomplete is not remembered: the next scan tries again.
    pub(crate) fn put(&self, key: &Key, result: &FileResult) {
        if !matches!(result, FileResult::Text { missed: Some(_), .. }) {
            lock(&self.added).insert(key.clone(), result.clone());
        }
    }

    /// What this scan looks for a second time. Asked before [`Cache::recurred`].
    pub(crate) fn seek(&self, sought: &SoughtSet) {
        *lock(&self.seeking) = Some(sought.clone());
    }

    /// What contents hold of what this scan looks for, where they were searched for all of it.
    pub(crate) fn recurred(&self, key: &Key) -> Option<Vec<Match>> {
        let seeking = lock(&self.seeking);
        let seeking = seeking.as_ref()?;
        if !seeking.values().all(|s| self.sought.contains(&(s.identity, s.rule.0))) {
            return None;
        }
        let place = self.find(key).filter(|place| self.is_searched(*place))?;
        let known = self.recurred.get(&place).map_or(&[][..], Vec::as_slice);
        Some(only(known, seeking))
    }

    /// Remembers what contents hold of what this scan looks for.
    pub(crate) fn put_recurred(&self, key: Key, found: &[Match]) {
        lock(&self.recurred_now).insert(key, found.to_vec());
    }

    fn is_searched(&self, place: usize) -> bool {
        self.record(place).is_some_and(|record| record[KEY] & SEARCHED != 0)
    }

    fn record(&self, place: usize) -> Option<&[u8]> {
        self.records.get(place.checked_mul(RECORD)?..)?.get(..RECORD)
    }

    fn find(&self, key: &Key) -> Option<usize> {
        let (mut low, mut high) = (0, self.used.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.record(middle)?[..KEY].cmp(&key.0) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    /// Writes the cache: what this scan asked for and what it learned. Nothing is written when both are what the file
    /// already holds.
    ///
    /// # Errors
    /// When the file cannot be written. The scan's answer stands all the same.
    pub fn save(&self) -> Result<(), Error> {
        let added = lock(&self.added);
        let now = lock(&self.recurred_now);
        let seeking = lock(&self.seeking);
        // A scan that looked for nothing a second time leaves what others looked for; one that did, leaves its own.
        let sought: BTreeSet<Pair> = match seeking.as_ref() {
            Some(seeking) => seeking.values().map(|s| (s.identity, s.rule.0)).collect(),
            None => self.sought.clone(),
        };
        let known = added.is_empty() && self.used.iter().all(|u| u.load(Ordering::Relaxed));
        if known && now.is_empty() && sought == self.sought {
            return Ok(());
        }
        let still = sought.is_subset(&self.sought);
        let mut entries = Entries::new();
        for (place, _) in self.used.iter().enumerate().filter(|(_, u)| u.load(Ordering::Relaxed)) {
            if let Some(record) = self.record(place) {
                let mut rest: [u8; RECORD - KEY] = record[KEY..].try_into().unwrap_or_default();
                rest[0] &= !SEARCHED;
                let recurred = (still && self.is_searched(place)).then(|| {
                    let known = self.recurred.get(&place).map_or(&[][..], Vec::as_slice);
                    known.iter().filter(|m| sought.contains(&(m.identity, m.rule.0))).cloned().collect()
                });
                let matches = self.matches.get(&place).map(Vec::as_slice);
                entries.insert(&record[..KEY], Entry { rest, matches, recurred });
            }
        }
        for (key, result) in added.iter() {
            let (kind, bytes, matches) = match result {
                FileResult::Binary { bytes } => (BINARY, bytes, None),
                FileResult::Text { matches, bytes, .. } if matches.is_empty() => (CLEAN, bytes, None),
                FileResult::Text { matches, bytes, .. } => (MATCHES, bytes, Some(matches.as_slice())),
            };
            let mut rest = [0; RECORD - KEY];
            rest[0] = kind;
            rest[1..].copy_from_slice(&bytes.to_be_bytes());
            entries.insert(&key.0, Entry { rest, matches, recurred: None });
        }
        for (key, found) in now.iter() {
            if let Some(entry) = entries.get_mut(&key.0[..]) {
                entry.recurred = Some(found.clone());
            }
        }
        let fault = |source| Error::CacheWrite { file: self.file.clone(), source };
        let bytes = write(&self.salt, entries, sought).map_err(fault)?;
        if let Some(dir) = self.file.parent() {
            fs::create_dir_all(dir).map_err(fault)?;
        }
        files::replace(&self.file, &bytes).map_err(fault)
    }
}

/// Those of `known` that this scan looks for, as sure as it is of them.
fn only(known: &[Match], seeking: &SoughtSet) -> Vec<Match> {
    let one = |m: &Match| {
        let sought = seeking.get(&m.identity).filter(|s| s.rule == m.rule)?;
        Some(Match { confidence: sought.confidence, ..m.clone() })
    };
    known.iter().filter_map(one).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What is to be written of one record besides its key.
struct Entry<'a> {
    rest: [u8; RECORD - KEY],
    matches: Option<&'a [Match]>,
    /// What it holds of what was looked for, where it was searched.
    recurred: Option<Vec<Match>>,
}

/// What is to be written, by key.
type Entries<'a> = BTreeMap<&'a [u8], Entry<'a>>;

fn write(salt: &[u8; 32], entries: Entries<'_>, sought: BTreeSet<Pair>) -> io::Result<Vec<u8>> {
    let mut body = Vec::with_capacity(8 + entries.len() * RECORD);
    body.extend_from_slice(&(entries.len() as u64).to_be_bytes());
    let mut tail = Tail { matches: Vec::new(), sought, recurred: BTreeMap::new() };
    let wire = |matches: &[Match]| matches.iter().map(WireMatch::from).collect::<Vec<_>>();
    for ((key, entry), place) in entries.into_iter().zip(0_u64..) {
        let Entry { mut rest, matches, recurred } = entry;
        if let Some(found) = recurred {
            rest[0] |= SEARCHED;
            if !found.is_empty() {
                tail.recurred.insert(place, wire(&found));
            }
        }
        body.extend_from_slice(key);
        body.extend_from_slice(&rest);
        tail.matches.extend(matches.map(wire));
    }
    serde_json::to_writer(&mut body, &tail)?;
    let mut out = Vec::with_capacity(40 + body.len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&mac(salt, DOMAIN, &body).finalize().into_bytes());
    out.append(&mut body);
    Ok(out)
}

/// The checksum of a file that is kept here, keyed with the salt, for one purpose.
pub(crate) fn mac(salt: &[u8; 32], domain: &[u8], body: &[u8]) -> Hmac<Sha256> {
    let mut block = [0_u8; 64];
    block[..32].copy_from_slice(salt);
    let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into());
    // Apart from the identities of values, which are made with the same key.
    mac.update(domain);
    mac.update(body);
    mac
}

pub(crate) fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// A match as the cache writes it. The rule is an index: the file is for one set of rules.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireMatch {
    rule: u32,
    place: [u32; 4],
    identity: Digest,
    excerpt: String,
    confidence: Confidence,
    reason: Option<String>,
    inside: Option<String>,
    telling: bool,
}

impl From<&Match> for WireMatch {
    fn from(m: &Match) -> Self {
        Self {
            rule: m.rule.0,
            place: [m.line, m.column, m.end_line, m.end_column],
            identity: m.identity,
            excerpt: m.excerpt.clone(),
            confidence: m.confidence,
            reason: m.suppression.as_ref().map(|s| s.reason.clone()),
            inside: m.inside.clone(),
            telling: m.telling,
        }
    }
}

impl From<WireMatch> for Match {
    fn from(m: WireMatch) -> Self {
        let [line, column, end_line, end_column] = m.place;
        Self {
            rule: RuleIndex(m.rule),
            inside: m.inside,
            line,
            column,
            end_line,
            end_column,
            identity: m.identity,
            excerpt: m.excerpt,
            confidence: m.confidence,
            suppression: m.reason.map(|reason| InlineMark { reason }),
            telling: m.telling,
        }
    }
}
