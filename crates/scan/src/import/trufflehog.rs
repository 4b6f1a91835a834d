//! trufflehog's JSON lines (`trufflehog … --json`): one finding a line, between lines of its log.

use countersign_model::{Confidence, Severity, TreePath};
use serde::Deserialize;
use serde_json::Value;

use super::{Draft, Fault, Format, Part, Reading, Region, Text, place};

pub(super) const FORMAT: Format = Format {
    name: "trufflehog",
    recognises: |probe| !probe.is_list && probe.detector_name.is_some() && probe.source_metadata.is_some(),
    read,
    hidden: &["Raw", "RawV2", "Redacted", "StructuredData", "VerificationError"],
    private: &["email", "user"],
    hide: None,
};

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "DetectorName")]
    detector: Option<String>,
    #[serde(rename = "SourceMetadata")]
    source: Option<Source>,
    #[serde(rename = "DetectorDescription", default)]
    description: Option<String>,
    #[serde(rename = "Verified", default)]
    verified: bool,
    #[serde(rename = "Raw", default)]
    raw: Option<String>,
    /// Of a line of its log.
    #[serde(default)]
    level: Option<String>,
    #[serde(default)]
    msg: Option<String>,
}

#[derive(Deserialize)]
struct Source {
    /// One member, named after the kind of source: `Git`, `Filesystem`, `Github` …
    #[serde(rename = "Data")]
    data: Option<serde_json::Map<String, Value>>,
}

fn read(text: &Text<'_>, cx: &Reading<'_>) -> Result<Vec<Part>, Fault> {
    let mut part = Part { tool: "trufflehog".into(), ..Part::default() };
    for line in text.lines::<Line>()? {
        let Some(detector) = line.detector.as_deref().filter(|d| !d.is_empty()) else {
            let (Some(level), Some(_)) = (&line.level, &line.msg) else {
                return Err(Fault::shape("a line is neither a finding nor a line of its log"));
            };
            if level.starts_with("error") || level.starts_with("fatal") || level.starts_with("panic") {
                part.incomplete.push("its log says that something went wrong".into());
            }
            continue;
        };
        part.drafts.push(draft(detector, &line, cx));
    }
    part.incomplete.dedup();
    Ok(vec![part])
}

fn draft(detector: &str, line: &Line, cx: &Reading<'_>) -> Draft {
    let data = line.source.as_ref().and_then(|s| s.data.as_ref()).and_then(|d| d.iter().next());
    let text = |key: &str| data.and_then(|(_, d)| d.get(key)).and_then(Value::as_str).filter(|t| !t.is_empty());
    let at = data.and_then(|(_, d)| d.get("line")).and_then(Value::as_i64);
    // A source that has no files has a link, a channel, a key: its kind is all that is said of it.
    let path = text("file").map_or_else(
        || TreePath::from_bytes(format!("({})", data.map_or("no source", |(kind, _)| kind.as_str())).into_bytes()),
        |file| place::from_path(file, cx.roots),
    );
    let value = line.raw.as_deref().and_then(|raw| cx.value(raw));
    Draft {
        rule: detector.to_owned(),
        title: match line.description.as_deref().filter(|d| !d.is_empty()) {
            Some(description) => description.to_owned(),
            None => format!("A credential that {detector} accepts or accepted"),
        },
        severity: if line.verified { Severity::Critical } else { Severity::High },
        confidence: if line.verified { Confidence::Certain } else { Confidence::Medium },
        path,
        region: Region::line(at),
        cwe: vec!["CWE-798".into()],
        key: if value.is_some() { String::new() } else { at.unwrap_or_default().to_string() },
        value,
        request: None,
    }
}
