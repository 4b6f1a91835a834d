//! Waivers, from their request on. Nothing of one is ever taken away: an expired and a revoked one stay visible.

use countersign_evidence::act;
use countersign_model::event::{WaiverGranted, WaiverRejected, WaiverRequested, WaiverRevoked};
use countersign_model::governance::{WaiverCategory, waiver};
use countersign_model::{Action, Digest, PersonId, Timestamp, WaiverId};
use rusqlite::OptionalExtension as _;

use super::read::{Act, Reading, to_json};
use super::sql::{Fold, json, maybe, require, text};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "waiver_uses",
        key: &["waiver", "idx"],
        index: "idx",
        // What decisions say that a waiver covers, so that no decision is read for it again.
        sql: "CREATE TABLE waiver_uses (waiver TEXT NOT NULL, idx INTEGER NOT NULL, findings INTEGER NOT NULL,
            reasons INTEGER NOT NULL, PRIMARY KEY (waiver, idx)) STRICT, WITHOUT ROWID;",
    },
    Table {
    name: "waivers",
    key: &["waiver"],
    index: "idx",
    sql:
        "CREATE TABLE waivers (waiver TEXT PRIMARY KEY, idx INTEGER NOT NULL, leaf TEXT NOT NULL, request TEXT NOT NULL,
        decided INTEGER, granted INTEGER, decided_by TEXT, decided_at INTEGER, decision_reason TEXT,
        revoked INTEGER, revoked_by TEXT, revoked_at INTEGER, revocation_reason TEXT) STRICT, WITHOUT ROWID;",
},
];

/// What was said about a waiver after it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Log index.
    pub index: u64,
    /// Who.
    pub by: PersonId,
    /// When.
    pub time: Timestamp,
    /// Why.
    pub reason: String,
}

/// Where a waiver stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaiverState {
    /// Nobody has decided about it.
    Requested,
    /// It was refused.
    Rejected,
    /// It is granted and has not begun.
    Upcoming,
    /// It is in force.
    Active,
    /// It is over.
    Expired,
    /// It was ended before its time.
    Revoked,
}

impl WaiverState {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Rejected => "rejected",
            Self::Upcoming => "upcoming",
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// A waiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaiverRow {
    /// Log index of the request.
    pub index: u64,
    /// Leaf hash of the request.
    pub leaf: Digest,
    /// What was asked for.
    pub request: WaiverRequested,
    /// The grant.
    pub granted: Option<Said>,
    /// The refusal.
    pub rejected: Option<Said>,
    /// The revocation.
    pub revoked: Option<Said>,
}

impl WaiverRow {
    /// Where it stands. `now` is the machine's clock and `newest` the newest time that the log has seen: one that was over once
    /// does not come back because a clock was set back.
    #[must_use]
    pub fn state(&self, now: Timestamp, newest: Timestamp) -> WaiverState {
        if self.rejected.is_some() {
            WaiverState::Rejected
        } else if self.revoked.is_some() {
            WaiverState::Revoked
        } else if now.max(newest) >= self.request.expires {
            WaiverState::Expired
        } else if self.granted.is_none() {
            WaiverState::Requested
        } else if now < self.request.not_before {
            WaiverState::Upcoming
        } else {
            WaiverState::Active
        }
    }
}

const COLUMNS: &str =
    "idx, leaf, request, decided, granted, decided_by, decided_at, decision_reason, revoked, revoked_by,
    revoked_at, revocation_reason FROM waivers";

impl State {
    pub(super) fn on_waiver_request(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: WaiverRequested = self.signed(signed, act::WAIVER_REQUEST, |p: &WaiverRequested| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::RequestWaiver)?;
        p.scope.check()?;
        waiver::check_period(p.time, p.not_before, p.expires)?;
        let compensated = p.compensating.is_some() == (p.category == WaiverCategory::Mitigated);
        require(compensated, "a mitigated one names the control that meets the objective, and no other does")?;
        require(p.compensating.as_ref().is_none_or(|c| !p.scope.controls.contains(c)), "a control compensates itself")?;
        let renewed = match &p.renews {
            None => 0,
            Some(id) => {
                let before = self.waiver(id)?.ok_or("it renews a waiver that nobody asked for")?;
                require(before.granted.is_some(), "it renews a waiver that was not granted")?;
                require(before.request.scope == p.scope, "it renews a waiver of another scope")?;
                before.request.renewals.saturating_add(1)
            }
        };
        require(renewed == p.renewals, "its renewals are not counted as they were")?;
        require(self.waiver(&p.waiver)?.is_none(), "a waiver of that id was asked for before")?;
        self.db
            .prepare_cached("INSERT INTO waivers (waiver, idx, leaf, request) VALUES (?1, ?2, ?3, ?4)")?
            .execute((p.waiver.as_str(), reading.index, reading.leaf.to_string(), to_json(&p)?))?;
        Ok(())
    }

    pub(super) fn on_waiver_grant(&self, index: u64, signed: &Act) -> Fold {
        let p: WaiverGranted = self.signed(signed, act::WAIVER, |p: &WaiverGranted| &p.by)?;
        self.same_ledger(&p.origin)?;
        let row = self.open_waiver(&p.waiver)?;
        require(row.leaf == p.request, "the request is not the one that the grant names")?;
        require(row.request.by != p.by, "whoever asked for it cannot grant it")?;
        self.needs(&p.by, Action::granting(row.request.category))?;
        require(p.time < row.request.expires, "it would be over already")?;
        self.decide_waiver(index, true, &p.waiver, &p.by, p.time, &p.reason)
    }

    pub(super) fn on_waiver_rejection(&self, index: u64, signed: &Act) -> Fold {
        let p: WaiverRejected = self.signed(signed, act::WAIVER_REJECTION, |p: &WaiverRejected| &p.by)?;
        self.same_ledger(&p.origin)?;
        let row = self.open_waiver(&p.waiver)?;
        if p.by != row.request.by {
            self.needs(&p.by, Action::RejectWaiver)?;
        }
        self.decide_waiver(index, false, &p.waiver, &p.by, p.time, &p.reason)
    }

    pub(super) fn on_waiver_revocation(&self, index: u64, signed: &Act) -> Fold {
        let p: WaiverRevoked = self.signed(signed, act::WAIVER_REVOCATION, |p: &WaiverRevoked| &p.by)?;
        self.same_ledger(&p.origin)?;
        let row = self.waiver(&p.waiver)?.ok_or("nobody asked for such a waiver")?;
        require(row.granted.is_some(), "it was not granted")?;
        require(row.revoked.is_none(), "it was revoked already")?;
        if p.by != row.request.by {
            self.needs(&p.by, Action::RevokeWaiver)?;
        }
        self.db
            .prepare_cached(
                "UPDATE waivers SET revoked = ?2, revoked_by = ?3, revoked_at = ?4, revocation_reason = ?5
                 WHERE waiver = ?1",
            )?
            .execute((p.waiver.as_str(), index, p.by.as_str(), p.time.millis(), p.reason))?;
        Ok(())
    }

    /// What a decision says that waivers cover.
    pub(super) fn on_waiver_uses(&self, index: u64, decision: &serde_json::Value) -> Result<(), Error> {
        let waivers = decision.pointer("/verdict/enforcement/waivers").and_then(serde_json::Value::as_array);
        let mut insert = self.db.prepare_cached(
            "INSERT OR IGNORE INTO waiver_uses (waiver, idx, findings, reasons) VALUES (?1, ?2, ?3, ?4)",
        )?;
        for waiver in waivers.into_iter().flatten() {
            let number = |name: &str| waiver.get(name).and_then(serde_json::Value::as_i64).filter(|n| *n >= 0);
            let id = waiver.get("id").and_then(serde_json::Value::as_str);
            if let (Some(id), Some(findings), Some(reasons)) = (id, number("findings"), number("reasons")) {
                insert.execute((id, index, findings, reasons))?;
            }
        }
        Ok(())
    }

    fn open_waiver(&self, id: &WaiverId) -> Result<WaiverRow, super::sql::Stop> {
        let row = self.waiver(id)?.ok_or("nobody asked for such a waiver")?;
        require(row.granted.is_none() && row.rejected.is_none(), "it was decided already")?;
        Ok(row)
    }

    fn decide_waiver(
        &self,
        index: u64,
        granted: bool,
        id: &WaiverId,
        by: &PersonId,
        at: Timestamp,
        reason: &str,
    ) -> Fold {
        self.db
            .prepare_cached(
                "UPDATE waivers SET decided = ?2, granted = ?3, decided_by = ?4, decided_at = ?5, decision_reason = ?6
                 WHERE waiver = ?1",
            )?
            .execute((id.as_str(), index, granted, by.as_str(), at.millis(), reason))?;
        Ok(())
    }

    /// A waiver.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn waiver(&self, id: &WaiverId) -> Result<Option<WaiverRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE waiver = ?1"))?;
        Ok(query.query_row([id.as_str()], row).optional()?)
    }

    /// Every waiver, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn waivers(&self) -> Result<Vec<WaiverRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} ORDER BY idx"))?;
        Ok(query.query_map([], row)?.collect::<Result<_, _>>()?)
    }

    /// Waivers of which nobody has decided anything, oldest first. Some of them may be over.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn undecided_waivers(&self) -> Result<Vec<WaiverRow>, Error> {
        let mut query = self
            .db
            .prepare_cached(&format!("SELECT {COLUMNS} WHERE decided IS NULL AND revoked IS NULL ORDER BY idx"))?;
        Ok(query.query_map([], row)?.collect::<Result<_, _>>()?)
    }

    /// Waivers that were granted and not revoked, oldest first: those that may be in force.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn granted_waivers(&self) -> Result<Vec<WaiverRow>, Error> {
        let mut query =
            self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE granted = 1 AND revoked IS NULL ORDER BY idx"))?;
        Ok(query.query_map([], row)?.collect::<Result<_, _>>()?)
    }

    /// What the newest decision in which a waiver had a say says that it covers: findings and reasons. `None`: no decision
    /// was about it.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn waiver_use(&self, id: &WaiverId) -> Result<Option<(u64, u64)>, Error> {
        let mut query = self
            .db
            .prepare_cached("SELECT findings, reasons FROM waiver_uses WHERE waiver = ?1 ORDER BY idx DESC LIMIT 1")?;
        Ok(query.query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    /// The newest time of the entries before `index`; the beginning of 1970 where there is none.
    pub(super) fn time_before(&self, index: u64) -> Result<Timestamp, Error> {
        let mut query = self.db.prepare_cached("SELECT time FROM entries WHERE idx < ?1 ORDER BY idx DESC LIMIT 1")?;
        let newest = query.query_row([index], |row| row.get(0)).optional()?;
        Ok(Timestamp::from_millis(newest.unwrap_or(0)))
    }

    /// The newest time of all entries, which is that of the last one, for time never goes back within a log; the beginning of 1970
    /// where there is none.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn newest_time(&self) -> Result<Timestamp, Error> {
        let mut query = self.db.prepare_cached("SELECT time FROM entries ORDER BY idx DESC LIMIT 1")?;
        let newest = query.query_row([], |row| row.get(0)).optional()?;
        Ok(Timestamp::from_millis(newest.unwrap_or(0)))
    }
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<WaiverRow> {
    let said = |from: usize, by: usize| -> rusqlite::Result<Option<Said>> {
        let Some(index) = row.get::<_, Option<u64>>(from)? else { return Ok(None) };
        let Some(person) = maybe(row, by)? else { return Ok(None) };
        Ok(Some(Said { index, by: person, time: Timestamp::from_millis(row.get(by + 1)?), reason: row.get(by + 2)? }))
    };
    let decided = said(3, 5)?;
    let granted = row.get::<_, Option<bool>>(4)?.unwrap_or(false);
    Ok(WaiverRow {
        index: row.get(0)?,
        leaf: text(row, 1)?,
        request: json(row, 2)?,
        granted: decided.clone().filter(|_| granted),
        rejected: decided.filter(|_| !granted),
        revoked: said(8, 9)?,
    })
}
