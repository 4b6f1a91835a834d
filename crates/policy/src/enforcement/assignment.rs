//! The assignment: which level a control has where.

use std::collections::{BTreeMap, BTreeSet};

use countersign_evidence::canonical;
use countersign_model::governance::{Criticality, Level, Tier};
use countersign_model::{Digest, Role};
use serde::{Deserialize, Serialize};

use crate::Error;

/// What stands for every control in a rule.
pub(super) const EVERY: &str = "*";

/// Levels by control, tier and criticality.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// Format version, 1.
    pub version: u32,
    /// The level where no rule speaks.
    pub default: Level,
    /// Who may override what is soft, where a rule names nobody else.
    #[serde(rename = "override")]
    pub overrider: Role,
    /// The rules; their order means nothing.
    pub rules: Vec<Rule>,
}

/// A level for some controls at some places. Where several rules fit, the strictest holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Ids of controls, or `*` for all.
    pub controls: Vec<String>,
    /// Tiers; empty: all.
    pub tiers: Vec<Tier>,
    /// Criticalities; empty: all.
    pub criticality: Vec<Criticality>,
    /// The level.
    pub level: Level,
    /// Who may override it, if it is soft and not the assignment's own role.
    #[serde(rename = "override")]
    pub overrider: Option<Role>,
    /// Why.
    pub why: String,
}

/// One place: a tier and a criticality.
pub type Cell = (Tier, Criticality);

/// How a control's level differs between two assignments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The control.
    pub control: String,
    /// Where.
    pub cell: Cell,
    /// The level before.
    pub before: Level,
    /// The level after.
    pub after: Level,
}

impl Rule {
    fn speaks_of(&self, control: &str, (tier, criticality): Cell) -> bool {
        self.controls.iter().any(|c| c == control || c == EVERY)
            && (self.tiers.is_empty() || self.tiers.contains(&tier))
            && (self.criticality.is_empty() || self.criticality.contains(&criticality))
    }
}

impl Assignment {
    /// What holds without an assignment: everything is hard.
    #[must_use]
    pub const fn none() -> Self {
        Self { version: 1, default: Level::Hard, overrider: Role::SecurityOfficer, rules: Vec::new() }
    }

    /// Every place.
    #[must_use]
    pub fn cells() -> Vec<Cell> {
        places(None, None)
    }

    /// The level of a control at a place.
    #[must_use]
    pub fn level_at(&self, control: &str, cell: Cell) -> Level {
        let spoken = self.rules.iter().filter(|r| r.speaks_of(control, cell)).map(|r| r.level).max();
        spoken.unwrap_or(self.default)
    }

    /// The level of a control where tier or criticality may be unknown: then the strictest of all that could be meant.
    #[must_use]
    pub fn level(&self, control: &str, tier: Option<Tier>, criticality: Option<Criticality>) -> Level {
        let levels = places(tier, criticality).into_iter().map(|cell| self.level_at(control, cell));
        levels.max().unwrap_or(Level::Hard)
    }

    /// The roles of which whoever overrides what concerns these controls must hold every one. Where no rule makes one of them
    /// soft (a repository tightened it), it is the assignment's own.
    #[must_use]
    pub fn overriders(
        &self,
        controls: &[String],
        tier: Option<Tier>,
        criticality: Option<Criticality>,
    ) -> BTreeSet<Role> {
        let mut roles = BTreeSet::new();
        for control in controls {
            for cell in places(tier, criticality) {
                if self.level_at(control, cell) != Level::Soft {
                    continue;
                }
                let soft = self.rules.iter().filter(|r| r.level == Level::Soft && r.speaks_of(control, cell));
                let mut named = soft.map(|r| r.overrider.unwrap_or(self.overrider)).peekable();
                if named.peek().is_none() {
                    roles.insert(self.overrider);
                }
                roles.extend(named);
            }
        }
        if roles.is_empty() {
            roles.insert(self.overrider);
        }
        roles
    }

    /// What differs in `after`, for these controls.
    #[must_use]
    pub fn changes<'a>(&self, after: &Self, controls: impl IntoIterator<Item = &'a str>) -> Vec<Change> {
        let mut changes = Vec::new();
        for control in controls {
            for cell in Self::cells() {
                let (was, is) = (self.level_at(control, cell), after.level_at(control, cell));
                if was != is {
                    changes.push(Change { control: control.to_owned(), cell, before: was, after: is });
                }
            }
        }
        changes
    }

    /// The levels of a control by place.
    #[must_use]
    pub fn levels(&self, control: &str) -> BTreeMap<Cell, Level> {
        Self::cells().into_iter().map(|cell| (cell, self.level_at(control, cell))).collect()
    }

    /// The canonical bytes (RFC 8785): what is digested and attached to its activation.
    ///
    /// # Errors
    /// When there is no canonical form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        canonical::to_vec(self).map_err(Error::canonical)
    }

    /// SHA-256 of the canonical bytes.
    ///
    /// # Errors
    /// When there is no canonical form.
    pub fn digest(&self) -> Result<Digest, Error> {
        Ok(Digest::of(&self.to_bytes()?))
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// When they are not canonical or no assignment of version 1.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let assignment: Self = canonical::from_slice(bytes).map_err(Error::canonical)?;
        if assignment.version == 1 { Ok(assignment) } else { Err(Error::AssignmentVersion(assignment.version)) }
    }
}

/// Every place that a tier and a criticality could mean.
fn places(tier: Option<Tier>, criticality: Option<Criticality>) -> Vec<Cell> {
    let tiers = tier.map_or_else(|| Tier::ALL.to_vec(), |t| vec![t]);
    let criticalities = criticality.map_or_else(|| Criticality::ALL.to_vec(), |c| vec![c]);
    tiers.into_iter().flat_map(|t| criticalities.iter().map(move |c| (t, *c))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(controls: &[&str], tiers: &[Tier], criticality: &[Criticality], level: Level) -> Rule {
        Rule {
            controls: controls.iter().map(|c| (*c).to_owned()).collect(),
            tiers: tiers.to_vec(),
            criticality: criticality.to_vec(),
            level,
            overrider: None,
            why: "because".to_owned(),
        }
    }

    fn assignment() -> Assignment {
        Assignment {
            rules: vec![
                rule(&["*"], &[Tier::Test], &[], Level::Audit),
                rule(&["a"], &[Tier::Test], &[Criticality::Critical], Level::Hard),
                rule(&["b"], &[], &[Criticality::Low], Level::Soft),
            ],
            ..Assignment::none()
        }
    }

    #[test]
    fn the_strictest_rule_that_fits_holds_and_without_one_the_default() {
        let a = assignment();
        assert_eq!(a.level_at("a", (Tier::Test, Criticality::Low)), Level::Audit);
        assert_eq!(a.level_at("a", (Tier::Test, Criticality::Critical)), Level::Hard);
        assert_eq!(a.level_at("b", (Tier::Test, Criticality::Low)), Level::Soft);
        assert_eq!(a.level_at("c", (Tier::Production, Criticality::Low)), Level::Hard);
        let mut other = a.clone();
        other.rules.reverse();
        for cell in Assignment::cells() {
            for control in ["a", "b", "c"] {
                assert_eq!(a.level_at(control, cell), other.level_at(control, cell), "order means nothing");
            }
        }
    }

    #[test]
    fn what_is_not_known_is_the_strictest_of_all() {
        let a = assignment();
        assert_eq!(a.level("b", Some(Tier::Test), Some(Criticality::Low)), Level::Soft);
        assert_eq!(a.level("c", Some(Tier::Test), None), Level::Audit);
        assert_eq!(a.level("a", Some(Tier::Test), None), Level::Hard);
        assert_eq!(a.level("c", None, Some(Criticality::Low)), Level::Hard);
    }

    #[test]
    fn what_is_soft_is_overridden_by_the_role_that_is_named() {
        let mut a = assignment();
        let b = ["b".to_owned()];
        let at = |a: &Assignment, c: &[String]| a.overriders(c, Some(Tier::Production), Some(Criticality::Low));
        assert_eq!(at(&a, &b), [Role::SecurityOfficer].into());
        a.rules[2].overrider = Some(Role::ComplianceOfficer);
        assert_eq!(at(&a, &b), [Role::ComplianceOfficer].into());
        assert_eq!(at(&a, &["c".to_owned()]), [Role::SecurityOfficer].into());
    }

    #[test]
    fn it_survives_its_bytes_and_a_change_is_named() {
        let a = assignment();
        assert_eq!(Assignment::from_bytes(&a.to_bytes().unwrap()).unwrap(), a);
        assert!(Assignment::from_bytes(b"{}").is_err());
        let changes = Assignment::none().changes(&a, ["b"]);
        assert_eq!(changes.len(), 7, "four tiers at low, and test at the three others");
        assert!(changes.iter().all(|c| c.before == Level::Hard));
    }

    proptest::proptest! {
        #[test]
        fn not_to_know_is_never_to_be_judged_less_strictly(
            rules in proptest::collection::vec((0_usize..4, 0_usize..16, 0_usize..16, 0_usize..4), 0..6),
            default in 0_usize..4,
        ) {
            let some = |bits: usize| (0..4).filter(move |n| bits & (1 << n) != 0);
            let rules = rules.into_iter().map(|(control, tiers, criticalities, level)| {
                let tiers: Vec<Tier> = some(tiers).map(|n| Tier::ALL[n]).collect();
                let criticalities: Vec<Criticality> = some(criticalities).map(|n| Criticality::ALL[n]).collect();
                rule(&[["a", "b", "c", "*"][control]], &tiers, &criticalities, Level::ALL[level])
            });
            let a = Assignment { rules: rules.collect(), default: Level::ALL[default], ..Assignment::none() };
            for control in ["a", "b", "z"] {
                for (tier, criticality) in Assignment::cells() {
                    let known = a.level(control, Some(tier), Some(criticality));
                    proptest::prop_assert!(a.level(control, None, Some(criticality)) >= known);
                    proptest::prop_assert!(a.level(control, Some(tier), None) >= known);
                    proptest::prop_assert!(a.level(control, None, None) >= a.level(control, Some(tier), None));
                }
            }
        }
    }
}
