//! Authorities for SSH certificates, and the keys that they certified. They are of the whole firm, so no token that is limited opens them.
//! A certificate is shown by the key that it is about, which is nobody's here until then: whose it is says the certificate.

use std::collections::BTreeSet;

use countersign_evidence::act;
use countersign_evidence::sshsig::{Certificate, PublicKey};
use countersign_govern::access::certificates::{self, NewAuthority};
use countersign_govern::access::keys::Window;
use countersign_govern::access::{Pen, people};
use countersign_model::access::CertificateUse;
use countersign_model::event::{CertificateAuthorityAdded, CertificateAuthorityRevoked, KeyCertified};
use countersign_model::{EventKind, PersonId, StreamId, Timestamp};
use countersign_policy::Catalogue;
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use countersign_store::projection::AuthorityRow;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::schema::{id, kind, line, or_null, time};
use super::super::told;
use super::keys::public_key;
use super::{Act, Asked, Family, Looked, Said, alone, is_key_of, no, read_as, told_of_people};
use crate::app::{Scope, Trouble};

pub(super) const FAMILY: Family = Family {
    kinds: &["person-ca-add", "person-ca-revoke", "person-key-certify"],
    namespaces: &[act::CERTIFICATE_AUTHORITY, act::CERTIFICATE_AUTHORITY_REVOCATION, act::CERTIFIED_KEY],
    read: read_as::<Certificates>,
    of,
    schemas,
};

/// Characters of a certificate.
const LONGEST: usize = 64 << 10;

/// People whom one authority may be for, at once.
const MOST: usize = 1000;

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Certificates {
    #[serde(rename = "person-ca-add")]
    Add {
        key: String,
        people: Vec<String>,
        #[serde(default)]
        uses: Vec<CertificateUse>,
        #[serde(default)]
        valid_after: Option<Timestamp>,
        #[serde(default)]
        valid_before: Option<Timestamp>,
        reason: String,
    },
    #[serde(rename = "person-ca-revoke")]
    Revoke {
        authority: String,
        #[serde(default)]
        compromised_since: Option<Timestamp>,
        reason: String,
    },
    #[serde(rename = "person-key-certify")]
    Certify { certificate: String },
}

fn schemas() -> Vec<Value> {
    let reason = || ("reason", line("Why."));
    let time = |says: &str| or_null(time(says));
    let people = json!({
        "type": "array", "minItems": 1, "maxItems": MOST, "items": line("A person's name or id."),
        "description": "Whom its certificates may name; besides them those whom they may name already.",
    });
    let uses = json!({
        "type": "array", "maxItems": CertificateUse::ALL.len(), "items": {"enum": CertificateUse::ALL},
        "description": "What its certificates are good for: everything where nothing is named. Of one that is known, what it was before.",
    });
    let certificate = json!({
        "type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": "^[ -~]+$",
        "description": "The SSH certificate, as a line of OpenSSH. It stays in the log.",
    });
    vec![
        kind(
            "person-ca-add",
            "Certificates by an SSH key say whose keys are, or for more people than before.",
            &[("key", public_key()), ("people", people), reason()],
            &[
                ("uses", uses),
                ("valid_after", time("What it certifies counts from then on.")),
                ("valid_before", time("What it certifies counts before then.")),
            ],
        ),
        kind(
            "person-ca-revoke",
            "An authority, and every key that it certified, is not believed any more.",
            &[("authority", id("Its fingerprint, or the start of it.")), reason()],
            &[("compromised_since", time("Since when somebody else may have had it."))],
        ),
        kind(
            "person-key-certify",
            "A certificate is shown by the key that it is about: that is whose the certificate says, while it lasts.",
            &[("certificate", certificate)],
            &[],
        ),
    ]
}

fn of(handed: &HandedIn) -> Result<Asked, HandedError> {
    alone(handed)?;
    let namespace = handed.namespace();
    Ok(Box::new(match namespace {
        act::CERTIFICATE_AUTHORITY => {
            let p: CertificateAuthorityAdded = handed.said(namespace)?;
            if p.people.is_empty() {
                return Err(no("it is for nobody"));
            }
            Certificates::Add {
                key: p.key,
                people: p.people.iter().map(ToString::to_string).collect(),
                uses: p.uses,
                valid_after: p.valid_after,
                valid_before: p.valid_before,
                reason: p.reason,
            }
        }
        act::CERTIFICATE_AUTHORITY_REVOCATION => {
            let p: CertificateAuthorityRevoked = handed.said(namespace)?;
            Certificates::Revoke { authority: p.fingerprint, compromised_since: p.compromised_since, reason: p.reason }
        }
        act::CERTIFIED_KEY => {
            let p: KeyCertified = handed.said(namespace)?;
            Certificates::Certify { certificate: p.certificate }
        }
        _ => return Err(no("it is no act about certificates")),
    }))
}

/// How an authority stands.
fn stands(row: &AuthorityRow) -> Value {
    json!({
        "people": row.people, "uses": row.uses, "valid_after": row.valid_after, "valid_before": row.valid_before,
        "index": row.index, "revoked": row.revoked.as_ref().map(|r| json!({"index": r.index, "since": r.since})),
    })
}

/// An authority as it stands, and everybody by name whom it speaks for or shall.
fn about(session: &Session, key: &PublicKey, people: &[String]) -> Result<Looked, Trouble> {
    let state = session.state();
    let fingerprint = key.fingerprint();
    let known = state.authority(&fingerprint)?;
    let mut all: BTreeSet<PersonId> = known.iter().flat_map(|row| row.people.iter().cloned()).collect();
    for who in people {
        // Who is nobody is told by the use case.
        let Ok(person) = people::find(state, who) else { return Ok(Looked::default()) };
        all.insert(person.id);
    }
    let mut named = Vec::new();
    for person in all {
        named.push(json!({"person": person, "name": state.label(&person)?}));
    }
    let about = json!({"authority": fingerprint, "people": named, "before": known.as_ref().map(stands)});
    Looked::at(&about, about.clone())
}

/// Whom a certificate names, and what was shown of its key before.
fn shown(session: &Session, certificate: &Certificate) -> Result<Looked, Trouble> {
    let state = session.state();
    let [one] = certificate.principals.as_slice() else { return Ok(Looked::default()) };
    let person = PersonId::from_text(one);
    // Whom it names who is nobody is told by the use case.
    if !state.is_enrolled(&person)? {
        return Ok(Looked::default());
    }
    let key = certificate.key.fingerprint();
    let about = json!({
        "person": person, "name": state.label(&person)?, "key": key, "before": state.certified(&key)?.map(|c| c.index),
    });
    Looked::at(&about, about.clone())
}

impl Act for Certificates {
    fn command(&self) -> &'static str {
        match self {
            Self::Add { .. } => "person ca add",
            Self::Revoke { .. } => "person ca revoke",
            Self::Certify { .. } => "person key certify",
        }
    }

    fn event(&self) -> EventKind {
        match self {
            Self::Add { .. } => EventKind::CertificateAuthorityAdded,
            Self::Revoke { .. } => EventKind::CertificateAuthorityRevoked,
            Self::Certify { .. } => EventKind::KeyCertified,
        }
    }

    fn stream(&self, handed: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        Ok(Some(match self {
            Self::Certify { .. } => StreamId::from(&handed.said::<KeyCertified>(act::CERTIFIED_KEY)?.person),
            Self::Add { .. } | Self::Revoke { .. } => certificates::stream(),
        }))
    }

    fn inside(&self, _: &Session, _: &Scope) -> Result<(&'static str, bool), Trouble> {
        Ok((if matches!(self, Self::Certify { .. }) { "person" } else { "certificate authority" }, false))
    }

    /// Of a certificate that names somebody here alone: theirs. Any other makes the key nobody's, and its use case says why.
    fn is_of(&self, session: &Session, person: &PersonId, key: &str) -> Result<bool, Trouble> {
        let Self::Certify { certificate } = self else { return is_key_of(session, person, key) };
        let certificate = Certificate::parse(certificate).map_err(|e| told(&e))?;
        let named = match certificate.principals.as_slice() {
            [one] if session.state().is_enrolled(&PersonId::from_text(one))? => Some(one),
            _ => None,
        };
        Ok(certificate.key.fingerprint() == key && named.is_none_or(|one| one == person.as_str()))
    }

    fn looked_at(&self, session: &Session) -> Result<Looked, Trouble> {
        match self {
            Self::Add { key, people, .. } => about(session, &PublicKey::parse(key).map_err(|e| told(&e))?, people),
            Self::Certify { certificate } => shown(session, &Certificate::parse(certificate).map_err(|e| told(&e))?),
            Self::Revoke { authority, .. } => {
                let Ok(row) = certificates::authority(session, authority) else { return Ok(Looked::default()) };
                let about = json!({"authority": row.fingerprint, "before": stands(&row)});
                Looked::at(&about, about.clone())
            }
        }
    }

    fn say(&self, session: &mut Session, _: &Catalogue, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let pen = Pen::Away(away);
        let said = match self {
            Self::Add { key, people, uses, valid_after, valid_before, reason } => {
                if people.is_empty() || people.len() > MOST {
                    return Err(Trouble::bad_body("the people are not as the document says"));
                }
                let key = &PublicKey::parse(key).map_err(|e| told(&e))?;
                let window = Window { after: *valid_after, before: *valid_before };
                certificates::add_authority(session, &NewAuthority { key, people, uses, window, reason }, pen)
            }
            Self::Revoke { authority, compromised_since, reason } => {
                certificates::revoke_authority(session, authority, *compromised_since, reason, pen)
                    .map(|(_, written)| written)
            }
            Self::Certify { certificate } => {
                certificates::certify(session, &Certificate::parse(certificate).map_err(|e| told(&e))?, pen)
            }
        };
        said.map_err(|e| told_of_people(&e))
    }

    fn result(&self, session: &mut Session, said: &Said<'_>) -> Result<Value, Trouble> {
        Ok(said.with(match self {
            Self::Add { key, .. } => {
                json!({"authority": PublicKey::parse(key).map_err(|e| told(&e))?.fingerprint()})
            }
            Self::Revoke { authority, compromised_since, .. } => {
                json!({"authority": authority, "compromised_since": compromised_since})
            }
            Self::Certify { certificate } => {
                let certificate = Certificate::parse(certificate).map_err(|e| told(&e))?;
                let row = certificates::certified(session, &certificate).map_err(|e| told(&e))?;
                json!({
                    "person": row.person, "key": row.fingerprint, "authority": certificate.authority.fingerprint(),
                    "serial": certificate.serial, "valid_after": row.valid_after, "valid_before": row.valid_before,
                })
            }
        }))
    }
}
