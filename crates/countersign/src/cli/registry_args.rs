//! Arguments of `application` and `environment`.

use clap::{Args, Subcommand};
use countersign_model::access::freezes::Window;
use countersign_model::governance::{CardholderScope, Criticality, DataClass, Tier};

use super::args::{Format, KeyArgs};
use super::server_args::ServerArgs;

#[derive(Debug, Args)]
pub(crate) struct ApplicationArgs {
    #[command(subcommand)]
    pub(crate) verb: ApplicationVerb,
}

/// What an application is.
#[derive(Debug, Args)]
pub(crate) struct ApplicationDetails {
    /// What people call it [default when registering: its id]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Who answers for it: a person's name or id
    #[arg(long, value_name = "PERSON")]
    pub(crate) owner: Option<String>,
    /// Who does when the owner is away; `none` takes the deputy away
    #[arg(long, value_name = "PERSON")]
    pub(crate) deputy: Option<String>,
    /// How much depends on it: low, medium, high or critical
    #[arg(long, value_name = "CRITICALITY")]
    pub(crate) criticality: Option<Criticality>,
    /// The kinds of data it holds, all of them: public, internal, client-confidential, market-sensitive, personal, cardholder
    #[arg(long, value_name = "CLASS", value_delimiter = ',')]
    pub(crate) data: Vec<DataClass>,
    /// Whether it belongs to the cardholder data environment: in, connected or out
    #[arg(long, value_name = "SCOPE")]
    pub(crate) cardholder_scope: Option<CardholderScope>,
    /// Whether financial reporting rests on it (SOX 404): yes or no
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    pub(crate) sox_key_system: Option<bool>,
    /// A repository of it, by the identity that `run` prints; may be repeated
    #[arg(long, value_name = "IDENTITY")]
    pub(crate) repository: Vec<String>,
    /// The repository around the current directory is one of it
    #[arg(long)]
    pub(crate) this_repository: bool,
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("yes or no".to_owned()),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApplicationVerb {
    /// Register an application; an administrator signs, or a release manager where nothing becomes weaker
    Register {
        /// Its id: a-z, 0-9, `-`, `_` and `.`
        id: String,
        #[command(flatten)]
        details: ApplicationDetails,
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
    /// Change what is named, and leave the rest as it is
    Change {
        /// Its id
        id: String,
        #[command(flatten)]
        details: ApplicationDetails,
        /// A repository that does not belong to it any more; may be repeated
        #[arg(long, value_name = "IDENTITY")]
        without_repository: Vec<String>,
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
    /// List applications
    List {
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show one application
    Show {
        /// Its id
        id: String,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Retire an application, as an administrator; its repositories are judged by the strictest default from then on
    Retire {
        /// Its id
        id: String,
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

impl ApplicationVerb {
    /// The server that does it, where one is named.
    pub(crate) const fn server(&self) -> &ServerArgs {
        match self {
            Self::Register { server, .. }
            | Self::Change { server, .. }
            | Self::List { server, .. }
            | Self::Show { server, .. }
            | Self::Retire { server, .. } => server,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct EnvironmentArgs {
    #[command(subcommand)]
    pub(crate) verb: EnvironmentVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EnvironmentVerb {
    /// Register an environment; an administrator signs, or a release manager where it is of the tier production
    Register {
        /// Its id, as `run --env` names it
        id: String,
        /// What it is for: development, test, pre-production or production
        #[arg(long, value_name = "TIER")]
        tier: Tier,
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
    /// Put an environment into another tier
    Change {
        /// Its id
        id: String,
        /// What it is for: development, test, pre-production or production
        #[arg(long, value_name = "TIER")]
        tier: Tier,
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
    /// List environments
    List {
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show one environment: whether it is open, what runs there, and what emergencies in it owe
    Show {
        /// Its id
        id: String,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Change freezes: nothing is deployed, whoever permits it, unless the glass is broken
    Freeze {
        #[command(subcommand)]
        verb: FreezeVerb,
    },
    /// Say in which hours of the week an environment is open, as an officer; without any: always
    Windows {
        /// The environment
        id: String,
        /// A window: days, hours, and the offset from UTC; may be repeated
        #[arg(long = "window", value_name = "'mon-thu 20:00-23:30 +01:00'")]
        window: Vec<Window>,
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
    /// Retire an environment, as an administrator; what is released to it is judged by the strictest default from then on
    Retire {
        /// Its id
        id: String,
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

#[derive(Debug, Subcommand)]
pub(crate) enum FreezeVerb {
    /// Freeze an environment; a release manager signs, an officer or an administrator
    Add {
        /// The environment
        environment: String,
        /// From when [default: now]
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Until when [default: until it is lifted]
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
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
    /// Lift a freeze before its end; an officer signs who did not put it in place
    Lift {
        /// The freeze: its id or the start of it
        freeze: String,
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
    /// List freezes, those that are over included
    List {
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

impl EnvironmentVerb {
    /// The server that does it, where one is named.
    pub(crate) const fn server(&self) -> &ServerArgs {
        match self {
            Self::Register { server, .. }
            | Self::Change { server, .. }
            | Self::List { server, .. }
            | Self::Show { server, .. }
            | Self::Windows { server, .. }
            | Self::Retire { server, .. } => server,
            Self::Freeze { verb } => verb.server(),
        }
    }
}

impl FreezeVerb {
    const fn server(&self) -> &ServerArgs {
        match self {
            Self::Add { server, .. } | Self::Lift { server, .. } | Self::List { server, .. } => server,
        }
    }
}
