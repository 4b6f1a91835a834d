//! Tells somebody: a program that reads a message, or an address that takes it by HTTP POST.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use crate::Error;
use crate::process::hand_out;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the whole exchange may take.
const EXCHANGE: Duration = Duration::from_secs(20);

/// Where a message goes.
#[derive(Debug)]
pub enum Channel<'a> {
    /// A program, started as it is in this directory, with the message as its standard input.
    Command {
        /// The program.
        program: &'a OsString,
        /// Where it is started.
        dir: &'a Path,
    },
    /// An address, over HTTPS or on this machine.
    Webhook {
        /// The address.
        url: &'a str,
    },
}

/// Sends a message. Redirects are not followed.
///
/// # Errors
/// [`Error::Push`] when the address is none, the server cannot be reached, or does not answer with 2xx; [`Error::NotTaken`] when
/// the program ends without success; those of [`hand_out`].
pub fn send(channel: &Channel<'_>, message: &[u8]) -> Result<(), Error> {
    match channel {
        Channel::Command { program, dir } => {
            let (outcome, _) = hand_out(std::slice::from_ref(*program), message, &[], dir)?;
            if outcome.success() { Ok(()) } else { Err(Error::NotTaken { code: outcome.code }) }
        }
        Channel::Webhook { url } => post(url, message),
    }
}

fn post(url: &str, message: &[u8]) -> Result<(), Error> {
    let shown = url.split(['?', '#']).next().unwrap_or("").to_owned();
    let failed = |detail: String| Error::Push { url: shown.clone(), detail };
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or("");
    if host.is_empty() || host.contains('@') {
        return Err(failed("it is no address of a web server, or holds a password".to_owned()));
    }
    let local = ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .any(|l| host.strip_prefix(l).is_some_and(|p| p.is_empty() || p.starts_with(':')));
    if !url.starts_with("https://") && !local {
        return Err(failed("messages are not sent over plain HTTP".to_owned()));
    }
    let agent = crate::http::agent(CONNECT, EXCHANGE);
    let request = agent.post(url).content_type("application/vnd.in-toto+dsse+json");
    let response = request.send(message).map_err(|e| failed(e.to_string()))?;
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(failed(format!("it answered {status}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_over_https_or_stay_here() {
        let dir = Path::new(".");
        for url in
            ["ftp://a/b", "http:///b", "https://u:p@a/b", "http://example.org/b", "http://localhost.example.org/b"]
        {
            assert!(send(&Channel::Webhook { url }, b"x").is_err(), "{url}");
        }
        let program = OsString::from("true");
        send(&Channel::Command { program: &program, dir }, b"x").unwrap();
        let program = OsString::from("false");
        assert!(matches!(
            send(&Channel::Command { program: &program, dir }, b"x"),
            Err(Error::NotTaken { code: Some(1) })
        ));
    }
}
