//! Objects: written once, locked, extended, held, listed.

use countersign_model::{Diagnostic as _, Digest};
use countersign_store::Source as _;
use countersign_store::s3::{Mode, Options, Patience, Put, S3Error};

use super::servers::{ACCESS_KEY, WRITER, seaweedfs};
use super::{admin, ahead, bucket_at, make_bucket, patience};

#[test]
fn an_object_is_written_once_and_stays_locked() {
    let Some(server) = seaweedfs() else { return };
    let name = make_bucket(server);
    let bucket = admin(server, &format!("{name}/one/two"));
    let until = ahead(3600);

    assert_eq!(bucket.get("ledger/tile/0/000", 100).unwrap(), None);
    assert_eq!(bucket.put_new("ledger/tile/0/000", b"first", until).unwrap(), Put::Written);
    assert_eq!(bucket.put_new("ledger/tile/0/000", b"first", until).unwrap(), Put::Present);
    let error = bucket.put_new("ledger/tile/0/000", b"other", until).unwrap_err();
    assert!(matches!(&error, S3Error::Differs { name } if name == "ledger/tile/0/000"), "{error}");
    let error = bucket.put_new("ledger/tile/0/000", b"longer than the first", until).unwrap_err();
    assert!(matches!(error, S3Error::Differs { .. }), "{error}");

    let (meta, bytes) = bucket.get("ledger/tile/0/000", 5).unwrap().unwrap();
    assert_eq!(bytes, b"first");
    let lock = meta.lock.unwrap();
    assert_eq!(lock.mode, Mode::Compliance);
    assert!(lock.until >= until, "{} is before {until}", lock.until);
    assert!(matches!(bucket.get("ledger/tile/0/000", 4), Err(S3Error::TooLarge { limit: 4, .. })));
    let (meta, digest) = bucket.digest_of("ledger/tile/0/000", 5).unwrap().unwrap();
    assert_eq!((meta.size, digest), (5, Digest::of(b"first")));
    assert_eq!(bucket.versions("ledger/tile/0/000").unwrap().len(), 1, "repeated writes leave one version");

    // An empty object is one too.
    assert_eq!(bucket.put_new("empty", b"", until).unwrap(), Put::Written);
    assert_eq!(bucket.get("empty", 0).unwrap().unwrap().1, b"");
    assert_eq!(bucket.head("empty").unwrap().unwrap().size, 0);
}

#[test]
fn a_lock_is_extended_and_never_shortened() {
    let Some(server) = seaweedfs() else { return };
    let bucket = admin(server, &make_bucket(server));
    let until = ahead(3600);
    bucket.put_new("a", b"a", until).unwrap();
    assert!(bucket.extend("a", until.plus_seconds(3600)).unwrap());
    let locked = bucket.head("a").unwrap().unwrap().lock.unwrap().until;
    assert!(locked >= until.plus_seconds(3600));
    assert!(!bucket.extend("a", locked).unwrap());
    let error = bucket.extend("a", until).unwrap_err();
    assert!(matches!(error, S3Error::Shortens { until, .. } if until == locked), "{error}");
    assert_eq!(bucket.head("a").unwrap().unwrap().lock.unwrap().until, locked);

    // Writing the same again with an earlier date leaves the later one, with a later date extends it.
    assert_eq!(bucket.put_new("a", b"a", until).unwrap(), Put::Present);
    assert_eq!(bucket.head("a").unwrap().unwrap().lock.unwrap().until, locked);
    assert_eq!(bucket.put_new("a", b"a", locked.plus_seconds(60)).unwrap(), Put::Present);
    assert_eq!(bucket.head("a").unwrap().unwrap().lock.unwrap().until, locked.plus_seconds(60));
}

#[test]
fn a_hold_is_put_and_lifted() {
    let Some(server) = seaweedfs() else { return };
    let bucket = admin(server, &make_bucket(server));
    bucket.put_new("a", b"a", ahead(60)).unwrap();
    assert!(!bucket.head("a").unwrap().unwrap().is_held);
    bucket.set_hold("a", None, true).unwrap();
    assert!(bucket.head("a").unwrap().unwrap().is_held);
    bucket.set_hold("a", None, false).unwrap();
    assert!(!bucket.head("a").unwrap().unwrap().is_held);
}

#[test]
fn the_checkpoint_is_replaced_by_the_one_who_read_it_last() {
    let Some(server) = seaweedfs() else { return };
    let bucket = admin(server, &make_bucket(server));
    let until = ahead(3600);
    assert_eq!(bucket.put_replace("c", b"1", until, None).unwrap(), Put::Written);
    assert_eq!(bucket.put_replace("c", b"1", until, None).unwrap(), Put::Present);
    assert!(matches!(bucket.put_replace("c", b"2", until, None), Err(S3Error::Conflict { .. })));
    let first = bucket.head("c").unwrap().unwrap().etag.unwrap();
    assert_eq!(bucket.put_replace("c", b"2", until, Some(&first)).unwrap(), Put::Written);
    assert!(matches!(bucket.put_replace("c", b"3", until, Some(&first)), Err(S3Error::Conflict { .. })));
    assert_eq!(bucket.get("c", 1).unwrap().unwrap().1, b"2");
    let versions = bucket.versions("c").unwrap();
    assert_eq!(versions.len(), 2, "{versions:?}");
    assert!(versions.iter().all(|v| !v.is_delete_marker));
}

#[test]
fn a_bucket_is_listed_like_a_directory() {
    let Some(server) = seaweedfs() else { return };
    let name = make_bucket(server);
    let bucket = admin(server, &format!("{name}/led"));
    let beside = admin(server, &format!("{name}/ledger2"));
    beside.put_new("not-ours", b"", ahead(60)).unwrap();
    for object in ["ledger/checkpoint", "ledger/tile/0/000", "ledger/tile/0/001.p/5", "salt of the earth+&<é"] {
        bucket.put_new(object, b"x", ahead(60)).unwrap();
    }
    let names = |dir: &str| {
        let mut listed = countersign_store::Source::list(&bucket, dir).unwrap().unwrap();
        listed.sort();
        listed.into_iter().map(|l| format!("{}{}", l.name, if l.is_dir { "/" } else { "" })).collect::<Vec<_>>()
    };
    assert_eq!(names(""), ["ledger/", "salt of the earth+&<é"]);
    assert_eq!(names("ledger"), ["ledger/checkpoint", "ledger/tile/"]);
    assert_eq!(names("ledger/tile/0"), ["ledger/tile/0/000", "ledger/tile/0/001.p/"]);
    assert_eq!(names("nothing"), [""; 0]);
    assert_eq!(bucket.list_all("ledger").unwrap().len(), 3);
    assert_eq!(bucket.stat("ledger/tile/0/000", 1).unwrap(), Some(1));
    assert!(bucket.stat("ledger/tile/0/000", 0).is_err());
}

#[test]
fn a_long_listing_comes_in_pages() {
    let Some(server) = seaweedfs() else { return };
    let bucket = admin(server, &make_bucket(server));
    std::thread::scope(|scope| {
        for part in 0..4 {
            let bucket = &bucket;
            scope.spawn(move || {
                for n in 0..260 {
                    bucket.put_new(&format!("many/{part}{n:03}"), b"", ahead(5)).unwrap();
                }
            });
        }
    });
    let mut names: Vec<String> = bucket.list_all("many").unwrap().into_iter().map(|f| f.name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 1040);
    assert_eq!(bucket.list("many").unwrap().len(), 1040);
    assert_eq!(bucket.versions("many/").unwrap().len(), 1040);
}

#[test]
fn what_is_wrong_is_said() {
    let Some(server) = seaweedfs() else { return };
    let name = make_bucket(server);
    let options = || Options { patience: patience(), ..Options::default() };
    let wrong = bucket_at(server, &name, (ACCESS_KEY, "wrong"), options());
    let error = wrong.get("a", 1).unwrap_err();
    assert!(matches!(error, S3Error::Denied { .. }), "{error}");
    let error = admin(server, "no-such-bucket").get("a", 1).unwrap_err();
    assert!(matches!(error, S3Error::NoBucket { .. }), "{error}");
    let error = admin(server, "no-such-bucket").list("").unwrap_err();
    assert!(matches!(error, S3Error::NoBucket { .. }), "{error}");

    // Nobody listens there: after all attempts, an error that names them.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let location = countersign_store::s3::Location::parse(&format!("s3://{name}?endpoint=http://{nobody}")).unwrap();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let list = std::sync::Arc::clone(&seen);
    let options = Options {
        patience: Patience { attempts: 3, pause: std::time::Duration::ZERO, ..patience() },
        observer: Some(std::sync::Arc::new(move |retry| list.lock().unwrap().push(retry.attempt))),
        ..Options::default()
    };
    let credentials = countersign_store::s3::Credentials::new("a", "b", None);
    let bucket = countersign_store::s3::Bucket::new(location, credentials, options).unwrap();
    let error = bucket.get("a", 1).unwrap_err();
    assert!(matches!(error, S3Error::Unreachable { attempts: 3, .. }), "{error}");
    assert_eq!(error.exit(), countersign_model::Exit::Backend);
    assert_eq!(*seen.lock().unwrap(), [1, 2]);
}

#[test]
fn a_key_that_cannot_configure_buckets_is_enough_to_write() {
    let Some(server) = seaweedfs() else { return };
    let name = make_bucket(server);
    let options = Options { patience: patience(), ..Options::default() };
    let writer = bucket_at(server, &name, WRITER, options);
    writer.put_new("a", b"a", ahead(60)).unwrap();
    assert_eq!(writer.get("a", 1).unwrap().unwrap().1, b"a");
    assert!(matches!(writer.create(true), Err(S3Error::Denied { .. } | S3Error::Unexpected { .. })));
}
