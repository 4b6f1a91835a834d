//! Removing payloads that were disposed of, while others append.
//!
//! Blobs go in transactions that hold the lock on the head, after a look at every entry up to there: whoever appended before
//! is seen. Whoever is about to append an entry that speaks of such a blob looks, under the same lock, whether it is still
//! there ([`super::write::are_there`]), and writes it again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use countersign_model::Digest;

use super::conn::Conn;
use super::error::PgError;
use super::head::{self, Head, get, row_of, signed};
use super::sequencer::is_transient;
use super::{Shared, error};
use crate::removal::{Blobs, Removal};
use crate::{Error, leaf};

/// Blobs that go in one transaction: others wait for the lock as long.
const CHUNK: usize = 256;
/// Entries that are read at a time.
const ENTRIES: u64 = 4096;
/// A pause between attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// See [`crate::Engine::remove_blobs`].
pub(super) fn blobs(
    shared: &Shared,
    mut found: Blobs,
    mut seen: u64,
    spared: &BTreeSet<u64>,
) -> Result<Removal, Error> {
    let mut removal = Removal::default();
    let mut start = Instant::now();
    let mut conn = None;
    while !found.alone.is_empty() {
        match some(shared, &mut conn, &mut found, &mut seen, spared) {
            Ok(gone) => {
                for digest in gone {
                    found.alone.remove(&digest);
                    removal.removed = removal.removed.saturating_add(1);
                }
                start = Instant::now();
            }
            Err(Error::Postgres(e @ PgError::Permission { .. })) => {
                let said = error::chain(&e);
                removal.refused = std::mem::take(&mut found.alone).into_iter().map(|d| (d, said.clone())).collect();
            }
            // What was done of it stays done, and may be done again.
            Err(e) if is_transient(&e) && start.elapsed() <= shared.wait => {
                conn = None;
                std::thread::sleep(PAUSE);
            }
            Err(e) => return Err(e),
        }
    }
    removal.shared = found.shared;
    Ok(removal)
}

/// Removes the next of them, as far as no entry that came since speaks of them.
fn some(
    shared: &Shared,
    conn: &mut Option<Conn>,
    found: &mut Blobs,
    seen: &mut u64,
    spared: &BTreeSet<u64>,
) -> Result<Vec<Digest>, Error> {
    let conn = match conn.take().filter(|c| !c.is_closed()) {
        Some(made) => conn.insert(made),
        None => conn.insert(shared.connect()?),
    };
    conn.batch("begin", "begin isolation level read committed")?;
    let gone = within(conn, found, seen, spared);
    let ended = if gone.is_ok() { "commit" } else { "rollback" };
    let done = conn.batch("remove payloads", ended);
    let gone = gone?;
    done?;
    Ok(gone)
}

fn within(conn: &mut Conn, found: &mut Blobs, seen: &mut u64, spared: &BTreeSet<u64>) -> Result<Vec<Digest>, Error> {
    let head = Head::read(conn, head::LOCK)?;
    if head.size < *seen {
        let what = format!("it has {} entries, and this process has seen {seen}", head.size);
        return Err(head::fenced(&what));
    }
    while *seen < head.size {
        let to = head.size.min(seen.saturating_add(ENTRIES));
        let sql = "select idx, leaf from @.entries where idx >= $1 and idx < $2 order by idx";
        let rows = conn.query("read entries", sql, &[&signed(*seen)?, &signed(to)?])?;
        for (row, index) in rows.iter().zip(*seen..) {
            if head::unsigned(get(row, 0)?)? != index {
                return Err(head::missing(index));
            }
            let entry = leaf::parse(&row_of(index), index, get(row, 1)?)?;
            if !spared.contains(&index) {
                found.keep(&entry);
            }
        }
        if rows.len() as u64 != to - *seen {
            return Err(head::missing(seen.saturating_add(rows.len() as u64)));
        }
        *seen = to;
    }
    let going: Vec<Digest> = found.alone.iter().take(CHUNK).copied().collect();
    let names: Vec<&[u8]> = going.iter().map(|digest| digest.as_bytes().as_slice()).collect();
    conn.execute("remove payloads", "delete from @.blobs where sha256 = any($1)", &[&names])?;
    Ok(going)
}
