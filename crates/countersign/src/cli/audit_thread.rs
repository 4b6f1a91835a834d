//! `audit open`, `request`, `answer` and the like: what people ask and answer in an audit.

use countersign_govern::access::Pen;
use countersign_govern::assess::Window;
use countersign_govern::audit::threads::{self as acts, Engagement, Question, Reply};
use countersign_model::{AuditRequestId, Exit, PersonId, Timestamp};
use countersign_store::Session;
use countersign_store::projection::{AuditRow, MessageRow, RequestState, ThreadRow, is_late};
use serde_json::json;

use super::args::{Format, PlaceArgs};
use super::audit_thread_args::ThreadVerb;
use super::place::notices;
use super::{catalogue, remote_audits};
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output;
use crate::output::audit_threads::{self as pages, Audit, Closing, Message, Person, Thread};

/// The verbs of `audit` by which people ask and answer.
pub(crate) fn run(at: &PlaceArgs, verb: &ThreadVerb, env: &Environment) -> Outcome {
    if let Some(client) = verb.server().client(env)? {
        return remote_audits::run(&client, verb, env);
    }
    let mut session = at.open(env)?;
    match verb {
        ThreadVerb::Open { name, from, to, application, framework, auditor, mask, key, format, .. } => {
            let window = Window { from: *from, to: *to };
            let asked = Engagement {
                name,
                window,
                applications: application,
                frameworks: framework,
                auditors: auditor,
                masked: mask,
            };
            let signer = key.signer(env)?;
            let (id, written) = acts::open(&mut session, &asked, &catalogue::load(at)?, Pen::Key(&signer))?;
            opened(*format, id.as_str(), written.done()?)?;
        }
        ThreadVerb::Request { audit, control, application, asked } => {
            let question = Question {
                control: control.as_deref(),
                application: application.as_deref(),
                text: &asked.text,
                due: asked.due,
            };
            let signer = asked.key.signer(env)?;
            let (id, written) =
                acts::request(&mut session, audit, &question, &catalogue::load(at)?, Pen::Key(&signer))?;
            waits(asked.format, id.as_str(), written.done()?, due(&session, &id)?)?;
        }
        ThreadVerb::Answer { request, text, evidence, pack, key, format, .. } => {
            let reply = Reply { text, evidence, packs: pack };
            let (id, written) = acts::answer(&mut session, request, &reply, Pen::Key(&key.signer(env)?))?;
            answered(*format, id.as_str(), written.done()?)?;
        }
        ThreadVerb::FollowUp { request, asked } => {
            let signer = asked.key.signer(env)?;
            let (id, written) = acts::follow_up(&mut session, request, &asked.text, asked.due, Pen::Key(&signer))?;
            waits(asked.format, id.as_str(), written.done()?, due(&session, &id)?)?;
        }
        ThreadVerb::Close { what, key, format, .. } => {
            let signer = key.signer(env)?;
            if what.starts_with(AuditRequestId::PREFIX) {
                let (id, written) = acts::close_request(&mut session, what, Pen::Key(&signer))?;
                closed(*format, "request", id.as_str(), written.done()?)?;
            } else {
                let (id, written) = acts::close(&mut session, what, Pen::Key(&signer))?;
                closed(*format, "audit", id.as_str(), written.done()?)?;
            }
        }
        ThreadVerb::Requests { audit, open, format, .. } => {
            listed(&found(&session, audit.as_deref(), *open)?, *format, session.now())?;
        }
        ThreadVerb::Thread { request, format, .. } => {
            shown(&thread(&session, &acts::find_request(&session, request)?)?, *format, session.now())?;
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

/// That an audit is open.
pub(super) fn opened(format: Format, id: &str, index: u64) -> Result<(), Failure> {
    let next = format!("next: an auditor asks: countersign audit request {id} --control ID --text TEXT\n");
    said(format, "audit", id, index, "is open", &next)
}

/// That something was asked.
pub(super) fn waits(format: Format, id: &str, index: u64, due: Option<Timestamp>) -> Result<(), Failure> {
    let due = due.map_or_else(String::new, |due| format!(" until {due}"));
    let next = format!("next: somebody who answers for it: countersign audit answer {id} --text TEXT\n");
    said(format, "request", id, index, &format!("waits for an answer{due}"), &next)
}

/// That it was answered.
pub(super) fn answered(format: Format, id: &str, index: u64) -> Result<(), Failure> {
    let next = format!(
        "next: an auditor asks on (countersign audit follow-up {id} --text TEXT) or closes it (countersign audit close {id})\n"
    );
    said(format, "request", id, index, "is answered", &next)
}

/// That a request or an audit is over.
pub(super) fn closed(format: Format, what: &str, id: &str, index: u64) -> Result<(), Failure> {
    let next = if what == "audit" { "What was said in it stays readable.\n" } else { "" };
    said(format, what, id, index, "is closed", next)
}

/// Audits with their requests.
pub(super) fn listed(audits: &[Audit], format: Format, now: Timestamp) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&pages::list_json(audits)),
        Format::Text => output::print(&pages::list(audits, now)),
    }
}

/// A request with everything that was said about it.
pub(super) fn shown(thread: &Thread, format: Format, now: Timestamp) -> Result<(), Failure> {
    match format {
        Format::Json => {
            let mut one = thread.json();
            if let Some(object) = one.as_object_mut() {
                object.insert("version".into(), 1.into());
            }
            output::json(&one)
        }
        Format::Text => output::print(&thread.page(now)),
    }
}

fn due(session: &Session, id: &AuditRequestId) -> Result<Option<Timestamp>, Failure> {
    Ok(acts::find_request(session, id.as_str())?.due())
}

fn found(session: &Session, audit: Option<&str>, open: bool) -> Result<Vec<Audit>, Failure> {
    let audits = match audit {
        Some(text) => vec![acts::find_audit(session, text)?],
        None => session.state().audits().map_err(countersign_govern::Error::from)?,
    };
    let mut found = Vec::new();
    for row in audits {
        let mut threads =
            session.state().audit_threads(Some(&row.said.audit)).map_err(countersign_govern::Error::from)?;
        threads.retain(|t| !open || t.state() == RequestState::Open);
        let requests = threads.iter().map(|t| thread(session, t)).collect::<Result<_, _>>()?;
        found.push(one(session, &row, requests)?);
    }
    Ok(found)
}

fn person(session: &Session, id: &PersonId) -> Result<Person, Failure> {
    let name = session.state().label(id).map_err(countersign_govern::Error::from)?;
    Ok(Person { id: id.to_string(), name })
}

fn one(session: &Session, row: &AuditRow, requests: Vec<Thread>) -> Result<Audit, Failure> {
    let a = &row.said;
    let closing =
        |(index, by, time): &(u64, PersonId, Timestamp)| Closing { index: *index, by: by.to_string(), time: *time };
    Ok(Audit {
        audit: a.audit.to_string(),
        index: row.index,
        name: a.name.clone(),
        from: a.from,
        to: a.to,
        applications: a.applications.clone(),
        frameworks: a.frameworks.clone(),
        auditors: a.auditors.iter().map(|id| person(session, id)).collect::<Result<_, _>>()?,
        masked: a.masked.iter().map(|field| field.as_str().to_owned()).collect(),
        opened_by: person(session, &a.by)?,
        opened_at: a.time,
        closed: row.closed.as_ref().map(closing),
        requests,
    })
}

fn thread(session: &Session, t: &ThreadRow) -> Result<Thread, Failure> {
    let (ended, due) = (t.ended(), t.due());
    Ok(Thread {
        request: t.request.to_string(),
        audit: t.audit.to_string(),
        state: t.state().as_str().to_owned(),
        control: t.control.clone(),
        application: t.application.clone(),
        due,
        ended,
        late: due.is_some_and(|due| is_late(due, ended, session.now())),
        messages: t.messages.iter().map(|m| message(session, m)).collect::<Result<_, _>>()?,
    })
}

fn message(session: &Session, m: &MessageRow) -> Result<Message, Failure> {
    Ok(Message {
        index: m.index,
        kind: m.kind.as_str().to_owned(),
        by: person(session, &m.by)?,
        time: m.time,
        due: m.due,
        evidence: m.evidence.clone(),
        packs: m.packs.clone(),
        text: session.state().message_text(m).map_err(countersign_govern::Error::from)?,
    })
}
