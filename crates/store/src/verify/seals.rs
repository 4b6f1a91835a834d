//! What the blobs of entries are sealed with, held against what entry 0 says. A blob in the clear would be in one of the
//! copies that encryption is to protect, and one that is sealed with a key nobody named could say anything.

use countersign_evidence::payload_key::id_of;
use countersign_model::EventKind;
use countersign_model::event::LedgerCreated;

use super::Examination;
use crate::error::code;
use crate::leaf::EntryView;
use crate::payload_key::is_sealed;

/// What the payload and the attachments of an entry are sealed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seals {
    /// None of them is sealed.
    None,
    /// All of them, with the key of this id.
    All(String),
    /// They are not all sealed alike.
    Mixed,
}

impl Seals {
    pub(super) fn of(entry: &EntryView<'_>) -> Self {
        let first = entry.payload_blob().sealed();
        match first {
            _ if entry.attachments().iter().any(|blob| blob.sealed() != first) => Self::Mixed,
            Some(id) => Self::All(id.to_owned()),
            None => Self::None,
        }
    }
}

/// Remembers the key that entry 0 commits to. One that is held must be that very key, and not one of the same name.
pub(super) fn examine_genesis(x: &mut Examination<'_>, created: &LedgerCreated, file: &str) {
    x.sealed_with = Some(created.payload_key.as_deref().map(|commitment| id_of(commitment).to_owned()));
    if let (Some(held), Some(commitment)) = (&x.trust.payload_key, &created.payload_key)
        && held.id() == id_of(commitment)
        && held.commitment() != commitment
    {
        x.problem(code::SEALED_OTHERWISE, file, Some(0), "it commits to another payload key than the one that is held");
    }
}

/// Holds what an entry's blobs are sealed with against entry 0. Where that could not be read, it is said there.
pub(super) fn examine_entry(x: &mut Examination<'_>, index: u64, file: &str, kind: EventKind, seals: &Seals) {
    let Some(named) = &x.sealed_with else { return };
    let what = match (seals, named.as_ref().filter(|_| is_sealed(kind))) {
        (Seals::None, None) => return,
        (Seals::All(id), Some(named)) if id == named => return,
        (Seals::None | Seals::Mixed, Some(_)) => "it is stored in the clear, and entry 0 says that payloads are sealed",
        (Seals::All(_), Some(_)) => "it is sealed with another key than the one that entry 0 names",
        (_, None) => "it is sealed, and nothing says that such a payload is",
    };
    x.problem(code::SEALED_OTHERWISE, file, Some(index), what);
}
