//! An append that fails or dies at every single step: what was acknowledged stays, exactly once.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use countersign_model::Diagnostic as _;
use countersign_store::{Batch, Error, Ledger, code};

use crate::support::{
    Fault, Faulty, Unsynced, assert_sound, batch, clock, copy, entry, examine, new_ledger, signer, trust,
};

/// Every entry's bytes.
fn content(ledger: &Ledger) -> Vec<Vec<u8>> {
    (0..ledger.size()).map(|i| ledger.entry_bytes(i).unwrap()).collect()
}

/// Appends `n` entries to a copy of `base` with a fault at every step in turn.
fn every_step(base: &Path, n: usize, fault: Fault) {
    let before = content(&Ledger::open(base).unwrap());
    let (old, new) = (before.len() as u64, (before.len() + n) as u64);
    let mut at = 0;
    loop {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("ledger");
        copy(base, &dir);
        let storage = Faulty::new(fault, at);
        let mut ledger = Ledger::open_with(&dir, Arc::clone(&storage) as _).unwrap();
        let result = ledger.append(batch("new", n), &signer(), &clock(500));
        let reached = storage.steps() > at;
        let place = format!("{fault:?} at step {at}: {result:?}");

        // A reader sees all of the batch or nothing of it.
        let seen = Ledger::open(&dir).unwrap();
        match &result {
            Ok(appended) => assert_eq!((seen.size(), seen.root()), (appended.size, appended.root), "{place}"),
            Err(Error::Unsettled { first_index, last_index, .. }) => {
                assert_eq!((*first_index, *last_index), (old, new - 1), "{place}");
                assert!(seen.size() == new || matches!(fault, Fault::PowerCut(_)), "{place}");
            }
            Err(_) if matches!(fault, Fault::Once(_) | Fault::Always(_)) => assert_eq!(seen.size(), old, "{place}"),
            Err(_) => assert!(seen.size() == old || seen.size() == new, "{place}"),
        }
        assert!(content(&seen).starts_with(&before), "{place}");
        let landed = seen.size() == new;

        // What is left behind is known to be left over.
        let report = examine(&dir, &trust());
        assert!(report.is_sound(), "{place}: {:?}", report.problems);

        // The next one sets it right and appends.
        let mut next = Ledger::open_with(&dir, Arc::new(Unsynced)).unwrap();
        let appended = next.append(batch("next", 2), &signer(), &clock(600)).unwrap();
        assert_eq!(appended.first_index, if landed { new } else { old }, "{place}");
        assert!(appended.notices.iter().all(|n| n.code == code::HALF_WRITTEN));
        if !report.notices.is_empty() && matches!(fault, Fault::Kill | Fault::KillWithin) && at > 1 {
            assert_eq!(appended.notices.len(), 1, "{place}");
        }
        let after = content(&next);
        assert!(after.starts_with(&before), "{place}");
        assert_eq!(after.len() as u64, appended.size);
        let report = assert_sound(&dir);
        assert_eq!(report.size, appended.size);

        // The handle that failed goes on as well, once its storage works; a dead one stays dead.
        if reached && matches!(fault, Fault::Once(_)) {
            let again = ledger.append(batch("again", 1), &signer(), &clock(700)).unwrap();
            assert_eq!(again.first_index, appended.size, "{place}");
            assert_sound(&dir);
        }
        if !reached {
            assert!(result.is_ok(), "{place}");
            assert!(at > 15, "an append has more steps than {at}");
            return;
        }
        at += 1;
    }
}

const FAULTS: [Fault; 9] = [
    Fault::Kill,
    Fault::PowerCut(u64::MAX),
    Fault::PowerCut(0x5555_5555_5555_5555),
    Fault::KillWithin,
    Fault::Once(ErrorKind::StorageFull),
    Fault::PowerCut(0x9a3c_65f0_1bd2_47e8),
    Fault::Always(ErrorKind::StorageFull),
    Fault::Once(ErrorKind::Other),
    Fault::Always(ErrorKind::ReadOnlyFilesystem),
];

/// A ledger of `n` entries, the last ones published one by one.
fn base(dir: &Path, n: u64) {
    let mut ledger = new_ledger(dir);
    if n > 8 {
        let filler = usize::try_from(n - 8).unwrap();
        // Few payloads: the tree is what this is about, and the ledger is copied often.
        let entries = (0..filler).map(|i| entry("filler", format!("{}", i % 3))).collect();
        ledger.append(Batch { entries, ..Batch::default() }, &signer(), &clock(1)).unwrap();
    }
    while ledger.size() < n {
        ledger.append(batch(&format!("single {}", ledger.size()), 1), &signer(), &clock(2)).unwrap();
    }
}

fn with_faults(size: u64, n: usize, faults: &[Fault]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    base(&path, size);
    for fault in faults {
        every_step(&path, n, *fault);
    }
}

#[test]
fn a_batch_in_the_middle_of_a_tile() {
    with_faults(5, 6, &FAULTS);
}

#[test]
fn a_batch_that_fills_a_tile() {
    with_faults(253, 3, &FAULTS[..1]);
}

#[test]
fn a_batch_that_goes_past_a_full_tile() {
    with_faults(254, 5, &FAULTS[1..5]);
}

#[test]
fn the_first_batch_of_all_after_a_full_tile() {
    with_faults(256, 1, &FAULTS[..1]);
}

#[test]
fn each_fault_has_its_own_code() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    base(&path, 3);
    for (kind, expected) in [
        (ErrorKind::StorageFull, code::DISK_FULL),
        (ErrorKind::QuotaExceeded, code::DISK_FULL),
        (ErrorKind::ReadOnlyFilesystem, code::READ_ONLY),
        (ErrorKind::PermissionDenied, code::READ_ONLY),
        (ErrorKind::Other, code::IO),
    ] {
        let mut ledger = Ledger::open_with(&path, Faulty::new(Fault::Always(kind), 2)).unwrap();
        let error = ledger.append(batch("x", 1), &signer(), &clock(9)).unwrap_err();
        assert_eq!(error.code(), expected);
        assert!(error.place().is_some(), "the file is named");
    }
    // Only the lock and the half note of the last one are there.
    let mut ledger = Ledger::open_with(&path, Arc::new(Unsynced)).unwrap();
    assert_eq!(ledger.append(batch("x", 1), &signer(), &clock(9)).unwrap().first_index, 3);
    assert_sound(&path);
}

/// How many of the newest unsynced writes are tried in every combination; more by hand: `POWER_CUT_BITS=12`.
#[expect(clippy::disallowed_methods, reason = "a longer run is asked for by the environment")]
fn power_cut_bits() -> usize {
    std::env::var("POWER_CUT_BITS").map_or(5, |bits| bits.parse().unwrap())
}

/// The power fails after every step of a short history, and every subset of what was not synced is lost, in whatever
/// order the disk had written it: what was acknowledged is there, and nothing is there by half.
#[test]
fn every_subset_of_unsynced_writes_may_be_lost() {
    let bits = power_cut_bits();
    let origin = tempfile::tempdir().unwrap();
    let base = origin.path().join("ledger");
    drop(new_ledger(&base));
    let mut at = 0;
    let mut cases = 0;
    loop {
        let (mut mask, mut subset) = (0_u64, 0_u64);
        let reached = loop {
            let dir = tempfile::tempdir().unwrap();
            let dir = dir.path().join("ledger");
            copy(&base, &dir);
            let storage = Faulty::new(Fault::PowerCut(mask), at);
            let mut ledger = Ledger::open_with(&dir, Arc::clone(&storage) as _).unwrap();
            let mut acknowledged = vec![ledger.entry_bytes(0).unwrap()];
            let mut open = true;
            for n in 0..2 {
                match ledger.append(batch(&format!("batch {n}"), 2), &signer(), &clock(10 + n)) {
                    Ok(appended) => {
                        let end = appended.first_index + 2;
                        let place = format!("step {at} ({}), mask {mask:b}", storage.step_name(at));
                        assert_eq!(ledger.size(), end, "{place}");
                        acknowledged.extend((appended.first_index..end).map(|i| ledger.entry_bytes(i).unwrap()));
                    }
                    Err(_) => {
                        open = false;
                        break;
                    }
                }
            }
            let place = format!("step {at} ({}), mask {mask:b}", storage.step_name(at));
            let (unsynced, reached) = (storage.lost(), storage.steps() > at);
            assert!(reached || open, "{place}");
            drop(ledger);
            cases += 1;

            let report = examine(&dir, &trust());
            assert!(report.is_sound(), "{place}: {:?}", report.problems);
            let seen = Ledger::open(&dir).unwrap();
            assert!(content(&seen).starts_with(&acknowledged), "{place}");
            let mut next = Ledger::open_with(&dir, Arc::new(Unsynced)).unwrap();
            next.append(batch("next", 1), &signer(), &clock(600)).unwrap();
            assert!(content(&next).starts_with(&acknowledged), "{place}");
            assert_sound(&dir);

            if !reached {
                break false;
            }
            // Every subset of the newest ones, and once all of them.
            let newest = unsynced.min(bits);
            subset += 1;
            match subset {
                n if n < 1 << newest => mask = n << (unsynced - newest),
                n if n == 1 << newest && unsynced > newest => mask = u64::MAX,
                _ => break true,
            }
        };
        if !reached {
            break;
        }
        at += 1;
    }
    assert!(at > 30 && cases > 300, "{at} steps, {cases} cases");
}
