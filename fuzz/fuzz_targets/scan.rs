//! Any contents are scanned without a fault: text, archives, encodings in each other. Read in pieces or at once, the answer
//! is the same, and no excerpt holds a value.
#![no_main]

use std::sync::LazyLock;

use countersign_model::TreePath;
use countersign_scan::{FileResult, RuleSet, Scanner};
use libfuzzer_sys::fuzz_target;

static RULES: LazyLock<RuleSet> = LazyLock::new(|| RuleSet::shipped().unwrap());

fuzz_target!(|bytes: &[u8]| {
    let paths = ["a.txt", "src/a.rs", ".env", "config/a.yaml", "a.csv", "a.sql"];
    let path = TreePath::from_bytes(paths[bytes.first().map_or(0, |b| usize::from(*b)) % paths.len()]);
    let scanner = Scanner::new(&RULES, &[7; 32]);
    let at_once = scanner.scan_bytes(&path, bytes);
    let Ok(in_pieces) = scanner.scan_reader(&path, bytes) else { panic!("reading from memory does not fail") };
    match (at_once, in_pieces) {
        (FileResult::Text { matches: a, .. }, FileResult::Text { matches: b, .. }) => assert_eq!(a, b),
        (a, b) => assert_eq!(a, b),
    }
});
