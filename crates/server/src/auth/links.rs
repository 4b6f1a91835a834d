//! Links that sign in once, and challenges that are answered once. Both are short-lived and kept by their hash alone.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use countersign_model::visit::SignInMethod;
use countersign_model::{Digest, PersonId};

use super::visits::{Proof, secret};
use crate::Error;

/// How long a link is good.
pub(crate) const LINK: Duration = Duration::from_secs(120);
/// How long the link of the first start is good.
pub(crate) const FIRST_LINK: Duration = Duration::from_secs(15 * 60);
/// How long a challenge may be answered.
const CHALLENGE: Duration = Duration::from_secs(120);
/// Links, and challenges, at once.
const MOST: usize = 1000;

/// Whom a link signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) person: PersonId,
    pub(crate) method: SignInMethod,
    pub(crate) proof: Proof,
}

/// All links and challenges that are good.
#[derive(Debug, Default)]
pub(crate) struct Links {
    links: HashMap<Digest, (Link, Instant)>,
    challenges: HashMap<Digest, Instant>,
}

impl Links {
    /// The secret of a new link; none while there are too many.
    pub(crate) fn make(&mut self, link: Link, good: Duration, now: Instant) -> Result<Option<String>, Error> {
        self.sweep(now);
        if self.links.len() >= MOST {
            return Ok(None);
        }
        let (text, kept) = secret()?;
        self.links.insert(kept, (link, now + good));
        Ok(Some(text))
    }

    /// Uses a link up.
    pub(super) fn take(&mut self, text: &str, now: Instant) -> Option<Link> {
        let (link, until) = self.links.remove(&Digest::of(text.as_bytes()))?;
        (now < until).then_some(link)
    }

    /// A new challenge; none while there are too many.
    pub(super) fn challenge(&mut self, now: Instant) -> Result<Option<String>, Error> {
        self.sweep(now);
        if self.challenges.len() >= MOST {
            return Ok(None);
        }
        let (text, kept) = secret()?;
        self.challenges.insert(kept, now + CHALLENGE);
        Ok(Some(text))
    }

    /// Uses a challenge up; whether it was good.
    pub(super) fn answer(&mut self, text: &str, now: Instant) -> bool {
        self.challenges.remove(&Digest::of(text.as_bytes())).is_some_and(|until| now < until)
    }

    fn sweep(&mut self, now: Instant) {
        self.links.retain(|_, (_, until)| now < *until);
        self.challenges.retain(|_, until| now < *until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_challenges_are_good_once_and_for_a_while() {
        let mut links = Links::default();
        let now = Instant::now();
        let link = Link { person: PersonId::from_text("per-1"), method: SignInMethod::FirstLink, proof: Proof::None };
        let text = links.make(link.clone(), LINK, now).unwrap().unwrap();
        assert_eq!(links.take(&text, now), Some(link.clone()));
        assert_eq!(links.take(&text, now), None);
        let text = links.make(link, LINK, now).unwrap().unwrap();
        assert_eq!(links.take(&text, now + LINK), None);
        let text = links.challenge(now).unwrap().unwrap();
        assert!(links.answer(&text, now) && !links.answer(&text, now));
        let text = links.challenge(now).unwrap().unwrap();
        assert!(!links.answer(&text, now + CHALLENGE));
        for _ in 0..MOST {
            links.challenge(now).unwrap().unwrap();
        }
        assert_eq!(links.challenge(now).unwrap(), None);
        assert!(links.challenge(now + CHALLENGE).unwrap().is_some());
    }
}
