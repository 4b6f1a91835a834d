//! The witness's paths.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use countersign_evidence::witness::MAX_BYTES;
use countersign_model::Clock;

use super::{Notice, Reply, Witness};

const TEXT: &str = "text/plain; charset=utf-8";

struct Serving {
    witness: Witness,
    clock: Arc<dyn Clock>,
    notify: Arc<dyn Fn(Notice) + Send + Sync>,
}

pub(super) fn routes(witness: Witness, clock: Arc<dyn Clock>, notify: Arc<dyn Fn(Notice) + Send + Sync>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{hash}/checkpoint", get(checkpoint))
        .layer(DefaultBodyLimit::max(MAX_BYTES))
        .with_state(Arc::new(Serving { witness, clock, notify }))
}

async fn add_checkpoint(State(serving): State<Arc<Serving>>, body: Bytes) -> Response {
    let answer = tokio::task::spawn_blocking(move || {
        let now = u64::try_from(serving.clock.now().millis().div_euclid(1000)).unwrap_or(0);
        let reply = serving.witness.add_checkpoint(&body, now, serving.notify.as_ref());
        reply.map_err(|e| (serving.notify)(Notice::Failed(e)))
    });
    match answer.await {
        Ok(Ok(Reply::Cosigned(lines))) => ([(CONTENT_TYPE, TEXT)], lines).into_response(),
        Ok(Ok(Reply::Refused(refusal))) => {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let (media, body) = refusal.body();
            (status, [(CONTENT_TYPE, media)], body).into_response()
        }
        Ok(Err(())) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn checkpoint(State(serving): State<Arc<Serving>>, Path(hash): Path<String>) -> Response {
    let read = tokio::task::spawn_blocking(move || {
        serving.witness.checkpoint(&hash).map_err(|e| (serving.notify)(Notice::Failed(e)))
    });
    match read.await {
        Ok(Ok(Some(note))) => {
            let headers: [(HeaderName, &str); 2] = [(CONTENT_TYPE, TEXT), (CACHE_CONTROL, "no-cache")];
            (headers, note).into_response()
        }
        Ok(Ok(None)) => StatusCode::NOT_FOUND.into_response(),
        Ok(Err(())) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
