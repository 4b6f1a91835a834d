//! Who does what in a release, as far as the log knows at this point of it. Derived from the change and from what was signed; it
//! has no table of its own.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::access::{Duty, Strength};
use countersign_model::change::Change;
use countersign_model::{PersonId, Role, Timestamp};

use super::state::State;
use crate::Error;

/// The duties of people in a run, and what each is known by: `commit 2e5040ce02d8`, `entry 12`.
pub type Duties = BTreeMap<PersonId, BTreeMap<Duty, String>>;

impl State {
    /// Whether somebody holds one of these roles.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn holds_one(&self, person: &PersonId, roles: &BTreeSet<Role>) -> Result<bool, Error> {
        for role in roles {
            if self.has_role(person, *role)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Everybody who has a key that cannot leave its device.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn people_with_hardware_keys(&self, now: Timestamp) -> Result<BTreeSet<PersonId>, Error> {
        let mut query = self.db.prepare_cached("SELECT fingerprint FROM person_keys WHERE key LIKE 'sk-%'")?;
        let keys: Vec<String> = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut people = BTreeSet::new();
        for fingerprint in keys {
            let strong =
                self.key(&fingerprint)?.is_some_and(|k| Strength::of_statement(k.strength()) >= Strength::Hardware);
            if let (true, Ok(person)) = (strong, self.usable(&fingerprint, now)?) {
                people.insert(person);
            }
        }
        Ok(people)
    }

    /// The duties that people have in a release of this change before anybody signs it.
    ///
    /// A commit counts as somebody's when a key of theirs signed it; who claims one that another person signed is a co-author. Names
    /// in commits are nobody's identity.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn duties(&self, change: &Change) -> Result<Duties, Error> {
        let mut duties = Duties::new();
        let mut add = |person: &PersonId, duty: Duty, by: &str| {
            let held = duties.entry(person.clone()).or_default();
            held.entry(duty).or_insert_with(|| by.to_owned());
        };
        for commit in &change.commits {
            let by = format!("commit {}", commit.id.get(..12).unwrap_or(&commit.id));
            let signer = match commit.key.as_deref() {
                Some(key) => self.holder(key)?,
                None => None,
            };
            let claimants = match &change.identity {
                Some(repository) => self.claimants(repository, &commit.id)?,
                None => Default::default(),
            };
            let claimed = if signer.is_some() { Duty::CoAuthor } else { Duty::Author };
            let all = signer.iter().map(|p| (p, Duty::Author)).chain(claimants.iter().map(|p| (p, claimed)));
            for (person, duty) in all {
                // Whoever signed it and claims it as well wrote it.
                let duty = if signer.as_ref() == Some(person) { Duty::Author } else { duty };
                add(person, duty, &by);
                if commit.pipeline {
                    add(person, Duty::PipelineEditor, &by);
                }
                if commit.policy {
                    add(person, Duty::PolicyEditor, &by);
                }
            }
        }
        // Whoever had the commit run in CI had it there: a token of theirs said so.
        for (person, index) in self.actors(change.identity.as_deref(), &change.commit)? {
            add(&person, Duty::Pusher, &format!("entry {index}"));
        }
        if let Some(bundle) = self.bundle() {
            add(&bundle.by, Duty::PolicyEditor, &format!("entry {}", bundle.index));
        }
        Ok(duties)
    }
}
