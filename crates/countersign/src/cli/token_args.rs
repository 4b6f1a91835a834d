//! Arguments of `token`.

use clap::{Args, Subcommand};
use countersign_model::access::token::TokenScope;

use super::args::{Format, KeyArgs};
use super::server_args::ServerArgs;

#[derive(Debug, Args)]
pub(crate) struct TokenCommand {
    #[command(subcommand)]
    pub(crate) verb: TokenVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenVerb {
    /// Make a token that reads in your name; it is printed once, and nowhere else
    Issue {
        /// What it opens: read (what everybody with a role may look at), audit (people and audits besides), submit (sending commits and files),
        /// approve (handing in approvals and grants), deploy (redeeming grants), observe (saying what runs)
        #[arg(long, value_name = "SCOPE", default_value = "read", value_delimiter = ',')]
        scope: Vec<TokenScope>,
        /// An application to whose repositories it is limited; may be repeated
        #[arg(long, value_name = "ID")]
        application: Vec<String>,
        /// A repository to which it is limited, or which it opens besides, by the identity that `run` prints; may be repeated
        #[arg(long, value_name = "IDENTITY")]
        repository: Vec<String>,
        /// For how many days, 90 at the most
        #[arg(long, value_name = "N", default_value_t = 30)]
        days: i64,
        #[command(flatten)]
        key: KeyArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// End a token: your own, or as an administrator or security officer anybody's
    Revoke {
        /// The beginning of its digest, as `token list` shows it
        token: String,
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
    /// List tokens, and whether they still count
    List {
        /// The person's name or id [default: everybody]
        person: Option<String>,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}
