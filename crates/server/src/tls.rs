//! TLS of the server's own, by rustls: versions 1.2 and 1.3. A certificate that was renewed is taken up without a start: when a
//! connection comes and the files changed since, they are read again; where they cannot be used then, the last that could be stays, and
//! that is said.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::auth::lock;
use crate::private::private;
use crate::{Error, Say};

/// How often it is looked whether the files changed.
const EVERY: Duration = Duration::from_secs(5);

/// A certificate with its key, and what connections are made with.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    say: Say,
    now: Mutex<Now>,
}

struct Now {
    config: Arc<ServerConfig>,
    stamps: Stamps,
    looked: Instant,
}

/// What tells a file from the one that was there before.
type Stamp = (u64, u64, i64, i64, u64);
type Stamps = (Option<Stamp>, Option<Stamp>);

impl Tls {
    /// Reads a chain of certificates, the server's own first, and its key, both as PEM. What goes wrong later is told to `say`.
    ///
    /// # Errors
    /// [`Error::Tls`]; [`Error::Exposed`] when others can read the key; [`Error::File`].
    pub fn load(certificate: &Path, key: &Path, say: Say) -> Result<Arc<Self>, Error> {
        let stamps = (stamp(certificate), stamp(key));
        let config = read(certificate, key)?;
        let now = Mutex::new(Now { config, stamps, looked: Instant::now() });
        Ok(Arc::new(Self { certificate: certificate.to_owned(), key: key.to_owned(), say, now }))
    }

    /// What the next connection is made with.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        let mut now = lock(&self.now);
        if now.looked.elapsed() >= EVERY {
            now.looked = Instant::now();
            let stamps = (stamp(&self.certificate), stamp(&self.key));
            if stamps != now.stamps {
                // Either way it is not tried again before they change once more.
                now.stamps = stamps;
                match read(&self.certificate, &self.key) {
                    Ok(config) => {
                        now.config = config;
                        (self.say)("the certificate was renewed");
                    }
                    Err(e) => (self.say)(&format!(
                        "the certificate that is there cannot be used, and the last one stays: {e}"
                    )),
                }
            }
        }
        Arc::clone(&now.config)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let about: Metadata = std::fs::metadata(path).ok()?;
    Some((about.dev(), about.ino(), about.mtime(), about.mtime_nsec(), about.len()))
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, Error> {
    let wrong = |path: &Path, what: String| Error::Tls { path: path.to_owned(), what };
    let pem = std::fs::read(certificate).map_err(Error::file("read", certificate))?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|e| wrong(certificate, format!("it is no PEM: {e}")))?;
    if chain.is_empty() {
        return Err(wrong(certificate, "it holds no certificate".to_owned()));
    }
    let secret = private(key)?;
    let secret =
        PrivateKeyDer::from_pem_slice(&secret).map_err(|_| wrong(key, "it holds no private key".to_owned()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong(certificate, e.to_string()))?;
    let mut config = builder
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|e| wrong(certificate, format!("it does not go with the key: {e}")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
