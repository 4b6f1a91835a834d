//! Fields of one name in an answer must be one field (October 2021, 5.3.2).

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;

use super::super::Fault;
use super::super::args::fault;
use super::query::{FieldType, Query, Selection, selection};
use super::values::{child, kind, list, named, text, yes};

/// The most pairs of fields that are compared: a short query can ask for more than anyone could wait for.
const MAX_PAIRS: usize = 200_000;

/// A field, with the type that it is selected of.
type Field<'a> = (&'a str, &'a Value);

/// The fields of a selection by their names in the answer, those of fragments too.
pub(super) type Fields<'a> = BTreeMap<&'a str, Vec<Field<'a>>>;

/// That no two fields of the operations get in each other's way. Fragments that no operation reaches are invalid anyway.
pub(super) fn check(query: &Query<'_>, operations: &[Value]) -> Result<(), Fault> {
    let mut left = MAX_PAIRS;
    for operation in operations {
        if let Some(root) = query.schema.roots.get(text(operation, "Operation")) {
            let fields = collect(query, root, list(operation, "SelectionSet"))?;
            can_merge(query, &fields, false, &mut left)?;
        }
    }
    Ok(())
}

/// The fields of a selection. Fragments that spread themselves have been told apart already.
pub(super) fn collect<'a>(query: &Query<'a>, parent: &'a str, selections: &'a [Value]) -> Result<Fields<'a>, Fault> {
    let mut fields = Fields::new();
    add(query, parent, selections, &mut fields);
    Ok(fields)
}

fn add<'a>(query: &Query<'a>, parent: &'a str, selections: &'a [Value], to: &mut Fields<'a>) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut todo = vec![(parent, selections)];
    while let Some((parent, selections)) = todo.pop() {
        for node in selections {
            match selection(node) {
                Selection::Field => to.entry(text(node, "Alias")).or_default().push((parent, node)),
                Selection::Spread => {
                    let name = text(node, "Name");
                    if let Some(fragment) = query.fragments.get(name).filter(|_| seen.insert(name)) {
                        todo.push((text(fragment, "TypeCondition"), list(fragment, "SelectionSet")));
                    }
                }
                Selection::Inline => {
                    let on = text(node, "TypeCondition");
                    todo.push((if on.is_empty() { parent } else { on }, list(node, "SelectionSet")));
                }
            }
        }
    }
}

/// `FieldsInSetCanMerge`. Fields of objects that are never the same need only the same shape.
fn can_merge(query: &Query<'_>, fields: &Fields<'_>, apart: bool, left: &mut usize) -> Result<(), Fault> {
    for (name, all) in fields {
        for (i, a) in all.iter().enumerate() {
            // A field alone may have sub-fields that are in each other's way.
            if all.len() == 1 {
                below(query, a, None, apart, left)?;
            }
            for b in all.iter().skip(i + 1) {
                *left = left
                    .checked_sub(1)
                    .ok_or_else(|| Fault::Refused(format!("more than {MAX_PAIRS} pairs of fields to compare")))?;
                let object = |name: &str| query.schema.types.get(name).is_some_and(|t| t.kind == "OBJECT");
                let apart = apart || (a.0 != b.0 && object(a.0) && object(b.0));
                let same = text(a.1, "Name") == text(b.1, "Name") && same_arguments(a.1, b.1);
                if (!apart && !same) || !same_shape(query, a, b) {
                    return Err(fault(format!(
                        "Fields \"{name}\" conflict: they are different fields or of different types."
                    )));
                }
                below(query, a, Some(b), apart, left)?;
            }
        }
    }
    Ok(())
}

/// The fields below one field, or below two that are merged.
fn below<'a>(
    query: &Query<'a>,
    a: &Field<'a>,
    b: Option<&Field<'a>>,
    apart: bool,
    left: &mut usize,
) -> Result<(), Fault> {
    let mut fields = Fields::new();
    for (parent, node) in [Some(a), b].into_iter().flatten() {
        let selections = list(node, "SelectionSet");
        if let Some(inner) = query.field_type(parent, text(node, "Name")).filter(|_| !selections.is_empty()) {
            add(query, inner.base(), selections, &mut fields);
        }
    }
    if fields.is_empty() { Ok(()) } else { can_merge(query, &fields, apart, left) }
}

fn same_arguments(a: &Value, b: &Value) -> bool {
    let (a, b) = (list(a, "Arguments"), list(b, "Arguments"));
    let same = |x: &Value| {
        let other = named(b, text(x, "Name")).and_then(|y| child(y, "Value"));
        child(x, "Value").zip(other).is_some_and(|(x, y)| same_value(x, y))
    };
    a.len() == b.len() && a.iter().all(same)
}

fn same_value(a: &Value, b: &Value) -> bool {
    let (x, y) = (list(a, "Children"), list(b, "Children"));
    let same = |(x, y): (&Value, &Value)| {
        let values = child(x, "Value").zip(child(y, "Value"));
        text(x, "Name") == text(y, "Name") && values.is_some_and(|(x, y)| same_value(x, y))
    };
    kind(a) == kind(b) && text(a, "Raw") == text(b, "Raw") && x.len() == y.len() && x.iter().zip(y).all(same)
}

/// `SameResponseShape` of the types themselves; what is below is compared with the fields below.
fn same_shape(query: &Query<'_>, a: &Field<'_>, b: &Field<'_>) -> bool {
    let of = |f: &Field<'_>| query.field_type(f.0, text(f.1, "Name"));
    match (of(a), of(b)) {
        (Some(FieldType::Defined(a)), Some(FieldType::Defined(b))) => same_type(query, a, b),
        (Some(a), Some(b)) => a.base() == b.base(),
        _ => false,
    }
}

fn same_type(query: &Query<'_>, a: &Value, b: &Value) -> bool {
    if yes(a, "NonNull") != yes(b, "NonNull") {
        return false;
    }
    match (child(a, "Elem"), child(b, "Elem")) {
        (Some(a), Some(b)) => same_type(query, a, b),
        (None, None) => {
            let (a, b) = (text(a, "NamedType"), text(b, "NamedType"));
            let leaf = |name: &str| query.schema.types.get(name).is_some_and(|t| t.is_leaf());
            a == b || (!leaf(a) && !leaf(b))
        }
        _ => false,
    }
}
