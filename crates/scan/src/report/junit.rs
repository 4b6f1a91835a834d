//! For the test reports of CI systems: a finding is a failed test, a gap is an error, a granted suppression is skipped.

use std::io;

use countersign_model::FindingState;

use super::{GAP, Report, gap_message, plain};
use crate::rules::RuleSet;

/// Writes the report as JUnit XML. A scan without findings and gaps is one test that passed, for an empty suite reads
/// as nothing at all in many systems.
///
/// # Errors
/// What `out` fails with.
pub fn write(report: &Report, rules: &RuleSet, out: &mut dyn io::Write) -> io::Result<()> {
    let skipped = report.findings.iter().filter(|f| f.state == FindingState::SuppressionGranted).count();
    let failures = report.findings.len() - skipped;
    let errors = report.gaps.len();
    let tests = (report.findings.len() + errors).max(1);
    let counts = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\"");
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites name=\"countersign scan\" {counts}>")?;
    writeln!(out, "  <testsuite name=\"countersign scan\" {counts} skipped=\"{skipped}\">")?;
    if report.findings.is_empty() && report.gaps.is_empty() {
        writeln!(
            out,
            "    <testcase classname=\"countersign\" name=\"{} files, {} rules\"/>",
            report.files, report.rules
        )?;
    }
    for f in &report.findings {
        let place = format!("{}:{}:{}", plain(&f.path), f.line, f.column);
        writeln!(
            out,
            "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\">",
            xml(&f.rule),
            xml(&format!("{} at {place}", f.title)),
            xml(&plain(&f.path)),
            f.line
        )?;
        if f.state == FindingState::SuppressionGranted {
            let reason = f.reason.as_deref().unwrap_or("suppression granted");
            writeln!(out, "      <skipped message=\"{}\"/>", xml(reason))?;
        } else {
            let fix = rules.get(&f.rule).map_or("", |r| r.fix.text.trim());
            let text = format!("{place}: {}\n{}\n\n{fix}\n\nfingerprint: {}", f.title, f.excerpt, f.fingerprint);
            let (message, kind) = (xml(&report.message(f)), f.severity);
            writeln!(out, "      <failure message=\"{message}\" type=\"{kind}\">{}</failure>", xml(&text))?;
        }
        writeln!(out, "    </testcase>")?;
    }
    for gap in &report.gaps {
        let path = xml(&plain(&gap.path));
        writeln!(out, "    <testcase classname=\"{GAP}/{}\" name=\"{path}\" file=\"{path}\">", gap.kind)?;
        writeln!(out, "      <error message=\"{}\" type=\"{}\"/>", xml(&gap_message(gap)), gap.kind)?;
        writeln!(out, "    </testcase>")?;
    }
    writeln!(out, "  </testsuite>\n</testsuites>")
}

/// Character data and attribute values of XML 1.0. Characters that XML cannot hold at all (§2.2) become U+FFFD.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => out.push_str(&format!("&#{};", u32::from(c))),
            '\u{0}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => out.push(char::REPLACEMENT_CHARACTER),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::xml;

    #[test]
    fn nothing_breaks_out() {
        assert_eq!(xml("<a b=\"c\">&'\u{1}\n]]>"), "&lt;a b=&quot;c&quot;&gt;&amp;&apos;\u{FFFD}&#10;]]&gt;");
    }
}
