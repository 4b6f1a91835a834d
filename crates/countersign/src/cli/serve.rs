//! `serve`: the ledger's log over HTTP, read only.

use std::sync::Arc;

use countersign_model::Exit;
use countersign_server::publish;
use countersign_store::layout::Paths;
use countersign_store::{Ledger, Source};

use super::args::{PlaceArgs, ServeArgs};
use crate::config::Environment;
use crate::errors::Outcome;
use crate::output;

/// Publishes until it is interrupted. Where this machine holds the log's key, it keeps the ledger open meanwhile, so that
/// the other commands on this machine append through it and share its syncs.
pub(crate) fn run(at: &PlaceArgs, args: &ServeArgs, env: &Environment) -> Outcome {
    let dir = at.ledger_dir()?;
    // A ledger that does not open is said now, not to every client.
    let origin = Ledger::open(&dir)?.origin().to_owned();
    let engine = at.open(env)?.engine()?;
    let (source, appends): (Arc<dyn Source>, _) = match engine {
        Some(engine) => {
            for notice in engine.take_notices() {
                output::note(&format!("[{}] {}", notice.code, notice.what));
            }
            (engine, "Other commands on this machine append to the ledger through this process.")
        }
        None => {
            (Arc::new(Paths::new(&dir)), "This machine does not hold the log's key: entries are appended elsewhere.")
        }
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
