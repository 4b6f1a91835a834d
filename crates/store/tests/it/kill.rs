//! kill -9 at random moments: what was acknowledged is there, at its index, once.
//!
//! 200 kills in an ordinary run; more by hand:
//! `KILLS=10000 cargo test --release -p countersign-store --test it kill:: -- --nocapture`, and `KILLS_FROM=5000` to go on from there.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use countersign_evidence::checkpoint;
use countersign_model::Clock as _;
use countersign_store::engine::embedded::{Embedded, Options};
use countersign_store::{Batch, Engine as _, Ledger, NewBlob};

use crate::support::{assert_sound, clock, entry, examine, new_ledger, signer, trust};

const LEDGER: &str = "STORE_KILL_LEDGER";
const ROUND: &str = "STORE_KILL_ROUND";
const CALLERS: usize = 4;
/// Kills that one ledger lives through.
const ROUNDS: u64 = 100;

/// A name that says which append of which process it was. Each is appended once.
fn name(round: &str, caller: usize, n: usize) -> String {
    format!("round {round} caller {caller} append {n}")
}

/// Not a test of its own: the process that is killed. It says what was acknowledged, one line each.
#[test]
#[ignore = "started by the test that kills it"]
#[expect(clippy::disallowed_methods, reason = "the parent process says what to do")]
fn child_process() {
    let (Some(dir), Ok(round)) = (std::env::var_os(LEDGER), std::env::var(ROUND)) else { return };
    let options = Options { lock_wait: Duration::from_secs(60), ..Options::new(Arc::new(signer())) };
    let engine = Embedded::open(Path::new(&dir), options).unwrap();
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (engine, round) = (&engine, &round);
            scope.spawn(move || {
                for n in 0.. {
                    let name = name(round, caller, n);
                    let mut batch = Batch { entries: vec![entry(&name, name.clone())], ..Batch::default() };
                    batch.key = Some(name.clone());
                    if n % 40 == 7 {
                        let bytes = vec![u8::try_from(caller).unwrap(); 300_000 + n];
                        batch.entries[0].attachments.push(NewBlob { bytes, media: "text/plain".into() });
                    }
                    let appended = engine.append(batch, clock(1).now()).unwrap();
                    let line = format!("acknowledged\t{}\t{name}\t{}\n", appended.first_index, appended.size);
                    let mut out = std::io::stdout().lock();
                    out.write_all(line.as_bytes()).unwrap();
                    out.flush().unwrap();
                }
            });
        }
    });
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test is about a process that dies")]
fn what_was_acknowledged_survives_kill_9() {
    let kills: u64 = std::env::var("KILLS").map_or(200, |kills| kills.parse().unwrap());
    let first: u64 = std::env::var("KILLS_FROM").map_or(0, |first| first.parse().unwrap());
    let (mut acknowledged, mut entries) = (0, 0);
    // A writer that was killed reads the log when it comes back: in one log that grows, 10,000 rounds would be mostly that.
    let mut from = first;
    while from < kills {
        let to = kills.min(from + ROUNDS);
        let (heard, size) = killed(from, to);
        assert!(heard > to - from, "every process acknowledged something");
        (acknowledged, entries, from) = (acknowledged + heard, entries + size, to);
        if kills > 200 {
            println!("{to} kills, {acknowledged} acknowledged, {entries} entries");
        }
    }
    println!("{} kills, {acknowledged} acknowledged, {entries} entries", kills - first);
}

/// The rounds from `from` to `to`, on a ledger of their own: how many appends were acknowledged, and its entries.
#[expect(clippy::disallowed_methods, reason = "the test is about a process that dies")]
fn killed(from: u64, to: u64) -> (u64, u64) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    drop(new_ledger(&path));
    let mut acknowledged: BTreeMap<u64, String> = BTreeMap::new();
    let mut before = Ledger::open(&path).unwrap();
    let mut checked = 1;
    let mut examined = 0;
    for round in from..to {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child_process", "--ignored", "--nocapture"])
            .env(LEDGER, &path)
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        // Somewhere in its life: right after it has begun, in the middle of a batch, while it publishes.
        let patience = (round * 7919) % 23;
        let mut seen = Vec::new();
        for line in lines.by_ref() {
            if let Some(line) = line.split_once("acknowledged\t").map(|(_, rest)| rest.to_owned()) {
                seen.push(line);
            }
            if seen.len() as u64 > patience {
                break;
            }
        }
        std::thread::sleep(Duration::from_micros((round * 104_729) % 50_000));
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had said before it died counts as well; a line that was cut short was heard by nobody.
        seen.extend(lines.filter_map(|l| l.split_once("acknowledged\t").map(|(_, rest)| rest.to_owned())));
        for line in &seen {
            let mut parts = line.split('\t');
            let (Some(index), Some(name), Some(size)) = (parts.next(), parts.next(), parts.next()) else { continue };
            if size.parse::<u64>().is_err() {
                continue;
            }
            let twice = acknowledged.insert(index.parse().unwrap(), name.to_owned());
            assert_eq!(twice, None, "round {round}: index {index} was given twice");
        }

        // Read as it lies there, without repair: the log goes on from where it was, and has all of it.
        let now = Ledger::open(&path).unwrap();
        assert_eq!(now.root_at(before.size()).unwrap(), before.root(), "round {round}");
        let note = checkpoint::open_any(now.checkpoint_text().as_bytes(), &trust().vkeys).unwrap();
        assert_eq!((note.size, note.root), (now.size(), now.root()));
        for (index, name) in acknowledged.range(checked..) {
            assert!(*index < now.size(), "round {round}: entry {index} was acknowledged and is gone");
            let found = now.entries(*index..index + 1).unwrap().pop().unwrap().1;
            assert_eq!((found.stream.as_str(), found.version), (name.as_str(), 1), "round {round}, entry {index}");
            assert_eq!(now.payload(&found.payload).unwrap(), name.as_bytes());
            now.receipt(*index).unwrap().verify(&now.entry_bytes(*index).unwrap(), &trust().vkeys).unwrap();
        }
        checked = now.size();
        // The whole log, each time it is a tenth longer: at fixed distances, 10,000 rounds would mostly read it again.
        if now.size() > examined + examined / 10 {
            examined = now.size();
            let report = examine(&path, &trust());
            assert!(report.is_sound(), "round {round}: {:?}", report.problems);
        }
        before = now;
    }
    // The next writer sets it right, and every stream was appended to once.
    let options = Options { lock_wait: Duration::from_secs(60), ..Options::new(Arc::new(signer())) };
    drop(Embedded::open(&path, options).unwrap());
    let report = assert_sound(&path);
    let ledger = Ledger::open(&path).unwrap();
    let mut streams = std::collections::BTreeSet::new();
    for (index, entry) in ledger.entries(1..u64::MAX).unwrap() {
        assert!(streams.insert(entry.stream.clone()), "entry {index}: {} stands there twice", entry.stream);
    }
    (acknowledged.len() as u64, report.size)
}
