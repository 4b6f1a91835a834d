//! The index of findings. A thread brings it up beside the requests; a request takes in what little came since.

use std::time::Duration;

use countersign_stages::build::findings::{Patience, Renewed, renew};
use countersign_store::Session;

use super::{App, Trouble};

/// What a request does itself: more is the thread's, and the page says how far the list goes.
const MOMENT: Patience = Patience { wait: Duration::from_millis(50), records: 32 };

/// The index as far as it is.
pub(crate) fn index(app: &App, session: &Session) -> Result<Renewed, Trouble> {
    Ok(renew(session, &app.catalogue, MOMENT)?)
}

/// Brings it up to the log. What fails is told to whoever opens a page, which tries the same.
pub(super) fn bring_up(app: &App) -> bool {
    app.pool.lend(|session| Ok(renew(session, &app.catalogue, Patience::WHOLE)?)).is_ok()
}
