//! A log that a web server publishes under the paths of C2SP tlog-tiles: `checkpoint`, `tile/<L>/<N>`, `tile/entries/<N>`.
//! Any such log can be read, `countersign serve` among them.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::Error;
use crate::layout::{CHECKPOINT, Item, LEDGER};
use crate::source::{Listed, Source};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a question and its answer may take.
const EXCHANGE: Duration = Duration::from_secs(60);
/// How often a question is asked whose answer does not come.
const ATTEMPTS: u32 = 3;

/// A published log. Its checkpoint is read once: what is read through this is the log of that moment.
pub struct PublishedLog {
    base: String,
    agent: ureq::Agent,
    checkpoint: Mutex<Option<Vec<u8>>>,
}

impl fmt::Debug for PublishedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublishedLog").field(&self.base).finish()
    }
}

impl PublishedLog {
    /// Whether this text is meant to be an address of the web.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.starts_with("http://") || text.starts_with("https://")
    }

    /// A log at this address, which is what stands before `/checkpoint`. Nothing is asked yet.
    ///
    /// # Errors
    /// [`Error::WebAddress`].
    pub fn new(url: &str) -> Result<Self, Error> {
        let wrong = |what| Err(Error::WebAddress { what });
        let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else {
            return wrong("it begins with neither `https://` nor `http://`");
        };
        if rest.contains(['@', '?', '#']) || rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return wrong("it holds a user, a query, a fragment or a space");
        }
        if rest.split('/').next().is_none_or(str::is_empty) {
            return wrong("it names no host");
        }
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(EXCHANGE))
            .build()
            .new_agent();
        Ok(Self { base: url.trim_end_matches('/').to_owned(), agent, checkpoint: Mutex::default() })
    }

    /// Asks for a path below the address; `None` when there is nothing.
    fn get(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let url = format!("{}/{path}", self.base);
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match self.ask(&url, limit) {
                Ok((200, bytes)) => return Ok(Some(bytes)),
                Ok((404 | 410, _)) => return Ok(None),
                Ok((status, _)) if (500..600).contains(&status) => {
                    last = Some(format!("it answers with status {status}"))
                }
                Ok((status, _)) => {
                    return Err(Error::Web { url, what: format!("it answers with status {status}") });
                }
                Err(ureq::Error::BodyExceedsLimit(_)) => {
                    return Err(Error::corrupt(
                        format!("{LEDGER}/{path}"),
                        None,
                        format!("at most {limit} bytes belong there"),
                    ));
                }
                Err(e) => last = Some(e.to_string()),
            }
        }
        Err(Error::Web { url, what: last.unwrap_or_default() })
    }

    fn ask(&self, url: &str, limit: u64) -> Result<(u16, Vec<u8>), ureq::Error> {
        let mut response = self.agent.get(url).call()?;
        let status = response.status().as_u16();
        if status != 200 {
            return Ok((status, Vec::new()));
        }
        let bytes = response.body_mut().with_config().limit(limit.saturating_add(1)).read_to_vec()?;
        if bytes.len() as u64 > limit {
            return Err(ureq::Error::BodyExceedsLimit(limit));
        }
        Ok((status, bytes))
    }
}

impl Source for PublishedLog {
    fn place(&self) -> String {
        self.base.clone()
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        if name == CHECKPOINT {
            let mut kept = self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.is_none() {
                *kept = self.get("checkpoint", limit)?;
            }
            return Ok(kept.clone());
        }
        match (Item::of(name), name.strip_prefix("ledger/")) {
            (Item::Tile(_) | Item::Bundle(..), Some(path)) => self.get(path, limit),
            // Nothing else is published.
            _ => Ok(None),
        }
    }

    fn stat(&self, name: &str, limit: u64) -> Result<Option<u64>, Error> {
        Ok(self.read(name, limit)?.map(|bytes| bytes.len() as u64))
    }

    fn list(&self, _: &str) -> Result<Option<Vec<Listed>>, Error> {
        Ok(None)
    }

    fn is_log_only(&self) -> bool {
        true
    }
}
