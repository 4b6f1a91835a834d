//! `policy diff`, `history`, `impact`: what changed, when, and what it would have changed.

use std::fmt::Write as _;
use std::path::Path;

use countersign_model::Exit;
use countersign_policy::check::difference::{Difference, difference};
use countersign_policy::{Bundle, RegorusEngine};
use countersign_stages::build::decide::bundle_in_effect;
use countersign_stages::build::decision_log::events;
use countersign_stages::build::impact::{self, Case, Period};
use serde_json::json;

use super::load;
use crate::cli::args::{Format, PlaceArgs};
use crate::cli::place::day_or_time;
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output::{self, printable};

/// A bundle by the name that people type.
fn named(at: &PlaceArgs, name: &str, env: &Environment) -> Result<Bundle, Failure> {
    match name {
        "shipped" => Ok(Bundle::shipped()),
        "active" => Ok(bundle_in_effect(&at.open(env)?)?),
        path => load(Path::new(path)),
    }
}

/// `policy diff`. Exit 0 whether they differ or not: a difference is an answer, not a fault.
pub(super) fn diff(at: &PlaceArgs, old: &str, new: &str, format: Format, env: &Environment) -> Outcome {
    let (before, after) = (named(at, old, env)?, named(at, new, env)?);
    let found = difference(&before, &after)?;
    match format {
        Format::Json => output::json(&json!({
            "version": 1, "old": before.digest(), "new": after.digest(), "same": before.digest() == after.digest(),
            "difference": found,
        }))?,
        Format::Text => output::print(&text(&before, &after, &found))?,
    }
    Ok(Exit::Pass)
}

fn text(before: &Bundle, after: &Bundle, found: &Difference) -> String {
    let mut out = format!("old  {}\nnew  {}\n", before.digest(), after.digest());
    for (mark, what, all) in [
        ("+", "rule", &found.added),
        ("-", "rule", &found.removed),
        ("~", "rule", &found.changed),
        ("~", "document", &found.documents),
        ("+", "control", &found.controls_added),
        ("-", "control", &found.controls_removed),
    ] {
        for one in all {
            let _ = writeln!(out, "  {mark} {what} {}", printable(one));
        }
    }
    if before.digest() == after.digest() {
        out.push_str("They are the same bundle.\n");
    } else if found.is_empty() {
        out.push_str("They differ in comments, layout or file names alone.\n");
    }
    out
}

/// `policy history`.
pub(super) fn history(at: &PlaceArgs, format: Format, env: &Environment) -> Outcome {
    let session = at.open(env)?;
    let all = session.state().bundles()?;
    match format {
        Format::Json => {
            let rows: Vec<_> =
                all.iter().map(|b| json!({"bundle": b.digest, "index": b.index, "time": b.time, "by": b.by})).collect();
            output::json(&json!({"version": 1, "bundles": rows}))?;
        }
        Format::Text => {
            let mut out = String::new();
            for b in &all {
                let who = session.state().label(&b.by)?;
                let _ = writeln!(out, "{}  {}  entry {}, by {}", b.time, b.digest, b.index, printable(&who));
            }
            if all.is_empty() {
                out.push_str("nobody activated a bundle yet: countersign init\n");
            }
            output::print(&out)?;
        }
    }
    Ok(Exit::Pass)
}

/// `policy decision-log`.
pub(super) fn decision_log(at: &PlaceArgs, since: Option<&str>, env: &Environment) -> Outcome {
    let period = Period { from: since.map(day_or_time).transpose()?, to: None };
    let session = at.open(env)?;
    let version = concat!("countersign/", env!("CARGO_PKG_VERSION"));
    let dropped = events(&session, &period, version, |event| output::print(&format!("{event}\n")))?;
    if dropped > 0 {
        output::note(&format!("{} left out by the bundle's own rule", output::count(dropped, "decision", "decisions")));
    }
    Ok(Exit::Pass)
}

/// `policy impact`.
pub(super) fn impact(at: &PlaceArgs, bundle: &Path, since: Option<&str>, format: Format, env: &Environment) -> Outcome {
    let bundle = load(bundle)?;
    RegorusEngine.check(&bundle)?;
    let since = since.map(day_or_time).transpose()?;
    let session = at.open(env)?;
    let report = impact::impact(&session, &RegorusEngine, &bundle, since)?;
    match format {
        Format::Json => {
            let cases: Vec<_> = report.cases.iter().map(Case::to_json).collect();
            output::json(&json!({
                "version": 1, "bundle": bundle.digest(), "decisions": report.decisions, "changed": report.cases.len(), "cases": cases,
            }))?;
        }
        Format::Text => {
            let mut out = String::new();
            for case in &report.cases {
                let _ = writeln!(out, "{}  entry {}, {}", case.decision, case.index, case.run);
                for change in &case.changes {
                    let _ = writeln!(out, "  {}", printable(change));
                }
            }
            let n = output::count(report.decisions, "decision", "decisions");
            let _ = writeln!(out, "{} of {n} would have come out otherwise by {}", report.cases.len(), bundle.digest());
            output::print(&out)?;
        }
    }
    if report.decisions == 0 {
        return Ok(Exit::Nothing);
    }
    Ok(Exit::Pass)
}
