//! How fast the embedded engine appends, held against the disk in the same run.
//!
//! `cargo bench -p countersign-store --bench append` (`APPENDS=64000` for a longer run; `BENCH_DIR` for another disk)
//!
//! The peer is a loop that does the least that durability asks for: hash every leaf, append the same bytes in the same
//! batches to one file, fdatasync after each batch. SQLite in WAL mode with `synchronous=FULL` stands beside it.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark stops at the first fault and prints")]
#![expect(clippy::disallowed_methods, reason = "longer runs are asked for by the environment")]

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use countersign_evidence::merkle::leaf_hash;
use countersign_evidence::note::SignerKey;
use countersign_model::{ActorId, Clock as _, EventKind, Retention, StreamId, SystemClock};
use countersign_store::engine::embedded::{Embedded, Options};
use countersign_store::{Batch, Engine as _, Ledger, NewBlob, NewEntry, NewLedger};

const CLIENTS: usize = 64;
const ROUNDS: usize = 3;
/// Each entry's leaf has about 1 KiB: this many references to entry 0 make it so.
const REFS: usize = 345;

fn entry(client: usize, payload: Vec<u8>) -> NewEntry {
    NewEntry {
        kind: EventKind::EvidenceAttached,
        stream: StreamId::from_text(format!("run-{client:020}")),
        actor: ActorId::from_text("act-00112233445566778899"),
        retention: Retention::SoxSevenYears,
        refs: vec![0; REFS],
        payload: NewBlob { bytes: payload, media: "application/json".into() },
        attachments: Vec::new(),
    }
}

fn batch(client: usize, payload: Vec<u8>) -> Batch {
    Batch { entries: vec![entry(client, payload)], ..Batch::default() }
}

fn signer() -> Arc<SignerKey> {
    Arc::new(SignerKey::from_seed("countersign.local/bench", &[7; 32]).unwrap())
}

fn open(dir: &Path) -> Arc<Embedded> {
    let signer = signer();
    Ledger::create(dir, &NewLedger { signer: &signer, salt: Some([1; 32]) }).unwrap();
    let engine = Embedded::open(dir, Options::new(signer)).unwrap();
    // Entry 0, which the others refer to.
    let first =
        Batch { entries: vec![NewEntry { refs: Vec::new(), ..entry(0, b"shared".to_vec()) }], ..Batch::default() };
    engine.append(first, SystemClock.now()).unwrap();
    engine.publish().unwrap();
    engine
}

fn payload(distinct: bool, client: usize, n: usize) -> Vec<u8> {
    if distinct {
        let mut bytes = format!("payload {client} {n} ").into_bytes();
        bytes.resize(1024, b'.');
        bytes
    } else {
        b"shared".to_vec()
    }
}

/// Appends from 64 threads; the time it took, and how many entries each sync carried.
fn engine_run(dir: &Path, appends: usize, distinct: bool) -> (Duration, Vec<usize>) {
    let engine = open(dir);
    let batches: Mutex<BTreeMap<u64, usize>> = Mutex::default();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (engine, batches) = (&engine, &batches);
            scope.spawn(move || {
                for n in 0..appends / CLIENTS {
                    let answer = engine.append(batch(client, payload(distinct, client, n)), SystemClock.now()).unwrap();
                    *batches.lock().unwrap().entry(answer.size).or_default() += 1;
                }
            });
        }
    });
    let took = start.elapsed();
    drop(engine);
    (took, batches.into_inner().unwrap().into_values().collect())
}

fn raw_run(path: &Path, batches: &[usize], distinct: bool, leaf: &[u8]) -> Duration {
    let mut file = OpenOptions::new().create_new(true).append(true).open(path).unwrap();
    let start = Instant::now();
    let mut bytes = Vec::new();
    for (b, entries) in batches.iter().enumerate() {
        bytes.clear();
        for n in 0..*entries {
            bytes.extend_from_slice(&leaf_hash(leaf));
            bytes.extend_from_slice(leaf);
            if distinct {
                let payload = payload(true, b, n);
                bytes.extend_from_slice(countersign_model::Digest::of(&payload).as_bytes());
                bytes.extend_from_slice(&payload);
            }
        }
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
    }
    start.elapsed()
}

fn sqlite_run(path: &Path, batches: &[usize], leaf: &[u8]) -> Duration {
    let mut db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE e (i INTEGER PRIMARY KEY, h BLOB, b BLOB)",
    )
    .unwrap();
    let start = Instant::now();
    for entries in batches {
        let transaction = db.transaction().unwrap();
        {
            let mut insert = transaction.prepare_cached("INSERT INTO e (h, b) VALUES (?1, ?2)").unwrap();
            for _ in 0..*entries {
                insert.execute(rusqlite::params![leaf_hash(leaf), leaf]).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
    start.elapsed()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn ms(d: Duration) -> f64 {
    d.as_secs_f64() * 1e3
}

fn sizes(dir: &Path) -> u64 {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap())
        .map(|e| if e.path().is_dir() { sizes(&e.path()) } else { e.metadata().unwrap().len() })
        .sum()
}

fn throughput(base: &Path, appends: usize, distinct: bool, leaf: &[u8]) {
    let (mut ratios, mut sqlite, mut rates, mut mean) = (Vec::new(), Vec::new(), Vec::new(), 0.0);
    for round in 0..ROUNDS {
        let dir = base.join(format!("engine-{distinct}-{round}"));
        let (took, batches) = engine_run(&dir, appends, distinct);
        let raw = raw_run(&base.join(format!("raw-{distinct}-{round}")), &batches, distinct, leaf);
        ratios.push(raw.as_secs_f64() / took.as_secs_f64());
        rates.push(appends as f64 / took.as_secs_f64());
        mean = appends as f64 / batches.len() as f64;
        if !distinct {
            let there = sqlite_run(&base.join(format!("sqlite-{round}")), &batches, leaf);
            sqlite.push(raw.as_secs_f64() / there.as_secs_f64());
        }
    }
    let what = if distinct { "1 KiB leaf and a payload of 1 KiB of its own" } else { "1 KiB leaf, payload known" };
    println!(
        "{CLIENTS} clients, {what}: {:.0} entries/s, {mean:.0} a sync; {:.2} x the raw loop (aim 0.8)",
        median(rates),
        median(ratios)
    );
    if !sqlite.is_empty() {
        println!("  SQLite WAL FULL, the same batches: {:.2} x the raw loop", median(sqlite));
    }
}

fn latency(base: &Path) {
    let engine = open(&base.join("one-client"));
    let mut reader = Ledger::with_engine(Arc::clone(&engine) as _).unwrap();
    let mut raw = OpenOptions::new().create_new(true).append(true).open(base.join("one-raw")).unwrap();
    let (mut syncs, mut alone, mut proven) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..300 {
        // By turns, so that all three meet the same disk.
        let start = Instant::now();
        raw.write_all(&[7; 1100]).unwrap();
        raw.sync_data().unwrap();
        syncs.push(ms(start.elapsed()));

        let start = Instant::now();
        engine.append(batch(1, payload(false, 0, n)), SystemClock.now()).unwrap();
        alone.push(ms(start.elapsed()));

        let start = Instant::now();
        let appended = engine.append(batch(1, payload(false, 0, n)), SystemClock.now()).unwrap();
        reader.refresh().unwrap();
        let receipt = reader.receipt(appended.first_index).unwrap();
        proven.push(ms(start.elapsed()));
        assert_eq!(receipt.index, appended.first_index);
    }
    let sync = median(syncs);
    println!("one fdatasync of 1.1 KiB: p50 {sync:.2} ms");
    println!("one client: p50 {:.2} ms, {:.2} x one fdatasync (aim 1.3)", median(alone.clone()), median(alone) / sync);
    println!(
        "index, inclusion proof and signed checkpoint: p50 {:.2} ms, {:.2} x one fdatasync (aim 3)",
        median(proven.clone()),
        median(proven) / sync
    );
}

fn overhead(base: &Path, leaf: &[u8]) {
    let dir = base.join("engine-false-0");
    let ledger = Ledger::open(&dir).unwrap();
    let leaves = ledger.size() * leaf.len() as u64;
    let bundles = sizes(&dir.join("ledger/tile/entries"));
    let tiles = sizes(&dir.join("ledger/tile")) - bundles;
    let rest = sizes(&dir) - bundles - tiles;
    let each = |bytes: u64| bytes as f64 / ledger.size() as f64;
    println!(
        "on disk, {} entries: {:.1} B an entry beyond its leaf in bundles (partial ones included), {:.1} B in hash tiles, {:.1} B in all other files",
        ledger.size(),
        each(bundles.saturating_sub(leaves)),
        each(tiles),
        each(rest)
    );
}

fn main() {
    let place = std::env::var_os("BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let appends: usize = std::env::var("APPENDS").map_or(19_200, |n| n.parse().unwrap());
    let dir = tempfile::tempdir_in(place).unwrap();
    let base = dir.path();
    let leaf = {
        let engine = open(&base.join("leaf"));
        engine.append(batch(1, payload(false, 0, 0)), SystemClock.now()).unwrap();
        Ledger::with_engine(engine as _).unwrap().entry_bytes(1).unwrap()
    };
    println!("leaf: {} bytes; {appends} appends a round, median of {ROUNDS} rounds", leaf.len());
    latency(base);
    throughput(base, appends, false, &leaf);
    throughput(base, appends, true, &leaf);
    overhead(base, &leaf);
    drop(File::open(base));
}
