//! `gate check`: decides again on the present state, and says where every gate stands.

use countersign_policy::RegorusEngine;
use countersign_stages::build::replay::decision_id;
use countersign_stages::build::run::check;
use countersign_stages::release::rules::overall;
use serde_json::json;

use super::args::{Format, GateArgs, GateVerb, PlaceArgs};
use super::place::{find_run, notices};
use crate::config::Environment;
use crate::errors::Outcome;
use crate::output::run::{exit, root};
use crate::output::{self, Paint, gates};

/// Checks the gates of a run.
pub(crate) fn run(at: &PlaceArgs, args: &GateArgs, env: &Environment) -> Outcome {
    let GateVerb::Check { run, format } = &args.verb;
    let mut session = at.open(env)?;
    let run = find_run(&session, run)?;
    let (decision, gates, index) = check(&mut session, &RegorusEngine, &run)?;
    notices(&mut session);
    let outcome = overall(&gates);
    let digest = decision.digest()?;
    match format {
        Format::Json => output::json(&json!({
            "version": 1,
            "run": {"id": run},
            "gates": gates::to_json(&gates),
            "decision": {"id": decision_id(&digest), "outcome": outcome, "digest": digest},
            "receipt": {"index": index, "size": session.ledger().size(), "root": root(&session)},
        }))?,
        Format::Text => {
            let p = Paint::of(env);
            let mut out = gates::table(&gates, &p);
            out.push('\n');
            out.push_str(&gates::signatures(&gates, &run, session.state(), &p)?);
            let (mark, colour) = gates::sign(outcome, &p);
            out.push_str(&format!("\n{run}  {}  {colour}{mark} {outcome}{}\n", decision_id(&digest), p.reset));
            output::print(&out)?;
        }
    }
    Ok(exit(outcome))
}
