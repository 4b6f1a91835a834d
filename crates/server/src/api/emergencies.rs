//! Emergencies: what went past the gates, and what is owed for that.

use countersign_model::BreakGlassId;
use countersign_model::access::emergencies::Owed;
use countersign_model::audit::threads::MaskedField;
use countersign_model::event::Device;
use countersign_stages::release::break_glass::moment;
use countersign_stages::release::emergency::{stored, word};
use countersign_stages::release::grant as tokens;
use countersign_store::projection::{Done, EmergencyRow};
use serde_json::Value;

use super::answers::GrantDevice;
use super::ask::{Ask, count, cut, id};
use super::wire::{
    EmergencyClosed, EmergencyGrant, EmergencyLine, EmergencyList, EmergencyPage, EmergencyRatified, EmergencyReviewed,
    EmergencyWhole,
};
use crate::app::Trouble;

/// How an emergency may stand.
pub(super) fn states() -> Vec<&'static str> {
    vec!["open", "over"]
}

/// The emergencies, newest first.
pub(super) fn list(ask: &Ask<'_>) -> Result<EmergencyList, Trouble> {
    let at = moment(ask.session)?;
    let mut all: Vec<EmergencyRow> = ask.state().emergencies()?.into_iter().rev().collect();
    all.retain(|row| {
        let state = if row.is_open(at) { "open" } else { "over" };
        ask.scope.has_emergency(row)
            && ask.filter("state").is_none_or(|asked| asked == state)
            && (ask.filter("due").is_none() || !row.is_compliant(at))
    });
    let whole_count = count(all.len());
    if let Some(before) = ask.number("before") {
        all.retain(|row| row.index < before);
    }
    let has_more = cut(&mut all, ask.limit());
    let next = all.last().filter(|_| has_more).map(|last| last.index);
    let items = all.iter().map(|row| line(ask, row)).collect::<Result<_, _>>()?;
    Ok(EmergencyList { items, count: whole_count, next })
}

/// One emergency.
pub(super) fn one(ask: &Ask<'_>) -> Result<EmergencyWhole, Trouble> {
    let state = ask.state();
    let row = state.emergency(&BreakGlassId::from_text(ask.param("emergency")))?;
    let row = row.ok_or_else(|| Trouble::not_found("emergency"))?;
    let mut grants = Vec::new();
    for id_of in state.emergency_grants(&row.opened.id)? {
        let Some(grant) = state.grant(&id_of)? else { continue };
        if !ask.scope.has_run(state, &grant.grant.run)? {
            continue;
        }
        let mut standing = stored(ask.session, grant.index)?;
        ask.scope.mask(&mut standing);
        grants.push(EmergencyGrant {
            grant: id_of.to_string(),
            index: grant.index,
            run: grant.grant.run.to_string(),
            commit: grant.grant.commit.clone(),
            by: id(&grant.grant.by),
            device: device(ask, &grant.grant.device),
            authors: grant.grant.excluded.iter().map(id).collect(),
            state: tokens::standing(ask.session, &grant)?.to_owned(),
            redeemed: grant.started,
            standing,
        });
    }
    let pages = state.pages(&row.opened.id)?.into_iter().map(|p| EmergencyPage {
        index: p.index,
        owed: p.owed,
        rung: p.rung.into(),
        delivered: p.delivered,
        attempts: p.attempts.into(),
        time: p.time,
    });
    let pages = pages.collect();
    Ok(EmergencyWhole { emergency: line(ask, &row)?, grants, pages })
}

fn device(ask: &Ask<'_>, of: &Device) -> GrantDevice {
    GrantDevice { key: of.key.clone(), host: ask.scope.field(MaskedField::Hosts, &of.host) }
}

fn line(ask: &Ask<'_>, row: &EmergencyRow) -> Result<EmergencyLine, Trouble> {
    let at = moment(ask.session)?;
    let o = &row.opened;
    let closed = row.closed.as_ref().map(|s| EmergencyClosed {
        index: s.index,
        by: id(&s.by),
        time: s.time,
        reason: s.reason.clone(),
    });
    Ok(EmergencyLine {
        break_glass: o.id.to_string(),
        index: row.index,
        environment: o.environment.clone(),
        application: o.application.clone(),
        repository: o.repository.clone(),
        commit: o.commit.clone(),
        reason: o.reason.clone(),
        ticket: ask.scope.field(MaskedField::Tickets, &o.ticket),
        by: id(&o.by),
        device: device(ask, &o.device),
        opened: o.time,
        expires: o.expires,
        open: row.is_open(at),
        closed,
        ratify_by: o.ratify_by,
        review_by: o.review_by,
        ratification: word(row.standing(Owed::Ratification, at)).to_owned(),
        ratified: row.ratified.as_ref().map(ratified),
        review: word(row.standing(Owed::Review, at)).to_owned(),
        reviewed: row.reviewed.as_ref().map(reviewed).transpose()?,
        compliant: row.is_compliant(at),
        was_compliant: row.was_compliant(at),
    })
}

fn ratified(done: &Done) -> EmergencyRatified {
    let said = &done.said;
    EmergencyRatified {
        index: said.index,
        by: id(&said.by),
        time: said.time,
        late: done.late,
        statement: said.reason.clone(),
    }
}

fn reviewed(done: &Done) -> Result<EmergencyReviewed, Trouble> {
    let said = &done.said;
    let unreadable = || Trouble::internal("what a review says cannot be read");
    let text: Value = serde_json::from_str(&said.reason).map_err(|_| unreadable())?;
    let of = |name: &str| text.get(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(unreadable);
    Ok(EmergencyReviewed {
        index: said.index,
        by: id(&said.by),
        time: said.time,
        late: done.late,
        findings: of("findings")?,
        root_cause: of("root_cause")?,
        corrective_action: of("corrective_action")?,
    })
}
