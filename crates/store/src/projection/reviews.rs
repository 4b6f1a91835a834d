//! Access reviews: what access there was, who looked at it, what they said, and what went.

use std::collections::BTreeSet;

use countersign_evidence::{act, canonical};
use countersign_model::access::review::{
    AccessItem, AccessKind, Decided, GoneHow, GoneLine, ReviewFigures, ReviewLine, ReviewVerdict,
    SHORTEST_REVIEW_SECONDS, may_look,
};
use countersign_model::event::{
    AccessReviewClosed, AccessReviewDecided, AccessReviewEnforced, AccessReviewOpened, AccessReviewReminded,
    AccessReviewShown,
};
use countersign_model::{Action, PersonId, ReviewId, Role, Timestamp};
use rusqlite::{OptionalExtension as _, Row};

use super::read::{Act, Machine, to_json};
use super::roles::EndedHow;
use super::sql::{Fold, Stop, json, maybe, require, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "reviews",
        key: &["review"],
        index: "idx",
        sql: "CREATE TABLE reviews (review TEXT PRIMARY KEY, idx INTEGER NOT NULL, due INTEGER NOT NULL,
            opened TEXT NOT NULL, closed INTEGER, closing TEXT) STRICT, WITHOUT ROWID;",
    },
    Table {
        name: "review_lines",
        key: &["review", "line"],
        index: "idx",
        sql: "CREATE TABLE review_lines (review TEXT NOT NULL, line INTEGER NOT NULL, idx INTEGER NOT NULL,
            access TEXT NOT NULL, reviewer TEXT NOT NULL, shown INTEGER, shown_to TEXT, decided INTEGER,
            decided_by TEXT, decided_shown INTEGER, verdict TEXT, reason TEXT, decided_at INTEGER, ended INTEGER,
            PRIMARY KEY (review, line)) STRICT, WITHOUT ROWID;
            CREATE INDEX review_lines_by_end ON review_lines (ended);",
    },
    Table {
        name: "review_reminders",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE review_reminders (idx INTEGER PRIMARY KEY, review TEXT NOT NULL, people TEXT NOT NULL,
            waiting INTEGER NOT NULL, delivered INTEGER NOT NULL, attempts INTEGER NOT NULL, time INTEGER NOT NULL)
            STRICT;",
    },
];

/// A line, what was said of it, and what became of the access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewedLine {
    /// What it is.
    pub line: ReviewLine,
    /// When it was last shown, and to whom.
    pub shown: Option<(Timestamp, PersonId)>,
    /// The decision.
    pub decided: Option<Decided>,
    /// Why.
    pub reason: Option<String>,
    /// How and where the access ended; none: it is there.
    pub gone: Option<(GoneHow, u64)>,
}

impl ReviewedLine {
    /// Whether the access is to go: it was said, or nobody said anything in time.
    #[must_use]
    pub fn goes(&self, due: Timestamp, now: Timestamp) -> bool {
        self.decided.as_ref().map_or(now >= due, |d| d.verdict != ReviewVerdict::Keep)
    }
}

/// A review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewRow {
    /// Log index.
    pub index: u64,
    /// What was opened, without its lines.
    pub opened: AccessReviewOpened,
    /// The lines as they stand.
    pub lines: Vec<ReviewedLine>,
    /// The certification, and its log index.
    pub closed: Option<(u64, AccessReviewClosed)>,
}

/// Reviewers were reminded, or could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReminderRow {
    /// Log index.
    pub index: u64,
    /// Whose lines waited.
    pub people: Vec<PersonId>,
    /// How many.
    pub waiting: u32,
    /// Whether the message was taken.
    pub delivered: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// When.
    pub time: Timestamp,
}

impl ReviewRow {
    /// Lines that nobody has decided.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lines.iter().filter(|l| l.decided.is_none()).count()
    }

    /// The figures as they stand.
    #[must_use]
    pub fn figures(&self) -> ReviewFigures {
        ReviewFigures::of(self.lines.iter().map(|l| (&l.line.reviewer, l.decided.as_ref())))
    }

    /// The lines that are to go, each with where it went; none: it is there still.
    #[must_use]
    pub fn going(&self, now: Timestamp) -> Vec<(u32, Option<(GoneHow, u64)>)> {
        let going = self.lines.iter().filter(|l| l.goes(self.opened.due, now));
        going.map(|l| (l.line.line, l.gone)).collect()
    }

    /// The lines that were to go and went; `None` when one of them is there still.
    #[must_use]
    pub fn gone(&self, now: Timestamp) -> Option<Vec<GoneLine>> {
        let gone = self.going(now).into_iter();
        gone.map(|(line, gone)| gone.map(|(how, index)| GoneLine { line, how, index })).collect()
    }

    /// The lines whose access is there still.
    #[must_use]
    pub fn held(&self) -> Vec<u32> {
        self.lines.iter().filter(|l| l.gone.is_none()).map(|l| l.line.line).collect()
    }

    /// Whether somebody else than this person decided something; where nobody did, whether somebody else opened it.
    #[must_use]
    pub fn has_another_hand(&self, than: &PersonId) -> bool {
        let mut decided = self.lines.iter().filter_map(|l| l.decided.as_ref()).peekable();
        if decided.peek().is_none() { self.opened.by != *than } else { decided.any(|d| d.by != *than) }
    }
}

/// What a review ends, and what it cannot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReviewEnds {
    /// Lines whose access ends; sorted.
    pub ends: Vec<u32>,
    /// Lines that are to go and stay, for without them no administrator would be left.
    pub spared: Vec<u32>,
}

fn sorted(lines: &[u32]) -> Result<(), String> {
    require(!lines.is_empty(), "it names no line")?;
    require(lines.is_sorted_by(|a, b| a < b), "its lines are not sorted, or one is there twice")
}

impl State {
    pub(super) fn on_review_opened(&self, index: u64, signed: &Act) -> Fold {
        let mut p: AccessReviewOpened = self.signed(signed, act::ACCESS_REVIEW, |p: &AccessReviewOpened| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::OpenReview)?;
        require(!p.reason.trim().is_empty(), "it does not say why")?;
        require(p.from < p.to, "its period ends before it begins")?;
        let soonest = self.moment().plus_seconds(SHORTEST_REVIEW_SECONDS);
        require(p.due >= soonest, "it would be due within a day")?;
        require(!self.has_review(&p.review)?, "a review of that id was opened before")?;
        require(p.reviewers.is_sorted_by(|a, b| a < b), "its reviewers are not sorted, or one is there twice")?;
        for reviewer in &p.reviewers {
            self.needs(reviewer, Action::ReviewAccess)?;
        }
        require(p.size > 0 && p.size <= index, "it names a place of the log that there was not")?;
        require(p.idle_days == self.idle_days_at(p.size)?, "accounts are idle after another time")?;
        let digest = canonical::digest(&p.lines.iter().map(|l| &l.access).collect::<Vec<_>>());
        require(digest.map_err(|e| e.to_string())? == p.population, "its digest is another population's")?;
        self.is_population(&p)?;
        for (n, line) in (1..).zip(&p.lines) {
            require(line.line == n, "its lines are not numbered one after the other")?;
            let may = may_look(&line.access, &p.reviewers).contains(&&line.reviewer);
            require(may, &format!("whoever is to look at line {n} may not"))?;
        }
        let lines = std::mem::take(&mut p.lines);
        self.db.prepare_cached("INSERT INTO reviews (review, idx, due, opened) VALUES (?1, ?2, ?3, ?4)")?.execute((
            p.review.as_str(),
            index,
            p.due.millis(),
            to_json(&p)?,
        ))?;
        let mut insert = self.db.prepare_cached(
            "INSERT INTO review_lines (review, line, idx, access, reviewer) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for line in &lines {
            let access = to_json(&line.access)?;
            insert.execute((p.review.as_str(), line.line, index, access, line.reviewer.as_str()))?;
        }
        Ok(())
    }

    /// What is listed must be what there was at the place that it names, and nothing may have come or gone since. Of workloads the
    /// payloads may be disposed of one day, and every reader must come to the same belief after that: none that is on record may be
    /// left out, and one that is not on record must have been.
    fn is_population(&self, p: &AccessReviewOpened) -> Fold {
        let is_workload = |i: &&AccessItem| i.kind == AccessKind::Workload;
        let (listed_workloads, listed): (Vec<&AccessItem>, Vec<&AccessItem>) =
            p.lines.iter().map(|l| &l.access).partition(is_workload);
        let there = self.access_at(p.size, p.time)?;
        let (known, there): (Vec<&AccessItem>, Vec<&AccessItem>) = there.iter().partition(is_workload);
        require(there == listed, "its lines are not the roles and keys that there were")?;
        let names: BTreeSet<&str> = listed_workloads.iter().map(|i| i.what.as_str()).collect();
        require(names.len() == listed_workloads.len(), "it lists a workload twice")?;
        require(known.iter().all(|i| names.contains(i.what.as_str())), "it leaves out a workload that showed a token")?;
        require(!self.has_access_moved(&p.lines)?, "something came or went since it was read")?;
        let known: BTreeSet<&str> = known.iter().map(|i| i.what.as_str()).collect();
        for item in listed_workloads {
            let plain = item.person.is_none() && item.by.is_none() && item.until.is_none() && !item.left;
            require(plain, "it says of a workload what can only be said of people")?;
            let on_record = known.contains(item.what.as_str())
                || (item.index < p.size
                    && self.was_workload(item.index)?
                    && self.workload_end_at(&item.what, p.size)?.is_none());
            require(on_record, "it lists a workload that showed no token")?;
        }
        Ok(())
    }

    /// Whether roles or keys came or went since lines were read, or a workload came that is none of them.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn has_access_moved(&self, lines: &[ReviewLine]) -> Result<bool, Error> {
        let is_workload = |i: &&AccessItem| i.kind == AccessKind::Workload;
        let now = self.access_at(self.size(), self.moment())?;
        let (workloads, now): (Vec<&AccessItem>, Vec<&AccessItem>) = now.iter().partition(is_workload);
        let (listed_workloads, listed): (Vec<&AccessItem>, Vec<&AccessItem>) =
            lines.iter().map(|l| &l.access).partition(is_workload);
        let same = now.iter().map(|i| (i.access(), i.index)).eq(listed.iter().map(|i| (i.access(), i.index)));
        let names: BTreeSet<&str> = listed_workloads.iter().map(|i| i.what.as_str()).collect();
        Ok(!same || !workloads.iter().all(|i| names.contains(i.what.as_str())))
    }

    /// Whether a token was recorded at a log index, and its record is gone.
    fn was_workload(&self, index: u64) -> Result<bool, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT 1 FROM entries e WHERE e.idx = ?1 AND e.kind = 'WorkloadVerified'
                 AND (EXISTS (SELECT 1 FROM absent a WHERE a.idx = e.idx)
                     OR EXISTS (SELECT 1 FROM disposed d WHERE d.idx = e.idx))",
        )?;
        Ok(query.exists([index])?)
    }

    fn has_review(&self, id: &ReviewId) -> Result<bool, Error> {
        Ok(self.db.prepare_cached("SELECT 1 FROM reviews WHERE review = ?1")?.exists([id.as_str()])?)
    }

    /// When the lines of a review that is open are due.
    fn due_of(&self, id: &ReviewId) -> Result<Timestamp, Stop> {
        let mut query = self.db.prepare_cached("SELECT due, closed FROM reviews WHERE review = ?1")?;
        let row =
            query.query_row([id.as_str()], |row| Ok((time(row, 0)?, row.get::<_, Option<u64>>(1)?))).optional()?;
        let (due, closed) = row.ok_or("nobody opened such a review")?;
        require(closed.is_none(), "the review is closed")?;
        Ok(due)
    }

    /// Whether a person may decide a line: it is theirs to look at, or whoever was to look at it no longer can and they may.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn may_decide(&self, reviewers: &[PersonId], line: &ReviewLine, person: &PersonId) -> Result<bool, Error> {
        if line.reviewer == *person {
            return Ok(true);
        }
        Ok(!self.may(&line.reviewer, Action::ReviewAccess)? && may_look(&line.access, reviewers).contains(&person))
    }

    /// What is undecided and may be decided by this person.
    fn own_lines(&self, id: &ReviewId, person: &PersonId, lines: &[u32]) -> Fold {
        sorted(lines)?;
        let mut query =
            self.db.prepare_cached("SELECT json_extract(opened, '$.reviewers') FROM reviews WHERE review = ?1")?;
        let reviewers: Vec<PersonId> = query.query_row([id.as_str()], |row| json(row, 0))?;
        let mut query = self
            .db
            .prepare_cached("SELECT access, reviewer, decided FROM review_lines WHERE review = ?1 AND line = ?2")?;
        for n in lines {
            let row = query
                .query_row((id.as_str(), n), |row| {
                    let line = ReviewLine { line: *n, access: json(row, 0)?, reviewer: text(row, 1)? };
                    Ok((line, row.get::<_, Option<u64>>(2)?))
                })
                .optional()?;
            let (line, decided) = row.ok_or("it names a line that there is not")?;
            require(decided.is_none(), &format!("line {n} is decided already"))?;
            let may = self.may_decide(&reviewers, &line, person)?;
            require(may && line.access.person.as_ref() != Some(person), &format!("line {n} is for another reviewer"))?;
        }
        Ok(())
    }

    pub(super) fn on_review_shown(&self, machine: &Machine) -> Fold {
        let p: AccessReviewShown = self.statement(machine)?;
        require(self.moment() < self.due_of(&p.review)?, "it was due")?;
        self.own_lines(&p.review, &p.person, &p.lines)?;
        let mut update = self
            .db
            .prepare_cached("UPDATE review_lines SET shown = ?3, shown_to = ?4 WHERE review = ?1 AND line = ?2")?;
        for line in &p.lines {
            update.execute((p.review.as_str(), line, self.moment().millis(), p.person.as_str()))?;
        }
        Ok(())
    }

    pub(super) fn on_reminded(&self, index: u64, machine: &Machine) -> Fold {
        let p: AccessReviewReminded = self.statement(machine)?;
        self.due_of(&p.review)?;
        let (people, waiting) = self.review_waits(&p.review)?;
        require(waiting > 0, "nothing of it waits")?;
        require(people == p.people && waiting == p.waiting, "others have lines that wait")?;
        self.db
            .prepare_cached(
                "INSERT INTO review_reminders (idx, review, people, waiting, delivered, attempts, time)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((
                index,
                p.review.as_str(),
                to_json(&p.people)?,
                p.waiting,
                p.delivered,
                p.attempts,
                p.time.millis(),
            ))?;
        Ok(())
    }

    /// Whose lines wait, and how many.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn review_waits(&self, id: &ReviewId) -> Result<(Vec<PersonId>, u32), Error> {
        let mut query = self.db.prepare_cached(
            "SELECT reviewer, count(*) FROM review_lines WHERE review = ?1 AND decided IS NULL
             GROUP BY reviewer ORDER BY reviewer",
        )?;
        let rows: Vec<(PersonId, u32)> =
            query.query_map([id.as_str()], |row| Ok((text(row, 0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        let waiting = rows.iter().fold(0_u32, |sum, (_, n)| sum.saturating_add(*n));
        Ok((rows.into_iter().map(|(person, _)| person).collect(), waiting))
    }

    /// Every reminder of a review, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn review_reminders(&self, id: &ReviewId) -> Result<Vec<ReminderRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, people, waiting, delivered, attempts, time FROM review_reminders WHERE review = ?1 ORDER BY idx",
        )?;
        let rows = query.query_map([id.as_str()], |row| {
            Ok(ReminderRow {
                index: row.get(0)?,
                people: json(row, 1)?,
                waiting: row.get(2)?,
                delivered: row.get(3)?,
                attempts: row.get(4)?,
                time: time(row, 5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(super) fn on_review_decided(&self, index: u64, signed: &Act) -> Fold {
        let p: AccessReviewDecided =
            self.signed(signed, act::ACCESS_REVIEW_DECISION, |p: &AccessReviewDecided| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::ReviewAccess)?;
        require(self.moment() < self.due_of(&p.review)?, "it was due, and silence has spoken")?;
        self.own_lines(&p.review, &p.by, &p.lines)?;
        let said = p.verdict == ReviewVerdict::Keep || !p.reason.trim().is_empty();
        require(said, "what is not kept is changed or revoked for a reason")?;
        let mut update = self.db.prepare_cached(
            "UPDATE review_lines SET decided = ?3, decided_by = ?4, verdict = ?5, reason = ?6, decided_at = ?7,
                 decided_shown = CASE WHEN shown_to = ?4 THEN shown END
             WHERE review = ?1 AND line = ?2",
        )?;
        for line in &p.lines {
            let (at, by) = (self.moment().millis(), p.by.as_str());
            update.execute((p.review.as_str(), line, index, by, p.verdict.as_str(), &p.reason, at))?;
        }
        Ok(())
    }

    /// What a review may end now: what is to go and is there. What was said goes before what fell silent, and where no administrator for
    /// good would be left, that line is spared.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn review_ends(&self, row: &ReviewRow) -> Result<ReviewEnds, Error> {
        let is_going = |l: &&ReviewedLine| l.gone.is_none() && l.goes(row.opened.due, self.moment());
        let mut going: Vec<&ReviewedLine> = row.lines.iter().filter(is_going).collect();
        going.sort_by_key(|l| (l.decided.is_none(), l.line.line));
        let administrators = self.administrators()?;
        let mut found = ReviewEnds::default();
        let (mut people, mut keys): (Vec<&PersonId>, Vec<&str>) = (Vec::new(), Vec::new());
        for l in going {
            let access = &l.line.access;
            let administrator = access.person.as_ref().filter(|p| administrators.contains(p));
            let (roles_before, keys_before) = (people.len(), keys.len());
            match (access.kind, administrator) {
                (AccessKind::Role, Some(p))
                    if access.what == Role::Administrator.as_str() && access.until.is_none() =>
                {
                    people.push(p);
                }
                (AccessKind::Key, Some(_)) => keys.push(&access.what),
                _ => {
                    found.ends.push(l.line.line);
                    continue;
                }
            }
            if self.is_administered_but(&people, &keys, self.moment())? {
                found.ends.push(l.line.line);
            } else {
                people.truncate(roles_before);
                keys.truncate(keys_before);
                found.spared.push(l.line.line);
            }
        }
        found.ends.sort_unstable();
        found.spared.sort_unstable();
        Ok(found)
    }

    fn may_close_review(&self, row: &ReviewRow, by: &PersonId) -> Fold {
        require(row.has_another_hand(by), "whoever closes it decided all of it, or opened it and nobody decided")?;
        require(row.waiting() == 0 || self.moment() >= row.opened.due, "lines wait, and it is not due")?;
        Ok(())
    }

    fn open_review(&self, id: &ReviewId) -> Result<ReviewRow, Stop> {
        self.due_of(id)?;
        Ok(self.review(id)?.ok_or("nobody opened such a review")?)
    }

    pub(super) fn on_review_enforced(&self, index: u64, signed: &Act) -> Fold {
        let p: AccessReviewEnforced =
            self.signed(signed, act::ACCESS_REVIEW_ENFORCEMENT, |p: &AccessReviewEnforced| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::CloseReview)?;
        let row = self.open_review(&p.review)?;
        self.may_close_review(&row, &p.by)?;
        sorted(&p.lines)?;
        require(self.review_ends(&row)?.ends == p.lines, "its lines are not those whose access ends")?;
        let reason = format!("access review {}", p.review);
        let ending = row.lines.iter().filter(|l| p.lines.binary_search(&l.line.line).is_ok());
        for ReviewedLine { line: ReviewLine { access, .. }, .. } in ending {
            match access.kind {
                AccessKind::Role => {
                    let how = EndedHow::Review.as_str();
                    self.db
                        .prepare_cached(
                            "UPDATE roles SET ended = ?2, ended_by = ?3, ended_at = ?4, ended_how = ?5, ended_why = ?6
                             WHERE idx = ?1",
                        )?
                        .execute((access.index, index, p.by.as_str(), p.time.millis(), how, &reason))?;
                }
                AccessKind::Key => self.end_key(index, &access.what, self.moment(), None, &p.by, &reason)?,
                AccessKind::Workload => {
                    self.db
                        .prepare_cached(
                            "INSERT INTO workload_ends (workload, idx, review, ended_by) VALUES (?1, ?2, ?3, ?4)",
                        )?
                        .execute((&access.what, index, p.review.as_str(), p.by.as_str()))?;
                }
            }
        }
        let mut update =
            self.db.prepare_cached("UPDATE review_lines SET ended = ?3 WHERE review = ?1 AND line = ?2")?;
        for line in &p.lines {
            update.execute((p.review.as_str(), line, index))?;
        }
        Ok(())
    }

    pub(super) fn on_review_closed(&self, index: u64, signed: &Act) -> Fold {
        let p: AccessReviewClosed =
            self.signed(signed, act::ACCESS_REVIEW_CERTIFICATION, |p: &AccessReviewClosed| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::CloseReview)?;
        let row = self.open_review(&p.review)?;
        self.may_close_review(&row, &p.by)?;
        require(p.population == row.opened.population, "it certifies another population")?;
        require(p.size > row.index && p.size <= index, "it names a place of the log that it cannot have read")?;
        let gone = row.gone(self.moment()).ok_or("something was to go and is there")?;
        require(p.gone == gone, "its lines are not those that were to go and went")?;
        let read = gone.iter().all(|g| g.index < p.size);
        require(read, "it names an end beyond what it has read")?;
        require(p.held == row.held(), "its lines are not those that are still there")?;
        require(p.figures == row.figures(), "its figures are others than those of the decisions")?;
        self.db.prepare_cached("UPDATE reviews SET closed = ?2, closing = ?3 WHERE review = ?1")?.execute((
            p.review.as_str(),
            index,
            to_json(&p)?,
        ))?;
        Ok(())
    }

    /// A review as it stands.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn review(&self, id: &ReviewId) -> Result<Option<ReviewRow>, Error> {
        let mut query = self.db.prepare_cached("SELECT idx, opened, closed, closing FROM reviews WHERE review = ?1")?;
        let found = query
            .query_row([id.as_str()], |row| {
                let closed: Option<u64> = row.get(2)?;
                let closed = closed.map(|index| Ok::<_, rusqlite::Error>((index, json(row, 3)?))).transpose()?;
                Ok((row.get::<_, u64>(0)?, json::<AccessReviewOpened>(row, 1)?, closed))
            })
            .optional()?;
        let Some((index, opened, closed)) = found else { return Ok(None) };
        let mut query = self.db.prepare_cached(
            "SELECT line, access, reviewer, shown, shown_to, decided, decided_by, decided_shown, verdict, reason, decided_at
             FROM review_lines WHERE review = ?1 ORDER BY line",
        )?;
        let rows: Vec<ReviewedLine> = query.query_map([id.as_str()], line)?.collect::<Result<_, _>>()?;
        let mut lines = Vec::with_capacity(rows.len());
        for mut line in rows {
            line.gone = self.gone(&line.line.access)?;
            lines.push(line);
        }
        Ok(Some(ReviewRow { index, opened, lines, closed }))
    }

    /// Every review with its due date and whether it is closed, oldest first. Lines are not read, of which there may be many.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn review_dates(&self) -> Result<Vec<(ReviewId, Timestamp, bool)>, Error> {
        let mut query = self.db.prepare_cached("SELECT review, due, closed IS NOT NULL FROM reviews ORDER BY idx")?;
        let rows = query.query_map([], |row| Ok((text(row, 0)?, time(row, 1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every review with its lines, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn reviews(&self) -> Result<Vec<ReviewRow>, Error> {
        let mut rows = Vec::new();
        for (id, ..) in self.review_dates()? {
            rows.extend(self.review(&id)?);
        }
        Ok(rows)
    }
}

fn line(row: &Row<'_>) -> rusqlite::Result<ReviewedLine> {
    let moment = |n| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(n)?.map(Timestamp::from_millis));
    let shown = match (moment(3)?, maybe(row, 4)?) {
        (Some(at), Some(to)) => Some((at, to)),
        _ => None,
    };
    let decided = match (row.get::<_, Option<u64>>(5)?, maybe(row, 6)?) {
        (Some(index), Some(by)) => {
            // What is no word of ours keeps nothing.
            let verdict = row.get::<_, String>(8)?.parse().unwrap_or(ReviewVerdict::Revoke);
            Some(Decided { index, by, verdict, shown: moment(7)?, time: time(row, 10)? })
        }
        _ => None,
    };
    Ok(ReviewedLine {
        line: ReviewLine { line: row.get(0)?, access: json(row, 1)?, reviewer: text(row, 2)? },
        shown,
        decided,
        reason: row.get(9)?,
        gone: None,
    })
}
