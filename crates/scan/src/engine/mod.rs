//! One pass over the bytes: is it text, which keywords occur, which rules match near them, which match wins.
//!
//! The engine never copies a value out of the text it is given: candidates are places, and what leaves is an HMAC and
//! an excerpt from which every candidate has been taken out.

mod archive;
mod decode;
mod excerpt;
mod foreign_marks;
mod group;
mod marks;
mod overlap;
mod piece;
mod position;
mod recur;
mod runs;
mod scanner;
mod search;
mod stream;
mod utf16;
mod window;

use countersign_model::{Confidence, Digest};

use crate::rules::RuleIndex;

pub(crate) use excerpt::is_printable;
pub(crate) use marks::words as mark_words;
pub(crate) use recur::{MOST as MOST_SOUGHT, Sought, Values, Wanted};
pub(crate) use runs::Runs;
pub use scanner::Scanner;
use scanner::is_binary;
pub(crate) use search::{Large, Small};

/// Larger contents are scanned in pieces of this size, so that memory stays bounded.
pub(crate) const PIECE: usize = 2 * 1024 * 1024;

/// How many of the first bytes decide whether a file is text, as `git` and `grep` do it.
const SNIFF: usize = 8 * 1024;

/// How far beyond a window an end of line is looked for, and how much is looked at when there is none.
const MARGIN: usize = 1024;

/// How much a window's end moves on when a match touches it.
pub(crate) const GROW_STEP: usize = 4 * 1024;

/// How far a window's end moves on at most; a longer value is reported as far as it was seen.
pub(crate) const GROW_LIMIT: usize = 64 * 1024;

/// Up to this many keywords the search is a full table, which is faster; above, tables would take too long to build.
pub(crate) const SEARCH_LIMIT: usize = 1_000;

/// More matches than this are counted and not kept: a file full of them must not fill the memory.
pub(crate) const MATCH_LIMIT: usize = 10_000;

/// What a scan of one file's contents says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileResult {
    /// The contents are text, or an archive, and were looked at; or they are a table of another form whose columns were.
    Text {
        /// What was found, in the order of the text.
        matches: Vec<Match>,
        /// The size of the contents in bytes.
        bytes: u64,
        /// What was not looked at all the same, for people; a gap.
        missed: Option<String>,
    },
    /// The contents are not text: there is a NUL among the first 8 KiB and no UTF-16 byte order mark before it.
    Binary {
        /// The size of the contents in bytes.
        bytes: u64,
    },
}

/// A rule matched in a text. It does not hold the value that matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The rule.
    pub rule: RuleIndex,
    /// The path within the archive that the file is; `!/` between an archive and what is in it.
    pub inside: Option<String>,
    /// First line, from 1.
    pub line: u32,
    /// First column in bytes (of UTF-8, where the file is UTF-16), from 1.
    pub column: u32,
    /// Last line, from 1.
    pub end_line: u32,
    /// Column after the last byte, from 1.
    pub end_column: u32,
    /// HMAC-SHA256 of the value under the repository's salt: equal for equal values, and nothing can be guessed from it.
    pub identity: Digest,
    /// The line, every candidate value in it replaced by `[redacted:LENGTH]`.
    pub excerpt: String,
    /// How sure, after any proof.
    pub confidence: Confidence,
    /// The inline mark that asks for this match not to count.
    pub suppression: Option<InlineMark>,
    /// Whether its value is looked for elsewhere: another place with it would be no chance, and would not be found by itself.
    pub(crate) telling: bool,
}

/// An inline suppression with a reason. It is a request; somebody else has to grant it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineMark {
    /// The reason as written, values taken out, at most 300 characters.
    pub reason: String,
}
