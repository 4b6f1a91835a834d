//! What an append is going to write, noted before it writes. After a crash this tells leftovers from evidence.
//!
//! The note is durable before the first file comes into being, and goes away last. While it stands and the checkpoint
//! is still the old one, exactly the files it names may be leftovers; none of them existed before, and nobody has been
//! told of them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::Error;
use crate::layout::{INTENT, Item, Paths};
use crate::source::Source;

const HEADER: &str = "countersign append v1";
const END: &str = "end";
/// Room for a million files.
const MAX_BYTES: u64 = 128 << 20;

/// An append under way, or interrupted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Intent {
    /// The log's size before.
    pub(crate) old: u64,
    /// And after.
    pub(crate) new: u64,
    /// The files it adds, checkpoint excepted.
    pub(crate) files: BTreeSet<String>,
}

impl Intent {
    pub(crate) fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\nold {}\nnew {}\n", self.old, self.new);
        for file in &self.files {
            let _ = writeln!(text, "file {file}");
        }
        text.push_str(END);
        text.push('\n');
        text
    }

    /// `None` when the note is incomplete: then its append did not get as far as writing anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        if lines.next() != Some(HEADER) {
            return None;
        }
        let old: u64 = lines.next()?.strip_prefix("old ")?.parse().ok()?;
        let new: u64 = lines.next()?.strip_prefix("new ")?.parse().ok()?;
        let mut files = BTreeSet::new();
        for line in lines.by_ref() {
            match line.strip_prefix("file ") {
                // The names come from a file: nothing but tiles, bundles and blobs may ever be removed because of it.
                Some(name) if matches!(Item::of(name), Item::Tile(_) | Item::Bundle(..) | Item::Blob(_)) => {
                    files.insert(name.to_owned());
                }
                None if line == END => {
                    return (lines.next().is_none() && old < new).then_some(Self { old, new, files });
                }
                _ => return None,
            }
        }
        None
    }

    /// The note in the ledger, if there is a complete one.
    pub(crate) fn read(paths: &Paths) -> Result<Option<Self>, Error> {
        let bytes = Source::read(paths, INTENT, MAX_BYTES)?;
        Ok(bytes.and_then(|b| String::from_utf8(b).ok()).and_then(|text| Self::parse(&text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_round_trips_and_is_whole_or_nothing() {
        let files = ["ledger/tile/0/000.p/5", "ledger/tile/entries/000.p/5"].map(str::to_owned);
        let intent = Intent { old: 2, new: 5, files: files.into() };
        let text = intent.to_text();
        assert_eq!(Intent::parse(&text), Some(intent));
        for (cut, _) in text.char_indices() {
            assert_eq!(Intent::parse(text.get(..cut).unwrap()), None, "cut at {cut}");
        }
    }

    #[test]
    fn an_intent_that_names_other_files_is_none() {
        for name in ["salt", "ledger/checkpoint", "../x", "/etc/passwd", "subjects/per-00000000000000000000.key"] {
            assert_eq!(Intent::parse(&format!("{HEADER}\nold 0\nnew 1\nfile {name}\nend\n")), None, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_without_harm(text in "(countersign append v1\nold [0-9]{1,22}\nnew [0-9]{1,22}\n)?(\\PC|\n){0,60}") {
            if let Some(intent) = Intent::parse(&text) {
                proptest::prop_assert_eq!(Intent::parse(&intent.to_text()), Some(intent));
            }
        }
    }
}
