//! Joins what our scan found with what reports of other tools say: one finding for one weakness at one place, and who
//! saw it. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use countersign_evidence::canonical;
use countersign_model::change::{ScanFinding, ScanRecord};
use countersign_model::{Digest, Finding, FindingState, ReportRecord, ToolReport, TreePath};
use countersign_scan::import::{same_weakness, stages};
use countersign_store::Session;
use countersign_store::projection::RunRow;

use crate::Error;

/// What our own findings are seen by.
pub const OURS: &str = "countersign";

/// A finding, and the tools that saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The finding. Where several tools saw it: ours, else the first, with the highest severity and confidence of all.
    pub finding: ScanFinding,
    /// Who saw it, sorted.
    pub tools: BTreeSet<String>,
    /// Its last line.
    end_line: u32,
    /// As the other tool's report has it, where it is not ours.
    told: Option<Finding>,
}

impl Seen {
    /// The finding of other tools alone as a report of ours shows it: with the state, severity and confidence that count,
    /// and who saw it. `None` for a finding of ours.
    #[must_use]
    pub fn theirs(&self, state: FindingState) -> Option<Finding> {
        let told = self.told.as_ref()?;
        let tools: Vec<&str> = self.tools.iter().map(String::as_str).collect();
        Some(Finding {
            title: format!("{} (reported by {})", told.title, tools.join(", ")),
            severity: self.finding.severity,
            confidence: self.finding.confidence,
            controls: self.finding.controls.clone(),
            cwe: self.finding.cwe.clone(),
            state,
            reason: self.finding.reason.clone(),
            requested_by: self.finding.requested_by.clone(),
            ..told.clone()
        })
    }
}

/// A report as it counts for a commit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delivered {
    /// The tool.
    pub tool: String,
    /// Its version.
    pub version: Option<String>,
    /// Digest of the report, as stored.
    pub digest: Digest,
    /// The first commit that it says it was made for.
    pub revision: Option<String>,
    /// Whether it is for the commit that is judged. The findings of one that is not do not count: the code is another.
    pub current: bool,
    /// Whether it says all.
    pub complete: bool,
    /// How many findings it has.
    pub findings: u64,
}

/// Everything that was found.
#[derive(Debug, Clone, Default)]
pub struct Reported {
    /// The findings of all, sorted.
    pub findings: Vec<Seen>,
    /// The reports that were delivered, sorted.
    pub reports: Vec<Delivered>,
}

/// What the reports recorded for a run say, with the digest of each as stored, oldest first.
///
/// # Errors
/// When one cannot be read back.
pub fn records(session: &Session, run: Option<&RunRow>) -> Result<Vec<(Digest, ReportRecord)>, Error> {
    let rows = run.into_iter().flat_map(|r| &r.evidence);
    rows.filter_map(|e| e.report.as_ref().map(|blob| (e.digest, blob)))
        .map(|(digest, blob)| Ok((digest, canonical::from_slice(&session.ledger().payload(blob)?)?)))
        .collect()
}

/// Joins a scan and reports for a commit.
#[must_use]
pub fn join(scan: &ScanRecord, records: &[(Digest, ReportRecord)], commit: &str) -> Reported {
    let mut joined = Joined::default();
    for finding in &scan.findings {
        // Our record holds the first line alone. A finding of ours reaches further only where it is a block, and then a
        // value is what other tools are compared by.
        joined.add(Seen {
            finding: finding.clone(),
            tools: [OURS.to_owned()].into(),
            end_line: finding.line,
            told: None,
        });
    }
    let mut reports = Vec::new();
    let mut told: Vec<(&ToolReport, &Finding)> = Vec::new();
    for (digest, record) in records {
        for report in &record.reports {
            let current = report.is_for(commit);
            reports.push(Delivered {
                tool: report.tool.clone(),
                version: report.version.clone(),
                digest: *digest,
                revision: report.revisions.first().cloned(),
                current,
                complete: report.incomplete.is_empty(),
                findings: report.findings.len() as u64,
            });
            if current {
                told.extend(report.findings.iter().map(|f| (report, f)));
            }
        }
    }
    told.sort_by(|(ar, a), (br, b)| {
        (&a.path, a.line, &ar.tool, &a.rule, a.fingerprint).cmp(&(&b.path, b.line, &br.tool, &b.rule, b.fingerprint))
    });
    for (report, finding) in told {
        joined.tell(&report.tool, finding);
    }
    reports.sort();
    reports.dedup();
    let mut findings = joined.all;
    findings.sort_by(|a, b| {
        let key = |s: &Seen| (s.finding.path.clone(), s.finding.line, s.finding.rule.clone(), s.finding.fingerprint);
        key(a).cmp(&key(b))
    });
    Reported { findings, reports }
}

/// What was joined so far, with what it is found by.
#[derive(Default)]
struct Joined {
    all: Vec<Seen>,
    by_value: HashMap<Digest, Vec<usize>>,
    by_path: BTreeMap<TreePath, Vec<usize>>,
    by_print: HashMap<Digest, usize>,
}

impl Joined {
    fn add(&mut self, seen: Seen) {
        let n = self.all.len();
        if let Some(value) = seen.finding.value {
            self.by_value.entry(value).or_default().push(n);
        }
        self.by_path.entry(seen.finding.path.clone()).or_default().push(n);
        self.by_print.entry(seen.finding.fingerprint).or_insert(n);
        self.all.push(seen);
    }

    fn tell(&mut self, tool: &str, finding: &Finding) {
        let Some(known) = self.known(tool, finding) else {
            let finding_of_ours = ScanFinding {
                rule: finding.rule.clone(),
                severity: finding.severity,
                confidence: finding.confidence,
                path: finding.path.clone(),
                line: finding.line,
                fingerprint: finding.fingerprint,
                controls: finding.controls.clone(),
                stages: stages(finding),
                cwe: finding.cwe.clone(),
                value: finding.value,
                state: finding.state,
                reason: finding.reason.clone(),
                requested_by: finding.requested_by.clone(),
            };
            let tools = [tool.to_owned()].into();
            return self.add(Seen {
                finding: finding_of_ours,
                tools,
                end_line: finding.end_line,
                told: Some(finding.clone()),
            });
        };
        let Some(seen) = self.all.get_mut(known) else { return };
        let ours = seen.tools.contains(OURS);
        let same = seen.finding.fingerprint == finding.fingerprint;
        seen.tools.insert(tool.to_owned());
        let of = &mut seen.finding;
        of.severity = of.severity.max(finding.severity);
        of.confidence = of.confidence.max(finding.confidence);
        for (all, more) in [(&mut of.controls, &finding.controls), (&mut of.cwe, &finding.cwe)] {
            all.extend(more.iter().cloned());
            all.sort();
            all.dedup();
        }
        for stage in stages(finding) {
            if !of.stages.contains(&stage) {
                of.stages.push(stage);
            }
        }
        // A mark beside our finding speaks for it whoever else sees it. Of others, one that is open is enough; the same
        // finding in a later report of the same tool may ask as well.
        if !ours && !same && finding.state == FindingState::Open {
            (of.state, of.reason, of.requested_by) = (FindingState::Open, None, None);
        }
        if same && of.state == FindingState::Open && finding.state == FindingState::SuppressionRequested {
            of.state = finding.state;
            of.reason.clone_from(&finding.reason);
            of.requested_by.clone_from(&finding.requested_by);
        }
    }

    /// The finding that this one is, if it is there: itself, the same value at the same place, the same weakness at the
    /// same place, or the same value elsewhere.
    fn known(&self, tool: &str, finding: &Finding) -> Option<usize> {
        if let Some(same) = self.by_print.get(&finding.fingerprint) {
            return Some(*same);
        }
        let at_place = |n: &usize| {
            self.all.get(*n).is_some_and(|s| {
                s.finding.path == finding.path && s.finding.line <= finding.end_line && finding.line <= s.end_line
            })
        };
        // What one tool tells apart are two findings.
        let other = |n: &usize| self.all.get(*n).is_some_and(|s| !(s.tools.len() == 1 && s.tools.contains(tool)));
        let by_value = finding.value.and_then(|v| self.by_value.get(&v));
        let same_value = || by_value.into_iter().flatten().copied();
        let at_path = || self.by_path.get(&finding.path).into_iter().flatten().copied();
        let compatible = |n: &usize| {
            self.all.get(*n).is_some_and(|s| {
                // Two different values on one line are two secrets.
                let apart = s.finding.value.zip(finding.value).is_some_and(|(a, b)| a != b);
                same_weakness(&s.finding.cwe, &finding.cwe) && !apart
            })
        };
        same_value()
            .find(at_place)
            .or_else(|| at_path().find(|n| at_place(n) && other(n) && compatible(n)))
            .or_else(|| same_value().find(other))
    }
}
