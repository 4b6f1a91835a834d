//! What a thread saw lately: blobs that were spoken of need not be handed on again, nor hashed again. It forgets freely.

use std::hash::{BuildHasher, Hasher};

use countersign_model::Digest;

use crate::leaf::BlobView;

/// How many blobs are remembered: 192 KiB.
const SLOTS: usize = 1 << 12;

/// One blob.
#[derive(Clone, Copy)]
struct Slot {
    digest: Digest,
    /// Its size, where it was found sound with it.
    sound: Option<u64>,
}

/// Blobs that were seen lately. Each has one place, which the next one with the same place takes.
pub(super) struct Recent {
    slots: Vec<Option<Slot>>,
    /// Whether what is seen now may be counted on later.
    is_trusted: bool,
}

impl Default for Recent {
    fn default() -> Self {
        Self { slots: vec![None; SLOTS], is_trusted: false }
    }
}

impl Recent {
    /// Says whether the entries that follow are those of the log. What others speak of is handed on as if it were news, and
    /// forgotten.
    pub(super) const fn trust(&mut self, is_trusted: bool) {
        self.is_trusted = is_trusted;
    }

    fn slot(&mut self, digest: &Digest) -> Option<&mut Option<Slot>> {
        let [a, b, ..] = digest.as_bytes();
        self.slots.get_mut(usize::from(u16::from_le_bytes([*a, *b])) % SLOTS)
    }

    /// Whether the blob was handed on, and found sound with this size.
    pub(super) fn is_known(&mut self, blob: &BlobView<'_>) -> bool {
        self.is_trusted
            && matches!(self.slot(&blob.sha256), Some(Some(slot))
                if slot.digest == blob.sha256 && slot.sound == Some(blob.size))
    }

    /// Whether the blob has to be handed on; from now on it was.
    pub(super) fn is_news(&mut self, digest: &Digest) -> bool {
        if !self.is_trusted {
            return true;
        }
        match self.slot(digest) {
            Some(Some(slot)) if slot.digest == *digest => false,
            Some(slot) => {
                *slot = Some(Slot { digest: *digest, sound: None });
                true
            }
            None => true,
        }
    }

    /// Notes that the blob, which was handed on, is sound.
    pub(super) fn know(&mut self, blob: &BlobView<'_>) {
        if self.is_trusted
            && let Some(Some(slot)) = self.slot(&blob.sha256)
            && slot.digest == blob.sha256
        {
            slot.sound = Some(blob.size);
        }
    }
}

/// A map by digests that are made from content: their bytes are as good as any hash of them. Small maps only: who could
/// make many digests begin alike would make one slow.
#[derive(Clone, Copy, Default)]
pub(super) struct ByDigest;

impl BuildHasher for ByDigest {
    type Hasher = First;

    fn build_hasher(&self) -> First {
        First(0)
    }
}

/// The first eight bytes of what is hashed, or a number's lower half.
pub(super) struct First(u64);

impl Hasher for First {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}

    fn write_u128(&mut self, n: u128) {
        self.0 = n as u64;
    }
}

#[cfg(test)]
mod tests {
    use countersign_model::PayloadRef;

    use super::*;

    #[test]
    fn what_was_handed_on_is_no_news_until_it_is_displaced() {
        let mut recent = Recent::default();
        let blob =
            |n: u8, size| PayloadRef { sha256: Digest::from_bytes([n; 32]), size, media: String::new(), sealed: None };
        let (a, other) = (blob(1, 5), blob(1, 6));
        // Nothing is kept of entries that may not count.
        assert!(recent.is_news(&a.sha256) && recent.is_news(&a.sha256));
        recent.trust(true);
        assert!(!recent.is_known(&(&a).into()));
        assert!(recent.is_news(&a.sha256) && !recent.is_news(&a.sha256));
        assert!(!recent.is_known(&(&a).into()), "spoken of is not sound");
        recent.know(&(&a).into());
        assert!(recent.is_known(&(&a).into()));
        assert!(!recent.is_known(&(&other).into()), "another size is another claim");
        recent.trust(false);
        assert!(!recent.is_known(&(&a).into()) && recent.is_news(&a.sha256));
        recent.trust(true);
        // Another digest with the same place.
        let mut bytes = [1; 32];
        bytes[31] = 2;
        assert!(recent.is_news(&Digest::from_bytes(bytes)));
        assert!(!recent.is_known(&(&a).into()) && recent.is_news(&a.sha256));
    }
}
