//! Signing in and out.
//!
//! A link is shown first and used by a button: mail scanners and previews that follow links do not use it up.

use std::sync::Arc;
use std::time::Instant;

use axum::Form;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use countersign_evidence::act::{self, SignedAct};
use countersign_model::PersonId;
use countersign_model::visit::SignInMethod;
use countersign_store::Session;
use countersign_store::projection::KeyTrouble;
use maud::html;
use serde::Deserialize;
use serde_json::json;

use super::links::LINK;
use super::{Link, Proof, begin, counts_now, end, is_asked_here, lock, out_of_office, passkey, refuse, whoever};
use crate::app::{App, Trouble};
use crate::web;

/// The page that says how to sign in.
pub(crate) async fn page(State(app): State<Arc<App>>) -> Response {
    let inner = Arc::clone(&app);
    let known =
        app.with(move |session| Ok((session.state().trust().is_some(), passkey::rp_id(&inner, session)?.is_some())));
    let (rooted, passkeys) = match known.await {
        Ok(known) => known,
        Err(trouble) => return web::trouble_page(&app, &trouble),
    };
    let server = app.options.origin.to_string();
    web::plain_page(
        &app,
        StatusCode::OK,
        "Sign in",
        &html! {
            @if rooted {
                @if let Some(oidc) = &app.oidc {
                    p { a.primary href="/sign-in/oidc" { "Sign in at " (oidc.host()) } }
                    h2 { "With a key" }
                }
                p { "You sign in with the key that you approve with. Type on your own machine:" }
                pre { code { "countersign login --server " (server) } }
                p { "It signs a challenge with your SSH key and prints a link that is good once, for two minutes. There are no passwords here." }
                @if passkeys {
                    h2 { "With a passkey" }
                    form method="post" action="/sign-in/passkey" data-passkey data-from="/sign-in/passkey" {
                        input type="hidden" name="statement" value="";
                        input type="hidden" name="answer" value="";
                        button class="primary" type="submit" disabled { "Sign in with a passkey" }
                        p role="status" {}
                        noscript { p { "A passkey is asked by a script; this browser runs none here." } }
                    }
                    script type="module" src="/assets/passkey.js" {}
                }
            } @else {
                p { "This ledger has no root of trust yet, so nobody can sign in. On the machine that holds it, in the repository, type:" }
                pre { code { "countersign init" } }
                p { "The first administrator is whoever's key signs that. Then load this page again." }
            }
        },
    )
}

/// The page behind a link.
pub(crate) async fn link(State(app): State<Arc<App>>, Path(token): Path<String>) -> Response {
    web::plain_page(
        &app,
        StatusCode::OK,
        "Sign in",
        &html! {
            p { "This link signs you in once." }
            form method="post" action="/sign-in/link" {
                input type="hidden" name="token" value=(token);
                button class="primary" type="submit" { "Sign in" }
            }
        },
    )
}

#[derive(Deserialize)]
pub(crate) struct Used {
    token: String,
}

/// Uses a link.
pub(crate) async fn use_link(State(app): State<Arc<App>>, headers: HeaderMap, Form(form): Form<Used>) -> Response {
    if !app.is_own(&headers) {
        return web::trouble_page(&app, &Trouble::forged());
    }
    let inner = Arc::clone(&app);
    let begun = app
        .with(move |session| {
            let taken = lock(&inner.links).take(&form.token, Instant::now());
            let Some(link) = taken else {
                let trouble = Trouble::refused("the link was used before, is older than it may be, or never was one");
                return Err(refuse(&inner, session, SignInMethod::Link, None, trouble)?);
            };
            if let Some(trouble) = out_of_office(session, &link.person)? {
                return Err(refuse(&inner, session, link.method, Some(link.person), trouble)?);
            }
            begin(&inner, session, &link)
        })
        .await;
    match begun {
        Ok(secret) => (StatusCode::SEE_OTHER, [(LOCATION, "/".to_owned()), (SET_COOKIE, app.cookie(Some(&secret)))])
            .into_response(),
        Err(trouble) => web::trouble_page(&app, &trouble),
    }
}

#[derive(Deserialize)]
pub(crate) struct Leaving {
    csrf: String,
}

/// Ends the visit.
pub(crate) async fn sign_out(State(app): State<Arc<App>>, headers: HeaderMap, Form(form): Form<Leaving>) -> Response {
    let Some(visit) = app.visit_of(&headers) else { return web::to_sign_in() };
    if !app.is_own(&headers) || form.csrf != visit.csrf {
        return web::trouble_page(&app, &Trouble::forged());
    }
    let inner = Arc::clone(&app);
    let ended = app.with(move |session| end(&inner, session, &visit)).await;
    let cookie = app.cookie(None);
    match ended {
        Ok(()) => (StatusCode::SEE_OTHER, [(LOCATION, "/sign-in".to_owned()), (SET_COOKIE, cookie)]).into_response(),
        Err(trouble) => {
            let mut page = web::trouble_page(&app, &trouble);
            if let Ok(value) = cookie.parse() {
                page.headers_mut().append(SET_COOKIE, value);
            }
            page
        }
    }
}

/// What `countersign login` signs.
pub(crate) async fn challenge(State(app): State<Arc<App>>) -> Response {
    let made = lock(&app.links).challenge(Instant::now());
    match made {
        Ok(Some(challenge)) => web::json(
            StatusCode::OK,
            &json!({
                "version": 1, "server": app.options.origin.to_string(), "origin": app.ledger, "challenge": challenge,
            }),
        ),
        Ok(None) => web::problem(&Trouble::busy()),
        Err(e) => web::problem(&Trouble::of(&e)),
    }
}

/// A signed challenge, answered with a link for the browser.
pub(crate) async fn ssh(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    // A page elsewhere could send it; only a program of the person's own can have signed it. Forms cannot send this type.
    let is_act = headers.get(header::CONTENT_TYPE).is_some_and(|t| t.as_bytes() == act::MEDIA_TYPE.as_bytes());
    if !is_act {
        return web::problem(&Trouble::bad_request("a signed act is expected"));
    }
    let inner = Arc::clone(&app);
    let answered = app.with(move |session| by_key(&inner, session, &body)).await;
    match answered {
        Ok((person, token)) => web::json(
            StatusCode::OK,
            &json!({
                "version": 1, "person": person, "link": format!("{}/sign-in/link/{token}", app.options.origin),
                "seconds": LINK.as_secs(),
            }),
        ),
        Err(trouble) => web::problem(&trouble),
    }
}

fn by_key(app: &App, session: &mut Session, body: &[u8]) -> Result<(PersonId, String), Trouble> {
    const METHOD: SignInMethod = SignInMethod::SshKey;
    let mut person = None;
    let checked = asked(app, session, body, &mut person);
    let (person, key) = whoever(app, session, METHOD, person, checked)?;
    let link = Link { person: person.clone(), method: METHOD, proof: Proof::Key(key) };
    let made = lock(&app.links).make(link, LINK, Instant::now())?;
    Ok((person, made.ok_or_else(Trouble::busy)?))
}

/// Checks what was signed; the fingerprint of the key. `person` is set as soon as it is known whose key it is.
fn asked(app: &App, session: &Session, body: &[u8], person: &mut Option<PersonId>) -> Result<String, Trouble> {
    let refused = |what: &str| Trouble::refused(what);
    let signed = SignedAct::from_slice(body).map_err(|_| refused("it is no signed act"))?;
    let key = signed.claimed_key().map_err(|_| refused("its signature cannot be read"))?;
    let statement = signed.open(act::SIGN_IN, &key).map_err(|_| refused("the signature is not over this sign-in"))?;
    is_asked_here(app, &statement)?;
    let fingerprint = key.fingerprint();
    match session.signer(&key)? {
        Ok(id) => *person = Some(id),
        Err(KeyTrouble::Unknown { .. }) => return Err(refused("nobody enrolled has this key")),
        Err(trouble) => {
            *person = session.state().key(&fingerprint)?.map(|row| row.person);
            return Err(refused(&trouble.to_string()));
        }
    }
    counts_now(session, &signed)?;
    Ok(fingerprint)
}
