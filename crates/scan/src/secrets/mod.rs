//! The family `secrets`: an expression near a keyword, or a value assigned to a name; then what is known about the value
//! itself.
//!
//! | module | holds |
//! |---|---|
//! | `assign` | finds what is assigned to a name, in every grammar |
//! | `names` | rules by the name |
//! | `judge` | what the value says: filters, entropy, words near it, proofs |
//! | `filters`, `words`, `entropy` | placeholders, references, words, randomness |
//! | `proof` | structural proofs |

mod assign;
mod entropy;
mod filters;
mod judge;
mod names;
mod proof;
mod words;

use std::ops::Range;
use std::sync::OnceLock;

use countersign_model::Confidence;
use regex::bytes::{CaptureLocations, Regex, RegexBuilder};

pub(crate) use entropy::shannon;
pub(crate) use filters::Filter;
pub(crate) use proof::Proof;

use crate::engine::{GROW_LIMIT, GROW_STEP};
use crate::family::{Candidate, Detector, Unusable};
use crate::rules::SecretMatch;
use judge::Judge;
use names::Names;

/// No rule may look further from its keyword, so that a stream's overlap stays bounded.
pub(crate) const MAX_WINDOW: usize = 64 * 1024;

/// No rule may look for words further from a value.
pub(crate) const MAX_NEAR: usize = 20;

/// The detector of a rule of this family.
pub(crate) fn detector(spec: SecretMatch, confidence: Confidence) -> Box<dyn Detector> {
    let judge = Judge::new(&spec, confidence);
    if spec.names.is_empty() { Box::new(Secret::new(spec, judge)) } else { Box::new(Names::new(spec, judge)) }
}

/// A rule by its expression, compiled when it is first needed.
#[derive(Debug)]
struct Secret {
    keywords: Vec<String>,
    window: usize,
    group: Option<usize>,
    expression: String,
    regex: OnceLock<Option<Regex>>,
    judge: Judge,
}

impl Secret {
    fn new(spec: SecretMatch, judge: Judge) -> Self {
        Self {
            keywords: spec.keywords,
            window: spec.window,
            group: spec.group,
            expression: spec.regex.unwrap_or_default(),
            regex: OnceLock::new(),
            judge,
        }
    }

    fn regex(&self) -> Option<&Regex> {
        self.regex.get_or_init(|| regex(&self.expression).ok()).as_ref()
    }
}

pub(crate) fn regex(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).unicode(false).build()
}

/// Every match that begins in `text[window]`. `take` says where the value ends: the search goes on from there and not from
/// the end of the match, for two values may share the quote between them.
pub(crate) fn each_match(
    regex: &Regex,
    text: &[u8],
    window: Range<usize>,
    mut take: impl FnMut(&CaptureLocations, Range<usize>) -> Result<usize, Unusable>,
) -> Result<(), Unusable> {
    let mut places = regex.capture_locations();
    let mut end = window.end.min(text.len());
    let mut at = window.start;
    while at <= end {
        // The slice keeps what stands before the window, so `\b` sees a real neighbour there. Behind it there is none: a
        // match that touches the edge may be the first part of something longer, so the edge moves on.
        let Some(whole) = regex.captures_read_at(&mut places, &text[..end], at) else { return Ok(()) };
        let whole = whole.range();
        if whole.end == end && end < text.len() && end < window.end.saturating_add(GROW_LIMIT) {
            end = end.saturating_add(GROW_STEP).min(text.len());
            continue;
        }
        if whole.start >= window.end {
            // Reached only because an edge moved; another window looks there if a keyword does.
            return Ok(());
        }
        let stop = take(&places, whole.clone())?;
        at = if stop > at { stop } else { whole.end.max(at + 1) };
    }
    Ok(())
}

impl Detector for Secret {
    fn keywords(&self) -> &[String] {
        &self.keywords
    }

    fn reach(&self) -> usize {
        self.window
    }

    fn look(&self, text: &[u8], window: Range<usize>, found: &mut Vec<Candidate>) -> Result<(), Unusable> {
        let regex = self.regex().ok_or(Unusable)?;
        let group = self.group.unwrap_or(usize::from(regex.captures_len() > 1));
        each_match(regex, text, window, |places, whole| {
            let (start, stop) = places.get(group).filter(|(s, e)| s < e).unwrap_or((whole.start, whole.end));
            self.judge.candidate(text, start..stop, found)?;
            Ok(stop)
        })
    }

    fn compile(&self) -> Result<(), (&'static str, String)> {
        let regex = regex(&self.expression).map_err(|e| ("regex", e.to_string()))?;
        self.judge.compile()?;
        match self.group {
            Some(group) if group >= regex.captures_len() => {
                Err(("group", format!("the expression has no capture group {group}")))
            }
            _ => Ok(()),
        }
    }
}
