//! Which members of a population a seed chooses. Anybody can compute it again, with a few lines in any language:
//!
//! ```text
//! score(i) = SHA-256( seed || 0x0A || decimal(i) )        i = 0 … count-1
//! sample   = the n members with the smallest scores, smallest first
//! ```
//!
//! The population is sealed in the log before the auditor names the seed, so neither side can choose the outcome: the firm
//! does not know the seed, and the auditor cannot change the members. A larger sample by the same seed begins with the
//! smaller one: a sample is extended, not drawn anew.

use sha2::{Digest as _, Sha256};

/// Members of the largest population. Who reads an entry that says how many there are computes as many hashes.
pub const LARGEST: u64 = 10_000_000;

/// The places of the chosen members, in the order in which they are drawn; all of them when `n` is not smaller than `count`.
#[must_use]
pub fn choose(seed: &str, count: u64, n: u64) -> Vec<u64> {
    // A heap of n would save memory: a population of a million is 40 MB here.
    let mut scores: Vec<([u8; 32], u64)> = (0..count)
        .map(|i| {
            let mut hasher = Sha256::new();
            hasher.update(seed.as_bytes());
            hasher.update(b"\n");
            hasher.update(i.to_string().as_bytes());
            (hasher.finalize().into(), i)
        })
        .collect();
    scores.sort_unstable();
    scores.truncate(usize::try_from(n).unwrap_or(usize::MAX));
    scores.into_iter().map(|(_, i)| i).collect()
}

/// The same in Python 3, for whoever has neither this program nor trust in it.
pub const PYTHON: &str = "\
#!/usr/bin/env python3
# Which members of a population a seed chooses: the n with the smallest SHA-256 of seed, newline, place.
# usage: sample.py SEED COUNT N
import hashlib, sys
seed, count, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
score = lambda i: hashlib.sha256(f'{seed}\\n{i}'.encode()).digest()
for i in sorted(range(count), key=score)[:n]:
    print(i)
";

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn a_larger_sample_begins_with_the_smaller_one_and_all_is_all() {
        let all = choose("a seed", 100, 1000);
        assert_eq!(all.len(), 100);
        let mut sorted = all.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
        for n in 0..100 {
            assert_eq!(choose("a seed", 100, n), all[..usize::try_from(n).unwrap()]);
        }
        assert_ne!(choose("another", 100, 10), all[..10]);
        assert_eq!(choose("a seed", 0, 10), Vec::<u64>::new());
    }
}
