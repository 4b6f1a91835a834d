//! What can be wrong with a grant, a freeze or an emergency, each with a stable code.

use countersign_evidence::grant_token::TokenFault;
use countersign_model::access::emergencies::{MOST_MINUTES, MOST_RATIFY_HOURS, MOST_REVIEW_DAYS};
use countersign_model::{BreakGlassId, Diagnostic, Exit, Explanation, FreezeId, GrantId, Timestamp};

/// An error about grants.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The token is none of ours.
    #[error(transparent)]
    Token(#[from] TokenFault),
    /// Another ledger's.
    #[error("it was issued by the ledger `{issuer}`, not by `{expected}`")]
    OtherIssuer {
        /// Who issued it.
        issuer: String,
        /// Whose grants are trusted.
        expected: String,
    },
    /// For another environment.
    #[error("it permits a deployment to `{granted}`, not to `{asked}`")]
    Environment {
        /// What it says.
        granted: String,
        /// What was asked for.
        asked: String,
    },
    /// Not this artifact.
    #[error("`{artifact}` is none of the artifacts that it permits to deploy")]
    Artifact {
        /// The file or digest.
        artifact: String,
    },
    /// Not this commit.
    #[error("it permits the commit {granted}, not {asked}")]
    Commit {
        /// What it says.
        granted: String,
        /// What was asked for.
        asked: String,
    },
    /// Too early.
    #[error("it is not valid before {from}")]
    NotYet {
        /// From when it holds.
        from: Timestamp,
    },
    /// Too late.
    #[error("it expired at {at}")]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// The ledger does not say what the token says.
    #[error("the ledger holds no grant that says what this one says")]
    NotInLedger,
    /// It was taken back.
    #[error("{grant} was revoked: {reason}")]
    Revoked {
        /// The grant.
        grant: GrantId,
        /// Why.
        reason: String,
    },
    /// It cannot be revoked any more.
    #[error("{grant} is {state}, and cannot be revoked")]
    NotRevocable {
        /// The grant.
        grant: GrantId,
        /// Where it stands.
        state: &'static str,
    },
    /// The broker failed.
    #[error("the broker did not hand out a credential: it ended with {how}")]
    Broker {
        /// How.
        how: String,
    },
    /// What the broker said is not what an environment can hold.
    #[error("line {line} of what the broker said is no NAME=VALUE")]
    BrokerOutput {
        /// Which line; what it says is never shown.
        line: usize,
    },
    /// No outcome is awaited.
    #[error("{grant} awaits no outcome: it is {state}")]
    NoOutcomeAwaited {
        /// The grant.
        grant: GrantId,
        /// Where it stands.
        state: &'static str,
    },
    /// Somebody else redeemed it.
    #[error("{grant} was redeemed by somebody else, or where the ledger is")]
    OthersRedemption {
        /// The grant.
        grant: GrantId,
    },
    /// What was signed is no grant.
    #[error("what was signed is no grant of this ledger")]
    NoGrant,
    /// It says something else than is so.
    #[error("what was signed is not the grant that is so now")]
    GrantDiffers,
    /// It was signed too long ago, or in the future.
    #[error("it was signed at {time}, and a grant is handed in within ten minutes")]
    NotFresh {
        /// When it was signed.
        time: Timestamp,
    },
    /// The environment is frozen.
    #[error("`{environment}` is frozen{}: {reason}", until.map_or(String::new(), |u| format!(" until {u}")))]
    Frozen {
        /// The environment.
        environment: String,
        /// The freeze.
        freeze: FreezeId,
        /// Until when.
        until: Option<Timestamp>,
        /// Why.
        reason: String,
    },
    /// No window is open.
    #[error("`{environment}` is open at other times only: {windows}")]
    OutsideWindows {
        /// The environment.
        environment: String,
        /// Its windows.
        windows: String,
    },
    /// Nobody registered the environment.
    #[error("the environment `{environment}` is not registered")]
    UnknownEnvironment {
        /// Its id.
        environment: String,
    },
    /// It would be over.
    #[error("the freeze would be over before it begins")]
    FreezeOver,
    /// No such freeze.
    #[error("there is no freeze `{freeze}`, or more than one begins so")]
    NoSuchFreeze {
        /// What was asked for.
        freeze: String,
    },
    /// Own freeze.
    #[error("{person} put {freeze} in place and cannot lift it")]
    OwnFreeze {
        /// Who.
        person: String,
        /// The freeze.
        freeze: FreezeId,
    },
    /// It was lifted.
    #[error("{freeze} was lifted already")]
    FreezeLifted {
        /// The freeze.
        freeze: FreezeId,
    },
    /// Too many windows.
    #[error("an environment has at most {most} windows")]
    TooManyWindows {
        /// How many at most.
        most: usize,
    },
    /// No ticket.
    #[error("the ticket is not one word with a digit in it")]
    NoTicket,
    /// Due before it is over.
    #[error("ratification and review would be due before the emergency is over")]
    DueTooEarly,
    /// Longer than it may be, or for no time at all.
    #[error(
        "an emergency is open for 1 to {MOST_MINUTES} minutes, ratified within {MOST_RATIFY_HOURS} hours and reviewed within {MOST_REVIEW_DAYS} days"
    )]
    BadPeriod,
    /// Not of this application.
    #[error("the repository does not belong to the application `{application}`")]
    OtherApplication {
        /// The application.
        application: String,
    },
    /// About something else.
    #[error("{id} is about another commit, repository or application")]
    OtherScope {
        /// The emergency.
        id: BreakGlassId,
    },
    /// It is over.
    #[error("{id} is not open any more")]
    GlassClosed {
        /// The emergency.
        id: BreakGlassId,
    },
    /// No such emergency.
    #[error("there is no emergency `{id}`, or more than one begins so")]
    NoSuchEmergency {
        /// What was asked for.
        id: String,
    },
    /// Still open.
    #[error("{id} is open until {until}; what it owes is done after its end")]
    StillOpen {
        /// The emergency.
        id: BreakGlassId,
        /// Until when.
        until: Timestamp,
    },
    /// Took part.
    #[error("{person} took part in it, and somebody else does its {owed}")]
    TookPart {
        /// Who.
        person: String,
        /// What is owed.
        owed: &'static str,
    },
    /// Done before.
    #[error("the {owed} of {id} was done before")]
    DoneBefore {
        /// The emergency.
        id: BreakGlassId,
        /// What was owed.
        owed: &'static str,
    },
    /// Too late.
    #[error("the {owed} of {id} was due at {due}")]
    Late {
        /// The emergency.
        id: BreakGlassId,
        /// What is owed.
        owed: &'static str,
        /// When it was due.
        due: Timestamp,
    },
    /// In time.
    #[error("the {owed} of {id} is not late")]
    NotLate {
        /// The emergency.
        id: BreakGlassId,
        /// What is owed.
        owed: &'static str,
    },
    /// A role is missing.
    #[error("{person} may not {act}: it needs the role {roles}")]
    NotRole {
        /// Who.
        person: String,
        /// Any of these.
        roles: String,
        /// What was tried.
        act: &'static str,
    },
    /// Not one line.
    #[error("{what} is not one line of at most 1000 bytes")]
    NotALine {
        /// What.
        what: &'static str,
    },
}

impl Diagnostic for ReleaseError {
    fn code(&self) -> &'static str {
        match self {
            Self::Token(e) => e.code(),
            Self::OtherIssuer { .. } => "CS-GRANT-006",
            Self::Environment { .. } => "CS-GRANT-007",
            Self::Artifact { .. } => "CS-GRANT-008",
            Self::Commit { .. } => "CS-GRANT-009",
            Self::NotYet { .. } => "CS-GRANT-010",
            Self::Expired { .. } => "CS-GRANT-011",
            Self::NotInLedger => "CS-GRANT-012",
            Self::Revoked { .. } => "CS-GRANT-013",
            Self::NotRevocable { .. } => "CS-GRANT-014",
            Self::Broker { .. } => "CS-GRANT-015",
            Self::BrokerOutput { .. } => "CS-GRANT-016",
            Self::NoOutcomeAwaited { .. } => "CS-GRANT-017",
            Self::Frozen { .. } => "CS-FREEZE-001",
            Self::OutsideWindows { .. } => "CS-FREEZE-002",
            Self::UnknownEnvironment { .. } => "CS-FREEZE-003",
            Self::FreezeOver => "CS-FREEZE-004",
            Self::NoSuchFreeze { .. } => "CS-FREEZE-005",
            Self::OwnFreeze { .. } => "CS-FREEZE-006",
            Self::FreezeLifted { .. } => "CS-FREEZE-007",
            Self::TooManyWindows { .. } => "CS-FREEZE-008",
            Self::NoTicket => "CS-GLASS-001",
            Self::DueTooEarly => "CS-GLASS-002",
            Self::OtherApplication { .. } => "CS-GLASS-003",
            Self::OtherScope { .. } => "CS-GLASS-004",
            Self::GlassClosed { .. } => "CS-GLASS-005",
            Self::NoSuchEmergency { .. } => "CS-GLASS-006",
            Self::StillOpen { .. } => "CS-GLASS-007",
            Self::TookPart { .. } => "CS-GLASS-008",
            Self::DoneBefore { .. } => "CS-GLASS-009",
            Self::Late { .. } => "CS-GLASS-010",
            Self::NotLate { .. } => "CS-GLASS-011",
            Self::BadPeriod => "CS-GLASS-012",
            Self::NotRole { .. } => "CS-GRANT-018",
            Self::NotALine { .. } => "CS-GRANT-019",
            Self::OthersRedemption { .. } => "CS-GRANT-020",
            Self::NoGrant => "CS-GRANT-021",
            Self::GrantDiffers => "CS-GRANT-022",
            Self::NotFresh { .. } => "CS-GRANT-023",
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Token(e) => e.exit(),
            _ => EXPLANATIONS.iter().find(|e| e.code == self.code()).map_or(Exit::Internal, |e| e.exit),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Token(e) => e.help(),
            Self::OtherIssuer { .. } => "name the trust file of the ledger that issued it, with --trust".into(),
            Self::Environment { granted, .. } => {
                format!(
                    "deploy it to `{granted}`, or have one issued for the other environment: countersign grant issue"
                )
            }
            Self::Artifact { .. } => "deploy what was approved; see what that is: countersign grant show".into(),
            Self::Commit { .. } => "deploy the commit that was approved, or have another grant issued".into(),
            Self::NotYet { .. } => "wait, or set this machine's clock right".into(),
            Self::Expired { .. } | Self::Revoked { .. } => {
                "a release manager issues another: countersign grant issue RUN --env ENV".into()
            }
            Self::NotInLedger => "list those that were issued: countersign grant list".into(),
            Self::NotRevocable { grant, .. } | Self::NoOutcomeAwaited { grant, .. } => {
                format!("see what became of it: countersign grant show {grant}")
            }
            Self::OthersRedemption { grant } => {
                format!("whoever redeemed it says how it ended; where the ledger is: countersign grant complete {grant}")
            }
            Self::NoGrant | Self::GrantDiffers | Self::NotFresh { .. } => {
                "look at the run again, and sign anew: countersign grant issue RUN --env ENV --server URL".into()
            }
            Self::Broker { .. } | Self::BrokerOutput { .. } => {
                "the grant is used; put the broker right and have another one issued: countersign grant issue".into()
            }
            Self::Frozen { freeze, .. } => {
                format!("wait; or an officer lifts it: countersign environment freeze lift {freeze} --reason TEXT")
            }
            Self::OutsideWindows { environment, .. } => {
                format!("wait for a window: countersign environment show {environment}")
            }
            Self::UnknownEnvironment { environment } => {
                format!("register it: countersign environment register {environment} --tier TIER")
            }
            Self::FreezeOver => "name a later --until".into(),
            Self::NoSuchFreeze { .. } => "list them: countersign environment freeze list".into(),
            Self::OwnFreeze { .. } => "another security or compliance officer lifts it".into(),
            Self::FreezeLifted { .. } => "list them: countersign environment freeze list".into(),
            Self::TooManyWindows { .. } => "join days that have the same hours: mon-thu 20:00-23:00 +01:00".into(),
            Self::NoTicket => "name it as the change system does: --ticket INC-1234".into(),
            Self::BadPeriod => "name --minutes, --ratify-hours and --review-days within these".into(),
            Self::DueTooEarly => "give it fewer --minutes, or more --ratify-hours and --review-days".into(),
            Self::OtherApplication { .. } => "see what belongs to it: countersign application list".into(),
            Self::OtherScope { id } => format!("see what it is about: countersign break-glass show {id}"),
            Self::GlassClosed { .. } => {
                "a security officer opens another: countersign break-glass open RUN --environment ENV --reason TEXT --ticket ID".into()
            }
            Self::NoSuchEmergency { .. } => "list them: countersign break-glass list".into(),
            Self::StillOpen { id, .. } => format!("a security officer closes it: countersign break-glass close {id} --reason TEXT"),
            Self::TookPart { .. } => {
                "somebody does it who neither opened it, nor deployed, nor wrote what was deployed, nor did the other duty".into()
            }
            Self::DoneBefore { id, .. } => format!("see who did it: countersign break-glass show {id}"),
            Self::Late { .. } => "repeat it with --late: it clears the environment, and stays on record as late".into(),
            Self::NotLate { .. } => "repeat it without --late".into(),
            Self::NotRole { person, .. } => {
                format!("an administrator grants it: countersign role grant {person:?} ROLE --reason TEXT")
            }
            Self::NotALine { .. } => "say it shorter, and without line breaks".into(),
        }
    }
}

/// The long text behind the codes.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        code: "CS-FREEZE-001",
        title: "frozen",
        text: "A change freeze refuses grants and their redemption for an environment. In an emergency a security officer breaks the glass, on the record; nothing else goes past a freeze.",
        exit: Exit::Denied,
    },
    Explanation {
        code: "CS-FREEZE-002",
        title: "outside the windows",
        text: "Officers said in which hours of the week an environment is open. Grants are neither issued nor redeemed in any other.",
        exit: Exit::Denied,
    },
    Explanation {
        code: "CS-FREEZE-003",
        title: "an environment that nobody registered",
        text: "A freeze or window of a mistyped name would hold nothing up and look as if it did. So environments are registered first.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-FREEZE-004",
        title: "a freeze that is over",
        text: "The end of a freeze lies after its begin and after now.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-FREEZE-005",
        title: "no such freeze",
        text: "A freeze is named by its id or the start of it.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-FREEZE-006",
        title: "one's own freeze",
        text: "A freeze is lifted by an officer who did not put it in place.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-FREEZE-007",
        title: "lifted already",
        text: "The freeze does not hold any more.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-FREEZE-008",
        title: "too many windows",
        text: "Windows are asked at every deployment and read by people; there is a limit to both.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GLASS-001",
        title: "no ticket",
        text: "An emergency names its ticket: one word of at most 64 letters, digits, `-`, `_`, `.`, `/`, `#` and `:`, with a digit in it.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GLASS-002",
        title: "due before it is over",
        text: "An emergency is ratified and reviewed after its end, so they are due later than that.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GLASS-003",
        title: "another application",
        text: "The glass is broken for the application that the run's repository belongs to, or for that repository.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GLASS-004",
        title: "another scope",
        text: "An emergency is about one environment, one application or repository, and one commit unless it says any.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-GLASS-005",
        title: "the emergency is over",
        text: "Its time ran out, or somebody closed it. Grants under it are neither issued nor redeemed any more.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-GLASS-006",
        title: "no such emergency",
        text: "An emergency is named by its id (brk-…) or the start of it.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GLASS-007",
        title: "still open",
        text: "Whoever ratifies or reviews an emergency answers for all that was deployed in it, so that comes after its end.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-GLASS-008",
        title: "took part in it",
        text: "Ratification and review are by two people of whom neither opened the emergency, issued a grant in it, or is an author of what was deployed. The refusal is in the ledger.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-GLASS-009",
        title: "done before",
        text: "Each duty of an emergency is done once.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-GLASS-010",
        title: "after its time",
        text: "The time for this duty is over and the environment is non-compliant. Doing it late is another statement than doing it in time, so it is asked for by name.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-GLASS-011",
        title: "not late",
        text: "What is signed says truly whether the duty was done in time.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GLASS-012",
        title: "longer than an emergency may be",
        text: "The glass stays broken for a minute at least and a day at most; it is ratified within three days and reviewed within two weeks.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GRANT-006",
        title: "another ledger's grant",
        text: "A grant names the ledger that issued it. One of another ledger permits nothing here, whoever signed it.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-GRANT-007",
        title: "another environment",
        text: "A grant permits one deployment to one environment. It says nothing about any other.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-GRANT-008",
        title: "another artifact",
        text: "A grant names the artifacts that were approved by their SHA-256. What is about to be deployed is none of \
               them. Where no artifact was recorded for the run, the grant names none, and every file is another one.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-GRANT-009",
        title: "another commit",
        text: "A grant permits the commit that was judged and approved, and no other.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-GRANT-010",
        title: "not valid yet",
        text: "The token's time has not begun by this machine's clock. Thirty seconds are let pass, for clocks differ.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-GRANT-011",
        title: "expired",
        text: "A grant lives for minutes. This one is over by this machine's clock, or by the newest entry of the ledger.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-GRANT-012",
        title: "not in the ledger",
        text: "A grant exists because a release manager's signed act stands in the ledger. This one says something that no \
               act there says: it was made by somebody who holds the recorder's key, or is of a ledger that was lost.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-GRANT-013",
        title: "revoked",
        text: "A grant can be taken back until it is used. This one was. A check without the ledger cannot know that.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-GRANT-014",
        title: "too late to revoke",
        text: "A grant can be revoked while it is not used. What was deployed with it is undone by another deployment.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-GRANT-015",
        title: "the broker failed",
        text: "The grant was redeemed and the broker that hands out the credential ended without success, so nothing was \
               deployed. The ledger has it as a failed deployment. What the broker wrote is not kept.",
        exit: Exit::Internal,
    },
    Explanation {
        code: "CS-GRANT-016",
        title: "what the broker said is no environment",
        text: "A broker writes lines of NAME=VALUE, which become the environment of the deployment's command. One of its lines \
               is none. It is not shown: it may be the credential.",
        exit: Exit::Internal,
    },
    Explanation {
        code: "CS-GRANT-017",
        title: "no outcome is awaited",
        text: "`grant complete` says how a deployment ended whose grant `grant redeem` redeemed. This grant was not redeemed, \
               or its outcome is recorded.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-GRANT-018",
        title: "a role is missing",
        text: "This act takes one of the roles that are named. The refusal is in the ledger.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-GRANT-019",
        title: "not one line",
        text: "Reasons and the like stand in lists and reports, so they are one line of at most 1000 bytes.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GRANT-020",
        title: "somebody else's deployment",
        text: "Over the network only whoever redeemed a grant there says how its deployment ended: anybody else would be guessing. \
               What was redeemed where the ledger is, ends there. The refusal is in the ledger.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-GRANT-021",
        title: "no grant",
        text: "What was handed in is no grant that somebody signed for this ledger.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-GRANT-022",
        title: "another grant than is so now",
        text: "A grant that is signed on another machine has to say exactly what the server would have issued at that moment: commit, \
               artifacts, decision, approvals, what it replaces, and whether a server judged it. This one does not.",
        exit: Exit::Denied,
    },
    Explanation {
        code: "CS-GRANT-023",
        title: "not signed just now",
        text: "A grant that is signed on another machine is handed in within ten minutes, so that nobody keeps one that was signed for \
               another day.",
        exit: Exit::Denied,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_explained_once_and_in_order() {
        let codes: Vec<&str> = EXPLANATIONS.iter().map(|e| e.code).collect();
        let mut sorted = codes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(codes, sorted);
        assert_eq!(ReleaseError::NotInLedger.exit(), Exit::Unverified);
        assert_eq!(ReleaseError::NotALine { what: "it" }.exit(), Exit::Usage);
    }
}
