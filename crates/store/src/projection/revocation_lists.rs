//! Revocation lists of OpenSSH: what they name counts no more from their place in the log on, and nothing brings it back.

use countersign_evidence::act;
use countersign_evidence::sshsig::{Certificate, PublicKey};
use countersign_model::access::ListedCertificates;
use countersign_model::digest::Hasher;
use countersign_model::event::RevocationListImported;
use countersign_model::{Action, Digest, Timestamp};
use rusqlite::Row;

use super::read::{Act, Reading};
use super::sql::{Fold, require, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "revocation_lists",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE revocation_lists (idx INTEGER PRIMARY KEY, number TEXT NOT NULL, digest TEXT NOT NULL,
            placed INTEGER NOT NULL) STRICT;",
    },
    // Fingerprints of keys, and SHA-1 digests of keys.
    Table {
        name: "listed_keys",
        key: &["name"],
        index: "idx",
        sql: "CREATE TABLE listed_keys (name TEXT PRIMARY KEY, idx INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
    },
    // Serials have twenty digits, so that their order as texts is that as numbers. An authority without a name is any.
    Table {
        name: "listed_serials",
        key: &["authority", "first", "last"],
        index: "idx",
        sql: "CREATE TABLE listed_serials (authority TEXT NOT NULL, first TEXT NOT NULL, last TEXT NOT NULL,
            idx INTEGER NOT NULL, PRIMARY KEY (authority, first, last)) STRICT, WITHOUT ROWID;",
    },
    // Key ids that name nobody, and pseudonyms of all.
    Table {
        name: "listed_ids",
        key: &["authority", "id"],
        index: "idx",
        sql: "CREATE TABLE listed_ids (authority TEXT NOT NULL, id TEXT NOT NULL, idx INTEGER NOT NULL,
            PRIMARY KEY (authority, id)) STRICT, WITHOUT ROWID;",
    },
];

/// A list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRow {
    /// Log index.
    pub index: u64,
    /// Its number.
    pub number: u64,
    /// SHA-256 of the file.
    pub digest: Digest,
    /// When it was appended.
    pub placed: Timestamp,
}

/// Texts that name nobody: a person's id, nothing, a number, or a random one in hex or as a UUID, which is too long for a name.
#[must_use]
pub fn is_opaque(text: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    let id = text.strip_prefix("per-").is_some_and(|rest| rest.len() >= 16 && hex(rest));
    text.len() <= 64 && (id || (text.len() >= 16 && hex(text)) || text.bytes().all(|b| b.is_ascii_digit()))
}

/// A keyed pseudonym of a certificate's key id, which may name a person: the same id gives the same one within a ledger.
#[must_use]
pub fn key_id_pseudonym(salt: &[u8], key_id: &str) -> String {
    let mut hasher = Hasher::new();
    hasher.update(b"countersign key id v1\0");
    hasher.update(salt);
    hasher.update(key_id.as_bytes());
    let hex: String = hasher.finish().hex().chars().take(16).collect();
    format!("keyid-{hex}")
}

/// Whether a certificate is among those that a list names. Serial 0 is no number (OpenSSH PROTOCOL.krl).
fn names_certificate(listed: &ListedCertificates, authority: &str, serial: &str, key_id: &str) -> bool {
    let serial: u64 = serial.parse().unwrap_or(0);
    let within = |(first, last): &(String, String)| matches!((first.parse::<u64>(), last.parse::<u64>()), (Ok(first), Ok(last)) if (first..=last).contains(&serial));
    listed.authority.as_deref().is_none_or(|one| one == authority)
        && ((serial != 0 && listed.serials.iter().any(within)) || listed.key_ids.iter().any(|id| id == key_id))
}

fn digits(serial: u64) -> String {
    format!("{serial:020}")
}

/// A number in its one form.
fn number(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|n: &u64| n.to_string() == text).ok_or_else(|| "a number is none".to_owned())
}

impl State {
    pub(super) fn on_revocation_list(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: RevocationListImported =
            self.signed(signed, act::REVOCATION_LIST, |p: &RevocationListImported| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::RevokeKey)?;
        let (index, placed) = (reading.index, reading.entry.time);
        let nth = number(&p.number)?;
        let newest = self.revocation_lists()?.into_iter().map(|row| row.number).max();
        require(newest.is_none_or(|before| nth > before), "its number is not higher than that of the list before")?;
        let mut serials = Vec::new();
        for certificates in &p.certificates {
            for (first, last) in &certificates.serials {
                let (first, last) = (number(first)?, number(last)?);
                require(first <= last, "a range of serials ends before it begins")?;
                serials.push((certificates.authority.clone().unwrap_or_default(), digits(first), digits(last)));
            }
        }
        let (keys, authorities) = self.named_by(&p)?;
        require(
            self.administrator_without_keys(&keys, placed)?,
            "no administrator would be left with a key that counts",
        )?;
        for name in p.keys.iter().chain(&p.sha1) {
            let mut insert = self.db.prepare_cached("INSERT OR IGNORE INTO listed_keys (name, idx) VALUES (?1, ?2)")?;
            insert.execute((name, index))?;
        }
        for (authority, first, last) in &serials {
            let sql = "INSERT OR IGNORE INTO listed_serials (authority, first, last, idx) VALUES (?1, ?2, ?3, ?4)";
            self.db.prepare_cached(sql)?.execute((authority, first, last, index))?;
        }
        for certificates in &p.certificates {
            for id in certificates.key_ids.iter().chain(&certificates.pseudonyms) {
                let sql = "INSERT OR IGNORE INTO listed_ids (authority, id, idx) VALUES (?1, ?2, ?3)";
                self.db.prepare_cached(sql)?.execute((
                    certificates.authority.as_deref().unwrap_or_default(),
                    id,
                    index,
                ))?;
            }
        }
        for fingerprint in &authorities {
            let sql = "INSERT INTO authority_revocations (idx, fingerprint, placed, since, revoked_by, reason)
                VALUES (?1, ?2, ?3, NULL, ?4, ?5)";
            self.db.prepare_cached(sql)?.execute((index, fingerprint, placed.millis(), p.by.as_str(), &p.reason))?;
        }
        for fingerprint in &keys {
            self.end_key(index, fingerprint, placed, None, &p.by, &p.reason)?;
        }
        self.db
            .prepare_cached("INSERT INTO revocation_lists (idx, number, digest, placed) VALUES (?1, ?2, ?3, ?4)")?
            .execute((index, &p.number, p.digest.to_string(), placed.millis()))?;
        Ok(())
    }

    /// Fingerprints of the keys and of the authorities that a list names and that are not revoked yet. With an authority go the keys that
    /// it certified.
    ///
    /// # Errors
    /// When the projection or a key cannot be read.
    pub fn named_by(&self, p: &RevocationListImported) -> Result<(Vec<String>, Vec<String>), Error> {
        let names =
            |key: &PublicKey| Ok::<_, Error>(p.keys.contains(&key.fingerprint()) || p.sha1.contains(&key.sha1()?));
        let (mut authorities, mut gone) = (Vec::new(), Vec::new());
        for row in self.authorities()? {
            if names(&row.key)? {
                gone.push(row.fingerprint.clone());
                if row.revoked.is_none() {
                    authorities.push(row.fingerprint);
                }
            }
        }
        let mut keys = Vec::new();
        for key in self.all_keys()?.into_iter().filter(|key| key.revoked.is_none()) {
            let Some(public) = &key.public else { continue };
            let mut named = names(public)?;
            if let Some(c) = self.certified(&key.fingerprint)? {
                named |= gone.contains(&c.authority)
                    || p.certificates
                        .iter()
                        .any(|listed| names_certificate(listed, &c.authority, &c.serial, &c.key_id));
            }
            if named {
                keys.push(key.fingerprint);
            }
        }
        Ok((keys, authorities))
    }

    /// Whether an administrator could still sign for good if none of these keys counted; without any, nothing changes.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn administrator_without_keys(&self, keys: &[String], now: Timestamp) -> Result<bool, Error> {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        Ok(keys.is_empty() || self.is_administered_but(&[], &keys, now)?)
    }

    /// Whether a list names the key with this fingerprint, if not by SHA-1 alone.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn listed_fingerprint(&self, fingerprint: &str) -> Result<bool, Error> {
        Ok(self.db.prepare_cached("SELECT 1 FROM listed_keys WHERE name = ?1")?.exists([fingerprint])?)
    }

    /// The entry with the list that names a key.
    ///
    /// # Errors
    /// When the projection or the key cannot be read.
    pub fn listed_key(&self, key: &PublicKey) -> Result<Option<u64>, Error> {
        let mut query = self.db.prepare_cached("SELECT min(idx) FROM listed_keys WHERE name IN (?1, ?2)")?;
        Ok(query.query_row((key.fingerprint(), key.sha1()?), |row| row.get(0))?)
    }

    /// The entry with the list that names a certificate, its key or its authority.
    ///
    /// # Errors
    /// When the projection or a key cannot be read.
    pub fn listed(&self, certificate: &Certificate) -> Result<Option<u64>, Error> {
        if let Some(index) = self.listed_key(&certificate.key)? {
            return Ok(Some(index));
        }
        if let Some(index) = self.listed_key(&certificate.authority)? {
            return Ok(Some(index));
        }
        let (authority, serial) = (certificate.authority.fingerprint(), certificate.serial.to_string());
        self.list_of(&authority, &serial, &certificate.key_id)
    }

    /// Whether a list names a certificate of an authority by its serial or its key id. Serial 0 is no number.
    pub(super) fn is_listed(&self, authority: &str, serial: &str, key_id: &str) -> Result<bool, Error> {
        Ok(self.list_of(authority, serial, key_id)?.is_some())
    }

    fn list_of(&self, authority: &str, serial: &str, key_id: &str) -> Result<Option<u64>, Error> {
        let serial = format!("{serial:0>20}");
        let mut query = self.db.prepare_cached(
            "SELECT min(idx) FROM listed_serials WHERE authority IN ('', ?1) AND first <= ?2 AND last >= ?2 AND ?2 <> ?3",
        )?;
        let by_serial: Option<u64> = query.query_row((authority, &serial, digits(0)), |row| row.get(0))?;
        let mut query =
            self.db.prepare_cached("SELECT min(idx) FROM listed_ids WHERE authority IN ('', ?1) AND id = ?2")?;
        let by_id: Option<u64> = query.query_row((authority, key_id), |row| row.get(0))?;
        Ok(by_serial.or(by_id))
    }

    /// Every list that was imported, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn revocation_lists(&self) -> Result<Vec<ListRow>, Error> {
        let mut query =
            self.db.prepare_cached("SELECT idx, number, digest, placed FROM revocation_lists ORDER BY idx")?;
        let rows = query.query_map([], list_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn list_row(row: &Row<'_>) -> rusqlite::Result<ListRow> {
    let number: String = row.get(1)?;
    // It is one: the fold looked.
    let number = number.parse().unwrap_or(u64::MAX);
    Ok(ListRow { index: row.get(0)?, number, digest: text(row, 2)?, placed: time(row, 3)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_and_numbers_name_nobody() {
        for good in ["", "per-0123456789abcdef0123", "0123", "7c9e6679-7425-40de-944b-e07fc1f90ae7"] {
            assert!(is_opaque(good), "{good}");
        }
        for bad in ["dan", "ada", "dan@firm.example", "per-dan", "DAN", "a b", &"0".repeat(65)] {
            assert!(!is_opaque(bad), "{bad}");
        }
    }
}
