//! Arguments about trusted timestamps.

use std::path::{Path, PathBuf};

use clap::Args;
use countersign_connect::timestamp::StampClient;
use countersign_evidence::timestamp::Authorities;
use countersign_govern::audit::AuditError;

use crate::errors::{CliError, Failure};

#[derive(Debug, Args)]
pub(crate) struct StampArgs {
    /// Have the log's checkpoint stamped by this time-stamping authority (RFC 3161); without its token, no pack is made
    #[arg(long, value_name = "URL")]
    pub(crate) timestamp: Option<String>,
    /// Take the token only if one of these root certificates (PEM) vouches for the authority
    #[arg(long, value_name = "FILE", requires = "timestamp")]
    pub(crate) timestamp_ca: Option<PathBuf>,
}

impl StampArgs {
    /// Who is asked, and who has to vouch for the answer.
    pub(crate) fn stamp(&self) -> Result<Option<(StampClient, Option<Authorities>)>, Failure> {
        let Some(url) = &self.timestamp else { return Ok(None) };
        let client = StampClient::new(url).map_err(|e| countersign_govern::Error::from(AuditError::from(e)))?;
        Ok(Some((client, self.timestamp_ca.as_deref().map(authorities).transpose()?)))
    }
}

/// Root certificates of time-stamping authorities.
pub(crate) fn authorities(file: &Path) -> Result<Authorities, Failure> {
    let pem = std::fs::read(file).map_err(|source| CliError::Read { path: file.to_owned(), source })?;
    Ok(Authorities::from_pem(&pem).map_err(|e| countersign_govern::Error::from(AuditError::from(e)))?)
}
