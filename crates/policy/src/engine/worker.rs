//! A gate's policy in a process of its own: what it is asked and what it answers. A bundle that somebody hands in is compiled there too.
//!
//! A step of a policy can double the memory in use, and a long step cannot be interrupted. So a decision is made by a second process
//! of the same program, with a limit on its memory and a time after which it is ended, and whose end leaves nothing half-done
//! here. This module is both sides' language, bytes in and bytes out; who starts the process is not its affair.

use std::time::Duration;

use countersign_model::{Place, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::program::{LIMIT, STEPS};
use super::{PolicyEngine, RegorusEngine};
use crate::{Bundle, Error};

/// The most memory of the process, in bytes of address space, its program and its stacks included.
pub const MEMORY: u64 = 2 << 30;

/// When the process is ended from outside: the limit of an evaluation, and a moment to compile the bundle and to answer.
pub const PATIENCE: Duration = LIMIT.saturating_add(Duration::from_secs(15));

/// The most bytes of an answer.
pub const LONGEST_ANSWER: u64 = 64 << 20;

/// What is asked of a bundle.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// The bundle, as it is attached to decisions.
    bundle: String,
    /// What it is asked to judge; none: it is compiled, and no more.
    case: Option<Case>,
}

/// One evaluation.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The facts.
    facts: Value,
    /// The policy's clock.
    time: Timestamp,
}

/// What came of it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Value(Value),
    Compiles,
    Bundle(String),
    Rego(Option<At>, String),
    Evaluation(Option<At>, String),
    TooLong,
    TooManySteps,
    Panic(String),
    Engine(String),
    Undefined(String),
}

/// A place in the bundle.
#[derive(Serialize, Deserialize)]
struct At(String, Option<u32>, Option<u32>);

impl From<Place> for At {
    fn from(place: Place) -> Self {
        Self(place.file, place.line, place.column)
    }
}

impl From<At> for Place {
    fn from(At(file, line, column): At) -> Self {
        Self { file, line, column }
    }
}

/// What to give to the process.
///
/// # Errors
/// [`Error::Worker`] when the facts are not JSON.
pub fn question(bundle: &Bundle, facts: &Value, time: Timestamp) -> Result<Vec<u8>, Error> {
    written(bundle, Some(Case { facts: facts.clone(), time }))
}

/// What to give to the process that compiles a bundle, and no more.
///
/// # Errors
/// [`Error::Worker`] when it cannot be written.
pub fn question_of_bundle(bundle: &Bundle) -> Result<Vec<u8>, Error> {
    written(bundle, None)
}

fn written(bundle: &Bundle, case: Option<Case>) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(&Question { bundle: bundle.to_text(), case }).map_err(|e| Error::Worker(e.to_string()))
}

/// The process's side: what it answers to a question.
///
/// # Errors
/// [`Error::Worker`] when it is no question, or the answer cannot be written. What a policy did wrong is an answer.
pub fn serve(question: &[u8]) -> Result<Vec<u8>, Error> {
    let asked: Question = serde_json::from_slice(question).map_err(|e| Error::Worker(e.to_string()))?;
    let said = Bundle::from_bytes(asked.bundle.as_bytes()).and_then(|bundle| match &asked.case {
        Some(case) => RegorusEngine.evaluate(&bundle, &case.facts, case.time).map(Answer::Value),
        None => RegorusEngine.check(&bundle).map(|()| Answer::Compiles),
    });
    let answer = match said {
        Ok(answer) => answer,
        Err(Error::Rego { place, message }) => Answer::Rego(place.map(At::from), message),
        Err(Error::Evaluation { place, message }) => Answer::Evaluation(place.map(At::from), message),
        Err(Error::TooLong(_)) => Answer::TooLong,
        Err(Error::TooManySteps(_)) => Answer::TooManySteps,
        Err(Error::Panic(message)) => Answer::Panic(message),
        Err(Error::Undefined(path)) => Answer::Undefined(path),
        Err(Error::Bundle(message)) => Answer::Bundle(message),
        Err(Error::NotJson { source }) => Answer::Evaluation(None, format!("its answer is not JSON: {source}")),
        Err(other) => Answer::Engine(other.to_string()),
    };
    serde_json::to_vec(&answer).map_err(|e| Error::Worker(e.to_string()))
}

/// What the process's answer says.
///
/// # Errors
/// What went wrong in the process, as [`PolicyEngine::evaluate`] says it; [`Error::Worker`] when it is no answer.
pub fn answer(bytes: &[u8]) -> Result<Value, Error> {
    read(bytes)?.ok_or_else(|| Error::Worker("it was asked to judge, and compiled".to_owned()))
}

/// What the process's answer says of a bundle that it compiled.
///
/// # Errors
/// What is wrong with the bundle, as [`RegorusEngine::check`] says it; [`Error::Worker`] when it is no answer.
pub fn compiles(bytes: &[u8]) -> Result<(), Error> {
    match read(bytes)? {
        None => Ok(()),
        Some(_) => Err(Error::Worker("it was asked to compile, and judged".to_owned())),
    }
}

/// The value that was come to; none, where the bundle was compiled alone.
fn read(bytes: &[u8]) -> Result<Option<Value>, Error> {
    match serde_json::from_slice(bytes).map_err(|e| Error::Worker(e.to_string()))? {
        Answer::Value(value) => Ok(Some(value)),
        Answer::Compiles => Ok(None),
        Answer::Bundle(message) => Err(Error::Bundle(message)),
        Answer::Rego(place, message) => Err(Error::Rego { place: place.map(Place::from), message }),
        Answer::Evaluation(place, message) => Err(Error::Evaluation { place: place.map(Place::from), message }),
        Answer::TooLong => Err(Error::TooLong(LIMIT)),
        Answer::TooManySteps => Err(Error::TooManySteps(STEPS)),
        Answer::Panic(message) => Err(Error::Panic(message)),
        Answer::Engine(message) => Err(Error::Engine(message)),
        Answer::Undefined(path) => Err(Error::Undefined(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn both(text: &str) -> (Result<Value, Error>, Result<Value, Error>) {
        let bundle = Bundle::new(BTreeMap::from([("t.rego".to_owned(), text.to_owned())])).unwrap();
        let (facts, time) =
            (serde_json::json!({"a": [1, 2.5, "\u{1F600}"]}), Timestamp::from_millis(1_700_000_000_000));
        let here = RegorusEngine.evaluate(&bundle, &facts, time);
        let there = serve(&question(&bundle, &facts, time).unwrap()).and_then(|bytes| answer(&bytes));
        (here, there)
    }

    #[test]
    fn the_process_says_what_would_be_said_here() {
        for text in [
            "package countersign.gates.build\n\nchecks := input.a\n\nn := time.now_ns()\n",
            "package countersign.gates.build\n\nchecks := 1 / 0\n",
            "package countersign.gates.build\n\nchecks := {\n",
            "package other\n\nx := 1\n",
        ] {
            let (here, there) = both(text);
            assert_eq!(format!("{here:?}"), format!("{there:?}"), "{text}");
            let bundle = Bundle::new(BTreeMap::from([("t.rego".to_owned(), text.to_owned())])).unwrap();
            let here = RegorusEngine.check(&bundle);
            let answered = serve(&question_of_bundle(&bundle).unwrap()).unwrap();
            assert_eq!(format!("{here:?}"), format!("{:?}", compiles(&answered)), "{text}");
            assert!(answer(&answered).is_err(), "nothing was judged: {text}");
        }
        assert!(both("package countersign.gates.build\n\nchecks := input.a\n").1.is_ok());
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for bytes in [&b""[..], b"{}", b"null", b"{\"value\":1}x", b"\"value\""] {
            assert!(matches!(answer(bytes), Err(Error::Worker(_))));
            assert!(compiles(bytes).is_err());
        }
        assert!(matches!(serve(b"{}"), Err(Error::Worker(_))));
    }
}
