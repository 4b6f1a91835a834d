//! Roles from their grant to their end, people who left, and the rules for grants.
//!
//! A role counts from its grant to its revocation, its holder's leaving, its end in an access review, or its expiry, whichever
//! is first. Expiry is told by [`State::moment`]: the time of the entry that is folded, which the log's writer gave it and which
//! never goes back; a signer's own time would let who is out of a role date themselves back into it.

use std::collections::BTreeSet;

use countersign_evidence::act;
use countersign_model::access::Combination;
use countersign_model::access::review::IDLE_DAYS;
use countersign_model::event::{PersonLeft, PersonReturned, RoleGranted, RoleRevoked, RoleRulesChosen};
use countersign_model::{Action, PersonId, Role, Timestamp};
use rusqlite::OptionalExtension as _;

use super::read::{Act, to_json};
use super::sql::{Fold, Stop, json, maybe, require, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "roles",
        key: &["person", "role", "idx"],
        index: "idx",
        sql: "CREATE TABLE roles (idx INTEGER PRIMARY KEY, person TEXT NOT NULL, role TEXT NOT NULL,
            granted_by TEXT NOT NULL, reason TEXT, time INTEGER NOT NULL, expires INTEGER, rules INTEGER NOT NULL,
            ended INTEGER, ended_by TEXT, ended_at INTEGER, ended_how TEXT, ended_why TEXT) STRICT;
            CREATE INDEX roles_by_person ON roles (person);",
    },
    Table {
        name: "leavings",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE leavings (idx INTEGER PRIMARY KEY, person TEXT NOT NULL, said_by TEXT NOT NULL,
            reason TEXT NOT NULL, time INTEGER NOT NULL, returned INTEGER, returned_by TEXT, returned_at INTEGER,
            return_reason TEXT) STRICT;
            CREATE INDEX leavings_by_person ON leavings (person);",
    },
    Table {
        name: "role_rules",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE role_rules (idx INTEGER PRIMARY KEY, refused TEXT NOT NULL, idle_days INTEGER NOT NULL,
            person TEXT NOT NULL, reason TEXT NOT NULL, time INTEGER NOT NULL) STRICT;",
    },
];

/// The rules that a ledger which this program makes begins with: a grant says why, and nobody grants to themselves.
pub const ROLE_RULES: u8 = 2;

/// How a role ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedHow {
    /// It was revoked.
    Revoked,
    /// Its holder left.
    Left,
    /// An access review ended it.
    Review,
}

impl EndedHow {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Left => "left",
            Self::Review => "review",
        }
    }

    fn of(text: &str) -> Self {
        match text {
            "left" => Self::Left,
            "review" => Self::Review,
            _ => Self::Revoked,
        }
    }
}

/// The end of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleEnd {
    /// Log index.
    pub index: u64,
    /// Who ended it.
    pub by: PersonId,
    /// When.
    pub time: Timestamp,
    /// How.
    pub how: EndedHow,
    /// Why.
    pub reason: String,
}

/// A role that was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRow {
    /// Log index of the grant.
    pub index: u64,
    /// To whom.
    pub person: PersonId,
    /// Which.
    pub role: Role,
    /// By whom; the first administrator's own is by themselves.
    pub by: PersonId,
    /// Why; none where the ledger of the time did not ask.
    pub reason: Option<String>,
    /// When.
    pub time: Timestamp,
    /// Until when it counts; none: until it is ended.
    pub expires: Option<Timestamp>,
    /// How it ended.
    pub ended: Option<RoleEnd>,
}

impl RoleRow {
    /// Whether it counted at a moment when the log had `size` entries.
    #[must_use]
    pub fn was_held(&self, size: u64, at: Timestamp) -> bool {
        let ended = self.ended.as_ref().is_some_and(|e| e.index < size);
        self.index < size && !ended && self.expires.is_none_or(|e| at < e)
    }

    /// Whether it counts at a moment at or after which nothing more was said about it.
    #[must_use]
    pub fn is_held(&self, at: Timestamp) -> bool {
        self.ended.is_none() && self.expires.is_none_or(|e| at < e)
    }

    /// How it stands then, in a word.
    #[must_use]
    pub fn state(&self, at: Timestamp) -> &'static str {
        match &self.ended {
            Some(end) => end.how.as_str(),
            None if self.is_held(at) => "held",
            None => "expired",
        }
    }
}

/// The rules for grants in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRules {
    /// Log index; none: nobody chose any.
    pub index: Option<u64>,
    /// Combinations that no grant may make.
    pub refused: Vec<Combination>,
    /// Days without a signed act after which an account is idle.
    pub idle_days: u16,
}

/// Somebody's leaving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// Log index.
    pub index: u64,
    /// Who.
    pub person: PersonId,
    /// Who said so.
    pub by: PersonId,
    /// Why.
    pub reason: String,
    /// When.
    pub time: Timestamp,
    /// Log index of their return.
    pub returned: Option<u64>,
}

const COLUMNS: &str = "idx, person, role, granted_by, reason, time, expires, ended, ended_by, ended_at, ended_how,
    ended_why FROM roles";
/// What counts at the moment of parameter `?1`.
const HELD: &str = "ended IS NULL AND (expires IS NULL OR expires > ?1)";

impl State {
    /// A ledger of before has grants without a reason and grants to oneself, and they count. Where anything was said that only
    /// the present rules know, the root included, a grant of the old kind does not.
    pub(super) fn on_role(&self, index: u64, signed: &Act) -> Fold {
        if signed.act.namespace() == act::ROLE_BEFORE {
            let p: RoleGranted = self.signed(signed, act::ROLE_BEFORE, |p: &RoleGranted| &p.by)?;
            self.same_ledger(&p.origin)?;
            self.needs(&p.by, Action::GrantRole)?;
            require(self.is_enrolled(&p.person)?, "nobody with that id is enrolled")?;
            require(p.expires.is_none(), "a grant of the old kind does not expire")?;
            require(!self.has_role_rules()?, "the ledger has rules that a grant of the old kind does not keep")?;
            if self.has_role(&p.person, p.role)? {
                return Ok(());
            }
            return self.add_role(index, &p, 1);
        }
        let p: RoleGranted = self.signed(signed, act::ROLE, |p: &RoleGranted| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::GrantRole)?;
        require(self.is_enrolled(&p.person)?, "nobody with that id is enrolled")?;
        require(p.by != p.person, "nobody grants a role to themselves")?;
        require(p.reason.as_ref().is_some_and(|r| !r.trim().is_empty()), "a role is granted for a reason")?;
        require(!self.has_left(&p.person)?, "that person has left")?;
        require(!self.has_role(&p.person, p.role)?, "that person holds the role already")?;
        require(p.expires.is_none_or(|e| e > self.moment()), "it would be over already")?;
        let made = Combination::made_by(&self.roles_of(&p.person)?, p.role);
        let rules = self.role_rules()?;
        if let Some(refused) = made.iter().find(|c| rules.refused.contains(c)) {
            return Err(format!("it makes the combination `{refused}`, which is refused").into());
        }
        self.add_role(index, &p, ROLE_RULES)
    }

    pub(super) fn on_role_revoked(&self, index: u64, signed: &Act) -> Fold {
        let p: RoleRevoked = self.signed(signed, act::ROLE_REVOCATION, |p: &RoleRevoked| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::RevokeRole)?;
        require(!p.reason.trim().is_empty(), "a role is revoked for a reason")?;
        require(self.has_role(&p.person, p.role)?, "that person does not hold the role")?;
        if p.role == Role::Administrator {
            require(self.is_administered_without(&[&p.person])?, "no administrator would be left")?;
        }
        self.end_roles(&p.person, Some(p.role), index, &p.by, p.time, EndedHow::Revoked, &p.reason)
    }

    pub(super) fn on_left(&self, index: u64, signed: &Act) -> Fold {
        let p: PersonLeft = self.signed(signed, act::LEAVING, |p: &PersonLeft| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::RecordLeaving)?;
        require(!p.reason.trim().is_empty(), "it does not say why")?;
        require(self.is_enrolled(&p.person)?, "nobody with that id is enrolled")?;
        require(!self.has_left(&p.person)?, "that person has left already")?;
        require(self.is_administered_without(&[&p.person])?, "no administrator would be left")?;
        self.end_roles(&p.person, None, index, &p.by, p.time, EndedHow::Left, &p.reason)?;
        self.end_offices(&p.person)?;
        self.db
            .prepare_cached("INSERT INTO leavings (idx, person, said_by, reason, time) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute((index, p.person.as_str(), p.by.as_str(), &p.reason, p.time.millis()))?;
        Ok(())
    }

    pub(super) fn on_returned(&self, index: u64, signed: &Act) -> Fold {
        let p: PersonReturned = self.signed(signed, act::RETURN, |p: &PersonReturned| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::RecordReturn)?;
        require(!p.reason.trim().is_empty(), "it does not say why")?;
        require(self.has_left(&p.person)?, "that person has not left")?;
        self.db
            .prepare_cached(
                "UPDATE leavings SET returned = ?2, returned_by = ?3, returned_at = ?4, return_reason = ?5
                 WHERE person = ?1 AND returned IS NULL",
            )?
            .execute((p.person.as_str(), index, p.by.as_str(), p.time.millis(), &p.reason))?;
        Ok(())
    }

    pub(super) fn on_role_rules(&self, index: u64, signed: &Act) -> Fold {
        let p: RoleRulesChosen = self.signed(signed, act::ROLE_RULES, |p: &RoleRulesChosen| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::ChooseRoleRules)?;
        require(!p.reason.trim().is_empty(), "it does not say why")?;
        require(p.idle_days > 0, "nobody is idle after no day at all")?;
        require(p.refused.is_sorted_by(|a, b| a < b), "its combinations are not sorted, or one is there twice")?;
        self.db
            .prepare_cached(
                "INSERT INTO role_rules (idx, refused, idle_days, person, reason, time)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((index, to_json(&p.refused)?, p.idle_days, p.by.as_str(), &p.reason, p.time.millis()))?;
        Ok(())
    }

    pub(super) fn add_role(&self, index: u64, p: &RoleGranted, rules: u8) -> Fold {
        self.db
            .prepare_cached(
                "INSERT INTO roles (idx, person, role, granted_by, reason, time, expires, rules)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                index,
                p.person.as_str(),
                p.role.as_str(),
                p.by.as_str(),
                &p.reason,
                p.time.millis(),
                p.expires.map(Timestamp::millis),
                rules,
            ))?;
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "they are the columns of one row")]
    fn end_roles(
        &self,
        person: &PersonId,
        role: Option<Role>,
        index: u64,
        by: &PersonId,
        at: Timestamp,
        how: EndedHow,
        why: &str,
    ) -> Fold {
        self.db
            .prepare_cached(&format!(
                "UPDATE roles SET ended = ?4, ended_by = ?5, ended_at = ?6, ended_how = ?7, ended_why = ?8
                 WHERE person = ?2 AND (?3 IS NULL OR role = ?3) AND {HELD}"
            ))?
            .execute((
                self.moment().millis(),
                person.as_str(),
                role.map(Role::as_str),
                index,
                by.as_str(),
                at.millis(),
                how.as_str(),
                why,
            ))?;
        Ok(())
    }

    /// Whether anything was said that only the present rules for roles know.
    fn has_role_rules(&self) -> Result<bool, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM trust_roots WHERE role_rules >= 2)
                 OR EXISTS (SELECT 1 FROM roles WHERE rules >= 2 OR ended IS NOT NULL)
                 OR EXISTS (SELECT 1 FROM leavings) OR EXISTS (SELECT 1 FROM role_rules)",
        )?;
        Ok(query.query_row([], |row| row.get(0))?)
    }

    /// The fold's twin of what a use case asks: one of the act's roles, at this place of the log.
    pub(super) fn needs(&self, person: &PersonId, action: Action) -> Fold {
        if self.may(person, action)? {
            return Ok(());
        }
        Err(Stop::Disbelieved(format!("{person} is no {}", action.any_of())))
    }

    /// The moment at which roles are asked for: while an entry is folded, its time; then the later one of the newest entry's and
    /// of the machine's clock, as it was when the state was last brought up to the log.
    #[must_use]
    pub const fn moment(&self) -> Timestamp {
        self.head.moment.0
    }

    /// Looks at what was folded from a moment on, but never from one before the newest entry.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn look_at(&mut self, clock: Timestamp) -> Result<(), Error> {
        self.head.moment.0 = clock.max(self.newest_time()?);
        Ok(())
    }

    /// Whether the person holds the role.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn has_role(&self, person: &PersonId, role: Role) -> Result<bool, Error> {
        let mut query =
            self.db.prepare_cached(&format!("SELECT 1 FROM roles WHERE person = ?2 AND role = ?3 AND {HELD}"))?;
        Ok(query.exists((self.moment().millis(), person.as_str(), role.as_str()))?)
    }

    /// Whether the person holds one of the roles that the act takes. Further conditions of an act ([`Action::unless`]) are
    /// asked where it is made and where it is folded.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn may(&self, person: &PersonId, action: Action) -> Result<bool, Error> {
        for role in action.roles() {
            if self.has_role(person, *role)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The roles that the person holds.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn roles_of(&self, person: &PersonId) -> Result<BTreeSet<Role>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT role FROM roles WHERE person = ?2 AND {HELD}"))?;
        let rows = query.query_map((self.moment().millis(), person.as_str()), |row| text(row, 0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every grant of a role that there was, oldest first, with what became of it.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn role_grants(&self) -> Result<Vec<RoleRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} ORDER BY idx"))?;
        Ok(query.query_map([], row)?.collect::<Result<_, _>>()?)
    }

    /// Whether somebody who may sign would still be administrator, for good, without these people. An administrator whose role
    /// or whose last key expires does not count, so that time alone never leaves a ledger without one. People of whom none is an
    /// administrator for good take nothing away.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn is_administered_without(&self, without: &[&PersonId]) -> Result<bool, Error> {
        if !self.administrators()?.iter().any(|a| without.contains(&a)) {
            return Ok(true);
        }
        self.is_administered_but(without, &[], self.moment())
    }

    /// Whether the person had left, and was not back, when the log had `size` entries.
    pub(super) fn had_left(&self, person: &PersonId, size: u64) -> Result<bool, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT 1 FROM leavings WHERE person = ?1 AND idx < ?2 AND (returned IS NULL OR returned >= ?2)",
        )?;
        Ok(query.exists((person.as_str(), size))?)
    }

    /// Days after which an account was idle when the log had `size` entries.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn idle_days_at(&self, size: u64) -> Result<u16, Error> {
        let mut query =
            self.db.prepare_cached("SELECT idle_days FROM role_rules WHERE idx < ?1 ORDER BY idx DESC LIMIT 1")?;
        Ok(query.query_row([size], |row| row.get(0)).optional()?.unwrap_or(IDLE_DAYS))
    }

    /// Whether the person left and is not back.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn has_left(&self, person: &PersonId) -> Result<bool, Error> {
        let mut query = self.db.prepare_cached("SELECT 1 FROM leavings WHERE person = ?1 AND returned IS NULL")?;
        Ok(query.exists([person.as_str()])?)
    }

    /// Every leaving, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn leavings(&self) -> Result<Vec<Leaving>, Error> {
        let mut query =
            self.db.prepare_cached("SELECT idx, person, said_by, reason, time, returned FROM leavings ORDER BY idx")?;
        let rows = query.query_map([], |row| {
            Ok(Leaving {
                index: row.get(0)?,
                person: text(row, 1)?,
                by: text(row, 2)?,
                reason: row.get(3)?,
                time: time(row, 4)?,
                returned: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The rules for grants in effect.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn role_rules(&self) -> Result<RoleRules, Error> {
        let mut query =
            self.db.prepare_cached("SELECT idx, refused, idle_days FROM role_rules ORDER BY idx DESC LIMIT 1")?;
        let row = |row: &rusqlite::Row<'_>| {
            Ok(RoleRules { index: Some(row.get(0)?), refused: json(row, 1)?, idle_days: row.get(2)? })
        };
        let none = RoleRules { index: None, refused: Vec::new(), idle_days: IDLE_DAYS };
        Ok(query.query_row([], row).optional()?.unwrap_or(none))
    }
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<RoleRow> {
    let ended = match (row.get::<_, Option<u64>>(7)?, maybe(row, 8)?) {
        (Some(index), Some(by)) => Some(RoleEnd {
            index,
            by,
            time: time(row, 9)?,
            how: EndedHow::of(&row.get::<_, String>(10)?),
            reason: row.get(11)?,
        }),
        _ => None,
    };
    Ok(RoleRow {
        index: row.get(0)?,
        person: text(row, 1)?,
        role: text(row, 2)?,
        by: text(row, 3)?,
        reason: row.get(4)?,
        time: time(row, 5)?,
        expires: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis),
        ended,
    })
}
