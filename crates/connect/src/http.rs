//! How this room asks over HTTP: no redirect is followed, no proxy is used, every status is looked at, and there is an end to it.

use std::sync::OnceLock;
use std::time::Duration;

use serde::Deserialize;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Whom this machine trusts: its own store of certificates (or what `SSL_CERT_FILE` names), where a firm puts its own authority; the web's
/// authorities, compiled in, where there is no store.
fn trusted() -> RootCerts {
    static TRUSTED: OnceLock<RootCerts> = OnceLock::new();
    let found = || {
        let certificates = rustls_native_certs::load_native_certs().certs;
        let own: Vec<Certificate<'static>> =
            certificates.iter().map(|der| Certificate::from_der(der.as_ref()).to_owned()).collect();
        if own.is_empty() { RootCerts::WebPki } else { RootCerts::new_with_certs(&own) }
    };
    TRUSTED.get_or_init(found).clone()
}

/// An agent that gives up on a connection after `connect`, and on the whole exchange after `exchange`.
pub(crate) fn agent(connect: Duration, exchange: Duration) -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(trusted()).build())
        .timeout_connect(Some(connect))
        .timeout_global(Some(exchange))
        .build()
        .new_agent()
}

/// What a server of ours says when it says no (RFC 9457).
#[derive(Deserialize)]
pub(crate) struct Problem {
    pub(crate) title: String,
    pub(crate) code: String,
    pub(crate) help: String,
}

/// Characters of a server's words that are shown: who is missing from a quorum is told place by place.
const LONGEST_WORDS: usize = 2000;

/// A server's words, without what moves a terminal's cursor.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_WORDS).collect()
}

/// Text as it may stand in an address (RFC 3986 unreserved characters stay).
pub fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
