//! Ledgers held open. Each is lent to one request at a time, and brought up to the log's head before.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_model::Diagnostic;
use countersign_store::Session;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Opener, Trouble};

/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Open ledgers.
pub(crate) struct Pool {
    open: Opener,
    idle: Mutex<Vec<Session>>,
    slots: Arc<Semaphore>,
}

impl Pool {
    pub(super) fn new(open: Opener, at_once: usize) -> Self {
        Self { open, idle: Mutex::default(), slots: Arc::new(Semaphore::new(at_once)) }
    }

    /// Opens the ledger once more.
    pub(crate) fn open(&self) -> Result<Session, Box<dyn Diagnostic>> {
        (self.open)()
    }

    /// A turn; none within a moment means that the ledger is slower than its readers.
    pub(super) async fn slot(&self) -> Result<OwnedSemaphorePermit, Trouble> {
        match tokio::time::timeout(PATIENCE, Arc::clone(&self.slots).acquire_owned()).await {
            Ok(Ok(slot)) => Ok(slot),
            _ => Err(Trouble::busy()),
        }
    }

    /// Does something with a ledger that is up to date.
    pub(crate) fn lend<T>(&self, job: impl FnOnce(&mut Session) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut session = match idle {
            Some(session) => session,
            None => self.open().map_err(|e| Trouble::of(e.as_ref()))?,
        };
        // One that cannot be brought up to date is not kept: the next request opens it anew, and is told the same.
        session.refresh()?;
        let done = job(&mut session);
        if done.as_ref().err().is_none_or(Trouble::is_an_answer) {
            self.give_back(session);
        }
        done
    }

    pub(super) fn give_back(&self, session: Session) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }
}
