//! What a decision says: for each gate its outcome, and the reasons with the controls they touch.

use countersign_model::{Outcome, Slot, Timestamp};
use serde::{Deserialize, Serialize};

use crate::enforcement::{Applied, Enforced, Standing};

/// What a reason does to its gate. Ordered by how strongly it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// A condition is broken: the gate fails.
    Deny,
    /// Something could not be decided: the gate errs, which never passes.
    Error,
    /// Somebody has to do something first: the gate is pending.
    Wait,
    /// Worth reading; changes nothing.
    Note,
}

impl Effect {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Error => "error",
            Self::Wait => "wait",
            Self::Note => "note",
        }
    }

    /// The outcome that this effect forces on its gate; a note forces none.
    #[must_use]
    pub const fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Deny => Some(Outcome::Fail),
            Self::Error => Some(Outcome::Error),
            Self::Wait => Some(Outcome::Pending),
            Self::Note => None,
        }
    }
}

impl std::fmt::Display for Effect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a gate has its outcome, or a note about it. Ordered by effect, then code, then text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// What it does to the gate.
    pub effect: Effect,
    /// A short stable name (`finding`, `no-trust-root`), the same for every reason of one kind.
    pub code: String,
    /// One sentence for people: what is the matter and what to do. No control characters.
    pub text: String,
    /// Ids of the controls it touches, sorted.
    pub controls: Vec<String>,
    /// How it is enforced; none: it is a note, or follows from another gate, or the decision is of version 1, where
    /// everything blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforced: Option<Enforced>,
}

impl Reason {
    /// The outcome that it forces on its gate; none where it holds nothing up.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self.enforced.as_ref().map_or(Standing::Blocks, |e| e.standing) {
            Standing::Blocks => self.effect.outcome(),
            Standing::Advised | Standing::Audited => None,
            Standing::Waived | Standing::Overridden => Some(Outcome::Waived),
            Standing::Mitigated => Some(Outcome::Mitigated),
        }
    }

    /// Whether it holds its gate up.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.outcome().is_some_and(|outcome| !outcome.opens())
    }
}

/// What one gate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateVerdict {
    /// `pre-commit`, `build` or `release`.
    pub name: String,
    /// Computed from the effects of the reasons, never taken from the policy.
    pub outcome: Outcome,
    /// Names of the checks that ran, sorted. A gate without any never passes.
    pub checks: Vec<String>,
    /// Sorted, without repetition.
    pub reasons: Vec<Reason>,
    /// The approvals that the gate needs besides, sorted.
    pub requires: Vec<Slot>,
    /// Ids of the controls that the gate serves, sorted.
    pub controls: Vec<String>,
}

/// What a policy bundle says about a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// `pre-commit`, `build` and `release`, in this order.
    pub gates: Vec<GateVerdict>,
    /// When the first thing that the verdict rests on ends; after that it must be computed again.
    /// `None`: it rests on nothing that ends.
    pub expires: Option<Timestamp>,
    /// What was enforced and what was lifted; none in a decision of version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Applied>,
}

impl Verdict {
    /// The gate of that name.
    #[must_use]
    pub fn gate(&self, name: &str) -> Option<&GateVerdict> {
        self.gates.iter().find(|g| g.name == name)
    }
}
