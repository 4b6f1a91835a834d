//! The engine's door.

use std::io::{self, Cursor, Read};

use countersign_model::{Digest, TreePath};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::rules::{RuleIndex, RuleSet};

use super::archive::Kind;
use super::group::Groups;
use super::piece::{Gathered, Piece};
use super::position::Place;
use super::utf16::{Order, Utf16Reader};
use super::{FileResult, GROW_LIMIT, MARGIN, Match, PIECE, SNIFF, Values, Wanted};

/// Scans contents with a set of rules. Shared by all threads; holds no state between files.
#[derive(Clone)]
pub struct Scanner<'r> {
    pub(super) rules: &'r RuleSet,
    /// HMAC-SHA256 (RFC 2104) keyed with the salt, ready to be fed.
    pub(super) mac: Hmac<Sha256>,
    /// How far a match may reach beyond its beginning in a piece of a stream.
    pub(super) overlap: usize,
    /// Where values go that are worth looking for.
    pub(super) kept: Option<&'r Values>,
    /// What is looked for instead of anything else.
    pub(super) wanted: Option<&'r Wanted>,
}

impl std::fmt::Debug for Scanner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scanner").field("rules", &self.rules.digest()).finish_non_exhaustive()
    }
}

impl<'r> Scanner<'r> {
    /// A scanner for `rules`. `salt` is the repository's: identities under another salt cannot be compared.
    #[must_use]
    pub fn new(rules: &'r RuleSet, salt: &[u8; 32]) -> Self {
        let reach = rules
            .detectors()
            .iter()
            .map(|d| d.reach() + d.keywords().iter().map(String::len).max().unwrap_or(0))
            .max()
            .unwrap_or(0);
        // A key of 32 bytes is what the block takes as it is; padding it by hand spares a `Result` that cannot fail.
        let mut block = [0_u8; 64];
        block[..32].copy_from_slice(salt);
        let mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into());
        Self { rules, mac, overlap: reach + MARGIN + GROW_LIMIT, kept: None, wanted: None }
    }

    /// The rules this scanner applies.
    #[must_use]
    pub fn rules(&self) -> &'r RuleSet {
        self.rules
    }

    /// Scans contents that are in memory. `path` decides only which rules with `kinds` look.
    #[must_use]
    pub fn scan_bytes(&self, path: &TreePath, bytes: &[u8]) -> FileResult {
        self.bytes(&self.rules.excluded(path), bytes)
    }

    /// Scans contents to the end of `reader` in bounded memory (about 3 MiB), with the same answer as
    /// [`Scanner::scan_bytes`].
    ///
    /// # Errors
    /// What `reader` fails with; nothing is said about the contents then.
    pub fn scan_reader(&self, path: &TreePath, mut reader: impl Read) -> io::Result<FileResult> {
        self.reader(&self.rules.excluded(path), &mut reader, None)
    }

    pub(crate) fn bytes(&self, excluded: &[u32], bytes: &[u8]) -> FileResult {
        if Order::of(bytes).is_some() || bytes.len() > PIECE || Kind::of(bytes).is_some() {
            // Reading from memory does not fail; if it did, this would say so and not call the file clean.
            return self.reader(excluded, &mut Cursor::new(bytes), Some(bytes.len() as u64)).unwrap_or_else(|e| {
                FileResult::Text { matches: Vec::new(), bytes: bytes.len() as u64, missed: Some(e.kind().to_string()) }
            });
        }
        if is_binary(bytes) {
            let size = bytes.len() as u64;
            return match self.wants_end(excluded, bytes) {
                Some(wanted) => self.by_end(excluded, &bytes[bytes.len().saturating_sub(wanted)..], size),
                None => FileResult::Binary { bytes: size },
            };
        }
        let mut gathered = Gathered::default();
        let mut groups = Groups::new(self.rules, excluded, &gathered);
        let piece = Piece { text: bytes, accept: 0..bytes.len(), start: Place::default() };
        self.piece(&piece, excluded, &mut groups, &mut gathered);
        groups.end(self, &mut gathered);
        self.text(bytes.len() as u64, gathered)
    }

    /// Scans `reader`. Binary contents are read to their end only where `size` is not known.
    pub(crate) fn reader(&self, excluded: &[u32], reader: &mut dyn Read, size: Option<u64>) -> io::Result<FileResult> {
        let mut head = Vec::with_capacity(SNIFF);
        (&mut *reader).take(SNIFF as u64).read_to_end(&mut head)?;
        let mut gathered = Gathered::default();
        if let Some(order) = Order::of(&head) {
            let mut text = Utf16Reader::new(Cursor::new(head).chain(reader), order);
            self.stream(&mut text, excluded, &mut gathered)?;
            return Ok(self.text(text.raw, gathered));
        }
        if let Some(kind) = Kind::of(&head) {
            let mut raw = Counted { inner: Cursor::new(head).chain(reader), bytes: 0 };
            self.archive(kind, &mut raw, excluded, &mut gathered);
            // What is broken is left where it breaks; how large it is, is said all the same.
            if size.is_none()
                && let Err(e) = io::copy(&mut raw, &mut io::sink())
            {
                gathered.note(format!("the archive: {}", e.kind()));
            }
            let bytes = size.unwrap_or(raw.bytes);
            return Ok(self.text(bytes, gathered));
        }
        if is_binary(&head) {
            if let Some(wanted) = self.wants_end(excluded, &head) {
                let (end, bytes) = last(&mut Cursor::new(head).chain(reader), wanted)?;
                return Ok(self.by_end(excluded, &end, bytes));
            }
            let bytes = match size {
                Some(size) => size,
                None => head.len() as u64 + io::copy(reader, &mut io::sink())?,
            };
            return Ok(FileResult::Binary { bytes });
        }
        let bytes = self.stream(&mut Cursor::new(head).chain(reader), excluded, &mut gathered)?;
        Ok(self.text(bytes, gathered))
    }

    fn text(&self, bytes: u64, gathered: Gathered) -> FileResult {
        let missed = gathered.missed(self.rules);
        FileResult::Text { matches: gathered.matches, bytes, missed }
    }

    pub(super) fn wants_end(&self, excluded: &[u32], head: &[u8]) -> Option<usize> {
        // The values of a table in another form are not read, so none can be looked for in them.
        self.rules.overview().filter(|_| self.wanted.is_none()).and_then(|o| o.wants_end(excluded, head))
    }

    /// What is said of contents that are no text by their end. They have no lines, so everything is at the first place.
    pub(super) fn by_end(&self, excluded: &[u32], end: &[u8], bytes: u64) -> FileResult {
        let groups = self.rules.overview().map_or(Ok(Vec::new()), |o| o.by_end(excluded, end));
        let (groups, missed) = match groups {
            Ok(groups) if groups.is_empty() => return FileResult::Binary { bytes },
            Ok(groups) => (groups, None),
            Err(why) => (Vec::new(), Some(why.to_owned())),
        };
        let matches = groups.into_iter().map(|group| Match {
            rule: RuleIndex(group.rule),
            inside: None,
            line: 1,
            column: 1,
            end_line: 1,
            end_column: 1,
            identity: self.identity(group.values.as_bytes()),
            excerpt: group.text,
            confidence: group.confidence,
            suppression: None,
            telling: false,
        });
        FileResult::Text { matches: matches.collect(), bytes, missed }
    }

    /// The keyed identity of a value.
    pub(crate) fn identity(&self, value: &[u8]) -> Digest {
        let mut mac = self.mac.clone();
        mac.update(value);
        Digest::from_bytes(mac.finalize().into_bytes().into())
    }
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(out)?;
        self.bytes += n as u64;
        Ok(n)
    }
}

/// The last `wanted` bytes of `reader` and how many it had.
pub(super) fn last(reader: &mut dyn Read, wanted: usize) -> io::Result<(Vec<u8>, u64)> {
    let mut kept = Vec::new();
    let mut bytes = 0;
    loop {
        let got = (&mut *reader).take(wanted as u64).read_to_end(&mut kept)? as u64;
        bytes += got;
        let beyond = kept.len().saturating_sub(wanted);
        kept.drain(..beyond);
        if got < wanted as u64 {
            return Ok((kept, bytes));
        }
    }
}

pub(super) fn is_binary(bytes: &[u8]) -> bool {
    bytes[..bytes.len().min(SNIFF)].contains(&0)
}
