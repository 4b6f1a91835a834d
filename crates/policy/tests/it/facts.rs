//! A change in perfect order; every test takes something away.

use countersign_model::Timestamp;
use serde_json::{Value, json};

/// 2026-11-23T17:48:00Z
pub(crate) const TIME: Timestamp = Timestamp::from_millis(1_795_456_080_000);

/// Facts on which the shipped bundle passes every gate without a note.
pub(crate) fn good() -> Value {
    let digest = |c: &str| format!("sha256:{}", c.repeat(64));
    json!({
        "version": 1,
        "repository": {"identity": "git:host/acme/app"},
        "change": {
            "commit": "c".repeat(40), "tree": "d".repeat(40), "base": "b".repeat(40),
            "environment": "production", "shallow": false, "complete": true,
            "commits": [commit("c")],
            "files": [{"path": "app/main.py", "status": "M"}, {"path": "old.py", "status": "D"}],
            "pipeline": {"digest": digest("1"), "files": 1, "changed": false},
            "ticket": "CHG-1", "reason": "smaller fees"
        },
        "trust": {"established": true, "recorder_enrolled": true, "bundle_activated": true},
        "scan": {
            "rules": 45, "rules_digest": digest("2"), "files": 10, "binary": 1, "links": 0, "bytes": 1234,
            "gaps": [], "findings": [], "stale": {"declarations": 0, "baseline": 0},
            "required_reports": []
        },
        "reports": [{
            "tool": "semgrep-oss", "version": "1.99.0", "digest": digest("6"), "revision": null, "current": true,
            "complete": true, "findings": 0
        }],
        "artifacts": [{"name": "app.tar", "digest": digest("3")}],
        "evidence": [{"kind": "sarif", "digest": digest("4"), "name": "x.sarif"}]
    })
}

/// A commit signed by a known person.
pub(crate) fn commit(digit: &str) -> Value {
    json!({
        "id": digit.repeat(40), "author": "author-0123456789abcdef", "signature": "valid", "person": "per-aa",
        "claims": [], "co_authors": 0, "merge": false
    })
}

/// An open finding of a secret in the changed file.
pub(crate) fn finding(severity: &str, confidence: &str) -> Value {
    json!({
        "rule": "secrets/example", "severity": severity, "confidence": confidence, "path": "app/main.py", "line": 3,
        "fingerprint": format!("sha256:{}", "5".repeat(64)), "controls": ["secrets-out-of-source"], "state": "open",
        "stages": ["commit", "build"], "cwe": ["CWE-798"], "tools": ["countersign"]
    })
}

/// Every place in a document, as JSON pointers, the root left out.
pub(crate) fn pointers(value: &Value) -> Vec<String> {
    fn walk(at: &str, value: &Value, out: &mut Vec<String>) {
        let mut child = |key: &str, value: &Value| {
            let pointer = format!("{at}/{key}");
            out.push(pointer.clone());
            walk(&pointer, value, out);
        };
        match value {
            Value::Object(fields) => fields.iter().for_each(|(key, v)| child(key, v)),
            Value::Array(items) => items.iter().enumerate().for_each(|(i, v)| child(&i.to_string(), v)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk("", value, &mut out);
    out
}

/// Takes the member at `pointer` out of its object; `false` where it is an element of a list.
pub(crate) fn remove(document: &mut Value, pointer: &str) -> bool {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).and_then(Value::as_object_mut).is_some_and(|o| o.remove(key).is_some())
}
