//! Names of columns in Parquet files. The data is not looked at: it is compressed in many ways, and the names tell enough
//! for somebody to look.
//!
//! A file ends with its footer, the footer's length in four bytes, and `PAR1`. The footer is a `FileMetaData` in Thrift's
//! compact protocol, whose second field is the schema. No more than that is read, and nothing is believed: every length is
//! held against what is there.

/// What a file begins and ends with.
pub(super) const MAGIC: &[u8] = b"PAR1";

/// More elements than a schema has.
const MAX_ELEMENTS: usize = 65_536;

/// Deeper than the format nests what is stepped over.
const MAX_DEPTH: usize = 32;

/// Types of the compact protocol.
const STOP: u8 = 0;
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I32: u8 = 5;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;

/// Why a footer says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is no Parquet file, or its footer is encrypted or broken.
    Broken,
    /// The footer is longer than what is kept of the end.
    Long,
}

/// The paths of columns, by the last bytes of a file: names from the outermost on, with a full stop between.
pub(super) fn columns(tail: &[u8]) -> Result<Vec<Vec<u8>>, Unread> {
    let rest = tail.strip_suffix(MAGIC).ok_or(Unread::Broken)?;
    let (rest, length) = rest.split_last_chunk::<4>().ok_or(Unread::Broken)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| Unread::Broken)?;
    let start = rest.len().checked_sub(length).ok_or(Unread::Long)?;
    schema(&rest[start..]).ok_or(Unread::Broken)
}

fn schema(footer: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut reader = Reader { rest: footer };
    let mut id = 0;
    loop {
        let kind = reader.field(&mut id)?;
        match (id, kind) {
            (_, STOP) => return None,
            (2, LIST) => break,
            _ => reader.skip(kind)?,
        }
    }
    let (element, count) = reader.list()?;
    if element != STRUCT || count > MAX_ELEMENTS {
        return None;
    }
    let mut paths = Vec::new();
    // What is open: how many children are still to come, and the length of the path up to it.
    let mut open: Vec<(u64, usize)> = Vec::new();
    let mut path: Vec<u8> = Vec::new();
    for n in 0..count {
        let (name, children) = reader.element()?;
        while let Some((0, _)) = open.last() {
            open.pop();
        }
        if let Some((left, length)) = open.last_mut() {
            *left -= 1;
            path.truncate(*length);
        }
        // The first element is the whole, and its name says nothing.
        if n > 0 {
            if !path.is_empty() {
                path.push(b'.');
            }
            path.extend_from_slice(name);
        }
        if children > 0 && open.len() < MAX_DEPTH {
            open.push((children, path.len()));
        } else if n > 0 {
            paths.push(path.clone());
        }
    }
    Some(paths)
}

struct Reader<'f> {
    rest: &'f [u8],
}

impl<'f> Reader<'f> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn bytes(&mut self, count: usize) -> Option<&'f [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// Seven bits a byte, the lowest first.
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        i64::try_from(value >> 1).ok().map(|v| if value & 1 == 1 { -v - 1 } else { v })
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }

    fn binary(&mut self) -> Option<&'f [u8]> {
        let length = self.length()?;
        self.bytes(length)
    }

    /// The type of the next field; `id` is the last field's and becomes this one's.
    fn field(&mut self, id: &mut i64) -> Option<u8> {
        let head = self.byte()?;
        if head == STOP {
            return Some(STOP);
        }
        *id = match head >> 4 {
            0 => self.zigzag()?,
            delta => id.checked_add(i64::from(delta))?,
        };
        Some(head & 0x0F)
    }

    /// The type of the elements and their number. Each takes a byte at least, but for those that cannot be.
    fn list(&mut self) -> Option<(u8, usize)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.length()?,
            count => usize::from(count),
        };
        (count <= self.rest.len()).then_some((head & 0x0F, count))
    }

    /// Name and number of children of a `SchemaElement`.
    fn element(&mut self) -> Option<(&'f [u8], u64)> {
        let (mut id, mut name, mut children) = (0, &b""[..], 0);
        loop {
            let kind = self.field(&mut id)?;
            match (id, kind) {
                (_, STOP) => return Some((name, children)),
                (4, BINARY) => name = self.binary()?,
                (5, I32) => children = u64::try_from(self.zigzag()?).ok()?,
                _ => self.skip(kind)?,
            }
        }
    }

    /// Over a value of this type. What is inside it waits in a list and not on the stack of calls.
    fn skip(&mut self, kind: u8) -> Option<()> {
        enum Open {
            Fields(i64),
            Elements(u8, usize),
            Pairs(u8, u8, usize, bool),
        }
        let mut open: Vec<Open> = Vec::new();
        let mut next = Some((kind, false));
        loop {
            if let Some((kind, in_list)) = next.take() {
                if open.len() > MAX_DEPTH {
                    return None;
                }
                match kind {
                    TRUE | FALSE if in_list => drop(self.byte()?),
                    TRUE | FALSE => {}
                    BYTE => drop(self.byte()?),
                    4 | I32 | 6 => drop(self.varint()?),
                    DOUBLE => drop(self.bytes(8)?),
                    BINARY => drop(self.binary()?),
                    UUID => drop(self.bytes(16)?),
                    LIST | SET => {
                        let (element, count) = self.list()?;
                        open.push(Open::Elements(element, count));
                    }
                    MAP => {
                        let count = self.length()?;
                        if count > self.rest.len() {
                            return None;
                        }
                        let kinds = if count > 0 { self.byte()? } else { 0 };
                        open.push(Open::Pairs(kinds >> 4, kinds & 0x0F, count, false));
                    }
                    STRUCT => open.push(Open::Fields(0)),
                    _ => return None,
                }
            }
            match open.last_mut() {
                None => return Some(()),
                Some(Open::Fields(id)) => match self.field(id)? {
                    STOP => drop(open.pop()),
                    kind => next = Some((kind, false)),
                },
                Some(Open::Elements(_, 0) | Open::Pairs(_, _, 0, false)) => drop(open.pop()),
                Some(Open::Elements(kind, left)) => {
                    *left -= 1;
                    next = Some((*kind, true));
                }
                Some(Open::Pairs(key, value, left, half)) => {
                    next = Some((if *half { *value } else { *key }, true));
                    *left -= usize::from(!*half);
                    *half = !*half;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Written by a real writer (Apache Arrow 26, `pyarrow.parquet.write_table`): columns `id`, `full_name`, `ssn`, a struct
    /// `address` of `street` and `geo` (a struct of `lat`), a list `cards` of strings, a map `tags`.
    const WRITTEN: &[u8] = include_bytes!("testdata/people.parquet");

    fn names(tail: &[u8]) -> Vec<String> {
        columns(tail).unwrap().into_iter().map(|p| String::from_utf8(p).unwrap()).collect()
    }

    #[test]
    fn the_columns_of_a_real_file_are_read() {
        assert_eq!(
            names(WRITTEN),
            [
                "id",
                "full_name",
                "ssn",
                "address.street",
                "address.geo.lat",
                "cards.list.element",
                "tags.key_value.key",
                "tags.key_value.value"
            ]
        );
        // The end is enough, and less than the footer is not.
        let footer = u32::from_le_bytes(WRITTEN[WRITTEN.len() - 8..WRITTEN.len() - 4].try_into().unwrap()) as usize + 8;
        assert_eq!(names(&WRITTEN[WRITTEN.len() - footer..]).len(), 8);
        assert_eq!(columns(&WRITTEN[WRITTEN.len() - footer + 1..]), Err(Unread::Long));
        assert_eq!(columns(b"PAR1"), Err(Unread::Broken));
        assert_eq!(columns(b"PAR1\0\0\0\0PAR1"), Err(Unread::Broken));
    }

    proptest! {
        #[test]
        fn no_footer_panics(bytes: Vec<u8>) {
            let mut file = bytes.clone();
            file.extend((bytes.len() as u32).to_le_bytes());
            file.extend(MAGIC);
            let _ = (columns(&file), columns(&bytes));
        }

        #[test]
        fn no_damage_panics(at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
            let mut file = WRITTEN.to_vec();
            let length = file.len();
            file[at.index(length)] = byte;
            let _ = (columns(&file), columns(&file[..cut.index(length)]));
        }
    }
}
