//! Reports of other tools are read or refused; what is stored of one holds no value that the report shows.
#![no_main]

use std::sync::LazyLock;

use countersign_scan::import::{Context, Mapping, formats, import};
use countersign_scan::{RuleSet, Scanner};
use libfuzzer_sys::fuzz_target;

static RULES: LazyLock<RuleSet> = LazyLock::new(|| RuleSet::shipped().unwrap());
static MAPPING: LazyLock<Mapping> = LazyLock::new(|| Mapping::shipped().unwrap());

fuzz_target!(|bytes: &[u8]| {
    let scanner = Scanner::new(&RULES, &[7; 32]);
    let roots = ["/src/repository".to_owned()];
    let cx = Context {
        scanner: &scanner,
        roots: &roots,
        mapping: &MAPPING,
        commit: Some("0123456789012345678901234567890123456789"),
        declarations: &[],
        baseline: None,
    };
    let _ = import(bytes, "report.json", None, &cx);
    let names = formats();
    if let Some((which, rest)) = bytes.split_first() {
        let name = names[usize::from(*which) % names.len()];
        if let Ok(Some(imported)) = import(rest, "report.json", Some(name), &cx) {
            // What is stored in its place is a report of the same format, of which no more is to be taken out.
            if let Some(stored) = imported.stored {
                let again = import(&stored, "report.json", Some(name), &cx).unwrap().unwrap();
                assert_eq!(again.stored.unwrap_or_else(|| stored.clone()), stored);
            }
        }
    }
});
