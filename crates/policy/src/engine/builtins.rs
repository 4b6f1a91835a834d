//! Builtins that would make a decision depend on when, where or how often it is computed, and what we do with them.
//!
//! The interpreter looks for an extension before its own builtin of the same name, so each of these is an extension.
//! `http.send`, `net.lookup_ip_addr`, `opa.runtime` and `uuid.rfc4122` are not compiled in at all.

use std::fmt;

use countersign_model::Timestamp;
use regorus::{Engine, Value};

use super::message;
use crate::Error;

/// The time zone name that means "wherever this machine happens to be".
const MACHINE_ZONE: &str = "Local";

/// The most numbers that `numbers.range` may make.
const MAX_RANGE: i64 = 1_000_000;

/// The builtins that accept `[ns, zone]`, with the number of their arguments.
const ZONED: [(&str, u8); 6] = [
    ("time.add_date", 4),
    ("time.clock", 1),
    ("time.date", 1),
    ("time.diff", 2),
    ("time.format", 1),
    ("time.weekday", 1),
];

/// A builtin was called in a way that no decision may depend on. Its text becomes the evaluation error's.
#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// Freezes the clock of `engine` at `time` and fences off what varies.
pub(super) fn freeze(engine: &mut Engine, time: Timestamp) -> Result<(), Error> {
    let ns = time.millis().checked_mul(1_000_000).ok_or(Error::Time(time))?;
    let mut add = |name: &str, arguments: u8, extension: Box<dyn regorus::Extension>| {
        engine.add_extension(name.to_owned(), arguments, extension).map_err(|e| Error::Engine(e.to_string()))
    };
    add("time.now_ns", 0, Box::new(move |_| Ok(Value::from(ns))))?;
    add(
        "rand.intn",
        2,
        Box::new(|_| Err(Refused("`rand.intn` is not available: a decision must be replayable".to_owned()).into())),
    )?;
    for (name, arguments) in ZONED {
        add(
            name,
            arguments,
            Box::new(move |given| {
                if given.iter().any(names_machine_zone) {
                    let text = format!("`{name}` with the zone `{MACHINE_ZONE}` depends on the machine: name the zone");
                    return Err(Refused(text).into());
                }
                Ok(original(name, given)?)
            }),
        )?;
    }
    for (name, arguments) in [("numbers.range", 2), ("numbers.range_step", 3)] {
        add(
            name,
            arguments,
            Box::new(move |given| {
                let end = |i: usize| given.get(i).and_then(|v: &Value| v.as_i64().ok());
                match (end(0), end(1)) {
                    (Some(from), Some(to)) if from.abs_diff(to) < MAX_RANGE.unsigned_abs() => {
                        Ok(original(name, given)?)
                    }
                    _ => Err(Refused(format!("`{name}` makes at most {MAX_RANGE} numbers")).into()),
                }
            }),
        )?;
    }
    Ok(())
}

fn names_machine_zone(argument: &Value) -> bool {
    argument.as_array().is_ok_and(|a| a.get(1).is_some_and(|zone| zone.as_string().is_ok_and(|z| **z == *MACHINE_ZONE)))
}

/// What the interpreter's own builtin says. A second engine, without our extensions, is the only way to reach it.
fn original(name: &str, given: Vec<Value>) -> Result<Value, Refused> {
    let arguments: Vec<String> = (0..given.len()).map(|i| format!("input[{i}]")).collect();
    let mut plain = Engine::new();
    plain.set_input(Value::from(given));
    let answer = plain
        .eval_query(format!("{name}({})", arguments.join(", ")), false)
        .map_err(|e| Refused(message::split(&e.to_string()).1))?;
    let value = answer.result.into_iter().next().and_then(|r| r.expressions.into_iter().next()).map(|e| e.value);
    Ok(value.unwrap_or(Value::Undefined))
}
