//! JSON (RFC 8259): objects as records, their keys as columns. One value or many, lines of them, pretty or not; what is
//! broken is read as far as it makes sense, for a report that is not quite JSON holds the same people.

use std::collections::HashMap;
use std::ops::Range;

use super::names;
use super::rules::ColumnRule;
use super::sheet::{Columns, Mark};
use crate::family::Seen;

/// Deeper than records are nested. What is deeper is stepped over.
const MAX_DEPTH: usize = 64;

/// Marks that one object may hold; more than a record has.
const MAX_MARKS: usize = 512;

/// The longest string that is taken as a value; a longer one is stepped over.
const MAX_VALUE: usize = 1024;

#[derive(Debug)]
struct Frame {
    is_array: bool,
    /// The key under which it stands; for what is in an array, the array's.
    key: Vec<u8>,
    /// The key whose value comes next.
    next: Vec<u8>,
    /// What was found in the object itself, and in the objects that are its values.
    marks: Vec<Mark>,
}

/// Where in a value the last part ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Between,
    /// In a string that cannot be read whole.
    String,
}

/// A reader that keeps what is open from part to part.
#[derive(Debug)]
pub(super) struct Json {
    stack: Vec<Frame>,
    /// Frames beyond [`MAX_DEPTH`].
    beyond: usize,
    state: State,
    /// What keys are, by the key of what holds them and their own.
    known: HashMap<Vec<u8>, Option<usize>>,
}

impl Json {
    /// A reader, where the file begins as JSON does: an object, or an array of something.
    pub(super) fn sniff(text: &[u8]) -> Option<Self> {
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text).trim_ascii_start();
        let (first, rest) = text.split_first()?;
        let next = rest.trim_ascii_start().first().copied();
        let begins = match first {
            b'{' => matches!(next, Some(b'"')),
            b'[' => matches!(next, Some(b'{' | b'[' | b'"')),
            _ => false,
        };
        begins.then(|| Self { stack: Vec::new(), beyond: 0, state: State::Between, known: HashMap::new() })
    }

    pub(super) fn part(
        &mut self,
        rules: &[ColumnRule],
        columns: &mut Columns,
        text: &[u8],
        part: Range<usize>,
        seen: &mut Seen,
    ) {
        let mut at = part.start;
        if self.state == State::String {
            let Some(end) = string_end(text, at, part.end) else { return };
            self.state = State::Between;
            at = end + 1;
        }
        while at < part.end {
            match text[at] {
                b'{' => self.open(false),
                b'[' => self.open(true),
                b'}' | b']' => self.close(rules, columns, at, seen),
                b'"' => {
                    let Some(end) = string_end(text, at + 1, part.end) else {
                        self.state = State::String;
                        break;
                    };
                    let inside = at + 1..end;
                    at = end + 1;
                    if self.is_key(text, at, part.end) {
                        self.key(&text[inside]);
                    } else {
                        self.value(rules, columns, text, inside, seen);
                    }
                    continue;
                }
                b'-' | b'0'..=b'9' => {
                    let rest = &text[at..part.end];
                    let length = rest.iter().position(|b| !matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
                    let end = length.map_or(part.end, |n| at + n);
                    self.value(rules, columns, text, at..end, seen);
                    at = end;
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        // Places mean nothing in the next part.
        for mark in self.stack.iter_mut().flat_map(|f| &mut f.marks) {
            mark.place = None;
        }
    }

    fn open(&mut self, is_array: bool) {
        if self.stack.len() == MAX_DEPTH {
            self.beyond += 1;
            return;
        }
        let key = match self.stack.last_mut() {
            None => Vec::new(),
            Some(parent) if parent.is_array => parent.key.clone(),
            Some(parent) => std::mem::take(&mut parent.next),
        };
        self.stack.push(Frame { is_array, key, next: Vec::new(), marks: Vec::new() });
    }

    fn close(&mut self, rules: &[ColumnRule], columns: &mut Columns, at: usize, seen: &mut Seen) {
        if self.beyond > 0 {
            self.beyond -= 1;
            return;
        }
        let Some(frame) = self.stack.pop() else { return };
        if frame.is_array || frame.marks.is_empty() {
            return;
        }
        match self.stack.last_mut() {
            // An object that is the value of a key is a part of the record that has the key.
            Some(parent) if !parent.is_array => {
                let room = MAX_MARKS.saturating_sub(parent.marks.len());
                parent.marks.extend(frame.marks.into_iter().take(room));
            }
            _ => {
                let outer: Vec<&[Mark]> = self.stack.iter().map(|f| f.marks.as_slice()).collect();
                columns.record(rules, &frame.marks, &outer, at, seen);
            }
        }
    }

    /// Whether the string before `at` is a key.
    fn is_key(&self, text: &[u8], at: usize, end: usize) -> bool {
        self.beyond == 0
            && self.stack.last().is_some_and(|f| !f.is_array)
            && text[at..end].iter().find(|b| !b.is_ascii_whitespace()) == Some(&b':')
    }

    fn key(&mut self, key: &[u8]) {
        if let Some(frame) = self.stack.last_mut() {
            frame.next.clear();
            frame.next.extend_from_slice(&key[..key.len().min(names::LONGEST)]);
        }
    }

    fn value(
        &mut self,
        rules: &[ColumnRule],
        columns: &mut Columns,
        text: &[u8],
        place: Range<usize>,
        seen: &mut Seen,
    ) {
        if self.beyond > 0 || place.is_empty() || place.len() > MAX_VALUE {
            return;
        }
        // A value in an array belongs to the object whose key the array is the value of.
        let Some(depth) = self.stack.iter().rposition(|f| !f.is_array) else { return };
        let key = match self.stack.get(depth + 1) {
            Some(array) => array.key.as_slice(),
            None => self.stack[depth].next.as_slice(),
        };
        if key.is_empty() {
            return;
        }
        let parent = &self.stack[depth].key;
        let mut path = Vec::with_capacity(parent.len() + key.len() + 1);
        path.extend_from_slice(parent);
        path.push(0);
        path.extend_from_slice(key);
        let column = match self.known.get(&path) {
            Some(column) => *column,
            None => {
                let column = columns.add(rules, names::within(parent, key));
                self.known.insert(path, column);
                column
            }
        };
        let frame = &mut self.stack[depth];
        if let Some(column) = column
            && frame.marks.len() < MAX_MARKS
        {
            columns.value(rules, column, text, place, &mut frame.marks, seen);
        }
    }
}

/// The quote that ends a string whose inside begins at `at`.
fn string_end(text: &[u8], at: usize, end: usize) -> Option<usize> {
    let mut at = at;
    while at < end {
        match text[at] {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}
