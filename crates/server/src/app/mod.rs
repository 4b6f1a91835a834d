//! What every request works with: open ledgers to read and append, who is signed in, and how far the log is.
//!
//! | file | holds |
//! |---|---|
//! | `pool.rs` | ledgers held open, lent to one request at a time |
//! | `live.rs` | how far the log is, told to whoever waits for it |
//! | `assessed.rs` | the newest assessment, computed beside the requests |
//! | `populations.rs` | what controls were applied to, made beside the requests |
//! | `engine.rs` | what the policy says without any facts, kept for pages |
//! | `found.rs` | the index of findings, brought up beside the requests |
//! | `packs.rs` | evidence packs of audits, made beside the requests |
//! | `verification.rs` | the whole ledger verified, beside the requests |
//! | `preparations.rs` | statements that were shown to be signed |
//! | `scope.rs` | what an auditor may be shown |
//! | `trouble.rs` | an error as a client is told it |

mod assessed;
mod engine;
pub(crate) mod found;
mod live;
pub(crate) mod packs;
mod pool;
pub(crate) mod populations;
mod preparations;
pub(crate) mod scope;
mod trouble;
pub(crate) mod verification;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use countersign_connect::oidc::Client;
use countersign_govern::access::Newcomers;
use countersign_model::Diagnostic;
use countersign_policy::Catalogue;
use countersign_stages::notify::Channel;
use countersign_store::Session;
use tokio::sync::{Semaphore, watch};

pub(crate) use assessed::{Assessed, WINDOW_DAYS};
pub(crate) use pool::Pool;
pub(crate) use preparations::{Kept, Made, Preparations, Said};
pub use scope::Reach;
pub(crate) use scope::Scope;
pub(crate) use trouble::Trouble;

use crate::api::Keys;
use crate::auth::{Jobs, Links, Looks, Oidc, Refusals, Visits};
use crate::submit::Submit;
use crate::watch::{Metrics, current, scoped};
use crate::{Error, http};

/// Opens the ledger that is served, as the configuration says.
pub type Opener = Arc<dyn Fn() -> Result<Session, Box<dyn Diagnostic>> + Send + Sync>;

/// What a server is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where people reach it: `http://127.0.0.1:7380`, or what a proxy in front of it is called. Requests for another host are
    /// refused, so that no page elsewhere can speak to it in somebody's browser.
    pub origin: Origin,
    /// A visit ends after so long without a request.
    pub idle: Duration,
    /// A visit ends after so long in any case.
    pub longest: Duration,
    /// How many requests work on the ledger at once; others wait for a moment, then are told to come again.
    pub at_once: usize,
    /// The OpenID provider at which people may sign in.
    pub provider: Option<Provider>,
    /// Through which channels people are told what they must act on.
    pub notifies: Notifies,
}

/// Channels, and how they name this server.
#[derive(Debug, Clone, Default)]
pub struct Notifies {
    /// Scheme and host, for links.
    pub server: String,
    /// The channels; none: nobody is told anything.
    pub channels: Vec<Channel>,
}

/// An OpenID provider.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Who it is, and what it knows this server as.
    pub client: Client,
    /// A directory in which its keys are kept for an hour.
    pub keys: Option<std::path::PathBuf>,
}

impl Options {
    /// What is usual: 15 idle minutes (PCI DSS 8.2.8), 12 hours in all, eight requests at once.
    #[must_use]
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            idle: Duration::from_secs(15 * 60),
            longest: Duration::from_secs(12 * 60 * 60),
            at_once: 8,
            provider: None,
            notifies: Notifies::default(),
        }
    }
}

impl Provider {
    /// Where the provider of a server of this origin sends people back to.
    #[must_use]
    pub fn redirect(origin: &Origin) -> String {
        format!("{origin}{}", crate::auth::oidc::CALLBACK)
    }
}

/// Where a server is reached: scheme and host, without anything after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    secure: bool,
    host: String,
}

impl Origin {
    /// Reads `http://HOST[:PORT]` or `https://HOST[:PORT]`.
    ///
    /// # Errors
    /// [`Error::BadOrigin`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = || Error::BadOrigin { origin: text.to_owned() };
        let (secure, host) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(host), _) => (true, host),
            (None, Some(host)) => (false, host),
            (None, None) => return Err(bad()),
        };
        let host = host.strip_suffix('/').unwrap_or(host).to_ascii_lowercase();
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        if host.is_empty() || !host.chars().all(is_host) {
            return Err(bad());
        }
        // What a browser leaves away in its header.
        let port = if secure { ":443" } else { ":80" };
        let host = host.strip_suffix(port).unwrap_or(&host).to_owned();
        Ok(Self { secure, host })
    }

    /// The origin of an address on this machine.
    #[must_use]
    pub fn of(address: std::net::SocketAddr) -> Self {
        Self { secure: false, host: address.to_string() }
    }

    /// The same of a server with a certificate of its own.
    #[must_use]
    pub fn of_tls(address: std::net::SocketAddr) -> Self {
        Self { secure: true, host: address.to_string() }
    }

    /// Whether it is reached by TLS, ours or a proxy's.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Host and port as a browser sends them.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether only this machine can be meant by it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let name = match self.host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => self.host.split(':').next().unwrap_or_default(),
        };
        name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.secure { "https" } else { "http" }, self.host)
    }
}

/// What the requests of one server share.
pub(crate) struct App {
    pub(crate) options: Options,
    pub(crate) pool: Pool,
    pub(crate) catalogue: Arc<Catalogue>,
    /// How many entries the log has.
    pub(crate) head: watch::Sender<u64>,
    /// How many of them are more than an auditor's look.
    pub(crate) seen: AtomicU64,
    pub(crate) assessed: Assessed,
    /// Its thread keeps it alive, and nothing else of the server.
    pub(crate) populations: Arc<populations::Populations>,
    /// How often something that pages wait for was computed beside the requests.
    pub(crate) computed: watch::Sender<u64>,
    /// For pages that say what gates serve.
    pub(crate) engine: engine::Reading,
    pub(crate) found: found::Found,
    pub(crate) visits: Mutex<Visits>,
    pub(crate) looks: Looks,
    pub(crate) links: Mutex<Links>,
    pub(crate) oidc: Option<Oidc>,
    pub(crate) refusals: Mutex<Refusals>,
    pub(crate) jobs: Mutex<Jobs>,
    pub(crate) preparations: Mutex<Preparations>,
    /// Keys of acts that were handed in.
    pub(crate) acts: Mutex<Keys>,
    /// Keys of people whose enrolment was given out to be signed.
    pub(crate) newcomers: Newcomers,
    pub(crate) packs: packs::Packs,
    /// The whole ledger verified; its thread keeps it alive, and nothing else of the server.
    pub(crate) verification: Arc<verification::Verification>,
    /// Pages that are open at once and kept up to date: they must not take every connection.
    pub(crate) open_pages: Arc<Semaphore>,
    pub(crate) metrics: Arc<Metrics>,
    /// The ledger's origin.
    pub(crate) ledger: String,
    /// What takes commits that pipelines send, where they are taken.
    pub(crate) submit: OnceLock<Submit>,
}

impl App {
    /// Opens the ledger once, so that what is wrong with it is said at the start.
    pub(crate) fn new(open: Opener, catalogue: Arc<Catalogue>, options: Options) -> Result<Arc<Self>, Error> {
        let pool = Pool::new(open, options.at_once);
        let session = pool.open().map_err(Error::Told)?;
        let head = watch::Sender::new(session.state().size());
        let seen = AtomicU64::new(populations::seen(&session).map_err(Error::trouble)?);
        let ledger = session.state().origin().to_owned();
        let packs = packs::Packs::new(&session.cache_dir());
        pool.give_back(session);
        let oidc = options.provider.clone().map(Oidc::new).transpose()?;
        Ok(Arc::new(Self {
            visits: Mutex::new(Visits::new(options.idle, options.longest)),
            looks: Looks::default(),
            links: Mutex::default(),
            oidc,
            refusals: Mutex::default(),
            jobs: Mutex::default(),
            preparations: Mutex::default(),
            acts: Mutex::default(),
            newcomers: Newcomers::default(),
            packs,
            verification: Arc::default(),
            options,
            pool,
            catalogue,
            head,
            seen,
            assessed: Assessed::default(),
            populations: Arc::default(),
            computed: watch::Sender::new(0),
            engine: engine::Reading::default(),
            found: found::Found::default(),
            open_pages: Arc::new(Semaphore::new(http::OPEN_PAGES)),
            metrics: Arc::default(),
            ledger,
            submit: OnceLock::new(),
        }))
    }

    /// Begins to follow the log. It ends when nobody holds the app any more.
    pub(crate) fn follow(self: &Arc<Self>) -> Result<(), Error> {
        live::follow(self)
    }

    /// Pages that wait for something are loaded again.
    pub(crate) fn tell_computed(&self) {
        self.computed.send_modify(|n| *n = n.saturating_add(1));
    }

    /// Does something with the ledger as it is now, on a thread that may wait.
    pub(crate) async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        job: impl FnOnce(&mut Session) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let began = std::time::Instant::now();
        #[cfg(feature = "otel")]
        let span = crate::watch::span();
        let slot = {
            let _waits = self.metrics.waits();
            self.pool.slot().await
        };
        self.metrics.waited(began.elapsed(), slot.is_ok());
        let slot = slot?;
        let app = Arc::clone(self);
        let request = current();
        let done = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            scoped(request, || app.pool.lend(job))
        });
        let done =
            done.await.map_err(|_| Trouble::internal("a request's work ended before its time")).and_then(|done| done);
        #[cfg(feature = "otel")]
        if let Some(span) = span {
            span.part("ledger", began, done.as_ref().is_err_and(|trouble| trouble.status.is_server_error()));
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_and_host() {
        let read = |text| Origin::parse(text).map(|o| (o.to_string(), o.is_loopback())).ok();
        assert_eq!(read("http://127.0.0.1:7380"), Some(("http://127.0.0.1:7380".into(), true)));
        assert_eq!(read("http://[::1]:7380/"), Some(("http://[::1]:7380".into(), true)));
        assert_eq!(
            read("https://Countersign.Bank.example:443"),
            Some(("https://countersign.bank.example".into(), false))
        );
        assert_eq!(read("http://localhost"), Some(("http://localhost".into(), true)));
        for bad in
            ["", "127.0.0.1:7380", "ftp://x", "http://", "https://a/b", "https://a?b", "https://a b", "https://u@h"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
