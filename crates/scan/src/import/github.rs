//! Alerts of GitHub secret scanning, as its REST interface lists them (`/repos/{owner}/{repo}/secret-scanning/alerts`).

use countersign_model::{Confidence, Severity, TreePath};
use serde::Deserialize;

use super::{Draft, Fault, Format, Part, Reading, Region, Text, place};

pub(super) const FORMAT: Format = Format {
    name: "github-secret-scanning",
    recognises: |probe| probe.is_list && probe.number.is_some() && probe.secret_type.is_some(),
    read,
    hidden: &["secret"],
    private: &[
        "assigned_to",
        "closure_request_comment",
        "closure_request_reviewer",
        "closure_request_reviewer_comment",
        "owner",
        "push_protection_bypassed_by",
        "push_protection_bypass_request_reviewer",
        "resolved_by",
    ],
    hide: None,
};

#[derive(Deserialize)]
struct Alert {
    number: u64,
    secret_type: String,
    #[serde(default)]
    secret_type_display_name: Option<String>,
    #[serde(default)]
    secret: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    resolution: Option<String>,
    #[serde(default)]
    validity: Option<String>,
    #[serde(default)]
    first_location_detected: Option<Location>,
    /// What `…/alerts/{number}/locations` says, where it was put in.
    #[serde(default)]
    locations: Option<Vec<Located>>,
}

#[derive(Deserialize)]
struct Located {
    #[serde(default)]
    details: Option<Location>,
}

#[derive(Deserialize)]
struct Location {
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    start_line: Option<i64>,
    #[serde(default)]
    end_line: Option<i64>,
    #[serde(default)]
    start_column: Option<i64>,
    #[serde(default)]
    end_column: Option<i64>,
}

fn read(text: &Text<'_>, cx: &Reading<'_>) -> Result<Vec<Part>, Fault> {
    let alerts: Vec<Alert> = text.whole()?;
    let mut drafts = Vec::new();
    for alert in alerts {
        let listed = alert.locations.iter().flatten().filter_map(|l| l.details.as_ref());
        let mut places: Vec<&Location> =
            alert.first_location_detected.iter().chain(listed).filter(|l| l.path.is_some()).collect();
        places.dedup_by(|a, b| a.path == b.path && a.start_line == b.start_line);
        if places.is_empty() {
            drafts.push(draft(&alert, None, cx));
        }
        drafts.extend(places.into_iter().map(|l| draft(&alert, Some(l), cx)));
    }
    Ok(vec![Part { tool: FORMAT.name.into(), drafts, ..Part::default() }])
}

fn draft(alert: &Alert, at: Option<&Location>, cx: &Reading<'_>) -> Draft {
    let active = alert.validity.as_deref() == Some("active");
    let path = at.and_then(|l| l.path.as_deref());
    let value = alert.secret.as_deref().and_then(|s| cx.value(s));
    Draft {
        rule: alert.secret_type.clone(),
        title: alert.secret_type_display_name.clone().unwrap_or_else(|| alert.secret_type.clone()),
        severity: if active { Severity::Critical } else { Severity::High },
        confidence: if active { Confidence::Certain } else { Confidence::High },
        path: path.map_or_else(
            // The list has no places; they are in a list of their own.
            || TreePath::from_bytes(format!("(alert {})", alert.number).into_bytes()),
            |path| place::from_path(path, cx.roots),
        ),
        region: at.map_or_else(
            || Region::line(None),
            |l| Region::new(l.start_line, l.start_column, l.end_line, l.end_column),
        ),
        cwe: vec!["CWE-798".into()],
        key: if value.is_some() { String::new() } else { alert.number.to_string() },
        value,
        request: (alert.state.as_deref() == Some("resolved"))
            .then(|| format!("resolved at GitHub: {}", alert.resolution.as_deref().unwrap_or("no resolution named"))),
    }
}
