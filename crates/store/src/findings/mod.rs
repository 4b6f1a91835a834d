//! The index of findings: what was found anywhere, grouped by repository and fingerprint, so that "what to fix first?" is answered
//! without reading a record.
//!
//! The fold does not look into scan records: they may be far away, and no event depends on what stands in them. This index does,
//! beside it and on demand, in a database of its own with a cursor of its own. It is a cache like the projection: it can be thrown
//! away at any time, and what is brought up step by step is what is built from the beginning.
//!
//! | file | holds |
//! |---|---|
//! | `table.rs` | its tables, opening, what makes it void |
//! | `update.rs` | a look (a scan record, a tool's report) taken in; a disposed one taken out; how findings stand |
//! | `ask.rs` | a list in order of risk, its counts, one finding |
//! | `periods.rs` | what an audit's period has of each bucket, remembered |
//!
//! **A bucket** is all findings of one repository, rule, severity, set of controls and state. A list and every number that leads to it
//! are read from the same buckets, whose number does not grow with the findings: a page of a million costs what one of a thousand
//! does. Within a bucket risk is the same, and the order is by the day until which a finding should be answered.
//!
//! **Open** is what the newest look of the tool that saw it, in that repository, still sees. A look that could not see everything
//! (a gap at that path, an incomplete report, one of several reports of a tool for one run) closes nothing.

mod ask;
mod periods;
mod table;
mod update;

use std::sync::Arc;

use countersign_model::{Confidence, Digest, PayloadRef, RunId, Severity, Timestamp, TreePath};
use rusqlite::Connection;

pub use ask::{Asked, Counts, Cursor, Line, Listed, LookLine, Names, One, Page};
pub use periods::Periods;
pub use update::{Candidate, Meta, New, Unsettled};

/// An open index.
#[derive(Debug)]
pub struct Index {
    db: Connection,
    periods: Option<Arc<Periods>>,
}

/// What an index belongs to: another log, another pin or another catalogue makes it void.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    /// The log's origin.
    pub origin: String,
    /// The root of trust that is pinned, in words; empty where none is.
    pub pinned: String,
    /// Digest of the catalogue that says within what time a finding is answered.
    pub catalogue: String,
}

/// Where a finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It counts.
    Open,
    /// Somebody who is no author granted a suppression.
    Suppressed,
    /// A waiver in force covers it.
    Waived,
    /// The newest look sees it no more.
    Fixed,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Open, Self::Suppressed, Self::Waived, Self::Fixed];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Suppressed => "suppressed",
            Self::Waived => "waived",
            Self::Fixed => "fixed",
        }
    }

    /// From the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    const fn code(self) -> u8 {
        self as u8
    }
}

/// Every severity, from the worst on.
pub const SEVERITIES: [Severity; 5] =
    [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];

/// What a severity weighs: each twice the one below. A repository's factor multiplies it.
const fn weight(severity: Severity) -> u64 {
    match severity {
        Severity::Critical => 16,
        Severity::High => 8,
        Severity::Medium => 4,
        Severity::Low => 2,
        Severity::Info => 1,
    }
}

/// The risk of a finding: the weight of its severity (info 1, low 2, medium 4, high 8, critical 16) times how much depends on the
/// repository's application.
#[must_use]
pub const fn risk(severity: Severity, factor: u8) -> u64 {
    weight(severity).saturating_mul(factor as u64)
}

/// An entry of the log that says what was found, as the projection has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookRow {
    /// Log index.
    pub index: u64,
    /// When it was appended.
    pub time: Timestamp,
    /// The run.
    pub run: RunId,
    /// The repository's identity.
    pub repository: Option<String>,
    /// The commit.
    pub commit: String,
    /// The record with the findings.
    pub record: PayloadRef,
    /// Whether it was read out of another tool's report.
    pub is_report: bool,
}

/// What one tool saw in one run.
#[derive(Debug, Clone)]
pub struct Look {
    /// The tool.
    pub tool: String,
    /// What it found.
    pub findings: Vec<Seen>,
    /// Where it could not look.
    pub gaps: Vec<TreePath>,
    /// Whether it says all; what it does not see is fixed only then.
    pub is_complete: bool,
    /// Whether another report of the same tool for the same run adds to it, instead of taking its place.
    pub adds: bool,
}

/// A finding as a look has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The rule's id.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// Where.
    pub path: TreePath,
    /// First line, from 1.
    pub line: u32,
    /// Survives moves and renames.
    pub fingerprint: Digest,
    /// Controls the rule serves.
    pub controls: Vec<String>,
    /// Weakness ids.
    pub cwe: Vec<String>,
    /// What another tool calls it.
    pub title: Option<String>,
    /// The line with the value taken out, where the record has it.
    pub excerpt: Option<String>,
    /// What asks for its suppression.
    pub asked: Option<String>,
    /// The reason given with it.
    pub reason: Option<String>,
}
