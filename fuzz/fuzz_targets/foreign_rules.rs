//! Rule files of other tools, and ours, are read or refused; what is read can be used.
#![no_main]

use countersign_model::TreePath;
use countersign_scan::{RuleSet, Scanner};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for name in ["rules.toml", "rules.yaml"] {
        if let Ok(rules) = RuleSet::from_files([(name, text)]) {
            Scanner::new(&rules, &[7; 32]).scan_bytes(&TreePath::from_bytes("a.conf"), text.as_bytes());
        }
    }
});
