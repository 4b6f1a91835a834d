//! Which controls a finding of another tool concerns: by its weakness, and by its rule.

use std::collections::{BTreeMap, BTreeSet};

use globset::{Glob, GlobMatcher};
use serde::Deserialize;

use super::weakness;
use crate::Error;

/// The mapping that comes with the binary.
const SHIPPED: &str = include_str!("../../../../controls/mapping.toml");

/// The name errors know it by.
const SHIPPED_NAME: &str = "controls/mapping.toml";

/// A mapping as it is written: `[cwe]` and `[rules]`, each a list of controls for a key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingTable {
    /// `CWE-798`, or `*` for everything that nothing else speaks for.
    #[serde(default)]
    pub cwe: BTreeMap<String, Vec<String>>,
    /// A glob over `TOOL/RULE`.
    #[serde(default)]
    pub rules: BTreeMap<String, Vec<String>>,
}

/// Mappings, compiled. What a repository adds only ever adds controls.
#[derive(Debug, Clone)]
pub struct Mapping {
    cwe: BTreeMap<String, Vec<String>>,
    rules: Vec<(GlobMatcher, Vec<String>)>,
    otherwise: Vec<String>,
}

impl Mapping {
    /// The shipped mapping.
    ///
    /// # Errors
    /// As [`Mapping::add`]; a test sees to it that there is none.
    pub fn shipped() -> Result<Self, Error> {
        let table: MappingTable = toml::from_str(SHIPPED)
            .map_err(|e| Error::Mapping { file: SHIPPED_NAME.into(), why: e.message().to_owned() })?;
        let mut this = Self { cwe: BTreeMap::new(), rules: Vec::new(), otherwise: Vec::new() };
        this.add(&table, SHIPPED_NAME)?;
        Ok(this)
    }

    /// Adds what a file says.
    ///
    /// # Errors
    /// [`Error::Mapping`] when a key is neither a weakness nor a glob.
    pub fn add(&mut self, table: &MappingTable, file: &str) -> Result<(), Error> {
        let wrong = |why| Error::Mapping { file: file.to_owned(), why };
        for (key, controls) in &table.cwe {
            if key == "*" {
                self.otherwise.extend(controls.iter().cloned());
                continue;
            }
            let id = key.strip_prefix("CWE-").and_then(weakness::number);
            let id = id.ok_or_else(|| wrong(format!("`{key}` is no weakness id like `CWE-89`")))?;
            self.cwe.entry(id).or_default().extend(controls.iter().cloned());
        }
        for (key, controls) in &table.rules {
            let glob = Glob::new(key).map_err(|e| wrong(format!("`{key}` is no glob: {}", e.kind())))?;
            self.rules.push((glob.compile_matcher(), controls.clone()));
        }
        Ok(())
    }

    /// Every control that a finding of this rule and these weaknesses concerns, sorted.
    #[must_use]
    pub fn controls(&self, rule: &str, cwe: &[String]) -> Vec<String> {
        let mut out: BTreeSet<&String> = cwe.iter().filter_map(|c| self.cwe.get(c)).flatten().collect();
        out.extend(self.rules.iter().filter(|(glob, _)| glob.is_match(rule)).flat_map(|(_, controls)| controls));
        if out.is_empty() {
            out.extend(&self.otherwise);
        }
        out.into_iter().cloned().collect()
    }

    /// Every control that is named anywhere, sorted.
    #[must_use]
    pub fn named(&self) -> BTreeSet<&str> {
        let rules = self.rules.iter().flat_map(|(_, controls)| controls);
        self.cwe.values().flatten().chain(rules).chain(&self.otherwise).map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_mapping_speaks_for_secrets_and_for_everything_else() {
        let mapping = Mapping::shipped().unwrap();
        assert_eq!(mapping.controls("semgrep/x", &["CWE-798".into()]), ["secrets-out-of-source"]);
        assert_eq!(mapping.controls("gitleaks/x", &[]), ["secrets-out-of-source"]);
        assert_eq!(mapping.controls("semgrep/x", &["CWE-89".into()]), ["weaknesses-corrected"]);
        assert_eq!(mapping.controls("made-up/x", &[]), ["weaknesses-corrected"]);
    }

    #[test]
    fn a_repository_adds_and_takes_nothing_away() {
        let mut mapping = Mapping::shipped().unwrap();
        let table: MappingTable =
            toml::from_str("cwe = { CWE-89 = [\"own\"] }\nrules = { \"semgrep/team.*\" = [\"other\"] }").unwrap();
        mapping.add(&table, "f").unwrap();
        assert_eq!(mapping.controls("semgrep/team.a", &["CWE-89".into()]), ["other", "own", "weaknesses-corrected"]);
        for bad in ["cwe = { SQL = [] }", "rules = { \"[\" = [] }"] {
            let table: MappingTable = toml::from_str(bad).unwrap();
            assert!(matches!(mapping.add(&table, "f"), Err(Error::Mapping { .. })), "{bad}");
        }
    }
}
