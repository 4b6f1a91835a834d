//! Approvals that were signed with a key of their signer's. What is signed is fetched here, and comes back signed.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::IF_MATCH;
use countersign_evidence::act::SignedAct;
use countersign_evidence::statement::Statement;
use countersign_evidence::{canonical, to_base64};
use countersign_model::event::ApprovalSigned;
use countersign_model::{Diagnostic as _, Digest, Exit, PersonId, RunId};
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::release::{approve, prepared};
use countersign_store::Session;
use countersign_store::projection::ApprovalRow;

use super::answers::ToSign;
use super::ask::Ask;
use super::runs;
use super::wire::Wire as _;
use super::writes::{Asking, Done};
use crate::app::Trouble;
use crate::web::sign;

/// Bytes of a signed act.
const LARGEST: usize = 256 << 10;

/// What somebody has to sign to fill a slot of the newest decision. Nothing is appended by that.
pub(super) fn to_sign(ask: &mut Ask<'_>) -> Result<ToSign, Trouble> {
    let (run, slot) = sign::named(ask.param("run"), ask.param("slot"))?;
    let key = ask.said("key").to_owned();
    let host = ask.filter("host").unwrap_or("unknown").to_owned();
    if ask.session.state().run(&run)?.is_none() {
        return Err(Trouble::not_found("run"));
    }
    // Whether somebody else may sign is not told.
    let owner = ask.session.state().key(&key)?.map(|row| row.person);
    if owner.as_ref() != Some(&ask.visitor()?.person) {
        return Err(Trouble::no_role("what a key of somebody else signs"));
    }
    let made =
        prepared::statement(ask.session, &ConfinedEngine, &run, &slot, &key, &host).map_err(|e| sign::told(&e))?;
    Ok(ToSign {
        run: run.to_string(),
        slot: slot.to_string(),
        person: made.person.to_string(),
        decision: made.said.decision,
        namespace: countersign_evidence::act::APPROVAL.to_owned(),
        statement: to_base64(&made.statement),
    })
}

/// Adds an approval.
pub(super) async fn approve(asking: Asking, body: Body) -> Result<Done, Trouble> {
    let condition = asking.headers.get(IF_MATCH).and_then(|v| v.to_str().ok()).ok_or_else(Trouble::no_condition)?;
    let looked_at: Digest = condition.trim().trim_matches('"').parse().map_err(|_| Trouble::no_condition())?;
    let bytes = axum::body::to_bytes(body, LARGEST).await.map_err(|_| Trouble::too_much(LARGEST as u64))?;
    let run = RunId::from_text(asking.param("run"));
    let app = Arc::clone(&asking.app);
    let person = asking.person()?;
    let done = app.with(move |session| added(session, &run, &person, looked_at, &bytes)).await?;
    Ok(Done::ok(done))
}

fn added(
    session: &mut Session,
    run: &RunId,
    person: &PersonId,
    looked_at: Digest,
    bytes: &[u8],
) -> Result<serde_json::Value, Trouble> {
    let row = session.state().run(run)?.ok_or_else(|| Trouble::not_found("run"))?;
    let Some(p) = said(bytes) else {
        session.record_refusal("approve", Some(run), Some(person), "CS-SERVER-023")?;
        return Err(Trouble::bad_request("what was sent is no signed approval"));
    };
    // The same approval again is the one that is there: whoever lost the answer sends it once more.
    if p.run != *run {
        return Err(Trouble::bad_request("what was signed is the approval of another run"));
    }
    let is_it = |a: &ApprovalRow| a.person == p.person && a.slot == p.slot && a.time == p.time && a.device == p.device;
    if row.approvals.iter().any(is_it) {
        return Ok(runs::for_workers(session, run)?.json());
    }
    let newest = row.decisions.last().map(|d| d.digest);
    if newest != Some(looked_at) {
        let now = newest.map_or_else(|| "none".to_owned(), |digest| digest.to_string());
        return Err(Trouble::other_decision(&now));
    }
    approve::import(session, &ConfinedEngine, bytes).map_err(|e| {
        // What does not verify is a no to whoever sent it, and none of this server's faults.
        let status = if e.exit() == Exit::Unverified { StatusCode::FORBIDDEN } else { Trouble::of(&e).status };
        Trouble { status, ..Trouble::of(&e) }
    })?;
    Ok(runs::for_workers(session, run)?.json())
}

/// What an act says, where it is an approval. Nothing is believed of it here.
fn said(bytes: &[u8]) -> Option<ApprovalSigned> {
    let statement = SignedAct::from_slice(bytes).ok()?.statement().ok()?;
    let read: Statement<ApprovalSigned> = canonical::from_slice(&statement).ok()?;
    Some(read.predicate)
}
