//! For code scanning: SARIF 2.1.0 (OASIS Standard, 27 March 2020). Sections in comments are of that document.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use countersign_model::{Finding, FindingState, Severity, TreePath};
use serde_json::{Value, json};

use super::{GAP, Report, gap_message, level};
use crate::rules::{Rule, RuleSet};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What paths are relative to (§3.14.14). Where that is on a disk is nobody else's business.
const BASE: &str = "SRCROOT";

/// Writes the report as one SARIF run.
///
/// # Errors
/// What `out` fails with.
pub fn write(report: &Report, rules: &RuleSet, out: &mut dyn io::Write) -> io::Result<()> {
    let mut used: BTreeMap<&str, usize> = report.findings.iter().map(|f| (f.rule.as_str(), 0)).collect();
    for (n, (_, index)) in used.iter_mut().enumerate() {
        *index = n;
    }
    let descriptors: Vec<Value> =
        used.keys().map(|id| rules.get(id).map_or_else(|| json!({ "id": id }), descriptor)).collect();
    let results: Vec<Value> = report
        .findings
        .iter()
        .map(|f| {
            let mut result = result(f, used.get(f.rule.as_str()));
            if let Some(origin) = report.origins.get(&f.fingerprint) {
                // Not in the message: names come from the repository.
                result["properties"]["origin"] = json!(origin);
            }
            if let Some(known) = report.known.get(&f.fingerprint) {
                result["properties"]["sameValueAs"] = json!(known);
            }
            result
        })
        .collect();
    let notifications: Vec<Value> = report
        .gaps
        .iter()
        .map(|gap| {
            json!({
                "descriptor": { "id": format!("{GAP}/{}", gap.kind) },
                "level": "error",
                "message": { "text": gap_message(gap) },
                "locations": [{ "physicalLocation": { "artifactLocation": artifact(&gap.path) } }],
            })
        })
        .collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "Countersign",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": descriptors,
            }},
            "invocations": [{
                // §3.20.14: what could not be looked at means that the run did not do what it was to do.
                "executionSuccessful": report.is_complete(),
                "toolExecutionNotifications": notifications,
            }],
            "originalUriBaseIds": { BASE: { "description": { "text": "The root of the scanned tree." } } },
            "columnKind": "unicodeCodePoints",
            // §3.14.28: what stands in snippets in the place of values.
            "redactionTokens": redaction_tokens(report),
            "results": results,
            "properties": {
                "files": report.files,
                "bytes": report.bytes,
                "binary": report.binary,
                "links": report.links,
                "rules": report.rules,
                "rulesDigest": report.rules_digest,
            },
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

fn descriptor(rule: &Rule) -> Value {
    let mut tags = vec!["security".to_owned(), rule.family.clone()];
    tags.extend(rule.cwe.iter().map(|c| format!("external/cwe/{}", c.to_ascii_lowercase())));
    tags.extend(rule.controls.iter().map(|c| format!("control/{c}")));
    tags.extend(rule.aliases.iter().map(|a| format!("alias/{a}")));
    // §3.10.3 wants the elements of an array that is a set to differ.
    tags.sort();
    tags.dedup();
    let mut value = json!({
        "id": rule.id,
        "name": name(&rule.id),
        "shortDescription": { "text": rule.title },
        "fullDescription": { "text": rule.why.trim() },
        "help": { "text": help(rule, ""), "markdown": help(rule, "**") },
        "defaultConfiguration": { "level": level(rule.severity) },
        "properties": {
            "tags": tags,
            "precision": precision(rule),
            "security-severity": security_severity(rule.severity),
        },
    });
    if let Some(first) = rule.references.iter().find(|r| r.starts_with("https://")) {
        value["helpUri"] = json!(uri(first.as_bytes(), b"-._~:/?#[]@!$&'()*+,;=%"));
    }
    value
}

/// `secrets/aws-access-key-id` → `SecretsAwsAccessKeyId` (§3.49.7: an identifier in Pascal case).
fn name(id: &str) -> String {
    id.split(['/', '-'])
        .flat_map(|word| {
            let mut chars = word.chars();
            chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars.collect::<Vec<_>>())
        })
        .collect()
}

fn help(rule: &Rule, strong: &str) -> String {
    let mut text = format!("{strong}Why.{strong} {}\n\n{strong}Fix.{strong} {}", rule.why.trim(), rule.fix.text.trim());
    for reference in &rule.references {
        text.push_str("\n\n");
        text.push_str(reference);
    }
    text
}

const fn precision(rule: &Rule) -> &'static str {
    use countersign_model::Confidence;
    match rule.confidence {
        Confidence::Certain => "very-high",
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    }
}

/// A number that code scanning sorts by: above 9.0 critical, from 7.0 high, from 4.0 medium, below low.
const fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "3.0",
        Severity::Info => "1.0",
    }
}

fn result(finding: &Finding, index: Option<&usize>) -> Value {
    let mut region = json!({ "startLine": finding.line, "endLine": finding.end_line });
    // Our columns are bytes, SARIF's are characters (§3.30.6). They agree where the line is ASCII, which the excerpt
    // shows; elsewhere the lines have to do, rather than a column that points beside the place.
    if finding.excerpt.is_ascii() {
        region["startColumn"] = json!(finding.column);
        region["endColumn"] = json!(finding.end_column);
    }
    let mut value = json!({
        "ruleId": finding.rule,
        "kind": "fail",
        "level": level(finding.severity),
        // Our words only: a viewer makes links of `[text](target)` in a message (§3.11.6), and the tree is not trusted.
        "message": { "text": format!("{} ({})", finding.title, finding.rule) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": artifact(&finding.path),
            "region": region,
            "contextRegion": {
                "startLine": finding.line,
                "endLine": finding.end_line,
                "snippet": { "text": finding.excerpt },
            },
        }}],
        "partialFingerprints": { "countersign/v1": finding.fingerprint.hex() },
        "properties": { "confidence": finding.confidence, "severity": finding.severity, "controls": finding.controls },
    });
    if let Some(index) = index {
        value["ruleIndex"] = json!(index);
    }
    let status = match finding.state {
        FindingState::Open => None,
        FindingState::SuppressionRequested => Some("underReview"),
        FindingState::SuppressionGranted => Some("accepted"),
    };
    // §3.27.23: a results file that uses suppressions says for each result that it has none.
    value["suppressions"] = status.map_or_else(
        || json!([]),
        |status| {
            let inline = finding.requested_by.as_deref() == Some("inline");
            let mut suppression = json!({ "kind": if inline { "inSource" } else { "external" }, "status": status });
            if let Some(reason) = &finding.reason {
                suppression["justification"] = json!(reason);
            }
            json!([suppression])
        },
    );
    value
}

/// Every `[redacted:N]` of the report's excerpts, once.
fn redaction_tokens(report: &Report) -> BTreeSet<&str> {
    const BEGIN: &str = "[redacted:";
    report
        .findings
        .iter()
        .flat_map(|f| f.excerpt.match_indices(BEGIN).map(|(at, _)| &f.excerpt[at..]))
        .filter_map(|rest| rest.get(..=rest.find(']')?))
        .filter(|token| token[BEGIN.len()..token.len() - 1].bytes().all(|b| b.is_ascii_digit()))
        .collect()
}

fn artifact(path: &TreePath) -> Value {
    json!({ "uri": uri(path.as_bytes(), b"-._~/"), "uriBaseId": BASE })
}

/// A URI reference by RFC 3986 §2: everything but letters, digits and `keep` as `%XX`. For a path `:` is not kept, for
/// in a first segment it would begin a scheme (§4.2).
fn uri(bytes: &[u8], keep: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || keep.contains(byte) {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_percent_encoded_by_their_bytes() {
        assert_eq!(artifact(&TreePath::from_bytes("a b/ü:c%.txt"))["uri"], "a%20b/%C3%BC%3Ac%25.txt");
        assert_eq!(artifact(&TreePath::from_bytes(vec![0xFF, b'#']))["uri"], "%FF%23");
    }

    #[test]
    fn names_are_pascal_case() {
        assert_eq!(name("secrets/aws-access-key-id"), "SecretsAwsAccessKeyId");
    }
}
