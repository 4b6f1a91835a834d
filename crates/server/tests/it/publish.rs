//! What is served of a ledger, and that nothing else is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use countersign_evidence::checkpoint::Checkpoint;
use countersign_evidence::merkle::{HashReader as _, MemoryTree, leaf_hash};
use countersign_evidence::note::SignerKey;
use countersign_evidence::tile;
use countersign_server::publish::{Found, find};
use countersign_store::Source;
use countersign_store::layout::Paths;
use proptest::prelude::*;

fn write(dir: &Path, name: &str, bytes: &[u8]) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// The files of a ledger whose log has `written` entries on the disk, of which `published` are signed for.
fn ledger(dir: &Path, published: u64, written: u64) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut tree = MemoryTree::new();
    let entries: Vec<_> = (0..written).map(|i| i.to_string().into_bytes()).collect();
    tree.extend(entries.iter().map(|e| leaf_hash(e)));
    let key = SignerKey::from_seed("example.com/log", &[1; 32]).unwrap();
    for size in [published, written] {
        for id in tile::tiles_for_growth(0, size) {
            let hashes: Vec<_> =
                (0..id.width).map(|i| tree.hash(8 * id.level, id.index * 256 + u64::from(i)).unwrap()).collect();
            files.insert(id.path(), tile::encode_tile(&hashes));
        }
        for (index, width) in tile::bundles_for_growth(0, size) {
            let from = usize::try_from(index * 256).unwrap();
            let bytes = tile::encode_bundle(&entries[from..from + usize::from(width)]).unwrap();
            files.insert(tile::entries_path(index, width), bytes);
        }
    }
    let root = countersign_evidence::merkle::root(published, &tree).unwrap();
    let checkpoint = Checkpoint { origin: "example.com/log".into(), size: published, root };
    files.insert("checkpoint".into(), checkpoint.sign(&key).unwrap().into_bytes());
    for (name, bytes) in &files {
        write(dir, &format!("ledger/{name}"), bytes);
    }
    for private in
        ["salt", "ledger/origin", "ledger/vkey", "subjects/p.key", "lock", "tmp/append", "blobs/sha256/aa/bb"]
    {
        write(dir, private, b"not to be served");
    }
    files
}

fn get(dir: &Path, path: &str) -> Option<Found> {
    find(&Paths::new(dir), path).unwrap()
}

#[test]
fn the_published_log_is_served_and_nothing_beyond_it() {
    let dir = tempfile::tempdir().unwrap();
    let files = ledger(dir.path(), 300, 600);
    let served: Vec<_> =
        files.keys().filter(|name| get(dir.path(), &format!("/{name}")).is_some()).map(String::as_str).collect();
    assert_eq!(
        served,
        ["checkpoint", "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44"]
    );
    for name in served {
        assert_eq!(get(dir.path(), &format!("/{name}")).unwrap().bytes, files[name], "{name}");
    }
    assert!(get(dir.path(), "/tile/0/000").unwrap().cache.contains("immutable"));
    assert!(!get(dir.path(), "/tile/0/001.p/44").unwrap().cache.contains("immutable"));
    assert_eq!(get(dir.path(), "/checkpoint").unwrap().media, "text/plain; charset=utf-8");
}

#[test]
fn no_other_file_is_reachable() {
    let dir = tempfile::tempdir().unwrap();
    ledger(dir.path(), 300, 300);
    for path in [
        "",
        "/",
        "//checkpoint",
        "/checkpoint/",
        "checkpoint",
        "/ledger/checkpoint",
        "/origin",
        "/vkey",
        "/salt",
        "/lock",
        "/../salt",
        "/tile/../vkey",
        "/tile/0/../../vkey",
        "/tile/0/000/",
        "/tile/0/000.p/256",
        "/tile/0/0",
        "/tile/00/000",
        "/tile/0/000%2f",
        "/%63heckpoint",
        "/tile/entries/000/../../../vkey",
        "/tile/0",
        "/tile/",
        "/tile/0/002",
        "/tile/9/000",
        "/tile/63/000",
        "/tile/64/000",
        "/tile/0/000.p/44\0",
        "/blobs/sha256/aa/bb",
        "/subjects/p.key",
        "/checkpoint\n",
    ] {
        assert!(get(dir.path(), path).is_none(), "{path:?}");
    }
}

#[test]
fn without_a_checkpoint_nothing_is_served_and_a_broken_one_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    ledger(dir.path(), 300, 300);
    write(dir.path(), "ledger/checkpoint", b"no checkpoint");
    assert!(find(&Paths::new(dir.path()), "/tile/0/000").is_err());
    fs::remove_file(dir.path().join("ledger/checkpoint")).unwrap();
    assert!(get(dir.path(), "/tile/0/000").is_none() && get(dir.path(), "/checkpoint").is_none());
}

/// A source that remembers what it was asked for.
#[derive(Debug, Default)]
struct Spy(std::sync::Mutex<Vec<String>>);

impl Source for Spy {
    fn place(&self) -> String {
        "nowhere".into()
    }
    fn read(&self, name: &str, _: u64) -> Result<Option<Vec<u8>>, countersign_store::Error> {
        self.0.lock().unwrap().push(name.to_owned());
        let key = SignerKey::from_seed("k", &[1; 32]).unwrap();
        let checkpoint = Checkpoint { origin: "k".into(), size: u64::MAX, root: [0; 32] };
        Ok(Some(checkpoint.sign(&key).unwrap().into_bytes()))
    }
    fn stat(&self, _: &str, _: u64) -> Result<Option<u64>, countersign_store::Error> {
        Ok(None)
    }
    fn list(&self, _: &str) -> Result<Option<Vec<countersign_store::Listed>>, countersign_store::Error> {
        Ok(None)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_is_asked_only_parts_of_the_log_are_read(
        parts in prop::collection::vec(prop::sample::select(vec!["/", "..", ".", "tile", "checkpoint", "entries", "0", "000", "x001", ".p/", "44", "ledger", "salt", "%2e", "\0", "\\", "//"]), 0..8)
    ) {
        let spy = Spy::default();
        let _ = find(&spy, &parts.concat());
        for name in spy.0.into_inner().unwrap() {
            let inner = name.strip_prefix("ledger/").unwrap();
            let is_part = inner == "checkpoint"
                || tile::TileId::parse_path(inner).is_ok()
                || tile::parse_entries_path(inner).is_ok();
            prop_assert!(is_part, "{name}");
        }
    }
}
