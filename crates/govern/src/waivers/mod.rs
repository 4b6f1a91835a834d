//! Waivers: a broken control may stand for a while, where two people say so.
//!
//! Control objective: an exception is asked for by one person and granted by another who answers for its kind, is no wider
//! and lasts no longer than it must, and stays visible after its end.
//! Regulatory mapping: PCI DSS v4.0.1 12.3.1, Appendix B (compensating controls); FFIEC IT exceptions; NIST 800-53r5 CA-5, PM-4.
//!
//! | act | who |
//! |---|---|
//! | request, renew | everybody who takes part; not an auditor |
//! | grant | a compliance officer where the risk is accepted, a security officer where another control does the work; never whoever asked |
//! | reject, revoke | a security or compliance officer, or whoever asked |

use countersign_evidence::act;
use countersign_model::event::{WaiverGranted, WaiverRejected, WaiverRequested, WaiverRevoked};
use countersign_model::governance::{Scope, WaiverCategory, waiver};
use countersign_model::{Action, EventKind, PersonId, StreamId, Timestamp, WaiverId};
use countersign_policy::Catalogue;
use countersign_policy::enforcement::FindingScope;
use countersign_store::Session;
use countersign_store::handed::{HandedError, Written};
use countersign_store::projection::{Said, State, WaiverRow, WaiverState};
use countersign_store::session::SessionError;
use serde_json::{Value, json};

use crate::Error;
use crate::access::{Draft, Pen, Saying, line, needs, time};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// What it covers.
    pub scope: Scope,
    /// Why it may stand.
    pub category: WaiverCategory,
    /// The control that meets the objective instead.
    pub compensating: Option<String>,
    /// What could happen, and why that is accepted.
    pub acceptance: String,
    /// From when; now where nobody says.
    pub not_before: Option<Timestamp>,
    /// For how many days.
    pub days: u16,
}

/// A waiver as it stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What was said about it.
    pub row: WaiverRow,
    /// Where it stands.
    pub state: WaiverState,
    /// What the newest decision that it is about says that it covers: findings and reasons. `None`: no decision is about it
    /// yet.
    pub covers: Option<(u64, u64)>,
}

impl Standing {
    /// Whether it is in force and covers nothing, as far as decisions say: a finding about itself.
    #[must_use]
    pub fn is_unmatched(&self) -> bool {
        self.state == WaiverState::Active && self.covers == Some((0, 0))
    }

    /// As JSON: what `waive list` and `waive show` print of it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let said = |s: &Option<Said>| {
            s.as_ref().map(|s| json!({"index": s.index, "by": s.by, "time": s.time, "reason": s.reason}))
        };
        let r = &self.row.request;
        json!({
            "waiver": r.waiver, "state": self.state.as_str(), "scope": r.scope, "category": r.category,
            "compensating": r.compensating, "acceptance": r.acceptance, "not_before": r.not_before, "expires": r.expires,
            "renews": r.renews, "renewals": r.renewals, "requested_by": r.by, "requested_at": r.time, "index": self.row.index,
            "granted": said(&self.row.granted), "rejected": said(&self.row.rejected), "revoked": said(&self.row.revoked),
            "covers": self.covers.map(|(findings, reasons)| json!({"findings": findings, "reasons": reasons})),
            "unmatched": self.is_unmatched(),
        })
    }
}

/// Every waiver as it stands, oldest first.
///
/// # Errors
/// When the projection cannot be read.
pub fn list(session: &Session) -> Result<Vec<Standing>, Error> {
    let (rows, newest) = (session.state().waivers()?, session.state().newest_time()?);
    rows.into_iter().map(|row| standing_at(session, row, newest)).collect()
}

/// How a waiver stands.
///
/// # Errors
/// When the projection cannot be read.
pub fn standing(session: &Session, row: WaiverRow) -> Result<Standing, Error> {
    let newest = session.state().newest_time()?;
    standing_at(session, row, newest)
}

/// The same, where the newest entry is of that moment.
fn standing_at(session: &Session, row: WaiverRow, newest: Timestamp) -> Result<Standing, Error> {
    let state = row.state(session.now(), newest);
    let covers = session.state().waiver_use(&row.request.waiver)?;
    Ok(Standing { row, state, covers })
}

/// The one waiver that an id or the start of one means.
///
/// # Errors
/// When it is none, or more than one.
pub fn find(session: &Session, text: &str) -> Result<Standing, Error> {
    let mut rows = session.state().waivers()?;
    rows.retain(|row| row.request.waiver.as_str().starts_with(text));
    match (rows.pop(), rows.is_empty()) {
        (Some(row), true) => standing(session, row),
        _ => Err(Error::NoSuchWaiver { waiver: text.to_owned() }),
    }
}

/// Asks for a waiver. Returns its id and the log index.
///
/// # Errors
/// When the signer takes no part, or such a waiver cannot be.
pub fn request(
    session: &mut Session,
    asked: &Request,
    catalogue: &Catalogue,
    pen: Pen<'_>,
) -> Result<(WaiverId, Written<u64>), Error> {
    let (id, draft) = draft_request(session, asked, catalogue, pen)?;
    Ok((id, draft.write(session, pen)?))
}

/// What is signed to ask for a waiver.
///
/// # Errors
/// As [`request`].
pub fn draft_request(
    session: &mut Session,
    asked: &Request,
    catalogue: &Catalogue,
    pen: Pen<'_>,
) -> Result<(WaiverId, Draft), Error> {
    ask(session, asked, None, catalogue, pen)
}

/// Asks that a waiver goes on after its end: the same scope, category and compensating control. Returns the new one's id and the
/// log index. What is granted stays as it is until then.
///
/// # Errors
/// As [`request`]; and when it was not granted, or was revoked.
pub fn renew(
    session: &mut Session,
    text: &str,
    acceptance: &str,
    days: u16,
    catalogue: &Catalogue,
    pen: Pen<'_>,
) -> Result<(WaiverId, Written<u64>), Error> {
    let (id, draft) = draft_renewal(session, text, acceptance, days, catalogue, pen)?;
    Ok((id, draft.write(session, pen)?))
}

/// What is signed to ask that a waiver goes on.
///
/// # Errors
/// As [`renew`].
pub fn draft_renewal(
    session: &mut Session,
    text: &str,
    acceptance: &str,
    days: u16,
    catalogue: &Catalogue,
    pen: Pen<'_>,
) -> Result<(WaiverId, Draft), Error> {
    let before = find(session, text)?;
    let asked = Request {
        scope: before.row.request.scope.clone(),
        category: before.row.request.category,
        compensating: before.row.request.compensating.clone(),
        acceptance: acceptance.to_owned(),
        not_before: None,
        days,
    };
    ask(session, &asked, Some(&before.row), catalogue, pen)
}

/// Whether a waiver was granted, and was not ended before its time.
fn renewable(before: &Standing) -> Result<(), Error> {
    if matches!(before.state, WaiverState::Active | WaiverState::Upcoming | WaiverState::Expired)
        && before.row.granted.is_some()
    {
        return Ok(());
    }
    let waiver = before.row.request.waiver.clone();
    Err(Error::WaiverState { waiver, state: before.state.as_str(), act: "renewed" })
}

/// Whether somebody may ask that a waiver goes on, at this moment.
///
/// # Errors
/// As [`renew`].
pub fn may_renew(session: &Session, before: &Standing, by: &PersonId) -> Result<(), Error> {
    renewable(before)?;
    needs(session, by, Action::RequestWaiver)
}

fn ask(
    session: &mut Session,
    asked: &Request,
    renewed: Option<&WaiverRow>,
    catalogue: &Catalogue,
    pen: Pen<'_>,
) -> Result<(WaiverId, Draft), Error> {
    let acceptance = line("the acceptance of the risk", &asked.acceptance)?;
    for control in asked.scope.controls.iter().chain(&asked.compensating) {
        if catalogue.get(control).is_none() {
            return Err(Error::UnknownControl { control: control.clone() });
        }
    }
    let bad = |why: &str| Error::BadWaiver { why: why.to_owned() };
    asked.scope.check().map_err(|why| Error::BadWaiver { why })?;
    FindingScope::new(&asked.scope)?;
    match (asked.category, &asked.compensating) {
        (WaiverCategory::Mitigated, None) => return Err(bad("a mitigated one names the control that does the work")),
        (WaiverCategory::Waived, Some(_)) => return Err(bad("only a mitigated one names another control")),
        (_, Some(control)) if asked.scope.controls.contains(control) => {
            return Err(bad("a control does not compensate itself"));
        }
        _ => {}
    }
    if let Some(application) = &asked.scope.application {
        crate::registry::application(session, application)?;
    }
    let now = time(session, "waive request", pen)?;
    let not_before = asked.not_before.unwrap_or(now);
    let expires = not_before.plus_seconds(i64::from(asked.days) * 86_400);
    waiver::check_period(now, not_before, expires).map_err(|why| Error::BadWaiver { why })?;
    let id = WaiverId::from_random(pen.id(act::WAIVER_REQUEST, "/waiver", WaiverId::PREFIX)?);
    let (new, before) = (id.clone(), renewed.map(|row| row.request.waiver.clone()));
    let saying = Saying {
        act: "waive request",
        kind: EventKind::WaiverRequested,
        namespace: act::WAIVER_REQUEST,
        stream: StreamId::from(&id),
    };
    let draft = Draft::new(
        session,
        pen,
        saying,
        |_, _| Ok(Vec::new()),
        move |s, by| {
            needs(s, by, Action::RequestWaiver)?;
            // What was ended since somebody looked at it does not go on.
            if let Some(before) = &before {
                renewable(&find(s, before.as_str())?)?;
            }
            if s.state().waiver(&new)?.is_some() {
                Err(SessionError::from(HandedError::Differs).into())
            } else {
                Ok(())
            }
        },
        |s, by, _| {
            Ok(WaiverRequested {
                origin: s.state().origin().to_owned(),
                waiver: id.clone(),
                scope: asked.scope.clone(),
                category: asked.category,
                compensating: asked.compensating.clone(),
                acceptance,
                not_before,
                expires,
                renews: renewed.map(|r| r.request.waiver.clone()),
                renewals: renewed.map_or(0, |r| r.request.renewals.saturating_add(1)),
                by,
                time: now,
            })
        },
    )?;
    Ok((id, draft))
}

/// The state of a waiver, on the state that something is going to be appended to.
fn now_of(session: &Session, state: &State, id: &WaiverId) -> Result<(WaiverRow, WaiverState), Error> {
    let row = state.waiver(id)?.ok_or_else(|| Error::NoSuchWaiver { waiver: id.to_string() })?;
    let at = row.state(session.now(), state.newest_time()?);
    Ok((row, at))
}

/// Grants a waiver that somebody else asked for. Returns the log index.
///
/// # Errors
/// When the signer asked for it or does not hold the role that its category needs, or it is decided or over.
pub fn grant(session: &mut Session, text: &str, reason: &str, pen: Pen<'_>) -> Result<(WaiverId, Written<u64>), Error> {
    let (id, draft) = draft_grant(session, text, reason, pen)?;
    Ok((id, draft.write(session, pen)?))
}

/// What is signed to grant a waiver.
///
/// # Errors
/// As [`grant`].
pub fn draft_grant(session: &mut Session, text: &str, reason: &str, pen: Pen<'_>) -> Result<(WaiverId, Draft), Error> {
    let reason = line("the reason", reason)?;
    let row = find(session, text)?.row;
    let id = row.request.waiver.clone();
    let saying = Saying {
        act: "waive grant",
        kind: EventKind::WaiverGranted,
        namespace: act::WAIVER,
        stream: StreamId::from(&id),
    };
    let waiver = id.clone();
    let may = move |s: &Session, by: &PersonId| may_grant(s, &waiver, by);
    let draft = Draft::new(
        session,
        pen,
        saying,
        |_, _| Ok(Vec::new()),
        may,
        |s, by, _| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(WaiverGranted { origin, waiver: id.clone(), request: row.leaf, by, reason, time })
        },
    )?;
    Ok((id, draft))
}

/// Whether somebody may grant a waiver at this moment.
///
/// # Errors
/// As [`grant`].
pub fn may_grant(session: &Session, id: &WaiverId, by: &PersonId) -> Result<(), Error> {
    let (row, state) = now_of(session, session.state(), id)?;
    if row.request.by == *by {
        return Err(Error::OwnWaiver { person: session.state().label(by)?, waiver: id.clone() });
    }
    needs(session, by, Action::granting(row.request.category))?;
    match state {
        WaiverState::Requested => Ok(()),
        other => Err(Error::WaiverState { waiver: id.clone(), state: other.as_str(), act: "granted" }),
    }
}

/// Refuses a waiver, or takes a request back. Returns the log index.
///
/// # Errors
/// When the signer is no officer and did not ask for it, or it is decided.
pub fn reject(
    session: &mut Session,
    text: &str,
    reason: &str,
    pen: Pen<'_>,
) -> Result<(WaiverId, Written<u64>), Error> {
    let (id, draft) = draft_rejection(session, text, reason, pen)?;
    Ok((id, draft.write(session, pen)?))
}

/// What is signed to refuse a waiver, or to take a request back.
///
/// # Errors
/// As [`reject`].
pub fn draft_rejection(
    session: &mut Session,
    text: &str,
    reason: &str,
    pen: Pen<'_>,
) -> Result<(WaiverId, Draft), Error> {
    let reason = line("the reason", reason)?;
    let id = find(session, text)?.row.request.waiver;
    let saying = Saying {
        act: "waive reject",
        kind: EventKind::WaiverRejected,
        namespace: act::WAIVER_REJECTION,
        stream: StreamId::from(&id),
    };
    let waiver = id.clone();
    let may = move |s: &Session, by: &PersonId| may_reject(s, &waiver, by);
    let draft = Draft::new(
        session,
        pen,
        saying,
        |_, _| Ok(Vec::new()),
        may,
        |s, by, _| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(WaiverRejected { origin, waiver: id.clone(), by, reason, time })
        },
    )?;
    Ok((id, draft))
}

/// Whether somebody may refuse a waiver, or take its request back, at this moment.
///
/// # Errors
/// As [`reject`].
pub fn may_reject(session: &Session, id: &WaiverId, by: &PersonId) -> Result<(), Error> {
    let (row, state) = now_of(session, session.state(), id)?;
    if row.request.by != *by {
        needs(session, by, Action::RejectWaiver)?;
    }
    if row.granted.is_some() || row.rejected.is_some() {
        return Err(Error::WaiverState { waiver: id.clone(), state: state.as_str(), act: "rejected" });
    }
    Ok(())
}

/// Ends a waiver before its time. Returns the log index.
///
/// # Errors
/// When the signer is no officer and did not ask for it, or it was not granted or is revoked.
pub fn revoke(
    session: &mut Session,
    text: &str,
    reason: &str,
    pen: Pen<'_>,
) -> Result<(WaiverId, Written<u64>), Error> {
    let (id, draft) = draft_revocation(session, text, reason, pen)?;
    Ok((id, draft.write(session, pen)?))
}

/// What is signed to end a waiver before its time.
///
/// # Errors
/// As [`revoke`].
pub fn draft_revocation(
    session: &mut Session,
    text: &str,
    reason: &str,
    pen: Pen<'_>,
) -> Result<(WaiverId, Draft), Error> {
    let reason = line("the reason", reason)?;
    let id = find(session, text)?.row.request.waiver;
    let saying = Saying {
        act: "waive revoke",
        kind: EventKind::WaiverRevoked,
        namespace: act::WAIVER_REVOCATION,
        stream: StreamId::from(&id),
    };
    let waiver = id.clone();
    let may = move |s: &Session, by: &PersonId| may_revoke(s, &waiver, by);
    let draft = Draft::new(
        session,
        pen,
        saying,
        |_, _| Ok(Vec::new()),
        may,
        |s, by, _| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(WaiverRevoked { origin, waiver: id.clone(), by, reason, time })
        },
    )?;
    Ok((id, draft))
}

/// Whether somebody may end a waiver at this moment.
///
/// # Errors
/// As [`revoke`].
pub fn may_revoke(session: &Session, id: &WaiverId, by: &PersonId) -> Result<(), Error> {
    let (row, state) = now_of(session, session.state(), id)?;
    if row.request.by != *by {
        needs(session, by, Action::RevokeWaiver)?;
    }
    if row.granted.is_none() || row.revoked.is_some() {
        return Err(Error::WaiverState { waiver: id.clone(), state: state.as_str(), act: "revoked" });
    }
    Ok(())
}
