//! What can be wrong with a grant, a freeze or an emergency, each with a stable code.

use countersign_evidence::grant_token::TokenFault;
use countersign_model::{Diagnostic, Exit, Explanation, GrantId, Timestamp};

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
            Self::NotRole { .. } => "CS-GRANT-018",
            Self::NotALine { .. } => "CS-GRANT-019",
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
            Self::Broker { .. } | Self::BrokerOutput { .. } => {
                "the grant is used; put the broker right and have another one issued: countersign grant issue".into()
            }
            Self::NotRole { person, .. } => {
                format!("an administrator grants it: countersign role grant {person:?} ROLE")
            }
            Self::NotALine { .. } => "say it shorter, and without line breaks".into(),
        }
    }
}

/// The long text behind the codes.
pub const EXPLANATIONS: &[Explanation] = &[
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
