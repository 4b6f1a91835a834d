//! The documents of a bundle, and OPA's manifest (<https://www.openpolicyagent.org/docs/management-bundles>).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Bundle;
use crate::Error;

/// The path of the manifest.
pub(super) const MANIFEST: &str = ".manifest";

/// What a bundle says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The author's name for this version of it.
    #[serde(default)]
    pub revision: String,
    /// The paths under `data` that it owns; everything in it must lie under one. None named: all of `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roots: Option<Vec<String>>,
    /// The version of Rego: 0, or 1 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rego_version: Option<u32>,
    /// Anything else that its author notes.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

impl Manifest {
    /// Whether its modules are of Rego v0.
    #[must_use]
    pub fn is_v0(&self) -> bool {
        self.rego_version == Some(0)
    }
}

/// Whether a file of that name is a document.
pub(super) fn is_document(name: &str) -> bool {
    matches!(name, "data.json" | "data.yaml")
}

/// A document's value.
pub(super) fn parse(path: &str, text: &str) -> Result<Value, Error> {
    if path.ends_with(".yaml") || path.ends_with(".yml") {
        serde_saphyr::from_str(text).map_err(|e| {
            let line = e.location().map_or(0, |l| l.line());
            Error::bundle(format!("`{path}`, line {line}: it is not YAML"))
        })
    } else {
        serde_json::from_str(text).map_err(|e| Error::bundle(format!("`{path}`, line {}: it is not JSON", e.line())))
    }
}

impl Bundle {
    /// The manifest; an empty one where there is none.
    ///
    /// # Errors
    /// [`Error::Bundle`] when it is malformed, or asks for what this engine does not have (WebAssembly, versions of Rego
    /// by file).
    pub fn manifest(&self) -> Result<Manifest, Error> {
        let Some(text) = self.files.get(MANIFEST) else { return Ok(Manifest::default()) };
        let manifest: Manifest = serde_json::from_str(text).map_err(|e| {
            Error::bundle(format!(
                "`{MANIFEST}`, line {}: {}",
                e.line(),
                e.to_string().split(" at line").next().unwrap_or("")
            ))
        })?;
        if manifest.rego_version.is_some_and(|v| v > 1) {
            return Err(Error::bundle(format!("`{MANIFEST}`: there is no such version of Rego")));
        }
        Ok(manifest)
    }

    /// The documents as one, each at the path of its folder; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Bundle`] when one is malformed, two contradict each other, or one lies outside the manifest's roots.
    pub fn data(&self) -> Result<Option<Value>, Error> {
        let roots = self.manifest()?.roots.unwrap_or_default();
        let document = |path: &str| is_document(path.rsplit('/').next().unwrap_or(path));
        join(self.files.iter().filter(|(path, _)| document(path)).map(|(p, t)| (p.as_str(), t.as_str())), &roots)
    }
}

/// Documents, path and text, as one value, each at the path of its folder and under one of `roots`, if there are any.
///
/// # Errors
/// As [`Bundle::data`].
pub(crate) fn join<'a>(
    documents: impl Iterator<Item = (&'a str, &'a str)>,
    roots: &[String],
) -> Result<Option<Value>, Error> {
    let mut all = None;
    for (path, text) in documents {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut value = parse(path, text)?;
        if !value.is_object() {
            return Err(Error::bundle(format!("`{path}` is not an object")));
        }
        for name in folder.rsplit('/').filter(|n| !n.is_empty()) {
            value = Value::Object(Map::from_iter([(name.to_owned(), value)]));
        }
        if !roots.is_empty() {
            within(path, &value, &mut String::new(), roots)?;
        }
        merge(path, all.get_or_insert_with(|| Value::Object(Map::new())), value)?;
    }
    Ok(all)
}

/// Refuses what lies beside the roots.
fn within(path: &str, value: &Value, at: &mut String, roots: &[String]) -> Result<(), Error> {
    let under = |root: &String| {
        let root = root.trim_matches('/');
        root.is_empty() || *at == root || at.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'))
    };
    if roots.iter().any(under) {
        return Ok(());
    }
    match value {
        Value::Object(map) => map.iter().try_for_each(|(name, value)| {
            let length = at.len();
            if !at.is_empty() {
                at.push('/');
            }
            at.push_str(name);
            let inside = within(path, value, at, roots);
            at.truncate(length);
            inside
        }),
        _ => Err(Error::bundle(format!("`{path}` has `{at}`, which is under none of the manifest's roots"))),
    }
}

/// Adds a document to another; nothing may be there twice.
fn merge(path: &str, into: &mut Value, from: Value) -> Result<(), Error> {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            from.into_iter().try_for_each(|(name, value)| match into.get_mut(&name) {
                Some(there) => merge(path, there, value),
                None => {
                    into.insert(name, value);
                    Ok(())
                }
            })
        }
        _ => Err(Error::bundle(format!("`{path}` says again what another document says"))),
    }
}

/// The map `{path: text}` of a bundle with a manifest that names `revision`.
pub(super) fn with_revision(bundle: &Bundle, revision: &str) -> Result<BTreeMap<String, String>, Error> {
    let mut manifest = bundle.manifest()?;
    revision.clone_into(&mut manifest.revision);
    let text = serde_json::to_string(&manifest).map_err(|source| Error::NotJson { source })?;
    let mut files = bundle.files().clone();
    files.insert(MANIFEST.to_owned(), text);
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bundle(files: &[(&str, &str)]) -> Result<Bundle, Error> {
        let policy = [("a.rego", "package a\n")];
        Bundle::new(policy.iter().chain(files).map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect())
    }

    #[test]
    fn documents_lie_where_their_folders_are() {
        let files = [("data.json", "{\"x\": 1}"), ("a/b/data.yaml", "y: [2]\n"), ("a/data.json", "{\"z\": {}}")];
        let data = bundle(&files).unwrap().data().unwrap();
        assert_eq!(data, Some(json!({"x": 1, "a": {"b": {"y": [2]}, "z": {}}})));
        assert_eq!(bundle(&[]).unwrap().data().unwrap(), None);
    }

    #[test]
    fn contradictions_lists_and_what_is_outside_the_roots_are_refused() {
        for files in [
            &[("data.json", "{\"a\": 1}"), ("a/data.json", "{\"b\": 1}")][..],
            &[("data.json", "[]")],
            &[("data.json", "{")],
            &[(".manifest", "{\"roots\": [\"a\"]}"), ("data.json", "{\"a\": 1, \"b\": {\"c\": 1}}")],
            &[(".manifest", "{\"roots\": [\"a/b\"]}"), ("data.json", "{\"a\": {\"bc\": 1}}")],
            &[(".manifest", "{\"wasm\": []}")],
            &[(".manifest", "{\"rego_version\": 2}")],
        ] {
            assert!(bundle(files).is_err(), "{files:?}");
        }
        assert!(bundle(&[(".manifest", "{\"roots\": [\"a\"]}"), ("data.json", "{\"a\": 1}")]).is_ok());
    }

    #[test]
    fn a_revision_is_part_of_the_digest() {
        let plain = bundle(&[]).unwrap();
        let named = Bundle::new(with_revision(&plain, "r1").unwrap()).unwrap();
        assert_eq!(named.manifest().unwrap().revision, "r1");
        assert_ne!(named.digest(), plain.digest());
    }
}
