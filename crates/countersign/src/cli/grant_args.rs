//! Arguments of `grant` and `deploy`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::args::{Format, KeyArgs};
use super::server_args::ServerArgs;

#[derive(Debug, Args)]
#[command(override_usage = "countersign deploy RUN --env ENV [--key FILE] [--out FILE]\n       \
                            countersign deploy --grant GRANT [--broker PROGRAM] -- COMMAND…")]
pub(crate) struct DeployArgs {
    /// The run to issue a grant for
    #[arg(required_unless_present = "grant", conflicts_with = "grant")]
    pub(crate) run: Option<String>,
    /// Where to deploy; with --grant, where the grant must permit it
    #[arg(long, value_name = "ENV", required_unless_present = "grant")]
    pub(crate) env: Option<String>,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// How long the grant lives, in minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=1440))]
    pub(crate) ttl: u16,
    /// Where to write the grant [default: beside the ledger's keys in the data directory]
    #[arg(long, value_name = "FILE", conflicts_with = "grant")]
    pub(crate) out: Option<PathBuf>,
    /// Redeem this grant (its token, a file, its id, or - for standard input) and run COMMAND once
    #[arg(long, value_name = "GRANT", requires = "command")]
    pub(crate) grant: Option<String>,
    /// What is deployed: a file or sha256:…, which the grant must permit; may be repeated
    #[arg(long, value_name = "ARTIFACT", requires = "grant")]
    pub(crate) artifact: Vec<String>,
    /// A program that reads the redeemed grant and writes NAME=VALUE lines, which COMMAND gets in its environment
    #[arg(long, value_name = "PROGRAM", requires = "grant", env = "COUNTERSIGN_BROKER")]
    pub(crate) broker: Option<OsString>,
    /// The command that deploys
    #[arg(last = true, value_name = "COMMAND", requires = "grant")]
    pub(crate) command: Vec<OsString>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct GrantArgs {
    #[command(subcommand)]
    pub(crate) verb: GrantVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GrantVerb {
    /// Issue a grant, as a release manager, and print its token
    Issue {
        /// The run
        run: String,
        /// Where to deploy
        #[arg(long, value_name = "ENV")]
        env: String,
        /// How long the grant lives, in minutes
        #[arg(long, value_name = "MINUTES", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=1440))]
        ttl: u16,
        /// Where to write the grant [default: beside the ledger's keys in the data directory]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List grants with where they stand
    List {
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show one grant
    Show {
        /// The grant: its id or the start of it
        grant: String,
        /// Print its token, and nothing else
        #[arg(long)]
        token: bool,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Check a token, without the ledger unless --online asks it: all but its single use
    Verify(VerifyGrantArgs),
    /// Take a grant back that was not used; whoever issued it signs, or a release manager or officer
    Revoke {
        /// The grant: its id or the start of it
        grant: String,
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
    /// Redeem a grant and run a hook that hands out a credential: it reads the grant, and what it writes is passed on
    Redeem {
        /// Its token, a file, its id, or - for standard input
        grant: String,
        /// The environment that the credential opens
        #[arg(long, value_name = "ENV")]
        environment: String,
        /// What is deployed: a file or sha256:…; may be repeated
        #[arg(long, value_name = "ARTIFACT")]
        artifact: Vec<String>,
        /// The hook
        #[arg(last = true, value_name = "HOOK", required = true)]
        hook: Vec<OsString>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Say how a deployment ended whose grant `grant redeem` redeemed
    Complete {
        /// The grant: its id or the start of it
        grant: String,
        /// It succeeded
        #[arg(long, required_unless_present = "failed", conflicts_with = "failed")]
        succeeded: bool,
        /// It failed
        #[arg(long)]
        failed: bool,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Print the key that tokens are signed with, as a JSON Web Key Set
    Keys {
        /// Write it into FILE
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

impl GrantVerb {
    /// The server that does it, where one can.
    pub(crate) const fn server(&self) -> Option<&ServerArgs> {
        match self {
            Self::Issue { server, .. }
            | Self::List { server, .. }
            | Self::Show { server, .. }
            | Self::Redeem { server, .. }
            | Self::Revoke { server, .. }
            | Self::Complete { server, .. } => Some(server),
            Self::Verify(args) => Some(&args.server),
            Self::Keys { .. } => None,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct VerifyGrantArgs {
    /// The token, a file that holds it, or - for standard input
    pub(crate) token: String,
    /// Where it is going to be deployed
    #[arg(long, value_name = "ENV")]
    pub(crate) environment: String,
    /// What is going to be deployed: a file or sha256:…, which the grant must permit; may be repeated
    #[arg(long, value_name = "ARTIFACT")]
    pub(crate) artifact: Vec<String>,
    /// The commit that is going to be deployed, in full
    #[arg(long, value_name = "COMMIT")]
    pub(crate) commit: Option<String>,
    /// Trust the recorder that this trust file names (`trust export`)
    #[arg(long, value_name = "FILE", conflicts_with = "trusted_key")]
    pub(crate) trust: Option<PathBuf>,
    /// Trust this key: ed25519:…, or a file with a JSON Web Key Set (`grant keys`), a JSON Web Key or a PEM public key
    #[arg(long = "key", value_name = "KEY")]
    pub(crate) trusted_key: Option<String>,
    /// Ask the ledger as well: whether it was used or revoked
    #[arg(long)]
    pub(crate) online: bool,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}
