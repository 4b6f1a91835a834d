//! A witness and its directory.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use countersign_evidence::checkpoint::{self, Checkpoint};
use countersign_evidence::cosignature;
use countersign_evidence::merkle::{Hash, MemoryTree, consistency_proof, leaf_hash, root};
use countersign_evidence::note::{self, Algorithm, SignerKey, VerifierKey};
use countersign_evidence::witness::{Refusal, Request};
use countersign_model::Digest;
use countersign_server::Error;
use countersign_server::witness::{Notice, Reply, Witness};

const ORIGIN: &str = "example.com/log";
const NOW: u64 = 1_700_000_000;

fn log() -> SignerKey {
    SignerKey::from_seed(ORIGIN, &[1; 32]).unwrap()
}

fn tree(size: u64) -> MemoryTree {
    let mut tree = MemoryTree::new();
    tree.extend((0..size).map(|i| leaf_hash(&i.to_be_bytes())));
    tree
}

fn signed(size: u64, root: Hash) -> String {
    Checkpoint { origin: ORIGIN.into(), size, root }.sign(&log()).unwrap()
}

fn request(old: u64, size: u64) -> Vec<u8> {
    let tree = tree(size);
    let proof = consistency_proof(old, size, &tree).unwrap();
    Request { old, proof, checkpoint: signed(size, tree.root()) }.to_text().into_bytes()
}

/// A new witness that knows the log.
fn witness(dir: &Path) -> Witness {
    Witness::create(dir, "witness.example/w1").unwrap();
    assert!(Witness::add_log(dir, log().verifier()).unwrap());
    Witness::open(dir).unwrap()
}

fn file(dir: &Path, name: &str) -> std::path::PathBuf {
    dir.join("logs").join(Digest::of(ORIGIN.as_bytes()).hex()).join(name)
}

fn ask(witness: &Witness, body: &[u8], now: u64) -> Reply {
    witness.add_checkpoint(body, now, &|_| {}).unwrap()
}

fn status(reply: &Reply) -> u16 {
    match reply {
        Reply::Cosigned(_) => 200,
        Reply::Refused(refusal) => refusal.status(),
    }
}

#[test]
fn a_witness_cosigns_what_it_has_remembered_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("w");
    let w = witness(&dir);
    let Reply::Cosigned(lines) = ask(&w, &request(0, 5), NOW) else { panic!("refused") };
    let found = cosignature::verify_lines(signed(5, tree(5).root()).as_bytes(), &lines, &w.verifiers()).unwrap();
    assert_eq!(found.iter().map(cosignature::time_of).collect::<Vec<_>>(), [Some(NOW); 2]);
    // What a monitor reads is what is on the disk, and carries the cosignatures.
    let kept = fs::read(file(&dir, "checkpoint")).unwrap();
    let hex = Digest::of(ORIGIN.as_bytes()).hex();
    assert_eq!(w.checkpoint(&hex).unwrap().unwrap(), kept);
    let mut keys = w.verifiers();
    keys.push(log().verifier().clone());
    let opened = note::open(&kept, &keys).unwrap();
    assert_eq!((opened.signatures.len(), opened.unknown.len()), (3, 0));
    for bad in ["", "x", &hex[1..], &hex.to_uppercase(), "../../keys", &format!("{hex}/../{hex}")] {
        assert!(w.checkpoint(bad).unwrap().is_none(), "{bad}");
    }
    for (body, expected) in [
        (request(0, 9), 409),
        (request(4, 9), 409),
        (request(5, 9), 200),
        (request(5, 9), 409),
        (request(9, 9), 200),
        (b"old 9\n\n".to_vec(), 400),
        (Vec::new(), 400),
    ] {
        assert_eq!(status(&ask(&w, &body, NOW)), expected);
    }
}

#[test]
fn it_remembers_after_a_restart_and_its_clock_never_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("w");
    let w = witness(&dir);
    assert!(matches!(Witness::open(&dir), Err(Error::Busy { .. })));
    ask(&w, &request(0, 5), NOW);
    drop(w);
    // What a crash may leave beside the checkpoint does not count.
    fs::write(file(&dir, "checkpoint.new"), b"half a no").unwrap();
    let w = Witness::open(&dir).unwrap();
    assert_eq!(status(&ask(&w, &request(0, 9), NOW)), 409);
    let Reply::Cosigned(lines) = ask(&w, &request(5, 9), NOW - 1000) else { panic!("refused") };
    let found = cosignature::verify_lines(signed(9, tree(9).root()).as_bytes(), &lines, &w.verifiers()).unwrap();
    assert_eq!(cosignature::time_of(&found[0]), Some(NOW));
}

#[test]
fn a_second_history_is_refused_and_kept_with_what_it_contradicts() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("w");
    let w = witness(&dir);
    ask(&w, &request(0, 5), NOW);
    let before = fs::read(file(&dir, "checkpoint")).unwrap();
    let fork = Request { old: 5, proof: vec![], checkpoint: signed(5, [9; 32]) }.to_text();
    let notices = Mutex::new(Vec::new());
    for _ in 0..2 {
        let reply = w.add_checkpoint(fork.as_bytes(), NOW, &|n| notices.lock().unwrap().push(n)).unwrap();
        assert_eq!(status(&reply), 422);
    }
    let notices = notices.into_inner().unwrap();
    let Notice::Kept { fork: true, file: Some(kept), .. } = &notices[0] else { panic!("{notices:?}") };
    let text = fs::read_to_string(kept).unwrap();
    // Both are signed by the log: that is the proof.
    let (first, second) = text.split_at(signed(5, [9; 32]).len());
    let keys = [log().verifier().clone()];
    let a = checkpoint::open_any(first.as_bytes(), &keys).unwrap();
    let b = checkpoint::open_any(second.trim_start().as_bytes(), &keys).unwrap();
    assert!(a.size == b.size && a.root != b.root);
    assert_eq!(fs::read_dir(file(&dir, "refused")).unwrap().count(), 1, "the same one is kept once");
    // One that is larger, without a proof; and one that says it comes from elsewhere.
    let larger = Request { old: 5, proof: vec![[1; 32]], checkpoint: signed(9, [9; 32]) }.to_text();
    assert_eq!(status(&ask(&w, larger.as_bytes(), NOW)), 422);
    let stale = Request { old: 0, proof: vec![], checkpoint: signed(5, [8; 32]) }.to_text();
    assert_eq!(status(&ask(&w, stale.as_bytes(), NOW)), 409);
    assert_eq!(fs::read_dir(file(&dir, "refused")).unwrap().count(), 3);
    assert_eq!(fs::read(file(&dir, "checkpoint")).unwrap(), before);
}

#[test]
fn what_is_kept_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("w");
    let w = witness(&dir);
    ask(&w, &request(0, 5), NOW);
    for n in 0..200_u8 {
        let body = Request { old: 5, proof: vec![], checkpoint: signed(9, [n; 32]) }.to_text();
        assert_eq!(status(&ask(&w, body.as_bytes(), NOW)), 422);
    }
    assert_eq!(fs::read_dir(file(&dir, "refused")).unwrap().count(), 128);
    // Proofs of two histories have room of their own.
    let fork = Request { old: 5, proof: vec![], checkpoint: signed(5, [9; 32]) }.to_text();
    ask(&w, fork.as_bytes(), NOW);
    assert_eq!(fs::read_dir(file(&dir, "refused")).unwrap().count(), 129);
}

#[test]
fn a_damaged_memory_is_never_taken_for_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("w");
    let w = witness(&dir);
    ask(&w, &request(0, 5), NOW);
    let good = fs::read(file(&dir, "checkpoint")).unwrap();
    let mut altered = good.clone();
    altered[ORIGIN.len() + 1] = b'4';
    let foreign = Checkpoint { origin: "example.com/other".into(), size: 1, root: [0; 32] };
    let foreign = foreign.sign(&SignerKey::from_seed("example.com/other", &[2; 32]).unwrap()).unwrap();
    for bad in [altered, Vec::new(), good[..good.len() / 2].to_vec(), foreign.into_bytes(), vec![0; 2 << 20]] {
        fs::write(file(&dir, "checkpoint"), bad).unwrap();
        let error = w.add_checkpoint(&request(0, 9), NOW, &|_| {}).unwrap_err();
        assert!(matches!(error, Error::Memory { .. } | Error::File { .. }), "{error}");
    }
    fs::write(file(&dir, "checkpoint"), good).unwrap();
    assert_eq!(status(&ask(&w, &request(5, 9), NOW)), 200);
    fs::write(file(&dir, "keys"), "x\n").unwrap();
    assert!(matches!(w.add_checkpoint(&request(9, 10), NOW, &|_| {}), Err(Error::Memory { .. })));
}

#[test]
fn a_witness_that_cannot_write_does_not_cosign() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("w");
    let w = witness(&dir);
    ask(&w, &request(0, 5), NOW);
    let before = fs::read(file(&dir, "checkpoint")).unwrap();
    // Where the new file should be written, something stands that cannot be removed as a file.
    fs::create_dir_all(file(&dir, "checkpoint.new/x")).unwrap();
    assert!(matches!(w.add_checkpoint(&request(5, 9), NOW, &|_| {}), Err(Error::File { .. })));
    assert_eq!(fs::read(file(&dir, "checkpoint")).unwrap(), before);
    fs::remove_dir_all(file(&dir, "checkpoint.new")).unwrap();
    assert_eq!(status(&ask(&w, &request(5, 9), NOW)), 200);
}

#[test]
fn many_at_once_get_one_history() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("w");
    let w = witness(&dir);
    let cosigned = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (w, cosigned) = (&w, &cosigned);
            scope.spawn(move || {
                let mut known = 0;
                for step in 1..=10 {
                    let size = known + 1 + (thread + step) % 3;
                    match ask(w, &request(known, size), NOW) {
                        Reply::Cosigned(_) => {
                            cosigned.lock().unwrap().push((known, size));
                            known = size;
                        }
                        Reply::Refused(Refusal::Stale { size, .. }) => known = size,
                        Reply::Refused(other) => panic!("{other:?}"),
                    }
                }
            });
        }
    });
    // Steps that were cosigned join into one chain: no two start at the same size.
    let mut steps = cosigned.into_inner().unwrap();
    steps.sort_unstable();
    assert_eq!(steps[0].0, 0);
    assert!(steps.windows(2).all(|pair| pair[0].1 == pair[1].0), "{steps:?}");
    let last = steps.last().unwrap().1;
    let kept = fs::read(file(&dir, "checkpoint")).unwrap();
    let opened = checkpoint::open_any(&kept, &[log().verifier().clone()]).unwrap();
    assert_eq!((opened.size, opened.root), (last, root(last, &tree(last)).unwrap()));
}

#[test]
fn logs_are_known_by_their_own_keys() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("w");
    let w = witness(&dir);
    assert!(!Witness::add_log(&dir, log().verifier()).unwrap(), "known already");
    let second =
        countersign_evidence::cosignature::CosignerKey::from_seed(ORIGIN, Algorithm::MlDsa44, &[3; 32]).unwrap();
    assert!(Witness::add_log(&dir, second.verifier()).unwrap());
    assert_eq!(fs::read_to_string(file(&dir, "keys")).unwrap().lines().count(), 2);
    assert!(matches!(Witness::add_log(&dir, &w.verifiers()[0]), Err(Error::NotALog { .. })));
    let other = SignerKey::from_seed("example.com/other", &[1; 32]).unwrap();
    let checkpoint = Checkpoint { origin: "example.com/other".into(), size: 0, root: tree(0).root() };
    let body = Request { old: 0, proof: vec![], checkpoint: checkpoint.sign(&other).unwrap() }.to_text();
    assert_eq!(status(&ask(&w, body.as_bytes(), NOW)), 404);
    // While it is served, it learns of another log.
    Witness::add_log(&dir, other.verifier()).unwrap();
    assert_eq!(status(&ask(&w, body.as_bytes(), NOW)), 200);
}

#[test]
fn a_witness_is_made_once_and_its_keys_are_its_owners() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w");
    assert!(matches!(Witness::open(&path), Err(Error::NoWitness { .. })));
    assert!(matches!(Witness::add_log(&path, log().verifier()), Err(Error::NoWitness { .. })));
    assert!(matches!(Witness::create(&path, "a b"), Err(Error::Evidence(_))));
    assert!(!path.exists());
    let keys = Witness::create(&path, "w").unwrap();
    assert_eq!(
        keys.iter().map(VerifierKey::algorithm).collect::<Vec<_>>(),
        [Algorithm::Ed25519Cosignature, Algorithm::MlDsa44]
    );
    assert_eq!(Witness::open(&path).unwrap().verifiers(), keys);
    assert!(matches!(Witness::create(&path, "w"), Err(Error::Occupied { .. })));
    #[cfg(unix)]
    for file in ["keys/ed25519", "keys/ml-dsa-44"] {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(path.join(file)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // Without the ML-DSA-44 key it goes on with the other one.
    fs::remove_file(path.join("keys/ml-dsa-44")).unwrap();
    assert_eq!(Witness::open(&path).unwrap().verifiers(), keys[..1]);
}
