//! `urlquery.*`: the form encoding of queries, as Go's `net/url` has it.

use std::collections::BTreeMap;

use regorus::Value;
use regorus::value::Object;

use super::args::{elements, fault, limit_bytes, object, string};
use super::{Builtin, Fault};

pub(super) const FAMILY: &[Builtin] = &[
    Builtin { name: "urlquery.encode", arity: 1, call: |args| Ok(Value::from(encode(string(args, 0)?))) },
    Builtin { name: "urlquery.decode", arity: 1, call: |args| Ok(Value::from(decode(string(args, 0)?)?)) },
    Builtin { name: "urlquery.encode_object", arity: 1, call: |args| encode_object(args) },
    Builtin { name: "urlquery.decode_object", arity: 1, call: |args| decode_object(string(args, 0)?) },
];

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            b' ' => encoded.push('+'),
            _ => {
                encoded.push('%');
                encoded.push_str(&super::hash::to_hex(&[byte]).to_ascii_uppercase());
            }
        }
    }
    encoded
}

fn decode(text: &str) -> Result<String, Fault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|d| char::from(d).to_digit(16));
                let (high, low) = (digit(), digit());
                let value = high.zip(low).and_then(|(h, l)| u8::try_from(h * 16 + l).ok());
                value.ok_or_else(|| fault("invalid URL escape"))?
            }
            other => other,
        });
    }
    // What is not UTF-8 could not be in a value.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Keys in order; a key with several values comes several times.
fn encode_object(args: &[Value]) -> Result<Value, Fault> {
    let wrong = || fault("values must be string, array[string], or set[string]");
    let mut text = String::new();
    for (key, value) in object(args, 0)?.iter_sorted() {
        let Value::String(key) = key else {
            return Err(fault("keys must be strings"));
        };
        let values = match value {
            Value::String(_) => vec![value],
            other => elements(std::slice::from_ref(other), 0).map_err(|_| wrong())?,
        };
        for value in values {
            let Value::String(value) = value else { return Err(wrong()) };
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(&encode(key));
            text.push('=');
            text.push_str(&encode(value));
            limit_bytes(text.len())?;
        }
    }
    Ok(Value::from(text))
}

fn decode_object(text: &str) -> Result<Value, Fault> {
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for pair in text.split('&').filter(|p| !p.is_empty()) {
        if pair.contains(';') {
            return Err(fault("invalid semicolon separator in query"));
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        all.entry(decode(key)?).or_default().push(Value::from(decode(value)?));
    }
    let object: Object = all.into_iter().map(|(key, values)| (Value::from(key), Value::from(values))).collect();
    Ok(object.into_value())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{call, json, text};

    #[test]
    fn forms() {
        assert_eq!(call("urlquery.encode", &[text("a b&ü/")]).unwrap(), text("a+b%26%C3%BC%2F"));
        let object = json(r#"{"a": "1", "b": ["x y", "z"], "": "e"}"#);
        assert_eq!(call("urlquery.encode_object", &[object]).unwrap(), text("=e&a=1&b=x+y&b=z"));
        assert_eq!(
            call("urlquery.decode_object", &[text("b=1&a&b=%32")]).unwrap(),
            json(r#"{"a": [""], "b": ["1", "2"]}"#)
        );
        for bad in ["%", "%4", "%zz", "%é"] {
            assert!(call("urlquery.decode", &[text(bad)]).is_err(), "{bad}");
        }
        assert!(call("urlquery.decode_object", &[text("a=1;b=2")]).is_err());
        assert!(call("urlquery.encode_object", &[json(r#"{"a": 1}"#)]).is_err());
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(plain in "\\PC*") {
            let encoded = call("urlquery.encode", &[text(&plain)]).unwrap();
            prop_assert_eq!(call("urlquery.decode", &[encoded]).unwrap(), text(&plain));
        }
    }
}
