//! What people say of a run and of a grant.

use countersign_evidence::act;
use countersign_model::event::{ApprovalRejected, ApprovalWithdrawn, EnforcementOverridden, GrantRevoked};
use countersign_model::{Digest, EventKind, GrantId, RunId, StreamId};
use countersign_policy::{Catalogue, Reason};
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::build::decide::read_decision;
use countersign_stages::release::grant as tokens;
use countersign_stages::release::overrule::{self, Overruled};
use countersign_stages::release::pen::Pen;
use countersign_stages::release::{reject, withdraw};
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use countersign_store::projection::DecisionRow;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::schema::{id, kind, line};
use super::super::told;
use super::{Act, Asked, Family, Looked, Said, alone, no, one, read_as};
use crate::app::{Scope, Trouble};

pub(super) const FAMILY: Family = Family {
    kinds: &["reject", "withdraw", "grant-revoke", "enforcement-override"],
    namespaces: &[act::REJECTION, act::WITHDRAWAL, act::GRANT_REVOCATION, act::OVERRIDE],
    read: read_as::<Decision>,
    of,
    schemas,
};

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Decision {
    Reject {
        run: String,
        reason: String,
    },
    Withdraw {
        run: String,
        reason: String,
    },
    GrantRevoke {
        grant: String,
        reason: String,
    },
    EnforcementOverride {
        run: String,
        #[serde(default)]
        controls: Vec<String>,
        reason: String,
        /// The reasons, where they are signed.
        #[serde(skip)]
        signed: Option<Vec<Digest>>,
    },
}

fn schemas() -> Vec<Value> {
    let reason = || ("reason", line("Why."));
    let run = || ("run", id("The run."));
    let controls = json!({
        "type": "array", "maxItems": 1000, "items": id("A control."),
        "description": "Only what concerns one of these controls; without one, everything soft.",
    });
    vec![
        kind("reject", "A signed no to the newest decision of a run.", &[run(), reason()], &[]),
        kind("withdraw", "What one said about a run is taken back.", &[run(), reason()], &[]),
        kind(
            "grant-revoke",
            "A grant is taken back that was not used.",
            &[("grant", id("The grant, or the start of its id.")), reason()],
            &[],
        ),
        kind(
            "enforcement-override",
            "What is soft and holds a run up is let pass.",
            &[run(), reason()],
            &[("controls", controls)],
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
        act::OVERRIDE => {
            let p: EnforcementOverridden = handed.said(namespace)?;
            let (run, signed) = (p.run.to_string(), Some(p.reasons));
            Decision::EnforcementOverride { run, controls: Vec::new(), reason: p.reason, signed }
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
            Self::EnforcementOverride { .. } => "enforcement override",
        }
    }

    fn event(&self) -> EventKind {
        match self {
            Self::Reject { .. } => EventKind::ApprovalRejected,
            Self::Withdraw { .. } => EventKind::ApprovalWithdrawn,
            Self::GrantRevoke { .. } => EventKind::GrantRevoked,
            Self::EnforcementOverride { .. } => EventKind::EnforcementOverridden,
        }
    }

    fn stream(&self, _: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        Ok(Some(match self {
            Self::Reject { run, .. } | Self::Withdraw { run, .. } | Self::EnforcementOverride { run, .. } => {
                StreamId::from(&RunId::from_text(run))
            }
            Self::GrantRevoke { grant, .. } => StreamId::from(&GrantId::from_text(grant)),
        }))
    }

    fn inside(&self, session: &Session, scope: &Scope) -> Result<(&'static str, bool), Trouble> {
        let state = session.state();
        Ok(match self {
            Self::Reject { run, .. } | Self::Withdraw { run, .. } | Self::EnforcementOverride { run, .. } => {
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
            Self::EnforcementOverride { run, controls, signed, .. } => {
                let Some(row) = session.state().run(&RunId::from_text(run))? else { return Ok(Looked::default()) };
                let Some(newest) = row.decisions.last() else { return Ok(Looked::default()) };
                let which = which(controls, signed.as_deref());
                let reasons: Vec<Value> = soft(newest, which)?
                    .into_iter()
                    .map(|(gate, reason)| json!({"gate": gate, "reason": reason}))
                    .collect();
                Ok(Looked { condition: Some(newest.digest), about: json!({"reasons": reasons}) })
            }
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
            Self::EnforcementOverride { run, controls, reason, signed } => {
                let which = which(controls, signed.as_deref());
                let said = overrule::overrule(session, engine, &RunId::from_text(run), which, reason, pen);
                said.map(|said| said.map(|said| said.index)).map_err(|e| told(&e))
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
            Self::EnforcementOverride { run, .. } => {
                let p: EnforcementOverridden = said.handed.said(act::OVERRIDE).map_err(|e| told(&e))?;
                let row = session.state().run(&RunId::from_text(run))?;
                let decision = row.as_ref().and_then(|row| row.decisions.iter().find(|d| d.digest == p.decision));
                let decision = decision.ok_or_else(|| Trouble::internal("an override of no decision was appended"))?;
                let reasons = soft(decision, overrule::Which::Reasons(&p.reasons))?;
                let done = Overruled { id: p.id, person: p.by, reasons, index: said.index };
                Ok(done.to_json(&RunId::from_text(run)))
            }
        }
    }
}

/// Those that were asked for, or exactly those that were signed.
fn which<'a>(controls: &'a [String], signed: Option<&'a [Digest]>) -> overrule::Which<'a> {
    signed.map_or(overrule::Which::Controls(controls), overrule::Which::Reasons)
}

fn soft(decision: &DecisionRow, which: overrule::Which<'_>) -> Result<Vec<(String, Reason)>, Trouble> {
    read_decision(decision).and_then(|decision| overrule::soft(&decision, which)).map_err(|e| told(&e))
}

/// The newest decision of a run, which is what somebody looked at.
pub(super) fn newest_decision(session: &Session, run: &RunId) -> Result<Looked, Trouble> {
    let newest = session.state().run(run)?.and_then(|row| Some(row.decisions.last()?.digest));
    Ok(Looked { condition: newest, about: Value::Null })
}
