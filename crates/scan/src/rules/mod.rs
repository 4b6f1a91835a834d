//! Rules: one YAML file each, read strictly, compiled lazily.

mod check;
mod file;
mod read;
mod set;

pub use check::{Complaint, RuleCheck, check_rules, example_path, rule_skeleton};
pub use file::{Examples, Fix, Matching, Near, PiiColumn, PiiMatch, Rule, SecretMatch, Stage};
pub use set::{MISSING_REASON, RuleIndex, RuleSet};
