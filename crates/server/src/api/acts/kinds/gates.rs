//! Gates: whoever owns one takes it on, and says what came of looking at how it is set up.

use countersign_evidence::act;
use countersign_govern::access::Pen;
use countersign_govern::gates as acts;
use countersign_model::event::{GateAcknowledged, GateReviewed};
use countersign_model::{EventKind, StreamId};
use countersign_policy::{Catalogue, GATES};
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::schema::{kind, line};
use super::super::told;
use super::{Act, Asked, Family, Looked, Said, alone, no, read_as};
use crate::app::{Scope, Trouble};

pub(super) const FAMILY: Family = Family {
    kinds: &["gate-acknowledge", "gate-review"],
    namespaces: &[act::GATE_ACKNOWLEDGEMENT, act::GATE_REVIEW],
    read: read_as::<Gate>,
    of,
    schemas,
};

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Gate {
    #[serde(rename = "gate-acknowledge")]
    Acknowledge { gate: String },
    #[serde(rename = "gate-review")]
    Review { gate: String, finding: String },
}

fn schemas() -> Vec<Value> {
    let gate = || ("gate", json!({"type": "string", "enum": GATES, "description": "The gate."}));
    vec![
        kind("gate-acknowledge", "A gate is taken on by its owner, or its deputy.", &[gate()], &[]),
        kind(
            "gate-review",
            "Somebody looked at how a gate is set up.",
            &[gate(), ("finding", line("What came of it."))],
            &[],
        ),
    ]
}

fn of(handed: &HandedIn) -> Result<Asked, HandedError> {
    alone(handed)?;
    let namespace = handed.namespace();
    Ok(Box::new(match namespace {
        act::GATE_ACKNOWLEDGEMENT => {
            let p: GateAcknowledged = handed.said(namespace)?;
            Gate::Acknowledge { gate: p.gate }
        }
        act::GATE_REVIEW => {
            let p: GateReviewed = handed.said(namespace)?;
            Gate::Review { gate: p.gate, finding: p.finding }
        }
        _ => return Err(no("it is no act about a gate")),
    }))
}

impl Gate {
    fn gate(&self) -> &str {
        match self {
            Self::Acknowledge { gate } | Self::Review { gate, .. } => gate,
        }
    }
}

impl Act for Gate {
    fn command(&self) -> &'static str {
        match self {
            Self::Acknowledge { .. } => "gate acknowledge",
            Self::Review { .. } => "gate review",
        }
    }

    fn event(&self) -> EventKind {
        match self {
            Self::Acknowledge { .. } => EventKind::GateAcknowledged,
            Self::Review { .. } => EventKind::GateReviewed,
        }
    }

    fn stream(&self, _: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        Ok(Some(acts::stream()))
    }

    fn inside(&self, _: &Session, _: &Scope) -> Result<(&'static str, bool), Trouble> {
        // Gates are the firm's, whatever goes through them.
        Ok(("gate", false))
    }

    fn looked_at(&self, session: &Session) -> Result<Looked, Trouble> {
        let Some((active, owners)) = acts::in_effect(session).map_err(|e| told(&e))? else {
            return Ok(Looked::default());
        };
        let about = owners.of(self.gate()).map_or(Value::Null, |ownership| json!(ownership));
        Looked::at(&json!({"owners": active.digest}), about)
    }

    fn say(&self, session: &mut Session, _: &Catalogue, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let pen = Pen::Away(away);
        let said = match self {
            Self::Acknowledge { gate } => acts::acknowledge(session, gate, pen),
            Self::Review { gate, finding } => acts::review(session, gate, finding, pen),
        };
        said.map_err(|e| told(&e))
    }

    fn result(&self, _: &mut Session, said: &Said<'_>) -> Result<Value, Trouble> {
        Ok(said.with(json!({"said": {"gate": self.gate()}})))
    }
}
