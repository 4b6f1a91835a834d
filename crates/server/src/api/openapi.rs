//! The OpenAPI 3.1 document, from the table and the wire types.

use countersign_model::access::token::TokenScope;
use serde_json::{Map, Value, json};

use super::table::{Param, RESOURCES, Resource};
use super::writes::{self, WRITES, Write};
use super::{answers, wire};

/// What is said of every answer that is no success.
const PROBLEMS: [(&str, &str); 10] = [
    ("400", "The path or the query is not as this document says."),
    ("401", "No token, or one that counts no more."),
    ("403", "The token does not open this, or its person's roles do not."),
    ("404", "There is no such thing."),
    ("405", "It is answered to other methods: `Allow` names them."),
    ("409", "What is so now does not allow it."),
    ("421", "The server is not known under the name in `Host`."),
    ("429", "More requests than one client may make."),
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
    for write in WRITES {
        paths.insert(write.path.to_owned(), json!({"post": request(write)}));
    }
    let mut responses = Map::new();
    for (status, says) in PROBLEMS.iter().chain(&PROBLEMS_OF_WRITES) {
        responses.insert(format!("Problem{status}"), problem(status, says));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Countersign",
            "version": "1",
            "description": "What a ledger says, read from the log at that moment; and what pipelines send to be judged, and signers hand in. Nothing counts \
                            for having been sent: commits are judged here, and approvals are signed by people with keys of their own.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "responses": responses,
            "headers": {
                "ETag": {"description": "Names this very answer; send it as `If-None-Match`.", "schema": {"type": "string"}},
            },
            "securitySchemes": {
                "token": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "cst_…",
                    "description": "A token that `countersign token issue` printed. It opens what its scopes say and its person's roles open at that moment.",
                },
                "job": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "The identity token (OpenID Connect) that a CI system gave to a job, under the ledger's issuers. It opens the repository that \
                                    it names, where that belongs to a registered application.",
                },
            },
        },
        "security": [{"token": []}],
    })
}

/// What is said besides of requests that change something.
const PROBLEMS_OF_WRITES: [(&str, &str); 7] = [
    ("408", "It took too long until all of it was there."),
    ("412", "The run's newest decision is another one than `If-Match` names."),
    ("413", "More was sent than is taken."),
    ("415", "What is sent is called something else in `Content-Type`."),
    ("422", "Something else was sent under the same key before."),
    ("428", "A condition is missing: `If-Match`."),
    ("507", "What was sent cannot be kept on the server's disk."),
];

/// The parameters in a path.
fn in_path(path: &str) -> Vec<Value> {
    let mut parameters = Vec::new();
    for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let schema = if name == "index" {
            json!({"type": "integer", "minimum": 0})
        } else {
            json!({"type": "string", "minLength": 1})
        };
        parameters.push(json!({"name": name, "in": "path", "required": true, "schema": schema}));
    }
    parameters
}

/// Of what is read and of what is answered.
fn schemas() -> Map<String, Value> {
    let mut all = wire::components();
    all.append(&mut wire::more_components());
    all.append(&mut answers::components());
    all
}

/// A parameter of the query.
fn in_query(param: &Param) -> Value {
    let mut said = json!({
        "name": param.name, "in": "query", "description": param.says, "schema": param.kind.schema(),
    });
    if let (true, Some(map)) = (param.must, said.as_object_mut()) {
        map.insert("required".to_owned(), true.into());
    }
    said
}

fn request(write: &Write) -> Value {
    let mut parameters = in_path(write.path);
    parameters.extend(write.query.iter().map(in_query));
    for (name, says, must) in write.headers {
        let schema = match *name {
            writes::KEY => json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{16,128}$"}),
            "if-match" => json!({"type": "string", "pattern": "^\"sha256:[0-9a-f]{64}\"$"}),
            _ => json!({"type": "string"}),
        };
        parameters.push(json!({"name": name, "in": "header", "description": says, "required": must, "schema": schema}));
    }
    let mut responses = Map::new();
    for (status, says) in write.answers {
        responses.insert(
            (*status).to_owned(),
            json!({"description": says, "content": {"application/json": {"schema": (write.schema)()}}}),
        );
    }
    for (status, _) in PROBLEMS.iter().chain(&PROBLEMS_OF_WRITES) {
        responses.insert((*status).to_owned(), json!({"$ref": format!("#/components/responses/Problem{status}")}));
    }
    let roles: Vec<&str> = write.roles().iter().map(|r| r.as_str()).collect();
    let mut operation = json!({
        "operationId": write.name,
        "summary": write.does,
        "parameters": parameters,
        "responses": responses,
        "security": security(write.scope, write.is_of_jobs()),
        "x-countersign-roles": roles,
    });
    if let (Some(content), Some(map)) = (writes::content(write.brings), operation.as_object_mut()) {
        map.insert("requestBody".to_owned(), content);
    }
    operation
}

fn operation(resource: &Resource) -> Value {
    let mut parameters = in_path(resource.path);
    parameters.extend(resource.params().map(in_query));
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
        "security": security(resource.scope, resource.is_of_jobs()),
        "x-countersign-roles": roles,
    })
}

fn security(scope: TokenScope, is_of_jobs: bool) -> Value {
    let token = json!({"token": [scope.as_str()]});
    if is_of_jobs { json!([token, {"job": []}]) } else { json!([token]) }
}

fn problem(status: &str, says: &str) -> Value {
    let mut response = json!({
        "description": says,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    });
    let header = match status {
        "401" => Some("WWW-Authenticate"),
        "405" => Some("Allow"),
        "429" | "503" => Some("Retry-After"),
        _ => None,
    };
    if let (Some(name), Some(map)) = (header, response.as_object_mut()) {
        map.insert("headers".to_owned(), json!({name: {"schema": {"type": "string"}}}));
    }
    response
}
