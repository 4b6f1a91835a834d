//! Enumerations with a text form: how much an application matters, where it runs, what it holds, how strongly a control
//! is enforced.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is none of the words there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such {what}: `{}` (known are {known})", text.escape_debug())]
pub struct ParseWordError {
    what: &'static str,
    text: String,
    known: String,
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// Every one, from the weakest to the strongest.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The text form.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = ParseWordError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|w| w.as_str() == text).ok_or_else(|| ParseWordError {
                    what: $what,
                    text: text.chars().take(80).collect(),
                    known: Self::ALL.iter().map(|w| w.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    )*};
}

words! {
    /// How much depends on an application.
    Criticality, "criticality" {
        /// Little.
        Low = "low",
        /// Something.
        Medium = "medium",
        /// Much.
        High = "high",
        /// The firm.
        Critical = "critical",
    }

    /// What an environment is for.
    Tier, "tier" {
        /// Where code is written.
        Development = "development",
        /// Where it is tried.
        Test = "test",
        /// Where it is tried as it will run.
        PreProduction = "pre-production",
        /// Where clients and markets meet it.
        Production = "production",
    }

    /// Whether an application belongs to the cardholder data environment (PCI DSS v4.0.1, 12.5.2).
    CardholderScope, "cardholder scope" {
        /// It has no part in it.
        Out = "out",
        /// It can reach it, or protects it.
        Connected = "connected",
        /// It stores, processes or transmits cardholder data.
        In = "in",
    }

    /// What kind of data an application holds.
    DataClass, "data class" {
        /// Anybody may know.
        Public = "public",
        /// For the firm alone.
        Internal = "internal",
        /// What clients entrust to the firm: positions, orders, terms.
        ClientConfidential = "client-confidential",
        /// What could move a market before it is public.
        MarketSensitive = "market-sensitive",
        /// Data about people.
        Personal = "personal",
        /// Payment cards.
        Cardholder = "cardholder",
    }

    /// How strongly a control is enforced.
    Level, "level" {
        /// What is wrong is recorded, and nobody is held up.
        Audit = "audit",
        /// As audit, and whoever releases is told.
        Advisory = "advisory",
        /// It blocks, until somebody who may overrides it by signature.
        Soft = "soft",
        /// It blocks, and only another assignment changes that.
        Hard = "hard",
    }

    /// Why a broken control may stand for a while.
    WaiverCategory, "category" {
        /// The risk is accepted.
        Waived = "waived",
        /// Another control meets the objective.
        Mitigated = "mitigated",
    }

    /// What a gate does when it cannot be asked.
    FailureMode, "failure mode" {
        /// Nothing goes through.
        Closed = "closed",
        /// It holds nothing up. Only a gate whose controls are all at the level audit may be so.
        Open = "open",
    }
}

impl Level {
    /// Whether a broken control of this level holds a change up.
    #[must_use]
    pub const fn blocks(self) -> bool {
        matches!(self, Self::Soft | Self::Hard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_ordered_from_weak_to_strong_and_read_back() {
        assert!(Level::Audit < Level::Advisory && Level::Advisory < Level::Soft && Level::Soft < Level::Hard);
        assert!(Criticality::Low < Criticality::Critical && Tier::Development < Tier::Production);
        for level in Level::ALL {
            assert_eq!(level.as_str().parse(), Ok(*level));
            assert_eq!(serde_json::to_value(level).unwrap(), level.as_str());
        }
        let e = "strict".parse::<Level>().unwrap_err().to_string();
        assert!(e.contains("strict") && e.contains("audit, advisory, soft, hard"), "{e}");
    }
}
