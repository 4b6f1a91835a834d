//! Which key stood for which request, for a while. That nothing is done twice does not rest on it: the same act is the same entry. It is
//! here so that somebody hears of it who sends two things under one key.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use countersign_model::Digest;

/// How long a key is remembered: longer than an act may be handed in.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);
/// Keys at once; the oldest goes first.
const MOST: usize = 10_000;

/// The keys of what was sent lately.
#[derive(Debug, Default)]
pub(crate) struct Keys(HashMap<Digest, (Digest, Instant)>);

impl Keys {
    /// Whether a key may stand for a request: it stood for no other.
    pub(crate) fn begin(&mut self, key: Digest, request: Digest, now: Instant) -> bool {
        self.0.retain(|_, (_, since)| now.duration_since(*since) < REMEMBERED);
        if let Some((known, _)) = self.0.get(&key) {
            return *known == request;
        }
        if self.0.len() >= MOST
            && let Some(oldest) = self.0.iter().min_by_key(|(_, (_, since))| *since).map(|(key, _)| *key)
        {
            self.0.remove(&oldest);
        }
        self.0.insert(key, (request, now));
        true
    }

    /// Forgets a key under which nothing was done.
    pub(crate) fn forget(&mut self, key: &Digest) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_for_one_request_for_a_while() {
        let mut keys = Keys::default();
        let (now, of) = (Instant::now(), |n: usize| Digest::of(n.to_string().as_bytes()));
        assert!(keys.begin(of(1), of(10), now) && keys.begin(of(1), of(10), now));
        assert!(!keys.begin(of(1), of(11), now));
        assert!(keys.begin(of(1), of(11), now + REMEMBERED), "it was forgotten");
        keys.forget(&of(1));
        assert!(keys.begin(of(1), of(12), now));
        for n in 2..=MOST + 1 {
            assert!(keys.begin(of(n), of(0), now + Duration::from_secs(1)));
        }
        assert_eq!(keys.0.len(), MOST);
        assert!(keys.begin(of(1), of(13), now + Duration::from_secs(1)), "the oldest went");
    }
}
