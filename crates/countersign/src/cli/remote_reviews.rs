//! `access` with `--server`: what each verb asks for, and what it prints, as where the ledger is.

use std::collections::BTreeSet;

use countersign_connect::remote::{ApiClient, Sends, segment};
use countersign_evidence::act;
use countersign_model::access::review::ReviewVerdict;
use countersign_model::{Exit, PersonId, ReviewId};
use serde_json::{Value, json};

use super::access_args::ReviewVerb;
use super::access_review::{said_closed, said_decided, said_open, said_readmitted, say_list, say_mine, say_whole};
use super::args::{Format, KeyArgs};
use super::place::day_or_time;
use super::remote::{array, field, only_here, stranger};
use super::remote_acts::{Expects, index, say, say_unless_so};
use super::remote_people::names_for;
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output::printable;

/// What a review that is opened says besides: what there is, where that was read, and who looks at it, by the server's word. It is
/// compared with the log by everybody who reads it.
const OF_OPENED: &[&str] = &["review", "size", "idle_days", "lines", "population", "reviewers"];

/// `access review`.
pub(super) fn run(client: &ApiClient, verb: &ReviewVerb, env: &Environment) -> Outcome {
    match verb {
        ReviewVerb::Open { from, to, due, reviewer, reason, key, format, .. } => {
            let to = to.as_deref().map(day_or_time).transpose()?;
            let (from, due) = (day_or_time(from)?, day_or_time(due)?);
            let asked = json!({
                "kind": "access-review-open", "from": from, "to": to, "due": due, "reviewers": reviewer,
                "reason": reason,
            });
            let mut says = json!({"from": from, "due": due, "reason": reason.trim()});
            let mut lasts = Vec::new();
            match to {
                Some(to) => says["to"] = json!(to),
                None => lasts.push(("time", "to", 0)),
            }
            let expects =
                Expects { namespace: act::ACCESS_REVIEW, by: "by", says, begins: Vec::new(), free: OF_OPENED, lasts };
            let fits = |_: &Value, said: &Value| looks(said, reviewer);
            let said = say_unless_so(client, &asked, &[expects], &fits, key, env)?;
            said_open(&said.result, &names_for(client, *format)?, *format)?;
        }
        ReviewVerb::Decide { review, decision, line, all_of, reason, key, format, .. } => {
            let asked = json!({
                "kind": "access-review-decide", "review": review, "decision": decision, "lines": line,
                "all_of": all_of, "reason": Some(reason).filter(|reason| !reason.is_empty()),
            });
            let is_kept = *decision == ReviewVerdict::Keep && reason.is_empty();
            let reason = if is_kept { "" } else { reason.trim() };
            let mut says = json!({"verdict": decision, "reason": reason});
            if all_of.is_none() {
                says["lines"] = json!(line.iter().copied().collect::<BTreeSet<u32>>());
            }
            let said = say(client, &asked, &[about(act::ACCESS_REVIEW_DECISION, review, says, &["lines"])], key, env)?;
            said_decided(&said.result, *format)?;
        }
        ReviewVerb::Close { review, key, format, .. } => close(client, review, key, *format, env)?,
        ReviewVerb::List { format, .. } => {
            let said = client.get("access-reviews", &[])?;
            let rows: Vec<Value> = array(&said, "items").cloned().collect();
            return say_list(&rows, &names_for(client, *format)?, *format);
        }
        ReviewVerb::Show { review, mine: true, format, .. } => {
            let said = client.post(&format!("access-reviews/{}/shown", segment(review)), &[], &[], &Sends::Nothing)?;
            say_mine(&said, &names_for(client, *format)?, *format)?;
        }
        ReviewVerb::Show { review, mine: false, format, .. } => {
            let said = client.get(&format!("access-reviews/{}", segment(review)), &[])?;
            say_whole(&said, &names_for(client, *format)?, *format)?;
        }
        ReviewVerb::Remind { .. } => return Err(only_here("this verb")),
    }
    Ok(Exit::Pass)
}

/// What is said about a review; which is the latest one is the server's to look up.
fn about(namespace: &'static str, review: &str, says: Value, free: &'static [&'static str]) -> Expects {
    let start = if review == "latest" { ReviewId::PREFIX } else { review };
    Expects { namespace, by: "by", says, begins: vec![("review", start.to_owned())], free, lasts: Vec::new() }
}

/// Whether those look who were asked to. Names are the ledger's to look up.
fn looks(said: &Value, reviewers: &[String]) -> Result<(), String> {
    let who: Vec<&str> = array(said, "reviewers").filter_map(Value::as_str).collect();
    let named: BTreeSet<&String> = reviewers.iter().collect();
    let ids = named.iter().filter(|text| text.starts_with(PersonId::PREFIX));
    for id in ids {
        if !who.contains(&id.as_str()) {
            return Err(format!("`{}` is no reviewer", printable(id)));
        }
    }
    // One person can be named twice, by name and by id, and nobody can come in by that.
    if !named.is_empty() && (who.is_empty() || who.len() > named.len()) {
        return Err("other people review than were asked to".to_owned());
    }
    Ok(())
}

/// Two acts: what is to go ends, and then, once the log was read again, it is certified.
fn close(client: &ApiClient, review: &str, key: &KeyArgs, format: Format, env: &Environment) -> Result<(), Failure> {
    let asked = json!({"kind": "access-review-enforce", "review": review});
    let expects = about(act::ACCESS_REVIEW_ENFORCEMENT, review, json!({}), &["lines"]);
    let enforced = say_unless_so(client, &asked, &[expects], &|_, _| Ok(()), key, env)?;
    let id = field(client, &enforced.result, "review")?.to_owned();
    if review != "latest" && !id.starts_with(review) {
        return Err(stranger(client, "its answer is about another review"));
    }
    let index = enforced.result.get("index").cloned().unwrap_or_default();
    let ended = enforced.result.get("ended").cloned().unwrap_or_default();
    let asked = json!({"kind": "access-review-close", "review": id});
    let expects =
        about(act::ACCESS_REVIEW_CERTIFICATION, &id, json!({}), &["population", "size", "held", "gone", "figures"]);
    let mut said = say(client, &asked, &[expects], key, env)?.result;
    if let Some(said) = said.as_object_mut() {
        said.insert("enforced".to_owned(), index);
        said.insert("ended".to_owned(), ended);
    }
    said_closed(&said, &names_for(client, format)?, format)
}

/// `access readmit`.
pub(super) fn readmit(
    client: &ApiClient,
    workload: &str,
    reason: &str,
    key: &KeyArgs,
    format: Format,
    env: &Environment,
) -> Outcome {
    let asked = json!({"kind": "access-readmit", "workload": workload, "reason": reason});
    let says = json!({"workload": workload, "reason": reason.trim()});
    let expects = Expects {
        namespace: act::WORKLOAD_READMISSION,
        by: "by",
        says,
        begins: Vec::new(),
        free: &[],
        lasts: Vec::new(),
    };
    let said = say(client, &asked, &[expects], key, env)?;
    said_readmitted(workload, index(client, &said)?, format)?;
    Ok(Exit::Pass)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_look_who_were_asked_to() {
        let said = json!({"reviewers": ["per-1", "per-2"]});
        let asked = |names: &[&str]| looks(&said, &names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
        for good in [&[][..], &["Ada", "Ruth"], &["per-1", "Ruth"], &["per-1", "per-2"], &["per-1", "Ada", "Ruth"]] {
            assert_eq!(asked(good), Ok(()), "{good:?}");
        }
        for bad in [&["Ada"][..], &["per-1"], &["per-3", "Ada"], &["per-1", "per-3"]] {
            assert!(asked(bad).is_err(), "{bad:?}");
        }
    }
}
