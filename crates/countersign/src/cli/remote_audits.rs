//! `audit open`, `request`, `answer`, `follow-up` and `close` with `--server`, and the lists of audits: what each asks for, and what it
//! prints, as where the ledger is.

use std::collections::BTreeSet;

use countersign_connect::remote::ApiClient;
use countersign_evidence::act;
use countersign_govern::audit::threads::{DEFAULT_DAYS, ThreadError};
use countersign_model::audit::threads::MaskedField;
use countersign_model::{AuditRequestId, Exit, PersonId, Timestamp};
use countersign_store::projection::RequestState;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::audit_thread::{answered, closed, listed, opened, shown, waits};
use super::audit_thread_args::{AskedArgs, ThreadVerb};
use super::remote::{array, field, stranger};
use super::remote_acts::{Expects, Said, Wrote, index, say, say_written, word};
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output::audit_threads::{Audit, Thread};

const DAY: i64 = 24 * 60 * 60;

/// The verbs of `audit` by which people ask and answer.
pub(super) fn run(client: &ApiClient, verb: &ThreadVerb, env: &Environment) -> Outcome {
    match verb {
        ThreadVerb::Open { format, .. } => {
            let done = open(client, verb, env)?;
            opened(*format, &word(client, &done.result, "audit")?, index(client, &done)?)?;
        }
        ThreadVerb::Request { audit, control, application, asked } => {
            let mut act = json!({"kind": "audit-request", "audit": audit});
            let mut says = json!({});
            for (name, value) in [("control", control), ("application", application)] {
                if let Some(value) = value {
                    act[name] = json!(value);
                    says[name] = json!(value);
                }
            }
            let expects = Expects::about(act::AUDIT_REQUEST, "audit", audit, says).free(&["request", "text"]);
            let done = ask(client, act, expects, asked, env)?;
            waits(asked.format, &word(client, &done.result, "request")?, index(client, &done)?, due(client, &done)?)?;
        }
        ThreadVerb::Answer { request, text, evidence, pack, key, format, .. } => {
            let act =
                json!({"kind": "audit-answer", "request": request, "text": text, "evidence": evidence, "packs": pack});
            let mut says = json!({});
            put(&mut says, "evidence", evidence);
            put(&mut says, "packs", pack);
            let expects = Expects::about(act::AUDIT_ANSWER, "request", request, says).free(&["answers", "text"]);
            let done = say_written(client, &act, &[expects], &Wrote { text, about: "request" }, key, env)?;
            answered(*format, &word(client, &done.result, "request")?, index(client, &done)?)?;
        }
        ThreadVerb::FollowUp { request, asked } => {
            let act = json!({"kind": "audit-follow-up", "request": request});
            let expects = Expects::about(act::AUDIT_FOLLOW_UP, "request", request, json!({})).free(&["answer", "text"]);
            let done = ask(client, act, expects, asked, env)?;
            waits(asked.format, &word(client, &done.result, "request")?, index(client, &done)?, due(client, &done)?)?;
        }
        ThreadVerb::Close { what, key, format, .. } => {
            let (name, kind, namespace, free): (_, _, _, &'static [&'static str]) =
                if what.starts_with(AuditRequestId::PREFIX) {
                    ("request", "audit-request-close", act::AUDIT_REQUEST_CLOSING, &["last"])
                } else {
                    ("audit", "audit-close", act::AUDIT_CLOSING, &["requests", "answered"])
                };
            let expects = Expects::about(namespace, name, what, json!({})).free(free);
            let done = say(client, &json!({"kind": kind, name: what}), &[expects], key, env)?;
            closed(*format, name, &word(client, &done.result, name)?, index(client, &done)?)?;
        }
        ThreadVerb::Requests { audit, open, format, .. } => {
            let mut audits = audits(client, audit.as_deref())?;
            for audit in &mut audits {
                audit.requests.retain(|t| !open || t.state == RequestState::Open.as_str());
            }
            listed(&audits, *format, env.clock.now())?;
        }
        ThreadVerb::Thread { request, format, .. } => {
            shown(&thread(client, request)?, *format, env.clock.now())?;
        }
    }
    Ok(Exit::Pass)
}

/// Says what a list has, once each and in order; an empty one is not said.
fn put<T: Ord + serde::Serialize>(says: &mut Value, name: &str, all: &[T]) {
    if !all.is_empty() {
        says[name] = json!(all.iter().collect::<BTreeSet<_>>());
    }
}

fn open(client: &ApiClient, verb: &ThreadVerb, env: &Environment) -> Result<Said, Failure> {
    let ThreadVerb::Open { name, from, to, application, framework, auditor, mask, key, .. } = verb else {
        return Err(stranger(client, "another verb opens no audit"));
    };
    let auditors = people(client, auditor)?;
    let act = json!({
        "kind": "audit-open", "name": name, "from": from, "to": to, "applications": application,
        "frameworks": framework, "auditors": auditors, "masked": mask.iter().collect::<BTreeSet<&MaskedField>>(),
    });
    let mut says = json!({"name": name.trim(), "from": from, "to": to});
    put(&mut says, "applications", application);
    put(&mut says, "frameworks", framework);
    put(&mut says, "auditors", &auditors);
    put(&mut says, "masked", mask);
    let (begins, lasts) = (Vec::new(), Vec::new());
    let expects = Expects { namespace: act::AUDIT, by: "by", says, begins, free: &["audit"], lasts };
    say(client, &act, &[expects], key, env)
}

/// People by id. Who is called how is looked up, and then signed as an id.
fn people(client: &ApiClient, named: &[String]) -> Result<Vec<String>, Failure> {
    let mut known: Option<Vec<(String, String)>> = None;
    let mut ids = Vec::new();
    for text in named {
        if text.starts_with(PersonId::PREFIX) {
            ids.push(text.clone());
            continue;
        }
        if known.is_none() {
            let listed = client.get("people", &[])?;
            let one = |p: &Value| Some((p.get("person")?.as_str()?.to_owned(), p.get("name")?.as_str()?.to_owned()));
            known = Some(array(&listed, "items").filter_map(one).collect());
        }
        let all = known.as_deref().unwrap_or_default();
        let fits: Vec<&String> =
            all.iter().filter(|(_, name)| name.to_lowercase() == text.to_lowercase()).map(|(id, _)| id).collect();
        ids.push(match fits.as_slice() {
            [one] => (*one).clone(),
            [] => {
                let known = all.iter().map(|(_, name)| name.clone()).collect();
                return Err(countersign_govern::Error::NoSuchPerson { text: text.clone(), known }.into());
            }
            _ => return Err(countersign_govern::Error::AmbiguousPerson { text: text.clone() }.into()),
        });
    }
    Ok(ids)
}

/// Asks, or asks on: a text, and until when an answer is awaited.
fn ask(
    client: &ApiClient,
    mut act: Value,
    mut expects: Expects,
    asked: &AskedArgs,
    env: &Environment,
) -> Result<Said, Failure> {
    act["text"] = json!(asked.text);
    match asked.due {
        Some(due) => {
            act["due"] = json!(due);
            expects.says["due"] = json!(due);
        }
        None => expects.lasts = vec![("time", "due", DEFAULT_DAYS * DAY)],
    }
    say_written(client, &act, &[expects], &Wrote { text: &asked.text, about: "request" }, &asked.key, env)
}

/// Until when an answer is awaited, as it was signed.
fn due(client: &ApiClient, done: &Said) -> Result<Option<Timestamp>, Failure> {
    let signed = done.signed.first().cloned().unwrap_or_default();
    let due = field(client, &signed, "due")?.parse();
    due.map(Some).map_err(|_| stranger(client, "what was signed does not say until when"))
}

fn read<T: DeserializeOwned>(client: &ApiClient, value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|_| stranger(client, "an audit is not as its document says"))
}

/// Audits with their requests, oldest first: the one that an id or the start of one means, or all that the token shows.
fn audits(client: &ApiClient, named: Option<&str>) -> Result<Vec<Audit>, Failure> {
    let listed = client.get("audits", &[])?;
    let ids: Vec<&str> = array(&listed, "items").filter_map(|one| one.get("audit")?.as_str()).collect();
    let ids: Vec<&str> = ids.into_iter().rev().filter(|id| named.is_none_or(|text| id.starts_with(text))).collect();
    if let (Some(text), false) = (named, ids.len() == 1) {
        return Err(countersign_govern::Error::from(ThreadError::NoSuchAudit { audit: text.to_owned() }).into());
    }
    ids.into_iter().map(|id| audit(client, id)).collect()
}

fn audit(client: &ApiClient, id: &str) -> Result<Audit, Failure> {
    let mut whole = client.get(&format!("audits/{id}"), &[])?;
    let parts = whole.as_object_mut().map(std::mem::take).unwrap_or_else(Map::new);
    let part = |name: &str| parts.get(name).cloned().unwrap_or_default();
    let mut audit: Audit = read(client, part("audit"))?;
    audit.requests = read(client, part("requests"))?;
    for thread in &mut audit.requests {
        thread.audit.clone_from(&audit.audit);
    }
    Ok(audit)
}

/// The one request that an id or the start of one means.
fn thread(client: &ApiClient, text: &str) -> Result<Thread, Failure> {
    let all = audits(client, None)?.into_iter().flat_map(|audit| audit.requests);
    let mut fits: Vec<Thread> = all.filter(|thread| thread.request.starts_with(text)).collect();
    match (fits.pop(), fits.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err(countersign_govern::Error::from(ThreadError::NoSuchRequest { request: text.to_owned() }).into()),
    }
}
