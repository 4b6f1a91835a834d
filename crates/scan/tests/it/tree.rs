//! Scanning a whole tree: order, gaps, fingerprints, and a source that is no directory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use countersign_model::{Diagnostic, Gap, GapKind, TreePath};
use countersign_scan::{
    Content, Error, Item, ItemReader, Listing, NoProgress, Options, Progress, Report, RuleSet, Source, scan_source,
};

use crate::{SALT, rules, token_rule};

/// A tree in memory, as a version control system would give it: contents by id, read in batches.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) readers: AtomicUsize,
    pub(crate) reads: AtomicUsize,
    /// Contents larger than this come as a stream.
    pub(crate) stream_from: Option<usize>,
}

impl Memory {
    pub(crate) fn of<const N: usize>(files: [(&str, &str); N]) -> Self {
        let files = files.into_iter().map(|(p, t)| (p.to_owned(), t.as_bytes().to_vec())).collect();
        Self { files, ..Self::default() }
    }

    pub(crate) fn scan(&self, rules: &RuleSet, options: &Options<'_>) -> Report {
        scan_source(self, rules, SALT, options).unwrap()
    }
}

impl Source for Memory {
    fn items(&self) -> Result<Listing, Error> {
        let item = |(path, bytes): (&String, &Vec<u8>)| Item {
            path: TreePath::from_bytes(path.as_str()),
            // An id of contents, as git's is.
            blob: Some(countersign_model::Digest::of(bytes).hex()),
            size: None,
        };
        // Not in order: the scan sorts.
        Ok(Listing { items: self.files.iter().rev().map(item).collect(), gaps: self.gaps.clone(), links: 2 })
    }

    fn reader(&self) -> Result<Box<dyn ItemReader + '_>, Error> {
        self.readers.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(MemoryReader { tree: self, announced: Vec::new() }))
    }
}

struct MemoryReader<'a> {
    tree: &'a Memory,
    announced: Vec<Item>,
}

impl ItemReader for MemoryReader<'_> {
    fn announce(&mut self, items: &[&Item]) {
        assert!(self.announced.is_empty() && items.len() <= 32);
        self.announced = items.iter().rev().map(|i| (*i).clone()).collect();
    }

    fn read(&mut self, item: &Item) -> Result<Content<'_>, Gap> {
        assert_eq!(self.announced.pop().as_ref(), Some(item), "items are read in the order they were announced");
        self.tree.reads.fetch_add(1, Ordering::Relaxed);
        let bytes = &self.tree.files[std::str::from_utf8(item.path.as_bytes()).unwrap()];
        if bytes.starts_with(b"missing") {
            return Err(Gap { path: item.path.clone(), kind: GapKind::MissingObject, detail: "not here".into() });
        }
        if bytes.starts_with(b"broken") {
            return Ok(Content::Stream { reader: Box::new(bytes.as_slice().chain(Broken)), size: None });
        }
        match self.tree.stream_from {
            Some(limit) if bytes.len() > limit => {
                Ok(Content::Stream { reader: Box::new(bytes.as_slice()), size: None })
            }
            _ => Ok(Content::Bytes(Cow::Borrowed(bytes))),
        }
    }
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn places(report: &Report) -> Vec<(String, u32)> {
    report.findings.iter().map(|f| (f.path.to_string(), f.line)).collect()
}

#[test]
fn findings_are_sorted_and_everything_is_counted() {
    let set = rules(&[token_rule()]);
    let tree = Memory {
        gaps: vec![Gap { path: TreePath::from_bytes("sub"), kind: GapKind::Submodule, detail: "not here".into() }],
        ..Memory::of([
            ("b/z", "tok_abcd1234\n\ntok_abcd1234"),
            ("a", "x tok_zzzz1234"),
            ("c.bin", "\0"),
            ("lost", "missing"),
            ("half", "broken tok_abcd1234"),
        ])
    };
    let report = tree.scan(&set, &Options::default());
    assert_eq!(places(&report), [("a".into(), 1), ("b/z".into(), 1), ("b/z".into(), 3)]);
    let gaps: Vec<_> = report.gaps.iter().map(|g| (g.path.to_string(), g.kind)).collect();
    assert_eq!(
        gaps,
        [
            ("half".into(), GapKind::Unreadable),
            ("lost".into(), GapKind::MissingObject),
            ("sub".into(), GapKind::Submodule)
        ]
    );
    assert_eq!((report.files, report.binary, report.links, report.bytes, report.cached), (3, 1, 2, 41, 0));
    assert_eq!((report.rules, report.rules_digest), (1, set.digest()));
    assert!(!report.is_complete());
}

#[test]
fn the_report_does_not_depend_on_how_many_look() {
    let set = RuleSet::shipped().unwrap();
    let mut tree = Memory::default();
    for (n, example) in set.rules().iter().flat_map(|r| &r.examples.fail).enumerate() {
        tree.files.insert(format!("dir{}/file{n}", n % 7), format!("line\n{example}\n").into_bytes());
    }
    let scan = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| tree.scan(&set, &Options::default()))
    };
    let one = scan(1);
    assert_eq!(one, scan(2));
    assert_eq!(one, scan(7));
    assert!(one.findings.len() > 100);
    let streamed = Memory { files: tree.files.clone(), stream_from: Some(0), ..Memory::default() };
    assert_eq!(one, streamed.scan(&set, &Options::default()));
}

#[test]
fn a_fingerprint_survives_moves_and_renames_and_tells_equals_apart() {
    let set = rules(&[token_rule()]);
    let before = Memory::of([("a", "tok_abcd1234"), ("b", "tok_abcd1234 tok_zzzz1234")]);
    let after = Memory::of([("moved/a", "\n\n  tok_abcd1234"), ("z", "tok_zzzz1234\nand\ntok_abcd1234")]);
    let prints = |tree: &Memory| {
        let mut list: Vec<_> = tree.scan(&set, &Options::default()).findings.iter().map(|f| f.fingerprint).collect();
        list.sort();
        list.dedup();
        list
    };
    assert_eq!(prints(&before).len(), 3);
    assert_eq!(prints(&before), prints(&after));
    // Pinned: suppressions and grants that people signed refer to it.
    insta::assert_snapshot!(
        before.scan(&set, &Options::default()).findings[0].fingerprint,
        @"sha256:812bb8156d116e630f9f96e2a642023e82a4d5b2177478a8761804b01712591c"
    );
}

#[test]
fn a_reader_is_asked_for_only_when_something_is_read() {
    let set = rules(&[token_rule()]);
    let tree = Memory::default();
    let report = tree.scan(&set, &Options::default());
    assert_eq!((report.files, tree.readers.load(Ordering::Relaxed)), (0, 0));
}

#[test]
fn a_source_that_fails_fails_the_scan() {
    struct NoReader;
    impl Source for NoReader {
        fn items(&self) -> Result<Listing, Error> {
            let items = (0..1000)
                .map(|n| Item { path: TreePath::from_bytes(format!("{n}")), blob: None, size: None })
                .collect();
            Ok(Listing { items, ..Listing::default() })
        }
        fn reader(&self) -> Result<Box<dyn ItemReader + '_>, Error> {
            Err(Error::Root { root: "x".into(), source: io::ErrorKind::NotFound.into() })
        }
    }
    let error = scan_source(&NoReader, &rules(&[token_rule()]), SALT, &Options::default()).unwrap_err();
    assert_eq!(error.code(), "CS-SCAN-001");
}

#[test]
fn so_many_matches_that_they_are_no_answer_are_an_error() {
    let set = rules(&[token_rule()]);
    let text = "tok_abcd1234\n".repeat(10_000).into_bytes();
    let tree =
        |n: usize| Memory { files: (0..n).map(|n| (format!("f{n}"), text.clone())).collect(), ..Memory::default() };
    assert_eq!(tree(20).scan(&set, &Options::default()).findings.len(), 200_000);
    let error = scan_source(&tree(21), &set, SALT, &Options::default()).unwrap_err();
    assert_eq!(error.code(), "CS-SCAN-014");
}

#[test]
fn progress_is_told_of_every_file() {
    #[derive(Default)]
    struct Told {
        total: AtomicU64,
        done: AtomicU64,
        bytes: Mutex<u64>,
    }
    impl Progress for Told {
        fn total(&self, files: u64) {
            self.total.store(files, Ordering::Relaxed);
        }
        fn done(&self, bytes: u64) {
            self.done.fetch_add(1, Ordering::Relaxed);
            *self.bytes.lock().unwrap() += bytes;
        }
    }
    let told = Told::default();
    let tree = Memory::of([("a", "12345"), ("b", "missing"), ("c", "\0\0")]);
    tree.scan(&rules(&[token_rule()]), &Options { progress: &told, ..Options::default() });
    assert_eq!((told.total.into_inner(), told.done.into_inner(), told.bytes.into_inner().unwrap()), (3, 3, 7));
    NoProgress.total(1);
    NoProgress.done(1);
}
