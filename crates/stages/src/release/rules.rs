//! Who may fill which slot, and what a gate's outcome is once approvals are looked at.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::access::{Duty, MergedRules, SlotName, SlotRule, Strength};
use countersign_model::change::Change;
use countersign_model::{Outcome, PersonId, Slot, Timestamp};
use countersign_policy::enforcement::Enforced;
use countersign_policy::quorum::{self, Case, Given, Held, Rejection, Signer, Unfillable, Why};
use countersign_policy::{Decision, Effect, GateVerdict};
use countersign_store::projection::{RunRow, State};

use super::binding::{self, Present};
use crate::Error;
use crate::build::decide;

/// What a decision comes to, missing approvals aside, where a signature is worth something. What a waiver lets pass is signed as what passes
/// by itself.
pub const SIGNED: [Outcome; 4] = [Outcome::Pending, Outcome::Pass, Outcome::Waived, Outcome::Mitigated];

/// A required signature, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotStatus {
    /// What it asks for.
    pub rule: SlotRule,
    /// The approvals that fill it.
    pub filled: Vec<Filled>,
    /// Who could still sign.
    pub eligible: Vec<PersonId>,
    /// Role holders who may not, and why.
    pub excluded: Vec<(PersonId, Held)>,
    /// Approvals for it that fill nothing, oldest first.
    pub idle: Vec<Idle>,
    /// Slots that must be filled before.
    pub waits_for: Vec<SlotName>,
}

impl SlotStatus {
    /// How many more people have to sign.
    #[must_use]
    pub fn missing(&self) -> usize {
        (self.rule.count as usize).saturating_sub(self.filled.len())
    }
}

/// An approval that fills a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// Who.
    pub person: PersonId,
    /// Log index of the approval.
    pub index: u64,
    /// When it is over; none: when something that it binds changes.
    pub until: Option<Timestamp>,
}

/// An approval that fills nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle {
    /// Who.
    pub person: PersonId,
    /// Log index of the approval.
    pub index: u64,
    /// Why it does not count.
    pub why: Why,
    /// Whether it was given for the decision as it stands.
    pub current: bool,
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
    /// Rejections that stand.
    pub rejected: Vec<Rejection>,
    /// Slots that nobody enrolled can fill all at once.
    pub unfillable: Option<Unfillable>,
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

    fn new(code: &str, effect: Effect, text: String) -> Self {
        Self { code: code.into(), effect, text, enforced: None }
    }
}

/// Everything that the gates of a run are joined from.
struct Joined<'a> {
    state: &'a State,
    run: Option<&'a RunRow>,
    change: Option<Change>,
    decision: &'a Decision,
    digest: countersign_model::Digest,
    people: BTreeMap<PersonId, Signer>,
    duties: BTreeMap<PersonId, Vec<Held>>,
    now: Timestamp,
}

/// The gates of a decision with the approvals of its run. `now` is the machine's clock; a time that the log has seen is never
/// undone by it.
///
/// # Errors
/// When the projection cannot be read.
pub fn gates(
    decision: &Decision,
    run: Option<&RunRow>,
    authors: &BTreeSet<PersonId>,
    state: &State,
    now: Timestamp,
) -> Result<Vec<GateStatus>, Error> {
    let change = run.map(|row| read_change(state, row)).transpose()?;
    let mut duties = change.as_ref().map(|c| duties_of(state, c)).transpose()?.unwrap_or_default();
    for author in authors {
        let held: &mut Vec<Held> = duties.entry(author.clone()).or_default();
        if held.iter().all(|h| !Duty::ALWAYS.contains(&h.duty)) {
            held.push(Held { duty: Duty::Author, by: "what the run covers".into() });
        }
    }
    let now = now.max(state.newest_time()?);
    let joined =
        Joined { state, run, change, decision, digest: decision.digest()?, people: signers(state, now)?, duties, now };
    decision.verdict.gates.iter().map(|gate| joined.gate(gate)).collect()
}

fn read_change(state: &State, row: &RunRow) -> Result<Change, Error> {
    Ok(countersign_evidence::canonical::from_slice(&state.payload(&row.change)?)?)
}

/// The duties of people in a run before anybody signs it.
///
/// # Errors
/// When the projection cannot be read.
pub(crate) fn duties_of(state: &State, change: &Change) -> Result<BTreeMap<PersonId, Vec<Held>>, Error> {
    let all = state.duties(change)?.into_iter();
    let held = |(person, duties): (PersonId, BTreeMap<Duty, String>)| {
        (person, duties.into_iter().map(|(duty, by)| Held { duty, by }).collect())
    };
    Ok(all.map(held).collect())
}

/// Everybody enrolled, with their roles and the strongest key of theirs that counts now.
///
/// # Errors
/// When the projection cannot be read.
fn signers(state: &State, now: Timestamp) -> Result<BTreeMap<PersonId, Signer>, Error> {
    let strong = state.people_with_hardware_keys(now)?;
    let of = |(person, roles): (PersonId, BTreeSet<countersign_model::Role>)| {
        let strength = if strong.contains(&person) { Strength::Hardware } else { Strength::Key };
        (person, Signer { roles, strength })
    };
    Ok(state.members()?.into_iter().map(of).collect())
}

/// What a release needs by the rules in effect and by what its repository asks for besides.
///
/// # Errors
/// When the projection or the scan record cannot be read.
pub(crate) fn rules_of(
    state: &State,
    row: Option<&RunRow>,
    change: Option<&Change>,
    required: &[Slot],
) -> Result<MergedRules, Error> {
    let Some(change) = change else { return Ok(MergedRules::standard(required)) };
    let mut rules = state.rules_for(change.identity.as_deref(), &change.environment, required)?;
    if let Some(row) = row.filter(|row| row.scan.is_some()) {
        rules.tighten(&decide::asked_approvals(state, row)?);
    }
    Ok(rules)
}

impl Joined<'_> {
    fn gate(&self, gate: &GateVerdict) -> Result<GateStatus, Error> {
        let reason = |r: &countersign_policy::Reason| GateReason {
            code: r.code.clone(),
            effect: r.effect,
            text: r.text.clone(),
            enforced: r.enforced.clone(),
        };
        let mut status = GateStatus {
            name: gate.name.clone(),
            outcome: gate.outcome,
            reasons: gate.reasons.iter().map(reason).collect(),
            controls: gate.controls.clone(),
            slots: Vec::new(),
            rejected: Vec::new(),
            unfillable: None,
        };
        // Signatures are for the gate whose policy asks for some; the rules of a firm add to the release.
        if gate.requires.is_empty() && gate.name != "release" {
            return Ok(status);
        }
        let rules = rules_of(self.state, self.run, self.change.as_ref(), &gate.requires)?;
        let (given, rejections) = self.said()?;
        let case = Case {
            slots: &rules.slots,
            people: &self.people,
            duties: &self.duties,
            given: &given,
            rejections: &rejections,
            now: self.now,
        };
        let found = quorum::quorum(&case);
        for slot in found.slots {
            let current = |g: &Given| self.is_current(g.index);
            status.slots.push(SlotStatus {
                rule: slot.rule.clone(),
                filled: slot
                    .filled
                    .iter()
                    .map(|f| Filled { person: f.person.clone(), index: f.index, until: f.until })
                    .collect(),
                eligible: slot.could_sign.into_iter().cloned().collect(),
                excluded: slot.excluded.into_iter().map(|(p, h)| (p.clone(), h.clone())).collect(),
                idle: slot
                    .idle
                    .into_iter()
                    .map(|(g, why)| Idle { person: g.person.clone(), index: g.index, why, current: current(g) })
                    .collect(),
                waits_for: slot.waits_for.into_iter().cloned().collect(),
            });
        }
        status.rejected = found.rejected.into_iter().cloned().collect();
        if self.state.trust().is_some() && status.slots.iter().any(|s| s.missing() > 0) {
            status.unfillable = quorum::fillable(&rules.slots, &self.people).err();
        }
        self.judge(&mut status)?;
        self.strange(&mut status)?;
        Ok(status)
    }

    /// What a repository asks of a slot that its firm has nowhere is asked of nobody: a slip of the pen must not pass for a second
    /// signature. A slot that other places have is none here, and nothing is wrong with that.
    fn strange(&self, status: &mut GateStatus) -> Result<(), Error> {
        let Some(row) = self.run.filter(|row| row.scan.is_some()) else { return Ok(()) };
        let firm = self.state.approval_rules()?;
        for asked in decide::asked_approvals(self.state, row)? {
            let here = status.slots.iter().any(|s| s.rule.slot == asked.slot);
            let mut elsewhere = firm.iter().flat_map(|f| &f.rules.rules).flat_map(|r| &r.slots);
            if here || asked.slot.known().is_some() || elsewhere.any(|s| s.slot == asked.slot) {
                continue;
            }
            let text = format!(
                "`release.approvals` in countersign.toml asks for the slot {}, which the firm's approval rules have nowhere",
                asked.slot
            );
            status.outcome = status.outcome.and(Outcome::Pending);
            status.reasons.push(GateReason::new("approval-slot-unknown", Effect::Wait, text));
        }
        Ok(())
    }

    /// What the signatures do to the gate.
    fn judge(&self, status: &mut GateStatus) -> Result<(), Error> {
        for no in &status.rejected {
            let text = format!("rejected by {} (entry {}): {}", self.state.label(&no.person)?, no.index, no.reason);
            status.outcome = status.outcome.and(Outcome::Fail);
            status.reasons.push(GateReason::new("rejected", Effect::Deny, text));
        }
        let mut said = BTreeSet::new();
        for slot in status.slots.iter().filter(|s| s.missing() > 0) {
            status.outcome = status.outcome.and(Outcome::Pending);
            let text = self.missing(slot)?;
            status.reasons.push(GateReason::new("approval-missing", Effect::Wait, text));
            for idle in &slot.idle {
                // Who signed anew, or took it back, knows why the former one does not count.
                let superseded = slot.filled.iter().any(|f| f.person == idle.person)
                    || slot.idle.iter().any(|later| later.person == idle.person && later.index > idle.index);
                let counts = matches!(idle.why, Why::NeededIn(_) | Why::NotNeeded);
                if counts || superseded || !said.insert(idle.index) {
                    continue;
                }
                let why = idle.why.text();
                let who = self.state.label(&idle.person)?;
                let text =
                    format!("the {} approval by {who} (entry {}) does not count: {why}", slot.rule.slot, idle.index);
                status.reasons.push(GateReason::new("approval-void", Effect::Note, text));
            }
        }
        if let Some(no) = &status.unfillable {
            status.reasons.push(GateReason::new("quorum-unfillable", Effect::Wait, unfillable(no, self.state)?));
        }
        Ok(())
    }

    fn missing(&self, slot: &SlotStatus) -> Result<String, Error> {
        let rule = &slot.rule;
        let mut text = match (rule.count, slot.missing()) {
            (1, _) => format!("needs a {} approval by {}", rule.slot, rule.who()),
            (all, more) => format!("needs {more} more of {all} {} approvals by {}", rule.slot, rule.who()),
        };
        let mut barred = Vec::new();
        for (person, held) in &slot.excluded {
            let label = self.state.label(person)?;
            barred.push(match held.duty {
                Duty::Author | Duty::CoAuthor => format!("{label} is an author"),
                duty => format!("{label} is {duty}"),
            });
        }
        if !barred.is_empty() {
            text.push_str(&format!(" ({})", barred.join(", ")));
        }
        if let Some(first) = slot.waits_for.first() {
            text.push_str(&format!("; the {first} approval comes first"));
        }
        if rule.strength == Strength::Hardware {
            text.push_str("; with a hardware key");
        }
        if self.state.trust().is_some() && slot.eligible.is_empty() {
            text.push_str("; nobody enrolled can give it: countersign role grant PERSON ");
            text.push_str(rule.roles.first().map_or("ROLE", |r| r.as_str()));
            text.push_str(" --reason TEXT");
        }
        Ok(text)
    }

    fn is_current(&self, index: u64) -> bool {
        let approvals = self.run.map(|r| r.approvals.as_slice()).unwrap_or_default();
        approvals.iter().any(|a| a.index == index && a.decision == self.digest)
    }

    /// Everything that was said about the run: approvals of any decision with what has changed since, and rejections of this one.
    fn said(&self) -> Result<(Vec<Given>, Vec<Rejection>), Error> {
        let (Some(run), Some(change)) = (self.run, &self.change) else { return Ok((Vec::new(), Vec::new())) };
        let present = Present::of(self.state, run, change, self.decision, self.now)?;
        let mut given = Vec::with_capacity(run.approvals.len());
        for row in &run.approvals {
            given.push(Given {
                index: row.index,
                slot: row.slot.clone(),
                person: row.person.clone(),
                time: row.time,
                expires: row.said.expires,
                strength: Strength::of_statement(&row.strength),
                withdrawn: row.withdrawn,
                differs: binding::differences(self.state, &present, row)?,
            });
        }
        let of_this = self.state.rejections_of(&run.id)?.into_iter().filter(|r| r.said.decision == self.digest);
        let rejections = of_this.map(|r| Rejection {
            index: r.index,
            person: r.said.person,
            withdrawn: r.withdrawn,
            reason: r.said.reason,
        });
        Ok((given, rejections.collect()))
    }
}

/// What is missing where no set of people can fill the slots.
///
/// # Errors
/// When the projection cannot be read.
pub fn unfillable(no: &Unfillable, state: &State) -> Result<String, Error> {
    let people = no.people.iter().map(|p| state.label(p)).collect::<Result<Vec<_>, _>>()?;
    Ok(no.text(&people))
}

/// The duty that keeps somebody from deploying this run, if one does.
///
/// # Errors
/// When the projection or a payload cannot be read.
pub(crate) fn bars_deployer(
    state: &State,
    row: &RunRow,
    gates: &[GateStatus],
    person: &PersonId,
) -> Result<Option<Duty>, Error> {
    let change = read_change(state, row)?;
    let required: Vec<Slot> = gates.iter().flat_map(|g| &g.slots).filter_map(|s| s.rule.slot.known()).collect();
    let rules = rules_of(state, Some(row), Some(&change), &required)?;
    let held = duties_of(state, &change)?.remove(person).unwrap_or_default();
    if let Some(held) = held.iter().find(|h| rules.bars_deployer(h.duty)) {
        return Ok(Some(held.duty));
    }
    let approved = gates.iter().flat_map(|g| &g.slots).flat_map(|s| &s.filled).any(|f| f.person == *person);
    Ok((approved && rules.bars_deployer(Duty::Approver)).then_some(Duty::Approver))
}

/// The outcome of all gates together.
#[must_use]
pub fn overall(gates: &[GateStatus]) -> Outcome {
    Outcome::all(gates.iter().map(|g| g.outcome))
}
