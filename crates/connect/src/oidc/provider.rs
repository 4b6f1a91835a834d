//! Signing people in at an OpenID provider: authorization code flow (OpenID Connect Core 1.0, 3.1) with PKCE (RFC 7636, S256 only), and
//! the provider's name in its answer (RFC 9207). This is what is asked and fetched; who began what is the server's to know.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_evidence::jwt::{Algorithm, Expected, Token, TokenError};
use countersign_model::Digest;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{ANSWER_BYTES, CONNECT, IssuerKeys, OidcError, check, configuration_of, shown};
use crate::http::encoded;

/// By how many seconds the clocks of provider and server may differ.
const SKEW: u32 = 60;
/// The longest that an ID token lives, in seconds.
const LIFETIME: u32 = 24 * 60 * 60;
/// A token that was just asked for was just issued, in milliseconds.
const FRESH: i64 = 10 * 60 * 1000;

/// A client's secret. It is shown to the provider alone.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A secret.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What the provider knows this server as.
#[derive(Debug, Clone)]
pub struct Client {
    /// The provider, exactly as in `iss`.
    pub issuer: String,
    /// The client's id.
    pub id: String,
    /// Its secret; a public client has none, and PKCE alone.
    pub secret: Option<Secret>,
    /// Where the provider sends people back to.
    pub redirect: String,
}

impl Client {
    /// Whether its provider is one that is asked: by HTTPS, or on this machine.
    ///
    /// # Errors
    /// [`OidcError::Url`].
    pub fn check(&self) -> Result<(), OidcError> {
        check(&self.issuer)
    }
}

/// What a provider says of itself.
#[derive(Debug, Clone)]
pub struct Provider {
    authorization: String,
    token: String,
    /// Whether a secret goes into the head of a request (`client_secret_basic`) or into its body.
    basic: bool,
    /// Whether it names itself in its answers (RFC 9207).
    names_itself: bool,
}

/// What makes one sign-in different from every other.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Comes back beside the code.
    pub state: &'a str,
    /// Comes back in the token.
    pub nonce: &'a str,
    /// Shown with the code; the provider was told its hash.
    pub verifier: &'a str,
}

/// Who a provider says somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
}

impl Provider {
    /// The address at which somebody signs in.
    #[must_use]
    pub fn address(&self, client: &Client, asking: &Asking<'_>) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(Digest::of(asking.verifier.as_bytes()).as_bytes());
        let pairs = [
            ("response_type", "code"),
            ("scope", "openid"),
            ("client_id", &client.id),
            ("redirect_uri", &client.redirect),
            ("state", asking.state),
            ("nonce", asking.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let separator = if self.authorization.contains('?') { '&' } else { '?' };
        format!("{}{separator}{}", self.authorization, form(&pairs))
    }

    /// Whether an answer may be this provider's, by the name in it.
    #[must_use]
    pub fn may_answer(&self, client: &Client, named: Option<&str>) -> bool {
        named.map_or(!self.names_itself, |named| named == client.issuer)
    }
}

impl IssuerKeys<'_> {
    /// Asks a provider what it is.
    ///
    /// # Errors
    /// When it does not answer, or cannot be used here.
    pub fn provider(&self, issuer: &str) -> Result<Provider, OidcError> {
        let said = self.configuration(issuer)?;
        let wrong = |what| OidcError::Answer { url: configuration_of(issuer), what };
        let endpoint = |name: &str, what| {
            let url = said.get(name).and_then(Value::as_str).ok_or_else(|| wrong(what))?;
            check(url)?;
            // It becomes a line of an answer's head.
            let plain = url.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
            if plain { Ok(url.to_owned()) } else { Err(wrong("an address in it holds what no address does")) }
        };
        let list = |name: &str| -> Option<Vec<&str>> {
            said.get(name)?.as_array().map(|all| all.iter().filter_map(Value::as_str).collect())
        };
        if list("code_challenge_methods_supported").is_some_and(|all| !all.contains(&"S256")) {
            return Err(wrong("it does not take S256 (PKCE)"));
        }
        // What a provider takes that does not say so: OpenID Connect Discovery 1.0, 3.
        let methods = list("token_endpoint_auth_methods_supported").unwrap_or_else(|| vec!["client_secret_basic"]);
        Ok(Provider {
            authorization: endpoint("authorization_endpoint", "it names no `authorization_endpoint`")?,
            token: endpoint("token_endpoint", "it names no `token_endpoint`")?,
            basic: methods.contains(&"client_secret_basic"),
            names_itself: said.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true)),
        })
    }

    /// Fetches the token that belongs to a code, and verifies it: signature, issuer, audience and times as for every token, and that it
    /// was made now, for this very sign-in, and for no other client beside.
    ///
    /// # Errors
    /// [`OidcError::Refused`] when the provider gives none; what does not hold in the token.
    pub fn signed_in<E: From<OidcError> + From<TokenError>>(
        &self,
        provider: &Provider,
        client: &Client,
        code: &str,
        asking: &Asking<'_>,
    ) -> Result<SignedIn, E> {
        let token = Token::parse(self.exchange(provider, client, code, asking.verifier)?.as_bytes())?;
        let expected = Expected {
            issuer: &client.issuer,
            audiences: std::slice::from_ref(&client.id),
            algorithms: &Algorithm::ALL.map(|(algorithm, _)| algorithm),
            skew: SKEW,
            lifetime: LIFETIME,
            now: self.now,
        };
        let verified = self.verify::<E>(token, &expected)?;
        let text = |claim| verified.claims.get(claim).and_then(Value::as_str);
        let claim = |claim, what| E::from(TokenError::Claim { claim, what });
        if text("nonce") != Some(asking.nonce) {
            return Err(claim("nonce", "is not the one of this sign-in"));
        }
        // Core 3.1.3.7: a token for several is used by the one whom it names.
        let several = verified.claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
        match verified.claims.get("azp") {
            None if !several => {}
            Some(Value::String(party)) if *party == client.id => {}
            _ => return Err(claim("azp", "is another client")),
        }
        if self.now.millis().saturating_sub(verified.issued.millis()) > FRESH {
            return Err(claim("iat", "is long past, and the token was asked for just now"));
        }
        let subject = text("sub").filter(|s| !s.is_empty()).ok_or_else(|| claim("sub", "is no text"))?;
        Ok(SignedIn { issuer: client.issuer.clone(), subject: subject.to_owned() })
    }

    fn exchange(&self, provider: &Provider, client: &Client, code: &str, verifier: &str) -> Result<String, OidcError> {
        let url = &provider.token;
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &client.redirect),
            ("code_verifier", verifier),
        ];
        let mut request = crate::http::agent(CONNECT, self.exchange)
            .post(url)
            .header("accept", "application/json")
            .header("content-type", "application/x-www-form-urlencoded");
        match &client.secret {
            // RFC 6749 2.3.1: both are encoded as in a form before they are joined.
            Some(Secret(secret)) if provider.basic => {
                let both = Zeroizing::new(format!("{}:{}", encoded(&client.id), encoded(secret)));
                request = request.header("authorization", format!("Basic {}", STANDARD.encode(both.as_bytes())));
            }
            Some(Secret(secret)) => pairs.extend([("client_id", client.id.as_str()), ("client_secret", secret)]),
            None => pairs.push(("client_id", &client.id)),
        }
        // Once: a code is good for one request.
        let mut answer = request
            .send(form(&pairs).as_bytes())
            .map_err(|source| OidcError::Unreachable { url: shown(url), source: Box::new(source) })?;
        let status = answer.status().as_u16();
        let wrong = |what| OidcError::Answer { url: shown(url), what };
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec();
        let body = Zeroizing::new(body.map_err(|_| wrong("it is cut off, or larger than 256 KiB"))?);
        let said = serde_json::from_slice::<Value>(&body);
        let field = |name| said.as_ref().ok().and_then(|v| v.get(name)).and_then(Value::as_str);
        match status {
            200 => {}
            400 | 401 => {
                let word =
                    field("error").filter(|w| w.len() <= 40 && w.bytes().all(|b| b == b'_' || b.is_ascii_lowercase()));
                let error = word.unwrap_or("it does not say why").to_owned();
                return Err(OidcError::Refused { url: shown(url), error });
            }
            _ => return Err(OidcError::Status { url: shown(url), status }),
        }
        if !field("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
            return Err(wrong("it holds no bearer token"));
        }
        field("id_token").map(str::to_owned).ok_or_else(|| wrong("it holds no `id_token`"))
    }
}

/// Pairs as in a form or a query.
fn form(pairs: &[(&str, &str)]) -> String {
    let one = |(name, value): &(&str, &str)| format!("{name}={}", encoded(value));
    pairs.iter().map(one).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_in_the_address_and_no_secret_is() {
        let client = Client {
            issuer: "https://id.example".into(),
            id: "counter sign".into(),
            secret: Some(Secret::new("hush".into())),
            redirect: "https://c.example/sign-in/oidc/callback".into(),
        };
        let mut provider = Provider {
            authorization: "https://id.example/auth?realm=a".into(),
            token: "https://id.example/token".into(),
            basic: true,
            names_itself: true,
        };
        // The pair of RFC 7636, appendix B.
        let asking = Asking { state: "s", nonce: "n", verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" };
        assert_eq!(
            provider.address(&client, &asking),
            "https://id.example/auth?realm=a&response_type=code&scope=openid&client_id=counter%20sign&\
             redirect_uri=https%3A%2F%2Fc.example%2Fsign-in%2Foidc%2Fcallback&state=s&nonce=n&\
             code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
        );
        assert!(!format!("{client:?}").contains("hush"));
        assert!(provider.may_answer(&client, Some("https://id.example")) && !provider.may_answer(&client, None));
        provider.names_itself = false;
        assert!(provider.may_answer(&client, None) && !provider.may_answer(&client, Some("https://evil.example")));
    }
}
