//! Rotations of a log's key: both keys sign, and nothing else passes for it.

use countersign_evidence::Error;
use countersign_evidence::checkpoint::{self, Checkpoint};
use countersign_evidence::note::{Note, SignerKey};
use countersign_evidence::rotation::Rotation;

const ORIGIN: &str = "log.example";

fn key(seed: u8) -> SignerKey {
    SignerKey::from_seed(ORIGIN, &[seed; 32]).unwrap()
}

fn rotation(old: u8, new: u8) -> Rotation {
    let (old, new) = (key(old).verifier().clone(), key(new).verifier().clone());
    Rotation { origin: ORIGIN.into(), old, new, size: 7, root: [9; 32] }
}

#[test]
fn both_keys_sign_and_both_are_asked_for() {
    let signed = rotation(1, 2).sign(&key(1), &key(2)).unwrap();
    assert_eq!(Rotation::open(signed.as_bytes(), ORIGIN, key(1).verifier()).unwrap(), rotation(1, 2));

    let note = Note::parse(signed.as_bytes()).unwrap();
    for keep in [[0].as_slice(), &[1], &[1, 0], &[0, 0], &[0, 1, 1]] {
        let signatures = keep.iter().map(|i| note.signatures[*i].clone()).collect();
        let altered = Note { text: note.text.clone(), signatures }.to_string();
        assert!(Rotation::open(altered.as_bytes(), ORIGIN, key(1).verifier()).is_err(), "signatures {keep:?}");
    }
    let mut more = note.clone();
    more.signatures
        .push(Note::parse(rotation(3, 2).sign(&key(3), &key(2)).unwrap().as_bytes()).unwrap().signatures[0].clone());
    assert!(matches!(Rotation::open(more.to_string().as_bytes(), ORIGIN, key(1).verifier()), Err(Error::Rotation(_))));
}

#[test]
fn it_leads_away_from_the_believed_key_only() {
    let signed = rotation(1, 2).sign(&key(1), &key(2)).unwrap();
    for other in [2, 3] {
        assert!(matches!(Rotation::open(signed.as_bytes(), ORIGIN, key(other).verifier()), Err(Error::Rotation(_))));
    }
    assert!(matches!(Rotation::open(signed.as_bytes(), "other.example", key(1).verifier()), Err(Error::Rotation(_))));
    assert!(matches!(rotation(1, 2).sign(&key(1), &key(3)), Err(Error::Rotation(_))));
    assert!(matches!(rotation(1, 1).sign(&key(1), &key(1)), Err(Error::Rotation(_))));
}

#[test]
fn every_altered_byte_is_noticed() {
    let signed = rotation(1, 2).sign(&key(1), &key(2)).unwrap().into_bytes();
    for at in 0..signed.len() {
        let mut altered = signed.clone();
        altered[at] ^= 1 << (at % 7);
        assert!(Rotation::open(&altered, ORIGIN, key(1).verifier()).is_err(), "byte {at}");
    }
}

#[test]
fn it_is_no_checkpoint_and_a_checkpoint_is_none() {
    let signed = rotation(1, 2).sign(&key(1), &key(2)).unwrap();
    let keys = [key(1).verifier().clone()];
    assert!(matches!(checkpoint::open_any(signed.as_bytes(), &keys), Err(Error::Checkpoint(_))));
    let point = Checkpoint { origin: ORIGIN.into(), size: 7, root: [9; 32] }.sign(&key(1)).unwrap();
    assert!(matches!(Rotation::open(point.as_bytes(), ORIGIN, key(1).verifier()), Err(Error::Rotation(_))));
}

#[test]
fn the_checkpoint_between_two_keys_carries_both_signatures() {
    let both = key(1).together_with(key(2)).unwrap();
    assert_eq!(both.verifier(), key(1).verifier());
    let point = Checkpoint { origin: ORIGIN.into(), size: 8, root: [9; 32] };
    let signed = point.sign(&both).unwrap();
    for seed in [1, 2] {
        assert_eq!(checkpoint::open(signed.as_bytes(), ORIGIN, &[key(seed).verifier().clone()]).unwrap(), point);
    }
    assert_eq!(Note::parse(signed.as_bytes()).unwrap().signatures.len(), 2);
    assert!(key(1).together_with(key(1)).is_err());
    assert!(key(1).together_with(SignerKey::from_seed("other", &[2; 32]).unwrap()).is_err());
}

proptest::proptest! {
    #[test]
    fn what_is_written_is_read(size in 1_u64.., root: [u8; 32]) {
        let rotation = Rotation { size, root, ..rotation(1, 2) };
        proptest::prop_assert_eq!(Rotation::parse(&rotation.to_text()).unwrap(), rotation);
    }

    #[test]
    fn no_text_makes_it_fall_over(text: String) {
        let _ = Rotation::parse(&format!("{}\n{text}", countersign_evidence::rotation::FORMAT)).is_ok();
    }
}
