//! The log's leaf: small canonical JSON that names its payload by digest.

use serde::{Deserialize, Serialize};

use crate::{ActorId, Digest, Retention, StreamId, Timestamp};

/// What happened. The text form stands in the entry and in every projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// Entry 0: the log key, the recorder and the salt's digest. Written when the ledger is made.
    LedgerCreated,
    /// The first administrator signs the log key and the recorder (`init`).
    TrustRootEstablished,
    /// A person and a key of theirs, signed by an administrator.
    PersonEnrolled,
    /// A role for a person, signed by an administrator.
    RoleGranted,
    /// A role of a person ends, signed by an administrator.
    RoleRevoked,
    /// A person leaves: their roles end and their keys sign no more.
    PersonLeft,
    /// A person who left is back, without roles.
    PersonReturned,
    /// What holds for grants of roles, signed by an officer.
    RoleRulesChosen,
    /// A review of all access, signed by an officer.
    AccessReviewOpened,
    /// Lines of a review were shown to a reviewer.
    AccessReviewShown,
    /// Reviewers were reminded of what waits for them.
    AccessReviewReminded,
    /// A reviewer decides lines.
    AccessReviewDecided,
    /// What a review takes away ends.
    AccessReviewEnforced,
    /// A review is over, and what was to go is gone.
    AccessReviewClosed,
    /// A workload that a review ended is let in again.
    WorkloadReadmitted,
    /// A policy bundle is in effect from here on.
    PolicyActivated,
    /// One execution or re-execution (attempt) of a run: the change's facts.
    RunStarted,
    /// What a scan found and could not look at.
    FindingsRecorded,
    /// A file attached to a run, or an artifact named by its digest.
    EvidenceAttached,
    /// The decision of the policy bundle over the facts.
    DecisionMade,
    /// A person says: these commits are mine. Only ever adds a conflict.
    CommitsClaimed,
    /// A suppression asked for in the judged change is granted by somebody else.
    SuppressionGranted,
    /// A person approves in one role.
    ApprovalSigned,
    /// An act that was tried and refused.
    ActRefused,
    /// A short-lived permission to deploy.
    GrantIssued,
    /// A grant was redeemed and its command is about to start (intent).
    DeploymentStarted,
    /// How the deployment ended (outcome).
    DeploymentRecorded,
    /// What came of trying to break the lock of the storage that holds a copy.
    StorageProbed,
    /// The log's key is exchanged for another: a note that both sign, signed by an administrator.
    LogKeyRotated,
    /// The log signs with an ML-DSA-44 key as well from here on, or no longer; signed by an administrator.
    SecondLogKeyChosen,
    /// The firm's own retention class, signed by a compliance officer.
    RetentionClassDefined,
    /// The class of what is appended from here on.
    RetentionDefaultChosen,
    /// Something happened that starts the period of event-based classes.
    RetentionStarted,
    /// Entries are kept longer.
    RetentionExtended,
    /// Entries are under legal hold for a matter.
    HoldPlaced,
    /// The holds of a matter end.
    HoldReleased,
    /// A person holds an office under SEC 17a-4(f).
    RecordsOfficerDesignated,
    /// A person holds it no longer.
    RecordsOfficerRevoked,
    /// Payloads are disposed of: the certificate, signed by two people before anything is removed.
    PayloadsDisposed,
    /// How the removal ended, and what is still there.
    DisposalCompleted,
    /// What an assessment came to, and by which controls.
    AssessmentRecorded,
    /// An evidence pack was made.
    EvidencePackMade,
    /// What a control was applied to is listed and sealed.
    PopulationSealed,
    /// A sample of a sealed population is drawn.
    SampleDrawn,
    /// A person's data is to be erased.
    ErasureRequested,
    /// The key of a person's data is destroyed.
    SubjectErased,
    /// An application, as it is from here on; signed by an administrator or release manager.
    ApplicationRegistered,
    /// An application is no more.
    ApplicationRetired,
    /// An environment and its tier, as they are from here on.
    EnvironmentRegistered,
    /// An environment is no more.
    EnvironmentRetired,
    /// How strongly each control is enforced where, signed by an officer.
    EnforcementActivated,
    /// Reasons of a soft level do not hold a run up, signed by the role that the assignment names.
    EnforcementOverridden,
    /// Somebody asks that a broken control may stand for a while.
    WaiverRequested,
    /// A waiver is granted by somebody who did not ask for it.
    WaiverGranted,
    /// A waiver is refused.
    WaiverRejected,
    /// A waiver ends before its time.
    WaiverRevoked,
    /// Who answers for which gate, signed by an officer.
    GateOwnersAssigned,
    /// An owner or deputy takes a gate on.
    GateAcknowledged,
    /// Somebody looked at how a gate is set up.
    GateReviewed,
    /// A grant is taken back before it was used.
    GrantRevoked,
    /// Nothing is deployed to an environment for a while.
    EnvironmentFrozen,
    /// A freeze ends before its time.
    FreezeLifted,
    /// The times of the week in which an environment is open.
    WindowsSet,
    /// A security officer lets a change past the gates.
    BreakGlassOpened,
    /// An emergency ends before its time.
    BreakGlassClosed,
    /// An officer who took no part signs for an emergency.
    BreakGlassRatified,
    /// Somebody who took no part looked at an emergency.
    BreakGlassReviewed,
    /// Somebody was told that a duty of an emergency is overdue, or could not be.
    BreakGlassPaged,
    /// A message about what somebody must act on is about to be sent.
    NotificationStarted,
    /// Such a message was taken.
    NotificationSent,
    /// Such a message was not taken.
    NotificationFailed,
    /// Approval rules are put in effect, signed by an officer.
    ApprovalRulesActivated,
    /// Somebody who could have approved says no.
    ApprovalRejected,
    /// Somebody takes back an approval or a rejection.
    ApprovalWithdrawn,
    /// Whose identity tokens are believed, signed by a security officer.
    IssuersActivated,
    /// A run's workload showed a token that its issuer signed.
    WorkloadVerified,
    /// One more key of a person, signed by an administrator.
    PersonKeyAdded,
    /// A key of a person is not believed any more.
    PersonKeyRevoked,
    /// A certificate authority is enrolled.
    CertificateAuthorityAdded,
    /// A certificate authority is revoked.
    CertificateAuthorityRevoked,
    /// A person shows a certificate of a key.
    KeyCertified,
    /// An account elsewhere is a person's, signed by an administrator.
    AccountLinked,
    /// An account is not the person's any more.
    AccountUnlinked,
    /// What a revocation list of OpenSSH names counts no more.
    RevocationListImported,
    /// An audit of a period begins, signed by an officer.
    AuditOpened,
    /// An auditor asks for something.
    AuditRequested,
    /// Somebody answers an auditor.
    AuditAnswered,
    /// An auditor asks on after an answer.
    AuditFollowedUp,
    /// An auditor needs nothing more on a request.
    AuditRequestClosed,
    /// An audit is over.
    AuditClosed,
    /// Somebody signed in to a server.
    SignedIn,
    /// Somebody tried to sign in and was refused.
    SignInRefused,
    /// A visit to a server is over.
    SignedOut,
    /// A job came to a server with the identity token of its CI system.
    WorkloadAdmitted,
    /// An auditor looked at something.
    EvidenceViewed,
    /// A commit was sent to a server to be judged there.
    RunSubmitted,
    /// A pipeline said something else of a gate than was decided.
    VerdictDiffered,
    /// A regulator asked for records.
    FurnishOpened,
    /// Records were handed over to a regulator.
    FurnishDelivered,
    /// An audit was rehearsed from automated evidence alone.
    MockAuditDone,
    /// Somebody made a token for a program.
    TokenIssued,
    /// A token opens nothing any more.
    TokenRevoked,
    /// What was seen running in an environment.
    SnapshotTaken,
    /// What runs differs from what was let through, in a way that is new.
    DriftDetected,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 104] = [
        Self::LedgerCreated,
        Self::TrustRootEstablished,
        Self::PersonEnrolled,
        Self::RoleGranted,
        Self::RoleRevoked,
        Self::PersonLeft,
        Self::PersonReturned,
        Self::RoleRulesChosen,
        Self::AccessReviewOpened,
        Self::AccessReviewShown,
        Self::AccessReviewReminded,
        Self::AccessReviewDecided,
        Self::AccessReviewEnforced,
        Self::AccessReviewClosed,
        Self::WorkloadReadmitted,
        Self::PolicyActivated,
        Self::RunStarted,
        Self::FindingsRecorded,
        Self::EvidenceAttached,
        Self::DecisionMade,
        Self::CommitsClaimed,
        Self::SuppressionGranted,
        Self::ApprovalSigned,
        Self::ActRefused,
        Self::GrantIssued,
        Self::DeploymentStarted,
        Self::DeploymentRecorded,
        Self::StorageProbed,
        Self::LogKeyRotated,
        Self::SecondLogKeyChosen,
        Self::RetentionClassDefined,
        Self::RetentionDefaultChosen,
        Self::RetentionStarted,
        Self::RetentionExtended,
        Self::HoldPlaced,
        Self::HoldReleased,
        Self::RecordsOfficerDesignated,
        Self::RecordsOfficerRevoked,
        Self::PayloadsDisposed,
        Self::DisposalCompleted,
        Self::AssessmentRecorded,
        Self::EvidencePackMade,
        Self::PopulationSealed,
        Self::SampleDrawn,
        Self::ErasureRequested,
        Self::SubjectErased,
        Self::ApplicationRegistered,
        Self::ApplicationRetired,
        Self::EnvironmentRegistered,
        Self::EnvironmentRetired,
        Self::EnforcementActivated,
        Self::EnforcementOverridden,
        Self::WaiverRequested,
        Self::WaiverGranted,
        Self::WaiverRejected,
        Self::WaiverRevoked,
        Self::GateOwnersAssigned,
        Self::GateAcknowledged,
        Self::GateReviewed,
        Self::GrantRevoked,
        Self::EnvironmentFrozen,
        Self::FreezeLifted,
        Self::WindowsSet,
        Self::BreakGlassOpened,
        Self::BreakGlassClosed,
        Self::BreakGlassRatified,
        Self::BreakGlassReviewed,
        Self::BreakGlassPaged,
        Self::NotificationStarted,
        Self::NotificationSent,
        Self::NotificationFailed,
        Self::ApprovalRulesActivated,
        Self::ApprovalRejected,
        Self::ApprovalWithdrawn,
        Self::IssuersActivated,
        Self::WorkloadVerified,
        Self::PersonKeyAdded,
        Self::PersonKeyRevoked,
        Self::CertificateAuthorityAdded,
        Self::CertificateAuthorityRevoked,
        Self::KeyCertified,
        Self::AccountLinked,
        Self::AccountUnlinked,
        Self::RevocationListImported,
        Self::AuditOpened,
        Self::AuditRequested,
        Self::AuditAnswered,
        Self::AuditFollowedUp,
        Self::AuditRequestClosed,
        Self::AuditClosed,
        Self::SignedIn,
        Self::SignInRefused,
        Self::SignedOut,
        Self::WorkloadAdmitted,
        Self::EvidenceViewed,
        Self::RunSubmitted,
        Self::VerdictDiffered,
        Self::FurnishOpened,
        Self::FurnishDelivered,
        Self::MockAuditDone,
        Self::TokenIssued,
        Self::TokenRevoked,
        Self::SnapshotTaken,
        Self::DriftDetected,
    ];

    /// The text form, as in the entry.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LedgerCreated => "LedgerCreated",
            Self::TrustRootEstablished => "TrustRootEstablished",
            Self::PersonEnrolled => "PersonEnrolled",
            Self::RoleGranted => "RoleGranted",
            Self::RoleRevoked => "RoleRevoked",
            Self::PersonLeft => "PersonLeft",
            Self::PersonReturned => "PersonReturned",
            Self::RoleRulesChosen => "RoleRulesChosen",
            Self::AccessReviewOpened => "AccessReviewOpened",
            Self::AccessReviewShown => "AccessReviewShown",
            Self::AccessReviewReminded => "AccessReviewReminded",
            Self::AccessReviewDecided => "AccessReviewDecided",
            Self::AccessReviewEnforced => "AccessReviewEnforced",
            Self::AccessReviewClosed => "AccessReviewClosed",
            Self::WorkloadReadmitted => "WorkloadReadmitted",
            Self::PolicyActivated => "PolicyActivated",
            Self::RunStarted => "RunStarted",
            Self::FindingsRecorded => "FindingsRecorded",
            Self::EvidenceAttached => "EvidenceAttached",
            Self::DecisionMade => "DecisionMade",
            Self::CommitsClaimed => "CommitsClaimed",
            Self::SuppressionGranted => "SuppressionGranted",
            Self::ApprovalSigned => "ApprovalSigned",
            Self::ActRefused => "ActRefused",
            Self::GrantIssued => "GrantIssued",
            Self::DeploymentStarted => "DeploymentStarted",
            Self::DeploymentRecorded => "DeploymentRecorded",
            Self::StorageProbed => "StorageProbed",
            Self::LogKeyRotated => "LogKeyRotated",
            Self::SecondLogKeyChosen => "SecondLogKeyChosen",
            Self::RetentionClassDefined => "RetentionClassDefined",
            Self::RetentionDefaultChosen => "RetentionDefaultChosen",
            Self::RetentionStarted => "RetentionStarted",
            Self::RetentionExtended => "RetentionExtended",
            Self::HoldPlaced => "HoldPlaced",
            Self::HoldReleased => "HoldReleased",
            Self::RecordsOfficerDesignated => "RecordsOfficerDesignated",
            Self::RecordsOfficerRevoked => "RecordsOfficerRevoked",
            Self::PayloadsDisposed => "PayloadsDisposed",
            Self::DisposalCompleted => "DisposalCompleted",
            Self::AssessmentRecorded => "AssessmentRecorded",
            Self::EvidencePackMade => "EvidencePackMade",
            Self::PopulationSealed => "PopulationSealed",
            Self::SampleDrawn => "SampleDrawn",
            Self::ErasureRequested => "ErasureRequested",
            Self::SubjectErased => "SubjectErased",
            Self::ApplicationRegistered => "ApplicationRegistered",
            Self::ApplicationRetired => "ApplicationRetired",
            Self::EnvironmentRegistered => "EnvironmentRegistered",
            Self::EnvironmentRetired => "EnvironmentRetired",
            Self::EnforcementActivated => "EnforcementActivated",
            Self::EnforcementOverridden => "EnforcementOverridden",
            Self::WaiverRequested => "WaiverRequested",
            Self::WaiverGranted => "WaiverGranted",
            Self::WaiverRejected => "WaiverRejected",
            Self::WaiverRevoked => "WaiverRevoked",
            Self::GateOwnersAssigned => "GateOwnersAssigned",
            Self::GateAcknowledged => "GateAcknowledged",
            Self::GateReviewed => "GateReviewed",
            Self::GrantRevoked => "GrantRevoked",
            Self::EnvironmentFrozen => "EnvironmentFrozen",
            Self::FreezeLifted => "FreezeLifted",
            Self::WindowsSet => "WindowsSet",
            Self::BreakGlassOpened => "BreakGlassOpened",
            Self::BreakGlassClosed => "BreakGlassClosed",
            Self::BreakGlassRatified => "BreakGlassRatified",
            Self::BreakGlassReviewed => "BreakGlassReviewed",
            Self::BreakGlassPaged => "BreakGlassPaged",
            Self::NotificationStarted => "NotificationStarted",
            Self::NotificationSent => "NotificationSent",
            Self::NotificationFailed => "NotificationFailed",
            Self::ApprovalRulesActivated => "ApprovalRulesActivated",
            Self::ApprovalRejected => "ApprovalRejected",
            Self::ApprovalWithdrawn => "ApprovalWithdrawn",
            Self::IssuersActivated => "IssuersActivated",
            Self::WorkloadVerified => "WorkloadVerified",
            Self::PersonKeyAdded => "PersonKeyAdded",
            Self::PersonKeyRevoked => "PersonKeyRevoked",
            Self::CertificateAuthorityAdded => "CertificateAuthorityAdded",
            Self::CertificateAuthorityRevoked => "CertificateAuthorityRevoked",
            Self::KeyCertified => "KeyCertified",
            Self::AccountLinked => "AccountLinked",
            Self::AccountUnlinked => "AccountUnlinked",
            Self::RevocationListImported => "RevocationListImported",
            Self::AuditOpened => "AuditOpened",
            Self::AuditRequested => "AuditRequested",
            Self::AuditAnswered => "AuditAnswered",
            Self::AuditFollowedUp => "AuditFollowedUp",
            Self::AuditRequestClosed => "AuditRequestClosed",
            Self::AuditClosed => "AuditClosed",
            Self::SignedIn => "SignedIn",
            Self::SignInRefused => "SignInRefused",
            Self::SignedOut => "SignedOut",
            Self::WorkloadAdmitted => "WorkloadAdmitted",
            Self::EvidenceViewed => "EvidenceViewed",
            Self::RunSubmitted => "RunSubmitted",
            Self::VerdictDiffered => "VerdictDiffered",
            Self::FurnishOpened => "FurnishOpened",
            Self::FurnishDelivered => "FurnishDelivered",
            Self::MockAuditDone => "MockAuditDone",
            Self::TokenIssued => "TokenIssued",
            Self::TokenRevoked => "TokenRevoked",
            Self::SnapshotTaken => "SnapshotTaken",
            Self::DriftDetected => "DriftDetected",
        }
    }

    /// The kind with this text form.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether it changes a control itself: what is enforced, by whom, and who answers for it.
    #[must_use]
    pub const fn changes_a_control(self) -> bool {
        matches!(
            self,
            Self::TrustRootEstablished
                | Self::LogKeyRotated
                | Self::SecondLogKeyChosen
                | Self::PolicyActivated
                | Self::EnforcementActivated
                | Self::EnforcementOverridden
                | Self::ApprovalRulesActivated
                | Self::RoleRulesChosen
                | Self::GateOwnersAssigned
                | Self::GateReviewed
                | Self::IssuersActivated
                | Self::WindowsSet
                | Self::RetentionClassDefined
                | Self::RetentionDefaultChosen
        )
    }

    /// Whether the payload of such an entry may ever be disposed of. Only what a run leaves behind may: what says who
    /// is trusted with what, and what says how long things are kept, stays as long as the ledger lives, for every
    /// reader must come to the same beliefs.
    #[must_use]
    pub const fn is_disposable(self) -> bool {
        matches!(
            self,
            Self::RunStarted
                | Self::FindingsRecorded
                | Self::EvidenceAttached
                | Self::DecisionMade
                | Self::ApprovalSigned
                | Self::ApprovalRejected
                | Self::ApprovalWithdrawn
                | Self::ActRefused
                | Self::GrantIssued
                | Self::GrantRevoked
                | Self::DeploymentStarted
                | Self::DeploymentRecorded
                | Self::WorkloadVerified
                | Self::RunSubmitted
                | Self::VerdictDiffered
        )
    }
}

/// The payload an entry speaks of: the digest is over the *stored* bytes (sealed, where they are sealed).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayloadRef {
    /// SHA-256 of the stored blob.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Its media type: that of what was sealed, where it is sealed.
    pub media: String,
    /// The id of the payload key that it is sealed with; `None` where it is stored as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
}

/// A leaf of the log, at most 65,535 bytes of canonical JSON (RFC 8785; tlog-tiles bundle limit).
///
/// It holds no names, addresses, file contents or secrets: those are in payloads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Format version, 1.
    pub v: u32,
    /// What happened.
    pub kind: EventKind,
    /// The stream this entry belongs to.
    pub stream: StreamId,
    /// Its position in the stream, from 1, without gaps.
    pub version: u64,
    /// When it was appended; never earlier than the entry before it.
    pub time: Timestamp,
    /// Who caused it.
    pub actor: ActorId,
    /// How long it is kept.
    pub retention: Retention,
    /// Indices of the entries it answers to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refs: Vec<u64>,
    /// The idempotency key of the batch that begins here: 32 hex digits, a slash and the number of the batch's entries.
    /// It says nothing about the caller's key but whether two are equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its payload.
    pub payload: PayloadRef,
    /// Further blobs that belong to this event (reports, policy sources, artifacts' statements).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<PayloadRef>,
}

impl Entry {
    /// The format version written today.
    pub const VERSION: u32 = 1;
    /// The largest entry a tlog-tiles bundle can hold, in bytes.
    pub const MAX_BYTES: usize = 65_535;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_text() {
        for (nth, kind) in EventKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, nth, "{kind:?} stands in its place");
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(EventKind::from_text(kind.as_str()), Some(kind));
        }
        assert_eq!(EventKind::from_text("runStarted"), None);
        // Whoever adds a kind adds it to the list: the last one is named here.
        assert!(serde_json::from_str::<EventKind>("\"DriftDetected\"").is_ok());
        assert_eq!(EventKind::ALL.last(), Some(&EventKind::DriftDetected));
    }
}
