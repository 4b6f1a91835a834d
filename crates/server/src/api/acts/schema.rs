//! What is sent to say something, as the document says it.

use countersign_model::Timestamp;
use countersign_store::handed::{LARGEST_DOCUMENT, MOST};
use serde_json::{Map, Value, json};

use super::super::table::Kind;
use super::super::wire::Wire as _;
use super::{LARGEST_LIST, LARGEST_SEALED, kinds};

/// Characters of a line that somebody signs.
const LONGEST: usize = 1000;

/// Characters of what a browser is asked, and of what it answers.
const LARGEST_OF_A_BROWSER: usize = 64 << 10;

/// A text of one line that somebody signs.
pub(super) fn line(says: &str) -> Value {
    json!({
        "type": "string", "minLength": 1, "maxLength": LONGEST, "description": says,
        "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
    })
}

/// An id, or the start of one.
pub(super) fn id(says: &str) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": "^[!-~]+$", "description": says})
}

/// A number from 1 on.
pub(super) fn number(most: u16, says: &str) -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": most, "description": says})
}

/// Something that need not be said.
pub(super) fn or_null(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// A moment.
pub(super) fn time(says: &str) -> Value {
    let mut schema = Timestamp::schema();
    schema["description"] = says.into();
    schema
}

/// Yes or no.
pub(super) fn flag(says: &str) -> Value {
    json!({"type": "boolean", "description": says})
}

/// One kind of act: what must stand there, and what may.
pub(super) fn kind(name: &str, says: &str, must: &[(&str, Value)], may: &[(&str, Value)]) -> Value {
    let mut properties: Map<String, Value> =
        must.iter().chain(may).map(|(n, s)| ((*n).to_owned(), s.clone())).collect();
    properties.insert("kind".to_owned(), json!({"const": name}));
    let required: Vec<&str> = std::iter::once("kind").chain(must.iter().map(|(name, _)| *name)).collect();
    json!({
        "type": "object", "description": says, "additionalProperties": false, "required": required, "properties": properties,
    })
}

/// What a browser was asked for a new passkey, and what it answered.
pub(super) fn ceremony() -> Value {
    let json =
        |says: &str| json!({"type": "string", "minLength": 2, "maxLength": LARGEST_OF_A_BROWSER, "description": says});
    json!({
        "type": "object", "additionalProperties": false, "required": ["request", "answer"],
        "description": "A new passkey: it is verified when the statement is given out, and once more beside the act that enrols it.",
        "properties": {
            "request": json("What the browser was asked: what `person key request` writes, or the page `/passkeys` shows."),
            "answer": json("What it answered, as `JSON.stringify(credential)` gives it."),
        },
    })
}

/// The file that a document is read from.
pub(super) fn document() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["file", "text"],
        "description": "The file whose document is put in effect: it is read when the statement is given out, and once more beside the act, which \
                        names the document by its digest.",
        "properties": {
            "file": line("What the file is called, for messages about it."),
            "text": {"type": "string", "maxLength": LARGEST_DOCUMENT, "description": "All of its text, of so many bytes of UTF-8 at most."},
            "only": {
                "type": "array", "maxItems": 200, "items": line("An entry of the file."),
                "description": "Only these of its entries; none: all.",
            },
        },
    })
}

/// A revocation list.
pub(super) fn list() -> Value {
    json!({
        "type": "string", "contentEncoding": "base64", "minLength": 4, "maxLength": LARGEST_LIST.div_ceil(3) * 4,
        "pattern": "^[A-Za-z0-9+/=]+$",
        "description": "The revocation list as it is. What is signed names it by its digest: it is read when the statement is given out, and once more beside the act.",
    })
}

/// The schema of what somebody wants to say, and with which key.
pub(crate) fn preparation_schema() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["key", "host", "act"],
        "properties": {
            "key": Kind::Fingerprint.schema(),
            "host": Kind::Text.schema(),
            "act": {"oneOf": kinds::schemas()},
        },
    })
}

/// The schema of what was signed.
pub(crate) fn acts_schema() -> Value {
    let sealed = json!({
        "type": "string", "contentEncoding": "base64", "minLength": 4, "maxLength": LARGEST_SEALED.div_ceil(3) * 4,
        "pattern": "^[A-Za-z0-9+/=]+$", "description": "What was sealed, as it was given out with the statement that names it.",
    });
    let act = json!({
        "type": "string", "contentEncoding": "base64", "minLength": 4, "pattern": "^[A-Za-z0-9+/=]+$",
        "description": "A signed act, as the ledger stores it.",
    });
    json!({
        "type": "object", "additionalProperties": false, "required": ["acts"],
        "properties": {"acts": {
            "type": "array", "minItems": 1, "maxItems": MOST, "items": act,
            "description": "What was signed, in the order in which it was given out.",
        }, "sealed": {
            "type": "array", "maxItems": MOST, "items": sealed,
            "description": "What was sealed for it, where anything was given out.",
        }, "passkey": or_null(ceremony()), "document": or_null(document()), "list": or_null(list())},
    })
}
