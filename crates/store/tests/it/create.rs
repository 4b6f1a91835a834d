//! A ledger comes into being whole or not at all.

use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;

use countersign_model::{Diagnostic as _, Exit};
use countersign_store::{Error, Ledger, NewLedger, code};

use crate::support::{Fault, Faulty, ORIGIN, Unsynced, clock, examine, files, genesis, new_ledger, signer, trust};

#[test]
fn a_new_ledger_is_empty_and_signed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/er/.countersign");
    assert!(Ledger::open(&path).unwrap_err().is_not_found());
    let ledger = Ledger::create(&path, &NewLedger { signer: &signer(), salt: None }).unwrap();
    assert_eq!((ledger.size(), ledger.origin()), (0, ORIGIN));
    assert_eq!(ledger.vkey(), signer().verifier());
    assert_eq!(fs::read_to_string(path.join(".gitignore")).unwrap(), "*\n");
    let salt = fs::read(path.join("salt")).unwrap();
    assert_eq!(ledger.salt_digest().unwrap(), countersign_model::Digest::of(&salt));
    assert_eq!(files(&path), [".gitignore", "ledger/checkpoint", "ledger/origin", "ledger/vkey", "lock", "salt"]);
    // Nothing says yet whose it is.
    let report = examine(&path, &trust());
    assert!(matches!(report.problems.as_slice(), [p] if p.code == code::GENESIS), "{:?}", report.problems);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing stays beside it");
}

#[test]
fn a_ledger_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let ledger = new_ledger(&path);
    let error = Ledger::create(&path, &NewLedger { signer: &signer(), salt: None }).unwrap_err();
    assert!(error.is_already_there());
    assert_eq!(error.exit(), Exit::Usage);
    assert_eq!(Ledger::open(&path).unwrap().root(), ledger.root());
}

#[test]
fn a_directory_of_other_things_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("mine"), "x").unwrap();
    let error = Ledger::create(&path, &NewLedger { signer: &signer(), salt: None }).unwrap_err();
    assert_eq!(error.code(), code::OCCUPIED);
    assert_eq!(files(&path), ["mine"]);
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    assert_eq!(Ledger::create(&file, &NewLedger { signer: &signer(), salt: None }).unwrap_err().code(), code::OCCUPIED);
    // An empty one is as good as none.
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    Ledger::create(&empty, &NewLedger { signer: &signer(), salt: None }).unwrap();
}

#[test]
fn creation_that_fails_or_dies_leaves_no_ledger_or_a_whole_one() {
    for fault in [
        Fault::Once(ErrorKind::StorageFull),
        Fault::Always(ErrorKind::ReadOnlyFilesystem),
        Fault::Kill,
        Fault::KillWithin,
        Fault::PowerCut(u64::MAX),
        Fault::PowerCut(0x5a5a_5a5a_5a5a_5a5a),
    ] {
        for at in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("l");
            let storage = Faulty::new(fault, at);
            let created =
                Ledger::create_with(&path, &NewLedger { signer: &signer(), salt: None }, Arc::clone(&storage) as _);
            let reached = storage.steps() > at;
            match Ledger::open(&path) {
                Ok(ledger) => assert_eq!(ledger.size(), 0),
                Err(Error::NoLedger { .. }) => {
                    assert!(created.is_err());
                    if matches!(fault, Fault::Once(_)) {
                        assert_eq!(files(dir.path()), Vec::<String>::new(), "step {at}");
                    }
                    new_ledger(&path);
                }
                Err(e) => panic!("{fault:?} at step {at}: {e}"),
            }
            if !reached {
                break;
            }
        }
    }
}

#[test]
fn of_two_who_make_a_ledger_one_wins() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let results: Vec<_> = std::thread::scope(|scope| {
            let make = || {
                let storage = Arc::new(Unsynced);
                Ledger::create_with(&path, &NewLedger { signer: &signer(), salt: None }, storage)
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
        assert!(results.iter().filter_map(|r| r.as_ref().err()).all(Error::is_already_there));
        let mut ledger = Ledger::open_with(&path, Arc::new(Unsynced)).unwrap();
        let batch = genesis(&ledger);
        ledger.append(batch, &signer(), &clock(0)).unwrap();
        assert!(examine(&path, &trust()).is_sound());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
