//! Brings a file to a web server: HTTP PUT, as servers of OPA bundles, object stores with signed addresses and artifact
//! repositories take it.

use std::time::Duration;

use crate::Error;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the whole exchange may take.
const EXCHANGE: Duration = Duration::from_secs(120);

/// Puts `contents` at `url`, with a bearer token where there is one. A token is sent over HTTPS or to this machine only.
/// Redirects are not followed.
///
/// # Errors
/// [`Error::Push`] when the address is none, the server cannot be reached, or does not answer with 2xx.
pub fn put(url: &str, contents: &[u8], token: Option<&str>) -> Result<(), Error> {
    let shown = url.split(['?', '#']).next().unwrap_or("").to_owned();
    let failed = |detail: String| Error::Push { url: shown.clone(), detail };
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else {
        return Err(failed("it begins with neither `https://` nor `http://`".to_owned()));
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or("");
    if host.is_empty() || host.contains('@') {
        return Err(failed("it names no host, or holds a password".to_owned()));
    }
    let local = ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .any(|l| host.strip_prefix(l).is_some_and(|p| p.is_empty() || p.starts_with(':')));
    if token.is_some() && !url.starts_with("https://") && !local {
        return Err(failed("a token is not sent over plain HTTP".to_owned()));
    }
    let agent = crate::http::agent(CONNECT, EXCHANGE);
    let mut request = agent.put(url).content_type("application/octet-stream");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = request.send(contents).map_err(|e| failed(e.to_string()))?;
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(failed(format!("it answered {status}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    fn answered(status: &'static str) -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/b.tar.gz", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut got = Vec::new();
            let mut buffer = [0; 4096];
            while !got.ends_with(b"contents") {
                let n = stream.read(&mut buffer).unwrap();
                assert!(n > 0, "the request ended early");
                got.extend_from_slice(&buffer[..n]);
            }
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            String::from_utf8(got).unwrap()
        });
        (url, server)
    }

    #[test]
    fn contents_and_token_arrive() {
        let (url, server) = answered("201 Created");
        put(&url, b"contents", Some("secret")).unwrap();
        let request = server.join().unwrap();
        assert!(request.starts_with("PUT /b.tar.gz HTTP/1.1\r\n"), "{request}");
        assert!(request.to_lowercase().contains("authorization: bearer secret"), "{request}");
    }

    #[test]
    fn a_refusal_and_an_odd_address_are_errors() {
        let (url, server) = answered("403 Forbidden");
        let error = put(&url, b"contents", None).unwrap_err();
        server.join().unwrap();
        assert!(error.to_string().contains("403"), "{error}");
        for url in ["ftp://a/b", "http:///b", "http://u:p@a/b"] {
            assert!(put(url, b"", None).is_err(), "{url}");
        }
        assert!(put("http://example.org/b", b"", Some("t")).unwrap_err().to_string().contains("plain HTTP"));
    }
}
