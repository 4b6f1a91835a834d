//! Finds the repository and its ledger, and opens them.

use std::path::{Path, PathBuf};

use countersign_connect::SshSigner;
use countersign_connect::git::Repository;
use countersign_model::{RunId, Timestamp};
use countersign_store::installation::KeyError;
use countersign_store::postgres::Address;
use countersign_store::session::{self, default_ledger_dir};
use countersign_store::{Ledger, Session};

use super::args::{KeyArgs, PlaceArgs};
use crate::config::Environment;
use crate::errors::{CliError, Failure};
use crate::output;

impl PlaceArgs {
    /// The repository.
    pub(crate) fn repository(&self) -> Result<Repository, Failure> {
        let dir = self.repo.clone().unwrap_or_else(|| PathBuf::from("."));
        Ok(Repository::discover(&dir)?)
    }

    /// The ledger's directory. Linked worktrees of one repository share one ledger.
    pub(crate) fn ledger_dir(&self) -> Result<PathBuf, Failure> {
        if let Some(dir) = &self.ledger {
            let text = dir.to_string_lossy();
            if text.contains("://") {
                return Err(CliError::LedgerUrl { ledger: text.into_owned() }.into());
            }
            return Ok(dir.clone());
        }
        // A ledger stands by itself: it can be read where no repository is.
        let here = self.repo.clone().unwrap_or_else(|| PathBuf::from("."));
        match self.repository() {
            Ok(repository) => Ok(ledger_of(&repository)),
            Err(_) if default_ledger_dir(&here).join("ledger/checkpoint").exists() => Ok(default_ledger_dir(&here)),
            Err(e) => Err(e),
        }
    }

    /// The address of the ledger, when it is kept in a database.
    pub(crate) fn database(&self, env: &Environment) -> Result<Option<Address>, Failure> {
        let named = self.ledger.as_deref().and_then(Path::to_str).filter(|text| Address::is_one(text));
        Ok(named.map(|text| Address::parse(text, env.database_password.as_deref())).transpose()?)
    }

    /// The ledger's place as people know it, without a password.
    pub(crate) fn place(&self, env: &Environment) -> Result<String, Failure> {
        Ok(match self.database(env)? {
            Some(address) => address.to_string(),
            None => self.ledger_dir()?.display().to_string(),
        })
    }

    /// The ledger that is there, as it is: no pin is asked.
    pub(crate) fn ledger(&self, env: &Environment) -> Result<Ledger, Failure> {
        let mut ledger = match self.database(env)? {
            Some(address) => session::open_postgres(address, &env.installation()?)?,
            None => Ledger::open(&self.ledger_dir()?)?,
        };
        // Without a data directory there are no keys, and what is not sealed can be read all the same.
        if env.data_dir.is_some() {
            env.installation()?.unlock(&mut ledger)?;
        }
        Ok(ledger)
    }

    /// Opens the ledger that is there.
    pub(crate) fn open(&self, env: &Environment) -> Result<Session, Failure> {
        let installation = env.installation()?;
        Ok(match self.database(env)? {
            Some(address) => {
                let ledger = session::open_postgres(address, &installation)?;
                Session::with_ledger(ledger, installation, env.clock.clone(), None)?
            }
            None => Session::open(&self.ledger_dir()?, installation, env.clock.clone())?,
        })
    }

    /// Opens the ledger or makes a new one. Where encryption of payloads is asked for, one that is there must have it: it
    /// cannot be had later.
    pub(crate) fn open_or_create(
        &self,
        env: &Environment,
        salt: Option<[u8; 32]>,
        encrypt: bool,
    ) -> Result<Session, Failure> {
        let encrypt = encrypt || env.encrypt_payloads;
        let installation = env.installation()?.with_sealed_payloads(encrypt);
        let session = match self.database(env)? {
            Some(address) => {
                let ledger = session::open_or_create_postgres(address, &installation, salt)?;
                Session::begin(ledger, installation, env.clock.clone())?
            }
            None => Session::open_or_create(&self.ledger_dir()?, installation, env.clock.clone(), salt)?,
        };
        if encrypt && session.ledger().payload_key().is_none() {
            return Err(KeyError::NotSealed { origin: session.ledger().origin().to_owned() }.into());
        }
        Ok(session)
    }
}

/// Where the ledger of a repository lies by default.
pub(crate) fn ledger_of(repository: &Repository) -> PathBuf {
    let common = repository.common_dir();
    let top = match common.parent() {
        Some(parent) if common.file_name().is_some_and(|n| n == ".git") => parent,
        _ => repository.root(),
    };
    default_ledger_dir(top)
}

impl KeyArgs {
    /// The key that signs.
    pub(crate) fn signer(&self, env: &Environment) -> Result<SshSigner, Failure> {
        signer(&env.key_file(self.key.as_deref())?, env)
    }
}

impl KeyArgs {
    /// The key that signs an administrator's act: where none is named, the one that `init` signed with here.
    pub(crate) fn administrator(&self, session: &Session, env: &Environment) -> Result<SshSigner, Failure> {
        if self.key.is_none() && env.key.is_none() {
            let origin = session.ledger().origin();
            if let Some(path) = session.installation().remembered_signer(origin) {
                return signer(&path, env);
            }
        }
        self.signer(env)
    }
}

/// A signer for a key file; asks for a passphrase only where somebody can answer.
pub(crate) fn signer(path: &Path, env: &Environment) -> Result<SshSigner, Failure> {
    let signer = SshSigner::from_key_file(path)?;
    Ok(if env.attended { signer } else { signer.without_prompts() })
}

/// The run that a text names.
pub(crate) fn find_run(session: &Session, text: &str) -> Result<RunId, Failure> {
    match session.state().runs_named(text)?.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(countersign_stages::Error::NoSuchRun { run: text.to_owned() }.into()),
    }
}

/// Says on stderr what was set right on the way.
pub(crate) fn notices(session: &mut Session) {
    for notice in session.take_notices() {
        output::note(&format!("[{}] {}", notice.code, notice.what));
    }
}

/// A time as people type it: a day, which begins at midnight UTC, or RFC 3339.
pub(super) fn day_or_time(text: &str) -> Result<Timestamp, Failure> {
    let full = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    full.parse().map_err(|_| {
        CliError::Usage {
            what: format!("`{}` is neither a day nor a time", output::printable(text)),
            help: "write 2026-01-31, or 2026-01-31T09:00:00Z".into(),
        }
        .into()
    })
}
