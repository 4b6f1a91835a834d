//! `role grant`, `role revoke`, `role rules`, `person leave`, `person return`: who holds what, from when to when, and why.
//!
//! Control objective: everybody holds the least that their work takes, given by somebody else, for a reason, and no longer than
//! the work lasts. Regulatory mapping: PCI DSS v4.0.1 7.2.1, 7.2.2, 7.2.3, 8.2.5, 8.2.6; NIST 800-53r5 AC-2, AC-5, AC-6.
//!
//! There is always one administrator for good: somebody whose role and one of whose keys have no end. No revocation and no leaving takes the last
//! one away, so nothing that time does can either.

use countersign_connect::SshSigner;
use countersign_evidence::act;
use countersign_model::access::Combination;
use countersign_model::event::{PersonLeft, PersonReturned, RoleGranted, RoleRevoked, RoleRulesChosen};
use countersign_model::{Action, EventKind, PersonId, Role, StreamId, Timestamp};
use countersign_store::Session;
use countersign_store::projection::State;

use super::people::find;
use super::{Saying, administrator, line, needs, rooted, say};
use crate::Error;

/// A role that was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// To whom.
    pub person: PersonId,
    /// Log index; none: they hold it already, and nothing was said.
    pub index: Option<u64>,
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

/// Grants a role. One that is held already, until the same time, is not granted twice: then the index is `None`.
///
/// # Errors
/// When trust is not rooted, the signer is no administrator or would get it, the text names nobody, or somebody who left, the
/// role is held until another time, it would be over already, or it makes a combination that is refused.
pub fn grant(
    session: &mut Session,
    asked: Asked<'_>,
    expires: Option<Timestamp>,
    signer: &SshSigner,
) -> Result<Granted, Error> {
    rooted(session.state())?;
    let reason = line("the reason", asked.reason)?;
    let (to, role) = (find(session.state(), asked.person)?.id, asked.role);
    // Whoever may not grant anything learns that first, and it is recorded.
    let by = super::allowed(session, "role grant", None, |s| super::signer_of(s, signer))?;
    super::allowed(session, "role grant", Some(&by), |s| may_grant(s.state(), &by, &to, role))?;
    if let Some(held) = held(session.state(), &to, role)? {
        if held == expires {
            return Ok(Granted { person: to, index: None, makes: Vec::new() });
        }
        return Err(Error::HeldAlready { person: session.state().label(&to)?, role, until: held });
    }
    if let Some(end) = expires.filter(|e| *e <= session.state().moment()) {
        return Err(Error::AlreadyOver { expires: end });
    }
    let saying = Saying { act: "role grant", kind: EventKind::RoleGranted, namespace: act::ROLE, stream: stream(&to) };
    let makes = Combination::made_by(&session.state().roles_of(&to)?, role);
    let index = say(
        session,
        signer,
        &saying,
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
            let (origin, time) = (s.state().origin().to_owned(), s.now());
            Ok(RoleGranted { origin, person: to.clone(), role, by, reason: Some(reason), expires, time })
        },
    )?;
    Ok(Granted { person: to, index: Some(index), makes })
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

/// Ends a role of somebody. Returns who it was, and the log index.
///
/// # Errors
/// When the signer is no administrator, the person does not hold the role, or no administrator would be left.
pub fn revoke(session: &mut Session, asked: Asked<'_>, signer: &SshSigner) -> Result<(PersonId, u64), Error> {
    rooted(session.state())?;
    let reason = line("the reason", asked.reason)?;
    let (from, role) = (find(session.state(), asked.person)?.id, asked.role);
    let saying = Saying {
        act: "role revoke",
        kind: EventKind::RoleRevoked,
        namespace: act::ROLE_REVOCATION,
        stream: stream(&from),
    };
    let index = say(
        session,
        signer,
        &saying,
        |s, by| {
            administrator(s.state(), by, Action::RevokeRole)?;
            if !s.state().has_role(&from, role)? {
                return Err(Error::RoleNotHeld { person: s.state().label(&from)?, role });
            }
            if role == Role::Administrator { keeps_administrator(s.state(), &from) } else { Ok(()) }
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), s.now());
            Ok(RoleRevoked { origin, person: from.clone(), role, by, reason, time })
        },
    )?;
    Ok((from, index))
}

fn keeps_administrator(state: &State, without: &PersonId) -> Result<(), Error> {
    if state.is_administered_without(&[without])? {
        return Ok(());
    }
    Err(Error::LastAdministrator { person: state.label(without)? })
}

/// Says that somebody left: their roles and offices end, their keys sign no more. Returns who it was, the log index, and the roles
/// that ended.
///
/// # Errors
/// When the signer is no administrator, the person left before, or no administrator would be left.
pub fn leave(
    session: &mut Session,
    person: &str,
    reason: &str,
    signer: &SshSigner,
) -> Result<(PersonId, u64, Vec<Role>), Error> {
    rooted(session.state())?;
    let reason = line("the reason", reason)?;
    let who = find(session.state(), person)?.id;
    let roles = session.state().roles_of(&who)?.into_iter().collect();
    let saying =
        Saying { act: "person leave", kind: EventKind::PersonLeft, namespace: act::LEAVING, stream: stream(&who) };
    let index = say(
        session,
        signer,
        &saying,
        |s, by| {
            administrator(s.state(), by, Action::RecordLeaving)?;
            not_gone(s.state(), &who)?;
            keeps_administrator(s.state(), &who)
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), s.now());
            Ok(PersonLeft { origin, person: who.clone(), by, reason, time })
        },
    )?;
    Ok((who, index, roles))
}

/// Says that somebody is back: their keys sign again; roles are granted anew. Returns who it was, and the log index.
///
/// # Errors
/// When the signer is no administrator, or the person has not left.
pub fn come_back(
    session: &mut Session,
    person: &str,
    reason: &str,
    signer: &SshSigner,
) -> Result<(PersonId, u64), Error> {
    rooted(session.state())?;
    let reason = line("the reason", reason)?;
    let who = find(session.state(), person)?.id;
    let saying =
        Saying { act: "person return", kind: EventKind::PersonReturned, namespace: act::RETURN, stream: stream(&who) };
    let index = say(
        session,
        signer,
        &saying,
        |s, by| {
            administrator(s.state(), by, Action::RecordReturn)?;
            if s.state().has_left(&who)? {
                return Ok(());
            }
            Err(Error::HasNotLeft { person: s.state().label(&who)? })
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), s.now());
            Ok(PersonReturned { origin, person: who.clone(), by, reason, time })
        },
    )?;
    Ok((who, index))
}

/// Chooses what holds for every grant from here on, whole: what is not named is not refused. Returns the log index.
///
/// # Errors
/// When the signer is neither security nor compliance officer, or the days are none.
pub fn choose_rules(
    session: &mut Session,
    refused: &[Combination],
    idle_days: u16,
    reason: &str,
    signer: &SshSigner,
) -> Result<u64, Error> {
    let reason = line("the reason", reason)?;
    let mut refused = refused.to_vec();
    refused.sort_unstable();
    refused.dedup();
    let saying = Saying {
        act: "role rules",
        kind: EventKind::RoleRulesChosen,
        namespace: act::ROLE_RULES,
        stream: StreamId::from_text("access"),
    };
    say(
        session,
        signer,
        &saying,
        |s, by| needs(s, by, Action::ChooseRoleRules),
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), s.now());
            Ok(RoleRulesChosen { origin, refused, idle_days, by, reason, time })
        },
    )
}
