//! `serve`: pages over a ledger, and its log to any tlog client.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_connect::oidc::{Client, Secret};
use countersign_model::{Diagnostic, Exit};
use countersign_server::publish::{self, Stop};
use countersign_server::{Listener, Notifies, Opener, Options, Origin, Provider, Server};
use countersign_store::engine::embedded::{Embedded, Observer, Publishing};
use countersign_store::layout::Paths;
use countersign_store::postgres::{self, Address};
use countersign_store::session::{self, Following, SessionError, Told};
use countersign_store::{Ledger, Session, Source, code};

use super::args::{PlaceArgs, ServeArgs};
use super::pipeline::Commands;
use super::serve_args::OidcArgs;
use super::{catalogue, place, storage};
use crate::channels::Channels;
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output;

/// How long a database may be away before a client is told so; its request ends soon after anyway.
const DATABASE_WAIT: Duration = Duration::from_secs(5);

/// A ledger that is about to be served.
struct Served {
    source: Arc<dyn Source>,
    origin: String,
    appends: &'static str,
    following: Option<Following>,
    /// Keeps the ledger in a directory open.
    engine: Option<Arc<Embedded>>,
    opener: Opener,
}

/// Serves until it is interrupted. Where this machine holds the log's key, it keeps a ledger in a directory open meanwhile, so that
/// the other commands on this machine append through it and share its syncs. A ledger in a database is followed: this machine's
/// tables and pin are kept up with what others append.
pub(crate) fn run(at: &PlaceArgs, args: &ServeArgs, env: &Environment) -> Outcome {
    let stop = Stop::default();
    let listener = Listener::bind(args.listen)?;
    let origin = match (&args.origin, &args.watch.tls_cert) {
        (Some(text), _) => Origin::parse(text)?,
        (None, Some(_)) => Origin::of_tls(listener.address()),
        (None, None) => Origin::of(listener.address()),
    };
    // What is wrong with channels is said before anything is served.
    let channels = Channels::load(args.channels.channels.as_deref(), env)?;
    let serving = args.watch.serving()?;
    let numbers = serving.metrics.as_ref().map_or_else(String::new, |listener| {
        format!("Numbers for Prometheus: http://{}/metrics\n", listener.address())
    });
    let scheme = if serving.tls.is_some() { "https" } else { "http" };
    if serving.tls.is_some() && !origin.is_secure() {
        let help = "write the address that people type: `--origin https://HOST`".to_owned();
        return Err(CliError::Usage { what: format!("the server speaks TLS, and {origin} has none"), help }.into());
    }
    let mut watched = storage::watch(at, &args.probe, env)?;
    // A ledger that does not open is said now, not to every client.
    let Served { source, origin: log, appends, following, engine, opener } = match at.database(env)? {
        Some(address) => database(address, &stop, env)?,
        None => directory(at, env)?,
    };
    // Through the engine that is open by now, where the ledger is in a directory.
    watched.start(at, env)?;
    let pages = if args.log_only { None } else { pages(at, &args.oidc, origin.clone(), opener, channels)? };
    let mut said = Ok(());
    match pages {
        Some((server, first)) => server.run(source, listener, serving, stop, |_| {
            let first = first.map_or_else(String::new, |link| {
                format!("Nobody signed in here yet. The first administrator, once, within 15 minutes:\n  {link}\n")
            });
            said = output::print(&format!(
                "serving {log} on {origin}/\n{first}Others sign in with their key: countersign login --server {origin}\nThe log itself is public there to whoever reaches it: it holds no personal data and no file contents. Ctrl-C ends it.\n{appends}\n{numbers}"
            ));
        })?,
        None => publish::serve(source, listener, serving, stop, |address| {
            said = output::print(&format!(
                "serving the log of {log} on {scheme}://{address}/\nIt serves checkpoint, tiles and entries, read only, and nothing else of the ledger. Entries hold no personal data\nand no file contents; whoever reaches the address can read them. Ctrl-C ends it.\n{appends}\n{numbers}"
            ));
        })?,
    }
    if let Some(engine) = engine {
        // Something that is computed beside the requests may hold it still, and is not waited for.
        engine.close();
    }
    if let Some(following) = following {
        following.end()?;
    }
    said?;
    Ok(Exit::Pass)
}

/// The pages, and the link of a first start. A machine that cannot record who signs in shows none.
fn pages(
    at: &PlaceArgs,
    oidc: &OidcArgs,
    origin: Origin,
    opener: Opener,
    channels: Channels,
) -> Result<Option<(Server, Option<String>)>, Failure> {
    let session = opener().map_err(countersign_server::Error::Told)?;
    if let Err(e) = session.must_record() {
        output::note(&format!("[{}] {e}: the log is served, and no pages, for nobody could be signed in", e.code()));
        return Ok(None);
    }
    let keys = session.installation().ledger_dir(session.ledger().origin()).join("issuers");
    let submitted = session.installation().ledger_dir(session.ledger().origin()).join("submitted");
    drop(session);
    if !origin.is_secure() && !origin.is_loopback() {
        return Err(countersign_server::Error::InTheClear { origin: origin.to_string() }.into());
    }
    let catalogue = Arc::new(catalogue::load(at)?);
    let notifies = Notifies {
        // What people type, where the file does not say it better.
        server: channels.server.unwrap_or_else(|| origin.to_string()),
        channels: channels.channels,
    };
    let provider = provider(oidc, &origin, keys)?;
    let server = Server::new(opener, catalogue, Options { provider, notifies, ..Options::new(origin) })?;
    server.take_submissions(Arc::new(Commands::new(at)), submitted);
    let first = server.first_link()?;
    Ok(Some((server, first)))
}

/// The provider at which people sign in.
fn provider(args: &OidcArgs, origin: &Origin, keys: PathBuf) -> Result<Option<Provider>, Failure> {
    let (Some(issuer), Some(id)) = (&args.oidc_issuer, &args.oidc_client_id) else { return Ok(None) };
    let secret = match &args.oidc_secret_file {
        None => None,
        Some(path) => {
            let bytes = countersign_server::private(path)?;
            let text = std::str::from_utf8(&bytes).map(str::trim_end).unwrap_or_default();
            if text.is_empty() || text.chars().any(char::is_control) {
                let what = format!("`{}` holds no secret of a client", path.display());
                return Err(
                    CliError::Usage { what, help: "it is one line of text, as the provider shows it".into() }.into()
                );
            }
            Some(Secret::new(text.to_owned()))
        }
    };
    let redirect = Provider::redirect(origin);
    let client = Client { issuer: issuer.clone(), id: id.clone(), secret, redirect };
    client.check().map_err(countersign_server::Error::from)?;
    Ok(Some(Provider { client, keys: Some(keys) }))
}

/// The ledger in a database, followed.
fn database(address: Address, stop: &Stop, env: &Environment) -> Result<Served, Failure> {
    let installation = env.installation()?;
    let observer = Observer::new(|what| published(what, "in the database"));
    let options = postgres::Options { wait: DATABASE_WAIT, observer, ..postgres::Options::default() };
    let engine = Arc::new(session::engine(address, options, &installation)?);
    let origin = engine.origin().to_owned();
    let follower = engine.follow()?;
    let (shared, own, clock) = (Arc::clone(&engine), installation.clone(), env.clock.clone());
    let opener: Opener = Arc::new(move || {
        let opened = session::over_postgres(&shared)
            .and_then(|ledger| Session::with_ledger(ledger, own.clone(), Arc::clone(&clock), None));
        opened.map_err(|e| Box::new(e) as Box<dyn Diagnostic>)
    });
    let ledger = session::over_postgres(&engine)?;
    let mut session = Session::with_ledger(ledger, installation, env.clock.clone(), None)?;
    place::notices(&mut session);
    if engine.can_append() {
        // With some of the keys alone every client would be shown less than it must see.
        session.require_log_keys()?;
    }
    let stop = stop.clone();
    let following = Following::start(session, follower, followed, move || stop.now())?;
    let appends =
        "Commands on any machine append to the ledger in its database; this machine's tables and pin follow them.";
    Ok(Served { source: engine, origin, appends, following: Some(following), engine: None, opener })
}

/// Says on stderr whether the database is followed.
fn followed(told: Told<'_>) {
    output::note(&match told {
        Told::Lost(e) => format!(
            "[{}] the ledger is not followed: {}; it is tried again, with pauses of up to 30 seconds; {}",
            e.code(),
            e,
            e.help()
        ),
        Told::Again(size) => format!("the ledger is followed again, up to {}", output::count(size, "entry", "entries")),
    });
}

/// The ledger in a directory, kept open where the log's key is here.
fn directory(at: &PlaceArgs, env: &Environment) -> Result<Served, Failure> {
    let dir = at.ledger_dir()?;
    let origin = Ledger::open(&dir)?.origin().to_owned();
    let (installation, clock) = (env.installation()?, env.clock.clone());
    let told = |e| Box::new(e) as Box<dyn Diagnostic>;
    Ok(match at.open(env)?.engine(Observer::new(|what| published(what, "in the write-ahead log")))? {
        Some(engine) => {
            for notice in engine.take_notices() {
                output::note(&format!("[{}] {}", notice.code, notice.what));
            }
            let shared = Arc::clone(&engine);
            // Requests read and append through it too: what it acknowledged they need not verify anew each time.
            let opener: Opener = Arc::new(move || {
                Ledger::with_engine(Arc::clone(&shared) as _)
                    .map_err(SessionError::from)
                    .and_then(|ledger| Session::with_ledger(ledger, installation.clone(), Arc::clone(&clock), None))
                    .map_err(told)
            });
            let appends = "Other commands on this machine append to the ledger through this process.";
            let source = Arc::clone(&engine) as _;
            Served { source, origin, appends, following: None, engine: Some(engine), opener }
        }
        None => {
            let place = dir.clone();
            let opener: Opener =
                Arc::new(move || Session::open(&place, installation.clone(), Arc::clone(&clock)).map_err(told));
            let appends = "This machine does not hold the log's key: entries are appended elsewhere.";
            let source = Arc::new(Paths::new(&dir));
            Served { source, origin, appends, following: None, engine: None, opener }
        }
    })
}

/// Says on stderr whether the log can be published. What is not waits `there`.
fn published(what: Publishing<'_>, there: &str) {
    output::note(&match what {
        Publishing::Failed { waiting, error } => format!(
            "[{}] the log cannot be published: {} [{}]; {} {there} and nothing is lost, but other clients see an older \
             checkpoint; it is tried again; see to the disk or the database, and: countersign explain {}",
            code::UNPUBLISHED,
            chain(error),
            error.code(),
            output::count(waiting, "acknowledged entry waits", "acknowledged entries wait"),
            error.code()
        ),
        Publishing::Recovered { size } => {
            format!("the log is published again, up to {}", output::count(size, "entry", "entries"))
        }
    });
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
