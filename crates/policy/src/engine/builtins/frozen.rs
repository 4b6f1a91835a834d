//! Builtins that would make a decision depend on when, where or how often it is computed, and what we do with them.
//!
//! The interpreter looks for an extension before its own builtin of the same name, so each of these is an extension.
//! Those that are never available, `http.send` and the like, are in `refused`.

use std::cell::Cell;

use countersign_model::Timestamp;
use regorus::{Engine, Value};
use sha2::{Digest as _, Sha256};

use super::{Builtin, Fault, args};
use crate::Error;
use crate::engine::message;

/// The time zone name that means "wherever this machine happens to be".
const MACHINE_ZONE: &str = "Local";

thread_local! {
    /// The time that policies on this thread are told, in nanoseconds since 1970.
    static NOW: Cell<i64> = const { Cell::new(0) };
}

/// Freezes the clock of what this thread evaluates.
///
/// # Errors
/// [`Error::Time`] when policies have no number for that time.
pub(in crate::engine) fn freeze(time: Timestamp) -> Result<(), Error> {
    NOW.set(time.millis().checked_mul(1_000_000).ok_or(Error::Time(time))?);
    Ok(())
}

/// The frozen time, in nanoseconds since 1970.
pub(super) fn now_ns() -> i64 {
    NOW.get()
}

/// These builtins.
pub(super) const FAMILY: &[Builtin] = &[
    Builtin { name: "time.now_ns", arity: 0, call: |_| Ok(Value::from(now_ns())) },
    Builtin { name: "rand.intn", arity: 2, call: intn },
    Builtin { name: "uuid.rfc4122", arity: 1, call: uuid },
    Builtin { name: "time.add_date", arity: 4, call: |given| zoned("time.add_date", given) },
    Builtin { name: "time.clock", arity: 1, call: |given| zoned("time.clock", given) },
    Builtin { name: "time.date", arity: 1, call: |given| zoned("time.date", given) },
    Builtin { name: "time.diff", arity: 2, call: |given| zoned("time.diff", given) },
    Builtin { name: "time.format", arity: 1, call: |given| zoned("time.format", given) },
    Builtin { name: "time.weekday", arity: 1, call: |given| zoned("time.weekday", given) },
];

/// Bytes that nobody can choose and everybody can compute again: SHA-256 over what they are for, the frozen time and the
/// text that the policy gives, each ended by a zero byte.
fn derived(what: &str, text: &str) -> [u8; 32] {
    Sha256::digest(format!("{what}\0{}\0{text}\0", now_ns()).as_bytes()).into()
}

/// `rand.intn(text, n)`: the same number for the same text in one evaluation, as in OPA; and, here, for the same frozen
/// time, so that the decision can be computed again. It is no secret and must not be used as one.
fn intn(given: &[Value]) -> Result<Value, Fault> {
    let n = args::integer(given, 1)?;
    let n = n.unsigned_abs();
    if n == 0 {
        return Ok(Value::from(0_u128));
    }
    let bytes = derived("rand.intn", args::string(given, 0)?);
    let number = bytes.iter().take(8).fold(0_u128, |n, b| n << 8 | u128::from(*b));
    Ok(Value::from(number % n))
}

/// `uuid.rfc4122(text)`: a UUID of version 8 (RFC 9562, 5.8), derived as the numbers of `rand.intn` are.
fn uuid(given: &[Value]) -> Result<Value, Fault> {
    let bytes = derived("uuid.rfc4122", args::string(given, 0)?);
    let mut hex = String::new();
    for (i, byte) in bytes.iter().take(16).enumerate() {
        let byte = match i {
            6 => byte & 0x0f | 0x80,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        if matches!(i, 4 | 6 | 8 | 10) {
            hex.push('-');
        }
        hex.push_str(&format!("{byte:02x}"));
    }
    Ok(Value::from(hex))
}

fn refused(text: impl Into<String>) -> Result<Value, Fault> {
    Err(Fault::Refused(text.into()))
}

fn zoned(name: &str, given: &[Value]) -> Result<Value, Fault> {
    if given.iter().any(names_machine_zone) {
        return refused(format!("`{name}` with the zone `{MACHINE_ZONE}` depends on the machine: name the zone"));
    }
    original(name, given)
}

fn names_machine_zone(argument: &Value) -> bool {
    argument.as_array().is_ok_and(|a| a.get(1).is_some_and(|zone| zone.as_string().is_ok_and(|z| **z == *MACHINE_ZONE)))
}

/// What the interpreter's own builtin says. A second engine, without our extensions, is the only way to reach it.
fn original(name: &str, given: &[Value]) -> Result<Value, Fault> {
    let arguments: Vec<String> = (0..given.len()).map(|i| format!("input[{i}]")).collect();
    let mut plain = Engine::new();
    plain.set_strict_builtin_errors(true);
    plain.set_input(Value::from(given.to_vec()));
    let answer = plain
        .eval_query(format!("{name}({})", arguments.join(", ")), false)
        .map_err(|e| Fault::Operand(message::split(&e.to_string()).1))?;
    let value = answer.result.into_iter().next().and_then(|r| r.expressions.into_iter().next()).map(|e| e.value);
    Ok(value.unwrap_or(Value::Undefined))
}
