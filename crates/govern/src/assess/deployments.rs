//! Deployments, each with what its decision was made from.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::Timestamp;
use countersign_store::projection::{BundleRow, DeploymentRow, GrantRow, GrantSteps, RunRow};
use serde_json::{Value, json};

use super::decided::{Decided, Seen};
use super::weaknesses::millis;

/// Everything that a deployment is looked up in.
pub(super) struct Around<'a> {
    pub(super) times: &'a [Timestamp],
    pub(super) steps: &'a BTreeMap<String, GrantSteps>,
    pub(super) bundles: &'a [BundleRow],
    pub(super) all: &'a [DeploymentRow],
}

impl Around<'_> {
    /// The time of an entry; 0 for one that is not there.
    pub(super) fn time(&self, index: u64) -> Timestamp {
        usize::try_from(index).ok().and_then(|i| self.times.get(i)).copied().unwrap_or(Timestamp::from_millis(0))
    }

    /// The bundle that was in effect when the entry `index` was appended.
    pub(super) fn in_effect(&self, index: u64) -> Option<&BundleRow> {
        self.bundles.iter().rev().find(|b| b.index < index)
    }
}

/// The facts of one deployment.
pub(super) fn facts(
    around: &Around<'_>,
    d: &DeploymentRow,
    grant: &GrantRow,
    run: &RunRow,
    decided: &Decided,
) -> Value {
    let none = Seen::default();
    let seen = decided.seen.as_ref().unwrap_or(&none);
    let steps = around.steps.get(d.grant.as_str());
    let started = steps.and_then(|s| s.started).unwrap_or(d.index);
    let approvals: Vec<_> =
        run.approvals.iter().filter(|a| a.decision.to_string() == decided.digest && a.index < grant.index).collect();
    let granted: BTreeSet<String> = grant.grant.artifacts.iter().map(|a| a.digest.to_string()).collect();
    let before = || run.evidence.iter().filter(|e| e.index < started);
    let sbom = before().any(|e| matches!(e.kind.as_str(), "cyclonedx" | "spdx"));
    let provenance = |digest: &str| {
        before().any(|e| e.kind == "slsa-provenance" && e.subjects.iter().any(|s| s.digest.to_string() == digest))
    };
    let bundle = around.in_effect(decided.index);
    let followed =
        (!d.success).then(|| {
            // They stand in the order of the log.
            let after = around.all.partition_point(|other| other.index <= d.index);
            let later =
                around.all.get(after..).unwrap_or_default().iter().find(|later| {
                    later.success && later.environment == d.environment && later.repository == d.repository
                });
            later.map(|later| millis(later.time))
        });
    let mut entries: BTreeSet<u64> = [decided.index, grant.index, started, d.index].into();
    entries.extend(approvals.iter().map(|a| a.index));
    let mut element = json!({
        "id": d.grant, "entries": entries, "run": d.run, "repository": d.repository, "environment": d.environment,
        "commit": d.commit, "started": millis(around.time(started)), "ended": millis(d.time), "success": d.success,
        "authors": seen.authors, "commits": seen.commits, "complete": seen.complete,
        "unknown_authors": seen.unknown_authors, "unsigned": seen.unsigned, "ticket": seen.ticket,
        "reason": seen.reason, "pipeline_changed": seen.pipeline_changed,
        "decision": decided.digest, "decided": millis(decided.time), "outcome": decided.outcome(),
        "gates": decided.gates.iter().map(|(name, outcome)| json!({"name": name, "outcome": outcome})).collect::<Vec<_>>(),
        "bundle": decided.bundle, "bundle_in_effect": bundle.is_some_and(|b| b.digest.to_string() == decided.bundle),
        "bundle_by": bundle.map(|b| &b.by),
        "approvals": approvals.iter().map(|a| json!({
            "person": a.person, "slot": a.slot, "time": millis(a.time), "strength": a.strength,
        })).collect::<Vec<_>>(),
        "deployer": grant.grant.by, "granted": millis(grant.grant.time), "expires": millis(grant.grant.expires),
        "self_judged": grant.grant.self_judged, "artifacts_match": granted == seen.artifacts,
        "artifacts": granted.iter().map(|digest| json!({
            "digest": digest, "sbom": sbom, "provenance": provenance(digest),
        })).collect::<Vec<_>>(),
        "scanned": run.scan.is_some() && decided.seen.is_some(), "gaps": seen.gaps,
        "findings": seen.findings.iter().map(|((control, severity, state), count)| json!({
            "control": control, "severity": severity, "state": state, "count": count,
        })).collect::<Vec<_>>(),
        "reports": seen.reports.iter().map(|r| json!({
            "tool": r.tool, "class": r.class, "current": r.current, "complete": r.complete, "findings": r.findings,
        })).collect::<Vec<_>>(),
        "missing_reports": seen.missing_reports, "tests": seen.tests, "bypasses": seen.bypasses,
        "followed": followed.flatten(),
    });
    let lifted: Vec<Value> =
        decided.lifted.iter().map(|(control, standing)| json!({"control": control, "standing": standing})).collect();
    if let Some(object) = element.as_object_mut() {
        object.insert("lifted".into(), lifted.into());
    }
    element
}
