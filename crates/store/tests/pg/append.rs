//! One process appends and reads.

use countersign_evidence::seal::SubjectKey;
use countersign_model::{Diagnostic as _, PersonId, StreamId};
use countersign_store::{Batch, Engine as _, Error, NewBlob, Source as _};

use crate::cluster::shared;
use crate::support::{Seen, batch, entry, keyed, keyring, new_ledger, now, open, read_only};

#[test]
fn what_was_acknowledged_is_read_back_under_a_signed_checkpoint() {
    let Some(cluster) = shared() else { return };
    let ledger = new_ledger(cluster, "reads");
    for i in 0..7_usize {
        let appended = ledger.append(batch(&format!("b{i}"), 100), now(i.try_into().unwrap())).unwrap();
        assert_eq!(appended.first_index, 1 + 100 * i as u64);
        assert_eq!(appended.size, 101 + 100 * i as u64);
        Seen::of(&ledger).must_agree_with(&appended.checkpoint);
    }
    let seen = Seen::of(&ledger);
    assert_eq!(seen.entries.len(), 701);
    let blob = &seen.entries[700].payload;
    let name = format!("blobs/sha256/{}/{}", &blob.sha256.hex()[..2], &blob.sha256.hex()[2..]);
    assert_eq!(ledger.read(&name, 100).unwrap().unwrap(), b"b6 99");
    assert_eq!(ledger.stat(&name, 100).unwrap(), Some(5));
    // A partial tile of every earlier size is there, too.
    assert_eq!(ledger.read("ledger/tile/0/002.p/100", 10_000).unwrap().unwrap().len(), 3200);
    assert_eq!(ledger.read("ledger/tile/0/002.p/200", 10_000).unwrap(), None, "the log is not that long");
    assert_eq!(ledger.read("ledger/tile/1/000.p/2", 10_000).unwrap().unwrap().len(), 64);
    assert_eq!(ledger.read("ledger/tile/2/000.p/1", 10_000).unwrap(), None);
    // Without the key, what is published is seen, and nothing is appended.
    ledger.publish().unwrap();
    let reader = read_only(cluster, "reads");
    assert_eq!(Seen::of(&reader).entries.len(), 701);
    assert_eq!(reader.append(batch("no", 1), now(9)).unwrap_err().code(), "CS-PG-006");
}

#[test]
fn a_checkpoint_is_published_without_anybody_asking() {
    let Some(cluster) = shared() else { return };
    let ledger = new_ledger(cluster, "publishes");
    ledger.append(batch("x", 3), now(1)).unwrap();
    drop(ledger);
    assert_eq!(Seen::of(&read_only(cluster, "publishes")).entries.len(), 4);
    assert_eq!(cluster.sql("select max(size) from publishes.checkpoints"), "4");
}

#[test]
fn a_batch_is_taken_whole_or_not_at_all() {
    let Some(cluster) = shared() else { return };
    let ledger = new_ledger(cluster, "whole");
    ledger.append(batch("a", 2), now(1)).unwrap();
    let refused = |batch: Batch, seconds| ledger.append(batch, now(seconds)).unwrap_err();
    let error = refused(Batch { expect_size: Some(2), ..batch("b", 1) }, 1);
    assert!(matches!(error, Error::SizeConflict { expected: 2, found: 3 }));
    let stream = StreamId::from_text("run-0");
    let error = refused(Batch { expect: vec![(stream.clone(), 4)], ..batch("b", 1) }, 1);
    assert!(matches!(error, Error::Conflict { expected: 4, found: 1, .. }));
    assert!(matches!(refused(batch("b", 1), -500), Error::ClockBehind { .. }));
    let mut later = batch("b", 2);
    later.entries[1].refs = vec![4];
    assert!(matches!(refused(later, 1), Error::BadBatch { .. }));
    assert!(matches!(refused(Batch::default(), 1), Error::BadBatch { .. }));
    let nul = Batch { entries: vec![entry("a\0b", "c")], ..Batch::default() };
    assert!(matches!(refused(nul, 1), Error::BadBatch { .. }));
    // Nothing of all that is there: no blob either.
    assert_eq!(cluster.sql("select count(*) from whole.blobs"), "3");
    let fine = Batch { expect_size: Some(3), expect: vec![(stream, 1)], ..batch("b", 1) };
    assert_eq!(ledger.append(fine, now(1)).unwrap().first_index, 3);
    let seen = Seen::of(&ledger);
    assert_eq!((seen.entries[3].version, seen.entries[3].time), (2, now(1)));
    // A clock that is a little behind is put up with.
    assert_eq!(ledger.append(batch("c", 1), now(-60)).unwrap().time, now(1));
}

#[test]
fn a_batch_that_is_sent_again_is_answered_and_not_appended() {
    let Some(cluster) = shared() else { return };
    let ledger = new_ledger(cluster, "again");
    let first = ledger.append(keyed("k", 3), now(1)).unwrap();
    ledger.append(batch("between", 1), now(2)).unwrap();
    for ledger in [&ledger, &open(cluster, "again")] {
        let again = ledger.append(keyed("k", 3), now(3)).unwrap();
        assert!(again.repeated && !first.repeated);
        assert_eq!((again.first_index, again.time, again.size), (first.first_index, first.time, 5));
        let other = Batch { key: Some("k".into()), ..batch("other", 3) };
        assert!(matches!(ledger.append(other, now(3)).unwrap_err(), Error::KeyReused { first_index: 1 }));
    }
    assert_eq!(Seen::of(&ledger).count("k 0"), 1);
}

#[test]
fn blobs_of_any_size_come_back() {
    let Some(cluster) = shared() else { return };
    let ledger = new_ledger(cluster, "blobs");
    let part = 512 << 10;
    let sizes = [0, 1, part - 1, part, part + 1, 16 * part, 17 * part + 3];
    let blob = |size: usize| NewBlob { bytes: vec![u8::try_from(size % 251).unwrap(); size], media: "x/y".into() };
    let mut new = entry("s", "p");
    new.attachments = sizes.map(blob).to_vec();
    ledger.append(Batch { entries: vec![new.clone()], ..Batch::default() }, now(1)).unwrap();
    ledger.append(Batch { entries: vec![new], ..Batch::default() }, now(1)).unwrap();
    for size in sizes {
        let bytes = blob(size).bytes;
        let hex = countersign_model::Digest::of(&bytes).hex();
        let name = format!("blobs/sha256/{}/{}", &hex[..2], &hex[2..]);
        assert!(ledger.read(&name, 256 << 20).unwrap().unwrap() == bytes, "{size}");
        assert_eq!(ledger.stat(&name, 256 << 20).unwrap(), Some(size as u64));
        assert_eq!(ledger.digest(&name, 256 << 20).unwrap().unwrap().1.hex(), hex);
        if size > 1 {
            assert!(ledger.read(&name, size as u64 - 1).is_err());
        }
        let shard = ledger.list(&format!("blobs/sha256/{}", &hex[..2])).unwrap().unwrap();
        assert!(shard.iter().any(|l| l.name == name && !l.is_dir));
    }
    // An entry never speaks of a blob that somebody changed.
    cluster.sql("update blobs.blobs set bytes = 'zz' where octet_length(bytes) = 1");
    let mut new = entry("s", "q");
    new.attachments = vec![blob(1)];
    let error = ledger.append(Batch { entries: vec![new], ..Batch::default() }, now(1)).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
}

#[test]
fn keys_of_people_are_kept_and_destroyed() {
    let Some(cluster) = shared() else { return };
    let ledger = new_ledger(cluster, "people");
    let (keys, person) = (ledger.subject_keys(), PersonId::from_random([7; 10]));
    assert!(keys.get(&person).unwrap().is_none());
    keys.put(&person, &SubjectKey::from_bytes([3; 32])).unwrap();
    assert_eq!(keys.get(&person).unwrap().unwrap().as_bytes(), &[3; 32]);
    let listed = ledger.list("subjects").unwrap().unwrap();
    assert_eq!(listed[0].name, format!("subjects/{person}.key"));
    assert_eq!(ledger.read(&listed[0].name, 100).unwrap().unwrap(), format!("{}\n", "03".repeat(32)).as_bytes());
    keys.destroy(&person).unwrap();
    keys.destroy(&person).unwrap();
    assert!(keys.get(&person).unwrap().is_none());
}

#[test]
fn a_ledger_is_made_once() {
    let Some(cluster) = shared() else { return };
    let make = || {
        use countersign_store::postgres::{Options, Postgres};
        Postgres::create(cluster.address("once"), Options::default(), crate::support::signer(), keyring(true), None)
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(make)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let made = results.iter().filter(|r| r.is_ok()).count();
    let others = results.iter().filter_map(|r| r.as_ref().err());
    let codes: Vec<_> = others.map(|e| (e.is_already_there(), e.to_string())).collect();
    assert!(made == 1 && codes.iter().all(|(there, _)| *there), "{made} {codes:?}");
    let nothing = countersign_store::postgres::Postgres::open(
        cluster.address("nothing"),
        countersign_store::postgres::Options::default(),
        keyring(false),
    );
    assert!(nothing.unwrap_err().is_not_found());
}
