//! `replay`: computes a recorded decision again.

use countersign_model::Exit;
use countersign_policy::{RegorusEngine, Replay};
use countersign_stages::build::impact::{Deviation, Period, Sample, population_digest, replay_many};
use countersign_stages::build::replay::{decision_id, replay};
use countersign_store::Session;
use serde_json::json;

use super::args::{Format, PlaceArgs, ReplayArgs};
use super::place::day_or_time;
use crate::config::Environment;
use crate::errors::Outcome;
use crate::output::{self, Paint};

/// Replays a decision.
pub(crate) fn run(at: &PlaceArgs, args: &ReplayArgs, env: &Environment) -> Outcome {
    let session = at.open(env)?;
    if args.all || args.from.is_some() || args.to.is_some() || args.sample.is_some() {
        return many(&session, args);
    }
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

/// Replays a period or a sample of it.
fn many(session: &Session, args: &ReplayArgs) -> Outcome {
    let period = Period {
        from: args.from.as_deref().map(day_or_time).transpose()?,
        to: args.to.as_deref().map(day_or_time).transpose()?,
    };
    let sample = args.sample.zip(args.seed.clone()).map(|(size, seed)| Sample { size, seed });
    let population = population_digest(session, &period)?;
    let done = replay_many(session, &RegorusEngine, &period, sample.as_ref())?;
    let told = |d: &Deviation| match &d.result {
        Ok(Replay::Different { differences }) => differences.clone(),
        Ok(Replay::OtherEngine { recorded, present, .. }) => {
            vec![format!("recorded with {recorded}, replayed with {present}: another verdict")]
        }
        Ok(Replay::Identical) => Vec::new(),
        Err(e) => vec![format!("it could not be computed: {e}")],
    };
    match args.format {
        Format::Json => {
            let deviations: Vec<_> = done
                .deviations
                .iter()
                .map(|d| json!({"index": d.index, "run": d.run, "decision": d.decision, "differences": told(d)}))
                .collect();
            output::json(&json!({
                "version": 1, "population": done.population, "population_digest": population,
                "sample": sample.map(|s| json!({"size": s.size, "seed": s.seed})), "replayed": done.replayed,
                "identical": done.identical, "other_engine": done.other_engine, "deviations": deviations,
            }))?;
        }
        Format::Text => {
            let mut out = String::new();
            for d in &done.deviations {
                out.push_str(&format!("✗ {}  entry {}, {}\n", d.decision, d.index, d.run));
                for line in told(d) {
                    out.push_str(&format!("  {}\n", output::printable(&line)));
                }
            }
            let mark = if done.deviations.is_empty() && done.replayed > 0 { "✓" } else { "✗" };
            out.push_str(&format!(
                "{mark} {} of {} replayed: {} identical, {} by another engine version with the same \
                 verdict, {} different\n  population {population}\n",
                output::thousands(done.replayed),
                output::count(done.population, "decision", "decisions"),
                output::thousands(done.identical),
                output::thousands(done.other_engine),
                output::thousands(done.deviations.len() as u64)
            ));
            output::print(&out)?;
        }
    }
    if done.replayed == 0 {
        return Ok(Exit::Nothing);
    }
    Ok(if done.deviations.is_empty() { Exit::Pass } else { Exit::Unverified })
}
