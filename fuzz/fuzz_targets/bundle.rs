//! Any bytes are one entry bundle or none.
#![no_main]

use countersign_evidence::tile::{decode_bundle, encode_bundle};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entries) = decode_bundle(bytes) {
        assert_eq!(encode_bundle(&entries).ok().as_deref(), Some(bytes));
    }
});
