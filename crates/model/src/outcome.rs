//! Outcomes of gates and controls, and how they combine: denial beats waiting, waiting beats passing.

use serde::{Deserialize, Serialize};

/// The outcome of a gate or a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every condition holds.
    Pass,
    /// A condition is broken.
    Fail,
    /// It could not be decided; never a pass.
    Error,
    /// It waits for somebody or something.
    Pending,
    /// Broken, and the risk was accepted by signature.
    Waived,
    /// Broken, and a compensating control holds.
    Mitigated,
    /// The condition does not apply here.
    NotApplicable,
    /// Nobody looked.
    NotEvaluated,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 8] = [
        Self::Pass,
        Self::Fail,
        Self::Error,
        Self::NotEvaluated,
        Self::Pending,
        Self::Waived,
        Self::Mitigated,
        Self::NotApplicable,
    ];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Pending => "pending",
            Self::Waived => "waived",
            Self::Mitigated => "mitigated",
            Self::NotApplicable => "not-applicable",
            Self::NotEvaluated => "not-evaluated",
        }
    }

    /// How strongly this outcome holds against the others; the highest wins.
    const fn weight(self) -> u8 {
        match self {
            Self::Fail => 7,
            Self::Error => 6,
            Self::NotEvaluated => 5,
            Self::Pending => 4,
            Self::Waived => 3,
            Self::Mitigated => 2,
            Self::Pass => 1,
            Self::NotApplicable => 0,
        }
    }

    /// The outcome of two things that must both hold.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        if self.weight() >= other.weight() { self } else { other }
    }

    /// The outcome of many; nothing at all is `NotEvaluated`, for "no rule matched" is never a pass.
    #[must_use]
    pub fn all(outcomes: impl IntoIterator<Item = Self>) -> Self {
        outcomes.into_iter().reduce(Self::and).unwrap_or(Self::NotEvaluated)
    }

    /// Whether a gate with this outcome lets a change through.
    #[must_use]
    pub const fn opens(self) -> bool {
        matches!(self, Self::Pass | Self::Waived | Self::Mitigated | Self::NotApplicable)
    }

    /// Whether this is a no, apart from a not-yet.
    #[must_use]
    pub const fn denies(self) -> bool {
        matches!(self, Self::Fail | Self::Error | Self::NotEvaluated)
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denial_beats_waiting_beats_passing() {
        assert_eq!(Outcome::Pass.and(Outcome::Pending), Outcome::Pending);
        assert_eq!(Outcome::Pending.and(Outcome::Fail), Outcome::Fail);
        assert_eq!(Outcome::Error.and(Outcome::Pending), Outcome::Error);
        assert_eq!(Outcome::all([]), Outcome::NotEvaluated);
        assert!(!Outcome::NotEvaluated.opens());
    }
}
