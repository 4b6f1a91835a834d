//! Every code is explained, once.

use super::*;

#[test]
fn every_code_is_explained() {
    for error in [
        Error::NotFree { why: String::new() },
        Error::NotRooted,
        Error::RootedAlready { index: 1 },
        Error::BadName { name: String::new() },
        Error::NoSuchFramework { framework: String::new(), known: Vec::new() },
        Error::NoSuchControl { control: String::new(), nearest: None },
        Error::NoWindow {
            from: countersign_model::Timestamp::from_millis(1),
            to: countersign_model::Timestamp::from_millis(0),
        },
        Error::Facts { what: String::new() },
    ] {
        assert!(crate::EXPLANATIONS.iter().any(|e| e.code == error.code()), "{}", error.code());
    }
    let mut codes: Vec<_> = crate::EXPLANATIONS.iter().map(|e| e.code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), crate::EXPLANATIONS.len(), "a code is explained twice");
}
