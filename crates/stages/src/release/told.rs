//! What programs are told of gates and of what people said about a run: the same where the ledger is and over the network.

use serde_json::{Value, json};

use super::reject::Spoken;
use super::rules::{Filled, GateReason, GateStatus, SlotStatus};

impl Spoken {
    /// As JSON: what `reject` and `withdraw` print.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "version": 1, "run": self.run, "person": self.person, "index": self.index, "ended": self.ended,
            "gates": to_json(&self.gates),
        })
    }
}

/// Gates as JSON: `reasons` holds the codes, `details` the sentences.
#[must_use]
pub fn to_json(gates: &[GateStatus]) -> Value {
    gates
        .iter()
        .map(|g| {
            let mut codes: Vec<&str> = g.reasons.iter().filter(|r| r.blocks()).map(|r| r.code.as_str()).collect();
            codes.dedup();
            json!({
                "name": g.name,
                "outcome": g.outcome,
                "reasons": codes,
                "details": g.reasons.iter().map(detail).collect::<Vec<_>>(),
                "controls": g.controls,
                "approvals": g.slots.iter().flat_map(seats).collect::<Vec<_>>(),
            })
        })
        .collect()
}

/// One object for every signature that a slot needs.
fn seats(slot: &SlotStatus) -> Vec<Value> {
    let seat = |filled: Option<&Filled>| {
        let mut seat = json!({
            "slot": slot.rule.slot,
            "role": slot.rule.roles.first(),
            "person": filled.map(|f| &f.person),
            "index": filled.map(|f| f.index),
            "eligible": slot.eligible,
        });
        if let (Some(until), Some(object)) = (filled.and_then(|f| f.until), seat.as_object_mut()) {
            object.insert("until".into(), json!(until));
        }
        seat
    };
    slot.filled.iter().map(Some).chain((0..slot.missing()).map(|_| None)).map(seat).collect()
}

fn detail(reason: &GateReason) -> Value {
    let mut detail = json!({"code": reason.code, "effect": reason.effect, "text": reason.text});
    if let (Some(enforced), Some(object)) = (&reason.enforced, detail.as_object_mut()) {
        object.insert("level".into(), json!(enforced.level));
        object.insert("standing".into(), json!(enforced.standing));
        if let Some(by) = &enforced.by {
            object.insert("by".into(), json!(by));
        }
    }
    detail
}
