//! A ledger in a bucket is examined like one in a directory, and what was deleted behind the storage's back is named.

use countersign_evidence::checkpoint::Checkpoint;
use countersign_store::s3::Bucket;
use countersign_store::{Source as _, VerifyReport, verify_source};

use super::servers::{Server, filer_delete, seaweedfs};
use super::{admin, ahead, ledger_of, make_bucket, publish};
use crate::support::{ORIGIN, signer, trust};

/// A bucket with a ledger of 300 entries.
fn published(server: &Server) -> (String, Bucket) {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger_of(dir.path(), 300);
    let name = make_bucket(server);
    let bucket = admin(server, &format!("{name}/led"));
    publish(&ledger, &bucket).unwrap();
    (name, bucket)
}

fn examine(bucket: &Bucket) -> VerifyReport {
    verify_source(bucket, &trust(), &mut |_, _, _| Vec::new()).unwrap()
}

#[test]
fn what_is_deleted_behind_the_locks_is_named() {
    let Some(server) = seaweedfs() else { return };
    let (name, bucket) = published(server);
    let report = examine(&bucket);
    assert!(report.is_sound(), "{:#?}", report.problems);
    assert_eq!((report.size, report.checked.entries), (300, 300));

    // The storage's own interface holds what is locked, and its inner port does not.
    let delete = |object: &str| {
        let version = bucket.versions(object).unwrap().into_iter().find(|v| v.name == object).unwrap();
        filer_delete(server, &format!("/buckets/{name}/led/{object}.versions/v_{}", version.id));
        assert_eq!(bucket.read(object, 1 << 20).unwrap(), None, "{object} is gone");
    };
    let blob = bucket.list_all("blobs").unwrap().remove(0).name;
    delete(&blob);
    let report = examine(&bucket);
    let problem = &report.problems[0];
    assert_eq!((report.problems.len(), &problem.file, problem.what.as_str()), (1, &blob, "it is missing"));
    assert!(problem.entry.is_some(), "{problem:?}");

    delete("ledger/tile/entries/000");
    delete("ledger/tile/0/000");
    let report = examine(&bucket);
    for object in ["ledger/tile/entries/000", "ledger/tile/0/000"] {
        let problem = report.problems.iter().find(|p| p.file == object);
        let problem = problem.unwrap_or_else(|| panic!("{object} is not named: {:#?}", report.problems));
        assert_eq!((problem.entry, problem.what.as_str()), (Some(0), "it is missing"));
    }
}

#[test]
fn an_empty_place_is_no_ledger() {
    let Some(server) = seaweedfs() else { return };
    let bucket = admin(server, &make_bucket(server));
    let error = verify_source(&bucket, &trust(), &mut |_, _, _| Vec::new()).unwrap_err();
    assert!(error.is_not_found(), "{error}");
}

#[test]
fn what_the_history_in_the_bucket_contradicts_is_found() {
    let Some(server) = seaweedfs() else { return };
    let (_, bucket) = published(server);
    let signed = |size: u64, root: [u8; 32]| Checkpoint { origin: ORIGIN.into(), size, root }.sign(&signer()).unwrap();
    // A log that was signed with two histories, one whose end was cut off, and one that somebody else signed.
    bucket.put_new("ledger/checkpoints/7", signed(7, [1; 32]).as_bytes(), ahead(60)).unwrap();
    bucket.put_new("ledger/checkpoints/301", signed(301, [1; 32]).as_bytes(), ahead(60)).unwrap();
    bucket.put_new("ledger/checkpoints/8", signed(9, [1; 32]).as_bytes(), ahead(60)).unwrap();
    // A partial tile that is not the beginning of the full one, and something that belongs nowhere.
    bucket.put_new("ledger/tile/0/000.p/1", &[9; 32], ahead(60)).unwrap();
    bucket.put_new("ledger/tile/0/000.p/2", &[9; 32], ahead(60)).unwrap();
    bucket.put_new("notes.txt", b"", ahead(60)).unwrap();
    let report = examine(&bucket);
    let mut found: Vec<_> = report.problems.iter().map(|p| (p.file.as_str(), p.code)).collect();
    found.sort_unstable();
    let expected = [
        ("ledger/checkpoints/301", "CS-LEDGER-034"),
        ("ledger/checkpoints/7", "CS-LEDGER-035"),
        ("ledger/checkpoints/8", "CS-LEDGER-009"),
        ("ledger/tile/0/000.p/1", "CS-LEDGER-009"),
        ("ledger/tile/0/000.p/2", "CS-LEDGER-009"),
        ("notes.txt", "CS-LEDGER-031"),
    ];
    assert_eq!(found, expected, "{:#?}", report.problems);
}
