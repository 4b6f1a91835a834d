//! Arguments of `notify`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::args::Format;

#[derive(Debug, Args)]
pub(crate) struct NotifyArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<NotifyVerb>,
    /// Show what would be sent, through which channel; nothing is sent or recorded
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Try again what was given up
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) again: bool,
    #[command(flatten)]
    pub(crate) channels: ChannelsArgs,
    /// Where people reach the server, for links: https://HOST [default: `server` in notify.toml]
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) origin: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text, global = true)]
    pub(crate) format: Format,
}

/// Where channels are described.
#[derive(Debug, Default, Args)]
pub(crate) struct ChannelsArgs {
    /// The file that describes channels [default: notify.toml in the data directory]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) channels: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NotifyVerb {
    /// Send a message that is marked as a test through a channel; nothing of it is recorded
    Test {
        /// The channel's name
        channel: String,
    },
    /// Show every channel: what it was told, what waits, what failed and why
    Status,
}
