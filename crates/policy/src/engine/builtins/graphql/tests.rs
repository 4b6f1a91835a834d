//! Rules of the specification's chapters 3 and 5, with examples of our own.

use proptest::prelude::*;
use regorus::Value;

use super::super::Fault;
use super::super::tests::{call, json, text};

const SCHEMA: &str = r#"
type Query { shelf(id: ID!, size: Int = 3): Shelf  things: [Thing!]!  find(by: Filter): Book }
type Mutation { add(book: NewBook!): Book! }
type Subscription { added: Book! }
interface Thing { name: String! }
type Book implements Thing { name: String! pages(from: Int): Int! }
type Lamp implements Thing { name: String! watts: Float }
type Shelf { books: [Book!]! }
union Any = Book | Lamp
enum Kind { PAPER SCREEN }
input Filter { kind: Kind = PAPER, words: [String!] }
input NewBook { name: String!, kind: Kind }
directive @note(text: String!) repeatable on FIELD | QUERY
"#;

fn valid(query: &str) -> bool {
    call("graphql.is_valid", &[text(query), text(SCHEMA)]).unwrap() == true.into()
}

fn schema_valid(schema: &str) -> bool {
    call("graphql.schema_is_valid", &[text(schema)]).unwrap() == true.into()
}

#[test]
fn valid_queries() {
    for query in [
        "{ shelf(id: 4) { books { name pages } } }",
        "query Q($i: ID!, $n: Int) { shelf(id: $i, size: $n) { books { __typename } } }",
        "query ($n: Int = 2) { shelf(id: \"a\") { books { pages(from: $n) } } }",
        "{ things { name ... on Lamp { watts } ...B } } fragment B on Book { pages }",
        "{ find(by: {kind: SCREEN, words: \"one\"}) { name } }",
        "mutation { add(book: {name: \"n\"}) { name } }",
        "subscription { added { name } }",
        "{ a: find { name } b: find { name } }",
        "{ find { n: name n: name } }",
        "{ find @note(text: \"a\") @note(text: \"b\") { name @include(if: true) } }",
        "{ __schema { types { name } } __type(name: \"Book\") { kind } }",
        "query A { find { name } } query B { find { name } }",
        "{ things { ... on Book { x: pages } ... on Lamp { y: watts } } }",
        "query ($w: [String!]) { find(by: {words: $w}) { name } }",
        "",
    ] {
        let told = call("graphql.parse", &[text(query), text(SCHEMA)]).err();
        assert!(valid(query), "{query}: {told:?}");
    }
}

#[test]
fn invalid_queries() {
    for query in [
        "{ nothing }",
        "{ find }",
        "{ find { name { x } } }",
        "{ shelf { books { name } } }",
        "{ shelf(id: 1, id: 2) { books { name } } }",
        "{ shelf(id: null) { books { name } } }",
        "{ shelf(id: 1, size: \"x\") { books { name } } }",
        "{ shelf(id: 1, size: 2147483648) { books { name } } }",
        "{ shelf(id: 1, shape: 2) { books { name } } }",
        "{ find(by: {kind: WOOD}) { name } }",
        "{ find(by: {kind: \"PAPER\"}) { name } }",
        "{ find(by: {words: [1]}) { name } }",
        "{ find(by: {colour: 1}) { name } }",
        "{ find(by: {kind: PAPER, kind: PAPER}) { name } }",
        "mutation { add(book: {kind: PAPER}) { name } }",
        "query ($i: ID!) { find { name } }",
        "{ shelf(id: $i) { books { name } } }",
        "query ($i: ID) { shelf(id: $i) { books { name } } }",
        "query ($i: String!) { shelf(id: $i) { books { name } } }",
        "query ($i: ID!, $i: ID!) { shelf(id: $i) { books { name } } }",
        "query ($b: Book) { find { name @skip(if: $b) } }",
        "query ($n: Int = \"x\") { find { pages(from: $n) } }",
        "{ find { ...F } }",
        "{ find { name } } fragment F on Book { name }",
        "{ find { ...F } } fragment F on Book { ...F }",
        "{ find { ...F } } fragment F on Book { ...G } fragment G on Book { ...F }",
        "{ find { ...F } } fragment F on Nothing { name }",
        "{ find { ...F } } fragment F on Kind { name }",
        "{ find { ... on Lamp { watts } } }",
        "{ find { ...F } } fragment F on Book { name } fragment F on Book { name }",
        "{ find { n: name n: pages } }",
        "{ find { pages(from: 1) pages(from: 2) } }",
        "{ things { ... on Book { x: pages } ... on Lamp { x: watts } } }",
        "{ find { name } } { find { name } }",
        "query A { find { name } } query A { find { name } }",
        "{ find @nothing { name } }",
        "{ find @deprecated { name } }",
        "{ find { name @include(if: true) @include(if: true) } }",
        "{ find { name @include } }",
        "subscription { added { name } a: added { name } }",
        "subscription { __typename }",
        "{ find { name(x: 1) } }",
        "{ find { __typename(x: 1) } }",
        "{ __type { name } }",
    ] {
        assert!(!valid(query), "{query}");
    }
    assert_eq!(
        call("graphql.is_valid", &[text("mutation { x }"), text("type Query { x: Int }")]).unwrap(),
        false.into()
    );
}

#[test]
fn schemas() {
    assert!(schema_valid(SCHEMA));
    assert!(schema_valid(
        "interface A { x: Thing } interface Thing { y: Int } type T implements Thing { y: Int z(a: Int): Int } type B implements A { x: T }"
    ));
    for bad in [
        "type A { x: B }",
        "type A { x: Int x: Int }",
        "type A { x: Int } type A { y: Int }",
        "type A { x: F } input F { y: Int }",
        "type A { x(y: A): Int }",
        "input F { a: A } type A { x: Int }",
        "type __A { x: Int }",
        "type A { __x: Int }",
        "enum E { A A }",
        "union U = Int",
        "type A @nothing { x: Int }",
        "type A { x: Int @include(if: true) }",
        "directive @d(a: Int @d) on ARGUMENT_DEFINITION",
        "schema { query: Q }",
        "schema { query: Int }",
        "scalar Int",
        "interface I { x: Int! } type A implements I { x: Int }",
        "interface I { x(a: Int): Int } type A implements I { x: Int }",
        "interface I { x: Int } type A implements I { x(a: Int!): Int }",
        "extend union U = A type A { x: Int } enum U { X }",
        "interface I implements I { x: Int }",
    ] {
        assert!(!schema_valid(bad), "{bad}");
    }
    for no in [json("1"), json("null"), json("[]")] {
        assert_eq!(call("graphql.schema_is_valid", &[no]).unwrap(), false.into());
    }
}

#[test]
fn trees_are_taken_in_place_of_text() {
    let query = call("graphql.parse_query", &[text("{ find { name } }")]).unwrap();
    assert_eq!(
        query,
        json(
            r#"{"Operations": [{"Operation": "query", "Name": "", "SelectionSet": [{"Alias": "find", "Name": "find",
                "SelectionSet": [{"Alias": "name", "Name": "name"}]}]}]}"#
        )
    );
    let schema = call("graphql.parse_schema", &[text(SCHEMA)]).unwrap();
    let answer = call("graphql.parse_and_verify", &[query.clone(), schema.clone()]).unwrap();
    assert_eq!(answer, Value::from(vec![true.into(), query, schema.clone()]));
    let with_position = json(r#"{"Position": {"Line": 1}, "Operations": [], "Fragments": null}"#);
    assert_eq!(call("graphql.parse", &[with_position, schema]).unwrap()[0], json("{}"));
}

#[test]
fn an_error_says_where() {
    let told = |query: &str| call("graphql.parse_query", &[text(query)]).unwrap_err().to_string();
    assert_eq!(told("{"), "Expected }, found <EOF> in GraphQL string at location 1:2");
    assert_eq!(told("{\n  a(\n"), "Expected ), found <EOF> in GraphQL string at location 3:1");
    assert_eq!(told("\u{e9}"), "Cannot parse the unexpected character \"é\" in GraphQL string at location 1:1");
}

#[test]
fn what_would_take_too_much_is_refused() {
    let deep = "{a".repeat(100_000);
    assert!(matches!(call("graphql.parse_query", &[text(&deep)]), Err(Fault::Refused(_))));
    let deep = "[".repeat(100_000);
    assert!(matches!(call("graphql.parse_query", &[text(&format!("query($a: {deep}"))]), Err(Fault::Refused(_))));
    assert!(matches!(call("graphql.parse_query", &[text(&format!("{{a(b: {deep}"))]), Err(Fault::Refused(_))));
    // Every level doubles what is below.
    let levels: Vec<String> =
        (0..40).map(|i| format!("fragment F{i} on T {{ t {{ ...F{0} }} t {{ ...F{0} }} }}", i + 1)).collect();
    let query = format!("{{ t {{ ...F0 }} }} {} fragment F40 on T {{ x }}", levels.join(" "));
    let schema = "type Query { t: T } type T { t: T x: Int }";
    assert!(matches!(call("graphql.is_valid", &[text(&query), text(schema)]), Err(Fault::Refused(_))));
}

fn any_document() -> impl Strategy<Value = String> {
    let words = [
        "{",
        "}",
        "(",
        ")",
        "...",
        "on",
        "Book",
        "find",
        "name",
        ":",
        "$",
        "a",
        "!",
        "[",
        "]",
        "=",
        "@include",
        "if",
        "true",
        "1",
        "\"s\"",
        "fragment",
        "query",
        "type",
        "extend",
        "union",
        "|",
        "enum",
        "implements",
        "&",
        "input",
        "directive",
        "FIELD",
        "schema",
        "\"\"\"b\"\"\"",
        "subscription",
        "interface",
        ",",
        "#c\n",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..40).prop_map(|w| w.join(" "))
}

proptest! {
    #[test]
    fn any_document_has_an_answer(query in any_document(), schema in any_document()) {
        for (name, args) in [
            ("graphql.parse_query", vec![text(&query)]),
            ("graphql.parse_schema", vec![text(&schema)]),
            ("graphql.is_valid", vec![text(&query), text(SCHEMA)]),
            ("graphql.is_valid", vec![text(&query), text(&schema)]),
            ("graphql.schema_is_valid", vec![text(&schema)]),
        ] {
            let _ = call(name, &args);
        }
        // What was read is the same when it is given as a tree.
        if let Ok(tree) = call("graphql.parse_query", &[text(&query)]) {
            let as_text = call("graphql.is_valid", &[text(&query), text(SCHEMA)]).unwrap();
            prop_assert_eq!(call("graphql.is_valid", &[tree, text(SCHEMA)]).unwrap(), as_text);
        }
    }
}
