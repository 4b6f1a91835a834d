//! `approvals activate` with `--server`: what is asked for, and what is printed, as where the ledger is.

use countersign_connect::remote::ApiClient;
use countersign_evidence::act;
use countersign_model::Exit;
use countersign_model::access::ApprovalRules;
use countersign_policy::approvals::digest;
use serde_json::{Value, json};

use super::approvals;
use super::args::{Format, KeyArgs};
use super::remote::{array, stranger};
use super::remote_acts::{Expects, index, say_unless_so};
use crate::config::Environment;
use crate::errors::Outcome;

/// Puts approval rules in effect; the server checks them as it would check a file.
pub(super) fn approvals(
    client: &ApiClient,
    rules: &ApprovalRules,
    reason: Option<&str>,
    key: &KeyArgs,
    format: Format,
    env: &Environment,
) -> Outcome {
    let asked = json!({"kind": "approvals-activate", "rules": rules, "reason": reason});
    let says = json!({"rules": rules, "reason": reason.map(str::trim)});
    let expects = Expects::of(act::APPROVAL_RULES, says);
    let done = say_unless_so(client, &asked, &[expects], &|_, _| Ok(()), key, env)?;
    let digest = digest(rules)?;
    if done.result.get("rules") != Some(&json!(digest)) {
        return Err(stranger(client, "it says that other rules are in effect"));
    }
    let index = if done.acts.is_empty() { None } else { Some(index(client, &done)?) };
    let sentences = array(&done.result, "unfillable").filter_map(Value::as_str);
    approvals::in_effect(&digest, index, &sentences.map(approvals::warning).collect::<String>(), format)?;
    Ok(Exit::Pass)
}
