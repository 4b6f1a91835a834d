//! Arguments of `runbook`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::args::Format;

/// Formats of the runbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PageFormat {
    /// Markdown.
    Md,
    /// One HTML file that needs nothing else, and prints well.
    Html,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct RunbookArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<RunbookVerb>,
    /// Its format
    #[arg(long, value_enum, default_value_t = PageFormat::Md)]
    pub(crate) format: PageFormat,
    /// Where to write it [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunbookVerb {
    /// Say what is wrong with how the gates are set up; exit 10 where something is
    Lint {
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}
