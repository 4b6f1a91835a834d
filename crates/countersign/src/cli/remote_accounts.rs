//! `person account` with `--server`: what each verb asks for, and what it prints, as where the ledger is. Which account it is stands in nothing
//! that is signed: the command looks whether what was sealed opens to it. The pseudonym beside it only the ledger can make.

use countersign_connect::remote::ApiClient;
use countersign_evidence::act;
use countersign_model::Exit;
use countersign_model::access::account::Account;
use countersign_store::subjects;
use serde_json::json;

use super::person_account::{said_linked, said_unlinked};
use super::person_account_args::PersonAccountVerb;
use super::remote::{field, only_here};
use super::remote_acts::{Beside, Opened, Sealing, index};
use super::remote_people::{about_beside, about_more, label};
use crate::config::Environment;
use crate::errors::Outcome;

/// `person account`.
pub(super) fn run(client: &ApiClient, verb: &PersonAccountVerb, env: &Environment) -> Outcome {
    match verb {
        PersonAccountVerb::Add { person, account, login, key, format, .. } => {
            let wanted = account.account(login.as_deref())?;
            let Account { issuer, subject, login } = &wanted;
            let asked = json!({
                "kind": "person-account-add", "person": person, "issuer": issuer, "subject": subject, "login": login,
            });
            let opens = |sealed: &Opened<'_>| {
                let (whose, name) = (sealed.person("person"), sealed.text("account"));
                Some(subjects::read_account(sealed.opener, &whose, name, sealed.bytes)? == wanted)
            };
            let says = (act::ACCOUNT, json!({}), &["person", "account", "sealed"][..]);
            let beside = Beside { sealing: Some(Sealing { field: "sealed", opens: &opens }), ..Beside::default() };
            let said = about_beside(client, &asked, says, (person, &|_| Ok(()), beside), key, env)?;
            said_linked(field(client, &said.result, "person")?, label(client, &said)?, index(client, &said)?, *format)?;
        }
        PersonAccountVerb::Remove { person, account, reason, key, format, .. } => {
            let Account { issuer, subject, .. } = account.account(None)?;
            let asked = json!({
                "kind": "person-account-remove", "person": person, "issuer": issuer, "subject": subject,
                "reason": reason,
            });
            let says = (act::ACCOUNT_REMOVAL, json!({"reason": reason.trim()}), &["person", "account"][..]);
            let said = about_more(client, &asked, says, person, &|_| Ok(()), key, env)?;
            said_unlinked(
                field(client, &said.result, "person")?,
                label(client, &said)?,
                index(client, &said)?,
                *format,
            )?;
        }
        PersonAccountVerb::List { .. } => return Err(only_here("this verb")),
    }
    Ok(Exit::Pass)
}
