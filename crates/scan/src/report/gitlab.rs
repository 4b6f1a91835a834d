//! GitLab's Code Quality report: a JSON array of issues, of which it shows those a merge request adds.

use std::io;

use countersign_model::{Digest, FindingState, Severity};
use serde::Serialize;

use super::{GAP, Report, gap_message, plain};
use crate::rules::RuleSet;

#[derive(Serialize)]
struct Issue {
    description: String,
    check_name: String,
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: u32,
}

/// Writes the report as a Code Quality report. A granted suppression is `info`: visible, and in nobody's way.
///
/// # Errors
/// What `out` fails with.
pub fn write(report: &Report, _rules: &RuleSet, out: &mut dyn io::Write) -> io::Result<()> {
    let findings = report.findings.iter().map(|f| Issue {
        description: format!("{}: {}", report.message(f), f.excerpt),
        check_name: f.rule.clone(),
        fingerprint: f.fingerprint.hex(),
        severity: if f.state == FindingState::SuppressionGranted { "info" } else { severity(f.severity) },
        location: Location { path: plain(&f.path), lines: Lines { begin: f.line } },
    });
    let gaps = report.gaps.iter().map(|gap| Issue {
        description: gap_message(gap),
        check_name: format!("{GAP}/{}", gap.kind),
        fingerprint: Digest::of(format!("{GAP}/{} {}", gap.kind, gap.path).as_bytes()).hex(),
        severity: "critical",
        location: Location { path: plain(&gap.path), lines: Lines { begin: 1 } },
    });
    serde_json::to_writer_pretty(&mut *out, &findings.chain(gaps).collect::<Vec<_>>())?;
    writeln!(out)
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "blocker",
        Severity::High => "critical",
        Severity::Medium => "major",
        Severity::Low => "minor",
        Severity::Info => "info",
    }
}
