//! Tests of the scan room through its public interface.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod archives;
mod cache;
mod engine;
mod foreign;
mod import;
mod pii;
mod recur;
mod reports;
mod rules;
mod suppressions;
mod tree;
mod walk;

use countersign_scan::RuleSet;

/// The salt of all tests.
const SALT: &[u8; 32] = b"a salt for tests, 32 bytes long.";

/// A small set of rules that says nothing about real providers.
fn rule(id: &str, matching: &str) -> String {
    format!(
        "id: {id}
title: Test rule {id}
family: secrets
severity: high
confidence: high
stages: [commit, build]
controls: [secrets-out-of-source]
cwe: [CWE-798]
why: A thief could open the test.
fix:
  text: Change the test. Then change the lock.
references: ['https://example.org/a b']
match:
{matching}
examples: {{fail: [], pass: []}}
"
    )
}

fn rules(files: &[String]) -> RuleSet {
    RuleSet::from_files(files.iter().map(|text| ("test.yaml", text.as_str()))).unwrap()
}

/// `tok_` and eight lower-case letters or digits, as a whole word.
fn token_rule() -> String {
    rule("secrets/token", "  keywords: [tok_]\n  regex: '\\b(tok_[a-z0-9]{8})\\b'\n  allow: ['sample']")
}
