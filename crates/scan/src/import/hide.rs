//! Takes out of a report what an immutable log must not hold: values of secrets, and names and addresses of people.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Format, Reading};
use crate::engine::{FileResult, Scanner};
use countersign_model::TreePath;

/// Stands where something was taken out.
pub(crate) const HIDDEN: &str = "[redacted]";

/// A shorter text is not looked for elsewhere: it would be found in words that have nothing to do with it.
const SHORTEST: usize = 6;

/// More values than this are not searched for one by one; then every text that could hold one is taken out.
const MOST_VALUES: usize = 20_000;

/// The values that a report shows in clear.
#[derive(Default)]
pub(crate) struct Values {
    search: Option<aho_corasick::AhoCorasick>,
    /// They could not be made into a search: no text is safe.
    all: bool,
}

impl Values {
    fn new(values: &BTreeSet<String>) -> Self {
        let values: Vec<&str> = values.iter().map(String::as_str).filter(|v| v.len() >= SHORTEST).collect();
        if values.is_empty() {
            return Self { search: None, all: false };
        }
        let search = (values.len() <= MOST_VALUES)
            .then(|| {
                aho_corasick::AhoCorasick::builder()
                    .match_kind(aho_corasick::MatchKind::LeftmostLongest)
                    .build(&values)
                    .ok()
            })
            .flatten();
        Self { all: search.is_none(), search }
    }

    /// A text without them.
    pub(crate) fn without(&self, text: &str) -> String {
        if self.all {
            return HIDDEN.into();
        }
        let Some(search) = self.search.as_ref().filter(|s| s.is_match(text)) else { return text.to_owned() };
        let mut out = String::with_capacity(text.len());
        search.replace_all_with(text, &mut out, |_, _, out| {
            out.push_str(HIDDEN);
            true
        });
        out
    }
}

/// What a format's own `hide` is given.
pub(crate) struct Hiding<'a> {
    pub(crate) scanner: &'a Scanner<'a>,
}

impl Hiding<'_> {
    /// Whether our own rules find a secret in a text that the report quotes.
    pub(crate) fn holds_secret(&self, text: &str) -> bool {
        let path = TreePath::from_bytes(*b"quoted");
        match self.scanner.scan_bytes(&path, text.as_bytes()) {
            FileResult::Text { matches, .. } => !matches.is_empty(),
            FileResult::Binary { .. } => true,
        }
    }
}

/// The report as it may be stored (`None`: as it is), how many texts were taken out, and the values among them.
pub(crate) fn hide(
    text: &[u8],
    format: &Format,
    reading: &Reading<'_>,
) -> Result<(Option<Vec<u8>>, u64, Values), String> {
    let mut documents = documents(text)?;
    let by_line = documents.1;
    let mut values = BTreeSet::new();
    let mut taken = 0;
    for document in &mut documents.0 {
        taken += take(document, format.hidden, &mut values);
        taken += take(document, format.private, &mut BTreeSet::new());
        if let Some(own) = format.hide {
            taken += own(document, &Hiding { scanner: reading.scanner }, &mut values);
        }
    }
    let values = Values::new(&values);
    for document in &mut documents.0 {
        taken += replace(document, &values);
    }
    if taken == 0 {
        return Ok((None, 0, values));
    }
    let mut out = Vec::new();
    for document in &documents.0 {
        let written = if by_line {
            serde_json::to_writer(&mut out, document)
        } else {
            serde_json::to_writer_pretty(&mut out, document)
        };
        written.map_err(|_| "it cannot be written without its values".to_owned())?;
        out.push(b'\n');
    }
    Ok((Some(out), taken, values))
}

/// The documents of a report, and whether there is one a line.
fn documents(text: &[u8]) -> Result<(Vec<Value>, bool), String> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok((Vec::new(), true));
    }
    if let Ok(whole) = serde_json::from_slice(text) {
        // One document on one line may be all that a format with one a line had to say: it stays on its line.
        return Ok((vec![whole], !text.trim_ascii().contains(&b'\n')));
    }
    let lines = text.split(|b| *b == b'\n').filter(|l| !l.iter().all(u8::is_ascii_whitespace));
    // An error of this reader may quote what must not be kept.
    let lines: Result<Vec<Value>, _> = lines.map(serde_json::from_slice).collect();
    lines.map(|lines| (lines, true)).map_err(|_| "it is no JSON, or is nested too deeply".to_owned())
}

/// Takes out everything below the hidden keys. Texts among it are values to be looked for elsewhere.
fn take(value: &mut Value, hidden: &[&str], values: &mut BTreeSet<String>) -> u64 {
    let mut taken = 0;
    match value {
        Value::Object(map) => {
            for (key, inner) in map.iter_mut() {
                if hidden.contains(&key.as_str()) {
                    taken += cover(inner, values);
                } else {
                    taken += take(inner, hidden, values);
                }
            }
        }
        Value::Array(list) => taken += list.iter_mut().map(|inner| take(inner, hidden, values)).sum::<u64>(),
        _ => {}
    }
    taken
}

/// Covers a value as a whole.
fn cover(value: &mut Value, values: &mut BTreeSet<String>) -> u64 {
    match value {
        Value::Null | Value::Bool(_) => return 0,
        Value::String(text) if text.is_empty() || text == HIDDEN => return 0,
        Value::String(text) => {
            values.insert(std::mem::take(text));
        }
        Value::Array(list) => return list.iter_mut().map(|inner| cover(inner, values)).sum(),
        Value::Object(map) => return map.values_mut().map(|inner| cover(inner, values)).sum(),
        Value::Number(number) => {
            values.insert(number.to_string());
        }
    }
    *value = Value::String(HIDDEN.into());
    1
}

/// Takes known values out of every other text, keys included.
fn replace(value: &mut Value, values: &Values) -> u64 {
    match value {
        Value::String(text) => {
            if text == HIDDEN {
                return 0;
            }
            let without = values.without(text);
            if without == *text {
                return 0;
            }
            *text = without;
            1
        }
        Value::Array(list) => list.iter_mut().map(|inner| replace(inner, values)).sum(),
        Value::Object(map) => {
            let mut taken = map.values_mut().map(|inner| replace(inner, values)).sum();
            if values.search.is_some() && map.keys().any(|k| values.without(k) != *k) {
                let old = std::mem::take(map);
                map.extend(old.into_iter().map(|(k, v)| (values.without(&k), v)));
                taken += 1;
            }
            taken
        }
        _ => 0,
    }
}
