//! Checkpoints that were seen: those that this machine or its user remembers, and those that a published copy keeps. A log
//! only grows, so each must be the root of the log at its size. Whichever two of one log contradict each other, one of them
//! contradicts what stands there now.

use std::collections::BTreeMap;

use countersign_evidence::checkpoint::{self, Checkpoint};
use countersign_evidence::merkle::Hash;
use countersign_evidence::note;
use countersign_model::Digest;

use super::{Examination, Problem};
use crate::Notice;
use crate::error::code;
use crate::layout::{CHECKPOINT, CHECKPOINTS, Item};
use crate::tree::Edge;

/// A checkpoint that was seen, whoever kept it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Who says so: a file, `the pin`.
    pub from: String,
    /// How many entries the log had.
    pub size: u64,
    /// Its root then.
    pub root: Hash,
}

/// One root that the log was seen with.
#[derive(Debug)]
struct Held {
    root: Hash,
    /// The file that is to be named, and the words for who says so.
    file: String,
    from: String,
}

/// What is held against the log, by size, until the pass over it comes by.
#[derive(Debug, Default)]
pub(super) struct History(BTreeMap<u64, Vec<Held>>);

impl History {
    /// Whether something is known of a size between these two, both excluded.
    pub(super) fn is_within(&self, from: u64, to: u64) -> bool {
        from.checked_add(1).is_some_and(|from| from < to && self.0.range(from..to).next().is_some())
    }

    fn add(&mut self, size: u64, held: Held) {
        self.0.entry(size).or_default().push(held);
    }
}

/// Gathers them all, before the pass over the log. Some hundred bytes each is what this costs.
pub(super) fn examine(x: &mut Examination<'_>, head: &Checkpoint) {
    if let Some((size, root)) = x.trust.remembered {
        let held = Held { root, file: CHECKPOINT.into(), from: "what was seen before".into() };
        // A copy may be behind the ledger without anybody having touched it; how far it once was, the checkpoints that it
        // keeps say.
        if size > head.size && x.is_copy {
            let what = format!("this copy ends after {} entries, and {size} of the ledger were seen", head.size);
            x.report.notices.push(Notice { code: code::ROLLBACK, what });
        } else {
            seen(x, head, size, held);
        }
    }
    for known in &x.trust.since {
        let held = Held { root: known.root, file: CHECKPOINT.into(), from: format!("`{}`", known.from) };
        seen(x, head, known.size, held);
    }
    if x.is_copy {
        published(x, head);
    }
    hold_against(x, &Edge::default());
}

/// A checkpoint is held against the log, or it is larger, and the log was rolled back.
fn seen(x: &mut Examination<'_>, head: &Checkpoint, size: u64, held: Held) {
    if size <= head.size {
        return x.history.add(size, held);
    }
    let what = format!(
        "it has {} entries with the root {}; {} has {size} entries with the root {}: {} are missing",
        head.size,
        text(&head.root),
        held.from,
        text(&held.root),
        size - head.size
    );
    x.problem(code::ROLLBACK, &held.file, None, what);
    // Beyond the end there is nothing to hold them against but each other.
    let others = x.history.0.entry(size).or_default();
    let other = others.iter().find(|other| other.root != held.root);
    if let Some(other) = other {
        let what = format!(
            "two histories were signed: at {size} entries, {} has the root {} and {} the root {}",
            other.from,
            text(&other.root),
            held.from,
            text(&held.root)
        );
        x.report.add(Problem::new(code::FORK, &held.file, None, what));
    }
    others.push(held);
}

fn published(x: &mut Examination<'_>, head: &Checkpoint) {
    let listed = match x.source.list(CHECKPOINTS) {
        Ok(listed) => listed.unwrap_or_default(),
        Err(e) => return x.error(&e, CHECKPOINTS, None),
    };
    let mut keys = x.keys.clone();
    if keys.is_empty() {
        // Nobody vouches for the log's own key, which is said elsewhere; its own statements must agree all the same.
        keys.extend(x.own_vkey.clone());
    }
    // The earlier ones were signed by the keys of their time.
    keys.extend(x.steps.iter().map(|step| step.rotation.old.clone()));
    for name in listed.into_iter().filter(|l| !l.is_dir).map(|l| l.name) {
        // What has another name is reported with all that does not belong here.
        let Item::Checkpoint(size) = Item::of(&name) else { continue };
        let bytes = match x.source.read(&name, note::MAX_BYTES as u64) {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(e) => {
                x.error(&e, &name, None);
                continue;
            }
        };
        match checkpoint::open(&bytes, &head.origin, &keys) {
            Err(e) => x.problem(code::CORRUPT, &name, None, e.to_string()),
            Ok(old) if old.size != size => {
                let what = format!("it is the checkpoint of {} entries", old.size);
                x.problem(code::CORRUPT, &name, None, what);
            }
            Ok(old) => {
                let from = format!("the published `{name}`");
                seen(x, head, size, Held { root: old.root, file: name, from });
            }
        }
    }
}

/// Holds the checkpoints of this size, if any are known, against the log.
pub(super) fn hold_against(x: &mut Examination<'_>, edge: &Edge) {
    // The root of today's size is the checkpoint's, whatever could be read of the entries.
    if !x.history.0.is_empty() && edge.size() < x.report.size {
        hold(x, edge.size(), &edge.root());
    }
}

/// Holds those of the log's present size against its checkpoint, where the entries themselves could not all be read.
pub(super) fn hold_head(x: &mut Examination<'_>, head: &Checkpoint) {
    hold(x, head.size, &head.root);
}

fn hold(x: &mut Examination<'_>, size: u64, root: &Hash) {
    for held in x.history.0.remove(&size).unwrap_or_default() {
        if held.root != *root {
            let what = format!(
                "another history was signed: the first {size} entries have the root {} here, and {} in {}",
                text(root),
                text(&held.root),
                held.from
            );
            x.problem(code::FORK, &held.file, None, what);
        }
    }
}

fn text(root: &Hash) -> String {
    Digest::from_bytes(*root).to_string()
}
