//! How fast it looks, and how soon it can begin. `cargo bench -p countersign-scan`
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot begin has nothing to say")]

use countersign_model::TreePath;
use countersign_scan::{RuleSet, Scanner};
use divan::Bencher;
use divan::counter::BytesCount;

const SALT: &[u8; 32] = &[7; 32];

fn main() {
    divan::main();
}

/// Text that looks like source to the engine: identifiers, punctuation, some keywords that lead nowhere. The same bytes
/// every time, from a linear congruential generator (Knuth, MMIX).
fn source(bytes: usize) -> Vec<u8> {
    const WORDS: [&str; 24] = [
        "let", "return", "self", "value", "config", "request", "response", "buffer", "index", "token", "password",
        "secret", "client", "account", "static", "struct", "0x1f", "\"text\"", "// note", "(a, b)", "{", "}", "=>",
        ";",
    ];
    let mut state = 42_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let mut text = Vec::with_capacity(bytes + 64);
    while text.len() < bytes {
        for _ in 0..next() % 9 + 1 {
            text.extend_from_slice(WORDS[next() % WORDS.len()].as_bytes());
            text.push(b' ');
        }
        text.push(b'\n');
    }
    text
}

/// Building the rule set: what every start of the program pays.
#[divan::bench]
fn rules_shipped() -> RuleSet {
    RuleSet::shipped().unwrap()
}

/// One core, one file of the given size.
#[divan::bench(args = [8 * 1024, 256 * 1024, 4 * 1024 * 1024])]
fn scan_bytes(bencher: Bencher<'_, '_>, size: usize) {
    let rules = RuleSet::shipped().unwrap();
    let scanner = Scanner::new(&rules, SALT);
    let path = TreePath::from_bytes("src/main.rs");
    let text = source(size);
    bencher.counter(BytesCount::new(text.len())).bench(|| scanner.scan_bytes(&path, divan::black_box(&text)));
}

/// One core, a file that is read in pieces.
#[divan::bench]
fn scan_reader(bencher: Bencher<'_, '_>) {
    let rules = RuleSet::shipped().unwrap();
    let scanner = Scanner::new(&rules, SALT);
    let path = TreePath::from_bytes("dump.sql");
    let text = source(32 * 1024 * 1024);
    bencher.counter(BytesCount::new(text.len())).bench(|| scanner.scan_reader(&path, text.as_slice()).unwrap());
}
