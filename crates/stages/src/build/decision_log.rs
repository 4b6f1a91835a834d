//! The use case `policy decision-log`: recorded decisions as events of OPA's decision log
//! (<https://www.openpolicyagent.org/docs/management-decision-logs>), so that what collects those can read ours.
//!
//! The event has OPA's fields and four of ours: `evidence_seq`, the index in the log; `input_sha256`, over the facts as
//! they were; `engine`; `now_frozen`. What the bundle's own `data.system.log.mask` names is taken out, and events for
//! which `data.system.log.drop` holds are left out, both as OPA does. The record itself is not touched.

use countersign_evidence::canonical;
use countersign_policy::{Bundle, RegorusEngine};
use countersign_store::Session;
use serde_json::{Value, json};

use super::decide::read_decision;
use super::impact::{Period, each};
use super::replay::decision_id;
use crate::Error;

/// What a bundle's mask is.
const MASK: &str = "data.system.log.mask";
/// Whether a bundle wants an event left out.
const DROP: &str = "data.system.log.drop";

/// Calls `tell` with the event of every decision of a period, oldest first, and returns how many were dropped.
///
/// # Errors
/// When the ledger cannot be read, or a mask cannot be evaluated: then nothing more is told, for what should have been
/// masked is not known. Whatever `tell` returns.
pub fn events<E: From<Error>>(
    session: &Session,
    period: &Period,
    version: &str,
    mut tell: impl FnMut(Value) -> Result<(), E>,
) -> Result<u64, E> {
    let mut dropped = 0;
    let mut failed = None;
    let walked = each(session, period, |row| {
        let decision = read_decision(row)?;
        let facts: Value = canonical::from_slice(&session.ledger().payload(&row.facts)?)?;
        let bundle = Bundle::from_bytes(&session.ledger().payload(&row.bundle)?)?;
        let revision = Some(bundle.manifest()?.revision).filter(|r| !r.is_empty());
        let mut event = json!({
            "labels": {"id": session.state().origin(), "version": version, "run": row.run},
            "decision_id": decision_id(&row.digest),
            "bundles": {"countersign": {"revision": revision.unwrap_or_else(|| decision.bundle.to_string())}},
            "path": "countersign/gates",
            "input": facts,
            "result": decision.verdict,
            "timestamp": decision.time,
            "evidence_seq": row.index,
            "input_sha256": decision.facts,
            "engine": decision.engine,
            "now_frozen": decision.time,
        });
        let ask = |path: &str, event: &Value| match RegorusEngine.value(&bundle, path, event, decision.time) {
            Err(countersign_policy::Error::Undefined(_)) => Ok(None),
            other => other.map(Some),
        };
        if ask(DROP, &event)? == Some(Value::Bool(true)) {
            dropped += 1;
            return Ok(());
        }
        if let Some(Value::Array(masks)) = ask(MASK, &event)? {
            mask(&mut event, &masks);
        }
        if failed.is_none() {
            failed = tell(event).err();
        }
        Ok(())
    });
    match failed {
        Some(e) => Err(e),
        None => walked.map(|()| dropped).map_err(E::from),
    }
}

/// Takes out or replaces what the masks name, and notes what that was.
fn mask(event: &mut Value, masks: &[Value]) {
    let (mut erased, mut masked) = (Vec::new(), Vec::new());
    for rule in masks {
        let path = rule.as_str().or_else(|| rule.get("path").and_then(Value::as_str)).unwrap_or("");
        // Only what was asked and answered can be masked; the rest identifies the event.
        if !(path.starts_with("/input/") || path.starts_with("/result/") || path == "/input" || path == "/result") {
            continue;
        }
        let upsert = rule.get("op").and_then(Value::as_str) == Some("upsert");
        if upsert {
            let value = rule.get("value").cloned().unwrap_or(Value::Null);
            if let Some(there) = event.pointer_mut(path) {
                *there = value;
                masked.push(path.to_owned());
            } else if let Some((parent, name)) = path.rsplit_once('/')
                && let Some(Value::Object(map)) = event.pointer_mut(parent)
            {
                map.insert(unescape(name), value);
                masked.push(path.to_owned());
            }
        } else if remove(event, path) {
            erased.push(path.to_owned());
        }
    }
    for (name, paths) in [("erased", erased), ("masked", masked)] {
        if !paths.is_empty() {
            event[name] = json!(paths);
        }
    }
}

/// A token of a JSON pointer (RFC 6901).
fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

fn remove(event: &mut Value, path: &str) -> bool {
    let Some((parent, name)) = path.rsplit_once('/') else { return false };
    match event.pointer_mut(parent) {
        Some(Value::Object(map)) => map.remove(&unescape(name)).is_some(),
        Some(Value::Array(all)) => match name.parse::<usize>() {
            Ok(i) if i < all.len() => {
                all.remove(i);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_take_out_and_replace_and_are_noted() {
        let mut event = json!({"decision_id": "d", "input": {"a": {"b/c": 1}, "l": [1, 2]}, "result": {"r": 1}});
        let masks = [
            json!("/input/a/b~1c"),
            json!({"op": "upsert", "path": "/result/r", "value": "x"}),
            json!({"op": "upsert", "path": "/input/new", "value": 1}),
            json!({"op": "remove", "path": "/input/l/0"}),
            json!("/decision_id"),
            json!("/input/none"),
        ];
        mask(&mut event, &masks);
        assert_eq!(
            event,
            json!({
                "decision_id": "d", "input": {"a": {}, "l": [2], "new": 1}, "result": {"r": "x"},
                "erased": ["/input/a/b~1c", "/input/l/0"], "masked": ["/result/r", "/input/new"],
            })
        );
    }
}
