//! Annotations by the workflow commands of GitHub Actions: `::error file=…,line=…::message`, one a line.

use std::io;

use countersign_model::{FindingState, Severity};

use super::{Report, gap_message, plain};
use crate::rules::RuleSet;

/// Writes one workflow command a finding and a gap.
///
/// # Errors
/// What `out` fails with.
pub fn write(report: &Report, _rules: &RuleSet, out: &mut dyn io::Write) -> io::Result<()> {
    for f in &report.findings {
        let command = match (f.state, f.severity) {
            (FindingState::SuppressionGranted, _) | (_, Severity::Low | Severity::Info) => "notice",
            (_, Severity::Medium) => "warning",
            (_, Severity::High | Severity::Critical) => "error",
        };
        let mut place = format!("file={},line={},endLine={}", property(&plain(&f.path)), f.line, f.end_line);
        if f.line == f.end_line {
            // Columns are shown only within one line.
            place.push_str(&format!(",col={},endColumn={}", f.column, f.end_column));
        }
        let title = property(&format!("{} ({})", f.rule, f.severity));
        let text = data(&format!("{}\n{}", report.message(f), f.excerpt));
        writeln!(out, "::{command} {place},title={title}::{text}")?;
    }
    for gap in &report.gaps {
        let (path, text) = (property(&plain(&gap.path)), data(&gap_message(gap)));
        writeln!(out, "::error file={path},title=not looked at::{text}")?;
    }
    Ok(())
}

/// The message part: `%` and line ends escaped, so that no text of the tree can begin a command of its own.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property: what separates properties is escaped too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_begins_a_command() {
        assert_eq!(data("100%\r\n::error::x"), "100%25%0D%0A::error::x");
        assert_eq!(property("a,b:c\n%"), "a%2Cb%3Ac%0A%25");
    }
}
