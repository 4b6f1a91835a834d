//! A ledger in a bucket is examined like one in a directory, and what was deleted behind the storage's back is named.

use std::fs;

use countersign_store::s3::Bucket;
use countersign_store::{Source as _, VerifyReport, verify_source};

use super::servers::{Server, filer_delete, seaweedfs};
use super::{admin, ahead, make_bucket};
use crate::support::{batch, clock, new_ledger, signer, trust};

/// A bucket with everything of a ledger of 300 entries that is for others to see.
fn published(server: &Server) -> (String, Bucket) {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = new_ledger(dir.path());
    let signer = signer();
    ledger.append(batch("a", 252), &signer, &clock(2)).unwrap();
    ledger.append(batch("b", 47), &signer, &clock(3)).unwrap();
    let name = make_bucket(server);
    let bucket = admin(server, &format!("{name}/led"));
    let files = crate::support::files(dir.path());
    let files: Vec<_> = files.iter().filter(|f| f.starts_with("ledger/") || f.starts_with("blobs/")).collect();
    std::thread::scope(|scope| {
        for part in files.chunks(100) {
            let (bucket, dir) = (&bucket, dir.path());
            scope.spawn(move || {
                for file in part {
                    bucket.put_new(file, &fs::read(dir.join(file)).unwrap(), ahead(3600)).unwrap();
                }
            });
        }
    });
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
