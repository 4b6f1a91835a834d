//! Frameworks: what a regulator would see of each.

use std::sync::Arc;

use countersign_govern::assess::{Assessed, Assessment};
use countersign_model::Outcome;

use super::ask::{Ask, count};
use super::wire::{AsOf, ControlOutcome, Framework, FrameworkLine, FrameworkList, Requirement};
use crate::app::Trouble;

/// The newest assessment, which is computed beside the requests.
pub(super) fn newest(ask: &Ask<'_>) -> Result<Arc<Assessment>, Trouble> {
    match ask.app.assessed.get() {
        (Some(newest), _) => Ok(newest),
        (None, Some(trouble)) => Err(trouble),
        (None, None) => Err(Trouble::not_yet()),
    }
}

pub(super) fn as_of(a: &Assessment) -> AsOf {
    AsOf { size: a.size, from: a.window.from, to: a.window.to, catalogue: a.catalogue }
}

fn outcome(f: &Assessed) -> Outcome {
    Outcome::all(f.requirements.iter().map(|r| r.outcome))
}

pub(super) fn list(ask: &Ask<'_>) -> Result<FrameworkList, Trouble> {
    let a = newest(ask)?;
    let line = |f: &Assessed| FrameworkLine {
        framework: f.framework.id.clone(),
        title: f.framework.title.clone(),
        outcome: outcome(f),
        requirements: count(f.requirements.len()),
        failing: count(f.requirements.iter().filter(|r| r.outcome == Outcome::Fail).count()),
    };
    Ok(FrameworkList { items: a.frameworks.iter().map(line).collect(), as_of: as_of(&a) })
}

pub(super) fn one(ask: &Ask<'_>) -> Result<Framework, Trouble> {
    let a = newest(ask)?;
    let id = ask.param("framework");
    let f = a.frameworks.iter().find(|f| f.framework.id == id).ok_or_else(|| Trouble::not_found("framework"))?;
    let wanted = ask.outcome();
    let chosen = f.requirements.iter().filter(|r| wanted.is_none_or(|o| o == r.outcome));
    let requirements = chosen.map(|r| {
        Ok(Requirement {
            clause: r.requirement.id.clone(),
            duty: r.requirement.duty.clone(),
            verified: r.requirement.verified,
            outcome: r.outcome,
            why: r.why.clone(),
            controls: r.controls.iter().map(|(c, o)| ControlOutcome { control: c.clone(), outcome: *o }).collect(),
            entries: ask.entries(&r.entries)?,
            entries_in_all: count(r.entries_in_all),
        })
    });
    Ok(Framework {
        framework: f.framework.id.clone(),
        title: f.framework.title.clone(),
        publisher: f.framework.publisher.clone(),
        source: f.framework.source.clone(),
        outcome: outcome(f),
        requirements: requirements.collect::<Result<_, Trouble>>()?,
        as_of: as_of(&a),
    })
}
