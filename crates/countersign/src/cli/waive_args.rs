//! Arguments of `waive`.

use clap::{Args, Subcommand};
use countersign_model::Timestamp;
use countersign_model::governance::{Tier, WaiverCategory};

use super::args::{Format, KeyArgs};
use super::server_args::ServerArgs;

#[derive(Debug, Args)]
pub(crate) struct WaiveArgs {
    #[command(subcommand)]
    pub(crate) verb: WaiveVerb,
}

fn time(text: &str) -> Result<Timestamp, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    whole.parse().map_err(|_| "a day (2026-12-31) or a time (2026-12-31T18:00:00Z)".to_owned())
}

#[derive(Debug, Subcommand)]
pub(crate) enum WaiveVerb {
    /// Ask that a broken control may stand for a while; somebody else grants it
    Request(Box<RequestArgs>),
    /// Grant a waiver that somebody else asked for; a compliance officer signs where it is waived, a security officer where mitigated
    Grant {
        /// The waiver: its id or the start of it
        waiver: String,
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
    /// Refuse a waiver, or take your own request back; an officer signs, or whoever asked
    Reject {
        /// The waiver: its id or the start of it
        waiver: String,
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
    /// End a waiver before its time; an officer signs, or whoever asked
    Revoke {
        /// The waiver: its id or the start of it
        waiver: String,
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
    /// Ask that a waiver goes on, with the same scope; somebody else grants it
    Renew {
        /// The waiver: its id or the start of it
        waiver: String,
        /// What could still happen, and why that is accepted
        #[arg(long, value_name = "TEXT")]
        accept: String,
        /// For how many days from now
        #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=365))]
        days: u16,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List every waiver with where it stands, those that are over included
    List {
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show one waiver, and everything that was said about it
    Show {
        /// The waiver: its id or the start of it
        waiver: String,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

impl WaiveVerb {
    /// The server that does it, where one can.
    pub(crate) fn server(&self) -> Option<&ServerArgs> {
        match self {
            Self::Request(args) => Some(&args.server),
            Self::Grant { server, .. }
            | Self::Reject { server, .. }
            | Self::Revoke { server, .. }
            | Self::Renew { server, .. }
            | Self::List { server, .. }
            | Self::Show { server, .. } => Some(server),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    /// The control that is broken; may be repeated. What concerns another control as well is not covered
    #[arg(long, value_name = "ID", required = true)]
    pub(crate) control: Vec<String>,
    /// Only for this application
    #[arg(long, value_name = "ID")]
    pub(crate) application: Option<String>,
    /// Only for this repository, by the identity that `run` prints
    #[arg(long, value_name = "IDENTITY", conflicts_with = "this_repository")]
    pub(crate) repository: Option<String>,
    /// Only for the repository around the current directory
    #[arg(long)]
    pub(crate) this_repository: bool,
    /// Only for this environment
    #[arg(long, value_name = "ID")]
    pub(crate) environment: Option<String>,
    /// Only for environments of this tier
    #[arg(long, value_name = "TIER")]
    pub(crate) tier: Option<Tier>,
    /// Only findings at these paths; `*` stays within a directory, `**` crosses them
    #[arg(long, value_name = "GLOB")]
    pub(crate) path: Option<String>,
    /// Only findings of these rules
    #[arg(long, value_name = "GLOB")]
    pub(crate) rule: Option<String>,
    /// Only this finding: its fingerprint, or the start of that of a finding in the latest run
    #[arg(long, value_name = "FINGERPRINT")]
    pub(crate) finding: Option<String>,
    /// waived: the risk is accepted; mitigated: another control meets the objective
    #[arg(long, value_name = "CATEGORY", default_value = "waived")]
    pub(crate) category: WaiverCategory,
    /// The control that meets the objective instead
    #[arg(long, value_name = "ID")]
    pub(crate) compensating: Option<String>,
    /// What could happen, and why that is accepted; without names of people
    #[arg(long, value_name = "TEXT")]
    pub(crate) accept: String,
    /// From when [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) from: Option<Timestamp>,
    /// For how many days
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=365))]
    pub(crate) days: u16,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}
