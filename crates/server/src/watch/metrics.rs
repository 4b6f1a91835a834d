//! Numbers in Prometheus's text format (version 0.0.4). Their labels are a program's words: patterns of routes, methods, statuses.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use countersign_model::Timestamp;
use countersign_model::visit::SignInMethod;

use crate::auth::lock;

/// Upper bounds in seconds.
const BOUNDS: [(f64, &str); 10] = [
    (0.005, "0.005"),
    (0.01, "0.01"),
    (0.025, "0.025"),
    (0.05, "0.05"),
    (0.1, "0.1"),
    (0.2, "0.2"),
    (0.5, "0.5"),
    (1.0, "1"),
    (2.5, "2.5"),
    (10.0, "10"),
];

#[derive(Debug, Default, Clone)]
struct Histogram {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

impl Histogram {
    fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        for (bucket, (bound, _)) in self.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(seconds <= bound);
        }
        self.count += 1;
        self.sum += seconds;
    }

    fn write(&self, out: &mut String, name: &str, labels: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        for (bucket, (_, bound)) in self.buckets.iter().zip(BOUNDS) {
            let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {bucket}");
        }
        let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {}", self.count);
        let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(out, "{name}_sum{braced} {}\n{name}_count{braced} {}", self.sum, self.count);
    }
}

#[derive(Debug, Default)]
struct Counted {
    requests: BTreeMap<(&'static str, String, u16), u64>,
    took: BTreeMap<String, Histogram>,
    waited: Histogram,
    sign_ins: BTreeMap<(&'static str, bool), u64>,
}

/// What is counted, and what was last seen. Times are milliseconds since 1970, and 0 where there is none.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    counted: Mutex<Counted>,
    pub(crate) open_pages: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) limited: AtomicU64,
    pub(crate) turned_away: AtomicU64,
    pub(crate) unsaid: AtomicU64,
    #[cfg(feature = "otel")]
    pub(crate) spans_lost: AtomicU64,
    #[cfg(feature = "otel")]
    pub(crate) spans_brought: AtomicU64,
    busy: AtomicU64,
    waiting: AtomicU64,
    entries: AtomicU64,
    newest: AtomicI64,
    followed: AtomicI64,
    assessed: AtomicI64,
    assessment_took: AtomicU64,
}

/// Counts one up as long as it lives.
pub(crate) struct Up<'a>(&'a AtomicU64);

impl<'a> Up<'a> {
    pub(crate) fn new(gauge: &'a AtomicU64) -> Self {
        gauge.fetch_add(1, Ordering::Relaxed);
        Self(gauge)
    }
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    pub(super) fn request(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let mut counted = lock(&self.counted);
        *counted.requests.entry((method, route.to_owned(), status)).or_default() += 1;
        counted.took.entry(route.to_owned()).or_default().add(took);
    }

    /// Somebody waits for a ledger.
    pub(crate) fn waits(&self) -> Up<'_> {
        Up::new(&self.waiting)
    }

    /// Somebody waited for a ledger; `got`: and has one.
    pub(crate) fn waited(&self, long: Duration, got: bool) {
        lock(&self.counted).waited.add(long);
        if !got {
            self.busy.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn sign_in(&self, method: SignInMethod, refused: bool) {
        *lock(&self.counted).sign_ins.entry((method.as_str(), refused)).or_default() += 1;
    }

    /// The log was looked at.
    pub(crate) fn followed(&self, now: Timestamp, entries: u64, newest: Timestamp) {
        self.followed.store(now.millis(), Ordering::Relaxed);
        self.entries.store(entries, Ordering::Relaxed);
        self.newest.store(newest.millis(), Ordering::Relaxed);
    }

    /// An assessment was computed.
    pub(crate) fn assessed(&self, now: Timestamp, took: Duration) {
        self.assessed.store(now.millis(), Ordering::Relaxed);
        self.assessment_took.store(u64::try_from(took.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// All of it.
    pub(super) fn text(&self) -> String {
        let mut out = String::with_capacity(8 << 10);
        let about = |out: &mut String, name: &str, kind: &str, help: &str| {
            let _ = writeln!(out, "# HELP countersign_{name} {help}\n# TYPE countersign_{name} {kind}");
        };
        let counted = lock(&self.counted);
        about(&mut out, "build_info", "gauge", "The program's version.");
        let _ = writeln!(out, "countersign_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
        about(
            &mut out,
            "http_requests_total",
            "counter",
            "Requests that were answered, by the pattern of their route.",
        );
        for ((method, route, status), times) in &counted.requests {
            let labels = format!("method=\"{method}\",route=\"{}\",status=\"{status}\"", escaped(route));
            let _ = writeln!(out, "countersign_http_requests_total{{{labels}}} {times}");
        }
        about(
            &mut out,
            "http_request_duration_seconds",
            "histogram",
            "How long a request took until its answer began.",
        );
        for (route, took) in &counted.took {
            let labels = format!("route=\"{}\"", escaped(route));
            took.write(&mut out, "countersign_http_request_duration_seconds", &labels);
        }
        about(&mut out, "ledger_wait_seconds", "histogram", "How long a request waited for its turn at the ledger.");
        counted.waited.write(&mut out, "countersign_ledger_wait_seconds", "");
        about(&mut out, "sign_ins_total", "counter", "Sign-ins, and those that were refused.");
        for ((method, refused), times) in &counted.sign_ins {
            let outcome = if *refused { "refused" } else { "signed-in" };
            let _ = writeln!(out, "countersign_sign_ins_total{{method=\"{method}\",outcome=\"{outcome}\"}} {times}");
        }
        drop(counted);
        let whole = |n: &AtomicU64| n.load(Ordering::Relaxed).to_string();
        let seconds = |n: &AtomicI64| format!("{}", n.load(Ordering::Relaxed) as f64 / 1000.0);
        let took = self.assessment_took.load(Ordering::Relaxed) as f64 / 1000.0;
        for (name, kind, help, value) in [
            ("connections", "gauge", "Connections that are open.", whole(&self.connections)),
            ("open_pages", "gauge", "Pages that are open and kept up to date.", whole(&self.open_pages)),
            ("ledger_waiting", "gauge", "Requests that wait for their turn at the ledger.", whole(&self.waiting)),
            ("ledger_busy_total", "counter", "Requests that waited too long for the ledger.", whole(&self.busy)),
            (
                "rate_limited_total",
                "counter",
                "Requests that were refused because their client makes too many.",
                whole(&self.limited),
            ),
            (
                "connections_refused_total",
                "counter",
                "Connections beyond what one address may hold, or whose TLS failed.",
                whole(&self.turned_away),
            ),
            (
                "request_lines_lost_total",
                "counter",
                "Lines of requests that could not be said in time.",
                whole(&self.unsaid),
            ),
            ("log_entries", "gauge", "Entries of the log.", whole(&self.entries)),
            (
                "log_newest_entry_timestamp_seconds",
                "gauge",
                "When the newest entry was appended.",
                seconds(&self.newest),
            ),
            (
                "log_followed_timestamp_seconds",
                "gauge",
                "When the log, with the checkpoint over it, was last looked at.",
                seconds(&self.followed),
            ),
            (
                "assessment_timestamp_seconds",
                "gauge",
                "When the newest assessment was computed.",
                seconds(&self.assessed),
            ),
            ("assessment_duration_seconds", "gauge", "How long the newest assessment took.", took.to_string()),
        ] {
            about(&mut out, name, kind, help);
            let _ = writeln!(out, "countersign_{name} {value}");
        }
        #[cfg(feature = "otel")]
        for (name, help, value) in [
            ("spans_exported_total", "Spans that the collector took.", whole(&self.spans_brought)),
            ("spans_lost_total", "Spans that could not be brought to the collector.", whole(&self.spans_lost)),
        ] {
            about(&mut out, name, "counter", help);
            let _ = writeln!(out, "countersign_{name} {value}");
        }
        out
    }
}

/// A label's value.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
