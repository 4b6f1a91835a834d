//! Issuers of identity tokens that were put in effect, and workloads that showed a token.

use std::collections::BTreeMap;

use countersign_evidence::act;
use countersign_model::access::review::workload_identity;
use countersign_model::access::{Action, Field, Issuers};
use countersign_model::event::{IssuersActivated, WorkloadAdmitted, WorkloadVerified};
use countersign_model::{Digest, PayloadRef, PersonId, RunId, Timestamp};
use rusqlite::{OptionalExtension as _, Row};

use super::read::{Act, Machine, Reading, to_json};
use super::sql::{Fold, blob, json, maybe, media, require, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "issuers",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE issuers (idx INTEGER PRIMARY KEY, digest TEXT NOT NULL, blob TEXT NOT NULL,
            blob_size INTEGER NOT NULL, blob_media TEXT NOT NULL, person TEXT NOT NULL, reason TEXT,
            time INTEGER NOT NULL) STRICT;",
    },
    Table {
        name: "workloads",
        key: &["once"],
        index: "idx",
        sql: "CREATE TABLE workloads (once TEXT PRIMARY KEY, idx INTEGER NOT NULL, run TEXT NOT NULL,
            attempt INTEGER NOT NULL, issuers TEXT NOT NULL, entry TEXT NOT NULL, system TEXT NOT NULL,
            issuer TEXT NOT NULL, fields TEXT NOT NULL, key TEXT NOT NULL, token TEXT NOT NULL, claims TEXT NOT NULL,
            claims_size INTEGER NOT NULL, claims_media TEXT NOT NULL, person TEXT, time INTEGER NOT NULL)
            STRICT, WITHOUT ROWID;
            CREATE INDEX workloads_by_run ON workloads (run, idx);",
    },
    Table {
        name: "admissions",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE admissions (idx INTEGER PRIMARY KEY, workload TEXT NOT NULL, issuer TEXT NOT NULL,
            system TEXT NOT NULL, repository TEXT NOT NULL, application TEXT NOT NULL, time INTEGER NOT NULL) STRICT;
            CREATE INDEX admissions_by_workload ON admissions (workload, repository);",
    },
];

/// A job that came to a server with its identity token alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionRow {
    /// Log index.
    pub index: u64,
    /// The kind of CI system.
    pub system: String,
    /// The repository that its token opens.
    pub repository: String,
    /// The application that this belongs to.
    pub application: String,
    /// When.
    pub time: Timestamp,
}

/// A document of issuers that was put in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivatedIssuers {
    /// Log index of its activation.
    pub index: u64,
    /// Its digest.
    pub digest: Digest,
    /// The blob that holds it.
    pub blob: PayloadRef,
    /// Who put it in effect.
    pub by: PersonId,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub time: Timestamp,
}

/// A workload that showed a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadRow {
    /// Log index.
    pub index: u64,
    /// The run.
    pub run: RunId,
    /// Its attempt.
    pub attempt: u64,
    /// The entry among the issuers.
    pub entry: String,
    /// The kind of system.
    pub system: String,
    /// Who issued the token.
    pub issuer: String,
    /// What it says, in our words.
    pub fields: BTreeMap<Field, String>,
    /// Thumbprint of the key that signed it.
    pub key: String,
    /// SHA-256 of its header and claims.
    pub token: Digest,
    /// What may not come twice.
    pub once: Digest,
    /// The blob that holds its claims.
    pub claims: PayloadRef,
    /// The enrolled person whose account the actor is.
    pub person: Option<PersonId>,
    /// When it was verified.
    pub time: Timestamp,
}

const COLUMNS: &str = "once, idx, run, attempt, entry, system, issuer, fields, key, token, claims, claims_size,
    claims_media, person, time FROM workloads";

impl State {
    pub(super) fn on_issuers(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: IssuersActivated = self.signed(signed, act::ISSUERS, |p: &IssuersActivated| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::ActivateIssuers)?;
        let (blob, said) = reading.named(0)?;
        require(said == p.issuers, "the issuers are not those that the statement names")?;
        self.db
            .prepare_cached(
                "INSERT INTO issuers (idx, digest, blob, blob_size, blob_media, person, reason, time)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                reading.index,
                p.issuers.to_string(),
                blob.sha256.to_string(),
                blob.size,
                media(&blob),
                p.by.as_str(),
                p.reason,
                p.time.millis(),
            ))?;
        Ok(())
    }

    /// Whether a signature holds under an issuer's key was seen to by the recorder: the token is not kept, since whoever has it
    /// could use it. Everything else is looked at again.
    pub(super) fn on_workload(&self, reading: &Reading, machine: &Machine) -> Fold {
        let p: WorkloadVerified = self.statement(machine)?;
        let run = self.started(&p.run)?;
        self.belongs(reading, &p.run)?;
        let mut query = self.db.prepare_cached("SELECT count(*) FROM attempts WHERE run = ?1")?;
        let attempts: u64 = query.query_row([p.run.as_str()], |row| row.get(0))?;
        require(p.attempt == attempts, "it is not of the run's latest attempt")?;
        let active = self.issuers()?.map(|a| a.digest);
        require(active == Some(p.issuers), "the issuers that it names are not in effect")?;
        require(
            is_of(&p.fields, &run.commit, run.identity.as_deref()),
            "the token is for another commit or repository",
        )?;
        let skew = i64::from(Issuers::MAX_SKEW);
        require(
            p.time < p.expires.plus_seconds(skew) && p.issued < p.time.plus_seconds(skew),
            "the token was not valid when it was shown",
        )?;
        let (claims, said) = reading.named(0)?;
        require(said == p.claims, "the claims are not those that the statement names")?;
        require(reading.attachments() == 1, "the statement does not name all attachments")?;
        self.names_its_actor(&p)?;
        require(self.workload(&p.once)?.is_none(), "the token was shown before")?;
        let identity = workload_identity(&p.issuer, &p.fields);
        require(self.workload_end(&identity)?.is_none(), "an access review ended that workload")?;
        self.db
            .prepare_cached(
                "INSERT INTO workloads (once, idx, run, attempt, issuers, entry, system, issuer, fields, key, token, claims,
                  claims_size, claims_media, person, time)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            )?
            .execute(rusqlite::params![
                p.once.to_string(),
                reading.index,
                p.run.as_str(),
                p.attempt,
                p.issuers.to_string(),
                p.entry,
                p.system,
                p.issuer,
                to_json(&p.fields)?,
                p.key,
                p.token.to_string(),
                claims.sha256.to_string(),
                claims.size,
                media(&claims),
                p.person.as_ref().map(PersonId::as_str),
                p.time.millis(),
            ])?;
        Ok(())
    }

    /// As [`Self::on_workload`]; it opens the one repository that its token names, where that belongs to an application.
    pub(super) fn on_admitted(&self, index: u64, machine: &Machine) -> Fold {
        let p: WorkloadAdmitted = self.statement(machine)?;
        require(self.issuers()?.map(|a| a.digest) == Some(p.issuers), "the issuers that it names are not in effect")?;
        let skew = i64::from(Issuers::MAX_SKEW);
        let counted = p.time < p.expires.plus_seconds(skew) && p.issued < p.time.plus_seconds(skew);
        require(counted, "the token was not valid when it was shown")?;
        let named = p.fields.get(&Field::Repository).is_some_and(|said| said.eq_ignore_ascii_case(&p.repository));
        require(named, "the token names another repository")?;
        let application = self.application_of(&p.repository)?.map(|a| a.what.id);
        require(application.as_deref() == Some(&p.application), "the repository belongs to no such application")?;
        let workload = workload_identity(&p.issuer, &p.fields);
        require(self.workload_end(&workload)?.is_none(), "an access review ended that workload")?;
        self.db
            .prepare_cached(
                "INSERT INTO admissions (idx, workload, issuer, system, repository, application, time)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((index, workload, p.issuer, p.system, p.repository, p.application, p.time.millis()))?;
        Ok(())
    }

    /// Jobs that came to a server with their identity token alone, newest first, `most` at the most.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn newest_admissions(&self, most: u32) -> Result<Vec<AdmissionRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, system, repository, application, time FROM admissions ORDER BY idx DESC LIMIT ?1",
        )?;
        let rows = query.query_map([most], |row| {
            Ok(AdmissionRow {
                index: row.get(0)?,
                system: row.get(1)?,
                repository: row.get(2)?,
                application: row.get(3)?,
                time: time(row, 4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Which workloads came to a server, with log indices.
    pub(super) fn admissions(&self) -> Result<Vec<(u64, String)>, Error> {
        let mut query = self.db.prepare_cached("SELECT idx, workload FROM admissions ORDER BY idx")?;
        Ok(query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
    }

    /// Whether a workload came to a server for a repository.
    pub(super) fn was_admitted(&self, workload: &str, repository: &str) -> Result<bool, Error> {
        let mut query = self.db.prepare_cached("SELECT 1 FROM admissions WHERE workload = ?1 AND repository = ?2")?;
        Ok(query.exists([workload, repository])?)
    }

    /// The issuers in effect.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn issuers(&self) -> Result<Option<ActivatedIssuers>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, digest, blob, blob_size, blob_media, person, reason, time FROM issuers ORDER BY idx DESC LIMIT 1",
        )?;
        let row = query.query_row([], |row| {
            Ok(ActivatedIssuers {
                index: row.get(0)?,
                digest: text(row, 1)?,
                blob: blob(row, 2)?,
                by: text(row, 5)?,
                reason: row.get(6)?,
                time: time(row, 7)?,
            })
        });
        Ok(row.optional()?)
    }

    /// The workload that showed a token, by what may not come twice.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn workload(&self, once: &Digest) -> Result<Option<WorkloadRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE once = ?1"))?;
        Ok(query.query_row([once.to_string()], read).optional()?)
    }

    /// The workloads of a run, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn workloads(&self, run: &RunId) -> Result<Vec<WorkloadRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE run = ?1 ORDER BY idx"))?;
        Ok(query.query_map([run.as_str()], read)?.collect::<Result<_, _>>()?)
    }

    /// Every workload that showed a token, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn all_workloads(&self) -> Result<Vec<WorkloadRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} ORDER BY idx"))?;
        Ok(query.query_map([], read)?.collect::<Result<_, _>>()?)
    }
}

/// Whether what a token says goes with a run: its commit, and its repository. Forges do not tell the case of a repository's
/// path apart. A token that names a repository goes with no run whose repository is not known by an address.
#[must_use]
pub fn is_of(fields: &BTreeMap<Field, String>, commit: &str, identity: Option<&str>) -> bool {
    let repository = fields.get(&Field::Repository);
    fields.get(&Field::Commit).is_none_or(|said| said == commit)
        && repository.is_none_or(|said| identity.is_some_and(|is| is.eq_ignore_ascii_case(said)))
}

fn read(row: &Row<'_>) -> rusqlite::Result<WorkloadRow> {
    Ok(WorkloadRow {
        once: text(row, 0)?,
        index: row.get(1)?,
        run: text(row, 2)?,
        attempt: row.get(3)?,
        entry: row.get(4)?,
        system: row.get(5)?,
        issuer: row.get(6)?,
        fields: json(row, 7)?,
        key: row.get(8)?,
        token: text(row, 9)?,
        claims: blob(row, 10)?,
        person: maybe(row, 13)?,
        time: time(row, 14)?,
    })
}
