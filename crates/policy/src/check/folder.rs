//! The folder of an author: policies, their tests and their documents.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::engine::{Options, Program};
use crate::{Bundle, Error};

/// Policies, tests and documents.
#[derive(Debug, Clone)]
pub struct Folder {
    /// What decides.
    pub bundle: Bundle,
    /// `*_test.rego`, path to text.
    pub tests: BTreeMap<String, String>,
}

impl Folder {
    /// Reads a folder.
    ///
    /// # Errors
    /// As [`Bundle::load`]; [`Error::Read`] when a test cannot be read.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let bundle = Bundle::load(dir)?;
        let mut tests = BTreeMap::new();
        read(dir, "", &mut tests)?;
        Ok(Self { bundle, tests })
    }

    /// Policies and tests, path and text.
    pub fn modules(&self) -> impl Iterator<Item = (&str, &str)> {
        self.bundle.modules().chain(self.tests.iter().map(|(path, text)| (path.as_str(), text.as_str())))
    }

    /// Policies and tests as one program.
    ///
    /// # Errors
    /// As [`Program::compile`].
    pub fn program(&self, options: Options) -> Result<Program, Error> {
        let options = Options { v0: self.bundle.manifest()?.is_v0(), ..options };
        let data: Option<Value> = self.bundle.data()?;
        let modules: Vec<(&str, &str)> = self.modules().collect();
        Program::compile(modules, data.as_ref(), options)
    }
}

/// The tests in a folder, to the depth and of the kinds that [`Bundle::load`] has accepted already.
fn read(dir: &Path, prefix: &str, tests: &mut BTreeMap<String, String>) -> Result<(), Error> {
    let unreadable = |path: &Path, source| Error::Read { path: path.display().to_string(), source };
    for entry in fs::read_dir(dir).map_err(|e| unreadable(dir, e))? {
        let entry = entry.map_err(|e| unreadable(dir, e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(|e| unreadable(&entry.path(), e))?;
        let path = format!("{prefix}{name}");
        if name.starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            read(&entry.path(), &format!("{path}/"), tests)?;
        } else if name.ends_with("_test.rego") {
            let text = fs::read_to_string(entry.path()).map_err(|e| unreadable(&entry.path(), e))?;
            tests.insert(path, text);
        }
    }
    Ok(())
}
