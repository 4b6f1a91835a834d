//! Whether there are people at all who could fill the slots: asked when rules are put in effect, and whenever people leave.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::access::{Duty, MergedRules, SlotName, SlotRule, Strength};
use countersign_model::{PersonId, Role};

use super::Signer;
use super::matching::{Matching, bits};

/// Slots that nobody can fill all at once: there are more seats than people who may take one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfillable {
    /// The slots, and how many signatures each needs.
    pub slots: Vec<(SlotName, u32)>,
    /// Everybody who may fill any of them.
    pub people: Vec<PersonId>,
    /// How many people are missing.
    pub missing: usize,
    /// What somebody must be to help: roles, and how strong a key.
    pub wanted: BTreeSet<(Role, Strength)>,
}

impl Unfillable {
    /// One sentence; `people` are the names of those who may fill any of the slots.
    #[must_use]
    pub fn text(&self, people: &[String]) -> String {
        let slots: Vec<String> =
            self.slots.iter().map(|(s, n)| if *n == 1 { s.to_string() } else { format!("{n} × {s}") }).collect();
        let have = match people {
            [] => "nobody enrolled may sign".to_owned(),
            some => format!("only {} may sign", some.join(", ")),
        };
        let wanted: Vec<String> = self
            .wanted
            .iter()
            .map(|(role, strength)| match strength {
                Strength::Key => role.with_article(),
                Strength::Hardware => format!("{} with a hardware key", role.with_article()),
            })
            .collect();
        let more =
            if self.missing == 1 { "1 more person is".to_owned() } else { format!("{} more people are", self.missing) };
        format!("for {} {have}; {more} needed: {}", slots.join(" and "), wanted.join(" or "))
    }
}

/// The name under which the deployer stands among the slots.
const DEPLOYER: &str = "deployer";

/// Whoever deploys as one more seat, where they must have filled none of the slots; their role is release-manager.
#[must_use]
pub fn deployer_seat(rules: &MergedRules) -> Option<SlotRule> {
    let slot: SlotName = DEPLOYER.parse().ok()?;
    let seat = SlotRule {
        slot,
        roles: [Role::ReleaseManager].into(),
        count: 1,
        excludes: rules.deployer_excludes.clone(),
        after: BTreeSet::new(),
        valid_hours: None,
        strength: Strength::Key,
    };
    rules.bars_deployer(Duty::Approver).then_some(seat)
}

/// Whether distinct people could fill every slot, if all of them signed. What they do in a run is not known yet: who writes part
/// of it is one less.
///
/// # Errors
/// The slots that they cannot, and who is missing.
pub fn fillable(slots: &[SlotRule], people: &BTreeMap<PersonId, Signer>) -> Result<(), Unfillable> {
    let mut seats = Vec::with_capacity(slots.len());
    let mut next = 0_u32;
    for rule in slots {
        let fits = rule.count.min(64_u32.saturating_sub(next));
        seats.push((0..fits).fold(0_u64, |word, n| word | (1 << (next + n))));
        next += fits;
    }
    let may_fill =
        |rule: &SlotRule, s: &Signer| s.strength >= rule.strength && rule.roles.iter().any(|r| s.roles.contains(r));
    let may: Vec<u64> = people
        .values()
        .map(|s| slots.iter().zip(&seats).filter(|(rule, _)| may_fill(rule, s)).fold(0, |all, (_, seats)| all | seats))
        .collect();
    let wanted = seats.iter().fold(0, |all, s| all | s);
    let matching = Matching::of(&may, wanted);
    let Some(violated) = matching.violator(&may) else { return Ok(()) };
    let mut found = Unfillable { slots: Vec::new(), people: Vec::new(), missing: 0, wanted: BTreeSet::new() };
    let mut needed = 0_usize;
    let mut all = 0;
    for (rule, own) in slots.iter().zip(&seats) {
        // The seats of one slot are alike: with one of them comes every one.
        if own & violated != 0 {
            all |= own;
            needed += bits(*own).count();
            found.slots.push((rule.slot.clone(), rule.count));
            found.wanted.extend(rule.roles.iter().map(|r| (*r, rule.strength)));
        }
    }
    found.people = people.keys().zip(&may).filter(|(_, may)| **may & all != 0).map(|(p, _)| p.clone()).collect();
    found.missing = needed.saturating_sub(found.people.len()).max(1);
    Err(found)
}
