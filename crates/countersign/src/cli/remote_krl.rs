//! `person krl` with `--server`: what each verb asks for, and what it prints, as where the ledger is. The server is sent the list; what is
//! signed is held against the same file here. Pseudonyms of key ids the ledger alone can make.

use std::collections::BTreeMap;

use countersign_connect::remote::ApiClient;
use countersign_evidence::sshsig::RevocationList;
use countersign_evidence::{act, to_base64};
use countersign_govern::access::revocation_lists;
use countersign_model::access::ListedCertificates;
use countersign_model::{Digest, Exit};
use serde_json::{Value, json};

use super::person_krl::{listed, read, said_imported};
use super::person_krl_args::PersonKrlVerb;
use super::remote::{array, field, stranger};
use super::remote_acts::{Beside, Expects, say_beside};
use crate::config::Environment;
use crate::errors::Outcome;

/// How the pseudonym of a key id begins.
const KEY_ID: &str = "keyid-";

/// `person krl`.
pub(super) fn run(client: &ApiClient, verb: &PersonKrlVerb, env: &Environment) -> Outcome {
    match verb {
        PersonKrlVerb::Import { file, reason, key, format, .. } => {
            let bytes = read(file)?;
            let list = RevocationList::parse(&bytes).map_err(countersign_govern::Error::from)?;
            let number = list.number.to_string();
            let asked = json!({"kind": "person-krl-import", "list": to_base64(&bytes), "reason": reason});
            let says = json!({
                "number": number, "digest": Digest::of(&bytes), "keys": list.keys, "sha1": list.sha1,
                "reason": reason.trim(),
            });
            let expects = Expects::of(act::REVOCATION_LIST, says).free(&["certificates"]);
            let fits = |_: &Value, said: &Value| names(said, &list);
            let beside = Beside { list: Some(&bytes), ..Beside::default() };
            let said = say_beside(client, &asked, &[expects], (&fits, beside), key, env)?;
            if said.acts.is_empty() || field(client, &said.result, "number")? != number {
                return Err(stranger(client, "its answer is of another list"));
            }
            said_imported(&said.result, *format)?;
        }
        PersonKrlVerb::List { format, .. } => {
            let said = client.get("revocation-lists", &[])?;
            listed(&array(&said, "items").cloned().collect::<Vec<_>>(), *format)?;
        }
    }
    Ok(Exit::Pass)
}

/// Whether a statement names the certificates of a list, and no others: a pseudonym for each key id, and the same for the same.
fn names(said: &Value, list: &RevocationList) -> Result<(), String> {
    let other = || "`certificates` is another".to_owned();
    let told: Option<Vec<ListedCertificates>> =
        said.get("certificates").and_then(|all| serde_json::from_value(all.clone()).ok());
    let told = told.ok_or_else(other)?;
    let wanted = revocation_lists::listed(list, str::to_owned);
    if told.len() != wanted.len() {
        return Err(other());
    }
    let (mut known, mut taken) = (BTreeMap::new(), BTreeMap::new());
    for (told, wanted) in told.iter().zip(&wanted) {
        let same = told.authority == wanted.authority && told.serials == wanted.serials;
        if !same || told.key_ids != wanted.key_ids || told.pseudonyms.len() != wanted.pseudonyms.len() {
            return Err(other());
        }
        for (pseudonym, id) in told.pseudonyms.iter().zip(&wanted.pseudonyms) {
            let is_one = pseudonym.starts_with(KEY_ID);
            let (before, of) = (known.insert(id, pseudonym), taken.insert(pseudonym, id));
            if !is_one || before.is_some_and(|one| one != pseudonym) || of.is_some_and(|one| one != id) {
                return Err(other());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use countersign_evidence::sshsig::RevokedCertificates;

    use super::*;

    #[test]
    fn a_statement_names_the_certificates_of_the_list_and_no_others() {
        let one = RevokedCertificates {
            authority: None,
            serials: vec![(1, 1), (5, 9)],
            key_ids: vec!["mia@laptop".into(), "4711".into(), "mia@laptop".into()],
        };
        let list = RevocationList { certificates: vec![one], ..RevocationList::default() };
        let good = json!({
            "authority": null, "serials": [["1", "1"], ["5", "9"]], "key_ids": ["4711"],
            "pseudonyms": ["keyid-a", "keyid-b", "keyid-a"],
        });
        let fits = |all: Value| names(&json!({"certificates": all}), &list).is_ok();
        assert!(fits(json!([good])));
        for (field, value) in [
            ("authority", json!("SHA256:a")),
            ("serials", json!([["1", "1"], ["5", "10"]])),
            ("serials", json!([["1", "1"]])),
            ("key_ids", json!(["4711", "4712"])),
            ("key_ids", json!([])),
            ("pseudonyms", json!(["keyid-a", "keyid-b"])),
            ("pseudonyms", json!(["keyid-a", "keyid-b", "keyid-c"])),
            ("pseudonyms", json!(["keyid-a", "keyid-a", "keyid-a"])),
            ("pseudonyms", json!(["4711", "keyid-b", "4711"])),
            ("more", json!(1)),
        ] {
            let mut other = good.clone();
            other[field] = value;
            assert!(!fits(json!([other])), "{field}");
        }
        assert!(!fits(json!([])) && !fits(json!([good, good])) && !fits(Value::Null));
    }
}
