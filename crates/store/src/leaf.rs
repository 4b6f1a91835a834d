//! Leaves and the bundles they stand in.

use std::io;
use std::ops::Range;

use countersign_evidence::{canonical, tile};
use countersign_model::{Entry, EventKind, PayloadRef};
use serde::{Deserialize, Serialize, Serializer};

use crate::Error;

mod view;
mod write;

pub use view::EntryView;
pub(crate) use view::{BlobView, MAX_SAFE};
pub(crate) use write::{head, tail};

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

    /// The buffer, to be filled anew.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
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
    let (mut blobs, mut refs) = (Vec::new(), Vec::new());
    match view::read(bytes, &mut blobs, &mut refs) {
        Some(parts) => Ok(parts.view(&blobs, &refs).to_entry()),
        None => parse_long(file, index, bytes),
    }
}

/// Lists of the entry that is looked at, so that many entries share them.
#[derive(Debug, Default)]
pub(crate) struct Lists<'a> {
    blobs: Vec<BlobView<'a>>,
    refs: Vec<u64>,
}

/// Reads an entry as [`parse`] does, and lends it to `look`.
pub(crate) fn look<'a, T>(
    file: &str,
    index: u64,
    bytes: &'a [u8],
    lists: &mut Lists<'a>,
    look: impl FnOnce(&EntryView<'_>) -> T,
) -> Result<T, Error> {
    if let Some(parts) = view::read(bytes, &mut lists.blobs, &mut lists.refs) {
        return Ok(look(&parts.view(&lists.blobs, &lists.refs)));
    }
    let entry = parse_long(file, index, bytes)?;
    let mut blobs = Vec::new();
    Ok(look(&EntryView::of(&entry, &mut blobs)))
}

/// Reads what the short way does not tell: texts with escapes, other alphabets, and whatever is wrong.
fn parse_long(file: &str, index: u64, bytes: &[u8]) -> Result<Entry, Error> {
    if let Ok(entry) = serde_json::from_slice::<Entry>(bytes)
        && entry.v == Entry::VERSION
        && is_spelled(&entry, bytes)
    {
        return Ok(entry);
    }
    parse_slowly(file, index, bytes)
}

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
    use proptest::prelude::*;
    use proptest::sample::Index;

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
    fn what_is_written_is_read_the_way_between() {
        let entry =
            entry("a/b \"\u{7f}\n\u{1}\u{20ac}\\".into(), vec![3, MAX_SAFE], Some("k".into()), true, Some("0a".into()));
        assert!(is_spelled(&entry, &canonical::to_vec(&entry).unwrap()));
    }

    /// An entry of the ordinary kind, which the short way reads.
    fn ordinary() -> impl Strategy<Value = Entry> {
        let number = || prop_oneof![Just(0), 0..300_u64, 0..=MAX_SAFE, Just(MAX_SAFE)];
        let text = || "[ !#-\\[\\]-~\u{7f}]{0,40}";
        let sealed = proptest::option::of(text());
        let blob = (text(), sealed, any::<[u8; 32]>(), number()).prop_map(|(media, sealed, digest, size)| PayloadRef {
            sha256: countersign_model::Digest::from_bytes(digest),
            size,
            media,
            sealed,
        });
        let retention = prop_oneof![Just("sox-7y"), Just("finra-6y"), Just("firm-10y"), Just("a")];
        let blobs = proptest::collection::vec(blob, 1..4);
        let refs = proptest::collection::vec(number(), 0..5);
        let names = (text(), text(), proptest::option::of(text()));
        let kind = proptest::sample::select(&EventKind::ALL);
        (names, kind, blobs, refs, retention, 0..253_370_764_800_000_i64, number()).prop_map(
            |((actor, stream, key), kind, mut blobs, refs, retention, time, version)| Entry {
                v: 1,
                kind,
                stream: countersign_model::StreamId::from_text(stream),
                version,
                time: countersign_model::Timestamp::from_millis(time),
                actor: countersign_model::ActorId::from_text(actor),
                retention: retention.parse().unwrap(),
                payload: blobs.remove(0),
                attachments: blobs,
                refs,
                key,
            },
        )
    }

    fn straight(entry: &Entry) -> Result<Vec<u8>, Error> {
        let mut out = head(entry)?;
        tail(&mut out, entry.time, entry.version);
        Ok(out)
    }

    fn short(bytes: &[u8]) -> Option<Entry> {
        let (mut blobs, mut refs) = (Vec::new(), Vec::new());
        let parts = view::read(bytes, &mut blobs, &mut refs)?;
        Some(parts.view(&blobs, &refs).to_entry())
    }

    /// What stands in entries, and what might be taken for it.
    const SCRAPS: [&str; 37] = [
        "\"",
        "\\",
        "\\u0041",
        "\\/",
        "\\n",
        "\n",
        " ",
        ",",
        ":",
        "{",
        "}",
        "[",
        "]",
        "[]",
        "null",
        "0",
        "00",
        "1",
        "-1",
        "1.0",
        "1e3",
        "9007199254740993",
        "18446744073709551616",
        "\u{e9}",
        "\u{0}",
        "sha256:",
        "SHA256:",
        "A",
        "\"key\":null,",
        "\"sealed\":null,",
        "\"refs\":[],",
        "\"attachments\":[],",
        "\"v\":1,",
        "\"v\":2,",
        "\"version\":1",
        ",\"x\":1",
        "23:59:60",
    ];

    /// One change to an entry's bytes.
    fn changed(mut bytes: Vec<u8>, (how, at, to, byte): (u8, Index, Index, u8)) -> Vec<u8> {
        let (a, b) = (at.index(bytes.len() + 1), to.index(bytes.len() + 1));
        let (from, end) = (a.min(b), a.max(b).min(a.min(b) + 12));
        match how % 6 {
            0 if a < bytes.len() => bytes[a] = byte,
            1 if a < bytes.len() => bytes[a] ^= 1 << (byte % 8),
            2 => drop(bytes.drain(from..end)),
            3 => drop(bytes.splice(a..a, SCRAPS[to.index(SCRAPS.len())].bytes())),
            4 => {
                let copied = bytes[from..end].to_vec();
                drop(bytes.splice(from..from, copied));
            }
            _ => bytes[from..end].make_ascii_uppercase(),
        }
        bytes
    }

    proptest::proptest! {
        #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]

        #[test]
        fn the_short_way_and_the_long_way_agree(
            entry in ordinary(), changes in proptest::collection::vec(any::<(u8, Index, Index, u8)>(), 0..3),
        ) {
            let written = canonical::to_vec(&entry).unwrap();
            prop_assert_eq!(straight(&entry).unwrap(), &written[..]);
            prop_assert_eq!(short(&written), Some(entry));
            let bytes = changes.into_iter().fold(written, changed);
            let long = parse_slowly("f", 7, &bytes);
            if let Some(entry) = short(&bytes) {
                prop_assert_eq!(Some(&entry), long.as_ref().ok());
                prop_assert_eq!(canonical::to_vec(&entry).unwrap(), &bytes[..]);
            }
            let mut lists = Lists::default();
            let looked = look("f", 7, &bytes, &mut lists, |view| view.to_entry());
            let said = |result: Result<Entry, Error>| result.map_err(|e| e.to_string());
            prop_assert_eq!(said(looked), said(long));
            prop_assert_eq!(said(super::parse("f", 7, &bytes)), said(parse_slowly("f", 7, &bytes)));
        }
    }

    proptest::proptest! {
        #[test]
        fn the_way_between_takes_the_canonical_form_and_no_other(
            media: String, numbers in proptest::collection::vec(0..=u64::MAX, 0..4), small: bool, key: Option<String>,
            classed: bool, sealed: Option<String>, at: proptest::sample::Index, byte: u8,
        ) {
            let numbers = if small { numbers.into_iter().map(|n| n % MAX_SAFE).collect() } else { numbers };
            let entry = entry(media, numbers, key, classed, sealed);
            // A number that JSON may round has no canonical form. The version is the writer's: it is looked at there.
            let written = canonical::to_vec(&entry);
            if entry.version <= MAX_SAFE {
                prop_assert_eq!(straight(&entry).ok(), written.as_ref().ok().cloned());
            }
            if let Ok(bytes) = written {
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
