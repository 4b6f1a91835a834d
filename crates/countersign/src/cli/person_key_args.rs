//! Arguments of `person key`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_model::Timestamp;

use super::args::{Format, KeyArgs};
use super::server_args::ServerArgs;

#[derive(Debug, Args)]
pub(crate) struct PersonKeyArgs {
    #[command(subcommand)]
    pub(crate) verb: PersonKeyVerb,
}

/// A day, which begins at midnight UTC, or a moment.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    whole.parse().map_err(|_| "a day (2026-12-31) or a time (2026-12-31T18:00:00Z)".to_owned())
}

/// One of these.
#[derive(Debug, Args)]
#[group(id = "given", required = true, multiple = false)]
pub(crate) struct GivenKey {
    /// Their SSH public key
    #[arg(long, value_name = "FILE.pub")]
    pub(crate) ssh_key: Option<PathBuf>,
    /// Their OpenPGP public key, as `gpg --export` writes it: it verifies commits and signs no acts
    #[arg(long, value_name = "FILE")]
    pub(crate) openpgp: Option<PathBuf>,
    /// Their new passkey: the browser's answer to the request, as JSON.stringify(credential) gives it
    #[arg(long, value_name = "FILE", requires = "request")]
    pub(crate) passkey: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PersonKeyVerb {
    /// Give somebody enrolled one more key; an administrator signs, who is another person
    Add {
        /// The person's name or id
        person: String,
        #[command(flatten)]
        given: GivenKey,
        /// What the passkey was made for: what `person key request` wrote
        #[arg(long, value_name = "FILE", requires = "passkey")]
        request: Option<PathBuf>,
        /// The key counts from this day or moment on
        #[arg(long, value_name = "TIME", value_parser = moment)]
        valid_after: Option<Timestamp>,
        /// The key counts before this day or moment
        #[arg(long, value_name = "TIME", value_parser = moment)]
        valid_before: Option<Timestamp>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Write what a browser is asked for a new passkey of somebody enrolled
    Request {
        /// The person's name or id
        person: String,
        /// Where to write the request; it must not be there yet
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show an OpenSSH certificate: the certified key, which signs this, is its person's while the certificate lasts
    Certify {
        /// The certificate
        #[arg(value_name = "FILE-cert.pub")]
        certificate: PathBuf,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Say that a key is not believed any more; an administrator signs
    Revoke {
        /// The person's name or id
        person: String,
        /// The key's fingerprint, or the start of it
        fingerprint: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Since when somebody else may have had it: approvals since then count no more, and everything that it signed is listed
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
    /// List keys with their windows and revocations
    List {
        /// The person's name or id [default: everybody]
        person: Option<String>,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

impl PersonKeyVerb {
    /// The server that does it, where one can.
    pub(crate) fn server(&self) -> Option<&ServerArgs> {
        match self {
            Self::Add { server, .. } | Self::Certify { server, .. } | Self::Revoke { server, .. } => Some(server),
            Self::Request { .. } | Self::List { .. } => None,
        }
    }
}
