//! Trivy's convention: checks with metadata (<https://trivy.dev>, `trivy-checks`).

use std::path::Path;

use countersign_model::Timestamp;
use serde_json::Value;

use super::{Found, Judged, Level, members, read, text_of};
use crate::Error;
use crate::engine::annotations::Annotations;
use crate::engine::outline::outline;
use crate::engine::{Options, Program};

/// The kinds of input that are the document itself.
const DOCUMENTS: [&str; 4] = ["kubernetes", "json", "yaml", "toml"];

/// The checks of a folder.
#[derive(Debug)]
pub struct Trivy {
    program: Program,
    checks: Vec<Check>,
    /// Checks of what is no document, which are not asked.
    pub not_asked: Vec<String>,
}

#[derive(Debug)]
struct Check {
    query: String,
    id: String,
    severity: Option<String>,
}

impl Trivy {
    /// Reads a folder of checks and their libraries.
    ///
    /// # Errors
    /// When a file cannot be read or does not compile; [`Error::Bundle`] when no check in it can be asked.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let texts = read(dir)?;
        let modules: Vec<(&str, &str)> = texts.modules.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
        let data = super::data(&texts.documents)?;
        let program =
            Program::compile(modules.iter().copied(), data.as_ref(), Options { strict: false, ..Options::default() })?;
        let mut annotations = Annotations::default();
        modules.iter().for_each(|(path, text)| annotations.read(path, text));
        let (mut checks, mut not_asked) = (Vec::new(), Vec::new());
        for module in outline(modules, false)? {
            let query = format!("{}.deny", module.package);
            if !module.rules.iter().any(|r| r.path == query) {
                continue;
            }
            let about = annotations.all.iter().find(|a| a.place.file == module.file && a.scope == "package");
            let custom = about.and_then(|a| a.fields.get("custom"));
            let said = |name: &str| custom.and_then(|c| c.get(name)).and_then(Value::as_str).map(str::to_owned);
            let id = said("avd_id").or_else(|| said("id")).unwrap_or_else(|| module.package.clone());
            let selectors =
                custom.and_then(|c| c.get("input")).and_then(|i| i.get("selector")).and_then(Value::as_array);
            let ours = |s: &Value| s.get("type").and_then(Value::as_str).is_none_or(|t| DOCUMENTS.contains(&t));
            if selectors.is_some_and(|all| !all.iter().any(ours)) {
                not_asked.push(id);
            } else {
                checks.push(Check { query, id, severity: said("severity") });
            }
        }
        if checks.is_empty() {
            return Err(Error::bundle("there is no check of documents in it, so nothing would be judged"));
        }
        Ok(Self { program, checks, not_asked })
    }

    /// Judges a document.
    ///
    /// # Errors
    /// When a check cannot be evaluated.
    pub fn judge(&self, document: &Value, now: Timestamp) -> Result<Judged, Error> {
        let mut judged = Judged::default();
        for check in &self.checks {
            judged.asked += 1;
            let said = self.program.value(&check.query, Some(document), now)?;
            judged.found.extend(said.into_iter().flat_map(members).map(|m| Found {
                level: Level::Deny,
                rule: check.id.clone(),
                text: text_of(&m),
                severity: check.severity.clone(),
            }));
        }
        judged.found.sort();
        Ok(judged)
    }
}
