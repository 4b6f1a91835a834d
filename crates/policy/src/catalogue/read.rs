//! YAML files of the catalogue, read so that whatever is wrong with one is named with file and line.

use countersign_model::Place;
use serde::de::DeserializeOwned;
use serde_saphyr::Spanned;

use crate::Error;

/// The largest file, in bytes. A whole framework takes a tenth of it.
pub(super) const MAX_FILE: usize = 4 << 20;

/// A file of the catalogue: its name for messages, its text, and which kind it is.
pub(super) struct File<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    kind: Kind,
}

/// What a file holds; it decides which error a fault in it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Control,
    Framework,
}

impl<'a> File<'a> {
    pub(super) fn new(name: &'a str, contents: &'a [u8], kind: Kind) -> Result<Self, Error> {
        let wrong = |message: String| error(kind, Place::file(name), message);
        if contents.len() > MAX_FILE {
            return Err(wrong(format!("it is larger than {MAX_FILE} bytes")));
        }
        let text = std::str::from_utf8(contents).map_err(|_| wrong("not UTF-8".to_owned()))?;
        Ok(Self { name, text, kind })
    }

    /// The whole file as one value.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_saphyr::from_str(self.text).map_err(|e| {
            let location = e.location();
            let number = |n: u64| u32::try_from(n).ok().filter(|n| *n > 0);
            let place = Place {
                file: self.name.to_owned(),
                line: location.and_then(|l| number(l.line())),
                column: location.and_then(|l| number(l.column())),
            };
            // The first line alone: what follows quotes the file, and the place says where to look.
            let message = e.without_snippet().to_string();
            error(self.kind, place, message.lines().next().unwrap_or("it cannot be read").to_owned())
        })
    }

    /// An error at the first line that starts with `key`.
    pub(super) fn at_key(&self, key: &str, message: impl Into<String>) -> Error {
        let line = self.text.lines().position(|l| l.trim_start().starts_with(key));
        let line = line.and_then(|i| u32::try_from(i + 1).ok());
        error(self.kind, Place { file: self.name.to_owned(), line, column: None }, message.into())
    }

    /// An error where a value stands.
    pub(super) fn at<T>(&self, value: &Spanned<T>, message: impl Into<String>) -> Error {
        error(self.kind, self.place(value), message.into())
    }

    /// An error of the file as a whole.
    pub(super) fn whole(&self, message: impl Into<String>) -> Error {
        error(self.kind, Place::file(self.name), message.into())
    }

    /// Where a value stands.
    pub(super) fn place<T>(&self, value: &Spanned<T>) -> Place {
        let line = u32::try_from(value.referenced.line()).ok().filter(|n| *n > 0);
        Place { file: self.name.to_owned(), line, column: None }
    }

    /// The line, from 1, at which the text of a key begins that is written as a block below it.
    pub(super) fn block_line(&self, key: &str) -> usize {
        self.text.lines().position(|l| l.trim_start().starts_with(key)).map_or(1, |i| i + 2)
    }

    /// An id must be the file's name.
    pub(super) fn named(&self, id: &str) -> Result<(), Error> {
        let stem = self.name.rsplit('/').next().unwrap_or(self.name);
        let stem = stem.strip_suffix(".yaml").unwrap_or(stem);
        if id == stem {
            return Ok(());
        }
        Err(self.at_key("id:", format!("the id is `{id}`, but the file is named `{stem}`")))
    }

    /// A text must say something, in one line.
    pub(super) fn says(&self, key: &str, value: &str) -> Result<(), Error> {
        if value.trim().is_empty() {
            return Err(self.at_key(&format!("{key}:"), format!("`{key}` is empty")));
        }
        if value.trim().chars().any(|c| c.is_control() && c != '\n') {
            return Err(self.at_key(&format!("{key}:"), format!("`{key}` has a control character")));
        }
        Ok(())
    }
}

fn error(kind: Kind, place: Place, message: String) -> Error {
    match kind {
        Kind::Control => Error::Control { place, message },
        Kind::Framework => Error::Framework { place, message },
    }
}

/// The nearest of `known` to what was written, where one is near.
pub(super) fn nearest<'k>(written: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known.map(|k| (distance(written, k), k)).filter(|(d, k)| *d <= (k.len() / 3).max(2)).min().map(|(_, k)| k)
}

/// Levenshtein's distance, over bytes; ids are short and of ASCII.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut before = i;
        let mut left = i + 1;
        for (slot, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let above = *slot;
            let here = (before + usize::from(x != y)).min(above + 1).min(left + 1);
            (before, left, *slot) = (above, here, here);
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, d) in [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("a", "a", 0)] {
            assert_eq!(distance(a, b), d, "{a} {b}");
        }
        assert_eq!(nearest("dual-aproval", ["dual-approval", "other"].into_iter()), Some("dual-approval"));
        assert_eq!(nearest("xyz", ["dual-approval"].into_iter()), None);
    }
}
