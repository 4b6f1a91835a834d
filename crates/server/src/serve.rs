//! The server: pages and the log on one address.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use countersign_model::visit::SignInMethod;
use countersign_policy::Catalogue;
use countersign_store::Source;

use crate::app::App;
use crate::auth::{FIRST_LINK, Link, Proof, lock};
use crate::http::Listener;
use crate::publish::{self, Stop};
use crate::submit::{Pipeline, Submit};
use crate::watch::Serving;
use crate::{Error, Opener, Options, api, http, web};

/// A server that is about to listen.
pub struct Server {
    app: Arc<App>,
}

impl Server {
    /// Opens the ledger and begins to follow it.
    ///
    /// # Errors
    /// What the ledger says; [`Error::Start`].
    pub fn new(open: Opener, catalogue: Arc<Catalogue>, options: Options) -> Result<Self, Error> {
        let app = App::new(open, catalogue, options)?;
        app.follow()?;
        Ok(Self { app })
    }

    /// Takes commits that pipelines send, and does with them what `pipeline` says; repositories are kept in `dir`.
    pub fn take_submissions(&self, pipeline: Arc<dyn Pipeline>, dir: PathBuf) {
        // Called once, before it listens; a second call changes nothing.
        let _ = self.app.submit.set(Submit::new(pipeline, dir));
    }

    /// A link that signs in the first administrator once, for a ledger whose server nobody ever signed in to. Whoever reads this
    /// process's output holds the ledger's keys already.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn first_link(&self) -> Result<Option<String>, Error> {
        let root = self.app.pool.lend(|session| {
            let state = session.state();
            Ok(if state.was_visited()? { None } else { state.trust().map(|root| root.administrator.clone()) })
        });
        let Some(person) = root.map_err(Error::trouble)? else { return Ok(None) };
        let link = Link { person, method: SignInMethod::FirstLink, proof: Proof::None };
        let token = lock(&self.app.links).make(link, FIRST_LINK, Instant::now())?;
        Ok(token.map(|token| format!("{}/sign-in/link/{token}", self.app.options.origin)))
    }

    /// Serves until SIGINT, SIGTERM or `stop`: pages, and the log of `source` under its tlog-tiles paths. `ready` is told the address
    /// once connections are taken.
    ///
    /// # Errors
    /// [`Error::Start`].
    pub fn run(
        self,
        source: Arc<dyn Source>,
        listener: Listener,
        serving: Serving,
        stop: Stop,
        ready: impl FnOnce(SocketAddr),
    ) -> Result<(), Error> {
        let held = Arc::clone(&source);
        let routes = web::routes(&self.app).merge(api::routes(&self.app)).fallback_service(publish::routes(source));
        let metrics = Arc::clone(&self.app.metrics);
        let app = Arc::downgrade(&self.app);
        let known: http::Known = Arc::new(move |headers| Some(app.upgrade()?.known(headers)?.to_string()));
        let done = http::run(listener, routes, serving, metrics, known, async move { stop.wait().await }, ready);
        self.app.packs.end();
        // Here, and not among async code, the last hold on them is given up.
        drop(self.app);
        drop(held);
        done
    }
}
