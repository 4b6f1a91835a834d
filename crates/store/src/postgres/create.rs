//! Making a ledger's tables, and finding out what is there.

use std::sync::Arc;

use countersign_evidence::checkpoint::Checkpoint;
use countersign_evidence::merkle;
use countersign_evidence::note::SignerKey;
use countersign_model::{Timestamp, digest};

use super::address::Address;
use super::conn::Conn;
use super::error::PgError;
use super::head::{Signing, fenced, get};
use super::log_keys::LogKeys;
use super::view::Facts;
use super::{Options, Postgres};
use crate::Error;
use crate::engine::Keyring;

/// The tables.
const SCHEMA: &str = include_str!("schema.sql");
/// The version of the tables.
const FORMAT: i32 = 1;

/// What the server is.
pub(super) struct Server {
    pub(super) notifies: bool,
    /// Whether this role may read the keys that seal people's data.
    pub(super) reads_keys: bool,
    fsync: Option<String>,
}

impl Server {
    pub(super) fn look(conn: &mut Conn) -> Result<Self, Error> {
        let sql = "select version(), current_setting('fsync', true)";
        let row = conn.row("tell its version", sql, &[])?.ok_or_else(|| super::head::fenced("no version"))?;
        let version: String = get(&row, 0)?;
        // CockroachDB and YugabyteDB say their names here; they are polled.
        let notifies = version.starts_with("PostgreSQL") && !version.contains("-YB-");
        Ok(Self { notifies, reads_keys: reads_keys(conn)?, fsync: get(&row, 1)? })
    }

    pub(super) fn must_be_durable(&self) -> Result<(), Error> {
        match self.fsync.as_deref() {
            Some("off") => Err(PgError::NotDurable { setting: "fsync" }.into()),
            _ => Ok(()),
        }
    }
}

fn reads_keys(conn: &mut Conn) -> Result<bool, Error> {
    let sql = "select has_table_privilege('@.subject_keys', 'select')";
    match conn.row("tell its privileges", sql, &[]) {
        Ok(row) => Ok(row.map_or(Ok(true), |row| get(&row, 0))?),
        // A database without that function says no when it is asked for a key.
        Err(PgError::Refused { state, .. }) if state == "42883" => Ok(true),
        Err(e) => Err(e.into()),
    }
}

/// What the ledger is; [`Error::NoLedger`] when there is none.
pub(super) fn facts(conn: &mut Conn, address: &Address) -> Result<Facts, Error> {
    let none = || Error::NoLedger { dir: address.place().to_owned() };
    let row = match conn.row("read what the ledger is", "select format, origin, vkey, salt from @.ledger", &[]) {
        Ok(row) => row.ok_or_else(none)?,
        // No such table, no such schema.
        Err(PgError::Refused { state, .. }) if matches!(state.as_str(), "42P01" | "3F000") => return Err(none()),
        Err(e) => return Err(e.into()),
    };
    let format: i32 = get(&row, 0)?;
    if format != FORMAT {
        let place = address.place().to_owned();
        return Err(PgError::Format { place, found: format.into(), known: FORMAT.into() }.into());
    }
    Ok(Facts { origin: get(&row, 1)?, vkey: get(&row, 2)?, salt: get(&row, 3)? })
}

impl Postgres {
    /// Makes an empty ledger at an address: the schema, where it is missing, its tables, and the first head. `salt` keys
    /// the fingerprints of findings; random without one. `keyring` is asked when other keys sign the log some day.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] when there is one, made just now by somebody else included; [`PgError`].
    pub fn create(
        address: Address,
        options: Options,
        key: SignerKey,
        keyring: Arc<dyn Keyring>,
        salt: Option<[u8; 32]>,
    ) -> Result<Self, Error> {
        let there = || Error::AlreadyExists { dir: address.place().to_owned() };
        let mut conn = super::connect(&address, options.idle)?;
        match facts(&mut conn, &address) {
            Ok(_) => return Err(there()),
            Err(e) if e.is_not_found() => {}
            Err(e) => return Err(e),
        }
        let salt = match salt {
            Some(salt) => salt,
            None => countersign_evidence::random()?,
        };
        make_tables(&mut conn, &address)?;
        let new =
            Facts { origin: key.name().to_owned(), vkey: key.verifier().to_string(), salt: digest::to_hex(&salt) };
        let root = merkle::empty_root();
        let note = Checkpoint { origin: new.origin.clone(), size: 0, root }.sign(&key)?;
        let keys = LogKeys::new(&new.origin, &new.vkey)?;
        let signing = Signing::new(key.into(), &keys)?.ok_or_else(|| fenced("its key is another one"))?;
        let seal = signing.seal(0, &root, 0, Timestamp::from_millis(0));

        conn.batch("begin", "begin")?;
        // The row that is there says who was first.
        let sql =
            "insert into @.ledger (one, format, origin, vkey, salt) values (1, $1, $2, $3, $4) on conflict do nothing";
        if conn.execute("make the ledger", sql, &[&FORMAT, &new.origin, &new.vkey, &new.salt])? == 0 {
            conn.batch("roll back", "rollback")?;
            return Err(there());
        }
        let sql =
            "insert into @.head (one, size, root, epoch, last_time, seal, checkpoint) values (1, 0, $1, 0, 0, $2, $3)";
        conn.execute("make the ledger", sql, &[&root.as_slice(), &seal, &note])?;
        conn.batch("make the ledger", "commit")?;
        Self::start(address, options, conn, new, keys, Some(signing), keyring)
    }
}

/// Each statement by itself: not every database has transactions of these.
pub(super) fn make_tables(conn: &mut Conn, address: &Address) -> Result<(), Error> {
    let sql = "select 1 from information_schema.schemata where schema_name = $1";
    if conn.row("look for the schema", sql, &[&address.schema()])?.is_none() {
        let made = conn.batch("make the schema", &format!("create schema if not exists \"{}\"", address.schema()));
        unless_there(made)?;
    }
    let plain: String =
        SCHEMA.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    for statement in plain.split(';').map(str::trim).filter(|s| !s.is_empty()) {
        unless_there(conn.batch("make the tables", statement))?;
    }
    Ok(())
}

/// Two that make the same thing at the same moment: `if not exists` does not keep them apart.
fn unless_there(made: Result<(), PgError>) -> Result<(), Error> {
    match made {
        Err(PgError::Refused { state, .. }) if matches!(state.as_str(), "42P07" | "42P06" | "23505" | "42710") => {
            Ok(())
        }
        made => Ok(made?),
    }
}
