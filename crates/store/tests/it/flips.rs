//! Every byte counts: each byte of every file of a ledger of 300 entries is changed, every file is taken away and cut short,
//! and files change places. All of it is found.
//!
//! The ordinary run takes samples. All bytes: `COUNTERSIGN_EVERY_BYTE=1 cargo test --release -p countersign-store --test it
//! flips`.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use countersign_model::{EventKind, PersonId};
use countersign_store::engine::Engine as _;
use countersign_store::engine::embedded::{Embedded, Options};
use countersign_store::verify::{Known, LogTrust, VerifyReport};
use countersign_store::{Batch, Ledger, code};

use crate::support::{Fault, Faulty, Unsynced, batch, clock, copy, entry, examine, files, new_ledger, signer, trust};

/// Bytes of a file that the ordinary run changes.
const SAMPLES: usize = 8;

#[expect(clippy::disallowed_methods, reason = "a test may be asked to be thorough")]
fn every_byte() -> bool {
    std::env::var("COUNTERSIGN_EVERY_BYTE").is_ok_and(|v| v == "1")
}

/// The offsets that are changed: all of them, or the ends and some between.
fn offsets(len: usize) -> Vec<usize> {
    if every_byte() || len <= SAMPLES {
        return (0..len).collect();
    }
    // Steps that are no multiple of a hash's or a length's size.
    let step = (len / (SAMPLES - 1)).max(1) | 1;
    (0..len).step_by(step).chain([len - 1]).collect()
}

/// 300 entries: one batch that fills a bundle, a partial one of several sizes.
fn build(path: &Path) {
    let mut ledger = new_ledger(path);
    let person = PersonId::from_random([3; 10]);
    fs::write(path.join(format!("subjects/{person}.key")), format!("{}\n", "5a".repeat(32))).unwrap();
    let mut n = 1;
    for size in [1, 250, 10, 20, 18] {
        let entries = (0..size)
            .map(|_| {
                n += 1;
                let mut entry = entry(&format!("run-{}", n % 7), format!("payload {}", n % 13));
                entry.kind = EventKind::DecisionMade;
                entry
            })
            .collect();
        ledger.append(Batch { entries, ..Batch::default() }, &signer(), &clock(n)).unwrap();
    }
    assert_eq!(ledger.size(), 300);
}

fn is_found(path: &Path, name: &str) -> bool {
    examine(path, &trust()).problems.iter().any(|p| p.file == name)
}

#[test]
fn each_byte_that_is_changed_is_found_in_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    build(&path);
    assert!(examine(&path, &trust()).is_sound());
    let mut tried = 0;
    for name in files(&path).into_iter().filter(|n| n != "lock" && !n.starts_with("cache/")) {
        let file = path.join(&name);
        let good = fs::read(&file).unwrap();
        for at in offsets(good.len()) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&file, &bad).unwrap();
            // A person's key is 64 digits: another digit is another key, which only what it sealed can tell.
            let is_key = name.starts_with("subjects/") && bad[at].is_ascii_hexdigit() && !bad[at].is_ascii_uppercase();
            assert!(is_key || is_found(&path, &name), "byte {at} of `{name}`");
            tried += 1;
        }
        fs::write(&file, &good).unwrap();
    }
    assert!(tried > 250, "{tried}");
    assert!(examine(&path, &trust()).is_sound());
}

#[test]
fn one_of_each_kind_exchanged_with_one_of_each_other_kind_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    build(&path);
    let all: Vec<_> = files(&path).into_iter().filter(|n| n != "lock" && !n.starts_with("cache/")).collect();
    let kinds: [fn(&str) -> bool; 13] = [
        |n| n == ".gitignore",
        |n| n == "salt",
        |n| n == "ledger/origin",
        |n| n == "ledger/vkey",
        |n| n == "ledger/checkpoint",
        |n| n == "ledger/tile/0/000",
        |n| n.starts_with("ledger/tile/0/001.p/"),
        |n| n.starts_with("ledger/tile/0/") && n.ends_with("/44"),
        |n| n.starts_with("ledger/tile/1/"),
        |n| n == "ledger/tile/entries/000",
        |n| n.starts_with("ledger/tile/entries/001.p/"),
        |n| n.starts_with("blobs/"),
        |n| n.starts_with("subjects/"),
    ];
    let of: Vec<_> = kinds.iter().map(|is| all.iter().find(|n| is(n)).expect("one of the kind")).collect();
    // The last blob as well, and the last partial bundle: two of one kind.
    let last = |is: fn(&str) -> bool| all.iter().rfind(|n| is(n)).unwrap();
    let mut pairs = vec![(of[11], last(kinds[11])), (of[10], last(kinds[10])), (of[6], last(kinds[6]))];
    for (i, one) in of.iter().enumerate() {
        pairs.extend(of.iter().skip(i + 1).map(|two| (*one, *two)));
    }
    for (one, two) in pairs {
        let (a, b) = (fs::read(path.join(one)).unwrap(), fs::read(path.join(two)).unwrap());
        if a == b {
            continue;
        }
        fs::write(path.join(one), &b).unwrap();
        fs::write(path.join(two), &a).unwrap();
        let report = examine(&path, &trust());
        for name in [one, two] {
            // Any 64 digits may be a person's key; what it sealed tells, and the salt is named.
            if name.starts_with("subjects/") && [one, two].iter().any(|n| *n == "salt") {
                continue;
            }
            // Without a checkpoint there is no log to hold tiles against.
            let is_named = report.problems.iter().any(|p| p.file == *name || p.file == "ledger/checkpoint");
            assert!(is_named, "`{one}` and `{two}`: {:?}", report.problems);
        }
        fs::write(path.join(one), &a).unwrap();
        fs::write(path.join(two), &b).unwrap();
    }
    assert!(examine(&path, &trust()).is_sound());
}

/// A ledger whose last entries are acknowledged and stand in the write-ahead log alone, in several records.
fn unpublished(path: &Path) -> (u64, [u8; 32]) {
    let mut ledger = new_ledger(path);
    ledger.append(batch("a", 20), &signer(), &clock(1)).unwrap();
    drop(ledger);
    // Everything fails from some step on, so that nothing is published; what was acknowledged until then counts.
    for at in 1.. {
        let tried = path.with_extension(at.to_string());
        copy(path, &tried);
        let storage = Faulty::new(Fault::Kill, at);
        let options = Options { storage, ..Options::new(Arc::new(signer())) };
        let Ok(engine) = Embedded::open(&tried, options) else { continue };
        let mut appended = None;
        for n in 0..3 {
            appended = engine.append(batch("b", 3 + n), clock(2).0).ok();
            if appended.is_none() {
                break;
            }
        }
        drop(engine);
        let waits = files(&tried).iter().any(|n| n.starts_with("wal/"));
        if let (Some(appended), true) = (appended, waits)
            && Ledger::open(&tried).is_ok_and(|l| l.unpublished() == 12)
        {
            fs::remove_dir_all(path).unwrap();
            fs::rename(&tried, path).unwrap();
            return (appended.size, appended.root);
        }
        assert!(at < 60, "the write-ahead log never held it all");
    }
    unreachable!()
}

fn believing(seen: (u64, [u8; 32])) -> LogTrust {
    LogTrust { remembered: Some(seen), ..trust() }
}

fn blames_the_end(report: &VerifyReport) -> bool {
    report.problems.iter().any(|p| p.file.starts_with("wal") || p.code == code::ROLLBACK)
}

#[test]
fn each_byte_of_the_write_ahead_log_counts_once_its_end_was_seen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let seen = unpublished(&path);
    assert!(examine(&path, &believing(seen)).is_sound());
    let names: Vec<_> = files(&path).into_iter().filter(|n| n.starts_with("wal/")).collect();
    assert!(!names.is_empty());
    for name in names {
        let file = path.join(&name);
        let good = fs::read(&file).unwrap();
        let step = if every_byte() { 1 } else { (good.len() / 60).max(1) | 1 };
        for at in (0..good.len()).step_by(step).chain([good.len() - 1]) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&file, &bad).unwrap();
            let report = examine(&path, &believing(seen));
            assert!(blames_the_end(&report), "byte {at} of {}: {report:?}", good.len());
            // Who remembers nothing is told at least that the end is no whole record.
            let report = examine(&path, &trust());
            let is_told = report.notices.iter().any(|n| n.code == code::TORN);
            assert!(is_told || !report.is_sound(), "byte {at}: {report:?}");
        }
        for len in [0, 1, good.len() / 2, good.len() - 1] {
            fs::write(&file, &good[..len]).unwrap();
            assert!(blames_the_end(&examine(&path, &believing(seen))), "cut to {len} bytes");
        }
        fs::remove_file(&file).unwrap();
        assert!(blames_the_end(&examine(&path, &believing(seen))), "removed");
        fs::write(&file, &good).unwrap();
    }
    assert!(examine(&path, &believing(seen)).is_sound());
}

#[test]
fn whatever_was_seen_must_be_continued() {
    let dir = tempfile::tempdir().unwrap();
    let (path, older, other) = (dir.path().join("l"), dir.path().join("older"), dir.path().join("other"));
    let mut ledger = new_ledger(&path);
    let known = |from: &str, ledger: &Ledger| Known { from: from.into(), size: ledger.size(), root: ledger.root() };
    let first = known("first", &ledger);
    ledger.append(batch("a", 100), &signer(), &clock(1)).unwrap();
    let second = known("second", &ledger);
    copy(&path, &older);
    copy(&path, &other);
    ledger.append(batch("b", 400), &signer(), &clock(2)).unwrap();
    let third = known("third", &ledger);
    let since = |since: &[&Known]| LogTrust { since: since.iter().map(|k| (*k).clone()).collect(), ..trust() };
    assert!(examine(&path, &since(&[&first, &second, &third])).is_sound());

    let report = examine(&older, &since(&[&first, &third]));
    let [problem] = report.problems.as_slice() else { panic!("{report:?}") };
    assert_eq!(problem.code, code::ROLLBACK);
    for said in ["101 entries", "501 entries", "`third`", "400 are missing"] {
        assert!(problem.what.contains(said), "{}", problem.what);
    }

    let mut fork = Ledger::open_with(&other, Arc::new(Unsynced)).unwrap();
    fork.append(batch("c", 400), &signer(), &clock(2)).unwrap();
    let forked = known("forked", &fork);
    let report = examine(&other, &since(&[&second, &third]));
    assert!(
        matches!(report.problems.as_slice(), [p] if p.code == code::FORK && p.what.contains("501 entries")),
        "{report:?}"
    );
    fork.append(batch("c", 400), &signer(), &clock(3)).unwrap();
    // Within a bundle as well as at its end.
    let report = examine(&other, &since(&[&first, &second, &third]));
    assert!(
        matches!(report.problems.as_slice(), [p] if p.code == code::FORK && p.what.contains("`third`")),
        "{report:?}"
    );
    // Two that were seen contradict each other beyond the end of this copy.
    let report = examine(&older, &since(&[&third, &forked]));
    assert!(report.problems.iter().any(|p| p.code == code::FORK), "{report:?}");
}

#[test]
fn a_ledger_that_a_running_engine_holds_is_examined_as_of_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    build(&path);
    let options = Options { storage: Arc::new(Unsynced), ..Options::new(Arc::new(signer())) };
    let engine = Embedded::open(&path, options).unwrap();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for n in 0..30 {
                engine.append(batch(&format!("n{n}"), 37), clock(10_000).0).unwrap();
                engine.publish().unwrap();
            }
        });
        let mut last = 300;
        // Until nothing more comes, and once after that.
        let mut rounds = 0;
        loop {
            let was_over = writing.is_finished();
            let report = examine(&path, &trust());
            assert_eq!(report.problems, Vec::new());
            assert!(report.notices.iter().any(|n| n.code == code::WHILE_GROWING), "{report:?}");
            assert!(report.size >= last);
            last = report.size;
            rounds += 1;
            if was_over {
                break;
            }
        }
        assert!(rounds > 1 && last == 300 + 30 * 37, "{rounds} {last}");
        // Damage is seen all the same.
        let file = path.join("ledger/tile/entries/000");
        let good = fs::read(&file).unwrap();
        let mut bad = good.clone();
        bad[5000] ^= 1;
        fs::write(&file, &bad).unwrap();
        let stray = path.join("ledger/tile/0/x999/000");
        fs::create_dir_all(stray.parent().unwrap()).unwrap();
        fs::write(&stray, "x").unwrap();
        let report = examine(&path, &trust());
        fs::write(&file, &good).unwrap();
        fs::remove_dir_all(stray.parent().unwrap()).unwrap();
        for name in ["ledger/tile/entries/000", "ledger/tile/0/x999/000"] {
            assert!(report.problems.iter().any(|p| p.file == name), "{name}: {report:?}");
        }
    });
    drop(engine);
    assert!(examine(&path, &trust()).is_sound());
}
