//! Applications and environments, as they are registered now.

use countersign_evidence::act;
use countersign_model::event::{ApplicationRegistered, ApplicationRetired, EnvironmentRegistered, EnvironmentRetired};
use countersign_model::governance::{Application, DeploymentEnvironment};
use countersign_model::{Action, PersonId, Timestamp};
use rusqlite::OptionalExtension as _;

use super::read::{Act, to_json};
use super::sql::{Fold, Stop, json, require, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "applications",
        key: &["application"],
        index: "idx",
        sql: "CREATE TABLE applications (application TEXT PRIMARY KEY, idx INTEGER NOT NULL, document TEXT NOT NULL,
            person TEXT NOT NULL, time INTEGER NOT NULL, retired INTEGER) STRICT, WITHOUT ROWID;",
    },
    Table {
        name: "environments",
        key: &["environment"],
        index: "idx",
        sql: "CREATE TABLE environments (environment TEXT PRIMARY KEY, idx INTEGER NOT NULL, document TEXT NOT NULL,
            person TEXT NOT NULL, time INTEGER NOT NULL, retired INTEGER) STRICT, WITHOUT ROWID;",
    },
];

/// Something that is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered<T> {
    /// Log index of what it is now.
    pub index: u64,
    /// What it is.
    pub what: T,
    /// Who said so.
    pub by: PersonId,
    /// When.
    pub time: Timestamp,
    /// Log index of its retirement; `None` while it is in use.
    pub retired: Option<u64>,
}

impl State {
    pub(super) fn on_application(&self, index: u64, signed: &Act) -> Fold {
        let p: ApplicationRegistered = self.signed(signed, act::APPLICATION, |p: &ApplicationRegistered| &p.by)?;
        self.same_ledger(&p.origin)?;
        p.application.check()?;
        let before = self.application(&p.application.id)?.filter(|a| a.retired.is_none());
        require(before.as_ref().map(|b| b.index) == p.replaces, "it replaces another state than the present one")?;
        let weakens = p.application.weakens(before.as_ref().map(|b| &b.what));
        self.may_register(&p.by, weakens, Action::RegisterApplication, Action::WeakenApplication)?;
        for person in [Some(&p.application.owner), p.application.deputy.as_ref()].into_iter().flatten() {
            require(self.is_enrolled(person)?, "its owner or deputy is not enrolled")?;
        }
        for repository in &p.application.repositories {
            let holder = self.application_of(repository)?;
            require(
                holder.is_none_or(|h| h.what.id == p.application.id),
                "one of its repositories belongs to another application",
            )?;
        }
        let document = to_json(&p.application)?;
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO applications (application, idx, document, person, time, retired)
                 VALUES (?1, ?2, ?3, ?4, ?5, NULL)",
            )?
            .execute((&p.application.id, index, document, p.by.as_str(), p.time.millis()))?;
        Ok(())
    }

    pub(super) fn on_application_retired(&self, index: u64, signed: &Act) -> Fold {
        let p: ApplicationRetired = self.signed(signed, act::APPLICATION_RETIREMENT, |p: &ApplicationRetired| &p.by)?;
        self.same_ledger(&p.origin)?;
        // The strictest level holds then, but policies know less of what belongs to nothing.
        self.needs(&p.by, Action::RetireApplication)?;
        let known = self.application(&p.application)?.is_some_and(|a| a.retired.is_none());
        require(known, "no such application is registered")?;
        self.db
            .prepare_cached("UPDATE applications SET retired = ?2 WHERE application = ?1")?
            .execute((&p.application, index))?;
        Ok(())
    }

    pub(super) fn on_environment(&self, index: u64, signed: &Act) -> Fold {
        let p: EnvironmentRegistered = self.signed(signed, act::ENVIRONMENT, |p: &EnvironmentRegistered| &p.by)?;
        self.same_ledger(&p.origin)?;
        p.environment.check()?;
        let before = self.environment(&p.environment.id)?.filter(|e| e.retired.is_none());
        require(before.as_ref().map(|b| b.index) == p.replaces, "it replaces another state than the present one")?;
        let weakens = p.environment.weakens(before.as_ref().map(|b| &b.what));
        self.may_register(&p.by, weakens, Action::RegisterEnvironment, Action::WeakenEnvironment)?;
        let document = to_json(&p.environment)?;
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO environments (environment, idx, document, person, time, retired)
                 VALUES (?1, ?2, ?3, ?4, ?5, NULL)",
            )?
            .execute((&p.environment.id, index, document, p.by.as_str(), p.time.millis()))?;
        Ok(())
    }

    pub(super) fn on_environment_retired(&self, index: u64, signed: &Act) -> Fold {
        let p: EnvironmentRetired = self.signed(signed, act::ENVIRONMENT_RETIREMENT, |p: &EnvironmentRetired| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::RetireEnvironment)?;
        let known = self.environment(&p.environment)?.is_some_and(|e| e.retired.is_none());
        require(known, "no such environment is registered")?;
        self.db
            .prepare_cached("UPDATE environments SET retired = ?2 WHERE environment = ?1")?
            .execute((&p.environment, index))?;
        Ok(())
    }

    /// A release manager registers what weakens nothing; what does takes an administrator.
    fn may_register(&self, by: &PersonId, weakens: Option<&str>, plain: Action, weaker: Action) -> Fold {
        match weakens {
            None => self.needs(by, plain),
            Some(how) => self.needs(by, weaker).map_err(|stop| match stop {
                Stop::Disbelieved(what) => Stop::Disbelieved(format!("{what}, and {how}")),
                failed => failed,
            }),
        }
    }

    /// The application of that id, retired or not.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn application(&self, id: &str) -> Result<Option<Registered<Application>>, Error> {
        let mut query = self
            .db
            .prepare_cached("SELECT idx, document, person, time, retired FROM applications WHERE application = ?1")?;
        Ok(query.query_row([id], registered).optional()?)
    }

    /// All applications, by id.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn applications(&self) -> Result<Vec<Registered<Application>>, Error> {
        let mut query = self
            .db
            .prepare_cached("SELECT idx, document, person, time, retired FROM applications ORDER BY application")?;
        Ok(query.query_map([], registered)?.collect::<Result<_, _>>()?)
    }

    /// The application that a repository belongs to.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn application_of(&self, repository: &str) -> Result<Option<Registered<Application>>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, document, person, time, retired FROM applications WHERE retired IS NULL AND EXISTS
             (SELECT 1 FROM json_each(document, '$.repositories') WHERE value = ?1)",
        )?;
        Ok(query.query_row([repository], registered).optional()?)
    }

    /// The environment of that id, retired or not.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn environment(&self, id: &str) -> Result<Option<Registered<DeploymentEnvironment>>, Error> {
        let mut query = self
            .db
            .prepare_cached("SELECT idx, document, person, time, retired FROM environments WHERE environment = ?1")?;
        Ok(query.query_row([id], registered).optional()?)
    }

    /// All environments, by id.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn environments(&self) -> Result<Vec<Registered<DeploymentEnvironment>>, Error> {
        let mut query = self
            .db
            .prepare_cached("SELECT idx, document, person, time, retired FROM environments ORDER BY environment")?;
        Ok(query.query_map([], registered)?.collect::<Result<_, _>>()?)
    }
}

fn registered<T: serde::de::DeserializeOwned>(row: &rusqlite::Row<'_>) -> rusqlite::Result<Registered<T>> {
    Ok(Registered {
        index: row.get(0)?,
        what: json(row, 1)?,
        by: text(row, 2)?,
        time: time(row, 3)?,
        retired: row.get(4)?,
    })
}
