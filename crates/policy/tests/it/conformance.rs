//! OPA's own conformance cases (v1), through our engine: rewriting, checks, builtins and interpreter together.
//!
//! The cases are test data beside the repository. What passes is counted and may only rise; what does not is listed by
//! `CONFORMANCE=1 cargo test -p countersign-policy --test it conformance -- --nocapture`, and
//! docs/reference/rego.md says why.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use countersign_model::Timestamp;
use countersign_policy::{Error, Options, Program};
use serde_json::{Map, Value};

/// Cases that passed when this was last raised.
const PASSED: usize = 2_049;

/// The time at which cases are evaluated: one at which the certificates in them are valid.
const TIME: Timestamp = Timestamp::from_millis(1_710_000_000_000);

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/opa-v1-cases.tar.gz")
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may ask whether it runs in CI, and how much to say")]
fn opa_cases_pass_as_often_as_before() {
    let Ok(archive) = fs::read(corpus()) else {
        assert!(env::var_os("CI").is_none(), "the conformance cases are not there: {}", corpus().display());
        eprintln!("skipped: the conformance cases are not there: {}", corpus().display());
        return;
    };
    let shown = env::var_os("CONFORMANCE").is_some();
    let (mut passed, mut all) = (0, 0);
    let mut failed: BTreeMap<String, usize> = BTreeMap::new();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&archive[..]));
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        for case in file["cases"].as_array().unwrap() {
            all += 1;
            match judge(case) {
                Ok(()) => passed += 1,
                Err(why) => {
                    let group = path.parent().and_then(Path::file_name).unwrap().to_string_lossy().into_owned();
                    *failed.entry(group).or_default() += 1;
                    if shown {
                        eprintln!("{}\t{why}", case["note"].as_str().unwrap());
                    }
                }
            }
        }
    }
    println!("OPA conformance: {passed} of {all} ({:.1} %)", 100.0 * passed as f64 / all as f64);
    if shown {
        eprintln!("{failed:#?}");
    }
    assert!(all > 2_000, "the archive holds {all} cases");
    assert!(passed >= PASSED, "{passed} pass, {PASSED} did before");
}

/// Whether a case comes out as OPA has it.
fn judge(case: &Value) -> Result<(), String> {
    let outcome = answer(case);
    let fails = case.get("want_error").is_some() || case.get("want_error_code").is_some();
    match outcome {
        Err(Error::Panic(text)) => Err(format!("panic: {text}")),
        Err(_) if fails => Ok(()),
        Err(e) => Err(e.to_string()),
        Ok(rows) if fails => Err(format!("an answer where an error is due: {rows:?}")),
        Ok(rows) => {
            let sorts = case["sort_bindings"].as_bool().unwrap_or(false);
            let normal = |mut row: Value| {
                for value in row.as_object_mut().into_iter().flat_map(Map::values_mut) {
                    if let (true, Value::Array(all)) = (sorts, value) {
                        all.sort_by_key(Value::to_string);
                    }
                }
                same_numbers(&mut row);
                row.to_string()
            };
            let wanted = case["want_result"].as_array().cloned().unwrap_or_default();
            let mut wanted: Vec<String> = wanted.into_iter().map(normal).collect();
            let mut rows: Vec<String> = rows.into_iter().map(|r| normal(Value::Object(r))).collect();
            wanted.sort();
            rows.sort();
            if wanted == rows { Ok(()) } else { Err(format!("{rows:?} where {wanted:?} is due")) }
        }
    }
}

/// `1.0` and `1` are one number.
fn same_numbers(value: &mut Value) {
    match value {
        Value::Number(n) => {
            if let Some(whole) = n.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 9e15 && n.is_f64()) {
                *value = Value::from(whole as i64);
            }
        }
        Value::Array(all) => all.iter_mut().for_each(same_numbers),
        Value::Object(map) => map.values_mut().for_each(same_numbers),
        _ => {}
    }
}

fn answer(case: &Value) -> Result<Vec<Map<String, Value>>, Error> {
    let options = Options { strict: case["strict_error"].as_bool().unwrap_or(false), ..Options::default() };
    let names: Vec<(String, &str)> = case["modules"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
        .map(|(i, text)| (format!("module-{i}.rego"), text.as_str().unwrap()))
        .collect();
    let modules = names.iter().map(|(path, text)| (path.as_str(), *text));
    let data = case.get("data").filter(|d| d.is_object());
    let program = Program::compile(modules, data, options)?;
    let query = case["query"].as_str().unwrap();
    match case["input_term"].as_str() {
        Some(term) => program.query_with_term(query, term, TIME),
        None => program.query(query, case.get("input"), TIME),
    }
}
