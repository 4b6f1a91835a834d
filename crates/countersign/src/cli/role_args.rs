//! Arguments of `role`.

use clap::{Args, Subcommand};
use countersign_model::Role;

use super::args::{Format, KeyArgs};

#[derive(Debug, Args)]
pub(crate) struct RoleArgs {
    #[command(subcommand)]
    pub(crate) verb: RoleVerb,
}

fn role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|_| {
        let known: Vec<&str> = Role::ALL.iter().map(|r| r.as_str()).collect();
        format!("no such role; known are {}", known.join(", "))
    })
}

#[derive(Debug, Subcommand)]
pub(crate) enum RoleVerb {
    /// Which act takes which role
    Matrix {
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Grant a role; an administrator signs
    Grant {
        /// The person's name or id
        person: String,
        /// developer, engineer, release-manager, security-officer, compliance-officer, auditor or administrator
        #[arg(value_parser = role)]
        role: Role,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        key: KeyArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}
