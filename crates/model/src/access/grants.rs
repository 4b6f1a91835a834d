//! Deploy grants as tools carry them, and what takes one back.

use serde::{Deserialize, Serialize};

use crate::event::{Artifact, GrantIssued, Predicate, predicates};
use crate::{BreakGlassId, Digest, GrantId, PersonId, RunId, Timestamp};

predicates! {
    /// A grant is taken back before it was used.
    GrantRevoked: "grant-revocation" {
        /// The ledger this is said to.
        origin: String,
        /// The grant.
        grant: GrantId,
        /// Who takes it back.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }
}

/// What a grant's token says (RFC 7519). All of it follows from the signed act and the act's place in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantClaims {
    /// The ledger's origin.
    pub iss: String,
    /// The repository.
    pub sub: String,
    /// The environment, as the one that the token is meant for.
    pub aud: String,
    /// The grant.
    pub jti: GrantId,
    /// When it was issued, in seconds since the Unix epoch.
    pub iat: i64,
    /// From when it holds.
    pub nbf: i64,
    /// From when on it does not hold any more; never later than the act says.
    pub exp: i64,
    /// The run.
    pub run: RunId,
    /// The commit.
    pub commit: String,
    /// Its tree.
    pub tree: String,
    /// The artifacts, by digest.
    pub artifacts: Vec<Artifact>,
    /// The environment.
    pub environment: String,
    /// The decision it rests on.
    pub decision: Digest,
    /// The log index of the signed act.
    pub index: u64,
    /// Judged by the machine that ran it, not by a server.
    pub self_judged: bool,
    /// The emergency under which it goes past the gates; none: every gate was satisfied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BreakGlassId>,
}

impl GrantClaims {
    /// The claims of a grant that stands in the log at `index`.
    #[must_use]
    pub fn of(grant: &GrantIssued, index: u64) -> Self {
        let issued = grant.time.millis().div_euclid(1000);
        Self {
            iss: grant.origin.clone(),
            sub: grant.repository.clone(),
            aud: grant.environment.clone(),
            jti: grant.grant.clone(),
            iat: issued,
            nbf: issued,
            exp: grant.expires.millis().div_euclid(1000),
            run: grant.run.clone(),
            commit: grant.commit.clone(),
            tree: grant.tree.clone(),
            artifacts: grant.artifacts.clone(),
            environment: grant.environment.clone(),
            decision: grant.decision,
            index,
            self_judged: grant.self_judged,
            break_glass: grant.break_glass.clone(),
        }
    }
}
