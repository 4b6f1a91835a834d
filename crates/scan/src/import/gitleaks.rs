//! gitleaks' own JSON report (`gitleaks … --report-format json`), which betterleaks writes too: a list of findings.

use countersign_model::{Confidence, Severity};
use serde::Deserialize;

use super::{Draft, Fault, Format, Part, Reading, Region, Text, place};

pub(super) const FORMAT: Format = Format {
    name: "gitleaks",
    recognises: |probe| probe.is_list && probe.rule_id.is_some() && probe.start_line.is_some(),
    read,
    hidden: &["Secret", "Match", "Line"],
    private: &["Author", "Email"],
    hide: None,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Leak {
    #[serde(rename = "RuleID")]
    rule_id: String,
    #[serde(default)]
    description: String,
    start_line: i64,
    #[serde(default)]
    end_line: Option<i64>,
    #[serde(default)]
    start_column: Option<i64>,
    #[serde(default)]
    end_column: Option<i64>,
    #[serde(default)]
    secret: String,
    #[serde(default)]
    file: String,
    #[serde(default)]
    symlink_file: String,
}

fn read(text: &Text<'_>, cx: &Reading<'_>) -> Result<Vec<Part>, Fault> {
    // `null` is what it writes for an empty list.
    let leaks: Option<Vec<Leak>> = text.whole()?;
    let drafts = leaks.unwrap_or_default().into_iter().map(|leak| draft(&leak, cx)).collect::<Result<_, _>>()?;
    Ok(vec![Part { tool: "gitleaks".into(), drafts, ..Part::default() }])
}

fn draft(leak: &Leak, cx: &Reading<'_>) -> Result<Draft, Fault> {
    let file = if leak.symlink_file.is_empty() { &leak.file } else { &leak.symlink_file };
    if leak.rule_id.is_empty() || file.is_empty() {
        return Err(Fault::shape("a finding names no rule or no file"));
    }
    let value = cx.value(&leak.secret);
    Ok(Draft {
        rule: leak.rule_id.clone(),
        title: leak.description.clone(),
        severity: Severity::High,
        confidence: Confidence::Medium,
        path: place::from_path(file, cx.roots),
        region: Region::new(Some(leak.start_line), leak.start_column, leak.end_line, leak.end_column),
        cwe: vec!["CWE-798".into()],
        // Where the value was hidden by the tool, its place has to do.
        key: if value.is_some() { String::new() } else { leak.start_line.to_string() },
        value,
        request: None,
    })
}
