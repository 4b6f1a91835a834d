//! `policy eval`: any query over any Rego.

use std::io::Read as _;
use std::path::Path;

use countersign_model::{Exit, Timestamp};
use countersign_policy::{Options, Program};
use serde_json::{Value, json};

use super::{load, text};
use crate::errors::{CliError, Failure, Outcome};
use crate::output;

/// Evaluates the query and prints OPA's shape: `{"result": [{"bindings", "expressions"}]}`.
pub(super) fn run(query: &str, policy: &Path, input: Option<&Path>, strict: bool, now: Timestamp) -> Outcome {
    let bundle = load(policy)?;
    let options = Options { strict, v0: bundle.manifest()?.is_v0(), ..Options::default() };
    let modules: Vec<(&str, &str)> = bundle.modules().collect();
    let program = Program::compile(modules, bundle.data()?.as_ref(), options)?;
    let input = input.map(read).transpose()?;
    let result = if query.starts_with("data.") && !query.contains('=') {
        let value = program.value(query, input.as_ref(), now)?;
        value.map(|v| json!({"expressions": [{"value": v, "text": query}]})).into_iter().collect()
    } else {
        let rows = program.query(query, input.as_ref(), now)?;
        rows.into_iter().map(|bindings| json!({"bindings": bindings})).collect::<Vec<_>>()
    };
    let found = !result.is_empty();
    // As OPA: nothing found is an empty object.
    output::json(&if found { json!({"result": result}) } else { json!({}) })?;
    Ok(if found { Exit::Pass } else { Exit::Nothing })
}

fn read(path: &Path) -> Result<Value, Failure> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.map_err(|source| CliError::Read { path: path.to_owned(), source })?;
        text
    } else {
        text(path)?
    };
    serde_json::from_str(&text).map_err(|e| {
        CliError::Usage {
            what: format!("`{}`, line {}: it is not JSON", path.display(), e.line()),
            help: "give the input as JSON: --input FILE.json".into(),
        }
        .into()
    })
}
