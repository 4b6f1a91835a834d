//! Entries of the log.

use countersign_evidence::merkle;
use countersign_model::{Digest, EventKind, PayloadRef, StreamId};
use countersign_store::projection::{self, EntriesAsked};

use super::ask::{Ask, cut};
use super::wire::{Blob, Entry, EntryLine, EntryList};
use crate::app::Trouble;

pub(super) fn list(ask: &Ask<'_>) -> Result<EntryList, Trouble> {
    let asked = EntriesAsked {
        kind: ask.filter("kind").and_then(EventKind::from_text),
        stream: ask.filter("stream").map(StreamId::from_text),
        before: ask.number("before"),
    };
    let limit = ask.limit();
    let mut lines = ask.state().entries_page(&asked, limit.saturating_add(1))?;
    let has_more = cut(&mut lines, limit);
    let next = lines.last().filter(|_| has_more).map(|last| last.index);
    Ok(EntryList { items: lines.into_iter().map(line).collect(), count: ask.state().entries_count(&asked)?, next })
}

fn line(e: projection::EntryLine) -> EntryLine {
    EntryLine {
        index: e.index,
        kind: e.kind,
        stream: e.stream.to_string(),
        actor: e.actor.to_string(),
        time: e.time,
        leaf: e.leaf,
    }
}

pub(super) fn one(ask: &Ask<'_>) -> Result<Entry, Trouble> {
    let none = || Trouble::not_found("entry");
    let index: u64 = ask.param("index").parse().map_err(|_| none())?;
    let ledger = ask.session.ledger();
    if index >= ledger.size() {
        return Err(none());
    }
    let bytes = ledger.entry_bytes(index)?;
    let entry = ledger.entries(index..index + 1)?.pop().map(|(_, e)| e).ok_or_else(none)?;
    let disbelieved = ask.state().disbelieved(index)?;
    Ok(Entry {
        index,
        kind: entry.kind,
        stream: entry.stream.to_string(),
        version: entry.version,
        actor: entry.actor.to_string(),
        time: entry.time,
        refs: entry.refs,
        disbelieved,
        payload: blob(entry.payload),
        attachments: entry.attachments.into_iter().map(blob).collect(),
        leaf: Digest::from_bytes(merkle::leaf_hash(&bytes)),
        receipt: ledger.receipt(index)?.to_text(),
        bytes: String::from_utf8_lossy(&bytes).into_owned(),
    })
}

fn blob(blob: PayloadRef) -> Blob {
    Blob { sha256: blob.sha256, media: blob.media.to_string(), size: blob.size }
}
