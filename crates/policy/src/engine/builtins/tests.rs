//! What holds for every builtin.

use std::collections::BTreeSet;

use countersign_model::Timestamp;
use proptest::prelude::*;
use regorus::Value;

use super::{Fault, all, find, frozen};

pub(super) fn call(name: &str, args: &[Value]) -> Result<Value, Fault> {
    let builtin = find(name).unwrap();
    assert_eq!(usize::from(builtin.arity), args.len(), "{name}");
    (builtin.call)(args)
}

/// As [`call`], at a time in seconds since 1970.
pub(super) fn call_at(seconds: i64, name: &str, args: &[Value]) -> Result<Value, Fault> {
    frozen::freeze(Timestamp::from_millis(seconds * 1000)).unwrap();
    call(name, args)
}

pub(super) fn text(text: &str) -> Value {
    Value::from(text)
}

pub(super) fn json(text: &str) -> Value {
    Value::from_json_str(text).unwrap()
}

/// Text of the kinds that builtins look into.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,12}",
        "[0-9a-f.:/]{0,20}",
        "[a-zA-Z0-9_=-]{0,40}(\\.[a-zA-Z0-9_-]{0,40}){0,3}",
        "(\\{\\{|\\}\\}|if|range|end|else| |\\.a|\\$|-){0,12}",
        "-----BEGIN (CERTIFICATE|PUBLIC KEY|RSA PRIVATE KEY|PRIVATE KEY|EC PRIVATE KEY)-----\n[A-Za-z0-9+/]{0,40}\n-----END",
        Just("{\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"AA\", \"y\": \"AA\", \"d\": \"AA\"}".to_owned()),
        "[a-z\\[\\]*+.\\\\-]{0,12}",
    ]
}

/// Any JSON, three deep.
pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-100i64..100).prop_map(Value::from),
        (-1e9f64..1e9).prop_map(|f| Value::from(f + 0.5)),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any_key(), inner, 0..4).prop_map(|m| m
                .into_iter()
                .map(|(k, v)| (Value::from(k), v))
                .collect::<regorus::value::Object>()
                .into_value()),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,3}",
        prop::sample::select(
            ["op", "path", "value", "from", "alg", "kty", "keys", "cert", "secret", "time", "method", "url", "DNSName"]
                .map(str::to_owned)
                .to_vec()
        ),
    ]
}

/// Any value, sets too.
fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => any_json(),
        1 => prop::collection::btree_set(any_json(), 0..4).prop_map(Value::from),
    ]
}

#[test]
fn names_are_unique_and_written_as_rego_writes_them() {
    let names: Vec<&str> = all().map(|b| b.name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for name in names {
        assert!(
            name.split('.').all(|p| p.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())),
            "{name}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// No argument ends the process, and the same arguments have the same answer.
    #[test]
    fn no_argument_makes_a_builtin_panic(args in prop::collection::vec(any_value(), 4)) {
        for builtin in all() {
            let args = &args[..usize::from(builtin.arity)];
            let answers = [(); 2].map(|()| (builtin.call)(args).map_err(|e| e.to_string()));
            prop_assert_eq!(&answers[0], &answers[1], "{}", builtin.name);
        }
    }
}
