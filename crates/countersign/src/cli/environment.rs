//! One environment as it stands: whether it is open, what runs there, and what emergencies in it owe.

use std::fmt::Write as _;

use countersign_model::Timestamp;
use countersign_model::access::emergencies::Owed;
use countersign_stages::release::break_glass::moment;
use countersign_stages::release::emergency::word as standing_word;
use countersign_stages::release::freeze as acts;
use countersign_stages::release::pen::Pen;
use countersign_store::Session;
use countersign_store::projection::{Closed, FreezeRow, Standing};
use serde_json::{Value, json};

use super::args::Format;
use super::place::day_or_time;
use super::registry_args::FreezeVerb;
use crate::config::Environment;
use crate::errors::Failure;
use crate::output::{self, printable, word};

/// What is overdue, a line each.
pub(super) fn overdue(session: &Session) -> Result<Vec<String>, Failure> {
    let at = moment(session)?;
    let mut lines = Vec::new();
    for row in session.state().emergencies()? {
        for owed in Owed::ALL.into_iter().filter(|owed| row.standing(*owed, at) == Standing::Overdue) {
            lines.push(format!(
                "{} is non-compliant: the {} of {} was due at {}",
                printable(&row.opened.environment),
                owed.as_str(),
                row.opened.id,
                row.due(owed)
            ));
        }
    }
    Ok(lines)
}

/// Environments in which something is overdue.
pub(super) fn non_compliant(session: &Session) -> Result<Vec<String>, Failure> {
    let at = moment(session)?;
    let rows = session.state().emergencies()?.into_iter().filter(|row| !row.is_compliant(at));
    let mut all: Vec<String> = rows.map(|row| row.opened.environment).collect();
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// `environment show`.
pub(super) fn show(session: &Session, id: &str, format: Format) -> Result<(), Failure> {
    let state = session.state();
    let at = moment(session)?;
    let known = state.environment(id)?.filter(|e| e.retired.is_none());
    let known = known.ok_or_else(|| {
        let environment = id.to_owned();
        countersign_stages::Error::from(countersign_stages::release::error::ReleaseError::UnknownEnvironment {
            environment,
        })
    })?;
    let (closed, windows) = (state.closed(id, at)?, state.windows(id)?);
    let freezes: Vec<FreezeRow> = state.freezes(Some(id))?.into_iter().filter(|f| f.holds(at) || f.from > at).collect();
    let emergencies: Vec<_> = state.emergencies()?.into_iter().filter(|e| e.opened.environment == id).collect();
    let compliant = emergencies.iter().all(|e| e.is_compliant(at));
    let mut newest: Vec<_> = state.deployments()?.into_iter().filter(|d| d.environment == id && d.success).collect();
    newest.reverse();
    let mut seen = std::collections::BTreeSet::new();
    newest.retain(|d| seen.insert(d.repository.clone()));
    let mut running = Vec::new();
    for d in &newest {
        let glass = state.grant(&d.grant)?.and_then(|g| g.grant.break_glass);
        running.push((d, glass));
    }
    let runs: Vec<Value> = running
        .iter()
        .map(|(d, glass)| json!({"repository": d.repository, "commit": d.commit, "time": d.time, "break_glass": glass}))
        .collect();
    let owed: Vec<Value> = emergencies
        .iter()
        .map(|e| {
            json!({
                "break_glass": e.opened.id, "open": e.is_open(at),
                "ratification": standing_word(e.standing(Owed::Ratification, at)),
                "review": standing_word(e.standing(Owed::Review, at)),
                "compliant": e.is_compliant(at), "was_compliant": e.was_compliant(at),
            })
        })
        .collect();
    let closed = match closed {
        None => Why::Open,
        Some(Closed::Frozen(f)) => Why::Frozen(freeze_json(&f)),
        Some(Closed::OutsideWindows(_)) => Why::OutsideWindows,
    };
    let one = json!({
        "version": 1, "id": id, "tier": known.what.tier, "index": known.index, "open": closed == Why::Open,
        "freezes": freezes.iter().map(freeze_json).collect::<Vec<_>>(),
        "windows": windows.map_or_else(Vec::new, |w| w.windows), "deployed": runs, "emergencies": owed,
        "compliant": compliant,
    });
    let ahead: Vec<Value> = freezes.iter().filter(|f| f.from > at).map(freeze_json).collect();
    shown(&one, &closed, &ahead, format)
}

/// Whether an environment is open.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It is.
    Open,
    /// It is not: a freeze holds.
    Frozen(Value),
    /// It is not: none of its windows is open.
    OutsideWindows,
}

/// Prints one, from what programs are told of it; besides, why it is not open, and which freezes are ahead.
pub(super) fn shown(one: &Value, closed: &Why, ahead: &[Value], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(one);
    }
    let each = |name: &str| one[name].as_array().into_iter().flatten();
    let mut out = format!("{}  {}\n", word(&one["id"]), word(&one["tier"]));
    match closed {
        Why::Open => out.push_str("  open        for grants and deployments\n"),
        Why::Frozen(f) => {
            let until = f["until"].as_str().map_or(String::new(), |until| format!(" until {}", printable(until)));
            let _ = writeln!(out, "  frozen      {}{until}: {}", word(&f["freeze"]), word(&f["reason"]));
        }
        Why::OutsideWindows => out.push_str("  not open    none of its windows is open\n"),
    }
    for window in each("windows") {
        let _ = writeln!(out, "  window      {}", word(window));
    }
    for f in ahead {
        let (from, why) = (word(&f["from"]), word(&f["reason"]));
        let _ = writeln!(out, "  will freeze {} from {from}: {why}", word(&f["freeze"]));
    }
    for d in each("deployed") {
        let past = d["break_glass"].as_str().map_or(String::new(), |g| format!(", past the gates ({})", printable(g)));
        let (commit, repository, time) = (word(&d["commit"]), word(&d["repository"]), word(&d["time"]));
        let _ = writeln!(out, "  runs        {commit} of {repository}, since {time}{past}");
    }
    for e in each("emergencies") {
        let (ratification, review) = (word(&e["ratification"]), word(&e["review"]));
        let _ =
            writeln!(out, "  emergency   {}: ratification {ratification}, review {review}", word(&e["break_glass"]));
    }
    let compliant = one["compliant"] == true;
    out.push_str(if compliant { "  compliant\n" } else { "  NON-COMPLIANT: countersign break-glass list --due\n" });
    output::print(&out)
}

fn freeze_json(f: &FreezeRow) -> Value {
    let lifted = f.lifted.as_ref().map(|s| json!({"index": s.index, "by": s.by, "time": s.time, "reason": s.reason}));
    json!({
        "freeze": f.freeze, "index": f.index, "environment": f.environment, "from": f.from, "until": f.until, "by": f.by,
        "reason": f.reason, "lifted": lifted,
    })
}

/// `environment freeze`.
pub(super) fn freeze(session: &mut Session, verb: &FreezeVerb, env: &Environment) -> Result<(), Failure> {
    match verb {
        FreezeVerb::Add { environment, from, until, reason, key, format, .. } => {
            let (from, until) = times(from.as_deref(), until.as_deref())?;
            let (id, done) = acts::add(session, environment, from, until, reason, Pen::Key(&key.signer(env)?))?;
            added(id.as_str(), environment, done.done()?, *format)
        }
        FreezeVerb::Lift { freeze, reason, key, format, .. } => {
            let id = acts::find(session, freeze)?.freeze;
            let index = acts::lift(session, &id, reason, Pen::Key(&key.signer(env)?))?.done()?;
            lifted(id.as_str(), index, *format)
        }
        FreezeVerb::List { format, .. } => {
            let at = moment(session)?;
            let all = session.state().freezes(None)?;
            let all: Vec<_> = all.iter().map(|f| (freeze_json(f), f.state(at).to_owned())).collect();
            listed(&all, *format)
        }
    }
}

/// From when and until when.
pub(super) fn times(
    from: Option<&str>,
    until: Option<&str>,
) -> Result<(Option<Timestamp>, Option<Timestamp>), Failure> {
    Ok((from.map(day_or_time).transpose()?, until.map(day_or_time).transpose()?))
}

/// Says that an environment is frozen.
pub(super) fn added(id: &str, environment: &str, index: u64, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({"version": 1, "freeze": id, "index": index})),
        Format::Text => output::print(&format!("✓ {} is frozen: {id} (entry {index})\n", printable(environment))),
    }
}

/// Says that a freeze is lifted.
pub(super) fn lifted(id: &str, index: u64, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({"version": 1, "freeze": id, "lifted": true, "index": index})),
        Format::Text => output::print(&format!("✓ {id} is lifted (entry {index})\n")),
    }
}

/// Prints freezes, from what programs are told of them, with where each stands.
pub(super) fn listed(all: &[(Value, String)], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        let rows: Vec<&Value> = all.iter().map(|(f, _)| f).collect();
        return output::json(&json!({"version": 1, "freezes": rows}));
    }
    let mut out = String::new();
    for (f, state) in all {
        let until = f["until"].as_str();
        let until = until.map_or("until it is lifted".to_owned(), |until| format!("until {}", printable(until)));
        let (id, environment) = (word(&f["freeze"]), word(&f["environment"]));
        let (from, reason, state) = (word(&f["from"]), word(&f["reason"]), printable(state));
        let _ = writeln!(out, "{id}  {state:<6}  {environment:<16}  from {from} {until}: {reason}");
    }
    let _ = writeln!(out, "{}", output::count(all.len() as u64, "freeze", "freezes"));
    output::print(&out)
}
