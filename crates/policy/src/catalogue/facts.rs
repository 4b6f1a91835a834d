//! The facts of an assessment: one JSON document, folded from the ledger for a window of time. Rules read it, so its shape is
//! fixed here, and examples are held against it.
//!
//! A field that is missing makes a rule silent, and silence would look like a pass. So every element that is folded has every
//! field of its collection; an example names the ones that matter, and the others are filled in.

use serde_json::{Map, Value};

use Kind::List;

pub use super::collections::COLLECTIONS;

/// The version of the facts.
pub const VERSION: u64 = 1;

/// Things of one kind that a control can be about.
#[derive(Debug, Clone, Copy)]
pub struct Collection {
    /// Its name in the facts, as controls write it under `over`.
    pub name: &'static str,
    /// One of them, for messages.
    pub one: &'static str,
    /// What they are.
    pub what: &'static str,
    /// Where they come from: `ledger`, or a source that nothing records yet.
    pub from: &'static str,
    /// What is known of each, besides `id` and `entries`.
    pub fields: &'static [Field],
}

/// Something known of an element.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// What it means.
    pub what: &'static str,
}

/// The kind of a field. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A text.
    Text,
    /// A text, or null.
    MaybeText,
    /// Texts.
    Texts,
    /// A number of at least 0.
    Number,
    /// A number of at least 0, or null.
    MaybeNumber,
    /// True or false.
    Truth,
    /// Elements with fields of their own.
    List(&'static [Field]),
}

impl Kind {
    /// As the reference says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::MaybeText => "text or null",
            Self::Texts => "list of texts",
            Self::Number => "number",
            Self::MaybeNumber => "number or null",
            Self::Truth => "boolean",
            Self::List(_) => "list",
        }
    }

    fn empty(self) -> Value {
        match self {
            Self::Text => Value::from(""),
            Self::MaybeText | Self::MaybeNumber => Value::Null,
            Self::Texts | Self::List(_) => Value::Array(Vec::new()),
            Self::Number => Value::from(0),
            Self::Truth => Value::from(false),
        }
    }

    fn holds(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::MaybeText => value.is_string() || value.is_null(),
            Self::Texts => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
            Self::Number => value.is_u64(),
            Self::MaybeNumber => value.is_u64() || value.is_null(),
            Self::Truth => value.is_boolean(),
            Self::List(_) => value.is_array(),
        }
    }
}

/// The collection of that name.
#[must_use]
pub fn collection(name: &str) -> Option<&'static Collection> {
    COLLECTIONS.iter().find(|c| c.name == name)
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COLLECTIONS.iter().map(|c| c.name)
}

/// Facts in which every collection is there, without elements.
#[must_use]
pub fn empty(from: u64, to: u64) -> Map<String, Value> {
    let mut facts = Map::new();
    facts.insert("version".into(), VERSION.into());
    facts.insert("window".into(), serde_json::json!({"from": from, "to": to}));
    facts.insert("sources".into(), Value::Array(Vec::new()));
    for collection in COLLECTIONS {
        facts.insert(collection.name.into(), Value::Array(Vec::new()));
    }
    facts
}

/// What is wrong with facts that were folded: a field that is missing, unknown or of another kind. `None`: nothing.
#[must_use]
pub fn fault(facts: &Value) -> Option<String> {
    for collection in COLLECTIONS {
        let Some(elements) = facts.get(collection.name).and_then(Value::as_array) else {
            return Some(format!("`{}` is missing", collection.name));
        };
        for element in elements {
            let Some(object) = element.as_object() else {
                return Some(format!("an element of `{}` is no object", collection.name));
            };
            let has_id = object.get("id").is_some_and(Value::is_string);
            let has_entries =
                object.get("entries").and_then(Value::as_array).is_some_and(|e| e.iter().all(Value::is_u64));
            if !has_id || !has_entries {
                return Some(format!("an element of `{}` has no id or no entries", collection.name));
            }
            if let Some(what) = fields_fault(collection.fields, object, 2) {
                return Some(format!("`{}`: {what}", collection.name));
            }
        }
    }
    None
}

fn fields_fault(fields: &[Field], object: &Map<String, Value>, others: usize) -> Option<String> {
    for field in fields {
        match object.get(field.name) {
            None => return Some(format!("`{}` is missing", field.name)),
            Some(value) if !field.kind.holds(value) => {
                return Some(format!("`{}` is no {}", field.name, field.kind.as_str()));
            }
            Some(Value::Array(elements)) => {
                if let List(inner) = field.kind {
                    let objects = elements.iter().map(|e| e.as_object().ok_or("an element is no object"));
                    for inside in objects {
                        let what = match inside {
                            Ok(inside) => fields_fault(inner, inside, 0),
                            Err(what) => Some(what.to_owned()),
                        };
                        if let Some(what) = what {
                            return Some(format!("`{}`: {what}", field.name));
                        }
                    }
                }
            }
            Some(_) => {}
        }
    }
    (object.len() != fields.len() + others).then(|| "it has a field that is not known".to_owned())
}

/// The facts that an example means: what it leaves out is filled in with nothing, zero and false, ids with numbers; a window
/// of 90 days from 0 on, and the source of each collection in it, `ledger` always.
///
/// # Errors
/// A collection, a field or a kind that is not known.
pub fn complete(example: &Value) -> Result<Value, String> {
    let object = example.as_object().ok_or("it is no mapping")?;
    let mut facts = empty(0, 90 * 24 * 3_600_000);
    let mut sources: Vec<String> = vec!["ledger".into()];
    for (key, value) in object {
        match key.as_str() {
            "window" => {
                let ends = ["from", "to"].map(|k| value.get(k).is_some_and(Value::is_u64));
                if ends != [true, true] {
                    return Err("`window` has `from` and `to`".into());
                }
                facts.insert(key.clone(), value.clone());
            }
            "sources" => {
                let named = value.as_array().ok_or("`sources` is no list")?;
                sources.extend(named.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            name => {
                let collection =
                    collection(name).ok_or_else(|| super::control::unknown("collection", name, names()))?;
                let elements = value.as_array().ok_or_else(|| format!("`{name}` is no list"))?;
                let elements: Vec<Value> = elements
                    .iter()
                    .enumerate()
                    .map(|(n, element)| element_of(collection, n, element))
                    .collect::<Result<_, _>>()?;
                facts.insert(name.to_owned(), elements.into());
                sources.push(collection.from.to_owned());
            }
        }
    }
    sources.sort_unstable();
    sources.dedup();
    if let Some(odd) = sources.iter().find(|s| super::source::find(s).is_none()) {
        return Err(super::control::unknown("source of evidence", odd, super::source::names()));
    }
    facts.insert("sources".into(), sources.into());
    Ok(Value::Object(facts))
}

fn element_of(collection: &Collection, n: usize, element: &Value) -> Result<Value, String> {
    let mut given =
        element.as_object().ok_or_else(|| format!("an element of `{}` is no mapping", collection.name))?.clone();
    let id = given.remove("id").unwrap_or_else(|| format!("{} {}", collection.one, n + 1).into());
    let entries = given.remove("entries").unwrap_or_else(|| Value::Array(Vec::new()));
    let mut whole = filled(collection.name, collection.fields, &given)?;
    whole.insert("id".into(), id);
    whole.insert("entries".into(), entries);
    Ok(Value::Object(whole))
}

fn filled(place: &str, fields: &'static [Field], given: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    if let Some(odd) = given.keys().find(|k| fields.iter().all(|f| f.name != k.as_str())) {
        return Err(super::control::unknown("field", &format!("{place}/{odd}"), std::iter::empty()));
    }
    let mut whole = Map::new();
    for field in fields {
        let value = match (given.get(field.name), field.kind) {
            (None, kind) => kind.empty(),
            (Some(Value::Array(elements)), List(inner)) => elements
                .iter()
                .map(|e| {
                    let e =
                        e.as_object().ok_or_else(|| format!("an element of `{place}/{}` is no mapping", field.name))?;
                    Ok(Value::Object(filled(field.name, inner, e)?))
                })
                .collect::<Result<Vec<_>, String>>()?
                .into(),
            (Some(value), kind) if kind.holds(value) => value.clone(),
            (Some(_), kind) => return Err(format!("`{place}/{}` is no {}", field.name, kind.as_str())),
        };
        whole.insert(field.name.into(), value);
    }
    Ok(whole)
}

/// Every name of a field there is, `id` and those around the collections included.
pub(super) fn is_field(name: &str) -> bool {
    const AROUND: [&str; 9] = ["id", "entries", "window", "from", "to", "sources", "version", "subject", "text"];
    AROUND.contains(&name)
        || COLLECTIONS.iter().any(|c| {
            c.name == name
                || c.fields
                    .iter()
                    .any(|f| f.name == name || matches!(f.kind, List(inner) if inner.iter().any(|f| f.name == name)))
        })
}
