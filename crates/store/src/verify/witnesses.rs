//! The lines under the checkpoint: what witnesses signed, whether they are enough, and that there is nothing else.

use countersign_evidence::checkpoint::Checkpoint;
use countersign_evidence::cosignature;
use countersign_evidence::note::{Note, Signature, VerifierKey};
use countersign_model::Diagnostic as _;

use super::Examination;
use crate::Notice;
use crate::error::code;
use crate::layout::CHECKPOINT;

/// Examines a checkpoint that the log signed. `known` are all keys that the log ever had.
pub(super) fn examine(x: &mut Examination<'_>, bytes: &[u8], mut known: Vec<VerifierKey>) {
    if let Some(policy) = &x.trust.policy {
        known.extend(policy.keys());
        match policy.examine_with(bytes, &x.keys) {
            Ok(standing) => {
                x.report.cosignatures.clone_from(&standing.cosignatures);
                if let Err(e) = policy.require(standing) {
                    x.problem(e.code(), CHECKPOINT, None, e.to_string());
                }
            }
            Err(e) => x.problem(code::CORRUPT, CHECKPOINT, None, e.to_string()),
        }
    }
    match strangers(bytes, &known) {
        None => x.problem(code::CORRUPT, CHECKPOINT, None, "it holds signatures that nobody can check"),
        Some(0) => {}
        Some(n) => x.report.notices.push(Notice {
            code: code::UNTRUSTED,
            what: format!("the checkpoint carries {n} cosignature(s) of witnesses that no trust policy here names"),
        }),
    }
}

/// How many signatures of strangers the note carries, when it is a checkpoint and signatures, and not one byte more.
///
/// A line that nobody can check is a place to hide a change, so it may only be what a witness adds: the cosignature of a key
/// with another name than the log's, of one of the two kinds that there are.
fn strangers(bytes: &[u8], known: &[VerifierKey]) -> Option<usize> {
    let note = Note::parse(bytes).ok()?;
    let checkpoint = Checkpoint::parse(&note.text).ok()?;
    let is_exact = note.to_string().as_bytes() == bytes && note.text == checkpoint.to_text();
    let unknown = note.verify(known).ok()?.unknown;
    let is_cosignature = |s: &Signature| s.name != checkpoint.origin && cosignature::has_shape(s);
    (is_exact && unknown.iter().all(is_cosignature)).then_some(unknown.len())
}
