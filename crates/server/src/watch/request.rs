//! What is done around every request: it has an id, is counted, gets a line, and is answered with 429 when its client asks too often.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use countersign_model::digest;

use super::limit::{Buckets, Client, origin};
use super::lines::{Line, Lines};
use super::{LogFormat, Metrics, Network, Say};
use crate::app::Trouble;
use crate::auth::lock;
use crate::http::Known;
use crate::{Error, api};

/// Names a request.
const ID: HeaderName = HeaderName::from_static("x-request-id");
/// Bytes of the longest id that is taken over.
const LONGEST_ID: usize = 64;
/// What is not one of the routes: the files of the log.
const LOG: &str = "(log)";

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The code of an answer that says no.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused(pub(crate) &'static str);

/// What watches a server.
pub(crate) struct Watch {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) proxies: Vec<Network>,
    lines: Option<Lines>,
    buckets: Mutex<Buckets>,
    known: Known,
    #[cfg(feature = "otel")]
    spans: Option<Arc<super::spans::Spans>>,
}

impl Watch {
    /// A watch, and the thread that says its lines.
    pub(crate) fn new(
        metrics: Arc<Metrics>,
        proxies: Vec<Network>,
        rate: u32,
        log: Option<(LogFormat, Say)>,
        known: Known,
    ) -> Result<(Self, Option<JoinHandle<()>>), Error> {
        let (lines, thread) = log.map(|(format, say)| Lines::new(format, say)).transpose()?.unzip();
        let buckets = Mutex::new(Buckets::new(rate));
        #[cfg(feature = "otel")]
        let spans = None;
        let this = Self {
            metrics,
            proxies,
            lines,
            buckets,
            known,
            #[cfg(feature = "otel")]
            spans,
        };
        Ok((this, thread))
    }

    /// Leaves a span of every request, and the thread that brings them.
    #[cfg(feature = "otel")]
    pub(crate) fn with_spans(mut self, otlp: super::Otlp) -> Result<(Self, JoinHandle<()>), Error> {
        let (spans, thread) = super::spans::Spans::new(otlp, Arc::clone(&self.metrics))?;
        self.spans = Some(spans);
        Ok((self, thread))
    }
}

tokio::task_local! {
    static CURRENT: Arc<str>;
}

/// The id of the request that is answered here.
pub(crate) fn current() -> Option<Arc<str>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Does something for the request of that id, on another thread.
pub(crate) fn scoped<T>(id: Option<Arc<str>>, job: impl FnOnce() -> T) -> T {
    match id {
        Some(id) => CURRENT.sync_scope(id, job),
        None => job(),
    }
}

/// An id that somebody before this server gave, where it is one: nothing that could be read as something else in a line.
fn given(headers: &HeaderMap) -> Option<Arc<str>> {
    let mut all = headers.get_all(&ID).iter();
    let (first, more) = (all.next()?.to_str().ok()?, all.next());
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (more.is_none() && (1..=LONGEST_ID).contains(&first.len()) && first.bytes().all(plain)).then(|| first.into())
}

fn made() -> Arc<str> {
    countersign_evidence::random::<12>().map_or_else(|_| "unknown".into(), |bytes| digest::to_hex(&bytes).into())
}

/// Methods are the program's words too: anybody can send any other.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

/// Answers a request.
pub(crate) async fn around(watch: Arc<Watch>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = given(request.headers()).unwrap_or_else(made);
    let method = method(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| LOG.to_owned(), |p| p.as_str().to_owned());
    let peer = request.extensions().get::<Peer>().map(|p| origin(&watch.proxies, p.0, request.headers()));
    let client = match (watch.known)(request.headers()) {
        Some(known) => Client::Known(known),
        None => peer.map_or(Client::Others, Client::at),
    };
    let taken = lock(&watch.buckets).take(client, began);
    #[cfg(feature = "otel")]
    let span = watch.spans.as_ref().and_then(|spans| spans.begin(request.headers()));
    let mut response = match taken {
        #[cfg(feature = "otel")]
        Ok(()) => super::spans::within(span.clone(), CURRENT.scope(Arc::clone(&id), next.run(request))).await,
        #[cfg(not(feature = "otel"))]
        Ok(()) => CURRENT.scope(Arc::clone(&id), next.run(request)).await,
        Err(seconds) => {
            watch.metrics.limited.fetch_add(1, Ordering::Relaxed);
            too_fast(request.uri().path(), seconds)
        }
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(ID, value);
    }
    let (status, took) = (response.status().as_u16(), began.elapsed());
    watch.metrics.request(method, &route, status, took);
    let code = response.extensions().get::<Refused>().map(|r| r.0);
    #[cfg(feature = "otel")]
    if let Some(span) = &span {
        span.answered(&super::spans::Answered { request: &id, method, route: &route, status, code }, began);
    }
    if let Some(lines) = &watch.lines {
        let line = Line { request: &id, peer, method, route: &route, status, took, code };
        if !lines.say(&line) {
            watch.metrics.unsaid.fetch_add(1, Ordering::Relaxed);
        }
    }
    response
}

/// To whom it is said is not known yet, and a page would be work.
fn too_fast(path: &str, seconds: u64) -> Response {
    let trouble = Trouble::too_fast();
    let mut response = if path.starts_with("/api/") {
        api::refused(&trouble)
    } else {
        let text = format!("[{}] {}: {}\n", trouble.code, trouble.text, trouble.help);
        (trouble.status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
    };
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response.extensions_mut().insert(Refused(trouble.code));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_over_where_it_is_one() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ID, value.parse().unwrap());
            }
            given(&headers)
        };
        assert_eq!(of(&["req-1_a.B"]).as_deref(), Some("req-1_a.B"));
        let long = "a".repeat(LONGEST_ID + 1);
        for bad in [&[""][..], &["a b"], &["a\"b"], &["a,b"], &["{}"], &["a", "b"], &[long.as_str()], &[]] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
        assert_eq!(made().len(), 24);
        assert_ne!(made(), made());
    }
}
