//! Arguments of `audit oscal` and `audit calm`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use countersign_govern::audit::oscal;
use countersign_model::{GrantId, Timestamp};

use super::audit_args::grant;
use super::catalogue_args::{WindowArgs, moment};

/// Documents of OSCAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Document {
    /// The firm's controls; with --framework, the requirements of these.
    Catalog,
    /// Which requirements are met by what.
    ComponentDefinition,
    /// What an assessment of a window came to.
    AssessmentResults,
    /// What is open, and until when.
    #[value(alias = "plan-of-action-and-milestones")]
    Poam,
    /// From the firm's controls to the requirements of frameworks.
    MappingCollection,
}

impl From<Document> for oscal::Kind {
    fn from(document: Document) -> Self {
        match document {
            Document::Catalog => Self::Catalog,
            Document::ComponentDefinition => Self::ComponentDefinition,
            Document::AssessmentResults => Self::AssessmentResults,
            Document::Poam => Self::Poam,
            Document::MappingCollection => Self::MappingCollection,
        }
    }
}

/// Which time. Nothing of it is read from the clock.
#[derive(Debug, Args)]
pub(crate) struct Until {
    /// From when on: a day (2026-01-01, its first moment in UTC) or a time [default: 90 days before --to]
    #[arg(long, value_name = "DAY", value_parser = moment)]
    pub(crate) from: Option<Timestamp>,
    /// Before when [default: up to the newest entry of the log, and that included]
    #[arg(long, value_name = "DAY", value_parser = moment)]
    pub(crate) to: Option<Timestamp>,
}

impl Until {
    /// Whether it says anything.
    pub(crate) const fn is_said(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    /// As it would be said where the clock is the default.
    pub(crate) const fn or(&self, to: Timestamp) -> WindowArgs {
        let to = match self.to {
            Some(said) => said,
            None => to,
        };
        WindowArgs { from: self.from, to: Some(to) }
    }
}

#[derive(Debug, Args)]
pub(crate) struct OscalArgs {
    /// Which document
    #[arg(value_enum, value_name = "DOCUMENT")]
    pub(crate) document: Document,
    /// Of this framework alone; may be repeated [default: all]
    #[arg(long, value_name = "ID")]
    pub(crate) framework: Vec<String>,
    #[command(flatten)]
    pub(crate) window: Until,
    /// The file; one that is there is never replaced [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CalmArgs {
    #[command(subcommand)]
    pub(crate) verb: CalmVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CalmVerb {
    /// Write a deployment as a decorator of an architecture
    Deployment(CalmDeploymentArgs),
    /// Write what shows that a control worked, as evidence
    Evidence(CalmEvidenceArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CalmDeploymentArgs {
    /// The deployment, by its grant (countersign audit list)
    #[arg(long, value_name = "GRANT", value_parser = grant)]
    pub(crate) deployment: GrantId,
    /// The architecture, a file or an address; may be repeated. In a file the nodes are looked up
    #[arg(long, value_name = "FILE|URL", required = true)]
    pub(crate) architecture: Vec<String>,
    /// The unique id of what was deployed; may be repeated
    #[arg(long, value_name = "ID", required = true)]
    pub(crate) node: Vec<String>,
    /// The file; one that is there is never replaced [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CalmEvidenceArgs {
    /// The control's id (countersign control list)
    #[arg(long, value_name = "ID")]
    pub(crate) control: String,
    /// Where the architecture has the control's configuration
    #[arg(long, value_name = "URL")]
    pub(crate) config_url: String,
    #[command(flatten)]
    pub(crate) window: Until,
    /// Where else the evidence is, such as a pack; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Vec<String>,
    /// The file; one that is there is never replaced [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}
