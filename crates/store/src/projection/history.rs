//! What an assessment asks of the tables: everything of a kind, with the entries it comes from. Nothing here opens a profile.

use std::collections::BTreeMap;

use countersign_evidence::sshsig::PublicKey;
use countersign_model::{ActorId, Digest, GrantId, PayloadRef, PersonId, Retention, RunId, Timestamp};
use rusqlite::{OptionalExtension as _, Row};

use super::sql::{blob, maybe, text, time};
use super::state::State;
use crate::Error;

/// When a grant was issued, redeemed and done, as log indices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantSteps {
    /// The grant.
    pub grant: GrantId,
    /// Its issue.
    pub index: u64,
    /// The start of its deployment.
    pub started: Option<u64>,
    /// The end of it.
    pub ended: Option<u64>,
}

/// One act that granted suppressions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuppressionAct {
    /// Log index.
    pub index: u64,
    /// Who granted.
    pub by: PersonId,
    /// Until when.
    pub expires: Timestamp,
}

/// A bundle that was put in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleRow {
    /// Log index.
    pub index: u64,
    /// Its digest.
    pub digest: Digest,
    /// The blob that holds it.
    pub blob: PayloadRef,
    /// Who activated it.
    pub by: PersonId,
    /// When.
    pub time: Timestamp,
}

/// An act that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalRow {
    /// Log index.
    pub index: u64,
    /// The act.
    pub act: String,
    /// Who tried, where that is known.
    pub person: Option<PersonId>,
    /// The error's code.
    pub code: String,
    /// When.
    pub time: Timestamp,
}

/// A request for erasure, open or done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureStep {
    /// Log index of the request.
    pub index: u64,
    /// Whose data.
    pub person: PersonId,
    /// When it was asked for.
    pub requested: Timestamp,
    /// Log index of the erasure.
    pub erased: Option<u64>,
}

impl State {
    /// The time of every entry, by index.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn entry_times(&self) -> Result<Vec<Timestamp>, Error> {
        let mut query = self.db.prepare_cached("SELECT time FROM entries ORDER BY idx")?;
        Ok(query.query_map([], |row| time(row, 0))?.collect::<Result<_, _>>()?)
    }

    /// When each actor last did something before `end`.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn last_acts(&self, end: Timestamp) -> Result<BTreeMap<ActorId, Timestamp>, Error> {
        let mut query =
            self.db.prepare_cached("SELECT actor, max(time) FROM entries WHERE time < ?1 GROUP BY actor")?;
        Ok(query.query_map([end.millis()], |row| Ok((text(row, 0)?, time(row, 1)?)))?.collect::<Result<_, _>>()?)
    }

    /// How many entries are of each retention class, and the first of them.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn retention_counts(&self) -> Result<Vec<(Retention, u64, u64)>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT retention, count(*), min(idx) FROM entries GROUP BY retention ORDER BY retention",
        )?;
        let rows = query.query_map([], |row| Ok((text(row, 0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every grant with its steps, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn grant_steps(&self) -> Result<Vec<GrantSteps>, Error> {
        let mut query = self.db.prepare_cached("SELECT grant_id, idx, started, ended FROM grants ORDER BY idx")?;
        let rows = query.query_map([], |row| {
            Ok(GrantSteps { grant: text(row, 0)?, index: row.get(1)?, started: row.get(2)?, ended: row.get(3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Everybody enrolled, by log index.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn enrolments(&self) -> Result<Vec<(u64, PersonId)>, Error> {
        let mut query = self.db.prepare_cached("SELECT idx, person FROM people ORDER BY idx, person")?;
        Ok(query.query_map([], |row| Ok((row.get(0)?, text(row, 1)?)))?.collect::<Result<_, _>>()?)
    }

    /// Every key that signs acts, of somebody enrolled.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn enrolled_keys(&self) -> Result<Vec<(u64, PersonId, PublicKey)>, Error> {
        let mut query = self
            .db
            .prepare_cached("SELECT idx, person, key FROM person_keys WHERE kind <> 'openpgp' ORDER BY idx, key")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, text(row, 1)?, text(row, 2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every act that granted suppressions, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn suppression_acts(&self) -> Result<Vec<SuppressionAct>, Error> {
        let mut query =
            self.db.prepare_cached("SELECT DISTINCT idx, person, expires FROM suppressions ORDER BY idx")?;
        let rows = query.query_map([], |row| {
            Ok(SuppressionAct { index: row.get(0)?, by: text(row, 1)?, expires: time(row, 2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every bundle that was put in effect, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn bundles(&self) -> Result<Vec<BundleRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, digest, blob, blob_size, blob_media, person, time FROM bundles ORDER BY idx",
        )?;
        let rows = query.query_map([], |row: &Row<'_>| {
            Ok(BundleRow {
                index: row.get(0)?,
                digest: text(row, 1)?,
                blob: blob(row, 2)?,
                by: text(row, 5)?,
                time: time(row, 6)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every act that was refused, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn refusals(&self) -> Result<Vec<RefusalRow>, Error> {
        let mut query = self.db.prepare_cached("SELECT idx, act, person, code, time FROM refusals ORDER BY idx")?;
        let rows = query.query_map([], |row| {
            Ok(RefusalRow {
                index: row.get(0)?,
                act: row.get(1)?,
                person: maybe(row, 2)?,
                code: row.get(3)?,
                time: time(row, 4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The last scan of a run: its log index, and how much it could not look at.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn last_scan_gaps(&self, run: &RunId) -> Result<Option<(u64, u64)>, Error> {
        let mut query =
            self.db.prepare_cached("SELECT idx, gaps FROM scans WHERE run = ?1 ORDER BY idx DESC LIMIT 1")?;
        Ok(query.query_row([run.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    /// Every request for erasure, with what came of it, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn erasure_steps(&self) -> Result<Vec<ErasureStep>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT min(q.idx), q.person, q.time, e.idx FROM erasure_requests q
             LEFT JOIN erasures e ON e.person = q.person GROUP BY q.person ORDER BY 1",
        )?;
        let rows = query.query_map([], |row| {
            Ok(ErasureStep { index: row.get(0)?, person: text(row, 1)?, requested: time(row, 2)?, erased: row.get(3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
