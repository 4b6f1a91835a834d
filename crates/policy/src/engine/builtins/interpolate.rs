//! `internal.template_string`, which `$"… {x} …"` is compiled to.

use std::fmt::Write as _;

use regorus::Value;

use super::args::{array, fault, limit_bytes};
use super::{Builtin, Fault};

pub(super) const FAMILY: &[Builtin] =
    &[Builtin { name: "internal.template_string", arity: 1, call: |args| join(args) }];

/// The argument has the text as strings, and of every expression the set of its values: none where it is undefined.
fn join(args: &[Value]) -> Result<Value, Fault> {
    let mut text = String::new();
    for part in array(args, 0)? {
        match part {
            Value::String(plain) => text.push_str(plain),
            Value::Set(values) => match (values.first(), values.len()) {
                (None, _) => text.push_str("<undefined>"),
                (Some(Value::String(value)), 1) => text.push_str(value),
                (Some(value), 1) => print(value, &mut text)?,
                _ => return Err(fault("template-strings must not produce multiple outputs")),
            },
            other => print(other, &mut text)?,
        }
        limit_bytes(text.len())?;
    }
    Ok(Value::from(text))
}

/// A value as OPA prints it.
fn print(value: &Value, to: &mut String) -> Result<(), Fault> {
    let list = |open: &str, values: &mut dyn Iterator<Item = &Value>, close: &str, to: &mut String| {
        to.push_str(open);
        for (i, value) in values.enumerate() {
            if i > 0 {
                to.push_str(", ");
            }
            print(value, to)?;
            limit_bytes(to.len())?;
        }
        to.push_str(close);
        Ok(())
    };
    match value {
        Value::Array(array) => list("[", &mut array.iter(), "]", to),
        Value::Set(set) if set.is_empty() => list("set(", &mut set.iter(), ")", to),
        Value::Set(set) => list("{", &mut set.iter(), "}", to),
        Value::Object(object) => {
            to.push('{');
            for (i, (key, value)) in object.iter_sorted().enumerate() {
                if i > 0 {
                    to.push_str(", ");
                }
                print(key, to)?;
                to.push_str(": ");
                print(value, to)?;
                limit_bytes(to.len())?;
            }
            to.push('}');
            Ok(())
        }
        Value::Undefined => {
            to.push_str("<undefined>");
            Ok(())
        }
        plain => {
            let text = serde_json::to_string(plain).map_err(|e| fault(e.to_string()))?;
            write!(to, "{text}").map_err(|e| fault(e.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use regorus::Value;

    use super::super::args::make_set;
    use super::super::tests::{call, json, text};

    #[test]
    fn values_are_printed_as_rego_writes_them() {
        let set = |values: &[&str]| make_set(values.iter().map(|v| json(v)));
        let parts = vec![
            text("a"),
            set(&["\"b\""]),
            set(&[]),
            make_set([set(&[])]),
            set(&[r#"{"k": [1, null, "s"]}"#]),
            make_set([set(&["1.5", "2"])]),
        ];
        let got = call("internal.template_string", &[Value::from(parts)]).unwrap();
        assert_eq!(got, text(r#"ab<undefined>set(){"k": [1, null, "s"]}{1.5, 2}"#));
        assert!(call("internal.template_string", &[Value::from(vec![set(&["1", "2"])])]).is_err());
    }
}
