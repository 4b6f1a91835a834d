//! Arguments of `enforcement`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::args::{Format, KeyArgs};
use super::server_args::ServerArgs;

#[derive(Debug, Args)]
pub(crate) struct EnforcementArgs {
    #[command(subcommand)]
    pub(crate) verb: EnforcementVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EnforcementVerb {
    /// Check an enforcement file, and show the levels that follow from it; changes nothing
    Check {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Put the levels of a file in effect; a security or compliance officer signs
    Activate {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
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
    /// Show the levels in effect
    Show {
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show what a file would change
    Diff {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Let pass what is soft and holds a run up; whoever the assignment names signs, and is no author of the change
    Override {
        /// The run: its id or the start of it, its commit, or `latest`
        run: String,
        /// Only what concerns this control; may be repeated
        #[arg(long, value_name = "ID")]
        control: Vec<String>,
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
