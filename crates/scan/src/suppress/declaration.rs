//! A suppression that the repository's configuration asks for.

use countersign_model::Finding;
use globset::{Candidate, GlobBuilder, GlobMatcher};
use serde::{Deserialize, Serialize};

use crate::Error;

/// Asks for findings of some rules at some paths not to count. A request, like every suppression.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// A glob over paths inside the tree; `*` stays within a directory, `**` crosses them.
    pub path: String,
    /// A glob over rule ids; `secrets/*` is the whole family, `*` is every rule.
    pub rule: String,
    /// Why.
    pub reason: String,
}

/// A declaration, compiled.
pub(super) struct Matcher {
    path: GlobMatcher,
    rule: GlobMatcher,
}

impl Matcher {
    pub(super) fn new(declaration: &Declaration) -> Result<Self, Error> {
        let compile = |what, glob: &str, is_path| match GlobBuilder::new(glob).literal_separator(is_path).build() {
            Ok(glob) => Ok(glob.compile_matcher()),
            Err(source) => Err(Error::Glob { what, glob: glob.to_owned(), source }),
        };
        Ok(Self { path: compile("path", &declaration.path, true)?, rule: compile("rule", &declaration.rule, false)? })
    }

    pub(super) fn speaks_for(&self, finding: &Finding) -> bool {
        // Over the raw bytes: two files whose names differ only in what is not UTF-8 are two files.
        self.rule.is_match(&finding.rule)
            && self.path.is_match_candidate(&Candidate::from_bytes(finding.path.as_bytes()))
    }
}
