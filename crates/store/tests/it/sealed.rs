//! Payloads that are sealed at rest, as the examination sees them: on all cores, large ones in turn, with the key, without
//! it, and with another one.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use countersign_evidence::merkle::Hash;
use countersign_evidence::payload_key::PayloadKey;
use countersign_model::{Digest, EventKind};
use countersign_store::verify::{LogTrust, VerifyReport, examine_source};
use countersign_store::{
    Batch, EntryView, Error, Examiner, Ledger, NewBlob, NewEntry, NewLedger, Opened, OpenedView, Paths, Problem, code,
    payload_key,
};

use crate::support::{Unsynced, clock, entry, genesis_with, signer, trust};

/// More than one that is read when its turn comes.
const LARGE: usize = 300 << 10;

fn key() -> PayloadKey {
    PayloadKey::from_bytes([8; 32]).unwrap()
}

fn with_key(key: Option<PayloadKey>) -> LogTrust {
    LogTrust { payload_key: key, ..trust() }
}

/// An empty ledger whose entry 0 commits to this.
fn committed_to(dir: &Path, commitment: &str) -> Ledger {
    let new = NewLedger { signer: &signer(), salt: Some([5; 32]) };
    let mut ledger = Ledger::create_with(dir, &new, Arc::new(Unsynced)).unwrap();
    let batch = genesis_with(&ledger, Some(commitment.to_owned()));
    ledger.append(batch, &signer(), &clock(0)).unwrap();
    ledger
}

fn sealed_batch(mut entries: Vec<NewEntry>) -> Batch {
    for blob in entries.iter_mut().flat_map(|e| std::iter::once(&mut e.payload).chain(&mut e.attachments)) {
        blob.bytes = key().seal(&blob.bytes).unwrap();
    }
    Batch { entries, sealed_with: Some(key().id().to_owned()), ..Batch::default() }
}

/// 600 entries: small payloads, large ones, attachments that many have, one in the clear by right.
fn build(dir: &Path) -> Ledger {
    let mut ledger = committed_to(dir, key().commitment());
    for n in 0..6 {
        let entries = (0..100).map(|i| {
            let mut new = entry(&format!("run-{}", i % 7), format!("payload {n} {i}"));
            if i == 50 {
                new.payload.bytes = vec![n; LARGE];
            }
            if i % 10 == 0 {
                new.attachments = vec![
                    NewBlob { bytes: b"what many attach".to_vec(), media: "a/b".into() },
                    NewBlob { bytes: vec![n | 64; LARGE + i], media: "a/b".into() },
                ];
            }
            new
        });
        ledger.append(sealed_batch(entries.collect()), &signer(), &clock(1)).unwrap();
    }
    ledger
}

/// What the examiner was handed, in order.
#[derive(Default)]
struct Seen(Vec<(u64, Opened)>);

impl Examiner<(u64, Opened)> for Seen {
    fn entry(&mut self, index: u64, (said, opened): (u64, Opened)) -> Vec<Problem> {
        assert_eq!(index, said);
        self.0.push((index, opened));
        Vec::new()
    }

    fn may_be_gone(&mut self, _: u64) -> bool {
        false
    }
}

fn examine(dir: &Path, trust: &LogTrust) -> (VerifyReport, Seen) {
    let mut seen = Seen::default();
    let read = |index: u64, _: &EntryView<'_>, _: &Hash, opened: OpenedView<'_>| (index, opened.into_opened());
    let report = examine_source(&Paths::new(dir), trust, &read, &mut seen).unwrap();
    (report, seen)
}

fn codes(report: &VerifyReport) -> Vec<(&str, Option<u64>)> {
    report.problems.iter().map(|p| (p.code, p.entry)).collect()
}

#[test]
fn every_sealed_blob_is_opened_once_its_turn_has_come() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let ledger = build(&path);
    let (report, seen) = examine(&path, &with_key(Some(key())));
    assert!(report.is_sound(), "{:?}", report.problems);
    assert_eq!((report.checked.entries, seen.0.len()), (601, 601));
    for (index, Opened { payload, attachments }) in &seen.0[1..] {
        let (n, i) = ((index - 1) / 100, (index - 1) % 100);
        let expected = if i == 50 { vec![n as u8; LARGE] } else { format!("payload {n} {i}").into_bytes() };
        assert!(payload.as_ref() == Some(&expected), "entry {index}");
        let large = vec![n as u8 | 64; LARGE + i as usize];
        let said = [Digest::of(b"what many attach"), Digest::of(&large)].map(Some);
        let expected: &[_] = if i % 10 == 0 { &said } else { &[] };
        assert_eq!(attachments, expected, "entry {index}");
    }
    // Reading opens them as well, and only with the key.
    let (_, first) = ledger.entries(1..2).unwrap().remove(0);
    assert_eq!(first.payload.sealed.as_deref(), Some(key().id()));
    assert!(matches!(ledger.payload(&first.payload), Err(Error::Sealed { .. })));
    let mut ledger = ledger;
    ledger.set_payload_key(Some(key()));
    assert_eq!(ledger.payload(&first.payload).unwrap(), b"payload 0 0");
    assert_eq!(ledger.payload_digest(&first.payload).unwrap(), Digest::of(b"payload 0 0"));
    assert_eq!(payload_key::named_in(&ledger).unwrap().as_deref(), Some(key().commitment()));
}

#[test]
fn what_cannot_be_opened_is_counted_and_is_no_verified_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    build(&path);
    for held in [None, Some(PayloadKey::from_bytes([9; 32]).unwrap())] {
        let (report, seen) = examine(&path, &with_key(held));
        assert_eq!(codes(&report), []);
        assert_eq!(report.unopened, 600 + 2 * 60);
        assert!(!report.is_sound());
        // Entry 0 is open. Of what comes after the first that is not, nobody judges.
        assert_eq!(seen.0.len(), 1);
    }
}

#[test]
fn a_bit_in_any_sealed_blob_is_found_with_and_without_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let mut ledger = committed_to(&path, key().commitment());
    let entries = (0..12).map(|i| {
        let mut new = entry(&format!("run-{i}"), format!("payload {i}"));
        let size = if i == 5 { LARGE } else { i };
        new.attachments = vec![NewBlob { bytes: vec![i as u8; size], media: "a/b".into() }];
        if i == 7 {
            new.payload.bytes = vec![7; LARGE];
        }
        new
    });
    ledger.append(sealed_batch(entries.collect()), &signer(), &clock(1)).unwrap();
    let mut tried = 0;
    for (index, entry) in ledger.entries(1..13).unwrap() {
        for blob in [&entry.payload, &entry.attachments[0]] {
            let hex = blob.sha256.hex();
            let file = path.join("blobs/sha256").join(&hex[..2]).join(&hex[2..]);
            let whole = fs::read(&file).unwrap();
            // In the mark, the nonce, the ciphertext and the tag.
            for at in [0, 8, 31, whole.len() - 1] {
                let mut bent = whole.clone();
                bent[at] ^= 1;
                fs::write(&file, &bent).unwrap();
                for held in [None, Some(key())] {
                    let (report, _) = examine(&path, &with_key(held));
                    assert_eq!(codes(&report), [(code::CORRUPT, Some(index))], "{}", file.display());
                    tried += 1;
                }
            }
            fs::write(&file, &whole).unwrap();
        }
    }
    assert_eq!(tried, 12 * 2 * 4 * 2);
    assert!(examine(&path, &with_key(Some(key()))).0.is_sound());
}

/// Where the log's holder seals something that does not open, the digest is right and the content cannot be read: only the
/// key shows it.
#[test]
fn what_hashes_and_does_not_open_is_no_sound_payload() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let mut ledger = committed_to(&path, key().commitment());
    let rubbish = |bytes: &[u8]| NewBlob { bytes: bytes.to_vec(), media: "a/b".into() };
    let other = PayloadKey::from_bytes([9; 32]).unwrap().seal(b"a payload").unwrap();
    let mut new = sealed_batch(vec![entry("a", "a"), entry("b", "b"), entry("c", "c")]);
    new.entries[1].payload = rubbish(b"no sealed bytes at all");
    new.entries[2].attachments = vec![rubbish(&other)];
    ledger.append(new, &signer(), &clock(1)).unwrap();
    let (report, seen) = examine(&path, &with_key(Some(key())));
    assert_eq!(codes(&report), [(code::CORRUPT, Some(2)), (code::CORRUPT, Some(3))]);
    assert_eq!(report.unopened, 0);
    // An attachment that does not open says nothing.
    let (index, Opened { payload, attachments }) = seen.0.last().unwrap();
    assert_eq!((*index, payload.as_deref(), attachments.as_slice()), (3, Some(&b"c"[..]), &[None][..]));
    let (report, _) = examine(&path, &with_key(None));
    assert_eq!((codes(&report).len(), report.unopened), (0, 4));
}

#[test]
fn entry_0_says_what_is_sealed_and_with_which_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let mut ledger = committed_to(&path, key().commitment());
    let open = |kind| NewEntry { kind, ..entry("log", "open by right") };
    let clear = Batch { entries: vec![open(EventKind::RunStarted)], ..Batch::default() };
    ledger.append(clear, &signer(), &clock(1)).unwrap();
    let foreign = Batch { sealed_with: Some("0".repeat(16)), ..sealed_batch(vec![entry("b", "b")]) };
    ledger.append(foreign, &signer(), &clock(1)).unwrap();
    // What is said of the log's keys is never sealed, whatever the batch says.
    let keys = Batch { entries: vec![open(EventKind::SecondLogKeyChosen)], ..sealed_batch(vec![]) };
    ledger.append(keys, &signer(), &clock(1)).unwrap();
    assert_eq!(ledger.entries(3..4).unwrap()[0].1.payload.sealed, None);
    let otherwise = |report: &VerifyReport| {
        let found = report.problems.iter().filter(|p| p.code == code::SEALED_OTHERWISE);
        found.map(|p| p.entry.unwrap()).collect::<Vec<_>>()
    };
    for held in [None, Some(key())] {
        assert_eq!(otherwise(&examine(&path, &with_key(held)).0), [1, 2]);
    }

    // A ledger that says nothing of sealing has nothing sealed.
    let path = dir.path().join("plain");
    let mut ledger = crate::support::new_ledger(&path);
    ledger.append(sealed_batch(vec![entry("a", "a")]), &signer(), &clock(1)).unwrap();
    assert_eq!(otherwise(&examine(&path, &with_key(Some(key()))).0), [1]);
}

/// The name of a key is short enough for somebody to make two of one name. What entry 0 commits to is not.
#[test]
fn a_key_of_the_same_name_is_another_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let commitment = format!("{}{}", key().id(), "0".repeat(48));
    let mut ledger = committed_to(&path, &commitment);
    ledger.append(sealed_batch(vec![entry("a", "a")]), &signer(), &clock(1)).unwrap();
    let (report, _) = examine(&path, &with_key(Some(key())));
    assert_eq!(codes(&report), [(code::SEALED_OTHERWISE, Some(0))]);

    let data = dir.path().join("data");
    let installation = countersign_store::installation::Installation::at(&data);
    let file = dir.path().join("key");
    fs::write(&file, format!("{}\n", key().to_hex().as_str())).unwrap();
    let refused = installation.import_payload_key(&ledger, &file).unwrap_err();
    assert_eq!(countersign_model::Diagnostic::code(&refused), "CS-KEY-042");
    // Nor does it open the ledger when it lies there all the same.
    let place = installation.ledger_dir(ledger.origin());
    fs::create_dir_all(&place).unwrap();
    fs::copy(&file, place.join("payload.key")).unwrap();
    let opened = countersign_store::Session::open(&path, installation, Arc::new(clock(2)));
    assert_eq!(countersign_model::Diagnostic::code(&opened.err().unwrap()), code::SEALED);
}
