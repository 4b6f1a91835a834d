//! The examination of a long log against the rate at which one core hashes the same bytes, and what it holds in memory.
//!
//! `VERIFY_ENTRIES` (50,000) entries of 1 KiB; with `VERIFY_DISTINCT=1` each has a stream and a payload of its own.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints what it measures"
)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use countersign_evidence::canonical;
use countersign_evidence::merkle::leaf_hash;
use countersign_evidence::note::SignerKey;
use countersign_evidence::tile::{decode_bundle, entries_path, width_at};
use countersign_model::event::LedgerCreated;
use countersign_model::{ActorId, EventKind, FixedClock, Retention, StreamId, Timestamp};
use countersign_store::{
    Batch, Examiner, Ledger, LogTrust, NewBlob, NewEntry, NewLedger, Paths, Problem, examine_source,
};

const ORIGIN: &str = "bench.example/log";
/// The largest batch that is handed over at once.
const BATCH: u64 = 8192;

fn main() {
    let signer = SignerKey::from_seed(ORIGIN, &[7; 32]).unwrap();
    if let Ok(dir) = std::env::var("VERIFY_CHILD") {
        return child(Path::new(&dir), &signer);
    }
    let number = |name: &str, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let entries: u64 = number("VERIFY_ENTRIES", 50_000);
    let distinct = number("VERIFY_DISTINCT", 0) == 1;
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("ledger");
    build(&dir, &signer, entries, distinct);

    let (bytes, hashing, hashing_cpu) = hash(&dir, entries);
    let bound = bytes as f64 / hashing.as_secs_f64();
    let bound_cpu = bytes as f64 / hashing_cpu.as_secs_f64();
    println!("{entries} entries, {:.1} MB of leaves, mean {} bytes", bytes as f64 / 1e6, bytes / entries);
    println!(
        "SHA-256, one core, the same bytes: {:.0} MB/s, {:.0} MB/s of processor time",
        bound / 1e6,
        bound_cpu / 1e6
    );
    let output = Command::new(std::env::current_exe().unwrap()).env("VERIFY_CHILD", &dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let mut said = said.split_whitespace().map(|n| n.parse::<f64>().unwrap());
    let (seconds, cpu, peak) = (said.next().unwrap(), said.next().unwrap(), said.next().unwrap());
    let cores = std::thread::available_parallelism().unwrap().get();
    let rate = bytes as f64 / seconds;
    println!(
        "verification, {cores} cores: {seconds:.2} s, {:.0} entries/s, {:.0} MB/s",
        entries as f64 / seconds,
        rate / 1e6
    );
    println!("processor time: {cpu:.2} s, {:.1} µs an entry", cpu * 1e6 / entries as f64);
    println!(
        "of the SHA-256 bound: {:.2} a core by the clock, {:.2} by processor time",
        rate / bound / cores as f64,
        bytes as f64 / cpu / bound_cpu
    );
    println!("peak resident memory: {:.1} MiB", peak / 1024.0);
}

/// Statements are nobody's here: everything else is examined.
struct LogAlone;

impl Examiner<()> for LogAlone {
    fn entry(&mut self, _: u64, (): ()) -> Vec<Problem> {
        Vec::new()
    }

    fn may_be_gone(&mut self, _: u64) -> bool {
        false
    }
}

/// Verifies and nothing else: seconds, seconds of processor time, peak resident KiB.
fn child(dir: &Path, signer: &SignerKey) {
    let trust = LogTrust { vkeys: vec![signer.verifier().clone()], ..LogTrust::default() };
    let start = Instant::now();
    let report = examine_source(&Paths::new(dir), &trust, &|_, _, _, _| (), &mut LogAlone).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert!(report.is_sound(), "{:?}", report.problems);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).unwrap();
    // User and system time in clock ticks, of which Linux has 100 a second.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    println!("{seconds} {} {}", ticks / 100.0, peak.trim());
}

/// What this thread had of the processor so far. On a busy machine that is less than the clock says.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split_whitespace().next().unwrap().parse().unwrap())
}

/// Bytes, and the time that hashing them took by the clock and of the processor.
fn hash(dir: &Path, entries: u64) -> (u64, Duration, Duration) {
    let (mut bytes, mut hashing, mut cpu) = (0, Duration::ZERO, Duration::ZERO);
    for index in 0..entries.div_ceil(256) {
        let file = dir.join("ledger").join(entries_path(index, width_at(0, index, entries)));
        let bundle = std::fs::read(file).unwrap();
        let leaves = decode_bundle(&bundle).unwrap();
        let (start, before) = (Instant::now(), processor_time());
        for leaf in &leaves {
            std::hint::black_box(leaf_hash(leaf));
            bytes += leaf.len() as u64;
        }
        hashing += start.elapsed();
        cpu += processor_time() - before;
    }
    (bytes, hashing, cpu)
}

fn build(dir: &Path, signer: &SignerKey, entries: u64, distinct: bool) {
    let clock = FixedClock(Timestamp::from_millis(1_795_000_000_000));
    let mut ledger = Ledger::create(dir, &NewLedger { signer, salt: Some([5; 32]) }).unwrap();
    let created = LedgerCreated {
        version: 1,
        origin: ledger.origin().into(),
        vkey: ledger.vkey().to_string(),
        recorder: "ed25519:".into(),
        salt_sha256: ledger.salt_digest().unwrap(),
        payload_key: None,
        replaces: Vec::new(),
    };
    let blob = |bytes: Vec<u8>| NewBlob { bytes, media: "application/vnd.example.report+json".into() };
    let entry = |kind, stream: String, payload| NewEntry {
        kind,
        stream: StreamId::from_text(stream),
        actor: ActorId::from_text("act-0"),
        retention: Retention::SoxSevenYears,
        refs: Vec::new(),
        payload: blob(payload),
        attachments: Vec::new(),
    };
    let genesis = entry(EventKind::LedgerCreated, "ledger".into(), canonical::to_vec(&created).unwrap());
    ledger.append(Batch { entries: vec![genesis], ..Batch::default() }, signer, &clock).unwrap();
    let mut next = 1;
    while next < entries {
        let end = entries.min(next + BATCH);
        let made = (next..end).map(|n| {
            let (stream, payload) = if distinct {
                (format!("run-{n}"), format!("payload {n:<1016}"))
            } else {
                (format!("run-{}", n % 1000), format!("payload {:<1016}", n % 16))
            };
            let mut made = entry(EventKind::RunStarted, stream, payload.into_bytes());
            // Four reports bring the leaf to a kibibyte or so.
            made.attachments = (0..4).map(|i| blob(format!("report {}", (n + i) % 64).into_bytes())).collect();
            made.refs = (0..8).map(|i| n.saturating_sub(i * 100 + 1)).collect();
            made
        });
        ledger.append(Batch { entries: made.collect(), ..Batch::default() }, signer, &clock).unwrap();
        next = end;
    }
}
