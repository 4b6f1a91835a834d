//! Arguments of commands that speak with a server instead of a ledger.

use std::path::PathBuf;

use clap::Args;
use countersign_model::submission::GateClaim;

#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerArgs {
    /// Send it to this server, which does it by its own rules and policy; no ledger is needed here
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_SERVER", conflicts_with = "ledger")]
    pub(crate) server: Option<String>,
    /// A file with the token that is shown to the server [default: COUNTERSIGN_TOKEN]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct GateClaimArgs {
    /// What this pipeline says that a gate comes to; the server decides by itself, and a difference is recorded
    #[arg(long, value_name = "GATE=OUTCOME", requires = "server")]
    pub(crate) claim: Vec<GateClaim>,
}
