//! The keys of people: which there are, from when to when each counts, and what was signed with which.
//!
//! A key counts for what was signed while it was valid. By when something was signed, its place in the log is believed, not
//! the signer's clock: a statement counts when both lie in the key's window, and its clock is not ahead of its place.

use std::fmt;

use countersign_evidence::act;
use countersign_evidence::sshsig::PublicKey;
use countersign_evidence::webauthn::{self, Proof, advances};
use countersign_model::access::{CLOCK_SKEW_SECONDS, KeyKind, Passkey, is_openpgp_fingerprint};
use countersign_model::event::{PersonKeyAdded, PersonKeyRevoked};
use countersign_model::{Action, Diagnostic, EventKind, Exit, PayloadRef, PersonId, Role, Timestamp};
use rusqlite::{OptionalExtension as _, Row};

use super::read::{Act, Payload, Reading, to_json};
use super::sql::{Fold, Stop, blob, json, media, require, text, time};
use super::state::State;
use super::table::Table;
use crate::{EXPLANATIONS, Error, subjects};

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "person_keys",
        key: &["fingerprint"],
        index: "idx",
        sql: "CREATE TABLE person_keys (fingerprint TEXT PRIMARY KEY, person TEXT NOT NULL, kind TEXT NOT NULL,
            key TEXT NOT NULL, idx INTEGER NOT NULL, valid_after INTEGER, valid_before INTEGER, passkey TEXT,
            certificate TEXT, certificate_size INTEGER, certificate_media TEXT) STRICT, WITHOUT ROWID;
            CREATE INDEX person_keys_by_person ON person_keys (person);",
    },
    Table {
        name: "key_revocations",
        key: &["idx", "fingerprint"],
        index: "idx",
        sql: "CREATE TABLE key_revocations (idx INTEGER NOT NULL, fingerprint TEXT NOT NULL, placed INTEGER NOT NULL,
            since INTEGER, revoked_by TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (idx, fingerprint))
            STRICT, WITHOUT ROWID;
            CREATE INDEX key_revocations_by_key ON key_revocations (fingerprint, idx);",
    },
    Table {
        name: "acts",
        key: &["idx", "key"],
        index: "idx",
        sql: "CREATE TABLE acts (idx INTEGER NOT NULL, key TEXT NOT NULL, person TEXT NOT NULL, kind TEXT NOT NULL,
            time INTEGER NOT NULL, placed INTEGER NOT NULL, counter INTEGER, PRIMARY KEY (idx, key)) STRICT, WITHOUT ROWID;
            CREATE INDEX acts_by_key ON acts (key, idx);",
    },
];

/// Of an approval in the table `approvals`: whether nobody says that its key was in other hands by then.
pub(super) const APPROVAL_STANDS: &str = "NOT EXISTS (SELECT 1 FROM acts a JOIN key_revocations r
    ON r.fingerprint = a.key WHERE a.idx = approvals.idx AND r.since <= max(a.time, a.placed))";

/// What is said against a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRevocation {
    /// Log index of the first revocation: nothing that was appended after it counts.
    pub index: u64,
    /// When that was appended.
    pub placed: Timestamp,
    /// Since when somebody else may have had the key, as the strictest revocation says.
    pub since: Option<Timestamp>,
    /// Who revoked it first.
    pub by: PersonId,
    /// Why, as the newest revocation says.
    pub reason: String,
}

/// A key of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Log index of the entry that names it.
    pub index: u64,
    /// Whose it is.
    pub person: PersonId,
    /// `SHA256:…`, or that of an OpenPGP key in upper-case hex.
    pub fingerprint: String,
    /// What kind.
    pub kind: KeyKind,
    /// The public key; none of an OpenPGP key, whose certificate is sealed.
    pub public: Option<PublicKey>,
    /// What is signed before does not count.
    pub valid_after: Option<Timestamp>,
    /// Nor what is signed from here on.
    pub valid_before: Option<Timestamp>,
    /// How a passkey is used.
    pub passkey: Option<Passkey>,
    /// The sealed certificate of an OpenPGP key.
    pub certificate: Option<PayloadRef>,
    /// What is said against it.
    pub revoked: Option<KeyRevocation>,
}

/// Why a key does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyTrouble {
    /// It belongs to nobody.
    #[error("the key {fingerprint} belongs to nobody enrolled")]
    Unknown {
        /// The key.
        fingerprint: String,
    },
    /// It was revoked.
    #[error("the key {fingerprint} was revoked in entry {index}, on {placed}")]
    Revoked {
        /// The key.
        fingerprint: String,
        /// Log index of the revocation.
        index: u64,
        /// When.
        placed: Timestamp,
    },
    /// It counts later.
    #[error("the key {fingerprint} counts from {from} on")]
    NotYet {
        /// The key.
        fingerprint: String,
        /// From when on.
        from: Timestamp,
    },
    /// It counts no longer.
    #[error("the key {fingerprint} counted before {until}")]
    Over {
        /// The key.
        fingerprint: String,
        /// Before when.
        until: Timestamp,
    },
    /// The signer's clock is ahead.
    #[error("it says that it was signed at {signed}, and it was only {place}")]
    Ahead {
        /// When it says that it was signed.
        signed: Timestamp,
        /// When it was appended.
        place: Timestamp,
    },
    /// A passkey signed otherwise than it was enrolled, or a key that was enrolled as none signed as one.
    #[error("the key {fingerprint} is not used as it was enrolled: {what}")]
    OtherUse {
        /// The key.
        fingerprint: String,
        /// What is different.
        what: &'static str,
    },
    /// A passkey's counter did not go on.
    #[error("the counter of the passkey {fingerprint} was {before} and is {now}: there may be two of it")]
    Counter {
        /// The key.
        fingerprint: String,
        /// What it was.
        before: u32,
        /// What it is.
        now: u32,
    },
    /// It signs no acts.
    #[error("the key {fingerprint} is an OpenPGP key: it signs commits and no acts")]
    NoActs {
        /// The key.
        fingerprint: String,
    },
}

impl Diagnostic for KeyTrouble {
    fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "CS-IDENTITY-001",
            Self::Revoked { .. } => "CS-IDENTITY-002",
            Self::NotYet { .. } => "CS-IDENTITY-003",
            Self::Over { .. } => "CS-IDENTITY-004",
            Self::Ahead { .. } => "CS-IDENTITY-005",
            Self::NoActs { .. } => "CS-IDENTITY-006",
            Self::OtherUse { .. } => "CS-PASSKEY-011",
            Self::Counter { .. } => "CS-PASSKEY-012",
        }
    }

    fn exit(&self) -> Exit {
        EXPLANATIONS.iter().find(|e| e.code == self.code()).map_or(Exit::Internal, |e| e.exit)
    }

    fn help(&self) -> String {
        match self {
            Self::Unknown { .. } => "whose keys count: countersign person key list".into(),
            Self::OtherUse { .. } => "a passkey signs in a browser, in the origin it was made in: countersign approve RUN --as SLOT \
                                      --passkey FINGERPRINT --request FILE"
                .into(),
            Self::Counter { .. } => "sign again; should it come again, an administrator revokes the passkey: countersign person key \
                                     revoke PERSON FINGERPRINT --reason TEXT"
                .into(),
            Self::Ahead { .. } => "set the clock of the machine that signed, and sign again".into(),
            _ => "sign with another key of yours, or ask an administrator: countersign person key add PERSON --ssh-key FILE.pub".into(),
        }
    }
}

/// Whether a clock is so far ahead of a place in the log that what it says does not count.
#[must_use]
pub fn is_ahead(signed: Timestamp, place: Timestamp) -> bool {
    signed > place.plus_seconds(CLOCK_SKEW_SECONDS)
}

/// What becomes of a key at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It counts.
    Active,
    /// It will.
    Upcoming,
    /// Its window is over.
    Expired,
    /// It was given up.
    Revoked,
    /// It may have been in other hands.
    Compromised,
}

impl KeyState {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Upcoming => "upcoming",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Compromised => "compromised",
        }
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl KeyRow {
    /// How strong what it signs is, as approvals say it.
    #[must_use]
    pub fn strength(&self) -> &'static str {
        self.passkey.as_ref().map_or(self.kind.as_str(), Passkey::strength)
    }

    /// Where it stands at a moment, as far as the log says now.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> KeyState {
        match (&self.revoked, self.trouble(now)) {
            (Some(r), _) if r.since.is_some() => KeyState::Compromised,
            (Some(_), _) => KeyState::Revoked,
            (None, Some(KeyTrouble::NotYet { .. })) => KeyState::Upcoming,
            (None, Some(_)) => KeyState::Expired,
            (None, None) => KeyState::Active,
        }
    }

    /// Why nothing that is signed with it now counts.
    #[must_use]
    pub fn trouble(&self, now: Timestamp) -> Option<KeyTrouble> {
        let fingerprint = self.fingerprint.clone();
        if let Some(KeyRevocation { index, placed, .. }) = self.revoked {
            return Some(KeyTrouble::Revoked { fingerprint, index, placed });
        }
        if let Some(from) = self.valid_after.filter(|from| now < *from) {
            return Some(KeyTrouble::NotYet { fingerprint, from });
        }
        self.valid_before.filter(|until| now >= *until).map(|until| KeyTrouble::Over { fingerprint, until })
    }
}

/// Something that was signed with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActRow {
    /// Log index.
    pub index: u64,
    /// What.
    pub kind: EventKind,
    /// Who.
    pub person: PersonId,
    /// When, by the signer's clock.
    pub time: Timestamp,
    /// When it was appended.
    pub placed: Timestamp,
}

const COLUMNS: &str = "idx, person, fingerprint, kind, key, valid_after, valid_before, passkey, certificate,
    certificate_size, certificate_media FROM person_keys";

impl State {
    pub(super) fn on_person_key(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: PersonKeyAdded = self.signed(signed, act::PERSON_KEY, |p: &PersonKeyAdded| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::AddKey)?;
        require(self.is_enrolled(&p.person)?, "nobody with that id is enrolled")?;
        require(!self.is_erased(&p.person)?, "that person's data is erased")?;
        let placed = reading.entry.time;
        // Who could give themselves keys would be as many people as they like to whoever looks at keys.
        require(
            p.by != p.person || !self.has_other_administrator(&p.person, placed)?,
            "nobody adds a key to themselves while another administrator can",
        )?;
        let fingerprint = key_of(&p)?;
        if let Some(held) = self.key(&fingerprint)? {
            // An OpenPGP key is enrolled again when its certificate changed: it lasts longer, or has other subkeys.
            let renewed = p.kind == KeyKind::Openpgp && held.person == p.person;
            require(renewed, "that key was somebody's before")?;
            require(held.revoked.is_none(), "that key was revoked")?;
        }
        if let Ok(key) = PublicKey::parse(&p.key) {
            require(self.listed_key(&key)?.is_none(), "a revocation list names that key")?;
        }
        let window = p.valid_before.is_none_or(|until| until > p.time && p.valid_after.is_none_or(|from| from < until));
        require(window, "its window ends before it begins, or is over")?;
        let sealed = match p.certificate {
            None => None,
            Some(wanted) => {
                let (blob, said) = reading.named(0)?;
                require(said == wanted, "the certificate is not the one the statement names")?;
                Some(blob)
            }
        };
        self.add_key(reading.index, &fingerprint, &p, sealed.as_ref())
    }

    fn add_key(&self, index: u64, fingerprint: &str, p: &PersonKeyAdded, sealed: Option<&PayloadRef>) -> Fold {
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO person_keys (fingerprint, person, kind, key, idx, valid_after, valid_before, passkey,
                 certificate, certificate_size, certificate_media)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(rusqlite::params![
                fingerprint,
                p.person.as_str(),
                p.kind.as_str(),
                p.key,
                index,
                p.valid_after.map(Timestamp::millis),
                p.valid_before.map(Timestamp::millis),
                p.passkey.as_ref().map(to_json).transpose()?,
                sealed.map(|b| b.sha256.to_string()),
                sealed.map(|b| b.size),
                sealed.map(media),
            ])?;
        Ok(())
    }

    /// The key that a person is enrolled with.
    pub(super) fn first_key(&self, index: u64, person: &PersonId, key: &PublicKey) -> Fold {
        self.db
            .prepare_cached(
                "INSERT INTO person_keys (fingerprint, person, kind, key, idx) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((key.fingerprint(), person.as_str(), kind_of(key).as_str(), key.to_openssh(), index))?;
        Ok(())
    }

    pub(super) fn on_person_key_revoked(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: PersonKeyRevoked = self.signed(signed, act::PERSON_KEY_REVOCATION, |p: &PersonKeyRevoked| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::RevokeKey)?;
        let placed = reading.entry.time;
        let key = self.key(&p.fingerprint)?.ok_or("nobody has that key")?;
        require(key.person == p.person, "it is another person's key")?;
        require(
            p.compromised_since.is_none_or(|since| since <= placed),
            "it is said to be compromised from a later time on",
        )?;
        if let Some(before) = &key.revoked {
            let earlier = p.compromised_since.is_some_and(|new| before.since.is_none_or(|old| new < old));
            require(earlier, "it was revoked before")?;
        }
        require(
            self.administrator_without(&p.fingerprint, placed)?,
            "no administrator would be left with a key that counts",
        )?;
        self.end_key(reading.index, &p.fingerprint, placed, p.compromised_since, &p.by, &p.reason)
    }

    pub(super) fn end_key(
        &self,
        index: u64,
        fingerprint: &str,
        placed: Timestamp,
        since: Option<Timestamp>,
        by: &PersonId,
        reason: &str,
    ) -> Fold {
        let since = since.map(Timestamp::millis);
        self.db
            .prepare_cached(
                "INSERT INTO key_revocations (idx, fingerprint, placed, since, revoked_by, reason)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((index, fingerprint, placed.millis(), since, by.as_str(), reason))?;
        Ok(())
    }

    /// Notes which key signed what is believed.
    pub(super) fn on_act(&self, reading: &Reading) -> Result<(), Error> {
        let acts: Vec<&Act> = match &reading.payload {
            Payload::Act(Ok(act)) => vec![act],
            Payload::Certificate(Ok(certificate)) => vec![&certificate.orders, &certificate.confirms],
            _ => return Ok(()),
        };
        let (kind, placed) = (reading.entry.kind.as_str(), reading.entry.time.millis());
        let mut insert = self.db.prepare_cached(
            "INSERT OR IGNORE INTO acts (idx, key, person, kind, time, placed, counter)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for act in acts {
            let Some(key) = &act.signer else { continue };
            let key = key.fingerprint();
            let Some(person) = self.holder(&key)? else { continue };
            let counter = act.proof.as_ref().map(|proof| proof.counter);
            insert.execute((reading.index, key, person.as_str(), kind, act.time.millis(), placed, counter))?;
        }
        Ok(())
    }

    /// Whose the key with this fingerprint is or was, whatever became of it since. Who signs with it now is another question:
    /// [`State::usable`].
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn holder(&self, fingerprint: &str) -> Result<Option<PersonId>, Error> {
        let mut query = self.db.prepare_cached("SELECT person FROM person_keys WHERE fingerprint = ?1")?;
        Ok(query.query_row([fingerprint], |row| text(row, 0)).optional()?)
    }

    /// Whose key this is, if what it signs at `now` counts; the inner error says why not.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn usable(&self, fingerprint: &str, now: Timestamp) -> Result<Result<PersonId, KeyTrouble>, Error> {
        let Some(key) = self.key(fingerprint)? else {
            return Ok(Err(KeyTrouble::Unknown { fingerprint: fingerprint.to_owned() }));
        };
        if !key.kind.signs_acts() {
            return Ok(Err(KeyTrouble::NoActs { fingerprint: fingerprint.to_owned() }));
        }
        Ok(key.trouble(now).map_or(Ok(key.person), Err))
    }

    /// A key.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn key(&self, fingerprint: &str) -> Result<Option<KeyRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE fingerprint = ?1"))?;
        let row = query.query_row([fingerprint], key_row).optional()?;
        row.map(|row| self.with_revocations(row)).transpose()
    }

    /// Every key that a person has or had, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn keys_of(&self, person: &PersonId) -> Result<Vec<KeyRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE person = ?1 ORDER BY idx, key"))?;
        let rows: Vec<KeyRow> = query.query_map([person.as_str()], key_row)?.collect::<Result<_, _>>()?;
        rows.into_iter().map(|row| self.with_revocations(row)).collect()
    }

    /// The keys of anybody whose fingerprint begins so, with `SHA256:` or without it.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn keys_named(&self, text: &str) -> Result<Vec<KeyRow>, Error> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} WHERE substr(fingerprint, 1, length(?1)) = ?1 OR substr(fingerprint, 8, length(?1)) = ?1 ORDER BY idx"
        ))?;
        let rows: Vec<KeyRow> = query.query_map([text], key_row)?.collect::<Result<_, _>>()?;
        rows.into_iter().map(|row| self.with_revocations(row)).collect()
    }

    /// The OpenPGP certificates that can be opened here, by the fingerprint they are enrolled under, whatever became of the keys since.
    ///
    /// # Errors
    /// When the projection or a certificate cannot be read.
    pub fn openpgp_certificates(&self) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE kind = ?1 ORDER BY fingerprint"))?;
        let rows: Vec<KeyRow> = query.query_map([KeyKind::Openpgp.as_str()], key_row)?.collect::<Result<_, _>>()?;
        let mut certificates = Vec::new();
        for row in rows {
            let Some(blob) = &row.certificate else { continue };
            if let Some(bytes) = subjects::open_certificate(&self.vault, &row.person, &row.fingerprint, blob)? {
                certificates.push((row.fingerprint, bytes));
            }
        }
        Ok(certificates)
    }

    /// The passkeys, of anybody, with this credential id: one, unless two authenticators chose the same.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn passkeys_with(&self, credential: &str) -> Result<Vec<KeyRow>, Error> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} WHERE passkey IS NOT NULL AND json_extract(passkey, '$.credential') = ?1 ORDER BY idx"
        ))?;
        let rows: Vec<KeyRow> = query.query_map([credential], key_row)?.collect::<Result<_, _>>()?;
        rows.into_iter().map(|row| self.with_revocations(row)).collect()
    }

    /// The newest passkey that was enrolled for an origin, whatever became of it since.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn passkey_in(&self, origin: &str) -> Result<Option<KeyRow>, Error> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} WHERE passkey IS NOT NULL AND json_extract(passkey, '$.origin') = ?1 ORDER BY idx DESC LIMIT 1"
        ))?;
        let row = query.query_row([origin], key_row).optional()?;
        row.map(|row| self.with_revocations(row)).transpose()
    }

    /// Every key that anybody has or had, in the order of the entries that name them.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn all_keys(&self) -> Result<Vec<KeyRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} ORDER BY idx, fingerprint"))?;
        let rows: Vec<KeyRow> = query.query_map([], key_row)?.collect::<Result<_, _>>()?;
        rows.into_iter().map(|row| self.with_revocations(row)).collect()
    }

    fn with_revocations(&self, mut row: KeyRow) -> Result<KeyRow, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, placed, since, revoked_by, reason FROM key_revocations WHERE fingerprint = ?1 ORDER BY idx",
        )?;
        let said = query.query_map([&row.fingerprint], |row| {
            Ok(KeyRevocation {
                index: row.get(0)?,
                placed: time(row, 1)?,
                since: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_millis),
                by: text(row, 3)?,
                reason: row.get(4)?,
            })
        })?;
        for said in said {
            let said = said?;
            row.revoked = Some(match row.revoked.take() {
                None => said,
                // Only what makes it compromised earlier is believed after the first.
                Some(first) => KeyRevocation { since: said.since.or(first.since), reason: said.reason, ..first },
            });
        }
        Ok(row)
    }

    /// Whether the person is an administrator with a key that counts at `now`.
    fn is_able(&self, person: &PersonId, now: Timestamp) -> Result<bool, Error> {
        let counts = |k: &KeyRow| k.kind.signs_acts() && k.trouble(now).is_none();
        Ok(self.has_role(person, Role::Administrator)? && self.keys_of(person)?.iter().any(counts))
    }

    /// Whether, with these people's roles and these keys ended, somebody would be administrator for good with a key that counts at
    /// `now` and does not end by itself.
    pub(super) fn is_administered_but(
        &self,
        people: &[&PersonId],
        keys: &[&str],
        now: Timestamp,
    ) -> Result<bool, Error> {
        // With a passkey one approves, in a browser: whoever has nothing else could enrol nobody and revoke nothing.
        let counts = |k: &KeyRow| {
            k.kind.signs_acts()
                && k.kind != KeyKind::Passkey
                && k.trouble(now).is_none()
                && k.valid_before.is_none()
                && !keys.contains(&k.fingerprint.as_str())
        };
        for person in self.administrators()?.iter().filter(|p| !people.contains(p)) {
            if self.keys_of(person)?.iter().any(counts) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn administrators(&self) -> Result<Vec<PersonId>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT DISTINCT person FROM roles WHERE role = ?1 AND ended IS NULL AND expires IS NULL",
        )?;
        Ok(query.query_map([Role::Administrator.as_str()], |row| text(row, 0))?.collect::<Result<_, _>>()?)
    }

    /// Whether somebody else is an administrator who could sign at `now`.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn has_other_administrator(&self, person: &PersonId, now: Timestamp) -> Result<bool, Error> {
        for other in self.administrators()?.iter().filter(|other| *other != person) {
            if self.is_able(other, now)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an administrator for good could still sign, at `now` and whatever time does, if this key did not count. A key with an
    /// end does not make one able for good. The key of somebody else takes nothing away.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn administrator_without(&self, fingerprint: &str, now: Timestamp) -> Result<bool, Error> {
        let holder = self.holder(fingerprint)?;
        if !self.administrators()?.iter().any(|a| Some(a) == holder.as_ref()) {
            return Ok(true);
        }
        self.is_administered_but(&[], &[fingerprint], now)
    }

    /// What was signed with a key since a moment, by the signer's clock or by the place in the log, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn acts_since(&self, fingerprint: &str, since: Timestamp) -> Result<Vec<ActRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, kind, person, time, placed FROM acts WHERE key = ?1 AND max(time, placed) >= ?2 ORDER BY idx",
        )?;
        let rows = query.query_map((fingerprint, since.millis()), |row| {
            Ok(ActRow {
                index: row.get(0)?,
                kind: text(row, 1)?,
                person: text(row, 2)?,
                time: time(row, 3)?,
                placed: time(row, 4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The key that signed the act at a log index, if it is said to have been in other hands by then.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn compromised_signer(&self, index: u64) -> Result<Option<KeyRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT a.key FROM acts a JOIN key_revocations r ON r.fingerprint = a.key
             WHERE a.idx = ?1 AND r.since <= max(a.time, a.placed) LIMIT 1",
        )?;
        let key: Option<String> = query.query_row([index], |row| row.get(0)).optional()?;
        match key {
            Some(key) => self.key(&key),
            None => Ok(None),
        }
    }

    /// A key must count for something that was signed at one moment and appended at another.
    pub(super) fn key_counts(&self, key: &KeyRow, signed: &Act) -> Fold {
        if !key.kind.signs_acts() {
            return Err("an OpenPGP key signs no acts".into());
        }
        let troubles = [Some(signed.time), signed.place].into_iter().flatten().find_map(|at| key.trouble(at));
        if let Some(trouble) = troubles {
            return Err(Stop::Disbelieved(trouble.to_string()));
        }
        if let Some(place) = signed.place.filter(|place| is_ahead(signed.time, *place)) {
            return Err(Stop::Disbelieved(KeyTrouble::Ahead { signed: signed.time, place }.to_string()));
        }
        match self.misuse(key, signed.proof.as_ref())? {
            Some(trouble) => Err(Stop::Disbelieved(trouble.to_string())),
            None => Ok(()),
        }
    }

    /// Why a signature does not fit how its key was enrolled: a passkey signs in its origin, is backed up or not as it was made,
    /// and its counter goes on; no other key signs as a passkey.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn misuse(&self, key: &KeyRow, proof: Option<&Proof>) -> Result<Option<KeyTrouble>, Error> {
        let other = |what| Ok(Some(KeyTrouble::OtherUse { fingerprint: key.fingerprint.clone(), what }));
        let (made, proof) = match (&key.passkey, proof) {
            (None, None) => return Ok(None),
            (None, Some(_)) => return other("it was enrolled as no passkey"),
            (Some(_), None) => return other("a passkey signs in a browser only"),
            (Some(made), Some(proof)) => (made, proof),
        };
        if proof.origin != made.origin {
            return other("it signed in another origin");
        }
        if proof.backup_eligible != made.backup_eligible {
            return other("it says otherwise of whether it may be backed up");
        }
        let before = self.last_counter(&key.fingerprint)?.unwrap_or(made.counter);
        let (fingerprint, now) = (key.fingerprint.clone(), proof.counter);
        Ok((!advances(before, now)).then_some(KeyTrouble::Counter { fingerprint, before, now }))
    }

    /// The highest signature counter of a passkey in what is believed.
    fn last_counter(&self, fingerprint: &str) -> Result<Option<u32>, Error> {
        let mut query = self.db.prepare_cached("SELECT max(counter) FROM acts WHERE key = ?1")?;
        Ok(query.query_row([fingerprint], |row| row.get(0))?)
    }
}

/// The kind of an SSH key that is no passkey.
#[must_use]
pub fn kind_of(key: &PublicKey) -> KeyKind {
    if key.is_hardware() { KeyKind::SshHardwareKey } else { KeyKind::SshKey }
}

/// The fingerprint of a key that is said to be of some kind, if it is.
fn key_of(p: &PersonKeyAdded) -> Result<String, String> {
    let plain = p.passkey.is_none() && p.certificate.is_none();
    match p.kind {
        KeyKind::SshKey | KeyKind::SshHardwareKey => {
            let key = PublicKey::parse(&p.key).map_err(|e| e.to_string())?;
            require(plain && kind_of(&key) == p.kind && key.to_openssh() == p.key, "the key is of another kind")?;
            Ok(key.fingerprint())
        }
        KeyKind::Openpgp => {
            let whole = p.passkey.is_none() && p.certificate.is_some() && is_openpgp_fingerprint(&p.key);
            require(whole, "an OpenPGP key is its fingerprint and its sealed certificate")?;
            Ok(p.key.clone())
        }
        KeyKind::Passkey => {
            let key = PublicKey::parse(&p.key).map_err(|e| e.to_string())?;
            let said =
                p.passkey.as_ref().filter(|_| p.certificate.is_none()).ok_or("it does not say how it is used")?;
            require(key.to_openssh() == p.key, "the key is not in its one form")?;
            webauthn::check_enrolment(&key, said).map_err(|e| e.to_string())?;
            Ok(key.fingerprint())
        }
    }
}

fn key_row(row: &Row<'_>) -> rusqlite::Result<KeyRow> {
    let kind: KeyKind = text(row, 3)?;
    let moment = |n| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(n)?.map(Timestamp::from_millis));
    let sealed = row.get::<_, Option<String>>(8)?.is_some();
    Ok(KeyRow {
        index: row.get(0)?,
        person: text(row, 1)?,
        fingerprint: row.get(2)?,
        kind,
        public: if kind.signs_acts() { Some(text(row, 4)?) } else { None },
        valid_after: moment(5)?,
        valid_before: moment(6)?,
        passkey: if row.get::<_, Option<String>>(7)?.is_some() { Some(json(row, 7)?) } else { None },
        certificate: if sealed { Some(blob(row, 8)?) } else { None },
        revoked: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_is_explained_and_helps() {
        let (fingerprint, at) = ("SHA256:a".to_owned(), Timestamp::from_millis(0));
        let all = [
            KeyTrouble::Unknown { fingerprint: fingerprint.clone() },
            KeyTrouble::Revoked { fingerprint: fingerprint.clone(), index: 1, placed: at },
            KeyTrouble::NotYet { fingerprint: fingerprint.clone(), from: at },
            KeyTrouble::Over { fingerprint: fingerprint.clone(), until: at },
            KeyTrouble::Ahead { signed: at, place: at },
            KeyTrouble::OtherUse { fingerprint: fingerprint.clone(), what: "x" },
            KeyTrouble::Counter { fingerprint: fingerprint.clone(), before: 2, now: 1 },
            KeyTrouble::NoActs { fingerprint },
        ];
        for trouble in all {
            assert_eq!(trouble.exit(), Exit::Forbidden, "{trouble}");
            assert!(!trouble.help().is_empty());
        }
    }
}
