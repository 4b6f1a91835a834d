//! detect-secrets' report, which is its baseline too (`detect-secrets scan`, `.secrets.baseline`).
//!
//! It holds the SHA-1 of each value. That is no keyed identity, so its findings are recognised by their place; and as
//! a short value can be guessed from it, it is not stored.

use std::collections::BTreeMap;

use countersign_model::{Confidence, Severity};
use serde::Deserialize;

use super::{Draft, Fault, Format, Part, Reading, Region, Text, place, tool_id};

pub(super) const FORMAT: Format = Format {
    name: "detect-secrets",
    recognises: |probe| !probe.is_list && probe.plugins_used.is_some() && probe.results.is_some(),
    read,
    hidden: &["hashed_secret"],
    private: &[],
    hide: None,
};

#[derive(Deserialize)]
struct Report {
    version: Option<String>,
    results: BTreeMap<String, Vec<Secret>>,
}

#[derive(Deserialize)]
struct Secret {
    #[serde(rename = "type")]
    kind: String,
    hashed_secret: String,
    #[serde(default)]
    line_number: Option<i64>,
    #[serde(default)]
    is_verified: bool,
    /// What a person said who went through the findings.
    #[serde(default)]
    is_secret: Option<bool>,
}

fn read(text: &Text<'_>, cx: &Reading<'_>) -> Result<Vec<Part>, Fault> {
    let report: Report = text.whole()?;
    let mut part = Part { tool: "detect-secrets".into(), version: report.version, ..Part::default() };
    for (file, secrets) in &report.results {
        part.drafts.extend(secrets.iter().map(|secret| draft(file, secret, cx)));
    }
    Ok(vec![part])
}

fn draft(file: &str, secret: &Secret, cx: &Reading<'_>) -> Draft {
    let sure = secret.is_verified || secret.is_secret == Some(true);
    let guessed = secret.kind.contains("Entropy");
    Draft {
        rule: tool_id(&secret.kind),
        title: secret.kind.clone(),
        severity: Severity::High,
        confidence: match (sure, guessed) {
            (true, _) => Confidence::Certain,
            (false, true) => Confidence::Low,
            (false, false) => Confidence::Medium,
        },
        path: place::from_path(file, cx.roots),
        region: Region::line(secret.line_number),
        cwe: vec!["CWE-798".into()],
        value: None,
        key: secret.hashed_secret.clone(),
        request: (secret.is_secret == Some(false)).then(|| "audited in the report as no secret".to_owned()),
    }
}
