//! Approving with a passkey: what the acts of the page of one approval do. Each is the command line's use case; what is refused is
//! recorded there.

use std::time::Instant;

use countersign_model::access::SlotName;
use countersign_model::{Diagnostic as _, Exit, RunId};
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::release::prepared;
use countersign_store::Session;
use countersign_store::projection::KeyRow;

use super::acts::Doing;
use super::look::encode;
use crate::app::{App, Trouble};
use crate::auth::lock;

/// The passkeys of somebody that count now, oldest first.
pub(crate) fn passkeys(session: &Session, person: &countersign_model::PersonId) -> Result<Vec<KeyRow>, Trouble> {
    let place = session.place()?;
    let mut all = session.state().keys_of(person)?;
    all.retain(|row| row.passkey.is_some() && row.trouble(place).is_none());
    Ok(all)
}

/// Whether a passkey signs in pages of this server.
pub(crate) fn is_here(app: &App, row: &KeyRow) -> bool {
    row.passkey.as_ref().is_some_and(|made| made.origin == app.options.origin.to_string())
}

/// The run and the slot of the page.
pub(crate) fn named(run: &str, slot: &str) -> Result<(RunId, SlotName), Trouble> {
    let slot = slot.parse().map_err(|_| Trouble::not_found("approval"))?;
    Ok((RunId::from_text(run), slot))
}

/// What a use case says, as a client is told it: an answer that does not verify is a no, and none of this server's faults.
pub(crate) fn told(error: &countersign_stages::Error) -> Trouble {
    let mut trouble = Trouble::of(error);
    let is_of_the_act =
        ["CS-PASSKEY-", "CS-APPROVAL-", "CS-RELEASE-", "CS-IDENTITY-"].iter().any(|of| trouble.code.starts_with(of));
    if error.exit() == Exit::Unverified && is_of_the_act {
        trouble.status = axum::http::StatusCode::FORBIDDEN;
    }
    trouble
}

/// Decides anew where the recorded decision is not of what is so now, and asks whether the visitor may sign.
pub(super) fn prepare(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let (run, slot) = named(doing.param("run"), doing.param("slot"))?;
    let mine = passkeys(doing.session, &doing.visitor.person)?;
    let asked = doing.field("key").to_owned();
    let Some(key) = mine.iter().find(|row| row.fingerprint == asked && is_here(doing.app, row)) else {
        return Err(refused(doing, &run, Trouble::no_passkey())?);
    };
    prepared::prepare(doing.session, &ConfinedEngine, &run, &slot, None, &key.fingerprint).map_err(|e| told(&e))?;
    Ok(format!("/approvals/{}/{}?key={}", encode(run.as_str()), encode(slot.as_str()), encode(&asked)))
}

/// Takes what the passkey answered.
pub(super) fn complete(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let (run, slot) = named(doing.param("run"), doing.param("slot"))?;
    let request =
        lock(&doing.app.preparations).take(doing.field("prepared"), &doing.visit.name, &run, &slot, Instant::now());
    let Some(request) = request else { return Err(refused(doing, &run, Trouble::not_prepared())?) };
    let answer = doing.field("answer").as_bytes().to_vec();
    let approved = prepared::complete(doing.session, &ConfinedEngine, &run, &slot, &request, &answer);
    approved.map_err(|e| told(&e))?;
    Ok(format!("/runs/{}", encode(run.as_str())))
}

/// Records a refusal of this server's own, as those of the use cases are.
fn refused(doing: &mut Doing<'_>, run: &RunId, trouble: Trouble) -> Result<Trouble, Trouble> {
    let known = doing.session.state().run(run)?.is_some();
    doing.session.record_refusal("approve", known.then_some(run), Some(&doing.visitor.person), trouble.code)?;
    Ok(trouble)
}
