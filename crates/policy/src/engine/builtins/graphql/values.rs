//! Reading the nodes of a tree. What is missing is empty: a tree that a policy gives may lack anything.

use regorus::Value;

use super::super::Fault;
use super::super::args::get;

/// The kinds of values, gqlparser's numbers.
pub(super) const VARIABLE: u64 = 0;
pub(super) const INT: u64 = 1;
pub(super) const FLOAT: u64 = 2;
pub(super) const STRING: u64 = 3;
pub(super) const BLOCK: u64 = 4;
pub(super) const BOOLEAN: u64 = 5;
pub(super) const NULL: u64 = 6;
pub(super) const ENUM: u64 = 7;
pub(super) const LIST: u64 = 8;
pub(super) const OBJECT: u64 = 9;

/// Whether a member is left out of a tree.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Undefined => true,
        Value::Array(array) => array.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}

/// A tree of a policy without positions and without what is empty.
pub(super) fn prune(tree: &Value) -> Result<Value, Fault> {
    fn pruned(value: &Value, depth: usize, left: &mut usize) -> Result<Value, Fault> {
        *left = left
            .checked_sub(1)
            .filter(|_| depth < MAX_DEPTH)
            .ok_or_else(|| Fault::Refused("a tree of GraphQL is too large or too deep".to_owned()))?;
        Ok(match value {
            Value::Array(array) => {
                Value::from(array.iter().map(|v| pruned(v, depth + 1, left)).collect::<Result<Vec<_>, _>>()?)
            }
            Value::Object(object) => {
                let mut kept = regorus::value::Object::default();
                for (key, value) in object.iter() {
                    let position = matches!(key, Value::String(k) if matches!(&**k, "Position" | "Comment"));
                    let value = pruned(value, depth + 1, left)?;
                    if !position && !is_empty(&value) {
                        kept.insert(key.clone(), value);
                    }
                }
                kept.into_value()
            }
            other => other.clone(),
        })
    }
    const MAX_DEPTH: usize = 1000;
    const MAX_NODES: usize = 1_000_000;
    pruned(tree, 0, &mut { MAX_NODES })
}

fn member<'a>(node: &'a Value, name: &str) -> Option<&'a Value> {
    match node {
        Value::Object(object) => get(object, name),
        _ => None,
    }
}

pub(super) fn has(node: &Value, name: &str) -> bool {
    member(node, name).is_some()
}

pub(super) fn text<'a>(node: &'a Value, name: &str) -> &'a str {
    match member(node, name) {
        Some(Value::String(text)) => text,
        _ => "",
    }
}

pub(super) fn list<'a>(node: &'a Value, name: &str) -> &'a [Value] {
    match member(node, name) {
        Some(Value::Array(array)) => array,
        _ => &[],
    }
}

pub(super) fn texts<'a>(node: &'a Value, name: &str) -> Vec<&'a str> {
    list(node, name).iter().filter_map(|v| if let Value::String(text) = v { Some(&**text) } else { None }).collect()
}

pub(super) fn yes(node: &Value, name: &str) -> bool {
    matches!(member(node, name), Some(Value::Bool(true)))
}

pub(super) fn child<'a>(node: &'a Value, name: &str) -> Option<&'a Value> {
    member(node, name).filter(|value| matches!(value, Value::Object(_)))
}

/// The kind of a value.
pub(super) fn kind(value: &Value) -> Option<u64> {
    match member(value, "Kind") {
        Some(Value::Number(number)) => number.as_u64(),
        _ => None,
    }
}

/// The first node of a list with a name.
pub(super) fn named<'a>(nodes: &'a [Value], name: &str) -> Option<&'a Value> {
    nodes.iter().find(|node| text(node, "Name") == name)
}

/// The first name that comes twice.
pub(super) fn twice(mut names: Vec<&str>) -> Option<&str> {
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// The name at the bottom of a type.
pub(super) fn base(of: &Value) -> &str {
    let mut of = of;
    while let Some(inner) = child(of, "Elem") {
        of = inner;
    }
    text(of, "NamedType")
}

/// A type as it is written.
pub(super) fn written(of: &Value) -> String {
    let inner = child(of, "Elem").map_or_else(|| text(of, "NamedType").to_owned(), |e| format!("[{}]", written(e)));
    if yes(of, "NonNull") { format!("{inner}!") } else { inner }
}
