//! Approval rules: which slots must be signed where, by whom, in which order, and for how long that holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::governance::{Criticality, Tier};
use crate::{Role, Slot};

/// The longest name of a slot, in bytes.
const LONGEST_NAME: usize = 32;
/// The most signatures that one place may need in all: the matching holds them as bits of one word.
pub const MOST_SEATS: u32 = 64;
/// The longest time an approval may count for, in hours: a year.
pub const LONGEST_VALIDITY: u32 = 366 * 24;

/// The name of a required signature: `technical`, `regulatory`, or one of the firm's own. Lower-case letters, digits and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SlotName(String);

/// The text is no name of a slot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no name of an approval: `{}` (a small letter first, then small letters, digits and `-`, 32 at most)", .0.escape_debug())]
pub struct ParseSlotError(String);

impl SlotName {
    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which of the two slots that policies know this is.
    #[must_use]
    pub fn known(&self) -> Option<Slot> {
        self.0.parse().ok()
    }
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for SlotName {
    type Err = ParseSlotError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for SlotName {
    type Error = ParseSlotError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let sound = text.len() <= LONGEST_NAME
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if sound { Ok(Self(text)) } else { Err(ParseSlotError(text.chars().take(80).collect())) }
    }
}

impl From<SlotName> for String {
    fn from(name: SlotName) -> Self {
        name.0
    }
}

impl From<Slot> for SlotName {
    fn from(slot: Slot) -> Self {
        Self(slot.as_str().to_owned())
    }
}

/// What somebody does, or did, for a release. Two that must not meet in one person are kept apart by [`SlotRule::excludes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duty {
    /// Signed a covered commit, or claimed one that nobody signed.
    Author,
    /// Claimed a covered commit that somebody else signed.
    CoAuthor,
    /// Brought the commits to where they are built, as a verified workload or forge says.
    Pusher,
    /// Wrote a covered commit that touches what defines the pipeline.
    PipelineEditor,
    /// Put the policy bundle in effect, or wrote a covered commit that touches the source of a bundle.
    PolicyEditor,
    /// Fills a slot.
    Approver,
    /// Issues the grant.
    Deployer,
}

impl Duty {
    /// Every duty, in the order of documents.
    pub const ALL: [Self; 7] = [
        Self::Author,
        Self::CoAuthor,
        Self::Pusher,
        Self::PipelineEditor,
        Self::PolicyEditor,
        Self::Approver,
        Self::Deployer,
    ];

    /// The duties that keep somebody from every slot, and from deploying, whatever a document says.
    pub const ALWAYS: [Self; 2] = [Self::Author, Self::CoAuthor];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Author => "author",
            Self::CoAuthor => "co-author",
            Self::Pusher => "pusher",
            Self::PipelineEditor => "pipeline-editor",
            Self::PolicyEditor => "policy-editor",
            Self::Approver => "approver",
            Self::Deployer => "deployer",
        }
    }

    /// Whether a slot may exclude it: who fills a slot is kept apart by the matching, and who deploys is not known yet.
    #[must_use]
    pub const fn is_known_before_signing(self) -> bool {
        !matches!(self, Self::Approver | Self::Deployer)
    }
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How strongly whoever signs is known to be there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// A key in a file or an agent.
    #[default]
    Key,
    /// A key that cannot leave its device, and a person who touched it: FIDO2 (`sk-…`), or a passkey that is not synced.
    Hardware,
}

impl Strength {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Hardware => "hardware",
        }
    }

    /// What the text in an approval is worth. A text that this program does not know is worth no more than a key.
    #[must_use]
    pub fn of_statement(text: &str) -> Self {
        match text {
            "ssh-hardware-key" | "passkey" => Self::Hardware,
            _ => Self::Key,
        }
    }
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One required signature, or several of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotRule {
    /// Its name.
    pub slot: SlotName,
    /// Who holds one of these may fill it.
    pub roles: BTreeSet<Role>,
    /// How many distinct people must sign.
    pub count: u32,
    /// Duties that keep somebody from it, besides [`Duty::ALWAYS`].
    pub excludes: BTreeSet<Duty>,
    /// Slots that must be filled before a signature for this one is given.
    pub after: BTreeSet<SlotName>,
    /// For how many hours a signature counts; none: as long as nothing that it binds changes.
    pub valid_hours: Option<u32>,
    /// How strong a signature must be.
    pub strength: Strength,
}

impl SlotRule {
    /// What a slot that policies know is without a document.
    #[must_use]
    pub fn standard(slot: Slot) -> Self {
        Self {
            slot: slot.into(),
            roles: [slot.role()].into(),
            count: 1,
            excludes: BTreeSet::new(),
            after: BTreeSet::new(),
            valid_hours: None,
            strength: Strength::Key,
        }
    }

    /// Whether the duty keeps somebody from it.
    #[must_use]
    pub fn is_barred_by(&self, duty: Duty) -> bool {
        Duty::ALWAYS.contains(&duty) || self.excludes.contains(&duty)
    }

    /// The roles, with articles: `an engineer or a security-officer`.
    #[must_use]
    pub fn who(&self) -> String {
        self.roles.iter().map(|r| r.with_article()).collect::<Vec<_>>().join(" or ")
    }

    /// Both at once: whatever satisfies the result satisfies each of them.
    fn merge(&mut self, other: &Self) {
        self.roles = self.roles.intersection(&other.roles).copied().collect();
        self.count = self.count.max(other.count);
        self.excludes.extend(&other.excludes);
        self.after.extend(other.after.iter().cloned());
        self.valid_hours = least(self.valid_hours, other.valid_hours);
        self.strength = self.strength.max(other.strength);
    }
}

/// The lesser of two bounds, where none is no bound.
fn least(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// What a repository asks of one slot for its own changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedSlot {
    /// The slot.
    pub slot: SlotName,
    /// At least so many people.
    pub count: u32,
    /// For at most so many hours.
    pub valid_hours: Option<u32>,
    /// At least so strong.
    pub strength: Strength,
}

/// What is needed at some places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceRule {
    /// Tiers; empty: all.
    pub tiers: BTreeSet<Tier>,
    /// Criticalities; empty: all.
    pub criticality: BTreeSet<Criticality>,
    /// The slots, by name.
    pub slots: Vec<SlotRule>,
    /// Whether whoever deploys may have filled none of the slots.
    pub deployer_differs: bool,
    /// Duties that keep somebody from deploying, besides [`Duty::ALWAYS`].
    pub deployer_excludes: BTreeSet<Duty>,
    /// Why.
    pub why: String,
}

/// The approval rules of a firm, as one document. The order of its rules means nothing: all that fit a place hold there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRules {
    /// Format version, 1.
    pub version: u32,
    /// The rules.
    pub rules: Vec<PlaceRule>,
}

/// What is needed at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedRules {
    /// The slots, by name.
    pub slots: Vec<SlotRule>,
    /// Whether whoever deploys may have filled none of them.
    pub deployer_differs: bool,
    /// Duties that keep somebody from deploying, besides [`Duty::ALWAYS`].
    pub deployer_excludes: BTreeSet<Duty>,
}

impl MergedRules {
    /// What is needed where no document speaks: what the policy requires, and a deployer who did not approve.
    #[must_use]
    pub fn standard(required: &[Slot]) -> Self {
        let slots = required.iter().map(|slot| SlotRule::standard(*slot)).collect();
        Self { slots, deployer_differs: true, deployer_excludes: BTreeSet::new() }
    }

    /// Adds what a repository asks for of its own changes. It makes things stricter only.
    pub fn tighten(&mut self, more: &[AskedSlot]) {
        for asked in more {
            // Which slots there are, and who may sign them, is the firm's to say.
            for own in self.slots.iter_mut().filter(|s| s.slot == asked.slot) {
                own.count = own.count.max(asked.count);
                own.valid_hours = least(own.valid_hours, asked.valid_hours);
                own.strength = own.strength.max(asked.strength);
            }
        }
    }

    /// The slot of that name.
    #[must_use]
    pub fn slot(&self, name: &SlotName) -> Option<&SlotRule> {
        self.slots.iter().find(|s| s.slot == *name)
    }

    /// Whether the duty keeps somebody from deploying.
    #[must_use]
    pub fn bars_deployer(&self, duty: Duty) -> bool {
        Duty::ALWAYS.contains(&duty)
            || self.deployer_excludes.contains(&duty)
            || (duty == Duty::Approver && self.deployer_differs)
    }

    /// Whether it can be worked by.
    ///
    /// # Errors
    /// The slot, and what is wrong with it, in words.
    pub fn check(&self) -> Result<(), (SlotName, String)> {
        let names: BTreeSet<&SlotName> = self.slots.iter().map(|s| &s.slot).collect();
        let mut seats = 0_u32;
        for rule in &self.slots {
            let wrong = |what: &str| Err((rule.slot.clone(), what.to_owned()));
            if rule.roles.is_empty() {
                return wrong("no role may fill it: two rules that hold at one place have no role in common");
            }
            if rule.count == 0 {
                return wrong("nobody has to sign it");
            }
            seats = seats.saturating_add(rule.count);
            if seats > MOST_SEATS {
                return wrong("with it more than 64 people must sign at one place");
            }
            if let Some(after) = rule.after.iter().find(|after| !names.contains(after)) {
                return wrong(&format!("it comes after `{after}`, which nobody has to sign at the same place"));
            }
        }
        // Who comes after whom ends somewhere: each round takes away what waits for nothing that is left.
        let mut left: BTreeMap<&SlotName, &BTreeSet<SlotName>> =
            self.slots.iter().map(|s| (&s.slot, &s.after)).collect();
        while !left.is_empty() {
            let free: Vec<&SlotName> =
                left.iter().filter(|(_, after)| after.iter().all(|a| !left.contains_key(a))).map(|(s, _)| *s).collect();
            if free.is_empty() {
                let first = left.keys().next().map(|s| (*s).clone());
                return first.map_or(Ok(()), |slot| Err((slot, "it comes after itself".to_owned())));
            }
            for slot in free {
                left.remove(slot);
            }
        }
        Ok(())
    }
}

impl PlaceRule {
    fn fits(&self, tier: Tier, criticality: Criticality) -> bool {
        (self.tiers.is_empty() || self.tiers.contains(&tier))
            && (self.criticality.is_empty() || self.criticality.contains(&criticality))
    }
}

impl ApprovalRules {
    /// What is needed at a place. What is not known (an unregistered application or environment) is every place that it could be.
    /// A slot that the policy requires and no rule speaks of is what it is without a document.
    #[must_use]
    pub fn at(&self, tier: Option<Tier>, criticality: Option<Criticality>, required: &[Slot]) -> MergedRules {
        let tiers = tier.map_or_else(|| Tier::ALL.to_vec(), |t| vec![t]);
        let levels = criticality.map_or_else(|| Criticality::ALL.to_vec(), |c| vec![c]);
        let places = |rule: &PlaceRule| tiers.iter().any(|t| levels.iter().any(|c| rule.fits(*t, *c)));
        let mut slots: BTreeMap<SlotName, SlotRule> = BTreeMap::new();
        let (mut differs, mut spoken, mut excludes) = (false, false, BTreeSet::new());
        for rule in self.rules.iter().filter(|rule| places(rule)) {
            spoken = true;
            differs |= rule.deployer_differs;
            excludes.extend(&rule.deployer_excludes);
            for slot in &rule.slots {
                slots.entry(slot.slot.clone()).and_modify(|s| s.merge(slot)).or_insert_with(|| slot.clone());
            }
        }
        for slot in required {
            slots.entry((*slot).into()).or_insert_with(|| SlotRule::standard(*slot));
        }
        MergedRules {
            slots: slots.into_values().collect(),
            deployer_differs: differs || !spoken,
            deployer_excludes: excludes,
        }
    }

    /// Every place, with what is needed there.
    #[must_use]
    pub fn places(&self, required: &[Slot]) -> Vec<(Tier, Criticality, MergedRules)> {
        let all = Tier::ALL.iter().flat_map(|t| Criticality::ALL.iter().map(move |c| (*t, *c)));
        all.map(|(t, c)| (t, c, self.at(Some(t), Some(c), required))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(name: &str, roles: &[Role]) -> SlotRule {
        SlotRule {
            slot: name.parse().unwrap(),
            roles: roles.iter().copied().collect(),
            ..SlotRule::standard(Slot::Technical)
        }
    }

    fn rule(tiers: &[Tier], criticality: &[Criticality], slots: Vec<SlotRule>) -> PlaceRule {
        PlaceRule {
            tiers: tiers.iter().copied().collect(),
            criticality: criticality.iter().copied().collect(),
            slots,
            deployer_differs: false,
            deployer_excludes: BTreeSet::new(),
            why: "because".to_owned(),
        }
    }

    const BOTH: [Slot; 2] = [Slot::Technical, Slot::Regulatory];

    #[test]
    fn without_a_rule_that_fits_everything_is_as_it_was() {
        let rules = ApprovalRules { version: 1, rules: vec![rule(&[Tier::Production], &[], vec![])] };
        assert_eq!(rules.at(Some(Tier::Test), None, &BOTH).slots.len(), 2);
        let test = ApprovalRules { version: 1, rules: vec![] }.at(None, None, &BOTH);
        let mut standard = MergedRules::standard(&BOTH);
        standard.slots.sort_by(|a, b| a.slot.cmp(&b.slot));
        assert_eq!(test, standard);
        assert!(!rules.at(Some(Tier::Production), None, &BOTH).deployer_differs, "the firm says so");
        assert!(rules.at(Some(Tier::Test), None, &BOTH).deployer_differs);
    }

    #[test]
    fn rules_that_fit_one_place_hold_together_and_what_is_unknown_is_all_it_could_be() {
        let mut two = slot("technical", &[Role::Engineer, Role::SecurityOfficer]);
        (two.count, two.valid_hours, two.strength) = (2, Some(72), Strength::Hardware);
        let mut day = slot("technical", &[Role::Engineer]);
        (day.valid_hours, day.excludes) = (Some(24), [Duty::PipelineEditor].into());
        let management = slot("management", &[Role::ReleaseManager]);
        let rules = ApprovalRules {
            version: 1,
            rules: vec![
                rule(&[Tier::Production], &[], vec![two]),
                rule(&[], &[Criticality::Critical], vec![day, management]),
            ],
        };
        let both = rules.at(Some(Tier::Production), Some(Criticality::Critical), &BOTH);
        let technical = both.slot(&"technical".parse().unwrap()).unwrap();
        assert_eq!((technical.count, technical.valid_hours, technical.strength), (2, Some(24), Strength::Hardware));
        assert_eq!(technical.roles, [Role::Engineer].into());
        assert!(technical.is_barred_by(Duty::PipelineEditor) && technical.is_barred_by(Duty::Author));
        assert_eq!(both.slots.len(), 3);
        assert_eq!(rules.at(None, None, &BOTH), both);
        assert_eq!(rules.at(Some(Tier::Test), Some(Criticality::Low), &BOTH).slots.len(), 2);
    }

    #[test]
    fn a_repository_makes_things_stricter_only() {
        let mut merged = MergedRules::standard(&BOTH);
        let ask = |name: &str, count, valid_hours, strength| AskedSlot {
            slot: name.parse().unwrap(),
            count,
            valid_hours,
            strength,
        };
        merged.tighten(&[ask("technical", 2, Some(8), Strength::Hardware), ask("security", 1, None, Strength::Key)]);
        let technical = merged.slot(&"technical".parse().unwrap()).unwrap();
        assert_eq!((technical.count, &technical.roles), (2, &[Role::Engineer].into()));
        assert_eq!((technical.valid_hours, technical.strength), (Some(8), Strength::Hardware));
        assert_eq!(merged.slots.len(), 2, "a slot that the firm does not know nobody could sign");
        let before = merged.clone();
        merged.tighten(&[ask("technical", 1, Some(99), Strength::Key)]);
        assert_eq!(merged, before);
    }

    #[test]
    fn what_cannot_be_worked_by_is_named() {
        let after = |name: &str, after: &str| {
            let mut s = slot(name, &[Role::Engineer]);
            s.after = [after.parse().unwrap()].into();
            s
        };
        let check = |slots: Vec<SlotRule>| {
            MergedRules { slots, deployer_differs: true, deployer_excludes: BTreeSet::new() }.check()
        };
        assert!(check(vec![after("b", "a"), slot("a", &[Role::Engineer])]).is_ok());
        assert!(check(vec![after("b", "a")]).unwrap_err().1.contains("`a`"));
        assert!(check(vec![after("b", "a"), after("a", "b")]).unwrap_err().1.contains("itself"));
        assert!(check(vec![slot("a", &[])]).is_err());
        let mut many = slot("a", &[Role::Engineer]);
        many.count = 65;
        assert!(check(vec![many]).is_err());
    }

    #[test]
    fn names_are_short_and_plain() {
        for bad in ["", "A", "1a", "a b", "a_b", "ä", "a/b", &"a".repeat(33)] {
            assert!(bad.parse::<SlotName>().is_err(), "{bad}");
            assert!(serde_json::from_value::<SlotName>(bad.into()).is_err(), "{bad}");
        }
        assert_eq!(SlotName::from(Slot::Technical).known(), Some(Slot::Technical));
        assert_eq!("pci-review".parse::<SlotName>().unwrap().known(), None);
    }
}
