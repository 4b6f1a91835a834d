//! Asks witnesses for cosignatures (C2SP tlog-witness). Any witness of that protocol will do.

mod explain;

use std::fmt;
use std::time::Duration;

use countersign_evidence::cosignature;
use countersign_evidence::merkle::Hash;
use countersign_evidence::note::{Signature, VerifierKey};
use countersign_evidence::witness::{Answer, MAX_PROOF, Request};

pub use explain::EXPLANATIONS;

/// How long a witness may take to take a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one exchange may take, from the first byte to the last.
const EXCHANGE: Duration = Duration::from_secs(15);
/// Bytes of the longest answer that is read.
const ANSWER_BYTES: u64 = 256 << 10;
/// How often a witness may say that it knows another size; each time somebody else was faster.
const ROUNDS: usize = 4;

/// Why a witness did not cosign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// The URL is none of HTTP.
    #[error("`{url}` is no address of a witness: {what}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong.
        what: &'static str,
    },
    /// No answer.
    #[error("the witness at {url} does not answer")]
    Unreachable {
        /// Its URL.
        url: String,
        /// Why.
        #[source]
        source: Box<ureq::Error>,
    },
    /// It said no.
    #[error("the witness at {url} refuses with status {status}: {reason}")]
    Refused {
        /// Its URL.
        url: String,
        /// The HTTP status: 404 when it does not know the log, 403 when it knows another key.
        status: u16,
        /// The first line of its answer.
        reason: String,
    },
    /// The log does not continue what it saw of it.
    #[error("the witness at {url} has seen another history of this log: {reason}")]
    Contradicted {
        /// Its URL.
        url: String,
        /// The first line of its answer.
        reason: String,
    },
    /// It has cosigned a larger log of this name.
    #[error("the witness at {url} has seen {known} entries of this log, which has {size} here")]
    Ahead {
        /// Its URL.
        url: String,
        /// The size it cosigned.
        known: u64,
        /// The size that was to be cosigned.
        size: u64,
    },
    /// It kept changing its mind.
    #[error("the witness at {url} names another size each time")]
    Restless {
        /// Its URL.
        url: String,
    },
    /// What it returned is no cosignature of its own.
    #[error("the answer of the witness at {url} does not verify")]
    Answer {
        /// Its URL.
        url: String,
        /// Why.
        #[source]
        source: countersign_evidence::Error,
    },
    /// The proof that it needs cannot be made.
    #[error("the proof for the witness at {url} cannot be made")]
    Proof {
        /// Its URL.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A witness by its URL: what stands before `/add-checkpoint`.
pub struct WitnessClient {
    url: String,
    agent: ureq::Agent,
}

/// A signed checkpoint that is to be cosigned.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    /// The note, signed by the log.
    pub checkpoint: &'a str,
    /// Its size.
    pub size: u64,
    /// The size that the witness cosigned last, where that is known; 0 otherwise. It saves a round.
    pub hint: u64,
}

impl WitnessClient {
    /// For the witness at `url`. Redirects are not followed, and no proxy is used.
    ///
    /// # Errors
    /// [`WitnessError::Url`] when it does not begin with `http://` or `https://`, or carries a password, a query or a fragment.
    pub fn new(url: &str) -> Result<Self, WitnessError> {
        let wrong = |what| Err(WitnessError::Url { url: without_password(url), what });
        let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else {
            return wrong("it begins with neither `https://` nor `http://`");
        };
        if rest.contains(['@', '?', '#']) || rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return wrong("it holds a user, a query, a fragment or a space");
        }
        if rest.split('/').next().is_none_or(str::is_empty) {
            return wrong("it names no host");
        }
        let agent = crate::http::agent(CONNECT, EXCHANGE);
        Ok(Self { url: url.trim_end_matches('/').to_owned(), agent })
    }

    /// The witness's URL, without a `/` at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Asks for a cosignature and returns those of `keys`, verified. `proof` makes the consistency proof from an older
    /// size; when the witness names another size than was hinted, it is asked again with the proof from there.
    ///
    /// # Errors
    /// A [`WitnessError`]; nothing was changed by asking.
    pub fn cosign<E>(
        &self,
        submission: &Submission<'_>,
        keys: &[VerifierKey],
        proof: impl Fn(u64) -> Result<Vec<Hash>, E>,
    ) -> Result<Vec<Signature>, WitnessError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut old = submission.hint.min(submission.size);
        for _ in 0..ROUNDS {
            let no_proof = |source| WitnessError::Proof { url: self.url.clone(), source };
            let proof = proof(old).map_err(|e| no_proof(e.into()))?;
            if proof.len() > MAX_PROOF {
                return Err(no_proof("it has more than 63 lines".into()));
            }
            let request = Request { old, proof, checkpoint: submission.checkpoint.to_owned() };
            match self.post(&request)? {
                Answer::Lines(lines) => {
                    return cosignature::verify_lines(submission.checkpoint.as_bytes(), &lines, keys)
                        .map_err(|source| WitnessError::Answer { url: self.url.clone(), source });
                }
                Answer::Size(known) if known > submission.size => {
                    return Err(WitnessError::Ahead { url: self.url.clone(), known, size: submission.size });
                }
                Answer::Size(known) if known == old => break,
                Answer::Size(known) => old = known,
                Answer::Refused { status: 422, reason } => {
                    return Err(WitnessError::Contradicted { url: self.url.clone(), reason });
                }
                Answer::Refused { status, reason } => {
                    return Err(WitnessError::Refused { url: self.url.clone(), status, reason });
                }
            }
        }
        Err(WitnessError::Restless { url: self.url.clone() })
    }

    fn post(&self, request: &Request) -> Result<Answer, WitnessError> {
        let unreachable = |e| WitnessError::Unreachable { url: self.url.clone(), source: Box::new(e) };
        let post = self.agent.post(format!("{}/add-checkpoint", self.url)).content_type("text/plain; charset=utf-8");
        let mut response = post.send(request.to_text()).map_err(unreachable)?;
        let status = response.status().as_u16();
        let media = response.headers().get("content-type").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let body = response.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec().map_err(unreachable)?;
        Ok(Answer::read(status, media.as_deref(), &body))
    }
}

/// The URL without what stands before an `@`, which may be a secret.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => url.to_owned(),
    }
}

impl fmt::Debug for WitnessClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WitnessClient({})", self.url)
    }
}
