//! Signature lines of witnesses, on any note.
#![no_main]

use countersign_evidence::cosignature::{self, CosignerKey};
use countersign_evidence::note::{Algorithm, VerifierKey};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// Expanding a key takes longer than everything that is tested here.
static KEYS: LazyLock<Vec<VerifierKey>> = LazyLock::new(|| {
    let kinds = [Algorithm::Ed25519Cosignature, Algorithm::MlDsa44];
    let keys = kinds.iter().filter_map(|kind| CosignerKey::from_seed("k", *kind, &[1; 32]).ok());
    keys.map(|k| k.verifier().clone()).collect()
});

fuzz_target!(|input: (&[u8], &str)| {
    let (note, lines) = input;
    let _ = cosignature::verify_lines(note, lines, &KEYS);
    if lines.len() < 64 {
        let _ = CosignerKey::parse(lines);
    }
});
