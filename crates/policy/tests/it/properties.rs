//! Nothing that facts can hold makes a pass out of what is missing, or a panic.

use countersign_model::Outcome;
use countersign_policy::{Bundle, RegorusEngine, decide};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::facts::{TIME, finding, good, pointers, remove};

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|f| json!(f)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,10}", inner, 0..5)
                .prop_map(|m| Value::Object(m.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// No gate of the shipped bundle is open over these facts.
fn nothing_opens(facts: &Value) -> bool {
    decide(&RegorusEngine, &Bundle::shipped(), facts, TIME).map_or(true, |v| v.gates.iter().all(|g| !g.outcome.opens()))
}

/// Good facts with one element in every list, so that fields of elements can be taken away too.
fn full() -> Value {
    let mut facts = good();
    facts["scan"]["findings"] = json!([finding("info", "low")]);
    facts["scan"]["gaps"] = json!([]);
    facts
}

#[test]
fn a_missing_field_never_gives_a_pass() {
    let full = full();
    let verdict = decide(&RegorusEngine, &Bundle::shipped(), &full, TIME).unwrap();
    assert!(verdict.gates.iter().all(|g| g.outcome == Outcome::Pass), "{verdict:?}");
    let mut tried = 0;
    for pointer in pointers(&full) {
        let mut facts = full.clone();
        if remove(&mut facts, &pointer) {
            tried += 1;
            assert!(nothing_opens(&facts), "without {pointer} a gate opens");
        }
    }
    assert!(tried > 55, "{tried}");
}

#[test]
fn a_mistyped_field_never_gives_a_pass() {
    let full = full();
    let wrong = [json!(true), json!(-1), json!(0.5), json!("?"), json!([null]), json!({"a": 1})];
    for (i, pointer) in pointers(&full).into_iter().enumerate() {
        // Every kind of wrong in turn, for one evaluation is a whole bundle's work; the Rego tests have all of them.
        let wrong = &wrong[i % wrong.len()];
        let mut facts = full.clone();
        let place = facts.pointer_mut(&pointer).unwrap();
        let same_kind = std::mem::discriminant(place) == std::mem::discriminant(wrong);
        // Free text, and a number where any number will do, is not mistyped by other text or another number.
        if same_kind && !matches!(wrong, Value::Array(_) | Value::Object(_)) && !wrong.is_number() {
            continue;
        }
        *place = wrong.clone();
        assert!(nothing_opens(&facts), "with {wrong} at {pointer} a gate opens");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn arbitrary_facts_open_nothing_and_never_panic(mut facts in json_value()) {
        prop_assert!(nothing_opens(&facts));
        if let Value::Object(fields) = &mut facts {
            fields.insert("version".to_owned(), json!(1));
            prop_assert!(nothing_opens(&facts));
        }
    }

    #[test]
    fn arbitrary_values_anywhere_never_panic(place in any::<prop::sample::Index>(), value in json_value()) {
        let mut facts = full();
        let all = pointers(&facts);
        *facts.pointer_mut(&all[place.index(all.len())]).unwrap() = value;
        // Whatever comes out, it comes out twice.
        let decide = || decide(&RegorusEngine, &Bundle::shipped(), &facts, TIME).map_err(|e| e.to_string());
        prop_assert_eq!(decide(), decide());
    }
}

#[test]
fn facts_that_nest_too_deep_are_refused() {
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let mut facts = good();
    facts["more"] = deep;
    assert!(decide(&RegorusEngine, &Bundle::shipped(), &facts, TIME).is_err());
}
