//! `break-glass`: past the gates in an emergency, and what that owes.

use std::fmt::Write as _;
use std::path::Path;

use countersign_model::{Exit, PersonId};
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::release::break_glass::{self as acts, Asked, Broken, Review, moment};
use countersign_stages::release::emergency::{self, to_json, whole};
use countersign_stages::release::paging::{To, page as tell};
use countersign_stages::release::pen::Pen;
use countersign_store::Session;
use serde_json::{Value, json};

use super::args::{Format, PlaceArgs};
use super::break_glass_args::{BreakGlassArgs, BreakGlassVerb};
use super::deploy::write_grant;
use super::place::{find_run, notices};
use super::remote_glass;
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output::{self, Paint, printable, word};

/// `break-glass`.
pub(crate) fn run(at: &PlaceArgs, args: &BreakGlassArgs, env: &Environment) -> Outcome {
    if let Some(client) = args.verb.server().map(|server| server.client(env)).transpose()?.flatten() {
        return remote_glass::run(&client, at, &args.verb, env);
    }
    let mut session = at.open(env)?;
    let mut exit = Exit::Pass;
    match &args.verb {
        BreakGlassVerb::Open(a) => {
            if session.state().trust().is_none() {
                return Err(countersign_stages::Error::NoTrustRoot { act: "break the glass" }.into());
            }
            let run = find_run(&session, &a.run)?;
            let asked = Asked {
                environment: a.environment.clone(),
                application: a.application.clone(),
                any_commit: a.any_commit,
                reason: a.reason.clone(),
                ticket: a.ticket.clone(),
                minutes: a.minutes,
                ratify_hours: a.ratify_hours,
                review_days: a.review_days,
            };
            let broken =
                acts::open(&mut session, &ConfinedEngine, &run, &asked, Pen::Key(&a.key.signer(env)?))?.done()?;
            issued(&session, &broken, a.out.as_deref(), a.format, env)?;
        }
        BreakGlassVerb::Grant { emergency, run, out, key, format, .. } => {
            let id = acts::find(&session, emergency)?.opened.id;
            let run = find_run(&session, run)?;
            let broken = acts::grant(&mut session, &ConfinedEngine, &id, &run, Pen::Key(&key.signer(env)?))?.done()?;
            issued(&session, &broken, out.as_deref(), *format, env)?;
        }
        BreakGlassVerb::Close { emergency, reason, key, format, .. } => {
            let id = acts::find(&session, emergency)?.opened.id;
            let index = acts::close(&mut session, &id, reason, Pen::Key(&key.signer(env)?))?.done()?;
            said(*format, &format!("{id} is closed"), json!({"break_glass": id, "closed": true}), index)?;
        }
        BreakGlassVerb::Ratify { emergency, statement, late, key, format, .. } => {
            let id = acts::find(&session, emergency)?.opened.id;
            let index = acts::ratify(&mut session, &id, statement, *late, Pen::Key(&key.signer(env)?))?.done()?;
            let what = json!({"break_glass": id, "ratified": true, "late": late});
            said(*format, &format!("{id} is ratified{}", lateness(*late)), what, index)?;
        }
        BreakGlassVerb::Review { emergency, findings, root_cause, corrective_action, late, key, format, .. } => {
            let id = acts::find(&session, emergency)?.opened.id;
            let review = Review {
                findings: findings.clone(),
                root_cause: root_cause.clone(),
                corrective_action: corrective_action.clone(),
            };
            let index = acts::review(&mut session, &id, &review, *late, Pen::Key(&key.signer(env)?))?.done()?;
            let what = json!({"break_glass": id, "reviewed": true, "late": late});
            said(*format, &format!("{id} is reviewed{}", lateness(*late)), what, index)?;
        }
        BreakGlassVerb::List { due, format, .. } => {
            let at = moment(&session)?;
            let mut rows = session.state().emergencies()?;
            rows.retain(|row| !*due || !row.is_compliant(at));
            let all = rows.iter().map(|row| to_json(&session, row)).collect::<Result<Vec<_>, _>>()?;
            exit = listed(&all, *due, *format)?;
        }
        BreakGlassVerb::Show { emergency, format, .. } => {
            let one = whole(&session, &acts::find(&session, emergency)?)?;
            shown(&one, *format, &|id| Ok(printable(&session.state().label(&PersonId::from_text(id))?)))?;
        }
        BreakGlassVerb::Notify { command, webhook, format, .. } => {
            let to = match (command, webhook) {
                (Some(program), _) => To::Command(program.clone()),
                (None, url) => To::Webhook(url.clone().unwrap_or_default()),
            };
            exit = notify(&mut session, &to, *format)?;
        }
    }
    notices(&mut session);
    Ok(exit)
}

pub(super) fn lateness(late: bool) -> &'static str {
    if late { ", late" } else { "" }
}

pub(super) fn said(format: Format, text: &str, mut what: Value, index: u64) -> Result<(), Failure> {
    if let Some(object) = what.as_object_mut() {
        object.insert("version".into(), 1.into());
        object.insert("index".into(), index.into());
    }
    match format {
        Format::Json => output::json(&what),
        Format::Text => output::print(&format!("✓ {text} (entry {index})\n")),
    }
}

fn issued(
    session: &Session,
    broken: &Broken,
    out: Option<&Path>,
    format: Format,
    env: &Environment,
) -> Result<(), Failure> {
    let id = &broken.grant.grant;
    let path = out.map_or_else(
        || session.installation().ledger_dir(session.ledger().origin()).join("grants").join(format!("{id}.json")),
        Path::to_owned,
    );
    let said = emergency::issued(session, &broken.id, id, broken.opened)?;
    write_grant(&path, &broken.act.to_vec()?, id, said["grant"]["token"].as_str().unwrap_or_default())?;
    told(said, Some(&path), "", format, env)
}

/// Says what was issued. `server` is what a command says so that it speaks with the server that issued it.
pub(super) fn told(
    mut said: Value,
    path: Option<&Path>,
    server: &str,
    format: Format,
    env: &Environment,
) -> Result<(), Failure> {
    if format == Format::Json {
        said["grant"]["file"] = path.map(Path::to_string_lossy).into();
        return output::json(&said);
    }
    let (p, grant, standing) = (Paint::of(env), &said["grant"], &said["standing"]);
    let mut text = format!(
        "{}!{} {}: the grant {} goes past the gates of {}, once, until {} (entry {})\n",
        p.bad,
        p.reset,
        word(&said["break_glass"]),
        word(&grant["id"]),
        word(&grant["environment"]),
        word(&grant["expires"]),
        grant["index"]
    );
    text.push_str(&stood(standing));
    let (ratify, review) = (word(&said["ratify_by"]), word(&said["review_by"]));
    let _ = writeln!(text, "  ratified until {ratify}, reviewed until {review}, by others");
    if standing["ratifiers"].as_array().is_none_or(Vec::is_empty) {
        text.push_str("  nobody enrolled could ratify it: it takes an officer who neither opened it nor wrote it\n");
    }
    let file = path.map_or_else(|| word(&grant["id"]), |path| path.display().to_string());
    let _ = writeln!(text, "  {}countersign deploy --grant {file}{server} -- COMMAND{}", p.hint, p.reset);
    output::print(&text)
}

/// How it stood: what an ordinary grant would have had in its way.
fn stood(standing: &Value) -> String {
    let mut out = String::new();
    for gate in standing["gates"].as_array().into_iter().flatten() {
        let _ = writeln!(out, "  gate {:<10} {}", word(&gate["gate"]), word(&gate["outcome"]));
        for reason in gate["reasons"].as_array().into_iter().flatten().filter(|r| r["effect"] != "note") {
            let _ = writeln!(out, "    {}: {}", word(&reason["code"]), word(&reason["text"]));
        }
        let short = |s: &&Value| s["filled"].as_array().map_or(0, Vec::len) as u64 != s["needed"].as_u64().unwrap_or(1);
        for slot in gate["slots"].as_array().into_iter().flatten().filter(short) {
            let could = slot["could"].as_array().map_or(0, Vec::len);
            let _ = writeln!(out, "    no {} approval; {could} could have given it", word(&slot["slot"]));
        }
    }
    let open = standing["open_findings"].as_u64().unwrap_or(0);
    let _ = writeln!(out, "  open findings {open}");
    if !standing["closed"].is_null() {
        let _ = writeln!(out, "  the environment was not open: {}", printable(&standing["closed"].to_string()));
    }
    out
}

fn line(one: &Value) -> String {
    let open = if one["open"] == true { "open" } else { "over" };
    format!(
        "{}  {open}  {:<16}  {}  ratification {} (until {})  review {} (until {})\n",
        word(&one["break_glass"]),
        word(&one["environment"]),
        word(&one["ticket"]),
        word(&one["ratification"]),
        word(&one["ratify_by"]),
        word(&one["review"]),
        word(&one["review_by"])
    )
}

/// Prints them, those of which something is overdue alone where `due`.
pub(super) fn listed(all: &[Value], due: bool, format: Format) -> Outcome {
    match format {
        Format::Json => output::json(&json!({"version": 1, "emergencies": all}))?,
        Format::Text => {
            let mut out: String = all.iter().map(line).collect();
            let what = if due { " overdue" } else { "" };
            let _ = writeln!(out, "{}{what}", output::count(all.len() as u64, "emergency", "emergencies"));
            output::print(&out)?;
        }
    }
    Ok(if due && !all.is_empty() { Exit::Waiting } else { Exit::Pass })
}

/// Prints one, from what programs are told of it. `name` says what somebody is called.
pub(super) fn shown(
    one: &Value,
    format: Format,
    name: &dyn Fn(&str) -> Result<String, Failure>,
) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(one),
        Format::Text => output::print(&page(one, name)?),
    }
}

fn page(one: &Value, name: &dyn Fn(&str) -> Result<String, Failure>) -> Result<String, Failure> {
    let label = |of: &Value| name(of.as_str().unwrap_or_default());
    let each = |name: &str| one[name].as_array().into_iter().flatten();
    let mut out = line(one);
    let scope = if one["application"].is_null() { &one["repository"] } else { &one["application"] };
    let environment = word(&one["environment"]);
    let _ = writeln!(out, "  past        the gates of {environment}, for {}", word(scope));
    let _ = writeln!(out, "  commit      {}", printable(one["commit"].as_str().unwrap_or("any")));
    let _ = writeln!(out, "  reason      {}", word(&one["reason"]));
    let (by, opened, expires) = (label(&one["by"])?, word(&one["opened"]), word(&one["expires"]));
    let _ = writeln!(out, "  opened      by {by}, {opened} until {expires} (entry {})", one["index"]);
    let closed = &one["closed"];
    if closed.is_object() {
        let (by, time, why) = (label(&closed["by"])?, word(&closed["time"]), word(&closed["reason"]));
        let _ = writeln!(out, "  closed      by {by}, {time} (entry {}): {why}", closed["index"]);
    }
    for grant in each("grants") {
        let (id, by, state) = (word(&grant["grant"]), label(&grant["by"])?, word(&grant["state"]));
        let run = word(&grant["run"]);
        let _ = writeln!(out, "  grant       {id} by {by}, {state} (entry {}): {run}", grant["index"]);
        for text in stood(&grant["standing"]).lines() {
            let _ = writeln!(out, "  {text}");
        }
    }
    for what in ["ratified", "reviewed"] {
        let done = &one[what];
        if done.is_object() {
            let (by, time, late) = (label(&done["by"])?, word(&done["time"]), lateness(done["late"] == true));
            // A review is a document.
            let said = done["said"].as_str().map_or_else(|| done["said"].to_string(), str::to_owned);
            let _ = writeln!(out, "  {what}    by {by}, {time}{late} (entry {}): {}", done["index"], printable(&said));
        }
    }
    for p in each("pages") {
        let how = if p["delivered"] == true { "told" } else { "could not be told" };
        let (owed, time) = (word(&p["owed"]), word(&p["time"]));
        let _ =
            writeln!(out, "  step {}      {how} that the {owed} is overdue, {time} (entry {})", p["rung"], p["index"]);
    }
    if one["compliant"] != true {
        let _ = writeln!(out, "  {environment} is non-compliant");
    } else if one["was_compliant"] != true {
        let _ = writeln!(out, "  {environment} was non-compliant");
    }
    Ok(out)
}

fn notify(session: &mut Session, to: &To, format: Format) -> Result<Exit, Failure> {
    let told = tell(session, to, Path::new("."))?;
    match format {
        Format::Json => {
            let rows: Vec<Value> = told
                .iter()
                .map(|t| {
                    json!({
                        "break_glass": t.rung.id, "owed": t.rung.owed, "rung": t.rung.rung, "asked": t.rung.asked,
                        "delivered": t.delivered, "attempts": t.attempts, "why": t.why, "index": t.index,
                    })
                })
                .collect();
            output::json(&json!({"version": 1, "told": rows}))?;
        }
        Format::Text => {
            let mut out = String::new();
            for t in &told {
                let how = t.why.as_ref().map_or("told".to_owned(), |why| format!("not told: {}", printable(why)));
                let asked = printable(&t.rung.asked.join(", "));
                let _ = writeln!(
                    out,
                    "{}  {} overdue  step {} ({asked})  {how}",
                    t.rung.id,
                    t.rung.owed.as_str(),
                    t.rung.rung
                );
            }
            let _ = writeln!(out, "{} reached", output::count(told.len() as u64, "step", "steps"));
            output::print(&out)?;
        }
    }
    Ok(if told.iter().all(|t| t.delivered) { Exit::Pass } else { Exit::Backend })
}
