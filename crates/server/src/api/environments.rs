//! Environments: what may be deployed where, and what was.

use countersign_model::Timestamp;
use countersign_model::access::emergencies::Owed;
use countersign_stages::release::break_glass::moment;
use countersign_stages::release::emergency::word;
use countersign_store::projection::{Closed, DeploymentsAsked, DriftRow, FreezeRow};

use super::ask::{Ask, id};
use super::wire::{
    Deployment, DriftFound, Emergency, Environment, EnvironmentLine, EnvironmentList, Freeze, FreezeEnded, FreezeList,
    SeenPart, Snapshot,
};
use crate::app::Trouble;

fn closed(closed: Option<Closed>) -> Option<String> {
    closed.map(|why| match why {
        Closed::Frozen(_) => "frozen".to_owned(),
        Closed::OutsideWindows(_) => "outside-windows".to_owned(),
    })
}

pub(super) fn list(ask: &Ask<'_>) -> Result<EnvironmentList, Trouble> {
    let state = ask.state();
    let at = moment(ask.session)?;
    let mut emergencies = state.emergencies()?;
    emergencies.retain(|e| ask.scope.has_emergency(e));
    let drift = ask.scope.drifting_counts(state)?;
    let mut items = Vec::new();
    let with_retired = ask.filter("retired").is_some();
    for env in state.environments()?.iter().filter(|e| with_retired || e.retired.is_none()) {
        let name = &env.what.id;
        if !ask.scope.has_environment(state, name)? {
            continue;
        }
        let asked = DeploymentsAsked {
            environment: Some(name.clone()),
            within: ask.scope.within(),
            ..DeploymentsAsked::default()
        };
        items.push(EnvironmentLine {
            environment: name.clone(),
            tier: env.what.tier.to_string(),
            index: env.index,
            by: id(&env.by),
            time: env.time,
            retired: env.retired,
            closed: closed(state.closed(name, at)?),
            overdue: emergencies.iter().any(|e| e.opened.environment == *name && !e.is_compliant(at)),
            drift: drift.get(name).copied().unwrap_or(0),
            snapshot: state.snapshots_page(&ask.scope.snapshots(name), 1)?.pop().map(|s| s.index),
            deployments: state.deployments_count(&asked)?,
            last: state.deployments_page(&asked, 1)?.pop().map(|d| d.index),
        });
    }
    Ok(EnvironmentList { items })
}

pub(super) fn one(ask: &Ask<'_>) -> Result<Environment, Trouble> {
    let name = ask.param("environment");
    let state = ask.state();
    let at = moment(ask.session)?;
    let known = state.environment(name)?.ok_or_else(|| Trouble::not_found("environment"))?;
    let within = ask.scope.within();
    let mut running = Vec::new();
    for d in state.running(name, within.as_ref())? {
        let glass = state.grant(&d.grant)?.and_then(|g| g.grant.break_glass);
        running.push(Deployment {
            index: d.index,
            repository: d.repository,
            commit: d.commit,
            run: d.run.to_string(),
            grant: d.grant.to_string(),
            break_glass: glass.map(|b| b.to_string()),
            time: d.time,
        });
    }
    let emergencies = state.emergencies()?.into_iter().rev();
    let emergencies = emergencies.filter(|e| e.opened.environment == name && ask.scope.has_emergency(e));
    let emergencies = emergencies.map(|e| Emergency {
        break_glass: e.opened.id.to_string(),
        index: e.index,
        open: e.is_open(at),
        ratification: word(e.standing(Owed::Ratification, at)).to_owned(),
        review: word(e.standing(Owed::Review, at)).to_owned(),
        compliant: e.is_compliant(at),
        was_compliant: e.was_compliant(at),
        person: id(&e.opened.by),
        time: e.opened.time,
    });
    let asked = DeploymentsAsked { environment: Some(name.to_owned()), within, ..DeploymentsAsked::default() };
    let deployments = state.deployments_count(&asked)?;
    let mut freezes = state.freezes(Some(name))?;
    freezes.retain(|f| f.holds(at) || f.from > at);
    let windows = state.windows(name)?;
    Ok(Environment {
        environment: name.to_owned(),
        tier: known.what.tier.to_string(),
        index: known.index,
        retired: known.retired,
        closed: closed(state.closed(name, at)?),
        freezes: freezes.iter().map(|f| freeze(f, at)).collect(),
        windows: windows.map_or_else(Vec::new, |row| row.windows.iter().map(ToString::to_string).collect()),
        running,
        deployments,
        emergencies: emergencies.collect(),
        snapshot: snapshot(ask, name)?,
        drift: ask.scope.drifting(state, Some(name))?.iter().map(difference).collect(),
    })
}

/// The freezes, newest first.
pub(super) fn freezes(ask: &Ask<'_>) -> Result<FreezeList, Trouble> {
    let at = moment(ask.session)?;
    let mut items = Vec::new();
    for row in ask.state().freezes(ask.filter("environment"))?.iter().rev() {
        if ask.scope.has_environment(ask.state(), &row.environment)? {
            items.push(freeze(row, at));
        }
    }
    Ok(FreezeList { items })
}

fn freeze(row: &FreezeRow, at: Timestamp) -> Freeze {
    let lifted = row.lifted.as_ref().map(|s| FreezeEnded {
        index: s.index,
        by: id(&s.by),
        time: s.time,
        reason: s.reason.clone(),
    });
    Freeze {
        freeze: row.freeze.to_string(),
        index: row.index,
        environment: row.environment.clone(),
        state: row.state(at).to_owned(),
        from: row.from,
        until: row.until,
        by: id(&row.by),
        reason: row.reason.clone(),
        lifted,
    }
}

fn difference(row: &DriftRow) -> DriftFound {
    DriftFound {
        kind: row.drift.kind.to_string(),
        name: row.drift.name.clone(),
        digest: row.drift.digest.to_string(),
        run: row.drift.run.as_ref().map(ToString::to_string),
        index: row.index,
        time: row.detected,
    }
}

fn snapshot(ask: &Ask<'_>, environment: &str) -> Result<Option<Snapshot>, Trouble> {
    let state = ask.state();
    let Some(line) = state.snapshots_page(&ask.scope.snapshots(environment), 1)?.pop() else { return Ok(None) };
    let Some(row) = state.snapshot(line.index)? else { return Ok(None) };
    let mut seen = Vec::new();
    for part in &row.taken.seen {
        if ask.scope.has_part(state, part.run.as_ref())? {
            seen.push(SeenPart {
                name: part.name.clone(),
                digest: part.digest.to_string(),
                count: u64::from(part.count),
                run: part.run.as_ref().map(ToString::to_string),
            });
        }
    }
    let untold = if ask.scope.has_part(state, None)? { row.taken.untold } else { Vec::new() };
    Ok(Some(Snapshot {
        index: row.index,
        time: row.taken.time,
        observed: row.taken.observed.to_string(),
        applications: row.taken.applications.into_iter().filter(|id| ask.scope.has_application(id)).collect(),
        seen,
        untold,
    }))
}
