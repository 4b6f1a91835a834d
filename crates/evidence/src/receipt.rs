//! Receipts (C2SP tlog-proof v1): one entry's offline proof, `.tlog-proof` files.

use crate::Error;
use crate::checkpoint::{self, Checkpoint};
use crate::encoding::{array_from_base64, from_base64, from_decimal, to_base64};
use crate::merkle::{Hash, leaf_hash, verify_inclusion};
use crate::note::{self, VerifierKey};
use crate::trust_policy::{Standing, TrustPolicy};

/// The first line of every receipt.
const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Hashes in the longest proof there can be: one a level of a tree of 2^64 leaves.
const MAX_HASHES: usize = 64;
/// Bytes of the largest receipt that is read.
pub const MAX_BYTES: usize = note::MAX_BYTES + (1 << 16);

/// The proof that an entry stands at an index of the log that a checkpoint describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Anything the issuer wishes to say. It is not covered by a signature: never trust it.
    pub extra: Option<Vec<u8>>,
    /// The entry's index, from 0.
    pub index: u64,
    /// The inclusion proof, from the leaf's sibling upwards.
    pub proof: Vec<Hash>,
    /// The signed checkpoint, word for word.
    pub checkpoint: String,
}

impl Receipt {
    /// A receipt without extra data.
    #[must_use]
    pub const fn new(index: u64, proof: Vec<Hash>, checkpoint: String) -> Self {
        Self { extra: None, index, proof, checkpoint }
    }

    /// The text of the `.tlog-proof` file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\n");
        if let Some(extra) = &self.extra {
            text.push_str(&format!("extra {}\n", to_base64(extra)));
        }
        text.push_str(&format!("index {}\n", self.index));
        for hash in &self.proof {
            text.push_str(&to_base64(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads a `.tlog-proof` file. Nothing is verified yet.
    ///
    /// # Errors
    /// [`Error::Receipt`] when it is malformed.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_BYTES {
            return Err(Error::Receipt("it is too large"));
        }
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or(Error::Receipt("it has no blank line after its proof"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(Error::Receipt("its first line is not `c2sp.org/tlog-proof@v1`"));
        }
        let extra = match lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            Some(base64) => {
                lines.next();
                Some(from_base64(base64).ok_or(Error::Receipt("its extra data is not base64"))?)
            }
            None => None,
        };
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(from_decimal)
            .ok_or(Error::Receipt("it has no line `index N`"))?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == MAX_HASHES {
                return Err(Error::Receipt("its proof is longer than any tree is high"));
            }
            proof.push(array_from_base64(line).ok_or(Error::Receipt("a hash is not the base64 of 32 bytes"))?);
        }
        // The blank line may stand only before a checkpoint.
        note::Note::parse(checkpoint.as_bytes())?;
        Ok(Self { extra, index, proof, checkpoint: checkpoint.to_owned() })
    }

    /// Checks that `entry` is in the log: the checkpoint is signed by a known key of that log, and the proof leads
    /// from the entry to its root.
    ///
    /// # Errors
    /// As [`checkpoint::open_any`] and [`verify_inclusion`].
    pub fn verify(&self, entry: &[u8], keys: &[VerifierKey]) -> Result<Checkpoint, Error> {
        let checkpoint = checkpoint::open_any(self.checkpoint.as_bytes(), keys)?;
        self.verify_in(entry, &checkpoint)?;
        Ok(checkpoint)
    }

    /// Checks that `entry` is in a log of the policy, and that enough witnesses cosigned the checkpoint that says so.
    ///
    /// # Errors
    /// As [`TrustPolicy::open`] and [`verify_inclusion`].
    pub fn verify_with_policy(&self, entry: &[u8], policy: &TrustPolicy) -> Result<Standing, Error> {
        let standing = policy.open(self.checkpoint.as_bytes())?;
        self.verify_in(entry, &standing.checkpoint)?;
        Ok(standing)
    }

    fn verify_in(&self, entry: &[u8], checkpoint: &Checkpoint) -> Result<(), Error> {
        verify_inclusion(self.index, checkpoint.size, &leaf_hash(entry), &self.proof, &checkpoint.root)
    }
}
