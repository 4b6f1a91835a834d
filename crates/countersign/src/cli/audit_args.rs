//! Arguments of `audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use countersign_model::GrantId;

use super::args::Format;
use super::audit_furnish_args::{FurnishArgs, MockArgs};
use super::audit_thread_args::ThreadVerb;
use super::catalogue_args::WindowArgs;
use super::oscal_args::{CalmArgs, OscalArgs};
use super::stamp_args::StampArgs;

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    pub(crate) verb: AuditVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditVerb {
    /// Make an evidence pack: of one deployment, or of a period
    Pack(PackArgs),
    /// List everything that a control was applied to, and seal the list
    Population(PopulationArgs),
    /// Draw a sample of a sealed population by the auditor's seed
    Sample(SampleArgs),
    /// Hold what happened against other sources: the protected branch, a list of deployments from elsewhere
    Reconcile(ReconcileArgs),
    /// Rehearse an audit: what automated evidence alone says of a quarter, and what people would have to add
    Mock(MockArgs),
    /// Record what regulators ask for, and hand it over
    Furnish(FurnishArgs),
    #[command(flatten)]
    Thread(ThreadVerb),
    /// Write an OSCAL document: catalog, component definition, assessment results, plan of action, mapping
    Oscal(OscalArgs),
    /// Write documents for an architecture in CALM (FINOS): deployments, evidence of controls
    Calm(CalmArgs),
    /// List deployments, packs, populations and samples
    List {
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PackArgs {
    /// One deployment, by its grant (countersign audit list)
    #[arg(long, value_name = "GRANT", conflicts_with_all = ["from", "to", "application", "framework", "control"], value_parser = grant)]
    pub(crate) deployment: Option<GrantId>,
    #[command(flatten)]
    pub(crate) window: WindowArgs,
    /// Deployments of this application alone; may be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) application: Vec<String>,
    /// List the controls of this framework alone; may be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) framework: Vec<String>,
    /// List this control alone; may be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) control: Vec<String>,
    /// Leave out people's names: everybody is called by their id
    #[arg(long)]
    pub(crate) mask: bool,
    /// Write each table as Parquet too
    #[cfg(feature = "parquet")]
    #[arg(long)]
    pub(crate) parquet: bool,
    #[command(flatten)]
    pub(crate) stamp: StampArgs,
    /// The file; one that is there is never replaced [default: evidence-GRANT.zip, evidence-FROM-TO.zip]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

pub(super) fn grant(text: &str) -> Result<GrantId, String> {
    let digits = text.strip_prefix(GrantId::PREFIX).unwrap_or_default();
    let is_id = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    is_id.then(|| GrantId::from_text(text)).ok_or_else(|| format!("a grant is {} and 20 hex digits", GrantId::PREFIX))
}

/// Formats of a population.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
    /// The members as they are sealed, a line of canonical JSON each.
    Jsonl,
}

#[derive(Debug, Args)]
pub(crate) struct PopulationArgs {
    /// The control's id (countersign control list)
    #[arg(long, value_name = "ID")]
    pub(crate) control: String,
    #[command(flatten)]
    pub(crate) window: WindowArgs,
    /// Of this application alone; may be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) application: Vec<String>,
    /// Seal it in the ledger, before a sample is drawn
    #[arg(long)]
    pub(crate) seal: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct SampleArgs {
    /// The entry that seals the population (countersign audit list)
    #[arg(long, value_name = "ENTRY")]
    pub(crate) population: u64,
    /// The auditor's seed, named after the population was sealed
    #[arg(long, value_name = "TEXT")]
    pub(crate) seed: String,
    /// How many [default: what is usual for the control's frequency: yearly 1, quarterly 2, monthly 5, weekly 15, more often 25]
    #[arg(long, value_name = "N", conflicts_with = "all", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) size: Option<u64>,
    /// All of them: 100 % testing
    #[arg(long)]
    pub(crate) all: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct ReconcileArgs {
    #[command(flatten)]
    pub(crate) window: WindowArgs,
    /// A list of deployments from elsewhere: CSV with the columns `environment` and `commit`
    #[arg(long, value_name = "FILE")]
    pub(crate) deployments: Option<PathBuf>,
    /// The protected branch: each commit of its first-parent line is held against the runs
    #[arg(long, value_name = "BRANCH")]
    pub(crate) branch: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}
