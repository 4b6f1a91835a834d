//! The write-ahead log: what was acknowledged and does not stand in tiles yet.
//!
//! ```text
//! wal/<first index, 20 digits>      a segment: records, one a batch of appends
//! record   "CSWALR1\n"  u64 length of the body  16 bytes: start of SHA-256 over the body  body
//! body     u64 first index  u32 number of entries  u32 number of blobs  u32 length and bytes of the checkpoint
//!          entries: u16 length, bytes      blobs: 32 bytes digest, u64 length, bytes (none for a large one)
//! ```
//! Numbers are big-endian. A record carries the signed checkpoint that covers it, so it proves itself: its entries lead
//! from the tree before it to that root. A blob above [`INLINE_BYTES`] lies in `tmp/`, synced before its record.
//!
//! A record that is cut short at the very end was never acknowledged. Anything else that does not parse is damage.

use countersign_model::{Digest, Entry};

use crate::blob::MAX_BLOB_BYTES;
use crate::layout::WAL;
use crate::{Error, Source};

const MAGIC: &[u8; 8] = b"CSWALR1\n";
/// Magic, length and checksum.
const HEADER_BYTES: usize = 8 + 8 + 16;
/// The largest blob that travels inside a record.
pub(super) const INLINE_BYTES: usize = 256 << 10;
/// From this size on a new segment is begun when the old one is published.
pub(super) const SEGMENT_BYTES: u64 = 16 << 20;
/// The largest segment that is read: a batch of large inline blobs can overshoot.
const MAX_SEGMENT_BYTES: u64 = 1 << 30;

/// A blob as a record has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WalBlob {
    /// Its bytes.
    Inline(Vec<u8>),
    /// It lies in `tmp/`, or in its place already; this is its size.
    Large(u64),
}

/// One batch of appends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) first: u64,
    pub(super) leaves: Vec<Vec<u8>>,
    pub(super) blobs: Vec<(Digest, WalBlob)>,
    /// The signed checkpoint that covers it.
    pub(super) checkpoint: String,
}

impl Record {
    /// The log's size after it.
    pub(super) const fn end(&self) -> u64 {
        self.first.saturating_add(self.leaves.len() as u64)
    }
}

/// Writes a record into a buffer that was used before. Leaves and blobs are borrowed: a batch may be large.
pub(super) fn encode<'a>(
    out: &mut Vec<u8>,
    first: u64,
    leaves: impl ExactSizeIterator<Item = &'a [u8]> + Clone,
    blobs: impl ExactSizeIterator<Item = (&'a Digest, Result<&'a [u8], u64>)> + Clone,
    checkpoint: &str,
) {
    let inside: usize = leaves.clone().map(|l| l.len() + 2).sum::<usize>()
        + blobs.clone().map(|(_, b)| 40 + b.map_or(0, <[u8]>::len)).sum::<usize>();
    out.clear();
    out.reserve(HEADER_BYTES + 24 + checkpoint.len() + inside);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[0; 24]);
    out.extend_from_slice(&first.to_be_bytes());
    // The counts are bounded by the size of the queue, far below 2^32.
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
    out.extend_from_slice(&count(leaves.len()));
    out.extend_from_slice(&count(blobs.len()));
    out.extend_from_slice(&count(checkpoint.len()));
    out.extend_from_slice(checkpoint.as_bytes());
    for leaf in leaves {
        // A leaf has at most 65,535 bytes; who hands it over has looked.
        out.extend_from_slice(&u16::try_from(leaf.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(leaf);
    }
    for (digest, blob) in blobs {
        out.extend_from_slice(digest.as_bytes());
        match blob {
            Ok(bytes) => {
                out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
                out.extend_from_slice(bytes);
            }
            Err(size) => out.extend_from_slice(&(size | LARGE).to_be_bytes()),
        }
    }
    let body = out.get(HEADER_BYTES..).unwrap_or_default();
    let (length, sum) = ((body.len() as u64).to_be_bytes(), checksum(body));
    out[8..16].copy_from_slice(&length);
    out[16..32].copy_from_slice(&sum);
}

/// Marks the size of a blob that is not inside.
const LARGE: u64 = 1 << 63;

fn checksum(body: &[u8]) -> [u8; 16] {
    let digest = Digest::of(body);
    let mut sum = [0; 16];
    sum.copy_from_slice(&digest.as_bytes()[..16]);
    sum
}

/// Takes from the front of a slice.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn u32(&mut self) -> Option<usize> {
        usize::try_from(u32::from_be_bytes(self.array()?)).ok()
    }
}

/// The body of the record at the front, and where the next one begins; `None` when no whole record stands there.
fn split_record(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let mut cursor = Cursor(bytes);
    if cursor.take(8)? != MAGIC {
        return None;
    }
    let length = usize::try_from(cursor.u64()?).ok()?;
    let sum: [u8; 16] = cursor.array()?;
    let body = cursor.take(length)?;
    (checksum(body) == sum).then_some((body, HEADER_BYTES + length))
}

fn parse_body(body: &[u8]) -> Option<Record> {
    let mut cursor = Cursor(body);
    let first = cursor.u64()?;
    let (leaf_count, blob_count, checkpoint) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
    let checkpoint = String::from_utf8(cursor.take(checkpoint)?.to_vec()).ok()?;
    // Every entry takes two bytes and every blob forty: no count can ask for more than is there.
    if leaf_count.checked_mul(2)?.checked_add(blob_count.checked_mul(40)?)? > cursor.0.len() {
        return None;
    }
    let mut leaves = Vec::with_capacity(leaf_count);
    for _ in 0..leaf_count {
        let length = usize::from(u16::from_be_bytes(cursor.array()?));
        leaves.push(cursor.take(length)?.to_vec());
    }
    let mut blobs = Vec::with_capacity(blob_count);
    for _ in 0..blob_count {
        let digest = Digest::from_bytes(cursor.array()?);
        let length = cursor.u64()?;
        let blob = match length & LARGE {
            0 => WalBlob::Inline(cursor.take(usize::try_from(length).ok()?)?.to_vec()),
            _ => WalBlob::Large(length & !LARGE),
        };
        if matches!(&blob, WalBlob::Inline(bytes) if Digest::of(bytes) != digest)
            || matches!(blob, WalBlob::Large(size) if size > MAX_BLOB_BYTES)
        {
            return None;
        }
        blobs.push((digest, blob));
    }
    (cursor.0.is_empty() && !leaves.is_empty()).then_some(Record { first, leaves, blobs, checkpoint })
}

/// What a segment holds.
pub(super) struct Segment {
    pub(super) records: Vec<Record>,
    /// Bytes after it: a record that was cut short, and that nobody was told of.
    pub(super) torn: u64,
}

/// Reads a segment. `is_last` tells whether it may end in a record that was cut short.
pub(super) fn parse(name: &str, bytes: &[u8], is_last: bool) -> Result<Segment, Error> {
    let mut records = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|r| !r.is_empty()) {
        let Some((body, next)) = split_record(rest) else {
            // Cut short at the end, or damaged in the middle? In the middle a whole record follows somewhere.
            let follows = (1..rest.len())
                .any(|i| rest.get(i..).is_some_and(|r| r.starts_with(MAGIC) && split_record(r).is_some()));
            if follows || !is_last {
                let what = format!("the record at byte {at} is damaged, and acknowledged entries follow it");
                return Err(Error::corrupt(name, None, what));
            }
            return Ok(Segment { records, torn: rest.len() as u64 });
        };
        let record = parse_body(body)
            .ok_or_else(|| Error::corrupt(name, None, format!("the record at byte {at} contradicts itself")))?;
        records.push(record);
        at += next;
    }
    Ok(Segment { records, torn: 0 })
}

/// The relative name of the segment that begins with entry `first`.
pub(super) fn segment_name(first: u64) -> String {
    format!("{WAL}/{first:020}")
}

/// The segment's first entry, from its name.
pub(crate) fn segment_first(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(WAL)?.strip_prefix('/')?;
    (digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// The segments that are there, in order.
pub(super) fn segments(source: &dyn Source) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = source.list(WAL)?.unwrap_or_default().into_iter().map(|l| l.name).collect();
    names.sort_unstable();
    match names.iter().find(|name| segment_first(name).is_none()) {
        Some(name) => Err(Error::corrupt(name, None, "it is no segment of the write-ahead log")),
        None => Ok(names),
    }
}

/// Whether nothing is there. A segment without a record is nothing.
pub(crate) fn is_empty(source: &dyn Source) -> Result<bool, Error> {
    for name in segments(source)? {
        if source.stat(&name, MAX_SEGMENT_BYTES)?.is_some_and(|bytes| bytes > 0) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads every record that is there, in order, and says how many bytes were cut short at the end.
pub(super) fn read_all(source: &dyn Source) -> Result<(Vec<Record>, u64), Error> {
    let names = segments(source)?;
    let (mut records, mut torn) = (Vec::new(), 0);
    for (i, name) in names.iter().enumerate() {
        let Some(bytes) = source.read(name, MAX_SEGMENT_BYTES)? else { continue };
        let segment = parse(name, &bytes, i + 1 == names.len())?;
        torn = segment.torn;
        records.extend(segment.records);
    }
    if records.iter().any(|r: &Record| r.leaves.iter().any(|l| l.len() > Entry::MAX_BYTES)) {
        return Err(Error::corrupt(WAL, None, "an entry in it is too large"));
    }
    Ok((records, torn))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes_of(record: &Record) -> Vec<u8> {
        let blobs: Vec<_> = record
            .blobs
            .iter()
            .map(|(d, b)| match b {
                WalBlob::Inline(bytes) => (d, Ok(bytes.as_slice())),
                WalBlob::Large(size) => (d, Err(*size)),
            })
            .collect();
        let mut out = b"what stood there before".to_vec();
        encode(&mut out, record.first, record.leaves.iter().map(Vec::as_slice), blobs.into_iter(), &record.checkpoint);
        out
    }

    fn record() -> impl Strategy<Value = Record> {
        let blob = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..50).prop_map(|b| (Digest::of(&b), WalBlob::Inline(b))),
            (any::<[u8; 32]>(), 0..MAX_BLOB_BYTES).prop_map(|(d, n)| (Digest::from_bytes(d), WalBlob::Large(n))),
        ];
        let leaves = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..5);
        (any::<u32>(), leaves, proptest::collection::vec(blob, 0..4), "\\PC{0,30}")
            .prop_map(|(first, leaves, blobs, checkpoint)| Record { first: first.into(), leaves, blobs, checkpoint })
    }

    proptest! {
        #[test]
        fn records_round_trip_and_a_cut_at_the_end_loses_the_last_one_only(
            records in proptest::collection::vec(record(), 1..4), cut in any::<prop::sample::Index>(),
        ) {
            let parts: Vec<Vec<u8>> = records.iter().map(bytes_of).collect();
            let bytes = parts.concat();
            let segment = parse("wal/x", &bytes, true).unwrap();
            prop_assert_eq!(&segment.records, &records);
            prop_assert_eq!(segment.torn, 0);

            let last = parts.last().unwrap().len();
            let cut = bytes.len() - last + 1 + cut.index(last - 1);
            let segment = parse("wal/x", &bytes[..cut], true).unwrap();
            prop_assert_eq!(segment.records.len() + 1, records.len());
            prop_assert!(segment.torn > 0);
            prop_assert!(parse("wal/x", &bytes[..cut], false).is_err());
        }

        #[test]
        fn damage_before_the_last_record_is_never_taken_for_a_cut(
            records in proptest::collection::vec(record(), 2..4), at in any::<prop::sample::Index>(), bit in 0_u32..8,
        ) {
            let parts: Vec<Vec<u8>> = records.iter().map(bytes_of).collect();
            let mut bytes = parts.concat();
            let last = parts.last().unwrap().len();
            let at = at.index(bytes.len() - last);
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(parse("wal/x", &bytes, true).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>, tail: Vec<u8>, last: bool) {
            let _ = parse("wal/x", &bytes, last);
            let mut whole = MAGIC.to_vec();
            whole.extend_from_slice(&(tail.len() as u64).to_be_bytes());
            whole.extend_from_slice(&checksum(&tail));
            whole.extend_from_slice(&tail);
            let _ = parse("wal/x", &whole, last);
        }
    }
}
