//! One pass over the log: bundles against tiles, tiles against the root, entries against each other. What a bundle needs
//! for itself was done by [`super::work`]; here everything is put in order.

use std::borrow::Cow;

use countersign_evidence::checkpoint::Checkpoint;
use countersign_evidence::merkle::Hash;
use countersign_evidence::tile::{self, TileId, WIDTH};
use countersign_model::{Digest, Entry, EventKind, Timestamp};

use super::work::{Head, Later, Looked, Part, Payload, Work};
use super::{Examination, Examiner, Problem, Reader, history, keys, roots, seals, second_key, streams};
use crate::blob::OpenedView;
use crate::error::code;
use crate::layout::{self, CHECKPOINT};
use crate::leaf::{self, Bundle, EntryView};
use crate::ledger::position;
use crate::tree::{Edge, root_of};
use crate::{Error, Notice, blob, payload_key};

/// The tile of level 1 that was read last.
#[derive(Default)]
struct Parents {
    index: Option<u64>,
    hashes: Vec<Hash>,
}

/// The pass under way.
struct Pass<'a, 'x, R> {
    x: &'a mut Examination<'x>,
    checkpoint: &'a Checkpoint,
    read: &'a Reader<'a, R>,
    judge: &'a mut dyn Examiner<R>,
    parents: Parents,
    time: Option<Timestamp>,
    /// Whether entries are bytes and nothing more.
    is_opaque: bool,
}

pub(super) fn examine<R: Send>(
    x: &mut Examination<'_>,
    checkpoint: &Checkpoint,
    read: &Reader<'_, R>,
    judge: &mut dyn Examiner<R>,
) -> Result<(), Error> {
    if checkpoint.size == 0 && !x.is_log_only {
        x.problem(code::GENESIS, CHECKPOINT, None, "the log has no entry yet: nothing says whose it is");
    }
    let work = Work {
        source: x.source,
        size: checkpoint.size,
        blobs: !x.is_log_only,
        entries: !x.is_log_only || is_ledger(x, checkpoint),
        read,
        key: x.trust.payload_key.as_ref(),
        known: <_>::default(),
        large: <_>::default(),
        names: streams::Names::default(),
    };
    if x.is_log_only {
        let what = match work.entries {
            true => {
                "the place publishes the log alone: payloads, attachments and the signatures in them were not looked at"
            }
            false => "the entries are not those of a ledger of this program: they were looked at as bytes of the log",
        };
        x.report.notices.push(Notice { code: code::LOG_ONLY, what: what.into() });
    }
    let count = checkpoint.size.div_ceil(u64::from(WIDTH));
    let mut pass =
        Pass { x, checkpoint, read, judge, parents: Parents::default(), time: None, is_opaque: !work.entries };
    // Entry 0 says whose statements the others are: judged first, it lets the others be read knowing that.
    for bundles in [0..count.min(1), 1..count.max(1)] {
        work.run(bundles, |index, next| pass.bundle(work.id(index), next))?;
    }
    if let Some(edge) = &x.edge
        && edge.root() != checkpoint.root
    {
        x.problem(code::CORRUPT, CHECKPOINT, None, "its root is not the one of the entries");
    }
    if x.is_log_only {
        upper(x, checkpoint);
    }
    history::hold_head(x, checkpoint);
    streams::examine(x)
}

/// Whether the log is that of a ledger: its first entry says so.
fn is_ledger(x: &Examination<'_>, checkpoint: &Checkpoint) -> bool {
    let width = tile::width_at(0, 0, checkpoint.size);
    let bundle =
        crate::head::read_or_full(x.source, layout::bundle_name(0, width), width, || layout::bundle_name(0, WIDTH));
    let bundle = bundle.and_then(|(name, bytes, whole)| Bundle::parse(&name, bytes, width, whole));
    bundle.is_ok_and(|b| b.get(0).is_some_and(|bytes| leaf::parse("", 0, bytes).is_ok()))
}

impl<R: Send> Pass<'_, '_, R> {
    /// Takes one bundle; whether to go on.
    fn bundle(&mut self, id: TileId, next: &mut dyn FnMut() -> Result<Part<R>, Error>) -> Result<bool, Error> {
        // What the whole log needs and does not have would be a problem for each bundle of it: one is enough.
        if self.x.report.more_problems > 0 {
            self.x.edge = None;
            self.x.unread(id.index * u64::from(WIDTH));
            return Ok(false);
        }
        let name = layout::bundle_name(id.index, id.width);
        let first = id.index * u64::from(WIDTH);
        let mut part = next()?;
        let Some(head) = part.head.take() else { return Err(Error::FoldBrokeOff) };
        let root = head.root;
        let (leaves, good) = self.head(&id, &name, *head);
        if leaves.is_none() {
            self.x.unread(first);
        }
        let is_good = |at: usize| match (&leaves, &good) {
            (Some(leaves), Some(good)) => leaves.get(at) == good.get(at),
            _ => true,
        };
        if self.is_opaque {
            // Nobody hands over entries, so what differs is named here.
            let count = leaves.as_ref().map_or(0, Vec::len);
            self.x.report.checked.entries += count as u64;
            for at in (0..count).filter(|at| !is_good(*at)) {
                let what = "it is not the entry that was appended";
                self.x.problem(code::CORRUPT, &name, Some(first + at as u64), what);
            }
        }
        let mut at = 0;
        loop {
            for looked in part.entries {
                let index = first + at as u64;
                if is_good(at) {
                    self.entry(index, &name, looked, &part.blobs)?;
                } else {
                    self.x.problem(code::CORRUPT, &name, Some(index), "it is not the entry that was appended");
                    self.x.unread(index);
                }
                at += 1;
            }
            if part.is_last {
                break;
            }
            part = next()?;
        }
        match (good, root) {
            (None, _) => self.x.edge = None,
            (Some(_), Some(root)) if !self.is_known_within(first) => {
                self.push(|edge, full| edge.push_full(root, |id, hashes| full(id, hashes)), first)
            }
            (Some(hashes), _) => {
                for hash in hashes {
                    self.push(
                        |edge, full| {
                            edge.push(hash, |id, hashes| full(id, hashes));
                            true
                        },
                        first,
                    );
                }
            }
        }
        Ok(true)
    }

    /// Whether the root at a size within this bundle is to be compared with something.
    fn is_known_within(&self, first: u64) -> bool {
        let end = first + u64::from(WIDTH);
        self.x.history.is_within(first, end) || keys::is_within(self.x, first, end)
    }

    /// Reports what is wrong with the bundle's and the tile's files. The bundle's leaf hashes, and those to go on with.
    fn head(&mut self, id: &TileId, name: &str, head: Head) -> (Option<Vec<Hash>>, Option<Vec<Hash>>) {
        let first = id.index * u64::from(WIDTH);
        let leaves = match head.leaves {
            Ok(Some(leaves)) => Some(leaves),
            Ok(None) => {
                self.x.problem(code::MISSING_FILE, name, Some(first), "it is missing");
                None
            }
            Err(e) => {
                self.x.error(&e, name, Some(first));
                None
            }
        };
        let tile = match head.tile {
            Ok(Some(tile)) => Some(tile),
            Ok(None) => {
                self.x.problem(code::MISSING_FILE, &layout::tile_name(id), Some(first), "it is missing");
                None
            }
            Err(e) => {
                self.x.error(&e, &layout::tile_name(id), None);
                None
            }
        };
        let good = self.weigh(id, leaves.as_deref(), tile);
        (leaves, good)
    }

    /// The leaf hashes to go on with. When bundle and tile differ, what stands above them says which of the two is wrong.
    fn weigh(&mut self, id: &TileId, leaves: Option<&[Hash]>, tile: Option<Vec<Hash>>) -> Option<Vec<Hash>> {
        let (leaves, tile) = match (leaves, tile) {
            (Some(leaves), Some(tile)) if leaves != tile => (leaves, tile),
            (leaves, tile) => return tile.or(leaves.map(<[Hash]>::to_vec)),
        };
        let (leaves_lead, tile_leads) = if id.width == WIDTH {
            let above = self.parent(id.index);
            (above == Some(root_of(leaves)), above == Some(root_of(&tile)))
        } else {
            (self.leads(leaves), self.leads(&tile))
        };
        let name = layout::tile_name(id);
        if leaves_lead {
            self.x.problem(code::CORRUPT, &name, None, "it does not hold the hashes of its entries");
            return Some(leaves.to_vec());
        }
        if !tile_leads {
            self.x.problem(code::CORRUPT, &name, None, "neither it nor its bundle leads to the checkpoint");
        }
        // The bundle is to blame, and each entry that differs will be named.
        Some(tile)
    }

    /// Whether these leaves at the end of the log lead to the checkpoint's root.
    fn leads(&self, leaves: &[Hash]) -> bool {
        self.x.edge.clone().is_some_and(|mut edge: Edge| {
            leaves.iter().for_each(|leaf| edge.push(*leaf, |_, _| {}));
            edge.root() == self.checkpoint.root
        })
    }

    /// What the tile at level 1 says about the full tile `index` of level 0.
    fn parent(&mut self, index: u64) -> Option<Hash> {
        let above = index / u64::from(WIDTH);
        if self.parents.index != Some(above) {
            let id = TileId { level: 1, index: above, width: tile::width_at(1, above, self.checkpoint.size) };
            let bytes = self.x.source.read(&layout::tile_name(&id), id.byte_len() as u64).ok().flatten();
            self.parents.hashes = bytes.and_then(|b| tile::decode_tile(&id, &b).ok()).unwrap_or_default();
            self.parents.index = Some(above);
        }
        self.parents.hashes.get(position(index)).copied()
    }

    /// Lets the recomputed tree grow, and holds the full tiles above level 0 against it as they come into being.
    fn push(&mut self, grow: impl FnOnce(&mut Edge, &mut dyn FnMut(TileId, &[Hash])) -> bool, first: u64) {
        let Some(mut edge) = self.x.edge.take() else { return };
        let mut full = Vec::new();
        let grown = grow(&mut edge, &mut |id, hashes| {
            if id.level > 0 && id.width == WIDTH {
                full.push((id, hashes.to_vec()));
            }
        });
        if !grown {
            // Bundles before this one were not full, which only a log that could not be read can bring about.
            return self.x.unread(first);
        }
        for (id, hashes) in full {
            if tile_hashes(self.x, &id).is_some_and(|there| there != hashes) {
                let what = "it does not hold the hashes of the tiles below it";
                self.x.problem(code::CORRUPT, &layout::tile_name(&id), None, what);
            }
        }
        history::hold_against(self.x, &edge);
        keys::examine_root(self.x, &edge);
        self.x.edge = Some(edge);
    }

    fn entry(
        &mut self,
        index: u64,
        file: &str,
        looked: Result<Looked<R>, Box<Error>>,
        blobs: &[Digest],
    ) -> Result<(), Error> {
        let x = &mut *self.x;
        x.report.checked.entries += 1;
        let looked = match looked {
            Ok(looked) => looked,
            Err(e) => {
                x.unread(index);
                x.error(&e, file, Some(index));
                return Ok(());
            }
        };
        if let Some(last) = self.time.filter(|last| looked.time < *last) {
            let what = format!("its time {} is before the {last} of the entry before it", looked.time);
            x.problem(code::ORDER, file, Some(index), what);
        }
        self.time = self.time.max(Some(looked.time));
        x.streams.saw(looked.stream, looked.version, index)?;
        if let Some(reference) = looked.wrong_ref {
            let what = format!("it refers to entry {reference}, which is not before it");
            x.problem(code::ORDER, file, Some(index), what);
        }
        if (index == 0) != (looked.kind == EventKind::LedgerCreated) {
            let what = format!("it is {}; the first entry, and no other, makes the ledger", looked.kind.as_str());
            x.problem(code::GENESIS, file, Some(index), what);
        }
        for blob in blobs.get(looked.blobs).unwrap_or_default() {
            x.referenced.push(blob.as_bytes()[0], *blob.as_bytes())?;
        }
        for (blob, error) in looked.wrong_blobs {
            if matches!(error, Error::MissingBlob { .. }) {
                x.gone.push((index, blob, looked.kind));
                continue;
            }
            x.report.add(Problem::of(&error, &layout::blob_name(&blob), Some(index)));
        }
        seals::examine_entry(x, index, file, looked.kind, &looked.seals);
        x.report.unopened = x.report.unopened.saturating_add(looked.unopened);
        let read = match looked.payload {
            Payload::None => return Ok(()),
            Payload::Read(read) => read,
            Payload::Later(later) => match self.later(index, file, &later) {
                Some(read) => read,
                None => return Ok(()),
            },
        };
        // Who is believed depends on every entry before: from the first one on that is not open, nothing can be said.
        if self.x.report.unopened > 0 {
            return Ok(());
        }
        for problem in self.judge.entry(index, read) {
            self.x.report.add(problem);
        }
        Ok(())
    }

    /// Reads what was left for now.
    fn later(&mut self, index: u64, file: &str, later: &Later) -> Option<R> {
        let entry = &later.entry;
        let stored = blob::get(self.x.source, &entry.payload);
        let key = self.x.trust.payload_key.as_ref();
        let payload = match stored.and_then(|stored| payload_key::open(stored, key, &entry.payload)) {
            Ok(payload) => Some(payload),
            Err(Error::MissingBlob { .. }) => {
                self.x.gone.push((index, entry.payload.sha256, entry.kind));
                None
            }
            // It is counted already.
            Err(Error::Sealed { .. }) => return None,
            Err(e) => {
                let name = layout::blob_name(&entry.payload.sha256);
                self.x.report.add(Problem::of(&e, &name, Some(index)));
                return None;
            }
        };
        // What cannot be read or is altered is no payload at all; one that is gone may have been disposed of.
        if payload.is_none() && !entry.kind.is_disposable() {
            return None;
        }
        if let (0, Some(payload)) = (index, &payload) {
            roots::examine_genesis(self.x, self.checkpoint, payload, file);
        }
        if let (EventKind::LogKeyRotated, Some(payload)) = (entry.kind, &payload) {
            keys::examine_entry(self.x, index, payload);
        }
        if let (EventKind::SecondLogKeyChosen, Some(payload)) = (entry.kind, &payload) {
            second_key::examine_entry(self.x, payload);
        }
        let mut blobs = Vec::new();
        let opened = OpenedView { payload: payload.map(Cow::Owned), attachments: &later.attachments };
        Some((self.read)(index, &EntryView::of(entry, &mut blobs), &later.hash, opened))
    }
}

/// The hashes in a tile; what is wrong with the file is reported here.
fn tile_hashes(x: &mut Examination<'_>, id: &TileId) -> Option<Vec<Hash>> {
    let name = layout::tile_name(id);
    match x.source.read(&name, id.byte_len() as u64) {
        Ok(Some(bytes)) => match tile::decode_tile(id, &bytes) {
            Ok(hashes) => Some(hashes),
            Err(e) => {
                x.problem(code::CORRUPT, &name, None, e.to_string());
                None
            }
        },
        Ok(None) => {
            // The first entry whose proof needs it.
            let first = id.index.checked_shl(8 * (u32::from(id.level) + 1)).unwrap_or(0);
            x.problem(code::MISSING_FILE, &name, Some(first), "it is missing");
            None
        }
        Err(e) => {
            x.error(&e, &name, None);
            None
        }
    }
}

/// The incomplete tiles above level 0, where nobody lists what is there.
fn upper(x: &mut Examination<'_>, checkpoint: &Checkpoint) {
    let bundles = checkpoint.size.div_ceil(u64::from(WIDTH));
    (x.report.checked.bundles, x.report.checked.tiles) = (bundles, bundles);
    let Some(edge) = x.edge.clone() else { return };
    for (id, hashes) in edge.partials().filter(|(id, _)| id.level > 0) {
        x.report.checked.tiles += 1;
        let (own, full) = (layout::tile_name(&id), || layout::tile_name(&id.full()));
        match crate::head::read_or_full(x.source, own, id.width, full) {
            Ok((_, bytes, whole))
                if bytes == tile::encode_tile(hashes) || whole && bytes.starts_with(&tile::encode_tile(hashes)) => {}
            Ok((name, ..)) => {
                x.problem(code::CORRUPT, &name, None, "it does not hold the hashes of the tiles below it");
            }
            Err(e) => x.error(&e, &layout::tile_name(&id), None),
        }
    }
}

/// What the default reader leaves: the entry and its payload.
pub(super) fn as_it_is(_: u64, entry: &EntryView<'_>, _: &Hash, opened: OpenedView<'_>) -> (Entry, Option<Vec<u8>>) {
    (entry.to_entry(), opened.payload.map(Cow::into_owned))
}

/// Whether an entry speaks of a blob. One heap of them is in memory at a time.
pub(super) fn is_referenced(x: &mut Examination<'_>, digest: &Digest) -> Result<bool, Error> {
    let heap = digest.as_bytes()[0];
    if x.heap.as_ref().is_none_or(|(number, _)| *number != heap) {
        let mut records = x.referenced.heap(heap)?;
        records.sort_unstable();
        x.heap = Some((heap, records));
    }
    Ok(x.heap.as_ref().is_some_and(|(_, records)| records.binary_search(digest.as_bytes()).is_ok()))
}
