//! Approvals of decisions.

use countersign_evidence::act;
use countersign_model::event::{ApprovalSigned, Device};
use countersign_model::{Action, Digest, PersonId, RunId, Slot, Timestamp};

use super::read::{Act, Reading};
use super::sql::{Fold, Stop, require, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[Table {
    name: "approvals",
    key: &["idx"],
    index: "idx",
    sql: "CREATE TABLE approvals (idx INTEGER PRIMARY KEY, run TEXT NOT NULL, decision TEXT NOT NULL,
        slot TEXT NOT NULL, person TEXT NOT NULL, key TEXT NOT NULL, host TEXT NOT NULL, strength TEXT NOT NULL,
        time INTEGER NOT NULL) STRICT;
        CREATE INDEX approvals_by_run ON approvals (run, idx);
        CREATE INDEX approvals_by_person ON approvals (person);",
}];

/// Whether an approval was given before. Without the sign before `person` SQLite walks through everything that the person ever
/// approved: a firm has few approvers and many approvals.
const GIVEN: &str = "SELECT 1 FROM approvals WHERE run = ?1 AND decision = ?2 AND slot = ?3 AND +person = ?4";

/// An approval.
#[derive(Debug, Clone)]
pub struct ApprovalRow {
    /// Log index.
    pub index: u64,
    /// The decision it binds.
    pub decision: Digest,
    /// Which signature.
    pub slot: Slot,
    /// Who.
    pub person: PersonId,
    /// With what.
    pub device: Device,
    /// How strong.
    pub strength: String,
    /// When.
    pub time: Timestamp,
}

impl State {
    pub(super) fn on_approval(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: ApprovalSigned = self.signed(signed, act::APPROVAL, |p: &ApprovalSigned| &p.person)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.person, Action::approving(p.slot))?;
        let key_is_theirs = self.holder(&p.device.key)?.as_ref() == Some(&p.person);
        require(key_is_theirs, "the device's key is not a key of the person")?;
        let run = self.started(&p.run)?;
        self.belongs(reading, &p.run)?;
        require(run.commit == p.commit && run.tree == p.tree, "it approves another commit than its run's")?;
        require(run.identity.as_deref() == Some(p.repository.as_str()), "it approves another repository")?;
        let policy =
            self.policy_of(&p.run, &p.decision)?.ok_or_else(|| Stop::from("it binds a decision never made"))?;
        require(policy == Some(p.bundle.to_string()), "it binds another policy bundle than its decision's")?;
        let mut query = self.db.prepare_cached(GIVEN)?;
        let decision = p.decision.to_string();
        let repeated = query.exists((p.run.as_str(), &decision, p.slot.as_str(), p.person.as_str()))?;
        require(!repeated, "that person gave this approval before")?;
        self.db
            .prepare_cached(
                "INSERT INTO approvals (idx, run, decision, slot, person, key, host, strength, time)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute((
                reading.index,
                p.run.as_str(),
                &decision,
                p.slot.as_str(),
                p.person.as_str(),
                &p.device.key,
                &p.device.host,
                &p.strength,
                p.time.millis(),
            ))?;
        Ok(())
    }

    pub(super) fn approvals_of(&self, run: &RunId) -> Result<Vec<ApprovalRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, decision, slot, person, key, host, strength, time FROM approvals WHERE run = ?1 ORDER BY idx",
        )?;
        let rows = query.query_map([run.as_str()], |row| {
            Ok(ApprovalRow {
                index: row.get(0)?,
                decision: text(row, 1)?,
                slot: text(row, 2)?,
                person: text(row, 3)?,
                device: Device { key: row.get(4)?, host: row.get(5)? },
                strength: row.get(6)?,
                time: time(row, 7)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_is_looked_for_in_its_run() {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        db.execute_batch(TABLES[0].sql).unwrap();
        let plan: String =
            db.query_row(&format!("EXPLAIN QUERY PLAN {GIVEN}"), ["r", "d", "s", "p"], |row| row.get(3)).unwrap();
        assert!(plan.contains("approvals_by_run"), "{plan}");
    }
}
