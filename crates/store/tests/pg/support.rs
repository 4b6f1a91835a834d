//! Ledgers in a database to play with.

use std::sync::Arc;

use countersign_evidence::canonical;
use countersign_evidence::merkle::{Hash, MemoryTree, leaf_hash};
use countersign_evidence::note::SignerKey;
use countersign_evidence::{checkpoint, tile};
use countersign_model::event::LedgerCreated;
use countersign_model::{ActorId, Digest, Entry, EventKind, Retention, StreamId, Timestamp};
use countersign_store::postgres::{Asked, Keyring, Options, Postgres};
use countersign_store::{Batch, Engine as _, Error, NewBlob, NewEntry, Source};

use crate::cluster::Cluster;

pub(crate) const ORIGIN: &str = "countersign.local/00112233445566778899";

pub(crate) fn signer() -> SignerKey {
    SignerKey::from_seed(ORIGIN, &[7; 32]).unwrap()
}

/// Holds the first key of every ledger, or none.
pub(crate) fn keyring(holds: bool) -> Arc<dyn Keyring> {
    Arc::new(move |_: &Asked| Ok(holds.then(|| signer().into())))
}

pub(crate) fn now(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_795_000_000_000).plus_seconds(seconds)
}

pub(crate) fn entry(stream: &str, payload: impl Into<Vec<u8>>) -> NewEntry {
    NewEntry {
        kind: EventKind::RunStarted,
        stream: StreamId::from_text(stream),
        actor: ActorId::from_text("act-0"),
        retention: Retention::SoxSevenYears,
        refs: Vec::new(),
        payload: NewBlob { bytes: payload.into(), media: "text/plain".into() },
        attachments: Vec::new(),
    }
}

pub(crate) fn batch(name: &str, n: usize) -> Batch {
    let entries = (0..n).map(|i| entry(&format!("run-{}", i % 3), format!("{name} {i}"))).collect();
    Batch { entries, ..Batch::default() }
}

pub(crate) fn keyed(name: &str, n: usize) -> Batch {
    Batch { key: Some(name.to_owned()), ..batch(name, n) }
}

pub(crate) fn genesis() -> Batch {
    let salt = format!("{}\n", "05".repeat(32));
    let created = LedgerCreated {
        version: 1,
        origin: ORIGIN.into(),
        vkey: signer().verifier().to_string(),
        recorder: "ed25519:".into(),
        salt_sha256: Digest::of(salt.as_bytes()),
        payload_key: None,
        replaces: Vec::new(),
    };
    let payload = canonical::to_vec(&created).unwrap();
    let entry = NewEntry { kind: EventKind::LedgerCreated, ..entry("ledger", payload) };
    Batch { entries: vec![entry], ..Batch::default() }
}

/// A ledger with entry 0 in a schema of its own.
pub(crate) fn new_ledger(cluster: &Cluster, schema: &str) -> Postgres {
    let (address, salt) = (cluster.address(schema), Some([5; 32]));
    let ledger = Postgres::create(address, Options::default(), signer(), keyring(true), salt).unwrap();
    ledger.append(genesis(), now(0)).unwrap();
    ledger
}

pub(crate) fn open(cluster: &Cluster, schema: &str) -> Postgres {
    open_with(cluster, schema, Options::default()).unwrap()
}

pub(crate) fn open_with(cluster: &Cluster, schema: &str, options: Options) -> Result<Postgres, Error> {
    Postgres::open(cluster.address(schema), options, keyring(true))
}

pub(crate) fn read_only(cluster: &Cluster, schema: &str) -> Postgres {
    Postgres::open(cluster.address(schema), Options::default(), keyring(false)).unwrap()
}

/// The log as any tlog client sees it: the entries, and the tree over them, which the checkpoint must name.
pub(crate) struct Seen {
    pub(crate) entries: Vec<Entry>,
    tree: MemoryTree,
    roots: Vec<Hash>,
}

impl Seen {
    pub(crate) fn of(source: &dyn Source) -> Self {
        let note = source.read("ledger/checkpoint", 100_000).unwrap().unwrap();
        let head = checkpoint::open(&note, ORIGIN, &[signer().verifier().clone()]).unwrap();
        let mut seen = Self { entries: Vec::new(), tree: MemoryTree::new(), roots: Vec::new() };
        seen.roots.push(seen.tree.root());
        for index in 0..head.size.div_ceil(256) {
            let width = tile::width_at(0, index, head.size);
            let name = format!("ledger/{}", tile::entries_path(index, width));
            let bundle = source.read(&name, 100 << 20).unwrap().unwrap();
            for leaf in tile::decode_bundle(&bundle).unwrap() {
                seen.entries.push(canonical::from_slice(leaf).unwrap());
                seen.tree.push(leaf_hash(leaf));
                seen.roots.push(seen.tree.root());
            }
        }
        assert_eq!(seen.tree.size(), head.size);
        assert_eq!(seen.tree.root(), head.root, "the checkpoint is not of these entries");
        seen
    }

    /// Asserts that a note is one of this log's history.
    pub(crate) fn must_agree_with(&self, note: &str) {
        let other = checkpoint::open(note.as_bytes(), ORIGIN, &[signer().verifier().clone()]).unwrap();
        let root = self.roots.get(usize::try_from(other.size).unwrap());
        assert_eq!(root, Some(&other.root), "a fork at {}", other.size);
    }

    /// How often a payload stands in the log.
    pub(crate) fn count(&self, payload: &str) -> usize {
        let digest = Digest::of(payload.as_bytes());
        self.entries.iter().filter(|e| e.payload.sha256 == digest).count()
    }
}
