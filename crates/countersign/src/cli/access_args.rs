//! Arguments of `access`.

use std::ffi::OsString;

use clap::{Args, Subcommand};
use countersign_model::access::review::ReviewVerdict;

use super::args::{Format, KeyArgs};
use super::server_args::ServerArgs;

#[derive(Debug, Args)]
pub(crate) struct AccessArgs {
    #[command(subcommand)]
    pub(crate) verb: AccessVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccessVerb {
    /// Review all roles, keys and workloads
    Review(ReviewArgs),
    /// List the workloads that a review ended
    Workloads {
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Let a workload that a review ended show tokens again; a security officer signs
    Readmit {
        /// The workload, as `countersign access workloads` lists it
        workload: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ReviewArgs {
    #[command(subcommand)]
    pub(crate) verb: ReviewVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReviewVerb {
    /// Open a review: every role, key and workload that there is now, and who looks at it; an officer signs
    Open {
        /// The first day or time of the period it is for
        #[arg(long, value_name = "DATE")]
        from: String,
        /// The end of the period [default: now]
        #[arg(long, value_name = "DATE")]
        to: Option<String>,
        /// Until when lines are to be decided; what nobody decided by then ends when the review is closed
        #[arg(long, value_name = "DATE")]
        due: String,
        /// Who looks; may be given more than once [default: everybody who may review access]
        #[arg(long, value_name = "PERSON")]
        reviewer: Vec<String>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List reviews and what waits; ends with 11 while one is open
    List {
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show a review; with --mine the lines that wait for you, which is recorded
    Show {
        /// The review's id, the start of it, or `latest`
        #[arg(default_value = "latest")]
        review: String,
        /// The lines that wait for the holder of the key; the ledger remembers when they were shown
        #[arg(long)]
        mine: bool,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Decide lines of yours: keep, change or revoke; their reviewer signs
    Decide {
        /// The review's id, the start of it, or `latest`
        review: String,
        /// keep, change (ended and given anew before the review is closed, or it ends with it) or revoke
        decision: ReviewVerdict,
        /// Which lines; several with commas
        #[arg(long, value_name = "N", value_delimiter = ',', required_unless_present = "all_of")]
        line: Vec<u32>,
        /// All of this person's that you may decide
        #[arg(long, value_name = "PERSON", conflicts_with = "line")]
        all_of: Option<String>,
        /// Why; needed for what is not kept
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Tell those whose lines wait; for a scheduler
    Remind {
        /// A program that reads each message
        #[arg(long, value_name = "PROGRAM", required_unless_present = "webhook", conflicts_with = "webhook")]
        command: Option<OsString>,
        /// An address that takes each message by POST, over HTTPS or on this machine
        #[arg(long, value_name = "URL")]
        webhook: Option<String>,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// End what is to go, read the log again, and certify it; an officer signs, twice where something ends
    Close {
        /// The review's id, the start of it, or `latest`
        review: String,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

impl ReviewVerb {
    /// The server that does it, where one can.
    pub(crate) fn server(&self) -> Option<&ServerArgs> {
        match self {
            Self::Open { server, .. }
            | Self::List { server, .. }
            | Self::Show { server, .. }
            | Self::Decide { server, .. }
            | Self::Close { server, .. } => Some(server),
            Self::Remind { .. } => None,
        }
    }
}
