//! The stream of what is appended, as server-sent events. An event's id is its index in the log, so a browser that was away says
//! which one it saw last and misses none.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_core::Stream;
use serde_json::json;
use tokio::sync::mpsc;

use super::look;
use crate::app::verification::Told;
use crate::app::{App, Trouble};
use crate::auth::{Visit, lock};
use crate::watch::Up;

/// How many entries are read at a time.
const BATCH: u32 = 200;
/// How often something is sent, so that proxies keep the connection and a visit that is over ends it.
const BEAT: Duration = Duration::from_secs(15);
/// A reader that is further behind is told to load its page again.
const FURTHEST: u64 = 10_000;
/// Whoever is told so may see nothing more: the page is to be loaded again.
const OVER: &[u8] = b"event: over\ndata: {}\n\n";

/// What comes through a channel, as the body of an answer.
pub(crate) struct Lines(mpsc::Receiver<Bytes>);

impl Lines {
    pub(crate) const fn new(lines: mpsc::Receiver<Bytes>) -> Self {
        Self(lines)
    }
}

impl Stream for Lines {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|line| line.map(Ok))
    }
}

#[derive(serde::Deserialize)]
pub(crate) struct Asked {
    from: Option<u64>,
}

/// `GET /live`: every entry after `Last-Event-ID`, which a browser sends when it comes again; else from the index `from`, up to which
/// its page was made; else from now on.
pub(crate) async fn stream(State(app): State<Arc<App>>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    let Some(visit) = app.visit_beside(&headers) else { return StatusCode::UNAUTHORIZED.into_response() };
    // The page is whole without it, and asks again.
    let Ok(slot) = Arc::clone(&app.open_pages).try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    let from = last.map(|last| last.saturating_add(1)).or(asked.from);
    let (send, receive) = mpsc::channel(64);
    tokio::spawn(async move {
        let _slot = slot;
        let _open = Up::new(&app.metrics.open_pages);
        // The browser went away, or the visit is over: there is nobody left to tell.
        let _ = follow(&app, &visit, from, &send).await;
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(Lines::new(receive))).into_response()
}

async fn follow(app: &Arc<App>, visit: &Visit, from: Option<u64>, send: &mpsc::Sender<Bytes>) -> Option<()> {
    let mut head = app.head.subscribe();
    let mut next = from.unwrap_or_else(|| *head.borrow());
    let mut verification = app.verification.subscribe();
    let mut computed = app.computed.subscribe();
    let (mut told, mut came) = (None, None);
    send.send(Bytes::from_static(b"retry: 1000\n\n")).await.ok()?;
    loop {
        let size = *head.borrow_and_update();
        if size.saturating_sub(next) > FURTHEST {
            next = size.saturating_sub(1);
        }
        while next < size {
            let from = next;
            let (asked, visit) = (Arc::clone(app), visit.clone());
            let lines = match asked.with(move |session| lines(session, &visit, from)).await {
                Ok(lines) => lines,
                Err(trouble) => {
                    if trouble.status.is_client_error() {
                        send.send(Bytes::from_static(OVER)).await.ok()?;
                    }
                    return None;
                }
            };
            let read = u64::try_from(lines.len()).ok()?;
            if read == 0 {
                break;
            }
            for line in lines {
                send.send(line).await.ok()?;
            }
            next = next.saturating_add(read);
        }
        // It is no entry, so it has no id: whoever comes again is told how things stand.
        let now = *verification.borrow_and_update();
        if now.id > 0 && told != Some(now) {
            send.send(verified(now)).await.ok()?;
            told = Some(now);
        }
        let count = *computed.borrow_and_update();
        if came.replace(count) != Some(count) {
            send.send(Bytes::from(format!("event: computed\ndata: {count}\n\n"))).await.ok()?;
        }
        // Waiting takes no turn and keeps nothing of the ledger.
        let waited = async {
            tokio::select! {
                changed = head.changed() => changed,
                changed = verification.changed() => changed,
                changed = computed.changed() => changed,
            }
        };
        let changed = tokio::time::timeout(BEAT, waited).await;
        if !lock(&app.visits).lasts(&visit.name, Instant::now()) {
            send.send(Bytes::from_static(OVER)).await.ok()?;
            return None;
        }
        match changed {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return None,
            Err(_) => send.send(Bytes::from_static(b": still here\n\n")).await.ok()?,
        }
    }
}

/// How the newest verification of the ledger stands.
fn verified(now: Told) -> Bytes {
    let state = if now.judged.is_some() { "being" } else { "over" };
    let data = json!({"id": now.id, "state": state, "judged": now.judged});
    Bytes::from(format!("event: verification\ndata: {data}\n\n"))
}

fn lines(session: &countersign_store::Session, visit: &Visit, from: u64) -> Result<Vec<Bytes>, Trouble> {
    // Whoever lost their roles meanwhile is told nothing more.
    if look::visitor(session, visit)?.roles.is_empty() {
        return Err(Trouble::no_role("this server"));
    }
    let entries = session.state().entries_from(from, BATCH)?;
    let line = |e: countersign_store::projection::EntryLine| {
        let data = json!({"index": e.index, "kind": e.kind.as_str(), "stream": e.stream, "time": e.time});
        Bytes::from(format!("id: {}\nevent: entry\ndata: {data}\n\n", e.index))
    };
    Ok(entries.into_iter().map(line).collect())
}
