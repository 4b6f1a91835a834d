//! People's keys in a table of their own: the only one whose rows are ever deleted.

use countersign_evidence::seal::SubjectKey;
use countersign_model::PersonId;

use super::Postgres;
use super::head::get;
use crate::Error;
use crate::subjects::SubjectKeys;

impl SubjectKeys for Postgres {
    fn name(&self, person: &PersonId) -> String {
        format!("subject_keys/{person}")
    }

    fn are_kept(&self) -> bool {
        self.shared.reads_keys
    }

    fn get(&self, person: &PersonId) -> Result<Option<SubjectKey>, Error> {
        if !self.shared.reads_keys {
            return Ok(None);
        }
        self.shared.reading(|conn| {
            let sql = "select key from @.subject_keys where person = $1";
            let Some(row) = conn.row("read a key", sql, &[&person.as_str()])? else { return Ok(None) };
            let key = SubjectKey::parse_hex(get(&row, 0)?);
            key.map(Some).map_err(|_| Error::corrupt(self.name(person), None, "not a subject key: 64 hex digits"))
        })
    }

    fn put(&self, person: &PersonId, key: &SubjectKey) -> Result<(), Error> {
        self.shared.reading(|conn| {
            let sql = "insert into @.subject_keys (person, key) values ($1, $2) on conflict (person) do update set key = \
                       excluded.key";
            conn.execute("keep a key", sql, &[&person.as_str(), &key.to_hex().as_str()])?;
            Ok(())
        })
    }

    fn destroy(&self, person: &PersonId) -> Result<(), Error> {
        self.shared.reading(|conn| {
            conn.execute("destroy a key", "delete from @.subject_keys where person = $1", &[&person.as_str()])?;
            Ok(())
        })
    }
}
