//! Leaves and the bundles they stand in.

use std::ops::Range;

use countersign_evidence::{canonical, tile};
use countersign_model::{Entry, EventKind};
use serde::Deserialize;

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

    proptest::proptest! {
        #[test]
        fn any_bytes_are_refused_without_harm(bytes: Vec<u8>, width in 0_u16..300, whole: bool) {
            proptest::prop_assert!(super::parse("f", 0, &bytes).is_err());
            if let Ok(bundle) = Bundle::parse("f", bytes, width, whole) {
                proptest::prop_assert_eq!(bundle.iter().count(), usize::from(width));
            }
        }
    }
}
