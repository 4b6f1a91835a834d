//! Pure: who may fill which slot, and what a gate's outcome is once approvals are looked at.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::{Outcome, PersonId, Slot};
use countersign_policy::{Effect, GateVerdict, Verdict};
use countersign_store::projection::{ApprovalRow, RunRow, State};

/// Why somebody cannot count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excluded {
    /// They wrote a covered commit, or claimed one.
    Author,
    /// They no longer hold the role.
    NoRole,
}

/// A required signature and who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotStatus {
    /// Which.
    pub slot: Slot,
    /// The approval that fills it.
    pub filled: Option<Filled>,
    /// Who could still sign.
    pub eligible: Vec<PersonId>,
    /// Role holders who may not, and why.
    pub excluded: Vec<(PersonId, Excluded)>,
}

/// The approval that fills a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// Who.
    pub person: PersonId,
    /// Log index of the approval.
    pub index: u64,
}

/// A gate as it stands: the decision's verdict joined with the approvals.
#[derive(Debug, Clone)]
pub struct GateStatus {
    /// `pre-commit`, `build` or `release`.
    pub name: String,
    /// The outcome.
    pub outcome: Outcome,
    /// Why: code, effect and a sentence.
    pub reasons: Vec<GateReason>,
    /// Controls that the gate serves.
    pub controls: Vec<String>,
    /// Required signatures; empty for gates that need none.
    pub slots: Vec<SlotStatus>,
}

/// One reason of a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateReason {
    /// Stable short name.
    pub code: String,
    /// What it does.
    pub effect: Effect,
    /// One sentence.
    pub text: String,
}

/// The gates of a verdict with the approvals of exactly this decision.
#[must_use]
pub fn gates(
    verdict: &Verdict,
    run: Option<&RunRow>,
    decision: countersign_model::Digest,
    authors: &BTreeSet<PersonId>,
    state: &State,
) -> Vec<GateStatus> {
    verdict.gates.iter().map(|gate| gate_status(gate, run, decision, authors, state)).collect()
}

fn gate_status(
    gate: &GateVerdict,
    run: Option<&RunRow>,
    decision: countersign_model::Digest,
    authors: &BTreeSet<PersonId>,
    state: &State,
) -> GateStatus {
    let mut reasons: Vec<GateReason> = gate
        .reasons
        .iter()
        .map(|r| GateReason { code: r.code.clone(), effect: r.effect, text: r.text.clone() })
        .collect();
    let approvals: Vec<&ApprovalRow> =
        run.map(|r| r.approvals.iter().filter(|a| a.decision == decision).collect()).unwrap_or_default();
    let slots = quorum(&gate.requires, &approvals, authors, state);
    let mut outcome = gate.outcome;
    for slot in slots.iter().filter(|s| s.filled.is_none()) {
        outcome = outcome.and(Outcome::Pending);
        reasons.push(GateReason { code: "approval-missing".into(), effect: Effect::Wait, text: missing(slot, state) });
    }
    GateStatus { name: gate.name.clone(), outcome, reasons, controls: gate.controls.clone(), slots }
}

fn missing(slot: &SlotStatus, state: &State) -> String {
    let label = |id: &PersonId| state.people.get(id).map_or_else(|| id.to_string(), |p| p.label().to_owned());
    let mut text = format!("needs a {} approval by {}", slot.slot, slot.slot.role().with_article());
    let barred: Vec<String> = slot
        .excluded
        .iter()
        .filter(|(_, why)| *why == Excluded::Author)
        .map(|(id, _)| format!("{} is an author", label(id)))
        .collect();
    if !barred.is_empty() {
        text.push_str(&format!(" ({})", barred.join(", ")));
    }
    if state.trust.is_some() && slot.eligible.is_empty() {
        text.push_str("; nobody enrolled can give it: countersign role grant PERSON ");
        text.push_str(slot.slot.role().as_str());
    }
    text
}

/// Fills the required slots with distinct people: a maximum bipartite matching of people to slots, so that somebody
/// who signed twice never keeps another person's signature from counting.
#[must_use]
pub fn quorum(
    required: &[Slot],
    approvals: &[&ApprovalRow],
    authors: &BTreeSet<PersonId>,
    state: &State,
) -> Vec<SlotStatus> {
    // Candidates a slot: people whose approval counts.
    let candidates: Vec<Vec<(&PersonId, u64)>> = required
        .iter()
        .map(|slot| {
            approvals
                .iter()
                .filter(|a| a.slot == *slot && !authors.contains(&a.person) && state.has_role(&a.person, slot.role()))
                .map(|a| (&a.person, a.index))
                .collect()
        })
        .collect();
    let mut holder: BTreeMap<&PersonId, usize> = BTreeMap::new();
    for slot in 0..required.len() {
        let mut tried = BTreeSet::new();
        augment(slot, &candidates, &mut holder, &mut tried);
    }
    required
        .iter()
        .enumerate()
        .map(|(i, slot)| {
            let filled = holder.iter().find(|(_, s)| **s == i).and_then(|(person, _)| {
                let index = candidates[i].iter().find(|(p, _)| p == person).map(|(_, index)| *index)?;
                Some(Filled { person: (*person).clone(), index })
            });
            let role_holders = state.people.values().filter(|p| p.roles.contains(&slot.role()));
            let (mut eligible, mut excluded) = (Vec::new(), Vec::new());
            for person in role_holders {
                if authors.contains(&person.id) {
                    excluded.push((person.id.clone(), Excluded::Author));
                } else if !holder.contains_key(&person.id) {
                    eligible.push(person.id.clone());
                }
            }
            for approval in approvals.iter().filter(|a| a.slot == *slot && !state.has_role(&a.person, slot.role())) {
                excluded.push((approval.person.clone(), Excluded::NoRole));
            }
            SlotStatus { slot: *slot, filled, eligible, excluded }
        })
        .collect()
}

/// Kuhn's augmenting path: gives `slot` somebody, moving others to another slot of theirs where that helps.
fn augment<'a>(
    slot: usize,
    candidates: &[Vec<(&'a PersonId, u64)>],
    holder: &mut BTreeMap<&'a PersonId, usize>,
    tried: &mut BTreeSet<&'a PersonId>,
) -> bool {
    for (person, _) in &candidates[slot] {
        if !tried.insert(person) {
            continue;
        }
        let free = match holder.get(person).copied() {
            None => true,
            Some(other) => augment(other, candidates, holder, tried),
        };
        if free {
            holder.insert(person, slot);
            return true;
        }
    }
    false
}

/// The outcome of all gates together.
#[must_use]
pub fn overall(gates: &[GateStatus]) -> Outcome {
    Outcome::all(gates.iter().map(|g| g.outcome))
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::event::Device;
    use countersign_model::{Digest, Role, Timestamp};
    use countersign_store::projection::Person;

    fn person(n: u8, roles: &[Role]) -> Person {
        Person {
            id: PersonId::from_text(format!("per-{n}")),
            name: Some(format!("p{n}")),
            keys: Vec::new(),
            roles: roles.iter().copied().collect(),
            index: 0,
        }
    }

    fn approval(n: u8, slot: Slot, index: u64) -> ApprovalRow {
        ApprovalRow {
            index,
            decision: Digest::of(b"d"),
            slot,
            person: PersonId::from_text(format!("per-{n}")),
            device: Device { key: String::new(), host: String::new() },
            strength: "ssh-key".into(),
            time: Timestamp::from_millis(0),
        }
    }

    fn state(people: Vec<Person>) -> State {
        State { people: people.into_iter().map(|p| (p.id.clone(), p)).collect(), ..State::default() }
    }

    const BOTH: [Slot; 2] = [Slot::Technical, Slot::Regulatory];

    /// Brute force: is there an assignment of distinct people to both slots?
    fn possible(approvals: &[ApprovalRow], authors: &BTreeSet<PersonId>, state: &State) -> bool {
        let ok = |a: &ApprovalRow, slot: Slot| {
            a.slot == slot && !authors.contains(&a.person) && state.has_role(&a.person, slot.role())
        };
        approvals.iter().any(|t| {
            ok(t, Slot::Technical) && approvals.iter().any(|r| ok(r, Slot::Regulatory) && r.person != t.person)
        })
    }

    #[test]
    fn the_matching_agrees_with_brute_force() {
        let roles = [Role::Engineer, Role::ComplianceOfficer];
        // Every subset of six possible approvals by three people, every subset of authors.
        for bits in 0_u32..64 {
            let approvals: Vec<ApprovalRow> = (0..6_u8)
                .filter(|i| bits & (1 << i) != 0)
                .map(|i| approval(i / 2, BOTH[usize::from(i % 2)], u64::from(i)))
                .collect();
            for author_bits in 0_u32..8 {
                let authors = (0..3_u8).filter(|i| author_bits & (1 << i) != 0).map(|i| person(i, &[]).id).collect();
                let state = state(vec![person(0, &roles), person(1, &roles), person(2, &roles[..1])]);
                let refs: Vec<&ApprovalRow> = approvals.iter().collect();
                let filled = quorum(&BOTH, &refs, &authors, &state).iter().all(|s| s.filled.is_some());
                assert_eq!(filled, possible(&approvals, &authors, &state), "{bits:b} {author_bits:b}");
            }
        }
    }

    #[test]
    fn one_person_never_fills_two_slots() {
        let roles = [Role::Engineer, Role::ComplianceOfficer];
        let state = state(vec![person(0, &roles)]);
        let (a, b) = (approval(0, Slot::Technical, 1), approval(0, Slot::Regulatory, 2));
        let slots = quorum(&BOTH, &[&a, &b], &BTreeSet::new(), &state);
        assert_eq!(slots.iter().filter(|s| s.filled.is_some()).count(), 1);
    }
}
