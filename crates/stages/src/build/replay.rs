//! The use case `replay`: computes a recorded decision again from what is recorded, and compares byte for byte.

use countersign_evidence::canonical;
use countersign_model::RunId;
use countersign_policy::{Bundle, Decision, PolicyEngine, Replay, replay_under};
use countersign_store::Session;
use countersign_store::projection::DecisionRow;
use serde_json::Value;

use super::{decide, governed};
use crate::Error;

/// A decision computed again.
pub struct Replayed {
    /// The run it belongs to.
    pub run: RunId,
    /// Log index of the decision.
    pub index: u64,
    /// The recorded decision.
    pub decision: Decision,
    /// How the two compare.
    pub result: Replay,
}

/// The id that people type for a decision: `dec-` and the start of its digest.
#[must_use]
pub fn decision_id(digest: &countersign_model::Digest) -> String {
    let hex: String = digest.hex().chars().take(20).collect();
    format!("dec-{hex}")
}

/// Replays the decision that `text` names: its id or digest (or the start of one), its log index, or a run (then its
/// last decision).
///
/// # Errors
/// When nothing or more than one thing is named, or facts or bundle cannot be read back.
pub fn replay(session: &Session, engine: &dyn PolicyEngine, text: &str) -> Result<Replayed, Error> {
    replay_row(session, engine, &find(session, text)?)
}

/// Replays one recorded decision.
///
/// # Errors
/// When facts or bundle cannot be read back.
pub(super) fn replay_row(session: &Session, engine: &dyn PolicyEngine, row: &DecisionRow) -> Result<Replayed, Error> {
    let decision = decide::read_decision(row)?;
    let facts: Value = canonical::from_slice(&session.ledger().payload(&row.facts)?)?;
    let bundle = Bundle::from_bytes(&session.ledger().payload(&row.bundle)?)?;
    let assignment = decision.assignment.as_ref().map(|d| governed::read_assignment(session, d)).transpose()?;
    let result = replay_under(engine, &decision, &facts, &bundle, assignment.as_ref())?;
    Ok(Replayed { run: row.run.clone(), index: row.index, decision, result })
}

fn find(session: &Session, text: &str) -> Result<DecisionRow, Error> {
    let state = session.state();
    let none = || Error::NoSuchDecision { decision: text.to_owned() };
    if let Ok(index) = text.trim_start_matches('#').parse::<u64>()
        && let Some(found) = state.decision_at(index)?
    {
        return Ok(found);
    }
    let hex = text.strip_prefix("dec-").or_else(|| text.strip_prefix("sha256:"));
    if hex.is_none()
        && let [run] = state.runs_named(text)?.as_slice()
    {
        return state.run(run)?.and_then(|mut run| run.decisions.pop()).ok_or_else(none);
    }
    let hex = hex.unwrap_or(text);
    if hex.len() < 6 {
        return Err(none());
    }
    let mut found = state.decisions_named(hex)?;
    match (found.pop(), found.pop()) {
        (Some(one), None) => Ok(one),
        _ => Err(none()),
    }
}
