//! RFC 8785, and what it leaves to the implementer.

use std::collections::BTreeMap;

use countersign_evidence::{Error, canonical};
use proptest::prelude::*;
use serde_json::{Value, json};

fn text<T: serde::Serialize>(value: T) -> String {
    String::from_utf8(canonical::to_vec(&value).unwrap()).unwrap()
}

/// RFC 8785 appendix B, all finite rows.
const NUMBERS: &[(u64, &str)] = &[
    (0x0000000000000000, "0"),
    (0x8000000000000000, "0"),
    (0x0000000000000001, "5e-324"),
    (0x8000000000000001, "-5e-324"),
    (0x7fefffffffffffff, "1.7976931348623157e+308"),
    (0xffefffffffffffff, "-1.7976931348623157e+308"),
    (0x4340000000000000, "9007199254740992"),
    (0xc340000000000000, "-9007199254740992"),
    (0x4430000000000000, "295147905179352830000"),
    (0x44b52d02c7e14af5, "9.999999999999997e+22"),
    (0x44b52d02c7e14af6, "1e+23"),
    (0x44b52d02c7e14af7, "1.0000000000000001e+23"),
    (0x444b1ae4d6e2ef4e, "999999999999999700000"),
    (0x444b1ae4d6e2ef4f, "999999999999999900000"),
    (0x444b1ae4d6e2ef50, "1e+21"),
    (0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"),
    (0x3eb0c6f7a0b5ed8d, "0.000001"),
    (0x41b3de4355555553, "333333333.3333332"),
    (0x41b3de4355555554, "333333333.33333325"),
    (0x41b3de4355555555, "333333333.3333333"),
    (0x41b3de4355555556, "333333333.3333334"),
    (0x41b3de4355555557, "333333333.33333343"),
    (0xbecbf647612f3696, "-0.0000033333333333333333"),
    (0x43143ff3c1cb0959, "1424953923781206.2"),
];

#[test]
fn numbers_are_those_of_the_rfc() {
    for (bits, expected) in NUMBERS {
        assert_eq!(text(f64::from_bits(*bits)), *expected);
        assert!(canonical::is_canonical(expected.as_bytes()), "{expected}");
    }
}

#[test]
fn keys_sort_by_utf16_units() {
    // RFC 8785 §3.2.3: the emoji's surrogates (D83D) come before U+FB33, although its code point is larger.
    let value = json!({
        "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh",
        "1": "One", "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O",
    });
    assert_eq!(
        text(value),
        "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"\u{f6}\":\"Latin Small Letter O\",\
         \"\u{20ac}\":\"Euro Sign\",\"\u{1f600}\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}"
    );
}

#[test]
fn strings_and_literals_are_those_of_the_rfc() {
    // RFC 8785 §3.2.2.
    let raw = r#"{ "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false] }"#;
    let value: Value = serde_json::from_str(raw).unwrap();
    assert_eq!(
        text(value),
        "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
         \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
    );
}

#[test]
fn what_a_double_would_change_is_refused() {
    #[derive(serde::Serialize)]
    struct Wrapped {
        inner: Vec<BTreeMap<String, f64>>,
    }
    let refused = |e: Result<Vec<u8>, Error>| assert!(matches!(e, Err(Error::Unrepresentable(_))), "{e:?}");
    refused(canonical::to_vec(&f64::NAN));
    refused(canonical::to_vec(&Wrapped { inner: vec![BTreeMap::from([("x".into(), f64::INFINITY)])] }));
    refused(canonical::to_vec(&u64::MAX));
    refused(canonical::to_vec(&Some([i64::MIN])));
    refused(canonical::to_vec(&((1_u64 << 53) + 1)));
    refused(canonical::to_vec(&-((1_i128 << 53) + 1)));
    refused(canonical::to_vec(&(1_u128 << 100)));
    assert_eq!(text((1_u64 << 53) - 1), "9007199254740991");
    assert_eq!(text(3_060_339_216_996_428_000_u64), "3060339216996428000");
    assert_eq!(text(-((1_i64 << 53) - 1)), "-9007199254740991");
}

#[test]
fn a_key_twice_is_refused() {
    struct Twice;
    impl serde::Serialize for Twice {
        fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            s.collect_map([("a", 1), ("a", 2)])
        }
    }
    assert!(matches!(canonical::to_vec(&Twice), Err(Error::Unrepresentable(_))));
    #[derive(serde::Serialize)]
    struct Flat {
        a: u8,
        #[serde(flatten)]
        more: BTreeMap<String, u8>,
    }
    assert!(canonical::to_vec(&Flat { a: 1, more: BTreeMap::from([("b".into(), 2)]) }).is_ok());
    let twice = Flat { a: 1, more: BTreeMap::from([("a".into(), 2)]) };
    assert!(matches!(canonical::to_vec(&twice), Err(Error::Unrepresentable(_))));
}

#[test]
fn readers_take_one_form_only() {
    let good = br#"{"a":[1,2.5,"x"],"b":null}"#;
    assert!(canonical::is_canonical(good));
    let value: Value = canonical::from_slice(good).unwrap();
    assert_eq!(canonical::to_vec(&value).unwrap(), good);
    for other in [
        r#"{"b":null,"a":[1,2.5,"x"]}"#,
        r#" {"a":1}"#,
        "{\"a\":1}\n",
        r#"{"a":1,"a":1}"#,
        r#"{"a":2,"a":1}"#,
        r#"{"a":1.0}"#,
        r#"{"a":1e0}"#,
        r#"-0"#,
        r#"9007199254740993"#,
        r#""\u0041""#,
        r#""\/""#,
        r#""\u000A""#,
    ] {
        assert!(!canonical::is_canonical(other.as_bytes()), "{other}");
        assert!(matches!(canonical::from_slice::<Value>(other.as_bytes()), Err(Error::NotCanonical)), "{other}");
    }
    for broken in ["", "{", "nul", "\"\\ud800\"", "1e400", "[1,]", "{\"a\":NaN}"] {
        assert!(matches!(canonical::from_slice::<Value>(broken.as_bytes()), Err(Error::Json(_))), "{broken}");
    }
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    assert!(!canonical::is_canonical(&deep));
}

#[test]
fn the_digest_is_over_the_canonical_bytes() {
    let digest = canonical::digest(&json!({"b": 1, "a": 2})).unwrap();
    assert_eq!(digest, countersign_model::Digest::of(br#"{"a":2,"b":1}"#));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-((1_i64 << 53) - 1)..(1_i64 << 53)).prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        prop::num::f64::SUBNORMAL.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_canonical_and_reads_back(value in any_json()) {
        let bytes = canonical::to_vec(&value).unwrap();
        prop_assert!(canonical::is_canonical(&bytes), "{}", String::from_utf8_lossy(&bytes));
        let again: Value = canonical::from_slice(&bytes).unwrap();
        prop_assert_eq!(canonical::to_vec(&again).unwrap(), bytes);
    }

    #[test]
    fn every_double_survives(bits: u64) {
        let number = f64::from_bits(bits);
        prop_assume!(number.is_finite());
        let bytes = canonical::to_vec(&number).unwrap();
        prop_assert!(canonical::is_canonical(&bytes), "{}", String::from_utf8_lossy(&bytes));
        prop_assert_eq!(canonical::from_slice::<f64>(&bytes).unwrap(), number);
    }
}
