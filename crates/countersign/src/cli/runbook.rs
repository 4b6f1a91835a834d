//! `runbook`: what people do with the gates, written from what is configured.

use std::fmt::Write as _;

use countersign_govern::runbook as acts;
use countersign_model::Exit;
use countersign_policy::RegorusEngine;
use serde_json::{Value, json};

use super::args::{Format, PlaceArgs};
use super::catalogue;
use super::runbook_args::{PageFormat, RunbookArgs, RunbookVerb};
use crate::config::Environment;
use crate::errors::{CliError, Outcome};
use crate::output::{self, printable};

/// Writes the runbook, or says what is wrong.
pub(crate) fn run(at: &PlaceArgs, args: &RunbookArgs, env: &Environment) -> Outcome {
    let session = at.open(env)?;
    if let Some(RunbookVerb::Lint { format }) = &args.verb {
        let found = acts::findings(&session, &RegorusEngine)?;
        match format {
            Format::Json => {
                let rows: Vec<Value> =
                    found.iter().map(|f| json!({"gate": f.gate, "code": f.code, "text": f.text})).collect();
                output::json(&json!({"version": 1, "findings": rows}))?;
            }
            Format::Text => {
                let mut out = String::new();
                for f in &found {
                    let gate = f.gate.as_deref().unwrap_or("people");
                    let _ = writeln!(out, "✗ {gate:<11} {}: {}", f.code, printable(&f.text));
                }
                let _ = writeln!(out, "{}", output::count(found.len() as u64, "finding", "findings"));
                output::print(&out)?;
            }
        }
        return Ok(if found.is_empty() { Exit::Pass } else { Exit::Denied });
    }
    let page = acts::write(&session, &RegorusEngine, &catalogue::load(at)?)?;
    let text = match args.format {
        PageFormat::Md => page.markdown(),
        PageFormat::Html => page.html(),
    };
    match &args.out {
        None => output::print(&text)?,
        Some(path) => {
            std::fs::write(path, &text).map_err(|source| CliError::Write { path: path.clone(), source })?;
            output::print(&format!("✓ written to {}\n", path.display()))?;
        }
    }
    Ok(Exit::Pass)
}
