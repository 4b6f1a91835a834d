//! The command lines of `lsp` and `secrets`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct LspArgs {
    /// Further rule files or directories
    #[arg(long, value_name = "PATH")]
    pub(crate) rules: Vec<PathBuf>,
    /// Speak over standard input and output; there is no other way, and editors say so all the same
    #[arg(long)]
    pub(crate) stdio: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SecretsArgs {
    #[command(subcommand)]
    pub(crate) verb: SecretsVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretsVerb {
    /// Say what a rule looks for, why, and how such a credential is rotated
    Explain {
        /// The rule's id, with or without its family, or an id under which another tool knows it
        rule: String,
        /// A file that such a value is in: says what may stand there instead
        #[arg(long, value_name = "FILE")]
        path: Option<PathBuf>,
        /// Further rule files or directories
        #[arg(long, value_name = "PATH")]
        rules: Vec<PathBuf>,
    },
    /// Write a new rule, or try rules
    Rule(RuleArgs),
    /// Walk through the open findings and note what each of them is
    Audit(AuditArgs),
    /// Print what is to be done about one finding
    Checklist {
        /// The finding: its fingerprint or the start of it, or its place as PATH:LINE
        finding: String,
        /// What to look at
        #[arg(default_value = ".")]
        path: PathBuf,
        /// Further rule files or directories
        #[arg(long, value_name = "PATH")]
        rules: Vec<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RuleArgs {
    #[command(subcommand)]
    pub(crate) verb: RuleVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RuleVerb {
    /// Write a rule file to begin with
    New {
        /// The rule's id: `secrets/acme-api-key`
        id: String,
        /// The directory of rules; the file is named after the id below it
        #[arg(long, value_name = "DIR", default_value = "rules")]
        dir: PathBuf,
    },
    /// Check rule files: what they say, and whether their examples do what they should
    Test {
        /// Rule files, or directories of them
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// What to look at
    #[arg(default_value = ".")]
    pub(crate) path: PathBuf,
    /// Ask again about what has an answer
    #[arg(long)]
    pub(crate) again: bool,
    /// Further rule files or directories
    #[arg(long, value_name = "PATH")]
    pub(crate) rules: Vec<PathBuf>,
}
