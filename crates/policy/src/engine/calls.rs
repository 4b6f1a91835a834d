//! Which rule builds on which: every function that is called exists, no rule builds on itself, and no chain of rules is
//! too long.
//!
//! Rego forbids recursion, but the interpreter notices it only between rules and only while it evaluates; a function
//! that calls itself would end the process. So the graph is drawn from the syntax trees beforehand. Of local variables it
//! knows a function's arguments; any other local of the same name as a rule counts as that rule, which can only refuse
//! too much.
//!
//! The graph serves one more thing. A rule that is evaluated for the value after `with … as` counts as evaluated inside
//! the statement too, though its value is not there: it is undefined then, in silence. Such statements are refused.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use countersign_model::Place;
use regorus::Engine;
use regorus::unstable::{BUILTINS, Expr, Module, Rule, RuleHead};

use super::syntax::{self, Found};
use super::{builtins, place};
use crate::Error;

/// The longest chain of rules, each built on the next.
const MAX_CHAIN: usize = 64;

/// A path of names, `["data", "countersign", "gates"]`.
type Path = Vec<String>;

/// A rule, and the paths that it refers to.
struct Node {
    place: Place,
    uses: BTreeSet<Path>,
    function: bool,
}

/// A statement under `with`: the paths it refers to, and those that the values put in refer to.
struct With {
    place: Place,
    used: Vec<Path>,
    given: Vec<Path>,
}

/// Refuses the engine's modules when a rule calls what does not exist, builds on itself, or on too long a chain.
/// The names of imports must have been written out (`imports`).
pub(super) fn check(engine: &mut Engine) -> Result<(), Error> {
    let mut nodes: BTreeMap<Path, Node> = BTreeMap::new();
    let (mut calls, mut withs) = (Vec::new(), Vec::new());
    for module in engine.get_modules() {
        let package = package(module);
        let resolve = |expr: &Expr| resolve(&package, &syntax::chain(expr).0);
        for rule in &module.policy {
            let (head, found) = syntax::rule(rule);
            let arguments = syntax::arguments(rule);
            let argument = |expr: &Expr| syntax::first(expr).is_some_and(|span| arguments.contains(span.text()));
            let path = package.iter().cloned().chain(syntax::chain(head).0).collect();
            let function = matches!(&**rule, Rule::Spec { head: RuleHead::Func { .. }, .. });
            let new = || Node { place: place(head.span()), uses: BTreeSet::new(), function };
            let node = nodes.entry(path).or_insert_with(new);
            for found in found {
                match found {
                    Found::Reference(expr) if argument(expr) => {}
                    Found::Reference(expr) => node.uses.extend(resolve(expr)),
                    Found::Call(expr) => {
                        let path = resolve(expr);
                        calls.push((
                            syntax::chain(expr).0.join("."),
                            path.clone(),
                            place(syntax::first(expr).unwrap_or(expr.span())),
                        ));
                        node.uses.extend(path);
                    }
                    Found::With { place: span, used, given } => {
                        let paths = |all: Vec<&Expr>| all.into_iter().filter_map(&resolve).collect();
                        withs.push(With { place: place(span), used: paths(used), given: paths(given) });
                    }
                    Found::Declared(_) => {}
                }
            }
        }
    }
    for (name, path, place) in calls {
        let builtin = name == "print" || builtins::find(&name).is_some() || BUILTINS.contains_key(name.as_str());
        if !builtin && !path.is_some_and(|p| nodes.contains_key(&p)) {
            return Err(Error::Rego { place: Some(place), message: format!("there is no function `{name}`") });
        }
    }
    let graph = Graph::of(&nodes, withs.iter().flat_map(|w| w.used.iter().chain(&w.given)));
    graph.walk()?;
    for with in &withs {
        let (used, given) = (graph.reach(&with.used), graph.reach(&with.given));
        let evaluated = |n: &&usize| nodes.get(graph.names[**n].0).is_some_and(|node| !node.function);
        if let Some(both) = used.intersection(&given).find(evaluated) {
            let name = graph.name(*both);
            let message =
                format!("`{name}` is used in this statement and in what `with` puts in: name that value first");
            return Err(Error::Rego { place: Some(with.place.clone()), message });
        }
    }
    Ok(())
}

fn package(module: &Module) -> Path {
    ["data".to_owned()].into_iter().chain(syntax::chain(&module.package.refr).0).collect()
}

/// The path that names may stand for in a package, `None` for input.
fn resolve(package: &Path, names: &[String]) -> Option<Path> {
    match names.first()?.as_str() {
        "data" => Some(names.to_vec()),
        "input" => None,
        _ => Some(package.iter().chain(names).cloned().collect()),
    }
}

/// The rules, and the packages that are referred to as a whole, by number.
struct Graph<'a> {
    names: Vec<(&'a Path, Option<&'a Place>)>,
    numbers: BTreeMap<&'a [String], usize>,
    edges: Vec<Vec<usize>>,
}

impl<'a> Graph<'a> {
    /// The graph of `nodes`, in which the paths `more` can be looked up too.
    fn of(nodes: &'a BTreeMap<Path, Node>, more: impl Iterator<Item = &'a Path>) -> Self {
        let mut names: Vec<(&Path, Option<&Place>)> = nodes.iter().map(|(p, n)| (p, Some(&n.place))).collect();
        let mut numbers: BTreeMap<&[String], usize> =
            nodes.keys().enumerate().map(|(i, p)| (p.as_slice(), i)).collect();
        let below = |path: &'a Path| {
            let range = nodes.range::<Path, _>((Bound::Excluded(path), Bound::Unbounded));
            range.map(|(p, _)| p).take_while(|p| p.starts_with(path))
        };
        // A package that is referred to is one node, however often that is.
        let mut packages = BTreeSet::new();
        for used in nodes.values().flat_map(|n| &n.uses).chain(more) {
            if below(used).next().is_some() && packages.insert(used) && !numbers.contains_key(used.as_slice()) {
                numbers.insert(used, names.len());
                names.push((used, None));
            }
        }
        let mut graph = Self { edges: vec![Vec::new(); names.len()], names, numbers };
        for (from, node) in nodes.values().enumerate() {
            graph.edges[from] = node.uses.iter().flat_map(|used| graph.targets(used)).collect();
        }
        for package in packages {
            if let Some(from) = graph.numbers.get(package.as_slice()).copied() {
                let rules: Vec<usize> =
                    below(package).filter_map(|p| graph.numbers.get(p.as_slice()).copied()).collect();
                graph.edges[from].extend(rules);
            }
        }
        graph
    }

    /// What a path refers to: `data.a.b.c.d` is of the rule `data.a.b`, where there is one, or the package of that very
    /// name.
    fn targets(&self, path: &Path) -> Vec<usize> {
        let target = |length: usize| {
            let to = self.numbers.get(&path[..length]).copied()?;
            (length == path.len() || self.names[to].1.is_some()).then_some(to)
        };
        (1..=path.len()).filter_map(target).collect()
    }

    /// Everything that is evaluated for `paths`.
    fn reach(&self, paths: &[Path]) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut todo: Vec<usize> = paths.iter().flat_map(|p| self.targets(p)).collect();
        while let Some(node) = todo.pop() {
            if reached.insert(node) {
                todo.extend(&self.edges[node]);
            }
        }
        reached
    }

    /// Depth first, with a stack of our own: what has to be protected here is the other one.
    fn walk(&self) -> Result<(), Error> {
        #[derive(Clone, Copy, PartialEq)]
        enum State {
            New,
            Open,
            Done(usize),
        }
        let mut states = vec![State::New; self.names.len()];
        for start in 0..self.names.len() {
            // Number, the next edge to follow, and the longest chain below that was found so far.
            let mut stack: Vec<(usize, usize, usize)> = Vec::new();
            if states[start] == State::New {
                states[start] = State::Open;
                stack.push((start, 0, 0));
            }
            while let Some((node, next, longest)) = stack.last_mut() {
                if let Some(to) = self.edges[*node].get(*next) {
                    *next += 1;
                    match states[*to] {
                        State::Done(length) => *longest = (*longest).max(length + 1),
                        State::New => {
                            states[*to] = State::Open;
                            stack.push((*to, 0, 0));
                        }
                        State::Open => {
                            let (to, from) = (*to, *node);
                            return Err(self.fault(to, &format!("by way of `{}`, builds on itself", self.name(from))));
                        }
                    }
                    continue;
                }
                let (node, longest) = (*node, *longest);
                if longest > MAX_CHAIN {
                    return Err(self.fault(node, &format!("builds on a chain of more than {MAX_CHAIN} rules")));
                }
                states[node] = State::Done(longest);
                stack.pop();
                if let Some((_, _, above)) = stack.last_mut() {
                    *above = (*above).max(longest + 1);
                }
            }
        }
        Ok(())
    }

    fn name(&self, node: usize) -> String {
        self.names[node].0.join(".")
    }

    fn fault(&self, node: usize, what: &str) -> Error {
        Error::Rego { place: self.names[node].1.cloned(), message: format!("`{}`, {what}", self.name(node)) }
    }
}
