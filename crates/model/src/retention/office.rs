//! The offices that stand for a firm's records before its examiners.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An office under 17 CFR 240.17a-4(f)(3)(v): who can be asked for the records, and who is trusted to fetch them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Office {
    /// The executive officer who undertakes to furnish the records.
    DesignatedExecutiveOfficer,
    /// The unaffiliated third party who undertakes it instead, or as well.
    DesignatedThirdParty,
    /// An officer whom the executive officer appoints to act for them.
    Officer,
    /// A specialist whom the executive officer appoints to fetch records.
    Specialist,
}

impl Office {
    /// Every office, in the order of documents.
    pub const ALL: [Self; 4] =
        [Self::DesignatedExecutiveOfficer, Self::DesignatedThirdParty, Self::Officer, Self::Specialist];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DesignatedExecutiveOfficer => "designated-executive-officer",
            Self::DesignatedThirdParty => "designated-third-party",
            Self::Officer => "officer",
            Self::Specialist => "specialist",
        }
    }

    /// How many people may hold it at a time.
    #[must_use]
    pub const fn limit(self) -> usize {
        match self {
            Self::DesignatedExecutiveOfficer | Self::DesignatedThirdParty => 1,
            Self::Officer => 2,
            Self::Specialist => 3,
        }
    }

    /// Whether the designated executive officer appoints it, rather than a compliance officer or administrator.
    #[must_use]
    pub const fn is_appointed_by_executive(self) -> bool {
        matches!(self, Self::Officer | Self::Specialist)
    }
}

impl fmt::Display for Office {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Office {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let known = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL.into_iter().find(|o| o.as_str() == s).ok_or_else(|| format!("no such office; known are {}", known()))
    }
}
