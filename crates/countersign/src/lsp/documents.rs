//! Open documents, as the editor has them at this moment.

use std::collections::BTreeMap;

use countersign_model::Finding;
use serde_json::Value;
use std::ops::Range;

use super::text::{self, Encoding};

/// The longest text that is looked at while somebody types in it.
pub(crate) const MOST_TEXT: usize = 2 * 1024 * 1024;

/// The most that is kept of all open texts together.
const MOST_TOGETHER: usize = 256 * 1024 * 1024;

/// What is known of a document's text.
#[derive(Debug)]
pub(crate) enum Body {
    /// All of it.
    Text(String),
    /// It is not looked at, and why.
    Unseen(String),
}

/// A finding, and the bytes that it is about.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) finding: Finding,
    pub(crate) span: Range<usize>,
}

/// An open document.
#[derive(Debug)]
pub(crate) struct Document {
    /// The version as the editor counts it.
    pub(crate) version: Option<i64>,
    pub(crate) body: Body,
    /// What the scan of exactly this text found.
    pub(crate) shown: Vec<Shown>,
    /// What the scan could not look at in it.
    pub(crate) missed: Option<String>,
    /// Whether the text is newer than what was found in it.
    pub(crate) is_dirty: bool,
}

/// All of them, by URI.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    all: BTreeMap<String, Document>,
}

impl Documents {
    /// Takes a document over from the editor.
    pub(crate) fn open(&mut self, uri: &str, version: Option<i64>, text: &str) {
        self.all.remove(uri);
        let body = self.body(text.to_owned());
        let document = Document { version, body, shown: Vec::new(), missed: None, is_dirty: true };
        self.all.insert(uri.to_owned(), document);
    }

    /// Gives it back; whether it was open.
    pub(crate) fn close(&mut self, uri: &str) -> bool {
        self.all.remove(uri).is_some()
    }

    pub(crate) fn get(&self, uri: &str) -> Option<&Document> {
        self.all.get(uri)
    }

    pub(crate) fn get_mut(&mut self, uri: &str) -> Option<&mut Document> {
        self.all.get_mut(uri)
    }

    /// The next one whose text is newer than what was found in it.
    pub(crate) fn dirty(&self) -> Option<String> {
        self.all.iter().find(|(_, d)| d.is_dirty).map(|(uri, _)| uri.clone())
    }

    /// All are to be looked at again: the rules of the repository have changed.
    pub(crate) fn soil(&mut self) {
        self.all.values_mut().for_each(|d| d.is_dirty = true);
    }

    /// The text of a document is no longer known; of all of them where nobody knows which it is.
    pub(crate) fn lose(&mut self, uri: Option<&str>, why: &str) {
        if let Some(uri) = uri.filter(|uri| !self.all.contains_key(*uri)) {
            self.open(uri, None, "");
        }
        for (_, document) in self.all.iter_mut().filter(|(name, _)| uri.is_none_or(|uri| uri == name.as_str())) {
            document.body = Body::Unseen(why.to_owned());
            document.is_dirty = true;
        }
    }

    /// Applies what the editor says has changed, in the order it says it.
    pub(crate) fn change(&mut self, uri: &str, version: Option<i64>, changes: &[Value], encoding: Encoding) {
        let Some(document) = self.all.get_mut(uri) else { return };
        document.version = version;
        document.is_dirty = true;
        let mut body = std::mem::replace(&mut document.body, Body::Unseen(String::new()));
        for change in changes {
            body = apply(body, change, encoding);
        }
        let body = match body {
            Body::Text(text) => self.body(text),
            unseen @ Body::Unseen(_) => unseen,
        };
        if let Some(document) = self.all.get_mut(uri) {
            document.body = body;
        }
    }

    /// A text, when it is one that is looked at.
    fn body(&self, text: String) -> Body {
        let size = |d: &Document| match &d.body {
            Body::Text(text) => text.len(),
            Body::Unseen(_) => 0,
        };
        if text.len() > MOST_TEXT {
            let (bytes, most) = (text.len(), MOST_TEXT);
            return Body::Unseen(format!("the text has {bytes} bytes, and up to {most} are looked at in the editor"));
        }
        if self.all.values().map(size).sum::<usize>() + text.len() > MOST_TOGETHER {
            return Body::Unseen(format!("the open documents have more than {MOST_TOGETHER} bytes together"));
        }
        Body::Text(text)
    }
}

fn apply(body: Body, change: &Value, encoding: Encoding) -> Body {
    let lost = || Body::Unseen("an edit could not be understood; close the file and open it again".into());
    let Some(new) = change["text"].as_str() else { return lost() };
    let Some(range) = change.get("range").filter(|r| !r.is_null()) else { return Body::Text(new.to_owned()) };
    match body {
        Body::Unseen(why) => Body::Unseen(why),
        Body::Text(mut text) => match text::span(&text, range, encoding) {
            // One change of many may make it far too long; it is judged when all are done, so this bounds them.
            Some(_) if text.len() + new.len() > 2 * MOST_TEXT => {
                Body::Unseen(format!("the text has more than {MOST_TEXT} bytes"))
            }
            Some(span) => {
                text.replace_range(span, new);
                Body::Text(text)
            }
            None => lost(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn text(documents: &Documents) -> Option<&str> {
        match &documents.get("u")?.body {
            Body::Text(text) => Some(text),
            Body::Unseen(_) => None,
        }
    }

    #[test]
    fn what_cannot_be_followed_is_not_looked_at_until_the_whole_text_comes() {
        let mut all = Documents::default();
        all.open("u", Some(1), "abc");
        all.change("u", Some(2), &[json!({"text": "x", "range": {"start": 1}})], Encoding::Utf16);
        assert_eq!(text(&all), None);
        all.change("u", Some(3), &[json!({"text": "x", "range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}})], Encoding::Utf16);
        assert_eq!(text(&all), None, "a change of what is not known is not known");
        all.change("u", Some(4), &[json!({"text": "whole"})], Encoding::Utf16);
        assert_eq!(text(&all), Some("whole"));
        all.open("u", None, &"x".repeat(MOST_TEXT + 1));
        assert_eq!(text(&all), None);
        all.lose(Some("v"), "why");
        assert!(matches!(&all.get("v").unwrap().body, Body::Unseen(why) if why == "why"));
        assert!(all.close("u") && !all.close("u"));
    }

    /// The position of a character of a text, counted as an editor does that keeps UTF-16.
    fn position(units: &[u16], at: usize) -> Value {
        let before = &units[..at];
        let line = before.iter().filter(|u| **u == 10).count();
        let character = before.iter().rev().take_while(|u| **u != 10).count();
        json!({ "line": line, "character": character })
    }

    proptest! {
        /// An editor that keeps UTF-16 and this program see the same text after any edits.
        #[test]
        fn edits_are_followed(start in "[aü😀\n]{0,20}", edits in prop::collection::vec((0_usize..40, 0_usize..10, "[bß🎉\n]{0,4}"), 0..8)) {
            let mut all = Documents::default();
            all.open("u", Some(0), &start);
            let mut units: Vec<u16> = start.encode_utf16().collect();
            let is_low = |u: &u16| (0xDC00..0xE000).contains(u);
            for (at, length, new) in edits {
                let mut from = at.min(units.len());
                while units.get(from).is_some_and(is_low) {
                    from -= 1;
                }
                let mut to = (from + length).min(units.len());
                while units.get(to).is_some_and(is_low) {
                    to -= 1;
                }
                let to = to.max(from);
                let range = json!({ "start": position(&units, from), "end": position(&units, to) });
                all.change("u", Some(1), &[json!({ "range": range, "text": new })], Encoding::Utf16);
                units.splice(from..to, new.encode_utf16());
                let wanted = String::from_utf16(&units).unwrap();
                prop_assert_eq!(text(&all), Some(wanted.as_str()));
            }
        }
    }
}
