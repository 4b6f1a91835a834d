//! What programs are told of an emergency: the same where the ledger is and over the network.

use countersign_evidence::canonical;
use countersign_model::access::emergencies::Owed;
use countersign_model::{BreakGlassId, GrantId};
use countersign_store::Session;
use countersign_store::projection::{Done, EmergencyRow, Standing};
use serde_json::{Value, json};

use super::break_glass::{find, moment};
use super::error::ReleaseError;
use super::grant as tokens;
use crate::Error;

fn done(done: Option<&Done>, said: impl Fn(&str) -> Value) -> Value {
    done.map_or(Value::Null, |d| {
        let text = said(&d.said.reason);
        json!({"index": d.said.index, "by": d.said.by, "time": d.said.time, "late": d.late, "said": text})
    })
}

/// A ratification is a line, whatever it looks like.
fn line(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// A review has parts.
fn parts(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| line(text))
}

/// Where a duty stands, as a word.
#[must_use]
pub const fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Done => "done",
        Standing::DoneLate => "late",
        Standing::Owed => "owed",
        Standing::Overdue => "overdue",
    }
}

/// One as JSON: what `break-glass list` prints of it.
///
/// # Errors
/// When the projection cannot be read.
pub fn to_json(session: &Session, row: &EmergencyRow) -> Result<Value, Error> {
    let at = moment(session)?;
    let o = &row.opened;
    let closed = row.closed.as_ref().map(|s| json!({"index": s.index, "by": s.by, "time": s.time, "reason": s.reason}));
    Ok(json!({
        "break_glass": o.id, "index": row.index, "environment": o.environment, "application": o.application,
        "repository": o.repository, "commit": o.commit, "reason": o.reason, "ticket": o.ticket, "by": o.by,
        "device": o.device, "opened": o.time, "expires": o.expires, "open": row.is_open(at), "closed": closed,
        "ratify_by": o.ratify_by, "review_by": o.review_by,
        "ratification": word(row.standing(Owed::Ratification, at)), "ratified": done(row.ratified.as_ref(), line),
        "review": word(row.standing(Owed::Review, at)), "reviewed": done(row.reviewed.as_ref(), parts),
        "compliant": row.is_compliant(at), "was_compliant": row.was_compliant(at),
    }))
}

/// Everything about one: its grants with how it stood when they were issued, what became of them, and who was told.
///
/// # Errors
/// When the record cannot be read.
pub fn whole(session: &Session, row: &EmergencyRow) -> Result<Value, Error> {
    let mut one = to_json(session, row)?;
    let mut grants = Vec::new();
    for id in session.state().emergency_grants(&row.opened.id)? {
        let Some(grant) = session.state().grant(&id)? else { continue };
        grants.push(json!({
            "grant": id, "index": grant.index, "run": grant.grant.run, "commit": grant.grant.commit, "by": grant.grant.by,
            "device": grant.grant.device, "authors": grant.grant.excluded, "state": tokens::standing(session, &grant)?,
            "redeemed": grant.started, "standing": stored(session, grant.index)?,
        }));
    }
    let pages = session.state().pages(&row.opened.id)?;
    let pages: Vec<Value> = pages
        .iter()
        .map(|p| {
            json!({
                "index": p.index, "owed": p.owed, "rung": p.rung, "delivered": p.delivered, "attempts": p.attempts,
                "time": p.time,
            })
        })
        .collect();
    if let Some(object) = one.as_object_mut() {
        object.insert("version".into(), 1.into());
        object.insert("grants".into(), grants.into());
        object.insert("pages".into(), pages.into());
    }
    Ok(one)
}

/// How it stood, as it was attached to a grant.
///
/// # Errors
/// When the record cannot be read.
pub fn stored(session: &Session, index: u64) -> Result<Value, Error> {
    let entry = session.ledger().entries(index..index + 1)?;
    let blob = entry.first().and_then(|(_, entry)| entry.attachments.first());
    match blob {
        Some(blob) => {
            let bytes = session.ledger().payload(blob)?;
            Ok(canonical::from_slice(&bytes)?)
        }
        None => Ok(Value::Null),
    }
}

/// What `break-glass open` and `break-glass grant` print of a grant that goes past the gates, the file aside. `opened` is the log index
/// of the emergency, where it was opened with the grant.
///
/// # Errors
/// When the record cannot be read.
pub fn issued(session: &Session, id: &BreakGlassId, grant: &GrantId, opened: Option<u64>) -> Result<Value, Error> {
    let emergency = find(session, id.as_str())?;
    let row = session.state().grant(grant)?.ok_or(ReleaseError::NotInLedger)?;
    let token = tokens::token(session, &row)?;
    Ok(json!({
        "version": 1, "break_glass": id, "opened": opened, "ratify_by": emergency.opened.ratify_by,
        "review_by": emergency.opened.review_by, "standing": stored(session, row.index)?,
        "grant": {
            "id": grant, "run": row.grant.run, "environment": row.grant.environment, "commit": row.grant.commit,
            "expires": row.grant.expires, "index": row.index, "token": token,
        },
    }))
}
