//! `suppression list` and `suppression grant`.

use std::fmt::Write as _;

use countersign_model::Exit;
use countersign_stages::release::suppression::{grant, requested};
use serde_json::json;

use super::args::{Format, PlaceArgs, SuppressionArgs, SuppressionVerb};
use super::place::{find_run, notices};
use crate::config::Environment;
use crate::errors::Outcome;
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
        SuppressionVerb::Grant { run, fingerprints, all: _, reason, days, key } => {
            let run = find_run(&session, run)?;
            let granted = grant(&mut session, &run, fingerprints, reason, *days, &key.signer(env)?)?;
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
