//! Entry 0 and the root of trust.

use countersign_evidence::act;
use countersign_evidence::canonical;
use countersign_evidence::sshsig::PublicKey;
use countersign_model::event::{LedgerCreated, RoleGranted, TrustRootEstablished};
use countersign_model::{Digest, PersonId, Role};
use rusqlite::OptionalExtension as _;

use super::read::{Act, Reading, open_statement};
use super::sql::{Fold, require, text};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "ledgers",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE ledgers (idx INTEGER PRIMARY KEY, origin TEXT NOT NULL, vkey TEXT NOT NULL,
            recorder TEXT NOT NULL) STRICT;",
    },
    Table {
        name: "trust_roots",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE trust_roots (idx INTEGER PRIMARY KEY, entry TEXT NOT NULL, administrator TEXT NOT NULL,
            recorder TEXT NOT NULL, role_rules INTEGER) STRICT;",
    },
];

/// The root of trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRoot {
    /// Log index of the entry.
    pub index: u64,
    /// RFC 6962 leaf hash of the entry: what a pin holds on to.
    pub entry: Digest,
    /// The first administrator.
    pub administrator: PersonId,
    /// The recorder they vouched for.
    pub recorder: String,
}

impl State {
    pub(super) fn on_created(&mut self, index: u64, payload: &[u8]) -> Fold {
        require(index == 0, "a ledger is created once, in entry 0")?;
        let p: LedgerCreated = canonical::from_slice(payload).map_err(|e| e.to_string())?;
        self.db
            .prepare_cached("INSERT INTO ledgers (idx, origin, vkey, recorder) VALUES (?1, ?2, ?3, ?4)")?
            .execute((index, &p.origin, &p.vkey, &p.recorder))?;
        (self.head.origin, self.head.vkey, self.head.recorder) = (p.origin, p.vkey, p.recorder);
        Ok(())
    }

    pub(super) fn on_trust_root(&mut self, reading: &Reading, signed: &Act) -> Fold {
        let (index, leaf) = (reading.index, reading.leaf);
        let p: TrustRootEstablished = open_statement(&signed.statement)?;
        require(self.head.trust.is_none(), "trust is rooted once")?;
        let key = PublicKey::parse(&p.key).map_err(|e| e.to_string())?;
        signed.act.open(act::TRUST_ROOT, &key).map_err(|e| e.to_string())?;
        self.same_ledger(&p.origin)?;
        require(p.vkey == self.head.vkey, "it vouches for another log key")?;
        // A root that signs itself proves nothing: the pin outside the repository does.
        if let Some(pinned) = &self.pinned {
            require(pinned.index == index && pinned.entry == leaf, "it is not the root that this machine has pinned")?;
        }
        self.enrol(reading, &p.administrator, &key, p.profile)?;
        let rules = p.role_rules.unwrap_or(1);
        let first = RoleGranted {
            origin: p.origin,
            person: p.administrator.clone(),
            role: Role::Administrator,
            by: p.administrator.clone(),
            reason: None,
            expires: None,
            time: p.time,
        };
        self.add_role(index, &first, rules)?;
        self.db
            .prepare_cached(
                "INSERT INTO trust_roots (idx, entry, administrator, recorder, role_rules) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((index, leaf.to_string(), p.administrator.as_str(), &p.recorder, p.role_rules))?;
        self.head.trust = Some(TrustRoot { index, entry: leaf, administrator: p.administrator, recorder: p.recorder });
        Ok(())
    }

    pub(super) fn load_trust(&mut self) -> Result<(), Error> {
        let mut query = self.db.prepare_cached("SELECT origin, vkey, recorder FROM ledgers ORDER BY idx LIMIT 1")?;
        let found = query.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        (self.head.origin, self.head.vkey, self.head.recorder) = found.unwrap_or_default();
        let mut query = self
            .db
            .prepare_cached("SELECT idx, entry, administrator, recorder FROM trust_roots ORDER BY idx LIMIT 1")?;
        let row = |row: &rusqlite::Row<'_>| {
            Ok(TrustRoot {
                index: row.get(0)?,
                entry: text(row, 1)?,
                administrator: text(row, 2)?,
                recorder: row.get(3)?,
            })
        };
        self.head.trust = query.query_row([], row).optional()?;
        Ok(())
    }

    /// Where trust begins; `None` before `init`.
    #[must_use]
    pub const fn trust(&self) -> Option<&TrustRoot> {
        self.head.trust.as_ref()
    }

    /// The log's origin, as entry 0 names it.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.head.origin
    }

    /// The log's verifier key: the one that entry 0 names, or the one that the last rotation put in its place.
    #[must_use]
    pub fn vkey(&self) -> &str {
        &self.head.vkey
    }

    /// The recorder that entry 0 names, `ed25519:` + base64.
    #[must_use]
    pub fn recorder(&self) -> &str {
        &self.head.recorder
    }

    /// Whether the first administrator vouched for the recorder that this ledger uses.
    #[must_use]
    pub fn recorder_enrolled(&self) -> bool {
        self.head.trust.as_ref().is_some_and(|t| t.recorder == self.head.recorder)
    }

    pub(super) fn same_ledger(&self, origin: &str) -> Result<(), String> {
        require(origin == self.head.origin, "it was signed for another ledger")
    }
}
