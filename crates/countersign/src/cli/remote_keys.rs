//! `person key` and `token revoke` with `--server`: what each verb asks for, and what it prints, as where the ledger is.

use countersign_connect::remote::ApiClient;
use countersign_evidence::act;
use countersign_model::Exit;
use countersign_store::projection::kind_of;
use serde_json::{Value, json};

use super::access::public_key;
use super::args::{Format, KeyArgs};
use super::person_key::{said_added, said_revoked};
use super::person_key_args::PersonKeyVerb;
use super::remote::{field, only_here};
use super::remote_acts::{Expects, index, say};
use super::remote_people::{about, about_more, label};
use super::token::said_token_revoked;
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};

/// `person key`.
pub(super) fn key(client: &ApiClient, verb: &PersonKeyVerb, env: &Environment) -> Outcome {
    match verb {
        PersonKeyVerb::Add { person, given, valid_after, valid_before, reason, key, format, .. } => {
            let Some(path) = &given.ssh_key else {
                let what = "only an SSH key is added with --server".to_owned();
                let help =
                    "certificates are sealed, and passkeys looked at, where the ledger is: leave --server away".into();
                return Err(CliError::Usage { what, help }.into());
            };
            let public = public_key(path)?;
            let asked = json!({
                "kind": "person-key-add", "person": person, "key": public.to_openssh(), "valid_after": valid_after,
                "valid_before": valid_before, "reason": reason,
            });
            let mut says = json!({"kind": kind_of(&public), "key": public.to_openssh()});
            let given = [
                ("valid_after", valid_after.map(|at| json!(at))),
                ("valid_before", valid_before.map(|at| json!(at))),
                ("reason", reason.as_deref().map(|reason| json!(reason.trim()))),
            ];
            for (name, value) in given {
                if let Some(value) = value {
                    says[name] = value;
                }
            }
            let said = about(client, &asked, (act::PERSON_KEY, says), person, key, env)?;
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
        PersonKeyVerb::Request { .. } | PersonKeyVerb::Certify { .. } | PersonKeyVerb::List { .. } => {
            return Err(only_here("this verb"));
        }
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
