//! Waivers: what is let through all the same.

use countersign_govern::waivers::{self, Standing};
use countersign_model::WaiverId;
use countersign_store::projection::{Said, WaiverState};

use super::ask::{Ask, id};
use super::wire::{Waiver, WaiverList, WaiverSaid, WaiverScope, WaiverUse};
use crate::app::Trouble;

const STATES: [WaiverState; 6] = [
    WaiverState::Requested,
    WaiverState::Active,
    WaiverState::Upcoming,
    WaiverState::Expired,
    WaiverState::Rejected,
    WaiverState::Revoked,
];

/// How a waiver may stand.
pub(super) fn states() -> Vec<&'static str> {
    STATES.iter().map(|s| s.as_str()).collect()
}

pub(super) fn list(ask: &Ask<'_>) -> Result<WaiverList, Trouble> {
    let wanted = ask.filter("state");
    let mut all = waivers::list(ask.session)?;
    all.retain(|w| ask.scope.has_waiver(&w.row));
    let chosen = all.iter().rev().filter(|w| wanted.is_none_or(|s| s == w.state.as_str()));
    Ok(WaiverList { items: chosen.map(whole).collect() })
}

/// One waiver.
pub(super) fn one(ask: &Ask<'_>) -> Result<Waiver, Trouble> {
    let row = ask.state().waiver(&WaiverId::from_text(ask.param("waiver")))?;
    let row = row.ok_or_else(|| Trouble::not_found("waiver"))?;
    Ok(whole(&waivers::standing(ask.session, row)?))
}

fn whole(w: &Standing) -> Waiver {
    let request = &w.row.request;
    let scope = &request.scope;
    Waiver {
        waiver: request.waiver.to_string(),
        index: w.row.index,
        state: w.state.as_str().to_owned(),
        controls: scope.controls.clone(),
        scope: WaiverScope {
            controls: scope.controls.clone(),
            application: scope.application.clone(),
            repository: scope.repository.clone(),
            environment: scope.environment.clone(),
            tier: scope.tier.map(|tier| tier.to_string()),
            path: scope.path.clone(),
            rule: scope.rule.clone(),
            fingerprint: scope.fingerprint,
        },
        category: request.category.to_string(),
        compensating: request.compensating.clone(),
        acceptance: request.acceptance.clone(),
        person: id(&request.by),
        requested: request.time,
        granted_by: w.row.granted.as_ref().map(|g| id(&g.by)),
        not_before: request.not_before,
        expires: request.expires,
        renews: request.renews.as_ref().map(ToString::to_string),
        renewals: request.renewals.into(),
        granted: w.row.granted.as_ref().map(said),
        rejected: w.row.rejected.as_ref().map(said),
        revoked: w.row.revoked.as_ref().map(said),
        covers: w.covers.map(|(findings, reasons)| WaiverUse { findings, reasons }),
        unmatched: w.is_unmatched(),
    }
}

fn said(s: &Said) -> WaiverSaid {
    WaiverSaid { index: s.index, by: id(&s.by), time: s.time, reason: s.reason.clone() }
}
