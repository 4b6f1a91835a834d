//! What people say about approvals: the predicates of their signed statements.

use serde::{Deserialize, Serialize};

use super::{ApprovalRules, SlotName};
use crate::event::{Device, Predicate, predicates};
use crate::{Digest, PersonId, RunId, Timestamp};

predicates! {
    /// Approval rules are in effect from here on.
    ApprovalRulesActivated: "approval-rules" {
        /// The ledger this is said to.
        origin: String,
        /// The rules; approvals bind the digest of their canonical JSON.
        rules: ApprovalRules,
        /// The officer who says so.
        by: PersonId,
        /// Why.
        reason: Option<String>,
        /// When.
        time: Timestamp,
    }

    /// Somebody who could have approved says no. Their own approvals of the decision are over with it.
    ApprovalRejected: "rejection" {
        /// The ledger this is said to.
        origin: String,
        /// The repository.
        repository: String,
        /// The run.
        run: RunId,
        /// The commit.
        commit: String,
        /// The decision that is rejected; another one is not.
        decision: Digest,
        /// The gate.
        gate: String,
        /// The slot that they could have filled.
        slot: SlotName,
        /// Who.
        person: PersonId,
        /// With what.
        device: Device,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// Somebody takes back what they said about a decision, approvals and rejections alike.
    ApprovalWithdrawn: "withdrawal" {
        /// The ledger this is said to.
        origin: String,
        /// The repository.
        repository: String,
        /// The run.
        run: RunId,
        /// The decision.
        decision: Digest,
        /// Log indices of what is taken back, ascending.
        acts: Vec<u64>,
        /// Who.
        person: PersonId,
        /// With what.
        device: Device,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }
}

/// The log as it was when somebody signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceCheckpoint {
    /// How many entries it had.
    pub size: u64,
    /// Its root (RFC 6962) at that size.
    pub root: Digest,
}
