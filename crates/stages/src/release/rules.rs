//! Pure: who may fill which slot, and what a gate's outcome is once approvals are looked at.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::{Outcome, PersonId, Role, Slot};
use countersign_policy::enforcement::Enforced;
use countersign_policy::{Effect, GateVerdict, Verdict};
use countersign_store::projection::{ApprovalRow, RunRow, State};

use crate::Error;

/// Everybody enrolled, with their roles.
pub type Members = BTreeMap<PersonId, BTreeSet<Role>>;

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
    /// Its level, and what became of it; none where everything blocks as the policy says.
    pub enforced: Option<Enforced>,
}

impl GateReason {
    /// Whether it holds its gate up.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.effect != Effect::Note
            && self.enforced.as_ref().is_none_or(|e| e.standing == countersign_policy::enforcement::Standing::Blocks)
    }
}

/// The gates of a verdict with the approvals of exactly this decision.
///
/// # Errors
/// When the projection cannot be read.
pub fn gates(
    verdict: &Verdict,
    run: Option<&RunRow>,
    decision: countersign_model::Digest,
    authors: &BTreeSet<PersonId>,
    state: &State,
) -> Result<Vec<GateStatus>, Error> {
    let members = state.members()?;
    verdict.gates.iter().map(|gate| gate_status(gate, run, decision, authors, state, &members)).collect()
}

fn gate_status(
    gate: &GateVerdict,
    run: Option<&RunRow>,
    decision: countersign_model::Digest,
    authors: &BTreeSet<PersonId>,
    state: &State,
    members: &Members,
) -> Result<GateStatus, Error> {
    let mut reasons: Vec<GateReason> = gate
        .reasons
        .iter()
        .map(|r| GateReason {
            code: r.code.clone(),
            effect: r.effect,
            text: r.text.clone(),
            enforced: r.enforced.clone(),
        })
        .collect();
    let approvals: Vec<&ApprovalRow> =
        run.map(|r| r.approvals.iter().filter(|a| a.decision == decision).collect()).unwrap_or_default();
    let slots = quorum(&gate.requires, &approvals, authors, members);
    let mut outcome = gate.outcome;
    for slot in slots.iter().filter(|s| s.filled.is_none()) {
        outcome = outcome.and(Outcome::Pending);
        let (code, text) = ("approval-missing".into(), missing(slot, state)?);
        reasons.push(GateReason { code, effect: Effect::Wait, text, enforced: None });
    }
    Ok(GateStatus { name: gate.name.clone(), outcome, reasons, controls: gate.controls.clone(), slots })
}

fn missing(slot: &SlotStatus, state: &State) -> Result<String, Error> {
    let mut text = format!("needs a {} approval by {}", slot.slot, slot.slot.role().with_article());
    let barred: Vec<String> = slot
        .excluded
        .iter()
        .filter(|(_, why)| *why == Excluded::Author)
        .map(|(id, _)| Ok(format!("{} is an author", state.label(id)?)))
        .collect::<Result<_, Error>>()?;
    if !barred.is_empty() {
        text.push_str(&format!(" ({})", barred.join(", ")));
    }
    if state.trust().is_some() && slot.eligible.is_empty() {
        text.push_str("; nobody enrolled can give it: countersign role grant PERSON ");
        text.push_str(slot.slot.role().as_str());
    }
    Ok(text)
}

/// Fills the required slots with distinct people: a maximum bipartite matching of people to slots, so that somebody
/// who signed twice never keeps another person's signature from counting.
#[must_use]
pub fn quorum(
    required: &[Slot],
    approvals: &[&ApprovalRow],
    authors: &BTreeSet<PersonId>,
    members: &Members,
) -> Vec<SlotStatus> {
    let has_role = |person: &PersonId, role: Role| members.get(person).is_some_and(|roles| roles.contains(&role));
    // Candidates a slot: people whose approval counts.
    let candidates: Vec<Vec<(&PersonId, u64)>> = required
        .iter()
        .map(|slot| {
            approvals
                .iter()
                .filter(|a| a.slot == *slot && !authors.contains(&a.person) && has_role(&a.person, slot.role()))
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
            let (mut eligible, mut excluded) = (Vec::new(), Vec::new());
            for (person, _) in members.iter().filter(|(_, roles)| roles.contains(&slot.role())) {
                if authors.contains(person) {
                    excluded.push((person.clone(), Excluded::Author));
                } else if !holder.contains_key(person) {
                    eligible.push(person.clone());
                }
            }
            for approval in approvals.iter().filter(|a| a.slot == *slot && !has_role(&a.person, slot.role())) {
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
    use countersign_model::{Digest, Timestamp};

    fn id(n: u8) -> PersonId {
        PersonId::from_text(format!("per-{n}"))
    }

    fn approval(n: u8, slot: Slot, index: u64) -> ApprovalRow {
        ApprovalRow {
            index,
            decision: Digest::of(b"d"),
            slot,
            person: id(n),
            device: Device { key: String::new(), host: String::new() },
            strength: "ssh-key".into(),
            time: Timestamp::from_millis(0),
        }
    }

    fn members(people: &[&[Role]]) -> Members {
        (0..).zip(people).map(|(n, roles)| (id(n), roles.iter().copied().collect())).collect()
    }

    const BOTH: [Slot; 2] = [Slot::Technical, Slot::Regulatory];

    /// Brute force: is there an assignment of distinct people to both slots?
    fn possible(approvals: &[ApprovalRow], authors: &BTreeSet<PersonId>, members: &Members) -> bool {
        let ok = |a: &ApprovalRow, slot: Slot| {
            a.slot == slot && !authors.contains(&a.person) && members[&a.person].contains(&slot.role())
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
                let authors = (0..3_u8).filter(|i| author_bits & (1 << i) != 0).map(id).collect();
                let members = members(&[&roles, &roles, &roles[..1]]);
                let refs: Vec<&ApprovalRow> = approvals.iter().collect();
                let filled = quorum(&BOTH, &refs, &authors, &members).iter().all(|s| s.filled.is_some());
                assert_eq!(filled, possible(&approvals, &authors, &members), "{bits:b} {author_bits:b}");
            }
        }
    }

    #[test]
    fn one_person_never_fills_two_slots() {
        let roles = [Role::Engineer, Role::ComplianceOfficer];
        let members = members(&[&roles]);
        let (a, b) = (approval(0, Slot::Technical, 1), approval(0, Slot::Regulatory, 2));
        let slots = quorum(&BOTH, &[&a, &b], &BTreeSet::new(), &members);
        assert_eq!(slots.iter().filter(|s| s.filled.is_some()).count(), 1);
    }
}
