//! Which acts can be said over the network. An act is in the file of its family: what is asked, how the document says that, what a token
//! must open for it, the use case that says it (once for the statement that is given out and once more when it comes back signed), and
//! what is answered. One more act is one more variant there, one more family is one more line of [`FAMILIES`].
//!
//! | file | acts |
//! |---|---|
//! | `accounts.rs` | `person account …` |
//! | `approvals.rs` | `approvals activate` |
//! | `audits.rs` | `audit open`, `request`, `answer`, `follow-up`, `close` |
//! | `certificates.rs` | `person ca …`, `person key certify` |
//! | `commits.rs` | `claim`, `suppression grant` |
//! | `decisions.rs` | `reject`, `withdraw`, `grant revoke`, `enforcement override` |
//! | `enrolment.rs` | `person add` |
//! | `waivers.rs` | `waive …` |
//! | `documents.rs` | `enforcement activate`, `gate activate`, `issuer activate`, `policy activate` |
//! | `emergencies.rs` | `break-glass …` |
//! | `people.rs` | `role …`, `person leave`, `person return` |
//! | `revocation_lists.rs` | `person krl import` |
//! | `reviews.rs` | `access …` |
//! | `keys.rs` | `person key add` and `revoke`, `token revoke` |
//! | `registry.rs` | `application …`, `environment register`, `change` and `retire` |
//! | `environments.rs` | `environment freeze …`, `environment windows` |
//! | `gates.rs` | `gate acknowledge`, `gate review` |
//! | `retention.rs` | `retention …`, `hold …`, `records-officer …` |

mod accounts;
mod approvals;
mod audits;
mod certificates;
mod commits;
mod decisions;
mod documents;
mod emergencies;
mod enrolment;
mod environments;
mod gates;
mod keys;
mod people;
mod registry;
mod retention;
mod reviews;
mod revocation_lists;
mod waivers;

use countersign_evidence::canonical;
use countersign_model::{Digest, EventKind, PersonId, StreamId, Timestamp};
use countersign_policy::Catalogue;
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Error as _};
use serde_json::{Value, json};

use super::told;
use crate::app::{App, Scope, Trouble};

/// Something that somebody wants to say.
pub(super) trait Act: Send + Sync {
    /// The command that says it, for the record of a refusal.
    fn command(&self) -> &'static str;

    /// What its entry is, of those that it appends the first.
    fn event(&self) -> EventKind;

    /// Whether it is an act of an audit: an auditor has these, and no other.
    fn is_of_audit(&self) -> bool {
        false
    }

    /// The stream that this entry stands in, once it is signed; none, where what was signed does not say it: then it is looked for in all.
    fn stream(&self, handed: &HandedIn) -> Result<Option<StreamId>, HandedError>;

    /// Whether the key that signs it is this person's.
    fn is_of(&self, session: &Session, person: &PersonId, key: &str) -> Result<bool, Trouble> {
        is_key_of(session, person, key)
    }

    /// What it is about, and whether that is a limited token's to act on.
    fn inside(&self, session: &Session, scope: &Scope) -> Result<(&'static str, bool), Trouble>;

    /// How it stands what the act is about.
    fn looked_at(&self, session: &Session) -> Result<Looked, Trouble>;

    /// Says it with a key on another machine: what is to be signed, or the log index of what was.
    fn say(&self, session: &mut Session, catalogue: &Catalogue, away: Away<'_>) -> Result<Written<u64>, Trouble>;

    /// As [`Act::say`], for what asks more of this server than its catalogue.
    fn say_here(&self, app: &App, session: &mut Session, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        self.say(session, &app.catalogue, away)
    }

    /// What is answered where it is so already, and nothing is to be signed: what the command line prints then where the ledger is.
    fn already(&self, _: &mut Session) -> Result<Value, Trouble> {
        Err(Trouble::internal("something that is never so already was so"))
    }

    /// What is answered when it is in the log: what the command line prints where the ledger is.
    fn result(&self, session: &mut Session, said: &Said<'_>) -> Result<Value, Trouble>;
}

/// Any act.
pub(super) type Asked = Box<dyn Act>;

/// What somebody looks at before they sign.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// How it stands, as a digest: none where there was nothing to look at. What is signed is taken while it is the same.
    pub(super) condition: Option<Digest>,
    /// The same in words, for whoever is going to sign.
    pub(super) about: Value,
}

impl Looked {
    /// It stands like this.
    fn at(stands: &Value, about: Value) -> Result<Self, Trouble> {
        Ok(Self { condition: Some(Digest::of(&canonical::to_vec(stands)?)), about })
    }
}

/// What was said.
pub(super) struct Said<'a> {
    /// By whom.
    pub(super) person: &'a PersonId,
    /// What they signed.
    pub(super) handed: &'a HandedIn,
    /// The log index of its first entry.
    pub(super) index: u64,
}

impl Said<'_> {
    /// An answer with these fields.
    fn with(&self, more: Value) -> Value {
        answer(Some(self.index), more)
    }
}

/// An answer with these fields; without an entry it was so already.
fn answer(index: Option<u64>, more: Value) -> Value {
    let mut all = json!({"version": 1, "index": index});
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    all
}

/// Acts that belong together.
struct Family {
    /// What they are called in a preparation.
    kinds: &'static [&'static str],
    /// What they are signed for.
    namespaces: &'static [&'static str],
    /// What somebody asks for.
    read: fn(Value) -> serde_json::Result<Asked>,
    /// The same from what was signed. Nothing of it is believed: the statement is made once more from it, and compared.
    of: fn(&HandedIn) -> Result<Asked, HandedError>,
    /// What is asked, as the document says it.
    schemas: fn() -> Vec<Value>,
}

const FAMILIES: &[Family] = &[
    decisions::FAMILY,
    waivers::FAMILY,
    emergencies::FAMILY,
    enrolment::FAMILY,
    people::FAMILY,
    reviews::FAMILY,
    keys::FAMILY,
    accounts::FAMILY,
    certificates::FAMILY,
    revocation_lists::FAMILY,
    registry::FAMILY,
    environments::FAMILY,
    gates::FAMILY,
    approvals::FAMILY,
    commits::FAMILY,
    documents::FAMILY,
    retention::FAMILY,
    audits::FAMILY,
];

fn read_as<T: Act + DeserializeOwned + 'static>(value: Value) -> serde_json::Result<Asked> {
    Ok(Box::new(serde_json::from_value::<T>(value)?))
}

/// What somebody asks to say.
pub(super) fn read(value: Value) -> serde_json::Result<Asked> {
    #[derive(Deserialize)]
    struct Kind {
        kind: String,
    }
    let kind = Kind::deserialize(&value)?.kind;
    match FAMILIES.iter().find(|family| family.kinds.contains(&kind.as_str())) {
        Some(family) => (family.read)(value),
        None => Err(serde_json::Error::custom(format!("`{kind}` is not said over the network"))),
    }
}

/// What somebody asks to say, from what they signed.
pub(super) fn of(handed: &HandedIn) -> Result<Asked, HandedError> {
    match FAMILIES.iter().find(|family| family.namespaces.contains(&handed.namespace())) {
        Some(family) => (family.of)(handed),
        None => Err(no("acts of this kind are said where the ledger is")),
    }
}

/// What can be asked for, as the document says it.
pub(super) fn schemas() -> Vec<Value> {
    FAMILIES.iter().flat_map(|family| (family.schemas)()).collect()
}

fn no(why: &str) -> HandedError {
    HandedError::NoAct { why: why.to_owned() }
}

/// What a use case about people says, as a client is told it. Who is enrolled is at `people`, for whoever may read that.
fn told_of_people(error: &countersign_govern::Error) -> Trouble {
    let mut trouble = told(error);
    if matches!(error, countersign_govern::Error::NoSuchPerson { .. }) {
        "see who is enrolled: countersign person list".clone_into(&mut trouble.help);
    }
    trouble
}

/// Whether a key is enrolled as somebody's.
fn is_key_of(session: &Session, person: &PersonId, key: &str) -> Result<bool, Trouble> {
    Ok(session.state().key(key)?.is_some_and(|row| row.person == *person))
}

/// One act alone was handed in.
fn alone(handed: &HandedIn) -> Result<(), HandedError> {
    if handed.count() == 1 { Ok(()) } else { Err(no("an act stands beside the one of the command")) }
}

/// Whole units of time from one moment to another; what is none makes another statement than the one that was signed.
fn units(from: Timestamp, to: Timestamp, seconds: i64) -> u16 {
    let whole = to.millis().saturating_sub(from.millis()).div_euclid(seconds.saturating_mul(1000));
    u16::try_from(whole).unwrap_or_default()
}

/// The one whose id this is, or begins so.
fn one<T>(mut all: Vec<T>, text: &str, id: impl Fn(&T) -> &str) -> Option<T> {
    all.retain(|one| !text.is_empty() && id(one).starts_with(text));
    let found = all.pop();
    found.filter(|_| all.is_empty())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_and_every_namespace_is_of_one_family_and_in_the_document() {
        let kinds: Vec<&str> = FAMILIES.iter().flat_map(|f| f.kinds).copied().collect();
        let namespaces: Vec<&str> = FAMILIES.iter().flat_map(|f| f.namespaces).copied().collect();
        assert_eq!(kinds.iter().collect::<BTreeSet<_>>().len(), kinds.len());
        assert_eq!(namespaces.iter().collect::<BTreeSet<_>>().len(), namespaces.len());
        let said: Vec<String> = schemas()
            .iter()
            .map(|schema| schema["properties"]["kind"]["const"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(said, kinds);
        for kind in kinds {
            let asked = read(json!({"kind": kind})).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(asked.contains("missing field"), "{kind}: {asked}");
        }
        assert!(read(json!({"kind": "other"})).is_err() && read(json!({})).is_err() && read(Value::Null).is_err());
    }
}
