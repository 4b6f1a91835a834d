//! What is read as a note is written the same, and verifying it against any key never panics.
#![no_main]

use countersign_evidence::note::{Note, SignerKey, VerifierKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
        let keys: Vec<_> = SignerKey::from_seed("k", &[1; 32]).iter().map(|k| k.verifier().clone()).collect();
        let _ = note.verify(&keys);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(key) = VerifierKey::parse(text) {
            assert_eq!(key.to_string(), text);
        }
        let _ = SignerKey::parse(text);
    }
});
