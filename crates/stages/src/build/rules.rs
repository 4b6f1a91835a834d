//! Pure: the facts of a change, as policies read them. No clock, host, run id or absolute path is in them.

use std::collections::BTreeSet;

use countersign_model::access::CertificateUse;
use countersign_model::change::{Change, ChangeCommit, OpenPgp, ScanFinding, ScanRecord};
use countersign_model::event::Artifact;
use countersign_model::{FindingState, PersonId, Timestamp};
use countersign_store::projection::{EvidenceRow, RunRow, State};
use serde_json::{Value, json};

use super::governed;
use super::reported::Reported;
use super::workload::{self, Workload};
use crate::Error;

/// The version of the facts written here.
pub const FACTS_VERSION: u32 = 1;

/// Everybody known to have written a covered commit: the holder of the key that signed it, whoever claimed it, and whoever started a
/// pipeline of its run.
///
/// # Errors
/// When the projection cannot be read.
pub fn authors(change: &Change, state: &State) -> Result<BTreeSet<PersonId>, Error> {
    let mut authors = BTreeSet::new();
    for commit in &change.commits {
        authors.extend(signer(commit, state)?);
        if let Some(repository) = &change.identity {
            authors.extend(state.claimants(repository, &commit.id)?);
        }
    }
    Ok(authors)
}

/// The person whose key signed the commit, whatever became of the key since: they cannot approve it.
///
/// # Errors
/// When the projection cannot be read.
pub fn signer(commit: &ChangeCommit, state: &State) -> Result<Option<PersonId>, Error> {
    let holder = match commit.key.as_deref() {
        Some(key) => state.holder(key)?,
        None => None,
    };
    Ok(holder.or_else(|| commit.certificate.as_ref().map(|c| c.person.clone())))
}

/// The person whom the commit's signature vouches for at `now`: the holder of the key that signed it, if the key counts. When a
/// commit was signed only its signer says, so that a key which was revoked since, or whose window is over, vouches for nothing.
///
/// # Errors
/// When the projection cannot be read.
pub fn vouched(commit: &ChangeCommit, state: &State, now: Timestamp) -> Result<Option<PersonId>, Error> {
    let Some(key) = commit.key.as_deref().filter(|_| commit.openpgp.is_none_or(OpenPgp::counts)) else {
        return Ok(None);
    };
    match state.key(key)? {
        Some(row) if row.trouble(now).is_some() => Ok(None),
        Some(row) => Ok(state.certified_key_is_for(key, CertificateUse::Commits)?.then_some(row.person)),
        None => match &commit.certificate {
            Some(certificate) if !state.listed_fingerprint(key)? => {
                Ok(state.certificate_counts(certificate, now)?.then(|| certificate.person.clone()))
            }
            Some(_) => Ok(None),
            None => Ok(None),
        },
    }
}

/// The recorded artifacts of a run, each once.
#[must_use]
pub fn artifacts(run: &RunRow) -> Vec<Artifact> {
    let own = run.evidence.iter().filter(|e| e.artifact).map(|e| Artifact { name: e.name.clone(), digest: e.digest });
    let set: BTreeSet<Artifact> = own.collect();
    set.into_iter().collect()
}

/// A finding's state once grants are looked at. A grant by an author of the change is a grant by the one who asks.
///
/// # Errors
/// When the projection cannot be read.
pub fn effective_state(
    finding: &ScanFinding,
    repository: Option<&str>,
    authors: &BTreeSet<PersonId>,
    state: &State,
    now: Timestamp,
) -> Result<FindingState, Error> {
    if finding.state != FindingState::SuppressionRequested {
        return Ok(finding.state);
    }
    let grant = match repository {
        Some(repository) => state.suppression(repository, &finding.fingerprint)?,
        None => None,
    };
    let granted = grant.is_some_and(|grant| grant.expires > now && !authors.contains(&grant.by));
    Ok(if granted { FindingState::SuppressionGranted } else { FindingState::SuppressionRequested })
}

/// What is about to be recorded together with a decision.
#[derive(Debug, Clone, Copy, Default)]
pub struct Coming<'a> {
    /// Evidence.
    pub evidence: &'a [EvidenceRow],
    /// The workload that showed a token.
    pub workload: Option<&'a Workload>,
}

/// The facts of a run at the present state. `coming` is what is about to be recorded.
///
/// # Errors
/// When the projection cannot be read.
pub fn facts(
    change: &Change,
    scan: &ScanRecord,
    reported: &Reported,
    run: Option<&RunRow>,
    coming: Coming<'_>,
    state: &State,
    now: Timestamp,
) -> Result<Value, Error> {
    let authors = authors(change, state)?;
    let repository = change.identity.as_deref();
    let commits: Vec<Value> =
        change.commits.iter().map(|c| commit_facts(c, repository, state, now)).collect::<Result<_, _>>()?;
    let findings: Vec<Value> = reported
        .findings
        .iter()
        .map(|seen| {
            let f = &seen.finding;
            Ok(json!({
                "rule": f.rule, "severity": f.severity, "confidence": f.confidence, "path": f.path, "line": f.line,
                "fingerprint": f.fingerprint, "controls": f.controls, "stages": f.stages,
                "cwe": f.cwe, "tools": seen.tools,
                "state": effective_state(f, repository, &authors, state, now)?,
            }))
        })
        .collect::<Result<_, Error>>()?;
    let reports: Vec<Value> = reported
        .reports
        .iter()
        .map(|r| {
            json!({
                "tool": r.tool, "version": r.version, "digest": r.digest, "revision": r.revision,
                "current": r.current, "complete": r.complete, "findings": r.findings,
            })
        })
        .collect();
    let artifacts = run.map(artifacts).unwrap_or_default();
    let mut evidence: Vec<Value> = run
        .iter()
        .flat_map(|r| &r.evidence)
        .chain(coming.evidence)
        .filter(|e| !e.artifact)
        .map(|e| json!({"kind": e.kind, "name": e.name, "digest": e.digest}))
        .collect();
    evidence.sort_by_key(ToString::to_string);
    evidence.dedup();
    let mut facts = json!({
        "version": FACTS_VERSION,
        "repository": {"identity": change.identity},
        "change": {
            "commit": change.commit, "tree": change.tree, "base": change.base, "environment": change.environment,
            "shallow": change.shallow, "complete": change.complete, "commits": commits, "files": change.files,
            "pipeline": change.pipeline, "ticket": change.ticket, "reason": change.reason,
        },
        "trust": {
            "established": state.trust().is_some(),
            "recorder_enrolled": state.recorder_enrolled(),
            "bundle_activated": state.bundle().is_some(),
        },
        "scan": {
            "rules": scan.rules, "rules_digest": scan.rules_digest, "files": scan.files, "binary": scan.binary,
            "links": scan.links, "bytes": scan.bytes, "gaps": scan.gaps, "findings": findings,
            "stale": {"declarations": scan.unused_declarations.len(), "baseline": scan.stale_baseline},
            "required_reports": scan.required_reports,
        },
        "reports": reports,
        "artifacts": artifacts,
        "evidence": evidence,
    });
    if let Some(facts) = facts.as_object_mut() {
        let workloads = workload::facts(run.map(|r| &r.id), coming.workload, state)?;
        if !workloads.is_empty() {
            facts.insert("workloads".into(), workloads.into());
        }
        governed::add(facts, change, scan, reported, run.map(|r| &r.id), &authors, state, now)?;
    }
    Ok(facts)
}

fn commit_facts(
    commit: &ChangeCommit,
    repository: Option<&str>,
    state: &State,
    now: Timestamp,
) -> Result<Value, Error> {
    let claims = match repository {
        Some(repository) => state.claimants(repository, &commit.id)?,
        None => BTreeSet::new(),
    };
    Ok(json!({
        "id": commit.id, "author": commit.author, "signature": commit.signature, "person": vouched(commit, state, now)?,
        "claims": claims, "co_authors": commit.co_authors, "merge": commit.merge,
    }))
}
