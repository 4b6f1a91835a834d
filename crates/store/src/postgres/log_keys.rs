//! The keys that sign the log, by the entries that say so.
//!
//! `ledger.vkey` names the first key for good. Each exchange is a row of `log_keys`, written in the transaction that
//! appends its entry, so the rows are as far as the head is. Whoever signs reads them anew when the seal on the head is not
//! that of the keys it knows.

use countersign_evidence::checkpoint::{self, Checkpoint};
use countersign_evidence::note::{Note, VerifierKey};
use countersign_evidence::rotation::Rotation;

use super::conn::Conn;
use super::head::{fenced, get, unsigned};
use crate::engine::{Asked, KeyChange};
use crate::layout::{self, CHECKPOINT, VKEY};
use crate::{Error, rotations};

/// One exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// The entry that says so.
    pub(super) index: u64,
    pub(super) change: KeyChange,
}

/// The keys of a log, from its first one on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogKeys {
    origin: String,
    first: VerifierKey,
    steps: Vec<Step>,
    /// The key of each rotation, with the index of its entry.
    rotated: Vec<(u64, VerifierKey)>,
}

impl LogKeys {
    pub(super) fn new(origin: &str, vkey: &str) -> Result<Self, Error> {
        let first = VerifierKey::parse(vkey).map_err(|e| Error::corrupt(VKEY, None, e.to_string()))?;
        Ok(Self { origin: origin.to_owned(), first, steps: Vec::new(), rotated: Vec::new() })
    }

    /// Reads all exchanges. Read it after a head or a note: then it holds every row that those speak of.
    pub(super) fn read(conn: &mut Conn, origin: &str, vkey: &str) -> Result<Self, Error> {
        let mut keys = Self::new(origin, vkey)?;
        if !is_there(conn)? {
            return Ok(keys);
        }
        let sql = "select idx, note, second from @.log_keys order by idx";
        for row in &conn.query("read the keys of the log", sql, &[])? {
            let index = unsigned(get(row, 0)?)?;
            let change = match (get::<Option<String>>(row, 1)?, get::<Option<String>>(row, 2)?) {
                (Some(note), None) => KeyChange::Rotated(note),
                (None, Some(second)) => KeyChange::Second(Some(second).filter(|s| !s.is_empty())),
                _ => return Err(Error::corrupt(row_of(index), Some(index), "it is neither of the two kinds")),
            };
            keys = keys.with(index, change)?;
        }
        Ok(keys)
    }

    /// These keys and one exchange more. A rotation must lead on from the present key, and both must have signed it.
    pub(super) fn with(mut self, index: u64, change: KeyChange) -> Result<Self, Error> {
        let wrong = |e: countersign_evidence::Error| Error::corrupt(row_of(index), Some(index), e.to_string());
        match &change {
            KeyChange::Rotated(note) => {
                if note.len() as u64 > rotations::MAX_BYTES {
                    return Err(Error::corrupt(row_of(index), Some(index), "its note is too large"));
                }
                let rotation = Rotation::open(note.as_bytes(), &self.origin, self.current()).map_err(wrong)?;
                self.rotated.push((index, rotation.new));
            }
            KeyChange::Second(Some(vkey)) => drop(VerifierKey::parse(vkey).map_err(wrong)?),
            KeyChange::Second(None) => {}
        }
        self.steps.push(Step { index, change });
        Ok(self)
    }

    /// The keys as a log of `size` entries has them.
    pub(super) fn at(&self, size: u64) -> Self {
        let mut keys = self.clone();
        keys.steps.retain(|step| step.index < size);
        keys.rotated.retain(|(index, _)| *index < size);
        keys
    }

    /// The key that signs after all of these exchanges.
    pub(super) fn current(&self) -> &VerifierKey {
        self.rotated.last().map_or(&self.first, |(_, key)| key)
    }

    /// The key that signed a checkpoint of `size` entries.
    fn key_at(&self, size: u64) -> &VerifierKey {
        self.rotated.iter().rev().find(|(index, _)| *index < size).map_or(&self.first, |(_, key)| key)
    }

    /// The verifier key that signs as well.
    pub(super) fn second(&self) -> Option<&str> {
        self.steps.iter().rev().find_map(|step| match &step.change {
            KeyChange::Second(second) => Some(second.as_deref()),
            KeyChange::Rotated(_) => None,
        })?
    }

    /// The entry of the last rotation, where it is the newest exchange of the first key, and the key until then.
    pub(super) fn last_rotation(&self) -> Option<(u64, &VerifierKey)> {
        let (last, before) = self.rotated.split_last()?;
        Some((last.0, before.last().map_or(&self.first, |(_, key)| key)))
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether nothing was taken out of these, as they were known before.
    pub(super) fn continues(&self, known: &Self) -> bool {
        self.first == known.first && self.steps.starts_with(&known.steps)
    }

    pub(super) fn asked(&self) -> Asked {
        Asked {
            origin: self.origin.clone(),
            vkey: self.current().to_string(),
            before: self.last_rotation().map(|(_, key)| key.to_string()),
            second: self.second().map(str::to_owned),
        }
    }

    /// Opens a note by the key that was in force at its size.
    pub(super) fn open(&self, note: &str) -> Result<Checkpoint, countersign_evidence::Error> {
        let size = Checkpoint::parse(&Note::parse(note.as_bytes())?.text)?.size;
        checkpoint::open(note.as_bytes(), &self.origin, std::slice::from_ref(self.key_at(size)))
    }

    /// As [`LogKeys::open`], of the note that is published.
    pub(super) fn published(&self, note: &str) -> Result<Checkpoint, Error> {
        self.open(note).map_err(|e| Error::corrupt(CHECKPOINT, None, e.to_string()))
    }

    /// The notes of rotations, oldest first.
    fn notes(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| match &step.change {
            KeyChange::Rotated(note) => Some(note.as_str()),
            KeyChange::Second(_) => None,
        })
    }

    /// How many rotations there were.
    pub(super) const fn rotations(&self) -> usize {
        self.rotated.len()
    }

    /// The object of that name, where it is one of these.
    pub(super) fn object(&self, name: &str) -> Option<Vec<u8>> {
        if name == VKEY {
            return Some(format!("{}\n", self.current()).into_bytes());
        }
        let numbered = (1_u64..).zip(self.notes());
        numbered.into_iter().find(|(n, _)| layout::rotation_name(*n) == name).map(|(_, note)| note.as_bytes().to_vec())
    }

    /// Whether a name is that of one of these objects, there or not.
    pub(super) fn is_one(name: &str) -> bool {
        name == VKEY || name.strip_prefix(layout::ROTATIONS).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Whether there is the table of exchanges. A ledger that was made before there was one gets it with its first exchange.
pub(super) fn is_there(conn: &mut Conn) -> Result<bool, Error> {
    let sql = "select 1 from pg_catalog.pg_tables where schemaname = $1 and tablename = 'log_keys'";
    let schema = conn.schema().to_owned();
    Ok(conn.row("look for the table of keys", sql, &[&schema])?.is_some())
}

/// What an exchange's row is called in errors.
pub(super) fn row_of(index: u64) -> String {
    format!("log_keys/{index}")
}

/// Notes an exchange in the transaction that appends its entry.
pub(super) fn put(conn: &mut Conn, step: &Step) -> Result<(), Error> {
    let (note, second) = match &step.change {
        KeyChange::Rotated(note) => (Some(note.as_str()), None),
        KeyChange::Second(second) => (None, Some(second.as_deref().unwrap_or_default())),
    };
    let sql = "insert into @.log_keys (idx, note, second) values ($1, $2, $3)";
    let written =
        conn.execute("note an exchange of keys", sql, &[&super::head::signed(step.index)?, &note, &second])?;
    if written == 1 { Ok(()) } else { Err(fenced("an exchange of keys could not be noted")) }
}
