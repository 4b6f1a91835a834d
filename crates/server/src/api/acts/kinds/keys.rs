//! Which keys count for whom, and the end of tokens. Keys are of the whole firm, so no token that is limited opens them. A certificate of
//! OpenPGP is sealed where the ledger is, and what a browser says of a new passkey is looked at there.

use countersign_evidence::act;
use countersign_evidence::sshsig::PublicKey;
use countersign_govern::access::keys::{self, NewKey, Window};
use countersign_govern::access::{Pen, tokens};
use countersign_model::access::KeyKind;
use countersign_model::event::{PersonKeyAdded, PersonKeyRevoked, TokenRevoked};
use countersign_model::{EventKind, PersonId, StreamId, Timestamp};
use countersign_policy::Catalogue;
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::super::wire::Wire as _;
use super::super::schema::{id, kind, line, or_null};
use super::super::told;
use super::people::{looked_at, person};
use super::{Act, Asked, Family, Looked, Said, alone, no, read_as, told_of_people};
use crate::app::{Scope, Trouble};

pub(super) const FAMILY: Family = Family {
    kinds: &["person-key-add", "person-key-revoke", "token-revoke"],
    namespaces: &[act::PERSON_KEY, act::PERSON_KEY_REVOCATION, act::TOKEN_REVOCATION],
    read: read_as::<Keys>,
    of,
    schemas,
};

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Keys {
    #[serde(rename = "person-key-add")]
    Add {
        person: String,
        key: String,
        #[serde(default)]
        valid_after: Option<Timestamp>,
        #[serde(default)]
        valid_before: Option<Timestamp>,
        #[serde(default)]
        reason: Option<String>,
    },
    #[serde(rename = "person-key-revoke")]
    Revoke {
        person: String,
        fingerprint: String,
        #[serde(default)]
        compromised_since: Option<Timestamp>,
        reason: String,
    },
    #[serde(rename = "token-revoke")]
    Token { token: String, reason: String },
}

fn schemas() -> Vec<Value> {
    let reason = || ("reason", line("Why."));
    let time = |says: &str| {
        let mut schema = Timestamp::schema();
        schema["description"] = says.into();
        or_null(schema)
    };
    let key = json!({
        "type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": "^[ -~]+$",
        "description": "The SSH public key, as a line of OpenSSH.",
    });
    vec![
        kind(
            "person-key-add",
            "Somebody enrolled has one more SSH key.",
            &[person(), ("key", key)],
            &[
                ("valid_after", time("It counts from then on.")),
                ("valid_before", time("It counts before then.")),
                ("reason", or_null(line("Why."))),
            ],
        ),
        kind(
            "person-key-revoke",
            "A key is not believed any more.",
            &[person(), ("fingerprint", id("The key's fingerprint, or the start of it.")), reason()],
            &[("compromised_since", time("Since when somebody else may have had it."))],
        ),
        kind(
            "token-revoke",
            "A token opens nothing any more.",
            &[("token", id("The beginning of its digest, eight digits at least.")), reason()],
            &[],
        ),
    ]
}

/// Characters of a public key: those of RSA with 16384 bits and a comment.
const LONGEST: usize = 4000;

fn of(handed: &HandedIn) -> Result<Asked, HandedError> {
    alone(handed)?;
    let namespace = handed.namespace();
    Ok(Box::new(match namespace {
        act::PERSON_KEY => {
            let p: PersonKeyAdded = handed.said(namespace)?;
            if !matches!(p.kind, KeyKind::SshKey | KeyKind::SshHardwareKey) {
                return Err(no("keys of this kind are added where the ledger is"));
            }
            Keys::Add {
                person: p.person.to_string(),
                key: p.key,
                valid_after: p.valid_after,
                valid_before: p.valid_before,
                reason: p.reason,
            }
        }
        act::PERSON_KEY_REVOCATION => {
            let p: PersonKeyRevoked = handed.said(namespace)?;
            Keys::Revoke {
                person: p.person.to_string(),
                fingerprint: p.fingerprint,
                compromised_since: p.compromised_since,
                reason: p.reason,
            }
        }
        act::TOKEN_REVOCATION => {
            let p: TokenRevoked = handed.said(namespace)?;
            Keys::Token { token: p.token.to_string(), reason: p.reason }
        }
        _ => return Err(no("it is no act about keys or tokens")),
    }))
}

impl Act for Keys {
    fn command(&self) -> &'static str {
        match self {
            Self::Add { .. } => "person key add",
            Self::Revoke { .. } => "person key revoke",
            Self::Token { .. } => "token revoke",
        }
    }

    fn event(&self) -> EventKind {
        match self {
            Self::Add { .. } => EventKind::PersonKeyAdded,
            Self::Revoke { .. } => EventKind::PersonKeyRevoked,
            Self::Token { .. } => EventKind::TokenRevoked,
        }
    }

    /// Of a token it is its person's, whom what is signed does not name.
    fn stream(&self, _: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        Ok(match self {
            Self::Add { person, .. } | Self::Revoke { person, .. } => {
                Some(StreamId::from(&PersonId::from_text(person)))
            }
            Self::Token { .. } => None,
        })
    }

    fn inside(&self, _: &Session, _: &Scope) -> Result<(&'static str, bool), Trouble> {
        Ok((if matches!(self, Self::Token { .. }) { "token" } else { "person" }, false))
    }

    fn looked_at(&self, session: &Session) -> Result<Looked, Trouble> {
        match self {
            Self::Add { person, .. } | Self::Revoke { person, .. } => looked_at(session.state(), person),
            Self::Token { .. } => Ok(Looked::default()),
        }
    }

    fn say(&self, session: &mut Session, _: &Catalogue, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let pen = Pen::Away(away);
        let said = match self {
            Self::Add { person, key, valid_after, valid_before, reason } => {
                let key = PublicKey::parse(key).map_err(|e| told(&e))?;
                let window = Window { after: *valid_after, before: *valid_before };
                keys::add(session, person, NewKey::Ssh(&key), window, reason.as_deref(), pen).map(|added| added.written)
            }
            Self::Revoke { person, fingerprint, compromised_since, reason } => {
                keys::revoke(session, person, fingerprint, *compromised_since, reason, pen).map(|(_, written)| written)
            }
            Self::Token { token, reason } => tokens::revoke(session, token, reason, pen).map(|(_, written)| written),
        };
        said.map_err(|e| told_of_people(&e))
    }

    fn result(&self, session: &mut Session, said: &Said<'_>) -> Result<Value, Trouble> {
        Ok(match self {
            Self::Add { person, key, valid_after, valid_before, .. } => {
                let fingerprint = PublicKey::parse(key).map_err(|e| told(&e))?.fingerprint();
                let id = PersonId::from_text(person);
                let is_own = id == *said.person;
                let alone = is_own && !session.state().has_other_administrator(&id, session.place()?)?;
                said.with(json!({
                    "person": person, "key": fingerprint, "valid_after": valid_after, "valid_before": valid_before,
                    "renewed": false, "alone": alone,
                }))
            }
            Self::Revoke { fingerprint, compromised_since, .. } => {
                let done = keys::revoked(session, fingerprint, *compromised_since, said.index);
                done.map_err(|e| told(&e))?.document()
            }
            Self::Token { token, .. } => said.with(json!({"token": token})),
        })
    }
}
