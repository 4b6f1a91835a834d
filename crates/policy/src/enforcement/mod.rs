//! Enforcement: how strongly what a policy says holds a change up. It is no part of the Rego, so that a policy's author
//! cannot choose it and a level can change without another policy.
//!
//! A policy says *what is wrong*, with the controls that it concerns. An [`Assignment`], activated by an officer's signature,
//! says for each control, tier of the environment and criticality of the application how strongly it is enforced:
//!
//! | level | a `deny`, `wait` or `error` |
//! |---|---|
//! | `audit` | stands in the decision and holds nobody up |
//! | `advisory` | the same, and whoever looks at the gate is told |
//! | `soft` | blocks, until somebody with the role that the assignment names overrides exactly this reason by signature |
//! | `hard` | blocks; only another assignment changes that |
//!
//! What concerns several controls has the strictest of their levels; what concerns none is `hard`. Without an assignment all
//! is `hard`. A tier or a criticality that is not known is the strictest of all.
//!
//! A waiver ([`WaiverFact`]) lifts a `deny` or `wait` for a while; it never lifts an `error`, for nobody can accept what nobody
//! could look at. A waiver that is about findings is told apart by evaluating the policy again without them: a reason that is
//! not there then was about them. So it works with any policy, and a reason that comes up only without them blocks.
//!
//! All of it is a function of the facts, the bundle, the assignment and the frozen time, and is replayed with them.

mod apply;
mod assignment;
mod facts;
mod parse;
mod scope;

pub use apply::reason_digest;
pub use assignment::{Assignment, Cell, Change, Rule};
pub use facts::{ApplicationFact, EnvironmentFact, OverrideFact, WaiverFact};
pub use scope::FindingScope;

pub(crate) use apply::verdict;
pub(crate) use facts::Governed;

use countersign_model::governance::{Criticality, Level, Tier};
use countersign_model::{Digest, WaiverId};
use serde::{Deserialize, Serialize};

/// What became of a reason that would hold its gate up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It holds the gate up.
    Blocks,
    /// It does not: its controls are advisory at most.
    Advised,
    /// It does not: its controls are audited only.
    Audited,
    /// It does not: the risk is accepted by signature.
    Waived,
    /// It does not: another control meets the objective, as signed.
    Mitigated,
    /// It does not: somebody overrode it by signature.
    Overridden,
}

impl Standing {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::Advised => "advised",
            Self::Audited => "audited",
            Self::Waived => "waived",
            Self::Mitigated => "mitigated",
            Self::Overridden => "overridden",
        }
    }
}

/// How a reason is enforced. Ordered, so that reasons stay sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enforced {
    /// The strictest level of the controls that it concerns.
    pub level: Level,
    /// What became of it.
    pub standing: Standing,
    /// The waiver or override that lifted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// What was enforced, and what was lifted: part of a verdict of version 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applied {
    /// The assignment in effect; none: everything is hard.
    pub assignment: Option<Digest>,
    /// The tier of the environment; none: it is not registered, and the strictest level of all tiers holds.
    pub tier: Option<Tier>,
    /// The criticality of the application; none: the repository belongs to none, and the strictest level of all holds.
    pub criticality: Option<Criticality>,
    /// The waivers that are about this change, sorted by id.
    pub waivers: Vec<AppliedWaiver>,
    /// The overrides that lifted something, sorted.
    pub overrides: Vec<String>,
}

/// What one waiver did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppliedWaiver {
    /// The waiver.
    pub id: WaiverId,
    /// How many findings it covers.
    pub findings: u64,
    /// How many reasons it lifted.
    pub reasons: u64,
}
