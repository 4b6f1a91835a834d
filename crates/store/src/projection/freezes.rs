//! When environments are open: freezes and windows.

use countersign_evidence::act;
use countersign_model::access::freezes::{MOST_WINDOWS, Window};
use countersign_model::event::{EnvironmentFrozen, FreezeLifted, WindowsSet};
use countersign_model::{Action, FreezeId, PersonId, Timestamp};
use rusqlite::{OptionalExtension as _, Row};

use super::read::{Act, to_json};
use super::sql::{Fold, json, require, text, time};
use super::state::State;
use super::table::Table;
use super::waivers::Said;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "freezes",
        key: &["freeze"],
        index: "idx",
        sql: "CREATE TABLE freezes (freeze TEXT PRIMARY KEY, idx INTEGER NOT NULL, environment TEXT NOT NULL,
            begins INTEGER NOT NULL, ends INTEGER, person TEXT NOT NULL, reason TEXT NOT NULL, time INTEGER NOT NULL,
            lifted INTEGER, lifted_by TEXT, lifted_at INTEGER, lift_reason TEXT) STRICT, WITHOUT ROWID;",
    },
    Table {
        name: "windows",
        key: &["environment"],
        index: "idx",
        sql: "CREATE TABLE windows (environment TEXT PRIMARY KEY, idx INTEGER NOT NULL, windows TEXT NOT NULL,
            person TEXT NOT NULL, reason TEXT NOT NULL, time INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
    },
];

/// A freeze.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreezeRow {
    /// Log index.
    pub index: u64,
    /// Its id.
    pub freeze: FreezeId,
    /// The environment.
    pub environment: String,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Option<Timestamp>,
    /// Who put it in place.
    pub by: PersonId,
    /// Why.
    pub reason: String,
    /// When that was.
    pub time: Timestamp,
    /// Who lifted it, where somebody did.
    pub lifted: Option<Said>,
}

impl FreezeRow {
    /// Where it stands at a moment, as a word: lifted, frozen, ahead or over.
    #[must_use]
    pub fn state(&self, at: Timestamp) -> &'static str {
        match (&self.lifted, self.holds(at)) {
            (Some(_), _) => "lifted",
            (None, true) => "frozen",
            (None, false) if self.from > at => "ahead",
            (None, false) => "over",
        }
    }

    /// Whether it holds at a moment.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        self.lifted.is_none() && self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// Windows of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowsRow {
    /// Log index.
    pub index: u64,
    /// The environment.
    pub environment: String,
    /// The windows.
    pub windows: Vec<Window>,
    /// Who said so.
    pub by: PersonId,
    /// Why.
    pub reason: String,
    /// When.
    pub time: Timestamp,
}

/// Why an environment is not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// It is frozen.
    Frozen(FreezeRow),
    /// None of its windows is open.
    OutsideWindows(Vec<Window>),
}

const COLUMNS: &str = "idx, freeze, environment, begins, ends, person, reason, time, lifted, lifted_by, lifted_at,
    lift_reason FROM freezes";

impl State {
    pub(super) fn on_freeze(&self, index: u64, signed: &Act) -> Fold {
        let p: EnvironmentFrozen = self.signed(signed, act::FREEZE, |p: &EnvironmentFrozen| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::FreezeEnvironment)?;
        require(self.environment(&p.environment)?.is_some(), "no such environment was ever registered")?;
        require(p.until.is_none_or(|until| until > p.from && until > p.time), "it is over before it begins")?;
        require(!p.reason.trim().is_empty(), "it says no reason")?;
        require(self.freeze(&p.freeze)?.is_none(), "a freeze of that id was put in place before")?;
        self.db
            .prepare_cached(
                "INSERT INTO freezes (freeze, idx, environment, begins, ends, person, reason, time)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                p.freeze.as_str(),
                index,
                p.environment,
                p.from.millis(),
                p.until.map(Timestamp::millis),
                p.by.as_str(),
                p.reason,
                p.time.millis(),
            ))?;
        Ok(())
    }

    pub(super) fn on_freeze_lift(&self, index: u64, signed: &Act) -> Fold {
        let p: FreezeLifted = self.signed(signed, act::FREEZE_LIFT, |p: &FreezeLifted| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::LiftFreeze)?;
        let row = self.freeze(&p.freeze)?.ok_or("there is no such freeze")?;
        require(row.lifted.is_none(), "it was lifted already")?;
        require(row.by != p.by, "whoever put it in place cannot lift it")?;
        require(!p.reason.trim().is_empty(), "it says no reason")?;
        self.db
            .prepare_cached(
                "UPDATE freezes SET lifted = ?2, lifted_by = ?3, lifted_at = ?4, lift_reason = ?5 WHERE freeze = ?1",
            )?
            .execute((p.freeze.as_str(), index, p.by.as_str(), p.time.millis(), p.reason))?;
        Ok(())
    }

    pub(super) fn on_windows(&self, index: u64, signed: &Act) -> Fold {
        let p: WindowsSet = self.signed(signed, act::WINDOWS, |p: &WindowsSet| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::SetWindows)?;
        require(self.environment(&p.environment)?.is_some(), "no such environment was ever registered")?;
        require(p.windows.len() <= MOST_WINDOWS, "it has too many windows")?;
        require(!p.reason.trim().is_empty(), "it says no reason")?;
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO windows (environment, idx, windows, person, reason, time)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((p.environment, index, to_json(&p.windows)?, p.by.as_str(), p.reason, p.time.millis()))?;
        Ok(())
    }

    /// Why an environment is not open at a moment; `None` where it is.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn closed(&self, environment: &str, at: Timestamp) -> Result<Option<Closed>, Error> {
        if let Some(freeze) = self.freezes(Some(environment))?.into_iter().find(|f| f.holds(at)) {
            return Ok(Some(Closed::Frozen(freeze)));
        }
        let windows = self.windows(environment)?.map_or_else(Vec::new, |row| row.windows);
        let open = windows.is_empty() || windows.iter().any(|w| w.is_open(at));
        Ok(if open { None } else { Some(Closed::OutsideWindows(windows)) })
    }

    /// A freeze.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn freeze(&self, id: &FreezeId) -> Result<Option<FreezeRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE freeze = ?1"))?;
        Ok(query.query_row([id.as_str()], freeze).optional()?)
    }

    /// Every freeze, of one environment or of all, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn freezes(&self, environment: Option<&str>) -> Result<Vec<FreezeRow>, Error> {
        let sql = format!("SELECT {COLUMNS} WHERE ?1 IS NULL OR environment = ?1 ORDER BY idx");
        let mut query = self.db.prepare_cached(&sql)?;
        Ok(query.query_map([environment], freeze)?.collect::<Result<_, _>>()?)
    }

    /// The windows of an environment.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn windows(&self, environment: &str) -> Result<Option<WindowsRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, environment, windows, person, reason, time FROM windows WHERE environment = ?1",
        )?;
        let row = |row: &Row<'_>| {
            Ok(WindowsRow {
                index: row.get(0)?,
                environment: row.get(1)?,
                windows: json(row, 2)?,
                by: text(row, 3)?,
                reason: row.get(4)?,
                time: time(row, 5)?,
            })
        };
        Ok(query.query_row([environment], row).optional()?)
    }
}

fn freeze(row: &Row<'_>) -> rusqlite::Result<FreezeRow> {
    let lifted = match row.get::<_, Option<u64>>(8)? {
        Some(index) => Some(Said { index, by: text(row, 9)?, time: time(row, 10)?, reason: row.get(11)? }),
        None => None,
    };
    Ok(FreezeRow {
        index: row.get(0)?,
        freeze: text(row, 1)?,
        environment: row.get(2)?,
        from: time(row, 3)?,
        until: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
        by: text(row, 5)?,
        reason: row.get(6)?,
        time: time(row, 7)?,
        lifted,
    })
}
