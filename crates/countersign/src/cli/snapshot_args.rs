//! Arguments of `snapshot` and `drift`.

use std::path::PathBuf;

use clap::Args;

use super::args::Format;
use super::server_args::ServerArgs;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["kubernetes", "sums", "file"]))]
pub(crate) struct SnapshotArgs {
    /// The environment
    #[arg(value_name = "ENVIRONMENT")]
    pub(crate) environment: String,
    /// What `kubectl get pods --all-namespaces --output json` prints; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) kubernetes: Option<PathBuf>,
    /// What `sha256sum FILE ...` prints on the machines of the environment; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) sums: Option<PathBuf>,
    /// A file that runs on this machine; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,
    /// Only what runs of this application was looked at; may be repeated [default: all that runs in the environment]
    #[arg(long, value_name = "ID")]
    pub(crate) application: Vec<String>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct DriftArgs {
    /// The environment [default: every environment]
    #[arg(value_name = "ENVIRONMENT")]
    pub(crate) environment: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}
