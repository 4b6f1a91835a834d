//! The OpenAPI 3.1 document, from the table and the wire types.

use serde_json::{Map, Value, json};

use super::table::{RESOURCES, Resource};
use super::wire;

/// What is said of every answer that is no success.
const PROBLEMS: [(&str, &str); 8] = [
    ("400", "The path or the query is not as this document says."),
    ("401", "No token, or one that counts no more."),
    ("403", "The token does not open this, or its person's roles do not."),
    ("404", "There is no such thing."),
    ("405", "Only GET and HEAD are answered."),
    ("421", "The server is not known under the name in `Host`."),
    ("500", "The server's own output says more."),
    (
        "503",
        "The ledger cannot be read at the moment, has more readers than it can answer, or what is asked is not computed yet.",
    ),
];

/// The document.
pub(crate) fn document() -> Value {
    let mut paths = Map::new();
    for resource in RESOURCES {
        paths.insert(resource.path.to_owned(), json!({"get": operation(resource)}));
    }
    let mut responses = Map::new();
    for (status, says) in PROBLEMS {
        responses.insert(format!("Problem{status}"), problem(status, says));
    }
    let mut components = wire::components();
    components.extend(wire::found_components());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Countersign",
            "version": "1",
            "description": "What a ledger says, read only. Every answer is read from the log at that moment. Only GET and HEAD: acts are signed by people, \
                            on the command line.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": responses,
            "headers": {
                "ETag": {"description": "Names this very answer; send it as `If-None-Match`.", "schema": {"type": "string"}},
            },
            "securitySchemes": {
                "token": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "cst_…",
                    "description": "A token that `countersign token issue` printed. It opens what its scopes say and its person's roles open at that moment.",
                },
            },
        },
        "security": [{"token": []}],
    })
}

fn operation(resource: &Resource) -> Value {
    let mut parameters = Vec::new();
    for name in resource.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let schema = if name == "index" {
            json!({"type": "integer", "minimum": 0})
        } else {
            json!({"type": "string", "minLength": 1})
        };
        parameters.push(json!({"name": name, "in": "path", "required": true, "schema": schema}));
    }
    for param in resource.params() {
        parameters.push(json!({
            "name": param.name, "in": "query", "description": param.says, "schema": param.kind.schema(),
        }));
    }
    let etag = json!({"ETag": {"$ref": "#/components/headers/ETag"}});
    let mut responses = Map::new();
    responses.insert(
        "200".to_owned(),
        json!({
            "description": resource.says,
            "headers": etag,
            "content": {"application/json": {"schema": (resource.schema)()}},
        }),
    );
    responses.insert(
        "304".to_owned(),
        json!({"description": "The answer is the one that `If-None-Match` names.", "headers": etag}),
    );
    for (status, _) in PROBLEMS {
        responses.insert(status.to_owned(), json!({"$ref": format!("#/components/responses/Problem{status}")}));
    }
    let roles: Vec<&str> = resource.roles.iter().map(|r| r.as_str()).collect();
    json!({
        "operationId": resource.name,
        "summary": resource.says,
        "parameters": parameters,
        "responses": responses,
        "security": [{"token": [resource.scope.as_str()]}],
        "x-countersign-roles": roles,
    })
}

fn problem(status: &str, says: &str) -> Value {
    let mut response = json!({
        "description": says,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    });
    let header = match status {
        "401" => Some("WWW-Authenticate"),
        "405" => Some("Allow"),
        "503" => Some("Retry-After"),
        _ => None,
    };
    if let (Some(name), Some(map)) = (header, response.as_object_mut()) {
        map.insert("headers".to_owned(), json!({name: {"schema": {"type": "string"}}}));
    }
    response
}
