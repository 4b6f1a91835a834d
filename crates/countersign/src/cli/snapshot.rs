//! `snapshot`: holds what runs against what was let through, and records it. `drift`: what differs now.

use std::fmt::Write as _;

use countersign_connect::remote::{ApiClient, RemoteError, Sends, segment};
use countersign_model::event::SnapshotTaken;
use countersign_model::snapshot::{Drift, Seen};
use countersign_model::{Exit, Timestamp};
use countersign_stages::operate::{self, Looked, Taken, Taking};
use countersign_stages::release::break_glass::moment;
use countersign_stages::release::error::ReleaseError;
use countersign_store::Session;
use countersign_store::projection::{DriftRow, SnapshotRow};
use serde_json::{Value, json};

use super::args::{Format, PlaceArgs};
use super::place::notices;
use super::snapshot_args::{DriftArgs, SnapshotArgs};
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output::{self, count, printable};

/// Takes a snapshot.
pub(crate) fn run(at: &PlaceArgs, args: &SnapshotArgs, env: &Environment) -> Outcome {
    let looked = match (&args.kubernetes, &args.sums) {
        (Some(path), _) => operate::kubernetes(path, &operate::read(path).map_err(stage)?).map_err(stage)?,
        (None, Some(path)) => operate::sums(path, &operate::read(path).map_err(stage)?).map_err(stage)?,
        (None, None) => operate::files(&args.file).map_err(stage)?,
    };
    if let Some(client) = args.server.client(env)? {
        return send(&client, args, &looked);
    }
    let mut session = at.open(env)?;
    let taking =
        Taking { environment: &args.environment, applications: &args.application, looked: &looked, sent: None };
    let taken = operate::take(&mut session, &taking)?;
    notices(&mut session);
    said(&taken, args.format)
}

/// `snapshot --server`: says what runs; the server holds it against the log.
fn send(client: &ApiClient, args: &SnapshotArgs, looked: &Looked) -> Outcome {
    let seen =
        looked.seen.iter().map(|((name, digest), count)| json!({"name": name, "digest": digest, "count": count}));
    let mut applications = args.application.clone();
    applications.sort_unstable();
    applications.dedup();
    let asked = json!({
        "observed": looked.observed, "applications": applications, "seen": seen.collect::<Vec<_>>(),
        "untold": looked.untold,
    });
    let path = format!("environments/{}/snapshots", segment(&args.environment));
    let bytes = asked.to_string().into_bytes();
    let said_there = client.post(&path, &[], &[], &Sends::Bytes("application/json", &bytes))?;
    let read: Told = serde_json::from_value(said_there).map_err(|e| RemoteError::Stranger {
        url: client.url().to_owned(),
        what: format!("its answer is none to a snapshot: {e}"),
    })?;
    let snapshot = SnapshotTaken {
        environment: read.environment,
        observed: looked.observed,
        applications,
        seen: read.seen,
        untold: read.untold,
        drift: read.drift,
        sent: None,
        time: read.time,
    };
    // How many are new is all that is said of them here.
    let new = snapshot.drift.iter().take(read.new).cloned().collect();
    let (index, recorded, told, unseen) = (read.index, read.recorded, read.told, read.without_artifacts);
    said(&Taken { snapshot, index, recorded, new, told, unseen }, args.format)
}

/// What a server answers.
#[derive(serde::Deserialize)]
struct Told {
    environment: String,
    index: u64,
    recorded: bool,
    time: Timestamp,
    seen: Vec<Seen>,
    untold: Vec<String>,
    drift: Vec<Drift>,
    new: usize,
    told: Option<u64>,
    without_artifacts: Vec<String>,
}

fn said(taken: &Taken, format: Format) -> Outcome {
    for repository in &taken.unseen {
        output::note(&format!(
            "{} was deployed without a recorded artifact, so a snapshot cannot tell whether it runs: countersign record --artifact FILE",
            printable(repository)
        ));
    }
    match format {
        Format::Json => output::json(&taken_json(taken))?,
        Format::Text => output::print(&taken_text(taken))?,
    }
    Ok(exit(taken.snapshot.drift.is_empty(), taken.snapshot.untold.is_empty()))
}

fn stage(error: operate::OperateError) -> countersign_stages::Error {
    error.into()
}

const fn exit(same: bool, told: bool) -> Exit {
    match (same, told) {
        (false, _) => Exit::Drift,
        (true, false) => Exit::Incomplete,
        (true, true) => Exit::Pass,
    }
}

/// What to do about a difference, in a line.
fn fix(drift: &Drift, environment: &str) -> String {
    let (words, command) = drift.fix(&printable(environment));
    command.map_or_else(|| words.to_owned(), |command| format!("{words}: {command}"))
}

fn drift_json(drift: &Drift, environment: &str) -> Value {
    json!({
        "kind": drift.kind, "name": drift.name, "digest": drift.digest, "grant": drift.grant, "run": drift.run,
        "fix": fix(drift, environment),
    })
}

fn taken_json(taken: &Taken) -> Value {
    let s = &taken.snapshot;
    json!({
        "version": 1, "environment": s.environment, "index": taken.index, "recorded": taken.recorded, "time": s.time,
        "observed": s.observed, "applications": s.applications, "seen": s.seen, "untold": s.untold,
        "drift": s.drift.iter().map(|d| drift_json(d, &s.environment)).collect::<Vec<_>>(),
        "new": taken.new.len(), "told": taken.told, "without_artifacts": taken.unseen, "outcome": s.outcome(),
    })
}

fn taken_text(taken: &Taken) -> String {
    let s = &taken.snapshot;
    let environment = printable(&s.environment);
    let mut out = String::new();
    let parts = count(s.seen.len() as u64, "part runs", "parts run");
    if s.drift.is_empty() {
        let mark = if s.untold.is_empty() { "✓" } else { "!" };
        let _ = writeln!(out, "{mark} {environment}: {parts}, each put there by a recorded deployment");
    } else {
        let _ = writeln!(
            out,
            "✗ {environment} drifted: {parts}, {}",
            count(s.drift.len() as u64, "difference", "differences")
        );
    }
    for d in &s.drift {
        describe(&mut out, d, &s.environment);
    }
    for name in &s.untold {
        let _ = writeln!(out, "  ? {} runs, and its digest is not told", printable(name));
    }
    if taken.recorded {
        let told = taken.told.map_or(String::new(), |index| format!("; new differences are entry {index}"));
        let _ = writeln!(out, "recorded as entry {}{told}", taken.index);
    } else {
        let _ = writeln!(out, "nothing changed since entry {}, so nothing was recorded", taken.index);
    }
    out
}

fn describe(out: &mut String, drift: &Drift, environment: &str) {
    let _ = writeln!(out, "  {:<9}  {}  {}", drift.kind, printable(&drift.name), drift.digest);
    let of = drift.run.as_ref().map_or(String::new(), |run| format!(" ({run})"));
    let _ = writeln!(out, "             {}{of}", drift.kind.meaning());
    let _ = writeln!(out, "             fix: {}", fix(drift, environment));
}

/// How one environment stands.
struct Stand {
    environment: String,
    newest: Option<SnapshotRow>,
    deployments: bool,
    /// Whether something was deployed since the newest snapshot.
    since: bool,
    open: Vec<DriftRow>,
}

fn stands(session: &Session, environment: &str) -> Result<Stand, Failure> {
    let state = session.state();
    let newest = state.newest_snapshot(environment, None)?;
    let running = state.running(environment, None)?;
    let last = running.iter().map(|d| d.index).max();
    Ok(Stand {
        environment: environment.to_owned(),
        deployments: last.is_some(),
        since: last > newest.as_ref().map(|n| n.index),
        open: state.drifting(Some(environment))?,
        newest,
    })
}

/// Says what differs.
pub(crate) fn drift(at: &PlaceArgs, args: &DriftArgs, env: &Environment) -> Outcome {
    let session = at.open(env)?;
    let state = session.state();
    let mut known: Vec<String> =
        state.environments()?.into_iter().filter(|e| e.retired.is_none()).map(|e| e.what.id).collect();
    if let Some(asked) = &args.environment {
        known.retain(|id| id == asked);
        if known.is_empty() {
            let environment = asked.clone();
            return Err(countersign_stages::Error::from(ReleaseError::UnknownEnvironment { environment }).into());
        }
    }
    let all = known.iter().map(|id| stands(&session, id)).collect::<Result<Vec<_>, _>>()?;
    let at = moment(&session)?;
    let same = all.iter().all(|s| s.open.is_empty());
    // What nobody looked at since the last deployment is not known to be as it should.
    let told = all.iter().all(|s| !s.since && s.newest.as_ref().is_none_or(|n| n.taken.untold.is_empty()));
    if args.format == Format::Json {
        let rows: Vec<Value> = all
            .iter()
            .map(|s| {
                let open = s.open.iter().map(|d| {
                    let mut one = drift_json(&d.drift, &s.environment);
                    if let Some(object) = one.as_object_mut() {
                        object.insert("since".into(), json!(d.detected));
                        object.insert("index".into(), json!(d.told));
                    }
                    one
                });
                json!({
                    "environment": s.environment, "snapshot": s.newest.as_ref().map(|n| n.index),
                    "time": s.newest.as_ref().map(|n| n.taken.time), "deployed_since": s.since,
                    "drift": open.collect::<Vec<_>>(),
                })
            })
            .collect();
        output::json(&json!({"version": 1, "environments": rows}))?;
        return Ok(exit(same, told));
    }
    let mut out = String::new();
    for s in &all {
        let environment = printable(&s.environment);
        let Some(newest) = &s.newest else {
            let what = if s.deployments { "nobody looked what runs there" } else { "nothing was deployed there" };
            let _ = writeln!(out, "{} {environment}: {what}", if s.deployments { "?" } else { "-" });
            continue;
        };
        let hours = (at.millis() - newest.taken.time.millis()).max(0) / 3_600_000;
        let looked = format!("looked at {} ({hours} h ago, entry {})", newest.taken.time, newest.index);
        let since = if s.since { "; something was deployed since" } else { "" };
        let mark = if !s.open.is_empty() {
            "✗"
        } else if s.since || !newest.taken.untold.is_empty() {
            "?"
        } else {
            "✓"
        };
        let _ = writeln!(
            out,
            "{mark} {environment}: {}, {looked}{since}",
            count(s.open.len() as u64, "difference", "differences")
        );
        for d in &s.open {
            describe(&mut out, &d.drift, &s.environment);
            let _ = writeln!(out, "             since {}", d.detected);
        }
    }
    if all.is_empty() {
        out.push_str("no environment is registered: countersign environment register ID --tier TIER\n");
    }
    output::print(&out)?;
    Ok(exit(same, told))
}
