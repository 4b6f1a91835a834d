//! People and their keys.

use std::collections::{BTreeMap, BTreeSet};

use countersign_evidence::act;
use countersign_evidence::sshsig::PublicKey;
use countersign_model::event::PersonEnrolled;
use countersign_model::{Action, Digest, PayloadRef, PersonId, Role};
use rusqlite::{OptionalExtension as _, Row};

use super::read::{Act, Reading};
use super::sql::{Fold, blob, media, require, text};
use super::state::State;
use super::table::Table;
use crate::{Error, subjects};

pub(super) const TABLES: &[Table] = &[Table {
    name: "people",
    key: &["person"],
    index: "idx",
    sql: "CREATE TABLE people (person TEXT PRIMARY KEY, idx INTEGER NOT NULL, profile TEXT NOT NULL,
            profile_size INTEGER NOT NULL, profile_media TEXT NOT NULL) STRICT, WITHOUT ROWID;",
}];

/// A person.
#[derive(Debug, Clone)]
pub struct Person {
    /// Who.
    pub id: PersonId,
    /// Their name; `None` when their key was destroyed (erasure), or does not open their profile. It is read from the
    /// sealed profile at this moment and is in no table.
    pub name: Option<String>,
    /// Their keys that sign acts and are not revoked, whether they count today or not; all of them: [`State::keys_of`].
    pub keys: Vec<PublicKey>,
    /// Their roles.
    pub roles: BTreeSet<Role>,
    /// Log index of their enrolment.
    pub index: u64,
}

impl Person {
    /// The name, or the id when the name was erased.
    #[must_use]
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or_else(|| self.id.as_str())
    }
}

/// A profile that cannot be opened, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostProfile {
    /// Whose.
    pub person: PersonId,
    /// Log index of their enrolment.
    pub index: u64,
    /// Why.
    pub what: String,
}

impl State {
    pub(super) fn on_enrolled(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: PersonEnrolled = self.signed(signed, act::ENROLMENT, |p: &PersonEnrolled| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::EnrolPerson)?;
        let key = PublicKey::parse(&p.key).map_err(|e| e.to_string())?;
        self.enrol(reading, &p.person, &key, p.profile)
    }

    pub(super) fn enrol(&self, reading: &Reading, id: &PersonId, key: &PublicKey, profile: Digest) -> Fold {
        let index = reading.index;
        require(!self.is_enrolled(id)?, "that person is enrolled already")?;
        require(self.holder(&key.fingerprint())?.is_none(), "that key belongs to somebody else")?;
        require(self.listed_key(key)?.is_none(), "a revocation list names that key")?;
        let (blob, said) = reading.named(0)?;
        require(said == profile, "the profile is not the one the statement names")?;
        self.db
            .prepare_cached(
                "INSERT INTO people (person, idx, profile, profile_size, profile_media) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((id.as_str(), index, blob.sha256.to_string(), blob.size, media(&blob)))?;
        self.first_key(index, id, key)
    }

    /// Whether somebody was enrolled.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn is_enrolled(&self, person: &PersonId) -> Result<bool, Error> {
        Ok(self.db.prepare_cached("SELECT 1 FROM people WHERE person = ?1")?.exists([person.as_str()])?)
    }

    /// Everybody enrolled with their roles; no profile is opened.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn members(&self) -> Result<BTreeMap<PersonId, BTreeSet<Role>>, Error> {
        let mut members = BTreeMap::new();
        let mut query = self.db.prepare_cached("SELECT person FROM people")?;
        for person in query.query_map([], |row| text::<PersonId>(row, 0))? {
            members.insert(person?, BTreeSet::new());
        }
        for grant in self.role_grants()?.into_iter().filter(|g| g.is_held(self.moment())) {
            members.entry(grant.person).or_default().insert(grant.role);
        }
        Ok(members)
    }

    /// A person.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn person(&self, id: &PersonId) -> Result<Option<Person>, Error> {
        let mut query = self
            .db
            .prepare_cached("SELECT person, idx, profile, profile_size, profile_media FROM people WHERE person = ?1")?;
        let row = query.query_row([id.as_str()], enrolled).optional()?;
        row.map(|(id, index, profile)| self.whole(id, index, &profile)).transpose()
    }

    /// The name people know somebody by, or the id where there is none.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn label(&self, id: &PersonId) -> Result<String, Error> {
        Ok(self.person(id)?.map_or_else(|| id.to_string(), |p| p.label().to_owned()))
    }

    /// Everybody enrolled, by id.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn people(&self) -> Result<Vec<Person>, Error> {
        let mut query = self
            .db
            .prepare_cached("SELECT person, idx, profile, profile_size, profile_media FROM people ORDER BY person")?;
        let rows: Vec<_> = query.query_map([], enrolled)?.collect::<Result<_, _>>()?;
        rows.into_iter().map(|(id, index, profile)| self.whole(id, index, &profile)).collect()
    }

    /// The person who holds `key`.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn person_by_key(&self, key: &PublicKey) -> Result<Option<Person>, Error> {
        self.person_by_fingerprint(&key.fingerprint())
    }

    /// The person who holds the key with this fingerprint (`SHA256:…`).
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn person_by_fingerprint(&self, fingerprint: &str) -> Result<Option<Person>, Error> {
        match self.holder(fingerprint)? {
            Some(id) => self.person(&id),
            None => Ok(None),
        }
    }

    /// People whose name or id is `text` (names are compared without regard to case).
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn people_named(&self, text: &str) -> Result<Vec<Person>, Error> {
        let wanted = text.to_lowercase();
        let mut people = self.people()?;
        people.retain(|p| p.id.as_str() == text || p.name.as_ref().is_some_and(|n| n.to_lowercase() == wanted));
        Ok(people)
    }

    /// The profiles that cannot be opened now and are not erased, by log index. What is wrong with a key file is no matter of the log, so
    /// it is in no table.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn lost_profiles(&self) -> Result<Vec<LostProfile>, Error> {
        if !self.vault.keys.are_kept() {
            // A copy without keys: that they are missing says nothing.
            return Ok(Vec::new());
        }
        let mut query = self.db.prepare_cached(
            "SELECT person, idx, profile, profile_size, profile_media FROM people
                 WHERE person NOT IN (SELECT person FROM erasures) ORDER BY idx",
        )?;
        let rows: Vec<_> = query.query_map([], enrolled)?.collect::<Result<_, _>>()?;
        Ok(rows
            .into_iter()
            .filter_map(|(person, index, profile)| {
                let what = self.name(&person, &profile).err()?;
                Some(LostProfile { person, index, what })
            })
            .collect())
    }

    fn whole(&self, id: PersonId, index: u64, profile: &PayloadRef) -> Result<Person, Error> {
        let keys = self.keys_of(&id)?.into_iter().filter(|k| k.revoked.is_none()).filter_map(|k| k.public).collect();
        let roles = self.roles_of(&id)?;
        // Without its key the profile is a tombstone: the person stays, with all they signed; the name is gone.
        let name = self.name(&id, profile).ok();
        Ok(Person { id, name, keys, roles, index })
    }

    fn name(&self, id: &PersonId, profile: &PayloadRef) -> Result<String, String> {
        if self.is_erased(id).map_err(|e| e.to_string())? {
            return Err("the person's data is erased".to_owned());
        }
        match subjects::open_profile(&self.vault, id, profile) {
            Ok(Some(profile)) => Ok(profile.name),
            Ok(None) => Err("it is missing, and no entry says that it was destroyed".to_owned()),
            Err(Error::Corrupt { what, .. }) => Err(what),
            Err(e) => Err(e.to_string()),
        }
    }
}

fn enrolled(row: &Row<'_>) -> rusqlite::Result<(PersonId, u64, PayloadRef)> {
    Ok((text(row, 0)?, row.get(1)?, blob(row, 2)?))
}
