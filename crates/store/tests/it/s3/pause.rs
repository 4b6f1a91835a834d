//! A storage that stands still for a while: what was acknowledged is there, exactly once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_store::s3::{Options, Patience, Put};

use super::servers::{ACCESS_KEY, SECRET_KEY, own_seaweedfs, signal};
use super::{ahead, bucket_at, make_bucket};

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
    let acknowledged = Mutex::new(Vec::new());
    let until = ahead(3600);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (bucket, acknowledged, stopped) = (&bucket, &acknowledged, &stopped);
            scope.spawn(move || {
                for n in 0..30 {
                    let name = format!("ledger/tile/{thread}/{n:03}");
                    let put = bucket.put_new(&name, name.as_bytes(), until).unwrap();
                    let mut acknowledged = acknowledged.lock().unwrap();
                    acknowledged.push((name, put));
                    if [10, 40, 70].contains(&acknowledged.len()) {
                        signal(pid, "-STOP");
                        stopped.store(true, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    assert_eq!(continued.load(Ordering::SeqCst), 3, "the storage stood still, and attempts were given up");
    let acknowledged = acknowledged.into_inner().unwrap();
    assert_eq!(acknowledged.len(), 120);
    let versions = bucket.versions("ledger/tile/").unwrap();
    for (name, _) in &acknowledged {
        let there: Vec<_> = versions.iter().filter(|v| v.name == *name).collect();
        assert_eq!(there.len(), 1, "{name}: {there:?}");
        assert!(!there[0].is_delete_marker);
        let (meta, bytes) = bucket.get(name, 100).unwrap().unwrap();
        assert_eq!(bytes, name.as_bytes());
        assert!(meta.lock.is_some_and(|lock| lock.until >= until));
    }
    assert_eq!(versions.len(), 120);
    let repeated = acknowledged.iter().filter(|(_, put)| *put == Put::Present).count();
    println!("{repeated} of 120 were written by an attempt whose answer was lost");
}
