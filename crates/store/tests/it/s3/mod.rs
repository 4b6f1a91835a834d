//! Buckets, in real storages.

mod ledger;
mod objects;
mod pause;
mod probe;
pub(crate) mod servers;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use countersign_model::{Clock as _, SystemClock, Timestamp};
use countersign_store::s3::{Bucket, Credentials, Location, Options, Patience};

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
