//! The head of the log as its row says, the seal on that row, and what this process knows of the log.
//!
//! A checkpoint is signed only of a head that was committed, carries the seal of a holder of the log key, and continues
//! what this process has seen. Signing is deterministic, so whoever signs a committed head signs the very same note.

use std::fmt;

use countersign_evidence::checkpoint::Checkpoint;
use countersign_evidence::merkle::Hash;
use countersign_evidence::note::{Note, SignerKey};
use countersign_model::Timestamp;
use hmac::{Hmac, Mac as _};
use postgres::Row;
use sha2::Sha256;

use super::conn::Conn;
use super::error::PgError;
use super::log_keys::LogKeys;
use crate::Error;
use crate::engine::Held;
use crate::layout::CHECKPOINT;
use crate::tree::Edge;

/// Leaf hashes that are fetched at a time.
const CHUNK: u64 = 8192;
/// How far the head may be ahead of what is known before catching up is done without holding its lock.
pub(super) const FAR: u64 = 4 * CHUNK;

pub(super) const SELECT: &str = "select size, root, epoch, last_time, seal, checkpoint from @.head where one = 1";
pub(super) const LOCK: &str =
    "select size, root, epoch, last_time, seal, checkpoint from @.head where one = 1 for update";

/// The row of `head`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) size: u64,
    pub(super) root: Hash,
    pub(super) epoch: u64,
    pub(super) last_time: Timestamp,
    pub(super) seal: Vec<u8>,
    /// The note that was published last.
    pub(super) published: String,
}

impl Head {
    pub(super) fn read(conn: &mut Conn, sql: &'static str) -> Result<Self, Error> {
        let row = conn.row("read the head of the log", sql, &[])?;
        Self::of(&row.ok_or_else(|| fenced("it is missing"))?)
    }

    fn of(row: &Row) -> Result<Self, Error> {
        let root: &[u8] = get(row, 1)?;
        Ok(Self {
            size: unsigned(get(row, 0)?)?,
            root: root.try_into().map_err(|_| fenced("its root is not 32 bytes"))?,
            epoch: unsigned(get(row, 2)?)?,
            last_time: Timestamp::from_millis(get(row, 3)?),
            seal: get(row, 4)?,
            published: get(row, 5)?,
        })
    }

    /// The note of this head, or the published one where that is the same checkpoint: it may carry cosignatures.
    pub(super) fn with_cosignatures(&self, note: String, keys: &LogKeys) -> Result<String, Error> {
        let text = |note: &str| Note::parse(note.as_bytes()).ok().map(|note| note.text);
        if self.published == note || text(&self.published) != text(&note) {
            return Ok(note);
        }
        keys.published(&self.published)?;
        Ok(self.published.clone())
    }
}

/// What only holders of the log key can do.
pub(super) struct Signing {
    key: SignerKey,
    /// The second key, where one signs as well: its verifier key, and whether it is here.
    second: Option<(String, bool)>,
    /// The key that was given up, and the size of the log that both sign.
    before: Option<(u64, SignerKey)>,
    mac: Hmac<Sha256>,
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signing").field(&self.key).finish()
    }
}

impl Signing {
    /// What can be done with the keys that somebody holds of these; `None` when they are others.
    pub(super) fn new(held: Held, keys: &LogKeys) -> Result<Option<Self>, Error> {
        if held.key.verifier() != keys.current() {
            return Ok(None);
        }
        let secret = held.key.derive("postgresql head")?;
        let mac = Hmac::new_from_slice(secret.as_slice()).map_err(|e| fenced(&e.to_string()))?;
        let last = keys.last_rotation();
        let before = held.before.filter(|key| last.is_some_and(|(_, old)| key.verifier() == old));
        let before = last.zip(before).map(|((index, _), key)| (index.saturating_add(1), key));
        let second = keys.second();
        let (key, second) = match (held.second.filter(|s| second == Some(&s.verifier().to_string())), second) {
            (Some(key), Some(vkey)) => (held.key.and_also(key)?, Some((vkey.to_owned(), true))),
            (_, vkey) => (held.key, vkey.map(|vkey| (vkey.to_owned(), false))),
        };
        Ok(Some(Self { key, second, before, mac }))
    }

    /// Whether these are the keys that sign now.
    pub(super) fn is_of(&self, keys: &LogKeys) -> bool {
        self.key.verifier() == keys.current() && self.second.as_ref().map(|(vkey, _)| vkey.as_str()) == keys.second()
    }

    /// Whether all that must sign is here.
    pub(super) fn is_whole(&self) -> bool {
        self.second.as_ref().is_none_or(|(_, is_here)| *is_here)
    }

    /// What a note of this signer is told from another's by.
    fn tag(&self) -> String {
        format!("{} {:?}", self.key.verifier(), self.second)
    }

    fn mac(&self, size: u64, root: &Hash, epoch: u64, last_time: Timestamp) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        let second = self.second.as_ref().map_or_else(String::new, |(vkey, _)| format!("{vkey}\n"));
        let time = last_time.millis();
        let text = format!("countersign/head/v1\n{}\n{second}{size}\n{epoch}\n{time}\n", self.key.verifier());
        mac.update(text.as_bytes());
        mac.update(root);
        mac
    }

    /// The seal on a head: that a holder of the log key admitted these entries, and that no other keys sign. It is no
    /// signature of the log.
    pub(super) fn seal(&self, size: u64, root: &Hash, epoch: u64, last_time: Timestamp) -> Vec<u8> {
        self.mac(size, root, epoch, last_time).finalize().into_bytes().to_vec()
    }

    pub(super) fn check(&self, head: &Head) -> Result<(), Error> {
        let mac = self.mac(head.size, &head.root, head.epoch, head.last_time);
        mac.verify_slice(&head.seal).map_err(|_| fenced("it does not carry the seal of a holder of the log key"))
    }

    /// The note of a committed head.
    pub(super) fn sign(&self, size: u64, root: Hash) -> Result<String, Error> {
        let checkpoint = Checkpoint { origin: self.key.name().to_owned(), size, root };
        let note = checkpoint.sign(&self.key)?;
        let Some((_, before)) = self.before.as_ref().filter(|(at, _)| *at == size) else { return Ok(note) };
        // The one between two keys carries both signatures, that of the key which is given up first.
        let (mut both, mut note) = (Note::parse(checkpoint.sign(before)?.as_bytes())?, Note::parse(note.as_bytes())?);
        both.signatures.append(&mut note.signatures);
        Ok(both.to_string())
    }
}

/// What this process knows of the log: the tree up to the size it saw last, and the note of that size.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) edge: Edge,
    pub(super) note: Option<(u64, Signed)>,
}

/// A note, and by whom it was signed; it was found published where that is not known.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    tag: Option<String>,
    note: String,
}

impl Known {
    /// Starts from the checkpoint that was published, whose tree must lead to its root.
    pub(super) fn start(conn: &mut Conn, head: &Head, keys: &LogKeys) -> Result<Self, Error> {
        let published = keys.published(&head.published)?;
        let edge = super::view::edge_at(conn, published.size)?;
        if edge.root() != published.root {
            return Err(Error::corrupt(CHECKPOINT, None, "the entries do not lead to its root"));
        }
        let note = Signed { tag: None, note: head.published.clone() };
        Ok(Self { edge, note: Some((published.size, note)) })
    }

    /// Follows the log up to a head, which must continue what is known.
    pub(super) fn follow(&mut self, conn: &mut Conn, head: &Head) -> Result<(), Error> {
        let known = self.edge.size();
        if head.size < known {
            let what = format!("it has {} entries, and this process has seen {known}", head.size);
            return Err(fenced(&what));
        }
        let mut edge = self.edge.clone();
        while edge.size() < head.size {
            let (from, to) = (edge.size(), head.size.min(edge.size().saturating_add(CHUNK)));
            let sql = "select idx, hash from @.entries where idx >= $1 and idx < $2 order by idx";
            let rows = conn.query("read hashes of entries", sql, &[&signed(from)?, &signed(to)?])?;
            for (row, index) in rows.iter().zip(from..) {
                edge.push(hash(row, index)?, |_, _| {});
            }
            if edge.size() != to {
                return Err(missing(edge.size()));
            }
        }
        if edge.root() != head.root {
            let what =
                format!("its root is not that of the {} entries that continue the {known} seen before", head.size);
            return Err(fenced(&what));
        }
        self.edge = edge;
        Ok(())
    }

    /// The note of what is known. Call it only when that is committed.
    pub(super) fn sign(&mut self, signing: &Signing) -> Result<String, Error> {
        let size = self.edge.size();
        let tag = signing.tag();
        if let Some((of, signed)) = &self.note
            && *of == size
            && signed.tag.as_ref().is_none_or(|by| *by == tag)
        {
            return Ok(signed.note.clone());
        }
        let note = signing.sign(size, self.edge.root())?;
        self.note = Some((size, Signed { tag: Some(tag), note: note.clone() }));
        Ok(note)
    }
}

/// The hash in a row of index and hash, which must be the row of `index`.
fn hash(row: &Row, index: u64) -> Result<Hash, Error> {
    if unsigned(get(row, 0)?)? != index {
        return Err(missing(index));
    }
    let bytes: &[u8] = get(row, 1)?;
    bytes.try_into().map_err(|_| Error::corrupt(row_of(index), Some(index), "its hash is not 32 bytes"))
}

pub(super) fn missing(index: u64) -> Error {
    Error::corrupt(row_of(index), Some(index), "it is missing")
}

/// What an entry's row is called in errors.
pub(super) fn row_of(index: u64) -> String {
    format!("entries/{index}")
}

pub(super) fn fenced(what: &str) -> Error {
    PgError::Fenced { what: what.to_owned() }.into()
}

/// A column; one of another type than ours was made by somebody else.
pub(super) fn get<'a, T: postgres::types::FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Error> {
    row.try_get(column).map_err(|e| Error::corrupt("tables", None, super::error::chain(&e)))
}

pub(super) fn unsigned(value: i64) -> Result<u64, Error> {
    u64::try_from(value).map_err(|_| Error::corrupt("tables", None, format!("{value} is negative")))
}

pub(super) fn signed(value: u64) -> Result<i64, Error> {
    i64::try_from(value).map_err(|_| Error::corrupt("tables", None, format!("{value} is too large")))
}
