//! UTF-16 with a byte order mark is text. It is read as UTF-8, a little at a time.

use std::io::{self, Read};

/// The byte order of a UTF-16 text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// The order that a byte order mark at the beginning names (RFC 2781 §3.2).
    pub(super) fn of(start: &[u8]) -> Option<Self> {
        match start {
            [0xFF, 0xFE, ..] => Some(Self::Little),
            [0xFE, 0xFF, ..] => Some(Self::Big),
            _ => None,
        }
    }

    const fn unit(self, pair: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(pair),
            Self::Big => u16::from_be_bytes(pair),
        }
    }
}

/// Reads UTF-16 as UTF-8. What is no valid UTF-16 becomes U+FFFD, so that the rest is still looked at.
pub(super) struct Utf16Reader<R> {
    inner: R,
    order: Order,
    /// An odd byte left from the last read.
    odd: Option<u8>,
    /// The first half of a surrogate pair.
    high: Option<u16>,
    ready: Vec<u8>,
    given: usize,
    /// Bytes read from `inner`.
    pub(super) raw: u64,
    end: bool,
}

impl<R: Read> Utf16Reader<R> {
    pub(super) const fn new(inner: R, order: Order) -> Self {
        Self { inner, order, odd: None, high: None, ready: Vec::new(), given: 0, raw: 0, end: false }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.given = 0;
        let mut block = [0_u8; 16 * 1024];
        let n = loop {
            match self.inner.read(&mut block) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.raw += n as u64;
        if n == 0 {
            self.end = true;
            if self.high.take().is_some() | self.odd.take().is_some() {
                self.push(char::REPLACEMENT_CHARACTER);
            }
            return Ok(());
        }
        for byte in &block[..n] {
            match self.odd.take() {
                None => self.odd = Some(*byte),
                Some(first) => self.take(self.order.unit([first, *byte])),
            }
        }
        Ok(())
    }

    fn take(&mut self, unit: u16) {
        if let Some(high) = self.high.take() {
            if let Some(Ok(c)) = char::decode_utf16([high, unit]).next() {
                self.push(c);
                return;
            }
            self.push(char::REPLACEMENT_CHARACTER);
        }
        match char::decode_utf16([unit]).next() {
            Some(Ok('\u{FEFF}')) | None => {}
            Some(Ok(c)) => self.push(c),
            Some(Err(_)) if unit < 0xDC00 => self.high = Some(unit),
            Some(Err(_)) => self.push(char::REPLACEMENT_CHARACTER),
        }
    }

    fn push(&mut self, c: char) {
        self.ready.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

impl<R: Read> Read for Utf16Reader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready.len() && !self.end {
            self.fill()?;
        }
        let n = out.len().min(self.ready.len() - self.given);
        out[..n].copy_from_slice(&self.ready[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8], order: Order) -> Vec<u8> {
        let mut out = Vec::new();
        Utf16Reader::new(bytes, order).read_to_end(&mut out).unwrap();
        out
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text: String) {
            let text = text.replace('\u{FEFF}', "");
            let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            prop_assert_eq!(read(&little, Order::Little), text.as_bytes());
            prop_assert_eq!(read(&big, Order::Big), text.as_bytes());
        }

        #[test]
        fn any_bytes_give_valid_utf8(bytes: Vec<u8>) {
            prop_assert!(String::from_utf8(read(&bytes, Order::Big)).is_ok());
        }
    }
}
