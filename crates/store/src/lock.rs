//! One writer at a time: an advisory lock on the file `lock`, waited for with growing pauses.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::time::{Duration, Instant};

use crate::Error;
use crate::files;
use crate::layout::{LOCK, Paths};

/// The first pause between two tries; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// The lock, held until this is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    exclusive: bool,
}

impl Lock {
    /// Takes the lock for writing.
    ///
    /// # Errors
    /// [`Error::Busy`] when it is not to be had within `wait`; [`Error::ReadOnly`] when it cannot be opened.
    pub(crate) fn exclusive(paths: &Paths, wait: Duration) -> Result<Self, Error> {
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(paths.lock());
        let mut lock = acquire(paths, wait, true, open)?;
        // For the one who waits for it. The lock itself does not depend on it, so a full disk does not matter.
        let _ = lock.name_holder();
        Ok(lock)
    }

    /// Takes the lock for reading without disturbance; `None` when there is no lock file, which only a copy of a
    /// ledger lacks: nobody appends to that.
    ///
    /// # Errors
    /// As [`Lock::exclusive`].
    pub(crate) fn shared(paths: &Paths, wait: Duration) -> Result<Option<Self>, Error> {
        if !paths.lock().exists() {
            return Ok(None);
        }
        acquire(paths, wait, false, || File::open(paths.lock())).map(Some)
    }

    fn name_holder(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        writeln!(self.file, "pid {}", std::process::id())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.exclusive {
            // Closing the file frees the lock; a stale name would only mislead people.
            let _ = self.file.set_len(0);
        }
    }
}

fn acquire(paths: &Paths, wait: Duration, exclusive: bool, open: impl Fn() -> io::Result<File>) -> Result<Lock, Error> {
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        // Opening a pipe would wait for ever.
        files::stat_file(paths, LOCK, u64::MAX)?;
        let file = open().map_err(|e| Error::writing("open", LOCK, e))?;
        let tried = if exclusive { file.try_lock() } else { file.try_lock_shared() };
        match tried {
            Ok(()) if is_still(&file, paths) => return Ok(Lock { file, exclusive }),
            // Somebody replaced the file: what we hold is a lock on nothing.
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(e)) => return Err(Error::writing("lock", LOCK, e)),
        }
        if start.elapsed() >= wait {
            return Err(Error::Busy { holder: holder(file) });
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The process that holds the lock, as it says itself.
pub(crate) fn named_holder(paths: &Paths) -> Option<u32> {
    holder(File::open(paths.lock()).ok()?)
}

/// The process that wrote its id into the lock file.
fn holder(file: File) -> Option<u32> {
    let mut text = String::new();
    file.take(64).read_to_string(&mut text).ok()?;
    text.strip_prefix("pid ")?.trim_end().parse().ok()
}

#[cfg(unix)]
fn is_still(file: &File, paths: &Paths) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), std::fs::metadata(paths.lock())) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_still(_: &File, _: &Paths) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_writer_learns_who_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        let held = Lock::exclusive(&paths, Duration::ZERO).unwrap();
        match Lock::exclusive(&paths, Duration::from_millis(5)) {
            Err(Error::Busy { holder }) => assert_eq!(holder, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
        assert!(Lock::shared(&paths, Duration::ZERO).is_err());
        drop(held);
        let one = Lock::shared(&paths, Duration::ZERO).unwrap();
        let two = Lock::shared(&paths, Duration::ZERO).unwrap();
        assert!(one.is_some() && two.is_some());
        assert!(Lock::exclusive(&paths, Duration::ZERO).is_err());
    }

    #[test]
    fn a_lock_file_that_was_replaced_is_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        let held = Lock::exclusive(&paths, Duration::ZERO).unwrap();
        assert!(is_still(&held.file, &paths));
        std::fs::remove_file(paths.lock()).unwrap();
        assert!(!is_still(&held.file, &paths));
    }
}
