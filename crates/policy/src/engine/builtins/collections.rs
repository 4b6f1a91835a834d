//! `array.flatten`, `graph.reachable_paths`, `numbers.range`, `numbers.range_step`, `opa.runtime`.

use std::collections::BTreeSet;

use regorus::Value;
use regorus::value::Object;

use super::args::fault;
use super::args::{array, elements, integer, limit_elements, object};
use super::{Builtin, Fault};

/// The longest path in a graph.
const MAX_PATH: usize = 2000;

pub(super) const FAMILY: &[Builtin] = &[
    Builtin { name: "array.flatten", arity: 1, call: |args| flatten(args) },
    Builtin { name: "graph.reachable_paths", arity: 2, call: |args| reachable_paths(args) },
    Builtin { name: "numbers.range", arity: 2, call: |args| range(args, 1) },
    Builtin { name: "numbers.range_step", arity: 3, call: |args| range(args, integer(args, 2)?) },
    // What OPA knows of its process, its configuration and its environment: here nothing, so that a decision depends
    // on nothing of it.
    Builtin { name: "opa.runtime", arity: 0, call: |_| Ok(Value::new_object()) },
];

/// One level only.
fn flatten(args: &[Value]) -> Result<Value, Fault> {
    let mut flat = Vec::new();
    for element in array(args, 0)? {
        match element {
            Value::Array(inner) => flat.extend(inner.iter().cloned()),
            other => flat.push(other.clone()),
        }
        limit_elements(flat.len())?;
    }
    Ok(Value::from(flat))
}

/// From the first number to the second, which is in it where the steps meet it.
fn range(args: &[Value], step: i128) -> Result<Value, Fault> {
    let (from, to) = (integer(args, 0)?, integer(args, 1)?);
    let step = u128::try_from(step).ok().filter(|s| *s > 0).ok_or_else(|| fault("step must be a positive integer"))?;
    let count = from.abs_diff(to) / step;
    limit_elements(usize::try_from(count).unwrap_or(usize::MAX).saturating_add(1))?;
    let at = |i: u128| {
        if from <= to { from.saturating_add_unsigned(i * step) } else { from.saturating_sub_unsigned(i * step) }
    };
    Ok(Value::from((0..=count).map(|i| Value::from(at(i))).collect::<Vec<_>>()))
}

/// The nodes that an edge leads to: an array or a set, nothing else has any.
fn edges(value: &Value) -> Vec<&Value> {
    elements(std::slice::from_ref(value), 0).unwrap_or_default()
}

struct Walk<'a> {
    graph: &'a Object,
    /// Nodes that a path went through already, from one edge of a first node on.
    reached: BTreeSet<&'a Value>,
    paths: BTreeSet<Value>,
    /// Elements of all paths.
    size: usize,
}

impl<'a> Walk<'a> {
    fn end(&mut self, path: &[&Value]) -> Result<(), Fault> {
        self.size += path.len();
        limit_elements(self.size)?;
        self.paths.insert(Value::from(path.iter().copied().cloned().collect::<Vec<_>>()));
        Ok(())
    }

    /// Every path from `node` on; `path` leads to it.
    fn from(&mut self, node: &'a Value, path: &mut Vec<&'a Value>) -> Result<(), Fault> {
        // A node that the graph does not have ends the path before it.
        let Some(next) = self.graph.get(node) else {
            return self.end(path);
        };
        if path.len() >= MAX_PATH {
            return Err(Fault::Refused(format!("a path is longer than {MAX_PATH} nodes")));
        }
        path.push(node);
        let next = edges(next);
        if next.is_empty() {
            self.end(path)?;
        }
        for neighbour in next {
            if self.reached.contains(neighbour) {
                self.end(path)?;
            } else {
                self.reached.insert(node);
                self.from(neighbour, path)?;
            }
        }
        path.pop();
        Ok(())
    }
}

fn reachable_paths(args: &[Value]) -> Result<Value, Fault> {
    let graph = object(args, 0)?;
    let mut walk = Walk { graph, reached: BTreeSet::new(), paths: BTreeSet::new(), size: 0 };
    for root in elements(args, 1)? {
        let Some(next) = graph.get(root) else { continue };
        let next = edges(next);
        if next.is_empty() {
            walk.end(&[root])?;
        }
        for neighbour in next {
            walk.reached = BTreeSet::from([root]);
            if neighbour == root {
                walk.end(&[root])?;
            } else {
                walk.from(neighbour, &mut vec![root])?;
            }
        }
    }
    Ok(Value::from(walk.paths))
}

#[cfg(test)]
mod tests {
    use super::super::Fault;
    use super::super::tests::{call, json};

    #[test]
    fn ranges_have_both_ends_where_the_steps_meet_them() {
        let range = |args: &str| call("numbers.range_step", json(args).as_array().unwrap()).unwrap();
        assert_eq!(range("[1, 6, 2]"), json("[1, 3, 5]"));
        assert_eq!(range("[3, -3, 3]"), json("[3, 0, -3]"));
        assert_eq!(range("[0, 1, 170141183460469231731687303715884105727]"), json("[0]"));
        assert!(matches!(call("numbers.range", &[json("0"), json("1000000")]), Err(Fault::Refused(_))));
        assert!(matches!(call("numbers.range_step", &[json("0"), json("1"), json("0")]), Err(Fault::Operand(_))));
        assert!(matches!(call("numbers.range", &[json("0.5"), json("1")]), Err(Fault::Operand(_))));
    }

    #[test]
    fn a_path_ends_where_it_would_come_round() {
        let graph = json(r#"{"a": ["b"], "b": ["c", "d"], "c": ["a"], "d": []}"#);
        let paths = call("graph.reachable_paths", &[graph, json(r#"["a", "x"]"#)]).unwrap();
        assert_eq!(serde_json::to_string(&paths).unwrap(), r#"[["a","b","c"],["a","b","d"]]"#);
    }

    #[test]
    fn a_long_path_is_refused_and_does_not_end_the_process() {
        let graph: Vec<String> = (0..50_000).map(|i| format!(r#""{i}": ["{}"]"#, i + 1)).collect();
        let graph = json(&format!("{{{}}}", graph.join(",")));
        assert!(matches!(call("graph.reachable_paths", &[graph, json(r#"["0"]"#)]), Err(Fault::Refused(_))));
    }
}
