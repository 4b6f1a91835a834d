//! Who is enrolled. They are of the whole firm, so no token that is limited opens it. The name is sealed with the key of whoever is enrolled:
//! this server makes that when the statement is given out, has it in memory alone until the act comes back, and then keeps it with the ledger.

use countersign_evidence::act;
use countersign_evidence::sshsig::PublicKey;
use countersign_govern::access::people;
use countersign_model::event::PersonEnrolled;
use countersign_model::{EventKind, PersonId, StreamId};
use countersign_policy::Catalogue;
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::schema::{kind, line};
use super::super::told;
use super::keys::public_key;
use super::{Act, Asked, Family, Looked, Said, alone, read_as};
use crate::app::{App, Scope, Trouble};

pub(super) const FAMILY: Family =
    Family { kinds: &["person-add"], namespaces: &[act::ENROLMENT], read: read_as::<Enrolment>, of, schemas };

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Enrolment {
    #[serde(rename = "person-add")]
    Add {
        name: String,
        key: String,
        /// What was signed names them so.
        #[serde(skip)]
        person: Option<PersonId>,
    },
}

fn schemas() -> Vec<Value> {
    let name = ("name", line("The name that people know them by. It is sealed with a key of their own."));
    vec![kind("person-add", "Somebody is enrolled with their SSH key.", &[name, ("key", public_key())], &[])]
}

fn of(handed: &HandedIn) -> Result<Asked, HandedError> {
    alone(handed)?;
    let said: PersonEnrolled = handed.said(act::ENROLMENT)?;
    // The name is in what is sealed, and nowhere else.
    Ok(Box::new(Enrolment::Add { name: String::new(), key: said.key, person: Some(said.person) }))
}

impl Act for Enrolment {
    fn command(&self) -> &'static str {
        "person add"
    }

    fn event(&self) -> EventKind {
        EventKind::PersonEnrolled
    }

    fn stream(&self, _: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        let Self::Add { person, .. } = self;
        Ok(person.as_ref().map(StreamId::from))
    }

    fn inside(&self, _: &Session, _: &Scope) -> Result<(&'static str, bool), Trouble> {
        Ok(("person", false))
    }

    /// Nobody is there before.
    fn looked_at(&self, _: &Session) -> Result<Looked, Trouble> {
        Ok(Looked::default())
    }

    fn say(&self, _: &mut Session, _: &Catalogue, _: Away<'_>) -> Result<Written<u64>, Trouble> {
        Err(Trouble::internal("somebody was enrolled without the keys that wait for it"))
    }

    fn say_here(&self, app: &App, session: &mut Session, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let Self::Add { name, key, .. } = self;
        let key = PublicKey::parse(key).map_err(|e| told(&e))?;
        people::add_away(session, name, &key, &app.newcomers, away).map_err(|e| told(&e))
    }

    fn result(&self, session: &mut Session, said: &Said<'_>) -> Result<Value, Trouble> {
        let added: PersonEnrolled = said.handed.said(act::ENROLMENT).map_err(|e| told(&e))?;
        let key = PublicKey::parse(&added.key).map_err(|e| told(&e))?.fingerprint();
        let name = session.state().label(&added.person)?;
        Ok(said.with(json!({"person": added.person, "name": name, "key": key})))
    }
}
