//! `gate acknowledge` and `gate review` with `--server`: what each asks for, and what it prints, as where the ledger is.

use countersign_connect::remote::ApiClient;
use countersign_evidence::act;
use countersign_model::Exit;
use serde_json::{Value, json};

use super::args::{Format, GateVerb, KeyArgs};
use super::gate::{reviewed, said, taken_on};
use super::remote::only_here;
use super::remote_acts::{Expects, index, say};
use crate::config::Environment;
use crate::errors::{Failure, Outcome};

/// The verbs of `gate` that say something of a gate.
pub(super) fn run(client: &ApiClient, verb: &GateVerb, env: &Environment) -> Outcome {
    match verb {
        GateVerb::Acknowledge { gate, key, format, .. } => {
            let asked = json!({"kind": "gate-acknowledge", "gate": gate});
            let expects = expects(act::GATE_ACKNOWLEDGEMENT, json!({"gate": gate}));
            told(client, &asked, expects, (gate, &taken_on(gate)), key, *format, env)?;
        }
        GateVerb::Review { gate, finding, key, format, .. } => {
            let asked = json!({"kind": "gate-review", "gate": gate, "finding": finding});
            let expects = expects(act::GATE_REVIEW, json!({"gate": gate, "finding": finding.trim()}));
            told(client, &asked, expects, (gate, &reviewed(gate)), key, *format, env)?;
        }
        _ => return Err(only_here("this verb")),
    }
    Ok(Exit::Pass)
}

/// Whose gates they are is as the ledger says it.
fn expects(namespace: &'static str, says: Value) -> Expects {
    Expects::of(namespace, says).free(&["owners"])
}

fn told(
    client: &ApiClient,
    asked: &Value,
    expects: Expects,
    (gate, text): (&str, &str),
    key: &KeyArgs,
    format: Format,
    env: &Environment,
) -> Result<(), Failure> {
    let done = say(client, asked, &[expects], key, env)?;
    said(format, Some(index(client, &done)?), text, json!({"gate": gate}))
}
