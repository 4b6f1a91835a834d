//! Looks at one piece of text: the whole of a usual file, a part of a large one.

use std::collections::BTreeSet;
use std::ops::Range;

use countersign_model::Confidence;

use crate::family::Candidate;
use crate::rules::{RuleIndex, RuleSet};

use super::excerpt::{excerpt, join};
use super::marks::Marks;
use super::position::{Cursor, Place};
use super::window::Windows;
use super::{InlineMark, MATCH_LIMIT, Match, Scanner, overlap};

/// A match by its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) rule: u32,
    pub(super) value: Range<usize>,
    pub(super) confidence: Confidence,
}

/// A piece of text and what of it is to be answered for; the rest is there to be read around.
pub(super) struct Piece<'t> {
    pub(super) text: &'t [u8],
    /// Matches that begin here count; others belong to the piece before or behind.
    pub(super) accept: Range<usize>,
    /// Where `text` begins.
    pub(super) start: Place,
}

/// What the pieces of one file came to.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) matches: Vec<Match>,
    /// Matches beyond the limit.
    beyond: u64,
    /// Rules that could not be applied.
    unusable: BTreeSet<u32>,
}

impl Gathered {
    /// What was not looked at or not kept, in words.
    pub(super) fn missed(&self, rules: &RuleSet) -> Option<String> {
        let mut parts = Vec::new();
        if self.beyond > 0 {
            parts.push(format!("{} more matches than the {MATCH_LIMIT} that are kept for one file", self.beyond));
        }
        for rule in &self.unusable {
            parts.push(format!("the rule {} could not be applied", rules.rule(RuleIndex(*rule)).id));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

impl Scanner<'_> {
    /// Looks at `piece` with every rule but the `excluded` ones (sorted).
    pub(super) fn piece(&self, piece: &Piece<'_>, excluded: &[u32], out: &mut Gathered) {
        let text = piece.text;
        let mut windows = Windows::new(self.rules.len());
        let mut mark_hits = Vec::new();
        let (mut hits, mut hidden, mut found) = (Vec::new(), Vec::new(), Vec::new());
        for hit in self.rules.search().find_overlapping_iter(text) {
            if hit.pattern().as_usize() == 0 {
                mark_hits.push(hit.start());
            }
            for rule in self.rules.listeners(hit.pattern().as_usize()) {
                if excluded.binary_search(rule).is_ok() {
                    continue;
                }
                let detector = self.rules.detector(*rule);
                if !detector.is_direct() {
                    windows.hit(*rule, hit.range(), detector.reach(), text.len());
                } else if detector.at(text, hit.range(), &mut found).is_err() {
                    out.unusable.insert(*rule);
                } else {
                    take(*rule, &mut found, &mut hits, &mut hidden);
                }
            }
        }

        for window in windows.finish(text) {
            if self.rules.detector(window.rule).look(text, window.range, &mut found).is_err() {
                out.unusable.insert(window.rule);
            }
            take(window.rule, &mut found, &mut hits, &mut hidden);
        }
        if hits.is_empty() && mark_hits.is_empty() {
            return;
        }

        let hidden = join(hidden);
        let marks = Marks::read(text, piece.start, &mark_hits, &hidden);
        let mut kept = overlap::resolve(self.rules, hits);
        let missing = self.rules.missing_reason();
        for mark in marks.without_reason() {
            kept.push(Hit { rule: missing.0, value: mark.span.clone(), confidence: Confidence::Certain });
        }
        kept.retain(|h| piece.accept.contains(&h.value.start));
        kept.sort_by_key(|h| (h.value.start, h.rule));

        let mut cursor = Cursor::new(text, piece.start);
        for hit in kept {
            if out.matches.len() == MATCH_LIMIT {
                out.beyond += 1;
                continue;
            }
            let place = cursor.to(hit.value.start);
            let rule = RuleIndex(hit.rule);
            let reason = marks.reason(&self.rules.rule(rule).id, place.line).filter(|_| rule != missing);
            let (line, column) = place.report();
            let (end_line, end_column) = cursor.peek(hit.value.end).report();
            out.matches.push(Match {
                rule,
                line,
                column,
                end_line,
                end_column,
                identity: self.identity(&text[hit.value.clone()]),
                excerpt: excerpt(text, &hit.value, &hidden),
                confidence: hit.confidence,
                suppression: reason.map(|reason| InlineMark { reason: reason.to_owned() }),
            });
        }
    }
}

/// Sorts candidates into matches and what is only kept out of excerpts.
fn take(rule: u32, found: &mut Vec<Candidate>, hits: &mut Vec<Hit>, hidden: &mut Vec<Range<usize>>) {
    for candidate in found.drain(..) {
        hidden.push(candidate.value.clone());
        if let Some(confidence) = candidate.confidence {
            hits.push(Hit { rule, value: candidate.value, confidence });
        }
    }
}
