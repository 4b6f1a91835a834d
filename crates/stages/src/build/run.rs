//! The use case `run`: observe the change, scan the whole tree, decide, append every fact, say where it stands.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use countersign_connect::git::{Head, Repository};
use countersign_connect::oidc::IssuerKeys;
use countersign_evidence::canonical;
use countersign_model::access::AskedSlot;
use countersign_model::change::{Change, ScanFinding, ScanRecord, Tightened};
use countersign_model::event::{EvidenceAttached, RunStarted};
use countersign_model::{Digest, FindingState, PersonId, RepositoryId, RunId};
use countersign_policy::{Decision, PolicyEngine};
use countersign_scan::{
    Baseline, Cache, CacheWarning, Declaration, KnownValue, Options, Progress, Report, RuleSet, Stage, scan_source,
};
use countersign_store::projection::{EvidenceRow, RunRow, State};
use countersign_store::{NewBlob, Plan, Session};

use super::observe::{self, Ask, Observed, random_id};
use super::reported::{self, Reported, Seen};
use super::rules::Coming;
use super::source::GitTree;
use super::submission::Submission;
use super::workload::{self, Workload};
use super::{decide, events, rules};
use crate::Error;
use crate::commit::bypass::{self, Bypasses};
use crate::release::rules::{self as release, GateStatus};

/// What a run needs besides the ledger and the repository.
pub struct Inputs<'a> {
    /// The rules that look.
    pub rules: &'a RuleSet,
    /// The engine that decides.
    pub engine: &'a dyn PolicyEngine,
    /// What the user says about the change.
    pub ask: Ask,
    /// Suppressions that the configuration asks for.
    pub declarations: &'a [Declaration],
    /// Known findings for which suppression is asked.
    pub baseline: Option<&'a Baseline>,
    /// Tools whose reports a commit's own configuration says are required: of the commit that is judged, and of its
    /// base, so that a change cannot lift a requirement for itself. A configuration that cannot be read requires nothing
    /// here; that of the judged commit was read before.
    pub required_reports: &'a dyn Fn(&str) -> BTreeSet<String>,
    /// What a commit's own configuration enforces more strictly than the firm: of the commit that is judged, and of its base, as
    /// with reports.
    pub tightened: &'a dyn Fn(&str) -> BTreeSet<Tightened>,
    /// What a commit's own configuration asks of approvals, likewise.
    pub approvals: &'a dyn Fn(&str) -> BTreeSet<AskedSlot>,
    /// Told how far the scan is.
    pub progress: &'a dyn Progress,
    /// Where answers of earlier scans are kept.
    pub cache_dir: &'a Path,
    /// Whether the commit's tree says that hooks are required.
    pub hooks_required: bool,
    /// The identity token of the job that runs this, and the keys that it is verified with.
    pub token: Option<(Vec<u8>, IssuerKeys<'a>)>,
    /// The same of another commit.
    pub hooks_required_at: &'a dyn Fn(&str) -> Result<bool, Error>,
    /// How it came, where it was sent over the network.
    pub submission: Option<&'a Submission>,
}

/// A finished run.
pub struct Ran {
    /// The run.
    pub run: RunId,
    /// Which attempt this was.
    pub attempt: u64,
    /// What was observed.
    pub observed: Observed,
    /// What the scan found, with the states that grants give.
    pub report: Report,
    /// The same joined with the reports of other tools.
    pub reported: Reported,
    /// Both as one report, for formats that know findings alone.
    pub all: Report,
    /// The decision.
    pub decision: Decision,
    /// Its digest.
    pub digest: Digest,
    /// Whether the recorded decision was reused.
    pub reused: bool,
    /// Log index of the decision.
    pub index: u64,
    /// The gates as they stand.
    pub gates: Vec<GateStatus>,
    /// People known to have written a covered commit.
    pub authors: BTreeSet<PersonId>,
    /// What the job proved of itself.
    pub workload: Option<Workload>,
    /// Commits that a hook would have stopped, where hooks are required; recorded as evidence.
    pub bypasses: Option<Bypasses>,
    /// How much of the commits could not be looked at for that.
    pub bypasses_missed: usize,
    /// A cache that had to be thrown away.
    pub cache_warning: Option<CacheWarning>,
    /// The cache could not be kept; the next run will scan everything again.
    pub cache_unsaved: Option<countersign_scan::Error>,
}

/// Judges the commit at `HEAD` and records everything.
///
/// # Errors
/// [`Error::NoCommits`] when there is none; what git, the scan, the policy and the ledger say.
pub fn run(session: &mut Session, repository: &Repository, inputs: &Inputs<'_>) -> Result<Ran, Error> {
    let commit = match repository.head()? {
        Head::Commit { id, .. } => id,
        Head::Unborn { branch } => return Err(Error::NoCommits { branch }),
    };
    // A token that proves nothing ends it before anything is looked at.
    let workload = match &inputs.token {
        Some((token, keys)) => {
            let identity = repository.identity()?;
            Some(workload::verify(session, keys, token, None, &commit, identity.as_deref())?)
        }
        None => None,
    };
    let salt = session.ledger().salt()?;
    let tree = repository.tree(&commit)?;
    let mut observed =
        observe::observe(repository, &commit, &tree, session.state(), &salt, &inputs.ask, session.now())?;
    inherit(session, &mut observed)?;
    if observed.change.ticket.is_none() {
        observed.change.ticket.clone_from(&inputs.ask.ticket_hint);
    }
    let source = GitTree::new(repository, &tree)?;
    let (cache, cache_warning) = Cache::open(inputs.cache_dir, &inputs.rules.digest(), &salt);
    let recorded_values = earlier(session, &commit)?;
    let options = Options {
        cache: Some(&cache),
        progress: inputs.progress,
        baseline: inputs.baseline,
        declarations: inputs.declarations,
        recorded: &recorded_values,
    };
    let mut report = scan_source(&source, inputs.rules, &salt, &options)?;
    // A cache that cannot be kept costs time, never evidence.
    let cache_unsaved = cache.save().err();
    let mut required = (inputs.required_reports)(&commit);
    required.extend(observed.change.base.as_deref().map(inputs.required_reports).unwrap_or_default());
    let mut record = scan_record(&report, inputs.rules);
    record.required_reports = required.into_iter().collect();
    let mut tightened = (inputs.tightened)(&commit);
    tightened.extend(observed.change.base.as_deref().map(inputs.tightened).unwrap_or_default());
    record.tightened = tightened.into_iter().collect();
    let mut asked = (inputs.approvals)(&commit);
    asked.extend(observed.change.base.as_deref().map(inputs.approvals).unwrap_or_default());
    record.approvals = asked.into_iter().collect();
    let (bypasses, bypasses_missed) = match inputs.hooks_required {
        true => bypass::find(repository, &observed.change, inputs, &options, &salt, session.state())?,
        false => (None, 0),
    };
    let about = About {
        observed: &observed,
        record: &record,
        bypasses: bypasses.as_ref(),
        workload: workload.as_ref(),
        submission: inputs.submission,
    };
    let done = append(session, inputs.engine, &about);
    let recorded = workload::refused(session, None, done)?;
    let authors = rules::authors(&observed.change, session.state())?;
    let digest = recorded.decision.digest()?;
    let row = session.state().run(&recorded.run)?;
    let gates = release::gates(&recorded.decision, row.as_ref(), &authors, session.state(), session.now())?;
    let reported = reported::join(&record, &reported::records(session, row.as_ref())?, &commit);
    let now = session.now();
    let repository_id = observed.change.identity.as_deref();
    for (finding, scanned) in report.findings.iter_mut().zip(&record.findings) {
        finding.state = rules::effective_state(scanned, repository_id, &authors, session.state(), now)?;
    }
    let all = all_findings(&report, &reported, |finding| {
        rules::effective_state(finding, repository_id, &authors, session.state(), now)
    })?;
    Ok(Ran {
        run: recorded.run,
        attempt: recorded.attempt,
        observed,
        report,
        reported,
        all,
        decision: recorded.decision,
        digest,
        reused: recorded.reused,
        index: recorded.index,
        gates,
        authors,
        workload,
        bypasses,
        bypasses_missed,
        cache_warning,
        cache_unsaved,
    })
}

/// The values that the latest run of another commit found.
fn earlier(session: &Session, commit: &str) -> Result<Vec<KnownValue>, Error> {
    let Some(run) = session.state().latest_run_but_of(commit)? else { return Ok(Vec::new()) };
    let Some((_, blob)) = session.state().run(&run)?.and_then(|row| row.scan) else { return Ok(Vec::new()) };
    let record: ScanRecord = match session.ledger().payload(&blob) {
        Ok(bytes) => canonical::from_slice(&bytes)?,
        // Disposed of: then nothing is known of it, and nothing depends on it.
        Err(countersign_store::Error::MissingBlob { .. }) => return Ok(Vec::new()),
        Err(other) => return Err(other.into()),
    };
    let known = record
        .findings
        .into_iter()
        .filter_map(|f| Some(KnownValue { value: f.value?, rule: f.rule, path: f.path, line: f.line }));
    Ok(known.collect())
}

/// What our scan found and what other tools alone did, as one report.
fn all_findings(
    report: &Report,
    reported: &Reported,
    state: impl Fn(&ScanFinding) -> Result<FindingState, Error>,
) -> Result<Report, Error> {
    let mut all = report.clone();
    let seen: HashMap<Digest, &Seen> = reported.findings.iter().map(|s| (s.finding.fingerprint, s)).collect();
    for finding in &mut all.findings {
        let tools = seen.get(&finding.fingerprint).into_iter().flat_map(|s| &s.tools);
        let others: Vec<&str> = tools.map(String::as_str).filter(|tool| *tool != reported::OURS).collect();
        if !others.is_empty() {
            finding.title = format!("{} (reported by {} too)", finding.title, others.join(", "));
        }
    }
    for seen in &reported.findings {
        all.findings.extend(seen.theirs(state(&seen.finding)?));
    }
    all.findings.sort_by(|a, b| (&a.path, a.line, &a.rule, a.column).cmp(&(&b.path, b.line, &b.rule, b.column)));
    Ok(all)
}

/// A run keeps the ticket and the reason it was given, until other ones are named: judging it again without them is
/// not to say that they no longer hold.
fn inherit(session: &Session, observed: &mut Observed) -> Result<(), Error> {
    let change = &mut observed.change;
    if change.ticket.is_some() && change.reason.is_some() {
        return Ok(());
    }
    if let Some(run) = known_run(session.state(), change)? {
        let before = decide::read_change(session.ledger(), &run.change)?;
        change.ticket = change.ticket.take().or(before.ticket);
        change.reason = change.reason.take().or(before.reason);
    }
    Ok(())
}

/// The run of this repository, commit and pipeline definition, if there is one.
fn known_run(state: &State, change: &Change) -> Result<Option<RunRow>, Error> {
    Ok(state.run_of(change.identity.as_deref(), &change.commit, change.pipeline.digest)?)
}

struct Recorded {
    run: RunId,
    attempt: u64,
    decision: Decision,
    reused: bool,
    index: u64,
}

/// What an attempt is made of.
struct About<'a> {
    observed: &'a Observed,
    record: &'a ScanRecord,
    bypasses: Option<&'a Bypasses>,
    workload: Option<&'a Workload>,
    submission: Option<&'a Submission>,
}

/// Appends an attempt: the change, the scan record where it is new, and the decision where anything in it is.
fn append(session: &mut Session, engine: &dyn PolicyEngine, about: &About<'_>) -> Result<Recorded, Error> {
    let About { observed, record, bypasses, workload, submission } = *about;
    let change = &observed.change;
    let (change_digest, change_blob) = events::document(change)?;
    let (record_digest, record_blob) = events::document(record)?;
    let bypasses = bypasses.map(events::document).transpose()?;
    let fresh = (RunId::from_random(random_id()?), RepositoryId::from_random(random_id()?));
    let (appended, (mut recorded, decision_at)) = session.transact(|s| {
        let state = s.state();
        if let Some(sent) = submission {
            sent.is_new(state)?;
        }
        let known = known_run(state, change)?;
        let known = known.as_ref();
        let run = known.map_or_else(|| fresh.0.clone(), |r| r.id.clone());
        let repository = state.repository(change.identity.as_deref())?.unwrap_or_else(|| fresh.1.clone());
        let attempt = known.map_or(1, |r| r.attempts.len() as u64 + 1);
        let attached = match &bypasses {
            Some((digest, blob)) => bypass_evidence(&run, known, *digest, blob),
            None => None,
        };
        let rows: Vec<EvidenceRow> = attached.iter().map(row_of).collect();
        let decided = decide::decide(s, engine, known, change, record, Coming { evidence: &rows, workload }, s.now())?;
        let started = RunStarted {
            run: run.clone(),
            attempt,
            repository,
            identity: change.identity.clone(),
            commit: change.commit.clone(),
            tree: change.tree.clone(),
            pipeline: change.pipeline.digest,
            change: change_digest,
            reuses: decided.recorded,
        };
        let mut plan = Plan::default();
        plan.entries.push(events::run_started(s, started, change_blob.clone())?);
        if let Some(shown) = workload {
            plan.entries.push(workload::entry(s, shown, &run, attempt, &change.commit, change.identity.as_deref())?);
        }
        // A job that showed its identity token alone is known by the entry before.
        if let Some(sent) = submission {
            plan.entries.push(sent.entry(s, &run, attempt, change)?);
        }
        let last = known.and_then(|r| r.scan.as_ref());
        let scanned = match last.map(|(_, blob)| s.ledger().payload_digest(blob)) {
            None | Some(Err(countersign_store::Error::MissingBlob { .. })) => false,
            Some(digest) => digest? == record_digest,
        };
        if !scanned {
            let blob = (record_digest, record_blob.clone());
            plan.entries.push(events::findings_recorded(s, &run, change, record, blob)?);
        }
        if let (Some(predicate), Some((_, blob))) = (attached, &bypasses) {
            plan.entries.push(events::evidence_attached(s, predicate, Some(blob.clone()), None)?);
        }
        let mut decision_at = None;
        if decided.recorded.is_none() {
            decision_at = Some(plan.entries.len() as u64);
            plan.entries.push(events::decision_made(
                s,
                &run,
                change,
                &decided.decision,
                &decided.facts,
                &decided.bundle,
            )?);
        }
        if let Some(sent) = submission {
            // After the decision that they are about.
            plan.entries.extend(sent.differences(s, &run, attempt, change, &decided.decision)?);
        }
        let recorded = Recorded {
            run,
            attempt,
            reused: decided.recorded.is_some(),
            index: decided.recorded.unwrap_or(0),
            decision: decided.decision,
        };
        Ok::<_, Error>((plan, (recorded, decision_at)))
    })?;
    if let (Some(offset), Some(appended)) = (decision_at, appended) {
        recorded.index = appended.first_index + offset;
    }
    Ok(recorded)
}

/// The record of bypassed hooks as evidence, unless the run has it already.
fn bypass_evidence(run: &RunId, known: Option<&RunRow>, digest: Digest, blob: &NewBlob) -> Option<EvidenceAttached> {
    let recorded = known.is_some_and(|row| row.evidence.iter().any(|e| e.kind == bypass::KIND && e.digest == digest));
    (!recorded).then(|| EvidenceAttached {
        run: run.clone(),
        kind: bypass::KIND.to_owned(),
        name: format!("{}.json", bypass::KIND),
        digest,
        size: blob.bytes.len() as u64,
        artifact: false,
        subjects: Vec::new(),
        report: None,
    })
}

/// The row that an entry will be, for the facts of the decision that is recorded with it.
fn row_of(predicate: &EvidenceAttached) -> EvidenceRow {
    EvidenceRow {
        index: 0,
        kind: predicate.kind.clone(),
        name: predicate.name.clone(),
        digest: predicate.digest,
        artifact: predicate.artifact,
        subjects: predicate.subjects.clone(),
        report: None,
    }
}

/// A report as it is recorded: without excerpts.
#[must_use]
pub fn scan_record(report: &Report, rules: &RuleSet) -> ScanRecord {
    let stages = |id: &str| -> Vec<String> {
        // Built-in findings (a mark without a reason) count wherever the tree is judged.
        rules.get(id).map_or_else(
            || vec![Stage::Commit.to_string(), Stage::Build.to_string()],
            |r| r.stages.iter().map(ToString::to_string).collect(),
        )
    };
    ScanRecord {
        version: 1,
        rules: report.rules,
        rules_digest: report.rules_digest,
        files: report.files,
        bytes: report.bytes,
        binary: report.binary,
        links: report.links,
        gaps: report.gaps.clone(),
        findings: report
            .findings
            .iter()
            .map(|f| ScanFinding {
                rule: f.rule.clone(),
                severity: f.severity,
                confidence: f.confidence,
                path: f.path.clone(),
                line: f.line,
                fingerprint: f.fingerprint,
                controls: f.controls.clone(),
                stages: stages(&f.rule),
                cwe: f.cwe.clone(),
                value: f.value,
                state: match f.state {
                    FindingState::SuppressionGranted => FindingState::SuppressionRequested,
                    state => state,
                },
                reason: f.reason.clone(),
                requested_by: f.requested_by.clone(),
            })
            .collect(),
        unused_declarations: report.unused_declarations.iter().map(|d| format!("{} in {}", d.rule, d.path)).collect(),
        stale_baseline: report.stale_baseline.len() as u64,
        required_reports: Vec::new(),
        tightened: Vec::new(),
        approvals: Vec::new(),
    }
}

/// The gates of a run as they stand, without looking at the repository again.
///
/// # Errors
/// When the run is unknown, or its record cannot be read.
pub fn check(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    run: &RunId,
) -> Result<(Decision, Vec<GateStatus>, u64), Error> {
    let (decided, change) = decide::settle(session, engine, run)?;
    let authors = rules::authors(&change, session.state())?;
    let row = session.state().run(run)?;
    let gates = release::gates(&decided.decision, row.as_ref(), &authors, session.state(), decided.at)?;
    let index = decided.recorded.unwrap_or_default();
    Ok((decided.decision, gates, index))
}
