//! The Rego interpreter: `regorus`, pinned to one exact version. Nothing else in the house names it.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::thread;
use std::time::Duration;

use countersign_model::{Place, Timestamp};
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, LimitError, PolicyLengthConfig};
use serde_json::Value;

use super::{PolicyEngine, builtins, calls, imports, message, nesting};
use crate::{Bundle, Error};

/// What is asked of every bundle.
const QUERY: &str = "data.countersign.gates";

/// How long one evaluation may take. Ordinary bundles need milliseconds; this only ends runaway policies, and ends
/// them in an error. Elapsed time is the one thing that is not frozen, and it can never turn a no into a yes.
const LIMIT: Duration = Duration::from_secs(60);

/// The stack of an evaluation, in bytes; only what is used is ever mapped. It holds the longest chain of rules with
/// the deepest expressions that `calls` and `nesting` let through, several times over.
const STACK: usize = 256 << 20;

/// Steps between two looks at the elapsed time.
const STEPS: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);

/// The interpreter `regorus`, Rego v1. Its clock is the given time, random numbers and the machine's time zone are
/// refused, there is no network and no environment; a panic of the interpreter is an error of the evaluation.
#[derive(Debug, Clone, Copy, Default)]
pub struct RegorusEngine;

impl PolicyEngine for RegorusEngine {
    fn name_and_version(&self) -> String {
        // The workspace pins this very version; a test compares it with the lock file.
        "regorus/0.11.0".to_owned()
    }

    fn evaluate(&self, bundle: &Bundle, facts: &Value, time: Timestamp) -> Result<Value, Error> {
        query(bundle, facts, time, QUERY, LIMIT)
    }
}

impl RegorusEngine {
    /// Parses every file of `bundle` and resolves every name in it, without facts.
    ///
    /// # Errors
    /// [`Error::Rego`] with file and line, or [`Error::Panic`].
    pub fn check(&self, bundle: &Bundle) -> Result<(), Error> {
        contained(|| {
            let mut loaded = Loaded::new(bundle, Timestamp::from_millis(0), LIMIT)?;
            // A query that touches no rule: the interpreter analyses all modules before it answers.
            match loaded.engine.eval_query("true".to_owned(), false) {
                Ok(_) => Ok(()),
                Err(e) => {
                    let (place, message) = loaded.told(&e.to_string());
                    Err(Error::Rego { place, message })
                }
            }
        })
    }

    /// The value of any `data.…` path of `bundle`; how the tests of policies are run.
    ///
    /// # Errors
    /// As [`PolicyEngine::evaluate`].
    pub fn value(&self, bundle: &Bundle, path: &str, facts: &Value, time: Timestamp) -> Result<Value, Error> {
        query(bundle, facts, time, path, LIMIT)
    }
}

/// An engine that holds the bundle, with the clock frozen.
struct Loaded {
    engine: Engine,
    /// Where a column is not the author's, by file and line.
    shifted: BTreeSet<(String, u32)>,
}

impl Loaded {
    fn new(bundle: &Bundle, time: Timestamp, limit: Duration) -> Result<Self, Error> {
        let mut engine = Engine::new();
        engine.set_strict_builtin_errors(true);
        engine.set_gather_prints(true);
        engine.set_execution_timer_config(ExecutionTimerConfig { limit, check_interval: STEPS });
        // The width that an author may use is checked with the nesting; names that are written out may exceed it.
        engine
            .set_policy_length_config(PolicyLengthConfig { max_col: NonZeroU32::MAX, ..PolicyLengthConfig::default() });
        builtins::freeze(&mut engine, time)?;
        let mut loaded = Self { engine, shifted: BTreeSet::new() };
        for (path, text) in bundle.files() {
            nesting::check(path, text)?;
            let qualified = imports::qualify(path, text)?;
            loaded.shifted.extend(qualified.lines.into_iter().map(|line| (path.clone(), line)));
            if let Err(e) = loaded.engine.add_policy(path.clone(), qualified.text) {
                let (place, message) = loaded.told(&e.to_string());
                return Err(Error::Rego { place: place.or_else(|| Some(Place::file(path))), message });
            }
        }
        calls::check(&mut loaded.engine)?;
        Ok(loaded)
    }

    /// Place and message of an error of the interpreter.
    fn told(&self, text: &str) -> (Option<Place>, String) {
        let (mut place, message) = message::split(text);
        if let Some(place) = &mut place
            && place.line.is_some_and(|line| self.shifted.contains(&(place.file.clone(), line)))
        {
            place.column = None;
        }
        (place, message)
    }
}

fn query(bundle: &Bundle, facts: &Value, time: Timestamp, path: &str, limit: Duration) -> Result<Value, Error> {
    contained(|| {
        let mut loaded = Loaded::new(bundle, time, limit)?;
        loaded.engine.set_input(regorus::Value::from(facts.clone()));
        let answer =
            loaded.engine.eval_query(path.to_owned(), false).map_err(|e| match e.downcast_ref::<LimitError>() {
                Some(LimitError::TimeLimitExceeded { .. }) => Error::TooLong(limit),
                _ => {
                    let (place, message) = loaded.told(&e.to_string());
                    Error::Evaluation { place, message }
                }
            })?;
        let value = answer.result.into_iter().next().and_then(|row| row.expressions.into_iter().next());
        match value.map(|e| e.value) {
            None | Some(regorus::Value::Undefined) => Err(Error::Undefined(path.to_owned())),
            Some(value) => serde_json::to_value(&value).map_err(|source| Error::NotJson { source }),
        }
    })
}

/// Runs `f` on a stack of known size; a panic inside becomes an error. The engine it used is gone then, so nothing
/// half-done survives.
fn contained<T: Send>(f: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    let outcome = thread::scope(|scope| {
        let thread = thread::Builder::new().name("policy".to_owned()).stack_size(STACK).spawn_scoped(scope, f);
        thread.map(thread::ScopedJoinHandle::join)
    });
    match outcome {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => {
            let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(Error::Panic(text.unwrap_or_else(|| "no message".to_owned())))
        }
        Err(source) => Err(Error::Engine(format!("no thread for it: {source}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::{Diagnostic as _, Exit};
    use std::collections::BTreeMap;

    #[test]
    fn a_policy_that_takes_too_long_is_ended() {
        let text =
            "package t\n\nx := count({[a, b] | some a in numbers.range(1, 900); some b in numbers.range(1, 900)})\n";
        let bundle = Bundle::new(BTreeMap::from([("t.rego".to_owned(), text.to_owned())])).unwrap();
        let error = query(&bundle, &Value::Null, Timestamp::from_millis(0), "data.t.x", Duration::ZERO).unwrap_err();
        assert!(matches!(error, Error::TooLong(_)), "{error:?}");
        assert_eq!(error.exit(), Exit::Incomplete);
    }

    #[test]
    fn a_panic_is_an_error() {
        let error = contained::<()>(|| panic!("on purpose: {}", 1)).unwrap_err();
        assert_eq!(error.to_string(), "the policy engine broke down: on purpose: 1");
    }
}
