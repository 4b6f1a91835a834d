//! Pages. Each answers one question, and is made on the server: they work, and print, without a script.
//!
//! | file | holds |
//! |---|---|
//! | `rooms.rs` | every page: its path, its question, who may look |
//! | `acts.rs` | every act that a page can do: its path, who may |
//! | `files.rs` | every file that a page offers |
//! | `sign.rs` | what the acts of approving do |
//! | `look.rs` | one look at a page: who, at which ledger |
//! | `layout.rs` | what every page has around it |
//! | `parts.rs` | what pages are made of: states, tables, numbers, links to entries |
//! | `chart.rs` | charts as SVG, drawn here |
//! | `live.rs` | the stream of what is appended |
//! | `pages/` | one file a noun |
//! | `assets/` | style sheet and scripts, compiled in |
//!
//! **To add a page**: a file in `pages/` with a function from a [`look::Look`] to a [`layout::Page`], a line in `rooms.rs`. Who may see
//! it, that an auditor's look is recorded, headers and layout follow.

pub(crate) mod acts;
pub(crate) mod chart;
pub(crate) mod files;
pub(crate) mod layout;
pub(crate) mod live;
pub(crate) mod look;
mod pages;
pub(crate) mod parts;
pub(crate) mod rooms;
pub(crate) mod sign;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use crate::app::{App, Trouble};
use crate::auth::{handlers as sign_in, oidc, passkey};
use crate::watch;

/// Nothing but what this server sends itself; no frame around it, no form to elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(&str, &str); 7] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("x-frame-options", "DENY"),
];

/// All pages.
pub(crate) fn routes(app: &Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/sign-in", get(sign_in::page))
        .route("/sign-in/link", post(sign_in::use_link))
        .route("/sign-in/link/{token}", get(sign_in::link))
        .route("/sign-in/challenge", get(sign_in::challenge))
        .route("/sign-in/ssh", post(sign_in::ssh))
        .route("/sign-in/passkey", get(passkey::challenge).post(passkey::answer))
        .route("/sign-in/oidc", get(oidc::start))
        .route(oidc::CALLBACK, get(oidc::answer))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/live", get(live::stream))
        .route("/assets/{name}", get(layout::asset));
    for room in rooms::ROOMS {
        router = router.route(room.path, get(look::answer));
    }
    for file in files::FILES {
        router = router.route(file.path, get(look::file));
    }
    for act in acts::ACTS {
        router = router.route(act.path, post(acts::answer).layer(DefaultBodyLimit::max(acts::LARGEST)));
    }
    let guarded = router.layer(middleware::from_fn_with_state(Arc::clone(app), guard));
    // Whoever watches over the process names no host and is nobody.
    let watched = Router::new().route("/healthz", get(|| async { "alive\n" })).route("/readyz", get(ready));
    guarded.merge(watched).with_state(Arc::clone(app))
}

/// Whether requests can be answered: the ledger is opened, and brought up to the log's head.
async fn ready(State(app): State<Arc<App>>) -> Response {
    match app.with(|_| Ok(())).await {
        Ok(()) => "ready\n".into_response(),
        Err(trouble) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", trouble.code)).into_response(),
    }
}

/// What every answer has, and what no request may lack.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = if app.is_host(request.headers()) {
        next.run(request).await
    } else {
        trouble_page(&app, &Trouble::wrong_host())
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    // What somebody may see today, a browser must not show tomorrow.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if app.options.origin.is_secure() {
        headers.insert("strict-transport-security", HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// A page without a visitor.
pub(crate) fn plain_page(app: &App, status: StatusCode, title: &str, body: &Markup) -> Response {
    html_response(status, layout::plain(app, title, body))
}

/// An error as a page.
pub(crate) fn trouble_page(app: &App, trouble: &Trouble) -> Response {
    let body = html! { (trouble_body(trouble)) p { a href="/" { "To the start" } } };
    coded(plain_page(app, trouble.status, "This did not work", &body), trouble)
}

pub(crate) fn trouble_body(trouble: &Trouble) -> Markup {
    html! {
        p.trouble { strong { (trouble.text) } }
        p { (trouble.help) "." }
        p.quiet { "Code " code { (trouble.code) } ", told more by " code { "countersign explain " (trouble.code) } "." }
        @if let Some(id) = watch::current() { p.quiet { "Request " code { (id) } } }
    }
}

fn coded(mut response: Response, trouble: &Trouble) -> Response {
    response.extensions_mut().insert(watch::Refused(trouble.code));
    response
}

/// An error as JSON (RFC 9457).
pub(crate) fn problem(trouble: &Trouble) -> Response {
    let body = serde_json::json!({
        "type": format!("urn:countersign:error:{}", trouble.code),
        "title": trouble.text, "status": trouble.status.as_u16(), "code": trouble.code, "help": trouble.help,
    });
    coded((trouble.status, [(CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response(), trouble)
}

pub(crate) fn json(status: StatusCode, value: &serde_json::Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

pub(crate) fn html_response(status: StatusCode, body: Markup) -> Response {
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], body.into_string()).into_response()
}

pub(crate) fn to_sign_in() -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, "/sign-in")]).into_response()
}

/// What a page of an unsettled address says.
pub(crate) fn nothing_here() -> Markup {
    html! { p { "There is nothing here." } }
}
