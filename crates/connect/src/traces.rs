//! Brings spans to a collector: OTLP over HTTP, as JSON (OpenTelemetry protocol 1.x). Behind the feature `otel`.

use std::time::Duration;

use serde_json::Value;

/// How long a connection, and a whole exchange, may take: a server that ends waits for the last one.
const CONNECT: Duration = Duration::from_secs(2);
const EXCHANGE: Duration = Duration::from_secs(5);
/// Bytes of an answer.
const LONGEST: u64 = 64 << 10;
/// Where a collector takes spans, below the address that all signals share.
const TRACES: &str = "/v1/traces";

/// Where spans are brought.
pub struct Collector {
    url: String,
    headers: Vec<(String, String)>,
    agent: ureq::Agent,
}

/// What came of bringing them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brought {
    /// They were taken, but for so many.
    Taken {
        /// How many it refused.
        rejected: u64,
    },
    /// Not now: they may be brought again.
    Later,
    /// It will not take them.
    Never,
}

impl Collector {
    /// The collector at `endpoint`; `whole`: that is where spans are taken itself. Headers are `NAME=VALUE` with commas between, their values
    /// percent-encoded (`OTEL_EXPORTER_OTLP_HEADERS`). `None`: the address or a header is none.
    #[must_use]
    pub fn new(endpoint: &str, whole: bool, headers: &str) -> Option<Self> {
        let plain = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"))?;
        let host = plain.split('/').next().unwrap_or_default();
        if host.is_empty() || !endpoint.bytes().all(|b| b.is_ascii_graphic()) || plain.contains(['@', '?', '#']) {
            return None;
        }
        let url = if whole { endpoint.to_owned() } else { format!("{}{TRACES}", endpoint.trim_end_matches('/')) };
        let mut all = Vec::new();
        for pair in headers.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=')?;
            let (name, value) = (name.trim(), decoded(value.trim())?);
            let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            if !is_name || value.chars().any(char::is_control) {
                return None;
            }
            all.push((name.to_owned(), value));
        }
        Some(Self { url, headers: all, agent: crate::http::agent(CONNECT, EXCHANGE) })
    }

    /// Where spans go.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Brings a request to export.
    #[must_use]
    pub fn bring(&self, request: &Value) -> Brought {
        let mut sent = self.agent.post(&self.url).content_type("application/json");
        for (name, value) in &self.headers {
            sent = sent.header(name, value);
        }
        let Ok(mut answer) = sent.send(request.to_string()) else { return Brought::Later };
        match answer.status().as_u16() {
            200..=299 => {
                let body = answer.body_mut().with_config().limit(LONGEST).read_to_vec().unwrap_or_default();
                let said: Value = serde_json::from_slice(&body).unwrap_or_default();
                let rejected = said.pointer("/partialSuccess/rejectedSpans");
                // 64-bit numbers are strings in the JSON of protocol buffers, and readers take both.
                let number = rejected.and_then(|n| n.as_u64().or_else(|| n.as_str()?.parse().ok()));
                Brought::Taken { rejected: number.unwrap_or(0) }
            }
            // What may be sent again (OTLP 1.x, failures).
            429 | 502..=504 => Brought::Later,
            _ => Brought::Never,
        }
    }
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        if b == b'%' {
            let hex = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?);
        } else {
            bytes.push(b);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_address_and_headers_are_pairs() {
        let url = |endpoint, whole| Collector::new(endpoint, whole, "").map(|c| c.url().to_owned());
        assert_eq!(url("http://127.0.0.1:4318", false).as_deref(), Some("http://127.0.0.1:4318/v1/traces"));
        assert_eq!(url("https://a.example/otlp/", false).as_deref(), Some("https://a.example/otlp/v1/traces"));
        assert_eq!(url("https://a.example/in", true).as_deref(), Some("https://a.example/in"));
        for bad in ["", "127.0.0.1:4318", "ftp://a", "http://", "http://u@h", "http://a b", "https://a/?x"] {
            assert_eq!(url(bad, false), None, "{bad}");
        }
        let headers = |text| Collector::new("http://a", false, text).map(|c| c.headers);
        let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        assert_eq!(headers("a=b%20c, x-y=1"), Some(vec![pair("a", "b c"), pair("x-y", "1")]));
        assert_eq!(headers(""), Some(Vec::new()));
        for bad in ["a", "=b", "a=%0a", "a=%", "a b=c"] {
            assert_eq!(headers(bad), None, "{bad}");
        }
    }
}
