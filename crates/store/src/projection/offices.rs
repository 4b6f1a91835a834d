//! Who stands for the records before an examiner (17 CFR 240.17a-4(f)(3)(v)).

use countersign_evidence::act;
use countersign_model::event::{RecordsOfficerDesignated, RecordsOfficerRevoked};
use countersign_model::retention::Office;
use countersign_model::{Action, PersonId, Timestamp};

use super::read::Act;
use super::sql::{Fold, Stop, require, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[Table {
    name: "offices",
    key: &["person", "office"],
    index: "idx",
    sql: "CREATE TABLE offices (person TEXT NOT NULL, office TEXT NOT NULL, idx INTEGER NOT NULL,
        designated_by TEXT NOT NULL, time INTEGER NOT NULL, PRIMARY KEY (person, office)) STRICT, WITHOUT ROWID;",
}];

/// Somebody who holds an office.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfficeRow {
    /// Log index of the designation.
    pub index: u64,
    /// Who.
    pub person: PersonId,
    /// Which office.
    pub office: Office,
    /// Who said so.
    pub by: PersonId,
    /// When.
    pub time: Timestamp,
}

impl State {
    pub(super) fn on_designated(&self, index: u64, signed: &Act) -> Fold {
        let p: RecordsOfficerDesignated =
            self.signed(signed, act::RECORDS_OFFICER, |p: &RecordsOfficerDesignated| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.may_appoint(&p.by, p.office)?;
        require(self.is_enrolled(&p.person)?, "nobody with that id is enrolled")?;
        require(!self.holds_office(&p.person, p.office)?, "that person holds the office already")?;
        let mut query = self.db.prepare_cached("SELECT count(*) FROM offices WHERE office = ?1")?;
        let held: usize = query.query_row([p.office.as_str()], |row| row.get(0))?;
        require(held < p.office.limit(), &format!("the office `{}` is held by {held} already", p.office))?;
        self.db
            .prepare_cached(
                "INSERT INTO offices (person, office, idx, designated_by, time) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((p.person.as_str(), p.office.as_str(), index, p.by.as_str(), p.time.millis()))?;
        Ok(())
    }

    pub(super) fn on_office_revoked(&self, signed: &Act) -> Fold {
        let p: RecordsOfficerRevoked =
            self.signed(signed, act::RECORDS_OFFICER_REVOCATION, |p: &RecordsOfficerRevoked| &p.by)?;
        self.same_ledger(&p.origin)?;
        // Whoever could give the office can take it back, and those who designate the executive officer always can.
        if !self.may(&p.by, Action::RevokeOffice)? {
            self.may_appoint(&p.by, p.office)?;
        }
        require(self.holds_office(&p.person, p.office)?, "that person does not hold the office")?;
        self.db
            .prepare_cached("DELETE FROM offices WHERE person = ?1 AND office = ?2")?
            .execute((p.person.as_str(), p.office.as_str()))?;
        Ok(())
    }

    /// Whoever leaves holds no office any more.
    pub(super) fn end_offices(&self, person: &PersonId) -> Fold {
        self.db.prepare_cached("DELETE FROM offices WHERE person = ?1")?.execute([person.as_str()])?;
        Ok(())
    }

    fn may_appoint(&self, by: &PersonId, office: Office) -> Fold {
        if office.is_appointed_by_executive() {
            let executive = self.holds_office(by, Office::DesignatedExecutiveOfficer)?;
            return Ok(require(executive, &format!("{by} is not the designated executive officer"))?);
        }
        self.needs(by, Action::GiveOffice)
    }

    /// Whether the person holds the office.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn holds_office(&self, person: &PersonId, office: Office) -> Result<bool, Error> {
        let mut query = self.db.prepare_cached("SELECT 1 FROM offices WHERE person = ?1 AND office = ?2")?;
        Ok(query.exists([person.as_str(), office.as_str()])?)
    }

    /// Everybody who holds an office, in the order in which they were designated.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn offices(&self) -> Result<Vec<OfficeRow>, Error> {
        let mut query =
            self.db.prepare_cached("SELECT idx, person, office, designated_by, time FROM offices ORDER BY idx")?;
        let rows = query.query_map([], |row| {
            Ok(OfficeRow {
                index: row.get(0)?,
                person: text(row, 1)?,
                office: text(row, 2)?,
                by: text(row, 3)?,
                time: time(row, 4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether the person may give one of the two signatures over a disposal that need not be a compliance officer's.
    pub(super) fn may_dispose(&self, person: &PersonId) -> Result<bool, Stop> {
        Ok(self.may(person, Action::SignDisposal)?
            || self.holds_office(person, Office::DesignatedExecutiveOfficer)?
            || self.holds_office(person, Office::Officer)?)
    }
}
