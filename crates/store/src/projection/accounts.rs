//! Accounts that people have elsewhere. In the log stands a keyed pseudonym; which account it is stands in an attachment that is
//! sealed with the person's key, so it goes when the person's data is erased.

use countersign_evidence::act;
use countersign_model::access::account::Account;
use countersign_model::access::{Action, Field};
use countersign_model::digest::Hasher;
use countersign_model::event::{AccountLinked, AccountUnlinked, WorkloadVerified};
use countersign_model::{PayloadRef, PersonId};
use rusqlite::{OptionalExtension as _, Row};

use super::read::{Act, Reading};
use super::sql::{Fold, blob, media, require, text};
use super::state::State;
use super::table::Table;
use crate::{Error, subjects};

pub(super) const TABLES: &[Table] = &[Table {
    name: "accounts",
    key: &["idx"],
    index: "idx",
    sql: "CREATE TABLE accounts (idx INTEGER PRIMARY KEY, account TEXT NOT NULL, person TEXT NOT NULL, sealed TEXT NOT NULL,
        sealed_size INTEGER NOT NULL, sealed_media TEXT NOT NULL, unlinked INTEGER) STRICT;
        CREATE UNIQUE INDEX accounts_linked ON accounts (account) WHERE unlinked IS NULL;
        CREATE INDEX accounts_by_person ON accounts (person, idx);",
}];

/// How the pseudonym of a text of an identity token begins, and how many hex digits follow.
const PREFIX: &str = "pseudonym-";
const DIGITS: usize = 16;

/// The keyed pseudonym of a text of an issuer: the same text of the same issuer gives the same one within a ledger.
#[must_use]
pub fn issuer_pseudonym(salt: &[u8], issuer: &str, text: &str) -> String {
    let mut hasher = Hasher::new();
    hasher.update(b"countersign workload v1\0");
    hasher.update(salt);
    hasher.update(issuer.as_bytes());
    hasher.update(b"\0");
    hasher.update(text.as_bytes());
    let hex: String = hasher.finish().hex().chars().take(DIGITS).collect();
    format!("{PREFIX}{hex}")
}

/// An account of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Log index of the link.
    pub index: u64,
    /// Whose it is.
    pub person: PersonId,
    /// Its pseudonym.
    pub pseudonym: String,
    /// Which it is; `None` when the person's data is erased, or their key is not kept here.
    pub account: Option<Account>,
}

impl State {
    pub(super) fn on_account_linked(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: AccountLinked = self.signed(signed, act::ACCOUNT, |p: &AccountLinked| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::LinkAccount)?;
        require(self.is_enrolled(&p.person)?, "nobody with that id is enrolled")?;
        require(!self.is_erased(&p.person)?, "that person's data is erased")?;
        require(!self.has_left(&p.person)?, "that person left")?;
        require(
            p.by != p.person || !self.has_other_administrator(&p.person, reading.entry.time)?,
            "nobody links an account to themselves while another administrator can",
        )?;
        let hex = p.account.strip_prefix(PREFIX).unwrap_or_default();
        let is_hex = hex.len() == DIGITS && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        require(is_hex, "it is no pseudonym of an account")?;
        require(self.account_holder(&p.account)?.is_none(), "that account is somebody's already")?;
        let (blob, said) = reading.named(0)?;
        require(said == p.sealed, "the sealed account is not the one the statement names")?;
        require(reading.attachments() == 1, "the statement does not name all attachments")?;
        self.db
            .prepare_cached(
                "INSERT INTO accounts (idx, account, person, sealed, sealed_size, sealed_media)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((
                reading.index,
                &p.account,
                p.person.as_str(),
                blob.sha256.to_string(),
                blob.size,
                media(&blob),
            ))?;
        Ok(())
    }

    pub(super) fn on_account_unlinked(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: AccountUnlinked = self.signed(signed, act::ACCOUNT_REMOVAL, |p: &AccountUnlinked| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::UnlinkAccount)?;
        require(self.account_holder(&p.account)?.as_ref() == Some(&p.person), "that account is not the person's")?;
        // Whoever takes their account away is no pusher any more.
        require(
            p.by != p.person || !self.has_other_administrator(&p.person, reading.entry.time)?,
            "nobody takes an account from themselves while another administrator can",
        )?;
        self.db
            .prepare_cached("UPDATE accounts SET unlinked = ?2 WHERE account = ?1 AND unlinked IS NULL")?
            .execute((&p.account, reading.index))?;
        Ok(())
    }

    /// A workload names the person whose account its actor is, and nobody else.
    pub(super) fn names_its_actor(&self, p: &WorkloadVerified) -> Fold {
        let actor = p.fields.get(&Field::Actor).map(|actor| self.person_by_account(actor)).transpose()?.flatten();
        require(p.person == actor, "the person that it names is not the one whose account its actor is")
            .map_err(Into::into)
    }

    /// Whose an account is, by its pseudonym, whether they are here or left.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn account_holder(&self, pseudonym: &str) -> Result<Option<PersonId>, Error> {
        let mut query =
            self.db.prepare_cached("SELECT person FROM accounts WHERE account = ?1 AND unlinked IS NULL")?;
        Ok(query.query_row([pseudonym], |row| text(row, 0)).optional()?)
    }

    /// The person whom an account means, by its pseudonym; nobody where they left.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn person_by_account(&self, pseudonym: &str) -> Result<Option<PersonId>, Error> {
        match self.account_holder(pseudonym)? {
            Some(person) if !self.has_left(&person)? => Ok(Some(person)),
            _ => Ok(None),
        }
    }

    /// The accounts that are a person's, oldest first.
    ///
    /// # Errors
    /// When the projection or a sealed account cannot be read.
    pub fn accounts_of(&self, person: &PersonId) -> Result<Vec<AccountRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, account, sealed, sealed_size, sealed_media FROM accounts
             WHERE person = ?1 AND unlinked IS NULL ORDER BY idx",
        )?;
        let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, blob(row, 2)?));
        let rows: Vec<(u64, String, PayloadRef)> =
            query.query_map([person.as_str()], row)?.collect::<Result<_, _>>()?;
        rows.into_iter()
            .map(|(index, pseudonym, sealed)| {
                let account = subjects::open_account(&self.vault, person, &pseudonym, &sealed)?;
                Ok(AccountRow { index, person: person.clone(), pseudonym, account })
            })
            .collect()
    }

    /// Who acted in CI for a commit of a repository, as tokens say, and in which entry.
    pub(super) fn actors(&self, repository: Option<&str>, commit: &str) -> Result<Vec<(PersonId, u64)>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT w.person, min(w.idx) FROM workloads w JOIN runs r ON r.run = w.run
             WHERE w.person IS NOT NULL AND r.commit_id = ?1 AND r.identity IS ?2 GROUP BY w.person ORDER BY w.person",
        )?;
        Ok(query.query_map((commit, repository), |row| Ok((text(row, 0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
    }
}
