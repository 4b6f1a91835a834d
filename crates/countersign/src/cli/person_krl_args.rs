//! Arguments of `person krl`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::args::{Format, KeyArgs};
use super::server_args::ServerArgs;

#[derive(Debug, Args)]
pub(crate) struct PersonKrlArgs {
    #[command(subcommand)]
    pub(crate) verb: PersonKrlVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PersonKrlVerb {
    /// Say that what a revocation list of OpenSSH names counts no more; an administrator signs
    Import {
        /// The list, as `ssh-keygen -k -z NUMBER` makes it; its number is higher than that of the one before
        file: PathBuf,
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
    /// List the lists that were imported
    List {
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

impl PersonKrlVerb {
    /// The server that does it, where one is named.
    pub(crate) const fn server(&self) -> &ServerArgs {
        match self {
            Self::Import { server, .. } | Self::List { server, .. } => server,
        }
    }
}
