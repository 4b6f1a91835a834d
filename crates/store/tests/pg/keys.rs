//! The log's keys are exchanged while several servers append.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use countersign_evidence::checkpoint;
use countersign_evidence::note::{Note, SignerKey, VerifierKey};
use countersign_evidence::rotation::Rotation;
use countersign_model::{Diagnostic as _, EventKind};
use countersign_store::engine::KeyChange;
use countersign_store::engine::embedded::{Observer, Publishing};
use countersign_store::postgres::{Asked, Held, Keyring, Options, Postgres};
use countersign_store::{Appended, Batch, Engine as _, Error, Ledger, NewEntry, Source as _};

use crate::cluster::{Cluster, shared};
use crate::support::{ORIGIN, batch, entry, keyed, new_ledger, now, read_only};

fn key(seed: u8) -> SignerKey {
    SignerKey::from_seed(ORIGIN, &[seed; 32]).unwrap()
}

fn vkey(seed: u8) -> VerifierKey {
    key(seed).verifier().clone()
}

/// Who holds the keys of these seeds, and may be given more.
#[derive(Clone)]
struct Ring(Arc<Mutex<Vec<u8>>>);

impl Ring {
    fn of(seeds: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(seeds.to_vec())))
    }

    fn give(&self, seed: u8) {
        self.0.lock().unwrap().push(seed);
    }
}

impl Keyring for Ring {
    fn held(&self, asked: &Asked) -> Result<Option<Held>, Error> {
        let seeds = self.0.lock().unwrap().clone();
        let find = |vkey: &str| seeds.iter().map(|s| key(*s)).find(|k| k.verifier().to_string() == vkey);
        let before = asked.before.as_deref().and_then(find);
        Ok(find(&asked.vkey).map(|key| Held { before, ..key.into() }))
    }
}

fn open(cluster: &Cluster, schema: &str, ring: &Ring) -> Postgres {
    Postgres::open(cluster.address(schema), Options::default(), Arc::new(ring.clone())).unwrap()
}

/// Exchanges the key of one seed for that of another.
fn rotate(ledger: &Postgres, old: u8, new: u8) -> Result<Appended, Error> {
    loop {
        let note = ledger.read("ledger/checkpoint", 10_000)?.unwrap();
        let head = checkpoint::open(&note, ORIGIN, &[vkey(old)]).unwrap();
        let (size, root) = (head.size, head.root);
        let rotation = Rotation { origin: ORIGIN.into(), old: vkey(old), new: vkey(new), size, root };
        let note = rotation.sign(&key(old), &key(new)).unwrap();
        let said = NewEntry { kind: EventKind::LogKeyRotated, ..entry("ledger", note.clone()) };
        let batch = Batch { entries: vec![said], expect_size: Some(head.size), ..Batch::default() };
        match ledger.exchange(batch, now(0), &KeyChange::Rotated(note)) {
            Err(e) if e.is_conflict() => {}
            done => return done,
        }
    }
}

/// The seeds whose keys signed a note, and the size that it is of.
fn signers(note: &str, seeds: &[u8]) -> (Vec<u8>, u64) {
    let parsed = Note::parse(note.as_bytes()).unwrap();
    assert_eq!(
        parsed.signatures.len(),
        parsed.signatures.iter().filter(|s| seeds.iter().any(|k| vkey(*k).id() == s.id)).count()
    );
    let by = seeds.iter().copied().filter(|s| parsed.signatures.iter().any(|line| line.id == vkey(*s).id()));
    let by: Vec<u8> = by.collect();
    let keys: Vec<VerifierKey> = by.iter().map(|s| vkey(*s)).collect();
    for key in keys {
        checkpoint::open(note.as_bytes(), ORIGIN, &[key]).unwrap();
    }
    (by.clone(), checkpoint::open(note.as_bytes(), ORIGIN, &[vkey(by[0])]).unwrap().size)
}

fn published(cluster: &Cluster, schema: &str) -> String {
    let note = cluster.sql(&format!("select replace(checkpoint, E'\\n', '|') from {schema}.head"));
    note.replace('|', "\n")
}

fn read(ledger: &Postgres, name: &str) -> Option<String> {
    ledger.read(name, 10_000).unwrap().map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn everybody_signs_with_the_new_key_from_one_entry_on_or_not_at_all() {
    let Some(cluster) = shared() else { return };
    drop(new_ledger(cluster, "rotated"));
    let (late, own) = (Ring::of(&[7]), Ring::of(&[7, 8]));
    let (ledger, behind, other) =
        (open(cluster, "rotated", &own), open(cluster, "rotated", &Ring::of(&[7])), open(cluster, "rotated", &late));
    let reader = read_only(cluster, "rotated");
    let mut follows = Ledger::over(Arc::new(read_only(cluster, "rotated"))).unwrap();
    for front_end in [&ledger, &behind, &other] {
        front_end.append(batch("before", 2), now(1)).unwrap();
    }
    ledger.publish().unwrap();
    assert!(follows.refresh().unwrap());
    let done = rotate(&ledger, 7, 8).unwrap();
    assert_eq!((done.first_index, signers(&done.checkpoint, &[7, 8])), (7, (vec![7, 8], 8)));
    // It is published at once, and the one before it by the key before.
    assert_eq!(published(cluster, "rotated"), done.checkpoint);
    assert_eq!(signers(&cluster.sql("select note from rotated.checkpoints where size = 7"), &[7, 8]).0, [7]);
    // One that knows the old key alone neither appends nor signs any more, and reads on.
    for _ in 0..2 {
        assert_eq!(behind.append(batch("never", 1), now(2)).unwrap_err().code(), "CS-PG-012");
        assert_eq!(behind.publish().unwrap_err().code(), "CS-PG-012");
        assert_eq!(other.append(batch("never", 1), now(2)).unwrap_err().code(), "CS-PG-012");
    }
    assert_eq!(cluster.sql("select size from rotated.head"), "8");
    assert_eq!(signers(&ledger.append(batch("after", 1), now(2)).unwrap().checkpoint, &[7, 8]), (vec![8], 9));
    ledger.publish().unwrap();
    for who in [&ledger, &behind, &other, &reader] {
        assert_eq!(read(who, "ledger/checkpoint").unwrap(), published(cluster, "rotated"));
        assert_eq!(read(who, "ledger/vkey").unwrap(), format!("{}\n", vkey(8)));
        assert!(read(who, "ledger/rotations/1").unwrap().starts_with("countersign-log-key-rotation/v1\n"));
        assert_eq!(read(who, "ledger/rotations/2"), None);
        let listed = who.list("ledger/rotations").unwrap().unwrap();
        assert_eq!(listed.iter().map(|l| l.name.as_str()).collect::<Vec<_>>(), ["ledger/rotations/1"]);
        assert!(who.list("ledger").unwrap().unwrap().iter().any(|l| l.name == "ledger/rotations" && l.is_dir));
    }
    assert!(follows.refresh().unwrap());
    assert_eq!((follows.size(), follows.vkey()), (9, &vkey(8)));
    // The new key is brought, and the server that waited for it goes on as it is.
    late.give(8);
    assert_eq!(signers(&other.append(batch("again", 1), now(3)).unwrap().checkpoint, &[7, 8]), (vec![8], 10));
    assert!(!open(cluster, "rotated", &Ring::of(&[7])).can_append());
    // Once more, and twice: whoever slept through it walks from key to key.
    own.give(9);
    rotate(&ledger, 8, 9).unwrap();
    own.give(10);
    rotate(&ledger, 9, 10).unwrap();
    ledger.append(batch("last", 1), now(4)).unwrap();
    ledger.publish().unwrap();
    assert!(follows.refresh().unwrap());
    assert_eq!((follows.size(), follows.vkey()), (13, &vkey(10)));
    assert_eq!(Ledger::over(Arc::new(reader)).unwrap().size(), 13);
}

#[test]
fn an_exchange_without_the_new_key_or_by_another_one_changes_nothing() {
    let Some(cluster) = shared() else { return };
    drop(new_ledger(cluster, "refused"));
    let ledger = open(cluster, "refused", &Ring::of(&[7, 8]));
    let state = || cluster.sql("select size || ' ' || (select count(*) from refused.log_keys) from refused.head");
    assert_eq!(rotate(&ledger, 7, 9).unwrap_err().code(), "CS-PG-012", "it does not hold it");
    let forged = Rotation { origin: ORIGIN.into(), old: vkey(9), new: vkey(8), size: 1, root: [0; 32] };
    let note = forged.sign(&key(9), &key(8)).unwrap();
    let error = ledger.exchange(batch("x", 1), now(1), &KeyChange::Rotated(note)).unwrap_err();
    assert_eq!(error.code(), "CS-LEDGER-009", "{error}");
    assert_eq!(state(), "1 0");
    ledger.append(batch("a", 1), now(1)).unwrap();
    // A row that an insider adds or takes away changes nobody's mind.
    rotate(&ledger, 7, 8).unwrap();
    cluster.sql("delete from refused.log_keys");
    assert_eq!(ledger.append(batch("b", 1), now(1)).map(|a| a.size).unwrap(), 4, "it knows");
    let fresh = Postgres::open(cluster.address("refused"), Options::default(), Arc::new(Ring::of(&[7, 8])));
    assert!(matches!(fresh.unwrap_err().code(), "CS-PG-007" | "CS-LEDGER-009"));
}

#[test]
fn under_load_no_note_is_signed_by_a_key_that_is_not_in_force_at_its_size() {
    let Some(cluster) = shared() else { return };
    drop(new_ledger(cluster, "loaded"));
    let both = Ring::of(&[7, 8]);
    let behind = open(cluster, "loaded", &Ring::of(&[7]));
    let (ledger, goes_on) = (open(cluster, "loaded", &both), open(cluster, "loaded", &both));
    let ended = AtomicU32::new(0);
    let (index, notes) = std::thread::scope(|scope| {
        // Each goes on until it is refused, or twenty times after the rotation.
        let appends = move |front_end: &Postgres, name: &str, ended: &AtomicU32| {
            let (mut notes, mut after) = (Vec::new(), 0);
            for i in 0.. {
                // The exchange binds the size that it was signed for, so it needs a moment without an append.
                std::thread::sleep(std::time::Duration::from_millis(20));
                match front_end.append(keyed(&format!("{name}/{i}"), 1), now(0)) {
                    Ok(appended) => notes.push((appended.checkpoint, true)),
                    Err(e) => {
                        notes.push((e.code().to_owned(), false));
                        break;
                    }
                }
                after += ended.load(Ordering::Relaxed);
                if after >= 20 {
                    break;
                }
            }
            notes
        };
        let (behind, goes_on, stop) = (&behind, &goes_on, &ended);
        let old: Vec<_> = (0..3).map(|n| scope.spawn(move || appends(behind, &format!("old{n}"), stop))).collect();
        let new: Vec<_> = (0..3).map(|n| scope.spawn(move || appends(goes_on, &format!("new{n}"), stop))).collect();
        while cluster.sql("select size from loaded.head").parse::<u64>().unwrap() < 120 {
            std::thread::yield_now();
        }
        let index = rotate(&ledger, 7, 8).unwrap().first_index;
        ended.store(1, Ordering::Relaxed);
        let old: Vec<_> = old.into_iter().flat_map(|t| t.join().unwrap()).collect();
        let new: Vec<_> = new.into_iter().flat_map(|t| t.join().unwrap()).collect();
        // Who has both keys notices nothing; who has the old one alone is told why.
        assert!(new.iter().all(|(_, ok)| *ok), "{:?}", new.iter().find(|(_, ok)| !ok));
        assert!(old.iter().filter(|(_, ok)| !ok).all(|(code, _)| code == "CS-PG-012"));
        assert_eq!(old.iter().filter(|(_, ok)| !ok).count(), 3);
        (index, old.into_iter().chain(new).filter(|(_, ok)| *ok).map(|(note, _)| note).collect::<Vec<_>>())
    });
    ledger.publish().unwrap();
    let all = cluster.sql("select replace(note, E'\\n', '|') from loaded.checkpoints");
    let all = all.lines().map(|note| note.replace('|', "\n"));
    let mut roots = std::collections::HashMap::new();
    for note in notes.into_iter().chain(all) {
        let (by, size) = signers(&note, &[7, 8]);
        let expected: &[u8] = if size <= index {
            &[7]
        } else if size == index + 1 {
            &[7, 8]
        } else {
            &[8]
        };
        assert_eq!(by, expected, "at {size}, the key was exchanged in entry {index}");
        let text = Note::parse(note.as_bytes()).unwrap().text;
        assert_eq!(roots.entry(size).or_insert_with(|| text.clone()), &text, "a fork at {size}");
    }
    assert_eq!(cluster.sql("select count(*) = max(idx) + 1 from loaded.entries"), "t");
}

#[test]
fn a_server_that_dies_between_the_exchange_and_its_checkpoint_is_made_up_for() {
    let Some(cluster) = shared() else { return };
    drop(new_ledger(cluster, "died"));
    let (ring, reader) = (Ring::of(&[7, 8]), read_only(cluster, "died"));
    let ledger = open(cluster, "died", &ring);
    ledger.append(batch("a", 1), now(1)).unwrap();
    ledger.publish().unwrap();
    let before = published(cluster, "died");
    let done = rotate(&ledger, 7, 8).unwrap();
    drop(ledger);
    // As it was committed, and before anything else was done.
    cluster.sql(&format!("update died.head set checkpoint = '{before}'; delete from died.checkpoints where size = 3"));
    // The log that was published is the old one, with its key, to the last byte.
    assert_eq!(read(&reader, "ledger/checkpoint").unwrap(), before);
    assert_eq!(read(&reader, "ledger/vkey").unwrap(), format!("{}\n", vkey(7)));
    assert_eq!(read(&reader, "ledger/rotations/1"), None);
    assert_eq!(Ledger::over(Arc::new(read_only(cluster, "died"))).unwrap().size(), 2);
    // The old key alone does nothing about it.
    assert!(!open(cluster, "died", &Ring::of(&[7])).can_append());
    // Whoever opens it next with the new one publishes what was left, with both signatures where both keys are there.
    drop(open(cluster, "died", &ring));
    assert_eq!(published(cluster, "died"), done.checkpoint);
    assert_eq!(read(&reader, "ledger/vkey").unwrap(), format!("{}\n", vkey(8)));
    cluster.sql(&format!("update died.head set checkpoint = '{before}'"));
    let next = open(cluster, "died", &Ring::of(&[8]));
    assert_eq!(signers(&next.append(batch("b", 1), now(1)).unwrap().checkpoint, &[7, 8]), (vec![8], 4));
    assert_eq!(Ledger::with_engine(Arc::new(next)).unwrap().size(), 4);
}

#[test]
fn a_checkpoint_that_could_not_be_published_is_told_of_and_published_as_soon_as_it_can_be() {
    let Some(cluster) = shared() else { return };
    let told = Arc::new(Mutex::new(Vec::new()));
    let observer = {
        let told = Arc::clone(&told);
        Observer::new(move |what| {
            told.lock().unwrap().push(match what {
                Publishing::Failed { waiting, error } => format!("failed {waiting} {}", error.code()),
                Publishing::Recovered { size } => format!("recovered {size}"),
            });
        })
    };
    drop(new_ledger(cluster, "quiet"));
    let options = Options { observer, ..Options::default() };
    let ledger = Postgres::open(cluster.address("quiet"), options, Arc::new(Ring::of(&[7]))).unwrap();
    // Appending goes on, publishing by itself does not.
    cluster.sql(
        "create function quiet.no() returns trigger language plpgsql as $$ begin raise 'no room'; end $$; create trigger no \
         before update on quiet.head for each row when (new.size = old.size) execute function quiet.no()",
    );
    let appended = ledger.append(batch("a", 3), now(1)).unwrap();
    let until = |what: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !what() {
            assert!(start.elapsed() < Duration::from_secs(60), "{:?}", told.lock().unwrap());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    until(&|| !told.lock().unwrap().is_empty());
    assert_ne!(published(cluster, "quiet"), appended.checkpoint);
    cluster.sql("drop trigger no on quiet.head");
    // Nobody appends, asks or starts.
    until(&|| published(cluster, "quiet") == appended.checkpoint);
    until(&|| told.lock().unwrap().len() > 1);
    assert_eq!(*told.lock().unwrap(), ["failed 3 CS-PG-004", "recovered 4"]);
}
