//! Computing a recorded decision again.

use countersign_evidence::canonical;
use serde_json::Value;

use crate::enforcement::Assignment;
use crate::{Bundle, Decision, Error, PolicyEngine, decide_under};

/// The most differences that are listed one by one.
const MAX_DIFFERENCES: usize = 100;

/// How a recorded decision compares with the one computed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replay {
    /// The same engine says the same, byte for byte.
    Identical,
    /// Another engine, or another version of it, decided at the time.
    OtherEngine {
        /// The engine in the record.
        recorded: String,
        /// The engine that replayed.
        present: String,
        /// Whether both say the same, byte for byte.
        same_result: bool,
    },
    /// The same engine says something else: the record was changed, or the engine is not deterministic.
    Different {
        /// `pointer: recorded → present` (RFC 6901), in the order of the document, at most a hundred and a count.
        differences: Vec<String>,
    },
}

/// Computes `recorded` again from the same facts, bundle and time.
///
/// # Errors
/// When `facts` or `bundle` are not those that the record names by digest, the record is of another version, or
/// deciding fails.
pub fn replay(engine: &dyn PolicyEngine, recorded: &Decision, facts: &Value, bundle: &Bundle) -> Result<Replay, Error> {
    replay_under(engine, recorded, facts, bundle, None)
}

/// As [`replay()`], under the assignment that was in effect.
///
/// # Errors
/// As [`replay()`], and when `assignment` is not the one that the record names by digest.
pub fn replay_under(
    engine: &dyn PolicyEngine,
    recorded: &Decision,
    facts: &Value,
    bundle: &Bundle,
    assignment: Option<&Assignment>,
) -> Result<Replay, Error> {
    recorded.check_version()?;
    let present = assignment.map(Assignment::digest).transpose()?;
    if present != recorded.assignment {
        return Err(Error::OtherAssignment { recorded: recorded.assignment, present });
    }
    let digest = canonical::digest(facts).map_err(Error::canonical)?;
    if digest != recorded.facts {
        return Err(Error::OtherFacts { recorded: recorded.facts, present: digest });
    }
    if bundle.digest() != recorded.bundle {
        return Err(Error::OtherBundle { recorded: recorded.bundle, present: bundle.digest() });
    }
    let verdict = decide_under(engine, bundle, assignment, facts, recorded.time)?;
    let before = canonical::to_vec(&recorded.verdict).map_err(Error::canonical)?;
    let after = canonical::to_vec(&verdict).map_err(Error::canonical)?;
    let present = engine.name_and_version();
    if present != recorded.engine {
        return Ok(Replay::OtherEngine { recorded: recorded.engine.clone(), present, same_result: before == after });
    }
    if before == after {
        return Ok(Replay::Identical);
    }
    let value = |bytes: &[u8]| canonical::from_slice::<Value>(bytes).map_err(Error::canonical);
    Ok(Replay::Different { differences: differences(&value(&before)?, &value(&after)?) })
}

/// Where two documents differ. They are verdicts, a few levels deep, so recursion is bounded.
fn differences(before: &Value, after: &Value) -> Vec<String> {
    let mut all = Vec::new();
    walk(&mut String::new(), Some(before), Some(after), &mut all);
    if all.len() > MAX_DIFFERENCES {
        let more = all.len() - MAX_DIFFERENCES;
        all.truncate(MAX_DIFFERENCES);
        all.push(format!("and {more} more"));
    }
    all
}

fn walk(pointer: &mut String, before: Option<&Value>, after: Option<&Value>, out: &mut Vec<String>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(b)), Some(Value::Object(a))) => {
            let mut keys: Vec<&String> = b.keys().chain(a.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let token = key.replace('~', "~0").replace('/', "~1");
                step(pointer, &token, b.get(key), a.get(key), out);
            }
        }
        (Some(Value::Array(b)), Some(Value::Array(a))) => {
            for i in 0..b.len().max(a.len()) {
                step(pointer, &i.to_string(), b.get(i), a.get(i), out);
            }
        }
        _ => {
            let text = |v: Option<&Value>| v.map_or_else(|| "(absent)".to_owned(), Value::to_string);
            out.push(format!("{pointer}: {} → {}", text(before), text(after)));
        }
    }
}

fn step(pointer: &mut String, token: &str, before: Option<&Value>, after: Option<&Value>, out: &mut Vec<String>) {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(token);
    walk(pointer, before, after, out);
    pointer.truncate(length);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_are_json_pointers_with_both_values() {
        let before = json!({"gates": [{"name": "build", "outcome": "fail"}], "a/b": 1});
        let after = json!({"gates": [{"name": "build", "outcome": "pass"}, {"name": "x"}]});
        assert_eq!(
            differences(&before, &after),
            ["/a~1b: 1 → (absent)", "/gates/0/outcome: \"fail\" → \"pass\"", "/gates/1: (absent) → {\"name\":\"x\"}",]
        );
    }

    #[test]
    fn a_flood_of_differences_is_counted() {
        let before: Vec<u32> = (0..500).collect();
        let after: Vec<u32> = (1..501).collect();
        let all = differences(&json!(before), &json!(after));
        assert_eq!(all.len(), MAX_DIFFERENCES + 1);
        assert_eq!(all.last().map(String::as_str), Some("and 400 more"));
    }
}
