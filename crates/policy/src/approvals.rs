//! Reads `approvals.yaml`; what is wrong is named with file and line.

use std::collections::BTreeSet;

use countersign_evidence::canonical;
use countersign_model::access::approvals::{LONGEST_VALIDITY, PlaceRule};
use countersign_model::access::{ApprovalRules, Duty, SlotName, SlotRule, Strength};
use countersign_model::governance::{Criticality, Tier};
use countersign_model::{Digest, Place, Role, Slot};
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use crate::Error;

/// The largest file, in bytes.
const MAX_FILE: usize = 1 << 20;
/// The most rules, and the most slots of one.
const MAX_RULES: usize = 200;

/// The slots that policies know: those that a place has, whatever a file says.
pub const POLICY_SLOTS: [Slot; 2] = [Slot::Technical, Slot::Regulatory];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Spanned<u32>,
    rules: Vec<FileRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRule {
    #[serde(default)]
    tiers: Vec<Tier>,
    #[serde(default)]
    criticality: Vec<Criticality>,
    slots: Vec<FileSlot>,
    #[serde(default)]
    deployer: FileDeployer,
    why: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSlot {
    slot: Spanned<SlotName>,
    roles: Vec<Spanned<Role>>,
    #[serde(default = "one")]
    count: Spanned<u32>,
    #[serde(default)]
    excludes: Vec<Spanned<Duty>>,
    #[serde(default)]
    after: Vec<SlotName>,
    #[serde(default)]
    valid_hours: Option<Spanned<u32>>,
    #[serde(default)]
    strength: Strength,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileDeployer {
    #[serde(default = "yes")]
    differs: bool,
    #[serde(default)]
    excludes: Vec<Spanned<Duty>>,
}

impl Default for FileDeployer {
    fn default() -> Self {
        Self { differs: true, excludes: Vec::new() }
    }
}

const fn yes() -> bool {
    true
}

const fn one() -> Spanned<u32> {
    Spanned::new(1, Location::UNKNOWN, Location::UNKNOWN)
}

/// Reads a file's text.
///
/// # Errors
/// [`Error::Approvals`] with file and line: no YAML, an unknown key or word, a slot that nobody has to sign or may fill, an order
/// that goes round in a circle.
pub fn parse(file: &str, text: &str) -> Result<ApprovalRules, Error> {
    let at = |location: Location, message: String| {
        let number = |n: u64| u32::try_from(n).ok().filter(|n| *n > 0);
        let place = Place { file: file.to_owned(), line: number(location.line()), column: number(location.column()) };
        Error::Approvals { place, message }
    };
    if text.len() > MAX_FILE {
        return Err(at(Location::UNKNOWN, format!("it has more than {MAX_FILE} bytes")));
    }
    let read: File = serde_saphyr::from_str(text).map_err(|e| {
        let message = e.without_snippet().to_string();
        let location = e.location().unwrap_or(Location::UNKNOWN);
        at(location, message.lines().next().unwrap_or("no approval rules").to_owned())
    })?;
    if read.version.value != 1 {
        return Err(at(read.version.referenced, format!("version {} is not known, only 1 is", read.version.value)));
    }
    if read.rules.len() > MAX_RULES || read.rules.iter().any(|r| r.slots.len() > MAX_RULES) {
        return Err(at(read.version.referenced, format!("it has more than {MAX_RULES} rules, or slots in one")));
    }
    let known = |duty: &Spanned<Duty>| {
        if duty.value.is_known_before_signing() {
            return Ok(duty.value);
        }
        let message = format!(
            "`{}` is nothing that somebody is before they sign; one person never fills two slots, and `deployer: \
             {{differs: true}}` keeps who deploys apart",
            duty.value
        );
        Err(at(duty.referenced, message))
    };
    let mut places: Vec<(SlotName, Location)> = Vec::new();
    let mut rules = Vec::with_capacity(read.rules.len());
    for rule in read.rules {
        if rule.why.value.trim().is_empty() {
            return Err(at(rule.why.referenced, "the rule says no reason".to_owned()));
        }
        let mut slots: Vec<SlotRule> = Vec::with_capacity(rule.slots.len());
        for slot in rule.slots {
            let (name, place) = (slot.slot.value, slot.slot.referenced);
            if slots.iter().any(|s| s.slot == name) {
                return Err(at(place, format!("the rule speaks of the slot `{name}` twice")));
            }
            if slot.roles.is_empty() {
                return Err(at(place, format!("no role may fill the slot `{name}`")));
            }
            if let Some(role) = slot.roles.iter().find(|r| matches!(r.value, Role::Auditor)) {
                return Err(at(role.referenced, "an auditor reads, and approves nothing".to_owned()));
            }
            if slot.count.value == 0 {
                return Err(at(slot.count.referenced, format!("nobody has to sign the slot `{name}`")));
            }
            if let Some(hours) = slot.valid_hours.as_ref().filter(|h| !(1..=LONGEST_VALIDITY).contains(&h.value)) {
                return Err(at(hours.referenced, format!("an approval counts for 1 to {LONGEST_VALIDITY} hours")));
            }
            places.push((name.clone(), place));
            slots.push(SlotRule {
                slot: name,
                roles: slot.roles.into_iter().map(|r| r.value).collect(),
                count: slot.count.value,
                excludes: slot.excludes.iter().map(known).collect::<Result<_, _>>()?,
                after: slot.after.into_iter().collect(),
                valid_hours: slot.valid_hours.map(|h| h.value),
                strength: slot.strength,
            });
        }
        slots.sort_by(|a, b| a.slot.cmp(&b.slot));
        rules.push(PlaceRule {
            tiers: rule.tiers.into_iter().collect(),
            criticality: rule.criticality.into_iter().collect(),
            slots,
            deployer_differs: rule.deployer.differs,
            deployer_excludes: rule.deployer.excludes.iter().map(known).collect::<Result<BTreeSet<_>, _>>()?,
            why: rule.why.value.trim().to_owned(),
        });
    }
    let rules = ApprovalRules { version: 1, rules };
    // What holds together at a place that is not known is all that could, so it must be workable as well.
    let unknown = rules.at(None, None, &POLICY_SLOTS);
    let known = rules.places(&POLICY_SLOTS);
    let all = known.iter().map(|(t, c, merged)| (format!("{t}, {c}"), merged));
    for (whose, merged) in all.chain([("a place that is not registered".to_owned(), &unknown)]) {
        merged.check().map_err(|(slot, what)| {
            let place = places.iter().find(|(name, _)| *name == slot).map_or(Location::UNKNOWN, |(_, place)| *place);
            at(place, format!("slot `{slot}` ({whose}): {what}"))
        })?;
    }
    Ok(rules)
}

/// The canonical bytes (RFC 8785): what is digested and attached to their activation.
///
/// # Errors
/// When there is no canonical form.
pub fn to_bytes(rules: &ApprovalRules) -> Result<Vec<u8>, Error> {
    canonical::to_vec(rules).map_err(Error::canonical)
}

/// SHA-256 of the canonical bytes.
///
/// # Errors
/// When there is no canonical form.
pub fn digest(rules: &ApprovalRules) -> Result<Digest, Error> {
    Ok(Digest::of(&to_bytes(rules)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::Diagnostic as _;

    const GOOD: &str = "\
version: 1
rules:
  - tiers: [production]
    criticality: [critical]
    why: PCI DSS 6.2.3.1
    slots:
      - slot: technical
        roles: [engineer]
        excludes: [pipeline-editor, policy-editor]
        strength: hardware
        valid_hours: 72
      - slot: management
        roles: [release-manager, compliance-officer]
        after: [technical]
    deployer: {differs: true, excludes: [pipeline-editor]}
";

    fn refused(text: &str) -> String {
        let e = parse("approvals.yaml", text).unwrap_err();
        format!("{}: {e}", e.place().unwrap())
    }

    #[test]
    fn a_file_is_read_and_survives_its_bytes() {
        let rules = parse("approvals.yaml", GOOD).unwrap();
        let at = rules.at(Some(Tier::Production), Some(Criticality::Critical), &POLICY_SLOTS);
        let names: Vec<&str> = at.slots.iter().map(|s| s.slot.as_str()).collect();
        assert_eq!(names, ["management", "regulatory", "technical"]);
        assert!(at.bars_deployer(Duty::PipelineEditor) && at.bars_deployer(Duty::Approver));
        let bytes = to_bytes(&rules).unwrap();
        assert_eq!(canonical::from_slice::<ApprovalRules>(&bytes).unwrap(), rules);
        assert_eq!(digest(&rules).unwrap(), Digest::of(&bytes));
    }

    #[test]
    fn what_is_wrong_is_named_with_file_and_line() {
        for (from, to, line) in [
            ("version: 1", "version: 2", 1),
            ("roles: [engineer]", "roles: [enginer]", 8),
            ("roles: [engineer]", "roles: []", 7),
            ("roles: [engineer]", "roles: [auditor]", 8),
            ("slot: management", "slot: technical", 12),
            ("slot: management", "slot: Management", 12),
            ("pipeline-editor, policy-editor", "approver", 9),
            ("valid_hours: 72", "valid_hours: 0", 11),
            ("strength: hardware", "count: 0", 10),
            ("strength: hardware", "count: 64", 7),
            ("after: [technical]", "after: [tecnical]", 12),
            ("after: [technical]", "after: [management]", 12),
            ("why: PCI DSS 6.2.3.1", "why: ' '", 5),
            ("excludes: [pipeline-editor]}", "excludes: [deployer]}", 15),
        ] {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD, "{from}");
            let said = refused(&text);
            assert!(said.starts_with(&format!("approvals.yaml:{line}")), "{from} → {to}: {said}");
        }
        let two = format!("{GOOD}  - why: x\n    slots: [{{slot: technical, roles: [developer]}}]\n");
        assert!(refused(&two).contains("no role in common"), "{}", refused(&two));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text: String) {
            let _ = parse("f", &text);
        }
    }
}
