//! As much CBOR (RFC 8949) as registrations take, in the one form that CTAP2 allows (CTAP 2.1 §8): definite and shortest lengths,
//! keys of maps in order and once, nothing nested deeper than four levels. Tags, floating point and `null` are not read.

/// Entries of the largest map or array, and how many levels they may be nested (CTAP 2.1 §8).
const MOST: u64 = 16;
const DEEPEST: u8 = 4;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Bool,
    Array(Vec<Self>),
    Map(Vec<(Self, Self)>),
}

impl<'a> Value<'a> {
    /// Of a map: the value of a key.
    pub(super) fn get(&self, key: &Value<'_>) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    pub(super) const fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(super) const fn int(&self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(*n),
            _ => None,
        }
    }

    /// How many entries a map has; 0 of anything else.
    pub(super) const fn entries(&self) -> usize {
        match self {
            Self::Map(entries) => entries.len(),
            _ => 0,
        }
    }
}

/// The one value that the bytes are.
pub(super) fn read(bytes: &[u8]) -> Option<Value<'_>> {
    let (value, rest) = read_first(bytes)?;
    rest.is_empty().then_some(value)
}

/// The value that the bytes begin with, and what follows it.
pub(super) fn read_first(bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    value(bytes, 0)
}

/// Major type, argument, and what follows.
fn head(bytes: &[u8]) -> Option<(u8, u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (major, short) = (first >> 5, first & 0x1f);
    let width = match short {
        0..=23 => return Some((major, u64::from(short), rest)),
        // Lengths of indefinite form and arguments of 64 bits do not occur in what is read here.
        24..=26 => 1_usize << (short - 24),
        _ => return None,
    };
    let (argument, rest) = rest.split_at_checked(width)?;
    let n = argument.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b));
    let least = match width {
        1 => 24,
        2 => 0x100,
        _ => 0x1_0000,
    };
    (n >= least).then_some((major, n, rest))
}

/// Calls itself for what is nested, four levels deep at most.
fn value(bytes: &[u8], depth: u8) -> Option<(Value<'_>, &[u8])> {
    // Of true and false the argument is part of the first byte.
    if let [0xf4 | 0xf5, rest @ ..] = bytes {
        return Some((Value::Bool, rest));
    }
    let (major, n, mut rest) = head(bytes)?;
    let is_nestable = depth < DEEPEST && n <= MOST;
    match major {
        0 => Some((Value::Int(i64::try_from(n).ok()?), rest)),
        1 => Some((Value::Int(-1 - i64::try_from(n).ok()?), rest)),
        2 | 3 => {
            let (taken, rest) = rest.split_at_checked(usize::try_from(n).ok()?)?;
            let read = if major == 2 { Value::Bytes(taken) } else { Value::Text(std::str::from_utf8(taken).ok()?) };
            Some((read, rest))
        }
        4 if is_nestable => {
            let mut items = Vec::new();
            for _ in 0..n {
                let (item, after) = value(rest, depth + 1)?;
                items.push(item);
                rest = after;
            }
            Some((Value::Array(items), rest))
        }
        5 if is_nestable => {
            let mut entries = Vec::new();
            let mut last: Option<&[u8]> = None;
            for _ in 0..n {
                let (key, after) = value(rest, depth + 1)?;
                matches!(key, Value::Int(_) | Value::Text(_)).then_some(())?;
                let encoded = rest.get(..rest.len() - after.len())?;
                last.is_none_or(|last| comes_before(last, encoded)).then_some(())?;
                last = Some(encoded);
                let (said, after) = value(after, depth + 1)?;
                entries.push((key, said));
                rest = after;
            }
            Some((Value::Map(entries), rest))
        }
        _ => None,
    }
}

/// The order of encoded keys: lower major types first, then shorter ones, then byte by byte.
fn comes_before(a: &[u8], b: &[u8]) -> bool {
    let major = |key: &[u8]| key.first().map(|b| b >> 5);
    (major(a), a.len(), a) < (major(b), b.len(), b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_form_is_read() {
        assert_eq!(read(&[0xa1, 0x01, 0x26]), Some(Value::Map(vec![(Value::Int(1), Value::Int(-7))])));
        assert_eq!(read(&[0x43, 1, 2, 3]), Some(Value::Bytes(&[1, 2, 3])));
        assert_eq!(read(&[0x18, 24]), Some(Value::Int(24)));
        assert_eq!(read(&[0x39, 1, 0]), Some(Value::Int(-257)));
        assert_eq!(read(&[0x1a, 0, 1, 0, 0]), Some(Value::Int(0x1_0000)));
        assert_eq!(read(&[0x82, 0xf4, 0xf5]), Some(Value::Array(vec![Value::Bool, Value::Bool])));
        assert_eq!(read_first(&[0x01, 0x02]), Some((Value::Int(1), &[2][..])));
        // Whole numbers, positive before negative, come before texts, and short texts before long ones.
        assert!(read(&[0xa4, 1, 1, 0x20, 1, 0x61, b'z', 1, 0x62, b'a', b'a', 1]).is_some());
        for bad in [
            &[0x43, 1, 2][..],                           // cut off
            &[0x01, 0x01],                               // something follows
            &[0x18, 0x05],                               // a longer form than needed
            &[0x18, 23],                                 // the same
            &[0x19, 0, 255],                             // the same
            &[0x1a, 0, 0, 255, 255],                     // the same
            &[0x1b, 0, 0, 0, 0, 0, 1, 0, 0],             // 64 bits
            &[0xa2, 1, 1, 1, 2],                         // a key twice
            &[0xa2, 2, 1, 1, 2],                         // keys out of order
            &[0xa2, 0x20, 1, 1, 2],                      // a negative one before a positive one
            &[0xa2, 0x62, b'a', b'a', 1, 0x61, b'z', 1], // a long one before a short one
            &[0xa1, 0x41, 1, 1],                         // a key of bytes
            &[0x5f, 0x41, 1, 0xff],                      // of indefinite length
            &[0xbf, 0xff],                               // the same
            &[0x9f, 0xff],                               // the same
            &[0xf6],                                     // null
            &[0xf8, 0x14],                               // false in two bytes
            &[0xf9, 0, 0],                               // floating point
            &[0xc0, 1],                                  // a tag
            &[0x62, 0xc3, 0x28],                         // no UTF-8
            &[0xb1],                                     // more entries than there may be
            &[0xba, 0xff, 0xff, 0xff, 0xff],             // the same
            &[0x5a, 0xff, 0xff, 0xff, 0xff],             // longer than what follows
            &[0x81, 0x81, 0x81, 0x81, 0x80],             // too deep
            &[0xa1, 1, 0xa1, 1, 0xa1, 1, 0xa1, 1, 0xa0], // the same
            &[],
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
