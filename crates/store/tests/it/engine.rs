//! The embedded engine: many callers, one writer, and everything that may go wrong between them.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_evidence::receipt::Receipt;
use countersign_model::{Clock as _, Diagnostic as _, StreamId};
use countersign_store::engine::embedded::{Embedded, Observer, Options, Publishing};
use countersign_store::storage::{AppendFile, Storage};
use countersign_store::{Appended, Batch, Engine, Error, Ledger, NewBlob, code};

use crate::support::{Fault, Faulty, Unsynced, assert_sound, batch, clock, entry, examine, new_ledger, signer, trust};

fn options(storage: Arc<dyn Storage>) -> Options {
    Options { storage, lock_wait: Duration::from_secs(20), ..Options::new(Arc::new(signer())) }
}

fn open(dir: &Path) -> Arc<Embedded> {
    Embedded::open(dir, options(Arc::new(Unsynced))).unwrap()
}

/// A batch of one entry in a stream of its own.
fn one(name: &str) -> Batch {
    Batch { entries: vec![entry(name, format!("payload of {name}"))], ..Batch::default() }
}

fn ledger(dir: &tempfile::TempDir) -> std::path::PathBuf {
    let path = dir.path().join("l");
    drop(new_ledger(&path));
    path
}

#[test]
fn many_callers_are_answered_each_with_a_checkpoint_that_covers_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = ledger(&dir);
    let engine = open(&path);
    let answers: Mutex<BTreeMap<u64, (String, Appended)>> = Mutex::default();
    std::thread::scope(|scope| {
        for caller in 0..16 {
            let (engine, answers) = (&engine, &answers);
            scope.spawn(move || {
                for n in 0..40 {
                    let name = format!("caller {caller} append {n}");
                    let appended = engine.append(one(&name), clock(n).now()).unwrap();
                    let before = answers.lock().unwrap().insert(appended.first_index, (name, appended));
                    assert!(before.is_none(), "no index is given twice");
                }
            });
        }
    });
    // What was acknowledged can be read before it is published, each entry where the answer said.
    let reader = Ledger::with_engine(Arc::clone(&engine) as _).unwrap();
    let answers = answers.into_inner().unwrap();
    assert_eq!(reader.size(), 1 + 16 * 40);
    assert!(answers.keys().copied().eq(1..=16 * 40), "indices are dense");
    for (index, (name, appended)) in &answers {
        let entry = reader.entries(*index..index + 1).unwrap().pop().unwrap().1;
        assert_eq!((entry.stream.as_str(), entry.version), (name.as_str(), 1));
        assert_eq!(reader.payload(&entry.payload).unwrap(), format!("payload of {name}").as_bytes());
        assert!(appended.size > *index && reader.root_at(appended.size).unwrap() == appended.root);
        let note = countersign_evidence::checkpoint::open_any(appended.checkpoint.as_bytes(), &trust().vkeys).unwrap();
        assert_eq!((note.size, note.root), (appended.size, appended.root));
        let receipt: Receipt = reader.receipt(*index).unwrap();
        receipt.verify(&reader.entry_bytes(*index).unwrap(), &trust().vkeys).unwrap();
    }
    drop((reader, engine));
    // Ending it publishes everything and leaves no write-ahead log.
    assert_eq!(assert_sound(&path).size, 1 + 16 * 40);
    assert_eq!(std::fs::read_dir(path.join("wal")).unwrap().count(), 0);
}

#[test]
fn a_batch_that_is_sent_again_is_one_batch() {
    let dir = tempfile::tempdir().unwrap();
    let path = ledger(&dir);
    let keyed = |key: &str| Batch { key: Some(key.into()), ..batch("x", 3) };
    let first = {
        let engine = open(&path);
        let first = engine.append(keyed("k-1"), clock(1).now()).unwrap();
        let again = engine.append(keyed("k-1"), clock(5).now()).unwrap();
        assert!(!first.repeated && again.repeated);
        assert_eq!((again.first_index, again.size), (first.first_index, 4));
        // The same key for something else is an error, not a silent success.
        let other = Batch { key: Some("k-1".into()), ..batch("y", 3) };
        let error = engine.append(other, clock(5).now()).unwrap_err();
        assert!(matches!(error, Error::KeyReused { first_index: 1 }), "{error:?}");
        // At the same time by many, too.
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| engine.append(keyed("k-2"), clock(5).now()).unwrap());
            }
        });
        first
    };
    // After a restart the log itself knows the keys: once by reading it all, once by what was kept beside the key.
    let index = dir.path().join("index.db");
    for _ in 0..2 {
        let options = Options { index: Some(index.clone()), ..options(Arc::new(Unsynced)) };
        let engine = Embedded::open(&path, options).unwrap();
        let again = engine.append(keyed("k-1"), clock(9).now()).unwrap();
        assert_eq!((again.repeated, again.first_index, again.size), (true, first.first_index, 7));
    }
    let mut ledger = Ledger::open(&path).unwrap();
    let again = ledger.append(keyed("k-2"), &signer(), &clock(9)).unwrap();
    assert!(again.repeated);
    assert_eq!(assert_sound(&path).size, 7);
    for bad in ["", &"k".repeat(300)] {
        let error = ledger.append(keyed(bad), &signer(), &clock(9)).unwrap_err();
        assert!(matches!(error, Error::BadBatch { .. }));
    }
}

#[test]
fn a_conditional_append_succeeds_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = ledger(&dir);
    let engine = open(&path);
    let approval = StreamId::from_text("approval");
    let won: Vec<bool> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..12)
            .map(|n| {
                let (engine, approval) = (&engine, approval.clone());
                scope.spawn(move || {
                    let expect = vec![(approval, 0)];
                    let mut batch = Batch { expect, ..one("approval") };
                    batch.entries[0].payload.bytes = format!("approver {n}").into_bytes();
                    match engine.append(batch, clock(1).now()) {
                        Ok(_) => true,
                        Err(e) if e.is_conflict() => false,
                        Err(e) => panic!("{e}"),
                    }
                })
            })
            .collect();
        tries.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(won.iter().filter(|w| **w).count(), 1);
    let stale = Batch { expect_size: Some(1), ..one("x") };
    assert!(matches!(engine.append(stale, clock(1).now()), Err(Error::SizeConflict { expected: 1, found: 2 })));
    // A batch that is refused leaves nothing behind, and does not hold up the others of its group.
    let bad =
        Batch { entries: vec![countersign_store::NewEntry { refs: vec![99], ..entry("x", "x") }], ..Batch::default() };
    assert!(matches!(engine.append(bad, clock(1).now()), Err(Error::BadBatch { .. })));
    assert_eq!(engine.append(one("x"), clock(1).now()).unwrap().first_index, 2);
}

#[test]
fn large_and_small_payloads_are_there_before_and_after_publication() {
    let dir = tempfile::tempdir().unwrap();
    let path = ledger(&dir);
    let engine = open(&path);
    let large: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
    let mut with_both = one("both");
    with_both.entries[0].attachments.push(NewBlob { bytes: large.clone(), media: "text/plain".into() });
    engine.append(with_both.clone(), clock(1).now()).unwrap();
    let read = |reader: &Ledger| {
        let entry = reader.entries(1..2).unwrap().pop().unwrap().1;
        assert_eq!(reader.payload(&entry.attachments[0]).unwrap(), large);
        assert_eq!(reader.payload(&entry.payload).unwrap(), b"payload of both");
    };
    read(&Ledger::with_engine(Arc::clone(&engine) as _).unwrap());
    // Another reader of the directory sees it as well, though nothing is published.
    read(&Ledger::open(&path).unwrap());
    engine.publish().unwrap();
    read(&Ledger::with_engine(Arc::clone(&engine) as _).unwrap());
    // The same again needs no second copy.
    engine.append(with_both, clock(1).now()).unwrap();
    drop(engine);
    assert_sound(&path);
    read(&Ledger::open(&path).unwrap());
}

#[test]
fn a_known_payload_that_is_removed_or_altered_behind_the_engine_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = ledger(&dir);
    let engine = open(&path);
    let known = || Batch { entries: vec![entry("s", "known to all")], ..Batch::default() };
    let digest = countersign_model::Digest::of(b"known to all");
    let hex = digest.hex();
    let file = path.join("blobs/sha256").join(&hex[..2]).join(&hex[2..]);
    for _ in 0..3 {
        // The second and third time it stands in its place, and the third time that is remembered.
        engine.append(known(), clock(1).now()).unwrap();
        engine.publish().unwrap();
        assert!(file.is_file());
    }
    // It is removed: the next entry that speaks of it brings it back.
    std::fs::remove_file(&file).unwrap();
    engine.append(known(), clock(1).now()).unwrap();
    engine.publish().unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"known to all");
    // It is replaced by as many other bytes: no entry is appended that speaks of it. It is remembered by then, which takes
    // some ticks of the file system's clock.
    std::thread::sleep(Duration::from_millis(50));
    engine.append(known(), clock(1).now()).unwrap();
    std::fs::write(&file, "known to me!").unwrap();
    let error = engine.append(known(), clock(1).now()).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    std::fs::write(&file, "known to all").unwrap();
    assert_eq!(engine.append(known(), clock(1).now()).unwrap().first_index, 6);
    drop(engine);
    assert_sound(&path);
}

#[test]
fn what_was_acknowledged_and_not_published_survives_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = ledger(&dir);
    let engine = open(&path);
    let mut last = None;
    for n in 0..300 {
        last = Some(engine.append(one(&format!("n {n}")), clock(1).now()).unwrap());
    }
    // The process dies: nothing is published, the lock is gone.
    let dead = dir.path().join("dead");
    crate::support::copy(&path, &dead);
    let last = last.unwrap();
    let report = examine(&dead, &trust());
    assert!(report.is_sound(), "{:?}", report.problems);
    assert_eq!((report.size, report.root), (last.size, last.root));
    assert!(report.notices.iter().any(|n| n.code == code::UNPUBLISHED));
    let reader = Ledger::open(&dead).unwrap();
    assert_eq!((reader.size(), reader.unpublished()), (301, 300));
    reader.receipt(300).unwrap().verify(&reader.entry_bytes(300).unwrap(), &trust().vkeys).unwrap();
    // The next one publishes it.
    let next = open(&dead);
    assert_eq!(next.take_notices().len(), 1);
    drop(next);
    assert_eq!(assert_sound(&dead).root, last.root);
    drop(engine);

    // A write-ahead log that was changed is not believed, and not thrown away either.
    for (at, what) in [(40, "first record"), (30_000, "a record in the middle")] {
        let changed = dir.path().join(format!("changed-{at}"));
        crate::support::copy(&dead, &changed);
        let engine = open(&changed);
        for n in 0..100 {
            engine.append(one(&format!("more {n}")), clock(1).now()).unwrap();
        }
        let dead = dir.path().join(format!("changed-dead-{at}"));
        crate::support::copy(&changed, &dead);
        drop(engine);
        let segment = std::fs::read_dir(dead.join("wal")).unwrap().next().unwrap().unwrap().path();
        let mut bytes = std::fs::read(&segment).unwrap();
        bytes[at] ^= 4;
        std::fs::write(&segment, &bytes).unwrap();
        assert!(Embedded::open(&dead, options(Arc::new(Unsynced))).is_err(), "{what}");
        assert!(Ledger::open(&dead).is_err(), "{what}");
        let report = examine(&dead, &trust());
        assert!(report.problems.iter().any(|p| p.file.starts_with("wal/")), "{what}: {:?}", report.problems);
        assert_eq!(std::fs::read(&segment).unwrap(), bytes, "it is left as evidence");
    }
}

#[test]
fn a_second_engine_is_refused_by_name_or_appends_through_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = ledger(&dir);
    let engine = Embedded::open(&path, Options { socket: true, ..options(Arc::new(Unsynced)) }).unwrap();
    let impatient = Options { lock_wait: Duration::from_millis(5), ..options(Arc::new(Unsynced)) };
    match Embedded::open(&path, impatient) {
        Err(Error::Busy { holder }) => assert_eq!(holder, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    // A handle on the directory finds the engine and asks it.
    let mut other = Ledger::open(&path).unwrap();
    let mut with_blobs = one("through the socket");
    with_blobs.entries[0].attachments.push(NewBlob { bytes: vec![7; 400_000], media: "text/plain".into() });
    with_blobs.key = Some("k".into());
    let appended = other.append(with_blobs.clone(), &signer(), &clock(1)).unwrap();
    assert_eq!((appended.first_index, other.size()), (1, 2));
    let read = other.entries(1..2).unwrap().pop().unwrap().1;
    assert_eq!(other.payload(&read.attachments[0]).unwrap(), vec![7; 400_000]);
    assert!(other.append(with_blobs, &signer(), &clock(1)).unwrap().repeated);
    // Errors come through with their code, and a conflict as a conflict.
    let stale = Batch { expect_size: Some(1), ..one("x") };
    let error = other.append(stale, &signer(), &clock(1)).unwrap_err();
    assert!(error.is_conflict() && error.code() == code::CONFLICT, "{error:?}");
    engine.append(one("y"), clock(1).now()).unwrap();
    assert!(other.refresh().unwrap());
    assert_eq!(other.size(), 3);
    drop(engine);
    // With the engine gone it takes the lock itself.
    assert_eq!(other.append(one("z"), &signer(), &clock(1)).unwrap().first_index, 3);
    assert_sound(&path);
}

#[test]
fn a_path_too_long_for_a_socket_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("d".repeat(120)).join("e".repeat(60));
    std::fs::create_dir_all(&deep).unwrap();
    let path = deep.join("l");
    drop(new_ledger(&path));
    let engine = Embedded::open(&path, Options { socket: true, ..options(Arc::new(Unsynced)) });
    if cfg!(target_os = "linux") {
        let engine = engine.unwrap();
        let mut other = Ledger::open(&path).unwrap();
        assert_eq!(other.append(one("x"), &signer(), &clock(1)).unwrap().first_index, 1);
        drop(engine);
    }
}

/// Storage whose write-ahead log cannot be synced from the `n`th time on.
#[derive(Debug)]
struct NoSync(Arc<Mutex<usize>>);

#[derive(Debug)]
struct NoSyncFile(Box<dyn AppendFile>, Arc<Mutex<usize>>);

impl AppendFile for NoSyncFile {
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.append(bytes)
    }
    fn sync(&mut self) -> std::io::Result<()> {
        let mut left = self.1.lock().unwrap();
        match left.checked_sub(1) {
            Some(n) => {
                *left = n;
                self.0.sync()
            }
            // Only once: a second try would claim success, as a kernel does that dropped the pages.
            None => {
                *left = usize::MAX;
                Err(std::io::Error::other("EIO"))
            }
        }
    }
    fn cut(&mut self, len: u64) -> std::io::Result<()> {
        self.0.cut(len)
    }
}

impl Storage for NoSync {
    fn create_dir(&self, path: &Path) -> std::io::Result<()> {
        Unsynced.create_dir(path)
    }
    fn write_new(&self, p: &Path, b: &[u8], a: countersign_store::storage::Access) -> std::io::Result<()> {
        Unsynced.write_new(p, b, a)
    }
    fn write_later(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        Unsynced.write_later(path, bytes)
    }
    fn sync_files(&self, f: &[std::path::PathBuf], d: &[std::path::PathBuf]) -> std::io::Result<()> {
        Unsynced.sync_files(f, d)
    }
    fn append_to(&self, path: &Path) -> std::io::Result<Box<dyn AppendFile>> {
        Ok(Box::new(NoSyncFile(Unsynced.append_to(path)?, Arc::clone(&self.0))))
    }
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        Unsynced.rename(from, to)
    }
    fn sync_dir(&self, path: &Path) -> std::io::Result<()> {
        Unsynced.sync_dir(path)
    }
    fn remove(&self, path: &Path) -> std::io::Result<()> {
        Unsynced.remove(path)
    }
    fn remove_dir(&self, path: &Path) -> std::io::Result<()> {
        Unsynced.remove_dir(path)
    }
}

#[test]
fn a_failed_sync_stops_the_writer_until_the_ledger_is_opened_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = ledger(&dir);
    let engine = Embedded::open(&path, options(Arc::new(NoSync(Arc::new(Mutex::new(3)))))).unwrap();
    for n in 0..3 {
        engine.append(one(&format!("n {n}")), clock(1).now()).unwrap();
    }
    let keyed = Batch { key: Some("k".into()), ..one("unsettled") };
    let error = engine.append(keyed.clone(), clock(1).now()).unwrap_err();
    assert!(matches!(error, Error::Unsettled { first_index: 4, last_index: 4, .. }), "{error:?}");
    for _ in 0..3 {
        let error = engine.append(one("later"), clock(1).now()).unwrap_err();
        assert_eq!(error.code(), code::POISONED, "{error:?}");
        assert!(error.place().is_some());
    }
    // Readers go on seeing what was acknowledged, and nothing else.
    assert_eq!(Ledger::with_engine(Arc::clone(&engine) as _).unwrap().size(), 4);
    drop(engine);
    // The record had reached the file: the same batch under the same key is one entry, whatever became of the first try.
    let engine = open(&path);
    let again = engine.append(keyed, clock(1).now()).unwrap();
    assert_eq!(again.first_index, 4);
    assert_eq!(engine.append(one("later"), clock(1).now()).unwrap().first_index, 5);
    drop(engine);
    assert_eq!(assert_sound(&path).size, 6);
}

#[test]
fn an_engine_without_room_acknowledges_nothing_and_goes_on_when_there_is_some() {
    let dir = tempfile::tempdir().unwrap();
    let base = ledger(&dir);
    // Every step in turn is the one for which there is no room.
    let mut at = 0;
    loop {
        let path = dir.path().join(format!("at-{at}"));
        crate::support::copy(&base, &path);
        let storage = Faulty::new(Fault::Once(ErrorKind::StorageFull), at);
        let Ok(engine) = Embedded::open(&path, options(Arc::clone(&storage) as _)) else {
            at += 1;
            continue;
        };
        let mut acknowledged = 1;
        for n in 0..6 {
            match engine.append(one(&format!("n {n}")), clock(1).now()) {
                Ok(appended) => {
                    assert_eq!(appended.first_index, acknowledged, "at {at}");
                    acknowledged += 1;
                }
                Err(e) => assert!(
                    matches!(e, Error::DiskFull { .. } | Error::Unsettled { .. } | Error::Poisoned { .. }),
                    "at {at}: {e:?}"
                ),
            }
        }
        let reached = storage.steps() > at;
        let name = storage.step_name(at);
        drop(engine);
        let report = examine(&path, &trust());
        assert!(report.is_sound(), "at {at} ({name}): {:?}", report.problems);
        assert!(report.size >= acknowledged, "at {at} ({name})");
        let next = open(&path);
        next.append(one("next"), clock(2).now()).unwrap();
        drop(next);
        assert_sound(&path);
        std::fs::remove_dir_all(&path).unwrap();
        if !reached {
            break;
        }
        at += 1;
    }
    assert!(at > 10, "{at}");
}

/// Waits for what another thread does; it must come.
fn until(what: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(120), "it does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_engine_that_cannot_publish_says_so_once_and_says_when_it_can_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = ledger(&dir);
    let (send, told) = std::sync::mpsc::channel();
    let observer = Observer::new(move |what| {
        let _ = send.send(match what {
            Publishing::Failed { waiting, error } => format!("{} {waiting}", error.code()),
            Publishing::Recovered { size } => format!("recovered {size}"),
        });
    });
    let engine = Embedded::open(&path, Options { observer, ..options(Arc::new(Unsynced)) }).unwrap();
    // Nothing can take the place of a directory that holds something.
    let obstacle = path.join("tmp/checkpoint");
    std::fs::create_dir_all(obstacle.join("full")).unwrap();
    engine.append(one("a"), clock(1).now()).unwrap();
    let wait = Duration::from_secs(120);
    assert_eq!(told.recv_timeout(wait).unwrap(), format!("{} 1", code::IO));
    // Every attempt writes the bundle, and fails afterwards. Two more are told to nobody.
    let bundle = path.join("ledger/tile/entries/000.p/2");
    for _ in 0..2 {
        std::fs::remove_file(&bundle).unwrap();
        until(|| bundle.is_file());
    }
    assert_eq!(engine.publish().unwrap_err().code(), code::IO, "who asks is told all the same");
    engine.append(one("b"), clock(1).now()).unwrap();
    std::fs::remove_dir_all(&obstacle).unwrap();
    assert_eq!(told.recv_timeout(wait).unwrap(), "recovered 3");
    // Another time it is told again.
    std::fs::create_dir_all(obstacle.join("full")).unwrap();
    engine.append(one("c"), clock(1).now()).unwrap();
    assert_eq!(told.recv_timeout(wait).unwrap(), format!("{} 1", code::IO));
    std::fs::remove_dir_all(&obstacle).unwrap();
    drop(engine);
    assert_eq!(assert_sound(&path).size, 4);
}
