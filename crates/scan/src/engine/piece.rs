//! Looks at one piece of text: the whole of a usual file, a part of a large one.

use std::collections::BTreeSet;
use std::ops::Range;

use countersign_model::{Confidence, Digest};

use crate::family::Candidate;
use crate::foreign::Required;
use crate::rules::{RuleIndex, RuleSet};

use super::excerpt::{excerpt, join};
use super::group::Groups;
use super::marks::{MARKS, MarkHit, Marks};
use super::position::{Cursor, Place};
use super::runs::Runs;
use super::window::Windows;
use super::{InlineMark, MATCH_LIMIT, Match, Scanner, decode, overlap};

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
    pub(super) beyond: u64,
    /// Rules that could not be applied.
    unusable: BTreeSet<u32>,
    /// What else was not looked at, in words; the first few.
    notes: Vec<String>,
    /// How many of these there were.
    noted: usize,
}

/// More notes than this on one file are counted.
const NOTES: usize = 5;

impl Gathered {
    /// Something was not looked at.
    pub(super) fn note(&mut self, what: String) {
        self.noted += 1;
        if self.notes.len() < NOTES {
            self.notes.push(what);
        }
    }

    /// What was not looked at or not kept, in words.
    pub(super) fn missed(&self, rules: &RuleSet) -> Option<String> {
        let mut parts = self.notes.clone();
        if self.noted > NOTES {
            parts.push(format!("and {} more", self.noted - NOTES));
        }
        if self.beyond > 0 {
            parts.push(format!("{} more matches than the {MATCH_LIMIT} that are kept for one file", self.beyond));
        }
        for rule in &self.unusable {
            parts.push(format!("the rule {} could not be applied", rules.rule(RuleIndex(*rule)).id));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// What one layer of text holds, by place.
#[derive(Default)]
struct Looked {
    hits: Vec<Hit>,
    /// Every value, those that count for nothing included: what excerpts leave out.
    hidden: Vec<Range<usize>>,
    /// Suppression marks.
    marks: Vec<MarkHit>,
    /// Where the overview's keywords stand, with their numbers.
    words: Vec<(usize, Range<usize>)>,
}

/// A match inside encoded text.
struct Inner {
    rule: u32,
    confidence: Confidence,
    identity: Digest,
}

impl Scanner<'_> {
    /// Looks at `piece` with every rule but the `excluded` ones (sorted). `groups` are those of the text that it is of.
    pub(super) fn piece(&self, piece: &Piece<'_>, excluded: &[u32], groups: &mut Groups<'_>, out: &mut Gathered) {
        let text = piece.text;
        let Looked { hits, mut hidden, mut marks, words } = self.look(text, excluded, &mut out.unusable);
        let mut kept = if hits.is_empty() { Vec::new() } else { overlap::resolve(self.rules, hits) };
        let mut encoded = Vec::new();
        let mut yields = vec![false; kept.len()];
        for layer in decode::layers(text) {
            let inner = self.inside(&layer.text, excluded, 1, &mut out.unusable);
            if inner.is_empty() {
                continue;
            }
            // What was kept is sorted and overlaps nowhere, so what meets the layer stands side by side.
            let first = kept.partition_point(|h| h.value.end <= layer.place.start);
            let last = first + kept[first..].partition_point(|h| h.value.start < layer.place.end);
            // What knows the outer text knows more: a token of three parts is one value, not two objects in base64.
            if kept[first..last].iter().any(|h| !overlap::is_generic(self.rules.rule(RuleIndex(h.rule)))) {
                continue;
            }
            yields[first..last].fill(true);
            hidden.push(layer.place.clone());
            encoded.push((layer, inner));
        }
        let mut yields = yields.into_iter();
        kept.retain(|_| !yields.next().unwrap_or(false));
        let mut seen = groups.part(piece, &words);
        if kept.is_empty() && encoded.is_empty() && marks.is_empty() && seen.last.is_empty() {
            return;
        }

        hidden.extend(seen.values.iter().map(|(place, ..)| place.clone()));
        let hidden = join(hidden);
        // The search reports words by their ends.
        marks.sort_by_key(|m| (m.at, m.word));
        let marks = Marks::read(text, piece.start, &marks, &hidden);
        let missing = self.rules.missing_reason();
        for mark in marks.without_reason() {
            kept.push(Hit { rule: missing.0, value: mark.span.clone(), confidence: Confidence::Certain });
        }
        let mut all: Vec<(Hit, Option<(Digest, &str)>)> = kept.into_iter().map(|h| (h, None)).collect();
        for (layer, inner) in &encoded {
            all.extend(inner.iter().map(|i| {
                let hit = Hit { rule: i.rule, value: layer.place.clone(), confidence: i.confidence };
                (hit, Some((i.identity, layer.encoding)))
            }));
        }
        all.retain(|(h, _)| piece.accept.contains(&h.value.start));
        all.sort_by_key(|(h, inner)| (h.value.start, h.rule, inner.map(|(identity, _)| identity)));

        groups.reach(piece, &mut seen, |rule, line| marks.reason(&self.rules.rule(rule).id, line));
        let mut cursor = Cursor::new(text, piece.start);
        for (hit, inner) in all {
            // What a group may stand for does not fill the list.
            let ticket = if inner.is_none() { seen.ticket(&hit) } else { None };
            if ticket.map_or(out.matches.len() >= MATCH_LIMIT, |t| !groups.keeps(t)) {
                out.beyond += u64::from(ticket.is_none());
                continue;
            }
            let place = cursor.to(hit.value.start);
            let rule = RuleIndex(hit.rule);
            let reason = marks.reason(&self.rules.rule(rule).id, place.line).filter(|_| rule != missing);
            let (line, column) = place.report();
            let (end_line, end_column) = cursor.peek(hit.value.end).report();
            let mut excerpt = excerpt(text, &hit.value, &hidden);
            if let Some((_, encoding)) = inner {
                excerpt = format!("{excerpt} (in {encoding})");
            }
            let found = Match {
                rule,
                inside: None,
                line,
                column,
                end_line,
                end_column,
                identity: inner.map_or_else(|| self.identity(&text[hit.value.clone()]), |(identity, _)| identity),
                excerpt,
                confidence: hit.confidence,
                suppression: reason.map(|reason| InlineMark { reason: reason.into_owned() }),
            };
            match ticket {
                Some(ticket) => groups.keep(ticket, found),
                None => out.matches.push(found),
            }
        }
    }
}

impl Scanner<'_> {
    /// Shows every run of digits to the rules that want them. Without such a rule the text is not gone through.
    fn runs(&self, text: &[u8], excluded: &[u32], unusable: &mut BTreeSet<u32>, looked: &mut Looked) {
        let runners = self.rules.runners();
        if runners.iter().all(|r| excluded.binary_search(r).is_ok()) {
            return;
        }
        let mut found = Vec::new();
        for run in Runs::new(text) {
            for rule in runners.iter().filter(|r| excluded.binary_search(r).is_err()) {
                if self.rules.detector(*rule).run(text, run.clone(), &mut found).is_err() {
                    unusable.insert(*rule);
                }
                looked.take(*rule, &mut found);
            }
        }
    }

    /// One layer: every keyword and every run of digits, and what the rules see near it.
    fn look(&self, text: &[u8], excluded: &[u32], unusable: &mut BTreeSet<u32>) -> Looked {
        let mut windows = Windows::new(self.rules.len());
        let mut looked = Looked::default();
        let mut found = Vec::new();
        for hit in self.rules.search(text.len()).find_overlapping_iter(text) {
            let word = hit.pattern().as_usize();
            if word < MARKS {
                looked.marks.push(MarkHit { word, at: hit.start() });
                continue;
            }
            let word = word - MARKS;
            if let Some(word) = self.rules.overview_word(word) {
                looked.words.push((word, hit.range()));
            }
            for rule in self.rules.listeners(word) {
                if excluded.binary_search(rule).is_ok() {
                    continue;
                }
                let detector = self.rules.detector(*rule);
                if !detector.is_direct() {
                    windows.hit(*rule, hit.range(), detector.reach(), text.len());
                } else if detector.at(text, hit.range(), &mut found).is_err() {
                    unusable.insert(*rule);
                } else {
                    looked.take(*rule, &mut found);
                }
            }
        }
        self.runs(text, excluded, unusable, &mut looked);
        for window in windows.finish(text) {
            if self.rules.detector(window.rule).look(text, window.range, &mut found).is_err() {
                unusable.insert(window.rule);
            }
            looked.take(window.rule, &mut found);
        }
        for rule in self.rules.everywhere().iter().filter(|r| excluded.binary_search(r).is_err()) {
            if self.rules.detector(*rule).look(text, 0..text.len(), &mut found).is_err() {
                unusable.insert(*rule);
            }
            looked.take(*rule, &mut found);
        }
        self.keep_required(text, &mut looked.hits);
        looked
    }

    /// Drops matches whose rule asks for another one near, where that is not, and those that are only there to be asked for.
    fn keep_required(&self, text: &[u8], hits: &mut Vec<Hit>) {
        let needs = |h: &Hit| !self.rules.required(h.rule).is_empty() || !self.rules.detector(h.rule).is_reported();
        if !hits.iter().any(needs) {
            return;
        }
        let near = |hit: &Hit, required: &Required| {
            hits.iter().filter(|o| o.rule == required.rule).any(|other| {
                let (first, second) = if hit.value.start <= other.value.start {
                    (&hit.value, &other.value)
                } else {
                    (&other.value, &hit.value)
                };
                let between = text.get(first.end..second.start).unwrap_or_default();
                required.lines.is_none_or(|most| memchr::memchr_iter(b'\n', between).take(most + 1).count() <= most)
            })
        };
        let keep: Vec<bool> = hits
            .iter()
            .map(|h| {
                self.rules.detector(h.rule).is_reported() && self.rules.required(h.rule).iter().all(|r| near(h, r))
            })
            .collect();
        let mut keep = keep.into_iter();
        hits.retain(|_| keep.next().unwrap_or(true));
    }

    /// What decoded text holds, and what is encoded in it, and so on.
    fn inside(&self, text: &[u8], excluded: &[u32], depth: usize, unusable: &mut BTreeSet<u32>) -> Vec<Inner> {
        let hits = self.look(text, excluded, unusable).hits;
        let mut found: Vec<Inner> = overlap::resolve(self.rules, hits)
            .into_iter()
            .map(|h| Inner { rule: h.rule, confidence: h.confidence, identity: self.identity(&text[h.value]) })
            .collect();
        if depth < decode::DEPTH {
            for layer in decode::layers(text) {
                found.extend(self.inside(&layer.text, excluded, depth + 1, unusable));
            }
        }
        found.sort_by_key(|i| (i.rule, i.identity));
        found.dedup_by_key(|i| (i.rule, i.identity));
        found
    }
}

impl Looked {
    /// Sorts candidates into matches and what is only kept out of excerpts.
    fn take(&mut self, rule: u32, found: &mut Vec<Candidate>) {
        for candidate in found.drain(..) {
            self.hidden.push(candidate.value.clone());
            if let Some(confidence) = candidate.confidence {
                self.hits.push(Hit { rule, value: candidate.value, confidence });
            }
        }
    }
}
