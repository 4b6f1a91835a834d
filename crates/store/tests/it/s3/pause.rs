//! A storage that stands still for a while: what was acknowledged is there, exactly once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_store::s3::{Options, Patience, Put};
use countersign_store::verify_source;

use super::servers::{ACCESS_KEY, SECRET_KEY, own_seaweedfs, signal};
use super::{bucket_at, ledger_of, make_bucket, publish_with};
use crate::support::trust;

#[test]
fn what_was_acknowledged_is_there_exactly_once() {
    // A server of its own: the others must not stand still.
    let Some(server) = own_seaweedfs() else { return };
    let name = make_bucket(&server);
    let pid = server.pid;
    let stopped = Arc::new(AtomicBool::new(false));
    let continued = Arc::new(AtomicUsize::new(0));
    let (is_stopped, count) = (Arc::clone(&stopped), Arc::clone(&continued));
    let options = Options {
        patience: Patience {
            attempt: Duration::from_secs(1),
            attempts: 60,
            total: Duration::from_secs(120),
            pause: Duration::from_millis(20),
        },
        // The first attempt that is given up while the storage stands still lets it go on.
        observer: Some(Arc::new(move |_| {
            if is_stopped.swap(false, Ordering::SeqCst) {
                count.fetch_add(1, Ordering::SeqCst);
                signal(pid, "-CONT");
            }
        })),
        ..Options::default()
    };
    let bucket = bucket_at(&server, &name, (ACCESS_KEY, SECRET_KEY), options);
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger_of(dir.path(), 300);
    let acknowledged = Mutex::new(Vec::new());
    let done = publish_with(&ledger, &bucket, false, &|name, put| {
        let mut acknowledged = acknowledged.lock().unwrap();
        acknowledged.push((name.to_owned(), put));
        if [20, 150, 290].contains(&acknowledged.len()) {
            signal(pid, "-STOP");
            stopped.store(true, Ordering::SeqCst);
        }
    });
    let done = done.unwrap();
    assert_eq!(continued.load(Ordering::SeqCst), 3, "the storage stood still, and attempts were given up");
    let acknowledged = acknowledged.into_inner().unwrap();
    assert_eq!(acknowledged.len() as u64, done.written + done.present);
    let versions = bucket.versions("").unwrap();
    for (name, _) in &acknowledged {
        let there: Vec<_> = versions.iter().filter(|v| v.name == *name).collect();
        assert_eq!(there.len(), 1, "{name}: {there:?}");
        assert!(there[0].is_latest && !there[0].is_delete_marker);
    }
    assert_eq!(versions.len(), acknowledged.len(), "and nothing else is there");
    let report = verify_source(&bucket, &trust(), &mut |_, _, _| Vec::new()).unwrap();
    assert!(report.is_sound() && report.notices.is_empty(), "{report:#?}");
    let repeated = acknowledged.iter().filter(|(_, put)| *put == Put::Present).count();
    println!("{repeated} of {} were written by an attempt whose answer was lost", acknowledged.len());
}
