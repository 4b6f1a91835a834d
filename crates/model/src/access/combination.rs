//! Roles that should not meet in one person (segregation of duties: PCI DSS v4.0.1 6.5.4, 7.2.2; NIST 800-53r5 AC-5).

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Role;

/// Roles that should not meet in one person. Whatever they are, one person fills one slot of one release: what a combination
/// takes away is the second pair of eyes on the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Combination {
    /// Engineer and compliance officer: could give either approval.
    ApprovesBothWays,
    /// Release manager and somebody who approves.
    ReleasesAndApproves,
    /// Administrator and anything else: gives out what they use.
    AdministersAndActs,
}

impl Combination {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::ApprovesBothWays, Self::ReleasesAndApproves, Self::AdministersAndActs];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApprovesBothWays => "approves-both-ways",
            Self::ReleasesAndApproves => "releases-and-approves",
            Self::AdministersAndActs => "administers-and-acts",
        }
    }

    /// What meets in one person, and what is wrong with it.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::ApprovesBothWays => "engineer and compliance-officer: one person could give either approval",
            Self::ReleasesAndApproves => "release-manager and an approver: who approves should not release",
            Self::AdministersAndActs => "administrator and another role: who gives out roles should not use them",
        }
    }

    /// Whether these roles are such a combination.
    #[must_use]
    pub fn meets(self, roles: &BTreeSet<Role>) -> bool {
        let has = |role: Role| roles.contains(&role);
        match self {
            Self::ApprovesBothWays => has(Role::Engineer) && has(Role::ComplianceOfficer),
            Self::ReleasesAndApproves => {
                has(Role::ReleaseManager) && (has(Role::Engineer) || has(Role::ComplianceOfficer))
            }
            Self::AdministersAndActs => has(Role::Administrator) && roles.len() > 1,
        }
    }

    /// The combinations that another role makes of somebody who holds `roles`.
    #[must_use]
    pub fn made_by(roles: &BTreeSet<Role>, another: Role) -> Vec<Self> {
        let mut with = roles.clone();
        with.insert(another);
        Self::ALL.into_iter().filter(|c| c.meets(&with) && !c.meets(roles)).collect()
    }
}

impl std::fmt::Display for Combination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Combination {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|c| c.as_str() == s).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|c| c.as_str()).collect();
            format!("no such combination; known are {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_combination_is_made_by_the_role_that_completes_it() {
        use Role::{Administrator, Auditor, ComplianceOfficer, Developer, Engineer, ReleaseManager};
        let made = |held: &[Role], another| Combination::made_by(&held.iter().copied().collect(), another);
        assert_eq!(made(&[Engineer], ComplianceOfficer), [Combination::ApprovesBothWays]);
        assert_eq!(made(&[ComplianceOfficer], Engineer), [Combination::ApprovesBothWays]);
        assert_eq!(made(&[Engineer], ReleaseManager), [Combination::ReleasesAndApproves]);
        assert_eq!(made(&[Auditor], Administrator), [Combination::AdministersAndActs]);
        assert_eq!(made(&[Developer], Engineer), []);
        assert_eq!(made(&[], Administrator), []);
        // What is there already is not made again.
        assert_eq!(made(&[Administrator, Engineer], Developer), []);
        for one in Combination::ALL {
            assert_eq!(one.as_str().parse(), Ok(one));
            assert_eq!(serde_json::to_value(one).unwrap(), one.as_str());
        }
    }
}
