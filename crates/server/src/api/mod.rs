//! The API: what the pages say, for programs, and what pipelines and signers send.
//!
//! | file | holds |
//! |---|---|
//! | `table.rs` | every resource: path, scope, roles, parameters, what it answers |
//! | `answers.rs` | what is answered to what is sent, likewise |
//! | `writes.rs` | every request that changes something |
//! | `wire.rs` | what is sent, type by type, with its schemas |
//! | `ask.rs` | one request: for what |
//! | `acts/` | what people sign, given out and taken |
//! | `caller.rs` | who asks: somebody's program, or a job |
//! | `openapi.rs` | the document, from the two |
//! | one file a noun | what is read for it |
//!
//! **To add a resource**: its types in `wire.rs`, a line in `table.rs`, a function from an [`ask::Ask`] to the type. Who may ask, that an
//! auditor's look is recorded, the document, and the tests of roles and schemas follow.
//!
//! Programs show a token; a browser's cookie opens nothing here, so nothing elsewhere can ask in somebody's browser.

mod acts;
mod answers;
mod applications;
mod approvals;
mod ask;
mod audits;
mod caller;
mod controls;
mod emergencies;
mod entries;
mod environments;
mod evidence;
mod findings;
mod frameworks;
mod grants;
mod ledger;
mod openapi;
mod people;
mod reviews;
mod runs;
mod snapshots;
mod submissions;
mod table;
mod waivers;
mod wire;
mod writes;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::{QueryRejection, RawPathParamsRejection};
use axum::extract::{DefaultBodyLimit, MatchedPath, Query, RawPathParams, RawQuery, Request, State};
use axum::http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use countersign_store::Session;

use self::answers::Problem;
use self::ask::Ask;
use self::table::Resource;
use self::wire::Wire as _;
use crate::app::{App, Trouble};
use crate::auth;
use crate::watch;

pub(crate) use acts::{Keys, LARGEST as LARGEST_ACTS};
pub(crate) use openapi::document;

/// Where the document is.
const DOCUMENT: &str = "/api/v1/openapi.json";
/// The longest address, in bytes: it is recorded when an auditor asks.
pub(crate) const LONGEST_PATH: usize = 1024;

/// Whether a path is one of the API.
pub(crate) fn is_of(path: &str) -> bool {
    path.starts_with("/api/v1/")
}

/// Whether what is sent there may be large, and take long.
pub(crate) fn takes_uploads(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/api/v1/") else { return false };
    rest == "submissions"
        || rest.starts_with("runs/") && rest.ends_with("/evidence")
        || rest.starts_with("environments/") && rest.ends_with("/snapshots")
}

/// Whether what people sign is asked for or sent there.
pub(crate) fn takes_acts(path: &str) -> bool {
    matches!(path, "/api/v1/acts" | "/api/v1/acts/prepare")
}

/// Every resource, for the tests of roles.
pub(crate) fn resources() -> impl Iterator<Item = crate::ResourceInfo> {
    table::RESOURCES.iter().map(|r| crate::ResourceInfo {
        path: r.path,
        scope: r.scope,
        roles: r.roles,
        reach: r.reach,
    })
}

/// Every request that changes something, for the same.
pub(crate) fn writes() -> impl Iterator<Item = crate::WriteInfo> {
    writes::WRITES.iter().map(|w| crate::WriteInfo {
        path: w.path,
        scope: w.scope,
        media: w.brings.media(),
        is_of_auditors: w.is_of_auditors(),
    })
}

/// Everything under `/api`.
pub(crate) fn routes(app: &Arc<App>) -> Router {
    let refuse = || async { refused(&Trouble::no_method()) };
    let mut router = Router::new().route(DOCUMENT, get(the_document).fallback(refuse));
    for resource in table::RESOURCES {
        router = router.route(resource.path, get(answer).fallback(refuse));
    }
    for write in writes::WRITES {
        let only = || async { refused(&Trouble::posted_only()) };
        router = router.route(write.path, post(writes::answer).fallback(only).layer(DefaultBodyLimit::disable()));
    }
    let nothing = || async { refused(&Trouble::not_found("resource")) };
    router
        .route("/api", any(nothing))
        .route("/api/", any(nothing))
        .route("/api/{*rest}", any(nothing))
        .layer(middleware::from_fn_with_state(Arc::clone(app), guard))
        .with_state(Arc::clone(app))
}

async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response =
        if app.is_host(request.headers()) { next.run(request).await } else { refused(&Trouble::wrong_host()) };
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    // Whoever keeps an answer asks each time whether it still holds, with their token.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    if app.options.origin.is_secure() {
        headers.insert("strict-transport-security", HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// A problem, with the headers that belong to its status.
pub(crate) fn refused(trouble: &Trouble) -> Response {
    let problem = Problem::of(trouble);
    let head = [(CONTENT_TYPE, "application/problem+json"), (CACHE_CONTROL, "no-store")];
    let mut response = (trouble.status, head, problem.json().to_string()).into_response();
    response.extensions_mut().insert(watch::Refused(trouble.code));
    let headers = response.headers_mut();
    match trouble.status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"countersign\""));
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            let allowed = if trouble.code == Trouble::posted_only().code { "POST" } else { "GET, HEAD" };
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        }
        _ => {}
    }
    response
}

/// The document says nothing of the ledger, so it is there for everybody.
async fn the_document(headers: HeaderMap) -> Response {
    sent(&headers, document().to_string())
}

fn sent(headers: &HeaderMap, body: String) -> Response {
    let etag = ask::etag(&body);
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    if known.into_iter().any(|header| ask::matches(header, &etag)) {
        return (StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response();
    }
    (StatusCode::OK, [(CONTENT_TYPE, "application/json".to_owned()), (ETAG, etag)], body).into_response()
}

/// The token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (first, more) = (all.next()?, all.next());
    let (scheme, token) = first.to_str().ok()?.split_once(' ')?;
    (more.is_none() && scheme.eq_ignore_ascii_case("bearer")).then_some(token.trim())
}

/// Answers for every resource of the table.
async fn answer(
    State(app): State<Arc<App>>,
    path: MatchedPath,
    params: Result<RawPathParams, RawPathParamsRejection>,
    RawQuery(raw): RawQuery,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let Some(resource) = table::find(path.as_str()) else {
        return refused(&Trouble::internal("a path without a resource was routed"));
    };
    let Some(token) = bearer(&headers).map(str::to_owned) else { return refused(&Trouble::no_token()) };
    let params = params.map(|p| p.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect());
    let asked = Asked { resource, token, params: params.ok(), query: query.ok().map(|Query(q)| q), uri, raw };
    let inner = Arc::clone(&app);
    match app.with(move |session| made(&inner, session, asked)).await {
        Ok(body) => sent(&headers, body),
        Err(trouble) => refused(&trouble),
    }
}

struct Asked {
    resource: &'static Resource,
    token: String,
    params: Option<BTreeMap<String, String>>,
    query: Option<Vec<(String, String)>>,
    uri: Uri,
    raw: Option<String>,
}

fn made(app: &App, session: &mut Session, asked: Asked) -> Result<String, Trouble> {
    let caller = caller::of(app, session, &asked.token)?;
    let resource = asked.resource;
    caller.opens(resource.scope, resource.is_of_jobs(), resource.roles, "this resource")?;
    let bad = |what: &str| Trouble::bad_query(what, "percent-encoded UTF-8");
    let (Some(params), true) = (asked.params, asked.uri.path().len() <= LONGEST_PATH) else {
        return Err(bad("the path cannot be read"));
    };
    let query = ask::query(resource, asked.query.ok_or_else(|| bad("the query cannot be read"))?)?;
    if let Some((visit, visitor)) = caller.visit()
        && visitor.is_auditor()
    {
        auth::viewed(&app.looks, session, visit, asked.uri.path(), asked.raw.as_deref())?;
    }
    let scope = caller.scope(session, query.get(table::AUDIT.name).map(String::as_str))?;
    scope.admits(session, resource.reach, |name| params.get(name).map_or("", String::as_str))?;
    let mut ask = Ask { app, session, caller: &caller, scope, params: &params, query: &query };
    Ok((resource.get)(&mut ask)?.to_string())
}
