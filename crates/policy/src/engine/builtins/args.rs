//! Reading arguments, and making values.

use std::collections::BTreeSet;
use std::io;

use regorus::Value;
use regorus::value::Object;

use super::{Fault, MAX_BYTES, MAX_ELEMENTS};

/// The kind of a value as `type_name` says it.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Set(_) => "set",
        Value::Object(_) => "object",
        Value::Undefined => "undefined",
    }
}

/// The fault of an argument of the wrong kind. Arguments are counted from 0 here and from 1 in the text.
pub(super) fn wrong(args: &[Value], i: usize, want: &str) -> Fault {
    let got = args.get(i).map_or("nothing", kind);
    Fault::Operand(format!("operand {} must be {want} but got {got}", i + 1))
}

pub(super) fn string(args: &[Value], i: usize) -> Result<&str, Fault> {
    match args.get(i) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(wrong(args, i, "string")),
    }
}

pub(super) fn object(args: &[Value], i: usize) -> Result<&Object, Fault> {
    match args.get(i) {
        Some(Value::Object(object)) => Ok(object),
        _ => Err(wrong(args, i, "object")),
    }
}

pub(super) fn array(args: &[Value], i: usize) -> Result<&[Value], Fault> {
    match args.get(i) {
        Some(Value::Array(array)) => Ok(array),
        _ => Err(wrong(args, i, "array")),
    }
}

/// The elements of an array or a set.
pub(super) fn elements(args: &[Value], i: usize) -> Result<Vec<&Value>, Fault> {
    match args.get(i) {
        Some(Value::Array(array)) => Ok(array.iter().collect()),
        Some(Value::Set(set)) => Ok(set.iter().collect()),
        _ => Err(wrong(args, i, "one of {array, set}")),
    }
}

/// What is at a key that is text.
pub(super) fn get<'a>(object: &'a Object, key: &str) -> Option<&'a Value> {
    object.get(&Value::from(key))
}

/// As [`get`], where what is there is text.
pub(super) fn get_str<'a>(object: &'a Object, key: &str) -> Option<&'a str> {
    match get(object, key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

pub(super) fn make_object<'a>(pairs: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    pairs.into_iter().map(|(key, value)| (Value::from(key), value)).collect::<Object>().into_value()
}

pub(super) fn make_set(values: impl IntoIterator<Item = Value>) -> Value {
    Value::from(values.into_iter().collect::<BTreeSet<Value>>())
}

/// Refuses an answer of more elements than any may have.
pub(super) fn limit_elements(count: usize) -> Result<(), Fault> {
    if count > MAX_ELEMENTS {
        return Err(Fault::Refused(format!("the answer would have more than {MAX_ELEMENTS} elements")));
    }
    Ok(())
}

/// Refuses an answer of more text than any may have.
pub(super) fn limit_bytes(count: usize) -> Result<(), Fault> {
    if count > MAX_BYTES {
        return Err(Fault::Refused(format!("the answer would have more than {MAX_BYTES} bytes")));
    }
    Ok(())
}

/// A value as compact JSON, keys in order; sets become arrays.
pub(super) fn to_json(value: &Value) -> Result<String, Fault> {
    /// Text that does not grow beyond what an answer may have: a value may be far larger than the memory it takes.
    struct Bounded(Vec<u8>);

    impl io::Write for Bounded {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.len() + bytes.len() > MAX_BYTES {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut text = Bounded(Vec::new());
    match serde_json::to_writer(&mut text, value) {
        Ok(()) => String::from_utf8(text.0).map_err(|e| Fault::Operand(e.to_string())),
        Err(e) if e.is_io() => limit_bytes(usize::MAX).map(|()| String::new()),
        Err(e) => Err(Fault::Operand(e.to_string())),
    }
}

/// A value from JSON text.
pub(super) fn from_json(text: &str) -> Result<Value, Fault> {
    Value::from_json_str(text).map_err(|e| Fault::Operand(e.to_string()))
}

/// A fault of an argument's value.
pub(super) fn fault(text: impl Into<String>) -> Fault {
    Fault::Operand(text.into())
}

/// A number as floating point, rounded where it has more digits than that holds.
pub(super) fn float(value: &Value) -> Option<f64> {
    let Value::Number(number) = value else { return None };
    #[expect(clippy::cast_precision_loss, reason = "rounding is what is asked for")]
    let whole = number.as_i128().map(|n| n as f64);
    whole.or_else(|| number.as_f64())
}

/// A whole number.
pub(super) fn integer(args: &[Value], i: usize) -> Result<i128, Fault> {
    match args.get(i) {
        Some(Value::Number(number)) => {
            number.as_i128().ok_or_else(|| fault(format!("operand {} must be an integer of 128 bits at most", i + 1)))
        }
        _ => Err(wrong(args, i, "number")),
    }
}
