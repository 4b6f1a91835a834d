//! What is known about a value once its shape fits: whether it counts, and how sure that is.

use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use countersign_model::Confidence;
use regex::bytes::{RegexSet, RegexSetBuilder};

use super::filters::Filter;
use super::{Proof, entropy};
use crate::family::{Candidate, Unusable};
use crate::rules::{Near, SecretMatch};

/// How many bytes of a line are looked at for words that must be near.
const NEAR_LINE: usize = 400;

/// The tests that a rule puts a value to.
#[derive(Debug)]
pub(crate) struct Judge {
    confidence: Confidence,
    entropy: Option<f64>,
    filters: Vec<Filter>,
    allow: Vec<String>,
    allowed: OnceLock<Option<RegexSet>>,
    near: Option<Near>,
    words: OnceLock<Option<AhoCorasick>>,
    proof: Option<Proof>,
    proof_required: bool,
}

impl Judge {
    pub(crate) fn new(spec: &SecretMatch, confidence: Confidence) -> Self {
        let named = |names: &[String]| names.iter().filter_map(|n| Filter::named(n)).collect();
        let filters = match &spec.filters {
            Some(names) => named(names),
            // A value that a name points at may be anything; one that an expression found has a form already.
            None if spec.names.is_empty() => Vec::new(),
            None => vec![Filter::Placeholder, Filter::Reference],
        };
        Self {
            confidence,
            entropy: spec.entropy,
            filters,
            allow: spec.allow.clone(),
            allowed: OnceLock::new(),
            near: spec.near.clone(),
            words: OnceLock::new(),
            proof: spec.proof.as_deref().and_then(Proof::named),
            proof_required: spec.proof_required,
        }
    }

    /// Adds the value at `place` to what was found, unless it is one that the rule allows.
    pub(crate) fn candidate(
        &self,
        text: &[u8],
        place: Range<usize>,
        found: &mut Vec<Candidate>,
    ) -> Result<(), Unusable> {
        let value = &text[place.clone()];
        if value.is_empty() || self.is_allowed(value)? {
            return Ok(());
        }
        let confidence = if self.is_near(text, &place)? { self.weigh(value) } else { None };
        found.push(Candidate { value: place, confidence });
        Ok(())
    }

    fn weigh(&self, value: &[u8]) -> Option<Confidence> {
        if self.filters.iter().any(|f| f.drops(value))
            || self.entropy.is_some_and(|least| entropy::shannon(value) < least)
        {
            return None;
        }
        match self.proof {
            Some(proof) if proof.holds(value) => Some(Confidence::Certain),
            Some(_) if self.proof_required => None,
            _ => Some(self.confidence),
        }
    }

    fn is_allowed(&self, value: &[u8]) -> Result<bool, Unusable> {
        if self.allow.is_empty() {
            return Ok(false);
        }
        let set = self.allowed.get_or_init(|| set(&self.allow).ok()).as_ref().ok_or(Unusable)?;
        Ok(set.is_match(value))
    }

    /// Whether one of the words that must be near is.
    fn is_near(&self, text: &[u8], place: &Range<usize>) -> Result<bool, Unusable> {
        let Some(near) = &self.near else { return Ok(true) };
        let search = self.words.get_or_init(|| search(&near.words).ok()).as_ref().ok_or(Unusable)?;
        let reach = (near.lines + 1) * NEAR_LINE;
        let floor = place.start.saturating_sub(reach);
        let before = text[floor..place.start].iter().rev().enumerate().filter(|(_, b)| **b == b'\n').nth(near.lines);
        let start = before.map_or(floor, |(n, _)| place.start - n);
        let ceiling = place.end.saturating_add(reach).min(text.len());
        let behind = text[place.end..ceiling].iter().enumerate().filter(|(_, b)| **b == b'\n').nth(near.lines);
        let end = behind.map_or(ceiling, |(n, _)| place.end + n);
        // The value itself is no witness for itself.
        Ok(search.is_match(&text[start..place.start]) || search.is_match(&text[place.end..end]))
    }

    pub(crate) fn compile(&self) -> Result<(), (&'static str, String)> {
        set(&self.allow).map_err(|e| ("allow", e.to_string()))?;
        if let Some(near) = &self.near {
            search(&near.words).map_err(|e| ("near", e.to_string()))?;
        }
        Ok(())
    }
}

fn set(texts: &[String]) -> Result<RegexSet, regex::Error> {
    RegexSetBuilder::new(texts).unicode(false).build()
}

fn search(words: &[String]) -> Result<AhoCorasick, aho_corasick::BuildError> {
    AhoCorasick::builder().ascii_case_insensitive(true).kind(Some(AhoCorasickKind::ContiguousNFA)).build(words)
}
