//! Sealed personal data.

use countersign_evidence::Error;
use countersign_evidence::seal::{self, MAGIC, Opener, SubjectKey};
use countersign_model::digest::{from_hex, to_hex};
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

/// The test vector of draft-irtf-cfrg-xchacha-03, section 2.2.1: HChaCha20.
#[test]
fn an_opener_is_the_key_that_xchacha20_derives() {
    let key: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap());
    let nonce = from_hex("000000090000004a0000000031415927").unwrap();
    let sealed = [&MAGIC[..], &nonce, &[9; 8]].concat();
    let opener = seal::opener(&SubjectKey::from_bytes(key), &sealed).unwrap();
    assert_eq!(to_hex(opener.as_bytes()), "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc");
    assert!(!format!("{opener:?}").contains("82413b42"));
}

#[test]
fn an_opener_opens_what_it_was_made_for_and_nothing_else() {
    let key = SubjectKey::generate().unwrap();
    let sealed = seal::seal(&key, b"Ada", b"context").unwrap();
    let opener = seal::opener(&key, &sealed).unwrap();
    assert_eq!(seal::open_with(&opener, &sealed, b"context").unwrap().as_slice(), b"Ada");
    // Another context, another text of the same subject, somebody else's opener, the subject's key itself.
    assert!(matches!(seal::open_with(&opener, &sealed, b"other"), Err(Error::Unsealable)));
    let other = seal::seal(&key, b"Ada", b"context").unwrap();
    assert!(matches!(seal::open_with(&opener, &other, b"context"), Err(Error::Unsealable)));
    let stranger = seal::opener(&SubjectKey::generate().unwrap(), &sealed).unwrap();
    assert!(matches!(seal::open_with(&stranger, &sealed, b"context"), Err(Error::Unsealable)));
    let whole = Opener::from_bytes(*key.as_bytes());
    assert!(matches!(seal::open_with(&whole, &sealed, b"context"), Err(Error::Unsealable)));
    for at in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[at] ^= 1;
        let opens = seal::open_with(&opener, &altered, b"context");
        // The nonce's first bytes are in the opener; that the subject's key opens them no more is asked with that key.
        let in_opener = (MAGIC.len()..MAGIC.len() + 16).contains(&at);
        assert_eq!(opens.is_ok(), in_opener, "byte {at}");
        assert!(seal::open(&key, &altered, b"context").is_err(), "byte {at}");
    }
    for len in 0..sealed.len() {
        assert!(seal::open_with(&opener, &sealed[..len], b"context").is_err(), "{len}");
        assert_eq!(seal::opener(&key, &sealed[..len]).is_err(), len < MAGIC.len() + 24, "{len}");
    }
}

proptest! {
    #[test]
    fn an_opener_says_what_the_key_says(bytes: [u8; 32], plaintext: Vec<u8>, aad: Vec<u8>) {
        let key = SubjectKey::from_bytes(bytes);
        let sealed = seal::seal(&key, &plaintext, &aad).unwrap();
        let opener = seal::opener(&key, &sealed).unwrap();
        prop_assert_eq!(seal::open_with(&opener, &sealed, &aad).unwrap(), seal::open(&key, &sealed, &aad).unwrap());
    }

    #[test]
    fn whatever_is_sealed_opens(bytes: [u8; 32], plaintext: Vec<u8>, aad: Vec<u8>) {
        let key = SubjectKey::from_bytes(bytes);
        let sealed = seal::seal(&key, &plaintext, &aad).unwrap();
        let opened = seal::open(&key, &sealed, &aad).unwrap();
        prop_assert_eq!(opened.as_slice(), plaintext);
    }
}

mod payload_key {
    use chacha20poly1305::aead::{Aead as _, Payload};
    use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
    use countersign_evidence::Error;
    use countersign_evidence::payload_key::{PayloadKey, id_of};
    use countersign_evidence::seal::{self, OVERHEAD};
    use countersign_model::digest::{from_hex, to_hex};
    use proptest::prelude::*;

    #[test]
    fn a_key_reads_back_and_shows_its_name_alone() {
        let key = PayloadKey::generate().unwrap();
        let hex = key.to_hex();
        assert_eq!(PayloadKey::parse_hex(&hex).unwrap().commitment(), key.commitment());
        assert_eq!((key.commitment().len(), key.id().len()), (64, 16));
        assert_eq!(id_of(key.commitment()), key.id());
        assert!(!hex.contains(key.id()) && !format!("{key:?}").contains(&hex[..8]));
        for bad in ["", &hex[1..], &"AB".repeat(32), &format!("{}\n", hex.as_str())] {
            assert!(matches!(PayloadKey::parse_hex(bad), Err(Error::Sealed(_))), "{bad}");
        }
    }

    #[test]
    fn the_nonce_is_the_start_of_an_hmac_over_the_plaintext() {
        // Computed with Python's `hmac`: derived = HMAC(7 × 32, label); nonce = HMAC(derived, b"payload")[:24].
        let key = PayloadKey::from_bytes([7; 32]).unwrap();
        let sealed = key.seal(b"payload").unwrap();
        assert_eq!(to_hex(&sealed[7..31]), "bf2b1cad53c20404fa9da40b5b8eb5bdd388d364a8c92297");
        assert_eq!(key.id(), "42a058d2a1079a1f");
        assert_eq!(key.commitment(), "42a058d2a1079a1fb1d56b1fbbc58f0f98b544c0d0e47c82968889507e4cd1a6");
    }

    /// Bytes whose tag is right and whose nonce is not the plaintext's: who holds the key can make them, and with two
    /// keys of their own choice bytes that open with both. They are refused.
    #[test]
    fn what_does_not_lead_to_its_nonce_again_is_refused() {
        let key = PayloadKey::from_bytes([7; 32]).unwrap();
        let encrypts: [u8; 32] =
            from_hex("b8e52a70e9b6f62bf247d5445d8a581f4576b0d2deaaea8992b39b5bf5d0435d").unwrap().try_into().unwrap();
        let cipher = XChaCha20Poly1305::new(&encrypts.into());
        let context = b"CSEAL1\0countersign/payload/v1";
        let by_hand = |nonce: [u8; 24]| {
            let text = Payload { msg: b"payload", aad: context };
            [&b"CSEAL1\0"[..], &nonce, &cipher.encrypt(&nonce.into(), text).unwrap()].concat()
        };
        let sealed = key.seal(b"payload").unwrap();
        let nonce: [u8; 24] = sealed[7..31].try_into().unwrap();
        assert_eq!(by_hand(nonce), sealed);
        assert!(matches!(key.open(by_hand([1; 24])), Err(Error::Unsealable)));
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_and_equal_texts_stay_equal(
            bytes: [u8; 32], text: Vec<u8>, other: Vec<u8>, at: prop::sample::Index, bit in 0u8..8,
        ) {
            let key = PayloadKey::from_bytes(bytes).unwrap();
            let sealed = key.seal(&text).unwrap();
            prop_assert_eq!(sealed.len(), text.len() + OVERHEAD);
            prop_assert_eq!(&key.open(sealed.clone()).unwrap(), &text);
            prop_assert_eq!(key.seal(&other).unwrap() == sealed, other == text);

            let mut wrong = bytes;
            wrong[0] ^= 1;
            let wrong = PayloadKey::from_bytes(wrong).unwrap();
            prop_assert_ne!(wrong.seal(&text).unwrap(), sealed.clone());
            prop_assert!(wrong.open(sealed.clone()).is_err());
            prop_assert!(seal::open(&seal::SubjectKey::from_bytes(bytes), &sealed, b"").is_err());

            let mut bent = sealed.clone();
            bent[at.index(sealed.len())] ^= 1 << bit;
            prop_assert!(key.open(bent).is_err());
            prop_assert!(key.open(sealed[..at.index(sealed.len())].to_vec()).is_err());
        }
    }
}
