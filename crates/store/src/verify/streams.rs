//! Versions of streams: from 1, without gaps. There may be as many streams as entries, so what is known of them is put
//! aside and compared when the whole log was seen.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use countersign_evidence::tile::{self, WIDTH};
use countersign_model::StreamId;

use super::spill::Spill;
use super::{Examination, MAX_PROBLEMS};
use crate::error::code;
use crate::leaf::{self, Bundle};
use crate::ledger::position;
use crate::{Error, layout};

/// Tells streams apart by 128 bits under keys that nobody knows beforehand.
#[derive(Debug, Default)]
pub(super) struct Names(RandomState, RandomState);

impl Names {
    pub(super) fn of(&self, stream: &StreamId) -> u128 {
        u128::from(self.0.hash_one(stream)) << 64 | u128::from(self.1.hash_one(stream))
    }
}

/// What was seen of the streams.
#[derive(Debug, Default)]
pub(super) struct Streams(Spill);

impl Streams {
    /// An entry of a stream. Entries come in the order of the log.
    pub(super) fn saw(&mut self, stream: u128, version: u64, index: u64) -> Result<(), Error> {
        let mut record = [0; 32];
        let (name, rest) = record.split_at_mut(16);
        let (at_version, at_index) = rest.split_at_mut(8);
        name.copy_from_slice(&stream.to_be_bytes());
        at_version.copy_from_slice(&version.to_be_bytes());
        at_index.copy_from_slice(&index.to_be_bytes());
        self.0.push((stream >> 120) as u8, record)
    }
}

/// Compares what was seen.
pub(super) fn examine(x: &mut Examination<'_>) -> Result<(), Error> {
    let streams = std::mem::take(&mut x.streams);
    let mut wrong = Vec::new();
    for heap in 0..=u8::MAX {
        let mut versions: HashMap<u128, u64> = HashMap::new();
        for record in streams.0.heap(heap)? {
            let mut name = [0; 16];
            let (mut version, mut index) = ([0; 8], [0; 8]);
            name.copy_from_slice(&record[..16]);
            version.copy_from_slice(&record[16..24]);
            index.copy_from_slice(&record[24..]);
            let (version, index) = (u64::from_be_bytes(version), u64::from_be_bytes(index));
            let before = versions.insert(u128::from_be_bytes(name), version).unwrap_or(0);
            let follows = before.checked_add(1) == Some(version);
            // Where entries could not be read, a gap is no news.
            let may_follow = version > before && x.unread.is_some_and(|unread| unread < index);
            if !follows && !may_follow {
                wrong.push((index, version, before));
            }
        }
        // More than can be listed are only counted.
        if wrong.len() > MAX_PROBLEMS {
            break;
        }
    }
    wrong.sort_unstable();
    for (index, version, before) in wrong {
        let id = index / u64::from(WIDTH);
        let file = layout::bundle_name(id, tile::width_at(0, id, x.report.size));
        let stream = if x.report.problems.len() < MAX_PROBLEMS { stream_at(x, &file, index) } else { None };
        let stream = stream.map_or_else(|| "its stream".to_owned(), |s| format!("stream `{s}`"));
        let what = format!("it is version {version} of {stream} after version {before}");
        x.problem(code::ORDER, &file, Some(index), what);
    }
    Ok(())
}

fn stream_at(x: &Examination<'_>, file: &str, index: u64) -> Option<StreamId> {
    let bytes = x.source.read(file, leaf::MAX_BUNDLE_BYTES).ok()??;
    let width = tile::width_at(0, index / u64::from(WIDTH), x.report.size);
    let bundle = Bundle::parse(file, bytes, width, true).ok()?;
    let entry = leaf::parse(file, index, bundle.get(position(index))?).ok()?;
    Some(entry.stream)
}
