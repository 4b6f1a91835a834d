//! What is different between two bundles, rule by rule.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::engine::annotations::Annotations;
use crate::engine::outline::outline;
use crate::{Bundle, Error};

/// The differences between two bundles. Paths are `data.a.b.deny`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Rules that only the new one has.
    pub added: Vec<String>,
    /// Rules that only the old one has.
    pub removed: Vec<String>,
    /// Rules whose text differs, comments and white space at the ends of lines aside.
    pub changed: Vec<String>,
    /// Documents and manifests that differ, by file.
    pub documents: Vec<String>,
    /// Controls that only the new one names in its annotations.
    pub controls_added: Vec<String>,
    /// Controls that only the old one names.
    pub controls_removed: Vec<String>,
}

impl Difference {
    /// Whether nothing differs that could decide.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The differences between `old` and `new`.
///
/// # Errors
/// [`Error::Rego`] when a module of either does not parse.
pub fn difference(old: &Bundle, new: &Bundle) -> Result<Difference, Error> {
    let (before, after) = (rules(old)?, rules(new)?);
    let (was, is) = (controls(old), controls(new));
    let beside = |b: &Bundle| -> BTreeMap<String, String> {
        let policies: BTreeSet<&str> = b.modules().map(|(path, _)| path).collect();
        let others = b.files().iter().filter(|(path, _)| !policies.contains(path.as_str()));
        others.map(|(path, text)| (path.clone(), text.clone())).collect()
    };
    let (documents, newer) = (beside(old), beside(new));
    let names: BTreeSet<&String> = documents.keys().chain(newer.keys()).collect();
    Ok(Difference {
        added: after.keys().filter(|p| !before.contains_key(*p)).cloned().collect(),
        removed: before.keys().filter(|p| !after.contains_key(*p)).cloned().collect(),
        changed: before
            .iter()
            .filter(|(p, text)| after.get(*p).is_some_and(|t| t != *text))
            .map(|(p, _)| p.clone())
            .collect(),
        documents: names.into_iter().filter(|n| documents.get(*n) != newer.get(*n)).cloned().collect(),
        controls_added: is.difference(&was).cloned().collect(),
        controls_removed: was.difference(&is).cloned().collect(),
    })
}

/// The text of every rule: all its bodies and defaults, in order.
fn rules(bundle: &Bundle) -> Result<BTreeMap<String, String>, Error> {
    let modules: Vec<(&str, &str)> = bundle.modules().collect();
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    for module in outline(modules, bundle.manifest()?.is_v0())? {
        for rule in module.rules {
            let text = out.entry(rule.path).or_default();
            let lines = rule.text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
            for line in lines {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    Ok(out)
}

fn controls(bundle: &Bundle) -> BTreeSet<String> {
    let mut annotations = Annotations::default();
    for (path, text) in bundle.modules() {
        annotations.read(path, text);
    }
    annotations.all.iter().flat_map(crate::engine::annotations::Annotation::controls).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(text: &str) -> Bundle {
        Bundle::new(BTreeMap::from([("a.rego".to_owned(), text.to_owned())])).unwrap()
    }

    #[test]
    fn rules_controls_and_documents_are_compared() {
        let old = bundle("# METADATA\n# custom:\n#   controls: [one]\npackage a\n\np := 1\n\nq contains 1\n\nr := 2\n");
        let new = bundle(
            "# METADATA\n# custom:\n#   controls: [two]\npackage a\n\n# said\np := 1\n\nq contains 1\n\nq contains 2\n\ns := 2\n",
        );
        let found = difference(&old, &new).unwrap();
        assert_eq!(found.added, ["data.a.s"]);
        assert_eq!(found.removed, ["data.a.r"]);
        assert_eq!(found.changed, ["data.a.q"]);
        assert_eq!((found.controls_added, found.controls_removed), (vec!["two".to_owned()], vec!["one".to_owned()]));
        assert!(difference(&old, &old).unwrap().is_empty());
    }
}
