//! When an environment is open: freezes, and windows.

use countersign_evidence::act;
use countersign_model::access::freezes::{MOST_WINDOWS, Window};
use countersign_model::event::{EnvironmentFrozen, FreezeLifted, WindowsSet};
use countersign_model::{EventKind, StreamId, Timestamp};
use countersign_policy::Catalogue;
use countersign_stages::release::freeze;
use countersign_stages::release::pen::Pen;
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use countersign_store::projection::FreezeRow;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::schema::{id, kind, line, or_null};
use super::super::told;
use super::{Act, Asked, Family, Looked, Said, alone, no, one, read_as};
use crate::app::{Scope, Trouble};

pub(super) const FAMILY: Family = Family {
    kinds: &["freeze-add", "freeze-lift", "environment-windows"],
    namespaces: &[act::FREEZE, act::FREEZE_LIFT, act::WINDOWS],
    read: read_as::<Opening>,
    of,
    schemas,
};

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Opening {
    #[serde(rename = "freeze-add")]
    Freeze {
        environment: String,
        #[serde(default)]
        from: Option<Timestamp>,
        #[serde(default)]
        until: Option<Timestamp>,
        reason: String,
    },
    #[serde(rename = "freeze-lift")]
    Lift { freeze: String, reason: String },
    #[serde(rename = "environment-windows")]
    Windows { environment: String, windows: Vec<Window>, reason: String },
}

fn schemas() -> Vec<Value> {
    let environment = || ("environment", line("The environment."));
    let reason = || ("reason", line("Why."));
    let time = |says: &str| or_null(json!({"type": "string", "format": "date-time", "description": says}));
    let windows = json!({
        "type": "array", "maxItems": MOST_WINDOWS, "items": line("Days, hours and the offset from UTC: `mon-thu 20:00-23:30 +01:00`."),
        "description": "When it is open; none: always.",
    });
    vec![
        kind(
            "freeze-add",
            "Nothing is deployed to an environment for a while.",
            &[environment(), reason()],
            &[
                ("from", time("From when; now where it is not given.")),
                ("until", time("Until when; until it is lifted where it is not given.")),
            ],
        ),
        kind(
            "freeze-lift",
            "A freeze ends before its time.",
            &[("freeze", id("The freeze, or the start of its id.")), reason()],
            &[],
        ),
        kind(
            "environment-windows",
            "In which hours of the week an environment is open.",
            &[environment(), ("windows", windows), reason()],
            &[],
        ),
    ]
}

fn of(handed: &HandedIn) -> Result<Asked, HandedError> {
    alone(handed)?;
    let namespace = handed.namespace();
    Ok(Box::new(match namespace {
        act::FREEZE => {
            let p: EnvironmentFrozen = handed.said(namespace)?;
            Opening::Freeze { environment: p.environment, from: Some(p.from), until: p.until, reason: p.reason }
        }
        act::FREEZE_LIFT => {
            let p: FreezeLifted = handed.said(namespace)?;
            Opening::Lift { freeze: p.freeze.to_string(), reason: p.reason }
        }
        act::WINDOWS => {
            let p: WindowsSet = handed.said(namespace)?;
            Opening::Windows { environment: p.environment, windows: p.windows, reason: p.reason }
        }
        _ => return Err(no("it is no act about when an environment is open")),
    }))
}

fn found(session: &Session, text: &str) -> Result<Option<FreezeRow>, Trouble> {
    Ok(one(session.state().freezes(None)?, text, |row| row.freeze.as_str()))
}

impl Act for Opening {
    fn command(&self) -> &'static str {
        match self {
            Self::Freeze { .. } => "environment freeze add",
            Self::Lift { .. } => "environment freeze lift",
            Self::Windows { .. } => "environment windows",
        }
    }

    fn event(&self) -> EventKind {
        match self {
            Self::Freeze { .. } => EventKind::EnvironmentFrozen,
            Self::Lift { .. } => EventKind::FreezeLifted,
            Self::Windows { .. } => EventKind::WindowsSet,
        }
    }

    fn stream(&self, _: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        Ok(Some(freeze::stream()))
    }

    fn inside(&self, _: &Session, _: &Scope) -> Result<(&'static str, bool), Trouble> {
        // An environment is the firm's, whatever is deployed there.
        let what = if matches!(self, Self::Lift { .. }) { "freeze" } else { "environment" };
        Ok((what, false))
    }

    fn looked_at(&self, session: &Session) -> Result<Looked, Trouble> {
        match self {
            // A further freeze changes nothing about those that are there.
            Self::Freeze { .. } => Ok(Looked::default()),
            Self::Lift { freeze, .. } => match found(session, freeze)? {
                Some(row) => {
                    let stands = json!({"freeze": row.freeze, "lifted": row.lifted.as_ref().map(|said| said.index)});
                    let about = json!({
                        "freeze": row.freeze, "environment": row.environment, "from": row.from, "until": row.until,
                        "reason": row.reason,
                    });
                    Looked::at(&stands, about)
                }
                None => Ok(Looked::default()),
            },
            Self::Windows { environment, .. } => match session.state().windows(environment)? {
                Some(row) => Looked::at(&json!({"index": row.index}), json!({"windows": row.windows})),
                None => Ok(Looked::default()),
            },
        }
    }

    fn say(&self, session: &mut Session, _: &Catalogue, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let pen = Pen::Away(away);
        let said = match self {
            Self::Freeze { environment, from, until, reason } => {
                freeze::add(session, environment, *from, *until, reason, pen).map(|(_, said)| said)
            }
            Self::Lift { freeze, reason } => {
                let id = freeze::find(session, freeze).map_err(|e| told(&e))?.freeze;
                freeze::lift(session, &id, reason, pen)
            }
            Self::Windows { environment, windows, reason } => {
                freeze::set_windows(session, environment, windows, reason, pen)
            }
        };
        said.map_err(|e| told(&e))
    }

    fn result(&self, _: &mut Session, said: &Said<'_>) -> Result<Value, Trouble> {
        Ok(match self {
            Self::Freeze { .. } => {
                let frozen: EnvironmentFrozen = said.handed.said(act::FREEZE).map_err(|e| told(&e))?;
                said.with(json!({"freeze": frozen.freeze}))
            }
            Self::Lift { freeze, .. } => said.with(json!({"freeze": freeze, "lifted": true})),
            Self::Windows { environment, windows, .. } => {
                said.with(json!({"registered": {"id": environment, "windows": windows}}))
            }
        })
    }
}
