//! What a family of rules brings to the engine.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use countersign_model::{Confidence, Digest, TreePath};

use crate::foreign::Foreign;
use crate::rules::{Matching, Rule};
use crate::{pii, secrets};

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

    /// Whether [`Detector::run`] is asked at each run of digits.
    fn wants_runs(&self) -> bool {
        false
    }

    /// Finds candidates in or around the run of digits at `run` (see `engine::Runs`).
    fn run(&self, _text: &[u8], _run: Range<usize>, _found: &mut Vec<Candidate>) -> Result<(), Unusable> {
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

/// What a family says of a file as a whole, once for all of its rules.
pub(crate) trait Overview: fmt::Debug + Send + Sync {
    /// Words whose places it is told.
    fn keywords(&self) -> &[&'static str];

    /// Begins a file that all but the `excluded` rules (sorted) look at; `None` when nothing is to be said of it.
    fn begin<'o>(&'o self, excluded: &'o [u32]) -> Option<Box<dyn Follow + 'o>>;

    /// How many of their last bytes are wanted of contents that are no text and begin with `head`; `None` when nothing is to
    /// be said of them.
    fn wants_end(&self, excluded: &[u32], head: &[u8]) -> Option<usize>;

    /// What there is to say of such contents by their end, places apart.
    ///
    /// # Errors
    /// What could not be looked at, for people.
    fn by_end(&self, excluded: &[u32], end: &[u8]) -> Result<Vec<Group>, &'static str>;
}

/// Follows one file from its beginning to its end, part by part.
pub(crate) trait Follow: fmt::Debug {
    /// The next part is `text[part]`; parts follow each other without a gap, and what is around one may be read. `hits` are
    /// the places of keywords, each with the number of the keyword.
    fn part(&mut self, text: &[u8], part: Range<usize>, hits: &[(usize, Range<usize>)], seen: &mut Seen);

    /// What there is to say of the file.
    fn end(self: Box<Self>) -> Vec<Group>;
}

/// What a part showed, by places in its text.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Values and the rule that they count for. They are kept out of excerpts. Where a group stands for a value, its ticket
    /// is given, and a match of the same rule there is the group's.
    pub(crate) values: Vec<(Range<usize>, u32, Option<usize>)>,
    /// Where a group begins: its ticket, and its first value.
    pub(crate) first: Vec<(usize, Range<usize>)>,
    /// The last value of each group that has one in the part.
    pub(crate) last: BTreeMap<usize, Range<usize>>,
}

/// Many values of a file that are one finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) rule: u32,
    pub(crate) ticket: usize,
    pub(crate) confidence: Confidence,
    /// How many values or records.
    pub(crate) count: u64,
    /// What is shown of them: printable, no value in it.
    pub(crate) text: String,
    /// The digest of all the values, under no key. It leaves the engine as an HMAC only.
    pub(crate) values: Digest,
}

/// What the families say of files as a whole.
pub(crate) fn overview(rules: &[&Rule]) -> Option<Box<dyn Overview>> {
    pii::overview(rules)
}

/// The detector of a rule that came from a file; the reader of rule files knows all families.
pub(crate) fn detector(rule: &Rule) -> Option<Box<dyn Detector>> {
    match rule.matching.clone()? {
        Matching::Secret(spec) => Some(secrets::detector(spec, rule.confidence)),
        Matching::Foreign(spec) => Some(Box::new(Foreign::new(spec, rule.confidence))),
        Matching::Pii(spec) => Some(pii::detector(spec, rule.confidence)),
    }
}
