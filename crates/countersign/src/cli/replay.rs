//! `replay`: computes a recorded decision again.

use countersign_model::Exit;
use countersign_policy::{RegorusEngine, Replay};
use countersign_stages::build::replay::{decision_id, replay};
use serde_json::json;

use super::args::{Format, PlaceArgs, ReplayArgs};
use crate::config::Environment;
use crate::errors::Outcome;
use crate::output::{self, Paint};

/// Replays a decision.
pub(crate) fn run(at: &PlaceArgs, args: &ReplayArgs, env: &Environment) -> Outcome {
    let session = at.open(env)?;
    let replayed = replay(&session, &RegorusEngine, &args.decision)?;
    let digest = replayed.decision.digest()?;
    let id = decision_id(&digest);
    let (word, differences, exit) = match &replayed.result {
        Replay::Identical => ("identical", Vec::new(), Exit::Pass),
        Replay::OtherEngine { same_result, .. } => {
            let exit = if *same_result { Exit::Pass } else { Exit::Unverified };
            ("other-engine", Vec::new(), exit)
        }
        Replay::Different { differences } => ("different", differences.clone(), Exit::Unverified),
    };
    match args.format {
        Format::Json => {
            let engine = match &replayed.result {
                Replay::OtherEngine { recorded, present, same_result } => {
                    json!({"recorded": recorded, "present": present, "same_result": same_result})
                }
                _ => json!(null),
            };
            output::json(&json!({
                "version": 1, "decision": id, "digest": digest, "index": replayed.index, "run": replayed.run,
                "result": word, "differences": differences, "engine": engine,
            }))?;
        }
        Format::Text => {
            let p = Paint::of(env);
            let mut out = format!("{id}  entry {}, {}\n", replayed.index, replayed.run);
            match &replayed.result {
                Replay::Identical => {
                    out.push_str(&format!("{}✓ identical{}: the same bytes came out again\n", p.good, p.reset));
                }
                Replay::OtherEngine { recorded, present, same_result } => {
                    let result = if *same_result { "the same verdict" } else { "another verdict" };
                    out.push_str(&format!(
                        "{}other engine version{}: recorded with {recorded}, replayed with {present}: {result}\n",
                        p.wait, p.reset
                    ));
                }
                Replay::Different { differences } => {
                    out.push_str(&format!("{}✗ different{}\n", p.bad, p.reset));
                    for d in differences {
                        out.push_str(&format!("  {}\n", output::printable(d)));
                    }
                }
            }
            output::print(&out)?;
        }
    }
    Ok(exit)
}
