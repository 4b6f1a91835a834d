//! What an editor sends ends, is bounded, and is told when it is no frame.
#![no_main]

#[path = "../../crates/countersign/src/lsp/frames.rs"]
#[allow(dead_code, reason = "writing is not fuzzed")]
mod frames;

use std::io::BufReader;

use frames::Frame;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut from = BufReader::with_capacity(1 + bytes.first().map_or(0, |b| usize::from(*b)), bytes);
    loop {
        match frames::read(&mut from) {
            Frame::Body(body) => assert!(body.len() <= bytes.len()),
            Frame::TooLong { .. } => {}
            Frame::End | Frame::Broken(_) => break,
        }
    }
});
