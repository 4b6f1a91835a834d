//! What a scan says, and the forms it is written in.
//!
//! | writer | for |
//! |---|---|
//! | [`text`] | people at a terminal |
//! | [`json`] | programs; versioned |
//! | [`sarif`] | code scanning (OASIS SARIF 2.1.0) |
//! | [`junit`] | test reports of CI systems |
//! | [`github`] | annotations by workflow commands |
//! | [`gitlab`] | Code Quality reports |
//!
//! Every writer shows gaps beside findings: what could not be looked at is no smaller matter than what was found.

pub mod github;
pub mod gitlab;
pub mod json;
pub mod junit;
pub mod sarif;
pub mod text;

use std::collections::BTreeMap;

use countersign_model::{Digest, Finding, FindingState, Gap, Severity, Timestamp, TreePath};
use serde::{Deserialize, Serialize};

use crate::engine::is_printable;
use crate::known::Known;
use crate::rules::RuleSet;
use crate::suppress::{BaselineEntry, Declaration};

/// The outcome of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// What was found, sorted by path, line and rule.
    pub findings: Vec<Finding>,
    /// What could not be looked at, sorted.
    pub gaps: Vec<Gap>,
    /// Files that were looked at, binary ones included.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// How many of them are binary, in which nothing is searched for.
    pub binary: u64,
    /// Symbolic links, which are not followed.
    pub links: u64,
    /// Submodules that were not entered: what is in them is committed, and looked at, in a repository of its own.
    #[serde(default)]
    pub submodules: u64,
    /// How many commits were looked at, where a history was.
    #[serde(default)]
    pub commits: Option<u64>,
    /// Where findings came from, by fingerprint, where a history was looked at.
    #[serde(default)]
    pub origins: BTreeMap<Digest, Origin>,
    /// What is known of findings' values from elsewhere, by fingerprint.
    #[serde(default)]
    pub known: BTreeMap<Digest, Known>,
    /// How many answers came from the cache.
    pub cached: u64,
    /// What stands for the rules that looked.
    pub rules_digest: Digest,
    /// How many rules looked, without the built-in ones.
    pub rules: u64,
    /// Declared suppressions that speak for no finding.
    pub unused_declarations: Vec<Declaration>,
    /// Entries of the baseline that match no finding.
    pub stale_baseline: Vec<BaselineEntry>,
}

/// The commit with which a finding's value came first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The commit's full id.
    pub commit: String,
    /// The author's name and address as they stand in the commit. Whoever wrote the commit chose them.
    pub author: String,
    /// When the author says it was written.
    pub date: Timestamp,
    /// Who signed the commit, as far as that is proved: a person's name or id. `None`: nobody has been proved.
    pub verified: Option<String>,
    /// What the proof is, or why there is none.
    pub identity: String,
    /// Whether the value is in the tree of `HEAD`, or in the message of a commit that `HEAD` goes back to.
    pub at_head: bool,
}

impl Origin {
    /// `first in 0123456789ab of 2026-01-02 by NAME <ADDRESS> (not verified: …); still at HEAD`.
    fn describe(&self) -> String {
        let commit = self.commit.get(..12).unwrap_or(&self.commit);
        let date = self.date.to_string();
        let day = date.get(..10).unwrap_or(&date);
        let who = match &self.verified {
            Some(person) => format!("verified: {person}, {}", self.identity),
            None => format!("not verified: {}", self.identity),
        };
        let now = if self.at_head { "still at HEAD" } else { "no longer at HEAD" };
        format!("first in {commit} of {day} by {} ({who}); {now}", self.author)
    }
}

impl Report {
    /// Where a finding came from, in words, where that is known.
    fn origin_of(&self, finding: &Finding) -> Option<String> {
        self.origins.get(&finding.fingerprint).map(|o| printable(&o.describe()))
    }

    /// What a finding says in one line, where it came from included.
    fn message(&self, finding: &Finding) -> String {
        let parts = [Some(message(finding)), self.known_of(finding), self.origin_of(finding)];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// What is known of a finding's value from elsewhere, in words.
    fn known_of(&self, finding: &Finding) -> Option<String> {
        self.known.get(&finding.fingerprint).map(|k| printable(&k.describe()))
    }

    /// A report of nothing, by these rules.
    #[must_use]
    pub fn empty(rules: &RuleSet) -> Self {
        Self {
            findings: Vec::new(),
            gaps: Vec::new(),
            files: 0,
            bytes: 0,
            binary: 0,
            links: 0,
            submodules: 0,
            commits: None,
            origins: BTreeMap::new(),
            known: BTreeMap::new(),
            cached: 0,
            rules_digest: rules.digest(),
            rules: rules.rules().len() as u64,
            unused_declarations: Vec::new(),
            stale_baseline: Vec::new(),
        }
    }

    /// Whether everything was looked at.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.gaps.is_empty()
    }

    /// The findings that count.
    pub fn open(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.state == FindingState::Open)
    }
}

/// The name under which gaps are reported where a format wants one.
const GAP: &str = "scan/gap";

/// What a finding says in one line, apart from where it is.
fn message(finding: &Finding) -> String {
    let mut text = finding.title.clone();
    match finding.state {
        FindingState::Open => {}
        FindingState::SuppressionRequested => text.push_str(" (suppression requested)"),
        FindingState::SuppressionGranted => text.push_str(" (suppression granted)"),
    }
    text
}

/// What a gap says in one line, apart from where it is.
fn gap_message(gap: &Gap) -> String {
    format!("could not be looked at: {} ({})", gap.kind, gap.detail)
}

/// The level that systems with three levels know.
const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// The path as other programs expect it: text, with what is no text replaced. Only for formats whose readers would not
/// undo an escape.
fn plain(path: &TreePath) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}

/// A text without characters that a terminal obeys or that hide others. Reasons and details come from the tree.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_printable(c) {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    }
    out
}

/// `one file`, `2 files`.
fn counted(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}
