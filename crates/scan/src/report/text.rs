//! For people: one line a finding, then the line it is in, then what to do. Colour never carries meaning alone.

use std::collections::BTreeSet;
use std::io;

use countersign_model::{Finding, FindingState, Severity};

use super::{Report, counted, message, printable};
use crate::rules::RuleSet;

/// What is written before and after each kind of text: escape sequences, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Before `critical` and `high`.
    pub alarm: &'static str,
    /// Before `medium`.
    pub warn: &'static str,
    /// Before `low` and `info`.
    pub calm: &'static str,
    /// Before a path.
    pub path: &'static str,
    /// Before an excerpt, a reason, a hint.
    pub dim: &'static str,
    /// After each of them.
    pub reset: &'static str,
}

impl Style {
    /// No escape sequences.
    pub const PLAIN: Self = Self { alarm: "", warn: "", calm: "", path: "", dim: "", reset: "" };
    /// The sixteen colours every terminal has (ECMA-48 §8.3.117), chosen to be legible on light and dark.
    pub const ANSI: Self = Self {
        alarm: "\x1b[1;31m",
        warn: "\x1b[33m",
        calm: "\x1b[36m",
        path: "\x1b[1m",
        dim: "\x1b[2m",
        reset: "\x1b[0m",
    };

    const fn severity(&self, severity: Severity) -> &'static str {
        match severity {
            Severity::Critical | Severity::High => self.alarm,
            Severity::Medium => self.warn,
            Severity::Low | Severity::Info => self.calm,
        }
    }
}

/// Writes without colour.
///
/// # Errors
/// What `out` fails with.
pub fn write(report: &Report, rules: &RuleSet, out: &mut dyn io::Write) -> io::Result<()> {
    write_styled(report, rules, &Style::PLAIN, out)
}

/// Writes with the colours of `style`.
///
/// # Errors
/// What `out` fails with.
pub fn write_styled(report: &Report, rules: &RuleSet, style: &Style, out: &mut dyn io::Write) -> io::Result<()> {
    let Style { path, dim, reset, .. } = style;
    let places: Vec<String> =
        report.findings.iter().map(|f| format!("{}:{}:{}", printable(&f.path.to_string()), f.line, f.column)).collect();
    let width = |lengths: &mut dyn Iterator<Item = usize>, most: usize| lengths.max().unwrap_or(0).min(most);
    let place_width = width(&mut places.iter().map(|p| p.chars().count()), 60);
    let rule_width = width(&mut report.findings.iter().map(|f| f.rule.len()), 44);

    let mut explained = BTreeSet::new();
    for (finding, place) in report.findings.iter().zip(&places) {
        let colour = style.severity(finding.severity);
        writeln!(
            out,
            "{path}{place:place_width$}{reset}  {colour}{:8}{reset}  {:rule_width$}  {}",
            finding.severity,
            finding.rule,
            message(finding),
        )?;
        writeln!(out, "    {dim}{}{reset}", finding.excerpt)?;
        if let Some(known) = report.known_of(finding) {
            writeln!(out, "    {known}")?;
        }
        if let Some(origin) = report.origin_of(finding) {
            writeln!(out, "    {origin}")?;
        }
        if let Some(request) = request(finding) {
            writeln!(out, "    {dim}{request}{reset}")?;
        }
        if explained.insert(&finding.rule)
            && let Some(rule) = rules.get(&finding.rule)
        {
            writeln!(out, "    {dim}fix: {}{reset}", first_sentence(&rule.fix.text))?;
        }
    }
    if !report.findings.is_empty() {
        writeln!(out)?;
    }
    for gap in &report.gaps {
        let at = printable(&gap.path.to_string());
        writeln!(out, "not looked at: {path}{at}{reset}: {} ({})", gap.kind, printable(&gap.detail))?;
    }
    for d in &report.unused_declarations {
        writeln!(out, "declared suppression of {} in {} matches nothing", printable(&d.rule), printable(&d.path))?;
    }
    for entry in &report.stale_baseline {
        let at = printable(&entry.path.to_string());
        writeln!(
            out,
            "baseline entry {} ({}, {at}) matches nothing",
            entry.fingerprint.short(),
            printable(&entry.rule)
        )?;
    }
    writeln!(out, "{}", summary(report))
}

fn request(finding: &Finding) -> Option<String> {
    let what = match finding.state {
        FindingState::Open => return None,
        FindingState::SuppressionRequested => "suppression requested",
        FindingState::SuppressionGranted => "suppression granted",
    };
    let by = finding.requested_by.as_deref().unwrap_or("unknown");
    Some(format!("{what} ({by}): {}", printable(finding.reason.as_deref().unwrap_or("no reason"))))
}

/// Up to the first full stop that ends a sentence; white space joined.
fn first_sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.find(". ") {
        Some(end) => text[..=end].to_owned(),
        None => text,
    }
}

fn summary(report: &Report) -> String {
    let mut parts = Vec::new();
    let mut by = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info].map(|s| (s, 0));
    for finding in report.open() {
        for (severity, n) in &mut by {
            *n += usize::from(*severity == finding.severity);
        }
    }
    let open = report.open().count();
    let each: Vec<_> = by.iter().filter(|(_, n)| *n > 0).map(|(s, n)| format!("{n} {s}")).collect();
    parts.push(match open {
        0 => "no findings".to_owned(),
        n => format!("{} ({})", counted(n, "finding", "findings"), each.join(", ")),
    });
    for (state, what) in
        [(FindingState::SuppressionRequested, "requested"), (FindingState::SuppressionGranted, "granted")]
    {
        let n = report.findings.iter().filter(|f| f.state == state).count();
        if n > 0 {
            parts.push(format!("{} {what}", counted(n, "suppression", "suppressions")));
        }
    }
    if !report.gaps.is_empty() {
        parts.push(format!("{} not looked at", counted(report.gaps.len(), "place", "places")));
    }
    let mut seen = String::new();
    if let Some(commits) = report.commits {
        let commits = counted(usize::try_from(commits).unwrap_or(usize::MAX), "commit", "commits");
        seen.push_str(&format!("{commits} with "));
    }
    seen += &counted(usize::try_from(report.files).unwrap_or(usize::MAX), "file", "files");
    if report.binary > 0 {
        seen.push_str(&format!(" ({} binary)", report.binary));
    }
    for (n, one, many) in [(report.links, "link", "links"), (report.submodules, "submodule", "submodules")] {
        if n > 0 {
            let n = counted(usize::try_from(n).unwrap_or(usize::MAX), one, many);
            seen.push_str(&format!(", {n} not followed"));
        }
    }
    format!("{} · {seen}, {} · {} rules", parts.join(", "), size(report.bytes), report.rules)
}

/// A size in decimal units, one digit behind the point.
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 999.95 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_234), "1.2 kB");
        assert_eq!(size(999_999), "1.0 MB");
        assert_eq!(size(u64::MAX), "18446744.1 TB");
    }

    #[test]
    fn the_first_sentence_only() {
        assert_eq!(first_sentence("Do this\n  now. Then that."), "Do this now.");
        assert_eq!(first_sentence("Do this"), "Do this");
    }
}
