//! Who is signed in. A visit is kept in memory alone, by the hash of its secret: what is read out of this process's files, or of
//! the log, opens none. When the server ends, everybody signs in again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use countersign_model::{Digest, PersonId, digest};

use crate::Error;

/// Visits at once; the one that was idle longest goes first.
const MOST: usize = 10_000;

/// What somebody signed in with: when it counts no longer, neither does the visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A link of the server's own terminal.
    None,
    /// A key, by its fingerprint.
    Key(String),
    /// An account at the provider, by its keyed pseudonym.
    Account(String),
}

impl Proof {
    pub(super) fn key(&self) -> Option<&str> {
        if let Self::Key(fingerprint) = self { Some(fingerprint) } else { None }
    }

    pub(super) fn account(&self) -> Option<&str> {
        if let Self::Account(pseudonym) = self { Some(pseudonym) } else { None }
    }
}

/// A visit.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    /// Who.
    pub(crate) person: PersonId,
    /// What the log calls it.
    pub(crate) name: String,
    /// What they signed in with.
    pub(crate) proof: Proof,
    /// Stands in every form of the visit.
    pub(crate) csrf: String,
    began: Instant,
    seen: Instant,
}

/// All visits.
#[derive(Debug)]
pub(crate) struct Visits {
    open: HashMap<Digest, Visit>,
    /// The visits that tokens began: the digest of a token's text, and the hash of the visit's own secret, which nobody was told.
    by_token: HashMap<Digest, Digest>,
    idle: Duration,
    longest: Duration,
}

/// A secret of 256 bits as hex digits, and what it is kept by.
pub(super) fn secret() -> Result<(String, Digest), Error> {
    let text = digest::to_hex(&countersign_evidence::random::<32>()?);
    let kept = Digest::of(text.as_bytes());
    Ok((text, kept))
}

impl Visits {
    pub(crate) fn new(idle: Duration, longest: Duration) -> Self {
        Self { open: HashMap::new(), by_token: HashMap::new(), idle, longest }
    }

    /// A new visit with a new secret, whatever the browser had before: a secret that somebody else put there opens nothing
    /// (session fixation).
    pub(super) fn begin(&mut self, person: PersonId, proof: Proof, now: Instant) -> Result<(String, Visit), Error> {
        self.sweep(now);
        if self.open.len() >= MOST
            && let Some(oldest) = self.open.iter().min_by_key(|(_, v)| v.seen).map(|(k, _)| *k)
        {
            self.open.remove(&oldest);
        }
        let (secret, kept) = secret()?;
        let (csrf, _) = self::secret()?;
        let name = kept.hex().chars().take(20).collect();
        let visit = Visit { person, name, proof, csrf, began: now, seen: now };
        self.open.insert(kept, visit.clone());
        Ok((secret, visit))
    }

    /// The visit of a secret; `busy`: from now on it is busy again.
    pub(super) fn find(&mut self, secret: &str, busy: bool, now: Instant) -> Option<Visit> {
        self.alive(Digest::of(secret.as_bytes()), busy, now)
    }

    /// The visit that a token began and that lasts; it is busy again from now on.
    pub(super) fn of_token(&mut self, token: &Digest, now: Instant) -> Option<Visit> {
        let kept = *self.by_token.get(token)?;
        self.alive(kept, true, now)
    }

    /// Keeps a visit that has just begun as a token's.
    pub(super) fn keep_token(&mut self, token: Digest, secret: &str, now: Instant) -> Option<Visit> {
        let kept = Digest::of(secret.as_bytes());
        let open = &self.open;
        self.by_token.retain(|_, kept| open.contains_key(kept));
        self.by_token.insert(token, kept);
        self.alive(kept, true, now)
    }

    /// Whose token it is, where it counted a moment ago; that makes no visit busy.
    pub(crate) fn person_of_token(&mut self, token: &Digest, now: Instant) -> Option<PersonId> {
        let kept = *self.by_token.get(token)?;
        self.alive(kept, false, now).map(|visit| visit.person)
    }

    fn alive(&mut self, kept: Digest, busy: bool, now: Instant) -> Option<Visit> {
        let (idle, longest) = (self.idle, self.longest);
        let visit = self.open.get_mut(&kept)?;
        if !is_alive(visit, idle, longest, now) {
            self.open.remove(&kept);
            return None;
        }
        if busy {
            visit.seen = now;
        }
        Some(visit.clone())
    }

    /// Whether a visit still lasts; asking does not make it busy. Pages that are open ask so while nobody looks at them.
    pub(crate) fn lasts(&self, name: &str, now: Instant) -> bool {
        self.open.values().any(|v| v.name == name && is_alive(v, self.idle, self.longest, now))
    }

    /// Ends a visit.
    pub(super) fn end(&mut self, name: &str) {
        self.open.retain(|_, visit| visit.name != name);
    }

    fn sweep(&mut self, now: Instant) {
        let (idle, longest) = (self.idle, self.longest);
        self.open.retain(|_, visit| is_alive(visit, idle, longest, now));
    }
}

fn is_alive(visit: &Visit, idle: Duration, longest: Duration, now: Instant) -> bool {
    now.saturating_duration_since(visit.seen) < idle && now.saturating_duration_since(visit.began) < longest
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_visit_ends_when_it_is_idle_and_after_its_longest_time() {
        let mut visits = Visits::new(MINUTE * 15, MINUTE * 60);
        let start = Instant::now();
        let (secret, visit) = visits.begin(PersonId::from_text("per-1"), Proof::None, start).unwrap();
        let mut now = start;
        for _ in 0..4 {
            now += MINUTE * 14;
            assert_eq!(visits.find(&secret, true, now).unwrap().name, visit.name);
        }
        assert!(visits.find(&secret, true, now + MINUTE * 5).is_none(), "61 minutes in all");
        let (secret, _) = visits.begin(PersonId::from_text("per-1"), Proof::None, start).unwrap();
        assert!(visits.find(&secret, true, start + MINUTE * 15).is_none(), "idle");
        assert!(visits.find(&secret, true, start).is_none(), "what is over stays over");
        let (secret, _) = visits.begin(PersonId::from_text("per-1"), Proof::None, start).unwrap();
        assert!(visits.find(&secret, false, start + MINUTE * 14).is_some());
        assert!(visits.find(&secret, false, start + MINUTE * 16).is_none(), "a page that is open keeps none alive");
    }

    #[test]
    fn neither_name_nor_csrf_opens_a_visit_and_each_has_its_own_secret() {
        let mut visits = Visits::new(MINUTE, MINUTE);
        let now = Instant::now();
        let (one, visit) = visits.begin(PersonId::from_text("per-1"), Proof::None, now).unwrap();
        let (other, _) = visits.begin(PersonId::from_text("per-1"), Proof::None, now).unwrap();
        assert_ne!(one, other);
        assert!(visits.find(&visit.name, true, now).is_none() && visits.find(&visit.csrf, true, now).is_none());
        visits.end(&visit.name);
        assert!(visits.find(&one, true, now).is_none() && visits.find(&other, true, now).is_some());
    }
}
