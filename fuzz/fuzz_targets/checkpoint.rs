//! A checkpoint has one text.
#![no_main]

use countersign_evidence::checkpoint::{Checkpoint, Extensions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.to_text(), text);
    }
    if let Ok(checkpoint) = Checkpoint::parse_with(text, Extensions::Ignored) {
        assert!(text.starts_with(&checkpoint.to_text()));
    }
});
