//! Which findings a waiver covers.

use countersign_model::governance::Scope;
use countersign_model::{Digest, TreePath};
use globset::{Candidate, GlobBuilder, GlobMatcher};

use crate::Error;

/// The part of a waiver's scope that is about findings, compiled.
#[derive(Debug)]
pub struct FindingScope {
    controls: Vec<String>,
    path: Option<GlobMatcher>,
    rule: Option<GlobMatcher>,
    fingerprint: Option<Digest>,
}

impl FindingScope {
    /// Compiles it.
    ///
    /// # Errors
    /// [`Error::Scope`] when a glob is none.
    pub fn new(scope: &Scope) -> Result<Self, Error> {
        let compile = |what: &'static str, glob: &Option<String>, is_path: bool| {
            let Some(glob) = glob else { return Ok(None) };
            match GlobBuilder::new(glob).literal_separator(is_path).build() {
                Ok(glob) => Ok(Some(glob.compile_matcher())),
                Err(source) => Err(Error::Scope { what, glob: glob.clone(), source }),
            }
        };
        Ok(Self {
            controls: scope.controls.clone(),
            path: compile("path", &scope.path, true)?,
            rule: compile("rule", &scope.rule, false)?,
            fingerprint: scope.fingerprint,
        })
    }

    /// Whether it covers a finding. One that concerns a control which is not named is not covered: the other control is
    /// broken all the same.
    #[must_use]
    pub fn covers(&self, controls: &[String], rule: &str, path: &TreePath, fingerprint: &Digest) -> bool {
        !controls.is_empty()
            && controls.iter().all(|c| self.controls.contains(c))
            && self.rule.as_ref().is_none_or(|glob| glob.is_match(rule))
            && self.path.as_ref().is_none_or(|glob| glob.is_match_candidate(&Candidate::from_bytes(path.as_bytes())))
            && self.fingerprint.as_ref().is_none_or(|f| f == fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_named_must_fit_and_every_control_be_named() {
        let scope = Scope {
            controls: vec!["a".to_owned(), "b".to_owned()],
            path: Some("app/*.py".to_owned()),
            rule: Some("secrets/*".to_owned()),
            ..Scope::default()
        };
        let compiled = FindingScope::new(&scope).unwrap();
        let print = Digest::of(b"x");
        let covers = |controls: &[&str], rule: &str, path: &str| {
            let controls: Vec<String> = controls.iter().map(|c| (*c).to_owned()).collect();
            compiled.covers(&controls, rule, &TreePath::from_bytes(path), &print)
        };
        assert!(covers(&["a"], "secrets/x", "app/main.py"));
        assert!(covers(&["b", "a"], "secrets/x", "app/main.py"));
        assert!(!covers(&["a", "c"], "secrets/x", "app/main.py"));
        assert!(!covers(&[], "secrets/x", "app/main.py"));
        assert!(!covers(&["a"], "pii/x", "app/main.py"));
        assert!(!covers(&["a"], "secrets/x", "app/deep/main.py"), "a star stays in its directory");
        let other = Scope { fingerprint: Some(Digest::of(b"y")), ..scope };
        assert!(!FindingScope::new(&other).unwrap().covers(
            &["a".to_owned()],
            "secrets/x",
            &TreePath::from_bytes("app/main.py"),
            &print
        ));
        assert!(FindingScope::new(&Scope { path: Some("[".to_owned()), ..other }).is_err());
    }
}
