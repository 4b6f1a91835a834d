//! Leaves and the bundles they stand in.

use std::io;
use std::ops::Range;

use countersign_evidence::{canonical, tile};
use countersign_model::{Entry, EventKind, PayloadRef};
use serde::{Deserialize, Serialize, Serializer};

use crate::Error;

/// The largest bundle: 256 entries with their lengths.
pub(crate) const MAX_BUNDLE_BYTES: u64 = 256 * (2 + Entry::MAX_BYTES as u64);

/// A bundle of entries, taken apart.
#[derive(Debug, Default, Clone)]
pub(crate) struct Bundle {
    bytes: Vec<u8>,
    entries: Vec<Range<usize>>,
}

impl Bundle {
    /// Takes a bundle apart and keeps its first `width` entries.
    pub(crate) fn parse(name: &str, bytes: Vec<u8>, width: u16, whole: bool) -> Result<Self, Error> {
        let width = usize::from(width);
        let decoded = tile::decode_bundle(&bytes).map_err(|e| Error::corrupt(name, None, e.to_string()))?;
        if decoded.len() < width || (!whole && decoded.len() != width) {
            return Err(Error::corrupt(name, None, format!("it holds {} entries instead of {width}", decoded.len())));
        }
        let mut at = 0_usize;
        let entries = decoded
            .iter()
            .take(width)
            .map(|entry| {
                let start = at + 2;
                at = start + entry.len();
                start..at
            })
            .collect();
        Ok(Self { bytes, entries })
    }

    /// The entry at `position` in the bundle.
    pub(crate) fn get(&self, position: usize) -> Option<&[u8]> {
        self.bytes.get(self.entries.get(position)?.clone())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().filter_map(|range| self.bytes.get(range.clone()))
    }
}

/// Just enough of an entry to tell one of a newer program from a damaged one.
#[derive(Deserialize)]
struct Probe {
    v: Option<u64>,
    kind: Option<String>,
}

/// Reads an entry: canonical JSON of a known version.
pub(crate) fn parse(file: &str, index: u64, bytes: &[u8]) -> Result<Entry, Error> {
    if let Ok(entry) = serde_json::from_slice::<Entry>(bytes)
        && entry.v == Entry::VERSION
        && is_spelled(&entry, bytes)
    {
        return Ok(entry);
    }
    parse_slowly(file, index, bytes)
}

/// The largest integer that JSON has for certain (RFC 8785 §3.2.2.3).
const MAX_SAFE: u64 = 1 << 53;

/// Whether these bytes are the canonical form of the entry, found out by writing it field by field in the order of the keys.
/// `false` where that shorter way does not tell.
fn is_spelled(entry: &Entry, bytes: &[u8]) -> bool {
    let numbers = [entry.version, entry.payload.size];
    let sizes = entry.attachments.iter().map(|a| a.size);
    if numbers.into_iter().chain(sizes).chain(entry.refs.iter().copied()).any(|n| n > MAX_SAFE) {
        return false;
    }
    let sorted = Sorted {
        actor: &entry.actor,
        attachments: SortedBlobs(&entry.attachments),
        key: entry.key.as_deref(),
        kind: entry.kind,
        payload: SortedBlob::of(&entry.payload),
        refs: &entry.refs,
        retention: &entry.retention,
        stream: &entry.stream,
        time: &entry.time,
        v: entry.v,
        version: entry.version,
    };
    let mut rest = Expected(bytes);
    serde_json::to_writer(&mut rest, &sorted).is_ok() && rest.0.is_empty()
}

/// An entry with its keys in order.
#[derive(Serialize)]
struct Sorted<'a> {
    actor: &'a countersign_model::ActorId,
    #[serde(skip_serializing_if = "SortedBlobs::is_empty")]
    attachments: SortedBlobs<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    kind: EventKind,
    payload: SortedBlob<'a>,
    #[serde(skip_serializing_if = "<[u64]>::is_empty")]
    refs: &'a [u64],
    retention: &'a countersign_model::Retention,
    stream: &'a countersign_model::StreamId,
    time: &'a countersign_model::Timestamp,
    v: u32,
    version: u64,
}

struct SortedBlobs<'a>(&'a [PayloadRef]);

impl SortedBlobs<'_> {
    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for SortedBlobs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(SortedBlob::of))
    }
}

#[derive(Serialize)]
struct SortedBlob<'a> {
    media: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<&'a str>,
    sha256: &'a countersign_model::Digest,
    size: u64,
}

impl<'a> SortedBlob<'a> {
    fn of(blob: &'a PayloadRef) -> Self {
        Self { media: &blob.media, sealed: blob.sealed.as_deref(), sha256: &blob.sha256, size: blob.size }
    }
}

/// Takes only what is expected.
struct Expected<'a>(&'a [u8]);

impl io::Write for Expected<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn parse_slowly(file: &str, index: u64, bytes: &[u8]) -> Result<Entry, Error> {
    let failure = match canonical::from_slice::<Entry>(bytes) {
        Ok(entry) if entry.v == Entry::VERSION => return Ok(entry),
        Ok(_) => None,
        Err(e) => Some(e),
    };
    let file = file.to_owned();
    let probe = serde_json::from_slice::<Probe>(bytes).unwrap_or(Probe { v: None, kind: None });
    let is_known = |kind: &String| serde_json::from_value::<EventKind>(serde_json::Value::String(kind.clone())).is_ok();
    match (probe.v, failure) {
        (Some(v), _) if v > u64::from(Entry::VERSION) => {
            Err(Error::Newer { file, index, what: format!("format version {v}") })
        }
        (Some(v), _) if v != u64::from(Entry::VERSION) => {
            Err(Error::UnknownFormat { file, index, version: v.to_string() })
        }
        (None, _) if probe.kind.is_some() => Err(Error::UnknownFormat { file, index, version: "none".into() }),
        (Some(_), Some(failure)) => match probe.kind.filter(|kind| !is_known(kind)) {
            Some(kind) => Err(Error::Newer { file, index, what: format!("event kind `{kind}`") }),
            None => Err(Error::corrupt(file, Some(index), failure.to_string())),
        },
        (_, failure) => {
            let what = failure.map_or_else(|| "it is no entry".to_owned(), |e| e.to_string());
            Err(Error::corrupt(file, Some(index), what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_the_future_is_told_from_a_damaged_one() {
        let parse = |text: &str| parse("f", 3, text.as_bytes()).unwrap_err();
        assert!(matches!(parse(r#"{"kind":"RunStarted","v":2}"#), Error::Newer { index: 3, .. }));
        assert!(matches!(parse(r#"{"kind":"MoonLanded","v":1}"#), Error::Newer { .. }));
        assert!(matches!(parse(r#"{"kind":"RunStarted","v":0}"#), Error::UnknownFormat { .. }));
        assert!(matches!(parse(r#"{"kind":"RunStarted"}"#), Error::UnknownFormat { .. }));
        assert!(matches!(parse(r#"{"kind":"RunStarted","v":1}"#), Error::Corrupt { .. }));
        assert!(matches!(parse("nothing"), Error::Corrupt { entry: Some(3), .. }));
    }

    #[test]
    fn a_bundle_is_taken_apart() {
        let bytes = tile::encode_bundle(&[b"a".to_vec(), Vec::new(), b"ccc".to_vec()]).unwrap();
        let bundle = Bundle::parse("f", bytes.clone(), 3, false).unwrap();
        assert_eq!(bundle.iter().collect::<Vec<_>>(), [b"a".as_slice(), b"", b"ccc"]);
        assert_eq!(bundle.get(1), Some(b"".as_slice()));
        assert_eq!(bundle.get(3), None);
        assert!(Bundle::parse("f", bytes.clone(), 2, false).is_err());
        assert_eq!(Bundle::parse("f", bytes, 2, true).unwrap().iter().count(), 2);
    }

    fn entry(media: String, numbers: Vec<u64>, key: Option<String>, classed: bool, sealed: Option<String>) -> Entry {
        let blob = |n: &u64| PayloadRef {
            sha256: countersign_model::Digest::of(&n.to_be_bytes()),
            size: *n,
            media: media.clone(),
            sealed: sealed.clone(),
        };
        Entry {
            v: 1,
            kind: EventKind::RunStarted,
            stream: countersign_model::StreamId::from_text("run-1"),
            version: numbers.first().copied().unwrap_or(1),
            time: countersign_model::Timestamp::from_millis(1_700_000_000_123),
            actor: countersign_model::ActorId::from_text("per-1"),
            retention: if classed {
                countersign_model::Retention::PciTwelveMonths
            } else {
                countersign_model::Retention::SoxSevenYears
            },
            payload: blob(&numbers.last().copied().unwrap_or(7)),
            attachments: numbers.iter().skip(1).map(blob).collect(),
            refs: numbers,
            key,
        }
    }

    #[test]
    fn what_is_written_is_read_the_short_way() {
        let entry =
            entry("a/b \"\u{7f}\n\u{1}\u{20ac}\\".into(), vec![3, MAX_SAFE], Some("k".into()), true, Some("0a".into()));
        assert!(is_spelled(&entry, &canonical::to_vec(&entry).unwrap()));
    }

    proptest::proptest! {
        #[test]
        fn the_short_way_takes_the_canonical_form_and_no_other(
            media: String, numbers in proptest::collection::vec(0..=u64::MAX, 0..4), small: bool, key: Option<String>,
            classed: bool, sealed: Option<String>, at: proptest::sample::Index, byte: u8,
        ) {
            let numbers = if small { numbers.into_iter().map(|n| n % MAX_SAFE).collect() } else { numbers };
            let entry = entry(media, numbers, key, classed, sealed);
            // A number that JSON may round has no canonical form.
            if let Ok(bytes) = canonical::to_vec(&entry) {
                proptest::prop_assert_eq!(&super::parse("f", 0, &bytes).unwrap(), &entry);
                proptest::prop_assert!(!small || is_spelled(&entry, &bytes));
                let mut other = bytes;
                let at = at.index(other.len());
                other[at] = byte;
                let slow = parse_slowly("f", 0, &other).ok();
                proptest::prop_assert_eq!(super::parse("f", 0, &other).ok(), slow);
                if let Ok(entry) = serde_json::from_slice::<Entry>(&other) {
                    proptest::prop_assert!(!is_spelled(&entry, &other) || canonical::is_canonical(&other));
                }
            }
        }

        #[test]
        fn any_bytes_are_refused_without_harm(bytes: Vec<u8>, width in 0_u16..300, whole: bool) {
            proptest::prop_assert!(super::parse("f", 0, &bytes).is_err());
            if let Ok(bundle) = Bundle::parse("f", bytes, width, whole) {
                proptest::prop_assert_eq!(bundle.iter().count(), usize::from(width));
            }
        }
    }
}
