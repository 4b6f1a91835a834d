//! How fast it looks, and how soon it can begin. `cargo bench -p countersign-scan`
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot begin has nothing to say")]

use std::borrow::Cow;

use countersign_model::{Gap, TreePath};
use countersign_scan::{
    Cache, Content, Error, Item, ItemReader, Listing, Options, RuleSet, Scanner, Source, scan_source,
};
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

/// Ten thousand small files in memory, each with other contents.
struct Repository;

impl Source for Repository {
    fn items(&self) -> Result<Listing, Error> {
        let item = |n: u32| Item {
            path: TreePath::from_bytes(format!("src/{}/file{n}.rs", n % 97)),
            blob: Some(format!("{n:040x}")),
            size: Some(2_000),
        };
        Ok(Listing { items: (0..10_000).map(item).collect(), ..Listing::default() })
    }

    fn reader(&self) -> Result<Box<dyn ItemReader + '_>, Error> {
        Ok(Box::new(RepositoryReader(source(2_000))))
    }
}

struct RepositoryReader(Vec<u8>);

impl ItemReader for RepositoryReader {
    fn read(&mut self, _: &Item) -> Result<Content<'_>, Gap> {
        Ok(Content::Bytes(Cow::Borrowed(&self.0)))
    }
}

/// Opening the cache of ten thousand files and scanning them by it: what an unchanged re-run pays.
#[divan::bench]
fn ten_thousand_files_cached(bencher: Bencher<'_, '_>) {
    let rules = RuleSet::shipped().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let scan = |rules: &RuleSet| {
        let (cache, _) = Cache::open(dir.path(), &rules.digest(), SALT);
        let report =
            scan_source(&Repository, rules, SALT, &Options { cache: Some(&cache), ..Options::default() }).unwrap();
        cache.save().unwrap();
        report.cached
    };
    scan(&rules);
    bencher.bench(|| scan(&rules));
}

/// Opening that cache alone.
#[divan::bench]
fn cache_open(bencher: Bencher<'_, '_>) {
    let rules = RuleSet::shipped().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (cache, _) = Cache::open(dir.path(), &rules.digest(), SALT);
    scan_source(&Repository, &rules, SALT, &Options { cache: Some(&cache), ..Options::default() }).unwrap();
    cache.save().unwrap();
    bencher.bench(|| Cache::open(dir.path(), &rules.digest(), SALT));
}
