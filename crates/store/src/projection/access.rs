//! All access that there is, and where it ended: what access reviews look at.
//!
//! It is read from tables that keep when each thing began and ended, so it can be told for any earlier place of the log too, and
//! whoever has the log comes to the same lines.

use std::collections::BTreeMap;

use countersign_evidence::{act, canonical};
use countersign_model::access::review::{AccessItem, AccessKind, GoneHow, workload_identity};
use countersign_model::event::WorkloadReadmitted;
use countersign_model::{Action, ActorId, Digest, PersonId, Timestamp};
use rusqlite::OptionalExtension as _;

use super::keys::KeyRow;
use super::read::Act;
use super::sql::{Fold, require, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[Table {
    name: "workload_ends",
    key: &["workload", "idx"],
    index: "idx",
    sql: "CREATE TABLE workload_ends (workload TEXT NOT NULL, idx INTEGER NOT NULL, review TEXT NOT NULL,
            ended_by TEXT NOT NULL, back INTEGER, back_by TEXT, back_reason TEXT, PRIMARY KEY (workload, idx))
            STRICT, WITHOUT ROWID;",
}];

impl State {
    /// All access that there was when the log had `size` entries, as of a moment: roles, keys and workloads, each in the order of
    /// their entries.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn access_at(&self, size: u64, at: Timestamp) -> Result<Vec<AccessItem>, Error> {
        let days = i64::from(self.idle_days_at(size)?);
        let since = at.plus_seconds(days.saturating_mul(-86_400));
        let mut last: BTreeMap<ActorId, Timestamp> = BTreeMap::new();
        {
            let mut query =
                self.db.prepare_cached("SELECT actor, max(time) FROM entries WHERE idx < ?1 GROUP BY actor")?;
            for row in query.query_map([size], |row| Ok((text(row, 0)?, time(row, 1)?)))? {
                let (actor, at) = row?;
                last.insert(actor, at);
            }
        }
        let of_person = |person: &PersonId, began: Timestamp| {
            let used = last.get(&ActorId::from(person)).copied();
            // Whoever was given something lately had no time to use it.
            (used, used.is_none_or(|t| t < since) && began < since)
        };
        let mut items = Vec::new();
        for g in self.role_grants()?.into_iter().filter(|g| g.was_held(size, at)) {
            let (last_used, idle) = of_person(&g.person, g.time);
            items.push(AccessItem {
                kind: AccessKind::Role,
                what: g.role.to_string(),
                index: g.index,
                left: self.had_left(&g.person, size)?,
                person: Some(g.person),
                by: Some(g.by),
                since: g.time,
                until: g.expires,
                last_used,
                idle,
            });
        }
        for k in self.all_keys()? {
            let ended = k.revoked.as_ref().is_some_and(|r| r.index < size) || k.valid_before.is_some_and(|e| at >= e);
            if k.index >= size || ended {
                continue;
            }
            let began = self.time_of(k.index)?;
            let (last_used, idle) = of_person(&k.person, began);
            items.push(AccessItem {
                kind: AccessKind::Key,
                what: k.fingerprint,
                index: k.index,
                by: self.signer_at(k.index)?,
                left: self.had_left(&k.person, size)?,
                person: Some(k.person),
                since: began,
                until: k.valid_before,
                last_used,
                idle,
            });
        }
        let mut workloads: Vec<AccessItem> = Vec::new();
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        let runs = self.all_workloads()?.into_iter().map(|w| (w.index, workload_identity(&w.issuer, &w.fields)));
        let mut shown: Vec<(u64, String)> = runs.chain(self.admissions()?).filter(|(index, _)| *index < size).collect();
        shown.sort_unstable();
        for (index, what) in shown {
            let seen = self.time_of(index)?;
            if let Some(item) = known.get(&what).and_then(|n| workloads.get_mut(*n)) {
                item.last_used = Some(seen);
                item.idle = seen < since;
                continue;
            }
            known.insert(what.clone(), workloads.len());
            workloads.push(AccessItem {
                kind: AccessKind::Workload,
                what,
                index,
                person: None,
                by: None,
                since: seen,
                until: None,
                last_used: Some(seen),
                idle: seen < since,
                left: false,
            });
        }
        for item in workloads {
            if self.workload_end_at(&item.what, size)?.is_none() {
                items.push(item);
            }
        }
        Ok(items)
    }

    fn time_of(&self, index: u64) -> Result<Timestamp, Error> {
        let mut query = self.db.prepare_cached("SELECT time FROM entries WHERE idx = ?1")?;
        Ok(query.query_row([index], |row| time(row, 0))?)
    }

    /// Who signed the act at a log index.
    fn signer_at(&self, index: u64) -> Result<Option<PersonId>, Error> {
        let mut query = self.db.prepare_cached("SELECT person FROM acts WHERE idx = ?1 ORDER BY key LIMIT 1")?;
        Ok(query.query_row([index], |row| text(row, 0)).optional()?)
    }

    /// Log index of the review's act that ended a workload, if it is not let in again.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn workload_end(&self, identity: &str) -> Result<Option<u64>, Error> {
        let mut query =
            self.db.prepare_cached("SELECT idx FROM workload_ends WHERE workload = ?1 AND back IS NULL LIMIT 1")?;
        Ok(query.query_row([identity], |row| row.get(0)).optional()?)
    }

    /// As [`State::workload_end`], when the log had `size` entries.
    pub(super) fn workload_end_at(&self, identity: &str, size: u64) -> Result<Option<u64>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx FROM workload_ends WHERE workload = ?1 AND idx < ?2 AND (back IS NULL OR back >= ?2) LIMIT 1",
        )?;
        Ok(query.query_row((identity, size), |row| row.get(0)).optional()?)
    }

    /// Every workload that a review ended and that is not let in again.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn ended_workloads(&self) -> Result<Vec<(String, u64)>, Error> {
        let mut query = self
            .db
            .prepare_cached("SELECT workload, idx FROM workload_ends WHERE back IS NULL ORDER BY idx, workload")?;
        Ok(query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
    }

    /// The digest of what lines are about: what a review seals.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn population_digest<'a>(items: impl IntoIterator<Item = &'a AccessItem>) -> Result<Digest, Error> {
        Ok(canonical::digest(&items.into_iter().collect::<Vec<_>>())?)
    }

    pub(super) fn on_readmitted(&self, index: u64, signed: &Act) -> Fold {
        let p: WorkloadReadmitted = self.signed(signed, act::WORKLOAD_READMISSION, |p: &WorkloadReadmitted| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::ReadmitWorkload)?;
        require(!p.reason.trim().is_empty(), "it does not say why")?;
        require(self.workload_end(&p.workload)?.is_some(), "no review ended that workload")?;
        self.db
            .prepare_cached(
                "UPDATE workload_ends SET back = ?2, back_by = ?3, back_reason = ?4 WHERE workload = ?1 AND back IS NULL",
            )?
            .execute((&p.workload, index, p.by.as_str(), &p.reason))?;
        Ok(())
    }

    /// How and where a piece of access ended; `None`: it is there.
    pub(super) fn gone(&self, access: &AccessItem) -> Result<Option<(GoneHow, u64)>, Error> {
        let mut by_review = self.db.prepare_cached("SELECT 1 FROM review_lines WHERE ended = ?1 LIMIT 1")?;
        let expired = access.until.filter(|e| self.moment() >= *e).map(|_| (GoneHow::Expired, access.index));
        Ok(match access.kind {
            AccessKind::Role => {
                let mut query = self.db.prepare_cached("SELECT ended, ended_how FROM roles WHERE idx = ?1")?;
                let ended = query.query_row([access.index], |row| {
                    let index: Option<u64> = row.get(0)?;
                    let how: Option<String> = row.get(1)?;
                    Ok(index.map(|i| (how, i)))
                })?;
                let how = |text: Option<String>| match text.as_deref() {
                    Some("review") => GoneHow::Review,
                    Some("left") => GoneHow::Left,
                    _ => GoneHow::Revoked,
                };
                ended.map(|(text, index)| (how(text), index)).or(expired)
            }
            // A key that was certified anew since has another end than its line says.
            AccessKind::Key => match self.key(&access.what)? {
                Some(KeyRow { revoked: Some(r), .. }) => {
                    let how = if by_review.exists([r.index])? { GoneHow::Review } else { GoneHow::Revoked };
                    Some((how, r.index))
                }
                Some(k) => k.valid_before.filter(|e| self.moment() >= *e).map(|_| (GoneHow::Expired, k.index)),
                None => expired,
            },
            AccessKind::Workload => self.workload_end(&access.what)?.map(|index| (GoneHow::Review, index)),
        })
    }
}
