//! What each kind of event says: the predicates of signed statements.
//!
//! Machine statements (DSSE, signed by the recorder) and acts of people (SSHSIG, one namespace an act) both carry
//! one of these as the predicate of an in-toto Statement v1.

use serde::{Deserialize, Serialize};

use crate::access::SlotName;
use crate::submission::SentBy;
use crate::{BreakGlassId, Digest, GrantId, PersonId, RepositoryId, RunId, Timestamp};

/// Something with a predicate type: `urn:countersign:<name>:v1`.
pub trait Predicate: Serialize + for<'de> Deserialize<'de> {
    /// The in-toto predicate type.
    const TYPE: &'static str;
}

macro_rules! predicates {
    ($($(#[$doc:meta])* $name:ident : $ty:literal { $($(#[$fdoc:meta])* $f:ident : $t:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$fdoc])* pub $f: $t,)* }
        impl Predicate for $name { const TYPE: &'static str = concat!("urn:countersign:", $ty, ":v1"); }
    )*};
}

pub(crate) use predicates;

pub use crate::access::account::{AccountLinked, AccountUnlinked};
pub use crate::access::approval_events::{
    ApprovalRejected, ApprovalRulesActivated, ApprovalWithdrawn, EvidenceCheckpoint,
};
pub use crate::access::certificate_events::{
    CertificateAuthorityAdded, CertificateAuthorityRevoked, KeyCertified, RevocationListImported,
};
pub use crate::access::emergencies::{
    BreakGlassClosed, BreakGlassOpened, BreakGlassPaged, BreakGlassRatified, BreakGlassReviewed,
};
pub use crate::access::events::{PersonKeyAdded, PersonKeyRevoked};
pub use crate::access::freezes::{EnvironmentFrozen, FreezeLifted, WindowsSet};
pub use crate::access::grants::GrantRevoked;
pub use crate::access::review::{
    AccessReviewClosed, AccessReviewDecided, AccessReviewEnforced, AccessReviewOpened, AccessReviewReminded,
    AccessReviewShown, WorkloadReadmitted,
};
pub use crate::access::role_events::{PersonLeft, PersonReturned, RoleGranted, RoleRevoked, RoleRulesChosen};
pub use crate::access::token::{TokenIssued, TokenRevoked};
pub use crate::access::workload_events::{IssuersActivated, WorkloadVerified};
pub use crate::audit::furnish::{FurnishDelivered, FurnishOpened, MockAuditDone};
pub use crate::audit::threads::{
    AuditAnswered, AuditClosed, AuditFollowedUp, AuditOpened, AuditRequestClosed, AuditRequested,
};
pub use crate::audit::{EvidencePack, EvidencePackMade, PopulationSealed, SampleDrawn};
pub use crate::governance::events::{
    ApplicationRegistered, ApplicationRetired, EnforcementActivated, EnforcementOverridden, EnvironmentRegistered,
    EnvironmentRetired, GateAcknowledged, GateOwnersAssigned, GateReviewed, WaiverGranted, WaiverRejected,
    WaiverRequested, WaiverRevoked,
};
pub use crate::notice::{NotificationFailed, NotificationSent, NotificationStarted};
pub use crate::retention::events::{
    DisposalCompleted, DisposalPart, ErasureRequested, HoldPlaced, HoldReleased, PayloadsDisposed,
    RecordsOfficerDesignated, RecordsOfficerRevoked, Remaining, RetentionClassDefined, RetentionDefaultChosen,
    RetentionExtended, RetentionStarted, SubjectErased,
};
pub use crate::snapshot::{DriftDetected, SnapshotTaken};
pub use crate::submission::{RunSubmitted, VerdictDiffered};
pub use crate::visit::{EvidenceViewed, SignInAsked, SignInRefused, SignedIn, SignedOut, WorkloadAdmitted};

/// The payload of entry 0. It is vouched for by the log key itself, and by whoever pins that key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerCreated {
    /// Format version of the ledger directory, 1.
    pub version: u32,
    /// The log's origin line.
    pub origin: String,
    /// The log's verifier key.
    pub vkey: String,
    /// The recorder's public key, `ed25519:` + base64.
    pub recorder: String,
    /// Digest of the salt file.
    pub salt_sha256: Digest,
    /// The commitment to the key that payloads are sealed with, 64 hex digits; `None` where they are stored as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_key: Option<String>,
    /// Ledgers that were in this directory before, as far as the machine remembers: a ledger that is taken away
    /// leaves a trace in the one that follows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<Replaced>,
}

/// A ledger that is not there any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replaced {
    /// Its origin.
    pub origin: String,
    /// How many entries of it were seen.
    pub size: u64,
    /// Its root at that size.
    pub root: Digest,
}

/// Where a person acted: the key and a hint of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Fingerprint of the key that signs (`SHA256:…`).
    pub key: String,
    /// Keyed hint of the machine; never its name.
    pub host: String,
}

/// An artifact named by its digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// File name.
    pub name: String,
    /// SHA-256 of its bytes.
    pub digest: Digest,
}

/// What came of trying to break a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockVerdict {
    /// It held.
    Held,
    /// It did not: what must stay could be destroyed, freed or replaced.
    Broken,
    /// It could not be judged.
    Unclear,
}

/// One thing that was tried against a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockAttack {
    /// What was tried: `delete-version`, `shorten` and so on.
    pub attack: String,
    /// What came of it.
    pub verdict: LockVerdict,
    /// What the storage said, and what was there afterwards.
    pub said: String,
}

predicates! {
    /// What an assessment of a window of time came to. Its first attachment says it control by control, with the digest of
    /// each control's file: by that anybody can see later whether a control changed between two assessments.
    AssessmentRecorded: "assessment" {
        /// From when on.
        from: Timestamp,
        /// Before when.
        to: Timestamp,
        /// How many entries the log had that was assessed.
        size: u64,
        /// Digest of the facts, which can be folded from the log again.
        facts: Digest,
        /// Digest over all controls that judged.
        catalogue: Digest,
        /// The outcome of all requirements together.
        outcome: crate::Outcome,
        /// Digest of the record (the first attachment).
        record: Digest,
        /// When.
        time: Timestamp,
    }

    /// A storage was probed: everything was tried that its lock must not let happen.
    StorageProbed: "storage-probe" {
        /// The bucket, without credentials.
        location: String,
        /// The verdict over all that was tried.
        verdict: LockVerdict,
        /// What was tried, in order.
        attacks: Vec<LockAttack>,
        /// When.
        time: Timestamp,
    }

    /// The first administrator vouches for the log key and the recorder.
    TrustRootEstablished: "trust-root" {
        /// The log's origin.
        origin: String,
        /// The log's verifier key.
        vkey: String,
        /// The recorder's public key.
        recorder: String,
        /// The first administrator.
        administrator: PersonId,
        /// Their public key, without comment.
        key: String,
        /// Digest of the sealed profile (name).
        profile: Digest,
        /// The rules that grants of roles keep from the first one on; none: those of before, by which nobody had to say why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role_rules: Option<u8>,
        /// When.
        time: Timestamp,
    }

    /// A person and their key.
    PersonEnrolled: "enrolment" {
        /// The ledger this is said to.
        origin: String,
        /// The new person.
        person: PersonId,
        /// Their public key, without comment.
        key: String,
        /// Digest of the sealed profile (name).
        profile: Digest,
        /// The administrator who says so.
        by: PersonId,
        /// When.
        time: Timestamp,
    }

    /// The log's key is exchanged for another. The old and the new key sign the note, an administrator signs all of it.
    LogKeyRotated: "log-key-rotation" {
        /// The ledger this is said to.
        origin: String,
        /// The signed note, word for word: old key, new key, size and root of the log when it was made.
        note: String,
        /// The administrator who says so.
        by: PersonId,
        /// Why.
        reason: Option<String>,
        /// When.
        time: Timestamp,
    }

    /// The log's checkpoints carry the signature of a second key as well, from the one that covers this entry on; or they
    /// carry none any more.
    SecondLogKeyChosen: "second-log-key" {
        /// The ledger this is said to.
        origin: String,
        /// The verifier key of the second key, of type 0x06 (ML-DSA-44); none: the one that was there is retired.
        vkey: Option<String>,
        /// The administrator who says so.
        by: PersonId,
        /// Why.
        reason: Option<String>,
        /// When.
        time: Timestamp,
    }

    /// A policy bundle is in effect from here on.
    PolicyActivated: "policy-activation" {
        /// The ledger this is said to.
        origin: String,
        /// Digest of the bundle: the policy version in effect.
        bundle: Digest,
        /// Who says so.
        by: PersonId,
        /// Why.
        reason: Option<String>,
        /// When.
        time: Timestamp,
    }

    /// One attempt of a run. Its first attachment is the change.
    RunStarted: "run" {
        /// The run.
        run: RunId,
        /// From 1.
        attempt: u64,
        /// The repository as the ledger knows it.
        repository: RepositoryId,
        /// The repository's identity, where it has one.
        identity: Option<String>,
        /// The commit judged.
        commit: String,
        /// Its tree.
        tree: String,
        /// Digest of the pipeline definition.
        pipeline: Digest,
        /// Digest of the change (the first attachment).
        change: Digest,
        /// The log index of the decision that this attempt reuses, if nothing in it changed.
        reuses: Option<u64>,
    }

    /// What a scan found. Its first attachment is the scan record.
    FindingsRecorded: "findings" {
        /// The run.
        run: RunId,
        /// The commit scanned.
        commit: String,
        /// Digest of the scan record (the first attachment).
        record: Digest,
        /// Number of findings.
        findings: u64,
        /// Number of things that could not be looked at.
        gaps: u64,
    }

    /// A file attached to a run. Its first attachment is the file, unless it is an artifact. A report of another tool is
    /// attached without the values it shows, and what was read out of it comes second.
    EvidenceAttached: "evidence" {
        /// The run.
        run: RunId,
        /// What kind of file, as detected.
        kind: String,
        /// File name.
        name: String,
        /// Digest of its bytes.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// Whether it is an artifact: named by digest, not stored, bound by approvals.
        artifact: bool,
        /// Artifacts that the file itself speaks of (subjects of a statement).
        subjects: Vec<Artifact>,
        /// Digest of what was read out of it, where it is a report of another tool (the second attachment).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<Digest>,
    }

    /// The decision over the facts. Attachments: the facts, then the policy bundle.
    DecisionMade: "decision" {
        /// The run.
        run: RunId,
        /// Digest of the decision document.
        digest: Digest,
        /// The decision document (see the policy room), canonical JSON.
        decision: serde_json::Value,
    }

    /// These commits are mine. Only ever adds a conflict.
    CommitsClaimed: "claim" {
        /// The ledger this is said to.
        origin: String,
        /// The repository.
        repository: String,
        /// The commits.
        commits: Vec<String>,
        /// Whose they are.
        by: PersonId,
        /// When.
        time: Timestamp,
    }

    /// A requested suppression is granted by somebody who did not ask for it.
    SuppressionGranted: "suppression" {
        /// The ledger this is said to.
        origin: String,
        /// The repository.
        repository: String,
        /// Fingerprints of the findings.
        fingerprints: Vec<Digest>,
        /// Who grants.
        by: PersonId,
        /// Why the risk is accepted.
        reason: String,
        /// Until when.
        expires: Timestamp,
        /// When.
        time: Timestamp,
    }

    /// A person approves. Every field is bound: change one, and the approval is of something else.
    ApprovalSigned: "approval" {
        /// The ledger this is said to.
        origin: String,
        /// The repository.
        repository: String,
        /// The run.
        run: RunId,
        /// The commit.
        commit: String,
        /// Its tree: the artifact until artifacts are recorded.
        tree: String,
        /// The recorded artifacts.
        artifacts: Vec<Artifact>,
        /// The environment the decision was made for.
        environment: String,
        /// The policy version in effect.
        bundle: Digest,
        /// The decision.
        decision: Digest,
        /// The gate.
        gate: String,
        /// Which of the signatures this is.
        slot: SlotName,
        /// Who signs.
        person: PersonId,
        /// With what.
        device: Device,
        /// `ssh-key`, or `ssh-hardware-key` (FIDO2, user presence).
        strength: String,
        /// When.
        time: Timestamp,
        /// What kind of authenticator holds the key, where that is known: the application of a FIDO2 key, or a passkey's AAGUID.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        authenticator: Option<String>,
        /// The log as it was then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<EvidenceCheckpoint>,
        /// Digest of the waivers in force that are about the change; none: there are none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waivers: Option<Digest>,
        /// Digest of the levels in effect; none: nobody put any in effect.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        levels: Option<Digest>,
        /// Digest of the approval rules in effect; none: nobody put any in effect.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rules: Option<Digest>,
        /// Digest of the newest record of findings.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        findings: Option<Digest>,
        /// When it is over; none: when something that it binds changes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<Timestamp>,
    }

    /// An act that was tried and refused.
    ActRefused: "refusal" {
        /// The act: `approve`, `deploy` …
        act: String,
        /// The run, where there is one.
        run: Option<RunId>,
        /// Who tried, where known.
        person: Option<PersonId>,
        /// The code of the error.
        code: String,
        /// When.
        time: Timestamp,
    }

    /// A short-lived permission to deploy.
    GrantIssued: "grant" {
        /// The ledger this is said to.
        origin: String,
        /// The grant.
        grant: GrantId,
        /// The repository.
        repository: String,
        /// The run.
        run: RunId,
        /// The commit.
        commit: String,
        /// Its tree.
        tree: String,
        /// The artifacts.
        artifacts: Vec<Artifact>,
        /// Where to.
        environment: String,
        /// The commit that was deployed there before.
        replaces: Option<String>,
        /// The decision.
        decision: Digest,
        /// Log indices of the approvals that satisfy the gate.
        approvals: Vec<u64>,
        /// The release manager.
        by: PersonId,
        /// The device.
        device: Device,
        /// Judged by the machine that ran it, not by a server.
        self_judged: bool,
        /// From when.
        time: Timestamp,
        /// Until when; one use.
        expires: Timestamp,
        /// The emergency under which it goes past the gates.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        break_glass: Option<BreakGlassId>,
        /// Digest of how it stood then (the first attachment).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        standing: Option<Digest>,
        /// The authors of what it covers, who cannot ratify or review it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        excluded: Vec<PersonId>,
    }

    /// A grant was redeemed; its command is about to start.
    DeploymentStarted: "deployment-start" {
        /// The grant.
        grant: GrantId,
        /// The run.
        run: RunId,
        /// Digest of the command line (it may hold what must not be logged).
        command: Digest,
        /// The emergency under which it goes past the gates.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        break_glass: Option<BreakGlassId>,
        /// Keyed hint of the machine, in an emergency.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        /// Who redeemed it over the network; none: it was redeemed where the ledger is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sent: Option<SentBy>,
        /// When.
        time: Timestamp,
    }

    /// How the deployment ended.
    DeploymentRecorded: "deployment" {
        /// The grant.
        grant: GrantId,
        /// The run.
        run: RunId,
        /// The commit.
        commit: String,
        /// Where.
        environment: String,
        /// Whether the command succeeded.
        success: bool,
        /// Its exit code, where it had one.
        exit_code: Option<i32>,
        /// The signal that ended it, where one did.
        signal: Option<i32>,
        /// Who said so over the network: whoever redeemed the grant there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sent: Option<SentBy>,
        /// When it ended.
        time: Timestamp,
    }
}

/// A person's profile: personal data, stored only sealed with that person's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The name people know them by.
    pub name: String,
}
