//! Signs in to a server: takes its challenge, hands back what was signed over it, and gets a link for the browser.

use std::time::Duration;

use countersign_model::{Diagnostic, Exit, Explanation};
use serde::Deserialize;

use crate::http::{Problem, printable};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the whole exchange may take.
const EXCHANGE: Duration = Duration::from_secs(20);
/// Bytes of an answer.
const LONGEST: u64 = 64 << 10;

/// What is wrong with a server.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// It is no address of one.
    #[error("`{url}` is no address of a server: {what}")]
    Url {
        /// The address.
        url: String,
        /// What is wrong with it.
        what: &'static str,
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
    #[error("the server at {url} refuses: {what}")]
    Refused {
        /// The address.
        url: String,
        /// Its words.
        what: String,
        /// What it says to do.
        help: String,
    },
    /// What answers there is no server of this kind.
    #[error("what answers at {url} is no countersign server: {what}")]
    Stranger {
        /// The address.
        url: String,
        /// What was wrong.
        what: String,
    },
    /// It is known to itself under another address, which is what would be signed.
    #[error("the server at {url} calls itself {calls}")]
    OtherName {
        /// The address.
        url: String,
        /// What it calls itself.
        calls: String,
    },
}

impl Diagnostic for LoginError {
    fn code(&self) -> &'static str {
        match self {
            Self::Url { .. } => "CS-LOGIN-001",
            Self::Unreachable { .. } => "CS-LOGIN-002",
            Self::Refused { .. } => "CS-LOGIN-003",
            Self::Stranger { .. } => "CS-LOGIN-004",
            Self::OtherName { .. } => "CS-LOGIN-005",
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Url { .. } | Self::OtherName { .. } => Exit::Usage,
            Self::Unreachable { .. } => Exit::Backend,
            Self::Refused { .. } => Exit::Forbidden,
            Self::Stranger { .. } => Exit::Unverified,
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Url { .. } => "`--server https://HOST`, as the server's own output names it".into(),
            Self::Unreachable { .. } => "see whether it runs there: `countersign serve` prints its address".into(),
            Self::Refused { help, .. } => help.clone(),
            Self::Stranger { .. } => {
                "check the address: nothing was signed, or what was signed is of no use there".into()
            }
            Self::OtherName { calls, .. } => {
                format!("if that is the server you mean: `countersign login --server {calls}`; nothing was signed")
            }
        }
    }
}

/// One explanation for every code.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        code: "CS-LOGIN-001",
        exit: Exit::Usage,
        title: "an address of a server cannot be used",
        text: "A server is named by scheme and host alone, `https://countersign.bank.example`, and over plain HTTP only where it is on this machine.",
    },
    Explanation {
        code: "CS-LOGIN-002",
        exit: Exit::Backend,
        title: "a server cannot be reached",
        text: "Nothing listens there, a name cannot be resolved, or its certificate is not trusted on this machine.\n\nNothing was signed.",
    },
    Explanation {
        code: "CS-LOGIN-003",
        exit: Exit::Forbidden,
        title: "a server refuses a sign-in",
        text: "The key belongs to nobody enrolled, counts no longer, or its person holds no role; or too many sign-ins were refused in a short time. The server's ledger holds the refusal.",
    },
    Explanation {
        code: "CS-LOGIN-004",
        exit: Exit::Unverified,
        title: "something else answers where a server should",
        text: "The answer is not that of a countersign server: a proxy's own page, another program, or another version.",
    },
    Explanation {
        code: "CS-LOGIN-005",
        exit: Exit::Usage,
        title: "a server calls itself something else",
        text: "What is signed names the server, so that it is of no use to another one that passes it on. The name it gives must be the one that was typed.",
    },
];

/// What the server gives to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Challenge {
    /// What it calls itself.
    pub server: String,
    /// The log's origin.
    pub origin: String,
    /// Good for one answer.
    pub challenge: String,
}

/// What it gives for a good answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Welcome {
    /// Who it takes you for.
    pub person: String,
    /// Signs in once.
    pub link: String,
    /// For so long.
    pub seconds: u64,
}

/// The address of a server without a slash at its end: scheme and host, and plain HTTP on this machine alone.
///
/// # Errors
/// [`LoginError::Url`].
pub fn server_url(url: &str) -> Result<&str, LoginError> {
    let url = url.trim_end_matches('/');
    let wrong = |what| Err(LoginError::Url { url: url.split('@').next_back().unwrap_or_default().to_owned(), what });
    let (plain, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => return wrong("it begins with neither `https://` nor `http://`"),
    };
    if rest.is_empty()
        || rest.contains(['@', '?', '#', '/'])
        || rest.chars().any(|c| c.is_whitespace() || c.is_control())
    {
        return wrong("it is more than a scheme and a host");
    }
    let local = ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .any(|l| rest.strip_prefix(l).is_some_and(|p| p.is_empty() || p.starts_with(':')));
    if plain && !local {
        return wrong("over plain HTTP anybody on the way could use what is sent");
    }
    Ok(url)
}

/// A server.
pub struct ServerClient {
    url: String,
    agent: ureq::Agent,
}

impl ServerClient {
    /// For the server at `url`, scheme and host. Redirects are not followed, and no proxy is used.
    ///
    /// # Errors
    /// [`LoginError::Url`].
    pub fn new(url: &str) -> Result<Self, LoginError> {
        let url = server_url(url)?;
        let agent = crate::http::agent(CONNECT, EXCHANGE);
        Ok(Self { url: url.to_owned(), agent })
    }

    /// Asks for a challenge.
    ///
    /// # Errors
    /// All but [`LoginError::Url`].
    pub fn challenge(&self) -> Result<Challenge, LoginError> {
        let answer = self.agent.get(format!("{}/sign-in/challenge", self.url)).call();
        let challenge: Challenge = self.read(answer)?;
        if challenge.server.eq_ignore_ascii_case(&self.url) {
            Ok(challenge)
        } else {
            Err(LoginError::OtherName { url: self.url.clone(), calls: challenge.server })
        }
    }

    /// Hands over what was signed; `media` is its type.
    ///
    /// # Errors
    /// As [`ServerClient::challenge`].
    pub fn answer(&self, media: &str, act: &[u8]) -> Result<Welcome, LoginError> {
        let answer = self.agent.post(format!("{}/sign-in/ssh", self.url)).content_type(media).send(act);
        let welcome: Welcome = self.read(answer)?;
        // It is shown to be opened: one that leads elsewhere is not.
        if welcome.link.strip_prefix(&self.url).is_some_and(|rest| rest.starts_with("/sign-in/link/")) {
            Ok(welcome)
        } else {
            Err(self.stranger("its link leads elsewhere"))
        }
    }

    fn stranger(&self, what: &str) -> LoginError {
        LoginError::Stranger { url: self.url.clone(), what: what.to_owned() }
    }

    fn read<T: serde::de::DeserializeOwned>(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, LoginError> {
        let unreachable = |e| LoginError::Unreachable { url: self.url.clone(), source: Box::new(e) };
        let mut answer = answer.map_err(unreachable)?;
        let status = answer.status();
        let body = answer.body_mut().with_config().limit(LONGEST).read_to_vec().map_err(unreachable)?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| self.stranger("its answer cannot be read"));
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(said) => Err(LoginError::Refused {
                url: self.url.clone(),
                what: format!("{} [{}]", printable(&said.title), printable(&said.code)),
                help: printable(&said.help),
            }),
            Err(_) => Err(self.stranger(&format!("it answers with status {}", status.as_u16()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_scheme_and_a_host_and_plain_only_here() {
        for good in ["http://127.0.0.1:7380", "http://localhost/", "https://a.example", "http://[::1]:1"] {
            assert!(ServerClient::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a.example",
            "http://a.example",
            "https://a/b",
            "https://u:p@a",
            "http://localhost.example",
            "https:// a",
        ] {
            assert!(matches!(ServerClient::new(bad), Err(LoginError::Url { .. })), "{bad}");
        }
    }
}
