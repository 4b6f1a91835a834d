//! Buckets, in real storages.

mod ledger;
mod objects;
mod pause;
mod probe;
mod replica;
pub(crate) mod servers;
mod tls;

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use countersign_model::{Clock as _, FixedClock, SystemClock, Timestamp};
use countersign_store::s3::{
    Bucket, Credentials, Location, Options, Patience, Put, Replicated, Replication, kept_until, replicate,
};
use countersign_store::{Error, Ledger};

use crate::support::{batch, new_ledger, signer};
use servers::{ACCESS_KEY, SECRET_KEY, Server};

/// A date that lies this far ahead on the machine's clock, which is the storage's too.
pub(crate) fn ahead(seconds: i64) -> Timestamp {
    SystemClock.now().plus_seconds(seconds)
}

/// A short wait for an answer, and many attempts.
pub(crate) fn patience() -> Patience {
    Patience {
        attempt: Duration::from_secs(20),
        attempts: 10,
        total: Duration::from_secs(120),
        pause: Duration::from_millis(50),
    }
}

pub(crate) fn bucket_at(server: &Server, place: &str, key: (&str, &str), options: Options) -> Bucket {
    let location = Location::parse(&format!("s3://{place}?endpoint={}", server.endpoint)).unwrap();
    Bucket::new(location, Credentials::new(key.0, key.1, None), options).unwrap()
}

pub(crate) fn admin(server: &Server, place: &str) -> Bucket {
    let options = Options { patience: patience(), ..Options::default() };
    bucket_at(server, place, (ACCESS_KEY, SECRET_KEY), options)
}

/// A new bucket with Object Lock; its name.
pub(crate) fn make_bucket(server: &Server) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("evidence-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    admin(server, &name).create(true).unwrap();
    name
}

/// Entries that a legal hold lies on.
pub(crate) const HELD: [u64; 1] = [3];

/// A ledger of so many entries, written now.
pub(crate) fn ledger_of(dir: &Path, size: usize) -> Ledger {
    let mut ledger = new_ledger(dir);
    grow(&mut ledger, size);
    ledger
}

/// Appends until the ledger has so many entries; in two steps, so that there are partial tiles of two sizes.
pub(crate) fn grow(ledger: &mut Ledger, size: usize) {
    let more = size - usize::try_from(ledger.size()).unwrap();
    let clock = FixedClock(SystemClock.now());
    for (name, n) in [("a", more / 3), ("b", more - more / 3)] {
        let name = format!("{name}{size}");
        ledger.append(batch(&name, n), &signer(), &clock).unwrap();
    }
}

pub(crate) fn publish(ledger: &Ledger, bucket: &Bucket) -> Result<Replicated, Error> {
    publish_with(ledger, bucket, false, &|_, _| {})
}

pub(crate) fn publish_with(
    ledger: &Ledger,
    bucket: &Bucket,
    is_full: bool,
    acknowledged: &(dyn Fn(&str, Put) + Sync),
) -> Result<Replicated, Error> {
    let until = |_: u64, entry: &countersign_model::Entry, from| kept_until(entry, from);
    replicate(
        ledger,
        bucket,
        &Replication {
            until: &until,
            held: &|index| HELD.contains(&index),
            disposed: &|_| false,
            parallel: 4,
            is_full,
            acknowledged,
        },
    )
}
