//! The facts that enforcement reads, and writes for policies to read as well.

use countersign_model::change::Tightened;
use countersign_model::governance::{CardholderScope, Criticality, DataClass, Tier, WaiverCategory};
use countersign_model::{Digest, OverrideId, Role, Timestamp, WaiverId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;

/// The most waivers and overrides that are about one change.
const MOST: usize = 500;

/// `application`: what a repository belongs to. Who owns it is left out, for another owner changes no decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationFact {
    /// Its id.
    pub id: String,
    /// How much depends on it.
    pub criticality: Criticality,
    /// What kinds of data it holds, sorted.
    pub data: Vec<DataClass>,
    /// Whether it belongs to the cardholder data environment.
    pub cardholder_scope: CardholderScope,
    /// Whether financial reporting rests on it.
    pub sox_key_system: bool,
}

/// `environment`: what the release is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentFact {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub tier: Tier,
}

/// One of `waivers`: in force, and about this change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaiverFact {
    /// The waiver.
    pub id: WaiverId,
    /// Why what is broken may stand.
    pub category: WaiverCategory,
    /// The controls that it covers, sorted.
    pub controls: Vec<String>,
    /// The control that meets the objective instead.
    pub compensating: Option<String>,
    /// Fingerprints of the findings that it covers, sorted; null: everything that its controls say.
    pub findings: Option<Vec<Digest>>,
    /// From when.
    pub not_before: Timestamp,
    /// Until when.
    pub expires: Timestamp,
}

/// One of `overrides`: reasons that do not block where they are soft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideFact {
    /// The override.
    pub id: OverrideId,
    /// Digests of the reasons, sorted.
    pub reasons: Vec<Digest>,
    /// The roles of whoever signed it, sorted: the assignment says which are needed.
    pub roles: Vec<Role>,
}

/// What the facts say for enforcement.
#[derive(Debug, Default)]
pub(crate) struct Governed {
    pub(super) application: Option<ApplicationFact>,
    pub(super) environment: Option<EnvironmentFact>,
    pub(super) waivers: Vec<WaiverFact>,
    pub(super) overrides: Vec<OverrideFact>,
    pub(super) tightened: Vec<Tightened>,
}

impl Governed {
    /// Reads it. What is not there was not said.
    ///
    /// # Errors
    /// When something is malformed, or a waiver is not in force at `time`: facts that are wrong open no gate.
    pub(crate) fn of(facts: &Value, time: Timestamp) -> Result<Self, Error> {
        fn read<T: for<'de> Deserialize<'de>>(
            facts: &Value,
            key: &str,
            wrong: &'static str,
        ) -> Result<Option<T>, Error> {
            facts.get(key).map(|v| T::deserialize(v).map_err(|_| Error::Facts(wrong))).transpose()
        }
        let governed = Self {
            application: read(facts, "application", "their `application` is malformed")?,
            environment: read(facts, "environment", "their `environment` is malformed")?,
            waivers: read(facts, "waivers", "their `waivers` are malformed")?.unwrap_or_default(),
            overrides: read(facts, "overrides", "their `overrides` are malformed")?.unwrap_or_default(),
            tightened: read(facts, "tightened", "their `tightened` is malformed")?.unwrap_or_default(),
        };
        if governed.waivers.len() > MOST || governed.overrides.len() > MOST {
            return Err(Error::Facts("they hold more than 500 waivers or overrides"));
        }
        if governed.waivers.iter().any(|w| w.not_before > time || w.expires <= time) {
            return Err(Error::Facts("one of their `waivers` is not in force"));
        }
        if !governed.waivers.windows(2).all(|pair| matches!(pair, [a, b] if a.id < b.id)) {
            return Err(Error::Facts("their `waivers` are not sorted"));
        }
        Ok(governed)
    }

    /// Whether there is anything that enforcement has to do even without an assignment.
    pub(crate) fn speaks(&self) -> bool {
        !self.waivers.is_empty() || !self.overrides.is_empty() || !self.tightened.is_empty()
    }
}
