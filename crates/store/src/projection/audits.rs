//! Packs that were made, populations that were sealed, samples that were drawn from them.

use countersign_evidence::sample;
use countersign_model::audit::PackScope;
use countersign_model::event::{EvidencePackMade, PopulationSealed, SampleDrawn};
use countersign_model::{Digest, PayloadRef, PersonId, Role, Timestamp};
use rusqlite::OptionalExtension as _;

use super::read::{Machine, Reading, to_json};
use super::sql::{Fold, blob, json, maybe, media, require, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "packs",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE packs (idx INTEGER PRIMARY KEY, scope TEXT NOT NULL, size INTEGER NOT NULL,
            deployments INTEGER NOT NULL, pack TEXT NOT NULL, bytes INTEGER NOT NULL, time INTEGER NOT NULL) STRICT;",
    },
    Table {
        name: "populations",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE populations (idx INTEGER PRIMARY KEY, said TEXT NOT NULL, members TEXT NOT NULL,
            members_size INTEGER NOT NULL, members_media TEXT NOT NULL) STRICT;",
    },
    Table {
        name: "samples",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE samples (idx INTEGER PRIMARY KEY, population INTEGER NOT NULL, seed TEXT NOT NULL,
            chosen TEXT NOT NULL, by TEXT, time INTEGER NOT NULL) STRICT;
            CREATE INDEX samples_by_population ON samples (population, idx);",
    },
];

/// A pack that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackRow {
    /// Log index.
    pub index: u64,
    /// What it is about.
    pub scope: PackScope,
    /// How many entries of the log are in it.
    pub size: u64,
    /// How many deployments it has.
    pub deployments: u64,
    /// SHA-256 of the file.
    pub pack: Digest,
    /// Its size in bytes.
    pub bytes: u64,
    /// When.
    pub time: Timestamp,
}

/// A population that was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PopulationRow {
    /// Log index.
    pub index: u64,
    /// What it says.
    pub said: PopulationSealed,
    /// Its members, a line of canonical JSON each.
    pub members: PayloadRef,
}

/// A sample that was drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleRow {
    /// Log index.
    pub index: u64,
    /// Log index of the population.
    pub population: u64,
    /// The auditor's seed.
    pub seed: String,
    /// Which members, by place from 0, in the order in which they were drawn.
    pub chosen: Vec<u64>,
    /// The auditor who named the seed on a page of the server.
    pub by: Option<PersonId>,
    /// When.
    pub time: Timestamp,
}

impl State {
    pub(super) fn on_pack(&self, reading: &Reading, machine: &Machine) -> Fold {
        let p: EvidencePackMade = self.statement(machine)?;
        require(p.size <= reading.index, "it holds more of the log than there was")?;
        self.db
            .prepare_cached(
                "INSERT INTO packs (idx, scope, size, deployments, pack, bytes, time)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((
                reading.index,
                to_json(&p.scope)?,
                p.size,
                p.deployments,
                p.pack.to_string(),
                p.bytes,
                p.time.millis(),
            ))?;
        Ok(())
    }

    pub(super) fn on_population(&self, reading: &Reading, machine: &Machine) -> Fold {
        let p: PopulationSealed = self.statement(machine)?;
        let (members, said) = reading.named(0)?;
        require(said == p.members, "the members are not those the statement names")?;
        require(p.size <= reading.index, "it reads more of the log than there was")?;
        require(p.from < p.to, "its window is over before it begins")?;
        require(p.count <= sample::LARGEST, "it has more members than a population can have")?;
        require(p.exceptions <= p.count, "it has more exceptions than members")?;
        self.db
            .prepare_cached(
                "INSERT INTO populations (idx, said, members, members_size, members_media) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((reading.index, to_json(&p)?, members.sha256.to_string(), members.size, media(&members)))?;
        Ok(())
    }

    pub(super) fn on_sample(&self, reading: &Reading, machine: &Machine) -> Fold {
        let p: SampleDrawn = self.statement(machine)?;
        let population = self.population(p.population)?.ok_or("it is of a population that was never sealed")?;
        let chosen = sample::choose(&p.seed, population.said.count, p.count);
        require(chosen == p.chosen, "the seed chooses other members")?;
        if let Some(by) = &p.by {
            require(self.has_role(by, Role::Auditor)?, "whoever named its seed is no auditor")?;
        }
        self.db
            .prepare_cached(
                "INSERT INTO samples (idx, population, seed, chosen, by, time) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((
                reading.index,
                p.population,
                &p.seed,
                to_json(&p.chosen)?,
                p.by.as_ref().map(PersonId::as_str),
                p.time.millis(),
            ))?;
        Ok(())
    }

    /// Every pack that was made, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn packs(&self) -> Result<Vec<PackRow>, Error> {
        let mut query = self
            .db
            .prepare_cached("SELECT idx, scope, size, deployments, pack, bytes, time FROM packs ORDER BY idx")?;
        let rows = query.query_map([], |row| {
            Ok(PackRow {
                index: row.get(0)?,
                scope: json(row, 1)?,
                size: row.get(2)?,
                deployments: row.get(3)?,
                pack: text(row, 4)?,
                bytes: row.get(5)?,
                time: time(row, 6)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether a pack of this digest was made from this log.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn has_pack(&self, pack: &Digest) -> Result<bool, Error> {
        Ok(self.db.prepare_cached("SELECT 1 FROM packs WHERE pack = ?1")?.exists([pack.to_string()])?)
    }

    /// The population that an entry seals.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn population(&self, index: u64) -> Result<Option<PopulationRow>, Error> {
        let Ok(index) = i64::try_from(index) else { return Ok(None) };
        let mut query = self
            .db
            .prepare_cached("SELECT idx, said, members, members_size, members_media FROM populations WHERE idx = ?1")?;
        Ok(query.query_row([index], population).optional()?)
    }

    /// Every sealed population, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn populations(&self) -> Result<Vec<PopulationRow>, Error> {
        let mut query = self
            .db
            .prepare_cached("SELECT idx, said, members, members_size, members_media FROM populations ORDER BY idx")?;
        Ok(query.query_map([], population)?.collect::<Result<_, _>>()?)
    }

    /// The samples that were drawn from a population, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn samples_of(&self, population: u64) -> Result<Vec<SampleRow>, Error> {
        let Ok(population) = i64::try_from(population) else { return Ok(Vec::new()) };
        let mut query = self.db.prepare_cached(
            "SELECT idx, population, seed, chosen, by, time FROM samples WHERE population = ?1 ORDER BY idx",
        )?;
        let rows = query.query_map([population], |row| {
            Ok(SampleRow {
                index: row.get(0)?,
                population: row.get(1)?,
                seed: row.get(2)?,
                chosen: json(row, 3)?,
                by: maybe(row, 4)?,
                time: time(row, 5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn population(row: &rusqlite::Row<'_>) -> rusqlite::Result<PopulationRow> {
    Ok(PopulationRow { index: row.get(0)?, said: json(row, 1)?, members: blob(row, 2)? })
}
