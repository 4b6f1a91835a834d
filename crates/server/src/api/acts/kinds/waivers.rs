//! Waivers: asking for one, deciding about it, ending it.

use countersign_evidence::act;
use countersign_govern::access::Pen;
use countersign_govern::waivers::{self, Request};
use countersign_model::event::{WaiverGranted, WaiverRejected, WaiverRequested, WaiverRevoked};
use countersign_model::governance::{Scope as Covers, Tier, WaiverCategory};
use countersign_model::{Digest, EventKind, StreamId, Timestamp, WaiverId};
use countersign_policy::Catalogue;
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::super::wire::Wire as _;
use super::super::schema::{id, kind, line, number, or_null};
use super::super::told;
use super::{Act, Asked, Family, Looked, Said, alone, no, one, read_as, units};
use crate::app::{Scope, Trouble};

pub(super) const FAMILY: Family = Family {
    kinds: &["waive-request", "waive-renew", "waive-grant", "waive-reject", "waive-revoke"],
    namespaces: &[act::WAIVER_REQUEST, act::WAIVER, act::WAIVER_REJECTION, act::WAIVER_REVOCATION],
    read: read_as::<Waive>,
    of,
    schemas,
};

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Waive {
    #[serde(rename = "waive-request")]
    Request {
        scope: Box<Covers>,
        category: WaiverCategory,
        #[serde(default)]
        compensating: Option<String>,
        acceptance: String,
        #[serde(default)]
        not_before: Option<Timestamp>,
        days: u16,
    },
    #[serde(rename = "waive-renew")]
    Renew { waiver: String, acceptance: String, days: u16 },
    #[serde(rename = "waive-grant")]
    Grant { waiver: String, reason: String },
    #[serde(rename = "waive-reject")]
    Reject { waiver: String, reason: String },
    #[serde(rename = "waive-revoke")]
    Revoke { waiver: String, reason: String },
}

fn scope() -> Value {
    let controls = json!({
        "type": "array", "minItems": 1, "maxItems": 200, "items": id("A control."),
        "description": "The controls that are broken, sorted. What concerns another control as well is not covered.",
    });
    let parts = [
        ("application", "Only this application."),
        ("repository", "Only this repository, by its identity."),
        ("environment", "Only this environment."),
        ("path", "Only findings at these paths, a glob."),
        ("rule", "Only findings of these rules, a glob."),
    ];
    let mut properties: Map<String, Value> =
        parts.into_iter().map(|(name, says)| (name.to_owned(), or_null(line(says)))).collect();
    properties.insert("controls".to_owned(), controls);
    properties.insert("tier".to_owned(), or_null(json!({"enum": Tier::ALL})));
    properties.insert("fingerprint".to_owned(), or_null(Digest::schema()));
    json!({
        "type": "object", "description": "What it covers: everything that is named must fit.",
        "additionalProperties": false, "required": ["controls"], "properties": properties,
    })
}

fn schemas() -> Vec<Value> {
    let waiver = || ("waiver", id("The waiver, or the start of its id."));
    let acceptance = || ("acceptance", line("What could happen, and why that is accepted."));
    let days = || ("days", number(365, "For how many days."));
    let named = |name, says| kind(name, says, &[waiver(), ("reason", line("Why."))], &[]);
    let category =
        json!({"enum": WaiverCategory::ALL, "description": "The risk is accepted, or another control does the work."});
    let not_before =
        json!({"type": "string", "format": "date-time", "description": "From when; now where it is not given."});
    vec![
        kind(
            "waive-request",
            "A broken control may stand for a while; somebody else grants it.",
            &[("scope", scope()), ("category", category), acceptance(), days()],
            &[("compensating", or_null(id("The control that does the work."))), ("not_before", or_null(not_before))],
        ),
        kind("waive-renew", "A waiver goes on, with the same scope.", &[waiver(), acceptance(), days()], &[]),
        named("waive-grant", "A waiver that somebody else asked for."),
        named("waive-reject", "A waiver is refused, or a request taken back."),
        named("waive-revoke", "A waiver ends before its time."),
    ]
}

fn of(handed: &HandedIn) -> Result<Asked, HandedError> {
    alone(handed)?;
    let namespace = handed.namespace();
    Ok(Box::new(match namespace {
        act::WAIVER_REQUEST => {
            let p: WaiverRequested = handed.said(namespace)?;
            let (acceptance, days) = (p.acceptance, units(p.not_before, p.expires, 86_400));
            match p.renews {
                Some(waiver) => Waive::Renew { waiver: waiver.to_string(), acceptance, days },
                None => Waive::Request {
                    scope: Box::new(p.scope),
                    category: p.category,
                    compensating: p.compensating,
                    acceptance,
                    not_before: Some(p.not_before),
                    days,
                },
            }
        }
        act::WAIVER => {
            let p: WaiverGranted = handed.said(namespace)?;
            Waive::Grant { waiver: p.waiver.to_string(), reason: p.reason }
        }
        act::WAIVER_REJECTION => {
            let p: WaiverRejected = handed.said(namespace)?;
            Waive::Reject { waiver: p.waiver.to_string(), reason: p.reason }
        }
        act::WAIVER_REVOCATION => {
            let p: WaiverRevoked = handed.said(namespace)?;
            Waive::Revoke { waiver: p.waiver.to_string(), reason: p.reason }
        }
        _ => return Err(no("it is no act about a waiver")),
    }))
}

/// What is covered for the whole firm is not for whoever acts for some applications.
fn covers(scope: &Scope, what: &Covers) -> bool {
    let (application, repository) = (what.application.as_deref(), what.repository.as_deref());
    let is_of = application.is_some() || repository.is_some();
    is_of
        && application.is_none_or(|id| scope.has_application(id))
        && repository.is_none_or(|id| scope.has_repository(id))
}

impl Act for Waive {
    fn command(&self) -> &'static str {
        match self {
            Self::Request { .. } | Self::Renew { .. } => "waive request",
            Self::Grant { .. } => "waive grant",
            Self::Reject { .. } => "waive reject",
            Self::Revoke { .. } => "waive revoke",
        }
    }

    fn event(&self) -> EventKind {
        match self {
            Self::Request { .. } | Self::Renew { .. } => EventKind::WaiverRequested,
            Self::Grant { .. } => EventKind::WaiverGranted,
            Self::Reject { .. } => EventKind::WaiverRejected,
            Self::Revoke { .. } => EventKind::WaiverRevoked,
        }
    }

    fn stream(&self, handed: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        Ok(Some(match self {
            Self::Request { .. } | Self::Renew { .. } => {
                StreamId::from(&handed.said::<WaiverRequested>(act::WAIVER_REQUEST)?.waiver)
            }
            Self::Grant { waiver, .. } | Self::Reject { waiver, .. } | Self::Revoke { waiver, .. } => {
                StreamId::from(&WaiverId::from_text(waiver))
            }
        }))
    }

    fn inside(&self, session: &Session, scope: &Scope) -> Result<(&'static str, bool), Trouble> {
        Ok(match self {
            Self::Request { scope: what, .. } => ("application or repository", covers(scope, what)),
            Self::Renew { waiver, .. }
            | Self::Grant { waiver, .. }
            | Self::Reject { waiver, .. }
            | Self::Revoke { waiver, .. } => {
                let found = one(waivers::list(session)?, waiver, |w| w.row.request.waiver.as_str());
                let is_in = found.is_some_and(|w| scope.has_waiver(&w.row) && covers(scope, &w.row.request.scope));
                ("waiver", is_in)
            }
        })
    }

    fn looked_at(&self, session: &Session) -> Result<Looked, Trouble> {
        match self {
            Self::Request { .. } => Ok(Looked::default()),
            Self::Renew { waiver, .. }
            | Self::Grant { waiver, .. }
            | Self::Reject { waiver, .. }
            | Self::Revoke { waiver, .. } => {
                match one(waivers::list(session)?, waiver, |w| w.row.request.waiver.as_str()) {
                    Some(found) => {
                        // What decisions say of it changes with each of them.
                        let stands = json!({"waiver": found.row.request.waiver, "state": found.state.as_str()});
                        Looked::at(&stands, found.to_json())
                    }
                    None => Ok(Looked::default()),
                }
            }
        }
    }

    fn say(&self, session: &mut Session, catalogue: &Catalogue, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let pen = Pen::Away(away);
        let said = match self {
            Self::Request { scope, category, compensating, acceptance, not_before, days } => {
                let asked = Request {
                    scope: scope.as_ref().clone(),
                    category: *category,
                    compensating: compensating.clone(),
                    acceptance: acceptance.clone(),
                    not_before: *not_before,
                    days: *days,
                };
                waivers::request(session, &asked, catalogue, pen)
            }
            Self::Renew { waiver, acceptance, days } => {
                waivers::renew(session, waiver, acceptance, *days, catalogue, pen)
            }
            Self::Grant { waiver, reason } => waivers::grant(session, waiver, reason, pen),
            Self::Reject { waiver, reason } => waivers::reject(session, waiver, reason, pen),
            Self::Revoke { waiver, reason } => waivers::revoke(session, waiver, reason, pen),
        };
        said.map(|(_, said)| said).map_err(|e| told(&e))
    }

    fn result(&self, _: &mut Session, said: &Said<'_>) -> Result<Value, Trouble> {
        Ok(match self {
            Self::Request { .. } | Self::Renew { .. } => {
                let asked: WaiverRequested = said.handed.said(act::WAIVER_REQUEST).map_err(|e| told(&e))?;
                said.with(json!({"waiver": asked.waiver}))
            }
            Self::Grant { waiver, .. } | Self::Reject { waiver, .. } | Self::Revoke { waiver, .. } => {
                said.with(json!({"waiver": waiver}))
            }
        })
    }
}
