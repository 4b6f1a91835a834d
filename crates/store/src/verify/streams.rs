//! Versions of streams: from 1, without gaps. There may be as many streams as entries, so what is known of them is put
//! aside and compared when the whole log was seen.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher as _, RandomState};

use countersign_evidence::tile::{self, WIDTH};
use countersign_model::StreamId;

use super::recent::ByDigest;
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
    pub(super) fn of(&self, stream: &str) -> u128 {
        u128::from(self.0.hash_one(stream)) << 64 | u128::from(self.1.hash_one(stream))
    }
}

/// Streams whose newest versions are held in memory: about 1 MiB.
const HELD: usize = 1 << 14;
/// Marks a record that ends a run, as an index that no log has.
const FOLLOWS: u64 = 1 << 63;

/// Entries of one stream, each the version after the one before: where they begin and where they end.
#[derive(Debug, Clone, Copy)]
struct Run {
    begin: (u64, u64),
    end: (u64, u64),
}

/// What was seen of the streams: the last run of each, and what went before as records.
#[derive(Debug, Default)]
pub(super) struct Streams {
    runs: HashMap<u128, Run, ByDigest>,
    past: Spill,
}

impl Streams {
    /// An entry of a stream. Entries come in the order of the log.
    pub(super) fn saw(&mut self, stream: u128, version: u64, index: u64) -> Result<(), Error> {
        let new = Run { begin: (version, index), end: (version, index) };
        match self.runs.entry(stream) {
            Entry::Occupied(mut run) if run.get().end.0.checked_add(1) == Some(version) => {
                run.get_mut().end = (version, index);
                return Ok(());
            }
            Entry::Occupied(mut run) => {
                let ended = run.insert(new);
                put_aside(&mut self.past, stream, ended)?;
            }
            Entry::Vacant(place) => {
                place.insert(new);
            }
        }
        if self.runs.len() >= HELD { self.settle() } else { Ok(()) }
    }

    /// Index, version and the version before it, of entries that do not follow. Where entries from `unread` on could not be
    /// read, a gap is no news. More than can be listed are not all found.
    fn wrong(mut self, unread: Option<u64>) -> Result<Vec<(u64, u64, u64)>, Error> {
        self.settle()?;
        let mut wrong = Vec::new();
        for heap in 0..=u8::MAX {
            let mut versions: HashMap<u128, u64, ByDigest> = HashMap::default();
            for record in self.past.heap(heap)? {
                let mut name = [0; 16];
                let (mut version, mut index) = ([0; 8], [0; 8]);
                name.copy_from_slice(&record[..16]);
                version.copy_from_slice(&record[16..24]);
                index.copy_from_slice(&record[24..]);
                let (version, index) = (u64::from_be_bytes(version), u64::from_be_bytes(index));
                let before = versions.insert(u128::from_be_bytes(name), version).unwrap_or(0);
                let follows = index & FOLLOWS != 0 || before.checked_add(1) == Some(version);
                let may_follow = version > before && unread.is_some_and(|unread| unread < index);
                if !follows && !may_follow {
                    wrong.push((index, version, before));
                }
            }
            // More than can be listed are only counted.
            if wrong.len() > MAX_PROBLEMS {
                break;
            }
        }
        Ok(wrong)
    }

    fn settle(&mut self) -> Result<(), Error> {
        for (stream, run) in self.runs.drain() {
            put_aside(&mut self.past, stream, run)?;
        }
        Ok(())
    }
}

/// Where a run begins is compared with what went before it; its end is what comes next is compared with.
fn put_aside(past: &mut Spill, stream: u128, run: Run) -> Result<(), Error> {
    past.push((stream >> 120) as u8, record(stream, run.begin.0, run.begin.1))?;
    if run.end != run.begin {
        past.push((stream >> 120) as u8, record(stream, run.end.0, run.end.1 | FOLLOWS))?;
    }
    Ok(())
}

fn record(stream: u128, version: u64, index: u64) -> [u8; 32] {
    let mut record = [0; 32];
    let (name, rest) = record.split_at_mut(16);
    let (at_version, at_index) = rest.split_at_mut(8);
    name.copy_from_slice(&stream.to_be_bytes());
    at_version.copy_from_slice(&version.to_be_bytes());
    at_index.copy_from_slice(&index.to_be_bytes());
    record
}

/// Compares what was seen, and names what is wrong.
pub(super) fn examine(x: &mut Examination<'_>) -> Result<(), Error> {
    let mut wrong = std::mem::take(&mut x.streams).wrong(x.unread)?;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As it is defined: each entry against the one of its stream before it.
    fn one_by_one(seen: &[(u128, u64)], unread: Option<u64>) -> Vec<(u64, u64, u64)> {
        let mut versions = HashMap::new();
        let mut wrong = Vec::new();
        for ((stream, version), index) in seen.iter().zip(0..) {
            let before = versions.insert(*stream, *version).unwrap_or(0);
            let may_follow = *version > before && unread.is_some_and(|unread| unread < index);
            if before.checked_add(1) != Some(*version) && !may_follow {
                wrong.push((index, *version, before));
            }
        }
        wrong
    }

    fn by_runs(seen: &[(u128, u64)], unread: Option<u64>) -> Vec<(u64, u64, u64)> {
        let mut streams = Streams::default();
        for ((stream, version), index) in seen.iter().zip(0..) {
            // Names are told apart by 128 bits that are as good as random.
            streams.saw(stream.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835), *version, index).unwrap();
        }
        let mut wrong = streams.wrong(unread).unwrap();
        wrong.sort_unstable();
        wrong
    }

    proptest! {
        #[test]
        fn runs_say_what_single_entries_say(
            seen in proptest::collection::vec((1..4_u128, prop_oneof![1..6_u64, Just(0), Just(u64::MAX)]), 0..60),
            unread in proptest::option::of(0..60_u64),
        ) {
            prop_assert_eq!(by_runs(&seen, unread), one_by_one(&seen, unread));
        }
    }

    #[test]
    fn a_gap_is_found_in_more_streams_than_memory_holds() {
        let count = 3 * HELD as u128;
        let rounds = [1, 2, 3, 5].into_iter().flat_map(|version| (1..=count).map(move |stream| (stream, version)));
        let mut seen: Vec<(u128, u64)> = rounds.filter(|(stream, version)| *version < 5 || *stream == 77).collect();
        seen.push((78, 4));
        assert_eq!(by_runs(&seen, None), [(3 * count as u64, 5, 3)]);
    }
}
