//! The index is brought up: looks are taken in, disposed ones are taken out, and what stands of the findings is written down.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

use countersign_model::{Digest, RunId, Severity, Timestamp, TreePath};
use rusqlite::{OptionalExtension as _, params};

use super::table::is_busy;
use super::{Index, Look, LookRow, SEVERITIES, Seen, Standing};
use crate::Error;
use crate::projection::State;

/// What nobody has to answer within a time.
const NEVER: i64 = i64::MAX;
/// The factor of a repository whose application is not known: the strictest, as everywhere.
pub(super) const UNKNOWN_FACTOR: u8 = 4;

/// How far an index is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// So many entries of the log are taken in.
    pub size: u64,
    /// The log's root at that size; empty before the first.
    pub root: String,
    /// Before this moment no suppression and no waiver begins or ends.
    pub stands_until: Timestamp,
    /// Before this moment nothing that is open gets past its day.
    pub late_at: Timestamp,
    /// Whether how all findings stand must be asked anew.
    pub unsettled: bool,
    /// Entries with findings that were disposed of.
    pub disposed: u64,
}

/// What is written together.
#[derive(Debug)]
pub struct New<'a> {
    index: &'a Index,
    present: HashMap<(i64, i64), HashMap<[u8; 32], Present>>,
    buckets: HashMap<Bucket, i64>,
    texts: HashMap<(&'static str, String), i64>,
}

#[derive(Debug, Clone, Copy)]
struct Present {
    id: i64,
    detail: i64,
    /// Whether the newest look could not see it, and so not that it is gone.
    held: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Bucket {
    repository: i64,
    rule: i64,
    severity: u8,
    controls: i64,
    state: u8,
    late: bool,
}

/// A repository whose findings may stand otherwise than is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    /// Its row.
    pub id: i64,
    /// Its identity.
    pub repository: Option<String>,
    /// The run that was scanned last.
    pub run: Option<RunId>,
}

/// A finding of which somebody may have said that it does not count.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its row.
    pub id: i64,
    /// Its fingerprint.
    pub fingerprint: Digest,
    /// Its rule.
    pub rule: String,
    /// Its controls.
    pub controls: Vec<String>,
    /// Where.
    pub path: TreePath,
    /// Whether a suppression is asked for.
    pub asked: bool,
    /// How it stands by now.
    pub stands: Standing,
    /// The waiver by which it does.
    pub by_waiver: Option<String>,
    /// The entry by which it does.
    pub by_entry: Option<u64>,
    /// Until when it does.
    pub until: Option<Timestamp>,
}

/// A severity as it stands in a column.
pub(super) fn severity_code(severity: Severity) -> u8 {
    // From the worst: a smaller number is worse.
    SEVERITIES.iter().position(|s| *s == severity).map_or(0, |n| u8::try_from(n).unwrap_or(0))
}

pub(super) fn set_text(items: &[String]) -> String {
    items.join("\n")
}

pub(super) fn set_of(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

impl Index {
    /// How far it is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn meta(&self) -> Result<Meta, Error> {
        let mut query =
            self.db.prepare_cached("SELECT size, root, stands_until, late_at, unsettled, disposed FROM meta")?;
        let row = |row: &rusqlite::Row<'_>| {
            Ok(Meta {
                size: row.get(0)?,
                root: row.get(1)?,
                stands_until: Timestamp::from_millis(row.get(2)?),
                late_at: Timestamp::from_millis(row.get(3)?),
                unsettled: row.get(4)?,
                disposed: row.get(5)?,
            })
        };
        Ok(query.query_row([], row)?)
    }

    /// Whether a repository must be read anew, because something of it was disposed of.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_stale(&self) -> Result<bool, Error> {
        Ok(self.db.prepare_cached("SELECT 1 FROM repositories WHERE stale = 1")?.exists([])?)
    }

    /// Writes together what `job` writes. `None` where another process writes for longer than `wait`.
    ///
    /// # Errors
    /// What `job` and the database say.
    pub fn write<T, E: From<Error>>(
        &self,
        wait: Duration,
        job: impl FnOnce(&mut New<'_>) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let db = &self.db;
        db.busy_timeout(wait).map_err(Error::from)?;
        let begun = db.execute_batch("BEGIN IMMEDIATE");
        db.busy_timeout(Duration::from_secs(30)).map_err(Error::from)?;
        match begun {
            Err(e) if is_busy(&e) => return Ok(None),
            begun => begun.map_err(Error::from)?,
        }
        let mut new = New { index: self, present: HashMap::new(), buckets: HashMap::new(), texts: HashMap::new() };
        match job(&mut new) {
            Ok(value) => {
                self.end(Ok(()))?;
                Ok(Some(value))
            }
            Err(error) => {
                if !db.is_autocommit() {
                    // The first error is the one that says what is the matter.
                    let _ = db.execute_batch("ROLLBACK");
                }
                Err(error)
            }
        }
    }

    /// Takes out what came from disposed records, where an index is kept at `path`. What else it holds of their repositories is read
    /// anew when somebody asks.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn forget_disposed(path: &Path, state: &State) -> Result<(), Error> {
        let Some(index) = Self::existing(path)? else { return Ok(()) };
        let done = index.write(Duration::from_secs(30), |new| {
            let looks = new.indices()?;
            let gone: Vec<u64> = state.disposed()?.into_iter().filter(|i| looks.contains(i)).collect();
            new.forget(&gone)
        })?;
        // What was written stays in the write-ahead log until it is copied and cut.
        index.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        done.ok_or(Error::ProjectionUnsettled)
    }

    /// The sets of controls that findings have.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn control_sets(&self) -> Result<Vec<(i64, Vec<String>)>, Error> {
        let mut query = self.db.prepare_cached("SELECT id, text FROM control_sets")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, set_of(&row.get::<_, String>(1)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl New<'_> {
    /// The index that is written.
    #[must_use]
    pub const fn index(&self) -> &Index {
        self.index
    }

    /// The log is taken in so far.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_meta(&self, meta: &Meta) -> Result<(), Error> {
        self.index
            .db
            .prepare_cached(
                "UPDATE meta SET size = ?1, root = ?2, stands_until = ?3, late_at = ?4, unsettled = ?5, disposed = ?6",
            )?
            .execute((
                meta.size,
                &meta.root,
                meta.stands_until.millis(),
                meta.late_at.millis(),
                meta.unsettled,
                meta.disposed,
            ))?;
        Ok(())
    }

    fn indices(&self) -> Result<BTreeSet<u64>, Error> {
        let mut query = self.index.db.prepare_cached("SELECT idx FROM looks")?;
        Ok(query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Empties it, for another log or another history.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn clear(&mut self) -> Result<(), Error> {
        self.index.db.execute_batch(
            "DELETE FROM findings; DELETE FROM presences; DELETE FROM buckets; DELETE FROM looks;
             DELETE FROM repositories; DELETE FROM rules; DELETE FROM control_sets; DELETE FROM tools;
             UPDATE meta SET size = 0, root = '', stands_until = 0, late_at = 0, unsettled = 1, disposed = 0",
        )?;
        (self.present, self.buckets, self.texts) = Default::default();
        Ok(())
    }

    /// Takes out the repositories that these entries are about; they are to be read anew.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn forget(&mut self, entries: &[u64]) -> Result<(), Error> {
        let db = &self.index.db;
        let mut of = db.prepare_cached("SELECT DISTINCT repository FROM looks WHERE idx = ?1")?;
        let mut repositories = BTreeSet::<i64>::new();
        for entry in entries {
            for id in of.query_map([entry], |row| row.get(0))? {
                repositories.insert(id?);
            }
        }
        for id in repositories {
            db.execute("DELETE FROM findings WHERE repository = ?1", [id])?;
            db.execute("DELETE FROM looks WHERE repository = ?1", [id])?;
            db.execute("DELETE FROM buckets WHERE repository = ?1", [id])?;
            db.execute("UPDATE repositories SET stale = 1, unsettled = 1, run = NULL WHERE id = ?1", [id])?;
        }
        (self.present, self.buckets) = Default::default();
        Ok(())
    }

    /// Repositories that must be read anew.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn stale(&self) -> Result<Vec<(i64, Option<String>)>, Error> {
        let mut query = self.index.db.prepare_cached("SELECT id, identity FROM repositories WHERE stale = 1")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, identity(row.get(1)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// It was read anew.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn is_read(&self, repository: i64) -> Result<(), Error> {
        let db = &self.index.db;
        db.execute("UPDATE repositories SET stale = 0 WHERE id = ?1", [repository])?;
        let seen: bool =
            db.query_row("SELECT EXISTS (SELECT 1 FROM looks WHERE repository = ?1)", [repository], |r| r.get(0))?;
        if !seen {
            db.execute("DELETE FROM repositories WHERE id = ?1", [repository])?;
            self.tidy_texts()?;
        }
        Ok(())
    }

    /// Names that nothing has any more go with what had them.
    fn tidy_texts(&self) -> Result<(), Error> {
        self.index.db.execute_batch(
            "DELETE FROM buckets WHERE n = 0;
             DELETE FROM rules WHERE id NOT IN (SELECT rule FROM buckets);
             DELETE FROM control_sets WHERE id NOT IN (SELECT controls FROM buckets);
             DELETE FROM tools WHERE id NOT IN (SELECT tool FROM looks)",
        )?;
        Ok(())
    }

    /// Names that nothing has any more, after repositories were read anew.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn tidy(&mut self) -> Result<(), Error> {
        (self.buckets, self.texts) = Default::default();
        self.tidy_texts()
    }

    /// A record that could not be read. It closes nothing, and is counted.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn unread(&mut self, row: &LookRow, tool: &str) -> Result<(), Error> {
        let (repository, tool) = self.about(row, tool)?;
        self.look(row, repository, tool, 0, true)
    }

    fn about(&mut self, row: &LookRow, tool: &str) -> Result<(i64, i64), Error> {
        let name = row.repository.clone().unwrap_or_default();
        let db = &self.index.db;
        let mut query = db.prepare_cached(
            "INSERT INTO repositories (identity, factor, stale, unsettled) VALUES (?1, ?2, 0, 1)
             ON CONFLICT (identity) DO UPDATE SET unsettled = 1 RETURNING id",
        )?;
        let repository: i64 = query.query_row((&name, UNKNOWN_FACTOR), |row| row.get(0))?;
        if !row.is_report {
            db.prepare_cached("UPDATE repositories SET run = ?2 WHERE id = ?1")?
                .execute((repository, row.run.as_str()))?;
        }
        Ok((repository, self.text("tools", tool)?))
    }

    fn look(&self, row: &LookRow, repository: i64, tool: i64, n: usize, unread: bool) -> Result<(), Error> {
        self.index
            .db
            .prepare_cached(
                "INSERT OR REPLACE INTO looks (repository, tool, idx, run, commit_id, time, findings, unread)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                repository,
                tool,
                row.index,
                row.run.as_str(),
                &row.commit,
                row.time.millis(),
                n as u64,
                unread,
            ))?;
        Ok(())
    }

    /// The id of a text.
    fn text(&mut self, table: &'static str, text: &str) -> Result<i64, Error> {
        if let Some(id) = self.texts.get(&(table, text.to_owned())) {
            return Ok(*id);
        }
        let sql = format!("INSERT INTO {table} (text) VALUES (?1) ON CONFLICT DO UPDATE SET text = text RETURNING id");
        let id = self.index.db.prepare_cached(&sql)?.query_row([text], |row| row.get(0))?;
        self.texts.insert((table, text.to_owned()), id);
        Ok(id)
    }

    fn bucket(&mut self, bucket: Bucket) -> Result<i64, Error> {
        if let Some(id) = self.buckets.get(&bucket) {
            return Ok(*id);
        }
        let b = bucket;
        let id = self
            .index
            .db
            .prepare_cached(
                "INSERT INTO buckets (repository, rule, severity, controls, state, late, n, due, turn)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, 0) ON CONFLICT DO UPDATE SET n = n RETURNING id",
            )?
            .query_row((b.repository, b.rule, b.severity, b.controls, b.state, b.late, NEVER), |row| row.get(0))?;
        self.buckets.insert(bucket, id);
        Ok(id)
    }

    fn load(&mut self, repository: i64, tool: i64) -> Result<(), Error> {
        if self.present.contains_key(&(repository, tool)) {
            return Ok(());
        }
        let mut query = self.index.db.prepare_cached(
            "SELECT fingerprint, id, detail, present FROM findings WHERE repository = ?1 AND tool = ?2 AND present > 0",
        )?;
        let rows = query.query_map((repository, tool), |row| {
            Ok((row.get(0)?, Present { id: row.get(1)?, detail: row.get(2)?, held: row.get::<_, u8>(3)? == 2 }))
        })?;
        let present = rows.collect::<Result<_, _>>()?;
        self.present.insert((repository, tool), present);
        Ok(())
    }

    /// Takes in what a tool saw. Looks come in the order of the log. `within` says within how many hours a finding of these controls
    /// is answered.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn take(&mut self, row: &LookRow, look: &Look, within: &dyn Fn(&[String]) -> Option<u32>) -> Result<(), Error> {
        let (repository, tool) = self.about(row, &look.tool)?;
        self.load(repository, tool)?;
        let mut query = self.index.db.prepare_cached(
            "SELECT idx, run, time FROM looks WHERE repository = ?1 AND tool = ?2 AND unread = 0 ORDER BY idx DESC LIMIT 1",
        )?;
        let before: Option<(u64, String, i64)> =
            query.query_row((repository, tool), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        let mut left = self.present.remove(&(repository, tool)).unwrap_or_default();
        let mut now = HashMap::with_capacity(look.findings.len());
        for seen in &look.findings {
            let print = *seen.fingerprint.as_bytes();
            if now.contains_key(&print) {
                continue;
            }
            let detail = detail_of(seen);
            let id = match left.remove(&print) {
                Some(known) => {
                    if known.detail != detail {
                        self.renew(known.id, repository, tool, seen, detail, within)?;
                    }
                    if known.held {
                        self.appears(known.id, row.index)?;
                    }
                    known.id
                }
                None => self.comes(row, repository, tool, seen, detail, within)?,
            };
            now.insert(print, Present { id, detail, held: false });
        }
        let last = before.as_ref().map_or((row.index, row.time.millis()), |(index, _, time)| (*index, *time));
        let adds = look.adds && before.is_some_and(|(_, run, _)| run == row.run.as_str());
        for (print, known) in left {
            if adds {
                now.insert(print, known);
            } else if !look.is_complete || self.is_in_a_gap(known.id, &look.gaps)? {
                if !known.held {
                    self.goes(known.id, last, 2)?;
                }
                now.insert(print, Present { held: true, ..known });
            } else {
                self.goes(known.id, last, 0)?;
                self.stand(known.id, Standing::Fixed, None, None, None)?;
            }
        }
        self.look(row, repository, tool, look.findings.len(), false)?;
        self.present.insert((repository, tool), now);
        Ok(())
    }

    fn is_in_a_gap(&self, id: i64, gaps: &[TreePath]) -> Result<bool, Error> {
        if gaps.is_empty() {
            return Ok(false);
        }
        let mut query = self.index.db.prepare_cached("SELECT path FROM findings WHERE id = ?1")?;
        let path: Vec<u8> = query.query_row([id], |row| row.get(0))?;
        Ok(gaps.iter().any(|gap| {
            let rest = path.strip_prefix(gap.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        }))
    }

    /// A finding that is not there at present: a new one, or one that comes back.
    fn comes(
        &mut self,
        row: &LookRow,
        repository: i64,
        tool: i64,
        seen: &Seen,
        detail: i64,
        within: &dyn Fn(&[String]) -> Option<u32>,
    ) -> Result<i64, Error> {
        let mut query =
            self.index.db.prepare_cached("SELECT id FROM findings WHERE repository = ?1 AND fingerprint = ?2")?;
        let known: Option<i64> =
            query.query_row((repository, seen.fingerprint.as_bytes()), |row| row.get(0)).optional()?;
        if let Some(id) = known {
            // It may be another tool's that reports under the same fingerprint: then it is that one's from now on.
            for present in self.present.values_mut() {
                present.retain(|_, p| p.id != id);
            }
            self.renew(id, repository, tool, seen, detail, within)?;
            self.appears(id, row.index)?;
            return Ok(id);
        }
        let bucket = self.bucket_of(repository, seen)?;
        self.index
            .db
            .prepare_cached(
                "INSERT INTO findings (repository, fingerprint, tool, bucket, due, first_idx, first_time, present, detail,
                  confidence, path, line, cwe, title, excerpt, asked, reason)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            )?
            .execute(params![
                repository,
                seen.fingerprint.as_bytes(),
                tool,
                bucket,
                due(row.time.millis(), within(&seen.controls)),
                row.index,
                row.time.millis(),
                detail,
                seen.confidence as u8,
                seen.path.as_bytes(),
                seen.line,
                set_text(&seen.cwe),
                seen.title,
                seen.excerpt,
                seen.asked,
                seen.reason,
            ])?;
        let id = self.index.db.last_insert_rowid();
        self.appears(id, row.index)?;
        Ok(id)
    }

    fn bucket_of(&mut self, repository: i64, seen: &Seen) -> Result<i64, Error> {
        let (rule, controls) = (self.text("rules", &seen.rule)?, self.text("control_sets", &set_text(&seen.controls))?);
        let (severity, state) = (severity_code(seen.severity), Standing::Open.code());
        self.bucket(Bucket { repository, rule, severity, controls, state, late: false })
    }

    /// A finding is as this look has it, and open until somebody is asked again.
    fn renew(
        &mut self,
        id: i64,
        repository: i64,
        tool: i64,
        seen: &Seen,
        detail: i64,
        within: &dyn Fn(&[String]) -> Option<u32>,
    ) -> Result<(), Error> {
        let bucket = self.bucket_of(repository, seen)?;
        let mut query = self.index.db.prepare_cached("SELECT first_time FROM findings WHERE id = ?1")?;
        let first: i64 = query.query_row([id], |row| row.get(0))?;
        self.index
            .db
            .prepare_cached(
                "UPDATE findings SET bucket = ?2, due = ?3, detail = ?4, confidence = ?5, path = ?6, line = ?7, cwe = ?8,
                 title = ?9, excerpt = ?10, asked = ?11, reason = ?12, tool = ?13, present = 1, by_waiver = NULL,
                 by_entry = NULL, until = NULL, gone = NULL WHERE id = ?1",
            )?
            .execute(params![
                id,
                bucket,
                due(first, within(&seen.controls)),
                detail,
                seen.confidence as u8,
                seen.path.as_bytes(),
                seen.line,
                set_text(&seen.cwe),
                seen.title,
                seen.excerpt,
                seen.asked,
                seen.reason,
                tool,
            ])?;
        Ok(())
    }

    fn appears(&self, id: i64, index: u64) -> Result<(), Error> {
        let db = &self.index.db;
        db.prepare_cached("UPDATE presences SET last = ?2 WHERE finding = ?1 AND last IS NULL AND first < ?2")?
            .execute((id, index))?;
        db.prepare_cached("INSERT OR IGNORE INTO presences (finding, first) VALUES (?1, ?2)")?.execute((id, index))?;
        db.prepare_cached(
            "UPDATE findings SET present = 1, gone = NULL WHERE id = ?1 AND (present <> 1 OR gone IS NOT NULL)",
        )?
        .execute([id])?;
        Ok(())
    }

    /// `last` is the look that saw it last, and when that was. What was held before was seen last before that.
    fn goes(&self, id: i64, (last, time): (u64, i64), present: u8) -> Result<(), Error> {
        let db = &self.index.db;
        db.prepare_cached("UPDATE presences SET last = ?2 WHERE finding = ?1 AND last IS NULL")?.execute((id, last))?;
        db.prepare_cached("UPDATE findings SET present = ?2, gone = coalesce(gone, ?3) WHERE id = ?1")?
            .execute((id, present, time))?;
        Ok(())
    }

    /// How a finding stands, and by what.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn stand(
        &mut self,
        id: i64,
        stands: Standing,
        by_waiver: Option<&str>,
        by_entry: Option<u64>,
        until: Option<Timestamp>,
    ) -> Result<(), Error> {
        let mut query = self.index.db.prepare_cached(
            "SELECT b.repository, b.rule, b.severity, b.controls FROM findings f JOIN buckets b ON b.id = f.bucket
             WHERE f.id = ?1",
        )?;
        let bucket = query.query_row([id], |row| {
            Ok(Bucket {
                repository: row.get(0)?,
                rule: row.get(1)?,
                severity: row.get(2)?,
                controls: row.get(3)?,
                state: stands.code(),
                late: false,
            })
        })?;
        let bucket = self.bucket(bucket)?;
        self.index
            .db
            .prepare_cached("UPDATE findings SET bucket = ?2, by_waiver = ?3, by_entry = ?4, until = ?5 WHERE id = ?1")?
            .execute((id, bucket, by_waiver, by_entry, until.map(Timestamp::millis)))?;
        Ok(())
    }

    /// Repositories whose findings may stand otherwise than is written: all of them, or those that something was taken in of.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn unsettled(&self, all: bool) -> Result<Vec<Unsettled>, Error> {
        let mut query = self
            .index
            .db
            .prepare_cached("SELECT id, identity, run FROM repositories WHERE unsettled = 1 OR ?1 ORDER BY id")?;
        let rows = query.query_map([all], |row| {
            Ok(Unsettled {
                id: row.get(0)?,
                repository: identity(row.get(1)?),
                run: row.get::<_, Option<String>>(2)?.map(RunId::from_text),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How the findings of a repository stand must be asked anew.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn unsettle(&self, repository: Option<&str>) -> Result<(), Error> {
        let mut update = self.index.db.prepare_cached("UPDATE repositories SET unsettled = 1 WHERE identity = ?1")?;
        update.execute([repository.unwrap_or_default()])?;
        Ok(())
    }

    /// The findings of a repository of which somebody may have said that they do not count: those that ask for it or stand so by
    /// now, and those of these sets of controls.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn candidates(&self, repository: i64, sets: &[i64]) -> Result<Vec<Candidate>, Error> {
        const COLUMNS: &str = "SELECT f.id, f.fingerprint, r.text, c.text, f.path, f.asked IS NOT NULL, b.state,
            f.by_waiver, f.by_entry, f.until FROM findings f JOIN buckets b ON b.id = f.bucket
            JOIN rules r ON r.id = b.rule JOIN control_sets c ON c.id = b.controls";
        let candidate = |row: &rusqlite::Row<'_>| {
            Ok(Candidate {
                id: row.get(0)?,
                fingerprint: Digest::from_bytes(row.get(1)?),
                rule: row.get(2)?,
                controls: set_of(&row.get::<_, String>(3)?),
                path: TreePath::from_bytes(row.get::<_, Vec<u8>>(4)?),
                asked: row.get(5)?,
                stands: Standing::ALL.get(row.get::<_, usize>(6)?).copied().unwrap_or(Standing::Open),
                by_waiver: row.get(7)?,
                by_entry: row.get(8)?,
                until: row.get::<_, Option<i64>>(9)?.map(Timestamp::from_millis),
            })
        };
        let mut query = self.index.db.prepare_cached(&format!(
            "{COLUMNS} WHERE f.repository = ?1 AND (f.asked IS NOT NULL OR f.until IS NOT NULL) AND f.present > 0"
        ))?;
        let mut all: Vec<Candidate> = query.query_map([repository], candidate)?.collect::<Result<_, _>>()?;
        let mut query = self.index.db.prepare_cached(&format!(
            "{COLUMNS} WHERE b.repository = ?1 AND b.controls = ?2 AND b.state <> ?3 AND f.asked IS NULL AND f.until IS NULL"
        ))?;
        for set in sets {
            for row in query.query_map((repository, set, Standing::Fixed.code()), candidate)? {
                all.push(row?);
            }
        }
        Ok(all)
    }

    /// How the findings of a repository stand is written, and how much depends on it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn settled(&self, repository: i64, factor: u8) -> Result<(), Error> {
        self.index
            .db
            .prepare_cached("UPDATE repositories SET unsettled = 0, factor = ?2 WHERE id = ?1")?
            .execute((repository, factor))?;
        Ok(())
    }

    /// Moves what is past its day into the buckets of those that are. Returns when the next one will be.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn lateness(&mut self, now: Timestamp) -> Result<Timestamp, Error> {
        let open = Standing::Open.code();
        let db = &self.index.db;
        let mut query = db.prepare_cached(
            "SELECT id, repository, rule, severity, controls FROM buckets
             WHERE state = ?1 AND late = 0 AND n > 0 AND due <= ?2",
        )?;
        let rows = query.query_map((open, now.millis()), |row| {
            let bucket = Bucket {
                repository: row.get(1)?,
                rule: row.get(2)?,
                severity: row.get(3)?,
                controls: row.get(4)?,
                state: open,
                late: true,
            };
            Ok((row.get::<_, i64>(0)?, bucket))
        })?;
        let due: Vec<(i64, Bucket)> = rows.collect::<Result<_, _>>()?;
        for (from, to) in due {
            let to = self.bucket(to)?;
            db.prepare_cached("UPDATE findings SET bucket = ?2 WHERE bucket = ?1 AND due <= ?3")?.execute((
                from,
                to,
                now.millis(),
            ))?;
            db.prepare_cached(
                "UPDATE buckets SET due = coalesce((SELECT min(due) FROM findings WHERE bucket = ?1), ?2) WHERE id = ?1",
            )?
            .execute((from, NEVER))?;
        }
        let mut query = db.prepare_cached("SELECT min(due) FROM buckets WHERE state = ?1 AND late = 0 AND n > 0")?;
        let next: Option<i64> = query.query_row([open], |row| row.get(0))?;
        Ok(Timestamp::from_millis(next.unwrap_or(NEVER)))
    }
}

/// The moment by which something first seen then must be answered.
fn due(first: i64, hours: Option<u32>) -> i64 {
    hours.map_or(NEVER, |hours| first.saturating_add(i64::from(hours) * 3_600_000))
}

/// The identity of a repository; it may have none.
pub(super) fn identity(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Tells whether a finding looks as it did.
fn detail_of(seen: &Seen) -> i64 {
    let optional = [&seen.title, &seen.excerpt, &seen.asked, &seen.reason].map(|o| o.as_deref().unwrap_or("\u{0}"));
    let text = format!(
        "{}\n{}\n{}\n{}\n{}\n{:?}\n{:?}\n{optional:?}",
        seen.rule, seen.severity, seen.confidence, seen.path, seen.line, seen.controls, seen.cwe
    );
    let bytes = Digest::of(text.as_bytes());
    let [a, b, c, d, e, f, g, h, ..] = *bytes.as_bytes();
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}
