//! All tables of the projection.

use countersign_model::Digest;

use super::{
    access, accounts, anomalies, approvals, assessments, audits, authorities, bundles, claims, db, decisions,
    deployments, disposals, emergencies, enforcements, engagements, entries, erasures, evidence, freezes, furnishings,
    gates, grants, keys, log_keys, notices, offices, people, placed, refusals, registry, reviews, revocation_lists,
    roles, runs, scans, schedule, second_keys, snapshots, storages, submissions, suppressions, tokens, trust, visits,
    waivers, workloads,
};

/// Raised when the same log is to give other rows in the same tables. A change of the tables themselves needs nothing:
/// they are part of the schema's version.
const FOLD: u32 = 6;

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    /// Its name.
    pub(super) name: &'static str,
    /// The columns that tell its rows apart, in order.
    pub(super) key: &'static [&'static str],
    /// The column with the log index a row comes from.
    pub(super) index: &'static str,
    /// How it is made.
    pub(super) sql: &'static str,
}

/// Every table, in the order in which they are made and compared.
pub(super) fn all() -> impl Iterator<Item = &'static Table> {
    [
        db::TABLES,
        entries::TABLES,
        trust::TABLES,
        log_keys::TABLES,
        people::TABLES,
        keys::TABLES,
        authorities::TABLES,
        revocation_lists::TABLES,
        roles::TABLES,
        reviews::TABLES,
        access::TABLES,
        bundles::TABLES,
        runs::TABLES,
        scans::TABLES,
        evidence::TABLES,
        decisions::TABLES,
        approvals::TABLES,
        claims::TABLES,
        suppressions::TABLES,
        grants::TABLES,
        deployments::TABLES,
        placed::TABLES,
        snapshots::TABLES,
        refusals::TABLES,
        storages::TABLES,
        assessments::TABLES,
        audits::TABLES,
        engagements::TABLES,
        furnishings::TABLES,
        schedule::TABLES,
        second_keys::TABLES,
        offices::TABLES,
        disposals::TABLES,
        erasures::TABLES,
        registry::TABLES,
        enforcements::TABLES,
        waivers::TABLES,
        gates::TABLES,
        freezes::TABLES,
        emergencies::TABLES,
        notices::TABLES,
        workloads::TABLES,
        accounts::TABLES,
        visits::TABLES,
        submissions::TABLES,
        tokens::TABLES,
        anomalies::TABLES,
    ]
    .into_iter()
    .flatten()
}

/// The schema's version: it changes with every table, every column, [`FOLD`] and the program's version.
pub(super) fn version() -> i32 {
    let mut text = format!("{FOLD}\n{}\n", env!("CARGO_PKG_VERSION"));
    for table in all() {
        text.push_str(table.sql);
    }
    let digest = Digest::of(text.as_bytes());
    let [a, b, c, d, ..] = *digest.as_bytes();
    // Never 0, which is what an empty database has.
    i32::from_be_bytes([a, b, c, d]) | 1
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_table_has_a_name_of_its_own_a_key_and_an_index() {
        let mut names: Vec<_> = super::all().map(|t| t.name).collect();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
        for table in super::all() {
            let made = format!("CREATE TABLE {} (", table.name);
            assert!(table.sql.contains(&made), "{}", table.name);
            assert!(!table.key.is_empty() && table.sql.contains(table.index), "{}", table.name);
        }
    }
}
