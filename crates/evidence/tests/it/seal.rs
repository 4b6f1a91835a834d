//! Sealed personal data.

use countersign_evidence::Error;
use countersign_evidence::seal::{self, SubjectKey};
use proptest::prelude::*;

#[test]
fn sealed_bytes_are_mark_nonce_and_ciphertext() {
    let key = SubjectKey::from_bytes([7; 32]);
    let sealed = seal::seal(&key, b"Ada Lovelace", b"per-1").unwrap();
    assert_eq!(sealed.len(), 12 + seal::OVERHEAD);
    assert_eq!(&sealed[..7], b"CSEAL1\0");
    assert_eq!(seal::open(&key, &sealed, b"per-1").unwrap().as_slice(), b"Ada Lovelace");
}

#[test]
fn the_same_text_is_never_sealed_to_the_same_bytes() {
    let key = SubjectKey::generate().unwrap();
    assert_ne!(seal::seal(&key, b"x", b"").unwrap(), seal::seal(&key, b"x", b"").unwrap());
}

#[test]
fn keys_read_back_and_are_not_shown() {
    let key = SubjectKey::generate().unwrap();
    let hex = key.to_hex();
    assert_eq!(SubjectKey::parse_hex(&hex).unwrap().as_bytes(), key.as_bytes());
    assert!(!format!("{key:?}").contains(&hex[..8]));
    for bad in
        ["", "00", &hex[1..], &format!("{}0", *hex), &"AB".repeat(32), &"zz".repeat(32), &format!("{}\n", &hex[1..])]
    {
        assert!(matches!(SubjectKey::parse_hex(bad), Err(Error::Sealed(_))), "{bad:?}");
    }
}

#[test]
fn every_altered_bit_closes_it() {
    let key = SubjectKey::generate().unwrap();
    let sealed = seal::seal(&key, b"Ada", b"context").unwrap();
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut altered = sealed.clone();
            altered[at] ^= 1 << bit;
            assert!(seal::open(&key, &altered, b"context").is_err(), "byte {at}, bit {bit}");
        }
    }
    for len in 0..sealed.len() {
        assert!(seal::open(&key, &sealed[..len], b"context").is_err(), "{len}");
    }
    assert!(matches!(seal::open(&key, &sealed, b"other"), Err(Error::Unsealable)));
    assert!(matches!(seal::open(&SubjectKey::generate().unwrap(), &sealed, b"context"), Err(Error::Unsealable)));
}

proptest! {
    #[test]
    fn whatever_is_sealed_opens(bytes: [u8; 32], plaintext: Vec<u8>, aad: Vec<u8>) {
        let key = SubjectKey::from_bytes(bytes);
        let sealed = seal::seal(&key, &plaintext, &aad).unwrap();
        let opened = seal::open(&key, &sealed, &aad).unwrap();
        prop_assert_eq!(opened.as_slice(), plaintext);
    }
}
