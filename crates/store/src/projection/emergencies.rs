//! Break-glass: what went past the gates, what it owes, and who was told.

use std::collections::BTreeSet;

use countersign_evidence::act;
use countersign_model::access::emergencies::{MOST_MINUTES, MOST_RATIFY_HOURS, MOST_REVIEW_DAYS, Owed};
use countersign_model::event::{
    BreakGlassClosed, BreakGlassOpened, BreakGlassPaged, BreakGlassRatified, BreakGlassReviewed, GrantIssued,
};
use countersign_model::{Action, BreakGlassId, PersonId, Timestamp};
use rusqlite::{OptionalExtension as _, Row};

use super::read::{Act, Machine, Reading, to_json};
use super::sql::{Fold, json, require, text, time};
use super::state::State;
use super::table::Table;
use super::waivers::Said;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "emergencies",
        key: &["emergency"],
        index: "idx",
        sql: "CREATE TABLE emergencies (emergency TEXT PRIMARY KEY, idx INTEGER NOT NULL, opened TEXT NOT NULL,
            closed INTEGER, closed_by TEXT, closed_at INTEGER, close_reason TEXT,
            ratified INTEGER, ratified_by TEXT, ratified_at INTEGER, ratification TEXT, ratified_late INTEGER,
            reviewed INTEGER, reviewed_by TEXT, reviewed_at INTEGER, review TEXT, reviewed_late INTEGER)
            STRICT, WITHOUT ROWID;",
    },
    Table {
        name: "emergency_grants",
        key: &["grant_id"],
        index: "idx",
        sql: "CREATE TABLE emergency_grants (grant_id TEXT PRIMARY KEY, idx INTEGER NOT NULL, emergency TEXT NOT NULL,
            part TEXT NOT NULL) STRICT, WITHOUT ROWID;
            CREATE INDEX emergency_grants_by_emergency ON emergency_grants (emergency, idx);",
    },
    Table {
        name: "emergency_pages",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE emergency_pages (idx INTEGER PRIMARY KEY, emergency TEXT NOT NULL, owed TEXT NOT NULL,
            rung INTEGER NOT NULL, delivered INTEGER NOT NULL, attempts INTEGER NOT NULL, asked TEXT NOT NULL,
            time INTEGER NOT NULL) STRICT;
            CREATE UNIQUE INDEX emergency_pages_once ON emergency_pages (emergency, owed, rung, delivered);",
    },
];

/// A duty that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Log index, who, when, and what they said: one line for a ratification, a JSON document for a review.
    pub said: Said,
    /// After its time.
    pub late: bool,
}

/// Somebody was told that a duty is overdue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRow {
    /// Log index.
    pub index: u64,
    /// What is owed.
    pub owed: String,
    /// The step of the ladder.
    pub rung: u32,
    /// Whether it was taken.
    pub delivered: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// When.
    pub time: Timestamp,
}

/// An emergency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmergencyRow {
    /// Log index.
    pub index: u64,
    /// What was opened.
    pub opened: BreakGlassOpened,
    /// Who closed it before its time.
    pub closed: Option<Said>,
    /// Its ratification.
    pub ratified: Option<Done>,
    /// Its review.
    pub reviewed: Option<Done>,
}

/// A duty of an emergency as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Done in time.
    Done,
    /// Done, and late.
    DoneLate,
    /// Not done, and there is time.
    Owed,
    /// Not done, and it was due.
    Overdue,
}

impl EmergencyRow {
    /// Whether grants can be issued and redeemed under it at a moment.
    #[must_use]
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.closed.is_none() && at < self.opened.expires
    }

    /// Until when a duty is to be done.
    #[must_use]
    pub const fn due(&self, owed: Owed) -> Timestamp {
        match owed {
            Owed::Ratification => self.opened.ratify_by,
            Owed::Review => self.opened.review_by,
        }
    }

    /// Where a duty stands.
    #[must_use]
    pub fn standing(&self, owed: Owed, at: Timestamp) -> Standing {
        let done = match owed {
            Owed::Ratification => &self.ratified,
            Owed::Review => &self.reviewed,
        };
        match done {
            Some(done) if done.late => Standing::DoneLate,
            Some(_) => Standing::Done,
            None if at > self.due(owed) => Standing::Overdue,
            None => Standing::Owed,
        }
    }

    /// Whether nothing that it owes is overdue.
    #[must_use]
    pub fn is_compliant(&self, at: Timestamp) -> bool {
        Owed::ALL.iter().all(|owed| self.standing(*owed, at) != Standing::Overdue)
    }

    /// Whether everything that it owes was done in time, or still can be. What was late stays so.
    #[must_use]
    pub fn was_compliant(&self, at: Timestamp) -> bool {
        let fine = |owed: &Owed| matches!(self.standing(*owed, at), Standing::Done | Standing::Owed);
        Owed::ALL.iter().all(fine)
    }
}

const COLUMNS: &str = "idx, opened, closed, closed_by, closed_at, close_reason, ratified, ratified_by, ratified_at,
    ratification, ratified_late, reviewed, reviewed_by, reviewed_at, review, reviewed_late FROM emergencies";

impl State {
    pub(super) fn on_break_glass(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: BreakGlassOpened = self.signed(signed, act::BREAK_GLASS, |p: &BreakGlassOpened| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::BreakGlass)?;
        require(signed.is_by(&p.device.key), "the device's key is not the one that signed it")?;
        require(reading.entry.stream == (&p.id).into(), "it stands in another stream than its own")?;
        require(self.emergency(&p.id)?.is_none(), "an emergency of that id was opened before")?;
        let said = !p.reason.trim().is_empty() && !p.ticket.trim().is_empty() && !p.environment.is_empty();
        require(said, "it does not say why, for what, or under which ticket")?;
        require(p.application.is_some() != p.repository.is_some(), "it is for one application, or for one repository")?;
        let minutes = |n: u16| p.time.plus_seconds(i64::from(n) * 60);
        require(
            p.time < p.expires && p.expires <= minutes(MOST_MINUTES),
            "it is open for longer than a day, or never",
        )?;
        let hours = p.time.plus_seconds(i64::from(MOST_RATIFY_HOURS) * 3600);
        require(p.expires < p.ratify_by && p.ratify_by <= hours, "its ratification is due too late, or too early")?;
        let days = p.time.plus_seconds(i64::from(MOST_REVIEW_DAYS) * 86_400);
        require(p.expires < p.review_by && p.review_by <= days, "its review is due too late, or too early")?;
        self.db.prepare_cached("INSERT INTO emergencies (emergency, idx, opened) VALUES (?1, ?2, ?3)")?.execute((
            p.id.as_str(),
            reading.index,
            to_json(&p)?,
        ))?;
        Ok(())
    }

    pub(super) fn on_break_glass_close(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: BreakGlassClosed = self.signed(signed, act::BREAK_GLASS_CLOSE, |p: &BreakGlassClosed| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::CloseBreakGlass)?;
        let row = self.emergency(&p.id)?.ok_or("there is no such emergency")?;
        let at = p.time.max(self.time_before(reading.index)?);
        require(row.is_open(at), "it is not open any more")?;
        require(!p.reason.trim().is_empty(), "it says no reason")?;
        self.db
            .prepare_cached(
                "UPDATE emergencies SET closed = ?2, closed_by = ?3, closed_at = ?4, close_reason = ?5
                 WHERE emergency = ?1",
            )?
            .execute((p.id.as_str(), reading.index, p.by.as_str(), p.time.millis(), p.reason))?;
        Ok(())
    }

    pub(super) fn on_ratified(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: BreakGlassRatified = self.signed(signed, act::RATIFICATION, |p: &BreakGlassRatified| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::RatifyBreakGlass)?;
        require(!p.statement.trim().is_empty(), "it says nothing")?;
        let row = self.emergency(&p.id)?.ok_or("there is no such emergency")?;
        self.may_close(&row, Owed::Ratification, &p.by, p.late, p.time.max(self.time_before(reading.index)?))?;
        self.db
            .prepare_cached(
                "UPDATE emergencies SET ratified = ?2, ratified_by = ?3, ratified_at = ?4, ratification = ?5,
                 ratified_late = ?6 WHERE emergency = ?1",
            )?
            .execute((p.id.as_str(), reading.index, p.by.as_str(), p.time.millis(), p.statement, p.late))?;
        Ok(())
    }

    pub(super) fn on_reviewed(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: BreakGlassReviewed = self.signed(signed, act::POST_REVIEW, |p: &BreakGlassReviewed| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::ReviewBreakGlass)?;
        let said = [&p.findings, &p.root_cause, &p.corrective_action].iter().all(|text| !text.trim().is_empty());
        require(said, "it leaves out findings, root cause or corrective action")?;
        let row = self.emergency(&p.id)?.ok_or("there is no such emergency")?;
        self.may_close(&row, Owed::Review, &p.by, p.late, p.time.max(self.time_before(reading.index)?))?;
        let review = serde_json::json!({
            "findings": p.findings, "root_cause": p.root_cause, "corrective_action": p.corrective_action,
        });
        self.db
            .prepare_cached(
                "UPDATE emergencies SET reviewed = ?2, reviewed_by = ?3, reviewed_at = ?4, review = ?5,
                 reviewed_late = ?6 WHERE emergency = ?1",
            )?
            .execute((p.id.as_str(), reading.index, p.by.as_str(), p.time.millis(), review.to_string(), p.late))?;
        Ok(())
    }

    /// What ratification and review have in common: they come after the end, once, by somebody who took no part, and say
    /// truly whether they are late.
    fn may_close(&self, row: &EmergencyRow, owed: Owed, by: &PersonId, late: bool, at: Timestamp) -> Fold {
        require(!row.is_open(at), "it is still open")?;
        let standing = row.standing(owed, at);
        require(matches!(standing, Standing::Owed | Standing::Overdue), "it was done before")?;
        require(late == (standing == Standing::Overdue), "it does not say truly whether it is late")?;
        require(!self.took_part(row)?.contains(by), "they took part in it")?;
        Ok(())
    }

    pub(super) fn on_paged(&self, index: u64, machine: &Machine) -> Fold {
        let p: BreakGlassPaged = self.statement(machine)?;
        let row = self.emergency(&p.id)?.ok_or("there is no such emergency")?;
        require(row.standing(p.owed, p.time) == Standing::Overdue, "nothing of it is overdue")?;
        let known = self.pages(&p.id)?;
        let same = |page: &&PageRow| page.owed == p.owed.as_str() && page.rung == p.rung;
        require(!known.iter().filter(same).any(|page| page.delivered || !p.delivered), "it was said before")?;
        self.db
            .prepare_cached(
                "INSERT INTO emergency_pages (idx, emergency, owed, rung, delivered, attempts, asked, time)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                index,
                p.id.as_str(),
                p.owed.as_str(),
                p.rung,
                p.delivered,
                p.attempts,
                to_json(&p.asked)?,
                p.time.millis(),
            ))?;
        Ok(())
    }

    /// What a grant under an emergency must hold besides what every grant does; `at` is the moment it counts with.
    pub(super) fn under_glass(&self, reading: &Reading, p: &GrantIssued, id: &BreakGlassId, at: Timestamp) -> Fold {
        self.needs(&p.by, Action::DeployInEmergency)?;
        let row = self.emergency(id)?.ok_or("no such emergency was opened")?;
        require(row.is_open(at), "the emergency is over")?;
        require(p.expires <= row.opened.expires, "it lives longer than the emergency")?;
        require(row.opened.environment == p.environment, "the emergency is in another environment")?;
        require(row.opened.commit.as_ref().is_none_or(|c| *c == p.commit), "the emergency is about another commit")?;
        let ours = match (&row.opened.repository, &row.opened.application) {
            (Some(repository), _) => *repository == p.repository,
            (None, Some(application)) => self.application_of(&p.repository)?.is_some_and(|a| a.what.id == *application),
            (None, None) => false,
        };
        require(ours, "the emergency is about another application")?;
        let (_, said) = reading.named(0)?;
        require(p.standing == Some(said), "how it stood is not what the statement names")?;
        let mut part: BTreeSet<&PersonId> = p.excluded.iter().collect();
        part.insert(&p.by);
        self.db
            .prepare_cached("INSERT INTO emergency_grants (grant_id, idx, emergency, part) VALUES (?1, ?2, ?3, ?4)")?
            .execute((p.grant.as_str(), reading.index, id.as_str(), to_json(&part)?))?;
        Ok(())
    }

    /// Everybody who took part in an emergency, as the log has it: who opened it, who deployed, the authors of what was
    /// deployed, and who ratified or reviewed it.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn took_part(&self, row: &EmergencyRow) -> Result<BTreeSet<PersonId>, Error> {
        let mut query = self.db.prepare_cached("SELECT part FROM emergency_grants WHERE emergency = ?1")?;
        let grants: Vec<Vec<PersonId>> =
            query.query_map([row.opened.id.as_str()], |row| json(row, 0))?.collect::<Result<_, _>>()?;
        let mut all: BTreeSet<PersonId> = grants.into_iter().flatten().collect();
        all.insert(row.opened.by.clone());
        all.extend([&row.ratified, &row.reviewed].into_iter().flatten().map(|done| done.said.by.clone()));
        Ok(all)
    }

    /// Grants that were issued under an emergency, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn emergency_grants(&self, id: &BreakGlassId) -> Result<Vec<countersign_model::GrantId>, Error> {
        let mut query =
            self.db.prepare_cached("SELECT grant_id FROM emergency_grants WHERE emergency = ?1 ORDER BY idx")?;
        Ok(query.query_map([id.as_str()], |row| text(row, 0))?.collect::<Result<_, _>>()?)
    }

    /// Who was told that something is overdue, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn pages(&self, id: &BreakGlassId) -> Result<Vec<PageRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, owed, rung, delivered, attempts, time FROM emergency_pages WHERE emergency = ?1 ORDER BY idx",
        )?;
        let row = |row: &Row<'_>| {
            Ok(PageRow {
                index: row.get(0)?,
                owed: row.get(1)?,
                rung: row.get(2)?,
                delivered: row.get(3)?,
                attempts: row.get(4)?,
                time: time(row, 5)?,
            })
        };
        Ok(query.query_map([id.as_str()], row)?.collect::<Result<_, _>>()?)
    }

    /// An emergency.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn emergency(&self, id: &BreakGlassId) -> Result<Option<EmergencyRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE emergency = ?1"))?;
        Ok(query.query_row([id.as_str()], emergency).optional()?)
    }

    /// Every emergency, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn emergencies(&self) -> Result<Vec<EmergencyRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} ORDER BY idx"))?;
        Ok(query.query_map([], emergency)?.collect::<Result<_, _>>()?)
    }
}

fn emergency(row: &Row<'_>) -> rusqlite::Result<EmergencyRow> {
    let said = |at: usize| -> rusqlite::Result<Option<Said>> {
        let Some(index) = row.get::<_, Option<u64>>(at)? else { return Ok(None) };
        Ok(Some(Said { index, by: text(row, at + 1)?, time: time(row, at + 2)?, reason: row.get(at + 3)? }))
    };
    let done = |at: usize| -> rusqlite::Result<Option<Done>> {
        said(at)?.map(|said| Ok(Done { said, late: row.get(at + 4)? })).transpose()
    };
    Ok(EmergencyRow {
        index: row.get(0)?,
        opened: json(row, 1)?,
        closed: said(2)?,
        ratified: done(6)?,
        reviewed: done(11)?,
    })
}
