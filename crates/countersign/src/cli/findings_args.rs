//! Arguments of `findings`.

use clap::{Args, ValueEnum};
use countersign_model::Severity;
use countersign_store::findings::{SEVERITIES, Standing};

use super::args::Format;
use super::server_args::ServerArgs;

/// Which state is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AskedState {
    Open,
    Suppressed,
    Waived,
    Fixed,
    All,
}

impl AskedState {
    pub(crate) const fn standing(self) -> Option<Standing> {
        match self {
            Self::Open => Some(Standing::Open),
            Self::Suppressed => Some(Standing::Suppressed),
            Self::Waived => Some(Standing::Waived),
            Self::Fixed => Some(Standing::Fixed),
            Self::All => None,
        }
    }
}

fn severity(text: &str) -> Result<Severity, String> {
    let names: Vec<&str> = SEVERITIES.iter().map(|s| s.as_str()).collect();
    SEVERITIES.into_iter().find(|s| s.as_str() == text).ok_or_else(|| format!("one of {}", names.join(", ")))
}

#[derive(Debug, Args)]
pub(crate) struct FindingsArgs {
    /// Only those that stand so
    #[arg(long, value_enum, default_value_t = AskedState::Open)]
    pub(crate) state: AskedState,
    /// Only those of this severity: critical, high, medium, low or info
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub(crate) severity: Option<Severity>,
    /// Only those of this repository, by the identity that `run` prints
    #[arg(long, value_name = "IDENTITY")]
    pub(crate) repository: Option<String>,
    /// Only those of rules that serve this control
    #[arg(long, value_name = "ID")]
    pub(crate) control: Option<String>,
    /// Only those of this rule
    #[arg(long, value_name = "ID")]
    pub(crate) rule: Option<String>,
    /// Only open ones past the moment by which they were to be answered
    #[arg(long)]
    pub(crate) late: bool,
    /// So many at the most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}
