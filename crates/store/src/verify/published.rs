//! Earlier checkpoints that a published copy keeps. Each is signed, and has the root that the log had at its size: the
//! history of a log that was ever forked would say so.

use countersign_evidence::checkpoint::{self, Checkpoint};
use countersign_evidence::note;

use super::Examination;
use crate::error::code;
use crate::layout::{CHECKPOINTS, Item};
use crate::tree::Edge;

/// Reads them all, before the pass over the log. Some hundred bytes each is what this costs.
pub(super) fn examine(x: &mut Examination<'_>, head: &Checkpoint) {
    if !x.is_copy {
        return;
    }
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
            Ok(old) if size > head.size => {
                let what = format!("it was published, and the log has {} entries now", head.size);
                x.problem(code::ROLLBACK, &name, None, format!("{what}; {} are missing", old.size - head.size));
            }
            Ok(old) => {
                x.published.insert(size, (name, old.root));
            }
        }
    }
    if let Some((name, root)) = x.published.remove(&0)
        && root != Edge::default().root()
    {
        forked(x, &name, 0);
    }
}

/// Holds the checkpoint of this size, if one is kept, against the log.
pub(super) fn hold_against(x: &mut Examination<'_>, edge: &Edge) {
    if let Some((name, root)) = x.published.remove(&edge.size())
        && root != edge.root()
    {
        forked(x, &name, edge.size());
    }
}

fn forked(x: &mut Examination<'_>, name: &str, size: u64) {
    let what = format!("its root is not the one of the first {size} entries: this log was signed with two histories");
    x.problem(code::FORK, name, None, what);
}
