//! Certificate authorities, and the keys that they certified.
//!
//! A certified key becomes a key of its person when the person shows the certificate, by an act that the key itself signs. From then on
//! it is a key like others, with the certificate's window, and ends with its authority.

use countersign_evidence::act;
use countersign_evidence::sshsig::{Certificate, PublicKey};
use countersign_model::access::CertificateUse;
use countersign_model::change::CommitCertificate;
use countersign_model::event::{CertificateAuthorityAdded, CertificateAuthorityRevoked, KeyCertified};
use countersign_model::{Action, Diagnostic, Exit, PersonId, Timestamp};
use rusqlite::{OptionalExtension as _, Row};

use super::keys::{KeyRevocation, is_ahead, kind_of};
use super::read::{Act, Reading, open_statement, to_json};
use super::revocation_lists::is_opaque;
use super::sql::{Fold, Stop, json, require, text, time};
use super::state::State;
use super::table::Table;
use crate::{EXPLANATIONS, Error};

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "authorities",
        key: &["fingerprint"],
        index: "idx",
        sql:
            "CREATE TABLE authorities (fingerprint TEXT PRIMARY KEY, key TEXT NOT NULL, people TEXT NOT NULL,
            uses TEXT NOT NULL, idx INTEGER NOT NULL, valid_after INTEGER, valid_before INTEGER) STRICT, WITHOUT ROWID;",
    },
    Table {
        name: "authority_revocations",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE authority_revocations (idx INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL,
            placed INTEGER NOT NULL, since INTEGER, revoked_by TEXT NOT NULL, reason TEXT NOT NULL) STRICT;
            CREATE INDEX authority_revocations_by_key ON authority_revocations (fingerprint, idx);",
    },
    Table {
        name: "certified_keys",
        key: &["fingerprint"],
        index: "idx",
        sql: "CREATE TABLE certified_keys (fingerprint TEXT PRIMARY KEY, authority TEXT NOT NULL, serial TEXT NOT NULL,
            key_id TEXT NOT NULL, idx INTEGER NOT NULL) STRICT, WITHOUT ROWID;
            CREATE INDEX certified_keys_by_authority ON certified_keys (authority);",
    },
];

/// A certificate authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityRow {
    /// Log index of the newest entry that names it.
    pub index: u64,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// Its public key.
    pub key: PublicKey,
    /// For whom.
    pub people: Vec<PersonId>,
    /// What for.
    pub uses: Vec<CertificateUse>,
    /// What it certifies does not count before.
    pub valid_after: Option<Timestamp>,
    /// Nor from here on.
    pub valid_before: Option<Timestamp>,
    /// What is said against it.
    pub revoked: Option<KeyRevocation>,
}

/// What is known of a key from its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    /// The authority's fingerprint.
    pub authority: String,
    /// The certificate's number, in decimal digits.
    pub serial: String,
    /// The certificate's key id.
    pub key_id: String,
    /// Log index of the act that showed it last.
    pub index: u64,
}

/// Why a certificate does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateTrouble {
    /// Nobody enrolled the authority.
    #[error("the certificate is by {authority}, which is no certificate authority here")]
    UnknownAuthority {
        /// The authority.
        authority: String,
    },
    /// The authority is revoked.
    #[error("the certificate authority {authority} was revoked in entry {index}")]
    Revoked {
        /// The authority.
        authority: String,
        /// Log index.
        index: u64,
    },
    /// A host's certificate.
    #[error("the certificate is a host's, and not a user's")]
    NotUser,
    /// It has a condition.
    #[error("the certificate has the critical option `{}`, and none is understood here", option.escape_debug())]
    Critical {
        /// Its name.
        option: String,
    },
    /// The authority is for something else.
    #[error("the certificate authority {authority} is not for {what}")]
    OtherUse {
        /// The authority.
        authority: String,
        /// What it would be used for.
        what: CertificateUse,
    },
    /// Its window, or the authority's, is another.
    #[error("at {at} the certificate does not count, or its authority does not")]
    Window {
        /// When.
        at: Timestamp,
    },
    /// It names nobody, or more than one.
    #[error("the certificate names {found} of the people that its authority is for, and one is needed")]
    Principal {
        /// How many.
        found: usize,
    },
    /// What it says besides could be about a person.
    #[error("the certificate would say more than whose it is: its {what}")]
    NotOpaque {
        /// What.
        what: &'static str,
    },
    /// The key is somebody's already.
    #[error("the key {fingerprint} is enrolled already, or was another person's")]
    Taken {
        /// The key.
        fingerprint: String,
    },
    /// The key was revoked.
    #[error("the key {fingerprint} was revoked in entry {index}")]
    KeyRevoked {
        /// The key.
        fingerprint: String,
        /// Log index.
        index: u64,
    },
    /// A revocation list names it.
    #[error("the revocation list in entry {index} names the certificate, its key or its authority")]
    Listed {
        /// Log index.
        index: u64,
    },
    /// The person is gone.
    #[error("{person} has left, or their data is erased")]
    Gone {
        /// Who.
        person: PersonId,
    },
}

impl Diagnostic for CertificateTrouble {
    fn code(&self) -> &'static str {
        match self {
            Self::UnknownAuthority { .. } => "CS-CERT-001",
            Self::Revoked { .. } => "CS-CERT-002",
            Self::NotUser => "CS-CERT-003",
            Self::Critical { .. } => "CS-CERT-004",
            Self::OtherUse { .. } => "CS-CERT-005",
            Self::Window { .. } => "CS-CERT-006",
            Self::Principal { .. } => "CS-CERT-007",
            Self::NotOpaque { .. } => "CS-CERT-008",
            Self::Taken { .. } => "CS-CERT-009",
            Self::KeyRevoked { .. } => "CS-CERT-010",
            Self::Gone { .. } => "CS-CERT-011",
            Self::Listed { .. } => "CS-CERT-012",
        }
    }

    fn exit(&self) -> Exit {
        EXPLANATIONS.iter().find(|e| e.code == self.code()).map_or(Exit::Internal, |e| e.exit)
    }

    fn help(&self) -> String {
        match self {
            Self::UnknownAuthority { .. } | Self::Revoked { .. } | Self::OtherUse { .. } => {
                "which authorities count, and for what: countersign person ca list".into()
            }
            Self::Principal { .. } => {
                "ask the authority for one that names the person's id (countersign person list): ssh-keygen -s CA -n per-… FILE.pub"
                    .into()
            }
            Self::NotOpaque { .. } => {
                "ask for one that names the person's id and nobody else, with that id or a number as key id: ssh-keygen -s CA -I per-… \
                 -n per-… FILE.pub"
                    .into()
            }
            Self::Taken { .. } => "make a key of its own for the certificate: ssh-keygen -t ed25519".into(),
            Self::Gone { .. } => "who is enrolled: countersign person list".into(),
            _ => "ask the authority for another certificate; what this one says: ssh-keygen -L -f FILE".into(),
        }
    }
}

impl AuthorityRow {
    /// Whether what it certifies counts at a moment, as far as it is concerned.
    #[must_use]
    pub fn counts(&self, at: Timestamp) -> bool {
        self.revoked.is_none()
            && self.valid_after.is_none_or(|from| at >= from)
            && self.valid_before.is_none_or(|until| at < until)
    }
}

/// The window of a certificate.
#[must_use]
pub fn window(certificate: &Certificate) -> (Option<Timestamp>, Option<Timestamp>) {
    let moment = |seconds: u64| i64::try_from(seconds).ok()?.checked_mul(1000).map(Timestamp::from_millis);
    let after = Some(certificate.valid_after).filter(|s| *s > 0);
    // A beginning beyond the end of time is never.
    let after = after.map(|s| moment(s).unwrap_or(Timestamp::from_millis(i64::MAX)));
    (after, moment(certificate.valid_before))
}

impl State {
    pub(super) fn on_authority(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: CertificateAuthorityAdded =
            self.signed(signed, act::CERTIFICATE_AUTHORITY, |p: &CertificateAuthorityAdded| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::AddKey)?;
        let key = PublicKey::parse(&p.key).map_err(|e| e.to_string())?;
        require(key.to_openssh() == p.key, "the key is not in its one form")?;
        let fingerprint = key.fingerprint();
        require(self.holder(&fingerprint)?.is_none(), "that key is a person's")?;
        require(self.listed_key(&key)?.is_none(), "a revocation list names that key")?;
        require(!p.people.is_empty() && p.people.is_sorted_by(|a, b| a < b), "it is for nobody, or not sorted")?;
        require(!p.uses.is_empty() && p.uses.is_sorted_by(|a, b| a < b), "it is for nothing, or not sorted")?;
        for person in &p.people {
            require(self.is_enrolled(person)? && !self.is_erased(person)?, "it is for somebody who is not enrolled")?;
        }
        let known = self.authority(&fingerprint)?;
        let own = p.people.contains(&p.by) && known.as_ref().is_none_or(|k| !k.people.contains(&p.by));
        require(
            !own || !self.has_other_administrator(&p.by, reading.entry.time)?,
            "nobody lets an authority speak for themselves while another administrator can",
        )?;
        if let Some(known) = &known {
            require(known.revoked.is_none(), "it was revoked")?;
            require(known.people.iter().all(|one| p.people.contains(one)), "it is for fewer people than before")?;
            require(known.uses == p.uses, "it is for something else than before")?;
        }
        let window = p.valid_before.is_none_or(|until| until > p.time && p.valid_after.is_none_or(|from| from < until));
        require(window, "its window ends before it begins, or is over")?;
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO authorities (fingerprint, key, people, uses, idx, valid_after, valid_before)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((
                &fingerprint,
                &p.key,
                to_json(&p.people)?,
                to_json(&p.uses)?,
                reading.index,
                p.valid_after.map(Timestamp::millis),
                p.valid_before.map(Timestamp::millis),
            ))?;
        Ok(())
    }

    pub(super) fn on_authority_revoked(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: CertificateAuthorityRevoked =
            self.signed(signed, act::CERTIFICATE_AUTHORITY_REVOCATION, |p: &CertificateAuthorityRevoked| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::RevokeKey)?;
        let placed = reading.entry.time;
        let authority = self.authority(&p.fingerprint)?.ok_or("there is no such certificate authority")?;
        require(
            p.compromised_since.is_none_or(|since| since <= placed),
            "it is said to be compromised from a later time on",
        )?;
        if let Some(before) = &authority.revoked {
            let earlier = p.compromised_since.is_some_and(|new| before.since.is_none_or(|old| new < old));
            require(earlier, "it was revoked before")?;
        }
        require(
            self.administrator_without_authority(&p.fingerprint, placed)?,
            "no administrator would be left with a key that counts",
        )?;
        self.db
            .prepare_cached(
                "INSERT INTO authority_revocations (idx, fingerprint, placed, since, revoked_by, reason)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((
                reading.index,
                &p.fingerprint,
                placed.millis(),
                p.compromised_since.map(Timestamp::millis),
                p.by.as_str(),
                &p.reason,
            ))?;
        for fingerprint in self.keys_certified_by(&p.fingerprint)? {
            let Some(key) = self.key(&fingerprint)? else { continue };
            let stricter = key
                .revoked
                .as_ref()
                .is_none_or(|before| p.compromised_since.is_some_and(|new| before.since.is_none_or(|old| new < old)));
            if stricter {
                self.end_key(reading.index, &fingerprint, placed, p.compromised_since, &p.by, &p.reason)?;
            }
        }
        Ok(())
    }

    pub(super) fn on_certified(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: KeyCertified = open_statement(&signed.statement)?;
        self.same_ledger(&p.origin)?;
        let certificate = Certificate::parse(&p.certificate).map_err(|e| e.to_string())?;
        require(certificate.to_openssh() == p.certificate, "the certificate is not in its one form")?;
        // Whoever holds the certificate need not hold the key: the key itself signs.
        let by_key = signed.act.namespace() == act::CERTIFIED_KEY && signed.signer.as_ref() == Some(&certificate.key);
        require(by_key, "the certified key did not sign it")?;
        require(!is_ahead(signed.time, reading.entry.time), "its clock is ahead")?;
        let moments = [signed.time, reading.entry.time];
        let authority = self.authority(&certificate.authority.fingerprint())?;
        let person = match self.presented(&certificate, authority.as_ref(), &moments)? {
            Ok(person) => person,
            Err(trouble) => return Err(Stop::Disbelieved(trouble.to_string())),
        };
        require(person == p.person, "the certificate names somebody else")?;
        let (after, before) = window(&certificate);
        let (index, fingerprint) = (reading.index, certificate.key.fingerprint());
        let kind = kind_of(&certificate.key);
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO person_keys (fingerprint, person, kind, key, idx, valid_after, valid_before)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((
                &fingerprint,
                person.as_str(),
                kind.as_str(),
                certificate.key.to_openssh(),
                index,
                [after, authority.as_ref().and_then(|a| a.valid_after)]
                    .into_iter()
                    .flatten()
                    .max()
                    .map(Timestamp::millis),
                [before, authority.as_ref().and_then(|a| a.valid_before)]
                    .into_iter()
                    .flatten()
                    .min()
                    .map(Timestamp::millis),
            ))?;
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO certified_keys (fingerprint, authority, serial, key_id, idx)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((
                &fingerprint,
                certificate.authority.fingerprint(),
                certificate.serial.to_string(),
                &certificate.key_id,
                index,
            ))?;
        Ok(())
    }

    /// Whose key a certificate says that its key is, if it counts at every one of the moments and may become a key that signs acts; the
    /// inner error says why not.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn presented(
        &self,
        certificate: &Certificate,
        authority: Option<&AuthorityRow>,
        moments: &[Timestamp],
    ) -> Result<Result<PersonId, CertificateTrouble>, Error> {
        let person = match self.certified_for(certificate, authority, CertificateUse::Acts, moments)? {
            Ok(person) => person,
            trouble => return Ok(trouble),
        };
        // It stays in the log for good.
        if certificate.principals.len() != 1 {
            return Ok(Err(CertificateTrouble::NotOpaque { what: "other principals" }));
        }
        if !is_opaque(&certificate.key_id) {
            return Ok(Err(CertificateTrouble::NotOpaque { what: "key id" }));
        }
        Ok(Ok(person))
    }

    /// Whose key a certificate says that its key is, if it counts for a use at every one of the moments.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn certified_for(
        &self,
        certificate: &Certificate,
        authority: Option<&AuthorityRow>,
        what: CertificateUse,
        moments: &[Timestamp],
    ) -> Result<Result<PersonId, CertificateTrouble>, Error> {
        let name = certificate.authority.fingerprint();
        let Some(row) = authority.filter(|row| row.fingerprint == name) else {
            return Ok(Err(CertificateTrouble::UnknownAuthority { authority: name }));
        };
        if let Some(r) = &row.revoked {
            return Ok(Err(CertificateTrouble::Revoked { authority: name, index: r.index }));
        }
        if !certificate.user {
            return Ok(Err(CertificateTrouble::NotUser));
        }
        if let Some(option) = certificate.critical.first() {
            return Ok(Err(CertificateTrouble::Critical { option: option.clone() }));
        }
        if !row.uses.contains(&what) {
            return Ok(Err(CertificateTrouble::OtherUse { authority: name, what }));
        }
        let (after, before) = window(certificate);
        let within = |at: Timestamp| after.is_none_or(|from| at >= from) && before.is_none_or(|until| at < until);
        if let Some(at) = moments.iter().find(|at| !row.counts(**at) || !within(**at)) {
            return Ok(Err(CertificateTrouble::Window { at: *at }));
        }
        if let Some(index) = self.listed(certificate)? {
            return Ok(Err(CertificateTrouble::Listed { index }));
        }
        let named: Vec<&PersonId> =
            row.people.iter().filter(|p| certificate.principals.iter().any(|name| name == p.as_str())).collect();
        let [person] = named.as_slice() else {
            return Ok(Err(CertificateTrouble::Principal { found: named.len() }));
        };
        let person = (*person).clone();
        if self.has_left(&person)? || self.is_erased(&person)? {
            return Ok(Err(CertificateTrouble::Gone { person }));
        }
        let fingerprint = certificate.key.fingerprint();
        if let Some(key) = self.key(&fingerprint)? {
            if key.person != person || self.certified(&fingerprint)?.is_none() {
                return Ok(Err(CertificateTrouble::Taken { fingerprint }));
            }
            if let Some(r) = key.revoked {
                return Ok(Err(CertificateTrouble::KeyRevoked { fingerprint, index: r.index }));
            }
        }
        if self.authority(&fingerprint)?.is_some() {
            return Ok(Err(CertificateTrouble::Taken { fingerprint }));
        }
        Ok(Ok(person))
    }

    /// Whom the certificate in a commit's signature names, if it could ever count: by an authority that is or was one, for a user,
    /// without conditions, for a key that is not enrolled as another person's.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn certificate_names(&self, certificate: &Certificate) -> Result<Option<PersonId>, Error> {
        let Some(row) = self.authority(&certificate.authority.fingerprint())? else { return Ok(None) };
        let mut named = row.people.iter().filter(|p| certificate.principals.iter().any(|name| name == p.as_str()));
        let (Some(person), None) = (named.next(), named.next()) else { return Ok(None) };
        let holder = self.holder(&certificate.key.fingerprint())?;
        let sound = certificate.user && certificate.critical.is_empty() && holder.is_none_or(|h| h == *person);
        Ok(sound.then(|| person.clone()))
    }

    /// Whether the person that a recorded certificate names stands for the commit at a moment.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn certificate_counts(&self, certificate: &CommitCertificate, at: Timestamp) -> Result<bool, Error> {
        let Some(row) = self.authority(&certificate.authority)? else { return Ok(false) };
        let within = certificate.valid_after.is_none_or(|from| at >= from)
            && certificate.valid_before.is_none_or(|until| at < until);
        let person = &certificate.person;
        Ok(within
            && !self.is_listed(&certificate.authority, &certificate.serial, &certificate.key_id)?
            && row.counts(at)
            && row.uses.contains(&CertificateUse::Commits)
            && row.people.contains(person)
            && !self.has_left(person)?
            && !self.is_erased(person)?)
    }

    /// Whether a key may be used so: one that was certified only for what its authority is for.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn certified_key_is_for(&self, fingerprint: &str, what: CertificateUse) -> Result<bool, Error> {
        let Some(certified) = self.certified(fingerprint)? else { return Ok(true) };
        Ok(self.authority(&certified.authority)?.is_some_and(|row| row.uses.contains(&what)))
    }

    /// What a key's certificate said, if it has one.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn certified(&self, fingerprint: &str) -> Result<Option<Certified>, Error> {
        let mut query = self
            .db
            .prepare_cached("SELECT authority, serial, key_id, idx FROM certified_keys WHERE fingerprint = ?1")?;
        let row = |row: &Row<'_>| {
            Ok(Certified { authority: row.get(0)?, serial: row.get(1)?, key_id: row.get(2)?, index: row.get(3)? })
        };
        Ok(query.query_row([fingerprint], row).optional()?)
    }

    fn keys_certified_by(&self, authority: &str) -> Result<Vec<String>, Error> {
        let mut query = self
            .db
            .prepare_cached("SELECT fingerprint FROM certified_keys WHERE authority = ?1 ORDER BY fingerprint")?;
        Ok(query.query_map([authority], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Whether an administrator could still sign for good if no key of this authority counted.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn administrator_without_authority(&self, authority: &str, now: Timestamp) -> Result<bool, Error> {
        let keys = self.keys_certified_by(authority)?;
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.is_administered_but(&[], &keys, now)
    }

    /// A certificate authority.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn authority(&self, fingerprint: &str) -> Result<Option<AuthorityRow>, Error> {
        Ok(self.authorities()?.into_iter().find(|row| row.fingerprint == fingerprint))
    }

    /// Every certificate authority that there is or was, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn authorities(&self) -> Result<Vec<AuthorityRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, fingerprint, key, people, uses, valid_after, valid_before FROM authorities ORDER BY idx",
        )?;
        let moment =
            |row: &Row<'_>, n| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(n)?.map(Timestamp::from_millis));
        let rows = query.query_map([], |row| {
            Ok(AuthorityRow {
                index: row.get(0)?,
                fingerprint: row.get(1)?,
                key: text(row, 2)?,
                people: json(row, 3)?,
                uses: json(row, 4)?,
                valid_after: moment(row, 5)?,
                valid_before: moment(row, 6)?,
                revoked: None,
            })
        })?;
        let mut rows: Vec<AuthorityRow> = rows.collect::<Result<_, _>>()?;
        let mut query = self.db.prepare_cached(
            "SELECT idx, placed, since, revoked_by, reason FROM authority_revocations WHERE fingerprint = ?1 ORDER BY idx",
        )?;
        for authority in &mut rows {
            let said = query.query_map([&authority.fingerprint], |row| {
                Ok(KeyRevocation {
                    index: row.get(0)?,
                    placed: time(row, 1)?,
                    since: moment(row, 2)?,
                    by: text(row, 3)?,
                    reason: row.get(4)?,
                })
            })?;
            for said in said {
                let said = said?;
                authority.revoked = Some(match authority.revoked.take() {
                    None => said,
                    Some(first) => KeyRevocation { since: said.since.or(first.since), reason: said.reason, ..first },
                });
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_is_explained_and_helps() {
        let (authority, fingerprint) = ("SHA256:a".to_owned(), "SHA256:b".to_owned());
        let all = [
            CertificateTrouble::UnknownAuthority { authority: authority.clone() },
            CertificateTrouble::Revoked { authority: authority.clone(), index: 1 },
            CertificateTrouble::NotUser,
            CertificateTrouble::Critical { option: "force-command".into() },
            CertificateTrouble::OtherUse { authority, what: CertificateUse::Acts },
            CertificateTrouble::Window { at: Timestamp::from_millis(0) },
            CertificateTrouble::Principal { found: 0 },
            CertificateTrouble::NotOpaque { what: "key id" },
            CertificateTrouble::Taken { fingerprint: fingerprint.clone() },
            CertificateTrouble::KeyRevoked { fingerprint, index: 1 },
            CertificateTrouble::Gone { person: PersonId::from_text("per-0") },
            CertificateTrouble::Listed { index: 1 },
        ];
        for trouble in all {
            assert_eq!(trouble.exit(), Exit::Forbidden, "{trouble}");
            assert!(!trouble.help().is_empty());
        }
    }
}
