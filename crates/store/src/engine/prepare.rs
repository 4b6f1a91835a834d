//! What can be done to a batch before its place in the log is known: sizes checked, blobs digested, and every leaf
//! written and hashed up to the three values that only the writer knows. So the writer, which is one, has little to do.

use std::collections::BTreeMap;

use countersign_evidence::merkle::Hash;
use countersign_model::{Digest, Entry, EventKind, PayloadRef, StreamId, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::append::{Batch, NewBlob};
use crate::blob::MAX_BLOB_BYTES;
use crate::payload_key::is_sealed;
use crate::{Error, leaf};

/// How far the clock may stand before the last entry, in milliseconds. Machines that share a ledger differ by a little.
const CLOCK_TOLERANCE_MS: i64 = 120_000;

/// A leaf that lacks its tail: `,"time":"…","v":1,"version":N}`. In canonical JSON (RFC 8785) these keys come last.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The stream that the entry belongs to.
    pub stream: StreamId,
    /// Indices of the entries it answers to.
    pub refs: Vec<u64>,
    head: Vec<u8>,
    hasher: Sha256,
}

impl Draft {
    /// The leaf and its hash (RFC 6962 §2.1).
    #[must_use]
    pub fn finish(mut self, time: Timestamp, version: u64) -> (Vec<u8>, Hash) {
        let head = self.head.len();
        leaf::tail(&mut self.head, time, version);
        self.hasher.update(self.head.get(head..).unwrap_or_default());
        (self.head, self.hasher.finalize().into())
    }
}

/// A batch that is ready to be given its place.
#[derive(Debug)]
pub struct Prepared {
    /// The entries, in order; at least one.
    pub drafts: Vec<Draft>,
    /// The blobs that they speak of, each once.
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    /// Streams, and the version that each must have before.
    pub expect: Vec<(StreamId, u64)>,
    /// The size that the whole log must have before.
    pub expect_size: Option<u64>,
    /// What makes the batch recognisable when it is sent again.
    pub key: Option<BatchKey>,
    /// The caller's clock.
    pub now: Timestamp,
}

/// An idempotency key, as it stands in the log, with what it stood for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchKey {
    /// `<32 hex digits>/<entries>`.
    pub text: String,
    /// Digest of kinds, streams and payloads of the batch: a key must not be used for another one.
    pub content: Digest,
}

/// Digest of what a batch with an idempotency key says: kind, stream, payload and attachments of each entry.
#[must_use]
pub fn content_digest<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Digest {
    let mut hasher = countersign_model::Hasher::new();
    for entry in entries {
        for part in [entry.kind.as_str(), entry.stream.as_str()] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.update(&(entry.attachments.len() as u64).to_be_bytes());
        for blob in std::iter::once(&entry.payload).chain(&entry.attachments) {
            hasher.update(blob.sha256.as_bytes());
        }
    }
    hasher.finish()
}

fn key_text(key: &str, entries: usize) -> String {
    let digest = Digest::of(format!("countersign/idempotency/v1\n{key}").as_bytes());
    let hex: String = digest.hex().chars().take(32).collect();
    format!("{hex}/{entries}")
}

/// The number of entries that a key in the log says its batch has; `None` when it is no such key.
#[must_use]
pub fn key_entries(text: &str) -> Option<u64> {
    let (hex, entries) = text.split_once('/')?;
    let is_hex = hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let entries: u64 = entries.parse().ok().filter(|n: &u64| *n > 0 && n.to_string() == entries)?;
    is_hex.then_some(entries)
}

/// Prepares a batch.
///
/// # Errors
/// [`Error::BadBatch`], [`Error::BlobTooLarge`], [`Error::EntryTooLarge`].
pub fn prepare(batch: Batch, now: Timestamp) -> Result<Prepared, Error> {
    let bad = |what: &str| Error::BadBatch { what: what.into() };
    if batch.entries.is_empty() {
        return Err(bad("it is empty"));
    }
    if batch.key.as_ref().is_some_and(|key| key.is_empty() || key.len() > Batch::MAX_KEY_BYTES) {
        return Err(bad("its idempotency key is empty or too long"));
    }
    let mut key = batch.key.as_deref().map(|key| key_text(key, batch.entries.len()));
    let key_of_batch = key.clone();
    let mut blobs = BTreeMap::new();
    let mut entries = Vec::with_capacity(batch.entries.len());
    for new in batch.entries {
        let (kind, sealed) = (new.kind, batch.sealed_with.as_deref());
        let payload = keep(new.payload, kind, sealed, &mut blobs)?;
        let attachments =
            new.attachments.into_iter().map(|b| keep(b, kind, sealed, &mut blobs)).collect::<Result<_, _>>()?;
        entries.push(Entry {
            v: Entry::VERSION,
            kind: new.kind,
            stream: new.stream,
            version: 1,
            time: now,
            actor: new.actor,
            retention: new.retention,
            refs: new.refs,
            key: key.take(),
            payload,
            attachments,
        });
    }
    let key = key_of_batch.map(|text| BatchKey { text, content: content_digest(&entries) });
    let drafts = entries.into_iter().enumerate().map(|(i, entry)| draft(i, entry)).collect::<Result<_, _>>()?;
    Ok(Prepared { drafts, blobs, expect: batch.expect, expect_size: batch.expect_size, key, now })
}

fn keep(
    new: NewBlob,
    kind: EventKind,
    sealed: Option<&str>,
    blobs: &mut BTreeMap<Digest, Vec<u8>>,
) -> Result<PayloadRef, Error> {
    let size = new.bytes.len() as u64;
    if size > MAX_BLOB_BYTES {
        return Err(Error::BlobTooLarge { bytes: size });
    }
    let sha256 = Digest::of(&new.bytes);
    blobs.entry(sha256).or_insert(new.bytes);
    let sealed = sealed.filter(|_| is_sealed(kind)).map(str::to_owned);
    Ok(PayloadRef { sha256, size, media: new.media, sealed })
}

fn draft(position: usize, entry: Entry) -> Result<Draft, Error> {
    let mut head = leaf::head(&entry)?;
    let length = head.len();
    leaf::tail(&mut head, entry.time, entry.version);
    // The writer looks again, for a version may have more digits than this one.
    if head.len() > Entry::MAX_BYTES {
        return Err(Error::EntryTooLarge { position, bytes: head.len() });
    }
    head.truncate(length);
    let hasher = Sha256::new().chain_update([0x00]).chain_update(&head);
    Ok(Draft { stream: entry.stream, refs: entry.refs, head, hasher })
}

/// The time of new entries: time never goes back, and a clock that does is not believed.
pub(crate) fn entry_time(now: Timestamp, last: Option<Timestamp>) -> Result<Timestamp, Error> {
    match last {
        Some(last) if now.millis().saturating_add(CLOCK_TOLERANCE_MS) < last.millis() => {
            Err(Error::ClockBehind { now, last })
        }
        Some(last) => Ok(now.max(last)),
        None => Ok(now),
    }
}

#[cfg(test)]
mod tests {
    use countersign_evidence::canonical;
    use countersign_evidence::merkle::leaf_hash;
    use countersign_model::{ActorId, EventKind, Retention};
    use proptest::prelude::*;

    use super::*;
    use crate::append::NewEntry;

    fn entry(stream: &str, payload: &[u8], refs: Vec<u64>) -> NewEntry {
        NewEntry {
            kind: EventKind::RunStarted,
            stream: StreamId::from_text(stream),
            actor: ActorId::from_text("act-\",\"time\":\""),
            retention: Retention::SoxSevenYears,
            refs,
            payload: NewBlob { bytes: payload.to_vec(), media: "text/plain".into() },
            attachments: Vec::new(),
        }
    }

    proptest! {
        #[test]
        fn a_draft_finishes_as_the_canonical_entry(
            stream in "\\PC{0,40}", payload: Vec<u8>, refs: Vec<u64>, version in 1_u64.., ms in 0_i64..4_102_444_800_000,
            key in proptest::option::of("[a-z]{1,20}"),
        ) {
            // Canonical JSON holds whole numbers up to 2^53.
            let refs = refs.into_iter().map(|r| r >> 12).collect();
            let version = version >> 12;
            let batch = Batch { entries: vec![entry(&stream, &payload, refs)], key, ..Batch::default() };
            let mut prepared = prepare(batch, Timestamp::from_millis(0)).unwrap();
            let draft = prepared.drafts.pop().unwrap();
            let (leaf, hash) = draft.finish(Timestamp::from_millis(ms), version);
            prop_assert_eq!(hash, leaf_hash(&leaf));
            let parsed: Entry = canonical::from_slice(&leaf).unwrap();
            prop_assert_eq!(parsed.time, Timestamp::from_millis(ms));
            prop_assert_eq!(parsed.version, version);
            prop_assert_eq!(canonical::to_vec(&parsed).unwrap(), leaf);
            prop_assert_eq!(parsed.key.as_deref().and_then(key_entries), prepared.key.map(|_| 1));
        }
    }

    #[test]
    fn a_key_in_the_log_says_how_many_entries_it_covers() {
        assert_eq!(key_entries(&key_text("x", 3)), Some(3));
        for text in ["", "0/1", "00112233445566778899aabbccddeeff/0", "00112233445566778899aabbccddeeff/01"] {
            assert_eq!(key_entries(text), None, "{text}");
        }
        assert_ne!(key_text("a", 1), key_text("b", 1));
    }
}
