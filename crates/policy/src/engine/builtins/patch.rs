//! `json.patch` (RFC 6902), with what OPA adds: sets are patched like objects whose keys are their values, a path may
//! be an array, and need not begin with a slash.

use std::collections::BTreeSet;

use regorus::Value;
use regorus::value::Object;

use super::args::{array, fault, get, object};
use super::{Builtin, Fault};

/// The most values that one call may copy, and the most members of what they are in that it may go through. What is
/// copied is shared, so that a few operations could make a document of more values than there are atoms.
const MAX_COPIED: usize = 1_000_000;
const MAX_VISITED: usize = 50_000_000;

pub(super) const FAMILY: &[Builtin] = &[Builtin { name: "json.patch", arity: 2, call: |args| patch(args) }];

/// What is to be done at the end of a path.
enum Change {
    Add(Value),
    Remove,
    Replace(Value),
}

fn patch(args: &[Value]) -> Result<Value, Fault> {
    let mut document = args.first().cloned().unwrap_or(Value::Undefined);
    let mut left = MAX_COPIED;
    let mut visits = MAX_VISITED;
    for operation in array(args, 1)? {
        let operation = object(std::slice::from_ref(operation), 0)?;
        let text = |name: &str| get(operation, name).ok_or_else(|| fault(format!("missing '{name}' attribute")));
        let path = path(text("path")?)?;
        let op = text("op")?.as_string().map_err(|_| fault("attribute 'op' must be a string"))?;
        document = match &**op {
            "add" => change(&document, &path, Change::Add(text("value")?.clone()), &mut visits)?,
            "replace" => change(&document, &path, Change::Replace(text("value")?.clone()), &mut visits)?,
            "remove" => change(&document, &path, Change::Remove, &mut visits)?,
            "move" => {
                let from = self::path(text("from")?)?;
                if path.len() > from.len() && path.starts_with(&from) {
                    return Err(fault("a value cannot be moved into itself"));
                }
                let value = find(&document, &from)?.clone();
                let without = change(&document, &from, Change::Remove, &mut visits)?;
                change(&without, &path, Change::Add(value), &mut visits)?
            }
            "copy" => {
                let value = find(&document, &self::path(text("from")?)?)?.clone();
                count(&value, &mut left)?;
                change(&document, &path, Change::Add(value), &mut visits)?
            }
            "test" => {
                if find(&document, &path)? != text("value")? {
                    return Err(fault("the tested value is another"));
                }
                document
            }
            _ => return Err(fault(format!("unrecognized op `{op}`"))),
        };
    }
    Ok(document)
}

/// RFC 6901 in text, or the segments themselves.
fn path(path: &Value) -> Result<Vec<Value>, Fault> {
    match path {
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => {
            let segments = text.trim_start_matches('/').split('/');
            Ok(segments.map(|s| Value::from(s.replace("~1", "/").replace("~0", "~"))).collect())
        }
        Value::Array(segments) => Ok(segments.to_vec()),
        _ => Err(fault("a path must be text separated by slashes or an array of segments")),
    }
}

fn missing(segment: &Value) -> Fault {
    fault(format!("there is no {segment} on the path"))
}

/// The place in an array that a segment names: one of its elements, or up to `length` its end.
fn index(segment: &Value, length: usize) -> Option<usize> {
    let i = match segment {
        Value::String(text) => {
            let digits = text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
            digits.then(|| text.parse::<usize>().ok())??
        }
        Value::Number(number) => usize::try_from(number.as_u64()?).ok()?,
        _ => return None,
    };
    (i <= length).then_some(i)
}

fn child<'a>(value: &'a Value, segment: &Value) -> Option<&'a Value> {
    match value {
        Value::Object(object) => object.get(segment),
        Value::Array(array) => array.get(index(segment, array.len())?),
        Value::Set(set) => set.get(segment),
        _ => None,
    }
}

fn find<'a>(document: &'a Value, path: &[Value]) -> Result<&'a Value, Fault> {
    path.iter().try_fold(document, |value, segment| child(value, segment).ok_or_else(|| missing(segment)))
}

/// The document with the change made at the end of the path. What is not on the path stays shared.
fn change(document: &Value, path: &[Value], change: Change, visits: &mut usize) -> Result<Value, Fault> {
    let Some((last, parents)) = path.split_last() else {
        return match change {
            Change::Add(value) | Change::Replace(value) => Ok(value),
            Change::Remove => Err(fault("the whole document cannot be removed")),
        };
    };
    // The values from the document down to the one that is changed, then changed from there up.
    let mut above = vec![document];
    for segment in parents {
        let value = above.last().and_then(|value| child(value, segment)).ok_or_else(|| missing(segment))?;
        above.push(value);
    }
    let members: usize = above.iter().map(|value| members(value)).sum();
    *visits = visits.checked_sub(members).ok_or_else(too_long)?;
    let mut changed = above.pop().map(|value| change_in(value, last, change)).ok_or_else(|| missing(last))??;
    for (value, segment) in above.into_iter().zip(parents).rev() {
        changed = put(value, segment, changed);
    }
    Ok(changed)
}

fn too_long() -> Fault {
    Fault::Refused("the patch copies or goes through too much".to_owned())
}

/// How many children a value has.
fn members(value: &Value) -> usize {
    match value {
        Value::Object(object) => object.len(),
        Value::Array(array) => array.len(),
        Value::Set(set) => set.len(),
        _ => 0,
    }
}

/// Takes the values in a value, itself too, from those that are left.
fn count(value: &Value, left: &mut usize) -> Result<(), Fault> {
    let mut todo = vec![value];
    while let Some(value) = todo.pop() {
        *left = left.checked_sub(1).ok_or_else(too_long)?;
        if members(value) > *left {
            return Err(too_long());
        }
        match value {
            Value::Object(object) => todo.extend(object.iter().flat_map(|(k, v)| [k, v])),
            Value::Array(array) => todo.extend(array.iter()),
            Value::Set(set) => todo.extend(set.iter()),
            _ => {}
        }
    }
    Ok(())
}

/// A value whose child is another now.
fn put(value: &Value, segment: &Value, child: Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut object: Object = (**object).clone();
            object.insert(segment.clone(), child);
            object.into_value()
        }
        Value::Array(array) => {
            let mut array = array.to_vec();
            if let Some(slot) = index(segment, array.len()).and_then(|i| array.get_mut(i)) {
                *slot = child;
            }
            Value::from(array)
        }
        Value::Set(set) => {
            let mut set: BTreeSet<Value> = (**set).clone();
            set.remove(segment);
            set.insert(child);
            Value::from(set)
        }
        other => other.clone(),
    }
}

fn change_in(value: &Value, segment: &Value, change: Change) -> Result<Value, Fault> {
    let there = child(value, segment).is_some();
    if !there && !matches!(change, Change::Add(_)) {
        return Err(missing(segment));
    }
    match (value, change) {
        (Value::Object(object), change) => {
            let mut object: Object = (**object).clone();
            match change {
                Change::Add(value) | Change::Replace(value) => object.insert(segment.clone(), value),
                Change::Remove => object.remove(segment),
            };
            Ok(object.into_value())
        }
        (Value::Array(array), change) => {
            let mut array = array.to_vec();
            let end = *segment == Value::from("-");
            let at = if end { Some(array.len()) } else { index(segment, array.len()) };
            let at = at.ok_or_else(|| missing(segment))?;
            match change {
                Change::Add(value) => array.insert(at, value),
                Change::Remove => drop(array.remove(at)),
                Change::Replace(value) => array[at] = value,
            }
            Ok(Value::from(array))
        }
        (Value::Set(set), change) => {
            let mut set: BTreeSet<Value> = (**set).clone();
            match change {
                Change::Remove => drop(set.remove(segment)),
                Change::Add(value) | Change::Replace(value) if value == *segment => drop(set.insert(value)),
                Change::Add(_) | Change::Replace(_) => return Err(fault("a set has its values at their own names")),
            }
            Ok(Value::from(set))
        }
        _ => Err(missing(segment)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Fault;
    use super::super::args::make_set;
    use super::super::tests::{call, json, text};

    /// RFC 6902 appendix A, and RFC 6901 5.
    #[test]
    fn the_examples_of_the_rfc() {
        for (document, patch, want) in [
            (r#"{"foo":"bar"}"#, r#"[{"op":"add","path":"/baz","value":"qux"}]"#, Some(r#"{"baz":"qux","foo":"bar"}"#)),
            (
                r#"{"foo":["bar","baz"]}"#,
                r#"[{"op":"add","path":"/foo/1","value":"qux"}]"#,
                Some(r#"{"foo":["bar","qux","baz"]}"#),
            ),
            (
                r#"{"foo":["bar","qux","baz"]}"#,
                r#"[{"op":"remove","path":"/foo/1"}]"#,
                Some(r#"{"foo":["bar","baz"]}"#),
            ),
            (
                r#"{"foo":["all","grass","cows","eat"]}"#,
                r#"[{"op":"move","from":"/foo/1","path":"/foo/3"}]"#,
                Some(r#"{"foo":["all","cows","eat","grass"]}"#),
            ),
            (r#"{"baz":"qux"}"#, r#"[{"op":"test","path":"/baz","value":"bar"}]"#, None),
            (r#"{"foo":"bar"}"#, r#"[{"op":"add","path":"/baz/bat","value":"qux"}]"#, None),
            (r#"{"/":9,"~1":10}"#, r#"[{"op":"test","path":"/~01","value":10}]"#, Some(r#"{"/":9,"~1":10}"#)),
            (
                r#"{"foo":["bar"]}"#,
                r#"[{"op":"add","path":"/foo/-","value":["abc"]}]"#,
                Some(r#"{"foo":["bar",["abc"]]}"#),
            ),
            (r#"{"a":{"b":1}}"#, r#"[{"op":"copy","from":"/a","path":"/a/c"}]"#, Some(r#"{"a":{"b":1,"c":{"b":1}}}"#)),
            (r#"{"a":{"b":1}}"#, r#"[{"op":"move","from":"/a","path":"/a/c"}]"#, None),
            (r#"[1]"#, r#"[{"op":"replace","path":"/01","value":2}]"#, None),
            (r#"[1]"#, r#"[{"op":"remove","path":"/1"}]"#, None),
            (r#"[1]"#, r#"[{"op":"replace","path":"/-","value":2}]"#, None),
            (r#"{}"#, r#"[{"op":"remove","path":""}]"#, None),
        ] {
            let got = call("json.patch", &[json(document), json(patch)]).ok();
            assert_eq!(got, want.map(json), "{document} {patch}");
        }
    }

    #[test]
    fn a_document_cannot_be_doubled_without_end() {
        let patch = format!("[{}]", vec![r#"{"op":"copy","from":"","path":"/a"}"#; 200].join(","));
        assert!(call("json.patch", &[json(r#"{"b":1}"#), json(&patch)]).is_ok());
        let both = r#"{"op":"copy","from":"","path":"/a"},{"op":"copy","from":"","path":"/b"}"#;
        let patch = format!("[{}]", vec![both; 100].join(","));
        assert!(matches!(call("json.patch", &[json("{}"), json(&patch)]), Err(Fault::Refused(_))));
    }

    #[test]
    fn sets() {
        let set = |all: &[&str]| make_set(all.iter().map(|t| text(t)));
        let patched = |patch: &str| call("json.patch", &[set(&["a", "b"]), json(patch)]).ok();
        assert_eq!(patched(r#"[{"op":"remove","path":"b"}]"#), Some(set(&["a"])));
        assert_eq!(patched(r#"[{"op":"add","path":["c"],"value":"c"}]"#), Some(set(&["a", "b", "c"])));
        assert_eq!(patched(r#"[{"op":"add","path":"c","value":"d"}]"#), None);
    }
}
