//! `audit open`, `request`, `answer` and the like: what people ask and answer in an audit.

use std::fmt::Write as _;

use countersign_govern::assess::Window;
use countersign_govern::audit::threads::{self as acts, Engagement, Question, Reply};
use countersign_model::{AuditId, AuditRequestId, Exit, Timestamp};
use countersign_store::Session;
use countersign_store::projection::{AuditRow, MessageRow, RequestState, ThreadRow, is_late};
use serde_json::{Value, json};

use super::args::{Format, PlaceArgs};
use super::audit_thread_args::ThreadVerb;
use super::catalogue;
use super::place::notices;
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output::audit_furnish::span;
use crate::output::{self, printable};

/// The verbs of `audit` by which people ask and answer.
pub(crate) fn run(at: &PlaceArgs, verb: &ThreadVerb, env: &Environment) -> Outcome {
    let mut session = at.open(env)?;
    match verb {
        ThreadVerb::Open { name, from, to, application, framework, auditor, mask, key, format } => {
            let window = Window { from: *from, to: *to };
            let asked = Engagement {
                name,
                window,
                applications: application,
                frameworks: framework,
                auditors: auditor,
                masked: mask,
            };
            let (id, index) = acts::open(&mut session, &asked, &catalogue::load(at)?, &key.signer(env)?)?;
            let next = format!("next: an auditor asks: countersign audit request {id} --control ID --text TEXT\n");
            said(*format, "audit", id.as_str(), index, "is open", &next)?;
        }
        ThreadVerb::Request { audit, control, application, asked } => {
            let question = Question {
                control: control.as_deref(),
                application: application.as_deref(),
                text: &asked.text,
                due: asked.due,
            };
            let (id, index) =
                acts::request(&mut session, audit, &question, &catalogue::load(at)?, &asked.key.signer(env)?)?;
            waits(&session, asked.format, &id, index)?;
        }
        ThreadVerb::Answer { request, text, evidence, pack, key, format } => {
            let reply = Reply { text, evidence, packs: pack };
            let (id, index) = acts::answer(&mut session, request, &reply, &key.signer(env)?)?;
            let next = format!(
                "next: an auditor asks on (countersign audit follow-up {id} --text TEXT) or closes it (countersign audit close {id})\n"
            );
            said(*format, "request", id.as_str(), index, "is answered", &next)?;
        }
        ThreadVerb::FollowUp { request, asked } => {
            let (id, index) = acts::follow_up(&mut session, request, &asked.text, asked.due, &asked.key.signer(env)?)?;
            waits(&session, asked.format, &id, index)?;
        }
        ThreadVerb::Close { what, key, format } => {
            if what.starts_with(AuditRequestId::PREFIX) {
                let (id, index) = acts::close_request(&mut session, what, &key.signer(env)?)?;
                said(*format, "request", id.as_str(), index, "is closed", "")?;
            } else {
                let (id, index) = acts::close(&mut session, what, &key.signer(env)?)?;
                said(*format, "audit", id.as_str(), index, "is closed", "What was said in it stays readable.\n")?;
            }
        }
        ThreadVerb::Requests { audit, open, format } => {
            let found = listed(&session, audit.as_deref(), *open)?;
            match format {
                Format::Json => output::json(&list_json(&session, &found)?)?,
                Format::Text => output::print(&list(&session, &found)?)?,
            }
        }
        ThreadVerb::Thread { request, format } => {
            let thread = acts::find_request(&session, request)?;
            match format {
                Format::Json => {
                    let mut one = thread_json(&session, &thread)?;
                    if let Some(object) = one.as_object_mut() {
                        object.insert("version".into(), 1.into());
                    }
                    output::json(&one)?;
                }
                Format::Text => output::print(&page(&session, &thread)?)?,
            }
        }
    }
    notices(&mut session);
    Ok(Exit::Pass)
}

fn said(format: Format, what: &str, id: &str, index: u64, text: &str, next: &str) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({"version": 1, what: id, "index": index})),
        Format::Text => output::print(&format!("{what} {id} {text} (entry {index})\n{next}")),
    }
}

fn waits(session: &Session, format: Format, id: &AuditRequestId, index: u64) -> Result<(), Failure> {
    let due = acts::find_request(session, id.as_str())?.due();
    let due = due.map_or_else(String::new, |due| format!(" until {due}"));
    let next = format!("next: somebody who answers for it: countersign audit answer {id} --text TEXT\n");
    said(format, "request", id.as_str(), index, &format!("waits for an answer{due}"), &next)
}

type Listed = Vec<(AuditRow, Vec<ThreadRow>)>;

fn listed(session: &Session, audit: Option<&str>, open: bool) -> Result<Listed, Failure> {
    let audits = match audit {
        Some(text) => vec![acts::find_audit(session, text)?],
        None => session.state().audits().map_err(countersign_govern::Error::from)?,
    };
    let mut found = Vec::new();
    for row in audits {
        let mut threads =
            session.state().audit_threads(Some(&row.said.audit)).map_err(countersign_govern::Error::from)?;
        threads.retain(|t| !open || t.state() == RequestState::Open);
        found.push((row, threads));
    }
    Ok(found)
}

/// The clock of a thread: since when, until when, and how it stands.
fn clock(thread: &ThreadRow, now: Timestamp) -> String {
    let (Some(question), Some(due)) = (thread.question(), thread.due()) else { return String::new() };
    let ended = thread.ended();
    let age = span(question.time, ended.unwrap_or(now));
    match (ended, is_late(due, ended, now)) {
        (Some(_), false) => format!("after {age}"),
        (Some(_), true) => format!("after {age}, late: due {due}"),
        (None, false) => format!("waits {age}, due {due}"),
        (None, true) => format!("✗ waits {age}, overdue since {due}"),
    }
}

fn list(session: &Session, found: &Listed) -> Result<String, Failure> {
    let label = |id| session.state().label(id).map_err(countersign_govern::Error::from);
    let mut out = String::new();
    for (audit, threads) in found {
        let a = &audit.said;
        let state = match &audit.closed {
            Some((_, _, at)) => format!("closed {at}"),
            None => "open".to_owned(),
        };
        let _ = writeln!(out, "{}  {}  {state}", a.audit, printable(&a.name));
        let all = |names: &[String]| if names.is_empty() { "all".to_owned() } else { names.join(", ") };
        let _ = writeln!(
            out,
            "  from {}, before {}; applications: {}; frameworks: {}; opened by {}",
            a.from,
            a.to,
            printable(&all(&a.applications)),
            printable(&all(&a.frameworks)),
            printable(&label(&a.by)?)
        );
        if !a.auditors.is_empty() || !a.masked.is_empty() {
            let names = a.auditors.iter().map(label).collect::<Result<Vec<_>, _>>()?;
            let masked: Vec<&str> = a.masked.iter().map(|f| f.as_str()).collect();
            let masked = if masked.is_empty() { "nothing".to_owned() } else { masked.join(", ") };
            let _ = writeln!(out, "  auditors: {}; masked: {masked}", printable(&all(&names)));
        }
        let mut rows = Vec::new();
        for t in threads {
            let asked = t.messages.first().map(|m| label(&m.by)).transpose()?.unwrap_or_default();
            let answered = match t.answer() {
                Some(m) => format!("answered by {} {}", printable(&label(&m.by)?), m.time),
                None => String::new(),
            };
            rows.push([
                t.request.to_string(),
                t.state().as_str().to_owned(),
                t.control.as_deref().map(printable).unwrap_or_default(),
                format!("asked by {}", printable(&asked)),
                answered,
                clock(t, session.now()),
            ]);
        }
        for line in output::table(&rows).lines() {
            let _ = writeln!(out, "  {line}");
        }
    }
    if out.is_empty() {
        out.push_str("no audit was opened\n");
    }
    Ok(out)
}

fn page(session: &Session, thread: &ThreadRow) -> Result<String, Failure> {
    let state = session.state();
    let mut out = format!("{}  {}  of {}\n", thread.request, thread.state().as_str(), thread.audit);
    for (what, id) in [("control", &thread.control), ("application", &thread.application)] {
        if let Some(id) = id {
            let _ = writeln!(out, "{what}: {}", printable(id));
        }
    }
    let _ = writeln!(out, "{}", clock(thread, session.now()));
    for m in &thread.messages {
        let by = state.label(&m.by).map_err(countersign_govern::Error::from)?;
        let due = m.due.map_or_else(String::new, |due| format!(", due {due}"));
        let _ = writeln!(out, "\nentry {}: {} by {}, {}{due}", m.index, m.kind.as_str(), printable(&by), m.time);
        for line in text_of(session, m)?.as_deref().unwrap_or_else(|| gone(m)).lines() {
            let _ = writeln!(out, "  {}", printable(line));
        }
        if !m.evidence.is_empty() {
            let entries: Vec<String> = m.evidence.iter().map(ToString::to_string).collect();
            let _ = writeln!(out, "  evidence: entries {}", entries.join(", "));
        }
        for pack in &m.packs {
            let _ = writeln!(out, "  pack: {pack}");
        }
    }
    Ok(out)
}

/// What is said in the place of a text that cannot be read.
fn gone(m: &MessageRow) -> &'static str {
    if m.text.is_some() { "(erased with the data of whoever wrote it, or its key is not here)" } else { "" }
}

fn text_of(session: &Session, m: &MessageRow) -> Result<Option<String>, Failure> {
    Ok(session.state().message_text(m).map_err(countersign_govern::Error::from)?)
}

fn thread_json(session: &Session, t: &ThreadRow) -> Result<Value, Failure> {
    let mut messages = Vec::new();
    for m in &t.messages {
        messages.push(json!({
            "index": m.index, "kind": m.kind.as_str(), "by": m.by, "time": m.time, "due": m.due,
            "evidence": m.evidence, "packs": m.packs, "text": text_of(session, m)?,
        }));
    }
    let (ended, due) = (t.ended(), t.due());
    Ok(json!({
        "request": t.request, "audit": t.audit, "state": t.state().as_str(), "control": t.control,
        "application": t.application, "due": due, "ended": ended,
        "late": due.is_some_and(|due| is_late(due, ended, session.now())), "messages": messages,
    }))
}

fn list_json(session: &Session, found: &Listed) -> Result<Value, Failure> {
    let mut audits = Vec::new();
    for (audit, threads) in found {
        let a = &audit.said;
        let id: &AuditId = &a.audit;
        audits.push(json!({
            "audit": id, "index": audit.index, "name": a.name, "from": a.from, "to": a.to, "applications": a.applications,
            "frameworks": a.frameworks, "auditors": a.auditors, "masked": a.masked, "opened_by": a.by, "opened_at": a.time,
            "closed": audit.closed.as_ref().map(|(index, by, at)| json!({"index": index, "by": by, "time": at})),
            "requests": threads.iter().map(|t| thread_json(session, t)).collect::<Result<Vec<_>, _>>()?,
        }));
    }
    Ok(json!({"version": 1, "audits": audits}))
}
