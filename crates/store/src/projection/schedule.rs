//! What the log says about retention: classes, starts, extensions and holds.

use std::collections::BTreeMap;

use countersign_evidence::act;
use countersign_model::event::{
    HoldPlaced, HoldReleased, RetentionClassDefined, RetentionDefaultChosen, RetentionExtended, RetentionStarted,
};
use countersign_model::retention::schedule::{Defined, Extended, Hold, Released, Schedule, Started};
use countersign_model::{Action, Retention};

use rusqlite::OptionalExtension as _;

use super::read::{Act, to_json};
use super::sql::{Fold, json, require, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

/// The longest text that a matter or a reason may have, in bytes.
pub const MAX_TEXT: usize = 1000;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "retention_classes",
        key: &["class"],
        index: "idx",
        sql: "CREATE TABLE retention_classes (class TEXT PRIMARY KEY, idx INTEGER NOT NULL, rule TEXT NOT NULL)
            STRICT, WITHOUT ROWID;",
    },
    Table {
        name: "retention_defaults",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE retention_defaults (idx INTEGER PRIMARY KEY, class TEXT NOT NULL) STRICT;",
    },
    Table {
        name: "retention_starts",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE retention_starts (idx INTEGER PRIMARY KEY, event TEXT NOT NULL, selector TEXT NOT NULL,
            day TEXT NOT NULL) STRICT;",
    },
    Table {
        name: "retention_extensions",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE retention_extensions (idx INTEGER PRIMARY KEY, selector TEXT NOT NULL, class TEXT NOT NULL,
            until TEXT NOT NULL) STRICT;",
    },
    Table {
        name: "holds",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE holds (idx INTEGER PRIMARY KEY, matter TEXT NOT NULL, selector TEXT NOT NULL,
            person TEXT NOT NULL, reason TEXT NOT NULL, time INTEGER NOT NULL, released INTEGER) STRICT;",
    },
    Table {
        name: "hold_releases",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE hold_releases (idx INTEGER PRIMARY KEY, person TEXT NOT NULL, reason TEXT NOT NULL,
            time INTEGER NOT NULL) STRICT;",
    },
];

impl State {
    pub(super) fn on_retention_class(&self, index: u64, signed: &Act) -> Fold {
        let p: RetentionClassDefined = self.signed(signed, act::RETENTION_CLASS, |p: &RetentionClassDefined| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::DefineRetention)?;
        self.schedule()?.may_define(p.class, &p.rule)?;
        self.db
            .prepare_cached("INSERT OR REPLACE INTO retention_classes (class, idx, rule) VALUES (?1, ?2, ?3)")?
            .execute((p.class.as_str(), index, to_json(&p.rule)?))?;
        Ok(())
    }

    pub(super) fn on_retention_default(&self, index: u64, signed: &Act) -> Fold {
        let p: RetentionDefaultChosen =
            self.signed(signed, act::RETENTION_DEFAULT, |p: &RetentionDefaultChosen| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::ChooseRetention)?;
        require(self.schedule()?.rule(p.class).is_some(), &format!("nobody has defined the class `{}`", p.class))?;
        self.db
            .prepare_cached("INSERT INTO retention_defaults (idx, class) VALUES (?1, ?2)")?
            .execute((index, p.class.as_str()))?;
        Ok(())
    }

    /// The class of what is appended now, and the entry that chose it: `sox-7y`, the strongest of those that every ledger
    /// knows, until somebody chooses another.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn default_class(&self) -> Result<(Retention, Option<u64>), Error> {
        let mut query =
            self.db.prepare_cached("SELECT class, idx FROM retention_defaults ORDER BY idx DESC LIMIT 1")?;
        let chosen = query.query_row([], |row| Ok((text(row, 0)?, Some(row.get(1)?)))).optional()?;
        Ok(chosen.unwrap_or((Retention::SoxSevenYears, None)))
    }

    pub(super) fn on_retention_start(&self, index: u64, signed: &Act) -> Fold {
        let p: RetentionStarted = self.signed(signed, act::RETENTION_START, |p: &RetentionStarted| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::StartRetention)?;
        self.db
            .prepare_cached("INSERT INTO retention_starts (idx, event, selector, day) VALUES (?1, ?2, ?3, ?4)")?
            .execute((index, to_json(&p.event)?, to_json(&p.selector)?, to_json(&p.on)?))?;
        Ok(())
    }

    pub(super) fn on_retention_extension(&self, index: u64, signed: &Act) -> Fold {
        let p: RetentionExtended = self.signed(signed, act::RETENTION_EXTENSION, |p: &RetentionExtended| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::ExtendRetention)?;
        require(p.class.is_some() || p.until.is_some(), "it names neither a class nor a day")?;
        self.db
            .prepare_cached("INSERT INTO retention_extensions (idx, selector, class, until) VALUES (?1, ?2, ?3, ?4)")?
            .execute((index, to_json(&p.selector)?, to_json(&p.class)?, to_json(&p.until)?))?;
        Ok(())
    }

    pub(super) fn on_hold(&self, index: u64, signed: &Act) -> Fold {
        let p: HoldPlaced = self.signed(signed, act::HOLD, |p: &HoldPlaced| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::PlaceHold)?;
        self.db
            .prepare_cached(
                "INSERT INTO holds (idx, matter, selector, person, reason, time, released)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL)",
            )?
            .execute((index, &p.matter, to_json(&p.selector)?, p.by.as_str(), &p.reason, p.time.millis()))?;
        Ok(())
    }

    pub(super) fn on_hold_release(&self, index: u64, signed: &Act) -> Fold {
        let p: HoldReleased = self.signed(signed, act::HOLD_RELEASE, |p: &HoldReleased| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::ReleaseHold)?;
        require(!p.reason.trim().is_empty(), "a hold is released for a reason")?;
        let open = self
            .db
            .prepare_cached("SELECT 1 FROM holds WHERE matter = ?1 AND released IS NULL")?
            .exists([&p.matter])?;
        require(open, "no hold of that matter is open")?;
        self.db
            .prepare_cached("UPDATE holds SET released = ?2 WHERE matter = ?1 AND released IS NULL")?
            .execute((&p.matter, index))?;
        self.db
            .prepare_cached("INSERT INTO hold_releases (idx, person, reason, time) VALUES (?1, ?2, ?3, ?4)")?
            .execute((index, p.by.as_str(), &p.reason, p.time.millis()))?;
        Ok(())
    }

    /// Everything that the log says about how long entries are kept.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn schedule(&self) -> Result<Schedule, Error> {
        let mut query = self.db.prepare_cached("SELECT class, idx, rule FROM retention_classes")?;
        let classes = query.query_map([], |row| {
            Ok((text::<Retention>(row, 0)?, Defined { index: row.get(1)?, rule: json(row, 2)? }))
        })?;
        let classes = classes.collect::<Result<BTreeMap<_, _>, _>>()?;
        let mut query =
            self.db.prepare_cached("SELECT idx, event, selector, day FROM retention_starts ORDER BY idx")?;
        let starts = query.query_map([], |row| {
            Ok(Started { index: row.get(0)?, event: json(row, 1)?, selector: json(row, 2)?, on: json(row, 3)? })
        })?;
        let starts = starts.collect::<Result<_, _>>()?;
        let mut query =
            self.db.prepare_cached("SELECT idx, selector, class, until FROM retention_extensions ORDER BY idx")?;
        let extensions = query.query_map([], |row| {
            Ok(Extended { index: row.get(0)?, selector: json(row, 1)?, class: json(row, 2)?, until: json(row, 3)? })
        })?;
        let extensions = extensions.collect::<Result<_, _>>()?;
        let mut query = self.db.prepare_cached(
            "SELECT h.idx, h.matter, h.selector, h.person, h.reason, h.time, r.idx, r.person, r.reason, r.time
             FROM holds h LEFT JOIN hold_releases r ON r.idx = h.released ORDER BY h.idx",
        )?;
        let holds = query.query_map([], |row| {
            let released = match row.get::<_, Option<u64>>(6)? {
                Some(index) => Some(Released { index, by: text(row, 7)?, reason: row.get(8)?, time: time(row, 9)? }),
                None => None,
            };
            Ok(Hold {
                index: row.get(0)?,
                matter: row.get(1)?,
                selector: json(row, 2)?,
                by: text(row, 3)?,
                reason: row.get(4)?,
                time: time(row, 5)?,
                released,
            })
        })?;
        let holds = holds.collect::<Result<_, _>>()?;
        Ok(Schedule { classes, starts, extensions, holds })
    }
}
