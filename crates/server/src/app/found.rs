//! The index of findings. A thread brings it up beside the requests; a request takes in what little came since.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_stages::build::findings::{Patience, Renewed, renew};
use countersign_store::Session;
use countersign_store::findings::Periods;

use super::{App, Trouble};

/// What a request does itself: more is the thread's, and the page says how far the list goes.
const MOMENT: Patience = Patience { wait: Duration::from_millis(50), records: 32 };

/// What is known beside the index.
#[derive(Default)]
pub(crate) struct Found {
    /// Why the thread could not bring it up, the last time that it tried.
    trouble: Mutex<Option<Trouble>>,
    /// What audits' periods have of it.
    periods: Arc<Periods>,
}

/// The index as far as it is.
pub(crate) fn index(app: &App, session: &Session) -> Result<Renewed, Trouble> {
    let renewed = renew(session, &app.catalogue, MOMENT)?;
    let renewed = Renewed { index: renewed.index.remembering(&app.found.periods), ..renewed };
    let trouble = app.found.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match trouble {
        Some(trouble) if renewed.behind > 0 => Err(trouble),
        _ => Ok(renewed),
    }
}

/// Brings it up to the log. What fails is told to whoever opens a page meanwhile.
pub(super) fn bring_up(app: &App) -> bool {
    let done = app.pool.lend(|session| Ok(renew(session, &app.catalogue, Patience::WHOLE)?)).err();
    let is_done = done.is_none();
    *app.found.trouble.lock().unwrap_or_else(PoisonError::into_inner) = done;
    is_done
}
