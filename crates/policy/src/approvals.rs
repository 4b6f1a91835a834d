//! Reads `approvals.yaml`; what is wrong is named with file and line.

use std::cmp::Ordering;
use std::collections::BTreeMap;

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
pub const MAX_RULES: usize = 200;

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

/// Where a slot of a file stands, part by part.
struct SlotAt {
    slot: Location,
    roles: Vec<(Role, Location)>,
    count: Location,
    valid_hours: Location,
    excludes: Vec<(Duty, Location)>,
}

/// Where a rule of a file stands.
struct RuleAt {
    why: Location,
    deployer: Vec<(Duty, Location)>,
    slots: BTreeMap<SlotName, SlotAt>,
}

fn located<T: Copy>(all: &[Spanned<T>]) -> Vec<(T, Location)> {
    all.iter().map(|one| (one.value, one.referenced)).collect()
}

fn at<T: PartialEq>(all: &[(T, Location)], value: &T) -> Location {
    all.iter().find(|(v, _)| v == value).map_or(Location::UNKNOWN, |(_, place)| *place)
}

/// Reads a file's text.
///
/// # Errors
/// [`Error::Approvals`] with file and line: no YAML, an unknown key or word, a slot that nobody has to sign or may fill, an order
/// that goes round in a circle.
pub fn parse(file: &str, text: &str) -> Result<ApprovalRules, Error> {
    let no = |location: Location, message: String| {
        let number = |n: u64| u32::try_from(n).ok().filter(|n| *n > 0);
        let place = Place { file: file.to_owned(), line: number(location.line()), column: number(location.column()) };
        Error::Approvals { place, message }
    };
    if text.len() > MAX_FILE {
        return Err(no(Location::UNKNOWN, format!("it has more than {MAX_FILE} bytes")));
    }
    let read: File = serde_saphyr::from_str(text).map_err(|e| {
        let message = e.without_snippet().to_string();
        let location = e.location().unwrap_or(Location::UNKNOWN);
        no(location, message.lines().next().unwrap_or("no approval rules").to_owned())
    })?;
    let mut places = Vec::new();
    let mut rules = Vec::new();
    for rule in read.rules {
        let mut whole = PlaceRule {
            tiers: rule.tiers.into_iter().collect(),
            criticality: rule.criticality.into_iter().collect(),
            slots: Vec::new(),
            deployer_differs: rule.deployer.differs,
            deployer_excludes: rule.deployer.excludes.iter().map(|duty| duty.value).collect(),
            why: rule.why.value.trim().to_owned(),
        };
        let deployer = located(&rule.deployer.excludes);
        let mut stands = RuleAt { why: rule.why.referenced, deployer, slots: BTreeMap::new() };
        for slot in rule.slots {
            let name = slot.slot.value;
            let here = SlotAt {
                slot: slot.slot.referenced,
                roles: located(&slot.roles),
                count: slot.count.referenced,
                valid_hours: slot.valid_hours.as_ref().map_or(Location::UNKNOWN, |hours| hours.referenced),
                excludes: located(&slot.excludes),
            };
            if stands.slots.insert(name.clone(), here).is_some() {
                return Err(no(slot.slot.referenced, twice(&name)));
            }
            whole.slots.push(SlotRule {
                slot: name,
                roles: slot.roles.into_iter().map(|r| r.value).collect(),
                count: slot.count.value,
                excludes: slot.excludes.into_iter().map(|duty| duty.value).collect(),
                after: slot.after.into_iter().collect(),
                valid_hours: slot.valid_hours.map(|h| h.value),
                strength: slot.strength,
            });
        }
        whole.slots.sort_by(|a, b| a.slot.cmp(&b.slot));
        rules.push(whole);
        places.push(stands);
    }
    let rules = ApprovalRules { version: read.version.value, rules };
    let Some(Fault { part, message }) = fault(&rules) else { return Ok(rules) };
    let location = match part {
        Part::Document => read.version.referenced,
        Part::Slot(name) => {
            let first = places.iter().find_map(|rule| rule.slots.get(&name));
            first.map_or(Location::UNKNOWN, |slot| slot.slot)
        }
        Part::Rule(rule, part) => places.get(rule).map_or(Location::UNKNOWN, |rule| match part {
            RulePart::Why => rule.why,
            RulePart::Deployer(duty) => at(&rule.deployer, &duty),
            RulePart::Slot(name, part) => rule.slots.get(&name).map_or(Location::UNKNOWN, |slot| match part {
                SlotPart::Name => slot.slot,
                SlotPart::Role(role) => at(&slot.roles, &role),
                SlotPart::Count => slot.count,
                SlotPart::ValidHours => slot.valid_hours,
                SlotPart::Excludes(duty) => at(&slot.excludes, &duty),
            }),
        }),
    };
    Err(no(location, message))
}

/// Checks rules that were not read from a file: what [`parse`] would refuse in one is refused.
///
/// # Errors
/// [`Error::Approvals`], whose place is `what` without a line.
pub fn check(what: &str, rules: &ApprovalRules) -> Result<(), Error> {
    match fault(rules) {
        None => Ok(()),
        Some(Fault { message, .. }) => Err(Error::Approvals { place: Place::file(what), message }),
    }
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

/// The first thing that is wrong with rules.
struct Fault {
    part: Part,
    message: String,
}

enum Part {
    Document,
    Rule(usize, RulePart),
    /// A slot of that name, at a place where several rules may hold.
    Slot(SlotName),
}

enum RulePart {
    Why,
    Deployer(Duty),
    Slot(SlotName, SlotPart),
}

enum SlotPart {
    Name,
    Role(Role),
    Count,
    ValidHours,
    Excludes(Duty),
}

fn twice(name: &SlotName) -> String {
    format!("the rule speaks of the slot `{name}` twice")
}

fn fault(rules: &ApprovalRules) -> Option<Fault> {
    let whole = |message: String| Some(Fault { part: Part::Document, message });
    if rules.version != 1 {
        return whole(format!("version {} is not known, only 1 is", rules.version));
    }
    if rules.rules.len() > MAX_RULES || rules.rules.iter().any(|r| r.slots.len() > MAX_RULES) {
        return whole(format!("it has more than {MAX_RULES} rules, or slots in one"));
    }
    for (number, rule) in rules.rules.iter().enumerate() {
        if let Some((part, message)) = fault_of_rule(rule) {
            return Some(Fault { part: Part::Rule(number, part), message });
        }
    }
    // What holds together at a place that is not known is all that could, so it must be workable as well.
    let unknown = rules.at(None, None, &POLICY_SLOTS);
    let known = rules.places(&POLICY_SLOTS);
    let all = known.iter().map(|(t, c, merged)| (format!("{t}, {c}"), merged));
    for (whose, merged) in all.chain([("a place that is not registered".to_owned(), &unknown)]) {
        if let Err((slot, what)) = merged.check() {
            let message = format!("slot `{slot}` ({whose}): {what}");
            return Some(Fault { part: Part::Slot(slot), message });
        }
    }
    None
}

fn fault_of_rule(rule: &PlaceRule) -> Option<(RulePart, String)> {
    if rule.why.is_empty() || rule.why.trim() != rule.why {
        return Some((RulePart::Why, "the rule says no reason".to_owned()));
    }
    for slot in &rule.slots {
        if let Some((part, message)) = fault_of_slot(slot) {
            return Some((RulePart::Slot(slot.slot.clone(), part), message));
        }
    }
    // In a file they may stand in any order.
    for pair in rule.slots.windows(2) {
        let [before, slot] = pair else { continue };
        let message = match before.slot.cmp(&slot.slot) {
            Ordering::Less => continue,
            Ordering::Equal => twice(&slot.slot),
            Ordering::Greater => format!(
                "the slot `{}` stands after `{}`: slots are in the order of their names",
                slot.slot, before.slot
            ),
        };
        return Some((RulePart::Slot(slot.slot.clone(), SlotPart::Name), message));
    }
    let duty = rule.deployer_excludes.iter().find(|duty| !duty.is_known_before_signing())?;
    Some((RulePart::Deployer(*duty), not_known(*duty)))
}

fn fault_of_slot(slot: &SlotRule) -> Option<(SlotPart, String)> {
    let name = &slot.slot;
    if slot.roles.is_empty() {
        return Some((SlotPart::Name, format!("no role may fill the slot `{name}`")));
    }
    if slot.roles.contains(&Role::Auditor) {
        return Some((SlotPart::Role(Role::Auditor), "an auditor reads, and approves nothing".to_owned()));
    }
    if slot.count == 0 {
        return Some((SlotPart::Count, format!("nobody has to sign the slot `{name}`")));
    }
    if slot.valid_hours.is_some_and(|hours| !(1..=LONGEST_VALIDITY).contains(&hours)) {
        return Some((SlotPart::ValidHours, format!("an approval counts for 1 to {LONGEST_VALIDITY} hours")));
    }
    let duty = slot.excludes.iter().find(|duty| !duty.is_known_before_signing())?;
    Some((SlotPart::Excludes(*duty), not_known(*duty)))
}

fn not_known(duty: Duty) -> String {
    format!(
        "`{duty}` is nothing that somebody is before they sign; one person never fills two slots, and `deployer: {{differs: true}}` \
         keeps who deploys apart"
    )
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

    #[test]
    fn what_a_file_would_be_refused_for_is_refused_from_elsewhere() {
        let good = parse("approvals.yaml", GOOD).unwrap();
        check("what was signed", &good).unwrap();
        let first = |change: &dyn Fn(&mut PlaceRule)| {
            let mut rules = good.clone();
            change(&mut rules.rules[0]);
            let error = check("what was signed", &rules).unwrap_err();
            assert_eq!(error.place().unwrap().to_string(), "what was signed");
            error.to_string()
        };
        let slot = |change: &dyn Fn(&mut SlotRule)| first(&|rule| change(&mut rule.slots[0]));
        assert!(slot(&|s| s.count = 0).contains("nobody has to sign"));
        assert!(slot(&|s| s.roles.clear()).contains("no role may fill"));
        assert!(slot(&|s| s.roles = [Role::Auditor].into()).contains("an auditor reads"));
        assert!(slot(&|s| s.valid_hours = Some(LONGEST_VALIDITY + 1)).contains("an approval counts for"));
        assert!(slot(&|s| s.excludes = [Duty::Approver].into()).contains("before they sign"));
        assert!(slot(&|s| s.after = [s.slot.clone()].into()).contains("after itself"));
        assert!(first(&|r| r.deployer_excludes = [Duty::Deployer].into()).contains("before they sign"));
        assert!(first(&|r| r.why = " because".to_owned()).contains("says no reason"));
        assert!(first(&|r| r.slots.reverse()).contains("in the order of their names"));
        assert!(first(&|r| r.slots[1] = r.slots[0].clone()).contains("twice"));
        assert!(first(&|r| r.slots = vec![r.slots[0].clone(); 201]).contains("more than 200"));
        let other = ApprovalRules { version: 2, ..good };
        assert!(check("x", &other).unwrap_err().to_string().contains("version 2"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text: String) {
            let _ = parse("f", &text);
        }
    }
}
