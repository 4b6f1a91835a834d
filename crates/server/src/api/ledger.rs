//! The ledger's head.

use countersign_model::Digest;

use super::ask::Ask;
use super::wire::{Disbelieved, Ledger};
use crate::app::Trouble;

pub(super) fn head(ask: &Ask<'_>) -> Result<Ledger, Trouble> {
    let ledger = ask.session.ledger();
    let disbelieved = ask.state().anomalies()?.into_iter().map(|a| Disbelieved { index: a.index, why: a.what });
    Ok(Ledger {
        origin: ledger.origin().to_owned(),
        size: ledger.size(),
        root: Digest::from_bytes(ledger.root()),
        log_key: ledger.vkey().to_string(),
        checkpoint: ledger.checkpoint_text().to_owned(),
        disbelieved: disbelieved.collect(),
    })
}
