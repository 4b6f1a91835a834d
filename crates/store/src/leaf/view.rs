//! The short way to read an entry: one pass over its bytes that builds nothing. It proves the canonical form while it reads.
//!
//! It takes the ordinary entry of this format version and nothing else: keys in order and each once, no white space, text of
//! ASCII without escapes, whole numbers up to 2^53, digests in lower case, times as this program writes them. Whatever it
//! takes, the long way takes too, and finds the same in it. What it does not take is not wrong by that: the long way tells.

use countersign_model::{ActorId, Digest, Entry, EventKind, PayloadRef, Retention, StreamId, Timestamp};

/// The largest integer that JSON has for certain (RFC 8785 §3.2.2.3).
pub(crate) const MAX_SAFE: u64 = 1 << 53;

/// A blob that an entry speaks of, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlobView<'a> {
    media: Text<'a>,
    sealed: Option<Text<'a>>,
    pub(crate) sha256: Digest,
    pub(crate) size: u64,
}

impl<'a> BlobView<'a> {
    /// The id of the payload key that it is sealed with.
    pub(crate) fn sealed(&self) -> Option<&'a str> {
        self.sealed.map(Text::as_str)
    }

    /// The same, owned.
    pub(crate) fn to_ref(self) -> PayloadRef {
        let sealed = self.sealed.map(Text::to_owned);
        PayloadRef { sha256: self.sha256, size: self.size, media: self.media.to_owned(), sealed }
    }
}

impl<'a> From<&'a PayloadRef> for BlobView<'a> {
    fn from(blob: &'a PayloadRef) -> Self {
        let sealed = blob.sealed.as_ref().map(|id| Text(id.as_bytes()));
        Self { media: Text(blob.media.as_bytes()), sealed, sha256: blob.sha256, size: blob.size }
    }
}

/// Text whose encoding was looked at, or is ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    fn as_str(self) -> &'a str {
        std::str::from_utf8(self.0).unwrap_or_default()
    }

    fn to_owned(self) -> String {
        self.as_str().to_owned()
    }
}

/// What an entry says, borrowed from where its bytes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryView<'a> {
    actor: Text<'a>,
    attachments: &'a [BlobView<'a>],
    key: Option<Text<'a>>,
    kind: EventKind,
    payload: BlobView<'a>,
    refs: &'a [u64],
    retention: Retention,
    stream: Text<'a>,
    time: Timestamp,
    version: u64,
}

impl<'a> EntryView<'a> {
    /// What happened.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        self.kind
    }

    /// The stream that the entry belongs to.
    #[must_use]
    pub fn stream(&self) -> &'a str {
        self.stream.as_str()
    }

    /// Its position in the stream.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// When it was appended.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// Digest of its payload.
    #[must_use]
    pub const fn payload(&self) -> &Digest {
        &self.payload.sha256
    }

    pub(crate) const fn payload_blob(&self) -> &BlobView<'a> {
        &self.payload
    }

    pub(crate) const fn attachments(&self) -> &'a [BlobView<'a>] {
        self.attachments
    }

    pub(crate) const fn refs(&self) -> &'a [u64] {
        self.refs
    }

    /// The entry, owned.
    #[must_use]
    pub fn to_entry(&self) -> Entry {
        Entry {
            v: Entry::VERSION,
            kind: self.kind,
            stream: StreamId::from_text(self.stream.as_str()),
            version: self.version,
            time: self.time,
            actor: ActorId::from_text(self.actor.as_str()),
            retention: self.retention,
            refs: self.refs.to_vec(),
            key: self.key.map(Text::to_owned),
            payload: self.payload.to_ref(),
            attachments: self.attachments.iter().map(|blob| blob.to_ref()).collect(),
        }
    }

    /// The view of an entry that was read the long way.
    pub(crate) fn of(entry: &'a Entry, attachments: &'a mut Vec<BlobView<'a>>) -> Self {
        attachments.clear();
        attachments.extend(entry.attachments.iter().map(BlobView::from));
        Self {
            actor: Text(entry.actor.as_str().as_bytes()),
            attachments,
            key: entry.key.as_ref().map(|key| Text(key.as_bytes())),
            kind: entry.kind,
            payload: BlobView::from(&entry.payload),
            refs: &entry.refs,
            retention: entry.retention,
            stream: Text(entry.stream.as_str().as_bytes()),
            time: entry.time,
            version: entry.version,
        }
    }
}

/// An entry as [`read`] found it; its lists are in the caller's hands.
pub(super) struct Parts<'a> {
    actor: Text<'a>,
    key: Option<Text<'a>>,
    kind: EventKind,
    payload: BlobView<'a>,
    retention: Retention,
    stream: Text<'a>,
    time: Timestamp,
    version: u64,
}

impl<'a> Parts<'a> {
    pub(super) const fn view(self, attachments: &'a [BlobView<'a>], refs: &'a [u64]) -> EntryView<'a> {
        EntryView {
            actor: self.actor,
            attachments,
            key: self.key,
            kind: self.kind,
            payload: self.payload,
            refs,
            retention: self.retention,
            stream: self.stream,
            time: self.time,
            version: self.version,
        }
    }
}

/// Reads an entry the short way; `None` where that does not tell. The lists are overwritten.
pub(super) fn read<'a>(bytes: &'a [u8], attachments: &mut Vec<BlobView<'a>>, refs: &mut Vec<u64>) -> Option<Parts<'a>> {
    attachments.clear();
    refs.clear();
    let mut at = Cursor(bytes);
    at.expect(b"{\"actor\":\"")?;
    let actor = at.text()?;
    if at.skip(b",\"attachments\":[") {
        loop {
            attachments.push(at.blob()?);
            if !at.skip(b",") {
                break;
            }
        }
        at.expect(b"]")?;
    }
    let key = if at.skip(b",\"key\":\"") { Some(at.text()?) } else { None };
    at.expect(b",\"kind\":\"")?;
    let kind = EventKind::from_text(at.text()?.as_str())?;
    at.expect(b",\"payload\":")?;
    let payload = at.blob()?;
    if at.skip(b",\"refs\":[") {
        loop {
            refs.push(at.number()?);
            if !at.skip(b",") {
                break;
            }
        }
        at.expect(b"]")?;
    }
    at.expect(b",\"retention\":\"")?;
    let retention = at.text()?.as_str().parse().ok()?;
    at.expect(b",\"stream\":\"")?;
    let stream = at.text()?;
    at.expect(b",\"time\":\"")?;
    let time = time(at.take()?)?;
    at.expect(b"\",\"v\":1,\"version\":")?;
    let version = at.number()?;
    (at.0 == b"}").then_some(Parts { actor, key, kind, payload, retention, stream, time, version })
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    #[inline]
    fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    #[inline]
    fn skip<const N: usize>(&mut self, what: &[u8; N]) -> bool {
        match self.0.split_first_chunk::<N>() {
            Some((there, rest)) if there == what => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn expect<const N: usize>(&mut self, what: &[u8; N]) -> Option<()> {
        self.skip(what).then_some(())
    }

    /// The rest of a text, and its closing quote.
    #[inline]
    fn text(&mut self) -> Option<Text<'a>> {
        let mut length = 0;
        let end = loop {
            let (next, _) = self.0.get(length..)?.split_first_chunk()?;
            match special(u64::from_le_bytes(*next)) {
                0 => length += 8,
                found => break length + (found.trailing_zeros() / 8) as usize,
            }
        };
        let (text, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        self.expect(b"\"")?;
        Some(Text(text))
    }

    /// A whole number in its one form.
    #[inline]
    fn number(&mut self) -> Option<u64> {
        let (mut value, mut length) = (0_u64, 0);
        // 2^53 has 16 digits; with one more nothing overflows.
        for byte in self.0.iter().take(17) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            value = value * 10 + u64::from(digit);
            length += 1;
        }
        let is_plain = length > 0 && (length == 1 || self.0.first() != Some(&b'0'));
        self.0 = self.0.get(length..)?;
        (is_plain && value <= MAX_SAFE).then_some(value)
    }

    #[inline]
    fn blob(&mut self) -> Option<BlobView<'a>> {
        self.expect(b"{\"media\":\"")?;
        let media = self.text()?;
        let sealed = if self.skip(b",\"sealed\":\"") { Some(self.text()?) } else { None };
        self.expect(b",\"sha256\":\"sha256:")?;
        let sha256 = digest(self.take()?)?;
        self.expect(b"\",\"size\":")?;
        let size = self.number()?;
        self.expect(b"}")?;
        Some(BlobView { media, sealed, sha256, size })
    }
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// Marks in eight bytes the first that ends or spoils a text of ASCII without escapes: a quote, a backslash, a control
/// character, or one of more than seven bits. Marks above the first may be wrong.
#[inline]
const fn special(bytes: u64) -> u64 {
    let quote = bytes ^ (ONES * b'"' as u64);
    let backslash = bytes ^ (ONES * b'\\' as u64);
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    let is_control = bytes.wrapping_sub(ONES * 0x20) & !bytes;
    (is_quote | is_backslash | is_control | bytes) & HIGH
}

/// 64 lower-case hex digits, eight at a time.
#[inline]
fn digest(hex: &[u8; 64]) -> Option<Digest> {
    let mut bytes = [0; 32];
    let mut right = HIGH;
    for (four, eight) in bytes.as_chunks_mut().0.iter_mut().zip(hex.as_chunks().0) {
        let digits = u64::from_le_bytes(*eight);
        // Each sum has its high bit set where the byte is that character or one above it; without the high bit in any
        // byte no sum carries into the next.
        let low = digits & !HIGH;
        let from = |first: u8| low + ONES * u64::from(0x80 - first);
        let is_digit = from(b'0') & !from(b'9' + 1);
        let is_letter = from(b'a') & !from(b'f' + 1);
        right &= (is_digit | is_letter) & !digits;
        // A letter has bit 6 set, and stands nine above its low half.
        let nibbles = (digits & (ONES * 0x0f)) + ((digits >> 6) & ONES) * 9;
        let pairs = (nibbles << 4 | nibbles >> 8) & 0x00ff_00ff_00ff_00ff;
        let quads = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
        *four = ((quads | quads >> 16) as u32).to_le_bytes();
    }
    (right == HIGH).then(|| Digest::from_bytes(bytes))
}

/// A time as [`Timestamp`] writes it, from 1970 to 9998: the end of time lies within the year after.
#[inline]
fn time(text: &[u8; 24]) -> Option<Timestamp> {
    const SHAPE: &[u8; 24] = b"0000-00-00T00:00:00.000Z";
    let is_shaped = text
        .iter()
        .zip(SHAPE)
        .all(|(there, shape)| if *shape == b'0' { there.is_ascii_digit() } else { there == shape });
    if !is_shaped {
        return None;
    }
    let number = |from: usize, to: usize| {
        text.get(from..to).unwrap_or_default().iter().fold(0_i64, |n, b| n * 10 + i64::from(b & 15))
    };
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let (hour, minute, second, milli) = (number(11, 13), number(14, 16), number(17, 19), number(20, 23));
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 31,
    };
    // A leap second has another form: the long way knows what becomes of it.
    if !(1970..9999).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=days).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    // Days since the epoch: years that begin in March end with their leap day.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before = 365 * y + y / 4 - y / 100 + y / 400 - 719_468;
    let days = before + (153 * m + 2) / 5 + day - 1;
    Some(Timestamp::from_millis((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + milli))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn times_are_those_that_are_written(ms in 0_i64..253_370_764_800_000, at in 0_usize..24, byte: u8) {
            let written = Timestamp::from_millis(ms).to_string();
            let mut text: [u8; 24] = written.as_bytes().try_into().unwrap();
            prop_assert_eq!(time(&text), Some(Timestamp::from_millis(ms)));
            // Whatever else is taken is a time that is written so.
            text[at] = byte;
            if let Some(time) = time(&text) {
                let again = time.to_string();
                prop_assert_eq!(again.as_bytes(), &text);
            }
        }

        #[test]
        fn days_follow_each_other(day in 0_i64..2_932_531) {
            let ms = day * 86_400_000;
            let text = Timestamp::from_millis(ms).to_string();
            prop_assert_eq!(time(text.as_bytes().try_into().unwrap()), Some(Timestamp::from_millis(ms)));
        }

        #[test]
        fn what_ends_or_spoils_a_text_is_found(bytes: [u8; 8]) {
            let is_special = |b: &u8| *b < 0x20 || *b > 0x7f || matches!(b, b'"' | b'\\');
            let expected = bytes.iter().position(is_special);
            let found = special(u64::from_le_bytes(bytes));
            let first = (found != 0).then(|| (found.trailing_zeros() / 8) as usize);
            prop_assert_eq!(first, expected);
        }

        #[test]
        fn digests_are_lower_case_hex(bytes: [u8; 32], at in 0_usize..64, byte: u8) {
            let known = Digest::from_bytes(bytes);
            let mut hex: [u8; 64] = known.hex().as_bytes().try_into().unwrap();
            prop_assert_eq!(digest(&hex), Some(known));
            hex[at] = byte;
            let is_hex = byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            prop_assert_eq!(digest(&hex).is_some(), is_hex);
        }
    }
}
