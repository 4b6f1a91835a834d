//! A schema, and whether it is valid (October 2021, 3).

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;

use super::super::Fault;
use super::super::args::fault;
use super::values::{base, child, has, list, named, text, texts, twice, written, yes};

/// Where directives may stand (3.13).
pub(super) const LOCATIONS: [&str; 19] = [
    "QUERY",
    "MUTATION",
    "SUBSCRIPTION",
    "FIELD",
    "FRAGMENT_DEFINITION",
    "FRAGMENT_SPREAD",
    "INLINE_FRAGMENT",
    "VARIABLE_DEFINITION",
    "SCHEMA",
    "SCALAR",
    "OBJECT",
    "FIELD_DEFINITION",
    "ARGUMENT_DEFINITION",
    "INTERFACE",
    "UNION",
    "ENUM",
    "ENUM_VALUE",
    "INPUT_OBJECT",
    "INPUT_FIELD_DEFINITION",
];

/// A type with its extensions.
#[derive(Default)]
pub(super) struct Type<'a> {
    /// `OBJECT`, `SCALAR`.
    pub(super) kind: &'a str,
    pub(super) builtin: bool,
    pub(super) interfaces: Vec<&'a str>,
    pub(super) fields: Vec<&'a Value>,
    /// What a union is one of.
    pub(super) members: Vec<&'a str>,
    pub(super) values: Vec<&'a str>,
    directives: Vec<&'a Value>,
}

impl<'a> Type<'a> {
    pub(super) fn is_input(&self) -> bool {
        matches!(self.kind, "SCALAR" | "ENUM" | "INPUT_OBJECT")
    }

    pub(super) fn is_leaf(&self) -> bool {
        matches!(self.kind, "SCALAR" | "ENUM")
    }

    /// Whether something can be selected of it.
    pub(super) fn is_composite(&self) -> bool {
        matches!(self.kind, "OBJECT" | "INTERFACE" | "UNION")
    }

    pub(super) fn field(&self, name: &str) -> Option<&'a Value> {
        self.fields.iter().find(|f| text(f, "Name") == name).copied()
    }

    fn extend(&mut self, by: &'a Value) {
        self.interfaces.extend(texts(by, "Interfaces"));
        self.fields.extend(list(by, "Fields"));
        self.members.extend(texts(by, "Types"));
        self.values.extend(list(by, "EnumValues").iter().map(|v| text(v, "Name")));
        self.directives.extend(list(by, "Directives"));
    }
}

/// The types and directives of a schema by name.
pub(super) struct Schema<'a> {
    pub(super) types: BTreeMap<&'a str, Type<'a>>,
    pub(super) directives: BTreeMap<&'a str, &'a Value>,
    /// The type of `query`, `mutation` and `subscription`.
    pub(super) roots: BTreeMap<&'a str, &'a str>,
}

impl<'a> Schema<'a> {
    /// The schema of a tree and of what every schema has.
    ///
    /// # Errors
    /// [`Fault::Operand`] with what makes it invalid.
    pub(super) fn load(prelude: &'a Value, tree: &'a Value) -> Result<Self, Fault> {
        let mut schema = Self { types: BTreeMap::new(), directives: BTreeMap::new(), roots: BTreeMap::new() };
        for definition in [prelude, tree].into_iter().flat_map(|t| list(t, "Definitions")) {
            let name = text(definition, "Name");
            let mut new =
                Type { kind: text(definition, "Kind"), builtin: yes(definition, "BuiltIn"), ..Type::default() };
            new.extend(definition);
            if schema.types.insert(name, new).is_some() {
                return Err(fault(format!("Cannot redeclare type {name}.")));
            }
        }
        for extension in list(tree, "Extensions") {
            let (name, kind) = (text(extension, "Name"), text(extension, "Kind"));
            // What is extended need not be there, as in gqlparser.
            let extended = schema.types.entry(name).or_insert_with(|| Type { kind, ..Type::default() });
            if extended.kind != kind {
                return Err(fault(format!("Cannot extend type {name}, which is a {}, not a {kind}.", extended.kind)));
            }
            extended.extend(extension);
        }
        for directive in [prelude, tree].into_iter().flat_map(|t| list(t, "Directives")) {
            let name = text(directive, "Name");
            if schema.directives.insert(name, directive).is_some() {
                return Err(fault(format!("Cannot redeclare directive {name}.")));
            }
        }
        schema.find_roots(tree)?;
        schema.validate(prelude)?;
        Ok(schema)
    }

    fn find_roots(&mut self, tree: &'a Value) -> Result<(), Fault> {
        let definitions = list(tree, "Schema");
        if definitions.len() > 1 {
            return Err(fault("Cannot have multiple schema entry points, consider schema extensions instead."));
        }
        for definition in definitions.iter().chain(list(tree, "SchemaExtension")) {
            for root in list(definition, "OperationTypes") {
                let (operation, name) = (text(root, "Operation"), text(root, "Type"));
                if self.types.get(name).is_none_or(|t| t.kind != "OBJECT") {
                    return Err(fault(format!(
                        "Schema root {operation} refers to {name}, which is not an object type."
                    )));
                }
                self.roots.insert(operation, name);
            }
            self.check_directives(list(definition, "Directives").iter(), "SCHEMA", None)?;
        }
        for (operation, name) in [("query", "Query"), ("mutation", "Mutation"), ("subscription", "Subscription")] {
            if self.types.get(name).is_some_and(|t| t.kind == "OBJECT") {
                self.roots.entry(operation).or_insert(name);
            }
        }
        Ok(())
    }

    /// The object types that a value of a type may have.
    pub(super) fn possible(&self, name: &str) -> BTreeSet<&str> {
        match self.types.get(name) {
            Some(t) if t.kind == "UNION" => t.members.iter().copied().collect(),
            Some(t) if t.kind == "INTERFACE" => {
                let implementing =
                    self.types.iter().filter(|(_, t)| t.kind == "OBJECT" && t.interfaces.contains(&name));
                implementing.map(|(n, _)| *n).collect()
            }
            Some(_) => self.types.get_key_value(name).map(|(n, _)| *n).into_iter().collect(),
            None => BTreeSet::new(),
        }
    }

    /// The type of a reference to one.
    pub(super) fn of(&self, reference: &Value) -> Option<&Type<'a>> {
        self.types.get(base(reference))
    }

    fn validate(&self, prelude: &Value) -> Result<(), Fault> {
        for (name, of) in self.types.iter().filter(|(_, t)| !t.builtin) {
            check_name(name)?;
            self.check_type(name, of)?;
        }
        for (name, directive) in &self.directives {
            if named(list(prelude, "Directives"), name).is_none() {
                check_name(name)?;
                self.check_arguments(list(directive, "Arguments"), Some(name))?;
            }
        }
        Ok(())
    }

    fn check_type(&self, name: &str, of: &Type<'a>) -> Result<(), Fault> {
        let wrong = |what: String| Err(fault(format!("{name}: {what}")));
        if let Some(field) = twice(of.fields.iter().map(|f| text(f, "Name")).collect()) {
            return wrong(format!("field {field} can only be defined once"));
        }
        if let Some(value) = twice(of.values.clone()) {
            return wrong(format!("value {value} can only be defined once"));
        }
        let wants_fields = matches!(of.kind, "OBJECT" | "INTERFACE" | "INPUT_OBJECT");
        if (wants_fields && of.fields.is_empty()) || (of.kind == "ENUM" && of.values.is_empty()) {
            return wrong(format!("{} must define one or more fields or values", of.kind));
        }
        for field in &of.fields {
            check_name(text(field, "Name"))?;
            let reference = child(field, "Type").ok_or_else(|| fault(format!("{name}: a field has no type")))?;
            let Some(used) = self.of(reference) else {
                return wrong(format!("undefined type {}", base(reference)));
            };
            let input = of.kind == "INPUT_OBJECT";
            if if input { !used.is_input() } else { used.kind == "INPUT_OBJECT" } {
                return wrong(format!("field {} cannot be a {}", text(field, "Name"), used.kind));
            }
            self.check_arguments(list(field, "Arguments"), None)?;
            let location = if input { "INPUT_FIELD_DEFINITION" } else { "FIELD_DEFINITION" };
            self.check_directives(list(field, "Directives").iter(), location, None)?;
        }
        for member in &of.members {
            if self.types.get(member).is_none_or(|t| t.kind != "OBJECT") {
                return wrong(format!("{member} is not an object type"));
            }
        }
        for interface in &of.interfaces {
            self.check_implements(name, of, interface)?;
        }
        self.check_directives(of.directives.iter().copied(), of.kind, None)
    }

    fn check_arguments(&self, arguments: &'a [Value], directive: Option<&str>) -> Result<(), Fault> {
        for argument in arguments {
            let name = text(argument, "Name");
            check_name(name)?;
            let used = child(argument, "Type").and_then(|t| self.of(t));
            if used.is_none_or(|t| !t.is_input()) {
                return Err(fault(format!("the type of the argument {name} is not an input type")));
            }
            self.check_directives(list(argument, "Directives").iter(), "ARGUMENT_DEFINITION", directive)?;
        }
        Ok(())
    }

    /// That directives exist and may stand where they do. One that is being defined may not stand in itself.
    fn check_directives<'b>(
        &self,
        directives: impl Iterator<Item = &'b Value>,
        location: &str,
        within: Option<&str>,
    ) -> Result<(), Fault> {
        for directive in directives {
            let name = text(directive, "Name");
            if within == Some(name) {
                return Err(fault(format!("Directive {name} cannot refer to itself.")));
            }
            let defined = self.directives.get(name).ok_or_else(|| fault(format!("Undefined directive {name}.")))?;
            if !texts(defined, "Locations").contains(&location) {
                return Err(fault(format!("Directive {name} is not applicable on {location}.")));
            }
        }
        Ok(())
    }

    /// 3.6, `IsValidImplementation`.
    fn check_implements(&self, name: &str, of: &Type<'a>, interface: &str) -> Result<(), Fault> {
        let wrong = |what: String| Err(fault(format!("For {name} to implement {interface} {what}.")));
        let Some(wanted) = self.types.get(interface).filter(|t| t.kind == "INTERFACE" && interface != name) else {
            return wrong("that must be another type, an interface".to_owned());
        };
        if let Some(missing) = wanted.interfaces.iter().find(|i| !of.interfaces.contains(i)) {
            return wrong(format!("it must implement {missing} too"));
        }
        for field in &wanted.fields {
            let field_name = text(field, "Name");
            let Some(own) = of.field(field_name) else {
                return wrong(format!("it must have a field called {field_name}"));
            };
            if !child(field, "Type").zip(child(own, "Type")).is_some_and(|(w, o)| self.covariant(w, o)) {
                return wrong(format!("the field {field_name} must have its type"));
            }
            let own_arguments = list(own, "Arguments");
            for argument in list(field, "Arguments") {
                let argument_name = text(argument, "Name");
                let same = named(own_arguments, argument_name)
                    .and_then(|a| child(a, "Type"))
                    .zip(child(argument, "Type"))
                    .is_some_and(|(a, b)| written(a) == written(b));
                if !same {
                    return wrong(format!("the field {field_name} must have its argument {argument_name}"));
                }
            }
            for argument in own_arguments {
                let more = named(list(field, "Arguments"), text(argument, "Name")).is_none();
                let required = child(argument, "Type").is_some_and(|t| yes(t, "NonNull"));
                if more && required && !has(argument, "DefaultValue") {
                    return wrong(format!("the field {field_name} must not require more arguments"));
                }
            }
        }
        Ok(())
    }

    fn covariant(&self, wanted: &Value, own: &Value) -> bool {
        if yes(wanted, "NonNull") && !yes(own, "NonNull") {
            return false;
        }
        match (child(wanted, "Elem"), child(own, "Elem")) {
            (Some(wanted), Some(own)) => self.covariant(wanted, own),
            (None, None) => {
                let (wanted, own) = (text(wanted, "NamedType"), text(own, "NamedType"));
                let sub = self.types.get(own).is_some_and(|t| t.interfaces.contains(&wanted));
                wanted == own || sub || self.possible(wanted).contains(own)
            }
            _ => false,
        }
    }
}

fn check_name(name: &str) -> Result<(), Fault> {
    if name.starts_with("__") {
        return Err(fault(format!("Name \"{name}\" must not begin with \"__\", which is reserved.")));
    }
    Ok(())
}
