//! Sockets: connections, limits and the end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use countersign_evidence::witness::MAX_BYTES;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::app::Trouble;
use crate::submit::LARGEST;
use crate::tls::Tls;
use crate::watch::{Metrics, Peer, Peers, Serving, Up, Watch, around, serve_metrics};
use crate::{Error, api};

/// What one client, and all together, may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections at once; others wait in the operating system's queue.
    pub(crate) connections: usize,
    /// Until the head of a request is there, and between two requests.
    pub(crate) head: Duration,
    /// Until a request is answered, its body included.
    pub(crate) request: Duration,
    /// A connection's whole life; clients come again.
    pub(crate) connection: Duration,
    /// Bytes of a request's body; one that says it has more is refused before it is read.
    pub(crate) body: u64,
    /// The same of what people sign.
    pub(crate) acts: u64,
    /// The same of what pipelines send: git objects and files.
    pub(crate) upload: u64,
    /// Until one of those is there whole, and answered.
    pub(crate) upload_time: Duration,
    /// What is being answered may take this long after a signal.
    pub(crate) drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            head: Duration::from_secs(15),
            request: Duration::from_secs(30),
            connection: Duration::from_secs(20 * 60),
            body: MAX_BYTES as u64,
            acts: api::LARGEST_ACTS as u64,
            upload: LARGEST,
            upload_time: Duration::from_secs(15 * 60),
            drain: Duration::from_secs(10),
        }
    }
}

/// How long is waited at the end for the last spans.
#[cfg(feature = "otel")]
const LAST_SPANS: std::time::Duration = std::time::Duration::from_secs(6);
/// Of the connections, those that open pages may hold for what is appended; the others are for requests.
pub(crate) const OPEN_PAGES: usize = 192;
/// Bytes of a request's head that are read.
const HEAD_BYTES: usize = 64 << 10;
/// How long to wait when no connection can be taken, as when the process has no more file descriptors.
const BREATHER: Duration = Duration::from_millis(50);

/// Who a request's headers prove to be signed in.
pub(crate) type Known = Arc<dyn Fn(&HeaderMap) -> Option<String> + Send + Sync>;

/// Where nobody signs in.
pub(crate) fn strangers() -> Known {
    Arc::new(|_| None)
}

/// Serves until SIGINT, SIGTERM or `stop`. `ready` is told the address once connections are taken.
///
/// # Errors
/// [`Error::Start`].
pub(crate) fn run(
    listener: Listener,
    app: Router,
    serving: Serving,
    metrics: Arc<Metrics>,
    known: Known,
    stop: impl Future<Output = ()>,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), Error> {
    #[cfg(feature = "otel")]
    let otlp = serving.otlp;
    let Serving { log, metrics: numbers, rate, proxies, tls, .. } = serving;
    let (watch, lines) = Watch::new(Arc::clone(&metrics), proxies, rate, log, known)?;
    #[cfg(feature = "otel")]
    let (watch, spans) = match otlp {
        Some(otlp) => {
            let (watch, thread) = watch.with_spans(otlp)?;
            (watch, Some(thread))
        }
        None => (watch, None),
    };
    let served = serve_watched(listener, app, watch, (numbers, tls), metrics, stop, ready);
    // The last line is said before the end; nobody holds the watch any more.
    if let Some(lines) = lines {
        let _ = lines.join();
    }
    // The last spans are brought before the end, where the collector is not away.
    #[cfg(feature = "otel")]
    if let Some(spans) = spans {
        let until = std::time::Instant::now() + LAST_SPANS;
        while !spans.is_finished() && std::time::Instant::now() < until {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
    served
}

fn serve_watched(
    listener: Listener,
    app: Router,
    watch: Watch,
    (numbers, tls): (Option<Listener>, Option<Arc<Tls>>),
    metrics: Arc<Metrics>,
    stop: impl Future<Output = ()>,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), Error> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(Error::Start)?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Start)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Error::Start)?;
        ready(listener.address);
        let listener = listener.into_tokio()?;
        if let Some(numbers) = numbers {
            tokio::spawn(serve_metrics(numbers.into_tokio()?, metrics));
        }
        serve(listener, app, Limits::default(), Arc::new(watch), tls, async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = stop => {}
            }
        })
        .await;
        Ok(())
    })
}

/// A socket that listens. Connections wait in the operating system's queue until somebody serves.
#[derive(Debug)]
pub struct Listener {
    socket: std::net::TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Listens; port 0 takes any that is free.
    ///
    /// # Errors
    /// [`Error::Listen`].
    pub fn bind(listen: SocketAddr) -> Result<Self, Error> {
        let bound = || {
            let socket = std::net::TcpListener::bind(listen)?;
            socket.set_nonblocking(true)?;
            Ok(Self { address: socket.local_addr()?, socket })
        };
        bound().map_err(|source| Error::Listen { address: listen.to_string(), source })
    }

    fn into_tokio(self) -> Result<TcpListener, Error> {
        TcpListener::from_std(self.socket).map_err(Error::Start)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves connections until `stop`, then lets those that are open finish what they answer.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Router,
    limits: Limits,
    watch: Arc<Watch>,
    tls: Option<Arc<Tls>>,
    stop: impl Future<Output = ()>,
) {
    let watching = Arc::clone(&watch);
    let app = app
        .layer(middleware::from_fn(move |request, next| bounded(limits, request, next)))
        .layer(middleware::from_fn(move |request, next| around(Arc::clone(&watching), request, next)));
    let peers = Peers::default();
    let slots = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(HEAD_BYTES);
    tokio::pin!(stop);
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((slot, listener.accept().await?))
        };
        let (slot, (stream, peer)) = tokio::select! {
            () = &mut stop => break,
            next = next => match next {
                Ok(next) => next,
                Err(_) => {
                    tokio::time::sleep(BREATHER).await;
                    continue;
                }
            },
        };
        let Some(held) = peers.hold(peer.ip(), &watch.proxies) else {
            watch.metrics.turned_away.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let app = TowerToHyperService::new(app.clone());
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer.ip()));
            app.call(request)
        });
        let (watcher, builder) = (graceful.watcher(), builder.clone());
        let secured = tls.as_ref().map(|tls| TlsAcceptor::from(tls.current()));
        let metrics = Arc::clone(&watch.metrics);
        tokio::spawn(async move {
            let _open = Up::new(&metrics.connections);
            // A client that went away or took too long has nobody left to tell.
            match secured {
                None => {
                    let connection = watcher.watch(builder.serve_connection(TokioIo::new(stream), service));
                    let _ = timeout(limits.connection, connection).await;
                }
                // Whoever does not come to terms in the time of a head is let go.
                Some(secured) => {
                    if let Ok(Ok(stream)) = timeout(limits.head, secured.accept(stream)).await {
                        let connection = watcher.watch(builder.serve_connection(TokioIo::new(stream), service));
                        let _ = timeout(limits.connection, connection).await;
                    }
                }
            }
            drop((slot, held));
        });
    }
    drop(listener);
    // What is not answered by then is cut off; nothing is half written, for answers follow what is on the disk.
    let _ = timeout(limits.drain, graceful.shutdown()).await;
}

async fn bounded(limits: Limits, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let (body, time) = if api::takes_uploads(path) {
        (limits.upload, limits.upload_time)
    } else if api::takes_acts(path) {
        (limits.acts, limits.request)
    } else {
        (limits.body, limits.request)
    };
    if request.body().size_hint().lower() > body {
        return if api::is_of(request.uri().path()) {
            api::refused(&Trouble::too_much(body))
        } else {
            StatusCode::PAYLOAD_TOO_LARGE.into_response()
        };
    }
    match timeout(time, next.run(request)).await {
        Ok(response) => response,
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpStream};

    use axum::routing::get;

    use super::*;

    /// Serves `app` on a free port, runs `client`, stops, and waits for the end.
    fn with_server<T>(app: Router, limits: Limits, client: impl FnOnce(SocketAddr) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = listener.address();
        let listener = runtime.block_on(async { TcpListener::from_std(listener.socket) }).unwrap();
        let watch = Watch::new(Arc::default(), Vec::new(), 1000, None, strangers()).unwrap().0;
        let server = runtime.spawn(serve(listener, app, limits, Arc::new(watch), None, async {
            let _ = stopped.await;
        }));
        let result = client(address);
        stop.send(()).unwrap();
        runtime.block_on(server).unwrap();
        result
    }

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        // The server may have said no before all of it was sent.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    const HELLO: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

    fn hello() -> Router {
        Router::new().route("/", get(|| async { "hello" }))
    }

    #[test]
    fn a_client_that_sends_nothing_is_let_go_and_others_are_served() {
        let limits = Limits { connections: 1, head: Duration::from_millis(100), ..Limits::default() };
        with_server(hello(), limits, |address| {
            // It takes the only slot, until its time is up; the answer to the second proves that it was let go.
            let silent = TcpStream::connect(address).unwrap();
            assert!(ask(address, HELLO).ends_with("hello"));
            drop(silent);
        });
    }

    #[test]
    fn a_request_that_takes_too_long_is_answered_so() {
        let app = Router::new().route("/", get(|| async { std::future::pending::<String>().await }));
        let limits = Limits { request: Duration::from_millis(50), ..Limits::default() };
        assert!(with_server(app, limits, |address| ask(address, HELLO)).starts_with("HTTP/1.1 408"));
    }

    #[test]
    fn a_body_that_comes_slowly_ends() {
        let app = Router::new().route("/", axum::routing::post(|_: axum::body::Bytes| async { "all of it" }));
        let limits = Limits { request: Duration::from_millis(150), ..Limits::default() };
        let answer = with_server(app, limits, |address| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n").unwrap();
            let writer = stream.try_clone();
            std::thread::spawn(move || {
                let mut writer = writer.unwrap();
                while writer.write_all(b"x").is_ok() {
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer);
            answer
        });
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }

    #[test]
    fn a_head_without_end_is_refused() {
        let endless = format!("GET / HTTP/1.1\r\nconnection: close\r\nx: {}", "a".repeat(HEAD_BYTES * 8));
        let answer = with_server(hello(), Limits::default(), |address| ask(address, &endless));
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }

    #[test]
    fn what_is_being_answered_is_finished() {
        let (started, begun) = std::sync::mpsc::channel();
        let go = Arc::new(tokio::sync::Notify::new());
        let gate = Arc::clone(&go);
        let app = Router::new().route(
            "/",
            get(move || {
                let (started, gate) = (started.clone(), Arc::clone(&gate));
                async move {
                    started.send(()).unwrap();
                    gate.notified().await;
                    "finished"
                }
            }),
        );
        let client = with_server(app, Limits::default(), |address| {
            let client = std::thread::spawn(move || ask(address, HELLO));
            begun.recv().unwrap();
            // The answer comes only after the stop below was asked for, or just before: both must be whole.
            go.notify_one();
            client
        });
        assert!(client.join().unwrap().ends_with("finished"));
    }
}
