//! Arguments of the verbs of `audit` by which people ask and answer.

use clap::{Args, Subcommand};
use countersign_model::audit::threads::MaskedField;
use countersign_model::{Digest, Timestamp};

use super::args::{Format, KeyArgs};
use super::catalogue_args::moment;
use super::server_args::ServerArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum ThreadVerb {
    /// Open an audit of a period, in which auditors may ask; a security or compliance officer signs
    Open {
        /// What it is called; name no person
        #[arg(long, value_name = "TEXT")]
        name: String,
        /// The period: from when on, a day (2026-01-01) or a time
        #[arg(long, value_name = "DAY", value_parser = moment)]
        from: Timestamp,
        /// And before when
        #[arg(long, value_name = "DAY", value_parser = moment)]
        to: Timestamp,
        /// About this application alone; may be repeated
        #[arg(long, value_name = "ID")]
        application: Vec<String>,
        /// About this framework alone; may be repeated
        #[arg(long, value_name = "ID")]
        framework: Vec<String>,
        /// Admit this auditor, by name or id; may be repeated [default: every auditor]
        #[arg(long, value_name = "PERSON")]
        auditor: Vec<String>,
        /// What the server shows no auditor of this audit; may be repeated
        #[arg(long, value_name = "FIELD", value_parser = masked)]
        mask: Vec<MaskedField>,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Ask for something in an audit; an auditor signs
    Request {
        /// The audit: its id or the start of it
        audit: String,
        /// The control that it is about
        #[arg(long, value_name = "ID")]
        control: Option<String>,
        /// The application that it is about
        #[arg(long, value_name = "ID")]
        application: Option<String>,
        #[command(flatten)]
        asked: AskedArgs,
    },
    /// Answer a request; somebody signs who holds a role, did not ask in it and is no auditor
    Answer {
        /// The request: its id or the start of it
        request: String,
        /// The answer in words; it is sealed
        #[arg(long, value_name = "TEXT")]
        text: String,
        /// An entry of the log that shows it; may be repeated
        #[arg(long, value_name = "ENTRY")]
        evidence: Vec<u64>,
        /// An evidence pack that shows it, by the SHA-256 of its file (countersign audit list); may be repeated
        #[arg(long, value_name = "DIGEST", value_parser = digest)]
        pack: Vec<Digest>,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Ask on after an answer: the request is open again; an auditor signs
    FollowUp {
        /// The request: its id or the start of it
        request: String,
        #[command(flatten)]
        asked: AskedArgs,
    },
    /// Close a request that needs nothing more (an auditor signs), or an audit without requests that wait (an auditor or officer)
    Close {
        /// The audit or the request: its id or the start of it
        #[arg(value_name = "AUDIT|REQUEST")]
        what: String,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List audits and their requests: who asked and answered when, what waits and what is late
    Requests {
        /// Of this audit alone: its id or the start of it
        audit: Option<String>,
        /// Those alone that wait for an answer
        #[arg(long)]
        open: bool,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show everything that was said about a request
    Thread {
        /// The request: its id or the start of it
        request: String,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

impl ThreadVerb {
    /// The server that does it.
    pub(crate) fn server(&self) -> &ServerArgs {
        match self {
            Self::Request { asked, .. } | Self::FollowUp { asked, .. } => &asked.server,
            Self::Open { server, .. }
            | Self::Answer { server, .. }
            | Self::Close { server, .. }
            | Self::Requests { server, .. }
            | Self::Thread { server, .. } => server,
        }
    }
}

/// What is asked.
#[derive(Debug, Args)]
pub(crate) struct AskedArgs {
    /// What is asked for, in words; it is sealed
    #[arg(long, value_name = "TEXT")]
    pub(crate) text: String,
    /// Until when an answer is awaited: a day or a time [default: in 10 days]
    #[arg(long, value_name = "DAY", value_parser = moment)]
    pub(crate) due: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

fn digest(text: &str) -> Result<Digest, String> {
    let whole = if text.starts_with("sha256:") { text.to_owned() } else { format!("sha256:{text}") };
    whole.parse().map_err(|_| "a digest is sha256: and 64 hex digits".to_owned())
}

fn masked(text: &str) -> Result<MaskedField, String> {
    let names = MaskedField::ALL.map(MaskedField::as_str).join(", ");
    MaskedField::ALL.into_iter().find(|f| f.as_str() == text).ok_or_else(|| format!("one of: {names}"))
}
