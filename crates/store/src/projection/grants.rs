//! Deploy grants and what became of them.

use countersign_evidence::act;
use countersign_model::event::{Device, GrantIssued, GrantRevoked};
use countersign_model::submission::SentBy;
use countersign_model::{Action, BreakGlassId, Digest, GrantId};
use rusqlite::{OptionalExtension as _, Row};

use super::read::{Act, Reading, to_json};
use super::sql::{Fold, json, maybe, require, text, time};
use super::state::State;
use super::table::Table;
use super::waivers::Said;
use crate::Error;

pub(super) const TABLES: &[Table] = &[Table {
    name: "grants",
    key: &["grant_id"],
    index: "idx",
    sql: "CREATE TABLE grants (grant_id TEXT PRIMARY KEY, idx INTEGER NOT NULL, repository TEXT NOT NULL,
        run TEXT NOT NULL, commit_id TEXT NOT NULL, tree TEXT NOT NULL, artifacts TEXT NOT NULL,
        environment TEXT NOT NULL, replaces TEXT, decision TEXT NOT NULL, approvals TEXT NOT NULL,
        person TEXT NOT NULL, key TEXT NOT NULL, host TEXT NOT NULL, self_judged INTEGER NOT NULL,
        time INTEGER NOT NULL, expires INTEGER NOT NULL, started INTEGER, ended INTEGER, success INTEGER,
        revoked INTEGER, revoked_by TEXT, revoked_at INTEGER, revocation_reason TEXT, break_glass TEXT, standing TEXT,
        excluded TEXT NOT NULL, sent_key TEXT, sent TEXT)
        STRICT, WITHOUT ROWID;
        CREATE INDEX grants_by_run ON grants (run);
        CREATE INDEX grants_by_key ON grants (sent_key);
        CREATE INDEX grants_under_way ON grants (environment) WHERE started IS NOT NULL AND ended IS NULL;",
}];

/// What became of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantState {
    /// Not used yet.
    Issued,
    /// Taken back before it was used.
    Revoked,
    /// Redeemed; no outcome is recorded (it runs, or the machine died).
    Started,
    /// Ended.
    Ended {
        /// Whether the command succeeded.
        success: bool,
    },
}

/// A deploy grant.
#[derive(Debug, Clone)]
pub struct GrantRow {
    /// Log index.
    pub index: u64,
    /// What it says.
    pub grant: GrantIssued,
    /// What became of it.
    pub state: GrantState,
    /// Log index of its redemption.
    pub started: Option<u64>,
    /// Who redeemed it over the network; none: it was redeemed where the ledger is, or not at all.
    pub sent: Option<SentBy>,
    /// Who took it back, where somebody did.
    pub revoked: Option<Said>,
}

/// The longest a grant may live, in seconds.
pub const LONGEST_GRANT: i64 = 24 * 60 * 60;

const COLUMNS: &str = "grant_id, idx, repository, run, commit_id, tree, artifacts, environment, replaces, decision,
    approvals, person, key, host, self_judged, time, expires, started, ended, success, revoked, revoked_by, revoked_at,
    revocation_reason, break_glass, standing, excluded, sent FROM grants";

impl State {
    pub(super) fn on_grant(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: GrantIssued = self.signed(signed, act::GRANT, |p: &GrantIssued| &p.by)?;
        self.same_ledger(&p.origin)?;
        require(signed.is_by(&p.device.key), "the device's key is not the one that signed it")?;
        let run = self.started(&p.run)?;
        require(reading.entry.stream == (&p.grant).into(), "it stands in another stream than the grant's")?;
        let known = self.run_of_stream(&reading.entry.stream)?;
        require(known.as_ref().is_none_or(|run| *run == p.run), "it refers to another run")?;
        require(run.commit == p.commit && run.tree == p.tree, "the grant is for another commit than its run")?;
        let judged = p.self_judged || self.is_judged_by_server(&p.run)?;
        require(judged, "it says that a server judged what the machine that ran it judged")?;
        require(p.expires > p.time, "it was over before it began")?;
        require(p.expires <= p.time.plus_seconds(LONGEST_GRANT), "it lives longer than a grant may")?;
        let mut query = self.db.prepare_cached("SELECT 1 FROM grants WHERE grant_id = ?1")?;
        require(!query.exists([p.grant.as_str()])?, "a grant of that id was issued before")?;
        let at = p.time.max(self.time_before(reading.index)?);
        match &p.break_glass {
            None => {
                self.needs(&p.by, Action::IssueGrant)?;
                let plain = p.standing.is_none() && p.excluded.is_empty() && reading.attachments() == 0;
                require(plain, "it says more than a grant does that passes no gate")?;
                require(self.closed(&p.environment, at)?.is_none(), "the environment was not open")?;
            }
            Some(id) => self.under_glass(reading, &p, id, at)?,
        }
        self.db
            .prepare_cached(
                "INSERT INTO grants (grant_id, idx, repository, run, commit_id, tree, artifacts, environment, replaces,
                 decision, approvals, person, key, host, self_judged, time, expires, break_glass, standing, excluded)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
            )?
            .execute(rusqlite::params![
                p.grant.as_str(),
                reading.index,
                p.repository,
                p.run.as_str(),
                p.commit,
                p.tree,
                to_json(&p.artifacts)?,
                p.environment,
                p.replaces,
                p.decision.to_string(),
                to_json(&p.approvals)?,
                p.by.as_str(),
                p.device.key,
                p.device.host,
                p.self_judged,
                p.time.millis(),
                p.expires.millis(),
                p.break_glass.as_ref().map(BreakGlassId::as_str),
                p.standing.map(|digest| digest.to_string()),
                to_json(&p.excluded)?,
            ])?;
        // Whose grant it is cannot be told without its payload, so that run's payloads stay.
        // What went past the gates stays, too.
        if known.is_none() || p.break_glass.is_some() { self.pin_run(reading.index, &p.run) } else { Ok(()) }
    }

    pub(super) fn on_grant_revocation(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: GrantRevoked = self.signed(signed, act::GRANT_REVOCATION, |p: &GrantRevoked| &p.by)?;
        self.same_ledger(&p.origin)?;
        let row = self.grant(&p.grant)?.ok_or("no such grant was issued")?;
        require(row.state == GrantState::Issued, "the grant was used or taken back before")?;
        require(reading.entry.stream == (&p.grant).into(), "it stands in another stream than the grant's")?;
        require(!p.reason.trim().is_empty(), "it says no reason")?;
        if row.grant.by != p.by {
            self.needs(&p.by, Action::RevokeGrant)?;
        }
        self.db
            .prepare_cached(
                "UPDATE grants SET revoked = ?2, revoked_by = ?3, revoked_at = ?4, revocation_reason = ?5
                 WHERE grant_id = ?1",
            )?
            .execute((p.grant.as_str(), reading.index, p.by.as_str(), p.time.millis(), p.reason))?;
        Ok(())
    }

    /// A deploy grant.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn grant(&self, id: &GrantId) -> Result<Option<GrantRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE grant_id = ?1"))?;
        Ok(query.query_row([id.as_str()], |row| self.grant_row(row)).optional()?)
    }

    /// The grant that was redeemed over the network under a key.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn grant_redeemed_under(&self, key: &Digest) -> Result<Option<GrantRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE sent_key = ?1"))?;
        Ok(query.query_row([key.to_string()], |row| self.grant_row(row)).optional()?)
    }

    /// Every grant, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn grants(&self) -> Result<Vec<GrantRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} ORDER BY idx"))?;
        Ok(query.query_map([], |row| self.grant_row(row))?.collect::<Result<_, _>>()?)
    }

    /// Every grant for a run, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn grants_of_run(&self, run: &countersign_model::RunId) -> Result<Vec<GrantRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE run = ?1 ORDER BY idx"))?;
        Ok(query.query_map([run.as_str()], |row| self.grant_row(row))?.collect::<Result<_, _>>()?)
    }

    fn grant_row(&self, row: &Row<'_>) -> rusqlite::Result<GrantRow> {
        let (started, ended): (Option<u64>, Option<u64>) = (row.get(17)?, row.get(18)?);
        let revoked = match row.get::<_, Option<u64>>(20)? {
            Some(index) => Some(Said { index, by: text(row, 21)?, time: time(row, 22)?, reason: row.get(23)? }),
            None => None,
        };
        let state = match (started, ended) {
            (None, _) if revoked.is_some() => GrantState::Revoked,
            (None, _) => GrantState::Issued,
            (Some(_), None) => GrantState::Started,
            (Some(_), Some(_)) => GrantState::Ended { success: row.get(19)? },
        };
        Ok(GrantRow {
            index: row.get(1)?,
            grant: GrantIssued {
                origin: self.origin().to_owned(),
                grant: text(row, 0)?,
                repository: row.get(2)?,
                run: text(row, 3)?,
                commit: row.get(4)?,
                tree: row.get(5)?,
                artifacts: json(row, 6)?,
                environment: row.get(7)?,
                replaces: row.get(8)?,
                decision: text(row, 9)?,
                approvals: json(row, 10)?,
                by: text(row, 11)?,
                device: Device { key: row.get(12)?, host: row.get(13)? },
                self_judged: row.get(14)?,
                time: time(row, 15)?,
                expires: time(row, 16)?,
                break_glass: maybe(row, 24)?,
                standing: maybe(row, 25)?,
                excluded: json(row, 26)?,
            },
            state,
            started,
            sent: row.get::<_, Option<String>>(27)?.map(|_| json(row, 27)).transpose()?,
            revoked,
        })
    }
}
