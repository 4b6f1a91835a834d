//! `serve`: the ledger's log over HTTP, read only.

use std::sync::Arc;

use countersign_model::Exit;
use countersign_server::publish;
use countersign_store::layout::Paths;
use countersign_store::{Ledger, Source, session};

use super::args::{PlaceArgs, ServeArgs};
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output;

/// Publishes until it is interrupted. Where this machine holds the log's key, it keeps the ledger open meanwhile, so that
/// the other commands on this machine append through it and share its syncs.
pub(crate) fn run(at: &PlaceArgs, args: &ServeArgs, env: &Environment) -> Outcome {
    // A ledger that does not open is said now, not to every client.
    let (source, origin, appends): (Arc<dyn Source>, _, _) = match at.database(env)? {
        Some(address) => {
            let engine = session::engine(address, &env.installation()?)?;
            let origin = engine.origin().to_owned();
            (Arc::new(engine), origin, "Commands on any machine append to the ledger in its database.")
        }
        None => directory(at, env)?,
    };
    let mut said = Ok(());
    publish::serve(source, args.listen, |address| {
        said = output::print(&format!(
            "serving the log of {origin} on http://{address}/\nIt serves checkpoint, tiles and entries, read only, and nothing else of the ledger. Entries hold no personal data\nand no file contents; whoever reaches the address can read them. Ctrl-C ends it.\n{appends}\n"
        ));
    })?;
    said?;
    Ok(Exit::Pass)
}

/// The ledger in a directory, kept open where the log's key is here.
fn directory(at: &PlaceArgs, env: &Environment) -> Result<(Arc<dyn Source>, String, &'static str), Failure> {
    let dir = at.ledger_dir()?;
    let origin = Ledger::open(&dir)?.origin().to_owned();
    Ok(match at.open(env)?.engine()? {
        Some(engine) => {
            for notice in engine.take_notices() {
                output::note(&format!("[{}] {}", notice.code, notice.what));
            }
            (engine, origin, "Other commands on this machine append to the ledger through this process.")
        }
        None => {
            let appends = "This machine does not hold the log's key: entries are appended elsewhere.";
            (Arc::new(Paths::new(&dir)), origin, appends)
        }
    })
}
