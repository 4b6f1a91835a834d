//! Asks a time-stamping authority for a token (RFC 3161 §3.4, over HTTP).

use std::fmt;
use std::time::Duration;

use countersign_evidence::timestamp::{MAX_BYTES, QUERY, REPLY, Request, TimestampError, Token};
use countersign_model::{Diagnostic, Exit, Explanation};

/// How long an authority may take to take a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one exchange may take, from the first byte to the last.
const EXCHANGE: Duration = Duration::from_secs(15);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StampError {
    /// The URL is none of HTTP.
    #[error("`{url}` is no address of a time-stamping authority: {what}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong.
        what: &'static str,
    },
    /// No answer, or not to its end.
    #[error("the time-stamping authority at {url} does not answer")]
    Unreachable {
        /// Its URL.
        url: String,
        /// Why.
        #[source]
        source: Box<ureq::Error>,
    },
    /// An answer that is none of this protocol.
    #[error("the time-stamping authority at {url} answers with status {status}{}", media.as_ref().map(|m| format!(" and `{m}`")).unwrap_or_default())]
    Answer {
        /// Its URL.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The media type, where that is the wrong one.
        media: Option<String>,
    },
    /// A token that is not believed.
    #[error("the answer of the time-stamping authority at {url}")]
    Token {
        /// Its URL.
        url: String,
        /// Why.
        #[source]
        source: TimestampError,
    },
    /// No random number.
    #[error(transparent)]
    Random(countersign_evidence::Error),
}

impl Diagnostic for StampError {
    fn code(&self) -> &'static str {
        match self {
            Self::Url { .. } => "CS-AUDIT-108",
            Self::Unreachable { .. } | Self::Answer { .. } => "CS-AUDIT-109",
            Self::Token { source, .. } => source.code(),
            Self::Random(e) => e.code(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Url { .. } => Exit::Usage,
            Self::Unreachable { .. } | Self::Answer { .. } => Exit::Backend,
            Self::Token { source, .. } => source.exit(),
            Self::Random(e) => e.exit(),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Url { .. } => "give the address that the authority publishes: --timestamp http://HOST/PATH".into(),
            Self::Unreachable { .. } | Self::Answer { .. } => {
                "look at its address and try again; without --timestamp the pack is made without a token".into()
            }
            Self::Token { source, .. } => source.help(),
            Self::Random(e) => e.help(),
        }
    }
}

/// One explanation for every code of [`StampError`] that is not of another room.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        code: "CS-AUDIT-108",
        title: "not the address of a time-stamping authority",
        text: "It is asked over HTTP: the address begins with `http://` or `https://`, and holds no user. That it is often plain \
               HTTP does no harm: the token is signed, and only a digest is sent.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-AUDIT-109",
        title: "a time-stamping authority does not answer",
        text: "There was no connection, no answer within 15 seconds, one that is too large, another status than 200, a redirect \
               (none is followed), or another media type than `application/timestamp-reply`. No pack was made: one that was to \
               have a timestamp is not made without.",
        exit: Exit::Backend,
    },
];

/// A time-stamping authority by its URL.
pub struct StampClient {
    url: String,
    agent: ureq::Agent,
}

impl StampClient {
    /// For the authority at `url`. Redirects are not followed, and no proxy is used.
    ///
    /// # Errors
    /// [`StampError::Url`] when it does not begin with `http://` or `https://`, or carries a user or a fragment.
    pub fn new(url: &str) -> Result<Self, StampError> {
        // What stands before an `@` may be a secret.
        let shown = || url.rsplit_once('@').map_or_else(|| url.to_owned(), |(_, host)| format!("…@{host}"));
        let wrong = |what| Err(StampError::Url { url: shown(), what });
        let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else {
            return wrong("it begins with neither `https://` nor `http://`");
        };
        if rest.contains(['@', '#']) || rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return wrong("it holds a user, a fragment or a space");
        }
        if rest.split(['/', '?']).next().is_none_or(str::is_empty) {
            return wrong("it names no host");
        }
        let agent = crate::http::agent(CONNECT, EXCHANGE);
        Ok(Self { url: url.to_owned(), agent })
    }

    /// Asks for a timestamp over these bytes: the response as it came, and what it says, verified.
    ///
    /// # Errors
    /// [`StampError`].
    pub fn stamp(&self, bytes: &[u8]) -> Result<(Vec<u8>, Token), StampError> {
        let request = Request::new(bytes).map_err(StampError::Random)?;
        let unreachable = |e| StampError::Unreachable { url: self.url.clone(), source: Box::new(e) };
        let post = self.agent.post(&self.url).content_type(QUERY).send(&request.to_der()).map_err(unreachable);
        let mut response = post?;
        let status = response.status().as_u16();
        let media = response.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
        // What comes after a `;` is a parameter.
        let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if status != 200 || media != REPLY {
            let media = (status == 200).then(|| media.escape_debug().take(80).collect());
            return Err(StampError::Answer { url: self.url.clone(), status, media });
        }
        let body = response.body_mut().with_config().limit(MAX_BYTES as u64).read_to_vec().map_err(unreachable)?;
        let token = request.answered(&body);
        let token = token.map_err(|source| StampError::Token { url: self.url.clone(), source })?;
        Ok((body, token))
    }
}

impl fmt::Debug for StampClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StampClient({})", self.url)
    }
}
