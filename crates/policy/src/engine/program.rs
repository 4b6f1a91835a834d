//! Any set of Rego modules, compiled once and asked often: what gates, tests of policies and policies of other people
//! have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use countersign_model::{Place, Timestamp};
use rayon::{ThreadPool, ThreadPoolBuilder};
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, LimitError};
use serde_json::{Map, Value};

use super::builtins::{Builtin, Fault, frozen};
use super::source::{SHIM, Sources};
use super::{calls, imports, limits, message, nesting};
use crate::Error;

/// How long one evaluation may take. Ordinary bundles need milliseconds; this only ends runaway policies, and ends
/// them in an error. Elapsed time is the one thing that is not frozen, and it can never turn a no into a yes.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// The stack of an evaluation, in bytes; only what is used is ever mapped. It holds the longest chain of rules with
/// the deepest expressions that `calls` and `nesting` let through, several times over.
const STACK: usize = 256 << 20;

/// How many steps one evaluation may take: a hundred times what a plan of 100,000 resources needs.
pub(super) const STEPS: u64 = 250_000_000;

/// How a program is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether a builtin that is given wrong arguments ends the evaluation in an error. OPA's usual way is `false`: the
    /// call is undefined then. Gates are strict, for `not f(x)` must not become true by a mistake.
    pub strict: bool,
    /// The most time for one evaluation.
    pub limit: Duration,
    /// The most steps for one evaluation, to the nearest thousand.
    pub steps: u64,
    /// Whether the modules are of Rego v0, without `if` and `contains`.
    pub v0: bool,
    /// Whether lines that were evaluated are counted.
    pub coverage: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { strict: true, limit: LIMIT, steps: STEPS, v0: false, coverage: false }
    }
}

/// Lines of a file, by whether they were evaluated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Lines that were evaluated.
    pub covered: BTreeSet<u32>,
    /// Lines that were not.
    pub not_covered: BTreeSet<u32>,
}

/// Compiled modules. Asking changes nothing in it, so one program serves many threads.
pub struct Program {
    engine: Engine,
    /// Engines that answered and can answer again. A copy of `engine` shares what is compiled until it is first asked, and
    /// copies it then, which takes longer than most answers.
    idle: Mutex<Vec<Engine>>,
    sources: Sources,
    /// The builtins of ours that the engine knows already.
    known: BTreeSet<&'static str>,
    /// Where a column is not the author's, by file and line.
    shifted: BTreeSet<(String, u32)>,
    options: Options,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Program {
    /// Compiles modules, path and text, with documents under `data`.
    ///
    /// # Errors
    /// [`Error::Rego`] with file and line when a module does not parse, calls what is not there, nests too deep or builds
    /// on itself; [`Error::Evaluation`] when two documents contradict each other.
    pub fn compile<'a>(
        modules: impl IntoIterator<Item = (&'a str, &'a str)> + Send,
        data: Option<&Value>,
        options: Options,
    ) -> Result<Self, Error> {
        contained(|| {
            let mut program = Self::load(modules, options)?;
            if let Some(data) = data {
                let added = program.engine.add_data(regorus::Value::from(data.clone()));
                added.map_err(|e| Error::Evaluation { place: None, message: message::split(&e.to_string()).1 })?;
            }
            limits::begin(options.steps);
            // A query that touches no rule: the interpreter analyses all modules before it answers, once.
            match program.engine.eval_query("true".to_owned(), false) {
                Ok(_) => Ok(program),
                Err(e) => {
                    let (place, message) = program.told(&e.to_string());
                    Err(Error::Rego { place, message })
                }
            }
        })
    }

    fn load<'a>(modules: impl IntoIterator<Item = (&'a str, &'a str)>, options: Options) -> Result<Self, Error> {
        let modules: Vec<(&str, &str)> = modules.into_iter().collect();
        let mut engine = Engine::new();
        engine.set_rego_v0(options.v0);
        engine.set_strict_builtin_errors(options.strict);
        engine.set_gather_prints(true);
        engine.set_enable_coverage(options.coverage);
        engine
            .set_execution_timer_config(ExecutionTimerConfig { limit: options.limit, check_interval: limits::STRIDE });
        engine.set_policy_length_config(super::wide());
        let sources = Sources::read(modules.iter().copied())?;
        let mut program =
            Self { engine, idle: Mutex::default(), sources, known: BTreeSet::new(), shifted: BTreeSet::new(), options };
        for (path, text) in modules {
            let written = program.sources.rewrite(path, text)?;
            nesting::check(path, &written.text)?;
            let qualified = imports::qualify(path, &written.text, options.v0)?;
            let lines = written.lines.into_iter().chain(qualified.lines);
            program.shifted.extend(lines.map(|line| (path.to_owned(), line)));
            program.add(path, qualified.text)?;
        }
        program.link()?;
        calls::check(&mut program.engine)?;
        Ok(program)
    }

    fn add(&mut self, path: &str, text: String) -> Result<(), Error> {
        self.engine.add_policy(path.to_owned(), text).map(drop).map_err(|e| {
            let (place, message) = self.told(&e.to_string());
            Error::Rego { place: place.or_else(|| Some(Place::file(path))), message }
        })
    }

    /// Gives the engine the builtins that are called, and the functions that call them.
    fn link(&mut self) -> Result<(), Error> {
        for builtin in self.sources.used() {
            if self.known.insert(builtin.name) {
                extend(&mut self.engine, builtin, self.options.strict)?;
            }
        }
        match self.sources.shim() {
            Some(text) => self.add(SHIM, text),
            None => Ok(()),
        }
    }

    /// The value of a path, `data.main.deny`, with `input`, where there is one, and the policy's clock frozen at `time`; `None` where it is
    /// undefined.
    ///
    /// # Errors
    /// When the evaluation fails, takes too long or panics, or the value is not JSON.
    pub fn value(&self, path: &str, input: Option<&Value>, time: Timestamp) -> Result<Option<Value>, Error> {
        self.value_over(path, Input(given(input)), time)
    }

    /// As [`Program::value`], over what was made an input before.
    ///
    /// # Errors
    /// As [`Program::value`].
    pub(crate) fn value_over(&self, path: &str, input: Input, time: Timestamp) -> Result<Option<Value>, Error> {
        self.ask(path, input.0, time, |answer, program| {
            let value = answer.result.into_iter().next().and_then(|row| row.expressions.into_iter().next());
            match value.map(|e| e.value) {
                None | Some(regorus::Value::Undefined) => Ok(None),
                Some(value) => program.json(&value).map(Some),
            }
        })
    }

    /// As [`Program::value`], from JSON to JSON, without building either twice: for large inputs.
    ///
    /// # Errors
    /// As [`Program::value`]; and when the input is not JSON.
    pub fn json_value(&self, path: &str, input: &str, time: Timestamp) -> Result<Option<String>, Error> {
        let not_json = |e: String| Error::Evaluation { place: None, message: message::split(&e).1 };
        let input = regorus::Value::from_json_str(input).map_err(|e| not_json(e.to_string()))?;
        self.ask(path, input, time, |answer, program| {
            let value = answer.result.into_iter().next().and_then(|row| row.expressions.into_iter().next());
            match value.map(|e| e.value) {
                None | Some(regorus::Value::Undefined) => Ok(None),
                Some(value) if program.sources.renames() => Ok(Some(program.json(&value)?.to_string())),
                Some(value) => serde_json::to_string(&value).map(Some).map_err(|source| Error::NotJson { source }),
            }
        })
    }

    /// The answers to a query, `data.a.b = x`, each a map of its variables. An answer of `false` is none.
    ///
    /// # Errors
    /// As [`Program::value`].
    pub fn query(&self, query: &str, input: Option<&Value>, time: Timestamp) -> Result<Vec<Map<String, Value>>, Error> {
        self.ask(query, given(input), time, rows)
    }

    /// As [`Program::query`], with an input that is written in Rego and may hold sets.
    ///
    /// # Errors
    /// As [`Program::value`].
    pub fn query_with_term(&self, query: &str, term: &str, time: Timestamp) -> Result<Vec<Map<String, Value>>, Error> {
        let input = self.ask(term, regorus::Value::Undefined, time, |answer, _| {
            let value = answer.result.into_iter().next().and_then(|row| row.expressions.into_iter().next());
            Ok(value.map_or(regorus::Value::Undefined, |e| e.value))
        })?;
        self.ask(query, input, time, rows)
    }

    /// Which lines were evaluated for the values of `paths`, by file.
    ///
    /// # Errors
    /// As [`Program::value`]; a value that cannot be had counts for the lines that were reached.
    pub fn coverage(&self, paths: &[String], time: Timestamp) -> Result<BTreeMap<String, Coverage>, Error> {
        contained(|| {
            frozen::freeze(time)?;
            let mut engine = self.engine.clone();
            for path in paths {
                limits::begin(self.options.steps);
                // What fails was told when it was asked for its value.
                let _failed = engine.eval_query(path.clone(), false).is_err();
            }
            let report = engine.get_coverage_report().map_err(|e| Error::Engine(e.to_string()))?;
            let files = report.files.into_iter().filter(|f| f.path != SHIM);
            let lines = files.map(|f| (f.path, Coverage { covered: f.covered, not_covered: f.not_covered }));
            Ok(lines.collect())
        })
    }

    fn ask<T: Send>(
        &self,
        query: &str,
        input: regorus::Value,
        time: Timestamp,
        read: impl FnOnce(regorus::QueryResults, &Self) -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        contained(|| {
            frozen::freeze(time)?;
            let mut engine = self.idle().pop().unwrap_or_else(|| self.engine.clone());
            let known = plain(query);
            let asked = if known { query.to_owned() } else { self.prepare(query, &mut engine)? };
            engine.set_input(input);
            limits::begin(self.options.steps);
            let answer = engine.eval_query(asked, false).map_err(|e| match e.downcast_ref::<LimitError>() {
                Some(LimitError::TimeLimitExceeded { .. }) if limits::spent() => {
                    Error::TooManySteps(self.options.steps)
                }
                Some(LimitError::TimeLimitExceeded { .. }) => Error::TooLong(self.options.limit),
                _ => {
                    let (place, message) = self.told(&e.to_string());
                    Error::Evaluation { place, message }
                }
            })?;
            // What a policy printed is nobody's; it must not pile up. One that failed is not asked again, nor one that was
            // given builtins that the others do not have.
            let printed = engine.take_prints().is_ok();
            if known && printed {
                engine.set_input(regorus::Value::Undefined);
                self.idle().push(engine);
            }
            read(answer, self)
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Engine>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A query as the engine reads it. It may call what no module calls.
    fn prepare(&self, query: &str, engine: &mut Engine) -> Result<String, Error> {
        let mut sources = self.sources.clone();
        let query = sources.query(query)?;
        nesting::check("(query)", &query)?;
        for builtin in sources.used().filter(|b| !self.known.contains(b.name)) {
            extend(engine, builtin, self.options.strict)?;
        }
        if sources.shim() != self.sources.shim() {
            return Err(Error::Evaluation {
                place: None,
                message: "a query calls a builtin in a way that only a module can: put it into a rule".to_owned(),
            });
        }
        Ok(query)
    }

    fn json(&self, value: &regorus::Value) -> Result<Value, Error> {
        let mut value = serde_json::to_value(value).map_err(|source| Error::NotJson { source })?;
        if self.sources.renames() {
            self.sources.restore(&mut value);
        }
        Ok(value)
    }

    /// Place and message of an error of the interpreter.
    fn told(&self, text: &str) -> (Option<Place>, String) {
        let (place, message) = message::split(text);
        let mut place = place.filter(|p| p.file != SHIM);
        if let Some(place) = &mut place
            && place.line.is_some_and(|line| self.shifted.contains(&(place.file.clone(), line)))
        {
            place.column = None;
        }
        (place, message)
    }
}

/// A value as the interpreter has it. A copy shares everything, so that what many rules read is built once.
#[derive(Debug, Clone)]
pub(crate) struct Input(regorus::Value);

impl Input {
    pub(crate) fn of(value: &Value) -> Self {
        Self(given(Some(value)))
    }

    /// An object of these.
    pub(crate) fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let fields = fields.into_iter().map(|(name, Self(value))| (regorus::Value::from(name), value));
        Self(regorus::Value::from(fields.collect::<BTreeMap<_, _>>()))
    }
}

fn given(input: Option<&Value>) -> regorus::Value {
    input.map_or(regorus::Value::Undefined, |input| regorus::Value::from(input.clone()))
}

/// Whether a query is a path of names, which needs no preparation.
fn plain(query: &str) -> bool {
    query.starts_with("data.") && query.chars().all(|c| c == '_' || c == '.' || c.is_ascii_alphanumeric())
}

fn rows(answer: regorus::QueryResults, program: &Program) -> Result<Vec<Map<String, Value>>, Error> {
    let no = |value: &regorus::Value| matches!(value, regorus::Value::Undefined | regorus::Value::Bool(false));
    let rows = answer.result.into_iter().filter(|row| !row.expressions.iter().any(|e| no(&e.value)));
    rows.map(|row| match program.json(&row.bindings)? {
        Value::Object(map) => Ok(map),
        _ => Ok(Map::new()),
    })
    .collect()
}

fn extend(engine: &mut Engine, builtin: &'static Builtin, strict: bool) -> Result<(), Error> {
    let call = move |given: Vec<regorus::Value>| match (builtin.call)(&given) {
        Ok(value) => Ok(value),
        Err(Fault::Operand(_)) if !strict => Ok(regorus::Value::Undefined),
        Err(fault) => Err(fault.into()),
    };
    let added = engine.add_extension(builtin.name.to_owned(), builtin.arity, Box::new(call));
    added.map_err(|e| Error::Engine(e.to_string()))
}

/// Threads with stacks of known size, as many as there are cores. They are kept: making one, with memory of its own, takes
/// as long as an answer.
static THREADS: OnceLock<Result<ThreadPool, String>> = OnceLock::new();

/// Runs `f` on a stack of known size; a panic inside becomes an error. The engine it used is gone then, so nothing
/// half-done survives.
pub(super) fn contained<T: Send>(f: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    let threads = THREADS.get_or_init(|| {
        limits::install()?;
        let named = ThreadPoolBuilder::new().thread_name(|_| "policy".to_owned()).stack_size(STACK);
        named.build().map_err(|e| e.to_string())
    });
    let threads = threads.as_ref().map_err(|e| Error::Engine(format!("no threads for it: {e}")))?;
    // What `f` holds is gone after a panic; nothing of it is looked at again.
    threads.install(|| panic::catch_unwind(AssertUnwindSafe(f))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(Error::Panic(text.unwrap_or_else(|| "no message".to_owned())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::{Diagnostic as _, Exit};

    #[test]
    fn a_policy_that_takes_too_long_is_ended() {
        let text =
            "package t\n\nx := count({[a, b] | some a in numbers.range(1, 900); some b in numbers.range(1, 900)})\n";
        let options = Options { limit: Duration::ZERO, ..Options::default() };
        let program = Program::compile([("t.rego", text)], None, options).unwrap();
        let error = program.value("data.t.x", None, Timestamp::from_millis(0)).unwrap_err();
        assert!(matches!(error, Error::TooLong(_)), "{error:?}");
        assert_eq!(error.exit(), Exit::Incomplete);
    }

    #[test]
    fn a_policy_that_takes_too_many_steps_is_ended_at_the_same_step_everywhere() {
        let text = "package t\n\nx := count({[a, b] | some a in numbers.range(1, 300); some b in numbers.range(1, 300)})\n\n\
                    y := count([a | some a in numbers.range(1, 100)])\n";
        let ended = |steps| {
            let program = Program::compile([("t.rego", text)], None, Options { steps, ..Options::default() }).unwrap();
            // What one evaluation used is not missing from the next, nor in an engine that answered before.
            assert_eq!(program.value("data.t.y", None, Timestamp::from_millis(0)).unwrap(), Some(100.into()));
            assert_eq!(program.value("data.t.y", None, Timestamp::from_millis(0)).unwrap(), Some(100.into()));
            match program.value("data.t.x", None, Timestamp::from_millis(0)) {
                Ok(value) => {
                    assert_eq!(value, Some(90_000.into()));
                    false
                }
                Err(Error::TooManySteps(limit)) => limit == steps,
                Err(other) => panic!("{other:?}"),
            }
        };
        let needed = (1..200).map(|n| n * 20_000).find(|steps| !ended(*steps)).unwrap();
        assert!((90_000..2_000_000).contains(&needed), "{needed}");
        assert!(ended(needed - 20_000) && !ended(needed + 20_000));
    }

    #[test]
    fn one_answer_leaves_nothing_for_the_next() {
        let text = "package t\n\nimport data.d\n\nx := [input.a, time.now_ns(), d.k] if print(input.a)\n\n\
                    y := 1 / input.a\n\nz := x if x := count(input.a) with input.a as [1]\n";
        let data = serde_json::json!({"d": {"k": 1}});
        let program = Program::compile([("t.rego", text)], Some(&data), Options::default()).unwrap();
        let ask = |path: &str, a: i64| {
            let input = serde_json::json!({"a": a});
            program.value(path, Some(&input), Timestamp::from_millis(a))
        };
        for a in [1_i64, 2, 3] {
            assert_eq!(ask("data.t.x", a).unwrap(), Some(serde_json::json!([a, a * 1_000_000, 1])));
            assert!(ask("data.t.y", 0).is_err());
            assert_eq!(ask("data.t.z", a).unwrap(), Some(serde_json::json!(1)));
            assert_eq!(program.value("data.t.x", None, Timestamp::from_millis(0)).unwrap(), None);
            assert!(program.query("x = concat(\",\", [\"a\"])", None, Timestamp::from_millis(0)).is_ok());
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|a| scope.spawn(move || (a, ask("data.t.x", a)))).collect();
            for thread in threads {
                let (a, answer) = thread.join().unwrap();
                assert_eq!(answer.unwrap(), Some(serde_json::json!([a, a * 1_000_000, 1])));
            }
        });
    }

    #[test]
    fn a_panic_is_an_error() {
        let error = contained::<()>(|| panic!("on purpose: {}", 1)).unwrap_err();
        assert_eq!(error.to_string(), "the policy engine broke down: on purpose: 1");
    }
}
