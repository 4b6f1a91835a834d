//! Arguments that jobs of CI systems use.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// An identity token of the job, in a file or on standard input (`-`)
    /// [default: COUNTERSIGN_ID_TOKEN, else the one that GitHub Actions hands out, where issuers are in effect]
    #[arg(long, value_name = "FILE|-")]
    pub(crate) identity_token: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SummaryArgs {
    /// Append a summary in markdown to this file [default: GITHUB_STEP_SUMMARY]
    #[arg(long, value_name = "FILE")]
    pub(crate) summary: Option<PathBuf>,
}
