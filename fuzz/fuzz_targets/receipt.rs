//! A receipt has one text, and a damaged one proves nothing.
#![no_main]

use countersign_evidence::note::SignerKey;
use countersign_evidence::receipt::Receipt;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(receipt) = Receipt::parse(text) {
        assert_eq!(receipt.to_text(), text);
        let keys: Vec<_> = SignerKey::from_seed("k", &[1; 32]).iter().map(|k| k.verifier().clone()).collect();
        assert!(receipt.verify(b"", &keys).is_err());
    }
});
