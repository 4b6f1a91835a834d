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
        let allowance = Allowance { time: wire::PATIENCE, answer: wire::LONGEST_ANSWER };
        match worker::ask(WORKER, wire::question(bundle, facts, time)?, allowance) {
            Ok(answer) => wire::answer(&answer),
            Err(WorkerError::TooLong(time)) => Err(Error::TooLong(time)),
            Err(WorkerError::Memory) => Err(Error::TooMuchMemory(wire::MEMORY)),
            Err(other) => Err(Error::Worker(other.to_string())),
        }
    }
}
