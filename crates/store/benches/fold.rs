//! How fast a log is folded, and how far that is from what the machine could do at best.
//! `cargo bench -p countersign-store --bench fold`; `FOLD_ENTRIES=1000000` for another length than 20,000.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot begin has nothing to say")]
#![expect(clippy::disallowed_methods, reason = "it asks the environment how much time to spend")]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use countersign_evidence::machine::MachineKey;
use countersign_store::Ledger;
use countersign_store::projection::{State, Watch, check};

#[expect(dead_code, reason = "it is the tests' own, and they use all of it")]
#[path = "../tests/it/history.rs"]
mod history;
#[expect(dead_code, reason = "it is the tests' own, and they use all of it")]
#[path = "../tests/it/support.rs"]
mod support;

fn main() {
    let wanted = std::env::var("FOLD_ENTRIES").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000_u64);
    let dir = tempfile::tempdir().unwrap();
    let (mut history, mut ledger) = history::History::begin(&dir.path().join("ledger"));
    let made = timed(|| {
        let founding = history.founding();
        history.append(&mut ledger, founding);
        while ledger.size() < wanted {
            // Ten entries a release: seven by the recorder, one of them a refusal, and three by people.
            let missing = wanted - ledger.size();
            let mut entries = Vec::new();
            while (entries.len() as u64) < missing.min(4000) {
                entries.extend(history.release());
                entries.push(history.step(9));
            }
            history.append(&mut ledger, entries);
        }
    });
    let n = ledger.size();
    let cores = std::thread::available_parallelism().unwrap().get();
    println!("{n} entries of a house's life, {cores} cores; made in {:.1} s\n", made.as_secs_f64());

    // What the machine could do at best.
    let verify = verifications(cores);
    let insert = inserts(&dir.path().join("limit.db"), n.min(200_000));
    let read = reads(&ledger, n.min(200_000), cores);
    line("Ed25519 verifications, all cores", verify);
    line("SQLite inserts of one entry's row", insert);
    line("blobs read and hashed, all cores", read);
    let limit = 1.0 / (1.0 / verify + 1.0 / insert + 1.0 / read);
    line("all three, one after the other", limit);
    println!();

    let path = dir.path().join("data/projection.db");
    let open = |ledger: &mut Ledger| State::open(&path, ledger, None, &Watch::default()).unwrap().0;
    let mut size = 0;
    let folded = timed(|| size = open(&mut ledger).size());
    assert_eq!(size, n);
    let speed = rate(n, folded);
    line("folded into the file", speed);
    println!("{:<40} {:>9.2} of the limit, {:.1} s in all", "", speed / limit, folded.as_secs_f64());
    let bytes = std::fs::metadata(&path).unwrap().len();
    println!("{:<40} {:>9} bytes an entry", "the file", bytes / n);

    let opened = timed(|| drop(open(&mut ledger)));
    println!("{:<40} {:>9.2} ms", "opened with nothing new", opened.as_secs_f64() * 1e3);
    let more = vec![history.step(9)];
    history.append(&mut ledger, more);
    let opened = timed(|| drop(open(&mut ledger)));
    println!("{:<40} {:>9.2} ms", "opened with one entry more", opened.as_secs_f64() * 1e3);
    let mut rows = 0;
    let compared = timed(|| {
        let found = check(&path, &mut ledger, None, &Watch::default()).unwrap();
        assert_eq!(found.differences, []);
        rows = found.rows;
    });
    println!("{:<40} {:>9.1} s for {rows} rows", "folded beside and compared", compared.as_secs_f64());
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn rate(n: u64, time: Duration) -> f64 {
    // Counts stay far below 2^53.
    n as f64 / time.as_secs_f64()
}

fn line(what: &str, speed: f64) {
    println!("{what:<40} {speed:>9.0} a second");
}

/// Signature checks of messages as long as a statement, on every core for a second.
fn verifications(cores: usize) -> f64 {
    let key = MachineKey::from_seed(&[1; 32]);
    let message = [b'm'; 1500];
    let signature = key.sign(&message).unwrap();
    let public = key.public();
    let done = AtomicU64::new(0);
    let time = timed(|| {
        std::thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| {
                    let start = Instant::now();
                    while start.elapsed() < Duration::from_secs(1) {
                        for _ in 0..100 {
                            assert!(public.verify(&message, &signature));
                        }
                        done.fetch_add(100, Ordering::Relaxed);
                    }
                });
            }
        });
    });
    rate(done.into_inner(), time)
}

/// One row an entry, as plain as the table `entries`, in transactions of 4096.
fn inserts(path: &Path, n: u64) -> f64 {
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         CREATE TABLE t (idx INTEGER PRIMARY KEY, kind TEXT, stream TEXT, version INTEGER, time INTEGER, actor TEXT,
         retention TEXT, leaf TEXT) STRICT; BEGIN",
    )
    .unwrap();
    let leaf = "sha256:".to_owned() + &"0".repeat(64);
    let time = timed(|| {
        let mut insert = db.prepare("INSERT INTO t VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)").unwrap();
        for idx in 0..n {
            let stream = format!("run-{idx:020}");
            insert.execute((idx, "RunStarted", stream, 1, 0, "act-00000000000000000000", "sox-7y", &leaf)).unwrap();
            if idx % 4096 == 4095 {
                db.execute_batch("COMMIT; BEGIN").unwrap();
            }
        }
        db.execute_batch("COMMIT").unwrap();
    });
    rate(n, time)
}

/// The payloads of the first `n` entries, read and hashed and nothing else.
fn reads(ledger: &Ledger, n: u64, cores: usize) -> f64 {
    let entries = ledger.entries(0..n).unwrap();
    let part = entries.len().div_ceil(cores);
    let time = timed(|| {
        std::thread::scope(|scope| {
            for part in entries.chunks(part) {
                scope.spawn(move || {
                    for (_, entry) in part {
                        std::hint::black_box(ledger.payload(&entry.payload).unwrap());
                    }
                });
            }
        });
    });
    rate(n, time)
}
