//! Signing in at an OpenID provider (authorization code flow with PKCE). Whoever comes back is somebody enrolled whose account it is, by an
//! administrator's signature; nobody else becomes anybody.
//!
//! Nothing is kept of a sign-in that was begun, so that nobody can fill this with them: the browser holds a secret that this process
//! sealed, and what the provider is told (`state`, `nonce`, the verifier's hash) is derived from it. So an answer counts in the browser
//! that asked alone (RFC 6819 4.4.1.8), for ten minutes, and once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use countersign_connect::oidc::{Asking, IssuerKeys, OidcError, Provider, SignedIn};
use countersign_evidence::jwt::TokenError;
use countersign_model::visit::SignInMethod;
use countersign_model::{Digest, PersonId, Timestamp, digest};
use countersign_store::Session;
use countersign_store::projection::issuer_pseudonym;
use ring::hmac;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::visits::secret;
use super::{Link, Proof, begin, cookie, lock, whoever};
use crate::app::{App, Trouble};
use crate::{Error, app, web};

/// How long somebody may take at the provider.
const GOOD: Duration = Duration::from_secs(600);
/// Answers that are remembered as used.
const MOST: usize = 10_000;
/// How long what the provider says of itself is kept, and how long that it said nothing.
const KEPT: Duration = Duration::from_secs(3600);
const KEPT_TROUBLE: Duration = Duration::from_secs(5);
/// Exchanges with the provider at once.
const AT_ONCE: usize = 4;
/// Where the provider sends people back to.
pub(crate) const CALLBACK: &str = "/sign-in/oidc/callback";
/// The cookie's name over TLS, and over plain HTTP on this machine.
const SECURE_COOKIE: &str = "__Host-countersign-oidc";
const PLAIN_COOKIE: &str = "countersign-oidc";

/// The provider of a server.
pub(crate) struct Oidc {
    told: app::Provider,
    seal: hmac::Key,
    /// Times in cookies count from here.
    since: Instant,
    used: Mutex<HashMap<Digest, Instant>>,
    known: Mutex<Option<(Result<Provider, Trouble>, Instant)>>,
    slots: Semaphore,
}

/// A sign-in that a browser began: all of it follows from the cookie's secret.
struct Begun {
    name: Digest,
    state: String,
    nonce: String,
    verifier: String,
}

impl Oidc {
    pub(crate) fn new(told: app::Provider) -> Result<Self, Error> {
        let key = zeroize::Zeroizing::new(countersign_evidence::random::<32>()?);
        Ok(Self {
            told,
            seal: hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()),
            since: Instant::now(),
            used: Mutex::default(),
            known: Mutex::default(),
            slots: Semaphore::new(AT_ONCE),
        })
    }

    /// What people know the provider by.
    pub(crate) fn host(&self) -> &str {
        let issuer = &self.told.client.issuer;
        issuer.split_once("://").map_or(issuer.as_str(), |(_, rest)| rest.split('/').next().unwrap_or(rest))
    }

    fn tag(&self, what: &str, text: &str) -> String {
        let mut context = hmac::Context::with_key(&self.seal);
        context.update(what.as_bytes());
        context.update(b"\0");
        context.update(text.as_bytes());
        digest::to_hex(context.sign().as_ref())
    }

    fn derived(&self, text: &str) -> Begun {
        Begun {
            name: Digest::of(text.as_bytes()),
            state: self.tag("state", text),
            nonce: self.tag("nonce", text),
            verifier: self.tag("verifier", text),
        }
    }

    /// A new sign-in, and its cookie's value.
    fn begin(&self, now: Instant) -> Result<(Begun, String), Error> {
        let (secret, _) = secret()?;
        let text = format!("{}.{secret}", now.saturating_duration_since(self.since).as_secs());
        let cookie = format!("{text}.{}", self.tag("cookie", &text));
        Ok((self.derived(&text), cookie))
    }

    /// The sign-in of a cookie; none where it was not made here, or too long ago.
    fn begun(&self, cookie: &str, now: Instant) -> Option<Begun> {
        let (text, seal) = cookie.rsplit_once('.')?;
        // Digests are compared, so that the time it takes says nothing.
        if Digest::of(self.tag("cookie", text).as_bytes()) != Digest::of(seal.as_bytes()) {
            return None;
        }
        let at = self.since + Duration::from_secs(text.split('.').next()?.parse().ok()?);
        (now.saturating_duration_since(at) < GOOD).then(|| self.derived(text))
    }

    /// Uses a sign-in up.
    fn take(&self, begun: &Begun, now: Instant) -> Result<(), Trouble> {
        let mut used = lock(&self.used);
        used.retain(|_, at| now.saturating_duration_since(*at) < GOOD);
        if used.len() >= MOST {
            return Err(Trouble::busy());
        }
        match used.insert(begun.name, now) {
            None => Ok(()),
            Some(_) => Err(Trouble::not_begun("it was answered before")),
        }
    }

    fn keys(&self, now: Timestamp) -> IssuerKeys<'_> {
        IssuerKeys::new(self.told.keys.clone(), now, &|_| {}).hasty()
    }

    /// What the provider says of itself, now or within the hour.
    fn provider(&self, now: Timestamp) -> Result<Provider, Trouble> {
        if let Some((known, at)) = &*lock(&self.known)
            && at.elapsed() < if known.is_ok() { KEPT } else { KEPT_TROUBLE }
        {
            return known.clone();
        }
        let asked = self.keys(now).provider(&self.told.client.issuer).map_err(Trouble::from);
        *lock(&self.known) = Some((asked.clone(), Instant::now()));
        asked
    }

    /// What of an answer proves that somebody began this sign-in here: the code that may be exchanged.
    fn code(&self, said: &Answered, provider: &Provider) -> Result<String, Trouble> {
        if !provider.may_answer(&self.told.client, said.iss.as_deref()) {
            return Err(Trouble::not_begun("it is not from the provider that was asked"));
        }
        if let Some(error) = &said.error {
            let plain = error.len() <= 40 && error.bytes().all(|b| b == b'_' || b.is_ascii_lowercase());
            let error = if plain { error.clone() } else { "it does not say why".to_owned() };
            return Err(OidcError::Refused { url: self.told.client.issuer.clone(), error }.into());
        }
        said.code.clone().ok_or_else(|| Trouble::not_begun("it holds no code"))
    }
}

impl App {
    /// Works with the provider, on a thread that may wait.
    async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        job: impl FnOnce(&Oidc, Timestamp) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let now = self.with(|session| Ok(session.now())).await?;
        let app = Arc::clone(self);
        let Some(oidc) = &self.oidc else { return Err(Trouble::not_found("provider")) };
        let _slot = oidc.slots.try_acquire().map_err(|_| Trouble::busy())?;
        let done = tokio::task::spawn_blocking(move || match &app.oidc {
            Some(oidc) => job(oidc, now),
            None => Err(Trouble::not_found("provider")),
        });
        done.await.map_err(|_| Trouble::internal("a request's work ended before its time"))?
    }

    /// The cookie of a sign-in that was begun, or its end.
    fn oidc_cookie(&self, value: Option<&str>) -> String {
        let (name, secure) =
            if self.options.origin.is_secure() { (SECURE_COOKIE, "; Secure") } else { (PLAIN_COOKIE, "") };
        let life = if value.is_some() { GOOD.as_secs() } else { 0 };
        format!("{name}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age={life}{secure}", value.unwrap_or_default())
    }

    fn oidc_begun(&self, headers: &HeaderMap) -> Option<Begun> {
        let name = if self.options.origin.is_secure() { SECURE_COOKIE } else { PLAIN_COOKIE };
        self.oidc.as_ref()?.begun(cookie(headers, name)?, Instant::now())
    }
}

/// Sends somebody to the provider. It is a link, so that a page's policy need not let forms go elsewhere, and counts from this server's
/// own pages alone.
pub(crate) async fn start(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    if !app.is_own(&headers) {
        return web::trouble_page(&app, &Trouble::forged());
    }
    let asked = app.ask(|oidc, now| {
        let provider = oidc.provider(now)?;
        let (begun, cookie) = oidc.begin(Instant::now())?;
        let Begun { state, nonce, verifier, .. } = &begun;
        Ok((provider.address(&oidc.told.client, &Asking { state, nonce, verifier }), cookie))
    });
    match asked.await {
        Ok((address, cookie)) => {
            (StatusCode::SEE_OTHER, [(LOCATION, address), (SET_COOKIE, app.oidc_cookie(Some(&cookie)))]).into_response()
        }
        Err(trouble) => web::trouble_page(&app, &trouble),
    }
}

/// What a provider sends back; more is ignored (RFC 6749 4.1.2), and nothing may stand there twice.
#[derive(Deserialize)]
pub(crate) struct Answered {
    state: Option<String>,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// Takes what the provider sent back, and begins a visit.
pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    query: Result<Query<Answered>, QueryRejection>,
) -> Response {
    if app.oidc.is_none() {
        return web::trouble_page(&app, &Trouble::not_found("page"));
    }
    let proved = match (query, app.oidc_begun(&headers)) {
        (Err(_), _) => Err(Trouble::bad_request("the provider's answer cannot be read")),
        (Ok(_), None) => Err(Trouble::not_begun("this browser began none in the last ten minutes")),
        (Ok(Query(said)), Some(begun)) => app.ask(move |oidc, now| proved(oidc, now, &begun, &said)).await,
    };
    let inner = Arc::clone(&app);
    let begun = app.with(move |session| by_account(&inner, session, proved)).await;
    let mut response = match begun {
        Ok(secret) => (StatusCode::SEE_OTHER, [(LOCATION, "/".to_owned()), (SET_COOKIE, app.cookie(Some(&secret)))])
            .into_response(),
        Err(trouble) => web::trouble_page(&app, &trouble),
    };
    if let Ok(gone) = HeaderValue::from_str(&app.oidc_cookie(None)) {
        response.headers_mut().append(SET_COOKIE, gone);
    }
    response
}

fn proved(oidc: &Oidc, now: Timestamp, begun: &Begun, said: &Answered) -> Result<SignedIn, Trouble> {
    let state = said.state.as_deref().unwrap_or_default();
    if Digest::of(state.as_bytes()) != Digest::of(begun.state.as_bytes()) {
        return Err(Trouble::not_begun("its `state` is another one"));
    }
    oidc.take(begun, Instant::now())?;
    let provider = oidc.provider(now)?;
    let code = oidc.code(said, &provider)?;
    let Begun { state, nonce, verifier, .. } = begun;
    oidc.keys(now).signed_in(&provider, &oidc.told.client, &code, &Asking { state, nonce, verifier })
}

fn by_account(app: &App, session: &mut Session, proved: Result<SignedIn, Trouble>) -> Result<String, Trouble> {
    const METHOD: SignInMethod = SignInMethod::Oidc;
    let mut person = None;
    let checked = proved.and_then(|who| account(session, &who, &mut person));
    let (person, account) = whoever(app, session, METHOD, person, checked)?;
    begin(app, session, &Link { person, method: METHOD, proof: Proof::Account(account) })
}

/// Whose account it is; its pseudonym.
fn account(session: &Session, who: &SignedIn, person: &mut Option<PersonId>) -> Result<String, Trouble> {
    let pseudonym = issuer_pseudonym(&session.ledger().salt()?, &who.issuer, &who.subject);
    let state = session.state();
    let Some(holder) = state.account_holder(&pseudonym)? else {
        return Err(Trouble::no_account(&who.issuer, &who.subject));
    };
    *person = Some(holder.clone());
    if state.has_left(&holder)? || state.is_erased(&holder)? {
        return Err(Trouble::refused("whose account it is left"));
    }
    // The pseudonym is short; where the account can be read, it is this one.
    let linked = state.accounts_of(&holder)?.into_iter().find(|row| row.pseudonym == pseudonym);
    if linked.and_then(|row| row.account).is_some_and(|a| a.issuer != who.issuer || a.subject != who.subject) {
        return Err(Trouble::no_account(&who.issuer, &who.subject));
    }
    Ok(pseudonym)
}

impl From<OidcError> for Trouble {
    fn from(error: OidcError) -> Self {
        let status =
            if matches!(error, OidcError::Refused { .. }) { StatusCode::FORBIDDEN } else { StatusCode::BAD_GATEWAY };
        Self { status, ..Self::of(&error) }
    }
}

impl From<TokenError> for Trouble {
    fn from(error: TokenError) -> Self {
        Self { status: StatusCode::FORBIDDEN, ..Self::of(&error) }
    }
}

#[cfg(test)]
mod tests {
    use countersign_connect::oidc::Client;

    use super::*;

    #[test]
    fn a_sign_in_counts_in_its_browser_for_a_while_and_once() {
        let client =
            Client { issuer: "https://id.example/a".into(), id: "c".into(), secret: None, redirect: "r".into() };
        let oidc = || Oidc::new(app::Provider { client: client.clone(), keys: None }).unwrap();
        let (one, now) = (oidc(), Instant::now());
        assert_eq!(one.host(), "id.example");
        let (begun, cookie) = one.begin(now).unwrap();
        let found = one.begun(&cookie, now).unwrap();
        assert_eq!((&found.state, &found.nonce, &found.verifier), (&begun.state, &begun.nonce, &begun.verifier));
        assert!(begun.state != begun.nonce && begun.nonce != begun.verifier && !cookie.contains(&begun.verifier));
        assert!(one.begun(&cookie, now + GOOD + Duration::from_secs(1)).is_none());
        // Neither what another server sealed, nor a time that was changed, nor anything else.
        let other = oidc();
        assert!(one.begun(&other.begin(now).unwrap().1, now).is_none());
        for forged in [format!("9{cookie}"), cookie.replacen('.', "0.", 1), String::new(), ".".into(), "0.".into()] {
            assert!(one.begun(&forged, now).is_none(), "{forged}");
        }
        assert!(one.take(&begun, now).is_ok() && one.take(&found, now).is_err());
        let (next, _) = one.begin(now).unwrap();
        assert!(one.take(&next, now).is_ok());
    }
}
