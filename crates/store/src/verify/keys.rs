//! The keys of the log: from the one that is trusted, along the rotations, to the one that signs. Every rotation must
//! stand in the log as well, and every one in the log must have its note.

use countersign_evidence::act::SignedAct;
use countersign_evidence::canonical;
use countersign_evidence::note::{self, VerifierKey};
use countersign_evidence::rotation::Rotation;
use countersign_evidence::statement::Statement;
use countersign_model::event::LogKeyRotated;

use super::{Examination, fork_of_root, second_key, witnesses};
use crate::error::code;
use crate::layout::{self, CHECKPOINT, VKEY};
use crate::tree::Edge;
use crate::{Notice, files, rotations};

/// Reads the notes of all rotations, and follows them from the trusted keys.
pub(super) fn read(x: &mut Examination<'_>, origin: Option<&str>) {
    x.keys.clone_from(&x.trust.vkeys);
    // A place that publishes the log alone has no notes of rotations.
    let Some(origin) = origin.filter(|_| !x.is_log_only) else { return };
    match rotations::read_all(x.source, origin) {
        Ok(steps) => x.steps = steps,
        Err(e) => {
            let file = super::file_of(&e).unwrap_or_else(|| layout::ROTATIONS.to_owned());
            x.error(&e, &file, None);
        }
    }
    for key in &x.trust.vkeys {
        x.keys.extend(rotations::after(&x.steps, key).cloned());
    }
    x.keys.dedup();
}

/// A key that was exchanged does not sign any more: its signature alone is none.
pub(super) fn examine_checkpoint(x: &mut Examination<'_>, bytes: &[u8]) {
    let (Some(last), Ok(verified)) = (x.steps.last(), note::open(bytes, &x.keys)) else { return };
    let new = last.rotation.new.id();
    if !verified.signatures.iter().any(|s| s.id == new) {
        x.problem(code::CORRUPT, CHECKPOINT, None, "the key of the last rotation did not sign it");
    }
}

/// A rotation in the log must have its note.
pub(super) fn examine_entry(x: &mut Examination<'_>, index: u64, payload: &[u8]) {
    // What cannot be read is no rotation that anybody believes; the fold says so.
    let Some(said) = note_of(payload) else { return };
    x.rotated.push(index);
    let name = layout::rotation_name(x.rotated.len() as u64);
    match x.steps.get(x.rotated.len() - 1) {
        Some(step) if step.note == said => {
            if step.rotation.size > index {
                x.problem(code::CORRUPT, &name, Some(index), "it speaks of more entries than there were");
            }
        }
        Some(_) => x.problem(code::CORRUPT, &name, Some(index), "it is not the note that the entry holds"),
        None => {
            let rotation = opened(&said);
            if is_under_way(x, index, rotation.as_ref().map(|r| &r.old)) {
                x.taking_over = rotation.map(|r| r.new);
                interrupted(x, index);
            } else {
                x.problem(code::MISSING_FILE, &name, Some(index), "it is missing");
            }
        }
    }
}

/// What is left when all entries were looked at.
pub(super) fn finish(x: &mut Examination<'_>) {
    exact(x);
    if x.steps.len() > x.rotated.len() && x.unread.is_none() {
        for n in x.rotated.len()..x.steps.len() {
            let name = layout::rotation_name(n as u64 + 1);
            x.problem(code::UNTRUSTED, &name, None, "no entry of the log tells of this rotation");
        }
    }
    let Some(last) = x.steps.last() else { return };
    let (old, new) = (last.rotation.old.clone(), last.rotation.new.to_string());
    let Ok(line) = files::line(x.source, VKEY) else { return };
    if line == new {
        return;
    }
    match x.rotated.last().copied() {
        Some(index) if x.rotated.len() == x.steps.len() && is_under_way(x, index, Some(&old)) => interrupted(x, index),
        _ => x.problem(code::CORRUPT, VKEY, None, "it is not the key of the last rotation"),
    }
}

/// The note must be the checkpoint and signatures, and not one byte more. The one between two keys carries the signature of
/// the key that was given up.
fn exact(x: &mut Examination<'_>) {
    let Some(bytes) = x.to_be_exact.take() else { return };
    if !second_key::examine(x, &bytes) {
        return;
    }
    let given_up = x.steps.iter().map(|step| &step.rotation.old);
    let mut keys: Vec<VerifierKey> =
        x.keys.iter().chain(given_up).chain(&x.taking_over).chain(&x.second).cloned().collect();
    keys.dedup();
    witnesses::examine(x, &bytes, keys);
}

/// A rotation whose signatures hold, by the keys that it names itself.
fn opened(note: &str) -> Option<Rotation> {
    let text = note::Note::parse(note.as_bytes()).ok()?.text;
    let said = Rotation::parse(&text).ok()?;
    Rotation::open(note.as_bytes(), &said.origin, &said.old).ok()
}

/// Roots that rotations speak of, while the tree is computed again.
pub(super) fn examine_root(x: &mut Examination<'_>, edge: &Edge) {
    let (steps, size) = (&x.steps, edge.size());
    let wrong: Vec<usize> = (0..steps.len())
        .filter(|n| steps.get(*n).is_some_and(|s| s.rotation.size == size && s.rotation.root != edge.root()))
        .collect();
    for n in wrong {
        let name = layout::rotation_name(n as u64 + 1);
        x.problem(code::FORK, &name, None, fork_of_root(size));
    }
}

/// Whether a rotation speaks of a size between these two, both excluded.
pub(super) fn is_within(x: &Examination<'_>, from: u64, to: u64) -> bool {
    x.steps.iter().any(|step| from < step.rotation.size && step.rotation.size < to)
}

/// Whether the rotation in this entry is the last thing in the log, and the files do not follow it yet.
fn is_under_way(x: &Examination<'_>, index: u64, old: Option<&VerifierKey>) -> bool {
    let line = files::line(x.source, VKEY).ok();
    index + 1 == x.report.size && old.is_some_and(|old| line.as_deref() == Some(old.to_string().as_str()))
}

fn interrupted(x: &mut Examination<'_>, index: u64) {
    let what = format!("the rotation of the log's key in entry {index} was interrupted; the next command completes it");
    if x.report.notices.iter().all(|n| n.what != what) {
        x.report.notices.push(Notice { code: code::HALF_WRITTEN, what });
    }
}

fn note_of(payload: &[u8]) -> Option<String> {
    let statement = SignedAct::from_slice(payload).ok()?.statement().ok()?;
    let statement: Statement<LogKeyRotated> = canonical::from_slice(&statement).ok()?;
    Some(statement.predicate.note)
}
