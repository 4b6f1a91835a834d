//! Controls and requirements with their outcomes.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::retention::Day;
use countersign_model::{Digest, Outcome};
use countersign_policy::Catalogue;
use countersign_policy::catalogue::{Class, Control, Framework, Judgement, Ready, Requirement, judge};

use serde_json::Value;

use super::{Ask, Folded};

/// How many entries a requirement names.
const MAX_ENTRIES: usize = 20;

/// A control and what came of judging it.
#[derive(Debug, Clone)]
pub struct JudgedControl {
    /// Its id.
    pub id: String,
    /// One line.
    pub title: String,
    /// The role that answers for it.
    pub owner: String,
    /// Within how many hours a breach is answered.
    pub sla_hours: u32,
    /// What people attest besides.
    pub attests: Option<String>,
    /// The version of its file.
    pub digest: Digest,
    /// What came of it.
    pub judgement: Judgement,
}

/// A framework with its requirements.
#[derive(Debug, Clone)]
pub struct Assessed {
    /// The framework.
    pub framework: Framework,
    /// Its requirements, in its order.
    pub requirements: Vec<JudgedRequirement>,
}

/// A requirement and what came of it.
#[derive(Debug, Clone)]
pub struct JudgedRequirement {
    /// The requirement.
    pub requirement: Requirement,
    /// Pass, fail, error, pending (people have to attest the rest), not-applicable, not-evaluated.
    pub outcome: Outcome,
    /// One sentence.
    pub why: String,
    /// The controls that meet it, with their outcomes.
    pub controls: Vec<(String, Outcome)>,
    /// Log indices of the evidence, those of breaches first, and the newest of each control first.
    pub entries: Vec<u64>,
    /// How many there are in all.
    pub entries_in_all: usize,
    /// Sources of evidence that were missing.
    pub missing: Vec<&'static str>,
}

/// Judges every control that the chosen frameworks need, and all their requirements.
pub(crate) fn judge_all(catalogue: &Catalogue, folded: &Folded, ask: &Ask) -> (Vec<JudgedControl>, Vec<Assessed>) {
    let chosen: Vec<&Framework> =
        catalogue.frameworks.values().filter(|f| ask.framework.as_ref().is_none_or(|id| *id == f.id)).collect();
    let mut meeting: BTreeMap<(&str, &str), Vec<&Control>> = BTreeMap::new();
    let mut needed: BTreeMap<&str, &Control> = BTreeMap::new();
    for framework in &chosen {
        for requirement in &framework.requirements {
            let controls = catalogue.meeting(&framework.id, requirement);
            needed.extend(controls.iter().map(|c| (c.id.as_str(), *c)));
            meeting.insert((&framework.id, &requirement.id), controls);
        }
    }
    if ask.framework.is_none() {
        needed.extend(catalogue.controls.values().map(|c| (c.id.as_str(), c)));
    }
    let controls: Vec<&Control> = needed.into_values().collect();
    let judged = on_all_cores(&controls, folded, &Ready::new(&folded.facts));
    let by_id: BTreeMap<&str, &JudgedControl> = judged.iter().map(|c| (c.id.as_str(), c)).collect();
    let today = Day::of(ask.window.to);
    let assessed = chosen
        .iter()
        .map(|framework| Assessed {
            framework: (*framework).clone(),
            requirements: framework
                .requirements
                .iter()
                .map(|requirement| {
                    let controls = meeting.get(&(&*framework.id, &*requirement.id)).map(Vec::as_slice);
                    let controls =
                        controls.unwrap_or_default().iter().filter_map(|c| by_id.get(c.id.as_str()).copied());
                    conclude(framework, requirement, &controls.collect::<Vec<_>>(), today)
                })
                .collect(),
        })
        .collect();
    (judged, assessed)
}

/// Judges every control of a catalogue.
pub(crate) fn judge_each(catalogue: &Catalogue, folded: &Folded) -> Vec<JudgedControl> {
    let controls: Vec<&Control> = catalogue.controls.values().collect();
    on_all_cores(&controls, folded, &Ready::new(&folded.facts))
}

/// Controls are judged independently of each other, so each core takes its part of them.
fn on_all_cores(controls: &[&Control], folded: &Folded, ready: &Ready<'_>) -> Vec<JudgedControl> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let each = controls.len().div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = controls
            .chunks(each)
            .map(|part| scope.spawn(move || part.iter().map(|c| one(c, folded, ready)).collect::<Vec<_>>()))
            .collect();
        let mut all = Vec::with_capacity(controls.len());
        for (part, handle) in controls.chunks(each).zip(parts) {
            match handle.join() {
                Ok(judged) => all.extend(judged),
                // Whatever broke down there, no control of that part was judged.
                Err(_) => all.extend(part.iter().map(|c| broken(c))),
            }
        }
        all
    })
}

/// One control over the facts.
pub(crate) fn one(control: &Control, folded: &Folded, ready: &Ready<'_>) -> JudgedControl {
    if let Some(why) = folded.excerpt.and_then(|excerpt| excerpt.cannot_tell(control)) {
        return of(control, not_looked_at(why));
    }
    let mut judgement = judge(control, ready);
    lift(control, folded, &mut judgement);
    let over = control.decides.as_ref().map(|d| d.over.as_str());
    let lost: Vec<_> = folded.unreadable.iter().filter(|u| Some(u.collection) == over).collect();
    if let Some(first) = lost.first()
        && judgement.outcome != Outcome::Fail
    {
        judgement.outcome = Outcome::Error;
        judgement.why =
            format!("{} of what it is about cannot be read, first entry {}: {}", lost.len(), first.index, first.why);
    }
    of(control, judgement)
}

/// A breach that a decision let stand, by a waiver or an override that people signed, is waived and not failed. It stays in the list.
fn lift(control: &Control, folded: &Folded, judgement: &mut Judgement) {
    if judgement.outcome != Outcome::Fail || control.decides.as_ref().is_none_or(|d| d.over != "deployments") {
        return;
    }
    let deployments = folded.facts["deployments"].as_array().map(Vec::as_slice).unwrap_or_default();
    let by_id: BTreeMap<&str, &Value> = deployments.iter().filter_map(|d| Some((d["id"].as_str()?, d))).collect();
    let standing = |id: &str| {
        let deployment = by_id.get(id)?;
        let lifted = deployment["lifted"].as_array()?.iter().find(|l| l["control"] == control.id.as_str())?;
        lifted["standing"].as_str()
    };
    let standings: Option<Vec<&str>> = judgement.failing.iter().map(|f| standing(&f.subject)).collect();
    let Some(standings) = standings else { return };
    let mitigated = standings.iter().all(|s| *s == "mitigated");
    judgement.outcome = if mitigated { Outcome::Mitigated } else { Outcome::Waived };
    judgement.why = format!("{}; each was let stand by a signed waiver or override", judgement.why);
}

fn not_looked_at(why: &str) -> Judgement {
    let why = format!("not looked at in a pack: {why}");
    Judgement { outcome: Outcome::NotEvaluated, ..Judgement::error(why) }
}

fn broken(control: &Control) -> JudgedControl {
    of(control, Judgement::error("judging it broke down"))
}

fn of(control: &Control, judgement: Judgement) -> JudgedControl {
    JudgedControl {
        id: control.id.clone(),
        title: control.title.clone(),
        owner: control.owner.clone(),
        sla_hours: control.sla_hours,
        attests: control.attests.clone(),
        digest: control.digest,
        judgement,
    }
}

fn conclude(
    framework: &Framework,
    requirement: &Requirement,
    controls: &[&JudgedControl],
    today: Option<Day>,
) -> JudgedRequirement {
    let outcomes: Vec<(String, Outcome)> = controls.iter().map(|c| (c.id.clone(), c.judgement.outcome)).collect();
    let (outcome, why) = outcome_of(framework, requirement, controls, today);
    let mut entries: Vec<u64> = Vec::new();
    let mut seen = BTreeSet::new();
    // What breaks it first.
    let failed_first = controls.iter().filter(|c| c.judgement.outcome == Outcome::Fail);
    for control in failed_first.chain(controls.iter().filter(|c| c.judgement.outcome != Outcome::Fail)) {
        let mut own = control.judgement.entries.clone();
        own.sort_unstable_by(|a, b| b.cmp(a));
        entries.extend(own.into_iter().filter(|index| seen.insert(*index)));
    }
    let entries_in_all = entries.len();
    entries.truncate(MAX_ENTRIES);
    let missing: BTreeSet<&'static str> = controls.iter().flat_map(|c| c.judgement.missing.iter().copied()).collect();
    JudgedRequirement {
        requirement: requirement.clone(),
        outcome,
        why,
        controls: outcomes,
        entries,
        entries_in_all,
        missing: missing.into_iter().collect(),
    }
}

fn outcome_of(
    framework: &Framework,
    requirement: &Requirement,
    controls: &[&JudgedControl],
    today: Option<Day>,
) -> (Outcome, String) {
    if let Some(by) = requirement.superseded_by.as_ref().or(framework.superseded_by.as_ref()) {
        return (Outcome::NotApplicable, format!("superseded by {by}"));
    }
    if let Some(today) = today
        && !requirement.in_force(framework, today)
    {
        return (Outcome::NotApplicable, "not in force at the end of the window".to_owned());
    }
    if let Some(reason) = &requirement.reason {
        return (Outcome::NotEvaluated, format!("no control meets it: {reason}"));
    }
    if controls.is_empty() {
        return (Outcome::NotEvaluated, "no control meets it, and nobody says why".to_owned());
    }
    let outcome = Outcome::all(controls.iter().map(|c| c.judgement.outcome));
    let count = |wanted: Outcome| controls.iter().filter(|c| c.judgement.outcome == wanted).count();
    let mut parts = Vec::new();
    for (wanted, word) in [
        (Outcome::Fail, "broken"),
        (Outcome::Error, "in error"),
        (Outcome::NotEvaluated, "not evaluated"),
        (Outcome::Waived, "waived"),
        (Outcome::Mitigated, "mitigated"),
        (Outcome::Pass, "kept"),
    ] {
        if count(wanted) > 0 {
            parts.push(format!("{} {word}", count(wanted)));
        }
    }
    let total = controls.len();
    let text = format!("{total} {}: {}", if total == 1 { "control" } else { "controls" }, parts.join(", "));
    if outcome.opens() && requirement.class != Class::Automatic {
        let rest: Vec<&str> = controls.iter().filter_map(|c| c.attests.as_deref()).collect();
        let rest = if rest.is_empty() { "evidence decides a part of it".to_owned() } else { rest.join(" ") };
        return (Outcome::Pending, format!("{text}; people attest the rest: {rest}"));
    }
    (outcome, text)
}
