//! Documents that are put in effect with `--server`: levels of enforcement, owners of gates, issuers of identity tokens, policy bundles. The file goes along,
//! and what is signed names the document by its digest, which is made here as well.

use countersign_connect::remote::ApiClient;
use countersign_evidence::statement::Subject;
use countersign_evidence::{act, canonical};
use countersign_govern::access::policy;
use countersign_govern::{gates, issuers};
use countersign_model::governance::GateOwners;
use countersign_model::{Digest, Exit};
use countersign_policy::{Assignment, Bundle};
use countersign_store::handed::LARGEST_DOCUMENT;
use serde_json::{Value, json};

use super::args::{Format, KeyArgs};
use super::enforcement::levels_in_effect;
use super::gate::{OWNERS_IN_EFFECT, said};
use super::issuer::issuers_in_effect;
use super::policy::policy_in_effect;
use super::remote::stranger;
use super::remote_acts::{Beside, Expects, Fits, Said, index, is_called, say_beside, tell_who};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::printable;

/// A file whose document is put in effect.
pub(super) struct File<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    /// Only these of its entries; empty: all.
    pub(super) only: &'a [String],
    pub(super) reason: Option<&'a str>,
}

/// How a kind of document is put in effect.
struct Kind {
    name: &'static str,
    namespace: &'static str,
    /// The field of its statement that names the document.
    field: &'static [&'static str],
    /// What its statement is about, where that is not the ledger.
    subject: Option<Subject>,
}

fn put(
    client: &ApiClient,
    file: &File<'_>,
    kind: &Kind,
    fits: Fits<'_>,
    key: &KeyArgs,
    env: &Environment,
) -> Result<(Said, Option<u64>), Failure> {
    let mut document = json!({"file": printable(file.name), "text": file.text});
    if !file.only.is_empty() {
        document["only"] = json!(file.only);
    }
    let asked = json!({"kind": kind.name, "document": document, "reason": file.reason});
    let says = json!({"reason": file.reason.map(str::trim)});
    let (namespace, free) = (kind.namespace, kind.field);
    let expects = Expects::of(namespace, says).free(free);
    let beside = Beside { document: Some(&document), subject: kind.subject.as_ref(), ..Beside::default() };
    let done = say_beside(client, &asked, &[expects], (fits, beside), key, env)?;
    let index = if done.acts.is_empty() { None } else { Some(index(client, &done)?) };
    Ok((done, index))
}

/// Whether a statement names the document of this digest.
fn names(said: &Value, field: &str, digest: &Digest) -> Result<(), String> {
    if said[field] == json!(digest) { Ok(()) } else { Err(format!("`{field}` is another document than the file's")) }
}

/// What is in effect, also where it was before and nothing was signed, must be what the file says.
fn is_so(client: &ApiClient, done: &Said, field: &str, document: &Value) -> Result<(), Failure> {
    if done.result.get(field) == Some(document) {
        return Ok(());
    }
    Err(stranger(client, &format!("it says that something else than the file is in effect, in `{field}`")))
}

/// `enforcement activate`. Which controls there are, the server says.
pub(super) fn levels(client: &ApiClient, file: &File<'_>, key: &KeyArgs, format: Format, env: &Environment) -> Outcome {
    let digest = Assignment::parse(file.name, file.text, |_| true)?.digest()?;
    let kind =
        Kind { name: "enforcement-activate", namespace: act::ENFORCEMENT, field: &["assignment"], subject: None };
    let fits = |_: &Value, said: &Value| names(said, "assignment", &digest);
    let (done, index) = put(client, file, &kind, &fits, key, env)?;
    is_so(client, &done, "assignment", &json!(digest))?;
    levels_in_effect(&digest, index, format)?;
    Ok(Exit::Pass)
}

/// `issuer activate`.
pub(super) fn issuers(
    client: &ApiClient,
    file: &File<'_>,
    key: &KeyArgs,
    format: Format,
    env: &Environment,
) -> Outcome {
    let issuers = issuers::parse(file.name, file.text, file.only)?;
    let digest = canonical::digest(&issuers)?;
    let kind = Kind { name: "issuer-activate", namespace: act::ISSUERS, field: &["issuers"], subject: None };
    let fits = |_: &Value, said: &Value| names(said, "issuers", &digest);
    let (done, index) = put(client, file, &kind, &fits, key, env)?;
    is_so(client, &done, "issuers", &json!(issuers))?;
    issuers_in_effect(file.name, &issuers, index, format)?;
    Ok(Exit::Pass)
}

/// `policy activate`. What is sent is the bundle as it was read here: its signature, where it has one, was verified before.
pub(super) fn bundle(
    client: &ApiClient,
    name: &str,
    bundle: &Bundle,
    reason: Option<&str>,
    key: &KeyArgs,
    env: &Environment,
) -> Outcome {
    let (text, digest) = (bundle.to_text(), bundle.digest());
    if text.len() > LARGEST_DOCUMENT {
        let what = format!("the bundle has {} bytes, and {LARGEST_DOCUMENT} at most are sent", text.len());
        let help = "put it in effect where the ledger is, without `--server`".into();
        return Err(CliError::Usage { what, help }.into());
    }
    let file = File { name, text: &text, only: &[], reason };
    let subject = Some(policy::subject(&digest));
    let kind = Kind { name: "policy-activate", namespace: act::POLICY, field: &["bundle"], subject };
    let fits = |_: &Value, said: &Value| names(said, "bundle", &digest);
    let (done, index) = put(client, &file, &kind, &fits, key, env)?;
    is_so(client, &done, "bundle", &json!(digest))?;
    policy_in_effect(&digest, index)?;
    Ok(Exit::Pass)
}

/// `gate activate`. Who is named by name is whom the server calls so, which is said.
pub(super) fn owners(client: &ApiClient, file: &File<'_>, key: &KeyArgs, format: Format, env: &Environment) -> Outcome {
    let asked = gates::parse_as_named(file.name, file.text)?;
    let kind = Kind { name: "gate-activate", namespace: act::GATE_OWNERS, field: &["owners"], subject: None };
    let fits = |about: &Value, said: &Value| {
        let owners = resolved(&asked, about, true)?;
        names(said, "owners", &canonical::digest(&owners).map_err(|e| e.to_string())?)
    };
    let (done, index) = put(client, file, &kind, &fits, key, env)?;
    let what = resolved(&asked, &done.about, false).map_err(|what| stranger(client, &what))?;
    is_so(client, &done, "said", &json!(what))?;
    said(format, index, OWNERS_IN_EFFECT, json!(what))?;
    Ok(Exit::Pass)
}

/// The document with the people whom the server says that are named, if they may be; each is told where that is asked for.
fn resolved(asked: &GateOwners, about: &Value, tell: bool) -> Result<GateOwners, String> {
    let other = || "its owners are others than the file's".to_owned();
    let told: GateOwners = serde_json::from_value(about["owners"].clone()).map_err(|_| other())?;
    for (named, person) in asked.people().zip(told.people()) {
        if !is_called(named, person, about["names"][person.as_str()].as_str()) {
            return Err(format!("{} is somebody else", printable(named.as_str())));
        }
        if tell {
            tell_who("", named, person);
        }
    }
    let same = asked.with_people(told.people().cloned());
    if same.as_ref() == Some(&told) { Ok(told) } else { Err(other()) }
}

#[cfg(test)]
mod tests {
    use countersign_model::PersonId;

    use super::*;

    const FILE: &str = "\
version: 1
gates:
  - gate: release
    owner: Mia
    deputy: per-2
    respond_within: 4h
    fallback: two officers decide on paper
    escalation: [{after: 1d, person: Ruth}, {after: 2d, role: administrator}]
";

    #[test]
    fn only_whoever_was_named_is_signed() {
        let asked = gates::parse_as_named("owners.yaml", FILE).unwrap();
        let ids = |all: [&str; 3]| all.map(PersonId::from_text);
        let told = asked.with_people(ids(["per-1", "per-2", "per-3"])).unwrap();
        let names = json!({"per-1": "mia", "per-2": "Dan", "per-3": "Ruth"});
        let about = |owners: &GateOwners| json!({"owners": owners, "names": names});
        assert_eq!(resolved(&asked, &about(&told), true), Ok(told.clone()));
        for people in [["per-3", "per-2", "per-1"], ["per-1", "per-1", "per-3"], ["Mia", "per-2", "per-1"]] {
            let other = asked.with_people(ids(people)).unwrap();
            assert!(resolved(&asked, &about(&other), true).is_err(), "{people:?}");
        }
        let mut other = told.clone();
        other.gates[0].respond_minutes += 1;
        assert!(resolved(&asked, &about(&other), true).is_err());
        let mut fewer = told.clone();
        fewer.gates[0].escalation.clear();
        assert!(resolved(&asked, &about(&fewer), true).is_err());
        assert!(
            resolved(&asked, &json!({"owners": told}), true).is_err() && resolved(&asked, &Value::Null, true).is_err()
        );
    }
}
