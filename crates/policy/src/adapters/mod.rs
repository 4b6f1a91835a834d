//! Policies of other people, by their own conventions, unchanged.
//!
//! | convention | asks for | input is |
//! |---|---|---|
//! | Conftest | `deny`, `violation`, `warn` and names that begin with one and `_`, in one package; `exception` | the document |
//! | Gatekeeper | `violation` in a `ConstraintTemplate` or a plain module | `{"review": {"object": document}, "parameters": …}` |
//! | Trivy | `deny` in every package that has one, with `# METADATA` | the document |
//!
//! Trivy's checks of clouds and containers look at a model that Trivy makes of the files, which is not the document.
//! A check whose `custom.input.selector` names another kind than `kubernetes`, `json`, `yaml` or `toml` is not asked, and
//! is told as not asked.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;

use crate::Error;

mod conftest;
mod gatekeeper;
mod trivy;

pub use conftest::Conftest;
pub use gatekeeper::{Constraint, Gatekeeper};
pub use trivy::Trivy;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// The most files.
const MAX_FILES: usize = 20_000;
/// The deepest folder.
const MAX_DEPTH: usize = 16;

/// What a finding does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The document must not go on.
    Deny,
    /// Worth a look.
    Warn,
    /// It would be one of both, and the policy makes an exception.
    Excepted,
    /// Told, and of no effect: `enforcementAction: dryrun`.
    Dryrun,
}

/// What a policy says of a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Found {
    /// What it does.
    pub level: Level,
    /// The rule: `main.deny_root`, the kind of a template, or the id of a check.
    pub rule: String,
    /// What it says.
    pub text: String,
    /// How bad, by the policy's own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
}

/// What came of judging a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// What was said against it.
    pub found: Vec<Found>,
    /// How many rules were asked. None: nothing was judged, and that is never a pass.
    pub asked: usize,
}

/// Judges many documents at once, on all cores; the answers are in the order of the documents.
///
/// # Errors
/// Those of `judge`, of whichever document fails.
pub fn judge_all(
    documents: &[Value],
    judge: impl Fn(&Value) -> Result<Judged, Error> + Sync,
) -> Result<Vec<Judged>, Error> {
    documents.par_iter().map(&judge).collect()
}

/// The Rego files of a folder, without tests, and its documents as one; and every other YAML file.
#[derive(Debug, Default)]
struct Texts {
    modules: BTreeMap<String, String>,
    documents: BTreeMap<String, String>,
    yaml: BTreeMap<String, String>,
}

/// Reads the folder of somebody else: what is not Rego or a document is passed over.
fn read(dir: &Path) -> Result<Texts, Error> {
    let mut texts = Texts::default();
    walk(dir, "", 0, &mut texts)?;
    if texts.modules.is_empty() && texts.yaml.is_empty() {
        return Err(Error::bundle(format!("there is no `.rego` file in `{}`", dir.display())));
    }
    Ok(texts)
}

fn walk(dir: &Path, prefix: &str, depth: usize, texts: &mut Texts) -> Result<(), Error> {
    let unreadable = |path: &Path, source| Error::Read { path: path.display().to_string(), source };
    if depth > MAX_DEPTH {
        return Err(Error::bundle(format!("`{prefix}` is nested deeper than {MAX_DEPTH} folders")));
    }
    for entry in fs::read_dir(dir).map_err(|e| unreadable(dir, e))? {
        let entry = entry.map_err(|e| unreadable(dir, e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(|e| unreadable(&entry.path(), e))?;
        let path = format!("{prefix}{name}");
        if name.starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), depth + 1, texts)?;
            continue;
        }
        let document = matches!(name.as_str(), "data.json" | "data.yaml" | "data.yml");
        let rego = name.ends_with(".rego") && !name.ends_with("_test.rego");
        let yaml = name.ends_with(".yaml") || name.ends_with(".yml");
        if !kind.is_file() || !(rego || document || yaml) {
            continue;
        }
        let size = entry.metadata().map_err(|e| unreadable(&entry.path(), e))?.len();
        if size > MAX_FILE || texts.modules.len() + texts.yaml.len() > MAX_FILES {
            return Err(Error::bundle(format!(
                "`{path}` is larger than {MAX_FILE} bytes, or there are too many files"
            )));
        }
        let text = fs::read_to_string(entry.path()).map_err(|e| unreadable(&entry.path(), e))?;
        let into = match (rego, document) {
            (true, _) => &mut texts.modules,
            (_, true) => &mut texts.documents,
            _ => &mut texts.yaml,
        };
        into.insert(path, text);
    }
    Ok(())
}

/// The documents as one value, each at the path of its folder.
fn data(documents: &BTreeMap<String, String>) -> Result<Option<Value>, Error> {
    crate::bundle::join_documents(documents.iter().map(|(p, t)| (p.as_str(), t.as_str())), &[])
}

/// Members of a rule's set, or of the object or list that it is with other people.
fn members(value: Value) -> Vec<Value> {
    match value {
        Value::Array(all) => all,
        Value::Object(map) => map.into_iter().map(|(_, v)| v).collect(),
        Value::Null | Value::Bool(false) => Vec::new(),
        other => vec![other],
    }
}

/// What a member says: itself, or its `msg`.
fn text_of(member: &Value) -> String {
    let said = member.get("msg").or_else(|| member.get("message")).unwrap_or(member);
    said.as_str().map_or_else(|| said.to_string(), str::to_owned)
}

/// The documents of a YAML text.
///
/// # Errors
/// The number of the line at which it is no YAML.
pub fn documents(text: &str) -> Result<Vec<Value>, u64> {
    serde_saphyr::from_multiple(text).map_err(|e| e.location().map_or(0, |l| l.line()))
}
