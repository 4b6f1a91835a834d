//! The engine that decides: the interpreter `regorus`, pinned to one exact version, with our builtins.

use std::sync::{Arc, Mutex, PoisonError};

use countersign_model::{Digest, Timestamp};
use serde_json::Value;

use super::PolicyEngine;
use super::program::{Input, Options, Program};
use crate::{Bundle, Error};

/// What is asked of every bundle.
const QUERY: &str = "data.countersign.gates";

/// How many bundles stay compiled. A command needs one; `policy impact` and a replay of a period need a few.
const KEPT: usize = 4;

/// Compiled bundles, the one used last at the end.
static COMPILED: Mutex<Vec<(Digest, Arc<Program>)>> = Mutex::new(Vec::new());

/// The interpreter `regorus`, Rego v1. Its clock is the given time, random numbers and the machine's time zone are
/// refused, there is no network and no environment; a panic of the interpreter is an error of the evaluation.
#[derive(Debug, Clone, Copy, Default)]
pub struct RegorusEngine;

impl PolicyEngine for RegorusEngine {
    fn name_and_version(&self) -> String {
        // The workspace pins this very version; a test compares it with the lock file. The number after it is ours: it
        // rises with every change to the rewriting or the builtins that could change an answer.
        "regorus/0.11.0+1".to_owned()
    }

    fn evaluate(&self, bundle: &Bundle, facts: &Value, time: Timestamp) -> Result<Value, Error> {
        self.value(bundle, QUERY, facts, time)
    }
}

impl RegorusEngine {
    /// Parses every file of `bundle` and resolves every name in it, without facts.
    ///
    /// # Errors
    /// [`Error::Rego`] with file and line, or [`Error::Panic`].
    pub fn check(&self, bundle: &Bundle) -> Result<(), Error> {
        compiled(bundle).map(drop)
    }

    /// The value of any `data.…` path of `bundle`; how the tests of policies are run.
    ///
    /// # Errors
    /// As [`PolicyEngine::evaluate`].
    pub fn value(&self, bundle: &Bundle, path: &str, facts: &Value, time: Timestamp) -> Result<Value, Error> {
        self.value_over(bundle, path, Input::of(facts), time)
    }

    /// As [`RegorusEngine::value`], over what was made an input before.
    ///
    /// # Errors
    /// As [`PolicyEngine::evaluate`].
    pub(crate) fn value_over(
        &self,
        bundle: &Bundle,
        path: &str,
        input: Input,
        time: Timestamp,
    ) -> Result<Value, Error> {
        compiled(bundle)?.value_over(path, input, time)?.ok_or_else(|| Error::Undefined(path.to_owned()))
    }
}

/// The bundle, compiled; from memory where it was before.
fn compiled(bundle: &Bundle) -> Result<Arc<Program>, Error> {
    let digest = bundle.digest();
    let mut kept = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(i) = kept.iter().position(|(d, _)| *d == digest) {
        let found = kept.remove(i);
        kept.push(found.clone());
        return Ok(found.1);
    }
    drop(kept);
    let files: Vec<(&str, &str)> = bundle.modules().collect();
    let options = Options { v0: bundle.manifest()?.is_v0(), ..Options::default() };
    let program = Arc::new(Program::compile(files, bundle.data()?.as_ref(), options)?);
    kept = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= KEPT {
        kept.remove(0);
    }
    kept.push((digest, Arc::clone(&program)));
    Ok(program)
}
