//! The catalogue: controls, what the firm does, one file each (`controls/`), and frameworks, what others demand, one file
//! each (`frameworks/`).
//!
//! | module | holds |
//! |---|---|
//! | [`control`] | [`Control`]: objective, owner, evidence, the rule that decides it, examples |
//! | [`framework`] | [`Framework`] and its [`Requirement`]s |
//! | [`source`] | [`Source`](source::Source): what a control may need to see, and what is not recorded yet |
//! | [`facts`] | the shape of an assessment's facts, which rules read |
//! | [`import`](mod@import) | frameworks of others, from the formats in which they are published |
//! | [`judge`](mod@judge) | [`judge()`]: a control over facts |

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::{Digest, Place};
use include_dir::{Dir, include_dir};

use crate::Error;

mod collections;
pub mod control;
pub mod facts;
mod fields;
pub mod framework;
pub mod import;
pub mod judge;
mod read;
pub mod source;

pub use control::{Control, Decides, Examples, Frequency};
pub use framework::{CheckedIn, Class, Framework, Requirement};
pub use judge::{Failing, Judgement, Ready, judge};

static CONTROLS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../controls");
static FRAMEWORKS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../frameworks");

/// Controls and frameworks by id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    /// Controls by id.
    pub controls: BTreeMap<String, Control>,
    /// Frameworks by id.
    pub frameworks: BTreeMap<String, Framework>,
    /// Ids of those that did not come with the binary.
    pub added: BTreeSet<String>,
}

/// A file of a catalogue: its name, as `controls/dual-approval.yaml`, and its contents.
pub type Named<'a> = (&'a str, &'a [u8]);

/// Whether the binary comes with a control of that id. Nothing is parsed for it.
#[must_use]
pub fn is_shipped(control: &str) -> bool {
    CONTROLS.get_file(format!("{control}.yaml")).is_some()
}

fn shipped(dir: &'static Dir<'static>) -> impl Iterator<Item = Named<'static>> {
    dir.files().filter_map(|file| {
        let path = file.path().to_str().filter(|p| p.ends_with(".yaml"))?;
        Some((path, file.contents()))
    })
}

impl Catalogue {
    /// What comes with the binary (`controls/`, `frameworks/`).
    ///
    /// # Errors
    /// As [`Catalogue::parse`].
    pub fn shipped() -> Result<Self, Error> {
        Self::parse(shipped(&CONTROLS), shipped(&FRAMEWORKS))
    }

    /// What comes with the binary, and what a project adds. An id stands for one thing: what is added under an id that is
    /// there already is an error, so that nobody can put a weaker control in a shipped one's place.
    ///
    /// # Errors
    /// As [`Catalogue::parse`].
    pub fn with<'a>(
        controls: impl IntoIterator<Item = Named<'a>>,
        frameworks: impl IntoIterator<Item = Named<'a>>,
    ) -> Result<Self, Error> {
        let mut all = Self::default();
        all.read(shipped(&CONTROLS), shipped(&FRAMEWORKS))?;
        let before: BTreeSet<String> = all.ids().map(str::to_owned).collect();
        all.read(controls, frameworks)?;
        all.added = all.ids().filter(|id| !before.contains(*id)).map(str::to_owned).collect();
        all.check()?;
        Ok(all)
    }

    /// A catalogue of these files.
    ///
    /// # Errors
    /// [`Error::Control`] and [`Error::Framework`] with file and line: what a file is wrong in by itself, a second file of
    /// one id, a control that names a requirement which is not there, a requirement that names such a control.
    pub fn parse<'a>(
        controls: impl IntoIterator<Item = Named<'a>>,
        frameworks: impl IntoIterator<Item = Named<'a>>,
    ) -> Result<Self, Error> {
        let mut catalogue = Self::default();
        catalogue.read(controls, frameworks)?;
        catalogue.check()?;
        Ok(catalogue)
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        self.controls.keys().chain(self.frameworks.keys()).map(String::as_str)
    }

    fn read<'a>(
        &mut self,
        controls: impl IntoIterator<Item = Named<'a>>,
        frameworks: impl IntoIterator<Item = Named<'a>>,
    ) -> Result<(), Error> {
        let second = "there is one of this id already, and each stands for one thing";
        for (name, contents) in controls {
            let control = control::parse(name, contents)?;
            if self.controls.contains_key(&control.id) {
                return Err(Error::Control { place: Place::file(name), message: second.into() });
            }
            self.controls.insert(control.id.clone(), control);
        }
        for (name, contents) in frameworks {
            let framework = framework::parse(name, contents)?;
            if self.frameworks.contains_key(&framework.id) {
                return Err(Error::Framework { place: Place::file(name), message: second.into() });
            }
            self.frameworks.insert(framework.id.clone(), framework);
        }
        Ok(())
    }

    /// Every name leads somewhere.
    fn check(&self) -> Result<(), Error> {
        for control in self.controls.values() {
            for (text, line) in &control.requirements {
                let wrong = |message: String| Err(Error::Control { place: Place::line(&control.file, *line), message });
                let (id, clause) = text.split_once(':').unwrap_or((text, ""));
                let Some(framework) = self.frameworks.get(id) else {
                    let near = read::nearest(id, self.frameworks.keys().map(String::as_str));
                    return wrong(format!("there is no framework `{id}`{}", meant(near)));
                };
                if !framework.requirements.iter().any(|r| r.id == clause) {
                    let near = read::nearest(clause, framework.requirements.iter().map(|r| r.id.as_str()));
                    return wrong(format!("`{id}` has no requirement `{clause}`{}", meant(near)));
                }
            }
        }
        for framework in self.frameworks.values() {
            for requirement in &framework.requirements {
                if let Some(odd) = requirement.controls.iter().find(|id| !self.controls.contains_key(*id)) {
                    let near = read::nearest(odd, self.controls.keys().map(String::as_str));
                    return Err(Error::Framework {
                        place: Place::line(&framework.file, requirement.line),
                        message: format!("there is no control `{odd}`{}", meant(near)),
                    });
                }
            }
        }
        Ok(())
    }

    /// The control of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Control> {
        self.controls.get(id)
    }

    /// The controls that meet a requirement, by id.
    #[must_use]
    pub fn meeting(&self, framework: &str, requirement: &Requirement) -> Vec<&Control> {
        let name = format!("{framework}:{}", requirement.id);
        let names =
            |c: &&Control| c.requirements.iter().any(|(text, _)| *text == name) || requirement.controls.contains(&c.id);
        self.controls.values().filter(names).collect()
    }

    /// SHA-256 over the digests of all controls: the version of the catalogue that decides.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut text = String::new();
        for control in self.controls.values() {
            text.push_str(&format!("{} {}\n", control.id, control.digest));
        }
        Digest::of(text.as_bytes())
    }

    /// The nearest id of a control or framework to what somebody wrote.
    #[must_use]
    pub fn nearest(&self, written: &str) -> Option<&str> {
        read::nearest(written, self.ids())
    }
}

fn meant(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
