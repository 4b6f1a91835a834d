//! Arguments of `person ca`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_model::Timestamp;
use countersign_model::access::CertificateUse;

use super::args::{Format, KeyArgs};
use super::person_key_args::moment;
use super::server_args::ServerArgs;

#[derive(Debug, Args)]
pub(crate) struct PersonCaArgs {
    #[command(subcommand)]
    pub(crate) verb: PersonCaVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PersonCaVerb {
    /// Let OpenSSH certificates by this key say whose keys are, or let it speak for more people; an administrator signs
    Add {
        /// The authority's SSH public key
        #[arg(value_name = "FILE.pub")]
        ca: PathBuf,
        /// Names or ids of the people whom its certificates may name, by their id as principal
        #[arg(long = "for", value_name = "PERSON", required = true, num_args = 1..)]
        people: Vec<String>,
        /// What its certificates are good for: acts, commits [default: both]
        #[arg(long = "use", value_name = "USE", value_delimiter = ',')]
        uses: Vec<CertificateUse>,
        /// What it certifies counts from this day or moment on
        #[arg(long, value_name = "TIME", value_parser = moment)]
        valid_after: Option<Timestamp>,
        /// What it certifies counts before this day or moment
        #[arg(long, value_name = "TIME", value_parser = moment)]
        valid_before: Option<Timestamp>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Say that an authority, and every key that it certified, is not believed any more; an administrator signs
    Revoke {
        /// The authority's fingerprint, or the start of it
        fingerprint: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Since when somebody else may have had it: approvals since then by keys that it certified count no more
        #[arg(long, value_name = "TIME", value_parser = moment)]
        compromised_since: Option<Timestamp>,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List the authorities
    List {
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

impl PersonCaVerb {
    /// The server that does it, where one is named.
    pub(crate) const fn server(&self) -> &ServerArgs {
        match self {
            Self::Add { server, .. } | Self::Revoke { server, .. } | Self::List { server, .. } => server,
        }
    }
}
