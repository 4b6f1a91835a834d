//! Emergencies: a run goes past the gates, and what follows from that.

use countersign_evidence::act;
use countersign_model::event::{
    BreakGlassClosed, BreakGlassOpened, BreakGlassRatified, BreakGlassReviewed, GrantIssued,
};
use countersign_model::{BreakGlassId, EventKind, GrantId, RunId, StreamId};
use countersign_policy::Catalogue;
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::release::break_glass::{self, Review};
use countersign_stages::release::emergency;
use countersign_stages::release::pen::Pen;
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use countersign_store::projection::EmergencyRow;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::schema::{flag, id, kind, line, number, or_null};
use super::super::told;
use super::decisions::newest_decision;
use super::{Act, Asked, Family, Looked, Said, alone, no, one, read_as, units};
use crate::app::{Scope, Trouble};

pub(super) const FAMILY: Family = Family {
    kinds: &["break-glass-open", "break-glass-grant", "break-glass-close", "break-glass-ratify", "break-glass-review"],
    // A grant that is issued in an emergency; an ordinary one is handed in at its run.
    namespaces: &[act::BREAK_GLASS, act::GRANT, act::BREAK_GLASS_CLOSE, act::RATIFICATION, act::POST_REVIEW],
    read: read_as::<Glass>,
    of,
    schemas,
};

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Glass {
    #[serde(rename = "break-glass-open")]
    Open {
        run: String,
        environment: String,
        #[serde(default)]
        application: Option<String>,
        any_commit: bool,
        reason: String,
        ticket: String,
        minutes: u16,
        ratify_hours: u16,
        review_days: u16,
    },
    #[serde(rename = "break-glass-grant")]
    Grant { emergency: String, run: String },
    #[serde(rename = "break-glass-close")]
    Close { emergency: String, reason: String },
    #[serde(rename = "break-glass-ratify")]
    Ratify { emergency: String, statement: String, late: bool },
    #[serde(rename = "break-glass-review")]
    Review { emergency: String, findings: String, root_cause: String, corrective_action: String, late: bool },
}

fn schemas() -> Vec<Value> {
    let reason = || ("reason", line("Why."));
    let run = || ("run", id("The run."));
    let emergency = || ("emergency", id("The emergency, or the start of its id."));
    let late = || ("late", flag("It was due before now."));
    let open = [
        run(),
        ("environment", line("The environment.")),
        ("any_commit", flag("For any commit, instead of the run's.")),
        reason(),
        ("ticket", line("The ticket of the incident.")),
        ("minutes", number(1440, "For how many minutes.")),
        ("ratify_hours", number(72, "Within how many hours it is ratified.")),
        ("review_days", number(14, "Within how many days it is reviewed.")),
    ];
    vec![
        kind(
            "break-glass-open",
            "A run goes past the gates. Two statements are signed: the emergency, and the grant.",
            &open,
            &[("application", or_null(line("For all repositories of this application, instead of the run's.")))],
        ),
        kind("break-glass-grant", "A further grant in an emergency that is open.", &[emergency(), run()], &[]),
        kind("break-glass-close", "An emergency is over before its time.", &[emergency(), reason()], &[]),
        kind(
            "break-glass-ratify",
            "It was an emergency, says somebody who took no part.",
            &[emergency(), ("statement", line("What they looked at, and that they stand for it.")), late()],
            &[],
        ),
        kind(
            "break-glass-review",
            "An emergency is looked at afterwards, by somebody who took no part.",
            &[
                emergency(),
                ("findings", line("What was found.")),
                ("root_cause", line("Why it came to that.")),
                ("corrective_action", line("What is done so that it does not again.")),
                late(),
            ],
            &[],
        ),
    ]
}

fn of(handed: &HandedIn) -> Result<Asked, HandedError> {
    let namespace = handed.namespace();
    if namespace == act::BREAK_GLASS {
        if handed.count() != 2 {
            return Err(no("the grant of the emergency is missing"));
        }
    } else {
        alone(handed)?;
    }
    Ok(Box::new(match namespace {
        act::BREAK_GLASS => {
            let p: BreakGlassOpened = handed.said(namespace)?;
            let grant: GrantIssued = handed.said(act::GRANT)?;
            Glass::Open {
                run: grant.run.to_string(),
                environment: p.environment,
                application: p.application,
                any_commit: p.commit.is_none(),
                reason: p.reason,
                ticket: p.ticket,
                minutes: units(p.time, p.expires, 60),
                ratify_hours: units(p.time, p.ratify_by, 3600),
                review_days: units(p.time, p.review_by, 86_400),
            }
        }
        act::GRANT => {
            let p: GrantIssued = handed.said(namespace)?;
            let emergency = p.break_glass.ok_or_else(|| no("an ordinary grant is handed in at its run"))?;
            Glass::Grant { emergency: emergency.to_string(), run: p.run.to_string() }
        }
        act::BREAK_GLASS_CLOSE => {
            let p: BreakGlassClosed = handed.said(namespace)?;
            Glass::Close { emergency: p.id.to_string(), reason: p.reason }
        }
        act::RATIFICATION => {
            let p: BreakGlassRatified = handed.said(namespace)?;
            Glass::Ratify { emergency: p.id.to_string(), statement: p.statement, late: p.late }
        }
        act::POST_REVIEW => {
            let p: BreakGlassReviewed = handed.said(namespace)?;
            Glass::Review {
                emergency: p.id.to_string(),
                findings: p.findings,
                root_cause: p.root_cause,
                corrective_action: p.corrective_action,
                late: p.late,
            }
        }
        _ => return Err(no("it is no act about an emergency")),
    }))
}

fn found(session: &Session, text: &str) -> Result<Option<EmergencyRow>, Trouble> {
    Ok(one(session.state().emergencies()?, text, |row| row.opened.id.as_str()))
}

fn named(session: &Session, text: &str) -> Result<BreakGlassId, Trouble> {
    Ok(break_glass::find(session, text).map_err(|e| told(&e))?.opened.id)
}

impl Act for Glass {
    fn command(&self) -> &'static str {
        match self {
            Self::Open { .. } => "break-glass open",
            Self::Grant { .. } => "break-glass grant",
            Self::Close { .. } => "break-glass close",
            Self::Ratify { .. } => "break-glass ratify",
            Self::Review { .. } => "break-glass review",
        }
    }

    fn event(&self) -> EventKind {
        match self {
            Self::Open { .. } => EventKind::BreakGlassOpened,
            Self::Grant { .. } => EventKind::GrantIssued,
            Self::Close { .. } => EventKind::BreakGlassClosed,
            Self::Ratify { .. } => EventKind::BreakGlassRatified,
            Self::Review { .. } => EventKind::BreakGlassReviewed,
        }
    }

    fn stream(&self, handed: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        Ok(Some(match self {
            Self::Open { .. } => StreamId::from(&handed.said::<BreakGlassOpened>(act::BREAK_GLASS)?.id),
            Self::Grant { .. } => StreamId::from(&handed.said::<GrantIssued>(act::GRANT)?.grant),
            Self::Close { emergency, .. } | Self::Ratify { emergency, .. } | Self::Review { emergency, .. } => {
                StreamId::from(&BreakGlassId::from_text(emergency))
            }
        }))
    }

    fn inside(&self, session: &Session, scope: &Scope) -> Result<(&'static str, bool), Trouble> {
        let run = |run: &str| scope.has_run(session.state(), &RunId::from_text(run));
        let open = |id: &str| Ok::<_, Trouble>(found(session, id)?.is_some_and(|row| scope.has_emergency(&row)));
        Ok(match self {
            Self::Open { run: id, application, .. } => {
                let all = application.as_deref().is_none_or(|id| scope.has_application(id));
                ("run", run(id)? && all)
            }
            Self::Grant { emergency, run: id } => ("emergency", open(emergency)? && run(id)?),
            Self::Close { emergency, .. } | Self::Ratify { emergency, .. } | Self::Review { emergency, .. } => {
                ("emergency", open(emergency)?)
            }
        })
    }

    fn looked_at(&self, session: &Session) -> Result<Looked, Trouble> {
        match self {
            Self::Open { run, .. } | Self::Grant { run, .. } => newest_decision(session, &RunId::from_text(run)),
            Self::Close { emergency: id, .. }
            | Self::Ratify { emergency: id, .. }
            | Self::Review { emergency: id, .. } => match found(session, id)? {
                Some(row) => {
                    let whole = emergency::to_json(session, &row)?;
                    Looked::at(&whole, whole.clone())
                }
                None => Ok(Looked::default()),
            },
        }
    }

    fn say(&self, session: &mut Session, _: &Catalogue, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let (pen, engine) = (Pen::Away(away), &ConfinedEngine);
        match self {
            Self::Open {
                run,
                environment,
                application,
                any_commit,
                reason,
                ticket,
                minutes,
                ratify_hours,
                review_days,
            } => {
                let asked = break_glass::Asked {
                    environment: environment.clone(),
                    application: application.clone(),
                    any_commit: *any_commit,
                    reason: reason.clone(),
                    ticket: ticket.clone(),
                    minutes: *minutes,
                    ratify_hours: *ratify_hours,
                    review_days: *review_days,
                };
                let broken = break_glass::open(session, engine, &RunId::from_text(run), &asked, pen);
                broken.map(|b| b.map(|b| b.opened.unwrap_or(b.index))).map_err(|e| told(&e))
            }
            Self::Grant { emergency, run } => {
                let id = named(session, emergency)?;
                let broken = break_glass::grant(session, engine, &id, &RunId::from_text(run), pen);
                broken.map(|b| b.map(|b| b.index)).map_err(|e| told(&e))
            }
            Self::Close { emergency, reason } => {
                let id = named(session, emergency)?;
                break_glass::close(session, &id, reason, pen).map_err(|e| told(&e))
            }
            Self::Ratify { emergency, statement, late } => {
                let id = named(session, emergency)?;
                break_glass::ratify(session, &id, statement, *late, pen).map_err(|e| told(&e))
            }
            Self::Review { emergency, findings, root_cause, corrective_action, late } => {
                let id = named(session, emergency)?;
                let review = Review {
                    findings: findings.clone(),
                    root_cause: root_cause.clone(),
                    corrective_action: corrective_action.clone(),
                };
                break_glass::review(session, &id, &review, *late, pen).map_err(|e| told(&e))
            }
        }
    }

    fn result(&self, session: &mut Session, said: &Said<'_>) -> Result<Value, Trouble> {
        let grant = || said.handed.said::<GrantIssued>(act::GRANT).map_err(|e| told(&e));
        let issued = |session: &Session, id: &BreakGlassId, grant: &GrantId, opened| {
            emergency::issued(session, id, grant, opened).map_err(|e| told(&e))
        };
        match self {
            Self::Open { .. } => {
                let opened: BreakGlassOpened = said.handed.said(act::BREAK_GLASS).map_err(|e| told(&e))?;
                issued(session, &opened.id, &grant()?.grant, Some(said.index))
            }
            Self::Grant { emergency, .. } => issued(session, &named(session, emergency)?, &grant()?.grant, None),
            Self::Close { emergency, .. } => Ok(said.with(json!({"break_glass": emergency, "closed": true}))),
            Self::Ratify { emergency, late, .. } => {
                Ok(said.with(json!({"break_glass": emergency, "ratified": true, "late": late})))
            }
            Self::Review { emergency, late, .. } => {
                Ok(said.with(json!({"break_glass": emergency, "reviewed": true, "late": late})))
            }
        }
    }
}
