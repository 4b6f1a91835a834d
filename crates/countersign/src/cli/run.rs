//! `run`: the main job.

use std::collections::BTreeSet;

use countersign_connect::git::Repository;
use countersign_model::Diagnostic as _;
use countersign_model::change::Tightened;
use countersign_scan::{Baseline, Progress, RuleSet, report};
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::build::governed::assignment_in_effect;
use countersign_stages::build::observe::Ask;
use countersign_stages::build::replay::decision_id;
use countersign_stages::build::run::{self, Inputs, Ran};
use countersign_stages::build::submission::Submission;
use countersign_stages::build::workload::Workload;
use countersign_stages::release::rules::overall;
use countersign_store::Session;

use super::args::{PlaceArgs, ReportFormat, RunArgs};
use super::place::notices;
use super::{catalogue, ci, remote};
use crate::config::{Config, Environment, FILE};
use crate::errors::{CliError, Failure, Outcome};
use crate::output::progress::Bar;
use crate::output::run::{self as page, Narrowed};
use crate::output::{self, Paint, summary};

/// The largest configuration or baseline that is read from a commit, in bytes.
pub(crate) const MOST_CONFIG: u64 = 64 * 1024 * 1024;

/// Judges the commit at `HEAD`, records everything, prints, and says it with the exit code.
pub(crate) fn run(at: &PlaceArgs, args: &RunArgs, env: &Environment) -> Outcome {
    if let Some(client) = args.server.client(env)? {
        return remote::run(&client, at, args, env);
    }
    let repository = at.repository()?;
    // A mistake in the file that is being edited is told at once; what counts is what is committed.
    let edited = Config::load(repository.root())?;
    let committed = committed(&repository)?;
    let config = &committed.config;
    config.mapping()?;
    let rules = if args.rules.is_empty() { RuleSet::shipped()? } else { RuleSet::load(&args.rules)? };
    let mut session = at.open_or_create(env, config.salt().or_else(|| edited.salt()), false)?;
    may_tighten(at, &session, &repository, &edited)?;
    let bar = Bar::new(args.no_progress || args.format != ReportFormat::Text);
    let ci = env.ci.as_ref();
    let ask = ask(args, env, config)?;
    let token = ci::token(&args.token, &session, env)?;
    let narrowed = match (args.base.as_deref(), ci.and_then(|ci| ci.base.as_deref())) {
        (Some(base), _) => Some(narrow(&repository, base)?),
        // A clone of a CI system often lacks it, and it only narrows what is shown.
        (None, Some(base)) if repository.resolve(base).is_ok() => Some(narrow(&repository, base)?),
        (None, _) => None,
    };
    let asked = Asked { ask, token, submission: None, progress: &bar };
    let ran = judge(at, &mut session, &repository, &rules, &committed, asked)?;
    drop(bar);
    notices(&mut session);
    warn(&ran);
    if let Some(path) = args.summary.summary.as_deref().or_else(|| ci.and_then(|ci| ci.summary.as_deref())) {
        let decision = decision_id(&ran.digest);
        summary::append(
            path,
            &summary::About {
                run: &ran.run,
                commit: &ran.observed.change.commit,
                decision: &decision,
                outcome: overall(&ran.gates),
                gates: &ran.gates,
                index: ran.index,
                ci,
                proved: ran.workload.as_ref().map(Workload::system),
            },
        )?;
    }
    match args.format {
        ReportFormat::Text => {
            output::print(&page::text(&ran, &session, &rules, narrowed.as_ref(), &Paint::of(env))?)?;
        }
        ReportFormat::Json => output::json(&page::to_json(&ran, &session))?,
        other => print_report(other, &ran.all, &rules, env)?,
    }
    Ok(page::exit(overall(&ran.gates)))
}

/// What is said about a change: by the options, else by the CI system, else by the configuration.
pub(crate) fn ask(args: &RunArgs, env: &Environment, config: &Config) -> Result<Ask, Failure> {
    let ci = env.ci.as_ref();
    let environment = args.env.clone().or_else(|| ci.and_then(|ci| ci.environment.clone()));
    let environment = environment.or_else(|| config.release.environment.clone());
    Ok(Ask {
        environment: environment.unwrap_or_else(|| "production".into()),
        ticket: said(args.ticket.as_deref(), "--ticket")?,
        reason: said(args.reason.as_deref(), "--reason")?,
        ticket_hint: ci.and_then(|ci| ci.pull_request.as_ref()).map(|number| format!("pull request {number}")),
    })
}

/// What is asked of a judgement besides the commit.
pub(crate) struct Asked<'a> {
    /// What is said about the change.
    pub(crate) ask: Ask,
    /// The job's identity token.
    pub(crate) token: Option<Vec<u8>>,
    /// How it came, where it was sent to a server.
    pub(crate) submission: Option<&'a Submission>,
    /// Told how far the scan is.
    pub(crate) progress: &'a dyn Progress,
}

/// Judges the commit at the repository's head by what that commit proposes: on the machine of whoever types `run`, and on a server.
pub(crate) fn judge(
    at: &PlaceArgs,
    session: &mut Session,
    repository: &Repository,
    rules: &RuleSet,
    committed: &Committed,
    asked: Asked<'_>,
) -> Result<Ran, Failure> {
    let config = &committed.config;
    config.mapping()?;
    may_tighten(at, session, repository, config)?;
    let required = |commit: &str| required_reports(repository, commit);
    let tightened = |commit: &str| tightened(repository, commit);
    let approvals = |commit: &str| of_commit(repository, commit).map(|c| c.asked_approvals()).unwrap_or_default();
    let declarations = config.declarations();
    let told = |text: &str| output::note(text);
    let token = asked.token.map(|token| (token, ci::keys(session, &told)));
    let inputs = Inputs {
        rules,
        engine: &ConfinedEngine,
        ask: asked.ask,
        declarations: &declarations,
        baseline: committed.baseline.as_ref(),
        required_reports: &required,
        tightened: &tightened,
        approvals: &approvals,
        progress: asked.progress,
        cache_dir: &session.cache_dir(),
        token,
        hooks_required: config.hooks.required,
        hooks_required_at: &|commit| Ok(hooks_required(repository, commit)?),
        submission: asked.submission,
    };
    Ok(run::run(session, repository, &inputs)?)
}

/// Whether what a configuration tightens can be tightened.
fn may_tighten(at: &PlaceArgs, session: &Session, repository: &Repository, config: &Config) -> Result<(), Failure> {
    if config.enforcement.tighten.is_empty() {
        return Ok(());
    }
    let identity = repository.identity()?;
    let application = identity.as_deref().map(|id| session.state().application_of(id)).transpose()?.flatten();
    let criticality = application.map(|a| a.what.criticality);
    let levels = assignment_in_effect(session)?;
    config.check_tightened(FILE, levels.as_ref(), criticality, &catalogue::load(at)?)
}

/// What was said, if anything was: a pipeline often passes an empty variable.
fn said(text: Option<&str>, flag: &str) -> Result<Option<String>, Failure> {
    const LONGEST: usize = 10_000;
    let text = text.map(str::trim).filter(|t| !t.is_empty());
    if text.is_some_and(|t| t.len() > LONGEST) {
        let what = format!("{flag} has more than {LONGEST} bytes");
        return Err(
            CliError::Usage { what, help: "record a long text as evidence: countersign record FILE".into() }.into()
        );
    }
    Ok(text.map(str::to_owned))
}

fn warn(ran: &Ran) {
    if ran.bypasses_missed > 0 {
        let places = output::count(ran.bypasses_missed as u64, "place", "places");
        output::note(&format!(
            "{places} in covered commits could not be looked at, so hooks may have been bypassed there"
        ));
    }
    if let Some(w) = &ran.cache_warning {
        output::note(&format!("[{}] {w}; everything was scanned anew", w.code()));
    }
    if let Some(e) = &ran.cache_unsaved {
        output::note(&format!("[{}] {e}; the next run scans everything again", e.code()));
    }
}

/// Whether a commit's own tree says that hooks are required. One whose configuration cannot be read may have.
fn hooks_required(repository: &Repository, commit: &str) -> Result<bool, countersign_connect::Error> {
    let Some(bytes) = repository.file_at(commit, FILE, MOST_CONFIG)? else { return Ok(false) };
    let config = String::from_utf8(bytes).ok().and_then(|text| Config::parse(&text, FILE).ok());
    Ok(config.is_none_or(|config| config.hooks.required))
}

/// Writes a scan report in one of its formats.
pub(crate) fn print_report(
    format: ReportFormat,
    found: &report::Report,
    rules: &RuleSet,
    env: &Environment,
) -> Result<(), Failure> {
    let mut out = Vec::new();
    let written = match format {
        ReportFormat::Text => report::text::write_styled(found, rules, &Paint::of(env).scan(), &mut out),
        ReportFormat::Json => report::json::write(found, rules, &mut out),
        ReportFormat::Sarif => report::sarif::write(found, rules, &mut out),
        ReportFormat::Github => report::github::write(found, rules, &mut out),
        ReportFormat::Gitlab => report::gitlab::write(found, rules, &mut out),
        ReportFormat::Junit => report::junit::write(found, rules, &mut out),
    };
    written.map_err(|source| CliError::Output { source })?;
    output::print_bytes(&out)
}

/// The reports that a commit's configuration says are required; none where it has no configuration that can be read.
fn required_reports(repository: &Repository, commit: &str) -> BTreeSet<String> {
    let bytes = repository.file_at(commit, FILE, MOST_CONFIG).ok().flatten().unwrap_or_default();
    let config = String::from_utf8(bytes).ok().and_then(|text| Config::parse(&text, FILE).ok());
    config.map(|c| c.scan.required_reports.into_iter().collect()).unwrap_or_default()
}

/// What a commit's configuration enforces more strictly than the firm; nothing where it has none that can be read.
fn tightened(repository: &Repository, commit: &str) -> BTreeSet<Tightened> {
    of_commit(repository, commit).map(|c| c.tightened()).unwrap_or_default()
}

/// The configuration of a commit; none where it cannot be read: that of the judged commit was read before.
fn of_commit(repository: &Repository, commit: &str) -> Option<Config> {
    let bytes = repository.file_at(commit, FILE, MOST_CONFIG).ok().flatten()?;
    Config::parse(&String::from_utf8(bytes).ok()?, FILE).ok()
}

/// What a commit proposes.
pub(crate) struct Committed {
    /// Its configuration.
    pub(crate) config: Config,
    /// The baseline that the configuration names.
    pub(crate) baseline: Option<Baseline>,
}

/// What the commit at `HEAD` proposes.
pub(crate) fn committed(repository: &Repository) -> Result<Committed, Failure> {
    match repository.head()? {
        countersign_connect::git::Head::Commit { id, .. } => committed_at(repository, &id),
        countersign_connect::git::Head::Unborn { .. } => Ok(nothing_committed()),
    }
}

/// Where no commit proposes anything.
pub(crate) fn nothing_committed() -> Committed {
    Committed { config: Config { version: 1, ..Config::default() }, baseline: None }
}

/// Reads configuration and baseline from a commit, not from the directory: what is judged is the commit.
pub(crate) fn committed_at(repository: &Repository, id: &str) -> Result<Committed, Failure> {
    let Some(bytes) = repository.file_at(id, FILE, MOST_CONFIG)? else { return Ok(nothing_committed()) };
    let text = String::from_utf8(bytes).map_err(|_| CliError::Config {
        place: countersign_model::Place::file(FILE),
        what: "it is not UTF-8".into(),
        suggestion: None,
    })?;
    let config = Config::parse(&text, FILE)?;
    let baseline = match &config.scan.baseline {
        None => None,
        Some(path) => {
            let bytes = repository
                .file_at(id, &path.to_string_lossy(), MOST_CONFIG)?
                .ok_or_else(|| super::scan::missing_baseline(path))?;
            Some(Baseline::parse(&bytes, path)?)
        }
    };
    Ok(Committed { config, baseline })
}

fn narrow(repository: &Repository, base: &str) -> Result<Narrowed, Failure> {
    let mut commits = 0;
    repository.each_commit(Some(base), "HEAD", |_| {
        commits += 1;
        Ok(())
    })?;
    let files = repository.changed_files(Some(base), "HEAD")?.len() as u64;
    Ok(Narrowed { base: base.to_owned(), commits, files })
}
