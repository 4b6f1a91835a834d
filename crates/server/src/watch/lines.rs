//! The line of a request. A thread says the lines, so that a reader who is slow holds up no request; what it cannot keep up with is
//! counted.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

use countersign_model::{Clock as _, SystemClock};
use serde_json::json;

use crate::Error;

/// Lines that wait.
const WAITING: usize = 4096;

/// Says a line.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: the time, then what is in it.
    Plain,
    /// A JSON object.
    Json,
}

/// What a line says. It holds no query, no part of an address, no token and no name.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) request: &'a str,
    pub(super) peer: Option<IpAddr>,
    pub(super) method: &'static str,
    pub(super) route: &'a str,
    pub(super) status: u16,
    pub(super) took: Duration,
    pub(super) code: Option<&'static str>,
}

impl Line<'_> {
    fn text(&self, format: LogFormat) -> String {
        let time = SystemClock.now().to_string();
        let millis = (self.took.as_secs_f64() * 10_000.0).round() / 10.0;
        let peer = self.peer.map(|ip| ip.to_string());
        match format {
            LogFormat::Plain => {
                let peer = peer.as_deref().unwrap_or("-");
                let code = self.code.map_or_else(String::new, |code| format!(" {code}"));
                let Self { request, method, route, status, .. } = self;
                format!("{time} {request} {peer} {method} {route} {status} {millis} ms{code}")
            }
            LogFormat::Json => json!({
                "time": time, "request": self.request, "peer": peer, "method": self.method, "route": self.route,
                "status": self.status, "milliseconds": millis, "code": self.code,
            })
            .to_string(),
        }
    }
}

/// Where lines go.
#[derive(Debug)]
pub(super) struct Lines {
    format: LogFormat,
    send: SyncSender<String>,
}

impl Lines {
    /// The lines, and the thread that says them: it ends once the last holder of the lines is gone.
    pub(super) fn new(format: LogFormat, say: Say) -> Result<(Self, JoinHandle<()>), Error> {
        let (send, receive) = mpsc::sync_channel::<String>(WAITING);
        let all = move || {
            for line in receive {
                say(&line);
            }
        };
        let thread = std::thread::Builder::new().name("lines".into()).spawn(all).map_err(Error::Start)?;
        Ok((Self { format, send }, thread))
    }

    /// Says a line; whether it will be.
    pub(super) fn say(&self, line: &Line<'_>) -> bool {
        self.send.try_send(line.text(self.format)).is_ok()
    }
}
