//! Receipts (tlog-proof).

use countersign_evidence::Error;
use countersign_evidence::checkpoint::Checkpoint;
use countersign_evidence::merkle::inclusion_proof;
use countersign_evidence::note::{SignerKey, VerifierKey};
use countersign_evidence::receipt::Receipt;
use proptest::prelude::*;

use crate::support::{entry, tree};

fn key() -> SignerKey {
    SignerKey::from_seed("example.com/log", &[1; 32]).unwrap()
}

fn issue(index: u64, size: u64) -> Receipt {
    let tree = tree(size);
    let checkpoint = Checkpoint { origin: "example.com/log".into(), size, root: tree.root() };
    Receipt::new(index, inclusion_proof(index, size, &tree).unwrap(), checkpoint.sign(&key()).unwrap())
}

fn keys() -> [VerifierKey; 1] {
    [key().verifier().clone()]
}

#[test]
fn receipts_verify_and_read_back() {
    for size in [1, 2, 3, 256, 300] {
        for index in [0, size / 2, size - 1] {
            let receipt = issue(index, size);
            let text = receipt.to_text();
            assert!(text.starts_with(&format!("c2sp.org/tlog-proof@v1\nindex {index}\n")));
            assert_eq!(Receipt::parse(&text).unwrap(), receipt);
            let checkpoint = receipt.verify(&entry(index), &keys()).unwrap();
            assert_eq!((checkpoint.size, checkpoint.origin.as_str()), (size, "example.com/log"));
            assert!(matches!(receipt.verify(b"another entry", &keys()), Err(Error::Inclusion { .. })));
            assert!(matches!(receipt.verify(&entry(index), &[]), Err(Error::NoKnownSigner)));
        }
    }
}

#[test]
fn extra_data_is_carried() {
    for extra in [&b""[..], b"anything at all"] {
        let receipt = Receipt { extra: Some(extra.to_vec()), ..issue(3, 9) };
        assert_eq!(Receipt::parse(&receipt.to_text()).unwrap(), receipt);
    }
}

#[test]
fn every_altered_bit_of_a_receipt_rejects_it() {
    let text = issue(11, 300).to_text().into_bytes();
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut altered = text.clone();
            altered[at] ^= 1 << bit;
            let accepted = std::str::from_utf8(&altered)
                .ok()
                .and_then(|text| Receipt::parse(text).ok())
                .is_some_and(|receipt| receipt.verify(&entry(11), &keys()).is_ok());
            assert!(!accepted, "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn malformed_receipts_are_refused() {
    let good = issue(1, 2).to_text();
    let hash = good.lines().nth(2).unwrap();
    for bad in [
        String::new(),
        good.replace("@v1", "@v2"),
        good.replace("index 1", "index 01"),
        good.replace("index 1", "index"),
        good.replace("index 1\n", ""),
        good.replace("index 1\n", "index 1\nindex 1\n"),
        good.replace("index 1", "extra !\nindex 1"),
        good.replace("index 1", "extra AA==\nextra AA==\nindex 1"),
        good.replace('\n', "\r\n"),
        good.replace(hash, &hash[4..]),
        good.replace(hash, &format!("{hash}\n").repeat(65)),
        good.replace("\n\nexample", "\nexample"),
    ] {
        assert!(matches!(Receipt::parse(&bad), Err(Error::Receipt(_) | Error::Note(_))), "{bad}");
    }
    let foreign = good.replace(hash, &format!("{hash}\n{hash}"));
    let longer = Receipt::parse(&foreign).unwrap();
    assert!(matches!(longer.verify(&entry(1), &keys()), Err(Error::Inclusion { .. })));
    let outside = Receipt::parse(&good.replace("index 1", "index 2")).unwrap();
    assert!(matches!(outside.verify(&entry(1), &keys()), Err(Error::Inclusion { .. })));
}

proptest! {
    #[test]
    fn what_is_read_is_written_the_same(index: u64, proof in prop::collection::vec(any::<[u8; 32]>(), 0..=64), extra: Option<Vec<u8>>) {
        let receipt = Receipt { extra, ..Receipt::new(index, proof, issue(0, 1).checkpoint) };
        prop_assert_eq!(Receipt::parse(&receipt.to_text()).unwrap(), receipt);
    }
}
