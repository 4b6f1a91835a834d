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

/// Where the log is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mark {
    /// So many entries are committed. One who holds the log key can read and sign them.
    Size(u64),
    /// This note is published. For all others the log is what it covers.
    Note(String),
}

/// Waits for entries.
pub struct Follower {
    shared: Arc<Shared>,
    conn: Option<Conn>,
    has_key: bool,
    seen: Mark,
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl Follower {
    pub(super) fn new(shared: Arc<Shared>, has_key: bool) -> Result<Self, Error> {
        let mut follower = Self { shared, conn: None, has_key, seen: Mark::Size(0) };
        follower.seen = follower.look()?;
        Ok(follower)
    }

    /// Waits until the log is another than at the last call, for `timeout` at most. `true` when it is. A connection that
    /// broke is made anew; calls that were missed meanwhile are made up for by looking. A log that went back is another
    /// one, too: whether that can be is for the reader to say.
    ///
    /// # Errors
    /// [`super::PgError`] when the database cannot be reached at the end of the time.
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, Error> {
        let start = Instant::now();
        loop {
            let looked = self.look();
            let left = timeout.saturating_sub(start.elapsed());
            match looked {
                Ok(mark) if mark != self.seen => {
                    self.seen = mark;
                    return Ok(true);
                }
                Ok(_) if left.is_zero() => return Ok(false),
                Err(e) if left.is_zero() || !is_transient(&e) => return Err(e),
                Ok(_) => self.listen(left),
                Err(_) => std::thread::sleep(POLL.min(left)),
            }
        }
    }

    /// Where the log is now; connects where that is needed.
    fn look(&mut self) -> Result<Mark, Error> {
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
        let head = "read the head of the log";
        let mark = if self.has_key {
            let row = conn.row(head, "select size from @.head where one = 1", &[])?;
            row.map_or(Ok(0), |row| unsigned(get(&row, 0)?)).map(Mark::Size)
        } else {
            let row = conn.row(head, "select checkpoint from @.head where one = 1", &[])?;
            row.map_or(Ok(String::new()), |row| get(&row, 0)).map(Mark::Note)
        };
        self.conn = Some(conn);
        mark
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
