//! Looks: walks trees, matches rules, reports findings.
//!
//! This room answers one question: what in these files should not be there, and what could not be looked at? It decides
//! nothing about it. It needs no network, no server, no clock and no process of its own.
//!
//! ```text
//!  Source ──items──▶ Scanner ──matches──▶ fingerprints ──▶ suppressions ──▶ Report ──▶ text json sarif junit …
//!  (Walk, a git      (one pass:           (value's HMAC,   (only ever       (findings,
//!   tree, …)          keywords, windows,   rule, ordinal)   requests)        gaps, counts)
//!                     regex, proof)
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `rules` | [`RuleSet`], [`Rule`]: YAML files, read strictly, compiled lazily, one digest for all |
//! | `engine` | [`Scanner`]: one pass over the bytes, in bounded memory |
//! | `family` | what a family of rules brings to the engine |
//! | `secrets` | the family of rules for secrets: expressions, entropy, structural proofs |
//! | `foreign` | rules of gitleaks, betterleaks, kingfisher and noseyparker |
//! | [`references`] | where a value may be kept instead, by kind of file |
//! | `pii` | the family of rules for personal data, payment cards, accounts and market data: forms, check digits, tables |
//! | `tree` | [`scan_source`], [`Source`]: everything in a tree, on all cores |
//! | `recur` | values that were found once, looked for in everything else |
//! | `history` | [`HistoryScan`]: every content that a history brought, once |
//! | `walk` | [`Walk`]: a directory as a source |
//! | `suppress` | [`Declaration`], [`Baseline`]: requests that findings not count |
//! | [`import`] | reports of other tools, made findings of ours |
//! | `cache` | [`Cache`]: answers of earlier scans, by contents |
//! | [`report`] | [`Report`] and its forms |
//!
//! # Promises
//!
//! - **Values stay inside.** A [`Match`] holds an HMAC and an excerpt without the value; no `Debug` shows one.
//! - **"Could not look" is never "clean".** What cannot be read, listed or applied is a gap of the report.
//! - **The same tree gives the same report**, whatever the cores, the cache, the clock and the machine.
//! - **Memory is bounded**, and no input panics or takes more than linear time: expressions have no backtracking, large
//!   files are read in pieces, lines of any length are one more kind of text.
//! - **A suppression is a request.** Marks, declarations and baselines change a finding's state, never its presence.
//!
//! # Adding a family of rules
//!
//! A family is a folder beside `secrets` that implements the trait `family::Detector`, and a folder in `rules/`.

mod cache;
mod engine;
mod error;
mod explain;
mod family;
mod files;
mod foreign;
mod history;
pub mod import;
mod known;
mod pii;
mod recur;
pub mod references;
pub mod report;
mod rules;
mod secrets;
mod suppress;
mod tree;
mod walk;

pub use cache::Cache;
pub use engine::{FileResult, InlineMark, Match, Scanner};
pub use error::{CacheWarning, Error, SourceError};
pub use explain::EXPLANATIONS;
pub use foreign::{ForeignAllow, ForeignMatch, Target};
pub use history::{HistoryRecord, HistoryScan, Trace, Versions};
pub use known::{Known, KnownBy, KnownValue};
pub use report::{Origin, Report};
pub use rules::{
    Complaint, Examples, Fix, MISSING_REASON, Matching, Near, PiiColumn, PiiMatch, Rule, RuleCheck, RuleIndex, RuleSet,
    SecretMatch, Stage, check_rules, example_path, rule_skeleton,
};
pub use suppress::{Baseline, BaselineEntry, Declaration, Insertion, glob_of, mark_above};
pub use tree::{Content, Item, ItemReader, Listing, NoProgress, Options, Progress, Source, scan_source};
pub use walk::Walk;
