//! Shows: pages to people, a ledger's log to any tlog client, and a witness to any log, over HTTP.
//!
//! | module | serves | format |
//! |---|---|---|
//! | `web` | pages, each answering one question | HTML, server-sent events |
//! | `api` | the same for programs, read only | JSON, OpenAPI 3.1 |
//! | `auth` | signing in: links, SSH keys | |
//! | `watch` | to whoever runs it: a line a request, numbers; how often a client may ask | JSON, Prometheus text |
//! | `app` | what all requests share: open ledgers, the log's head, the newest assessment | |
//! | [`publish`] | a ledger's checkpoint, tiles and entry bundles, read only | C2SP tlog-tiles |
//! | [`witness`] | cosignatures on the checkpoints of logs that it knows | C2SP tlog-witness |
//!
//! This is the only room with async code. What is served is decided by ordinary functions over bytes ([`publish::find`],
//! [`witness::Witness::add_checkpoint`]); the part with sockets is `http.rs`. Nothing here speaks TLS: a proxy in front adds
//! encryption. What is published of the log is public, a witness believes signatures only, and every page asks who is there.
//!
//! Every request is bounded: its head, its body, its time, and how many there are at once. SIGINT and SIGTERM let what is being
//! answered finish.

mod api;
mod app;
mod auth;
mod durable;
mod error;
mod explain;
mod http;
mod private;
pub mod publish;
mod serve;
mod submit;
mod tls;
mod watch;
mod web;
pub mod witness;

pub use app::{Notifies, Opener, Options, Origin, Provider, Reach};
pub use error::Error;
pub use explain::EXPLANATIONS;
pub use http::Listener;
pub use private::private;
pub use serve::Server;
pub use submit::{Pipeline, ToJudge, ToRecord};
pub use tls::Tls;
#[cfg(feature = "otel")]
pub use watch::Otlp;
pub use watch::{LogFormat, Network, Say, Serving, network};

/// A resource of the API, for whoever tests that each role gets what is its own.
#[derive(Debug, Clone, Copy)]
pub struct ResourceInfo {
    /// Its path; `{…}` stands for a part that differs.
    pub path: &'static str,
    /// What a token must open.
    pub scope: countersign_model::access::token::TokenScope,
    /// Roles of which the token's person must hold one.
    pub roles: &'static [countersign_model::Role],
    /// What it is for an auditor.
    pub reach: Reach,
}

/// Every resource of the API.
pub fn resources() -> impl Iterator<Item = ResourceInfo> {
    api::resources()
}

/// A request that changes something, for whoever tests that each role sends what is its own.
#[derive(Debug, Clone, Copy)]
pub struct WriteInfo {
    /// Its path; `{…}` stands for a part that differs.
    pub path: &'static str,
    /// What a token must open.
    pub scope: countersign_model::access::token::TokenScope,
    /// What it brings, as `Content-Type` calls it.
    pub media: Option<&'static str>,
    /// Whether an auditor may send it, who has the acts of an audit alone.
    pub is_of_auditors: bool,
}

/// Every request to the API that changes something.
pub fn writes() -> impl Iterator<Item = WriteInfo> {
    api::writes()
}

/// The OpenAPI 3.1 document.
#[must_use]
pub fn openapi() -> serde_json::Value {
    api::document()
}

/// A page as the reference lists it.
#[derive(Debug, Clone, Copy)]
pub struct PageInfo {
    /// Its path; `{…}` stands for a part that differs.
    pub path: &'static str,
    /// The question that it answers.
    pub question: &'static str,
    /// Who may look.
    pub roles: &'static [countersign_model::Role],
    /// What it is for an auditor.
    pub reach: Reach,
}

/// An act of a page as the reference lists it.
#[derive(Debug, Clone, Copy)]
pub struct ActInfo {
    /// Where it is sent; `{…}` stands for a part that differs.
    pub path: &'static str,
    /// What it does.
    pub does: &'static str,
    /// What it is in the table of acts, which says who may.
    pub actions: &'static [countersign_model::access::Action],
    /// Whether it is an auditor's, and nobody else's.
    pub is_of_audit: bool,
}

/// Every act that a page can do.
pub fn acts() -> impl Iterator<Item = ActInfo> {
    let info = |act: &'static web::acts::Act| ActInfo {
        path: act.path,
        does: act.does,
        actions: act.actions,
        is_of_audit: act.is_of_audit(),
    };
    web::acts::ACTS.iter().map(info)
}

/// A file that a page offers, as the reference lists it.
#[derive(Debug, Clone, Copy)]
pub struct FileInfo {
    /// Its path; `{…}` stands for a part that differs.
    pub path: &'static str,
    /// What it holds.
    pub holds: &'static str,
    /// Who may have it.
    pub roles: &'static [countersign_model::Role],
    /// What it is for an auditor.
    pub reach: Reach,
}

/// Every file that a page offers.
pub fn files() -> impl Iterator<Item = FileInfo> {
    web::files::FILES.iter().map(|f| FileInfo { path: f.path, holds: f.holds, roles: f.roles, reach: f.reach })
}

/// Every page that somebody who is signed in can be shown, in the order of the navigation.
pub fn pages() -> impl Iterator<Item = PageInfo> {
    web::rooms::ROOMS.iter().map(|room| PageInfo {
        path: room.path,
        question: room.question,
        roles: room.roles,
        reach: room.reach,
    })
}
