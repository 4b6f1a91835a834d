//! What only the database has, held against the entries: the head, the transactions, the published checkpoints, and the
//! tables of streams and keys. The entries themselves are examined like those of any ledger.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use countersign_evidence::merkle::Hash;
use countersign_evidence::tile;
use countersign_model::{Entry, EventKind, StreamId, Timestamp};

use super::conn::Conn;
use super::error::code;
use super::head::{self, Head, get, row_of, signed, unsigned};
use super::log_keys::{self, LogKeys};
use super::view::{self, Facts};
use crate::engine::KeyChange;
use crate::tree::Edge;
use crate::verify::{MAX_PROBLEMS, Problem};
use crate::{Error, layout, leaf};

/// Rows that are read at a time.
const CHUNK: u64 = 4096;

struct Examiner<'a> {
    conn: &'a mut Conn,
    /// The keys of the log, where its rows say.
    keys: Option<LogKeys>,
    /// What is left of them when the entries that say so are taken away.
    exchanges: BTreeMap<u64, KeyChange>,
    problems: Vec<Problem>,
    edge: Edge,
    versions: HashMap<StreamId, u64>,
    last_time: Option<Timestamp>,
    /// Roots that rows of other tables say the log had, by size.
    roots: BTreeMap<u64, Vec<(String, Hash)>>,
}

/// Examines all that does not stand behind an object's name.
pub(super) fn examine(conn: &mut Conn, facts: &Facts, published: u64) -> Result<Vec<Problem>, Error> {
    let head = Head::read(conn, head::SELECT)?;
    let (mut problems, mut keys) = (Vec::new(), None);
    match LogKeys::read(conn, &facts.origin, &facts.vkey) {
        Ok(read) => keys = Some(read),
        Err(Error::Corrupt { file, entry, what }) => problems.push(Problem::new(code::STRAY, file, entry, what)),
        Err(e) => return Err(e),
    }
    let steps = keys.as_ref().map(LogKeys::steps).unwrap_or_default();
    let mut x = Examiner {
        conn,
        exchanges: steps.iter().map(|step| (step.index, step.change.clone())).collect(),
        keys,
        problems,
        edge: Edge::default(),
        versions: HashMap::new(),
        last_time: None,
        roots: BTreeMap::new(),
    };
    if head.size < published {
        x.stray("head", None, format!("it counts {} entries, the checkpoint has {published}", head.size));
    }
    x.commits(&head)?;
    x.checkpoints(&head)?;
    x.roots.entry(head.size).or_default().push(("head".into(), head.root));
    x.entries(&head)?;
    for index in std::mem::take(&mut x.exchanges).into_keys() {
        x.stray(log_keys::row_of(index), Some(index), "no entry of the log says so");
    }
    x.streams()?;
    x.beyond(&head)?;
    if head.size > 0 && x.last_time.is_some_and(|time| time != head.last_time) {
        x.stray("head", None, "its time is not that of the last entry");
    }
    Ok(x.problems)
}

impl Examiner<'_> {
    fn stray(&mut self, file: impl Into<String>, entry: Option<u64>, what: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem::new(code::STRAY, file, entry, what));
        }
    }

    /// Every transaction has a row, in order, the last of them made the head.
    fn commits(&mut self, head: &Head) -> Result<(), Error> {
        let (mut epoch, mut size) = (0_u64, 0_u64);
        let sql = "select epoch, size, root from @.commits where epoch > $1 order by epoch limit 4096";
        loop {
            let rows = self.conn.query("read transactions", sql, &[&signed(epoch)?])?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let (found, after) = (unsigned(get(row, 0)?)?, unsigned(get(row, 1)?)?);
                let name = format!("commits/{found}");
                if found != epoch.saturating_add(1) {
                    self.stray(format!("commits/{}", epoch.saturating_add(1)), None, "it is missing");
                }
                if after <= size {
                    self.stray(&name, None, format!("it leads from {size} entries to {after}"));
                }
                match get::<&[u8]>(row, 2)?.try_into() {
                    Ok(root) => self.roots.entry(after).or_default().push((name, root)),
                    Err(_) => self.stray(&name, None, "its root is not 32 bytes"),
                }
                (epoch, size) = (found, after);
            }
        }
        if (epoch, size) != (head.epoch, head.size) {
            let what = format!(
                "it is of transaction {} with {} entries, the last one recorded is {epoch} with {size}",
                head.epoch, head.size
            );
            self.stray("head", None, what);
        }
        let sql = "select epoch from @.commits where epoch < 1 order by epoch limit 1";
        if let Some(row) = self.conn.row("read transactions", sql, &[])? {
            self.stray(format!("commits/{}", get::<i64>(&row, 0)?), None, "it does not belong there");
        }
        Ok(())
    }

    /// Every note that was published is signed, and of this log.
    fn checkpoints(&mut self, head: &Head) -> Result<(), Error> {
        let mut after = -1_i64;
        let sql = "select size, note from @.checkpoints where size > $1 order by size limit 4096";
        loop {
            let rows = self.conn.query("read checkpoints", sql, &[&after])?;
            let Some(last) = rows.last() else { break };
            after = get(last, 0)?;
            for row in &rows {
                let (size, note) = (unsigned(get(row, 0)?)?, get::<&str>(row, 1)?);
                self.checkpoint(size, note, head);
            }
        }
        let sql = "select size from @.checkpoints where size < 0 limit 1";
        if let Some(row) = self.conn.row("read checkpoints", sql, &[])? {
            self.stray(format!("checkpoints/{}", get::<i64>(&row, 0)?), None, "it does not belong there");
        }
        Ok(())
    }

    fn checkpoint(&mut self, size: u64, note: &str, head: &Head) {
        let name = format!("checkpoints/{size}");
        // Without keys nothing can be said, and that there are none is a problem already.
        let Some(keys) = &self.keys else { return };
        match keys.open(note) {
            Err(e) => self.stray(name, None, e.to_string()),
            Ok(c) if c.size != size => self.stray(name, None, format!("its note is of {} entries", c.size)),
            Ok(c) if c.size > head.size => {
                self.stray(name, None, format!("it was published, and the log has {} entries now", head.size));
            }
            Ok(c) => self.roots.entry(size).or_default().push((name, c.root)),
        }
    }

    /// One pass over the entries: hashes, versions, keys, and the roots that others say the log had.
    fn entries(&mut self, head: &Head) -> Result<(), Error> {
        self.hold_against();
        while self.edge.size() < head.size {
            let from = self.edge.size();
            let to = head.size.min(from.saturating_add(CHUNK));
            let sql = "select idx, leaf, hash from @.entries where idx >= $1 and idx < $2 order by idx";
            let rows = self.conn.query("read entries", sql, &[&signed(from)?, &signed(to)?])?;
            let mut keys = BTreeMap::new();
            for (row, index) in rows.iter().zip(from..) {
                if unsigned(get(row, 0)?)? != index {
                    self.stray(row_of(index), Some(index), "it is missing");
                    return Ok(());
                }
                let leaf: &[u8] = get(row, 1)?;
                let Ok(hash) = get::<&[u8]>(row, 2)?.try_into() else {
                    self.stray(row_of(index), Some(index), "its hash is not 32 bytes");
                    return Ok(());
                };
                if countersign_evidence::merkle::leaf_hash(leaf) != hash {
                    self.stray(row_of(index), Some(index), "its hash is not that of its leaf");
                }
                // One that cannot be read was reported by the examination of the log.
                if let Ok(entry) = leaf::parse(&row_of(index), index, leaf) {
                    if matches!(entry.kind, EventKind::LogKeyRotated | EventKind::SecondLogKeyChosen) {
                        self.exchange(index, &entry)?;
                    }
                    let version = self.versions.entry(entry.stream).or_default();
                    *version = entry.version.max(*version);
                    self.last_time = self.last_time.max(Some(entry.time));
                    keys.extend(entry.key.map(|key| (key, index)));
                }
                self.edge.push(hash, |_, _| {});
                self.hold_against();
            }
            if self.edge.size() < to {
                let index = self.edge.size();
                self.stray(row_of(index), Some(index), "it is missing");
                return Ok(());
            }
            self.keys(from, to, &keys)?;
        }
        Ok(())
    }

    /// An entry that says that other keys sign must have its row, which says the same.
    fn exchange(&mut self, index: u64, entry: &Entry) -> Result<(), Error> {
        let name = layout::blob_name(&entry.payload.sha256);
        // One that is not there, or that nobody can read, was reported by the examination of the log.
        let Some(payload) = view::read(self.conn, &name, crate::MAX_BLOB_BYTES).ok().flatten() else { return Ok(()) };
        let (Some(said), Some(_)) = (KeyChange::said(entry.kind, &payload), &self.keys) else { return Ok(()) };
        let what = match self.exchanges.remove(&index) {
            Some(noted) if noted == said => return Ok(()),
            Some(_) => "it does not say what its entry says",
            None => "it is missing",
        };
        self.stray(log_keys::row_of(index), Some(index), what);
        Ok(())
    }

    /// Holds the roots that were said for this size against the entries.
    fn hold_against(&mut self) {
        for (name, root) in self.roots.remove(&self.edge.size()).unwrap_or_default() {
            if root != self.edge.root() {
                self.stray(name, None, format!("its root is not that of the first {} entries", self.edge.size()));
            }
        }
    }

    /// The keys that point at these entries must be those that stand in them.
    fn keys(&mut self, from: u64, to: u64, expected: &BTreeMap<String, u64>) -> Result<(), Error> {
        let sql = "select key, idx from @.keys where idx >= $1 and idx < $2";
        let rows = self.conn.query("read keys", sql, &[&signed(from)?, &signed(to)?])?;
        let mut found = BTreeSet::new();
        for row in &rows {
            let (key, index) = (get::<String>(row, 0)?, unsigned(get(row, 1)?)?);
            if expected.get(&key) != Some(&index) {
                self.stray(format!("keys/{key}"), Some(index), "the entry that it points at has another key");
            }
            found.insert((key, index));
        }
        for (key, index) in expected {
            if !found.contains(&(key.clone(), *index)) {
                self.stray(
                    format!("keys/{key}"),
                    Some(*index),
                    "the key of this entry is missing, or points elsewhere",
                );
            }
        }
        Ok(())
    }

    /// The versions of the streams must be those that the entries add up to.
    fn streams(&mut self) -> Result<(), Error> {
        let mut after: Option<String> = None;
        loop {
            let rows = match &after {
                None => {
                    let sql = "select stream, version from @.streams order by stream limit 4096";
                    self.conn.query("read versions", sql, &[])?
                }
                Some(after) => {
                    let sql = "select stream, version from @.streams where stream > $1 order by stream limit 4096";
                    self.conn.query("read versions", sql, &[after])?
                }
            };
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let (stream, version) = (get::<String>(row, 0)?, get::<i64>(row, 1)?);
                let expected = self.versions.remove(&StreamId::from_text(stream.as_str()));
                if expected.and_then(|v| i64::try_from(v).ok()) != Some(version) {
                    let what = match expected {
                        Some(expected) => format!("it says version {version}, the entries say {expected}"),
                        None => "no entry is in this stream".to_owned(),
                    };
                    self.stray(format!("streams/{stream}"), None, what);
                }
                after = Some(stream);
            }
        }
        let missing: Vec<StreamId> = self.versions.keys().cloned().collect();
        for stream in missing {
            self.stray(format!("streams/{stream}"), None, "it is missing");
        }
        Ok(())
    }

    /// Rows that lie outside of the log.
    fn beyond(&mut self, head: &Head) -> Result<(), Error> {
        let size = signed(head.size)?;
        let outside: [(&'static str, &'static str); 2] = [
            ("entries", "select idx from @.entries where idx < 0 or idx >= $1 order by idx limit 10"),
            ("keys", "select idx from @.keys where idx < 0 or idx >= $1 order by idx limit 10"),
        ];
        for (table, sql) in outside {
            for row in &self.conn.query("look beyond the log", sql, &[&size])? {
                let what = format!("it lies beyond the {size} entries of the log");
                self.stray(format!("{table}/{}", get::<i64>(row, 0)?), None, what);
            }
        }
        let sql =
            "select level, cast(count(*) as bigint), min(idx), max(idx) from @.nodes group by level order by level";
        let rows = self.conn.query("look beyond the log", sql, &[])?;
        let mut levels = BTreeMap::new();
        for row in &rows {
            levels.insert(get::<i32>(row, 0)?, (get::<i64>(row, 1)?, get::<i64>(row, 2)?, get::<i64>(row, 3)?));
        }
        for level in 1..=8_u8 {
            let count = signed(tile::hashes_at(level, head.size))?;
            let found = levels.remove(&i32::from(level)).unwrap_or((0, 0, -1));
            if found != (count, 0, count - 1) {
                let what = format!("it has {} rows from {} to {}, {count} belong there", found.0, found.1, found.2);
                self.stray(format!("nodes/{level}"), None, what);
            }
        }
        for level in levels.keys() {
            self.stray(format!("nodes/{level}"), None, "the tree has no such level");
        }
        Ok(())
    }
}
