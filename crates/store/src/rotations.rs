//! The notes of a log's exchanged keys, `ledger/rotations/1` and on: they lead from a key that somebody pinned long ago
//! to the one that signs today.
//!
//! A note alone proves that the holder of the old key wanted the new one. That the log says so too, in an entry which an
//! administrator signed, is for those to check who read the entries: [`crate::verify`] and [`crate::session`].

use countersign_evidence::note::{Note, VerifierKey};
use countersign_evidence::rotation::Rotation;

use crate::layout::{Paths, TMP, VKEY};
use crate::source::Source;
use crate::storage::{Access, Storage};
use crate::writer::Writer;
use crate::{Error, layout};

/// Rotations that are followed. One a day for eleven years.
const MAX: u64 = 4096;
/// Bytes of the largest note.
pub(crate) const MAX_BYTES: u64 = 8 << 10;

/// One note, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// The note, word for word.
    pub(crate) note: String,
    /// What it says. Both signatures on it verified.
    pub(crate) rotation: Rotation,
}

/// Every rotation that the files tell of, oldest first: each leads on from the one before, and both its keys signed it.
///
/// # Errors
/// [`Error::Corrupt`] when a note is malformed, not signed by both keys, or does not follow the one before.
pub(crate) fn read_all(source: &dyn Source, origin: &str) -> Result<Vec<Step>, Error> {
    let mut steps: Vec<Step> = Vec::new();
    for n in 1..=MAX {
        let name = layout::rotation_name(n);
        let Some(bytes) = source.read(&name, MAX_BYTES)? else { return Ok(steps) };
        let wrong = |e: countersign_evidence::Error| Error::corrupt(&name, None, e.to_string());
        let old = match steps.last() {
            Some(step) => step.rotation.new.clone(),
            None => Note::parse(&bytes).and_then(|note| Rotation::parse(&note.text)).map_err(wrong)?.old,
        };
        let rotation = Rotation::open(&bytes, origin, &old).map_err(wrong)?;
        let note = String::from_utf8(bytes).map_err(|_| Error::corrupt(&name, None, "it is not UTF-8"))?;
        steps.push(Step { note, rotation });
    }
    Err(Error::corrupt(layout::rotation_name(MAX), None, "there are more rotations than a log can have"))
}

/// Writes notes that the directory does not have, and then the key that is in force. The caller holds the lock.
pub(crate) fn write_names<'n>(
    paths: &Paths,
    storage: &dyn Storage,
    notes: impl IntoIterator<Item = (u64, &'n str)>,
    vkey: &str,
) -> Result<(), Error> {
    let mut writer = Writer::new(paths, storage);
    let notes = notes.into_iter().map(|(n, note)| (layout::rotation_name(n), note.to_owned()));
    for (name, content) in notes.chain([(VKEY.to_owned(), format!("{vkey}\n"))]) {
        if paths.read(&name, MAX_BYTES)?.as_deref() == Some(content.as_bytes()) {
            continue;
        }
        let temporary = format!("{TMP}/rotation");
        // One that an interruption left there is not whole, perhaps.
        writer.remove(&temporary)?;
        let written = storage.write_new(&paths.at(&temporary), content.as_bytes(), Access::Open);
        written.map_err(|e| Error::writing("write", &name, e))?;
        let dir = layout::parent(&name);
        writer.make_dir(dir)?;
        // One after the other: the key in force comes last, when all that leads to it is there.
        writer.sync()?;
        let placed = storage.rename(&paths.at(&temporary), &paths.at(&name));
        placed.and_then(|()| storage.sync_dir(&paths.at(dir))).map_err(|e| Error::writing("place", &name, e))?;
    }
    Ok(())
}

/// The keys that follow `from`, oldest first; none when no rotation leads away from it.
pub(crate) fn after<'a>(steps: &'a [Step], from: &VerifierKey) -> impl Iterator<Item = &'a VerifierKey> {
    let start = steps.iter().position(|step| &step.rotation.old == from).unwrap_or(steps.len());
    steps.iter().skip(start).map(|step| &step.rotation.new)
}
