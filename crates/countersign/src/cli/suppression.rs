//! `suppression list` and `suppression grant`.

use std::fmt::Write as _;
use std::path::Path;

use countersign_model::{Digest, Exit, RunId};
use countersign_scan::Baseline;
use countersign_stages::release::pen::Pen;
use countersign_stages::release::suppression::{grant, requested, to_json};
use countersign_store::Session;
use serde_json::{Value, json};

use super::args::{Format, PlaceArgs};
use super::commit_args::{SuppressionArgs, SuppressionVerb};
use super::place::{find_run, notices};
use super::remote_commits;
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output::{self, printable};

/// Lists or grants.
pub(crate) fn run(at: &PlaceArgs, args: &SuppressionArgs, env: &Environment) -> Outcome {
    match &args.verb {
        SuppressionVerb::List { run, server, format } => {
            if let Some(client) = server.client(env)? {
                return remote_commits::suppressions(&client, at, run, *format, env);
            }
            let session = at.open(env)?;
            let run = find_run(&session, run)?;
            let asked = requested(&session, &run)?;
            listed(run.as_str(), &asked.iter().map(|(f, state)| to_json(f, *state)).collect::<Vec<_>>(), *format)?;
        }
        SuppressionVerb::Grant { run, fingerprints, all: _, baseline, reason, days, key, server } => {
            if let Some(client) = server.client(env)? {
                let baseline = baseline.as_deref().map(Baseline::load).transpose()?;
                let asked =
                    remote_commits::Asked { run, fingerprints, baseline: baseline.as_ref(), reason, days: *days };
                return remote_commits::grant(&client, at, &asked, key, env);
            }
            let mut session = at.open(env)?;
            let run = find_run(&session, run)?;
            let fingerprints = match baseline {
                None => fingerprints.clone(),
                Some(file) => of_baseline(&session, &run, file)?,
            };
            let pen = key.signer(env)?;
            let granted = grant(&mut session, &run, &fingerprints, reason, *days, Pen::Key(&pen))?.done()?;
            notices(&mut session);
            let (count, until) = (granted.findings.len() as u64, granted.expires.to_string());
            is_granted(count, granted.person.as_str(), &until, granted.index)?;
        }
    }
    Ok(Exit::Pass)
}

/// Prints what is asked for, as programs are told it.
pub(super) fn listed(run: &str, asked: &[Value], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(&json!({"version": 1, "run": run, "suppressions": asked}));
    }
    let mut out = String::new();
    for one in asked {
        let text = |name: &str, none: &str| printable(one[name].as_str().unwrap_or(none));
        let fingerprint = text("fingerprint", "");
        let short = fingerprint.parse::<Digest>().map_or(fingerprint, |whole| whole.short());
        let _ = writeln!(
            out,
            "{short}  {:<21}  {}  {}:{}\n    {}: {}",
            text("state", ""),
            text("rule", ""),
            text("path", ""),
            one["line"],
            text("requested_by", "unknown"),
            text("reason", "no reason")
        );
    }
    let _ = writeln!(out, "{} asked for", output::count(asked.len() as u64, "suppression", "suppressions"));
    output::print(&out)
}

/// Says what was granted.
pub(super) fn is_granted(count: u64, by: &str, until: &str, index: u64) -> Result<(), Failure> {
    let what = output::count(count, "suppression", "suppressions");
    output::print(&format!("✓ {what} granted by {by} until {until} (entry {index}); they stay visible\n"))
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
