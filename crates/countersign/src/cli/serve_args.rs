//! Arguments of `serve` that are about how people and programs come in.

use std::path::PathBuf;

use clap::Args;

/// An OpenID provider at which people sign in.
#[derive(Debug, Default, Args)]
pub(crate) struct OidcArgs {
    /// Let people sign in at this OpenID provider: its address, exactly as its tokens have it in `iss`
    #[arg(long, value_name = "URL", requires = "oidc_client_id", conflicts_with = "log_only")]
    pub(crate) oidc_issuer: Option<String>,
    /// What the provider calls this server
    #[arg(long, value_name = "ID", requires = "oidc_issuer")]
    pub(crate) oidc_client_id: Option<String>,
    /// A file that only you can read, with the client's secret; a public client has none
    #[arg(long, value_name = "FILE", requires = "oidc_issuer")]
    pub(crate) oidc_secret_file: Option<PathBuf>,
}
