//! A storage that holds its locks passes the probe, and one that does not is found out.

use countersign_store::s3::{Attack, DailyProbe, Held, Options, probe, sweep};

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

/// A session whose clock the test sets.
fn session(dir: &std::path::Path, clock: &std::sync::Arc<Hands>) -> countersign_store::Session {
    let installation = countersign_store::installation::Installation::at(dir.join("data"));
    countersign_store::Session::open_or_create(&dir.join("l"), installation, std::sync::Arc::clone(clock) as _, None)
        .unwrap()
}

/// A clock with hands, in seconds after the start.
#[derive(Debug)]
struct Hands(std::sync::atomic::AtomicI64, countersign_model::Timestamp);

impl countersign_model::Clock for Hands {
    fn now(&self) -> countersign_model::Timestamp {
        self.1.plus_seconds(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

#[test]
fn a_bucket_is_probed_at_the_start_and_when_a_day_has_passed() {
    let Some(server) = seaweedfs() else { return };
    let dir = tempfile::tempdir().unwrap();
    let bucket = || admin(server, "watched-daily");
    bucket().create(true).unwrap();
    let clock = std::sync::Arc::new(Hands(0.into(), super::ahead(0)));
    let at = |seconds| clock.0.store(seconds, std::sync::atomic::Ordering::SeqCst);
    let mut session = session(dir.path(), &clock);
    let mut daily = DailyProbe::new(bucket());
    let size = |session: &countersign_store::Session| session.ledger().size();
    let before = size(&session);
    let (report, index) = daily.tick(&mut session).unwrap().unwrap();
    assert_eq!((report.verdict(), index, size(&session)), (Held::Yes, before, before + 1));
    for seconds in [0, 60, 23 * 3600, 24 * 3600 - 1] {
        at(seconds);
        assert_eq!(daily.tick(&mut session).unwrap(), None, "after {seconds} s");
    }
    at(24 * 3600);
    assert_eq!(daily.tick(&mut session).unwrap().unwrap().1, before + 1);
    // Another process probes an hour before the next is due: then it is due a day after that.
    at(47 * 3600);
    let by_another = probe(&bucket(), 120).unwrap();
    countersign_store::s3::record(&mut session, &by_another).unwrap();
    at(48 * 3600);
    assert_eq!(daily.tick(&mut session).unwrap(), None);
    at(71 * 3600);
    assert_eq!(daily.tick(&mut session).unwrap().unwrap().1, before + 3);
    // With a clock that went far back the log takes nothing, and that is an error and no silence.
    at(10 * 3600);
    assert!(daily.tick(&mut session).is_err());
    at(72 * 3600);
    // A server that starts probes, whatever was recorded before.
    assert!(DailyProbe::new(bucket()).tick(&mut session).unwrap().is_some());
    // One that cannot be probed records nothing, and is tried again after ten minutes.
    let mut lost = DailyProbe::new(admin(server, "no-such-bucket"));
    let before = size(&session);
    assert!(lost.tick(&mut session).is_err());
    assert_eq!(lost.tick(&mut session).unwrap(), None);
    at(72 * 3600 + 600);
    assert!(lost.tick(&mut session).is_err());
    assert_eq!(size(&session), before);
}
