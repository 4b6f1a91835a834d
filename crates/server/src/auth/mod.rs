//! Who is there. Everybody who comes is somebody enrolled in the ledger; nobody has a password.
//!
//! | file | holds |
//! |---|---|
//! | `visits.rs` | who is signed in, in memory, by the hash of a secret |
//! | `links.rs` | links that sign in once, challenges that are answered once |
//! | `refusals.rs` | sign-ins that were refused: recorded, counted, locked out |
//! | `passkey.rs` | the routes of signing in with a passkey |
//! | `tokens.rs` | what programs show |
//! | `handlers.rs` | the routes: link, SSH key, signing out |
//!
//! Signing in, being refused and leaving are events: they are recorded before the browser is told.

pub(crate) mod handlers;
mod links;
pub(crate) mod passkey;
mod refusals;
mod tokens;
mod visits;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use countersign_evidence::statement::Subject;
use countersign_model::event::{EvidenceViewed, Predicate, SignInRefused, SignedIn, SignedOut};
use countersign_model::visit::SignInMethod;
use countersign_model::{Digest, EventKind, PersonId, StreamId};
use countersign_store::{Plan, Session};

pub(crate) use links::{FIRST_LINK, Link, Links};
pub(crate) use refusals::{Refusals, Storm};
pub(crate) use tokens::by_token;
pub(crate) use visits::{Visit, Visits};

use crate::app::{App, Trouble};

/// The cookie's name over TLS, which a browser takes from this very host alone, and over plain HTTP on this machine.
const SECURE_COOKIE: &str = "__Host-countersign";
const PLAIN_COOKIE: &str = "countersign";
/// Says that an open page brings itself up to date (`live.js`), which keeps no visit alive.
const UNASKED: &str = "x-countersign-live";

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind it is whole at every moment, so that a thread which died leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl App {
    const fn cookie_name(&self) -> &'static str {
        if self.options.origin.is_secure() { SECURE_COOKIE } else { PLAIN_COOKIE }
    }

    /// The visit that a request belongs to.
    pub(crate) fn visit_of(&self, headers: &HeaderMap) -> Option<Visit> {
        self.visit(headers, !headers.contains_key(UNASKED))
    }

    /// The visit that a page belongs to which is open, whether or not somebody sits before it.
    pub(crate) fn visit_beside(&self, headers: &HeaderMap) -> Option<Visit> {
        self.visit(headers, false)
    }

    fn visit(&self, headers: &HeaderMap, busy: bool) -> Option<Visit> {
        let name = self.cookie_name();
        let cookies = headers.get_all(COOKIE).into_iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
        let mut secrets = cookies.filter_map(|pair| pair.trim().split_once('=')).filter(|(n, _)| *n == name);
        let (_, secret) = secrets.next()?;
        lock(&self.visits).find(secret, busy, Instant::now())
    }

    /// The cookie that opens a visit, or ends it.
    fn cookie(&self, secret: Option<&str>) -> String {
        let secure = if self.options.origin.is_secure() { "; Secure" } else { "" };
        let life = if secret.is_none() { "; Max-Age=0" } else { "" };
        format!("{}={}; Path=/; HttpOnly; SameSite=Lax{secure}{life}", self.cookie_name(), secret.unwrap_or_default())
    }

    /// Whether a request that changes something comes from a page of this server: the browser says where it comes from.
    pub(crate) fn is_own(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        let site = text("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
        let origin = text("origin").is_none_or(|origin| origin.eq_ignore_ascii_case(&self.options.origin.to_string()));
        site && origin
    }

    /// Whether a request is for this server by its name.
    pub(crate) fn is_host(&self, headers: &HeaderMap) -> bool {
        let host = headers.get("host").and_then(|v| v.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
        host == self.options.origin.host()
    }
}

fn record<P: Predicate + Clone>(session: &mut Session, kind: EventKind, what: &P) -> Result<(), Trouble> {
    session.transact::<(), Trouble>(|s| {
        let ledger = Subject::sha256(s.state().origin(), &Digest::of(s.state().vkey().as_bytes()));
        let entry = s.machine_entry(kind, StreamId::from_text("visits"), vec![ledger], what.clone(), vec![], vec![])?;
        Ok((Plan { entries: vec![entry] }, ()))
    })?;
    Ok(())
}

/// Somebody signed in: first the log says so, then the visit begins.
fn begin(app: &App, session: &mut Session, link: &Link) -> Result<String, Trouble> {
    let (secret, visit) = lock(&app.visits).begin(link.person.clone(), link.key.clone(), Instant::now())?;
    let event = SignedIn {
        person: link.person.clone(),
        method: link.method,
        visit: visit.name.clone(),
        key: link.key.clone(),
        time: session.now(),
    };
    if let Err(trouble) = record(session, EventKind::SignedIn, &event) {
        lock(&app.visits).end(&visit.name);
        return Err(trouble);
    }
    Ok(secret)
}

fn end(app: &App, session: &mut Session, visit: &Visit) -> Result<(), Trouble> {
    lock(&app.visits).end(&visit.name);
    let event = SignedOut { person: visit.person.clone(), visit: visit.name.clone(), time: session.now() };
    record(session, EventKind::SignedOut, &event)
}

/// Somebody was refused: the log says so, then they are told.
fn refuse(
    app: &App,
    session: &mut Session,
    method: SignInMethod,
    person: Option<PersonId>,
    trouble: Trouble,
) -> Result<Trouble, Trouble> {
    let storm = lock(&app.refusals).count((method, person), trouble.code, Instant::now());
    if let Some(storm) = storm {
        record_storm(session, storm)?;
    }
    Ok(trouble)
}

fn record_storm(session: &mut Session, storm: Storm) -> Result<(), Trouble> {
    let time = session.now();
    let Storm { method, person, code, times } = storm;
    record(session, EventKind::SignInRefused, &SignInRefused { method, code: code.to_owned(), person, times, time })
}

/// Records what storms of refused sign-ins left behind.
pub(crate) fn flush(app: &App) {
    let storms = lock(&app.refusals).over(Instant::now());
    for storm in storms {
        // A ledger that cannot be appended to says so to whoever does something; the count is lost with it.
        let _ = app.pool.lend(|session| record_storm(session, storm));
    }
}

/// An auditor looks at something: first the log says so.
pub(crate) fn viewed(
    app: &App,
    session: &mut Session,
    visit: &Visit,
    path: &str,
    query: Option<&str>,
) -> Result<(), Trouble> {
    let event = EvidenceViewed {
        person: visit.person.clone(),
        visit: visit.name.clone(),
        path: path.to_owned(),
        query: query.filter(|q| !q.is_empty()).map(|q| app.hidden(q)),
        time: session.now(),
    };
    record(session, EventKind::EvidenceViewed, &event)
}

impl From<crate::Error> for Trouble {
    fn from(error: crate::Error) -> Self {
        Self::of(&error)
    }
}
