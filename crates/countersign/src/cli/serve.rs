//! `serve`: the ledger's log over HTTP, read only.

use std::sync::Arc;

use countersign_model::Exit;
use countersign_server::publish;
use countersign_store::Ledger;
use countersign_store::layout::Paths;

use super::args::{PlaceArgs, ServeArgs};
use crate::config::Environment;
use crate::errors::Outcome;
use crate::output;

/// Publishes until it is interrupted.
pub(crate) fn run(at: &PlaceArgs, args: &ServeArgs, _env: &Environment) -> Outcome {
    let dir = at.ledger_dir()?;
    // A ledger that does not open is said now, not to every client.
    let origin = Ledger::open(&dir)?.origin().to_owned();
    let mut said = Ok(());
    publish::serve(Arc::new(Paths::new(&dir)), args.listen, |address| {
        said = output::print(&format!(
            "serving the log of {origin} on http://{address}/\nIt serves checkpoint, tiles and entries, read only, and nothing else of the ledger. Entries hold no personal data\nand no file contents; whoever reaches the address can read them. Ctrl-C ends it.\n"
        ));
    })?;
    said?;
    Ok(Exit::Pass)
}
