//! A rule for single values: what has the form and the check digit, where words near it say that it is one.

use std::collections::BTreeSet;
use std::ops::Range;

use countersign_model::Confidence;

use super::context::{self, Context};
use super::kind::{self, Kind, Reading, Shape, Trigger};
use super::{card, mrz};
use crate::engine::Runs;
use crate::family::{Candidate, Detector, Unusable};
use crate::rules::PiiMatch;

/// How far behind a word its value is looked for.
const AFTER: usize = 160;

/// How far before a run of digits the letters of an IBAN may begin.
const BEFORE: usize = 14;

/// What `<<<` leads to in a machine-readable zone: every one has a filler of that length.
const FILLER: &str = "<<<";

/// A number with so many others around it is one of a table.
const TABLE: usize = 2;

/// Longer numbers are as likely to be random 64-bit words as cards.
const BARE: usize = 16;

/// Whether a rule for this kind makes no sense without words.
pub(crate) const fn needs_words(kind: Kind) -> bool {
    !matches!(kind, Kind::Pan | Kind::Track | Kind::Iban | Kind::Mrz)
}

/// Whether a kind is looked for in columns and keys alone.
pub(crate) fn is_only_in_columns(kind: Kind) -> bool {
    kind.trigger() == Trigger::Column
}

/// A rule of this sort.
#[derive(Debug)]
pub(super) struct Value {
    kind: Kind,
    keywords: Vec<String>,
    context: Context,
    lines: usize,
    loose: bool,
    beside: Option<Kind>,
    samples: BTreeSet<Vec<u8>>,
    confidence: Confidence,
}

impl Value {
    pub(super) fn new(spec: PiiMatch, confidence: Confidence) -> Self {
        // A rule for records alone has no detector of its own.
        let kind = spec.detector.as_deref().and_then(Kind::named).unwrap_or(Kind::Name);
        let keywords = match kind.trigger() {
            Trigger::Word if kind == Kind::Mrz => vec![FILLER.to_owned()],
            Trigger::Word => spec.context.clone(),
            Trigger::Run | Trigger::Column => Vec::new(),
        };
        Self {
            kind,
            keywords,
            context: Context::new(spec.context, spec.lines),
            lines: spec.lines,
            loose: spec.loose,
            beside: spec.beside.as_deref().and_then(Kind::named),
            samples: spec.test_values.iter().map(|v| kind::plain(v.as_bytes())).collect(),
            confidence,
        }
    }

    /// Puts a value to the rule's tests.
    fn judge(
        &self,
        text: &[u8],
        place: Range<usize>,
        shape: Shape,
        found: &mut Vec<Candidate>,
    ) -> Result<(), Unusable> {
        if self.is_sample(&text[place.clone()]) || !self.has_beside(text, &place) {
            return Ok(());
        }
        let said = match shape {
            Shape::Weak => self.context.is_close(text, &place)?,
            Shape::Plain => self.context.is_near(text, &place)?,
            Shape::Strong => true,
        };
        let confidence = if said {
            Some(self.confidence)
        } else {
            // Numbers with blanks between them say less than one without.
            let bare = place.len() <= BARE && text[place.clone()].iter().all(u8::is_ascii_digit);
            let may = self.loose && shape == Shape::Plain && bare;
            (may && !is_in_table(text, &place)).then_some(Confidence::Low)
        };
        if confidence.is_some() {
            found.push(Candidate { value: place, confidence });
        }
        Ok(())
    }

    /// Whether the value, or the number at its beginning, is one that was published to be used in tests.
    fn is_sample(&self, value: &[u8]) -> bool {
        if self.samples.is_empty() {
            return false;
        }
        let number = match self.kind {
            Kind::Track => &value[..value.iter().take_while(|b| b.is_ascii_digit()).count()],
            _ => value,
        };
        self.samples.contains(&kind::plain(number))
    }

    /// Whether a value of the kind that must stand beside this one does.
    fn has_beside(&self, text: &[u8], place: &Range<usize>) -> bool {
        let Some(other) = self.beside else { return true };
        let around = context::lines_around(text, place, self.lines);
        Runs::new(&text[around.clone()]).any(|run| {
            let run = around.start + run.start..around.start + run.end;
            places(other, text, run).any(|(p, _)| p.end <= place.start || p.start >= place.end)
        })
    }

    /// The next value behind a word: on its line, and on as many further ones as the rule allows.
    fn behind(&self, text: &[u8], word: Range<usize>) -> Option<(Range<usize>, Reading)> {
        let end = context::lines_around(text, &word, self.lines).end.min(word.end + AFTER * (self.lines + 1));
        (word.end..end).find_map(|at| {
            if !kind::begins(text, at) {
                return None;
            }
            // What `text` holds beyond the window is read, so that a value at its end is whole.
            self.kind.read(&text[at..]).map(|r| (at..at + r.len, r))
        })
    }
}

/// The values of a kind in or around a run of digits.
fn places(kind: Kind, text: &[u8], run: Range<usize>) -> impl Iterator<Item = (Range<usize>, Reading)> {
    let from = if kind == Kind::Iban { run.start.saturating_sub(BEFORE) } else { run.start };
    // Where a value of any of these kinds can begin is seen by two bytes, and nearly nothing does.
    let may_begin = move |at: usize| match kind {
        Kind::Iban => text[at].is_ascii_uppercase() && text.get(at + 2).is_some_and(u8::is_ascii_digit),
        _ => text[at].is_ascii_digit() && !at.checked_sub(1).is_some_and(|n| text[n].is_ascii_digit()),
    };
    let until = if run.len() < kind.least_digits() { from } else { run.end };
    let mut next = from;
    (from..until).filter(move |at| may_begin(*at)).filter_map(move |at| {
        if at < next {
            return None;
        }
        let reading = match kind {
            Kind::Track => card::read_track(text, at),
            _ if !kind::begins(text, at) => None,
            Kind::Pan => kind.read(&text[at..]).map(|r| in_dump(text, at, r)),
            _ => kind.read(&text[at..]),
        }?;
        next = at + reading.len;
        Some((at..at + reading.len, reading))
    })
}

/// Groups of four digits are what dumps of memory and tables consist of: a card's are not if others stand before them.
fn in_dump(text: &[u8], at: usize, reading: Reading) -> Reading {
    match &text[..at] {
        [.., b'0'..=b'9', b' '] if text.get(at + 4) == Some(&b' ') => Reading { shape: Shape::Weak, ..reading },
        _ => reading,
    }
}

/// Whether other long numbers stand around it.
fn is_in_table(text: &[u8], place: &Range<usize>) -> bool {
    let is_long = |w: &&[u8]| w.len() >= 6 && w.iter().filter(|b| b.is_ascii_digit()).count() * 2 > w.len();
    let around = context::lines_around(text, place, 2);
    let count = |part: Range<usize>| text[part].split(|b| !b.is_ascii_alphanumeric()).filter(is_long).count();
    count(around.start..place.start) + count(place.end..around.end) >= TABLE
}

impl Detector for Value {
    fn keywords(&self) -> &[String] {
        &self.keywords
    }

    fn reach(&self) -> usize {
        1024
    }

    fn is_direct(&self) -> bool {
        true
    }

    fn at(&self, text: &[u8], hit: Range<usize>, found: &mut Vec<Candidate>) -> Result<(), Unusable> {
        if self.kind == Kind::Mrz {
            if let Some(place) = mrz::find(text, hit.start)
                && !self.is_sample(&text[place.clone()])
            {
                found.push(Candidate { value: place, confidence: Some(self.confidence) });
            }
            return Ok(());
        }
        if !context::is_word(text, hit.clone()) {
            return Ok(());
        }
        let Some((place, _)) = self.behind(text, hit) else { return Ok(()) };
        if !self.is_sample(&text[place.clone()]) && self.has_beside(text, &place) {
            found.push(Candidate { value: place, confidence: Some(self.confidence) });
        }
        Ok(())
    }

    fn wants_runs(&self) -> bool {
        self.kind.trigger() == Trigger::Run
    }

    fn run(&self, text: &[u8], run: Range<usize>, found: &mut Vec<Candidate>) -> Result<(), Unusable> {
        for (place, reading) in places(self.kind, text, run) {
            self.judge(text, place, reading.shape, found)?;
        }
        Ok(())
    }

    fn look(&self, _: &[u8], _: Range<usize>, _: &mut Vec<Candidate>) -> Result<(), Unusable> {
        Ok(())
    }

    fn compile(&self) -> Result<(), (&'static str, String)> {
        self.context.compile().map_err(|e| ("context", e.to_string()))
    }
}
