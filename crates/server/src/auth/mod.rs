//! Who is there. Everybody who comes is somebody enrolled in the ledger; nobody has a password.
//!
//! | file | holds |
//! |---|---|
//! | `visits.rs` | who is signed in, in memory, by the hash of a secret |
//! | `links.rs` | links that sign in once, challenges that are answered once |
//! | `looks.rs` | what auditors look at: recorded, together where they come at once |
//! | `refusals.rs` | sign-ins that were refused: recorded, counted, locked out |
//! | `passkey.rs` | the routes of signing in with a passkey |
//! | `oidc.rs` | the routes of signing in at an OpenID provider |
//! | `tokens.rs` | what programs show |
//! | `handlers.rs` | the routes: link, SSH key, signing out |
//!
//! Signing in, being refused and leaving are events: they are recorded before the browser is told.

pub(crate) mod handlers;
mod jobs;
mod links;
mod looks;
pub(crate) mod oidc;
pub(crate) mod passkey;
mod refusals;
mod tokens;
mod visits;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use countersign_evidence::act::SignedAct;
use countersign_evidence::canonical;
use countersign_evidence::statement::{Statement, Subject};
use countersign_model::access::token::token_digest;
use countersign_model::event::{Predicate, SignInAsked, SignInRefused, SignedIn, SignedOut};
use countersign_model::visit::SignInMethod;
use countersign_model::{Diagnostic as _, Digest, EventKind, Exit, PersonId, StreamId};
use countersign_store::session::SessionError;
use countersign_store::{NewEntry, Plan, Session};

pub(crate) use jobs::{Jobs, by_identity_token, looks_like};
pub(crate) use links::{FIRST_LINK, Link, Links};
pub(crate) use looks::{Looks, viewed};
pub(crate) use oidc::Oidc;
pub(crate) use refusals::{Refusals, Storm};
pub(crate) use tokens::by_token;
pub(crate) use visits::{Proof, Visit, Visits};

use crate::api;
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
        let secret = cookie(headers, self.cookie_name())?;
        lock(&self.visits).find(secret, busy, Instant::now())
    }

    /// Whoever a request's headers prove to be here. A cookie or token that anybody could make up is nobody's.
    pub(crate) fn known(&self, headers: &HeaderMap) -> Option<PersonId> {
        self.visit_beside(headers).map(|visit| visit.person).or_else(|| {
            let token = token_digest(api::bearer(headers)?)?;
            lock(&self.visits).person_of_token(&token, Instant::now())
        })
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
        let mut all = headers.get_all("host").iter();
        let (first, more) = (all.next().and_then(|v| v.to_str().ok()).unwrap_or_default(), all.next());
        // Of two, a proxy may have looked at the other (RFC 9112 3.2).
        more.is_none() && first.to_ascii_lowercase() == self.options.origin.host()
    }
}

/// The value of a cookie; the first, where there are several of its name.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).into_iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    let (_, value) = all.filter_map(|pair| pair.trim().split_once('=')).find(|(n, _)| *n == name)?;
    Some(value)
}

fn record<P: Predicate + Clone>(session: &mut Session, kind: EventKind, what: &P) -> Result<(), Trouble> {
    session.transact::<(), Trouble>(|s| Ok((Plan { entries: vec![entry(s, kind, what)?] }, ())))?;
    Ok(())
}

/// What a visit comes to, as an entry of the log.
fn entry<P: Predicate + Clone>(session: &Session, kind: EventKind, what: &P) -> Result<NewEntry, Trouble> {
    let state = session.state();
    let ledger = Subject::sha256(state.origin(), &Digest::of(state.vkey().as_bytes()));
    Ok(session.machine_entry(kind, StreamId::from_text("visits"), vec![ledger], what.clone(), vec![], vec![])?)
}

/// Somebody signed in: first the log says so, then the visit begins.
fn begin(app: &App, session: &mut Session, link: &Link) -> Result<String, Trouble> {
    let (secret, visit) = lock(&app.visits).begin(link.person.clone(), link.proof.clone(), Instant::now())?;
    let event = SignedIn {
        person: link.person.clone(),
        method: link.method,
        visit: visit.name.clone(),
        key: link.proof.key().map(str::to_owned),
        account: link.proof.account().map(str::to_owned),
        time: session.now(),
    };
    if let Err(trouble) = record(session, EventKind::SignedIn, &event) {
        lock(&app.visits).end(&visit.name);
        return Err(trouble);
    }
    app.metrics.sign_in(link.method, false);
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
    app.metrics.sign_in(method, true);
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
        let recorded = app.pool.lend(|session| record_storm(session, storm.clone()));
        if recorded.is_err() {
            // A ledger that cannot be appended to says so to whoever does something. What was counted waits for another minute.
            lock(&app.refusals).again(storm, Instant::now());
        }
    }
}

/// Whether somebody may not be here, by what the log says of them.
fn out_of_office(session: &Session, person: &PersonId) -> Result<Option<Trouble>, Trouble> {
    let roles = session.state().person(person)?.map(|p| p.roles).unwrap_or_default();
    Ok(roles.is_empty().then(|| Trouble::no_role("this server")))
}

/// What was signed to sign in is for this server and this ledger, and answers a challenge that is good.
fn is_asked_here(app: &App, statement: &[u8]) -> Result<(), Trouble> {
    let said: Statement<SignInAsked> =
        canonical::from_slice(statement).map_err(|_| Trouble::refused("what was signed is no sign-in"))?;
    if said.predicate_type != SignInAsked::TYPE {
        return Err(Trouble::refused("what was signed is no sign-in"));
    }
    let said = said.predicate;
    // Used up whatever comes of it: an answer is good once.
    let fresh = lock(&app.links).answer(&said.challenge, Instant::now());
    if said.server != app.options.origin.to_string() || said.origin != app.ledger {
        return Err(Trouble::refused("it was signed for another server, or for another ledger"));
    }
    if !fresh {
        return Err(Trouble::refused("its challenge was answered before, is too old, or is not of this server"));
    }
    Ok(())
}

/// What was signed counts at this moment, by the ledger.
fn counts_now(session: &Session, signed: &SignedAct) -> Result<(), Trouble> {
    let no = |e: SessionError| match e.exit() {
        Exit::Internal => Trouble::of(&e),
        _ => Trouble::refused(&e.to_string()),
    };
    session.counts(signed).map_err(no)
}

/// Whom a proof that was checked signs in, and the proof; a refusal is recorded. `person` is whose it is, as far as that is known.
fn whoever<P>(
    app: &App,
    session: &mut Session,
    method: SignInMethod,
    person: Option<PersonId>,
    checked: Result<P, Trouble>,
) -> Result<(PersonId, P), Trouble> {
    let proof = match checked {
        Ok(proof) => proof,
        Err(trouble) if trouble.status.is_client_error() => {
            return Err(refuse(app, session, method, person, trouble)?);
        }
        Err(trouble) => return Err(trouble),
    };
    let Some(person) = person else { return Err(Trouble::internal("a proof without a person counted")) };
    if lock(&app.refusals).is_locked(&person, Instant::now()) {
        return Err(Trouble::locked_out());
    }
    match out_of_office(session, &person)? {
        Some(trouble) => Err(refuse(app, session, method, Some(person), trouble)?),
        None => Ok((person, proof)),
    }
}

impl From<crate::Error> for Trouble {
    fn from(error: crate::Error) -> Self {
        Self::of(&error)
    }
}
