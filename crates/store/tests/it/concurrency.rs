//! Many writers: no entry is lost, none is there twice, none is interrupted by another.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use countersign_model::{Digest, StreamId};
use countersign_store::installation::Installation;
use countersign_store::storage::{Disk, Storage};
use countersign_store::{Batch, Ledger, Session};

use crate::support::{Unsynced, assert_sound, clock, entry, new_ledger, signer};

const APPENDS: usize = 40;
/// Names the ledger for the child processes.
const LEDGER: &str = "STORE_TEST_LEDGER";
const WRITER: &str = "STORE_TEST_WRITER";

fn payload(writer: &str, n: usize) -> String {
    format!("writer {writer}, append {n}")
}

fn write(dir: &Path, writer: &str, storage: Arc<dyn Storage>) {
    let mut ledger = Ledger::open_with(dir, storage).unwrap();
    ledger.set_lock_wait(std::time::Duration::from_secs(120));
    for n in 0..APPENDS {
        let entries = vec![entry("shared", payload(writer, n)), entry(writer, payload(writer, n))];
        // Folding again on conflict is what every caller does.
        loop {
            let expect = vec![(StreamId::from_text("shared"), {
                ledger.refresh().unwrap();
                ledger.stream_version(&StreamId::from_text("shared")).unwrap()
            })];
            let batch = Batch { entries: entries.clone(), expect, expect_size: None, ..Batch::default() };
            match ledger.append(batch, &signer(), &clock(1)) {
                Ok(_) => break,
                Err(e) if e.is_conflict() => {}
                Err(e) => panic!("{e}"),
            }
        }
    }
}

fn check(dir: &Path, writers: &[&str]) {
    let ledger = Ledger::open(dir).unwrap();
    assert_eq!(ledger.size(), 1 + 2 * (writers.len() * APPENDS) as u64);
    let payloads: BTreeSet<_> = ledger
        .entries(1..u64::MAX)
        .unwrap()
        .into_iter()
        .filter(|(_, e)| e.stream.as_str() == "shared")
        .map(|(_, e)| e.payload.sha256)
        .collect();
    let expected: BTreeSet<_> =
        writers.iter().flat_map(|w| (0..APPENDS).map(|n| Digest::of(payload(w, n).as_bytes()))).collect();
    assert_eq!(payloads, expected);
    assert_sound(dir);
}

#[test]
fn threads_with_their_own_handles() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    drop(new_ledger(&path));
    let writers = ["a", "b", "c", "d"];
    std::thread::scope(|scope| {
        for writer in writers {
            let path = &path;
            scope.spawn(move || write(path, writer, Arc::new(Unsynced)));
        }
    });
    check(&path, &writers);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test is about several processes")]
fn processes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    drop(new_ledger(&path));
    let writers = ["a", "b", "c"];
    let children: Vec<_> = writers
        .iter()
        .map(|writer| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "concurrency::child_process", "--ignored"])
                .env(LEDGER, &path)
                .env(WRITER, writer)
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    check(&path, &writers);
}

/// Not a test of its own: what the processes above run.
#[test]
#[ignore = "started by the test of several processes"]
#[expect(clippy::disallowed_methods, reason = "the parent process says what to do")]
fn child_process() {
    let (Some(dir), Ok(writer)) = (std::env::var_os(LEDGER), std::env::var(WRITER)) else { return };
    write(Path::new(&dir), &writer, Arc::new(Disk));
}

/// A reader never sees a log that is not whole, whatever writers do meanwhile.
#[test]
fn a_reader_among_writers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    drop(new_ledger(&path));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut ledger = Ledger::open_with(&path, Arc::new(Unsynced)).unwrap();
            for n in 0..300 {
                let batch = Batch { entries: vec![entry("s", format!("{}", n % 5))], ..Batch::default() };
                ledger.append(batch, &signer(), &clock(1)).unwrap();
            }
        });
        let mut old = Ledger::open(&path).unwrap();
        while !writer.is_finished() {
            let fresh = Ledger::open(&path).unwrap();
            assert_eq!(fresh.entries(0..fresh.size()).unwrap().len() as u64, fresh.size());
            assert_eq!(old.entries(0..old.size()).unwrap().len() as u64, old.size());
            old.refresh().unwrap();
        }
    });
    assert_sound(&path);
}

/// Whoever opens a log reads its head, and then what this machine has seen of it; in between somebody else may append, and remember that.
#[test]
fn a_log_that_grows_while_it_is_opened_was_not_rolled_back() {
    let dir = tempfile::tempdir().unwrap();
    let (path, installation) = (dir.path().join("l"), Installation::at(dir.path().join("data")));
    let clock: Arc<dyn countersign_model::Clock> = Arc::new(clock(1));
    let mut session = Session::open_or_create(&path, installation.clone(), Arc::clone(&clock), None).unwrap();
    let read_before = Ledger::open(&path).unwrap();
    let (origin, size) = (read_before.origin().to_owned(), read_before.size());
    session.record_refusal("test", None, None, "CS-TEST-001").unwrap();
    assert_eq!(installation.pin(&origin).unwrap().unwrap().seen.size, size + 1);
    let opened = Session::with_ledger(read_before, installation, clock, None).unwrap();
    assert_eq!(opened.state().size(), size + 1);
}
