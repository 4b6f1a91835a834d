//! One question and its answer: signed, bounded in time and size, and asked again where that can help.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use countersign_model::{Clock, Digest, SystemClock, Timestamp};
use ureq::http::{HeaderMap, Request};

use super::error::Said;
use super::{Credentials, Location, S3Error, encode, time, xml};

/// The largest error document that is read, in bytes.
const MAX_ERROR_BYTES: u64 = 64 << 10;
/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// How long and how often something is tried. An attempt that is given up may have been carried out all the same: all
/// that this room writes can be asked for twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long one attempt waits for the storage to say or take the next byte.
    pub attempt: Duration,
    /// How many attempts are made.
    pub attempts: u32,
    /// How long all of them may take together.
    pub total: Duration,
    /// The pause after the first attempt; it doubles with every further one, up to ten seconds, and half of it is left
    /// to chance.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(30),
            attempts: 8,
            total: Duration::from_secs(300),
            pause: Duration::from_millis(200),
        }
    }
}

/// An attempt that failed and is going to be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// What was tried.
    pub action: &'static str,
    /// The object.
    pub name: String,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// What happened.
    pub what: String,
}

/// Is told of attempts that are going to be repeated, so that a person who waits knows why.
pub type Observer = dyn Fn(&Retry) + Send + Sync;

/// How a bucket is spoken to.
#[derive(Clone)]
pub struct Options {
    /// The clock that requests are signed with. A storage refuses signatures that are some minutes off, so this is the
    /// machine's clock even where the rest of the program is given a fixed one.
    pub clock: Arc<dyn Clock>,
    /// Timeouts and attempts.
    pub patience: Patience,
    /// Certificates (PEM) of the authorities that are believed, instead of those that browsers believe.
    pub ca_pem: Option<Vec<u8>>,
    /// The address of a proxy.
    pub proxy: Option<String>,
    /// Is told of repeated attempts.
    pub observer: Option<Arc<Observer>>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), patience: Patience::default(), ca_pem: None, proxy: None, observer: None }
    }
}

/// A bucket, and the right to speak to it. Cheap to share between threads by reference.
pub struct Bucket {
    pub(super) location: Location,
    credentials: Credentials,
    options: Options,
    agent: ureq::Agent,
    /// The clock of the storage, as its last answer gave it.
    storage_clock: Mutex<Option<Timestamp>>,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket").field("location", &self.location.to_string()).finish_non_exhaustive()
    }
}

/// A question.
pub(super) struct Call<'a> {
    /// What it is for, in words: "write".
    pub(super) action: &'static str,
    /// The object, as the ledger names it; stands in errors.
    pub(super) name: &'a str,
    pub(super) method: &'static str,
    /// The key with the location's prefix; `None` asks the bucket itself.
    pub(super) key: Option<String>,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: &'a [u8],
}

impl<'a> Call<'a> {
    pub(super) fn new(action: &'static str, method: &'static str, name: &'a str) -> Self {
        Self { action, name, method, key: None, query: Vec::new(), headers: Vec::new(), body: &[] }
    }

    pub(super) fn key(mut self, key: String) -> Self {
        self.key = Some(key);
        self
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The body, and the checksum by which the storage knows that it got what was sent.
    pub(super) fn body(mut self, bytes: &'a [u8]) -> Self {
        use base64::Engine as _;
        let digest = base64::engine::general_purpose::STANDARD.encode(Digest::of(bytes).as_bytes());
        self.body = bytes;
        self.header("x-amz-checksum-sha256", digest).header("x-amz-sdk-checksum-algorithm", "SHA256")
    }
}

/// An answer: what was asked for, or what the storage says instead (any status from 300 on).
pub(super) enum Reply<T> {
    Good(HeaderMap, T),
    Bad(Said),
}

/// Why the body of an answer was not taken.
pub(super) enum Untaken {
    /// It broke off. Asking again may help.
    Broken(io::Error),
    /// It is larger than the limit.
    TooLarge(u64),
}

/// What one attempt came to.
enum Attempt<T> {
    Done(Reply<T>),
    Again(String),
    TooLarge(u64),
}

impl Bucket {
    /// Prepares to speak to a bucket. Nothing is sent yet.
    ///
    /// # Errors
    /// [`S3Error::BadLocation`] when the certificates or the proxy of the options cannot be used.
    pub fn new(location: Location, credentials: Credentials, options: Options) -> Result<Self, S3Error> {
        let bad = |what: String| S3Error::BadLocation { location: location.to_string(), what };
        let patience = options.patience;
        let mut tls = ureq::tls::TlsConfig::builder();
        if let Some(pem) = &options.ca_pem {
            let roots = roots(pem).map_err(|e| bad(format!("the authorities' certificates: {e}")))?;
            tls = tls.root_certs(roots);
        }
        let proxy = match &options.proxy {
            Some(address) => Some(ureq::Proxy::new(address).map_err(|e| bad(format!("the proxy: {e}")))?),
            None => None,
        };
        let config = ureq::Agent::config_builder()
            .tls_config(tls.build())
            .proxy(proxy)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(patience.attempt))
            .timeout_recv_response(Some(patience.attempt))
            .timeout_per_read(Some(patience.attempt))
            .timeout_per_write(Some(patience.attempt))
            .build();
        let agent = config.new_agent();
        Ok(Self { location, credentials, options, agent, storage_clock: Mutex::new(None) })
    }

    /// The same bucket, spoken to with other patience.
    ///
    /// # Errors
    /// As [`Bucket::new`].
    pub fn with_patience(&self, patience: Patience) -> Result<Self, S3Error> {
        let options = Options { patience, ..self.options.clone() };
        Self::new(self.location.clone(), self.credentials.clone(), options)
    }

    /// How long and how often something is tried.
    #[must_use]
    pub const fn patience(&self) -> Patience {
        self.options.patience
    }

    /// Where the bucket is.
    #[must_use]
    pub const fn location(&self) -> &Location {
        &self.location
    }

    /// The clock of the storage as of its last answer; `None` before the first.
    #[must_use]
    pub fn storage_clock(&self) -> Option<Timestamp> {
        *self.storage_clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock that requests are signed with.
    pub(super) fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    /// Asks, and takes a body of at most `limit` bytes.
    pub(super) fn ask(&self, call: &Call<'_>, limit: u64) -> Result<Reply<Vec<u8>>, S3Error> {
        self.ask_into(call, |reader| {
            let mut bytes = Vec::new();
            reader.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(Untaken::Broken)?;
            if bytes.len() as u64 > limit { Err(Untaken::TooLarge(limit)) } else { Ok(bytes) }
        })
    }

    /// Asks, and gives the body of a good answer to `take`; more than once where an attempt breaks off.
    pub(super) fn ask_into<T>(
        &self,
        call: &Call<'_>,
        mut take: impl FnMut(&mut dyn Read) -> Result<T, Untaken>,
    ) -> Result<Reply<T>, S3Error> {
        let patience = self.options.patience;
        let begun = Instant::now();
        let mut attempt = 1;
        loop {
            let what = match self.attempt(call, &mut take)? {
                Attempt::Done(reply) => return Ok(reply),
                Attempt::TooLarge(limit) => return Err(S3Error::TooLarge { name: call.name.to_owned(), limit }),
                Attempt::Again(what) => what,
            };
            let pause = pause(patience.pause, attempt);
            if attempt >= patience.attempts || begun.elapsed().saturating_add(pause) >= patience.total {
                return Err(S3Error::Unreachable {
                    endpoint: self.location.endpoint(),
                    action: call.action,
                    name: call.name.to_owned(),
                    attempts: attempt,
                    what,
                });
            }
            if let Some(observer) = &self.options.observer {
                observer(&Retry { action: call.action, name: call.name.to_owned(), attempt, what });
            }
            thread::sleep(pause);
            attempt += 1;
        }
    }

    fn attempt<T>(
        &self,
        call: &Call<'_>,
        take: &mut impl FnMut(&mut dyn Read) -> Result<T, Untaken>,
    ) -> Result<Attempt<T>, S3Error> {
        let request = self.signed(call)?;
        let answered = if call.body.is_empty() && !matches!(call.method, "PUT" | "POST") {
            self.agent.run(request.map(|_| ()))
        } else {
            self.agent.run(request)
        };
        let mut answer = match answered {
            Ok(answer) => answer,
            Err(e) => return may_repeat(call, e),
        };
        let headers = answer.headers().clone();
        if let Some(date) = header(&headers, "date").and_then(time::parse_http_date) {
            *self.storage_clock.lock().unwrap_or_else(PoisonError::into_inner) = Some(date);
        }
        let status = answer.status().as_u16();
        let mut body = answer.body_mut().with_config().limit(u64::MAX).reader();
        if (200..300).contains(&status) {
            return Ok(match take(&mut body) {
                Ok(taken) => Attempt::Done(Reply::Good(headers, taken)),
                Err(Untaken::Broken(e)) => Attempt::Again(format!("the answer broke off: {e}")),
                Err(Untaken::TooLarge(limit)) => Attempt::TooLarge(limit),
            });
        }
        let mut document = Vec::new();
        if let Err(e) = body.take(MAX_ERROR_BYTES).read_to_end(&mut document) {
            return Ok(Attempt::Again(format!("{status}, and the answer broke off: {e}")));
        }
        let said = xml::said(status, &document);
        let is_passing = matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
            || matches!(
                said.code.as_str(),
                "RequestTimeout" | "SlowDown" | "ConditionalRequestConflict" | "OperationAborted"
            );
        Ok(if is_passing { Attempt::Again(said.to_string()) } else { Attempt::Done(Reply::Bad(said)) })
    }

    /// The request with its signature (AWS Signature Version 4, made by the official SDK's signer).
    fn signed<'a>(&self, call: &Call<'a>) -> Result<Request<&'a [u8]>, S3Error> {
        let unexpected = |what: String| S3Error::Unexpected {
            action: call.action,
            name: call.name.to_owned(),
            what: format!("the request could not be made: {what}"),
        };
        let mut url = self.location.url(call.key.as_deref());
        for (i, (name, value)) in call.query.iter().enumerate() {
            url.push(if i == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            url.push_str(&encode::encode(value));
        }
        let mut settings = SigningSettings::default();
        // As S3 wants it: the path as it is, and the body's digest in a header.
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let millis = u64::try_from(self.now().millis()).unwrap_or(0);
        let identity = aws_credential_types::Credentials::new(
            &self.credentials.access_key,
            self.credentials.secret_key.as_str(),
            self.credentials.session_token.as_deref().cloned(),
            None,
            "countersign",
        )
        .into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.location.region())
            .name("s3")
            .time(UNIX_EPOCH + Duration::from_millis(millis))
            .settings(settings)
            .build()
            .map_err(|e| unexpected(e.to_string()))?
            .into();
        let headers = call.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let signable = SignableRequest::new(call.method, &url, headers, SignableBody::Bytes(call.body))
            .map_err(|e| unexpected(e.to_string()))?;
        let (instructions, _) = sign(signable, &params).map_err(|e| unexpected(e.to_string()))?.into_parts();
        let mut request = Request::builder().method(call.method).uri(&url);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        for (name, value) in instructions.headers() {
            request = request.header(name, value);
        }
        request.body(call.body).map_err(|e| unexpected(e.to_string()))
    }
}

/// Whether a fault on the way may be gone at the next attempt.
fn may_repeat<T>(call: &Call<'_>, error: ureq::Error) -> Result<Attempt<T>, S3Error> {
    use ureq::Error as E;
    match error {
        // A certificate that nobody believes is the same at the next attempt.
        E::Io(e) if e.kind() == io::ErrorKind::InvalidData => {
            Err(S3Error::Unexpected { action: call.action, name: call.name.to_owned(), what: e.to_string() })
        }
        E::Io(_) | E::Timeout(_) | E::HostNotFound | E::ConnectionFailed | E::Protocol(_) | E::BodyStalled => {
            Ok(Attempt::Again(error.to_string()))
        }
        other => Err(S3Error::Unexpected { action: call.action, name: call.name.to_owned(), what: other.to_string() }),
    }
}

/// The pause after attempt number `attempt`: doubled each time, half of it chance, so that many who wait for the same
/// storage do not all come back at once.
fn pause(first: Duration, attempt: u32) -> Duration {
    let full = first.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(MAX_PAUSE);
    // Without random bytes everybody waits for the whole of it.
    let chance = countersign_evidence::random::<2>().map_or(u16::MAX, u16::from_be_bytes);
    full.mul_f64(0.5 + 0.5 * f64::from(chance) / f64::from(u16::MAX))
}

fn roots(pem: &[u8]) -> Result<ureq::tls::RootCerts, String> {
    let mut certificates = Vec::new();
    for item in ureq::tls::parse_pem(pem) {
        if let ureq::tls::PemItem::Certificate(certificate) = item.map_err(|e| e.to_string())? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err("there is none".to_owned());
    }
    Ok(ureq::tls::RootCerts::Specific(Arc::new(certificates)))
}

/// A header as text.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let first = Duration::from_millis(100);
        for attempt in 1..40 {
            let pause = pause(first, attempt);
            assert!(pause <= MAX_PAUSE && pause >= first / 2, "{attempt}: {pause:?}");
        }
        assert!(pause(first, 10) >= MAX_PAUSE / 2);
        assert_eq!(pause(Duration::ZERO, 3), Duration::ZERO);
    }
}
