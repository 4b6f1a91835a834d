//! Which keys count for whom, and the end of tokens. Keys are of the whole firm, so no token that is limited opens them. An OpenPGP key
//! is sealed where the ledger is, with the key of whom it belongs to, and comes back so; what a browser says of a new passkey is verified here,
//! once when the statement is given out and once more when it comes back.

use countersign_evidence::openpgp::LARGEST_CERTIFICATE;
use countersign_evidence::sshsig::PublicKey;
use countersign_evidence::{act, from_base64};
use countersign_govern::access::keys::{self, NewKey, Window};
use countersign_govern::access::{Pen, passkeys, tokens};
use countersign_model::access::KeyKind;
use countersign_model::event::{PersonKeyAdded, PersonKeyRevoked, TokenRevoked};
use countersign_model::{EventKind, PersonId, StreamId, Timestamp};
use countersign_policy::Catalogue;
use countersign_store::Session;
use countersign_store::handed::{Away, Ceremony, HandedError, HandedIn, Written};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::schema::{ceremony, id, kind, line, or_null, time};
use super::super::told;
use super::people::{looked_at, person};
use super::{Act, Asked, Family, Looked, Said, alone, no, read_as, told_of_people};
use crate::app::{App, Scope, Trouble};
use crate::auth::passkey::party;

pub(super) const FAMILY: Family = Family {
    kinds: &["person-key-add", "person-openpgp-add", "person-passkey-add", "person-key-revoke", "token-revoke"],
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
    #[serde(rename = "person-openpgp-add")]
    OpenPgp {
        person: String,
        certificate: String,
        #[serde(default)]
        valid_after: Option<Timestamp>,
        #[serde(default)]
        valid_before: Option<Timestamp>,
        #[serde(default)]
        reason: Option<String>,
    },
    #[serde(rename = "person-passkey-add")]
    Passkey {
        person: String,
        passkey: Ceremony,
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

/// An SSH public key.
pub(super) fn public_key() -> Value {
    json!({
        "type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": "^[ -~]+$",
        "description": "The SSH public key, as a line of OpenSSH.",
    })
}

fn schemas() -> Vec<Value> {
    let reason = || ("reason", line("Why."));
    let time = |says: &str| or_null(time(says));
    let certificate = json!({
        "type": "string", "contentEncoding": "base64", "minLength": 4, "maxLength": LARGEST_CERTIFICATE.div_ceil(3) * 4,
        "pattern": "^[A-Za-z0-9+/=]+$",
        "description": "The OpenPGP public key, as `gpg --export` writes it. It is sealed with the key of whom it belongs to.",
    });
    let window = || {
        [
            ("valid_after", time("It counts from then on.")),
            ("valid_before", time("It counts before then.")),
            ("reason", or_null(line("Why."))),
        ]
    };
    vec![
        kind(
            "person-key-add",
            "Somebody enrolled has one more SSH key.",
            &[person(), ("key", public_key())],
            &window(),
        ),
        kind(
            "person-openpgp-add",
            "Somebody enrolled has an OpenPGP key, which verifies commits; one that they have is renewed.",
            &[person(), ("certificate", certificate)],
            &window(),
        ),
        kind(
            "person-passkey-add",
            "Somebody enrolled has a passkey, which their browser made for this server.",
            &[person(), ("passkey", ceremony())],
            &window(),
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
            let (person, valid_after, valid_before) = (p.person.to_string(), p.valid_after, p.valid_before);
            match p.kind {
                KeyKind::SshKey | KeyKind::SshHardwareKey => {
                    Keys::Add { person, key: p.key, valid_after, valid_before, reason: p.reason }
                }
                // Which it is, is in what is sealed, and nowhere else.
                KeyKind::Openpgp => {
                    let certificate = String::new();
                    Keys::OpenPgp { person, certificate, valid_after, valid_before, reason: p.reason }
                }
                KeyKind::Passkey => {
                    let passkey = handed.ceremony().cloned();
                    let passkey = passkey.ok_or_else(|| no("what the browser said of the passkey is missing"))?;
                    Keys::Passkey { person, passkey, valid_after, valid_before, reason: p.reason }
                }
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

impl Keys {
    /// Whose key it is; of a token it is not said.
    fn person(&self) -> Option<&str> {
        match self {
            Self::Add { person, .. }
            | Self::OpenPgp { person, .. }
            | Self::Passkey { person, .. }
            | Self::Revoke { person, .. } => Some(person),
            Self::Token { .. } => None,
        }
    }
}

impl Act for Keys {
    fn command(&self) -> &'static str {
        match self {
            Self::Add { .. } | Self::OpenPgp { .. } | Self::Passkey { .. } => "person key add",
            Self::Revoke { .. } => "person key revoke",
            Self::Token { .. } => "token revoke",
        }
    }

    fn event(&self) -> EventKind {
        match self {
            Self::Add { .. } | Self::OpenPgp { .. } | Self::Passkey { .. } => EventKind::PersonKeyAdded,
            Self::Revoke { .. } => EventKind::PersonKeyRevoked,
            Self::Token { .. } => EventKind::TokenRevoked,
        }
    }

    /// Of a token it is its person's, whom what is signed does not name.
    fn stream(&self, _: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        Ok(self.person().map(|person| StreamId::from(&PersonId::from_text(person))))
    }

    fn inside(&self, _: &Session, _: &Scope) -> Result<(&'static str, bool), Trouble> {
        Ok((if matches!(self, Self::Token { .. }) { "token" } else { "person" }, false))
    }

    fn looked_at(&self, session: &Session) -> Result<Looked, Trouble> {
        self.person().map_or_else(|| Ok(Looked::default()), |person| looked_at(session.state(), person))
    }

    fn say_here(&self, app: &App, session: &mut Session, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let Self::Passkey { person, passkey, valid_after, valid_before, reason } = self else {
            return self.say(session, &app.catalogue, away);
        };
        let (pen, window) = (Pen::Away(away), Window { after: *valid_after, before: *valid_before });
        let party = party(app, session)?;
        let said = passkeys::admitted_answer(session, person, &party, passkey, pen)
            .and_then(|new| keys::add(session, person, NewKey::Passkey(&new), window, reason.as_deref(), pen));
        said.map(|added| added.written).map_err(|e| told_of_people(&e))
    }

    fn say(&self, session: &mut Session, _: &Catalogue, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let pen = Pen::Away(away);
        let said = match self {
            Self::Passkey { .. } => return Err(Trouble::internal("a passkey was looked at without its server")),
            Self::OpenPgp { person, certificate, valid_after, valid_before, reason } => {
                let bad = || Trouble::bad_body("the OpenPGP key is not as the document says: in base64");
                let sent = from_base64(certificate).ok_or_else(bad)?;
                let window = Window { after: *valid_after, before: *valid_before };
                keys::certificate_away(session, person, &sent, away)
                    .and_then(|key| keys::add(session, person, NewKey::OpenPgp(&key), window, reason.as_deref(), pen))
                    .map(|added| added.written)
            }
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
            Self::Add { person, .. } | Self::OpenPgp { person, .. } | Self::Passkey { person, .. } => {
                let added: PersonKeyAdded = said.handed.said(act::PERSON_KEY).map_err(|e| told(&e))?;
                let id = PersonId::from_text(person);
                let (fingerprint, renewed) = match added.kind {
                    KeyKind::Openpgp => {
                        let renewed = keys::was_there(session, &id, &added.key, said.index).map_err(|e| told(&e))?;
                        (added.key, renewed)
                    }
                    _ => (PublicKey::parse(&added.key).map_err(|e| told(&e))?.fingerprint(), false),
                };
                let is_own = id == *said.person;
                let alone = is_own && !session.state().has_other_administrator(&id, session.place()?)?;
                said.with(json!({
                    "person": person, "key": fingerprint, "valid_after": added.valid_after,
                    "valid_before": added.valid_before, "renewed": renewed, "alone": alone,
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
