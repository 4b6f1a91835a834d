//! Arguments of `claim` and `suppression`: what people say of commits.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::args::{Format, KeyArgs};
use super::server_args::ServerArgs;

#[derive(Debug, Args)]
pub(crate) struct ClaimArgs {
    /// Commits or ranges (BASE..HEAD); a claim only ever adds a conflict of interest
    #[arg(required = true, value_name = "COMMIT")]
    pub(crate) commits: Vec<String>,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct SuppressionArgs {
    #[command(subcommand)]
    pub(crate) verb: SuppressionVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SuppressionVerb {
    /// List what the judged tree asks not to count
    List {
        /// The run
        #[arg(default_value = "latest")]
        run: String,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Grant requested suppressions; a security or compliance officer who wrote none of the change signs
    Grant {
        /// The run
        run: String,
        /// Fingerprints, or the start of them
        #[arg(value_name = "FINGERPRINT", required_unless_present_any = ["all", "baseline"])]
        fingerprints: Vec<String>,
        /// All that are asked for
        #[arg(long, conflicts_with = "fingerprints")]
        all: bool,
        /// All that FILE asks for: a baseline, `.gitleaksignore` or `.secrets.baseline` of the judged commit
        #[arg(long, value_name = "FILE", conflicts_with_all = ["fingerprints", "all"])]
        baseline: Option<PathBuf>,
        /// Why the risk is accepted
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// For how many days
        #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=365))]
        days: u16,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
}
