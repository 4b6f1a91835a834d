//! What whoever runs a server sees of it: a line a request, numbers, and limits on how often somebody asks.
//!
//! | file | holds |
//! |---|---|
//! | `request.rs` | what is done around every request |
//! | `metrics.rs` | numbers, as Prometheus reads them |
//! | `lines.rs` | the line of a request |
//! | `limit.rs` | how often, and from where |
//! | `spans.rs` | spans of requests for an OpenTelemetry collector, behind the feature `otel` |
//!
//! Nothing of it names a person, and no address with its parts: a route's pattern stands for all that match it.

mod limit;
mod lines;
mod metrics;
mod request;
#[cfg(feature = "otel")]
mod spans;

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;

pub(crate) use limit::Peers;
pub use limit::{Network, network};
pub use lines::{LogFormat, Say};
pub(crate) use metrics::{Metrics, Up};
pub(crate) use request::{Peer, Refused, Watch, around, current, scoped};
#[cfg(feature = "otel")]
pub use spans::Otlp;
#[cfg(feature = "otel")]
pub(crate) use spans::current as span;

use crate::http::{self, Listener};
use crate::tls::Tls;

/// How often a second the numbers may be asked for.
const SCRAPES: u32 = 20;

/// How a server is watched and how much of it one client may have.
pub struct Serving {
    /// Where a line is said for every request, and how.
    pub log: Option<(LogFormat, Say)>,
    /// Where its numbers are served.
    pub metrics: Option<Listener>,
    /// Requests a second that one client may make, and four times as many at once.
    pub rate: u32,
    /// Whose `X-Forwarded-For` is believed.
    pub proxies: Vec<Network>,
    /// The certificate that it is reached with; none: it speaks plain HTTP.
    pub tls: Option<Arc<Tls>>,
    /// Where spans of its requests are brought.
    #[cfg(feature = "otel")]
    pub otlp: Option<Otlp>,
}

impl Default for Serving {
    fn default() -> Self {
        Self {
            log: None,
            metrics: None,
            rate: 100,
            proxies: Vec::new(),
            tls: None,
            #[cfg(feature = "otel")]
            otlp: None,
        }
    }
}

/// Serves the numbers on an address of their own, until the server ends.
pub(crate) async fn serve_metrics(listener: TcpListener, metrics: Arc<Metrics>) {
    let answered = Arc::clone(&metrics);
    let answer = move || {
        let metrics = Arc::clone(&answered);
        async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.text()) }
    };
    let app = Router::new().route("/metrics", get(answer));
    // Whoever reads the numbers is in none of them.
    let Ok((watch, _)) = Watch::new(Arc::default(), Vec::new(), SCRAPES, None, http::strangers()) else { return };
    let limits = http::Limits { connections: 8, ..http::Limits::default() };
    http::serve(listener, app, limits, Arc::new(watch), None, std::future::pending()).await;
}
