//! `yaml.marshal`, `.unmarshal` and `.is_valid`.

use std::fmt::Write as _;

use regorus::Value;

use super::args::{fault, limit_bytes, string, to_json};
use super::{Builtin, Fault};

/// How deep a document may be.
const MAX_DEPTH: usize = 500;

pub(super) const FAMILY: &[Builtin] = &[
    Builtin {
        name: "yaml.is_valid",
        arity: 1,
        call: |args| Ok(string(args, 0).is_ok_and(|t| parse(t).is_ok()).into()),
    },
    Builtin { name: "yaml.marshal", arity: 1, call: |args| marshal(args) },
    Builtin { name: "yaml.unmarshal", arity: 1, call: |args| parse(string(args, 0)?) },
];

/// The parser bounds aliases, so that a short text cannot stand for an endless document.
fn parse(text: &str) -> Result<Value, Fault> {
    let options = serde_saphyr::options! { with_snippet: false };
    let value: Option<serde_json::Value> =
        serde_saphyr::from_str_with_options(text, options).map_err(|e| fault(format!("yaml: {e}")))?;
    Ok(Value::from(value.unwrap_or_default()))
}

/// In blocks, keys in order, sets as lists.
fn marshal(args: &[Value]) -> Result<Value, Fault> {
    let mut text = String::new();
    for value in args {
        write(value, 0, 0, false, &mut text)?;
    }
    Ok(Value::from(text))
}

/// Writes a value of a list (`in_list`) or of a key, at the end of a line that has begun, or of the document.
fn write(value: &Value, indent: usize, depth: usize, in_list: bool, to: &mut String) -> Result<(), Fault> {
    if depth > MAX_DEPTH {
        return Err(fault(format!("nested deeper than {MAX_DEPTH}")));
    }
    limit_bytes(to.len())?;
    let fresh = depth == 0 || in_list;
    let mut first = true;
    let mut begin = |to: &mut String| {
        if !(first && fresh) {
            if first {
                // After a key the block begins on its own line.
                to.push('\n');
            }
            to.extend(std::iter::repeat_n(' ', indent));
        }
        first = false;
    };
    match value {
        Value::Array(array) if !array.is_empty() => {
            for value in array.iter() {
                begin(to);
                to.push_str("- ");
                write(value, indent + 2, depth + 1, true, to)?;
            }
        }
        Value::Set(set) if !set.is_empty() => {
            for value in set.iter() {
                begin(to);
                to.push_str("- ");
                write(value, indent + 2, depth + 1, true, to)?;
            }
        }
        Value::Object(object) if !object.is_empty() => {
            for (key, value) in object.iter_sorted() {
                begin(to);
                let Value::String(key) = key else {
                    return Err(fault("a key is not a string"));
                };
                scalar(key, to)?;
                to.push(':');
                if !is_block(value) {
                    to.push(' ');
                }
                // A list may stand under its key without being moved in.
                let inner = if matches!(value, Value::Object(_)) { indent + 2 } else { indent };
                write(value, inner, depth + 1, false, to)?;
            }
        }
        Value::String(text) => {
            scalar(text, to)?;
            to.push('\n');
        }
        Value::Set(_) => to.push_str("[]\n"),
        other => writeln!(to, "{}", to_json(other)?).map_err(|e| fault(e.to_string()))?,
    }
    Ok(())
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Array(array) => !array.is_empty(),
        Value::Set(set) => !set.is_empty(),
        Value::Object(object) => !object.is_empty(),
        _ => false,
    }
}

/// Text that could be taken for anything else is quoted as in JSON, which YAML has in it (YAML 1.2.2, 1.2).
fn scalar(text: &str, to: &mut String) -> Result<(), Fault> {
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' ');
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(letters)
        && !text.ends_with(' ')
        && !words.contains(&text.to_ascii_lowercase().as_str());
    if plain {
        to.push_str(text);
    } else {
        to.push_str(&serde_json::to_string(text).map_err(|e| fault(e.to_string()))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{any_json, call, json, text};

    #[test]
    fn blocks() {
        let value = json(r#"{"a": [1, {"b": [], "c": {"d": "yes"}}], "e": "x: y", "f": null}"#);
        let want = "a:\n- 1\n- b: []\n  c:\n    d: \"yes\"\ne: \"x: y\"\nf: null\n";
        assert_eq!(call("yaml.marshal", &[value]).unwrap(), text(want));
    }

    #[test]
    fn text_that_is_no_yaml() {
        for bad in ["[1,2", "a: b: c", "{"] {
            assert!(call("yaml.unmarshal", &[text(bad)]).is_err(), "{bad}");
            assert_eq!(call("yaml.is_valid", &[text(bad)]).unwrap(), false.into());
        }
        assert_eq!(call("yaml.is_valid", &[json("1")]).unwrap(), false.into());
    }

    #[test]
    fn a_short_text_cannot_stand_for_an_endless_document() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..12 {
            let aliases = vec![format!("*a{}", i - 1); 10].join(", ");
            bomb.push_str(&format!("a{i}: &a{i} [{aliases}]\n"));
        }
        assert!(call("yaml.unmarshal", &[text(&bomb)]).is_err());
        assert!(call("yaml.unmarshal", &[text(&"[".repeat(200_000))]).is_err());
        assert!(call("yaml.unmarshal", &[text(&"- ".repeat(200_000))]).is_err());
        let deep = (0..50_000).map(|i| format!("{}a:\n", " ".repeat(i % 3000))).collect::<String>();
        assert!(call("yaml.unmarshal", &[text(&deep)]).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in any_json()) {
            let written = call("yaml.marshal", std::slice::from_ref(&value)).unwrap();
            prop_assert_eq!(call("yaml.unmarshal", std::slice::from_ref(&written)).unwrap(), value, "{}", written);
        }
    }
}
