//! Signing in with a passkey, in the browser. It signs what `countersign login` signs with an SSH key: this server, this ledger, and a
//! challenge that is answered once.

use std::sync::Arc;
use std::time::Instant;

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::statement::Subject;
use countersign_evidence::webauthn::{self, Assertion};
use countersign_evidence::{from_base64, to_base64};
use countersign_govern::access::passkeys::Party;
use countersign_model::event::SignInAsked;
use countersign_model::visit::SignInMethod;
use countersign_model::{Digest, PersonId};
use countersign_store::Session;
use countersign_store::session::act_statement;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Link, Proof, begin, counts_now, is_asked_here, lock, whoever};
use crate::app::{App, Trouble};
use crate::web;

/// The relying party's id of passkeys that sign in pages of this server, where any was enrolled for it.
pub(crate) fn rp_id(app: &App, session: &Session) -> Result<Option<String>, Trouble> {
    let newest = session.state().passkey_in(&app.options.origin.to_string())?;
    Ok(newest.and_then(|row| row.public?.application()))
}

/// Where passkeys of this server are made and used: the relying party is the one of those that sign here, or the server's own host.
pub(crate) fn party(app: &App, session: &Session) -> Result<Party, Trouble> {
    let origin = app.options.origin.to_string();
    let host = app.options.origin.host().split(':').next().unwrap_or_default().to_owned();
    Ok(Party { rp_id: rp_id(app, session)?.unwrap_or(host), origin })
}

/// What a browser is asked for: good once, for two minutes.
pub(crate) async fn challenge(State(app): State<Arc<App>>) -> Response {
    let inner = Arc::clone(&app);
    match app.with(move |session| ask(&inner, session)).await {
        Ok(asked) => web::json(StatusCode::OK, &asked),
        Err(trouble) => web::problem(&trouble),
    }
}

fn ask(app: &App, session: &Session) -> Result<Value, Trouble> {
    let rp_id = rp_id(app, session)?.ok_or_else(|| Trouble::not_found("passkey"))?;
    let challenge = lock(&app.links).challenge(Instant::now())?.ok_or_else(Trouble::busy)?;
    let ledger = Subject::sha256(app.ledger.clone(), &Digest::of(session.state().vkey().as_bytes()));
    let said = SignInAsked {
        server: app.options.origin.to_string(),
        origin: app.ledger.clone(),
        challenge,
        time: session.now(),
    };
    let statement = act_statement(vec![ledger], said)?;
    let asked = webauthn::request_any(&rp_id, &webauthn::challenge(act::SIGN_IN, &statement)?);
    Ok(json!({ "version": 1, "statement": to_base64(&statement), "publicKey": asked }))
}

#[derive(Deserialize)]
pub(crate) struct Answered {
    statement: String,
    answer: String,
}

/// Takes what the browser answered, and begins a visit.
pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    form: Result<Form<Answered>, FormRejection>,
) -> Response {
    if !app.is_own(&headers) {
        return web::trouble_page(&app, &Trouble::forged());
    }
    let Ok(Form(form)) = form else {
        return web::trouble_page(&app, &Trouble::bad_request("the form cannot be read"));
    };
    let inner = Arc::clone(&app);
    match app.with(move |session| by_passkey(&inner, session, &form)).await {
        Ok(secret) => (StatusCode::SEE_OTHER, [(LOCATION, "/".to_owned()), (SET_COOKIE, app.cookie(Some(&secret)))])
            .into_response(),
        Err(trouble) => web::trouble_page(&app, &trouble),
    }
}

fn by_passkey(app: &App, session: &mut Session, form: &Answered) -> Result<String, Trouble> {
    const METHOD: SignInMethod = SignInMethod::Passkey;
    let mut person = None;
    let checked = asked(app, session, form, &mut person);
    let (person, key) = whoever(app, session, METHOD, person, checked)?;
    begin(app, session, &Link { person, method: METHOD, proof: Proof::Key(key) })
}

/// Checks what was signed; the fingerprint of the passkey. `person` is set as soon as it is known whose it is.
fn asked(app: &App, session: &Session, form: &Answered, person: &mut Option<PersonId>) -> Result<String, Trouble> {
    let refused = |what: &str| Trouble::refused(what);
    let statement = from_base64(&form.statement).ok_or_else(|| refused("what was to be signed cannot be read"))?;
    is_asked_here(app, &statement)?;
    let answer = Assertion::from_json(form.answer.as_bytes()).map_err(|e| refused(&e.to_string()))?;
    let mut found = session.state().passkeys_with(answer.credential())?;
    // Two of one id could not be told apart.
    let (Some(row), true) = (found.pop(), found.is_empty()) else {
        return Err(refused("nobody enrolled has this passkey"));
    };
    *person = Some(row.person.clone());
    let (Some(key), Some(made)) = (&row.public, &row.passkey) else {
        return Err(Trouble::internal("a passkey is enrolled without its key"));
    };
    if made.origin != app.options.origin.to_string() {
        return Err(refused("the passkey was enrolled for pages of another origin"));
    }
    let armored = answer
        .into_sshsig(key, &made.credential, &made.origin, act::SIGN_IN, &statement)
        .map_err(|e| refused(&e.to_string()))?;
    let signed = SignedAct::new(act::SIGN_IN, &statement, &armored, key)?;
    counts_now(session, &signed)?;
    Ok(row.fingerprint)
}
