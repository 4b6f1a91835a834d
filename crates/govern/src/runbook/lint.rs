//! What is wrong with how the gates are set up. Pure over what was collected.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::governance::gates::Asked;
use countersign_model::governance::{FailureMode, GATES};
use countersign_model::{PersonId, Role, Timestamp};

use super::clocks;
use crate::gates::Owned;

/// After how many days a review is too old.
pub const REVIEW_DAYS: i64 = 365;
/// The most gates that one owner may not have taken on yet.
pub const MOST_UNACKNOWLEDGED: usize = 1;

/// A finding about a gate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The gate; `None` when it is about a person.
    pub gate: Option<String>,
    /// A short stable name.
    pub code: &'static str,
    /// What is the matter, and what to do.
    pub text: String,
}

/// What is known of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Somebody {
    /// What people call them.
    pub label: String,
    /// Their roles.
    pub roles: BTreeSet<Role>,
    /// Whether they have a key that can sign.
    pub has_key: bool,
    /// Whether their data was erased: they left.
    pub erased: bool,
}

/// Everything that a gate's set-up is held against.
#[derive(Debug, Clone)]
pub struct Setting<'a> {
    /// The gates that are owned.
    pub gates: &'a [Owned],
    /// Everybody enrolled.
    pub people: &'a BTreeMap<PersonId, Somebody>,
    /// Controls of each gate that are not at the level audit everywhere.
    pub not_audited: &'a BTreeMap<String, Vec<String>>,
    /// Now.
    pub now: Timestamp,
}

/// Everything that is wrong, gate by gate.
#[must_use]
pub fn lint(setting: &Setting<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let label = |person: &PersonId| setting.people.get(person).map_or_else(|| person.to_string(), |p| p.label.clone());
    for name in GATES {
        let mut say = |code: &'static str, text: String| {
            found.push(Finding { gate: Some(name.to_owned()), code, text });
        };
        let Some(gate) = setting.gates.iter().find(|g| g.ownership.gate == name) else {
            say("no-owner", "nobody owns it: an officer says who with `countersign gate activate FILE`".to_owned());
            continue;
        };
        let own = &gate.ownership;
        for (part, person) in [("owner", Some(&own.owner)), ("deputy", own.deputy.as_ref())] {
            let Some(person) = person else { continue };
            let why = match setting.people.get(person) {
                None => "is not enrolled",
                Some(p) if p.erased => "has left: their data was erased",
                Some(p) if !p.has_key => "has no key that could sign",
                Some(p) if p.roles.is_empty() => "holds no role",
                Some(_) => continue,
            };
            say("owner-left", format!("its {part} {} {why}: name somebody else", label(person)));
        }
        ladder(setting, gate, &label, &mut say);
        if let Some(clock) = clocks::shortest(&own.clocks) {
            let last = own.escalation.last().map_or(own.respond_minutes, |s| s.after_minutes.max(own.respond_minutes));
            if last > clock.minutes() {
                say(
                    "sla-too-long",
                    format!(
                        "it may take {} until it is answered, and `{}` gives {} hours ({})",
                        duration(last),
                        clock.id,
                        clock.hours,
                        clock.source
                    ),
                );
            }
        }
        if setting.now > gate.reviewed.plus_seconds(REVIEW_DAYS * 86_400) {
            say(
                "review-old",
                format!("it was last looked at on {}: review it with `countersign gate review {name}`", gate.reviewed),
            );
        }
        let controls = setting.not_audited.get(name).map(Vec::as_slice).unwrap_or_default();
        if let (FailureMode::Open, Some(control)) = (own.failure, controls.first()) {
            say(
                "open-but-not-audit",
                format!("it is open when it cannot be asked, and its control `{control}` blocks or advises somewhere"),
            );
        }
    }
    let mut unacknowledged: BTreeMap<&PersonId, Vec<&str>> = BTreeMap::new();
    for gate in setting.gates.iter().filter(|g| g.acknowledged.is_none()) {
        unacknowledged.entry(&gate.ownership.owner).or_default().push(&gate.ownership.gate);
    }
    for (owner, gates) in unacknowledged.into_iter().filter(|(_, gates)| gates.len() > MOST_UNACKNOWLEDGED) {
        let text = format!(
            "{} owns {} gates without having taken them on ({}): `countersign gate acknowledge GATE`",
            label(owner),
            gates.len(),
            gates.join(", ")
        );
        found.push(Finding { gate: None, code: "unacknowledged", text });
    }
    found
}

/// A ladder leads to somebody new with every step, later with every step, and each step to somebody at all.
fn ladder(
    setting: &Setting<'_>,
    gate: &Owned,
    label: &dyn Fn(&PersonId) -> String,
    say: &mut dyn FnMut(&'static str, String),
) {
    let own = &gate.ownership;
    let mut asked: BTreeSet<&PersonId> = [Some(&own.owner), own.deputy.as_ref()].into_iter().flatten().collect();
    let mut last = own.respond_minutes;
    for (n, step) in (1..).zip(&own.escalation) {
        if step.after_minutes <= last && n > 1 || step.after_minutes < last {
            let text = format!(
                "step {n} of its ladder comes after {}, no later than the one before",
                duration(step.after_minutes)
            );
            say("ladder-order", text);
        }
        last = last.max(step.after_minutes);
        match &step.ask {
            Asked::Person(person) => {
                if !asked.insert(person) {
                    say(
                        "ladder-loop",
                        format!("step {n} of its ladder leads back to {}, who was asked before", label(person)),
                    );
                }
                let gone = setting.people.get(person).is_none_or(|p| p.erased || !p.has_key || p.roles.is_empty());
                if gone {
                    say(
                        "owner-left",
                        format!("step {n} of its ladder asks {}, who cannot act any more", label(person)),
                    );
                }
            }
            Asked::Role(role) => {
                let holders: Vec<&PersonId> = setting
                    .people
                    .iter()
                    .filter(|(_, p)| p.roles.contains(role) && p.has_key && !p.erased)
                    .map(|(id, _)| id)
                    .collect();
                if holders.is_empty() {
                    say(
                        "ladder-empty",
                        format!("step {n} of its ladder asks {}, and nobody is one", role.with_article()),
                    );
                } else if holders.iter().all(|holder| asked.contains(holder)) {
                    let text = format!(
                        "step {n} of its ladder asks {}, and everybody who is one was asked before",
                        role.with_article()
                    );
                    say("ladder-loop", text);
                }
                asked.extend(holders);
            }
        }
    }
}

/// `90m`, `4h`, `2d`, in the largest unit that divides it.
#[must_use]
pub fn duration(minutes: u32) -> String {
    match minutes {
        m if m > 0 && m.is_multiple_of(24 * 60) => format!("{}d", m / (24 * 60)),
        m if m > 0 && m.is_multiple_of(60) => format!("{}h", m / 60),
        m => format!("{m}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::governance::GateOwnership;
    use countersign_model::governance::gates::Step;
    use countersign_model::{Digest, Timestamp};
    use countersign_store::projection::GateMark;

    fn id(n: u8) -> PersonId {
        PersonId::from_text(format!("per-{n}"))
    }

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn gate(name: &str) -> Owned {
        let mark =
            GateMark { index: 1, gate: name.to_owned(), owners: Digest::of(b"o"), by: id(1), finding: None, time: NOW };
        Owned {
            ownership: GateOwnership {
                gate: name.to_owned(),
                owner: id(1),
                deputy: Some(id(2)),
                respond_minutes: 240,
                escalation: vec![
                    Step { after_minutes: 480, ask: Asked::Role(Role::ComplianceOfficer) },
                    Step { after_minutes: 720, ask: Asked::Person(id(4)) },
                ],
                failure: FailureMode::Closed,
                fallback: "on paper".to_owned(),
                clocks: Vec::new(),
            },
            acknowledged: Some(mark),
            review: None,
            reviewed: NOW,
        }
    }

    fn people() -> BTreeMap<PersonId, Somebody> {
        let somebody = |n: u8, role: Role| {
            let label = format!("P{n}");
            (id(n), Somebody { label, roles: [role].into(), has_key: true, erased: false })
        };
        [
            somebody(1, Role::SecurityOfficer),
            somebody(2, Role::Engineer),
            somebody(3, Role::ComplianceOfficer),
            somebody(4, Role::Administrator),
        ]
        .into()
    }

    fn codes(change: impl Fn(&mut Vec<Owned>, &mut BTreeMap<PersonId, Somebody>)) -> Vec<&'static str> {
        let (mut gates, mut people) = (GATES.iter().map(|g| gate(g)).collect(), people());
        change(&mut gates, &mut people);
        let not_audited = [("build".to_owned(), vec!["x".to_owned()])].into();
        let setting = Setting { gates: &gates, people: &people, not_audited: &not_audited, now: NOW };
        lint(&setting).into_iter().map(|f| f.code).collect()
    }

    #[test]
    fn gates_in_good_order_have_no_findings_and_each_thing_that_is_wrong_has_its_own() {
        assert!(codes(|_, _| ()).is_empty());
        let build = |f: fn(&mut GateOwnership)| codes(move |gates, _| f(&mut gates[1].ownership));
        assert_eq!(codes(|gates, _| drop(gates.remove(2))), ["no-owner"]);
        assert_eq!(codes(|gates, _| gates.clear()), ["no-owner"; 3]);
        assert_eq!(codes(|_, people| people.get_mut(&id(2)).unwrap().erased = true), ["owner-left"; 3]);
        assert_eq!(codes(|_, people| people.get_mut(&id(1)).unwrap().roles.clear()), ["owner-left"; 3]);
        assert_eq!(codes(|_, people| people.get_mut(&id(1)).unwrap().has_key = false), ["owner-left"; 3]);
        assert_eq!(codes(|_, people| drop(people.remove(&id(3)))), ["ladder-empty"; 3]);
        assert_eq!(build(|g| g.escalation[1].ask = Asked::Person(id(2))), ["ladder-loop"]);
        assert_eq!(build(|g| g.escalation[1].ask = Asked::Role(Role::ComplianceOfficer)), ["ladder-loop"]);
        assert_eq!(build(|g| g.escalation[0].ask = Asked::Role(Role::SecurityOfficer)), ["ladder-loop"]);
        assert_eq!(build(|g| g.escalation[1].after_minutes = 480), ["ladder-order"]);
        assert_eq!(build(|g| g.escalation[1].after_minutes = 25 * 60), ["sla-too-long"], "the shortest of all clocks");
        assert!(
            build(|g| {
                g.escalation[1].after_minutes = 25 * 60;
                g.clocks = vec!["gdpr-33".to_owned()];
            })
            .is_empty()
        );
        assert_eq!(build(|g| g.failure = FailureMode::Open), ["open-but-not-audit"]);
        assert_eq!(codes(|gates, _| gates[0].reviewed = NOW.plus_seconds(-366 * 86_400)), ["review-old"]);
        assert!(codes(|gates, _| gates[0].acknowledged = None).is_empty(), "one may wait");
        assert_eq!(codes(|gates, _| gates.iter_mut().for_each(|g| g.acknowledged = None)), ["unacknowledged"]);
    }

    #[test]
    fn durations_are_readable() {
        assert_eq!([0, 30, 60, 90, 1_440, 2_880].map(duration), ["0m", "30m", "1h", "90m", "1d", "2d"]);
    }
}
