//! A connection: TLS, statements prepared once, and the ledger's schema filled in.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use countersign_model::Digest;
use postgres::types::ToSql;
use postgres::{Client, NoTls, Row, Statement};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Address, Authorities, bad};
use super::error::PgError;
use crate::Error;

/// A statement that takes longer has failed; waiting for the head's lock is part of it.
const STATEMENT_LIMIT_MS: u32 = 30_000;

pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

pub(super) struct Conn {
    client: Client,
    schema: String,
    place: String,
    statements: HashMap<&'static str, Statement>,
    pub(super) ahead: Ahead,
}

/// Small payloads of the bundle that was read last. Who reads entries reads their payloads next, one by one: they are
/// fetched together then.
#[derive(Default)]
pub(super) struct Ahead {
    /// Not fetched yet.
    pub(super) wanted: HashSet<Digest>,
    /// Fetched; each is given out once.
    pub(super) have: HashMap<Digest, Vec<u8>>,
}

impl Conn {
    /// Connects. `idle_ms` bounds how long a transaction of this connection may stand still: the server ends it then, so
    /// that a process that was stopped does not keep the head locked.
    pub(super) fn open(address: &Address, idle_ms: u32) -> Result<Self, Error> {
        let place = address.place().to_owned();
        let failed = |e: postgres::Error| match PgError::of("let us in", &place, &e) {
            // Whatever is wrong with name, password or certificate: there is no connection.
            PgError::Refused { what, .. } | PgError::Permission { what, .. } => {
                PgError::Unreachable { place: place.clone(), what }
            }
            other => other,
        };
        let mut client = match &address.tls {
            None => address.config.connect(NoTls).map_err(failed)?,
            Some(authorities) => address.config.connect(connector(authorities)?).map_err(failed)?,
        };
        let limits = format!(
            "set statement_timeout = {STATEMENT_LIMIT_MS}; set idle_in_transaction_session_timeout = {idle_ms}; set \
             client_min_messages = warning"
        );
        client.batch_execute(&limits).map_err(|e| PgError::of("set limits", &place, &e))?;
        Ok(Self {
            client,
            schema: address.schema().to_owned(),
            place,
            statements: HashMap::new(),
            ahead: Ahead::default(),
        })
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// `@.` is the ledger's schema. Its name has letters, digits and `_` only.
    fn fill(&self, sql: &str) -> String {
        sql.replace("@.", &format!("\"{}\".", self.schema))
    }

    fn statement(&mut self, sql: &'static str) -> Result<Statement, postgres::Error> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(&self.fill(sql))?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }

    pub(super) fn query(
        &mut self,
        doing: &'static str,
        sql: &'static str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, PgError> {
        let rows = self.statement(sql).and_then(|statement| self.client.query(&statement, params));
        rows.map_err(|e| PgError::of(doing, &self.place, &e))
    }

    pub(super) fn row(
        &mut self,
        doing: &'static str,
        sql: &'static str,
        params: Params<'_>,
    ) -> Result<Option<Row>, PgError> {
        Ok(self.query(doing, sql, params)?.into_iter().next())
    }

    /// Executes, and says how many rows it concerned.
    pub(super) fn execute(
        &mut self,
        doing: &'static str,
        sql: &'static str,
        params: Params<'_>,
    ) -> Result<u64, PgError> {
        let done = self.statement(sql).and_then(|statement| self.client.execute(&statement, params));
        done.map_err(|e| PgError::of(doing, &self.place, &e))
    }

    /// Statements without parameters, in one message.
    pub(super) fn batch(&mut self, doing: &'static str, sql: &str) -> Result<(), PgError> {
        let sql = self.fill(sql);
        self.client.batch_execute(&sql).map_err(|e| PgError::of(doing, &self.place, &e))
    }

    pub(super) const fn client(&mut self) -> &mut Client {
        &mut self.client
    }
}

fn connector(authorities: &Authorities) -> Result<MakeRustlsConnect, Error> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Authorities::System => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                return Err(bad("the system knows no certificate authorities; name one with `sslrootcert=FILE`"));
            }
        }
        Authorities::File(file) => {
            let wrong = |what: String| bad(format!("`{}` cannot be used: {what}", file.display()));
            for certificate in CertificateDer::pem_file_iter(file).map_err(|e| wrong(e.to_string()))? {
                let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
                roots.add(certificate).map_err(|e| wrong(e.to_string()))?;
            }
            if roots.is_empty() {
                return Err(wrong("it holds no certificate".to_owned()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| bad(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
