//! Whatever is done to any file of a ledger is found, and the file is named.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use countersign_evidence::note::SignerKey;
use countersign_evidence::seal::{self, SubjectKey};
use countersign_model::digest::to_hex;
use countersign_model::{Entry, EventKind, PersonId};
use countersign_store::verify::{LogTrust, Problem, VerifyReport, verify};
use countersign_store::{Batch, Error, Ledger, NewBlob, code};
use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::support::{
    ORIGIN, Unsynced, assert_sound, batch, clock, copy, entry, examine, files, new_ledger, new_ledger_signed_by,
    signer, trust, trusting,
};

const SEED: [u8; 32] = *b"every byte of the ledger counts!";

fn rng() -> TestRng {
    TestRng::from_seed(RngAlgorithm::ChaCha, &SEED)
}

/// 300 entries in batches of odd sizes, one with a person's sealed data.
fn build(path: &Path) -> PersonId {
    let mut ledger = new_ledger(path);
    let person = PersonId::from_random([3; 10]);
    let key = SubjectKey::from_bytes([9; 32]);
    fs::write(path.join(format!("subjects/{person}.key")), format!("{}\n", to_hex(key.as_bytes()))).unwrap();
    let sealed = seal::seal(&key, b"Ada", person.as_str().as_bytes()).unwrap();
    let mut enrolled = entry(person.as_str(), sealed);
    enrolled.kind = EventKind::PersonEnrolled;
    ledger.append(Batch { entries: vec![enrolled], ..Batch::default() }, &signer(), &clock(1)).unwrap();
    let mut n = 0_usize;
    for size in [1, 1, 3, 17, 1, 64, 5, 99, 60, 2, 1, 7, 1, 1, 13, 1, 1, 9, 3, 1, 1, 4, 1, 1] {
        let entries = (0..size)
            .map(|_| {
                n += 1;
                let mut entry = entry(&format!("run-{}", n % 11), format!("payload {}", n % 23));
                entry.refs = vec![n as u64 / 2];
                if n.is_multiple_of(50) {
                    entry.attachments = vec![NewBlob { bytes: format!("report {n}").into(), media: "a/b".into() }];
                }
                entry
            })
            .collect();
        ledger.append(Batch { entries, ..Batch::default() }, &signer(), &clock(n as i64)).unwrap();
    }
    assert_eq!(ledger.size(), 300);
    person
}

/// The examination as callers do it: sealed data must open with its key, where that was not destroyed.
fn full(path: &Path, trust: &LogTrust) -> VerifyReport {
    let mut open_seals = |index: u64, entry: &Entry, payload: &[u8]| {
        if entry.kind != EventKind::PersonEnrolled {
            return Vec::new();
        }
        let name = format!("subjects/{}.key", entry.stream);
        let Ok(text) = fs::read_to_string(path.join(&name)) else { return Vec::new() };
        let opened = SubjectKey::parse_hex(text.trim_end())
            .and_then(|key| seal::open(&key, payload, entry.stream.as_str().as_bytes()));
        match opened {
            Ok(_) => Vec::new(),
            Err(e) => vec![Problem::new(code::CORRUPT, name, Some(index), e.to_string())],
        }
    };
    verify(path, trust, &mut open_seals).unwrap()
}

/// Asserts that the change is found in `names`, and nowhere else.
fn assert_found(path: &Path, names: &[&str], what: &str) {
    let report = full(path, &trust());
    for name in names {
        let is_named = report.problems.iter().any(|p| p.file == *name);
        assert!(is_named, "{what}: `{name}` is not named in {:?}", report.problems);
    }
    let others: Vec<_> = report.problems.iter().filter(|p| !names.contains(&p.file.as_str())).collect();
    assert!(others.is_empty(), "{what} of {names:?} is blamed on {others:?}");
}

#[test]
fn every_file_is_accounted_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let person = build(&path);
    assert_eq!(full(&path, &trust()).problems, Vec::new());
    let key = format!("subjects/{person}.key");
    let names: Vec<_> = files(&path).into_iter().filter(|n| n != "lock").collect();
    assert!(names.len() > 60, "{}", names.len());
    let mut rng = rng();
    for name in &names {
        let file = path.join(name);
        let good = fs::read(&file).unwrap();
        let put = |bytes: &[u8]| fs::write(&file, bytes).unwrap();
        // The last, and three others.
        let mut offsets = vec![good.len() - 1];
        offsets.extend((0..3).map(|_| usize::try_from(rng.next_u64()).unwrap() % good.len()));
        for offset in offsets {
            let mut bad = good.clone();
            let flip = u8::try_from(rng.next_u32() % 255).unwrap() + 1;
            bad[offset] ^= flip;
            put(&bad);
            assert_found(&path, &[name], &format!("byte {offset} xor {flip:#x}"));
        }
        put(&good[..good.len() - 1]);
        assert_found(&path, &[name], "a byte less");
        put(&[]);
        assert_found(&path, &[name], "nothing");
        put(&[good.as_slice(), b"\n"].concat());
        assert_found(&path, &[name], "a byte more");
        fs::remove_file(&file).unwrap();
        if *name == key {
            assert_eq!(full(&path, &trust()).problems, Vec::new(), "erasure is no problem");
        } else {
            assert_found(&path, &[name], "removal");
        }
        put(&good);
    }
    assert_eq!(full(&path, &trust()).problems, Vec::new());
}

#[test]
fn files_that_change_places_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    build(&path);
    let names: Vec<_> = files(&path).into_iter().filter(|n| n != "lock").collect();
    let mut rng = rng();
    let mut pick = || names[usize::try_from(rng.next_u64()).unwrap() % names.len()].clone();
    for _ in 0..80 {
        let (one, two) = (pick(), pick());
        let (a, b) = (fs::read(path.join(&one)).unwrap(), fs::read(path.join(&two)).unwrap());
        if a == b {
            continue;
        }
        fs::write(path.join(&one), &b).unwrap();
        fs::write(path.join(&two), &a).unwrap();
        let report = full(&path, &trust());
        for name in [&one, &two] {
            // Without a checkpoint there is no log to hold tiles against.
            let is_named = report.problems.iter().any(|p| p.file == *name || p.file == "ledger/checkpoint");
            assert!(is_named, "`{one}` and `{two}`: {:?}", report.problems);
        }
        fs::write(path.join(&one), &a).unwrap();
        fs::write(path.join(&two), &b).unwrap();
    }
}

#[test]
fn a_changed_entry_is_named_by_its_index() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    build(&path);
    for (file, index) in [("ledger/tile/entries/000", 17), ("ledger/tile/entries/001.p/44", 270)] {
        let bytes = fs::read(path.join(file)).unwrap();
        let entry = Ledger::open(&path).unwrap().entry_bytes(index).unwrap();
        let at = bytes.windows(entry.len()).position(|w| w == entry).unwrap();
        let mut bad = bytes.clone();
        bad[at + 40] ^= 1;
        fs::write(path.join(file), &bad).unwrap();
        let report = full(&path, &trust());
        assert!(
            matches!(report.problems.as_slice(), [p] if p.file == file && p.entry == Some(index)),
            "{:?}",
            report.problems
        );
        fs::write(path.join(file), &bytes).unwrap();
    }
}

#[test]
fn a_forgery_signed_anew_is_not_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let (real, forged) = (dir.path().join("real"), dir.path().join("forged"));
    drop(new_ledger(&real));
    let forger = SignerKey::generate(ORIGIN).unwrap();
    let mut ledger = new_ledger_signed_by(&forged, &forger);
    ledger.append(batch("forged", 3), &forger, &clock(1)).unwrap();
    assert!(examine(&forged, &trusting(forger.verifier())).is_sound(), "consistent in itself");
    let report = examine(&forged, &trust());
    assert!(report.problems.iter().any(|p| p.code == code::UNTRUSTED && p.file == "ledger/checkpoint"));
    // Nor with the real key's text put beside it.
    fs::copy(real.join("ledger/vkey"), forged.join("ledger/vkey")).unwrap();
    assert!(!examine(&forged, &trust()).is_sound());
    // Without any trusted key nothing is trusted.
    let report = examine(&real, &LogTrust::default());
    assert!(matches!(report.problems.as_slice(), [p] if p.code == code::UNTRUSTED), "{:?}", report.problems);
}

#[test]
fn an_older_copy_and_another_history_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let (path, older, other) = (dir.path().join("l"), dir.path().join("older"), dir.path().join("other"));
    let mut ledger = new_ledger(&path);
    ledger.append(batch("a", 5), &signer(), &clock(1)).unwrap();
    copy(&path, &older);
    copy(&path, &other);
    let seen_early = (ledger.size(), ledger.root());
    ledger.append(batch("b", 5), &signer(), &clock(2)).unwrap();
    let remembered = |r| LogTrust { remembered: Some(r), ..trust() };
    let seen = (ledger.size(), ledger.root());
    assert!(examine(&path, &remembered(seen)).is_sound());
    assert!(examine(&path, &remembered(seen_early)).is_sound());

    let report = examine(&older, &remembered(seen));
    assert!(matches!(report.problems.as_slice(), [p] if p.code == code::ROLLBACK), "{:?}", report.problems);

    let mut fork = Ledger::open_with(&other, Arc::new(Unsynced)).unwrap();
    fork.append(batch("c", 5), &signer(), &clock(2)).unwrap();
    for _ in 0..2 {
        let report = examine(&other, &remembered(seen));
        assert!(matches!(report.problems.as_slice(), [p] if p.code == code::FORK), "{:?}", report.problems);
        assert!(examine(&other, &remembered(seen_early)).is_sound());
        fork.append(batch("d", 300), &signer(), &clock(3)).unwrap();
    }
}

#[test]
fn what_does_not_belong_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    build(&path);
    let unreferenced = format!("blobs/sha256/ab/{}", "0".repeat(62));
    let known = files(&path);
    let is_free = |width: &u16| !known.contains(&format!("ledger/tile/entries/001.p/{width}"));
    let never_published = format!("ledger/tile/entries/001.p/{}", (1..44).find(is_free).unwrap());
    let extra = [
        "README",
        "ledger/notes",
        "ledger/tile/0/001",
        "ledger/tile/0/001.p/45",
        "ledger/tile/0/000.p/7",
        "ledger/tile/1/001.p/1",
        "ledger/tile/2/000.p/1",
        "ledger/tile/entries/002.p/1",
        never_published.as_str(),
        "ledger/tile/0/001.p/44.bak",
        "subjects/ada.key",
        unreferenced.as_str(),
    ];
    for name in extra {
        assert!(!known.iter().any(|k| k == name), "{name}");
        let file = path.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "x").unwrap();
        let report = full(&path, &trust());
        assert!(report.problems.iter().any(|p| p.file == name), "{name}: {:?}", report.problems);
        fs::remove_file(&file).unwrap();
    }
    // Caches, the lock and half-placed files are no part of the ledger.
    fs::write(path.join("cache/anything"), "x").unwrap();
    fs::write(path.join("tmp/blob-3"), "x").unwrap();
    let report = full(&path, &trust());
    assert_eq!(report.problems, Vec::new());
    assert!(matches!(report.notices.as_slice(), [n] if n.code == code::HALF_WRITTEN));
    #[cfg(unix)]
    {
        // A link is not a file of the ledger, whatever it points at.
        let salt = path.join("salt");
        fs::rename(&salt, dir.path().join("salt")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("salt"), &salt).unwrap();
        assert!(full(&path, &trust()).problems.iter().any(|p| p.file == "salt"));
    }
}

#[test]
fn an_entry_out_of_order_is_found_though_it_is_signed() {
    // Written by a program that does not care: the tree and the signature are right, the content is not.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let mut ledger = new_ledger(&path);
    ledger.append(batch("a", 1), &signer(), &clock(100)).unwrap();
    let honest = ledger.entries(1..2).unwrap().remove(0).1;
    let wrong = [
        Entry { version: 3, ..honest.clone() },
        Entry { version: 2, time: honest.time.plus_seconds(-1), ..honest.clone() },
        Entry { version: 2, refs: vec![2], ..honest.clone() },
        Entry { version: 2, kind: EventKind::LedgerCreated, ..honest.clone() },
        Entry { version: 2, v: 7, ..honest },
    ];
    for (entry, expected) in wrong.iter().zip([code::ORDER, code::ORDER, code::ORDER, code::GENESIS, code::NEWER]) {
        let copied = dir.path().join(format!("{}-{expected}", entry.version));
        copy(&path, &copied);
        append_anything(&copied, countersign_evidence::canonical::to_vec(entry).unwrap());
        let report = examine(&copied, &trust());
        assert!(
            matches!(report.problems.as_slice(), [p] if p.code == expected && p.entry == Some(2)),
            "{:?}",
            report.problems
        );
        fs::remove_dir_all(&copied).unwrap();
    }
    let copied = dir.path().join("not-canonical");
    copy(&path, &copied);
    let mut bytes = countersign_evidence::canonical::to_vec(&wrong[0]).unwrap();
    bytes.push(b' ');
    append_anything(&copied, bytes);
    assert!(!examine(&copied, &trust()).is_sound());
    assert!(matches!(Ledger::open(&copied).unwrap().entries(0..3), Err(Error::Corrupt { entry: Some(2), .. })));
}

/// Appends bytes as the third entry, with a right tree and a right signature.
fn append_anything(path: &Path, bytes: Vec<u8>) {
    use countersign_evidence::checkpoint::Checkpoint;
    use countersign_evidence::merkle::{MemoryTree, leaf_hash};
    use countersign_evidence::tile;
    let ledger = Ledger::open(path).unwrap();
    let mut entries: Vec<_> = (0..2).map(|i| ledger.entry_bytes(i).unwrap()).collect();
    entries.push(bytes);
    let mut tree = MemoryTree::new();
    let hashes: Vec<_> = entries.iter().map(|e| leaf_hash(e)).collect();
    tree.extend(hashes.iter().copied());
    fs::write(path.join("ledger/tile/entries/000.p/3"), tile::encode_bundle(&entries).unwrap()).unwrap();
    fs::write(path.join("ledger/tile/0/000.p/3"), tile::encode_tile(&hashes)).unwrap();
    let checkpoint = Checkpoint { origin: ORIGIN.into(), size: 3, root: tree.root() };
    fs::write(path.join("ledger/checkpoint"), checkpoint.sign(&signer()).unwrap()).unwrap();
}

#[test]
fn a_copy_without_lock_and_cache_is_sound() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    build(&path);
    fs::remove_file(path.join("lock")).unwrap();
    fs::remove_dir_all(path.join("cache")).unwrap();
    fs::remove_dir_all(path.join("tmp")).unwrap();
    assert_sound(&path);
    assert!(!path.join("lock").exists(), "looking changes nothing");
    // And it can be appended to.
    let mut ledger = Ledger::open_with(&path, Arc::new(Unsynced)).unwrap();
    ledger.append(batch("x", 1), &signer(), &clock(999)).unwrap();
    assert_sound(&path);
}
