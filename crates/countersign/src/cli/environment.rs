//! One environment as it stands: whether it is open, what runs there, and what emergencies in it owe.

use std::fmt::Write as _;

use countersign_model::access::emergencies::Owed;
use countersign_stages::release::break_glass::moment;
use countersign_stages::release::emergency::word;
use countersign_stages::release::freeze as acts;
use countersign_store::Session;
use countersign_store::projection::{Closed, FreezeRow, Standing};
use serde_json::{Value, json};

use super::args::Format;
use super::place::day_or_time;
use super::registry_args::FreezeVerb;
use crate::config::Environment;
use crate::errors::Failure;
use crate::output::{self, printable};

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
    if format == Format::Json {
        let runs: Vec<Value> = running
            .iter()
            .map(|(d, glass)| json!({"repository": d.repository, "commit": d.commit, "time": d.time, "break_glass": glass}))
            .collect();
        let owed: Vec<Value> = emergencies
            .iter()
            .map(|e| {
                json!({
                    "break_glass": e.opened.id, "open": e.is_open(at),
                    "ratification": word(e.standing(Owed::Ratification, at)), "review": word(e.standing(Owed::Review, at)),
                    "compliant": e.is_compliant(at), "was_compliant": e.was_compliant(at),
                })
            })
            .collect();
        return output::json(&json!({
            "version": 1, "id": id, "tier": known.what.tier, "index": known.index, "open": closed.is_none(),
            "freezes": freezes.iter().map(freeze_json).collect::<Vec<_>>(),
            "windows": windows.map_or_else(Vec::new, |w| w.windows), "deployed": runs, "emergencies": owed,
            "compliant": compliant,
        }));
    }
    let mut out = format!("{}  {}\n", printable(id), known.what.tier);
    match &closed {
        None => out.push_str("  open        for grants and deployments\n"),
        Some(Closed::Frozen(f)) => {
            let until = f.until.map_or(String::new(), |u| format!(" until {u}"));
            let _ = writeln!(out, "  frozen      {}{until}: {}", f.freeze, printable(&f.reason));
        }
        Some(Closed::OutsideWindows(_)) => out.push_str("  not open    none of its windows is open\n"),
    }
    for window in windows.iter().flat_map(|w| &w.windows) {
        let _ = writeln!(out, "  window      {window}");
    }
    for f in freezes.iter().filter(|f| f.from > at) {
        let _ = writeln!(out, "  will freeze {} from {}: {}", f.freeze, f.from, printable(&f.reason));
    }
    for (d, glass) in &running {
        let past = glass.as_ref().map_or(String::new(), |g| format!(", past the gates ({g})"));
        let _ = writeln!(
            out,
            "  runs        {} of {}, since {}{past}",
            printable(&d.commit),
            printable(&d.repository),
            d.time
        );
    }
    for e in &emergencies {
        let _ = writeln!(
            out,
            "  emergency   {}: ratification {}, review {}",
            e.opened.id,
            word(e.standing(Owed::Ratification, at)),
            word(e.standing(Owed::Review, at))
        );
    }
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
        FreezeVerb::Add { environment, from, until, reason, key, format } => {
            let from = from.as_deref().map(day_or_time).transpose()?;
            let until = until.as_deref().map(day_or_time).transpose()?;
            let (id, index) = acts::add(session, environment, from, until, reason, &key.signer(env)?)?;
            match format {
                Format::Json => output::json(&json!({"version": 1, "freeze": id, "index": index})),
                Format::Text => {
                    output::print(&format!("✓ {} is frozen: {id} (entry {index})\n", printable(environment)))
                }
            }
        }
        FreezeVerb::Lift { freeze, reason, key, format } => {
            let id = acts::find(session, freeze)?.freeze;
            let index = acts::lift(session, &id, reason, &key.signer(env)?)?;
            match format {
                Format::Json => output::json(&json!({"version": 1, "freeze": id, "lifted": true, "index": index})),
                Format::Text => output::print(&format!("✓ {id} is lifted (entry {index})\n")),
            }
        }
        FreezeVerb::List { format } => {
            let at = moment(session)?;
            let all = session.state().freezes(None)?;
            if *format == Format::Json {
                let rows: Vec<Value> = all.iter().map(freeze_json).collect();
                return output::json(&json!({"version": 1, "freezes": rows}));
            }
            let mut out = String::new();
            for f in &all {
                let state = match (&f.lifted, f.holds(at)) {
                    (Some(_), _) => "lifted",
                    (None, true) => "frozen",
                    (None, false) if f.from > at => "ahead",
                    (None, false) => "over",
                };
                let until = f.until.map_or("until it is lifted".to_owned(), |u| format!("until {u}"));
                let (environment, reason) = (printable(&f.environment), printable(&f.reason));
                let _ = writeln!(out, "{}  {state:<6}  {environment:<16}  from {} {until}: {reason}", f.freeze, f.from);
            }
            let _ = writeln!(out, "{}", output::count(all.len() as u64, "freeze", "freezes"));
            output::print(&out)
        }
    }
}
