//! What was seen running, and where that differs from what was let through: parts of the pages of environments, runs and the posture.

use countersign_model::RunId;
use countersign_model::snapshot::DriftKind;
use countersign_store::projection::{DeploymentsAsked, SnapshotRow};
use maud::{Markup, html};

use crate::app::Trouble;
use crate::web::look::{Look, encode};
use crate::web::parts::{self, Tone};

/// Rows of a part that may be long; the rest is counted.
const SHOWN: usize = 50;
/// Snapshots that an environment's page names.
const SNAPSHOTS: u32 = 20;

fn is_shown(look: &Look<'_>, run: Option<&RunId>) -> Result<bool, Trouble> {
    look.scope.has_part(look.state(), run)
}

/// Whether somebody looked what runs in an environment, where anything was deployed there at all.
pub(super) fn is_looked_at(look: &Look<'_>, environment: &str) -> Result<bool, Trouble> {
    let state = look.state();
    let deployed = DeploymentsAsked {
        environment: Some(environment.to_owned()),
        success: Some(true),
        within: look.scope.within(),
        ..DeploymentsAsked::default()
    };
    let is_looked_at = state.snapshots_count(&look.scope.snapshots(environment))? > 0;
    Ok(is_looked_at || state.deployments_count(&deployed)? == 0)
}

/// How an environment stands, in a line of a list, with so many differences.
pub(super) fn standing(look: &Look<'_>, environment: &str, differences: Option<u64>) -> Result<Markup, Trouble> {
    let open = differences.unwrap_or(0);
    let newest = look.state().snapshots_page(&look.scope.snapshots(environment), 1)?.pop();
    Ok(match newest {
        _ if open == 1 => parts::state(Tone::Bad, "1 difference"),
        _ if open > 1 => parts::state(Tone::Bad, &format!("{open} differences")),
        None if is_looked_at(look, environment)? => parts::state(Tone::Quiet, "nothing deployed"),
        None => parts::state(Tone::Missing, "nobody looked"),
        Some(line) if line.untold > 0 => parts::state(Tone::Missing, "not all could be told"),
        Some(_) => parts::state(Tone::Good, "as let through"),
    })
}

const fn word(kind: DriftKind) -> (Tone, &'static str) {
    match kind {
        DriftKind::Unknown => (Tone::Bad, "unknown"),
        DriftKind::Elsewhere => (Tone::Bad, "deployed elsewhere"),
        DriftKind::Replaced => (Tone::Bad, "replaced"),
        DriftKind::Missing => (Tone::Bad, "missing"),
    }
}

/// What differs, since when, and what to do.
pub(super) fn differences(look: &Look<'_>, environment: &str) -> Result<Markup, Trouble> {
    let all = look.scope.drifting_counts(look.state())?.get(environment).copied().unwrap_or(0);
    let shown = look.scope.drifting_page(look.state(), environment, SHOWN)?;
    let mut rows = Vec::new();
    for row in &shown {
        let (tone, name) = word(row.drift.kind);
        let (text, command) = row.drift.fix(environment);
        rows.push(html! {
            tr {
                td { (parts::state(tone, name)) div.quiet { (row.drift.kind.meaning()) } }
                td.long { (row.drift.name) }
                td { (parts::short(&row.drift.digest.to_string())) }
                td { @if let Some(run) = &row.drift.run { (parts::run(run)) } @else { span.quiet { "none" } } }
                td { (parts::time(row.detected)) " " (parts::entry(row.told.unwrap_or(row.index))) }
                td.long { (text) @if let Some(command) = &command { ": " code { (command) } } }
            }
        });
    }
    let more = all.saturating_sub(shown.len() as u64);
    Ok(html! {
        (parts::table("Differences", &["Difference", "What", "Digest", "Run", "Since", "What to do"], &rows, "What runs is what was let through, as far as anybody looked."))
        @if more > 0 { p.quiet { "and " (more) " more: " code { "countersign drift " (environment) } } }
    })
}

/// One snapshot, the way to those before and after it, and which there are.
pub(super) fn snapshot(look: &Look<'_>, environment: &str) -> Result<Markup, Trouble> {
    let state = look.state();
    let asked = look.scope.snapshots(environment);
    let lines = state.snapshots_page(&asked, SNAPSHOTS)?;
    let chosen = look.index("snapshot")?;
    let row = match (chosen, lines.first()) {
        (Some(index), _) => Some(index),
        (None, Some(newest)) => Some(newest.index),
        (None, None) => None,
    };
    let Some(index) = row else {
        return Ok(html! {
            p.none { "Nobody looked what really runs here." }
            @if !look.visitor.is_auditor() { pre { code { "kubectl get pods --all-namespaces --output json | countersign snapshot " (environment) " --kubernetes -" } } }
        });
    };
    let in_time = |row: &SnapshotRow| look.scope.within().is_none_or(|w| w.has_time(row.taken.time));
    let found = state.snapshot(index)?.filter(|row| row.taken.environment == environment && in_time(row));
    let found = found.ok_or_else(|| Trouble::not_found("snapshot of the environment"))?;
    let (before, after) = state.snapshots_around(environment, index)?;
    let shown = |index: Option<u64>| -> Result<Option<u64>, Trouble> {
        let Some(index) = index else { return Ok(None) };
        Ok(state.snapshot(index)?.filter(|row| in_time(row)).map(|row| row.index))
    };
    let (before, after) = (shown(before)?, shown(after)?);
    let looked_at: Vec<&str> =
        found.taken.applications.iter().map(String::as_str).filter(|id| look.scope.has_application(id)).collect();
    let link = |index: u64| {
        look.address(&format!("/environments/{}", encode(environment)), &[("snapshot", &index.to_string())])
    };
    let total = state.snapshots_count(&asked)?;
    let named: Vec<Markup> = lines
        .iter()
        .map(|line| {
            let (tone, text) = match (line.drift, line.untold) {
                (0, 0) => (Tone::Good, "as let through".to_owned()),
                (0, _) => (Tone::Missing, "not all could be told".to_owned()),
                (1, _) => (Tone::Bad, "1 difference".to_owned()),
                (n, _) => (Tone::Bad, format!("{n} differences")),
            };
            // How many of other applications' differences there were is not said either.
            let text = if look.scope.within().is_some_and(|w| w.repositories.is_some()) { "taken".to_owned() } else { text };
            html! {
                tr {
                    td { a href=(link(line.index)) { (parts::time(line.time)) } @if line.index == index { " " span.quiet { "shown above" } } }
                    td { (line.observed) }
                    td { (parts::state(if text == "taken" { Tone::Quiet } else { tone }, &text)) }
                    td { @if line.content == line.index { "changed" } @else { span.quiet { "as in " (parts::entry(line.content)) } } }
                    td { (parts::entry(line.index)) }
                }
            }
        })
        .collect();
    Ok(html! {
        p {
            (parts::time(found.taken.time)) ", " (found.taken.observed) " " (parts::entry(found.index))
            @if !looked_at.is_empty() { ", of " (looked_at.join(", ")) " alone" }
            @if let Some(before) = before { " " a href=(link(before)) rel="prev" { "← Earlier" } }
            @if let Some(after) = after { " " a href=(link(after)) rel="next" { "Later →" } }
        }
        (running(look, &found)?)
        details {
            summary { "Snapshots" }
            (parts::table("Snapshots", &["Taken", "Seen by", "Result", "Content", "Entry"], &named, ""))
            @if total > u64::from(SNAPSHOTS) { p.quiet { "The newest " (SNAPSHOTS) " of " (parts::grouped(total)) } }
        }
    })
}

/// What ran, each part with the deployment that put it there.
fn running(look: &Look<'_>, found: &SnapshotRow) -> Result<Markup, Trouble> {
    let taken = &found.taken;
    let (mut rows, mut shown) = (Vec::new(), 0);
    for part in &taken.seen {
        if !is_shown(look, part.run.as_ref())? {
            continue;
        }
        shown += 1;
        if rows.len() == SHOWN {
            continue;
        }
        let differs = taken.drift.iter().find(|d| d.digest == part.digest && d.name == part.name);
        let (tone, text) = differs.map_or((Tone::Good, "as let through"), |d| word(d.kind));
        rows.push(html! {
            tr {
                td.long { (part.name) }
                td { (parts::short(&part.digest.to_string())) }
                td.n { (part.count) }
                td { @if let Some(run) = &part.run { (parts::run(run)) } @else { span.quiet { "none" } } }
                td { (parts::state(tone, text)) }
            }
        });
    }
    let mut missing = 0;
    for drift in taken.drift.iter().filter(|d| d.kind == DriftKind::Missing) {
        if is_shown(look, drift.run.as_ref())? {
            missing += 1;
            if missing > SHOWN {
                continue;
            }
            rows.push(html! {
                tr {
                    td.long { (drift.name) }
                    td { (parts::short(&drift.digest.to_string())) }
                    td.n { span.quiet { "0" } }
                    td { @if let Some(run) = &drift.run { (parts::run(run)) } }
                    td { (parts::state(Tone::Bad, "missing")) }
                }
            });
        }
    }
    let mut more = usize::saturating_sub(shown, SHOWN) + usize::saturating_sub(missing, SHOWN);
    // What has no digest belongs to nobody known.
    if is_shown(look, None)? {
        more += taken.untold.len().saturating_sub(SHOWN);
        rows.extend(taken.untold.iter().take(SHOWN).map(|name| {
            html! { tr { td.long { (name) } td { } td { } td { } td { (parts::state(Tone::Missing, "no digest")) } } }
        }));
    }
    Ok(html! {
        (parts::table("What was seen", &["What", "Digest", "Places", "Run", "State"], &rows, "Nothing ran."))
        @if more > 0 { p.quiet { "and " (more) " more in the recorded snapshot" } }
    })
}

/// Where a run's artifacts were seen running.
pub(super) fn of_run(look: &Look<'_>, run: &RunId) -> Result<Markup, Trouble> {
    let within = look.scope.within();
    let all = look.state().sightings_of(run)?;
    let all = all.iter().filter(|s| within.as_ref().is_none_or(|w| w.has_time(s.first.1)));
    let rows: Vec<Markup> = all
        .map(|s| {
            html! {
                tr {
                    td { a href={ "/environments/" (encode(&s.environment)) } { (s.environment) } }
                    td.long { (s.name) }
                    td { (parts::short(&s.digest.to_string())) }
                    td { (parts::time(s.first.1)) " " (parts::entry(s.first.0)) }
                    td { (parts::time(s.last.1)) " " (parts::entry(s.last.0)) }
                }
            }
        })
        .collect();
    Ok(parts::table(
        "Seen running",
        &["Environment", "What", "Digest", "First seen", "Last seen"],
        &rows,
        "No snapshot saw an artifact of it.",
    ))
}
