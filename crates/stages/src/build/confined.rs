//! Gates are decided by a process of their own, so that no policy takes this one's memory or keeps it waiting.

use countersign_connect::worker::{self, Allowance, WorkerError};
use countersign_model::Timestamp;
use countersign_policy::engine::worker as wire;
use countersign_policy::{Bundle, Error, PolicyEngine, RegorusEngine};
use serde_json::Value;

/// The argument that makes this program the process that evaluates.
pub const WORKER: &str = "policy-worker";

/// The engine of gates: [`RegorusEngine`] in a second process of this program, with a limit on its memory
/// ([`wire::MEMORY`]) and its time ([`wire::PATIENCE`]). Its answers are the same, byte for byte.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConfinedEngine;

impl PolicyEngine for ConfinedEngine {
    fn name_and_version(&self) -> String {
        RegorusEngine.name_and_version()
    }

    fn evaluate(&self, bundle: &Bundle, facts: &Value, time: Timestamp) -> Result<Value, Error> {
        wire::answer(&ask(wire::question(bundle, facts, time)?)?)
    }
}

impl ConfinedEngine {
    /// As [`RegorusEngine::check`], for a bundle that somebody else hands in.
    ///
    /// # Errors
    /// As there, and when it takes more memory or time than the process has.
    pub fn check(self, bundle: &Bundle) -> Result<(), Error> {
        wire::compiles(&ask(wire::question_of_bundle(bundle)?)?)
    }
}

fn ask(question: Vec<u8>) -> Result<Vec<u8>, Error> {
    let allowance = Allowance { time: wire::PATIENCE, answer: wire::LONGEST_ANSWER };
    worker::ask(WORKER, question, allowance).map_err(|error| match error {
        WorkerError::TooLong(time) => Error::TooLong(time),
        WorkerError::Memory => Error::TooMuchMemory(wire::MEMORY),
        other => Error::Worker(other.to_string()),
    })
}
