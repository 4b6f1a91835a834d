//! Roles of people and the approval slots they fill.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A named set of permissions, granted to a person by a signed entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Writes code.
    Developer,
    /// Approves on technical grounds.
    Engineer,
    /// Issues deploy grants.
    ReleaseManager,
    /// Activates policies, grants suppressions.
    SecurityOfficer,
    /// Approves on regulatory grounds, activates policies, grants suppressions.
    ComplianceOfficer,
    /// Reads, and asks in audits.
    Auditor,
    /// Enrols people and grants roles.
    Administrator,
}

impl Role {
    /// Every role, in the order of documents.
    pub const ALL: [Self; 7] = [
        Self::Developer,
        Self::Engineer,
        Self::ReleaseManager,
        Self::SecurityOfficer,
        Self::ComplianceOfficer,
        Self::Auditor,
        Self::Administrator,
    ];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Developer => "developer",
            Self::Engineer => "engineer",
            Self::ReleaseManager => "release-manager",
            Self::SecurityOfficer => "security-officer",
            Self::ComplianceOfficer => "compliance-officer",
            Self::Auditor => "auditor",
            Self::Administrator => "administrator",
        }
    }

    /// The text form with its article: `an engineer`, `a release-manager`.
    #[must_use]
    pub fn with_article(self) -> String {
        let article = if self.as_str().starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        format!("{article} {self}")
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such role: `{0}`")]
pub struct ParseRoleError(String);

impl FromStr for Role {
    type Err = ParseRoleError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|r| r.as_str() == s).ok_or_else(|| ParseRoleError(s.to_owned()))
    }
}

/// One of the two signatures that a release needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slot {
    /// An engineer says: it is sound.
    Technical,
    /// A compliance officer says: it is allowed.
    Regulatory,
}

impl Slot {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Technical => "technical",
            Self::Regulatory => "regulatory",
        }
    }

    /// The role whose holder may fill this slot.
    #[must_use]
    pub const fn role(self) -> Role {
        match self {
            Self::Technical => Role::Engineer,
            Self::Regulatory => Role::ComplianceOfficer,
        }
    }
}

impl std::fmt::Display for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Slot {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "technical" => Ok(Self::Technical),
            "regulatory" => Ok(Self::Regulatory),
            other => Err(format!("no such approval: `{other}` (technical or regulatory)")),
        }
    }
}
