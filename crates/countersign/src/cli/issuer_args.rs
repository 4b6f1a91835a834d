//! Arguments of `issuer`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::args::{Format, KeyArgs};
use super::server_args::ServerArgs;

#[derive(Debug, Args)]
pub(crate) struct IssuerArgs {
    #[command(subcommand)]
    pub(crate) verb: IssuerVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum IssuerVerb {
    /// Check a file of issuers; changes nothing
    Check {
        /// The file [default: the one that ships with this program]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Only this entry; may be repeated
        #[arg(long, value_name = "ID")]
        only: Vec<String>,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Put issuers in effect; a security officer signs
    Activate {
        /// The file [default: the one that ships with this program]
        #[arg(value_name = "FILE", required_unless_present = "only")]
        file: Option<PathBuf>,
        /// Only this entry; may be repeated
        #[arg(long, value_name = "ID")]
        only: Vec<String>,
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
    /// Show the issuers in effect
    Show {
        /// Print the file that ships with this program instead
        #[arg(long)]
        shipped: bool,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List the workloads that showed a token, with what they proved
    Workloads {
        /// Of this run alone
        #[arg(long, value_name = "RUN")]
        run: Option<String>,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}
