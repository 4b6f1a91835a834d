//! Signature lines of witnesses, on any note.
#![no_main]

use countersign_evidence::cosignature::{self, CosignerKey};
use countersign_evidence::note::Algorithm;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &str)| {
    let (note, lines) = input;
    let kinds = [Algorithm::Ed25519Cosignature, Algorithm::MlDsa44];
    let keys: Vec<_> = kinds
        .iter()
        .filter_map(|kind| CosignerKey::from_seed("k", *kind, &[1; 32]).ok())
        .map(|k| k.verifier().clone())
        .collect();
    let _ = cosignature::verify_lines(note, lines, &keys);
    let _ = CosignerKey::parse(lines);
});
