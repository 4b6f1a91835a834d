//! Payloads are removed while others append.

use std::collections::BTreeSet;

use countersign_model::Digest;
use countersign_store::{Engine as _, Ledger, Source as _};
use std::sync::Arc;

use crate::cluster::{Cluster, shared};
use crate::support::{Seen, batch, entry, new_ledger, now, open};
use countersign_store::Batch;

fn name(payload: &str) -> String {
    let hex = Digest::of(payload.as_bytes()).hex();
    format!("blobs/sha256/{}/{}", &hex[..2], &hex[2..])
}

fn one(payload: &str) -> Batch {
    Batch { entries: vec![entry("s", payload)], ..Batch::default() }
}

fn blobs(cluster: &Cluster, schema: &str) -> u64 {
    cluster.sql(&format!("select count(distinct sha256) from {schema}.blobs")).parse().unwrap()
}

#[test]
fn what_nobody_needs_goes_and_what_an_entry_that_is_kept_speaks_of_stays() {
    let Some(cluster) = shared() else { return };
    let engine = Arc::new(new_ledger(cluster, "removed"));
    engine.append(batch("a", 600), now(1)).unwrap();
    engine.append(one("a 3"), now(1)).unwrap();
    let large = vec![9; 3 << 20];
    let mut with = entry("s", "large");
    with.attachments = vec![countersign_store::NewBlob { bytes: large.clone(), media: "x/y".into() }];
    engine.append(Batch { entries: vec![with], ..Batch::default() }, now(1)).unwrap();
    let mut ledger = Ledger::with_engine(Arc::clone(&engine) as _).unwrap();
    // Others append in between: one of them speaks of what would go.
    let other = open(cluster, "removed");
    other.append(one("a 5"), now(1)).unwrap();
    let going: BTreeSet<u64> = (1..=600).chain([602]).collect();
    let before = blobs(cluster, "removed");
    let removal = ledger.remove_payloads(&going, &going).unwrap();
    assert_eq!((removal.removed, removal.refused.len()), (600, 0), "{:?}", removal.refused);
    let kept: BTreeSet<Digest> = ["a 3", "a 5"].iter().map(|p| Digest::of(p.as_bytes())).collect();
    assert_eq!(removal.shared, kept);
    assert_eq!(blobs(cluster, "removed"), before - 600);
    for gone in ["a 0", "a 599", "large"] {
        assert_eq!(engine.stat(&name(gone), 100).unwrap(), None, "{gone}");
    }
    // Entries, tree and checkpoint are what they were.
    assert_eq!(Seen::of(engine.as_ref()).entries.len(), 604);
    assert!(ledger.receipt(3).is_ok());
    // Once more: nothing is left to do, and what went may come again.
    let again = ledger.remove_payloads(&going, &going).unwrap();
    assert_eq!((again.removed, again.shared), (600, kept));
    engine.append(one("a 0"), now(2)).unwrap();
    assert_eq!(engine.read(&name("a 0"), 100).unwrap().unwrap(), b"a 0");
}

#[test]
fn a_blob_that_goes_while_its_next_entry_waits_for_the_lock_is_written_again() {
    let Some(cluster) = shared() else { return };
    let ledger = new_ledger(cluster, "rewritten");
    ledger.append(one("x"), now(1)).unwrap();
    let at = format!("host=127.0.0.1 port={} user=tester dbname=postgres", cluster.port);
    let mut holder = postgres::Client::connect(&at, postgres::NoTls).unwrap();
    holder.batch_execute("begin; select 1 from rewritten.head for update").unwrap();
    std::thread::scope(|scope| {
        let appending = scope.spawn(|| ledger.append(one("x"), now(1)).unwrap());
        let waiting =
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%rewritten%'";
        while holder.query_one(waiting, &[]).unwrap().get::<_, i64>(0) == 0 {
            holder.execute("select pg_stat_clear_snapshot()", &[]).unwrap();
            std::thread::yield_now();
        }
        // It has seen that the blob is there. Now a disposal takes it away.
        holder.batch_execute("delete from rewritten.blobs where bytes = 'x'; commit").unwrap();
        assert_eq!(appending.join().unwrap().first_index, 2);
    });
    assert_eq!(ledger.read(&name("x"), 100).unwrap().unwrap(), b"x");
}

#[test]
fn under_load_no_entry_that_is_kept_loses_its_payload() {
    let Some(cluster) = shared() else { return };
    let engine = Arc::new(new_ledger(cluster, "races"));
    let mut ledger = Ledger::with_engine(Arc::clone(&engine) as _).unwrap();
    engine.append(batch("p", 40), now(1)).unwrap();
    let others: Vec<_> = (0..3).map(|_| open(cluster, "races")).collect();
    let going: BTreeSet<u64> = (1..=40).collect();
    std::thread::scope(|scope| {
        for (k, other) in others.iter().enumerate() {
            // The same payloads again, in another order.
            scope.spawn(move || {
                (0..40).for_each(|i| drop(other.append(one(&format!("p {}", (i * 7 + k) % 40)), now(1)).unwrap()))
            });
        }
        for _ in 0..10 {
            let removal = ledger.remove_payloads(&going, &going).unwrap();
            assert!(removal.refused.is_empty());
        }
    });
    let seen = Seen::of(engine.as_ref());
    assert_eq!(seen.entries.len(), 1 + 40 + 3 * 40);
    for entry in &seen.entries[41..] {
        let hex = entry.payload.sha256.hex();
        let name = format!("blobs/sha256/{}/{}", &hex[..2], &hex[2..]);
        assert!(engine.stat(&name, 100).unwrap().is_some(), "{name} is kept");
    }
}
