//! The family `secrets`: a regular expression near a keyword, then what is known about the value itself.

mod entropy;
mod proof;

use std::ops::Range;
use std::sync::OnceLock;

use countersign_model::Confidence;
use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

pub(crate) use proof::Proof;

use crate::engine::{GROW_LIMIT, GROW_STEP};
use crate::family::{Candidate, Detector, Unusable};
use crate::rules::SecretMatch;

/// No rule may look further from its keyword, so that a stream's overlap stays bounded.
pub(crate) const MAX_WINDOW: usize = 64 * 1024;

/// A rule of this family, its expressions compiled when they are first needed.
#[derive(Debug)]
pub(crate) struct Secret {
    spec: SecretMatch,
    confidence: Confidence,
    proof: Option<Proof>,
    regex: OnceLock<Option<Regex>>,
    allow: OnceLock<Option<RegexSet>>,
}

impl Secret {
    pub(crate) fn new(spec: SecretMatch, confidence: Confidence) -> Self {
        let proof = spec.proof.as_deref().and_then(Proof::named);
        Self { spec, confidence, proof, regex: OnceLock::new(), allow: OnceLock::new() }
    }

    fn regex(&self) -> Option<&Regex> {
        self.regex.get_or_init(|| regex(&self.spec.regex).ok()).as_ref()
    }

    fn allowed(&self, value: &[u8]) -> Result<bool, Unusable> {
        if self.spec.allow.is_empty() {
            return Ok(false);
        }
        let set = self.allow.get_or_init(|| allow(&self.spec.allow).ok()).as_ref().ok_or(Unusable)?;
        Ok(set.is_match(value))
    }

    /// What the value itself says, once its shape fits.
    fn judge(&self, value: &[u8]) -> Option<Confidence> {
        if self.spec.entropy.is_some_and(|least| entropy::shannon(value) < least) {
            return None;
        }
        match self.proof {
            Some(proof) if proof.holds(value) => Some(Confidence::Certain),
            Some(_) if self.spec.proof_required => None,
            _ => Some(self.confidence),
        }
    }
}

fn regex(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).unicode(false).build()
}

fn allow(texts: &[String]) -> Result<RegexSet, regex::Error> {
    RegexSetBuilder::new(texts).unicode(false).build()
}

impl Detector for Secret {
    fn keywords(&self) -> &[String] {
        &self.spec.keywords
    }

    fn reach(&self) -> usize {
        self.spec.window
    }

    fn look(&self, text: &[u8], window: Range<usize>, found: &mut Vec<Candidate>) -> Result<(), Unusable> {
        let regex = self.regex().ok_or(Unusable)?;
        let group = self.spec.group.unwrap_or(usize::from(regex.captures_len() > 1));
        let mut places = regex.capture_locations();
        let mut end = window.end.min(text.len());
        let mut at = window.start;
        while at <= end {
            // The slice keeps what stands before the window, so `\b` sees a real neighbour there. Behind it there is
            // none: a match that touches the edge may be the first part of something longer, so the edge moves on.
            let Some(whole) = regex.captures_read_at(&mut places, &text[..end], at) else { return Ok(()) };
            if whole.end() == end && end < text.len() && end < window.end.saturating_add(GROW_LIMIT) {
                end = end.saturating_add(GROW_STEP).min(text.len());
                continue;
            }
            if whole.start() >= window.end {
                // Reached only because an edge moved; another window looks there if a keyword does.
                return Ok(());
            }
            let (start, stop) = places.get(group).filter(|(s, e)| s < e).unwrap_or((whole.start(), whole.end()));
            let value = &text[start..stop];
            if !value.is_empty() && !self.allowed(value)? {
                found.push(Candidate { value: start..stop, confidence: self.judge(value) });
            }
            // On from the value's end, not the match's: two values may share the quote between them.
            at = if stop > at { stop } else { whole.end().max(at + 1) };
        }
        Ok(())
    }

    fn compile(&self) -> Result<(), (&'static str, String)> {
        let regex = regex(&self.spec.regex).map_err(|e| ("regex", e.to_string()))?;
        allow(&self.spec.allow).map_err(|e| ("allow", e.to_string()))?;
        match self.spec.group {
            Some(group) if group >= regex.captures_len() => {
                Err(("group", format!("the expression has no capture group {group}")))
            }
            _ => Ok(()),
        }
    }
}
