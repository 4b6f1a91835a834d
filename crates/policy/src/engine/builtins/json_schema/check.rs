//! Whether a schema is one.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use regorus::Value;
use regorus::value::Object;

use super::super::Fault;
use super::super::args::{fault, get};

/// How deep schemas may stand in each other.
const MAX_DEPTH: usize = 200;

const TYPES: [&str; 7] = ["array", "boolean", "integer", "number", "null", "object", "string"];

/// A schema whose keywords have the values that they may have.
pub(super) struct Checked<'a> {
    pub(super) root: &'a Value,
    /// The patterns that occur in it.
    patterns: BTreeMap<&'a str, Regex>,
    /// Schemas that say what they are called.
    ids: BTreeMap<&'a str, &'a Value>,
    /// References that were followed already.
    followed: BTreeSet<&'a str>,
}

impl<'a> Checked<'a> {
    /// # Errors
    /// [`Fault::Operand`] with the first thing that is wrong, [`Fault::Refused`] for what is elsewhere or too deep.
    pub(super) fn of(root: &'a Value) -> Result<Self, Fault> {
        let mut checked = Self { root, patterns: BTreeMap::new(), ids: BTreeMap::new(), followed: BTreeSet::new() };
        checked.find_ids(root, 0)?;
        checked.schema(root, 0)?;
        Ok(checked)
    }

    pub(super) fn pattern(&self, text: &str) -> Option<&Regex> {
        self.patterns.get(text)
    }

    /// What a reference is to.
    pub(super) fn resolve(&self, reference: &str) -> Result<&'a Value, Fault> {
        if let Some(found) = self.ids.get(reference).or_else(|| self.ids.get(reference.trim_end_matches('#'))) {
            return Ok(found);
        }
        let Some(pointer) = reference.strip_prefix('#') else {
            return Err(Fault::Refused(format!("the schema `{reference}` is elsewhere, where no decision may look")));
        };
        let missing = || fault(format!("Object has no key '{reference}'"));
        let mut at = self.root;
        // RFC 6901 6: a pointer in a fragment.
        for segment in pointer.split('/').skip(1) {
            let segment = percent_decoded(segment).replace("~1", "/").replace("~0", "~");
            at = match at {
                Value::Object(object) => get(object, &segment).ok_or_else(missing)?,
                Value::Array(array) => segment.parse().ok().and_then(|i: usize| array.get(i)).ok_or_else(missing)?,
                _ => return Err(missing()),
            };
        }
        if pointer.is_empty() || pointer.starts_with('/') { Ok(at) } else { Err(missing()) }
    }

    fn find_ids(&mut self, value: &'a Value, depth: usize) -> Result<(), Fault> {
        deeper(depth)?;
        match value {
            Value::Object(object) => {
                for name in ["$id", "id"] {
                    if let Some(Value::String(id)) = get(object, name) {
                        self.ids.entry(id.trim_end_matches('#')).or_insert(value);
                    }
                }
                object.iter().try_for_each(|(_, value)| self.find_ids(value, depth + 1))
            }
            Value::Array(array) => array.iter().try_for_each(|value| self.find_ids(value, depth + 1)),
            _ => Ok(()),
        }
    }

    fn schema(&mut self, schema: &'a Value, depth: usize) -> Result<(), Fault> {
        deeper(depth)?;
        let keywords = match schema {
            Value::Bool(_) => return Ok(()),
            Value::Object(keywords) => keywords,
            _ => return Err(fault("a schema must be an object or a boolean")),
        };
        if let Some(reference) = get(keywords, "$ref") {
            let Value::String(reference) = reference else {
                return Err(wrong("$ref", "a string"));
            };
            let target = self.resolve(reference)?;
            // What is said beside a reference does not count.
            return if self.followed.insert(reference) { self.schema(target, depth + 1) } else { Ok(()) };
        }
        for (name, value) in keywords.iter_sorted() {
            if let Value::String(name) = name {
                self.keyword(name, value, depth)?;
            }
        }
        Ok(())
    }

    fn keyword(&mut self, name: &str, value: &'a Value, depth: usize) -> Result<(), Fault> {
        match name {
            "type" => types(value),
            "enum" => match value {
                Value::Array(all) if !all.is_empty() => Ok(()),
                _ => Err(wrong(name, "an array that is not empty")),
            },
            "multipleOf" => match value {
                Value::Number(_) if *value > Value::from(0u64) => Ok(()),
                _ => Err(wrong(name, "a number greater than zero")),
            },
            "maximum" | "minimum" => match value {
                Value::Number(_) => Ok(()),
                _ => Err(wrong(name, "a number")),
            },
            "exclusiveMaximum" | "exclusiveMinimum" => match value {
                Value::Number(_) | Value::Bool(_) => Ok(()),
                _ => Err(wrong(name, "a number or a boolean")),
            },
            "maxLength" | "minLength" | "maxItems" | "minItems" | "maxProperties" | "minProperties" => {
                match super::validate::length(value) {
                    Some(_) => Ok(()),
                    None => Err(wrong(name, "an integer that is not negative")),
                }
            }
            "uniqueItems" => match value {
                Value::Bool(_) => Ok(()),
                _ => Err(wrong(name, "a boolean")),
            },
            "pattern" => match value {
                Value::String(pattern) => self.add_pattern(pattern),
                _ => Err(wrong(name, "a string")),
            },
            "format" => match value {
                Value::String(format) => super::format::known(format),
                _ => Err(wrong(name, "a string")),
            },
            "required" => texts(name, value),
            "items" => match value {
                Value::Array(all) => all.iter().try_for_each(|schema| self.schema(schema, depth + 1)),
                schema => self.schema(schema, depth + 1),
            },
            "additionalItems"
            | "additionalProperties"
            | "contains"
            | "propertyNames"
            | "not"
            | "if"
            | "then"
            | "else" => self.schema(value, depth + 1),
            "allOf" | "anyOf" | "oneOf" => match value {
                Value::Array(all) if !all.is_empty() => all.iter().try_for_each(|s| self.schema(s, depth + 1)),
                _ => Err(wrong(name, "an array that is not empty")),
            },
            "properties" | "definitions" => {
                members(name, value)?.iter().try_for_each(|(_, schema)| self.schema(schema, depth + 1))
            }
            "patternProperties" => members(name, value)?.iter().try_for_each(|(pattern, schema)| {
                if let Value::String(pattern) = pattern {
                    self.add_pattern(pattern)?;
                }
                self.schema(schema, depth + 1)
            }),
            "dependencies" => members(name, value)?.iter().try_for_each(|(_, needs)| match needs {
                Value::Array(_) => texts(name, needs),
                schema => self.schema(schema, depth + 1),
            }),
            // Words that no draft has a meaning for mean nothing.
            _ => Ok(()),
        }
    }

    fn add_pattern(&mut self, pattern: &'a str) -> Result<(), Fault> {
        if !self.patterns.contains_key(pattern) {
            let compiled = Regex::new(pattern).map_err(|e| fault(format!("Invalid regex pattern '{pattern}': {e}")))?;
            self.patterns.insert(pattern, compiled);
        }
        Ok(())
    }
}

fn deeper(depth: usize) -> Result<(), Fault> {
    if depth > MAX_DEPTH {
        return Err(Fault::Refused(format!("a schema is nested deeper than {MAX_DEPTH}")));
    }
    Ok(())
}

fn wrong(name: &str, want: &str) -> Fault {
    fault(format!("{name} must be {want}"))
}

fn members<'a>(name: &str, value: &'a Value) -> Result<&'a Object, Fault> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(wrong(name, "an object")),
    }
}

fn texts(name: &str, value: &Value) -> Result<(), Fault> {
    match value {
        Value::Array(all) if all.iter().all(|v| matches!(v, Value::String(_))) => Ok(()),
        _ => Err(wrong(name, "an array of strings")),
    }
}

fn types(value: &Value) -> Result<(), Fault> {
    let given: Vec<&Value> = match value {
        Value::Array(all) if !all.is_empty() => all.iter().collect(),
        Value::String(_) => vec![value],
        _ => return Err(wrong("type", "a string or an array of strings")),
    };
    for one in given {
        let Value::String(name) = one else { return Err(wrong("type", "a string or an array of strings")) };
        if !TYPES.contains(&&**name) {
            let known = TYPES.join(" ");
            return Err(fault(format!(
                "has a primitive type that is NOT VALID -- given: /{name}/ Expected valid values are:[{known}]"
            )));
        }
    }
    Ok(())
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
        (bytes, rest) = match (first, hex) {
            (b'%', Some(byte)) => ([bytes, vec![byte]].concat(), &after[2..]),
            _ => ([bytes, vec![*first]].concat(), after),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
