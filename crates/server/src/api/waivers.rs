//! Waivers: what is let through all the same.

use countersign_govern::waivers;
use countersign_store::projection::WaiverState;

use super::ask::{Ask, id};
use super::wire::{Waiver, WaiverList};
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
    let items = chosen.map(|w| {
        let request = &w.row.request;
        Waiver {
            waiver: request.waiver.to_string(),
            index: w.row.index,
            state: w.state.as_str().to_owned(),
            controls: request.scope.controls.iter().map(ToString::to_string).collect(),
            person: id(&request.by),
            granted_by: w.row.granted.as_ref().map(|g| id(&g.by)),
            expires: request.expires,
            renewals: request.renewals.into(),
        }
    });
    Ok(WaiverList { items: items.collect() })
}
