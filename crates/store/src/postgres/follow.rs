//! Learning that others appended: by NOTIFY where the server has it, and by looking in any case.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::fallible_iterator::FallibleIterator as _;

use super::Shared;
use super::conn::Conn;
use super::head::{get, unsigned};
use super::sequencer::is_transient;
use crate::Error;

/// How often is looked where nobody calls.
const POLL: Duration = Duration::from_millis(250);

/// Waits for entries.
pub struct Follower {
    shared: Arc<Shared>,
    conn: Option<Conn>,
    seen: u64,
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl Follower {
    pub(super) fn new(shared: Arc<Shared>) -> Result<Self, Error> {
        let mut follower = Self { shared, conn: None, seen: 0 };
        follower.seen = follower.look()?;
        Ok(follower)
    }

    /// Waits until the log has more entries than at the last call, for `timeout` at most. `true` when it has. A
    /// connection that broke is made anew; calls that were missed meanwhile are made up for by looking.
    ///
    /// # Errors
    /// [`super::PgError`] when the database cannot be reached at the end of the time.
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, Error> {
        let start = Instant::now();
        loop {
            let looked = self.look();
            let left = timeout.saturating_sub(start.elapsed());
            match looked {
                Ok(size) if size > self.seen => {
                    self.seen = size;
                    return Ok(true);
                }
                Ok(_) if left.is_zero() => return Ok(false),
                Err(e) if left.is_zero() || !is_transient(&e) => return Err(e),
                Ok(_) => self.listen(left),
                Err(_) => std::thread::sleep(POLL.min(left)),
            }
        }
    }

    /// The size of the log; connects where that is needed.
    fn look(&mut self) -> Result<u64, Error> {
        let mut conn = match self.conn.take().filter(|conn| !conn.is_closed()) {
            Some(conn) => conn,
            None => {
                let mut conn = self.shared.connect()?;
                if self.shared.notifies {
                    conn.batch("listen", &format!("listen {}", self.shared.channel()))?;
                }
                conn
            }
        };
        let row = conn.row("read the head of the log", "select size from @.head where one = 1", &[])?;
        let size = row.map_or(Ok(0), |row| unsigned(get(&row, 0)?));
        self.conn = Some(conn);
        size
    }

    /// Returns when somebody calls, or when it is time to look again.
    fn listen(&mut self, left: Duration) {
        match &mut self.conn {
            Some(conn) if self.shared.notifies => {
                // An error is a connection that broke: looking will say so.
                let _ = conn.client().notifications().timeout_iter(left.min(8 * POLL)).next();
            }
            _ => std::thread::sleep(POLL.min(left)),
        }
    }
}
