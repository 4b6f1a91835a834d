//! Arguments of `framework`, `control` and `assess`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use countersign_model::Timestamp;
use countersign_model::retention::Day;

use super::args::Format;

#[derive(Debug, Args)]
pub(crate) struct FrameworkArgs {
    #[command(subcommand)]
    pub(crate) verb: FrameworkVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FrameworkVerb {
    /// List the frameworks that are known here
    List {
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show the requirements of a framework, and the controls that meet them
    Show {
        /// The framework's id
        framework: String,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Read a published catalogue into a framework of this project: Gemara (FINOS Common Cloud Controls) or FINOS SDLC controls
    Import {
        /// YAML files of one catalogue, or Markdown files of mitigations, or a directory with either
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The id that the framework gets [default: what the files say]
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// Where the files are from
        #[arg(long, value_name = "URL", default_value = "imported from files")]
        source: String,
        /// The terms under which its text may be used [default: those that its publisher is known for]
        #[arg(long, value_name = "TEXT")]
        licence: Option<String>,
        /// Where the framework is written [default: ID.yaml in `frameworks/` of the project's catalogue]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Replace a file that is there
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ControlArgs {
    #[command(subcommand)]
    pub(crate) verb: ControlVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ControlVerb {
    /// List the controls that are known here
    List {
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show a control: objective, owner, rule, and the requirements it meets
    Show {
        /// The control's id
        control: String,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Try the examples of controls: each must pass or fail as its file says
    Test {
        /// Controls [default: all]
        #[arg(value_name = "CONTROL")]
        controls: Vec<String>,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Certify that a control did not change over a period, and list every time it worked (PCAOB AS 2201 .B28-.B31)
    Certificate {
        /// The control's id
        control: String,
        #[command(flatten)]
        window: WindowArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

/// Which time.
#[derive(Debug, Args)]
pub(crate) struct WindowArgs {
    /// From when on: a day (2026-01-01, its first moment in UTC) or a time [default: 90 days before --to]
    #[arg(long, value_name = "DAY", value_parser = moment)]
    pub(crate) from: Option<Timestamp>,
    /// Before when [default: now]
    #[arg(long, value_name = "DAY", value_parser = moment)]
    pub(crate) to: Option<Timestamp>,
}

pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    let day = text.parse::<Day>().ok().and_then(Day::start);
    day.or_else(|| text.parse().ok())
        .ok_or_else(|| "write a day, 2026-01-01, or a time, 2026-01-01T12:00:00Z".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct AssessArgs {
    /// One framework [default: all]
    #[arg(long, value_name = "ID")]
    pub(crate) framework: Option<String>,
    #[command(flatten)]
    pub(crate) window: WindowArgs,
    /// Append the result to the ledger, with the version of every control: what certificates rest on later
    #[arg(long, conflicts_with = "framework")]
    pub(crate) record: bool,
    /// Write the facts that the controls judged
    #[arg(long, value_name = "FILE")]
    pub(crate) facts: Option<PathBuf>,
    /// How many of the newest decisions are computed again
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) repeat: usize,
    /// Output format
    #[arg(long, value_enum, default_value_t = AssessFormat::Text)]
    pub(crate) format: AssessFormat,
}

/// Formats of an assessment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AssessFormat {
    /// For people.
    Text,
    /// For programs; versioned, with a JSON schema in `schemas/`.
    Json,
    /// A page that needs nothing else.
    Html,
}
