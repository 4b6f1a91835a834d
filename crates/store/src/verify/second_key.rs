//! The log's second key: where the log says that an ML-DSA-44 key signs as well, its signature must be there and hold.

use countersign_evidence::Error;
use countersign_evidence::act::SignedAct;
use countersign_evidence::canonical;
use countersign_evidence::note::{self, VerifierKey};
use countersign_evidence::statement::Statement;
use countersign_model::event::SecondLogKeyChosen;

use super::Examination;
use crate::error::code;
use crate::layout::CHECKPOINT;

/// Follows what the log says. Whether an administrator signed it is for the fold to say: an entry that it does not believe
/// is a problem of its own.
pub(super) fn examine_entry(x: &mut Examination<'_>, payload: &[u8]) {
    let statement = SignedAct::from_slice(payload).and_then(|act| act.statement());
    let said = statement.and_then(|bytes| canonical::from_slice::<Statement<SecondLogKeyChosen>>(&bytes));
    let Ok(said) = said else { return };
    match said.predicate.vkey.as_deref().map(VerifierKey::parse) {
        Some(Ok(key)) => x.second = Some(key),
        Some(Err(_)) => {}
        None => x.second = None,
    }
}

/// Examines a checkpoint that covers the entries seen; the key is known from here on when its signature is there and holds.
/// `false`: it is not as it must be, and a problem says so.
pub(super) fn examine(x: &mut Examination<'_>, bytes: &[u8]) -> bool {
    let Some(key) = &x.second else { return true };
    let what = match note::open(bytes, std::slice::from_ref(key)) {
        Ok(_) => return true,
        Err(Error::NoKnownSigner) => "the log's ML-DSA-44 key did not sign it",
        Err(Error::NoteSignature { .. }) => "the signature of the log's ML-DSA-44 key does not verify",
        Err(_) => return true,
    };
    x.problem(code::CORRUPT, CHECKPOINT, None, what);
    false
}
