//! As much of DER (X.690) as timestamps need: elements of one-byte tags and definite, shortest lengths.

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OID: u8 = 0x06;
pub(super) const UTF8: u8 = 0x0c;
pub(super) const TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// The tag of a context-specific, constructed element.
pub(super) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// An element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    /// With its tag and length.
    pub(super) whole: &'a [u8],
}

/// Elements, one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The next element.
    pub(super) fn any(&mut self) -> Option<Element<'a>> {
        let [tag, first, ..] = *self.0 else { return None };
        // A longer tag is of no structure here.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (len, head) = match first {
            0..=0x7f => (usize::from(first), 2),
            0x81..=0x84 => {
                let bytes = self.0.get(2..2 + usize::from(first & 0x7f))?;
                let len = bytes.iter().fold(0_usize, |len, byte| len << 8 | usize::from(*byte));
                // The shortest form, and no other.
                let is_shortest = len >= 0x80 && bytes.first() != Some(&0);
                (is_shortest.then_some(len)?, 2 + bytes.len())
            }
            _ => return None,
        };
        let end = head.checked_add(len)?;
        let (whole, rest) = (self.0.get(..end)?, self.0.get(end..)?);
        self.0 = rest;
        Some(Element { tag, content: whole.get(head..)?, whole })
    }

    /// The content of the next element, which has this tag.
    pub(super) fn content(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.any().filter(|e| e.tag == tag).map(|e| e.content)
    }

    /// The next element, if it has this tag.
    pub(super) fn maybe(&mut self, tag: u8) -> Option<Element<'a>> {
        if self.0.first() == Some(&tag) { self.any() } else { None }
    }

    /// The elements of the next one, which has this tag.
    pub(super) fn enter(&mut self, tag: u8) -> Option<Self> {
        self.content(tag).map(Self)
    }

    /// One element of this tag, and nothing after it.
    pub(super) fn only(mut self, tag: u8) -> Option<&'a [u8]> {
        let content = self.content(tag)?;
        self.is_empty().then_some(content)
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Option<Element<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_empty() {
            return None;
        }
        let element = self.any();
        if element.is_none() {
            self.0 = &[];
        }
        Some(element)
    }
}

/// An element with this content.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(len @ 0..=0x7f) => out.push(len),
        _ => {
            let len = content.len().to_be_bytes();
            let bytes = len.iter().skip_while(|b| **b == 0).copied().collect::<Vec<_>>();
            out.push(0x80 | u8::try_from(bytes.len()).unwrap_or(8));
            out.extend(bytes);
        }
    }
    out.extend_from_slice(content);
    out
}

/// A sequence of these elements.
pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, &parts.concat())
}

#[cfg(test)]
mod tests {
    use super::{OCTETS, Reader, element};

    #[test]
    fn lengths_have_one_form() {
        for len in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; len];
            let whole = element(OCTETS, &content);
            assert_eq!(Reader(&whole).only(OCTETS), Some(content.as_slice()), "{len}");
            assert!(Reader(&whole[..whole.len() - 1]).any().is_none());
        }
        for wrong in [
            &[4, 0x81, 1, 0][..],
            &[4, 0x80, 0, 0],
            &[4, 0x82, 0, 0x80],
            &[0x1f, 1, 0],
            &[4],
            &[4, 0x85, 0, 0, 0, 0, 0],
        ] {
            assert!(Reader(wrong).any().is_none(), "{wrong:?}");
        }
    }
}
