//! HTTP POST to an address that was checked.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_model::notice::Trouble;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use zeroize::Zeroizing;

use super::{Authorities, Guard, NotTaken};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the whole exchange may take.
const EXCHANGE: Duration = Duration::from_secs(20);
/// The longest pause that another side is granted.
const LONGEST_PAUSE: u64 = 6 * 60 * 60;
/// The longest address.
const LONGEST: usize = 2048;

/// Where a message is posted to. The whole address is a secret: with Slack and Teams, whoever knows it may post.
#[derive(Clone)]
pub struct WebTarget {
    url: Zeroizing<String>,
    /// Scheme, host and port.
    shown: String,
    plain: bool,
    guard: Guard,
    authorities: Authorities,
}

impl fmt::Debug for WebTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebTarget({})", self.shown)
    }
}

impl WebTarget {
    /// Reads an address. HTTPS, or plain HTTP to this machine, on a port that web servers use: 80, 443, or one from 1024 on.
    ///
    /// # Errors
    /// What is wrong with it; never more of it than the host.
    pub fn new(url: &str, guard: Guard, authorities: Authorities) -> Result<Self, String> {
        let url = url.trim();
        let is_odd = |c: char| c.is_control() || c.is_whitespace() || !c.is_ascii() || matches!(c, '\\' | '#');
        if url.len() > LONGEST || url.chars().any(is_odd) {
            return Err("the address is too long, or has a character that none has".to_owned());
        }
        let uri: Uri = url.parse().map_err(|_| "it is no address of a web server".to_owned())?;
        let plain = match uri.scheme_str() {
            Some("https") => false,
            Some("http") => true,
            _ => return Err("an address begins with https://".to_owned()),
        };
        let authority = uri.authority().ok_or("the address names no host")?.as_str();
        if authority.contains('@') {
            return Err(
                "the address holds a user or a password; nothing else than a path can be secret in it".to_owned()
            );
        }
        let host = uri.host().unwrap_or_default();
        if host.is_empty() {
            return Err("the address names no host".to_owned());
        }
        let port = match authority.rsplit_once(':').filter(|(_, rest)| !rest.ends_with(']')) {
            Some((_, port)) => port.parse::<u16>().map_err(|_| "its port is none".to_owned())?,
            None if plain => 80,
            None => 443,
        };
        if port < 1024 && !matches!(port, 80 | 443) {
            return Err(format!("port {port} belongs to another service than a web server"));
        }
        let shown = format!("{}://{authority}", if plain { "http" } else { "https" });
        if plain && !is_this_machine(host) {
            return Err(format!("{shown}: messages are not sent over plain HTTP to another machine"));
        }
        Ok(Self { url: Zeroizing::new(url.to_owned()), shown, plain, guard, authorities })
    }

    /// Scheme, host and port: what can be shown of it.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Posts a message. Taken is what is answered with 2xx.
    ///
    /// # Errors
    /// When it was not taken; with 4xx it is not tried again by itself, but for 408, 425 and 429.
    pub fn post(&self, media: &str, headers: &[(&'static str, String)], body: &[u8]) -> Result<(), NotTaken> {
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(EXCHANGE))
            .max_idle_connections(0);
        if !self.plain {
            let roots = self.authorities.certificates()?;
            let roots = roots.iter().map(|c| Certificate::from_der(c).to_owned()).collect();
            let tls = TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(roots))).build();
            config = config.tls_config(tls);
        }
        let resolver = Checked { guard: self.guard.clone(), plain: self.plain, inner: DefaultResolver::default() };
        let agent = ureq::Agent::with_parts(config.build(), DefaultConnector::default(), resolver);
        let mut request = agent.post(self.url.as_str()).content_type(media);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request.send(body).map_err(|e| self.failed(e))?;
        let status = response.status();
        let after = response.headers().get("retry-after").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
        let code = status.as_u16();
        let answered = |why, again| {
            let detail = format!("{} answered {status}", self.shown);
            NotTaken::new(why, again, detail).with_status(code)
        };
        match code {
            200..=299 => Ok(()),
            408 | 425 | 429 | 500..=599 => Err(NotTaken {
                after: after.map(|seconds: u64| Duration::from_secs(seconds.min(LONGEST_PAUSE))),
                ..answered(Trouble::Busy, true)
            }),
            400..=499 => Err(answered(Trouble::Rejected, false)),
            300..=399 => Err(NotTaken {
                detail: format!("{} sends elsewhere ({code}); redirects are not followed", self.shown),
                ..answered(Trouble::Answer, false)
            }),
            _ => Err(answered(Trouble::Answer, false)),
        }
    }

    /// What an error of the client comes to. Its own text may hold the address, so it is not repeated.
    fn failed(&self, error: ureq::Error) -> NotTaken {
        let because = |why, again, what: &str| NotTaken::new(why, again, format!("{}: {what}", self.shown));
        match error {
            ureq::Error::Timeout(_) => because(Trouble::Unreachable, true, "it did not answer in time"),
            ureq::Error::HostNotFound => because(Trouble::Unreachable, true, "its name leads to no address"),
            ureq::Error::ConnectionFailed => because(Trouble::Unreachable, true, "it cannot be connected to"),
            ureq::Error::Rustls(e) => because(Trouble::Tls, true, &e.to_string()),
            ureq::Error::Tls(what) => because(Trouble::Tls, true, what),
            ureq::Error::Io(e) => self.io(&e),
            ureq::Error::Other(e) => match e.downcast_ref::<Blocked>() {
                Some(blocked) => because(Trouble::Refused, false, &blocked.to_string()),
                None => because(Trouble::Answer, true, "what it says is no answer"),
            },
            _ => because(Trouble::Answer, true, "what it says is no answer of a web server"),
        }
    }

    fn io(&self, e: &io::Error) -> NotTaken {
        let tls = e.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
        let why = if tls { Trouble::Tls } else { Trouble::Unreachable };
        NotTaken::new(why, true, format!("{}: {e}", self.shown))
    }
}

/// Whether a host as it is written can only be this machine.
pub(super) fn is_this_machine(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// An address that is not reached.
#[derive(Debug)]
struct Blocked {
    address: IpAddr,
    what: &'static str,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blocked(self.address, self.what))
    }
}

impl std::error::Error for Blocked {}

/// What is said of an address that is not reached.
pub(super) fn blocked(address: IpAddr, what: &str) -> String {
    format!("it leads to {address}, {what}; where that is meant, the channel has `allow = [\"{address}\"]`")
}

/// Looks names up and hands out what was checked: these addresses, and no others, are connected to. One that is not allowed
/// makes all of them so, for which of them would be taken is not ours to say.
#[derive(Debug)]
struct Checked {
    guard: Guard,
    plain: bool,
    inner: DefaultResolver,
}

impl Resolver for Checked {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        for address in found.iter().map(std::net::SocketAddr::ip) {
            let checked = match self.guard.check(address) {
                Ok(()) if self.plain && !address.to_canonical().is_loopback() => {
                    Err("another machine, over plain HTTP")
                }
                checked => checked,
            };
            checked.map_err(|what| ureq::Error::Other(Box::new(Blocked { address, what })))?;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn here() -> Guard {
        Guard { allow: vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()] }
    }

    fn target(url: &str, guard: Guard) -> WebTarget {
        WebTarget::new(url, guard, Authorities::System).unwrap()
    }

    /// Answers one request and says what it was.
    fn answering(answer: String) -> (u16, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut got = Vec::new();
            let mut buffer = [0; 4096];
            while !got.ends_with(b"{}") {
                let n = stream.read(&mut buffer).unwrap();
                assert!(n > 0, "the request ended early");
                got.extend_from_slice(&buffer[..n]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(got).unwrap()
        });
        (port, server)
    }

    fn post(answer: &str) -> (Result<(), NotTaken>, String) {
        let (port, server) = answering(format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"));
        let target = target(&format!("http://127.0.0.1:{port}/hook/s3cr3t?k=v"), here());
        let done = target.post("application/json", &[("webhook-id", "ntf-1".to_owned())], b"{}");
        (done, server.join().unwrap())
    }

    #[test]
    fn two_hundred_is_taken_and_headers_arrive() {
        let (done, request) = post("204 No Content");
        done.unwrap();
        assert!(request.starts_with("POST /hook/s3cr3t?k=v HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("webhook-id: ntf-1\r\n") && request.contains("content-type: application/json\r\n"));
    }

    #[test]
    fn what_is_answered_says_whether_it_is_tried_again_and_nothing_secret_is_repeated() {
        let cases = [
            ("500 Oops", Trouble::Busy, true),
            ("503 Busy\r\nretry-after: 90", Trouble::Busy, true),
            ("429 Slow\r\nretry-after: 99999999999", Trouble::Busy, true),
            ("429 Slow\r\nretry-after: Wed, 21 Oct 2026 07:28:00 GMT", Trouble::Busy, true),
            ("408 Late", Trouble::Busy, true),
            ("400 Bad", Trouble::Rejected, false),
            ("401 Who", Trouble::Rejected, false),
            ("404 No", Trouble::Rejected, false),
            ("410 Gone", Trouble::Rejected, false),
            ("302 There\r\nlocation: http://127.0.0.1:1/", Trouble::Answer, false),
            ("307 There\r\nlocation: http://169.254.169.254/latest", Trouble::Answer, false),
        ];
        for (answer, why, again) in cases {
            let (done, _) = post(answer);
            let failed = done.unwrap_err();
            assert_eq!((failed.why, failed.again), (why, again), "{answer}");
            assert_eq!(failed.status, answer[..3].parse().ok());
            assert!(!failed.detail.contains("s3cr3t") && !failed.detail.contains("k=v"), "{}", failed.detail);
            let pause = failed.after.map(|a| a.as_secs());
            match answer.split(": ").nth(1) {
                Some("90") => assert_eq!(pause, Some(90)),
                Some("99999999999") => assert_eq!(pause, Some(LONGEST_PAUSE)),
                _ => assert_eq!(pause, None, "{answer}"),
            }
        }
    }

    #[test]
    fn nobody_there_and_nonsense_are_said() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let gone = target(&format!("http://127.0.0.1:{port}/s3cr3t"), here()).post("a/b", &[], b"{}").unwrap_err();
        assert_eq!((gone.why, gone.again), (Trouble::Unreachable, true), "{gone}");
        let (port, server) = answering("hello\r\n\r\n".to_owned());
        let odd = target(&format!("http://127.0.0.1:{port}/s3cr3t"), here()).post("a/b", &[], b"{}").unwrap_err();
        server.join().unwrap();
        assert!(odd.again && !odd.detail.contains("s3cr3t"), "{odd:?}");
        // TLS with whoever speaks none.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"HTTP/1.1 400 no\r\n\r\n").unwrap();
        });
        let plain = target(&format!("https://127.0.0.1:{port}/s3cr3t"), here()).post("a/b", &[], b"{}").unwrap_err();
        server.join().unwrap();
        assert_eq!((plain.why, plain.again), (Trouble::Tls, true), "{plain}");
    }

    #[test]
    fn addresses_that_are_none_are_refused_where_they_are_written() {
        let long = format!("https://a.example/{}", "x".repeat(LONGEST));
        let bad = [
            "",
            "a.example",
            "ftp://a.example/",
            "https://",
            "https:///x",
            "https://u:p@a.example/",
            "https://u@a.example/",
            "http://a.example/",
            "http://10.0.0.1/",
            "http://localhost.a.example/",
            "http://127.0.0.1.a.example/",
            "https://a.example:22/",
            "https://a.example:0/",
            "https://a.example:25/",
            "https://a.example:99999/",
            "https://a.example:/",
            "https://a.example /",
            "https://a.example/\r\nx: y",
            "https://a.example\\@b.example/",
            "https://a.example#@b.example/",
            "https://ä.example/",
            "gopher://a.example/",
            "file:///etc/passwd",
            &long,
        ];
        for url in bad {
            assert!(WebTarget::new(url, here(), Authorities::System).is_err(), "{url}");
        }
        for url in ["https://a.example", "https://a.example:8443/x?y=z", "http://localhost:8000/", "http://[::1]:8000/"]
        {
            WebTarget::new(url, here(), Authorities::System).unwrap_or_else(|e| panic!("{url}: {e}"));
        }
        assert_eq!(format!("{:?}", target("https://a.example/s3cr3t", here())), "WebTarget(https://a.example)");
    }

    /// However an address of this machine or of a metadata service is written, nothing is sent there: the listener must see nobody.
    #[test]
    fn whatever_leads_inside_is_not_reached() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let hosts = [
            "127.0.0.1",
            "localhost",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "017700000001",
            "0177.0.0.1",
            "0.0.0.0",
            "0",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::]",
            "[0:0:0:0:0:0:0:1]",
        ];
        for host in hosts {
            let url = format!("https://{host}:{port}/s3cr3t");
            let Ok(target) = WebTarget::new(&url, Guard::default(), Authorities::System) else { continue };
            let failed = target.post("a/b", &[], b"{}").unwrap_err();
            let is_stopped = matches!(failed.why, Trouble::Refused | Trouble::Unreachable);
            assert!(is_stopped && !failed.detail.contains("s3cr3t"), "{url}: {failed:?}");
            assert!(listener.accept().is_err(), "{url} was reached");
        }
        for host in ["169.254.169.254", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "2852039166"] {
            let open = Guard { allow: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()] };
            let Ok(target) = WebTarget::new(&format!("https://{host}/"), open, Authorities::System) else { continue };
            let failed = target.post("a/b", &[], b"{}").unwrap_err();
            assert_eq!((failed.why, failed.again), (Trouble::Refused, false), "{host}: {failed:?}");
        }
        // What is allowed by name is looked for.
        drop(listener);
        let failed = target(&format!("https://127.0.0.1:{port}/"), here()).post("a/b", &[], b"{}").unwrap_err();
        assert_eq!(failed.why, Trouble::Unreachable, "{failed:?}");
    }
}
