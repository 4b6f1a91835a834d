//! What was asked and answered in audits, in words and as JSON: from the ledger, or as a server's API says it.

use std::fmt::Write as _;

use countersign_model::{Digest, Timestamp};
use countersign_store::projection::{MessageKind, is_late};
use serde::Deserialize;
use serde_json::{Value, json};

use super::audit_furnish::span;
use super::{printable, table};

/// Somebody.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Person {
    #[serde(rename = "person")]
    pub(crate) id: String,
    /// Their name, or their id where that is all that may be said.
    pub(crate) name: String,
}

/// That an audit is over.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Closing {
    pub(crate) index: u64,
    #[serde(rename = "person")]
    pub(crate) by: String,
    pub(crate) time: Timestamp,
}

/// An audit.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Audit {
    pub(crate) audit: String,
    pub(crate) index: u64,
    pub(crate) name: String,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) applications: Vec<String>,
    pub(crate) frameworks: Vec<String>,
    pub(crate) auditors: Vec<Person>,
    pub(crate) masked: Vec<String>,
    pub(crate) opened_by: Person,
    pub(crate) opened_at: Timestamp,
    pub(crate) closed: Option<Closing>,
    /// The API counts them in a field of this name, and lists them beside.
    #[serde(skip)]
    pub(crate) requests: Vec<Thread>,
}

/// A request with everything that was said about it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Thread {
    pub(crate) request: String,
    #[serde(default)]
    pub(crate) audit: String,
    pub(crate) state: String,
    pub(crate) control: Option<String>,
    pub(crate) application: Option<String>,
    pub(crate) due: Option<Timestamp>,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) late: bool,
    pub(crate) messages: Vec<Message>,
}

/// Something that was said about it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Message {
    pub(crate) index: u64,
    pub(crate) kind: String,
    #[serde(flatten)]
    pub(crate) by: Person,
    pub(crate) time: Timestamp,
    pub(crate) due: Option<Timestamp>,
    pub(crate) evidence: Vec<u64>,
    pub(crate) packs: Vec<Digest>,
    pub(crate) text: Option<String>,
}

impl Message {
    /// What is said in the place of a text that cannot be read; whoever needs nothing more writes none.
    fn gone(&self) -> &'static str {
        if self.kind == MessageKind::Closed.as_str() {
            ""
        } else {
            "(erased with the data of whoever wrote it, or its key is not here)"
        }
    }
}

impl Thread {
    /// Its clock: since when, until when, and how it stands.
    fn clock(&self, now: Timestamp) -> String {
        let question = self.messages.iter().rev().find(|m| m.due.is_some());
        let (Some(question), Some(due)) = (question, self.due) else { return String::new() };
        let age = span(question.time, self.ended.unwrap_or(now));
        match (self.ended, is_late(due, self.ended, now)) {
            (Some(_), false) => format!("after {age}"),
            (Some(_), true) => format!("after {age}, late: due {due}"),
            (None, false) => format!("waits {age}, due {due}"),
            (None, true) => format!("✗ waits {age}, overdue since {due}"),
        }
    }

    /// Everything that was said, in words.
    pub(crate) fn page(&self, now: Timestamp) -> String {
        let mut out =
            format!("{}  {}  of {}\n", printable(&self.request), printable(&self.state), printable(&self.audit));
        for (what, id) in [("control", &self.control), ("application", &self.application)] {
            if let Some(id) = id {
                let _ = writeln!(out, "{what}: {}", printable(id));
            }
        }
        let _ = writeln!(out, "{}", self.clock(now));
        for m in &self.messages {
            let due = m.due.map_or_else(String::new, |due| format!(", due {due}"));
            let (kind, by) = (printable(&m.kind), printable(&m.by.name));
            let _ = writeln!(out, "\nentry {}: {kind} by {by}, {}{due}", m.index, m.time);
            for line in m.text.as_deref().unwrap_or_else(|| m.gone()).lines() {
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
        out
    }

    /// The same as JSON.
    pub(crate) fn json(&self) -> Value {
        let message = |m: &Message| {
            json!({
                "index": m.index, "kind": m.kind, "by": m.by.id, "time": m.time, "due": m.due,
                "evidence": m.evidence, "packs": m.packs, "text": m.text,
            })
        };
        json!({
            "request": self.request, "audit": self.audit, "state": self.state, "control": self.control,
            "application": self.application, "due": self.due, "ended": self.ended, "late": self.late,
            "messages": self.messages.iter().map(message).collect::<Vec<_>>(),
        })
    }
}

impl Audit {
    fn json(&self) -> Value {
        let closed = self.closed.as_ref().map(|c| json!({"index": c.index, "by": c.by, "time": c.time}));
        json!({
            "audit": self.audit, "index": self.index, "name": self.name, "from": self.from, "to": self.to,
            "applications": self.applications, "frameworks": self.frameworks,
            "auditors": self.auditors.iter().map(|p| &p.id).collect::<Vec<_>>(), "masked": self.masked,
            "opened_by": self.opened_by.id, "opened_at": self.opened_at, "closed": closed,
            "requests": self.requests.iter().map(Thread::json).collect::<Vec<_>>(),
        })
    }
}

/// Audits with their requests, as JSON.
pub(crate) fn list_json(audits: &[Audit]) -> Value {
    json!({"version": 1, "audits": audits.iter().map(Audit::json).collect::<Vec<_>>()})
}

/// Audits with their requests, in words.
pub(crate) fn list(audits: &[Audit], now: Timestamp) -> String {
    let mut out = String::new();
    for a in audits {
        let state = a.closed.as_ref().map_or_else(|| "open".to_owned(), |closed| format!("closed {}", closed.time));
        let _ = writeln!(out, "{}  {}  {state}", printable(&a.audit), printable(&a.name));
        let all = |names: &[String]| if names.is_empty() { "all".to_owned() } else { names.join(", ") };
        let _ = writeln!(
            out,
            "  from {}, before {}; applications: {}; frameworks: {}; opened by {}",
            a.from,
            a.to,
            printable(&all(&a.applications)),
            printable(&all(&a.frameworks)),
            printable(&a.opened_by.name)
        );
        if !a.auditors.is_empty() || !a.masked.is_empty() {
            let names: Vec<String> = a.auditors.iter().map(|p| p.name.clone()).collect();
            let masked = if a.masked.is_empty() { "nothing".to_owned() } else { a.masked.join(", ") };
            let _ = writeln!(out, "  auditors: {}; masked: {}", printable(&all(&names)), printable(&masked));
        }
        let rows: Vec<_> = a.requests.iter().map(|t| row(t, now)).collect();
        for line in table(&rows).lines() {
            let _ = writeln!(out, "  {line}");
        }
    }
    if out.is_empty() {
        out.push_str("no audit was opened\n");
    }
    out
}

fn row(t: &Thread, now: Timestamp) -> [String; 6] {
    let asked = t.messages.first().map(|m| printable(&m.by.name)).unwrap_or_default();
    let answer = t.messages.iter().rev().find(|m| m.kind == MessageKind::Answered.as_str());
    let answered = answer.map(|m| format!("answered by {} {}", printable(&m.by.name), m.time)).unwrap_or_default();
    [
        printable(&t.request),
        printable(&t.state),
        t.control.as_deref().map(printable).unwrap_or_default(),
        format!("asked by {asked}"),
        answered,
        t.clock(now),
    ]
}
