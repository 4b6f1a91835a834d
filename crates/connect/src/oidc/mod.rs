//! Fetches an issuer's keys (OpenID Connect Discovery 1.0, JWK sets of RFC 7517), asks GitHub Actions for a token, and fetches the token
//! of somebody who signs in at a provider (`provider.rs`).
//!
//! Over HTTPS, or plain HTTP to this machine alone. Redirects are not followed, answers are read up to a limit, and an attempt
//! that failed on the way is made again a few times, aloud. What comes back is not believed before it is verified, by
//! `countersign_evidence::jwt`.

mod cache;
mod explain;
mod provider;

use std::path::PathBuf;
use std::time::Duration;

use countersign_evidence::jwt::{Expected, KeySet, Token, TokenError, Verified};
use countersign_model::Timestamp;
use serde_json::Value;

use crate::http::encoded;

pub use explain::EXPLANATIONS;
pub use provider::{Asking, Client, Provider, Secret, SignedIn};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one exchange may take, from the first byte to the last.
const EXCHANGE: Duration = Duration::from_secs(15);
/// The same where a person waits.
const HASTY: Duration = Duration::from_secs(6);
/// Bytes of the longest answer that is read.
const ANSWER_BYTES: u64 = 256 << 10;
/// How often an exchange is tried, and how long is waited before each time.
const PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_millis(300), Duration::from_millis(1200)];

/// Why no keys or no token could be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OidcError {
    /// The address is none that is asked.
    #[error("`{}` is not asked: {what}", url.escape_debug())]
    Url {
        /// The address.
        url: String,
        /// What is wrong.
        what: &'static str,
    },
    /// No answer, however often it was tried.
    #[error("{url} does not answer")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        #[source]
        source: Box<ureq::Error>,
    },
    /// Another answer than 200.
    #[error("{url} answers with status {status}")]
    Status {
        /// The address.
        url: String,
        /// The status.
        status: u16,
    },
    /// The answer is not what was asked for.
    #[error("{url} answers with something else: {what}")]
    Answer {
        /// The address.
        url: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The provider hands out no token.
    #[error("{url} refuses: {error}")]
    Refused {
        /// The address.
        url: String,
        /// Its word for why (RFC 6749 5.2).
        error: String,
    },
    /// What was fetched before cannot be kept.
    #[error("cannot keep the keys of an issuer in `{}`", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Keys of issuers, as they were fetched.
pub struct IssuerKeys<'a> {
    /// Where they are kept between two commands; `None`: nowhere.
    dir: Option<PathBuf>,
    now: Timestamp,
    /// Told when something is tried again.
    note: &'a dyn Fn(&str),
    /// How long is waited before each try.
    pauses: &'static [Duration],
    /// How long one exchange may take.
    exchange: Duration,
}

/// A key set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The JWK set.
    pub set: Vec<u8>,
    /// Whether it was kept from before: a key that is missing in it may be there by now.
    pub kept: bool,
}

impl<'a> IssuerKeys<'a> {
    /// Keys that are kept in `dir` for an hour.
    #[must_use]
    pub fn new(dir: Option<PathBuf>, now: Timestamp, note: &'a dyn Fn(&str)) -> Self {
        Self { dir, now, note, pauses: &PAUSES, exchange: EXCHANGE }
    }

    /// Somebody waits for it: one try of a few seconds.
    #[must_use]
    pub fn hasty(self) -> Self {
        Self { pauses: &[Duration::ZERO], exchange: HASTY, ..self }
    }

    /// Verifies a token under the keys that its issuer publishes. A key that is missing among those that were kept from before may be
    /// there by now: they are fetched once more, and not again.
    ///
    /// # Errors
    /// When the keys cannot be had; what does not hold.
    pub fn verify<E: From<OidcError> + From<TokenError>>(
        &self,
        token: Token,
        expected: &Expected<'_>,
    ) -> Result<Verified, E> {
        let Fetched { set, kept } = self.of(expected.issuer, false)?;
        match token.clone().verify(&KeySet::parse(&set)?, expected) {
            Err(TokenError::UnknownKey { .. } | TokenError::UnnamedKey) if kept => {
                Ok(token.verify(&KeySet::parse(&self.of(expected.issuer, true)?.set)?, expected)?)
            }
            verified => Ok(verified?),
        }
    }

    /// The keys of an issuer, fetched anew where `anew` says so or none are kept.
    ///
    /// # Errors
    /// When they cannot be had.
    pub fn of(&self, issuer: &str, anew: bool) -> Result<Fetched, OidcError> {
        let file = self.dir.as_ref().map(|dir| cache::file(dir, issuer));
        if let Some(set) = file.as_ref().filter(|_| !anew).and_then(|file| cache::read(file, issuer, self.now)) {
            return Ok(Fetched { set, kept: true });
        }
        let set = self.discover(issuer)?;
        if let Some(file) = file {
            cache::write(&file, issuer, self.now, &set).map_err(|source| OidcError::Cache { path: file, source })?;
        }
        Ok(Fetched { set, kept: false })
    }

    /// The issuer's configuration says where its keys are, and who it is: exactly the issuer that was asked for (OpenID Connect
    /// Discovery 1.0, 4.3).
    fn configuration(&self, issuer: &str) -> Result<Value, OidcError> {
        let url = configuration_of(issuer);
        let configuration: Value = serde_json::from_slice(&self.get(&url, None)?)
            .map_err(|_| OidcError::Answer { url: url.clone(), what: "it is no JSON" })?;
        if configuration.get("issuer").and_then(Value::as_str) != Some(issuer) {
            return Err(OidcError::Answer { url, what: "it is the configuration of another issuer" });
        }
        Ok(configuration)
    }

    fn discover(&self, issuer: &str) -> Result<Vec<u8>, OidcError> {
        let configuration = self.configuration(issuer)?;
        let keys = configuration.get("jwks_uri").and_then(Value::as_str);
        let missing = || OidcError::Answer { url: configuration_of(issuer), what: "it names no `jwks_uri`" };
        self.get(keys.ok_or_else(missing)?, None)
    }

    /// Asks GitHub Actions for a token, as a job with the permission `id-token: write` may.
    ///
    /// # Errors
    /// When there is none to be had.
    pub fn github_token(&self, url: &str, bearer: &str, audience: &str) -> Result<Vec<u8>, OidcError> {
        let separator = if url.contains('?') { '&' } else { '?' };
        let asked = format!("{url}{separator}audience={}", encoded(audience));
        let answer: Value = serde_json::from_slice(&self.get(&asked, Some(bearer))?)
            .map_err(|_| OidcError::Answer { url: shown(url), what: "it is no JSON" })?;
        match answer.get("value").and_then(Value::as_str) {
            Some(token) => Ok(token.as_bytes().to_vec()),
            None => Err(OidcError::Answer { url: shown(url), what: "it holds no token" }),
        }
    }

    fn get(&self, url: &str, bearer: Option<&str>) -> Result<Vec<u8>, OidcError> {
        check(url)?;
        let agent = crate::http::agent(CONNECT, self.exchange);
        let mut last = None;
        for (nth, pause) in self.pauses.iter().enumerate() {
            if let Some(error) = &last {
                (self.note)(&format!("{}: {error}; trying again ({nth} of {})", shown(url), self.pauses.len() - 1));
                std::thread::sleep(*pause);
            }
            let mut request = agent.get(url).header("accept", "application/json");
            if let Some(bearer) = bearer {
                request = request.header("authorization", format!("Bearer {bearer}"));
            }
            match request.call() {
                Ok(mut answer) if answer.status().as_u16() == 200 => {
                    let body = answer.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec();
                    return body.map_err(|_| OidcError::Answer {
                        url: shown(url),
                        what: "it is cut off, or larger than 256 KiB",
                    });
                }
                // A server that is overloaded or restarts may answer the next time; one that says no means it.
                Ok(answer) if answer.status().is_server_error() || answer.status().as_u16() == 429 => {
                    last = Some(OidcError::Status { url: shown(url), status: answer.status().as_u16() });
                }
                Ok(answer) => return Err(OidcError::Status { url: shown(url), status: answer.status().as_u16() }),
                Err(source) => last = Some(OidcError::Unreachable { url: shown(url), source: Box::new(source) }),
            }
        }
        Err(last.unwrap_or(OidcError::Url { url: shown(url), what: "it was never tried" }))
    }
}

/// Where an issuer says what it is (OpenID Connect Discovery 1.0, 4).
fn configuration_of(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

/// What of an address may be shown: no query, for it may hold a secret.
fn shown(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}

fn check(url: &str) -> Result<(), OidcError> {
    let wrong = |what| Err(OidcError::Url { url: shown(url), what });
    let (plain, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return wrong("it does not begin with `https://`"),
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || host.contains('@') {
        return wrong("it names no host, or holds a password");
    }
    let local = ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .any(|l| host.strip_prefix(l).is_some_and(|port| port.is_empty() || port.starts_with(':')));
    if plain && !local {
        return wrong("plain HTTP is for this machine only");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_asked() {
        for good in ["https://a.example/x", "http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]:8/x"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil",
            "ftp://a",
            "https:///x",
            "https://u:p@a",
            "",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert_eq!(encoded("https://a b"), "https%3A%2F%2Fa%20b");
    }
}
