//! Brings a message to somebody: by HTTP POST, by mail, or by a program that reads it.
//!
//! | file | holds |
//! |---|---|
//! | `guard.rs` | which addresses may be reached at all |
//! | `web.rs` | HTTP POST to an address that was checked |
//! | `sign.rs` | signatures of webhooks, as Standard Webhooks has them |
//! | `mail.rs` | a letter, as RFC 5322 has it |
//! | `smtp.rs` | the way to a mail server (RFC 5321, 3207, 4954) |
//!
//! Targets are an administrator's, and still nothing here trusts them: a name may lead elsewhere tomorrow than it does today. The
//! address that was looked up is checked and is the one that is connected to. No redirect is followed, no proxy is used, nothing of an
//! answer but its status is kept, and nothing that is said about a failure names a path, a query or a password.

mod guard;
mod mail;
mod sign;
mod smtp;
mod web;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_model::notice::Trouble;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::process;

pub use guard::{Guard, Network};
pub use mail::Letter;
pub use sign::{WebhookSecret, sign};
pub use smtp::{MailServer, Transport};
pub use web::WebTarget;

/// How long a program may take to read a message and end.
const PROGRAM: Duration = Duration::from_secs(30);

/// A message was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTaken {
    /// Why, in a word.
    pub why: Trouble,
    /// The status that was answered.
    pub status: Option<u16>,
    /// Why, in a sentence for an administrator. It names the host at the most.
    pub detail: String,
    /// Whether trying it again can help by itself.
    pub again: bool,
    /// The other side asks for a pause as long as this.
    pub after: Option<Duration>,
}

impl NotTaken {
    pub(crate) fn new(why: Trouble, again: bool, detail: impl Into<String>) -> Self {
        // What another host wrote is shown to people: it obeys nobody on their terminal, and is not long.
        let detail = detail.into().chars().map(process::printable).take(300).collect();
        Self { why, status: None, detail, again, after: None }
    }

    fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }
}

impl std::fmt::Display for NotTaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

/// Whose certificates are believed.
#[derive(Debug, Clone, Default)]
pub enum Authorities {
    /// Those that the system knows.
    #[default]
    System,
    /// Those of a file in PEM, and no others.
    File(PathBuf),
}

impl Authorities {
    /// The certificates.
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, NotTaken> {
        let wrong = |what: String| NotTaken::new(Trouble::Tls, true, what);
        let found = match self {
            Self::System => rustls_native_certs::load_native_certs().certs,
            Self::File(file) => {
                let bad = |e: rustls_pki_types::pem::Error| wrong(format!("`{}` cannot be used: {e}", file.display()));
                CertificateDer::pem_file_iter(file).map_err(bad)?.collect::<Result<_, _>>().map_err(bad)?
            }
        };
        if found.is_empty() {
            return Err(wrong("no certificate authority is known; name one with `ca`".to_owned()));
        }
        Ok(found)
    }

    fn client(&self) -> Result<Arc<rustls::ClientConfig>, NotTaken> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.certificates()?);
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| NotTaken::new(Trouble::Tls, false, e.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

/// Gives a message to a program as its standard input. What it writes goes nowhere; it is ended after half a minute.
///
/// # Errors
/// When it cannot be started, takes too long, or ends without success.
pub fn program(program: &Path, dir: &Path, message: &[u8]) -> Result<(), NotTaken> {
    let failed = |what: String| NotTaken::new(Trouble::Program, true, what);
    process::enter(dir).map_err(|e| failed(e.to_string()))?;
    let started = process::feed(OsStr::new(program), dir, message, PROGRAM);
    match started {
        Ok(Some(status)) if status.success() => Ok(()),
        Ok(Some(status)) => Err(failed(format!("the program did not take the message: {status}"))),
        Ok(None) => Err(failed(format!("the program did not end within {} seconds", PROGRAM.as_secs()))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(failed("there is no such program".to_owned())),
        Err(e) => Err(failed(format!("the program cannot be started: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_takes_the_message_or_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let script = dir.path().join("pager");
        std::fs::write(&script, format!("#!/bin/sh\ncat > {}\n", out.display())).unwrap();
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        program(&script, dir.path(), b"hello").unwrap();
        assert_eq!(std::fs::read(&out).unwrap(), b"hello");
        // One that reads nothing may take it all the same.
        program(Path::new("true"), dir.path(), &vec![b'x'; 1 << 20]).unwrap();
        let why = |path: &str| program(Path::new(path), dir.path(), b"x").unwrap_err();
        assert_eq!((why("false").why, why("false").again), (Trouble::Program, true));
        assert!(why("/nowhere/at/all").detail.contains("no such program"));
    }
}
