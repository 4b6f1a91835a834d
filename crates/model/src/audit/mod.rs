//! What an audit leaves behind: packs that were handed over, populations that were sealed, samples that were drawn, and what was
//! asked, answered and furnished.

pub mod furnish;
pub mod threads;

use serde::{Deserialize, Serialize};

use crate::event::{Predicate, predicates};
use crate::{Digest, FurnishId, GrantId, PersonId, Timestamp};

/// Whether an index lies in one of these runs of indices: first and last of each, in order.
#[must_use]
pub fn is_in(runs: &[(u64, u64)], index: u64) -> bool {
    let place = runs.partition_point(|(_, last)| *last < index);
    runs.get(place).is_some_and(|(first, last)| (*first..=*last).contains(&index))
}

/// Whether runs of indices are as they should be: none ends before it begins, each comes after the one before it, and all end
/// before `size`.
#[must_use]
pub fn are_in_order(runs: &[(u64, u64)], size: u64) -> bool {
    runs.iter().all(|(first, last)| first <= last && *last < size)
        && runs.windows(2).all(|pair| matches!(pair, [(_, last), (first, _)] if last < first))
}

/// What an evidence pack is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackScope {
    /// One deployment, by its grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<GrantId>,
    /// Deployments that ended from this moment on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Deployments that ended before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Applications, by id; none: all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<String>,
    /// Frameworks whose requirements are listed; none: all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frameworks: Vec<String>,
    /// Controls that are listed; none: all that the frameworks need.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<String>,
    /// The regulator's request that it is made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub furnish: Option<FurnishId>,
}

/// A payload that should be in a pack and is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackMissing {
    /// Log index of the entry.
    pub entry: u64,
    /// The payload or attachment.
    pub blob: Digest,
    /// Log index of the certificate of disposal; none: it is missing, and nobody says why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<u64>,
}

/// Everything in a pack that stands before its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackArchive {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of them.
    pub sha256: Digest,
    /// Members that are listed in `SHA256SUMS`.
    pub members: u64,
}

/// A trusted timestamp over the checkpoint in a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackTimestamp {
    /// When, as the time-stamping authority says.
    pub time: Timestamp,
    /// SHA-256 of its response, `proofs/checkpoint.tsr`.
    pub response: Digest,
}

predicates! {
    /// The manifest of an evidence pack. Its subject is `SHA256SUMS`.
    EvidencePack: "evidence-pack" {
        /// Version of the pack's layout, 1.
        version: u32,
        /// The log's origin.
        origin: String,
        /// How many entries of the log are in it: all, from the first on.
        size: u64,
        /// The log's root at that size.
        root: Digest,
        /// What it is about.
        scope: PackScope,
        /// How many deployments it has.
        deployments: u64,
        /// The bytes before the manifest.
        archive: PackArchive,
        /// Entries whose payloads were not chosen: first and last index of each run of them.
        left_out: Vec<(u64, u64)>,
        /// What was chosen and is not there.
        missing: Vec<PackMissing>,
        /// Whether people's names were left out.
        masked: bool,
        /// When it was made.
        time: Timestamp,
        /// What a time-stamping authority says of its checkpoint, where one was asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timestamp: Option<PackTimestamp>,
        /// The version of the controls and frameworks by which the period was assessed, where it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        catalogue: Option<Digest>,
        /// What wrote its tables as Parquet, where it has them: name and version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parquet: Option<String>,
        /// What made it: name and version.
        tool: String,
    }

    /// An evidence pack was made.
    EvidencePackMade: "evidence-pack-made" {
        /// What it is about.
        scope: PackScope,
        /// How many entries of the log are in it.
        size: u64,
        /// How many deployments it has.
        deployments: u64,
        /// SHA-256 of the whole file.
        pack: Digest,
        /// Its size in bytes.
        bytes: u64,
        /// When.
        time: Timestamp,
    }

    /// Everything that a control was applied to in a window of time, sealed before anybody chooses from it.
    PopulationSealed: "population" {
        /// The control.
        control: String,
        /// The version of its file.
        definition: Digest,
        /// From when on.
        from: Timestamp,
        /// Before when.
        to: Timestamp,
        /// Applications, by id; none: all of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        applications: Vec<String>,
        /// The collection of facts that was asked for.
        query: String,
        /// How many entries of the log were read.
        size: u64,
        /// How many members it has.
        count: u64,
        /// How many of them break the control.
        exceptions: u64,
        /// The root of a Merkle tree over its members (RFC 6962 §2.1), each a line of canonical JSON.
        root: Digest,
        /// SHA-256 of the attached list of members.
        members: Digest,
        /// When.
        time: Timestamp,
    }

    /// A sample of a sealed population.
    SampleDrawn: "sample" {
        /// Log index of the population.
        population: u64,
        /// The auditor's seed.
        seed: String,
        /// How many were asked for.
        count: u64,
        /// Which members, by place in the population from 0, in the order in which they were drawn.
        chosen: Vec<u64>,
        /// The auditor who named the seed on a page of the server.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<PersonId>,
        /// When.
        time: Timestamp,
    }
}
