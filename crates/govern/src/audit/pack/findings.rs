//! What a decision saw of findings, as SARIF 2.1.0 (OASIS Standard, 27 March 2020), each with what became of it. Sections in
//! comments are of that document.
//!
//! It is derived from the deployment's document, so from the decision's recorded facts: rule, place and fingerprint. Excerpts
//! are not recorded.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::TreePath;
use serde_json::{Value, json};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// What paths are relative to (§3.14.14).
const BASE: &str = "SRCROOT";

/// The findings of the deployment before, in this pack, to the same environment from the same repository.
#[derive(Debug, Default)]
pub(super) struct Before(BTreeMap<(String, String), Seen>);

#[derive(Debug)]
struct Seen {
    grant: String,
    findings: Vec<Value>,
}

impl Before {
    /// The SARIF log of a deployment; `None` where its decision's facts are not there, so that nobody knows what was found.
    /// From then on this is the deployment before.
    pub(super) fn sarif(&mut self, d: &Value) -> Option<Value> {
        if d["scan"].is_null() {
            return None;
        }
        let at = (text(&d["repository"]).to_owned(), text(&d["environment"]["id"]).to_owned());
        let findings = d["findings"].as_array().cloned().unwrap_or_default();
        let log = log(d, &findings, self.0.get(&at));
        self.0.insert(at, Seen { grant: text(&d["grant"]["id"]).to_owned(), findings });
        Some(log)
    }
}

fn log(d: &Value, findings: &[Value], before: Option<&Seen>) -> Value {
    let prints =
        |all: &[Value]| -> BTreeSet<String> { all.iter().map(|f| text(&f["fingerprint"]).to_owned()).collect() };
    let (now, then) = (prints(findings), before.map(|b| prints(&b.findings)));
    let gone: Vec<&Value> = before.map(|b| &b.findings).into_iter().flatten().collect();
    let gone = gone.into_iter().filter(|f| !now.contains(text(&f["fingerprint"])));
    let rules: BTreeSet<&str> = findings.iter().chain(gone.clone()).map(|f| text(&f["rule"])).collect();
    let rules: Vec<&str> = rules.into_iter().collect();
    let mut results: Vec<Value> = findings
        .iter()
        .map(|f| {
            // §3.27.24: compared with the deployment before, where that is in the pack.
            let state = then.as_ref().map(|t| if t.contains(text(&f["fingerprint"])) { "unchanged" } else { "new" });
            result(f, &rules, state, text(&f["disposition"]))
        })
        .collect();
    results.extend(gone.map(|f| result(f, &rules, Some("absent"), "fixed")));
    let gaps = d["gaps"].as_array().cloned().unwrap_or_default();
    let notifications: Vec<Value> = gaps
        .iter()
        .map(|gap| {
            json!({
                "descriptor": {"id": format!("gap/{}", text(&gap["kind"]))}, "level": "error",
                "message": {"text": "It could not be looked at."},
                "locations": [{"physicalLocation": {"artifactLocation": artifact(&gap["path"])}}],
            })
        })
        .collect();
    let mut run = json!({
        "tool": {"driver": {"name": "Countersign", "rules": rules.iter().map(|id| json!({"id": id})).collect::<Vec<_>>()}},
        // §3.20.14: what could not be looked at means that the scan did not do what it was to do.
        "invocations": [{"executionSuccessful": gaps.is_empty(), "toolExecutionNotifications": notifications}],
        "originalUriBaseIds": {BASE: {"description": {"text": "The root of the scanned tree."}}},
        "results": results,
        "properties": {
            "deployment": d["grant"]["id"], "run": d["run"], "commit": d["commit"], "decision": d["decision"]["digest"],
            "entry": d["decision"]["entry"], "scan": d["scan"], "comparedWith": before.map(|b| &b.grant),
        },
    });
    if let Some(uri) = d["repository"].as_str().filter(|r| r.starts_with("https://")) {
        run["versionControlProvenance"] = json!([{"repositoryUri": uri, "revisionId": d["commit"]}]);
    }
    json!({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})
}

fn result(f: &Value, rules: &[&str], baseline: Option<&str>, disposition: &str) -> Value {
    let rule = text(&f["rule"]);
    let mut result = json!({
        "ruleId": rule, "ruleIndex": rules.binary_search(&rule).unwrap_or_default(), "kind": "fail",
        "level": match text(&f["severity"]) {
            "critical" | "high" => "error",
            "medium" => "warning",
            _ => "note",
        },
        "message": {"text": format!("{rule}: {disposition}")},
        "locations": [{"physicalLocation": {"artifactLocation": artifact(&f["path"])}}],
        "partialFingerprints": {"countersign/v1": text(&f["fingerprint"]).trim_start_matches("sha256:")},
        "properties": {
            "severity": f["severity"], "confidence": f["confidence"], "controls": f["controls"], "cwe": f["cwe"],
            "tools": f["tools"], "disposition": disposition,
        },
    });
    if let Some(line) = f["line"].as_u64().filter(|line| *line > 0) {
        result["locations"][0]["physicalLocation"]["region"] = json!({"startLine": line});
    }
    if let Some(baseline) = baseline {
        result["baselineState"] = json!(baseline);
    }
    // What was let stand: by whom, and until when. What is gone needs nobody's permission.
    let status = match disposition {
        "fixed" | "open" => None,
        "suppression asked for, not granted" => Some("underReview"),
        _ => Some("accepted"),
    };
    // §3.27.23: a results file that uses suppressions says for each result that it has none.
    result["suppressions"] = status.map_or_else(
        || json!([]),
        |status| {
            let who = f["granted_by"].as_str().map(|by| format!(", granted by {by}")).unwrap_or_default();
            let until = f["until"].as_str().map(|until| format!(", until {until}")).unwrap_or_default();
            json!([{
                "kind": "external", "status": status, "justification": format!("{disposition}{who}{until}"),
                "properties": {"granted_by": f["granted_by"], "until": f["until"]},
            }])
        },
    );
    result
}

/// A path as a URI reference (RFC 3986 §2): everything but letters, digits and a few signs as `%XX`.
fn artifact(path: &Value) -> Value {
    let bytes = serde_json::from_value::<TreePath>(path.clone()).map(|p| p.as_bytes().to_vec()).unwrap_or_default();
    let mut uri = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    json!({"uri": uri, "uriBaseId": BASE})
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Before;

    fn finding(print: &str, disposition: &str) -> Value {
        json!({
            "rule": "code/x", "severity": "high", "confidence": "high", "path": "a b/ü.c", "line": 3, "fingerprint":
            format!("sha256:{}", print.repeat(64)), "controls": ["c"], "cwe": [], "tools": [], "disposition": disposition,
            "granted_by": "Ruth", "until": "2030-01-01T00:00:00.000Z",
        })
    }

    fn document(grant: &str, findings: &[Value]) -> Value {
        json!({"repository": "https://example.org/r", "environment": {"id": "production"}, "grant": {"id": grant},
            "scan": {"files": 1}, "findings": findings, "gaps": []})
    }

    #[test]
    fn what_is_gone_is_fixed_and_what_was_let_stand_says_by_whom() {
        let mut before = Before::default();
        let first = before.sarif(&document("a", &[finding("1", "open"), finding("2", "waived by w")])).unwrap();
        let results = &first["runs"][0]["results"];
        assert_eq!(results[0]["suppressions"], json!([]));
        assert!(results[0].get("baselineState").is_none());
        assert_eq!(
            results[1]["suppressions"][0]["justification"],
            "waived by w, granted by Ruth, until 2030-01-01T00:00:00.000Z"
        );
        assert_eq!(results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "a%20b/%C3%BC.c");
        let second = before.sarif(&document("b", &[finding("2", "open"), finding("3", "open")])).unwrap();
        let states = second["runs"][0]["results"].as_array().unwrap();
        let states: Vec<_> =
            states.iter().map(|r| (r["baselineState"].as_str(), &r["properties"]["disposition"])).collect();
        assert_eq!(
            states,
            [(Some("unchanged"), &json!("open")), (Some("new"), &json!("open")), (Some("absent"), &json!("fixed"))]
        );
        assert_eq!(second["runs"][0]["properties"]["comparedWith"], "a");
        let unknown = json!({"repository": "r", "environment": {"id": "production"}, "scan": null});
        assert!(before.sarif(&unknown).is_none());
    }
}
