//! A ledger published to a bucket: whole, locked, in order, and again.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_model::{Clock as _, Diagnostic as _, FixedClock, Retention, SystemClock, Timestamp};
use countersign_store::s3::{Bucket, Mode, Put, S3Error};
use countersign_store::{Error, Ledger, Source as _, verify_source};

use super::servers::{filer_delete, seaweedfs};
use super::{HELD, admin, grow, ledger_of, make_bucket, publish, publish_with};
use crate::support::{batch, new_ledger, new_ledger_signed_by, signer, trust};

fn assert_published(bucket: &Bucket, size: u64) {
    let report = verify_source(bucket, &trust(), &mut |_, _, _| Vec::new()).unwrap();
    assert!(report.is_sound(), "{:#?}", report.problems);
    assert_eq!(report.notices, []);
    assert_eq!((report.size, report.checked.entries), (size, size));
}

/// The date until which everything of this ledger must be locked at least.
fn least(ledger: &Ledger) -> Timestamp {
    let last = ledger.entries(ledger.size() - 1..ledger.size()).unwrap().remove(0).1;
    assert_eq!(last.retention, Retention::SoxSevenYears);
    last.retention.rule().unwrap().period.after(last.time).unwrap()
}

#[test]
fn everything_is_published_and_locked_and_the_rest_stays_at_home() {
    let Some(server) = seaweedfs() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = ledger_of(dir.path(), 300);
    let bucket = admin(server, &format!("{}/led", make_bucket(server)));
    let order = Mutex::new(Vec::new());
    let first = publish_with(&ledger, &bucket, false, &|name, _| order.lock().unwrap().push(name.to_owned())).unwrap();
    assert_eq!((first.from, first.size, first.present), (0, 300, 0));
    assert_eq!(
        order.lock().unwrap().last().map(String::as_str),
        Some("ledger/checkpoint"),
        "the checkpoint comes last"
    );
    assert_published(&bucket, 300);

    let least_date = least(&ledger);
    let objects = bucket.list_all("").unwrap();
    assert_eq!(objects.len() as u64, first.written);
    for object in &objects {
        assert!(object.name.starts_with("ledger/") || object.name.starts_with("blobs/sha256/"), "{}", object.name);
        let lock = bucket.head(&object.name).unwrap().unwrap().lock.unwrap();
        assert!(lock.mode == Mode::Compliance && lock.until >= least_date, "{}: {lock:?}", object.name);
    }

    // What is held here is held there, and nothing else.
    let held = ledger.entries(HELD[0]..HELD[0] + 1).unwrap().remove(0).1.payload.sha256.hex();
    let held = format!("blobs/sha256/{}/{}", &held[..2], &held[2..]);
    for object in &objects {
        let expected = object.name == held || object.name.ends_with("/000") || object.name.ends_with("entries/000");
        let is_held = bucket.head(&object.name).unwrap().unwrap().is_held;
        assert_eq!(is_held, expected, "{}", object.name);
    }

    // The same again writes nothing.
    let again = publish(&ledger, &bucket).unwrap();
    assert_eq!((again.from, again.size, again.written), (300, 300, 0));

    // Past a full tile: the partial ones of the size before stay, for they are locked.
    grow(&mut ledger, 520);
    let more = publish(&ledger, &bucket).unwrap();
    assert_eq!((more.from, more.size), (300, 520));
    assert_published(&bucket, 520);
    assert!(bucket.stat("ledger/tile/entries/001.p/44", 1 << 20).unwrap().is_some());
    let mut kept: Vec<_> = bucket.list("ledger/checkpoints").unwrap().into_iter().map(|f| f.name).collect();
    kept.sort();
    assert_eq!(kept, ["ledger/checkpoints/300", "ledger/checkpoints/520"]);
    let checkpoints = bucket.versions("ledger/checkpoint").unwrap();
    assert_eq!(checkpoints.iter().filter(|v| v.name == "ledger/checkpoint").count(), 2);
}

#[test]
fn a_replication_that_was_cut_short_goes_on() {
    let Some(server) = seaweedfs() else { return };
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger_of(dir.path(), 300);
    let bucket = admin(server, &make_bucket(server));
    for stop in [5, 200, 303] {
        let done = AtomicUsize::new(0);
        let cut = catch_unwind(AssertUnwindSafe(|| {
            publish_with(&ledger, &bucket, false, &|_, _| {
                assert!(done.fetch_add(1, Ordering::SeqCst) < stop, "the process ends here");
            })
        }));
        assert!(cut.is_err());
        assert_eq!(bucket.read("ledger/checkpoint", 4096).unwrap(), None, "no checkpoint names what is not there");
    }
    let rest = publish(&ledger, &bucket).unwrap();
    assert!(rest.present >= 303 && rest.written > 0, "{rest:?}");
    assert_published(&bucket, 300);
    let versions = bucket.versions("").unwrap();
    assert_eq!(versions.len(), bucket.list_all("").unwrap().len(), "one version of everything");
}

#[test]
fn another_log_and_an_older_copy_are_refused() {
    let Some(server) = seaweedfs() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = ledger_of(&dir.path().join("one"), 20);
    crate::support::copy(&dir.path().join("one"), &dir.path().join("older"));
    grow(&mut ledger, 40);
    let bucket = admin(server, &make_bucket(server));
    publish(&ledger, &bucket).unwrap();
    let before = bucket.versions("").unwrap();

    let refused = |ledger: &Ledger| match publish(ledger, &bucket) {
        Err(Error::S3(error @ S3Error::OtherLog { .. })) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let mut older = Ledger::open(&dir.path().join("older")).unwrap();
    assert!(refused(&older).contains("40 entries there, and 20 here"));
    older.append(batch("fork", 30), &signer(), &SystemClock).unwrap();
    assert!(refused(&older).contains("its first 40 entries are others"));
    let key = countersign_evidence::note::SignerKey::from_seed(crate::support::ORIGIN, &[8; 32]).unwrap();
    refused(&new_ledger_signed_by(&dir.path().join("other"), &key));
    assert_eq!(bucket.versions("").unwrap(), before, "nothing was written");
}

#[test]
fn a_clock_that_is_years_ahead_locks_nothing() {
    let Some(server) = seaweedfs() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = new_ledger(dir.path());
    let wrong = FixedClock(SystemClock.now().plus_seconds(10 * 365 * 86_400));
    ledger.append(batch("a", 2), &signer(), &wrong).unwrap();
    let bucket = admin(server, &make_bucket(server));
    let error = publish(&ledger, &bucket).unwrap_err();
    assert_eq!(error.code(), "CS-S3-013", "{error}");
    assert_eq!(bucket.list_all("").unwrap(), []);
}

#[test]
fn a_clock_that_was_behind_frees_nothing_early() {
    let Some(server) = seaweedfs() else { return };
    let dir = tempfile::tempdir().unwrap();
    // Entry 0 is of another day; entries written after it get a time of their own, and all are locked from the last.
    let mut ledger = new_ledger(dir.path());
    let now = SystemClock.now();
    ledger.append(batch("a", 2), &signer(), &FixedClock(now)).unwrap();
    ledger.append(batch("b", 2), &signer(), &FixedClock(now.plus_seconds(-100))).unwrap();
    let bucket = admin(server, &make_bucket(server));
    publish(&ledger, &bucket).unwrap();
    let least = least(&ledger);
    assert!(least >= Retention::SoxSevenYears.rule().unwrap().period.after(now).unwrap());
    for object in bucket.list_all("").unwrap() {
        assert!(bucket.head(&object.name).unwrap().unwrap().lock.unwrap().until >= least, "{}", object.name);
    }
}

#[test]
fn a_damaged_ledger_is_not_published() {
    let Some(server) = seaweedfs() else { return };
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger_of(dir.path(), 10);
    let entry = ledger.entries(7..8).unwrap().remove(0).1;
    let hex = entry.payload.sha256.hex();
    let blob = dir.path().join(format!("blobs/sha256/{}/{}", &hex[..2], &hex[2..]));
    fs::write(&blob, b"something else").unwrap();
    let bucket = admin(server, &make_bucket(server));
    let error = publish(&ledger, &bucket).unwrap_err();
    assert!(matches!(&error, Error::Corrupt { file, .. } if file.contains(&hex[2..])), "{error}");
    assert_eq!(bucket.read("ledger/checkpoint", 4096).unwrap(), None);
}

#[test]
fn what_was_deleted_is_put_back_by_a_full_replication() {
    let Some(server) = seaweedfs() else { return };
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger_of(dir.path(), 30);
    let name = make_bucket(server);
    let bucket = admin(server, &name);
    publish(&ledger, &bucket).unwrap();
    let gone = bucket.list_all("blobs").unwrap().remove(3).name;
    let version = bucket.versions(&gone).unwrap().remove(0).id;
    filer_delete(server, &format!("/buckets/{name}/{gone}.versions/v_{version}"));
    assert_eq!(publish(&ledger, &bucket).unwrap().written, 0, "an ordinary replication goes by the checkpoint");
    assert!(!verify_source(&bucket, &trust(), &mut |_, _, _| Vec::new()).unwrap().is_sound());

    let put_back = Mutex::new(Vec::new());
    let full = publish_with(&ledger, &bucket, true, &|name, put| {
        if put == Put::Written {
            put_back.lock().unwrap().push(name.to_owned());
        }
    });
    assert_eq!(full.unwrap().written, 1);
    assert_eq!(*put_back.lock().unwrap(), [gone]);
    assert_published(&bucket, 30);
}
