//! Conftest's convention (<https://www.conftest.dev>).

use std::collections::BTreeSet;
use std::path::Path;

use countersign_model::Timestamp;
use serde_json::Value;

use super::{Found, Judged, Level, members, read, text_of};
use crate::Error;
use crate::engine::outline::{Kind, outline};
use crate::engine::{Options, Program};

/// The policies of a folder, asked in one package.
#[derive(Debug)]
pub struct Conftest {
    program: Program,
    package: String,
    /// The rules that are asked, by their last name.
    rules: BTreeSet<String>,
    excepts: bool,
}

/// The prefix of a rule's name, and what it does.
const PREFIXES: [(&str, Level); 3] = [("deny", Level::Deny), ("violation", Level::Deny), ("warn", Level::Warn)];

fn prefix(name: &str) -> Option<(&'static str, Level)> {
    PREFIXES
        .into_iter()
        .find(|(p, _)| name.strip_prefix(p).is_some_and(|rest| rest.is_empty() || rest.starts_with('_')))
}

impl Conftest {
    /// Reads a folder, and asks the rules of `package` (`main`).
    ///
    /// # Errors
    /// When a file cannot be read or does not compile; [`Error::Bundle`] when the package has no such rule.
    pub fn load(dir: &Path, package: &str) -> Result<Self, Error> {
        let texts = read(dir)?;
        let modules: Vec<(&str, &str)> = texts.modules.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
        let data = super::data(&texts.documents)?;
        let options = |v0| Options { strict: false, v0, ..Options::default() };
        let (program, v0) = match Program::compile(modules.iter().copied(), data.as_ref(), options(false)) {
            Ok(program) => (program, false),
            // Older policies are of Rego v0. Where they are neither, the error for v1 says more.
            Err(error) => match Program::compile(modules.iter().copied(), data.as_ref(), options(true)) {
                Ok(program) => (program, true),
                Err(_) => return Err(error),
            },
        };
        let full = format!("data.{package}");
        let (mut rules, mut excepts) = (BTreeSet::new(), false);
        for module in outline(modules, v0)?.into_iter().filter(|m| m.package == full) {
            for rule in module.rules.into_iter().filter(|r| r.kind != Kind::Function) {
                let name = rule.path.rsplit('.').next().unwrap_or("").to_owned();
                excepts |= name == "exception";
                if prefix(&name).is_some() {
                    rules.insert(name);
                }
            }
        }
        if rules.is_empty() {
            let what = format!(
                "the package `{package}` has no rule `deny`, `violation` or `warn`, so nothing would be judged"
            );
            return Err(Error::bundle(what));
        }
        Ok(Self { program, package: full, rules, excepts })
    }

    /// Judges a document.
    ///
    /// # Errors
    /// When a rule cannot be evaluated.
    pub fn judge(&self, document: &Value, now: Timestamp) -> Result<Judged, Error> {
        let mut judged = Judged::default();
        let excepted: BTreeSet<String> = if self.excepts {
            let said = self.program.value(&format!("{}.exception", self.package), Some(document), now)?;
            said.into_iter().flat_map(members).flat_map(members).filter_map(|n| n.as_str().map(str::to_owned)).collect()
        } else {
            BTreeSet::new()
        };
        for rule in &self.rules {
            let Some((start, level)) = prefix(rule) else { continue };
            judged.asked += 1;
            let Some(said) = self.program.value(&format!("{}.{rule}", self.package), Some(document), now)? else {
                continue;
            };
            // `exception contains ["x"]` is of `deny_x`, and `[""]` of `deny`.
            let own = rule.strip_prefix(start).unwrap_or("").trim_start_matches('_');
            let level = if excepted.contains(own) { Level::Excepted } else { level };
            let name = format!("{}.{rule}", self.package.trim_start_matches("data."));
            for member in members(said) {
                judged.found.push(Found { level, rule: name.clone(), text: text_of(&member), severity: None });
            }
        }
        judged.found.sort();
        Ok(judged)
    }
}
