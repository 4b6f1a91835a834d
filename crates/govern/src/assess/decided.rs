//! A decision, and what an assessment needs of the facts it was made from. Facts are read once, one decision after the other.

use std::collections::{BTreeMap, BTreeSet};

use countersign_evidence::canonical;
use countersign_model::Timestamp;
use countersign_policy::replay::replay_under;
use countersign_policy::{Assignment, Bundle, Decision, RegorusEngine, Replay};
use countersign_store::Ledger;
use countersign_store::projection::DecisionRow;
use serde_json::Value;

use super::facts::Sight;
use super::tools;

/// What is kept of a decision.
#[derive(Debug, Clone)]
pub(super) struct Decided {
    pub(super) index: u64,
    pub(super) run: String,
    pub(super) digest: String,
    pub(super) repository: Option<String>,
    pub(super) time: Timestamp,
    pub(super) bundle: String,
    pub(super) engine: String,
    /// Name and outcome.
    pub(super) gates: Vec<(String, String)>,
    /// Controls whose breaches it let stand, with how: `waived`, `mitigated` or `overridden`.
    pub(super) lifted: BTreeMap<String, String>,
    /// What was read out of its facts; `None`: they could not be read.
    pub(super) seen: Option<Seen>,
    /// Why not.
    pub(super) unreadable: Option<String>,
}

/// What is kept of a decision's facts.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) authors: BTreeSet<String>,
    pub(super) commits: u64,
    pub(super) complete: bool,
    pub(super) unknown_authors: u64,
    pub(super) unsigned: u64,
    pub(super) ticket: bool,
    pub(super) reason: bool,
    pub(super) pipeline_changed: bool,
    pub(super) gaps: u64,
    /// Control, severity, state; how many.
    pub(super) findings: BTreeMap<(String, String, String), u64>,
    /// Fingerprints of severe findings that nobody granted: severity, and the controls they concern.
    pub(super) severe: BTreeMap<String, (String, BTreeSet<String>)>,
    pub(super) reports: Vec<Report>,
    pub(super) missing_reports: Vec<String>,
    pub(super) artifacts: BTreeSet<String>,
    pub(super) tests: u64,
    pub(super) bypasses: u64,
    pub(super) kinds: BTreeSet<String>,
    pub(super) rules_digest: String,
}

/// A report of another tool.
#[derive(Debug, Clone)]
pub(super) struct Report {
    pub(super) tool: String,
    pub(super) class: &'static str,
    pub(super) current: bool,
    pub(super) complete: bool,
    pub(super) findings: u64,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

impl Decided {
    /// Reads a decision and its facts.
    pub(super) fn read(ledger: &Ledger, row: &DecisionRow) -> Self {
        let document = &row.document;
        let gates = list(&document["verdict"]["gates"]).iter().map(|g| (text(&g["name"]), text(&g["outcome"])));
        let mut decided = Self {
            index: row.index,
            run: row.run.to_string(),
            digest: row.digest.to_string(),
            repository: None,
            time: serde_json::from_value(document["time"].clone()).unwrap_or(Timestamp::from_millis(0)),
            bundle: text(&document["bundle"]),
            engine: text(&document["engine"]),
            gates: gates.collect(),
            lifted: lifted(document),
            seen: None,
            unreadable: None,
        };
        match facts_of(ledger, row) {
            Ok(facts) => {
                decided.repository = facts["repository"]["identity"].as_str().map(str::to_owned);
                decided.seen = Some(Seen::of(&facts));
            }
            Err(why) => decided.unreadable = Some(why),
        }
        decided
    }

    /// The strongest outcome of its gates.
    pub(super) fn outcome(&self) -> String {
        let outcomes =
            self.gates.iter().filter_map(|(_, outcome)| serde_json::from_value(Value::from(&**outcome)).ok());
        countersign_model::Outcome::all(outcomes).to_string()
    }
}

/// Controls that a decision let stand: some reason of theirs is lifted, and none holds anything up.
fn lifted(document: &Value) -> BTreeMap<String, String> {
    let mut lifted: BTreeMap<String, String> = BTreeMap::new();
    let mut held: BTreeSet<String> = BTreeSet::new();
    let gates = list(&document["verdict"]["gates"]);
    for reason in gates.iter().flat_map(|gate| list(&gate["reasons"])).filter(|r| r["effect"] != "note") {
        let standing = reason["enforced"]["standing"].as_str().unwrap_or("blocks");
        for control in list(&reason["controls"]).iter().map(text) {
            match standing {
                "waived" | "mitigated" | "overridden" => {
                    lifted.insert(control, standing.to_owned());
                }
                _ => {
                    held.insert(control);
                }
            }
        }
    }
    lifted.retain(|control, _| !held.contains(control));
    lifted
}

fn facts_of(ledger: &Ledger, row: &DecisionRow) -> Result<Value, String> {
    let bytes = ledger.payload(&row.facts).map_err(|e| e.to_string())?;
    canonical::from_slice(&bytes).map_err(|e| e.to_string())
}

impl Seen {
    fn of(facts: &Value) -> Self {
        let (change, scan) = (&facts["change"], &facts["scan"]);
        let mut seen = Self {
            complete: change["complete"] == true && change["shallow"] == false,
            ticket: change["ticket"].as_str().is_some_and(|t| !t.trim().is_empty()),
            reason: change["reason"].as_str().is_some_and(|t| !t.trim().is_empty()),
            pipeline_changed: change["pipeline"]["changed"] == true,
            gaps: list(&scan["gaps"]).len() as u64,
            rules_digest: text(&scan["rules_digest"]),
            artifacts: list(&facts["artifacts"]).iter().map(|a| text(&a["digest"])).collect(),
            ..Self::default()
        };
        for commit in list(&change["commits"]) {
            seen.commits = seen.commits.saturating_add(1);
            let known: BTreeSet<String> = list(&commit["claims"])
                .iter()
                .chain([&commit["person"]])
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            // A co-author whom nobody claims to be is unknown as well.
            let co_authors = commit["co_authors"].as_u64().unwrap_or(u64::MAX);
            if known.is_empty() || co_authors > (known.len() as u64).saturating_sub(1) {
                seen.unknown_authors = seen.unknown_authors.saturating_add(1);
            }
            if commit["signature"] != "valid" {
                seen.unsigned = seen.unsigned.saturating_add(1);
            }
            seen.authors.extend(known);
        }
        for finding in list(&scan["findings"]) {
            let (severity, state) = (text(&finding["severity"]), text(&finding["state"]));
            let controls: BTreeSet<String> = list(&finding["controls"]).iter().map(text).collect();
            for control in &controls {
                let count = seen.findings.entry((control.clone(), severity.clone(), state.clone())).or_default();
                *count = count.saturating_add(1);
            }
            if matches!(severity.as_str(), "high" | "critical") && state != "suppression-granted" {
                seen.severe.insert(text(&finding["fingerprint"]), (severity, controls));
            }
        }
        for report in list(&facts["reports"]) {
            let tool = text(&report["tool"]);
            seen.reports.push(Report {
                class: tools::class(&tool),
                tool,
                current: report["current"] == true,
                complete: report["complete"] == true,
                findings: report["findings"].as_u64().unwrap_or_default(),
            });
        }
        let there = |tool: &str| seen.reports.iter().any(|r| r.tool == tool && r.current && r.complete);
        seen.missing_reports = list(&scan["required_reports"]).iter().map(text).filter(|tool| !there(tool)).collect();
        for evidence in list(&facts["evidence"]) {
            let kind = text(&evidence["kind"]);
            match kind.as_str() {
                "junit" => seen.tests = seen.tests.saturating_add(1),
                "hook-bypass" => seen.bypasses = seen.bypasses.saturating_add(1),
                _ => {}
            }
            seen.kinds.insert(kind);
        }
        seen
    }
}

/// Computes a decision again: `identical`, `different`, `other-engine` or `error`.
pub(super) fn repeated(sight: Sight<'_>, row: &DecisionRow) -> &'static str {
    let again = || -> Option<Replay> {
        let facts = facts_of(sight.ledger, row).ok()?;
        let bundle = Bundle::from_bytes(&sight.ledger.payload(&row.bundle).ok()?).ok()?;
        let recorded: Decision = serde_json::from_value(row.document.clone()).ok()?;
        let assignment = match &recorded.assignment {
            None => None,
            Some(digest) => {
                let row = sight.state.assignment_of(digest).ok()??;
                Some(Assignment::from_bytes(&sight.ledger.payload(&row.blob).ok()?).ok()?)
            }
        };
        replay_under(&RegorusEngine, &recorded, &facts, &bundle, assignment.as_ref()).ok()
    };
    match again() {
        Some(Replay::Identical) => "identical",
        Some(Replay::OtherEngine { .. }) => "other-engine",
        Some(Replay::Different { .. }) => "different",
        None => "error",
    }
}
