//! Blobs that this process found in their place and sound. A blob that many entries speak of is hashed once, and looked at
//! from outside for each: a file that was removed, replaced or written since is read again.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::sync::{Mutex, PoisonError};

use countersign_model::{Clock as _, Digest, SystemClock};

use super::tail::Overlay;
use crate::blob::MAX_BLOB_BYTES;
use crate::source::Source as _;
use crate::{Error, layout};

/// Blobs that are remembered: about 1.5 MiB.
const REMEMBERED: usize = 1 << 14;

/// A file that was changed this long ago, in milliseconds, shows the next change.
const TICK_MS: i64 = 20;

/// What a file looks like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    #[cfg(unix)]
    file: (u64, u64),
    /// When its content and when anything about it was changed last, in seconds and nanoseconds.
    #[cfg(unix)]
    changed: [i64; 4],
}

impl Stamp {
    #[cfg(unix)]
    fn of(meta: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        meta.is_file().then(|| Self {
            bytes: meta.len(),
            file: (meta.dev(), meta.ino()),
            changed: [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()],
        })
    }

    /// Whether the next change will look different: file systems tell the time in ticks of up to 10 ms. It is their clock
    /// that is asked here, which is the machine's.
    fn is_settled(&self) -> bool {
        #[cfg(unix)]
        let changed = self.changed[2].saturating_mul(1000).saturating_add(self.changed[3] / 1_000_000);
        #[cfg(not(unix))]
        let changed = i64::MAX;
        changed.saturating_add(TICK_MS) < SystemClock.now().millis()
    }

    /// Where the system does not tell when a file was changed, nothing is remembered of it.
    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Option<Self> {
        None
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Present(Mutex<HashMap<Digest, Stamp>>);

impl Present {
    /// Whether the ledger has the blob, whole.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when what stands in its place has other content; else what the place says.
    pub(crate) fn has(&self, source: &Overlay, digest: &Digest) -> Result<bool, Error> {
        let name = layout::blob_name(digest);
        // Before it is read, so that a change meanwhile is seen the next time.
        let stamp = match fs::symlink_metadata(source.paths.at(&name)) {
            Err(e) if e.kind() == ErrorKind::NotFound && !source.tail().blobs.contains_key(digest) => return Ok(false),
            meta => meta.ok().as_ref().and_then(Stamp::of),
        };
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if stamp.is_some() && known().get(digest).copied() == stamp {
            return Ok(true);
        }
        match source.digest(&name, MAX_BLOB_BYTES)? {
            Some((_, there)) if there != *digest => {
                Err(Error::corrupt(name, None, "its content does not hash to its name"))
            }
            Some(_) => {
                if let Some(stamp) = stamp.filter(Stamp::is_settled) {
                    let mut known = known();
                    if known.len() >= REMEMBERED {
                        known.clear();
                    }
                    known.insert(*digest, stamp);
                }
                Ok(true)
            }
            None => Ok(false),
        }
    }
}
