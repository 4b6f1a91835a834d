//! Rules: one YAML file each, read strictly, compiled lazily.

mod file;
mod read;
mod set;

pub use file::{Examples, Fix, Matching, Near, PiiColumn, PiiMatch, Rule, SecretMatch, Stage};
pub use set::{MISSING_REASON, RuleIndex, RuleSet};
