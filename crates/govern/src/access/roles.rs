//! `role grant`, `role revoke`, `role rules`, `person leave`, `person return`: who holds what, from when to when, and why.
//!
//! Control objective: everybody holds the least that their work takes, given by somebody else, for a reason, and no longer than
//! the work lasts. Regulatory mapping: PCI DSS v4.0.1 7.2.1, 7.2.2, 7.2.3, 8.2.5, 8.2.6; NIST 800-53r5 AC-2, AC-5, AC-6.
//!
//! There is always one administrator for good: somebody whose role and one of whose keys have no end. No revocation and no leaving takes the last
//! one away, so nothing that time does can either.

use std::collections::BTreeSet;

use countersign_evidence::act;
use countersign_model::access::Combination;
use countersign_model::event::{PersonLeft, PersonReturned, RoleGranted, RoleRevoked, RoleRulesChosen};
use countersign_model::{Action, EventKind, PersonId, Role, StreamId, Timestamp};
use countersign_store::Session;
use countersign_store::handed::Written;
use countersign_store::projection::{Person, RoleRow, State};
use serde_json::{Value, json};

use super::draft;
use super::people::find;
use super::{Pen, Saying, administrator, allowed, line, needs, rooted, say_by};
use crate::Error;

/// A role that is granted.
#[derive(Debug)]
pub struct Granted {
    /// To whom.
    pub person: PersonId,
    /// The log index, or what is to be signed for it; where they hold it already, nothing is said.
    pub written: Written<u64>,
    /// Combinations that it makes, and that are not refused.
    pub makes: Vec<Combination>,
}

/// A role of somebody, and why.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The person's name or id.
    pub person: &'a str,
    /// The role.
    pub role: Role,
    /// Why.
    pub reason: &'a str,
}

fn stream(person: &PersonId) -> StreamId {
    StreamId::from(person)
}

/// Who says it, if they are an administrator.
pub(super) fn admitted(session: &mut Session, act: &str, pen: Pen<'_>, action: Action) -> Result<PersonId, Error> {
    draft::admitted(session, act, pen, |s, by| administrator(s.state(), by, action))
}

/// Grants a role. One that is held already, until the same time, is not granted twice.
///
/// # Errors
/// When trust is not rooted, the signer is no administrator or would get it, the text names nobody, or somebody who left, the
/// role is held until another time, it would be over already, or it makes a combination that is refused.
pub fn grant(
    session: &mut Session,
    asked: Asked<'_>,
    expires: Option<Timestamp>,
    pen: Pen<'_>,
) -> Result<Granted, Error> {
    const ACT: &str = "role grant";
    rooted(session.state())?;
    let reason = line("the reason", asked.reason)?;
    let by = admitted(session, ACT, pen, Action::GrantRole)?;
    let (to, role) = (find(session.state(), asked.person)?.id, asked.role);
    allowed(session, ACT, Some(&by), |s| may_grant(s.state(), &by, &to, role))?;
    if let Some(held) = held(session.state(), &to, role)? {
        if held == expires {
            return Ok(Granted { person: to, written: Written::Already, makes: Vec::new() });
        }
        return Err(Error::HeldAlready { person: session.state().label(&to)?, role, until: held });
    }
    if let Some(end) = expires.filter(|e| *e <= session.state().moment()) {
        return Err(Error::AlreadyOver { expires: end });
    }
    let saying = Saying { act: ACT, kind: EventKind::RoleGranted, namespace: act::ROLE, stream: stream(&to) };
    let makes = Combination::made_by(&session.state().roles_of(&to)?, role);
    let written = say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            may_grant(s.state(), by, &to, role)?;
            if s.state().has_role(&to, role)? {
                return Err(Error::MovedOn { what: "who holds which role".to_owned() });
            }
            let refused = s.state().role_rules()?.refused;
            let made = Combination::made_by(&s.state().roles_of(&to)?, role);
            match made.into_iter().find(|c| refused.contains(c)) {
                Some(combination) => {
                    Err(Error::RefusedCombination { person: s.state().label(&to)?, role, combination })
                }
                None => Ok(()),
            }
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(RoleGranted { origin, person: to.clone(), role, by, reason: Some(reason), expires, time })
        },
    )?;
    Ok(Granted { person: to, written, makes })
}

fn may_grant(state: &State, by: &PersonId, to: &PersonId, role: Role) -> Result<(), Error> {
    administrator(state, by, Action::GrantRole)?;
    if by == to {
        return Err(Error::SelfGrant { person: state.label(by)?, role });
    }
    not_gone(state, to)
}

fn not_gone(state: &State, person: &PersonId) -> Result<(), Error> {
    if state.has_left(person)? { Err(Error::HasLeft { person: state.label(person)? }) } else { Ok(()) }
}

/// Until when somebody holds a role; the inner `None`: until it is ended.
fn held(state: &State, person: &PersonId, role: Role) -> Result<Option<Option<Timestamp>>, Error> {
    let at = state.moment();
    let held = state.role_grants()?.into_iter().find(|g| g.person == *person && g.role == role && g.is_held(at));
    Ok(held.map(|g| g.expires))
}

/// Ends a role of somebody. Returns who it was, and the log index or what is to be signed.
///
/// # Errors
/// When the signer is no administrator, the person does not hold the role, or no administrator would be left.
pub fn revoke(session: &mut Session, asked: Asked<'_>, pen: Pen<'_>) -> Result<(PersonId, Written<u64>), Error> {
    const ACT: &str = "role revoke";
    rooted(session.state())?;
    let reason = line("the reason", asked.reason)?;
    admitted(session, ACT, pen, Action::RevokeRole)?;
    let (from, role) = (find(session.state(), asked.person)?.id, asked.role);
    let saying =
        Saying { act: ACT, kind: EventKind::RoleRevoked, namespace: act::ROLE_REVOCATION, stream: stream(&from) };
    let written = say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            administrator(s.state(), by, Action::RevokeRole)?;
            if !s.state().has_role(&from, role)? {
                return Err(Error::RoleNotHeld { person: s.state().label(&from)?, role });
            }
            if role == Role::Administrator { keeps_administrator(s.state(), &from) } else { Ok(()) }
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(RoleRevoked { origin, person: from.clone(), role, by, reason, time })
        },
    )?;
    Ok((from, written))
}

fn keeps_administrator(state: &State, without: &PersonId) -> Result<(), Error> {
    if state.is_administered_without(&[without])? {
        return Ok(());
    }
    Err(Error::LastAdministrator { person: state.label(without)? })
}

/// Says that somebody left: their roles and offices end, their keys sign no more. Returns who it was, the log index or what is to be
/// signed, and the roles that end.
///
/// # Errors
/// When the signer is no administrator, the person left before, or no administrator would be left.
pub fn leave(
    session: &mut Session,
    person: &str,
    reason: &str,
    pen: Pen<'_>,
) -> Result<(PersonId, Written<u64>, Vec<Role>), Error> {
    const ACT: &str = "person leave";
    rooted(session.state())?;
    let reason = line("the reason", reason)?;
    admitted(session, ACT, pen, Action::RecordLeaving)?;
    let who = find(session.state(), person)?.id;
    let roles = session.state().roles_of(&who)?.into_iter().collect();
    let saying = Saying { act: ACT, kind: EventKind::PersonLeft, namespace: act::LEAVING, stream: stream(&who) };
    let written = say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            administrator(s.state(), by, Action::RecordLeaving)?;
            not_gone(s.state(), &who)?;
            keeps_administrator(s.state(), &who)
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(PersonLeft { origin, person: who.clone(), by, reason, time })
        },
    )?;
    Ok((who, written, roles))
}

/// Says that somebody is back: their keys sign again; roles are granted anew. Returns who it was, and the log index or what is to be
/// signed.
///
/// # Errors
/// When the signer is no administrator, or the person has not left.
pub fn come_back(
    session: &mut Session,
    person: &str,
    reason: &str,
    pen: Pen<'_>,
) -> Result<(PersonId, Written<u64>), Error> {
    const ACT: &str = "person return";
    rooted(session.state())?;
    let reason = line("the reason", reason)?;
    admitted(session, ACT, pen, Action::RecordReturn)?;
    let who = find(session.state(), person)?.id;
    let saying = Saying { act: ACT, kind: EventKind::PersonReturned, namespace: act::RETURN, stream: stream(&who) };
    let written = say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            administrator(s.state(), by, Action::RecordReturn)?;
            if s.state().has_left(&who)? {
                return Ok(());
            }
            Err(Error::HasNotLeft { person: s.state().label(&who)? })
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(PersonReturned { origin, person: who.clone(), by, reason, time })
        },
    )?;
    Ok((who, written))
}

/// Chooses what holds for every grant from here on. What is not named stays as it was chosen before. Returns the log index, or what is
/// to be signed.
///
/// # Errors
/// When the signer is neither security nor compliance officer.
pub fn choose_rules(
    session: &mut Session,
    refused: Option<&[Combination]>,
    idle_days: Option<u16>,
    reason: &str,
    pen: Pen<'_>,
) -> Result<Written<u64>, Error> {
    let reason = line("the reason", reason)?;
    let before = session.state().role_rules()?;
    let mut refused = refused.map_or(before.refused, <[Combination]>::to_vec);
    refused.sort_unstable();
    refused.dedup();
    let idle_days = idle_days.unwrap_or(before.idle_days);
    let saying = Saying {
        act: "role rules",
        kind: EventKind::RoleRulesChosen,
        namespace: act::ROLE_RULES,
        stream: StreamId::from_text("access"),
    };
    say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| needs(s, by, Action::ChooseRoleRules),
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(RoleRulesChosen { origin, refused, idle_days, by, reason, time })
        },
    )
}

/// A grant of a role as it stands at a moment, as it is told.
#[must_use]
pub fn document(row: &RoleRow, at: Timestamp) -> Value {
    json!({
        "person": row.person, "role": row.role, "by": row.by, "reason": row.reason, "time": row.time,
        "expires": row.expires, "state": row.state(at), "index": row.index,
        "ended": row.ended.as_ref().map(|e| json!({
            "index": e.index, "by": e.by, "time": e.time, "how": e.how.as_str(), "reason": e.reason,
        })),
    })
}

/// Which acts whoever holds these roles may do by them, and which of them should not meet.
#[must_use]
pub fn held_together(held: &BTreeSet<Role>) -> (Vec<&'static str>, Vec<Combination>) {
    let may = Action::ALL.iter().filter(|a| a.roles().iter().any(|r| held.contains(r))).map(|a| a.as_str());
    (may.collect(), Combination::ALL.into_iter().filter(|c| c.meets(held)).collect())
}

/// Somebody's roles, those of before included, what they may do, and which of their roles should not meet.
///
/// # Errors
/// When the projection cannot be read.
pub fn of_person(session: &Session, who: &Person) -> Result<Value, Error> {
    let state = session.state();
    let left = state.leavings()?.into_iter().rfind(|l| l.person == who.id);
    let mut rows = state.role_grants()?;
    rows.retain(|r| r.person == who.id);
    let held = state.roles_of(&who.id)?;
    let (may, meets) = held_together(&held);
    Ok(json!({
        "person": who.id, "name": who.name,
        "left": left.as_ref().map(|l| json!({
            "index": l.index, "by": l.by, "time": l.time, "reason": l.reason, "returned": l.returned,
        })),
        "roles": rows.iter().map(|r| document(r, state.moment())).collect::<Vec<_>>(),
        "may": may, "combinations": meets,
    }))
}
