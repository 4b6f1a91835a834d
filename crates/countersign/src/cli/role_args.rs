//! Arguments of `role`, `person leave` and `person return`.

use clap::{Args, Subcommand};
use countersign_model::Role;
use countersign_model::access::Combination;

use super::args::{Format, KeyArgs};
use super::server_args::ServerArgs;

#[derive(Debug, Args)]
pub(crate) struct RoleArgs {
    #[command(subcommand)]
    pub(crate) verb: RoleVerb,
}

fn role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|_| {
        let known: Vec<&str> = Role::ALL.iter().map(|r| r.as_str()).collect();
        format!("no such role; known are {}", known.join(", "))
    })
}

#[derive(Debug, Args)]
pub(crate) struct RoleOf {
    /// The person's name or id
    pub(crate) person: String,
    /// developer, engineer, release-manager, security-officer, compliance-officer, auditor or administrator
    #[arg(value_parser = role)]
    pub(crate) role: Role,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RoleVerb {
    /// Grant a role to somebody else; an administrator signs
    Grant {
        #[command(flatten)]
        of: RoleOf,
        /// The day or time from which it does not count any more [default: until it is revoked]
        #[arg(long, value_name = "DATE")]
        expires: Option<String>,
    },
    /// End a role of somebody; an administrator signs
    Revoke {
        #[command(flatten)]
        of: RoleOf,
    },
    /// List who holds which role, by whom, since when and until when
    List {
        /// Those that ended or expired as well
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show somebody's roles, those of before included, and what they may do
    Show {
        /// The person's name or id
        person: String,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show the rules for grants, or choose them anew; an officer signs
    Rules {
        /// A combination that no grant may make: approves-both-ways, releases-and-approves, administers-and-acts
        #[arg(long, value_name = "NAME", value_delimiter = ',')]
        refuse: Vec<Combination>,
        /// Refuse no combination
        #[arg(long, conflicts_with = "refuse")]
        refuse_none: bool,
        /// After how many days without a signed act an account is idle
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
        idle_days: Option<u16>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Which act takes which role
    Matrix {
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

impl RoleVerb {
    /// The server that does it, where one can.
    pub(crate) fn server(&self) -> Option<&ServerArgs> {
        match self {
            Self::Grant { of, .. } | Self::Revoke { of } => Some(&of.server),
            Self::List { server, .. } | Self::Show { server, .. } | Self::Rules { server, .. } => Some(server),
            Self::Matrix { .. } => None,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct PresenceArgs {
    /// The person's name or id
    pub(crate) person: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}
