//! What every page has around it, and the assets.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response};
use countersign_store::projection::AuditRow;
use maud::{DOCTYPE, Markup, html};

use super::look::Visitor;
use super::parts;
use super::rooms::{ROOMS, Room};
use crate::app::{App, Reach, Scope};

/// A file that pages need.
struct Asset {
    name: &'static str,
    media: &'static str,
    bytes: &'static str,
}

const ASSETS: [Asset; 6] = [
    Asset { name: "style.css", media: "text/css; charset=utf-8", bytes: include_str!("assets/style.css") },
    Asset { name: "live.js", media: "text/javascript; charset=utf-8", bytes: include_str!("assets/live.js") },
    Asset { name: "passkey.js", media: "text/javascript; charset=utf-8", bytes: include_str!("assets/passkey.js") },
    Asset { name: "ask.js", media: "text/javascript; charset=utf-8", bytes: include_str!("assets/ask.js") },
    Asset {
        name: "verify-without-us.md",
        media: "text/plain; charset=utf-8",
        bytes: include_str!("../../../../docs/guides/verify-without-us.md"),
    },
    Asset { name: "mark.svg", media: "image/svg+xml", bytes: include_str!("assets/mark.svg") },
];

/// What a page says by itself.
pub(crate) struct Page {
    /// Its heading.
    pub(crate) title: String,
    /// Stands beside the heading: how many, which state.
    pub(crate) aside: Option<Markup>,
    pub(crate) body: Markup,
    /// Whether it is loaded again when the log grows.
    pub(crate) live: bool,
}

impl Page {
    pub(crate) fn new(title: impl Into<String>, body: Markup) -> Self {
        Self { title: title.into(), aside: None, body, live: false }
    }

    pub(crate) fn aside(self, aside: Markup) -> Self {
        Self { aside: Some(aside), ..self }
    }

    /// Its content changes when something is appended.
    pub(crate) fn live(self) -> Self {
        Self { live: true, ..self }
    }
}

/// A file that pages need. They change with the program, so a browser asks whether they did.
pub(crate) async fn asset(Path(name): Path<String>) -> Response {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => {
            let headers: [(HeaderName, &str); 2] = [(CONTENT_TYPE, asset.media), (CACHE_CONTROL, "max-age=300")];
            (headers, asset.bytes).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn head(title: &str, script: bool) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " · Countersign" }
            link rel="icon" href="/assets/mark.svg" type="image/svg+xml";
            link rel="stylesheet" href="/assets/style.css";
            @if script { script type="module" src="/assets/live.js" {} }
        }
    }
}

/// What every page of a demonstration says first, on paper too.
fn demonstration(app: &App) -> Markup {
    html! {
        @if countersign_model::is_demonstration(&app.ledger) {
            p.notice.demo { strong { "Demonstration." } " Nobody in it exists, and nothing in it counts anywhere else." }
        }
    }
}

/// A page for somebody who is not signed in, or whose request failed before it was known who they are.
pub(super) fn plain(app: &App, title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title, false))
            body.plain {
                main {
                    (demonstration(app))
                    p.brand { img src="/assets/mark.svg" alt="" width="22" height="22"; " Countersign" }
                    h1 { (title) }
                    (body)
                    p.quiet { "Ledger " code { (app.ledger) } }
                }
            }
        }
    }
}

/// What an auditor is shown, in a line.
fn limits(visitor: &Visitor, scope: &Scope, room: &Room) -> Markup {
    let others: Vec<&AuditRow> =
        scope.choices.iter().filter(|row| scope.audit().is_none_or(|own| own.said.audit != row.said.audit)).collect();
    html! {
        @if scope.is_as_auditor {
            p.notice {
                strong { "As an auditor." } " You see what an auditor of this audit sees, and change nothing; it is not recorded as an auditor's look. "
                a href="/audits?audit=" { "Look as yourself again" }
            }
        } @else if visitor.is_auditor() {
            p.notice { strong { "Auditor." } " You change nothing of what you look at. What you look at is recorded." }
        }
        @if scope.is_limited() {
            p.quiet.scope {
                @match scope.audit() {
                    None => "No open audit admits you: nothing that belongs to an application is shown. ",
                    Some(_) if room.reach == Reach::Firm => "This page is about the whole firm, whatever your audit is about. ",
                    Some(audit) => {
                        "Scope: the audit " a href={ "/audits/" (audit.said.audit) } { (audit.said.name) } ", "
                        (parts::time(audit.said.from)) " to " (parts::time(audit.said.to)) ", "
                        @if audit.said.applications.is_empty() { "all applications. " } @else { (audit.said.applications.join(", ")) ". " }
                    },
                }
                @if !others.is_empty() {
                    "Other audits: " @for row in &others { a href={ "/?audit=" (row.said.audit) } { (row.said.name) } " " }
                }
            }
        }
    }
}

/// The page of the navigation from which a page is reached that is not in it.
fn above(room: &Room) -> Option<&'static Room> {
    if !room.name.is_empty() {
        return None;
    }
    // Sealed populations are listed with the audits that they were sealed for.
    let path = if room.path.starts_with("/populations") { "/audits" } else { room.path };
    ROOMS.iter().find(|up| !up.name.is_empty() && up.path.len() > 1 && path.starts_with(up.path))
}

/// A page for a visitor.
pub(super) fn whole(app: &App, visitor: &Visitor, scope: &Scope, room: &Room, size: u64, page: &Page) -> Markup {
    let top = ROOMS.iter().filter(|r| !r.name.is_empty() && visitor.is_any(r.roles));
    let current = |r: &Room| {
        if r.path == room.path {
            Some("page")
        } else {
            above(room).is_some_and(|up| up.path == r.path).then_some("true")
        }
    };
    let roles: Vec<&str> = visitor.roles.iter().map(|role| role.as_str()).collect();
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(&page.title, true))
            body data-head=(size) data-live[page.live] {
                a.skip href="#main" { "Skip to the content" }
                header.side {
                    a.brand href="/" { img src="/assets/mark.svg" alt="" width="22" height="22"; span { "Countersign" } }
                    nav aria-label="Pages" {
                        ul { @for r in top { li { a href=(r.path) aria-current=[current(r)] { (r.name) } } } }
                    }
                    div.who {
                        p { strong { (visitor.name) } br; span.quiet { (roles.join(", ")) } }
                        form method="post" action="/sign-out" {
                            input type="hidden" name="csrf" value=(visitor.csrf);
                            button type="submit" { "Sign out" }
                        }
                    }
                }
                main id="main" tabindex="-1" {
                    (demonstration(app))
                    (limits(visitor, scope, room))
                    @if let Some(up) = above(room) { nav.crumbs aria-label="Breadcrumb" { a href=(up.path) { (up.name) } } }
                    div.title {
                        h1 { (page.title) }
                        @if let Some(aside) = &page.aside { div.aside { (aside) } }
                    }
                    p.question { (room.question) }
                    div id="content" { (page.body) }
                    footer {
                        span id="head" { "As of entry " a href="/ledger" { "#" (size.saturating_sub(1)) } } " of " code { (app.ledger) } ". Times are UTC. "
                        span id="live" role="status" {}
                    }
                }
            }
        }
    }
}
