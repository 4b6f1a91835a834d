//! The controls: what the firm does, one file each, and the clauses of frameworks that they meet.

use std::collections::BTreeMap;

use countersign_model::{EventKind, Place};
use include_dir::{Dir, include_dir};
use serde::Deserialize;

use crate::Error;

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../controls");

/// Something that the firm does, with an objective; it is supported by evidence and meets requirements.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Its id, equal to the name of its file.
    pub id: String,
    /// One line.
    pub title: String,
    /// What the firm achieves by it.
    pub objective: String,
    /// `framework:clause`, as in `pci-dss-4.0.1:6.5.1`.
    pub requirements: Vec<String>,
    /// The kinds of event that support it.
    pub evidence: Vec<EventKind>,
}

/// Controls by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// Controls by id.
    pub controls: BTreeMap<String, Control>,
}

impl Catalogue {
    /// The controls that come with the binary (`controls/`).
    ///
    /// # Errors
    /// As [`Catalogue::parse`].
    pub fn shipped() -> Result<Self, Error> {
        Self::parse(SHIPPED.files().filter_map(|file| {
            let path = file.path().to_str().filter(|p| p.ends_with(".yaml"))?;
            Some((path, file.contents()))
        }))
    }

    /// Controls from files: name (`secrets-out-of-source.yaml`) and contents.
    ///
    /// # Errors
    /// [`Error::Control`] with file and line, when a file is not UTF-8 or YAML, has an unknown or missing key, an
    /// empty field, a malformed requirement or another id than its name.
    pub fn parse<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Self, Error> {
        let mut controls = BTreeMap::new();
        for (name, contents) in files {
            let control = parse(name, contents)?;
            if controls.insert(control.id.clone(), control).is_some() {
                return Err(wrong(Place::file(name), "a second file of this name"));
            }
        }
        Ok(Self { controls })
    }

    /// The control of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Control> {
        self.controls.get(id)
    }
}

fn wrong(place: Place, message: impl Into<String>) -> Error {
    Error::Control { place, message: message.into() }
}

fn parse(name: &str, contents: &[u8]) -> Result<Control, Error> {
    let text = std::str::from_utf8(contents).map_err(|_| wrong(Place::file(name), "not UTF-8"))?;
    let control: Control = serde_saphyr::from_str(text).map_err(|e| {
        let location = e.location();
        let number = |n: u64| u32::try_from(n).ok().filter(|n| *n > 0);
        let place = Place {
            file: name.to_owned(),
            line: location.and_then(|l| number(l.line())),
            column: location.and_then(|l| number(l.column())),
        };
        // The first line alone: what follows quotes the file, and the place says where to look.
        let message = e.without_snippet().to_string();
        wrong(place, message.lines().next().unwrap_or("not a control"))
    })?;
    let at = |key: &str| {
        let line = text.lines().position(|l| l.starts_with(key)).and_then(|i| u32::try_from(i + 1).ok());
        Place { file: name.to_owned(), line, column: None }
    };
    let stem = name.rsplit('/').next().unwrap_or(name);
    let stem = stem.strip_suffix(".yaml").unwrap_or(stem);
    if control.id != stem {
        return Err(wrong(at("id:"), format!("the id is `{}`, but the file is named `{stem}`", control.id)));
    }
    for (key, value) in [("title:", &control.title), ("objective:", &control.objective)] {
        if value.trim().is_empty() {
            return Err(wrong(at(key), format!("`{}` is empty", key.trim_end_matches(':'))));
        }
    }
    let clause =
        |r: &&String| !r.split_once(':').is_some_and(|(framework, clause)| !framework.is_empty() && !clause.is_empty());
    if let Some(odd) = control.requirements.iter().find(clause) {
        return Err(wrong(at("requirements:"), format!("`{odd}` is not of the form `framework:clause`")));
    }
    if control.evidence.is_empty() {
        return Err(wrong(at("evidence:"), "no kind of event supports it"));
    }
    Ok(control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::Diagnostic as _;

    const GOOD: &str =
        "id: a\ntitle: A\nobjective: >\n  To have an a.\nrequirements: [\"f:1(a)\"]\nevidence: [DecisionMade]\n";

    fn refused(text: &str) -> String {
        let e = Catalogue::parse([("a.yaml", text.as_bytes())]).unwrap_err();
        format!("{}: {e}", e.place().unwrap())
    }

    #[test]
    fn a_control_is_read() {
        let catalogue = Catalogue::parse([("a.yaml", GOOD.as_bytes())]).unwrap();
        assert_eq!(catalogue.get("a").unwrap().evidence, [EventKind::DecisionMade]);
        assert_eq!(catalogue.get("b"), None);
    }

    #[test]
    fn what_is_wrong_is_named_with_file_and_line() {
        let unknown = refused(&GOOD.replace("title: A", "title: A\nowner: me"));
        assert!(unknown.starts_with("a.yaml:3:") && unknown.contains("owner"), "{unknown}");
        let kind = refused(&GOOD.replace("DecisionMade", "DecisionLost"));
        assert!(kind.starts_with("a.yaml:6:") && kind.contains("DecisionLost"), "{kind}");
        assert!(refused(&GOOD.replace("id: a", "id: b")).starts_with("a.yaml:1: "));
        assert!(refused(&GOOD.replace("f:1(a)", "f")).starts_with("a.yaml:5: "));
        assert!(refused(&GOOD.replace("[DecisionMade]", "[]")).starts_with("a.yaml:6: "));
        assert!(refused(&GOOD.replace("title: A", "title: ' '")).starts_with("a.yaml:2: "));
        assert!(refused("title: A\n").starts_with("a.yaml"));
        assert!(refused("").starts_with("a.yaml"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            proptest::prop_assert!(Catalogue::parse([("a.yaml", bytes.as_slice())]).is_err());
        }
    }
}
