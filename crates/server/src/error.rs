//! What can go wrong when something is served, each with a stable code.

use std::io;
use std::path::PathBuf;

use countersign_model::{Diagnostic, Exit, Place};

/// An error of this room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A signature, a key or a checkpoint.
    #[error(transparent)]
    Evidence(#[from] countersign_evidence::Error),
    /// The ledger that is published.
    #[error(transparent)]
    Store(#[from] countersign_store::Error),
    /// The OpenID provider.
    #[error(transparent)]
    Oidc(#[from] countersign_connect::oidc::OidcError),
    /// What another room says, as it is.
    #[error("{0}")]
    Told(Box<dyn Diagnostic>),
    /// What a request would be told.
    #[error("{}", .0.text)]
    Trouble(Box<Told>),
    /// Where people reach the server is no origin.
    #[error("`{origin}` is no origin")]
    BadOrigin {
        /// What was given.
        origin: String,
    },
    /// What was named is no network.
    #[error("{what}")]
    BadNetwork {
        /// What is wrong.
        what: String,
    },
    /// People would sign in over a network that anybody can listen to.
    #[error("people would reach {origin} without encryption")]
    InTheClear {
        /// The origin.
        origin: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The machine has no threads or signals to give.
    #[error("the server cannot start")]
    Start(#[source] io::Error),
    /// Others can read a file that holds a secret.
    #[error("others can read `{}`, which holds a secret", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// A certificate or its key cannot be used.
    #[error("`{}` cannot be used for TLS: {what}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {what} `{}`", path.display())]
    File {
        /// `read`, `write` or `create`.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The directory holds no witness.
    #[error("`{}` holds no witness", dir.display())]
    NoWitness {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory holds something already.
    #[error("`{}` is not empty", dir.display())]
    Occupied {
        /// The directory.
        dir: PathBuf,
    },
    /// Another process serves this witness.
    #[error("another process serves the witness in `{}`", dir.display())]
    Busy {
        /// The directory.
        dir: PathBuf,
    },
    /// A key of a witness was given for a log's.
    #[error("`{name}` is a key that cosigns, not one that signs for a log")]
    NotALog {
        /// The key's name.
        name: String,
    },
    /// What the witness remembers of a log does not verify.
    #[error("what the witness remembers of a log is damaged: {what}")]
    Memory {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// An error of a request, kept whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    code: &'static str,
    text: String,
    help: String,
}

impl Error {
    /// For `map_err`: what a request would be told, said at the start.
    pub(crate) fn trouble(trouble: crate::app::Trouble) -> Self {
        Self::Trouble(Box::new(Told { code: trouble.code, text: trouble.text, help: trouble.help }))
    }

    /// For `map_err`: a file could not be read, written or created.
    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }
}

impl Diagnostic for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Evidence(e) => e.code(),
            Self::Store(e) => e.code(),
            Self::Oidc(e) => e.code(),
            Self::Told(e) => e.code(),
            Self::Trouble(told) => told.code,
            Self::BadOrigin { .. } => "CS-SERVER-004",
            Self::InTheClear { .. } => "CS-SERVER-005",
            Self::BadNetwork { .. } => "CS-SERVER-007",
            Self::Listen { .. } => "CS-SERVER-001",
            Self::Start(_) => "CS-SERVER-002",
            Self::File { .. } => "CS-SERVER-003",
            Self::Exposed { .. } => "CS-SERVER-006",
            Self::Tls { .. } => "CS-SERVER-008",
            Self::NoWitness { .. } => "CS-SERVER-010",
            Self::Occupied { .. } => "CS-SERVER-011",
            Self::Busy { .. } => "CS-SERVER-012",
            Self::NotALog { .. } => "CS-SERVER-013",
            Self::Memory { .. } => "CS-SERVER-014",
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Evidence(e) => e.exit(),
            Self::Store(e) => e.exit(),
            Self::Oidc(e) => e.exit(),
            Self::Told(e) => e.exit(),
            Self::Trouble(_) => Exit::Backend,
            Self::BadOrigin { .. } | Self::BadNetwork { .. } | Self::InTheClear { .. } => Exit::Usage,
            Self::Listen { .. } | Self::File { .. } | Self::Busy { .. } => Exit::Backend,
            Self::Start(_) => Exit::Internal,
            Self::Exposed { .. }
            | Self::Tls { .. }
            | Self::NoWitness { .. }
            | Self::Occupied { .. }
            | Self::NotALog { .. } => Exit::Usage,
            Self::Memory { .. } => Exit::Unverified,
        }
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Evidence(e) => e.place(),
            Self::Store(e) => e.place(),
            Self::Oidc(e) => e.place(),
            Self::Told(e) => e.place(),
            _ => None,
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Evidence(e) => e.help(),
            Self::Store(e) => e.help(),
            Self::Oidc(e) => e.help(),
            Self::Told(e) => e.help(),
            Self::Trouble(told) => told.help.clone(),
            Self::BadOrigin { .. } => {
                "write scheme and host as people type them: `--origin https://countersign.bank.example`".into()
            }
            Self::BadNetwork { .. } => "write an address or a network: `--trusted-proxy 10.0.0.0/8`".into(),
            Self::InTheClear { .. } => {
                "give it a certificate (`--tls-cert`, `--tls-key`), or put a proxy with TLS in front and name what people type: `--origin https://HOST`; or serve the log alone with `--log-only`".into()
            }
            Self::Listen { .. } => "name another address with `--listen`; port 0 takes any that is free".into(),
            Self::Start(_) => "raise the limits on threads and open files of this process".into(),
            Self::File { path, .. } => format!("`ls -l {}` shows whose it is", path.display()),
            Self::Tls { path, .. } => format!("`openssl x509 -noout -text -in {}` and `openssl pkey -noout -check` show what they are", path.display()),
            Self::Exposed { path } => format!("`chmod 600 {}`", path.display()),
            Self::NoWitness { dir } => {
                format!("make one with `countersign witness init {} --name NAME`", dir.display())
            }
            Self::Occupied { .. } => "name a directory that does not exist yet".into(),
            Self::Busy { .. } => "end the other process first: two of them could cosign two histories".into(),
            Self::NotALog { .. } => "the log's own key is the line `countersign trust export` prints as `vkey`".into(),
            Self::Memory { path, .. } => format!(
                "compare `{}` with a backup; never delete it, for the witness would forget what it vouched for",
                path.display()
            ),
        }
    }
}
