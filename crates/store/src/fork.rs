//! Two copies of one log, held against each other: one is the beginning of the other, or the log was forked.

use countersign_evidence::merkle;
use countersign_evidence::tile::TileHashes;
use countersign_model::Digest;
use serde::Serialize;

use crate::{Error, Ledger};

/// How two copies of a log stand to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// They have the same entries.
    Same,
    /// The smaller one is the beginning of the larger one.
    Prefix {
        /// Entries that both have.
        common: u64,
    },
    /// They differ, although one key signed both.
    Fork(Box<Equivocation>),
}

/// Proof that a log showed two histories: two signed checkpoints that no one history has.
///
/// `root` is what the larger log has at the size of the smaller one, and `proof` leads from there to the larger
/// checkpoint (RFC 6962 §2.1.2). It is not the smaller checkpoint's root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Equivocation {
    /// Format version, 1.
    pub version: u32,
    /// The log's origin.
    pub origin: String,
    /// The first size at which the two have different roots: entry `first - 1` is the first that differs.
    pub first: u64,
    /// The checkpoint with fewer entries, word for word.
    pub smaller: String,
    /// The other one, word for word.
    pub larger: String,
    /// The size of the smaller one.
    pub size: u64,
    /// The root of the larger log at that size.
    pub root: Digest,
    /// The consistency proof from that root to the larger checkpoint.
    pub proof: Vec<Digest>,
}

/// Compares two copies. Only roots are read, about as many as a size has binary digits.
///
/// # Errors
/// [`Error::OtherLog`] when they are copies of different logs; what reading says.
pub fn compare(a: &Ledger, b: &Ledger) -> Result<Comparison, Error> {
    if a.origin() != b.origin() {
        return Err(Error::OtherLog { a: a.origin().to_owned(), b: b.origin().to_owned() });
    }
    let (small, large) = if a.size() <= b.size() { (a, b) } else { (b, a) };
    let common = small.size();
    let root = large.root_at(common)?;
    if root == small.root() {
        return Ok(if small.size() == large.size() { Comparison::Same } else { Comparison::Prefix { common } });
    }
    // At size 0 they agree, at `common` they do not; and once they differ they never agree again.
    let (mut same, mut differs) = (0, common);
    while differs - same > 1 {
        let middle = same + (differs - same) / 2;
        if small.root_at(middle)? == large.root_at(middle)? { same = middle } else { differs = middle }
    }
    let proof = merkle::consistency_proof(common, large.size(), &TileHashes::new(large.size(), large))?;
    merkle::verify_consistency(common, large.size(), &proof, &root, &large.root())?;
    Ok(Comparison::Fork(Box::new(Equivocation {
        version: 1,
        origin: small.origin().to_owned(),
        first: differs,
        smaller: small.checkpoint_text().to_owned(),
        larger: large.checkpoint_text().to_owned(),
        size: common,
        root: Digest::from_bytes(root),
        proof: proof.into_iter().map(Digest::from_bytes).collect(),
    })))
}
