//! Whether a document is one of a schema's, and what is wrong with it in gojsonschema's words.

use std::collections::BTreeSet;

use regorus::Value;
use regorus::value::Object;

use super::super::Fault;
use super::super::args::{fault, get, kind, to_json};
use super::check::Checked;
use super::format;

/// How deep references may lead, and documents go.
const MAX_DEPTH: usize = 400;

/// The most schemas that one document is held against: they may branch and refer to each other.
pub(super) const MAX_STEPS: usize = 1_000_000;

/// Something that is wrong with a document.
#[derive(Debug, PartialEq)]
pub(super) struct Wrong {
    /// `a.b.0`; `(root)` for the document itself.
    pub(super) field: String,
    /// `invalid_type`.
    pub(super) kind: &'static str,
    pub(super) description: String,
}

pub(super) fn validate(schema: &Checked<'_>, document: &Value, steps: usize) -> Result<Vec<Wrong>, Fault> {
    let mut run = Run { checked: schema, steps };
    let mut errors = Vec::new();
    run.schema(schema.root, document, &mut vec![], 0, &mut errors)?;
    Ok(errors)
}

/// A number that counts something.
pub(super) fn length(value: &Value) -> Option<u64> {
    if let Value::Number(number) = value { number.as_u64() } else { None }
}

struct Run<'a, 'b> {
    checked: &'b Checked<'a>,
    steps: usize,
}

type Path = Vec<String>;
type Outcome = Result<(), Fault>;

fn field(path: &Path) -> String {
    if path.is_empty() { "(root)".to_owned() } else { path.join(".") }
}

fn push(errors: &mut Vec<Wrong>, path: &Path, kind: &'static str, description: impl Into<String>) {
    errors.push(Wrong { field: field(path), kind, description: description.into() });
}

fn is_integer(value: &Value) -> bool {
    matches!(value, Value::Number(number) if number.is_integer())
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "integer" => is_integer(value),
        name => kind(value) == name,
    }
}

impl<'a> Run<'a, '_> {
    fn valid(&mut self, schema: &'a Value, value: &Value, depth: usize) -> Result<bool, Fault> {
        let mut errors = Vec::new();
        self.schema(schema, value, &mut Vec::new(), depth, &mut errors)?;
        Ok(errors.is_empty())
    }

    fn schema(
        &mut self,
        schema: &'a Value,
        value: &Value,
        path: &mut Path,
        depth: usize,
        errors: &mut Vec<Wrong>,
    ) -> Outcome {
        self.steps = self
            .steps
            .checked_sub(1)
            .filter(|_| depth < MAX_DEPTH)
            .ok_or_else(|| Fault::Refused("the schema branches, or refers to itself, too often".to_owned()))?;
        let keywords = match schema {
            Value::Object(keywords) => keywords,
            Value::Bool(true) => return Ok(()),
            _ => {
                push(errors, path, "false", "False always fails validation");
                return Ok(());
            }
        };
        let depth = depth + 1;
        if let Some(Value::String(reference)) = get(keywords, "$ref") {
            let target = self.checked.resolve(reference)?;
            return self.schema(target, value, path, depth, errors);
        }
        if let Some(types) = get(keywords, "type") {
            let names: Vec<&str> = match types {
                Value::Array(all) => all.iter().filter_map(|v| v.as_string().ok()).map(|s| &**s).collect(),
                one => one.as_string().map(|s| vec![&**s]).unwrap_or_default(),
            };
            if !names.iter().any(|name| is_of(value, name)) {
                let given = if is_integer(value) { "integer" } else { kind(value) };
                let text = format!("Invalid type. Expected: {}, given: {given}", names.join("/"));
                push(errors, path, "invalid_type", text);
                // What else a schema says of a value of another type says nothing more.
                return Ok(());
            }
        }
        self.combined(keywords, value, path, depth, errors)?;
        general(keywords, value, path, errors)?;
        match value {
            Value::Number(_) => number(keywords, value, path, errors),
            Value::String(text) => self.string(keywords, text, path, errors),
            Value::Array(items) => self.array(keywords, items, path, depth, errors),
            Value::Object(members) => self.object(keywords, members, path, depth, errors),
            _ => Ok(()),
        }
    }

    fn combined(
        &mut self,
        keywords: &'a Object,
        value: &Value,
        path: &mut Path,
        depth: usize,
        errors: &mut Vec<Wrong>,
    ) -> Outcome {
        let all = |name: &str| match get(keywords, name) {
            Some(Value::Array(all)) => Some(all.as_slice()),
            _ => None,
        };
        if let Some(schemas) = all("anyOf") {
            let mut any = false;
            for schema in schemas {
                any = any || self.valid(schema, value, depth)?;
            }
            if !any {
                push(errors, path, "number_any_of", "Must validate at least one schema (anyOf)");
            }
        }
        if let Some(schemas) = all("oneOf") {
            let mut count = 0;
            for schema in schemas {
                count += usize::from(self.valid(schema, value, depth)?);
            }
            if count != 1 {
                push(errors, path, "number_one_of", "Must validate one and only one schema (oneOf)");
            }
        }
        if let Some(schemas) = all("allOf") {
            let before = errors.len();
            for schema in schemas {
                self.schema(schema, value, path, depth, errors)?;
            }
            if errors.len() > before {
                push(errors, path, "number_all_of", "Must validate all the schemas (allOf)");
            }
        }
        if let Some(schema) = get(keywords, "not")
            && self.valid(schema, value, depth)?
        {
            push(errors, path, "number_not", "Must not validate the schema (not)");
        }
        if let Some(condition) = get(keywords, "if") {
            let holds = self.valid(condition, value, depth)?;
            let (name, kind, text) = if holds {
                ("then", "condition_then", "Must validate \"then\" as \"if\" was valid")
            } else {
                ("else", "condition_else", "Must validate \"else\" as \"if\" was not valid")
            };
            let before = errors.len();
            if let Some(schema) = get(keywords, name) {
                self.schema(schema, value, path, depth, errors)?;
            }
            if errors.len() > before {
                push(errors, path, kind, text);
            }
        }
        Ok(())
    }

    fn string(&mut self, keywords: &'a Object, text: &str, path: &Path, errors: &mut Vec<Wrong>) -> Outcome {
        let count = text.chars().count() as u64;
        if let Some(min) = get(keywords, "minLength").and_then(length).filter(|min| count < *min) {
            push(errors, path, "string_gte", format!("String length must be greater than or equal to {min}"));
        }
        if let Some(max) = get(keywords, "maxLength").and_then(length).filter(|max| count > *max) {
            push(errors, path, "string_lte", format!("String length must be less than or equal to {max}"));
        }
        if let Some(Value::String(pattern)) = get(keywords, "pattern")
            && self.checked.pattern(pattern).is_none_or(|regex| !regex.is_match(text))
        {
            push(errors, path, "pattern", format!("Does not match pattern '{pattern}'"));
        }
        if let Some(Value::String(name)) = get(keywords, "format")
            && !format::is(name, text)
        {
            push(errors, path, "format", format!("Does not match format '{name}'"));
        }
        Ok(())
    }

    /// Holds a member or an item against a schema.
    fn inner(
        &mut self,
        schema: &'a Value,
        name: &str,
        value: &Value,
        path: &mut Path,
        depth: usize,
        errors: &mut Vec<Wrong>,
    ) -> Outcome {
        path.push(name.to_owned());
        let outcome = self.schema(schema, value, path, depth, errors);
        path.pop();
        outcome
    }

    fn array(
        &mut self,
        keywords: &'a Object,
        items: &[Value],
        path: &mut Path,
        depth: usize,
        errors: &mut Vec<Wrong>,
    ) -> Outcome {
        match get(keywords, "items") {
            Some(Value::Array(schemas)) => {
                for (i, (schema, item)) in schemas.iter().zip(items).enumerate() {
                    self.inner(schema, &i.to_string(), item, path, depth, errors)?;
                }
                match get(keywords, "additionalItems") {
                    Some(Value::Bool(false)) if items.len() > schemas.len() => {
                        push(errors, path, "array_no_additional_items", "No additional items allowed on array");
                    }
                    Some(schema) => {
                        for (i, item) in items.iter().enumerate().skip(schemas.len()) {
                            self.inner(schema, &i.to_string(), item, path, depth, errors)?;
                        }
                    }
                    None => {}
                }
            }
            Some(schema) => {
                for (i, item) in items.iter().enumerate() {
                    self.inner(schema, &i.to_string(), item, path, depth, errors)?;
                }
            }
            None => {}
        }
        let count = items.len() as u64;
        if let Some(min) = get(keywords, "minItems").and_then(length).filter(|min| count < *min) {
            push(errors, path, "array_min_items", format!("Array must have at least {min} items"));
        }
        if let Some(max) = get(keywords, "maxItems").and_then(length).filter(|max| count > *max) {
            push(errors, path, "array_max_items", format!("Array must have at most {max} items"));
        }
        let distinct = || items.iter().collect::<BTreeSet<_>>().len();
        if get(keywords, "uniqueItems") == Some(&Value::from(true)) && distinct() < items.len() {
            push(errors, path, "unique", "array items must be unique");
        }
        if let Some(schema) = get(keywords, "contains") {
            let mut any = false;
            for item in items {
                any = any || self.valid(schema, item, depth)?;
            }
            if !any {
                push(errors, path, "contains", "At least one of the items must match");
            }
        }
        Ok(())
    }

    fn object(
        &mut self,
        keywords: &'a Object,
        members: &Object,
        path: &mut Path,
        depth: usize,
        errors: &mut Vec<Wrong>,
    ) -> Outcome {
        let schemas = |name: &str| match get(keywords, name) {
            Some(Value::Object(object)) => Some(object),
            _ => None,
        };
        if let Some(Value::Array(required)) = get(keywords, "required") {
            for name in required.iter().filter(|name| !members.contains_key(name)) {
                push(errors, path, "required", format!("{} is required", name.as_string().map_or("", |n| &**n)));
            }
        }
        let count = members.len() as u64;
        if let Some(min) = get(keywords, "minProperties").and_then(length).filter(|min| count < *min) {
            push(errors, path, "array_min_properties", format!("Must have at least {min} properties"));
        }
        if let Some(max) = get(keywords, "maxProperties").and_then(length).filter(|max| count > *max) {
            push(errors, path, "array_max_properties", format!("Must have at most {max} properties"));
        }
        let (properties, patterns) = (schemas("properties"), schemas("patternProperties"));
        for (name, value) in members.iter_sorted() {
            let Value::String(text) = name else { continue };
            let mut known = false;
            if let Some(schema) = properties.and_then(|p| p.get(name)) {
                known = true;
                self.inner(schema, text, value, path, depth, errors)?;
            }
            for (pattern, schema) in patterns.iter().flat_map(|p| p.iter_sorted()) {
                let regex = pattern.as_string().ok().and_then(|p| self.checked.pattern(p));
                if regex.is_some_and(|regex| regex.is_match(text)) {
                    known = true;
                    self.inner(schema, text, value, path, depth, errors)?;
                }
            }
            match get(keywords, "additionalProperties") {
                _ if known => {}
                Some(Value::Bool(false)) => {
                    let told = format!("Additional property {text} is not allowed");
                    push(errors, path, "additional_property_not_allowed", told);
                }
                Some(schema) => self.inner(schema, text, value, path, depth, errors)?,
                None => {}
            }
            if let Some(schema) = get(keywords, "propertyNames")
                && !self.valid(schema, name, depth)?
            {
                let told = format!("Property name of \"{text}\" does not match");
                push(errors, path, "invalid_property_name", told);
            }
        }
        for (name, needs) in schemas("dependencies").into_iter().flat_map(|d| d.iter_sorted()) {
            match needs {
                _ if !members.contains_key(name) => {}
                Value::Array(needs) => {
                    for need in needs.iter().filter(|need| !members.contains_key(need)) {
                        let told = format!("Has a dependency on {}", need.as_string().map_or("", |n| &**n));
                        push(errors, path, "missing_dependency", told);
                    }
                }
                schema => self.schema(schema, &members.clone().into_value(), path, depth, errors)?,
            }
        }
        Ok(())
    }
}

/// `enum` and `const`.
fn general(keywords: &Object, value: &Value, path: &Path, errors: &mut Vec<Wrong>) -> Outcome {
    if let Some(Value::Array(allowed)) = get(keywords, "enum")
        && !allowed.contains(value)
    {
        let told: Vec<String> = allowed.iter().map(to_json).collect::<Result<_, _>>()?;
        let text = format!("{} must be one of the following: {}", field(path), told.join(", "));
        push(errors, path, "enum", text);
    }
    if let Some(only) = get(keywords, "const").filter(|only| *only != value) {
        push(errors, path, "const", format!("{} does not match: {}", field(path), to_json(only)?));
    }
    Ok(())
}

fn number(keywords: &Object, value: &Value, path: &Path, errors: &mut Vec<Wrong>) -> Outcome {
    if let Some(step) = get(keywords, "multipleOf")
        && !is_multiple(value, step)?
    {
        push(errors, path, "multiple_of", format!("Must be a multiple of {}", to_json(step)?));
    }
    for (name, exclusive, above) in [("minimum", "exclusiveMinimum", true), ("maximum", "exclusiveMaximum", false)] {
        let (limit, strict) = (get(keywords, name), get(keywords, exclusive));
        // Draft 4 has a boolean beside the limit, later ones a limit of its own.
        let open = strict == Some(&Value::from(true));
        let limits = [limit.map(|l| (l, open)), strict.filter(|s| matches!(s, Value::Number(_))).map(|l| (l, true))];
        for (limit, open) in limits.into_iter().flatten() {
            let beyond = if above { value < limit } else { value > limit };
            if beyond || (open && value == limit) {
                let (kind, words) = match (above, open) {
                    (true, true) => ("number_gt", "greater than"),
                    (true, false) => ("number_gte", "greater than or equal to"),
                    (false, true) => ("number_lt", "less than"),
                    (false, false) => ("number_lte", "less than or equal to"),
                };
                push(errors, path, kind, format!("Must be {words} {}", to_json(limit)?));
            }
        }
    }
    Ok(())
}

/// Exact in decimal: 0.3 is a multiple of 0.1.
fn is_multiple(value: &Value, of: &Value) -> Result<bool, Fault> {
    /// Digits, and how many of them come after the point.
    fn decimal(value: &Value) -> Option<(i128, i32)> {
        let text = to_json(value).ok()?;
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let exponent: i32 = exponent.parse().ok()?;
        let number = format!("{whole}{fraction}").parse().ok()?;
        Some((number, i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?))
    }
    fn scaled((number, places): (i128, i32), to: i32) -> Option<i128> {
        number.checked_mul(10i128.checked_pow(u32::try_from(to - places).ok()?)?)
    }
    let exact = decimal(value).zip(decimal(of)).and_then(|(a, b)| {
        let places = a.1.max(b.1);
        scaled(a, places).zip(scaled(b, places))
    });
    match exact {
        Some((_, 0)) => Err(fault("multipleOf must be a number greater than zero")),
        Some((a, b)) => Ok(a.checked_rem(b).is_none_or(|rest| rest == 0)),
        None => Err(Fault::Refused("multipleOf is not supported for numbers as large as these".to_owned())),
    }
}
