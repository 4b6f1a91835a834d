//! How threads that wait for time to pass are told to end.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A bell that is rung once, at the end.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    /// Waits for so long, or until it is rung. `true` when it is.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        *self.heard.wait_timeout_while(rung, time, |rung| !*rung).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Rings: whoever waits, or comes to wait, goes on at once.
    pub(crate) fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.heard.notify_all();
    }
}
