//! `json.match_schema` and `json.verify_schema`: JSON Schema of the drafts 4, 6 and 7, with the answers of gojsonschema,
//! which is what OPA has. All that a draft knows of a keyword's value is required of it, whichever draft that is.
//!
//! A schema that is elsewhere (`$ref` to another document) is refused: it would take a network.

use regorus::Value;

use super::args::{from_json, make_object};
use super::{Builtin, Fault};

mod check;
mod format;
#[cfg(test)]
mod tests;
mod validate;

pub(super) const FAMILY: &[Builtin] = &[
    Builtin { name: "json.match_schema", arity: 2, call: match_schema },
    Builtin { name: "json.verify_schema", arity: 1, call: verify_schema },
];

/// Text is JSON, and an object is itself. Nothing else is taken, as in OPA.
fn document(args: &[Value], i: usize) -> Result<Value, Fault> {
    match args.get(i) {
        Some(Value::String(text)) => from_json(text),
        // Sets become arrays, as in any JSON.
        Some(object @ Value::Object(_)) => from_json(&super::args::to_json(object)?),
        _ => Err(super::args::wrong(args, i, "one of {string, object}")),
    }
}

fn match_schema(args: &[Value]) -> Result<Value, Fault> {
    let (document, schema) = (document(args, 0)?, document(args, 1)?);
    let checked = check::Checked::of(&schema)?;
    let errors = validate::validate(&checked, &document, validate::MAX_STEPS)?;
    let listed = errors.iter().map(|e| {
        make_object([
            ("desc", Value::from(e.description.as_str())),
            ("error", Value::from(format!("{}: {}", e.field, e.description))),
            ("field", Value::from(e.field.as_str())),
            ("type", Value::from(e.kind)),
        ])
    });
    Ok(Value::from(vec![errors.is_empty().into(), Value::from(listed.collect::<Vec<_>>())]))
}

fn verify_schema(args: &[Value]) -> Result<Value, Fault> {
    let checked = document(args, 0).and_then(|schema| check::Checked::of(&schema).map(|_| ()));
    match checked {
        Ok(()) => Ok(Value::from(vec![true.into(), Value::Null])),
        Err(Fault::Operand(text)) => Ok(Value::from(vec![false.into(), Value::from(format!("jsonschema: {text}"))])),
        Err(refused) => Err(refused),
    }
}
