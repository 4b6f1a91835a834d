//! `person key` and `token revoke` with `--server`: what each verb asks for, and what it prints, as where the ledger is.

use std::path::Path;

use countersign_connect::gpg;
use countersign_connect::remote::ApiClient;
use countersign_evidence::sshsig::PublicKey;
use countersign_evidence::webauthn::Registration;
use countersign_evidence::{act, to_base64};
use countersign_govern::access::keys::Window;
use countersign_govern::access::passkeys::EnrolmentRequest;
use countersign_model::access::KeyKind;
use countersign_model::{Exit, Timestamp};
use countersign_store::handed::Ceremony;
use countersign_store::projection::kind_of;
use countersign_store::subjects;
use serde_json::{Value, json};

use super::access::public_key;
use super::args::{Format, KeyArgs};
use super::handed::read_small;
use super::person_key::{certificate, no_key, said_added, said_revoked};
use super::person_key_args::{GivenKey, PersonKeyVerb};
use super::remote::{field, only_here};
use super::remote_acts::{Beside, Expects, Opened, Sealing, index, say};
use super::remote_certificates;
use super::remote_people::{about_beside, about_more, label};
use super::token::said_token_revoked;
use crate::config::Environment;
use crate::errors::{Failure, Outcome};

/// A key to add, as it was read here: what the server has signed is held against it.
enum New {
    Ssh(PublicKey),
    OpenPgp(gpg::Certificate),
    Passkey { made: Ceremony, new: Registration },
}

impl New {
    fn read(given: &GivenKey, request: Option<&Path>, env: &Environment) -> Result<Self, Failure> {
        match (&given.ssh_key, &given.openpgp, &given.passkey, request) {
            (Some(path), ..) => Ok(Self::Ssh(public_key(path)?)),
            (None, Some(path), ..) => Ok(Self::OpenPgp(certificate(path, env.clock.now())?)),
            (None, None, Some(answer), Some(request)) => {
                let (request, answer) = (read_small(request)?, read_small(answer)?);
                let new = EnrolmentRequest::read(&request)?.registered(&answer)?;
                let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
                Ok(Self::Passkey { made: Ceremony { request: text(request), answer: text(answer) }, new })
            }
            _ => Err(no_key().into()),
        }
    }

    /// Before when it counts: an OpenPGP key counts no longer than it says itself.
    fn before(&self, asked: Option<Timestamp>) -> Option<Timestamp> {
        match self {
            Self::OpenPgp(certificate) => [asked, certificate.expires].into_iter().flatten().min(),
            Self::Ssh(_) | Self::Passkey { .. } => asked,
        }
    }

    /// Puts it into what is asked for; what the statement has to say of it.
    fn asked(&self, act: &mut Value) -> Result<Value, Failure> {
        Ok(match self {
            Self::Ssh(key) => {
                act["kind"] = json!("person-key-add");
                act["key"] = json!(key.to_openssh());
                json!({"kind": kind_of(key), "key": key.to_openssh()})
            }
            Self::OpenPgp(certificate) => {
                act["kind"] = json!("person-openpgp-add");
                act["certificate"] = json!(to_base64(&certificate.bytes));
                json!({"kind": KeyKind::Openpgp, "key": certificate.fingerprint})
            }
            Self::Passkey { made, new } => {
                act["kind"] = json!("person-passkey-add");
                act["passkey"] = json!(made);
                json!({"kind": KeyKind::Passkey, "key": new.key.to_openssh(), "passkey": new.passkey})
            }
        })
    }

    /// Whether sealed bytes hold exactly this.
    fn is_in(&self, sealed: &Opened<'_>) -> Option<bool> {
        let Self::OpenPgp(certificate) = self else { return None };
        let (whose, name) = (sealed.person("person"), sealed.text("key"));
        Some(subjects::read_certificate(sealed.opener, &whose, name, sealed.bytes)? == certificate.bytes)
    }
}

/// `person key`.
pub(super) fn key(client: &ApiClient, verb: &PersonKeyVerb, env: &Environment) -> Outcome {
    match verb {
        PersonKeyVerb::Add { person, given, request, valid_after, valid_before, reason, key, format, .. } => {
            let new = New::read(given, request.as_deref(), env)?;
            let window = Window { after: *valid_after, before: new.before(*valid_before) };
            let mut asked = json!({
                "person": person, "valid_after": valid_after, "valid_before": valid_before, "reason": reason,
            });
            let mut says = new.asked(&mut asked)?;
            let given = [
                ("valid_after", window.after.map(|at| json!(at))),
                ("valid_before", window.before.map(|at| json!(at))),
                ("reason", reason.as_deref().map(|reason| json!(reason.trim()))),
            ];
            for (name, value) in given {
                if let Some(value) = value {
                    says[name] = value;
                }
            }
            let opens = |sealed: &Opened<'_>| new.is_in(sealed);
            let (sealing, free) = match &new {
                New::OpenPgp(_) => {
                    let sealing = Sealing { field: "certificate", opens: &opens };
                    (Some(sealing), &["person", "certificate"][..])
                }
                New::Ssh(_) | New::Passkey { .. } => (None, &["person"][..]),
            };
            let made = asked.get("passkey").cloned();
            let beside = Beside { sealing, passkey: made.as_ref(), ..Beside::default() };
            let says = (act::PERSON_KEY, says, free);
            let said = about_beside(client, &asked, says, (person, &|_| Ok(()), beside), key, env)?;
            said_added(&said.result, label(client, &said)?, *format)?;
        }
        PersonKeyVerb::Revoke { person, fingerprint, reason, compromised_since, key, format, .. } => {
            let asked = json!({
                "kind": "person-key-revoke", "person": person, "fingerprint": fingerprint,
                "compromised_since": compromised_since, "reason": reason,
            });
            let mut says = json!({"reason": reason.trim()});
            if let Some(since) = compromised_since {
                says["compromised_since"] = json!(since);
            }
            let fits = |said: &Value| {
                let print = said.get("fingerprint").and_then(Value::as_str).unwrap_or_default();
                let bare = print.strip_prefix("SHA256:").unwrap_or(print);
                let is_it =
                    !fingerprint.is_empty() && (print.starts_with(fingerprint) || bare.starts_with(fingerprint));
                if is_it { Ok(()) } else { Err("`fingerprint` is another".to_owned()) }
            };
            let says = (act::PERSON_KEY_REVOCATION, says, &["person", "fingerprint"][..]);
            let said = about_more(client, &asked, says, person, &fits, key, env)?;
            said_revoked(&said.result, label(client, &said)?, *format)?;
        }
        PersonKeyVerb::Certify { certificate, key, format, .. } => {
            remote_certificates::certify(client, certificate, key, *format, env)?;
        }
        PersonKeyVerb::Request { .. } | PersonKeyVerb::List { .. } => return Err(only_here("this verb")),
    }
    Ok(Exit::Pass)
}

/// `token revoke`.
pub(super) fn revoke_token(
    client: &ApiClient,
    token: &str,
    reason: &str,
    key: &KeyArgs,
    format: Format,
    env: &Environment,
) -> Result<(), Failure> {
    let asked = json!({"kind": "token-revoke", "token": token, "reason": reason});
    let start = format!("sha256:{}", token.strip_prefix("sha256:").unwrap_or(token).to_ascii_lowercase());
    let expects = Expects::about(act::TOKEN_REVOCATION, "token", &start, json!({"reason": reason.trim()}));
    let said = say(client, &asked, &[expects], key, env)?;
    said_token_revoked(field(client, &said.result, "token")?, index(client, &said)?, format)
}
