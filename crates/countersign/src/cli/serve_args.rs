//! Arguments of `serve` that are about how people and programs come in.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use countersign_server::{Listener, LogFormat, Say, Serving, Tls};

#[cfg(feature = "otel")]
use crate::errors::CliError;
use crate::errors::Failure;
use crate::output;

/// What whoever runs the server sees of it, and what one client may have of it.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// How to say a line for every request on stderr
    #[arg(long, value_enum, default_value_t = LogLines::Plain, value_name = "FORMAT")]
    pub(crate) log_format: LogLines,
    /// Serve numbers for Prometheus under /metrics on an address of their own, to whoever reaches it
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics: Option<SocketAddr>,
    /// Requests a second that one client may make, and four times as many at once
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: u32,
    /// A proxy whose `X-Forwarded-For` is believed: an address or a network, as 10.0.0.0/8
    #[arg(long, value_name = "NETWORK")]
    pub(crate) trusted_proxy: Vec<String>,
    /// Speak TLS with this certificate: a chain as PEM, the server's own first. It is read again when the file changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of the certificate, as PEM, which only you can read
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    #[cfg(feature = "otel")]
    #[command(flatten)]
    pub(crate) otlp: OtlpArgs,
}

/// An OpenTelemetry collector, by the names that its own programs use.
#[cfg(feature = "otel")]
#[derive(Debug, Args)]
pub(crate) struct OtlpArgs {
    /// Bring spans of requests to the OpenTelemetry collector at this address (OTLP over HTTP)
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    otlp_endpoint: Option<String>,
    /// The address where it takes spans itself, where that is not /v1/traces below
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")]
    otlp_traces_endpoint: Option<String>,
    /// Headers for it, as NAME=VALUE,…
    #[arg(
        long,
        value_name = "HEADERS",
        env = "OTEL_EXPORTER_OTLP_HEADERS",
        hide_env_values = true,
        default_value = ""
    )]
    otlp_headers: String,
    /// What this server is called there
    #[arg(long, value_name = "NAME", env = "OTEL_SERVICE_NAME", default_value = "countersign")]
    otlp_service: String,
}

#[cfg(feature = "otel")]
impl OtlpArgs {
    fn collector(&self) -> Result<Option<countersign_server::Otlp>, Failure> {
        let (endpoint, whole) = match (&self.otlp_traces_endpoint, &self.otlp_endpoint) {
            (Some(whole), _) => (whole, true),
            (None, Some(endpoint)) => (endpoint, false),
            (None, None) => return Ok(None),
        };
        let collector = countersign_connect::traces::Collector::new(endpoint, whole, &self.otlp_headers);
        let collector = collector.ok_or_else(|| CliError::Usage {
            what: "the collector's address or one of its headers is none".into(),
            help: "http://HOST:4318, and headers as NAME=VALUE with commas between".into(),
        })?;
        Ok(Some(countersign_server::Otlp { collector, service: self.otlp_service.clone() }))
    }
}

/// How a request's line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLines {
    /// For people.
    Plain,
    /// A JSON object a line.
    Json,
    /// No lines.
    Off,
}

impl WatchArgs {
    /// What is usual, and no lines.
    pub(crate) const fn quiet() -> Self {
        Self {
            #[cfg(feature = "otel")]
            otlp: OtlpArgs {
                otlp_endpoint: None,
                otlp_traces_endpoint: None,
                otlp_headers: String::new(),
                otlp_service: String::new(),
            },
            log_format: LogLines::Off,
            metrics: None,
            rate: 100,
            trusted_proxy: Vec::new(),
            tls_cert: None,
            tls_key: None,
        }
    }

    /// How the server is served.
    pub(crate) fn serving(&self) -> Result<Serving, Failure> {
        let say: Say = Arc::new(output::line);
        let log = match self.log_format {
            LogLines::Plain => Some((LogFormat::Plain, say)),
            LogLines::Json => Some((LogFormat::Json, say)),
            LogLines::Off => None,
        };
        let proxies =
            self.trusted_proxy.iter().map(|text| countersign_server::network(text)).collect::<Result<_, _>>()?;
        let metrics = self.metrics.map(Listener::bind).transpose()?;
        let note: Say = Arc::new(output::note);
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Some(Tls::load(certificate, key, note)?),
            _ => None,
        };
        Ok(Serving {
            log,
            metrics,
            rate: self.rate,
            proxies,
            tls,
            #[cfg(feature = "otel")]
            otlp: self.otlp.collector()?,
        })
    }
}

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
