//! `scan`: looks, and records nothing.

use std::path::{Path, PathBuf};

use countersign_connect::git::{Commits, Repository, Staging};
use countersign_model::{Diagnostic as _, Digest, Exit, Place};
use countersign_scan::{Baseline, Options, Report, RuleSet, Walk, scan_source};
use countersign_stages::commit::{history, staged};
use countersign_store::{Ledger, Session};

use super::args::ReportFormat;
use super::args::{PlaceArgs, ScanArgs};
use super::place::ledger_of;
use super::run::{MOST_CONFIG, committed, print_report};
use crate::config::{Config, Environment, FILE};
use crate::errors::{CliError, Failure, Outcome};
use crate::output;
use crate::output::progress::Bar;

/// Scans a directory, a file, or what is staged.
pub(crate) fn run(at: &PlaceArgs, args: &ScanArgs, env: &Environment) -> Outcome {
    if args.staged {
        return run_staged(at, args, env);
    }
    if let Some(range) = &args.history {
        let commits = range.clone().map_or(Commits::All, Commits::Range);
        return run_history(at, args, env, &commits);
    }
    let rules = load(&args.rules)?;
    let path = args.path.as_deref().unwrap_or(Path::new("."));
    let dir = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
    let config = Config::load(dir)?;
    // The baseline that is being written is not held against what goes into it.
    let configured = config.scan.baseline.as_ref().filter(|_| args.write_baseline.is_none()).map(|file| dir.join(file));
    let baseline = args.baseline.as_ref().or(configured.as_ref()).map(|file| Baseline::load(file)).transpose()?;
    let declarations = config.declarations();
    let bar = Bar::new(args.no_progress || args.format != ReportFormat::Text);
    let options =
        Options { progress: &bar, baseline: baseline.as_ref(), declarations: &declarations, ..Options::default() };
    let salt = salt(at, dir, &config)?;
    if salt.is_none() && (args.write_baseline.is_some() || baseline.is_some()) {
        return Err(CliError::NoSalt.into());
    }
    let report = scan_source(&Walk::new(path), &rules, &salt.unwrap_or_else(nobodys_salt), &options)?;
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
    let outcome = exit_of(&report);
    if outcome == Exit::Pass && report.files == 0 {
        return Err(CliError::NothingToScan { path: path.to_owned() }.into());
    }
    Ok(outcome)
}

/// Scans what is staged.
fn run_staged(at: &PlaceArgs, args: &ScanArgs, env: &Environment) -> Outcome {
    let (report, rules) = staged_report(at, &args.rules, args.baseline.as_deref())?;
    print_report(args.format, &report, &rules, env)?;
    leave(rules);
    // A commit that only takes away, or has a message alone, has nothing to look at and nothing against it.
    Ok(exit_of(&report))
}

/// The hook `pre-commit`.
pub(crate) fn before_commit(at: &PlaceArgs, env: &Environment) -> Outcome {
    let (report, rules) = staged_report(at, &[], None)?;
    let outcome = say(&report, &rules, env, "commit");
    leave(rules);
    outcome
}

/// Leaves the rules to the end of the process, which is next: taking them apart, piece by piece, would make somebody who
/// commits wait for nothing.
fn leave(rules: RuleSet) {
    std::mem::forget(rules);
}

/// The hook `commit-msg`.
pub(crate) fn message(at: &PlaceArgs, file: &Path, message: &[u8], env: &Environment) -> Outcome {
    let rules = RuleSet::shipped()?;
    let dir = at.repo.clone().unwrap_or_else(|| PathBuf::from("."));
    let config = Config::load(&dir)?;
    let declarations = config.declarations();
    let options = Options { declarations: &declarations, ..Options::default() };
    let mut report = history::scan_message(message, &rules, &config.salt().unwrap_or_else(nobodys_salt), &options)?;
    report.unused_declarations.clear();
    let outcome = say(&report, &rules, env, "commit")?;
    if outcome != Exit::Pass {
        output::note(&format!("the message is kept in {}", file.display()));
    }
    Ok(outcome)
}

/// The hook `pre-push`.
pub(crate) fn before_push(at: &PlaceArgs, commits: &Commits, env: &Environment) -> Outcome {
    let options = HistoryOptions { rules: &[], baseline: None, quiet: true };
    let (report, rules) = history_report(at, &options, env, commits)?;
    say(&report, &rules, env, "push")
}

/// What a hook says: nothing, unless something is to be said. `what` is what it stops.
fn say(report: &Report, rules: &RuleSet, env: &Environment, what: &str) -> Outcome {
    let outcome = exit_of(report);
    if outcome == Exit::Pass && report.findings.is_empty() {
        return Ok(outcome);
    }
    print_report(ReportFormat::Text, report, rules, env)?;
    if outcome != Exit::Pass {
        output::note(&format!(
            "the {what} was stopped. Take out what was found, or ask for it not to count, with a reason: docs/guides/suppressions.md. \
             What git is told to let through (--no-verify) is looked at again by `countersign run`, and recorded."
        ));
    }
    Ok(outcome)
}

/// Looks at what is staged. Git works while the rules are made ready, and everything that counts is read from the
/// index, the configuration too: that is what will be committed.
fn staged_report(at: &PlaceArgs, rules: &[PathBuf], baseline: Option<&Path>) -> Result<(Report, RuleSet), Failure> {
    let dir = at.repo.clone().unwrap_or_else(|| PathBuf::from("."));
    let staging = Staging::begin(&dir, at.repo.is_none())?;
    let rules = load(rules)?;
    let (change, contents) = staging.change()?;
    let text = |bytes| {
        let what = "it is not UTF-8".into();
        String::from_utf8(bytes).map_err(|_| CliError::Config { place: Place::file(FILE), what, suggestion: None })
    };
    let config = match contents.file(FILE, MOST_CONFIG)? {
        Some(bytes) => Config::parse(&text(bytes)?, FILE)?,
        None => Config { version: 1, ..Config::default() },
    };
    let baseline = match (baseline, &config.scan.baseline) {
        (Some(file), _) => Some(Baseline::load(file)?),
        (None, Some(file)) => match contents.file(&file.to_string_lossy(), MOST_CONFIG)? {
            Some(bytes) => Some(Baseline::parse(&bytes, file)?),
            None => return Err(missing_baseline(file)),
        },
        (None, None) => None,
    };
    // A ledger takes time to open, and only a baseline's fingerprints have to be those of the ledger.
    let salt = match (config.salt(), &baseline) {
        (Some(salt), None) => Some(salt),
        (None, None) if at.ledger.is_none() && !may_have_ledger(&dir) => None,
        _ => salt(at, &dir, &config)?,
    };
    if salt.is_none() && baseline.is_some() {
        return Err(CliError::NoSalt.into());
    }
    let declarations = config.declarations();
    let options = Options { baseline: baseline.as_ref(), declarations: &declarations, ..Options::default() };
    let report = staged::scan(&change, &contents, &rules, &salt.unwrap_or_else(nobodys_salt), &options)?;
    Ok((report, rules))
}

/// Scans what commits brought.
fn run_history(at: &PlaceArgs, args: &ScanArgs, env: &Environment, commits: &Commits) -> Outcome {
    let quiet = args.no_progress || args.format != ReportFormat::Text;
    let options = HistoryOptions { rules: &args.rules, baseline: args.baseline.as_deref(), quiet };
    let (report, rules) = history_report(at, &options, env, commits)?;
    print_report(args.format, &report, &rules, env)?;
    Ok(exit_of(&report))
}

struct HistoryOptions<'a> {
    rules: &'a [PathBuf],
    baseline: Option<&'a Path>,
    quiet: bool,
}

/// Looks at what commits brought. Configuration and baseline are those of `HEAD`.
fn history_report(
    at: &PlaceArgs,
    asked: &HistoryOptions<'_>,
    env: &Environment,
    commits: &Commits,
) -> Result<(Report, RuleSet), Failure> {
    let repository = at.repository()?;
    let rules = load(asked.rules)?;
    let committed = committed(&repository)?;
    let named = asked.baseline.map(Baseline::load).transpose()?;
    let baseline = named.as_ref().or(committed.baseline.as_ref());
    let salt = salt_of(at, Some(&repository), &committed.config)?;
    if salt.is_none() && baseline.is_some() {
        return Err(CliError::NoSalt.into());
    }
    let bar = Bar::new(asked.quiet);
    let declarations = committed.config.declarations();
    let options = Options { progress: &bar, baseline, declarations: &declarations, ..Options::default() };
    let mut people = People { at, env, session: None };
    let scanned = history::scan(
        &repository,
        commits,
        &rules,
        &salt.unwrap_or_else(nobodys_salt),
        &options,
        cache_dir(&repository, env).as_deref(),
        &mut |key| people.holder(key),
    )?;
    drop(bar);
    if let Some(warning) = &scanned.cache_warning {
        output::note(&format!("[{}] {warning}; everything was scanned anew", warning.code()));
    }
    if let Some(e) = &scanned.cache_unsaved {
        output::note(&format!("[{}] {e}; the next scan looks at everything again", e.code()));
    }
    Ok((scanned.report, rules))
}

/// Where answers about this repository's history are kept: in the data directory, for what lies in a repository may
/// have come with it.
fn cache_dir(repository: &Repository, env: &Environment) -> Option<PathBuf> {
    let place = std::fs::canonicalize(repository.common_dir()).ok()?;
    let name = Digest::of(place.as_os_str().as_encoded_bytes()).hex();
    Some(env.data_dir.as_ref()?.join("scan-cache").join(name.get(..32)?))
}

/// The people that the ledger knows. It is opened when the first key is asked about.
struct People<'a> {
    at: &'a PlaceArgs,
    env: &'a Environment,
    session: Option<Option<Session>>,
}

impl People<'_> {
    /// Whose key this is.
    fn holder(&mut self, key: &str) -> Option<String> {
        let (at, env) = (self.at, self.env);
        let session = self.session.get_or_insert_with(|| match at.open(env) {
            Ok(session) => Some(session),
            Err(e) if e.0.exit() == Exit::Nothing => None,
            Err(e) => {
                output::note(&format!("[{}] {}; nobody's commits can be verified", e.0.code(), e.0));
                None
            }
        });
        let state = session.as_ref()?.state();
        match state.holder(key) {
            Ok(person) => person.map(|id| state.label(&id).unwrap_or_else(|_| id.to_string())),
            Err(e) => {
                output::note(&format!("[{}] {e}; nobody's commits can be verified", e.code()));
                None
            }
        }
    }
}

pub(crate) fn load(rules: &[PathBuf]) -> Result<RuleSet, Failure> {
    let rules = if rules.is_empty() { RuleSet::shipped()? } else { RuleSet::load(rules)? };
    for note in rules.notes() {
        output::note(note);
    }
    Ok(rules)
}

/// Whether there may be a ledger: one in a directory around, or anywhere when this is a linked worktree.
fn may_have_ledger(dir: &Path) -> bool {
    let Ok(dir) = std::fs::canonicalize(dir) else { return true };
    dir.ancestors().any(|dir| dir.join(".countersign").exists() || dir.join(".git").is_file())
}

/// Without a salt the fingerprints are still the same every time; they just are nobody's in particular.
pub(crate) fn nobodys_salt() -> [u8; 32] {
    *Digest::of(b"countersign fingerprints without a salt v1").as_bytes()
}

/// What a baseline that the configuration names and nobody committed comes to.
pub(crate) fn missing_baseline(file: &Path) -> Failure {
    let file = file.display();
    CliError::Usage {
        what: format!("the baseline `{file}` is not in the commit"),
        help: format!("write and commit it: countersign scan --write-baseline {file}"),
    }
    .into()
}

/// What a report says with the exit code.
fn exit_of(report: &Report) -> Exit {
    if report.open().next().is_some() {
        Exit::Denied
    } else if !report.is_complete() {
        Exit::Incomplete
    } else {
        Exit::Pass
    }
}

/// The key of the fingerprints: the ledger's, else the configured one.
pub(crate) fn salt(at: &PlaceArgs, dir: &Path, config: &Config) -> Result<Option<[u8; 32]>, Failure> {
    let repository = match at.ledger {
        Some(_) => None,
        None => Repository::discover(dir).ok(),
    };
    salt_of(at, repository.as_ref(), config)
}

fn salt_of(at: &PlaceArgs, repository: Option<&Repository>, config: &Config) -> Result<Option<[u8; 32]>, Failure> {
    if let Some(ledger) = at.ledger.clone().or_else(|| repository.map(ledger_of)) {
        match Ledger::open(&ledger) {
            Ok(ledger) => return Ok(Some(ledger.salt()?)),
            Err(e) if e.is_not_found() => {}
            // A damaged ledger is no reason not to look at files.
            Err(e) => output::note(&format!("[{}] {e}; fingerprints are not those of the ledger", e.code())),
        }
    }
    Ok(config.salt())
}
