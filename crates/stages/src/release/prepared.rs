//! `approve` with a key that signs elsewhere: a browser with a passkey. First the exact statement and the challenge are given
//! out, then the answer comes in; whatever changed in between, nothing counts that would not have counted if it had been signed and
//! appended at once.

use countersign_connect::host_name;
use countersign_evidence::act;
use countersign_evidence::statement::Statement;
use countersign_evidence::{canonical, from_base64, to_base64};
use countersign_model::access::SlotName;
use countersign_model::event::ApprovalSigned;
use countersign_model::{PersonId, RunId};
use countersign_policy::PolicyEngine;
use countersign_store::Session;
use countersign_store::passkey;
use countersign_store::projection::KeyRow;
use countersign_store::session::act_statement;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::approval_error::ApprovalError;
use super::approve::{Approved, By, propose, rooted, subject, take};
use super::refuse::{self, Attempt};
use crate::Error;

/// Something to sign with a passkey. It is handed out and comes back; nothing in it is believed but what is signed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningRequest {
    /// 1.
    version: u32,
    /// What it is signed for.
    namespace: String,
    /// The canonical statement in base64: exactly what is signed.
    statement: String,
    /// The passkey's fingerprint.
    key: String,
    /// The origin in which it signs.
    origin: String,
    /// What `navigator.credentials.get` is called with, as `parseRequestOptionsFromJSON` takes it.
    #[serde(rename = "publicKey")]
    options: Value,
}

impl SigningRequest {
    /// What `navigator.credentials.get` is called with.
    #[must_use]
    pub const fn options(&self) -> &Value {
        &self.options
    }
}

/// A request that was made.
pub struct Prepared {
    /// Who is to sign.
    pub person: PersonId,
    /// What.
    pub request: SigningRequest,
    /// What the statement in it says.
    pub said: ApprovalSigned,
    /// The canonical statement itself.
    pub statement: Vec<u8>,
}

/// What a passkey, named by its fingerprint or the start of it, has to sign for an approval, if its person may give that now.
///
/// # Errors
/// As [`super::approve::approve`]; when the key is no passkey. What is refused is recorded first.
pub fn prepare(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    run: &RunId,
    slot: &SlotName,
    hours: Option<u32>,
    passkey: &str,
) -> Result<Prepared, Error> {
    ask(session, engine, false, run, slot, hours, passkey)
}

/// As [`prepare`], for somebody who only looks at a page: nothing is appended, neither a decision nor a refusal. It is of the recorded
/// decision.
///
/// # Errors
/// As [`prepare`]; [`Error::ChangedMeanwhile`] when the recorded decision is not of what is so now.
pub fn preview(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    run: &RunId,
    slot: &SlotName,
    passkey: &str,
) -> Result<Prepared, Error> {
    ask(session, engine, true, run, slot, None, passkey)
}

/// What is signed to approve, with any key of somebody's: for a program of theirs that signs on another machine. It is of the recorded
/// decision, and nothing is appended.
pub struct ToSign {
    /// Who is to sign.
    pub person: PersonId,
    /// What the statement says.
    pub said: ApprovalSigned,
    /// The canonical statement: exactly what is signed.
    pub statement: Vec<u8>,
}

/// What the key of this fingerprint, or the start of it, has to sign for an approval on the machine `host`, if its person may give
/// that now. The answer goes to [`super::approve::import`].
///
/// # Errors
/// As [`preview`]; the key may be any that is enrolled.
pub fn statement(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    run: &RunId,
    slot: &SlotName,
    key: &str,
    host: &str,
) -> Result<ToSign, Error> {
    let attempt = Attempt { act: "approve", run: Some(run.clone()), carry: true };
    rooted(session, attempt.act)?;
    let row = refuse::unless(session, &attempt, None, |s| of_key(s, key))?;
    let public = row.public.as_ref().ok_or_else(|| Error::UnknownKey { fingerprint: row.fingerprint.clone() })?;
    let by = By { person: row.person.clone(), key: public, strength: row.strength(), host: host.to_owned() };
    let (said, ..) = propose(session, engine, &attempt, run, slot, None, by)?;
    let statement = act_statement(subject(&said), said.clone())?;
    Ok(ToSign { person: row.person, said, statement })
}

fn ask(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    only_looks: bool,
    run: &RunId,
    slot: &SlotName,
    hours: Option<u32>,
    key: &str,
) -> Result<Prepared, Error> {
    let attempt = Attempt { act: "approve", run: Some(run.clone()), carry: only_looks };
    rooted(session, attempt.act)?;
    let row = refuse::unless(session, &attempt, None, |s| named(s, key))?;
    let (Some(key), Some(made)) = (&row.public, &row.passkey) else { return Err(no_passkey(&row)) };
    let by = By { person: row.person.clone(), key, strength: row.strength(), host: host_name() };
    let (said, ..) = propose(session, engine, &attempt, run, slot, hours, by)?;
    let statement = act_statement(subject(&said), said.clone())?;
    let request = SigningRequest {
        version: 1,
        namespace: act::APPROVAL.to_owned(),
        statement: to_base64(&statement),
        key: row.fingerprint.clone(),
        origin: made.origin.clone(),
        options: passkey::request(&row, act::APPROVAL, &statement)?,
    };
    Ok(Prepared { person: row.person, request, said, statement })
}

/// Takes the answer to a request for this run and slot, and appends the approval if it still counts.
///
/// # Errors
/// When the request is for something else, the answer is not that of its passkey, and as [`super::approve::import`]. What is refused
/// is recorded first.
pub fn complete(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    run: &RunId,
    slot: &SlotName,
    request: &[u8],
    answer: &[u8],
) -> Result<Approved, Error> {
    let attempt = Attempt { act: "approve", run: Some(run.clone()), carry: false };
    rooted(session, attempt.act)?;
    let (statement, p) = refuse::unless(session, &attempt, None, |_| asked(request, run, slot))?;
    let signed = refuse::unless(session, &attempt, Some(&p.person), |s| {
        let row = named(s, &p.device.key)?;
        Ok(passkey::signed(&row, act::APPROVAL, &statement, answer)?)
    })?;
    take(session, engine, &signed.to_vec()?, attempt.act)
}

/// The statement in a request for this run and slot.
fn asked(request: &[u8], run: &RunId, slot: &SlotName) -> Result<(Vec<u8>, ApprovalSigned), Error> {
    let other = || Error::from(ApprovalError::OtherRequest { run: run.clone(), slot: slot.clone() });
    let request: SigningRequest = serde_json::from_slice(request).map_err(|_| other())?;
    let statement = from_base64(&request.statement).ok_or_else(other)?;
    let read: Statement<ApprovalSigned> = canonical::from_slice(&statement).map_err(|_| other())?;
    let p = read.predicate;
    if request.version != 1 || request.namespace != act::APPROVAL || p.run != *run || p.slot != *slot {
        return Err(other());
    }
    Ok((statement, p))
}

/// The one passkey that counts and whose fingerprint begins so, of somebody who is here.
pub(super) fn named(session: &Session, text: &str) -> Result<KeyRow, Error> {
    let row = of_key(session, text)?;
    if row.passkey.is_none() { Err(no_passkey(&row)) } else { Ok(row) }
}

/// The one key of that name, where it counts now.
pub(super) fn of_key(session: &Session, text: &str) -> Result<KeyRow, Error> {
    let state = session.state();
    let mut found = state.keys_named(text)?;
    let (Some(row), true) = (found.pop(), found.is_empty()) else {
        return Err(Error::UnknownKey { fingerprint: text.to_owned() });
    };
    refuse::usable(state.usable(&row.fingerprint, session.place()?)?)?;
    refuse::here(state, &row.person)?;
    Ok(row)
}

fn no_passkey(row: &KeyRow) -> Error {
    Error::Session(passkey::no_passkey(row).into())
}
