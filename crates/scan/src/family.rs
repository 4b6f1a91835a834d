//! What a family of rules brings to the engine.

use std::fmt;
use std::ops::Range;

use countersign_model::{Confidence, TreePath};

use crate::foreign::Foreign;
use crate::rules::{Matching, Rule};
use crate::secrets;

/// A value that a detector holds for a match, by its place in the text. The value itself is nowhere kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Where the value stands.
    pub(crate) value: Range<usize>,
    /// How sure the rule is of it; `None` when it is only kept out of excerpts.
    pub(crate) confidence: Option<Confidence>,
}

/// A rule that cannot be applied. It was not looked at, which is a gap and never a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unusable;

/// One rule, ready to look.
pub(crate) trait Detector: fmt::Debug + Send + Sync {
    /// The words one of which must be near a match; none means that it looks at everything.
    fn keywords(&self) -> &[String];

    /// Bytes on each side of a word that may be looked at.
    fn reach(&self) -> usize;

    /// Whether it looks at the file of this path.
    fn looks_at(&self, _path: &TreePath) -> bool {
        true
    }

    /// Whether [`Detector::looks_at`] ever says no.
    fn limits_paths(&self) -> bool {
        false
    }

    /// Rules, by id, that must match as well, and within how many lines (`None` is anywhere in the text).
    fn required(&self) -> &[(String, Option<usize>)] {
        &[]
    }

    /// Whether its matches are findings; else they are there for others to require.
    fn is_reported(&self) -> bool {
        true
    }

    /// Whether [`Detector::at`] is asked at each keyword, instead of [`Detector::look`] around all of them.
    fn is_direct(&self) -> bool {
        false
    }

    /// Finds candidates that the keyword at `hit` leads to.
    fn at(&self, _text: &[u8], _hit: Range<usize>, _found: &mut Vec<Candidate>) -> Result<(), Unusable> {
        Ok(())
    }

    /// Finds candidates in `text[window]`; what stands around the window may be read, to tell a word from its part.
    fn look(&self, text: &[u8], window: Range<usize>, found: &mut Vec<Candidate>) -> Result<(), Unusable>;

    /// Compiles now what is otherwise compiled when it is first needed.
    ///
    /// # Errors
    /// The key of the rule file that is to blame, and why.
    fn compile(&self) -> Result<(), (&'static str, String)>;
}

/// The detector of a rule that came from a file; the reader of rule files knows all families.
pub(crate) fn detector(rule: &Rule) -> Option<Box<dyn Detector>> {
    match rule.matching.clone()? {
        Matching::Secret(spec) => Some(secrets::detector(spec, rule.confidence)),
        Matching::Foreign(spec) => Some(Box::new(Foreign::new(spec, rule.confidence))),
    }
}
