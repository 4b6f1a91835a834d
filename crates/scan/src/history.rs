//! Scans every content that a history brought, once, and says of each value where it came from.
//!
//! In a tree every place with a value is a finding, for each has to be corrected. In a history nothing can be
//! corrected, and a file with a value in it has many versions; so here a value is one finding, at the place where it
//! came first.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use countersign_model::{Digest, Finding, FindingState};
use hmac::Mac as _;
use serde::{Deserialize, Serialize};

use crate::cache::{self, read};
use crate::engine::{FileResult, Match, Scanner};
use crate::report::Report;
use crate::rules::{RuleIndex, RuleSet};
use crate::suppress::Suppressions;
use crate::tree::{Item, NoProgress, Options, Source, finding, fingerprint, look, tally};
use crate::{Error, files};

/// More matches than this in one history are no list that anybody reads, and would fill the memory.
const TOTAL_LIMIT: usize = 1_000_000;

/// Where a finding's value was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// What the source calls the origin of the item that had it first.
    pub origin: String,
    /// The ids of the contents that hold it.
    pub blobs: Vec<String>,
}

/// A history as something to scan.
pub trait Versions: Source {
    /// What brought the `n`th item of the listing: a commit's id. The listing is in the order of time.
    fn origin(&self, n: usize) -> String;

    /// How many items of the listing are files. Those behind them are messages, which belong to no tree.
    fn files(&self) -> usize;

    /// What was there before, where the history is a part of a longer one. A value that stands there is not new.
    fn before(&self) -> Vec<Item>;
}

/// What a scan of a history says, by itself: without suppressions, which may be others the next time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryScan {
    /// The report.
    report: Report,
    /// By fingerprint.
    traces: BTreeMap<Digest, Trace>,
}

impl HistoryScan {
    /// Looks at every content of `source` once for all paths at which the same rules look.
    ///
    /// # Errors
    /// When the source fails as a whole, or there are more than a million matches.
    pub fn of(source: &dyn Versions, rules: &RuleSet, salt: &[u8; 32], options: &Options<'_>) -> Result<Self, Error> {
        let listing = source.items()?;
        let mut seen = HashSet::new();
        // (place in the listing, item)
        let mut once: Vec<(usize, Item)> = Vec::new();
        for (n, item) in listing.items.into_iter().enumerate() {
            if seen.insert((item.blob.clone(), rules.excluded(&item.path))) {
                once.push((n, item));
            }
        }
        drop(seen);
        // Versions of one file one after the other, the newest first: that is how git keeps their differences.
        once.sort_by(|(an, a), (bn, b)| a.path.cmp(&b.path).then(bn.cmp(an)));
        let (places, items): (Vec<usize>, Vec<Item>) = once.into_iter().unzip();
        options.progress.total(items.len() as u64);
        let scanner = Scanner::new(rules, salt);
        let outcomes = look(source, &scanner, &items, options, TOTAL_LIMIT)?;
        // What cannot be read holds nothing that is known: then everything is new.
        let quiet = Options { progress: &NoProgress, ..*options };
        let before = look(source, &scanner, &source.before(), &quiet, TOTAL_LIMIT)?;
        let before: HashSet<(RuleIndex, Digest)> = before
            .into_iter()
            .filter_map(|outcome| outcome.result.ok())
            .flat_map(|result| match result {
                FileResult::Text { matches, .. } => matches,
                FileResult::Binary { .. } => Vec::new(),
            })
            .map(|m| (m.rule, m.identity))
            .collect();

        let mut report = Report::empty(rules);
        report.links = listing.links;
        let mut gaps = listing.gaps;
        let mut found: Vec<(usize, &Item, Match)> = Vec::new();
        let mut messages = 0;
        for ((item, place), outcome) in items.iter().zip(&places).zip(outcomes) {
            let matches = tally(&mut report, &mut gaps, &item.path, outcome);
            if *place >= source.files() {
                messages += 1;
            }
            let new = matches.into_iter().filter(|m| !before.contains(&(m.rule, m.identity)));
            found.extend(new.map(|m| (*place, item, m)));
        }
        report.files = report.files.saturating_sub(messages);
        gaps.sort();
        gaps.dedup();
        report.gaps = gaps;
        found.sort_by(|(an, _, a), (bn, _, b)| {
            (an, &a.inside, a.line, a.column, a.rule).cmp(&(bn, &b.inside, b.line, b.column, b.rule))
        });
        let mut known: HashMap<(RuleIndex, Digest), usize> = HashMap::new();
        let mut traces = BTreeMap::new();
        for (place, item, m) in found {
            let id = rules.rule(m.rule).id.as_str();
            let print = fingerprint(id, &m.identity, 0);
            let blob = item.blob.clone().unwrap_or_default();
            let at = *known.entry((m.rule, m.identity)).or_insert(report.findings.len());
            if at == report.findings.len() {
                let trace = Trace { origin: source.origin(place), blobs: vec![blob] };
                traces.insert(print, trace);
                report.findings.push(finding(&item.path, m, rules, 0));
                continue;
            }
            if let Some(trace) = traces.get_mut(&print)
                && trace.blobs.last() != Some(&blob)
            {
                trace.blobs.push(blob);
            }
            // What the newest version asks for is what is asked for.
            if let Some(first) = report.findings.get_mut(at) {
                request(first, m);
            }
        }
        sort(&mut report.findings);
        Ok(Self { report, traces })
    }

    /// The same, with what only git knows: how many commits there were, and how many submodules.
    #[must_use]
    pub fn of_commits(mut self, commits: u64, submodules: u64) -> Self {
        self.report.commits = Some(commits);
        self.report.submodules = submodules;
        self
    }

    /// Whether everything was looked at.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.report.is_complete()
    }

    /// The report, what `options` ask to suppress applied, and where each finding's value was met.
    ///
    /// # Errors
    /// When a declaration is malformed.
    pub fn finish(mut self, options: &Options<'_>) -> Result<(Report, BTreeMap<Digest, Trace>), Error> {
        Suppressions::new(options.declarations, options.baseline)?.apply(&mut self.report.findings, None);
        Ok((self.report, self.traces))
    }
}

fn request(finding: &mut Finding, later: Match) {
    let requested = later.suppression.is_some();
    finding.state = if requested { FindingState::SuppressionRequested } else { FindingState::Open };
    finding.reason = later.suppression.map(|mark| mark.reason);
    finding.requested_by = requested.then(|| "inline".to_owned());
}

fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        (&a.path, a.line, &a.rule, a.column, a.fingerprint).cmp(&(&b.path, b.line, &b.rule, b.column, b.fingerprint))
    });
}

/// The answer of the last scan of a whole history, for the case that nothing came since. A file of its own, with a
/// checksum keyed with the salt as that of the [`Cache`](crate::Cache).
#[derive(Debug)]
pub struct HistoryRecord {
    file: PathBuf,
    salt: [u8; 32],
    state: Digest,
}

const DOMAIN: &[u8] = b"countersign/history-record/v1\0";

impl HistoryRecord {
    /// The record in `dir` for these rules and this salt, of a history in this state.
    #[must_use]
    pub fn new(dir: &Path, rules: &Digest, salt: &[u8; 32], state: &Digest) -> Self {
        let mut named = DOMAIN.to_vec();
        named.extend_from_slice(rules.as_bytes());
        named.extend_from_slice(salt);
        let name = Digest::of(&named).hex();
        let file = dir.join(format!("history-{}.bin", name.get(..32).unwrap_or_default()));
        Self { file, salt: *salt, state: *state }
    }

    /// The recorded scan; `None` when there is none of this very state, or it is not what was written.
    #[must_use]
    pub fn get(&self) -> Option<HistoryScan> {
        let bytes = read(&self.file).ok()?;
        let (sum, body) = bytes.split_at_checked(32)?;
        let state = body.get(..32)?;
        self.mac(body).verify_slice(sum).ok()?;
        (state == self.state.as_bytes()).then(|| serde_json::from_slice(body.get(32..)?).ok()).flatten()
    }

    /// Keeps a scan in place of the one before. One that is not complete is not kept: the next tries again.
    ///
    /// # Errors
    /// When the file cannot be written. The scan's answer stands all the same.
    pub fn put(&self, scan: &HistoryScan) -> Result<(), Error> {
        if !scan.is_complete() {
            return Ok(());
        }
        let fault = |source| Error::CacheWrite { file: self.file.clone(), source };
        let mut body = self.state.as_bytes().to_vec();
        serde_json::to_writer(&mut body, scan).map_err(|e| fault(e.into()))?;
        let mut bytes = self.mac(&body).finalize().into_bytes().to_vec();
        bytes.append(&mut body);
        if let Some(dir) = self.file.parent() {
            std::fs::create_dir_all(dir).map_err(fault)?;
        }
        files::replace(&self.file, &bytes).map_err(fault)
    }

    fn mac(&self, body: &[u8]) -> hmac::Hmac<sha2::Sha256> {
        cache::mac(&self.salt, DOMAIN, body)
    }
}
