//! Large contents, piece by piece. Each piece begins before the place where the last one stopped answering, far enough
//! that nothing is cut in two, and both places are beginnings of lines where the text has lines.

use std::io::{self, Read};

use super::group::Groups;
use super::piece::{Gathered, Piece};
use super::position::{Cursor, Place};
use super::{PIECE, Scanner};

impl Scanner<'_> {
    /// Scans `reader` to its end; the number of bytes of text. What was found is added to `gathered`.
    pub(super) fn stream(&self, reader: &mut dyn Read, excluded: &[u32], gathered: &mut Gathered) -> io::Result<u64> {
        self.stream_by(reader, excluded, PIECE, gathered)
    }

    /// As [`Scanner::stream`] with pieces of about `size` bytes, at least five overlaps.
    pub(super) fn stream_by(
        &self,
        reader: &mut dyn Read,
        excluded: &[u32],
        size: usize,
        gathered: &mut Gathered,
    ) -> io::Result<u64> {
        let overlap = self.overlap;
        let size = size.max(overlap.saturating_mul(5));
        let mut groups = Groups::new(self.rules, excluded, gathered);
        let mut text: Vec<u8> = Vec::new();
        let mut start = Place::default();
        let mut from = 0;
        let mut bytes = 0_u64;
        loop {
            let wanted = (size - text.len()) as u64;
            let got = (&mut *reader).take(wanted).read_to_end(&mut text)? as u64;
            bytes += got;
            if got < wanted {
                let piece = Piece { text: &text, accept: from..text.len(), start };
                self.piece(&piece, excluded, &mut groups, gathered);
                groups.end(self, gathered);
                return Ok(bytes);
            }
            let until = line_start(&text, text.len() - overlap, overlap);
            self.piece(&Piece { text: &text, accept: from..until, start }, excluded, &mut groups, gathered);
            let keep = line_start(&text, until - overlap, overlap);
            start = Cursor::new(&text, start).to(keep);
            from = until - keep;
            text.drain(..keep);
        }
    }
}

/// The last beginning of a line at or before `at`, at most `back` bytes before it; `at` where there is none.
fn line_start(text: &[u8], at: usize, back: usize) -> usize {
    let floor = at.saturating_sub(back);
    text[floor..at].iter().rposition(|b| *b == b'\n').map_or(at, |n| floor + n + 1)
}
