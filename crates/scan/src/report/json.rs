//! For programs. `version` is raised when a field changes its meaning or goes away; new fields may come.

use std::io;

use countersign_model::{Digest, Finding, Gap};
use serde::Serialize;

use super::{Origin, Report};
use crate::known::Known;
use crate::rules::RuleSet;
use crate::suppress::{BaselineEntry, Declaration};

#[derive(Serialize)]
struct Wire<'a> {
    version: u32,
    findings: Vec<WireFinding<'a>>,
    gaps: &'a [Gap],
    unused_declarations: &'a [Declaration],
    stale_baseline: &'a [BaselineEntry],
    stats: Stats,
}

#[derive(Serialize)]
struct WireFinding<'a> {
    rule: &'a str,
    severity: &'static str,
    confidence: &'static str,
    path: String,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    fingerprint: Digest,
    controls: &'a [String],
    cwe: &'a [String],
    title: &'a str,
    excerpt: &'a str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a Origin>,
    /// Where the same value is known from.
    #[serde(skip_serializing_if = "Option::is_none")]
    same_value_as: Option<&'a Known>,
}

impl<'a> WireFinding<'a> {
    fn new(f: &'a Finding, report: &'a Report) -> Self {
        Self {
            rule: &f.rule,
            severity: f.severity.as_str(),
            confidence: f.confidence.as_str(),
            path: f.path.to_string(),
            line: f.line,
            column: f.column,
            end_line: f.end_line,
            end_column: f.end_column,
            fingerprint: f.fingerprint,
            controls: &f.controls,
            cwe: &f.cwe,
            title: &f.title,
            excerpt: &f.excerpt,
            state: f.state.as_str(),
            reason: f.reason.as_deref(),
            requested_by: f.requested_by.as_deref(),
            origin: report.origins.get(&f.fingerprint),
            same_value_as: report.known.get(&f.fingerprint),
        }
    }
}

/// How much was looked at, and with what. How much of it came from a cache is left out: the same tree gives the same
/// bytes, whatever was scanned before.
#[derive(Serialize)]
struct Stats {
    files: u64,
    bytes: u64,
    binary: u64,
    links: u64,
    submodules: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    commits: Option<u64>,
    rules: u64,
    rules_digest: Digest,
}

/// Writes the report as JSON.
///
/// # Errors
/// What `out` fails with.
pub fn write(report: &Report, _rules: &RuleSet, out: &mut dyn io::Write) -> io::Result<()> {
    let wire = Wire {
        version: 1,
        findings: report.findings.iter().map(|f| WireFinding::new(f, report)).collect(),
        gaps: &report.gaps,
        unused_declarations: &report.unused_declarations,
        stale_baseline: &report.stale_baseline,
        stats: Stats {
            files: report.files,
            bytes: report.bytes,
            binary: report.binary,
            links: report.links,
            submodules: report.submodules,
            commits: report.commits,
            rules: report.rules,
            rules_digest: report.rules_digest,
        },
    };
    serde_json::to_writer_pretty(&mut *out, &wire)?;
    writeln!(out)
}
