//! `findings`: what to fix first, over the whole ledger.

use std::fmt::Write as _;

use countersign_model::{Exit, Timestamp};
use countersign_stages::build::findings::{Patience, Renewed, renew};
use countersign_store::findings::{Asked, Counts, Line, Listed, Standing};
use serde_json::{Value, json};

use super::args::{Format, PlaceArgs};
use super::catalogue;
use super::findings_args::FindingsArgs;
use super::place::notices;
use crate::config::Environment;
use crate::errors::Outcome;
use crate::output::{self, printable};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// Lists them. What could not be read is never silence: it is named, and the command ends with 14.
pub(crate) fn run(at: &PlaceArgs, args: &FindingsArgs, env: &Environment) -> Outcome {
    let mut session = at.open(env)?;
    let asked = Asked {
        stands: args.state.standing(),
        severity: args.severity,
        repository: args.repository.clone(),
        control: args.control.clone(),
        rule: args.rule.clone(),
        late: args.late,
        within: None,
        after: None,
    };
    let renewed = renew(&session, &catalogue::load(at)?, Patience::WHOLE)?;
    let page = renewed.index.read(|index| index.page(&asked, args.limit as usize))?;
    let unread = renewed.index.unread()?;
    let now = session.now();
    notices(&mut session);
    match args.format {
        Format::Json => output::json(&document(&page.listed, &page.counts, &renewed, &unread, now))?,
        Format::Text => output::print(&text(&page.listed, &page.counts, &renewed, &unread, now))?,
    }
    Ok(if unread.is_empty() && renewed.behind == 0 { Exit::Pass } else { Exit::Incomplete })
}

fn of(counts: &Counts, stands: Standing) -> u64 {
    counts.stands.get(&stands).copied().unwrap_or(0)
}

/// Whole days past the moment by which it was to be answered.
fn days_past(line: &Line, now: Timestamp) -> Option<i64> {
    let over = now.millis().saturating_sub(line.due?.millis());
    (line.stands == Standing::Open && over >= 0).then_some(over / DAY)
}

fn document(listed: &Listed, counts: &Counts, renewed: &Renewed, unread: &[u64], now: Timestamp) -> Value {
    let finding = |l: &Line| {
        json!({
            "fingerprint": l.fingerprint, "repository": l.repository, "rule": l.rule, "severity": l.severity,
            "confidence": l.confidence, "controls": l.controls, "cwe": l.cwe, "tool": l.tool, "title": l.title,
            "excerpt": l.excerpt, "path": l.path, "line": l.line, "state": l.stands.as_str(),
            "suppression_asked": l.asked, "waiver": l.by_waiver, "granted": l.by_entry, "until": l.until,
            "not_looked_at": l.held, "first_index": l.first, "first_time": l.first_time, "due": l.due,
            "days_past": days_past(l, now), "risk": l.risk,
        })
    };
    json!({
        "version": 1,
        "findings": listed.lines.iter().map(finding).collect::<Vec<_>>(),
        "count": counts.asked,
        "states": {
            "open": of(counts, Standing::Open), "suppressed": of(counts, Standing::Suppressed),
            "waived": of(counts, Standing::Waived), "fixed": of(counts, Standing::Fixed), "late": counts.late,
        },
        "size": renewed.size, "behind": renewed.behind, "unread": unread, "disposed": renewed.disposed,
    })
}

fn text(listed: &Listed, counts: &Counts, renewed: &Renewed, unread: &[u64], now: Timestamp) -> String {
    let mut out = String::new();
    for l in &listed.lines {
        let late = days_past(l, now).map(|days| format!(", {days} days past SLA")).unwrap_or_default();
        let asked = if l.asked.is_some() && l.stands == Standing::Open { ", suppression asked for" } else { "" };
        let _ = writeln!(
            out,
            "{:>4}  {:<8}  {}  {}\n      {}:{} in {}\n      {}{asked}, first seen {}{late}",
            l.risk,
            l.severity,
            l.fingerprint.short(),
            printable(&l.rule),
            printable(&l.path.to_string()),
            l.line,
            printable(l.repository.as_deref().unwrap_or("a repository without an identity")),
            l.stands.as_str(),
            l.first_time,
        );
    }
    let shown = listed.lines.len() as u64;
    let _ = writeln!(
        out,
        "{shown} of {}; in all {} open, {} past SLA, {} suppressed, {} waived, {} fixed",
        output::count(counts.asked, "finding", "findings"),
        of(counts, Standing::Open),
        counts.late,
        of(counts, Standing::Suppressed),
        of(counts, Standing::Waived),
        of(counts, Standing::Fixed),
    );
    if renewed.disposed > 0 {
        let scans = output::count(renewed.disposed, "scan was", "scans were");
        let _ = writeln!(out, "{scans} disposed of; nobody knows any more what they saw");
    }
    if !unread.is_empty() {
        let entries: Vec<String> = unread.iter().take(20).map(u64::to_string).collect();
        let records = output::count(unread.len() as u64, "record is", "records are");
        let _ = writeln!(out, "✗ {records} missing or damaged (entries {})", entries.join(", "));
        let _ = writeln!(out, "  Next: countersign verify");
    }
    out
}
