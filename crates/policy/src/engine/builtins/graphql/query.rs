//! Whether a query is valid for a schema (October 2021, 5).

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;

use super::super::Fault;
use super::super::args::fault;
use super::overlap;
use super::schema::{Schema, Type};
use super::values::{
    BLOCK, BOOLEAN, ENUM, FLOAT, INT, LIST, NULL, OBJECT, STRING, VARIABLE, base, child, has, kind, list, named, text,
    texts, twice, written, yes,
};

/// A use of a variable: its name, the type of the place, and whether the place has a default.
type Use<'a> = (&'a str, &'a Value, bool);

/// What an operation or a fragment uses.
#[derive(Default)]
struct Uses<'a> {
    variables: Vec<Use<'a>>,
    fragments: BTreeSet<&'a str>,
}

/// A query with its schema.
pub(super) struct Query<'a> {
    pub(super) schema: &'a Schema<'a>,
    pub(super) fragments: BTreeMap<&'a str, &'a Value>,
}

/// What a selection is.
pub(super) enum Selection {
    Field,
    Spread,
    Inline,
}

pub(super) fn selection(node: &Value) -> Selection {
    if has(node, "Alias") {
        Selection::Field
    } else if has(node, "Name") {
        Selection::Spread
    } else {
        Selection::Inline
    }
}

fn wrong<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(fault(what))
}

/// # Errors
/// [`Fault::Operand`] with the first thing that makes the query invalid.
pub(super) fn validate<'a>(schema: &'a Schema<'a>, tree: &'a Value) -> Result<(), Fault> {
    let (operations, fragments) = (list(tree, "Operations"), list(tree, "Fragments"));
    if let Some(name) = twice(fragments.iter().map(|f| text(f, "Name")).collect()) {
        return wrong(format!("There can be only one fragment named \"{name}\"."));
    }
    let named: Vec<&str> = operations.iter().map(|o| text(o, "Name")).filter(|n| !n.is_empty()).collect();
    if named.len() < operations.len() && operations.len() > 1 {
        return wrong("An anonymous operation must be the only defined operation.");
    }
    if let Some(name) = twice(named) {
        return wrong(format!("There can be only one operation named \"{name}\"."));
    }
    let query = Query { schema, fragments: fragments.iter().map(|f| (text(f, "Name"), f)).collect() };
    let mut uses: BTreeMap<&str, Uses<'a>> = BTreeMap::new();
    for fragment in fragments {
        let condition = query.condition(fragment)?;
        let mut used = Uses::default();
        query.directives(fragment, "FRAGMENT_DEFINITION", &mut used)?;
        query.selections(condition, list(fragment, "SelectionSet"), &mut used)?;
        uses.insert(text(fragment, "Name"), used);
    }
    query.no_cycles(&uses)?;
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    for operation in operations {
        reached.extend(query.operation(operation, &uses)?);
    }
    if let Some(unused) = query.fragments.keys().find(|name| !reached.contains(*name)) {
        return wrong(format!("Fragment \"{unused}\" is never used."));
    }
    overlap::check(&query, operations)
}

impl<'a> Query<'a> {
    fn operation(&self, operation: &'a Value, uses: &BTreeMap<&'a str, Uses<'a>>) -> Result<BTreeSet<&'a str>, Fault> {
        let kind = text(operation, "Operation");
        let root = self.schema.roots.get(kind).copied();
        let root = root.ok_or_else(|| fault(format!("Schema does not support operation type \"{kind}\"")))?;
        let mut used = Uses::default();
        self.directives(operation, &kind.to_ascii_uppercase(), &mut used)?;
        let variables = list(operation, "VariableDefinitions");
        for variable in variables {
            self.directives(variable, "VARIABLE_DEFINITION", &mut used)?;
        }
        self.selections(root, list(operation, "SelectionSet"), &mut used)?;

        let mut reached = BTreeSet::new();
        let mut todo: Vec<&str> = used.fragments.iter().copied().collect();
        while let Some(name) = todo.pop() {
            if reached.insert(name)
                && let Some(inner) = uses.get(name)
            {
                todo.extend(&inner.fragments);
                used.variables.extend(&inner.variables);
            }
        }
        self.variables(variables, &used.variables)?;
        if kind == "subscription" {
            let fields = overlap::collect(self, root, list(operation, "SelectionSet"))?;
            if fields.len() != 1 || fields.keys().any(|k| k.starts_with("__")) {
                return wrong("A subscription must select only one top level field.");
            }
        }
        Ok(reached)
    }

    fn variables(&self, variables: &'a [Value], uses: &[Use<'a>]) -> Result<(), Fault> {
        if let Some(name) = twice(variables.iter().map(|v| text(v, "Variable")).collect()) {
            return wrong(format!("There can be only one variable named \"${name}\"."));
        }
        for variable in variables {
            let name = text(variable, "Variable");
            let of = child(variable, "Type").ok_or_else(|| fault(format!("Variable \"${name}\" has no type.")))?;
            if self.schema.of(of).is_none_or(|t| !t.is_input()) {
                return wrong(format!("Variable \"${name}\" cannot be non-input type \"{}\".", written(of)));
            }
            if let Some(default) = child(variable, "DefaultValue") {
                self.value(default, of, false, &mut Uses::default())?;
            }
            if !uses.iter().any(|(used, ..)| *used == name) {
                return wrong(format!("Variable \"${name}\" is never used."));
            }
        }
        for (name, place, has_default) in uses {
            let variable = variables.iter().find(|v| text(v, "Variable") == *name);
            let variable = variable.ok_or_else(|| fault(format!("Variable \"${name}\" is not defined.")))?;
            let default = child(variable, "DefaultValue").is_some_and(|d| kind(d) != Some(NULL));
            let fits = child(variable, "Type").is_some_and(|of| {
                // 5.8.5: a default makes up for a variable that may be null.
                let lenient = yes(place, "NonNull") && !yes(of, "NonNull") && (default || *has_default);
                fits(of, place, lenient)
            });
            if !fits {
                return wrong(format!("Variable \"${name}\" is used where \"{}\" is expected.", written(place)));
            }
        }
        Ok(())
    }

    /// The type that a fragment is on.
    fn condition(&self, fragment: &'a Value) -> Result<&'a str, Fault> {
        let name = text(fragment, "TypeCondition");
        match self.schema.types.get(name) {
            None => wrong(format!("Unknown type \"{name}\".")),
            Some(of) if !of.is_composite() => {
                wrong(format!("Fragment cannot condition on non composite type \"{name}\"."))
            }
            Some(_) => Ok(name),
        }
    }

    fn no_cycles(&self, uses: &BTreeMap<&'a str, Uses<'a>>) -> Result<(), Fault> {
        // Takes away fragments that spread only what is taken away already; what is left spreads itself.
        let mut left: BTreeMap<&str, BTreeSet<&str>> = uses.iter().map(|(n, u)| (*n, u.fragments.clone())).collect();
        loop {
            let done: Vec<&str> = left.iter().filter(|(_, f)| f.is_empty()).map(|(n, _)| *n).collect();
            if done.is_empty() {
                break;
            }
            for name in done {
                left.remove(name);
                left.values_mut().for_each(|f| f.retain(|n| *n != name));
            }
        }
        match left.keys().next() {
            Some(name) => wrong(format!("Fragment \"{name}\" spreads itself or what does.")),
            None => Ok(()),
        }
    }

    fn selections(&self, parent: &'a str, selections: &'a [Value], uses: &mut Uses<'a>) -> Result<(), Fault> {
        for node in selections {
            match selection(node) {
                Selection::Field => {
                    self.directives(node, "FIELD", uses)?;
                    self.field(parent, node, uses)?;
                }
                Selection::Spread => {
                    self.directives(node, "FRAGMENT_SPREAD", uses)?;
                    let name = text(node, "Name");
                    let fragment =
                        self.fragments.get(name).ok_or_else(|| fault(format!("Unknown fragment \"{name}\".")))?;
                    self.possible(parent, self.condition(fragment)?)?;
                    uses.fragments.insert(name);
                }
                Selection::Inline => {
                    self.directives(node, "INLINE_FRAGMENT", uses)?;
                    let on = if text(node, "TypeCondition").is_empty() { parent } else { self.condition(node)? };
                    self.possible(parent, on)?;
                    self.selections(on, list(node, "SelectionSet"), uses)?;
                }
            }
        }
        Ok(())
    }

    /// 5.5.2.3: a fragment that could never match is a mistake.
    fn possible(&self, parent: &str, on: &str) -> Result<(), Fault> {
        if self.schema.possible(parent).is_disjoint(&self.schema.possible(on)) {
            return wrong(format!(
                "A fragment cannot be spread here as objects of type \"{parent}\" can never be of type \"{on}\"."
            ));
        }
        Ok(())
    }

    /// The definition of a field that every type has, or a root.
    fn meta(&self, parent: &str, of: &Type<'a>, name: &str) -> Option<Meta> {
        let query = self.schema.roots.get("query").is_some_and(|root| *root == parent);
        match name {
            "__typename" if of.is_composite() => Some(Meta::Typename),
            "__schema" if query => Some(Meta::Schema),
            "__type" if query => Some(Meta::Type),
            _ => None,
        }
    }

    /// The type of a field, without its arguments, by name; `None` where there is no such field.
    pub(super) fn field_type(&self, parent: &str, name: &str) -> Option<FieldType<'a>> {
        let of = self.schema.types.get(parent)?;
        match self.meta(parent, of, name) {
            Some(Meta::Typename) => Some(FieldType::Meta("String")),
            Some(Meta::Schema) => Some(FieldType::Meta("__Schema")),
            Some(Meta::Type) => Some(FieldType::Meta("__Type")),
            None => child(of.field(name)?, "Type").map(FieldType::Defined),
        }
    }

    fn field(&self, parent: &'a str, node: &'a Value, uses: &mut Uses<'a>) -> Result<(), Fault> {
        let name = text(node, "Name");
        let found = self.field_type(parent, name);
        let found = found.ok_or_else(|| fault(format!("Cannot query field \"{name}\" on type \"{parent}\".")))?;
        let (defined, given) = (self.schema.types.get(parent).and_then(|t| t.field(name)), list(node, "Arguments"));
        match (&found, defined) {
            (FieldType::Defined(_), Some(field)) => self.arguments(name, list(field, "Arguments"), given, uses)?,
            (FieldType::Meta("__Type"), _) => {
                let one = given.len() == 1 && given.iter().all(|a| text(a, "Name") == "name");
                let value = given.first().and_then(|a| child(a, "Value"));
                if !one || value.and_then(kind).is_none_or(|k| !matches!(k, STRING | BLOCK)) {
                    return wrong("Field \"__type\" has one argument, the \"name\" of a type.");
                }
            }
            _ if given.is_empty() => {}
            _ => return wrong(format!("Field \"{name}\" has no arguments.")),
        }
        let below = list(node, "SelectionSet");
        let inner = found.base();
        let of = self.schema.types.get(inner).ok_or_else(|| fault(format!("Unknown type \"{inner}\".")))?;
        match (of.is_leaf(), below.is_empty()) {
            (true, false) => {
                wrong(format!("Field \"{name}\" must not have a selection since \"{inner}\" has no subfields."))
            }
            (false, true) => wrong(format!("Field \"{name}\" of type \"{inner}\" must have a selection of subfields.")),
            (true, true) => Ok(()),
            (false, false) => self.selections(inner, below, uses),
        }
    }

    fn arguments(&self, of: &str, defined: &'a [Value], given: &'a [Value], uses: &mut Uses<'a>) -> Result<(), Fault> {
        if let Some(name) = twice(given.iter().map(|a| text(a, "Name")).collect()) {
            return wrong(format!("There can be only one argument named \"{name}\"."));
        }
        for argument in given {
            let name = text(argument, "Name");
            let known =
                named(defined, name).ok_or_else(|| fault(format!("Unknown argument \"{name}\" on \"{of}\".")))?;
            if let (Some(value), Some(wanted)) = (child(argument, "Value"), child(known, "Type")) {
                self.value(value, wanted, has(known, "DefaultValue"), uses)?;
            }
        }
        for argument in defined {
            let name = text(argument, "Name");
            let required = child(argument, "Type").is_some_and(|t| yes(t, "NonNull")) && !has(argument, "DefaultValue");
            if required && named(given, name).is_none() {
                return wrong(format!("\"{of}\" requires the argument \"{name}\", but it was not provided."));
            }
        }
        Ok(())
    }

    fn directives(&self, node: &'a Value, location: &str, uses: &mut Uses<'a>) -> Result<(), Fault> {
        let given = list(node, "Directives");
        for directive in given {
            let name = text(directive, "Name");
            let defined = self.schema.directives.get(name).copied();
            let defined = defined.ok_or_else(|| fault(format!("Unknown directive \"@{name}\".")))?;
            if !texts(defined, "Locations").contains(&location) {
                return wrong(format!("Directive \"@{name}\" may not be used on {location}."));
            }
            let again = given.iter().filter(|d| text(d, "Name") == name).count() > 1;
            if again && !yes(defined, "IsRepeatable") {
                return wrong(format!("The directive \"@{name}\" can only be used once at this location."));
            }
            self.arguments(name, list(defined, "Arguments"), list(directive, "Arguments"), uses)?;
        }
        Ok(())
    }

    /// 5.6.1: whether a value is one of a type.
    fn value(&self, value: &'a Value, of: &'a Value, has_default: bool, uses: &mut Uses<'a>) -> Result<(), Fault> {
        let mismatch = || wrong(format!("Expected value of type \"{}\", found {}.", written(of), text(value, "Raw")));
        let is = kind(value).ok_or_else(|| fault("a value has no kind"))?;
        if is == VARIABLE {
            uses.variables.push((text(value, "Raw"), of, has_default));
            return Ok(());
        }
        if is == NULL {
            return if yes(of, "NonNull") { mismatch() } else { Ok(()) };
        }
        if let Some(element) = child(of, "Elem") {
            if is != LIST {
                // One value stands for a list of it.
                return self.value(value, element, false, uses);
            }
            let items = list(value, "Children").iter().filter_map(|item| child(item, "Value"));
            return items.into_iter().try_for_each(|item| self.value(item, element, false, uses));
        }
        let (name, raw) = (text(of, "NamedType"), text(value, "Raw"));
        let Some(definition) = self.schema.types.get(name) else { return mismatch() };
        let fits = match (definition.kind, name) {
            ("INPUT_OBJECT", _) if is == OBJECT => return self.input_object(value, definition, name, uses),
            ("ENUM", _) => is == ENUM && definition.values.contains(&raw),
            ("SCALAR", "Int") => is == INT && raw.parse::<i32>().is_ok(),
            ("SCALAR", "Float") => matches!(is, INT | FLOAT),
            ("SCALAR", "String") => matches!(is, STRING | BLOCK),
            ("SCALAR", "Boolean") => is == BOOLEAN,
            ("SCALAR", "ID") => matches!(is, INT | STRING | BLOCK),
            // What other scalars are is known to who made them.
            ("SCALAR", _) => return self.variables_in(value),
            _ => false,
        };
        if fits { Ok(()) } else { mismatch() }
    }

    /// A variable in a value of a scalar has no type that it could be of.
    fn variables_in(&self, value: &'a Value) -> Result<(), Fault> {
        let mut todo = vec![value];
        while let Some(value) = todo.pop() {
            if kind(value) == Some(VARIABLE) {
                return wrong("a variable in a value of a custom scalar is not supported");
            }
            todo.extend(list(value, "Children").iter().filter_map(|c| child(c, "Value")));
        }
        Ok(())
    }

    fn input_object(&self, value: &'a Value, of: &Type<'a>, name: &str, uses: &mut Uses<'a>) -> Result<(), Fault> {
        let given = list(value, "Children");
        if let Some(field) = twice(given.iter().map(|f| text(f, "Name")).collect()) {
            return wrong(format!("There can be only one input field named \"{field}\"."));
        }
        for field in given {
            let field_name = text(field, "Name");
            let known = of.field(field_name);
            let known =
                known.ok_or_else(|| fault(format!("Field \"{field_name}\" is not defined by type \"{name}\".")))?;
            if let (Some(value), Some(wanted)) = (child(field, "Value"), child(known, "Type")) {
                self.value(value, wanted, has(known, "DefaultValue"), uses)?;
            }
        }
        for field in &of.fields {
            let required = child(field, "Type").is_some_and(|t| yes(t, "NonNull")) && !has(field, "DefaultValue");
            if required && named(given, text(field, "Name")).is_none() {
                return wrong(format!("Field \"{name}.{}\" is required, but was not provided.", text(field, "Name")));
            }
        }
        Ok(())
    }
}

enum Meta {
    Typename,
    Schema,
    Type,
}

/// The type of a field.
pub(super) enum FieldType<'a> {
    Defined(&'a Value),
    /// Of `__typename`, `__schema` and `__type`: a name.
    Meta(&'static str),
}

impl<'a> FieldType<'a> {
    /// The name at the bottom of it.
    pub(super) fn base(&self) -> &'a str {
        match self {
            Self::Defined(of) => base(of),
            Self::Meta(name) => name,
        }
    }
}

/// 5.8.5, `AreTypesCompatible`; `lenient` lets a type that may be null in.
fn fits(of: &Value, place: &Value, lenient: bool) -> bool {
    if yes(place, "NonNull") && !yes(of, "NonNull") && !lenient {
        return false;
    }
    match (child(of, "Elem"), child(place, "Elem")) {
        (Some(of), Some(place)) => fits(of, place, false),
        (None, None) => text(of, "NamedType") == text(place, "NamedType"),
        _ => false,
    }
}
