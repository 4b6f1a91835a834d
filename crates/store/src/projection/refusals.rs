//! Acts that were tried and refused.

use countersign_model::event::ActRefused;

use super::read::Machine;
use super::sql::Fold;
use super::state::State;
use super::table::Table;

pub(super) const TABLES: &[Table] = &[Table {
    name: "refusals",
    key: &["idx"],
    index: "idx",
    sql: "CREATE TABLE refusals (idx INTEGER PRIMARY KEY, act TEXT NOT NULL, run TEXT, person TEXT, code TEXT NOT NULL,
        time INTEGER NOT NULL) STRICT;
        CREATE INDEX refusals_by_run ON refusals (run);",
}];

impl State {
    pub(super) fn on_refusal(&self, index: u64, machine: &Machine) -> Fold {
        let p: ActRefused = self.statement(machine)?;
        self.db
            .prepare_cached("INSERT INTO refusals (idx, act, run, person, code, time) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute((
                index,
                &p.act,
                p.run.as_ref().map(countersign_model::RunId::as_str),
                p.person.as_ref().map(countersign_model::PersonId::as_str),
                &p.code,
                p.time.millis(),
            ))?;
        Ok(())
    }
}
