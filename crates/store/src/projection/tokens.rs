//! Tokens for programs: whose each is, what it opens, and until when. The log knows digests; whoever reads these tables gets in nowhere.

use std::collections::BTreeSet;

use countersign_evidence::act;
use countersign_model::access::Action;
use countersign_model::access::token::{LONGEST_TOKEN_DAYS, TokenLimits, TokenScope, is_repository};
use countersign_model::event::{TokenIssued, TokenRevoked};
use countersign_model::{Digest, PersonId, Timestamp};
use rusqlite::{OptionalExtension as _, Row};

use super::read::{Act, Reading, to_json};
use super::sql::{Fold, json, require, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[Table {
    name: "tokens",
    key: &["token"],
    index: "idx",
    sql: "CREATE TABLE tokens (token TEXT PRIMARY KEY, idx INTEGER NOT NULL, person TEXT NOT NULL, key TEXT NOT NULL,
        scopes TEXT NOT NULL, expires INTEGER NOT NULL, time INTEGER NOT NULL, revoked INTEGER,
        applications TEXT NOT NULL, repositories TEXT NOT NULL) STRICT, WITHOUT ROWID;
        CREATE INDEX tokens_by_index ON tokens (idx);",
}];

/// Seconds of a token's longest life.
const LONGEST: i64 = LONGEST_TOKEN_DAYS * 24 * 60 * 60;
const COLUMNS: &str = "token, idx, person, key, scopes, expires, time, revoked, applications, repositories FROM tokens";

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// SHA-256 of its text.
    pub token: Digest,
    /// Log index.
    pub index: u64,
    /// In whose name it reads.
    pub person: PersonId,
    /// The fingerprint of the key that signed it: when that counts no longer, neither does the token.
    pub key: String,
    /// What it opens.
    pub scopes: BTreeSet<TokenScope>,
    /// To what it is limited.
    pub limits: TokenLimits,
    /// From when on it opens nothing.
    pub expires: Timestamp,
    /// When it was made.
    pub time: Timestamp,
    /// Log index of its revocation.
    pub revoked: Option<u64>,
}

impl TokenRow {
    /// What people call it: the first 16 hex digits of its digest.
    #[must_use]
    pub fn name(&self) -> String {
        self.token.hex().chars().take(16).collect()
    }
}

impl State {
    pub(super) fn on_token_issued(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: TokenIssued = self.signed(signed, act::TOKEN, |p: &TokenIssued| &p.person)?;
        self.same_ledger(&p.origin)?;
        require(!self.roles_of(&p.person)?.is_empty(), "its person has no role, so there is nothing for it to open")?;
        require(!p.scopes.is_empty(), "it opens nothing")?;
        let now = reading.entry.time;
        require(p.expires > now, "it is over before it begins")?;
        require(p.expires <= now.plus_seconds(LONGEST), "it would count longer than 90 days")?;
        for application in &p.applications {
            require(
                self.application(application)?.is_some(),
                "it is limited to an application that is not registered",
            )?;
        }
        require(p.repositories.iter().all(|r| is_repository(r)), "it is limited to what is no repository")?;
        require(self.token(&p.token)?.is_none(), "there is a token of that digest")?;
        require(reading.attachments() == 0, "the statement does not name all attachments")?;
        let key = signed.signer.as_ref().map(|key| key.fingerprint()).ok_or("nobody's key signed it")?;
        let scopes: Vec<&str> = p.scopes.iter().map(|s| s.as_str()).collect();
        self.db
            .prepare_cached(
                "INSERT INTO tokens (token, idx, person, key, scopes, expires, time, applications, repositories)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute((
                p.token.to_string(),
                reading.index,
                p.person.as_str(),
                key,
                scopes.join(" "),
                p.expires.millis(),
                now.millis(),
                to_json(&p.applications)?,
                to_json(&p.repositories)?,
            ))?;
        Ok(())
    }

    pub(super) fn on_token_revoked(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: TokenRevoked = self.signed(signed, act::TOKEN_REVOCATION, |p: &TokenRevoked| &p.by)?;
        self.same_ledger(&p.origin)?;
        let row = self.token(&p.token)?.ok_or("there is no such token")?;
        if row.person != p.by {
            self.needs(&p.by, Action::RevokeToken)?;
        }
        require(row.revoked.is_none(), "it was revoked before")?;
        require(!p.reason.trim().is_empty(), "it says no reason")?;
        self.db
            .prepare_cached("UPDATE tokens SET revoked = ?2 WHERE token = ?1")?
            .execute((p.token.to_string(), reading.index))?;
        Ok(())
    }

    /// A token by its digest.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn token(&self, token: &Digest) -> Result<Option<TokenRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE token = ?1"))?;
        Ok(query.query_row([token.to_string()], row).optional()?)
    }

    /// Every token that there was, oldest first: of one person or of all.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn tokens(&self, person: Option<&PersonId>) -> Result<Vec<TokenRow>, Error> {
        let mut query =
            self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE ?1 IS NULL OR person = ?1 ORDER BY idx"))?;
        Ok(query.query_map([person.map(PersonId::as_str)], row)?.collect::<Result<_, _>>()?)
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<TokenRow> {
    let scopes: String = row.get(4)?;
    Ok(TokenRow {
        token: text(row, 0)?,
        index: row.get(1)?,
        person: text(row, 2)?,
        key: row.get(3)?,
        scopes: scopes.split(' ').filter_map(|s| s.parse().ok()).collect(),
        expires: time(row, 5)?,
        time: time(row, 6)?,
        revoked: row.get(7)?,
        limits: TokenLimits { applications: json(row, 8)?, repositories: json(row, 9)? },
    })
}
