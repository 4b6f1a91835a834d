//! `record`: attaches evidence and artifacts to a run.

use std::fmt::Write as _;
use std::path::PathBuf;

use countersign_connect::git::{Head, Repository};
use countersign_govern::retention::known;
use countersign_model::Exit;
use countersign_scan::import::{Context, Mapping};
use countersign_scan::{Declaration, RuleSet, Scanner};
use countersign_stages::build::observe::short;
use countersign_stages::build::record::{Files, RecordedFile, Reports, record};
use serde_json::json;

use super::args::{Format, PlaceArgs, RecordArgs};
use super::ci;
use super::place::{find_run, notices};
use super::remote;
use super::run::{Committed, committed_at, nothing_committed};
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output;

/// Records files.
pub(crate) fn run(at: &PlaceArgs, args: &RecordArgs, env: &Environment) -> Outcome {
    if let Some(client) = args.server.client(env)? {
        return remote::record(&client, at, args, env);
    }
    let mut session = at.open(env)?;
    let run = match &args.run {
        Some(text) => find_run(&session, text)?,
        None if env.ci.as_ref().is_some_and(|ci| ci.commit.is_some()) => ci::run_named(None, &session, env)?,
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
    let reads = !args.artifact && !args.unread;
    let row = session.state().run(&run)?;
    let judged = row.map(|r| r.commit).unwrap_or_default();
    let repository = at.repository().ok();
    let desk = Desk::of(repository.as_ref(), args.commit.clone(), &judged, reads)?;
    let salt = session.ledger().salt()?;
    ci::attach(&args.token, &mut session, &run, env)?;
    let recorded = desk.with(&salt, &args.files, args.report.as_deref(), reads, |files| {
        record(&mut session, &run, &Files { artifacts: args.artifact, class: args.retention, ..files })
    })?;
    notices(&mut session);
    warn(&recorded, &judged);
    match args.format {
        Format::Json => output::json(&json!({
            "version": 1,
            "run": run,
            "files": recorded.iter().map(|f| json!({
                "path": f.path.to_string_lossy(), "kind": f.kind, "digest": f.digest, "size": f.size,
                "index": f.index, "known": f.known,
                "hidden": f.report.as_ref().map_or(0, |r| r.hidden),
                "reports": f.report.iter().flat_map(|r| &r.reports).map(|r| json!({
                    "tool": r.tool, "name": r.name, "version": r.version, "revisions": r.revisions,
                    "current": r.is_for(&judged), "incomplete": r.incomplete, "findings": r.findings.len(),
                    "passed_over": r.passed_over,
                })).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
        }))?,
        Format::Text => {
            let mut out = String::new();
            for f in &recorded {
                let known = if f.known { ", recorded before" } else { "" };
                let path = output::printable(&f.path.display().to_string());
                let _ = writeln!(out, "{:<16} {path}  {} (entry {}{known})", f.kind, f.digest, f.index);
                for r in f.report.iter().flat_map(|r| &r.reports) {
                    let version =
                        r.version.as_deref().map(|v| format!(" {}", output::printable(v))).unwrap_or_default();
                    let findings = output::count(r.findings.len() as u64, "finding", "findings");
                    let _ = writeln!(out, "{:<16} {}{version}: {findings}", "", output::printable(&r.name));
                }
            }
            let _ = writeln!(out, "attached to {run}; approvals given before bind what was there then");
            output::print(&out)?;
        }
    }
    Ok(Exit::Pass)
}

/// Says what is to be known about reports.
fn warn(recorded: &[RecordedFile], judged: &str) {
    for file in recorded {
        let path = file.path.display();
        let Some(record) = &file.report else {
            if matches!(file.kind.as_str(), "sarif") {
                output::note(&format!("`{path}` was attached unread: it counts as no report"));
            }
            continue;
        };
        if record.hidden > 0 {
            output::note(&format!(
                "`{path}` shows values, names or addresses in {}; it was attached without them, so its digest is another",
                output::count(record.hidden, "place", "places"),
            ));
        }
        for report in &record.reports {
            if !report.is_for(judged) {
                let made_for = report.revisions.first().map(String::as_str).unwrap_or_default();
                output::note(&format!(
                    "the report of {} was made for commit {}, not for {}: its findings do not count, and `build` stays shut",
                    report.tool,
                    short(made_for),
                    short(judged),
                ));
            }
            for why in &report.incomplete {
                output::note(&format!("the report of {} is not whole: {why}", report.tool));
            }
        }
    }
}

/// What reports are read with.
pub(super) struct Desk {
    rules: RuleSet,
    roots: Vec<String>,
    mapping: Mapping,
    declarations: Vec<Declaration>,
    committed: Committed,
    made_for: Option<String>,
}

impl Desk {
    /// What the judged commit says about findings counts for those of other tools too. Where the repository is not here,
    /// or does not hold the commit, nothing is asked for.
    pub(super) fn of(
        repository: Option<&Repository>,
        commit: Option<String>,
        judged: &str,
        reads: bool,
    ) -> Result<Self, Failure> {
        let rules = RuleSet::shipped()?;
        let here = repository.filter(|r| reads && r.resolve(judged).is_ok());
        let committed = here.map_or_else(|| Ok(nothing_committed()), |r| committed_at(r, judged))?;
        let roots = repository.into_iter().flat_map(|r| {
            let real = r.root().canonicalize().ok();
            [Some(r.root().to_path_buf()), real].into_iter().flatten()
        });
        let roots = roots.map(|p| p.to_string_lossy().replace('\\', "/")).collect();
        let made_for = match (commit, repository) {
            (None, _) => None,
            // A name of a branch means the commit it stands at now.
            (Some(commit), Some(r)) => Some(r.resolve(&commit)?),
            (Some(commit), None) => Some(commit),
        };
        Ok(Self {
            rules,
            roots,
            mapping: committed.config.mapping()?,
            declarations: committed.config.declarations(),
            committed,
            made_for,
        })
    }

    /// Does something with files and what they are read with.
    pub(super) fn with<T>(
        &self,
        salt: &[u8; 32],
        paths: &[PathBuf],
        format: Option<&str>,
        reads: bool,
        done: impl FnOnce(Files<'_>) -> Result<T, countersign_stages::Error>,
    ) -> Result<T, Failure> {
        let scanner = Scanner::new(&self.rules, salt);
        let context = Context {
            scanner: &scanner,
            roots: &self.roots,
            mapping: &self.mapping,
            commit: self.made_for.as_deref(),
            declarations: &self.declarations,
            baseline: self.committed.baseline.as_ref(),
        };
        let reports = reads.then_some(Reports { format, context: &context });
        Ok(done(Files { paths, artifacts: false, class: None, reports })?)
    }
}
