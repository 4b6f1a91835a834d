//! Many values that are one finding: what a family says of the file as a whole.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use super::piece::{Gathered, Hit, Piece};
use super::position::Cursor;
use super::{InlineMark, MATCH_LIMIT, Match, Scanner};
use crate::family::{Follow, Seen};
use crate::rules::{RuleIndex, RuleSet};

/// Up to so many values are shown each by itself, where each is a match of its own.
const FEW: usize = 3;

/// From where to where a group reaches, as a report says it: from its first value to its last, so that a row that is added
/// to a table touches it.
#[derive(Debug)]
struct Reach {
    begin: (u32, u32),
    end: (u32, u32),
}

/// The groups of one text: a file, or a file in an archive.
#[derive(Debug)]
pub(super) struct Groups<'s> {
    /// How many matches there were before it.
    before: usize,
    follow: Option<Box<dyn Follow + 's>>,
    reach: BTreeMap<usize, Reach>,
    /// Reasons of marks where a group begins, by ticket and rule; the rule is known at the end.
    reasons: BTreeMap<usize, Vec<(RuleIndex, String)>>,
    /// Matches that a group may stand for.
    kept: BTreeMap<usize, Vec<Match>>,
}

impl<'s> Groups<'s> {
    /// Before the first piece of a text that all but the `excluded` rules look at.
    pub(super) fn new(rules: &'s RuleSet, excluded: &'s [u32], gathered: &Gathered) -> Self {
        let follow = rules.overview().and_then(|o| o.begin(excluded));
        Self {
            before: gathered.matches.len(),
            follow,
            reach: BTreeMap::new(),
            reasons: BTreeMap::new(),
            kept: BTreeMap::new(),
        }
    }

    /// Goes on to the next piece; `words` are the places of the overview's keywords.
    pub(super) fn part(&mut self, piece: &Piece<'_>, words: &[(usize, Range<usize>)]) -> Seen {
        let mut seen = Seen::default();
        if let Some(follow) = &mut self.follow {
            follow.part(piece.text, piece.accept.clone(), words, &mut seen);
            seen.values.sort_by_key(|(place, ..)| place.start);
        }
        seen
    }

    /// Notes where groups begin and how far they reach, and what the marks where they begin say for the rules that saw a
    /// value.
    pub(super) fn reach<'m>(
        &mut self,
        piece: &Piece<'_>,
        seen: &mut Seen,
        reason: impl Fn(RuleIndex, u64) -> Option<Cow<'m, str>>,
    ) {
        seen.first.sort_by_key(|(_, place)| place.start);
        let mut cursor = Cursor::new(piece.text, piece.start);
        for (ticket, place) in &seen.first {
            let begin = cursor.to(place.start);
            let end = cursor.peek(place.end);
            self.reach.insert(*ticket, Reach { begin: begin.report(), end: end.report() });
            let from = seen.values.partition_point(|(p, ..)| p.start < place.start);
            for (_, rule, _) in seen.values[from..].iter().take_while(|(p, ..)| p.start == place.start) {
                let rule = RuleIndex(*rule);
                if let Some(text) = reason(rule, begin.line) {
                    self.reasons.entry(*ticket).or_default().push((rule, text.into_owned()));
                }
            }
        }
        let mut last: Vec<(&usize, &Range<usize>)> = seen.last.iter().collect();
        last.sort_by_key(|(_, place)| place.end);
        let mut cursor = Cursor::new(piece.text, piece.start);
        for (ticket, place) in last {
            let end = cursor.to(place.end).report();
            if let Some(reach) = self.reach.get_mut(ticket) {
                reach.end = reach.end.max(end);
            }
        }
    }

    /// Whether one more match that this group may stand for is kept.
    pub(super) fn keeps(&self, ticket: usize) -> bool {
        self.kept.get(&ticket).is_none_or(|k| k.len() < FEW)
    }

    pub(super) fn keep(&mut self, ticket: usize, found: Match) {
        self.kept.entry(ticket).or_default().push(found);
    }

    /// After the last piece: adds the groups to what was gathered, each or the few matches it would stand for.
    pub(super) fn end(mut self, scanner: &Scanner<'_>, gathered: &mut Gathered) {
        if scanner.wanted.is_some() {
            return;
        }
        let matches = &mut gathered.matches;
        let groups = self.follow.take().map(Follow::end).unwrap_or_default();
        for group in groups {
            let kept = self.kept.remove(&group.ticket).unwrap_or_default();
            let found = if kept.len() as u64 == group.count {
                kept
            } else {
                let Some(reach) = self.reach.get(&group.ticket) else { continue };
                let rule = RuleIndex(group.rule);
                let reasons = self.reasons.get(&group.ticket).map_or(&[][..], Vec::as_slice);
                let reason = reasons.iter().find(|(r, _)| *r == rule).map(|(_, reason)| reason.clone());
                vec![Match {
                    rule,
                    inside: None,
                    line: reach.begin.0,
                    column: reach.begin.1,
                    end_line: reach.end.0,
                    end_column: reach.end.1,
                    identity: scanner.identity(group.values.as_bytes()),
                    excerpt: group.text,
                    confidence: group.confidence,
                    suppression: reason.map(|reason| InlineMark { reason }),
                    telling: false,
                }]
            };
            for one in found {
                if matches.len() < MATCH_LIMIT {
                    matches.push(one);
                } else {
                    gathered.beyond += 1;
                }
            }
        }
        // What no group came of stands for itself.
        matches.extend(std::mem::take(&mut self.kept).into_values().flatten());
        if let Some(own) = matches.get_mut(self.before..) {
            own.sort_by_key(|m| (m.line, m.column, m.rule));
        }
    }
}

impl Seen {
    /// The group that may stand for a hit.
    pub(super) fn ticket(&self, hit: &Hit) -> Option<usize> {
        let from = self.values.partition_point(|(place, ..)| place.start < hit.value.start);
        let here = self.values[from..].iter().take_while(|(place, ..)| place.start == hit.value.start);
        here.filter(|(_, rule, _)| *rule == hit.rule).find_map(|(.., ticket)| *ticket)
    }
}
