//! The index of findings. A thread brings it up beside the requests; a request takes in what little came since.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use countersign_stages::build::findings::{Patience, Renewed, renew};
use countersign_store::Session;

use super::{App, Trouble};

/// What a request does itself: more is the thread's, and the page says how far the list goes.
const MOMENT: Patience = Patience { wait: Duration::from_millis(50), records: 32 };

/// Why the thread could not bring the index up, the last time that it tried.
#[derive(Default)]
pub(crate) struct Found(Mutex<Option<Trouble>>);

/// The index as far as it is.
pub(crate) fn index(app: &App, session: &Session) -> Result<Renewed, Trouble> {
    let renewed = renew(session, &app.catalogue, MOMENT)?;
    let trouble = app.found.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match trouble {
        Some(trouble) if renewed.behind > 0 => Err(trouble),
        _ => Ok(renewed),
    }
}

/// Brings it up to the log. What fails is told to whoever opens a page meanwhile.
pub(super) fn bring_up(app: &App) -> bool {
    let done = app.pool.lend(|session| Ok(renew(session, &app.catalogue, Patience::WHOLE)?)).err();
    let is_done = done.is_none();
    *app.found.0.lock().unwrap_or_else(PoisonError::into_inner) = done;
    is_done
}
