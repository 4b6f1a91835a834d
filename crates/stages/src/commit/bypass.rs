//! Commits that the hook would have stopped: it was told to let them through, or it was not there.
//!
//! Nobody can prove that a hook ran on somebody else's machine; a note that it did is as easily written without it. What
//! can be shown is the opposite: a commit brought a finding, in a tree that said that hooks are required, so no hook of
//! ours looked at it with success. Rules that are newer than the commit show more than its author could have seen; so
//! the rules' digest stands beside it.

use std::collections::BTreeMap;

use countersign_connect::git::{Commits, Repository};
use countersign_model::change::{Change, SignatureState};
use countersign_model::{Digest, PersonId, TreePath};
use countersign_scan::{Cache, HistoryScan, NoProgress, Options, Stage};
use countersign_store::projection::State;
use serde::Serialize;

use super::history::Contents;
use crate::Error;
use crate::build::observe::{pseudonym, record_commit};
use crate::build::rules::signer;
use crate::build::run::Inputs;

/// The kind under which the record is attached to a run.
pub const KIND: &str = "hook-bypass";

/// The record: which commits, and what they brought. No excerpt, no value, no name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bypasses {
    /// Format version, 1.
    version: u32,
    /// What stands for the rules that looked.
    rules_digest: Digest,
    /// The commits, parents before children.
    pub commits: Vec<Bypass>,
}

/// A commit that the hook would have stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bypass {
    /// Its full id.
    pub commit: String,
    /// A keyed pseudonym of the author's address.
    author: String,
    /// A keyed pseudonym of the committer's address: whoever made the commit, with a hook or without.
    committer: String,
    /// What the signature on it is worth by itself.
    signature: SignatureState,
    /// Fingerprint of the key that signed it.
    key: Option<String>,
    /// The enrolled person whose key that is. Nobody else is verified.
    pub person: Option<PersonId>,
    /// Whether it is a merge.
    merge: bool,
    /// What it brought.
    pub findings: Vec<BypassFinding>,
}

/// A finding that a commit brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BypassFinding {
    /// The rule's id.
    rule: String,
    /// Where.
    path: TreePath,
    /// First line, from 1.
    line: u32,
    /// The value's fingerprint.
    fingerprint: Digest,
}

/// Looks for them among the commits of `change`, with the suppressions that `options` ask for. Second in the answer: how
/// much could not be looked at.
///
/// # Errors
/// What git, the scan, the configuration of a commit and the projection say.
pub fn find(
    repository: &Repository,
    change: &Change,
    inputs: &Inputs<'_>,
    options: &Options<'_>,
    salt: &[u8; 32],
    state: &State,
) -> Result<(Option<Bypasses>, usize), Error> {
    let rules = inputs.rules;
    let known = change.base.iter().cloned().collect();
    let covered = Commits::Pushed { new: vec![change.commit.clone()], known, remote: None };
    let (cache, _) = Cache::open(&inputs.cache_dir.join("history"), &rules.digest(), salt);
    let source = Contents { repository, listed: repository.history(&covered)? };
    let scan =
        HistoryScan::of(&source, rules, salt, &Options { cache: Some(&cache), progress: &NoProgress, ..*options })?;
    // A cache that cannot be kept costs time, never evidence.
    let _ = cache.save();
    let (report, traces) = scan.finish(options)?;
    let mut by_commit: BTreeMap<&str, Vec<BypassFinding>> = BTreeMap::new();
    for finding in report.open() {
        let stops = rules.get(&finding.rule).is_none_or(|rule| rule.stages.contains(&Stage::Commit));
        if let (true, Some(trace)) = (stops, traces.get(&finding.fingerprint)) {
            by_commit.entry(trace.origin.as_str()).or_default().push(BypassFinding {
                rule: finding.rule.clone(),
                path: finding.path.clone(),
                line: finding.line,
                fingerprint: finding.fingerprint,
            });
        }
    }
    let ids: Vec<String> =
        source.listed.commits.iter().filter(|id| by_commit.contains_key(id.as_str())).cloned().collect();
    let mut commits = Vec::new();
    for commit in repository.commits_named(&ids)? {
        if !(inputs.hooks_required_at)(&commit.id)? {
            continue;
        }
        // The covered commits' signatures are verified already.
        let recorded = match change.commits.iter().find(|covered| covered.id == commit.id) {
            Some(covered) => covered.clone(),
            None => record_commit(&commit, salt, state)?,
        };
        commits.push(Bypass {
            findings: by_commit.remove(commit.id.as_str()).unwrap_or_default(),
            author: recorded.author.clone(),
            committer: pseudonym(salt, &commit.committer_email),
            signature: recorded.signature,
            person: signer(&recorded, state)?,
            merge: recorded.merge,
            key: recorded.key,
            commit: commit.id,
        });
    }
    let found = (!commits.is_empty()).then_some(Bypasses { version: 1, rules_digest: rules.digest(), commits });
    Ok((found, report.gaps.len()))
}
