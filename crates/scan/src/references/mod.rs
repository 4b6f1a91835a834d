//! Where a value may be kept instead of in the file, and how a comment is written there: `references/references.toml`.

mod place;

use countersign_model::TreePath;
use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};
use serde::Deserialize;

use crate::Error;

pub use place::{Names, Replacement};

/// The data, as the build found it.
static SHIPPED: &str = include_str!("../../../../references/references.toml");

/// Kinds of files with their comments and references. The keys are those of the file, which `references/README.md` describes.
#[derive(Debug)]
pub struct References {
    steps: Vec<String>,
    stores: Vec<Store>,
    kinds: Vec<FileKind>,
    globs: GlobSet,
    /// The kind of each glob.
    owners: Vec<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    checklist: Checklist,
    #[serde(default)]
    store: Vec<Store>,
    #[serde(default)]
    kind: Vec<FileKind>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Checklist {
    steps: Vec<String>,
}

/// A place where values are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// What references call it.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// How a value is put there.
    pub how: String,
}

/// A kind of file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileKind {
    /// What people call it.
    pub name: String,
    /// Globs over paths.
    paths: Vec<String>,
    /// Words one of which must stand in the file.
    #[serde(default)]
    words: Vec<String>,
    /// What begins a comment, and what ends it.
    #[serde(default)]
    comment: Vec<String>,
    /// The references that it can hold.
    #[serde(default, rename = "reference")]
    references: Vec<Reference>,
}

/// A reference that a kind of file can hold.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reference {
    store: String,
    #[serde(default)]
    how: Option<String>,
    #[serde(default)]
    replace: Option<String>,
    #[serde(default, rename = "where")]
    at: Option<Where>,
    #[serde(default)]
    not_within: Option<char>,
    #[serde(default)]
    unless: Vec<String>,
}

/// What a reference takes the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Where {
    Value,
    Literal,
    Scalar,
}

/// A way to keep a value elsewhere, in words for one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// The store's title.
    pub store: String,
    /// What stands in the file instead, where that can be said.
    pub write: Option<String>,
    /// What else is to be done, in sentences.
    pub how: String,
}

impl References {
    /// What is built into the program.
    ///
    /// # Errors
    /// When the built-in data is broken, which the tests rule out.
    pub fn shipped() -> Result<Self, Error> {
        Self::parse(SHIPPED)
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let broken = |why: String| Error::References { why };
        let wire: Wire = toml::from_str(text).map_err(|e| broken(e.to_string()))?;
        let mut globs = GlobSetBuilder::new();
        let mut owners = Vec::new();
        for (n, kind) in wire.kind.iter().enumerate() {
            for path in &kind.paths {
                let glob = GlobBuilder::new(path).literal_separator(true).build();
                globs.add(glob.map_err(|e| broken(format!("{}: {e}", kind.name)))?);
                owners.push(n);
            }
            if kind.comment.len() > 2 {
                return Err(broken(format!("{}: a comment has a beginning and an end", kind.name)));
            }
            for reference in &kind.references {
                if !wire.store.iter().any(|s| s.id == reference.store) {
                    return Err(broken(format!("{}: no store is called `{}`", kind.name, reference.store)));
                }
                if reference.replace.is_some() != reference.at.is_some() {
                    return Err(broken(format!("{}: `replace` and `where` go together", kind.name)));
                }
            }
        }
        let globs = globs.build().map_err(|e| broken(e.to_string()))?;
        Ok(Self { steps: wire.checklist.steps, stores: wire.store, kinds: wire.kind, globs, owners })
    }

    /// What is to be done with every leaked credential.
    #[must_use]
    pub fn steps(&self) -> &[String] {
        &self.steps
    }

    /// The places where values are kept.
    #[must_use]
    pub fn stores(&self) -> &[Store] {
        &self.stores
    }

    /// The kind of the file at `path` with these contents; `None` where nothing is known about it.
    #[must_use]
    pub fn kind(&self, path: &TreePath, contents: &[u8]) -> Option<&FileKind> {
        let hits = self.globs.matches_candidate(&Candidate::from_bytes(path.as_bytes()));
        let mut kinds: Vec<usize> = hits.iter().filter_map(|n| self.owners.get(*n).copied()).collect();
        kinds.sort_unstable();
        let has = |word: &String| memchr::memmem::find(contents, word.as_bytes()).is_some();
        kinds.iter().filter_map(|n| self.kinds.get(*n)).find(|k| k.words.is_empty() || k.words.iter().any(has))
    }

    /// Every way to keep a value elsewhere in a file of this kind, the value being called `names`.
    #[must_use]
    pub fn advice(&self, kind: &FileKind, names: &Names) -> Vec<Advice> {
        let mut all: Vec<Advice> = Vec::new();
        for reference in &kind.references {
            let Some(store) = self.stores.iter().find(|s| s.id == reference.store) else { continue };
            // Two forms of one reference are one advice.
            if all.iter().any(|a| a.store == store.title) {
                continue;
            }
            let how: Vec<&str> = reference.how.as_deref().into_iter().chain([store.how.as_str()]).collect();
            all.push(Advice {
                store: store.title.clone(),
                write: reference.replace.as_deref().map(|text| names.fill(text)),
                how: names.fill(&how.join(" ")),
            });
        }
        all
    }
}

impl FileKind {
    /// A line with a comment of this text, without indentation and end of line; `None` where the kind has no comments, or
    /// the text would end one.
    #[must_use]
    pub fn comment(&self, text: &str) -> Option<String> {
        let ends = |close: &str| text.contains(close) || (close == "-->" && text.contains("--"));
        match self.comment.as_slice() {
            _ if text.contains(['\n', '\r']) || text.contains("?>") => None,
            [_, close] if ends(close) => None,
            [open] => Some(format!("{open} {text}")),
            [open, close] => Some(format!("{open} {text} {close}")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind<'r>(all: &'r References, path: &str, text: &str) -> &'r str {
        all.kind(&TreePath::from_bytes(path), text.as_bytes()).map_or("none", |k| &k.name)
    }

    #[test]
    fn what_is_special_goes_before_what_is_general() {
        let all = References::shipped().unwrap();
        assert_eq!(kind(&all, ".github/workflows/ci.yml", ""), "GitHub Actions workflow");
        assert_eq!(kind(&all, "src/main/resources/application-prod.yml", ""), "Spring configuration");
        assert_eq!(kind(&all, "deploy/app.yaml", "apiVersion: v1\n"), "Kubernetes manifest");
        assert_eq!(kind(&all, "deploy/app.yaml", "a: 1\n"), "YAML");
        assert_eq!(kind(&all, ".env.production", ""), "environment file");
        assert_eq!(kind(&all, "main.tf", ""), "Terraform configuration");
        assert_eq!(kind(&all, "a/b.json", ""), "none");
    }

    #[test]
    fn every_replacement_names_its_variable_and_every_comment_is_one_that_marks_are_read_from() {
        let all = References::shipped().unwrap();
        assert!(all.steps().len() >= 5);
        for kind in &all.kinds {
            for reference in kind.references.iter().filter_map(|r| r.replace.as_deref()) {
                assert!(["@NAME@", "@name@", "@snake@"].iter().any(|n| reference.contains(n)), "{}", kind.name);
            }
            if let Some(comment) = kind.comment("countersign:allow a/b reason: made up") {
                let rules = crate::RuleSet::from_files([]).unwrap();
                let text = comment.replace("reason: made up", "");
                let found =
                    crate::Scanner::new(&rules, &[0; 32]).scan_bytes(&TreePath::from_bytes("x"), text.as_bytes());
                // A mark that was read and has no reason is a finding; text that was not read as a mark is none.
                assert!(
                    matches!(found, crate::FileResult::Text { matches, .. } if matches.len() == 1),
                    "{}",
                    kind.name
                );
            }
        }
    }

    #[test]
    fn broken_data_is_told() {
        for text in [
            "",
            "[checklist]\nsteps = []\n[[kind]]\nname = 'a'\npaths = ['[']\n",
            "[checklist]\nsteps = []\n[[kind]]\nname = 'a'\npaths = []\n[[kind.reference]]\nstore = 'none'\n",
            "[checklist]\nsteps = []\nmore = 1\n",
        ] {
            assert!(matches!(References::parse(text), Err(Error::References { .. })), "{text}");
        }
    }
}
