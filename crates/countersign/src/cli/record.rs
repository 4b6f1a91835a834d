//! `record`: attaches evidence and artifacts to a run.

use std::fmt::Write as _;

use countersign_connect::git::Head;
use countersign_govern::retention::known;
use countersign_model::Exit;
use countersign_stages::build::record::record;
use serde_json::json;

use super::args::{Format, PlaceArgs, RecordArgs};
use super::place::{find_run, notices};
use crate::config::Environment;
use crate::errors::Outcome;
use crate::output;

/// Records files.
pub(crate) fn run(at: &PlaceArgs, args: &RecordArgs, env: &Environment) -> Outcome {
    let mut session = at.open(env)?;
    let run = match &args.run {
        Some(text) => find_run(&session, text)?,
        None => match at.repository()?.head()? {
            // The run whose attempt is the latest among those of this commit.
            Head::Commit { id, .. } => {
                let last = session.state().latest_run_of(&id)?;
                last.ok_or_else(|| countersign_stages::Error::NoSuchRun { run: format!("of commit {id}") })?
            }
            Head::Unborn { branch } => return Err(countersign_stages::Error::NoCommits { branch }.into()),
        },
    };
    if let Some(class) = args.retention {
        known(&session, class)?;
    }
    let recorded = record(&mut session, &run, &args.files, args.artifact, args.retention)?;
    notices(&mut session);
    match args.format {
        Format::Json => output::json(&json!({
            "version": 1,
            "run": run,
            "files": recorded.iter().map(|f| json!({
                "path": f.path.to_string_lossy(), "kind": f.kind, "digest": f.digest, "size": f.size,
                "index": f.index, "known": f.known,
            })).collect::<Vec<_>>(),
        }))?,
        Format::Text => {
            let mut out = String::new();
            for f in &recorded {
                let known = if f.known { ", recorded before" } else { "" };
                let path = output::printable(&f.path.display().to_string());
                let _ = writeln!(out, "{:<16} {path}  {} (entry {}{known})", f.kind, f.digest, f.index);
            }
            let _ = writeln!(out, "attached to {run}; approvals given before bind what was there then");
            output::print(&out)?;
        }
    }
    Ok(Exit::Pass)
}
