//! Keywords of drafts 4, 6 and 7, with examples of our own.

use proptest::prelude::*;
use regorus::Value;

use super::super::Fault;
use super::super::tests::{any_json, call, json, text};
use super::check::Checked;
use super::validate::validate;

/// Whether a document, in a member `v` of an object, is one of the schema's.
fn valid(schema: &str, document: &str) -> bool {
    let schema = format!(r#"{{"properties": {{"v": {schema}}}, "definitions": {{"d": {{"type": "string"}}}}}}"#);
    let answer = call("json.match_schema", &[text(&format!(r#"{{"v": {document}}}"#)), text(&schema)]);
    answer.unwrap()[0] == true.into()
}

#[test]
fn keywords() {
    for (schema, good, bad) in [
        (r#"{"type": "integer"}"#, "1", "1.5"),
        (r#"{"type": "integer"}"#, "1.0", "\"1\""),
        (r#"{"type": ["null", "number"]}"#, "null", "true"),
        (r#"{"enum": [1, {"a": []}]}"#, r#"{"a": []}"#, "2"),
        (r#"{"const": 1}"#, "1.0", "2"),
        (r#"{"multipleOf": 0.1}"#, "0.3", "0.35"),
        (r#"{"multipleOf": 3}"#, "-9", "10"),
        (r#"{"minimum": 3}"#, "3", "2.9"),
        (r#"{"exclusiveMinimum": 3}"#, "3.1", "3"),
        (r#"{"minimum": 3, "exclusiveMinimum": true}"#, "4", "3"),
        (r#"{"maximum": 3}"#, "3", "4"),
        (r#"{"exclusiveMaximum": 3}"#, "2", "3"),
        (r#"{"minLength": 2}"#, "\"äö\"", "\"ä\""),
        (r#"{"maxLength": 1}"#, "\"ä\"", "\"ab\""),
        (r#"{"pattern": "^a+$"}"#, "\"aa\"", "\"ab\""),
        (r#"{"items": {"type": "string"}}"#, r#"["a"]"#, "[1]"),
        (r#"{"items": [{"type": "string"}], "additionalItems": false}"#, r#"["a"]"#, r#"["a", 1]"#),
        (r#"{"items": [{}], "additionalItems": {"type": "null"}}"#, "[1, null]", "[1, 1]"),
        (r#"{"minItems": 1}"#, "[1]", "[]"),
        (r#"{"maxItems": 1}"#, "[1]", "[1, 2]"),
        (r#"{"uniqueItems": true}"#, "[1, \"1\"]", "[1, 1.0]"),
        (r#"{"contains": {"const": 1}}"#, "[0, 1]", "[]"),
        (r#"{"required": ["a"]}"#, r#"{"a": null}"#, "{}"),
        (r#"{"minProperties": 1}"#, r#"{"a": 1}"#, "{}"),
        (r#"{"maxProperties": 1}"#, r#"{"a": 1}"#, r#"{"a": 1, "b": 1}"#),
        (r#"{"properties": {"a": false}}"#, r#"{"b": 1}"#, r#"{"a": 1}"#),
        (
            r#"{"patternProperties": {"^x": {"type": "null"}}, "additionalProperties": false}"#,
            r#"{"xa": null}"#,
            r#"{"a": 1}"#,
        ),
        (r#"{"additionalProperties": {"type": "null"}}"#, r#"{"a": null}"#, r#"{"a": 1}"#),
        (r#"{"propertyNames": {"maxLength": 1}}"#, r#"{"a": 1}"#, r#"{"ab": 1}"#),
        (r#"{"dependencies": {"a": ["b"]}}"#, r#"{"b": 1}"#, r#"{"a": 1}"#),
        (r#"{"dependencies": {"a": {"required": ["b"]}}}"#, r#"{"a": 1, "b": 1}"#, r#"{"a": 1}"#),
        (r#"{"allOf": [{"minimum": 1}, {"maximum": 2}]}"#, "2", "3"),
        (r#"{"anyOf": [{"type": "null"}, {"minimum": 5}]}"#, "6", "4"),
        (r#"{"oneOf": [{"minimum": 1}, {"minimum": 5}]}"#, "2", "6"),
        (r#"{"not": {"type": "null"}}"#, "1", "null"),
        (r#"{"if": {"type": "string"}, "then": {"minLength": 1}, "else": {"const": 1}}"#, "\"a\"", "2"),
        (r##"{"$ref": "#/definitions/d"}"##, "\"a\"", "1"),
        (r#"{"format": "date"}"#, "\"2024-02-29\"", "\"2023-02-29\""),
        (r#"{"format": "date-time"}"#, "\"2024-02-29T12:00:00.5+01:00\"", "\"2024-02-29T25:00:00Z\""),
        (r#"{"format": "ipv4"}"#, "\"192.0.2.1\"", "\"192.0.2.256\""),
        (r#"{"format": "ipv6"}"#, "\"2001:db8::1\"", "\"2001:db8\""),
        (r#"{"format": "email"}"#, "\"a@example.org\"", "\"example.org\""),
        (r#"{"format": "uri"}"#, "\"https://example.org/a\"", "\"/a\""),
        (r#"{"format": "uuid"}"#, "\"919108f7-52d1-4320-9bac-f847db4148a8\"", "\"919108f7\""),
        (r#"{"format": "hostname"}"#, "\"a-b.example\"", "\"-a\""),
        (r#"{"format": "json-pointer"}"#, "\"/a~1b\"", "\"/a~2\""),
        (r#"{"format": "relative-json-pointer"}"#, "\"0#\"", "\"01\""),
        (r#"{"format": "regex"}"#, "\"a+\"", "\"(\""),
    ] {
        assert!(valid(schema, good), "{schema} {good}");
        assert!(!valid(schema, bad), "{schema} {bad}");
    }
    assert!(
        valid(r#"{"minimum": 5, "minLength": 5, "minItems": 5, "required": ["a"]}"#, "null"),
        "other kinds of values"
    );
    assert!(valid(r#"{"format": "made-up", "made": "up"}"#, "\"a\""));
}

#[test]
fn errors_are_told_as_opa_tells_them() {
    let schema = json(
        r#"{"properties": {"a": {"items": {"type": "integer"}}}, "required": ["b"], "additionalProperties": false}"#,
    );
    let answer = call("json.match_schema", &[json(r#"{"a": [1, "x"], "c": 1}"#), schema]).unwrap();
    let want = r#"[false, [
        {"desc": "b is required", "error": "(root): b is required", "field": "(root)", "type": "required"},
        {"desc": "Invalid type. Expected: integer, given: string",
         "error": "a.1: Invalid type. Expected: integer, given: string", "field": "a.1", "type": "invalid_type"},
        {"desc": "Additional property c is not allowed", "error": "(root): Additional property c is not allowed",
         "field": "(root)", "type": "additional_property_not_allowed"}]]"#;
    assert_eq!(answer, json(want));
}

#[test]
fn schemas_that_are_none() {
    for bad in [
        "[]",
        r#"{"type": "text"}"#,
        r#"{"type": []}"#,
        r#"{"properties": {"a": {"minimum": "1"}}}"#,
        r#"{"items": {"pattern": "("}}"#,
        r#"{"patternProperties": {"(": {}}}"#,
        r#"{"enum": []}"#,
        r#"{"multipleOf": 0}"#,
        r#"{"minLength": -1}"#,
        r#"{"required": [1]}"#,
        r#"{"allOf": []}"#,
        r##"{"$ref": "#/definitions/none"}"##,
        r##"{"$ref": "#/a", "a": {"type": "text"}}"##,
        r#"{"uniqueItems": 1}"#,
        "{",
    ] {
        assert_eq!(call("json.verify_schema", &[text(bad)]).unwrap()[0], false.into(), "{bad}");
        assert!(matches!(call("json.match_schema", &[text("1"), text(bad)]), Err(Fault::Operand(_))), "{bad}");
    }
    let elsewhere = json(r#"{"$ref": "https://example.org/schema"}"#);
    assert!(matches!(call("json.verify_schema", &[elsewhere]), Err(Fault::Refused(_))));
    let known =
        json(r#"{"$id": "https://example.org/schema", "properties": {"a": {"$ref": "https://example.org/schema#"}}}"#);
    assert_eq!(call("json.verify_schema", &[known]).unwrap(), json("[true, null]"));
}

#[test]
fn what_would_take_too_much_is_refused() {
    let refused = |document: &str, schema: &str| {
        matches!(call("json.match_schema", &[text(document), text(schema)]), Err(Fault::Refused(_)))
    };
    assert!(refused("1", r##"{"$ref": "#"}"##));
    assert!(refused("1", r##"{"allOf": [{"$ref": "#"}]}"##));
    let branches: Vec<String> = (0..40)
        .map(|i| {
            format!(
                r##""a{i}": {{"allOf": [{{"$ref": "#/definitions/a{0}"}}, {{"$ref": "#/definitions/a{0}"}}]}}"##,
                i + 1
            )
        })
        .collect();
    let schema = format!(r##"{{"$ref": "#/definitions/a0", "definitions": {{{}, "a40": {{}}}}}}"##, branches.join(","));
    let schema = json(&schema);
    let checked = Checked::of(&schema).unwrap();
    assert!(matches!(validate(&checked, &json("1"), 10_000), Err(Fault::Refused(_))));
    // A tree of any depth has a schema that refers to itself.
    let tree = json(r#"{"c": {"c": {"c": {}}}}"#);
    let schema = json(r##"{"properties": {"c": {"$ref": "#"}}, "additionalProperties": false}"##);
    assert_eq!(call("json.match_schema", &[tree, schema]).unwrap()[0], true.into());
}

fn any_schema() -> impl Strategy<Value = Value> {
    let names =
        ["type", "enum", "minimum", "items", "properties", "allOf", "$ref", "not", "pattern", "if", "const", "format"];
    let member = (prop::sample::select(names.to_vec()), any_json());
    prop::collection::vec(member, 0..4).prop_map(super::super::args::make_object)
}

proptest! {
    #[test]
    fn any_schema_has_an_answer(schema in any_schema(), document in any_json()) {
        let object = super::super::args::make_object([("v", document)]);
        let verified = call("json.verify_schema", std::slice::from_ref(&schema));
        let matched = call("json.match_schema", &[object, schema]);
        if let Ok(answer) = verified {
            prop_assert_eq!(answer[0] == true.into(), !matches!(matched, Err(Fault::Operand(_))), "{:?}", matched);
        }
    }
}
