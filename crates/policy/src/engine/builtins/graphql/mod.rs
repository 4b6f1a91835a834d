//! `graphql.*` (GraphQL, October 2021): syntax trees and validation of queries and schemas.
//!
//! A tree is the JSON that OPA makes: gqlparser's nodes without positions and without what is empty. Since policies may
//! give trees in place of text, validation works on these values, and text is only another way to one.

use regorus::Value;

use super::args::{make_object, string};
use super::{Builtin, Fault};

mod lexer;
mod overlap;
mod parser;
mod prelude;
mod query;
mod schema;
#[cfg(test)]
mod tests;
mod values;

use parser::Kind;

pub(super) const FAMILY: &[Builtin] = &[
    Builtin {
        name: "graphql.is_valid",
        arity: 2,
        call: |args| Ok(unless_wrong(both(args).map(|_| ()))?.is_some().into()),
    },
    Builtin {
        name: "graphql.parse",
        arity: 2,
        call: |args| both(args).map(|(query, schema)| Value::from(vec![query, schema])),
    },
    Builtin {
        name: "graphql.parse_and_verify",
        arity: 2,
        call: |args| {
            let (valid, query, schema) = match unless_wrong(both(args))? {
                Some((query, schema)) => (true, query, schema),
                None => (false, Value::new_object(), Value::new_object()),
            };
            Ok(Value::from(vec![valid.into(), query, schema]))
        },
    },
    Builtin { name: "graphql.parse_query", arity: 1, call: |args| parser::parse(string(args, 0)?, Kind::Query) },
    Builtin { name: "graphql.parse_schema", arity: 1, call: |args| parser::parse(string(args, 0)?, Kind::Schema) },
    Builtin {
        name: "graphql.schema_is_valid",
        arity: 1,
        call: |args| {
            let valid = tree(args, 0, Kind::Schema).and_then(|schema| {
                let prelude = prelude::tree()?;
                schema::Schema::load(&prelude, &schema).map(|_| ())
            });
            Ok(unless_wrong(valid)?.is_some().into())
        },
    },
];

/// What is wrong in the arguments is an answer here, what is refused is not.
fn unless_wrong<T>(result: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Fault::Operand(_)) => Ok(None),
        Err(refused) => Err(refused),
    }
}

/// The tree of an argument that is text or a tree.
fn tree(args: &[Value], i: usize, kind: Kind) -> Result<Value, Fault> {
    match args.get(i) {
        Some(Value::String(text)) => parser::parse(text, kind),
        Some(tree @ Value::Object(_)) => values::prune(tree),
        _ => Err(super::args::wrong(args, i, "one of {string, object}")),
    }
}

/// The trees of a query and a schema that are valid together.
fn both(args: &[Value]) -> Result<(Value, Value), Fault> {
    let (query, schema) = (tree(args, 0, Kind::Query)?, tree(args, 1, Kind::Schema)?);
    let prelude = prelude::tree()?;
    query::validate(&schema::Schema::load(&prelude, &schema)?, &query)?;
    Ok((query, schema))
}

/// A node of the members that are not empty.
fn node<'a>(members: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    make_object(members.into_iter().filter(|(_, value)| !values::is_empty(value)))
}
