//! Arguments of `person account`.

use clap::{Args, Subcommand};
use countersign_model::access::account::Account;

use super::args::{Format, KeyArgs};
use super::server_args::ServerArgs;
use crate::errors::{CliError, Failure};

#[derive(Debug, Args)]
pub(crate) struct PersonAccountArgs {
    #[command(subcommand)]
    pub(crate) verb: PersonAccountVerb,
}

/// An account: at a forge, or at an issuer of identity tokens.
#[derive(Debug, Args)]
pub(crate) struct AccountArgs {
    /// The forge: github, or the host of a GitLab
    #[arg(long, value_name = "FORGE", requires = "id", required_unless_present = "issuer", conflicts_with = "issuer")]
    forge: Option<String>,
    /// The account's number at the forge, which stays when it is renamed
    #[arg(long, value_name = "NUMBER", requires = "forge")]
    id: Option<String>,
    /// Who issues tokens about it, exactly as in `iss`
    #[arg(long, value_name = "URL", requires = "subject")]
    issuer: Option<String>,
    /// What the issuer calls whoever acted or signed in: the claim that its entry maps to `actor`, or `sub`
    #[arg(long, value_name = "TEXT", requires = "issuer")]
    subject: Option<String>,
}

impl AccountArgs {
    /// The account that is meant.
    pub(crate) fn account(&self, login: Option<&str>) -> Result<Account, Failure> {
        let made = match (&self.forge, &self.id, &self.issuer, &self.subject) {
            (Some(forge), Some(id), ..) => Account::at_forge(forge, id, login),
            (_, _, Some(issuer), Some(subject)) => Account::new(issuer, subject, login),
            _ => Account::at_forge("", "", login),
        };
        made.map_err(|e| {
            let help = "--forge github --id 12345, or --issuer https://… --subject TEXT".into();
            CliError::Usage { what: e.to_string(), help }.into()
        })
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum PersonAccountVerb {
    /// Say that an account is somebody's; an administrator signs, who is another person
    Add {
        /// The person's name or id
        person: String,
        #[command(flatten)]
        account: AccountArgs,
        /// What the account is called there; it is sealed, and nothing is concluded from it
        #[arg(long, value_name = "NAME")]
        login: Option<String>,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Say that an account is not somebody's any more; an administrator signs, who is another person
    Remove {
        /// The person's name or id
        person: String,
        #[command(flatten)]
        account: AccountArgs,
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
    /// List accounts
    List {
        /// The person's name or id [default: everybody]
        person: Option<String>,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

impl PersonAccountVerb {
    /// The server that does it, where one can.
    pub(crate) fn server(&self) -> Option<&ServerArgs> {
        match self {
            Self::Add { server, .. } | Self::Remove { server, .. } => Some(server),
            Self::List { .. } => None,
        }
    }
}
