//! The other end of a server's API: sends what a pipeline has, and reads what came of it. No redirect is followed, no proxy is used.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::time::Duration;

use countersign_model::{Diagnostic, Exit, Explanation};
use serde_json::Value;

use crate::http::{Problem, encoded, printable};
use crate::login::{LoginError, server_url};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an ordinary exchange may take.
const EXCHANGE: Duration = Duration::from_secs(60);
/// How long sending objects or files may take.
const UPLOAD: Duration = Duration::from_secs(15 * 60);
/// Bytes of an answer.
const LONGEST: u64 = 64 << 20;
/// How often what is safe to repeat is tried when nothing answers.
const TRIES: u32 = 4;

/// What is wrong with a server, or with what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// It is no address of one.
    #[error(transparent)]
    Url(#[from] LoginError),
    /// Nobody says who asks.
    #[error("no token says who asks the server at {url}")]
    NoToken {
        /// The address.
        url: String,
    },
    /// It cannot be reached.
    #[error("the server at {url} cannot be reached")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        #[source]
        source: Box<ureq::Error>,
    },
    /// It said no.
    #[error("the server says: {what} [{code}]")]
    Refused {
        /// The answer's status.
        status: u16,
        /// Its code.
        code: String,
        /// Its words.
        what: String,
        /// What it says to do.
        help: String,
        /// The exit code that a command ends with which finds the same by itself, where that is known.
        exit: Option<Exit>,
    },
    /// What answers there is no server of this kind.
    #[error("what answers at {url} is no countersign server: {what}")]
    Stranger {
        /// The address.
        url: String,
        /// What was wrong.
        what: String,
    },
    /// What is to be sent cannot be read.
    #[error("what is to be sent cannot be read")]
    Read(#[source] std::io::Error),
    /// The judgement takes longer than somebody waits.
    #[error("the server still judges submission {submission} after {minutes} minutes")]
    StillWorking {
        /// The submission.
        submission: String,
        /// How long it was waited for.
        minutes: u64,
    },
}

impl Diagnostic for RemoteError {
    fn code(&self) -> &'static str {
        match self {
            Self::Url(e) => e.code(),
            Self::NoToken { .. } => "CS-REMOTE-001",
            Self::Unreachable { .. } => "CS-REMOTE-002",
            Self::Refused { .. } => "CS-REMOTE-003",
            Self::Stranger { .. } => "CS-REMOTE-004",
            Self::Read(_) => "CS-REMOTE-005",
            Self::StillWorking { .. } => "CS-REMOTE-006",
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Url(e) => e.exit(),
            Self::NoToken { .. } | Self::Read(_) => Exit::Usage,
            Self::Unreachable { .. } | Self::StillWorking { .. } => Exit::Backend,
            Self::Refused { exit: Some(exit), .. } => *exit,
            Self::Refused { status, .. } => match status {
                401 | 403 => Exit::Forbidden,
                404 => Exit::Nothing,
                409 | 412 => Exit::Denied,
                500.. => Exit::Backend,
                _ => Exit::Usage,
            },
            Self::Stranger { .. } => Exit::Unverified,
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Url(e) => e.help(),
            Self::NoToken { .. } => {
                "make one with `countersign token issue --scope read,submit`, and give it as COUNTERSIGN_TOKEN or --token-file; a CI job may show its identity token: COUNTERSIGN_ID_TOKEN".into()
            }
            Self::Unreachable { .. } => "see whether it runs there; the same command can be typed again".into(),
            Self::Refused { help, .. } => help.clone(),
            Self::Stranger { .. } => "check the address".into(),
            Self::Read(_) => "check the path, and that the disk has space".into(),
            Self::StillWorking { .. } => "look later: `countersign gate check --server …` names the run when it is there".into(),
        }
    }
}

/// One explanation for every code.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        code: "CS-REMOTE-001",
        exit: Exit::Usage,
        title: "no token for a server",
        text: "A server asks who sends something. A pipeline shows a token that somebody enrolled made for it, with the scope `submit`, or the identity token that its CI system gave to the job.\n\nIt is read from a file or the environment, never from the command line, where other accounts of the machine could see it.",
    },
    Explanation {
        code: "CS-REMOTE-002",
        exit: Exit::Backend,
        title: "a server cannot be reached",
        text: "Nothing listens there, a name cannot be resolved, or its certificate is not trusted on this machine. What is safe to repeat was tried several times.",
    },
    Explanation {
        code: "CS-REMOTE-003",
        exit: Exit::Usage,
        title: "a server says no",
        text: "The sentence and the code in brackets are the server's: `countersign explain` knows that code too. The exit code is the one that the same command ends with where the ledger is; what the server alone can say follows the answer's status: not allowed 4, not there 3, what is so now does not allow it 10, the server's own trouble 5, else 2.",
    },
    Explanation {
        code: "CS-REMOTE-004",
        exit: Exit::Unverified,
        title: "something else answers where a server should",
        text: "The answer is not that of a countersign server: a proxy's own page, another program, or another version.",
    },
    Explanation {
        code: "CS-REMOTE-005",
        exit: Exit::Usage,
        title: "what is to be sent cannot be read",
        text: "A file that was named cannot be read, or a temporary file cannot be written. Nothing was sent, or the server threw away what came.",
    },
    Explanation {
        code: "CS-REMOTE-006",
        exit: Exit::Backend,
        title: "a server still judges",
        text: "The commit was sent and is being judged, for longer than a command waits. Nothing is lost: the run is recorded when it is done.",
    },
];

/// What is sent with a request.
pub enum Sends<'a> {
    /// Nothing.
    Nothing,
    /// Bytes of a media type.
    Bytes(&'a str, &'a [u8]),
    /// A file of a media type, from its beginning.
    File(&'a str, &'a File),
}

/// Text as one part of a path.
#[must_use]
pub fn segment(text: &str) -> String {
    encoded(text)
}

/// A server's API.
pub struct ApiClient {
    url: String,
    token: String,
    agent: ureq::Agent,
    uploads: ureq::Agent,
    exits: fn(&str) -> Option<Exit>,
}

impl ApiClient {
    /// For the server at `url`, scheme and host, in the name of a token. `exits` says with which exit code a command ends that finds what
    /// a code says by itself.
    ///
    /// # Errors
    /// [`RemoteError::Url`], [`RemoteError::NoToken`].
    pub fn new(url: &str, token: Option<&str>, exits: fn(&str) -> Option<Exit>) -> Result<Self, RemoteError> {
        let url = server_url(url)?.to_owned();
        let token = token.map(str::trim).filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_graphic()));
        let token = token.ok_or_else(|| RemoteError::NoToken { url: url.clone() })?.to_owned();
        let (agent, uploads) = (crate::http::agent(CONNECT, EXCHANGE), crate::http::agent(CONNECT, UPLOAD));
        Ok(Self { url, token, agent, uploads, exits })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    fn address(&self, path: &str, query: &[(&str, &str)]) -> String {
        let pairs: Vec<String> = query.iter().map(|(n, v)| format!("{n}={}", encoded(v))).collect();
        let mark = if pairs.is_empty() { "" } else { "?" };
        format!("{}/api/v1/{path}{mark}{}", self.url, pairs.join("&"))
    }

    /// Reads something.
    ///
    /// # Errors
    /// All but [`RemoteError::NoToken`] and [`RemoteError::Url`].
    pub fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, RemoteError> {
        let address = self.address(path, query);
        self.repeated(|| self.agent.get(&address).header("authorization", self.bearer()).call())
    }

    /// Sends something that may be sent again when its answer is lost: everything that the API takes.
    ///
    /// # Errors
    /// As [`ApiClient::get`].
    pub fn post(
        &self,
        path: &str,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
        sends: &Sends<'_>,
    ) -> Result<Value, RemoteError> {
        let address = self.address(path, query);
        self.repeated(|| {
            let agent = if matches!(sends, Sends::File(..)) { &self.uploads } else { &self.agent };
            let mut request = agent.post(&address).header("authorization", self.bearer());
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            match sends {
                Sends::Nothing => request.send_empty(),
                Sends::Bytes(media, bytes) => request.content_type(*media).send(*bytes),
                Sends::File(media, file) => {
                    let mut file = *file;
                    file.seek(SeekFrom::Start(0))?;
                    request.content_type(*media).send(file)
                }
            }
        })
    }

    /// What a server's no is here.
    #[must_use]
    pub fn refused(&self, status: u16, code: String, what: String, help: String) -> RemoteError {
        let exit = (self.exits)(&code);
        RemoteError::Refused { status, code, what, help, exit }
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn repeated(
        &self,
        send: impl Fn() -> Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Value, RemoteError> {
        let mut pause = Duration::from_millis(300);
        for _ in 1..TRIES {
            match self.read(send()) {
                Err(RemoteError::Unreachable { .. } | RemoteError::Refused { status: 502..=504, .. }) => {}
                other => return other,
            }
            std::thread::sleep(pause);
            pause *= 3;
        }
        self.read(send())
    }

    fn read(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, RemoteError> {
        let unreachable = |e| RemoteError::Unreachable { url: self.url.clone(), source: Box::new(e) };
        let mut answer = answer.map_err(unreachable)?;
        let status = answer.status();
        let body = answer.body_mut().with_config().limit(LONGEST).read_to_vec().map_err(unreachable)?;
        let stranger = |what: String| RemoteError::Stranger { url: self.url.clone(), what };
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| stranger("its answer cannot be read".to_owned()));
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(said) => {
                Err(self.refused(status.as_u16(), printable(&said.code), printable(&said.title), printable(&said.help)))
            }
            Err(_) => Err(stranger(format!("it answers with status {}", status.as_u16()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_needed_and_is_one_word() {
        for token in [None, Some(""), Some("  "), Some("a b"), Some("a\r\nx: y")] {
            let made = ApiClient::new("http://127.0.0.1:1", token, |_| None);
            assert!(matches!(made, Err(RemoteError::NoToken { .. })), "{token:?}");
        }
        let client = ApiClient::new("http://127.0.0.1:1/", Some(" cst_1\n"), |_| None).unwrap();
        assert_eq!(client.bearer(), "Bearer cst_1");
        assert_eq!(client.address("runs", &[("a", "b c&d")]), "http://127.0.0.1:1/api/v1/runs?a=b%20c%26d");
        assert!(matches!(ApiClient::new("http://a.example", Some("cst_1"), |_| None), Err(RemoteError::Url(_))));
    }
}
