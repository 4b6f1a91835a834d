//! From offsets to lines and columns.

/// Walks forward through a text and knows line and column of where it stands.
pub(super) struct Cursor<'t> {
    text: &'t [u8],
    at: usize,
    place: Place,
}

/// A line and a column, both from 0; columns are bytes. Wide, for a stream has no end that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Place {
    /// Both from 1 and as the report counts; positions beyond 2³² stay there.
    pub(super) fn report(self) -> (u32, u32) {
        let one = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
        (one(self.line), one(self.column))
    }
}

impl<'t> Cursor<'t> {
    /// At the beginning of `text`, which itself begins at `place`.
    pub(super) const fn new(text: &'t [u8], place: Place) -> Self {
        Self { text, at: 0, place }
    }

    /// The place of `offset`. Offsets before the last one asked for are not gone back to.
    pub(super) fn to(&mut self, offset: usize) -> Place {
        let part = self.text.get(self.at..offset).unwrap_or_default();
        let lines = part.iter().filter(|b| **b == b'\n').count() as u64;
        if lines == 0 {
            self.place.column += part.len() as u64;
        } else {
            let tail = part.iter().rev().take_while(|b| **b != b'\n').count() as u64;
            self.place = Place { line: self.place.line + lines, column: tail };
        }
        self.at = self.at.max(offset);
        self.place
    }

    /// The place of `offset` at or behind where the cursor stands, which stays.
    pub(super) fn peek(&self, offset: usize) -> Place {
        Self { text: self.text, at: self.at, place: self.place }.to(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns() {
        let mut c = Cursor::new(b"ab\ncd\n\nx", Place::default());
        assert_eq!(c.to(1), Place { line: 0, column: 1 });
        assert_eq!(c.peek(4), Place { line: 1, column: 1 });
        assert_eq!(c.to(3), Place { line: 1, column: 0 });
        assert_eq!(c.to(7), Place { line: 3, column: 0 });
        let mut later = Cursor::new(b"ab\nc", Place { line: 9, column: 5 });
        assert_eq!(later.to(2), Place { line: 9, column: 7 });
        assert_eq!(later.to(4), Place { line: 10, column: 1 });
    }
}
