//! Spans of requests for an OpenTelemetry collector, behind the feature `otel`. A thread brings them, so that a collector that is slow or
//! away holds up no request; what it cannot keep up with is counted.
//!
//! The protocol is OTLP over HTTP with JSON, written here: the libraries for it bring generated types of protocol buffers with their
//! runtimes (design 021), for a document of this size.
//!
//! A span holds what a request's line holds: no query, no part of an address, no token and no name.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use countersign_connect::traces::{Brought, Collector};
use countersign_model::{Clock as _, SystemClock, digest};
use serde_json::{Value, json};

use super::Metrics;
use crate::Error;

/// Spans that wait.
const WAITING: usize = 4096;
/// Spans that are brought at once, and how long is waited for more.
const BATCH: usize = 512;
const PAUSE: Duration = Duration::from_secs(2);
/// How long is waited before what was not taken is brought again.
const AGAIN: [Duration; 3] = [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)];

/// Where spans go, and as whose.
pub struct Otlp {
    /// The collector.
    pub collector: Collector,
    /// `service.name`.
    pub service: String,
}

/// The place of a span among others (W3C Trace Context).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    trace: String,
    parent: Option<String>,
    /// Whoever began the trace keeps it.
    sampled: bool,
}

/// The header `traceparent` (W3C Trace Context, 3.2.2), where it is one.
fn place(headers: &HeaderMap) -> Option<Place> {
    let mut all = headers.get_all("traceparent").iter();
    let (first, more) = (all.next()?.to_str().ok()?, all.next());
    let mut parts = first.splitn(5, '-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, n: usize| {
        text.len() == n && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let is_id = |text: &str, n: usize| is_hex(text, n) && text.bytes().any(|b| b != b'0');
    // Later versions may say more, and this one may not.
    let is_version = is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    if more.is_some() || !is_version || !is_id(trace, 32) || !is_id(parent, 16) || !is_hex(flags, 2) {
        return None;
    }
    let sampled = u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1);
    Some(Place { trace: trace.to_owned(), parent: Some(parent.to_owned()), sampled })
}

fn id<const N: usize>() -> Option<String> {
    // All zeros would be no id; nobody sees that happen.
    countersign_evidence::random::<N>().ok().map(|bytes| digest::to_hex(&bytes))
}

/// Where spans are left.
pub(crate) struct Spans {
    send: SyncSender<Value>,
    metrics: Arc<Metrics>,
    /// Lives as long as somebody may leave spans.
    _alive: Arc<()>,
}

/// A span that began.
#[derive(Clone)]
pub(crate) struct Begun {
    spans: Arc<Spans>,
    trace: String,
    id: String,
    parent: Option<String>,
}

tokio::task_local! {
    static CURRENT: Option<Begun>;
}

/// The span of the request that is answered here.
pub(crate) fn current() -> Option<Begun> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

/// Answers a request within its span.
pub(super) async fn within<T>(span: Option<Begun>, job: impl Future<Output = T>) -> T {
    CURRENT.scope(span, job).await
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// What is said of a request that was answered.
pub(super) struct Answered<'a> {
    pub(super) request: &'a str,
    pub(super) method: &'static str,
    pub(super) route: &'a str,
    pub(super) status: u16,
    pub(super) code: Option<&'static str>,
}

impl Spans {
    /// Where spans are left, and the thread that brings them: it ends once nobody leaves any more, and the last were brought.
    pub(super) fn new(otlp: Otlp, metrics: Arc<Metrics>) -> Result<(Arc<Self>, JoinHandle<()>), Error> {
        let (send, receive) = mpsc::sync_channel(WAITING);
        let counted = Arc::clone(&metrics);
        let alive = Arc::new(());
        let lives = Arc::downgrade(&alive);
        let bring = move || bring(&otlp, &receive, &counted, &lives);
        let thread = std::thread::Builder::new().name("spans".into()).spawn(bring).map_err(Error::Start)?;
        Ok((Arc::new(Self { send, metrics, _alive: alive }), thread))
    }

    /// Begins the span of a request; none: whoever began the trace does not keep it.
    pub(super) fn begin(self: &Arc<Self>, headers: &HeaderMap) -> Option<Begun> {
        let own = || Some(Place { trace: id::<16>()?, parent: None, sampled: true });
        let place = place(headers).map_or_else(own, Some)?;
        if !place.sampled {
            return None;
        }
        Some(Begun { spans: Arc::clone(self), trace: place.trace, id: id::<8>()?, parent: place.parent })
    }

    fn leave(&self, span: Value) {
        if self.send.try_send(span).is_err() {
            self.metrics.spans_lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Begun {
    fn span(&self, name: &str, kind: u8, began: Instant, attributes: Vec<Value>) -> Value {
        let end = i128::from(SystemClock.now().millis()) * 1_000_000;
        let took = i128::try_from(began.elapsed().as_nanos()).unwrap_or(0);
        // 64-bit numbers are strings in the JSON of protocol buffers.
        let mut span = json!({
            "traceId": self.trace, "spanId": self.id, "name": name, "kind": kind,
            "startTimeUnixNano": (end - took).to_string(), "endTimeUnixNano": end.to_string(), "attributes": attributes,
        });
        if let (Some(parent), Some(map)) = (&self.parent, span.as_object_mut()) {
            map.insert("parentSpanId".to_owned(), parent.as_str().into());
        }
        span
    }

    /// Ends the span of a request. Names and attributes are those of OpenTelemetry's conventions for HTTP servers.
    pub(super) fn answered(&self, a: &Answered<'_>, began: Instant) {
        let mut attributes = vec![
            text("http.request.method", a.method),
            text("http.route", a.route),
            json!({"key": "http.response.status_code", "value": {"intValue": a.status.to_string()}}),
            text("countersign.request.id", a.request),
        ];
        attributes.extend(a.code.map(|code| text("error.type", code)));
        let mut span = self.span(&format!("{} {}", a.method, a.route), 2, began, attributes);
        // A no to a client is no failure of a server's.
        if let (500.., Some(map)) = (a.status, span.as_object_mut()) {
            map.insert("status".to_owned(), json!({"code": 2}));
        }
        self.spans.leave(span);
    }

    /// A part of the request: waiting for a ledger, and working on it.
    pub(crate) fn part(&self, name: &str, began: Instant, failed: bool) {
        let Some(id) = id::<8>() else { return };
        let within = Self { id, parent: Some(self.id.clone()), ..self.clone() };
        let mut span = within.span(name, 1, began, Vec::new());
        if let (true, Some(map)) = (failed, span.as_object_mut()) {
            map.insert("status".to_owned(), json!({"code": 2}));
        }
        self.spans.leave(span);
    }
}

fn bring(otlp: &Otlp, receive: &Receiver<Value>, metrics: &Metrics, lives: &Weak<()>) {
    loop {
        let Ok(first) = receive.recv() else { return };
        let (mut batch, until) = (vec![first], Instant::now() + PAUSE);
        while batch.len() < BATCH {
            match receive.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(span) => batch.push(span),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        let many = batch.len() as u64;
        let request = request(&otlp.service, batch);
        let mut brought = otlp.collector.bring(&request);
        // Nobody waits at the end for a collector that is away.
        for pause in AGAIN {
            if brought != Brought::Later || lives.strong_count() == 0 {
                break;
            }
            std::thread::sleep(pause);
            brought = otlp.collector.bring(&request);
        }
        let lost = match brought {
            Brought::Taken { rejected } => rejected.min(many),
            Brought::Later | Brought::Never => many,
        };
        metrics.spans_lost.fetch_add(lost, Ordering::Relaxed);
        metrics.spans_brought.fetch_add(many.saturating_sub(lost), Ordering::Relaxed);
    }
}

/// `ExportTraceServiceRequest`.
fn request(service: &str, spans: Vec<Value>) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    let resource = json!({"attributes": [text("service.name", service), text("service.version", version)]});
    let scope = json!({"name": "countersign", "version": version});
    json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": spans}]}]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_taken_over_where_it_is_one() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("traceparent", value.parse().unwrap());
            }
            place(&headers).map(|p| (p.trace, p.parent, p.sampled))
        };
        let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let good = format!("00-{trace}-{parent}-01");
        let is = |sampled| Some((trace.to_owned(), Some(parent.to_owned()), sampled));
        assert_eq!(of(&[&good]), is(true));
        assert_eq!(of(&[&format!("00-{trace}-{parent}-00")]), is(false));
        assert_eq!(of(&[&format!("01-{trace}-{parent}-03-more")]), is(true));
        for bad in [
            String::new(),
            format!("ff-{trace}-{parent}-01"),
            format!("00-{trace}-{parent}-01-more"),
            format!("00-{}-{parent}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{}-{parent}-01", trace.to_uppercase()),
            format!("00-{trace}-{parent}"),
            format!("00-{trace}-{parent}-1"),
        ] {
            assert_eq!(of(&[&bad]), None, "{bad}");
        }
        assert_eq!(of(&[&good, &good]), None);
    }

    /// A collector that keeps what it is brought; it answers with this status, and says that it rejected so many.
    fn collector(status: &'static str, rejected: u64) -> (String, mpsc::Receiver<(String, Value)>) {
        use std::io::{BufRead as _, BufReader, Read as _, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (keep, kept) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    if reader.read_line(&mut head).unwrap() == 0 {
                        break;
                    }
                }
                let length = head
                    .lines()
                    .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
                let mut body = vec![0; length.unwrap_or(0)];
                reader.read_exact(&mut body).unwrap();
                if keep.send((head, serde_json::from_slice(&body).unwrap())).is_err() {
                    return;
                }
                let said = json!({"partialSuccess": {"rejectedSpans": rejected.to_string()}}).to_string();
                let length = said.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{said}"
                );
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        (address, kept)
    }

    fn spans_of(export: &Value) -> Vec<Value> {
        export["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
    }

    /// Whether a span is as the protocol's JSON says (opentelemetry-proto, trace.proto): ids are hex, 64-bit numbers strings.
    fn is_documented(span: &Value) {
        let is_hex = |name: &str, n: usize| {
            let text = span[name].as_str().unwrap();
            assert!(
                text.len() == n && text.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()),
                "{span}"
            );
        };
        is_hex("traceId", 32);
        is_hex("spanId", 16);
        let time = |name: &str| span[name].as_str().unwrap().parse::<u64>().unwrap();
        let (start, end) = (time("startTimeUnixNano"), time("endTimeUnixNano"));
        assert!(start <= end && start > 1_700_000_000_000_000_000, "{span}");
        assert!(span["name"].is_string() && span["kind"].is_u64(), "{span}");
        for attribute in span["attributes"].as_array().unwrap() {
            let value = attribute["value"].as_object().unwrap();
            assert!(attribute["key"].is_string() && value.len() == 1, "{span}");
            assert!(value.values().all(Value::is_string), "{span}");
        }
    }

    /// A server that answers a request for each of these places in a trace, brings what they leave to a collector, and ends.
    fn served(collector: &str, traces: &[Option<(&str, &str, &str)>]) -> Arc<Metrics> {
        use axum::Router;
        use axum::routing::get;
        let metrics: Arc<Metrics> = Arc::default();
        let collector = Collector::new(collector, false, "authorization=Basic%20abc").unwrap();
        let otlp = Otlp { collector, service: "countersign-test".into() };
        let known = crate::http::strangers();
        let watch = super::super::Watch::new(Arc::clone(&metrics), Vec::new(), 1000, None, known).unwrap().0;
        let (watch, thread) = watch.with_spans(otlp).unwrap();
        let watch = Arc::new(watch);
        let work = || async {
            let began = Instant::now();
            if let Some(span) = current() {
                span.part("ledger", began, true);
            }
            axum::http::StatusCode::INTERNAL_SERVER_ERROR
        };
        let router = Router::new().route("/runs/{run}", get(work));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let served = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = crate::http::serve(listener, router, crate::http::Limits::default(), watch, None, async {
            let _ = stopped.await;
        });
        let server = runtime.spawn(serving);
        for place in traces {
            use std::io::{Read as _, Write as _};
            let mut stream = std::net::TcpStream::connect(served).unwrap();
            let head =
                "GET /runs/secret-id?q=secret-word HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-request-id: req-1\r\n";
            let place = place.map(|(trace, parent, flags)| format!("traceparent: 00-{trace}-{parent}-{flags}\r\n"));
            write!(stream, "{head}{}\r\n", place.unwrap_or_default()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
        }
        stop.send(()).unwrap();
        runtime.block_on(server).unwrap();
        drop(runtime);
        thread.join().unwrap();
        metrics
    }

    #[test]
    fn requests_leave_spans_that_a_collector_takes_and_what_it_does_not_take_is_counted() {
        let (address, kept) = collector("200 OK", 1);
        let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let metrics = served(&address, &[Some((trace, parent, "01")), Some((trace, parent, "00")), None]);
        let mut spans = Vec::new();
        while spans.len() < 4 {
            let (head, export) = kept.recv_timeout(Duration::from_secs(10)).unwrap();
            assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
            let head = head.to_ascii_lowercase();
            assert!(
                head.contains("content-type: application/json") && head.contains("authorization: basic abc"),
                "{head}"
            );
            let resource = &export["resourceSpans"][0]["resource"]["attributes"];
            assert_eq!(resource[0], json!({"key": "service.name", "value": {"stringValue": "countersign-test"}}));
            assert!(!export.to_string().contains("secret"), "{export}");
            spans.extend(spans_of(&export));
        }
        assert_eq!(spans.len(), 4, "one that its trace does not keep is left out");
        spans.iter().for_each(is_documented);
        let of = |name: &str, in_trace: bool| {
            spans.iter().find(|s| s["name"] == name && (s["traceId"] == trace) == in_trace).unwrap()
        };
        let (given, own) = (of("GET /runs/{run}", true), of("GET /runs/{run}", false));
        assert_eq!(
            (&given["parentSpanId"], &given["kind"], &given["status"]["code"]),
            (&json!(parent), &json!(2), &json!(2))
        );
        assert!(own.get("parentSpanId").is_none());
        assert!(given["attributes"].to_string().contains("req-1"));
        for (request, in_trace) in [(given, true), (own, false)] {
            let part = of("ledger", in_trace);
            assert_eq!((&part["parentSpanId"], &part["traceId"]), (&request["spanId"], &request["traceId"]));
        }
        let text = metrics.text();
        assert!(text.contains("countersign_spans_exported_total"), "{text}");
        let (lost, brought) = (&metrics.spans_lost, &metrics.spans_brought);
        assert_eq!(lost.load(Ordering::Relaxed) + brought.load(Ordering::Relaxed), 4);
        assert!(lost.load(Ordering::Relaxed) >= 1, "what the collector rejects is lost");
    }

    #[test]
    fn a_collector_that_is_away_holds_nobody_up_and_what_is_lost_is_counted() {
        let (address, _kept) = collector("400 Bad Request", 0);
        for (address, many) in [(address, 3_u64), ("http://127.0.0.1:1".to_owned(), WAITING as u64 * 2)] {
            let metrics: Arc<Metrics> = Arc::default();
            let collector = Collector::new(&address, false, "").unwrap();
            let (spans, thread) = Spans::new(Otlp { collector, service: "x".into() }, Arc::clone(&metrics)).unwrap();
            let began = Instant::now();
            for _ in 0..many {
                spans.leave(json!({}));
            }
            assert!(began.elapsed() < Duration::from_secs(2), "leaving a span waits for nobody");
            drop(spans);
            thread.join().unwrap();
            assert_eq!(metrics.spans_lost.load(Ordering::Relaxed), many);
        }
    }

    /// The collector Rotel, where it is. Absent, the test is skipped aloud; under `CI=true` it fails.
    fn rotel() -> Option<std::path::PathBuf> {
        let test = std::env::current_exe().unwrap();
        let target = test.ancestors().nth(3).unwrap();
        let libraries = std::fs::read_dir(target.join("otel-venv/lib")).into_iter().flatten();
        let found = libraries
            .map(|version| version.unwrap().path().join("site-packages/rotel/rotel-agent"))
            .find(|agent| agent.exists());
        #[expect(clippy::disallowed_methods, reason = "a test may ask whether it runs in continuous integration")]
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        let how = "python3 -m venv target/otel-venv && target/otel-venv/bin/pip install rotel==0.0.1a15";
        assert!(found.is_some() || !ci, "rotel is not installed: {how}");
        if found.is_none() {
            eprintln!("skipped: rotel is not installed: {how}");
        }
        found
    }

    /// A collector that runs until it is dropped.
    struct Agent {
        child: std::process::Child,
        dir: tempfile::TempDir,
        address: String,
    }

    impl Drop for Agent {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    impl Agent {
        fn start(program: &std::path::Path) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
            let (http, grpc) = (free(), free());
            let out = std::fs::File::create(dir.path().join("out")).unwrap();
            #[expect(clippy::disallowed_methods, reason = "a test may start what it talks to")]
            let child = std::process::Command::new(program)
                .args([
                    "start",
                    "--exporter",
                    "blackhole",
                    "--debug-log",
                    "traces",
                    "--debug-log-verbosity",
                    "detailed",
                ])
                .args(["--otlp-http-endpoint", &http, "--otlp-grpc-endpoint", &grpc])
                .arg("--pid-file")
                .arg(dir.path().join("pid"))
                .arg("--log-file")
                .arg(dir.path().join("log"))
                .stdout(out.try_clone().unwrap())
                .stderr(out)
                .spawn()
                .unwrap();
            let agent = Self { child, dir, address: format!("http://{http}") };
            let until = Instant::now() + Duration::from_secs(30);
            while std::net::TcpStream::connect(&http).is_err() {
                assert!(Instant::now() < until, "the collector does not begin: {}", agent.said());
                std::thread::sleep(Duration::from_millis(50));
            }
            agent
        }

        fn said(&self) -> String {
            std::fs::read_to_string(self.dir.path().join("out")).unwrap()
        }
    }

    #[test]
    fn a_real_collector_reads_the_spans_as_they_were_meant() {
        let Some(program) = rotel() else { return };
        let agent = Agent::start(&program);
        let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let metrics = served(&agent.address, &[Some((trace, parent, "01"))]);
        assert_eq!(metrics.spans_lost.load(Ordering::Relaxed), 0, "{}", agent.said());
        assert_eq!(metrics.spans_brought.load(Ordering::Relaxed), 2);
        let until = Instant::now() + Duration::from_secs(30);
        while agent.said().matches("End time:").count() < 2 {
            assert!(Instant::now() < until, "{}", agent.said());
            std::thread::sleep(Duration::from_millis(50));
        }
        let said = agent.said();
        let one_space = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (resource, spans) = said.split_once("ScopeSpans #0").unwrap();
        assert!(resource.contains("service.name: Str(countersign-test)"), "{said}");
        let spans: Vec<String> = spans.split("Span #").skip(1).map(one_space).collect();
        let of = |name: &str| spans.iter().find(|span| span.contains(&format!(" Name : {name} "))).unwrap();
        let (request, part) = (of("GET /runs/{run}"), of("ledger"));
        for what in [
            &format!("Trace ID : {trace} Parent ID : {parent} ID : "),
            "Kind : SPAN_KIND_SERVER",
            "Status code : STATUS_CODE_ERROR",
            "http.request.method: Str(GET)",
            "http.response.status_code: Int(500)",
            "countersign.request.id: Str(req-1)",
        ] {
            assert!(request.contains(what), "{what}: {request}");
        }
        let own = request.split(" ID : ").nth(3).and_then(|rest| rest.split(' ').next()).unwrap();
        assert!(part.contains(&format!("Trace ID : {trace} Parent ID : {own} ")), "{own}: {part}");
        assert!(part.contains("Kind : SPAN_KIND_INTERNAL"), "{part}");
        assert!(!said.contains("secret"), "{said}");
    }
}
