//! Runs the tests of policies: every rule whose name begins with `test_`, as `opa test` does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use countersign_model::{Place, Timestamp};
use serde_json::Value;

use super::folder::Folder;
use crate::Error;
use crate::engine::outline::{Kind, outline};
use crate::engine::{Coverage, Options};

/// How a test came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It does not: its value, if it has one.
    Fail(Option<Value>),
    /// It could not be evaluated.
    Error(String),
    /// It is named `todo_test_…`, and was not evaluated.
    Skipped,
}

/// A test and how it came out.
#[derive(Debug, Clone)]
pub struct Test {
    /// `data.a.b_test.test_x`.
    pub path: String,
    /// Where it begins.
    pub place: Place,
    /// How it came out.
    pub outcome: Outcome,
    /// How long it took.
    pub time: Duration,
}

/// What running the tests showed.
#[derive(Debug, Clone)]
pub struct Report {
    /// Every test, in the order of files and lines.
    pub tests: Vec<Test>,
    /// Lines of policies, without those of tests, by whether a test ran through them.
    pub coverage: BTreeMap<String, Coverage>,
}

impl Report {
    /// Whether there are tests and none of them failed.
    #[must_use]
    pub fn holds(&self) -> bool {
        let good = |t: &Test| matches!(t.outcome, Outcome::Pass | Outcome::Skipped);
        self.tests.iter().any(|t| t.outcome == Outcome::Pass) && self.tests.iter().all(good)
    }

    /// The share of the policies' lines that tests ran through, in per cent; 0 where there is no line.
    #[must_use]
    pub fn percent(&self) -> f64 {
        let covered: usize = self.coverage.values().map(|c| c.covered.len()).sum();
        let all = covered + self.coverage.values().map(|c| c.not_covered.len()).sum::<usize>();
        // Counts of lines are far below 2^52.
        #[expect(clippy::cast_precision_loss, reason = "counts of lines")]
        let share = if all == 0 { 0.0 } else { 100.0 * covered as f64 / all as f64 };
        share
    }
}

/// Runs the tests of a folder whose path contains `filter`, with the policy's clock at `time`.
///
/// # Errors
/// [`Error::Rego`] when a policy or test does not compile, or two tests have one name and would be one test.
pub fn run(folder: &Folder, filter: Option<&str>, time: Timestamp, coverage: bool) -> Result<Report, Error> {
    let v0 = folder.bundle.manifest()?.is_v0();
    let program = folder.program(Options { coverage, ..Options::default() })?;
    let mut tests = Vec::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let all: Vec<(&str, &str)> = folder.modules().collect();
    for module in outline(all, v0)? {
        for rule in &module.rules {
            let name = rule.path.rsplit('.').next().unwrap_or("");
            let skipped = name.starts_with("todo_test_");
            if !(name.starts_with("test_") || skipped) || rule.kind == Kind::Function {
                continue;
            }
            if !seen.insert(rule.path.clone()) {
                // Several bodies of one rule are one rule; two tests of one name are a mistake nobody would see.
                let message = format!("`{}` is there already: two tests of one name would be one test", rule.path);
                return Err(Error::Rego { place: Some(rule.place.clone()), message });
            }
            if filter.is_some_and(|f| !rule.path.contains(f)) {
                continue;
            }
            tests.push((rule.path.clone(), rule.place.clone(), skipped));
        }
    }
    let paths: Vec<String> = tests.iter().filter(|t| !t.2).map(|t| t.0.clone()).collect();
    let tests = tests.into_iter().map(|(path, place, skipped)| {
        let start = Instant::now();
        let outcome = if skipped {
            Outcome::Skipped
        } else {
            match program.value(&path, None, time) {
                Ok(Some(Value::Bool(true))) => Outcome::Pass,
                // `test_x[case]`: every case must hold, and there must be one.
                Ok(Some(Value::Object(cases)))
                    if !cases.is_empty() && cases.values().all(|v| *v == Value::Bool(true)) =>
                {
                    Outcome::Pass
                }
                Ok(other) => Outcome::Fail(other),
                Err(e) => Outcome::Error(e.to_string()),
            }
        };
        Test { path, place, outcome, time: start.elapsed() }
    });
    let tests = tests.collect();
    let mut lines = if coverage { program.coverage(&paths, time)? } else { BTreeMap::new() };
    lines.retain(|path, _| !path.ends_with("_test.rego"));
    Ok(Report { tests, coverage: lines })
}
