//! `enforcement override` with `--server`: what is let pass is looked at here before it is signed.

use std::collections::BTreeSet;

use countersign_connect::remote::ApiClient;
use countersign_evidence::act;
use countersign_model::{Digest, Exit};
use countersign_policy::Reason;
use countersign_policy::enforcement::reason_digest;
use serde_json::{Value, json};

use super::args::{Format, KeyArgs, PlaceArgs};
use super::enforcement::overridden;
use super::remote::{array, run_named};
use super::remote_acts::{Expects, say_unless_so};
use crate::config::Environment;
use crate::errors::Outcome;
use crate::output::{self, printable};

/// What is asked for.
pub(super) struct Asked<'a> {
    pub(super) run: &'a str,
    pub(super) control: &'a [String],
    pub(super) reason: &'a str,
}

/// Overrides soft reasons that hold a run up.
pub(super) fn overrule(
    client: &ApiClient,
    at: &PlaceArgs,
    asked: &Asked<'_>,
    key: &KeyArgs,
    format: Format,
    env: &Environment,
) -> Outcome {
    let run = run_named(client, Some(asked.run), at, env)?;
    let act = json!({"kind": "enforcement-override", "run": run, "controls": asked.control, "reason": asked.reason});
    let says = json!({"run": run, "reason": asked.reason.trim()});
    let free = &["id", "repository", "decision", "assignment", "reasons"];
    let expects = Expects::of(act::OVERRIDE, says).free(free);
    let fits = |about: &Value, said: &Value| fits(asked.control, about, said);
    let done = say_unless_so(client, &act, &[expects], &fits, key, env)?;
    overridden(&done.result, format)?;
    Ok(Exit::Pass)
}

/// Whether exactly the reasons that the server tells are those that would be signed, and are such as were asked for; each is told.
fn fits(controls: &[String], about: &Value, said: &Value) -> Result<(), String> {
    let mut told = BTreeSet::new();
    for one in array(about, "reasons") {
        let gate = one["gate"].as_str().ok_or("a reason is of no gate")?;
        let reason: Reason = serde_json::from_value(one["reason"].clone()).map_err(|_| "a reason cannot be read")?;
        if !controls.is_empty() && !reason.controls.iter().any(|control| controls.contains(control)) {
            return Err(format!("`{}` concerns no control that was named", reason.code));
        }
        output::note(&format!("{gate}  {}: {}", reason.code, printable(&reason.text)));
        told.insert(reason_digest(gate, &reason).map_err(|e| e.to_string())?);
    }
    let signed: Option<BTreeSet<Digest>> = serde_json::from_value(said["reasons"].clone()).ok();
    if !told.is_empty() && signed == Some(told) { Ok(()) } else { Err("`reasons` are others than are told".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reasons_that_were_told_and_asked_for_are_signed() {
        let reason = |code: &str, control: &str| json!({"effect": "deny", "code": code, "text": "it is so", "controls": [control]});
        let digest = |gate: &str, reason: &Value| {
            reason_digest(gate, &serde_json::from_value::<Reason>(reason.clone()).unwrap()).unwrap()
        };
        let (one, other) = (reason("finding", "CTL-1"), reason("late", "CTL-2"));
        let about = json!({"reasons": [{"gate": "build", "reason": one}, {"gate": "release", "reason": other}]});
        let mut both = [digest("build", &one), digest("release", &other)];
        both.sort_unstable();
        let named = ["CTL-1".to_owned()];
        assert_eq!(fits(&[], &about, &json!({"reasons": both})), Ok(()));
        for wrong in [json!(both[..1]), json!([]), Value::Null, json!([both[0], digest("release", &one)])] {
            assert!(fits(&[], &about, &json!({"reasons": wrong})).is_err(), "{wrong}");
        }
        assert!(fits(&named, &about, &json!({"reasons": both})).is_err(), "one of them was not asked for");
        let about = json!({"reasons": [{"gate": "build", "reason": one}]});
        assert_eq!(fits(&named, &about, &json!({"reasons": [digest("build", &one)]})), Ok(()));
        for nothing in [json!({"reasons": []}), Value::Null] {
            assert!(fits(&[], &nothing, &json!({"reasons": []})).is_err());
        }
    }
}
