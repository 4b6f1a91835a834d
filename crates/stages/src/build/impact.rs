//! The use cases that look at many recorded decisions: `replay` of a period or a sample, and `policy impact`.

use countersign_evidence::canonical;
use countersign_model::{Digest, RunId, Timestamp};
use countersign_policy::{Bundle, PolicyEngine, Replay, Verdict, decide_under};
use countersign_store::Session;
use countersign_store::projection::DecisionRow;
use serde_json::{Value, json};

use super::decide::read_decision;
use super::governed;
use super::replay::{decision_id, replay_row};
use crate::Error;

/// How many decisions are read at once.
const PAGE: u32 = 256;

/// Which recorded decisions are looked at.
#[derive(Debug, Clone, Default)]
pub struct Period {
    /// Made at this time or later.
    pub from: Option<Timestamp>,
    /// Made before this time.
    pub to: Option<Timestamp>,
}

impl Period {
    fn holds(&self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| time >= from) && self.to.is_none_or(|to| time < to)
    }
}

/// Calls `f` with every recorded decision of a period, oldest first.
pub(super) fn each(
    session: &Session,
    period: &Period,
    mut f: impl FnMut(&DecisionRow) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut next = 0;
    loop {
        let page = session.state().decisions_from(next, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        next = last.index + 1;
        for row in &page {
            if period.holds(read_decision(row)?.time) {
                f(row)?;
            }
        }
    }
}

/// A decision that did not come out as it was recorded.
#[derive(Debug)]
pub struct Deviation {
    /// Log index of the decision.
    pub index: u64,
    /// The run it belongs to.
    pub run: RunId,
    /// Its id.
    pub decision: String,
    /// How it compares, or why it could not be computed.
    pub result: Result<Replay, Error>,
}

/// What replaying many decisions showed.
#[derive(Debug, Default)]
pub struct Replays {
    /// Decisions in the period.
    pub population: u64,
    /// Decisions that were computed again.
    pub replayed: u64,
    /// Those that came out byte for byte.
    pub identical: u64,
    /// Those of another version of the engine that came out the same.
    pub other_engine: u64,
    /// All others.
    pub deviations: Vec<Deviation>,
}

/// A sample of a population: how many, and the seed that chooses. The decision at position `i` of `n`, counted from 0
/// in log order, has the rank SHA-256(`seed` `:` `i`), in ASCII; the lowest `size` ranks are the sample. So the choice is
/// the seed's, and can be made again by anybody.
#[derive(Debug, Clone)]
pub struct Sample {
    /// How many.
    pub size: u64,
    /// What chooses.
    pub seed: String,
}

impl Sample {
    fn rank(&self, position: u64) -> String {
        Digest::of(format!("{}:{position}", self.seed).as_bytes()).hex()
    }

    /// The positions that are chosen out of `population`, in order.
    #[must_use]
    pub fn choose(&self, population: u64) -> Vec<u64> {
        let mut ranked: Vec<(String, u64)> = (0..population).map(|i| (self.rank(i), i)).collect();
        ranked.sort_unstable();
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let mut chosen: Vec<u64> = ranked.into_iter().take(size).map(|(_, i)| i).collect();
        chosen.sort_unstable();
        chosen
    }
}

/// Replays every decision of a period, or a sample of them.
///
/// # Errors
/// When the ledger cannot be read. A decision that cannot be computed again is a [`Deviation`], not an error.
pub fn replay_many(
    session: &Session,
    engine: &dyn PolicyEngine,
    period: &Period,
    sample: Option<&Sample>,
) -> Result<Replays, Error> {
    let mut out = Replays::default();
    each(session, period, |_| {
        out.population += 1;
        Ok(())
    })?;
    let chosen = sample.map(|s| s.choose(out.population));
    let mut position = 0;
    each(session, period, |row| {
        let here = position;
        position += 1;
        if chosen.as_ref().is_some_and(|c| c.binary_search(&here).is_err()) {
            return Ok(());
        }
        out.replayed += 1;
        let result = replay_row(session, engine, row).map(|r| r.result);
        match result {
            Ok(Replay::Identical) => out.identical += 1,
            Ok(Replay::OtherEngine { same_result: true, .. }) => out.other_engine += 1,
            result => out.deviations.push(Deviation {
                index: row.index,
                run: row.run.clone(),
                decision: decision_id(&row.digest),
                result,
            }),
        }
        Ok(())
    })?;
    Ok(out)
}

/// A recorded decision that another bundle would have made otherwise.
#[derive(Debug)]
pub struct Case {
    /// Log index of the decision.
    pub index: u64,
    /// The run it belongs to.
    pub run: RunId,
    /// Its id.
    pub decision: String,
    /// `release: pass → fail (fees-without-ticket)`, a line a gate.
    pub changes: Vec<String>,
}

impl Case {
    /// For the JSON report.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"index": self.index, "run": self.run, "decision": self.decision, "changes": self.changes})
    }
}

/// What another bundle would have changed.
#[derive(Debug)]
pub struct Impact {
    /// Recorded decisions that were made again.
    pub decisions: u64,
    /// Those that would have come out otherwise.
    pub cases: Vec<Case>,
}

/// Makes the recorded decisions of a period again by `bundle`: same facts, same assignment, same frozen time.
///
/// # Errors
/// When the ledger cannot be read. A decision that `bundle` cannot make is a case that says so.
pub fn impact(
    session: &Session,
    engine: &dyn PolicyEngine,
    bundle: &Bundle,
    since: Option<Timestamp>,
) -> Result<Impact, Error> {
    let mut out = Impact { decisions: 0, cases: Vec::new() };
    each(session, &Period { from: since, to: None }, |row| {
        out.decisions += 1;
        let recorded = read_decision(row)?;
        let facts: Value = canonical::from_slice(&session.ledger().payload(&row.facts)?)?;
        let assignment = recorded.assignment.as_ref().map(|d| governed::read_assignment(session, d)).transpose()?;
        let changes = match decide_under(engine, bundle, assignment.as_ref(), &facts, recorded.time) {
            Ok(verdict) => compare(&recorded.verdict, &verdict),
            Err(e) => vec![format!("it could not be decided: {e}")],
        };
        if !changes.is_empty() {
            let decision = decision_id(&row.digest);
            out.cases.push(Case { index: row.index, run: row.run.clone(), decision, changes });
        }
        Ok(())
    })?;
    Ok(out)
}

/// What differs in the outcomes and reasons of gates.
fn compare(before: &Verdict, after: &Verdict) -> Vec<String> {
    let mut out = Vec::new();
    for gate in &after.gates {
        let Some(old) = before.gate(&gate.name) else {
            out.push(format!("{}: new, {}", gate.name, gate.outcome.as_str()));
            continue;
        };
        let codes = |g: &countersign_policy::GateVerdict| -> Vec<String> {
            let speaks = |r: &&countersign_policy::Reason| r.effect != countersign_policy::Effect::Note;
            g.reasons.iter().filter(speaks).map(|r| r.code.clone()).collect()
        };
        let (was, is) = (codes(old), codes(gate));
        let new: Vec<&str> = is.iter().filter(|c| !was.contains(c)).map(String::as_str).collect();
        let gone: Vec<&str> = was.iter().filter(|c| !is.contains(c)).map(String::as_str).collect();
        if old.outcome != gate.outcome {
            let why = if new.is_empty() { &gone } else { &new };
            let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join(", ")) };
            out.push(format!("{}: {} → {}{why}", gate.name, old.outcome.as_str(), gate.outcome.as_str()));
        } else if old.requires != gate.requires {
            out.push(format!("{}: other approvals are required", gate.name));
        }
    }
    out
}

/// The digest of a population: SHA-256 over the digests of its decisions in log order, each followed by a line feed. It
/// can be noted before a seed is given.
///
/// # Errors
/// When the ledger cannot be read.
pub fn population_digest(session: &Session, period: &Period) -> Result<Digest, Error> {
    let mut text = String::new();
    each(session, period, |row| {
        text.push_str(&row.digest.to_string());
        text.push('\n');
        Ok(())
    })?;
    Ok(Digest::of(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_the_seeds_and_no_larger_than_the_population() {
        let sample = |size, seed: &str| Sample { size, seed: seed.to_owned() }.choose(100);
        assert_eq!(sample(5, "a"), sample(5, "a"));
        assert_ne!(sample(5, "a"), sample(5, "b"));
        assert_eq!(sample(5, "a").len(), 5);
        assert_eq!(sample(500, "a"), (0..100).collect::<Vec<_>>());
        assert!(sample(5, "a").iter().all(|i| sample(20, "a").contains(i)), "a larger sample holds the smaller one");
    }
}
