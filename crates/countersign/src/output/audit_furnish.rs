//! What `audit furnish` and `audit mock` say.

use std::fmt::Write as _;

use countersign_govern::Error;
use countersign_govern::audit::furnish::Delivered;
use countersign_govern::audit::mock::{Completeness, Mock};
use countersign_model::Timestamp;
use countersign_model::audit::PackScope;
use countersign_store::Session;
use countersign_store::projection::{FurnishRow, is_late};
use serde_json::{Value, json};

use super::{Paint, count, printable, table};

/// A span in whole days and hours.
pub(crate) fn span(from: Timestamp, to: Timestamp) -> String {
    let hours = to.millis().saturating_sub(from.millis()).max(0) / 3_600_000;
    if hours < 24 { format!("{hours}h") } else { format!("{}d {}h", hours / 24, hours % 24) }
}

/// Records that were handed over.
pub(crate) fn delivered(d: &Delivered, p: &Paint) -> String {
    let (mut out, said) = (String::new(), &d.said);
    let _ = writeln!(out, "{}✓ {}{}", p.good, printable(&d.made.path.display().to_string()), p.reset);
    let _ = writeln!(
        out,
        "  {}, {} under legal hold, {} disposed of, {} missing",
        count(said.records, "record", "records"),
        said.held,
        said.disposed,
        said.missing
    );
    let _ = writeln!(out, "  {} bytes, {}", said.bytes, said.pack);
    let late = if said.time > d.due { format!(", late: it was due {}", d.due) } else { String::new() };
    let _ = writeln!(out, "  handed over {} after the request was received{late}", span(d.received, said.time));
    let _ = writeln!(out, "  recorded in entries {} and {}", d.made.index, d.index);
    let _ = writeln!(out, "next: countersign verify {} --re-evaluate", printable(&d.made.path.display().to_string()));
    out
}

/// The same for programs.
pub(crate) fn delivered_json(d: &Delivered) -> Value {
    json!({
        "version": 1, "path": d.made.path.display().to_string(), "delivery": d.said, "entry": d.index, "pack_entry": d.made.index,
        "received": d.received, "due": d.due, "elapsed_seconds": seconds(d.received, d.said.time),
        "late": d.said.time > d.due,
    })
}

fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.millis().saturating_sub(from.millis()) / 1000
}

fn about(scope: &PackScope) -> String {
    match (&scope.deployment, scope.from, scope.to) {
        (Some(grant), ..) => grant.to_string(),
        (None, Some(from), Some(to)) => format!("{from} to {to}"),
        _ => "everything".to_owned(),
    }
}

/// Regulators' requests with their clocks.
pub(crate) fn listed(session: &Session) -> Result<String, Error> {
    let (state, now, mut out) = (session.state(), session.now(), String::new());
    for row in state.furnishings()? {
        let said = &row.said;
        let _ = writeln!(
            out,
            "{}  {}  {}  {}",
            said.furnish,
            standing(&row, now),
            printable(&said.regulator),
            printable(&said.reference)
        );
        let _ = writeln!(
            out,
            "  received {} by {}, due {}; {}",
            said.received,
            printable(&state.label(&said.received_by)?),
            said.due,
            about(&said.scope)
        );
        let rows: Vec<[String; 4]> = row
            .deliveries
            .iter()
            .map(|d| {
                [
                    format!("delivered {}, after {}", d.said.time, span(said.received, d.said.time)),
                    count(d.said.records, "record", "records"),
                    d.said.pack.to_string(),
                    printable(&d.said.recipient),
                ]
            })
            .collect();
        for line in table(&rows).lines() {
            let _ = writeln!(out, "  {line}");
        }
    }
    if out.is_empty() {
        out.push_str("no regulator's request was recorded\n");
    }
    Ok(out)
}

/// How a request stands, in words.
fn standing(row: &FurnishRow, now: Timestamp) -> String {
    let (due, done) = (row.said.due, row.delivered());
    match (done, is_late(due, done, now)) {
        (Some(_), false) => "delivered".to_owned(),
        (Some(at), true) => format!("delivered {} late", span(due, at)),
        (None, false) => format!("open, {} left", span(now, due)),
        (None, true) => format!("✗ overdue by {}", span(due, now)),
    }
}

/// The same for programs.
pub(crate) fn listed_json(session: &Session) -> Result<Value, Error> {
    let now = session.now();
    let rows: Vec<Value> = session
        .state()
        .furnishings()?
        .iter()
        .map(|row| {
            let (said, done) = (&row.said, row.delivered());
            json!({
                "furnish": said.furnish, "index": row.index, "regulator": said.regulator, "reference": said.reference,
                "received_by": said.received_by, "received": said.received, "due": said.due, "scope": said.scope,
                "opened_by": said.by, "opened_at": said.time, "delivered": done, "late": is_late(said.due, done, now),
                "elapsed_seconds": seconds(said.received, done.unwrap_or(now)),
                "deliveries": row.deliveries.iter().map(|d| json!({
                    "index": d.index, "pack": d.said.pack, "bytes": d.said.bytes, "records": d.said.records,
                    "held": d.said.held, "disposed": d.said.disposed, "missing": d.said.missing,
                    "recipient": d.said.recipient, "by": d.said.by, "time": d.said.time,
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    Ok(json!({"version": 1, "requests": rows}))
}

/// A rehearsal.
pub(crate) fn mock(m: &Mock, p: &Paint) -> String {
    let (mut out, said) = (String::new(), &m.said);
    let _ = writeln!(out, "{}{}{}: {}", p.bold, printable(&said.framework), p.reset, printable(&m.title));
    let running = if m.is_running { "; the quarter is not over" } else { "" };
    let _ = writeln!(out, "  from {}, before {}{running}", said.from, said.to);
    let _ = writeln!(
        out,
        "  compiled in {} ms from automated evidence alone: {}, {} bytes",
        said.took_ms,
        count(m.manifest.deployments, "deployment", "deployments"),
        said.bytes
    );
    let missing = m.manifest.missing.len() as u64;
    if missing > 0 {
        let _ = writeln!(out, "  {} of the pack are not there", count(missing, "payload", "payloads"));
    }
    let _ = writeln!(
        out,
        "  {}: {} complete, {} need people, {} miss evidence, {} do not apply; {} broken",
        count(said.requirements, "requirement", "requirements"),
        said.complete,
        said.people,
        said.missing,
        said.not_applicable,
        said.broken
    );
    for line in m.lines.iter().filter(|l| l.completeness != Completeness::NotApplicable) {
        let mark = match line.completeness {
            Completeness::Complete => format!("{}✓{}", p.good, p.reset),
            Completeness::Missing => format!("{}✗{}", p.bad, p.reset),
            _ => "·".to_owned(),
        };
        let _ = writeln!(
            out,
            "{mark} {}  {}  {}",
            printable(&line.requirement),
            line.completeness.as_str(),
            line.outcome.as_str()
        );
        for c in &line.controls {
            let later = c.later_than.map_or_else(String::new, |entry| format!("; entry {entry} does not know it yet"));
            let missing =
                if c.missing.is_empty() { String::new() } else { format!("; missing: {}", c.missing.join(", ")) };
            let what = match c.operated {
                0 => printable(&c.why),
                n => format!(
                    "operated {n} of {n} times, {}, {}",
                    count(c.exceptions as u64, "exception", "exceptions"),
                    count(c.entries as u64, "entry", "entries")
                ),
            };
            let _ = writeln!(out, "    {}: {what}{missing}{later}", c.control);
        }
        for text in &line.people {
            let _ = writeln!(out, "    people add: {}", printable(text));
        }
    }
    match &m.last {
        None => out.push_str("the first of this framework: nothing to compare with\n"),
        Some((before, changes)) => {
            let b = &before.said;
            let _ = writeln!(
                out,
                "against entry {} ({} to {}): {} complete then, {} missing, {} ms; {}",
                before.index,
                b.from,
                b.to,
                b.complete,
                b.missing,
                b.took_ms,
                count(changes.len() as u64, "requirement changed", "requirements changed")
            );
            for c in changes {
                let text = |c: Option<Completeness>| c.map_or("not there", Completeness::as_str);
                let outcome = |o: Option<countersign_model::Outcome>| o.map_or("", countersign_model::Outcome::as_str);
                let _ = writeln!(
                    out,
                    "  {}: {} {} → {} {}",
                    printable(&c.requirement),
                    text(c.before),
                    outcome(c.outcome_before),
                    text(c.after),
                    outcome(c.outcome_after)
                );
            }
        }
    }
    let _ = writeln!(out, "recorded in entry {}", m.index);
    out
}

/// The same for programs.
pub(crate) fn mock_json(m: &Mock) -> Value {
    let said = &m.said;
    json!({
        "version": 1, "framework": said.framework, "title": m.title, "from": said.from, "to": said.to,
        "running": m.is_running, "size": said.size, "took_ms": said.took_ms, "pack": {
            "sha256": said.pack, "bytes": said.bytes, "deployments": m.manifest.deployments,
            "missing": m.manifest.missing.len(),
        },
        "counts": {
            "requirements": said.requirements, "complete": said.complete, "people": said.people, "missing": said.missing,
            "not_applicable": said.not_applicable, "broken": said.broken,
        },
        "requirements": m.lines, "entry": m.index,
        "last": m.last.as_ref().map(|(before, changes)| json!({
            "entry": before.index, "from": before.said.from, "to": before.said.to, "took_ms": before.said.took_ms,
            "complete": before.said.complete, "people": before.said.people, "missing": before.said.missing,
            "broken": before.said.broken, "changes": changes,
        })),
    })
}
