//! What a module holds, without evaluating it: for the linter, for tests, and for differences between bundles.

use std::collections::BTreeSet;

use countersign_model::Place;
use regorus::Engine;
use regorus::unstable::{BoolOp, Expr, Literal, Module, Rule, RuleHead};

use super::source::Sources;
use super::{message, place, syntax};
use crate::Error;

/// A module's package, imports and rules.
#[derive(Debug, Clone)]
pub struct Outline {
    /// The file.
    pub file: String,
    /// The package, `data.a.b`.
    pub package: String,
    /// What it imports: the path, and the name it is known by.
    pub imports: Vec<Import>,
    /// Its rules, in order; one name may have many.
    pub rules: Vec<RuleOutline>,
}

/// An import.
#[derive(Debug, Clone)]
pub struct Import {
    /// `data.a.lib`.
    pub path: String,
    /// `lib`.
    pub name: String,
    /// Where.
    pub place: Place,
    /// Whether the module uses it.
    pub used: bool,
}

/// What a rule makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A value.
    Value,
    /// Members of a set, `p contains x`.
    Set,
    /// A function.
    Function,
    /// What a rule or function is where nothing else is said.
    Default,
}

/// A rule.
#[derive(Debug, Clone)]
pub struct RuleOutline {
    /// `data.a.b.deny`.
    pub path: String,
    /// What it makes.
    pub kind: Kind,
    /// Where it begins.
    pub place: Place,
    /// As it is written, but for the rewriting of the newest syntax.
    pub text: String,
    /// Full paths of everything it refers to and calls; names of arguments and builtins among them.
    pub uses: BTreeSet<String>,
    /// Sets of which a body says only that nothing is in them, where that is all that the body says.
    pub counts_nothing_of: Vec<String>,
}

/// The outlines of modules, path and text.
///
/// # Errors
/// [`Error::Rego`] when a module does not parse.
pub fn outline<'a>(modules: impl IntoIterator<Item = (&'a str, &'a str)>, v0: bool) -> Result<Vec<Outline>, Error> {
    let modules: Vec<(&str, &str)> = modules.into_iter().collect();
    let mut sources = Sources::read(modules.iter().copied())?;
    let mut out = Vec::new();
    for (path, text) in modules {
        let written = sources.rewrite(path, text)?;
        super::nesting::check(path, &written.text)?;
        let mut engine = Engine::new();
        engine.set_rego_v0(v0);
        engine.set_policy_length_config(super::wide());
        engine.add_policy(path.to_owned(), written.text).map_err(|e| {
            let (place, message) = message::split(&e.to_string());
            Error::Rego { place: place.or_else(|| Some(Place::file(path))), message }
        })?;
        out.extend(engine.get_modules().iter().map(|module| module_outline(path, module)));
    }
    Ok(out)
}

fn module_outline(file: &str, module: &Module) -> Outline {
    let package = ["data".to_owned()].into_iter().chain(syntax::chain(&module.package.refr).0).collect::<Vec<_>>();
    let package = package.join(".");
    let mut imports: Vec<Import> = module
        .imports
        .iter()
        .filter_map(|import| {
            let (names, _) = syntax::chain(&import.refr);
            let name = import.r#as.as_ref().map(|s| s.text().to_owned()).or_else(|| names.last().cloned())?;
            let place = place(&import.span);
            Some(Import { path: names.join("."), name, place, used: false })
        })
        .collect();
    let mut rules = Vec::new();
    for rule in &module.policy {
        let (head, found) = syntax::rule(rule);
        let mut uses = BTreeSet::new();
        for found in found {
            if let syntax::Found::Reference(expr) | syntax::Found::Call(expr) = found {
                let names = syntax::chain(expr).0;
                let Some(first) = names.first() else { continue };
                if let Some(import) = imports.iter_mut().find(|i| i.name == *first) {
                    import.used = true;
                    uses.insert(
                        [import.path.clone()]
                            .into_iter()
                            .chain(names.iter().skip(1).cloned())
                            .collect::<Vec<_>>()
                            .join("."),
                    );
                } else if first == "data" || first == "input" {
                    uses.insert(names.join("."));
                } else {
                    uses.insert(format!("{package}.{}", names.join(".")));
                    uses.insert(names.join("."));
                }
            }
        }
        let kind = match &**rule {
            Rule::Default { .. } => Kind::Default,
            Rule::Spec { head: RuleHead::Set { .. }, .. } => Kind::Set,
            Rule::Spec { head: RuleHead::Func { .. }, .. } => Kind::Function,
            Rule::Spec { .. } => Kind::Value,
        };
        let counts_nothing_of = if kind == Kind::Value { vacuous(rule, &package) } else { Vec::new() };
        rules.push(RuleOutline {
            path: format!("{package}.{}", syntax::chain(head).0.join(".")),
            kind,
            place: place(head.span()),
            text: rule.span().text().to_owned(),
            uses,
            counts_nothing_of,
        });
    }
    Outline { file: file.to_owned(), package, imports, rules }
}

/// The sets that a rule's bodies say are empty, where some body says nothing else.
fn vacuous(rule: &Rule, package: &str) -> Vec<String> {
    let Rule::Spec { head: RuleHead::Compr { assign, .. }, bodies, .. } = rule else { return Vec::new() };
    // A rule that is anything but `true` is no pass.
    if assign.as_ref().is_some_and(|a| a.value.span().text().trim() != "true") {
        return Vec::new();
    }
    for body in bodies {
        let sets: Option<Vec<String>> = body
            .query
            .stmts
            .iter()
            .map(|s| match &s.literal {
                Literal::Expr { expr, .. } => counted_empty(expr),
                Literal::NotExpr { expr, .. } => member_of(expr),
                _ => None,
            })
            .collect();
        if let Some(sets) = sets.filter(|s| !s.is_empty()) {
            let full = |name: String| if name.starts_with("data.") { name } else { format!("{package}.{name}") };
            return sets.into_iter().map(full).collect();
        }
    }
    Vec::new()
}

/// `count(x) == 0`, `x == set()`: the name of `x`.
fn counted_empty(expr: &Expr) -> Option<String> {
    let Expr::BoolExpr { op: BoolOp::Eq, lhs, rhs, .. } = expr else { return None };
    let zero = |e: &Expr| e.span().text().trim() == "0";
    let empty = |e: &Expr| matches!(e.span().text().trim(), "set()");
    for (one, other) in [(lhs, rhs), (rhs, lhs)] {
        if let Expr::Call { fcn, params, .. } = &**one
            && fcn.span().text().trim() == "count"
            && zero(other)
        {
            return params.first().and_then(|p| name(p));
        }
        if empty(other) {
            return name(one);
        }
    }
    None
}

/// `x[_]`: the name of `x`.
fn member_of(expr: &Expr) -> Option<String> {
    let Expr::RefBrack { refr, index, .. } = expr else { return None };
    (index.span().text().trim() == "_").then(|| name(refr)).flatten()
}

fn name(expr: &Expr) -> Option<String> {
    let (names, others) = syntax::chain(expr);
    (!names.is_empty() && others.is_empty()).then(|| names.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_imports_and_their_uses_are_told() {
        let text = "package a.b\n\nimport data.lib\nimport data.other as o\n\ndefault allow := false\n\n\
                    allow if count(deny) == 0\n\ndeny contains x if {\n\tx := lib.f(input.y)\n}\n\nf(x) := x + 1\n";
        let all = outline([("a.rego", text)], false).unwrap();
        let [module] = &all[..] else { panic!("one module") };
        assert_eq!(module.package, "data.a.b");
        assert_eq!(
            module.imports.iter().map(|i| (i.name.as_str(), i.used)).collect::<Vec<_>>(),
            [("lib", true), ("o", false)]
        );
        let told: Vec<_> = module.rules.iter().map(|r| (r.path.as_str(), r.kind, r.place.line)).collect();
        assert_eq!(
            told,
            [
                ("data.a.b.allow", Kind::Default, Some(6)),
                ("data.a.b.allow", Kind::Value, Some(8)),
                ("data.a.b.deny", Kind::Set, Some(10)),
                ("data.a.b.f", Kind::Function, Some(14))
            ]
        );
        assert_eq!(module.rules[1].counts_nothing_of, ["data.a.b.deny"]);
        assert!(module.rules[2].uses.contains("data.lib.f") && module.rules[2].uses.contains("input.y"));
    }

    #[test]
    fn a_body_that_says_more_than_nothing_found_is_not_vacuous() {
        for (body, sets) in [
            ("count(deny) == 0", 1),
            ("0 == count(data.x.deny)", 1),
            ("deny == set()", 1),
            ("not deny[_]", 1),
            ("{ count(deny) == 0; count(warn) == 0 }", 2),
            ("{ count(deny) == 0; input.resources }", 0),
            ("count(input.a) == 1", 0),
            ("{ input.x; not deny[_] }", 0),
            (":= true if count(deny) == 0", 1),
            (":= input if count(deny) == 0", 0),
        ] {
            let body = if body.starts_with(":=") { body.to_owned() } else { format!("if {body}") };
            let text = format!("package a\n\nallow {body}\n");
            let all = outline([("a.rego", text.as_str())], false).unwrap();
            assert_eq!(all[0].rules[0].counts_nothing_of.len(), sets, "{body}");
        }
    }
}
