//! Footers of Parquet files are read or left alone, whatever they claim.
#![no_main]

use std::sync::LazyLock;

use countersign_model::TreePath;
use countersign_scan::{RuleSet, Scanner};
use libfuzzer_sys::fuzz_target;

static RULES: LazyLock<RuleSet> = LazyLock::new(|| RuleSet::shipped().unwrap());

fuzz_target!(|footer: &[u8]| {
    let length = u32::try_from(footer.len()).unwrap_or(u32::MAX).to_le_bytes();
    let file = [b"PAR1\0".as_slice(), footer, &length, b"PAR1"].concat();
    let path = TreePath::from_bytes("people.parquet");
    let scanner = Scanner::new(&RULES, &[7; 32]);
    assert_eq!(scanner.scan_bytes(&path, &file), scanner.scan_reader(&path, &file[..]).unwrap());
});
