//! A server's own tables and pin, kept up with a log that others append to.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use countersign_model::{Diagnostic as _, Exit};

use super::{Session, SessionError};
use crate::Error;
use crate::bell::Bell;
use crate::postgres::Follower;

/// How long one wait for others lasts; whoever asks for the end waits as long.
const STEP: Duration = Duration::from_secs(1);
/// The first pause after a failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What is told while a log is followed.
#[derive(Debug)]
pub enum Told<'a> {
    /// It cannot be followed, or for another reason than before. It is tried again, with growing pauses.
    Lost(&'a SessionError),
    /// It is followed again, up to this size.
    Again(u64),
}

/// A thread that follows a log.
#[derive(Debug)]
pub struct Following {
    ended: Arc<Bell>,
    thread: Option<JoinHandle<Result<(), SessionError>>>,
}

impl Following {
    /// Follows until this is ended or dropped, or until the log does not continue what this machine has seen: then `broken` is
    /// called, and [`Following::end`] says what was found. `tell` is told once whenever following fails, fails otherwise, and
    /// succeeds again.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(
        session: Session,
        follower: Follower,
        tell: impl Fn(Told<'_>) + Send + 'static,
        broken: impl FnOnce() + Send + 'static,
    ) -> Result<Self, SessionError> {
        let ended = Arc::new(Bell::default());
        let bell = Arc::clone(&ended);
        let named = std::thread::Builder::new().name("ledger-follower".into());
        let thread = named.spawn(move || {
            let done = follow(session, follower, &bell, tell);
            if done.is_err() {
                broken();
            }
            done
        });
        let thread = thread.map_err(|e| Error::writing("start a thread for", "the follower", e))?;
        Ok(Self { ended, thread: Some(thread) })
    }

    /// Ends it.
    ///
    /// # Errors
    /// What was found of the log, if that ended it before: [`SessionError::RolledBack`], [`SessionError::Forked`] and all else
    /// that means that the log is not to be believed.
    pub fn end(mut self) -> Result<(), SessionError> {
        self.join()
    }

    fn join(&mut self) -> Result<(), SessionError> {
        self.ended.ring();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(done)) => done,
            Some(Err(_)) => {
                let source = std::io::Error::other("the thread that follows the log broke off");
                Err(Error::writing("follow", "the log", source).into())
            }
            None => Ok(()),
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // Who wants to know what was found calls `end`.
        let _ = self.join();
    }
}

fn follow(
    mut session: Session,
    mut follower: Follower,
    ended: &Bell,
    tell: impl Fn(Told<'_>),
) -> Result<(), SessionError> {
    // What came between opening the session and the follower's first look is news to nobody.
    let mut is_behind = true;
    let mut lost = None;
    let mut pause = FIRST_PAUSE;
    while !ended.wait(Duration::ZERO) {
        let mut step = || {
            is_behind |= follower.wait(if is_behind { Duration::ZERO } else { STEP })?;
            if is_behind {
                session.refresh()?;
                is_behind = false;
            }
            Ok::<_, SessionError>(session.state().size())
        };
        match step() {
            Ok(size) => {
                if lost.take().is_some() {
                    tell(Told::Again(size));
                }
                pause = FIRST_PAUSE;
            }
            Err(error) if error.exit() == Exit::Unverified => return Err(error),
            Err(error) => {
                // Whatever was called meanwhile was missed.
                is_behind = true;
                if lost != Some(error.code()) {
                    lost = Some(error.code());
                    tell(Told::Lost(&error));
                }
                if ended.wait(pause) {
                    break;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    Ok(())
}
