//! From what the policy says to what holds: the outcome of every gate, computed from the effects of its reasons.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::{Outcome, Slot, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::{Effect, Error, GateVerdict, Reason, Verdict};

/// Every gate, in the order in which a change meets them. All must answer.
pub const GATES: [&str; 3] = ["pre-commit", "build", RELEASE];

/// The gate that opens only where the others did.
pub(crate) const RELEASE: &str = "release";

/// The most reasons of one gate. More is a runaway policy, or a scan that nobody will read.
const MAX_REASONS: usize = 100_000;

/// What a gate may answer; the rules of its Rego package. Any other rule there is refused, for a misspelt `deny`
/// would otherwise deny nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    checks: BTreeSet<String>,
    deny: Vec<Said>,
    error: Vec<Said>,
    #[serde(default)]
    wait: Vec<Said>,
    #[serde(default)]
    note: Vec<Said>,
    #[serde(default)]
    requires: BTreeSet<Slot>,
    #[serde(default)]
    controls: BTreeSet<String>,
    #[serde(default)]
    expires: BTreeSet<Timestamp>,
}

/// A reason as the policy says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    code: String,
    text: String,
    controls: BTreeSet<String>,
}

/// What one gate said, checked.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) name: String,
    pub(crate) checks: Vec<String>,
    pub(crate) reasons: BTreeSet<Reason>,
    pub(crate) requires: BTreeSet<Slot>,
    pub(crate) controls: BTreeSet<String>,
}

/// What all gates said, and when the first thing ends that it rests on.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) gates: Vec<Answered>,
    pub(crate) expires: Option<Timestamp>,
}

/// Reads the value of `data.countersign.gates`.
pub(crate) fn answers(answer: Value, time: Timestamp) -> Result<Answers, Error> {
    let Value::Object(gates) = answer else {
        return Err(Error::Answer("`data.countersign.gates` is not an object".to_owned()));
    };
    let mut given: BTreeMap<String, Value> = gates.into_iter().collect();
    let mut answers = Answers { gates: Vec::with_capacity(GATES.len()), expires: None };
    for name in GATES {
        let answer = given.remove(name).ok_or_else(|| Error::Answer(format!("the gate `{name}` does not answer")))?;
        let answer: Answer =
            serde_json::from_value(answer).map_err(|source| Error::Gate { gate: name.to_owned(), source })?;
        if let Some(end) = answer.expires.first() {
            if *end <= time {
                return Err(Error::Answer(format!("the gate `{name}` rests on something that ended at {end}")));
            }
            answers.expires = Some(answers.expires.map_or(*end, |earliest| earliest.min(*end)));
        }
        answers.gates.push(answered(name, answer)?);
    }
    match given.into_keys().next() {
        None => Ok(answers),
        Some(name) => Err(Error::Answer(format!("there is no gate `{}`, so nothing would ask it", printable(&name)))),
    }
}

/// The answer of one gate, checked.
fn answered(name: &str, answer: Answer) -> Result<Answered, Error> {
    let mut reasons = BTreeSet::new();
    let said = [
        (Effect::Deny, answer.deny),
        (Effect::Error, answer.error),
        (Effect::Wait, answer.wait),
        (Effect::Note, answer.note),
    ];
    for (effect, said) in said {
        for said in said {
            reasons.insert(reason(name, effect, said)?);
        }
    }
    if reasons.len() > MAX_REASONS {
        return Err(Error::Answer(format!("the gate `{name}` has more than {MAX_REASONS} reasons")));
    }
    if answer.checks.is_empty() {
        let text = "no check ran, so nothing speaks for a pass: see the errors of this gate".to_owned();
        let code = "nothing-checked".to_owned();
        reasons.insert(Reason { effect: Effect::Error, code, text, controls: vec![], enforced: None });
    }
    let controls = names(name, answer.controls)?.into_iter().collect();
    Ok(Answered {
        name: name.to_owned(),
        checks: names(name, answer.checks)?,
        reasons,
        requires: answer.requires,
        controls,
    })
}

/// The verdict that follows: the outcome of every gate, from what became of its reasons.
pub(crate) fn close(answers: Answers) -> Verdict {
    let mut gates: Vec<GateVerdict> = Vec::with_capacity(answers.gates.len());
    for gate in answers.gates {
        let mut reasons = gate.reasons;
        if gate.name == RELEASE {
            reasons.extend(gates.iter().filter_map(held_back_by));
        }
        let outcome = Outcome::all(reasons.iter().filter_map(Reason::outcome).chain([Outcome::Pass]));
        gates.push(GateVerdict {
            name: gate.name,
            outcome,
            checks: gate.checks,
            reasons: reasons.into_iter().collect(),
            requires: gate.requires.into_iter().collect(),
            controls: gate.controls.into_iter().collect(),
        });
    }
    Verdict { gates, expires: answers.expires, enforcement: None }
}

/// Why `release` is held back by an earlier gate, if it is.
fn held_back_by(gate: &GateVerdict) -> Option<Reason> {
    let (effect, text) = match gate.outcome {
        outcome if outcome.opens() => return None,
        Outcome::Pending => (Effect::Wait, "is still waiting"),
        Outcome::Error => (Effect::Error, "could not be decided"),
        _ => (Effect::Deny, "did not pass"),
    };
    let text = format!("the gate `{}` {text}: see its reasons first", gate.name);
    let telling = gate.reasons.iter().filter(|r| r.blocks());
    let controls: BTreeSet<String> = telling.flat_map(|r| r.controls.iter().cloned()).collect();
    let code = "earlier-gate".to_owned();
    Some(Reason { effect, code, text, controls: controls.into_iter().collect(), enforced: None })
}

fn reason(gate: &str, effect: Effect, said: Said) -> Result<Reason, Error> {
    let code = name(gate, said.code)?;
    if said.text.trim().is_empty() {
        return Err(Error::Answer(format!("the gate `{gate}` gives the reason `{code}` without a text")));
    }
    let controls = names(gate, said.controls)?;
    Ok(Reason { effect, code, text: printable(&said.text), controls, enforced: None })
}

fn names(gate: &str, names: BTreeSet<String>) -> Result<Vec<String>, Error> {
    names.into_iter().map(|n| name(gate, n)).collect()
}

/// A code, check or control: `a-z`, digits and `-`, at most 64.
fn name(gate: &str, name: String) -> Result<String, Error> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=64).contains(&name.len()) && name.chars().all(plain) {
        return Ok(name);
    }
    let shown: String = printable(&name).chars().take(80).collect();
    Err(Error::Answer(format!("the gate `{gate}` uses the name `{shown}`: names are of a-z, 0-9 and `-`, at most 64")))
}

/// Text without characters that could steer a terminal or reorder what an approver reads (controls, bidirectional
/// overrides): file names and such come from the judged change. Escaped, not dropped, so that nothing hides.
fn printable(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(gate: &str, change: impl Fn(&mut Value)) -> Result<Verdict, Error> {
        let said = json!({"checks": ["x"], "deny": [], "error": []});
        let mut answer = json!({"pre-commit": said, "build": said, "release": said});
        change(&mut answer[gate]);
        Ok(close(answers(answer, Timestamp::from_millis(1_000))?))
    }

    fn outcomes(verdict: &Verdict) -> Vec<&'static str> {
        verdict.gates.iter().map(|g| g.outcome.as_str()).collect()
    }

    fn one(text: &str) -> Value {
        json!([{"code": "c", "text": text, "controls": ["k"]}])
    }

    #[test]
    fn a_gate_passes_only_when_a_check_ran_and_nothing_speaks_against_it() {
        assert_eq!(outcomes(&answer("build", |_| ()).unwrap()), ["pass", "pass", "pass"]);
        assert_eq!(outcomes(&answer("build", |g| g["note"] = one("n")).unwrap()), ["pass", "pass", "pass"]);
        let unchecked = answer("release", |g| g["checks"] = json!([])).unwrap();
        assert_eq!(outcomes(&unchecked), ["pass", "pass", "error"]);
        assert_eq!(unchecked.gates[2].reasons[0].code, "nothing-checked");
    }

    #[test]
    fn effects_make_the_outcome_and_hold_back_the_release() {
        for (effect, outcome) in [("deny", "fail"), ("error", "error"), ("wait", "pending")] {
            let verdict = answer("build", |g| g[effect] = one("t")).unwrap();
            assert_eq!(outcomes(&verdict), ["pass", outcome, outcome]);
            assert_eq!(verdict.gates[2].reasons[0].code, "earlier-gate");
            assert_eq!(verdict.gates[2].reasons[0].effect.as_str(), effect);
        }
        let both = answer("build", |g| {
            g["wait"] = one("w");
            g["deny"] = one("d");
            g["error"] = one("e");
        });
        assert_eq!(outcomes(&both.unwrap()), ["pass", "fail", "fail"]);
    }

    #[test]
    fn malformed_answers_are_errors() {
        let wrong: [fn(&mut Value); 14] = [
            |g| *g = Value::Null,
            |g| *g = json!([]),
            |g| g["denny"] = one("t"),
            |g| g["outcome"] = json!("pass"),
            |g| g["deny"] = json!(["text"]),
            |g| g["deny"] = json!({}),
            |g| g["deny"] = json!([{"code": "c", "text": "t"}]),
            |g| g["deny"] = json!([{"code": "C c", "text": "t", "controls": []}]),
            |g| g["deny"] = json!([{"code": "c", "text": " ", "controls": []}]),
            |g| g["checks"] = json!([""]),
            |g| g["checks"] = Value::Null,
            |g| g["requires"] = json!(["majority"]),
            |g| g["expires"] = json!(["soon"]),
            |g| g["expires"] = json!(["1970-01-01T00:00:01Z"]),
        ];
        for (i, change) in wrong.into_iter().enumerate() {
            assert!(answer("release", change).is_err(), "case {i}");
        }
    }

    #[test]
    fn every_gate_must_answer_and_no_other() {
        assert!(answers(json!({}), Timestamp::from_millis(0)).is_err());
        assert!(answers(json!(true), Timestamp::from_millis(0)).is_err());
        let said = json!({"checks": ["x"], "deny": [], "error": []});
        let two = json!({"pre-commit": said, "release": said});
        assert!(answers(two, Timestamp::from_millis(0)).is_err());
        let four = json!({"pre-commit": said, "build": said, "release": said, "deploy": said});
        assert!(answers(four, Timestamp::from_millis(0)).is_err());
    }

    #[test]
    fn the_earliest_end_counts() {
        let ends = json!(["1970-01-01T00:00:09Z", "1970-01-01T00:00:05Z"]);
        let verdict = answer("pre-commit", |g| g["expires"] = ends.clone()).unwrap();
        assert_eq!(verdict.expires, Some(Timestamp::from_millis(5_000)));
    }

    #[test]
    fn text_cannot_steer_a_terminal() {
        let verdict = answer("build", |g| g["deny"] = one("a\u{1b}[2Jb\u{202e}c")).unwrap();
        assert_eq!(verdict.gates[1].reasons[0].text, "a\\u{1b}[2Jb\\u{202e}c");
    }
}
