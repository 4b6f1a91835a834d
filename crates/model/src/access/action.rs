//! Every act that takes a role, and which roles it takes: the one table that both those who act and those who read the log
//! ask (PCI DSS v4.0.1 7.2.1, 7.2.2; NIST 800-53r5 AC-3, AC-6).
//!
//! A new act is one line here. The page `docs/reference/roles.md` and `countersign role matrix` are written from it.

use crate::governance::WaiverCategory;
use crate::person::{Role, Slot};

use Role::{Administrator, Auditor, ComplianceOfficer, Developer, Engineer, ReleaseManager, SecurityOfficer};

/// One line of the table.
struct Line {
    name: &'static str,
    resource: &'static str,
    does: &'static str,
    roles: &'static [Role],
    also: &'static str,
    unless: &'static str,
}

macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident $name:literal on $resource:literal: $does:literal by [$($role:expr),*]
        $(or $also:literal)? $(unless $unless:literal)?;)*) => {
        /// An act that takes a role.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action {
            $($(#[$doc])* $action,)*
        }

        impl Action {
            /// Every act, in the order of the page.
            pub const ALL: &'static [Self] = &[$(Self::$action),*];

            const fn line(self) -> &'static Line {
                match self {
                    $(Self::$action => {
                        const LINE: Line = Line {
                            name: $name,
                            resource: $resource,
                            does: $does,
                            roles: &[$($role),*],
                            also: concat!($($also)?),
                            unless: concat!($($unless)?),
                        };
                        &LINE
                    })*
                }
            }
        }
    };
}

actions! {
    /// Enrols a person.
    EnrolPerson "person-enrol" on "people": "enrol people" by [Administrator];
    /// Gives somebody one more key.
    AddKey "person-key-add" on "people": "add keys" by [Administrator]
        unless "the person whose key it is, while another administrator can sign";
    /// Revokes a key.
    RevokeKey "person-key-revoke" on "people": "revoke keys" by [Administrator]
        unless "no administrator would be left with a key that counts";
    /// Says that an account elsewhere is somebody's.
    LinkAccount "account-link" on "people": "link accounts to people" by [Administrator]
        unless "the person whose account it is, while another administrator can sign";
    /// Says that it is so no longer.
    UnlinkAccount "account-unlink" on "people": "take accounts from people" by [Administrator]
        unless "the person whose account it is, while another administrator can sign";
    /// Grants a role.
    GrantRole "role-grant" on "roles": "grant roles" by [Administrator]
        unless "whoever would get it";
    /// Ends a role of somebody.
    RevokeRole "role-revoke" on "roles": "revoke roles" by [Administrator]
        unless "it is the role of the last administrator for good";
    /// Chooses the rules for grants.
    ChooseRoleRules "role-rules-choose" on "roles": "choose the rules for roles" by [SecurityOfficer, ComplianceOfficer];
    /// Says that somebody left.
    RecordLeaving "person-leave" on "people": "say that somebody left" by [Administrator]
        unless "it is the last administrator for good who would leave";
    /// Says that somebody is back.
    RecordReturn "person-return" on "people": "say that somebody is back" by [Administrator];
    /// Opens an access review.
    OpenReview "access-review-open" on "access reviews": "open an access review" by [SecurityOfficer, ComplianceOfficer];
    /// Decides lines of an access review.
    ReviewAccess "access-review-decide" on "access reviews": "review access"
        by [SecurityOfficer, ComplianceOfficer, Administrator]
        unless "whose access it is, and whoever is not the line's reviewer";
    /// Closes an access review.
    CloseReview "access-review-close" on "access reviews": "close an access review"
        by [SecurityOfficer, ComplianceOfficer] unless "whoever alone decided all of it, or opened it where nobody decided";
    /// Lets a workload in again.
    ReadmitWorkload "workload-readmit" on "issuers": "let a workload in again" by [SecurityOfficer];
    /// Exchanges the log's key.
    RotateLogKey "log-key-rotate" on "the log's keys": "rotate the log's key" by [Administrator];
    /// Chooses or retires the log's second key.
    ChooseSecondKey "second-key-choose" on "the log's keys": "choose the log's second key" by [Administrator];
    /// Activates the first policy bundle.
    ActivateFirstPolicy "policy-activate-first" on "policy": "activate the first policy bundle"
        by [Administrator, SecurityOfficer, ComplianceOfficer];
    /// Activates a policy bundle.
    ActivatePolicy "policy-activate" on "policy": "activate policy bundles" by [SecurityOfficer, ComplianceOfficer];
    /// Puts levels in effect.
    ActivateLevels "levels-activate" on "levels": "put levels in effect" by [SecurityOfficer, ComplianceOfficer];
    /// Overrides what is soft.
    OverrideSoft "override" on "a run": "override this" by [SecurityOfficer, ComplianceOfficer, ReleaseManager]
        unless "an author of the change, or without the one role that the assignment names";
    /// Says whose identity tokens are believed.
    ActivateIssuers "issuers-activate" on "issuers": "put issuers in effect" by [SecurityOfficer];
    /// Claims commits.
    ClaimCommits "claim" on "commits": "claim commits" by [] or "anybody who is enrolled, for commits of their own";
    /// Grants a suppression.
    GrantSuppression "suppression-grant" on "a run": "grant a suppression" by [SecurityOfficer, ComplianceOfficer]
        unless "an author of the change";
    /// Approves on technical grounds.
    ApproveTechnical "approve-technical" on "a run": "approve" by [Slot::Technical.role()]
        or "whoever the approval rules in effect name"
        unless "an author of the change, another approver of it, or with a duty in it that the rules exclude";
    /// Approves on regulatory grounds.
    ApproveRegulatory "approve-regulatory" on "a run": "approve" by [Slot::Regulatory.role()]
        or "whoever the approval rules in effect name"
        unless "an author of the change, another approver of it, or with a duty in it that the rules exclude";
    /// Says no to a run.
    RejectRun "reject" on "a run": "reject" by [] or "whoever could approve it";
    /// Takes back an approval or a rejection.
    WithdrawSaid "withdraw" on "a run": "take back what was said" by [] or "whoever said it";
    /// Puts approval rules in effect.
    ActivateApprovalRules "approval-rules-activate" on "approval rules": "put approval rules in effect"
        by [SecurityOfficer, ComplianceOfficer];
    /// Issues a deploy grant.
    IssueGrant "grant-issue" on "a run": "deploy" by [ReleaseManager]
        unless "an author of the change, or one of its approvers";
    /// Takes a deploy grant back.
    RevokeGrant "grant-revoke" on "a run": "revoke a grant of somebody else"
        by [ReleaseManager, SecurityOfficer, ComplianceOfficer] or "whoever issued it";
    /// Lets a change past the gates.
    BreakGlass "break-glass" on "an environment": "break the glass" by [SecurityOfficer];
    /// Issues a further grant in an emergency.
    DeployInEmergency "break-glass-grant" on "an environment": "issue grants in an emergency"
        by [SecurityOfficer, ReleaseManager];
    /// Closes the glass before its time.
    CloseBreakGlass "break-glass-close" on "an environment": "close an emergency" by [SecurityOfficer];
    /// Ratifies an emergency.
    RatifyBreakGlass "break-glass-ratify" on "an environment": "ratify an emergency"
        by [SecurityOfficer, ComplianceOfficer]
        unless "whoever opened it, deployed in it, reviewed it, or is an author of what was deployed";
    /// Reviews an emergency.
    ReviewBreakGlass "break-glass-review" on "an environment": "review an emergency"
        by [SecurityOfficer, ComplianceOfficer, Engineer, ReleaseManager]
        unless "whoever opened it, deployed in it, ratified it, or is an author of what was deployed";
    /// Freezes an environment.
    FreezeEnvironment "environment-freeze" on "environments": "freeze environments"
        by [ReleaseManager, SecurityOfficer, ComplianceOfficer, Administrator];
    /// Lifts a freeze.
    LiftFreeze "environment-unfreeze" on "environments": "lift freezes" by [SecurityOfficer, ComplianceOfficer]
        unless "whoever put it in place";
    /// Says in which windows an environment is open.
    SetWindows "environment-windows" on "environments": "say when environments are open"
        by [SecurityOfficer, ComplianceOfficer];
    /// Registers or changes an application where nothing becomes weaker.
    RegisterApplication "application-register" on "applications": "register applications" by [Administrator, ReleaseManager];
    /// Registers or changes an application so that something becomes weaker.
    WeakenApplication "application-weaken" on "applications": "register applications" by [Administrator];
    /// Retires an application.
    RetireApplication "application-retire" on "applications": "retire applications" by [Administrator];
    /// Registers or changes an environment where nothing becomes weaker.
    RegisterEnvironment "environment-register" on "environments": "register environments" by [Administrator, ReleaseManager];
    /// Registers or changes an environment so that something becomes weaker.
    WeakenEnvironment "environment-weaken" on "environments": "register environments" by [Administrator];
    /// Retires an environment.
    RetireEnvironment "environment-retire" on "environments": "retire environments" by [Administrator];
    /// Asks for a waiver. An auditor reads.
    RequestWaiver "waiver-request" on "waivers": "ask for a waiver"
        by [Developer, Engineer, ReleaseManager, SecurityOfficer, ComplianceOfficer, Administrator];
    /// Accepts a risk.
    GrantWaiver "waiver-grant" on "waivers": "grant a waiver of this category" by [WaiverCategory::Waived.granted_by()]
        unless "whoever asked for it; one by an author does not count for their change";
    /// Lets another control do the work.
    GrantMitigation "mitigation-grant" on "waivers": "grant a waiver of this category"
        by [WaiverCategory::Mitigated.granted_by()]
        unless "whoever asked for it; one by an author does not count for their change";
    /// Refuses a waiver.
    RejectWaiver "waiver-reject" on "waivers": "reject a waiver" by [SecurityOfficer, ComplianceOfficer]
        or "whoever asked for it";
    /// Ends a waiver.
    RevokeWaiver "waiver-revoke" on "waivers": "revoke a waiver" by [SecurityOfficer, ComplianceOfficer]
        or "whoever asked for it";
    /// Says who owns the gates.
    AssignGateOwners "gates-assign" on "gates": "say who owns the gates" by [SecurityOfficer, ComplianceOfficer];
    /// Takes a gate on.
    AcknowledgeGate "gate-acknowledge" on "gates": "take a gate on" by [] or "its owner or deputy";
    /// Reviews a gate.
    ReviewGate "gate-review" on "gates": "review a gate" by [SecurityOfficer, ComplianceOfficer]
        or "its owner or deputy";
    /// Defines a class of retention.
    DefineRetention "retention-define" on "retention": "define retention classes" by [ComplianceOfficer];
    /// Chooses the class of what is recorded.
    ChooseRetention "retention-choose" on "retention": "choose the retention class of what is recorded"
        by [ComplianceOfficer];
    /// Starts periods.
    StartRetention "retention-start" on "retention": "start retention periods" by [ComplianceOfficer];
    /// Extends retention.
    ExtendRetention "retention-extend" on "retention": "extend retention" by [ComplianceOfficer];
    /// Places a hold.
    PlaceHold "hold-place" on "retention": "place holds" by [ComplianceOfficer];
    /// Releases a hold.
    ReleaseHold "hold-release" on "retention": "release holds" by [ComplianceOfficer];
    /// Gives one of the two signatures over a disposal.
    SignDisposal "disposal-sign" on "payloads": "sign a disposal" by [Administrator, ComplianceOfficer]
        or "the designated executive officer, or an officer of theirs" unless "whoever gave the other signature";
    /// Gives the signature over a disposal that must not be missing.
    LeadDisposal "disposal-lead" on "payloads": "give the one signature over a disposal that must be there"
        by [ComplianceOfficer] unless "whoever gave the other signature";
    /// Erases somebody's data.
    EraseData "subject-erase" on "people": "erase people's data" by [ComplianceOfficer, Administrator];
    /// Designates an executive officer or third party.
    GiveOffice "office-give" on "offices": "give this office" by [ComplianceOfficer, Administrator];
    /// Takes an office back.
    RevokeOffice "office-revoke" on "offices": "revoke this office" by [ComplianceOfficer, Administrator]
        or "the designated executive officer, where they appointed";
    /// Appoints an officer or specialist.
    AppointOfficer "office-appoint" on "offices": "appoint to this office" by [] or "the designated executive officer";
    /// Opens an audit.
    OpenAudit "audit-open" on "audits": "open an audit" by [SecurityOfficer, ComplianceOfficer];
    /// Asks in an audit, asks on, and says that nothing more is needed.
    AskInAudit "audit-request" on "audits": "ask in an audit" by [Auditor];
    /// Answers a request.
    AnswerAudit "audit-answer" on "audits": "answer in an audit"
        by [Developer, Engineer, ReleaseManager, SecurityOfficer, ComplianceOfficer, Administrator]
        unless "whoever asked, and whoever is an auditor as well";
    /// Closes an audit.
    CloseAudit "audit-close" on "audits": "close an audit" by [Auditor, SecurityOfficer, ComplianceOfficer]
        unless "a request waits for an answer";
    /// Makes a token for a program.
    IssueToken "token-issue" on "tokens": "make a token" by [] or "anybody with a role, in their own name";
    /// Ends a token of somebody else.
    RevokeToken "token-revoke" on "tokens": "revoke a token of somebody else" by [Administrator, SecurityOfficer]
        or "whoever made it";
    /// Records that a regulator asked for records.
    OpenFurnishing "furnish-open" on "regulators' requests": "record a regulator's request"
        by [SecurityOfficer, ComplianceOfficer];
    /// Hands records over to a regulator.
    DeliverFurnishing "furnish-deliver" on "regulators' requests": "hand records over to a regulator" by [ComplianceOfficer];
}

impl Action {
    /// The approval that fills a slot.
    #[must_use]
    pub const fn approving(slot: Slot) -> Self {
        match slot {
            Slot::Technical => Self::ApproveTechnical,
            Slot::Regulatory => Self::ApproveRegulatory,
        }
    }

    /// The grant of a waiver.
    #[must_use]
    pub const fn granting(category: WaiverCategory) -> Self {
        match category {
            WaiverCategory::Waived => Self::GrantWaiver,
            WaiverCategory::Mitigated => Self::GrantMitigation,
        }
    }

    /// A stable short name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.line().name
    }

    /// What it is done to.
    #[must_use]
    pub const fn resource(self) -> &'static str {
        self.line().resource
    }

    /// What it is, as it stands in a sentence: "… may not **enrol people**".
    #[must_use]
    pub const fn does(self) -> &'static str {
        self.line().does
    }

    /// The roles of which one is enough. None: no role is (see [`Action::also`]).
    #[must_use]
    pub const fn roles(self) -> &'static [Role] {
        self.line().roles
    }

    /// Who may without any of the roles, in words; empty: nobody.
    #[must_use]
    pub const fn also(self) -> &'static str {
        self.line().also
    }

    /// Who may not in spite of a role, in words; empty: everybody may who has one.
    #[must_use]
    pub const fn unless(self) -> &'static str {
        self.line().unless
    }

    /// The roles as a sentence has them: `administrator or release-manager`.
    #[must_use]
    pub fn any_of(self) -> String {
        let names: Vec<&str> = self.roles().iter().map(|r| r.as_str()).collect();
        names.join(" or ")
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_act_has_a_name_of_its_own_and_somebody_who_may() {
        let names: std::collections::BTreeSet<&str> = Action::ALL.iter().map(|a| a.as_str()).collect();
        assert_eq!(names.len(), Action::ALL.len());
        for action in Action::ALL {
            assert!(!action.roles().is_empty() || !action.also().is_empty(), "{action}: nobody may");
            let distinct: std::collections::BTreeSet<&Role> = action.roles().iter().collect();
            assert_eq!(distinct.len(), action.roles().len(), "{action}: a role twice");
            assert!(!action.does().is_empty() && !action.resource().is_empty(), "{action}");
            let reads = !action.roles().contains(&Role::Auditor) || action.resource() == "audits";
            assert!(reads, "{action}: an auditor reads and asks");
        }
    }
}
