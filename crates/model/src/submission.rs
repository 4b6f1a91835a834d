//! Commits that pipelines sent to a server to be judged there, and where what a pipeline said differs from what was decided.

use serde::{Deserialize, Serialize};

use crate::event::{Predicate, predicates};
use crate::{Digest, Outcome, PersonId, RunId, Timestamp};

/// The most that a pipeline says of gates with one submission.
pub const MOST_CLAIMS: usize = 16;

/// What a pipeline says that a gate comes to. It is advice: the server decides by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateClaim {
    /// The gate.
    pub gate: String,
    /// What the pipeline says it comes to.
    pub outcome: Outcome,
}

impl std::str::FromStr for GateClaim {
    type Err = String;

    /// Reads `GATE=OUTCOME`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a claim is GATE=OUTCOME, as in build=pass".to_owned();
        let (gate, outcome) = text.split_once('=').ok_or_else(wrong)?;
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if gate.is_empty() || gate.len() > 64 || !gate.chars().all(is_name) {
            return Err(wrong());
        }
        let outcome = Outcome::ALL.into_iter().find(|o| o.as_str() == outcome).ok_or_else(wrong)?;
        Ok(Self { gate: gate.to_owned(), outcome })
    }
}

/// Who asked for something over the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentBy {
    /// SHA-256 over who sent it and the key that they gave, where it has one: the same again is answered and not done again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Digest>,
    /// SHA-256 over what was asked, where it has a key: another question under the same key is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Digest>,
    /// Whose token was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    /// SHA-256 of that token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Digest>,
    /// Which job, where it showed the identity token of its CI system alone ([`crate::access::review::workload_identity`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
}

impl SentBy {
    /// Whether both were sent by the same person, or by a job of the same workload.
    #[must_use]
    pub fn is_same_sender(&self, other: &Self) -> bool {
        (self.person.is_some() || self.workload.is_some())
            && self.person == other.person
            && self.workload == other.workload
    }
}

predicates! {
    /// A commit came over the network to be judged; nothing was believed of it but the commit itself (NIST SP 800-53 AU-10, SI-7).
    RunSubmitted: "submission" {
        /// The run.
        run: RunId,
        /// Which attempt of it.
        attempt: u64,
        /// SHA-256 over who sent it and the key that they gave: the same again is answered and not done again.
        key: Digest,
        /// SHA-256 over what was asked, without the objects: another question under the same key is refused.
        request: Digest,
        /// Whose token was shown; none: the job showed an identity token alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        person: Option<PersonId>,
        /// SHA-256 of that token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<Digest>,
        /// Bytes of objects that were sent.
        bytes: u64,
        /// What the pipeline said of gates.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        claims: Vec<GateClaim>,
        /// When.
        time: Timestamp,
    }

    /// A pipeline said something else of a gate than was decided. The gate's owner is asked to look why.
    VerdictDiffered: "verdict-difference" {
        /// The run.
        run: RunId,
        /// Which attempt of it.
        attempt: u64,
        /// Digest of the decision.
        decision: Digest,
        /// The gate.
        gate: String,
        /// What the pipeline said.
        claimed: Outcome,
        /// What was decided, missing approvals aside.
        decided: Outcome,
        /// When.
        time: Timestamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_a_gate_and_an_outcome() {
        let read = |text: &str| text.parse::<GateClaim>().ok();
        assert_eq!(read("build=pass"), Some(GateClaim { gate: "build".into(), outcome: Outcome::Pass }));
        assert_eq!(read("pre-commit=fail").map(|c| c.outcome), Some(Outcome::Fail));
        for bad in ["", "build", "build=", "=pass", "build=good", "Build=pass", "a b=pass", "build=pass=pass"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
