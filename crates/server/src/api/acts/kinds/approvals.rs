//! Approval rules: which slots must be signed where, and by whom.

use countersign_evidence::act;
use countersign_govern::access::Pen;
use countersign_govern::approvals as acts;
use countersign_model::access::approvals::{LONGEST_VALIDITY, MOST_SEATS};
use countersign_model::access::{ApprovalRules, Duty};
use countersign_model::event::ApprovalRulesActivated;
use countersign_model::governance::{Criticality, Tier};
use countersign_model::{EventKind, Role, StreamId};
use countersign_policy::Catalogue;
use countersign_policy::approvals::{MAX_RULES, digest};
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::schema::{flag, kind, line, or_null};
use super::super::told;
use super::{Act, Asked, Family, Looked, Said, alone, answer, read_as};
use crate::app::{Scope, Trouble};

pub(super) const FAMILY: Family =
    Family { kinds: &["approvals-activate"], namespaces: &[act::APPROVAL_RULES], read: read_as::<Rules>, of, schemas };

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Rules {
    #[serde(rename = "approvals-activate")]
    Activate {
        rules: ApprovalRules,
        #[serde(default)]
        reason: Option<String>,
    },
}

fn slot() -> Value {
    let name = || json!({"type": "string", "pattern": "^[a-z][a-z0-9-]{0,31}$"});
    let known: Vec<Duty> = Duty::ALL.into_iter().filter(|duty| duty.is_known_before_signing()).collect();
    let roles: Vec<Role> = Role::ALL.into_iter().filter(|role| *role != Role::Auditor).collect();
    json!({
        "type": "object", "additionalProperties": false,
        "required": ["slot", "roles", "count", "excludes", "after", "valid_hours", "strength"],
        "properties": {
            "slot": name(),
            "roles": {"type": "array", "minItems": 1, "maxItems": 20, "items": {"enum": roles}},
            "count": {"type": "integer", "minimum": 1, "maximum": MOST_SEATS},
            "excludes": {"type": "array", "maxItems": 20, "items": {"enum": known}},
            "after": {"type": "array", "maxItems": MAX_RULES, "items": name()},
            "valid_hours": or_null(json!({"type": "integer", "minimum": 1, "maximum": LONGEST_VALIDITY})),
            "strength": {"enum": ["key", "hardware"]},
        },
    })
}

fn schemas() -> Vec<Value> {
    let known: Vec<Duty> = Duty::ALL.into_iter().filter(|duty| duty.is_known_before_signing()).collect();
    let rule = json!({
        "type": "object", "additionalProperties": false,
        "required": ["tiers", "criticality", "slots", "deployer_differs", "deployer_excludes", "why"],
        "properties": {
            "tiers": {"type": "array", "maxItems": 20, "items": {"enum": Tier::ALL}},
            "criticality": {"type": "array", "maxItems": 20, "items": {"enum": Criticality::ALL}},
            "slots": {
                "type": "array", "maxItems": MAX_RULES, "items": slot(), "description": "In the order of their names.",
            },
            "deployer_differs": flag("Whether whoever deploys may have filled none of the slots."),
            "deployer_excludes": {"type": "array", "maxItems": 20, "items": {"enum": known}},
            "why": line("Why."),
        },
    });
    let rules = json!({
        "type": "object", "additionalProperties": false, "required": ["version", "rules"],
        "description": "The rules, as `approvals check FILE --format json` prints them under `rules`.",
        "properties": {"version": {"const": 1}, "rules": {"type": "array", "maxItems": MAX_RULES, "items": rule}},
    });
    vec![kind(
        "approvals-activate",
        "Which approvals are needed where is as these rules say from here on.",
        &[("rules", rules)],
        &[("reason", or_null(line("Why.")))],
    )]
}

fn of(handed: &HandedIn) -> Result<Asked, HandedError> {
    alone(handed)?;
    let said: ApprovalRulesActivated = handed.said(act::APPROVAL_RULES)?;
    Ok(Box::new(Rules::Activate { rules: said.rules, reason: said.reason }))
}

impl Rules {
    fn what(&self, session: &Session) -> Result<Value, Trouble> {
        let Self::Activate { rules, .. } = self;
        let state = session.state();
        let gaps = acts::gaps(state, rules).map_err(|e| told(&e))?;
        let sentences = gaps.iter().map(|gap| acts::sentence(state, gap)).collect::<Result<Vec<_>, _>>();
        let digest = digest(rules).map_err(|e| told(&e))?;
        Ok(json!({"rules": digest, "unfillable": sentences.map_err(|e| told(&e))?}))
    }
}

impl Act for Rules {
    fn command(&self) -> &'static str {
        "approvals activate"
    }

    fn event(&self) -> EventKind {
        EventKind::ApprovalRulesActivated
    }

    fn stream(&self, _: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        Ok(Some(acts::stream()))
    }

    fn inside(&self, _: &Session, _: &Scope) -> Result<(&'static str, bool), Trouble> {
        // They hold for the firm.
        Ok(("approval rules", false))
    }

    fn looked_at(&self, session: &Session) -> Result<Looked, Trouble> {
        let active = session.state().approval_rules()?;
        let about =
            active.as_ref().map_or(Value::Null, |a| json!({"rules": a.rules, "digest": a.digest, "index": a.index}));
        Looked::at(&json!({"index": active.map(|a| a.index)}), about)
    }

    fn say(&self, session: &mut Session, _: &Catalogue, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let Self::Activate { rules, reason } = self;
        acts::activate(session, rules, reason.as_deref(), Pen::Away(away)).map_err(|e| told(&e))
    }

    fn already(&self, session: &mut Session) -> Result<Value, Trouble> {
        Ok(answer(None, self.what(session)?))
    }

    fn result(&self, session: &mut Session, said: &Said<'_>) -> Result<Value, Trouble> {
        Ok(said.with(self.what(session)?))
    }
}
