//! What to do next, generated from the gaps: in 30 days what is broken or can be delivered with what is here, in 60 what people
//! have to say, in 90 what needs a source that nothing records yet.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::Outcome;
use countersign_policy::catalogue::source::{self, Delivery};

use super::judged::{Assessed, JudgedControl};

/// The checklist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to do, by days and then by how many requirements it moves.
    pub items: Vec<Item>,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Within how many days: 30, 60 or 90.
    pub days: u32,
    /// What.
    pub what: String,
    /// Who: the role.
    pub owner: String,
    /// The controls that it moves.
    pub controls: Vec<String>,
    /// The requirements that those meet and that are not met.
    pub requirements: Vec<String>,
}

/// The plan that closes the gaps.
pub(super) fn of(frameworks: &[Assessed], controls: &[JudgedControl]) -> Plan {
    // Requirements that are not met, by the controls that keep them from it.
    let mut waiting: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for assessed in frameworks {
        for r in assessed.requirements.iter().filter(|r| !r.outcome.opens()) {
            for (control, _) in r.controls.iter().filter(|(_, outcome)| *outcome != Outcome::Pass) {
                let name = format!("{}:{}", assessed.framework.id, r.requirement.id);
                waiting.entry(control).or_default().insert(name);
            }
        }
    }
    let none = BTreeSet::new();
    let of = |id: &str| waiting.get(id).unwrap_or(&none);
    let mut items = Vec::new();
    let mut by_source: BTreeMap<&'static str, Vec<&JudgedControl>> = BTreeMap::new();
    for control in controls {
        let judgement = &control.judgement;
        let alone = |days, what: String| Item {
            days,
            what,
            owner: control.owner.clone(),
            controls: vec![control.id.clone()],
            requirements: of(&control.id).iter().cloned().collect(),
        };
        match judgement.outcome {
            Outcome::Fail => {
                let broken: BTreeSet<&str> = judgement.failing.iter().map(|f| f.subject.as_str()).collect();
                let first = judgement.failing.first().map(|f| format!(", first {}: {}", f.subject, f.text));
                let what = format!("{}: {} broken{}", control.title, broken.len(), first.unwrap_or_default());
                items.push(alone(30, what));
            }
            Outcome::Error => {
                items.push(alone(30, format!("{}: it cannot be judged: {}", control.title, judgement.why)))
            }
            Outcome::NotEvaluated if judgement.missing.is_empty() => {
                // People decide it, or there was no case of it.
                let nothing = judgement.why.starts_with("nothing to judge");
                let more = if nothing { "; attest that there was none, or wait for the first" } else { "" };
                let what = format!("{}{more}", judgement.why);
                items.push(alone(60, format!("{}: {what}", control.title)));
            }
            Outcome::NotEvaluated => {
                // Where a later part has to come first, what can be delivered today does not help yet.
                let later = judgement.missing.iter().copied().find(|n| source::find(n).is_some_and(|s| s.is_later()));
                if let Some(name) = later.or_else(|| judgement.missing.first().copied()) {
                    by_source.entry(name).or_default().push(control);
                }
            }
            _ => {}
        }
    }
    for (name, controls) in by_source {
        let Some(source) = source::find(name) else { continue };
        let (days, what) = match source.delivery {
            Delivery::By(how) => (30, format!("deliver `{name}`, {}: {how}", source.what)),
            Delivery::Later(part) => (90, format!("bring in `{name}`, {}; it comes with {part}", source.what)),
        };
        let requirements: BTreeSet<String> = controls.iter().flat_map(|c| of(&c.id)).cloned().collect();
        // Whoever answers for most of them.
        let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
        for control in &controls {
            let count = owners.entry(&control.owner).or_default();
            *count = count.saturating_add(1);
        }
        let owner = owners.into_iter().max_by_key(|(_, count)| *count).map(|(owner, _)| owner.to_owned());
        let owner = owner.unwrap_or_default();
        let controls = controls.iter().map(|c| c.id.clone()).collect();
        items.push(Item { days, what, owner, controls, requirements: requirements.into_iter().collect() });
    }
    let mut attest: BTreeMap<&str, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for assessed in frameworks {
        for r in assessed.requirements.iter().filter(|r| r.outcome == Outcome::Pending) {
            let Some(control) = r.controls.first().and_then(|(id, _)| controls.iter().find(|c| c.id == *id)) else {
                continue;
            };
            let entry = attest.entry(&control.owner).or_default();
            entry.0.push(control.id.clone());
            entry.1.push(format!("{}:{}", assessed.framework.id, r.requirement.id));
        }
    }
    for (owner, (mut controls, requirements)) in attest {
        controls.sort_unstable();
        controls.dedup();
        let what = format!("attest what evidence does not decide, for {} requirements", requirements.len());
        items.push(Item { days: 60, what, owner: owner.to_owned(), controls, requirements });
    }
    items.sort_by(|a, b| {
        (a.days, std::cmp::Reverse(a.requirements.len()), &a.what).cmp(&(
            b.days,
            std::cmp::Reverse(b.requirements.len()),
            &b.what,
        ))
    });
    Plan { items }
}
