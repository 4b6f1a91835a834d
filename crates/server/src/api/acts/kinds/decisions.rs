//! What people say of a run and of a grant.

use countersign_evidence::act;
use countersign_model::event::{ApprovalRejected, ApprovalWithdrawn, GrantRevoked};
use countersign_model::{EventKind, GrantId, RunId, StreamId};
use countersign_policy::Catalogue;
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::release::grant as tokens;
use countersign_stages::release::pen::Pen;
use countersign_stages::release::{reject, withdraw};
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::schema::{id, kind, line};
use super::super::told;
use super::{Act, Asked, Family, Looked, Said, alone, no, one, read_as};
use crate::app::{Scope, Trouble};

pub(super) const FAMILY: Family = Family {
    kinds: &["reject", "withdraw", "grant-revoke"],
    namespaces: &[act::REJECTION, act::WITHDRAWAL, act::GRANT_REVOCATION],
    read: read_as::<Decision>,
    of,
    schemas,
};

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Decision {
    Reject { run: String, reason: String },
    Withdraw { run: String, reason: String },
    GrantRevoke { grant: String, reason: String },
}

fn schemas() -> Vec<Value> {
    let reason = || ("reason", line("Why."));
    let run = || ("run", id("The run."));
    vec![
        kind("reject", "A signed no to the newest decision of a run.", &[run(), reason()], &[]),
        kind("withdraw", "What one said about a run is taken back.", &[run(), reason()], &[]),
        kind(
            "grant-revoke",
            "A grant is taken back that was not used.",
            &[("grant", id("The grant, or the start of its id.")), reason()],
            &[],
        ),
    ]
}

fn of(handed: &HandedIn) -> Result<Asked, HandedError> {
    alone(handed)?;
    let namespace = handed.namespace();
    Ok(Box::new(match namespace {
        act::REJECTION => {
            let p: ApprovalRejected = handed.said(namespace)?;
            Decision::Reject { run: p.run.to_string(), reason: p.reason }
        }
        act::WITHDRAWAL => {
            let p: ApprovalWithdrawn = handed.said(namespace)?;
            Decision::Withdraw { run: p.run.to_string(), reason: p.reason }
        }
        act::GRANT_REVOCATION => {
            let p: GrantRevoked = handed.said(namespace)?;
            Decision::GrantRevoke { grant: p.grant.to_string(), reason: p.reason }
        }
        _ => return Err(no("it is no act about a run or a grant")),
    }))
}

impl Act for Decision {
    fn command(&self) -> &'static str {
        match self {
            Self::Reject { .. } => "reject",
            Self::Withdraw { .. } => "withdraw",
            Self::GrantRevoke { .. } => "grant revoke",
        }
    }

    fn event(&self) -> EventKind {
        match self {
            Self::Reject { .. } => EventKind::ApprovalRejected,
            Self::Withdraw { .. } => EventKind::ApprovalWithdrawn,
            Self::GrantRevoke { .. } => EventKind::GrantRevoked,
        }
    }

    fn stream(&self, _: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        Ok(Some(match self {
            Self::Reject { run, .. } | Self::Withdraw { run, .. } => StreamId::from(&RunId::from_text(run)),
            Self::GrantRevoke { grant, .. } => StreamId::from(&GrantId::from_text(grant)),
        }))
    }

    fn inside(&self, session: &Session, scope: &Scope) -> Result<(&'static str, bool), Trouble> {
        let state = session.state();
        Ok(match self {
            Self::Reject { run, .. } | Self::Withdraw { run, .. } => {
                ("run", scope.has_run(state, &RunId::from_text(run))?)
            }
            Self::GrantRevoke { grant, .. } => {
                let row = one(state.grants()?, grant, |row| row.grant.grant.as_str());
                ("grant", row.map(|row| scope.has_run(state, &row.grant.run)).transpose()?.unwrap_or(false))
            }
        })
    }

    fn looked_at(&self, session: &Session) -> Result<Looked, Trouble> {
        match self {
            Self::Reject { run, .. } | Self::Withdraw { run, .. } => newest_decision(session, &RunId::from_text(run)),
            Self::GrantRevoke { grant, .. } => {
                match one(session.state().grants()?, grant, |row| row.grant.grant.as_str()) {
                    Some(row) => {
                        let stands = json!({"grant": row.grant.grant, "state": tokens::standing(session, &row)?});
                        Looked::at(&stands, stands.clone())
                    }
                    None => Ok(Looked::default()),
                }
            }
        }
    }

    fn say(&self, session: &mut Session, _: &Catalogue, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let (pen, engine) = (Pen::Away(away), &ConfinedEngine);
        match self {
            Self::Reject { run, reason } => {
                let said = reject::reject(session, engine, &RunId::from_text(run), reason, pen);
                said.map(|said| said.map(|said| said.index)).map_err(|e| told(&e))
            }
            Self::Withdraw { run, reason } => {
                let said = withdraw::withdraw(session, engine, &RunId::from_text(run), reason, pen);
                said.map(|said| said.map(|said| said.index)).map_err(|e| told(&e))
            }
            Self::GrantRevoke { grant, reason } => {
                let id = tokens::find(session, grant).map_err(|e| told(&e))?.grant.grant;
                tokens::revoke(session, &id, reason, pen).map_err(|e| told(&e))
            }
        }
    }

    fn result(&self, session: &mut Session, said: &Said<'_>) -> Result<Value, Trouble> {
        match self {
            Self::Reject { run, .. } | Self::Withdraw { run, .. } => {
                let run = RunId::from_text(run);
                let of = reject::said_at(session, &ConfinedEngine, &run, said.person, said.index);
                Ok(of.map_err(|e| told(&e))?.to_json())
            }
            Self::GrantRevoke { grant, .. } => Ok(said.with(json!({"grant": grant, "revoked": true}))),
        }
    }
}

/// The newest decision of a run, which is what somebody looked at.
pub(super) fn newest_decision(session: &Session, run: &RunId) -> Result<Looked, Trouble> {
    let newest = session.state().run(run)?.and_then(|row| Some(row.decisions.last()?.digest));
    Ok(Looked { condition: newest, about: Value::Null })
}
