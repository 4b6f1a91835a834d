//! A ledger's log under the paths of C2SP tlog-tiles, read only: `/checkpoint`, `/tile/<L>/<N>`, `/tile/entries/<N>`.
//!
//! A static web server or a bucket over the ledger's folder `ledger/` does the same. This one serves nothing beyond the published
//! checkpoint: tiles that an append has written and not yet signed could still change, and a cache would keep them.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use countersign_evidence::checkpoint::Checkpoint;
use countersign_evidence::note::{self, Note};
use countersign_evidence::tile::{self, TileId, WIDTH};
use countersign_store::Source;
use tokio::sync::Notify;

use crate::http::Listener;
use crate::watch::Serving;
use crate::{Error, http};

/// Bytes of the largest tile.
const TILE_BYTES: u64 = 256 * 32;
/// Bytes of the largest bundle: 256 entries of 65,535 bytes after two bytes each.
const BUNDLE_BYTES: u64 = 256 * (65_535 + 2);

/// Something that may be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its media type.
    pub media: &'static str,
    /// How long caches may keep it.
    pub cache: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What stands under a path, the leading `/` included; `None` for everything that is not part of the published log.
///
/// The name that is read is made from the numbers in the path, never from its text.
///
/// # Errors
/// What the source says; [`Error::Evidence`] when its checkpoint is none.
pub fn find(source: &dyn Source, path: &str) -> Result<Option<Found>, Error> {
    if path == "/checkpoint" {
        let bytes = source.read("ledger/checkpoint", note::MAX_BYTES as u64)?;
        return Ok(bytes.map(|bytes| Found { media: "text/plain; charset=utf-8", cache: "public, max-age=2", bytes }));
    }
    let Some(path) = path.strip_prefix('/') else { return Ok(None) };
    let (id, name, limit) = if let Ok(id) = TileId::parse_path(path) {
        (id, id.path(), TILE_BYTES)
    } else if let Ok((index, width)) = tile::parse_entries_path(path) {
        (TileId { level: 0, index, width }, tile::entries_path(index, width), BUNDLE_BYTES)
    } else {
        return Ok(None);
    };
    let Some(size) = published_size(source)? else { return Ok(None) };
    if id.width > tile::width_at(id.level, id.index, size) {
        return Ok(None);
    }
    let bytes = source.read(&format!("ledger/{name}"), limit)?;
    // A partial one is as fixed as a full one, but it goes when the full one comes.
    let cache = if id.width == WIDTH { "public, max-age=31536000, immutable" } else { "public, max-age=3600" };
    Ok(bytes.map(|bytes| Found { media: "application/octet-stream", cache, bytes }))
}

fn published_size(source: &dyn Source) -> Result<Option<u64>, Error> {
    let Some(bytes) = source.read("ledger/checkpoint", note::MAX_BYTES as u64)? else { return Ok(None) };
    Ok(Some(Checkpoint::parse(&Note::parse(&bytes)?.text)?.size))
}

/// Ends a server from another thread, before or while it runs.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<Notify>);

impl Stop {
    /// Ends it, as SIGTERM does.
    pub fn now(&self) {
        self.0.notify_one();
    }

    pub(crate) async fn wait(&self) {
        self.0.notified().await;
    }
}

/// Publishes the log until SIGINT, SIGTERM or `stop`. `ready` is told the address once connections are taken.
///
/// # Errors
/// [`Error::Start`].
pub fn serve(
    source: Arc<dyn Source>,
    listener: Listener,
    serving: Serving,
    stop: Stop,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), Error> {
    // Here, and not among async code, the last hold on it is given up: a source may have to wait for its end.
    let held = Arc::clone(&source);
    let done = http::run(
        listener,
        routes(source),
        serving,
        Arc::default(),
        http::strangers(),
        async move { stop.wait().await },
        ready,
    );
    drop(held);
    done
}

pub(crate) fn routes(source: Arc<dyn Source>) -> Router {
    Router::new().fallback(get(answer)).with_state(source)
}

async fn answer(State(source): State<Arc<dyn Source>>, uri: Uri) -> Response {
    let found = tokio::task::spawn_blocking(move || find(source.as_ref(), uri.path())).await;
    match found {
        Ok(Ok(Some(found))) => {
            let headers: [(HeaderName, &str); 2] = [(CONTENT_TYPE, found.media), (CACHE_CONTROL, found.cache)];
            (headers, found.bytes).into_response()
        }
        Ok(Ok(None)) => StatusCode::NOT_FOUND.into_response(),
        // Why is for who runs this to find with `verify`; a client learns that it is not a matter of the path.
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
