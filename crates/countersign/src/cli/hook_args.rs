//! Arguments of `hook`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::args::Format;

#[derive(Debug, Args)]
pub(crate) struct HookArgs {
    #[command(subcommand)]
    pub(crate) verb: HookVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HookVerb {
    /// Install the hooks pre-commit, commit-msg and pre-push; hooks that are there go first
    Install {
        /// For every repository of this user, through core.hooksPath
        #[arg(long, conflicts_with = "repo")]
        global: bool,
    },
    /// Show which hooks are there, and whether they are ours and current; exit code 12 unless all are
    Status {
        /// Those for every repository of this user
        #[arg(long, conflicts_with = "repo")]
        global: bool,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Remove the hooks and put back those that were there before
    Uninstall {
        /// Those for every repository of this user
        #[arg(long, conflicts_with = "repo")]
        global: bool,
    },
    /// What a hook runs; says nothing when there is nothing to say
    Run {
        #[command(subcommand)]
        hook: HookRun,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum HookRun {
    /// Look at what is staged
    PreCommit {
        /// What else the caller hands over; not looked at
        #[arg(hide = true)]
        rest: Vec<PathBuf>,
    },
    /// Look at a commit's message
    CommitMsg {
        /// The file that holds it
        file: PathBuf,
    },
    /// Look at the commits that are pushed; git names them on standard input
    PrePush {
        /// The remote's name
        remote: Option<String>,
        /// The remote's address
        url: Option<String>,
    },
}
