//! A storage that holds its locks passes the probe, and one that does not is found out.

use countersign_store::s3::{Attack, Held, Options, probe, sweep};

use super::servers::{WRITER, moto, seaweedfs};
use super::{admin, bucket_at, make_bucket, patience};

#[test]
fn seaweedfs_holds() {
    let Some(server) = seaweedfs() else { return };
    let name = make_bucket(server);
    let report = probe(&admin(server, &format!("{name}/a")), 120).unwrap();
    assert_eq!(report.verdict(), Held::Yes, "{report:#?}");
    assert_eq!(report.attempts.len(), Attack::ALL.len());
    assert!(report.location.starts_with(&format!("s3://{name}/a?")), "{}", report.location);

    // With a key that may not even configure the bucket it is the same.
    let options = Options { patience: patience(), ..Options::default() };
    let report = probe(&bucket_at(server, &name, WRITER, options), 120).unwrap();
    assert_eq!(report.verdict(), Held::Yes, "{report:#?}");
}

#[test]
fn a_default_rule_is_there_again_after_the_probe() {
    let Some(server) = seaweedfs() else { return };
    let bucket = admin(server, &make_bucket(server));
    bucket.set_default_rule(Some(("COMPLIANCE", "Days", 1))).unwrap();
    let report = probe(&bucket, 120).unwrap();
    assert_eq!(report.verdict(), Held::Yes, "{report:#?}");
    assert_eq!(bucket.default_rule().unwrap(), Some(("COMPLIANCE".to_owned(), "Days", 1)), "{report:#?}");
}

#[test]
fn moto_is_found_out() {
    let Some(server) = moto() else { return };
    let bucket = admin(server, &make_bucket(server));
    let report = probe(&bucket, 120).unwrap();
    assert_eq!(report.verdict(), Held::No, "{report:#?}");
    let held = |attack| report.attempts.iter().find(|a| a.attack == attack).map(|a| a.held);
    for attack in [Attack::Shorten, Attack::Downgrade, Attack::SuspendVersioning] {
        assert_eq!(held(attack), Some(Held::No), "{report:#?}");
    }
}

#[test]
fn a_bucket_without_object_lock_is_found_out() {
    let Some(server) = seaweedfs() else { return };
    let bucket = admin(server, "plain-bucket");
    bucket.create(false).unwrap();
    match probe(&bucket, 120) {
        Ok(report) => assert_eq!(report.verdict(), Held::No, "{report:#?}"),
        Err(e) => assert!(matches!(e, countersign_store::s3::S3Error::Unexpected { .. }), "{e}"),
    }
}

#[test]
fn old_canaries_are_removed_when_their_lock_has_run_out() {
    let Some(server) = seaweedfs() else { return };
    let bucket = admin(server, &make_bucket(server));
    // A lock this short runs out while the probe works, so it cannot say much; what it leaves is what matters here.
    probe(&bucket, 4).unwrap();
    let left = bucket.versions("canary/").unwrap().len();
    assert!(left > 0);
    // Every look is a question to the storage, whose clock goes on: a later one finds them all free.
    let swept = (0..10_000)
        .map_while(|_| Some(sweep(&bucket).unwrap()).filter(|_| !bucket.versions("canary/").unwrap().is_empty()));
    assert!(swept.sum::<usize>() <= left);
    assert_eq!(bucket.versions("canary/").unwrap(), []);
    assert_eq!(probe(&bucket, 120).unwrap().verdict(), Held::Yes);
}
