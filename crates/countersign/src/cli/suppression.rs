//! `suppression list` and `suppression grant`.

use std::fmt::Write as _;
use std::path::Path;

use countersign_model::{Exit, RunId};
use countersign_scan::Baseline;
use countersign_stages::release::suppression::{grant, requested};
use countersign_store::Session;
use serde_json::json;

use super::args::{Format, PlaceArgs, SuppressionArgs, SuppressionVerb};
use super::place::{find_run, notices};
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output::{self, printable};

/// Lists or grants.
pub(crate) fn run(at: &PlaceArgs, args: &SuppressionArgs, env: &Environment) -> Outcome {
    let mut session = at.open(env)?;
    match &args.verb {
        SuppressionVerb::List { run, format } => {
            let run = find_run(&session, run)?;
            let asked = requested(&session, &run)?;
            match format {
                Format::Json => output::json(&json!({
                    "version": 1, "run": run,
                    "suppressions": asked.iter().map(|(f, state)| json!({
                        "fingerprint": f.fingerprint, "rule": f.rule, "path": f.path, "line": f.line, "state": state,
                        "requested_by": f.requested_by, "reason": f.reason,
                    })).collect::<Vec<_>>(),
                }))?,
                Format::Text => {
                    let mut out = String::new();
                    for (f, state) in &asked {
                        let reason = printable(f.reason.as_deref().unwrap_or("no reason"));
                        let by = f.requested_by.as_deref().unwrap_or("unknown");
                        let _ = writeln!(
                            out,
                            "{}  {state:<21}  {}  {}:{}\n    {by}: {reason}",
                            f.fingerprint.short(),
                            f.rule,
                            printable(&f.path.to_string()),
                            f.line
                        );
                    }
                    let _ =
                        writeln!(out, "{} asked for", output::count(asked.len() as u64, "suppression", "suppressions"));
                    output::print(&out)?;
                }
            }
        }
        SuppressionVerb::Grant { run, fingerprints, all: _, baseline, reason, days, key } => {
            let run = find_run(&session, run)?;
            let fingerprints = match baseline {
                None => fingerprints.clone(),
                Some(file) => of_baseline(&session, &run, file)?,
            };
            let granted = grant(&mut session, &run, &fingerprints, reason, *days, &key.signer(env)?)?;
            notices(&mut session);
            output::print(&format!(
                "✓ {} granted by {} until {} (entry {}); they stay visible\n",
                output::count(granted.findings.len() as u64, "suppression", "suppressions"),
                granted.person,
                granted.expires,
                granted.index
            ))?;
        }
    }
    Ok(Exit::Pass)
}

/// What a baseline file asks for in this run. One signature grants all of it.
fn of_baseline(session: &Session, run: &RunId, file: &Path) -> Result<Vec<String>, Failure> {
    let baseline = Baseline::load(file)?;
    let asked = requested(session, run)?.into_iter().map(|(f, _)| f);
    let asked: Vec<String> = asked
        .filter(|f| baseline.asks_for(&f.fingerprint, f.requested_by.as_deref(), f.reason.as_deref()))
        .map(|f| f.fingerprint.hex())
        .collect();
    // An empty list would stand for all.
    if asked.is_empty() {
        Err(countersign_stages::Error::NothingToGrant { run: run.clone() }.into())
    } else {
        Ok(asked)
    }
}
