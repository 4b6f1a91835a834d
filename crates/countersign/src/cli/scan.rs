//! `scan`: looks, and records nothing.

use std::path::Path;

use countersign_model::{Diagnostic as _, Digest, Exit};
use countersign_scan::{Baseline, Options, RuleSet, Walk, scan_source};
use countersign_store::Ledger;

use super::args::ReportFormat;
use super::args::{PlaceArgs, ScanArgs};
use super::place::ledger_of;
use super::run::print_report;
use crate::config::{Config, Environment};
use crate::errors::{CliError, Failure, Outcome};
use crate::output;
use crate::output::progress::Bar;

/// Scans a directory or a file.
pub(crate) fn run(at: &PlaceArgs, args: &ScanArgs, env: &Environment) -> Outcome {
    let rules = if args.rules.is_empty() { RuleSet::shipped()? } else { RuleSet::load(&args.rules)? };
    for note in rules.notes() {
        output::note(note);
    }
    let dir = if args.path.is_dir() { args.path.as_path() } else { args.path.parent().unwrap_or(Path::new(".")) };
    let config = Config::load(dir)?;
    let baseline = args.baseline.as_deref().map(Baseline::load).transpose()?;
    let declarations = config.declarations();
    let bar = Bar::new(args.no_progress || args.format != ReportFormat::Text);
    let options =
        Options { progress: &bar, baseline: baseline.as_ref(), declarations: &declarations, ..Options::default() };
    let salt = salt(at, dir, &config)?;
    if salt.is_none() && (args.write_baseline.is_some() || baseline.is_some()) {
        return Err(CliError::NoSalt.into());
    }
    // Without a salt the fingerprints are still the same every time; they just are nobody's in particular.
    let salt = salt.unwrap_or_else(|| *Digest::of(b"countersign fingerprints without a salt v1").as_bytes());
    let report = scan_source(&Walk::new(&args.path), &rules, &salt, &options)?;
    drop(bar);
    if let Some(file) = &args.write_baseline {
        let baseline = Baseline::of(&report.findings);
        baseline.write(file)?;
        output::note(&format!(
            "{} written to {}; in a commit it asks for these not to count, and somebody else grants that",
            output::count(baseline.entries().len() as u64, "finding", "findings"),
            file.display()
        ));
    }
    print_report(args.format, &report, &rules, env)?;
    if report.open().next().is_some() {
        return Ok(Exit::Denied);
    }
    if !report.is_complete() {
        return Ok(Exit::Incomplete);
    }
    if report.files == 0 {
        return Err(CliError::NothingToScan { path: args.path.clone() }.into());
    }
    Ok(Exit::Pass)
}

/// The key of the fingerprints: the ledger's, else the configured one.
fn salt(at: &PlaceArgs, dir: &Path, config: &Config) -> Result<Option<[u8; 32]>, Failure> {
    let ledger = match &at.ledger {
        Some(dir) => Some(dir.clone()),
        None => countersign_connect::git::Repository::discover(dir).ok().map(|r| ledger_of(&r)),
    };
    if let Some(ledger) = ledger {
        match Ledger::open(&ledger) {
            Ok(ledger) => return Ok(Some(ledger.salt()?)),
            Err(e) if e.is_not_found() => {}
            // A damaged ledger is no reason not to look at files.
            Err(e) => output::note(&format!("[{}] {e}; fingerprints are not those of the ledger", e.code())),
        }
    }
    Ok(config.salt())
}
