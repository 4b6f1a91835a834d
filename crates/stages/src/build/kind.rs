//! What kind of evidence a file is, told by its content; the name only helps where content cannot tell.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_model::Digest;
use countersign_model::event::Artifact;
use serde_json::Value;

/// What was detected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detected {
    /// The kind: `in-toto`, `slsa-provenance`, `sarif`, `cyclonedx`, `spdx`, `junit`, `coverage`, `file`.
    pub kind: &'static str,
    /// Its media type.
    pub media: &'static str,
    /// Artifacts the file speaks of (subjects of a statement).
    pub subjects: Vec<Artifact>,
}

const JSON: &str = "application/json";
const XML: &str = "application/xml";

/// Looks at a file's content.
#[must_use]
pub fn detect(bytes: &[u8]) -> Detected {
    let plain = |kind, media| Detected { kind, media, subjects: Vec::new() };
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('{') {
        return serde_json::from_str(text).map_or_else(|_| lines(text, plain), |value| json(&value));
    }
    if text.starts_with('<') {
        return xml(text).map_or_else(|| plain("file", XML), |kind| plain(kind, XML));
    }
    lines(text, plain)
}

fn json(value: &Value) -> Detected {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let plain = |kind, media| Detected { kind, media, subjects: Vec::new() };
    if text("_type").starts_with("https://in-toto.io/Statement/") {
        return statement(value, "application/vnd.in-toto+json");
    }
    if text("payloadType") == "application/vnd.in-toto+json" {
        let inner = STANDARD.decode(text("payload")).ok().and_then(|b| serde_json::from_slice(&b).ok());
        return inner.map_or_else(
            || plain("file", JSON),
            |inner: Value| statement(&inner, "application/vnd.dsse.envelope.v1+json"),
        );
    }
    if text("bomFormat") == "CycloneDX" {
        return plain("cyclonedx", "application/vnd.cyclonedx+json");
    }
    if text("spdxVersion").starts_with("SPDX-") || text("@context").contains("spdx.org/rdf/3") {
        return plain("spdx", "application/spdx+json");
    }
    let has = |key: &str| value.get(key).is_some();
    if value.get("runs").is_some_and(Value::is_array)
        && (text("version").starts_with("2.") || text("$schema").contains("sarif"))
    {
        return plain("sarif", "application/sarif+json");
    }
    let coverage_py = has("meta") && has("files") && has("totals");
    let istanbul = value.as_object().is_some_and(|o| {
        !o.is_empty() && o.values().all(|v| v.get("statementMap").is_some() && v.get("branchMap").is_some())
    });
    let llvm_cov = text("type") == "llvm.coverage.json.export";
    if coverage_py || istanbul || llvm_cov {
        return plain("coverage", JSON);
    }
    plain("file", JSON)
}

fn statement(value: &Value, media: &'static str) -> Detected {
    let predicate = value.get("predicateType").and_then(Value::as_str).unwrap_or_default();
    let kind = if predicate.starts_with("https://slsa.dev/provenance/") { "slsa-provenance" } else { "in-toto" };
    let subjects = value
        .get("subject")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|s| {
            let digest = Digest::from_hex(s.get("digest")?.get("sha256")?.as_str()?).ok()?;
            let name = s.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            Some(Artifact { name, digest })
        })
        .collect();
    Detected { kind, media, subjects }
}

/// The kind of an XML document by its root element. Comments, declarations and doctypes before it are passed over.
fn xml(text: &str) -> Option<&'static str> {
    let mut rest = text;
    loop {
        let open = rest.find('<')?;
        rest = rest.get(open..)?;
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.get(comment.find("-->")? + 3..)?;
        } else if rest.starts_with("<?") || rest.starts_with("<!") {
            rest = rest.get(rest.find('>')? + 1..)?;
        } else {
            break;
        }
    }
    let tag = rest.get(1..rest.find('>')?)?;
    let name = tag.split(|c: char| c.is_whitespace() || c == '/').next()?;
    match name.rsplit(':').next()? {
        "testsuites" | "testsuite" => Some("junit"),
        "bom" if tag.contains("cyclonedx.org/schema/bom") => Some("cyclonedx"),
        "coverage" => Some("coverage"),
        "report" if text.contains("JACOCO") => Some("coverage"),
        "RDF" if tag.contains("spdx.org/rdf") => Some("spdx"),
        _ => None,
    }
}

fn lines(text: &str, plain: impl Fn(&'static str, &'static str) -> Detected) -> Detected {
    let begins = |prefix: &str| text.lines().take(20).any(|l| l.starts_with(prefix));
    if begins("SPDXVersion: SPDX-") {
        return plain("spdx", "text/spdx");
    }
    if begins("SF:") && text.contains("end_of_record") || text.starts_with("mode: ") && text.contains(".go:") {
        return plain("coverage", "text/plain");
    }
    plain("file", "application/octet-stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_content() {
        for (content, kind) in [
            (
                r#"{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"x","predicate":{}}"#,
                "in-toto",
            ),
            (
                r#"{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"https://slsa.dev/provenance/v1"}"#,
                "slsa-provenance",
            ),
            (r#"{"version":"2.1.0","runs":[]}"#, "sarif"),
            (r#"{"bomFormat":"CycloneDX","specVersion":"1.6"}"#, "cyclonedx"),
            (r#"{"spdxVersion":"SPDX-2.3"}"#, "spdx"),
            ("SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\n", "spdx"),
            ("<?xml version=\"1.0\"?>\n<!-- x --><testsuites><testsuite/></testsuites>", "junit"),
            ("<bom xmlns=\"http://cyclonedx.org/schema/bom/1.5\"/>", "cyclonedx"),
            ("<?xml version='1.0'?><!DOCTYPE coverage SYSTEM 'x'><coverage line-rate='1'>", "coverage"),
            ("TN:\nSF:src/a.c\nDA:1,1\nend_of_record\n", "coverage"),
            ("{\"unfinished\": ", "file"),
            ("<!-- never closed", "file"),
            ("", "file"),
            ("\u{0}\u{1}", "file"),
        ] {
            assert_eq!(detect(content.as_bytes()).kind, kind, "{content}");
        }
    }

    #[test]
    fn an_envelope_is_looked_into() {
        let inner = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"app","digest":{{"sha256":"{}"}}}}],"predicateType":"https://slsa.dev/provenance/v1"}}"#,
            "ab".repeat(32)
        );
        let payload = STANDARD.encode(inner.as_bytes());
        let envelope =
            format!(r#"{{"payloadType":"application/vnd.in-toto+json","payload":"{payload}","signatures":[]}}"#);
        let detected = detect(envelope.as_bytes());
        assert_eq!((detected.kind, detected.subjects.len()), ("slsa-provenance", 1));
    }
}
