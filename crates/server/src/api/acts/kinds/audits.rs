//! What people ask and answer in an audit. Texts are sealed before they are signed, and come back beside the act: what is said is opened
//! from there, and stands in nothing that was signed.

use countersign_evidence::act;
use countersign_govern::access::Pen;
use countersign_govern::assess::Window;
use countersign_govern::audit::threads::{self, Engagement, Question, Reply};
use countersign_model::audit::threads::{LONGEST_TEXT, MOST_POINTERS, MaskedField};
use countersign_model::event::{
    AuditAnswered, AuditClosed, AuditFollowedUp, AuditOpened, AuditRequestClosed, AuditRequested,
};
use countersign_model::{AuditId, AuditRequestId, Digest, EventKind, StreamId, Timestamp};
use countersign_policy::Catalogue;
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use countersign_store::projection::{AuditRow, RequestState, ThreadRow};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::super::table::LARGEST;
use super::super::super::wire::Wire as _;
use super::super::schema::{id, kind, line, or_null};
use super::super::told;
use super::{Act, Asked, Family, Looked, Said, alone, no, one, read_as};
use crate::app::{Scope, Trouble};

pub(super) const FAMILY: Family = Family {
    kinds: &["audit-open", "audit-request", "audit-answer", "audit-follow-up", "audit-request-close", "audit-close"],
    namespaces: &[
        act::AUDIT,
        act::AUDIT_REQUEST,
        act::AUDIT_ANSWER,
        act::AUDIT_FOLLOW_UP,
        act::AUDIT_REQUEST_CLOSING,
        act::AUDIT_CLOSING,
    ],
    read: read_as::<Audit>,
    of,
    schemas,
};

/// Most names in a list of an audit that is opened.
const MOST_NAMES: usize = 200;

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Audit {
    #[serde(rename = "audit-open")]
    Open {
        name: String,
        from: Timestamp,
        to: Timestamp,
        #[serde(default)]
        applications: Vec<String>,
        #[serde(default)]
        frameworks: Vec<String>,
        #[serde(default)]
        auditors: Vec<String>,
        #[serde(default)]
        masked: Vec<MaskedField>,
    },
    #[serde(rename = "audit-request")]
    Request {
        audit: String,
        text: String,
        #[serde(default)]
        control: Option<String>,
        #[serde(default)]
        application: Option<String>,
        #[serde(default)]
        due: Option<Timestamp>,
    },
    #[serde(rename = "audit-answer")]
    Answer {
        request: String,
        text: String,
        #[serde(default)]
        evidence: Vec<u64>,
        #[serde(default)]
        packs: Vec<Digest>,
    },
    #[serde(rename = "audit-follow-up")]
    FollowUp {
        request: String,
        text: String,
        #[serde(default)]
        due: Option<Timestamp>,
    },
    #[serde(rename = "audit-request-close")]
    CloseRequest { request: String },
    #[serde(rename = "audit-close")]
    Close { audit: String },
}

fn schemas() -> Vec<Value> {
    let audit = || ("audit", id("The audit, or the start of its id."));
    let request = || ("request", id("The request, or the start of its id."));
    let moment = |says: &str| json!({"type": "string", "format": "date-time", "description": says});
    let list = |of: Value, most: usize, says: &str| json!({"type": "array", "maxItems": most, "items": of, "description": says});
    let names = |says: &str| list(line("One of them."), MOST_NAMES, says);
    let due = || ("due", or_null(moment("Until when an answer is awaited; in ten days where it is not given.")));
    let text = |says: &str| {
        let says = format!("{says} It is sealed with the key of whoever signs.");
        ("text", json!({"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT, "description": says}))
    };
    let index = json!({"type": "integer", "minimum": 0, "maximum": LARGEST});
    let masked =
        list(json!({"enum": MaskedField::ALL}), MaskedField::ALL.len(), "What no auditor of it is shown here.");
    vec![
        kind(
            "audit-open",
            "An audit of a period, in which auditors may ask.",
            &[
                ("name", line("What it is called; it names no person.")),
                ("from", moment("From when on.")),
                ("to", moment("And before when.")),
            ],
            &[
                ("applications", names("About these alone, by id.")),
                ("frameworks", names("About these alone, by id.")),
                ("auditors", names("Who is admitted, by name or id; every auditor where it names nobody.")),
                ("masked", masked),
            ],
        ),
        kind(
            "audit-request",
            "Something is asked for in an audit.",
            &[audit(), text("What is asked for.")],
            &[
                ("control", or_null(id("The control that it is about."))),
                ("application", or_null(id("The application that it is about."))),
                due(),
            ],
        ),
        kind(
            "audit-answer",
            "An answer to what was asked.",
            &[request(), text("The answer.")],
            &[
                ("evidence", list(index, MOST_POINTERS, "Log indices of entries that show it.")),
                ("packs", list(Digest::schema(), MOST_POINTERS, "Evidence packs that show it.")),
            ],
        ),
        kind("audit-follow-up", "Something is asked after an answer.", &[request(), text("What is asked.")], &[due()]),
        kind("audit-request-close", "Nothing more is needed on a request, or it is taken back.", &[request()], &[]),
        kind("audit-close", "An audit is over.", &[audit()], &[]),
    ]
}

fn of(handed: &HandedIn) -> Result<Asked, HandedError> {
    alone(handed)?;
    let namespace = handed.namespace();
    // What was written is in what is sealed, and nowhere else.
    let text = String::new();
    Ok(Box::new(match namespace {
        act::AUDIT => {
            let p: AuditOpened = handed.said(namespace)?;
            Audit::Open {
                name: p.name,
                from: p.from,
                to: p.to,
                applications: p.applications,
                frameworks: p.frameworks,
                auditors: p.auditors.iter().map(ToString::to_string).collect(),
                masked: p.masked,
            }
        }
        act::AUDIT_REQUEST => {
            let p: AuditRequested = handed.said(namespace)?;
            let audit = p.audit.to_string();
            Audit::Request { audit, text, control: p.control, application: p.application, due: Some(p.due) }
        }
        act::AUDIT_ANSWER => {
            let p: AuditAnswered = handed.said(namespace)?;
            Audit::Answer { request: p.request.to_string(), text, evidence: p.evidence, packs: p.packs }
        }
        act::AUDIT_FOLLOW_UP => {
            let p: AuditFollowedUp = handed.said(namespace)?;
            Audit::FollowUp { request: p.request.to_string(), text, due: Some(p.due) }
        }
        act::AUDIT_REQUEST_CLOSING => {
            let p: AuditRequestClosed = handed.said(namespace)?;
            Audit::CloseRequest { request: p.request.to_string() }
        }
        act::AUDIT_CLOSING => {
            let p: AuditClosed = handed.said(namespace)?;
            Audit::Close { audit: p.audit.to_string() }
        }
        _ => return Err(no("it is no act of an audit")),
    }))
}

fn audit_of(session: &Session, text: &str) -> Result<Option<AuditRow>, Trouble> {
    Ok(one(session.state().audits()?, text, |row| row.said.audit.as_str()))
}

fn thread_of(session: &Session, text: &str) -> Result<Option<ThreadRow>, Trouble> {
    Ok(one(session.state().audit_threads(None)?, text, |row| row.request.as_str()))
}

/// Whether everything that an answer points at may be looked at.
fn shows(session: &Session, scope: &Scope, evidence: &[u64], packs: &[Digest]) -> Result<bool, Trouble> {
    for index in evidence {
        if !scope.has_entry(session, *index)? {
            return Ok(false);
        }
    }
    let known = if packs.is_empty() { Vec::new() } else { session.state().packs()? };
    for pack in packs {
        let Some(row) = known.iter().find(|row| row.pack == *pack) else { return Ok(false) };
        if !scope.has_pack(session.state(), row)? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Act for Audit {
    fn command(&self) -> &'static str {
        match self {
            Self::Open { .. } => "audit open",
            Self::Request { .. } => "audit request",
            Self::Answer { .. } => "audit answer",
            Self::FollowUp { .. } => "audit follow-up",
            Self::CloseRequest { .. } | Self::Close { .. } => "audit close",
        }
    }

    fn event(&self) -> EventKind {
        match self {
            Self::Open { .. } => EventKind::AuditOpened,
            Self::Request { .. } => EventKind::AuditRequested,
            Self::Answer { .. } => EventKind::AuditAnswered,
            Self::FollowUp { .. } => EventKind::AuditFollowedUp,
            Self::CloseRequest { .. } => EventKind::AuditRequestClosed,
            Self::Close { .. } => EventKind::AuditClosed,
        }
    }

    fn is_of_audit(&self) -> bool {
        true
    }

    fn stream(&self, handed: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        Ok(Some(match self {
            Self::Open { .. } => StreamId::from(&handed.said::<AuditOpened>(act::AUDIT)?.audit),
            Self::Request { .. } => StreamId::from(&handed.said::<AuditRequested>(act::AUDIT_REQUEST)?.request),
            Self::Answer { request, .. } | Self::FollowUp { request, .. } | Self::CloseRequest { request } => {
                StreamId::from(&AuditRequestId::from_text(request))
            }
            Self::Close { audit } => StreamId::from(&AuditId::from_text(audit)),
        }))
    }

    fn inside(&self, session: &Session, scope: &Scope) -> Result<(&'static str, bool), Trouble> {
        let thread = |request: &str| -> Result<bool, Trouble> {
            let row = thread_of(session, request)?;
            Ok(row.map(|row| scope.has_thread(session.state(), &row)).transpose()?.unwrap_or(false))
        };
        Ok(match self {
            // An auditor's own scope is an audit that is there: whether they open one is a matter of roles.
            Self::Open { applications: all, .. } => {
                let of_them = !all.is_empty() && all.iter().all(|id| scope.has_application(id));
                ("application", !scope.is_of_token() || of_them)
            }
            Self::Request { audit, .. } | Self::Close { audit } => {
                ("audit", audit_of(session, audit)?.is_some_and(|row| scope.has_audit(&row)))
            }
            Self::Answer { request, evidence, packs, .. } => {
                ("request", thread(request)? && shows(session, scope, evidence, packs)?)
            }
            Self::FollowUp { request, .. } | Self::CloseRequest { request } => ("request", thread(request)?),
        })
    }

    fn looked_at(&self, session: &Session) -> Result<Looked, Trouble> {
        let stands = match self {
            Self::Open { .. } => None,
            Self::Request { audit, .. } => {
                audit_of(session, audit)?.map(|row| json!({"audit": row.said.audit, "open": row.closed.is_none()}))
            }
            Self::Close { audit } => match audit_of(session, audit)? {
                Some(row) => {
                    let threads = session.state().audit_threads(Some(&row.said.audit))?;
                    let waits = threads.iter().filter(|t| t.state() == RequestState::Open).count();
                    Some(json!({
                        "audit": row.said.audit, "open": row.closed.is_none(), "requests": threads.len(), "waiting": waits,
                    }))
                }
                None => None,
            },
            Self::Answer { request, .. } | Self::FollowUp { request, .. } | Self::CloseRequest { request } => {
                thread_of(session, request)?.map(|row| {
                    let newest = row.messages.last().map(|m| m.leaf);
                    json!({"request": row.request, "state": row.state().as_str(), "newest": newest})
                })
            }
        };
        // How it stands is the condition; what was said in an audit is read where every look is recorded.
        stands.map_or_else(|| Ok(Looked::default()), |stands| Looked::at(&stands, Value::Null))
    }

    fn say(&self, session: &mut Session, catalogue: &Catalogue, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let pen = Pen::Away(away);
        let said = match self {
            Self::Open { name, from, to, applications, frameworks, auditors, masked } => {
                let window = Window { from: *from, to: *to };
                let asked = Engagement { name, window, applications, frameworks, auditors, masked };
                threads::open(session, &asked, catalogue, pen).map(|(_, said)| said)
            }
            Self::Request { audit, text, control, application, due } => {
                let question =
                    Question { control: control.as_deref(), application: application.as_deref(), text, due: *due };
                threads::request(session, audit, &question, catalogue, pen).map(|(_, said)| said)
            }
            Self::Answer { request, text, evidence, packs } => {
                threads::answer(session, request, &Reply { text, evidence, packs }, pen).map(|(_, said)| said)
            }
            Self::FollowUp { request, text, due } => {
                threads::follow_up(session, request, text, *due, pen).map(|(_, said)| said)
            }
            Self::CloseRequest { request } => threads::close_request(session, request, pen).map(|(_, said)| said),
            Self::Close { audit } => threads::close(session, audit, pen).map(|(_, said)| said),
        };
        said.map_err(|e| told(&e))
    }

    fn result(&self, _: &mut Session, said: &Said<'_>) -> Result<Value, Trouble> {
        Ok(match self {
            Self::Open { .. } => {
                let opened: AuditOpened = said.handed.said(act::AUDIT).map_err(|e| told(&e))?;
                said.with(json!({"audit": opened.audit}))
            }
            Self::Request { .. } => {
                let asked: AuditRequested = said.handed.said(act::AUDIT_REQUEST).map_err(|e| told(&e))?;
                said.with(json!({"request": asked.request}))
            }
            Self::Answer { request, .. } | Self::FollowUp { request, .. } | Self::CloseRequest { request } => {
                said.with(json!({"request": request}))
            }
            Self::Close { audit } => said.with(json!({"audit": audit})),
        })
    }
}
