//! Arguments of `break-glass`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::args::{Format, KeyArgs};
use super::server_args::ServerArgs;

#[derive(Debug, Args)]
pub(crate) struct BreakGlassArgs {
    #[command(subcommand)]
    pub(crate) verb: BreakGlassVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BreakGlassVerb {
    /// Break the glass for a run, as a security officer, and issue a grant that goes past the gates
    Open(OpenArgs),
    /// Issue a further grant in an emergency that is open; a security officer signs, or a release manager
    Grant {
        /// The emergency: its id or the start of it
        emergency: String,
        /// The run
        run: String,
        /// Where to write the grant [default: beside the ledger's keys in the data directory; with --server none]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Close an emergency before its time, as a security officer
    Close {
        /// The emergency: its id or the start of it
        emergency: String,
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
    /// Sign that it was an emergency, as a security or compliance officer who took no part
    Ratify {
        /// The emergency: its id or the start of it
        emergency: String,
        /// What you looked at, and that you stand for it
        #[arg(long, value_name = "TEXT")]
        statement: String,
        /// It was due before now: it clears the environment, and stays on record as late
        #[arg(long)]
        late: bool,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Review an emergency afterwards, as somebody who took no part
    Review {
        /// The emergency: its id or the start of it
        emergency: String,
        /// What was found
        #[arg(long, value_name = "TEXT")]
        findings: String,
        /// Why it came to that
        #[arg(long, value_name = "TEXT")]
        root_cause: String,
        /// What is done so that it does not again
        #[arg(long, value_name = "TEXT")]
        corrective_action: String,
        /// It was due before now: it clears the environment, and stays on record as late
        #[arg(long)]
        late: bool,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List emergencies with what they owe
    List {
        /// Only those of which something is overdue; exit 11 when there are any
        #[arg(long)]
        due: bool,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show one emergency, and everything it left behind
    Show {
        /// The emergency: its id or the start of it
        emergency: String,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Tell the owners of the gate `release` what is overdue, step by step of their ladder; for a scheduler
    Notify {
        /// A program that reads each message
        #[arg(long, value_name = "PROGRAM", required_unless_present = "webhook", conflicts_with = "webhook")]
        command: Option<OsString>,
        /// An address that takes each message by POST, over HTTPS or on this machine
        #[arg(long, value_name = "URL")]
        webhook: Option<String>,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

impl BreakGlassVerb {
    /// The server that does it, where one can.
    pub(crate) fn server(&self) -> Option<&ServerArgs> {
        match self {
            Self::Open(args) => Some(&args.server),
            Self::Grant { server, .. }
            | Self::Close { server, .. }
            | Self::Ratify { server, .. }
            | Self::Review { server, .. }
            | Self::List { server, .. }
            | Self::Show { server, .. }
            | Self::Notify { server, .. } => Some(server),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// The run that is to go past the gates
    #[arg(default_value = "latest")]
    pub(crate) run: String,
    /// The environment
    #[arg(long, value_name = "ENV")]
    pub(crate) environment: String,
    /// For all repositories of this application, instead of the run's
    #[arg(long, value_name = "ID")]
    pub(crate) application: Option<String>,
    /// For any commit, instead of the run's
    #[arg(long)]
    pub(crate) any_commit: bool,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// The ticket of the incident
    #[arg(long, value_name = "ID")]
    pub(crate) ticket: String,
    /// For how many minutes
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=1440))]
    pub(crate) minutes: u16,
    /// Within how many hours it is ratified
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=72))]
    pub(crate) ratify_hours: u16,
    /// Within how many days it is reviewed
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=14))]
    pub(crate) review_days: u16,
    /// Where to write the grant [default: beside the ledger's keys in the data directory; with --server none]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}
