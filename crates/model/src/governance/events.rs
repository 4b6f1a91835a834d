//! What people say about applications, enforcement, waivers and gates: the predicates of their signed statements.

use serde::{Deserialize, Serialize};

use super::{Application, DeploymentEnvironment, Scope, WaiverCategory};
use crate::event::{Predicate, predicates};
use crate::{Digest, OverrideId, PersonId, RunId, Timestamp, WaiverId};

predicates! {
    /// An application, as it is from here on.
    ApplicationRegistered: "application" {
        /// The ledger this is said to.
        origin: String,
        /// What it is.
        application: Application,
        /// Log index of what it was before; none: it was not registered, or was retired.
        replaces: Option<u64>,
        /// The administrator or release manager who says so.
        by: PersonId,
        /// Why.
        reason: Option<String>,
        /// When.
        time: Timestamp,
    }

    /// An application is no more; its repositories are judged by the strictest default.
    ApplicationRetired: "application-retirement" {
        /// The ledger this is said to.
        origin: String,
        /// Its id.
        application: String,
        /// The administrator who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// An environment, as it is from here on.
    EnvironmentRegistered: "environment" {
        /// The ledger this is said to.
        origin: String,
        /// What it is.
        environment: DeploymentEnvironment,
        /// Log index of what it was before; none: it was not registered, or was retired.
        replaces: Option<u64>,
        /// The administrator or release manager who says so.
        by: PersonId,
        /// Why.
        reason: Option<String>,
        /// When.
        time: Timestamp,
    }

    /// An environment is no more.
    EnvironmentRetired: "environment-retirement" {
        /// The ledger this is said to.
        origin: String,
        /// Its id.
        environment: String,
        /// The administrator who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// An assignment of levels is in effect from here on. Its first attachment is the assignment.
    EnforcementActivated: "enforcement" {
        /// The ledger this is said to.
        origin: String,
        /// Digest of the assignment (canonical JSON).
        assignment: Digest,
        /// The officer who says so.
        by: PersonId,
        /// Why.
        reason: Option<String>,
        /// When.
        time: Timestamp,
    }

    /// Exactly these reasons, whose level is soft, do not hold this run up.
    EnforcementOverridden: "enforcement-override" {
        /// The ledger this is said to.
        origin: String,
        /// The override.
        id: OverrideId,
        /// The repository.
        repository: String,
        /// The run.
        run: RunId,
        /// The decision that the reasons stand in.
        decision: Digest,
        /// The assignment that names the role.
        assignment: Digest,
        /// Digests of the reasons, sorted.
        reasons: Vec<Digest>,
        /// Who overrides.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// Somebody asks that a broken control may stand for a while.
    WaiverRequested: "waiver-request" {
        /// The ledger this is said to.
        origin: String,
        /// The waiver.
        waiver: WaiverId,
        /// What it covers.
        scope: Scope,
        /// Why it may stand.
        category: WaiverCategory,
        /// The control that meets the objective instead; of a mitigated one alone.
        compensating: Option<String>,
        /// What could happen, and why that is accepted.
        acceptance: String,
        /// From when.
        not_before: Timestamp,
        /// Until when.
        expires: Timestamp,
        /// The waiver that it continues.
        renews: Option<WaiverId>,
        /// How often it was continued.
        renewals: u32,
        /// Who asks.
        by: PersonId,
        /// When.
        time: Timestamp,
    }

    /// A waiver that somebody else asked for is granted.
    WaiverGranted: "waiver-grant" {
        /// The ledger this is said to.
        origin: String,
        /// The waiver.
        waiver: WaiverId,
        /// The leaf hash of the request, so that what is granted is what was read.
        request: Digest,
        /// The officer who grants.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// A waiver that somebody else asked for is refused.
    WaiverRejected: "waiver-rejection" {
        /// The ledger this is said to.
        origin: String,
        /// The waiver.
        waiver: WaiverId,
        /// The officer who refuses.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// A waiver ends before its time.
    WaiverRevoked: "waiver-revocation" {
        /// The ledger this is said to.
        origin: String,
        /// The waiver.
        waiver: WaiverId,
        /// The officer, or whoever asked for it.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// Who answers for which gate from here on. Its first attachment is the document.
    GateOwnersAssigned: "gate-owners" {
        /// The ledger this is said to.
        origin: String,
        /// Digest of the document (canonical JSON).
        owners: Digest,
        /// The officer who says so.
        by: PersonId,
        /// Why.
        reason: Option<String>,
        /// When.
        time: Timestamp,
    }

    /// An owner or deputy takes a gate on.
    GateAcknowledged: "gate-acknowledgement" {
        /// The ledger this is said to.
        origin: String,
        /// The gate.
        gate: String,
        /// Digest of the document that names them.
        owners: Digest,
        /// Who.
        by: PersonId,
        /// When.
        time: Timestamp,
    }

    /// Somebody looked at how a gate is set up, and says what came of it.
    GateReviewed: "gate-review" {
        /// The ledger this is said to.
        origin: String,
        /// The gate.
        gate: String,
        /// Digest of the document that was looked at.
        owners: Digest,
        /// What came of it.
        finding: String,
        /// Who.
        by: PersonId,
        /// When.
        time: Timestamp,
    }
}
