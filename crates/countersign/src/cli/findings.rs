//! `findings`: what to fix first, over the whole ledger.

use std::fmt::Write as _;

use countersign_connect::remote::ApiClient;
use countersign_model::{Digest, Exit, Timestamp};
use countersign_stages::build::findings::{Patience, Renewed, renew};
use countersign_store::findings::{Asked, Counts, Line, Listed, Standing};
use serde_json::{Value, json};

use super::args::{Format, PlaceArgs};
use super::catalogue;
use super::findings_args::FindingsArgs;
use super::place::notices;
use super::remote::{array, stranger};
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output::{self, printable};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// Lists them. What could not be read is never silence: it is named, and the command ends with 14.
pub(crate) fn run(at: &PlaceArgs, args: &FindingsArgs, env: &Environment) -> Outcome {
    if let Some(client) = args.server.client(env)? {
        return shown(&told(&client, args)?, args.format);
    }
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
    shown(&document(&page.listed, &page.counts, &renewed, &unread, now), args.format)
}

/// The same as a server says it: its API has the document part by part.
fn told(client: &ApiClient, args: &FindingsArgs) -> Result<Value, Failure> {
    const PART: usize = 200;
    let most = args.limit as usize;
    let (mut findings, mut after) = (Vec::new(), None::<String>);
    loop {
        let limit = most.saturating_sub(findings.len()).min(PART).to_string();
        let mut query = vec![("limit", limit.as_str())];
        let state = args.state.standing().map(Standing::as_str);
        let severity = args.severity.map(countersign_model::Severity::as_str);
        let late = args.late.then_some("true");
        let asked = [
            ("state", state),
            ("severity", severity),
            ("repository", args.repository.as_deref()),
            ("control", args.control.as_deref()),
            ("rule", args.rule.as_deref()),
            ("late", late),
            ("after", after.as_deref()),
        ];
        query.extend(asked.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let mut part = client.get("findings", &query)?;
        let items = part.get_mut("items").map(Value::take).unwrap_or_default();
        let Value::Array(items) = items else { return Err(stranger(client, "its answer lacks `items`")) };
        let is_last = items.is_empty();
        findings.extend(items);
        match part.get("next").and_then(Value::as_str) {
            Some(next) if !is_last && findings.len() < most => after = Some(next.to_owned()),
            _ => {
                let whole = |name: &str| part.get(name).cloned().unwrap_or_default();
                return Ok(json!({
                    "version": 1, "findings": findings, "count": whole("count"), "states": whole("states"),
                    "size": whole("size"), "behind": whole("behind"), "unread": whole("unread"), "disposed": whole("disposed"),
                }));
            }
        }
    }
}

fn shown(document: &Value, format: Format) -> Outcome {
    match format {
        Format::Json => output::json(document)?,
        Format::Text => output::print(&text(document))?,
    }
    let is_whole = array(document, "unread").next().is_none() && number(document, "behind") == 0;
    Ok(if is_whole { Exit::Pass } else { Exit::Incomplete })
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
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

fn text(document: &Value) -> String {
    let word = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(printable).unwrap_or_default();
    let mut out = String::new();
    for l in array(document, "findings") {
        let days = l.get("days_past").and_then(Value::as_u64);
        let late = days.map(|days| format!(", {days} days past SLA")).unwrap_or_default();
        let (state, suppression) = (word(l, "state"), word(l, "suppression_asked"));
        let asked =
            if !suppression.is_empty() && state == Standing::Open.as_str() { ", suppression asked for" } else { "" };
        let fingerprint = word(l, "fingerprint").parse::<Digest>().map(|d| d.short()).unwrap_or_default();
        let repository = word(l, "repository");
        let repository = if repository.is_empty() { "a repository without an identity".to_owned() } else { repository };
        let _ = writeln!(
            out,
            "{:>4}  {:<8}  {fingerprint}  {}\n      {}:{} in {repository}\n      {state}{asked}, first seen {}{late}",
            number(l, "risk"),
            word(l, "severity"),
            word(l, "rule"),
            word(l, "path"),
            number(l, "line"),
            word(l, "first_time"),
        );
    }
    let shown = array(document, "findings").count() as u64;
    let states = document.get("states").cloned().unwrap_or_default();
    let _ = writeln!(
        out,
        "{shown} of {}; in all {} open, {} past SLA, {} suppressed, {} waived, {} fixed",
        output::count(number(document, "count"), "finding", "findings"),
        number(&states, "open"),
        number(&states, "late"),
        number(&states, "suppressed"),
        number(&states, "waived"),
        number(&states, "fixed"),
    );
    let disposed = number(document, "disposed");
    if disposed > 0 {
        let scans = output::count(disposed, "scan was", "scans were");
        let _ = writeln!(out, "{scans} disposed of; nobody knows any more what they saw");
    }
    let unread = array(document, "unread").count() as u64;
    if unread > 0 {
        let entries: Vec<String> = array(document, "unread").take(20).map(Value::to_string).collect();
        let records = output::count(unread, "record is", "records are");
        let _ = writeln!(out, "✗ {records} missing or damaged (entries {})", entries.join(", "));
        let _ = writeln!(out, "  Next: countersign verify");
    }
    out
}
