//! The command line of `lsp`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct LspArgs {
    /// Further rule files or directories
    #[arg(long, value_name = "PATH")]
    pub(crate) rules: Vec<PathBuf>,
    /// Speak over standard input and output; there is no other way, and editors say so all the same
    #[arg(long)]
    pub(crate) stdio: bool,
}
