//! What the index of findings asks: where records of findings stand, and what of them was disposed of.

use countersign_model::EventKind;
use rusqlite::Row;

use super::sql::{blob, text, time};
use super::state::State;
use crate::Error;
use crate::findings::LookRow;

/// Records of scans, and what was read out of other tools' reports.
const LOOKS: &str = "SELECT s.idx, e.time, s.run, r.identity, r.commit_id, s.record, s.record_size, s.record_media, 0
     FROM scans s JOIN runs r ON r.run = s.run JOIN entries e ON e.idx = s.idx WHERE s.idx >= ?1 AND s.idx < ?2
     UNION ALL
     SELECT v.idx, e.time, v.run, r.identity, r.commit_id, v.report, v.report_size, v.report_media, 1
     FROM evidence v JOIN runs r ON r.run = v.run JOIN entries e ON e.idx = v.idx
     WHERE v.idx >= ?1 AND v.idx < ?2 AND v.report IS NOT NULL";

/// The sign keeps the index of kinds out, which is of the whole log.
const KINDS_SINCE: &str = "SELECT DISTINCT +kind FROM entries WHERE idx >= ?1";

impl State {
    /// Entries from `from` on and before `to` that say what was found, by index, `limit` at the most.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn looks(&self, from: u64, to: u64, limit: u32) -> Result<Vec<LookRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("{LOOKS} ORDER BY 1 LIMIT ?3"))?;
        Ok(query.query_map((from, to, limit), look)?.collect::<Result<_, _>>()?)
    }

    /// Entries before `to` that say what was found in one repository, by index.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn looks_of(&self, repository: Option<&str>, to: u64) -> Result<Vec<LookRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT * FROM ({LOOKS}) WHERE identity IS ?3 ORDER BY 1"))?;
        Ok(query.query_map((0, to, repository), look)?.collect::<Result<_, _>>()?)
    }

    /// How many entries say what was found, from `from` on.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn looks_count(&self, from: u64) -> Result<u64, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT (SELECT count(*) FROM scans WHERE idx >= ?1)
             + (SELECT count(*) FROM evidence WHERE idx >= ?1 AND report IS NOT NULL)",
        )?;
        Ok(query.query_row([from], |row| row.get(0))?)
    }

    /// Entries that may have said what was found, and whose payloads were disposed of by a certificate from `from` on and before
    /// `to`; whether each is the record of a scan.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn looks_disposed(&self, from: u64, to: u64) -> Result<Vec<(u64, bool)>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT d.idx, e.kind = ?2 FROM certificates c JOIN disposed d ON d.certificate = c.idx
             JOIN entries e ON e.idx = d.idx WHERE c.idx >= ?1 AND c.idx < ?4 AND e.kind IN (?2, ?3) ORDER BY d.idx",
        )?;
        let kinds = (EventKind::FindingsRecorded.as_str(), EventKind::EvidenceAttached.as_str());
        let rows = query.query_map((from, kinds.0, kinds.1, to), |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Repositories of which a run was attempted from `from` on.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn attempted_since(&self, from: u64) -> Result<Vec<Option<String>>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT DISTINCT r.identity FROM attempts a JOIN runs r ON r.run = a.run WHERE a.idx >= ?1",
        )?;
        Ok(query.query_map([from], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Whether an entry of one of these kinds stands from `from` on.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn has_since(&self, from: u64, kinds: &[EventKind]) -> Result<bool, Error> {
        let mut query = self.db.prepare_cached(KINDS_SINCE)?;
        let mut rows = query.query([from])?;
        while let Some(row) = rows.next()? {
            let kind: EventKind = text(row, 0)?;
            if kinds.contains(&kind) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether every entry from `from` on is of one of these kinds.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn has_only_since(&self, from: u64, kinds: &[EventKind]) -> Result<bool, Error> {
        let mut query = self.db.prepare_cached(KINDS_SINCE)?;
        let mut rows = query.query([from])?;
        while let Some(row) = rows.next()? {
            if !kinds.contains(&text(row, 0)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The root of trust that is pinned, in words; empty where none is.
    #[must_use]
    pub fn pinned_text(&self) -> String {
        self.pinned.as_ref().map(|p| format!("{} {}", p.index, p.entry)).unwrap_or_default()
    }
}

fn look(row: &Row<'_>) -> rusqlite::Result<LookRow> {
    Ok(LookRow {
        index: row.get(0)?,
        time: time(row, 1)?,
        run: text(row, 2)?,
        repository: row.get(3)?,
        commit: row.get(4)?,
        record: blob(row, 5)?,
        is_report: row.get(8)?,
    })
}

#[cfg(test)]
mod tests {
    use super::KINDS_SINCE;
    use crate::projection::entries::TABLES;

    #[test]
    fn the_newest_kinds_are_read_from_where_they_stand() {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        TABLES.iter().for_each(|table| db.execute_batch(table.sql).unwrap());
        let plan: String = db.query_row(&format!("EXPLAIN QUERY PLAN {KINDS_SINCE}"), [7], |row| row.get(3)).unwrap();
        assert!(plan.contains("PRIMARY KEY"), "{plan}");
    }
}
