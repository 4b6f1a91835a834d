//! Looks at one piece of text: the whole of a usual file, a part of a large one.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use countersign_model::{Confidence, Digest};

use crate::family::{Candidate, Seen};
use crate::foreign::Required;
use crate::rules::{RuleIndex, RuleSet};

use super::excerpt::{excerpt, join};
use super::group::Groups;
use super::marks::{MARKS, MarkHit, Marks};
use super::position::{Cursor, Place};
use super::runs::Runs;
use super::window::Windows;
use super::{InlineMark, MATCH_LIMIT, Match, Scanner, Wanted, decode, overlap};

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
pub(super) struct Looked {
    pub(super) hits: Vec<Hit>,
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
    telling: bool,
}

/// What stands in a piece once the rules have agreed about it.
#[derive(Default)]
struct Agreed {
    /// Matches that overlap nowhere, sorted.
    kept: Vec<Hit>,
    /// What encoded runs hold.
    encoded: Vec<(decode::Layer, Vec<Inner>)>,
    /// What excerpts leave out.
    hidden: Vec<Range<usize>>,
    marks: Vec<MarkHit>,
    /// What the groups saw.
    seen: Seen,
}

/// A place to be reported, and what is known about its value besides where it stands.
struct Found<'e> {
    hit: Hit,
    known: Option<Known<'e>>,
}

/// A value that is not what the text at its place says, or is known already.
#[derive(Clone, Copy)]
struct Known<'e> {
    identity: Digest,
    encoding: Option<&'e str>,
    telling: bool,
}

impl Scanner<'_> {
    /// Looks at `piece` with every rule but the `excluded` ones (sorted). `groups` are those of the text that it is of.
    pub(super) fn piece(&self, piece: &Piece<'_>, excluded: &[u32], groups: &mut Groups<'_>, out: &mut Gathered) {
        if let Some(wanted) = self.wanted {
            return self.recurrences(wanted, piece, excluded, groups, out);
        }
        let Agreed { kept, encoded, mut hidden, marks, mut seen } = self.agree(piece, excluded, groups, true, out);
        if kept.is_empty() && encoded.is_empty() && marks.is_empty() && seen.last.is_empty() {
            return;
        }
        hidden.extend(seen.values.iter().map(|(place, ..)| place.clone()));
        let hidden = join(hidden);
        let marks = read_marks(piece, marks, &hidden);
        let missing = self.rules.missing_reason();
        let mut all: Vec<Found<'_>> = kept.into_iter().map(|hit| Found { hit, known: None }).collect();
        all.extend(marks.without_reason().map(|mark| {
            let hit = Hit { rule: missing.0, value: mark.span.clone(), confidence: Confidence::Certain };
            Found { hit, known: None }
        }));
        for (layer, inner) in &encoded {
            all.extend(inner.iter().map(|i| {
                let hit = Hit { rule: i.rule, value: layer.place.clone(), confidence: i.confidence };
                let encoding = Some(layer.encoding);
                Found { hit, known: Some(Known { identity: i.identity, encoding, telling: i.telling }) }
            }));
        }
        groups.reach(piece, &mut seen, |rule, line| marks.reason(&self.rules.rule(rule).id, line));
        self.tell(piece, all, &hidden, &marks, Some((groups, &seen)), out);
    }

    /// Values that are looked for, where nothing else is found.
    fn recurrences(
        &self,
        wanted: &Wanted,
        piece: &Piece<'_>,
        excluded: &[u32],
        groups: &mut Groups<'_>,
        out: &mut Gathered,
    ) {
        let mut places = wanted.places(piece.text, &piece.accept);
        if places.is_empty() {
            return;
        }
        // Pieces without a value are passed over, so groups that reach over several are not followed.
        let whole = piece.accept == (0..piece.text.len());
        let Agreed { kept, encoded, mut hidden, marks, seen } = self.agree(piece, excluded, groups, whole, out);
        let grouped = seen.values.iter().filter(|(.., ticket)| ticket.is_some()).map(|(place, ..)| place.clone());
        let kept = kept.into_iter().map(|hit| hit.value);
        let found = join(kept.chain(encoded.into_iter().map(|(layer, _)| layer.place)).chain(grouped).collect());
        places.retain(|(place, _)| {
            let next = found.partition_point(|f| f.end <= place.start);
            found.get(next).is_none_or(|f| f.start >= place.end)
        });
        hidden.extend(seen.values.iter().map(|(place, ..)| place.clone()));
        hidden.extend(places.iter().map(|(place, _)| place.clone()));
        let hidden = join(hidden);
        let marks = read_marks(piece, marks, &hidden);
        let all = places.into_iter().map(|(value, sought)| Found {
            hit: Hit { rule: sought.rule.0, value, confidence: sought.confidence },
            known: Some(Known { identity: sought.identity, encoding: None, telling: false }),
        });
        self.tell(piece, all.collect(), &hidden, &marks, None, out);
    }

    /// What the rules agree on in a piece. Groups are told of it only where `follow` says so.
    fn agree(
        &self,
        piece: &Piece<'_>,
        excluded: &[u32],
        groups: &mut Groups<'_>,
        follow: bool,
        out: &mut Gathered,
    ) -> Agreed {
        let text = piece.text;
        let Looked { hits, mut hidden, marks, words } = self.look(text, excluded, &mut out.unusable);
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
        let seen = if follow { groups.part(piece, &words) } else { Seen::default() };
        Agreed { kept, encoded, hidden, marks, seen }
    }

    /// Reports what was found in a piece. What a group may stand for goes to the group.
    fn tell(
        &self,
        piece: &Piece<'_>,
        mut all: Vec<Found<'_>>,
        hidden: &[Range<usize>],
        marks: &Marks,
        mut groups: Option<(&mut Groups<'_>, &Seen)>,
        out: &mut Gathered,
    ) {
        let text = piece.text;
        let missing = self.rules.missing_reason();
        all.retain(|f| piece.accept.contains(&f.hit.value.start));
        all.sort_by_key(|f| (f.hit.value.start, f.hit.rule, f.known.map(|k| k.identity)));
        let mut cursor = Cursor::new(text, piece.start);
        for Found { hit, known } in all {
            // What a group may stand for does not fill the list.
            let ticket = groups.as_ref().filter(|_| known.is_none()).and_then(|(_, seen)| seen.ticket(&hit));
            let full = match (ticket, &groups) {
                (Some(ticket), Some((groups, _))) => !groups.keeps(ticket),
                _ => out.matches.len() >= MATCH_LIMIT,
            };
            if full {
                out.beyond += u64::from(ticket.is_none());
                continue;
            }
            let place = cursor.to(hit.value.start);
            let rule = RuleIndex(hit.rule);
            let reason = marks.reason(&self.rules.rule(rule).id, place.line).filter(|_| rule != missing);
            let (line, column) = place.report();
            let (end_line, end_column) = cursor.peek(hit.value.end).report();
            let mut excerpt = excerpt(text, &hit.value, hidden);
            if let Some(encoding) = known.and_then(|k| k.encoding) {
                excerpt = format!("{excerpt} (in {encoding})");
            }
            let (identity, telling) = match known {
                Some(known) => (known.identity, known.telling),
                None => {
                    let value = &text[hit.value.clone()];
                    let identity = self.identity(value);
                    (identity, rule != missing && self.is_telling(hit.confidence, value, identity))
                }
            };
            let found = Match {
                rule,
                inside: None,
                line,
                column,
                end_line,
                end_column,
                identity,
                excerpt,
                confidence: hit.confidence,
                suppression: reason.map(|reason| InlineMark { reason: reason.into_owned() }),
                telling,
            };
            match (ticket, &mut groups) {
                (Some(ticket), Some((groups, _))) => groups.keep(ticket, found),
                _ => out.matches.push(found),
            }
        }
    }
}

fn read_marks(piece: &Piece<'_>, mut marks: Vec<MarkHit>, hidden: &[Range<usize>]) -> Marks {
    // The search reports words by their ends.
    marks.sort_by_key(|m| (m.at, m.word));
    Marks::read(piece.text, piece.start, &marks, hidden)
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
    pub(super) fn look(&self, text: &[u8], excluded: &[u32], unusable: &mut BTreeSet<u32>) -> Looked {
        let mut windows = Windows::new(self.rules.len());
        let mut looked = Looked::default();
        let mut found = Vec::new();
        self.rules.each_keyword(text, |word, place| {
            let Some(keyword) = word.checked_sub(MARKS) else {
                looked.marks.push(MarkHit { word, at: place.start });
                return;
            };
            if let Some(word) = self.rules.overview_word(keyword) {
                looked.words.push((word, place.clone()));
            }
            for rule in self.rules.listeners(keyword) {
                if excluded.binary_search(rule).is_ok() {
                    continue;
                }
                let detector = self.rules.detector(*rule);
                if !detector.is_direct() {
                    windows.hit(*rule, place.clone(), detector.reach(), text.len());
                } else if detector.at(text, place.clone(), &mut found).is_err() {
                    unusable.insert(*rule);
                } else {
                    looked.take(*rule, &mut found);
                }
            }
        });
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
        let places = Places::of(text, hits);
        let near = |hit: &Hit, required: &Required| places.is_near(hit, required);
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
            .map(|h| {
                let value = &text[h.value];
                let identity = self.identity(value);
                let telling = self.is_telling(h.confidence, value, identity);
                Inner { rule: h.rule, confidence: h.confidence, identity, telling }
            })
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

/// Where the matches of each rule stand, so that whether one is near another is looked up and not counted in the text again
/// and again.
struct Places {
    /// Offsets at which matches begin or end, sorted, each with how many lines end before it.
    lines: Vec<(usize, usize)>,
    /// By rule, where its matches begin, sorted, each with the line that they and those before them reach.
    by_rule: HashMap<u32, Vec<(usize, usize)>>,
}

impl Places {
    fn of(text: &[u8], hits: &[Hit]) -> Self {
        let mut offsets: Vec<usize> = hits.iter().flat_map(|h| [h.value.start, h.value.end]).collect();
        offsets.sort_unstable();
        offsets.dedup();
        let (mut line, mut at) = (0, 0);
        let mut lines = Vec::with_capacity(offsets.len());
        for offset in offsets {
            line += memchr::memchr_iter(b'\n', text.get(at..offset).unwrap_or_default()).count();
            at = offset;
            lines.push((offset, line));
        }
        let mut places = Self { lines, by_rule: HashMap::new() };
        let mut sorted: Vec<&Hit> = hits.iter().collect();
        sorted.sort_by_key(|h| h.value.start);
        for hit in sorted {
            let end = places.line(hit.value.end);
            let list = places.by_rule.entry(hit.rule).or_default();
            let reach = list.last().map_or(end, |(_, before)| end.max(*before));
            list.push((hit.value.start, reach));
        }
        places
    }

    fn line(&self, offset: usize) -> usize {
        self.lines.binary_search_by_key(&offset, |(o, _)| *o).ok().and_then(|n| self.lines.get(n)).map_or(0, |l| l.1)
    }

    fn is_near(&self, hit: &Hit, required: &Required) -> bool {
        let Some(list) = self.by_rule.get(&required.rule) else { return false };
        let Some(most) = required.lines else { return true };
        let next = list.partition_point(|(start, _)| *start < hit.value.start);
        let behind = list.get(next).map(|(start, _)| self.line(*start).saturating_sub(self.line(hit.value.end)));
        let before = next.checked_sub(1).and_then(|n| list.get(n));
        let before = before.map(|(_, reach)| self.line(hit.value.start).saturating_sub(*reach));
        behind.into_iter().chain(before).any(|lines| lines <= most)
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
