//! Evaluates Rego for measurements and for comparison with OPA (`tests/perf/opa.py`).
//!
//! `evaluate compare` reads one JSON object a line, `{"modules": {path: text}, "query": "data.…", "input": …}`, and writes one a
//! line: `{"value": …}`, `{}` where it is undefined, or `{"error": …}`.
//!
//! `evaluate time DIR QUERY INPUT.json N` compiles a bundle once, evaluates N times from JSON to JSON, and writes how long
//! each took, in nanoseconds.

use std::io::{self, BufRead as _, Write as _};
use std::path::Path;
use std::time::Instant;

use countersign_model::Timestamp;
use countersign_policy::{Bundle, Options, Program};
use serde_json::{Value, json};

const TIME: Timestamp = Timestamp::from_millis(1_795_456_080_000);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["compare"] => compare(),
        ["time", dir, query, input, n] => time(dir, query, input, n.parse()?),
        _ => Err("evaluate compare | evaluate time DIR QUERY INPUT.json N".into()),
    }
}

fn compare() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let case: Value = serde_json::from_str(&line?)?;
        let modules: Vec<(&str, &str)> = case["modules"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(path, text)| (path.as_str(), text.as_str().unwrap_or("")))
            .collect();
        let options = Options { strict: false, ..Options::default() };
        let answer = Program::compile(modules, case.get("data"), options)
            .and_then(|p| p.value(case["query"].as_str().unwrap_or(""), case.get("input"), TIME));
        let told = match answer {
            Ok(Some(value)) => json!({"value": value}),
            Ok(None) => json!({}),
            Err(e) => json!({"error": e.to_string()}),
        };
        writeln!(out, "{told}")?;
    }
    Ok(())
}

fn time(dir: &str, query: &str, input: &str, n: usize) -> Result<(), Box<dyn std::error::Error>> {
    let bundle = Bundle::load(Path::new(dir))?;
    let modules: Vec<(&str, &str)> = bundle.modules().collect();
    let program = Program::compile(modules, bundle.data()?.as_ref(), Options::default())?;
    let text = std::fs::read_to_string(input)?;
    let mut out = io::stdout().lock();
    for _ in 0..n {
        let start = Instant::now();
        let answer = program.json_value(query, &text, TIME)?;
        let took = start.elapsed();
        if answer.is_none() {
            return Err("the answer is undefined".into());
        }
        writeln!(out, "{}", took.as_nanos())?;
    }
    Ok(())
}
