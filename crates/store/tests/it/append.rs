//! Appending and reading back.

use std::sync::Arc;
use std::time::Duration;

use countersign_evidence::tile::TileId;
use countersign_model::{Diagnostic as _, Digest, Entry, Exit, PayloadRef, StreamId};
use countersign_store::{Batch, Error, Ledger, NewBlob, code};

use crate::support::{Unsynced, assert_sound, batch, clock, entry, files, new_ledger, new_ledger_signed_by, signer};

#[test]
fn what_is_appended_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let mut ledger = new_ledger(&path);
    let mut one = entry("run-1", "payload");
    one.attachments.push(NewBlob { bytes: b"report".to_vec(), media: "application/sarif+json".into() });
    one.refs.push(0);
    let two = entry("run-1", "payload");
    let appended = ledger.append(Batch { entries: vec![one, two], ..Batch::default() }, &signer(), &clock(10)).unwrap();
    assert_eq!((appended.first_index, appended.size), (1, 3));
    assert!(appended.notices.is_empty());

    let reader = Ledger::open(&path).unwrap();
    assert_eq!((reader.size(), reader.root()), (3, appended.root));
    assert_eq!(reader.checkpoint_text(), ledger.checkpoint_text());
    let entries = reader.entries(1..9).unwrap();
    assert_eq!(entries.iter().map(|(i, e)| (*i, e.version)).collect::<Vec<_>>(), [(1, 1), (2, 2)]);
    let (_, first) = entries.first().unwrap();
    assert_eq!(first.time, appended.time);
    assert_eq!(first.refs, [0]);
    assert_eq!(reader.payload(&first.payload).unwrap(), b"payload");
    assert_eq!(reader.payload(first.attachments.first().unwrap()).unwrap(), b"report");
    assert_eq!(reader.stream_version(&StreamId::from_text("run-1")).unwrap(), 2);
    assert_eq!(reader.stream_version(&StreamId::from_text("run-2")).unwrap(), 0);

    for index in 0..3 {
        let receipt = reader.receipt(index).unwrap();
        let bytes = reader.entry_bytes(index).unwrap();
        let checkpoint = receipt.verify(&bytes, &[reader.vkey().clone()]).unwrap();
        assert_eq!(checkpoint.root, reader.root());
    }
    assert!(matches!(reader.receipt(3), Err(Error::NoSuchEntry { index: 3, size: 3 })));
    assert!(matches!(reader.entry_bytes(3), Err(Error::NoSuchEntry { .. })));
    let report = assert_sound(&path);
    assert_eq!((report.checked.entries, report.checked.blobs, report.size), (3, 3, 3));
}

#[test]
fn proofs_and_roots_hold_at_every_size_across_full_tiles() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let mut ledger = new_ledger(&path);
    let mut roots = vec![(ledger.size(), ledger.root())];
    for (i, n) in [1, 3, 100, 149, 1, 1, 1, 1, 250, 3, 5, 700, 1].into_iter().enumerate() {
        // Few payloads: the tree is what this is about.
        let entries = (0..n).map(|k| entry(&format!("run-{}", k % 7), format!("{}", i % 3))).collect();
        ledger.append(Batch { entries, ..Batch::default() }, &signer(), &clock(1)).unwrap();
        roots.push((ledger.size(), ledger.root()));
        let reader = Ledger::open(&path).unwrap();
        for (size, root) in &roots {
            assert_eq!(reader.root_at(*size).unwrap(), *root);
        }
        for index in [0, ledger.size() / 2, ledger.size() - 1] {
            let bytes = reader.entry_bytes(index).unwrap();
            reader.receipt(index).unwrap().verify(&bytes, &[reader.vkey().clone()]).unwrap();
        }
    }
    assert_eq!(ledger.entries(0..u64::MAX).unwrap().len() as u64, ledger.size());
    let report = assert_sound(&path);
    assert_eq!(report.checked.entries, 1217);
    // Partial tiles of published sizes are there, those of full tiles are gone.
    let names = files(&path);
    assert!(names.iter().all(|n| !n.starts_with("ledger/tile/0/000.p/")));
    for width in 1..=4 {
        let id = TileId { level: 1, index: 0, width };
        assert!(names.contains(&format!("ledger/{}", id.path())), "{width}");
    }
}

#[test]
fn an_append_on_an_old_view_conflicts_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let mut ledger = new_ledger(&path);
    ledger.append(batch("a", 3), &signer(), &clock(1)).unwrap();
    let before = files(&path);
    let stream = StreamId::from_text("run-0");
    let expect = Batch { expect: vec![(stream.clone(), 0)], ..batch("b", 1) };
    let error = ledger.append(expect, &signer(), &clock(2)).unwrap_err();
    assert!(matches!(&error, Error::Conflict { stream: s, expected: 0, found: 1 } if *s == stream));
    assert!(error.is_conflict());
    assert_eq!(error.exit(), Exit::Backend);
    let expect = Batch { expect_size: Some(3), ..batch("b", 1) };
    let error = ledger.append(expect, &signer(), &clock(2)).unwrap_err();
    assert!(matches!(error, Error::SizeConflict { expected: 3, found: 4 }));
    assert_eq!(files(&path), before);
    let expect = Batch { expect: vec![(stream, 1)], expect_size: Some(4), ..batch("b", 1) };
    assert_eq!(ledger.append(expect, &signer(), &clock(2)).unwrap().first_index, 4);
}

#[test]
fn a_second_handle_sees_what_the_first_appended() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let mut one = new_ledger(&path);
    let mut two = Ledger::open_with(&path, Arc::new(Unsynced)).unwrap();
    assert!(!two.refresh().unwrap());
    for i in 0..300 {
        let ledger = if i % 2 == 0 { &mut one } else { &mut two };
        assert_eq!(ledger.append(batch("x", 1), &signer(), &clock(1)).unwrap().first_index, i + 1);
    }
    // An old view goes on reading what it saw, even where partial tiles were replaced by the full one.
    assert_eq!(one.size(), 300);
    assert_eq!(one.entries(0..300).unwrap().len(), 300);
    assert!(one.refresh().unwrap());
    assert_eq!(one.root(), two.root());
}

#[test]
fn time_never_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let mut ledger = new_ledger(&path);
    let last = ledger.append(batch("a", 1), &signer(), &clock(1000)).unwrap().time;
    let appended = ledger.append(batch("b", 1), &signer(), &clock(900)).unwrap();
    assert_eq!(appended.time, last, "a little behind is put up with");
    let error = ledger.append(batch("c", 1), &signer(), &clock(1000 - 121)).unwrap_err();
    assert_eq!(error.code(), code::CLOCK_BEHIND);
    assert_eq!(ledger.size(), 3);
    assert_sound(&path);
}

#[test]
fn what_cannot_be_appended_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let mut ledger = new_ledger(&path);
    let before = files(&path);
    let stranger = countersign_evidence::note::SignerKey::generate(crate::support::ORIGIN).unwrap();
    let error = ledger.append(batch("a", 1), &stranger, &clock(1)).unwrap_err();
    assert_eq!(error.code(), code::WRONG_SIGNER);
    let error = ledger.append(Batch::default(), &signer(), &clock(1)).unwrap_err();
    assert_eq!(error.code(), code::BAD_BATCH);
    let mut forward = entry("run-1", "x");
    forward.refs.push(1);
    let batch = |entry| Batch { entries: vec![entry], ..Batch::default() };
    assert_eq!(ledger.append(batch(forward), &signer(), &clock(1)).unwrap_err().code(), code::BAD_BATCH);
    let mut large = entry("run-1", "x");
    large.attachments = vec![NewBlob { bytes: b"same".to_vec(), media: "text/plain".into() }; 700];
    let error = ledger.append(batch(large), &signer(), &clock(1)).unwrap_err();
    assert!(matches!(error, Error::EntryTooLarge { position: 0, bytes } if bytes > Entry::MAX_BYTES));
    assert_eq!(files(&path), before);
}

#[test]
fn the_largest_entry_fits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let mut ledger = new_ledger(&path);
    let mut large = entry("run-1", "x");
    let size = |ledger: &mut Ledger, media: usize| {
        large.payload.media = "m".repeat(media);
        let batch = Batch { entries: vec![large.clone()], ..Batch::default() };
        ledger.append(batch, &signer(), &clock(1))
    };
    let mut size = size;
    let Err(Error::EntryTooLarge { bytes, .. }) = size(&mut ledger, 70_000) else { panic!() };
    let exact = 70_000 - (bytes - Entry::MAX_BYTES);
    assert!(size(&mut ledger, exact + 1).is_err());
    size(&mut ledger, exact).unwrap();
    assert_eq!(Ledger::open(&path).unwrap().entry_bytes(1).unwrap().len(), Entry::MAX_BYTES);
    assert_sound(&path);
}

#[test]
fn a_busy_ledger_names_who_holds_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let mut ledger = new_ledger(&path);
    let lock = std::fs::File::options().read(true).write(true).open(path.join("lock")).unwrap();
    lock.lock().unwrap();
    std::fs::write(path.join("lock"), "pid 4242\n").unwrap();
    ledger.set_lock_wait(Duration::from_millis(3));
    let error = ledger.append(batch("a", 1), &signer(), &clock(1)).unwrap_err();
    assert!(matches!(error, Error::Busy { holder: Some(4242) }), "{error:?}");
    assert_eq!(error.exit(), Exit::Backend);
    assert!(error.help().contains("4242"));
    // Reading needs no lock.
    assert_eq!(Ledger::open(&path).unwrap().size(), 1);
    drop(lock);
    ledger.append(batch("a", 1), &signer(), &clock(1)).unwrap();
}

#[test]
fn a_changed_tile_is_never_signed_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let mut ledger = new_ledger(&path);
    ledger.append(batch("a", 4), &signer(), &clock(1)).unwrap();
    for name in ["ledger/tile/0/000.p/5", "ledger/tile/entries/000.p/5"] {
        let file = path.join(name);
        let good = std::fs::read(&file).unwrap();
        let mut bad = good.clone();
        *bad.get_mut(40).unwrap() ^= 1;
        std::fs::write(&file, bad).unwrap();
        let checkpoint = std::fs::read(path.join("ledger/checkpoint")).unwrap();
        let error = ledger.append(batch("b", 1), &signer(), &clock(2)).unwrap_err();
        assert_eq!(error.code(), code::CORRUPT);
        assert_eq!(error.place().unwrap().file, name);
        assert_eq!(std::fs::read(path.join("ledger/checkpoint")).unwrap(), checkpoint);
        std::fs::write(&file, good).unwrap();
    }
    ledger.append(batch("b", 1), &signer(), &clock(2)).unwrap();
    assert_sound(&path);
}

#[test]
fn an_entry_changed_in_a_full_bundle_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let mut ledger = new_ledger(&path);
    ledger.append(batch("a", 600), &signer(), &clock(1)).unwrap();
    let file = path.join("ledger/tile/entries/001");
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.len() / 2;
    *bytes.get_mut(at).unwrap() ^= 0x20;
    std::fs::write(&file, bytes).unwrap();
    let reader = Ledger::open(&path).unwrap();
    assert_eq!(reader.entries(0..256).unwrap().len(), 256);
    let error = reader.entries(0..600).unwrap_err();
    assert_eq!(error.place().unwrap().file, "ledger/tile/entries/001");
}

#[test]
fn a_blob_that_was_changed_or_taken_away_is_not_handed_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let mut ledger = new_ledger(&path);
    let digest = Digest::of(b"payload");
    let reference = PayloadRef { sha256: digest, size: 7, media: "text/plain".into(), sealed: None };
    assert_eq!(ledger.payload(&reference).unwrap_err().code(), code::MISSING_BLOB);
    let batch = |s: &str| Batch { entries: vec![entry("run-1", s)], ..Batch::default() };
    ledger.append(batch("payload"), &signer(), &clock(1)).unwrap();
    assert_eq!(ledger.payload(&reference).unwrap(), b"payload");
    let wrong_size = PayloadRef { size: 8, ..reference.clone() };
    assert_eq!(ledger.payload(&wrong_size).unwrap_err().code(), code::CORRUPT);
    let hex = digest.hex();
    let file = path.join("blobs/sha256").join(hex.get(..2).unwrap()).join(hex.get(2..).unwrap());
    std::fs::write(&file, "pAyload").unwrap();
    assert_eq!(ledger.payload(&reference).unwrap_err().code(), code::CORRUPT);
    // Nor is it taken for the same blob by a later entry.
    assert_eq!(ledger.append(batch("payload"), &signer(), &clock(1)).unwrap_err().code(), code::CORRUPT);
}

#[test]
fn a_ledger_that_was_replaced_underneath_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("1"), dir.path().join("2"));
    let mut ledger = new_ledger(&one);
    ledger.append(batch("a", 2), &signer(), &clock(1)).unwrap();
    let mut other = new_ledger_signed_by(&two, &signer());
    other.append(batch("b", 4), &signer(), &clock(1)).unwrap();
    std::fs::rename(one.join("ledger"), dir.path().join("old")).unwrap();
    std::fs::rename(two.join("ledger"), one.join("ledger")).unwrap();
    let error = ledger.refresh().unwrap_err();
    assert_eq!(error.code(), code::CORRUPT);
    assert_eq!(ledger.size(), 3, "the old view stays");
    assert!(ledger.append(batch("c", 1), &signer(), &clock(1)).is_err());
    // And one that went back.
    std::fs::rename(one.join("ledger"), dir.path().join("other")).unwrap();
    let older = dir.path().join("3");
    drop(new_ledger(&older));
    std::fs::rename(older.join("ledger"), one.join("ledger")).unwrap();
    assert!(ledger.refresh().unwrap_err().to_string().contains("went back"));
}
