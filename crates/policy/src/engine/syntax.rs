//! Walking the interpreter's syntax trees, with a stack of our own instead of the thread's.

use std::collections::BTreeSet;

use regorus::unstable::{AssignOp, Expr, Literal, Query, Rule, RuleAssign, RuleHead, Span};

/// An expression of a rule, or a name that it declares.
pub(super) enum Found<'a> {
    /// A reference from its first name on (`a.b[x].c`). What stands in its brackets comes by itself.
    Reference(&'a Expr),
    /// What is called; itself a reference that does not come again.
    Call(&'a Expr),
    /// A name that means something of its own from here on: an argument, `some x`, `x :=`.
    Declared(&'a Span),
    /// A statement under `with`. What stands in it and what is put in comes by itself, too.
    With {
        /// Where the statement stands.
        place: &'a Span,
        /// The references and calls of the statement.
        used: Vec<&'a Expr>,
        /// The references and calls of the values that are put in.
        given: Vec<&'a Expr>,
    },
}

/// The head of a rule as it is written (`a.b[x]`), and everything found in the rule.
pub(super) fn rule(rule: &Rule) -> (&Expr, Vec<Found<'_>>) {
    let mut walk = Walk { found: Vec::new(), todo: Vec::new() };
    let head = match rule {
        Rule::Default { refr, args, value, .. } => {
            walk.patterns(args.iter().map(|a| &**a));
            walk.expressions([&**value]);
            refr
        }
        Rule::Spec { head, bodies, .. } => {
            for body in bodies {
                walk.assign(body.assign.as_ref());
                walk.todo.push(Todo::Query(&body.query));
            }
            match head {
                RuleHead::Compr { refr, assign, .. } => {
                    walk.assign(assign.as_ref());
                    refr
                }
                RuleHead::Set { refr, key, .. } => {
                    walk.expressions(key.as_deref());
                    refr
                }
                RuleHead::Func { refr, args, assign, .. } => {
                    walk.patterns(args.iter().map(|a| &**a));
                    walk.assign(assign.as_ref());
                    refr
                }
            }
        }
    };
    // `a.b[x] := …` is a rule of `a.b`; `x` is used, not named.
    walk.expressions(chain(head).1);
    walk.run();
    (head, walk.found)
}

/// The names of a function's arguments. They mean nothing else in the whole of the rule.
pub(super) fn arguments(rule: &Rule) -> BTreeSet<&str> {
    let (Rule::Default { args, .. } | Rule::Spec { head: RuleHead::Func { args, .. }, .. }) = rule else {
        return BTreeSet::new();
    };
    let mut walk = Walk { found: Vec::new(), todo: Vec::new() };
    walk.patterns(args.iter().map(|a| &**a));
    walk.run();
    let declared = |found| if let Found::Declared(span) = found { Some(span.text()) } else { None };
    walk.found.into_iter().filter_map(declared).collect()
}

/// The constant names at the start of `a.b["c"][x].d` (`a`, `b`, `c`); and every expression that is an index in it, or
/// that it starts from where that is no name.
pub(super) fn chain(expr: &Expr) -> (Vec<String>, Vec<&Expr>) {
    let (mut links, mut others) = (Vec::new(), Vec::new());
    let mut at = expr;
    loop {
        match at {
            Expr::RefDot { refr, field, .. } => {
                links.push(Some(field.0.text().to_owned()));
                at = refr;
            }
            Expr::RefBrack { refr, index, .. } => {
                if let Expr::String { value, .. } | Expr::RawString { value, .. } = &**index {
                    links.push(value.as_string().ok().map(|s| (**s).to_owned()));
                } else {
                    links.push(None);
                    others.push(&**index);
                }
                at = refr;
            }
            Expr::Var { span, .. } => {
                links.push(Some(span.text().to_owned()));
                return (links.into_iter().rev().map_while(|l| l).collect(), others);
            }
            other => {
                others.push(other);
                return (Vec::new(), others);
            }
        }
    }
}

/// The first name of a reference.
pub(super) fn first(expr: &Expr) -> Option<&Span> {
    let mut at = expr;
    loop {
        match at {
            Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } => at = refr,
            Expr::Var { span, .. } => return Some(span),
            _ => return None,
        }
    }
}

/// The references and calls that a walk finds.
fn references<'a>(start: impl FnOnce(&mut Walk<'a>)) -> Vec<&'a Expr> {
    let mut walk = Walk { found: Vec::new(), todo: Vec::new() };
    start(&mut walk);
    walk.run();
    let reference = |found| match found {
        Found::Reference(expr) | Found::Call(expr) => Some(expr),
        Found::Declared(_) | Found::With { .. } => None,
    };
    walk.found.into_iter().filter_map(reference).collect()
}

enum Todo<'a> {
    Expression(&'a Expr),
    /// An expression whose bare names are declared by it.
    Pattern(&'a Expr),
    Query(&'a Query),
}

struct Walk<'a> {
    found: Vec<Found<'a>>,
    todo: Vec<Todo<'a>>,
}

impl<'a> Walk<'a> {
    fn expressions(&mut self, expressions: impl IntoIterator<Item = &'a Expr>) {
        self.todo.extend(expressions.into_iter().map(Todo::Expression));
    }

    fn patterns(&mut self, patterns: impl IntoIterator<Item = &'a Expr>) {
        self.todo.extend(patterns.into_iter().map(Todo::Pattern));
    }

    fn assign(&mut self, assign: Option<&'a RuleAssign>) {
        self.expressions(assign.map(|a| &*a.value));
    }

    fn run(&mut self) {
        while let Some(todo) = self.todo.pop() {
            match todo {
                Todo::Expression(expr) => self.expression(expr, false),
                Todo::Pattern(expr) => self.expression(expr, true),
                Todo::Query(query) => self.query(query),
            }
        }
    }

    fn query(&mut self, query: &'a Query) {
        for stmt in &query.stmts {
            if !stmt.with_mods.is_empty() {
                let used = references(|walk| walk.literal(&stmt.literal));
                let given = references(|walk| walk.expressions(stmt.with_mods.iter().map(|with| &*with.r#as)));
                self.found.push(Found::With { place: &stmt.span, used, given });
            }
            self.literal(&stmt.literal);
            for with in &stmt.with_mods {
                self.expressions([&*with.refr, &*with.r#as]);
            }
        }
    }

    fn literal(&mut self, literal: &'a Literal) {
        match literal {
            Literal::SomeVars { vars, .. } => self.found.extend(vars.iter().map(Found::Declared)),
            Literal::SomeIn { key, value, collection, .. } => {
                self.patterns(key.as_deref().into_iter().chain([&**value]));
                self.expressions([&**collection]);
            }
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.expressions([&**expr]),
            Literal::Every { key, value, domain, query, .. } => {
                self.found.extend(key.iter().chain([value]).map(Found::Declared));
                self.expressions([&**domain]);
                self.todo.push(Todo::Query(query));
            }
        }
    }

    fn expression(&mut self, expr: &'a Expr, pattern: bool) {
        let inner: fn(&'a Expr) -> Todo<'a> = if pattern { Todo::Pattern } else { Todo::Expression };
        match expr {
            Expr::Var { span, .. } if pattern => self.found.push(Found::Declared(span)),
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                self.found.push(Found::Reference(expr));
                self.expressions(chain(expr).1);
            }
            Expr::Array { items, .. } | Expr::Set { items, .. } => self.todo.extend(items.iter().map(|i| inner(i))),
            Expr::Object { fields, .. } => {
                for (_, key, value) in fields {
                    // The key of a pattern is looked up, its value is bound.
                    self.expressions([&**key]);
                    self.todo.push(inner(value));
                }
            }
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
                self.expressions([&**term]);
                self.todo.push(Todo::Query(query));
            }
            Expr::ObjectCompr { key, value, query, .. } => {
                self.expressions([&**key, &**value]);
                self.todo.push(Todo::Query(query));
            }
            Expr::Call { fcn, params, .. } => {
                self.found.push(Found::Call(fcn));
                self.expressions(chain(fcn).1.into_iter().chain(params.iter().map(|p| &**p)));
            }
            Expr::UnaryExpr { expr, .. } => self.expressions([&**expr]),
            Expr::AssignExpr { op: AssignOp::ColEq, lhs, rhs, .. } => {
                self.patterns([&**lhs]);
                self.expressions([&**rhs]);
            }
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::AssignExpr { lhs, rhs, .. } => self.expressions([&**lhs, &**rhs]),
            Expr::Membership { key, value, collection, .. } => {
                self.expressions(key.as_deref().into_iter().chain([&**value, &**collection]));
            }
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. } => {}
        }
    }
}
