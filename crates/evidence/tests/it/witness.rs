//! The witness's decision: which answer for which request, and never two histories.

use countersign_evidence::Error;
use countersign_evidence::checkpoint::{self, Checkpoint};
use countersign_evidence::cosignature::{self, CosignerKey};
use countersign_evidence::merkle::{Hash, MemoryTree, consistency_proof, empty_root, leaf_hash};
use countersign_evidence::note::{self, Algorithm, SignerKey, VerifierKey};
use countersign_evidence::witness::{Answer, Refusal, Request, SIZE_MEDIA, decide};
use proptest::prelude::*;

use crate::support::tree;

const ORIGIN: &str = "example.com/log";

fn log() -> SignerKey {
    SignerKey::from_seed(ORIGIN, &[1; 32]).unwrap()
}

fn keys() -> [VerifierKey; 1] {
    [log().verifier().clone()]
}

fn at(size: u64, root: Hash) -> Checkpoint {
    Checkpoint { origin: ORIGIN.into(), size, root }
}

fn request(old: u64, size: u64) -> Request {
    let tree = tree(size);
    let checkpoint = at(size, tree.root()).sign(&log()).unwrap();
    Request { old, proof: consistency_proof(old, size, &tree).unwrap(), checkpoint }
}

fn status(request: &Request, latest: Option<&Checkpoint>) -> u16 {
    decide(request, &keys(), latest).map_or_else(|r| r.status(), |_| 200)
}

#[test]
fn every_answer_of_the_specification() {
    let known = at(5, tree(5).root());
    assert_eq!(status(&request(0, 5), None), 200);
    assert_eq!(status(&request(5, 9), Some(&known)), 200);
    assert_eq!(status(&request(5, 5), Some(&known)), 200, "the same again");
    // Unknown log, or a key that signs for witnesses only.
    assert_eq!(decide(&request(0, 5), &[], None).unwrap_err().status(), 404);
    let cosigner = CosignerKey::from_seed(ORIGIN, Algorithm::Ed25519Cosignature, &[1; 32]).unwrap();
    assert_eq!(decide(&request(0, 5), &[cosigner.verifier().clone()], None).unwrap_err().status(), 404);
    let other = SignerKey::from_seed("example.com/other", &[1; 32]).unwrap();
    assert_eq!(decide(&request(0, 5), &[other.verifier().clone()], None).unwrap_err().status(), 404);
    // Signed by nobody known, or falsely.
    let stranger = SignerKey::from_seed(ORIGIN, &[2; 32]).unwrap();
    assert_eq!(decide(&request(0, 5), &[stranger.verifier().clone()], None).unwrap_err().status(), 403);
    let mut forged = request(0, 5);
    forged.checkpoint = forged.checkpoint.replacen("\n5\n", "\n6\n", 1);
    assert_eq!(status(&forged, None), 403);
    // Older than it says.
    assert_eq!(status(&Request { old: 6, ..request(0, 5) }, Some(&known)), 400);
    // From another size than the one that is known.
    for old in [0, 4, 6] {
        let refusal = decide(&request(old, 9), &keys(), Some(&known)).unwrap_err();
        assert_eq!((refusal.status(), refusal.body()), (409, (SIZE_MEDIA, "5\n".to_owned())));
    }
    assert_eq!(decide(&request(5, 9), &keys(), None).unwrap_err().body(), (SIZE_MEDIA, "0\n".to_owned()));
    // Proofs that do not connect.
    let mut cut = request(5, 9);
    cut.proof.pop();
    assert_eq!(status(&cut, Some(&known)), 422);
    let mut long = request(0, 9);
    long.proof.push([0; 32]);
    assert_eq!(status(&long, None), 422, "from nothing, the proof is empty");
    assert_eq!(status(&Request { proof: vec![[0; 32]], ..request(5, 5) }, Some(&known)), 422);
}

#[test]
fn a_log_without_entries_has_one_root() {
    let empty = |root| Request { old: 0, proof: vec![], checkpoint: at(0, root).sign(&log()).unwrap() };
    assert_eq!(status(&empty(empty_root()), None), 200);
    assert_eq!(status(&empty([1; 32]), None), 422);
    assert_eq!(status(&request(0, 3), Some(&at(0, empty_root()))), 200);
}

#[test]
fn two_histories_of_one_size_are_kept_as_evidence() {
    let known = at(5, tree(5).root());
    let fork = at(5, [9; 32]).sign(&log()).unwrap();
    let asked = |old| Request { old, proof: vec![], checkpoint: fork.clone() };
    match decide(&asked(5), &keys(), Some(&known)).unwrap_err() {
        Refusal::Inconsistent { signed, fork: true } => assert_eq!(signed, fork),
        other => panic!("{other:?}"),
    }
    // Whatever size the request claims to come from.
    match decide(&asked(0), &keys(), Some(&known)).unwrap_err() {
        Refusal::Stale { size: 5, fork: Some(signed) } => assert_eq!(signed, fork),
        other => panic!("{other:?}"),
    }
    assert!(matches!(decide(&request(0, 5), &keys(), Some(&known)), Err(Refusal::Stale { fork: None, .. })));
}

#[test]
fn the_cosigned_note_holds_the_log_and_the_witness_and_nothing_else() {
    let stranger = SignerKey::from_seed("stranger", &[3; 32]).unwrap();
    let mut asked = request(0, 5);
    let text = at(5, tree(5).root()).to_text();
    let line = note::Note::parse(note::sign(&text, &stranger).unwrap().as_bytes()).unwrap().signatures;
    asked.checkpoint = cosignature::merge(asked.checkpoint.as_bytes(), &line).unwrap();
    let witnesses = [Algorithm::Ed25519Cosignature, Algorithm::MlDsa44]
        .map(|kind| CosignerKey::from_seed("w.example", kind, &[7; 32]).unwrap());
    let cosigned = decide(&asked, &keys(), None).unwrap().cosign(&witnesses, 1_700_000_000).unwrap();
    let known = [log().verifier(), witnesses[0].verifier(), witnesses[1].verifier()].map(Clone::clone);
    let opened = note::open(cosigned.note.as_bytes(), &known).unwrap();
    assert_eq!((opened.by, opened.unknown.len()), (vec![0, 1, 2], 0));
    let found = cosignature::verify_lines(asked.checkpoint.as_bytes(), &cosigned.lines, &known).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(checkpoint::open(cosigned.note.as_bytes(), ORIGIN, &keys()).unwrap().size, 5);
}

#[test]
fn a_checkpoint_with_extension_lines_is_cosigned_whole() {
    let text = format!("{}extension of another log\n", at(5, tree(5).root()).to_text());
    let asked = Request { old: 0, proof: vec![], checkpoint: note::sign(&text, &log()).unwrap() };
    let key = CosignerKey::from_seed("w", Algorithm::Ed25519Cosignature, &[7; 32]).unwrap();
    let cosigned = decide(&asked, &keys(), None).unwrap().cosign(std::slice::from_ref(&key), 1).unwrap();
    let opened = note::open(cosigned.note.as_bytes(), &[key.verifier().clone()]).unwrap();
    assert_eq!(opened.text, text);
}

#[test]
fn malformed_requests_are_refused() {
    let good = request(5, 9).to_text();
    let hash = good.lines().nth(1).unwrap().to_owned();
    assert_eq!(Request::parse(good.as_bytes()).unwrap(), request(5, 9));
    for bad in [
        String::new(),
        good.replace("old 5", "old 05"),
        good.replace("old 5", "old +5"),
        good.replace("old 5", "old"),
        good.replace("old 5\n", ""),
        good.replace("old 5\n", "old 5\nold 5\n"),
        good.replace('\n', "\r\n"),
        good.replace(&hash, &hash[1..]),
        good.replace(&hash, &format!("{hash}\n").repeat(64)),
        good.replacen("\n\n", "\n", 1),
        good[..good.len() - 1].to_owned(),
    ] {
        let error = Request::parse(bad.as_bytes()).unwrap_err();
        assert!(matches!(error, Error::WitnessRequest(_) | Error::Note(_)), "{bad:?} {error}");
    }
    assert!(Request::parse(&[0xff; 10]).is_err());
    assert!(Request::parse(&vec![b'\n'; countersign_evidence::witness::MAX_BYTES + 1]).is_err());
}

#[test]
fn answers_are_read() {
    assert_eq!(Answer::read(409, Some(SIZE_MEDIA), b"300\n"), Answer::Size(300));
    assert_eq!(Answer::read(409, Some("text/x.tlog.size; charset=utf-8"), b"300\n"), Answer::Size(300));
    for (media, body) in
        [(None, "300\n"), (Some("text/plain"), "300\n"), (Some(SIZE_MEDIA), "0300\n"), (Some(SIZE_MEDIA), "300")]
    {
        assert!(matches!(Answer::read(409, media, body.as_bytes()), Answer::Refused { status: 409, .. }));
    }
    let long = format!("no\u{1b}[31m{}\nmore", "x".repeat(500));
    match Answer::read(403, None, long.as_bytes()) {
        Answer::Refused { status: 403, reason } => {
            assert!(reason.starts_with("no[31mxx") && reason.chars().count() == 200)
        }
        other => panic!("{other:?}"),
    }
}

/// A step of a log that may lie: honest growth, or another history from some point on.
fn history(fork_at: Option<u64>, size: u64) -> MemoryTree {
    let mut tree = MemoryTree::new();
    tree.extend(
        (0..size).map(|i| {
            leaf_hash(&if fork_at.is_some_and(|f| i >= f) { vec![1, 2, 3] } else { crate::support::entry(i) })
        }),
    );
    tree
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_asked_what_is_cosigned_is_one_history(
        asked in prop::collection::vec((0_u64..40, 0_u64..40, prop::option::of(0_u64..40), any::<bool>()), 1..40)
    ) {
        let mut latest: Option<Checkpoint> = None;
        let mut cosigned: Vec<(Checkpoint, Option<u64>)> = Vec::new();
        for (old, size, fork_at, follow) in asked {
            let tree = history(fork_at, size);
            let old = if follow { latest.as_ref().map_or(0, |l| l.size) } else { old };
            let proof = if old <= size { consistency_proof(old, size, &tree).unwrap() } else { vec![] };
            let request = Request { old, proof, checkpoint: at(size, tree.root()).sign(&log()).unwrap() };
            if let Ok(accepted) = decide(&request, &keys(), latest.as_ref()) {
                latest = Some(accepted.checkpoint.clone());
                cosigned.push((accepted.checkpoint, fork_at));
            }
        }
        // Every checkpoint that was cosigned is a prefix of the last one.
        if let Some((last, fork_at)) = cosigned.last() {
            for (checkpoint, _) in &cosigned {
                prop_assert!(checkpoint.size <= last.size);
                prop_assert_eq!(checkpoint.root, history(*fork_at, checkpoint.size).root());
            }
        }
    }

    #[test]
    fn requests_read_back(old: u64, proof in prop::collection::vec(any::<[u8; 32]>(), 0..=63)) {
        let request = Request { old, proof, checkpoint: at(1, [0; 32]).sign(&log()).unwrap() };
        prop_assert_eq!(Request::parse(request.to_text().as_bytes()).unwrap(), request);
    }
}
