//! `person ca` and `person key certify` with `--server`: what each verb asks for, and what it prints, as where the ledger is.

use std::collections::BTreeSet;
use std::path::Path;

use countersign_connect::remote::ApiClient;
use countersign_evidence::act;
use countersign_evidence::sshsig::Certificate;
use countersign_govern::access::IdentityError;
use countersign_model::Exit;
use countersign_model::access::CertificateUse;
use serde_json::{Value, json};

use super::access::{public_key, read_line};
use super::args::{Format, KeyArgs};
use super::person_ca::{listed, said_added, said_revoked};
use super::person_ca_args::PersonCaVerb;
use super::person_key::said_certified;
use super::remote::{array, field, stranger};
use super::remote_acts::{Expects, index, say, say_unless_so};
use super::remote_people::{label, names_for};
use super::role::Names;
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output::printable;

/// `person ca`.
pub(super) fn authorities(client: &ApiClient, verb: &PersonCaVerb, env: &Environment) -> Outcome {
    match verb {
        PersonCaVerb::Add { ca, people, uses, valid_after, valid_before, reason, key, format, .. } => {
            let public = public_key(ca)?;
            let (line, fingerprint) = (public.to_openssh(), public.fingerprint());
            let uses: BTreeSet<CertificateUse> = if uses.is_empty() {
                CertificateUse::ALL.into_iter().collect()
            } else {
                uses.iter().copied().collect()
            };
            let asked = json!({
                "kind": "person-ca-add", "key": line, "people": people, "uses": uses, "valid_after": valid_after,
                "valid_before": valid_before, "reason": reason,
            });
            let mut says = json!({"key": line, "reason": reason.trim()});
            for (name, at) in [("valid_after", valid_after), ("valid_before", valid_before)] {
                if let Some(at) = at {
                    says[name] = json!(at);
                }
            }
            let expects = Expects::of(act::CERTIFICATE_AUTHORITY, says).free(&["people", "uses"]);
            let fits = |about: &Value, said: &Value| is_for(about, said, &fingerprint, people, &json!(uses));
            let said = say_unless_so(client, &asked, &[expects], &fits, key, env)?;
            if field(client, &said.result, "authority")? != fingerprint {
                return Err(stranger(client, "its answer is of another authority"));
            }
            let index = index(client, &said)?;
            let signed = said.signed.first().cloned().unwrap_or_default();
            let of = |name: &str| signed.get(name).cloned().unwrap_or_default();
            let row = json!({
                "fingerprint": fingerprint, "people": of("people"), "uses": of("uses"),
                "valid_after": of("valid_after"), "valid_before": of("valid_before"),
            });
            said_added(&row, &names_of(&said.about), index, *format)?;
        }
        PersonCaVerb::Revoke { fingerprint, reason, compromised_since, key, format, .. } => {
            let asked = json!({
                "kind": "person-ca-revoke", "authority": fingerprint, "compromised_since": compromised_since,
                "reason": reason,
            });
            let mut says = json!({"reason": reason.trim()});
            if let Some(since) = compromised_since {
                says["compromised_since"] = json!(since);
            }
            let expects = Expects::of(act::CERTIFICATE_AUTHORITY_REVOCATION, says).free(&["fingerprint"]);
            let fits = |_: &Value, said: &Value| begins_so(said, fingerprint);
            let said = say_unless_so(client, &asked, &[expects], &fits, key, env)?;
            let print = field(client, &said.result, "authority")?;
            said_revoked(print, *compromised_since, index(client, &said)?, *format)?;
        }
        PersonCaVerb::List { format, .. } => {
            let said = client.get("certificate-authorities", &[])?;
            let rows: Vec<Value> = array(&said, "items").cloned().collect();
            listed(&rows, &names_for(client, *format)?, *format)?;
        }
    }
    Ok(Exit::Pass)
}

/// `person key certify`. What is signed holds the certificate whole.
pub(super) fn certify(
    client: &ApiClient,
    certificate: &Path,
    key: &KeyArgs,
    format: Format,
    env: &Environment,
) -> Result<(), Failure> {
    let certificate = Certificate::parse(&read_line(certificate)?)?;
    let (expected, found) = (certificate.key.fingerprint(), key.signer(env)?.public_key().fingerprint());
    if expected != found {
        return Err(countersign_govern::Error::from(IdentityError::OtherKey { expected, found }).into());
    }
    let line = certificate.to_openssh();
    let asked = json!({"kind": "person-key-certify", "certificate": line});
    let expects = Expects {
        namespace: act::CERTIFIED_KEY,
        by: "person",
        says: json!({"certificate": line}),
        begins: Vec::new(),
        free: &[],
        lasts: Vec::new(),
    };
    let said = say(client, &asked, &[expects], key, env)?;
    if field(client, &said.result, "key")? != expected {
        return Err(stranger(client, "its answer is of another key"));
    }
    said_certified(&said.result, label(client, &said)?, format)
}

/// Whether a statement names the authority whose fingerprint begins so.
fn begins_so(said: &Value, text: &str) -> Result<(), String> {
    let print = said.get("fingerprint").and_then(Value::as_str).unwrap_or_default();
    let bare = print.strip_prefix("SHA256:").unwrap_or(print);
    let is_it = !text.is_empty() && (print.starts_with(text) || bare.starts_with(text));
    if is_it { Ok(()) } else { Err("`fingerprint` is another".to_owned()) }
}

/// What the ledger calls the people of an authority.
fn names_of(about: &Value) -> Names {
    let line = |p: &Value| Some((p.get("person")?.as_str()?.to_owned(), p.get("name")?.as_str()?.to_owned()));
    array(about, "people").filter_map(line).collect()
}

/// Whether a statement is for those who were named and for those whom the authority speaks for already, and for nobody else. Whom it
/// speaks for already, and what for, is the ledger's to say, and so is a name; who wants to be sure names ids.
fn is_for(about: &Value, said: &Value, fingerprint: &str, named: &[String], uses: &Value) -> Result<(), String> {
    if about.get("authority").and_then(Value::as_str) != Some(fingerprint) {
        return Err("it is about another authority".to_owned());
    }
    let names = names_of(about);
    let before = about.get("before").filter(|before| before.is_object());
    let mut wanted: BTreeSet<&str> =
        before.into_iter().flat_map(|before| array(before, "people")).filter_map(Value::as_str).collect();
    for who in named {
        let is = |(id, name): &(&String, &String)| **id == *who || name.to_lowercase() == who.to_lowercase();
        let mut found = names.iter().filter(is);
        match (found.next(), found.next()) {
            (Some((id, _)), None) => wanted.insert(id),
            _ => return Err(format!("nobody in `people` is `{}`", printable(who))),
        };
    }
    let listed: Option<Vec<&str>> =
        said.get("people").and_then(Value::as_array).and_then(|all| all.iter().map(Value::as_str).collect());
    if listed != Some(wanted.into_iter().collect()) {
        return Err("`people` is another".to_owned());
    }
    let expected = before.and_then(|before| before.get("uses")).unwrap_or(uses);
    if said.get("uses") == Some(expected) { Ok(()) } else { Err("`uses` is another".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_for_those_who_were_named_and_for_those_before() {
        let people = |all: &[(&str, &str)]| -> Vec<Value> {
            all.iter().map(|(id, name)| json!({"person": id, "name": name})).collect()
        };
        let one = [("per-1", "Dan Okafor"), ("per-2", "Mia")];
        let new = json!({"authority": "SHA256:a", "people": people(&one), "before": null});
        let known = json!({
            "authority": "SHA256:a", "people": people(&one), "before": {"people": ["per-2"], "uses": ["acts"]},
        });
        let both = json!({"people": ["per-1", "per-2"], "uses": ["acts", "commits"]});
        let dan = json!({"people": ["per-1"], "uses": ["acts", "commits"]});
        let acts = json!({"people": ["per-1", "per-2"], "uses": ["acts"]});
        let uses = json!(["acts", "commits"]);
        let fits = |about: &Value, said: &Value, named: &[&str]| {
            let named: Vec<String> = named.iter().map(|one| (*one).to_owned()).collect();
            is_for(about, said, "SHA256:a", &named, &uses).is_ok()
        };
        assert!(fits(&new, &dan, &["dan okafor"]) && fits(&new, &both, &["per-1", "mia"]));
        assert!(fits(&known, &acts, &["per-1"]) && fits(&known, &acts, &["Mia", "Dan Okafor"]));
        for (about, said, named) in [
            (&new, &both, &["per-1"][..]),
            (&new, &dan, &["per-1", "per-2"]),
            (&new, &dan, &["per-3"]),
            (&new, &dan, &["Dan"]),
            (&new, &acts, &["per-1", "per-2"]),
            (&known, &both, &["per-1"]),
            (&known, &dan, &["per-1"]),
            (&Value::Null, &dan, &["per-1"]),
            (&new, &json!({"people": ["per-1", "per-1"], "uses": uses}), &["per-1"]),
            (&new, &json!({"people": "per-1", "uses": uses}), &["per-1"]),
            (&new, &json!({"people": ["per-1"]}), &["per-1"]),
        ] {
            assert!(!fits(about, said, named), "{about} {said} {named:?}");
        }
        // Two of one name are told apart by id alone.
        let twice = json!({"authority": "SHA256:a", "people": people(&[("per-1", "Mia"), ("per-2", "Mia")])});
        assert!(!fits(&twice, &both, &["Mia"]) && fits(&twice, &both, &["per-1", "per-2"]));
    }

    #[test]
    fn a_fingerprint_begins_as_it_was_named() {
        let said = json!({"fingerprint": "SHA256:abc"});
        for text in ["SHA256:abc", "SHA256:a", "ab"] {
            assert_eq!(begins_so(&said, text), Ok(()), "{text}");
        }
        for text in ["", "b", "SHA256:b", "SHA256:abcd"] {
            assert!(begins_so(&said, text).is_err(), "{text}");
        }
        assert!(begins_so(&json!({}), "a").is_err());
    }
}
