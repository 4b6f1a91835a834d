//! Where a ledger in a database is: `postgres://USER@HOST:PORT/DATABASE?schema=NAME`.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postgres::Config;
use postgres::config::{Host, SslMode};

use super::error::PgError;
use super::passfile;
use crate::Error;

/// The schema of a ledger unless its address names another.
pub const DEFAULT_SCHEMA: &str = "countersign";
const PORT: u16 = 5432;
/// Attempts to connect end after this long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The address of a ledger in a database.
#[derive(Clone)]
pub struct Address {
    pub(super) config: Config,
    pub(super) schema: String,
    /// Whether TLS is spoken, and which authorities are believed; `None` for the plain protocol on this machine.
    pub(super) tls: Option<Authorities>,
    /// Whether LISTEN and NOTIFY are used where the server has them.
    pub(super) notifies: bool,
    place: String,
}

/// Who may vouch for the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Authorities {
    /// Those of the operating system.
    System,
    /// Those in a PEM file.
    File(PathBuf),
}

/// The password is never shown.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.place).finish()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

impl Address {
    /// Whether a text names a ledger in a database rather than a directory.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.starts_with("postgres://") || text.starts_with("postgresql://")
    }

    /// Reads an address. `password` is used where neither the address nor its `passfile` has one.
    ///
    /// # Errors
    /// [`PgError::Address`] when it cannot be read; [`PgError::Plain`] when it would go over a network without TLS.
    pub fn parse(text: &str, password: Option<&str>) -> Result<Self, Error> {
        let (base, own) = split(text)?;
        let mut config: Config = base.parse().map_err(|e: postgres::Error| bad(super::error::chain(&e)))?;
        let schema = own.schema.unwrap_or_else(|| DEFAULT_SCHEMA.to_owned());
        if !is_schema(&schema) {
            return Err(bad(format!("`{schema}` is no schema: lower-case letters, digits and `_`, at most 40")));
        }
        if config.get_hosts().is_empty() {
            return Err(bad("it names no host"));
        }
        if config.get_user().is_none() {
            return Err(bad("it names no user"));
        }
        let dbname = config.get_dbname().or(config.get_user()).unwrap_or_default().to_owned();
        config.dbname(&dbname);
        if config.get_password().is_none() {
            let found = match &own.passfile {
                Some(file) => passfile::look_up(file, &config)?,
                None => None,
            };
            if let Some(password) = found.as_deref().or(password) {
                config.password(password);
            }
        }
        let tls = protect(&mut config, own.sslmode.as_deref(), own.sslrootcert)?;
        config.connect_timeout(CONNECT_TIMEOUT).keepalives_idle(Duration::from_secs(15));
        config.tcp_user_timeout(Duration::from_secs(30)).application_name("countersign");
        let place = place(&config, &schema);
        Ok(Self { config, schema, tls, notifies: own.notifies, place })
    }

    /// The address as people know it, without password.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The schema that holds the ledger's tables.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }
}

/// The parameters that are ours, or that the client library knows differently.
struct Own {
    schema: Option<String>,
    notifies: bool,
    sslmode: Option<String>,
    sslrootcert: Option<PathBuf>,
    passfile: Option<PathBuf>,
}

fn split(text: &str) -> Result<(String, Own), Error> {
    if !Address::is_one(text) {
        return Err(bad("it does not begin with `postgres://`"));
    }
    let (base, query) = text.split_once('?').unwrap_or((text, ""));
    let mut own = Own { schema: None, notifies: true, sslmode: None, sslrootcert: None, passfile: None };
    let mut rest = Vec::new();
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = || decode(value);
        match name {
            "schema" => own.schema = Some(value()?),
            "notify" => {
                own.notifies = match value()?.as_str() {
                    "on" => true,
                    "off" => false,
                    other => return Err(bad(format!("`{other}` is no setting of notify: use `on` or `off`"))),
                };
            }
            "sslmode" => own.sslmode = Some(value()?),
            "sslrootcert" => own.sslrootcert = Some(value()?.into()),
            "passfile" => own.passfile = Some(value()?.into()),
            "host" | "port" | "dbname" | "user" | "password" | "target_session_attrs" | "connect_timeout" => {
                rest.push(pair);
            }
            _ => return Err(bad(format!("`{name}` is no parameter of it"))),
        }
    }
    let base = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
    Ok((base, own))
}

/// Percent-decoding (RFC 3986 §2.1).
fn decode(text: &str) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        match (digit(rest.next()), digit(rest.next())) {
            (Some(high), Some(low)) => bytes.push(u8::try_from(high * 16 + low).unwrap_or_default()),
            _ => return Err(bad("`%` is not followed by two hex digits")),
        }
    }
    String::from_utf8(bytes).map_err(|_| bad("it is not UTF-8"))
}

fn is_schema(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    let all = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    // `pg_…` belongs to the server.
    first && all && name.len() <= 40 && !name.starts_with("pg_") && name != "information_schema"
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
    }
}

/// Decides on TLS: never plain over a network, and always with the server's name checked.
fn protect(config: &mut Config, mode: Option<&str>, roots: Option<PathBuf>) -> Result<Option<Authorities>, Error> {
    let far = config.get_hosts().iter().find(|host| !is_local(host));
    let is_socket = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
    let wants = match mode {
        None | Some("prefer" | "allow") => far.is_some() || (roots.is_some() && !is_socket),
        Some("disable") => false,
        Some("require" | "verify-ca" | "verify-full") => true,
        Some(other) => return Err(bad(format!("`{other}` is no sslmode: use `verify-full`"))),
    };
    if !wants {
        if let Some(Host::Tcp(host)) = far {
            return Err(PgError::Plain { host: host.clone() }.into());
        }
        config.ssl_mode(SslMode::Disable);
        return Ok(None);
    }
    config.ssl_mode(SslMode::Require);
    Ok(Some(roots.map_or(Authorities::System, Authorities::File)))
}

fn place(config: &Config, schema: &str) -> String {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(i, host)| {
            let port = port(config, i);
            match host {
                Host::Tcp(name) if name.contains(':') => format!("[{name}]:{port}"),
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(dir) => format!("{}:{port}", dir.display().to_string().replace('/', "%2F")),
            }
        })
        .collect();
    let (user, dbname) = (config.get_user().unwrap_or_default(), config.get_dbname().unwrap_or_default());
    format!("postgres://{user}@{}/{dbname}?schema={schema}", hosts.join(","))
}

pub(super) fn port(config: &Config, host: usize) -> u16 {
    let ports = config.get_ports();
    ports.get(host).or(ports.first()).copied().unwrap_or(PORT)
}

pub(super) fn bad(what: impl Into<String>) -> Error {
    PgError::Address { what: what.into() }.into()
}

/// What an address reads from disk is named by a path.
pub(super) fn read_text(file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|e| bad(format!("`{}` cannot be read: {e}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::Diagnostic as _;

    fn code(text: &str) -> &'static str {
        Address::parse(text, None).unwrap_err().code()
    }

    #[test]
    fn over_a_network_there_is_tls_or_nothing() {
        for near in ["localhost", "127.0.0.1", "[::1]", "%2Fvar%2Frun%2Fpostgresql"] {
            let address = Address::parse(&format!("postgres://u@{near}/d"), None).unwrap();
            assert_eq!((address.tls, address.config.get_ssl_mode()), (None, SslMode::Disable), "{near}");
        }
        for mode in ["", "?sslmode=prefer", "?sslmode=allow", "?sslmode=require", "?sslmode=verify-full"] {
            let address = Address::parse(&format!("postgres://u@db.example/d{mode}"), None).unwrap();
            assert_eq!((address.tls, address.config.get_ssl_mode()), (Some(Authorities::System), SslMode::Require));
        }
        assert_eq!(code("postgres://u@db.example/d?sslmode=disable"), "CS-PG-003");
        assert_eq!(code("postgres://u@localhost,db.example/d?sslmode=disable"), "CS-PG-003");
        assert_eq!(code("postgres://u@/d?host=10.0.0.1&sslmode=disable"), "CS-PG-003");
        let address = Address::parse("postgres://u@127.0.0.1/d?sslmode=require&sslrootcert=/a%20b.pem", None).unwrap();
        assert_eq!(address.tls, Some(Authorities::File("/a b.pem".into())));
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        let address = Address::parse("postgresql://u:s3cret@127.0.0.1:7/d?schema=a_1", Some("other")).unwrap();
        assert_eq!(address.place(), "postgres://u@127.0.0.1:7/d?schema=a_1");
        assert!(!format!("{address:?} {address}").contains("s3cret"));
        assert_eq!(address.config.get_password(), Some(b"s3cret".as_slice()));
        let address = Address::parse("postgres://u@localhost", Some("other")).unwrap();
        assert_eq!(address.place(), "postgres://u@localhost:5432/u?schema=countersign");
        assert_eq!(address.config.get_password(), Some(b"other".as_slice()));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "mysql://u@localhost/d",
            "postgres://localhost/d",
            "postgres:///d",
            "postgres://u@localhost/d?schema=A",
            "postgres://u@localhost/d?schema=a\"b",
            "postgres://u@localhost/d?schema=pg_x",
            "postgres://u@localhost/d?schema=",
            "postgres://u@localhost/d?sslmode=maybe",
            "postgres://u@localhost/d?notify=maybe",
            "postgres://u@localhost/d?options=-c%20fsync=off",
            "postgres://u@localhost/d?hostaddr=10.0.0.1",
            "postgres://u@localhost/d?passfile=%zz",
        ] {
            assert_eq!(code(text), "CS-PG-002", "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(tail in "\\PC{0,60}") {
            let _ = Address::parse(&format!("postgres://{tail}"), None);
        }
    }
}
