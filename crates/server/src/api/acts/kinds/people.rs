//! Who holds which role, and who left. They are of the whole firm, so no token that is limited opens them.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use countersign_evidence::act;
use countersign_govern::access::Pen;
use countersign_govern::access::people::find;
use countersign_govern::access::roles::{self, Asked as Of};
use countersign_model::access::Combination;
use countersign_model::event::{PersonLeft, PersonReturned, RoleGranted, RoleRevoked, RoleRulesChosen};
use countersign_model::{EventKind, PersonId, Role, StreamId, Timestamp};
use countersign_policy::Catalogue;
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use countersign_store::projection::{RoleRow, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::super::wire::Wire as _;
use super::super::schema::{kind, line, number, or_null};
use super::{Act, Asked, Family, Looked, Said, alone, no, read_as, told_of_people};
use crate::app::{Scope, Trouble};

pub(super) const FAMILY: Family = Family {
    kinds: &["role-grant", "role-revoke", "role-rules", "person-leave", "person-return"],
    namespaces: &[act::ROLE, act::ROLE_REVOCATION, act::ROLE_RULES, act::LEAVING, act::RETURN],
    read: read_as::<People>,
    of,
    schemas,
};

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum People {
    #[serde(rename = "role-grant")]
    Grant {
        person: String,
        role: Role,
        reason: String,
        #[serde(default)]
        expires: Option<Timestamp>,
    },
    #[serde(rename = "role-revoke")]
    Revoke { person: String, role: Role, reason: String },
    #[serde(rename = "role-rules")]
    Rules {
        #[serde(default)]
        refused: Option<Vec<Combination>>,
        #[serde(default)]
        idle_days: Option<NonZeroU16>,
        reason: String,
    },
    #[serde(rename = "person-leave")]
    Leave { person: String, reason: String },
    #[serde(rename = "person-return")]
    Return { person: String, reason: String },
}

/// Somebody, as people name them.
pub(super) fn person() -> (&'static str, Value) {
    ("person", line("The person's name or id."))
}

fn schemas() -> Vec<Value> {
    let reason = || ("reason", line("Why."));
    let role = || ("role", Role::schema());
    let expires = json!({
        "type": "string", "format": "date-time", "description": "From when on it does not count; it is for good where it is not given.",
    });
    let refused = json!({
        "type": "array", "maxItems": Combination::ALL.len(), "items": Combination::schema(),
        "description": "All combinations that no grant may make; as before where it is not given.",
    });
    let idle = number(
        u16::MAX,
        "After how many days without a signed act an account is idle; as before where it is not given.",
    );
    vec![
        kind(
            "role-grant",
            "Somebody else is given a role.",
            &[person(), role(), reason()],
            &[("expires", or_null(expires))],
        ),
        kind("role-revoke", "A role of somebody ends.", &[person(), role(), reason()], &[]),
        kind(
            "role-rules",
            "What holds for grants of roles from then on.",
            &[reason()],
            &[("refused", or_null(refused)), ("idle_days", or_null(idle))],
        ),
        kind("person-leave", "Somebody leaves.", &[person(), reason()], &[]),
        kind("person-return", "Somebody who left is back.", &[person(), reason()], &[]),
    ]
}

fn of(handed: &HandedIn) -> Result<Asked, HandedError> {
    alone(handed)?;
    let namespace = handed.namespace();
    Ok(Box::new(match namespace {
        act::ROLE => {
            let p: RoleGranted = handed.said(namespace)?;
            let reason = p.reason.ok_or_else(|| no("it does not say why"))?;
            People::Grant { person: p.person.to_string(), role: p.role, reason, expires: p.expires }
        }
        act::ROLE_REVOCATION => {
            let p: RoleRevoked = handed.said(namespace)?;
            People::Revoke { person: p.person.to_string(), role: p.role, reason: p.reason }
        }
        act::ROLE_RULES => {
            let p: RoleRulesChosen = handed.said(namespace)?;
            let idle_days = NonZeroU16::new(p.idle_days).ok_or_else(|| no("nobody is idle after no day at all"))?;
            People::Rules { refused: Some(p.refused), idle_days: Some(idle_days), reason: p.reason }
        }
        act::LEAVING => {
            let p: PersonLeft = handed.said(namespace)?;
            People::Leave { person: p.person.to_string(), reason: p.reason }
        }
        act::RETURN => {
            let p: PersonReturned = handed.said(namespace)?;
            People::Return { person: p.person.to_string(), reason: p.reason }
        }
        _ => return Err(no("it is no act about people")),
    }))
}

impl People {
    /// Whom it is about.
    fn person(&self) -> Option<&str> {
        match self {
            Self::Grant { person, .. }
            | Self::Revoke { person, .. }
            | Self::Leave { person, .. }
            | Self::Return { person, .. } => Some(person),
            Self::Rules { .. } => None,
        }
    }
}

/// Whom a name or id means, as whoever signs reads it. How they stand is what was looked at.
pub(super) fn looked_at(state: &State, text: &str) -> Result<Looked, Trouble> {
    let Ok(who) = find(state, text) else { return Ok(Looked::default()) };
    let about = json!({
        "person": who.id, "name": who.label(), "roles": state.roles_of(&who.id)?, "left": state.has_left(&who.id)?,
    });
    Looked::at(&about, about.clone())
}

impl Act for People {
    fn command(&self) -> &'static str {
        match self {
            Self::Grant { .. } => "role grant",
            Self::Revoke { .. } => "role revoke",
            Self::Rules { .. } => "role rules",
            Self::Leave { .. } => "person leave",
            Self::Return { .. } => "person return",
        }
    }

    fn event(&self) -> EventKind {
        match self {
            Self::Grant { .. } => EventKind::RoleGranted,
            Self::Revoke { .. } => EventKind::RoleRevoked,
            Self::Rules { .. } => EventKind::RoleRulesChosen,
            Self::Leave { .. } => EventKind::PersonLeft,
            Self::Return { .. } => EventKind::PersonReturned,
        }
    }

    fn stream(&self, _: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        Ok(Some(match self.person() {
            Some(person) => StreamId::from(&PersonId::from_text(person)),
            None => StreamId::from_text("access"),
        }))
    }

    fn inside(&self, _: &Session, _: &Scope) -> Result<(&'static str, bool), Trouble> {
        Ok((if self.person().is_some() { "person" } else { "rules for roles" }, false))
    }

    fn looked_at(&self, session: &Session) -> Result<Looked, Trouble> {
        match self.person() {
            Some(text) => looked_at(session.state(), text),
            None => {
                let rules = session.state().role_rules()?;
                let about = json!({"index": rules.index, "refused": rules.refused, "idle_days": rules.idle_days});
                Looked::at(&about, about.clone())
            }
        }
    }

    fn say(&self, session: &mut Session, _: &Catalogue, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let pen = Pen::Away(away);
        let said = match self {
            Self::Grant { person, role, reason, expires } => {
                roles::grant(session, Of { person, role: *role, reason }, *expires, pen).map(|granted| granted.written)
            }
            Self::Revoke { person, role, reason } => {
                roles::revoke(session, Of { person, role: *role, reason }, pen).map(|(_, written)| written)
            }
            Self::Rules { refused, idle_days, reason } => {
                roles::choose_rules(session, refused.as_deref(), idle_days.map(NonZeroU16::get), reason, pen)
            }
            Self::Leave { person, reason } => roles::leave(session, person, reason, pen).map(|(_, written, _)| written),
            Self::Return { person, reason } => {
                roles::come_back(session, person, reason, pen).map(|(_, written)| written)
            }
        };
        said.map_err(|e| told_of_people(&e))
    }

    fn already(&self, session: &mut Session) -> Result<Value, Trouble> {
        let Self::Grant { person, role, expires, .. } = self else {
            return Err(Trouble::internal("something that is never so already was so"));
        };
        let who = find(session.state(), person).map_err(|e| told_of_people(&e))?.id;
        Ok(json!({
            "version": 1, "person": who, "role": role, "expires": expires, "index": null, "combinations": [],
        }))
    }

    fn result(&self, session: &mut Session, said: &Said<'_>) -> Result<Value, Trouble> {
        let state = session.state();
        let grants = state.role_grants()?;
        Ok(match self {
            Self::Grant { person, role, expires, .. } => {
                // What they held when it was granted.
                let of = |g: &&RoleRow| g.person.as_str() == person && g.was_held(said.index, said.handed.time());
                let before: BTreeSet<Role> = grants.iter().filter(of).map(|g| g.role).collect();
                let makes = Combination::made_by(&before, *role);
                said.with(json!({"person": person, "role": role, "expires": expires, "combinations": makes}))
            }
            Self::Revoke { person, role, .. } => said.with(json!({"person": person, "role": role})),
            Self::Rules { refused, idle_days, .. } => said.with(json!({"refused": refused, "idle_days": idle_days})),
            Self::Leave { person, .. } => {
                let by_it = |g: &&RoleRow| g.ended.as_ref().is_some_and(|end| end.index == said.index);
                let ended: BTreeSet<Role> = grants.iter().filter(by_it).map(|g| g.role).collect();
                said.with(json!({"person": person, "left": true, "ended": ended}))
            }
            Self::Return { person, .. } => said.with(json!({"person": person, "left": false, "ended": []})),
        })
    }
}
